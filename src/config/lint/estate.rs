//! Words of the rules that the CMDB does not have: classes, sites, services, owners, names, attributes, relation
//! types.

use super::super::walk::hint;
use super::super::{Config, Problem};
use super::On;
use super::said::Said;
use crate::graph::RawGraph;
use crate::rules::{Correlate, MatchOp, PriorityRules, Ticket};
use std::collections::BTreeSet;

/// By this name matchers ask for the CI.
const CI: &str = "ci";

/// What the rules of a configuration, loaded from `text`, ask of a CMDB that it does not have. What is built in
/// is passed over: nobody wrote it.
pub fn estate(text: &str, config: &Config, graph: &RawGraph) -> Vec<Problem> {
    let classes: BTreeSet<&str> = graph.cis.iter().map(|c| c.class.as_str()).collect();
    let kinds: BTreeSet<&str> = graph.relations.iter().map(|r| r.kind.as_str()).collect();
    let attributes: BTreeSet<&str> = graph
        .cis
        .iter()
        .flat_map(|c| c.attributes.keys().map(String::as_str))
        .collect();
    let rules = &config.rules;
    let (correlate, priority, ticket) = (
        Correlate::default(),
        PriorityRules::default(),
        Ticket::default(),
    );
    let mut out = Vec::new();
    let mut ask = |path: &str, what: &str, word: &str, known: &BTreeSet<&str>| {
        if !known.contains(word) {
            out.push(missing(text, path.to_owned(), what, word, known));
        }
    };
    let lists = [
        (
            "correlate.composite_classes",
            &rules.correlate.composite_classes,
            correlate.composite_classes,
        ),
        (
            "priority.service_classes",
            &rules.priority.service_classes,
            priority.service_classes,
        ),
    ];
    for (path, list, built_in) in lists {
        for class in list.iter().filter(|c| !built_in.contains(c)) {
            ask(path, "CI has the class", class, &classes);
        }
    }
    let names = [
        (
            "priority.criticality_attribute",
            &rules.priority.criticality_attribute,
            priority.criticality_attribute,
        ),
        (
            "ticket.group_attribute",
            &rules.ticket.group_attribute,
            ticket.group_attribute,
        ),
        (
            "ticket.site_attribute",
            &rules.ticket.site_attribute,
            ticket.site_attribute,
        ),
    ];
    for (path, name, built_in) in names {
        if *name != built_in {
            ask(path, "CI has the attribute", name, &attributes);
        }
    }
    let attribute = &rules.priority.criticality_attribute;
    let words: BTreeSet<String> = graph
        .cis
        .iter()
        .filter_map(|c| c.attributes.get(attribute))
        .map(|word| word.to_lowercase())
        .collect();
    let words: BTreeSet<&str> = words.iter().map(String::as_str).collect();
    for word in rules.priority.criticality.keys() {
        if !priority.criticality.contains_key(word) {
            let path = format!("priority.criticality.{word}");
            ask(&path, "CI has the criticality", word, &words);
        }
    }
    for kind in rules.correlate.relations.keys() {
        if !correlate.relations.contains_key(kind) {
            let path = format!("correlate.relations.{kind}");
            ask(&path, "relation has the type", kind, &kinds);
        }
    }
    out.extend(routed(text, config, graph));
    out.extend(inhibited(text, config, graph));
    out
}

/// What routes and owners ask for. A service is a CI of the first service class that the CMDB uses.
fn routed(text: &str, config: &Config, graph: &RawGraph) -> Vec<Problem> {
    let rules = &config.rules;
    let values = |name: &str| -> BTreeSet<&str> {
        let all = graph.cis.iter().filter_map(|c| c.attributes.get(name));
        all.map(String::as_str).collect()
    };
    let classes: BTreeSet<&str> = graph.cis.iter().map(|c| c.class.as_str()).collect();
    let (site, owner) = (&rules.ticket.site_attribute, &rules.ticket.group_attribute);
    let (sites, owners) = (values(site), values(owner));
    let mut used = rules.priority.service_classes.iter();
    let class = used.find(|class| classes.contains(class.as_str()));
    let services = graph.cis.iter().filter(|ci| Some(&ci.class) == class);
    let services: BTreeSet<&str> = services.map(|ci| ci.name.as_str()).collect();
    let mut out = Vec::new();
    // Where nothing has such a value, the name of the attribute or class is what is wrong, and was told.
    let mut ask = |path: String, what: &str, word: &Option<String>, known: &BTreeSet<&str>, any| {
        let same = |k: &&&str, w: &str| **k == w || (any && k.eq_ignore_ascii_case(w));
        let found = |w: &&String| known.is_empty() || known.iter().any(|k| same(&k, w));
        if let Some(word) = word.as_ref().filter(|w| !found(w)) {
            out.push(missing(text, path, what, word, known));
        }
    };
    let site = format!("CI has the {site}");
    for (n, route) in rules.ticket.routes.iter().enumerate() {
        let path = |key: &str| format!("ticket.route[{n}].{key}");
        ask(
            path("class"),
            "CI has the class",
            &route.class,
            &classes,
            true,
        );
        ask(path("site"), &site, &route.site, &sites, true);
        ask(
            path("service"),
            "service is called",
            &route.service,
            &services,
            true,
        );
    }
    let owner = format!("CI has the {owner}");
    for (n, rule) in rules.inform.iter().enumerate() {
        let path = |key: &str| format!("inform[{n}].{key}");
        ask(path("owner"), &owner, &rule.owner, &owners, false);
        ask(
            path("service"),
            "service is called",
            &rule.service,
            &services,
            false,
        );
    }
    out
}

/// What inhibition rules ask of the CI, unless a source has a label of that name.
fn inhibited(text: &str, config: &Config, graph: &RawGraph) -> Vec<Problem> {
    let said: Vec<Said<'_>> = config.plumbing.sources.iter().map(Said::of).collect();
    let mut out = Vec::new();
    if said.iter().any(|s| s.has(&On::Label(CI.to_owned()))) {
        return out;
    }
    let names: BTreeSet<String> = graph.cis.iter().map(|ci| ci.name.clone()).collect();
    for (n, rule) in config.rules.suppress.inhibit.iter().enumerate() {
        for (key, side) in [("source", &rule.source), ("target", &rule.target)] {
            // Expressions may be meant for alerts without a CI, which go by the name of their host.
            let exact = side.iter().filter(|m| m.label == CI && m.op == MatchOp::Is);
            for matcher in exact.filter(|m| !names.contains(&m.value)) {
                let path = format!("suppress.inhibit[{n}].{key}");
                out.push(missing(text, path, "CI is called", &matcher.value, &names));
            }
        }
    }
    out
}

fn missing<W: AsRef<str>>(
    text: &str,
    path: String,
    what: &str,
    word: &str,
    known: &BTreeSet<W>,
) -> Problem {
    let names = known.iter().map(AsRef::as_ref);
    let names: Vec<&str> = names.filter(|n| !n.is_empty()).collect();
    let message = format!("no {what} {word:?} in the CMDB{}", hint(word, &names));
    Problem::at(text, path, message)
}
