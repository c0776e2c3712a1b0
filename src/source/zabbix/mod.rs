//! Kind `zabbix`: the webhook of our media type (`config/zabbix/`), and the lines of a streaming connector
//! (7.0) or of an export file, on the same source.
//!
//! Facts seen on the wire (Zabbix 6.0.14 and 7.0.22):
//! * A problem is one event: `event_id` stays the problem's in updates and recoveries. A trigger may have
//!   several problems open at once (multiple generation, tag correlation), so the event, not the trigger,
//!   is the alert; a connector's recovery names nothing else.
//! * The numbers decide, never the words: `event_value` 1 or 0. Closing by hand sends an update and a
//!   recovery, both with value 0, in either order; an update after the recovery must not reopen.
//! * A macro without value arrives as itself (`{EVENT.RECOVERY.ID}`), one without meaning here as
//!   `*UNKNOWN*`. The Test button sends every macro as itself.
//! * Dates have no zone: they are in the zone of the Zabbix user that carries the media type.
//! * `NOTE: Escalation canceled` comes with value 1 when trigger, item or host was disabled, and no
//!   recovery ever follows.
//! * Discovery repeats itself at every cycle, and has no value: it is no alert.

mod stream;

use super::{
    Body, Decoded, Refused, Says, Source, SourceSettings, at_the_source, limits, media_type, read,
    scalar,
};
use crate::config::keys::{Key, KeyKind, Preset};
use crate::model::{Event, EventState, Labels, Millis, cut};
use jiff::civil::DateTime;
use jiff::tz::TimeZoneDatabase;
use serde_json::{Map, Value};

/// The row of this kind.
pub const SOURCE: Source = Source {
    kind: "zabbix",
    keys: &[
        Key {
            name: "timezone",
            kind: KeyKind::Zone,
            default: Preset::Toml("\"UTC\""),
            doc: "time zone of the Zabbix user that carries the media type",
        },
        Key {
            name: "expire_after",
            kind: KeyKind::Duration,
            default: Preset::Absent,
            doc: "a problem that no escalation step repeats for this long is over: Zabbix says nothing when a trigger is deleted",
        },
        Key {
            name: "instance",
            kind: KeyKind::Text,
            default: Preset::Toml("\"\""),
            doc: "name of the Zabbix server for what names none: set it as in the media type when a connector streams here too",
        },
    ],
    decode,
    reads_answer: true,
    identity: &["instance", "eventid"],
    condition: &["instance", "triggerid"],
    says: Says {
        labels: &["*"],
        texts: &[
            "summary",
            "opdata",
            "description",
            "display_name",
            "address",
            "fqdn",
            "hostgroups",
            "host2",
            "item",
            "value",
            "notes_url",
            "rootcause",
            "author",
            "action",
            "comment",
            "asset_tag",
            "serial",
            "location",
            "contact",
            "tags",
        ],
    },
    holds_back: true,
    hides_dependents: false,
};

/// Severity words by `{EVENT.NSEVERITY}`; the words of Zabbix itself can be renamed.
const SEVERITIES: [&str; 6] = [
    "not classified",
    "information",
    "warning",
    "average",
    "high",
    "disaster",
];
/// Tags that media types write (ours and others) come back with the next message: they say nothing of the
/// problem.
const WRITTEN_BACK: &str = "__";
/// How the text of an escalation begins whose trigger, item or host was disabled.
const CANCELLED: &str = "NOTE: Escalation cancel";

fn decode(settings: &SourceSettings, body: &Body<'_>, out: &mut Decoded) {
    if !at_the_source("zabbix", body, out) {
        return;
    }
    match media_type(body.content_type).as_str() {
        "application/x-ndjson" | "application/ndjson" => return lines(settings, body, out),
        "application/json" | "" | "text/plain" => {}
        other => {
            let text = format!("{other:?} is neither application/json nor application/x-ndjson");
            out.refused = Some(Refused::MediaType(text));
            return;
        }
    }
    let value = match read::json(body.bytes) {
        Ok((value, _)) => value,
        // Several lines are no JSON document; a relay may have lost their media type.
        Err(_)
            if read::json_lines(body.bytes)
                .take(2)
                .filter(|(_, v)| v.is_ok())
                .count()
                == 2 =>
        {
            return lines(settings, body, out);
        }
        Err(why) => {
            out.refused = Some(Refused::BadBody(why));
            return;
        }
    };
    let list = match value {
        Value::Array(list) => list,
        one => vec![one],
    };
    for (n, one) in (0u32..).zip(&list) {
        take(settings, body, n, Ok(one), out);
    }
    if let ([(_, why)], true) = (out.rejects.as_slice(), list.len() == 1) {
        out.refused = Some(Refused::BadBody(why.clone()));
        out.rejects.clear();
    }
}

