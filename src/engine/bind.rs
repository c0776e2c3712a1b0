//! Alert to CI, with the evidence for it: ordered rules of the configuration over sound defaults.

use super::Engine;
use super::state::{Cis, Evidence, InForce, Timer, UNBOUND_MARK};
use crate::graph::{Ix, Lookup};
use crate::model::{AlertId, CiId, Fingerprint, Labels};
use crate::rules::BindRule;
use regex::Regex;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Labels and annotations that name a CI, best first. A CMDB id beats every name; the host of the exporter
/// (`instance`) beats what it reports about only because nothing better is there.
const DEFAULTS: [(&str, Shape); 13] = [
    ("cmdb_id", Shape::Whole),
    ("ci", Shape::Whole),
    ("asset_tag", Shape::Whole),
    ("host", Shape::Whole),
    ("hostname", Shape::Whole),
    ("instance", Shape::HostPort),
    ("node", Shape::Whole),
    ("nodename", Shape::Whole),
    ("target", Shape::HostPort),
    ("device", Shape::Whole),
    ("service", Shape::Whole),
    ("fqdn", Shape::Whole),
    ("address", Shape::Whole),
];

/// Labels whose value groups alerts that no CI is known for.
const HOSTS: [(&str, Shape); 5] = [
    ("host", Shape::Whole),
    ("hostname", Shape::Whole),
    ("instance", Shape::HostPort),
    ("node", Shape::Whole),
    ("nodename", Shape::Whole),
];

/// Alerts seen in one entry after a new graph, and of the live ones those bound anew and those moved: each costs.
const MOST_SEEN: usize = 10_000;
/// See [`MOST_SEEN`].
const MOST_BOUND: usize = 500;
/// See [`MOST_SEEN`].
const MOST_MOVED: usize = 50;

#[derive(Clone, Copy)]
enum Shape {
    Whole,
    HostPort,
}

/// What an alert says about where it is.
#[derive(Clone, Copy, Debug)]
pub struct Said<'a> {
    /// Name of the source.
    pub source: &'a str,
    /// Its labels.
    pub labels: &'a Labels,
    /// Its annotations; a kind puts identifying facts that may change there (`cmdb_id`, `address`).
    pub annotations: &'a Labels,
    /// Its identity.
    pub fingerprint: Fingerprint,
}

impl<'a> Said<'a> {
    fn get(&self, name: &str) -> Option<&'a str> {
        let value = self.labels.get(name).or_else(|| self.annotations.get(name));
        value.filter(|v| !v.is_empty())
    }
}

/// Takes port and path off: `web1:9100`, `[::1]:9100`, `http://web1:9100/metrics`; a bare IPv6 address and a
/// name with slashes (`team/pod`) stay.
pub fn host_of(value: &str) -> &str {
    // A path belongs to an address; without scheme or port it is a name with slashes (`team/pod`).
    let rest = match value.split_once("://") {
        Some((_, rest)) => rest.split(['/', '?']).next().unwrap_or(rest),
        None => match value.split_once(['/', '?']) {
            Some((host, _)) if host.contains(':') => host,
            Some(_) | None => value,
        },
    };
    if let Some(inner) = rest.strip_prefix('[') {
        return inner.split(']').next().unwrap_or(inner);
    }
    match rest.split_once(':') {
        Some((host, port)) if !port.contains(':') => host,
        Some(_) | None => rest,
    }
}

/// Finds the CI of an alert. Always answers a number: what the CMDB does not know is grouped by its host, or
/// stands alone.
pub fn bind(force: &InForce, cis: &mut Cis, said: Said<'_>) -> (CiId, Evidence) {
    let mut evidence = Evidence::default();
    if let Some(ci) =
        by_rules(force, said, &mut evidence).or_else(|| by_defaults(force, said, &mut evidence))
    {
        evidence.bound = true;
        evidence.tried.clear();
        return (ci, evidence);
    }
    let host = HOSTS
        .iter()
        .find_map(|(name, shape)| said.get(name).map(|v| (name, shape_of(*shape, v))));
    let key = match host {
        Some((name, host)) => {
            evidence.label = (*name).to_owned();
            evidence.value = host.to_owned();
            format!("{UNBOUND_MARK}host:{}", host.to_lowercase())
        }
        None => format!("{UNBOUND_MARK}alert:{}", said.fingerprint),
    };
    (cis.intern(&key), evidence)
}

fn shape_of(shape: Shape, value: &str) -> &str {
    match shape {
        Shape::Whole => value,
        Shape::HostPort => host_of(value),
    }
}

fn by_rules(force: &InForce, said: Said<'_>, evidence: &mut Evidence) -> Option<CiId> {
    let rules = &force.rules;
    for (rule, compiled) in rules.text.bind.iter().zip(&rules.bind) {
        if rule.source.as_deref().is_some_and(|s| s != said.source) {
            continue;
        }
        if let Some(label) = &rule.when_label {
            let value = said.get(label).unwrap_or_default();
            if !compiled
                .when
                .as_ref()
                .is_none_or(|when| when.is_match(value))
            {
                continue;
            }
        }
        let Some((label, name)) = name_by_rule(rule, compiled.regex.as_ref(), said) else {
            continue;
        };
        let rule = format!("bind.rule {:?}", rule.name);
        if let Some(ci) = look_up(force, rule, &label, &name, evidence) {
            return Some(ci);
        }
    }
    None
}

