//! Why an incident has no ticket, or what became of it, in the order in which it is decided.

use crate::engine::Engine;
use crate::engine::flap;
use crate::engine::maintenance::{BEFORE, SETTLES};
use crate::engine::state::{AlertState, Incident, IncidentState, Row, RowId, Suppression};
use crate::engine::wanted::correlation_key;
use crate::itsm::{TicketState, shown};
use crate::model::{IncidentId, Millis};
use crate::rules::{Mode, Reopen};
use serde_json::{Value, json};

/// The setting by which an alert may open no ticket.
pub fn suppressed(why: Suppression) -> &'static str {
    match why {
        Suppression::Inherited => "suppress.inherit_before",
        Suppression::Severity => "suppress.ticket_min_severity",
        Suppression::Source => "mode = \"note\" of its source",
        Suppression::Inhibited => "[[suppress.inhibit]]",
    }
}

/// What keeps an incident from having a ticket, before any target is asked.
enum Held {
    /// Nothing: a ticket is wanted since.
    Wanted(Millis),
    /// Something, in words.
    Because(String),
}

impl Engine {
    /// Why there is no ticket, in one sentence; `None` if one is wanted.
    pub(in crate::engine) fn why_no_ticket(&self, id: IncidentId) -> Option<String> {
        let known = self.state.incidents.get(&id)?;
        match self.held(known) {
            Held::Wanted(_) => None,
            Held::Because(why) => Some(why),
        }
    }

    /// Whether a ticket is wanted, why not, and what became of it at each target.
    pub(in crate::engine) fn ticket_story(&self, id: IncidentId) -> Value {
        let Some(known) = self.state.incidents.get(&id) else {
            return Value::Null;
        };
        let (wanted, because) = match self.held(known) {
            Held::Wanted(at) => (Some(at), None),
            Held::Because(why) => (None, Some(why)),
        };
        let targets: Vec<Value> = match wanted {
            Some(_) => self.targets_of(id, known),
            None => Vec::new(),
        };
        let found = targets
            .iter()
            .find(|t| t.get("ticket").is_some_and(|t| !t.is_null()));
        let text = match (&because, found, targets.as_slice()) {
            (Some(why), _, _) => format!("no ticket: {why}"),
            (None, Some(target), _) | (None, None, [target, ..]) => {
                let text = |key: &str| target.get(key).and_then(Value::as_str).unwrap_or_default();
                format!("{}: {}", text("target"), text("text"))
            }
            (None, None, []) if self.state.rules.targets.is_empty() => {
                "a ticket is wanted, but no [[itsm]] target is configured".to_owned()
            }
            (None, None, []) => self.no_row(known),
        };
        json!({
            "wanted": wanted.map(|t| t.rfc3339()),
            "because": because,
            "targets": targets,
            "text": text,
        })
    }

    fn no_row(&self, known: &Incident) -> String {
        if known.shadow {
            return "no ticket: its source is in shadow".to_owned();
        }
        match known.state {
            IncidentState::Resolved | IncidentState::Merged => {
                "no ticket: it was over before any target had taken one".to_owned()
            }
            IncidentState::Pending | IncidentState::Open | IncidentState::Recovering => {
                "a ticket is wanted, but no target takes it: all are in note mode, or only a fallback"
                    .to_owned()
            }
        }
    }

    fn held(&self, known: &Incident) -> Held {
        if let Some(into) = known.merged_into.filter(|_| known.opened.is_none()) {
            let into = self.incident_of(into);
            return Held::Because(format!("it became part of {into} before it had one"));
        }
        if let Some(at) = known.opened {
            return Held::Wanted(at);
        }
        let hold = |text: String| Held::Because(text);
        match known.state {
            IncidentState::Pending => hold(self.held_until(known)),
            IncidentState::Resolved => match &known.hands.ended {
                Some(by) => hold(format!("it was resolved by {by} before one was wanted")),
                None => hold(self.over_without(known)),
            },
            IncidentState::Recovering => hold(self.over_without(known)),
            IncidentState::Open | IncidentState::Merged => hold(
                self.suppression_of(known)
                    .unwrap_or_else(|| "it is decided with the next entry".to_owned()),
            ),
        }
    }

    fn held_until(&self, known: &Incident) -> String {
        let at = self.state.at;
        if let Some(why) = self.suppression_of(known) {
            return why;
        }
        let waits = self.state.wait_for_graph.filter(|until| *until > at);
        if let Some(until) = waits.filter(|_| self.state.graph.is_none()) {
            return format!(
                "no CMDB has been loaded yet; it waits for one until {}",
                until.rfc3339()
            );
        }
        let storm = match self.is_storm_held(known) {
            true => format!(
                ", {} s of them for a storm of alerts",
                self.state.rules.correlate.storm.hold.0 / 1000
            ),
            false => String::new(),
        };
        format!(
            "its hold as {} is not over: {} s from when its first alert was placed{storm}, until {}",
            known.priority.word(),
            known.hold_until.since(known.first).0.max(0) / 1000,
            known.hold_until.rfc3339()
        )
    }

