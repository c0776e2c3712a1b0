//! Reading and copying a store that may be in use.

use super::super::{Entry, StoreError};
use super::{Options, broken, connect, io, new_epoch, signed, unsigned};
use crate::model::{Millis, Seq};
use rusqlite::{Connection, OpenFlags, params};
use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// The log of a store that may be in use, to read only.
#[derive(Debug)]
pub struct Reader {
    pub(super) db: Connection,
}

impl Reader {
    /// Opens the database of a folder without locking it.
    ///
    /// # Errors
    /// `Broken` if there is none.
    pub fn open(folder: &Path) -> Result<Reader, StoreError> {
        let file = Options::new(folder).file();
        let db = connect(&file, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        Ok(Reader { db })
    }

    /// At most `limit` entries from `from` on.
    ///
    /// # Errors
    /// `Broken`.
    pub fn read(&self, from: Seq, limit: usize) -> Result<Vec<Entry>, StoreError> {
        read(&self.db, from, limit)
    }

    /// Copies the store, in use or not, into the new file `to`. The copy gets an epoch of its own, so that a
    /// restored store never uses a correlation key again.
    ///
    /// # Errors
    /// `Broken` if `to` exists or cannot be written.
    pub fn backup(&self, to: &Path) -> Result<(), StoreError> {
        if to.exists() {
            return Err(StoreError::Broken(format!(
                "{} exists already",
                to.display()
            )));
        }
        let mut name = to.as_os_str().to_owned();
        name.push(".part");
        let part = PathBuf::from(name);
        std::fs::remove_file(&part).ok(); // of a backup that was cut off
        OpenOptions::new()
            .create_new(true)
            .write(true)
            .mode(0o600)
            .open(&part)
            .map_err(|e| io("make", &part, &e))?;
        let mut copy = connect(&part, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        {
            let backup = rusqlite::backup::Backup::new(&self.db, &mut copy).map_err(broken)?;
            let pause = std::time::Duration::from_millis(5);
            backup
                .run_to_completion(1024, pause, None)
                .map_err(broken)?;
        }
        copy.execute("update meta set epoch = ?1, clean = 1", [new_epoch()?])
            .map_err(broken)?;
        copy.query_row("pragma journal_mode = delete", [], |_| Ok(()))
            .map_err(broken)?;
        copy.close().map_err(|(_, e)| broken(e))?;
        File::open(&part)
            .and_then(|f| f.sync_all())
            .and_then(|()| std::fs::rename(&part, to))
            .map_err(|e| io("write", to, &e))
    }
}

pub(super) fn read(db: &Connection, from: Seq, limit: usize) -> Result<Vec<Entry>, StoreError> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut rows = db
        .prepare_cached("select seq, at, body from log where seq >= ?1 order by seq limit ?2")
        .map_err(broken)?;
    rows.query_map(params![signed(from.0), limit], |r| {
        Ok(Entry {
            seq: Seq(unsigned(r.get(0)?)),
            at: Millis(r.get(1)?),
            body: r.get(2)?,
        })
    })
    .and_then(|rows| rows.collect())
    .map_err(broken)
}
