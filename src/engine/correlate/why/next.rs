//! The next best cause: what people think of first, and what speaks against it.

use super::super::index::Need;
use super::super::root::EXPECTED;
use crate::engine::Engine;
use crate::engine::state::Incident;
use crate::model::CiId;
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// Alerting CIs of an incident that are asked what they need.
pub(in crate::engine::correlate) const MAX_ASKED: usize = 200;

impl Engine {
    /// Alerting CIs of an incident that need a cause over a path on which we expect an alert, by the graph alone:
    /// what a case inherits along a chain of alerts is no such path.
    pub(in crate::engine) fn explained(&self, known: &Incident, cause: CiId) -> usize {
        let needs = |place: &&CiId| {
            **place == cause
                || self
                    .about_of(**place)
                    .weight(cause)
                    .is_some_and(|w| w >= EXPECTED)
        };
        let places = known.case.spots.keys().take(MAX_ASKED);
        places.filter(needs).count()
    }

    /// Nothing but the name of its alerts connects an incident: no CI explains the half of it.
    pub(in crate::engine) fn only_its_name(&self, known: &Incident) -> bool {
        let explained = self.explained(known, known.root);
        known.burst.is_some() && explained.saturating_mul(2) < known.case.spots.len()
    }

    /// The next best of the causes that were weighed and explain more than one CI; if there is none, the CI that
    /// most of the alerting ones need. With how many it explains.
    pub(in crate::engine) fn next_best(&self, known: &Incident) -> Option<(CiId, usize)> {
        let others = known.ranked.iter().filter(|(ci, _)| *ci != known.root);
        let mut counted = others.map(|(ci, _)| (*ci, self.explained(known, *ci)));
        let most = || {
            let mut needed: BTreeMap<CiId, usize> = BTreeMap::new();
            for place in known.case.spots.keys().take(MAX_ASKED) {
                let about = self.about_of(*place);
                let expected = |n: &&Need| n.ci != *place && n.weight >= EXPECTED;
                for need in about.cone.iter().filter(expected) {
                    let count = needed.entry(need.ci).or_default();
                    *count = count.saturating_add(1);
                }
            }
            needed.remove(&known.root);
            needed.into_iter().max_by_key(|(ci, n)| (*n, Reverse(*ci)))
        };
        let several = |(_, n): &(CiId, usize)| *n >= 2;
        counted.find(several).or_else(|| most().filter(several))
    }

    /// The same for a text: its name, what it explains, of how many monitored.
    pub(in crate::engine) fn runner_up(&self, known: &Incident) -> Option<(String, u32, u32)> {
        let (ci, explains) = self.next_best(known)?;
        let explains = u32::try_from(explains).unwrap_or(u32::MAX);
        let places: Vec<CiId> = known.case.spots.keys().copied().collect();
        let monitored = self.explains(ci, &places).monitored.max(explains);
        Some((self.ci_name(ci), explains, monitored))
    }
}
