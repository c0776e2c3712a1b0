//! The end of an alert, and of our memory of it.

use super::Engine;
use super::dedup::REMEMBER;
use super::identity;
use super::state::{AlertState, Timer};
use crate::model::{AlertId, Millis};
use crate::record::History;

impl Engine {
    /// The alert is over, unless it flaps.
    pub(super) fn end(&mut self, id: AlertId, outcome: &'static str) {
        let at = self.state.at;
        if outcome == "expired" {
            self.place_now(id);
        }
        let Some(alert) = self.state.alerts.get_mut(&id).filter(|a| a.live()) else {
            return;
        };
        alert.closed = match outcome {
            "expired" => alert.closed.max(alert.episode.saturating_sub(1)),
            _ => alert.closed.max(i64::MIN.saturating_add(1)),
        };
        if self.flaps_on(id) {
            self.effects.alerts.insert(id);
            return;
        }
        self.end_for_good(id, outcome, at);
    }

    /// The alert is over since `ended`.
    pub(super) fn end_for_good(&mut self, id: AlertId, outcome: &'static str, ended: Millis) {
        let at = self.state.at;
        let Some(alert) = self.state.alerts.get_mut(&id).filter(|a| a.live()) else {
            return;
        };
        let was_stale = alert.state == AlertState::Stale;
        alert.state = AlertState::Over;
        alert.ended = Some(ended);
        alert.expired = outcome == "expired";
        alert.senders.clear();
        let source = alert.source.clone();
        self.effects.alerts.insert(id);
        if was_stale {
            self.count_stale(&source, -1);
        }
        if let Some(known) = self.state.sources.get_mut(&source) {
            known.live = known.live.saturating_sub(1);
        }
        self.state.flapping.remove(&id);
        self.set_timer(at.plus(REMEMBER), Timer::ForgetAlert(id));
        if !self.waits_for_its_turn(id) {
            self.tell_end(id, outcome);
        }
        self.inhibit(id);
    }

    /// The history and the incident of an alert that is over hear of it.
    pub(super) fn tell_end(&mut self, id: AlertId, outcome: &'static str) {
        let Some(alert) = self.state.alerts.get(&id) else {
            return;
        };
        let incident = alert.incident;
        let row = History::AlertEpisode {
            fingerprint: alert.fingerprint,
            source: alert.source.to_string(),
            ci: Some(self.state.cis.key(alert.ci).to_owned()).filter(|_| alert.evidence.bound),
            severity: alert.worst.word(),
            started: alert.started,
            ended: alert.ended.unwrap_or(self.state.at),
            outcome,
            incident,
        };
        self.effects.history.push(row);
        if let Some(incident) = incident {
            self.member_over(incident, id);
        }
    }

    /// Ends an alert that new rules made the same as another one; the other stands for both.
    pub(super) fn end_doubled(&mut self, id: AlertId) {
        let at = self.state.at;
        self.end_for_good(id, "resolved", at);
    }

    pub(super) fn forget_alert_due(&mut self, id: AlertId) {
        let Some(alert) = self.state.alerts.get(&id).filter(|a| !a.live()) else {
            return;
        };
        let since = alert.ended.unwrap_or(alert.heard);
        if self.state.at.since(since) < REMEMBER {
            return; // it fired in between; a later timer stands for this end
        }
        // A ticket that is still to be written tells of this alert.
        let needed = alert.incident.is_some_and(|id| {
            let lives = self
                .state
                .incidents
                .get(&id)
                .is_some_and(|i| i.state.lives());
            lives || self.rows_under_way(id)
        });
        if needed {
            let due = self.state.at.plus(REMEMBER);
            return self.set_timer(due, Timer::ForgetAlert(id));
        }
        self.drop_alert(id);
    }

    /// Forgets an alert, whatever stands behind it.
    pub(super) fn drop_alert(&mut self, id: AlertId) {
        self.forget_promise(id);
        let Some(alert) = self.state.alerts.get(&id) else {
            return;
        };
        let fingerprint = alert.fingerprint;
        let identity = &self.state.rules.identity;
        let condition = identity::condition(identity, &alert.scope, &alert.labels);
        self.index.lately.forget();
        self.state.alerts.remove(&id);
        if self.state.by_fingerprint.get(&fingerprint) == Some(&id) {
            self.state.by_fingerprint.remove(&fingerprint);
        }
        if let Some(condition) = condition
            && self.state.by_condition.get(&condition) == Some(&id)
        {
            self.state.by_condition.remove(&condition);
        }
        self.state.strangers.remove(&id);
        self.effects.alerts.insert(id);
    }
}
