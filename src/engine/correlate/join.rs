//! What an incident gains from one more alert: its best explanation with the alert, less its best without.

use super::case::{Case, Spot, Sum, most};
use super::distance;
use super::fit::MISFIT;
use super::hidden;
use super::index::About;
use super::learn::chained;
use super::place::{New, Way, can_explain, only_warns};
use super::scale::{self, Each, FRACTIONS, Nats, nats};
use super::silent::{Linked, Offer};
use super::value::maturity;
use crate::engine::Engine;
use crate::engine::state::How;
use crate::model::{CiId, IncidentId, Millis, Severity};

/// ln .5: another alert on a CI that alerts already.
const SAME_CI: Nats = -710;
/// What an alert pays at most that tells of what its CI alerts for already.
const SAME_SUBJECT: Nats = nats(-5);
/// What a cause pays for each place of an incident that it does not explain.
const UNEXPLAINED: Nats = nats(55);
/// What a cause pays that only warns where something worse is to be explained.
pub(super) const WARNS_ONLY: Nats = nats(10);
/// What a cause pays that has no alert of its own: it must not join what only happens to have a CI in common.
pub(super) const NO_ALERT: Nats = nats(10);
/// Smallest weight of a link whose ends inherit from each other, per mille.
pub(super) const MIN_LINK: u16 = 150;
/// Links through alerting CIs that are followed, the strongest.
const MAX_LINKS: usize = 4;
/// Places that are looked for one by one.
const FEW: usize = 12;
/// Smallest weight of an inherited path, per mille.
const MIN_INHERITED: u16 = 10;
/// From this weight on an alert may follow the alert of its neighbour, whenever the incident began, per mille.
const NEIGHBOUR: u16 = 300;
/// What an alert pays, in time, to follow a neighbour instead of the begin of the incident.
const AFTER_NEIGHBOUR: Millis = Millis::secs(30);
/// And to follow an alert of its own name.
pub(super) const AFTER_NAME: Millis = Millis::secs(60);

/// What a cause explains of a case and an alert beside it.
struct Explained {
    gain: Each,
    places: u32,
}

impl Engine {
    /// The way of an alert into one incident, if it can be worth more than `floor`.
    pub(super) fn way_into(
        &mut self,
        incident: IncidentId,
        case: &Case,
        new: New,
        (about, offers): (&About, &[Offer]),
        floor: Nats,
    ) -> Option<Way> {
        let (value, via, how) = match self.gain_behind_silent(case, new, offers) {
            Err(Linked) => self.gain_of(case, new, about, floor)?,
            Ok(gain) => {
                let (gain, cause) = gain.filter(|(gain, _)| *gain + MISFIT > floor)?;
                let fit = self.fit(case, new.name) - scale::lag(delay_alone(case, new));
                (gain + fit, Some(cause), How::CommonCause)
            }
        };
        Some(Way {
            value,
            how,
            via,
            incident,
            others: Vec::new(),
        })
    }

