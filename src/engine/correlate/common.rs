//! A CI, alerting or silent, behind a new alert and several incidents: each of them alone gains nothing from it,
//! for a large hub needs many effects before it is likelier than so many faults.

use super::hidden;
use super::index::About;
use super::join::unexplained;
use super::place::{New, Way, can_explain};
use super::scale::{self, Each, FRACTIONS, Nats, RARITY, nats};
use super::value::maturity;
use crate::engine::Engine;
use crate::engine::state::{How, Incident};
use crate::model::{CiId, IncidentId, Millis};
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// A ticket that would become one too many.
const TOLL: Nats = nats(100);
/// Incidents besides the first.
const LEAST: usize = 2;
/// What each incident must gain, and all of them together: many coincidences are found where one looks for them.
const EACH: Nats = nats(5);
/// See [`EACH`].
const TOGETHER: Nats = nats(60);
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
    /// When it began.
    first: Millis,
    /// Whether the cause alerts in it.
    alerts: bool,
    /// Whether the CI of the new alert alerts in it.
    counted: bool,
    /// Places that the cause explains.
    places: u32,
    hiders: Vec<CiId>,
}

/// What each cause explains.
#[derive(Default)]
pub(super) struct Parts(BTreeMap<CiId, Vec<Part>>);

impl Engine {
    /// Counts an incident for each cause of the alert that may be behind it too.
    pub(super) fn count_part(
        &self,
        parts: &mut Parts,
        incident: IncidentId,
        known: &Incident,
        new: New,
        about: &About,
    ) {
        let case = &known.case;
        let small = case.spots.len() <= SMALL;
        if !small && about.weight(case.root).is_none() {
            return;
        }
        let opened = known.opened.is_some();
        let apart = new.began.since(case.last).max(case.first.since(new.began));
        let mut less = case.score + scale::price(apart, APART) - self.fit(case, new.name).min(0);
        let counted = case.spots.contains_key(&new.ci);
        if counted {
            less += new.chance;
        }
        for (cause, (), sum) in case.sums.of(about.cone.iter().map(|n| (n.ci, ()))) {
            if !small && case.root != cause {
                continue;
            }
            let own = case.spots.get(&cause);
            if !own.is_none_or(|s| can_explain(s.worst, new.severity)) {
                continue;
            }
            let less = less + unexplained(case.spots.len(), sum.places);
            parts.0.entry(cause).or_default().push(Part {
                incident,
                gain: scale::minus(sum.gain(), [less; FRACTIONS]),
                opened,
                root: case.root,
                first: case.first,
                alerts: own.is_some(),
                counted,
                places: sum.places,
                hiders: case.hiders.clone(),
            });
        }
    }

    /// The best of the causes that are behind the alert and several incidents, which they explain better than they
    /// are explained now, if it is worth more than `floor`.
    pub(super) fn by_common_cause(
        &mut self,
        parts: &Parts,
        new: New,
        about: &About,
        mut floor: Nats,
    ) -> Option<Way> {
        let mut best: Option<Way> = None;
        for (cause, parts) in parts.0.iter().filter(|(_, parts)| parts.len() > LEAST) {
            let Some(weight) = about.weight(*cause) else {
                continue;
            };
            let mut hiders: Vec<CiId> = new.hider.into_iter().collect();
            for part in parts {
                hidden::add(&mut hiders, &part.hiders);
            }
            let own = match parts.iter().any(|p| p.counted) {
                true => [0; FRACTIONS],
                false if *cause == new.ci => scale::own_gain(new.chance),
                false => scale::gain(weight, new.chance),
            };
            let alerts = *cause == new.ci || parts.iter().any(|p| p.alerts);
            let first = parts.iter().map(|p| p.first).min();
            let first = first.map_or(new.began, |first| first.min(new.began));
            let places = parts.iter().map(|p| p.places).fold(0, u32::saturating_add);
            let absence = self.silence(&hiders, *cause, places);
            let silence = scale::part(absence, maturity(first, self.state.at));
            let fixed = scale::plus(scale::plus(RARITY, own), silence);
            let base = self.base(*cause, first, alerts);
            for (k, fixed) in fixed.into_iter().enumerate() {
                if at_most(parts, k, base + fixed, *cause) <= floor {
                    continue;
                }
                let way = together(parts, k, base + fixed, *cause);
                if let Some(way) = way.filter(|w| w.value > floor) {
                    floor = way.value;
                    best = Some(way);
                }
            }
        }
        best
    }
}

/// What the parts are worth together at most, whichever have a ticket.
fn at_most(parts: &[Part], k: usize, value: Nats, cause: CiId) -> Nats {
    let gains = parts.iter().filter_map(|part| {
        let gain = part.gain.get(k).copied().unwrap_or(0);
        (gain > EACH || part.root == cause).then_some(gain)
    });
    value + gains.sum::<Nats>() - TOGETHER
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
