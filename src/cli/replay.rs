//! `replay`: runs a recording through the engine on virtual time, and says what it would have done.
//!
//! A recording is NDJSON in arrival order: `{"at", "id", "source", "content_type", "body"}` for what a source
//! sent, `{"at", "maintenance": {id, ci, from, to, include_dependents}}` and `{"at", "change": {id, ci}}`.
//! Times are RFC 3339. Each line is one entry; what falls due between two lines has entries of its own, as in
//! the daemon. No ticket is written anywhere: one is counted from the moment it is wanted.

mod predictions;

use crate::config::Config;
use crate::daemon::refresh;
use crate::engine::{Effects, Engine};
use crate::graph::RawGraph;
use crate::model::{Event, Millis, Seq};
use crate::record::{
    ChangeV1, EventsV1, GraphV1, MAX_EVENTS, MaintenanceV1, Record, RulesV1, StartedV1,
};
use crate::source::{Body, Decoded};
use predictions::Predictions;
use serde::Deserialize;
use std::io::{BufRead, BufReader, IsTerminal, Write};
use std::path::Path;
use std::sync::Arc;

/// After the last line the clock runs on so long: holds end, what is over is resolved.
const AFTER: Millis = Millis::mins(120);
/// The engine starts so long before the first line, so that nothing in it is inherited.
const BEFORE: Millis = Millis::mins(60);
/// Lines between two steps of the progress bar.
const STEP: u64 = 500;
/// Width of the progress bar.
const BAR: u64 = 40;

#[derive(Deserialize)]
struct Line {
    at: String,
    #[serde(default)]
    id: String,
    source: Option<String>,
    #[serde(default)]
    content_type: String,
    #[serde(default)]
    body: String,
    maintenance: Option<Maintenance>,
    change: Option<Change>,
}

#[derive(Deserialize)]
struct Maintenance {
    id: String,
    ci: String,
    from: String,
    to: String,
    #[serde(default)]
    include_dependents: bool,
}

#[derive(Deserialize)]
struct Change {
    id: String,
    ci: String,
    #[serde(default)]
    summary: String,
}

/// Runs it and answers the text for people.
pub(super) fn run(
    config: &Path,
    recording: &Path,
    predictions: Option<&Path>,
) -> Result<String, String> {
    let shown = recording.display();
    let conf = refresh::load_config(config)?;
    let file = std::fs::File::open(recording).map_err(|e| format!("{shown}: {e}"))?;
    let size = file.metadata().map_or(0, |m| m.len());
    let mut bar = Bar::new(size);
    let mut run: Option<Run> = None;
    let (mut lines, mut events) = (0_u64, 0_u64);
    for line in BufReader::new(file).lines() {
        let text = line.map_err(|e| format!("{shown}: {e}"))?;
        lines = lines.saturating_add(1);
        bar.passed(lines, text.len());
        if text.trim().is_empty() {
            continue;
        }
        let place = |why: String| format!("{shown}:{lines}: {why}");
        let line: Line = serde_json::from_str(&text).map_err(|e| place(e.to_string()))?;
        let at = time(&line.at).map_err(place)?;
        let run = match &mut run {
            Some(run) => run,
            none => none.insert(Run::start(&conf, at)?),
        };
        events = events.saturating_add(run.line(&conf, at, line).map_err(place)?);
    }
    bar.end();
    let mut run = run.ok_or_else(|| format!("{shown}: there is no line in it"))?;
    run.until(run.at.plus(AFTER));
    if let Some(to) = predictions {
        let json = serde_json::to_string(&run.seen.json()).map_err(|e| e.to_string())?;
        std::fs::write(to, json).map_err(|e| format!("{}: {e}", to.display()))?;
    }
    Ok(format!(
        "{lines} lines, {events} events, {} bodies refused\n{}",
        run.refused,
        run.seen.text()
    ))
}

fn time(text: &str) -> Result<Millis, String> {
    let time: jiff::Timestamp = text
        .parse()
        .map_err(|_| format!("{text:?} is no time (RFC 3339)"))?;
    Ok(Millis(time.as_millisecond()))
}

/// An engine on virtual time.
struct Run {
    engine: Engine,
    seq: u64,
    at: Millis,
    seen: Predictions,
    refused: u64,
}

impl Run {
    fn start(conf: &Config, first: Millis) -> Result<Run, String> {
        let at = Millis(first.0.saturating_sub(BEFORE.0));
        let mut run = Run {
            engine: Engine::new(),
            seq: 0,
            at,
            seen: Predictions::default(),
            refused: 0,
        };
        let started = StartedV1 {
            engine: crate::engine::ENGINE,
            epoch: 1,
            last: None,
        };
        let text = conf.rules.canonical();
        run.apply(at, &[Record::Started(started)]);
        run.apply(at, &[Record::Rules(RulesV1 { text })]);
        for cmdb in &conf.plumbing.cmdbs {
            let (raw, _) = refresh::load_graph(cmdb)?;
            run.graph(at, raw);
        }
        Ok(run)
    }