fn lines(settings: &SourceSettings, body: &Body<'_>, out: &mut Decoded) {
    let mut any = false;
    for (n, value) in read::json_lines(body.bytes) {
        any = true;
        take(
            settings,
            body,
            n,
            value.as_ref().map_err(String::as_str),
            out,
        );
    }
    if !any {
        out.refused = Some(Refused::BadBody("the body is empty".to_owned()));
    }
}

/// One message, whichever road it came.
fn take(
    settings: &SourceSettings,
    body: &Body<'_>,
    n: u32,
    value: Result<&Value, &str>,
    out: &mut Decoded,
) {
    let made = match value {
        _ if usize::try_from(n).is_ok_and(|n| n >= limits::EVENTS) => {
            Err(format!("more than {} messages in one body", limits::EVENTS))
        }
        Ok(Value::Object(map)) if map.contains_key("clock") => stream::line(settings, body, map),
        Ok(Value::Object(map)) => webhook(settings, body, map),
        Ok(_) => Err("the message is no object".to_owned()),
        Err(why) => Err(why.to_owned()),
    };
    match made {
        Ok(Made::Events(events)) => out.events.extend(events.into_iter().map(|e| (n, e))),
        Ok(Made::Ignored(why)) => out.ignored.push((n, why)),
        Err(why) => out.rejects.push((n, why)),
    }
}

enum Made {
    Events(Vec<Event>),
    Ignored(&'static str),
}

/// The fields of a webhook that have a value.
struct Fields<'a>(&'a Map<String, Value>);

impl Fields<'_> {
    /// The field as it came.
    fn raw(&self, name: &str) -> Option<String> {
        self.0.get(name).and_then(scalar)
    }
    /// The field, unless it stands for nothing.
    fn get(&self, name: &str) -> Option<String> {
        self.raw(name).filter(|v| !stands_for_nothing(v))
    }
    fn id(&self, name: &str) -> Option<i64> {
        self.get(name)?.trim().parse().ok().filter(|n| *n > 0)
    }
    /// A time of which only the seconds since 1970 are sure; else date and time in the configured zone.
    fn time(&self, settings: &SourceSettings, what: &str) -> Option<Millis> {
        let stamp = self.get(&format!("{what}_timestamp"));
        let stamp = stamp.and_then(|s| s.trim().parse::<i64>().ok());
        if let Some(seconds) = stamp.filter(|s| *s > 0) {
            return Some(Millis::secs(seconds));
        }
        let date = self.get(&format!("{what}_date"))?.replace('.', "-");
        let time = self.get(&format!("{what}_time"))?;
        let civil: DateTime = format!("{date}T{time}").parse().ok()?;
        let zone = match settings.options.text("timezone") {
            "" => "UTC",
            name => name,
        };
        let zone = TimeZoneDatabase::bundled().get(zone).ok()?;
        let at = civil.to_zoned(zone).ok()?;
        Some(Millis(at.timestamp().as_millisecond()))
    }
}

/// Whether a whole value is only a macro that was not resolved. Inside of text a macro is text.
fn stands_for_nothing(value: &str) -> bool {
    let value = value.trim();
    if value.is_empty() || value == "*UNKNOWN*" {
        return true;
    }
    let Some(inner) = value.strip_prefix('{').and_then(|v| v.strip_suffix('}')) else {
        return false;
    };
    let head = inner.split([':', '"']).next().unwrap_or_default();
    let head = head.split_once(".TAGS.").map_or(head, |(head, _)| head);
    let user = head.starts_with('$') || head.starts_with('#');
    let name = head.trim_start_matches(['$', '#']);
    !name.is_empty()
        && !inner.contains(['{', '}', '\n'])
        && name
            .chars()
            .all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || "._".contains(c))
        && (user || inner.contains('.') || matches!(name, "TIME" | "DATE" | "TIMESTAMP"))
}

