//! Gaps of the CMDB: a CI that it does not know, or of which it does not say what it needs though it does so for
//! others of its class. No path leads from there to what failed; the name of its alerts and the time may.

use super::case::Case;
use super::distance;
use super::fit::alerts;
use super::index::About;
use super::join::Near;
use super::place::{New, Way};
use super::scale::{self, Nats, nats};
use crate::engine::Engine;
use crate::engine::state::How;
use crate::graph::{Graph, Ix};
use crate::model::{CiId, IncidentId, Millis};
use std::collections::{BTreeMap, BTreeSet};

/// ln .05: a CI that the CMDB does not know is hit by a given fault.
const UNKNOWN_CI: Nats = nats(30);
/// A name that fits less than this gathers nothing.
const WORST_FIT: Nats = nats(-5);
/// What it is worth that a host goes down when others do: as much as the best name.
const DOWN_TOO: Nats = nats(15);
/// So many hosts of an incident went down within this time of another one.
const HOSTS: usize = 3;
/// See [`HOSTS`].
const WITHIN: Millis = Millis::secs(90);
/// Alerts looked at for hosts that went down, the last ones.
const MAX_ALERTS: usize = 256;
/// Alerts that an incident has at least before its names gather CIs that the CMDB does not know.
const ENOUGH: u32 = 2;
/// CIs of each class, and how many of them need anything.
pub type Classes = BTreeMap<String, (u64, u64)>;

/// CIs of a class that tell what is usual in it, and how many of a hundred of them need something then.
const CLASS: u64 = 10;
/// See [`CLASS`].
const USUAL: u64 = 75;

impl Engine {
    /// Whether the CMDB has a gap where it should say what a CI needs; asked once per graph.
    pub(super) fn needs_unknown(&mut self, ci: CiId) -> bool {
        if let Some(known) = self.index.gap(ci) {
            return known;
        }
        let gap = self.has_gap_above(ci);
        self.index.keep_gap(ci, gap);
        gap
    }

    fn has_gap_above(&mut self, ci: CiId) -> bool {
        let (Some(graph), Some(ix)) = (&self.force.graph, self.force.ix(ci)) else {
            return true;
        };
        if graph.causes(ix).next().is_some() {
            return false;
        }
        let Some(known) = graph.ci(ix) else {
            return false;
        };
        let class = match &self.force.walked {
            Some(walked) => walked.classes().get(&known.class),
            None => {
                let classes = self.index.classes.get_or_insert_with(|| classes(graph));
                classes.get(&known.class)
            }
        };
        class.is_some_and(|(all, with)| *all >= CLASS && with * 100 >= all * USUAL)
    }

    /// What it saves to see the fault behind `effect` as one of `cause`: a gap of the CMDB is above it, and
    /// `cause` shows the same name.
    pub(super) fn gain_by_name(&mut self, cause: &Case, effect: &Case) -> Option<Nats> {
        let root = effect.root;
        let smaller = effect.spots.len() < cause.spots.len();
        if !smaller || self.force.ix(cause.root).is_none() || !self.needs_unknown(root) {
            return None;
        }
        let names = effect.spots.get(&root).into_iter();
        let fit = names
            .flat_map(|spot| spot.named.keys())
            .filter(|name| cause.named.contains_key(*name))
            .map(|name| self.fit(cause, Some(*name)))
            .max()
            .filter(|fit| *fit > WORST_FIT)?;
        Some(fit - UNKNOWN_CI - self.base(root, effect.first, true))
    }

    /// The way of an alert whose CI the CMDB does not know into an incident of known CIs that shows its name just
    /// now. (Unknown ones are gathered among themselves by their labels.)
    pub(super) fn way_by_name(&self, incident: IncidentId, new: New, about: &About) -> Option<Way> {
        let case = &self.state.incidents.get(&incident)?.case;
        let fit = self.fit(case, new.name);
        let known = self.force.ix(case.root).is_some();
        if !known || alerts(&case.named) < ENOUGH || fit <= 0 {
            return None;
        }
        let value = fit
            - scale::lag(Near::of(case, new.ci, about).delay(case, new))
            - new.chance
            - UNKNOWN_CI;
        Some(Way {
            value,
            how: How::Named,
            via: None,
            incident,
            others: Vec::new(),
        })
    }
}

impl Engine {
    /// The incidents in which hosts went down just now, if an alert tells that its own did.
    pub(super) fn incidents_with_hosts_down(&self, new: New) -> Vec<IncidentId> {
        let goes_down = self
            .state
            .alerts
            .get(&new.alert)
            .is_some_and(|a| self.hides(a));
        if !goes_down || self.force.graph.is_none() {
            return Vec::new();
        }
        let mut hosts: BTreeMap<IncidentId, BTreeSet<CiId>> = BTreeMap::new();
        for alert in self.state.alerts.values().rev().take(MAX_ALERTS) {
            let just_now = distance(alert.started, new.began) <= WITHIN;
            if let Some(incident) = alert.incident.filter(|_| just_now && self.hides(alert)) {
                let hosts = hosts.entry(self.incident_of(incident)).or_default();
                hosts.insert(alert.ci);
            }
        }
        let enough = |(incident, hosts): (IncidentId, BTreeSet<CiId>)| {
            (hosts.len() >= HOSTS).then_some(incident)
        };
        hosts.into_iter().filter_map(enough).collect()
    }

    /// The way of a host of which the CMDB does not say what it needs into an incident whose hosts go down just now.
    pub(super) fn way_of_host(&self, incident: IncidentId, new: New, about: &About) -> Option<Way> {
        let case = &self.state.incidents.get(&incident)?.case;
        self.force.ix(case.root)?;
        let delay = Near::of(case, new.ci, about).delay(case, new);
        Some(Way {
            value: DOWN_TOO - scale::lag(delay) - new.chance - UNKNOWN_CI,
            how: How::DownToo,
            via: None,
            incident,
            others: Vec::new(),
        })
    }
}

/// Counts the CIs of a graph by their class.
pub(super) fn classes(graph: &Graph) -> Classes {
    let mut classes = Classes::new();
    let last = u32::try_from(graph.len()).unwrap_or(u32::MAX);
    for ix in (0..last).map(Ix) {
        let Some(ci) = graph.ci(ix) else {
            continue;
        };
        let needs = u64::from(graph.causes(ix).next().is_some());
        match classes.get_mut(&ci.class) {
            Some((all, with)) => (*all, *with) = (*all + 1, *with + needs),
            None => {
                classes.insert(ci.class.clone(), (1, needs));
            }
        }
    }
    classes
}
