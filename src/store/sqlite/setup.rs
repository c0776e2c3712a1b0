//! A database that is ours: lock, pragmas, schema.

use super::super::StoreError;
use super::{broken, io};
use rusqlite::{Connection, OpenFlags};
use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// SQLite before this may lose commits after a WAL reset.
const OLDEST_SQLITE: i32 = 3_051_003;
/// `application_id` of our files: "corr".
const APPLICATION: i64 = 0x636f_7272;
/// `user_version`: the schema.
const SCHEMA: i64 = 1;

/// 40 random bits.
pub(super) fn new_epoch() -> Result<i64, StoreError> {
    let mut bytes = [0u8; 8];
    let [_, _, _, low @ ..] = &mut bytes;
    ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), low)
        .map_err(|_| StoreError::Broken("the system gives no random numbers".to_owned()))?;
    Ok(i64::from_be_bytes(bytes))
}

pub(super) fn connect(file: &Path, flags: OpenFlags) -> Result<Connection, StoreError> {
    if rusqlite::version_number() < OLDEST_SQLITE {
        let text = format!(
            "SQLite {} is older than 3.51.3, which may lose commits",
            rusqlite::version()
        );
        return Err(StoreError::Broken(text));
    }
    let db = Connection::open_with_flags(file, flags)
        .map_err(|e| StoreError::Broken(format!("{}: {e}", file.display())))?;
    db.busy_timeout(std::time::Duration::from_secs(10))
        .map_err(broken)?;
    Ok(db)
}

pub(super) fn lock(folder: &Path) -> Result<File, StoreError> {
    let path = folder.join("lock");
    let file = OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(&path)
        .map_err(|e| io("open", &path, &e))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(StoreError::Fenced(format!(
            "{} is in use by another correlated",
            folder.display()
        ))),
        Err(std::fs::TryLockError::Error(e)) => Err(io("lock", &path, &e)),
    }
}

pub(super) fn pragmas(db: &Connection) -> Result<(), StoreError> {
    let mode: String = db
        .query_row("pragma journal_mode = wal", [], |r| r.get(0))
        .map_err(broken)?;
    if mode != "wal" {
        return Err(StoreError::Broken(format!(
            "journal mode is {mode}, not wal"
        )));
    }
    db.execute_batch(
        "pragma synchronous = full; pragma wal_autocheckpoint = 0; pragma journal_size_limit = 67108864;
         pragma mmap_size = 0; pragma cache_size = -8192; pragma temp_store = memory;
         pragma foreign_keys = off; pragma trusted_schema = off;",
    )
    .map_err(broken)
}

pub(super) fn schema(db: &mut Connection, file: &Path) -> Result<(), StoreError> {
    let pragma = |db: &Connection, name: &str| -> Result<i64, StoreError> {
        db.query_row(&format!("pragma {name}"), [], |r| r.get(0))
            .map_err(broken)
    };
    let tx = db
        .transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)
        .map_err(broken)?;
    let (application, version) = (pragma(&tx, "application_id")?, pragma(&tx, "user_version")?);
    let tables: i64 = tx
        .query_row("select count(*) from sqlite_schema", [], |r| r.get(0))
        .map_err(broken)?;
    match (application, version) {
        (0, 0) if tables == 0 => {
            tx.execute_batch(include_str!("schema.sql"))
                .map_err(broken)?;
            tx.execute(
                "insert into meta (one, epoch, clean) values (1, ?1, 1)",
                [new_epoch()?],
            )
            .map_err(broken)?;
            tx.execute_batch(&format!(
                "pragma application_id = {APPLICATION}; pragma user_version = {SCHEMA}"
            ))
            .map_err(broken)?;
            tx.commit().map_err(broken)
        }
        (APPLICATION, SCHEMA) => Ok(()),
        (APPLICATION, newer) => Err(StoreError::Damaged(format!(
            "{} has schema {newer}, this program knows {SCHEMA}",
            file.display()
        ))),
        (_, _) => Err(StoreError::Damaged(format!(
            "{} is no store of correlated",
            file.display()
        ))),
    }
}
