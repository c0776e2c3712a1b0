//! Silence: alerts that expire, sources that go quiet, heartbeats that stop, gaps that do not count.

use super::Engine;
use super::state::{AlertState, Heartbeat, Timer};
use crate::model::{AlertId, Event, EventState, Fingerprint, Labels, Millis, Outcome};
use std::sync::Arc;

/// A source is taken for quiet if it sent nothing for this long while its alerts expire.
const QUIET: Millis = Millis::mins(1);
/// Share of a source's live alerts, in per cent, that may expire together without the source being doubted.
const DOUBT_SHARE: u32 = 20;
/// Fewer alerts than this never make a source doubtful.
const DOUBT_MIN: u32 = 10;
/// Name of the source of our own alerts (a heartbeat is missing, a source is overdue).
pub const OURSELVES: &str = "correlated";

impl Engine {
    /// Time passed in which we could not listen: silence in it says nothing.
    pub(super) fn gap(&mut self, at: Millis, gap: Millis) {
        if gap.0 <= 0 {
            return;
        }
        for alert in self.state.alerts.values_mut() {
            for sender in &mut alert.senders {
                sender.valid_until = sender.valid_until.map(|v| v.plus(gap));
            }
        }
        for source in self.state.sources.values_mut() {
            source.heard = source.heard.plus(gap).min(at);
            for heartbeat in source.heartbeats.values_mut() {
                heartbeat.valid_until = heartbeat.valid_until.map(|v| v.plus(gap));
            }
        }
        let grace = at.plus(self.state.rules.identity.grace);
        self.state.grace_until = self.state.grace_until.max(grace);
    }

    pub(super) fn expiry_due(&mut self, id: AlertId) {
        let (at, grace) = (self.state.at, self.state.grace_until);
        let Some(alert) = self.state.alerts.get(&id).filter(|a| a.live()) else {
            return;
        };
        let Some(due) = alert.valid_until() else {
            return;
        };
        let source = alert.source.clone();
        let heard = self
            .state
            .sources
            .get(&source)
            .map(|s| s.heard)
            .unwrap_or_default();
        if alert.state == AlertState::Stale {
            let until = heard.plus(self.state.rules.identity.stale_for);
            if at >= until {
                self.effects.expired = self.effects.expired.saturating_add(1);
                return self.end(id, "expired");
            }
            return self.set_timer(until, Timer::Expiry(id));
        }
        let earliest = due.max(grace);
        if earliest > at {
            return self.set_timer(earliest, Timer::Expiry(id));
        }
        if at.since(heard) >= QUIET && self.make_stale(&source) {
            return;
        }
        self.effects.expired = self.effects.expired.saturating_add(1);
        self.end(id, "expired");
    }

    /// Marks all alerts of a quiet source that are about to expire as stale, if they are too many to be
    /// believed. Answers whether they were.
    fn make_stale(&mut self, source: &Arc<str>) -> bool {
        let soon = self.state.at.plus(QUIET);
        let live = self
            .state
            .sources
            .get(source)
            .map(|s| s.live)
            .unwrap_or_default();
        let about: Vec<AlertId> = self
            .state
            .alerts
            .iter()
            .filter(|(_, a)| a.source == *source && a.state == AlertState::Firing)
            .filter(|(_, a)| a.valid_until().is_some_and(|v| v <= soon))
            .map(|(id, _)| *id)
            .collect();
        let count = u32::try_from(about.len()).unwrap_or(u32::MAX);
        if count < DOUBT_MIN || count.saturating_mul(100) <= live.saturating_mul(DOUBT_SHARE) {
            return false;
        }
        let until = self.state.at.plus(self.state.rules.identity.stale_for);
        for id in about {
            if let Some(alert) = self.state.alerts.get_mut(&id) {
                alert.state = AlertState::Stale;
                self.effects.alerts.insert(id);
            }
            self.count_stale(source, 1);
            self.set_timer(until, Timer::Expiry(id));
        }
        self.warn(
            None,
            format!(
                "source {source} is quiet: {count} of its {live} alerts are stale, none is resolved"
            ),
        );
        true
    }

    /// The source speaks again: its stale alerts have the grace to be repeated.
    pub(super) fn unstale(&mut self, source: &Arc<str>) {
        let until = self.state.at.plus(self.state.rules.identity.grace);
        let mut back = Vec::new();
        for (id, alert) in self.state.alerts.iter_mut() {
            if alert.source == *source && alert.state == AlertState::Stale {
                alert.state = AlertState::Firing;
                for sender in &mut alert.senders {
                    sender.valid_until = sender.valid_until.map(|v| v.max(until));
                }
                back.push(*id);
            }
        }
        for id in &back {
            self.effects.alerts.insert(*id);
            self.set_timer(until, Timer::Expiry(*id));
        }
        if let Some(known) = self.state.sources.get_mut(source) {
            known.stale = 0;
        }
        self.line(
            None,
            format!(
                "source {source} speaks again: {} alerts are no longer stale",
                back.len()
            ),
        );
    }

