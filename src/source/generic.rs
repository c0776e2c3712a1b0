//! Kind `generic`: any JSON, lines of JSON, form or plain text; the configuration says where things stand.
//!
//! A form is read as an object of its fields, plain text as one text (`"" ~ regex` picks from it). `items`
//! names the list of a body that tells of several alerts. What has no state that is known is rejected by
//! name, never guessed.

use super::{Body, Decoded, Refused, Says, Source, SourceSettings, limits, media_type, read};
use crate::config::keys::{KeyKind, Preset, Settings, key};
use crate::model::{Event, EventState, Labels, Millis, cut};
use jiff::civil::DateTime;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use serde_json::Value;

const STATES: &[&str] = &[
    "firing",
    "resolved",
    "acknowledged",
    "note",
    "test",
    "ignored",
];

/// The row of this kind.
#[rustfmt::skip] // one key, one line
pub const SOURCE: Source = Source {
    kind: "generic",
    keys: &[
        key("items", KeyKind::Text, Preset::Toml("\"\""), "JSON pointer to the list of alerts; empty: the body is one alert, or a list"),
        key("state", KeyKind::Pick, Preset::Absent, "where the state stands: /name, $/name from the whole body, /name ~ regex, =constant"),
        key("states", KeyKind::MapOf(STATES), Preset::Absent, "meaning of further words of state, on top of the usual ones"),
        key("state_default", KeyKind::OneOf(&["firing", "resolved", "note", "ignored"]), Preset::Absent, "meaning of a missing or unknown state; else such an alert is rejected"),
        key("severity", KeyKind::Pick, Preset::Absent, "where the severity stands; words are read by [identity.severity]"),
        key("severities", KeyKind::MapOf(&["critical", "major", "minor", "warning", "info"]), Preset::Absent, "severity of words of this source alone"),
        key("take", KeyKind::Picks, Preset::Absent, "labels and where their values stand: alertname, host, service, ...; what changes while an alert lives goes to texts"),
        key("texts", KeyKind::Picks, Preset::Absent, "text for people and where it stands: summary, description, address, runbook_url, ..."),
        key("link", KeyKind::Pick, Preset::Absent, "where a link to the alert stands"),
        key("starts_at", KeyKind::Pick, Preset::Absent, "where its begin stands: RFC 3339, seconds or milliseconds since 1970, or by time_format"),
        key("time_format", KeyKind::Text, Preset::Absent, "how starts_at is written, as strptime has it: \"%d.%m.%Y %H:%M:%S\""),
        key("timezone", KeyKind::Zone, Preset::Toml("\"UTC\""), "time zone of times that name none"),
        key("episode", KeyKind::Pick, Preset::Absent, "where a number stands that grows from firing to firing of an alert; default starts_at, else the time of arrival"),
        key("expire_after", KeyKind::Duration, Preset::Absent, "an alert that is not repeated for this long is over"),
    ],
    decode,
    reads_answer: true,
    identity: &[],
    condition: &[],
    says: Says {
        labels: &[],
        texts: &[],
    },
    holds_back: false,
    hides_dependents: false,
};

