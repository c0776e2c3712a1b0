//! What a ticket waits for beyond its hold: warnings that no service feels, and the hours of service.
//!
//! During a large fault single warnings come beside it for which no path speaks: too little to join its incident, and
//! a ticket each would be the flood again. While a ticket tells of the same they wait for their own.

use super::Engine;
use super::state::{Incident, RowId, Timer};
use crate::model::{CiId, IncidentId, Millis, Priority, Severity};
use crate::ticket::HeldBy;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// An incident with a ticket tells of a name while it has so many live alerts.
const TELLS: u32 = 3;
/// Warnings on more CIs are no stragglers of another fault.
const FEW: usize = 2;
/// What is due opens its ticket within this time.
const SOON: Millis = Millis::secs(30);
/// How often it is asked whether a ticket still tells of the same.
const AGAIN: Millis = Millis::mins(10);

/// What a ticket waits for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wait {
    /// Until then.
    pub until: Millis,
    /// Why.
    pub why: Why,
}

/// See [`Wait`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Why {
    /// It has only warnings, and no service feels it.
    Warnings,
    /// The same, and they usually come alone.
    Usual,
    /// It is outside the hours of this calendar.
    Hours(Arc<str>),
    /// It has only warnings on a CI or two, and the ticket of this incident tells of the same.
    Told(IncidentId),
    /// It has only warnings on a CI or two, and its cause alerts in this incident, which has a ticket.
    Cause(IncidentId),
}

/// Which incident with a ticket tells of a name, the oldest. Derived from the state, of each name once in an entry; what
/// is in shadow is told of in shadow.
#[derive(Clone, Debug, Default)]
pub struct Tells(BTreeMap<(bool, CiId), Option<IncidentId>>);

impl Tells {
    /// Another entry begins.
    pub(super) fn forget(&mut self) {
        self.0.clear();
    }
}

impl Engine {
    /// Whether the ticket of an incident waits, beyond its hold. A timer stands for the end of it.
    pub(super) fn ticket_waits(&mut self, id: IncidentId) -> bool {
        let known = self.state.incidents.get(&id);
        let Some(known) = known.filter(|i| !i.promoted) else {
            return false; // a person wants it now
        };
        let wait = self.warnings_wait(id, known);
        let wait = wait.or_else(|| self.hours_wait(known));
        let wait = wait.or_else(|| self.told_wait(id));
        let Some(known) = self.state.incidents.get_mut(&id) else {
            return false;
        };
        let Some(wait) = wait else {
            return false; // what it waited for stays known: it says why the ticket came when it did
        };
        let before = known.waits.replace(wait.clone());
        if before.as_ref() != Some(&wait) {
            self.set_timer(wait.until, Timer::Wait(id));
        }
        if before.is_none_or(|before| before.why != wait.why) {
            let until = wait.until.rfc3339();
            let text = match &wait.why {
                Why::Warnings => {
                    format!("only warnings, and no service feels it: no ticket before {until}")
                }
                Why::Usual => {
                    format!(
                        "only warnings that usually come alone, and no service feels it: no ticket before {until}"
                    )
                }
                Why::Hours(name) => {
                    format!("outside the hours of {name}: no ticket before {until}")
                }
                Why::Told(other) => format!(
                    "only warnings, and the ticket of {other} tells of the same: no ticket while it does"
                ),
                Why::Cause(other) => format!(
                    "only warnings, and their cause alerts in {other}, which has a ticket: no ticket while it does"
                ),
            };
            self.line(Some(id), text);
        }
        true
    }

    fn warnings_wait(&self, id: IncidentId, known: &Incident) -> Option<Wait> {
        let rules = &self.state.rules.ticket;
        let (wait, why) = match self.is_usual(known) {
            true if rules.warnings_wait > Millis(0) => {
                (rules.usual_wait.max(rules.warnings_wait), Why::Usual)
            }
            _ => (rules.warnings_wait, Why::Warnings),
        };
        let until = known.first.plus(wait);
        let waits = until > self.state.at && self.only_warnings(id, known);
        waits.then_some(Wait { until, why })
    }

