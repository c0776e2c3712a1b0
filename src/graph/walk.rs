//! Best paths along needs: the cone of a CI upward, its impact downward.

use super::{Graph, Ix};
use std::collections::{BTreeMap, BinaryHeap};

/// Relations a path may have.
const MAX_HOPS: u8 = 6;
/// CIs of a cone, best weights first.
const MAX_CONE: usize = 96;

/// A CI that a walk reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reach {
    /// The CI.
    pub ci: Ix,
    /// Product of the weights of the best path, per mille.
    pub weight: u16,
    /// Relations of that path.
    pub hops: u8,
}

/// What is reached, and from where.
type Found = BTreeMap<Ix, (Reach, Ix)>;

impl Graph {
    /// Every CI that `ix` needs, by its best path, without itself; sorted by position. Paths below
    /// `min_weight` per mille and of more than 6 relations are not followed; of more than 96 CIs the best
    /// stay, equal ones by position.
    pub fn cone(&self, ix: Ix, min_weight: u16) -> Vec<Reach> {
        let found = self.walk(ix, min_weight, MAX_CONE, true);
        found.into_values().map(|(reach, _)| reach).collect()
    }

    /// Every CI that needs `ix`, at most `limit`, the best first chosen; sorted by position.
    pub fn impact(&self, ix: Ix, min_weight: u16, limit: usize) -> Vec<Reach> {
        let found = self.walk(ix, min_weight, limit, false);
        found.into_values().map(|(reach, _)| reach).collect()
    }

    /// The best path by which `from` needs `to`, both included; empty if it does not.
    pub fn path(&self, from: Ix, to: Ix, min_weight: u16) -> Vec<Ix> {
        let found = self.walk(from, min_weight, MAX_CONE, true);
        let mut path = vec![to];
        let mut at = to;
        while at != from {
            let Some((_, before)) = found.get(&at) else {
                return Vec::new();
            };
            at = *before;
            path.push(at);
        }
        path.reverse();
        path
    }

    fn walk(&self, start: Ix, min_weight: u16, limit: usize, up: bool) -> Found {
        let mut found = Found::new();
        // Heaviest first, then the lowest position: the order that makes the cut at `limit` definite.
        let mut heap = BinaryHeap::new();
        heap.push((1000u16, std::cmp::Reverse((start, 0u8, start))));
        while let Some((weight, std::cmp::Reverse((ci, hops, before)))) = heap.pop() {
            if ci != start {
                if found.contains_key(&ci) {
                    continue;
                }
                if found.len() >= limit {
                    break;
                }
                found.insert(ci, (Reach { ci, weight, hops }, before));
            } else if hops > 0 {
                continue;
            }
            if hops >= MAX_HOPS {
                continue;
            }
            let rows = if up { &self.up } else { &self.down };
            for (next, link, _) in rows.of(ci) {
                let product = u32::from(weight).saturating_mul(u32::from(*link)) / 1000;
                let product = u16::try_from(product).unwrap_or(1000);
                if product >= min_weight.max(1) && *next != start && !found.contains_key(next) {
                    heap.push((
                        product,
                        std::cmp::Reverse((*next, hops.saturating_add(1), ci)),
                    ));
                }
            }
        }
        found
    }
}
