//! Live against replayed: the log of a store once more from its begin, compared with every state that the
//! daemon left behind (snapshots, digests in the log) and with what a restart would recover.

use super::acted::{Acted, Idle};
use super::progress::Progress;
use crate::cli::copy::Copy;
use crate::config::Plumbing;
use crate::daemon::chain;
use crate::engine::state::State;
use crate::engine::{ENGINE, Engine};
use crate::model::Seq;
use crate::node::{self, Node, NodeError};
use crate::record::{Record, decode_entry};
use crate::store::sqlite::{Options, Reader, SqliteStore};
use crate::store::{Entry, Store};
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::path::Path;

/// Entries read at once.
const READ: usize = 256;
/// Keys of one part of the state that are named.
const NAMED: usize = 3;

/// A state that the daemon left behind, and what the replay makes of it.
struct Point {
    seq: Seq,
    what: &'static str,
    live: u64,
    replayed: u64,
    differs: Vec<String>,
}

/// What a check found.
pub(super) struct Checked {
    store: String,
    first: Seq,
    last: Seq,
    begun: Option<Seq>,
    engines: BTreeMap<u32, u64>,
    points: Vec<Point>,
    remarks: Vec<String>,
    idle: Idle,
}

/// Replays a copy of the store.
///
/// # Errors
/// A store that cannot be read, or whose log has no begin to start from.
pub(super) fn check(store: &Path, plumbing: Option<&Plumbing>) -> Result<Checked, String> {
    let told = |e: &dyn std::error::Error| chain(e);
    let reader = Reader::open(store).map_err(|e| told(&e))?;
    let copy = Copy::of(&reader)?;
    let opened = SqliteStore::new(Options::new(&copy.folder)).map_err(|e| told(&e))?;
    let snapshots = opened.snapshots().map_err(|e| told(&e))?;
    let (mut live, recovered) = Node::recover(opened).map_err(|e| told(&e))?;
    let mut out = Checked {
        store: store.display().to_string(),
        first: Seq(0),
        last: live.opened().head,
        begun: None,
        engines: BTreeMap::new(),
        points: Vec::new(),
        remarks: Vec::new(),
        idle: Idle::default(),
    };
    if let Some(why) = &recovered.unused_snapshot {
        out.remarks
            .push(format!("the newest snapshot cannot be used: {why}"));
    }
    for (seq, why) in &recovered.skipped {
        out.remarks
            .push(format!("entry {} is skipped: {why}", seq.0));
    }
    let mut replay = Replay {
        engine: Engine::new(),
        snapshots,
        skipped: recovered.skipped.iter().map(|(s, _)| *s).collect(),
        acted: plumbing.map(Acted::with).unwrap_or_default(),
    };
    let some = live.store().read(Seq(1), 1).map_err(|e| told(&e))?;
    out.first = some.first().map(|e| e.seq).unwrap_or_default();
    if out.first > Seq(1) {
        let begin = replay.snapshots.first().copied();
        let begin = begin.filter(|s| s.next() >= out.first).ok_or_else(|| {
            let first = out.first.0;
            format!("the log begins at entry {first}, and no snapshot is there to begin with")
        })?;
        out.begun = Some(begin);
        let loaded = node::load_snapshot(live.store(), begin).map_err(|e| told(&e))?;
        replay.engine = loaded.map_err(|why| format!("snapshot {}: {why}", begin.0))?;
        replay.snapshots.retain(|s| *s > begin);
    }
    let begun = replay.engine.state();
    replay.acted.rules(&begun.rules);
    let known = begun.alerts.keys().copied().collect();
    replay.acted.alerts(&replay.engine, &known);
    let mut progress = Progress::new(out.last.0.saturating_sub(out.begun.map_or(0, |s| s.0)));
    loop {
        let from = replay.engine.state().seq.next();
        let entries = live.store().read(from, READ).map_err(|e| told(&e))?;
        if entries.is_empty() {
            break;
        }
        for entry in &entries {
            replay.entry(live.store(), entry, &mut out)?;
            progress.step();
        }
    }
    progress.end();
    out.idle = replay.acted.idle();
    let engine = live.engine();
    out.points.push(point(
        out.last,
        "what a restart recovers",
        engine,
        &replay.engine,
    ));
    Ok(out)
}

