//! In which incidents an alert of a name came lately, counted as they are placed: with each placement it is asked what
//! shows the name of the alert, and there may be hundreds.
//!
//! Derived from the state, so it is not in the snapshot.

use crate::engine::Engine;
use crate::model::{AlertId, CiId, IncidentId};
use std::collections::{BTreeMap, VecDeque};

/// Names of which it is known.
const MAX_NAMES: usize = 1024;

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct Lately(BTreeMap<CiId, OfName>);

/// The incidents of the alerts of one name that are remembered: of each, in their order, and how many are in each.
#[derive(Clone, Debug, Default)]
struct OfName {
    each: VecDeque<IncidentId>,
    counts: BTreeMap<IncidentId, u32>,
}

impl OfName {
    fn add(&mut self, incident: IncidentId) {
        self.each.push_back(incident);
        let n = self.counts.entry(incident).or_default();
        *n = n.saturating_add(1);
    }
    fn drop(&mut self, at: usize) {
        let Some(gone) = self.each.remove(at) else {
            return;
        };
        if let Some(n) = self.counts.get_mut(&gone) {
            *n = n.saturating_sub(1);
            if *n == 0 {
                self.counts.remove(&gone);
            }
        }
    }
}

impl Lately {
    /// An alert that was placed is in another incident now, or in none, or either is forgotten.
    pub(in crate::engine) fn forget(&mut self) {
        self.0.clear();
    }

    /// Of so many alerts of a name that are remembered those at `gone`, in order, no longer are, and another one is.
    pub(super) fn remember(
        &mut self,
        name: CiId,
        (all, gone): (usize, &[usize]),
        incident: Option<IncidentId>,
    ) {
        let Some(known) = self.0.get_mut(&name) else {
            return;
        };
        let Some(incident) = incident.filter(|_| known.each.len() == all) else {
            self.0.remove(&name);
            return;
        };
        for at in gone.iter().rev() {
            known.drop(*at);
        }
        known.add(incident);
    }
}

impl Engine {
    /// Incidents in which an alert of this name came lately, oldest first.
    pub(super) fn incidents_with_name(&mut self, name: Option<CiId>) -> Vec<IncidentId> {
        let Some(name) = name else {
            return Vec::new();
        };
        if let Some(known) = self.index.lately.0.get(&name) {
            return self.as_of_now(known.counts.keys().copied());
        }
        let alerts = self.last_of_name(name).iter();
        let all: Vec<Option<IncidentId>> = alerts.map(|(_, id)| self.incident_with(*id)).collect();
        let mut known = OfName::default();
        all.iter()
            .flatten()
            .for_each(|incident| known.add(*incident));
        let found = self.as_of_now(known.counts.keys().copied());
        // One that is in none will be in one soon.
        if all.iter().all(Option::is_some) {
            if self.index.lately.0.len() >= MAX_NAMES {
                self.index.lately.forget();
            }
            self.index.lately.0.insert(name, known);
        }
        found
    }

    /// Which of the alerts of a name that are remembered is the first in this incident.
    pub(super) fn first_shown_in(&self, name: CiId, incident: Option<IncidentId>) -> Option<usize> {
        let recent = self.last_of_name(name);
        let known = self.index.lately.0.get(&name);
        let Some(known) = known.filter(|known| known.each.len() == recent.len()) else {
            let mut all = recent.iter();
            return all.position(|(_, id)| self.incident_with(*id) == incident);
        };
        let incident = incident?;
        let became = |known: &&IncidentId| self.incident_of(**known) == incident;
        let became: Vec<IncidentId> = known.counts.keys().filter(became).copied().collect();
        let mut each = known.each.iter().filter(|_| !became.is_empty());
        each.position(|known| became.contains(known))
    }

    fn incident_with(&self, alert: AlertId) -> Option<IncidentId> {
        self.state.alerts.get(&alert)?.incident
    }

    /// The incidents that these have become.
    fn as_of_now(&self, own: impl Iterator<Item = IncidentId>) -> Vec<IncidentId> {
        let mut now: Vec<IncidentId> = own.map(|id| self.incident_of(id)).collect();
        now.sort_unstable();
        now.dedup();
        now
    }
}
