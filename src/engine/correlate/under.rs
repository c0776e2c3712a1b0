//! What needs a CI, as far as a fault there would be expected to show: asked with every look at an incident, so kept
//! for the causes that are named just now.

use super::impact::service_class;
use super::root::{EXPECTED, MAX_IMPACT};
use crate::engine::Engine;
use crate::graph::Reach;
use crate::model::CiId;
use std::sync::Arc;

/// Smallest weight of a path over which a service is at risk, per mille.
pub(super) const AT_RISK: u16 = EXPECTED / 2;
/// Causes kept; beyond that all are looked up anew.
const MAX_KEPT: usize = 4096;

/// A CI that needs another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Dependant {
    pub ci: CiId,
    /// Chance that the fault shows there, per mille.
    pub weight: u16,
    pub monitored: bool,
    pub service: bool,
}

impl Engine {
    /// The first [`MAX_IMPACT`] of the CIs that need `ci`, in the order of the graph.
    pub(super) fn under(&self, ci: CiId) -> Arc<[Dependant]> {
        self.index.under(ci).unwrap_or_else(|| self.look_under(ci))
    }

    /// Keeps that for the cause of an incident.
    pub(super) fn keep_under(&mut self, ci: CiId) {
        if self.index.under(ci).is_none() {
            let found = self.look_under(ci);
            self.index.keep_under(ci, found, MAX_KEPT);
        }
    }

    fn look_under(&self, ci: CiId) -> Arc<[Dependant]> {
        let (Some(graph), Some(ix)) = (&self.force.graph, self.force.ix(ci)) else {
            return Arc::default();
        };
        let class = service_class(&self.state.rules.priority, graph);
        let dependant = |reach: &Reach| {
            let known = graph.ci(reach.ci);
            Some(Dependant {
                ci: self.force.id(reach.ci)?,
                weight: reach.weight,
                monitored: known.is_some_and(|c| c.monitored),
                service: class.is_some() && known.map(|c| &c.class) == class,
            })
        };
        let walked = self.force.walked.as_ref();
        match walked.and_then(|walked| walked.under(ix)) {
            Some(known) => known.iter().filter_map(dependant).collect(),
            None => {
                let reached = graph.impact(ix, AT_RISK, MAX_IMPACT);
                reached.iter().filter_map(dependant).collect()
            }
        }
    }
}
