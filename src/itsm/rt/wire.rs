//! What RT's bytes say: requests, answers, tickets, custom fields.

pub(super) use super::super::wire::encode;
use super::super::wire::{retry_after, said_or_meant, sent_on, squeeze};
use super::Verdict;
use crate::itsm::{Content, Facts, ItsmSettings, Next, Refusal, Reply, Seen, TicketState};
use crate::model::{Request, Response, cut};
use serde_json::{Map, Value, json};

pub(super) fn done(id: &str, read_back: Seen) -> Next {
    Next::Done(Reply::Done {
        id: id.to_owned(),
        read_back,
    })
}

pub(super) fn read(id: &str) -> Verdict {
    let id = digits(id).ok_or_else(|| Refusal::Reject(format!("{id:?} is no ticket number")))?;
    get(format!("ticket/{id}"), &[])
}

pub(super) fn comment(id: &str, text: &str, status: Option<&str>) -> Verdict {
    let mut body =
        json!({ "Subject": subject(text), "Content": text, "ContentType": "text/plain" });
    if let (Some(status), Some(map)) = (status, body.as_object_mut()) {
        map.insert("Status".to_owned(), Value::from(status));
    }
    send("POST", format!("ticket/{id}/comment"), &body, None)
}

/// What a comment is found by: its first line.
fn subject(text: &str) -> String {
    cut(&squeeze(text.lines().next().unwrap_or_default()), 120)
}

/// The latest transactions of a ticket.
pub(super) fn past(id: &str) -> Verdict {
    let id = digits(id).ok_or_else(|| Refusal::Reject(format!("{id:?} is no ticket number")))?;
    get(
        format!("ticket/{id}/history"),
        &[
            ("fields", "Type,Creator,Data,OldValue"),
            ("per_page", "100"),
            ("orderby", "id"),
            ("order", "DESC"),
        ],
    )
}

/// Whether a note stands in the history of its ticket, since that was last opened again. Who may not read it writes without that look.
pub(super) fn is_said(s: &ItsmSettings, past: &Response, text: &str) -> Result<bool, Refusal> {
    let body = match json_of(past) {
        Ok(body) => body,
        Err(refusal @ (Refusal::Retry { .. } | Refusal::Login)) => return Err(refusal),
        Err(_) => return Ok(false),
    };
    let subject = subject(text);
    let ours = s.options.text("account");
    let word = |item: &Value, name: &str| {
        let text = item.get(name).and_then(Value::as_str);
        squeeze(text.unwrap_or_default())
    };
    let resolved = s.options.text("resolved_status");
    let reopens = |item: &Value| {
        word(item, "Type") == "Status" && word(item, "OldValue").eq_ignore_ascii_case(resolved)
    };
    let mut since = items(&body).take_while(|item| !reopens(item));
    Ok(since.any(|item| {
        let by_us = same_user(&user(item, "Creator"), ours);
        by_us && word(item, "Type") == "Comment" && word(item, "Data") == subject
    }))
}

pub(super) fn get(path: String, query: &[(&str, &str)]) -> Verdict {
    Ok(Next::Send(Request {
        method: "GET",
        path,
        query: query
            .iter()
            .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))
            .collect(),
        headers: Vec::new(),
        body: Vec::new(),
        writes: false,
    }))
}

pub(super) fn send(
    method: &'static str,
    path: String,
    body: &Value,
    if_match: Option<&str>,
) -> Verdict {
    let mut headers = vec![("Content-Type".to_owned(), "application/json".to_owned())];
    headers.extend(if_match.map(|tag| ("If-Match".to_owned(), tag.to_owned())));
    Ok(Next::Send(Request {
        method,
        path,
        query: Vec::new(),
        headers,
        body: body.to_string().into_bytes(),
        writes: true,
    }))
}

/// The body of a good answer, or the refusal that a bad one is.
pub(super) fn json_of(response: &Response) -> Result<Value, Refusal> {
    let body = serde_json::from_slice::<Value>(&response.body);
    let message = || {
        let told = body
            .as_ref()
            .ok()
            .and_then(|b| b.get("message"))
            .and_then(Value::as_str);
        let text = told
            .map(str::to_owned)
            .unwrap_or_else(|| String::from_utf8_lossy(&response.body).into_owned());
        let line: Vec<&str> = text.split_whitespace().collect();
        let said = || said_or_meant(response.status, &cut(&line.join(" "), 200));
        format!(
            "{}: {}",
            response.status,
            sent_on(response).unwrap_or_else(said)
        )
    };
    match response.status {
        200..=299 => body.map_err(|e| retry(&format!("{} without JSON: {e}", response.status))),
        401 => Err(Refusal::Login),
        404 | 410 if body.is_ok() => Err(Refusal::Gone(String::new())),
        // Without JSON it is a page of a proxy, and no word about a ticket.
        300..=399 | 404 | 410 | 408 | 425 | 429 | 500..=599 => Err(Refusal::Retry {
            not_before: retry_after(response),
            why: message(),
        }),
        _ => Err(Refusal::Reject(message())),
    }
}

/// A note was taken; what the sentences say is for people.
pub(super) fn accepted(response: &Response) -> Result<(), Refusal> {
    json_of(response).map(|_| ())
}

pub(super) fn retry(why: &str) -> Refusal {
    Refusal::Retry {
        not_before: None,
        why: why.to_owned(),
    }
}

/// At `Probe` a refusal is not about one ticket: nothing works until it is mended.
pub(super) fn stop_if_rejected(what: &str) -> impl Fn(Refusal) -> Refusal + '_ {
    move |refusal| match refusal {
        Refusal::Reject(why) => Refusal::Stop(format!("{what}: {why}")),
        Refusal::Gone(_) => Refusal::Stop(format!("{what}: not found")),
        other => other,
    }
}

