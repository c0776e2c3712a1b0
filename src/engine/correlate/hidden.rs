//! Silence that a source makes. A source that sees a host down checks nothing behind it, so the silence there is
//! unknown: it does not count against what explains the others.

use super::case::Case;
use super::index::{MAX_UNDER, MIN_EXPECTED};
use super::scale::{self, Each};
use crate::engine::Engine;
use crate::engine::state::Alert;
use crate::graph::{Graph, Ix, MAX_HOPS};
use crate::model::{AlertId, CiId, IncidentId, Millis, Severity};
use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Smallest weight of a relation along which a source that sees a CI down checks no further, per mille. It knows what
/// hangs on a host (its parents, its virtual machines), not what merely depends on it.
pub(super) const HIDES: u16 = 800;
/// Hosts of one incident that hide others; those that hide most.
const MAX_HIDERS: usize = 4;
/// So long after a host was seen down what was under way behind it is still told.
const STILL_TOLD: Millis = Millis::mins(2);
/// CIs asked on the way up to a host that hides one.
const MAX_ASKED: usize = 96;

/// How many monitored CIs a host hides, by the weight with which they need it, the heaviest first.
pub type Hidden = Arc<[(u16, u32)]>;

impl Engine {
    /// Whether the source of an alert reports nothing of what needs its CI while it lasts. Only an alert on the
    /// host itself (without a `service`) does that.
    pub(super) fn hides(&self, alert: &Alert) -> bool {
        let hiding = &self.state.rules.suppress.hiding_sources;
        hiding.iter().any(|s| **s == *alert.source)
            && alert.live()
            && alert.severity <= Severity::Major
            && alert.labels.get("service").is_none()
    }

    /// The CI of an alert, if it hides others.
    pub(super) fn hider(&mut self, id: AlertId) -> Option<CiId> {
        let alert = self.state.alerts.get(&id)?;
        let ci = alert.ci;
        let hides = self.hides(alert);
        (hides && !self.hidden_under(ci).is_empty()).then_some(ci)
    }

    /// An incident has an alert that hides others.
    pub(super) fn note_hider(&mut self, incident: IncidentId, ci: CiId) {
        let known = self.state.incidents.get(&incident);
        let Some(mut hiders) = known.map(|i| i.case.hiders.clone()) else {
            return;
        };
        self.with_hider(&mut hiders, ci);
        if let Some(known) = self.state.incidents.get_mut(&incident) {
            known.case.hiders = hiders;
        }
    }

    /// A source tells of a host behind one that it saw down a while ago: it checks there after all.
    pub(super) fn heard_behind(&mut self, incident: IncidentId, id: AlertId) {
        let Some(known) = self.state.incidents.get(&incident) else {
            return;
        };
        let alert = self.state.alerts.get(&id).filter(|a| self.hides(a));
        let Some(alert) = alert.filter(|_| !known.case.hiders.is_empty()) else {
            return;
        };
        let began = |ci: &CiId| known.case.spots.get(ci).map(|s| s.first.plus(STILL_TOLD));
        let late = |ci: &CiId| began(ci).is_some_and(|b| alert.started > b);
        let hiders = known.case.hiders.iter().copied();
        let hiders: Vec<CiId> = hiders
            .filter(|h| !(late(h) && self.hidden_by(alert.ci, &[*h])))
            .collect();
        if let Some(known) = self.state.incidents.get_mut(&incident) {
            known.case.hiders = hiders;
        }
    }

    /// One more that hides others, unless it is hidden itself.
    fn with_hider(&mut self, hiders: &mut Vec<CiId>, ci: CiId) {
        if hiders.contains(&ci) || self.hidden_by(ci, hiders) {
            return;
        }
        hiders.retain(|other| !self.hidden_by(*other, &[ci]));
        hiders.push(ci);
        let mut sized: Vec<(Reverse<u64>, CiId)> = Vec::new();
        for ci in hiders.iter() {
            let all = self.hidden_under(*ci);
            sized.push((Reverse(all.iter().map(|(_, n)| u64::from(*n)).sum()), *ci));
        }
        sized.sort_unstable();
        sized.truncate(MAX_HIDERS);
        *hiders = sized.into_iter().map(|(_, ci)| ci).collect();
    }

    /// What the silence of its dependants costs `cause`, which explains so many places of the cases with these
    /// hiders.
    pub(super) fn silence(&mut self, hiders: &[CiId], cause: CiId, places: u32) -> Each {
        let mut sum = self.standing(cause).absence();
        for (weight, n) in self.unheard(hiders, cause, places) {
            let loss = scale::loss(weight).map(|l| l.saturating_mul(i64::from(n)));
            sum = scale::minus(sum, loss);
        }
        sum.map(|s| s.min(0))
    }

