//! `[[inform]]`: who else is told of an incident.

use super::keys::{Key, Settings};
use super::plumbing::{Plumbing, tables_of};
use super::tables;
use super::walk::{Walk, hint, join};
use crate::rules::{InformRule, RulesText};
use std::ops::Range;
use toml::de::DeTable;

pub(super) fn read(
    walk: &mut Walk<'_>,
    table: &DeTable<'_>,
    plumbing: &Plumbing,
    rules: &mut RulesText,
) {
    let keys: Vec<&'static Key> = tables::INFORM.iter().collect();
    for (path, at, inner) in tables_of(walk, table, "inform") {
        let s = walk.table(inner, at.clone(), &path, &keys, &[]);
        leads_somewhere(walk, &at, &path, &s, plumbing);
        for name in s.list("targets") {
            if let Some(why) = unfit(name, plumbing, rules) {
                walk.problem(at.clone(), &join(&path, "targets"), why);
            }
        }
        let text = |name: &str| s.opt_text(name).map(str::to_owned);
        rules.inform.push(InformRule {
            name: s.text("name").to_owned(),
            owner: text("owner"),
            service: text("service"),
            note: s.bool("note"),
            watch: s.list("watch").to_vec(),
            targets: s.list("targets").to_vec(),
        });
    }
    let informs = |name: &str| {
        rules
            .inform
            .iter()
            .any(|r| r.targets.iter().any(|t| t == name))
    };
    let mut all = plumbing.targets.iter();
    if !rules.inform.is_empty() && all.all(|t| informs(&t.settings.name)) {
        let at = table.get("inform").map(|v| v.span()).unwrap_or(0..0);
        let message = "every [[itsm]] stands in targets: none is left for the tickets".to_owned();
        walk.problem(at, "inform", message);
    }
}

fn leads_somewhere(
    walk: &mut Walk<'_>,
    at: &Range<usize>,
    path: &str,
    s: &Settings,
    plumbing: &Plumbing,
) {
    let watch = s.list("watch");
    if !s.bool("note") && watch.is_empty() && s.list("targets").is_empty() {
        let message = "tells nobody: set note, watch or targets".to_owned();
        walk.problem(at.clone(), path, message);
    }
    if !watch.is_empty() && !plumbing.targets.iter().any(|t| t.kind.watches) {
        let message =
            "no [[itsm]] here has a watch list that is written (rt, servicenow)".to_owned();
        walk.problem(at.clone(), &join(path, "watch"), message);
    }
    for one in watch {
        let plain = |c: char| c.is_ascii_graphic() && !",;<>\"'\\^".contains(c);
        if !one.contains('@') || !one.chars().all(plain) {
            let message = format!("{one:?} is no mail address");
            walk.problem(at.clone(), &join(path, "watch"), message);
        }
    }
}

/// Why owners cannot be told in a target.
fn unfit(name: &str, plumbing: &Plumbing, rules: &RulesText) -> Option<String> {
    let all = || plumbing.targets.iter();
    let names: Vec<&str> = all().map(|t| t.settings.name.as_str()).collect();
    let of = all().find(|t| t.common.opt_text("fallback") == Some(name));
    let mut routes = rules.ticket.routes.iter();
    match (of, routes.find(|r| r.targets.iter().any(|t| t == name))) {
        _ if !names.contains(&name) => Some(format!(
            "there is no [[itsm]] {name:?}{}",
            hint(name, &names)
        )),
        (Some(of), _) => Some(format!(
            "{name:?} is the fallback of {:?} and gets nothing else",
            of.settings.name
        )),
        (None, Some(route)) => Some(format!(
            "{name:?} gets tickets by [[ticket.route]] {:?}; owners are told in one of their own",
            route.name
        )),
        (None, None) => None,
    }
}
