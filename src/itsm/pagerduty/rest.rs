//! What people did, over the REST API: an address and a key of its own, and only where the key is given.
//!
//! D: `GET /log_entries` tells the changes of all incidents, the newest first, with `include[]=incidents` each with
//! its incident; `GET /incidents?incident_key=..` finds one. D: `last_status_change_by` and `acknowledgements` name
//! users and services by `type`. Whom an escalation policy assigns has done nothing yet: only who acknowledges has it.
//!
//! That this side of the tool is away must not keep it from paging: then nothing is known of people.

use super::super::wire::*;
use super::told;
use crate::itsm::hint::{Digest, Hint};
use crate::itsm::poll::{KEYS, PollNext, Polled, Row, day_before, gather, utc};
use crate::itsm::{Facts, ItsmSettings, Refusal, Seen, TicketState};
use crate::model::{Request, Response};
use serde_json::Value;

/// PagerDuty, D: `X-PagerDuty-Signature: v1=...,v1=...`, one for each secret in use; `event.data` of an incident
/// holds its `incident_key`. What is told of notes and responders names no key, and changes no state.
pub(super) const HINT: Hint = Hint {
    header: "x-pagerduty-signature",
    mark: "v1=",
    digest: Digest::Sha256,
    names: |body| {
        let data = body.pointer("/event/data").unwrap_or(&Value::Null);
        let is_incident = word(data, "type") == "incident";
        let key = as_text(data.get("incident_key"));
        Some(key)
            .filter(|k| is_incident && !k.is_empty())
            .into_iter()
            .collect()
    },
    needs: Some("rest_token"),
};

/// Log entries of a page.
const PER_PAGE: usize = 100;

pub(super) fn poll(_: &ItsmSettings, _: &Facts, cursor: &str, got: &[Response]) -> PollNext {
    match pages(got) {
        Err(refusal) => PollNext::Refused(refusal),
        Ok(pages) => match gather(cursor, pages, PER_PAGE) {
            Some(changed) => PollNext::Done(changed),
            None => PollNext::Send(ask(cursor, got.len())),
        },
    }
}

pub(super) fn ask(cursor: &str, page: usize) -> Request {
    let since = day_before(cursor).map(|t| format!("{}Z", t.replace(' ', "T")));
    let (limit, offset) = (
        PER_PAGE.to_string(),
        page.saturating_mul(PER_PAGE).to_string(),
    );
    let mut query = vec![
        ("is_overview", "true"),
        ("include[]", "incidents"),
        ("time_zone", "UTC"),
        ("limit", &limit),
        ("offset", &offset),
    ];
    query.extend(since.as_deref().map(|t| ("since", t)));
    get("log_entries", &query)
}

fn pages(got: &[Response]) -> Result<Vec<Vec<Row>>, Refusal> {
    let one = |entry: &Value| -> Row {
        let incident = entry.get("incident").unwrap_or(&Value::Null);
        let id = Some(word(incident, "incident_key")).filter(|k| k.starts_with(KEYS));
        let ticket = id.and_then(|id| {
            let seen = judge(incident)?;
            Some(Polled { id, seen })
        });
        (utc(&word(entry, "created_at")), ticket)
    };
    let page = |response: &Response| {
        let body = json_of(response, told)?;
        match body.get("log_entries") {
            Some(_) => Ok(list(&body, "log_entries").map(one).collect()),
            None => Err(retry("an answer without log entries")),
        }
    };
    got.iter().map(page).collect()
}

/// How an incident stands, with the answers that follow; or what is asked for that.
pub(super) fn look<'r>(
    s: &ItsmSettings,
    key: &str,
    got: &'r [Response],
) -> Result<(Seen, &'r [Response]), Request> {
    let unknown = untouched(TicketState::New);
    let is_plain = plain_key(key).is_ok();
    if s.options.secret("rest_token").is_none() || !is_plain {
        return Ok((unknown, got));
    }
    let [found, rest @ ..] = got else {
        return Err(get(
            "incidents",
            &[("incident_key", key), ("date_range", "all")],
        ));
    };
    let body = json_of(found, told).unwrap_or_default();
    let same = |i: &&Value| word(i, "incident_key") == key;
    let newest = list(&body, "incidents").filter(same).max_by_key(|i| {
        let number = i.get("incident_number").and_then(Value::as_u64);
        number.unwrap_or_default()
    });
    Ok((newest.and_then(judge).unwrap_or(unknown), rest))
}

/// `None` for what is only a reference.
fn judge(incident: &Value) -> Option<Seen> {
    let state = match word(incident, "status").as_str() {
        "triggered" => TicketState::New,
        "acknowledged" => TicketState::Open,
        "resolved" => TicketState::Resolved,
        _ => return None,
    };
    let is_person = |who: &Value| word(who, "type").starts_with("user");
    let acknowledgers = list(incident, "acknowledgements").filter_map(|a| a.get("acknowledger"));
    let taken = acknowledgers.filter(|a| is_person(a)).last();
    let owner = match (state, taken) {
        (TicketState::Open, Some(who)) => word(who, "summary"),
        (_, _) => String::new(),
    };
    let changed = incident.get("last_status_change_by").is_some_and(is_person);
    Some(Seen {
        state,
        touched: changed || taken.is_some(),
        owner,
        dropped: Vec::new(),
    })
}
