//! Carries out one delivery: renders, asks the adapter what to send, sends, reads, and says what came of it.

use super::http::{Client, Failure};
use super::inbox::{Command, Inbox};
use super::pace::Pace;
use crate::config::TargetConf;
use crate::engine::Delivery;
use crate::itsm::exchange::{Do, End, Exchange, outcome_of};
use crate::itsm::{Content, Facts, Itsm, Refusal, Reply, Seen, Step, shadow};
use crate::metrics::Metrics;
use crate::record::{OutcomeV1, ReceiptV1, StepName};
use crate::ticket::{self, Style};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::{Semaphore, SemaphorePermit};

/// Deliveries to one target at once: a tool that is slow must not be flooded, and one that hangs must not
/// hold up another target.
const AT_ONCE: usize = 4;

/// A configured target with its client and what was found out about it.
pub struct Target {
    conf: TargetConf,
    style: Style,
    client: Option<Client>,
    /// For reading requests, where they go elsewhere.
    reader: Option<Client>,
    /// Found by `Probe`; `None` until it was made.
    facts: Mutex<Option<Arc<Facts>>>,
    room: Arc<Semaphore>,
    pace: Pace,
    shown: Shown,
}

/// What a read of a ticket found.
pub(super) enum Found {
    /// How it stands.
    Seen(Seen),
    /// It is gone; the ticket that it was merged into, if any.
    Gone(String),
}

/// What the shadow target would have written, for the demo and for people who try us out; the newest
/// [`MAX_SHOWN`].
#[derive(Clone, Debug, Default)]
pub struct Shown(Arc<Mutex<VecDeque<ShownStep>>>);

/// Step, title, text.
pub type ShownStep = (&'static str, String, String);

/// Steps of the shadow target that are remembered.
const MAX_SHOWN: usize = 200;

impl Shown {
    fn add(&self, step: &'static str, title: &str, text: &str) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MAX_SHOWN {
            all.pop_front();
        }
        all.push_back((step, title.to_owned(), text.to_owned()));
    }
    /// Step, title (of a create) and text, oldest first.
    pub fn list(&self) -> Vec<ShownStep> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().cloned().collect()
    }
}

/// All targets, by name.
pub type Targets = BTreeMap<String, Arc<Target>>;

/// Makes the clients.
///
/// # Errors
/// A target whose files do not work.
pub fn targets(confs: &[TargetConf], link_base: &str, shown: &Shown) -> Result<Targets, String> {
    let mut out = Targets::new();
    for conf in confs {
        let name = conf.settings.name.clone();
        let client = match conf.url.is_empty() {
            true => None,
            false => Some(Client::new(conf).map_err(|e| format!("itsm {name}: {e}"))?),
        };
        let reader = conf.reads.as_ref().map(|r| Client::new(&r.of(conf)));
        let reader = reader
            .transpose()
            .map_err(|e| format!("itsm {name}: {e}"))?;
        let target = Target {
            style: Style {
                language: conf.language,
                timezone: conf.timezone.clone(),
                link_base: link_base.to_owned(),
                limits: conf.kind.limits,
            },
            conf: conf.clone(),
            client,
            reader,
            facts: Mutex::new(None),
            room: Arc::new(Semaphore::new(AT_ONCE)),
            pace: Pace::new(conf.max_requests),
            shown: shown.clone(),
        };
        out.insert(name, Arc::new(target));
    }
    Ok(out)
}

/// Deliveries under way, so that a stop can wait for them.
#[derive(Clone, Debug)]
pub struct UnderWay(Arc<Semaphore>);

/// Deliveries under way at once, over all targets; each target has its own, smaller bound.
const ALL_AT_ONCE: u32 = 10_000;
/// A stop waits this long for exchanges with tools; what is cut off is found after the next start.
const DRAIN: Duration = Duration::from_secs(15);

impl Default for UnderWay {
    fn default() -> UnderWay {
        UnderWay(Arc::new(Semaphore::new(
            usize::try_from(ALL_AT_ONCE).unwrap_or(1),
        )))
    }
}

impl UnderWay {
    /// Waits until nothing is under way, within bounds.
    pub async fn drained(&self) {
        if tokio::time::timeout(DRAIN, self.0.acquire_many(ALL_AT_ONCE))
            .await
            .is_err()
        {
            tracing::warn!(
                "exchanges with tools are cut off; their outcome is looked up after the next start"
            );
        }
    }
}

/// A receipt for a delivery.
pub fn receipt(delivery: &Delivery, outcome: OutcomeV1) -> ReceiptV1 {
    ReceiptV1 {
        delivery: delivery.id,
        incident: delivery.incident,
        target: delivery.target.to_string(),
        key: delivery.key.clone(),
        step: delivery.step,
        outcome,
    }
}

