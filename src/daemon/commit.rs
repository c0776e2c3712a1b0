//! The engine thread: drains the queues into entries, commits them, answers, hands out deliveries.

use super::board::Board;
use super::clock::Clock;
use super::inbox::{Inbox, Job};
use super::recorder::Recorder;
use crate::engine::hands::CommandOutcome;
use crate::engine::{Delivery, Effects};
use crate::metrics::Metrics;
use crate::model::{Fingerprint, Millis, Seq};
use crate::node::{Node, NodeError};
use crate::record::{Record, RepeatV1, SentV1};
use crate::store::sqlite::SqliteStore;
use crate::store::{Store, StoreError};
use std::collections::BTreeMap;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::mpsc::UnboundedSender;

/// The longest wait of a round: metrics and the sign of life are at most this old.
pub(super) const ROUND: Duration = Duration::from_secs(1);
/// Repeats are written after this, if no other entry carries them.
const REPEATS_AFTER: Millis = Millis::secs(5);
/// And before the next timer, with this to spare.
const REPEATS_BEFORE: Millis = Millis(200);
/// Repeats in one entry.
pub(super) const MAX_REPEATS: usize = 2000;
/// While nothing can be written it is tried this often.
const PROBE: Duration = Duration::from_secs(1);
/// A start that replayed so many entries leaves a snapshot: a process that is killed again and again before its
/// first one is due would start more slowly each time.
const REPLAYED: u64 = 500;

/// A configured source, as the engine thread needs it.
#[derive(Clone, Debug)]
pub struct SourceName {
    /// Its name.
    pub name: String,
    /// Name space of its fingerprints.
    pub scope: String,
}

/// Everything the thread works with.
pub struct Committer {
    /// Engine and log.
    pub node: Node<SqliteStore>,
    /// What comes in.
    pub inbox: Inbox,
    /// What readers see.
    pub board: Arc<Board>,
    /// Numbers.
    pub metrics: Metrics,
    /// Time.
    pub clock: Clock,
    /// The sources, in their order.
    pub sources: Vec<SourceName>,
    /// Where deliveries go.
    pub deliveries: UnboundedSender<Delivery>,
    /// Alerts that are kept at once.
    pub max_alerts: usize,
    /// Time between snapshots.
    pub snapshot_every: Millis,
    /// Entries that this start replayed.
    pub replayed: u64,
    /// The intake as it came, if it is asked for.
    pub recorder: Option<Arc<Recorder>>,
}

/// Why the thread ended, if not by a stop.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// Engine or log.
    #[error("the log cannot be written")]
    Node(#[from] NodeError),
    /// The snapshot at the end.
    #[error("snapshot: {0}")]
    Snapshot(String),
}

/// A part of a job that is in the entry being made.
pub(super) struct Part {
    pub(super) job: Job,
    /// For each event of this part: its answer, or its place among the entry's answers.
    pub(super) places: Vec<Result<crate::engine::Answer, usize>>,
}

#[derive(Default)]
pub(super) struct Repeats {
    pub(super) known: BTreeMap<(Fingerprint, String, String), RepeatV1>,
    pub(super) heard: BTreeMap<String, Millis>,
    pub(super) since: Option<Millis>,
}

pub(super) struct Loop {
    pub(super) c: Committer,
    pub(super) repeats: Repeats,
    /// Receipts and the like that could not be written yet.
    pub(super) kept: Vec<Record>,
    pub(super) gap: Millis,
    pub(super) full_since: Option<Millis>,
    /// Taken while a graph is stored.
    pub(super) graphs: Arc<Mutex<()>>,
    pub(super) snapshot: Option<Receiver<Result<(), StoreError>>>,
    pub(super) snapshot_at: (Seq, Instant),
    pub(super) pruned: Instant,
    pub(super) gauged: Instant,
    pub(super) stop: bool,
}

