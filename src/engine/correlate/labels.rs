//! Alerts that no CI is known for: those of one host are together already (the host stands for its CI); beyond
//! that a declared rule says which labels make them one incident (`[[correlate.label_rule]]`).
//!
//! A rule stands as a cause beside the CIs, like the name of a burst (see `burst`): it gathers small incidents
//! that nothing else explains, and never what the graph knows.

use crate::engine::Engine;
use crate::engine::state::{Alert, UNBOUND_MARK};
use crate::model::{AlertId, CiId, IncidentId, Millis};
use crate::rules::LabelRule;
use std::collections::BTreeSet;

/// Values kept, with the names of bursts; what comes later is not gathered.
const MAX_NAMES: usize = 20_000;
/// Incidents of more places have a cause of their own.
const SMALL: usize = 2;
/// Weight by which what is behind the labels shows at a host, per mille.
const BY_LABELS: u16 = 800;

/// The values of a rule's labels; nothing if the alert lacks one of them.
fn values(rule: &LabelRule, alert: &Alert) -> Option<Vec<String>> {
    let one = |names: &Vec<String>| {
        let found = names.iter().find_map(|n| alert.labels.get(n));
        found.filter(|v| !v.is_empty()).map(str::to_lowercase)
    };
    rule.labels.iter().map(one).collect()
}

impl Engine {
    /// Gathers the small incidents of alerts that agree in the labels of a rule, if they are enough.
    pub(super) fn gather_by_labels(&mut self, id: AlertId) {
        let Some(alert) = self.state.alerts.get(&id).filter(|a| !a.evidence.bound) else {
            return;
        };
        let rules = self.state.rules.clone();
        let mut found = rules.correlate.label_rules.iter();
        let Some((rule, values)) = found.find_map(|r| Some((r, values(r, alert)?))) else {
            return;
        };
        let key = format!("{UNBOUND_MARK}labels:{}|{}", rule.name, values.join(" "));
        let known = self.state.cis.find(&key);
        if known.is_none() && self.state.names.len() >= MAX_NAMES {
            return;
        }
        let cause = known.unwrap_or_else(|| self.state.cis.intern(&key));
        let recent = self.recent_of(cause, id, rule.within);
        let small = self.small_of(&recent, cause);
        // What was gathered goes on taking the same while it lasts.
        let gathered = |i: &IncidentId| {
            let known = self.state.incidents.get(i);
            known.is_some_and(|i| i.burst == Some(cause))
        };
        let least = usize::try_from(rule.least).unwrap_or(usize::MAX);
        // Several alerts of one host are one witness.
        let alerts = recent.iter().filter_map(|a| self.state.alerts.get(a));
        let hosts: BTreeSet<CiId> = alerts.map(|a| a.ci).collect();
        if small.len() < 2 || (hosts.len() < least && !small.iter().any(gathered)) {
            return;
        }
        let mut chosen: Vec<IncidentId> = small.into_iter().collect();
        chosen.sort_by_key(|i| self.seniority(*i));
        let mut chosen = chosen.into_iter();
        let Some(mut first) = chosen.next() else {
            return;
        };
        for other in chosen {
            first = self.merge(first, other, cause);
        }
        let Some(known) = self.state.incidents.get_mut(&first) else {
            return;
        };
        known.burst = Some(cause);
        for place in known.case.spots.keys().copied().collect::<Vec<CiId>>() {
            if !known
                .case
                .raise_all(place, &[(cause, BY_LABELS)])
                .is_empty()
            {
                self.index.add_cause(cause, first);
            }
        }
        self.rescore(first);
    }

    /// The alerts of a rule and its values that arrived lately, this one included.
    fn recent_of(&mut self, cause: CiId, id: AlertId, within: Millis) -> Vec<AlertId> {
        let at = self.state.at;
        let stat = self.state.names.entry(cause).or_default();
        stat.seen = stat.seen.saturating_add(1);
        stat.recent
            .retain(|(arrived, known)| at.since(*arrived) <= within && *known != id);
        if stat.recent.len() >= LabelRule::MAX_ALERTS {
            stat.recent.remove(0);
        }
        stat.recent.push((at, id));
        stat.recent.iter().map(|(_, id)| *id).collect()
    }

    /// Small living incidents of these alerts, of the same kind of source as the last.
    fn small_of(&self, recent: &[AlertId], cause: CiId) -> BTreeSet<IncidentId> {
        let incident_of = |id: &AlertId| {
            let alert = self.state.alerts.get(id).filter(|a| !a.evidence.bound)?;
            let incident = self.incident_of(alert.incident?);
            Some((incident, self.state.incidents.get(&incident)?))
        };
        let shadow = recent.last().and_then(incident_of).map(|(_, i)| i.shadow);
        let all = recent.iter().filter_map(incident_of);
        all.filter(|(_, i)| {
            i.state.lives()
                && Some(i.shadow) == shadow
                && (i.case.spots.len() <= SMALL || i.burst == Some(cause))
                // What the graph has explained in part is left to it.
                && i.case.spots.keys().all(|ci| self.force.ix(*ci).is_none())
        })
        .map(|(id, _)| id)
        .collect()
    }
}
