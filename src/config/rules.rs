//! The sections that decide, as rules.

use super::keys::{Key, Settings};
use super::plumbing::{Plumbing, section, tables_of};
use super::walk::{Walk, hint, join};
use super::{inform, life, tables};
use crate::itsm::Promise;
use crate::model::Severity;
use crate::rules::{
    BindRule, Carries, Mode, OnRecovery, RelationRule, RulesText, ScopeIdentity, Target,
};
use toml::de::{DeTable, DeValue};

pub(super) fn read(walk: &mut Walk<'_>, table: &DeTable<'_>, plumbing: &Plumbing) -> RulesText {
    let mut rules = RulesText::default();
    identity(walk, table, &mut rules);
    bind(walk, table, plumbing, &mut rules);
    let s = section(walk, table, "suppress", &[]);
    let word = Severity::from_word(s.text("ticket_min_severity"));
    rules.suppress.ticket_min_severity = word.unwrap_or(Severity::Warning);
    rules.suppress.inherit_before = s.duration("inherit_before");
    for source in &plumbing.sources {
        let name = source.settings.name.clone();
        match source.settings.options.text("mode") {
            "note" => rules.suppress.note_sources.push(name),
            "shadow" => rules.suppress.shadow_sources.push(name),
            _ => {}
        }
        if source.kind.hides_dependents {
            rules
                .suppress
                .hiding_sources
                .push(source.settings.name.clone());
        }
    }
    life::suppress(walk, table, plumbing, &mut rules);
    correlate(walk, table, &mut rules);
    life::correlate(walk, table, &mut rules);
    if plumbing.cmdbs.is_empty() {
        // There is no graph to wait for.
        rules.correlate.wait_for_graph = crate::model::Millis(0);
    }
    priority(walk, table, &mut rules);
    ticket(walk, table, &mut rules);
    life::ticket(walk, table, plumbing, &mut rules);
    inform::read(walk, table, plumbing, &mut rules);
    scopes(walk, table, plumbing, &mut rules);
    for source in &plumbing.sources {
        if let Some(every) = source.expect_every {
            rules
                .expect_every
                .insert(source.settings.name.clone(), every);
        }
    }
    fallbacks(walk, table, plumbing);
    for target in &plumbing.targets {
        let s = &target.common;
        let silent = target.kind.promise == Promise::Nothing || s.text("mode") == "shadow";
        rules.targets.insert(
            target.settings.name.clone(),
            Target {
                mode: match s.text("mode") {
                    _ if silent => Mode::Shadow,
                    "note" => Mode::Note,
                    _ => Mode::Live,
                },
                settle: s
                    .opt_duration("settle")
                    .unwrap_or(target.kind.limits.settle),
                reopens: target.kind.limits.reopens,
                by_key: target.kind.promise == Promise::OnceByTool,
                links: (target.kind.links)(&target.settings),
                on_recovery: match s.text("on_recovery") {
                    "resolve" => OnRecovery::Resolve,
                    "note_only" => OnRecovery::NoteOnly,
                    _ => OnRecovery::ResolveIfUntouched,
                },
                max_new: number(s, "max_new"),
                max_new_per: s.duration("max_new_per"),
                fallback: s.opt_text("fallback").map(str::to_owned),
                fallback_after: s.duration("fallback_after"),
                share: s.get("share").map(|_| s.list("share").to_vec()),
            },
        );
    }
    rules
}

/// A fallback must be another target that is there, and must not lead back.
fn fallbacks(walk: &mut Walk<'_>, table: &DeTable<'_>, plumbing: &Plumbing) {
    let at = table.get("itsm").map(|v| v.span()).unwrap_or(0..0);
    let names: Vec<&str> = plumbing
        .targets
        .iter()
        .map(|t| t.settings.name.as_str())
        .collect();
    for (n, target) in plumbing.targets.iter().enumerate() {
        let Some(fallback) = target.common.opt_text("fallback") else {
            continue;
        };
        let other = plumbing
            .targets
            .iter()
            .find(|t| t.settings.name == fallback);
        let message = match other {
            None => format!(
                "there is no [[itsm]] {fallback:?}{}",
                hint(fallback, &names)
            ),
            Some(other) if other.settings.name == target.settings.name => {
                "a target cannot be its own fallback".to_owned()
            }
            Some(other) if other.common.opt_text("fallback").is_some() => {
                format!("{fallback:?} has a fallback itself; one is enough")
            }
            Some(_) => continue,
        };
        walk.problem(at.clone(), &format!("itsm[{n}].fallback"), message);
    }
}

