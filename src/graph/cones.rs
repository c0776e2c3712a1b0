//! Cones: what a CI needs, or what needs it, over several hops.
//!
//! A walk in the order of falling weight (Dijkstra on products, in per mille, rounded down at each hop). It
//! ends at the weight, the hops or the entries allowed, whichever comes first, so that its cost is bounded
//! by the entries and their links, on a cycle as well. Of several paths to a CI only the best is followed further, so
//! a worse one that is not barred (see [`Links::bar`]) is lost.

use super::links::Links;
use super::ways::{Way, Ways};
use super::{Ix, wide};
use crate::rules::Carries;
use std::collections::BinaryHeap;

/// Hops of the longest path. Chains of real estates (service, application, VM, hypervisor, rack, power) have
/// six; what lies further is too weak to decide anything.
pub const MAX_HOPS: u8 = 6;
/// Entries of a cone. The largest of 99 % of the CIs had 84 in estates of 17,000 CIs.
pub const MAX_CONE: usize = 96;
/// Weight of the CI at which a walk begins, per mille.
const WHOLE: u16 = 1000;

/// A CI of a cone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reach {
    /// The CI.
    pub ci: Ix,
    /// Product of the weights on the best path, per mille.
    pub weight: u16,
    /// Hops of that path.
    pub hops: u8,
}

/// The best `limit` CIs that can be reached from `start`, by index.
pub fn reach(links: &Links, start: Ix, min_weight: u16, limit: usize) -> Vec<Reach> {
    reach_over(links, start, Carries::All, min_weight, limit)
}

/// The same on a way that came to `start` over a relation that carries `over`.
pub fn reach_over(
    links: &Links,
    start: Ix,
    over: Carries,
    min_weight: u16,
    limit: usize,
) -> Vec<Reach> {
    let ways = walk(links, (start, over), min_weight, limit, None);
    let mut reached: Vec<Reach> = ways
        .all()
        .filter(|(ci, way)| way.settled && *ci != start.0)
        .map(|(ci, way)| Reach {
            ci: Ix(ci),
            weight: way.weight,
            hops: way.hops,
        })
        .collect();
    reached.sort_unstable_by_key(|reach| reach.ci);
    reached
}

/// The best path from `from` to `to`, if `to` is within the cone of `from`.
pub fn path(links: &Links, from: Ix, to: Ix, min_weight: u16) -> Vec<Ix> {
    let ways = walk(
        links,
        (from, Carries::All),
        min_weight,
        MAX_CONE,
        Some(to.0),
    );
    let mut path = Vec::new();
    let mut at = to.0;
    // One step more than hops: a path of six hops names seven CIs.
    for _ in 0..=MAX_HOPS {
        match ways.get(at) {
            Some(way) if way.settled => {
                path.push(Ix(at));
                if at == from.0 {
                    path.reverse();
                    return path;
                }
                at = way.before;
            }
            Some(_) | None => break,
        }
    }
    Vec::new()
}

/// Settles CIs in the order of (weight, lower index, fewer hops) until `limit` beside `start` are settled,
/// or `to` is.
fn walk(
    links: &Links,
    (start, over): (Ix, Carries),
    min_weight: u16,
    limit: usize,
    to: Option<u32>,
) -> Ways {
    let mut ways = Ways::new();
    if wide(start.0) >= links.len() {
        return ways;
    }
    let first = Way {
        weight: WHOLE,
        hops: 0,
        before: start.0,
        settled: false,
        barred: over == links.bar().0,
    };
    ways.set(start.0, first);
    let mut heap = BinaryHeap::from([turn(WHOLE, start.0, 0)]);
    let mut settled = 0_usize;
    let (first, then) = links.bar();
    while let Some(next) = heap.pop() {
        let (weight, ci, hops) = turned(next);
        let barred = match ways.get_mut(ci) {
            // A better way was found after this one was put on the heap.
            Some(way) if way.settled || (way.weight, way.hops) != (weight, hops) => continue,
            Some(way) => {
                way.settled = true;
                way.barred
            }
            None => continue,
        };
        settled = settled.saturating_add(usize::from(ci != start.0));
        if settled >= limit || to == Some(ci) {
            break;
        }
        if hops == MAX_HOPS {
            continue;
        }
        for step in links.steps(Ix(ci)) {
            if barred && step.carries == then {
                continue;
            }
            let product = product(weight, step.weight);
            if product == 0 || product < min_weight {
                continue;
            }
            let way = Way {
                weight: product,
                hops: hops.saturating_add(1),
                before: ci,
                settled: false,
                barred: barred || step.carries == first,
            };
            if ways.improve(step.ci, way) {
                heap.push(turn(product, step.ci, way.hops));
            }
        }
    }
    ways
}

/// Whose turn it is, the highest first, as one number: weight, lower index, fewer hops.
fn turn(weight: u16, ci: u32, hops: u8) -> u64 {
    u64::from(weight) << 40 | u64::from(!ci) << 8 | u64::from(!hops)
}

fn turned(turn: u64) -> (u16, u32, u8) {
    let [_, high, low, a, b, c, d, hops] = turn.to_be_bytes();
    let weight = u16::from_be_bytes([high, low]);
    (weight, !u32::from_be_bytes([a, b, c, d]), !hops)
}

