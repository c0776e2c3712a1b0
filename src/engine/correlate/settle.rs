//! Settling: at the end of its hold an incident is explained anew, and split if several faults explain it
//! better than one.

use super::case::{Case, Names, Spot, add_name, gain_of};
use super::scale::{self, Each, Nats, nats};
use crate::engine::Engine;
use crate::engine::state::{How, Timer};
use crate::model::{AlertId, CiId, IncidentId, Millis};
use std::collections::{BTreeMap, BTreeSet};

/// Incidents of more places are taken as they are: the work grows with the square.
pub(super) const MAX_PLACES: usize = 150;
/// Parts looked for.
const MAX_PARTS: usize = 6;
/// What the parts must be worth more than the whole.
const MARGIN: Nats = nats(20);
/// The time by which dependants should have alerted.
const SEEN_BY: Millis = Millis::secs(60);
/// And if nothing but the effects speaks for the cause.
const SEEN_BY_IF_SILENT: Millis = Millis::secs(150);

/// One part: its cause and places.
type Part = (CiId, Vec<CiId>);

/// What one cause could explain.
#[derive(Default)]
struct Under {
    places: Vec<CiId>,
    gain: Each,
    named: Names,
}

impl Under {
    fn count(&mut self, cause: CiId, place: CiId, weight: u16, spot: &Spot) {
        self.places.push(place);
        self.gain = scale::plus(self.gain, gain_of(cause, place, weight, spot.chance));
        for (name, (n, last)) in &spot.named {
            add_name(&mut self.named, *name, *n, *last);
        }
    }
}

impl Engine {
    /// Splits a held incident if that explains it better.
    pub(super) fn settle(&mut self, id: IncidentId) {
        let Some(known) = self.state.incidents.get(&id) else {
            return;
        };
        let places = known.case.spots.len();
        if !known.hands.placed.is_empty() {
            return;
        }
        if !(2..=MAX_PLACES).contains(&places) {
            return;
        }
        let case = known.case.clone();
        // By now dependants have had their time: the whole is judged by what it is worth now.
        let seen_by = match case.spots.contains_key(&case.root) {
            true => SEEN_BY,
            false => SEEN_BY_IF_SILENT,
        };
        let at = self.state.at.max(case.last.plus(seen_by));
        let whole = case
            .sums
            .iter()
            .map(|(c, s)| self.value(&case, *c, s.gain(), at))
            .max()
            .map(|worth| worth + self.likeness(&case.named, &case.named));
        let greedy = self.partition(&case, at);
        let Some((total, parts)) = greedy
            .into_iter()
            .chain([self.each_alone(&case, at)])
            .max_by_key(|(v, _)| *v)
        else {
            return;
        };
        if parts.len() < 2 || total <= whole.unwrap_or(total) + MARGIN {
            return;
        }
        self.unindex(id);
        for (cause, places) in parts.into_iter().skip(1) {
            let why = format!("{} explains its part better", self.ci_name(cause));
            self.split_off(id, cause, &places, &why);
        }
        self.reindex(id);
        self.rescore(id);
    }

    /// Makes an incident of its own of places that a maintenance window does not cover.
    pub(in crate::engine) fn set_aside(&mut self, id: IncidentId, places: &[CiId], window: &str) {
        let Some(cause) = places.first().copied() else {
            return;
        };
        let by_hand = self
            .state
            .incidents
            .get(&id)
            .is_none_or(|i| !i.hands.placed.is_empty());
        if by_hand {
            return;
        }
        self.unindex(id);
        let why = format!("it is beside maintenance {window}");
        if let Some(new) = self.split_off(id, cause, places, &why) {
            self.keep_apart(new, BTreeSet::from([id]));
            if let Some(part) = self.state.incidents.get_mut(&new) {
                part.beside = Some(window.into());
            }
        }
        self.reindex(id);
        self.rescore(id);
    }

    /// Each place a fault of its own.
    fn each_alone(&mut self, case: &Case, at: Millis) -> (Nats, Vec<Part>) {
        let mut total = 0;
        let mut parts = Vec::new();
        for place in case.spots.keys() {
            total += self.value(case, *place, case.gain_from(*place, &[*place]), at)
                + self.likeness(&case.named_at(&[*place]), &case.named);
            parts.push((*place, vec![*place]));
        }
        (total, parts)
    }

