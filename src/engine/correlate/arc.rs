//! What is cut off together. Two devices that a line joins go down at the same moment: where a ring is cut twice a
//! whole arc of it does, and no single CI of the CMDB explains more than one end of that. What hangs on each of the two
//! says that it is down, whether it alerts itself or not.

use super::case::{Case, Spot, Sum};
use super::distance;
use super::index::About;
use super::merge::Together;
use super::place::{New, Way};
use super::scale::{Nats, nats};
use super::settle::MAX_PLACES;
use crate::engine::Engine;
use crate::engine::state::{How, Incident};
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
/// What hangs on one of them tells of it within this time.
const STILL: Millis = Millis::mins(5);
/// What it is worth to hang on one of them, beyond a fault of its own.
const HANGS_THERE: Nats = nats(10);
/// Incidents that become one after one alert.
const MAX_MERGES: usize = 4;

impl Engine {
    /// Makes the incident of an alert one with those of the neighbours that were cut off together with what the alert
    /// hangs on. Answers which incident goes on.
    pub(super) fn merge_arc(&mut self, mine: IncidentId, new: New) -> IncidentId {
        self.merge_cut_off(mine, |case| {
            let hard = case.spots.get(&new.ci).into_iter();
            let hard = hard.flat_map(|spot| &spot.causes);
            let hard = hard.filter(|(_, weight)| *weight >= HARD);
            (new.began, hard.map(|(ci, _)| *ci).collect())
        })
    }

    /// The same at the end of a hold: perhaps no alert came after all had had their time, and what no single CI explains
    /// was just taken apart (`settle`).
    pub(super) fn merge_arcs(&mut self, mine: IncidentId) -> IncidentId {
        self.merge_cut_off(mine, |case| {
            let few = case.spots.len() <= MAX_PLACES;
            let cut_off = case.sums.iter().filter(|(_, sum)| few && enough(sum));
            (case.last, cut_off.map(|(ci, _)| *ci).collect())
        })
    }

    /// Merges by CIs of an incident that may have been cut off, and when what hangs on them told of it last.
    fn merge_cut_off(
        &mut self,
        mut mine: IncidentId,
        asked: impl Fn(&Case) -> (Millis, Vec<CiId>),
    ) -> IncidentId {
        for _ in 0..MAX_MERGES {
            let known = self.state.incidents.get(&mine);
            let Some((began, asked)) = known.map(|known| asked(&known.case)) else {
                break;
            };
            let Some((other, ci, neighbour)) = self.cut_off_with(mine, &asked, began) else {
                break;
            };
            mine = self.merge_unless_kept_apart(mine, other, Together::CutOff(ci, neighbour));
        }
        mine
    }

    /// The way of an alert into an incident of neighbours that were cut off together, if it hangs on one of them as what
    /// alerts there does: no single cause explains them all.
    pub(super) fn way_into_arc(
        &mut self,
        incident: IncidentId,
        known: &Incident,
        new: New,
        about: &About,
    ) -> Option<Way> {
        let is_arc = known
            .merges
            .iter()
            .any(|merge| matches!(merge.why, Together::CutOff(..)));
        if !is_arc || new.severity != Severity::Critical {
            return None;
        }
        let hard = about.cone.iter().filter(|need| need.weight >= HARD);
        let cut_off = hard.filter(|need| {
            let down = down_since(&known.case, need.ci);
            need.ci != new.ci && down.is_some_and(|down| distance(down, new.began) <= STILL)
        });
        let hangs_on = cut_off.max_by_key(|need| need.weight)?;
        Some(Way {
            value: self.alone(new) + HANGS_THERE,
            how: How::CommonCause,
            via: Some(hangs_on.ci),
            incident,
            others: Vec::new(),
        })
    }

    /// Another incident, the CI there that was cut off, and its neighbour among some CIs of `mine`.
    fn cut_off_with(
        &self,
        mine: IncidentId,
        asked: &[CiId],
        began: Millis,
    ) -> Option<(IncidentId, CiId, CiId)> {
        let (known, graph) = (self.state.incidents.get(&mine)?, self.force.graph.as_ref()?);
        for own in asked {
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
                        && self.may_link(mine, other, known.shadow, began)
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

/// Whether a cause explains so many places that they may be what hangs on it.
fn enough(sum: &Sum) -> bool {
    usize::try_from(sum.places).is_ok_and(|n| n >= HANG)
}

/// When so many of what hangs on a CI were down; one may have been before, by itself.
fn down_since(case: &Case, ci: CiId) -> Option<Millis> {
    case.sums.get(&ci).filter(|sum| enough(sum))?;
    let hangs = case.spots.values().filter(|spot| {
        spot.worst == Severity::Critical
            && !spot.witness
            && spot.weight(ci).is_some_and(|weight| weight >= HARD)
    });
    let mut firsts: Vec<Millis> = hangs.map(|spot| spot.first).collect();
    firsts.sort_unstable();
    firsts.get(HANG.saturating_sub(1)).copied()
}
