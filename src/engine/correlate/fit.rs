//! Names as evidence. A fault shows itself under few names: an alert whose name an incident has shown before fits
//! it, one with a name of its own fits it less, and what everything is called at any time says little.
//!
//! The names of an incident are drawn from an urn that holds each name as often as it comes, and each name that
//! was drawn once more (Polya's urn, with one ball to begin with).

use super::case::{Case, Names};
use super::scale::{self, Nats, nats};
use crate::engine::Engine;
use crate::model::CiId;

/// Alerts that are taken as seen before the first one, and of them those of each name: until there were enough
/// alerts, no name is rare.
const SEEN_BEFORE: u64 = 8;
/// See [`SEEN_BEFORE`].
const OF_EACH: u64 = 2;
/// What a name counts at most for or against: large faults have many names, and a name in common must not draw an
/// alert away from the cause that the CMDB names.
pub(super) const MISFIT: Nats = nats(15);
/// Two incidents whose names have nothing in common lose this at most.
const NOTHING_IN_COMMON: Nats = nats(20);
/// Alerts that these names stand for.
pub(super) fn alerts(names: &Names) -> u32 {
    names.values().map(|(n, _)| *n).sum()
}

impl Engine {
    /// How often a name came beside `own` times, and alerts at all beside `own_all`.
    fn share(&self, name: CiId, own: u32, own_all: u32) -> (u64, u64) {
        let seen = self.state.names.get(&name).map_or(0, |s| s.seen);
        let seen = u64::from(seen.saturating_sub(own)).saturating_add(OF_EACH);
        let all = self.state.named.saturating_sub(u64::from(own_all));
        (seen, all.saturating_add(SEEN_BEFORE).max(seen))
    }

    /// How well an alert of this name fits a case: ln of how much likelier it is there than anywhere.
    pub(super) fn fit(&self, case: &Case, name: Option<CiId>) -> Nats {
        let Some(name) = name else {
            return 0;
        };
        let own = case.named.get(&name).map_or(0, |(n, _)| *n);
        let own_all = alerts(&case.named);
        let (seen, all) = self.share(name, own, own_all);
        let here = u64::from(own).saturating_mul(all).saturating_add(seen);
        let room = u64::from(own_all).saturating_add(1).saturating_mul(seen);
        (scale::ln_int(here) - scale::ln_int(room)).clamp(-MISFIT, MISFIT)
    }

    /// How much likelier the names of two cases are if they are one.
    pub(super) fn fit_of_both(&self, a: &Case, b: &Case) -> Nats {
        let (of_a, of_b) = (alerts(&a.named), alerts(&b.named));
        let of_all = of_a.saturating_add(of_b);
        let (mut both, mut one, mut other) = (0, 0, 0);
        for (name, in_a, in_b) in union(&a.named, &b.named) {
            let n = in_a.saturating_add(in_b);
            let (seen, total) = self.share(name, n, of_all);
            let rare = scale::ln_int(total) - scale::ln_int(seen);
            both += often(n, rare);
            one += often(in_a, rare);
            other += often(in_b, rare);
        }
        both -= scale::ln_factorial(of_all);
        one -= scale::ln_factorial(of_a);
        other -= scale::ln_factorial(of_b);
        (both - one - other).max(-NOTHING_IN_COMMON)
    }

    /// How much likelier these names are as those of one fault than as so many alerts by themselves; names of
    /// `all`, which they are a part of, do not count as common for that.
    pub(super) fn likeness(&self, names: &Names, all: &Names) -> Nats {
        let mut sum = 0_i64;
        let of_all = alerts(all);
        for (name, (n, _)) in names {
            let own = all.get(name).map_or(0, |(n, _)| *n);
            let (seen, total) = self.share(*name, own, of_all);
            let rare = scale::ln_int(total) - scale::ln_int(seen);
            sum += often(*n, rare);
        }
        sum - scale::ln_factorial(alerts(names))
    }
}

/// How much likelier it is that a name comes `n` times in one fault, if it is so rare.
fn often(n: u32, rare: Nats) -> Nats {
    let again = n.saturating_sub(1);
    i64::from(again).saturating_mul(rare) + scale::ln_factorial(again)
}

/// The names of both, in order, each with how often it comes in the one and in the other.
fn union<'a>(a: &'a Names, b: &'a Names) -> impl Iterator<Item = (CiId, u32, u32)> + 'a {
    let count = |names: &'a Names| names.iter().map(|(name, (n, _))| (*name, *n));
    let (mut a, mut b) = (count(a).peekable(), count(b).peekable());
    std::iter::from_fn(move || {
        let first = [a.peek(), b.peek()].into_iter().flatten();
        let name = first.map(|(name, _)| *name).min()?;
        let in_a = a.next_if(|(other, _)| *other == name);
        let in_b = b.next_if(|(other, _)| *other == name);
        Some((name, in_a.map_or(0, |(_, n)| n), in_b.map_or(0, |(_, n)| n)))
    })
}
