//! Collects CIs and relations by the CMDB's own ids, and says what is wrong with them.

use super::names::{known_names, normal};
use super::{Ci, RawGraph, Relation};
use std::collections::BTreeMap;

/// Something in the CMDB that people should mend; everything else is used all the same.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// Where: `cmdb.json:41`.
    pub place: String,
    /// What.
    pub text: String,
}

/// Findings that are kept; the rest is counted.
const MAX_FINDINGS: usize = 1000;

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct GraphBuilder {
    cis: BTreeMap<String, (Ci, String)>,
    relations: Vec<(String, String, String, String)>,
    findings: Vec<Finding>,
    more_findings: usize,
}

impl GraphBuilder {
    /// A builder with nothing in it.
    pub fn new() -> GraphBuilder {
        GraphBuilder::default()
    }

    /// Adds a CI. The first of two with one id stays.
    pub fn ci(&mut self, ci: Ci, place: &str) {
        if ci.key.trim().is_empty() {
            return self.finding(place, "a CI without id is left out".to_owned());
        }
        if let Some((_, first)) = self.cis.get(&ci.key) {
            let text = format!(
                "CI id {:?} was seen at {first} already; this one is left out",
                ci.key
            );
            return self.finding(place, text);
        }
        self.cis.insert(ci.key.clone(), (ci, place.to_owned()));
    }

    /// Adds a relation; its ends may be ids or unambiguous names.
    pub fn relation(&mut self, from: &str, kind: &str, to: &str, place: &str) {
        self.relations.push((
            from.to_owned(),
            kind.to_owned(),
            to.to_owned(),
            place.to_owned(),
        ));
    }

    /// Notes something that is wrong.
    pub fn finding(&mut self, place: &str, text: String) {
        if self.findings.len() < MAX_FINDINGS {
            self.findings.push(Finding {
                place: place.to_owned(),
                text,
            });
        } else {
            self.more_findings = self.more_findings.saturating_add(1);
        }
    }

    /// The graph, and everything that was wrong on the way.
    pub fn finish(mut self) -> (RawGraph, Vec<Finding>) {
        let positions: BTreeMap<String, u32> = self.cis.keys().cloned().zip(0u32..).collect();
        let mut by_name: BTreeMap<String, Vec<u32>> = BTreeMap::new();
        for ((ci, _), n) in self.cis.values().zip(0u32..) {
            for name in known_names(ci).iter().filter_map(|n| normal(n)) {
                let found = by_name.entry(name).or_default();
                if !found.contains(&n) {
                    found.push(n);
                }
            }
        }
        self.report_ambiguous(&by_name);
        let end = |name: &str| -> Result<u32, String> {
            if let Some(at) = positions.get(name) {
                return Ok(*at);
            }
            match normal(name)
                .and_then(|n| by_name.get(&n))
                .map(Vec::as_slice)
            {
                Some([one]) => Ok(*one),
                Some([]) | None => Err(format!("{name:?} is no CI")),
                Some(_) => Err(format!("{name:?} is the name of several CIs")),
            }
        };
        let mut relations = Vec::new();
        for (from, kind, to, place) in std::mem::take(&mut self.relations) {
            match (end(&from), end(&to)) {
                (Ok(a), Ok(b)) if a == b => {
                    let text = format!("{from:?} {kind} itself; the relation is left out");
                    self.finding(&place, text);
                }
                (Ok(from), Ok(to)) => relations.push(Relation { from, to, kind }),
                (Err(why), _) | (_, Err(why)) => {
                    let text = format!("relation \"{from} {kind} {to}\" is left out: {why}");
                    self.finding(&place, text);
                }
            }
        }
        relations.sort();
        relations.dedup();
        if self.more_findings > 0 {
            let text = format!("{} more findings", self.more_findings);
            self.findings.push(Finding {
                place: String::new(),
                text,
            });
        }
        let cis = self.cis.into_values().map(|(ci, _)| ci).collect();
        (RawGraph { cis, relations }, self.findings)
    }

    fn report_ambiguous(&mut self, by_name: &BTreeMap<String, Vec<u32>>) {
        let all: Vec<(String, String)> = self
            .cis
            .values()
            .map(|(ci, place)| (ci.key.clone(), place.clone()))
            .collect();
        let of = |n: &u32| all.get(usize::try_from(*n).unwrap_or(usize::MAX));
        for (name, found) in by_name.iter().filter(|(_, f)| f.len() > 1) {
            let keys: Vec<&str> = found
                .iter()
                .take(4)
                .filter_map(of)
                .map(|(k, _)| k.as_str())
                .collect();
            let place = found.get(1).and_then(of).map(|(_, p)| p.clone());
            let text = format!(
                "{name:?} is the name of {} CIs ({}); alerts that name it stay unbound",
                found.len(),
                keys.join(", ")
            );
            self.finding(&place.unwrap_or_default(), text);
        }
    }
}
