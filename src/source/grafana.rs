//! Kind `grafana`: the webhook contact point of Grafana's unified alerting, and the notification channel of the
//! older one.
//!
//! Facts (Grafana's documentation of the webhook notifier, 9.3 to 12):
//! * `alerts` is the list that Alertmanager posts, with a few fields more; the state of the group says
//!   nothing. `version` is "1", and the whole body may be replaced by a template of the user's.
//! * A rule without data fires as `DatasourceNoData`, a broken one as `DatasourceError`, each with the rule's
//!   name in `rulename`; they end as any alert does.
//! * The Test button of a contact point sends an alert named `TestAlert` on the instance `Grafana`.
//! * The older body (up to 10) has one rule with `state` alerting, ok, no_data, paused or pending, and no time.

use super::prometheus::from_alertmanager;
use super::{
    Body, Decoded, Refused, Says, Source, SourceSettings, at_the_source, limits, media_type, read,
    scalar,
};
use crate::config::keys::{Key, KeyKind, Preset};
use crate::model::{Event, EventState, Labels, cut};
use serde_json::Value;

/// The row of this kind.
pub const SOURCE: Source = Source {
    kind: "grafana",
    keys: &[Key {
        name: "expire_after",
        kind: KeyKind::Duration,
        default: Preset::Absent,
        doc: "an alert that is not repeated for this long is over; longer than the repeat interval of the policy",
    }],
    decode,
    reads_answer: false,
    identity: &[],
    condition: &[],
    says: Says {
        labels: &["*"],
        texts: &["*"],
    },
    holds_back: false,
    hides_dependents: false,
};

fn decode(settings: &SourceSettings, body: &Body<'_>, out: &mut Decoded) {
    let media = media_type(body.content_type);
    if !at_the_source("grafana", body, out) {
        return;
    }
    if !matches!(media.as_str(), "application/json" | "") {
        let text = format!("{media:?} is not application/json");
        out.refused = Some(Refused::MediaType(text));
    } else if let Err(why) = take(settings, body, out) {
        out.refused = Some(Refused::BadBody(why));
    }
}

fn take(settings: &SourceSettings, body: &Body<'_>, out: &mut Decoded) -> Result<(), String> {
    let (whole, _) = read::json(body.bytes)?;
    if whole.get("ruleName").is_some() {
        out.events.push((0, older(settings, body, &whole)?));
        return Ok(());
    }
    let list = whole
        .get("alerts")
        .and_then(Value::as_array)
        .ok_or("alerts: a list is missing; a custom payload needs kind generic")?;
    let cut_off = whole
        .get("truncatedAlerts")
        .and_then(Value::as_u64)
        .unwrap_or(0);
    if cut_off > 0 {
        out.warnings.push(format!(
            "{cut_off} alerts were cut; raise or remove the limit of the contact point"
        ));
    }
    let expire_after = settings.options.opt_duration("expire_after");
    for (n, alert) in (0u32..).zip(list) {
        if usize::try_from(n).is_ok_and(|n| n >= limits::EVENTS) {
            let why = format!("more than {} alerts in one body", limits::EVENTS);
            out.rejects.push((n, why));
            continue;
        }
        match from_alertmanager(alert, body.received_at, expire_after) {
            Ok(event) => out.events.push((n, finished(event, alert))),
            Err(why) => out.rejects.push((n, why)),
        }
    }
    Ok(())
}

/// What Grafana tells beyond Alertmanager.
fn finished(mut event: Event, alert: &Value) -> Event {
    let text = |name: &str| alert.get(name).and_then(scalar).filter(|v| !v.is_empty());
    for (annotation, field) in [
        ("dashboard", "dashboardURL"),
        ("panel", "panelURL"),
        ("value", "valueString"),
    ] {
        if let Some(value) = text(field) {
            event
                .annotations
                .set(annotation, &cut(&value, limits::ANNOTATION));
        }
    }
    let test = event.labels.get("alertname") == Some("TestAlert")
        && event.labels.get("instance") == Some("Grafana");
    if test {
        event.state = EventState::Test;
    }
    event
}

fn older(settings: &SourceSettings, body: &Body<'_>, whole: &Value) -> Result<Event, String> {
    let text = |name: &str| whole.get(name).and_then(scalar).filter(|v| !v.is_empty());
    let state = match text("state").ok_or("state: missing")?.as_str() {
        "alerting" | "no_data" => EventState::Firing,
        "ok" => EventState::Resolved,
        "paused" | "pending" | "unknown" => EventState::Note,
        other => return Err(format!("state: {:?} is unknown", cut(other, 60))),
    };
    let test = text("ruleName").as_deref() == Some("Test notification");
    let mut labels = Labels::new();
    let tags = whole
        .get("tags")
        .and_then(Value::as_object)
        .into_iter()
        .flatten();
    for (name, value) in tags.take(limits::LABELS) {
        if let Some(value) = scalar(value).filter(|v| !v.is_empty()) {
            labels.set(
                &cut(name, limits::LABEL_NAME),
                &cut(&value, limits::LABEL_VALUE),
            );
        }
    }
    for (label, field) in [
        ("alertname", "ruleName"),
        ("org", "orgId"),
        ("rule", "ruleId"),
    ] {
        if let Some(value) = text(field) {
            labels.set(label, &cut(&value, limits::LABEL_VALUE));
        }
    }
    let mut annotations = Labels::new();
    for (annotation, field) in [("summary", "message"), ("title", "title")] {
        if let Some(value) = text(field) {
            annotations.set(annotation, &cut(&value, limits::ANNOTATION));
        }
    }
    let firing = state == EventState::Firing;
    let expire = settings
        .options
        .opt_duration("expire_after")
        .filter(|_| firing);
    let severity = labels.get("severity").unwrap_or_default().to_lowercase();
    Ok(Event {
        state: if test { EventState::Test } else { state },
        severity_word: severity,
        labels,
        annotations,
        episode: body.received_at.0,
        closes: body.received_at.0,
        starts_at: firing.then_some(body.received_at),
        valid_until: expire.map(|after| body.received_at.plus(after)),
        sender: String::new(),
        link: cut(&text("ruleUrl").unwrap_or_default(), limits::LABEL_VALUE),
    })
}
