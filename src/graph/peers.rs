//! Redundancy: what stands behind all peers of a CI.
//!
//! A CI with several peers of a kind (two power supplies, two uplinks, the members of a pool) does not go down with one
//! of them, so each weighs little. It does go down with what all of them need. No single path says that, so it is a
//! link of its own: from the CI to what its peers have in common.

use super::weigh::Need;
use crate::rules::Carries;
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// More peers than this seldom fail together.
const MAX_PEERS: usize = 8;
/// Hops behind a peer.
const HOPS: usize = 3;
/// Smallest weight of a link, per mille.
const MIN_WEIGHT: u32 = 80;
/// Links of one set of peers, the strongest.
const MAX_LINKS: usize = 16;
/// What more CIs have behind all their peers is a site or a backbone. A part of so many always alerts for one reason or
/// another, and a link would make all of that its fault; the paths through each peer lead there as before.
const MAX_NEEDERS: usize = 2000;

/// Peers of which a CI needs one at least.
pub struct Peers {
    /// Who needs them.
    pub needer: u32,
    /// The peers, sorted, each once.
    pub of: Vec<u32>,
    /// What faults their relation carries.
    pub carries: Carries,
}

/// The links from each CI to what all its peers need; `needs` are sorted by the needing CI.
pub fn behind_all(needs: &[Need], sets: &[Peers], weight: u16, kind: u32) -> Vec<Need> {
    let mut known: BTreeMap<&[u32], Vec<(u32, u32)>> = BTreeMap::new();
    let mut links = Vec::new();
    for set in sets {
        if !(2..=MAX_PEERS).contains(&set.of.len()) {
            continue;
        }
        let common = known
            .entry(&set.of)
            .or_insert_with(|| common(needs, &set.of));
        for (needed, by_all) in common.iter().filter(|(c, _)| *c != set.needer) {
            let product = by_all.saturating_mul(u32::from(weight)) / 1000;
            if product >= MIN_WEIGHT {
                links.push(Need {
                    needer: set.needer,
                    needed: *needed,
                    weight: u16::try_from(product).unwrap_or(weight),
                    kind,
                    carries: set.carries,
                });
            }
        }
    }
    let mut needers: BTreeMap<u32, usize> = BTreeMap::new();
    for link in &links {
        let count = needers.entry(link.needed).or_default();
        *count = count.saturating_add(1);
    }
    links.retain(|link| needers.get(&link.needed).is_none_or(|n| *n <= MAX_NEEDERS));
    links
}

/// What all peers need, the strongest first, with the chance per mille that a fault of it shows at all of them.
fn common(needs: &[Need], peers: &[u32]) -> Vec<(u32, u32)> {
    let mut peers_left = peers.iter();
    let first = peers_left.next().map(|peer| behind(needs, *peer));
    let mut common = first.unwrap_or_default();
    for peer in peers_left {
        let own = behind(needs, *peer);
        common.retain(|ci, weight| {
            let also = own.get(ci).copied().unwrap_or(0);
            *weight = weight.saturating_mul(also) / 1000;
            *weight >= MIN_WEIGHT
        });
    }
    common.retain(|ci, _| !peers.contains(ci));
    let mut common: Vec<(u32, u32)> = common.into_iter().collect();
    common.sort_unstable_by_key(|(ci, weight)| (Reverse(*weight), *ci));
    common.truncate(MAX_LINKS);
    common
}

/// What a CI needs within a few hops, with the product of the weights on the best path.
fn behind(needs: &[Need], ci: u32) -> BTreeMap<u32, u32> {
    let mut all: BTreeMap<u32, u32> = BTreeMap::new();
    let mut front = BTreeMap::from([(ci, 1000_u32)]);
    for _ in 0..HOPS {
        let mut next: BTreeMap<u32, u32> = BTreeMap::new();
        for (at, weight) in front {
            let from = needs.partition_point(|need| need.needer < at);
            let own = needs.iter().skip(from).take_while(|n| n.needer == at);
            for need in own {
                let product = weight.saturating_mul(u32::from(need.weight)) / 1000;
                let known = all.entry(need.needed).or_default();
                if product >= MIN_WEIGHT && product > *known {
                    *known = product;
                    next.insert(need.needed, product);
                }
            }
        }
        front = next;
    }
    all
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
        let links = behind_all(&needs(all), &[set], 900, 1);
        links
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
