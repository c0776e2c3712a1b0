//! Macros of Nagios and Icinga by their names, as JSON or form.
//!
//! Facts seen on the wire (Nagios Core 4.4.6, Icinga 2.13.6):
//! * There is no standard body: names come with or without `NAGIOS_` (or `ICINGA_`), in any case.
//! * `LAST*STATECHANGE` has whole seconds, so a problem and a recovery may share one.
//! * An undefined custom macro expands to a lone `$`.
//! * Plugin output is bytes, and differs by transport: it is text for people, never identity.

use super::{
    Body, Decoded, Refused, SourceSettings, at_the_source, limits, media_type, read, scalar,
};
use crate::config::keys::{Key, KeyKind, Preset};
use crate::model::{Event, EventState, Labels, Millis, cut};
use serde_json::Value;
use std::collections::BTreeMap;

/// The keys of kinds that speak in macros.
pub(super) const KEYS: &[Key] = &[
    Key {
        name: "soft",
        kind: KeyKind::Bool,
        default: Preset::Toml("false"),
        doc: "take SOFT states too, before the check was repeated",
    },
    Key {
        name: "expire_after",
        kind: KeyKind::Duration,
        default: Preset::Absent,
        doc: "an alert that is not repeated for this long is over; longer than the notification interval",
    },
];

/// Labels of what speaks in macros.
pub(super) const LABELS: &[&str] = &["host", "service"];
/// Texts of what speaks in macros; custom variables come under their own names.
pub(super) const TEXTS: &[&str] = &[
    "output",
    "long_output",
    "display_name",
    "alias",
    "address",
    "hostgroups",
    "servicegroups",
    "author",
    "comment",
    "action",
    "notes_url",
    "cmdb_id",
    "_host*",
    "_service*",
];

/// Macros by their bare upper-case names.
type Macros = BTreeMap<String, String>;

/// Takes a body of macros; `kind` is the word in error texts.
pub(super) fn decode(kind: &str, settings: &SourceSettings, body: &Body<'_>, out: &mut Decoded) {
    if !at_the_source(kind, body, out) {
        return;
    }
    let all = match media_type(body.content_type).as_str() {
        "application/x-www-form-urlencoded" => form(body.bytes).map(|m| vec![Ok(m)]),
        "application/json" | "" | "text/plain" => json(body.bytes, out),
        other => {
            let text = format!(
                "{other:?} is neither application/json nor application/x-www-form-urlencoded"
            );
            out.refused = Some(Refused::MediaType(text));
            return;
        }
    };
    let all = match all {
        Ok(all) => all,
        Err(why) => {
            out.refused = Some(Refused::BadBody(why));
            return;
        }
    };
    for (n, macros) in (0u32..).zip(all) {
        if usize::try_from(n).is_ok_and(|n| n >= limits::EVENTS) {
            out.rejects.push((
                n,
                format!("more than {} objects in one body", limits::EVENTS),
            ));
            continue;
        }
        match macros.and_then(|m| event(settings, body, &m)) {
            Ok(Verdict::Event(event)) => out.events.push((n, *event)),
            Ok(Verdict::Ignored(why)) => out.ignored.push((n, why)),
            Err(why) => out.rejects.push((n, why)),
        }
    }
    if out.events.is_empty() && out.ignored.is_empty() && out.rejects.len() == 1 {
        // A body with one object stands for itself: the sender shall see the reason as its answer.
        if let Some((_, why)) = out.rejects.pop() {
            out.refused = Some(Refused::BadBody(why));
        }
    }
}

