//! Event to alert change: new, changed, over, late, repeat.

use super::bind::{self, Said};
use super::identity::{condition, fingerprint, short_hash};
use super::state::{Alert, AlertState, Sender, Suppression, Timer};
use super::{Answer, Engine, flap, suppress};
use crate::model::{
    AlertId, Event, EventState, Fingerprint, IncidentId, Millis, Outcome, Severity, cut,
};
use std::sync::Arc;

/// Text that came with repeats is written to the log at most this often per alert.
const TEXT_EVERY: Millis = Millis::mins(10);
/// So long a late event of an alert that is over is known as late. Prometheus repeats it for 15 minutes.
pub(super) const REMEMBER: Millis = Millis::mins(60);
/// Recoveries of alerts that we never saw, remembered at once; the oldest is forgotten before its time.
const MAX_STRANGERS: usize = 20_000;
/// Bytes of a link that are kept.
const MAX_LINK: usize = 2048;
/// Senders of one alert; more are counted as the last one.
const MAX_SENDERS: usize = 16;

/// What an event is if it changes nothing: it can be answered before it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quick {
    /// A repeat of a live alert.
    Repeat(Fingerprint),
    /// Late, or a recovery of what is over already.
    Nothing(Outcome, Fingerprint),
}

impl Engine {
    /// Whether an event changes nothing, judged by the state as it is. `None`: it must go into the log.
    pub fn quick(&self, source: &str, scope: &str, event: &Event) -> Option<Quick> {
        let rules = &self.state.rules.identity;
        let name = event.labels.get("alertname").unwrap_or_default();
        let special = rules
            .heartbeats
            .iter()
            .chain(&rules.noted)
            .any(|n| n == name);
        let known = self.state.sources.get(source)?;
        if special || known.stale > 0 {
            return None;
        }
        let fingerprint = fingerprint(rules, scope, &event.labels);
        let id = *self.state.by_fingerprint.get(&fingerprint)?;
        let alert = self.state.alerts.get(&id)?;
        match event.state {
            EventState::Firing => {
                if event.episode <= alert.closed {
                    let overtaken = self.is_overtaken(fingerprint);
                    return (!overtaken).then_some(Quick::Nothing(Outcome::Late, fingerprint));
                }
                let same = alert.state == AlertState::Firing
                    && event.episode <= alert.episode
                    && self.severity(event) == alert.severity
                    && self.began_earlier(id, event.starts_at).is_none()
                    && alert.senders.iter().any(|s| s.id == sender_id(event));
                let text_due = *alert.annotations != event.annotations
                    && self.state.at.since(alert.text_at) >= TEXT_EVERY;
                (same && !text_due && !richer(alert, event)).then_some(Quick::Repeat(fingerprint))
            }
            EventState::Resolved => (!alert.live() && event.closes <= alert.closed)
                .then_some(Quick::Nothing(Outcome::Unmatched, fingerprint)),
            EventState::Note
            | EventState::Acknowledged
            | EventState::SourceStopped
            | EventState::Test => None,
        }
    }

    /// The alert with this fingerprint.
    pub fn alert_by(&self, fingerprint: Fingerprint) -> Option<&Alert> {
        let id = self.state.by_fingerprint.get(&fingerprint)?;
        self.state.alerts.get(id)
    }

    fn severity(&self, event: &Event) -> Severity {
        let map = &self.state.rules.identity.severity;
        let word = event.severity_word.to_lowercase();
        map.get(&word).copied().unwrap_or(Severity::Warning)
    }

    /// Applies one event.
    pub(super) fn event(&mut self, source: &Arc<str>, scope: &str, event: &Event) -> Answer {
        self.hear(source);
        let rules = self.state.rules.clone();
        let identity = &rules.identity;
        let name = event.labels.get("alertname").unwrap_or_default();
        let only = |outcome| Answer {
            outcome,
            alert: None,
            incident: None,
        };
        if event.state == EventState::Test {
            return only(Outcome::Test);
        }
        let fingerprint = fingerprint(identity, scope, &event.labels);
        if identity.heartbeats.iter().any(|n| n == name) {
            self.heartbeat(source, fingerprint, event);
            return only(Outcome::Heartbeat);
        }
        if identity.noted.iter().any(|n| n == name) {
            return only(Outcome::Noted);
        }
        let id = self.state.by_fingerprint.get(&fingerprint).copied();
        let outcome = match event.state {
            EventState::Firing => self.firing(source, scope, fingerprint, id, event),
            EventState::Resolved => self.resolving(source, scope, fingerprint, id, event),
            EventState::Acknowledged => self.acknowledged(id),
            EventState::SourceStopped => self.source_stopped(id),
            EventState::Note | EventState::Test => Outcome::Noted,
        };
        let known = self.state.by_fingerprint.get(&fingerprint);
        let alert = known.and_then(|id| self.state.alerts.get_mut(id));
        if let Some(alert) = alert {
            alert.announced = alert.announced.or(alert.incident);
        }
        Answer {
            outcome,
            alert: Some(fingerprint),
            incident: self.alert_by(fingerprint).and_then(|a| a.announced),
        }
    }

