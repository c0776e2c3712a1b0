//! The rules of each section, in the one form that the checks read. A new sort of rule needs one row here.

use super::{Ask, Matcher, On, Rule, Test};
use crate::config::plumbing::Plumbing;
use crate::model::Severity;
use crate::redact;
use crate::rules::{
    BindRule, Correlate, Identity, InformRule, InhibitRule, MatchOp, RouteRule, RulesText,
};

/// Makes the rules of one section so; each row is one section.
type Family = fn(&RulesText, &Plumbing) -> Vec<Rule>;

/// Every sort of rule that looks at alerts.
const FAMILIES: &[Family] = &[
    bind,
    ignored_labels,
    severity,
    heartbeats,
    noted,
    source_identity,
    source_condition,
    redaction,
    share,
    inhibit,
    label_rules,
    routes,
    route_targets,
    inform,
];

/// All rules, section by section, each in the order of the file.
pub fn rules(rules: &RulesText, plumbing: &Plumbing) -> Vec<Rule> {
    FAMILIES
        .iter()
        .flat_map(|family| family(rules, plumbing))
        .collect()
}

fn there(key: &'static str, on: On) -> Matcher {
    Matcher {
        key,
        on,
        test: Test::There,
    }
}

/// An entry of a list: a rule that asks for one thing.
fn entry(path: String, name: &str, source: Option<&str>, matcher: Matcher) -> Rule {
    Rule {
        path,
        name: name.to_owned(),
        asks: vec![Ask {
            source: source.map(str::to_owned),
            matchers: vec![matcher],
        }],
        equal: Vec::new(),
        ends: false,
        gives: "entry".to_owned(),
        evidence: None,
        logged: true,
    }
}

/// What a list has beyond the list that is built in: nobody wrote that, so nobody needs to be warned of it.
fn own<'a>(list: &'a [String], built_in: &'a [String]) -> impl Iterator<Item = &'a String> {
    list.iter().filter(|name| !built_in.contains(name))
}

fn bind(rules: &RulesText, _: &Plumbing) -> Vec<Rule> {
    let one = |(n, rule): (usize, &BindRule)| {
        let mut matchers = Vec::new();
        if let (Some(label), Some(regex)) = (&rule.when_label, &rule.when_matches) {
            matchers.push(Matcher {
                key: "when_label",
                on: On::Any(label.clone()),
                test: Test::Matches(regex.clone()),
            });
        }
        // A template comes before a label.
        match (&rule.template, &rule.label) {
            (Some(template), _) => {
                let names = places(template).map(|name| On::Any(name.to_owned()));
                matchers.extend(names.map(|on| there("template", on)));
            }
            (None, Some(label)) => {
                let on = On::Any(label.clone());
                let test = match &rule.regex {
                    Some(regex) => Test::Finds(regex.clone()),
                    None => Test::There,
                };
                matchers.push(Matcher {
                    key: "label",
                    on,
                    test,
                });
            }
            (None, None) => {}
        }
        let gives = match &rule.template {
            Some(template) => format!("template {template}"),
            None => format!("label {:?} by {:?}", rule.label, rule.regex),
        };
        Rule {
            path: format!("bind.rule[{n}]"),
            name: rule.name.clone(),
            asks: vec![Ask {
                source: rule.source.clone(),
                matchers,
            }],
            equal: Vec::new(),
            // Where the CMDB does not know the name, the next rule has its turn.
            ends: false,
            gives,
            evidence: Some(format!("bind.rule {:?}", rule.name)),
            logged: true,
        }
    };
    rules.bind.iter().enumerate().map(one).collect()
}

/// The names in `{label}`.
fn places(template: &str) -> impl Iterator<Item = &str> {
    let inner = template.split('{').skip(1);
    inner.filter_map(|rest| rest.split_once('}').map(|(name, _)| name))
}

fn ignored_labels(rules: &RulesText, _: &Plumbing) -> Vec<Rule> {
    let built_in = Identity::default().ignored_labels;
    let all = own(&rules.identity.ignored_labels, &built_in);
    all.map(|name| {
        let path = "identity.ignored_labels".to_owned();
        entry(path, name, None, there("", On::Label(name.clone())))
    })
    .collect()
}

fn severity(rules: &RulesText, _: &Plumbing) -> Vec<Rule> {
    let built_in = Identity::default().severity;
    let changed = |(word, means): &(&String, &Severity)| built_in.get(*word) != Some(*means);
    let all = rules.identity.severity.iter().filter(changed);
    all.map(|(word, _)| {
        let matcher = Matcher {
            key: "",
            on: On::Severity,
            test: Test::Is(word.clone()),
        };
        entry(format!("identity.severity.{word}"), word, None, matcher)
    })
    .collect()
}

