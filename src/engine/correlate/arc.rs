//! What is cut off together. Two devices that a line joins go down at the same moment: where a ring is cut twice a
//! whole arc of it does, and no single CI of the CMDB explains more than one end of that. What hangs on each of the two
//! says that it is down, whether it alerts itself or not.

use super::case::{Case, Spot};
use super::distance;
use super::merge::Together;
use super::place::New;
use crate::engine::Engine;
use crate::model::{CiId, IncidentId, Millis, Severity};
use crate::rules::NEIGHBOUR;

/// CIs that hang on each of the two and are critical.
const HANG: usize = 3;
/// Weight by which they do at least, per mille.
const HARD: u16 = 500;
/// Both sides were down within this time of each other.
const TOGETHER: Millis = Millis::mins(2);
/// Not before what hangs on them had so long to tell.
const KNOWN_AFTER: Millis = Millis::secs(45);
/// Incidents that become one after one alert.
const MAX_MERGES: usize = 4;

impl Engine {
    /// Makes the incident of an alert one with those of the neighbours that were cut off together with what the alert
    /// hangs on. Answers which incident goes on.
    pub(super) fn merge_arc(&mut self, mut mine: IncidentId, new: New) -> IncidentId {
        for _ in 0..MAX_MERGES {
            let Some((other, ci, neighbour)) = self.cut_off_with(mine, new) else {
                break;
            };
            mine = self.merge_unless_kept_apart(mine, other, Together::CutOff(ci, neighbour));
        }
        mine
    }

    /// Another incident, the CI there that was cut off, and its neighbour in `mine`.
    fn cut_off_with(&self, mine: IncidentId, new: New) -> Option<(IncidentId, CiId, CiId)> {
        let (known, graph) = (self.state.incidents.get(&mine)?, self.force.graph.as_ref()?);
        let spot = known.case.spots.get(&new.ci)?;
        let hard = spot.causes.iter().filter(|(_, weight)| *weight >= HARD);
        for (own, _) in hard {
            let links = self.force.ix(*own).into_iter();
            let links = links.flat_map(|ix| graph.causes(ix));
            let lines = links.filter(|link| link.kind == NEIGHBOUR);
            for neighbour in lines.filter_map(|link| self.force.id(link.ci)) {
                for other in self.index.near(std::iter::once(neighbour)) {
                    let theirs = self.state.incidents.get(&other).map(|i| &i.case);
                    if other != mine
                        && theirs.is_some_and(|theirs| {
                            self.together(&known.case, *own, theirs, neighbour)
                        })
                        && self.may_link(mine, other, known.shadow, new.began)
                    {
                        return Some((other, neighbour, *own));
                    }
                }
            }
        }
        None
    }

    fn together(&self, mine: &Case, own: CiId, theirs: &Case, neighbour: CiId) -> bool {
        let down = down_since(theirs, neighbour).zip(down_since(mine, own));
        down.is_some_and(|(a, b)| {
            distance(a, b) <= TOGETHER
                && self.state.at.since(b) >= KNOWN_AFTER
                && is_of(theirs, a)
                && is_of(mine, b)
        })
    }
}

/// Whether most of an incident began when this CI of it went down: it is of that, and not of something before.
fn is_of(case: &Case, down: Millis) -> bool {
    let then = |spot: &&Spot| distance(spot.first, down) <= TOGETHER;
    case.spots.values().filter(then).count().saturating_mul(2) > case.spots.len()
}

/// When so many of what hangs on a CI were down; one may have been before, by itself.
fn down_since(case: &Case, ci: CiId) -> Option<Millis> {
    let enough = |places: u32| usize::try_from(places).is_ok_and(|n| n >= HANG);
    case.sums.get(&ci).filter(|sum| enough(sum.places))?;
    let hangs = case.spots.values().filter(|spot| {
        spot.worst == Severity::Critical
            && !spot.witness
            && spot.weight(ci).is_some_and(|weight| weight >= HARD)
    });
    let mut firsts: Vec<Millis> = hangs.map(|spot| spot.first).collect();
    firsts.sort_unstable();
    firsts.get(HANG.saturating_sub(1)).copied()
}
