//! CIs and relations: immutable, built whole, swapped whole. Integers only; weights are per mille.
//!
//! "From kind to" reads as a sentence: `vm1 runs-on hv1`. The table of relation types says which end needs
//! the other. [`Graph::cone`] follows needs upward to causes, [`Graph::impact`] downward to what is affected.

mod builder;
mod names;
mod walk;

pub use builder::{Finding, GraphBuilder};
pub use names::Lookup;
pub use walk::Reach;

use crate::rules::RelationRule;
use names::Names;
use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A configuration item.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ci {
    /// The CMDB's id.
    pub key: String,
    /// The name people know it by.
    pub name: String,
    /// Its class, as the CMDB calls it.
    pub class: String,
    /// IP addresses.
    pub addresses: Vec<String>,
    /// Further names.
    pub aliases: Vec<String>,
    /// Whether a monitoring system watches it: only then does its silence say something.
    pub monitored: bool,
    /// Anything else, by name.
    pub attributes: BTreeMap<String, String>,
}

/// A relation; the ends are positions in [`RawGraph::cis`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Relation {
    /// The subject of the sentence.
    pub from: u32,
    /// Its object.
    pub to: u32,
    /// Its verb: the relation type.
    pub kind: String,
}

/// CIs and relations as loaded: what is stored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RawGraph {
    /// Sorted by key.
    pub cis: Vec<Ci>,
    /// Sorted, without repetition.
    pub relations: Vec<Relation>,
}

/// A stored graph is never larger than this unpacked.
const MAX_STORED: u64 = 4 << 30;

impl RawGraph {
    fn plain(&self) -> Vec<u8> {
        // Plain data with known lengths always has a postcard form.
        postcard::to_stdvec(self).unwrap_or_default()
    }

    /// The stored form.
    pub fn encode(&self) -> Vec<u8> {
        let plain = self.plain();
        let mut out = u64::try_from(plain.len())
            .unwrap_or(0)
            .to_le_bytes()
            .to_vec();
        // Compressing in memory fails only without memory.
        out.extend(zstd::bulk::compress(&plain, 3).unwrap_or_default());
        out
    }

    /// Reads the stored form.
    ///
    /// # Errors
    /// What is wrong with the bytes.
    pub fn decode(bytes: &[u8]) -> Result<RawGraph, String> {
        let (head, packed) = bytes.split_first_chunk::<8>().ok_or("too short")?;
        let length = u64::from_le_bytes(*head);
        if length > MAX_STORED {
            return Err(format!("a length of {length} bytes"));
        }
        let length = usize::try_from(length).map_err(|e| e.to_string())?;
        let plain = zstd::bulk::decompress(packed, length).map_err(|e| e.to_string())?;
        postcard::from_bytes(&plain).map_err(|e| e.to_string())
    }

    /// First 8 bytes of the SHA-256 of the content, big endian.
    pub fn digest(&self) -> u64 {
        let hash = digest(&SHA256, &self.plain());
        hash.as_ref()
            .iter()
            .take(8)
            .fold(0, |n, b| (n << 8) | u64::from(*b))
    }
}

/// How much of `old` is missing in `new`, in per cent: of its CIs or of its relations, whichever is more.
pub fn loss(old: &RawGraph, new: &RawGraph) -> u32 {
    let share = |missing: usize, all: usize| -> u32 {
        let percent = missing.saturating_mul(100).checked_div(all).unwrap_or(0);
        u32::try_from(percent).unwrap_or(100)
    };
    let keys: BTreeSet<&str> = new.cis.iter().map(|c| c.key.as_str()).collect();
    let cis = old
        .cis
        .iter()
        .filter(|c| !keys.contains(c.key.as_str()))
        .count();
    let named = |graph: &RawGraph| -> BTreeSet<(String, String, String)> {
        let key = |at: u32| {
            let ci = graph.cis.get(usize::try_from(at).unwrap_or(usize::MAX));
            ci.map(|c| c.key.clone()).unwrap_or_default()
        };
        let all = graph.relations.iter();
        all.map(|r| (key(r.from), r.kind.clone(), key(r.to)))
            .collect()
    };
    let (before, after) = (named(old), named(new));
    let relations = before.difference(&after).count();
    share(cis, old.cis.len()).max(share(relations, before.len()))
}

