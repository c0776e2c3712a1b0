//! What it costs a cause that all its monitored dependants are silent. One walk per CI and graph; for what half of the
//! estate needs it is long, and is done when the graph is made ready, away from the engine.

use super::fine::{self, Fine};
use super::index::{MAX_UNDER, MIN_EXPECTED};
use super::scale::{self, Each, FRACTIONS};
use crate::engine::Engine;
use crate::graph::{Graph, Ix};
use crate::model::CiId;

/// From so many dependants on it is done beforehand.
const MANY: usize = 256;

/// The cost, for each fraction of the coarse and of the fine scale.
#[derive(Clone, Copy, Debug, Default)]
pub struct Absence {
    /// Coarse.
    pub each: Each,
    /// Fine.
    pub fine: Fine,
}

/// The same of the CIs with many dependants, by their place in the graph.
#[derive(Debug, Default)]
pub struct Heavy {
    all: Vec<(Ix, Absence)>,
}

impl Heavy {
    /// Looks at every CI of a graph.
    pub fn of(graph: &Graph) -> Heavy {
        let mut all = Vec::new();
        for n in 0..u32::try_from(graph.len()).unwrap_or(u32::MAX) {
            let ix = Ix(n);
            if graph.impact(ix, MIN_EXPECTED, MANY).len() >= MANY {
                all.push((ix, of(graph, ix)));
            }
        }
        Heavy { all }
    }
    fn get(&self, ix: Ix) -> Option<Absence> {
        let at = self.all.binary_search_by_key(&ix, |(at, _)| *at).ok()?;
        self.all.get(at).map(|(_, absence)| *absence)
    }
}

fn of(graph: &Graph, ix: Ix) -> Absence {
    let mut sum = Absence {
        each: [0; FRACTIONS],
        fine: Fine::default(),
    };
    for reach in graph.impact(ix, MIN_EXPECTED, MAX_UNDER) {
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
        let known = self.force.heavy.as_ref().and_then(|heavy| heavy.get(ix));
        known.unwrap_or_else(|| of(graph, ix))
    }
}