/// Runs until stopped. `first` are the effects of the start.
///
/// # Errors
/// A log that cannot be written any more: the process must end.
pub fn run(committer: Committer, first: Effects) -> Result<(), CommitError> {
    let head = committer.node.opened().head;
    let mut this = Loop {
        c: committer,
        repeats: Repeats::default(),
        kept: Vec::new(),
        gap: Millis(0),
        full_since: None,
        graphs: Arc::default(),
        snapshot: None,
        snapshot_at: (head, Instant::now()),
        pruned: Instant::now(),
        gauged: Instant::now(),
        stop: false,
    };
    this.c.board.fill(this.c.node.engine());
    this.after(first)?;
    if this.c.replayed >= REPLAYED {
        this.start_snapshot();
    }
    while !this.stop {
        this.round()?;
    }
    this.finish()
}

impl Loop {
    fn round(&mut self) -> Result<(), CommitError> {
        let wait = self.wait_for();
        self.c.inbox.wait(wait);
        let (now, gap) = self.c.clock.look(wait);
        self.gap = self.gap.plus(gap.unwrap_or_default());
        if let Some(gap) = gap {
            tracing::warn!(
                seconds = gap.0 / 1000,
                "nothing could be heard for a while; that silence counts for nothing"
            );
        }
        self.c.board.alive(now.0);
        if self.full_since.is_some() && !self.probe(now)? {
            return Ok(());
        }
        let mut records = std::mem::take(&mut self.kept);
        let replies = self.commands(&mut records)?;
        let (parts, events) = self.events(now);
        let flush = !records.is_empty() || !events.is_empty() || self.repeats_due(now) || self.stop;
        let due = self
            .c
            .node
            .engine()
            .next_due()
            .is_some_and(|due| due <= now);
        let mut entry = self.preamble(now, flush || due);
        entry.extend(records.iter().cloned());
        entry.extend(events);
        if entry.is_empty() && due {
            entry.push(Record::Tick);
        }
        let (answers, outcomes) = if entry.is_empty() {
            (Vec::new(), Vec::new())
        } else {
            match self.commit(now, &entry) {
                Ok(said) => said,
                Err(CommitError::Node(NodeError::Store(StoreError::Full(why)))) => {
                    // A person who is told that it failed must not see it done later.
                    records.retain(|r| !matches!(r, Record::Operator(_)));
                    self.kept = records;
                    return self.full(now, &why, parts);
                }
                Err(error) => return Err(error),
            }
        };
        if let Some(recorder) = &self.c.recorder {
            records.iter().for_each(|r| recorder.told(now, r));
        }
        for reply in replies.written {
            reply.send(()).ok(); // whoever asked may have gone
        }
        for (reply, outcome) in replies.people.into_iter().zip(outcomes) {
            reply.send(outcome).ok();
        }
        self.answer(parts, &answers);
        self.housekeeping(now)
    }

    fn wait_for(&self) -> Duration {
        if self.full_since.is_some() {
            return PROBE;
        }
        let now = self.c.clock.now();
        let engine = self.c.node.engine().next_due();
        let repeats = self.repeats.since.map(|s| s.plus(REPEATS_AFTER));
        let before = self
            .repeats
            .since
            .and(engine)
            .map(|d| Millis(d.0 - REPEATS_BEFORE.0));
        let next = [engine, repeats, before].into_iter().flatten().min();
        let wait = next.map_or(ROUND, |due| {
            Duration::from_millis(u64::try_from(due.since(now).0).unwrap_or(0))
        });
        wait.min(ROUND)
    }

    fn repeats_due(&self, now: Millis) -> bool {
        let Some(since) = self.repeats.since else {
            return false;
        };
        let soon = now.plus(REPEATS_BEFORE);
        let timer = self
            .c
            .node
            .engine()
            .next_due()
            .is_some_and(|due| due <= soon);
        timer || now.since(since) >= REPEATS_AFTER || self.repeats.known.len() >= MAX_REPEATS
    }

    pub(super) fn commit(
        &mut self,
        now: Millis,
        entry: &[Record],
    ) -> Result<(Vec<crate::engine::Answer>, Vec<CommandOutcome>), CommitError> {
        let begun = Instant::now();
        let mut effects = self.c.node.commit(now, entry)?;
        self.c
            .metrics
            .commit_seconds
            .observe(begun.elapsed().as_secs_f64());
        let answers = std::mem::take(&mut effects.answers);
        let outcomes = std::mem::take(&mut effects.commands);
        let begun = Instant::now();
        self.after(effects)?;
        self.c
            .metrics
            .apply_seconds
            .observe(begun.elapsed().as_secs_f64());
        Ok((answers, outcomes))
    }

