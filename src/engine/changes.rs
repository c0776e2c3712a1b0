//! What people changed in tickets, found by a poll or with our own work on the ticket: which of it is news, and what
//! follows.

use super::Engine;
use super::state::{InFlight, IncidentState, Row, RowId};
use crate::itsm::poll::Polled;
use crate::itsm::{Seen, TicketState, shown};
use crate::model::Seq;
use crate::record::{OutcomeV1, StepName, TicketChangeV1, TicketGoneV1};
use std::collections::BTreeMap;

impl Engine {
    /// Whether a target has a ticket that people may change.
    pub fn has_tickets(&self, target: &str) -> bool {
        let mut rows = self.state.outbox.iter();
        rows.any(|(id, row)| *id.target == *target && row.ticket.is_some() && !row.shadow)
    }

    /// Whether it is one of our tickets at a target.
    pub fn has_ticket(&self, target: &str, ticket: &str) -> bool {
        let mut rows = self.state.outbox.iter();
        rows.any(|(id, row)| {
            *id.target == *target && !row.shadow && row.ticket.as_deref() == Some(ticket)
        })
    }

    /// The changes that a person made, among tickets that were read after the entry `began`. Compared with what we read
    /// back after our own writes, so none of them comes back as news. And the tickets of which nothing can be said, for a
    /// delivery of ours came between: they must be read again.
    pub fn person_changes(
        &self,
        target: &str,
        began: Seq,
        polled: &[Polled],
    ) -> (Vec<TicketChangeV1>, Vec<String>) {
        let rows = self.state.outbox.iter();
        let rows: BTreeMap<&str, &Row> = rows
            .filter(|(id, row)| *id.target == *target && !row.shadow)
            .filter_map(|(_, row)| Some((row.ticket.as_deref()?, row)))
            .collect();
        let (mut out, mut unsure) = (Vec::new(), Vec::new());
        for ticket in polled {
            let row = rows.get(ticket.id.as_str());
            let Some(row) = row.filter(|row| is_news(row, &ticket.seen)) else {
                continue;
            };
            if row.in_flight.is_some() || row.answered > began {
                unsure.push(ticket.id.clone());
                continue;
            }
            out.push(TicketChangeV1 {
                target: target.to_owned(),
                ticket: ticket.id.clone(),
                seen: ticket.seen.clone(),
            });
        }
        (out, unsure)
    }

    /// Our ticket that a tool names by the last part of our id for it.
    pub fn ticket_named(&self, target: &str, name: &str) -> Option<&str> {
        let rows = self.state.outbox.iter();
        let mut ours = rows
            .filter(|(id, row)| *id.target == *target && !row.shadow)
            .filter_map(|(_, row)| row.ticket.as_deref());
        ours.find(|ticket| ticket.rsplit('#').next() == Some(name))
    }

    /// That a ticket is gone, as the tool said after the entry `began`; with whether that can be judged, as
    /// in [`Engine::person_changes`].
    pub fn ticket_is_gone(
        &self,
        target: &str,
        began: Seq,
        ticket: &str,
        into: &str,
    ) -> (Option<TicketGoneV1>, bool) {
        let mut rows = self.state.outbox.iter();
        let row = rows.find(|(id, row)| {
            *id.target == *target && !row.shadow && row.ticket.as_deref() == Some(ticket)
        });
        match row {
            None => (None, true),
            Some((_, row)) if row.in_flight.is_some() || row.answered > began => (None, false),
            Some(_) => {
                let gone = TicketGoneV1 {
                    target: target.to_owned(),
                    ticket: ticket.to_owned(),
                    into: into.to_owned(),
                };
                (Some(gone), true)
            }
        }
    }

    pub(super) fn ticket_gone(&mut self, gone: &TicketGoneV1) {
        let mut rows = self.state.outbox.iter();
        let found = rows.find(|(id, row)| {
            *id.target == *gone.target && row.ticket.as_deref() == Some(gone.ticket.as_str())
        });
        let Some((id, _)) = found else {
            return;
        };
        let id = id.clone();
        match gone.into.as_str() {
            "" => self.ends_ticket(&id, "deleted"),
            into => self.merged_by_person(&id, into),
        }
        self.ticket_history(&id);
        self.touch(id.incident);
    }

