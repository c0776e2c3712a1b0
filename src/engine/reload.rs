//! Other rules, another graph: what of the state follows them.

use super::ready::{Offered, build, same_graph};
use super::state::{GraphRef, InForce, Timer};
use super::{Engine, identity};
use crate::rules::Rules;
use std::sync::Arc;

impl Engine {
    pub(super) fn new_rules(&mut self, canonical: &str) {
        let rules = match Rules::parse(canonical) {
            Ok(rules) => Arc::new(rules),
            // Rules are compiled before they are written, so this is an old log read by a newer program.
            Err(why) => return self.warn(None, format!("rules left as they were: {why}")),
        };
        let old = std::mem::replace(&mut self.state.rules, Arc::new(rules.text.clone()));
        self.state.rules_no = self.state.rules_no.saturating_add(1);
        match &self.force.graph {
            Some(graph) if !same_graph(&old, &rules.text) => {
                let graph = Some(build(graph.raw().clone(), &rules.text));
                self.force = InForce::new(rules, graph, &mut self.state.cis);
            }
            Some(_) | None => self.force.rules = rules,
        }
        self.forget_graph();
        self.index.forget_impacts();
        let now = &self.state.rules.identity;
        if old.identity.ignored_labels != now.ignored_labels
            || old.identity.by_scope != now.by_scope
        {
            let doubled = identity::rekey(&mut self.state);
            self.wait_anew();
            for doubled in doubled {
                self.end_doubled(doubled);
            }
        }
        if self.state.graph.is_none() && self.state.wait_for_graph.is_none() {
            let wait = self.state.rules.correlate.wait_for_graph;
            let until = self.state.at.plus(wait);
            self.state.wait_for_graph = Some(until);
            self.set_timer(until, Timer::GraphWait);
        }
        self.set_expectations();
        self.judge_all();
        self.rebind_all();
        self.judge_all_inhibited();
        for row in self.state.outbox.keys().cloned().collect::<Vec<_>>() {
            self.touch(row.incident);
        }
        self.touch_held_back();
        let number = self.state.rules_no;
        self.line(None, format!("rules {number} in force"));
    }

    pub(super) fn new_graph(&mut self, graph: GraphRef) {
        let Some(offered) = self.offered.remove(&graph.digest) else {
            return self.warn(
                None,
                format!(
                    "graph {:016x} is not in the store; the old one stays",
                    graph.digest
                ),
            );
        };
        self.offered.clear();
        let rules = self.force.rules.clone();
        let (built, ready) = match offered {
            Offered::Ready(ready) => match ready.graph(&rules.text).cloned() {
                Some(graph) => (graph, Some(ready)),
                None => (build(ready.raw().clone(), &rules.text), None),
            },
            Offered::Raw(raw) => (build(raw, &rules.text), None),
        };
        let (cis, relations) = (built.len(), built.relations());
        let first = self.state.graph.replace(graph).is_none();
        let walked = ready.as_ref().map(|r| r.walked().clone());
        let same_names = self.take_over(rules, built, ready);
        self.force.walked = walked;
        self.line(
            None,
            format!(
                "graph {:016x} in force: {cis} CIs, {relations} relations",
                graph.digest
            ),
        );
        if !same_names {
            self.rebind_all();
        }
        // With any later one nothing waits for it: all incidents would be gone through, out of the cache.
        if first {
            self.graph_wait_over();
        }
    }
}
