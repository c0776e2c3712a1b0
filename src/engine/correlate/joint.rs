//! One cause behind an incident that is about to have a ticket and others near it. Two at a time they may gain
//! nothing by it, for the first of many effects does not make the share of a cause's dependants that is hit likelier;
//! all together they do. Asked once, at the end of the hold: by then what came together has come.

use super::case::{Case, Sum};
use super::hidden;
use super::join::unexplained;
use super::late::{lag_of_younger, outage_and_warnings};
use super::place::can_explain;
use super::scale::{self, Each, FRACTIONS, Nats, RARITY, nats};
use super::value::maturity;
use crate::engine::Engine;
use crate::model::{CiId, IncidentId, Millis, Severity};
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// What it must be worth to make one incident of several.
const MARGIN: Nats = nats(15);
/// More behind a cause without an alert: it must not join what only happens to have a CI in common.
const NO_ALERT: Nats = nats(20);
/// What each of the others must gain.
const EACH: Nats = nats(5);
/// How often the delay of another incident counts, in per cent: it is late once, however many alerts it has.
const LATE: i64 = 150;
/// A ticket that would become one too many.
const TOLL: Nats = nats(40);
/// Causes asked, those that could explain most.
const MAX_CAUSES: usize = 32;

/// Another incident, as far as one cause explains it.
struct Other {
    incident: IncidentId,
    /// What it gains by that, for each fraction.
    gain: Each,
    opened: bool,
    first: Millis,
    /// Whether the cause alerts in it.
    alerts: bool,
    /// Places that the cause explains and the incident in question does not have.
    places: u32,
    hiders: Vec<CiId>,
}

/// The best cause so far: what it is worth, itself, and the others behind it.
type Best = Option<(Nats, CiId, Vec<IncidentId>)>;

impl Engine {
    /// Makes an incident one with all others that a fault explains together with it. Answers which incident goes on.
    pub(super) fn merge_behind_one(&mut self, mine: IncidentId) -> IncidentId {
        let Some(mut case) = self.take_case(mine) else {
            return mine;
        };
        self.refresh(&mut case);
        let causes = likely(&case);
        let mut best: Best = None;
        for (cause, others) in self.others_behind(mine, &case, &causes) {
            let found = self.joint(mine, &case, cause, others);
            best = match (best, found) {
                (Some(a), Some(b)) if b.0 > a.0 => Some(b),
                (None, b) => b,
                (a, _) => a,
            };
        }
        self.put_case(mine, case);
        let Some((_, cause, mut all)) = best else {
            return mine;
        };
        all.push(mine);
        all.sort_by_key(|incident| self.seniority(*incident));
        let mut first = all.first().copied().unwrap_or(mine);
        for other in self.may_be_one(first, all).into_iter().skip(1) {
            first = self.merge(first, other, cause);
        }
        self.incident_of(mine)
    }

    /// The incidents near `mine` that the causes explain at least in half, by cause.
    fn others_behind(
        &mut self,
        mine: IncidentId,
        case: &Case,
        causes: &[CiId],
    ) -> BTreeMap<CiId, Vec<Other>> {
        let near = self.index.near(causes.iter().copied());
        let mut others: BTreeMap<CiId, Vec<Other>> = BTreeMap::new();
        let shadow = self.state.incidents.get(&mine).is_some_and(|i| i.shadow);
        for other in near {
            if !self.may_link(mine, other, shadow, case.first) {
                continue;
            }
            let Some(mut theirs) = self.take_case(other) else {
                continue;
            };
            self.refresh(&mut theirs);
            let opened = self.state.incidents.get(&other);
            let opened = opened.is_some_and(|i| i.opened.is_some());
            let shares = |place: &&CiId| case.spots.contains_key(place);
            let shared: Vec<CiId> = theirs.spots.keys().filter(shares).copied().collect();
            let lag = lag_of_younger(case, &theirs).saturating_mul(LATE) / 100;
            let less = theirs.score + lag - self.fit_of_both(case, &theirs).min(0);
            let asked = causes.iter().map(|cause| (*cause, ()));
            for (cause, (), sum) in theirs.sums.of(asked) {
                if !is_half(sum, &theirs) || !is_behind(cause, case, &theirs) {
                    continue;
                }
                let less = less + unexplained(theirs.spots.len(), sum.places);
                // What both have is explained already.
                let twice = theirs.gain_from(cause, &shared);
                let gain = scale::minus(sum.gain(), scale::plus(twice, [less; FRACTIONS]));
                let shared = u32::try_from(shared.len()).unwrap_or(u32::MAX);
                others.entry(cause).or_default().push(Other {
                    incident: other,
                    gain,
                    opened,
                    first: theirs.first,
                    alerts: theirs.spots.contains_key(&cause),
                    places: sum.places.saturating_sub(shared),
                    hiders: theirs.hiders.clone(),
                });
            }
            self.put_case(other, theirs);
        }
        others
    }