struct Replay {
    engine: Engine,
    snapshots: Vec<Seq>,
    skipped: Vec<Seq>,
    acted: Acted,
}

impl Replay {
    fn entry(
        &mut self,
        store: &mut SqliteStore,
        entry: &Entry,
        out: &mut Checked,
    ) -> Result<(), String> {
        let expected = self.engine.state().seq.next();
        if entry.seq != expected {
            return Err(format!(
                "entries {} to {} are missing",
                expected.0,
                entry.seq.0.saturating_sub(1)
            ));
        }
        let records = match decode_entry(&entry.body) {
            _ if self.skipped.contains(&entry.seq) => vec![Record::Tick],
            Ok(decoded) => {
                let count = out.engines.entry(decoded.engine).or_default();
                *count = count.saturating_add(1);
                decoded.records
            }
            Err(why) => return Err(format!("entry {} cannot be read: {why}", entry.seq.0)),
        };
        for record in &records {
            if let Record::Graph(graph) = record {
                let told = |e: NodeError| chain(&e);
                match node::load_graph(store, graph.digest).map_err(told)? {
                    Some(raw) => self.engine.offer_graph(graph.digest, raw),
                    None => out.remarks.push(format!(
                        "entry {} names graph {:016x}, which the store keeps no more: what follows may differ",
                        entry.seq.0, graph.digest
                    )),
                }
            }
            if let Record::Digest(digest) = record {
                out.points.push(Point {
                    seq: self.engine.state().seq,
                    what: "a digest in the log",
                    live: digest.digest,
                    replayed: self.engine.digest(),
                    differs: Vec::new(),
                });
            }
        }
        self.acted.records(&records);
        let effects = self.engine.apply(entry.seq, entry.at, &records);
        self.acted.alerts(&self.engine, &effects.alerts);
        if self.snapshots.contains(&entry.seq) {
            let loaded = node::load_snapshot(store, entry.seq).map_err(|e| chain(&e))?;
            match loaded {
                Ok(live) => {
                    let point = point(entry.seq, "a snapshot", &live, &self.engine);
                    // From here on as the daemon went on, so that a second place shows too.
                    if !point.agrees() {
                        self.engine = live;
                    }
                    out.points.push(point);
                }
                Err(why) => out
                    .remarks
                    .push(format!("snapshot {} cannot be used: {why}", entry.seq.0)),
            }
        }
        Ok(())
    }
}

fn point(seq: Seq, what: &'static str, live: &Engine, replayed: &Engine) -> Point {
    let (a, b) = (live.digest(), replayed.digest());
    Point {
        seq,
        what,
        live: a,
        replayed: b,
        differs: match a == b {
            true => Vec::new(),
            false => parts(live.state(), replayed.state()),
        },
    }
}

/// The parts of two states that differ, in words: of what is stored, for the rest is made of that.
fn parts(live: &State, replayed: &State) -> Vec<String> {
    let mut out = Vec::new();
    macro_rules! plain {
        ($($name:literal $field:ident,)*) => {
            // Names every field, so that none is forgotten.
            let State { sources: _, alerts: _, incidents: _, outbox: _, $($field: _,)* } = live;
            $(
            if stored(&live.$field) != stored(&replayed.$field) {
                out.push($name.to_owned());
            }
            )*
        };
    }
    plain! {
        "seq" seq,
        "time" at,
        "epoch" epoch,
        "rules" rules,
        "number of the rules" rules_no,
        "graph" graph,
        "wait for the graph" wait_for_graph,
        "grace" grace_until,
        "CI numbers" cis,
        "fingerprints" by_fingerprint,
        "conditions" by_condition,
        "strangers" strangers,
        "names" names,
        "number of named alerts" named,
        "rankings" rankings,
        "windows" windows,
        "changes" changes,
        "hours" hours,
        "flapping alerts" flapping,
        "chronic alerts" chronic,
        "storm" storm,
        "prior" prior,
        "valves" valves,
        "timers" timers,
        "waiting alerts" waiting,
        "promised numbers" promised,
        "last alert" last_alert,
        "last incident" last_incident,
        "last delivery" last_delivery,
    }
    macro_rules! maps {
        ($($name:literal $field:ident),* $(,)?) => {
            $(keys(&mut out, $name, live.$field.iter(), replayed.$field.iter());)*
        };
    }
    maps!("source" sources, "alert" alerts, "incident" incidents, "outbox row" outbox);
    out
}