    /// The same for a cause of a case.
    pub(super) fn silence_in(&mut self, case: &Case, cause: CiId) -> Each {
        self.silence(&case.hiders, cause, places_of(case, cause))
    }

    /// Dependants of `cause` of which nothing is known, by weight: those that the hiders hide, less the places that
    /// it explains, which were heard after all.
    pub(super) fn unheard(&mut self, hiders: &[CiId], cause: CiId, places: u32) -> Vec<(u16, u32)> {
        let mut out = Vec::new();
        let mut heard = places;
        for hider in hiders {
            let above = self.about(*hider).weight(cause);
            let (under, link) = match above {
                _ if *hider == cause => (cause, 1000),
                Some(link) => (*hider, link),
                // What hangs under something hidden is hidden as well.
                None if self.about(cause).weight(*hider).is_some()
                    && self.hidden_by(cause, &[*hider]) =>
                {
                    (cause, 1000)
                }
                None => continue,
            };
            for (weight, n) in self.hidden_under(under).iter() {
                let path = u32::from(*weight).saturating_mul(u32::from(link)) / 1000;
                let path = u16::try_from(path).unwrap_or(u16::MAX);
                if path < MIN_EXPECTED {
                    continue;
                }
                let less = heard.min(*n);
                heard = heard.saturating_sub(less);
                out.push((path, n.saturating_sub(less)));
            }
        }
        out
    }

    /// What a CI hides when it is down; asked once per graph.
    fn hidden_under(&mut self, ci: CiId) -> Hidden {
        if let Some(known) = self.index.hidden(ci) {
            return known;
        }
        let mut weights = std::collections::BTreeMap::<Reverse<u16>, u32>::new();
        if let (Some(graph), Some(ix)) = (&self.force.graph, self.force.ix(ci)) {
            let behind = behind(graph, ix);
            let reach = graph.impact(ix, MIN_EXPECTED, MAX_UNDER).into_iter();
            for reach in reach.filter(|r| behind.contains(&r.ci)) {
                if graph.ci(reach.ci).is_some_and(|c| c.monitored) {
                    let n = weights.entry(Reverse(reach.weight)).or_default();
                    *n = n.saturating_add(1);
                }
            }
        }
        let hidden: Hidden = weights.into_iter().map(|(Reverse(w), n)| (w, n)).collect();
        self.index.keep_hidden(ci, hidden.clone());
        hidden
    }

    /// Whether one of the hiders hides a CI.
    fn hidden_by(&self, ci: CiId, hiders: &[CiId]) -> bool {
        let (Some(graph), Some(ix)) = (&self.force.graph, self.force.ix(ci)) else {
            return false;
        };
        let hiders: BTreeSet<Ix> = hiders.iter().filter_map(|h| self.force.ix(*h)).collect();
        let mut seen = BTreeSet::from([ix]);
        let mut edge = vec![ix];
        for _ in 0..MAX_HOPS {
            let mut next = Vec::new();
            for at in edge {
                for link in graph.causes(at).filter(|l| l.weight >= HIDES) {
                    if hiders.contains(&link.ci) {
                        return true;
                    }
                    if seen.len() < MAX_ASKED && seen.insert(link.ci) {
                        next.push(link.ci);
                    }
                }
            }
            edge = next;
        }
        false
    }
}

/// How many places of a case a cause explains, which matters only where something hides others.
pub(super) fn places_of(case: &Case, cause: CiId) -> u32 {
    let sum = (!case.hiders.is_empty()).then(|| case.sums.get(&cause));
    sum.flatten().map_or(0, |s| s.places)
}

/// The hiders of several cases, without asking which of them hides another: where that matters they are one case.
pub(super) fn add(hiders: &mut Vec<CiId>, more: &[CiId]) {
    for ci in more {
        if hiders.len() < MAX_HIDERS && !hiders.contains(ci) {
            hiders.push(*ci);
        }
    }
}

/// What needs a CI over relations along which nothing is checked.
fn behind(graph: &Graph, ix: Ix) -> BTreeSet<Ix> {
    let mut seen = BTreeSet::from([ix]);
    let mut edge = vec![ix];
    for _ in 0..MAX_HOPS {
        let mut next = Vec::new();
        for at in edge {
            for link in graph.dependants(at).filter(|l| l.weight >= HIDES) {
                if seen.len() < MAX_UNDER && seen.insert(link.ci) {
                    next.push(link.ci);
                }
            }
        }
        edge = next;
    }
    seen.remove(&ix);
    seen
}
