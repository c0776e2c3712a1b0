//! What the Table API's bytes say: requests, answers, rows.

use super::super::wire::{retry_after, said_or_meant, sent_on};
use super::{HITS, Verdict};
use crate::itsm::{Facts, ItsmSettings, Next, Refusal, Reply, Seen, TicketState};
use crate::model::{Request, Response, cut};
use serde_json::{Map, Value};

/// The column that holds the correlation key.
pub(super) const KEY: &str = "correlation_id";
/// What we want to know of a ticket.
const COLUMNS: &str = "sys_id,number,state,correlation_id,sys_created_by,sys_updated_by,assigned_to,reopened_by,assignment_group,cmdb_ci,business_service,impact,urgency,short_description,description";

pub(super) fn done(id: &str, read_back: Seen) -> Next {
    Next::Done(Reply::Done {
        id: id.to_owned(),
        read_back,
    })
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
        other => other,
    }
}

/// What addresses a record: 32 hexadecimal digits, alone or behind `NUMBER#`.
pub(super) fn sys_id(id: &str) -> Result<&str, Refusal> {
    let address = id.rsplit('#').next().unwrap_or_default();
    match is_sys_id(address) {
        true => Ok(address),
        false => Err(Refusal::Reject(format!("{id:?} is no ticket"))),
    }
}

pub(super) fn is_sys_id(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit())
}

/// A row's `NUMBER#SYS_ID`; the sys_id alone where the number is odd or hidden.
pub(super) fn id_of(row: &Value) -> Option<String> {
    let (number, address) = (field(row, "number"), field(row, "sys_id"));
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    match is_sys_id(address) {
        false => None,
        true if number.is_empty() || number.len() > 40 || !number.bytes().all(plain) => {
            Some(address.to_owned())
        }
        true => Some(format!("{number}#{address}")),
    }
}

/// A column of a row; references come as `{"value": ..}` from tools that ignore the wish for plain ones.
pub(super) fn field<'a>(row: &'a Value, column: &str) -> &'a str {
    let value = row.get(column);
    let plain = value.and_then(|v| v.get("value")).or(value);
    plain.and_then(Value::as_str).unwrap_or_default()
}

/// A body of texts.
pub(super) fn body(columns: &[(&str, &str)]) -> Map<String, Value> {
    columns
        .iter()
        .map(|(name, value)| ((*name).to_owned(), Value::from(*value)))
        .collect()
}

/// Rows of a table.
pub(super) fn list(table: &str, query: &str, columns: &str, limit: u32) -> Verdict {
    Ok(Next::Send(list_request(table, query, columns, limit)))
}

