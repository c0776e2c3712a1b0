//! Plays what happened through a node of its own, on virtual time. No file is written and nothing is sent.

use super::acted::Acted;
use super::findings::watch::Watch;
use super::story::Story;
use super::taken::{Count, Taken};
use crate::config::Plumbing;
use crate::daemon::{chain, deliver};
use crate::engine::{Answer, Delivery, Effects, Engine, snapshot};
use crate::graph::RawGraph;
use crate::itsm::exchange::{Do, Exchange, outcome_of};
use crate::itsm::{Content, Facts, ItsmSettings, Step, shadow};
use crate::model::{Millis, Seq};
use crate::node::{self, Node};
use crate::record::{GraphV1, OutcomeV1, Record, StepName};
use crate::store::ChunkKind;
use crate::store::memory::MemoryStore;

/// Epoch of the stores that are played on: always the same, so that keys are.
const EPOCH: u64 = 0x7e_9147_0000;
/// What is due after the last line is waited for, this long.
const AFTER: Millis = Millis::mins(180);

/// See the module.
pub(super) struct Player {
    node: Node<MemoryStore>,
    now: Millis,
    /// What has become of it so far.
    pub(super) story: Story,
    /// Bodies and alerts that could not be used.
    pub(super) refused: u64,
    /// What its rules have done.
    pub(super) acted: Acted,
    /// What the findings need, if somebody asked for them.
    pub(super) watch: Option<Watch>,
    /// Entries after which the process starts anew, if it does.
    pub(super) restart_every: Option<u32>,
    /// What a person has, if a person takes every ticket.
    pub(super) taken: Option<Taken>,
    /// Times the graph was loaded anew, if it was to be.
    pub(super) graph_loads: Option<u64>,
    /// What people should know of the tape.
    pub(super) warnings: Vec<String>,
    /// Entries so far, where that matters.
    entries: u32,
}

impl Player {
    /// A node in which nothing has happened.
    ///
    /// # Errors
    /// The node's.
    pub(super) fn empty() -> Result<Player, String> {
        Player::over(MemoryStore::new(EPOCH))
    }

