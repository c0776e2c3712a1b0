//! The scale of the scores: integers of 1/1024 nat, and the tables that they are made of.
//!
//! Sums of integers do not depend on their order, so neither merges nor a replay on another machine can change
//! a bit of a score. All tables are made by the compiler, from integers alone.

use crate::model::{Millis, Severity};

/// A log-likelihood, or a difference of two, in 1/1024 nat.
pub type Nats = i64;

/// One nat.
pub const NAT: Nats = 1024;

/// `tenths` tenths of a nat.
pub const fn nats(tenths: i64) -> Nats {
    tenths * NAT / 10
}

/// How many partial faults are told apart.
pub const FRACTIONS: usize = 5;
/// Share of its dependants that a fault takes down, per mille: all, half, a fifth, a few, hardly any.
pub const FRACTION: [i64; FRACTIONS] = [1000, 500, 200, 60, 10];
/// ln of how common each of them is: .40, .25, .20, .10, .05.
pub const RARITY: [Nats; FRACTIONS] = [-938, -1420, -1648, -2358, -3068];

/// One number for each fraction.
pub type Each = [Nats; FRACTIONS];

/// Weight by which a fault of a CI shows at the CI itself, per mille.
pub const OWN: u16 = 900;
/// Certainty. A weight of 1000 leaves no room for the CI that stays silent.
const MOST: u16 = 990;

/// ln of the chance that a CI alerts by itself within the window, by severity: what is rare by itself says
/// more. Critical 1 in 2500, warning 1 in 250.
pub const fn chance(severity: Severity) -> Nats {
    match severity {
        Severity::Critical => -8012,
        Severity::Major => -7597,
        Severity::Minor => -7074,
        Severity::Warning | Severity::Info => -5654,
    }
}

/// ln of a weight per mille.
pub fn ln(weight: u16) -> Nats {
    LN.get(usize::from(weight.clamp(1, 1000)))
        .map_or(0, |n| i64::from(*n))
}

/// What an alert with the path weight `weight` and the chance `chance` adds to a cause, for each fraction:
/// ln(f w / q) - ln(1 - f w).
pub fn gain(weight: u16, chance: Nats) -> Each {
    let row = GAIN.get(usize::from(weight.clamp(1, MOST)));
    row.map_or([0; FRACTIONS], |row| {
        row.map(|n| i64::from(n).saturating_sub(chance))
    })
}

/// What an alert on the cause itself adds: ln(w / q).
pub fn own_gain(chance: Nats) -> Each {
    [ln(OWN).saturating_sub(chance); FRACTIONS]
}

/// What a monitored dependant at `weight` costs a cause before it is known whether it alerts: ln(1 - f w).
pub fn loss(weight: u16) -> Each {
    let row = LOSS.get(usize::from(weight.min(MOST)));
    row.map_or([0; FRACTIONS], |row| row.map(i64::from))
}

/// e^-x in 1/65536.
pub fn exp_of_minus(x: Nats) -> i64 {
    let at = usize::try_from(x.max(0) / EXP_STEP).unwrap_or(usize::MAX);
    EXP.get(at).map_or(0, |n| i64::from(*n))
}

/// `time` as nats at one nat per `per`.
pub fn price(time: Millis, per: Millis) -> Nats {
    time.0.max(0).saturating_mul(NAT) / per.0.max(1)
}

/// a + b, for each fraction.
pub fn plus(a: Each, b: Each) -> Each {
    let mut sum = a;
    for (s, b) in sum.iter_mut().zip(b) {
        *s = s.saturating_add(b);
    }
    sum
}

/// a - b, for each fraction.
pub fn minus(a: Each, b: Each) -> Each {
    plus(a, b.map(|n| n.saturating_neg()))
}

/// `share` 256ths of `a`.
pub fn part(a: Each, share: i64) -> Each {
    a.map(|n| n.saturating_mul(share) / 256)
}

/// ln of a whole number of at least 1; to 1/2000 above 4096.
pub fn ln_int(n: u64) -> Nats {
    let bits = u64::BITS.saturating_sub(n.leading_zeros());
    let shift = bits.saturating_sub(12);
    let at = usize::try_from(n >> shift).unwrap_or(1).max(1);
    let rest = LN_INT.get(at).map_or(0, |n| i64::from(*n));
    rest + i64::from(shift).saturating_mul(LN_2) / 1024
}

/// ln n!
pub fn ln_factorial(n: u32) -> Nats {
    let at = usize::try_from(n).unwrap_or(usize::MAX);
    match LN_FACTORIAL.get(at) {
        Some(sum) => i64::from(*sum),
        // Stirling's first terms; the rest is below 1/1000.
        None => i64::from(n).saturating_mul(ln_int(u64::from(n)) - NAT),
    }
}

/// Price of a delay: how much less likely it is to see an effect of a fault this late than at once. Six of ten
/// effects show with a mean delay of 90 s, the others with one of 10 minutes.
pub fn lag(delay: Millis) -> Nats {
    let at = usize::try_from(delay.0.max(0) / LAG_STEP.0).unwrap_or(usize::MAX);
    let longest = LAG.last().map_or(0, |n| i64::from(*n));
    LAG.get(at).map_or(longest, |n| i64::from(*n))
}

