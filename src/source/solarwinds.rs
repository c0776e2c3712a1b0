//! Kind `solarwinds`: the body of `config/solarwinds/`, sent by the alert action "Send a GET or POST Request to
//! a Web Server" when an alert triggers, and by a second one when it resets.
//!
//! Facts (documentation of the Orion Platform and public integrations; nothing was captured):
//! * There is no body of its own: the action sends what was typed after its variables were replaced, so the
//!   body has a constant that tells trigger from reset.
//! * Values are not escaped for JSON: a quote or a line end in a message breaks it. Such a body is read field
//!   by field, because every name in it is known.
//! * `AlertObjectID` stands for an alert definition on an object and survives resets; `AlertActiveID` is one
//!   activation, and may be unknown to the reset action.
//! * The number of a severity is not its order: 0 information, 1 warning, 2 critical, 3 serious, 4 notice.
//! * Nothing is sent again, so "repeat every X minutes" is recommended: repeats are normal.

use super::{
    Body, Decoded, Refused, Says, Source, SourceSettings, at_the_source, limits, media_type, read,
    scalar,
};
use crate::config::keys::{Key, KeyKind, Preset};
use crate::model::{Event, EventState, Labels, cut};
use serde_json::Value;
use std::collections::BTreeMap;

/// The row of this kind.
pub const SOURCE: Source = Source {
    kind: "solarwinds",
    keys: &[Key {
        name: "expire_after",
        kind: KeyKind::Duration,
        default: Preset::Absent,
        doc: "an alert that is not repeated for this long is over; longer than the repeat of the action",
    }],
    decode,
    reads_answer: false,
    identity: &["alert_object_id"],
    condition: &[],
    says: Says {
        labels: &[
            "alert_object_id",
            "alertname",
            "host",
            "entity",
            "object_type",
        ],
        texts: &["summary", "description", "address", "fqdn", "author"],
    },
    holds_back: true,
    hides_dependents: false,
};

/// The names of the documented body.
const NAMES: [&str; 16] = [
    "schema",
    "event_type",
    "alert_object_id",
    "alert_active_id",
    "alert_id",
    "alert_name",
    "alert_description",
    "severity",
    "object_type",
    "message",
    "url",
    "node",
    "entity",
    "ip",
    "dns",
    "acknowledged_by",
];

type Fields = BTreeMap<String, String>;

fn decode(settings: &SourceSettings, body: &Body<'_>, out: &mut Decoded) {
    if !at_the_source("solarwinds", body, out) {
        return;
    }
    let form = media_type(body.content_type) == "application/x-www-form-urlencoded";
    // The action says form by default, whatever was typed into its body.
    let looks_like_json = body.bytes.trim_ascii_start().starts_with(b"{");
    let fields = match form && !looks_like_json {
        true => Ok(read::form(body.bytes).into_iter().collect()),
        false => json(body.bytes, out),
    };
    match fields.and_then(|fields: Fields| event(settings, body, &fields)) {
        Ok(event) => out.events.push((0, event)),
        Err(why) => out.refused = Some(Refused::BadBody(why)),
    }
}

fn json(bytes: &[u8], out: &mut Decoded) -> Result<Fields, String> {
    if bytes.is_empty() {
        return Err("the body is empty".to_owned());
    }
    if let Ok(value) = serde_json::from_slice::<Value>(bytes) {
        let map = value.as_object().ok_or("the body is no object")?;
        let fields = map
            .iter()
            .filter_map(|(n, v)| Some((n.clone(), scalar(v)?)));
        return Ok(fields.collect());
    }
    let fields = broken(&String::from_utf8_lossy(bytes));
    match fields.contains_key("event_type") {
        true => {
            out.warnings.push(
                "a value broke the JSON of the body (a quote or a line end in it); it was read field by field"
                    .to_owned(),
            );
            Ok(fields)
        }
        false => Err("neither JSON nor a form, and no event_type in it".to_owned()),
    }
}