    /// Whether an incident has only warnings, and no service feels it.
    fn only_warnings(&self, id: IncidentId, known: &Incident) -> bool {
        self.worst(known) >= Severity::Warning && self.observed(id).is_empty()
    }

    /// Warnings of which a ticket tells already, until it no longer does or for as long as the configuration says. Not
    /// what a person took out of an incident, or keeps apart from that one.
    fn told_wait(&mut self, id: IncidentId) -> Option<Wait> {
        let known = self.state.incidents.get(&id)?;
        let (at, until) = (self.state.at, self.told_until(known));
        if until <= at
            || known.case.spots.len() > FEW
            || known.hands.split_from.is_some()
            || !self.only_warnings(id, known)
        {
            return None;
        }
        let why = match self.ticket_of_cause(id, known) {
            Some(other) => Why::Cause(other),
            None => Why::Told(self.ticket_of_names(id)?),
        };
        let asked = self.state.incidents.get(&id)?.waits.as_ref();
        let asked = asked.filter(|w| w.why == why && w.until > at).cloned();
        Some(asked.unwrap_or(Wait {
            until: until.min(at.plus(AGAIN)),
            why,
        }))
    }

    /// The incident with a ticket in which the cause alerts.
    fn ticket_of_cause(&self, id: IncidentId, known: &Incident) -> Option<IncidentId> {
        let other = self.alerts_beside(id, known.root)?;
        let has_ticket = self
            .state
            .incidents
            .get(&other)
            .is_some_and(Incident::has_open_ticket);
        (has_ticket && self.may_merge(id, other)).then_some(other)
    }

    /// The incident with a ticket that shows the names of this one, too.
    fn ticket_of_names(&mut self, id: IncidentId) -> Option<IncidentId> {
        let known = self.state.incidents.get(&id)?;
        let shadow = known.shadow;
        let names: Vec<CiId> = known.case.named.keys().copied().collect();
        let by = names
            .into_iter()
            .map(|name| self.ticket_of_name(name, shadow));
        let by: Vec<IncidentId> = by.collect::<Option<_>>()?;
        let first = *by.first()?;
        let may_be_one = by.iter().all(|other| self.may_merge(id, *other));
        may_be_one.then_some(first)
    }

    /// See [`Tells`].
    fn ticket_of_name(&mut self, name: CiId, shadow: bool) -> Option<IncidentId> {
        if let Some(known) = self.index.tells.0.get(&(shadow, name)) {
            return *known;
        }
        let tells = |id: &&IncidentId| {
            let known = self.state.incidents.get(id);
            known.is_some_and(|i| i.shadow == shadow && i.has_open_ticket() && i.live >= TELLS)
        };
        let first = self.index.named(name).iter().find(tells).copied();
        self.index.tells.0.insert((shadow, name), first);
        first
    }

    fn told_until(&self, known: &Incident) -> Millis {
        let rules = &self.state.rules.ticket;
        match rules.warnings_wait {
            Millis(0) => known.first,
            _ => known.first.plus(rules.told_wait),
        }
    }

    /// When the ticket of an incident that waits opens, at the latest.
    pub(super) fn opens_at(&self, known: &Incident) -> Option<Millis> {
        let wait = known.waits.as_ref().filter(|_| known.opened.is_none())?;
        Some(match wait.why {
            Why::Told(_) | Why::Cause(_) => self.told_until(known),
            Why::Warnings | Why::Usual | Why::Hours(_) => wait.until,
        })
    }

    fn hours_wait(&self, known: &Incident) -> Option<Wait> {
        let [p3, p4] = &self.state.rules.ticket.hours;
        let name = match known.priority {
            Priority::P1 | Priority::P2 => None,
            Priority::P3 => p3.as_deref(),
            Priority::P4 => p4.as_deref(),
        }?;
        let (name, hours) = self.state.hours.get_key_value(name)?;
        let until = hours.next(self.state.at)?;
        // What began in the hours of service is theirs, though its hold ends after them.
        hours.next(self.first_arrived(known))?;
        Some(Wait {
            until,
            why: Why::Hours(name.clone()),
        })
    }

