//! The root cause of an incident, and whether we may call it known.

use super::case::{Case, Sum};
use super::elsewhere::ALERTS_ELSEWHERE;
use super::place::{ONLY_WARNINGS, only_warns};
use super::scale::{self, Nats, nats};
use super::value::{ALSO_FIRST, FIRST, maturity};
use super::{Engine, MAX_TURNS, Turn};
use crate::engine::state::{Incident, IncidentState};
use crate::model::{CiId, IncidentId, Millis, Severity};
use std::cmp::{Ordering, Reverse};
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::sync::Arc;

/// What a known cause must be worth more than the next best, if it is critical itself.
const CLEAR_LEAD: Nats = nats(35);
/// And if it is not.
const WIDE_LEAD: Nats = nats(45);
/// Share of the alerting CIs of which an alert is to be expected from a critical cause, itself among them, in per
/// cent. The others are explained at best: much that alerts far away speaks for a cause behind it.
const CLOSE: u64 = 30;
/// The same for a cause that is not critical.
const CLOSE_TO_ANY: u64 = 60;
/// Share of the alerting CIs that it must explain, in per cent.
pub(super) const EXPLAINS: u64 = 80;
/// Share of the monitored CIs that need it which alert, in per cent.
const SHOWS: u64 = 17;
/// Unless the incident is this small: then two of them will do.
const FEW: usize = 5;
/// And so long from the first alert to the last at most.
const AT_ONCE: Millis = Millis::mins(10);
/// CIs that could be affected and are looked at for the coverage.
pub(in crate::engine) const MAX_IMPACT: usize = 2000;
/// Smallest weight of a path over which we expect an alert, per mille.
pub(in crate::engine) const EXPECTED: u16 = 500;

/// Hypotheses looked at closely: at least, and at most in an incident of many places, whose causes are many and alike.
const LOOKED_AT: (usize, usize) = (40, 200);
/// More of them than places by this factor at most, and so many times all places.
const PER_PLACE: usize = 10;
/// See [`PER_PLACE`].
const MAX_LOOKS: usize = 8000;
/// Hypotheses named.
const MAX_RANKED: usize = 5;
/// Smallest weight of a path along which an alerting cause explains the winner away, per mille.
const CLIMB_MIN: u16 = 150;

/// What climbing must gain beyond a fault of its own.
const CLIMB_MARGIN: Nats = nats(15);
/// Price of a cause that only warns where something worse is to be explained.
const WARNING_AS_CAUSE: Nats = nats(10);
/// What is worth to a silent cause that nothing monitors it: power, circuits and ducts fail as often as what they
/// carry, and every fault of theirs is told by that alone.
const CANNOT_SPEAK: Nats = nats(20);

/// A cause by what it could be worth.
struct Could<'a> {
    peak: Nats,
    cause: CiId,
    sum: &'a Sum,
}

impl PartialEq for Could<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}
impl Eq for Could<'_> {}
impl PartialOrd for Could<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Could<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.peak, self.cause).cmp(&(other.peak, other.cause))
    }
}

/// What a root cause explains.
#[derive(Clone, Debug, Default)]
pub struct Explains {
    /// Alerting CIs that need it.
    pub alerting: u32,
    /// Monitored CIs that need it.
    pub monitored: u32,
    /// Those of them without an alert, by number.
    pub silent: Vec<CiId>,
    /// CIs left out because their silence says nothing.
    pub unknown: u32,
}

/// A CI of an incident: its worst severity and the begin of its first alert.
pub(in crate::engine) type Spots = BTreeMap<CiId, (Severity, Millis)>;

impl Engine {
    /// The CIs of an incident with what its alerts say of them.
    pub(in crate::engine) fn spots(&self, incident: IncidentId) -> Arc<Spots> {
        match self.seen.spots(incident) {
            Some(known) => known,
            None => Arc::new(self.look_for_spots(incident)),
        }
    }

    fn look_for_spots(&self, incident: IncidentId) -> Spots {
        let known = self.state.incidents.get(&incident);
        known.map_or_else(Spots::new, |known| self.look_over(known).0)
    }

