//! What a hypothesis is worth: "one fault at this CI explains these alerts".
//!
//! value(c) = base(c) + best over the fractions f of ( ln P(f) + absence of the dependants + gains of the places )

use super::case::Case;
use super::scale::{self, Each, FRACTION, FRACTIONS, NAT, Nats, RARITY, nats};
use crate::engine::Engine;
use crate::model::{CiId, IncidentId, Millis};

/// ln of how rare a fault is at the start, with the sign turned: 4 nats.
const PRIOR: Nats = nats(40);
/// More for what fails only with its parts: groups, applications, facades.
const COMPOSITE: Nats = nats(15);
/// More for what people call a service: it has no fault of its own.
const SERVICE: Nats = nats(30);
/// More for a cause of which only the name of its alerts is known.
const ONLY_A_NAME: Nats = nats(15);
/// Price of a cause without an alert: of its own, if something would report it.
const SILENT_MONITORED: Nats = nats(19);
/// And if nothing would.
const SILENT_UNMONITORED: Nats = nats(5);
/// What is worth that a CI was changed shortly before.
const CHANGED: Nats = nats(15);
/// What it is worth to alert first.
pub const FIRST: Nats = nats(5);
/// Alerts this close to the first one are first as well.
pub const ALSO_FIRST: Millis = Millis::secs(30);
/// Dependants have had time to be detected after this.
const MATURE: Millis = Millis::secs(150);
/// Lead or lag between the alerts of a cause and of its effect that costs nothing.
const SLACK: Millis = Millis::secs(150);
/// Beyond that, one nat per this.
const LAG: Millis = Millis::secs(60);
/// And one per this where the cause is what alerts last.
const LATE: Millis = Millis::secs(120);
/// An incident older than the window costs one nat per this.
const AGE: Millis = Millis::secs(120);

impl Engine {
    /// Prior of a CI as a cause, and the price of its silence.
    pub(super) fn prior_of(&self, ci: CiId) -> (Nats, Nats) {
        if self.is_name(ci) {
            return (-PRIOR - ONLY_A_NAME, 0);
        }
        let Some(known) = self.force.ci(ci) else {
            return (-PRIOR, SILENT_UNMONITORED);
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
        (-PRIOR - more, silence)
    }

    /// How likely `ci` is the cause of anything at `at`.
    pub(super) fn base(&mut self, ci: CiId, at: Millis, alerts: bool) -> Nats {
        let standing = self.standing(ci);
        let mut base = standing.prior;
        if !alerts {
            base -= standing.silence;
        }
        if self.changed_recently(ci, at) {
            base += CHANGED;
        }
        base
    }

    /// Share of its dependants that an alerting CI of an incident seems to take down, as ln of per mille.
    pub(super) fn takes_down(&mut self, incident: IncidentId, ci: CiId, at: Millis) -> Nats {
        let absence = self.standing(ci).absence;
        let Some(known) = self.state.incidents.get(&incident) else {
            return 0;
        };
        let first = known.case.spots.get(&ci).map_or(at, |s| s.first);
        let gains = known.case.sums.get(&ci).map_or([0; FRACTIONS], |s| s.gain);
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

    /// Value of a cause of an incident whose gains are `gains`, as seen at `at`.
    pub(super) fn value(&mut self, case: &Case, cause: CiId, gains: Each, at: Millis) -> Nats {
        let absence = self.standing(cause).absence;
        let own = case.spots.get(&cause);
        let mut base = self.base(cause, case.first, own.is_some());
        if own.is_some_and(|s| s.first <= case.first.plus(ALSO_FIRST)) {
            base += FIRST;
        }
        base + best(gains, absence, maturity(case.first, at))
    }

    /// Looks for the best cause of an incident anew.
    pub(super) fn rescore(&mut self, incident: IncidentId) {
        let Some(known) = self.state.incidents.get_mut(&incident) else {
            return;
        };
        let case = std::mem::take(&mut known.case);
        let mut found: Option<(Nats, CiId)> = None;
        for (cause, sum) in &case.sums {
            let value = self.value(&case, *cause, sum.gain, case.last);
            if found.is_none_or(|(v, _)| value > v) {
                found = Some((value, *cause));
            }
        }
        if let Some(known) = self.state.incidents.get_mut(&incident) {
            known.case = case;
            if let Some((score, root)) = found {
                known.case.score = score;
                known.case.root = root;
            }
        }
    }

    /// What an incident is worth as seen at `at`, by its best cause so far or by `other`: silence that counted
    /// little when its alerts came counts now.
    pub(super) fn score_at(&mut self, incident: IncidentId, other: CiId, at: Millis) -> Nats {
        let Some(known) = self.state.incidents.get_mut(&incident) else {
            return 0;
        };
        let case = std::mem::take(&mut known.case);
        let mut score = case.score;
        if maturity(case.first, at) != maturity(case.first, case.last) {
            let of = |engine: &mut Engine, cause| {
                let sum = case.sums.get(&cause)?;
                Some(engine.value(&case, cause, sum.gain, at))
            };
            let best = of(self, case.root).max(of(self, other));
            score = best.unwrap_or(score);
        }
        if let Some(known) = self.state.incidents.get_mut(&incident) {
            known.case = case;
        }
        score
    }

    /// Price of the time between an alert that began at `began` and what `cause` explains of an incident.
    pub(super) fn ageing(&self, case: &Case, cause: CiId, began: Millis, late_cause: bool) -> Nats {
        let (first, last) = case
            .sums
            .get(&cause)
            .filter(|s| s.first <= s.last)
            .map_or((case.first, case.last), |s| (s.first, s.last));
        let apart = began.since(last).max(first.since(began));
        let window = self.state.rules.correlate.window;
        // A cause that is detected late has the time that detection takes.
        let lag = match late_cause {
            true => scale::price(Millis(apart.0 - SLACK.0), LATE),
            false => scale::price(apart, LAG),
        };
        lag + scale::price(Millis(began.since(first).0 - window.0), AGE)
    }
}

/// How much of the absence counts, in 256ths: a tenth at once, all of it when dependants had their time.
pub fn maturity(first: Millis, at: Millis) -> i64 {
    let share = at.since(first).0.max(0).saturating_mul(256) / MATURE.0;
    share.clamp(26, 256)
}

/// The best fraction's value of absence and gains.
pub fn best(gains: Each, absence: Each, maturity: i64) -> Nats {
    scale::plus(scale::plus(RARITY, gains), scale::part(absence, maturity))
        .into_iter()
        .max()
        .unwrap_or(-1000 * NAT)
}

/// Price of the time between the alert of a cause and that of its effect.
pub fn gap(cause: Millis, effect: Millis) -> Nats {
    let late = cause.since(effect).0;
    let per = if late > 0 { LATE } else { LAG };
    scale::price(Millis(late.saturating_abs() - SLACK.0), per)
}
