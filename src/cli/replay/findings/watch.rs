//! What the findings need to know of the tape, collected while it plays: when each CI alerted, and when its
//! silence said nothing.

use crate::config::Plumbing;
use crate::engine::Engine;
use crate::engine::bind::ambiguous;
use crate::engine::state::Alert;
use crate::graph::Lookup;
use crate::model::{AlertId, CiId, EventState, Millis, Severity};
use crate::record::{MaintenanceV1, Record};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Firings that are kept; those after them are only counted. A month of a large estate has fewer.
const MAX_FIRINGS: usize = 1_000_000;
/// Names that are counted, of each sort.
const MAX_NAMES: usize = 10_000;
/// What is heard is kept by the minute.
const MINUTE: i64 = 60_000;

/// One firing of an alert of a CI that the CMDB knew.
#[derive(Clone, Debug)]
pub(in crate::cli::replay) struct Firing {
    pub(super) ci: CiId,
    pub(super) source: Arc<str>,
    pub(super) began: Millis,
    /// `None`: it fires to this moment.
    pub(super) ended: Option<Millis>,
    pub(super) worst: Severity,
}

/// Alerts that share a name which binds none of them.
#[derive(Clone, Debug, Default)]
pub(in crate::cli::replay) struct Named {
    pub(super) firings: u64,
    pub(super) why: String,
}

/// See the module.
#[derive(Default)]
pub(in crate::cli::replay) struct Watch {
    /// Firings on known CIs, in the order of their arrival.
    pub(super) firings: Vec<Firing>,
    /// Firings that were too many to be kept.
    pub(super) dropped: u64,
    /// Alerts without a CI: source, label, value.
    pub(super) unbound: BTreeMap<(String, String, String), Named>,
    /// Names that several CIs have: label, value.
    pub(super) ambiguous: BTreeMap<(String, String), Named>,
    /// Minutes in which a source was heard.
    pub(super) heard: BTreeMap<Arc<str>, BTreeSet<i64>>,
    /// When alerts of a source were stale, to the minute.
    pub(super) stale: BTreeMap<Arc<str>, BTreeSet<i64>>,
    /// When a source spoke of a CI without an alert (downtime, flapping): its silence is the source's doing.
    pub(super) notes: BTreeMap<CiId, Vec<Millis>>,
    /// When nobody listened.
    pub(super) gaps: Vec<(Millis, Millis)>,
    /// Maintenance windows.
    pub(super) windows: Vec<MaintenanceV1>,
    /// Sources that may hold back what needs something that is down; `None`: nobody said, so any may.
    pub(super) holds_back: Option<BTreeSet<String>>,
    /// Begin and end of the tape.
    pub(super) span: Option<(Millis, Millis)>,
    open: BTreeMap<AlertId, (Millis, Option<usize>)>,
}

impl Watch {
    /// What the kinds of the sources do is in the configuration.
    pub(in crate::cli::replay) fn with(plumbing: Option<&Plumbing>) -> Watch {
        let held = |p: &Plumbing| {
            let some = p.sources.iter().filter(|s| s.kind.holds_back);
            some.map(|s| s.settings.name.clone()).collect()
        };
        Watch {
            holds_back: plumbing.map(held),
            ..Watch::default()
        }
    }

    /// What an entry brings, before it is applied.
    pub(in crate::cli::replay) fn records(
        &mut self,
        engine: &Engine,
        now: Millis,
        records: &[Record],
    ) {
        for record in records {
            match record {
                Record::Events(batch) => {
                    let (from, _) = self.span.unwrap_or((now, now));
                    self.span = Some((from, now));
                    self.hear(&batch.source.as_str().into(), now);
                    for event in batch.events.iter().filter(|e| e.state == EventState::Note) {
                        if let Some(ci) = event.labels.get("host").and_then(|h| ci(engine, h)) {
                            self.notes.entry(ci).or_default().push(now);
                        }
                    }
                }
                Record::Repeats(repeats) => {
                    for (source, at) in &repeats.heard {
                        self.hear(&source.as_str().into(), *at);
                    }
                    for repeat in &repeats.repeats {
                        self.hear(&repeat.source.as_str().into(), repeat.last);
                    }
                }
                Record::ClockStep(step) => self
                    .gaps
                    .push((Millis(now.0.saturating_sub(step.gap.0)), now)),
                Record::Started(started) => {
                    self.gaps.extend(started.last.map(|last| (last, now)));
                }
                Record::Maintenance(window) => self.windows.push(window.clone()),
                Record::Rules(_)
                | Record::Graph(_)
                | Record::GraphDelta(_)
                | Record::Sent(_)
                | Record::Receipt(_)
                | Record::TicketChange(_)
                | Record::TicketGone(_)
                | Record::Operator(_)
                | Record::Change(_)
                | Record::Hours(_)
                | Record::Tick
                | Record::Digest(_) => {}
            }
        }
    }

