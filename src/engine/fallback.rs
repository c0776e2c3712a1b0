//! A P1 or P2 whose ticket the tool has not taken in time goes to the fallback target as well.
//!
//! The first target is not given up: its ticket is opened when it can be, and both hear of the recovery.

use super::Engine;
use super::rows::RowId;
use super::state::{IncidentState, Timer};
use crate::model::Priority;
use crate::rules::Mode;

impl Engine {
    /// Makes the row of the fallback target, once it is due.
    pub(super) fn fall_back(&mut self, id: &RowId) {
        let at = self.state.at;
        let Some(row) = self.state.outbox.get(id) else {
            return;
        };
        // No ticket yet, or one that we resolved and that has to be opened again.
        let undone = match &row.ticket {
            None => Some(row.since),
            Some(_) => row.failing_since.filter(|_| row.resolved_by_us),
        };
        let Some(since) = undone else {
            return;
        };
        let Some(target) = self.state.rules.targets.get(&*id.target).cloned() else {
            return;
        };
        let Some(fallback) = target
            .fallback
            .filter(|_| target.mode == Mode::Live && !row.shadow)
        else {
            return;
        };
        let incident = self.state.incidents.get(&id.incident);
        let wants = incident.is_some_and(|i| {
            i.priority <= Priority::P2
                && matches!(i.state, IncidentState::Open | IncidentState::Recovering)
        });
        let other = RowId {
            incident: id.incident,
            target: fallback.as_str().into(),
        };
        if !wants || self.state.outbox.contains_key(&other) {
            return;
        }
        let due = since.plus(target.fallback_after);
        if due > at {
            return self.set_timer(due, Timer::Row(id.clone()));
        }
        let shadow = self
            .state
            .rules
            .targets
            .get(&fallback)
            .is_none_or(|t| t.mode != Mode::Live);
        self.insert_row(other, shadow);
        let seconds = at.since(since).0 / 1000;
        let text = format!(
            "{} has no open ticket after {seconds} s; {fallback} gets one",
            id.target
        );
        self.warn(Some(id.incident), text);
    }
}
