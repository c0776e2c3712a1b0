//! The valve: a target takes so many new tickets in a while. Where there is no room the most urgent incident has the
//! next ticket, and a part of the room is kept for what is urgent.

use super::Engine;
use super::outbox::{Ask, Plan};
use super::state::{IncidentState, Row, RowId};
use crate::model::{Millis, Priority};
use crate::record::StepName;
use crate::rules::Target;

/// Of so many new tickets one is kept for P1 and P2.
const KEPT: usize = 10;

/// A row that waits for room: how urgent its incident was when it was held back, since when it is there, and which it is.
pub type Turn = (Priority, Millis, RowId);

impl Engine {
    /// A new ticket, if the valve has room for it now.
    pub(super) fn plan_create(&mut self, id: &RowId, target: &Target) -> Plan {
        let at = self.state.at;
        let (Some(row), Some(incident)) = (
            self.state.outbox.get(id),
            self.state.incidents.get(&id.incident),
        ) else {
            return Plan::Drop;
        };
        let turn = (incident.priority, row.since, id.clone());
        let all = usize::try_from(target.max_new).unwrap_or(usize::MAX);
        let kept = match incident.priority {
            Priority::P1 | Priority::P2 => 0,
            Priority::P3 | Priority::P4 => all / KEPT,
        };
        let ahead = self.ahead_of(&turn, all);
        let valve = self.state.valves.entry(id.target.clone()).or_default();
        valve.times.retain(|t| at.since(*t) < target.max_new_per);
        let room = all.saturating_sub(kept);
        let taken = valve.times.len().saturating_add(ahead);
        if taken < room {
            valve.queue.remove(&turn);
            valve.times.push(at);
            return Ask::only(StepName::Create, "");
        }
        // With the end of this one there is room for all that are ahead, and one more.
        let ends = valve.times.get(taken.saturating_sub(room));
        let ends = ends.or(valve.times.last()).copied().unwrap_or(at);
        valve.queue.insert(turn);
        self.hold_back(id, ends.plus(target.max_new_per))
    }

    /// How many rows wait for room that are more urgent, or as urgent and waiting for longer; of more than `most` not all
    /// are counted.
    fn ahead_of(&mut self, turn: &Turn, most: usize) -> usize {
        let target = turn.2.target.clone();
        let Some(valve) = self.state.valves.get(&target) else {
            return 0;
        };
        let (mut ahead, mut gone) = (0_usize, Vec::new());
        for other in valve.queue.range(..turn.clone()) {
            match self.waits_for_room(other) {
                true => ahead = ahead.saturating_add(1),
                false => gone.push(other.clone()),
            }
            if ahead >= most {
                break;
            }
        }
        if let Some(valve) = self.state.valves.get_mut(&target) {
            for turn in gone {
                valve.queue.remove(&turn);
            }
        }
        ahead
    }

    /// Whether a row still waits for room, and for nothing else.
    fn waits_for_room(&self, (priority, _, id): &Turn) -> bool {
        let row = self.state.outbox.get(id);
        let row = row.filter(|row| row.valved && row.ticket.is_none() && row.unknown.is_none());
        let able = row.is_some_and(|row| row.parked.is_none() && row.failing_since.is_none());
        let known = self.state.incidents.get(&id.incident);
        let known = known.filter(|known| able && known.priority == *priority);
        known.is_some_and(|known| match known.state {
            IncidentState::Open | IncidentState::Recovering => true,
            IncidentState::Resolved => self.state.rules.ticket.open_when_over,
            IncidentState::Pending | IncidentState::Merged => false,
        })
    }

    /// Whether the incident of a row became more urgent since the valve held it back.
    pub(super) fn rose_at_valve(&self, id: &RowId, row: &Row) -> bool {
        let known = self.state.incidents.get(&id.incident);
        let valve = self.state.valves.get(&id.target);
        let Some((known, valve)) = known.zip(valve).filter(|_| row.valved) else {
            return false;
        };
        let waits = |priority| valve.queue.contains(&(priority, row.since, id.clone()));
        let as_less = [Priority::P2, Priority::P3, Priority::P4];
        !waits(known.priority) && as_less.into_iter().any(waits)
    }

    /// The valve: no room for a new ticket before `room`.
    fn hold_back(&mut self, id: &RowId, room: Millis) -> Plan {
        if let Some(row) = self.state.outbox.get_mut(id) {
            row.may_create = false; // by then the answer of the find is old
            row.not_before = room;
            if !row.valved {
                row.valved = true;
                let text = format!("{}: valve: too many new tickets, waits for room", id.target);
                self.warn(Some(id.incident), text);
            }
        }
        Plan::Wait(Some(room))
    }
}
