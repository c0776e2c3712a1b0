//! Event sources: bytes to events. One file per kind, one row per kind in [`KINDS`].

pub mod generic;
pub mod grafana;
pub mod icinga;
pub mod nagios;
pub mod prometheus;
pub mod solarwinds;
pub mod zabbix;

pub(crate) mod macros;
mod read;

use crate::config::keys::{Key, Settings};
use crate::model::{Event, Millis};

/// The kinds of source.
pub static KINDS: &[Source] = &[
    generic::SOURCE,
    grafana::SOURCE,
    icinga::SOURCE,
    nagios::SOURCE,
    prometheus::SOURCE,
    solarwinds::SOURCE,
    zabbix::SOURCE,
];

/// A kind of source: a row of plain functions, so that it can keep neither connection nor secret.
#[derive(Clone, Copy, Debug)]
pub struct Source {
    /// The word of `[[source]] kind`.
    pub kind: &'static str,
    /// The keys that only this kind reads.
    pub keys: &'static [Key],
    /// Turns one body into events. Never panics, whatever the bytes.
    pub decode: fn(&SourceSettings, &Body<'_>, &mut Decoded),
    /// Whether senders of this kind read what became of each event in the answer.
    pub reads_answer: bool,
    /// The labels that identify an alert of this kind; empty: all that are not ignored. A kind sets it when
    /// the sender has an id of its own for each firing.
    pub identity: &'static [&'static str],
    /// Where each firing has an id of its own: the labels that tell that the same condition fires again.
    /// Such an alert returns to the incident of the firing before it. Empty: nothing tells.
    pub condition: &'static [&'static str],
    /// Names that its events carry, so that a rule which asks for others can be told.
    pub says: Says,
    /// Whether it may hold back what needs something that is down (parents, dependencies, services of a host
    /// that is down): the silence of such a CI is unknown then.
    pub holds_back: bool,
    /// Whether senders of this kind always do so: they tell nothing of what needs a host while they see that host
    /// down.
    pub hides_dependents: bool,
}

/// Names that the events of a kind carry. A name that ends in `*` stands for all that begin so.
#[derive(Clone, Copy, Debug)]
pub struct Says {
    /// Of labels.
    pub labels: &'static [&'static str],
    /// Of texts for people (annotations).
    pub texts: &'static [&'static str],
}

/// The kind named `kind`.
pub fn kind(kind: &str) -> Option<&'static Source> {
    KINDS.iter().find(|k| k.kind == kind)
}

/// A configured source, as a decoder sees it.
#[derive(Clone, Debug, Default)]
pub struct SourceSettings {
    /// Its name in the configuration and in the intake path.
    pub name: String,
    /// Values of the kind's own keys.
    pub options: Settings,
}

/// One request body, as it came.
#[derive(Clone, Copy, Debug)]
pub struct Body<'a> {
    /// The path after `/v1/events/<source>`, without slashes at its ends: `""`, `"api/v2/alerts"`.
    pub tail: &'a str,
    /// The `Content-Type` header, empty if none.
    pub content_type: &'a str,
    /// The bytes; already bounded by the listener.
    pub bytes: &'a [u8],
    /// When it arrived, by our clock.
    pub received_at: Millis,
}

/// What became of a body: the good ones are kept even where others are bad.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decoded {
    /// Position in the body (from 0) and event, in the order in which they are to be applied.
    pub events: Vec<(u32, Event)>,
    /// Position and reason of what was refused.
    pub rejects: Vec<(u32, String)>,
    /// Positions of what was well-formed and is left out on purpose, with the reason (SOFT states).
    pub ignored: Vec<(u32, &'static str)>,
    /// The whole body is unusable: nothing else is set.
    pub refused: Option<Refused>,
    /// Things an operator should know (truncated alert lists); at most a handful.
    pub warnings: Vec<String>,
}

/// Why a whole body cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// Answered 400.
    BadBody(String),
    /// Answered 415.
    MediaType(String),
    /// Answered 404: this kind has nothing at that path.
    UnknownPath(String),
}

impl Refused {
    /// The reason.
    pub fn text(&self) -> &str {
        match self {
            Refused::BadBody(why) | Refused::MediaType(why) | Refused::UnknownPath(why) => why,
        }
    }
}

/// Limits of one event, so that a hostile sender cannot make a single alert weigh megabytes.
pub mod limits {
    /// Labels on one event.
    pub const LABELS: usize = 256;
    /// Bytes of a label name.
    pub const LABEL_NAME: usize = 256;
    /// Bytes of a label value.
    pub const LABEL_VALUE: usize = 4096;
    /// Bytes of one annotation; longer text is cut and ends in "...".
    pub const ANNOTATION: usize = 4096;
    /// Annotations on one event; the rest is left out.
    pub const ANNOTATIONS: usize = 64;
    /// Events in one body; the rest is rejected one by one.
    pub const EVENTS: usize = 10_000;
}

/// The fields of a form with their escapes undone.
pub fn form_pairs(bytes: &[u8]) -> Vec<(String, String)> {
    read::form(bytes)
}

/// A form with its escapes undone, one field a line; for people who look at what was refused.
pub fn form_text(bytes: &[u8]) -> String {
    let lines = read::form(bytes)
        .into_iter()
        .map(|(name, value)| format!("{name}={value}\n"));
    lines.collect()
}

/// Refuses a body that was posted below the source; for kinds that have one address.
pub(crate) fn at_the_source(kind: &str, body: &Body<'_>, out: &mut Decoded) -> bool {
    if body.tail.is_empty() {
        return true;
    }
    let text = format!(
        "kind {kind} has nothing at {:?}; post to the source itself",
        body.tail
    );
    out.refused = Some(Refused::UnknownPath(text));
    false
}

/// Takes a label or annotation value as text; numbers and booleans as they are written.
pub(crate) fn scalar(value: &serde_json::Value) -> Option<String> {
    use serde_json::Value;
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(yes) => Some(yes.to_string()),
        Value::Null => Some(String::new()),
        Value::Array(_) | Value::Object(_) => None,
    }
}

/// The media type of a `Content-Type` header, lower case, without parameters.
pub(crate) fn media_type(content_type: &str) -> String {
    let bare = content_type.split(';').next().unwrap_or_default();
    bare.trim().to_lowercase()
}
