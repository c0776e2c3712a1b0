//! A ticket that follows another one says so: the one before was closed under a live incident or cannot be opened
//! again, or the alert was in an incident that had been over for too long to return to it.

use super::Engine;
use super::rows::{Row, RowId};
use super::state::{Incident, IncidentState};
use crate::model::{IncidentId, Millis};
use crate::ticket::Former;

impl Row {
    /// The row goes on to the next ticket, which will name this one.
    pub(super) fn leave_ticket(&mut self, at: Millis) {
        let ended = self.ended.take().unwrap_or(at);
        if let Some(ticket) = self.ticket.take() {
            let closed = Some(ended);
            self.former = Some(Former { ticket, closed });
        }
    }
}

impl Engine {
    /// A row of which nothing is known yet but the ticket before it.
    pub(super) fn insert_row(&mut self, id: RowId, shadow: bool) {
        let row = Row {
            former: self.former(&id),
            ..Row::new(self.state.at, shadow)
        };
        self.state.outbox.insert(id, row);
    }

    fn former(&self, id: &RowId) -> Option<Former> {
        let known = self.state.incidents.get(&id.incident)?;
        let incident = self.incident_of(known.recurs?);
        let over = self.state.incidents.get(&incident)?.state == IncidentState::Resolved;
        let before = RowId {
            incident,
            target: id.target.clone(),
        };
        let row = self.state.outbox.get(&before).filter(|_| over)?;
        Some(Former {
            ticket: row.ticket.clone()?,
            closed: row.ended,
        })
    }

    /// Whether an incident that is over is found when it comes back: by the alert that opened it. What comes back
    /// by another of its alerts may have been forgotten by then.
    pub(super) fn is_found_again(&self, id: IncidentId, known: &Incident) -> bool {
        let mut members = known.members.keys();
        let (first, more) = (members.next(), members.next());
        let alone = first.filter(|_| more.is_none());
        let alert = alone.and_then(|a| self.state.alerts.get(a));
        alert.is_some_and(|a| self.last_opened_by(a) == Some(id))
    }
}
