//! What an incident gains from one more alert: its best explanation with the alert, less its best without.

use super::case::{Case, Spot, Sum, most};
use super::hidden;
use super::index::About;
use super::learn::chained;
use super::place::{New, Way, can_explain, only_warns};
use super::scale::{self, Each, FRACTIONS, Nats, nats};
use super::value::maturity;
use crate::engine::Engine;
use crate::engine::state::How;
use crate::model::{CiId, IncidentId, Millis, Severity};
use std::collections::BTreeMap;

/// ln .5: another alert on a CI that alerts already.
const SAME_CI: Nats = -710;
/// What a cause pays for each place of an incident that it does not explain.
const UNEXPLAINED: Nats = nats(50);
/// What a cause pays that only warns where something worse is to be explained.
pub(super) const WARNS_ONLY: Nats = nats(10);
/// What a cause pays that has no alert of its own: it must not join what only happens to have a CI in common.
const NO_ALERT: Nats = nats(10);
/// Smallest weight of a link whose ends inherit from each other, per mille.
pub(super) const MIN_LINK: u16 = 150;
/// Links through alerting CIs that are followed, the strongest.
const MAX_LINKS: usize = 4;
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
        about: &About,
        floor: Nats,
    ) -> Option<Way> {
        let (value, via, how) = self.gain_of(case, new, about, floor)?;
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
        let fit = self.fit(case, new.name) - scale::lag(delay(case, new, about));
        if case.spots.contains_key(&new.ci) {
            return Some((SAME_CI - new.chance + fit, None, How::SameCi));
        }
        let began = case.first.min(new.began);
        let mature = maturity(began, self.state.at);
        let explained = explained_by(case, new.ci, MIN_LINK);
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
        let inherited = inherited(case, new, about);
        let own_paths = || about.cone.iter().map(|n| (n.ci, (n.weight, None)));
        let paths: Paths = match &inherited {
            None => Box::new(own_paths()),
            Some(paths) => Box::new(paths.iter().map(|(cause, path)| (*cause, *path))),
        };
        // What neither explains the case nor could, because the alert explains some of it, is passed over.
        let paths: Vec<(CiId, Path, Option<&Sum>)> = match explained.is_empty() {
            true => {
                let both = case.sums.of(paths);
                both.map(|(cause, path, sum)| (cause, path, Some(sum)))
                    .collect()
            }
            false => paths
                .map(|(cause, path)| (cause, path, case.sums.get(&cause)))
                .collect(),
        };
        for (cause, (weight, via), sum) in paths {
            let known = case.spots.get(&cause);
            if cause != new.ci && known.is_some_and(|s| !can_explain(s.worst, new.severity)) {
                continue;
            }
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
            let (gains, explains) = sum.map_or((0, 0), |s| (s.most, s.places));
            let explains = explains.saturating_add(inheritors).saturating_add(1);
            let could = self.at_most([0; FRACTIONS]) + gains + bonus + most(gain);
            if beaten(could - unexplained(places, explains)) {
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
            let silence = self.silence(&hiders, cause, with.places);
            let mut value = self.worth(cause, first, began, (gain, silence), mature) - unexplained;
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

/// Time that the alert is late: after the begin of the incident, after the alert of a neighbour, or after
/// another alert of its name.
pub(super) fn delay(case: &Case, new: New, about: &About) -> Millis {
    let apart = |t: Millis| Millis(new.began.since(t).0.saturating_abs());
    let mut delay = apart(case.first);
    if let Some((_, last)) = new.name.and_then(|n| case.named.get(&n)) {
        delay = delay.min(apart(*last).plus(AFTER_NAME));
    }
    let mut follows = |spot: &Spot| delay = delay.min(apart(spot.first).plus(AFTER_NEIGHBOUR));
    for (_, spot, _) in alerting_needs(case, about).filter(|(_, _, w)| *w >= NEIGHBOUR) {
        follows(spot);
    }
    if case.sums.contains_key(&new.ci) {
        for (_, spot, _) in needing(case, new.ci).filter(|(_, _, w)| *w >= NEIGHBOUR) {
            follows(spot);
        }
    }
    delay
}

/// A path of an alert to a cause: its weight, and the alerting CI that it leads through.
type Path = (u16, Option<CiId>);

/// The paths of an alert to its causes.
type Paths<'a> = Box<dyn Iterator<Item = (CiId, Path)> + 'a>;

/// The paths of the CI of an alert, and those inherited through alerting CIs that it needs; `None` if it needs none.
fn inherited(case: &Case, new: New, about: &About) -> Option<BTreeMap<CiId, Path>> {
    let link = |(place, spot, weight): (CiId, &Spot, u16)| {
        let links = weight >= MIN_LINK && can_explain(spot.worst, new.severity);
        links.then_some((weight, place))
    };
    let mut links: Vec<(u16, CiId)> = alerting_needs(case, about).filter_map(link).collect();
    if links.is_empty() {
        return None;
    }
    links.sort_unstable_by_key(|(weight, place)| (std::cmp::Reverse(*weight), *place));
    links.truncate(MAX_LINKS);
    let own = about.cone.iter().map(|n| (n.ci, (n.weight, None)));
    let mut paths: BTreeMap<CiId, Path> = own.collect();
    for (link, place) in links {
        if let Some(path) = paths.get_mut(&place) {
            path.1 = Some(place);
        }
        let behind = case.spots.get(&place).into_iter().flat_map(|s| &s.causes);
        for (cause, weight) in behind.filter(|(c, _)| *c != place) {
            let weight = chained(link, *weight);
            if weight < MIN_INHERITED {
                continue;
            }
            let path = paths.entry(*cause).or_insert((0, None));
            if weight > path.0 {
                *path = (weight, Some(place));
            }
        }
    }
    Some(paths)
}

/// Places of a case that an alert needs, itself included, with the weight.
pub(super) fn alerting_needs<'a>(
    case: &'a Case,
    about: &'a About,
) -> Box<dyn Iterator<Item = (CiId, &'a Spot, u16)> + 'a> {
    match case.spots.len() < about.cone.len() {
        true => Box::new(
            case.spots
                .iter()
                .filter_map(|(place, spot)| Some((*place, spot, about.weight(*place)?))),
        ),
        false => Box::new(
            about
                .cone
                .iter()
                .filter_map(|n| Some((n.ci, case.spots.get(&n.ci)?, n.weight))),
        ),
    }
}

/// Other places of a case that an alert on `ci` explains, over paths of a weight.
pub(super) fn explained_by(case: &Case, ci: CiId, least: u16) -> Vec<(CiId, u16, &Spot)> {
    let others = needing(case, ci).filter(|(place, _, weight)| *place != ci && *weight >= least);
    others.map(|(place, spot, w)| (place, w, spot)).collect()
}

/// Places of a case that need `ci`, itself included, with the weight.
fn needing(case: &Case, ci: CiId) -> impl Iterator<Item = (CiId, &Spot, u16)> {
    let known = case.sums.get(&ci).map_or(0, |s| s.places);
    let own = case.spots.get_key_value(&ci);
    let own = own.and_then(|(place, spot)| Some((*place, spot, spot.weight(ci)?)));
    // So many there are; the rest of the places need not be asked.
    let others = known.saturating_sub(u32::from(own.is_some()));
    let all = case.spots.iter().filter(move |(place, _)| **place != ci);
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
        gain: sum.map_or([0; FRACTIONS], |s| s.gain),
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
