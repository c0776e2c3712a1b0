//! The root for people is ranked on finer fractions than alerts are placed by: a service that took down 26 % of
//! many dependants must not lose to a far CI behind it, only because a fifth of those fits the grid better.

use super::case::Case;
use super::scale::{self, Nats, ln_of};
use crate::engine::Engine;
use crate::model::CiId;

/// Fractions told apart.
const FINE: usize = 14;
/// Share of its dependants that a fault takes down, per mille.
const FRACTION: [u128; FINE] = [
    1000, 850, 700, 600, 500, 400, 300, 250, 200, 150, 100, 60, 30, 10,
];
/// ln of how common each of them is: .25, then .06, .07, .06, .08, .06, .07, .05, .06, .05, .06, .06, .04, .03.
const RARITY: [Nats; FINE] = [
    -1420, -2881, -2723, -2881, -2586, -2881, -2723, -3068, -2881, -3068, -2881, -2881, -3296,
    -3591,
];
/// Weights are told apart in steps of this, per mille.
const STEP: u16 = 4;
const WEIGHTS: usize = 248;
/// ln(1 - f w) and ln(f w).
static TABLES: [[(i32, i32); FINE]; WEIGHTS] = tables();
/// ln(f w) - ln(1 - f w).
static GAINS: [Fine; WEIGHTS] = gains();

/// One number for each fraction, in 1/1024 nat. Not larger than need be: they are compared by the thousand.
pub type Fine = [i32; FINE];

/// A cause that is weighed: what its alerts add, and what is silent under it.
struct Weighed {
    cause: CiId,
    sum: Fine,
    /// The chances that its places alert by themselves, which are to be taken off the sum.
    chances: Nats,
    silence: Fine,
}

impl Engine {
    /// What causes are worth by what each explains of a case and what stays silent, without its prior. A cause takes
    /// over the silence that its alerting effects suffer from, unless these only tell of others.
    pub(super) fn fine_worths(&mut self, case: &Case, causes: &[CiId]) -> Vec<Nats> {
        let weighed = |cause: &CiId| Weighed {
            cause: *cause,
            sum: [0; FINE],
            chances: 0,
            silence: self.fine_silence(case, *cause),
        };
        let mut all: Vec<Weighed> = causes.iter().map(weighed).collect();
        all.sort_unstable_by_key(|weighed| weighed.cause);
        for (place, spot) in &case.spots {
            let own = self.fine_silence(case, *place);
            let mut needs = spot.causes.iter();
            let mut need = needs.next();
            for weighed in &mut all {
                while need.is_some_and(|(cause, _)| *cause < weighed.cause) {
                    need = needs.next();
                }
                let Some((_, weight)) = need.filter(|(cause, _)| *cause == weighed.cause) else {
                    continue;
                };
                if !spot.witness || *place == weighed.cause {
                    for (a, b) in weighed.silence.iter_mut().zip(own) {
                        *a = (*a).min(b);
                    }
                }
                let gain = match *place == weighed.cause {
                    true => &[ln_own(); FINE],
                    false => gain(*weight),
                };
                for (sum, gain) in weighed.sum.iter_mut().zip(gain) {
                    *sum = sum.wrapping_add(*gain);
                }
                weighed.chances += spot.chance;
            }
        }
        let worth = |cause: &CiId| {
            let at = all.binary_search_by_key(cause, |weighed| weighed.cause);
            let weighed = at.ok().and_then(|at| all.get(at))?;
            let both = weighed.sum.iter().zip(weighed.silence).zip(RARITY);
            let worth = both.map(|((sum, silence), rare)| {
                i64::from(*sum) + i64::from(silence) + rare - weighed.chances
            });
            worth.max()
        };
        causes.iter().map(|c| worth(c).unwrap_or(0)).collect()
    }

    /// What the silence of its dependants costs a CI of a case.
    fn fine_silence(&mut self, case: &Case, ci: CiId) -> Fine {
        let mut sum = self.fine_absence(ci);
        if case.hiders.is_empty() {
            return sum;
        }
        let places = case.sums.get(&ci).map_or(0, |s| s.places);
        for (weight, n) in self.unheard(&case.hiders, ci, places) {
            let n = i32::try_from(n).unwrap_or(i32::MAX);
            for (sum, (no, _)) in sum.iter_mut().zip(row(weight)) {
                *sum = sum.saturating_sub(no.saturating_mul(n)).min(0);
            }
        }
        sum
    }

    /// What the silence of all its monitored dependants costs a CI; asked once per graph.
    fn fine_absence(&mut self, ci: CiId) -> Fine {
        if let Some(known) = self.index.fine(ci) {
            return known;
        }
        let sum = self.absence(ci).fine;
        self.index.keep_fine(ci, sum);
        sum
    }
}

/// Adds what one silent dependant costs.
pub(super) fn silent(sum: &mut Fine, weight: u16) {
    for (sum, (no, _)) in sum.iter_mut().zip(row(weight)) {
        *sum = sum.saturating_add(*no);
    }
}

/// What an alert at this weight adds, but for the chance that it comes by itself.
fn gain(weight: u16) -> &'static Fine {
    let at = usize::from(weight / STEP).clamp(1, WEIGHTS - 1);
    GAINS.get(at).unwrap_or(&[0; FINE])
}

/// The same of one on the cause itself.
fn ln_own() -> i32 {
    i32::try_from(scale::ln(scale::OWN)).unwrap_or(0)
}

fn row(weight: u16) -> &'static [(i32, i32); FINE] {
    let at = usize::from(weight / STEP).clamp(1, WEIGHTS - 1);
    TABLES.get(at).unwrap_or(&[(0, 0); FINE])
}

#[expect(
    clippy::indexing_slicing,
    reason = "bounded by the length of the table, checked by the compiler"
)]
const fn tables() -> [[(i32, i32); FINE]; WEIGHTS] {
    let mut table = [[(0, 0); FINE]; WEIGHTS];
    let mut at = 1;
    let mut weight = 4;
    while at < WEIGHTS {
        let mut k = 0;
        while k < FINE {
            let fw = FRACTION[k] * weight;
            table[at][k] = (ln_of(1_000_000 - fw, 1_000_000), ln_of(fw, 1_000_000));
            k += 1;
        }
        at += 1;
        weight += 4;
    }
    table
}

#[expect(
    clippy::indexing_slicing,
    reason = "bounded by the length of the table, checked by the compiler"
)]
const fn gains() -> [Fine; WEIGHTS] {
    let tables = tables();
    let mut gains = [[0; FINE]; WEIGHTS];
    let mut at = 0;
    while at < WEIGHTS {
        let mut k = 0;
        while k < FINE {
            let (no, yes) = tables[at][k];
            gains[at][k] = yes - no;
            k += 1;
        }
        at += 1;
    }
    gains
}
