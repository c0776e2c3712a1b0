//! A ticket that a person resolved or closed while its alerts go on: by declared policy a note, and later, once, the
//! ticket again or a new one. What is over and fires again is not what that person judged, so it is opposed anew; and
//! what is severe and new opens it at once, however often it was resolved: nobody reads notes in a resolved ticket.

use super::Engine;
use super::flap;
use super::outbox::Plan;
use super::state::{IncidentState, RowId, Timer};
use crate::itsm::TicketState;
use crate::rules::{Mode, Reopen, Target};
use crate::ticket::{Note, NoteKind};

impl Engine {
    /// Opposes a person's resolve. Answers what is to be done now, if it is more than a note.
    pub(super) fn oppose(&mut self, id: &RowId, target: &Target) -> Option<Plan> {
        let at = self.state.at;
        let rules = self.state.rules.ticket.reopen;
        let row = self.state.outbox.get(id)?;
        let ticket = row.ticket.clone()?;
        let known = self.state.incidents.get(&id.incident)?;
        let goes_on = known.state == IncidentState::Open && known.live > 0;
        let closed = row.ticket_state == TicketState::Closed;
        if !row.ended_by_person() || target.mode != Mode::Live {
            return None;
        }
        if !goes_on {
            // They were right, and what fires from now on is another firing.
            let row = self.state.outbox.get_mut(id)?;
            (row.opposed, row.opposed_once) = (None, false);
            return None;
        }
        if self.quiet_until(id.incident).is_some() {
            return None;
        }
        // What only counts as firing, because it flaps, does not fire now.
        let fires = self.state.alerts_of(known);
        let fires = fires.filter(|(_, _, alert)| alert.live() && !flap::is_over(alert));
        let firing = u32::try_from(fires.count()).unwrap_or(u32::MAX);
        if firing == 0 {
            return None;
        }
        if self.opens_again_for_severe(id) {
            let row = self.state.outbox.get_mut(id)?;
            row.opposed = None;
            let tells = |n: &Note| !matches!(n.what, NoteKind::StillFiring { .. });
            row.notes.retain(tells);
            return self.again(id, target, &ticket);
        }
        let row = self.state.outbox.get(id)?;
        if row.opposed_once {
            return None;
        }
        let told = row
            .notes
            .iter()
            .any(|n| matches!(n.what, NoteKind::Reopened { .. }));
        let Some(since) = row.opposed else {
            self.state.outbox.get_mut(id)?.opposed = Some(at);
            let due = at.plus(rules.persons_after);
            self.set_timer(due, Timer::Oppose(id.clone()));
            // What is closed takes no more notes.
            if !told && !closed {
                let wait = (rules.persons != Reopen::Note).then_some(rules.persons_after);
                let new = rules.persons == Reopen::New || !target.reopens;
                self.note_to(id, NoteKind::StillFiring { firing, wait, new });
            }
            return None;
        };
        if rules.persons == Reopen::Note || since.plus(rules.persons_after) > at {
            return None;
        }
        let row = self.state.outbox.get_mut(id)?;
        if row
            .notes
            .iter()
            .any(|n| matches!(n.what, NoteKind::StillFiring { .. }))
        {
            return None; // the note goes first
        }
        row.opposed_once = true;
        row.opposed = None;
        self.again(id, target, &ticket)
    }

    /// Whether a severe alert that came opens the ticket again which a person has ended.
    pub(super) fn opens_again_for_severe(&self, id: &RowId) -> bool {
        let target = self.state.rules.targets.get(&*id.target);
        let live = target.is_some_and(|t| t.mode == Mode::Live);
        let told_only = self.state.rules.ticket.reopen.persons == Reopen::Note;
        let row = self.state.outbox.get(id);
        let row = row.filter(|row| row.ended_by_person() && live && !told_only);
        let mut joined = row.into_iter().flat_map(|row| &row.joined);
        joined.any(|a| self.still_fires_in(id.incident, *a))
            && self.quiet_until(id.incident).is_none()
    }

    /// The ticket again, or a new one.
    fn again(&mut self, id: &RowId, target: &Target, ticket: &str) -> Option<Plan> {
        let row = self.state.outbox.get(id)?;
        let new = self.state.rules.ticket.reopen.persons == Reopen::New;
        if new || row.ticket_state == TicketState::Closed || !target.reopens {
            self.follow_on(id);
            return Some(self.plan_new(id, target));
        }
        Some(self.plan_reopen(row, ticket))
    }
}
