//! Relations that what failed speaks against: A needs B, B failed again and again, and A never had an alert.

use super::failures::Failures;
use crate::engine::Engine;
use crate::graph::Link;
use std::collections::BTreeMap;

/// Failures that are looked at before anything is said.
const LEAST: u32 = 3;
/// Chance that the relation holds although nothing was seen of it, per mille, below which it is told.
const CHANCE: u64 = 50;

/// A relation that does not seem to hold.
pub(super) struct Contradicted {
    pub(super) needs: String,
    pub(super) kind: String,
    pub(super) needed: String,
    /// Failures of the needed CI in which the other stayed silent.
    pub(super) failures: u32,
    /// Failures in which its silence said nothing.
    pub(super) unknown: u32,
}

/// All of them, by the number of failures.
pub(super) fn contradicted(engine: &Engine, failures: &Failures<'_>) -> Vec<Contradicted> {
    let force = engine.in_force();
    let Some(graph) = &force.graph else {
        return Vec::new();
    };
    let rules = &force.rules.text.correlate.relations;
    let mut out = Vec::new();
    for needed in failures.of.keys() {
        let Some(at) = force.ix(*needed) else {
            continue;
        };
        if failures.hard(*needed).count() < usize::try_from(LEAST).unwrap_or(usize::MAX) {
            continue;
        }
        let hard: Vec<_> = failures
            .hard(*needed)
            .map(|f| (f, failures.shown(at, f)))
            .collect();
        for link in graph.dependants(at) {
            let (Some(id), Some(ci)) = (force.id(link.ci), graph.ci(link.ci)) else {
                continue;
            };
            // A CI that has a second one of these need not notice.
            let mut kinds: BTreeMap<&str, u32> = BTreeMap::new();
            for cause in graph.causes(link.ci) {
                let count = kinds.entry(cause.kind).or_default();
                *count = count.saturating_add(1);
            }
            let redundant = rules.get(link.kind).is_some_and(|r| r.redundant < r.weight)
                && kinds.get(link.kind).is_some_and(|n| *n > 1);
            if !ci.monitored || redundant {
                continue;
            }
            let (mut silent, mut unknown, mut held) = (0u32, 0u32, false);
            for (failure, shown) in &hard {
                if failures.alerted(id, failure) {
                    held = true;
                    break;
                }
                match failures.silence_tells(link.ci, at, failure, shown) {
                    true => silent = silent.saturating_add(1),
                    false => unknown = unknown.saturating_add(1),
                }
            }
            if held || silent < LEAST || unlikely(&link, silent) >= CHANCE {
                continue;
            }
            out.push(Contradicted {
                needs: ci.name.clone(),
                kind: link.kind.to_owned(),
                needed: graph.ci(at).map(|c| c.name.clone()).unwrap_or_default(),
                failures: silent,
                unknown,
            });
        }
    }
    out.sort_by(|a, b| {
        let key = |c: &Contradicted| {
            (
                std::cmp::Reverse(c.failures),
                c.needed.clone(),
                c.needs.clone(),
            )
        };
        key(a).cmp(&key(b))
    });
    out
}

/// Chance of so many silences if the relation has its weight, per mille.
fn unlikely(link: &Link<'_>, silent: u32) -> u64 {
    let misses = u64::from(1000u16.saturating_sub(link.weight));
    (0..silent).fold(1000u64, |chance, _| chance.saturating_mul(misses) / 1000)
}