    fn over_without(&self, known: &Incident) -> String {
        if let Some(why) = self.suppression_of(known) {
            return why;
        }
        let over = known.quiet_since.or(known.resolved).unwrap_or(known.last);
        match over < known.hold_until {
            true => format!(
                "it was over {} s after its first alert, before its hold as {} ended",
                over.since(known.first).0 / 1000,
                known.priority.word()
            ),
            false => self
                .what_it_waited_for(known, over)
                .unwrap_or_else(|| "it was over before one was wanted".to_owned()),
        }
    }

    /// A maintenance window keeps back the ticket, or kept it back until all was over.
    fn maintained_text(&self, window: &str, known: &Incident) -> String {
        let at = self.state.at;
        let begun = self.stretch_of(window, at.plus(BEFORE));
        let (Some(begun), Some(all)) = (begun, self.stretch_of(window, Millis(i64::MAX))) else {
            return format!("maintenance {window} covered it until it was over");
        };
        let goes_on = known.live > 0 && begun.window.to > at;
        let text = match (self.covering_window(window, known), goes_on) {
            (Some(window), true) => format!("maintenance {window} covers it"),
            (Some(window), false) => format!("maintenance {window} covered it"),
            (None, true) => format!(
                "it began beside maintenance {} and waits with it",
                begun.name
            ),
            (None, false) => {
                format!(
                    "it began beside maintenance {} and waited with it",
                    begun.name
                )
            }
        };
        let until = begun.window.to.rfc3339();
        let then = match all.window.to > begun.window.to {
            true => format!(", then {} until {}", all.name, all.window.to.rfc3339()),
            false => String::new(),
        };
        let next = match known.live {
            0 => "it was over before it could have a ticket".to_owned(),
            _ => format!(
                "if it still fires at {}, {} min later, its ticket follows",
                all.settled().rfc3339(),
                SETTLES.0 / 60_000
            ),
        };
        format!("{text} until {until}{then}; {next}")
    }

    /// What keeps back the ticket for as long as it is so.
    fn suppression_of(&self, known: &Incident) -> Option<String> {
        if let Some(window) = &known.maintenance {
            return Some(self.maintained_text(window, known));
        }
        if self.may_ticket(known) {
            return self.why_it_waits(known).filter(|_| known.state.lives());
        }
        let alerts = || {
            let ids = known.members.keys();
            ids.filter_map(|id| self.state.alerts.get(id))
        };
        // What is over says nothing while something fires, nor where another of them could have opened a ticket.
        let live = alerts().any(|a| a.live());
        if !live && alerts().any(|a| a.suppressed.is_none()) {
            return None;
        }
        let mut why: Vec<Suppression> = alerts()
            .filter(|a| !live || a.live())
            .filter_map(|a| a.suppressed)
            .collect();
        why.sort_unstable();
        why.dedup();
        let flaps = alerts().any(|a| a.live() && a.suppressed.is_none() && flap::is_over(a));
        let inhibited = || {
            let by = known.members.keys().find_map(|a| self.inhibited_by(*a));
            let Some(by) = by else {
                return "another alert inhibited its alerts".to_owned();
            };
            let text = |key: &str| by.get(key).and_then(Value::as_str).unwrap_or_default();
            let (rule, what, ci) = (text("rule"), text("text"), text("ci"));
            format!("inhibited by rule {rule}: {what} on {ci}")
        };
        let one = |why: &Suppression| match why {
            Suppression::Inherited => {
                "its alerts were there before our first contact with their source".to_owned()
            }
            Suppression::Severity => format!(
                "its alerts are less severe than ticket_min_severity ({})",
                self.state.rules.suppress.ticket_min_severity.word()
            ),
            Suppression::Source => "its source joins tickets and opens none".to_owned(),
            Suppression::Inhibited => inhibited(),
        };
        let mut all: Vec<String> = why.iter().map(one).collect();
        if flaps {
            all.push("its alerts flap, and none of them fires now".to_owned());
        }
        (!all.is_empty()).then(|| all.join("; "))
    }

    fn targets_of(&self, id: IncidentId, known: &Incident) -> Vec<Value> {
        let mut out: Vec<Value> = Vec::new();
        for row in self.rows_of(id) {
            if let Some(state) = self.state.outbox.get(&row) {
                out.push(json!({
                    "target": &*row.target,
                    "ticket": state.ticket.as_deref().map(shown),
                    "key": correlation_key(self.state.epoch, id, state.generation),
                    "state": state.ticket_state,
                    "touched": state.touched,
                    "shadow": state.shadow,
                    "tries": state.attempt,
                    "text": self.delivery_of(&row, state, known),
                }));
            }
        }
        let left_out = self.state.rules.targets.iter().filter(|(name, _)| {
            !out.iter()
                .any(|t| t.get("target").and_then(Value::as_str) == Some(name))
        });
        let left_out: Vec<Value> = left_out
            .map(|(name, target)| {
                let why = match target.mode {
                    Mode::Note => "the target is in note mode and opens none",
                    Mode::Shadow => "the target is in shadow and shows what it would do",
                    Mode::Live if known.shadow => {
                        "its source is in shadow: no real tool is touched"
                    }
                    Mode::Live if !known.state.lives() => "it was over before this target took it",
                    Mode::Live => "only a fallback for another target, or new since",
                };
                json!({"target": name, "ticket": null, "text": why})
            })
            .collect();
        out.extend(left_out);
        out
    }

