//! CIs that very many others need: where a relation too many makes one cause of everything.

use crate::graph::{Graph, Ix};
use std::cmp::Reverse;

/// Direct dependants from which on a CI is one.
const DIRECT: usize = 20;
/// CIs whose whole impact is looked at: those with the most direct dependants.
const LOOKED_AT: usize = 200;
/// Impact that is counted.
const MOST: usize = 20_000;
/// What needs a CI with less than this weight does not fail with it.
const WEIGHT: u16 = 300;

/// One of them.
pub(super) struct Hub {
    pub(super) name: String,
    pub(super) class: String,
    pub(super) direct: usize,
    /// Direct or not; [`MOST`] stands for that many or more.
    pub(super) all: usize,
    pub(super) monitored: bool,
}

/// The hubs, largest first.
pub(super) fn hubs(graph: &Graph) -> Vec<Hub> {
    let count = u32::try_from(graph.len()).unwrap_or(u32::MAX);
    let mut all: Vec<(Reverse<usize>, Ix)> = (0..count)
        .map(|n| (Reverse(graph.dependants(Ix(n)).count()), Ix(n)))
        .filter(|(Reverse(direct), _)| *direct >= DIRECT)
        .collect();
    all.sort_unstable();
    let mut out: Vec<Hub> = all
        .into_iter()
        .take(LOOKED_AT)
        .filter_map(|(Reverse(direct), ix)| {
            let ci = graph.ci(ix)?;
            Some(Hub {
                name: ci.name.clone(),
                class: ci.class.clone(),
                direct,
                all: graph.impact(ix, WEIGHT, MOST).len().max(direct),
                monitored: ci.monitored,
            })
        })
        .collect();
    out.sort_by(|a, b| (b.all, b.direct, &a.name).cmp(&(a.all, a.direct, &b.name)));
    out
}
