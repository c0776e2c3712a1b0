//! The embedded store: one SQLite database in WAL mode, synced at each commit.
//!
//! Every pragma that matters is set, so that neither a build option nor an older file decides. A commit is
//! one `BEGIN IMMEDIATE` transaction. Checkpoints run after a commit once the WAL has grown, never inside.

mod history;
mod reader;
mod report;
mod setup;

pub use reader::Reader;
pub use report::{Group, Report};

use setup::{connect, lock, new_epoch, pragmas, schema};

use super::{CHUNK, ChunkKind, Entry, Opened, Store, StoreError};
use crate::model::{Millis, Seq};
use crate::record::History;
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension, Transaction, params};
use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// The WAL is written back once it is this large.
const WAL_BYTES: u64 = 16 << 20;
/// Given up when the disk is full, so that receipts can still be written.
const RESERVE: u64 = 16 << 20;
/// Rows deleted at once, so that retention never holds up a commit.
const PRUNE_ROWS: i64 = 500;
/// Sealed graphs kept: the one in force, and what the last snapshots may name.
const KEEP_GRAPHS: i64 = 8;
/// Snapshots kept: the newest, and one before it.
const KEEP_SNAPSHOTS: i64 = 2;
/// Deaths in one entry after which it is skipped.
const DEATHS: i64 = 2;
/// Share of `max_bytes`, in per cent, from which the oldest history goes.
const NEARLY_FULL: u64 = 90;

/// Where the store is and how much it keeps.
#[derive(Clone, Debug)]
pub struct Options {
    /// The folder; made if it is missing.
    pub folder: PathBuf,
    /// The store refuses to grow beyond this.
    pub max_bytes: u64,
    /// How long entries stay.
    pub log_keep: Millis,
    /// How long history stays.
    pub history_keep: Millis,
}

impl Options {
    /// The defaults of the configuration, in `folder`.
    pub fn new(folder: &Path) -> Options {
        Options {
            folder: folder.to_owned(),
            max_bytes: 10 << 30,
            log_keep: Millis::mins(30 * 24 * 60),
            history_keep: Millis::mins(760 * 24 * 60),
        }
    }
    /// The database file.
    pub fn file(&self) -> PathBuf {
        self.folder.join("correlated.db")
    }
    fn reserve(&self) -> PathBuf {
        self.folder.join("reserve")
    }
}

/// See the module.
#[derive(Debug)]
pub struct SqliteStore {
    options: Options,
    db: Connection,
    /// Held for the life of the owner; the helper connection of snapshots has none.
    _lock: Option<File>,
    head: Option<(Seq, Millis)>,
}

fn broken(error: rusqlite::Error) -> StoreError {
    let full = matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::DiskFull | ErrorCode::TooBig)
    );
    let no_space = matches!(&error, rusqlite::Error::SqliteFailure(e, _)
        // SQLITE_IOERR_WRITE: a short write is how ENOSPC shows on some file systems.
        if e.extended_code == rusqlite::ffi::SQLITE_IOERR_WRITE);
    match full || no_space {
        true => StoreError::Full(error.to_string()),
        false => StoreError::Broken(error.to_string()),
    }
}

fn io(what: &str, path: &Path, error: &std::io::Error) -> StoreError {
    match error.kind() {
        std::io::ErrorKind::StorageFull => StoreError::Full(format!("{}: {error}", path.display())),
        _ => StoreError::Broken(format!("{what} {}: {error}", path.display())),
    }
}

fn signed(n: u64) -> i64 {
    i64::from_ne_bytes(n.to_ne_bytes())
}

fn unsigned(n: i64) -> u64 {
    u64::from_ne_bytes(n.to_ne_bytes())
}

fn code(kind: ChunkKind) -> i64 {
    match kind {
        ChunkKind::Snapshot => 1,
        ChunkKind::Graph => 2,
    }
}