    /// What the ticket of an incident still waited for when all of it was over, for views.
    pub(super) fn what_it_waited_for(&self, known: &Incident, over: Millis) -> Option<String> {
        let wait = known.waits.as_ref().filter(|_| known.opened.is_none())?;
        let told = || (self.told_until(known) > over).then_some(());
        let due = || (wait.until > over).then(|| wait.until.rfc3339());
        Some(match &wait.why {
            Why::Warnings => {
                let due = due()?;
                format!(
                    "it had only warnings that no service felt, and was over before {due}, when its ticket was due"
                )
            }
            Why::Usual => {
                let due = due()?;
                format!(
                    "it had only warnings that usually come alone, and was over before {due}, when its ticket was due"
                )
            }
            Why::Hours(name) => {
                let due = due()?;
                format!(
                    "it came outside the hours of calendar {name}, and was over before they began at {due}"
                )
            }
            Why::Cause(other) => {
                told()?;
                format!(
                    "it had only warnings, and was over while their cause alerted in {other}, which has a ticket"
                )
            }
            Why::Told(other) => {
                told()?;
                format!(
                    "it had only warnings, and was over while the ticket of {other} told of the same"
                )
            }
        })
    }

    /// What the ticket of an incident waited for besides the hold of its priority. The present hold need not be the one
    /// that it had: what does not fit is not named.
    pub(super) fn held_by(&self, id: IncidentId, known: &Incident, target: &str) -> Option<HeldBy> {
        let opened = known.opened?;
        let follows = |row: RowId| {
            self.state
                .outbox
                .get(&row)
                .is_some_and(|r| r.generation > 1)
        };
        let target = target.into();
        if follows(RowId {
            incident: id,
            target,
        }) {
            return Some(HeldBy::Follows);
        }
        let at = |due: Millis| opened.since(due).0.saturating_abs() <= SOON.0;
        let waited = known.waits.as_ref().filter(|w| at(w.until));
        match waited.map(|w| &w.why) {
            Some(Why::Hours(name)) => return Some(HeldBy::Hours(name.to_string())),
            Some(Why::Warnings | Why::Usual) => return Some(HeldBy::Warnings),
            Some(Why::Told(_) | Why::Cause(_)) => return Some(HeldBy::Else),
            None => {}
        }
        let rules = &self.state.rules.correlate;
        let most = match known.priority <= Priority::P2 {
            true => self.calm_hold(known.priority).max(rules.hold_max),
            false => self.calm_hold(known.priority),
        };
        match () {
            () if known.promoted || !at(known.hold_until) => Some(HeldBy::Else),
            () if self.is_storm_held(known) => Some(HeldBy::Storm),
            () if known.hold_until.since(known.first) > most => Some(HeldBy::Else),
            () => None,
        }
    }

    /// Why the ticket waits, for views.
    pub(super) fn why_it_waits(&self, known: &Incident) -> Option<String> {
        let wait = known.waits.as_ref().filter(|_| known.opened.is_none())?;
        let until = wait.until.rfc3339();
        Some(match &wait.why {
            Why::Warnings => {
                format!("only warnings, and no service feels it; it opens at {until} if they go on")
            }
            Why::Usual => {
                format!(
                    "only warnings that usually come alone, and no service feels it; it opens at {until} if they go on"
                )
            }
            Why::Hours(name) => {
                format!("outside the hours of calendar {name}; it opens at {until} if it goes on")
            }
            Why::Cause(other) => {
                let until = self.told_until(known).rfc3339();
                format!(
                    "only warnings, and their cause alerts in {other}, which has a ticket; it opens when it no longer does, at {until} at the latest, if they go on"
                )
            }
            Why::Told(other) => {
                let until = self.told_until(known).rfc3339();
                format!(
                    "only warnings, and the ticket of {other} tells of the same; it opens when that no longer does, at {until} at the latest, if they go on"
                )
            }
        })
    }
}
