//! Intake over HTTP: who may, decode, enqueue; answers when it is on disk.

use super::doors::{Door, Doors};
use super::inbox::{Busy, Inbox, Job};
use super::quarantine::{Kept, Quarantine};
use super::recorder::{Recorder, Taken};
use super::serve::{Answer, Handler, Inquiry};
use crate::config::SourceConf;
use crate::engine;
use crate::metrics::Metrics;
use crate::model::{EventState, Millis};
use crate::redact::Redaction;
use crate::source::{Body, Decoded, Refused};
use hyper::{Method, StatusCode};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::timeout;

/// A sender that is turned away comes back after this many seconds.
const RETRY_AFTER: &str = "5";
/// Bodies of this size are decoded off the workers that serve sockets.
const LARGE: usize = 256 << 10;
/// Reasons listed in an answer.
const MAX_REASONS: usize = 100;

/// Where bodies are kept.
#[derive(Clone, Debug)]
pub struct Keeping {
    /// Those that were refused.
    pub quarantine: Quarantine,
    /// Those that were taken in, if that is asked for.
    pub recorder: Option<Arc<Recorder>>,
}

/// What answers `/v1/events/...`.
pub fn handler(
    doors: Doors,
    inbox: Inbox,
    metrics: Metrics,
    answer_timeout: Duration,
    keeping: Keeping,
    link_base: Arc<str>,
) -> Handler {
    Arc::new(move |inquiry| {
        let doors = doors.read().map(|d| d.clone()).unwrap_or_default();
        let (inbox, metrics, keeping) = (inbox.clone(), metrics.clone(), keeping.clone());
        let link_base = link_base.clone();
        Box::pin(async move {
            let intake = Intake {
                doors,
                inbox,
                metrics,
                answer_timeout,
                keeping,
                link_base,
            };
            intake.answer(inquiry).await
        })
    })
}

struct Intake {
    doors: Arc<Vec<Door>>,
    inbox: Inbox,
    metrics: Metrics,
    answer_timeout: Duration,
    keeping: Keeping,
    link_base: Arc<str>,
}

impl Intake {
    async fn answer(&self, inquiry: Inquiry) -> Answer {
        let Some((name, tail)) = route(&inquiry.path) else {
            return Answer::error(StatusCode::NOT_FOUND, "alerts go to /v1/events/<source>");
        };
        let found = self
            .doors
            .iter()
            .position(|d| d.source.settings.name == name);
        let Some((index, door)) = found.and_then(|n| Some((n, self.doors.get(n)?))) else {
            let text = format!("there is no source {name:?} in the configuration");
            return Answer::error(StatusCode::NOT_FOUND, &text);
        };
        if !permitted(door.token.as_deref(), inquiry.header("authorization")) {
            self.count_refused(name, StatusCode::UNAUTHORIZED);
            let mut answer =
                Answer::error(StatusCode::UNAUTHORIZED, "the token is missing or wrong");
            answer
                .headers
                .push(("www-authenticate", "Bearer".to_owned()));
            return answer;
        }
        if inquiry.method != Method::POST {
            self.count_refused(name, StatusCode::METHOD_NOT_ALLOWED);
            let mut answer = Answer::error(StatusCode::METHOD_NOT_ALLOWED, "alerts are posted");
            answer.headers.push(("allow", "POST".to_owned()));
            return answer;
        }
        self.take(index, door.clone(), tail.to_owned(), inquiry)
            .await
    }

    fn count_refused(&self, source: &str, code: StatusCode) {
        let labels = [source, code.as_str()];
        self.metrics.bodies_refused.with_label_values(&labels).inc();
    }

