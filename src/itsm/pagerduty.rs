//! Kind `pagerduty`: Events API v2.
//!
//! What it rests on. D: the vendor's OpenAPI document of the Events API (2026); K: known from use.
//! * D: while an incident is open, a second trigger with its `dedup_key` makes no second one. So our key is the
//!   `dedup_key`, there is nothing to find, and a trigger whose answer was lost is simply sent again.
//! * D: 202 says that an event was accepted; 400 that it never will be; 429 and 5xx ask for another try.
//! * The events alone tell nothing of what people did: no ticket is ever touched then. With `rest_token` it is read
//!   over the REST API (`rest`), by poll and after a webhook: an incident that a person acknowledged is touched, so
//!   it is left to that person unless `on_recovery = "resolve"`.
//! * There are no notes. K: a trigger after a person has resolved pages again; therefore changes are told only with
//!   `updates = true`.
//! * A trigger that is executed after the resolve of the same key would page for what is over. An incident is
//!   resolved minutes after its last alert, which makes that unlikely; it cannot be found out.
//! * K: a summary has at most 1024 characters, an event 512 KiB.
//!
//! The routing key is a secret, and stands in the body: `auth = "member"`, `auth_name = "routing_key"`.

mod rest;
mod selftest;

use super::wire::*;
use super::{
    Content, Facts, Hit, Itsm, ItsmSettings, Limits, Markup, Next, Promise, Refusal, Reply, Step,
    TicketState,
};
use crate::config::keys::{KeyKind, Preset, key};
use crate::model::{Millis, Response};
use serde_json::{Value, json};

/// The row of this kind.
#[rustfmt::skip]
pub const ITSM: Itsm = Itsm {
    kind: "pagerduty",
    keys: &[
        key("severity", KeyKind::MapOf(&["critical", "error", "warning", "info"]), Preset::Toml("{ P1 = \"critical\", P2 = \"error\", P3 = \"warning\", P4 = \"info\" }"), "severity of the event by our priority"),
        key("updates", KeyKind::Bool, Preset::Toml("false"), "send what has changed as a further trigger; where a person has resolved the incident, it pages again"),
        key("rest_url", KeyKind::Url, Preset::Toml("\"https://api.pagerduty.com\""), "address of the REST API, which says what people did; https://api.eu.pagerduty.com in the EU"),
        key("rest_token", KeyKind::Secret, Preset::Absent, "a read-only key of the REST API; without it nobody sees what people do, and nothing is polled"),
    ],
    limits: Limits {
        title: 1000,
        description: 4000,
        note: 4000,
        // A trigger may be repeated at once: nobody is paged twice, and somebody may not have been paged yet.
        settle: Millis::secs(5),
        // A new trigger of a key that was resolved is a new incident: it gets a key of its own.
        reopens: false,
        markup: Markup::Plain,
    },
    promise: Promise::OnceByTool,
    watches: false,
    links: |_| false,
    next: |s, _, step, got| next_of(answer(s, step, got)),
    poll: Some(rest::poll),
    hint: Some(rest::HINT),
    selftest: Some(selftest::SELFTEST),
};

fn answer(s: &ItsmSettings, step: &Step, got: &[Response]) -> Verdict {
    match step {
        Step::Probe => Ok(Next::Done(Reply::Facts(Facts::default()))),
        Step::Find { .. } => Ok(Next::Done(Reply::Found(Vec::<Hit>::new()))),
        Step::Create { key, content } => {
            event(key, trigger(s, key, content), TicketState::New, got)
        }
        Step::Update { id, content } if s.options.bool("updates") => {
            event(id, trigger(s, id, content), TicketState::New, got)
        }
        // Nothing to write: where people are seen, it is still read what they did.
        Step::Update { id, .. } | Step::Note { id, .. } | Step::Link { id, .. } => {
            Ok(match rest::look(s, id, got) {
                Ok((seen, _)) => done(id, seen),
                Err(request) => Next::Send(request),
            })
        }
        Step::Resolve {
            id, unless_touched, ..
        } => {
            let rest = match (unless_touched, rest::look(s, id, got)) {
                (false, _) => got,
                (true, Ok((seen, _))) if seen.touched => {
                    return Ok(Next::Done(Reply::State(seen)));
                }
                (true, Ok((_, rest))) => rest,
                (true, Err(request)) => return Ok(Next::Send(request)),
            };
            let body = json!({ "event_action": "resolve", "dedup_key": id });
            event(id, body, TicketState::Resolved, rest)
        }
        Step::Reopen { .. } => Err(Refusal::Closed),
        Step::Read { id } => Ok(match rest::look(s, id, got) {
            Ok((seen, _)) => Next::Done(Reply::State(seen)),
            Err(request) => Next::Send(request),
        }),
    }
}

fn event(key: &str, body: Value, state: TicketState, got: &[Response]) -> Verdict {
    let [answer, ..] = got else {
        return Ok(Next::Send(send("POST", "v2/enqueue", &body)));
    };
    let body = json_of(answer, told)?;
    match (answer.status, word(&body, "status").as_str()) {
        (202, "success") if word(&body, "dedup_key") == key => Ok(done(key, untouched(state))),
        (_, _) => Err(retry("an answer that is not of the Events API")),
    }
}

fn trigger(s: &ItsmSettings, key: &str, content: &Content) -> Value {
    let severity = s.options.map_get("severity", &content.priority);
    let source = match content.ci.as_str() {
        "" => "correlated",
        ci => ci,
    };
    json!({
        "event_action": "trigger",
        "dedup_key": key,
        "client": "correlated",
        "payload": {
            "summary": content.title,
            "source": source,
            "severity": severity.unwrap_or("error"),
            "component": content.root_ci,
            "group": content.group,
            "class": content.class,
            "custom_details": {
                "description": content.description,
                "priority": content.priority,
                "services": content.services,
                "alerts": content.alert_count,
            },
        },
    })
}

/// `{"status":"invalid event","message":"..","errors":[..]}`
fn told(body: &Value) -> String {
    let errors = list(body, "errors").filter_map(Value::as_str);
    let errors: Vec<&str> = errors.collect();
    format!("{} {}", word(body, "message"), errors.join("; "))
        .trim()
        .to_owned()
}
