//! The daemon: wiring in one straight line, from start to stop.

pub mod api;
pub mod board;
pub mod clock;
mod commands;
pub mod commit;
pub mod deliver;
pub mod doors;
pub(crate) mod entry;
mod gauges;
mod hints;
pub mod http;
pub mod inbox;
mod keep;
mod life;
pub mod listen;
mod oauth;
mod pace;
pub mod planned;
pub mod poll;
mod quarantine;
pub mod recorder;
pub mod refresh;
mod reload;
pub mod selftest;
pub mod serve;
mod unsaid;
mod why;

use crate::config::Config;
use crate::metrics::Metrics;
use crate::node::Node;
use crate::store::sqlite::{Options, SqliteStore};
use api::Api;
use board::Board;
use clock::Clock;
use commit::{Committer, SourceName};
use doors::Doors;
use inbox::{Command, Inbox};
use serve::{Limits, Tls};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, RwLock};
use std::time::{Duration, Instant};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, oneshot, watch};

/// Time for the engine thread to stop: drain, snapshot at the head.
const STOP: Duration = Duration::from_secs(60);

/// What a running daemon tells whoever started it (the demo).
#[derive(Clone, Debug)]
pub struct Running {
    /// Where the intake listens.
    pub intake: Vec<String>,
    /// Where the metrics listen.
    pub metrics: Vec<String>,
    /// What the shadow target would have written.
    pub shown: deliver::Shown,
    /// Sending `true` stops it.
    pub stop: watch::Sender<bool>,
}