fn name_by_rule(
    rule: &BindRule,
    regex: Option<&Regex>,
    said: Said<'_>,
) -> Option<(String, String)> {
    if let Some(template) = &rule.template {
        return fill(template, said).map(|name| (template.clone(), name));
    }
    let label = rule.label.as_ref()?;
    let value = said.get(label)?;
    let name = match regex {
        None => value,
        Some(regex) => {
            let found = regex.captures(value)?;
            let group = found
                .name("ci")
                .or_else(|| found.get(1))
                .or_else(|| found.get(0))?;
            group.as_str()
        }
    };
    (!name.is_empty()).then(|| (label.clone(), name.to_owned()))
}

/// Puts label values into `{label}`; nothing if one of them is missing.
fn fill(template: &str, said: Said<'_>) -> Option<String> {
    let mut out = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, after) = after.split_once('}')?;
        out.push_str(before);
        out.push_str(said.get(name)?);
        rest = after;
    }
    out.push_str(rest);
    Some(out)
}

fn by_defaults(force: &InForce, said: Said<'_>, evidence: &mut Evidence) -> Option<CiId> {
    DEFAULTS.iter().find_map(|(label, shape)| {
        let name = shape_of(*shape, said.get(label)?);
        look_up(force, format!("default {label}"), label, name, evidence)
    })
}

fn look_up(
    force: &InForce,
    rule: String,
    label: &str,
    name: &str,
    evidence: &mut Evidence,
) -> Option<CiId> {
    let graph = force.graph.as_ref()?;
    match graph.lookup(name) {
        Lookup::One(ix) => {
            evidence.rule = rule;
            evidence.label = label.to_owned();
            evidence.value = name.to_owned();
            force.id(ix)
        }
        Lookup::None => {
            evidence.tried.push(format!("{label} {name:?}: unknown"));
            None
        }
        Lookup::Many(many) => {
            let names = |ix: &Ix| graph.ci(*ix).map(|c| c.key.clone()).unwrap_or_default();
            let names: Vec<String> = many.iter().map(names).collect();
            evidence.tried.push(format!(
                "{label} {name:?}: ambiguous ({})",
                names.join(", ")
            ));
            None
        }
    }
}

/// Label, name and CIs of a look-up that found several; see [`Evidence::tried`].
pub fn ambiguous(tried: &str) -> Option<(&str, &str, &str)> {
    let (what, cis) = tried.split_once(": ambiguous (")?;
    let (label, name) = what.split_once(' ')?;
    Some((label, name.trim_matches('"'), cis.strip_suffix(')')?))
}

impl Engine {
    /// Binds every live alert anew, after a new graph or new rules. An alert of an incident that is still
    /// held is placed anew; one whose incident has (or had) a ticket stays there under its new CI.
    pub(super) fn rebind_all(&mut self) {
        self.rebind_from(AlertId::default());
    }

    /// The same of the alerts from `from` on, some of them at a time.
    pub(super) fn rebind_from(&mut self, from: AlertId) {
        let mut alerts = self.state.alerts.from(from);
        let mut live = Vec::new();
        for (id, alert) in alerts.by_ref().take(MOST_SEEN) {
            if alert.live() {
                live.push(*id);
            }
        }
        let mut next = alerts.next().map(|(id, _)| *id);
        drop(alerts);
        let mut moved = BTreeSet::new();
        for (n, id) in live.into_iter().enumerate() {
            if n >= MOST_BOUND || moved.len() >= MOST_MOVED {
                next = Some(id);
                break;
            }
            if self.bind_anew(id) {
                moved.insert(id);
            }
        }
        if let Some(next) = next {
            self.set_timer(self.state.at, Timer::Rebind(next));
        }
        self.re_place(&moved);
        for id in moved {
            self.inhibit(id);
        }
    }

    /// Answers whether the alert is at another CI now.
    fn bind_anew(&mut self, id: AlertId) -> bool {
        let Some(alert) = self.state.alerts.get_mut(&id) else {
            return false;
        };
        let said = Said {
            source: &alert.source,
            labels: &alert.labels,
            annotations: &alert.annotations,
            fingerprint: alert.fingerprint,
        };
        let (ci, evidence) = bind(&self.force, &mut self.state.cis, said);
        let moved = alert.ci != ci;
        alert.ci = ci;
        if *alert.evidence != evidence {
            alert.evidence = Arc::new(evidence);
            self.effects.alerts.insert(id);
        }
        moved
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_taken_off() {
        for (value, host) in [
            ("web1:9100", "web1"),
            ("[::1]:9100", "::1"),
            ("::1", "::1"),
            ("10.0.0.1:80", "10.0.0.1"),
            ("http://web1.corp:9100/metrics", "web1.corp"),
            ("https://[fe80::1]/x", "fe80::1"),
            ("web1", "web1"),
            ("eu1/team05/cart-1", "eu1/team05/cart-1"),
            ("web1:9100/metrics", "web1"),
            ("", ""),
        ] {
            assert_eq!(host_of(value), host, "{value}");
        }
    }
}
