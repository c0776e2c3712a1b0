//! Alerts that come and go: one ticket that is told once and then by the hour, and no storm of opening and
//! closing.
//!
//! While an alert flaps it counts as firing. Its ends are remembered, not believed: the alert is over once it
//! has been quiet for long enough, and then since its last end.

use super::Engine;
use super::state::{Alert, Timer};
use crate::model::{AlertId, IncidentId, Millis};
use crate::ticket::{FlapText, MAX_NAMES, NoteKind};
use serde::{Deserialize, Serialize};

/// Time between two summaries; after a day of them there is one a day.
const HOUR: Millis = Millis::mins(60);
/// Summaries by the hour.
const HOURLY: u32 = 24;

/// How an alert came and went lately.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flap {
    /// Its last changes between firing and over, oldest first; no more than make it flap.
    pub changes: Vec<Millis>,
    /// Since when it flaps.
    pub since: Option<Millis>,
    /// It flaps, and this is when it was last over, if it is.
    pub over: Option<Millis>,
    /// Changes of which tickets know nothing.
    pub untold: u32,
}

/// Tickets of an incident know that its alerts come and go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlapsTold {
    /// When they were last told.
    pub at: Millis,
    /// How often.
    pub times: u32,
}

/// Whether an alert counts as firing only because it flaps.
pub(super) fn is_over(alert: &Alert) -> bool {
    alert.flap.as_ref().is_some_and(|f| f.over.is_some())
}

impl Engine {
    /// An alert that was over fires again.
    pub(super) fn comes_and_goes(&mut self, id: AlertId) {
        self.changes(id);
    }

    /// A flapping alert that counted as firing fires again.
    pub(super) fn flaps_again(&mut self, id: AlertId) {
        let flap = self.state.alerts.get_mut(&id).and_then(|a| a.flap.as_mut());
        if flap.is_some_and(|f| f.over.take().is_some()) {
            self.changes(id);
            let incident = self.state.alerts.get(&id).and_then(|a| a.incident);
            if let Some(incident) = incident {
                self.touch(self.incident_of(incident));
            }
        }
    }

    /// An alert ends. Answers whether it goes on as firing, because it flaps.
    pub(super) fn flaps_on(&mut self, id: AlertId) -> bool {
        let at = self.state.at;
        if !self.changes(id) {
            return false;
        }
        if let Some(alert) = self.state.alerts.get_mut(&id) {
            alert.senders.clear();
            if let Some(flap) = alert.flap.as_mut() {
                flap.over = Some(at);
            }
        }
        true
    }

    /// One change more. Answers whether the alert flaps.
    fn changes(&mut self, id: AlertId) -> bool {
        let at = self.state.at;
        let rules = self.state.rules.suppress.flapping;
        let most = usize::try_from(rules.changes).unwrap_or(usize::MAX);
        let Some(alert) = self.state.alerts.get_mut(&id) else {
            return false;
        };
        let begin = alert.arrived;
        let flap = alert.flap.get_or_insert_default();
        if flap.changes.is_empty() {
            flap.changes.push(begin);
            if begin == at {
                return false; // nothing but its begin
            }
        }
        flap.changes.push(at);
        while flap.changes.len() > most {
            flap.changes.remove(0);
        }
        flap.untold = flap.untold.saturating_add(1);
        if flap.since.is_some() {
            return true;
        }
        let first = flap.changes.first().copied().unwrap_or(at);
        if flap.changes.len() < most || at.since(first) >= rules.within {
            return false;
        }
        flap.since = Some(first);
        flap.untold = rules.changes;
        let incident = alert.incident;
        self.state.flapping.insert(id);
        self.set_timer(at.plus(rules.quiet), Timer::Flap(id));
        self.effects.alerts.insert(id);
        if let Some(incident) = incident.map(|i| self.incident_of(i)) {
            let minutes = at.since(first).0 / 60_000;
            let ci = self.state.alerts.get(&id).map(|a| self.ci_name(a.ci));
            let text = format!(
                "an alert on {} flaps: {} changes in {minutes} min; it counts as firing until it is quiet",
                ci.unwrap_or_default(),
                rules.changes,
            );
            self.line(Some(incident), text);
            self.touch(incident);
        }
        true
    }

    /// The condition of `before` fires again as another alert, which goes on with what it was.
    pub(super) fn flap_goes_on(&mut self, before: AlertId, id: AlertId) {
        let Some(old) = self.state.alerts.get_mut(&before) else {
            return;
        };
        if old.live() && !is_over(old) {
            return;
        }
        let Some(mut flap) = old.flap.take() else {
            return;
        };
        if let Some(over) = flap.over.take() {
            self.end_for_good(before, "resolved", over);
        }
        let flapping = flap.since.is_some();
        if let Some(new) = self.state.alerts.get_mut(&id) {
            new.flap = Some(flap);
        }
        if flapping {
            self.state.flapping.remove(&before);
            self.state.flapping.insert(id);
            let due = self.state.at.plus(self.state.rules.suppress.flapping.quiet);
            self.set_timer(due, Timer::Flap(id));
        }
        self.changes(id);
    }

