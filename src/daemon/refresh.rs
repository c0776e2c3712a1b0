//! New rules and new graphs: validated first, then a record.

use super::clock;
use super::inbox::{Command, Inbox, Loaded};
use crate::cmdb::{Cursor, Fetch};
use crate::config::planned::{self, AHEAD, OF_CONFIG};
use crate::config::{self, CmdbConf, Config, Plumbing};
use crate::engine::Engine;
use crate::engine::ready::ReadyFor;
use crate::graph::{Finding, GraphBuilder, RawGraph, loss};
use crate::metrics::Metrics;
use crate::model::{Millis, Request, Response};
use crate::record::{HoursV1, MaintenanceV1, Record};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// Bytes of a CMDB file.
const MAX_FILE: u64 = 1 << 30;
/// Findings that are logged; all are counted.
const LOGGED: usize = 20;
/// Rounds of requests that a load may take.
const MAX_ROUNDS: usize = 100_000;

/// Reads and checks a configuration file.
///
/// # Errors
/// Everything that is wrong, one line each with file, line and column.
pub fn load_config(file: &Path) -> Result<Config, String> {
    let shown = file.display().to_string();
    let text = config_text(file)?;
    let base = file
        .parent()
        .map(|p| p.display().to_string())
        .unwrap_or_default();
    config::load(&text, &base).map_err(|problems| {
        let lines: Vec<String> = problems.iter().map(|p| p.show(&shown)).collect();
        lines.join("\n")
    })
}

/// The text of a configuration.
///
/// # Errors
/// A file that cannot be read, or is no text, with the place.
pub fn config_text(file: &Path) -> Result<String, String> {
    let shown = file.display();
    let bytes = std::fs::read(file).map_err(|e| format!("{shown}: {e}"))?;
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err(format!("{shown}:1:1: the file is UTF-16; save it as UTF-8"));
    }
    let mark = "\u{feff}";
    let bytes = bytes.strip_prefix(mark.as_bytes()).unwrap_or(&bytes);
    let text = std::str::from_utf8(bytes).map_err(|why| {
        let good = bytes.get(..why.valid_up_to()).unwrap_or_default();
        let good = String::from_utf8_lossy(good);
        let line = good.matches('\n').count().saturating_add(1);
        let column = good.rsplit('\n').next().map_or(0, |l| l.chars().count());
        let column = column.saturating_add(1);
        format!("{shown}:{line}:{column}: the file is no UTF-8 from here on; save it as UTF-8")
    })?;
    Ok(text.to_owned())
}

/// Reads a CMDB into a graph.
///
/// # Errors
/// Why the load cannot be used.
pub fn load_graph(conf: &CmdbConf) -> Result<(RawGraph, Vec<Finding>), String> {
    let mut builder = GraphBuilder::new();
    let mut cursor = Cursor::default();
    let mut got = Vec::new();
    for _ in 0..MAX_ROUNDS {
        match (conf.kind.next)(&conf.settings, &mut cursor, &got, &mut builder) {
            Fetch::Done => return Ok(builder.finish()),
            Fetch::Refused(why) => return Err(why),
            Fetch::Get(requests) => {
                got = requests
                    .iter()
                    .map(read_file)
                    .collect::<Result<_, String>>()?;
            }
        }
    }
    Err("the load has no end".to_owned())
}

/// A file, as the answer to a request of a local kind.
fn read_file(request: &Request) -> Result<Response, String> {
    let path = &request.path;
    let bytes = std::fs::metadata(path)
        .map_err(|e| format!("{path}: {e}"))?
        .len();
    if bytes > MAX_FILE {
        return Err(format!("{path}: {bytes} bytes are more than {MAX_FILE}"));
    }
    Ok(Response {
        status: 200,
        headers: Vec::new(),
        body: std::fs::read(path).map_err(|e| format!("{path}: {e}"))?,
        at: clock::wall(),
    })
}

/// The graph that the last load gave, to judge the next one by, and when that was.
#[derive(Clone, Debug)]
pub struct Last(Arc<Mutex<Load>>);

#[derive(Debug)]
struct Load {
    graph: Option<Arc<RawGraph>>,
    loaded: Instant,
    tried: Instant,
    failed: bool,
}

/// A load that failed is tried again after this.
const AGAIN: Duration = Duration::from_secs(60);

impl Last {
    /// Begins with the graph of the store.
    pub fn new(graph: Option<Arc<RawGraph>>) -> Last {
        let now = Instant::now();
        Last(Arc::new(Mutex::new(Load {
            graph,
            loaded: now,
            tried: now,
            failed: false,
        })))
    }
    fn load(&self) -> MutexGuard<'_, Load> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
    fn good(&self, graph: Arc<RawGraph>) {
        let mut load = self.load();
        load.graph = Some(graph);
        load.loaded = Instant::now();
        load.tried = load.loaded;
        load.failed = false;
    }
    fn bad(&self) {
        let mut load = self.load();
        load.tried = Instant::now();
        load.failed = true;
    }
    /// Time since the last good load.
    pub fn age(&self) -> Duration {
        self.load().loaded.elapsed()
    }
    /// Whether it is time for the next load.
    pub fn due(&self, every: Duration) -> bool {
        let load = self.load();
        load.tried.elapsed() >= if load.failed { AGAIN.min(every) } else { every }
    }
}

