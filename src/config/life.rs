//! Rules about suppression, the life of incidents and whose tickets they are.

use super::keys::Settings;
use super::planned::inner;
use super::plumbing::{Plumbing, section};
use super::walk::{Walk, hint, join};
use crate::model::Severity;
use crate::rules::{InhibitRule, LabelRule, Matcher, Notes, Reopen, RouteRule, RulesText};
use std::ops::Range;
use toml::de::{DeTable, DeValue};

/// What a matcher may ask for besides labels.
const BESIDES: [&str; 3] = ["source", "severity", "ci"];

/// The texts of a list, each with its place.
fn items(table: &DeTable<'_>, name: &str) -> Vec<(Range<usize>, String)> {
    let list = table.get(name).and_then(|v| v.get_ref().as_array());
    let texts = list.into_iter().flat_map(|l| l.iter());
    texts
        .filter_map(|v| Some((v.span(), v.get_ref().as_str()?.to_owned())))
        .collect()
}

/// The labels that the sources produce; `None` if one of them may send any.
fn produced(plumbing: &Plumbing) -> Option<Vec<String>> {
    let mut out: Vec<String> = BESIDES.map(str::to_owned).into();
    for source in &plumbing.sources {
        let known = source.kind.says.labels;
        if known.contains(&"*") {
            return None;
        }
        out.extend(known.iter().map(|l| (*l).to_owned()));
        let picked = source.settings.options.picks("take");
        out.extend(picked.map(|(name, _)| name.to_owned()));
        out.extend(source.labels.iter().map(|(name, _)| name.to_owned()));
    }
    Some(out)
}

/// A label that no source produces makes a rule that never acts.
fn known_label(
    walk: &mut Walk<'_>,
    known: Option<&[String]>,
    at: &Range<usize>,
    path: &str,
    label: &str,
) {
    let Some(known) = known.filter(|k| !k.iter().any(|l| l == label)) else {
        return;
    };
    let names: Vec<&str> = known.iter().map(String::as_str).collect();
    let message = format!(
        "label {label:?} is not produced by any source{}",
        hint(label, &names)
    );
    walk.problem(at.clone(), path, message);
}

fn matchers(
    walk: &mut Walk<'_>,
    table: &DeTable<'_>,
    path: &str,
    name: &str,
    known: Option<&[String]>,
) -> Vec<Matcher> {
    let path = join(path, name);
    let all = items(table, name);
    if all.is_empty()
        && let Some(value) = table.get(name)
    {
        let message = "would match every alert; name at least one label".to_owned();
        walk.problem(value.span(), &path, message);
    }
    let mut out = Vec::new();
    for (n, (at, text)) in all.into_iter().enumerate() {
        let path = format!("{path}[{n}]");
        match Matcher::parse(&text) {
            Ok(matcher) => {
                known_label(walk, known, &at, &path, &matcher.label);
                out.push(matcher);
            }
            Err(why) => walk.problem(at, &path, why),
        }
    }
    out
}

pub(super) fn suppress(
    walk: &mut Walk<'_>,
    table: &DeTable<'_>,
    plumbing: &Plumbing,
    rules: &mut RulesText,
) {
    let s = section(walk, table, "suppress", &[]);
    let flapping = &mut rules.suppress.flapping;
    flapping.changes = number(&s, "flap_changes");
    flapping.within = s.duration("flap_within");
    flapping.quiet = s.duration("flap_quiet");
    flapping.chronic = number(&s, "chronic");
    let known = produced(plumbing);
    for (path, _, one, s) in inner(walk, table, "suppress", "inhibit") {
        let equal = items(one, "equal");
        for (n, (at, label)) in equal.iter().enumerate() {
            known_label(
                walk,
                known.as_deref(),
                at,
                &format!("{path}.equal[{n}]"),
                label,
            );
        }
        rules.suppress.inhibit.push(InhibitRule {
            name: s.text("name").to_owned(),
            source: matchers(walk, one, &path, "source", known.as_deref()),
            target: matchers(walk, one, &path, "target", known.as_deref()),
            equal: equal.into_iter().map(|(_, label)| label).collect(),
        });
    }
}

