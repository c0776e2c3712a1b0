//! Rules that can do nothing: they ask for what no source says, contradict themselves, or come after one that
//! takes everything of theirs. Warnings, never errors: the daemon starts with them.
//!
//! Whatever sort of rule it is, here it is a [`Rule`]: the alerts that it asks for, and what it gives. One row in
//! `families.rs` makes the rules of a section so; the checks, and `replay`'s account of rules that never acted,
//! know nothing else of them.

mod estate;
mod families;
mod logic;
mod pairs;
mod said;
mod times;
mod windows;
mod words;

pub use estate::estate;
pub use families::rules;
pub use windows::windows;

use super::walk::{hint, place};
use super::{Config, Problem, counted};
use crate::model::{Event, Severity};
use regex::Regex;
use said::Said;
use std::collections::BTreeMap;

/// A rule, as the checks see it.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Its place in the file: `bind.rule[2]`, `identity.ignored_labels`.
    pub path: String,
    /// What people call it; for a list, the entry.
    pub name: String,
    /// The alerts that it asks for: one for most rules, two where one alert acts on another.
    pub asks: Vec<Ask>,
    /// Of two alerts: the labels in which they must be the same.
    pub equal: Vec<On>,
    /// After it no later rule of its section sees what it took.
    pub ends: bool,
    /// What it makes of the alert; a later rule that makes the same of the same alerts is needless. Empty: not
    /// to be compared.
    pub gives: String,
    /// How the engine names it where it acted, if it does.
    pub evidence: Option<String>,
    /// The log has what it looked at. What was taken out of an alert is not in the log.
    pub logged: bool,
}

/// What an alert must be for a rule to see it.
#[derive(Clone, Debug, Default)]
pub struct Ask {
    /// Only alerts of this source.
    pub source: Option<String>,
    /// All of these hold.
    pub matchers: Vec<Matcher>,
}

/// One condition on an alert.
#[derive(Clone, Debug)]
pub struct Matcher {
    /// The key it stands under in the rule: `when_label`; empty where the rule itself is the name.
    pub key: &'static str,
    /// What it looks at.
    pub on: On,
    /// What it wants there.
    pub test: Test,
}

/// What a matcher looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum On {
    /// A label.
    Label(String),
    /// A label, or a text of this name.
    Any(String),
    /// The same, whatever the case of its letters; kept in lower case.
    AnyCase(String),
    /// The word that the source has for the severity, in lower case.
    Severity,
    /// One of several labels: `site|cluster`.
    AnyOf(String),
    /// What the engine knows and an event does not say: the CI, its class, the severity that a word means.
    Beyond(String),
}

/// What a matcher wants of a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Test {
    /// That there is one.
    There,
    /// This one.
    Is(String),
    /// Any but this one.
    IsNot(String),
    /// One that an expression matches wholly; what is missing is the empty text.
    Matches(String),
    /// One that it does not match so.
    MatchesNot(String),
    /// One in which an expression finds something.
    Finds(String),
}

impl On {
    fn name(&self) -> &str {
        match self {
            On::Label(name)
            | On::Any(name)
            | On::AnyCase(name)
            | On::AnyOf(name)
            | On::Beyond(name) => name,
            On::Severity => "severity",
        }
    }
}

/// What is doubtful about the rules of a configuration that was loaded from `text`, in the order of the file.
pub fn doubts(text: &str, config: &Config) -> Vec<Problem> {
    let said: Vec<Said<'_>> = config.plumbing.sources.iter().map(Said::of).collect();
    let all = rules(&config.rules, &config.plumbing);
    let mut out = Vec::new();
    for rule in &all {
        let mut asks = rule.asks.iter();
        let dead = asks.find_map(|ask| never(ask, &said));
        // Of a dead rule the rest is no news.
        if let Some((key, why)) = dead.or_else(|| pairs::never(rule, &said)) {
            out.push(problem(text, rule, key, why));
        }
    }
    let dead = |rule: &Rule| out.iter().any(|p| p.path.starts_with(&rule.path));
    let mut needless = Vec::new();
    for (n, later) in all.iter().enumerate().filter(|(_, r)| !dead(r)) {
        let section = family(&later.path);
        let mut before = all.iter().take(n).filter(|e| family(&e.path) == section);
        if let Some(first) = before.find(|first| logic::shadows(first, later)) {
            let message = format!(
                "never acts: {} ({:?}) comes first and takes every alert that this one asks for",
                counted(&first.path),
                first.name
            );
            needless.push(problem(text, later, "", message));
        }
    }
    out.append(&mut needless);
    out.append(&mut words::words(text));
    out.append(&mut times::times(text, config));
    out.append(&mut twice(text, &all));
    out.sort();
    out.dedup();
    out
}