/// Loads a CMDB and hands its graph to the engine, unless it lost too much.
///
/// # Errors
/// Why the old graph stays.
pub async fn refresh_graph(
    conf: &CmdbConf,
    last: &Last,
    inbox: &Inbox,
    metrics: &Metrics,
) -> Result<(), String> {
    let name = conf.settings.name.clone();
    let refused = |why: String| {
        metrics.graph_refused.with_label_values(&[&name]).inc();
        last.bad();
        format!("cmdb {name}: {why}; the old graph stays")
    };
    let (load, old) = (conf.clone(), last.load().graph.clone());
    let max_loss = conf.max_loss;
    let read = move || -> Result<(RawGraph, Vec<Finding>), String> {
        let (raw, findings) = load_graph(&load)?;
        let lost = old.map_or(0, |old| loss(&old, &raw));
        match lost > max_loss {
            true => Err(format!(
                "it lost {lost} % of its CIs or relations, more than max_loss = {max_loss}"
            )),
            false => Ok((raw, findings)),
        }
    };
    let as_of = clock::wall();
    let loaded = tokio::task::spawn_blocking(read).await;
    let (raw, findings) = loaded
        .map_err(|_| refused("a bug in correlated; see its log".to_owned()))?
        .map_err(refused)?;
    for finding in findings.iter().take(LOGGED) {
        tracing::warn!(cmdb = name, "{}: {}", finding.place, finding.text);
    }
    if let Some(more) = findings.len().checked_sub(LOGGED).filter(|n| *n > 0) {
        tracing::warn!(cmdb = name, "{more} more findings");
    }
    let count = i64::try_from(findings.len()).unwrap_or(i64::MAX);
    metrics
        .graph_findings
        .with_label_values(&[&name])
        .set(count);
    let raw = Arc::new(raw);
    let failed = || format!("cmdb {name}: the graph could not be stored");
    // Nothing of the size of the graph is left to the thread of the engine.
    let made_by = ready_for(inbox).await.ok_or_else(failed)?;
    let (by, of) = (made_by.clone(), raw.clone());
    let ready = tokio::task::spawn_blocking(move || by.make(of)).await;
    let loaded = Loaded {
        ready: ready.map_err(|_| failed())?,
        as_of,
        stored: false,
    };
    let (tell, told) = oneshot::channel();
    inbox.command(Command::Graph(Box::new(loaded), tell));
    told.await.map_err(|_| failed())?;
    last.good(raw);
    // The old graph goes here and not in the engine, for that takes time as well.
    tokio::task::spawn_blocking(move || drop(made_by));
    Ok(())
}

async fn ready_for(inbox: &Inbox) -> Option<ReadyFor> {
    let (tell, told) = oneshot::channel();
    let look = move |engine: &Engine| {
        tell.send(engine.ready_for()).ok(); // whoever asked may have gone
    };
    inbox.command(Command::Ask(Box::new(look)));
    told.await.ok()
}

/// Windows and calendars are expanded again when this much of what is known has passed.
const STEP: Millis = Millis::mins(24 * 60);

/// What the log must still be told, so that the engine knows what the configuration plans: windows and hours
/// that are new or other than before, and those that are taken back.
pub fn planned(plumbing: &Plumbing, engine: &Engine, now: Millis) -> Vec<Record> {
    let state = engine.state();
    let mut wanted = planned::records(&plumbing.windows, &plumbing.calendars, now);
    let mut out = Vec::new();
    for (id, window) in &state.windows {
        let named = |r: &Record| matches!(r, Record::Maintenance(m) if m.id == **id);
        if id.starts_with(OF_CONFIG) && window.to > now && !wanted.iter().any(named) {
            out.push(Record::Maintenance(MaintenanceV1 {
                id: id.to_string(),
                ci: window.ci.to_string(),
                from: now,
                to: now,
                include_dependents: window.include_dependents,
            }));
        }
    }
    for name in state.hours.keys() {
        if !plumbing.calendars.iter().any(|c| c.name == **name) {
            out.push(Record::Hours(HoursV1 {
                name: name.to_string(),
                spans: Vec::new(),
                until: now,
            }));
        }
    }
    wanted.retain(|record| match record {
        Record::Maintenance(m) => state.windows.get(m.id.as_str()).is_none_or(|w| {
            (&*w.ci, w.from, w.to, w.include_dependents)
                != (m.ci.as_str(), m.from, m.to, m.include_dependents)
        }),
        Record::Hours(h) => state.hours.get(h.name.as_str()).is_none_or(|known| {
            let mut old = known.spans.iter().filter(|(_, to)| *to > now);
            let mut new = h.spans.iter().map(|s| (s.from, s.to));
            known.until.plus(STEP) < now.plus(AHEAD) || old.any(|o| new.next() != Some(*o))
        }),
        _other => true,
    });
    out.extend(wanted);
    out
}

/// Brings the log up to what the configuration plans.
///
/// # Errors
/// It could not be written.
pub async fn refresh_planned(config: &Config, inbox: &Inbox) -> Result<(), String> {
    let failed = || "maintenance windows and calendars could not be stored".to_owned();
    let (tell, told) = oneshot::channel();
    let plumbing = config.plumbing.clone();
    let now = clock::wall();
    let look = move |engine: &Engine| {
        tell.send(planned(&plumbing, engine, now)).ok(); // whoever asked may have gone
    };
    inbox.command(Command::Ask(Box::new(look)));
    let records = told.await.map_err(|_| failed())?;
    if records.is_empty() {
        return Ok(());
    }
    let count = records.len();
    let mut written = Vec::with_capacity(count);
    for record in records {
        let (tell, told) = oneshot::channel();
        inbox.command(Command::Planned(record, tell));
        written.push(told);
    }
    for told in written {
        told.await.map_err(|_| failed())?;
    }
    tracing::info!(count, "maintenance windows and calendars are planned ahead");
    Ok(())
}