/// A CI's position in one graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ix(pub u32);

impl Ix {
    fn at(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

/// A direct need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link<'a> {
    /// The CI at the other end.
    pub ci: Ix,
    /// Chance that a fault passes, per mille.
    pub weight: u16,
    /// The relation's type.
    pub kind: &'a str,
}

/// Compressed rows: the links of CI n are `links[starts[n]..starts[n + 1]]`.
#[derive(Clone, Debug, Default)]
struct Rows {
    starts: Vec<u32>,
    links: Vec<(Ix, u16, u16)>,
}

impl Rows {
    /// `edges` are (row, other end, weight, kind), sorted.
    fn new(cis: usize, edges: &[(u32, u32, u16, u16)]) -> Rows {
        let mut starts = Vec::with_capacity(cis.saturating_add(1));
        let mut links = Vec::with_capacity(edges.len());
        let mut edges = edges.iter().peekable();
        for row in 0..cis {
            starts.push(u32::try_from(links.len()).unwrap_or(u32::MAX));
            while let Some((_, to, weight, kind)) =
                edges.next_if(|e| usize::try_from(e.0) == Ok(row))
            {
                links.push((Ix(*to), *weight, *kind));
            }
        }
        starts.push(u32::try_from(links.len()).unwrap_or(u32::MAX));
        Rows { starts, links }
    }

    fn of(&self, ix: Ix) -> &[(Ix, u16, u16)] {
        let bound = |n: usize| {
            let at = self.starts.get(n).copied().unwrap_or(0);
            usize::try_from(at).unwrap_or(0)
        };
        let range = bound(ix.at())..bound(ix.at().saturating_add(1));
        self.links.get(range).unwrap_or_default()
    }
}

/// One loaded version of CIs and relations.
#[derive(Clone, Debug)]
pub struct Graph {
    raw: Arc<RawGraph>,
    digest: u64,
    kinds: Vec<String>,
    /// What a CI needs.
    up: Rows,
    /// What needs a CI.
    down: Rows,
    names: Names,
}

/// Weight of a facade (virtual IP, service) on the one thing it stands for, per mille.
const FACADE: u16 = 900;
/// Weight of a group on its members, divided by the root of their number, per mille.
const GROUP: u16 = 900;

impl Graph {
    /// Builds the arrays. `relations` is the table of types; a type that is not in it carries no faults.
    /// `domains` are taken off names that are looked up.
    pub fn build(
        raw: Arc<RawGraph>,
        relations: &BTreeMap<String, RelationRule>,
        domains: &[String],
    ) -> Graph {
        let kinds: Vec<String> = raw
            .relations
            .iter()
            .map(|r| r.kind.clone())
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect();
        let mut edges = needs(&raw, relations, &kinds);
        edges.sort_unstable();
        // Two relations between the same two: the stronger one counts.
        edges.dedup_by(|later, first| {
            let same = later.0 == first.0 && later.1 == first.1;
            if same && later.2 > first.2 {
                first.2 = later.2;
                first.3 = later.3;
            }
            same
        });
        let up = Rows::new(raw.cis.len(), &edges);
        for edge in &mut edges {
            std::mem::swap(&mut edge.0, &mut edge.1);
        }
        edges.sort_unstable();
        let down = Rows::new(raw.cis.len(), &edges);
        Graph {
            digest: raw.digest(),
            names: Names::new(&raw.cis, domains),
            kinds,
            up,
            down,
            raw,
        }
    }