    fn acknowledged(&mut self, id: Option<AlertId>) -> Outcome {
        let alert = id.and_then(|id| self.state.alerts.get_mut(&id));
        let Some(alert) = alert.filter(|a| a.live()) else {
            return Outcome::Noted;
        };
        alert.acknowledged = true;
        self.effects.alerts.extend(id);
        Outcome::Acknowledged
    }

    fn firing(
        &mut self,
        source: &Arc<str>,
        scope: &str,
        fingerprint: Fingerprint,
        id: Option<AlertId>,
        event: &Event,
    ) -> Outcome {
        let Some(id) = id else {
            let before = self.fired_before(scope, event);
            let id = self.new_alert(source, scope, fingerprint, event, AlertState::Firing);
            self.storm_counts();
            if let Some(before) = before {
                self.flap_goes_on(before, id);
            }
            if before.is_some_and(|before| self.follows_into_incident(before, id)) {
                return Outcome::Reopened;
            }
            self.place_in_order(id);
            return Outcome::Fired;
        };
        let Some(alert) = self.state.alerts.get(&id) else {
            return Outcome::Late;
        };
        if event.episode <= alert.closed {
            if self.is_overtaken(fingerprint) {
                self.begin_episode(source, id, event);
                self.learn_condition(scope, id, event);
                self.place_in_order(id);
                self.end(id, "resolved");
            }
            return Outcome::Late;
        }
        if alert.live() {
            self.flaps_again(id);
            if let Some(begin) = self.began_earlier(id, event.starts_at) {
                self.begins_earlier(id, begin);
            }
            let Some(alert) = self.state.alerts.get(&id) else {
                return Outcome::Late;
            };
            if richer(alert, event) {
                // The road that was heard first may not have told the condition.
                self.learn_condition(scope, id, event);
            }
            return self.fires_on(source, id, event);
        }
        let ended = alert.over_since();
        self.place_now(id);
        self.begin_episode(source, id, event);
        self.storm_counts();
        self.comes_and_goes(id);
        if self.returns_to_incident(id, ended) {
            return Outcome::Reopened;
        }
        self.place_in_order(id);
        Outcome::Fired
    }

    /// A live alert is heard again.
    fn fires_on(&mut self, source: &Arc<str>, id: AlertId, event: &Event) -> Outcome {
        let severity = self.severity(event);
        let at = self.state.at;
        let rules = self.state.rules.suppress.clone();
        let Some(alert) = self.state.alerts.get_mut(&id) else {
            return Outcome::Late;
        };
        let worse = severity < alert.severity;
        let changed = severity != alert.severity || event.episode > alert.episode;
        alert.severity = severity;
        alert.worst = alert.worst.min(severity);
        alert.episode = alert.episode.max(event.episode);
        alert.events = alert.events.saturating_add(1);
        alert.heard = at;
        let was_stale = alert.state == AlertState::Stale;
        alert.state = AlertState::Firing;
        extend(alert, sender_id(event), event.valid_until);
        if richer(alert, event) {
            alert.labels = Arc::new(event.labels.clone());
            take_text(alert, at, event);
        } else if changed || at.since(alert.text_at) >= TEXT_EVERY {
            take_text(alert, at, event);
        }
        // What was there before us and gets worse is news.
        let inherited = alert.suppressed == Some(Suppression::Inherited) && !worse;
        alert.suppressed = suppress::judge(&rules, alert, inherited);
        let expiry = alert.valid_until();
        let incident = alert.incident;
        if was_stale {
            self.count_stale(source, -1);
        }
        if let Some(due) = expiry {
            self.set_timer(due, Timer::Expiry(id));
        }
        self.effects.alerts.insert(id);
        self.inhibit(id);
        if !changed {
            return Outcome::Repeated;
        }
        if let Some(incident) = incident {
            self.member_changed(incident, id);
        }
        Outcome::Changed
    }

