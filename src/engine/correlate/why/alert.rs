//! The way of one alert: from its source over its CI and its incident to the tool's answer. It answers "why was
//! nobody paged".

use super::ticket::alert_word;
use crate::engine::Engine;
use crate::engine::state::{Alert, AlertState, Evidence};
use crate::model::{AlertId, Fingerprint, IncidentId};
use serde_json::{Value, json};

/// Digits of a fingerprint that a person must give at least.
const MIN_DIGITS: usize = 4;
/// Candidates that an error names.
const MAX_CANDIDATES: usize = 8;

/// What becomes of an alert whose incident a person ended.
const RESTS: &str = "what still fires in it, or grows worse, opens nothing new until it has cleared and fires again";

/// Why there is no answer about an alert.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoAlert {
    /// It is not there (any more).
    Unknown(String),
    /// The question cannot be meant.
    Wrong(String),
}

impl NoAlert {
    /// What is wrong.
    pub fn text(&self) -> &str {
        match self {
            NoAlert::Unknown(text) | NoAlert::Wrong(text) => text,
        }
    }
}

impl Engine {
    /// The alert whose fingerprint begins with these digits.
    pub(super) fn find_alert(&self, text: &str) -> Result<AlertId, NoAlert> {
        let digits = text.trim().to_lowercase();
        let hex = digits.chars().all(|c| c.is_ascii_hexdigit());
        if !hex || digits.len() < MIN_DIGITS || digits.len() > 32 {
            return Err(NoAlert::Wrong(format!(
                "{text:?} is no alert; give its fingerprint, or the first {MIN_DIGITS} digits of it or more \
                 (explain I000123 shows eight of each, GET /v1/alerts all of all)"
            )));
        }
        let from: Fingerprint = format!("{digits:0<32}").parse().map_err(NoAlert::Wrong)?;
        let begins = |f: &Fingerprint| f.to_string().starts_with(&digits);
        let found: Vec<(Fingerprint, AlertId)> = self
            .state
            .by_fingerprint
            .range(from..)
            .take_while(|(f, _)| begins(f))
            .take(MAX_CANDIDATES.saturating_add(1))
            .map(|(f, id)| (*f, *id))
            .collect();
        match found.as_slice() {
            [(_, id)] => Ok(*id),
            [] => Err(NoAlert::Unknown(self.no_such(text, begins))),
            many => {
                let names: Vec<String> = many
                    .iter()
                    .take(MAX_CANDIDATES)
                    .map(|(f, _)| f.to_string())
                    .collect();
                let more = if many.len() > MAX_CANDIDATES {
                    " and more"
                } else {
                    ""
                };
                Err(NoAlert::Wrong(format!(
                    "alert {text} is ambiguous: {}{more}; give more digits",
                    names.join(", ")
                )))
            }
        }
    }

    /// What to try for an alert that is not there.
    fn no_such(&self, text: &str, begins: impl Fn(&Fingerprint) -> bool) -> String {
        for (source, known) in &self.state.sources {
            if let Some((_, beat)) = known.heartbeats.iter().find(|(f, _)| begins(f)) {
                return format!(
                    "alert {text} is the heartbeat {:?} of source {source}: that it fires is good, and nobody is \
                     told; that it stops is an alert",
                    beat.name
                );
            }
        }
        let keep = crate::engine::dedup::REMEMBER.0 / 60_000;
        format!(
            "alert {text} is not known (any more): one that is over is forgotten {keep} min later, unless its \
             incident is kept. Try: correlated incidents --state all; GET /v1/alerts for what is known; the \
             counters events_total of its source, and the quarantine for what was rejected; correlated log show \
             --full for what came in"
        )
    }

