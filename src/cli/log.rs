//! The way to look inside the log, and to copy the store.

use super::print;
use crate::daemon::chain;
use crate::model::Seq;
use crate::record::{Record, decode_entry};
use crate::store::sqlite::Reader;
use std::path::Path;

/// Entries read at once.
const READ: usize = 256;
/// Characters of a record without `--full`.
const SHORT: usize = 200;

pub(super) fn show(store: &Path, from: u64, limit: usize, full: bool) -> Result<(), String> {
    let reader = Reader::open(store).map_err(|e| chain(&e))?;
    let (mut next, mut left) = (Seq(from.max(1)), limit);
    while left > 0 {
        let entries = reader.read(next, left.min(READ)).map_err(|e| chain(&e))?;
        let Some(last) = entries.last().map(|e| e.seq) else {
            return Ok(());
        };
        let mut out = String::new();
        for entry in &entries {
            let head = format!("{} {}", entry.seq.0, entry.at.rfc3339());
            match decode_entry(&entry.body) {
                Ok(decoded) => {
                    for record in &decoded.records {
                        out.push_str(&format!("{head} {}\n", line(record, full)));
                    }
                }
                // Shown and passed over: this is the tool to find it with.
                Err(why) => out.push_str(&format!("{head} cannot be read: {why}\n")),
            }
        }
        print(&out);
        left = left.saturating_sub(entries.len());
        next = last.next();
    }
    Ok(())
}

fn line(record: &Record, full: bool) -> String {
    let text = match (record, full) {
        (Record::Events(e), false) => {
            let states: Vec<String> = e
                .events
                .iter()
                .map(|e| {
                    let labels: Vec<String> =
                        e.labels.iter().map(|(n, v)| format!("{n}={v}")).collect();
                    format!("{:?} {}", e.state, labels.join(" "))
                })
                .collect();
            format!(
                "Events {} from {}: {}",
                e.events.len(),
                e.source,
                states.join("; ")
            )
        }
        (Record::Rules(rules), false) => format!("Rules, {} bytes", rules.text.len()),
        (other, _) => format!("{other:?}"),
    };
    match full {
        true => text,
        false => crate::model::cut(&text, SHORT),
    }
}

pub(super) fn backup(store: &Path, file: &Path) -> Result<(), String> {
    let reader = Reader::open(store).map_err(|e| chain(&e))?;
    reader.backup(file).map_err(|e| chain(&e))?;
    print(&format!(
        "{} written; to restore, stop correlated and put it in place of correlated.db (without -wal and -shm)\n",
        file.display()
    ));
    Ok(())
}
