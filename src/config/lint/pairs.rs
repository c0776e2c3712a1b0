//! Rules by which one alert acts on another: whether two such alerts can be there at once.

use super::said::Said;
use super::{Matcher, On, Rule, logic};

/// Why a rule of two alerts never acts, with the key that says so.
pub(super) fn never(rule: &Rule, said: &[Said<'_>]) -> Option<(&'static str, String)> {
    let [one, other] = rule.asks.as_slice() else {
        return None;
    };
    if logic::takes(one, other) && logic::takes(other, one) {
        let message = "never acts: source and target are the same alerts, and two alerts that are both do not inhibit each other";
        return Some(("target", message.to_owned()));
    }
    let both = |on: &On| -> Vec<Matcher> {
        let all = one.matchers.iter().chain(&other.matchers);
        all.filter(|m| m.on == *on).cloned().collect()
    };
    for on in &rule.equal {
        if let Some((a, b)) = logic::contradiction(&both(on)) {
            let message = format!(
                "never acts: {:?} must be the same in both, and cannot be {} and {}",
                on.name(),
                logic::shown(&a.test),
                logic::shown(&b.test)
            );
            return Some(("equal", message));
        }
    }
    // What the configuration or the kind of a source settles: the value there is, the empty text, or anything.
    let fixed = |s: &Said<'_>, on: &On| match (s.constant(on), s.has(on)) {
        (Some(value), _) => Some(value.to_owned()),
        (None, false) => Some(String::new()),
        (None, true) => None,
    };
    let agree = |a: &Said<'_>, b: &Said<'_>, on: &On| match (fixed(a, on), fixed(b, on)) {
        (Some(a), Some(b)) => a == b,
        (Some(v), None) | (None, Some(v)) => both(on).iter().all(|m| logic::accepts(&m.test, &v)),
        (None, None) => true,
    };
    let of = |matchers: &[Matcher]| -> Vec<&Said<'_>> {
        let fits = |s: &&Said<'_>| matchers.iter().all(|m| s.can(m));
        said.iter().filter(fits).collect()
    };
    let (from, to) = (of(&one.matchers), of(&other.matchers));
    let apart = rule.equal.iter().find(|on| {
        let mut pairs = from.iter().flat_map(|a| to.iter().map(move |b| (a, b)));
        !pairs.any(|(a, b)| agree(a, b, on))
    });
    let on = apart.filter(|_| !from.is_empty() && !to.is_empty())?;
    let names = |list: &[&Said<'_>]| {
        let names: Vec<&str> = list.iter().map(|s| s.source).collect();
        names.join(", ")
    };
    let message = format!(
        "never acts: {:?} must be the same in both, and is not in what {} says and what {} says",
        on.name(),
        names(&from),
        names(&to)
    );
    Some(("equal", message))
}