    /// The way of an alert to the tool, and whether somebody was told.
    ///
    /// # Errors
    /// An alert that is not known (any more), with what to try.
    pub fn alert_story_json(&self, digits: &str) -> Result<Value, NoAlert> {
        let id = match self.find_alert(digits) {
            Ok(id) => id,
            Err(NoAlert::Unknown(text)) => {
                let past = self.forgotten_story(digits);
                return past.unwrap_or(Err(NoAlert::Unknown(text)));
            }
            Err(wrong) => return Err(wrong),
        };
        let gone = || NoAlert::Unknown(format!("alert {digits} is not known (any more)"));
        let alert = self.state.alerts.get(&id).ok_or_else(gone)?;
        let mut steps = vec![
            json!({"step": "arrived", "text": self.arrived(id, alert)}),
            json!({"step": "bound", "text": bound(alert, &self.ci_name(alert.ci))}),
        ];
        let incident = alert.incident.map(|i| self.incident_of(i));
        let mut paged = false;
        let answer = match incident.filter(|i| self.state.incidents.contains_key(i)) {
            None => {
                let text = self.in_no_incident(id, alert);
                steps.push(json!({"step": "incident", "text": text}));
                format!("nobody was told: {text}")
            }
            Some(incident) => {
                let (answer, told) = self.with_incident(id, alert, incident, &mut steps);
                paged = told;
                answer
            }
        };
        Ok(json!({
            "alert": alert.fingerprint.to_string(),
            "at": self.state.at.rfc3339(),
            "told": paged,
            "answer": answer,
            "steps": steps,
            "incident": incident.map(|i| i.to_string()),
            "summary": self.alert_by_id_json(id),
        }))
    }

    fn with_incident(
        &self,
        id: AlertId,
        alert: &Alert,
        incident: IncidentId,
        steps: &mut Vec<Value>,
    ) -> (String, bool) {
        let mut text = match self.how_it_came(id, incident) {
            Some(how) => format!("{incident}: {how}"),
            None => {
                format!("{incident}, of which it is no member any more: it fires again elsewhere")
            }
        };
        if let Some(told) = alert.announced.filter(|a| *a != incident) {
            text.push_str(&format!("; its source was told {told}, which leads here"));
        }
        steps.push(json!({"step": "incident", "text": text, "incident": incident.to_string()}));
        let known = self.state.incidents.get(&incident);
        if let Some(known) = known {
            let cause = self.cause_in_short(known);
            let text = format!(
                "{}, {}, cause {cause}; hold until {}",
                known.priority.word(),
                known.state.word(),
                known.hold_until.rfc3339()
            );
            steps.push(json!({"step": "priority", "text": text}));
        }
        let story = self.ticket_story(incident);
        let text_of = |value: &Value| {
            let text = value.get("text").and_then(Value::as_str);
            text.unwrap_or_default().to_owned()
        };
        let wanted = story.get("wanted").and_then(Value::as_str);
        let text = match wanted {
            Some(at) => format!("wanted since {at}"),
            None => text_of(&story),
        };
        steps.push(json!({"step": "ticket", "text": text}));
        let targets = story.get("targets").and_then(Value::as_array);
        let mut told = None;
        for target in targets.into_iter().flatten() {
            let name = target.get("target").and_then(Value::as_str);
            let real = target.get("shadow").and_then(Value::as_bool) == Some(false);
            let has = target.get("ticket").is_some_and(|t| !t.is_null());
            let mut text = text_of(target);
            if has {
                text.push_str(&self.told_in(id, alert, incident, name.unwrap_or_default()));
            }
            if has && real && told.is_none() {
                told = Some(format!("{}: {text}", name.unwrap_or_default()));
            }
            steps.push(json!({"step": "delivery", "target": name, "text": text}));
        }
        let rests = known.and_then(|known| {
            let by = known.hands.ended.as_ref().filter(|_| alert.live())?;
            let at = known.resolved.unwrap_or(known.last).rfc3339();
            Some(format!("{by} resolved {incident} at {at}; {RESTS}"))
        });
        if let Some(text) = &rests {
            steps.push(json!({"step": "ended", "text": text}));
        }
        match told {
            Some(text) if rests.is_some() => {
                let rests = rests.unwrap_or_default();
                (
                    format!("nobody is told of it any more: {rests}; {text}"),
                    true,
                )
            }
            Some(text) => (format!("a ticket stands for it: {text}"), true),
            None => {
                let text = text_of(&story);
                let text = text.strip_prefix("no ticket: ").unwrap_or(&text);
                (format!("nobody was told: {text}"), false)
            }
        }
    }

