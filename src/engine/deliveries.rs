//! What waits to be written to tickets, as people see it: each row of the outbox with something to do, and why it
//! is not done yet.

use super::Engine;
use super::state::{Incident, IncidentState, Row, RowId};
use crate::itsm::shown;
use crate::model::Millis;
use serde_json::{Value, json};

/// Rows in one answer.
const MAX_ROWS: usize = 1000;

/// Where a delivery stands.
struct Standing {
    word: &'static str,
    until: Option<Millis>,
    why: String,
}

impl Engine {
    /// Every delivery that is under way, waits or is parked; those that are parked first, then the most urgent.
    pub fn deliveries_json(&self) -> Value {
        let mut rows: Vec<(bool, &Incident, &RowId, &Row)> = self
            .state
            .outbox
            .iter()
            .filter_map(|(id, row)| {
                let known = self.state.incidents.get(&id.incident)?;
                Some((row.parked.is_none(), known, id, row))
            })
            .collect();
        rows.sort_by_key(|(free, known, id, _)| (*free, known.priority, (*id).clone()));
        let all: Vec<Value> = rows
            .into_iter()
            .filter_map(|(_, known, id, row)| self.delivery_json(known, id, row))
            .take(MAX_ROWS.saturating_add(1))
            .collect();
        let truncated = all.len() > MAX_ROWS;
        let all: Vec<Value> = all.into_iter().take(MAX_ROWS).collect();
        json!({ "deliveries": all, "truncated": truncated })
    }

    fn delivery_json(&self, known: &Incident, id: &RowId, row: &Row) -> Option<Value> {
        let step = self.step_due(known, id, row)?;
        let standing = self.delivery_standing(id, row);
        Some(json!({
            "target": &*id.target,
            "incident": id.incident.to_string(),
            "priority": known.priority,
            "ticket": row.ticket.as_deref().map(shown),
            "step": step,
            "state": standing.word,
            "until": standing.until.map(Millis::rfc3339),
            "why": standing.why,
            "since": row.failing_since.map(Millis::rfc3339),
            "attempts": row.attempt,
            "shadow": row.shadow,
        }))
    }

    /// What is to be done next for a row; `None` if nothing is.
    fn step_due(&self, known: &Incident, id: &RowId, row: &Row) -> Option<&'static str> {
        if let Some(flight) = &row.in_flight {
            return Some(flight.step.word());
        }
        if row.unknown.is_some() {
            return Some("find");
        }
        let over = Engine::is_over(known.state);
        let severe = !row.joined.is_empty() && self.tells_severe_at(row, known) <= self.state.at;
        if row.ticket.is_none() {
            let wanted = match known.state {
                IncidentState::Open | IncidentState::Recovering => true,
                IncidentState::Resolved => self.state.rules.ticket.open_when_over,
                IncidentState::Pending | IncidentState::Merged => false,
            };
            return wanted.then_some("create");
        }
        let failing = row.parked.is_some() || row.attempt > 0;
        match () {
            () if over && !row.recovered => Some("resolve"),
            () if !over && row.resolved_by_us && failing => Some("reopen"),
            () if !row.duplicates.is_empty() => Some("resolve"),
            () if !row.notes.is_empty() => Some("note"),
            () if !over && severe => Some("read"),
            () if self.link_due(id).is_some() => Some("link"),
            () if !row.verify.is_empty() => Some("find"),
            () if failing => Some("update"),
            () => None,
        }
    }

    fn delivery_standing(&self, id: &RowId, row: &Row) -> Standing {
        let at = self.state.at;
        if row.in_flight.is_some() {
            return Standing {
                word: "in flight",
                until: None,
                why: String::new(),
            };
        }
        let later = (row.not_before > at).then_some(row.not_before);
        if let Some(why) = &row.parked {
            return Standing {
                word: "parked",
                until: later,
                why: why.clone(),
            };
        }
        let stopped = self.state.valves.get(&id.target);
        let stopped = stopped.and_then(|v| v.stopped.as_ref());
        let paused = self.state.valves.get(&id.target);
        let paused = paused.filter(|v| v.not_before > at || v.is_open());
        let (until, why) = match stopped {
            Some((until, why)) => (Some(*until), format!("the target is stopped: {why}")),
            None if !self.state.rules.targets.contains_key(&*id.target) => {
                (None, "the target is not in the configuration".to_owned())
            }
            None if row.unknown.is_some() => {
                let why = "nobody knows whether the ticket was opened; it is looked for again";
                (later, why.to_owned())
            }
            None if paused.is_some() && row.attempt == 0 => {
                let until = paused.map(|v| v.not_before).filter(|t| *t > at);
                (until, "the tool fails, or asked us to wait".to_owned())
            }
            None if row.valved => (later, "valve: too many new tickets".to_owned()),
            None if later.is_none() && row.attempt == 0 => {
                (row.verify.first().copied(), String::new())
            }
            None => (later, row.trouble.clone()),
        };
        Standing {
            word: "waiting",
            until,
            why,
        }
    }
}
