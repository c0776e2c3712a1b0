//! The order in which alerts are placed: that in which they began, as far as their sources say. What a network or a
//! group of an Alertmanager delays arrives in any order, and the first that is placed decides where others go: so each
//! alert waits until those that began before it are there, and the same fault becomes the same incidents.
//!
//! How late the alerts of a source are is learned, in steps.

use super::Engine;
use super::state::{Alert, AlertState, Timer};
use crate::model::{AlertId, Fingerprint, IncidentId, Millis};
use serde::{Deserialize, Serialize};

/// Steps of the lag of a source, as multiples of the least.
const STEPS: [i64; 4] = [1, 2, 4, 7];
/// Alerts of a source that tell its lag.
const ENOUGH: u32 = 10;
/// Of twenty of them so many arrive in time.
const IN_TIME: u32 = 19;
/// So many are remembered; the older half is forgotten then.
const MOST: u32 = 256;
/// What is later than this was there before its source could tell.
const NO_LAG: Millis = Millis::mins(5);
/// Alerts whose turn comes this close together are placed together: each turn is an entry of the log.
const GRID: Millis = Millis(250);

/// How late the alerts of a source arrive: how many within each of the steps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lags([u32; STEPS.len()]);

impl Lags {
    /// Counts an alert that arrived this long after its begin; `least` is the first step.
    fn count(&mut self, lag: Millis, least: Millis) {
        if lag > NO_LAG {
            return;
        }
        if self.0.iter().sum::<u32>() >= MOST {
            self.0 = self.0.map(|n| n / 2);
        }
        let within = |factor: &i64| lag.0 <= least.0.saturating_mul(*factor);
        let step = STEPS.iter().position(within);
        let last = STEPS.len().saturating_sub(1);
        if let Some(count) = self.0.get_mut(step.unwrap_or(last)) {
            *count = count.saturating_add(1);
        }
    }

    /// The step within which nearly all arrive.
    fn usual(&self, least: Millis) -> Millis {
        let all = self.0.iter().sum::<u32>();
        let enough = all.saturating_mul(IN_TIME) / 20;
        let mut arrived = 0_u32;
        for (count, factor) in self.0.iter().zip(STEPS) {
            arrived = arrived.saturating_add(*count);
            if all < ENOUGH || arrived >= enough {
                return Millis(least.0.saturating_mul(factor));
            }
        }
        least
    }
}

impl Engine {
    /// A new firing is placed when it is its turn.
    pub(super) fn place_in_order(&mut self, id: AlertId) {
        let at = self.state.at;
        let rules = &self.state.rules.correlate;
        let least = rules.arrival_lag.min(Millis(rules.hold[0].0 / 2));
        let most = rules.arrival_lag_max.max(least);
        let Some(alert) = self.state.alerts.get_mut(&id) else {
            return;
        };
        let late = at.since(alert.started);
        if least.0 == 0 || late > NO_LAG {
            return self.place(id);
        }
        let known = self.state.sources.get_mut(&alert.source);
        let lag = known.map_or(least, |known| {
            known.lags.count(late, least);
            known.lags.usual(least).min(most)
        });
        let wait = match lag > late {
            true => lag,
            false => longer(late, least),
        };
        let turn = alert.started.plus(wait);
        let turn = Millis(turn.0.saturating_add(GRID.0 - 1) / GRID.0 * GRID.0);
        alert.before = alert.incident.take();
        if alert.before.is_some() {
            self.index.lately.forget();
        }
        self.state.waiting.insert(waiting(id, alert), turn);
        self.set_timer(turn, Timer::Place(id));
        self.announce(id);
    }

    /// Whether an alert that waits for its turn began earlier than we know: several senders tell of it, each with a
    /// begin of its own, and which of them arrives first decides nothing.
    pub(super) fn began_earlier(&self, alert: AlertId, begin: Option<Millis>) -> Option<Millis> {
        let known = self.state.alerts.get(&alert)?.started;
        begin.filter(|begin| *begin < known && self.waits_for_its_turn(alert))
    }

    /// It began then, and its turn comes as much earlier.
    pub(super) fn begins_earlier(&mut self, id: AlertId, begin: Millis) {
        let Some(alert) = self.state.alerts.get_mut(&id) else {
            return;
        };
        let Some(turn) = self.state.waiting.remove(&waiting(id, alert)) else {
            return;
        };
        let earlier = alert.started.since(begin);
        alert.started = begin;
        let turn = Millis(turn.0.saturating_sub(earlier.0)).max(self.state.at);
        self.state.waiting.insert(waiting(id, alert), turn);
        self.set_timer(turn, Timer::Place(id));
    }

    /// Whether a firing that is over already was overtaken by its recovery just now, on the way to us. It tells of its
    /// fault all the same: which of the two arrives first decides nothing.
    pub(super) fn is_overtaken(&self, fingerprint: Fingerprint) -> bool {
        let within = self.state.rules.correlate.arrival_lag;
        let id = self.state.by_fingerprint.get(&fingerprint);
        let stranger = id.filter(|id| self.state.strangers.contains(id));
        let alert = stranger.and_then(|id| self.state.alerts.get(id));
        alert.is_some_and(|a| self.state.at.since(a.heard) < within)
    }

