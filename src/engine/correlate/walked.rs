//! What walks over the graph find, of every CI: what it needs, what needs it, what their silence costs. Made with the
//! graph, away from the engine; what is not here is looked up when it is asked for, and comes out the same.
//!
//! A CI costs about 100 bytes, and each CI in a cone, and each that a fault shows at, 8: some 75 MB for the 100,000 CIs
//! of `benches/scale`. Beyond [`MOST`] of these the cones of the other CIs are left out, so that 1,000,000 CIs take
//! 350 MB at most. While a graph follows another both are there.

use super::absence::{self, Absence};
use super::gap::{self, Classes};
use super::root::MAX_IMPACT;
use super::under::AT_RISK;
use crate::graph::{Graph, Ix, Reach};

/// CIs in all cones, and as many again that need something: 128 MB each.
const MOST: usize = 16_000_000;

/// See the module.
#[derive(Debug, Default)]
pub struct Walked {
    /// Least weight of the paths in `cones`.
    min_weight: u16,
    cones: Rows,
    under: Rows,
    absences: Vec<Absence>,
    classes: Classes,
}

/// CIs reached from each CI: those of CI `n` are `all[starts[n]..starts[n + 1]]`.
#[derive(Debug)]
struct Rows {
    starts: Vec<u32>,
    all: Vec<Reach>,
}

impl Default for Rows {
    fn default() -> Rows {
        Rows {
            starts: vec![0],
            all: Vec::new(),
        }
    }
}

impl Rows {
    /// The row of the next CI, unless there are too many already.
    fn add(&mut self, row: &[Reach]) {
        if self.all.len().saturating_add(row.len()) <= MOST {
            self.all.extend_from_slice(row);
            self.starts
                .push(u32::try_from(self.all.len()).unwrap_or(u32::MAX));
        }
    }
    fn of(&self, ix: Ix) -> Option<&[Reach]> {
        let at = |n: u32| self.starts.get(usize::try_from(n).ok()?).copied();
        let (from, to) = (at(ix.0)?, at(ix.0.saturating_add(1))?);
        self.all
            .get(usize::try_from(from).ok()?..usize::try_from(to).ok()?)
    }
}

impl Walked {
    /// Walks from every CI of a graph.
    pub fn over(graph: &Graph, min_weight: u16) -> Walked {
        let mut walked = Walked {
            min_weight,
            classes: gap::classes(graph),
            ..Walked::default()
        };
        let (mut cones, mut under) = (true, true);
        for ix in (0..u32::try_from(graph.len()).unwrap_or(u32::MAX)).map(Ix) {
            let rows = walked.cones.starts.len();
            if cones {
                walked.cones.add(&graph.cone(ix, min_weight));
                cones = walked.cones.starts.len() > rows;
            }
            let needing = absence::needing(graph, ix);
            walked.absences.push(absence::of(graph, &needing));
            let rows = walked.under.starts.len();
            if under {
                walked.under.add(&at_risk(graph, ix, needing));
                under = walked.under.starts.len() > rows;
            }
        }
        walked.cones.all.shrink_to_fit();
        walked.under.all.shrink_to_fit();
        walked
    }

    /// Least weight of the paths over which CIs need others here.
    pub fn min_weight(&self) -> u16 {
        self.min_weight
    }

    /// What a CI needs over paths of at least this weight; see [`Graph::cone`].
    pub(super) fn cone(&self, ix: Ix, min_weight: u16) -> Option<&[Reach]> {
        self.cones.of(ix).filter(|_| min_weight == self.min_weight)
    }

    /// What needs a CI over paths of at least [`AT_RISK`], at most [`MAX_IMPACT`]; see [`Graph::impact`].
    pub(super) fn under(&self, ix: Ix) -> Option<&[Reach]> {
        self.under.of(ix)
    }

    /// What is usual in each class.
    pub(super) fn classes(&self) -> &Classes {
        &self.classes
    }

    /// What the silence of all its monitored dependants costs a CI.
    pub(super) fn absence(&self, ix: Ix) -> Option<Absence> {
        self.absences.get(usize::try_from(ix.0).ok()?).copied()
    }
}

/// Those of the CIs that need `ix` at which a fault shows; a walk that ends sooner finds the same, for it goes the
/// heaviest paths first.
fn at_risk(graph: &Graph, ix: Ix, mut needing: Vec<Reach>) -> Vec<Reach> {
    needing.retain(|reach| reach.weight >= AT_RISK);
    match needing.len() > MAX_IMPACT {
        true => graph.impact(ix, AT_RISK, MAX_IMPACT),
        false => needing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::{Ci, GraphBuilder};
    use crate::rules::Correlate;
    use std::sync::Arc;

    /// Services on a chain of machines, `many` of them on the first.
    fn graph(many: usize) -> Graph {
        let mut builder = GraphBuilder::new();
        let keys = (0..many).map(|n| format!("service{n:05}"));
        let keys: Vec<String> = keys.chain((0..9).map(|n| format!("machine{n}"))).collect();
        for (n, key) in keys.iter().enumerate() {
            let ci = Ci {
                key: key.clone(),
                monitored: n % 3 == 0,
                ..Ci::default()
            };
            builder.ci(ci, "");
        }
        for (n, key) in keys.iter().take(many).enumerate() {
            builder.relation(key, "runs-on", "machine0", "");
            builder.relation(key, "depends-on", &format!("service{:05}", n / 2), "");
        }
        for n in 0..8 {
            builder.relation(
                &format!("machine{n}"),
                "runs-on",
                &format!("machine{}", n + 1),
                "",
            );
        }
        let raw = Arc::new(builder.finish().0);
        Graph::build(raw, &Correlate::default().relations, &[])
    }

    #[test]
    fn what_is_known_beforehand_is_what_a_walk_finds() {
        for many in [0, 5, 300, MAX_IMPACT + 500] {
            let graph = graph(many);
            let walked = Walked::over(&graph, 80);
            for ix in (0..u32::try_from(graph.len()).unwrap()).map(Ix) {
                assert_eq!(walked.cone(ix, 80).unwrap(), graph.cone(ix, 80));
                assert_eq!(walked.cone(ix, 81), None);
                let under = graph.impact(ix, AT_RISK, MAX_IMPACT);
                assert_eq!(walked.under(ix).unwrap(), under, "{many} {ix:?}");
                assert!(walked.absence(ix).is_some());
            }
            let beyond = Ix(u32::try_from(graph.len()).unwrap());
            assert!(walked.cone(beyond, 80).is_none() && walked.absence(beyond).is_none());
        }
    }
}
