//! What waits on disk: one file for each notification, in a folder, sorted by its name.
//!
//! A file's name is `<seconds>.<nanoseconds>-<process>-<object>.json`: names sort by arrival, and whether
//! something waits for an object is seen without opening a file. A file appears whole (written under another
//! name, synced, renamed, folder synced) and goes when the daemon has it. A name is always later than those
//! that are there, so a clock that is set back puts nothing in front. Names that begin with a dot are not
//! notifications: the lock of those who deliver, and files that are being written.

use serde_json::json;
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What the daemon refused, below the spool.
pub(super) const REFUSED: &str = "refused";
/// Notifications kept there; the oldest go first.
const MAX_REFUSED: usize = 1000;
/// A file that was begun this long ago will not be finished.
const ABANDONED: Duration = Duration::from_secs(600);
const LOCK: &str = ".flush.lock";
/// The owner writes, the group (of the folder, if it has the setgid bit) reads.
const FILE_MODE: u32 = 0o640;
const FOLDER_MODE: u32 = 0o750;

/// The folder.
#[derive(Clone, Debug)]
pub(super) struct Spool {
    folder: PathBuf,
    max: u64,
}

/// A notification that waits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Waiting {
    /// Its file.
    pub(super) name: String,
}

impl Waiting {
    /// What it is about.
    pub(super) fn object(&self) -> &str {
        let stem = self.name.strip_suffix(".json").unwrap_or_default();
        stem.rsplit('-').next().unwrap_or_default()
    }

    /// When it came, since 1970.
    pub(super) fn at(&self) -> Option<Duration> {
        let (stamp, _) = self.name.split_once('-')?;
        let (seconds, nanos) = stamp.split_once('.')?;
        let nanos: u32 = nanos.parse().ok()?;
        (nanos < 1_000_000_000).then_some(Duration::new(seconds.parse().ok()?, nanos))
    }
}

impl Spool {
    /// The spool in a folder, which need not be there yet.
    pub(super) fn new(folder: &Path, max: u64) -> Spool {
        Spool {
            folder: folder.to_owned(),
            max,
        }
    }

    /// Where it is.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// What waits, oldest first.
    pub(super) fn list(&self) -> Result<Vec<Waiting>, String> {
        let names = names(&self.folder).map_err(|e| self.wrong(&self.folder, &e))?;
        Ok(names.into_iter().map(|name| Waiting { name }).collect())
    }

    /// How many notifications the daemon refused.
    pub(super) fn count_refused(&self) -> usize {
        names(&self.folder.join(REFUSED)).map_or(0, |names| names.len())
    }

    /// Keeps a notification, behind everything that waits.
    ///
    /// # Errors
    /// It is not kept: no room, or the disk says no.
    pub(super) fn put(&self, object: &str, body: &[u8]) -> Result<(), String> {
        self.make(&self.folder)?;
        let waiting = self.list()?;
        let mut used = 0u64;
        for one in &waiting {
            // One that has just been delivered takes no room.
            used = used.saturating_add(std::fs::metadata(self.path(one)).map_or(0, |m| m.len()));
        }
        let needed = u64::try_from(body.len()).unwrap_or(u64::MAX);
        if used.saturating_add(needed) > self.max {
            return Err(format!(
                "{}: full: {} notifications, {used} of {} bytes (--spool-max)",
                self.folder.display(),
                waiting.len(),
                self.max
            ));
        }
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let last = waiting.last().and_then(Waiting::at).unwrap_or_default();
        let stamp = now.max(last.saturating_add(Duration::from_nanos(1)));
        let name = format!(
            "{:011}.{:09}-{:010}-{object}.json",
            stamp.as_secs(),
            stamp.subsec_nanos(),
            std::process::id()
        );
        self.write(&self.folder, &name, body)
    }

