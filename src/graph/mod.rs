//! The graph: CIs, the relations between them, the index of their names, and the cones that faults travel in.
//!
//! A CMDB fills a [`GraphBuilder`]; what comes out is a [`RawGraph`]: plain data in canonical order, stored by
//! its digest. [`Graph`] is the same made ready under the rules in force: weighted links both ways in CSR
//! arrays, and names. It is built whole and never changed. Everything here is integers and sorted arrays, so
//! that a replay on another machine gives the same bytes.

mod builder;
mod cones;
mod ends;
mod links;
mod loss;
mod names;
mod peers;
mod plain;
mod raw;
mod since;
mod ways;
mod weigh;

pub use builder::{Finding, GraphBuilder};
pub use cones::{MAX_CONE, MAX_HOPS, Reach};
pub use links::Link;
pub use loss::loss;
pub use names::{Lookup, MAX_MANY};
pub use raw::{Ci, RawGraph, Relation};
pub use since::{Since, Stale};

use crate::rules::RelationRule;
use links::Links;
use names::NameIndex;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A CI's position in one graph. It means nothing in another graph: keep the CI's key instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ix(pub u32);

/// One loaded version of the CIs and relations, ready to be asked.
#[derive(Debug)]
pub struct Graph {
    raw: Arc<RawGraph>,
    digest: u64,
    names: NameIndex,
    /// Towards what a CI needs.
    up: Links,
    /// Towards what needs a CI.
    down: Links,
    /// Relation types, by the number that a link holds.
    kinds: Vec<String>,
    classes: BTreeSet<String>,
    findings: Vec<Finding>,
    monitored: u64,
    /// Where the relations of each CI begin in the data, and where those of the last end.
    begins: Vec<u32>,
}

impl Graph {
    /// Makes `raw` ready: weighs the relations by `relations` (see `weigh.rs` for the rules) and indexes the
    /// names, with `domains` taken off host names (see `names.rs`). A relation whose end is no CI is passed
    /// over.
    pub fn build(
        raw: Arc<RawGraph>,
        relations: &BTreeMap<String, RelationRule>,
        domains: &[String],
    ) -> Graph {
        let weighed = weigh::weigh(&raw, relations);
        Graph {
            digest: raw.digest(),
            names: NameIndex::build(&raw.cis, domains),
            up: Links::new(raw.cis.len(), &weighed.needs, false),
            down: Links::new(raw.cis.len(), &weighed.needs, true),
            kinds: weighed.kinds,
            classes: raw.cis.iter().map(|ci| ci.class.clone()).collect(),
            findings: weighed.findings,
            monitored: raw.cis.iter().map(|ci| u64::from(ci.monitored)).sum(),
            begins: begins(&raw),
            raw,
        }
    }

    /// The data it was built from.
    pub fn raw(&self) -> &Arc<RawGraph> {
        &self.raw
    }

    /// [`RawGraph::digest`] of the data: the rules have no part in it.
    pub fn digest(&self) -> u64 {
        self.digest
    }

    /// The classes of its CIs.
    pub fn classes(&self) -> &BTreeSet<String> {
        &self.classes
    }

    /// How many of its CIs something monitors.
    pub fn monitored(&self) -> u64 {
        self.monitored
    }

    /// How many CIs it has.
    pub fn len(&self) -> usize {
        self.raw.cis.len()
    }

    /// Whether it has no CI.
    pub fn is_empty(&self) -> bool {
        self.raw.cis.is_empty()
    }

    /// How many relations it has, those that carry no faults included.
    pub fn relations(&self) -> usize {
        self.raw.relations.len()
    }

    /// The relations of a CI to others as the CMDB has them, those that carry no faults included.
    pub fn relations_of(&self, ix: Ix) -> &[Relation] {
        let at = |n: usize| self.begins.get(n).map(|begin| wide(*begin));
        let own = at(wide(ix.0)).zip(at(wide(ix.0).saturating_add(1)));
        let own = own.and_then(|(begin, end)| self.raw.relations.get(begin..end));
        own.unwrap_or_default()
    }