fn decode(settings: &SourceSettings, body: &Body<'_>, out: &mut Decoded) {
    let items = settings.options.text("items");
    let bodies: Vec<(u32, Result<Value, String>)> = match media_type(body.content_type).as_str() {
        _ if body.bytes.is_empty() => {
            let why = "the body is empty; was the request redirected on its way".to_owned();
            out.refused = Some(Refused::BadBody(why));
            return;
        }
        "application/x-ndjson" | "application/ndjson" => read::json_lines(body.bytes).collect(),
        "application/x-www-form-urlencoded" => {
            let fields = read::form(body.bytes).into_iter();
            let object = fields
                .map(|(name, value)| (name, Value::from(value)))
                .collect();
            vec![(0, Ok(Value::Object(object)))]
        }
        "text/plain" => vec![(0, Ok(plain(body.bytes)))],
        _ => match read::json(body.bytes) {
            Ok((value, mended)) => {
                if mended {
                    out.warnings
                        .push("the JSON has bad escapes, read as plain backslashes".to_owned());
                }
                vec![(0, Ok(value))]
            }
            Err(why) => {
                out.refused = Some(Refused::BadBody(why));
                return;
            }
        },
    };
    // Borrowed, never copied: each alert of a list sees the whole body.
    let mut all: Vec<(&Value, &Value)> = Vec::new();
    let mut bad = Vec::new();
    for (n, whole) in &bodies {
        let ones = whole.as_ref().map_err(String::clone);
        match ones.and_then(|whole| Ok((list(whole, items)?, whole))) {
            Ok((ones, whole)) => all.extend(ones.iter().map(|one| (one, whole))),
            Err(why) => bad.push((*n, format!("line {}: {why}", n.saturating_add(1)))),
        }
    }
    for (n, (one, whole)) in (0u32..).zip(all) {
        if usize::try_from(n).is_ok_and(|n| n >= limits::EVENTS) {
            out.rejects.push((
                n,
                format!("more than {} alerts in one body", limits::EVENTS),
            ));
            continue;
        }
        match event(&settings.options, body, one, whole) {
            Ok(Some(event)) => out.events.push((n, event)),
            Ok(None) => out.ignored.push((n, "by the map of states")),
            Err(why) => out.rejects.push((n, why)),
        }
    }
    out.rejects.append(&mut bad);
    if let ([(_, why)], true, true) = (
        out.rejects.as_slice(),
        out.events.is_empty(),
        out.ignored.is_empty(),
    ) {
        out.refused = Some(Refused::BadBody(why.clone()));
        out.rejects.clear();
    }
}

/// Plain text may still be JSON: many senders name no media type.
fn plain(bytes: &[u8]) -> Value {
    let text = String::from_utf8_lossy(bytes).into_owned();
    let json = serde_json::from_str(&text).ok();
    json.filter(|v: &Value| v.is_object() || v.is_array())
        .unwrap_or(Value::String(text))
}

fn list<'a>(whole: &'a Value, items: &str) -> Result<&'a [Value], String> {
    let place = whole
        .pointer(items)
        .ok_or_else(|| format!("items: there is nothing at {items:?}"))?;
    match place {
        Value::Array(list) => Ok(list),
        Value::Object(_) | Value::String(_) => Ok(std::slice::from_ref(place)),
        Value::Null | Value::Bool(_) | Value::Number(_) => Err(format!(
            "items: neither a list nor an object stands at {items:?}"
        )),
    }
}

fn event(
    options: &Settings,
    body: &Body<'_>,
    one: &Value,
    whole: &Value,
) -> Result<Option<Event>, String> {
    let get = |name: &str| options.pick(name).and_then(|p| p.find(one, whole));
    let Some(state) = state(options, get("state"))? else {
        return Ok(None);
    };
    let starts_at = match get("starts_at") {
        Some(text) => Some(
            time(options, &text)
                .ok_or_else(|| format!("starts_at: {:?} is no time", cut(&text, 60)))?,
        ),
        None => None,
    };
    // 0 and year 1 stand for "none": a begin before everything would make the alert an inherited one.
    let starts_at = starts_at.filter(|at| at.0 > 0);
    let mut labels = Labels::new();
    for (name, pick) in options.picks("take").take(limits::LABELS) {
        if let Some(value) = pick.find(one, whole) {
            labels.set(
                &cut(name, limits::LABEL_NAME),
                &cut(&value, limits::LABEL_VALUE),
            );
        }
    }
    if labels.is_empty() && state != EventState::Test {
        let names: Vec<&str> = options.picks("take").map(|(n, _)| n).collect();
        return Err(format!(
            "no label found; take looks for: {}",
            names.join(", ")
        ));
    }
    let mut annotations = Labels::new();
    for (name, pick) in options.picks("texts").take(limits::ANNOTATIONS) {
        if let Some(value) = pick.find(one, whole) {
            annotations.set(
                &cut(name, limits::LABEL_NAME),
                &cut(&value, limits::ANNOTATION),
            );
        }
    }
    let episode = match get("episode") {
        Some(text) => match text.parse::<i64>() {
            Ok(number) => number,
            Err(_) => {
                let at = time(options, &text);
                at.ok_or_else(|| {
                    format!("episode: {:?} is neither number nor time", cut(&text, 60))
                })?
                .0
            }
        },
        None => starts_at.unwrap_or(body.received_at).0,
    };
    let word = get("severity").unwrap_or_default().to_lowercase();
    let own = options.map("severities").into_iter().flatten();
    let severity_word = own
        .filter(|(from, _)| from.to_lowercase() == word)
        .map(|(_, to)| to.clone())
        .next()
        .unwrap_or(word);
    let firing = state == EventState::Firing;
    let expire = options.opt_duration("expire_after").filter(|_| firing);
    Ok(Some(Event {
        state,
        labels,
        annotations,
        severity_word,
        episode,
        closes: episode,
        starts_at,
        valid_until: expire.map(|after| body.received_at.plus(after)),
        sender: String::new(),
        link: cut(&get("link").unwrap_or_default(), limits::LABEL_VALUE),
    }))
}

