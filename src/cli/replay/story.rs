//! What became of the events: collected as it happens, for the engine forgets what is over.

use crate::engine::correlate::impact::bare_name;
use crate::engine::quote::text_of;
use crate::engine::{Answer, Delivery, Effects, Engine};
use crate::model::{AlertId, CiId, Fingerprint, IncidentId, Millis, Priority};
use crate::record::StepName;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Story {
    /// Incident of each event by the event's id.
    pub(super) assign: BTreeMap<String, IncidentId>,
    /// Every incident there was.
    pub(super) incidents: BTreeMap<IncidentId, Facts>,
    /// What happened to incidents, in order.
    pub(super) ops: Vec<Op>,
    /// The first event of each firing of an alert, with the text and the CI of the alert.
    pub(super) firings: BTreeMap<String, String>,
    /// Events that were answered.
    pub(super) events: usize,
    /// The last event; incidents that begin later (of sources that are silent now) are none of the tape's.
    pub(super) end: Option<Millis>,
    alerts: BTreeMap<AlertId, Episode>,
}

/// An incident as it last stood while it was alive.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Facts {
    /// When its first ticket was made.
    pub(super) ticket_at: Option<Millis>,
    /// Assignment group of its ticket at each target, as it was last written.
    pub(super) groups: BTreeMap<Arc<str>, String>,
    /// Name of the first of its causes.
    pub(super) cause: String,
    /// CMDB keys of its causes, best first.
    pub(super) roots: Vec<String>,
    /// The incident it became part of.
    pub(super) merged_into: Option<IncidentId>,
    /// CMDB keys of the services that do not work.
    pub(super) impact: Vec<String>,
    /// The cause is called known.
    pub(super) confident: bool,
    /// Its priority.
    pub(super) priority: Option<Priority>,
    /// The most alerts it had at once.
    pub(super) alerts: usize,
}

/// What happened to an incident.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Op {
    /// When.
    pub(super) at: Millis,
    /// `open`, `merge`, `merge_ticketed`, `root`, `split`, `move`.
    pub(super) op: &'static str,
    /// Which.
    pub(super) incident: IncidentId,
    /// The incident that alerts left, or that was merged into this one.
    pub(super) from: Option<IncidentId>,
}

/// One firing of an alert.
#[derive(Debug)]
struct Episode {
    arrived: Millis,
    incident: Option<IncidentId>,
    events: Vec<String>,
}

/// The name people know a CI by.
fn name_of(engine: &Engine, ci: CiId) -> String {
    match engine.in_force().ci(ci) {
        Some(known) => known.name.clone(),
        None => bare_name(engine.state().cis.key(ci)).to_owned(),
    }
}

impl Story {
    /// The events of the body `id` were answered. The first that is about an alert has the name of the body,
    /// the others `id#2`, `id#3`, ...
    pub(super) fn events(&mut self, engine: &Engine, id: &str, answers: &[Answer]) {
        self.events = self.events.saturating_add(answers.len());
        let about = answers.iter().filter_map(|a| a.alert);
        for (n, fingerprint) in (1u32..).zip(about) {
            let id = match n {
                1 => id.to_owned(),
                _ => format!("{id}#{n}"),
            };
            self.event(engine, id, fingerprint);
        }
    }

    fn event(&mut self, engine: &Engine, id: String, fingerprint: Fingerprint) {
        let state = engine.state();
        let alert = state.by_fingerprint.get(&fingerprint);
        let Some((alert, known)) = alert.and_then(|id| Some((*id, state.alerts.get(id)?))) else {
            return;
        };
        let waits = engine.waits_for_its_turn(alert);
        if known.incident.is_none() && !waits {
            return;
        }
        let new = || Episode {
            arrived: known.arrived,
            incident: known.incident,
            events: Vec::new(),
        };
        let episode = self.alerts.entry(alert).or_insert_with(new);
        if waits && episode.arrived != known.arrived {
            *episode = new();
        }
        if episode.events.is_empty() {
            let text = text_of(&known.labels, &known.annotations);
            let text = format!("{text} ({})", name_of(engine, known.ci));
            self.firings.insert(id.clone(), text);
        }
        episode.events.push(id.clone());
        if let Some(incident) = known.incident {
            self.assign.insert(id, incident);
        }
    }

    /// A delivery is carried out.
    pub(super) fn delivered(&mut self, now: Millis, delivery: &Delivery) {
        let Some(facts) = self.incidents.get_mut(&delivery.incident) else {
            return;
        };
        if matches!(delivery.step, StepName::Create | StepName::Update) {
            let group = delivery.wanted.group.clone();
            facts.groups.insert(delivery.target.clone(), group);
        }
        if delivery.step == StepName::Create && facts.ticket_at.is_none() {
            facts.ticket_at = Some(now);
            self.op(now, "open", delivery.incident, None);
        }
    }