/// Takes deliveries until the engine thread ends. `targets` may be replaced by a reload.
pub async fn run(
    mut deliveries: UnboundedReceiver<Delivery>,
    targets: Arc<Mutex<Targets>>,
    inbox: Inbox,
    metrics: Metrics,
    under_way: UnderWay,
) {
    while let Some(delivery) = deliveries.recv().await {
        let target = {
            let all = targets.lock().unwrap_or_else(PoisonError::into_inner);
            all.get(&*delivery.target).cloned()
        };
        let (inbox, metrics) = (inbox.clone(), metrics.clone());
        let held = under_way.0.clone().acquire_owned().await;
        tokio::spawn(async move {
            let _held = held;
            let outcome = match target {
                Some(target) => target.deliver(&delivery).await,
                None => {
                    let why = "the target is not in the configuration".to_owned();
                    OutcomeV1::Refused(Refusal::Reject(why))
                }
            };
            let labels = [&*delivery.target, delivery.step.word(), word(&outcome)];
            metrics.deliveries.with_label_values(&labels).inc();
            tracing::debug!(
                target = &*delivery.target,
                step = delivery.step.word(),
                ?outcome,
                "delivery"
            );
            inbox.command(Command::Receipt(Box::new(receipt(&delivery, outcome))));
        });
    }
}

fn word(outcome: &OutcomeV1) -> &'static str {
    match outcome {
        OutcomeV1::Found(_) => "found",
        OutcomeV1::Done { .. } => "done",
        OutcomeV1::Already { .. } => "already",
        OutcomeV1::State { .. } => "left_to_person",
        OutcomeV1::Unknown { .. } => "unknown",
        OutcomeV1::Refused(refusal) => match refusal {
            Refusal::Retry { .. } => "retry",
            Refusal::Reject(_) => "rejected",
            Refusal::Login => "login",
            Refusal::Closed => "closed",
            Refusal::Gone(_) => "gone",
            Refusal::Stop(_) => "stopped",
        },
    }
}

impl Target {
    async fn deliver(&self, delivery: &Delivery) -> OutcomeV1 {
        let _room = self.room.acquire().await;
        let step = match step(delivery, &self.style) {
            Ok(step) => step,
            Err(error) => {
                let why = format!("the text cannot be made: {error}");
                return OutcomeV1::Refused(Refusal::Reject(why));
            }
        };
        let kind: &Itsm = if delivery.shadow {
            &shadow::ITSM
        } else {
            self.conf.kind
        };
        if delivery.shadow {
            show(delivery, &step, &self.shown);
        }
        let facts = match delivery.shadow {
            true => Arc::default(), // nothing is asked of the tool, so nothing is known of it
            false => match self.facts(kind).await {
                Ok(facts) => facts,
                Err(refusal) => return OutcomeV1::Refused(refusal),
            },
        };
        let outcome = outcome_of(self.exchange(kind, &facts, &step).await);
        match outcome {
            // A login may have expired: once more with a secret that is read anew. (A client that fetches
            // its token has done so already.)
            OutcomeV1::Refused(Refusal::Login) if !self.renews() => {
                self.forget();
                outcome_of(self.exchange(kind, &facts, &step).await)
            }
            // The tool says no to something that the probe thought possible: look again next time.
            OutcomeV1::Refused(Refusal::Login | Refusal::Reject(_) | Refusal::Stop(_)) => {
                self.forget();
                outcome
            }
            other => other,
        }
    }

    pub(super) fn renews(&self) -> bool {
        self.client.as_ref().is_some_and(Client::renews)
    }

    pub(super) fn forget(&self) {
        *self.facts.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// What the probe found; made once, and again after a refusal.
    pub(super) async fn facts(&self, kind: &Itsm) -> Result<Arc<Facts>, Refusal> {
        let known = self
            .facts
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        if let Some(facts) = known {
            return Ok(facts);
        }
        let facts = self.probe(kind).await?;
        let facts = Arc::new(facts);
        *self.facts.lock().unwrap_or_else(PoisonError::into_inner) = Some(facts.clone());
        Ok(facts)
    }

    /// Do credentials work, is the key field there? Changes nothing.
    ///
    /// # Errors
    /// The tool's refusal.
    pub async fn probe(&self, kind: &Itsm) -> Result<Facts, Refusal> {
        match self.exchange(kind, &Facts::default(), &Step::Probe).await {
            End::Reply(Reply::Facts(facts)) => Ok(facts),
            End::Reply(_) => Err(Refusal::Stop("the probe answered nonsense".to_owned())),
            End::Refused(refusal) => Err(refusal),
            End::Unknown(why) => Err(Refusal::Retry {
                not_before: None,
                why,
            }),
        }
    }

    /// Reads a ticket, outside of a delivery.
    ///
    /// # Errors
    /// The tool's refusal.
    pub(super) async fn read(&self, id: &str) -> Result<Found, Refusal> {
        let _room = self.room.acquire().await;
        let step = Step::Read { id: id.to_owned() };
        let facts = self.facts(self.kind()).await?;
        let end = match self.exchange(self.kind(), &facts, &step).await {
            End::Refused(Refusal::Login) if !self.renews() => {
                self.forget();
                let facts = self.facts(self.kind()).await?;
                self.exchange(self.kind(), &facts, &step).await
            }
            other => other,
        };
        match end {
            End::Reply(Reply::State(seen)) => Ok(Found::Seen(seen)),
            End::Reply(_) => Err(Refusal::Stop("the read answered nonsense".to_owned())),
            End::Refused(Refusal::Gone(into)) => Ok(Found::Gone(into)),
            End::Refused(refusal) => Err(refusal),
            End::Unknown(why) => Err(Refusal::Retry {
                not_before: None,
                why,
            }),
        }
    }

    /// Whether its tickets can be read.
    pub(super) fn reads(&self) -> bool {
        let needs = self.kind().hint.and_then(|h| h.needs);
        needs.is_none_or(|key| self.conf.settings.options.secret(key).is_some())
    }

    /// As it is configured.
    pub(super) fn conf(&self) -> &TargetConf {
        &self.conf
    }

    /// Room for a step: a tool is not flooded.
    pub(super) async fn enter(&self) -> Option<SemaphorePermit<'_>> {
        self.room.acquire().await.ok()
    }