pub(super) fn correlate(walk: &mut Walk<'_>, table: &DeTable<'_>, rules: &mut RulesText) {
    let s = section(walk, table, "correlate", &["relations"]);
    let out = &mut rules.correlate;
    out.storm.per_minute = number(&s, "storm_per_minute");
    out.storm.hold = s.duration("storm_hold");
    let of = table.get("correlate").map(|v| v.get_ref());
    let given = matches!(of, Some(DeValue::Table(of)) if of.get("label_rule").is_some());
    if given {
        out.label_rules.clear(); // those of the file instead of ours; an empty list is none
    }
    for (path, at, _, s) in inner(walk, table, "correlate", "label_rule") {
        let labels: Vec<Vec<String>> = s
            .list("labels")
            .iter()
            .map(|l| l.split('|').map(|w| w.trim().to_owned()).collect())
            .collect();
        if labels.iter().flatten().any(String::is_empty) || labels.is_empty() {
            let message = "must name labels: [\"alertname\", \"site|cluster\"]".to_owned();
            walk.problem(at, &join(&path, "labels"), message);
        }
        out.label_rules.push(LabelRule {
            name: s.text("name").to_owned(),
            labels,
            least: number(&s, "least"),
            within: s.duration("within"),
        });
    }
}

pub(super) fn ticket(
    walk: &mut Walk<'_>,
    table: &DeTable<'_>,
    plumbing: &Plumbing,
    rules: &mut RulesText,
) {
    let s = section(walk, table, "ticket", &[]);
    let out = &mut rules.ticket;
    out.site_attribute = s.text("site_attribute").to_owned();
    out.warnings_wait = s.duration("warnings_wait");
    out.notes = notes(s.text("notes"));
    out.usual_wait = s.duration("usual_wait");
    out.told_wait = s.duration("told_wait");
    out.reopen.ours = reopen(s.text("reopen"));
    out.reopen.persons = reopen(s.text("reopen_persons"));
    out.reopen.persons_after = s.duration("reopen_persons_after");
    let names: Vec<&str> = plumbing.calendars.iter().map(|c| c.name.as_str()).collect();
    out.hours = [
        ("calendar_p3", s.opt_text("calendar_p3")),
        ("calendar_p4", s.opt_text("calendar_p4")),
    ]
    .map(|(key, name)| {
        let name = name?;
        if !names.contains(&name) {
            let of = table
                .get("ticket")
                .and_then(|t| t.get_ref().as_table()?.get(key));
            let at = of.map(|v| v.span()).unwrap_or(0..0);
            let message = format!(
                "there is no [[ticket.calendar]] {name:?}{}",
                hint(name, &names)
            );
            walk.problem(at, &format!("ticket.{key}"), message);
        }
        Some(name.to_owned())
    });
    let sources: Vec<&str> = plumbing
        .sources
        .iter()
        .map(|s| s.settings.name.as_str())
        .collect();
    for (path, at, _, s) in inner(walk, table, "ticket", "route") {
        if let Some(source) = s.opt_text("source").filter(|s| !sources.contains(s)) {
            let message = format!("there is no source {source:?}{}", hint(source, &sources));
            walk.problem(at.clone(), &join(&path, "source"), message);
        }
        let text = |name: &str| s.opt_text(name).map(str::to_owned);
        targets(walk, &at, &path, &s, plumbing);
        out.routes.push(RouteRule {
            name: s.text("name").to_owned(),
            class: text("class"),
            site: text("site"),
            service: text("service"),
            severity: s.opt_text("severity").and_then(Severity::from_word),
            source: text("source"),
            group: s.opt_text("group").unwrap_or_default().to_owned(),
            targets: s.list("targets").to_vec(),
        });
    }
}

/// A route must lead somewhere, to targets that are there and are nobody's fallback.
fn targets(walk: &mut Walk<'_>, at: &Range<usize>, path: &str, s: &Settings, plumbing: &Plumbing) {
    let chosen = s.list("targets");
    if chosen.is_empty() && s.opt_text("group").is_none_or(str::is_empty) {
        let message = "leads nowhere: set group, targets or both".to_owned();
        walk.problem(at.clone(), path, message);
    }
    let all = || plumbing.targets.iter();
    let names: Vec<&str> = all().map(|t| t.settings.name.as_str()).collect();
    for name in chosen {
        let of = all().find(|t| t.common.opt_text("fallback") == Some(name));
        let message = match of {
            Some(of) => format!(
                "{name:?} is the fallback of {:?} and gets nothing else",
                of.settings.name
            ),
            None if names.contains(&name.as_str()) => continue,
            None => format!("there is no [[itsm]] {name:?}{}", hint(name, &names)),
        };
        walk.problem(at.clone(), &join(path, "targets"), message);
    }
}

fn notes(word: &str) -> Notes {
    match word {
        "quiet" => Notes::Quiet,
        "verbose" => Notes::Verbose,
        _ => Notes::Calm,
    }
}

fn reopen(word: &str) -> Reopen {
    match word {
        "new" => Reopen::New,
        "note" => Reopen::Note,
        _ => Reopen::Reopen,
    }
}

fn number(s: &Settings, name: &str) -> u32 {
    u32::try_from(s.integer(name)).unwrap_or(u32::MAX)
}
