//! Causes that alert in another incident. What comes half an hour after its cause is an incident of its own, for by time
//! alone anything could be behind it. But the cause is not silent then: of all CIs that may be behind it, one that fires
//! right now comes first.

use super::case::Case;
use super::place::can_explain;
use super::scale::{Nats, nats};
use super::value::ALSO_FIRST;
use crate::engine::Engine;
use crate::engine::state::Incident;
use crate::model::{CiId, IncidentId, Millis};

/// What is worth to a cause without an alert in an incident that it alerts in another one.
pub(super) const ALERTS_ELSEWHERE: Nats = nats(80);
/// Its first alert there is this old at most when the incident begins.
pub(super) const BEFORE: Millis = Millis::mins(120);

impl Engine {
    /// The live incident, the oldest, in which something alerts that may be behind this case of an incident, since before
    /// the case began. What a person put into an incident or took out of another one is not asked: they know better.
    pub(super) fn alerts_elsewhere(
        &self,
        cause: CiId,
        case: &Case,
        incident: IncidentId,
    ) -> Option<IncidentId> {
        let known = self.state.incidents.get(&incident)?;
        if known.is_by_hand() || case.spots.contains_key(&cause) {
            return None;
        }
        self.index.at(cause).find(|id| {
            let other = self.state.incidents.get(id);
            other.is_some_and(|other| other.shadow == known.shadow && fires_at(other, cause, case))
                && self.may_merge(incident, *id)
        })
    }

    /// The same of an incident as it is.
    pub(in crate::engine) fn alerts_beside(
        &self,
        id: IncidentId,
        cause: CiId,
    ) -> Option<IncidentId> {
        let known = self.state.incidents.get(&id)?;
        self.alerts_elsewhere(cause, &known.case, id)
    }
}

fn fires_at(known: &Incident, cause: CiId, case: &Case) -> bool {
    let spot = known.case.spots.get(&cause).filter(|_| known.state.lives());
    spot.is_some_and(|spot| {
        spot.fires()
            && spot.first <= case.first.plus(ALSO_FIRST)
            && case.first.since(spot.first) <= BEFORE
            && case
                .worst
                .is_none_or(|worst| can_explain(spot.worst, worst))
    })
}