enum Verdict {
    Event(Box<Event>),
    Ignored(&'static str),
}

fn event(settings: &SourceSettings, body: &Body<'_>, macros: &Macros) -> Result<Verdict, String> {
    let get = |name: &str| {
        macros
            .get(name)
            .map(String::as_str)
            .filter(|v| !v.is_empty() && *v != "$")
    };
    if macros.is_empty() {
        return Err("no macro at all; is enable_environment_macros=1 set in nagios.cfg".to_owned());
    }
    let host = get("HOSTNAME").ok_or("HOSTNAME: missing")?;
    let service = get("SERVICEDESC");
    let (object, states) = match service {
        Some(_) => (
            "SERVICE",
            ["OK", "WARNING", "CRITICAL", "UNKNOWN"].as_slice(),
        ),
        None => ("HOST", ["UP", "DOWN", "UNREACHABLE"].as_slice()),
    };
    // A hand-made body says STATE and OUTPUT of whatever it is about.
    let named = |what: &str| get(&format!("{object}{what}")).or_else(|| get(what));
    let state = named("STATE").ok_or_else(|| format!("{object}STATE: missing"))?;
    let state = states
        .iter()
        .find(|s| s.eq_ignore_ascii_case(state))
        .ok_or_else(|| {
            format!(
                "{object}STATE: {:?} is none of {}",
                cut(state, 60),
                states.join(", ")
            )
        })?;
    let good = matches!(*state, "OK" | "UP");
    let soft = named("STATETYPE").is_some_and(|t| t.eq_ignore_ascii_case("SOFT"));
    if soft && !settings.options.bool("soft") {
        return Ok(Verdict::Ignored("SOFT state"));
    }
    let kind = get("NOTIFICATIONTYPE").unwrap_or_default().to_uppercase();
    let begins = kind.starts_with("DOWNTIMESTART") || kind.starts_with("FLAPPINGSTART");
    let event_state = match kind.as_str() {
        _ if begins => EventState::Note,
        _ if good => EventState::Resolved,
        "ACKNOWLEDGEMENT" => EventState::Acknowledged,
        "CUSTOM" => EventState::Note,
        _ => EventState::Firing,
    };
    let labels: Labels = [("host", Some(host)), ("service", service)]
        .into_iter()
        .filter_map(|(n, v)| Some((n, cut(v?, limits::LABEL_VALUE))))
        .collect();
    let changed = get(&format!("LAST{object}STATECHANGE"));
    let since = seconds(changed.or_else(|| get(&format!("{object}LASTSTATECHANGE"))));
    let told = seconds(get("TIMET")).unwrap_or(body.received_at);
    let episode = since.unwrap_or(told).0;
    let firing = event_state == EventState::Firing;
    let expire = settings
        .options
        .opt_duration("expire_after")
        .filter(|_| firing);
    Ok(Verdict::Event(Box::new(Event {
        state: event_state,
        labels,
        annotations: annotations(macros, object),
        severity_word: state.to_lowercase(),
        episode,
        // Whole seconds: a new problem in the second of the recovery is a new episode.
        closes: match event_state {
            EventState::Resolved => episode.saturating_sub(1),
            EventState::Firing
            | EventState::Note
            | EventState::Acknowledged
            | EventState::SourceStopped
            | EventState::Test => episode,
        },
        starts_at: (!good).then_some(since.unwrap_or(told)),
        valid_until: match event_state {
            EventState::Resolved => Some(since.unwrap_or(told)),
            _ => expire.map(|after| body.received_at.plus(after)),
        },
        sender: String::new(),
        link: get(&format!("{object}ACTIONURL"))
            .map(|l| cut(l, limits::LABEL_VALUE))
            .unwrap_or_default(),
    })))
}

/// What people read, and what names a CI but may change while the alert lives (address, groups, custom
/// variables): it must not be part of the identity.
fn annotations(macros: &Macros, object: &str) -> Labels {
    let mut out = Labels::new();
    let mut put = |name: &str, value: Option<&String>| {
        if let Some(value) = value.filter(|v| !v.is_empty() && *v != "$")
            && out.len() < limits::ANNOTATIONS
        {
            out.set(
                &cut(name, limits::LABEL_NAME),
                &cut(value, limits::ANNOTATION),
            );
        }
    };
    let of = |what: &str| {
        macros
            .get(&format!("{object}{what}"))
            .or_else(|| macros.get(what))
    };
    put("output", of("OUTPUT"));
    let long = macros.get(&format!("LONG{object}OUTPUT"));
    put("long_output", long);
    put("display_name", of("DISPLAYNAME"));
    put("alias", macros.get("HOSTALIAS"));
    put("address", macros.get("HOSTADDRESS"));
    put(
        "hostgroups",
        macros
            .get("HOSTGROUPNAMES")
            .or_else(|| macros.get("HOSTGROUPS")),
    );
    put(
        "servicegroups",
        macros
            .get("SERVICEGROUPNAMES")
            .or_else(|| macros.get("SERVICEGROUPS")),
    );
    put("author", macros.get("NOTIFICATIONAUTHOR"));
    put("comment", macros.get("NOTIFICATIONCOMMENT"));
    put("notes_url", of("NOTESURL"));
    // The service's own id is nearer than its host's.
    for name in [
        "_HOSTCMDB_ID",
        "HOST_CMDB_ID",
        "_SERVICECMDB_ID",
        "SERVICE_CMDB_ID",
        "CMDB_ID",
    ] {
        put("cmdb_id", macros.get(name));
    }
    for (name, value) in macros {
        if name.starts_with("_HOST") || name.starts_with("_SERVICE") {
            put(&name.to_lowercase(), Some(value));
        }
    }
    out
}

fn seconds(text: Option<&str>) -> Option<Millis> {
    let seconds: i64 = text?.trim().parse().ok()?;
    // 0 stands for "never".
    (seconds > 0).then(|| Millis(seconds.saturating_mul(1000)))
}

/// `NAGIOS_HOSTNAME`, `icinga_hostname`, `HostName` are `HOSTNAME`; custom variables keep one underscore.
pub(crate) fn bare(name: &str) -> String {
    let upper = name.trim().to_uppercase();
    let rest = upper
        .strip_prefix("NAGIOS_")
        .or_else(|| upper.strip_prefix("ICINGA_"));
    // What hand-made bodies call them.
    match rest.unwrap_or(&upper) {
        "HOST" | "HOST_NAME" => "HOSTNAME".to_owned(),
        "SERVICE" | "SERVICE_DESC" | "SERVICEDESCRIPTION" => "SERVICEDESC".to_owned(),
        "TYPE" | "NOTIFICATION_TYPE" => "NOTIFICATIONTYPE".to_owned(),
        other => other.to_owned(),
    }
}

fn json(bytes: &[u8], out: &mut Decoded) -> Result<Vec<Result<Macros, String>>, String> {
    let (value, mended) = read::json(bytes)?;
    if mended {
        out.warnings.push(
            "the JSON has bad escapes, read as plain backslashes; send a form instead".to_owned(),
        );
    }
    let list = match value {
        Value::Array(list) => list,
        one => vec![one],
    };
    Ok(list.into_iter().map(|one| object(&one)).collect())
}

fn object(value: &Value) -> Result<Macros, String> {
    let map = value.as_object().ok_or("no object of macros")?;
    Ok(map
        .iter()
        .take(2 * limits::LABELS)
        .filter_map(|(name, value)| Some((bare(name), scalar(value)?)))
        .collect())
}

fn form(bytes: &[u8]) -> Result<Macros, String> {
    let macros: Macros = read::form(bytes)
        .into_iter()
        .map(|(name, value)| (bare(&name), value))
        .collect();
    match macros.is_empty() {
        true => Err("the form has no field; send macros as NAME=value".to_owned()),
        false => Ok(macros),
    }
}
