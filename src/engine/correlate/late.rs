//! Two incidents that one fault explains better than two do: a silent cause behind both, or the cause of one
//! that needs a CI which alerts in the other.

use super::case::{Case, Sum};
use super::fit::alerts;
use super::hidden;
use super::join::{AFTER_NAME, MIN_LINK, WARNS_ONLY, alerting_needs, unexplained};
use super::place::{New, can_explain, only_warns};
use super::scale::{self, FRACTIONS, NAT, Nats, nats};
use super::value::maturity;
use crate::engine::Engine;
use crate::engine::hands::apart::may_be_one;
use crate::model::{AlertId, CiId, IncidentId, Millis, Severity};

/// What a merge must be worth.
const MARGIN: Nats = nats(15);
/// Places of an incident that is looked at once more before its ticket.
const SMALL: usize = 4;
/// A ticket that would become one too many, unless the cause of a lone alert came late.
const TOLL: Nats = nats(20);
/// Merges after one alert.
const MAX_MERGES: usize = 6;
/// Alerts of the younger incident that pay for its delay.
const LATE_ALERTS: i64 = 4;
/// How often the lag of an effect counts whose cause alerts: what is behind the effect was late, its own effects
/// were not.
const LATE_LINK: i64 = 3;
/// What cannot be.
const NEVER: Nats = -1_000_000 * NAT;

impl Engine {
    /// Merges the alert's incident with those that one fault explains together with it, the best first. Answers
    /// which incident goes on.
    pub(super) fn merge_near(&mut self, mine: IncidentId, new: New) -> IncidentId {
        self.merge_by(mine, new, Some(new.ci))
    }

    /// Explains an incident anew that is about to have a ticket. If it is small it may still become part of another
    /// one: by now what is silent has had its time, and one more ticket costs more than a doubt.
    pub(super) fn settle_before_ticket(&mut self, mine: IncidentId) -> IncidentId {
        self.settle(mine);
        let mine = self.merge_arcs(mine);
        let mine = self.merge_behind_one(mine);
        let mine = self.merge_into_ticket_about(mine);
        let known = self.state.incidents.get(&mine);
        let Some(known) = known.filter(|i| i.case.spots.len() <= SMALL) else {
            return mine;
        };
        let live = |id: &AlertId| {
            let alert = self.state.alerts.get(id).filter(|a| a.live())?;
            Some((alert.started, *id))
        };
        let last = known.members.keys().filter_map(live).max();
        match last.and_then(|(_, alert)| self.new_at(alert)) {
            Some(new) => self.merge_by(mine, new, None),
            None => mine,
        }
    }

    /// Merges by an alert; `came`: its CI, if it came just now.
    fn merge_by(&mut self, mut mine: IncidentId, new: New, came: Option<CiId>) -> IncidentId {
        let margin = match came {
            Some(_) => MARGIN,
            None => 0,
        };
        for _ in 0..MAX_MERGES {
            let Some((other, reason)) = self.best_merge(mine, new, came, margin) else {
                return mine;
            };
            mine = match reason {
                Reason::Behind(cause) => self.merge(mine, other, cause),
                Reason::Effect(need) => self.merge_effect(mine, other, need),
                Reason::Cause(need) => self.merge_effect(other, mine, need),
                Reason::Named => {
                    let because = self.behind_both(mine, other);
                    self.merge(mine, other, because)
                }
            };
        }
        mine
    }

