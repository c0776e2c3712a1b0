//! What became of the events, as a file for programs.

use super::story::Story;
use crate::model::{IncidentId, Millis};
use serde_json::{Map, Number, Value, json};
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The file, opened before anything is played. What it has stays until there is something to write.
pub(super) struct Target {
    path: PathBuf,
    file: File,
    /// It was not there before.
    new: bool,
    written: bool,
}

impl Target {
    /// Opens it.
    ///
    /// # Errors
    /// It is one of the files that are read, or cannot be written.
    pub(super) fn open<'a>(
        path: &Path,
        reads: impl Iterator<Item = &'a PathBuf>,
    ) -> Result<Target, String> {
        let told = |e: std::io::Error| format!("{}: {e}", path.display());
        let place = |path: &Path| std::fs::metadata(path).ok().map(|m| (m.dev(), m.ino()));
        let own = place(path);
        for read in reads {
            if own.is_some() && place(read) == own {
                let (path, read) = (path.display(), read.display());
                return Err(format!(
                    "{path}: is {read}, which is read; the predictions would overwrite it"
                ));
            }
        }
        let fresh = OpenOptions::new().write(true).create_new(true).open(path);
        let (file, new) = match fresh {
            Ok(file) => (file, true),
            Err(e) if e.kind() == ErrorKind::AlreadyExists => {
                let known = OpenOptions::new().write(true).open(path);
                (known.map_err(told)?, false)
            }
            Err(e) => return Err(told(e)),
        };
        Ok(Target {
            path: path.to_owned(),
            file,
            new,
            written: false,
        })
    }

    /// Writes what became of the events.
    ///
    /// # Errors
    /// What keeps it from being written.
    pub(super) fn write(mut self, story: &Story) -> Result<(), String> {
        let text = format!("{}\n", json(story));
        self.written = true;
        self.fill(&text)
            .map_err(|e| format!("{}: {e}", self.path.display()))
    }

    fn fill(&mut self, text: &str) -> std::io::Result<()> {
        // A pipe or a terminal has no length.
        if self.file.metadata()?.is_file() {
            self.file.set_len(0)?;
        }
        self.file.write_all(text.as_bytes())
    }
}

impl Drop for Target {
    /// Nothing came of it: no empty file is left behind.
    fn drop(&mut self) {
        if self.new && !self.written {
            std::fs::remove_file(&self.path).ok();
        }
    }
}

/// The story as JSON; equal stories give equal bytes.
fn json(story: &Story) -> Value {
    let assign: Map<String, Value> = story
        .assign
        .iter()
        .map(|(event, incident)| (event.clone(), name(*incident)))
        .collect();
    let incidents: Vec<Value> = story
        .incidents
        .iter()
        .map(|(id, facts)| {
            json!({
                "id": name(*id),
                "ticket": facts.ticket_at.map(|_| format!("T-{id}")),
                "ticket_at": facts.ticket_at.map(seconds),
                "roots": facts.roots,
                "merged_into": facts.merged_into.map(name),
                "impact": facts.impact,
                "confident": facts.confident,
                "priority": facts.priority.map(|p| p.word()),
            })
        })
        .collect();
    let ops: Vec<Value> = story
        .ops
        .iter()
        .map(|op| {
            let mut out = json!({
                "at": seconds(op.at),
                "op": op.op,
                "incident": name(op.incident),
            });
            if let (Some(from), Some(map)) = (op.from, out.as_object_mut()) {
                map.insert("from".to_owned(), name(from));
            }
            out
        })
        .collect();
    json!({ "assign": assign, "incidents": incidents, "ops": ops })
}

fn name(id: IncidentId) -> Value {
    Value::from(id.to_string())
}

/// Seconds since 1970, with milliseconds.
fn seconds(at: Millis) -> Value {
    let text = format!("{}.{:03}", at.0.div_euclid(1000), at.0.rem_euclid(1000));
    let number = text.parse().ok().and_then(Number::from_f64);
    number.map_or(Value::Null, Value::Number)
}