    /// An alert that is in no incident any more is placed, by the next entry if this one has done enough.
    pub(super) fn place_or_later(&mut self, id: AlertId) {
        let alert = self.state.alerts.get(&id);
        if let Some(alert) = alert.filter(|_| self.enough_fired()) {
            self.state.waiting.insert(waiting(id, alert), self.state.at);
            self.set_timer(self.state.at, Timer::Place(id));
        } else {
            self.counts_placed();
            self.place(id);
        }
        self.effects.alerts.insert(id);
    }

    /// The turn of an alert has come, and so that of all that began before it.
    pub(super) fn place_due(&mut self, id: AlertId) {
        let Some(last) = self.state.alerts.get(&id).map(|a| waiting(id, a)) else {
            return;
        };
        if self.placed_at(id).is_none_or(|turn| turn > self.state.at) {
            return; // the turn of an earlier firing
        }
        loop {
            let enough = self.enough_fired();
            let Some(first) = self.state.waiting.first_entry() else {
                return;
            };
            if *first.key() > last {
                return;
            }
            if enough {
                return self.set_timer(self.state.at, Timer::Place(id));
            }
            let ((_, _, next), _) = first.remove_entry();
            self.counts_placed();
            self.place_waiting(next);
        }
    }

    /// An alert is placed that waits for its turn: that has come, or cannot be waited for.
    pub(super) fn place_now(&mut self, id: AlertId) {
        let key = self.state.alerts.get(&id).map(|a| waiting(id, a));
        if key.is_some_and(|key| self.state.waiting.remove(&key).is_some()) {
            self.place_waiting(id);
        }
    }

    /// An alert waits no longer. If it is over already it is placed as what fired, and ends then.
    fn place_waiting(&mut self, id: AlertId) {
        let Some(alert) = self.state.alerts.get_mut(&id) else {
            return;
        };
        alert.incident = alert.before.take();
        if alert.incident.is_some() {
            self.index.lately.forget();
        }
        let state = alert.state;
        if !alert.live() {
            alert.state = AlertState::Firing;
        }
        self.place(id);
        self.effects.alerts.insert(id);
        if state == AlertState::Over {
            if let Some(alert) = self.state.alerts.get_mut(&id) {
                alert.state = state;
            }
            self.tell_end(id, "resolved");
        }
    }

    /// Whether an alert is in no incident yet. It may be over already.
    pub fn waits_for_its_turn(&self, id: AlertId) -> bool {
        self.placed_at(id).is_some()
    }

    /// When an alert is placed that waits for its turn, at the latest.
    pub(super) fn placed_at(&self, id: AlertId) -> Option<Millis> {
        let alert = self.state.alerts.get(&id)?;
        self.state.waiting.get(&waiting(id, alert)).copied()
    }

    /// Alerts may have got other fingerprints.
    pub(super) fn wait_anew(&mut self) {
        let alerts = &self.state.alerts;
        let all = std::mem::take(&mut self.state.waiting).into_iter();
        let now = all.filter_map(|((_, _, id), turn)| Some((waiting(id, alerts.get(&id)?), turn)));
        self.state.waiting = now.collect();
    }

    /// Promises a number to an alert whose incident is not known yet, for senders write down what they were told
    /// first (Zabbix as a tag of the problem). It is that of the incident which the alert opens, or leads to the one
    /// that it joins.
    fn announce(&mut self, id: AlertId) {
        let number = self.next_number();
        if let Some(alert) = self.state.alerts.get_mut(&id) {
            alert.announced = Some(number);
            self.state.promised.insert(number, id);
        }
    }

    /// The number of an incident that an alert opens.
    pub(super) fn number_for(&mut self, opening: AlertId) -> IncidentId {
        let announced = self.state.alerts.get(&opening).and_then(|a| a.announced);
        match announced.filter(|number| self.state.promised.remove(number).is_some()) {
            Some(number) => number,
            None => self.next_number(),
        }
    }

    /// A number that no incident has.
    pub(super) fn next_number(&mut self) -> IncidentId {
        self.state.last_incident = self.state.last_incident.saturating_add(1);
        IncidentId(self.state.last_incident)
    }

    /// The incident of the alert to which a number was promised that no incident has.
    pub(super) fn promised(&self, number: IncidentId) -> Option<IncidentId> {
        let alert = self.state.promised.get(&number)?;
        self.state.alerts.get(alert)?.incident
    }

    /// An alert goes, or fires anew: what was promised to it leads nowhere.
    pub(super) fn forget_promise(&mut self, id: AlertId) {
        let announced = self.state.alerts.get(&id).and_then(|a| a.announced);
        if let Some(number) = announced {
            self.state.promised.remove(&number);
        }
    }
}

/// How long after its begin an alert is placed that is later than usual: it is not the only one, and they come in any
/// order. In steps, so that when exactly it came makes no difference as a rule.
fn longer(late: Millis, least: Millis) -> Millis {
    let step = least.0.saturating_mul(2).max(1);
    let past = late.0.saturating_add(least.0 / 2);
    Millis((past / step).saturating_add(1).saturating_mul(step))
}

fn waiting(id: AlertId, alert: &Alert) -> (Millis, Fingerprint, AlertId) {
    (alert.started, alert.fingerprint, id)
}
