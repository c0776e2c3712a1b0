//! Storms: so much begins at once that the lesser incidents wait longer for what explains them. P1 and P2 never
//! do.

use super::Engine;
use super::state::{Incident, IncidentState, Timer};
use crate::model::{Millis, Priority};
use serde::{Deserialize, Serialize};

/// How finely new alerts are counted.
const SLOT: Millis = Millis::secs(10);
/// Slots of a minute.
const SLOTS: usize = 6;

/// How much begins.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Storm {
    /// New alerts of the last minute: the number of each slot of ten seconds, and how many.
    pub slots: Vec<(i64, u32)>,
    /// Since when there is a storm.
    pub since: Option<Millis>,
    /// New alerts since then.
    pub alerts: u64,
}

impl Engine {
    /// An alert begins.
    pub(super) fn storm_counts(&mut self) {
        let rules = self.state.rules.correlate.storm;
        let at = self.state.at;
        let slot = at.0.div_euclid(SLOT.0);
        let storm = &mut self.state.storm;
        match storm.slots.last_mut() {
            Some((last, count)) if *last == slot => *count = count.saturating_add(1),
            Some(_) | None => {
                storm.slots.push((slot, 1));
                if storm.slots.len() > SLOTS {
                    storm.slots.remove(0);
                }
            }
        }
        if storm.since.is_some() {
            storm.alerts = storm.alerts.saturating_add(1);
            return;
        }
        let rate = self.rate();
        if rate <= rules.per_minute {
            return;
        }
        self.state.storm.since = Some(at);
        self.state.storm.alerts = u64::from(rate);
        let minutes = rules.hold.0 / 60_000;
        self.warn(
            None,
            format!(
                "storm: {rate} new alerts in a minute; P3 and P4 are held {minutes} min longer"
            ),
        );
        self.set_timer(at.plus(SLOT), Timer::Storm);
        self.lengthen_holds();
    }

    /// New alerts of the last minute.
    fn rate(&self) -> u32 {
        let now = self.state.at.0.div_euclid(SLOT.0);
        let least = now.saturating_sub(i64::try_from(SLOTS).unwrap_or(0));
        let slots = self.state.storm.slots.iter();
        let recent = slots.filter(|(slot, _)| *slot > least).map(|(_, n)| *n);
        recent.fold(0, u32::saturating_add)
    }

    pub(super) fn storm_due(&mut self) {
        let at = self.state.at;
        let Some(since) = self.state.storm.since else {
            return;
        };
        if self.rate() > self.state.rules.correlate.storm.per_minute {
            return self.set_timer(at.plus(SLOT), Timer::Storm);
        }
        let alerts = self.state.storm.alerts;
        self.state.storm.since = None;
        self.state.storm.alerts = 0;
        let seconds = at.since(since).0 / 1000;
        self.warn(
            None,
            format!("the storm is over: {alerts} new alerts in {seconds} s"),
        );
    }

    /// By how much a storm lengthens the hold of an incident.
    pub(super) fn storm_hold(&self, priority: Priority) -> Millis {
        match self.state.storm.since {
            Some(_) if priority > Priority::P2 => self.state.rules.correlate.storm.hold,
            Some(_) | None => Millis(0),
        }
    }

    /// What waits since before the storm waits as long as what begins in it, and no longer for a second storm.
    fn lengthen_holds(&mut self) {
        let held = |i: &Incident| {
            i.state == IncidentState::Pending && i.priority > Priority::P2 && i.opened.is_none()
        };
        let all = self.state.incidents.iter().filter(|(_, i)| held(i));
        let all = all.map(|(id, i)| (*id, i.first.plus(self.hold_of(i.priority))));
        for (id, until) in all.collect::<Vec<_>>() {
            let Some(known) = self.state.incidents.get_mut(&id) else {
                continue;
            };
            // One that was not looked at yet gets its hold when it is.
            if known.hold().is_some() {
                known.hold_until = known.hold_until.max(until);
            }
        }
    }

    /// Whether a storm lengthened the hold of an incident.
    pub(super) fn is_storm_held(&self, known: &Incident) -> bool {
        let by = self.state.rules.correlate.storm.hold;
        let hold = self.calm_hold(known.priority).plus(by);
        let lengthened = known.hold_until == known.first.plus(hold);
        by > Millis(0) && known.priority > Priority::P2 && lengthened
    }
}
