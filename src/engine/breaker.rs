//! A tool that fails is left alone: after some failures in a row, over all of its tickets, only one delivery at a
//! time is let through, the most urgent one, with growing pauses. Once the tool answers, everything goes on, by
//! priority. What the tool itself asks for (`Retry-After`) holds for all of its tickets.

use super::Engine;
use super::identity::short_hash;
use super::outbox::Plan;
use super::rows::{RowId, Valve};
use super::state::Timer;
use crate::itsm::Refusal;
use crate::model::{IncidentId, Millis, Priority};
use crate::record::OutcomeV1;
use std::sync::Arc;

/// So many failures in a row open the breaker.
const BREAK: u32 = 5;
/// The first pause, and the longest: a P1 that comes while it is open waits no longer.
const PAUSE: [Millis; 2] = [Millis::secs(5), Millis::secs(30)];
/// The longest pause that a tool may ask for.
pub(super) const MAX_ASKED: Millis = Millis::mins(60);
/// One that was let through and had nothing to ask makes room for the next after this.
const NEXT: Millis = Millis::secs(1);
/// A row whose turn is forgotten looks again after this.
const LOST: Millis = Millis::secs(60);

impl Valve {
    /// Whether the tool fails.
    pub fn is_open(&self) -> bool {
        self.failures >= BREAK
    }
}

impl Engine {
    /// Whether a row has to wait for its tool.
    pub(super) fn turned_away(&mut self, id: &RowId) -> Option<Plan> {
        let plan = self.turn_away(id)?;
        let at = self.state.at;
        if let Some(row) = self.state.outbox.get_mut(id)
            && row.ticket.is_none()
        {
            row.failing_since = row.failing_since.or(Some(at)); // its ticket says that it is late
        }
        Some(plan)
    }

    fn turn_away(&mut self, id: &RowId) -> Option<Plan> {
        let at = self.state.at;
        let valve = self.state.valves.get_mut(&id.target)?;
        if valve.not_before > at {
            valve.waiting.insert(id.clone());
            return Some(Plan::Wait(Some(valve.not_before)));
        }
        if !valve.is_open() {
            valve.waiting.remove(id);
            return None;
        }
        let trial = valve.trial.as_ref();
        let under_way = |id: &RowId| {
            let row = self.state.outbox.get(id);
            row.is_some_and(|r| r.in_flight.is_some())
        };
        if trial.is_some_and(under_way) {
            valve.waiting.insert(id.clone());
            return Some(Plan::Wait(Some(at.plus(LOST)))); // its receipt wakes us
        }
        let urgent = |id: &RowId| {
            let known = self.state.incidents.get(&id.incident);
            known.map_or(Priority::P4, |i| i.priority)
        };
        let first = valve
            .waiting
            .iter()
            .min_by_key(|r| (urgent(r), (*r).clone()));
        let first = first
            .filter(|f| (urgent(f), *f) < (urgent(id), id))
            .cloned();
        let Some(first) = first else {
            valve.waiting.remove(id);
            return None;
        };
        valve.waiting.remove(&first);
        valve.waiting.insert(id.clone());
        self.touch(first.incident);
        Some(Plan::Wait(Some(at.plus(NEXT))))
    }

    /// A delivery is handed out: while the breaker is open, it is the one that tries.
    pub(super) fn tries(&mut self, id: &RowId) {
        if let Some(valve) = self.state.valves.get_mut(&id.target)
            && valve.is_open()
        {
            valve.trial = Some(id.clone());
        }
    }

    /// What an outcome says about the tool, whatever it says about the ticket.
    pub(super) fn judge_tool(&mut self, id: &RowId, outcome: &OutcomeV1) {
        match outcome {
            OutcomeV1::Found(_)
            | OutcomeV1::Done { .. }
            | OutcomeV1::Already { .. }
            | OutcomeV1::State { .. }
            | OutcomeV1::Refused(Refusal::Reject(_) | Refusal::Closed | Refusal::Gone(_)) => {
                self.tool_answers(&id.target);
            }
            OutcomeV1::Refused(Refusal::Retry { not_before, .. }) => {
                self.tool_fails(&id.target, *not_before);
            }
            OutcomeV1::Unknown { .. } => self.tool_fails(&id.target, None),
            // A person must act; that is told and waited for elsewhere.
            OutcomeV1::Refused(Refusal::Login | Refusal::Stop(_)) => {
                let valve = self.state.valves.get_mut(&id.target);
                let waiting = valve.map(|v| std::mem::take(&mut v.waiting));
                for row in waiting.into_iter().flatten() {
                    self.touch(row.incident);
                }
            }
        }
    }

    fn tool_fails(&mut self, target: &Arc<str>, asked: Option<Millis>) {
        let at = self.state.at;
        let valve = self.state.valves.entry(target.clone()).or_default();
        valve.failures = valve.failures.saturating_add(1);
        valve.trial = None;
        if let Some(asked) = asked {
            let asked = asked.min(at.plus(MAX_ASKED));
            valve.not_before = valve.not_before.max(asked);
        }
        if valve.is_open() {
            let times = valve.failures.saturating_sub(BREAK).min(10);
            let [first, longest] = PAUSE;
            let pause = first.0.saturating_mul(1i64 << times).min(longest.0);
            let seed = short_hash(&[target, &valve.failures.to_string()]);
            let jitter = i64::try_from(seed % 256).unwrap_or(0).saturating_mul(pause) / 1024;
            let pause = Millis(pause.saturating_add(jitter));
            valve.not_before = valve.not_before.max(at.plus(pause));
        }
        let (opens, due) = (valve.failures == BREAK, valve.not_before);
        for row in valve.waiting.clone() {
            self.set_timer(due, Timer::Row(row));
        }
        if opens {
            let text = format!("{target} fails: tried now and then with one delivery");
            self.warn(None, text);
        }
    }

    fn tool_answers(&mut self, target: &Arc<str>) {
        let at = self.state.at;
        let Some(valve) = self.state.valves.get_mut(target) else {
            return;
        };
        let was_open = valve.is_open();
        valve.failures = 0;
        if !was_open {
            return;
        }
        valve.trial = None;
        valve.not_before = valve.not_before.min(at);
        // Parked ones too: their time may have come while they waited for the tool.
        let waiting = std::mem::take(&mut valve.waiting);
        let mut all: Vec<IncidentId> = waiting.into_iter().map(|r| r.incident).collect();
        for (id, row) in self.state.outbox.iter_mut() {
            if id.target != *target || row.in_flight.is_some() || row.parked.is_some() {
                continue;
            }
            if row.attempt > 0 && row.unknown.is_none() && !row.valved {
                row.attempt = 0;
                row.not_before = row.not_before.min(at);
            }
            all.push(id.incident);
        }
        for incident in all {
            self.touch(incident);
        }
        self.line(None, format!("{target} answers again"));
    }
}