    /// Goes through the alerts of an incident: its CIs, and its worst severity (see [`Engine::worst`]).
    pub(super) fn look_over(&self, known: &Incident) -> (Spots, Severity) {
        let mut all: Vec<(CiId, Severity, Millis)> = Vec::with_capacity(known.members.len());
        let (mut live, mut ever) = (None, Severity::Info);
        for (_, member, alert) in self.state.alerts_of(known) {
            all.push((member.ci, alert.worst, alert.started));
            ever = ever.min(alert.worst);
            if alert.live() {
                live = Some(live.map_or(alert.severity, |live: Severity| live.min(alert.severity)));
            }
        }
        all.sort_unstable_by_key(|(ci, _, _)| *ci);
        let spot = |of_one: &[(CiId, Severity, Millis)]| {
            let both = |a: (CiId, Severity, Millis), b: (CiId, Severity, Millis)| {
                (a.0, a.1.min(b.1), a.2.min(b.2))
            };
            let (ci, worst, first) = of_one.iter().copied().reduce(both)?;
            Some((ci, (worst, first)))
        };
        let spots = all.chunk_by(|a, b| a.0 == b.0).filter_map(spot);
        (spots.collect(), live.unwrap_or(ever))
    }

    /// The hypotheses of an incident with their values, best first, at most [`MAX_RANKED`].
    ///
    /// A cause takes over the silence that its alerting effects suffer from, so that a far silent CI cannot
    /// dodge it; and an alerting cause of the winner explains the winner away.
    pub(in crate::engine) fn ranked(&mut self, incident: IncidentId) -> Vec<(CiId, Nats)> {
        let Some(known) = self.state.incidents.get_mut(&incident) else {
            return Vec::new();
        };
        let case = std::mem::take(&mut known.case);
        let ranked = self.ranked_in(&case, incident);
        if let Some(known) = self.state.incidents.get_mut(&incident) {
            known.case = case;
        }
        ranked
    }

    fn ranked_in(&mut self, case: &Case, incident: IncidentId) -> Vec<(CiId, Nats)> {
        let causes = self.most_valued(case);
        let outage = case.worst.is_some_and(|worst| !only_warns(worst));
        let worths = self.fine_worths(case, &causes);
        let mut ranked: Vec<(CiId, Nats)> = Vec::new();
        for (cause, worth) in causes.into_iter().zip(worths) {
            let own = case.spots.get(&cause);
            let elsewhere = self.alerts_elsewhere(cause, case, incident).is_some();
            let mut base = self.base(cause, case.first, own.is_some() || elsewhere);
            if elsewhere {
                base += ALERTS_ELSEWHERE;
            }
            if own.is_some_and(|s| s.first <= case.first.plus(ALSO_FIRST)) {
                base += FIRST;
            }
            if outage && own.is_some_and(|s| only_warns(s.worst)) {
                base -= WARNING_AS_CAUSE;
            }
            if own.is_none() && self.force.ci(cause).is_some_and(|ci| !ci.monitored) {
                base += CANNOT_SPEAK;
            }
            ranked.push((cause, base + worth));
        }
        ranked.sort_by_key(|(cause, value)| (Reverse(*value), *cause));
        if let Some(top) = self.climb(case, &ranked) {
            let top = self.group_or_member(case, top, &ranked);
            let at = ranked.iter().position(|(cause, _)| *cause == top);
            let entry = match at {
                Some(at) => ranked.remove(at),
                None => (top, 0),
            };
            ranked.insert(0, entry);
        }
        ranked.truncate(MAX_RANKED);
        ranked
    }

    /// The causes of a case of the highest value, best first, as many as are [looked at](looked_at).
    fn most_valued(&mut self, case: &Case) -> Vec<CiId> {
        let mature = maturity(case.first, Millis(i64::MAX));
        let most = looked_at(case.spots.len());
        let mut best: Vec<(Reverse<Nats>, CiId)> = Vec::new();
        // Those first that could be worth most: the rest need not be weighed.
        let could = case
            .sums
            .iter()
            .map(|(cause, sum)| (sum.peak(), *cause, sum));
        let could = could.map(|(peak, cause, sum)| Could { peak, cause, sum });
        let mut could: BinaryHeap<Could> = could.collect();
        while let Some(Could { peak, cause, sum }) = could.pop() {
            let last = best.last().filter(|_| best.len() >= most).copied();
            if last.is_some_and(|(Reverse(last), _)| self.at_most_of(peak) < last) {
                break;
            }
            let first = case.spots.get(&cause).map(|spot| spot.first);
            let (began, gains) = (case.first, (sum.gain(), sum.places));
            let value = self.worth(&case.hiders, cause, first, began, gains, mature);
            let new = (Reverse(value), cause);
            if last.is_some_and(|last| new > last) || self.is_name(cause) {
                continue;
            }
            let at = best.partition_point(|known| *known < new);
            best.insert(at, new);
            best.truncate(most);
        }
        best.into_iter().map(|(_, cause)| cause).collect()
    }

