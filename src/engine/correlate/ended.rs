//! Incidents that began together and ended together are of one fault, if anything ties them: the one needs what alerts in
//! the other or is its cause, or both show a name. When they began that was too little; chance seldom ends both at once.
//! What began later is if it needs the cause of the other, which alerted then, and ended in the same moment.
//!
//! It is asked when an incident has been quiet for so long that it is about to be over.

use super::case::Case;
use super::distance;
use super::fit::alerts;
use super::merge::Together;
use crate::engine::Engine;
use crate::engine::state::{Alert, Incident, Timer};
use crate::model::{AlertId, CiId, IncidentId, Millis};
use std::cmp::Reverse;

/// They began within this time of each other, or so many of a hundred alerts of the larger one did.
const BEGAN: (usize, Millis) = (25, Millis::mins(3));
/// And within this one at most.
const AT_MOST: Millis = Millis::mins(30);
/// What needs the cause of the larger began so long after it at most,
const LATER: Millis = Millis::mins(60);
/// or what needs something else that alerts in it, or its cause, began within this time of it,
const CLOSE: Millis = Millis::mins(10);
/// and an alert of the larger one ended within this time of its end.
const WITH_IT: Millis = Millis::secs(20);
/// An alert of the larger one ended within this time of the end of the smaller one,
const ENDED: Millis = Millis::secs(45);
/// and so many of a hundred of its alerts within this one.
const AROUND: (usize, Millis) = (40, Millis::secs(150));
/// What was over sooner may end with another one by chance.
const LASTED: Millis = Millis::mins(5);
/// So many of a hundred alerts of the larger one show the name, if only a name ties them.
const SHOWN: u64 = 10;
/// Other incidents that ended within this time and show none of the names, so many at least: where there are more of these
/// than of those that do, something ended them all, or ended our knowledge of them.
const OTHERS: (usize, Millis) = (3, Millis::secs(60));
/// Incidents of more alerts are left as they are.
const MAX_ALERTS: usize = 1000;
/// Other incidents that end then and are looked at, and timers to find them.
const MAX_ENDS: usize = 64;
/// See [`MAX_ENDS`].
const MAX_TIMERS: usize = 4096;

impl Engine {
    /// Makes an incident that is about to be over one with another that began and ended with it, if there is one: what
    /// they have become is asked again when it is about to be over.
    pub(super) fn merge_ended(&mut self, mine: IncidentId) -> bool {
        let Some((other, why)) = self.ended_with(mine) else {
            return false;
        };
        let (_, Reverse(larger)) = self.size(mine).max(self.size(other));
        let ranked = self.state.incidents.get(&larger).map(|i| i.ranked.clone());
        let stays = self.merge_unless_kept_apart(mine, other, why);
        // A name says nothing of the cause.
        let by_name = matches!(why, Together::Ended { name: Some(_), .. });
        if let Some(ranked) = ranked.filter(|_| by_name) {
            self.keep_ranked(stays, ranked);
        }
        true
    }

    /// By how much it shows, the older first.
    fn size(&self, incident: IncidentId) -> (usize, Reverse<IncidentId>) {
        let known = self.state.incidents.get(&incident);
        (known.map_or(0, |i| i.members.len()), Reverse(incident))
    }

    /// Another incident that began and ended with this one, and what ties them: that of the strongest tie.
    fn ended_with(&self, mine: IncidentId) -> Option<(IncidentId, Together)> {
        let known = self
            .state
            .incidents
            .get(&mine)
            .filter(|i| may_end_with(i))?;
        let case = &known.case;
        let near = self.index.beside(mine, case.sums.keys(), case.named.keys());
        let tied = |other: IncidentId| {
            let theirs = self.state.incidents.get(&other)?;
            let lag = distance(theirs.case.first, case.first);
            if lag > LATER {
                return None;
            }
            let (strength, why) = self.tie_of((mine, known), (other, theirs))?;
            Some(((strength, Reverse(lag), Reverse(other)), why))
        };
        let ties = near.into_iter().filter_map(tied);
        let ((_, _, Reverse(other)), why) = ties.max_by_key(|(key, _)| *key)?;
        (!self.all_end_then(known, (mine, other))).then_some((other, why))
    }

    fn tie_of(
        &self,
        (a, mine): (IncidentId, &Incident),
        (b, theirs): (IncidentId, &Incident),
    ) -> Option<(Strength, Together)> {
        // Nothing of it ended yet.
        if usize::try_from(theirs.live).is_ok_and(|live| live >= theirs.members.len()) {
            return None;
        }
        if a == b || mine.shadow != theirs.shadow || !may_end_with(theirs) {
            return None;
        }
        let (small, large) = match self.size(a) < self.size(b) {
            true => (mine, theirs),
            false => (theirs, mine),
        };
        let (strength, why) = tie(&small.case, &large.case)?;
        let lag = distance(small.case.first, large.case.first);
        let close = lag <= CLOSE && strength >= Strength::Effect;
        let (within, why) = match why {
            _ if self.began_together(small, large) => (ENDED, why),
            Together::Ended { because, .. }
                if (close || strength == Strength::EffectOfRoot)
                    && began_while_it_alerted(&small.case, &large.case, because) =>
            {
                (WITH_IT, Together::EndedWith(because))
            }
            _ if close => (WITH_IT, why),
            _ => return None,
        };
        let together = self.ended_together(small, large, within);
        (together && self.may_merge(a, b)).then_some((strength, why))
    }