    fn resolving(
        &mut self,
        source: &Arc<str>,
        scope: &str,
        fingerprint: Fingerprint,
        id: Option<AlertId>,
        event: &Event,
    ) -> Outcome {
        let Some(id) = id else {
            // Remembered, so that a firing of the same episode that was overtaken by it is known as late.
            self.new_alert(source, scope, fingerprint, event, AlertState::Over);
            return match self.older_firing(scope, event) {
                Some(older) => {
                    self.end(older, "resolved");
                    Outcome::Resolved
                }
                None => Outcome::Unmatched,
            };
        };
        let Some(alert) = self.state.alerts.get_mut(&id) else {
            return Outcome::Unmatched;
        };
        if !alert.live() || flap::is_over(alert) {
            alert.closed = alert.closed.max(event.closes);
            return Outcome::Unmatched;
        }
        if event.episode < alert.episode && alert.senders.len() < 2 {
            return Outcome::Late;
        }
        let sender = sender_id(event);
        alert.senders.retain(|s| s.id != sender);
        self.effects.alerts.insert(id);
        if !alert.senders.is_empty() {
            return Outcome::Changed;
        }
        alert.closed = alert.closed.max(event.closes);
        alert.ended_there = event.valid_until.filter(|end| *end <= self.state.at);
        if !event.annotations.is_empty() {
            take_text(alert, self.state.at, event);
        }
        self.end(id, "resolved");
        Outcome::Resolved
    }

    /// The firing before this one of the same condition, where each has an id of its own.
    fn fired_before(&self, scope: &str, event: &Event) -> Option<AlertId> {
        let condition = condition(&self.state.rules.identity, scope, &event.labels)?;
        self.state.by_condition.get(&condition).copied()
    }

    /// The condition works again, though by the name of a firing that we never saw (it was lost, or the sender
    /// gives its recoveries names of their own): the firing that we know is over then, if it is older and differs
    /// in nothing but the id.
    fn older_firing(&self, scope: &str, event: &Event) -> Option<AlertId> {
        let id = self.fired_before(scope, event)?;
        let alert = self.state.alerts.get(&id)?;
        let ids = &self.state.rules.identity.by_scope.get(scope)?.labels;
        let same = |(name, value): (&str, &str)| {
            ids.iter().any(|i| i == name) || alert.labels.get(name) == Some(value)
        };
        let older = alert.live() && !flap::is_over(alert) && alert.episode < event.closes;
        (older && event.labels.iter().all(same)).then_some(id)
    }

    fn learn_condition(&mut self, scope: &str, id: AlertId, event: &Event) {
        if let Some(condition) = condition(&self.state.rules.identity, scope, &event.labels) {
            self.state.by_condition.insert(condition, id);
        }
    }

    fn new_alert(
        &mut self,
        source: &Arc<str>,
        scope: &str,
        fingerprint: Fingerprint,
        event: &Event,
        state: AlertState,
    ) -> AlertId {
        self.state.last_alert = self.state.last_alert.saturating_add(1);
        let id = AlertId(self.state.last_alert);
        let at = self.state.at;
        let severity = self.severity(event);
        let said = Said {
            source,
            labels: &event.labels,
            annotations: &event.annotations,
            fingerprint,
        };
        let (ci, evidence) = bind::bind(&self.force, &mut self.state.cis, said);
        let alert = Alert {
            fingerprint,
            source: source.clone(),
            scope: scope.into(),
            labels: Arc::new(event.labels.clone()),
            annotations: Arc::new(event.annotations.clone()),
            link: cut(&event.link, MAX_LINK).into(),
            text_at: at,
            severity,
            worst: severity,
            state,
            acknowledged: false,
            episode: event.episode,
            closed: if state == AlertState::Over {
                event.closes
            } else {
                i64::MIN
            },
            senders: Vec::new(),
            started: event.starts_at.unwrap_or(at).min(at),
            arrived: at,
            heard: at,
            ended: (state == AlertState::Over).then_some(at),
            ended_there: None,
            expired: false,
            events: 1,
            ci,
            evidence: Arc::new(evidence),
            suppressed: None,
            incident: None,
            announced: None,
            before: None,
            flap: None,
        };
        self.state.alerts.insert(id, alert);
        self.state.by_fingerprint.insert(fingerprint, id);
        if state != AlertState::Over {
            // A recovery of what we never saw is no firing to return to.
            self.learn_condition(scope, id, event);
        }
        self.effects.alerts.insert(id);
        if state == AlertState::Over {
            self.set_timer(at.plus(REMEMBER), Timer::ForgetAlert(id));
            self.state.strangers.insert(id);
            if self.state.strangers.len() > MAX_STRANGERS
                && let Some(oldest) = self.state.strangers.pop_first()
            {
                self.drop_alert(oldest);
            }
        } else {
            self.became_live(source, id, event);
        }
        id
    }

