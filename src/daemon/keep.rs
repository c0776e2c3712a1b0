//! What the engine thread does beside its rounds: gauges, retention, snapshots, and a full disk.

use super::clock::seconds;
use super::commit::{CommitError, Loop, Part, ROUND};
use super::gauges;
use super::inbox::{Command, Loaded};
use crate::engine::Engine;
use crate::model::{Millis, Seq};
use crate::node::{self, NodeError};
use crate::record::{ClockStepV1, Record};
use crate::store::sqlite::SqliteStore;
use crate::store::{ChunkKind, Store, StoreError};
use std::sync::PoisonError;
use std::sync::mpsc::{TryRecvError, sync_channel};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// Retention runs this often.
const PRUNE: Duration = Duration::from_secs(60);
/// A snapshot is made after this many entries, whatever the time.
const SNAPSHOT_ENTRIES: u64 = 20_000;

impl Loop {
    /// The disk is full: nobody is promised anything until there is room.
    pub(super) fn full(
        &mut self,
        now: Millis,
        why: &str,
        parts: Vec<Part>,
    ) -> Result<(), CommitError> {
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
    pub(super) fn probe(&mut self, now: Millis) -> Result<bool, CommitError> {
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
                        Command::Operator(..)
                        | Command::Planned(..)
                        | Command::Changes(..)
                        | Command::Rules(..)
                        | Command::Graph(..) => {}
                    }
                }
                Ok(false)
            }
            Err(error) => Err(error.into()),
        }
    }

    pub(super) fn housekeeping(&mut self, now: Millis) -> Result<(), CommitError> {
        if self.gauged.elapsed() < ROUND {
            return Ok(());
        }
        self.gauged = Instant::now();
        self.c.board.catch_up(self.c.node.engine());
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
    pub(super) fn start_snapshot(&mut self) {
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

    /// Lets a thread of its own encode and write a graph, which comes again once it is stored: for a million
    /// relations that takes longer than senders wait.
    pub(super) fn store_graph(&mut self, mut loaded: Box<Loaded>, reply: oneshot::Sender<()>) {
        let mut helper = match self.c.node.store().helper() {
            Ok(helper) => helper,
            Err(error) => {
                return tracing::error!(%error, "no room for the new graph; the old one stays");
            }
        };
        let (inbox, one_at_a_time) = (self.c.inbox.clone(), self.graphs.clone());
        let work = move || {
            let turn = one_at_a_time.lock();
            let turn = turn.unwrap_or_else(PoisonError::into_inner);
            match node::put_graph(&mut helper, loaded.ready.raw()) {
                Ok(_) => {
                    loaded.stored = true;
                    inbox.command(Command::Graph(loaded, reply));
                }
                Err(error) => {
                    tracing::error!(%error, "the new graph is not stored; the old one stays")
                }
            }
            drop(turn);
        };
        let thread = std::thread::Builder::new().name("graph".to_owned());
        if let Err(error) = thread.spawn(work) {
            tracing::error!(%error, "the new graph is not stored; the old one stays");
        }
    }

    pub(super) fn snapshot_done(&mut self) {
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
    pub(super) fn finish(mut self) -> Result<(), CommitError> {
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
