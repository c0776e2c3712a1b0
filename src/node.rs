//! The crash-safety story: append, then apply. Nothing is applied that is not on disk, and nothing is
//! answered or handed out that is not applied.
//!
//! The commit order is: append -> sync (both in [`Store::append`]) -> apply -> answer senders -> record
//! `Sent` -> hand out deliveries. The first three are [`Node::commit`], the others are its caller's.

use crate::engine::ready::Ready;
use crate::engine::{ENGINE, Effects, Engine};
use crate::graph::RawGraph;
use crate::model::{Millis, Seq};
use crate::record::{self, Record, StartedV1};
use crate::store::{CHUNK, ChunkKind, Entry, Opened, Store, StoreError};
use std::sync::Arc;

/// Entries read at once during recovery.
const READ: usize = 512;
/// A snapshot or a graph of more chunks is damaged (4 GiB).
const MAX_CHUNKS: u32 = 4096;

/// Why a node cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// The store.
    #[error("store")]
    Store(#[from] StoreError),
    /// An entry that cannot be read.
    #[error("entry {}: {why}", seq.0)]
    Entry {
        /// Which.
        seq: Seq,
        /// Why.
        why: record::RecordError,
    },
    /// Records that cannot be written.
    #[error("records cannot be written")]
    Encode(#[source] record::RecordError),
    /// A graph that cannot be written or read back.
    #[error("graph {digest:016x}: {why}")]
    Graph {
        /// Its digest.
        digest: u64,
        /// What is wrong.
        why: String,
    },
}

/// What recovery found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// The snapshot it began with.
    pub snapshot: Option<Seq>,
    /// Entries replayed.
    pub replayed: u64,
    /// Entries that were skipped, because they ended the process twice or cannot be read.
    pub skipped: Vec<(Seq, String)>,
    /// The last entry's time, if there is one.
    pub last: Option<Millis>,
    /// A snapshot that could not be used, and why.
    pub unused_snapshot: Option<String>,
}

/// The engine and its log.
#[derive(Debug)]
pub struct Node<S: Store> {
    store: S,
    engine: Engine,
    opened: Opened,
}

impl<S: Store> Node<S> {
    /// Opens the store and brings the engine to its head. Effects of the past are dropped.
    ///
    /// # Errors
    /// A store that cannot be opened, or that is damaged beyond one entry.
    pub fn recover(mut store: S) -> Result<(Node<S>, Recovered), NodeError> {
        let opened = store.open()?;
        let mut found = Recovered::default();
        let engine = match opened.snapshot {
            None => Engine::new(),
            Some(seq) => match load_snapshot(&mut store, seq)? {
                Ok(engine) => {
                    found.snapshot = Some(seq);
                    engine
                }
                Err(why) => {
                    found.unused_snapshot = Some(why);
                    Engine::new()
                }
            },
        };
        let mut node = Node {
            store,
            engine,
            opened,
        };
        node.replay(&mut found)?;
        found.last = (node.opened.head.0 > 0).then_some(node.opened.head_at);
        Ok((node, found))
    }

    fn replay(&mut self, found: &mut Recovered) -> Result<(), NodeError> {
        let mut from = self.engine.state().seq.next();
        loop {
            let entries = self.store.read(from, READ)?;
            let (Some(first), Some(last)) = (entries.first(), entries.last().map(|e| e.seq)) else {
                return Ok(());
            };
            if first.seq != from {
                let text = format!(
                    "entries {} to {} are missing",
                    from.0,
                    first.seq.0.saturating_sub(1)
                );
                return Err(StoreError::Damaged(text).into());
            }
            for entry in entries {
                self.replay_one(&entry, found)?;
            }
            from = last.next();
        }
    }

    fn replay_one(&mut self, entry: &Entry, found: &mut Recovered) -> Result<(), NodeError> {
        if self.opened.quarantined.contains(&entry.seq) {
            let why = "it ended the process twice while it was applied".to_owned();
            found.skipped.push((entry.seq, why));
            // Time and number go on, so that what follows means the same.
            self.engine.apply(entry.seq, entry.at, &[Record::Tick]);
            return Ok(());
        }
        let records = match record::decode_entry(&entry.body) {
            Ok(decoded) => decoded.records,
            Err(why) => {
                return Err(NodeError::Entry {
                    seq: entry.seq,
                    why,
                });
            }
        };
        self.store.applying(entry.seq)?;
        self.offer_graphs(&records)?;
        self.engine.apply(entry.seq, entry.at, &records);
        self.store.applied(entry.seq)?;
        found.replayed = found.replayed.saturating_add(1);
        Ok(())
    }

    /// Records that the process started: deliveries under way become unknown, silence in the gap says
    /// nothing.
    ///
    /// # Errors
    /// See [`Node::commit`].
    pub fn start(&mut self, now: Millis, last: Option<Millis>) -> Result<Effects, NodeError> {
        let started = Record::Started(StartedV1 {
            engine: ENGINE,
            epoch: self.opened.epoch,
            last,
        });
        self.commit(now, &[started])
    }

