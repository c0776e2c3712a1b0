//! A recording: what senders posted and what people planned, one JSON object a line, in the order of arrival.

use crate::model::Millis;
use crate::record::{ChangeV1, MaintenanceV1, Record};
use jiff::SignedDuration;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::io::BufRead;
use std::path::Path;

/// So much may a line lie before the one before it: bodies that come together are not written in their order.
const APART: Millis = Millis::mins(1);

/// A recording that was read.
#[derive(Debug, Default)]
pub(super) struct Recording {
    /// Its file, for people.
    pub(super) file: String,
    /// Its lines.
    pub(super) lines: Vec<Line>,
    /// What people should know of it.
    pub(super) warnings: Vec<String>,
}

/// A line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// Its number in the file, from 1.
    pub(super) number: u64,
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

/// Why a line cannot be used: what stands behind its number.
struct Wrong {
    /// Nothing is wrong with it but that it ends too early.
    torn: bool,
    why: String,
}

/// Reads a recording. A last line that ends too early is left out with a warning: whoever wrote it was stopped.
///
/// # Errors
/// The first line that is wrong, and how.
pub(super) fn read(file: &Path) -> Result<Recording, String> {
    let shown = file.display();
    let opened = std::fs::File::open(file).map_err(|e| format!("{shown}: {e}"))?;
    let mut reader = std::io::BufReader::new(opened);
    let mut out = Recording {
        file: shown.to_string(),
        ..Recording::default()
    };
    let mut back = Back::default();
    for number in 1u64.. {
        let mut bytes = Vec::new();
        let read = reader.read_until(b'\n', &mut bytes);
        if read.map_err(|e| format!("{shown}:{number}: {e}"))? == 0 {
            break;
        }
        if bytes.trim_ascii().is_empty() {
            continue;
        }
        let wrong = match parse(number, &bytes) {
            Ok(line) => {
                back.line(number, line.at);
                out.lines.push(line);
                continue;
            }
            Err(wrong) => wrong,
        };
        let rest = reader.fill_buf();
        let last = rest
            .map_err(|e| format!("{shown}:{number}: {e}"))?
            .is_empty();
        if !(last && wrong.torn) {
            return Err(format!("{shown}:{number}:{}", wrong.why));
        }
        let text = format!("{shown}:{number}: the last line ends too early; it is left out");
        out.warnings.push(text);
    }
    if let Some(text) = back.text() {
        out.warnings.push(format!("{shown}:{text}"));
    }
    if let Some(text) = twice(&out.lines) {
        out.warnings.push(format!("{shown}:{text}"));
    }
    Ok(out)
}

/// Bodies that have the id of an earlier one: what became of events is told by these ids.
fn twice(lines: &[Line]) -> Option<String> {
    let mut seen: BTreeMap<&str, u64> = BTreeMap::new();
    let (mut first, mut more) = (None, 0u64);
    for line in lines {
        let What::Body { id, .. } = &line.what else {
            continue;
        };
        if id.is_empty() {
            continue;
        }
        let before = *seen.entry(id).or_insert(line.number);
        if before != line.number {
            first.get_or_insert((line.number, id, before));
            more = more.saturating_add(1);
        }
    }
    let (number, id, before) = first?;
    let so = match more {
        1 => "1 line is so".to_owned(),
        n => format!("{n} lines are so"),
    };
    Some(format!(
        "{number}: its id {id:?} is that of line {before} too, and what became of the two is told as one; {so}; give each line an id of its own, or none"
    ))
}

/// Lines whose time goes back. Played time does not: it stands still until it is reached again.
#[derive(Default)]
struct Back {
    before: Option<Millis>,
    latest: Option<Millis>,
    /// The first such line, and by how much.
    first: Option<(u64, Millis)>,
    lines: u64,
    still: u64,
}

impl Back {
    fn line(&mut self, number: u64, at: Millis) {
        let back = self.before.replace(at).map(|before| before.since(at));
        if let Some(back) = back.filter(|back| *back > APART) {
            self.first.get_or_insert((number, back));
            self.lines = self.lines.saturating_add(1);
        }
        let latest = *self.latest.get_or_insert(at);
        if latest.since(at) > APART {
            self.still = self.still.saturating_add(1);
        }
        self.latest = Some(latest.max(at));
    }

    fn text(&self) -> Option<String> {
        let (number, back) = self.first?;
        let back = SignedDuration::from_secs(back.0.div_euclid(1000));
        let so = match self.lines {
            1 => "1 line is so".to_owned(),
            n => format!("{n} lines are so"),
        };
        let still = match self.still {
            1 => "1 line".to_owned(),
            n => format!("{n} lines"),
        };
        Some(format!(
            "{number}: its time is {back:#} before the line before it; {so}; time stands still until it is reached again, for {still}"
        ))
    }
}

fn parse(number: u64, bytes: &[u8]) -> Result<Line, Wrong> {
    let whole = bytes.ends_with(b"\n");
    let bytes = bytes.trim_ascii_end();
    // Of bytes that are no text an end in the middle of a letter is no more than an early end.
    let text = std::str::from_utf8(bytes).map_err(|e| Wrong {
        torn: e.error_len().is_none() || !whole,
        why: format!("{}: is no UTF-8", e.valid_up_to().saturating_add(1)),
    })?;
    let value: Value = serde_json::from_str(text).map_err(|e| {
        let (place, why) = (
            format!(" at line {} column {}", e.line(), e.column()),
            e.to_string(),
        );
        Wrong {
            torn: e.is_eof() || !whole,
            why: format!("{}: {}", e.column(), why.trim_end_matches(&place)),
        }
    })?;
    line_of(number, &value).map_err(|why| Wrong {
        torn: false,
        why: format!(" {why}"),
    })
}

fn line_of(number: u64, value: &Value) -> Result<Line, String> {
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
    Ok(Line { number, at, what })
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