fn webhook(
    settings: &SourceSettings,
    body: &Body<'_>,
    map: &Map<String, Value>,
) -> Result<Made, String> {
    let fields = Fields(map);
    match fields.raw("event_id").as_deref().map(str::trim) {
        None => return Err("event_id: missing; import the media type of config/zabbix".to_owned()),
        Some("{EVENT.ID}") => return Ok(Made::Events(vec![test(body)])),
        Some(_) => {}
    }
    let event_id = fields.id("event_id").ok_or_else(|| {
        format!(
            "event_id: {:?} is no number",
            cut(&fields.raw("event_id").unwrap_or_default(), 60)
        )
    })?;
    let origin = fields.get("event_source").unwrap_or_else(|| "0".to_owned());
    let (object, word) = match origin.as_str() {
        "0" => ("trigger", severity(&fields)),
        "4" => ("service", severity(&fields)),
        // An item that is not supported: the monitoring is hurt, not what it monitors.
        "3" => ("internal", severity(&fields).or(Some("information"))),
        "1" => return Ok(Made::Ignored("discovery")),
        "2" => return Ok(Made::Ignored("autoregistration")),
        other => return Err(format!("event_source: {:?} is unknown", cut(other, 60))),
    };
    let firing = fires(&fields)?;
    let texts = [fields.get("message"), fields.get("subject")];
    let cancelled = texts
        .iter()
        .flatten()
        .any(|text| text.trim_start().starts_with(CANCELLED));
    let state = match firing {
        true if cancelled => EventState::SourceStopped,
        true => EventState::Firing,
        false => EventState::Resolved,
    };
    let labels = labels(settings, &fields, event_id, object);
    let zabbix_url = fields.get("zabbix_url").filter(|u| u.starts_with("http"));
    let link = zabbix_url
        .zip(fields.id("trigger_id"))
        .map(|(url, trigger)| {
            let url = url.trim_end_matches('/');
            format!("{url}/tr_events.php?triggerid={trigger}&eventid={event_id}")
        });
    let event = Event {
        state,
        labels,
        annotations: annotations(&fields, map),
        severity_word: word.unwrap_or_default().to_owned(),
        episode: event_id,
        closes: event_id,
        starts_at: fields.time(settings, "event"),
        valid_until: expires(settings, body, state),
        sender: String::new(),
        link: cut(&link.unwrap_or_default(), limits::LABEL_VALUE),
    };
    let action = fields.get("update_action").unwrap_or_default();
    let taken = action
        .split(", ")
        .flat_map(|part| part.split(" and "))
        .any(|word| word == "acknowledged");
    let mut events = vec![event];
    if let (true, EventState::Firing, Some(first)) = (taken, state, events.first()) {
        let mut second = first.clone();
        second.state = EventState::Acknowledged;
        events.push(second);
    }
    Ok(Made::Events(events))
}

/// When a problem is over that nothing repeats.
fn expires(settings: &SourceSettings, body: &Body<'_>, state: EventState) -> Option<Millis> {
    let after = settings.options.opt_duration("expire_after");
    after
        .filter(|_| state == EventState::Firing)
        .map(|after| body.received_at.plus(after))
}

fn severity(fields: &Fields<'_>) -> Option<&'static str> {
    let number: usize = fields.get("event_nseverity")?.trim().parse().ok()?;
    SEVERITIES.get(number).copied()
}

fn fires(fields: &Fields<'_>) -> Result<bool, String> {
    match fields.get("event_value").as_deref().map(str::trim) {
        Some("1") => Ok(true),
        Some("0") => Ok(false),
        Some(other) => Err(format!(
            "event_value: {:?} is neither 1 nor 0",
            cut(other, 60)
        )),
        None if fields.id("recovery_id").is_some() => Ok(false),
        None => Err("event_value: missing".to_owned()),
    }
}

fn test(body: &Body<'_>) -> Event {
    Event {
        state: EventState::Test,
        labels: [("alertname", "test")].into_iter().collect(),
        annotations: Labels::new(),
        severity_word: String::new(),
        episode: body.received_at.0,
        closes: body.received_at.0,
        starts_at: None,
        valid_until: None,
        sender: String::new(),
        link: String::new(),
    }
}

fn labels(settings: &SourceSettings, fields: &Fields<'_>, event_id: i64, object: &str) -> Labels {
    let mut out = identity(settings, fields.get("instance"), event_id);
    let mut put = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            out.set(name, &cut(&value, limits::LABEL_VALUE));
        }
    };
    let name = fields.get("event_name");
    match object {
        "service" => {
            // `Status of service "Shop" changed to Disaster`: the name must not change with the severity.
            let bare = name.as_deref().and_then(|n| n.split(" changed to ").next());
            put("alertname", bare.map(str::to_owned));
            let quoted = bare.and_then(|n| n.split('"').nth(1)).map(str::to_owned);
            put("service", fields.get("service_name").or(quoted));
        }
        "internal" => put(
            "alertname",
            Some("Zabbix item or rule not supported".to_owned()),
        ),
        _ => put("alertname", fields.get("trigger_name").or(name)),
    }
    put("host", fields.get("host_host"));
    put("triggerid", fields.get("trigger_id"));
    if object != "trigger" {
        put("object", Some(object.to_owned()));
    }
    tags(fields.0.get("tags"), &mut out);
    out
}