pub(super) fn list_request(table: &str, query: &str, columns: &str, limit: u32) -> Request {
    let limit = limit.to_string();
    Request {
        method: "GET",
        path: format!("api/now/v2/table/{table}"),
        query: [
            ("sysparm_query", query),
            ("sysparm_fields", columns),
            ("sysparm_limit", &limit),
            ("sysparm_display_value", "false"),
            ("sysparm_exclude_reference_link", "true"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec(),
        headers: vec![("Accept".to_owned(), "application/json".to_owned())],
        body: Vec::new(),
        writes: false,
    }
}

/// A body in JSON, and an answer in it: without both the tool answers 400.
pub(super) fn json_headers() -> Vec<(String, String)> {
    let json = |name: &str| (name.to_owned(), "application/json".to_owned());
    vec![json("Accept"), json("Content-Type")]
}

pub(super) fn columns(s: &ItsmSettings) -> String {
    let more = s.options.map("fields").into_iter().flatten();
    more.fold(COLUMNS.to_owned(), |all, (name, _)| format!("{all},{name}"))
}

/// The tickets that carry a key, the oldest first. Keys hold nothing that a query would act upon.
pub(super) fn search(s: &ItsmSettings, key: &str) -> Verdict {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'.';
    if !key.bytes().all(plain) {
        return Err(Refusal::Reject(format!("{key:?} is no correlation key")));
    }
    let query = format!("{KEY}={key}^ORDERBYsys_created_on");
    list(s.options.text("table"), &query, &columns(s), HITS)
}

/// One ticket, by a query: its answer tells "deleted" from "hidden from us", which a 404 does not.
pub(super) fn read(s: &ItsmSettings, id: &str) -> Verdict {
    let query = format!("sys_id={}", sys_id(id)?);
    list(s.options.text("table"), &query, &columns(s), 1)
}

/// A user, by name or sys_id.
pub(super) fn user(who: &str) -> Verdict {
    if odd(who) {
        return Err(Refusal::Stop(format!("{who:?} is no user name")));
    }
    let column = user_column(who);
    let query = format!("{column}={who}");
    list("sys_user", &query, "sys_id,user_name", 2)
}

fn user_column(who: &str) -> &'static str {
    match is_sys_id(who) {
        true => "sys_id",
        false => "user_name",
    }
}

/// The user that was asked for; `option` names the key that says who.
pub(super) fn user_in(found: &Response, option: &str, who: &str) -> Result<Value, Refusal> {
    let what = format!("{option} {who:?}");
    let all = rows(found).map_err(stop_if_rejected(&what))?;
    let column = user_column(who);
    let mut same = all
        .into_iter()
        .filter(|row| same_user(field(row, column), who));
    same.next()
        .ok_or_else(|| Refusal::Stop(format!("{what} is no user, or hidden from us")))
}

/// What a query would act upon, or execute.
pub(super) fn odd(value: &str) -> bool {
    let lower = value.to_ascii_lowercase();
    value.contains(['^', '\n', '\r']) || lower.contains("javascript:")
}

/// A write to the table, or to one record of it.
pub(super) fn send(
    method: &'static str,
    s: &ItsmSettings,
    id: Option<&str>,
    body: &Map<String, Value>,
) -> Verdict {
    let mut path = format!("api/now/v2/table/{}", s.options.text("table"));
    if let Some(id) = id {
        path = format!("{path}/{}", sys_id(id)?);
    }
    Ok(Next::Send(Request {
        method,
        path,
        query: [
            ("sysparm_fields", "sys_id,number"),
            ("sysparm_exclude_reference_link", "true"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec(),
        headers: json_headers(),
        body: Value::from(body.clone()).to_string().into_bytes(),
        writes: true,
    }))
}

/// The `result` of a good answer, or the refusal that a bad one is.
fn result(response: &Response) -> Result<Value, Refusal> {
    let parsed = serde_json::from_slice::<Value>(&response.body);
    match response.status {
        200..=299 => match parsed {
            Ok(mut body) => match body.get_mut("result").map(Value::take) {
                Some(result) => Ok(result),
                None => Err(retry(&told(response, Some(&body)))),
            },
            // An instance that sleeps, or a page to log in at: whatever it is, it is no answer.
            Err(_) => Err(retry(&told(response, None))),
        },
        401 => Err(Refusal::Login),
        // A page with 404 is that of a proxy, or of an instance that is away; the API tells why.
        404 if parsed.is_err() => Err(retry(&told(response, None))),
        300..=399 | 408 | 425 | 429 | 500..=599 => Err(Refusal::Retry {
            not_before: retry_after(response),
            why: told(response, parsed.ok().as_ref()),
        }),
        _ => Err(Refusal::Reject(told(response, parsed.ok().as_ref()))),
    }
}

/// What went wrong, from `{"error":{"message","detail"},"status":"failure"}`.
fn told(response: &Response, body: Option<&Value>) -> String {
    let error = body.and_then(|b| b.get("error"));
    let part = |name: &str| {
        let text = error.and_then(|e| e.get(name)).and_then(Value::as_str);
        let words: Vec<&str> = text.unwrap_or_default().split_whitespace().collect();
        words.join(" ")
    };
    let (message, detail) = (part("message"), part("detail"));
    let text = match (message.is_empty(), detail.is_empty()) {
        (false, false) => format!("{message}: {detail}"),
        (false, true) => message,
        (true, false) => detail,
        (true, true) if response.status >= 300 && body.is_some_and(is_empty) => {
            said_or_meant(response.status, "")
        }
        (true, true) if body.is_some() => "an answer without result".to_owned(),
        (true, true) => "no JSON; an instance that sleeps, or a page to log in at".to_owned(),
    };
    let text = sent_on(response).unwrap_or_else(|| cut(&text, 300));
    format!("{}: {text}", response.status)
}

fn is_empty(body: &Value) -> bool {
    body.as_object().is_some_and(Map::is_empty)
}

/// The rows of an answer.
pub(super) fn rows(response: &Response) -> Result<Vec<Value>, Refusal> {
    match result(response)? {
        Value::Array(rows) => Ok(rows),
        _other => Err(retry("an answer without rows")),
    }
}

/// The one record of an answer to a write.
pub(super) fn record(response: &Response) -> Result<Value, Refusal> {
    match result(response)? {
        row @ Value::Object(_) => Ok(row),
        _other => Err(retry("an answer without a record")),
    }
}

/// A write was taken by the record that it was for.
pub(super) fn accepted(id: &str, response: &Response) -> Result<(), Refusal> {
    let row = record(response)?;
    match field(&row, "sys_id").eq_ignore_ascii_case(sys_id(id)?) {
        true => Ok(()),
        false => Err(retry("the answer is about another record")),
    }
}

/// How many rows there are, those included that we may not see.
pub(super) fn total(response: &Response) -> Option<u64> {
    response.header("x-total-count")?.trim().parse().ok()
}

/// The ticket that was read.
pub(super) fn row(id: &str, response: &Response) -> Result<Value, Refusal> {
    let wanted = sys_id(id)?;
    let all = rows(response)?;
    let none = all.is_empty();
    let mut same = all
        .into_iter()
        .filter(|r| field(r, "sys_id").eq_ignore_ascii_case(wanted));
    match same.next() {
        Some(row) => Ok(row),
        None if !none => Err(Refusal::Stop(
            "a search by sys_id answers other records".to_owned(),
        )),
        None if total(response) == Some(0) => Err(Refusal::Gone(String::new())),
        // A new ticket beside one that is only hidden would be a second one.
        None => Err(Refusal::Reject(format!(
            "ticket {} is hidden from our user",
            crate::itsm::shown(id)
        ))),
    }
}

pub(super) fn seen(
    s: &ItsmSettings,
    facts: &Facts,
    id: &str,
    response: &Response,
) -> Result<Seen, Refusal> {
    judge(s, facts, &row(id, response)?)
}

/// State and touch of a ticket. Touched: somebody has it, or changed it last, or it was moved on by anybody
/// but us (a rule of the tool may have come after the person; what we reopened ourselves is in progress).
pub(super) fn judge(s: &ItsmSettings, facts: &Facts, row: &Value) -> Result<Seen, Refusal> {
    let number = field(row, "state");
    if number.is_empty() {
        return Err(retry("a ticket without state"));
    }
    let is = |list: &str| s.options.list(list).iter().any(|w| w == number);
    let state = match number {
        _ if number == s.options.text("resolved_state") => TicketState::Resolved,
        _ if is("closed_states") => TicketState::Closed,
        _ if is("on_hold_states") => TicketState::OnHold,
        _ if is("new_states") => TicketState::New,
        _ => TicketState::Open,
    };
    let owner = field(row, "assigned_to");
    let taken = !owner.is_empty() && !same_user(owner, facts.get("account_id"));
    let last = field(row, "sys_updated_by");
    let ours = last.is_empty() || is_us(s, facts, last);
    let rule = s.options.list("automation_accounts");
    let edited = !ours && !rule.iter().any(|r| same_user(r, last));
    let again = field(row, "reopened_by");
    let reopened =
        !again.is_empty() && (same_user(again, facts.get("account_id")) || is_us(s, facts, again));
    let moved = match state {
        TicketState::Open => !ours && !reopened,
        TicketState::OnHold => true,
        TicketState::New | TicketState::Resolved | TicketState::Closed => false,
    };
    Ok(Seen {
        state,
        touched: taken || edited || moved,
        owner: if taken {
            owner.to_owned()
        } else {
            String::new()
        },
        dropped: Vec::new(),
    })
}

pub(super) fn is_us(s: &ItsmSettings, facts: &Facts, user: &str) -> bool {
    let ours = match facts.get("account_name") {
        "" => s.options.text("account"),
        name => name,
    };
    same_user(user, ours)
}

pub(super) fn same_user(a: &str, b: &str) -> bool {
    a.eq_ignore_ascii_case(b)
}
