//! The engine thread: drains the queues into entries, commits them, answers, hands out deliveries.

use super::board::Board;
use super::clock::Clock;
use super::gauges;
use super::inbox::{Command, Inbox, Job};
use crate::engine::{Delivery, Effects, Engine, Quick, identity};
use crate::metrics::Metrics;
use crate::model::{Event, Fingerprint, Millis, Outcome, Seq};
use crate::node::{self, Node, NodeError};
use crate::record::{
    ClockStepV1, EventsV1, GraphV1, MAX_EVENTS, OperatorV1, Record, RepeatV1, RepeatsV1, RulesV1,
    SentV1,
};
use crate::store::sqlite::SqliteStore;
use crate::store::{ChunkKind, Store, StoreError};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};
use std::time::{Duration, Instant};
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::oneshot;

/// The longest wait of a round: metrics and the sign of life are at most this old.
const ROUND: Duration = Duration::from_secs(1);
/// Repeats are written after this, if no other entry carries them.
const REPEATS_AFTER: Millis = Millis::secs(5);
/// And before the next timer, with this to spare.
const REPEATS_BEFORE: Millis = Millis(200);
/// Repeats in one entry.
const MAX_REPEATS: usize = 2000;
/// Bytes of events in one entry; the payload is a little more.
const MAX_BYTES: usize = 192 * 1024;
/// While nothing can be written it is tried this often.
const PROBE: Duration = Duration::from_secs(1);
/// Retention runs this often.
const PRUNE: Duration = Duration::from_secs(60);
/// A snapshot is made after this many entries, whatever the time.
const SNAPSHOT_ENTRIES: u64 = 20_000;

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
    /// Time between snapshots.
    pub snapshot_every: Millis,
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
struct Part {
    job: Job,
    /// For each event of this part: its answer, or its place among the entry's answers.
    places: Vec<Result<crate::engine::Answer, usize>>,
}

#[derive(Default)]
struct Repeats {
    known: BTreeMap<(Fingerprint, String, String), RepeatV1>,
    heard: BTreeMap<String, Millis>,
    since: Option<Millis>,
}