    /// The kind that is configured.
    pub fn kind(&self) -> &'static Itsm {
        self.conf.kind
    }

    pub(super) async fn send(
        &self,
        request: &crate::model::Request,
    ) -> Result<crate::model::Response, Failure> {
        self.pace.wait().await;
        // That the side that only reads is away must not look as if the tool could not be written to.
        if let Some(reader) = self.reader.as_ref().filter(|_| !request.writes) {
            let answer = reader.send(request).await;
            return Ok(answer.unwrap_or_else(|failure| crate::model::Response {
                status: 503,
                headers: Vec::new(),
                body: failure.why.into_bytes(),
                at: super::clock::wall(),
            }));
        }
        match &self.client {
            Some(client) => client.send(request).await,
            None => Err(Failure {
                sent: false,
                fatal: false,
                why: "the target has no address".to_owned(),
            }),
        }
    }

    async fn exchange(&self, kind: &Itsm, facts: &Facts, step: &Step) -> End {
        let mut exchange = Exchange::new(kind, &self.conf.settings, facts, step);
        loop {
            let request = match exchange.proceed() {
                Do::Send(request) => request,
                Do::Over(end) => return end,
            };
            if let Some(end) = exchange.answer(self.send(&request).await) {
                return end;
            }
        }
    }
}

/// What a delivery asks of the tool, with its texts.
///
/// # Errors
/// A bug in our templates.
pub fn step(delivery: &Delivery, style: &Style) -> Result<Step, ticket::TextError> {
    let id = || delivery.ticket.clone();
    let content = || -> Result<Content, ticket::TextError> {
        let mut content = ticket::content(&delivery.wanted, style)?;
        content.watch.clone_from(&delivery.watch);
        content.main.clone_from(&delivery.main);
        content.page = ticket::page(&delivery.wanted, style);
        Ok(content)
    };
    let (n, text) = match &delivery.note {
        Some((n, note)) => (*n, ticket::note(note, &delivery.wanted, style)?),
        None => (0, String::new()),
    };
    Ok(match delivery.step {
        StepName::Probe => Step::Probe,
        StepName::Find => Step::Find {
            key: delivery.key.clone(),
            unknown: delivery.unknown,
        },
        StepName::Create => Step::Create {
            key: delivery.key.clone(),
            content: content()?,
        },
        StepName::Update => Step::Update {
            id: id(),
            content: content()?,
        },
        StepName::Note => Step::Note { id: id(), n, text },
        StepName::Resolve => Step::Resolve {
            id: id(),
            text,
            unless_touched: delivery.unless_touched,
        },
        StepName::Reopen => Step::Reopen { id: id(), text },
        StepName::Link => Step::Link {
            id: id(),
            other: delivery.other.clone(),
        },
        StepName::Read => Step::Read { id: id() },
    })
}

/// What would be done, for people who try us out.
fn show(delivery: &Delivery, step: &Step, shown: &Shown) {
    let incident = delivery.incident.to_string();
    match step {
        Step::Create { content, .. } => {
            shown.add("create", &content.title, &content.description);
            tracing::info!(
                incident,
                priority = content.priority,
                "shadow: would open {:?}",
                content.title
            );
        }
        Step::Note { text, .. } | Step::Resolve { text, .. } | Step::Reopen { text, .. } => {
            let first = text.lines().next().unwrap_or_default();
            shown.add(delivery.step.word(), "", text);
            tracing::info!(
                incident,
                "shadow: would {} with {first:?}",
                delivery.step.word()
            );
        }
        Step::Update { .. } | Step::Link { .. } => {
            tracing::debug!(incident, "shadow: would {}", delivery.step.word());
        }
        Step::Probe | Step::Find { .. } | Step::Read { .. } => {}
    }
}
