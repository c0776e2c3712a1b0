//! Kind `icinga`: what a notification command of Icinga 2 sends (macros, as JSON or form), and lines of its
//! API's event stream.
//!
//! Facts seen on the wire (Icinga 2.13.6):
//! * The names of a notification command are free; the sample configuration uses those of Nagios, but
//!   `SERVICELASTSTATECHANGE` for `LASTSERVICESTATECHANGE`. Types say FLAPPINGEND, not FLAPPINGSTOP.
//! * A line of the event stream is one object with `type`. `state_type` 0 is soft, 1 is hard; hosts have the
//!   states 0 and 1, services 0 to 3; times are seconds with a fraction.
//! * A stream is not replayed: what was sent while nobody listened is lost, so `expire_after` or the
//!   notification command should stand beside it.

use super::{
    Body, Decoded, Refused, Says, Source, SourceSettings, limits, macros, media_type, read, scalar,
};
use crate::model::{Event, EventState, Labels, Millis, cut};
use serde_json::{Map, Value};

/// The row of this kind.
pub const SOURCE: Source = Source {
    kind: "icinga",
    keys: macros::KEYS,
    decode,
    reads_answer: false,
    identity: &[],
    condition: &[],
    says: Says {
        labels: macros::LABELS,
        texts: macros::TEXTS,
    },
    holds_back: true,
    hides_dependents: true,
};

fn decode(settings: &SourceSettings, body: &Body<'_>, out: &mut Decoded) {
    let lines = matches!(
        media_type(body.content_type).as_str(),
        "application/x-ndjson" | "application/ndjson"
    );
    if body.tail.is_empty() && (lines || is_stream(body.bytes)) {
        return stream(settings, body, out);
    }
    macros::decode("icinga", settings, body, out);
}

/// Whether the first line is an object of the event stream.
fn is_stream(bytes: &[u8]) -> bool {
    let first = read::json_lines(bytes).next();
    let first = first.and_then(|(_, value)| value.ok());
    first.is_some_and(|v| v.get("type").is_some() && v.get("timestamp").is_some())
}

fn stream(settings: &SourceSettings, body: &Body<'_>, out: &mut Decoded) {
    let mut any = false;
    for (n, value) in read::json_lines(body.bytes) {
        any = true;
        let told = match value {
            _ if usize::try_from(n).is_ok_and(|n| n >= limits::EVENTS) => {
                Err(format!("more than {} lines in one body", limits::EVENTS))
            }
            Ok(Value::Object(line)) => told(settings, body, &line),
            Ok(_) => Err("the line is no object".to_owned()),
            Err(why) => Err(why),
        };
        match told {
            Ok(Told::Event(event)) => out.events.push((n, *event)),
            Ok(Told::Ignored(why)) => out.ignored.push((n, why)),
            Err(why) => out.rejects.push((n, why)),
        }
    }
    if !any {
        out.refused = Some(Refused::BadBody("the body is empty".to_owned()));
    }
}

