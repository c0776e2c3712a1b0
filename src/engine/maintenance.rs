//! Maintenance windows and changes: what people said they would do to a CI.
//!
//! A window is judged at the incident, along the graph: it keeps back the ticket if every live alert began in
//! it and is about its CI or (if that was said) about something that needs its CI. A fault of something else
//! opens its ticket, window or not. What is still broken some time after the end opens one as well.

use super::Engine;
use super::state::{Change, Timer, Window};
use crate::model::{CiId, IncidentId, Millis};
use crate::record::{ChangeV1, MaintenanceV1};
use std::sync::Arc;

/// Windows kept; more are refused with a warning.
const MAX_WINDOWS: usize = 10_000;
/// Changes kept per CI.
const MAX_CHANGES: usize = 8;
/// Clocks differ: an alert this long before a window still is in it.
const BEFORE: Millis = Millis::secs(60);
/// What was switched off needs time to come back, and monitoring to see it: so long after the end of a window
/// nothing of it opens a ticket.
pub const SETTLES: Millis = Millis::mins(10);
/// Weight from which a CI counts as needing another, per mille.
const NEEDS: u16 = 100;
/// A change is suspect for this long.
const SUSPECT: Millis = Millis::mins(30);
/// Changes are forgotten after this.
const KEEP: Millis = Millis::mins(24 * 60);

impl Engine {
    pub(super) fn maintenance(&mut self, record: &MaintenanceV1) {
        if self.state.windows.len() >= MAX_WINDOWS && !self.state.windows.contains_key(&*record.id) {
            let text = format!("maintenance {:?} left out: {MAX_WINDOWS} windows are the limit", record.id);
            return self.warn(None, text);
        }
        let id: Arc<str> = record.id.as_str().into();
        let window = Window {
            ci: record.ci.as_str().into(),
            from: record.from,
            to: record.to,
            include_dependents: record.include_dependents,
        };
        self.state.windows.insert(id.clone(), window);
        self.set_timer(record.to.plus(SETTLES), Timer::Window(id.clone()));
        self.line(None, format!("maintenance {id} on {} until {}", record.ci, record.to.rfc3339()));
        self.touch_held_back();
    }

    pub(super) fn window_due(&mut self, id: &str) {
        let at = self.state.at;
        let over = |w: &Window| w.to.plus(SETTLES) <= at;
        if self.state.windows.get(id).is_some_and(over) {
            self.state.windows.remove(id);
            self.touch_held_back();
        }
    }

    /// Incidents that might have a ticket by now are looked at again.
    fn touch_held_back(&mut self) {
        let held: Vec<IncidentId> = self
            .state
            .incidents
            .iter()
            .filter(|(_, i)| i.state.lives() && i.opened.is_none())
            .map(|(id, _)| *id)
            .collect();
        for id in held {
            self.touch(id);
        }
    }

    /// The window that keeps back the ticket of an incident.
    pub(super) fn in_maintenance(&mut self, id: IncidentId) -> Option<Arc<str>> {
        if self.state.windows.is_empty() {
            return None;
        }
        let known = self.state.incidents.get(&id)?;
        let mut places: Vec<(CiId, Millis)> = Vec::new();
        for (alert, member) in &known.members {
            let alert = self.state.alerts.get(alert)?;
            if alert.live() || known.live == 0 {
                places.push((member.ci, alert.started));
            }
        }
        let windows: Vec<(Arc<str>, Window)> = self
            .state
            .windows
            .iter()
            .map(|(id, w)| (id.clone(), w.clone()))
            .collect();
        for (id, window) in windows {
            let Some(ci) = self.state.cis.find(&window.ci) else {
                continue;
            };
            let covers = places.iter().all(|(place, began)| {
                let inside = began.plus(BEFORE) >= window.from && *began <= window.to.plus(SETTLES);
                inside
                    && (*place == ci
                        || (window.include_dependents
                            && self.about(*place).weight(ci).is_some_and(|w| w >= NEEDS)))
            });
            if covers && !places.is_empty() {
                return Some(id);
            }
        }
        None
    }

    pub(super) fn change(&mut self, record: &ChangeV1) {
        let at = self.state.at;
        let ci = self.state.cis.intern(&record.ci);
        let changes = self.state.changes.entry(ci).or_default();
        changes.retain(|c| at.since(c.at) < KEEP);
        if changes.len() >= MAX_CHANGES {
            changes.remove(0);
        }
        changes.push(Change {
            id: record.id.as_str().into(),
            at: record.at,
            summary: record.summary.as_str().into(),
        });
    }

    /// Whether a CI was changed shortly before `at`.
    pub(super) fn changed_recently(&self, ci: CiId, at: Millis) -> bool {
        let changes = self.state.changes.get(&ci);
        changes.into_iter().flatten().any(|c| {
            let since = at.since(c.at);
            since <= SUSPECT && since >= Millis(-60_000)
        })
    }
}
