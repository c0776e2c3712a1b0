//! Alert to incident: the first shape of the correlation.
//!
//! Only causes link, never effects. An alert on CI z joins the incident of
//! (1) an alert on z itself, else (2) the best alerting cause in the cone of z, else it opens its own.
//! Then (3) every incident whose root needs z becomes an effect of z: the cause came late. Last, (4) several
//! incidents whose roots need one silent CI become one, if most of what hangs on that CI alerts.
//! A consumer of two failing CIs joins one of the incidents and never merges them.

pub mod check;
pub mod explain;
pub mod impact;
pub mod index;
mod life;
mod merge;
mod root;

pub(super) use root::EXPECTED;

use super::state::{Hands, How, Incident, IncidentState, Member, Timer, Told, Turn};
use super::{Engine, suppress};
use crate::model::{AlertId, CiId, IncidentId, Millis, Priority, Severity};
use std::collections::{BTreeMap, BTreeSet};

/// Turning points kept per incident.
pub(super) const MAX_TURNS: usize = 32;
/// A gap up to this costs nothing: detection takes its time.
const SLACK: Millis = Millis::secs(180);
/// A cause that still fires may take an alert at this distance, over a path of at least `HARD` weight.
const FIRING_CAUSE: Millis = Millis::mins(120);
/// Weight of a hard path, per mille.
const HARD: u16 = 600;
/// Other incidents named per member.
const MAX_ALSO: usize = 4;

/// A way for an alert into an incident.
#[derive(Clone, Copy, Debug)]
struct Way {
    incident: IncidentId,
    how: How,
    via: Option<CiId>,
    weight: u16,
    gap: Millis,
    /// Weight less the price of the gap; higher is better.
    value: i64,
}

/// Whether a fault as bad as `cause` can be behind an alert as bad as `effect`: a warning explains no outage.
pub(super) fn can_explain(cause: Severity, effect: Severity) -> bool {
    cause <= Severity::Major || cause <= effect
}

impl Engine {
    /// Decides the incident of a new or newly firing alert.
    pub(super) fn place(&mut self, id: AlertId) {
        let Some(alert) = self.state.alerts.get(&id) else {
            return;
        };
        let (ci, started, severity) = (alert.ci, alert.started, alert.severity);
        let shadow = suppress::in_shadow(&self.state.rules.suppress, &alert.source);
        let kept_out = self.kept_out_of(id);
        let mut ways = self.ways(ci, started, severity);
        ways.retain(|w| self.is_shadow(w.incident) == shadow && self.may_join(id, w.incident));
        let incident = match ways.first().copied() {
            Some(best) => {
                let also = ways
                    .iter()
                    .map(|w| w.incident)
                    .filter(|i| *i != best.incident)
                    .collect::<BTreeSet<_>>();
                let member = Member {
                    ci,
                    how: best.how,
                    via: best.via,
                    weight: best.weight,
                    gap: best.gap,
                    also: also.into_iter().take(MAX_ALSO).collect(),
                };
                self.join(best.incident, id, member);
                best.incident
            }
            None => self.open(id),
        };
        self.keep_apart(incident, kept_out);
        self.take_effects(incident, ci, started, severity);
    }

    fn is_shadow(&self, incident: IncidentId) -> bool {
        self.state
            .incidents
            .get(&incident)
            .is_some_and(|i| i.shadow)
    }

    /// Every way into a live incident, best first: own CI before causes, then value, then the older incident.
    fn ways(&mut self, ci: CiId, started: Millis, severity: Severity) -> Vec<Way> {
        let mut ways: Vec<Way> = Vec::new();
        for incident in self.index.at(ci).collect::<Vec<_>>() {
            if let Some(gap) = self.reach(incident, ci, started, None) {
                ways.push(Way {
                    incident,
                    how: How::SameCi,
                    via: None,
                    weight: 1000,
                    gap,
                    value: i64::MAX,
                });
            }
        }
        for need in self.cone(ci).iter() {
            for incident in self.index.at(need.ci).collect::<Vec<_>>() {
                let hard = Some((need.weight, severity));
                let Some(gap) = self.reach(incident, need.ci, started, hard) else {
                    continue;
                };
                // One per mille for each second beyond the slack.
                let late = gap.since(SLACK).0.max(0) / 1000;
                ways.push(Way {
                    incident,
                    how: How::Attach,
                    via: Some(need.ci),
                    weight: need.weight,
                    gap,
                    value: i64::from(need.weight).saturating_sub(late),
                });
            }
        }
        ways.sort_by_key(|w| (std::cmp::Reverse(w.value), w.incident));
        ways
    }