/// Runs until SIGTERM, SIGINT, or `Running::stop`. `file` is read again by a reload; `started` is told once
/// everything listens.
///
/// # Errors
/// Why it could not start, or had to stop.
pub async fn run(
    config: Config,
    file: Option<PathBuf>,
    started: Option<oneshot::Sender<Running>>,
) -> Result<(), String> {
    let metrics = Metrics::new().map_err(|e| e.to_string())?;
    metrics
        .build_info
        .with_label_values(&[env!("CARGO_PKG_VERSION")])
        .set(1);
    let plumbing = &config.plumbing;

    // The store, and the engine at its head.
    let folder = PathBuf::from(&plumbing.store.path);
    let options = Options {
        folder: folder.clone(),
        max_bytes: plumbing.store.max_bytes,
        log_keep: plumbing.store.log_keep,
        history_keep: plumbing.store.history_keep,
    };
    let begun = Instant::now();
    let store = SqliteStore::new(options).map_err(|e| format!("store: {e}"))?;
    let recover = tokio::task::spawn_blocking(move || Node::recover(store));
    let (mut node, found) = recover
        .await
        .map_err(|_| "the log cannot be replayed: a bug; see above".to_owned())?
        .map_err(|e| chain(&e))?;
    for (seq, why) in &found.skipped {
        tracing::error!(
            seq = seq.0,
            "an entry of the log is skipped: {why}; keep the store and report it"
        );
    }
    metrics
        .quarantined
        .set(i64::try_from(found.skipped.len()).unwrap_or(i64::MAX));
    if let Some(why) = &found.unused_snapshot {
        tracing::warn!("the snapshot is not used: {why}");
    }
    tracing::info!(
        entries = found.replayed,
        milliseconds = begun.elapsed().as_millis(),
        "state restored from {}",
        folder.display()
    );
    let clock = Clock::start(found.last);
    let first = node.start(clock.now(), found.last).map_err(|e| chain(&e))?;
    let stored_graph = node
        .engine()
        .in_force()
        .graph
        .as_ref()
        .map(|g| g.raw().clone());

    let recorder = plumbing.store.record_max_bytes;
    let recorder = recorder.map(|max| Arc::new(recorder::Recorder::new(&folder, max)));

    // The engine thread.
    let inbox = Inbox::new(plumbing.sources.len(), plumbing.listen.queue);
    let board = Arc::new(Board::default());
    let (deliveries, waiting) = mpsc::unbounded_channel();
    let committer = Committer {
        node,
        inbox: inbox.clone(),
        board: board.clone(),
        metrics: metrics.clone(),
        clock,
        sources: plumbing.sources.iter().map(source_name).collect(),
        deliveries,
        max_alerts: plumbing.listen.max_alerts,
        snapshot_every: plumbing.store.snapshot_every,
        replayed: found.replayed,
        recorder: recorder.clone(),
    };
    let (ended, mut engine_ended) = oneshot::channel();
    let engine = std::thread::Builder::new()
        .name("engine".to_owned())
        .spawn(move || {
            let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                commit::run(committer, first)
            }));
            let told = match result {
                Ok(result) => result.map_err(|e| chain(&e)),
                Err(_) => Err("the engine ended in a bug; see above".to_owned()),
            };
            ended.send(told).ok(); // the other end waits for it, or the process ends
        })
        .map_err(|e| format!("engine thread: {e}"))?;

    // Deliveries, rules, the first graph.
    let under_way = deliver::UnderWay::default();
    let shown = deliver::Shown::default();
    let targets = deliver::targets(&plumbing.targets, &plumbing.link_base, &shown)?;
    let targets = Arc::new(Mutex::new(targets));
    tokio::spawn(deliver::run(
        waiting,
        targets.clone(),
        inbox.clone(),
        metrics.clone(),
        under_way.clone(),
    ));
    refresh::refresh_planned(&config, &inbox).await?;
    put_rules(&inbox, &config).await?;
    let last = refresh::Last::new(stored_graph);
    let (stop, stopping) = watch::channel(false);
    let (reload_tx, reload_rx) = mpsc::channel(4);
    let ready = Arc::new(AtomicBool::new(false));
    let doors: Doors = Arc::new(RwLock::new(Arc::new(doors::doors(&config, &folder)?)));
    let tls: Tls = Arc::new(RwLock::new(tls(&config)?));
    for cmdb in &plumbing.cmdbs {
        if let Err(why) = refresh::refresh_graph(cmdb, &last, &inbox, &metrics).await {
            tracing::error!("{why}");
        }
    }

    // Listeners.
    let api = Api {
        board: board.clone(),
        metrics: metrics.clone(),
        inbox: inbox.clone(),
        ready: ready.clone(),
        reload: reload_tx,
    };
    let hints = hints::Hints::new(targets.clone(), inbox.clone(), metrics.clone());
    let keep = (folder.as_path(), recorder);
    let listeners = listen_all(&config, &api, &doors, &hints, &tls, keep, &stopping).await?;
    let state = reload::Reloading {
        file,
        config: Arc::new(Mutex::new(config.clone())),
        inbox: inbox.clone(),
        metrics: metrics.clone(),
        targets,
        doors,
        tls,
        last,
        shown: shown.clone(),
    };
    tokio::spawn(poll::run(
        state.targets.clone(),
        inbox.clone(),
        metrics.clone(),
        folder.clone(),
        stopping.clone(),
    ));
    tokio::spawn(hints.follow(stopping.clone()));
    tokio::spawn(state.clone().watch(reload_rx));
    tokio::spawn(state.clone().plans(stopping.clone()));
    tokio::spawn(state.graphs(stopping.clone()));
    tokio::spawn(life::signs_of_life(
        config.plumbing.heartbeat_url.clone(),
        board,
        stopping.clone(),
    ));
    ready.store(true, Ordering::Relaxed);
    metrics.reload_ok.set(1);
    notify(&[sd_notify::NotifyState::Ready]);
    for (name, address) in &listeners.addresses {
        tracing::info!("{name} listens on {address}");
    }
    if let Some(started) = started {
        let of = |name: &str| {
            let all = listeners.addresses.iter().filter(|(n, _)| *n == name);
            all.map(|(_, a)| a.clone()).collect()
        };
        let running = Running {
            intake: of("intake"),
            metrics: of("metrics"),
            shown: shown.clone(),
            stop: stop.clone(),
        };
        started.send(running).ok(); // whoever waited may have gone
    }

    // Until somebody says stop, or the engine cannot go on.
    let engine_says = tokio::select! {
        why = until_stop(stopping) => { tracing::info!("stopping: {why}"); None }
        said = &mut engine_ended => Some(said.unwrap_or_else(|_| Err("the engine thread is gone".to_owned()))),
    };
    notify(&[sd_notify::NotifyState::Stopping]);
    ready.store(false, Ordering::Relaxed);
    stop.send(true).ok(); // nobody may listen any more
    for listener in listeners.tasks {
        listener.await.ok(); // it has drained, or it panicked and is gone
    }
    under_way.drained().await;
    inbox.command(Command::Stop);
    let said = match engine_says {
        Some(said) => said,
        None => match tokio::time::timeout(STOP, engine_ended).await {
            Ok(said) => said.unwrap_or_else(|_| Err("the engine thread is gone".to_owned())),
            Err(_) => Err("the engine thread did not stop in time".to_owned()),
        },
    };
    if said.is_ok() {
        engine.join().ok(); // it has said that all is well
    }
    said
}