fn named(path: &str, list: &[String], built_in: &[String]) -> Vec<Rule> {
    let one = |name: &String| {
        let matcher = Matcher {
            key: "",
            on: On::Label("alertname".to_owned()),
            test: Test::Is(name.clone()),
        };
        entry(path.to_owned(), name, None, matcher)
    };
    own(list, built_in).map(one).collect()
}

fn heartbeats(rules: &RulesText, _: &Plumbing) -> Vec<Rule> {
    let built_in = Identity::default().heartbeats;
    named("identity.heartbeats", &rules.identity.heartbeats, &built_in)
}

fn noted(rules: &RulesText, _: &Plumbing) -> Vec<Rule> {
    let built_in = Identity::default().noted;
    named("identity.noted", &rules.identity.noted, &built_in)
}

fn source_identity(_: &RulesText, plumbing: &Plumbing) -> Vec<Rule> {
    let mut out = Vec::new();
    for (n, source) in plumbing.sources.iter().enumerate() {
        let of_kind: Vec<String> = source.kind.identity.iter().map(|w| (*w).into()).collect();
        for name in own(&source.identity, &of_kind) {
            let matcher = there("", On::Label(name.clone()));
            let path = format!("source[{n}].identity");
            out.push(entry(path, name, Some(&source.settings.name), matcher));
        }
    }
    out
}

fn source_condition(_: &RulesText, plumbing: &Plumbing) -> Vec<Rule> {
    let mut out = Vec::new();
    for (n, source) in plumbing.sources.iter().enumerate() {
        let of_kind: Vec<String> = source.kind.condition.iter().map(|w| (*w).into()).collect();
        for name in own(&source.condition, &of_kind) {
            let matcher = there("", On::Label(name.clone()));
            let path = format!("source[{n}].condition");
            out.push(entry(path, name, Some(&source.settings.name), matcher));
        }
    }
    out
}

fn redaction(_: &RulesText, plumbing: &Plumbing) -> Vec<Rule> {
    let shipped: Vec<redact::Rule> = redact::SETS.iter().flat_map(|s| redact::set(s)).collect();
    // Those of the sets stand before those of the file.
    let own = plumbing.redact.iter().skip_while(|r| shipped.contains(r));
    let one = |(n, rule): (usize, &redact::Rule)| {
        let test = match &rule.regex {
            Some(regex) => Test::Finds(regex.clone()),
            None => Test::There,
        };
        // Without a label it looks at every value: there is always one.
        let matchers = rule.label.iter().map(|label| Matcher {
            key: "label",
            on: On::AnyCase(label.to_lowercase()),
            test: test.clone(),
        });
        Rule {
            path: format!("redact.rule[{n}]"),
            name: rule
                .label
                .clone()
                .or_else(|| rule.regex.clone())
                .unwrap_or_default(),
            asks: vec![Ask {
                source: rule.source.clone(),
                matchers: matchers.collect(),
            }],
            equal: Vec::new(),
            // What was taken out wholly is no more there for the next.
            ends: rule.label.is_some() && rule.regex.is_none(),
            gives: match rule.label {
                Some(_) => format!("hash {}", rule.hash),
                None => format!("{:?} hash {}", rule.regex, rule.hash),
            },
            evidence: None,
            logged: false,
        }
    };
    own.enumerate().map(one).collect()
}

fn share(_: &RulesText, plumbing: &Plumbing) -> Vec<Rule> {
    let mut out = Vec::new();
    for (n, target) in plumbing.targets.iter().enumerate() {
        for name in target.common.list("share") {
            let matcher = there("", On::Any(name.clone()));
            out.push(entry(format!("itsm[{n}].share"), name, None, matcher));
        }
    }
    out
}

/// Besides labels a matcher may ask for these, which events do not say.
const BEYOND: [&str; 3] = ["source", "severity", "ci"];