    fn hear(&mut self, source: &Arc<str>, at: Millis) {
        let minutes = self.heard.entry(source.clone()).or_default();
        minutes.insert(at.0.div_euclid(MINUTE));
    }

    /// What became of it: these alerts changed.
    pub(in crate::cli::replay) fn alerts(
        &mut self,
        engine: &Engine,
        now: Millis,
        changed: &BTreeSet<AlertId>,
    ) {
        for (name, source) in engine.state().sources.iter().filter(|(_, s)| s.stale > 0) {
            let minutes = self.stale.entry(name.clone()).or_default();
            // What is stale now is so since it was last heard.
            let from = source.heard.0.div_euclid(MINUTE);
            let last = minutes.last().copied().unwrap_or(from).max(from);
            minutes.extend(last..=now.0.div_euclid(MINUTE));
        }
        for id in changed {
            let Some(alert) = engine.state().alerts.get(id) else {
                continue;
            };
            let known = self.open.get(id).copied();
            match (alert.live(), known) {
                (true, Some((arrived, at))) if arrived == alert.arrived => {
                    if let Some(firing) = at.and_then(|n| self.firings.get_mut(n)) {
                        firing.worst = firing.worst.min(alert.worst);
                    }
                }
                (true, _) => {
                    let at = self.begin(alert);
                    self.open.insert(*id, (alert.arrived, at));
                }
                (false, Some((_, at))) => {
                    if let Some(firing) = at.and_then(|n| self.firings.get_mut(n)) {
                        firing.ended = alert.ended.or(Some(now));
                    }
                    self.open.remove(id);
                }
                (false, None) => {}
            }
        }
    }

    fn begin(&mut self, alert: &Alert) -> Option<usize> {
        for tried in &alert.evidence.tried {
            if let Some((label, value, why)) = ambiguous(tried) {
                count(&mut self.ambiguous, (label.into(), value.into()), why);
            }
        }
        if !alert.evidence.bound {
            let label = alert.evidence.label.clone();
            let value = match label.is_empty() {
                true => alert.labels.get("alertname").unwrap_or_default().to_owned(),
                false => alert.evidence.value.clone(),
            };
            let why = alert.evidence.tried.join("; ");
            count(
                &mut self.unbound,
                (alert.source.to_string(), label, value),
                &why,
            );
            return None;
        }
        if self.firings.len() >= MAX_FIRINGS {
            self.dropped = self.dropped.saturating_add(1);
            return None;
        }
        self.firings.push(Firing {
            ci: alert.ci,
            source: alert.source.clone(),
            began: alert.arrived,
            ended: None,
            worst: alert.worst,
        });
        Some(self.firings.len().saturating_sub(1))
    }
}

/// One firing more under a name; a name too many is not told apart.
fn count<K: Ord>(names: &mut BTreeMap<K, Named>, name: K, why: &str) {
    if names.len() < MAX_NAMES || names.contains_key(&name) {
        let named = names.entry(name).or_default();
        named.firings = named.firings.saturating_add(1);
        why.clone_into(&mut named.why);
    }
}

fn ci(engine: &Engine, name: &str) -> Option<CiId> {
    let force = engine.in_force();
    match force.graph.as_ref()?.lookup(name) {
        Lookup::One(ix) => force.id(ix),
        Lookup::None | Lookup::Many(_) => None,
    }
}