fn number(s: &Settings, name: &str) -> u32 {
    u32::try_from(s.integer(name)).unwrap_or(u32::MAX)
}

fn per_mille(s: &Settings, name: &str) -> u16 {
    u16::try_from(s.integer(name)).unwrap_or(1000)
}

fn identity(walk: &mut Walk<'_>, table: &DeTable<'_>, rules: &mut RulesText) {
    let s = section(walk, table, "identity", &[]);
    let out = &mut rules.identity;
    out.ignored_labels = s.list("ignored_labels").to_vec();
    out.heartbeats = s.list("heartbeats").to_vec();
    out.noted = s.list("noted").to_vec();
    out.stale_for = s.duration("stale_for");
    out.grace = s.duration("grace");
    let at = table.get("identity").map(|v| v.span()).unwrap_or(0..0);
    for (word, severity) in s.map("severity").into_iter().flatten() {
        match Severity::from_word(severity) {
            Some(severity) => {
                out.severity.insert(word.to_lowercase(), severity);
            }
            None => {
                let words: Vec<&str> = Severity::ALL.iter().map(|s| s.word()).collect();
                let message = format!("{severity:?} is unknown; one of: {}", words.join(", "));
                walk.problem(at.clone(), &format!("identity.severity.{word}"), message);
            }
        }
    }
}

/// Sources that share a scope must identify alike, or their alerts would not meet.
fn scopes(walk: &mut Walk<'_>, table: &DeTable<'_>, plumbing: &Plumbing, rules: &mut RulesText) {
    let at = table.get("source").map(|v| v.span()).unwrap_or(0..0);
    for (n, source) in plumbing.sources.iter().enumerate() {
        let own = ScopeIdentity {
            labels: source.identity.clone(),
            condition: source.condition.clone(),
        };
        let other = plumbing.sources.iter().take(n).find(|other| {
            other.scope == source.scope
                && (&other.identity, &other.condition) != (&own.labels, &own.condition)
        });
        if let Some(other) = other {
            let message = format!(
                "shares scope {:?} with source {:?}, but other labels identify its alerts; set identity and condition of both",
                source.scope, other.settings.name
            );
            walk.problem(at.clone(), &format!("source[{n}].scope"), message);
        }
        if own != ScopeIdentity::default() {
            rules.identity.by_scope.insert(source.scope.clone(), own);
        }
    }
}

fn bind(walk: &mut Walk<'_>, table: &DeTable<'_>, plumbing: &Plumbing, rules: &mut RulesText) {
    let s = section(walk, table, "bind", &[]);
    rules.domains = s.list("domains").to_vec();
    let Some(DeValue::Table(inner)) = table.get("bind").map(|v| v.get_ref()) else {
        return;
    };
    let keys: Vec<&'static Key> = tables::BIND_RULE.iter().collect();
    for (path, at, one) in tables_of(walk, inner, "rule") {
        let path = join("bind", &path);
        let s = walk.table(one, at.clone(), &path, &keys, &[]);
        let text = |name: &str| s.opt_text(name).map(str::to_owned);
        if let Some(source) = s.opt_text("source") {
            let names: Vec<&str> = plumbing
                .sources
                .iter()
                .map(|s| s.settings.name.as_str())
                .collect();
            if !names.contains(&source) {
                let message = format!("there is no source {source:?}{}", hint(source, &names));
                walk.problem(at.clone(), &join(&path, "source"), message);
            }
        }
        if s.opt_text("label").is_none() && s.opt_text("template").is_none() {
            walk.problem(
                at.clone(),
                &path,
                "the rule finds nothing: set label or template".to_owned(),
            );
        }
        if s.opt_text("when_label").is_some() != s.opt_text("when_matches").is_some() {
            walk.problem(
                at,
                &path,
                "when_label and when_matches belong together".to_owned(),
            );
        }
        rules.bind.push(BindRule {
            name: s.text("name").to_owned(),
            source: text("source"),
            when_label: text("when_label"),
            when_matches: text("when_matches"),
            label: text("label"),
            regex: text("regex"),
            template: text("template"),
        });
    }
}

