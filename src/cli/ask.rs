//! Questions to the running daemon, over its admin socket.

use super::print;
use serde_json::Value;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// Time for an answer; a reload reads the CMDB.
const WAIT: Duration = Duration::from_secs(130);
/// Bytes of an answer.
const MAX_ANSWER: u64 = 64 << 20;

fn exchange(socket: &str, method: &str, path: &str, body: &str) -> Result<Value, String> {
    let wrong = |e: &dyn std::fmt::Display| {
        format!("{socket}: {e}; does correlated run, and may you use its socket")
    };
    let mut stream = UnixStream::connect(socket).map_err(|e| wrong(&e))?;
    stream.set_read_timeout(Some(WAIT)).map_err(|e| wrong(&e))?;
    let request = format!(
        "{method} /{path} HTTP/1.1\r\nHost: admin\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream
        .write_all(request.as_bytes())
        .map_err(|e| wrong(&e))?;
    let mut answer = Vec::new();
    stream
        .take(MAX_ANSWER)
        .read_to_end(&mut answer)
        .map_err(|e| wrong(&e))?;
    let text = String::from_utf8_lossy(&answer);
    let (head, body) = text
        .split_once("\r\n\r\n")
        .ok_or_else(|| wrong(&"no answer"))?;
    let value: Value = serde_json::from_str(body).map_err(|e| wrong(&e))?;
    match head.split(' ').nth(1) {
        Some("200") => Ok(value),
        _ => Err(text_of(&value, "error").to_owned()),
    }
}

pub(super) fn text_of<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

pub(super) fn number(value: &Value, key: &str) -> u64 {
    value.get(key).and_then(Value::as_u64).unwrap_or(0)
}

pub(super) fn names(value: &Value, key: &str) -> String {
    let list = value.get(key).and_then(Value::as_array);
    let names: Vec<&str> = list
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    names.join(", ")
}

/// `I000123 (4711)`: both ids, always.
pub(super) fn ids(incident: &Value) -> String {
    let tickets = incident.get("tickets").and_then(Value::as_array);
    let tickets: Vec<&str> = tickets
        .into_iter()
        .flatten()
        .map(|t| text_of(t, "ticket"))
        .filter(|t| !t.is_empty())
        .collect();
    match tickets.is_empty() {
        true => text_of(incident, "id").to_owned(),
        false => format!("{} ({})", text_of(incident, "id"), tickets.join(", ")),
    }
}

/// The answer to a question.
pub(super) fn fetch(socket: &str, path: &str) -> Result<Value, String> {
    exchange(socket, "GET", path, "")
}

/// The answer to a command.
pub(super) fn post(socket: &str, path: &str, body: &Value) -> Result<Value, String> {
    exchange(socket, "POST", path, &body.to_string())
}

pub(super) fn incidents(socket: &str, state: Option<&str>, json: bool) -> Result<(), String> {
    let path = match state {
        Some(state) => format!("v1/incidents?state={state}"),
        None => "v1/incidents".to_owned(),
    };
    let answer = exchange(socket, "GET", &path, "")?;
    if json {
        print(&format!("{answer:#}\n"));
        return Ok(());
    }
    print(&list(&answer));
    Ok(())
}

pub(super) fn chronic(socket: &str, json: bool) -> Result<(), String> {
    let answer = exchange(socket, "GET", "v1/chronic", "")?;
    if json {
        print(&format!("{answer:#}\n"));
        return Ok(());
    }
    let answer = shown(&answer);
    let rows = answer.get("chronic").and_then(Value::as_array);
    let mut out = String::new();
    for row in rows.into_iter().flatten() {
        out.push_str(&format!(
            "{} incidents  {}: {}\n",
            number(row, "incidents"),
            text_of(row, "ci"),
            text_of(row, "text"),
        ));
    }
    print(if out.is_empty() {
        "no chronic alerts\n"
    } else {
        &out
    });
    Ok(())
}

/// What senders wrote, safe on a terminal: control characters, and what turns the direction of writing, are shown as
/// the numbers that they are, so that no text begins a line of ours or colours it.
pub(super) fn shown(answer: &Value) -> Value {
    match answer {
        Value::String(text) => Value::from(escaped(text)),
        Value::Array(list) => list.iter().map(shown).collect(),
        Value::Object(map) => {
            let all = map.iter().map(|(name, v)| (name.clone(), shown(v)));
            Value::Object(all.collect())
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => answer.clone(),
    }
}

fn escaped(text: &str) -> String {
    let unsafe_one =
        |c: char| c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match unsafe_one(c) {
            true => out.extend(c.escape_default()),
            false => out.push(c),
        }
    }
    out
}

/// The list of incidents as people read it.
pub(super) fn list(answer: &Value) -> String {
    let answer = &shown(answer);
    let rows = answer.get("incidents").and_then(Value::as_array);
    let rows: Vec<&Value> = rows.into_iter().flatten().collect();
    if rows.is_empty() {
        return "no incidents\n".to_owned();
    }
    let mut out = String::new();
    for row in rows {
        let services = names(row, "services");
        let services = if services.is_empty() {
            String::new()
        } else {
            format!("; not working: {services}")
        };
        let why = text_of(row, "no_ticket_because");
        let why = if why.is_empty() {
            String::new()
        } else {
            format!("; no ticket: {why}")
        };
        out.push_str(&format!(
            "{}  {}  {}  cause {}: {} {}, {} live{services}{why}\n",
            ids(row),
            text_of(row, "priority"),
            text_of(row, "state"),
            text_of(row, "cause"),
            number(row, "alerts"),
            if number(row, "alerts") == 1 {
                "alert"
            } else {
                "alerts"
            },
            number(row, "live"),
        ));
    }
    out
}

pub(super) fn reload(socket: &str) -> Result<(), String> {
    exchange(socket, "POST", "v1/reload", "").map(|_| print("reloaded\n"))
}