    /// The bytes of a notification; nothing if it has gone.
    pub(super) fn read(&self, one: &Waiting) -> Result<Option<Vec<u8>>, String> {
        let path = self.path(one);
        match std::fs::read(&path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.wrong(&path, &error)),
        }
    }

    /// Forgets what the daemon has.
    pub(super) fn done<'a>(&self, all: impl Iterator<Item = &'a Waiting>) -> Result<(), String> {
        for one in all {
            let path = self.path(one);
            match std::fs::remove_file(&path) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(self.wrong(&path, &error)),
            }
        }
        // Not synced: what comes back after a power cut is sent again, and the daemon knows it.
        Ok(())
    }

    /// Keeps what the daemon will never take, with its reason.
    pub(super) fn refuse(&self, object: &str, body: &[u8], why: &str) -> Result<(), String> {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let name = format!(
            "{:011}.{:09}-{:010}-{object}.json",
            now.as_secs(),
            now.subsec_nanos(),
            std::process::id()
        );
        self.keep_refused(&name, body, why)
    }

    /// Puts aside one that waited.
    pub(super) fn refuse_waiting(
        &self,
        one: &Waiting,
        body: &[u8],
        why: &str,
    ) -> Result<(), String> {
        self.keep_refused(&one.name, body, why)?;
        self.done(std::iter::once(one))
    }

    fn keep_refused(&self, name: &str, body: &[u8], why: &str) -> Result<(), String> {
        let folder = self.folder.join(REFUSED);
        self.make(&self.folder)?;
        self.make(&folder)?;
        let notification = match serde_json::from_slice::<serde_json::Value>(body) {
            Ok(value) => value,
            Err(_) => String::from_utf8_lossy(body).into(),
        };
        let text = json!({ "reason": why, "notification": notification }).to_string();
        self.write(&folder, name, text.as_bytes())?;
        let all = names(&folder).map_err(|e| self.wrong(&folder, &e))?;
        let surplus = all.len().saturating_sub(MAX_REFUSED);
        for name in all.iter().take(surplus) {
            std::fs::remove_file(folder.join(name)).ok(); // the next one tries again
        }
        Ok(())
    }

    /// The right to deliver; nothing while another process has it.
    pub(super) fn lock(&self) -> Result<Option<File>, String> {
        let path = self.folder.join(LOCK);
        let wrong = |e: io::Error| self.wrong(&path, &e);
        // One that another user made (a person's flush) need only be readable.
        let file = match File::open(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(false)
                .mode(FILE_MODE)
                .open(&path),
            other => other,
        };
        let file = file.map_err(wrong)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(wrong(error)),
        }
    }

    /// Removes files that a killed process left half written.
    pub(super) fn sweep(&self) {
        let entries = std::fs::read_dir(&self.folder).into_iter().flatten();
        for entry in entries.flatten() {
            let begun = entry.file_name().to_string_lossy().ends_with(".tmp");
            let age = entry.metadata().and_then(|m| m.modified());
            let old = age.is_ok_and(|at| at.elapsed().is_ok_and(|age| age > ABANDONED));
            if begun && old {
                std::fs::remove_file(entry.path()).ok(); // the next flush tries again
            }
        }
    }

    /// Tries what `put` does, with a file of no meaning.
    pub(super) fn probe(&self) -> Result<(), String> {
        let name = format!(".probe-{}", std::process::id());
        self.write(&self.folder, &name, b"{}")?;
        let path = self.folder.join(&name);
        std::fs::remove_file(&path).map_err(|e| self.wrong(&path, &e))
    }

    fn path(&self, one: &Waiting) -> PathBuf {
        self.folder.join(&one.name)
    }

    fn make(&self, folder: &Path) -> Result<(), String> {
        match DirBuilder::new().mode(FOLDER_MODE).create(folder) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
            Err(error) => Err(self.wrong(folder, &error)),
        }
    }

    fn write(&self, folder: &Path, name: &str, bytes: &[u8]) -> Result<(), String> {
        let (begun, whole) = (folder.join(format!(".{name}.tmp")), folder.join(name));
        let written = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(FILE_MODE)
            .open(&begun)
            .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
            .and_then(|()| std::fs::rename(&begun, &whole))
            .and_then(|()| File::open(folder)?.sync_all());
        written.map_err(|error| {
            std::fs::remove_file(&begun).ok(); // the sweep takes it
            self.wrong(&whole, &error)
        })
    }

    fn wrong(&self, path: &Path, error: &io::Error) -> String {
        let hint = match error.kind() {
            ErrorKind::NotFound | ErrorKind::PermissionDenied => format!(
                "; make it with: install -d -m 2750 -o USER -g GROUP {}",
                self.folder.display()
            ),
            _ => String::new(),
        };
        format!("{}: {error}{hint}", path.display())
    }
}

