//! Rules that never acted: nothing on the tape was what they ask for.

use crate::config::Plumbing;
use crate::config::counted;
use crate::config::lint::{self, Ready, Rule};
use crate::engine::Engine;
use crate::engine::state::Suppression;
use crate::model::{AlertId, IncidentId};
use crate::record::Record;
use crate::rules::RulesText;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Rules that are named in the text; JSON has all.
const LISTED: usize = 20;

/// What each rule has done so far.
#[derive(Default)]
pub(super) struct Acted {
    plumbing: Plumbing,
    rules: Vec<Watched>,
    named: BTreeSet<String>,
}

struct Watched {
    rule: Rule,
    ready: Option<Ready>,
    /// Which of its asks were met.
    met: Vec<bool>,
}

/// What a rule is, whatever its place in the file.
fn identity(rule: &Rule) -> String {
    format!("{} {:?} {}", rule.name, rule.asks, rule.gives)
}

impl Acted {
    /// Rules of the plumbing count too.
    pub(super) fn with(plumbing: &Plumbing) -> Acted {
        Acted {
            plumbing: plumbing.clone(),
            ..Acted::default()
        }
    }

    /// These rules are in force from now on; one that was there before keeps what it has done.
    pub(super) fn rules(&mut self, rules: &RulesText) {
        let old = std::mem::take(&mut self.rules).into_iter();
        let old: BTreeMap<String, Vec<bool>> = old.map(|w| (identity(&w.rule), w.met)).collect();
        let all = lint::rules(rules, &self.plumbing).into_iter();
        self.rules = all
            .filter(|rule| rule.logged)
            .map(|rule| Watched {
                met: old
                    .get(&identity(&rule))
                    .cloned()
                    .unwrap_or_else(|| vec![false; rule.asks.len()]),
                ready: rule.ready(),
                rule,
            })
            .collect();
    }

    /// What is on the tape.
    pub(super) fn records(&mut self, records: &[Record]) {
        for record in records {
            match record {
                Record::Rules(rules) => {
                    if let Ok(text) = serde_json::from_str::<RulesText>(&rules.text) {
                        self.rules(&text);
                    }
                }
                Record::Events(batch) => {
                    for watched in &mut self.rules {
                        let (Some(ready), None) = (&watched.ready, &watched.rule.evidence) else {
                            continue;
                        };
                        for (n, met) in watched.met.iter_mut().enumerate().filter(|(_, m)| !**m) {
                            let mut events = batch.events.iter();
                            *met = events.any(|e| ready.fits(n, &batch.source, e));
                        }
                    }
                }
                Record::Repeats(_)
                | Record::Graph(_)
                | Record::GraphDelta(_)
                | Record::Sent(_)
                | Record::Receipt(_)
                | Record::TicketChange(_)
                | Record::TicketGone(_)
                | Record::Operator(_)
                | Record::Maintenance(_)
                | Record::Change(_)
                | Record::Hours(_)
                | Record::Tick
                | Record::ClockStep(_)
                | Record::Started(_)
                | Record::Digest(_) => {}
            }
        }
    }

    /// What became of it: these alerts changed.
    pub(super) fn alerts(&mut self, engine: &Engine, changed: &BTreeSet<AlertId>) {
        for alert in changed
            .iter()
            .filter_map(|id| engine.state().alerts.get(id))
        {
            if !alert.evidence.rule.is_empty() && !self.named.contains(&alert.evidence.rule) {
                self.named.insert(alert.evidence.rule.clone());
            }
        }
        let known = |id: &&AlertId| {
            let alert = engine.state().alerts.get(id);
            alert.is_some_and(|a| a.suppressed == Some(Suppression::Inhibited))
        };
        let inhibited = changed.iter().filter(known);
        let rules = inhibited.filter_map(|id| engine.inhibiting_rule(*id));
        self.named
            .extend(rules.map(|rule| format!("suppress.inhibit {rule:?}")));
    }

    /// These incidents changed.
    pub(super) fn incidents(&mut self, engine: &Engine, changed: &BTreeSet<IncidentId>) {
        let rules = changed.iter().filter_map(|id| engine.gathering_rule(*id));
        self.named
            .extend(rules.map(|rule| format!("correlate.label_rule {rule:?}")));
    }

    /// Rules in force at the end that never acted.
    pub(super) fn idle(&self) -> Idle {
        let idle = |w: &&Watched| match &w.rule.evidence {
            Some(name) => !self.named.contains(name),
            None => !w.met.iter().all(|met| *met),
        };
        let all = self.rules.iter().filter(idle);
        Idle(
            all.map(|w| (counted(&w.rule.path), w.rule.name.clone()))
                .collect(),
        )
    }
}

/// Place and name of each rule that never acted.
#[derive(Default)]
pub(super) struct Idle(Vec<(String, String)>);

impl Idle {
    /// For people.
    pub(super) fn text(&self) -> String {
        if self.0.is_empty() {
            return String::new();
        }
        let mut out = format!("rules that never acted: {}\n", self.0.len());
        for (path, name) in self.0.iter().take(LISTED) {
            out.push_str(&format!("  {path} {name:?}\n"));
        }
        match self.0.len().saturating_sub(LISTED) {
            0 => {}
            more => out.push_str(&format!("  and {more} more\n")),
        }
        out
    }

    /// For programs.
    pub(super) fn json(&self) -> Value {
        let one = |(path, name): &(String, String)| json!({"rule": path, "name": name});
        self.0.iter().map(one).collect()
    }
}
