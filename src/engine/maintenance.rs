//! Maintenance windows and changes: what people said they would do to a CI.
//!
//! A window is judged at the incident, along the graph: it keeps back the ticket if the live alerts began in it
//! and are about its CI or (if that was said) about something that needs its CI. A fault of something else opens
//! its ticket, window or not. What is still broken some time after the end opens one as well; its cause is looked
//! for anew among what is broken then.
//!
//! A CMDB lacks relations. What is set aside waits with the maintenance while it is the smaller part and nothing of
//! it is urgent; so does a CI of which no need is recorded at all, if it does what its like do under the window.

use super::Engine;
use super::correlate::case::Spot;
use super::incident::Incident;
use super::state::{IncidentState, Timer};
use super::stretch::Stretch;
use crate::config::planned::OF_CONFIG;
use crate::graph::Lookup;
use crate::model::{AlertId, CiId, IncidentId, Millis, Priority};
use crate::record::{ChangeV1, MaintenanceV1, Record};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Windows kept; more are refused with a warning.
const MAX_WINDOWS: usize = 10_000;
/// Changes kept per CI.
const MAX_CHANGES: usize = 8;
/// Clocks differ: an alert this long before a window still is in it.
pub const BEFORE: Millis = Millis::secs(60);
/// What was switched off needs time to come back, and monitoring to see it: so long after the end of a window
/// nothing of it opens a ticket.
pub const SETTLES: Millis = Millis::mins(10);
/// Places of a maintenance with which others may have begun.
const MANY: usize = 10;
/// Places of an incident that may have begun with a maintenance.
const SMALL: usize = 2;
/// So long after the first alert of a maintenance others begin with it.
const WITH: Millis = Millis::mins(5);
/// A change is suspect for this long.
pub(super) const SUSPECT: Millis = Millis::mins(30);
/// Changes are forgotten after this.
const KEEP: Millis = Millis::mins(24 * 60);

/// A maintenance window.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// The CI by its CMDB id.
    pub ci: Arc<str>,
    /// From.
    pub from: Millis,
    /// To.
    pub to: Millis,
    /// What needs the CI is in it too.
    pub include_dependents: bool,
}

/// A change of a CI.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Its number in the ITSM tool.
    pub id: Arc<str>,
    /// When.
    pub at: Millis,
    /// What was changed.
    pub summary: Arc<str>,
}

impl Engine {
    pub(super) fn maintenance(&mut self, record: &MaintenanceV1) {
        if record.to <= record.from {
            return self.window_taken_back(&record.id);
        }
        if self.state.windows.len() >= MAX_WINDOWS && !self.state.windows.contains_key(&*record.id)
        {
            let text = format!(
                "maintenance {:?} left out: {MAX_WINDOWS} windows are the limit",
                record.id
            );
            return self.warn(None, text);
        }
        let id: Arc<str> = record.id.as_str().into();
        let window = Window {
            ci: record.ci.as_str().into(),
            from: record.from,
            to: record.to,
            include_dependents: record.include_dependents,
        };
        self.state.windows.insert(id.clone(), window);
        self.set_timer(record.to.plus(SETTLES), Timer::Window(id.clone()));
        if self.force.graph.is_some() && self.ci_meant(&record.ci).is_none() {
            let text = format!(
                "maintenance {id}: {:?} is no CI; it covers nothing",
                record.ci
            );
            self.warn(None, text);
        }
        let until = record.to.rfc3339();
        // What the configuration plans for weeks ahead is one line of the daemon.
        if record.from <= self.state.at || !record.id.starts_with(OF_CONFIG) {
            self.line(
                None,
                format!("maintenance {id} on {} until {until}", record.ci),
            );
        }
        self.forget_windows();
        self.touch_held_back();
    }

    /// Somebody took a window back: as if it had never been.
    fn window_taken_back(&mut self, id: &str) {
        if self.state.windows.remove(id).is_some() {
            self.line(None, format!("maintenance {id} is taken back"));
            self.place_again_after(id);
            self.forget_windows();
            self.touch_held_back();
        }
    }

