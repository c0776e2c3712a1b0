//! Kind `prometheus`: Alertmanager's webhook (version 4), and the v2 alerts that Prometheus itself posts.
//!
//! Facts seen on the wire (Prometheus 2.42 and 3.5, Alertmanager 0.25 and 0.33):
//! * The state of a group says nothing: each alert of a webhook has its own `status`.
//! * `endsAt` of a firing webhook alert is `0001-01-01T00:00:00Z`, which means none.
//! * A webhook lists what the group holds now; absence from it never means resolved, least of all when
//!   `truncatedAlerts` is not 0.
//! * A direct alert has no status: it fires while `endsAt` lies ahead, and expires then if not repeated.
//! * Firing again moves `startsAt`; the same labels with an older `startsAt` are an older episode.

use super::{Body, Decoded, Refused, Says, Source, SourceSettings, limits, media_type, scalar};
use crate::config::keys::{Key, KeyKind, Preset};
use crate::model::{Event, EventState, Labels, Millis, cut};
use serde_json::{Map, Value};

/// The row of this kind.
pub const SOURCE: Source = Source {
    kind: "prometheus",
    keys: &[Key {
        name: "expire_after",
        kind: KeyKind::Duration,
        default: Preset::Absent,
        doc: "an alert of Alertmanager's webhook that is not repeated for this long is over; longer than its repeat_interval",
    }],
    decode,
    reads_answer: false,
    identity: &[],
    condition: &[],
    says: Says {
        labels: &["*"],
        texts: &["*"],
    },
    holds_back: true,
    hides_dependents: false,
};

/// `endsAt` of a direct alert that names none: Alertmanager's own resolve_timeout.
const DEFAULT_VALID: Millis = Millis::mins(5);
/// 9999-12-31T23:59:59Z: what people write for "never".
const NEVER: Millis = Millis(253_402_300_799_000);
/// Clocks of sender and receiver differ by a little.
const SKEW: Millis = Millis::secs(2);

fn decode(settings: &SourceSettings, body: &Body<'_>, out: &mut Decoded) {
    let direct = match body.tail {
        "" => false,
        "api/v2/alerts" => true,
        "api/v1/alerts" => {
            out.refused = Some(Refused::UnknownPath(
                "the v1 API is gone since Alertmanager 0.16; use /api/v2/alerts".to_owned(),
            ));
            return;
        }
        other => {
            let text = format!(
                "kind prometheus has nothing at {other:?}; post Alertmanager's webhook to the source itself, Prometheus to <source>/api/v2/alerts"
            );
            out.refused = Some(Refused::UnknownPath(text));
            return;
        }
    };
    match media_type(body.content_type).as_str() {
        "application/json" | "" => {}
        other => {
            out.refused = Some(Refused::MediaType(format!(
                "{other:?} is not application/json"
            )));
            return;
        }
    }
    if body.bytes.is_empty() {
        out.refused = Some(Refused::BadBody(
            "the body is empty; was the request redirected on its way".to_owned(),
        ));
        return;
    }
    let value: Value = match serde_json::from_slice(body.bytes) {
        Ok(value) => value,
        Err(why) => {
            out.refused = Some(Refused::BadBody(format!("not JSON: {why}")));
            return;
        }
    };
    let alerts = match alerts(&value, direct, out) {
        Ok(alerts) => alerts,
        Err(why) => {
            out.refused = Some(Refused::BadBody(why));
            return;
        }
    };
    let expire_after = settings.options.opt_duration("expire_after");
    for (n, alert) in (0u32..).zip(alerts) {
        if usize::try_from(n).is_ok_and(|n| n >= limits::EVENTS) {
            out.rejects.push((
                n,
                format!("more than {} alerts in one body", limits::EVENTS),
            ));
            continue;
        }
        let event = match direct {
            true => from_prometheus(alert, body.received_at),
            false => from_alertmanager(alert, body.received_at, expire_after),
        };
        match event {
            Ok(event) => out.events.push((n, event)),
            Err(why) => out.rejects.push((n, why)),
        }
    }
}

fn alerts<'a>(value: &'a Value, direct: bool, out: &mut Decoded) -> Result<&'a [Value], String> {
    if direct {
        let list = value.as_array();
        return list.map(Vec::as_slice).ok_or_else(|| {
            "a list of alerts is expected here; Alertmanager's webhook goes to the source itself".to_owned()
        });
    }
    let body = value.as_object().ok_or(
        "Alertmanager's webhook is an object; a list of alerts goes to <source>/api/v2/alerts",
    )?;
    if let Some(version) = body.get("version").and_then(Value::as_str)
        && version != "4"
    {
        return Err(format!("version: {version:?} is not \"4\""));
    }
    let truncated = body
        .get("truncatedAlerts")
        .and_then(Value::as_u64)
        .unwrap_or(0);
    if truncated > 0 {
        let key = body
            .get("groupKey")
            .and_then(Value::as_str)
            .unwrap_or_default();
        out.warnings.push(format!(
            "{truncated} alerts were cut from group {}; raise or remove max_alerts of the receiver",
            cut(key, 200)
        ));
    }
    let list = body.get("alerts").and_then(Value::as_array);
    list.map(Vec::as_slice)
        .ok_or_else(|| "alerts: a list is missing".to_owned())
}