    /// Everything after apply: lines, board, history, and deliveries, whose `Sent` goes to the disk first.
    pub(super) fn after(&mut self, mut effects: Effects) -> Result<(), CommitError> {
        loop {
            self.show(&effects);
            let deliveries = std::mem::take(&mut effects.deliveries);
            let sent: Vec<Record> = deliveries
                .iter()
                .filter(|d| d.step.writes())
                .map(sent)
                .collect();
            if !sent.is_empty() {
                let now = self.c.clock.now();
                match self.c.node.commit(now, &sent) {
                    Ok(next) => effects = next,
                    Err(NodeError::Store(StoreError::Full(why))) => {
                        // Nothing was sent, and a restart would ask again; here the receipt says so.
                        tracing::error!(why, "no room to record a delivery; it is tried again");
                        self.kept.extend(deliveries.iter().map(not_sent));
                        return Ok(());
                    }
                    Err(error) => return Err(error.into()),
                }
            }
            let none_more = sent.is_empty();
            for delivery in deliveries {
                // The receiver ends only after this thread.
                self.c.deliveries.send(delivery).ok();
            }
            if none_more {
                return Ok(());
            }
        }
    }

    pub(super) fn show(&mut self, effects: &Effects) {
        for line in &effects.lines {
            let text = match line.incident {
                Some(incident) => format!("{incident} {}", line.text),
                None => line.text.clone(),
            };
            match line.warn {
                true => tracing::warn!("{text}"),
                false => tracing::info!("{text}"),
            }
        }
        for id in &effects.violations {
            self.c
                .metrics
                .violations
                .with_label_values(&[&id.to_string()])
                .inc();
            tracing::error!(
                seq = self.c.node.opened().head.0,
                "invariant {id} is broken, please report it"
            );
        }
        self.c.metrics.expired.inc_by(effects.expired);
        self.c
            .metrics
            .notes_suppressed
            .inc_by(effects.notes_suppressed);
        self.c.board.update(self.c.node.engine(), effects);
        if let Err(error) = self.c.node.store().history(&effects.history) {
            // For reports only; what decides is in the log.
            tracing::warn!(%error, "history rows could not be written");
        }
    }

    pub(super) fn answer(&mut self, parts: Vec<Part>, answers: &[crate::engine::Answer]) {
        for mut part in parts {
            let source = self
                .c
                .sources
                .get(part.job.source)
                .map(|s| s.name.clone())
                .unwrap_or_default();
            for place in part.places {
                let answer = match place {
                    Ok(answer) => Some(answer),
                    Err(at) => answers.get(at).copied(),
                };
                if let Some(answer) = answer {
                    let labels = [source.as_str(), answer.outcome.word()];
                    self.c.metrics.events.with_label_values(&labels).inc();
                    part.job.answers.push(answer);
                }
            }
            if part.job.events.is_empty() {
                let done = match part.job.busy {
                    Some(busy) => Err(busy),
                    None => Ok(std::mem::take(&mut part.job.answers)),
                };
                part.job.reply.send(done).ok(); // a sender that hung up gets nothing
            } else {
                self.c.inbox.put_back(part.job);
            }
        }
    }
}

/// The record that a delivery may write now.
pub fn sent(delivery: &Delivery) -> Record {
    Record::Sent(SentV1 {
        delivery: delivery.id,
        incident: delivery.incident,
        opening: delivery.opening,
        target: delivery.target.to_string(),
        key: delivery.key.clone(),
        step: delivery.step,
        ticket: delivery.ticket.clone(),
    })
}

fn not_sent(delivery: &Delivery) -> Record {
    let refusal = crate::itsm::Refusal::Retry {
        not_before: None,
        why: "no room to record it".to_owned(),
    };
    Record::Receipt(super::deliver::receipt(
        delivery,
        crate::record::OutcomeV1::Refused(refusal),
    ))
}