    fn gain_of(
        &mut self,
        case: &Case,
        new: New,
        about: &About,
        floor: Nats,
    ) -> Option<(Nats, Option<CiId>, How)> {
        let near = Near::of(case, new.ci, about);
        let fit = self.fit(case, new.name) - scale::lag(near.delay(case, new));
        if case.spots.contains_key(&new.ci) {
            let fit = match self.tells_of(case, new) {
                true => fit.max(SAME_SUBJECT),
                false => fit,
            };
            return Some((SAME_CI - new.chance + fit, None, How::SameCi));
        }
        let began = case.first.min(new.began);
        let mature = maturity(began, self.state.at);
        let explained = near.explained(new.ci, MIN_LINK);
        let inherits = |(_, link, spot): &(CiId, u16, &Spot)| {
            most(scale::gain(chained(*link, 1000), spot.chance))
        };
        // What a cause gains at most by all that inherit its path.
        let bonus: Nats = explained.iter().map(inherits).sum();
        let inheritors = u32::try_from(explained.len()).unwrap_or(u32::MAX);
        // Warnings become the effects of an outage, but no outage joins them.
        let outage_among_warnings =
            new.severity == Severity::Critical && case.worst.is_none_or(only_warns);
        let places = case.spots.len().saturating_add(1);
        let mut hiders = case.hiders.clone();
        hidden::add(&mut hiders, new.hider.as_slice());
        let mut best: Option<(Nats, CiId, Option<CiId>)> = None;
        let inherited = near.inherited(case, new, about);
        // What neither explains the case nor could, because the alert explains some of it, is passed over.
        let paths: Vec<(CiId, Path, Option<&Sum>)> = match (&inherited, explained.is_empty()) {
            (None, true) => near.shared(),
            (None, false) => {
                let own = about.cone.iter();
                own.map(|n| (n.ci, (n.weight, None), case.sums.get(&n.ci)))
                    .collect()
            }
            (Some(paths), true) => {
                let both = case
                    .sums
                    .of(paths.iter().map(|(cause, path)| (*cause, *path)));
                both.map(|(cause, path, sum)| (cause, path, Some(sum)))
                    .collect()
            }
            (Some(paths), false) => {
                let paths = paths.iter();
                paths
                    .map(|(cause, path)| (*cause, *path, case.sums.get(cause)))
                    .collect()
            }
        };
        for (cause, (weight, via), sum) in paths {
            let own = cause == new.ci;
            if !own && outage_among_warnings {
                continue;
            }
            let gain = match own {
                true => scale::own_gain(new.chance),
                false => scale::gain(weight, new.chance),
            };
            let beaten = |most: Nats| {
                most - case.score + fit <= floor || best.is_some_and(|(b, _, _)| most <= b)
            };
            let (gains, explains) = sum.map_or((0, 0), |s| (s.most(), s.places));
            let explains = explains.saturating_add(inheritors).saturating_add(1);
            let could = self.at_most([0; FRACTIONS]) + gains + bonus + most(gain);
            if beaten(could - unexplained(places, explains)) {
                continue;
            }
            let alerts = sum.is_some_and(|s| s.own);
            let known = alerts.then(|| case.spots.get(&cause)).flatten();
            if !own && known.is_some_and(|s| !can_explain(s.worst, new.severity)) {
                continue;
            }
            let with = with_alert(cause, sum, (weight, own), &explained);
            let first = match own {
                true => Some(new.began),
                false => known.map(|s| s.first),
            };
            let gain = scale::plus(with.gain, gain);
            let unexplained = unexplained(places, with.places.saturating_add(1));
            if beaten(self.at_most(gain) - unexplained) {
                continue;
            }
            let gains = (gain, with.places);
            let mut value = self.worth(&hiders, cause, first, began, gains, mature) - unexplained;
            if known.is_some_and(|s| only_warns(s.worst)) && !only_warns(new.severity) {
                value -= WARNS_ONLY;
            }
            if known.is_none() && !own {
                value -= NO_ALERT;
            }
            if best.is_none_or(|(b, _, _)| value > b) {
                let alerts = known.filter(|_| !own).map(|_| cause);
                best = Some((value, cause, via.or(alerts)));
            }
        }
        let (value, cause, via) = best?;
        let how = match via {
            Some(_) => How::Attach,
            None => How::CommonCause,
        };
        // A cause without an alert is named too; only one that alerts hands on what is behind it.
        let via = via.or(Some(cause).filter(|c| *c != new.ci));
        Some((value - case.score + fit, via, how))
    }
}

/// What a cause pays for the places that it does not explain.
pub(super) fn unexplained(places: usize, explained: u32) -> Nats {
    let places = i64::try_from(places).unwrap_or(i64::MAX);
    UNEXPLAINED.saturating_mul(places.saturating_sub(i64::from(explained)).max(0))
}

/// A path of an alert to a cause: its weight, and the alerting CI that it leads through.
type Path = (u16, Option<CiId>);

/// A place of a case, and the weight of the path between it and the CI of an alert.
type Neighbour<'a> = (CiId, &'a Spot, u16);

