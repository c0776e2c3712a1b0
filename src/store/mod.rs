//! The store: an append-only log of entries, chunks of snapshots and graphs, and history tables.
//!
//! Blocking, on its own thread. [`sqlite`] is the embedded default, [`memory`] has injected faults for tests
//! and the simulator.

pub mod memory;
pub mod sqlite;

use crate::model::{Millis, Seq};
use crate::record::History;

/// One stored entry, as bytes; `record::decode_entry` reads the body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its number.
    pub seq: Seq,
    /// When it was stored: what the engine takes for the time.
    pub at: Millis,
    /// The encoded entry.
    pub body: Vec<u8>,
}

/// What a store says when it is opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// 40 random bits, drawn when the store was made and again after every restore.
    pub epoch: u64,
    /// The last entry, 0 if none.
    pub head: Seq,
    /// When the last entry was stored.
    pub head_at: Millis,
    /// The newest sealed snapshot, by the entry it stands at.
    pub snapshot: Option<Seq>,
    /// Entries that ended the process while they were applied, twice: skipped from now on.
    pub quarantined: Vec<Seq>,
}

/// What the chunks of an id are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ChunkKind {
    /// Engine state; the id is the entry's number.
    Snapshot,
    /// A graph; the id is the first 8 bytes of its digest.
    Graph,
}

/// Bytes of one chunk.
pub const CHUNK: usize = 1 << 20;

/// Why a store could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// No room: nothing was written; try again later. Not a failed sync.
    #[error("the disk is full or the store has reached its limit ({0})")]
    Full(String),
    /// Another process has the store, or has taken it over: this one must stop.
    #[error("{0}")]
    Fenced(String),
    /// The disk or the file is broken: the process must stop.
    #[error("the store does not work: {0}")]
    Broken(String),
    /// The stored bytes are not what they should be.
    #[error("the store is damaged: {0}")]
    Damaged(String),
}

/// A durable log with snapshots.
pub trait Store {
    /// Takes the lock and says what is there.
    ///
    /// # Errors
    /// `Fenced` if another process has it; `Broken`, `Damaged`.
    fn open(&mut self) -> Result<Opened, StoreError>;

    /// At most `limit` entries from `from` on, in order.
    ///
    /// # Errors
    /// `Broken`, `Damaged`.
    fn read(&mut self, from: Seq, limit: usize) -> Result<Vec<Entry>, StoreError>;

    /// Appends an entry that must get the number `expect`; durable on return. `now` is the caller's clock,
    /// the answer the time of the entry (never less than the one before).
    ///
    /// # Errors
    /// `Full` (nothing was written), `Fenced` (other epoch or other head), `Broken`.
    fn append(
        &mut self,
        expect: Seq,
        epoch: u64,
        now: Millis,
        body: &[u8],
    ) -> Result<Millis, StoreError>;

    /// Stores chunk `n` (from 0) of `id`; a chunk of at most [`CHUNK`] bytes is its own transaction.
    ///
    /// # Errors
    /// `Full`, `Broken`.
    fn put_chunk(
        &mut self,
        kind: ChunkKind,
        id: u64,
        n: u32,
        bytes: &[u8],
    ) -> Result<(), StoreError>;

    /// Declares the chunks of `id` complete; older snapshots but one are dropped.
    ///
    /// # Errors
    /// `Full`, `Broken`.
    fn seal(&mut self, kind: ChunkKind, id: u64) -> Result<(), StoreError>;

    /// Chunk `n` of a sealed `id`, or nothing past its end.
    ///
    /// # Errors
    /// `Broken`, `Damaged`.
    fn get(&mut self, kind: ChunkKind, id: u64, n: u32) -> Result<Option<Vec<u8>>, StoreError>;

    /// Notes durably that applying starts at `seq`, so that an entry that ends the process is known. Called
    /// during replay, for the entries that were never applied to their end. (The last entry of a store that
    /// was not stopped cleanly is noted by `open` itself.)
    ///
    /// # Errors
    /// `Full`, `Broken`.
    fn applying(&mut self, seq: Seq) -> Result<(), StoreError>;

    /// Notes that everything up to `seq` was applied without ending the process.
    ///
    /// # Errors
    /// `Full`, `Broken`.
    fn applied(&mut self, seq: Seq) -> Result<(), StoreError>;

    /// Adds or replaces rows of the history tables. Harmless to lose, never read by the engine.
    ///
    /// # Errors
    /// `Full`, `Broken`.
    fn history(&mut self, rows: &[History]) -> Result<(), StoreError>;

    /// Deletes what is older than its retention, at most 500 rows; `true` if there may be more. Entries
    /// after the older of the two newest snapshots stay.
    ///
    /// # Errors
    /// `Broken`.
    fn prune(&mut self, now: Millis) -> Result<bool, StoreError>;

    /// Bytes on disk.
    fn bytes(&mut self) -> u64;
}
