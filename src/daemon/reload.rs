//! SIGHUP and the admin socket: new rules, credentials and CMDB while we run.

use super::doors::Doors;
use super::inbox::Inbox;
use super::serve::Tls;
use super::{deliver, doors, http, notify, put_rules, refresh, tls};
use crate::config::Config;
use crate::metrics::Metrics;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, oneshot, watch};

/// The age of the graph is told this often.
const AGE: Duration = Duration::from_secs(5);

/// Plans are looked at this often.
const PLAN: Duration = Duration::from_secs(3600);

/// What a reload replaces.
#[derive(Clone)]
pub(super) struct Reloading {
    pub(super) file: Option<PathBuf>,
    pub(super) config: Arc<Mutex<Config>>,
    pub(super) inbox: Inbox,
    pub(super) metrics: Metrics,
    pub(super) targets: Arc<Mutex<deliver::Targets>>,
    pub(super) doors: Doors,
    pub(super) tls: Tls,
    pub(super) last: refresh::Last,
    pub(super) shown: deliver::Shown,
}

impl Reloading {
    /// Reloads on SIGHUP and when the admin socket asks.
    pub(super) async fn watch(
        self,
        mut asked: mpsc::Receiver<oneshot::Sender<Result<(), String>>>,
    ) {
        let Ok(mut hup) = signal(SignalKind::hangup()) else {
            return tracing::error!("SIGHUP cannot be received");
        };
        loop {
            let tell = tokio::select! {
                _ = hup.recv() => None,
                asked = asked.recv() => match asked {
                    Some(tell) => Some(tell),
                    None => return,
                },
            };
            let now = monotonic_usec();
            notify(&[
                sd_notify::NotifyState::Reloading,
                sd_notify::NotifyState::MonotonicUsec(now),
            ]);
            let result = self.reload().await;
            notify(&[sd_notify::NotifyState::Ready]);
            self.metrics.reload_ok.set(i64::from(result.is_ok()));
            match &result {
                Ok(()) => tracing::info!("reloaded"),
                Err(why) => tracing::error!("nothing was changed by the reload:\n{why}"),
            }
            if let Some(tell) = tell {
                tell.send(result).ok(); // whoever asked may have gone
            }
        }
    }

    /// Everything is checked before anything is changed.
    pub(super) async fn reload(&self) -> Result<(), String> {
        let file = self
            .file
            .as_ref()
            .ok_or("there is no configuration file to read again")?;
        let new = refresh::load_config(file)?;
        let old = self
            .config
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        needs_restart(&old, &new)?;
        let folder = std::path::PathBuf::from(&new.plumbing.store.path);
        let doors = doors::doors(&new, &folder)?;
        let acceptor = tls(&new)?;
        let targets =
            deliver::targets(&new.plumbing.targets, &new.plumbing.link_base, &self.shown)?;
        // First, for the rules may name a calendar.
        refresh::refresh_planned(&new, &self.inbox).await?;
        put_rules(&self.inbox, &new).await?;
        if let Ok(mut slot) = self.doors.write() {
            *slot = Arc::new(doors);
        }
        if let Ok(mut slot) = self.tls.write() {
            *slot = acceptor;
        }
        *self.targets.lock().unwrap_or_else(PoisonError::into_inner) = targets;
        *self.config.lock().unwrap_or_else(PoisonError::into_inner) = new.clone();
        for cmdb in &new.plumbing.cmdbs {
            refresh::refresh_graph(cmdb, &self.last, &self.inbox, &self.metrics).await?;
        }
        Ok(())
    }

    /// Plans maintenance windows and calendars ahead, as time goes by.
    pub(super) async fn plans(self, mut stop: watch::Receiver<bool>) {
        loop {
            tokio::select! {
                () = tokio::time::sleep(PLAN) => {}
                _ = stop.changed() => return,
            }
            let config = self
                .config
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone();
            if let Err(why) = refresh::refresh_planned(&config, &self.inbox).await {
                tracing::error!("{why}");
            }
        }
    }

    /// Loads the CMDB at its interval, and tells the age of the graph.
    pub(super) async fn graphs(self, mut stop: watch::Receiver<bool>) {
        loop {
            tokio::select! {
                () = tokio::time::sleep(AGE) => {}
                _ = stop.changed() => return,
            }
            let cmdbs = {
                let config = self.config.lock().unwrap_or_else(PoisonError::into_inner);
                config.plumbing.cmdbs.clone()
            };
            for cmdb in cmdbs {
                let name = &cmdb.settings.name;
                self.metrics
                    .graph_age
                    .with_label_values(&[name])
                    .set(self.last.age().as_secs_f64());
                if !self.last.due(http::duration(cmdb.every)) {
                    continue;
                }
                match refresh::refresh_graph(&cmdb, &self.last, &self.inbox, &self.metrics).await {
                    Ok(()) => {}
                    Err(why) => tracing::error!("{why}"),
                }
            }
        }
    }
}

/// Sources, listeners and store are fixed while we run.
fn needs_restart(old: &Config, new: &Config) -> Result<(), String> {
    let sources = |c: &Config| -> Vec<(String, String)> {
        c.plumbing
            .sources
            .iter()
            .map(|s| (s.settings.name.clone(), s.scope.clone()))
            .collect()
    };
    let (a, b) = (&old.plumbing.listen, &new.plumbing.listen);
    let listen = (&a.intake, &a.metrics, &a.admin) == (&b.intake, &b.metrics, &b.admin);
    let what = match () {
        () if sources(old) != sources(new) => "the list of sources",
        () if !listen => "an address in [listen]",
        () if old.plumbing.store.path != new.plumbing.store.path => "store.path",
        () => return Ok(()),
    };
    Err(format!("{what} changed, which needs a restart"))
}

fn monotonic_usec() -> i128 {
    // /proc/uptime counts from boot as CLOCK_MONOTONIC does, suspend aside; systemd compares it only with
    // the moment at which it sent the signal.
    let text = std::fs::read_to_string("/proc/uptime").unwrap_or_default();
    let seconds = text.split(' ').next().unwrap_or_default();
    let (whole, part) = seconds.split_once('.').unwrap_or((seconds, "0"));
    let whole: i128 = whole.parse().unwrap_or(0);
    let part: i128 = part.parse().unwrap_or(0);
    whole * 1_000_000 + part * 10_000 + 20_000
}
