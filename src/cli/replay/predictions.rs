//! What a replay decided, in the form that can be scored against the truth: which incident each event was put
//! into, and each incident with its ticket, the causes named, best first, and the services that do not work.

use crate::engine::{Effects, Engine};
use crate::model::{AlertId, IncidentId, Millis};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// See the module.
#[derive(Default)]
pub(super) struct Predictions {
    assigned: BTreeMap<String, IncidentId>,
    /// The recorded lines of each alert.
    lines: BTreeMap<AlertId, Vec<String>>,
    incidents: BTreeMap<IncidentId, Known>,
    steps: Vec<Value>,
    moves: u64,
}

/// What is kept of an incident: the engine forgets it a day after its end.
#[derive(Default)]
struct Known {
    ticket_at: Option<Millis>,
    roots: Vec<String>,
    confident: bool,
    impact: Vec<String>,
    merged_into: Option<IncidentId>,
    alerts: usize,
}

fn seconds(at: Millis) -> Value {
    // Exact: thousandths of a second of this century have fewer than 53 bits.
    json!(
        format!("{}.{:03}", at.0 / 1000, at.0 % 1000)
            .parse::<f64>()
            .ok()
    )
}

impl Predictions {
    /// Takes in what an entry brought about.
    pub(super) fn take_in(&mut self, engine: &mut Engine, at: Millis, effects: &Effects) {
        for (alert, from, to) in &effects.moves {
            for line in self.lines.get(alert).into_iter().flatten() {
                if let Some(incident) = self.assigned.get_mut(line).filter(|i| **i == *from) {
                    *incident = *to;
                }
            }
            self.moves = self.moves.saturating_add(1);
            self.step(at, "move", *from, Some(*to));
        }
        for id in &effects.incidents {
            self.look_at(engine, at, *id);
        }
    }

    fn step(&mut self, at: Millis, op: &str, incident: IncidentId, into: Option<IncidentId>) {
        let mut step = json!({"at": seconds(at), "op": op, "incident": incident.to_string()});
        if let (Some(into), Some(step)) = (into, step.as_object_mut()) {
            step.insert("into".to_owned(), into.to_string().into());
        }
        self.steps.push(step);
    }

    fn look_at(&mut self, engine: &mut Engine, at: Millis, id: IncidentId) {
        let Some(now) = engine.state().incidents.get(&id) else {
            return;
        };
        let (opened, merged, lives) = (now.opened, now.merged_into, now.state.lives());
        let (confident, alerts) = (now.confident, now.members.len());
        let had_ticket =
            |i: &IncidentId| self.incidents.get(i).is_some_and(|k| k.ticket_at.is_some());
        let both = had_ticket(&id) && merged.as_ref().is_some_and(had_ticket);
        let known = self.incidents.entry(id).or_default();
        if known.merged_into.is_some() {
            return;
        }
        let opens = known.ticket_at.is_none() && opened.is_some();
        known.ticket_at = known.ticket_at.or(opened);
        known.merged_into = merged;
        let mut rerooted = false;
        if lives {
            let key = |engine: &Engine, ci| engine.state().cis.key(ci).to_owned();
            let roots = engine.ranked_roots(id);
            let roots: Vec<String> = roots.into_iter().map(|ci| key(engine, ci)).collect();
            rerooted = opened.is_some() && !opens && roots.first() != known.roots.first();
            known.roots = roots;
            known.confident = confident;
            known.alerts = alerts;
            let observed = engine.observed(id);
            known.impact = observed.into_iter().map(|ci| key(engine, ci)).collect();
        }
        if opens {
            self.step(at, "open", id, None);
        }
        if rerooted {
            self.step(at, "root", id, None);
        }
        if let Some(into) = merged {
            self.step(
                at,
                if both { "merge_ticketed" } else { "merge" },
                id,
                Some(into),
            );
        }
    }

    /// Remembers where the first event of a recorded line went.
    pub(super) fn assign(&mut self, engine: &Engine, line: &str, effects: &Effects) {
        let alert = effects.answers.iter().find_map(|a| a.alert);
        let alert = alert.and_then(|f| engine.state().by_fingerprint.get(&f).copied());
        let incident = alert.and_then(|a| engine.state().alerts.get(&a)?.incident);
        if let (Some(alert), Some(incident)) = (alert, incident)
            && !line.is_empty()
        {
            self.assigned.entry(line.to_owned()).or_insert(incident);
            self.lines.entry(alert).or_default().push(line.to_owned());
        }
    }

    /// The form that is scored.
    pub(super) fn json(&self) -> Value {
        let assigned: BTreeMap<&str, String> = self
            .assigned
            .iter()
            .map(|(line, incident)| (line.as_str(), incident.to_string()))
            .collect();
        let incidents: Vec<Value> = self
            .incidents
            .iter()
            .map(|(id, known)| {
                json!({
                    "id": id.to_string(),
                    "ticket": known.ticket_at.map(|_| format!("T-{id}")),
                    "ticket_at": known.ticket_at.map(seconds),
                    "roots": known.roots,
                    "confidence": if known.confident { "high" } else { "not known" },
                    "merged_into": known.merged_into.map(|i| i.to_string()),
                    "impact": known.impact,
                })
            })
            .collect();
        json!({"assign": assigned, "incidents": incidents, "ops": self.steps})
    }

    /// The form for people.
    pub(super) fn text(&self) -> String {
        let merged = self
            .incidents
            .values()
            .filter(|k| k.merged_into.is_some())
            .count();
        let of_their_own = || self.incidents.values().filter(|k| k.merged_into.is_none());
        let tickets = of_their_own().filter(|k| k.ticket_at.is_some()).count();
        let largest = of_their_own().map(|k| k.alerts).max().unwrap_or(0);
        format!(
            "{} incidents, {tickets} with a ticket; {merged} merged into others, {} alerts moved; the largest has {largest} alerts\n",
            of_their_own().count(),
            self.moves
        )
    }
}
