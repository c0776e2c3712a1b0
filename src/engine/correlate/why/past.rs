//! An alert that is forgotten, found again in the explanation of its incident, which is kept for longer.

use super::facts::{Explanation, Told};
use super::{NoAlert, unpack};
use crate::engine::Engine;
use crate::model::{Fingerprint, IncidentId};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Incidents looked at, the newest: each is unpacked.
const MAX_INCIDENTS: usize = 5000;

/// Where an alert was: its incident, the explanation that names it, and its place in there.
type Found = (IncidentId, Explanation, usize);

impl Engine {
    /// The way of an alert that is over and forgotten, by the last explanation of its incident.
    pub(super) fn forgotten_story(&self, digits: &str) -> Option<Result<Value, NoAlert>> {
        let digits = digits.trim().to_lowercase();
        let mut found: BTreeMap<Fingerprint, Found> = BTreeMap::new();
        let incidents = self.state.incidents.iter().rev().take(MAX_INCIDENTS);
        for (id, incident) in incidents {
            let Some(kept) = incident.why.kept.last().and_then(unpack) else {
                continue;
            };
            let begins = |told: &Told| told.alert.to_string().starts_with(&digits);
            let at = kept.members.iter().position(begins);
            let Some((at, told)) = at.and_then(|at| Some((at, kept.members.get(at)?))) else {
                continue;
            };
            let alert = told.alert;
            found.entry(alert).or_insert((*id, kept, at));
        }
        if found.len() > 1 {
            let names: Vec<String> = found.keys().map(|f| f.to_string()).collect();
            return Some(Err(NoAlert::Wrong(format!(
                "alert {digits} is ambiguous: {}; give more digits",
                names.join(", ")
            ))));
        }
        let (id, kept, at) = found.into_values().next()?;
        let told = kept.members.get(at)?;
        Some(Ok(self.past_json(id, &kept, told)))
    }

    fn past_json(&self, id: IncidentId, kept: &Explanation, told: &Told) -> Value {
        let now = self.incident_of(id);
        let (story, text) = self.ticket_text(now);
        let stands = self.has_real_ticket(now);
        let answer = match stands {
            true => format!("a ticket stands for its incident: {text}"),
            false => format!(
                "nobody was told: {}",
                text.strip_prefix("no ticket: ").unwrap_or(&text)
            ),
        };
        let arrived = format!(
            "it began {}, {}; it is over and forgotten, but {id} is kept and tells of it",
            told.began.rfc3339(),
            told.severity.word()
        );
        let incident = format!("{id}: {}", self.came_text(told, &kept.kinds));
        json!({
            "alert": told.alert.to_string(),
            "at": self.state.at.rfc3339(),
            "told": stands,
            "answer": answer,
            "steps": [
                {"step": "arrived", "text": arrived},
                {"step": "bound", "text": format!("to {}", self.cause_name(told.ci))},
                {"step": "incident", "text": incident, "incident": now.to_string()},
                {"step": "ticket", "text": text},
            ],
            "incident": now.to_string(),
            "ticket": story,
            "summary": {"ci": self.cause_name(told.ci), "text": "forgotten"},
        })
    }

    /// What became of the ticket, and that in one sentence.
    fn ticket_text(&self, id: IncidentId) -> (Value, String) {
        let story = self.ticket_story(id);
        let text = story.get("text").and_then(Value::as_str);
        let text = text.unwrap_or_default().to_owned();
        (story, text)
    }

    fn has_real_ticket(&self, id: IncidentId) -> bool {
        let rows = self.rows_of(id);
        let mut rows = rows.iter().filter_map(|r| self.state.outbox.get(r));
        rows.any(|row| row.ticket.is_some() && !row.shadow)
    }
}