    fn graph(&mut self, at: Millis, raw: RawGraph) {
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let record = GraphV1 {
            digest: raw.digest(),
            cis: count(raw.cis.len()),
            relations: count(raw.relations.len()),
            as_of: at,
        };
        self.engine.offer_graph(record.digest, Arc::new(raw));
        self.apply(at, &[Record::Graph(record)]);
    }

    fn apply(&mut self, at: Millis, records: &[Record]) -> Effects {
        self.seq = self.seq.saturating_add(1);
        self.at = self.at.max(at);
        let effects = self.engine.apply(Seq(self.seq), at, records);
        self.seen.take_in(&mut self.engine, self.at, &effects);
        effects
    }

    /// Lets everything happen that is due until `at`.
    fn until(&mut self, at: Millis) {
        while let Some(due) = self.engine.next_due().filter(|due| *due <= at) {
            self.apply(due, &[Record::Tick]);
        }
    }

    /// Takes in one line. Answers how many events it held.
    fn line(&mut self, conf: &Config, at: Millis, line: Line) -> Result<u64, String> {
        self.until(at);
        if let Some(window) = line.maintenance {
            let record = MaintenanceV1 {
                id: window.id,
                ci: window.ci,
                from: time(&window.from)?,
                to: time(&window.to)?,
                include_dependents: window.include_dependents,
            };
            self.apply(at, &[Record::Maintenance(record)]);
        }
        if let Some(change) = line.change {
            let record = ChangeV1 {
                id: change.id,
                ci: change.ci,
                at,
                summary: change.summary,
            };
            self.apply(at, &[Record::Change(record)]);
        }
        match line.source {
            Some(source) => self.body(conf, at, &source, &line.id, &line.content_type, &line.body),
            None => Ok(0),
        }
    }

    fn body(
        &mut self,
        conf: &Config,
        at: Millis,
        source: &str,
        id: &str,
        content_type: &str,
        body: &str,
    ) -> Result<u64, String> {
        let known = conf
            .plumbing
            .sources
            .iter()
            .find(|s| s.settings.name == source);
        let known = known.ok_or_else(|| format!("source {source:?} is not configured"))?;
        let mut decoded = Decoded::default();
        let body = Body {
            tail: "",
            content_type,
            bytes: body.as_bytes(),
            received_at: at,
        };
        (known.kind.decode)(&known.settings, &body, &mut decoded);
        let events: Vec<Event> = decoded.events.into_iter().map(|(_, e)| e).collect();
        if events.is_empty() && !decoded.rejects.is_empty() {
            self.refused = self.refused.saturating_add(1);
        }
        let mut count = 0_u64;
        for part in events.chunks(MAX_EVENTS) {
            count = count.saturating_add(u64::try_from(part.len()).unwrap_or(0));
            let record = EventsV1 {
                source: source.to_owned(),
                scope: known.scope.clone(),
                received_at: at,
                events: part.to_vec(),
            };
            let effects = self.apply(at, &[Record::Events(record)]);
            self.seen.assign(&self.engine, id, &effects);
        }
        Ok(count)
    }
}

/// A bar on a terminal; nothing anywhere else.
struct Bar {
    size: u64,
    done: u64,
    shown: bool,
}

impl Bar {
    fn new(size: u64) -> Bar {
        Bar {
            size: size.max(1),
            done: 0,
            shown: std::io::stderr().is_terminal(),
        }
    }

    fn passed(&mut self, lines: u64, bytes: usize) {
        self.done = self
            .done
            .saturating_add(u64::try_from(bytes).unwrap_or(0) + 1);
        if self.shown && lines.is_multiple_of(STEP) {
            self.draw(lines);
        }
    }

    fn draw(&self, lines: u64) {
        let share = self.done.min(self.size).saturating_mul(BAR) / self.size;
        let full = "#".repeat(usize::try_from(share).unwrap_or(0));
        let free = " ".repeat(usize::try_from(BAR - share).unwrap_or(0));
        let mut err = std::io::stderr().lock();
        write!(err, "\r[{full}{free}] {lines} lines").ok();
        err.flush().ok();
    }

    fn end(&self) {
        if self.shown {
            let width = usize::try_from(BAR).unwrap_or(0) + 24;
            write!(std::io::stderr().lock(), "\r{}\r", " ".repeat(width)).ok();
        }
    }
}
