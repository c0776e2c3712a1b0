//! A resolve or a reopening of ours whose outcome is not known: executed late, it undoes what was said since, and
//! looks like a person's doing. So the ticket is looked at, now and when nothing of it can come any more. Until then the
//! recovery is not written again, or people would read it twice.

use super::Engine;
use super::outbox::{Ask, Plan};
use super::state::{RowId, Timer};
use crate::itsm::{Seen, TicketState};
use crate::record::StepName;
use crate::rules::{OnRecovery, Target};
use crate::ticket::NoteKind;

impl Engine {
    pub(super) fn turn_unknown(&mut self, id: &RowId, step: StepName) {
        let at = self.state.at;
        let settle = self.settle_of(&id.target);
        let turns = matches!(step, StepName::Resolve | StepName::Reopen);
        let target = self.state.rules.targets.get(&*id.target);
        let reopens = target.is_some_and(|t| t.reopens);
        let Some(row) = self.state.outbox.get_mut(id).filter(|_| turns && reopens) else {
            return;
        };
        row.turning = Some((at, false));
        if step == StepName::Reopen {
            row.recovered = false; // it may be open again, and its next recovery is still to be told
        }
        self.set_timer(at.plus(settle), Timer::Row(id.clone()));
    }

    /// A look at the ticket, before anything is built on its state.
    pub(super) fn plan_turn(&self, id: &RowId) -> Option<Plan> {
        let row = self.state.outbox.get(id)?;
        let (since, looked) = row.turning?;
        let ticket = row.ticket.as_deref()?;
        let lives = self.state.incidents.get(&id.incident)?.state.lives();
        let due = since.plus(self.settle_of(&id.target));
        if due <= self.state.at || !looked {
            return Some(Ask::only(StepName::Read, ticket));
        }
        let waits = !lives && !row.recovered && !row.touched;
        waits.then_some(Plan::Wait(Some(due)))
    }

    /// A last note may still be on its way: a tool that can be read is asked later whether it stands there.
    pub(super) fn after_settle(&mut self, id: &RowId) {
        let due = self.state.at.plus(self.settle_of(&id.target));
        let target = self.state.rules.targets.get(&*id.target);
        let reads = target.is_some_and(|t| t.reopens);
        if let Some(row) = self.state.outbox.get_mut(id).filter(|_| reads) {
            row.not_before = row.not_before.max(due);
        }
    }

    /// The ticket was read.
    pub(super) fn turned(&mut self, id: &RowId, seen: &Seen) {
        let settled = self.settle_of(&id.target);
        let incident = self.state.incidents.get(&id.incident);
        let lives = incident.is_some_and(|i| i.state.lives());
        let at = self.state.at;
        // Then it is resolved whoever has it.
        let always = |t: &Target| t.on_recovery == OnRecovery::Resolve;
        let always = self
            .state
            .rules
            .targets
            .get(&*id.target)
            .is_some_and(always);
        let Some(row) = self.state.outbox.get_mut(id) else {
            return;
        };
        let Some((since, looked)) = &mut row.turning else {
            return;
        };
        *looked = true;
        let over = since.plus(settled) <= at;
        if over {
            row.turning = None;
        }
        if row.touched && !always {
            return; // it is theirs
        }
        match seen.state {
            // Nobody has touched it and our resolve was on its way: it is our doing, also if the incident is over.
            TicketState::Resolved => {
                row.resolved_by_us = true;
                row.recovered |= !lives; // its note went with it
            }
            TicketState::New | TicketState::Open if !lives => {
                row.recovered = false;
                // It was told when the ticket was opened again.
                row.notes
                    .retain(|n| !matches!(n.what, NoteKind::Reopened { .. }));
            }
            _ => {}
        }
    }
}
