//! A graph made ready away from the engine, so that a load of a million relations does not stall the intake: built,
//! compared with the one in force, and if there is none its CIs numbered. The engine takes it over as it is; where rules
//! or graph have changed in between, it builds as if it had not been given. What comes of it is the same either way.

use super::Engine;
use super::cis::Cis;
use super::correlate::impact::service_class;
use super::force::Numbers;
use super::state::{InForce, Walked};
use crate::graph::{Graph, Ix, RawGraph, Since};
use crate::model::{CiId, IncidentId};
use crate::rules::{Rules, RulesText};
use std::collections::BTreeSet;
use std::sync::Arc;

/// See the module.
#[derive(Clone, Debug)]
pub struct Ready {
    graph: Arc<Graph>,
    walked: Arc<Walked>,
    /// The rules that it was built by.
    rules: Arc<RulesText>,
    /// The graph before, with what is still true.
    since: Option<(Arc<Graph>, Arc<Since>)>,
    /// The CIs of a first graph, numbered in its order.
    named: Arc<Cis>,
    /// The numbers of the CIs that the graph before had.
    numbers: Arc<Numbers>,
}

/// What a graph is made ready by.
#[derive(Clone, Debug)]
pub struct ReadyFor {
    rules: Arc<RulesText>,
    graph: Option<Arc<Graph>>,
    numbers: Arc<Numbers>,
    /// Not asked: whoever drops this drops the old graph and what was known of it, so that the engine need not.
    _walked: Option<Arc<Walked>>,
}

impl ReadyFor {
    /// Builds a graph, and compares it with the one in force. Takes seconds for a million relations.
    pub fn make(&self, raw: Arc<RawGraph>) -> Ready {
        let graph = build(raw, &self.rules);
        let before = self.graph.clone();
        let since = before.map(|before| {
            let since = Arc::new(Since::compare(&before, &graph));
            (before, since)
        });
        let first = since.is_none().then(|| graph.raw().cis.iter());
        let mut named = Cis::default();
        for ci in first.into_iter().flatten() {
            named.intern(&ci.key);
        }
        let numbers = since
            .as_ref()
            .map(|(_, since)| Numbers::after(&self.numbers, since, graph.len()));
        Ready {
            named: Arc::new(named),
            numbers: Arc::new(numbers.unwrap_or_default()),
            walked: Arc::new(Walked::over(&graph, self.rules.correlate.min_weight)),
            graph,
            rules: self.rules.clone(),
            since,
        }
    }
}

impl Ready {
    /// The name of its graph in the log.
    pub fn digest(&self) -> u64 {
        self.graph.digest()
    }
    /// The graph as data.
    pub fn raw(&self) -> &Arc<RawGraph> {
        self.graph.raw()
    }
    /// The graph, if it was built by what these rules say of graphs.
    pub(super) fn graph(&self, rules: &RulesText) -> Option<&Arc<Graph>> {
        same_graph(&self.rules, rules).then_some(&self.graph)
    }
    /// What walks over it found.
    pub(super) fn walked(&self) -> &Arc<Walked> {
        &self.walked
    }
    /// The CIs of a first graph, numbered in its order; none if somebody else holds them, too.
    fn named(&mut self) -> Option<Cis> {
        Arc::try_unwrap(std::mem::take(&mut self.named)).ok()
    }
    /// What is still true of the graph in force, and the numbers of the CIs; none if it was compared with another one.
    fn since(&mut self, force: &Arc<Graph>) -> Option<(Arc<Since>, Numbers)> {
        let (before, since) = self.since.as_ref()?;
        let same = Arc::ptr_eq(force, before);
        same.then(|| {
            let numbers = std::mem::take(&mut self.numbers);
            (since.clone(), Arc::unwrap_or_clone(numbers))
        })
    }
}

/// Whether graphs are built alike by both.
pub(super) fn same_graph(a: &RulesText, b: &RulesText) -> bool {
    a.correlate.relations == b.correlate.relations && a.domains == b.domains
}

pub(super) fn build(raw: Arc<RawGraph>, rules: &RulesText) -> Arc<Graph> {
    Arc::new(Graph::build(
        raw,
        &rules.correlate.relations,
        &rules.domains,
    ))
}

/// A graph that was handed over before the record that puts it in force.
#[derive(Clone, Debug)]
pub(super) enum Offered {
    Raw(Arc<RawGraph>),
    Ready(Ready),
}

