//! Inhibition: while one alert fires, others open no ticket (`[[suppress.inhibit]]`, as in Alertmanager).
//!
//! An alert neither inhibits itself, nor do two alerts that match both sides of a rule inhibit each other. When
//! the last inhibitor is over and the alert still fires, its incident has the hold of a new one before its
//! ticket opens: what was down together comes back together, and not in the same second.

use super::Engine;
use super::identity::short_hash;
use super::quote::text_of;
use super::state::{Alert, Suppression};
use super::suppress;
use crate::model::{AlertId, IncidentId};
use crate::rules::Matcher;
use regex::Regex;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Who may inhibit whom. Derived from live alerts and rules, so it is not in the snapshot.
#[derive(Clone, Debug, Default)]
pub(super) struct Inhibition {
    sides: BTreeMap<Place, BTreeSet<AlertId>>,
    of: BTreeMap<AlertId, Vec<Place>>,
}

/// One side of a rule, and the values of its equal labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    rule: usize,
    source: bool,
    equal: u64,
}

impl Inhibition {
    fn side(&self, place: &Place) -> Option<&BTreeSet<AlertId>> {
        self.sides.get(place)
    }

    fn forget(&mut self, id: AlertId) -> Vec<Place> {
        let places = self.of.remove(&id).unwrap_or_default();
        for place in &places {
            if let Some(side) = self.sides.get_mut(place) {
                side.remove(&id);
                if side.is_empty() {
                    self.sides.remove(place);
                }
            }
        }
        places
    }

    fn learn(&mut self, id: AlertId, places: &[Place]) {
        for place in places {
            self.sides.entry(*place).or_default().insert(id);
        }
        if !places.is_empty() {
            self.of.insert(id, places.to_vec());
        }
    }
}

impl Engine {
    /// What a matcher looks at.
    fn value_of(&self, alert: &Alert, label: &str) -> String {
        if let Some(value) = alert.labels.get(label) {
            return value.to_owned();
        }
        match label {
            "source" => alert.source.to_string(),
            "severity" => alert.severity.word().to_owned(),
            "ci" => self.ci_name(alert.ci),
            _other => String::new(),
        }
    }

    fn all_fit(&self, alert: &Alert, matchers: &[Matcher], regexes: &[Option<Regex>]) -> bool {
        let mut pairs = matchers.iter().zip(regexes);
        pairs.all(|(m, r)| m.fits(r.as_ref(), &self.value_of(alert, &m.label)))
    }

    fn places_of(&self, alert: &Alert) -> Vec<Place> {
        let rules = &self.force.rules;
        let mut out = Vec::new();
        let pairs = rules.text.suppress.inhibit.iter().zip(&rules.inhibit);
        for (n, (rule, compiled)) in pairs.enumerate() {
            let equal = || {
                let values: Vec<String> =
                    rule.equal.iter().map(|l| self.value_of(alert, l)).collect();
                short_hash(&values.iter().map(String::as_str).collect::<Vec<_>>())
            };
            for (source, fits) in [
                (true, self.all_fit(alert, &rule.source, &compiled.source)),
                (false, self.all_fit(alert, &rule.target, &compiled.target)),
            ] {
                if fits {
                    out.push(Place {
                        rule: n,
                        source,
                        equal: equal(),
                    });
                }
            }
        }
        out
    }

    /// An alert began, ended or changed: who is inhibited now?
    pub(super) fn inhibit(&mut self, id: AlertId) {
        if self.force.rules.inhibit.is_empty() {
            return;
        }
        let alert = self.state.alerts.get(&id).filter(|a| a.live());
        let now = alert.map(|a| self.places_of(a)).unwrap_or_default();
        let mut before = self.inhibition.forget(id);
        self.inhibition.learn(id, &now);
        before.extend(now);
        before.sort_unstable();
        before.dedup();
        let mut others: BTreeSet<AlertId> = BTreeSet::from([id]);
        for place in before.into_iter().filter(|p| p.source) {
            // A third inhibitor changes nothing.
            if self.inhibition.side(&place).map_or(0, BTreeSet::len) <= 2 {
                let targets = Place {
                    source: false,
                    ..place
                };
                others.extend(self.inhibition.side(&targets).into_iter().flatten());
            }
        }
        for other in others {
            self.judge_inhibited(other);
        }
    }

