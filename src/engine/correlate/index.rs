//! Where to look when an alert is placed: which live incidents alert at a CI, which a CI could explain, and
//! what the graph says about a CI.
//!
//! Derived from the state and the graph, so it is not in the snapshot.

use super::fine::Fine;
use super::hidden::Hidden;
use super::known::{Known, Waste};
use super::scale::{Each, Nats, OWN};
use super::under::Dependant;
use crate::engine::Engine;
use crate::engine::maintenance::Window;
use crate::model::{CiId, IncidentId};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Smallest weight of a path over which the silence of a dependant counts against a cause, per mille.
pub(super) const MIN_EXPECTED: u16 = 80;
/// Dependants looked at for the absence.
pub(super) const MAX_UNDER: usize = 20_000;

/// A CI that another one needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Need {
    /// The CI that is needed.
    pub ci: CiId,
    /// Chance that its fault shows, per mille.
    pub weight: u16,
    /// Relations between them.
    pub hops: u8,
}

/// What the graph in force says about a CI.
#[derive(Clone, Debug, Default)]
pub struct About {
    /// What it needs, itself included with its own weight; sorted by number.
    pub cone: Vec<Need>,
}

/// What speaks for and against a CI as a cause, before anything alerts.
#[derive(Clone, Copy, Debug, Default)]
pub struct Standing {
    /// ln of how much commoner than that of others it is that it is the cause of anything.
    pub prior: Nats,
    /// What it costs as a cause to have no alert of its own.
    pub silence: Nats,
    /// What it costs that all its monitored dependants are silent, for each fraction.
    pub absence: Each,
}

impl About {
    /// Weight by which the CI needs `cause`.
    pub fn weight(&self, cause: CiId) -> Option<u16> {
        let at = self.cone.binary_search_by_key(&cause, |n| n.ci).ok()?;
        self.cone.get(at).map(|n| n.weight)
    }
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct Index {
    at: BTreeMap<CiId, BTreeSet<IncidentId>>,
    causes: BTreeMap<CiId, BTreeSet<IncidentId>>,
    /// CIs of each class, and how many of them need anything.
    pub(super) classes: Option<BTreeMap<String, (u64, u64)>>,
    /// The dependants of the windows of now, and which these are.
    pub(super) windows: Option<(Vec<Window>, Arc<BTreeSet<CiId>>)>,
    known: Known,
    waste: Waste,
}

impl Index {
    /// Live incidents with an alert at `ci`, oldest first.
    pub fn at(&self, ci: CiId) -> impl DoubleEndedIterator<Item = IncidentId> + '_ {
        self.at.get(&ci).into_iter().flatten().copied()
    }
    /// Live incidents that a fault of `ci` could explain in part, oldest first.
    pub fn explained_by(&self, ci: CiId) -> impl DoubleEndedIterator<Item = IncidentId> + '_ {
        self.causes.get(&ci).into_iter().flatten().copied()
    }
    /// Every entry: which incident alerts where, and which a CI could explain.
    pub(super) fn entries(&self) -> [BTreeSet<(CiId, IncidentId)>; 2] {
        let all = |map: &BTreeMap<CiId, BTreeSet<IncidentId>>| {
            let of = map.iter();
            of.flat_map(|(ci, all)| all.iter().map(|i| (*ci, *i)))
                .collect()
        };
        [all(&self.at), all(&self.causes)]
    }
    pub(super) fn fine(&self, ci: CiId) -> Option<Fine> {
        self.known.fine.get(&ci).map(|fine| **fine)
    }
    pub(super) fn keep_fine(&mut self, ci: CiId, absence: Fine) {
        self.known.fine.insert(ci, Box::new(absence));
    }
    pub(super) fn hidden(&self, ci: CiId) -> Option<Hidden> {
        self.known.hidden.get(&ci).cloned()
    }
    pub(super) fn keep_hidden(&mut self, ci: CiId, hidden: Hidden) {
        self.known.hidden.insert(ci, hidden);
    }
    pub(super) fn under(&self, ci: CiId) -> Option<Arc<[Dependant]>> {
        self.known.under.get(&ci).cloned()
    }
    pub(super) fn keep_under(&mut self, ci: CiId, found: Arc<[Dependant]>, most: usize) {
        if self.known.under.len() >= most {
            self.known.under.clear();
        }
        self.known.under.insert(ci, found);
    }
    pub(super) fn add_cause(&mut self, ci: CiId, incident: IncidentId) {
        self.causes.entry(ci).or_default().insert(incident);
    }
    pub(super) fn add_place(&mut self, ci: CiId, incident: IncidentId) {
        self.at.entry(ci).or_default().insert(incident);
    }
}

