//! Chronic alerts: those that open incident after incident. They are listed, so that somebody mends the cause
//! or the check.

use super::Engine;
use super::identity::condition;
use super::quote::text_of;
use super::state::Alert;
use crate::model::{AlertId, Fingerprint, IncidentId, Millis};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Incidents of one alert are counted over this time.
const DAY: Millis = Millis::mins(24 * 60);
/// Alerts counted; beyond it those that opened nothing for a day are forgotten, then the new ones not counted.
const MAX_KEYS: usize = 50_000;
/// So many are asked whether they are old when there is no room: to go through all with each new incident takes longer
/// than an entry may.
const ASKED: usize = 16;
/// Incidents remembered of one alert.
const MAX_TIMES: usize = 64;

/// Incidents that an alert opened.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chronic {
    /// When, within the last day.
    pub times: Vec<Millis>,
    /// The last of them.
    pub last: Option<IncidentId>,
    /// Its CI or host and its text; only once it is chronic.
    pub about: Option<Box<(String, String)>>,
}

impl Engine {
    /// What stays the same from one firing to the next.
    fn chronic_key(&self, alert: &Alert) -> Fingerprint {
        let identity = &self.state.rules.identity;
        condition(identity, &alert.scope, &alert.labels).unwrap_or(alert.fingerprint)
    }

    /// An alert opens an incident.
    pub(super) fn count_incident(&mut self, id: AlertId, incident: IncidentId) {
        let at = self.state.at;
        let Some(alert) = self.state.alerts.get(&id) else {
            return;
        };
        let key = self.chronic_key(alert);
        let about = (
            self.ci_name(alert.ci),
            text_of(&alert.labels, &alert.annotations),
        );
        let last = self.state.chronic.get(&key).and_then(|c| c.last);
        let before = alert.incident.or(last);
        if let Some(known) = self.state.incidents.get_mut(&incident) {
            known.recurs = before;
        }
        let known = &mut self.state.chronic;
        if known.len() >= MAX_KEYS && !known.contains_key(&key) {
            let old = |c: &Chronic| c.times.last().is_none_or(|t| at.since(*t) >= DAY);
            let next = known.range(key..).chain(known.iter()).take(ASKED);
            let gone = next.filter(|(_, c)| old(c)).map(|(key, _)| *key);
            for key in gone.collect::<Vec<Fingerprint>>() {
                known.remove(&key);
            }
            if known.len() >= MAX_KEYS {
                return;
            }
        }
        let known = known.entry(key).or_default();
        known.times.retain(|t| at.since(*t) < DAY);
        if known.times.len() >= MAX_TIMES {
            known.times.remove(0);
        }
        known.times.push(at);
        known.last = Some(incident);
        let least = usize::try_from(self.state.rules.suppress.flapping.chronic);
        let chronic = known.times.len() >= least.unwrap_or(usize::MAX);
        known.about = chronic.then(|| Box::new(about));
    }

    /// The last incident that an alert opened.
    pub(super) fn last_opened_by(&self, alert: &Alert) -> Option<IncidentId> {
        self.state.chronic.get(&self.chronic_key(alert))?.last
    }

    /// How many incidents an alert opened within a day, and whether that makes it chronic.
    pub(super) fn chronic_of(&self, alert: &Alert) -> (usize, bool) {
        let at = self.state.at;
        let known = self.state.chronic.get(&self.chronic_key(alert));
        let times = known.into_iter().flat_map(|c| &c.times);
        let today = times.filter(|t| at.since(**t) < DAY).count();
        let least = usize::try_from(self.state.rules.suppress.flapping.chronic);
        (today, today >= least.unwrap_or(usize::MAX))
    }

    /// Alerts that opened many incidents within a day, the most first.
    pub fn chronic_json(&self) -> Value {
        let at = self.state.at;
        let least = usize::try_from(self.state.rules.suppress.flapping.chronic);
        let least = least.unwrap_or(usize::MAX);
        let mut all: Vec<(usize, Value)> = Vec::new();
        for chronic in self.state.chronic.values() {
            let today = chronic.times.iter().filter(|t| at.since(**t) < DAY).count();
            if let Some(about) = chronic.about.as_ref().filter(|_| today >= least) {
                let last = chronic.times.last().map(|t| t.rfc3339());
                let row = json!({"ci": about.0, "text": about.1, "incidents": today, "last": last});
                all.push((today, row));
            }
        }
        all.sort_by_key(|(today, row)| (std::cmp::Reverse(*today), row.to_string()));
        let rows: Vec<Value> = all.into_iter().map(|(_, row)| row).collect();
        json!({"chronic": rows, "as_of": at.rfc3339()})
    }
}
