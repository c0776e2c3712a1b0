//! Two incidents become one. The one whose ticket is older goes on, else the older incident.

use super::super::state::{IncidentState, Merge, Timer};
use super::case::Case;
use super::learn::handed_on;
use super::{Engine, MAX_TURNS, Turn};
use crate::model::{CiId, IncidentId};
use crate::record::History;
use crate::rules::Notes;
use crate::ticket::NoteKind;
use serde::{Deserialize, Serialize};

/// Why two incidents are one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Together {
    /// A fault at this CI is behind both.
    Behind(CiId),
    /// The cause of one, if it is known, needs this CI, which alerts in the other.
    Needs {
        /// That CI.
        because: CiId,
        /// The cause.
        root: Option<CiId>,
    },
    /// A CI of the one and its neighbour in the other were cut off together.
    CutOff(CiId, CiId),
    /// They began and ended together, and this CI explains both, or is the cause of the larger where they share a name.
    Ended {
        /// That CI.
        because: CiId,
        /// The name.
        name: Option<CiId>,
    },
    /// The one began while this CI, which it needs, alerted as the cause of the other, and ended with it.
    EndedWith(CiId),
}

impl Together {
    /// The cause that explains both.
    pub const fn because(self) -> CiId {
        match self {
            Together::Behind(ci) | Together::CutOff(ci, _) | Together::EndedWith(ci) => ci,
            Together::Needs { because, .. } | Together::Ended { because, .. } => because,
        }
    }
}

impl Engine {
    /// Merges two live incidents because of a fault at `because`, which is behind both, unless a person keeps them
    /// apart. Answers which incident goes on.
    pub(super) fn merge(&mut self, a: IncidentId, b: IncidentId, because: CiId) -> IncidentId {
        self.merge_unless_kept_apart(a, b, Together::Behind(because))
    }

    /// The same where the cause of `effect` needs `because`, which alerts in the incident `cause`: what it explains
    /// may be explained by what is behind that too.
    pub(super) fn merge_effect(
        &mut self,
        cause: IncidentId,
        effect: IncidentId,
        because: CiId,
    ) -> IncidentId {
        let root = self.state.incidents.get(&effect).map(|i| i.case.root);
        self.merge_unless_kept_apart(cause, effect, Together::Needs { because, root })
    }

    pub(super) fn merge_unless_kept_apart(
        &mut self,
        a: IncidentId,
        b: IncidentId,
        why: Together,
    ) -> IncidentId {
        match self.may_merge(a, b) {
            true => self.merge_as(a, b, why, None),
            false => self.incident_of(a),
        }
    }