enum Told {
    Event(Box<Event>),
    Ignored(&'static str),
}

fn told(
    settings: &SourceSettings,
    body: &Body<'_>,
    line: &Map<String, Value>,
) -> Result<Told, String> {
    let text = |name: &str| line.get(name).and_then(scalar).filter(|v| !v.is_empty());
    let kind = text("type").ok_or("type: missing")?;
    match kind.as_str() {
        "StateChange" | "Notification" | "AcknowledgementSet" => {}
        "DowntimeStarted" | "DowntimeRemoved" => return downtime(body, line).map(Told::Event),
        "CheckResult" => return Ok(Told::Ignored("check result")),
        "AcknowledgementCleared" => return Ok(Told::Ignored("acknowledgement cleared")),
        "Flapping" | "FlappingStart" | "FlappingEnd" => return Ok(Told::Ignored("flapping")),
        "CommentAdded" | "CommentRemoved" => return Ok(Told::Ignored("comment")),
        "DowntimeAdded" | "DowntimeTriggered" => return Ok(Told::Ignored("downtime")),
        "ObjectCreated" | "ObjectModified" | "ObjectDeleted" => {
            return Ok(Told::Ignored("configuration"));
        }
        // Later versions tell more; what has no state is no alert.
        _ => return Ok(Told::Ignored("event type without a state")),
    }
    let host = text("host").ok_or("host: missing")?;
    let service = text("service");
    let result = line.get("check_result");
    // A notification has its state in the result of the check only.
    let state = line
        .get("state")
        .or_else(|| result.and_then(|r| r.get("state")));
    let after = result.and_then(|r| r.get("vars_after"));
    let hard = line
        .get("state_type")
        .or_else(|| after.and_then(|v| v.get("state_type")));
    let word = match (whole(state), &service) {
        (Some(0), Some(_)) => "ok",
        (Some(1), Some(_)) => "warning",
        (Some(2), Some(_)) => "critical",
        (Some(3), Some(_)) => "unknown",
        (Some(0), None) => "up",
        // The result of a host's check has the plugin's code, of which 1 still means up.
        (Some(1), None) if kind == "Notification" => "up",
        (Some(_), None) => "down",
        (_, _) => return Err("state: missing or unknown".to_owned()),
    };
    let soft = whole(hard) == Some(0);
    if soft && !settings.options.bool("soft") {
        return Ok(Told::Ignored("SOFT state"));
    }
    let notification = text("notification_type").unwrap_or_default();
    let state = match (kind.as_str(), notification.as_str()) {
        (_, "DOWNTIMESTART" | "FLAPPINGSTART") => EventState::Note,
        _ if matches!(word, "ok" | "up") => EventState::Resolved,
        ("AcknowledgementSet", _) | (_, "ACKNOWLEDGEMENT") => EventState::Acknowledged,
        (_, "CUSTOM") => EventState::Note,
        (_, _) => EventState::Firing,
    };
    let mut annotations = Labels::new();
    let output = result.and_then(|r| r.get("output")).and_then(scalar);
    for (name, value) in [
        ("output", output),
        ("author", text("author")),
        ("comment", text("text").or_else(|| text("comment"))),
        ("action", text("notification_type")),
    ] {
        if let Some(value) = value.filter(|v| !v.is_empty()) {
            annotations.set(name, &cut(&value, limits::ANNOTATION));
        }
    }
    let at = moment(line.get("timestamp")).unwrap_or(body.received_at);
    let mut event = about(&host, service.as_deref(), state, at);
    event.severity_word = word.to_owned();
    event.annotations = annotations;
    let firing = state == EventState::Firing;
    let expire = settings.options.opt_duration("expire_after");
    if firing {
        event.valid_until = expire.map(|after| body.received_at.plus(after));
    }
    Ok(Told::Event(Box::new(event)))
}

fn downtime(body: &Body<'_>, line: &Map<String, Value>) -> Result<Box<Event>, String> {
    let downtime = line.get("downtime").ok_or("downtime: missing")?;
    let text = |name: &str| {
        downtime
            .get(name)
            .and_then(scalar)
            .filter(|v| !v.is_empty())
    };
    let host = text("host_name").ok_or("downtime.host_name: missing")?;
    let at = moment(line.get("timestamp")).unwrap_or(body.received_at);
    let mut event = about(&host, text("service_name").as_deref(), EventState::Note, at);
    for (name, value) in [("author", text("author")), ("comment", text("comment"))] {
        if let Some(value) = value {
            event
                .annotations
                .set(name, &cut(&value, limits::ANNOTATION));
        }
    }
    Ok(Box::new(event))
}

/// An event about a host or a service, known by the same labels as from a notification.
fn about(host: &str, service: Option<&str>, state: EventState, at: Millis) -> Event {
    // Whole seconds, as macros have them: the two roads must meet.
    let episode = at.0.div_euclid(1000).saturating_mul(1000);
    let resolved = state == EventState::Resolved;
    Event {
        state,
        labels: [("host", Some(host)), ("service", service)]
            .into_iter()
            .filter_map(|(n, v)| Some((n, cut(v?, limits::LABEL_VALUE))))
            .collect(),
        annotations: Labels::new(),
        severity_word: String::new(),
        episode,
        closes: if resolved {
            episode.saturating_sub(1)
        } else {
            episode
        },
        starts_at: (!resolved).then_some(at),
        valid_until: resolved.then_some(at),
        sender: String::new(),
        link: String::new(),
    }
}

/// A whole number, also where it is written as `1.0`.
fn whole(value: Option<&Value>) -> Option<i64> {
    let text = value?.to_string();
    text.trim_end_matches(".0").parse().ok()
}

/// Seconds since 1970 with a fraction, as milliseconds.
fn moment(value: Option<&Value>) -> Option<Millis> {
    let text = value?.to_string();
    let (seconds, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let seconds: i64 = seconds.parse().ok().filter(|s| *s > 0)?;
    let millis: String = fraction.chars().chain("000".chars()).take(3).collect();
    let millis: i64 = millis.parse().ok()?;
    Some(Millis(seconds.saturating_mul(1000).saturating_add(millis)))
}
