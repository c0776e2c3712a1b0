//! A CI, alerting or silent, behind a new alert and several incidents: each of them alone gains nothing from it,
//! for a large hub needs many effects before it is likelier than so many faults.

use super::hidden;
use super::index::About;
use super::join::unexplained;
use super::place::{MAX_SHARED, New, Usable, Way, can_explain};
use super::scale::{self, Each, FRACTIONS, Nats, RARITY, nats};
use super::value::maturity;
use crate::engine::Engine;
use crate::engine::state::How;
use crate::model::{CiId, IncidentId, Millis};
use std::cmp::Reverse;

/// A ticket that would become one too many.
const TOLL: Nats = nats(100);
/// Incidents besides the first.
const LEAST: usize = 2;
/// What each incident must gain, and all of them together: many coincidences are found where one looks for them.
const EACH: Nats = nats(5);
/// See [`EACH`].
const TOGETHER: Nats = nats(100);
/// Incidents of more places have a cause of their own; whether that is the same is asked for two at a time.
const SMALL: usize = 2;
/// Time between such an incident and the new alert costs one nat per this: effects of one cause come together.
const APART: Millis = Millis::secs(60);

/// An incident that a cause explains.
struct Part {
    incident: IncidentId,
    /// What it gains by that, for each fraction.
    gain: Each,
    opened: bool,
    root: CiId,
}

impl Engine {
    /// `cause` behind the alert and the incidents that it explains better than they are explained now; `None` if
    /// that is only a few.
    pub(super) fn by_common_cause(
        &mut self,
        new: New,
        cause: CiId,
        weight: u16,
        about: &About,
        usable: &mut Usable,
    ) -> Option<Way> {
        let mut shared: Vec<IncidentId> = self
            .index
            .explained_by(cause)
            .rev()
            .take(MAX_SHARED)
            .collect();
        shared.retain(|i| self.is_usable(*i, new, about, usable));
        if shared.len() <= LEAST {
            return None;
        }
        let (mut alerts, mut counted) = (cause == new.ci, false);
        let mut first = new.began;
        let mut parts: Vec<Part> = Vec::new();
        let mut hiders: Vec<CiId> = new.hider.into_iter().collect();
        let mut places = 0_u32;
        for incident in shared.into_iter().rev() {
            let Some(known) = self.state.incidents.get_mut(&incident) else {
                continue;
            };
            let (opened, mut case) = (known.opened.is_some(), std::mem::take(&mut known.case));
            self.refresh(&mut case);
            let own = case.spots.get(&cause);
            let possible = own.is_none_or(|s| can_explain(s.worst, new.severity));
            let fits = possible && (case.spots.len() <= SMALL || case.root == cause);
            if let Some(sum) = case.sums.get(&cause).filter(|_| fits) {
                alerts |= own.is_some();
                places = places.saturating_add(sum.places);
                hidden::add(&mut hiders, &case.hiders);
                first = first.min(case.first);
                let apart = new.began.since(case.last).max(case.first.since(new.began));
                let mut less = case.score + scale::price(apart, APART)
                    - self.fit(&case, new.name).min(0)
                    + unexplained(case.spots.len(), sum.places);
                if case.spots.contains_key(&new.ci) {
                    counted = true;
                    less += new.chance;
                }
                parts.push(Part {
                    incident,
                    gain: scale::minus(sum.gain, [less; FRACTIONS]),
                    opened,
                    root: case.root,
                });
            }
            if let Some(known) = self.state.incidents.get_mut(&incident) {
                known.case = case;
            }
        }
        let own = match (counted, cause == new.ci) {
            (true, _) => [0; FRACTIONS],
            (false, true) => scale::own_gain(new.chance),
            (false, false) => scale::gain(weight, new.chance),
        };
        let absence = self.silence(&hiders, cause, places);
        let silence = scale::part(absence, maturity(first, self.state.at));
        let fixed = scale::plus(scale::plus(RARITY, own), silence);
        let base = self.base(cause, first, alerts);
        let mut best: Option<Way> = None;
        for (k, fixed) in fixed.into_iter().enumerate() {
            let way = together(&parts, k, base + fixed, cause);
            if let Some(way) = way.filter(|w| best.as_ref().is_none_or(|b| w.value > b.value)) {
                best = Some(way);
            }
        }
        best
    }
}

/// The parts that gain at fraction `k`, taken together, if there are enough.
fn together(parts: &[Part], k: usize, mut value: Nats, cause: CiId) -> Option<Way> {
    let gain = |part: &Part| part.gain.get(k).copied().unwrap_or(0);
    let mut order: Vec<&Part> = parts.iter().collect();
    order.sort_by_key(|part| (Reverse(gain(part)), part.incident));
    let mut taken = Vec::new();
    let mut opened = false;
    for part in order {
        let toll = match part.opened && opened {
            true => TOLL,
            false => 0,
        };
        let gain = gain(part) - toll;
        if gain > EACH || part.root == cause {
            value += gain;
            opened |= part.opened;
            taken.push(part.incident);
        }
    }
    let (incident, others) = taken.split_first()?;
    (others.len() >= LEAST).then(|| Way {
        value: value - TOGETHER,
        how: How::CommonCause,
        via: Some(cause),
        incident: *incident,
        others: others.to_vec(),
    })
}
