//! Groups and their members, and silent causes that are farther away than they need be.
//!
//! Evidence seldom separates a group from its members, or a silent CI from the silent one behind it; what these
//! words mean does. A group that stands for one roll-out (a deployment) is the cause when it alerts, or when
//! several of its members do. Of any other group the only member that alerts is the cause. And nothing speaks for a
//! silent CI behind another one, while all that alerts needs the nearer one.

use super::case::Case;
use super::scale::{Nats, nats};
use crate::engine::Engine;
use crate::graph::Ix;
use crate::model::CiId;
use std::collections::BTreeSet;

/// The relation of a member to its group.
const MEMBER_OF: &str = "member-of";
/// From this weight on the members of a group share its faults as a rule: it is rolled out as one, per mille.
const ROLLED_OUT: u16 = 600;
/// A nearer silent cause may be worth this much less than the farther one.
const NEARER: Nats = nats(80);
/// Smallest weight by which a silent cause needs the one behind it, per mille.
const BEHIND: u16 = 150;
/// Places of a case that are asked whether a cause lies between.
const MAX_ASKED: usize = 100;
/// Share of the places that need a cause by way of a nearer one, in per cent.
const MOST: usize = 90;
/// Weights are rounded down at each relation, per mille.
const ROUNDING: u32 = 6;

impl Engine {
    /// The CI to name where `top` explains a case best; `ranked` holds what else does, best first.
    pub(super) fn group_or_member(
        &mut self,
        case: &Case,
        top: CiId,
        ranked: &[(CiId, Nats)],
    ) -> CiId {
        let top = match case.spots.contains_key(&top) {
            true => top,
            false => self.nearest(case, top, ranked),
        };
        for group in self.groups_of(top) {
            let members = self.members_alerting(case, group);
            let rolled_out = self.direct(top, group).is_some_and(|w| w >= ROLLED_OUT);
            if rolled_out && (case.spots.contains_key(&group) || members.len() >= 2) {
                return group;
            }
        }
        let members = self.members_alerting(case, top);
        let mut members = members.into_iter();
        match (members.next(), members.next()) {
            (Some(only), None) if self.direct(only, top).is_some_and(|w| w < ROLLED_OUT) => only,
            _ => top,
        }
    }

    /// Of the silent causes the nearest one that explains as many places.
    fn nearest(&mut self, case: &Case, top: CiId, ranked: &[(CiId, Nats)]) -> CiId {
        let places = |ci: CiId| case.sums.get(&ci).map_or(0, |s| s.places);
        let worth = |ci: CiId| ranked.iter().find(|(c, _)| *c == ci).map(|(_, v)| *v);
        let mut nearest = top;
        let mut seen = BTreeSet::from([top]);
        loop {
            let Some(behind) = worth(nearest) else {
                return nearest;
            };
            let mut nearer = None;
            for (ci, value) in ranked {
                let fits = !seen.contains(ci)
                    && !case.spots.contains_key(ci)
                    && places(*ci) >= places(nearest)
                    && *value + NEARER >= behind;
                if fits && self.is_between(case, *ci, nearest) {
                    nearer = Some(*ci);
                    break;
                }
            }
            match nearer {
                Some(ci) => nearest = ci,
                None => return nearest,
            }
            seen.insert(nearest);
        }
    }

    /// Whether what alerts needs `far` by way of `near`: not if it has a better way of its own, as a router has to its
    /// circuit though its power supply hangs on the same circuit.
    fn is_between(&mut self, case: &Case, near: CiId, far: CiId) -> bool {
        let link = self.about(near).weight(far).filter(|w| *w >= BEHIND);
        let Some(link) = link.map(u32::from) else {
            return false;
        };
        let (mut by_near, mut all) = (0_usize, 0_usize);
        for place in case.spots.keys().take(MAX_ASKED) {
            let about = self.about(*place);
            let Some(best) = about.weight(far) else {
                continue;
            };
            let way = about.weight(near).map_or(0, u32::from) * link / 1000;
            let by = way.saturating_add(ROUNDING) >= u32::from(best);
            by_near = by_near.saturating_add(usize::from(by));
            all = all.saturating_add(1);
        }
        by_near.saturating_mul(100) >= all.saturating_mul(MOST)
    }

    /// Weight by which a CI needs another one over one relation.
    fn direct(&self, needer: CiId, needed: CiId) -> Option<u16> {
        let (graph, ix) = (self.force.graph.as_ref()?, self.force.ix(needer)?);
        let needed = self.force.ix(needed)?;
        let link = graph.causes(ix).find(|l| l.ci == needed)?;
        Some(link.weight)
    }

    /// Groups that a CI is a member of.
    fn groups_of(&self, ci: CiId) -> Vec<CiId> {
        let (Some(graph), Some(ix)) = (&self.force.graph, self.force.ix(ci)) else {
            return Vec::new();
        };
        let own = graph.relations_of(ix).iter();
        own.filter(|r| r.kind == MEMBER_OF)
            .filter_map(|r| self.force.id(Ix(r.to)))
            .collect()
    }

    /// Members of a group that alert.
    fn members_alerting(&self, case: &Case, group: CiId) -> Vec<CiId> {
        let (Some(graph), Some(group_ix)) = (&self.force.graph, self.force.ix(group)) else {
            return Vec::new();
        };
        let is_member = |ci: &CiId| {
            let own = self.force.ix(*ci).map(|ix| graph.relations_of(ix));
            let mut own = own.unwrap_or_default().iter();
            own.any(|r| r.to == group_ix.0 && r.kind == MEMBER_OF)
        };
        let alerting = case.spots.keys().copied();
        alerting
            .filter(|ci| *ci != group && is_member(ci))
            .collect()
    }
}
