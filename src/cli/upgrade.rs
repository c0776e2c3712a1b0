//! `check --upgrade-from`: starts this version on a copy of a store, and says what would not go on.

use super::copy::Copy;
use crate::config::Config;
use crate::daemon::chain;
use crate::engine::ENGINE;
use crate::model::Seq;
use crate::node::Node;
use crate::record::decode_entry;
use crate::store::sqlite::{Options, Reader, SqliteStore};
use std::collections::BTreeMap;
use std::path::Path;

/// Entries read at once.
const READ: usize = 256;

/// What came of it: lines for people, and whether nothing is wrong.
pub(super) fn check(config: &Config, store: &Path) -> Result<(String, bool), String> {
    let reader = Reader::open(store).map_err(|e| chain(&e))?;
    let (engines, first, bad, entries) = look(&reader)?;
    let mut out = format!("store {}: {entries} entries", store.display());
    for (engine, count) in &engines {
        out.push_str(&format!(", {count} by engine {engine}"));
    }
    out.push_str(&format!("; this is engine {ENGINE}\n"));
    let mut problems: Vec<String> = bad;
    let copy = Copy::of(&reader)?;
    let opened = SqliteStore::new(Options::new(&copy.folder)).map_err(|e| chain(&e))?;
    let (node, recovered) = Node::recover(opened).map_err(|e| chain(&e))?;
    let state = node.engine().state();
    let live = state.alerts.values().filter(|a| a.live());
    let mut by_source: BTreeMap<&str, u32> = BTreeMap::new();
    for alert in live {
        *by_source.entry(&alert.source).or_default() += 1;
    }
    let mut tickets: BTreeMap<&str, u32> = BTreeMap::new();
    for (row, _) in state
        .outbox
        .iter()
        .filter(|(_, r)| r.ticket.is_some() && !r.recovered)
    {
        *tickets.entry(&row.target).or_default() += 1;
    }
    if let Some(why) = &recovered.unused_snapshot {
        let text = format!("the snapshot cannot be used by this version: {why}");
        match first > Seq(1) {
            true => problems.push(format!(
                "{text}; the log begins at entry {}, so what is older would be lost",
                first.0
            )),
            false => out.push_str(&format!(
                "{text}; the whole log is there and is replayed instead\n"
            )),
        }
    }
    for (seq, why) in &recovered.skipped {
        problems.push(format!("entry {} is skipped: {why}", seq.0));
    }
    let (replayed, alerts) = (recovered.replayed, by_source.values().sum::<u32>());
    let open: u32 = tickets.values().sum();
    out.push_str(&format!(
        "a start on a copy: {replayed} entries replayed; {alerts} live alerts, {} incidents, {open} tickets that wait for their recovery\n",
        state.incidents.len()
    ));
    let sources: Vec<&str> = config
        .plumbing
        .sources
        .iter()
        .map(|s| s.settings.name.as_str())
        .collect();
    for (source, count) in by_source
        .into_iter()
        .filter(|(s, _)| *s != crate::engine::OURSELVES)
    {
        if !sources.contains(&source) {
            problems.push(format!(
                "source {source:?} has {count} live alerts and is not in the configuration: their recoveries would be turned away"
            ));
        }
    }
    for (target, count) in tickets {
        if !config.rules.targets.contains_key(target) {
            problems.push(format!(
                "itsm {target:?} has {count} tickets that wait for their recovery and is not in the configuration: they would never hear of it"
            ));
        }
    }
    if state.rules.canonical() != config.rules.canonical() && state.rules_no > 0 {
        out.push_str("the rules differ from those in force; a start puts the new ones in force\n");
        if state.rules.identity != config.rules.identity {
            out.push_str(
                "  the identity of alerts changes: live alerts are re-keyed from their labels\n",
            );
        }
    }
    for problem in &problems {
        out.push_str(&format!("wrong: {problem}\n"));
    }
    Ok((out, problems.is_empty()))
}

type Look = (BTreeMap<u32, u32>, Seq, Vec<String>, u32);

/// Which engines wrote the log, and what of it cannot be read.
fn look(reader: &Reader) -> Result<Look, String> {
    let (mut engines, mut bad, mut entries) = (BTreeMap::new(), Vec::new(), 0u32);
    let (mut first, mut next) = (Seq(0), Seq(1));
    loop {
        let some = reader.read(next, READ).map_err(|e| chain(&e))?;
        let Some(last) = some.last().map(|e| e.seq) else {
            return Ok((engines, first, bad, entries));
        };
        for entry in &some {
            if first == Seq(0) {
                first = entry.seq;
            }
            entries = entries.saturating_add(1);
            match decode_entry(&entry.body) {
                Ok(decoded) => *engines.entry(decoded.engine).or_default() += 1,
                Err(why) if bad.len() < 20 => {
                    bad.push(format!("entry {} cannot be read: {why}", entry.seq.0))
                }
                Err(_) => {}
            }
        }
        next = last.next();
    }
}