impl SqliteStore {
    /// Opens or makes the database; the lock of the folder is taken, so that no second process writes.
    ///
    /// # Errors
    /// `Fenced` if another process has the folder, `Damaged` for a file that is not ours or of a newer
    /// schema, `Broken`.
    pub fn new(options: Options) -> Result<SqliteStore, StoreError> {
        std::fs::create_dir_all(&options.folder).map_err(|e| io("make", &options.folder, &e))?;
        let lock = lock(&options.folder)?;
        let file = options.file();
        OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(&file)
            .map_err(|e| io("open", &file, &e))?;
        let mut db = connect(&file, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        pragmas(&db)?;
        schema(&mut db, &file)?;
        let store = SqliteStore {
            options,
            db,
            _lock: Some(lock),
            head: None,
        };
        store.make_reserve();
        Ok(store)
    }

    /// A second connection of the same process, for snapshots on their own thread: it only puts and seals
    /// chunks.
    ///
    /// # Errors
    /// `Broken`.
    pub fn helper(&self) -> Result<SqliteStore, StoreError> {
        let db = connect(&self.options.file(), OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        pragmas(&db)?;
        Ok(SqliteStore {
            options: self.options.clone(),
            db,
            _lock: None,
            head: None,
        })
    }

    fn make_reserve(&self) {
        // Without room there is no reserve; the store works all the same.
        if let Ok(file) = File::create(self.options.reserve()) {
            let zeroes = vec![0u8; 1 << 20];
            let written =
                (0..RESERVE >> 20).all(|_| std::io::Write::write_all(&mut &file, &zeroes).is_ok());
            if !written {
                self.release_reserve();
            }
        }
    }

    /// Gives up the reserve, so that what must be written can be.
    pub fn release_reserve(&self) {
        // If it cannot be removed there is nothing else to do.
        std::fs::remove_file(self.options.reserve()).ok();
    }

    /// Makes the reserve again once there is room.
    pub fn restore_reserve(&self) {
        if !self.options.reserve().exists() {
            self.make_reserve();
        }
    }

    /// Notes that the process stops with everything applied.
    ///
    /// # Errors
    /// `Full`, `Broken`.
    pub fn clean_stop(&mut self) -> Result<(), StoreError> {
        self.db
            .execute("update meta set clean = 1", [])
            .map_err(broken)?;
        Ok(())
    }

    /// The snapshots that are there, by the entry they stand at, oldest first.
    ///
    /// # Errors
    /// `Broken`.
    pub fn snapshots(&self) -> Result<Vec<Seq>, StoreError> {
        let mut rows = self
            .db
            .prepare("select id from sealed where kind = ?1 order by id")
            .map_err(broken)?;
        rows.query_map([code(ChunkKind::Snapshot)], |r| r.get::<_, i64>(0))
            .and_then(|rows| rows.map(|r| r.map(|s| Seq(unsigned(s)))).collect())
            .map_err(broken)
    }

    fn begin(&mut self) -> Result<Transaction<'_>, StoreError> {
        let behavior = rusqlite::TransactionBehavior::Immediate;
        self.db.transaction_with_behavior(behavior).map_err(broken)
    }

    fn check_room(&mut self) -> Result<(), StoreError> {
        let bytes = self.bytes();
        match bytes > self.options.max_bytes {
            true => Err(StoreError::Full(format!(
                "{bytes} bytes of max_bytes = {}",
                self.options.max_bytes
            ))),
            false => Ok(()),
        }
    }

    fn checkpoint_if_large(&mut self) {
        let mut wal = self.options.file().into_os_string();
        wal.push("-wal");
        let bytes = std::fs::metadata(&wal).map(|m| m.len()).unwrap_or(0);
        if bytes > WAL_BYTES {
            // A reader in the way only postpones it; the next commit tries again.
            self.db
                .query_row("pragma wal_checkpoint(passive)", [], |_| Ok(()))
                .ok();
        }
    }
}

impl SqliteStore {
    /// A write that has to outlive the process and not the machine: a replay makes two of them for each entry.
    fn without_sync(&self, sql: &str, values: impl rusqlite::Params) -> Result<(), StoreError> {
        let set = |how: &str| self.db.execute_batch(how).map_err(broken);
        set("pragma synchronous = normal")?;
        let written = self.db.execute(sql, values).map_err(broken);
        set("pragma synchronous = full")?;
        written.map(|_| ())
    }
}

impl Store for SqliteStore {
    fn open(&mut self) -> Result<Opened, StoreError> {
        let tx = self.begin()?;
        let (epoch, clean): (i64, bool) = tx
            .query_row("select epoch, clean from meta", [], |r| {
                Ok((r.get(0)?, r.get(1)?))
            })
            .map_err(broken)?;
        let head: Option<(i64, i64)> = tx
            .query_row(
                "select seq, at from log order by seq desc limit 1",
                [],
                |r| Ok((r.get(0)?, r.get(1)?)),
            )
            .optional()
            .map_err(broken)?;
        let (head, head_at) = head.unwrap_or((0, 0));
        // The last entry may have ended the process that wrote it. Once it is noted, only a replay that met
        // it speaks against it: a process that ends before it comes that far says nothing about it.
        if !clean && head > 0 {
            tx.execute(
                "insert into suspect (seq, deaths, under_way) values (?1, 0, 1)
                 on conflict (seq) do nothing",
                [head],
            )
            .map_err(broken)?;
        }
        tx.execute(
            "update suspect set deaths = deaths + 1, under_way = 0 where under_way = 1",
            [],
        )
        .map_err(broken)?;
        tx.execute("update meta set clean = 0", [])
            .map_err(broken)?;
        let quarantined = {
            let mut rows = tx
                .prepare("select seq from suspect where deaths >= ?1 order by seq")
                .map_err(broken)?;
            rows.query_map([DEATHS], |r| r.get::<_, i64>(0))
                .and_then(|rows| rows.map(|r| r.map(|s| Seq(unsigned(s)))).collect())
                .map_err(broken)?
        };
        let snapshot: Option<i64> = tx
            .query_row(
                "select id from sealed where kind = ?1 order by id desc limit 1",
                [code(ChunkKind::Snapshot)],
                |r| r.get(0),
            )
            .optional()
            .map_err(broken)?;
        tx.commit().map_err(broken)?;
        self.head = Some((Seq(unsigned(head)), Millis(head_at)));
        Ok(Opened {
            epoch: unsigned(epoch),
            head: Seq(unsigned(head)),
            head_at: Millis(head_at),
            snapshot: snapshot.map(|s| Seq(unsigned(s))),
            quarantined,
        })
    }