    /// A person resolved it, and its alerts go on.
    fn opposed_text(&self, since: Millis, row: &Row, reopens: bool) -> String {
        let rules = self.state.rules.ticket.reopen;
        let due = since.plus(rules.persons_after).rfc3339();
        let closed = row.ticket_state == TicketState::Closed;
        match rules.persons {
            Reopen::Note if closed => {
                "; its alerts fire on, and what is closed takes no note".to_owned()
            }
            Reopen::Note => "; its alerts fire on, which it was told".to_owned(),
            Reopen::Reopen if closed || !reopens => {
                format!(
                    "; its alerts fire on: it cannot be opened again, a new one follows at {due}"
                )
            }
            Reopen::New => format!("; its alerts fire on: a new one follows at {due}"),
            Reopen::Reopen => format!("; its alerts fire on: opened again at {due}"),
        }
    }

    /// What became of the ticket at one target, in words.
    fn delivery_of(&self, id: &RowId, row: &Row, known: &Incident) -> String {
        let at = self.state.at;
        let valve = self.state.valves.get(&id.target);
        let target = self.state.rules.targets.get(&*id.target);
        let stopped = valve
            .and_then(|v| v.stopped.as_ref())
            .filter(|(until, _)| *until > at);
        let stops = stopped.map(|(until, why)| {
            format!(
                "nothing is sent to this target before {}: {why}",
                until.rfc3339()
            )
        });
        let parked = row
            .parked
            .as_ref()
            .map(|why| format!("the tool refuses it: {why}"));
        let failing = row.failing_since.map(|since| {
            format!(
                "the tool has not done what we asked since {} ({} tries); next try {}",
                since.rfc3339(),
                row.attempt,
                row.not_before.rfc3339()
            )
        });
        let trouble = stops.or(parked).or(failing);
        if let Some(ticket) = &row.ticket {
            let state = match (row.ticket_state, row.resolved_by_us, &known.hands.ended) {
                (TicketState::Resolved, true, Some(by)) => {
                    format!("resolved by us, for {by} resolved the incident")
                }
                (TicketState::Resolved, true, None) => "resolved by us".to_owned(),
                (TicketState::Resolved, false, _) => "resolved in the tool, not by us".to_owned(),
                (TicketState::Closed, _, _) => "closed".to_owned(),
                (TicketState::OnHold, _, _) => "on hold".to_owned(),
                (TicketState::New | TicketState::Open, _, _) => "open".to_owned(),
            };
            let shadow = if row.shadow {
                " (shadow: shown only)"
            } else {
                ""
            };
            let touched = match (row.touched, row.owner.as_str()) {
                (false, _) => String::new(),
                (true, "") => ", a person has it".to_owned(),
                (true, owner) => format!(", a person has it (owner {owner})"),
            };
            let ticket = shown(ticket);
            let trouble = trouble.map(|t| format!("; but {t}")).unwrap_or_default();
            let reopens = target.is_none_or(|t| t.reopens);
            let opposed = row
                .opposed
                .map(|since| self.opposed_text(since, row, reopens));
            let opposed = opposed.unwrap_or_default();
            return format!("ticket {ticket}{shadow} is {state}{touched}{opposed}{trouble}");
        }
        let shadow = row.shadow || target.is_some_and(|t| t.mode == Mode::Shadow);
        match () {
            () if target.is_none() => {
                "the target is no longer in the configuration; nothing is sent".to_owned()
            }
            () if row.unknown.is_some() => format!(
                "a ticket was asked for and no answer came; we look whether it is there before we ask again, not before {}",
                row.not_before.rfc3339()
            ),
            () if trouble.is_some() => trouble.unwrap_or_default(),
            () if row.valved => format!(
                "the valve holds it back: more than {} new tickets per {} s; there is room at {}, if nothing more urgent comes",
                target.map_or(0, |t| t.max_new),
                target.map_or(0, |t| t.max_new_per.0 / 1000),
                row.not_before.rfc3339()
            ),
            () if row.in_flight.is_some() => "it is on its way to the tool".to_owned(),
            () if target.is_some_and(|t| t.mode == Mode::Note) => {
                "the target is in note mode and opens none".to_owned()
            }
            () if shadow => "the target is in shadow and shows what it would do".to_owned(),
            () if !known.state.lives() => "over before the tool had taken it".to_owned(),
            () => format!("it is to be asked for at {}", row.not_before.rfc3339()),
        }
    }
}

/// The word for where an alert stands.
pub fn alert_word(state: AlertState) -> &'static str {
    match state {
        AlertState::Firing => "firing",
        AlertState::Stale => "stale",
        AlertState::Over => "over",
    }
}
