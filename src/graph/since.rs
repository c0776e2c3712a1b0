//! What a graph has in common with the one that it follows, found away from the engine: most loads of a CMDB change
//! next to nothing, and what did not change need not be looked up again.

use super::links::{Links, Step};
use super::{Graph, Ix, MAX_HOPS, narrow, wide};

/// No such CI.
const NONE: u32 = u32::MAX;

/// A graph compared with the one before it.
#[derive(Debug)]
pub struct Since {
    /// Where each CI was before.
    places: Vec<u32>,
    same_names: bool,
    /// CIs of the graph before of which other things are true now.
    stale: Stale,
}

/// Positions in the graph before.
#[derive(Debug, Default)]
pub struct Stale {
    /// Those that may need something else.
    pub cones: Vec<Ix>,
    /// Those that something else may need, and those that are other CIs than before.
    pub dependants: Vec<Ix>,
}

impl Since {
    /// Compares `now` with the graph before it.
    pub fn compare(before: &Graph, now: &Graph) -> Since {
        let places = places(before, now);
        let same_cis = places.len() == before.len() && places.iter().all(|p| *p != NONE);
        let stale = stale(before, now, &places);
        Since {
            same_names: same_cis && before.names.same(&now.names),
            stale,
            places,
        }
    }

    /// Where a CI was in the graph before.
    pub fn before(&self, ix: Ix) -> Option<Ix> {
        let at = self.places.get(wide(ix.0)).copied();
        at.filter(|at| *at != NONE).map(Ix)
    }

    /// CIs that the graph before did not have.
    pub fn added(&self) -> impl Iterator<Item = Ix> + '_ {
        let all = (0..).zip(&self.places);
        all.filter(|(_, place)| **place == NONE).map(|(n, _)| Ix(n))
    }

    /// Whether every name means the same CI as before.
    pub fn same_names(&self) -> bool {
        self.same_names
    }

    /// CIs of the graph before of which other things are true now.
    pub fn stale(&self) -> &Stale {
        &self.stale
    }
}

/// Where each CI was: both graphs are sorted by key.
fn places(before: &Graph, now: &Graph) -> Vec<u32> {
    let mut old = before.raw.cis.iter().enumerate().peekable();
    let mut places = Vec::with_capacity(now.len());
    for ci in &now.raw.cis {
        while old.next_if(|(_, o)| o.key < ci.key).is_some() {}
        let same = old.next_if(|(_, o)| o.key == ci.key);
        places.push(same.map_or(NONE, |(at, _)| narrow(at)));
    }
    places
}

fn stale(before: &Graph, now: &Graph, places: &[u32]) -> Stale {
    let mut after = vec![NONE; before.len()];
    for (n, place) in places.iter().enumerate() {
        if let Some(after) = after.get_mut(wide(*place)) {
            *after = narrow(n);
        }
    }
    let (mut needers, mut needed) = (Vec::new(), Vec::new());
    for (old, new) in (0..).zip(&after) {
        if *new == NONE || differ(&before.up, &now.up, places, (old, *new)) {
            needers.push(old);
        }
        let fact = |graph: &Graph, at: u32| {
            let ci = graph.ci(Ix(at))?;
            Some((ci.monitored, ci.class.clone()))
        };
        if *new == NONE
            || differ(&before.down, &now.down, places, (old, *new))
            || fact(before, old) != fact(now, *new)
        {
            needed.push(old);
        }
    }
    // A path over what changed may be one of before or one of now.
    let both = |begin: &[u32], old: &Links, new: &Links| {
        let mut all = within(old, begin);
        let begin: Vec<u32> = begin
            .iter()
            .filter_map(|at| after.get(wide(*at)).copied())
            .filter(|at| *at != NONE)
            .collect();
        let place = |at: u32| places.get(wide(at)).copied().unwrap_or(NONE);
        all.extend(within(new, &begin).into_iter().map(place));
        all.sort_unstable();
        all.dedup();
        all.retain(|at| *at != NONE);
        all.into_iter().map(Ix).collect()
    };
    Stale {
        cones: both(&needers, &before.down, &now.down),
        dependants: both(&needed, &before.up, &now.up),
    }
}