    /// From the best hypothesis up to the alerting cause that explains it. What needs the hypothesis itself is no such
    /// cause: its alert is explained already (neighbours tell of a router that is down).
    fn climb(&mut self, case: &Case, ranked: &[(CiId, Nats)]) -> Option<CiId> {
        let mut top = ranked.first()?.0;
        let mut seen = BTreeSet::from([top]);
        loop {
            let about = self.about(top);
            let behind: Vec<CiId> = match case.spots.get(&top) {
                Some(spot) => spot.causes.iter().map(|(c, _)| *c).collect(),
                None => about.cone.iter().map(|n| n.ci).collect(),
            };
            let own = self.base(top, case.first, case.spots.contains_key(&top));
            let mut best: Option<(Nats, u16, CiId)> = None;
            for cause in behind {
                let Some(spot) = case.spots.get(&cause) else {
                    continue;
                };
                let weight = about
                    .weight(cause)
                    .filter(|w| *w >= CLIMB_MIN && !seen.contains(&cause));
                let Some(weight) = weight else {
                    continue;
                };
                if self.about(cause).weight(top).is_some() {
                    continue;
                }
                let mut link = scale::ln(weight) + self.takes_down(case, cause, Millis(i64::MAX));
                if only_warns(spot.worst) {
                    link += ONLY_WARNINGS;
                }
                if link <= own + CLIMB_MARGIN {
                    continue;
                }
                let value = ranked
                    .iter()
                    .find(|(c, _)| *c == cause)
                    .map_or(i64::MIN, |(_, v)| *v);
                if best.is_none_or(|(v, w, c)| (value, weight, Reverse(cause)) > (v, w, Reverse(c)))
                {
                    best = Some((value, weight, cause));
                }
            }
            match best {
                Some((_, _, cause)) => {
                    seen.insert(cause);
                    top = cause;
                }
                None => return Some(top),
            }
        }
    }

    /// Chooses the root anew.
    pub(super) fn choose_root(&mut self, incident: IncidentId) {
        let Some(known) = self.state.incidents.get(&incident) else {
            return;
        };
        let now = self.rests_on(known);
        let ranked = match known.ranked_for == now {
            true => known.ranked.clone(),
            false => self.ranked(incident),
        };
        let places = self
            .state
            .incidents
            .get(&incident)
            .map_or(0, |i| i.case.spots.len());
        let best = ranked.first().map(|(best, _)| *best);
        if let Some(known) = self.state.incidents.get_mut(&incident) {
            known.ranked = ranked;
            known.ranked_for = now;
        }
        if let Some(best) = best {
            let root = self.steadied(incident, best);
            let alerts = self.spot(incident, root).is_some();
            self.set_root(incident, root, !alerts);
        }
        if let Some(root) = self.state.incidents.get(&incident).map(|i| i.root) {
            self.keep_under(root);
        }
        self.judge_confidence(incident, places);
    }

    /// What the ranking of an incident's causes rests on: with the same it is the same.
    fn rests_on(&self, known: &Incident) -> (u32, u64) {
        (known.case.version, self.state.rankings)
    }

    /// The causes of an incident are these, best first, until something else comes to it.
    pub(super) fn keep_ranked(&mut self, incident: IncidentId, ranked: Vec<(CiId, Nats)>) {
        let now = self
            .state
            .incidents
            .get(&incident)
            .map(|i| self.rests_on(i));
        if let Some((known, now)) = self.state.incidents.get_mut(&incident).zip(now) {
            (known.ranked, known.ranked_for) = (ranked, now);
        }
    }

    pub(in crate::engine) fn set_root(&mut self, incident: IncidentId, root: CiId, silent: bool) {
        let (root, silent) = self.root_by_hand(incident, root, silent);
        let Some(known) = self.state.incidents.get(&incident) else {
            return;
        };
        let old = known.root;
        if old == root && known.silent_root == silent {
            return;
        }
        let name = self.ci_name(root);
        let at = self.state.at;
        if let Some(known) = self.state.incidents.get_mut(&incident) {
            known.root = root;
            known.silent_root = silent;
            if old != root && known.turns.len() < MAX_TURNS {
                known.turns.push(Turn {
                    at,
                    what: format!("cause {name}"),
                });
            }
            if old != root && known.state != IncidentState::Pending {
                self.line(Some(incident), format!("root cause now {name}"));
            }
        }
        self.touch(incident);
    }