/// An error with its causes, in one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}

fn notify(states: &[sd_notify::NotifyState<'_>]) {
    // Without systemd there is nobody to tell.
    sd_notify::notify(states).ok();
}

fn source_name(source: &crate::config::SourceConf) -> SourceName {
    SourceName {
        name: source.settings.name.clone(),
        scope: source.scope.clone(),
    }
}

fn tls(config: &Config) -> Result<Option<tokio_rustls::TlsAcceptor>, String> {
    let files = config.plumbing.listen.tls.as_ref();
    files.map(|(cert, key)| serve::tls(cert, key)).transpose()
}

async fn put_rules(inbox: &Inbox, config: &Config) -> Result<(), String> {
    // What does not compile must not reach the log.
    crate::rules::Rules::compile(config.rules.clone())?;
    let (tell, told) = oneshot::channel();
    inbox.command(Command::Rules(config.rules.canonical(), tell));
    told.await
        .map_err(|_| "the rules could not be stored".to_owned())
}

struct Listeners {
    tasks: Vec<tokio::task::JoinHandle<()>>,
    addresses: Vec<(&'static str, String)>,
}

async fn listen_all(
    config: &Config,
    api: &Api,
    doors: &Doors,
    hints: &hints::Hints,
    tls: &Tls,
    (folder, recorder): (&Path, Option<Arc<recorder::Recorder>>),
    stop: &watch::Receiver<bool>,
) -> Result<Listeners, String> {
    let conf = &config.plumbing.listen;
    let quarantine = quarantine::Quarantine::new(folder.join("quarantine"));
    let answer = http::duration(conf.answer_timeout);
    let intake = listen::handler(
        doors.clone(),
        api.inbox.clone(),
        api.metrics.clone(),
        answer,
        listen::Keeping {
            quarantine,
            recorder,
        },
        config.plumbing.link_base.as_str().into(),
    );
    let intake = hints.clone().before(intake);
    let mut plan: Vec<(&'static str, &str, serve::Handler, Tls)> = Vec::new();
    for address in &conf.intake {
        plan.push(("intake", address, intake.clone(), tls.clone()));
    }
    for address in &conf.metrics {
        plan.push(("metrics", address, api::metrics(api.clone()), tls.clone()));
    }
    if !conf.admin.is_empty() {
        plan.push((
            "admin",
            &conf.admin,
            api::admin(api.clone()),
            Tls::default(),
        ));
    }
    let mut out = Listeners {
        tasks: Vec::new(),
        addresses: Vec::new(),
    };
    let mut handed_over = serve::handed_over()?;
    for (name, address, handler, tls) in plan {
        let bound = match handed_over.iter().position(|(held, _)| held == address) {
            Some(at) => handed_over.swap_remove(at).1,
            None => {
                let bound = serve::bind(address).await;
                bound.map_err(|e| format!("listen.{name}: {e}"))?
            }
        };
        out.addresses.push((name, bound.address()));
        let limits = Limits {
            name,
            body: conf.body_limit,
            head_timeout: http::duration(conf.header_timeout),
            body_timeout: http::duration(conf.body_timeout),
            connections: conf.max_connections,
        };
        let (metrics, stop) = (api.metrics.clone(), stop.clone());
        out.tasks.push(tokio::spawn(serve::serve(
            bound, limits, tls, handler, metrics, stop,
        )));
    }
    if let Some((address, _)) = handed_over.first() {
        return Err(format!(
            "systemd hands over a socket for {address}, which no address in [listen] names"
        ));
    }
    Ok(out)
}

async fn until_stop(mut stopping: watch::Receiver<bool>) -> &'static str {
    let (term, int) = (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
    );
    let (Ok(mut term), Ok(mut int)) = (term, int) else {
        return "signals cannot be received";
    };
    tokio::select! {
        _ = term.recv() => "SIGTERM",
        _ = int.recv() => "SIGINT",
        _ = stopping.wait_for(|stop| *stop) => "asked to",
    }
}