    /// What a ticket that was there before the alert says of it.
    fn told_in(&self, id: AlertId, alert: &Alert, incident: IncidentId, target: &str) -> String {
        let opened = self.state.incidents.get(&incident).and_then(|i| i.opened);
        let Some(opened) = opened.filter(|at| alert.arrived > *at) else {
            return String::new();
        };
        let late = alert.arrived.since(opened).0 / 1000;
        let rows = self.rows_of(incident);
        let row = rows.iter().find(|r| &*r.target == target);
        let row = row.and_then(|r| self.state.outbox.get(r));
        let waits = row.is_some_and(|r| r.joined.contains(&id));
        let severe = row.is_some_and(|r| r.severe.contains(&id));
        let noted = row.is_some_and(|r| r.noted.contains(&id));
        let touched = row.is_some_and(|r| r.touched);
        let how = match () {
            () if waits => {
                "it is severe, and is told there with the next note that tells of severe alerts"
            }
            () if noted => "it is severe, and was told there in a note",
            () if severe && touched => "its description had it before a person took the ticket",
            () if touched => "a person has the ticket, and only what is severe is told there",
            () => "the description counts it",
        };
        format!("; the alert came {late} s after the ticket was wanted: {how}")
    }

    fn in_no_incident(&self, id: AlertId, alert: &Alert) -> String {
        if self.waits_for_its_turn(id) {
            let turn = self.placed_at(id).unwrap_or(self.state.at);
            return format!(
                "it is in no incident yet: alerts that began before it are waited for until {}",
                turn.rfc3339()
            );
        }
        match alert.state {
            AlertState::Over if alert.closed != i64::MIN && alert.incident.is_none() => {
                "it is in no incident: only its recovery is known, or its incident went on with a later firing"
                    .to_owned()
            }
            AlertState::Over | AlertState::Firing | AlertState::Stale => {
                "its incident is not kept any more".to_owned()
            }
        }
    }

    /// How an alert came into an incident, in words; `None` if it is no member.
    pub(super) fn how_it_came(&self, alert: AlertId, incident: IncidentId) -> Option<String> {
        let known = self.state.incidents.get(&incident)?;
        let member = known.members.get(&alert)?;
        let mut kinds = Vec::new();
        let to = super::facts::by_or_cause(known, member);
        let tie = self.tie(alert, member, to, &mut kinds);
        let told = self.told_member(known, alert, member, tie)?;
        Some(self.came_text(&told, &kinds))
    }

    fn arrived(&self, id: AlertId, alert: &Alert) -> String {
        let mut text = format!(
            "from {} at {}, {}",
            alert.source,
            alert.arrived.rfc3339(),
            alert.severity.word()
        );
        if alert.started != alert.arrived {
            text.push_str(&format!("; it began {}", alert.started.rfc3339()));
        }
        text.push_str(match alert.events {
            0 | 1 => "; a new alert, told once",
            _ => "; a new alert",
        });
        if alert.events > 1 {
            text.push_str(&format!(
                ", repeated or changed {} times, last heard {}",
                alert.events.saturating_sub(1),
                alert.heard.rfc3339()
            ));
        }
        if alert.closed != i64::MIN && alert.live() {
            text.push_str("; it had been over before and fires again");
        }
        match (alert.state, alert.ended) {
            (AlertState::Over, Some(at)) => {
                text.push_str(&format!("; over since {}", at.rfc3339()))
            }
            (AlertState::Over, None) => text.push_str("; over"),
            (AlertState::Stale, _) => text.push_str("; stale: its source has gone quiet"),
            (AlertState::Firing, _) => {
                text.push_str(&format!("; {} now", alert_word(alert.state)));
            }
        }
        if alert.acknowledged {
            text.push_str("; acknowledged by a person in its source");
        }
        if let Some(flaps) = alert.flap.as_ref().filter(|f| f.since.is_some()) {
            let since = flaps.since.map(|t| t.rfc3339()).unwrap_or_default();
            text.push_str(&format!("; it flaps since {since}"));
            if flaps.over.is_some() {
                text.push_str(", and is over for now");
            }
        }
        if let Some(by) = self.suppressed_by(id, alert) {
            text.push_str(&format!("; it opens no ticket by itself ({by})"));
        }
        text
    }
}

/// Why an alert is bound to no CI.
pub(super) fn tried(evidence: &Evidence) -> String {
    match evidence.tried.is_empty() {
        true => "it names no CI".to_owned(),
        false => format!("looked up in vain: {}", evidence.tried.join(", ")),
    }
}

fn bound(alert: &Alert, ci: &str) -> String {
    let evidence = &alert.evidence;
    if evidence.bound {
        return format!(
            "to {ci}, by {} (label {} = {:?})",
            evidence.rule, evidence.label, evidence.value
        );
    }
    let tried = tried(evidence);
    let grouped = match evidence.value.is_empty() {
        true => "it stands alone".to_owned(),
        false => format!("grouped by {} = {:?}", evidence.label, evidence.value),
    };
    format!("to no CI; {tried}; {grouped}")
}
