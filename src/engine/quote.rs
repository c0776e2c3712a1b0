//! What a ticket quotes of alerts: their texts and links, as far as they may go to a tool.

use super::Engine;
use super::state::{Alert, Incident};
use crate::model::{AlertId, Labels, cut};
use std::collections::BTreeSet;

/// Alert text is quoted at most this long.
const MAX_QUOTE: usize = 200;
/// Annotations that hold the text of an alert, best first.
const TEXTS: [&str; 5] = ["summary", "output", "message", "description", "title"];
/// Annotations and CI attributes that hold links worth clicking at night.
const LINKS: [&str; 3] = ["runbook_url", "runbook", "dashboard"];
/// The text of an alert: its best annotation on one line, else its name.
pub fn text_of(labels: &Labels, annotations: &Labels) -> String {
    let found = TEXTS
        .iter()
        .find_map(|n| annotations.get(n).filter(|t| !t.trim().is_empty()));
    let name = labels.get("alertname").or_else(|| labels.get("service"));
    let text = match (name, found) {
        (Some(name), Some(text)) if !text.contains(name) => format!("{name}: {text}"),
        (_, Some(text)) => text.to_owned(),
        (Some(name), None) => name.to_owned(),
        (None, None) => labels
            .iter()
            .map(|(n, v)| format!("{n}={v}"))
            .collect::<Vec<_>>()
            .join(" "),
    };
    let line: Vec<&str> = text.split_whitespace().collect();
    cut(&line.join(" "), MAX_QUOTE)
}

impl Engine {
    /// The text of an alert, as far as it may go to this target.
    pub(super) fn quote(&self, alert: &Alert, target: &str) -> String {
        let rules = self.state.rules.targets.get(target);
        let Some(share) = rules.and_then(|t| t.share.as_ref()) else {
            return text_of(&alert.labels, &alert.annotations);
        };
        let shared = |all: &Labels| -> Labels {
            let may = all
                .iter()
                .filter(|(name, _)| share.iter().any(|s| s == name));
            may.collect()
        };
        text_of(&shared(&alert.labels), &shared(&alert.annotations))
    }

    /// Links worth clicking at night: those of the cause and of its alerts, as far as they may go to this target.
    pub(super) fn links(&self, known: &Incident, alerts: &[AlertId], target: &str) -> Vec<String> {
        let rules = self.state.rules.targets.get(target);
        let share = rules.and_then(|t| t.share.as_ref());
        let may = |name: &str| share.is_none_or(|s| s.iter().any(|s| s == name));
        let mut links = BTreeSet::new();
        let mut out = Vec::new();
        let root = self.force.ci(known.root);
        let of_root = LINKS
            .iter()
            .filter_map(|n| root?.attributes.get(*n).cloned());
        let of_alerts = alerts.iter().filter_map(|id| self.state.alerts.get(id));
        let of_alerts = of_alerts.flat_map(|a| {
            LINKS
                .iter()
                .filter(|n| may(n))
                .filter_map(|n| a.annotations.get(n).map(str::to_owned))
        });
        for link in of_root.chain(of_alerts) {
            let is_link = link.starts_with("http://") || link.starts_with("https://");
            if is_link && links.insert(link.clone()) {
                out.push(cut(&link, MAX_QUOTE));
            }
        }
        out.truncate(3);
        out
    }
}
