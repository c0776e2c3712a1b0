//! Gauges from the state.

use super::clock::seconds;
use crate::engine::Engine;
use crate::engine::state::{AlertState, IncidentState, Suppression};
use crate::metrics::Metrics;
use crate::model::Millis;
use std::collections::BTreeMap;

/// Sets every gauge that the state decides.
pub fn update(metrics: &Metrics, engine: &Engine, now: Millis) {
    let state = engine.state();
    let mut alerts: BTreeMap<&str, i64> = [("firing", 0), ("stale", 0), ("over", 0)].into();
    let mut suppressed: BTreeMap<&str, i64> = ["inherited", "severity", "source", "inhibited"]
        .map(|w| (w, 0))
        .into();
    let (mut unbound, mut flapping) = (0i64, 0i64);
    let add = |map: &mut BTreeMap<&'static str, i64>, key| {
        let count = map.entry(key).or_default();
        *count = count.saturating_add(1);
    };
    for alert in state.alerts.values() {
        let word = match alert.state {
            AlertState::Firing => "firing",
            AlertState::Stale => "stale",
            AlertState::Over => "over",
        };
        add(&mut alerts, word);
        if !alert.live() {
            continue;
        }
        unbound = unbound.saturating_add(i64::from(!alert.evidence.bound));
        let flaps = alert.flap.as_ref().is_some_and(|f| f.since.is_some());
        flapping = flapping.saturating_add(i64::from(flaps));
        match alert.suppressed {
            Some(Suppression::Inherited) => add(&mut suppressed, "inherited"),
            Some(Suppression::Severity) => add(&mut suppressed, "severity"),
            Some(Suppression::Source) => add(&mut suppressed, "source"),
            Some(Suppression::Inhibited) => add(&mut suppressed, "inhibited"),
            None => {}
        }
    }
    for (word, count) in alerts {
        metrics.alerts.with_label_values(&[word]).set(count);
    }
    for (word, count) in suppressed {
        metrics.suppressed.with_label_values(&[word]).set(count);
    }
    metrics.unbound.set(unbound);
    metrics.flapping.set(flapping);
    let waiting = i64::try_from(state.waiting.len()).unwrap_or(i64::MAX);
    metrics.waiting.set(waiting);
    metrics.storm.set(i64::from(state.storm.since.is_some()));
    let mut incidents: BTreeMap<&str, i64> = BTreeMap::new();
    for word in ["pending", "open", "recovering", "resolved", "merged"] {
        incidents.insert(word, 0);
    }
    for incident in state.incidents.values() {
        let word = match incident.state {
            IncidentState::Pending => "pending",
            IncidentState::Open => "open",
            IncidentState::Recovering => "recovering",
            IncidentState::Resolved => "resolved",
            IncidentState::Merged => "merged",
        };
        add(&mut incidents, word);
    }
    for (word, count) in incidents {
        metrics.incidents.with_label_values(&[word]).set(count);
    }
    for (name, source) in &state.sources {
        metrics
            .last_event
            .with_label_values(&[name])
            .set(seconds(source.heard));
    }
    targets(metrics, engine, now);
    if let Some(graph) = &engine.in_force().graph {
        metrics
            .graph_cis
            .set(i64::try_from(graph.len()).unwrap_or(i64::MAX));
        metrics
            .graph_relations
            .set(i64::try_from(graph.relations()).unwrap_or(i64::MAX));
    }
}

fn targets(metrics: &Metrics, engine: &Engine, now: Millis) {
    let state = engine.state();
    for target in state.rules.targets.keys() {
        let (mut parked, mut held_back, mut oldest) = (0i64, 0i64, None::<Millis>);
        for (id, row) in &state.outbox {
            if *id.target != **target {
                continue;
            }
            parked = parked.saturating_add(i64::from(row.parked.is_some()));
            let waits = row.valved && row.ticket.is_none();
            held_back = held_back.saturating_add(i64::from(waits));
            let waits = match &row.ticket {
                None => Some(row.since),
                Some(_) => row.failing_since,
            };
            oldest = match (oldest, waits) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (a, b) => a.or(b),
            };
        }
        metrics.parked.with_label_values(&[target]).set(parked);
        let valve = metrics.held_back.with_label_values(&[target]);
        valve.set(held_back);
        let age = oldest.map(|o| now.since(o)).unwrap_or_default();
        metrics
            .oldest
            .with_label_values(&[target])
            .set(seconds(age));
        let valve = state.valves.get(target.as_str());
        let stopped = valve.is_some_and(|v| v.stopped.is_some());
        metrics
            .away
            .with_label_values(&[target])
            .set(i64::from(valve.is_some_and(|v| v.is_open())));
        metrics
            .stopped
            .with_label_values(&[target])
            .set(i64::from(stopped));
    }
}