/// What the CI of an alert has to do with a case.
pub(super) struct Near<'a> {
    /// Causes that both may have, with the weight of the path from the CI.
    shared: Vec<(CiId, u16, &'a Sum)>,
    /// Places that the CI needs, itself included.
    needs: Vec<Neighbour<'a>>,
    /// Places that need the CI, itself included.
    needers: Vec<Neighbour<'a>>,
}

impl<'a> Near<'a> {
    pub(super) fn of(case: &'a Case, ci: CiId, about: &'a About) -> Near<'a> {
        let cone = about.cone.iter().map(|n| (n.ci, n.weight));
        let mut shared: Vec<(CiId, u16, &Sum)> = Vec::with_capacity(about.cone.len());
        shared.extend(case.sums.of(cone));
        let places = shared.iter().filter(|(_, _, sum)| sum.own);
        let needs = places.filter_map(|(ci, weight, _)| Some((*ci, case.spots.get(ci)?, *weight)));
        Near {
            needs: needs.collect(),
            needers: needing(case, ci).collect(),
            shared,
        }
    }

    /// The paths to the causes that both may have.
    fn shared(&self) -> Vec<(CiId, Path, Option<&'a Sum>)> {
        let all = self.shared.iter();
        all.map(|(cause, weight, sum)| (*cause, (*weight, None), Some(*sum)))
            .collect()
    }

    /// Other places of the case that an alert on the CI explains, over paths of a weight.
    fn explained(&self, ci: CiId, least: u16) -> Vec<(CiId, u16, &'a Spot)> {
        let others = self.needers.iter();
        let others = others.filter(|(place, _, weight)| *place != ci && *weight >= least);
        others.map(|(place, spot, w)| (*place, *w, *spot)).collect()
    }

    /// Time that the alert is late: after the begin of the incident, after the alert of a neighbour, or after
    /// another alert of its name.
    pub(super) fn delay(&self, case: &Case, new: New) -> Millis {
        let mut delay = delay_alone(case, new);
        let both = self.needs.iter().chain(&self.needers);
        for (_, spot, _) in both.filter(|(_, _, weight)| *weight >= NEIGHBOUR) {
            delay = delay.min(distance(new.began, spot.first).plus(AFTER_NEIGHBOUR));
        }
        delay
    }

    /// The paths of the CI of an alert, and those inherited through alerting CIs that it needs; `None` if it needs
    /// none.
    fn inherited(&self, case: &Case, new: New, about: &About) -> Option<Vec<(CiId, Path)>> {
        let link = |(place, spot, weight): &Neighbour| {
            let links = *weight >= MIN_LINK && can_explain(spot.worst, new.severity);
            links.then_some((*weight, *place))
        };
        let mut links: Vec<(u16, CiId)> = self.needs.iter().filter_map(link).collect();
        if links.is_empty() {
            return None;
        }
        links.sort_unstable_by_key(|(weight, place)| (std::cmp::Reverse(*weight), *place));
        links.truncate(MAX_LINKS);
        let own = about.cone.iter().map(|n| (n.ci, (n.weight, None)));
        let mut paths: Vec<(CiId, Path)> = own.collect();
        for (link, place) in links {
            if let Ok(at) = paths.binary_search_by_key(&place, |(cause, _)| *cause)
                && let Some((_, path)) = paths.get_mut(at)
            {
                path.1 = Some(place);
            }
            let behind = case.spots.get(&place).into_iter().flat_map(|s| &s.causes);
            let behind = behind.filter(|(cause, _)| *cause != place);
            let behind = behind.map(|(cause, weight)| (*cause, chained(link, *weight)));
            let behind = behind.filter(|(_, weight)| *weight >= MIN_INHERITED);
            paths = with_inherited(paths, behind, place);
        }
        Some(paths)
    }
}

/// Time that an alert without neighbours in a case is late.
fn delay_alone(case: &Case, new: New) -> Millis {
    let delay = distance(new.began, case.first);
    let named = new.name.and_then(|n| case.named.get(&n));
    named.map_or(delay, |(_, last)| {
        delay.min(distance(new.began, *last).plus(AFTER_NAME))
    })
}

