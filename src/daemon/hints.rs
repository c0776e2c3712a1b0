//! `POST /v1/tickets/<target>`: a tool tells that a ticket changed. A hint and no more: the ticket is read back, and
//! judged as a poll would.
//!
//! Hints wait in memory, for they are harmless to lose: the next poll finds what a person did, and so does the next
//! hint about the ticket.

use super::deliver::{Found, Target, Targets};
use super::http;
use super::inbox::Inbox;
use super::poll::{Back, ask, judged};
use super::serve::{Answer, Handler, Inquiry};
use crate::itsm::hint::{Digest, Hint};
use crate::itsm::poll::Polled;
use crate::itsm::{Refusal, shown};
use crate::metrics::Metrics;
use hyper::{Method, StatusCode};
use ring::hmac;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, watch};

/// Bytes of a body. The largest tell an issue with all its fields.
const MAX_BODY: usize = 2 << 20;
/// Tickets of one target that wait to be read; the poll finds the rest.
const MAX_WAITING: usize = 1000;
/// A ticket is read this long after its hint: one act of a person comes as several.
const GATHER: Duration = Duration::from_millis(300);
/// Waits before it is read once more, while it cannot be judged.
const AGAIN: [Duration; 5] = [
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(5),
    Duration::from_secs(15),
    Duration::from_secs(60),
];

/// What is known of hints, for those who take them and those who follow them.
#[derive(Clone)]
pub struct Hints {
    targets: Arc<Mutex<Targets>>,
    inbox: Inbox,
    metrics: Metrics,
    waiting: Arc<Mutex<BTreeMap<String, Waiting>>>,
    woken: Arc<Notify>,
}

/// Tickets of one target that are to be read, by the name that the tool gives them.
#[derive(Default)]
struct Waiting {
    names: BTreeMap<String, Try>,
    busy: bool,
}

#[derive(Clone, Copy)]
struct Try {
    due: Instant,
    tries: usize,
}

/// What became of a name.
enum Followed {
    /// Read, and judged.
    Read,
    /// Not one of our tickets.
    Unknown,
    /// Cannot be judged or read now.
    Again,
    /// Cannot be read.
    Failed,
}

