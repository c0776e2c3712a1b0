//! What the correlation must ask before it acts, and how the answers follow merges.

use super::super::Engine;
use super::super::state::Incident;
use crate::model::{AlertId, CiId, IncidentId};
use std::collections::BTreeSet;

impl Engine {
    /// Whether two incidents may become one: no person keeps them apart, and people did not name different
    /// causes for them.
    pub fn may_merge(&self, a: IncidentId, b: IncidentId) -> bool {
        let (a, b) = (self.incident_of(a), self.incident_of(b));
        let (Some(x), Some(y)) = (self.state.incidents.get(&a), self.state.incidents.get(&b))
        else {
            return false;
        };
        if a == b {
            return true;
        }
        may_be_one((a, x), (b, y))
    }

    /// Whether an alert may leave its incident: not if a person put it there.
    pub fn may_leave(&self, alert: AlertId) -> bool {
        !self.placed_in(alert).is_some_and(|id| {
            let known = self.state.incidents.get(&id);
            known.is_some_and(|i| i.state.lives())
        })
    }

    /// Whether an alert may come into an incident: not if a person put it elsewhere, and not into one from
    /// which a person took it, even after the incident of its own is over.
    pub fn may_join(&self, alert: AlertId, incident: IncidentId) -> bool {
        let incident = self.incident_of(incident);
        match self.placed_in(alert) {
            Some(mine) if mine != incident => {
                self.may_leave(alert) && !self.apart_of(mine).contains(&incident)
            }
            Some(_) | None => true,
        }
    }

    /// The root cause that a person named.
    pub fn named_cause(&self, incident: IncidentId) -> Option<CiId> {
        let known = self.state.incidents.get(&self.incident_of(incident))?;
        known.hands.cause.as_ref()?.ci
    }

    /// Whether a person said that the root cause is not known.
    pub fn named_unknown(&self, incident: IncidentId) -> bool {
        let known = self.state.incidents.get(&self.incident_of(incident));
        known
            .and_then(|i| i.hands.cause.as_ref())
            .is_some_and(|c| c.ci.is_none())
    }

    /// The incident in which a person put an alert.
    pub(in crate::engine) fn placed_in(&self, alert: AlertId) -> Option<IncidentId> {
        let id = self.incident_of(self.state.alerts.get(&alert)?.incident?);
        let known = self.state.incidents.get(&id)?;
        known.hands.placed.contains(&alert).then_some(id)
    }

    fn apart_of(&self, id: IncidentId) -> BTreeSet<IncidentId> {
        let known = self.state.incidents.get(&id);
        known.map(|i| i.hands.apart.clone()).unwrap_or_default()
    }

    /// Incidents that an alert must stay out of, before it is placed anew.
    pub(in crate::engine) fn kept_out_of(&self, alert: AlertId) -> BTreeSet<IncidentId> {
        self.placed_in(alert)
            .map(|id| self.apart_of(id))
            .unwrap_or_default()
    }

    /// Of several incidents, the first one and those that may become one with it and with each other.
    pub(in crate::engine) fn may_be_one(
        &self,
        incident: IncidentId,
        others: Vec<IncidentId>,
    ) -> Vec<IncidentId> {
        let mut out: Vec<IncidentId> = vec![incident];
        for other in others.into_iter().filter(|i| *i != incident) {
            if out.iter().all(|o| self.may_merge(*o, other)) {
                out.push(other);
            }
        }
        out
    }

    /// Keeps an incident apart from others, in both directions.
    pub(in crate::engine) fn keep_apart(&mut self, id: IncidentId, others: BTreeSet<IncidentId>) {
        for other in others {
            if other == id || !self.state.incidents.contains_key(&other) {
                continue;
            }
            for (a, b) in [(id, other), (other, id)] {
                if let Some(known) = self.state.incidents.get_mut(&a) {
                    known.hands.apart.insert(b);
                }
            }
        }
    }

    /// Lifts it again.
    pub(super) fn let_together(&mut self, one: IncidentId, other: IncidentId) {
        for (a, b) in [(one, other), (other, one)] {
            if let Some(known) = self.state.incidents.get_mut(&a) {
                known.hands.apart.remove(&b);
            }
        }
    }

    /// `goes` has become part of `stays`: what people said about either holds for both.
    pub(in crate::engine) fn join_hands(&mut self, stays: IncidentId, goes: IncidentId) {
        let Some(other) = self.state.incidents.get_mut(&goes) else {
            return;
        };
        let theirs = std::mem::take(&mut other.hands);
        for third in &theirs.apart {
            self.let_together(goes, *third);
        }
        self.keep_apart(stays, theirs.apart);
        if let Some(known) = self.state.incidents.get_mut(&stays) {
            let mine = &mut known.hands;
            mine.placed.extend(theirs.placed);
            // Of two people the later one knows more.
            let newer = |c: &super::NamedCause| mine.cause.as_ref().is_none_or(|m| m.at < c.at);
            if theirs.cause.as_ref().is_some_and(newer) {
                mine.cause = theirs.cause;
            }
        }
    }

    /// Another firing stands for an alert that a person put somewhere.
    pub(in crate::engine) fn placed_anew(
        &mut self,
        id: IncidentId,
        before: AlertId,
        after: AlertId,
    ) {
        if let Some(known) = self.state.incidents.get_mut(&id)
            && known.hands.placed.contains(&before)
        {
            known.hands.placed.insert(after);
        }
    }

    /// Before an incident is forgotten.
    pub(in crate::engine) fn forget_hands(&mut self, id: IncidentId) {
        for other in self.apart_of(id) {
            self.let_together(id, other);
        }
    }
}

/// The same of two incidents that are known, neither merged into another one.
pub(in crate::engine) fn may_be_one(
    (a, x): (IncidentId, &Incident),
    (b, y): (IncidentId, &Incident),
) -> bool {
    let causes = match (&x.hands.cause, &y.hands.cause) {
        (Some(x), Some(y)) => x.ci == y.ci,
        (Some(_) | None, None) | (None, Some(_)) => true,
    };
    causes && !x.hands.apart.contains(&b) && !y.hands.apart.contains(&a)
}