fn correlate(walk: &mut Walk<'_>, table: &DeTable<'_>, rules: &mut RulesText) {
    let s = section(walk, table, "correlate", &["relations"]);
    let out = &mut rules.correlate;
    out.window = s.duration("window");
    out.arrival_lag = s.duration("arrival_lag");
    out.arrival_lag_max = s.duration("arrival_lag_max");
    out.hold = ["hold_p1", "hold_p2", "hold_p3", "hold_p4"].map(|name| s.duration(name));
    out.hold_quiet = s.duration("hold_quiet");
    out.hold_max = s.duration("hold_max");
    out.resolve_after = s.duration("resolve_after");
    out.reopen_within = s.duration("reopen_within");
    out.wait_for_graph = s.duration("wait_for_graph");
    out.learn_prior = s.bool("learn_prior");
    out.min_weight = per_mille(&s, "min_weight");
    out.composite_classes = s.list("composite_classes").to_vec();
    let Some(DeValue::Table(inner)) = table.get("correlate").map(|v| v.get_ref()) else {
        return;
    };
    let Some(relations) = inner.get("relations") else {
        return;
    };
    let DeValue::Table(kinds) = relations.get_ref() else {
        let message = "must be tables: name = { weight = 900 }".to_owned();
        return walk.problem(relations.span(), "correlate.relations", message);
    };
    let keys: Vec<&'static Key> = tables::RELATION.iter().collect();
    for (name, value) in kinds.iter() {
        let path = join("correlate.relations", name.get_ref());
        let DeValue::Table(one) = value.get_ref() else {
            let message = "must be a table: { weight = 900, redundant = 250 }".to_owned();
            walk.problem(value.span(), &path, message);
            continue;
        };
        let s = walk.table(one, value.span(), &path, &keys, &[]);
        let weight = per_mille(&s, "weight");
        let redundant = s
            .get("redundant")
            .map_or(weight, |_| per_mille(&s, "redundant"));
        let carries = match s.get("carries").map(|_| s.text("carries")) {
            Some("power") => Carries::Power,
            Some("network") => Carries::Network,
            Some(_) => Carries::All,
            None => out
                .relations
                .get(name.get_ref().as_ref())
                .map_or(Carries::All, |known| known.carries),
        };
        let rule = RelationRule {
            weight,
            redundant,
            reverse: s.bool("reverse"),
            carries,
        };
        out.relations.insert(name.get_ref().to_string(), rule);
    }
}

fn priority(walk: &mut Walk<'_>, table: &DeTable<'_>, rules: &mut RulesText) {
    let s = section(walk, table, "priority", &[]);
    let at = table.get("priority").map(|v| v.span()).unwrap_or(0..0);
    let out = &mut rules.priority;
    out.criticality_attribute = s.text("criticality_attribute").to_owned();
    out.service_classes = s.list("service_classes").to_vec();
    for (word, level) in s.map("criticality").into_iter().flatten() {
        match level.parse::<u8>() {
            Ok(level @ 1..=4) => {
                out.criticality.insert(word.to_lowercase(), level);
            }
            Ok(_) | Err(_) => {
                let message = format!("{level:?} must be \"1\" to \"4\"");
                walk.problem(at.clone(), &format!("priority.criticality.{word}"), message);
            }
        }
    }
    let names = ["impact_1", "impact_2", "impact_3", "impact_4"];
    for (row, name) in out.matrix.iter_mut().zip(names) {
        let cells: Vec<u8> = s.list(name).iter().filter_map(|c| c.parse().ok()).collect();
        match cells.as_slice() {
            [a, b, c] if [a, b, c].iter().all(|n| (1..=4).contains(*n)) => *row = [*a, *b, *c],
            _other => {
                let message = "must be three priorities, each \"1\" to \"4\"".to_owned();
                walk.problem(at.clone(), &format!("priority.{name}"), message);
            }
        }
    }
}

fn ticket(walk: &mut Walk<'_>, table: &DeTable<'_>, rules: &mut RulesText) {
    let s = section(walk, table, "ticket", &[]);
    let out = &mut rules.ticket;
    out.group_attribute = s.text("group_attribute").to_owned();
    out.default_group = s.text("default_group").to_owned();
    out.open_when_over = s.bool("open_when_over");
    out.quiet_reroot = s.duration("quiet_reroot");
    out.update_every = s.duration("update_every");
    out.note_every = s.duration("note_every");
    out.notes_per_hour = number(&s, "notes_per_hour");
    out.notes_per_day = number(&s, "notes_per_day");
}