    /// An alert that was over fires again.
    fn begin_episode(&mut self, source: &Arc<str>, id: AlertId, event: &Event) {
        let severity = self.severity(event);
        let at = self.state.at;
        self.forget_promise(id);
        let Some(alert) = self.state.alerts.get_mut(&id) else {
            return;
        };
        self.state.strangers.remove(&id);
        alert.severity = severity;
        alert.worst = severity;
        alert.state = AlertState::Firing;
        alert.acknowledged = false;
        alert.announced = None;
        alert.episode = event.episode;
        alert.started = event.starts_at.unwrap_or(at).min(at);
        alert.arrived = at;
        alert.heard = at;
        alert.ended = None;
        alert.ended_there = None;
        alert.expired = false;
        alert.events = 1;
        alert.labels = Arc::new(event.labels.clone());
        take_text(alert, at, event);
        let said = Said {
            source,
            labels: &event.labels,
            annotations: &event.annotations,
            fingerprint: alert.fingerprint,
        };
        let (ci, evidence) = bind::bind(&self.force, &mut self.state.cis, said);
        alert.ci = ci;
        alert.evidence = Arc::new(evidence);
        self.effects.alerts.insert(id);
        self.became_live(source, id, event);
    }

    /// Senders, suppression, counters and expiry of an alert that has begun to fire.
    fn became_live(&mut self, source: &Arc<str>, id: AlertId, event: &Event) {
        let rules = self.state.rules.suppress.clone();
        let Some(known) = self.state.sources.get_mut(source) else {
            return;
        };
        let Some(alert) = self.state.alerts.get_mut(&id) else {
            return;
        };
        // Only the first episode that we see can be older than we are: what cleared once is ours.
        let inherited = alert.closed == i64::MIN
            && suppress::is_inherited(&rules, event.starts_at, known.first_contact);
        alert.suppressed = suppress::judge(&rules, alert, inherited);
        alert.senders.clear();
        extend(alert, sender_id(event), event.valid_until);
        let due = alert.valid_until();
        known.live = known.live.saturating_add(1);
        let first_inherited = inherited && known.inherited == 0;
        if inherited {
            known.inherited = known.inherited.saturating_add(1);
        }
        if let Some(due) = due {
            self.set_timer(due, Timer::Expiry(id));
        }
        if first_inherited {
            let due = self.state.at.plus(suppress::FIRST_CONTACT);
            self.set_timer(due, Timer::Inherited(source.clone()));
        }
        self.inhibit(id);
    }

    /// The incident of an alert, following merges.
    pub fn incident_of(&self, id: IncidentId) -> IncidentId {
        let mut at = id;
        // Merges point to incidents that were there before or have a ticket; a chain is never long.
        for _ in 0..64 {
            let next = match self.state.incidents.get(&at) {
                Some(known) => known.merged_into,
                None => self.promised(at),
            };
            match next {
                Some(next) => at = next,
                None => return at,
            }
        }
        at
    }
}

/// Whether an event knows more than its alert: the same firing came by a road that tells less before.
fn richer(alert: &Alert, event: &Event) -> bool {
    event.labels.len() > alert.labels.len()
}

/// The number by which an alert knows a sender. Sources that share a scope tell one truth (the two of an
/// Alertmanager pair): where the event names no sender, one of them may end what the other began.
fn sender_id(event: &Event) -> u64 {
    short_hash(&[&event.sender])
}

pub(super) fn extend(alert: &mut Alert, id: u64, valid_until: Option<Millis>) {
    if let Some(sender) = alert.senders.iter_mut().find(|s| s.id == id) {
        // A sender that names no end does not expire.
        sender.valid_until = valid_until.map(|v| sender.valid_until.map_or(v, |old| v.max(old)));
    } else if alert.senders.len() < MAX_SENDERS {
        alert.senders.push(Sender { id, valid_until });
    }
}

fn take_text(alert: &mut Alert, at: Millis, event: &Event) {
    alert.text_at = at;
    if *alert.annotations != event.annotations {
        alert.annotations = Arc::new(event.annotations.clone());
    }
    if !event.link.is_empty() {
        alert.link = cut(&event.link, MAX_LINK).into();
    }
}