    /// What a window kept back and is still broken is placed anew, where other alerts of the incident are over:
    /// what was maintained may work again, and then it is not the cause of what does not.
    pub(super) fn place_again_after(&mut self, window: &str) {
        let all = self.kept_back.iter();
        let kept: Vec<IncidentId> = all
            .filter_map(|id| Some((id, self.state.incidents.get(id)?)))
            .filter(|(_, i)| i.maintenance.as_deref() == Some(window))
            .filter(|(_, i)| i.state.lives() && i.opened.is_none() && i.hands.placed.is_empty())
            .map(|(id, _)| *id)
            .collect();
        let at = self.state.at;
        for id in kept {
            let members = self.state.incidents.get(&id).map(|i| i.members.keys());
            let alerts = members.into_iter().flatten();
            let (live, over): (Vec<AlertId>, Vec<AlertId>) =
                alerts.partition(|a| self.state.alerts.get(a).is_some_and(|a| a.live()));
            if live.is_empty() || over.is_empty() {
                continue;
            }
            self.unindex(id);
            let Some(known) = self.state.incidents.get_mut(&id) else {
                continue;
            };
            self.index.lately.forget();
            known.members.retain(|a, _| over.contains(a));
            known.live = 0;
            known.state = IncidentState::Resolved;
            known.resolved = Some(at);
            let mut again: Vec<(Millis, AlertId)> = Vec::new();
            for alert in live {
                if let Some(known) = self.state.alerts.get_mut(&alert) {
                    known.incident = None;
                    again.push((known.started, alert));
                }
            }
            again.sort_unstable();
            let text = format!(
                "maintenance {window} is over: {} of its alerts still fire and are placed anew",
                again.len()
            );
            self.turn_of(id, &text);
            self.line(Some(id), text);
            self.forget_later(id);
            self.touch(id);
            for (_, alert) in again {
                self.place_or_later(alert);
            }
        }
    }

    /// Finds the incidents that a window keeps or kept back, after a start.
    pub(super) fn find_kept_back(&mut self) {
        let all = self.state.incidents.iter();
        let kept = all.filter(|(_, i)| i.maintenance.is_some());
        self.kept_back = kept.map(|(id, _)| *id).collect();
    }

    /// Incidents that might have a ticket by now are looked at again.
    pub(super) fn touch_held_back(&mut self) {
        let held: Vec<IncidentId> = self
            .state
            .incidents
            .iter()
            .filter(|(_, i)| i.state.lives() && i.opened.is_none())
            .map(|(id, _)| *id)
            .collect();
        for id in held {
            self.touch(id);
        }
    }

    /// The window that keeps back the ticket of an incident. Places that no window covers are set aside first,
    /// if they are the lesser part: a fault beside the maintenance has a ticket of its own.
    pub(super) fn in_maintenance(&mut self, id: IncidentId) -> Option<Arc<str>> {
        let name = self.window_over(id);
        if let Some(known) = self.state.incidents.get_mut(&id) {
            known.maintenance.clone_from(&name);
            match name.is_some() {
                true => self.kept_back.insert(id),
                false => self.kept_back.remove(&id),
            };
        }
        name
    }

    fn window_over(&mut self, id: IncidentId) -> Option<Arc<str>> {
        let at = self.state.at;
        if self.state.windows.is_empty() {
            return None;
        }
        let mut work = self.stretches(at.plus(BEFORE));
        work.retain(|s| s.settled() > at);
        if work.is_empty() {
            return None;
        }
        let places = self.places(id)?;
        let mut done: BTreeSet<(Millis, Millis)> = BTreeSet::new();
        for stretch in &work {
            if !done.insert(stretch.times()) {
                continue;
            }
            // Windows of the same time are one piece of work on several CIs: they count together.
            let together = work.iter().filter(|s| s.times() == stretch.times());
            let beside = self.beside_windows(id, &places, together);
            if beside.len().saturating_mul(2) < places.len() {
                return self.keeps_back(id, &places, &beside, &stretch.name);
            }
            if self.waits_beside(id, &beside, stretch) {
                return Some(stretch.name.clone());
            }
        }
        // Of several pieces of work none may cover most of an incident that all of them cover: it waits for the first end.
        let beside = self.beside_windows(id, &places, work.iter());
        if done.len() > 1 && beside.is_empty() {
            let places = || {
                places
                    .iter()
                    .map(|(p, began)| (*p, self.spot(id, *p), *began))
            };
            let mut covering = work;
            covering.retain(|s| self.covers_any(&s.window, places()));
            let first = covering.into_iter().min_by_key(|s| s.window.to);
            return first.map(|s| s.name);
        }
        self.began_with_maintenance(id)
    }