    fn read(&mut self, from: Seq, limit: usize) -> Result<Vec<Entry>, StoreError> {
        reader::read(&self.db, from, limit)
    }

    fn append(
        &mut self,
        expect: Seq,
        epoch: u64,
        now: Millis,
        body: &[u8],
    ) -> Result<Millis, StoreError> {
        self.check_room()?;
        let tx = self.begin()?;
        let stored: i64 = tx
            .query_row("select epoch from meta", [], |r| r.get(0))
            .map_err(broken)?;
        let head: (i64, i64) = tx
            .prepare_cached("select seq, at from log order by seq desc limit 1")
            .and_then(|mut s| s.query_row([], |r| Ok((r.get(0)?, r.get(1)?))).optional())
            .map_err(broken)?
            .unwrap_or((0, 0));
        if unsigned(stored) != epoch || Seq(unsigned(head.0)).next() != expect {
            return Err(StoreError::Fenced(format!(
                "the log stands at {} where {} was to be written",
                head.0, expect.0
            )));
        }
        let at = now.max(Millis(head.1));
        tx.prepare_cached("insert into log (seq, at, epoch, body) values (?1, ?2, ?3, ?4)")
            .and_then(|mut s| s.execute(params![signed(expect.0), at.0, signed(epoch), body]))
            .map_err(broken)?;
        tx.commit().map_err(broken)?;
        self.head = Some((expect, at));
        self.checkpoint_if_large();
        Ok(at)
    }

    fn put_chunk(
        &mut self,
        kind: ChunkKind,
        id: u64,
        n: u32,
        bytes: &[u8],
    ) -> Result<(), StoreError> {
        if bytes.len() > CHUNK {
            return Err(StoreError::Damaged(format!(
                "a chunk of {} bytes",
                bytes.len()
            )));
        }
        self.check_room()?;
        let tx = self.begin()?;
        tx.execute(
            "insert or replace into chunk (kind, id, n, bytes) values (?1, ?2, ?3, ?4)",
            params![code(kind), signed(id), n, bytes],
        )
        .map_err(broken)?;
        tx.commit().map_err(broken)
    }