impl Engine {
    /// What the graph says about a CI; asked once per graph.
    pub(in crate::engine) fn about(&mut self, ci: CiId) -> Arc<About> {
        if let Some(known) = self.index.known.about.get(&ci) {
            return known.clone();
        }
        let mut cone = self.cone_of(ci);
        cone.push(Need {
            ci,
            weight: OWN,
            hops: 0,
        });
        cone.sort_unstable_by_key(|n| n.ci);
        let about = Arc::new(About { cone });
        self.index.known.about.insert(ci, about.clone());
        about
    }

    /// See [`Standing`]; asked once per graph.
    pub(super) fn standing(&mut self, ci: CiId) -> Standing {
        if let Some(known) = self.index.known.standing.get(&ci) {
            return *known;
        }
        let absence = self.absence(ci);
        // Looked up together: whoever asks for the one will ask for the other.
        self.index.keep_fine(ci, absence.fine);
        let (prior, silence) = self.prior_of(ci);
        let standing = Standing {
            prior,
            silence,
            absence: absence.each,
        };
        self.index.known.standing.insert(ci, standing);
        standing
    }

    /// The same, if it was asked for since the graph came into force.
    pub(super) fn known_standing(&self, ci: CiId) -> Option<Standing> {
        self.index.known.standing.get(&ci).copied()
    }

    /// What the graph says about a CI, without keeping it.
    pub(super) fn about_of(&self, ci: CiId) -> Arc<About> {
        let known = self.index.known.about.get(&ci).cloned();
        known.unwrap_or_else(|| {
            let mut cone = self.cone_of(ci);
            cone.push(Need {
                ci,
                weight: OWN,
                hops: 0,
            });
            cone.sort_unstable_by_key(|n| n.ci);
            Arc::new(About { cone })
        })
    }

    /// What a CI needs, by the best path to each, without keeping it.
    pub(in crate::engine) fn cone_of(&self, ci: CiId) -> Vec<Need> {
        let (Some(graph), Some(ix)) = (&self.force.graph, self.force.ix(ci)) else {
            return Vec::new();
        };
        graph
            .cone(ix, self.state.rules.correlate.min_weight)
            .into_iter()
            .filter_map(|reach| {
                Some(Need {
                    ci: self.force.id(reach.ci)?,
                    weight: reach.weight,
                    hops: reach.hops,
                })
            })
            .collect()
    }

    /// Takes an incident that is over, merged or to be indexed anew out of the index.
    pub(in crate::engine) fn unindex(&mut self, incident: IncidentId) {
        let Some(known) = self.state.incidents.get(&incident) else {
            return;
        };
        for ci in known.case.spots.keys() {
            drop_from(&mut self.index.at, *ci, incident);
        }
        for ci in known.case.sums.keys() {
            drop_from(&mut self.index.causes, *ci, incident);
        }
    }

    /// Puts an incident into the index, its sums made anew.
    pub(in crate::engine) fn reindex(&mut self, incident: IncidentId) {
        let Some(known) = self.state.incidents.get_mut(&incident) else {
            return;
        };
        known.case.sum_up();
        for ci in known.case.spots.keys() {
            self.index.add_place(*ci, incident);
        }
        for ci in known.case.sums.keys() {
            self.index.add_cause(*ci, incident);
        }
    }

    /// Makes the index anew, after a start.
    pub(in crate::engine) fn rebuild_index(&mut self) {
        self.index = Index::default();
        let live: Vec<IncidentId> = self
            .state
            .incidents
            .iter()
            .filter(|(_, i)| i.state.lives())
            .map(|(id, _)| *id)
            .collect();
        for id in live {
            self.reindex(id);
        }
    }

    /// Forgets what an older graph said of some CIs: what they need, and what needs them.
    pub(in crate::engine) fn forget_some(&mut self, cones: &[CiId], dependants: &[CiId]) {
        self.index.classes = None;
        self.index.windows = None;
        for ci in cones {
            self.index.known.about.remove(ci);
        }
        for ci in dependants {
            self.index.known.standing.remove(ci);
            self.index.known.fine.remove(ci);
            self.index.known.under.remove(ci);
            self.index.known.hidden.remove(ci);
        }
    }

    /// Forgets what the old graph said.
    pub(in crate::engine) fn forget_graph(&mut self) {
        self.index.classes = None;
        self.index.windows = None;
        let known = std::mem::take(&mut self.index.known);
        self.index.waste.add(known);
    }

    /// Frees some of what was forgotten.
    pub(in crate::engine) fn dispose(&mut self) {
        self.index.waste.dispose();
    }
}

fn drop_from(map: &mut BTreeMap<CiId, BTreeSet<IncidentId>>, ci: CiId, incident: IncidentId) {
    if let Some(set) = map.get_mut(&ci) {
        set.remove(&incident);
        if set.is_empty() {
            map.remove(&ci);
        }
    }
}