/// Two weights one after the other.
pub(super) fn product(a: u16, b: u16) -> u16 {
    let thousandths = u32::from(a).saturating_mul(u32::from(b)) / u32::from(WHOLE);
    u16::try_from(thousandths).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::{Ci, Graph, GraphBuilder};
    use crate::rules::{Carries, RelationRule};
    use std::sync::Arc;

    /// A graph of `n` CIs (0, 1, ...) whose relations are (needer, weight, needed).
    fn graph(n: u32, needs: &[(u32, u16, u32)]) -> Graph {
        let mut builder = GraphBuilder::new();
        let key = |n: u32| format!("{n:04}");
        for ci in (0..n).map(key) {
            let ci = Ci {
                key: ci,
                ..Ci::default()
            };
            builder.ci(ci, "");
        }
        let mut rules = std::collections::BTreeMap::new();
        for (from, weight, to) in needs {
            builder.relation(&key(*from), &weight.to_string(), &key(*to), "");
            let rule = RelationRule {
                weight: *weight,
                redundant: *weight,
                reverse: false,
                carries: Carries::All,
            };
            rules.insert(weight.to_string(), rule);
        }
        Graph::build(Arc::new(builder.finish().0), &rules, &[])
    }

    /// The cone of CI 0 as (CI, weight, hops).
    fn check(n: u32, needs: &[(u32, u16, u32)], min_weight: u16, expected: &[(u32, u16, u8)]) {
        let graph = graph(n, needs);
        let plain = |r: &Reach| (r.ci.0, r.weight, r.hops);
        let cone = graph.cone(Ix(0), min_weight);
        let got: Vec<_> = cone.iter().map(plain).collect();
        assert_eq!(got, expected, "{needs:?}");
        for reach in cone {
            let path = graph.path(Ix(0), reach.ci, min_weight);
            assert_eq!(path.len(), usize::from(reach.hops) + 1, "{path:?}");
            assert_eq!((path[0], path[path.len() - 1]), (Ix(0), reach.ci));
        }
    }

    #[test]
    fn the_best_path_counts() {
        check(
            4,
            &[(0, 500, 1), (0, 900, 2), (2, 900, 1), (1, 500, 3)],
            80,
            &[(1, 810, 2), (2, 900, 1), (3, 405, 3)],
        );
        // Equal weights: the path with fewer hops.
        check(
            3,
            &[(0, 810, 2), (0, 900, 1), (1, 900, 2)],
            80,
            &[(1, 900, 1), (2, 810, 1)],
        );
        // Cut at the weight, which itself still counts.
        check(
            4,
            &[(0, 300, 1), (1, 300, 2), (2, 900, 3)],
            81,
            &[(1, 300, 1), (2, 90, 2), (3, 81, 3)],
        );
        check(
            4,
            &[(0, 300, 1), (1, 300, 2), (2, 900, 3)],
            82,
            &[(1, 300, 1), (2, 90, 2)],
        );
        // A product below one per mille is nothing, whatever is asked for.
        check(3, &[(0, 20, 1), (1, 20, 2)], 0, &[(1, 20, 1)]);
        check(1, &[], 0, &[]);
    }

    #[test]
    fn cycles_end() {
        check(
            3,
            &[(0, 900, 1), (1, 900, 2), (2, 900, 0), (1, 900, 0)],
            0,
            &[(1, 900, 1), (2, 810, 2)],
        );
        check(2, &[(0, 1000, 1), (1, 1000, 0)], 0, &[(1, 1000, 1)]);
    }

    #[test]
    fn six_hops_and_no_more() {
        let chain: Vec<_> = (0..9).map(|n| (n, 1000, n + 1)).collect();
        let expected: Vec<_> = (1..=6_u8).map(|n| (u32::from(n), 1000, n)).collect();
        check(10, &chain, 80, &expected);
        let graph = graph(10, &chain);
        assert_eq!(graph.path(Ix(0), Ix(7), 80), []);
        assert_eq!(graph.path(Ix(0), Ix(0), 80), [Ix(0)]);
        assert_eq!(graph.path(Ix(0), Ix(99), 80), []);
        let down: Vec<u32> = graph.impact(Ix(9), 80, 4).iter().map(|r| r.ci.0).collect();
        assert_eq!(down, [5, 6, 7, 8]);
    }

    #[test]
    fn the_best_96_and_ties_by_index() {
        // 150 causes of equal weight, two better ones with the highest numbers.
        let mut needs: Vec<_> = (1..=150).map(|n| (0, 500, n)).collect();
        needs.extend([(0, 700, 151), (151, 900, 152)]);
        let graph = graph(153, &needs);
        let cone: Vec<u32> = graph.cone(Ix(0), 80).iter().map(|r| r.ci.0).collect();
        let mut expected: Vec<u32> = (1..=94).collect();
        expected.extend([151, 152]);
        assert_eq!(cone, expected);
        assert_eq!(graph.path(Ix(0), Ix(94), 80).len(), 2);
        assert_eq!(graph.path(Ix(0), Ix(95), 80), []);
        assert_eq!(graph.impact(Ix(3), 80, 0), []);
    }
}
