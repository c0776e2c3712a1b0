//! Lines of a streaming connector (7.0) or of an export file: times with nanoseconds, hosts in the order of
//! the expression, no trigger, no update. A recovery has two event ids and nothing else.

use super::{Made, SEVERITIES, expires, identity, tags};
use crate::model::{Event, EventState, Labels, Millis, cut};
use crate::source::{Body, SourceSettings, limits, scalar};
use serde_json::{Map, Value};

/// A line of a connector or an export file: a problem with its hosts, or a recovery with two ids.
pub(super) fn line(
    settings: &SourceSettings,
    body: &Body<'_>,
    map: &Map<String, Value>,
) -> Result<Made, String> {
    let number = |name: &str| map.get(name).and_then(Value::as_i64);
    if map.contains_key("itemid") {
        return Ok(Made::Ignored("item value"));
    }
    let firing = match number("value") {
        Some(1) => true,
        Some(0) => false,
        Some(_) | None => return Err("value: neither 1 nor 0".to_owned()),
    };
    let id = match firing {
        true => number("eventid").ok_or("eventid: missing")?,
        false => number("p_eventid").ok_or("p_eventid: missing")?,
    };
    let clock = number("clock").ok_or("clock: no number")?;
    let at = Millis(
        clock
            .saturating_mul(1000)
            .saturating_add(number("ns").unwrap_or(0) / 1_000_000),
    );
    let mut labels = identity(settings, None, id);
    let mut annotations = Labels::new();
    let mut word = "";
    if firing {
        let name = map.get("name").and_then(scalar).unwrap_or_default();
        let hosts: Vec<&Value> = map
            .get("hosts")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .collect();
        let of = |n: usize, what: &str| hosts.get(n).and_then(|h| h.get(what)).and_then(scalar);
        for (label, value) in [("alertname", Some(name.clone())), ("host", of(0, "host"))] {
            if let Some(value) = value.filter(|v| !v.is_empty()) {
                labels.set(label, &cut(&value, limits::LABEL_VALUE));
            }
        }
        tags(map.get("tags"), &mut labels);
        let groups: Vec<String> = map
            .get("groups")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(scalar)
            .collect();
        let all = [
            ("summary", Some(name)),
            ("display_name", of(0, "name")),
            ("host2", of(1, "host")),
            ("hostgroups", Some(groups.join(", "))),
        ];
        for (name, value) in all {
            if let Some(value) = value.filter(|v| !v.is_empty()) {
                annotations.set(name, &cut(&value, limits::ANNOTATION));
            }
        }
        let severity = number("severity").and_then(|n| usize::try_from(n).ok());
        word = severity
            .and_then(|n| SEVERITIES.get(n))
            .copied()
            .unwrap_or_default();
    }
    Ok(Made::Events(vec![Event {
        state: if firing {
            EventState::Firing
        } else {
            EventState::Resolved
        },
        labels,
        annotations,
        severity_word: word.to_owned(),
        episode: id,
        closes: id,
        starts_at: firing.then_some(at),
        valid_until: match firing {
            true => expires(settings, body, EventState::Firing),
            false => Some(at),
        },
        sender: String::new(),
        link: String::new(),
    }]))
}
