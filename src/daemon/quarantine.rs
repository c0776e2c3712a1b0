//! Bodies that were refused, kept for whoever has to mend the sender: bounded in number, bytes and days.

use super::clock;
use crate::model::Millis;
use crate::redact::Redaction;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

/// Bytes kept of one body.
const MAX_BODY: usize = 256 << 10;
/// Bodies kept; the oldest goes.
const MAX_BODIES: usize = 100;
/// How long a body is kept.
const KEEP: Duration = Duration::from_secs(7 * 86_400);
/// At most one body in this time, so that a broken sender costs no disk.
const EVERY: Millis = Millis::secs(1);

/// A body that was refused.
#[derive(Clone, Debug)]
pub struct Kept {
    /// What must not be kept of it.
    pub redaction: Arc<Redaction>,
    /// Its `Content-Type`.
    pub content_type: String,
    /// Its bytes.
    pub body: hyper::body::Bytes,
}

/// See the module.
#[derive(Clone, Debug)]
pub struct Quarantine {
    folder: PathBuf,
    last: Arc<AtomicU64>,
}

impl Quarantine {
    /// A quarantine in a folder, made when it is first needed.
    pub fn new(folder: PathBuf) -> Quarantine {
        Quarantine {
            folder,
            last: Arc::new(AtomicU64::new(0)),
        }
    }

    /// Keeps a body. A body that cannot be kept is only counted by the caller: nothing depends on it.
    pub fn keep(&self, source: &str, kept: &Kept) {
        let body = &kept.body;
        let now = u64::try_from(clock::wall().0).unwrap_or(0);
        let every = u64::try_from(EVERY.0).unwrap_or(0);
        let last = self.last.load(Ordering::Relaxed);
        let first = self
            .last
            .compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed);
        if body.is_empty() || now.saturating_sub(last) < every || first.is_err() {
            return;
        }
        let name = self.folder.join(format!("{now}-{source}.body"));
        let written = std::fs::create_dir_all(&self.folder)
            .and_then(|()| {
                let mut options = std::fs::OpenOptions::new();
                options.create_new(true).write(true).mode(0o600).open(&name)
            })
            .and_then(|mut file| {
                let clean = kept.redaction.body(&kept.content_type, body);
                file.write_all(clean.get(..MAX_BODY).unwrap_or(&clean))
            });
        if let Err(error) = written {
            tracing::debug!(%error, "a refused body is not kept");
        }
        self.tidy();
    }

    fn tidy(&self) {
        let Ok(files) = std::fs::read_dir(&self.folder) else {
            return;
        };
        let mut files: Vec<(SystemTime, PathBuf)> = files
            .filter_map(|f| {
                let f = f.ok()?;
                Some((f.metadata().ok()?.modified().ok()?, f.path()))
            })
            .collect();
        files.sort();
        let too_many = files.len().saturating_sub(MAX_BODIES);
        for (n, (time, path)) in files.into_iter().enumerate() {
            if n < too_many || time.elapsed().is_ok_and(|age| age > KEEP) {
                std::fs::remove_file(path).ok(); // somebody else may have
            }
        }
    }
}
