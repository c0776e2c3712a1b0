//! A recording: what senders posted and what people planned, one JSON object a line, in the order of arrival.

use crate::model::Millis;
use crate::record::{ChangeV1, MaintenanceV1, Record};
use serde_json::{Map, Value};
use std::io::BufRead;
use std::path::Path;

/// A line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// When it arrived.
    pub(super) at: Millis,
    /// What it is.
    pub(super) what: What,
}

/// What a line is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// A body that was posted.
    Body {
        /// Its id in the recording; may be empty.
        id: String,
        /// Name of the source it was posted to.
        source: String,
        /// The path below the source.
        tail: String,
        /// The `Content-Type` header.
        content_type: String,
        /// The body.
        body: Vec<u8>,
    },
    /// A maintenance window or a change of a CI.
    Told(Box<Record>),
}

/// Reads a recording.
///
/// # Errors
/// The first line that is wrong, and how.
pub(super) fn read(file: &Path) -> Result<Vec<Line>, String> {
    let shown = file.display();
    let opened = std::fs::File::open(file).map_err(|e| format!("{shown}: {e}"))?;
    let mut out = Vec::new();
    for (n, line) in (1u64..).zip(std::io::BufReader::new(opened).lines()) {
        let line = line.map_err(|e| format!("{shown}:{n}: {e}"))?;
        if !line.trim().is_empty() {
            out.push(parse(&line).map_err(|why| format!("{shown}:{n}: {why}"))?);
        }
    }
    Ok(out)
}

fn parse(line: &str) -> Result<Line, String> {
    let value: Value = serde_json::from_str(line).map_err(|e| e.to_string())?;
    let map = value.as_object().ok_or("is no JSON object")?;
    let at = moment(map, "at")?;
    let what = match (map.get("maintenance"), map.get("change")) {
        (Some(told), None) => What::Told(Box::new(maintenance(told)?)),
        (None, Some(told)) => What::Told(Box::new(change(at, told)?)),
        (None, None) => What::Body {
            id: optional(map, "id"),
            source: text(map, "source")?,
            tail: optional(map, "tail"),
            content_type: optional(map, "content_type"),
            body: match map.get("body") {
                Some(Value::String(body)) => body.clone().into_bytes(),
                Some(other) => other.to_string().into_bytes(),
                None => return Err("has no body".to_owned()),
            },
        },
        (Some(_), Some(_)) => return Err("is both maintenance and change".to_owned()),
    };
    Ok(Line { at, what })
}

fn maintenance(told: &Value) -> Result<Record, String> {
    let map = told.as_object().ok_or("maintenance: is no JSON object")?;
    Ok(Record::Maintenance(MaintenanceV1 {
        id: text(map, "id")?,
        ci: text(map, "ci")?,
        from: moment(map, "from")?,
        to: moment(map, "to")?,
        include_dependents: map
            .get("include_dependents")
            .and_then(Value::as_bool)
            .unwrap_or(false),
    }))
}

fn change(at: Millis, told: &Value) -> Result<Record, String> {
    let map = told.as_object().ok_or("change: is no JSON object")?;
    Ok(Record::Change(ChangeV1 {
        id: text(map, "id")?,
        ci: text(map, "ci")?,
        at: match map.contains_key("at") {
            true => moment(map, "at")?,
            false => at,
        },
        summary: optional(map, "summary"),
    }))
}

fn optional(map: &Map<String, Value>, name: &str) -> String {
    let found = map.get(name).and_then(Value::as_str);
    found.unwrap_or_default().to_owned()
}

fn text(map: &Map<String, Value>, name: &str) -> Result<String, String> {
    let found = map.get(name).and_then(Value::as_str);
    found
        .map(str::to_owned)
        .ok_or_else(|| format!("{name}: there must be a text"))
}

fn moment(map: &Map<String, Value>, name: &str) -> Result<Millis, String> {
    let word = text(map, name)?;
    let parsed: Result<jiff::Timestamp, _> = word.parse();
    parsed
        .map(|t| Millis(t.as_millisecond()))
        .map_err(|_| format!("{name}: {word:?} is no moment like 2026-01-01T00:00:00.000Z"))
}