    /// Merges two incidents, by the word of a person if `by` names one. Answers which goes on.
    pub(in crate::engine) fn merge_as(
        &mut self,
        a: IncidentId,
        b: IncidentId,
        together: Together,
        by: Option<&str>,
    ) -> IncidentId {
        let (a, b) = (self.incident_of(a), self.incident_of(b));
        if a == b {
            return a;
        }
        let (stays, goes) = match self.seniority(a) <= self.seniority(b) {
            true => (a, b),
            false => (b, a),
        };
        self.unindex(goes);
        let at = self.state.at;
        let Some(other) = self.state.incidents.get_mut(&goes) else {
            return stays;
        };
        self.state.prior.count(false);
        other.state = IncidentState::Merged;
        other.merged_into = Some(stays);
        other.live = 0;
        let mut members = std::mem::take(&mut other.members);
        let case = std::mem::take(&mut other.case);
        let (first, last, hold) = (other.first, other.last, other.hold());
        let quiet = other.quiet_since;
        let (acknowledged, promoted, opened) =
            (other.acknowledged.clone(), other.promoted, other.opened);
        let mut live = 0u32;
        for id in members.keys() {
            if let Some(alert) = self.state.alerts.get_mut(id) {
                alert.incident = Some(stays);
                live = live.saturating_add(u32::from(alert.live()));
            }
        }
        let Some(known) = self.state.incidents.get_mut(&stays) else {
            return stays;
        };
        // What there is less of is added to the other.
        if members.len() > known.members.len() {
            std::mem::swap(&mut members, &mut known.members);
        }
        known.members.extend(members);
        // The more urgent of the two does not wait for the other.
        let own = known.hold();
        let earlier = hold.filter(|until| own.is_none_or(|own| *until < own));
        known.hold_until = earlier.unwrap_or(known.hold_until);
        known.first = known.first.min(first);
        known.last = known.last.max(last);
        known.live = known.live.saturating_add(live);
        known.acknowledged = known.acknowledged.take().or(acknowledged);
        known.promoted |= promoted;
        known.merges.push(Merge {
            from: goes,
            why: together,
            by: by.map(str::to_owned),
            at,
        });
        let turn = Turn {
            at,
            what: format!("merged {goes}"),
        };
        if known.turns.len() < MAX_TURNS {
            known.turns.push(turn);
        }
        // Of two that recover the last end counts.
        let recovers = known.state == IncidentState::Recovering && live == 0;
        known.quiet_since = known.quiet_since.max(quiet.filter(|_| recovers));
        let over = known.quiet_since.filter(|_| recovers);
        if let Some(since) = over {
            let quiet = self.state.rules.correlate.resolve_after;
            self.set_timer(since.plus(quiet), Timer::Quiet(stays));
        }
        if let Some(until) = earlier {
            self.set_timer(until.max(at), Timer::Hold(stays));
        }
        if live > 0 {
            self.wake(stays);
        }
        self.join_hands(stays, goes);
        let link = match together {
            Together::Needs { because, root } => root.map(|root| (root, because)),
            Together::Behind(_)
            | Together::CutOff(..)
            | Together::Ended { .. }
            | Together::EndedWith(_) => None,
        };
        self.unite(stays, case, link);
        let why = match by {
            Some(by) => format!("by {by}"),
            None => format!("because {}", self.reason_of(together)),
        };
        self.line(Some(stays), format!("{goes} merged into {stays} {why}"));
        if opened.is_some() || by.is_some() {
            self.tell_merge(stays, goes, together, by);
        }
        self.effects.history.push(History::Incident {
            id: goes,
            state: IncidentState::Merged.word(),
            priority: "",
            root: None,
            service: None,
            detected: first,
            opened,
            resolved: None,
            alerts: 0,
            merged_into: Some(stays),
        });
        self.forget_later(goes);
        self.touch(goes);
        self.touch(stays);
        stays
    }

    /// Adds the case of a merged incident. With a link, the places that its first CI explains inherit
    /// what may be behind the second, which explains the first.
    fn unite(&mut self, stays: IncidentId, other: Case, link: Option<(CiId, CiId)>) {
        let Some(known) = self.state.incidents.get_mut(&stays) else {
            return;
        };
        let case = &mut known.case;
        for place in other.spots.keys() {
            self.index.add_place(*place, stays);
        }
        let places: Vec<CiId> = other.spots.keys().copied().collect();
        for name in other.named.keys() {
            self.index.add_name(*name, stays);
        }
        let hiders = other.hiders.clone();
        let mut causes = case.absorb(other);
        if let Some((root, because)) = link
            && let Some(behind) = case.spots.get(&because).map(|s| s.causes.clone())
        {
            let explained: Vec<(CiId, u16)> = case
                .spots
                .iter()
                .filter_map(|(place, spot)| Some((*place, spot.weight(root)?)))
                .collect();
            for (place, link) in explained {
                let behind = behind.iter().map(|(c, w)| (*c, handed_on(link, *w)));
                let behind: Vec<(CiId, u16)> = behind.collect();
                causes.extend(case.raise_all(place, &behind));
            }
        }
        for cause in causes {
            self.index.add_cause(cause, stays);
        }
        for hider in hiders {
            self.note_hider(stays, hider);
        }
        for place in places {
            self.note_gap(place, stays);
        }
        self.rescore(stays);
    }

    /// Both had a ticket, or were about to: the one that goes on says so. (The other says it when it is
    /// closed.)
    fn tell_merge(
        &mut self,
        stays: IncidentId,
        goes: IncidentId,
        together: Together,
        by: Option<&str>,
    ) {
        let because = self.explains_both(together);
        let cis = u32::try_from(self.spots(stays).len()).unwrap_or(u32::MAX);
        if let Some(known) = self.state.incidents.get_mut(&stays) {
            known.told.cis = known.told.cis.max(cis);
        }
        if by.is_none() && self.state.rules.ticket.notes == Notes::Quiet {
            return; // without the note, what is severe there is news here
        }
        self.told_with(goes, stays, None);
        self.note_with(stays, |_, ticket| NoteKind::Merged {
            incident: goes,
            ticket,
            because: because.clone(),
            by: by.unwrap_or_default().to_owned(),
        });
    }
}