    async fn take(&self, index: usize, door: Door, tail: String, inquiry: Inquiry) -> Answer {
        let name = door.source.settings.name.clone();
        let (body, received_at) = (inquiry.body.clone(), inquiry.at);
        let content_type = inquiry.header("content-type").to_owned();
        let reads_answer = door.source.kind.reads_answer;
        let kept_tail = tail.clone();
        let rate = door.rate.clone();
        let kept = Kept {
            redaction: door.redaction.clone(),
            content_type: content_type.clone(),
            body: body.clone(),
        };
        let decode = move || {
            let body = Body {
                tail: &tail,
                content_type: &content_type,
                bytes: &inquiry.body,
                received_at,
            };
            decode(&door.source, &door.redaction, &body)
        };
        let decoded = match body.len() > LARGE {
            false => decode(),
            true => match tokio::task::spawn_blocking(decode).await {
                Ok(decoded) => decoded,
                Err(_) => {
                    self.metrics.panics.inc();
                    return Answer::error(
                        StatusCode::INTERNAL_SERVER_ERROR,
                        "a bug in correlated; see its log",
                    );
                }
            },
        };
        for warning in &decoded.warnings {
            self.metrics.truncated.with_label_values(&[&name]).inc();
            tracing::warn!(source = name, "{warning}");
        }
        if let Some(refused) = &decoded.refused {
            return self.refuse(&name, refused, &kept);
        }
        self.count(&name, &decoded, &kept);
        let places: Vec<u32> = decoded.events.iter().map(|(n, _)| *n).collect();
        if places.is_empty() {
            return self.nothing_usable(&decoded);
        }
        let ends = decoded
            .events
            .iter()
            .any(|(_, e)| e.state == EventState::Resolved);
        let keeps = rate.is_none_or(|rate| rate.admits(places.len(), ends));
        if !keeps && !ends {
            return self.busy(Busy::Rate);
        }
        let (reply, answered) = oneshot::channel();
        let job = Job {
            source: index,
            events: decoded.events.iter().map(|(_, e)| e.clone()).collect(),
            received_at,
            bytes: body.len().max(64),
            answers: Vec::new(),
            busy: None,
            reply,
        };
        if let Err(busy) = self.inbox.submit(job) {
            return self.busy(busy);
        }
        self.record(&name, kept_tail, kept, received_at).await;
        match timeout(self.answer_timeout, answered).await {
            Ok(Ok(Err(busy))) => self.busy(busy),
            Ok(Ok(Ok(answers))) => {
                report(&decoded, &answers, reads_answer.then_some(&self.link_base))
            }
            Ok(Err(_)) => self.busy(Busy::Full),
            Err(_) => {
                self.metrics
                    .limits
                    .with_label_values(&["answer_timeout"])
                    .inc();
                unavailable("the alerts are not on disk yet; send them again")
            }
        }
    }

    async fn record(&self, name: &str, tail: String, kept: Kept, at: Millis) {
        let Some(recorder) = self.keeping.recorder.clone() else {
            return;
        };
        let (large, source) = (kept.body.len() > LARGE, name.to_owned());
        let write = move || {
            let taken = Taken {
                source: &source,
                tail: &tail,
                content_type: &kept.content_type,
                bytes: &kept.body,
                at,
            };
            recorder.body(&kept.redaction, &taken);
        };
        match large {
            false => write(),
            // A panic there is logged by itself, and costs only this line.
            true => drop(tokio::task::spawn_blocking(write).await),
        }
    }

    fn count(&self, name: &str, decoded: &Decoded, kept: &Kept) {
        let all = decoded.events.len() + decoded.ignored.len();
        self.metrics
            .received
            .with_label_values(&[name])
            .inc_by(u64::try_from(all).unwrap_or(0));
        for _ in &decoded.ignored {
            let labels = [name, crate::model::Outcome::Ignored.word()];
            self.metrics.events.with_label_values(&labels).inc();
        }
        if let Some((n, why)) = decoded.rejects.first() {
            let rejects = u64::try_from(decoded.rejects.len()).unwrap_or(0);
            self.metrics
                .rejects
                .with_label_values(&[name])
                .inc_by(rejects);
            tracing::warn!(source = name, rejects, "alert {n}: {why}");
            self.keeping.quarantine.keep(name, kept);
        }
    }

