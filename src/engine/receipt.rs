//! What tools answered: receipts, deliveries under way at a restart, changes by people.

use super::state::{InFlight, Row, RowId, Timer};
use super::{Engine, changes, outbox};
use crate::invariant::{self, Invariant};
use crate::itsm::{Seen, TicketState, shown};
use crate::model::Millis;
use crate::record::{History, HitV1, OutcomeV1, ReceiptV1, SentV1, StepName};
use crate::ticket::{Note, NoteKind};

/// When a create that followed an unknown one is looked for again, in settles. The last look finds what was
/// executed far later than promised.
const VERIFY: [i64; 3] = [1, 5, 60];

impl Engine {
    pub(super) fn sent(&mut self, sent: &SentV1) {
        let row = RowId {
            incident: sent.incident,
            target: sent.target.as_str().into(),
        };
        let flight = self
            .state
            .outbox
            .get_mut(&row)
            .and_then(|r| r.in_flight.as_mut());
        let flight = flight.filter(|f| f.delivery == sent.delivery);
        let known = flight.map(|f| f.sent = true).is_some();
        invariant::check(&mut self.effects.violations, Invariant::T2, known);
    }

    pub(super) fn receipt(&mut self, receipt: &ReceiptV1) {
        let id = RowId {
            incident: receipt.incident,
            target: receipt.target.as_str().into(),
        };
        let Some(row) = self.state.outbox.get_mut(&id) else {
            return;
        };
        let ours = row.in_flight.take_if(|f| f.delivery == receipt.delivery);
        let Some(flight) = ours else {
            return; // of a delivery that a restart has already judged
        };
        row.answered = self.state.seq;
        let had = row.ticket.is_some();
        self.judge_tool(&id, &receipt.outcome);
        let news = self.news_beside(&id, &flight, &receipt.outcome);
        match &receipt.outcome {
            outcome if flight.step == StepName::Link => self.link_answered(&id, &flight, outcome),
            OutcomeV1::Found(hits) => match flight.of {
                Some(generation) => self.strays_found(&id, generation, hits),
                None => self.found(&id, hits),
            },
            OutcomeV1::Done { ticket, seen } => self.done(&id, &flight, ticket, seen),
            OutcomeV1::Already { seen } => self.already(&id, &flight, seen),
            OutcomeV1::State { seen } => self.left_undone(&id, &flight, seen),
            OutcomeV1::Refused(refusal) => self.refused(&id, &flight, refusal),
            OutcomeV1::Unknown { why } => self.unknown(&id, &flight, why),
        }
        if let Some(seen) = changes::seen_in(&receipt.outcome) {
            if let Some(news) = news {
                self.heed(&id, seen, &news);
            }
            if flight.step == StepName::Read {
                self.turned(&id, seen);
            }
        }
        let row = self.state.outbox.get(&id);
        if !had && row.is_some_and(|r| r.ticket.is_some()) {
            self.wake_links(id.incident);
        }
        self.ticket_history(&id);
        self.touch(id.incident);
    }

    /// The tool did what it could: nothing is failing any more.
    pub(super) fn healthy(&mut self, id: &RowId) {
        if let Some(valve) = self.state.valves.get_mut(&id.target)
            && valve.stopped.take().is_some()
        {
            self.line(None, format!("{} works again", id.target));
        }
        let at = self.state.at;
        if let Some(row) = self.state.outbox.get_mut(id) {
            row.attempt = 0;
            row.parked = None;
            row.trouble.clear();
            row.not_before = row.not_before.min(at);
        }
    }

