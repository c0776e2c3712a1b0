//! The intake as it came, for `correlated replay`: one JSON object a line, bounded, off unless asked for.
//!
//! What the redaction takes out of events is taken out of the bodies before they are written. Not covered are
//! names of fields, and bodies that are neither JSON nor a form beyond what an expression finds in them.

use crate::config::planned::OF_CONFIG;
use crate::model::Millis;
use crate::record::Record;
use crate::redact::Redaction;
use serde_json::{Value, json};
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A line that cannot be written is told this often.
const TELL: Duration = Duration::from_secs(60);

/// A body that was taken in.
#[derive(Clone, Copy, Debug)]
pub struct Taken<'a> {
    /// Name of its source.
    pub source: &'a str,
    /// The path below the source.
    pub tail: &'a str,
    /// The `Content-Type` header.
    pub content_type: &'a str,
    /// Its bytes.
    pub bytes: &'a [u8],
    /// When it arrived.
    pub at: Millis,
}

/// See the module.
#[derive(Debug)]
pub struct Recorder {
    folder: PathBuf,
    max_bytes: u64,
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    file: Option<(File, u64)>,
    lines: u64,
    told: Option<Instant>,
}

impl Recorder {
    /// Writes into `recording.ndjson` of the folder. At half of `max_bytes` that becomes
    /// `recording.1.ndjson`, and the one before is gone.
    pub fn new(folder: &Path, max_bytes: u64) -> Recorder {
        Recorder {
            folder: folder.to_owned(),
            max_bytes,
            open: Mutex::default(),
        }
    }

    /// Writes a body, with an id. What cannot be written is told and left out: nothing else depends on it.
    pub fn body(&self, redaction: &Redaction, taken: &Taken<'_>) {
        let clean = redaction.same_kind(taken.content_type, taken.bytes);
        let mut line = json!({
            "at": taken.at.rfc3339(),
            "source": taken.source,
            "content_type": taken.content_type,
            "body": String::from_utf8_lossy(&clean),
        });
        if let Some(map) = line.as_object_mut().filter(|_| !taken.tail.is_empty()) {
            map.insert("tail".to_owned(), Value::from(taken.tail));
        }
        self.write(taken.at, line);
    }

    /// Writes a maintenance window or a change of people; other records are none of a recording's, and what the
    /// configuration plans is planned again by the one that it is played with.
    pub fn told(&self, at: Millis, record: &Record) {
        let what = match record {
            Record::Maintenance(window) if window.id.starts_with(OF_CONFIG) => return,
            Record::Maintenance(window) => (
                "maintenance",
                json!({
                    "id": window.id,
                    "ci": window.ci,
                    "from": window.from.rfc3339(),
                    "to": window.to.rfc3339(),
                    "include_dependents": window.include_dependents,
                }),
            ),
            Record::Change(change) => (
                "change",
                json!({
                    "id": change.id,
                    "ci": change.ci,
                    "at": change.at.rfc3339(),
                    "summary": change.summary,
                }),
            ),
            _other => return,
        };
        let (name, value) = what;
        self.write(at, json!({ "at": at.rfc3339(), name: value }));
    }

    fn write(&self, at: Millis, mut line: Value) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.lines = open.lines.saturating_add(1);
        if let Some(map) = line.as_object_mut().filter(|m| m.contains_key("body")) {
            // Unlike those of an earlier process, as long as the clock goes on.
            let id = format!("{}-{}", at.0, open.lines);
            map.insert("id".to_owned(), Value::from(id));
        }
        if let Err(error) = self.append(&mut open, format!("{line}\n").as_bytes()) {
            open.file = None;
            if open.told.is_none_or(|t| t.elapsed() >= TELL) {
                open.told = Some(Instant::now());
                tracing::warn!(%error, "the intake is not recorded");
            }
        }
    }

    fn append(&self, open: &mut Open, line: &[u8]) -> std::io::Result<()> {
        let length = u64::try_from(line.len()).unwrap_or(u64::MAX);
        let room = self.max_bytes / 2;
        if length > room {
            return Err(std::io::Error::other(
                "a line is larger than half of record_max_bytes",
            ));
        }
        let path = self.folder.join("recording.ndjson");
        if let Some((_, bytes)) = &open.file
            && bytes.saturating_add(length) > room
        {
            std::fs::rename(&path, self.folder.join("recording.1.ndjson"))?;
            open.file = None;
        }
        let (file, bytes) = match &mut open.file {
            Some(known) => known,
            None => {
                let mut options = std::fs::OpenOptions::new();
                let file = options.create(true).append(true).mode(0o600).open(&path)?;
                let bytes = file.metadata()?.len();
                open.file.insert((file, bytes))
            }
        };
        file.write_all(line)?;
        *bytes = bytes.saturating_add(length);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recording_is_bounded_and_keeps_the_newest() {
        let folder = std::env::temp_dir().join(format!("correlated-rec-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let recorder = Recorder::new(&folder, 4000);
        for n in 0..100i64 {
            let taken = Taken {
                source: "nagios",
                tail: "",
                content_type: "text/plain",
                bytes: &[b'x'; 20],
                at: Millis(n),
            };
            recorder.body(&Redaction::default(), &taken);
        }
        let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
        let (now, before) = (read("recording.ndjson"), read("recording.1.ndjson"));
        assert!(now.len() + before.len() <= 4000);
        assert!(now.ends_with("\n") && now.contains("\"id\":\"99-100\""));
        assert!(before.len() > 1500, "half of it stays when it turns over");
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