    fn refuse(&self, name: &str, refused: &Refused, kept: &Kept) -> Answer {
        let (status, why) = match refused {
            Refused::BadBody(why) => (StatusCode::BAD_REQUEST, why),
            Refused::MediaType(why) => (StatusCode::UNSUPPORTED_MEDIA_TYPE, why),
            Refused::UnknownPath(why) => (StatusCode::NOT_FOUND, why),
        };
        self.count_refused(name, status);
        tracing::warn!(source = name, status = status.as_u16(), "{why}");
        self.keeping.quarantine.keep(name, kept);
        Answer::error(status, why)
    }

    fn nothing_usable(&self, decoded: &Decoded) -> Answer {
        let status = match decoded.rejects.is_empty() {
            true => StatusCode::OK,
            false => StatusCode::BAD_REQUEST,
        };
        let mut answer = report(decoded, &[], None);
        answer.status = status;
        answer
    }

    fn busy(&self, busy: Busy) -> Answer {
        let (limit, why) = match busy {
            Busy::Rate => ("rate", "the source sends faster than its max_rate"),
            Busy::Queue => ("queue", "too much of this source waits"),
            Busy::Alerts => (
                "alerts",
                "more alerts are kept than [listen] max_alerts allows",
            ),
            Busy::Full => ("store", "nothing can be written at the moment"),
            Busy::Stopping => ("stopping", "correlated is stopping"),
        };
        self.metrics.limits.with_label_values(&[limit]).inc();
        unavailable(why)
    }
}

fn unavailable(why: &str) -> Answer {
    let mut answer = Answer::error(StatusCode::SERVICE_UNAVAILABLE, why);
    answer.headers.push(("retry-after", RETRY_AFTER.to_owned()));
    answer
}

/// Reads a body as its source is configured: decodes it, takes out what may not stay, adds the source's labels.
pub fn decode(source: &SourceConf, redaction: &Redaction, body: &Body<'_>) -> Decoded {
    let mut decoded = Decoded::default();
    (source.kind.decode)(&source.settings, body, &mut decoded);
    clean(redaction, &mut decoded);
    for (_, event) in &mut decoded.events {
        for (name, value) in source.labels.iter() {
            event.labels.set(name, value);
        }
    }
    decoded
}

/// Nothing that was decoded, and no reason that quotes it, keeps what the rules take out.
fn clean(redaction: &Redaction, decoded: &mut Decoded) {
    for (_, event) in &mut decoded.events {
        redaction.event(event);
    }
    let refused = match &mut decoded.refused {
        Some(Refused::BadBody(why) | Refused::MediaType(why) | Refused::UnknownPath(why)) => {
            Some(why)
        }
        None => None,
    };
    let reasons = decoded.rejects.iter_mut().map(|(_, why)| why);
    for text in reasons.chain(&mut decoded.warnings).chain(refused) {
        if let std::borrow::Cow::Owned(clean) = redaction.text(text) {
            *text = clean;
        }
    }
}

/// `v1/events/<source>[/<tail>]`
fn route(path: &str) -> Option<(&str, &str)> {
    let rest = path.strip_prefix("v1/events/")?;
    Some(rest.split_once('/').unwrap_or((rest, "")))
}

/// Whether the token is shown: as Bearer, or as the password of Basic. Compared in constant time.
fn permitted(token: Option<&str>, header: &str) -> bool {
    let Some(token) = token else {
        return true;
    };
    let (scheme, value) = header.split_once(' ').unwrap_or_default();
    let shown = match scheme.to_lowercase().as_str() {
        "bearer" => Some(value.trim().to_owned()),
        "basic" => password(value.trim()),
        _ => None,
    };
    // Digests have one length, and comparing them tells nothing about the token.
    let digest = |text: &str| ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
    shown.is_some_and(|shown| {
        let (a, b) = (digest(&shown), digest(token));
        let differs = a
            .as_ref()
            .iter()
            .zip(b.as_ref())
            .fold(0u8, |d, (x, y)| d | (x ^ y));
        differs == 0
    })
}

