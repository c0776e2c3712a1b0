//! What follows from what, among the conditions of rules. Where it cannot be told, nothing follows: a warning
//! that is wrong is worse than one that is missing.

use super::{Ask, Matcher, On, Rule, Test};
use regex::Regex;

/// Whether `first` leaves nothing for `later`.
pub(super) fn shadows(first: &Rule, later: &Rule) -> bool {
    let same = !first.gives.is_empty() && first.gives == later.gives;
    (first.ends || same)
        && first.asks.len() == later.asks.len()
        && first
            .asks
            .iter()
            .zip(&later.asks)
            .all(|(first, later)| takes(first, later))
}

/// Whether every alert that `later` asks for is one that `first` asks for.
pub(super) fn takes(first: &Ask, later: &Ask) -> bool {
    (first.source.is_none() || first.source == later.source)
        && first.matchers.iter().all(|f| {
            always(&f.test)
                || (later.matchers.iter()).any(|l| within(&l.on, &f.on) && follows(l, f))
        })
}

/// Whether what `later` looks at is what `first` looks at: of several labels, each of those.
fn within(later: &On, first: &On) -> bool {
    match (later, first) {
        (On::AnyOf(later), On::AnyOf(first)) => {
            let mut names = later.split('|');
            names.all(|name| first.split('|').any(|f| f == name))
        }
        (later, first) => later == first,
    }
}

/// Whether whatever fits `later` fits `first`, on the same label.
fn follows(later: &Matcher, first: &Matcher) -> bool {
    if later.test == first.test {
        return true;
    }
    let literals = match &later.test {
        Test::Is(value) => Some(vec![value.clone()]),
        Test::Matches(regex) => literals(regex),
        Test::There | Test::Finds(_) | Test::IsNot(_) | Test::MatchesNot(_) => None,
    };
    match (&first.test, literals) {
        (_, Some(values)) => values.iter().all(|v| accepts(&first.test, v)),
        (Test::There, None) => !accepts(&later.test, ""),
        (_, None) => false,
    }
}

/// Two conditions on one label that no value meets.
pub(super) fn contradiction(matchers: &[Matcher]) -> Option<(&Matcher, &Matcher)> {
    for (n, b) in matchers.iter().enumerate() {
        for a in matchers.iter().take(n).filter(|a| a.on == b.on) {
            for (one, other) in [(a, b), (b, a)] {
                let values = match &one.test {
                    Test::Is(value) => Some(vec![value.clone()]),
                    Test::Matches(regex) => literals(regex),
                    Test::There | Test::Finds(_) | Test::IsNot(_) | Test::MatchesNot(_) => None,
                };
                if values.is_some_and(|all| !all.iter().any(|v| accepts(&other.test, v))) {
                    return Some((a, b));
                }
            }
        }
    }
    None
}

/// Whether a value is as wanted.
pub(super) fn accepts(test: &Test, value: &str) -> bool {
    let fits = |regex: String| Regex::new(&regex).is_ok_and(|r| r.is_match(value));
    match test {
        Test::There => !value.is_empty(),
        Test::Is(wanted) => wanted == value,
        Test::IsNot(other) => other != value,
        Test::MatchesNot(regex) => !fits(format!("^(?:{regex})$")),
        Test::Matches(regex) => fits(format!("^(?:{regex})$")),
        Test::Finds(regex) => fits(regex.clone()),
    }
}

/// Whether everything is as wanted, the missing label too.
fn always(test: &Test) -> bool {
    matches!(test, Test::Matches(regex) if regex == ".*" || regex == "(?s).*")
}

/// The words of an expression that is nothing but words, one of which it matches: `down|unreachable`.
fn literals(regex: &str) -> Option<Vec<String>> {
    let inner = regex
        .strip_prefix('^')
        .unwrap_or(regex)
        .strip_suffix('$')
        .unwrap_or(regex.strip_prefix('^').unwrap_or(regex));
    let inner = inner
        .strip_prefix("(?:")
        .and_then(|i| i.strip_suffix(')'))
        .unwrap_or(inner);
    let plain = |c: char| !"\\.+*?()[]{}^$".contains(c);
    inner
        .chars()
        .all(plain)
        .then(|| inner.split('|').map(str::to_owned).collect())
}

