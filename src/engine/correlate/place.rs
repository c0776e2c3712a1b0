//! Placement: the incident that gains most from a new alert, or the decision that it is a fault of its own.
//!
//! What an incident gains is the difference of two explanations (see [`super::join`]): of all its places with the
//! alert by one cause, and of its places without it. A cause that explains only the new alert and its neighbour,
//! but not the rest, so gains nothing: chains of pairs do not grow into one incident.

use super::case::Case;
use super::common::Parts;
use super::index::About;
use super::scale::{self, Nats};
use super::value::{self, FIRST, maturity};
use crate::engine::Engine;
use crate::engine::state::{How, Incident};
use crate::model::{AlertId, CiId, IncidentId, Millis, Severity};

/// ln .1: a warning seldom stands for what takes others down.
pub const ONLY_WARNINGS: Nats = -2358;
/// Incidents looked at per cause, the newest.
pub(super) const MAX_SHARED: usize = 64;
/// Weight of a hard path, per mille.
const HARD: u16 = 600;
/// An alert may come this late to a cause that still fires over a hard path.
const FIRING_CAUSE: Millis = Millis::mins(20);
/// An incident of so many alerts ends when less than [`FIRES_STILL`] of them fire.
const LARGE: u64 = 20;
/// Share in per cent.
const FIRES_STILL: u64 = 30;

/// A new alert, as far as its place depends on it.
#[derive(Clone, Copy, Debug)]
pub struct New {
    pub alert: AlertId,
    pub ci: CiId,
    pub began: Millis,
    pub severity: Severity,
    pub chance: Nats,
    /// It names another CI.
    pub witness: bool,
    pub shadow: bool,
    /// The cause that stands for its name.
    pub name: Option<CiId>,
    /// Its CI, if its source checks nothing behind it.
    pub hider: Option<CiId>,
}

/// A way into an incident.
#[derive(Clone, Debug)]
pub struct Way {
    pub value: Nats,
    pub how: How,
    pub via: Option<CiId>,
    pub incident: IncidentId,
    /// Further incidents that it makes one with that.
    pub others: Vec<IncidentId>,
}

impl Engine {
    /// The best way for `new`, if it beats a fault of its own, and what that is worth.
    pub(super) fn best_way(&mut self, new: New, about: &About) -> (Option<Way>, Nats) {
        let alone = self.alone(new);
        let best = self.best_of_all(new, about, alone);
        (best.filter(|way| way.value > alone), alone)
    }

    /// The best way into any incident; one that is worth no more than `floor` may be missing.
    pub(super) fn best_of_all(&mut self, new: New, about: &About, floor: Nats) -> Option<Way> {
        let near = self.index.near(about.cone.iter().map(|need| need.ci));
        let near = self.may_take(new.alert, near);
        let offers = self.offers(new, about);
        let mut parts = Parts::default();
        let mut best: Option<Way> = None;
        // Weighing changes none of them but what is known of their causes.
        let mut incidents = std::mem::take(&mut self.state.incidents);
        for incident in near {
            let known = incidents.get_mut(&incident);
            let Some(known) = known.filter(|known| self.is_usable(known, new, about)) else {
                continue;
            };
            self.refresh(&mut known.case);
            let floor = best.as_ref().map_or(floor, |b| b.value.max(floor));
            let way = self.way_into(incident, &known.case, new, (about, &offers), floor);
            best = better(best, way);
            best = better(best, self.way_into_arc(incident, known, new, about));
            self.count_part(&mut parts, incident, known, new, about);
        }
        self.state.incidents = incidents;
        let floor = best.as_ref().map_or(floor, |b| b.value.max(floor));
        best = better(best, self.by_common_cause(&parts, new, about, floor));
        if self.needs_unknown(new.ci) {
            let named = self.incidents_with_name(new.name);
            for incident in self.usable(named, new, about) {
                best = better(best, self.way_by_name(incident, new, about));
            }
            let down = self.incidents_with_hosts_down(new);
            for incident in self.usable(down, new, about) {
                best = better(best, self.way_of_host(incident, new, about));
            }
        }
        best
    }

    /// The case of an incident, to be put back after some work on it.
    pub(super) fn take_case(&mut self, incident: IncidentId) -> Option<Case> {
        let known = self.state.incidents.get_mut(&incident);
        known.map(|i| std::mem::take(&mut i.case))
    }

    pub(super) fn put_case(&mut self, incident: IncidentId, case: Case) {
        if let Some(known) = self.state.incidents.get_mut(&incident) {
            known.case = case;
        }
    }

    /// What it is worth that the alert is a fault of its own.
    pub(super) fn alone(&mut self, new: New) -> Nats {
        let absence = self.silence(new.hider.as_slice(), new.ci, 0);
        let mature = maturity(new.began, self.state.at);
        self.base(new.ci, new.began, true)
            + value::best(scale::own_gain(new.chance), absence, mature)
            + FIRST
    }

    /// Whether an incident is open for an alert that began at `began`. One that ends takes nothing more: else a hub whose
    /// fault is over would gather for hours what fails behind it.
    pub(super) fn is_open(&self, incident: &Incident, began: Millis) -> bool {
        let window = self.state.rules.correlate.window;
        let (live, all) = (u64::from(incident.live), incident.members.len());
        let all = u64::try_from(all).unwrap_or(u64::MAX);
        let ends = all >= LARGE && live.saturating_mul(100) < all.saturating_mul(FIRES_STILL);
        !ends
            && incident.state.lives()
            && began.since(incident.case.last) <= window
            && incident.case.first.since(began) <= window
    }

    /// Of these incidents those that may take an alert.
    fn usable(&self, mut all: Vec<IncidentId>, new: New, about: &About) -> Vec<IncidentId> {
        all.retain(|incident| {
            let known = self.state.incidents.get(incident);
            known.is_some_and(|known| self.is_usable(known, new, about))
        });
        self.may_take(new.alert, all)
    }

    /// Of these incidents those that may take an alert which a person put somewhere, or which leaves one.
    fn may_take(&self, alert: AlertId, mut all: Vec<IncidentId>) -> Vec<IncidentId> {
        all.retain(|incident| self.left != Some(*incident));
        if self.placed_in(alert).is_some() {
            all.retain(|incident| self.may_join(alert, *incident));
        }
        all
    }

    fn is_usable(&self, known: &Incident, new: New, about: &About) -> bool {
        let root = known.case.root;
        known.shadow == new.shadow
            && (self.is_open(known, new.began)
                || self.is_same_subject(known, new)
                || (known.live > 0
                    && new.began.since(known.case.first) <= FIRING_CAUSE
                    && about.weight(root).is_some_and(|w| w >= HARD)
                    && known.case.spots.contains_key(&root)))
    }

    pub(in crate::engine) fn spot(
        &self,
        incident: IncidentId,
        ci: CiId,
    ) -> Option<&super::case::Spot> {
        self.state.incidents.get(&incident)?.case.spots.get(&ci)
    }
}

fn better(best: Option<Way>, way: Option<Way>) -> Option<Way> {
    match (best, way) {
        (Some(a), Some(b)) if b.value > a.value => Some(b),
        (Some(a), _) => Some(a),
        (None, b) => b,
    }
}

/// No worse than a warning.
pub fn only_warns(severity: Severity) -> bool {
    severity >= Severity::Warning
}

/// Whether something at `cause` can be behind something at `effect`: a warning explains no outage.
pub fn can_explain(cause: Severity, effect: Severity) -> bool {
    !(only_warns(cause) && effect == Severity::Critical)
}