    /// When the alerts of an incident were over, in order, as far as that was told.
    fn ends(&self, known: &Incident) -> Vec<Millis> {
        let over = |alert: &Alert| alert.over_since().filter(|_| !alert.expired);
        let alerts = self.state.alerts_of(known);
        let mut ends: Vec<Millis> = alerts.filter_map(|(_, _, alert)| over(alert)).collect();
        ends.sort_unstable();
        ends
    }

    fn began_together(&self, small: &Incident, large: &Incident) -> bool {
        let (share, time) = BEGAN;
        if distance(small.case.first, large.case.first) > AT_MOST {
            return false;
        }
        let then = |began: Millis| distance(began, small.case.first) <= time;
        let alerts = || self.state.alerts_of(large);
        let many = || alerts().filter(|(_, _, a)| then(a.started)).count();
        let enough = large.members.len().saturating_mul(share);
        then(large.case.first) || many().saturating_mul(100) >= enough
    }

    /// Whether the smaller ended together with the larger, of which an alert ended within a time of it.
    fn ended_together(&self, small: &Incident, large: &Incident, close: Millis) -> bool {
        let (own, theirs) = (self.ends(small), self.ends(large));
        let Some(end) = own.get(own.len() / 2).filter(|_| small.live == 0) else {
            return false;
        };
        let within = |time: Millis| theirs.iter().filter(move |e| distance(**e, *end) <= time);
        let (share, time) = AROUND;
        own.len() == small.members.len()
            && end.since(small.case.first) >= LASTED
            && within(close).next().is_some()
            && within(time).count().saturating_mul(100) >= large.members.len().saturating_mul(share)
    }

    /// Whether much else ended when an incident did.
    fn all_end_then(&self, known: &Incident, (a, b): (IncidentId, IncidentId)) -> bool {
        let Some(end) = known.quiet_since else {
            return true;
        };
        let quiet = self.state.rules.correlate.resolve_after;
        let (few, time) = OTHERS;
        // What is quiet since then is over so much later.
        let (from, to) = (end.since(time).plus(quiet), end.plus(time).plus(quiet));
        let timers = self
            .state
            .timers
            .range((from, Timer::Expiry(AlertId::default()))..);
        let timers = timers.take_while(|(due, _)| *due <= to).take(MAX_TIMERS);
        let ends = timers.filter_map(|(due, timer)| {
            let Timer::Quiet(id) = timer else {
                return None;
            };
            let other = self
                .state
                .incidents
                .get(id)
                .filter(|_| *id != a && *id != b)?;
            let since = other.quiet_since?.plus(quiet);
            (since == *due).then_some(&other.case)
        });
        let (mut alike, mut others) = (0_usize, 0_usize);
        for case in ends.take(MAX_ENDS) {
            let count = match shared_name(&known.case, case) {
                Some(_) => &mut alike,
                None => &mut others,
            };
            *count = count.saturating_add(1);
        }
        others > alike.max(few)
    }
}

/// Whether an incident may be one with another because of their ends.
fn may_end_with(known: &Incident) -> bool {
    known.maintenance.is_none() && !known.is_by_hand() && known.members.len() <= MAX_ALERTS
}

/// How well a tie speaks for one fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Strength {
    /// Both show a name.
    Name,
    /// Much of the larger needs what alerts in the smaller.
    Cause,
    /// The smaller needs what alerts in the larger.
    Effect,
    /// The smaller needs the cause of the larger.
    EffectOfRoot,
}

/// What ties two incidents.
fn tie(small: &Case, large: &Case) -> Option<(Strength, Together)> {
    let ended = |because, name| Together::Ended { because, name };
    let all = u32::try_from(small.spots.len()).unwrap_or(u32::MAX);
    let explains_all = |cause: CiId| small.sums.get(&cause).is_some_and(|sum| sum.places == all);
    if explains_all(large.root) {
        return Some((Strength::EffectOfRoot, ended(large.root, None)));
    }
    let causes = small.sums.iter().filter(|(_, sum)| sum.places == all);
    let needed = causes.filter(|(cause, _)| large.spots.contains_key(cause));
    if let Some((cause, _)) = needed.max_by_key(|(cause, sum)| (sum.most(), Reverse(**cause))) {
        return Some((Strength::Effect, ended(*cause, None)));
    }
    let own = small
        .spots
        .keys()
        .filter_map(|ci| Some((*ci, large.sums.get(ci)?)));
    if let Some((cause, sum)) = own.max_by_key(|(ci, sum)| (sum.places, Reverse(*ci)))
        && u64::from(sum.places).saturating_mul(2)
            >= u64::try_from(large.spots.len()).unwrap_or(u64::MAX)
    {
        return Some((Strength::Cause, ended(cause, None)));
    }
    let name = shared_name(small, large)?;
    let shown = large.named.get(&name).map_or(0, |(n, _)| u64::from(*n));
    let enough = shown.saturating_mul(100) >= u64::from(alerts(&large.named)).saturating_mul(SHOWN);
    enough.then_some((Strength::Name, ended(large.root, Some(name))))
}

/// Whether the smaller began later, while a CI alerted in the larger.
fn began_while_it_alerted(small: &Case, large: &Case, ci: CiId) -> bool {
    let alerted = large.spots.get(&ci).map(|spot| spot.first);
    small.first > large.first && alerted.is_some_and(|first| first <= small.first)
}

/// A name that alerts of both have, the commonest in the second.
fn shared_name(a: &Case, b: &Case) -> Option<CiId> {
    let shared = a
        .named
        .keys()
        .filter_map(|name| Some((*name, b.named.get(name)?)));
    let most = shared.max_by_key(|(name, (n, _))| (*n, Reverse(*name)));
    most.map(|(name, _)| name)
}
