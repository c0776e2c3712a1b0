//! A store in memory with injected faults, for tests and the simulator. A "restart" is a new handle over the
//! same content.

use super::{ChunkKind, Entry, Opened, Store, StoreError};
use crate::model::{Millis, Seq};
use crate::record::History;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A fault that the next write meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// No room: nothing is written.
    Full,
    /// Nothing is written, and the store says so in the worst way.
    Broken,
    /// It is written, but the answer is lost.
    LostAnswer,
}

#[derive(Clone, Debug, Default)]
struct Content {
    epoch: u64,
    log: Vec<Entry>,
    chunks: BTreeMap<(ChunkKind, u64, u32), Vec<u8>>,
    sealed: BTreeMap<ChunkKind, Vec<u64>>,
    suspects: BTreeMap<Seq, (u32, bool)>,
    history: Vec<History>,
    faults: Vec<Fault>,
    clean: bool,
}

/// See the module.
#[derive(Clone, Debug)]
pub struct MemoryStore {
    content: Arc<Mutex<Content>>,
}

impl MemoryStore {
    /// An empty store.
    pub fn new(epoch: u64) -> MemoryStore {
        let content = Content {
            epoch,
            ..Content::default()
        };
        MemoryStore {
            content: Arc::new(Mutex::new(content)),
        }
    }

    /// A handle over the same content, as after a restart.
    pub fn again(&self) -> MemoryStore {
        self.clone()
    }

    /// The next writes meet these faults, one each.
    pub fn fail_next(&self, faults: &[Fault]) {
        self.content().faults.extend(faults);
    }

    /// Rows written to the history tables so far.
    pub fn history_rows(&self) -> Vec<History> {
        self.content().history.clone()
    }

    /// The owner stops with everything applied.
    pub fn clean_stop(&self) {
        self.content().clean = true;
    }

    fn content(&self) -> MutexGuard<'_, Content> {
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Content {
    /// The fault for a write: an error at once, or `true` for "write, then lose the answer".
    fn fault(&mut self) -> Result<bool, StoreError> {
        if self.faults.is_empty() {
            return Ok(false);
        }
        match self.faults.remove(0) {
            Fault::Full => Err(StoreError::Full("injected".to_owned())),
            Fault::Broken => Err(StoreError::Broken("injected".to_owned())),
            Fault::LostAnswer => Ok(true),
        }
    }

    fn head(&self) -> (Seq, Millis) {
        self.log.last().map(|e| (e.seq, e.at)).unwrap_or_default()
    }
}

impl Store for MemoryStore {
    fn open(&mut self) -> Result<Opened, StoreError> {
        let mut content = self.content();
        let (head, head_at) = content.head();
        if !content.clean && head > Seq(0) {
            // As the store on disk: noted once, and then only by a replay that met it.
            content.suspects.entry(head).or_insert((0, true));
        }
        content.clean = false;
        let mut quarantined = BTreeSet::new();
        for (seq, (deaths, under_way)) in &mut content.suspects {
            *deaths = deaths.saturating_add(u32::from(*under_way));
            *under_way = false;
            if *deaths >= 2 {
                quarantined.insert(*seq);
            }
        }
        let snapshots = content.sealed.get(&ChunkKind::Snapshot);
        Ok(Opened {
            epoch: content.epoch,
            head,
            head_at,
            snapshot: snapshots.and_then(|s| s.iter().max()).map(|s| Seq(*s)),
            quarantined: quarantined.into_iter().collect(),
        })
    }

    fn read(&mut self, from: Seq, limit: usize) -> Result<Vec<Entry>, StoreError> {
        let content = self.content();
        let entries = content.log.iter().filter(|e| e.seq >= from);
        Ok(entries.take(limit).cloned().collect())
    }

    fn append(
        &mut self,
        expect: Seq,
        epoch: u64,
        now: Millis,
        body: &[u8],
    ) -> Result<Millis, StoreError> {
        let mut content = self.content();
        let lost = content.fault()?;
        let (head, head_at) = content.head();
        if epoch != content.epoch || head.next() != expect {
            return Err(StoreError::Fenced(format!("the log stands at {}", head.0)));
        }
        let at = now.max(head_at);
        content.log.push(Entry {
            seq: expect,
            at,
            body: body.to_vec(),
        });
        match lost {
            true => Err(StoreError::Broken(
                "injected: the answer is lost".to_owned(),
            )),
            false => Ok(at),
        }
    }

    fn put_chunk(
        &mut self,
        kind: ChunkKind,
        id: u64,
        n: u32,
        bytes: &[u8],
    ) -> Result<(), StoreError> {
        let mut content = self.content();
        content.fault()?;
        content.chunks.insert((kind, id, n), bytes.to_vec());
        Ok(())
    }

    fn seal(&mut self, kind: ChunkKind, id: u64) -> Result<(), StoreError> {
        let mut content = self.content();
        content.fault()?;
        let sealed = content.sealed.entry(kind).or_default();
        sealed.retain(|s| *s != id);
        sealed.push(id);
        Ok(())
    }

    fn get(&mut self, kind: ChunkKind, id: u64, n: u32) -> Result<Option<Vec<u8>>, StoreError> {
        let content = self.content();
        let sealed = content.sealed.get(&kind).is_some_and(|s| s.contains(&id));
        let chunk = content.chunks.get(&(kind, id, n)).filter(|_| sealed);
        Ok(chunk.cloned())
    }

    fn applying(&mut self, seq: Seq) -> Result<(), StoreError> {
        self.content().suspects.entry(seq).or_default().1 = true;
        Ok(())
    }

    fn applied(&mut self, seq: Seq) -> Result<(), StoreError> {
        self.content()
            .suspects
            .retain(|s, (deaths, _)| *s > seq || *deaths >= 2);
        Ok(())
    }

    fn history(&mut self, rows: &[History]) -> Result<(), StoreError> {
        self.content().history.extend_from_slice(rows);
        Ok(())
    }

    fn prune(&mut self, _now: Millis) -> Result<bool, StoreError> {
        Ok(false)
    }

    fn bytes(&mut self) -> u64 {
        let content = self.content();
        let log: usize = content.log.iter().map(|e| e.body.len()).sum();
        u64::try_from(log).unwrap_or(u64::MAX)
    }
}