    /// What it is worth that `cause` is behind an incident and those of the others that gain by it, if it is enough.
    fn joint(
        &mut self,
        mine: IncidentId,
        case: &Case,
        cause: CiId,
        mut others: Vec<Other>,
    ) -> Best {
        let own = case.sums.get(&cause).copied()?;
        let ticket = self.state.incidents.get(&mine)?.opened.is_some();
        let alone = case.score + unexplained(case.spots.len(), own.places);
        let mut best: Best = None;
        for (k, rare) in RARITY.into_iter().enumerate() {
            let at = |each: &Each| each.get(k).copied().unwrap_or(0);
            others.sort_by_key(|other| (Reverse(at(&other.gain)), other.incident));
            let mut value = at(&own.gain()) - alone + rare;
            let (mut opened, mut taken) = (ticket, Vec::new());
            let (mut first, mut places) = (case.first, own.places);
            let mut alerts = case.spots.contains_key(&cause);
            let mut hiders = case.hiders.clone();
            for other in &others {
                let toll = match other.opened && opened {
                    true => TOLL,
                    false => 0,
                };
                let gain = at(&other.gain) - toll;
                if gain <= EACH {
                    continue;
                }
                value += gain;
                opened |= other.opened;
                taken.push(other.incident);
                first = first.min(other.first);
                places = places.saturating_add(other.places);
                alerts |= other.alerts;
                hidden::add(&mut hiders, &other.hiders);
            }
            if taken.is_empty() {
                continue;
            }
            let silence = self.silence(&hiders, cause, places);
            let silence = scale::part(silence, maturity(first, self.state.at));
            value += at(&silence) + self.base(cause, first, alerts);
            if !alerts {
                value -= NO_ALERT;
            }
            if value > best.as_ref().map_or(MARGIN, |(most, _, _)| *most) {
                best = Some((value, cause, taken));
            }
        }
        best
    }
}

/// The causes that could explain most of a case, in order.
fn likely(case: &Case) -> Vec<CiId> {
    let half = case.sums.iter().filter(|(_, sum)| is_half(sum, case));
    let could = half.map(|(cause, sum)| (Reverse(case.could(sum)), *cause));
    let mut causes: Vec<(Reverse<Nats>, CiId)> = could.collect();
    causes.sort_unstable();
    causes.truncate(MAX_CAUSES);
    let mut causes: Vec<CiId> = causes.into_iter().map(|(_, cause)| cause).collect();
    causes.sort_unstable();
    causes
}

/// Whether a cause explains at least half of the places of a case.
fn is_half(sum: &Sum, case: &Case) -> bool {
    let places = usize::try_from(sum.places).unwrap_or(usize::MAX);
    places.saturating_mul(2) >= case.spots.len()
}

/// Whether something at `cause` can be behind two cases. What only warns is behind no outage, and nothing silent is
/// behind an outage and a warning: the warning may have come by itself.
fn is_behind(cause: CiId, a: &Case, b: &Case) -> bool {
    let spot = a.spots.get(&cause).or_else(|| b.spots.get(&cause));
    match spot {
        Some(spot) => {
            let worst = a.worst.into_iter().chain(b.worst).min();
            can_explain(spot.worst, worst.unwrap_or(Severity::Info))
        }
        None => !outage_and_warnings(a, b) && !outage_and_warnings(b, a),
    }
}