struct Loop {
    c: Committer,
    repeats: Repeats,
    /// Receipts and the like that could not be written yet.
    kept: Vec<Record>,
    gap: Millis,
    full_since: Option<Millis>,
    snapshot: Option<Receiver<Result<(), StoreError>>>,
    snapshot_at: (Seq, Instant),
    pruned: Instant,
    gauged: Instant,
    stop: bool,
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
        snapshot: None,
        snapshot_at: (head, Instant::now()),
        pruned: Instant::now(),
        gauged: Instant::now(),
        stop: false,
    };
    this.c.board.fill(this.c.node.engine());
    this.after(first)?;
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
        let answers = if entry.is_empty() {
            Vec::new()
        } else {
            match self.commit(now, &entry) {
                Ok(answers) => answers,
                Err(CommitError::Node(NodeError::Store(StoreError::Full(why)))) => {
                    self.kept = records;
                    return self.full(now, &why, parts);
                }
                Err(error) => return Err(error),
            }
        };
        for reply in replies {
            reply.send(()).ok(); // whoever asked may have gone
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

    /// What an entry says about the time before it.
    fn preamble(&mut self, now: Millis, flush: bool) -> Vec<Record> {
        let mut entry = Vec::new();
        if self.gap.0 > 0 {
            entry.push(Record::ClockStep(ClockStepV1 { gap: self.gap }));
            self.gap = Millis(0);
        }
        if flush && self.repeats.since.is_some() {
            let repeats = std::mem::take(&mut self.repeats);
            let mut rest = repeats.known.into_values();
            entry.push(Record::Repeats(RepeatsV1 {
                repeats: rest.by_ref().take(MAX_REPEATS).collect(),
                heard: repeats.heard.into_iter().collect(),
            }));
            for late in rest {
                self.keep_repeat(now, late);
            }
        }
        entry
    }

    fn keep_repeat(&mut self, now: Millis, repeat: RepeatV1) {
        self.repeats.since = self.repeats.since.or(Some(now));
        let key = (
            repeat.fingerprint,
            repeat.source.clone(),
            repeat.sender.clone(),
        );
        match self.repeats.known.get_mut(&key) {
            Some(known) => {
                known.count = known.count.saturating_add(repeat.count);
                known.last = known.last.max(repeat.last);
                known.valid_until = known.valid_until.max(repeat.valid_until);
            }
            None => {
                self.repeats.known.insert(key, repeat);
            }
        }
    }

    /// Commands become records. Answers whom to tell once they are written.
    fn commands(
        &mut self,
        records: &mut Vec<Record>,
    ) -> Result<Vec<oneshot::Sender<()>>, CommitError> {
        let mut replies = Vec::new();
        for command in self.c.inbox.commands() {
            match command {
                Command::Receipt(receipt) => records.push(Record::Receipt(*receipt)),
                Command::Operator(actor, command, reply) => {
                    records.push(Record::Operator(OperatorV1 { actor, command }));
                    replies.push(reply);
                }
                Command::Rules(text, reply) => {
                    if self.c.node.engine().state().rules.canonical() != text
                        || self.c.node.engine().state().rules_no == 0
                    {
                        records.push(Record::Rules(RulesV1 { text }));
                    }
                    replies.push(reply);
                }
                Command::Graph(raw, as_of, reply) => {
                    let digest = match self.c.node.put_graph(&raw) {
                        Ok(digest) => digest,
                        Err(NodeError::Store(StoreError::Full(why))) => {
                            tracing::error!(why, "no room for the new graph; the old one stays");
                            continue;
                        }
                        Err(error) => return Err(error.into()),
                    };
                    let same = self
                        .c
                        .node
                        .engine()
                        .state()
                        .graph
                        .is_some_and(|g| g.digest == digest);
                    if !same {
                        records.push(Record::Graph(GraphV1 {
                            digest,
                            cis: u32::try_from(raw.cis.len()).unwrap_or(u32::MAX),
                            relations: u32::try_from(raw.relations.len()).unwrap_or(u32::MAX),
                            as_of,
                        }));
                    }
                    replies.push(reply);
                }
                Command::Ask(look) => look(self.c.node.engine()),
                Command::Stop => self.stop = true,
            }
        }
        Ok(replies)
    }

    /// Jobs of the sources in turn, up to the size of an entry. What changes nothing is answered from the
    /// state as it is, unless an event before it in the same entry is about the same alert.
    fn events(&mut self, now: Millis) -> (Vec<Part>, Vec<Record>) {
        let (mut parts, mut records) = (Vec::new(), Vec::new());
        let (mut full_events, mut bytes, mut seen_events) = (0usize, 0usize, 0usize);
        let mut changed: BTreeSet<Fingerprint> = BTreeSet::new();
        while full_events < MAX_EVENTS && bytes < MAX_BYTES && seen_events < 64 * MAX_EVENTS {
            let Some(mut job) = self.c.inbox.next() else {
                break;
            };
            let Some(source) = self.c.sources.get(job.source).cloned() else {
                continue;
            };
            let (mut batch, mut places) = (Vec::new(), Vec::new());
            while full_events < MAX_EVENTS && bytes < MAX_BYTES {
                let Some(event) = job.events.pop_front() else {
                    break;
                };
                seen_events = seen_events.saturating_add(1);
                let engine = self.c.node.engine();
                let quick = engine.quick(&source.name, &source.scope, &event);
                let rules = &engine.state().rules.identity;
                let quick = quick.filter(|q| !changed.contains(&fingerprint_of(q)));
                match quick {
                    Some(quick) => {
                        let answer = self.answer_quick(now, &source.name, &event, quick);
                        places.push(Ok(answer));
                    }
                    None => {
                        changed.insert(identity::fingerprint(rules, &source.scope, &event.labels));
                        places.push(Err(full_events));
                        full_events = full_events.saturating_add(1);
                        bytes = bytes.saturating_add(weight(&event));
                        batch.push(event);
                    }
                }
            }
            if !batch.is_empty() {
                records.push(Record::Events(EventsV1 {
                    source: source.name,
                    scope: source.scope,
                    received_at: job.received_at,
                    events: batch,
                }));
            }
            parts.push(Part { job, places });
        }
        (parts, records)
    }

    fn answer_quick(
        &mut self,
        now: Millis,
        source: &str,
        event: &Event,
        quick: Quick,
    ) -> crate::engine::Answer {
        self.repeats.since = self.repeats.since.or(Some(now));
        self.repeats.heard.insert(source.to_owned(), now);
        let (outcome, fingerprint) = match quick {
            Quick::Repeat(fingerprint) => {
                self.keep_repeat(
                    now,
                    RepeatV1 {
                        fingerprint,
                        source: source.to_owned(),
                        sender: event.sender.clone(),
                        count: 1,
                        last: now,
                        valid_until: event.valid_until,
                    },
                );
                (Outcome::Repeated, fingerprint)
            }
            Quick::Nothing(outcome, fingerprint) => (outcome, fingerprint),
        };
        let incident = self
            .c
            .node
            .engine()
            .alert_by(fingerprint)
            .and_then(|a| a.incident);
        crate::engine::Answer {
            outcome,
            alert: Some(fingerprint),
            incident,
        }
    }

    fn commit(
        &mut self,
        now: Millis,
        entry: &[Record],
    ) -> Result<Vec<crate::engine::Answer>, CommitError> {
        let begun = Instant::now();
        let mut effects = self.c.node.commit(now, entry)?;
        self.c
            .metrics
            .commit_seconds
            .observe(begun.elapsed().as_secs_f64());
        let answers = std::mem::take(&mut effects.answers);
        let begun = Instant::now();
        self.after(effects)?;
        self.c
            .metrics
            .apply_seconds
            .observe(begun.elapsed().as_secs_f64());
        Ok(answers)
    }

    /// Everything after apply: lines, board, history, and deliveries, whose `Sent` goes to the disk first.
    fn after(&mut self, mut effects: Effects) -> Result<(), CommitError> {
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

    fn show(&mut self, effects: &Effects) {
        for line in &effects.lines {
            let incident = line.incident.map(|i| i.to_string()).unwrap_or_default();
            match line.warn {
                true => tracing::warn!(incident, "{}", line.text),
                false => tracing::info!(incident, "{}", line.text),
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

    fn answer(&mut self, parts: Vec<Part>, answers: &[crate::engine::Answer]) {
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
                let done = std::mem::take(&mut part.job.answers);
                part.job.reply.send(done).ok(); // a sender that hung up gets nothing
            } else {
                self.c.inbox.put_back(part.job);
            }
        }
    }

    /// The disk is full: nobody is promised anything until there is room.
    fn full(&mut self, now: Millis, why: &str, parts: Vec<Part>) -> Result<(), CommitError> {
        if self.full_since.is_none() {
            tracing::error!(
                why,
                "the store is full: senders get 503 until there is room"
            );
            self.c.node.store().release_reserve();
        }
        self.full_since = self.full_since.or(Some(now));
        self.c.metrics.store_full.set(1);
        self.c.inbox.set_full(true);
        drop(parts); // their senders are told
        if self.stop {
            return Err(NodeError::Store(StoreError::Full(why.to_owned())).into());
        }
        Ok(())
    }

    /// Is there room again?
    fn probe(&mut self, now: Millis) -> Result<bool, CommitError> {
        let gap = now.since(self.full_since.unwrap_or(now));
        let step = Record::ClockStep(ClockStepV1 { gap });
        match self.c.node.commit(now, &[step]) {
            Ok(effects) => {
                self.full_since = None;
                self.c.metrics.store_full.set(0);
                self.c.inbox.set_full(false);
                self.c.node.store().restore_reserve();
                tracing::info!(seconds = gap.0 / 1000, "the store has room again");
                self.after(effects)?;
                Ok(true)
            }
            Err(NodeError::Store(StoreError::Full(_))) => {
                for command in self.c.inbox.commands() {
                    match command {
                        Command::Receipt(receipt) => self.kept.push(Record::Receipt(*receipt)),
                        Command::Ask(look) => look(self.c.node.engine()),
                        Command::Stop => self.stop = true,
                        // Whoever asked is told by the dropped sender.
                        Command::Operator(..) | Command::Rules(..) | Command::Graph(..) => {}
                    }
                }
                Ok(false)
            }
            Err(error) => Err(error.into()),
        }
    }

    fn housekeeping(&mut self, now: Millis) -> Result<(), CommitError> {
        if self.gauged.elapsed() < ROUND {
            return Ok(());
        }
        self.gauged = Instant::now();
        gauges::update(&self.c.metrics, self.c.node.engine(), now);
        self.c
            .metrics
            .clock_behind
            .set(seconds(self.c.clock.behind()));
        for (source, bytes) in self.c.sources.iter().zip(self.c.inbox.bytes()) {
            let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
            self.c
                .metrics
                .queue_bytes
                .with_label_values(&[&source.name])
                .set(bytes);
        }
        self.snapshot_done();
        let (at, when) = self.snapshot_at;
        let head = self.c.node.opened().head;
        let entries = head.0.saturating_sub(at.0);
        let every = Duration::from_millis(u64::try_from(self.c.snapshot_every.0).unwrap_or(0));
        let due = entries > 0 && (when.elapsed() >= every || entries >= SNAPSHOT_ENTRIES);
        if due && self.snapshot.is_none() && self.full_since.is_none() {
            self.start_snapshot();
        }
        if self.pruned.elapsed() >= PRUNE {
            let more = match self.c.node.store().prune(now) {
                Ok(more) => more,
                Err(error) => {
                    tracing::warn!(%error, "retention could not delete");
                    false
                }
            };
            let bytes = i64::try_from(self.c.node.store().bytes()).unwrap_or(i64::MAX);
            self.c.metrics.log_bytes.set(bytes);
            if !more {
                self.pruned = Instant::now();
            }
        }
        Ok(())
    }

    /// Clones the state and lets a thread of its own encode and write it.
    fn start_snapshot(&mut self) {
        let head = self.c.node.opened().head;
        self.snapshot_at = (head, Instant::now());
        let helper = match self.c.node.store().helper() {
            Ok(helper) => helper,
            Err(error) => return tracing::warn!(%error, "no snapshot this time"),
        };
        let engine = self.c.node.engine().clone();
        let (tell, done) = sync_channel(1);
        let work = move || tell.send(write_snapshot(helper, &engine, head)).ok();
        match std::thread::Builder::new()
            .name("snapshot".to_owned())
            .spawn(work)
        {
            Ok(_) => self.snapshot = Some(done),
            Err(error) => tracing::warn!(%error, "no snapshot this time"),
        }
    }

    fn snapshot_done(&mut self) {
        let Some(done) = &self.snapshot else {
            return;
        };
        match done.try_recv() {
            Ok(Ok(())) => tracing::debug!("snapshot written"),
            Ok(Err(error)) => tracing::warn!(%error, "snapshot not written"),
            Err(TryRecvError::Empty) => return,
            Err(TryRecvError::Disconnected) => {
                tracing::warn!("snapshot not written: its thread ended")
            }
        }
        self.snapshot = None;
    }

    /// A stop that was asked for: a snapshot at the head, so that the next start replays nothing.
    fn finish(mut self) -> Result<(), CommitError> {
        if let Some(done) = self.snapshot.take() {
            done.recv().ok(); // whatever became of it, a newer one follows
        }
        let head = self.c.node.opened().head;
        let bytes = crate::engine::snapshot::encode(self.c.node.engine().state())
            .map_err(|e| CommitError::Snapshot(e.to_string()))?;
        node::put(self.c.node.store(), ChunkKind::Snapshot, head.0, &bytes)
            .map_err(NodeError::from)?;
        self.c.node.store().clean_stop().map_err(NodeError::from)?;
        tracing::info!(seq = head.0, "stopped with a snapshot at the head");
        Ok(())
    }
}

fn write_snapshot(mut store: SqliteStore, engine: &Engine, head: Seq) -> Result<(), StoreError> {
    let bytes = crate::engine::snapshot::encode(engine.state())
        .map_err(|e| StoreError::Damaged(e.to_string()))?;
    node::put(&mut store, ChunkKind::Snapshot, head.0, &bytes)
}

fn fingerprint_of(quick: &Quick) -> Fingerprint {
    match quick {
        Quick::Repeat(fingerprint) | Quick::Nothing(_, fingerprint) => *fingerprint,
    }
}

fn weight(event: &Event) -> usize {
    let pairs = event.labels.iter().chain(event.annotations.iter());
    pairs.map(|(n, v)| n.len() + v.len() + 4).sum::<usize>() + event.link.len() + 64
}

fn seconds(span: Millis) -> f64 {
    Duration::from_millis(u64::try_from(span.0).unwrap_or(0)).as_secs_f64()
}

fn sent(delivery: &Delivery) -> Record {
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