fn inhibit(rules: &RulesText, _: &Plumbing) -> Vec<Rule> {
    let on = |name: &String| match BEYOND.contains(&name.as_str()) {
        true => On::Beyond(name.clone()),
        false => On::Label(name.clone()),
    };
    let side = |key: &'static str, matchers: &[crate::rules::Matcher]| {
        let one = |m: &crate::rules::Matcher| Matcher {
            key,
            on: on(&m.label),
            test: match m.op {
                MatchOp::Is => Test::Is(m.value.clone()),
                MatchOp::IsNot => Test::IsNot(m.value.clone()),
                MatchOp::Matches => Test::Matches(m.value.clone()),
                MatchOp::MatchesNot => Test::MatchesNot(m.value.clone()),
            },
        };
        Ask {
            source: None,
            matchers: matchers.iter().map(one).collect(),
        }
    };
    let one = |(n, rule): (usize, &InhibitRule)| Rule {
        path: format!("suppress.inhibit[{n}]"),
        name: rule.name.clone(),
        asks: vec![side("source", &rule.source), side("target", &rule.target)],
        equal: rule.equal.iter().map(on).collect(),
        ends: false,
        gives: format!("inhibits where equal {:?}", rule.equal),
        evidence: Some(format!("suppress.inhibit {:?}", rule.name)),
        logged: true,
    };
    rules.suppress.inhibit.iter().enumerate().map(one).collect()
}

fn label_rules(rules: &RulesText, _: &Plumbing) -> Vec<Rule> {
    let built_in = Correlate::default().label_rules;
    let mut out = Vec::new();
    for (n, rule) in rules.correlate.label_rules.iter().enumerate() {
        if built_in.contains(rule) {
            continue;
        }
        let labels = rule.labels.iter();
        let labels = labels.map(|l| there("labels", On::AnyOf(l.join("|"))));
        out.push(Rule {
            path: format!("correlate.label_rule[{n}]"),
            name: rule.name.clone(),
            asks: vec![Ask {
                source: None,
                matchers: labels.collect(),
            }],
            equal: Vec::new(),
            // An alert is counted by the first rule whose labels it has.
            ends: true,
            gives: String::new(),
            evidence: Some(format!("correlate.label_rule {:?}", rule.name)),
            logged: true,
        });
    }
    out
}

/// A rule that names a group takes nothing from one that names targets, so they are two sorts.
fn routes(rules: &RulesText, _: &Plumbing) -> Vec<Rule> {
    routed(rules, "", |r| !r.group.is_empty())
}

fn route_targets(rules: &RulesText, _: &Plumbing) -> Vec<Rule> {
    routed(rules, ".targets", |r| !r.targets.is_empty())
}

fn routed(rules: &RulesText, key: &str, names: fn(&RouteRule) -> bool) -> Vec<Rule> {
    let one = |(n, rule): (usize, &RouteRule)| {
        // Letters are compared without regard to their case.
        let is = |value: &Option<String>| value.as_ref().map(|v| Test::Is(v.to_lowercase()));
        let asked = [
            ("class", is(&rule.class)),
            ("site", is(&rule.site)),
            ("service", is(&rule.service)),
            ("severity", rule.severity.and_then(at_least)),
        ];
        let matchers = asked.into_iter().filter_map(|(key, test)| {
            Some(Matcher {
                key,
                on: On::Beyond(key.to_owned()),
                test: test?,
            })
        });
        Rule {
            path: format!("ticket.route[{n}]{key}"),
            name: rule.name.clone(),
            asks: vec![Ask {
                source: rule.source.clone(),
                matchers: matchers.collect(),
            }],
            equal: Vec::new(),
            ends: true,
            gives: String::new(),
            evidence: None,
            // Which incident it routed is not on the tape.
            logged: false,
        }
    };
    let all = rules.ticket.routes.iter().enumerate();
    all.filter(|(_, r)| names(r)).map(one).collect()
}

/// That an incident is so severe or worse; each is at least the least of all.
fn at_least(least: Severity) -> Option<Test> {
    let words: Vec<&str> = Severity::ALL
        .iter()
        .filter(|s| **s <= least)
        .map(|s| s.word())
        .collect();
    (words.len() < Severity::ALL.len()).then(|| Test::Matches(words.join("|")))
}

fn inform(rules: &RulesText, _: &Plumbing) -> Vec<Rule> {
    let one = |(n, rule): (usize, &InformRule)| {
        let asked = [("owner", &rule.owner), ("service", &rule.service)];
        let matchers = asked.into_iter().filter_map(|(key, value)| {
            Some(Matcher {
                key,
                on: On::Beyond(key.to_owned()),
                test: Test::Is(value.as_ref()?.clone()),
            })
        });
        Rule {
            path: format!("inform[{n}]"),
            name: rule.name.clone(),
            asks: vec![Ask {
                source: None,
                matchers: matchers.collect(),
            }],
            equal: Vec::new(),
            // All that fit act.
            ends: false,
            gives: format!(
                "note {}, watch {:?}, targets {:?}",
                rule.note, rule.watch, rule.targets
            ),
            evidence: None,
            logged: false,
        }
    };
    rules.inform.iter().enumerate().map(one).collect()
}
