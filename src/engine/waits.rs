//! What a ticket waits for beyond its hold: warnings that no service feels, and the hours of service.

use super::Engine;
use super::state::{Incident, Timer};
use crate::model::{IncidentId, Millis, Priority, Severity};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

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
}

impl Engine {
    /// Whether the ticket of an incident waits, beyond its hold. A timer stands for the end of it.
    pub(super) fn ticket_waits(&mut self, id: IncidentId) -> bool {
        let Some(known) = self.state.incidents.get(&id) else {
            return false;
        };
        let wait = match known.promoted {
            true => None, // a person wants it now
            false => self
                .warnings_wait(id, known)
                .or_else(|| self.hours_wait(known)),
        };
        let Some(known) = self.state.incidents.get_mut(&id) else {
            return false;
        };
        let Some(wait) = wait else {
            return false; // what it waited for stays known: it says why the ticket came when it did
        };
        let told = known.waits.as_ref() == Some(&wait);
        known.waits = Some(wait.clone());
        if !told {
            self.set_timer(wait.until, Timer::Wait(id));
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
        let waits = until > self.state.at
            && self.worst(known) >= Severity::Warning
            && self.observed(id).is_empty();
        waits.then_some(Wait { until, why })
    }

    fn hours_wait(&self, known: &Incident) -> Option<Wait> {
        let [p3, p4] = &self.state.rules.ticket.hours;
        let name = match known.priority {
            Priority::P1 | Priority::P2 => None,
            Priority::P3 => p3.as_deref(),
            Priority::P4 => p4.as_deref(),
        }?;
        let (name, hours) = self.state.hours.get_key_value(name)?;
        Some(Wait {
            until: hours.next(self.state.at)?,
            why: Why::Hours(name.clone()),
        })
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
        })
    }
}
