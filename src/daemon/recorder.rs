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
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A line that cannot be written is told this often.
const TELL: Duration = Duration::from_secs(60);
/// The end of the last line is looked for in pieces of this size.
const PIECE: u64 = 64 * 1024;

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
        // Somebody cut the file off: what is left may end in the middle of a line.
        if let Some((file, bytes)) = &open.file
            && file.metadata()?.len() != *bytes
        {
            open.file = None;
        }
        let (file, bytes) = match &mut open.file {
            Some(known) => known,
            None => {
                let mut options = std::fs::OpenOptions::new();
                options.create(true).read(true).append(true).mode(0o600);
                let mut file = options.open(&path)?;
                let bytes = whole_lines(&mut file, &path)?;
                open.file.insert((file, bytes))
            }
        };
        if let Err(error) = file.write_all(line) {
            // A part of the line may be there. If it stays, the file is cut off when it is opened again.
            if file.set_len(*bytes).is_ok() {
                tracing::warn!(file = %path.display(), "a line that was not written wholly is cut off");
            }
            return Err(error);
        }
        *bytes = bytes.saturating_add(length);
        Ok(())
    }
}

/// Cuts off what a recording has after its last whole line: the next line must not be glued to it. Answers how long
/// the file is then. A last line that lacks nothing but its end gets that.
fn whole_lines(file: &mut File, path: &Path) -> std::io::Result<u64> {
    let length = file.metadata()?.len();
    let whole = end_of_last_line(file, length)?;
    if whole == length {
        return Ok(length);
    }
    file.seek(SeekFrom::Start(whole))?;
    let line: Result<Value, _> = serde_json::from_reader(std::io::BufReader::new(&*file));
    let path = path.display();
    if line.is_ok_and(|l| l.is_object()) {
        file.write_all(b"\n")?;
        return Ok(length.saturating_add(1));
    }
    file.set_len(whole)?;
    let bytes = length.saturating_sub(whole);
    tracing::warn!(file = %path, bytes, "the recording ends in the middle of a line; that is cut off");
    Ok(whole)
}

/// Where the last line of a file ends that has an end.
fn end_of_last_line(file: &mut File, length: u64) -> std::io::Result<u64> {
    let mut to = length;
    while to > 0 {
        let from = to.saturating_sub(PIECE);
        file.seek(SeekFrom::Start(from))?;
        let mut piece = Vec::new();
        let mut reader = (&*file).take(to.saturating_sub(from));
        reader.read_to_end(&mut piece)?;
        if let Some(at) = piece.iter().rposition(|byte| *byte == b'\n') {
            let at = u64::try_from(at).unwrap_or(0);
            return Ok(from.saturating_add(at).saturating_add(1));
        }
        to = from;
    }
    Ok(0)
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