/// Rules whose names people and reports tell them apart by.
const NAMED: [&str; 5] = [
    "bind.rule",
    "suppress.inhibit",
    "correlate.label_rule",
    "ticket.route",
    "inform",
];

/// Rules of one section with one name.
fn twice(text: &str, all: &[Rule]) -> Vec<Problem> {
    let mut seen: BTreeMap<(&str, &str), &Rule> = BTreeMap::new();
    let mut out = Vec::new();
    for rule in all {
        let (section, key) = family(&rule.path);
        if !NAMED.contains(&section) || !key.is_empty() {
            continue;
        }
        let first = seen.entry((section, &rule.name)).or_insert(rule);
        if first.path != rule.path {
            let message = format!(
                "{:?} is used twice, by {} too: explanations and reports cannot tell them apart",
                rule.name,
                counted(&first.path)
            );
            out.push(problem(text, rule, "name", message));
        }
    }
    out
}

/// The section of a rule: its path without the number.
fn family(path: &str) -> (&str, &str) {
    let (section, rest) = path.split_once('[').unwrap_or((path, ""));
    (section, rest.split_once(']').map_or("", |(_, key)| key))
}

fn problem(text: &str, rule: &Rule, key: &str, message: String) -> Problem {
    let path = match key {
        "" => rule.path.clone(),
        key => format!("{}.{key}", rule.path),
    };
    let (line, column) = place(text, &path)
        .or_else(|| place(text, &rule.path))
        .unwrap_or((1, 1));
    Problem {
        line,
        column,
        path,
        message,
    }
}