    /// A node that stands at a snapshot, which names one of the graphs.
    ///
    /// # Errors
    /// A snapshot that cannot be used.
    pub(super) fn at<'a>(
        seq: Seq,
        snapshot: &[u8],
        graphs: impl Iterator<Item = &'a RawGraph>,
    ) -> Result<Player, String> {
        let mut store = MemoryStore::new(EPOCH);
        let told = |e: crate::store::StoreError| chain(&e);
        for raw in graphs {
            node::put(&mut store, ChunkKind::Graph, raw.digest(), &raw.encode()).map_err(told)?;
        }
        node::put(&mut store, ChunkKind::Snapshot, seq.0, snapshot).map_err(told)?;
        Player::over(store)
    }

    fn over(store: MemoryStore) -> Result<Player, String> {
        let (node, found) = Node::recover(store).map_err(|e| chain(&e))?;
        if let Some(why) = found.unused_snapshot {
            return Err(why);
        }
        Ok(Player {
            now: node.engine().state().at,
            node,
            story: Story::default(),
            refused: 0,
            acted: Acted::default(),
            watch: None,
            restart_every: None,
            taken: None,
            graph_loads: None,
            warnings: Vec::new(),
            entries: 0,
        })
    }

    /// Watches what the rules do from here on.
    pub(super) fn watch_rules(&mut self, plumbing: Option<&Plumbing>) {
        self.acted = plumbing.map(Acted::with).unwrap_or_default();
        self.acted.rules(&self.node.engine().state().rules);
        let known = self.node.engine().state().alerts.keys().copied().collect();
        self.acted.alerts(self.node.engine(), &known);
    }

    /// The process starts, as the daemon does; no time was lost before.
    ///
    /// # Errors
    /// The node's.
    pub(super) fn started(&mut self, at: Millis) -> Result<(), String> {
        self.now = self.now.max(at);
        let started = self.node.start(at, None).map_err(|e| chain(&e))?;
        self.after(started)
    }

    /// Keeps a graph, so that a record may put it in force.
    ///
    /// # Errors
    /// The node's.
    pub(super) fn keep(&mut self, raw: &RawGraph) -> Result<(), String> {
        self.node.put_graph(raw).map(drop).map_err(|e| chain(&e))
    }

    /// Puts a graph in force, if it is another than that in force.
    ///
    /// # Errors
    /// The node's.
    pub(super) fn graph(&mut self, raw: &RawGraph, as_of: Millis) -> Result<(), String> {
        let digest = self.node.put_graph(raw).map_err(|e| chain(&e))?;
        let graph = self.node.engine().state().graph;
        if graph.is_some_and(|g| g.digest == digest) {
            return Ok(());
        }
        let record = Record::Graph(GraphV1 {
            digest,
            cis: u32::try_from(raw.cis.len()).unwrap_or(u32::MAX),
            relations: u32::try_from(raw.relations.len()).unwrap_or(u32::MAX),
            as_of,
        });
        self.commit(as_of, &[record]).map(drop)
    }

    /// Commits one entry at `at`; what was due before fires first, each at its own time.
    ///
    /// # Errors
    /// The node's.
    pub(super) fn commit(&mut self, at: Millis, records: &[Record]) -> Result<Vec<Answer>, String> {
        while let Some(due) = self.engine().next_due().filter(|due| *due < at) {
            self.tick(due)?;
        }
        self.now = self.now.max(at);
        let answers = self.entry(records)?;
        if let Some(every) = self.restart_every {
            self.entries = self.entries.saturating_add(1);
            if self.entries.is_multiple_of(every) {
                self.restart()?;
            }
        }
        Ok(answers)
    }

    /// The process is lost and comes back: every other time from a snapshot of this moment, else from the last one
    /// and the log behind it.
    fn restart(&mut self) -> Result<(), String> {
        let told = |e: crate::store::StoreError| chain(&e);
        let every = self.restart_every.unwrap_or(1).saturating_mul(2);
        let before = self.engine().digest();
        if self.entries.is_multiple_of(every) {
            let bytes = snapshot::encode(self.engine().state()).map_err(|e| e.to_string())?;
            let head = self.node.opened().head;
            node::put(self.node.store(), ChunkKind::Snapshot, head.0, &bytes).map_err(told)?;
        }
        let again = self.node.store().again();
        let (node, found) = Node::recover(again).map_err(|e| chain(&e))?;
        if let Some(why) = found.unused_snapshot {
            return Err(why);
        }
        if node.engine().digest() != before {
            return Err(format!(
                "a restart after entry {} leads to another state; this is a defect, please report it with the recording",
                self.entries
            ));
        }
        self.node = node;
        Ok(())
    }

    /// Goes on until nothing is due, or for [`AFTER`].
    ///
    /// # Errors
    /// The node's.
    pub(super) fn finish(&mut self) -> Result<(), String> {
        let end = self.now.plus(AFTER);
        self.story.end = Some(self.now);
        while let Some(due) = self.engine().next_due().filter(|due| *due <= end) {
            self.tick(due)?;
        }
        Ok(())
    }

    /// The body `id` got these answers.
    pub(super) fn event(&mut self, id: &str, answers: &[Answer]) {
        self.story.events(self.node.engine(), id, answers);
    }

    /// What is to be said at the end of the tickets that a person took, if a person takes them.
    pub(super) fn touched(&mut self) -> Option<Count> {
        let (engine, now) = (self.node.engine(), self.now);
        self.taken.as_mut().map(|taken| taken.count(engine, now))
    }

    /// The engine, to read.
    pub(super) fn engine(&self) -> &Engine {
        self.node.engine()
    }

    fn tick(&mut self, due: Millis) -> Result<(), String> {
        self.now = self.now.max(due);
        self.entry(&[Record::Tick]).map(drop)
    }

    fn entry(&mut self, records: &[Record]) -> Result<Vec<Answer>, String> {
        self.acted.records(records);
        if let Some(watch) = &mut self.watch {
            watch.records(self.node.engine(), self.now, records);
        }
        let mut effects = self.node.commit(self.now, records).map_err(|e| chain(&e))?;
        let answers = std::mem::take(&mut effects.answers);
        self.after(effects)?;
        Ok(answers)
    }

    /// As the daemon does it: `Sent` first, then the delivery, then its receipt; here all at one moment.
    fn after(&mut self, mut effects: Effects) -> Result<(), String> {
        loop {
            self.story.after(self.node.engine(), self.now, &effects);
            let engine = self.node.engine();
            self.acted.alerts(engine, &effects.alerts);
            self.acted.incidents(engine, &effects.incidents);
            if let Some(watch) = &mut self.watch {
                watch.alerts(self.node.engine(), self.now, &effects.alerts);
            }
            if let Some(taken) = &mut self.taken {
                taken.after(self.node.engine(), &effects.incidents);
            }
            let deliveries = std::mem::take(&mut effects.deliveries);
            if deliveries.is_empty() {
                return Ok(());
            }
            let sent: Vec<Record> = deliveries
                .iter()
                .filter(|d| d.step.writes())
                .map(crate::daemon::commit::sent)
                .collect();
            if !sent.is_empty() {
                let more = self.node.commit(self.now, &sent).map_err(|e| chain(&e))?;
                self.after(more)?;
            }
            let mut receipts = Vec::with_capacity(deliveries.len());
            for delivery in &deliveries {
                self.story.delivered(self.now, delivery);
                let mut outcome = outcome(delivery);
                if let Some(taken) = &mut self.taken {
                    outcome = taken.answer(delivery, outcome);
                }
                let receipt = deliver::receipt(delivery, outcome);
                receipts.push(Record::Receipt(receipt));
            }
            effects = self
                .node
                .commit(self.now, &receipts)
                .map_err(|e| chain(&e))?;
            let fresh = self.taken.as_mut().map(Taken::fresh).unwrap_or_default();
            if !fresh.is_empty() {
                // As after a poll, which leaves alone what is under way.
                self.after(effects)?;
                let changes = self.taken.as_ref().map(|taken| taken.changes(fresh));
                return self.entry(&changes.unwrap_or_default()).map(drop);
            }
        }
    }
}

/// What a tool says that always answers, and in which nobody but us works: what kind `shadow` says.
fn outcome(delivery: &Delivery) -> OutcomeV1 {
    let (id, key) = (delivery.ticket.clone(), delivery.key.clone());
    let (content, text) = (Content::default(), String::new());
    let step = match delivery.step {
        StepName::Probe => Step::Probe,
        StepName::Find => Step::Find {
            key,
            unknown: delivery.unknown,
        },
        StepName::Create => Step::Create { key, content },
        StepName::Update => Step::Update { id, content },
        StepName::Note => Step::Note { id, n: 0, text },
        StepName::Resolve => Step::Resolve {
            id,
            text,
            unless_touched: delivery.unless_touched,
        },
        StepName::Reopen => Step::Reopen { id, text },
        StepName::Link => Step::Link {
            id,
            other: delivery.other.clone(),
        },
        StepName::Read => Step::Read { id },
    };
    let (settings, facts) = (ItsmSettings::default(), Facts::default());
    match Exchange::new(&shadow::ITSM, &settings, &facts, &step).proceed() {
        Do::Over(end) => outcome_of(end),
        Do::Send(_) => OutcomeV1::Found(Vec::new()),
    }
}