/// Judges a ticket that was read by its number.
pub(super) fn seen(s: &ItsmSettings, id: &str, response: &Response) -> Result<Seen, Refusal> {
    let body = json_of(response)?;
    match id_of(body.get("id")) {
        Some(found) if found == id => judge(s, &body),
        Some(other) => Err(Refusal::Gone(other)), // merged: the GET answers the surviving ticket
        None => Err(retry("a ticket without id")),
    }
}

/// State and touch of a ticket. Touched: somebody else owns it, or changed it last, or it waits. (RT's own
/// account changes tickets by scrips; that is no person.)
pub(super) fn judge(s: &ItsmSettings, ticket: &Value) -> Result<Seen, Refusal> {
    let status = ticket
        .get("Status")
        .and_then(Value::as_str)
        .ok_or_else(|| retry("a ticket without Status"))?;
    let is = |list: &str| {
        s.options
            .list(list)
            .iter()
            .any(|w| w.eq_ignore_ascii_case(status))
    };
    let state = match status {
        _ if status.eq_ignore_ascii_case(s.options.text("resolved_status")) => {
            TicketState::Resolved
        }
        _ if is("closed_status") => TicketState::Closed,
        _ if is("on_hold_status") => TicketState::OnHold,
        "new" => TicketState::New,
        _ => TicketState::Open,
    };
    let ours = s.options.text("account");
    let owner = user(ticket, "Owner");
    let taken = !owner.is_empty() && owner != "Nobody" && !same_user(&owner, ours);
    let last = user(ticket, "LastUpdatedBy");
    let edited = !last.is_empty() && last != "RT_System" && !same_user(&last, ours);
    Ok(Seen {
        state,
        touched: taken || edited || state == TicketState::OnHold,
        owner: if taken { owner } else { String::new() },
        dropped: Vec::new(),
    })
}

pub(super) fn same_user(a: &str, b: &str) -> bool {
    a.eq_ignore_ascii_case(b)
}

/// A user is `{"type":"user","id":"alertd"}`.
pub(super) fn user(ticket: &Value, name: &str) -> String {
    let value = ticket.get(name);
    let id = value
        .and_then(|v| v.get("id"))
        .or(value)
        .and_then(Value::as_str);
    id.unwrap_or_default().to_owned()
}

/// The first value of a custom field; empty if it has none.
pub(super) fn field(ticket: &Value, name: &str) -> String {
    values(ticket, name).into_iter().next().unwrap_or_default()
}

fn values(ticket: &Value, name: &str) -> Vec<String> {
    let fields = ticket.get("CustomFields").and_then(Value::as_array);
    let found = fields
        .into_iter()
        .flatten()
        .find(|f| f.get("name").and_then(Value::as_str) == Some(name));
    let values = found
        .and_then(|f| f.get("values"))
        .and_then(Value::as_array);
    values
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect()
}

/// The optional custom fields with what they shall hold.
fn wanted_fields(s: &ItsmSettings, facts: &Facts, content: &Content) -> Vec<(String, Vec<String>)> {
    let one = |text: &str| {
        if text.is_empty() {
            Vec::new()
        } else {
            vec![text.to_owned()]
        }
    };
    [
        ("root_ci_field", one(&content.root_ci)),
        ("severity_field", one(&content.severity)),
        ("services_field", content.services.clone()),
        ("count_field", one(&content.alert_count.to_string())),
    ]
    .into_iter()
    .map(|(option, values)| (s.options.text(option).to_owned(), values))
    .filter(|(name, _)| !name.is_empty() && facts.get(&format!("missing:{name}")).is_empty())
    .collect()
}

pub(super) fn custom_fields(
    s: &ItsmSettings,
    facts: &Facts,
    content: &Content,
) -> Map<String, Value> {
    wanted_fields(s, facts, content)
        .into_iter()
        .map(|(name, values)| {
            let value = match values.as_slice() {
                [] => Value::Null, // clears it
                [one] => Value::from(one.as_str()),
                several => Value::from(several.to_vec()),
            };
            (name, value)
        })
        .filter(|(_, value)| !value.is_null())
        .collect()
}

/// Optional fields that did not take what was written.
pub(super) fn dropped(
    s: &ItsmSettings,
    facts: &Facts,
    content: &Content,
    ticket: &Value,
) -> Vec<String> {
    wanted_fields(s, facts, content)
        .into_iter()
        .filter(|(name, wanted)| {
            let mut found = values(ticket, name);
            let mut wanted = wanted.clone();
            found.sort();
            wanted.sort();
            !wanted.is_empty() && found != wanted
        })
        .map(|(name, _)| format!("custom field {name:?} did not take its value"))
        .collect()
}

pub(super) fn items(body: &Value) -> impl Iterator<Item = &Value> {
    body.get("items")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}

/// What a queue says of the custom fields of its tickets: also to a user to whom the list of fields is empty, since it
/// is for those who administer fields.
pub(super) fn ticket_fields(queue: &Value) -> impl Iterator<Item = &Value> {
    let all = queue.get("TicketCustomFields").and_then(Value::as_array);
    all.into_iter().flatten()
}

/// An id is a string in some answers and a number in others; only digits are believed.
pub(super) fn id_of(value: Option<&Value>) -> Option<String> {
    match value? {
        Value::String(text) => digits(text).map(str::to_owned),
        Value::Number(number) => number.as_u64().map(|n| n.to_string()),
        _no_id => None,
    }
}

pub(super) fn digits(text: &str) -> Option<&str> {
    (!text.is_empty() && text.len() < 20 && text.bytes().all(|b| b.is_ascii_digit()))
        .then_some(text)
}