/// Paths, in order, and those that an alert inherits through `place`, in order too: of each cause the better one.
fn with_inherited(
    paths: Vec<(CiId, Path)>,
    behind: impl Iterator<Item = (CiId, u16)>,
    place: CiId,
) -> Vec<(CiId, Path)> {
    let mut out = Vec::with_capacity(paths.len().saturating_mul(2));
    let mut paths = paths.into_iter().peekable();
    for (cause, weight) in behind {
        while let Some(before) = paths.next_if(|(known, _)| *known < cause) {
            out.push(before);
        }
        let known = paths.next_if(|(known, _)| *known == cause);
        let better = known.filter(|(_, (known, _))| *known >= weight);
        out.push(better.unwrap_or((cause, (weight, Some(place)))));
    }
    out.extend(paths);
    out
}

/// Places of a case that an alert needs, itself included, with the weight.
pub(super) fn alerting_needs<'a>(
    case: &'a Case,
    about: &'a About,
) -> impl Iterator<Item = Neighbour<'a>> {
    // Of few places each is looked for in the cone, else the places among the causes in it.
    let few = case.spots.len() <= FEW;
    let by_place = few.then(|| case.spots.iter()).into_iter().flatten();
    let by_place = by_place.filter_map(|(ci, spot)| Some((*ci, spot, about.weight(*ci)?)));
    let cone = (!few).then(|| about.cone.iter()).into_iter().flatten();
    let shared = case.sums.of(cone.map(|n| (n.ci, n.weight)));
    let places = shared.filter(|(_, _, sum)| sum.own);
    let by_cause = places.filter_map(|(ci, weight, _)| Some((ci, case.spots.get(&ci)?, weight)));
    by_place.chain(by_cause)
}

/// Other places of a case that an alert on `ci` explains, over paths of a weight.
pub(super) fn explained_by(case: &Case, ci: CiId, least: u16) -> Vec<(CiId, u16, &Spot)> {
    let others = needing(case, ci).filter(|(place, _, weight)| *place != ci && *weight >= least);
    others.map(|(place, spot, w)| (place, w, spot)).collect()
}

/// Places of a case that need `ci`, itself included, with the weight.
pub(super) fn needing(case: &Case, ci: CiId) -> impl Iterator<Item = Neighbour<'_>> {
    let known = case.sums.get(&ci);
    let own = known.filter(|sum| sum.own).and_then(|_| {
        let spot = case.spots.get(&ci)?;
        Some((ci, spot, spot.weight(ci)?))
    });
    // So many there are, and they lie together by number as a rule; the rest of the places need not be asked.
    let others = known.map_or(0, |sum| sum.places.saturating_sub(u32::from(sum.own)));
    let within = known.filter(|_| others > 0).map(|sum| sum.within);
    let all = within
        .into_iter()
        .flat_map(|(from, to)| case.spots.range(from..=to));
    let all = all.filter(move |(place, _)| **place != ci);
    let needs = all.filter_map(move |(place, spot)| Some((*place, spot, spot.weight(ci)?)));
    let others = needs.take(usize::try_from(others).unwrap_or(usize::MAX));
    own.into_iter().chain(others)
}

/// What `cause` explains of a case if an alert joins that explains some of its places: these inherit the path.
fn with_alert(
    cause: CiId,
    sum: Option<&Sum>,
    (weight, own): (u16, bool),
    explained: &[(CiId, u16, &Spot)],
) -> Explained {
    let mut with = Explained {
        gain: sum.map_or([0; FRACTIONS], |s| s.gain()),
        places: sum.map_or(0, |s| s.places),
    };
    if own {
        return with;
    }
    for (_, link, spot) in explained.iter().filter(|(p, _, _)| *p != cause) {
        let path = chained(*link, weight);
        let more = scale::gain(path, spot.chance);
        match spot.weight(cause) {
            Some(known) if known < path => {
                let less = scale::gain(known, spot.chance);
                with.gain = scale::plus(with.gain, scale::minus(more, less));
            }
            Some(_) => {}
            None if path >= MIN_INHERITED => {
                with.gain = scale::plus(with.gain, more);
                with.places = with.places.saturating_add(1);
            }
            None => {}
        }
    }
    with
}