    /// The incident that gains most by becoming one with another, if it is more than `margin`, and why.
    fn best_merge(
        &mut self,
        mine: IncidentId,
        new: New,
        came: Option<CiId>,
        margin: Nats,
    ) -> Option<(IncidentId, Reason)> {
        // What has nothing to do with the alert was judged when its own alerts came.
        let spot = self.spot(mine, new.ci)?;
        let shares = self.index.near(spot.causes.iter().map(|(cause, _)| *cause));
        let mut near = shares.clone();
        near.extend(self.named_over_a_gap(mine, new.name));
        near.sort_unstable();
        near.dedup();
        near.retain(|other| *other != mine && self.may_link(mine, *other, new.shadow, new.began));
        if near.is_empty() {
            return None;
        }
        // Weighing changes none of them but what is known of their causes.
        let mut incidents = std::mem::take(&mut self.state.incidents);
        let known = incidents.get_mut(&mine).map(|known| {
            self.refresh(&mut known.case);
            (std::mem::take(&mut known.case), known.opened.is_some())
        });
        let Some((case, opened)) = known else {
            self.state.incidents = incidents;
            return None;
        };
        let came = came.and_then(|ci| Some((ci, came_at(&case, ci)?)));
        let mut best: Option<(Nats, IncidentId, Reason)> = None;
        for other in near {
            let Some(theirs) = incidents.get_mut(&other) else {
                continue;
            };
            self.refresh(&mut theirs.case);
            let came_late = came.is_some() && theirs.case.spots.len() == 1;
            let toll = match opened && theirs.opened.is_some() && !came_late {
                true => TOLL,
                false => 0,
            };
            let shares = shares.binary_search(&other).is_ok();
            if !shares && !self.may_be_linked(&case, &theirs.case) {
                continue;
            }
            let least = best.map_or(margin, |(best, _, _)| best);
            let both = (&case, &theirs.case);
            let (gain, reason) = self.gain_of_cases(both, came.as_ref(), least + toll);
            if gain - toll > least {
                best = Some((gain - toll, other, reason));
            }
        }
        if let Some(known) = incidents.get_mut(&mine) {
            known.case = case;
        }
        self.state.incidents = incidents;
        best.map(|(_, other, reason)| (other, reason))
    }

    /// The incidents that show a name, if the CMDB has a gap above them or above `mine`: elsewhere a name joins nothing.
    fn named_over_a_gap(&mut self, mine: IncidentId, name: Option<CiId>) -> Vec<IncidentId> {
        let gap = |e: &mut Engine, incident: IncidentId| {
            let root = e.state.incidents.get(&incident).map(|i| i.case.root);
            root.is_some_and(|root| e.needs_unknown(root))
        };
        if gap(self, mine) {
            return self.incidents_with_name(name);
        }
        // Where none alerts over a gap, as in most estates at most times, nothing has to be asked for.
        self.know_over_gaps();
        if self.index.over_gaps().is_empty() {
            return Vec::new();
        }
        let mut named = self.incidents_with_name(name);
        named.retain(|other| self.index.over_gaps().contains(other) && gap(self, *other));
        named
    }

    /// Whether an incident may become one with another because of what began at `began`.
    pub(super) fn may_link(
        &self,
        mine: IncidentId,
        other: IncidentId,
        shadow: bool,
        began: Millis,
    ) -> bool {
        let theirs = self.state.incidents.get(&other);
        // What is open was not merged into another one.
        let theirs = theirs.filter(|i| i.shadow == shadow && self.is_open(i, began));
        let Some(theirs) = theirs.filter(|_| self.left != Some(other)) else {
            return false;
        };
        let mine = self.incident_of(mine);
        let known = self.state.incidents.get(&mine).filter(|_| mine != other);
        known.is_some_and(|known| may_be_one((mine, known), (other, theirs)))
    }

    /// Of the causes of two incidents the one that the other needs.
    fn behind_both(&mut self, mine: IncidentId, other: IncidentId) -> CiId {
        let root = |id| self.state.incidents.get(&id).map(|i| i.case.root);
        let (a, b) = (
            root(mine).unwrap_or_default(),
            root(other).unwrap_or_default(),
        );
        match self.about(b).weight(a).is_some() || self.spot(other, b).is_none() {
            true => a,
            false => b,
        }
    }

    /// Whether the cause of one of two cases needs what alerts in the other one, or the CMDB has a gap above it.
    fn may_be_linked(&mut self, a: &Case, b: &Case) -> bool {
        [(a, b), (b, a)].into_iter().any(|(cause, effect)| {
            let about = self.about(effect.root);
            let linked = alerting_needs(cause, &about).any(|(_, _, weight)| weight >= MIN_LINK);
            linked || self.needs_unknown(effect.root)
        })
    }

