//! Where to look when an alert is placed: which live incidents alert at a CI, and whose root needs a CI.
//!
//! Derived from the state and the graph, so it is not in the snapshot.

use crate::engine::Engine;
use crate::model::{CiId, IncidentId};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

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

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct Index {
    at: BTreeMap<CiId, BTreeSet<IncidentId>>,
    needed_by_root: BTreeMap<CiId, BTreeSet<IncidentId>>,
    cones: BTreeMap<CiId, Arc<Vec<Need>>>,
}

impl Index {
    /// Live incidents with a member at `ci`, or whose silent root it is; oldest first.
    pub fn at(&self, ci: CiId) -> impl Iterator<Item = IncidentId> + '_ {
        self.at.get(&ci).into_iter().flatten().copied()
    }
    /// Live incidents whose root needs `ci`; oldest first.
    pub fn needing(&self, ci: CiId) -> impl Iterator<Item = IncidentId> + '_ {
        self.needed_by_root.get(&ci).into_iter().flatten().copied()
    }
}

impl Engine {
    /// What a CI needs, by the best path to each; looked up once per graph.
    pub(in crate::engine) fn cone(&mut self, ci: CiId) -> Arc<Vec<Need>> {
        if let Some(known) = self.index.cones.get(&ci) {
            return known.clone();
        }
        let cone = Arc::new(self.cone_of(ci));
        self.index.cones.insert(ci, cone.clone());
        cone
    }

    /// The same without keeping it.
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

    pub(in crate::engine) fn index_member(&mut self, incident: IncidentId, ci: CiId) {
        self.index.at.entry(ci).or_default().insert(incident);
    }

    /// Takes a root out of the index; `self.index_root` puts the next one in.
    pub(in crate::engine) fn unindex_root(&mut self, incident: IncidentId, root: CiId) {
        for ci in self.asked(incident, root) {
            for need in self.cone(ci).iter() {
                drop_from(&mut self.index.needed_by_root, need.ci, incident);
            }
        }
    }

    /// The CIs whose needs stand for those of the root: itself, and where it is only a silent guess, every
    /// alerting CI too.
    fn asked(&self, incident: IncidentId, root: CiId) -> BTreeSet<CiId> {
        let silent = self
            .state
            .incidents
            .get(&incident)
            .filter(|i| i.silent_root);
        let members = silent
            .into_iter()
            .flat_map(|i| i.members.values().map(|m| m.ci));
        members.chain([root]).collect()
    }

    pub(in crate::engine) fn index_root(&mut self, incident: IncidentId, root: CiId) {
        self.index.at.entry(root).or_default().insert(incident);
        for ci in self.asked(incident, root) {
            for need in self.cone(ci).iter() {
                let set = self.index.needed_by_root.entry(need.ci).or_default();
                set.insert(incident);
            }
        }
    }

    /// Takes an incident that is over or merged out of the index.
    pub(in crate::engine) fn unindex(&mut self, incident: IncidentId) {
        let Some(known) = self.state.incidents.get(&incident) else {
            return;
        };
        let root = known.root;
        let cis: BTreeSet<CiId> = known.members.values().map(|m| m.ci).chain([root]).collect();
        for ci in cis {
            drop_from(&mut self.index.at, ci, incident);
        }
        self.unindex_root(incident, root);
    }

    /// Makes the index anew, after a start or a new graph.
    pub(in crate::engine) fn rebuild_index(&mut self) {
        self.index = Index::default();
        let live: Vec<(IncidentId, CiId, BTreeSet<CiId>)> = self
            .state
            .incidents
            .iter()
            .filter(|(_, i)| i.state.lives())
            .map(|(id, i)| (*id, i.root, i.members.values().map(|m| m.ci).collect()))
            .collect();
        for (id, root, cis) in live {
            for ci in cis {
                self.index_member(id, ci);
            }
            self.index_root(id, root);
        }
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
