//! What a hypothesis is worth: "one fault at this CI explains these alerts".
//!
//! value(c) = base(c) + best over the fractions f of ( ln P(f) + absence of the dependants + gains of the places )

use super::case::{Before, Case};
use super::hidden::places_of;
use super::index::Standing;
use super::join::{needing, unexplained};
use super::scale::{self, Each, FRACTION, FRACTIONS, NAT, Nats, RARITY, nats};
use crate::engine::Engine;
use crate::model::{CiId, IncidentId, Millis};
use std::cmp::Reverse;

/// More, beside [how rare faults are](super::prior), for what fails only with its parts: groups, applications, facades.
const COMPOSITE: Nats = nats(15);
/// More for what people call a service: it has no fault of its own.
const SERVICE: Nats = nats(30);
/// More for a cause of which only the name of its alerts is known.
const ONLY_A_NAME: Nats = nats(15);
/// Price of a cause without an alert: of its own, if something would report it.
const SILENT_MONITORED: Nats = nats(19);
/// And if nothing would.
const SILENT_UNMONITORED: Nats = nats(5);
/// What is worth that a CI was changed so long before at most. Of 188 changes of the recorded runs 38 were followed by a
/// fault of their CI, all but one within eight minutes: a hundred times as many as without one (4.6 nats).
const CHANGED: (Millis, Nats) = (Millis::mins(10), nats(40));
/// And that it was changed before that, but [not long](crate::engine::maintenance::SUSPECT).
const CHANGED_BEFORE: Nats = nats(15);
/// What it is worth to alert first.
pub const FIRST: Nats = nats(5);
/// Alerts this close to the first one are first as well.
pub const ALSO_FIRST: Millis = Millis::secs(30);
/// Dependants have had time to be detected after this.
const MATURE: Millis = Millis::secs(150);
/// Steps in which silence comes to count, in 256ths: scores need not be looked for anew with every second.
const STEP: i64 = 32;

impl Engine {
    /// How much commoner than others a CI is as a cause, and the price of its silence.
    pub(super) fn prior_of(&self, ci: CiId) -> (Nats, Nats) {
        if self.is_name(ci) {
            return (-ONLY_A_NAME, 0);
        }
        let Some(known) = self.force.ci(ci) else {
            return (0, SILENT_UNMONITORED);
        };
        let rules = &self.state.rules;
        let more = match () {
            () if rules.priority.service_classes.contains(&known.class) => SERVICE,
            () if rules.correlate.composite_classes.contains(&known.class) => COMPOSITE,
            () => 0,
        };
        let silence = match known.monitored {
            true => SILENT_MONITORED,
            false => SILENT_UNMONITORED,
        };
        (-more, silence)
    }

    /// How likely `ci` is the cause of anything at `at`.
    pub(super) fn base(&mut self, ci: CiId, at: Millis, alerts: bool) -> Nats {
        let standing = self.standing(ci);
        self.base_of(standing, ci, at, alerts)
    }

    pub(super) fn base_of(&self, standing: Standing, ci: CiId, at: Millis, alerts: bool) -> Nats {
        let mut base = standing.prior() - self.state.prior.value;
        if !alerts {
            base -= standing.silence();
        }
        base += match self.changed_before(ci, at) {
            Some(before) if before <= CHANGED.0 => CHANGED.1,
            Some(_) => CHANGED_BEFORE,
            None => 0,
        };
        base
    }

    /// Share of its dependants that an alerting CI of a case seems to take down, as ln of per mille.
    pub(super) fn takes_down(&mut self, case: &Case, ci: CiId, at: Millis) -> Nats {
        let absence = self.silence_in(case, ci);
        let first = case.spots.get(&ci).map_or(at, |s| s.first);
        let gains = case.sums.get(&ci).map_or([0; FRACTIONS], |s| s.gain());
        let all = scale::plus(
            scale::plus(RARITY, gains),
            scale::part(absence, maturity(first, at)),
        );
        let top = all.into_iter().max().unwrap_or(0);
        let (mut sum, mut total) = (0_i64, 0_i64);
        for (f, value) in FRACTION.into_iter().zip(all) {
            let likely = scale::exp_of_minus(top.saturating_sub(value));
            sum = sum.saturating_add(f.saturating_mul(likely));
            total = total.saturating_add(likely);
        }
        scale::ln(u16::try_from(sum / total.max(1)).unwrap_or(1))
    }