    /// Causes that explain an incident, the one that is named first, the others best first, at most 5; none for an
    /// incident that is not there or not explained yet.
    pub fn ranked_roots(&self, incident: IncidentId) -> Vec<CiId> {
        let Some(known) = self.state.incidents.get(&incident) else {
            return Vec::new();
        };
        let named = known.root;
        let others = known.ranked.iter().map(|(ci, _)| *ci);
        let first = (!known.ranked.is_empty()).then_some(named);
        let all = first.into_iter().chain(others.filter(|ci| *ci != named));
        all.take(MAX_RANKED).collect()
    }

    /// What `root` explains of the CIs of an incident.
    pub(in crate::engine) fn explains(&self, root: CiId, spots: &[CiId]) -> Explains {
        let mut out = Explains::default();
        let under = self.under(root);
        for one in under.iter().filter(|d| d.weight >= EXPECTED) {
            let alerts = spots.binary_search(&one.ci).is_ok();
            if alerts {
                out.alerting = out.alerting.saturating_add(1);
            }
            if alerts || one.monitored {
                out.monitored = out.monitored.saturating_add(1);
            }
            if !alerts && one.monitored {
                out.silent.push(one.ci);
            }
        }
        self.without_unknown(&mut out, spots);
        out
    }

    /// A cause is called known only where that was right in 95 % of the recorded faults: it alerts itself, leads
    /// the next best clearly, an alert was to be expected from enough of what alerts, and all began within minutes
    /// of each other. What is critical itself needs less of each, and a lone CI is the cause of its own alerts only if one
    /// of them is critical: the trouble of which a warning tells often lies elsewhere. Version 6, fitted on seven runs of
    /// two worlds: 100 of 101 right for faults of three or more alerts. It covers 35 % of those faults.
    fn judge_confidence(&mut self, incident: IncidentId, cis: usize) {
        let Some(known) = self.state.incidents.get(&incident) else {
            return;
        };
        let (root, silent) = (known.root, known.silent_root);
        let case = &known.case;
        let lead = match known.ranked.as_slice() {
            [(best, _), ..] if *best != root => 0,
            [best, next, ..] => best.1 - next.1,
            [_] | [] => CLEAR_LEAD,
        };
        let explained = case.sums.get(&root).map_or(0, |s| s.places);
        let of_all = u64::try_from(cis).unwrap_or(u64::MAX);
        let explains = u64::from(explained) * 100 >= of_all.saturating_mul(EXPLAINS);
        let critical = case
            .spots
            .get(&root)
            .is_some_and(|s| s.worst == Severity::Critical);
        let spots = || -> Vec<CiId> { case.spots.keys().copied().collect() };
        // Asked last: it goes through all that needs the cause.
        let shows = || {
            let shown = self.explains(root, &spots());
            let many = u64::from(shown.alerting) * 100
                >= u64::from(shown.monitored).saturating_mul(SHOWS)
                || (cis <= FEW && shown.alerting >= 2);
            let close = u64::from(shown.alerting).saturating_add(1) * 100;
            // No more of them are looked at.
            let looked_at = u64::try_from(cis.min(MAX_IMPACT)).unwrap_or(u64::MAX);
            let leads =
                |by: Nats, share: u64| lead >= by && close >= looked_at.saturating_mul(share);
            many && ((critical && leads(CLEAR_LEAD, CLOSE)) || leads(WIDE_LEAD, CLOSE_TO_ANY))
        };
        let high = !silent
            && self.force.ix(root).is_some()
            && ((cis <= 1 && critical)
                || (known.burst.is_none()
                    && explains
                    && case.last.since(case.first) <= AT_ONCE
                    && lead >= CLEAR_LEAD.min(WIDE_LEAD)
                    && shows()));
        if let Some(known) = self.state.incidents.get_mut(&incident) {
            if let Some(named) = &known.hands.cause {
                known.confident = named.ci.is_some();
                return;
            }
            // What tickets say is not taken back because one more CI is silent or alerts.
            known.confident = high || (known.told.cause == Some(root) && !silent);
        }
    }

    /// The name people know a CI by.
    pub(in crate::engine) fn ci_name(&self, ci: CiId) -> String {
        self.name_of(ci).to_owned()
    }

    /// The same, to read.
    pub(in crate::engine) fn name_of(&self, ci: CiId) -> &str {
        match self.force.ci(ci) {
            Some(known) => &known.name,
            None => super::impact::bare_name(self.state.cis.key(ci)),
        }
    }
}

/// How many hypotheses of an incident of so many places are looked at closely.
fn looked_at(places: usize) -> usize {
    let (least, most) = LOOKED_AT;
    let looks = MAX_LOOKS / places.max(1);
    places
        .saturating_mul(PER_PLACE)
        .min(looks)
        .clamp(least, most)
}