    /// The rule and the alert that inhibit this one.
    fn inhibitor(&self, id: AlertId) -> Option<(usize, AlertId)> {
        let mine = self.inhibition.of.get(&id)?;
        for place in mine.iter().filter(|p| !p.source) {
            let sources = Place {
                source: true,
                ..*place
            };
            let both = mine.contains(&sources);
            let targets = self.inhibition.side(place);
            let sources = self.inhibition.side(&sources).into_iter().flatten();
            let mut sources =
                sources.filter(|s| **s != id && !(both && targets.is_some_and(|t| t.contains(*s))));
            if let Some(source) = sources.next() {
                return Some((place.rule, *source));
            }
        }
        None
    }

    fn judge_inhibited(&mut self, id: AlertId) {
        let inhibited = self.inhibitor(id).is_some();
        let rules = self.state.rules.clone();
        let Some(alert) = self.state.alerts.get_mut(&id).filter(|a| a.live()) else {
            return;
        };
        let old = alert.suppressed;
        let own = suppress::judge(&rules.suppress, alert, old == Some(Suppression::Inherited));
        alert.suppressed = own.or(inhibited.then_some(Suppression::Inhibited));
        if alert.suppressed == old {
            return;
        }
        let (now, incident) = (alert.suppressed, alert.incident);
        self.effects.alerts.insert(id);
        let Some(incident) = incident.map(|i| self.incident_of(i)) else {
            return;
        };
        if old == Some(Suppression::Inhibited) && now.is_none() {
            self.hold_again(incident);
        }
        self.touch(incident);
    }

    /// Nothing inhibits an alert of the incident any more: it waits like a new one.
    fn hold_again(&mut self, id: IncidentId) {
        let at = self.state.at;
        let hold = self
            .state
            .incidents
            .get(&id)
            .map(|i| self.hold_of(i.priority));
        if let (Some(known), Some(hold)) = (self.state.incidents.get_mut(&id), hold)
            && known.opened.is_none()
        {
            known.hold_until = known.hold_until.max(at.plus(hold));
            self.hold_on(id);
        }
    }

    /// Learns who may inhibit whom, from all live alerts.
    pub(super) fn inhibit_anew(&mut self) {
        self.inhibition = Inhibition::default();
        if self.force.rules.inhibit.is_empty() {
            return;
        }
        let live: Vec<(AlertId, Vec<Place>)> = self
            .state
            .alerts
            .iter()
            .filter(|(_, a)| a.live())
            .map(|(id, a)| (*id, self.places_of(a)))
            .collect();
        for (id, places) in live {
            self.inhibition.learn(id, &places);
        }
    }

    /// Judges every live alert by the inhibition rules, after new ones.
    pub(super) fn judge_all_inhibited(&mut self) {
        self.inhibit_anew();
        let live = self.state.alerts.iter().filter(|(_, a)| a.live());
        for id in live.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.judge_inhibited(id);
        }
    }

    /// The name of the rule that inhibits an alert.
    pub fn inhibiting_rule(&self, id: AlertId) -> Option<&str> {
        let (rule, _) = self.inhibitor(id)?;
        let rule = self.state.rules.suppress.inhibit.get(rule)?;
        Some(&rule.name)
    }

    /// What inhibits an alert, for views.
    pub(super) fn inhibited_by(&self, id: AlertId) -> Option<Value> {
        let (rule, source) = self.inhibitor(id)?;
        let rule = self.state.rules.suppress.inhibit.get(rule)?;
        let source = self.state.alerts.get(&source)?;
        Some(json!({
            "rule": rule.name,
            "alert": source.fingerprint.to_string(),
            "ci": self.ci_name(source.ci),
            "text": text_of(&source.labels, &source.annotations),
        }))
    }
}