    /// What it gains to make two incidents one, and why; what is not more than `least` may be less. `came`: the CI of the
    /// alert that came to the first just now, and what may be behind it: only that was not weighed before.
    fn gain_of_cases(
        &mut self,
        (a, b): (&Case, &Case),
        came: Option<&(CiId, Vec<(CiId, Sum)>)>,
        least: Nats,
    ) -> (Nats, Reason) {
        let (lag, late) = (lag_of_younger(a, b), late_alerts(a, b));
        let fit = self.fit_of_both(a, b);
        let least = least - fit;
        // Nothing silent is behind an outage and a warning: the warning may have come by itself.
        let one = match outage_and_warnings(a, b) || outage_and_warnings(b, a) {
            true => None,
            false => {
                let scores = a.score + b.score;
                let least = least + scores + lag.saturating_mul(late);
                let one = match came {
                    Some((_, causes)) => {
                        let causes = causes.iter().map(|(cause, sum)| (*cause, sum));
                        self.worth_of_one(a, b, b.sums.of(causes), least)
                    }
                    None => self.worth_of_one(a, b, a.sums.shared(&b.sums), least),
                };
                one.map(|(worth, cause)| (worth - scores - lag.saturating_mul(late), cause))
            }
        };
        let mut best = one.map(|(gain, cause)| (gain, Reason::Behind(cause)));
        for (cause, effect, a_first) in [(a, b, true), (b, a, false)] {
            // A cause that is detected late has one alert that is late.
            let times = match cause.first > effect.first {
                true => late.min(LATE_LINK),
                false => LATE_LINK,
            };
            if let Some((gain, need)) = self.gain_of_link(cause, effect, came.map(|(ci, _)| *ci)) {
                let reason = match a_first {
                    true => Reason::Effect(need),
                    false => Reason::Cause(need),
                };
                best = more(best, (gain - lag.saturating_mul(times), reason));
            }
        }
        let named = self.gain_by_name(a, b).max(self.gain_by_name(b, a));
        if let Some(gain) = named {
            best = more(best, (gain - lag, Reason::Named));
        }
        best.map_or((NEVER, Reason::Named), |(gain, reason)| {
            (gain + fit, reason)
        })
    }

    /// Worth of the best of some causes of both cases together, in order, each with its sum in either; one that is worth
    /// no more than `least` may be missing.
    fn worth_of_one<'a>(
        &mut self,
        a: &'a Case,
        b: &'a Case,
        causes: impl Iterator<Item = (CiId, &'a Sum, &'a Sum)>,
        least: Nats,
    ) -> Option<(Nats, CiId)> {
        let began = a.first.min(b.first);
        let mature = maturity(began, self.state.at);
        let nothing = self.at_most([0; FRACTIONS]);
        let fewest = a.spots.len().max(b.spots.len());
        let (small, big) = match a.sums.len() <= b.sums.len() {
            true => (a, b),
            false => (b, a),
        };
        let mut hiders = big.hiders.clone();
        hidden::add(&mut hiders, &small.hiders);
        let mut shared: Option<Vec<CiId>> = None;
        let mut best: Option<(Nats, CiId)> = None;
        for (cause, sum, other) in causes {
            let mut explained = sum.places.saturating_add(other.places);
            let enough = best.map_or(least, |(best, _)| best.max(least));
            // Before it is asked which places both have, and what both explain twice.
            let could = nothing + sum.most() + other.most();
            if could - unexplained(fewest, explained) <= enough {
                continue;
            }
            let shared = shared.get_or_insert_with(|| shared_places(a, b));
            let places = (a.spots.len() + b.spots.len()).saturating_sub(shared.len());
            if could - unexplained(places, explained) <= enough {
                continue;
            }
            let mut gain = scale::plus(sum.gain(), other.gain());
            for place in shared.iter() {
                let twice = small.spots.get(place);
                if twice.is_some_and(|s| s.weight(cause).is_some()) {
                    explained = explained.saturating_sub(1);
                    gain = scale::minus(gain, small.gain_from(cause, &[*place]));
                }
            }
            let unexplained = unexplained(places, explained);
            if self.at_most(gain) - unexplained <= enough {
                continue;
            }
            let own = |case: &Case, sum: &Sum| {
                let own = sum.own.then(|| case.spots.get(&cause)).flatten();
                own.map(|spot| spot.first)
            };
            let firsts = [own(a, sum), own(b, other)];
            let first = firsts.into_iter().flatten().min();
            let gains = (gain, explained);
            let value = self.worth(&hiders, cause, first, began, gains, mature) - unexplained;
            if best.is_none_or(|(best, _)| value > best) {
                best = Some((value, cause));
            }
        }
        best
    }

    /// What it saves to see the fault behind `effect` as an effect of an alerting CI of `cause`. Where its alert
    /// came just now, the silence of others has not had its time. Answers which CI of `cause` it is, too.
    fn gain_of_link(
        &mut self,
        cause: &Case,
        effect: &Case,
        came: Option<CiId>,
    ) -> Option<(Nats, CiId)> {
        let root = effect.root;
        let about = self.about(root);
        let worst = effect.worst.unwrap_or(Severity::Info);
        let alerts = effect.spots.contains_key(&root);
        let mut best: Option<(Nats, CiId)> = None;
        for (need, spot, weight) in alerting_needs(cause, &about) {
            if weight < MIN_LINK || need == root || !can_explain(spot.worst, worst) {
                continue;
            }
            let late = came == Some(need);
            let at = match late {
                true => self.state.at,
                false => Millis(i64::MAX),
            };
            let mut gain = scale::ln(weight) + self.takes_down_with(cause, need, at, effect);
            gain -= self.base(root, effect.first, alerts);
            if only_warns(spot.worst) && !only_warns(worst) {
                gain -= WARNS_ONLY;
            }
            if best.is_none_or(|(best, _)| gain > best) {
                best = Some((gain, need));
            }
        }
        best
    }
}