    /// What it was built from.
    pub fn raw(&self) -> &Arc<RawGraph> {
        &self.raw
    }
    /// See [`RawGraph::digest`].
    pub fn digest(&self) -> u64 {
        self.digest
    }
    /// How many CIs it has.
    pub fn len(&self) -> usize {
        self.raw.cis.len()
    }
    /// Whether it has no CI.
    pub fn is_empty(&self) -> bool {
        self.raw.cis.is_empty()
    }
    /// How many relations it has.
    pub fn relations(&self) -> usize {
        self.raw.relations.len()
    }
    /// The CI at a position.
    pub fn ci(&self, ix: Ix) -> Option<&Ci> {
        self.raw.cis.get(ix.at())
    }
    /// The CI with this CMDB id.
    pub fn by_key(&self, key: &str) -> Option<Ix> {
        let at = self
            .raw
            .cis
            .binary_search_by(|c| c.key.as_str().cmp(key))
            .ok()?;
        u32::try_from(at).ok().map(Ix)
    }
    /// The CI that a monitoring system means by `name`: CMDB id, name, alias, host name with or without
    /// domain, IP address in any spelling; upper and lower case are the same.
    pub fn lookup(&self, name: &str) -> Lookup {
        match self.by_key(name) {
            Some(ix) => Lookup::One(ix),
            None => self.names.find(name),
        }
    }
    /// What a CI needs directly.
    pub fn causes(&self, ix: Ix) -> impl Iterator<Item = Link<'_>> {
        self.up.of(ix).iter().map(|l| self.link(l))
    }
    /// What needs a CI directly.
    pub fn dependants(&self, ix: Ix) -> impl Iterator<Item = Link<'_>> {
        self.down.of(ix).iter().map(|l| self.link(l))
    }

    fn link(&self, (ci, weight, kind): &(Ix, u16, u16)) -> Link<'_> {
        Link {
            ci: *ci,
            weight: *weight,
            kind: self
                .kinds
                .get(usize::from(*kind))
                .map(String::as_str)
                .unwrap_or_default(),
        }
    }
}

/// Relations as needs: (who needs, what it needs, weight, kind).
fn needs(
    raw: &RawGraph,
    relations: &BTreeMap<String, RelationRule>,
    kinds: &[String],
) -> Vec<(u32, u32, u16, u16)> {
    // How many a CI has of each type, and in all, to tell redundancy and facades.
    let mut by_type: BTreeMap<(u32, &str), u32> = BTreeMap::new();
    let mut in_all: BTreeMap<u32, u32> = BTreeMap::new();
    let mut members: BTreeMap<u32, u32> = BTreeMap::new();
    let ends = |r: &Relation, rule: &RelationRule| match rule.reverse {
        true => (r.to, r.from),
        false => (r.from, r.to),
    };
    let carrying = || {
        raw.relations.iter().filter_map(|r| {
            let rule = relations.get(&r.kind)?;
            (rule.weight > 0).then_some((r, rule))
        })
    };
    for (r, rule) in carrying() {
        let (who, what) = ends(r, rule);
        let count = by_type.entry((who, r.kind.as_str())).or_default();
        *count = count.saturating_add(1);
        let count = in_all.entry(who).or_default();
        *count = count.saturating_add(1);
        if r.kind == "member-of" {
            let count = members.entry(what).or_default();
            *count = count.saturating_add(1);
        }
    }
    let mut edges = Vec::with_capacity(raw.relations.len());
    for (r, rule) in carrying() {
        let (who, what) = ends(r, rule);
        let kind = kinds
            .binary_search(&r.kind)
            .ok()
            .and_then(|k| u16::try_from(k).ok());
        let kind = kind.unwrap_or(u16::MAX);
        let several = by_type.get(&(who, r.kind.as_str())).is_some_and(|n| *n > 1);
        let only = in_all.get(&who) == Some(&1);
        let weight = match (several, only && r.kind == "depends-on") {
            (true, _) => rule.redundant,
            (false, true) => FACADE.max(rule.weight),
            (false, false) => rule.weight,
        };
        edges.push((who, what, weight, kind));
        if r.kind == "member-of" {
            let count = members.get(&what).copied().unwrap_or(1).max(1);
            let root = u16::try_from(count.isqrt()).unwrap_or(u16::MAX).max(1);
            edges.push((what, who, GROUP.checked_div(root).unwrap_or(0), kind));
        }
    }
    edges
}