/// One alert of the list that Alertmanager posts; Grafana posts the same sort of list.
pub(super) fn from_alertmanager(
    alert: &Value,
    received_at: Millis,
    expire_after: Option<Millis>,
) -> Result<Event, String> {
    let alert = alert.as_object().ok_or("the alert is no object")?;
    let state = match alert.get("status").and_then(Value::as_str) {
        Some("firing") => EventState::Firing,
        Some("resolved") => EventState::Resolved,
        Some(other) => {
            return Err(format!(
                "status: {:?} is neither firing nor resolved",
                cut(other, 60)
            ));
        }
        None => return Err("status: missing".to_owned()),
    };
    let starts_at = time(alert, "startsAt")?.ok_or("startsAt: missing")?;
    let mut event = common(alert, state, starts_at)?;
    event.valid_until = match state {
        EventState::Firing => expire_after.map(|after| received_at.plus(after)),
        _ => time(alert, "endsAt").ok().flatten(),
    };
    Ok(event)
}

fn from_prometheus(alert: &Value, received_at: Millis) -> Result<Event, String> {
    let alert = alert.as_object().ok_or("the alert is no object")?;
    let ends_at = time(alert, "endsAt")?;
    let starts_at = time(alert, "startsAt")?
        .unwrap_or_else(|| ends_at.map_or(received_at, |end| end.min(received_at)));
    let ends_at = ends_at.unwrap_or(received_at.plus(DEFAULT_VALID));
    if ends_at < starts_at {
        return Err("endsAt: before startsAt".to_owned());
    }
    let firing = ends_at > received_at.plus(SKEW);
    let state = if firing {
        EventState::Firing
    } else {
        EventState::Resolved
    };
    let mut event = common(alert, state, starts_at)?;
    event.valid_until = Some(ends_at);
    event.sender = origin(&event.link);
    Ok(event)
}

fn common(
    alert: &Map<String, Value>,
    state: EventState,
    starts_at: Millis,
) -> Result<Event, String> {
    let labels = labels(alert)?;
    let word = labels.get("severity").or_else(|| labels.get("priority"));
    let link = alert
        .get("generatorURL")
        .and_then(Value::as_str)
        .unwrap_or_default();
    Ok(Event {
        state,
        severity_word: word.unwrap_or_default().trim().to_lowercase(),
        labels,
        annotations: annotations(alert),
        episode: starts_at.0,
        closes: starts_at.0,
        starts_at: Some(starts_at),
        valid_until: None,
        sender: String::new(),
        link: cut(link, limits::LABEL_VALUE),
    })
}

fn labels(alert: &Map<String, Value>) -> Result<Labels, String> {
    let map = match alert.get("labels") {
        Some(Value::Object(map)) => map,
        Some(_) => return Err("labels: no object".to_owned()),
        None => return Err("labels: missing".to_owned()),
    };
    if map.len() > limits::LABELS {
        return Err(format!(
            "labels: {} are more than {}",
            map.len(),
            limits::LABELS
        ));
    }
    let mut pairs = Vec::with_capacity(map.len());
    for (name, value) in map {
        let value = scalar(value).ok_or_else(|| format!("labels.{}: no text", cut(name, 60)))?;
        if name.is_empty() || name.len() > limits::LABEL_NAME || value.len() > limits::LABEL_VALUE {
            return Err(format!(
                "labels.{}: name or value too long or empty",
                cut(name, 60)
            ));
        }
        if !value.is_empty() {
            pairs.push((name, value)); // an empty label is no label, as in Prometheus
        }
    }
    if pairs.is_empty() {
        return Err("labels: at least one is needed".to_owned());
    }
    Ok(pairs.into_iter().collect())
}

fn annotations(alert: &Map<String, Value>) -> Labels {
    let Some(Value::Object(map)) = alert.get("annotations") else {
        return Labels::new();
    };
    map.iter()
        .take(limits::ANNOTATIONS)
        .filter_map(|(name, value)| {
            let value = scalar(value).filter(|v| !v.is_empty())?;
            Some((
                cut(name, limits::LABEL_NAME),
                cut(&value, limits::ANNOTATION),
            ))
        })
        .collect()
}

/// A time in RFC 3339 with any offset and up to nine digits of fraction. Year 1 means none.
fn time(alert: &Map<String, Value>, name: &str) -> Result<Option<Millis>, String> {
    let text = match alert.get(name) {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(text)) if text.is_empty() => return Ok(None),
        Some(Value::String(text)) => text,
        Some(_) => return Err(format!("{name}: no text")),
    };
    if text.starts_with("0001-01-01T") {
        return Ok(None);
    }
    if text.starts_with("9999-12-3") {
        return Ok(Some(NEVER)); // the last hours of that year are beyond what the time library holds
    }
    let time: jiff::Timestamp = text
        .parse()
        .map_err(|_| format!("{name}: {:?} is no time in RFC 3339", cut(text, 60)))?;
    Ok(Some(Millis(time.as_millisecond())))
}

/// Scheme, host and port of a link: which Prometheus it was, of a pair.
fn origin(link: &str) -> String {
    let Some((scheme, rest)) = link.split_once("://") else {
        return String::new();
    };
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    format!("{scheme}://{host}")
}
