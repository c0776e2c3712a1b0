//! `[redact]`: what is taken out of alerts, as rules of the shipped sets and of the file.

use super::keys::Key;
use super::plumbing::{SourceConf, section, tables_of};
use super::tables;
use super::walk::{Walk, hint};
use crate::redact::{self, Rule};
use toml::de::{DeTable, DeValue};

pub(super) fn read(walk: &mut Walk<'_>, table: &DeTable<'_>, sources: &[SourceConf]) -> Vec<Rule> {
    let s = section(walk, table, "redact", &[]);
    let at = table.get("redact").map(|v| v.span()).unwrap_or(0..0);
    let mut rules = Vec::new();
    for name in s.list("sets") {
        if !redact::SETS.contains(&name.as_str()) {
            let message = format!("{name:?} is unknown; one of: {}", redact::SETS.join(", "));
            walk.problem(at.clone(), "redact.sets", message);
        }
        rules.extend(redact::set(name));
    }
    let Some(DeValue::Table(inner)) = table.get("redact").map(|v| v.get_ref()) else {
        return rules;
    };
    let keys: Vec<&'static Key> = tables::REDACT_RULE.iter().collect();
    for (path, at, one) in tables_of(walk, inner, "rule") {
        let path = format!("redact.{path}");
        let s = walk.table(one, at.clone(), &path, &keys, &[]);
        let text = |name: &str| s.opt_text(name).map(str::to_owned);
        if text("label").is_none() && text("regex").is_none() {
            let message = "the rule finds nothing: set label, regex or both".to_owned();
            walk.problem(at.clone(), &path, message);
        }
        if let Some(source) = s.opt_text("source") {
            let names: Vec<&str> = sources.iter().map(|s| s.settings.name.as_str()).collect();
            if !names.contains(&source) {
                let message = format!("there is no source {source:?}{}", hint(source, &names));
                walk.problem(at, &format!("{path}.source"), message);
            }
        }
        rules.push(Rule {
            source: text("source"),
            label: text("label"),
            regex: text("regex"),
            texts_only: false,
            hash: s.text("action") == "hash",
        });
    }
    rules
}