    /// ln of the share of its dependants that an alerting CI of a case takes down, less what it costs the case to
    /// explain `effect` too: what alerts there is not silent.
    pub(super) fn takes_down_with(
        &mut self,
        case: &Case,
        ci: CiId,
        at: Millis,
        effect: &Case,
    ) -> Nats {
        let absence = self.silence_in(case, ci);
        let first = case.spots.get(&ci).map_or(at, |s| s.first);
        let mature = maturity(first, at);
        let gains = case.sums.get(&ci).map_or([0; FRACTIONS], |s| s.gain());
        let alone = scale::plus(scale::plus(RARITY, gains), scale::part(absence, mature));
        let mut seen = [0; FRACTIONS];
        for (place, _, weight) in needing(effect, ci) {
            if !case.spots.contains_key(&place) {
                seen = scale::plus(seen, scale::loss(weight));
            }
        }
        let mut with = scale::minus(alone, scale::part(seen, mature));
        for (with, f) in with.iter_mut().zip(FRACTION) {
            *with += scale::ln(u16::try_from(f).unwrap_or(1));
        }
        let best = |each: Each| each.into_iter().max().unwrap_or(0);
        best(with) - best(alone)
    }

    /// Value of a cause of a case whose gains are `gains`, as seen at `at`.
    pub(super) fn value(&mut self, case: &Case, cause: CiId, gains: Each, at: Millis) -> Nats {
        let first = case.spots.get(&cause).map(|s| s.first);
        let mature = maturity(case.first, at);
        let places = places_of(case, cause);
        self.worth(
            &case.hiders,
            cause,
            first,
            case.first,
            (gains, places),
            mature,
        )
    }

    /// Looks for the best cause of an incident to which an alert at `place` came. If nothing else changed, only the
    /// causes of that place are worth more than before.
    pub(super) fn rescore_after(&mut self, incident: IncidentId, before: &Before, place: CiId) {
        let scored = self.index.scored_by();
        let Some(known) = self.state.incidents.get_mut(&incident) else {
            return;
        };
        let mature = maturity(known.case.first, self.state.at);
        let same = before.scored == Some(scored)
            && (before.first, before.mature) == (known.case.first, mature)
            && known.case.hiders.is_empty();
        if !same {
            return self.rescore(incident);
        }
        let mut case = std::mem::take(&mut known.case);
        let found = self.best_after(&case, before, place);
        if let Some((score, root)) = found {
            (case.score, case.root) = (score, root);
        }
        if let Some(known) = self.state.incidents.get_mut(&incident) {
            known.case = case;
        }
        if found.is_none() {
            self.rescore(incident);
        }
    }

    /// The best cause of a case after an alert at `place`, unless that may be one that explains no more than before.
    fn best_after(&mut self, case: &Case, before: &Before, place: CiId) -> Option<(Nats, CiId)> {
        let places = case.spots.len();
        let less = unexplained(places.saturating_sub(before.places), 0);
        let own = &case.spots.get(&place)?.causes;
        let others = (before.score.0 - less, Reverse(before.score.1));
        let knows = |cause: CiId| own.binary_search_by_key(&cause, |(c, _)| *c).is_ok();
        let mut best = match knows(before.score.1) {
            true => None,
            false => Some(others),
        };
        for (cause, _, sum) in case.sums.of(own.iter().copied()) {
            let unexplained = unexplained(places, sum.places);
            if best.is_some_and(|(b, _)| self.at_most_of(sum.peak()) - unexplained < b) {
                continue;
            }
            let spot = sum.own.then(|| case.spots.get(&cause)).flatten();
            let first = spot.map(|spot| spot.first);
            let gains = (sum.gain(), sum.places);
            let value = self.worth(&[], cause, first, case.first, gains, before.mature);
            best = best.max(Some((value - unexplained, Reverse(cause))));
        }
        // The next best of the others is worth as much as the best at most.
        let certain = |best: &(Nats, Reverse<CiId>)| !knows(before.score.1) || best.0 > others.0;
        best.filter(certain)
            .map(|(value, Reverse(cause))| (value, cause))
    }