    fn found(&mut self, id: &RowId, hits: &[HitV1]) {
        // That nothing was found proves no health: a tool may answer reads and fail every create, and some
        // are not even asked. The wait between two creates goes on growing.
        if !hits.is_empty() {
            self.healthy(id);
        }
        let at = self.state.at;
        let settle = self.settle_of(&id.target);
        // A closed one is a former ticket, unless our create may have made it: then somebody closed it since.
        let row = self.state.outbox.get(id);
        let made = row.is_some_and(|row| row.ticket.is_none() && row.unknown.is_some());
        let closed = |h: &HitV1| h.seen.state == TicketState::Closed;
        let mut ours: Vec<&HitV1> = hits
            .iter()
            .filter(|h| h.by_us && (made || !closed(h)))
            .collect();
        // The tool's numbers grow: the smallest is the first ticket.
        ours.sort_by_key(|h| (closed(h), h.ticket.len(), h.ticket.clone()));
        let strangers = hits.iter().filter(|h| !h.by_us).count();
        if strangers > 0 {
            let text = format!(
                "{}: {strangers} tickets carry our key and are not ours",
                id.target
            );
            self.warn(Some(id.incident), text);
        }
        let Some(row) = self.state.outbox.get_mut(id) else {
            return;
        };
        if row.ticket.is_none() && ours.is_empty() {
            let Some(unknown) = &mut row.unknown else {
                row.may_create = true;
                return;
            };
            unknown.none = unknown.none.saturating_add(1);
            if unknown.none >= 2 {
                row.may_create = true;
                row.unknown = None;
                row.verify = vec![Millis(0)]; // marks that the create is to be verified
            } else {
                row.not_before = at.plus(settle);
            }
            return;
        }
        if row.ticket.is_some() && !row.verify.is_empty() {
            row.verify.remove(0);
        }
        let mut ours = ours.into_iter();
        if row.ticket.is_none() {
            let Some(first) = ours.next() else {
                return;
            };
            row.ticket = Some(first.ticket.clone());
            row.see(&first.seen);
            row.unknown = None;
            row.may_create = false;
            row.shipped = None;
            row.verify = after_unknown(at, settle);
            let text = format!(
                "{}: ticket {} found, not opened twice",
                id.target,
                shown(&first.ticket)
            );
            self.line(Some(id.incident), text);
        }
        let rest: Vec<&HitV1> = ours.filter(|h| !closed(h)).collect();
        self.duplicates(id, &rest);
    }

    /// Further tickets with our key: closed if nobody touched them, else named on the first.
    pub(super) fn duplicates(&mut self, id: &RowId, hits: &[&HitV1]) {
        for hit in hits {
            let Some(row) = self.state.outbox.get_mut(id) else {
                return;
            };
            if row.ticket.as_deref() == Some(hit.ticket.as_str())
                || row.duplicates.contains(&hit.ticket)
                || row.twins.contains(&hit.ticket)
                || hit.seen.state == TicketState::Resolved
            {
                continue;
            }
            if hit.seen.touched {
                let ticket = hit.ticket.clone();
                row.twins.insert(ticket.clone()); // named once
                self.link_later(id, &ticket);
                self.note_with(id.incident, |_, _| NoteKind::Duplicate {
                    ticket: ticket.clone(),
                });
            } else {
                row.duplicates.push(hit.ticket.clone());
            }
            let text = format!(
                "{}: ticket {} is a duplicate",
                id.target,
                shown(&hit.ticket)
            );
            self.warn(Some(id.incident), text);
        }
    }

    fn done(&mut self, id: &RowId, flight: &InFlight, ticket: &str, seen: &Seen) {
        self.healthy(id);
        let at = self.state.at;
        let settle = self.settle_of(&id.target);
        let Some(row) = self.state.outbox.get_mut(id) else {
            return;
        };
        if let Some(other) = &flight.other {
            row.duplicates.retain(|d| d != other);
            return self.link_later(id, other);
        }
        row.see(seen);
        match flight.step {
            StepName::Create => {
                row.ticket = Some(ticket.to_owned());
                let (turning, all) = flight.content;
                // What a create could not say is tried once more, though nothing changes.
                let all = if seen.dropped.is_empty() { all } else { 0 };
                row.shipped = Some((turning, all));
                row.shipped_at = at;
                row.may_create = false;
                row.valved = false;
                // A create that followed an unknown one may have a twin that the search did not show.
                row.verify = match row.verify.is_empty() {
                    true => Vec::new(),
                    false => after_unknown(at, settle),
                };
                self.opened(id, ticket);
            }
            StepName::Update => {
                row.shipped = Some(flight.content);
                row.shipped_at = at;
            }
            StepName::Note => note_written(row, flight),
            StepName::Resolve => {
                row.recovered = true;
                row.resolved_by_us = seen.state == TicketState::Resolved;
                if row.resolved_by_us {
                    self.line(
                        Some(id.incident),
                        format!("{}: ticket {} resolved", id.target, shown(ticket)),
                    );
                }
            }
            StepName::Reopen => {
                row.resolved_by_us = false;
                row.recovered = false; // its next recovery is still to be told
                row.notes
                    .retain(|n| !matches!(n.what, NoteKind::Reopened { .. }));
                self.line(
                    Some(id.incident),
                    format!("{}: ticket {} reopened", id.target, shown(ticket)),
                );
            }
            StepName::Probe | StepName::Find | StepName::Link | StepName::Read => {}
        }
        for dropped in &seen.dropped {
            self.warn(Some(id.incident), format!("{}: {dropped}", id.target));
        }
        if let Some(row) = self.state.outbox.get_mut(id) {
            row.failing_since = None;
        }
    }