/// For people.
pub(super) fn shown(test: &Test) -> String {
    match test {
        Test::There => "any value".to_owned(),
        Test::Is(value) => format!("{value:?}"),
        Test::IsNot(value) => format!("not {value:?}"),
        Test::MatchesNot(regex) => format!("not /{regex}/"),
        Test::Matches(regex) | Test::Finds(regex) => format!("/{regex}/"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::lint::On;

    fn m(test: Test) -> Matcher {
        Matcher {
            key: "",
            on: On::Label("x".into()),
            test,
        }
    }

    #[test]
    fn what_follows_from_what() {
        let is = |v: &str| Test::Is(v.into());
        let re = |v: &str| Test::Matches(v.into());
        let finds = |v: &str| Test::Finds(v.into());
        for (later, first, expected) in [
            (is("a"), is("a"), true),
            (is("a"), is("b"), false),
            (is("a1"), re("a.*"), true),
            (re("a1|a2"), re("a.*"), true),
            (re("^(?:a1|b2)$"), re("a.*"), false),
            (re("a.+"), re("a.*"), false), // true, but it cannot be told
            (re("a.+"), Test::There, true),
            (re("a*"), Test::There, false),
            (Test::There, re(".+"), false),
            (finds("^x"), Test::There, true),
            (finds("x?"), Test::There, false),
            (is("web1"), finds("^web"), true),
            (is("a"), Test::IsNot("b".into()), true),
            (is("b"), Test::IsNot("b".into()), false),
            (re("a|c"), Test::MatchesNot("b.*".into()), true),
            (Test::IsNot("a".into()), Test::There, false),
        ] {
            assert_eq!(
                follows(&m(later.clone()), &m(first.clone())),
                expected,
                "{later:?} {first:?}"
            );
        }
    }

    /// One alert acts on another: both asks count.
    #[test]
    fn rules_of_two_alerts_are_compared_alert_by_alert() {
        let ask = |source: Option<&str>, tests: &[Test]| Ask {
            source: source.map(str::to_owned),
            matchers: tests.iter().cloned().map(m).collect(),
        };
        let rule = |first: Ask, second: Ask, ends| Rule {
            path: "suppress.inhibit[0]".into(),
            name: "r".into(),
            asks: vec![first, second],
            equal: Vec::new(),
            ends,
            gives: "inhibit".into(),
            evidence: None,
            logged: true,
        };
        let down = || Test::Is("down".into());
        let wide = rule(ask(None, &[down()]), ask(None, &[Test::There]), false);
        let narrow = rule(
            ask(Some("nagios"), &[down()]),
            ask(None, &[Test::Matches("web.+".into())]),
            false,
        );
        assert!(shadows(&wide, &narrow));
        assert!(!shadows(&narrow, &wide));
        let other = rule(
            ask(None, &[Test::Is("up".into())]),
            ask(None, &[Test::There]),
            false,
        );
        assert!(!shadows(&wide, &other));
    }

    #[test]
    fn what_no_value_meets_is_found() {
        let none = [m(Test::Is("a".into())), m(Test::Matches("b.*".into()))];
        assert!(contradiction(&none).is_some());
        let some = [
            m(Test::Matches("a|b1".into())),
            m(Test::Matches("b.*".into())),
        ];
        assert!(contradiction(&some).is_none());
    }

    #[test]
    fn words_are_told_from_expressions() {
        assert_eq!(literals("a|b"), Some(vec!["a".into(), "b".into()]));
        assert_eq!(literals("^a$"), Some(vec!["a".into()]));
        assert_eq!(literals("a.c"), None);
        assert_eq!(literals("a$b"), None);
    }
}
