//! In which tools an incident has a ticket: the rules of `[[ticket.route]]` that name targets, else all of them.
//!
//! It is judged as long as the incident lives, so one that grows worse reaches the target that is there for that.
//! A target that the rules no longer name keeps the ticket that it has.

use super::Engine;
use super::rows::{Row, RowId};
use crate::model::{CiId, IncidentId};

impl Engine {
    /// The targets that the rules name for an incident, and the rule; `None` if none names any.
    pub(super) fn route_targets(&self, id: IncidentId) -> Option<(&[String], &str)> {
        let routes = &self.state.rules.ticket.routes;
        if !self.rules_name_targets() {
            return None; // spares the look at its services
        }
        let known = self.state.incidents.get(&id)?;
        let spots = self.spots(id);
        let observed: Vec<CiId> = self.observed(id);
        let subject = self.subject(known, &observed, &spots);
        let mut named = routes.iter().filter(|r| !r.targets.is_empty());
        let rule = named.find(|r| self.routes(r, known, &observed, subject))?;
        Some((&rule.targets, &rule.name))
    }

    fn rules_name_targets(&self) -> bool {
        let routes = &self.state.rules.ticket.routes;
        routes.iter().any(|r| !r.targets.is_empty())
    }

    /// Gives an incident whose ticket is wanted the targets that the rules name by now.
    pub(super) fn route(&mut self, id: IncidentId) {
        let known = self.state.incidents.get(&id);
        let wants = known.is_some_and(|i| i.state.lives() && i.opened.is_some());
        if !wants || !self.rules_name_targets() {
            return;
        }
        self.make_rows(id);
        let Some((named, _)) = self.route_targets(id) else {
            return;
        };
        let fallback = |name: &str| {
            let mut all = self.state.rules.targets.values();
            all.any(|t| t.fallback.as_deref() == Some(name)) || self.informs(name)
        };
        let unnamed = |r: &RowId| !named.iter().any(|t| **t == *r.target) && !fallback(&r.target);
        let rows = self.rows_of(id).into_iter().filter(unnamed);
        let gone: Vec<RowId> = rows
            .filter(|r| self.state.outbox.get(r).is_some_and(untried))
            .collect();
        for row in gone {
            self.state.outbox.remove(&row);
        }
    }
}

/// Nothing was ever written for it, nor may have been.
fn untried(row: &Row) -> bool {
    row.ticket.is_none()
        && row.unknown.is_none()
        && row.in_flight.is_none()
        && row.verify.is_empty()
        && row.strays.is_empty()
        && row.generation == 1
}