/// `None`: this alert is left out on purpose.
fn state(options: &Settings, word: Option<String>) -> Result<Option<EventState>, String> {
    let lower = word.as_deref().unwrap_or_default().to_lowercase();
    let mut own = options.map("states").into_iter().flatten();
    let mapped = own
        .find(|(from, _)| from.to_lowercase() == lower)
        .map(|(_, to)| to.as_str());
    let usual = match lower.as_str() {
        "firing" | "problem" | "down" | "alarm" | "alerting" | "alert" | "triggered"
        | "trigger" | "critical" | "warning" | "error" | "open" | "opened" | "active"
        | "failed" => Some("firing"),
        "resolved" | "recovery" | "recovered" | "ok" | "up" | "closed" | "cleared" | "clear"
        | "normal" | "inactive" => Some("resolved"),
        "acknowledged" => Some("acknowledged"),
        "test" => Some("test"),
        _ => None,
    };
    let meaning = mapped
        .or(usual)
        .or_else(|| options.opt_text("state_default"));
    match meaning {
        Some("firing") => Ok(Some(EventState::Firing)),
        Some("resolved") => Ok(Some(EventState::Resolved)),
        Some("acknowledged") => Ok(Some(EventState::Acknowledged)),
        Some("note") => Ok(Some(EventState::Note)),
        Some("test") => Ok(Some(EventState::Test)),
        Some(_) => Ok(None),
        None => Err(match word {
            Some(word) => format!("state: {:?} is unknown; name it in states", cut(&word, 60)),
            None => "state: nothing stands there; set state, or state_default".to_owned(),
        }),
    }
}

fn time(options: &Settings, text: &str) -> Option<Millis> {
    let zone = || match options.text("timezone") {
        "" | "UTC" => Some(TimeZone::UTC),
        name => TimeZoneDatabase::bundled().get(name).ok(),
    };
    if let Some(format) = options.opt_text("time_format") {
        let parts = jiff::fmt::strtime::parse(format, text).ok()?;
        if let Ok(at) = parts.to_timestamp() {
            return Some(Millis(at.as_millisecond()));
        }
        let at = parts.to_datetime().ok()?.to_zoned(zone()?).ok()?;
        return Some(Millis(at.timestamp().as_millisecond()));
    }
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if let (Ok(number), true) = (
        whole.parse::<i64>(),
        fraction.bytes().all(|b| b.is_ascii_digit()),
    ) {
        // Seconds until the year 5138, milliseconds from 1973 on.
        let seconds = number < 100_000_000_000;
        return Some(if seconds {
            Millis::secs(number)
        } else {
            Millis(number)
        });
    }
    if let Ok(at) = text.parse::<jiff::Timestamp>() {
        return Some(Millis(at.as_millisecond()));
    }
    let civil: DateTime = text.parse().ok()?;
    let at = civil.to_zoned(zone()?).ok()?;
    Some(Millis(at.timestamp().as_millisecond()))
}
