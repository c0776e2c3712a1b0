//! The alerts and CIs that a person named, or what is wrong with the names.

use super::super::Engine;
use super::super::state::Incident;
use super::{CommandRefused, wrong};
use crate::graph::{Ix, Lookup};
use crate::model::{AlertId, CiId, Fingerprint, IncidentId};
use crate::record::NamedV1;
use std::collections::BTreeSet;

/// Digits of a fingerprint that a person must give at least.
const MIN_DIGITS: usize = 4;
/// Candidates that an error names.
const MAX_CANDIDATES: usize = 8;

impl Engine {
    /// The alerts of an incident that a person named.
    pub(super) fn chosen(
        &self,
        id: IncidentId,
        named: &NamedV1,
    ) -> Result<BTreeSet<AlertId>, CommandRefused> {
        let Some(known) = self.state.incidents.get(&id) else {
            return wrong(format!("{id} is not known (any more)"));
        };
        if named.alerts.is_empty() && named.cis.is_empty() {
            return wrong("name the alerts or the CIs that shall leave");
        }
        let mut out = BTreeSet::new();
        for text in &named.alerts {
            out.insert(self.alert_named(id, known, text)?);
        }
        for text in &named.cis {
            let ci = self.ci_named(text, Some(known))?;
            let before = out.len();
            let here = known.members.iter().filter(|(_, m)| m.ci == ci);
            out.extend(here.map(|(alert, _)| *alert));
            if out.len() == before && !known.members.values().any(|m| m.ci == ci) {
                return wrong(format!("{} has no alert in {id}", self.ci_name(ci)));
            }
        }
        Ok(out)
    }

    fn alert_named(
        &self,
        id: IncidentId,
        known: &Incident,
        text: &str,
    ) -> Result<AlertId, CommandRefused> {
        let digits = text.trim().to_lowercase();
        let hex = digits.chars().all(|c| c.is_ascii_hexdigit());
        if !hex || digits.len() < MIN_DIGITS || digits.len() > 32 {
            return wrong(format!(
                "{text:?} is no alert; give its fingerprint, or the first {MIN_DIGITS} digits of it or more"
            ));
        }
        let of = |alert: &AlertId| self.state.alerts.get(alert).map(|a| a.fingerprint);
        let here: Vec<(AlertId, Fingerprint)> = known
            .members
            .keys()
            .filter_map(|a| Some((*a, of(a)?)))
            .filter(|(_, f)| f.to_string().starts_with(&digits))
            .collect();
        match here.as_slice() {
            [(alert, _)] => Ok(*alert),
            [] => {
                let mut others = self.state.by_fingerprint.iter();
                let other = others.find(|(f, _)| f.to_string().starts_with(&digits));
                let other = other.and_then(|(_, a)| self.state.alerts.get(a)?.incident);
                match other {
                    Some(other) => wrong(format!(
                        "alert {text} is in {}, not in {id}",
                        self.incident_of(other)
                    )),
                    None => wrong(format!("alert {text} is not in {id}")),
                }
            }
            several => {
                let names: Vec<String> = several.iter().map(|(_, f)| f.to_string()).collect();
                wrong(format!(
                    "alert {text} is ambiguous in {id}: {}",
                    shortened(names)
                ))
            }
        }
    }

    /// The CI of a name. One of several of that name is meant if it alone has an alert in the incident.
    pub(super) fn ci_named(
        &self,
        text: &str,
        incident: Option<&Incident>,
    ) -> Result<CiId, CommandRefused> {
        let found = self.force.graph.as_ref().map(|g| g.lookup(text));
        let here = |ci: &CiId| incident.is_some_and(|i| i.members.values().any(|m| m.ci == *ci));
        match found {
            Some(Lookup::One(ix)) => match self.force.id(ix) {
                Some(ci) => Ok(ci),
                None => wrong(format!("no CI is called {text:?}")),
            },
            Some(Lookup::Many(many)) => {
                let ids: Vec<CiId> = many.iter().filter_map(|ix| self.force.id(*ix)).collect();
                let mut alerting = ids.iter().filter(|ci| here(ci));
                if let (Some(one), None) = (alerting.next(), alerting.next()) {
                    return Ok(*one);
                }
                let name = |ix: &Ix| {
                    let ci = self.force.graph.as_ref().and_then(|g| g.ci(*ix));
                    ci.map(|c| format!("{} ({})", c.key, c.name))
                        .unwrap_or_default()
                };
                wrong(format!(
                    "{text:?} may be several CIs: {}; give the id of one",
                    shortened(many.iter().map(name).collect())
                ))
            }
            Some(Lookup::None) | None => {
                // A host that the CMDB does not know has alerts all the same.
                let mut members = incident.into_iter().flat_map(|i| i.members.values());
                let fits = |ci: CiId| self.ci_name(ci).eq_ignore_ascii_case(text);
                match members.find(|m| fits(m.ci)) {
                    Some(member) => Ok(member.ci),
                    None => wrong(format!("no CI is called {text:?}")),
                }
            }
        }
    }
}

fn shortened(mut names: Vec<String>) -> String {
    let rest = names.len().saturating_sub(MAX_CANDIDATES);
    names.truncate(MAX_CANDIDATES);
    match rest {
        0 => names.join(", "),
        n => format!("{} and {n} more", names.join(", ")),
    }
}
