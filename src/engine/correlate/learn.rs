//! What an incident learns from an alert that joined it: a place, and what may be behind it.

use super::index::About;
use super::join::explained_by;
use super::place::New;
use crate::engine::Engine;
use crate::model::{CiId, IncidentId};

/// A link that was missing and alerts now shows what is behind it at least so well, per mille: that the fault came
/// through it is seen.
const SHOWN: u16 = 500;

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
        let mut causes: Vec<CiId> = Vec::new();
        let Some(known) = self.state.incidents.get_mut(&incident) else {
            return;
        };
        let case = &mut known.case;
        let before = case.before();
        let is_new = case.count(new.ci, new.began, new.severity, new.chance, late, new.name);
        if let Some(name) = new.name {
            self.index.add_name(name, incident);
        }
        if let Some(spot) = case.spots.get_mut(&new.ci) {
            spot.witness = new.witness && (is_new || spot.witness);
        }
        let needs: Vec<(CiId, u16)> = about.cone.iter().map(|n| (n.ci, n.weight)).collect();
        causes.extend(case.raise_all(new.ci, &needs));
        if is_new {
            let inherited = via
                .filter(|v| *v != new.ci)
                .and_then(|v| Some((about.weight(v)?, &case.spots.get(&v)?.causes, v)));
            if let Some((link, behind, via)) = inherited {
                let weight = |cause, weight| match cause == via {
                    true => link,
                    false => chained(link, weight),
                };
                let behind = behind.iter().map(|(cause, w)| (*cause, weight(*cause, *w)));
                let behind: Vec<(CiId, u16)> = behind.collect();
                causes.extend(case.raise_all(new.ci, &behind));
            }
            let behind = case.spots.get(&new.ci).into_iter().flat_map(|s| &s.causes);
            let behind = behind.copied().filter(|(c, _)| *c != new.ci);
            let behind: Vec<(CiId, u16)> = behind.collect();
            let explained = match behind.is_empty() {
                true => Vec::new(),
                false => explained_by(case, new.ci, 0),
            };
            let explained = explained.into_iter().map(|(place, w, _)| (place, w));
            let explained: Vec<(CiId, u16)> = explained.collect();
            for (place, link) in explained {
                let behind = behind.iter().map(|(c, w)| (*c, handed_on(link, *w)));
                let behind: Vec<(CiId, u16)> = behind.collect();
                causes.extend(case.raise_all(place, &behind));
            }
            self.index.add_place(new.ci, incident);
            self.note_gap(new.ci, incident);
        }
        self.heard_behind(incident, new.alert);
        if let Some(hider) = new.hider {
            self.note_hider(incident, hider);
        }
        for cause in causes {
            self.index.add_cause(cause, incident);
        }
        self.rescore_after(incident, &before, new.ci);
    }
}

/// Weight by which a place may be explained by what is behind a CI that alerts and is a link to it.
pub fn handed_on(link: u16, behind: u16) -> u16 {
    chained(link, behind.max(SHOWN))
}

/// Weight of a path through a CI that alerts; a little is lost at each link.
pub fn chained(link: u16, behind: u16) -> u16 {
    let product = u32::from(link) * u32::from(behind) / 1000 * 950 / 1000;
    u16::try_from(product).unwrap_or(u16::MAX)
}