/// Beyond this many CIs of which other things are true, everything is forgotten: that takes less time.
const MANY: usize = 2000;

impl Engine {
    /// Puts a graph in force; of what the one before said only what is no longer true is forgotten, and only incidents of
    /// which something else is true are explained anew. Answers whether every name means the same CI as before.
    pub(super) fn take_over(
        &mut self,
        rules: Arc<Rules>,
        graph: Arc<Graph>,
        mut ready: Option<Ready>,
    ) -> bool {
        self.index.forget_impacts();
        let cis = &mut self.state.cis;
        let named = ready.as_mut().and_then(Ready::named);
        let Some(old) = self.force.graph.clone() else {
            let named = named.unwrap_or_default();
            self.force = InForce::first(rules, graph, cis, named);
            self.forget_graph();
            self.rank_all_anew();
            return false;
        };
        let compared = ready.as_mut().and_then(|r| r.since(&old));
        let (since, numbers) = compared.unwrap_or_else(|| {
            let since = Since::compare(&old, &graph);
            let numbers = Numbers::after(&self.force.numbers, &since, graph.len());
            (Arc::new(since), numbers)
        });
        let new = InForce::after(rules, graph, &since, numbers, cis);
        let before = std::mem::replace(&mut self.force, new);
        let stale = since.stale();
        let priority = &self.state.rules.priority;
        let service = |force: &InForce| {
            let class = force.graph.as_ref().map(|g| service_class(priority, g));
            class.flatten().cloned()
        };
        let other_services = service(&before) != service(&self.force);
        if other_services || stale.cones.len().max(stale.dependants.len()) > MANY {
            self.forget_graph();
            self.rank_all_anew();
            return since.same_names();
        }
        let ids = |all: &[Ix]| -> Vec<CiId> {
            let new = since.added().filter_map(|ix| self.force.id(ix));
            let old = all.iter().filter_map(|ix| before.id(*ix));
            old.chain(new).collect()
        };
        let (cones, dependants) = (ids(&stale.cones), ids(&stale.dependants));
        self.forget_some(&cones, &dependants);
        self.rank_some_anew(&cones, &dependants);
        since.same_names()
    }

    /// The causes of every incident are ranked anew when it is looked at.
    pub(super) fn rank_all_anew(&mut self) {
        self.state.rankings = self.state.rankings.saturating_add(1);
    }

    /// The same of incidents that alert where other things are needed now, or that may have a cause which other things
    /// need now. What people have read of the others stays, whatever happens elsewhere.
    fn rank_some_anew(&mut self, cones: &[CiId], dependants: &[CiId]) {
        let at = cones.iter().flat_map(|ci| self.index.at(*ci));
        let by = dependants
            .iter()
            .flat_map(|ci| self.index.explained_by(*ci));
        let all: BTreeSet<IncidentId> = at.chain(by.copied()).collect();
        for id in all {
            if let Some(known) = self.state.incidents.get_mut(&id) {
                known.ranked_for = (0, 0);
            }
        }
    }

    /// What the next graph is to be made ready by.
    pub fn ready_for(&self) -> ReadyFor {
        ReadyFor {
            rules: self.state.rules.clone(),
            graph: self.force.graph.clone(),
            numbers: self.force.numbers.clone(),
            _walked: self.force.walked.clone(),
        }
    }

    /// Hands over a graph before the record that puts it in force is applied.
    pub fn offer_graph(&mut self, digest: u64, raw: Arc<RawGraph>) {
        self.offered.insert(digest, Offered::Raw(raw));
    }

    /// The same, made ready.
    pub fn offer_ready(&mut self, ready: Ready) {
        self.offered.insert(ready.digest(), Offered::Ready(ready));
    }

    /// Takes what walks over the graph in force found, if that came without it: after a start it is read from the store,
    /// and with other rules it is built anew. It was looked up when it was asked for until now, so nothing changes.
    pub fn know(&mut self, ready: &Ready) {
        let made = ready.graph(&self.force.rules.text).map(|g| g.digest());
        let same = made.is_some() && made == self.force.graph.as_ref().map(|g| g.digest());
        let of = |walked: &Arc<Walked>| walked.min_weight();
        let new = self.force.walked.as_ref().map(of) != Some(of(ready.walked()));
        if same && new {
            self.force.walked = Some(ready.walked().clone());
        }
    }

    /// Whether the graph of this name was handed over.
    pub fn is_offered(&self, digest: u64) -> bool {
        self.offered.contains_key(&digest)
    }
}