    /// An entry was applied.
    pub(super) fn after(&mut self, engine: &Engine, now: Millis, effects: &Effects) {
        let cis = &engine.state().cis;
        let mut born = BTreeSet::new();
        for id in &effects.incidents {
            let Some(known) = engine.state().incidents.get(id) else {
                continue;
            };
            let (new, facts) = match self.incidents.get_mut(id) {
                Some(facts) => (false, facts),
                None if self.end.is_some_and(|end| known.first > end) => continue,
                None => {
                    born.insert(*id);
                    (true, self.incidents.entry(*id).or_default())
                }
            };
            if known.state.lives() {
                let keys = |ids: Vec<CiId>| -> Vec<String> {
                    ids.into_iter().map(|ci| cis.key(ci).to_owned()).collect()
                };
                let ranked = engine.ranked_roots(*id);
                let cause = ranked.first().copied().unwrap_or(known.root);
                let roots = keys(ranked);
                let changed = !new && roots.first() != facts.roots.first();
                facts.cause = name_of(engine, cause);
                facts.roots = roots;
                facts.impact = keys(engine.services(*id).observed.clone());
                facts.confident = known.confident;
                facts.priority = Some(known.priority);
                facts.alerts = facts.alerts.max(known.members.len());
                if changed {
                    self.op(now, "root", *id, None);
                }
            }
            self.merged(now, *id, known.merged_into);
        }
        // Once all merges are known: what came by a merge did not move.
        for id in &effects.incidents {
            let Some(known) = engine.state().incidents.get(id) else {
                continue;
            };
            let members: Vec<AlertId> = known.members.keys().copied().collect();
            let left = self.members(engine, *id, &members);
            // A new incident of alerts that left others is one split; else each alert moved.
            match left.first() {
                Some(from) if born.contains(id) => self.op(now, "split", *id, Some(*from)),
                Some(_) | None => {
                    for from in left {
                        self.op(now, "move", *id, Some(from));
                    }
                }
            }
        }
    }

    fn merged(&mut self, now: Millis, id: IncidentId, into: Option<IncidentId>) {
        let Some(into) = into else {
            if let Some(facts) = self.incidents.get_mut(&id) {
                facts.merged_into = None;
            }
            return;
        };
        let ticketed =
            |i: &IncidentId| self.incidents.get(i).is_some_and(|f| f.ticket_at.is_some());
        let both = ticketed(&id) && ticketed(&into);
        let Some(facts) = self.incidents.get_mut(&id) else {
            return;
        };
        if facts.merged_into.replace(into).is_none() {
            let op = if both { "merge_ticketed" } else { "merge" };
            self.op(now, op, into, Some(id));
        }
    }

    /// Alerts that are in another incident than before take the events of their firing along. Answers which
    /// incident each of them left.
    fn members(&mut self, engine: &Engine, id: IncidentId, members: &[AlertId]) -> Vec<IncidentId> {
        let mut left = Vec::new();
        for alert in members {
            let Some(known) = engine.state().alerts.get(alert) else {
                continue;
            };
            let Some(episode) = self.alerts.get_mut(alert) else {
                let new = Episode {
                    arrived: known.arrived,
                    incident: known.incident,
                    events: Vec::new(),
                };
                self.alerts.insert(*alert, new);
                continue;
            };
            let before = episode.incident;
            if known.incident != Some(id) || before == Some(id) && episode.arrived == known.arrived
            {
                continue;
            }
            episode.incident = Some(id);
            if episode.arrived != known.arrived {
                episode.arrived = known.arrived;
                episode.events.clear();
                continue;
            }
            let events = episode.events.clone();
            if before.is_some_and(|b| self.end_of(b) == self.end_of(id)) {
                continue; // merged: the events find the way themselves
            }
            for event in events {
                self.assign.insert(event, id);
            }
            left.extend(before);
        }
        left
    }

    /// Where an incident ended up.
    pub(super) fn end_of(&self, id: IncidentId) -> IncidentId {
        let mut at = id;
        for _ in 0..self.incidents.len() {
            match self.incidents.get(&at).and_then(|f| f.merged_into) {
                Some(into) => at = into,
                None => break,
            }
        }
        at
    }

    fn op(&mut self, at: Millis, op: &'static str, incident: IncidentId, from: Option<IncidentId>) {
        self.ops.push(Op {
            at,
            op,
            incident,
            from,
        });
    }
}