impl Hints {
    /// Nothing waits yet.
    pub fn new(targets: Arc<Mutex<Targets>>, inbox: Inbox, metrics: Metrics) -> Hints {
        Hints {
            targets,
            inbox,
            metrics,
            waiting: Arc::default(),
            woken: Arc::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn target(&self, name: &str) -> Option<Arc<Target>> {
        let all = self.targets.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(name).cloned()
    }

    /// Answers what begins with `v1/tickets/`, and hands the rest to `events`.
    pub fn before(self, events: Handler) -> Handler {
        Arc::new(move |inquiry| {
            let hints = self.clone();
            match inquiry.path.strip_prefix("v1/tickets/").map(str::to_owned) {
                Some(name) => Box::pin(async move { hints.answer(&name, &inquiry) }),
                None => events(inquiry),
            }
        })
    }

    fn answer(&self, name: &str, inquiry: &Inquiry) -> Answer {
        let Some(target) = self.target(name) else {
            let text = format!("there is no target {name:?} in the configuration");
            return Answer::error(StatusCode::NOT_FOUND, &text);
        };
        let (outcome, answer) = self.judge(name, &target, inquiry);
        let labels = [name, outcome];
        self.metrics.hints.with_label_values(&labels).inc();
        answer
    }

    fn judge(&self, name: &str, target: &Target, inquiry: &Inquiry) -> (&'static str, Answer) {
        let no = |outcome, status, why: &str| (outcome, Answer::error(status, why));
        let kind = target.kind();
        let Some(hint) = &kind.hint else {
            let text = format!(
                "tickets of kind {} are looked for by poll; no webhook is read",
                kind.kind
            );
            return no("not_read", StatusCode::NOT_FOUND, &text);
        };
        if inquiry.method != Method::POST {
            let text = "changes of tickets are posted";
            let mut refused = no("refused", StatusCode::METHOD_NOT_ALLOWED, text);
            refused.1.headers.push(("allow", "POST".to_owned()));
            return refused;
        }
        let Some(from) = &target.conf().webhook_secret else {
            let text = format!(
                "itsm {name} has no webhook_secret, so nothing shows who sends this; set webhook_secret_file"
            );
            return no("no_secret", StatusCode::FORBIDDEN, &text);
        };
        if inquiry.body.len() > MAX_BODY {
            let text = format!("the body has more than {MAX_BODY} bytes");
            return no("too_large", StatusCode::PAYLOAD_TOO_LARGE, &text);
        }
        // Read each time: a rotated secret needs no restart.
        let secret = match http::secret(from) {
            Ok(secret) => secret,
            Err(why) => {
                tracing::error!("{name}: webhooks cannot be checked: {why}");
                let text = "the secret cannot be read; see the log of correlated";
                return no("no_secret", StatusCode::SERVICE_UNAVAILABLE, text);
            }
        };
        if !is_signed(hint, &secret, inquiry) {
            let text = format!("{} is missing or wrong", hint.header);
            return no("unsigned", StatusCode::UNAUTHORIZED, &text);
        }
        let names = match hint.named(&inquiry.body) {
            Ok(names) => names,
            Err(why) => return no("refused", StatusCode::BAD_REQUEST, &why),
        };
        let body = json!({ "tickets": names.len() });
        match self.wait(name, names) {
            true => ("accepted", Answer::json(StatusCode::ACCEPTED, &body)),
            false => {
                let text = "too many tickets wait to be read; the next poll finds them";
                no("full", StatusCode::SERVICE_UNAVAILABLE, text)
            }
        }
    }

    /// Puts names in line. Answers whether there was room.
    fn wait(&self, target: &str, names: Vec<String>) -> bool {
        let mut all = self.lock();
        let waiting = all.entry(target.to_owned()).or_default();
        for name in names {
            if waiting.names.len() >= MAX_WAITING && !waiting.names.contains_key(&name) {
                let labels = ["hints"];
                self.metrics.limits.with_label_values(&labels).inc();
                return false;
            }
            let due = Instant::now() + GATHER;
            let first = waiting.names.entry(name);
            first
                .and_modify(|t| t.tries = 0)
                .or_insert(Try { due, tries: 0 });
        }
        self.woken.notify_one();
        true
    }

    /// Reads the tickets that were named, until it is told to stop.
    pub async fn follow(self, mut stop: watch::Receiver<bool>) {
        loop {
            let next = self.next_due();
            let wait = next.map(|due| due.saturating_duration_since(Instant::now()));
            tokio::select! {
                () = self.woken.notified() => {}
                () = tokio::time::sleep(wait.unwrap_or(Duration::from_secs(3600))) => {}
                _ = stop.changed() => return,
            }
            for (name, names) in self.take() {
                let (hints, of) = (self.clone(), name.clone());
                let read = async move { hints.follow_all(&of, names).await };
                let hints = self.clone();
                tokio::spawn(async move {
                    // A bug there must not keep the next hint from being followed.
                    if tokio::spawn(read).await.is_err() {
                        hints.metrics.panics.inc();
                    }
                    if let Some(waiting) = hints.lock().get_mut(&name) {
                        waiting.busy = false;
                    }
                    hints.woken.notify_one();
                });
            }
        }
    }

    fn next_due(&self) -> Option<Instant> {
        let all = self.lock();
        let idle = all.values().filter(|w| !w.busy);
        idle.flat_map(|w| w.names.values().map(|t| t.due)).min()
    }

    /// What is due, of every target of which nothing is being read.
    fn take(&self) -> Vec<(String, Vec<(String, usize)>)> {
        let now = Instant::now();
        let mut out = Vec::new();
        for (target, waiting) in self.lock().iter_mut().filter(|(_, w)| !w.busy) {
            let due = waiting.names.iter().filter(|(_, t)| t.due <= now);
            let due: Vec<(String, usize)> = due.map(|(n, t)| (n.clone(), t.tries)).collect();
            for (name, _) in &due {
                waiting.names.remove(name);
            }
            if !due.is_empty() {
                waiting.busy = true;
                out.push((target.clone(), due));
            }
        }
        out
    }

    async fn follow_all(&self, target: &str, names: Vec<(String, usize)>) {
        for (name, tries) in names {
            let followed = match self.target(target) {
                Some(found) => self.follow_one(target, &found, &name).await,
                None => Followed::Unknown, // a reload took it away
            };
            let outcome = match (followed, AGAIN.get(tries)) {
                (Followed::Again, Some(wait)) => {
                    let again = Try {
                        due: Instant::now() + *wait,
                        tries: tries.saturating_add(1),
                    };
                    let mut all = self.lock();
                    let waiting = all.entry(target.to_owned()).or_default();
                    waiting.names.entry(name).or_insert(again);
                    continue;
                }
                (Followed::Read, _) => "read",
                (Followed::Unknown, _) => "unknown",
                (Followed::Again | Followed::Failed, _) => "failed",
            };
            let labels = [target, outcome];
            self.metrics.hinted.with_label_values(&labels).inc();
        }
    }

    async fn follow_one(&self, of: &str, target: &Target, name: &str) -> Followed {
        let (wanted, called) = (of.to_owned(), name.to_owned());
        let known = ask(&self.inbox, move |engine| {
            let state = engine.state();
            let rules = state.rules.targets.get(&wanted);
            let writes = rules.is_some_and(|t| t.mode != crate::rules::Mode::Shadow);
            let ticket = engine.ticket_named(&wanted, &called).filter(|_| writes);
            ticket.map(|ticket| (ticket.to_owned(), state.seq))
        });
        let (ticket, began) = match known.await {
            None => return Followed::Again, // the engine is busy, or gone
            Some(None) => {
                tracing::debug!(
                    target = of,
                    "a webhook names {name}, which is no ticket of ours"
                );
                return Followed::Unknown;
            }
            Some(Some(found)) => found,
        };
        let mut back = Back::default();
        match target.read(&ticket).await {
            Ok(Found::Seen(seen)) => back.tickets.push(Polled { id: ticket, seen }),
            Ok(Found::Gone(into)) => back.gone.push((ticket, into)),
            Err(Refusal::Retry { .. }) => return Followed::Again,
            Err(refusal) => {
                tracing::warn!(
                    "{of}: ticket {} cannot be read after a webhook, what people changed is seen later: {refusal}",
                    shown(&ticket)
                );
                return Followed::Failed;
            }
        }
        match judged(of.to_owned(), began, back, &self.inbox, &self.metrics).await {
            Some(unsure) if unsure.is_empty() => Followed::Read,
            Some(_) | None => Followed::Again,
        }
    }
}

/// Whether the body was signed with the secret. Compared in constant time.
fn is_signed(hint: &Hint, secret: &str, inquiry: &Inquiry) -> bool {
    let digest = match hint.digest {
        Digest::Sha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
        Digest::Sha256 => hmac::HMAC_SHA256,
    };
    let key = hmac::Key::new(digest, secret.as_bytes());
    let signatures = hint.signatures(inquiry.header(hint.header));
    signatures
        .iter()
        .any(|s| hmac::verify(&key, &inquiry.body, s).is_ok())
}