    /// The places of an incident that none of some windows covers.
    fn beside_windows<'a>(
        &self,
        id: IncidentId,
        places: &BTreeMap<CiId, Millis>,
        work: impl Iterator<Item = &'a Stretch>,
    ) -> Vec<CiId> {
        let mut beside = places.clone();
        for window in work.map(|s| &s.window) {
            if let Some(ci) = self.ci_meant(&window.ci) {
                beside.retain(|place, began| {
                    !covers(window, ci, *place, self.spot(id, *place), *began)
                });
            }
        }
        let covered = |place: &CiId| !beside.contains_key(place);
        let covered: BTreeSet<CiId> = places.keys().copied().filter(covered).collect();
        if beside.len() <= MANY {
            beside.retain(|place, _| !self.is_gap(id, *place, id, |c| covered.contains(c)));
        }
        beside.into_keys().collect()
    }

    /// A window covers most of an incident: the rest of what fires becomes an incident of its own. Where nothing
    /// else fires any more, a small rest gets the time that things need to come back.
    fn keeps_back(
        &mut self,
        id: IncidentId,
        places: &BTreeMap<CiId, Millis>,
        beside: &[CiId],
        name: &Arc<str>,
    ) -> Option<Arc<str>> {
        let fires = |place: &CiId| self.spot(id, *place).is_some_and(|s| s.live > 0);
        let beside: Vec<CiId> = beside.iter().copied().filter(fires).collect();
        let firing = places.keys().filter(|p| fires(p)).count();
        if firing > beside.len() && !beside.is_empty() {
            self.set_aside(id, &beside, name);
        } else if firing > 0 && firing == beside.len() {
            let urgent = beside.iter().any(|place| self.is_urgent(id, *place));
            if urgent || firing > SMALL {
                return None;
            }
        }
        Some(name.clone())
    }

    /// Whether a part that was set aside from a maintenance waits with it, or with another one with which it began:
    /// most likely the CMDB lacks a relation. It must be smaller than what that keeps back, which must go on, and
    /// nothing of it may be urgent.
    fn waits_beside(&self, id: IncidentId, beside: &[CiId], work: &Stretch) -> bool {
        let of_it = |name: &Option<Arc<str>>| name.as_ref().is_some_and(|name| work.has(name));
        let known = self.state.incidents.get(&id);
        let Some(known) = known.filter(|i| i.beside.is_some() && i.opened.is_none()) else {
            return false;
        };
        let goes_on = |other: &&Incident| {
            let apart = known.case.first.since(other.case.first).0.saturating_abs();
            other.beside.is_none()
                && other.state.lives()
                && of_it(&other.maintenance)
                && (of_it(&known.beside) || apart <= WITH.0)
        };
        let kept = self.state.incidents.values().filter(goes_on);
        let largest = kept.map(|i| i.case.spots.len()).max();
        largest.is_some_and(|most| beside.len() < most)
            && !beside.iter().any(|place| self.is_urgent(id, *place))
    }

    /// Places of an incident with the begin of the last alert that counts there: one that fires, or that has been
    /// over for so short a time that others may still be coming back.
    fn places(&mut self, id: IncidentId) -> Option<BTreeMap<CiId, Millis>> {
        let at = self.state.at;
        let known = self.state.incidents.get(&id)?;
        let mut places = BTreeMap::new();
        let mut again: Option<Millis> = None;
        for (alert, member) in &known.members {
            let alert = self.state.alerts.get(alert)?;
            let until = alert.ended.map(|e| e.plus(SETTLES)).filter(|u| *u > at);
            if alert.live() || known.live == 0 || until.is_some() {
                let began = places.entry(member.ci).or_insert(alert.started);
                *began = alert.started.max(*began);
                if !alert.live() {
                    again = again.max(until);
                }
            }
        }
        if let Some(due) = again.filter(|_| known.live > 0) {
            self.set_timer(due, Timer::Wait(id));
        }
        (!places.is_empty()).then_some(places)
    }

    /// The CI of this CMDB id, else of this name.
    pub(super) fn ci_meant(&self, word: &str) -> Option<CiId> {
        let by_id = self.state.cis.find(word);
        by_id.or_else(|| match self.force.graph.as_ref()?.lookup(word) {
            Lookup::One(ix) => self.force.id(ix),
            Lookup::None | Lookup::Many(_) => None,
        })
    }

    /// The window that covers something of an incident, of those of the same time as the one that keeps it back. None
    /// where the incident only began with it.
    pub(in crate::engine) fn covering_window(
        &self,
        name: &str,
        known: &Incident,
    ) -> Option<Arc<str>> {
        let work = self.stretches(self.state.at.plus(BEFORE));
        let kept_by = || work.iter().filter(|s| s.has(name));
        let same = work
            .iter()
            .filter(|s| kept_by().any(|k| k.times() == s.times()));
        let places = || known.case.spots.iter().map(|(p, s)| (*p, Some(s), s.last));
        let covering = kept_by()
            .chain(same)
            .find(|s| self.covers_any(&s.window, places()));
        covering.map(|s| s.name.clone())
    }

    fn covers_any<'a>(
        &self,
        window: &Window,
        mut places: impl Iterator<Item = (CiId, Option<&'a Spot>, Millis)>,
    ) -> bool {
        let ci = self.ci_meant(&window.ci);
        ci.is_some_and(|ci| places.any(|(p, spot, began)| covers(window, ci, p, spot, began)))
    }

    /// Whether a place alerts like places of another incident (or of its own), and nothing is recorded that it
    /// needs: a gap in the CMDB.
    fn is_gap(
        &self,
        incident: IncidentId,
        place: CiId,
        other: IncidentId,
        of: impl Fn(&CiId) -> bool,
    ) -> bool {
        let (Some(spot), Some(other)) =
            (self.spot(incident, place), self.state.incidents.get(&other))
        else {
            return false;
        };
        let class = |ci: CiId| self.force.ci(ci).map(|c| c.class.as_str());
        let like = |(ci, other): (&CiId, &Spot)| {
            *ci != place
                && of(ci)
                && class(place).is_none_or(|own| class(*ci) == Some(own))
                && (other.named.keys().any(|name| spot.named.contains_key(name))
                    || (other.named.is_empty() && spot.named.is_empty()))
        };
        self.cone_of(place).is_empty() && other.case.spots.iter().any(like)
    }

    /// Whether a place of an incident is P1 or P2 for itself.
    fn is_urgent(&self, incident: IncidentId, place: CiId) -> bool {
        let spot = self.spot(incident, place);
        spot.is_some_and(|s| self.priority_of_place(place, s.worst) <= Priority::P2)
    }

    /// What begins with the many alerts of a maintenance, and of which the CMDB knows no relation to it, is
    /// most likely part of it: it waits for the end of the window, unless it is small no more or P1. The same
    /// holds for gaps in the CMDB, however few alerts there are.
    fn began_with_maintenance(&self, id: IncidentId) -> Option<Arc<str>> {
        let known = self.state.incidents.get(&id)?;
        if known.case.spots.len() > SMALL || known.priority == Priority::P1 {
            return None;
        }
        let gaps = |other: IncidentId| {
            let mut places = known.case.spots.keys();
            other != id && places.all(|place| self.is_gap(id, *place, other, |_| true))
        };
        let with = |(id, other): &(&IncidentId, &Incident)| {
            let late = known.case.first.since(other.case.first);
            let together = late > Millis(-BEFORE.0) && late <= WITH;
            together && (other.case.spots.len() >= MANY || gaps(**id))
        };
        let kept = self.kept_back.iter();
        let of = kept
            .filter_map(|id| Some((id, self.state.incidents.get(id)?)))
            .filter(with);
        of.filter_map(|(_, i)| i.maintenance.clone())
            .find(|name| self.state.windows.contains_key(name))
    }

    /// Why a window or a change that people plan has no effect as things are, if it has none.
    pub fn plan_in_vain(&self, plan: &Record) -> Option<String> {
        let unknown = |ci: &str| match &self.force.graph {
            _ if self.ci_meant(ci).is_some() => None,
            Some(graph) => graph.doubt(ci),
            None => Some(format!("no CI is called {ci:?}, for no CMDB is loaded")),
        };
        match plan {
            Record::Maintenance(window) if window.to <= window.from => {
                let known = self.state.windows.contains_key(window.id.as_str());
                (!known).then(|| format!("there is no window {:?}", window.id))
            }
            Record::Maintenance(window) if window.to <= self.state.at => {
                Some("the window is over already".to_owned())
            }
            Record::Maintenance(window) => unknown(&window.ci),
            Record::Change(change) => unknown(&change.ci),
            _ => None,
        }
    }

    pub(super) fn change(&mut self, record: &ChangeV1) {
        let at = self.state.at;
        let Some(ci) = self.ci_meant(&record.ci) else {
            let text = format!("change {}: {:?} is no CI", record.id, record.ci);
            return self.warn(None, text);
        };
        self.index.score_anew();
        self.rank_all_anew();
        let changes = self.state.changes.entry(ci).or_default();
        changes.retain(|c| at.since(c.at) < KEEP);
        if changes.len() >= MAX_CHANGES {
            changes.remove(0);
        }
        changes.push(Change {
            id: record.id.as_str().into(),
            at: record.at,
            summary: record.summary.as_str().into(),
        });
    }

    /// How long before `at` a CI was changed, if that is not long.
    pub(super) fn changed_before(&self, ci: CiId, at: Millis) -> Option<Millis> {
        let changes = self.state.changes.get(&ci)?;
        let before = changes.iter().map(|change| at.since(change.at));
        let shortly = |before: &Millis| *before <= SUSPECT && *before >= Millis(-60_000);
        before.filter(shortly).min()
    }
}

/// Whether a window on `ci` covers an alert at a place of an incident. What needs the CI only through others that
/// alert is covered too: its place in the incident says so.
fn covers(window: &Window, ci: CiId, place: CiId, spot: Option<&Spot>, began: Millis) -> bool {
    let inside = began.plus(BEFORE) >= window.from && began <= window.to.plus(SETTLES);
    let needs = || spot.is_some_and(|s| s.weight(ci).is_some());
    inside && (place == ci || (window.include_dependents && needs()))
}
