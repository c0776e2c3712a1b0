//! Whose ticket it is, and what was changed: the owner of the cause if it is known, else of what people see; the
//! rules of `[[ticket.route]]` stand over both.

use super::Engine;
use super::maintenance::SUSPECT;
use super::state::Incident;
use crate::model::{CiId, Millis};
use crate::rules::RouteRule;
use crate::ticket::ChangeText;

/// Changes named in a ticket.
const MAX_CHANGES: usize = 3;

fn same(rule: Option<&str>, value: &str) -> bool {
    rule.is_none_or(|r| r.eq_ignore_ascii_case(value))
}

impl Engine {
    /// The assignment group, and the rule that named it, if one did.
    pub(super) fn group(
        &self,
        known: &Incident,
        observed: &[CiId],
        subject: CiId,
    ) -> (String, Option<String>) {
        let rules = &self.state.rules.ticket;
        let mut routes = rules.routes.iter();
        let names =
            |r: &&RouteRule| !r.group.is_empty() && self.routes(r, known, observed, subject);
        if let Some(route) = routes.find(names) {
            return (route.group.clone(), Some(route.name.clone()));
        }
        // Never the owner of a mere guess.
        let owner = match known.confident {
            true => known.root,
            false => observed.first().copied().unwrap_or(subject),
        };
        let group = self.attribute(owner, &rules.group_attribute);
        let group = group.filter(|g| !g.is_empty());
        (
            group.map_or_else(|| rules.default_group.clone(), str::to_owned),
            None,
        )
    }

    pub(super) fn attribute(&self, ci: CiId, name: &str) -> Option<&str> {
        let known = self.force.ci(ci)?;
        known.attributes.get(name).map(String::as_str)
    }

    pub(super) fn routes(
        &self,
        rule: &RouteRule,
        known: &Incident,
        observed: &[CiId],
        subject: CiId,
    ) -> bool {
        let class = self.force.ci(subject).map_or("", |c| c.class.as_str());
        let site = &self.state.rules.ticket.site_attribute;
        let site = self.attribute(subject, site).unwrap_or_default();
        let service = |name: &String| {
            let mut names = observed.iter().map(|ci| self.ci_name(*ci));
            names.any(|n| n.eq_ignore_ascii_case(name))
        };
        let source = |name: &String| {
            let mut alerts = self.state.alerts_of(known).map(|(_, _, a)| a);
            alerts.any(|a| *a.source == **name)
        };
        same(rule.class.as_deref(), class)
            && same(rule.site.as_deref(), site)
            && rule.service.as_ref().is_none_or(service)
            && rule.severity.is_none_or(|s| self.worst(known) <= s)
            && rule.source.as_ref().is_none_or(source)
    }

    /// Changes of the cause (or the best guess) and of what the ticket is about, shortly before it began.
    pub(super) fn changed(&self, known: &Incident, subject: CiId) -> Vec<ChangeText> {
        let begins = self.state.alerts_of(known).map(|(_, _, a)| a.started);
        let first = begins.min().unwrap_or(known.first);
        let mut cis = vec![known.root];
        if subject != known.root {
            cis.push(subject);
        }
        let mut out = Vec::new();
        for ci in cis {
            for change in self.state.changes.get(&ci).into_iter().flatten() {
                let before = first.since(change.at);
                if before > SUSPECT || before < Millis(-60_000) {
                    continue;
                }
                out.push(ChangeText {
                    id: change.id.to_string(),
                    summary: change.summary.to_string(),
                    ci: self.ci_name(ci),
                    at: change.at,
                    before: before.max(Millis(0)),
                });
            }
        }
        out.sort_by_key(|c| (c.before, c.id.clone()));
        out.truncate(MAX_CHANGES);
        out
    }
}
