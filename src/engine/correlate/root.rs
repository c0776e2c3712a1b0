//! The root cause of an incident, and whether we may call it known.

use super::{Engine, MAX_TURNS, Turn, can_explain};
use crate::engine::state::IncidentState;
use crate::model::{CiId, IncidentId, Millis, Severity};
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// A cause is called known if at least this share (per cent) of the alerting CIs needs it.
const EXPLAINS_SHARE: usize = 80;
/// And at least this share (per cent) of the monitored CIs that directly need it alerts...
const COVERAGE_SHARE: u32 = 60;
/// ...or this many do and no fewer than a third.
const MANY: u32 = 10;
/// CIs that could be affected and are looked at for the coverage.
pub(in crate::engine) const MAX_IMPACT: usize = 2000;
/// Smallest weight of a path over which we expect an alert, per mille.
pub(in crate::engine) const EXPECTED: u16 = 500;

/// What a root cause explains.
#[derive(Clone, Debug, Default)]
pub struct Explains {
    /// Alerting CIs that need it.
    pub alerting: u32,
    /// Monitored CIs that need it.
    pub monitored: u32,
    /// Those of them without an alert, by number.
    pub silent: Vec<CiId>,
}

/// A CI of an incident: its worst severity and the begin of its first alert.
type Spots = BTreeMap<CiId, (Severity, Millis)>;

impl Engine {
    pub(in crate::engine) fn spots(&self, incident: IncidentId) -> Spots {
        let mut spots = Spots::new();
        let Some(known) = self.state.incidents.get(&incident) else {
            return spots;
        };
        for (id, member) in &known.members {
            let Some(alert) = self.state.alerts.get(id) else {
                continue;
            };
            let spot = spots
                .entry(member.ci)
                .or_insert((alert.worst, alert.started));
            spot.0 = spot.0.min(alert.worst);
            spot.1 = spot.1.min(alert.started);
        }
        spots
    }

    /// Chooses the root anew: of the alerting CIs that need no other alerting CI able to explain them, the
    /// one that most others need; then the worse, the earlier, the lower number. A silent root stays until
    /// an alerting CI explains as many.
    pub(super) fn choose_root(&mut self, incident: IncidentId) {
        let spots = self.spots(incident);
        let Some(known) = self.state.incidents.get(&incident) else {
            return;
        };
        let (old, silent) = (known.root, known.silent_root);
        let mut needed: BTreeMap<CiId, u32> = BTreeMap::new();
        let mut tops = Vec::new();
        for (ci, (severity, _)) in &spots {
            let mut top = true;
            for need in self.cone(*ci).iter() {
                let count = needed.entry(need.ci).or_default();
                *count = count.saturating_add(1);
                let cause = spots.get(&need.ci);
                top &= !cause.is_some_and(|(worst, _)| can_explain(*worst, *severity));
            }
            if top {
                tops.push(*ci);
            }
        }
        if tops.is_empty() {
            tops.extend(spots.keys()); // a ring of CIs that need each other
        }
        let count = |ci: &CiId| needed.get(ci).copied().unwrap_or(0);
        let best = tops.into_iter().min_by_key(|ci| {
            let (severity, begin) = spots
                .get(ci)
                .copied()
                .unwrap_or((Severity::Info, Millis(0)));
            (Reverse(count(ci)), severity, begin, *ci)
        });
        match best {
            Some(best) if !silent || spots.contains_key(&old) || count(&best) >= count(&old) => {
                self.set_root(incident, best, false);
            }
            Some(_) | None => {}
        }
        self.judge_confidence(incident, spots.len());
    }

    /// After a new graph: every live incident.
    pub(super) fn choose_roots(&mut self) {
        let live: Vec<IncidentId> = self
            .state
            .incidents
            .iter()
            .filter(|(_, i)| i.state.lives())
            .map(|(id, _)| *id)
            .collect();
        for id in live {
            self.choose_root(id);
        }
    }

    pub(super) fn set_root(&mut self, incident: IncidentId, root: CiId, silent: bool) {
        let Some(known) = self.state.incidents.get(&incident) else {
            return;
        };
        let old = known.root;
        if old == root && known.silent_root == silent {
            // The index may still stand at the root of an incident that was merged into this one.
            return self.index_root(incident, root);
        }
        self.unindex_root(incident, old);
        let name = self.ci_name(root);
        let at = self.state.at;
        if let Some(known) = self.state.incidents.get_mut(&incident) {
            known.root = root;
            known.silent_root = silent;
            if old != root && known.turns.len() < MAX_TURNS {
                known.turns.push(Turn {
                    at,
                    what: format!("cause {name}"),
                });
            }
            if old != root && known.state != IncidentState::Pending {
                self.line(Some(incident), format!("root cause now {name}"));
            }
        }
        self.index_root(incident, root);
        self.touch(incident);
    }

    /// Causes that explain an incident, best first, at most 5; none for an incident that is not there.
    pub fn ranked_roots(&self, incident: IncidentId) -> Vec<CiId> {
        let known = self.state.incidents.get(&incident);
        known.map(|i| i.root).into_iter().collect()
    }

    /// What `root` explains of the CIs of an incident.
    pub(in crate::engine) fn explains(&self, root: CiId, spots: &[CiId]) -> Explains {
        let mut out = Explains::default();
        let (Some(graph), Some(ix)) = (&self.force.graph, self.force.ix(root)) else {
            return out;
        };
        for reach in graph.impact(ix, EXPECTED, MAX_IMPACT) {
            let Some(ci) = self.force.id(reach.ci) else {
                continue;
            };
            let alerts = spots.binary_search(&ci).is_ok();
            let monitored = graph.ci(reach.ci).is_some_and(|c| c.monitored);
            if alerts {
                out.alerting = out.alerting.saturating_add(1);
            }
            if alerts || monitored {
                out.monitored = out.monitored.saturating_add(1);
            }
            if !alerts && monitored {
                out.silent.push(ci);
            }
        }
        out
    }

    /// Known only where experience says so; a later fitted table replaces these shares.
    fn judge_confidence(&mut self, incident: IncidentId, cis: usize) {
        let spots: Vec<CiId> = self.spots(incident).into_keys().collect();
        let Some(known) = self.state.incidents.get(&incident) else {
            return;
        };
        let (root, silent) = (known.root, known.silent_root);
        let severity = self.spots(incident).get(&root).map(|(s, _)| *s);
        let bound = self.force.ix(root).is_some();
        let alone = cis <= 1;
        let explains = self.explains(root, &spots);
        let members = explains.alerting.saturating_add(1);
        let share = usize::try_from(members)
            .unwrap_or(usize::MAX)
            .saturating_mul(100);
        let covered = explains.alerting.saturating_mul(100)
            >= explains.monitored.saturating_mul(COVERAGE_SHARE)
            || (explains.alerting >= MANY
                && explains.alerting.saturating_mul(3) >= explains.monitored);
        let high = !silent
            && bound
            && (alone
                || (severity.is_some_and(|s| s <= Severity::Major)
                    && share >= cis.saturating_mul(EXPLAINS_SHARE)
                    && covered));
        if let Some(known) = self.state.incidents.get_mut(&incident) {
            // What tickets say is not taken back because one more CI is silent or alerts.
            known.confident = high || (known.told.cause == Some(root) && !silent);
        }
    }

    /// The name people know a CI by.
    pub(in crate::engine) fn ci_name(&self, ci: CiId) -> String {
        match self.force.ci(ci) {
            Some(known) => known.name.clone(),
            None => super::impact::bare_name(self.state.cis.key(ci)).to_owned(),
        }
    }
}
