//! What tools refused, and what nobody knows the outcome of: wait, park, stop, go on with the next ticket.

use super::Engine;
use super::breaker::MAX_ASKED;
use super::identity::short_hash;
use super::receipt::note_written;
use super::state::{InFlight, RowId, Timer, Unknown};
use super::wanted::correlation_key;
use crate::itsm::{Refusal, TicketState, shown};
use crate::model::Millis;
use crate::record::StepName;
use std::sync::Arc;

/// The longest wait after failures in a row.
const MAX_BACKOFF: Millis = Millis::secs(60);
/// A parked delivery is tried again this often: a person may have mended the tool.
const PARKED: Millis = Millis::mins(15);
/// A stopped target is tried again this often.
const STOPPED: Millis = Millis::mins(5);

impl Engine {
    pub(super) fn refused(&mut self, id: &RowId, flight: &InFlight, refusal: &Refusal) {
        if flight.step == StepName::Create {
            // Nothing was opened: the valve has room again.
            let valve = self.state.valves.entry(id.target.clone()).or_default();
            valve.times.pop();
        }
        if let (Refusal::Closed | Refusal::Gone(_), None) = (refusal, &flight.other)
            && let Some(row) = self.state.outbox.get_mut(id)
        {
            row.turning = None; // nothing turns it any more
        }
        match refusal {
            Refusal::Retry { not_before, why } => self.back_off(id, *not_before, why),
            Refusal::Reject(why) => self.rejected(id, flight, why),
            Refusal::Login => self.stop(id, "the login is refused"),
            Refusal::Stop(why) => self.stop(id, why),
            Refusal::Closed => self.next_generation(id, flight, "closed"),
            Refusal::Gone(other) if other.is_empty() => self.next_generation(id, flight, "deleted"),
            Refusal::Gone(other) => self.merged_by_person(id, other),
        }
    }

    pub(super) fn back_off(&mut self, id: &RowId, not_before: Option<Millis>, why: &str) {
        let at = self.state.at;
        let Some(row) = self.state.outbox.get_mut(id) else {
            return;
        };
        let first = row.failing_since.is_none();
        row.failing_since = row.failing_since.or(Some(at));
        row.may_create = false;
        let base =
            1000i64.saturating_mul(1i64.checked_shl(row.attempt.min(10)).unwrap_or(i64::MAX));
        let base = base.min(MAX_BACKOFF.0);
        row.attempt = row.attempt.saturating_add(1);
        // Jitter of a quarter, so that a tool that comes back is not met by all at once.
        let seed = short_hash(&[
            &id.target,
            &id.incident.to_string(),
            &row.attempt.to_string(),
        ]);
        let jitter = i64::try_from(seed % 256).unwrap_or(0).saturating_mul(base) / 1024;
        let wait = at.plus(Millis(base.saturating_add(jitter)));
        // A tool that fails as a whole is waited for as a whole.
        let tool = self.state.valves.get_mut(&id.target);
        let due = tool.filter(|v| v.is_open()).map_or(wait, |v| {
            v.waiting.insert(id.clone());
            v.not_before
        });
        // A tool that asks for years has made a mistake, and the ticket must not pay for it.
        row.not_before = due.max(not_before.unwrap_or(at).min(at.plus(MAX_ASKED)));
        why.clone_into(&mut row.trouble);
        if first {
            self.warn(
                Some(id.incident),
                format!("{}: tried again later: {why}", id.target),
            );
        }
    }

    pub(super) fn rejected(&mut self, id: &RowId, flight: &InFlight, why: &str) {
        let at = self.state.at;
        let Some(row) = self.state.outbox.get_mut(id) else {
            return;
        };
        match flight.step {
            // A note that the tool will not take must not keep the rest from it.
            StepName::Note if !flight.recovery => note_written(row, flight),
            StepName::Update => {
                row.shipped = Some(flight.content);
                row.shipped_at = at;
            }
            StepName::Note
            | StepName::Resolve
            | StepName::Reopen
            | StepName::Create
            | StepName::Find
            | StepName::Link
            | StepName::Read
            | StepName::Probe => {
                row.parked = Some(why.to_owned());
                row.not_before = at.plus(PARKED);
                row.may_create = false;
            }
        }
        row.failing_since = row.failing_since.or(Some(at));
        let step = flight.step.word();
        self.warn(
            Some(id.incident),
            format!("{}: {step} refused: {why}", id.target),
        );
    }

    pub(super) fn stop(&mut self, id: &RowId, why: &str) {
        let until = self.state.at.plus(STOPPED);
        let valve = self.state.valves.entry(id.target.clone()).or_default();
        let news = valve.stopped.is_none();
        valve.stopped = Some((until, why.to_owned()));
        if let Some(row) = self.state.outbox.get_mut(id) {
            row.may_create = false;
            row.failing_since = row.failing_since.or(Some(self.state.at));
        }
        if news {
            self.warn(
                None,
                format!("{} is stopped, a person must act: {why}", id.target),
            );
        }
    }

