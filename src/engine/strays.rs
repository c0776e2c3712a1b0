//! Tickets of ours that turn up late beside what an incident has by now: of a create that nobody waits for any
//! more, because the incident went on under the next key, or was over before the create could be found.

use super::Engine;
use super::outbox::{Ask, Plan};
use super::receipt::after_unknown;
use super::state::{RowId, Timer};
use crate::itsm::TicketState;
use crate::model::Millis;
use crate::record::{HitV1, StepName};
use crate::ticket::{Note, NoteKind};

/// Looks that a row still has to make for them; each create leaves three.
const MAX_STRAYS: usize = 24;

impl Engine {
    /// The looks for what an unknown create may have left go on, whatever the row does next.
    pub(super) fn leave_strays(&mut self, id: &RowId) {
        let (at, settle) = (self.state.at, self.settle_of(&id.target));
        let target = self.state.rules.targets.get(&*id.target);
        let by_key = target.is_some_and(|t| t.by_key);
        let Some(row) = self.state.outbox.get_mut(id) else {
            return;
        };
        row.may_create = false;
        row.twins.extend(row.ticket.clone());
        let mut due = std::mem::take(&mut row.verify);
        if due.is_empty() || by_key {
            return; // a tool that takes two creates with one key for one
        }
        if due == [Millis(0)] {
            due = after_unknown(at, settle);
        }
        row.strays.extend(due.iter().map(|d| (*d, row.generation)));
        row.strays.sort_unstable();
        let over = row.strays.len().saturating_sub(MAX_STRAYS);
        row.strays.drain(..over);
        for due in due {
            self.set_timer(due, Timer::Row(id.clone()));
        }
    }

    /// A look that is due, or the end of a ticket that one has found for a row without a ticket.
    pub(super) fn plan_stray(&self, id: &RowId) -> Option<Plan> {
        let at = self.state.at;
        let row = self.state.outbox.get(id)?;
        if let Some((_, generation)) = row.strays.first().filter(|(due, _)| *due <= at) {
            return Some(Plan::Do(Box::new(Ask {
                of: Some(*generation),
                ..Ask::plain(StepName::Find, "")
            })));
        }
        let stray = row.duplicates.first().filter(|_| row.ticket.is_none())?;
        let ended = self.last_word(id, false, true);
        let what = ended.unwrap_or_else(|| NoteKind::Duplicate {
            ticket: id.incident.to_string(),
        });
        Some(Plan::Do(Box::new(Ask {
            note: Some(Note {
                at,
                what,
                delayed: None,
            }),
            unless_touched: true,
            other: Some(stray.clone()),
            ..Ask::plain(StepName::Resolve, stray)
        })))
    }

    /// Whether a row without a purpose has still to be kept.
    pub(super) fn has_strays(&self, id: &RowId) -> bool {
        let row = self.state.outbox.get(id);
        row.is_some_and(|r| !r.strays.is_empty() || !r.duplicates.is_empty())
    }

    /// What a look under the key of `generation` has shown.
    pub(super) fn strays_found(&mut self, id: &RowId, generation: u32, hits: &[HitV1]) {
        let Some(row) = self.state.outbox.get_mut(id) else {
            return;
        };
        if let Some(made) = row.strays.iter().position(|(_, g)| *g == generation) {
            row.strays.remove(made);
        }
        let ours: Vec<&HitV1> = hits
            .iter()
            .filter(|h| h.by_us && h.seen.state != TicketState::Closed)
            .collect();
        self.duplicates(id, &ours);
    }
}
