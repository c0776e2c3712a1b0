//! The relations by which an alert came into its incident.

use crate::engine::Engine;
use crate::engine::state::Member;
use crate::graph::{Graph, Ix};
use crate::model::{AlertId, CiId};
use serde::{Deserialize, Serialize};

/// One relation of a path, which begins at the alert's CI.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hop {
    /// The CI that is needed; the next relation begins there.
    pub ci: CiId,
    /// Type of the relation, by its place in [`super::facts::Explanation::kinds`].
    pub kind: u8,
    /// The CMDB says it the other way round: the needed CI is its source (`pod member-of deployment`, seen from
    /// the deployment).
    pub turned: bool,
    /// Weight of this relation alone, per mille.
    pub weight: u16,
}

/// What ties an alert to the CI that it came in by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tie {
    /// It is that CI.
    Same,
    /// Relations of the CMDB.
    Relations,
    /// Its text names the CI.
    FarEnd,
    /// An alert in between is explained by the CI, and explains this one.
    Chain,
    /// Nothing but its name: a burst.
    Name,
    /// No relation that the graph in force knows.
    None,
}

impl Engine {
    /// What ties a member to `to`.
    pub(super) fn tie(
        &self,
        alert: AlertId,
        member: &Member,
        to: CiId,
        kinds: &mut Vec<String>,
    ) -> (Tie, Vec<Hop>) {
        if member.ci == to {
            return (Tie::Same, Vec::new());
        }
        if self.is_name(to) {
            return (Tie::Name, Vec::new());
        }
        let path = self.hops(member.ci, to, kinds);
        let spot = || {
            let alert = self.state.alerts.get(&alert)?;
            self.spot(self.incident_of(alert.incident?), member.ci)
        };
        let tie = match () {
            () if !path.is_empty() => Tie::Relations,
            () if self.far_ends(alert, member.ci).contains(&to) => Tie::FarEnd,
            () if spot().is_some_and(|s| s.weight(to).is_some()) => Tie::Chain,
            () => Tie::None,
        };
        (tie, path)
    }

    /// The best path by which one CI needs another; empty if there is none.
    pub(super) fn hops(&self, from: CiId, to: CiId, kinds: &mut Vec<String>) -> Vec<Hop> {
        let (Some(graph), Some(a), Some(b)) =
            (&self.force.graph, self.force.ix(from), self.force.ix(to))
        else {
            return Vec::new();
        };
        let path = graph.path(a, b, self.state.rules.correlate.min_weight);
        let pairs = path.iter().zip(path.iter().skip(1));
        pairs
            .filter_map(|(needer, needed)| self.hop(graph, *needer, *needed, kinds))
            .collect()
    }

    fn hop(&self, graph: &Graph, needer: Ix, needed: Ix, kinds: &mut Vec<String>) -> Option<Hop> {
        let link = graph.causes(needer).find(|link| link.ci == needed)?;
        let at = match kinds.iter().position(|k| k == link.kind) {
            Some(at) => at,
            None => {
                kinds.push(link.kind.to_owned());
                kinds.len().saturating_sub(1)
            }
        };
        Some(Hop {
            ci: self.force.id(needed)?,
            kind: u8::try_from(at).unwrap_or(u8::MAX),
            turned: !says(graph, needer, link.kind, needed),
            weight: link.weight,
        })
    }
}

/// Whether the CMDB has the relation this way round.
fn says(graph: &Graph, from: Ix, kind: &str, to: Ix) -> bool {
    let wanted = (from.0, to.0, kind);
    let relations = &graph.raw().relations;
    relations
        .binary_search_by(|r| (r.from, r.to, r.kind.as_str()).cmp(&wanted))
        .is_ok()
}
