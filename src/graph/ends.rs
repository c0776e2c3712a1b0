//! The two ends of a link. CMDBs keep a line between two devices as a CI that both connect to. Neither device needs the
//! other by what is written, but a device beyond a dead neighbour may be cut off, and in a ring whole arcs are.
//!
//! Where only one end of a line is written, its name often holds the other: `lnk-m43-pe1-m44-pe1`.

use super::{RawGraph, wide};
use std::collections::{BTreeMap, BTreeSet};

/// Type of the relations whose targets may be links.
const CONNECTS: &str = "connects-to";
/// A class is one of links if of its CIs that something connects to so many of a hundred have two ends and connect to
/// nothing themselves; and if there are as many as [`LEAST`] of these.
const USUAL: usize = 75;
/// See [`USUAL`].
const LEAST: usize = 3;
/// Parts of the name of a line that are looked at for its other end.
const MAX_PARTS: usize = 16;

/// What connects to each CI, and which CIs connect to something.
struct Connections {
    ends: BTreeMap<u32, BTreeSet<u32>>,
    connect: BTreeSet<u32>,
}

/// The pairs of CIs that a link joins, each both ways round.
pub fn ends(raw: &RawGraph) -> Vec<(u32, u32)> {
    let mut known = Connections::of(raw);
    let classes = known.classes_of_links(raw);
    let of_links = |ci: u32| {
        raw.cis
            .get(wide(ci))
            .is_some_and(|ci| classes.contains(ci.class.as_str()))
    };
    known.name_ends(raw, of_links);
    let links = known.ends.iter();
    let links = links.filter(|(ci, ends)| known.is_link(**ci, ends) && of_links(**ci));
    let mut pairs = Vec::new();
    for (_, ends) in links {
        if let (Some(a), Some(b)) = (ends.first(), ends.last()) {
            pairs.extend([(*a, *b), (*b, *a)]);
        }
    }
    pairs
}

impl Connections {
    fn of(raw: &RawGraph) -> Connections {
        let mut ends: BTreeMap<u32, BTreeSet<u32>> = BTreeMap::new();
        let mut connect: BTreeSet<u32> = BTreeSet::new();
        for relation in raw.relations.iter().filter(|r| r.kind == CONNECTS) {
            let known = |n: u32| wide(n) < raw.cis.len();
            if relation.from != relation.to && known(relation.from) && known(relation.to) {
                ends.entry(relation.to).or_default().insert(relation.from);
                connect.insert(relation.from);
            }
        }
        Connections { ends, connect }
    }

    fn is_link(&self, ci: u32, ends: &BTreeSet<u32>) -> bool {
        ends.len() == 2 && !self.connect.contains(&ci)
    }

    fn classes_of_links<'a>(&self, raw: &'a RawGraph) -> BTreeSet<&'a str> {
        let mut classes: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
        for (ci, ends) in &self.ends {
            let Some(known) = raw.cis.get(wide(*ci)) else {
                continue;
            };
            let (links, all) = classes.entry(&known.class).or_default();
            *links = links.saturating_add(usize::from(self.is_link(*ci, ends)));
            *all = all.saturating_add(1);
        }
        let usual = |(class, (links, all)): (&'a str, (usize, usize))| {
            let usual = links.saturating_mul(100) >= all.saturating_mul(USUAL);
            (links >= LEAST && usual).then_some(class)
        };
        classes.into_iter().filter_map(usual).collect()
    }

    /// Adds the end that only the name of a link tells, if it names one CI besides its other end.
    fn name_ends(&mut self, raw: &RawGraph, of_links: impl Fn(u32) -> bool) {
        let single = |(ci, ends): (&u32, &BTreeSet<u32>)| {
            let end = ends.first().copied().filter(|_| ends.len() == 1)?;
            (!self.connect.contains(ci) && of_links(*ci)).then_some((*ci, end))
        };
        let single: Vec<(u32, u32)> = self.ends.iter().filter_map(single).collect();
        if single.is_empty() {
            return;
        }
        let mut devices: BTreeMap<&str, BTreeSet<u32>> = BTreeMap::new();
        for device in &self.connect {
            if let Some(known) = raw.cis.get(wide(*device)) {
                devices.entry(&known.name).or_default().insert(*device);
            }
        }
        for (link, end) in single {
            let name = raw.cis.get(wide(link)).map_or("", |ci| ci.name.as_str());
            let others = parts(name).flat_map(|part| devices.get(part).into_iter().flatten());
            let others = others.copied().filter(|ci| *ci != end && *ci != link);
            let others: BTreeSet<u32> = others.collect();
            if others.len() == 1 {
                self.ends.entry(link).or_default().extend(others);
            }
        }
    }
}

/// Whatever stands in a name between two marks of punctuation.
fn parts(name: &str) -> impl Iterator<Item = &str> {
    let marks = name.char_indices().filter(|(_, c)| !c.is_alphanumeric());
    let starts = marks
        .clone()
        .map(|(at, mark)| at.saturating_add(mark.len_utf8()));
    let starts: Vec<usize> = std::iter::once(0).chain(starts).take(MAX_PARTS).collect();
    let stops = marks.map(|(at, _)| at).chain([name.len()]);
    let stops: Vec<usize> = stops.take(MAX_PARTS).collect();
    starts.into_iter().flat_map(move |from| {
        let to = stops.clone().into_iter().filter(move |to| *to > from);
        to.filter_map(move |to| name.get(from..to))
    })
}
