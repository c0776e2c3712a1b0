//! The work of one entry is bounded, so that nothing stalls the intake: many holds that end in one second, a
//! maintenance window that ends, another graph. What is left goes on with the next entry: its timers are due at
//! once. Work is counted in units, never in time, so that it is the same on every machine; a unit is about a
//! microsecond on a usual one.

use super::Engine;
use super::state::{Incident, Timer};
use crate::model::{IncidentId, Millis};

/// Units for the timers of an entry.
const FIRED: usize = 500;
/// Units for the timers of an entry while alerts are placed [later](LATE) than it is their turn: each entry waits for the
/// disk, so that more has to be done with one of them.
const FIRED_IF_LATE: usize = 2000;
/// See [`FIRED_IF_LATE`].
const LATE: Millis = Millis::secs(1);
/// Units to place alerts and to look at what was touched. The first look has room, unless a hold ended.
const MOST: usize = 800;
/// A look at an incident, whatever its size.
const LOOK: usize = 60;
/// A look at an incident of more alerts is spread over four entries: its root, what comes of that, its explanation,
/// its ticket.
const VAST: usize = 1000;
/// An incident that was looked at rests for so long when nothing but more alerts come to it: those of one fault come
/// together, and one look at them will do.
const REST: Millis = Millis::secs(1);
/// An incident of more alerts is looked at after so many milliseconds as a quarter of them at the earliest: a look
/// goes through them all.
const LARGE: usize = 256;
/// To place one alert.
const PLACE: usize = 250;

/// What an entry has done so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Work {
    /// By timers.
    fired: usize,
    /// Of these by incidents that were explained anew.
    settled: usize,
    /// And by alerts that were placed.
    placed: usize,
    /// By looks at incidents.
    looked: usize,
    /// Units of the looks that were put off.
    put_off: usize,
}

/// Causes of an incident that are weighed. After a start nobody knows those of one that is over, so they never count.
fn causes(known: &Incident) -> usize {
    match known.state.lives() {
        true => known.case.sums.len(),
        false => 0,
    }
}

/// What a look at an incident costs.
fn look(known: &Incident) -> usize {
    let (places, causes) = (known.case.spots.len(), causes(known));
    LOOK.saturating_add(known.members.len())
        .saturating_add(places.saturating_mul(4))
        .saturating_add(causes)
}

/// What it costs to explain an incident anew before its ticket, and to look at it.
fn settle(known: &Incident) -> usize {
    let (places, causes) = (known.case.spots.len(), causes(known));
    look(known).saturating_add(places.saturating_mul(causes) / 32)
}

impl Engine {
    fn look_costs(&self, id: IncidentId) -> usize {
        self.state.incidents.get(&id).map_or(1, look)
    }

    /// Whether what is told of an incident is left to the next entries. What parted is told at once: only this entry
    /// knows that it did.
    pub(super) fn tells_later(&self, id: IncidentId) -> bool {
        let known = self.state.incidents.get(&id);
        known.is_some_and(|i| i.members.len() > VAST) && !self.parted.contains(&id)
    }

    /// Whether the timers of this entry have done enough.
    pub(super) fn enough_fired(&self) -> bool {
        self.work.fired >= self.may_fire_in_all()
    }

    fn may_fire_in_all(&self) -> usize {
        let next = self.state.waiting.first_key_value();
        match next.is_some_and(|(_, turn)| self.state.at.since(*turn) >= LATE) {
            true => FIRED_IF_LATE,
            false => FIRED,
        }
    }

    /// Counts what a timer will cost that is about to fire, unless that is too much for what is left of this entry.
    pub(super) fn may_fire(&mut self, timer: &Timer) -> bool {
        let units = self.timer_costs(timer);
        let fired = self.work.fired.saturating_add(units);
        if self.work.fired > 0 && fired > self.may_fire_in_all() {
            return false;
        }
        self.work.fired = fired;
        if matches!(timer, Timer::Hold(_)) {
            self.work.settled = self.work.settled.saturating_add(units);
        }
        true
    }

    fn timer_costs(&self, timer: &Timer) -> usize {
        match timer {
            // The incident is explained anew before it is looked at.
            Timer::Hold(incident) => self.state.incidents.get(incident).map_or(1, settle),
            Timer::Quiet(incident)
            | Timer::Silence(incident)
            | Timer::Wait(incident)
            | Timer::FlapNote(incident)
            | Timer::Judge(incident)
            | Timer::Explain(incident)
            | Timer::Outlast(incident)
            | Timer::Write(incident) => self.look_costs(*incident),
            Timer::Row(row) | Timer::Oppose(row) => self.look_costs(row.incident),
            Timer::Expiry(_) | Timer::Flap(_) => LOOK,
            Timer::Place(_) => 1,
            Timer::ForgetAlert(_)
            | Timer::ForgetIncident(_)
            | Timer::Expect(_)
            | Timer::Heartbeat(..)
            | Timer::GraphWait
            | Timer::Inherited(_)
            | Timer::Window(_)
            | Timer::Storm
            | Timer::Rebind(_) => 1,
        }
    }

    /// Counts an alert that is about to be placed.
    pub(super) fn counts_placed(&mut self) {
        self.work.fired = self.work.fired.saturating_add(PLACE);
        self.work.placed = self.work.placed.saturating_add(PLACE);
    }

    /// Whether an incident may be looked at in this entry; if not, it is with one of the next, in the order in which that
    /// is asked, and a large one or one that only `grew` a little later. Where alerts parted it must: only this entry knows
    /// that.
    pub(super) fn may_look(&mut self, id: IncidentId, grew: bool) -> bool {
        let at = self.state.at;
        let units = self.look_costs(id);
        let done = self.work.looked.max(self.work.settled);
        let full = done.saturating_add(self.work.placed).saturating_add(units) > MOST;
        let Some(known) = self.state.incidents.get_mut(&id) else {
            return true;
        };
        // To rank the causes of a vast one is an entry's work.
        let vast = known.members.len() > VAST && self.work.placed > 0;
        let enough = (done > 0 || vast) && full;
        let rest = match known.members.len() {
            size if size > LARGE => Millis(i64::try_from(size / 4).unwrap_or(0)),
            _ => Millis(0),
        };
        let rest = if grew { rest.max(REST) } else { rest };
        let mut due = known.looked.plus(rest).max(at);
        if enough {
            let entries = self.work.put_off / MOST + 1;
            due = due.max(at.plus(Millis(i64::try_from(entries).unwrap_or(i64::MAX))));
            self.work.put_off = self.work.put_off.saturating_add(units);
        }
        if (enough || due > at) && !self.parted.contains(&id) {
            self.set_timer(due, Timer::Wait(id));
            return false;
        }
        known.looked = at;
        self.work.looked = self.work.looked.saturating_add(units);
        true
    }
}