/// Reads `"name": "value"` pairs by the known names: a value ends where the next known name begins.
fn broken(text: &str) -> Fields {
    let mut starts: Vec<(usize, usize, &str)> = Vec::new();
    for name in NAMES {
        let quoted = format!("\"{name}\"");
        let found = text.match_indices(&quoted).find_map(|(at, _)| {
            let rest = text.get(at.saturating_add(quoted.len())..)?;
            let value = rest
                .trim_start()
                .strip_prefix(':')?
                .trim_start()
                .strip_prefix('"')?;
            Some((at, text.len().saturating_sub(value.len())))
        });
        starts.extend(found.map(|(at, value)| (at, value, name)));
    }
    starts.sort_unstable();
    let ends = starts.iter().skip(1).map(|s| s.0).chain([text.len()]);
    let mut out = Fields::new();
    for ((_, from, name), end) in starts.iter().zip(ends) {
        let raw = text.get(*from..end).unwrap_or_default();
        let raw = raw.trim_end_matches(|c: char| c == '}' || c == ',' || c.is_whitespace());
        let raw = raw.strip_suffix('"').unwrap_or(raw);
        out.insert((*name).to_owned(), raw.to_owned());
    }
    out
}

fn event(settings: &SourceSettings, body: &Body<'_>, fields: &Fields) -> Result<Event, String> {
    let get = |name: &str| {
        let value = fields.get(name).map(|v| v.trim());
        // A variable that means nothing here stays as it was typed.
        value.filter(|v| !(v.is_empty() || v.starts_with("${") && v.ends_with('}')))
    };
    let kind =
        get("event_type").ok_or("event_type: missing; send the body of config/solarwinds")?;
    let state = match kind.to_uppercase().as_str() {
        "TRIGGER" | "TRIGGERED" | "ALERT" => EventState::Firing,
        "RESET" | "CLEAR" | "CLEARED" => EventState::Resolved,
        "ACKNOWLEDGE" | "ACKNOWLEDGED" => EventState::Acknowledged,
        "TEST" => EventState::Test,
        other => {
            return Err(format!(
                "event_type: {:?} is neither TRIGGER nor RESET",
                cut(other, 60)
            ));
        }
    };
    // "Test action" runs without an alert: no variable has a value.
    let state = match get("alert_object_id").or_else(|| get("alert_name")) {
        None if fields.contains_key("alert_object_id") => EventState::Test,
        None => {
            return Err("alert_object_id: missing; send the body of config/solarwinds".to_owned());
        }
        Some(_) => state,
    };
    let mut labels = Labels::new();
    for (label, name) in [
        ("alert_object_id", "alert_object_id"),
        ("alertname", "alert_name"),
        ("host", "node"),
        ("entity", "entity"),
        ("object_type", "object_type"),
    ] {
        if let Some(value) = get(name) {
            labels.set(label, &cut(value, limits::LABEL_VALUE));
        }
    }
    let mut annotations = Labels::new();
    for (annotation, name) in [
        ("summary", "message"),
        ("description", "alert_description"),
        ("address", "ip"),
        ("fqdn", "dns"),
        ("author", "acknowledged_by"),
    ] {
        if let Some(value) = get(name) {
            annotations.set(annotation, &cut(value, limits::ANNOTATION));
        }
    }
    let activation = get("alert_active_id").and_then(|id| id.parse::<i64>().ok());
    let resolved = state == EventState::Resolved;
    // A reset that does not know its activation ends the one there is, and closes none by number.
    let (episode, closes) = match activation {
        Some(id) => (id, id),
        None if resolved => (i64::MAX, i64::MIN.saturating_add(1)),
        None => (body.received_at.0, body.received_at.0),
    };
    let expire = settings.options.opt_duration("expire_after");
    let link = get("url")
        .filter(|u| u.starts_with("http"))
        .unwrap_or_default();
    Ok(Event {
        state,
        labels,
        annotations,
        severity_word: severity(get("severity").unwrap_or_default()),
        episode,
        closes,
        starts_at: (!resolved).then_some(body.received_at),
        valid_until: expire
            .filter(|_| state == EventState::Firing)
            .map(|after| body.received_at.plus(after)),
        sender: String::new(),
        link: cut(link, limits::LABEL_VALUE),
    })
}

/// Name or number, in the words of the glossary.
fn severity(word: &str) -> String {
    match word.to_lowercase().as_str() {
        "0" | "informational" => "information".to_owned(),
        "1" => "warning".to_owned(),
        "2" => "critical".to_owned(),
        "3" | "serious" => "major".to_owned(),
        "4" => "notice".to_owned(),
        other => other.to_owned(),
    }
}