    pub(super) fn flap_due(&mut self, id: AlertId) {
        let at = self.state.at;
        let quiet = self.state.rules.suppress.flapping.quiet;
        let grace = self.state.grace_until;
        let Some(alert) = self.state.alerts.get_mut(&id).filter(|a| a.live()) else {
            return;
        };
        let Some(flap) = alert.flap.as_mut().filter(|f| f.since.is_some()) else {
            return;
        };
        let last = flap.changes.last().copied().unwrap_or(at);
        // Silence while we could not listen is no quiet.
        let due = last.plus(quiet).max(grace);
        if due > at {
            return self.set_timer(due, Timer::Flap(id));
        }
        flap.since = None;
        self.state.flapping.remove(&id);
        flap.changes.clear();
        let over = flap.over.take();
        let incident = alert.incident;
        self.effects.alerts.insert(id);
        match over {
            Some(over) => self.end_for_good(id, "resolved", over),
            None => {
                if let Some(incident) = incident.map(|i| self.incident_of(i)) {
                    self.line(Some(incident), "no longer flaps; it fires".to_owned());
                    self.touch(incident);
                }
            }
        }
    }

    /// Alerts of an incident that come and go, with how often they did since tickets were last told.
    fn flapping(&self, id: IncidentId) -> Vec<(AlertId, u32)> {
        let of = |a: &AlertId| {
            let alert = self.state.alerts.get(a)?;
            let flap = alert.flap.as_ref().filter(|f| f.since.is_some())?;
            let here = alert.live() && alert.incident.map(|i| self.incident_of(i)) == Some(id);
            here.then_some((*a, flap.untold))
        };
        self.state.flapping.iter().filter_map(of).collect()
    }

    /// What tickets are told of them, the most restless first.
    pub(super) fn flap_texts(&self, id: IncidentId) -> (Vec<FlapText>, u32) {
        let mut all = self.flapping(id);
        all.sort_by_key(|(alert, times)| (std::cmp::Reverse(*times), *alert));
        let count = u32::try_from(all.len()).unwrap_or(u32::MAX);
        let text = |(alert, times): (AlertId, u32)| {
            let alert = self.state.alerts.get(&alert)?;
            Some(FlapText {
                ci: self.ci_name(alert.ci),
                times,
                since: alert.flap.as_ref()?.since?,
            })
        };
        let texts = all.into_iter().take(MAX_NAMES).filter_map(text);
        (texts.collect(), count)
    }

    /// Tells tickets that alerts come and go, the first time at once. Whichever way they came into the
    /// incident.
    pub(super) fn tell_flaps(&mut self, id: IncidentId) {
        let at = self.state.at;
        let known = self.state.incidents.get(&id);
        if known.is_none_or(|i| i.flaps.is_some() || !i.state.lives())
            || self.flapping(id).is_empty()
        {
            return;
        }
        self.note_flaps(id, true);
        if let Some(known) = self.state.incidents.get_mut(&id) {
            known.flaps = Some(FlapsTold { at, times: 0 });
        }
        self.set_timer(at.plus(HOUR), Timer::FlapNote(id));
    }

    pub(super) fn flap_note_due(&mut self, id: IncidentId) {
        let at = self.state.at;
        let Some(told) = self.state.incidents.get(&id).and_then(|i| i.flaps) else {
            return;
        };
        let lives = self
            .state
            .incidents
            .get(&id)
            .is_some_and(|i| i.state.lives());
        let flapping = self.flapping(id);
        if !lives || flapping.is_empty() {
            if let Some(known) = self.state.incidents.get_mut(&id) {
                known.flaps = None;
            }
            return;
        }
        if flapping.iter().any(|(_, times)| *times > 0) {
            self.note_flaps(id, false);
        }
        let times = told.times.saturating_add(1);
        if let Some(known) = self.state.incidents.get_mut(&id) {
            known.flaps = Some(FlapsTold { at, times });
        }
        let next = match times < HOURLY {
            true => HOUR,
            false => Millis(HOUR.0.saturating_mul(24)),
        };
        self.set_timer(at.plus(next), Timer::FlapNote(id));
    }

    fn note_flaps(&mut self, id: IncidentId, first: bool) {
        let (alerts, count) = self.flap_texts(id);
        let told = self.state.incidents.get(&id).and_then(|i| i.flaps);
        let span = told.map(|t| self.state.at.since(t.at));
        let quiet = self.state.rules.suppress.flapping.quiet;
        self.note_with(id, |_, _| NoteKind::Flapping {
            alerts: alerts.clone(),
            count,
            first,
            span: span.unwrap_or_default(),
            quiet,
        });
        for (alert, _) in self.flapping(id) {
            let alert = self.state.alerts.get_mut(&alert);
            if let Some(flap) = alert.and_then(|a| a.flap.as_mut()) {
                flap.untold = 0;
            }
        }
    }
}
