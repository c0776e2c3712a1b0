//! Late links: a cause that alerts after its effects, and an effect whose cause is found in another incident.

use super::place::{New, ONLY_WARNINGS, TOLL, only_warns};
use super::scale::{self, Nats};
use super::value;
use crate::engine::Engine;
use crate::model::{CiId, IncidentId};

/// Smallest weight of a path that makes one incident the effect of another, per mille.
const MIN_LINK: u16 = 150;

impl Engine {
    /// (c) Incidents whose cause needs the new alert's CI are effects of its incident.
    pub(super) fn take_effects(&mut self, mut mine: IncidentId, new: New) -> IncidentId {
        for other in self.index.explained_by(new.ci).collect::<Vec<_>>() {
            if other == mine || !self.may_link(mine, other, new) {
                continue;
            }
            let Some(gain) = self.gain_of_link(other, mine, new.ci, new) else {
                continue;
            };
            if gain > 0 {
                mine = self.merge(mine, other, new.ci);
            }
        }
        mine
    }

    /// (d) The cause of the alert's incident needs a CI that alerts in another one: the best of them.
    pub(super) fn find_cause(&mut self, mine: IncidentId, new: New) -> IncidentId {
        let Some(root) = self.state.incidents.get(&mine).map(|i| i.case.root) else {
            return mine;
        };
        let about = self.about(root);
        let mut best: Option<(Nats, IncidentId, CiId)> = None;
        for need in about.cone.iter().filter(|n| n.ci != root) {
            for other in self.index.at(need.ci).collect::<Vec<_>>() {
                if other == mine || !self.may_link(mine, other, new) {
                    continue;
                }
                let Some(gain) = self.gain_of_link(mine, other, need.ci, new) else {
                    continue;
                };
                if gain > 0 && best.is_none_or(|(b, _, _)| gain > b) {
                    best = Some((gain, other, need.ci));
                }
            }
        }
        match best {
            Some((_, other, cause)) => self.merge(other, mine, cause),
            None => mine,
        }
    }

    fn may_link(&self, mine: IncidentId, other: IncidentId, new: New) -> bool {
        let shadow = self.state.incidents.get(&other).map(|i| i.shadow);
        shadow == Some(new.shadow)
            && self.may_merge(mine, other)
            && self.is_open_for(other, new.began)
            && self.incident_of(mine) != self.incident_of(other)
    }

    /// What it saves to see the fault behind `effect` as an effect of the alerting CI `at` of `cause`.
    fn gain_of_link(
        &mut self,
        effect: IncidentId,
        cause: IncidentId,
        at: CiId,
        new: New,
    ) -> Option<Nats> {
        let known = &self.state.incidents.get(&effect)?.case;
        let (root, first) = (known.root, known.first);
        let alerts = known.spots.contains_key(&root);
        let spot = self.spot(cause, at)?;
        let (began, worst) = (spot.first, spot.worst);
        let weight = self
            .about(root)
            .weight(at)
            .filter(|w| *w >= MIN_LINK && root != at)?;
        let mut gain = scale::ln(weight) + self.takes_down(cause, at, new.began);
        if only_warns(worst) {
            gain += ONLY_WARNINGS;
        }
        gain -= self.base(root, first, alerts) + value::gap(began, first);
        let ticket = |i: IncidentId| {
            let known = self.state.incidents.get(&i);
            known.is_some_and(|i| i.opened.is_some())
        };
        if ticket(effect) && ticket(cause) {
            gain -= TOLL;
        }
        Some(gain)
    }
}
