//! What an incident learns from an alert that joined it: a place, and what may be behind it.

use super::case::Case;
use super::index::About;
use super::place::New;
use crate::engine::Engine;
use crate::model::{CiId, IncidentId};
use std::collections::BTreeMap;

impl Engine {
    /// Puts the alert's place, and what may be behind it, into an incident's case.
    ///
    /// Where the alert came through a cause that alerts, it inherits what may be behind that cause; and the
    /// places that it explains inherit what may be behind it: it was a link that was missing.
    pub(super) fn learn(
        &mut self,
        incident: IncidentId,
        new: New,
        about: &About,
        via: Option<CiId>,
        late: bool,
    ) {
        let mut causes: BTreeMap<CiId, bool> = BTreeMap::new();
        let Some(known) = self.state.incidents.get_mut(&incident) else {
            return;
        };
        let case = &mut known.case;
        if case.count(new.ci, new.began, new.severity, new.chance, late, new.name) {
            let mut raise = |case: &mut Case, place, cause, weight| {
                if case.raise(place, cause, weight) {
                    causes.insert(cause, true);
                }
            };
            for need in &about.cone {
                raise(case, new.ci, need.ci, need.weight);
            }
            let inherited = via
                .filter(|v| *v != new.ci)
                .and_then(|v| Some((about.weight(v)?, case.spots.get(&v)?.causes.clone(), v)));
            if let Some((link, behind, via)) = inherited {
                for (cause, weight) in behind {
                    let weight = match cause == via {
                        true => link,
                        false => chained(link, weight),
                    };
                    raise(case, new.ci, cause, weight);
                }
            }
            let behind = case.spots.get(&new.ci).map(|s| s.causes.clone());
            let explained: Vec<(CiId, u16)> = case
                .spots
                .iter()
                .filter(|(place, _)| **place != new.ci)
                .filter_map(|(place, spot)| Some((*place, spot.weight(new.ci)?)))
                .collect();
            for (place, link) in explained {
                for (cause, _) in behind.iter().flatten().filter(|(c, _)| *c != new.ci) {
                    raise(case, place, *cause, chained(link, 1000));
                }
            }
            self.index.add_place(new.ci, incident);
        } else {
            for need in &about.cone {
                if case.raise(new.ci, need.ci, need.weight) {
                    causes.insert(need.ci, true);
                }
            }
        }
        self.heard_behind(incident, new.alert);
        if let Some(hider) = new.hider {
            self.note_hider(incident, hider);
        }
        for cause in causes.keys() {
            self.index.add_cause(*cause, incident);
        }
        self.rescore(incident);
    }
}

/// Weight of a path through a CI that alerts; a little is lost at each link.
pub fn chained(link: u16, behind: u16) -> u16 {
    let product = u32::from(link) * u32::from(behind) / 1000 * 950 / 1000;
    u16::try_from(product).unwrap_or(u16::MAX)
}
