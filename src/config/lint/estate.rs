//! Words of the rules that the CMDB does not have: classes, attributes, relation types.

use super::super::walk::{hint, place};
use super::super::{Config, Problem};
use crate::graph::RawGraph;
use crate::rules::{Correlate, PriorityRules, Ticket};
use std::collections::BTreeSet;

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
            let names: Vec<&str> = known.iter().copied().filter(|n| !n.is_empty()).collect();
            let message = format!("no {what} {word:?} in the CMDB{}", hint(word, &names));
            let (line, column) = place(text, path).unwrap_or((1, 1));
            out.push(Problem {
                line,
                column,
                path: path.to_owned(),
                message,
            });
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
    ];
    for (path, name, built_in) in names {
        if *name != built_in {
            ask(path, "CI has the attribute", name, &attributes);
        }
    }
    for (n, route) in rules.ticket.routes.iter().enumerate() {
        if let Some(class) = &route.class {
            ask(
                &format!("ticket.route[{n}].class"),
                "CI has the class",
                class,
                &classes,
            );
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
    out
}
