//! The rules and the graph in force, with the numbers of the graph's CIs.

use super::cis::Cis;
use super::correlate::walked::Walked;
use crate::graph::{Ci, Graph, Ix, Since};
use crate::model::CiId;
use crate::rules::Rules;
use std::sync::Arc;

/// See the module.
#[derive(Clone, Debug)]
pub struct InForce {
    /// Compiled rules.
    pub rules: Arc<Rules>,
    /// The graph.
    pub graph: Option<Arc<Graph>>,
    /// The numbers of its CIs.
    pub(super) numbers: Arc<Numbers>,
    /// What walks over the graph found beforehand.
    pub(super) walked: Option<Arc<Walked>>,
}

/// No place in the graph.
const NOWHERE: u32 = u32::MAX;

/// The number of each CI of a graph, by its place, and its place by its number.
#[derive(Clone, Debug, Default)]
pub struct Numbers {
    of: Vec<CiId>,
    /// [`NOWHERE`] for those that the graph does not have.
    places: Vec<u32>,
}

impl Numbers {
    fn all(of: Vec<CiId>) -> Numbers {
        let most = of.iter().max();
        let most = most.map_or(0, |ci| wide(ci.0).saturating_add(1));
        let mut places = vec![NOWHERE; most];
        for (n, ci) in (0..).zip(&of) {
            if let Some(place) = places.get_mut(wide(ci.0)) {
                *place = n;
            }
        }
        Numbers { of, places }
    }

    /// Those of a graph, as far as the graph before had its CIs; the others have [none yet](Numbers::give).
    pub(super) fn after(before: &Numbers, since: &Since, len: usize) -> Numbers {
        let room = since.added().count().saturating_add(before.places.len());
        let mut numbers = Numbers {
            of: vec![CiId(NOWHERE); len],
            places: Vec::with_capacity(room),
        };
        numbers.places.resize(before.places.len(), NOWHERE);
        for ix in (0..).map(Ix).take(len) {
            if let Some(ci) = since.before(ix).and_then(|at| before.id(at)) {
                numbers.give(ix, ci);
            }
        }
        numbers
    }

    /// Gives a CI its number.
    fn give(&mut self, ix: Ix, ci: CiId) {
        if let Some(of) = self.of.get_mut(wide(ix.0)) {
            *of = ci;
        }
        let at = wide(ci.0);
        if at >= self.places.len() {
            self.places.resize(at.saturating_add(1), NOWHERE);
        }
        if let Some(place) = self.places.get_mut(at) {
            *place = ix.0;
        }
    }

    fn id(&self, ix: Ix) -> Option<CiId> {
        self.of.get(wide(ix.0)).copied()
    }
}

impl InForce {
    /// Rules, and a graph whose CIs get their numbers here, in the graph's order.
    pub fn new(rules: Arc<Rules>, graph: Option<Arc<Graph>>, cis: &mut Cis) -> InForce {
        let all = graph.iter().flat_map(|graph| &graph.raw().cis);
        let of = all.map(|ci| cis.intern(&ci.key)).collect();
        InForce::with(rules, graph, Numbers::all(of))
    }
    /// The same where the CIs of a graph were numbered elsewhere, in its order, and none has a number here.
    pub fn first(rules: Arc<Rules>, graph: Arc<Graph>, cis: &mut Cis, named: Cis) -> InForce {
        let first = match named.len() == graph.len() {
            true => cis.append(named),
            false => None,
        };
        let Some(CiId(first)) = first else {
            return InForce::new(rules, Some(graph), cis);
        };
        let of = (first..).map(CiId).take(graph.len()).collect();
        InForce::with(rules, Some(graph), Numbers::all(of))
    }
    /// The same of a graph that was compared with the one in force: only new CIs get numbers.
    pub(super) fn after(
        rules: Arc<Rules>,
        graph: Arc<Graph>,
        since: &Since,
        mut numbers: Numbers,
        cis: &mut Cis,
    ) -> InForce {
        for ix in since.added() {
            if let Some(ci) = graph.ci(ix) {
                numbers.give(ix, cis.intern(&ci.key));
            }
        }
        InForce::with(rules, Some(graph), numbers)
    }
    fn with(rules: Arc<Rules>, graph: Option<Arc<Graph>>, numbers: Numbers) -> InForce {
        InForce {
            rules,
            graph,
            numbers: Arc::new(numbers),
            walked: None,
        }
    }
    /// Where the graph has a CI.
    pub fn ix(&self, ci: CiId) -> Option<Ix> {
        let at = self.numbers.places.get(wide(ci.0)).copied();
        at.filter(|at| *at != NOWHERE).map(Ix)
    }
    /// The number of the CI at a place of the graph.
    pub fn id(&self, ix: Ix) -> Option<CiId> {
        self.numbers.id(ix)
    }
    /// The CI with this number, if the graph has it.
    pub fn ci(&self, ci: CiId) -> Option<&Ci> {
        self.graph.as_ref()?.ci(self.ix(ci)?)
    }
}

fn wide(n: u32) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}