/// ln 2 in 1/1024 of a 1/1024 nat.
const LN_2: i64 = 726_817;
const LAG_STEP: Millis = Millis::secs(5);
static LN_INT: [i32; 4096] = ln_table(1);
static LN_FACTORIAL: [i32; 4096] = ln_factorial_table();
static LAG: [i32; 720] = lag_table();
const EXP_STEP: Nats = 32;
static EXP: [u32; 512] = exp_table();
static LN: [i32; 1001] = ln_table(1000);
static GAIN: [[i32; FRACTIONS]; 1001] = weight_table(true);
static LOSS: [[i32; FRACTIONS]; 1001] = weight_table(false);

/// ln(num / den) in 1/1024 nat, by repeated squaring.
#[expect(
    clippy::as_conversions,
    reason = "a const fn has no other conversion; all values are small"
)]
pub(super) const fn ln_of(num: u128, den: u128) -> i32 {
    const ONE: u128 = 1 << 40;
    let mut mantissa = (num << 40) / den;
    let mut log2: i64 = 0;
    while mantissa >= 2 * ONE {
        mantissa >>= 1;
        log2 += 1 << 20;
    }
    while mantissa < ONE {
        mantissa <<= 1;
        log2 -= 1 << 20;
    }
    let mut bit = 1 << 19;
    while bit > 0 {
        mantissa = (mantissa * mantissa) >> 40;
        if mantissa >= 2 * ONE {
            mantissa >>= 1;
            log2 += bit;
        }
        bit >>= 1;
    }
    // 726817 is ln 2 times 2^20.
    ((log2 * 726_817 + (1 << 29)) >> 30) as i32
}

/// ln(n / whole), for n from 1; 0 at 0.
#[expect(
    clippy::indexing_slicing,
    reason = "bounded by the length of the table, checked by the compiler"
)]
const fn ln_table<const N: usize>(whole: u128) -> [i32; N] {
    let mut table = [0; N];
    let mut n = 1_u128;
    let mut at = 1;
    while at < N {
        table[at] = ln_of(n, whole);
        n += 1;
        at += 1;
    }
    table
}

/// ln(1 - f w) of a dependant that is silent; of one that alerts what it adds to that, ln(f w) - ln(1 - f w).
#[expect(
    clippy::indexing_slicing,
    reason = "bounded by the length of the table, checked by the compiler"
)]
#[expect(
    clippy::as_conversions,
    reason = "a const fn has no other conversion; all values are small"
)]
const fn weight_table(alerts: bool) -> [[i32; FRACTIONS]; 1001] {
    let mut table = [[0; FRACTIONS]; 1001];
    let mut at = 1;
    while at < 1000 {
        let mut k = 0;
        while k < FRACTIONS {
            let fw = FRACTION[k] as u128 * at as u128;
            table[at][k] = match alerts {
                true => ln_of(fw, 1_000_000 - fw),
                false => ln_of(1_000_000 - fw, 1_000_000),
            };
            k += 1;
        }
        at += 1;
    }
    table
}

#[expect(
    clippy::indexing_slicing,
    reason = "bounded by the length of the table, checked by the compiler"
)]
#[expect(
    clippy::as_conversions,
    reason = "a const fn has no other conversion; all values are small"
)]
const fn exp_table() -> [u32; 512] {
    // 4162825044 is e^(-1/32) times 2^32.
    let mut table = [0; 512];
    let mut value: u64 = 65_536 << 16;
    let mut at = 0;
    while at < 512 {
        table[at] = (value >> 16) as u32;
        value = (value * 4_162_825_044) >> 32;
        at += 1;
    }
    table
}

#[expect(
    clippy::indexing_slicing,
    reason = "bounded by the length of the table, checked by the compiler"
)]
const fn ln_factorial_table() -> [i32; 4096] {
    let ln: [i32; 4096] = ln_table(1);
    let mut table = [0; 4096];
    let mut at = 1;
    while at < 4096 {
        table[at] = table[at - 1] + ln[at];
        at += 1;
    }
    table
}

#[expect(
    clippy::indexing_slicing,
    reason = "bounded by the length of the table, checked by the compiler"
)]
const fn lag_table() -> [i32; 720] {
    // e^(-5/90) and e^(-5/600) times 2^32. The densities at 0 are .6/90 and .4/600: as 10 to 1.
    const QUICK: u128 = 4_062_864_982;
    const SLOW: u128 = 4_259_324_619;
    const ONE: u128 = 1 << 32;
    let mut table = [0; 720];
    let (mut quick, mut slow) = (ONE, ONE);
    let mut at = 0;
    while at < 720 {
        table[at] = ln_of(11 * ONE, 10 * quick + slow);
        quick = (quick * QUICK) >> 32;
        slow = (slow * SLOW) >> 32;
        at += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(got: Nats, exact: f64, by: f64) {
        let got = f64::from(i32::try_from(got).unwrap());
        assert!((got - exact).abs() <= by, "{got} {exact}");
    }

    #[test]
    fn the_tables_are_the_functions() {
        for w in 1..=990_u16 {
            let weight = f64::from(w) / 1000.0;
            near(ln(w), weight.ln() * 1024.0, 1.0);
            let (gain, loss) = (gain(w, 0), loss(w));
            for (k, f) in [1.0, 0.5, 0.2, 0.06, 0.01].into_iter().enumerate() {
                let fw: f64 = f * weight;
                near(gain[k], (fw / (1.0 - fw)).ln() * 1024.0, 2.0);
                near(loss[k], (1.0 - fw).ln() * 1024.0, 1.0);
            }
        }
        for x in 0..16_i32 {
            let exact = (-f64::from(x)).exp() * 65536.0;
            near(
                exp_of_minus(i64::from(x) * NAT),
                exact,
                2.0 + exact / 1000.0,
            );
        }
    }
}
