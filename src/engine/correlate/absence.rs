//! What it costs a cause that all its monitored dependants are silent. One walk per CI and graph, done when the graph
//! is made ready (see `walked`), or when it is asked for.

use super::fine::{self, Fine};
use super::index::{MAX_UNDER, MIN_EXPECTED};
use super::scale::{self, Each, FRACTIONS};
use crate::engine::Engine;
use crate::graph::{Graph, Ix, Reach};
use crate::model::CiId;

/// The cost, for each fraction of the coarse and of the fine scale.
#[derive(Clone, Copy, Debug, Default)]
pub struct Absence {
    /// Coarse.
    pub each: Each,
    /// Fine.
    pub fine: Fine,
}

/// What needs a CI so much that its silence counts.
pub(super) fn needing(graph: &Graph, ix: Ix) -> Vec<Reach> {
    graph.impact(ix, MIN_EXPECTED, MAX_UNDER)
}

/// What it costs that all of these are silent which are monitored.
pub(super) fn of(graph: &Graph, needing: &[Reach]) -> Absence {
    let mut sum = Absence {
        each: [0; FRACTIONS],
        fine: Fine::default(),
    };
    for reach in needing {
        if graph.ci(reach.ci).is_some_and(|c| c.monitored) {
            sum.each = scale::plus(sum.each, scale::loss(reach.weight));
            fine::silent(&mut sum.fine, reach.weight);
        }
    }
    sum
}

impl Engine {
    /// What the silence of all its monitored dependants costs a CI.
    pub(super) fn absence(&self, ci: CiId) -> Absence {
        let (Some(graph), Some(ix)) = (&self.force.graph, self.force.ix(ci)) else {
            return Absence::default();
        };
        let known = self.force.walked.as_ref().and_then(|w| w.absence(ix));
        known.unwrap_or_else(|| of(graph, &needing(graph, ix)))
    }
}