    /// Looks for the best cause of an incident anew.
    pub(super) fn rescore(&mut self, incident: IncidentId) {
        let Some(known) = self.state.incidents.get_mut(&incident) else {
            return;
        };
        let mut case = std::mem::take(&mut known.case);
        (case.mature, case.scored) = (0, None);
        self.refresh(&mut case);
        if let Some(known) = self.state.incidents.get_mut(&incident) {
            known.case = case;
        }
    }

    /// The best cause of a case as of now: silence that counted little when its alerts came counts now.
    pub(super) fn refresh(&mut self, case: &mut Case) {
        let mature = maturity(case.first, self.state.at);
        if case.mature == mature {
            return;
        }
        if let Some((score, root)) = self.best_cause(case, mature) {
            (case.score, case.root, case.mature) = (score, root, mature);
            case.scored = Some(self.index.scored_by());
        }
    }

    /// The best cause of a case when so much of the silence counts, and what it is worth.
    pub(super) fn best_cause(&mut self, case: &Case, mature: i64) -> Option<(Nats, CiId)> {
        let places = case.spots.len();
        let mut best: Option<(Nats, CiId)> = None;
        // The present one first: few others can be worth as much.
        let present = case.sums.get_key_value(&case.root);
        for (cause, sum) in present.into_iter().chain(&case.sums) {
            let unexplained = unexplained(places, sum.places);
            if best.is_some_and(|(b, _)| self.at_most_of(sum.peak()) - unexplained < b) {
                continue;
            }
            let own = sum.own.then(|| case.spots.get(cause)).flatten();
            let first = own.map(|spot| spot.first);
            let (began, gains) = (case.first, (sum.gain(), sum.places));
            let value = self.worth(&case.hiders, *cause, first, began, gains, mature) - unexplained;
            if best.is_none_or(|(b, c)| (value, Reverse(*cause)) > (b, Reverse(c))) {
                best = Some((value, *cause));
            }
        }
        best
    }

    /// What a cause with these gains is worth at most, whatever is silent under it.
    pub(super) fn at_most(&self, gains: Each) -> Nats {
        self.at_most_of(scale::plus(RARITY, gains).into_iter().max().unwrap_or(0))
    }

    /// The same, by the [peak](super::case::Sum::peak) of the gains.
    pub(super) fn at_most_of(&self, peak: Nats) -> Nats {
        peak - self.state.prior.value + CHANGED.1 + FIRST
    }

    /// Worth of a cause whose own first alert, if any, began at `first`, in a case with these hiders that began at
    /// `began`, from what it gains by so many places and the silence of its other dependants.
    pub(super) fn worth(
        &mut self,
        hiders: &[CiId],
        cause: CiId,
        first: Option<Millis>,
        began: Millis,
        (gain, places): (Each, u32),
        mature: i64,
    ) -> Nats {
        let standing = self.standing(cause);
        let silence = match hiders {
            [] => standing.absence(),
            [..] => self.silence(hiders, cause, places),
        };
        let mut base = self.base_of(standing, cause, began, first.is_some());
        if first.is_some_and(|f| f <= began.plus(ALSO_FIRST)) {
            base += FIRST;
        }
        base + best(gain, silence, mature)
    }
}

/// How much of the absence counts, in 256ths: a tenth at once, all of it when dependants had their time.
pub fn maturity(first: Millis, at: Millis) -> i64 {
    let share = at.since(first).0.max(0).saturating_mul(256) / MATURE.0;
    let share = share.clamp(0, 256);
    (share - share % STEP).max(26)
}

/// The best fraction's value of absence and gains.
pub fn best(gains: Each, absence: Each, maturity: i64) -> Nats {
    scale::plus(scale::plus(RARITY, gains), scale::part(absence, maturity))
        .into_iter()
        .max()
        .unwrap_or(-1000 * NAT)
}