    /// How far an alert that began at `started` lies from the alerts of `incident` at `ci`; `None` if they
    /// cannot belong together. `cause` is the path's weight and the severity that is to be explained.
    fn reach(
        &self,
        incident: IncidentId,
        ci: CiId,
        started: Millis,
        cause: Option<(u16, Severity)>,
    ) -> Option<Millis> {
        let known = self.state.incidents.get(&incident)?;
        let window = self.state.rules.correlate.window;
        let mut best: Option<Millis> = None;
        let mut near = |gap: Millis, firing: bool| {
            let hard = cause.is_none_or(|(weight, _)| weight >= HARD);
            if gap <= window || (firing && hard && gap <= FIRING_CAUSE) {
                best = Some(best.map_or(gap, |b| b.min(gap)));
            }
        };
        for (id, _) in known.members.iter().filter(|(_, m)| m.ci == ci) {
            let Some(alert) = self.state.alerts.get(id) else {
                continue;
            };
            if cause.is_none_or(|(_, effect)| can_explain(alert.worst, effect)) {
                near(distance(alert.started, started), alert.live());
            }
        }
        if known.silent_root && known.root == ci {
            near(distance(self.begin(known), started), known.live > 0);
        }
        best
    }

    /// When the first alert of an incident began.
    pub(super) fn begin(&self, incident: &Incident) -> Millis {
        let begins = incident
            .members
            .keys()
            .filter_map(|id| self.state.alerts.get(id))
            .map(|a| a.started);
        begins.min().unwrap_or(incident.first)
    }

    fn open(&mut self, id: AlertId) -> IncidentId {
        self.state.last_incident = self.state.last_incident.saturating_add(1);
        let incident = IncidentId(self.state.last_incident);
        let at = self.state.at;
        let Some(alert) = self.state.alerts.get_mut(&id) else {
            return incident;
        };
        alert.incident = Some(incident);
        let shadow = suppress::in_shadow(&self.state.rules.suppress, &alert.source);
        let (ci, opening) = (alert.ci, alert.fingerprint);
        let member = Member {
            ci,
            how: How::Opened,
            via: None,
            weight: 1000,
            gap: Millis(0),
            also: Vec::new(),
        };
        let new = Incident {
            state: IncidentState::Pending,
            members: [(id, member)].into(),
            root: ci,
            silent_root: false,
            shadow,
            confident: false,
            priority: Priority::P4,
            first: at,
            last: at,
            opening,
            hold_until: at,
            opened: None,
            quiet_since: None,
            resolved: None,
            promoted: false,
            acknowledged: None,
            merged_into: None,
            merges: Vec::new(),
            live: 1,
            turns: vec![Turn {
                at,
                what: "opened".to_owned(),
            }],
            told: Told::default(),
            hands: Hands::default(),
        };
        self.state.incidents.insert(incident, new);
        self.index_member(incident, ci);
        self.index_root(incident, ci);
        self.touch(incident);
        incident
    }

    fn join(&mut self, incident: IncidentId, id: AlertId, member: Member) {
        let at = self.state.at;
        let ci = member.ci;
        if let Some(alert) = self.state.alerts.get_mut(&id) {
            alert.incident = Some(incident);
        }
        let Some(known) = self.state.incidents.get_mut(&incident) else {
            return;
        };
        known.last = at;
        known.live = known.live.saturating_add(1);
        known.members.insert(id, member);
        self.wake(incident);
        self.index_member(incident, ci);
        self.touch(incident);
    }

    /// Rule (3): incidents whose root needs `ci` are effects of its alert.
    fn take_effects(&mut self, mine: IncidentId, ci: CiId, started: Millis, severity: Severity) {
        for other in self.index.needing(ci).collect::<Vec<_>>() {
            let mine = self.incident_of(mine);
            let Some(known) = self.state.incidents.get(&other) else {
                continue;
            };
            if other == mine
                || known.shadow != self.is_shadow(mine)
                || !known.state.lives()
                || !can_explain(severity, self.worst(known))
            {
                continue;
            }
            let Some(weight) = self.needs_it(other, ci) else {
                continue;
            };
            let Some(known) = self.state.incidents.get(&other) else {
                continue;
            };
            let gap = distance(self.begin(known), started);
            let window = self.state.rules.correlate.window;
            let hard = weight >= HARD && gap <= FIRING_CAUSE;
            if gap <= window || hard {
                self.merge(mine, other, ci);
            }
        }
    }

    /// Weight by which the root of an incident needs `ci`. A silent root is only a guess: there the alerting
    /// CIs are asked, and at least half of them must need it.
    fn needs_it(&mut self, incident: IncidentId, ci: CiId) -> Option<u16> {
        let known = self.state.incidents.get(&incident)?;
        let (root, silent) = (known.root, known.silent_root);
        if !silent {
            return self
                .cone(root)
                .iter()
                .find(|n| n.ci == ci)
                .map(|n| n.weight);
        }
        let spots: Vec<CiId> = self.spots(incident).into_keys().collect();
        let weights: Vec<u16> = spots
            .iter()
            .filter_map(|s| self.cone(*s).iter().find(|n| n.ci == ci).map(|n| n.weight))
            .collect();
        (weights.len() * 2 >= spots.len()).then(|| weights.into_iter().max())?
    }