/// As a snapshot has it.
fn stored<T: Serialize>(part: &T) -> Vec<u8> {
    postcard::to_stdvec(part).unwrap_or_default()
}

fn keys<'a, K: Ord + Debug + 'a, V: Serialize + 'a>(
    out: &mut Vec<String>,
    name: &str,
    live: impl Iterator<Item = (&'a K, &'a V)>,
    replayed: impl Iterator<Item = (&'a K, &'a V)>,
) {
    let live: BTreeMap<&K, &V> = live.collect();
    let replayed: BTreeMap<&K, &V> = replayed.collect();
    let only_there = replayed.keys().filter(|k| !live.contains_key(*k));
    let all = live.keys().chain(only_there).copied();
    let differ: Vec<&K> = all
        .filter(|k| live.get(k).map(stored) != replayed.get(k).map(stored))
        .collect();
    let more = differ.len().saturating_sub(NAMED);
    out.extend(differ.iter().take(NAMED).map(|k| format!("{name} {k:?}")));
    if more > 0 {
        out.push(format!("{more} more of {name}"));
    }
}

impl Point {
    fn agrees(&self) -> bool {
        self.live == self.replayed
    }
}

impl Checked {
    /// Whether live and replayed are the same everywhere.
    pub(super) fn agrees(&self) -> bool {
        self.points.iter().all(Point::agrees)
    }

    /// For people.
    pub(super) fn text(&self) -> String {
        let begin = match self.begun {
            Some(seq) => format!("snapshot {}", seq.0),
            None => "the first entry".to_owned(),
        };
        let mut out = format!(
            "store {}: entries {} to {}, replayed from {begin}\n",
            self.store, self.first.0, self.last.0
        );
        for remark in &self.remarks {
            out.push_str(&format!("note: {remark}\n"));
        }
        for (engine, count) in self.engines.iter().filter(|(e, _)| **e != ENGINE) {
            out.push_str(&format!(
                "note: {count} entries were decided by engine {engine}, this is engine {ENGINE}: a difference may be a change of the program\n"
            ));
        }
        let mut good = self.begun.unwrap_or_default();
        for point in &self.points {
            let (seq, what) = (point.seq.0, point.what);
            if point.agrees() {
                out.push_str(&format!(
                    "entry {seq}: {what} agrees, {:016x}\n",
                    point.live
                ));
                good = point.seq;
                continue;
            }
            out.push_str(&format!(
                "entry {seq}: {what} says {:016x}, the replay {:016x}: they part after entry {} and not after entry {seq}\n",
                point.live, point.replayed, good.0
            ));
            for part in &point.differs {
                out.push_str(&format!("  differs: {part}\n"));
            }
            good = point.seq;
        }
        out.push_str(&self.idle.text());
        out.push_str(match self.agrees() {
            true => "live and replayed are the same\n",
            false => "live and replayed are not the same\n",
        });
        out
    }

    /// For programs.
    pub(super) fn json(&self) -> Value {
        let points: Vec<Value> = self
            .points
            .iter()
            .map(|p| {
                json!({
                    "entry": p.seq.0,
                    "what": p.what,
                    "agrees": p.agrees(),
                    "live": format!("{:016x}", p.live),
                    "replayed": format!("{:016x}", p.replayed),
                    "differs": p.differs,
                })
            })
            .collect();
        json!({
            "store": self.store,
            "first": self.first.0,
            "last": self.last.0,
            "begun_at_snapshot": self.begun.map(|s| s.0),
            "engines": self.engines.iter().map(|(e, n)| json!({"engine": e, "entries": n})).collect::<Vec<_>>(),
            "remarks": self.remarks,
            "points": points,
            "idle_rules": self.idle.json(),
            "agrees": self.agrees(),
        })
    }
}