/// Why two incidents are one.
#[derive(Clone, Copy, Debug)]
enum Reason {
    /// This CI is behind both.
    Behind(CiId),
    /// The cause of the second needs this CI, which alerts in the first.
    Effect(CiId),
    /// The other way round.
    Cause(CiId),
    /// The CMDB has a gap, and they show the same name.
    Named,
}

fn more(best: Option<(Nats, Reason)>, other: (Nats, Reason)) -> Option<(Nats, Reason)> {
    match best {
        Some(best) if best.0 >= other.0 => Some(best),
        Some(_) | None => Some(other),
    }
}

/// What may be behind a place of a case, each with how well it explains the whole case.
fn came_at(case: &Case, ci: CiId) -> Option<Vec<(CiId, Sum)>> {
    let causes = &case.spots.get(&ci)?.causes;
    let sums = case.sums.of(causes.iter().copied());
    Some(sums.map(|(cause, _, sum)| (cause, *sum)).collect())
}

fn shared_places(a: &Case, b: &Case) -> Vec<CiId> {
    let (few, many) = match a.spots.len() <= b.spots.len() {
        true => (a, b),
        false => (b, a),
    };
    let places = few.spots.keys();
    let shared = places.filter(|place| many.spots.contains_key(place));
    shared.copied().collect()
}

pub(super) fn outage_and_warnings(a: &Case, b: &Case) -> bool {
    a.worst == Some(Severity::Critical) && b.worst.is_none_or(only_warns)
}

/// What an alert pays for the delay of the younger of two cases behind the older one, or behind an alert of one of
/// its names.
pub(super) fn lag_of_younger(a: &Case, b: &Case) -> Nats {
    let (old, young) = by_age(a, b);
    let mut delay = young.first.since(old.first);
    for (name, (_, last)) in &old.named {
        if young.named.contains_key(name) {
            let apart = young.first.since(*last).0.saturating_abs();
            delay = delay.min(Millis(apart).plus(AFTER_NAME));
        }
    }
    scale::lag(delay)
}

/// Alerts of the younger of two cases that pay for its delay.
fn late_alerts(a: &Case, b: &Case) -> i64 {
    i64::from(alerts(&by_age(a, b).1.named)).min(LATE_ALERTS)
}

fn by_age<'a>(a: &'a Case, b: &'a Case) -> (&'a Case, &'a Case) {
    match a.first <= b.first {
        true => (a, b),
        false => (b, a),
    }
}
