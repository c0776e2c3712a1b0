//! CIs that fail together again and again although nothing in the CMDB leads from one to the other.

use super::failures::{Failures, NEAR};
use crate::engine::Engine;
use crate::graph::Ix;
use crate::model::{CiId, Millis};
use std::collections::{BTreeMap, BTreeSet};

/// Times before anything is said.
const LEAST: u32 = 3;
/// More CIs than these in one window are a storm: who fails with whom in it says nothing.
const STORM: usize = 24;
/// Begins that are looked at around one. A CI has at most three of them, so that many are a storm.
const MOST: usize = 500;
/// Pairs that are counted at once; those seen once make room.
const MAX_PAIRS: usize = 200_000;
/// So many times more often than by chance.
const FACTOR: i128 = 4;

/// Two of them.
pub(super) struct Together {
    pub(super) names: [String; 2],
    pub(super) times: u32,
    /// Failures of each.
    pub(super) failures: [u32; 2],
}

/// The pairs that were found, and how many made room for others.
pub(super) fn together(
    engine: &Engine,
    failures: &Failures<'_>,
    span: Millis,
) -> (Vec<Together>, u64) {
    let force = engine.in_force();
    let Some(graph) = &force.graph else {
        return (Vec::new(), 0);
    };
    let number = |ci: &CiId| {
        let all = failures.of.get(ci).map_or(0, Vec::len);
        u32::try_from(all).unwrap_or(u32::MAX)
    };
    let often = failures
        .of
        .iter()
        .filter(|(ci, _)| number(ci) >= LEAST && force.ix(**ci).is_some());
    let mut begins: Vec<(Millis, CiId)> = often
        .flat_map(|(ci, all)| all.iter().map(|f| (f.began, *ci)))
        .collect();
    begins.sort_unstable();
    let mut pairs: BTreeMap<(CiId, CiId), (u32, Millis)> = BTreeMap::new();
    let mut dropped = 0u64;
    let mut first = 0usize;
    for (n, (at, ci)) in begins.iter().enumerate() {
        let early = |(t, _): &&(Millis, CiId)| at.since(*t) > NEAR;
        let gone = begins.iter().skip(first).take_while(early).count();
        first = first.saturating_add(gone);
        let around: BTreeSet<CiId> = (begins.iter().skip(first))
            .take_while(|(t, _)| t.since(*at) <= NEAR)
            .map(|(_, ci)| *ci)
            .take(MOST)
            .collect();
        if around.len() > STORM {
            continue;
        }
        let rest = begins.iter().skip(n.saturating_add(1));
        let with: BTreeSet<CiId> = rest
            .take_while(|(other, _)| other.since(*at) <= NEAR)
            .map(|(_, other)| *other)
            .collect();
        for other in with.into_iter().filter(|o| o != ci) {
            let pair = (*ci.min(&other), *ci.max(&other));
            if pairs.len() >= MAX_PAIRS && !pairs.contains_key(&pair) {
                let before = pairs.len();
                pairs.retain(|_, (times, _)| *times > 1);
                let gone = before.saturating_sub(pairs.len());
                dropped = dropped.saturating_add(u64::try_from(gone).unwrap_or(0));
                if gone == 0 {
                    dropped = dropped.saturating_add(1);
                    continue;
                }
            }
            match pairs.get_mut(&pair) {
                // One failure of each counts once.
                Some((times, last)) if at.since(*last) > NEAR => {
                    *times = times.saturating_add(1);
                    *last = *at;
                }
                Some(_) => {}
                None => {
                    pairs.insert(pair, (1, *at));
                }
            }
        }
    }
    let weight = force.rules.text.correlate.min_weight;
    let reach = |ix: Ix| -> BTreeSet<Ix> {
        let cone = graph.cone(ix, weight);
        cone.into_iter().map(|r| r.ci).chain([ix]).collect()
    };
    let mut out = Vec::new();
    for ((a, b), (times, _)) in &pairs {
        let (x, y) = (number(a), number(b));
        let by_chance = i128::from(x)
            .saturating_mul(i128::from(y))
            .saturating_mul(i128::from(NEAR.0).saturating_mul(2));
        let seen = i128::from(*times).saturating_mul(i128::from(span.0.max(1)));
        let half = times.saturating_mul(2) >= x.min(y);
        if *times < LEAST || !half || seen < by_chance.saturating_mul(FACTOR) {
            continue;
        }
        let (Some(i), Some(j)) = (force.ix(*a), force.ix(*b)) else {
            continue;
        };
        // One that needs the other, or something that both need, is the reason.
        if !reach(i).is_disjoint(&reach(j)) {
            continue;
        }
        let name = |ix: Ix| graph.ci(ix).map(|c| c.name.clone()).unwrap_or_default();
        out.push(Together {
            names: [name(i), name(j)],
            times: *times,
            failures: [x, y],
        });
    }
    out.sort_by(|a, b| (b.times, &a.names).cmp(&(a.times, &b.names)));
    (out, dropped)
}