    /// What was found while it was built: relation types without a weight, one finding per type.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// The CI at `ix`; `None` if `ix` is from another graph and out of range.
    pub fn ci(&self, ix: Ix) -> Option<&Ci> {
        self.raw.cis.get(wide(ix.0))
    }

    /// The CI with this id of the CMDB: as written, else the only one that differs in case alone.
    pub fn by_key(&self, key: &str) -> Option<Ix> {
        self.names.by_key(&self.raw.cis, key)
    }

    /// The CI that a name of any form means; the order of the attempts is in `names.rs`.
    pub fn lookup(&self, name: &str) -> Lookup {
        self.names.lookup(&self.raw.cis, name)
    }

    /// Why a word of people means no CI, if it means none.
    pub fn doubt(&self, word: &str) -> Option<String> {
        match self.lookup(word) {
            Lookup::One(_) => None,
            Lookup::None => Some(format!("no CI is called {word:?}")),
            Lookup::Many(several) => {
                let keys = several.iter().filter_map(|ix| self.ci(*ix));
                let keys: Vec<&str> = keys.map(|ci| ci.key.as_str()).collect();
                Some(format!("{word:?} means several CIs ({})", keys.join(", ")))
            }
        }
    }

    /// Names that mean several CIs, in their plain form and order, with at most [`MAX_MANY`] of those CIs.
    pub fn ambiguous(&self) -> impl Iterator<Item = (&str, Vec<Ix>)> {
        let shared = self.names.shared();
        shared.filter_map(|(name, _)| match self.lookup(name) {
            Lookup::Many(several) => Some((name, several)),
            Lookup::One(_) | Lookup::None => None,
        })
    }

    /// What the CI needs directly, one link per CI (its strongest relation), in the order of the CIs.
    pub fn causes(&self, ix: Ix) -> impl Iterator<Item = Link<'_>> {
        self.up.of(ix, &self.kinds)
    }

    /// What needs the CI directly, one link per CI (its strongest relation), in the order of the CIs.
    pub fn dependants(&self, ix: Ix) -> impl Iterator<Item = Link<'_>> {
        self.down.of(ix, &self.kinds)
    }

    /// Everything the CI needs, over at most [`MAX_HOPS`] hops, by the path with the largest product of
    /// weights: the [`MAX_CONE`] best of weight `min_weight` per mille or more, ties by index, without the CI
    /// itself. Sorted by `Ix`.
    pub fn cone(&self, ix: Ix, min_weight: u16) -> Vec<Reach> {
        cones::reach(&self.up, ix, min_weight, MAX_CONE)
    }

    /// Everything that needs the CI, by the same walk downward, at most `limit` entries. Sorted by `Ix`.
    pub fn impact(&self, ix: Ix, min_weight: u16, limit: usize) -> Vec<Reach> {
        cones::reach(&self.down, ix, min_weight, limit)
    }

    /// The best path from a CI to one in its cone, both ends included; empty if `to` is not in the cone.
    pub fn path(&self, from: Ix, to: Ix, min_weight: u16) -> Vec<Ix> {
        cones::path(&self.up, from, to, min_weight)
    }
}

/// Where the relations of each CI begin; they are in the order of the CIs.
fn begins(raw: &RawGraph) -> Vec<u32> {
    let mut begins = vec![0_u32; raw.cis.len().saturating_add(1)];
    for relation in &raw.relations {
        if let Some(next) = begins.get_mut(wide(relation.from).saturating_add(1)) {
            *next = next.saturating_add(1);
        }
    }
    let mut sum = 0_u32;
    for begin in &mut begins {
        sum = sum.saturating_add(*begin);
        *begin = sum;
    }
    begins
}

/// Whether `text` is an IP address in any spelling that [`Graph::lookup`] reads: with brackets, zone, prefix
/// length or port.
pub fn is_address(text: &str) -> bool {
    plain::address(text.trim()).is_some()
}

/// A stored number as a position. Positions are stored in 32 bits: half the memory of a graph is positions.
fn wide(n: u32) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}

/// A position as a stored number. `GraphBuilder` and `RawGraph::decode` refuse more CIs than fit.
fn narrow(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}
