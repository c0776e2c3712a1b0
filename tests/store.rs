//! One contract, two stores; and what only the one on disk has: a lock, room, copies.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at what it does not expect"
)]

use correlated::model::{Millis, Seq};
use correlated::node::Node;
use correlated::record::{Record, RulesV1, encode_entry};
use correlated::store::memory::{Fault, MemoryStore};
use correlated::store::sqlite::{Options, Reader, SqliteStore};
use correlated::store::{ChunkKind, Entry, Opened, Store, StoreError};
use std::path::{Path, PathBuf};

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("correlated-{name}-{}", std::process::id()));
        std::fs::remove_dir_all(&path).ok();
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}

fn disk(folder: &Path) -> SqliteStore {
    SqliteStore::new(Options::new(folder)).unwrap()
}

fn contract(mut again: impl FnMut() -> Box<dyn Store>) {
    let mut store = again();
    let opened = store.open().unwrap();
    assert_eq!((opened.head, opened.snapshot), (Seq(0), None));
    let epoch = opened.epoch;
    assert_eq!(
        store.append(Seq(1), epoch, Millis(50), b"one").unwrap(),
        Millis(50)
    );
    assert_eq!(
        store.append(Seq(2), epoch, Millis(40), b"two").unwrap(),
        Millis(50),
        "time never goes back"
    );
    let fenced = |e: Result<Millis, StoreError>| matches!(e, Err(StoreError::Fenced(_)));
    assert!(fenced(store.append(Seq(2), epoch, Millis(60), b"again")));
    assert!(fenced(store.append(Seq(4), epoch, Millis(60), b"gap")));
    assert!(fenced(store.append(
        Seq(3),
        epoch + 1,
        Millis(60),
        b"deposed"
    )));
    let entry = |n, body: &[u8]| Entry {
        seq: Seq(n),
        at: Millis(50),
        body: body.to_vec(),
    };
    assert_eq!(
        store.read(Seq(1), 10).unwrap(),
        [entry(1, b"one"), entry(2, b"two")]
    );
    assert_eq!(store.read(Seq(2), 10).unwrap(), [entry(2, b"two")]);
    assert_eq!(store.read(Seq(1), 1).unwrap(), [entry(1, b"one")]);
    // A snapshot counts once it is sealed.
    store.put_chunk(ChunkKind::Snapshot, 2, 0, b"half").unwrap();
    assert_eq!(store.get(ChunkKind::Snapshot, 2, 0).unwrap(), None);
    store.put_chunk(ChunkKind::Snapshot, 2, 1, b"rest").unwrap();
    store.seal(ChunkKind::Snapshot, 2).unwrap();
    assert_eq!(
        store.get(ChunkKind::Snapshot, 2, 1).unwrap(),
        Some(b"rest".to_vec())
    );
    assert_eq!(store.get(ChunkKind::Snapshot, 2, 2).unwrap(), None);
    drop(store);
    let Opened {
        epoch: same,
        head,
        head_at,
        snapshot,
        quarantined,
    } = {
        let mut store = again();
        store.open().unwrap()
    };
    assert_eq!(
        (same, head, head_at, snapshot),
        (epoch, Seq(2), Millis(50), Some(Seq(2)))
    );
    assert!(quarantined.is_empty());
    // Processes that end before they come to the last entry say nothing about it.
    for _ in 0..3 {
        let found = again().open().unwrap().quarantined;
        assert_eq!(found, [], "killed at the start");
    }
    // It ended the process that wrote it, and a replay that met it: the next start skips it.
    let mut store = again();
    store.open().unwrap();
    store.applying(Seq(2)).unwrap();
    drop(store);
    let mut store = again();
    assert_eq!(store.open().unwrap().quarantined, [Seq(2)]);
    store.append(Seq(3), epoch, Millis(70), b"three").unwrap();
    store.applying(Seq(3)).unwrap();
    store.applied(Seq(3)).unwrap();
    drop(store);
    assert_eq!(
        again().open().unwrap().quarantined,
        [Seq(2)],
        "what was applied is trusted"
    );
}

#[test]
fn both_stores_keep_the_contract() {
    let memory = MemoryStore::new(77);
    contract(|| Box::new(memory.again()));
    let folder = Folder::new("contract");
    contract(|| Box::new(disk(&folder.0)));
}

#[test]
fn a_second_process_is_turned_away() {
    let folder = Folder::new("lock");
    let _first = disk(&folder.0);
    let second = SqliteStore::new(Options::new(&folder.0));
    let Err(StoreError::Fenced(why)) = second else {
        panic!("a second process got in");
    };
    assert!(why.contains("in use by another correlated"), "{why}");
}

#[test]
fn a_file_that_is_not_ours_is_left_alone() {
    let folder = Folder::new("foreign");
    let file = Options::new(&folder.0).file();
    std::fs::write(
        &file,
        b"not a database at all, but long enough to be read as the head of one, is it not? ....",
    )
    .unwrap();
    let text = SqliteStore::new(Options::new(&folder.0))
        .unwrap_err()
        .to_string();
    assert!(text.contains("not a database"), "{text}");
}