    /// Nobody watches the condition any more: it is kept for `stale_for`, then it is over.
    pub(super) fn source_stopped(&mut self, id: Option<AlertId>) -> Outcome {
        let due = self.state.at.plus(self.state.rules.identity.stale_for);
        let alert = id.and_then(|id| self.state.alerts.get_mut(&id));
        if let Some(alert) = alert.filter(|a| a.live()) {
            for sender in &mut alert.senders {
                sender.valid_until = Some(sender.valid_until.map_or(due, |v| v.min(due)));
            }
            let due = alert.valid_until();
            if let Some((id, due)) = id.zip(due) {
                self.set_timer(due, Timer::Expiry(id));
            }
        }
        Outcome::Noted
    }

    pub(super) fn count_stale(&mut self, source: &Arc<str>, by: i32) {
        if let Some(known) = self.state.sources.get_mut(source) {
            known.stale = known.stale.saturating_add_signed(by);
        }
    }

    /// A heartbeat alert: firing is good, its end is the alert.
    pub(super) fn heartbeat(&mut self, source: &Arc<str>, fingerprint: Fingerprint, event: &Event) {
        let name: Arc<str> = event.labels.get("alertname").unwrap_or_default().into();
        let Some(known) = self.state.sources.get_mut(source) else {
            return;
        };
        match event.state {
            EventState::Firing => {
                let heartbeat = Heartbeat {
                    name: name.clone(),
                    valid_until: event.valid_until,
                };
                known.heartbeats.insert(fingerprint, heartbeat);
                if let Some(due) = event.valid_until {
                    self.set_timer(due, Timer::Heartbeat(source.clone(), fingerprint));
                }
                self.own_alert("HeartbeatMissing", source, &name, None);
            }
            EventState::Resolved => {
                if known.heartbeats.remove(&fingerprint).is_some() {
                    let text = format!("heartbeat {name} of source {source} has stopped");
                    self.own_alert("HeartbeatMissing", source, &name, Some(text));
                }
            }
            EventState::Note
            | EventState::Acknowledged
            | EventState::SourceStopped
            | EventState::Test => {}
        }
    }

    pub(super) fn heartbeat_due(&mut self, source: &Arc<str>, fingerprint: Fingerprint) {
        let at = self.state.at;
        let grace = self.state.grace_until;
        let Some(known) = self.state.sources.get_mut(source) else {
            return;
        };
        let Some(heartbeat) = known.heartbeats.get(&fingerprint) else {
            return;
        };
        let Some(due) = heartbeat.valid_until.map(|v| v.max(grace)) else {
            return;
        };
        let name = heartbeat.name.clone();
        if due > at {
            return self.set_timer(due, Timer::Heartbeat(source.clone(), fingerprint));
        }
        known.heartbeats.remove(&fingerprint);
        let text = format!("heartbeat {name} of source {source} is missing");
        self.own_alert("HeartbeatMissing", source, &name, Some(text));
    }

    /// Starts to wait for every source that is expected to speak.
    pub(super) fn set_expectations(&mut self) {
        let expected = self.state.rules.expect_every.clone();
        for (source, every) in expected {
            let due = self.state.at.plus(every);
            self.set_timer(due, Timer::Expect(source.as_str().into()));
        }
    }

    pub(super) fn expect_due(&mut self, source: &Arc<str>) {
        let Some(every) = self.state.rules.expect_every.get(&**source).copied() else {
            return;
        };
        let at = self.state.at;
        let known = self.state.sources.get(source).map(|s| s.heard);
        // A source that was never heard is expected from the moment the rules came into force.
        let due = known
            .map(|heard| heard.plus(every))
            .unwrap_or(at)
            .max(self.state.grace_until);
        if due > at {
            return self.set_timer(due, Timer::Expect(source.clone()));
        }
        self.set_timer(at.plus(every), Timer::Expect(source.clone()));
        let text = format!("source {source} sent nothing for {} s", every.0 / 1000);
        self.own_alert("SourceQuiet", source, "", Some(text));
    }

    /// The source was heard: it is not overdue.
    pub(super) fn source_is_back(&mut self, source: &Arc<str>) {
        if &**source != OURSELVES && self.state.rules.expect_every.contains_key(&**source) {
            self.own_alert("SourceQuiet", source, "", None);
        }
    }

    /// An alert about ourselves or a source: fires with a text, is over without.
    fn own_alert(&mut self, name: &str, about: &str, what: &str, text: Option<String>) {
        let labels: Labels = [("alertname", name), ("host", about), ("heartbeat", what)]
            .into_iter()
            .filter(|(_, v)| !v.is_empty())
            .collect();
        let identity = &self.state.rules.identity;
        let fingerprint = super::identity::fingerprint(identity, OURSELVES, &labels);
        let live = self.alert_by(fingerprint).is_some_and(|a| a.live());
        if live == text.is_some() {
            return;
        }
        let state = if text.is_some() {
            EventState::Firing
        } else {
            EventState::Resolved
        };
        let event = Event {
            state,
            labels,
            annotations: text.iter().map(|t| ("summary", t)).collect(),
            severity_word: "major".to_owned(),
            episode: self.state.at.0,
            closes: self.state.at.0.saturating_sub(1),
            starts_at: None,
            valid_until: None,
            sender: String::new(),
            link: String::new(),
        };
        self.event(&OURSELVES.into(), OURSELVES, &event);
    }
}