/// Whether the links of a CI are others than before.
fn differ(before: &Links, now: &Links, places: &[u32], (old, new): (u32, u32)) -> bool {
    let place = |ci: u32| places.get(wide(ci)).copied().unwrap_or(NONE);
    let then = before.steps(Ix(old));
    let now = now.steps(Ix(new)).map(|step| Step {
        ci: place(step.ci),
        ..step
    });
    !then.eq(now)
}

/// CIs that are at most so many links from any of `begin`, these included. One more than a path has: whether a CI
/// is a service depends on what needs it.
fn within(links: &Links, begin: &[u32]) -> Vec<u32> {
    let mut seen = vec![false; links.len()];
    let mut all = Vec::new();
    let mut meet = |ci: u32, all: &mut Vec<u32>| {
        if let Some(seen) = seen.get_mut(wide(ci)).filter(|seen| !**seen) {
            *seen = true;
            all.push(ci);
        }
    };
    for ci in begin {
        meet(*ci, &mut all);
    }
    let mut from = 0;
    for _ in 0..=MAX_HOPS {
        let to = all.len();
        for at in from..to {
            let Some(ci) = all.get(at).copied() else {
                continue;
            };
            for Step { ci: next, .. } in links.steps(Ix(ci)) {
                meet(next, &mut all);
            }
        }
        from = to;
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::{Ci, GraphBuilder};
    use crate::rules::Correlate;
    use std::sync::Arc;

    /// One-letter CIs, those in capitals monitored, and relations of two letters.
    fn graph(cis: &str, relations: &str) -> Graph {
        let mut builder = GraphBuilder::new();
        for name in cis.chars() {
            let ci = Ci {
                key: name.to_lowercase().to_string(),
                monitored: name.is_uppercase(),
                ..Ci::default()
            };
            builder.ci(ci, "");
        }
        for ends in relations.split_whitespace() {
            builder.relation(&ends[..1], "runs-on", &ends[1..2], "");
        }
        let raw = Arc::new(builder.finish().0);
        Graph::build(raw, &Correlate::default().relations, &[])
    }

    /// What is stale, as the letters of before: cones, dependants; and whether the names are the same.
    fn check(before: (&str, &str), now: (&str, &str), expected: (&str, &str, bool)) {
        let (old, new) = (graph(before.0, before.1), graph(now.0, now.1));
        let since = Since::compare(&old, &new);
        let names = |all: &[Ix]| -> String {
            let key = |ix: &Ix| old.ci(*ix).map(|ci| ci.key.as_str());
            all.iter().filter_map(key).collect()
        };
        let stale = since.stale();
        let got = (names(&stale.cones), names(&stale.dependants));
        assert_eq!(
            (got.0.as_str(), got.1.as_str(), since.same_names()),
            expected,
            "{before:?} to {now:?}"
        );
        for n in 0..new.len() {
            let ix = Ix(narrow(n));
            let (now, then) = (new.ci(ix), since.before(ix).and_then(|b| old.ci(b)));
            let is_new = since.added().any(|added| added == ix);
            assert_eq!(then.is_none(), is_new);
            assert!(then.is_none() || then.map(|c| &c.key) == now.map(|c| &c.key));
        }
    }

    #[test]
    fn only_what_a_change_reaches_is_stale() {
        let estate = ("abcdxyz", "ab bc cd xy yz");
        check(estate, estate, ("", "", true));
        // Of a relation that is gone: who needs its source, and what its target needs.
        check(estate, ("abcdxyz", "ab cd xy yz"), ("ab", "cd", true));
        check(
            estate,
            ("abcdxyz", "ab bc cd xy yz dz"),
            ("abcd", "z", true),
        );
        // Two relations of a type weigh less each; a CI that is new or gone takes its relations with it.
        check(
            estate,
            ("abcdwxyz", "ab bc cd xy yz aw"),
            ("a", "bcd", false),
        );
        check(estate, ("abcdxy", "ab bc cd xy"), ("xyz", "z", false));
        // Whether something would report it counts for what it needs.
        check(estate, ("aBcdxyz", "ab bc cd xy yz"), ("", "bcd", true));
        check(("abc", "ab"), ("bca", "ab"), ("", "", true));
    }
}
