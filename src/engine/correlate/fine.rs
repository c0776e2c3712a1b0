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

/// One number for each fraction.
pub type Fine = [Nats; FINE];

impl Engine {
    /// What `cause` is worth by what it explains of a case and what stays silent, without its prior. It takes
    /// over the silence that its alerting effects suffer from.
    ///
    /// `silences` are those of the places of the case, see [`Engine::fine_silences`].
    pub(super) fn fine_worth(&mut self, case: &Case, cause: CiId, silences: &[Fine]) -> Nats {
        let mut silence = self.fine_silence(case, cause);
        let mut sum = [0; FINE];
        for ((place, spot), own) in case.spots.iter().zip(silences) {
            let Some(weight) = spot.weight(cause) else {
                continue;
            };
            for (a, b) in silence.iter_mut().zip(own) {
                *a = (*a).min(*b);
            }
            for (k, sum) in sum.iter_mut().enumerate() {
                let gain = match *place == cause {
                    true => scale::ln(scale::OWN),
                    false => row(weight)
                        .get(k)
                        .map_or(0, |(no, yes)| i64::from(yes - no)),
                };
                *sum += gain - spot.chance;
            }
        }
        let all = sum.into_iter().zip(silence).zip(RARITY);
        let worth = all.map(|((sum, silence), rare)| sum + silence + rare);
        worth.max().unwrap_or(0)
    }

    /// What the silence of its dependants costs each place of a case, in their order.
    pub(super) fn fine_silences(&mut self, case: &Case) -> Vec<Fine> {
        let places = case.spots.keys();
        places
            .map(|place| self.fine_silence(case, *place))
            .collect()
    }

    /// What the silence of its dependants costs a CI of a case.
    fn fine_silence(&mut self, case: &Case, ci: CiId) -> Fine {
        let mut sum = self.fine_absence(ci);
        let places = case.sums.get(&ci).map_or(0, |s| s.places);
        for (weight, n) in self.unheard(&case.hiders, ci, places) {
            for (sum, (no, _)) in sum.iter_mut().zip(row(weight)) {
                *sum = (*sum - i64::from(*no) * i64::from(n)).min(0);
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
        *sum += i64::from(*no);
    }
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
