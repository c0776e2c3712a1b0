//! The two ends of a link. CMDBs keep a line between two devices as a CI that both connect to. Neither device needs the
//! other by what is written, but a device beyond a dead neighbour may be cut off, and in a ring whole arcs are.

use super::{RawGraph, wide};
use std::collections::{BTreeMap, BTreeSet};

/// Type of the relations whose targets may be links.
const CONNECTS: &str = "connects-to";
/// A class is one of links if of its CIs that something connects to so many of a hundred have two ends and connect to
/// nothing themselves; and if there are as many as [`LEAST`] of these.
const USUAL: usize = 75;
/// See [`USUAL`].
const LEAST: usize = 3;

/// The pairs of CIs that a link joins, each both ways round.
pub fn ends(raw: &RawGraph) -> Vec<(u32, u32)> {
    let mut ends: BTreeMap<u32, BTreeSet<u32>> = BTreeMap::new();
    let mut connect: BTreeSet<u32> = BTreeSet::new();
    for relation in raw.relations.iter().filter(|r| r.kind == CONNECTS) {
        let known = |n: u32| wide(n) < raw.cis.len();
        if relation.from != relation.to && known(relation.from) && known(relation.to) {
            ends.entry(relation.to).or_default().insert(relation.from);
            connect.insert(relation.from);
        }
    }
    let class = |ci: u32| raw.cis.get(wide(ci)).map(|ci| ci.class.as_str());
    let is_link = |(ci, ends): &(&u32, &BTreeSet<u32>)| ends.len() == 2 && !connect.contains(*ci);
    let mut classes: BTreeMap<Option<&str>, (usize, usize)> = BTreeMap::new();
    for one in &ends {
        let (links, all) = classes.entry(class(*one.0)).or_default();
        *links = links.saturating_add(usize::from(is_link(&one)));
        *all = all.saturating_add(1);
    }
    let of_links = |ci: u32| {
        let known = classes.get(&class(ci));
        known.is_some_and(|(links, all)| {
            *links >= LEAST && links.saturating_mul(100) >= all.saturating_mul(USUAL)
        })
    };
    let links = ends.iter().filter(|one| is_link(one) && of_links(*one.0));
    let mut pairs = Vec::new();
    for (_, ends) in links {
        if let (Some(a), Some(b)) = (ends.first(), ends.last()) {
            pairs.extend([(*a, *b), (*b, *a)]);
        }
    }
    pairs
}