    fn seal(&mut self, kind: ChunkKind, id: u64) -> Result<(), StoreError> {
        let keep = match kind {
            ChunkKind::Snapshot => KEEP_SNAPSHOTS,
            ChunkKind::Graph => KEEP_GRAPHS,
        };
        let tx = self.begin()?;
        tx.execute(
            "insert or replace into sealed (kind, id, nth)
             values (?1, ?2, (select coalesce(max(nth), 0) + 1 from sealed where kind = ?1))",
            params![code(kind), signed(id)],
        )
        .map_err(broken)?;
        tx.execute(
            "delete from sealed where kind = ?1 and nth <= (select max(nth) from sealed where kind = ?1) - ?2",
            params![code(kind), keep],
        )
        .map_err(broken)?;
        tx.execute(
            "delete from chunk where kind = ?1 and id not in (select id from sealed where kind = ?1)",
            [code(kind)],
        )
        .map_err(broken)?;
        tx.commit().map_err(broken)
    }

    fn get(&mut self, kind: ChunkKind, id: u64, n: u32) -> Result<Option<Vec<u8>>, StoreError> {
        self.db
            .query_row(
                "select c.bytes from chunk c join sealed s on s.kind = c.kind and s.id = c.id
                 where c.kind = ?1 and c.id = ?2 and c.n = ?3",
                params![code(kind), signed(id), n],
                |r| r.get(0),
            )
            .optional()
            .map_err(broken)
    }

    fn applying(&mut self, seq: Seq) -> Result<(), StoreError> {
        self.without_sync(
            "insert into suspect (seq, deaths, under_way) values (?1, 0, 1)
             on conflict (seq) do update set under_way = 1",
            params![signed(seq.0)],
        )
    }

    fn applied(&mut self, seq: Seq) -> Result<(), StoreError> {
        self.without_sync(
            "delete from suspect where seq <= ?1 and deaths < ?2",
            params![signed(seq.0), DEATHS],
        )
    }

    fn history(&mut self, rows: &[History]) -> Result<(), StoreError> {
        if rows.is_empty() {
            return Ok(());
        }
        // One transaction without a sync of its own: the next commit carries it to the disk.
        let tx = self.begin()?;
        for row in rows {
            history::write(&tx, row)?;
        }
        tx.commit().map_err(broken)
    }

    fn prune(&mut self, now: Millis) -> Result<bool, StoreError> {
        let log_before = now.0.saturating_sub(self.options.log_keep.0);
        let mut history_before = now.0.saturating_sub(self.options.history_keep.0);
        let nearly = self.options.max_bytes / 100 * NEARLY_FULL;
        let squeeze = self.bytes() > nearly;
        let tx = self.begin()?;
        let keep_from: i64 = tx
            .query_row(
                "select coalesce(min(id), 0) from sealed where kind = 1",
                [],
                |r| r.get(0),
            )
            .map_err(broken)?;
        let mut gone = tx
            .execute(
                "delete from log where seq in (select seq from log where seq < ?1 and at < ?2
                 order by seq limit ?3)",
                params![keep_from, log_before, PRUNE_ROWS],
            )
            .map_err(broken)?;
        if squeeze {
            history_before = now.0; // the oldest history goes first, live state never
        }
        for (table, time) in [
            ("alert_episode", "ended"),
            ("incident", "detected"),
            ("ticket", "opened"),
        ] {
            let sql = format!(
                "delete from {table} where rowid in (select rowid from {table} where {time} < ?1
                 order by {time} limit ?2)"
            );
            gone = gone.saturating_add(
                tx.execute(&sql, params![history_before, PRUNE_ROWS])
                    .map_err(broken)?,
            );
        }
        tx.commit().map_err(broken)?;
        Ok(i64::try_from(gone).unwrap_or(i64::MAX) >= PRUNE_ROWS)
    }

    fn bytes(&mut self) -> u64 {
        let pragma = |name: &str| -> u64 {
            let sql = format!("pragma {name}");
            let value = self.db.query_row(&sql, [], |r| r.get::<_, i64>(0));
            value.map(unsigned).unwrap_or(0)
        };
        let pages = pragma("page_count").saturating_sub(pragma("freelist_count"));
        pages.saturating_mul(pragma("page_size"))
    }
}