    /// Appends one entry, and applies it once it is on disk.
    ///
    /// # Errors
    /// `StoreError::Full`: nothing was written, nothing was applied, it can be tried again. Any other error
    /// ends the process: what is on disk is not known.
    pub fn commit(&mut self, now: Millis, records: &[Record]) -> Result<Effects, NodeError> {
        let body = record::encode_entry(ENGINE, records).map_err(NodeError::Encode)?;
        self.offer_graphs(records)?;
        let seq = self.opened.head.next();
        let at = self.store.append(seq, self.opened.epoch, now, &body)?;
        self.opened.head = seq;
        self.opened.head_at = at;
        Ok(self.engine.apply(seq, at, records))
    }

    /// Stores a graph, so that a record may name it. Answers its digest.
    ///
    /// # Errors
    /// The store's.
    pub fn put_graph(&mut self, raw: &RawGraph) -> Result<u64, NodeError> {
        put_graph(&mut self.store, raw)
    }

    /// Hands over a stored graph, made ready, before the record that names it is committed.
    pub fn offer(&mut self, ready: Ready) {
        self.engine.offer_ready(ready);
    }

    /// Hands over what was found out about the graph in force when it was loaded once more.
    pub fn know(&mut self, ready: &Ready) {
        self.engine.know(ready);
    }

    fn offer_graphs(&mut self, records: &[Record]) -> Result<(), NodeError> {
        for record in records {
            if let Record::Graph(graph) = record
                && !self.engine.is_offered(graph.digest)
                && let Some(raw) = load_graph(&mut self.store, graph.digest)?
            {
                self.engine.offer_graph(graph.digest, raw);
            }
        }
        Ok(())
    }

    /// The engine, to read.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The store, for what is neither entry nor state.
    pub fn store(&mut self) -> &mut S {
        &mut self.store
    }

    /// What the store said when it was opened, with its head kept up to date.
    pub fn opened(&self) -> &Opened {
        &self.opened
    }
}

/// Writes a snapshot: chunks, each its own transaction, sealed at the end. The store may be another
/// connection of the same database, on its own thread.
///
/// # Errors
/// The store's.
pub fn put(
    store: &mut dyn Store,
    kind: ChunkKind,
    id: u64,
    bytes: &[u8],
) -> Result<(), StoreError> {
    for (n, chunk) in (0..).zip(bytes.chunks(CHUNK)) {
        store.put_chunk(kind, id, n, chunk)?;
    }
    store.seal(kind, id)
}

/// See [`Node::put_graph`]. The store may be another connection of the same database, on its own thread; no two of
/// these at once.
///
/// # Errors
/// The store's.
pub fn put_graph(store: &mut dyn Store, raw: &RawGraph) -> Result<u64, NodeError> {
    let digest = raw.digest();
    if store.get(ChunkKind::Graph, digest, 0)?.is_none() {
        put(store, ChunkKind::Graph, digest, &raw.encode())?;
    }
    Ok(digest)
}

fn get(store: &mut dyn Store, kind: ChunkKind, id: u64) -> Result<Option<Vec<u8>>, StoreError> {
    let mut bytes = Vec::new();
    for n in 0..MAX_CHUNKS {
        match store.get(kind, id, n)? {
            Some(chunk) => bytes.extend_from_slice(&chunk),
            None if n == 0 => return Ok(None),
            None => return Ok(Some(bytes)),
        }
    }
    Err(StoreError::Damaged(format!("{kind:?} {id} has no end")))
}

/// The graph with this digest, if the store has it.
///
/// # Errors
/// The store's, and a graph that is damaged.
pub fn load_graph(store: &mut dyn Store, digest: u64) -> Result<Option<Arc<RawGraph>>, NodeError> {
    let Some(bytes) = get(store, ChunkKind::Graph, digest)? else {
        return Ok(None);
    };
    let raw = RawGraph::decode(&bytes).map_err(|why| NodeError::Graph { digest, why })?;
    Ok(Some(Arc::new(raw)))
}

/// The engine as the snapshot at `seq` has it, or why the snapshot cannot be used.
///
/// # Errors
/// The store's, and a graph that is damaged.
pub fn load_snapshot(store: &mut dyn Store, seq: Seq) -> Result<Result<Engine, String>, NodeError> {
    let Some(bytes) = get(store, ChunkKind::Snapshot, seq.0)? else {
        return Ok(Err(format!("snapshot {} is empty", seq.0)));
    };
    let mut failure = None;
    let engine = Engine::from_snapshot(&bytes, |digest| match load_graph(store, digest) {
        Ok(raw) => raw,
        Err(error) => {
            failure = Some(error);
            None
        }
    });
    match failure {
        Some(error) => Err(error),
        None => Ok(engine.map_err(|e| e.to_string())),
    }
}