    /// Rule (4), at the end of the hold: a silent CI that the roots of several held incidents need, and on
    /// which most alerts.
    fn find_common_cause(&mut self, incident: IncidentId) {
        let rules = self.state.rules.correlate.clone();
        let Some(known) = self.state.incidents.get(&incident) else {
            return;
        };
        if known.state != IncidentState::Pending || known.silent_root {
            return;
        }
        let (root, begin, shadow) = (known.root, self.begin(known), known.shadow);
        let mut best: Option<(u32, u32, CiId, Vec<IncidentId>)> = None;
        for need in self.cone(root).iter().filter(|n| n.weight >= HARD) {
            let others: Vec<IncidentId> = self
                .index
                .needing(need.ci)
                .filter(|i| self.shares(*i, begin) && self.is_shadow(*i) == shadow)
                .collect();
            let others = self.may_be_one(incident, others);
            if others.len() < usize::try_from(rules.silent_cause_min).unwrap_or(usize::MAX) {
                continue;
            }
            let (alerting, monitored) = self.coverage(need.ci, &others);
            if alerting < rules.silent_cause_min
                || alerting.saturating_mul(100) < monitored.saturating_mul(rules.silent_cause_share)
            {
                continue;
            }
            // The most alerting CIs, then the fewest that could have alerted, then the first number.
            let better = best
                .as_ref()
                .is_none_or(|(a, m, _, _)| alerting > *a || (alerting == *a && monitored < *m));
            if better {
                best = Some((alerting, monitored, need.ci, others));
            }
        }
        let Some((_, _, cause, others)) = best else {
            return;
        };
        let Some(first) = others.first().copied() else {
            return;
        };
        for other in others {
            self.merge(first, other, cause);
        }
        let merged = self.incident_of(first);
        self.set_root(merged, cause, true);
        let at = self.state.at;
        if let Some(known) = self.state.incidents.get_mut(&merged) {
            known.hold_until = at; // one of them has waited long enough for all
            self.set_timer(at, Timer::Hold(merged));
        }
    }

    /// A held incident that began near enough to share a cause with another.
    fn shares(&self, incident: IncidentId, begin: Millis) -> bool {
        self.state.incidents.get(&incident).is_some_and(|i| {
            i.state == IncidentState::Pending
                && distance(self.begin(i), begin) <= self.state.rules.correlate.window
        })
    }

    /// Of the monitored CIs that directly need `ci`: how many alert in these incidents, and how many there
    /// are.
    fn coverage(&self, ci: CiId, incidents: &[IncidentId]) -> (u32, u32) {
        let (Some(graph), Some(ix)) = (&self.force.graph, self.force.ix(ci)) else {
            return (0, 0);
        };
        let alerting: BTreeSet<CiId> = incidents
            .iter()
            .filter_map(|i| self.state.incidents.get(i))
            .flat_map(|i| i.members.values().map(|m| m.ci))
            .collect();
        let mut counts = (0u32, 0u32);
        for link in graph.dependants(ix) {
            let Some(id) = self.force.id(link.ci) else {
                continue;
            };
            let alerts = alerting.contains(&id);
            if alerts || graph.ci(link.ci).is_some_and(|c| c.monitored) {
                counts.1 = counts.1.saturating_add(1);
            }
            if alerts {
                counts.0 = counts.0.saturating_add(1);
            }
        }
        counts
    }

    /// The worst severity of an incident's live alerts; of all, once it is over.
    pub(super) fn worst(&self, incident: &Incident) -> Severity {
        let alerts = || {
            incident
                .members
                .keys()
                .filter_map(|id| self.state.alerts.get(id))
        };
        let live = alerts().filter(|a| a.live()).map(|a| a.severity).min();
        live.or_else(|| alerts().map(|a| a.worst).min())
            .unwrap_or(Severity::Info)
    }

    /// Alerts that a new graph or new rules bound to another CI.
    pub(super) fn re_place(&mut self, moved: &BTreeSet<AlertId>) {
        let mut again: BTreeMap<(Millis, AlertId), ()> = BTreeMap::new();
        for id in moved {
            let Some(alert) = self.state.alerts.get_mut(id) else {
                continue;
            };
            let (ci, started) = (alert.ci, alert.started);
            let Some(incident) = alert.incident else {
                continue;
            };
            let stays = !self.may_leave(*id);
            let Some(known) = self.state.incidents.get_mut(&incident) else {
                continue;
            };
            if stays || known.opened.is_some() || !known.state.lives() {
                if let Some(member) = known.members.get_mut(id) {
                    member.ci = ci;
                }
                self.touch(incident);
                continue;
            }
            known.members.remove(id);
            known.live = known.live.saturating_sub(1);
            if let Some(alert) = self.state.alerts.get_mut(id) {
                alert.incident = None;
            }
            again.insert((started, *id), ());
            self.touch(incident);
        }
        let empty: Vec<IncidentId> = self
            .state
            .incidents
            .iter()
            .filter(|(_, i)| i.state.lives() && i.members.is_empty())
            .map(|(id, _)| *id)
            .collect();
        for id in empty {
            self.forget_hands(id);
            self.state.incidents.remove(&id);
            self.touched.remove(&id);
        }
        self.rebuild_index();
        self.choose_roots();
        for (_, id) in again.into_keys() {
            self.place(id);
        }
    }
}

/// Time between two moments.
fn distance(a: Millis, b: Millis) -> Millis {
    Millis(a.since(b).0.saturating_abs())
}