    /// The ticket is closed for good or deleted: a live incident gets the next one.
    pub(super) fn next_generation(&mut self, id: &RowId, flight: &InFlight, how: &str) {
        if flight.other.is_some() {
            if let Some(row) = self.state.outbox.get_mut(id) {
                row.duplicates.retain(|d| Some(d) != flight.other.as_ref());
            }
            return;
        }
        self.ends_ticket(id, how);
    }

    /// The ticket of a row is over for good: a live incident gets the next one.
    pub(super) fn ends_ticket(&mut self, id: &RowId, how: &str) {
        let lives = self
            .state
            .incidents
            .get(&id.incident)
            .is_some_and(|i| i.state.lives());
        let Some(row) = self.state.outbox.get_mut(id) else {
            return;
        };
        let ticket = row.ticket.clone().unwrap_or_default();
        if !lives {
            row.recovered = true; // nothing is left to tell, and nobody to tell it to
            row.notes.clear();
            row.turning = None;
            row.ticket_state = TicketState::Closed;
            return;
        }
        self.follow_on(id);
        if let Some(row) = self.state.outbox.get_mut(id).filter(|_| how == "deleted") {
            row.former = None; // nobody can look it up
        }
        let ticket = shown(&ticket);
        let text = format!("{}: ticket {ticket} is {how}, a new one follows", id.target);
        self.warn(Some(id.incident), text);
    }

    /// A person merged our ticket into another one: notes go there, its state is theirs.
    pub(super) fn merged_by_person(&mut self, id: &RowId, other: &str) {
        if let Some(row) = self.state.outbox.get_mut(id) {
            row.ticket = Some(other.to_owned());
            row.touched = true;
        }
        let text = format!(
            "{}: a person merged the ticket into {}",
            id.target,
            shown(other)
        );
        self.line(Some(id.incident), text);
    }

    /// A writing exchange went out and nobody knows what became of it.
    pub(super) fn unknown(&mut self, id: &RowId, flight: &InFlight, why: &str) {
        let settle = self.settle_of(&id.target);
        let at = self.state.at;
        let Some(row) = self.state.outbox.get_mut(id) else {
            return;
        };
        row.failing_since = row.failing_since.or(Some(at));
        why.clone_into(&mut row.trouble);
        match flight.step {
            StepName::Create => self.outcome_unknown(id, settle),
            // At most once: a note twice is worse than a note less, except the one that tells of recovery.
            StepName::Note if !flight.recovery => note_written(row, flight),
            StepName::Note => {
                self.back_off(id, None, why);
                self.after_settle(id);
            }
            StepName::Update
            | StepName::Resolve
            | StepName::Reopen
            | StepName::Link
            | StepName::Find
            | StepName::Read
            | StepName::Probe => self.back_off(id, None, why),
        }
        if flight.other.is_none() {
            self.turn_unknown(id, flight.step);
        }
        let step = flight.step.word();
        let text = format!("{}: outcome of {step} unknown: {why}", id.target);
        self.warn(Some(id.incident), text);
    }

    /// The incident is over, and two finds knew nothing of its create. Where the tool cannot be asked, that says
    /// nothing: it may have a ticket by this key, which must hear of the end.
    pub(super) fn adopt_by_key(&mut self, id: &RowId) {
        let epoch = self.state.epoch;
        if let Some(row) = self.state.outbox.get_mut(id) {
            row.ticket = Some(correlation_key(epoch, id.incident, row.generation));
            row.may_create = false;
            row.verify.clear();
        }
    }

    /// A start turns every delivery that was under way into "outcome unknown"; what was not yet sent is
    /// simply asked again.
    pub(super) fn restart_deliveries(&mut self) {
        let rows: Vec<RowId> = self.state.outbox.keys().cloned().collect();
        for id in rows {
            let Some(row) = self.state.outbox.get_mut(&id) else {
                continue;
            };
            row.may_create = false;
            if let Some(flight) = row.in_flight.take()
                && flight.sent
            {
                self.unknown(&id, &flight, "we were restarted");
            }
            self.touch(id.incident);
        }
    }

    /// After a create whose outcome is not known: two finds a settle apart must agree on none.
    pub(super) fn outcome_unknown(&mut self, id: &RowId, settle: Millis) {
        let at = self.state.at;
        if let Some(row) = self.state.outbox.get_mut(id) {
            row.unknown = Some(Unknown { since: at, none: 0 });
            row.may_create = false;
            row.not_before = at.plus(settle);
            self.set_timer(at.plus(settle), Timer::Row(id.clone()));
        }
    }

    /// What settles at a target.
    pub(super) fn settle_of(&self, target: &Arc<str>) -> Millis {
        let target = self.state.rules.targets.get(&**target);
        target.map_or(Millis::secs(60), |t| t.settle)
    }
}