/// What identifies: nothing else may, for a connector's recovery has nothing else.
fn identity(settings: &SourceSettings, instance: Option<String>, event_id: i64) -> Labels {
    let mut out = Labels::new();
    out.set("eventid", &event_id.to_string());
    let configured = settings.options.text("instance");
    let instance = instance.unwrap_or_else(|| configured.to_owned());
    if !instance.is_empty() {
        out.set("instance", &cut(&instance, limits::LABEL_VALUE));
    }
    out
}

/// Tags become labels; one that is there several times has its values side by side, one that would take
/// the place of a label of ours is called `tag_...`.
fn tags(list: Option<&Value>, out: &mut Labels) {
    let ours = [
        "eventid",
        "instance",
        "alertname",
        "host",
        "triggerid",
        "object",
    ];
    for (name, value) in tag_pairs(list) {
        let taken = ours.contains(&name.as_str())
            || (name == "service" && out.get("object") == Some("service"));
        let name = match taken {
            true => format!("tag_{name}"),
            false => name,
        };
        let full = out.len() >= limits::LABELS || name.len() > limits::LABEL_NAME;
        if name.is_empty() || value.is_empty() || name.starts_with(WRITTEN_BACK) || full {
            continue;
        }
        let all = match out.get(&name) {
            Some(other) if other.len().saturating_add(value.len()) > limits::LABEL_VALUE => {
                continue;
            }
            Some(other) if other.split(", ").any(|v| v == value) => continue,
            Some(other) => format!("{other}, {value}"),
            None => value,
        };
        out.set(&name, &cut(&all, limits::LABEL_VALUE));
    }
}

/// Name and value of each tag: our media type sends the list of `{EVENT.TAGSJSON}`; others send it as a text, or
/// an object of values by name.
fn tag_pairs(tags: Option<&Value>) -> Vec<(String, String)> {
    match tags {
        Some(Value::Array(list)) => {
            let text = |tag: &Value, name: &str| tag.get(name).and_then(scalar).unwrap_or_default();
            list.iter()
                .map(|t| (text(t, "tag"), text(t, "value")))
                .collect()
        }
        Some(Value::Object(map)) => {
            let values = |value: &Value| match value {
                Value::Array(all) => all.iter().filter_map(scalar).collect(),
                one => scalar(one).into_iter().collect::<Vec<_>>(),
            };
            let pairs = map.iter().flat_map(|(name, value)| {
                values(value).into_iter().map(|value| (name.clone(), value))
            });
            pairs.collect()
        }
        Some(Value::String(text)) => {
            let inner: Option<Value> = serde_json::from_str(text).ok();
            tag_pairs(inner.as_ref().filter(|v| !v.is_string()))
        }
        Some(_) | None => Vec::new(),
    }
}

/// What people read, and what names a CI but may change while the alert lives.
fn annotations(fields: &Fields<'_>, map: &Map<String, Value>) -> Labels {
    let mut out = Labels::new();
    for (name, field) in [
        ("summary", "event_name"),
        ("opdata", "event_opdata"),
        ("description", "trigger_description"),
        ("display_name", "host_name"),
        ("address", "host_ip"),
        ("fqdn", "host_dns"),
        ("hostgroups", "trigger_host_groups"),
        ("host2", "host2_host"),
        ("item", "item_name"),
        ("value", "item_value"),
        ("notes_url", "trigger_url"),
        ("rootcause", "service_rootcause"),
        ("author", "update_user"),
        ("action", "update_action"),
        ("comment", "update_message"),
        ("asset_tag", "inventory_tag"),
        ("serial", "inventory_serial"),
        ("location", "inventory_location"),
        ("contact", "inventory_contact"),
    ] {
        if let Some(value) = fields.get(field) {
            out.set(name, &cut(&value, limits::ANNOTATION));
        }
    }
    let bare: Vec<String> = tag_pairs(map.get("tags"))
        .into_iter()
        .filter(|(name, value)| value.is_empty() && !name.is_empty())
        .map(|(name, _)| name)
        .collect();
    if !bare.is_empty() {
        out.set("tags", &cut(&bare.join(", "), limits::ANNOTATION));
    }
    out
}