/// Why no alert of these sources can be what is asked for, with the key that says so.
fn never(ask: &Ask, said: &[Said<'_>]) -> Option<(&'static str, String)> {
    let wanted = |s: &&Said<'_>| ask.source.as_deref().is_none_or(|name| name == s.source);
    let of: Vec<&Said<'_>> = said.iter().filter(wanted).collect();
    let by = match (&ask.source, of.len()) {
        (Some(name), _) => format!("source {name:?}"),
        (None, _) => "any source".to_owned(),
    };
    for matcher in &ask.matchers {
        let name = matcher.on.name();
        if of.iter().any(|s| s.can(matcher)) {
            continue;
        }
        if let Some(why) = beyond(matcher, &of) {
            return Some((matcher.key, why));
        }
        if !of.iter().any(|s| s.has(&matcher.on)) {
            let mut names: Vec<&str> = of.iter().flat_map(|s| s.names(&matcher.on)).collect();
            names.sort_unstable();
            names.dedup();
            let hint = match names.is_empty() {
                true => String::new(),
                false => hint(name, &names),
            };
            let message = format!("label {name:?} is not produced by {by}{hint}");
            return Some((matcher.key, message));
        }
        let mut values: Vec<&str> = of.iter().filter_map(|s| s.constant(&matcher.on)).collect();
        values.sort_unstable();
        values.dedup();
        let message = format!(
            "never matches: {name:?} of {by} is always {}",
            values.join(" or ")
        );
        return Some((matcher.key, message));
    }
    if let Some((a, b)) = logic::contradiction(&ask.matchers) {
        let message = format!(
            "never matches: no value of {:?} fits {} and {} at once",
            a.on.name(),
            logic::shown(&a.test),
            logic::shown(&b.test)
        );
        return Some((b.key, message));
    }
    let together = |s: &&&Said<'_>| ask.matchers.iter().all(|m| s.can(m));
    if of.iter().find(together).is_none() && !of.is_empty() {
        let names: Vec<String> = ask
            .matchers
            .iter()
            .map(|m| format!("{:?}", m.on.name()))
            .collect();
        let message = format!(
            "never matches: no source produces {} together",
            names.join(" and ")
        );
        return Some(("", message));
    }
    None
}

/// Why what the engine knows of an alert is never as a matcher wants it.
fn beyond(matcher: &Matcher, of: &[&Said<'_>]) -> Option<String> {
    let On::Beyond(name) = &matcher.on else {
        return None;
    };
    let (what, names): (_, Vec<&str>) = match name.as_str() {
        "source" => ("source", of.iter().map(|s| s.source).collect()),
        "severity" => ("severity", Severity::ALL.iter().map(|s| s.word()).collect()),
        _other => return None,
    };
    Some(match &matcher.test {
        Test::Is(value) => format!(
            "never matches: there is no {what} {value:?}{}",
            hint(value, &names)
        ),
        other => format!(
            "never matches: no {what} is {}; known here: {}",
            logic::shown(other),
            names.join(", ")
        ),
    })
}

/// A rule made ready to be held against events.
#[derive(Clone, Debug)]
pub struct Ready {
    asks: Vec<ReadyAsk>,
}

/// An [`Ask`], compiled.
#[derive(Clone, Debug)]
struct ReadyAsk {
    source: Option<String>,
    matchers: Vec<(On, Check)>,
}

#[derive(Clone, Debug)]
enum Check {
    There,
    Is(String),
    IsNot(String),
    Regex(Regex),
    RegexNot(Regex),
}

impl Rule {
    /// Its conditions, compiled; `None` for an expression that is none.
    pub fn ready(&self) -> Option<Ready> {
        let whole = |regex: &str| Regex::new(&format!("^(?:{regex})$")).ok();
        let check = |test: &Test| {
            Some(match test {
                Test::There => Check::There,
                Test::Is(value) => Check::Is(value.clone()),
                Test::IsNot(value) => Check::IsNot(value.clone()),
                Test::Matches(regex) => Check::Regex(whole(regex)?),
                Test::MatchesNot(regex) => Check::RegexNot(whole(regex)?),
                Test::Finds(regex) => Check::Regex(Regex::new(regex).ok()?),
            })
        };
        let ask = |ask: &Ask| {
            let matchers = ask.matchers.iter();
            let matchers = matchers.map(|m| Some((m.on.clone(), check(&m.test)?)));
            Some(ReadyAsk {
                source: ask.source.clone(),
                matchers: matchers.collect::<Option<Vec<_>>>()?,
            })
        };
        let asks = self.asks.iter().map(ask).collect::<Option<Vec<_>>>()?;
        Some(Ready { asks })
    }
}

impl Ready {
    /// How many alerts it asks for.
    pub fn len(&self) -> usize {
        self.asks.len()
    }

    /// Whether it asks for none.
    pub fn is_empty(&self) -> bool {
        self.asks.is_empty()
    }

    /// Whether an event is what its `n`th ask wants.
    pub fn fits(&self, n: usize, source: &str, event: &Event) -> bool {
        let Some(ask) = self.asks.get(n) else {
            return false;
        };
        let mut matchers = ask.matchers.iter();
        ask.source.as_deref().is_none_or(|s| s == source)
            && matchers.all(|(on, check)| holds(on, check, event))
    }
}

fn holds(on: &On, check: &Check, event: &Event) -> bool {
    let word;
    let value = match on {
        On::Label(name) => event.labels.get(name),
        On::Any(name) => event
            .labels
            .get(name)
            .or_else(|| event.annotations.get(name)),
        On::AnyCase(name) => {
            let mut all = event.labels.iter().chain(event.annotations.iter());
            all.find(|(n, _)| n.eq_ignore_ascii_case(name))
                .map(|(_, v)| v)
        }
        On::Severity => {
            word = event.severity_word.to_lowercase();
            Some(word.as_str())
        }
        On::AnyOf(names) => {
            let mut found = names.split('|').filter_map(|name| event.labels.get(name));
            found.find(|v| !v.is_empty())
        }
        // Whether it was so cannot be told here: it counts as met.
        On::Beyond(_) => return true,
    };
    match check {
        Check::There => value.is_some_and(|v| !v.is_empty()),
        Check::Is(wanted) => value.unwrap_or_default() == wanted,
        Check::IsNot(other) => value.unwrap_or_default() != other,
        Check::Regex(regex) => regex.is_match(value.unwrap_or_default()),
        Check::RegexNot(regex) => !regex.is_match(value.unwrap_or_default()),
    }
}