    /// A ticket was opened; a late one says so.
    fn opened(&mut self, id: &RowId, ticket: &str) {
        let at = self.state.at;
        self.line(
            Some(id.incident),
            format!("{}: ticket {} opened", id.target, shown(ticket)),
        );
        let Some(row) = self.state.outbox.get_mut(id) else {
            return;
        };
        let since = row.since;
        if row.failing_since.is_some() && at.since(since) > outbox::LATE {
            row.notes.insert(
                0,
                Note {
                    at: since,
                    what: NoteKind::Late,
                    delayed: Some((since, at)),
                },
            );
        }
    }

    fn already(&mut self, id: &RowId, flight: &InFlight, seen: &Seen) {
        self.healthy(id);
        let Some(row) = self.state.outbox.get_mut(id) else {
            return;
        };
        if let Some(other) = &flight.other {
            row.duplicates.retain(|d| d != other);
            return self.link_later(id, other);
        }
        row.see(seen);
        match flight.step {
            StepName::Resolve => {
                // Where a person has ended it, the recovery is still to be told; what we sent before may stand there.
                row.recovered = !row.touched || row.turning.is_some();
                // That nobody has touched it says who resolved it: we did, and the answer was lost.
                row.resolved_by_us = seen.state == TicketState::Resolved && !row.touched;
            }
            StepName::Reopen => {
                row.resolved_by_us = false;
                row.recovered = false; // its next recovery is still to be told
                row.notes
                    .retain(|n| !matches!(n.what, NoteKind::Reopened { .. }));
            }
            StepName::Update => row.shipped = Some(flight.content),
            StepName::Note => note_written(row, flight),
            StepName::Create
            | StepName::Probe
            | StepName::Find
            | StepName::Link
            | StepName::Read => {}
        }
    }

    /// Not done, because a person has the ticket: the next plan leaves the state to them.
    fn left_undone(&mut self, id: &RowId, flight: &InFlight, seen: &Seen) {
        self.healthy(id);
        if flight.step == StepName::Read {
            return self.looked(id, seen);
        }
        let Some(row) = self.state.outbox.get_mut(id) else {
            return;
        };
        if let Some(other) = flight.other.clone() {
            row.duplicates.retain(|d| *d != other);
            row.twins.insert(other.clone());
            self.link_later(id, &other);
            return self.note_with(id.incident, |_, _| NoteKind::Duplicate {
                ticket: other.clone(),
            });
        }
        row.see(seen);
        // Only a person's hand makes a tool leave an update or a resolve undone.
        row.touched = true;
        self.line(
            Some(id.incident),
            format!("{}: a person has the ticket", id.target),
        );
    }

    pub(super) fn ticket_history(&mut self, id: &RowId) {
        let at = self.state.at;
        let epoch = self.state.epoch;
        let Some(row) = self.state.outbox.get_mut(id) else {
            return;
        };
        row.ended = match row.ticket_state {
            TicketState::Resolved | TicketState::Closed => row.ended.or(Some(at)),
            TicketState::New | TicketState::Open | TicketState::OnHold => None,
        };
        let Some(ticket) = row.ticket.clone().filter(|_| !row.shadow) else {
            return;
        };
        self.effects.history.push(History::Ticket {
            target: id.target.to_string(),
            ticket,
            incident: id.incident,
            key: super::wanted::correlation_key(epoch, id.incident, row.generation),
            state: match row.ticket_state {
                TicketState::New => "new",
                TicketState::Open => "open",
                TicketState::OnHold => "on_hold",
                TicketState::Resolved => "resolved",
                TicketState::Closed => "closed",
            },
            opened: row.since,
            resolved: row.resolved_by_us.then_some(at),
        });
        for due in row.verify.clone() {
            self.set_timer(due, Timer::Row(id.clone()));
        }
    }
}

/// When a create after an unknown one is verified.
pub(super) fn after_unknown(at: Millis, settle: Millis) -> Vec<Millis> {
    VERIFY
        .map(|n| at.plus(Millis(settle.0.saturating_mul(n))))
        .to_vec()
}

pub(super) fn note_written(row: &mut Row, flight: &InFlight) {
    row.notes_sent = row.notes_sent.saturating_add(1);
    if flight.recovery {
        row.recovered = true;
    } else if !row.notes.is_empty() {
        row.notes.remove(0);
    }
}
