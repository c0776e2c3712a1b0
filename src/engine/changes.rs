//! What people changed in tickets, found by a poll: which of it is news, and what follows.

use super::Engine;
use super::state::{IncidentState, Row};
use crate::itsm::poll::Polled;
use crate::itsm::{Seen, TicketState, shown};
use crate::model::Seq;
use crate::record::{TicketChangeV1, TicketGoneV1};
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
    /// back after our own writes, so none of them comes back as news. `false`: a delivery of ours came between,
    /// and something must be read again.
    pub fn person_changes(
        &self,
        target: &str,
        began: Seq,
        polled: &[Polled],
    ) -> (Vec<TicketChangeV1>, bool) {
        let rows = self.state.outbox.iter();
        let rows: BTreeMap<&str, &Row> = rows
            .filter(|(id, row)| *id.target == *target && !row.shadow)
            .filter_map(|(_, row)| Some((row.ticket.as_deref()?, row)))
            .collect();
        let (mut out, mut sure) = (Vec::new(), true);
        for ticket in polled {
            let row = rows.get(ticket.id.as_str());
            let Some(row) = row.filter(|row| is_news(row, &ticket.seen)) else {
                continue;
            };
            if row.in_flight.is_some() || row.answered > began {
                sure = false;
                continue;
            }
            out.push(TicketChangeV1 {
                target: target.to_owned(),
                ticket: ticket.id.clone(),
                seen: ticket.seen.clone(),
            });
        }
        (out, sure)
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
        let what = told(row, &change.seen);
        let over = |state| matches!(state, TicketState::Resolved | TicketState::Closed);
        if over(row.ticket_state) && !over(change.seen.state) {
            row.resolved_by_us = false; // whoever opens it again has it
        }
        row.see(&change.seen);
        let taken = !change.seen.owner.is_empty() || change.seen.state == TicketState::Open;
        let known = self.state.incidents.get(&id.incident);
        let unheeded = known.is_some_and(|i| {
            i.acknowledged.is_none()
                && matches!(i.state, IncidentState::Open | IncidentState::Recovering)
        });
        if taken && unheeded {
            self.acknowledge(id.incident, &format!("a person in {}", id.target));
        }
        if let Some(what) = what {
            let text = format!("{}: ticket {} {what}", id.target, shown(&change.ticket));
            self.said(id.incident, text);
        }
        self.ticket_history(&id);
        self.touch(id.incident);
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