    pub(super) fn ticket_change(&mut self, change: &TicketChangeV1) {
        let found = self.state.outbox.iter_mut().find(|(id, row)| {
            *id.target == *change.target && row.ticket.as_deref() == Some(change.ticket.as_str())
        });
        let Some((id, row)) = found else {
            return;
        };
        let id = id.clone();
        let news = News::of(row, &change.seen);
        row.see(&change.seen);
        self.heed(&id, &change.seen, &news);
        self.ticket_history(&id);
        self.touch(id.incident);
    }

    /// What a person did to the ticket that was read with our own work on it, if that is news.
    pub(super) fn news_beside(
        &self,
        id: &RowId,
        flight: &InFlight,
        outcome: &OutcomeV1,
    ) -> Option<News> {
        use StepName::{Create, Find, Link, Note, Probe, Read, Reopen, Resolve, Update};
        let seen = seen_in(outcome)?;
        let left = matches!(outcome, OutcomeV1::State { .. });
        let theirs = match flight.step {
            Update | Note | Read => true,
            // What we did turns the state ourselves.
            Resolve | Reopen => left,
            Create | Find | Link | Probe => false,
        };
        let row = self.state.outbox.get(id)?;
        let ours = row.ticket.is_some() && flight.other.is_none() && row.turning.is_none();
        (theirs && ours && is_news(row, seen)).then(|| News::of(row, seen))
    }

    /// A person did something to a ticket: what follows for the incident.
    pub(super) fn heed(&mut self, id: &RowId, seen: &Seen, news: &News) {
        let Some(row) = self.state.outbox.get_mut(id) else {
            return;
        };
        if news.opened_again {
            row.resolved_by_us = false; // whoever opens it again has it
        }
        let ticket = row.ticket.clone().unwrap_or_default();
        let taken = !seen.owner.is_empty() || seen.state == TicketState::Open;
        let known = self.state.incidents.get(&id.incident);
        let unheeded = known.is_some_and(|i| {
            i.acknowledged.is_none()
                && matches!(i.state, IncidentState::Open | IncidentState::Recovering)
        });
        if taken && unheeded {
            self.acknowledge(id.incident, &format!("a person in {}", id.target));
        }
        if let Some(what) = news.what {
            let text = format!("{}: ticket {} {what}", id.target, shown(&ticket));
            self.said(id.incident, text);
        }
    }
}

/// What a person did to a ticket.
#[derive(Clone, Copy, Debug)]
pub(super) struct News {
    /// In words; `None` if nothing that is told.
    what: Option<&'static str>,
    opened_again: bool,
}

impl News {
    fn of(row: &Row, seen: &Seen) -> News {
        let over = |state| matches!(state, TicketState::Resolved | TicketState::Closed);
        News {
            what: told(row, seen),
            opened_again: over(row.ticket_state) && !over(seen.state),
        }
    }
}

/// How the ticket stood after our work on it.
pub(super) fn seen_in(outcome: &OutcomeV1) -> Option<&Seen> {
    match outcome {
        OutcomeV1::Done { seen, .. } | OutcomeV1::Already { seen } | OutcomeV1::State { seen } => {
            Some(seen)
        }
        OutcomeV1::Found(_) | OutcomeV1::Refused(_) | OutcomeV1::Unknown { .. } => None,
    }
}

/// A person's hand, and not as we know the ticket.
fn is_news(row: &Row, seen: &Seen) -> bool {
    let known = row.touched && row.ticket_state == seen.state && row.owner == seen.owner;
    seen.touched && !known
}

/// What became of it. Who it was is in the tool: a person, the ticket above it, or a rule that closes what is old.
fn told(row: &Row, seen: &Seen) -> Option<&'static str> {
    use TicketState::{Closed, New, OnHold, Open, Resolved};
    Some(match (row.ticket_state, seen.state) {
        (before, now) if before == now => match (row.owner == seen.owner, row.touched) {
            (false, _) if seen.owner.is_empty() => "is nobody's again",
            (false, _) => "was assigned by a person",
            (true, false) => "was changed by a person",
            (true, true) => return None,
        },
        (_, Resolved) => "was resolved in the tool",
        (_, Closed) => "was closed in the tool",
        (Resolved | Closed, New | Open | OnHold) => "was opened again in the tool",
        (_, OnHold) => "was put on hold by a person",
        (_, Open) => "was taken by a person",
        (_, New) => "was put back by a person",
    })
}