/// Names of the notifications in a folder, sorted; none if there is no folder.
fn names(folder: &Path) -> io::Result<Vec<String>> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut out = Vec::new();
    for entry in entries {
        let name = entry?.file_name();
        let Some(name) = name.to_str() else { continue };
        if name.ends_with(".json") && !name.starts_with('.') {
            out.push(name.to_owned());
        }
    }
    out.sort();
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn spool(name: &str, max: u64) -> Spool {
        let folder =
            std::env::temp_dir().join(format!("correlated-spool-{name}-{}", std::process::id()));
        std::fs::remove_dir_all(&folder).ok();
        Spool::new(&folder, max)
    }

    #[test]
    fn names_sort_by_arrival_and_say_the_object() {
        let spool = spool("order", 1 << 20);
        assert_eq!(spool.list(), Ok(Vec::new()));
        for n in 0..20 {
            spool
                .put(&format!("{:016x}", n % 3), n.to_string().as_bytes())
                .unwrap();
        }
        let all = spool.list().unwrap();
        for (n, one) in all.iter().enumerate() {
            assert_eq!(spool.read(one).unwrap().unwrap(), n.to_string().as_bytes());
            assert_eq!(one.object(), format!("{:016x}", n % 3));
        }
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(spool.folder()) & 0o027, 0, "nobody else");
        assert_eq!(mode(&spool.path(&all[0])) & 0o137, 0);
        // A clock that was ahead: what comes now still goes behind.
        let ahead = "99999999998.999999999-0000000001-0000000000000000.json";
        std::fs::write(spool.folder().join(ahead), "{}").unwrap();
        spool.put("0000000000000009", b"late").unwrap();
        assert_eq!(
            spool.list().unwrap().last().unwrap().object(),
            "0000000000000009"
        );
        spool.done(all.iter()).unwrap();
        assert_eq!(spool.list().unwrap().len(), 2);
        std::fs::remove_dir_all(spool.folder()).unwrap();
    }

    #[test]
    fn a_full_spool_says_so_and_keeps_what_it_has() {
        let spool = spool("full", 10);
        spool.put("0", b"12345678").unwrap();
        let why = spool.put("0", b"123").unwrap_err();
        assert!(
            why.contains("full: 1 notifications, 8 of 10 bytes"),
            "{why}"
        );
        assert_eq!(spool.list().unwrap().len(), 1);
        std::fs::remove_dir_all(spool.folder()).unwrap();
    }

    #[test]
    fn what_is_refused_is_kept_in_bounds_with_its_reason() {
        let spool = spool("refused", 1 << 20);
        let folder = spool.folder().join(REFUSED);
        DirBuilder::new().recursive(true).create(&folder).unwrap();
        for n in 0..MAX_REFUSED {
            std::fs::write(folder.join(format!("{n:011}.000000000-1-0.json")), "{}").unwrap();
        }
        spool
            .refuse(
                "0000000000000001",
                b"{\"HOSTNAME\":\"a\"}",
                "HOSTSTATE: missing",
            )
            .unwrap();
        let all = names(&folder).unwrap();
        assert_eq!(all.len(), MAX_REFUSED);
        assert!(all[0].starts_with("00000000001."), "{}", all[0]);
        let text = std::fs::read_to_string(folder.join(all.last().unwrap())).unwrap();
        assert!(
            text.contains("HOSTSTATE: missing") && text.contains("\"HOSTNAME\":\"a\""),
            "{text}"
        );
        std::fs::remove_dir_all(spool.folder()).unwrap();
    }

    #[test]
    fn one_process_delivers_at_a_time() {
        let spool = spool("lock", 10);
        spool.put("0", b"1").unwrap();
        let held = spool.lock().unwrap();
        assert!(held.is_some());
        assert!(spool.lock().unwrap().is_none());
        drop(held);
        assert!(spool.lock().unwrap().is_some());
        spool.probe().unwrap();
        assert_eq!(spool.list().unwrap().len(), 1);
        std::fs::remove_dir_all(spool.folder()).unwrap();
    }
}
