//! What readers see: concurrent maps of owned views, written by the engine thread only.

use crate::engine::{Effects, Engine};
use crate::model::{AlertId, IncidentId};
use dashmap::DashMap;
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A view of an incident goes through its alerts: one of more is shown once a second, not with every entry.
const LARGE: usize = 1000;

/// See the module.
#[derive(Debug, Default)]
pub struct Board {
    incidents: DashMap<IncidentId, Arc<Value>>,
    alerts: DashMap<AlertId, Arc<Value>>,
    /// Large incidents that changed since they were shown.
    changed: Mutex<BTreeSet<IncidentId>>,
    /// When the engine thread last went round, in milliseconds since 1970.
    alive: AtomicI64,
}

impl Board {
    /// Everything there is, after a start.
    pub fn fill(&self, engine: &Engine) {
        for id in engine.state().incidents.keys() {
            self.incident_changed(engine, *id);
        }
        for id in engine.state().alerts.keys() {
            self.alert_changed(engine, *id);
        }
    }

    /// What an entry changed.
    pub fn update(&self, engine: &Engine, effects: &Effects) {
        for id in &effects.incidents {
            let known = engine.state().incidents.get(id);
            match known.is_some_and(|i| i.members.len() > LARGE) {
                true => drop(self.changed().insert(*id)),
                false => self.incident_changed(engine, *id),
            }
        }
        for id in &effects.alerts {
            self.alert_changed(engine, *id);
        }
    }

    /// What changed of large incidents; to be called every second.
    pub fn catch_up(&self, engine: &Engine) {
        let changed = std::mem::take(&mut *self.changed());
        for id in changed {
            self.incident_changed(engine, id);
        }
    }

    fn changed(&self) -> MutexGuard<'_, BTreeSet<IncidentId>> {
        self.changed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn incident_changed(&self, engine: &Engine, id: IncidentId) {
        match engine.incident_json(id) {
            Some(view) => drop(self.incidents.insert(id, Arc::new(view))),
            None => drop(self.incidents.remove(&id)),
        }
    }

    fn alert_changed(&self, engine: &Engine, id: AlertId) {
        match engine.alert_by_id_json(id) {
            Some(view) => drop(self.alerts.insert(id, Arc::new(view))),
            None => drop(self.alerts.remove(&id)),
        }
    }

    /// Incidents, newest first, that are in `state` (all live ones without) and about `ci`.
    pub fn incidents(
        &self,
        state: Option<&str>,
        ci: Option<&str>,
        limit: usize,
    ) -> Vec<Arc<Value>> {
        let fits = |view: &Value| {
            let text = |key: &str| view.get(key).and_then(Value::as_str).unwrap_or_default();
            let state_fits = match state {
                Some("all") => true,
                Some(state) => text("state") == state,
                None => ["pending", "open", "recovering"].contains(&text("state")),
            };
            state_fits && ci.is_none_or(|ci| text("root").eq_ignore_ascii_case(ci))
        };
        let mut found: Vec<(IncidentId, Arc<Value>)> = self
            .incidents
            .iter()
            .filter(|e| fits(e.value()))
            .map(|e| (*e.key(), e.value().clone()))
            .collect();
        found.sort_by_key(|(id, _)| std::cmp::Reverse(*id));
        found.into_iter().take(limit).map(|(_, v)| v).collect()
    }

    /// One incident.
    pub fn incident(&self, id: IncidentId) -> Option<Arc<Value>> {
        self.incidents.get(&id).map(|v| v.clone())
    }

    /// Alerts, oldest first.
    pub fn alerts(&self, limit: usize) -> Vec<Arc<Value>> {
        let mut found: Vec<(AlertId, Arc<Value>)> = self
            .alerts
            .iter()
            .map(|e| (*e.key(), e.value().clone()))
            .collect();
        found.sort_by_key(|(id, _)| *id);
        found.into_iter().take(limit).map(|(_, v)| v).collect()
    }

    /// One alert, by its fingerprint.
    pub fn alert(&self, fingerprint: &str) -> Option<Arc<Value>> {
        let has = |v: &Value| v.get("fingerprint").and_then(Value::as_str) == Some(fingerprint);
        let found = self.alerts.iter().find(|e| has(e.value()))?;
        Some(found.value().clone())
    }

    /// The engine thread went round.
    pub fn alive(&self, now: i64) {
        self.alive.store(now, Ordering::Relaxed);
    }

    /// When it last did.
    pub fn last_alive(&self) -> i64 {
        self.alive.load(Ordering::Relaxed)
    }
}