#[test]
fn a_store_at_its_limit_says_so_and_goes_on_when_there_is_room() {
    let folder = Folder::new("full");
    let mut options = Options::new(&folder.0);
    options.max_bytes = 400 << 10;
    let mut store = SqliteStore::new(options).unwrap();
    let epoch = store.open().unwrap().epoch;
    let body = vec![7u8; 32 << 10];
    let mut seq = Seq(0);
    let full = loop {
        match store.append(seq.next(), epoch, Millis(1), &body) {
            Ok(_) => seq = seq.next(),
            Err(error) => break error,
        }
        assert!(seq.0 < 100, "the limit does not act");
    };
    assert!(matches!(full, StoreError::Full(_)), "{full}");
    assert_eq!(
        u64::try_from(store.read(Seq(1), 1000).unwrap().len()).unwrap(),
        seq.0,
        "nothing half-written"
    );
    // Retention makes room: entries that are old and before the snapshots.
    store.seal(ChunkKind::Snapshot, seq.0).unwrap();
    let far = Millis::mins(60 * 24 * 365);
    store.prune(far).unwrap();
    store.append(seq.next(), epoch, far, &body).unwrap();
}

#[test]
fn a_backup_is_a_store_with_keys_of_its_own() {
    let folder = Folder::new("backup");
    let mut store = disk(&folder.0);
    let epoch = store.open().unwrap().epoch;
    store.append(Seq(1), epoch, Millis(1), b"one").unwrap();
    let reader = Reader::open(&folder.0).unwrap();
    let copy = folder.0.join("copy");
    std::fs::create_dir_all(&copy).unwrap();
    let file = Options::new(&copy).file();
    reader.backup(&file).unwrap();
    assert!(reader.backup(&file).is_err(), "never over another file");
    store.append(Seq(2), epoch, Millis(2), b"two").unwrap();
    let mut copied = disk(&copy);
    let opened = copied.open().unwrap();
    assert_eq!(opened.head, Seq(1));
    assert_ne!(
        opened.epoch, epoch,
        "a restored store must not use a key again"
    );
}

/// A store in which the process ends while the head is applied during replay.
struct Dying(MemoryStore);

impl Store for Dying {
    fn open(&mut self) -> Result<Opened, StoreError> {
        self.0.open()
    }
    fn read(&mut self, from: Seq, limit: usize) -> Result<Vec<Entry>, StoreError> {
        self.0.read(from, limit)
    }
    fn append(
        &mut self,
        expect: Seq,
        epoch: u64,
        now: Millis,
        body: &[u8],
    ) -> Result<Millis, StoreError> {
        self.0.append(expect, epoch, now, body)
    }
    fn put_chunk(
        &mut self,
        kind: ChunkKind,
        id: u64,
        n: u32,
        bytes: &[u8],
    ) -> Result<(), StoreError> {
        self.0.put_chunk(kind, id, n, bytes)
    }
    fn seal(&mut self, kind: ChunkKind, id: u64) -> Result<(), StoreError> {
        self.0.seal(kind, id)
    }
    fn get(&mut self, kind: ChunkKind, id: u64, n: u32) -> Result<Option<Vec<u8>>, StoreError> {
        self.0.get(kind, id, n)
    }
    fn applying(&mut self, seq: Seq) -> Result<(), StoreError> {
        self.0.applying(seq)
    }
    fn applied(&mut self, seq: Seq) -> Result<(), StoreError> {
        assert_ne!(seq, Seq(2), "injected: it ends the process");
        self.0.applied(seq)
    }
    fn history(&mut self, rows: &[correlated::record::History]) -> Result<(), StoreError> {
        self.0.history(rows)
    }
    fn prune(&mut self, now: Millis) -> Result<bool, StoreError> {
        self.0.prune(now)
    }
    fn bytes(&mut self) -> u64 {
        self.0.bytes()
    }
}

#[test]
fn an_entry_that_ends_the_process_twice_is_skipped_and_named() {
    let store = MemoryStore::new(5);
    let (mut node, _) = Node::recover(store.again()).unwrap();
    node.start(Millis(1), None).unwrap();
    // The first death: the poison is on disk and the process ends while it is applied.
    let poison = encode_entry(1, &[Record::Rules(RulesV1 { text: "{}".into() })]).unwrap();
    store.again().append(Seq(2), 5, Millis(2), &poison).unwrap();
    // The second: a start replays it.
    let dying = std::panic::catch_unwind(|| Node::recover(Dying(store.again())).map(|_| ()));
    assert!(dying.is_err());
    // The third start runs, and says what it skipped.
    let (mut node, found) = Node::recover(store.again()).unwrap();
    assert_eq!(found.skipped.len(), 1, "{found:?}");
    assert_eq!(found.skipped[0].0, Seq(2));
    node.start(Millis(3), found.last).unwrap();
    drop(node);
    let (_, found) = Node::recover(store.again()).unwrap();
    assert_eq!(found.skipped.len(), 1, "and stays skipped");
}

#[test]
fn what_was_not_written_is_not_applied() {
    for fault in [Fault::Full, Fault::Broken] {
        let store = MemoryStore::new(5);
        let (mut node, _) = Node::recover(store.again()).unwrap();
        node.start(Millis(1), None).unwrap();
        let before = node.engine().digest();
        store.fail_next(&[fault]);
        assert!(node.commit(Millis(2), &[Record::Tick]).is_err());
        assert_eq!(node.engine().digest(), before);
    }
}