/// The password in the value of a Basic header.
fn password(value: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let (mut bits, mut have) = (0u32, 0u32);
    for c in value.bytes().take_while(|c| *c != b'=') {
        let six = match c {
            b'A'..=b'Z' => c - b'A',
            b'a'..=b'z' => c - b'a' + 26,
            b'0'..=b'9' => c - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = (bits << 6 | u32::from(six)) & 0xffff;
        have += 6;
        if have >= 8 {
            have -= 8;
            bytes.push(u8::try_from(bits >> have & 0xff).ok()?);
        }
    }
    let text = String::from_utf8(bytes).ok()?;
    text.split_once(':')
        .map(|(_, password)| password.to_owned())
}

/// `link_base` for senders that read what became of each event.
fn report(decoded: &Decoded, answers: &[engine::Answer], link_base: Option<&Arc<str>>) -> Answer {
    use crate::model::Outcome::{Repeated, Test};
    let repeated = answers.iter().filter(|a| a.outcome == Repeated).count();
    let rejected: Vec<Value> = decoded
        .rejects
        .iter()
        .take(MAX_REASONS)
        .map(|(n, why)| json!({ "index": n, "reason": why }))
        .collect();
    let mut value = json!({
        "accepted": answers.len() - repeated + decoded.ignored.len(),
        "repeated": repeated,
        "rejected": rejected,
    });
    let test = !answers.is_empty() && answers.iter().all(|a| a.outcome == Test);
    if let (true, Some(map)) = (test, value.as_object_mut()) {
        map.insert(
            "message".to_owned(),
            Value::from("test received, nothing was created"),
        );
    }
    if let (Some(link_base), Some(map)) = (link_base, value.as_object_mut()) {
        let events: Vec<Value> = answers
            .iter()
            .map(|a| {
                json!({
                    "outcome": a.outcome.word(),
                    "incident": a.incident.map(|i| i.to_string()),
                    "alert": a.alert.map(|f| f.to_string()),
                })
            })
            .collect();
        map.insert("events".to_owned(), Value::from(events));
        // Zabbix writes these back as tags of the problem, where a second value would stand beside the
        // first: always the incident that was named first, and a link to the alert, wherever it is now.
        if let Some((incident, alert)) = answers.iter().find_map(|a| a.incident.zip(a.alert)) {
            map.insert("incident".to_owned(), Value::from(incident.to_string()));
            if !link_base.is_empty() {
                let url = format!("{}/v1/alerts/{alert}", link_base.trim_end_matches('/'));
                map.insert("url".to_owned(), Value::from(url));
            }
        }
    }
    Answer::json(StatusCode::OK, &value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_shown_as_bearer_or_as_password() {
        for (header, good) in [
            ("Bearer s3cret", true),
            ("bearer s3cret", true),
            ("Basic bmFnaW9zOnMzY3JldA==", true), // nagios:s3cret
            ("Basic bmFnaW9zOnMzY3Jl", false),
            ("Bearer s3cre", false),
            ("Bearer", false),
            ("", false),
            ("Basic !!!", false),
        ] {
            assert_eq!(permitted(Some("s3cret"), header), good, "{header}");
        }
        assert!(permitted(None, ""));
    }

    #[test]
    fn routes_name_the_source() {
        for (path, want) in [
            ("v1/events/nagios", Some(("nagios", ""))),
            (
                "v1/events/prom/api/v2/alerts",
                Some(("prom", "api/v2/alerts")),
            ),
            ("v1/event/nagios", None),
            ("", None),
        ] {
            assert_eq!(route(path), want);
        }
    }
}