    /// Greedily: the cause that explains most of what is left, not the present one first.
    fn partition(&mut self, case: &Case, at: Millis) -> Option<(Nats, Vec<Part>)> {
        let mut rest: BTreeSet<CiId> = case.spots.keys().copied().collect();
        let mut parts: Vec<Part> = Vec::new();
        let mut total = 0;
        while !rest.is_empty() {
            if parts.len() > MAX_PARTS {
                return None;
            }
            let mut under: BTreeMap<CiId, Under> = BTreeMap::new();
            for place in &rest {
                let Some(spot) = case.spots.get(place) else {
                    continue;
                };
                for (cause, weight) in &spot.causes {
                    let part = under.entry(*cause).or_default();
                    part.count(*cause, *place, *weight, spot);
                }
            }
            let mut best: Option<(Nats, Part)> = None;
            for (cause, part) in under {
                if cause == case.root && parts.is_empty() {
                    continue;
                }
                if !case.spots.contains_key(&cause) && part.places.len() < 2 {
                    continue;
                }
                let value = self.value(case, cause, part.gain, at)
                    + self.likeness(&part.named, &case.named);
                if best.as_ref().is_none_or(|(v, _)| value > *v) {
                    best = Some((value, (cause, part.places)));
                }
            }
            let (value, part) = best?;
            for place in &part.1 {
                rest.remove(place);
            }
            total += value;
            parts.push(part);
        }
        Some((total, parts))
    }

    /// Makes an incident of its own of some places of a held one.
    fn split_off(
        &mut self,
        from: IncidentId,
        cause: CiId,
        places: &[CiId],
        why: &str,
    ) -> Option<IncidentId> {
        let known = self.state.incidents.get_mut(&from)?;
        let wanted: BTreeSet<CiId> = places.iter().copied().collect();
        let alerts: Vec<AlertId> = known
            .members
            .iter()
            .filter(|(_, m)| wanted.contains(&m.ci))
            .map(|(id, _)| *id)
            .collect();
        if alerts.is_empty() || alerts.len() == known.members.len() {
            return None;
        }
        let mut spots: BTreeMap<CiId, Spot> = BTreeMap::new();
        known.ranked_for = (0, 0);
        for place in places {
            spots.extend(known.case.spots.remove_entry(place));
        }
        let hiders = known.case.hiders.clone();
        let (goes, stays) = hiders.into_iter().partition(|h| wanted.contains(h));
        known.case.hiders = stays;
        let mut members = BTreeMap::new();
        for id in &alerts {
            if let Some(mut member) = known.members.remove(id) {
                member.how = How::CommonCause;
                member.via = Some(cause);
                members.insert(*id, member);
            }
        }
        let (first, hold_until) = (known.first, known.hold_until);
        let live = |id: &AlertId| self.state.alerts.get(id).is_some_and(|a| a.live());
        let moved = u32::try_from(alerts.iter().filter(|a| live(a)).count()).unwrap_or(0);
        let known = self.state.incidents.get_mut(&from)?;
        known.live = known.live.saturating_sub(moved);
        let opening = alerts.first().copied()?;
        let stays = known.members.keys().next().copied();
        if let Some(stays) = stays.and_then(|a| self.state.alerts.get(&a))
            && !known.members.keys().any(|m| {
                self.state
                    .alerts
                    .get(m)
                    .is_some_and(|a| a.fingerprint == known.opening)
            })
        {
            known.opening = stays.fingerprint;
        }
        self.index.lately.forget();
        let number = self.next_number();
        let new = self.new_incident(opening, number)?;
        for (place, spot) in &mut spots {
            let about = self.about(*place);
            let kept = spot.weight(cause);
            spot.causes.retain(|(c, _)| self.is_name(*c));
            spot.causes
                .extend(about.cone.iter().map(|n| (n.ci, n.weight)));
            spot.causes.sort_unstable();
            if let (Some(weight), Err(at)) =
                (kept, spot.causes.binary_search_by_key(&cause, |(c, _)| *c))
            {
                spot.causes.insert(at, (cause, weight));
            }
        }
        if let Some(part) = self.state.incidents.get_mut(&new) {
            part.case.spots = spots;
            part.case.hiders = goes;
            part.members = members;
            part.first = first;
            part.last = first;
            part.hold_until = hold_until;
            part.live = moved;
            part.root = cause;
        }
        for id in alerts {
            if let Some(alert) = self.state.alerts.get_mut(&id) {
                alert.incident = Some(new);
            }
            self.effects.alerts.insert(id);
        }
        self.reindex(new);
        self.rescore(new);
        self.set_timer(hold_until, Timer::Hold(new));
        self.parts(from);
        self.line(
            Some(from),
            format!("{new} split off before any ticket: {why}"),
        );
        self.touch(new);
        self.touch(from);
        Some(new)
    }
}
