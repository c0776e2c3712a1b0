//! What of the configuration, and which planned work, had a part in an incident.

use super::facts::MAX_TEXT;
use crate::engine::Engine;
use crate::engine::state::{Alert, Incident, Suppression, UNBOUND_MARK};
use crate::engine::waits::Why as Waits;
use crate::model::{AlertId, CiId, IncidentId, cut};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Rules told.
const MAX_RULES: usize = 12;

impl Engine {
    /// What keeps an alert from opening a ticket: the setting, or the rule by its name.
    pub(super) fn suppressed_by(&self, id: AlertId, alert: &Alert) -> Option<String> {
        let setting = super::ticket::suppressed(alert.suppressed?);
        let inhibited = alert.suppressed == Some(Suppression::Inhibited);
        let by = inhibited.then(|| self.inhibited_by(id)).flatten();
        let rule = by.as_ref().and_then(|b| b.get("rule")?.as_str());
        Some(match rule {
            Some(rule) => format!("{setting} {rule}"),
            None => setting.to_owned(),
        })
    }

    /// What the ticket of an incident is about.
    fn subject_of(&self, id: IncidentId) -> Option<(&Incident, Vec<CiId>, CiId)> {
        let known = self.state.incidents.get(&id)?;
        let observed = self.observed(id);
        let subject = self.subject(known, &observed, &self.spots(id));
        Some((known, observed, subject))
    }

    /// The assignment group, and the rule that named it, if one did.
    pub(super) fn group_of(&self, id: IncidentId) -> (String, Option<String>) {
        let of = self.subject_of(id);
        of.map_or_else(Default::default, |(known, observed, subject)| {
            self.group(known, &observed, subject)
        })
    }

    /// Changes shortly before it began, as the ticket names them.
    pub(super) fn changes_json(&self, id: IncidentId) -> Vec<Value> {
        let Some((known, _, subject)) = self.subject_of(id) else {
            return Vec::new();
        };
        let one = |c: &crate::ticket::ChangeText| json!({"id": c.id, "ci": c.ci, "summary": c.summary, "at": c.at.rfc3339()});
        self.changed(known, subject).iter().map(one).collect()
    }

    /// The name of the `[[correlate.label_rule]]` that gathered an incident.
    pub fn gathering_rule(&self, id: IncidentId) -> Option<&str> {
        let name = self.state.cis.key(self.state.incidents.get(&id)?.burst?);
        let labels = name.strip_prefix(UNBOUND_MARK)?.strip_prefix("labels:")?;
        labels.rsplit_once('|').map(|(rule, _)| rule)
    }

    /// Rules and windows that had a part in it, the most often used first.
    pub(super) fn rules_that_acted(&self, id: IncidentId, known: &Incident) -> Vec<String> {
        let mut bound: BTreeMap<&str, u32> = BTreeMap::new();
        let mut held: BTreeMap<String, u32> = BTreeMap::new();
        let mut flapping = 0_u32;
        for (of, _, alert) in self.state.alerts_of(known) {
            if !alert.evidence.rule.is_empty() {
                let n = bound.entry(&alert.evidence.rule).or_default();
                *n = n.saturating_add(1);
            }
            if let Some(text) = self.suppressed_by(of, alert) {
                let n = held.entry(text).or_default();
                *n = n.saturating_add(1);
            }
            if alert.flap.as_ref().is_some_and(|f| f.since.is_some()) {
                flapping = flapping.saturating_add(1);
            }
        }
        let mut all: Vec<(u32, String)> = Vec::new();
        let bound = bound.into_iter().map(|(rule, n)| (rule.to_owned(), n));
        let flapping = (flapping > 0).then(|| ("suppress.flapping".to_owned(), flapping));
        let counted = bound.chain(held).chain(flapping);
        all.extend(counted.map(|(rule, n)| (n, format!("{} ({n})", cut(&rule, MAX_TEXT)))));
        all.sort_by(|a, b| (b.0, &a.1).cmp(&(a.0, &b.1)));
        let mut out: Vec<String> = all.into_iter().map(|(_, text)| text).collect();
        out.truncate(MAX_RULES);
        if let Some(window) = &known.maintenance {
            out.push(format!("maintenance {}", cut(window, MAX_TEXT)));
        }
        match known.waits.as_ref().map(|w| &w.why) {
            Some(Waits::Warnings) => out.push("ticket.warnings_wait".to_owned()),
            Some(Waits::Usual) => out.push("ticket.usual_wait".to_owned()),
            Some(Waits::Hours(name)) => {
                out.push(format!("the hours of calendar {}", cut(name, MAX_TEXT)));
            }
            Some(Waits::Told(_) | Waits::Cause(_)) => out.push("ticket.told_wait".to_owned()),
            None => {}
        }
        if let Some(rule) = self.gathering_rule(id) {
            out.push(format!("[[correlate.label_rule]] {}", cut(rule, MAX_TEXT)));
        }
        let routes = !self.state.rules.ticket.routes.is_empty();
        if let Some(route) = routes.then(|| self.group_of(id).1).flatten() {
            out.push(format!("[[ticket.route]] {}", cut(&route, MAX_TEXT)));
        }
        if known.shadow {
            out.push("mode = \"shadow\" of its source".to_owned());
        }
        out
    }
}
