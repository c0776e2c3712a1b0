//! Redundancy: what stands behind all peers of a CI.
//!
//! A CI with several peers of a kind (two power supplies, two uplinks, the members of a pool) does not go down with one
//! of them, so each weighs little. It does go down with what all of them need. No single path says that, so it is a
//! link of its own: from the CI to what its peers have in common.

use super::Ix;
use super::cones::{MAX_CONE, product, reach_over};
use super::links::Links;
use super::weigh::Need;
use crate::rules::Carries;
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// More peers than this seldom fail together.
const MAX_PEERS: usize = 8;
/// Hops behind a peer.
const HOPS: u8 = 3;
/// Smallest weight of a link, per mille.
const MIN_WEIGHT: u16 = 80;
/// Links of one set of peers, the strongest.
const MAX_LINKS: usize = 16;

/// Peers of which a CI needs one at least.
pub struct Peers {
    /// Who needs them.
    pub needer: u32,
    /// The peers, sorted, each once.
    pub of: Vec<u32>,
    /// What faults their relation carries.
    pub carries: Carries,
}

/// What all peers of a set need, with the weight.
type Common = Vec<(u32, u16)>;

/// The needs of each CI behind all its peers; `links` lead to what is needed.
pub fn behind_all(links: &Links, sets: &[Peers], weight: u16, kind: u32) -> Vec<Need> {
    let mut known: BTreeMap<(&[u32], Carries), Common> = BTreeMap::new();
    let mut needs = Vec::new();
    for set in sets {
        if !(2..=MAX_PEERS).contains(&set.of.len()) {
            continue;
        }
        let common = known
            .entry((&set.of, set.carries))
            .or_insert_with(|| common(links, set));
        for (needed, by_all) in common.iter().filter(|(c, _)| *c != set.needer) {
            let product = product(*by_all, weight);
            if product >= MIN_WEIGHT {
                needs.push(Need {
                    needer: set.needer,
                    needed: *needed,
                    weight: product,
                    kind,
                    carries: set.carries,
                });
            }
        }
    }
    needs
}

/// What all peers need, the strongest first, with the chance per mille that a fault of it shows at all of them.
fn common(links: &Links, set: &Peers) -> Common {
    let behind = |peer: &u32| -> BTreeMap<u32, u16> {
        let all = reach_over(links, Ix(*peer), set.carries, MIN_WEIGHT, MAX_CONE);
        let near = all.into_iter().filter(|reach| reach.hops <= HOPS);
        near.map(|reach| (reach.ci.0, reach.weight)).collect()
    };
    let mut peers = set.of.iter();
    let mut common = peers.next().map(behind).unwrap_or_default();
    for peer in peers {
        let own = behind(peer);
        common.retain(|ci, weight| {
            *weight = product(*weight, own.get(ci).copied().unwrap_or(0));
            *weight >= MIN_WEIGHT
        });
    }
    common.retain(|ci, _| !set.of.contains(ci));
    let mut common: Common = common.into_iter().collect();
    common.sort_unstable_by_key(|(ci, weight)| (Reverse(*weight), *ci));
    common.truncate(MAX_LINKS);
    common
}

#[cfg(test)]
mod tests {
    use super::*;

    fn needs(all: &[(u32, u32, u16)]) -> Vec<Need> {
        let need = |&(needer, needed, weight): &(u32, u32, u16)| Need {
            needer,
            needed,
            weight,
            kind: 0,
            carries: Carries::Power,
        };
        all.iter().map(need).collect()
    }

    fn links(all: &[(u32, u32, u16)], peers: &[u32]) -> Vec<(u32, u32, u16)> {
        let set = Peers {
            needer: 0,
            of: peers.to_vec(),
            carries: Carries::Power,
        };
        let links = Links::new(21, &needs(all), false);
        let found = behind_all(&links, &[set], 900, 1);
        found
            .iter()
            .map(|n| (n.needer, n.needed, n.weight))
            .collect()
    }

    #[test]
    fn what_all_peers_need_the_ci_needs() {
        // Two units on one UPS (3), which hangs on the grid (4).
        let both = [
            (0, 1, 250),
            (0, 2, 250),
            (1, 3, 900),
            (2, 3, 900),
            (3, 4, 900),
        ];
        assert_eq!(links(&both, &[1, 2]), [(0, 3, 729), (0, 4, 590)]);
        // What one of them alone needs is not behind both.
        let one = [(0, 1, 250), (0, 2, 250), (1, 3, 900), (2, 4, 900)];
        assert!(links(&one, &[1, 2]).is_empty());
        // Nor is one of the peers that the others need.
        assert!(links(&[(1, 2, 900)], &[1, 2]).is_empty());
        // Far fewer fail together than there are.
        let many: Vec<(u32, u32, u16)> = (1..=9).map(|peer| (peer, 20, 990)).collect();
        let peers: Vec<u32> = (1..=9).collect();
        assert!(links(&many, &peers).is_empty());
        assert_eq!(links(&many, &[1, 2, 3]), [(0, 20, 873)]);
    }

    #[test]
    fn power_does_not_come_over_the_network() {
        // Both units hang on a UPS (3), and their management on a switch (4).
        let both = needs(&[(0, 1, 250), (0, 2, 250), (1, 3, 900), (2, 3, 900)]);
        let managed = [(1, 4), (2, 4)].map(|(needer, needed)| Need {
            needer,
            needed,
            weight: 900,
            kind: 0,
            carries: Carries::Network,
        });
        let mut all = [both, managed.to_vec()].concat();
        all.sort_unstable();
        let set = Peers {
            needer: 0,
            of: vec![1, 2],
            carries: Carries::Power,
        };
        let found = behind_all(&Links::new(5, &all, false), &[set], 900, 1);
        let found: Vec<u32> = found.iter().map(|n| n.needed).collect();
        assert_eq!(found, [3]);
    }

    #[test]
    fn a_cycle_of_needs_ends() {
        let cycle = [
            (1, 2, 900),
            (1, 3, 900),
            (2, 1, 900),
            (2, 3, 900),
            (3, 1, 900),
        ];
        assert_eq!(links(&cycle, &[1, 2]), [(0, 3, 729)]);
    }
}
