//! Two incidents become one. The one whose ticket is older goes on, else the older incident.

use super::super::state::{IncidentState, Merge};
use super::{Engine, MAX_TURNS, Turn};
use crate::model::{CiId, IncidentId};
use crate::record::History;
use crate::ticket::NoteKind;

impl Engine {
    /// Merges two live incidents because of an alert at `because`, which explains the root of `effect`.
    pub(super) fn merge(&mut self, cause: IncidentId, effect: IncidentId, because: CiId) {
        if self.may_merge(cause, effect) {
            self.merge_as(cause, effect, because, None);
        }
    }

    /// The same by the word of a person, if `by` names one.
    pub(in crate::engine) fn merge_as(
        &mut self,
        cause: IncidentId,
        effect: IncidentId,
        because: CiId,
        by: Option<&str>,
    ) {
        let (cause, effect) = (self.incident_of(cause), self.incident_of(effect));
        if cause == effect {
            return;
        }
        let rank = |id: IncidentId| {
            let known = self.state.incidents.get(&id);
            let opened = known.and_then(|i| i.opened);
            (opened.is_none(), opened, id)
        };
        let (stays, goes) = if rank(cause) <= rank(effect) {
            (cause, effect)
        } else {
            (effect, cause)
        };
        let root = self
            .state
            .incidents
            .get(&cause)
            .map(|i| (i.root, i.silent_root));
        self.unindex(goes);
        let at = self.state.at;
        let Some(other) = self.state.incidents.get_mut(&goes) else {
            return;
        };
        other.state = IncidentState::Merged;
        other.merged_into = Some(stays);
        other.live = 0;
        let members = std::mem::take(&mut other.members);
        let (first, last, hold) = (other.first, other.last, other.hold_until);
        let (acknowledged, promoted, opened) =
            (other.acknowledged.clone(), other.promoted, other.opened);
        let mut live = 0u32;
        for (id, member) in &members {
            self.index_member(stays, member.ci);
            if let Some(alert) = self.state.alerts.get_mut(id) {
                alert.incident = Some(stays);
                live = live.saturating_add(u32::from(alert.live()));
            }
        }
        let Some(known) = self.state.incidents.get_mut(&stays) else {
            return;
        };
        known.members.extend(members);
        known.first = known.first.min(first);
        known.last = known.last.max(last);
        known.live = known.live.saturating_add(live);
        // The more urgent of the two does not wait for the other.
        known.hold_until = known.hold_until.min(hold);
        known.acknowledged = known.acknowledged.take().or(acknowledged);
        known.promoted |= promoted;
        known.merges.push(Merge {
            from: goes,
            because,
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
        if live > 0 {
            self.wake(stays);
        }
        self.join_hands(stays, goes);
        if let Some((root, silent)) = root {
            self.set_root(stays, root, silent);
        }
        let name = self.ci_name(because);
        let why = match by {
            Some(by) => format!("by {by}"),
            None => format!("because of {name}"),
        };
        self.line(Some(stays), format!("{goes} merged into {stays} {why}"));
        if opened.is_some() || by.is_some() {
            self.tell_merge(stays, goes, &name, by);
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
    }

    /// Both had a ticket, or were about to: the one that goes on says so. (The other says it when it is
    /// closed.)
    fn tell_merge(&mut self, stays: IncidentId, goes: IncidentId, because: &str, by: Option<&str>) {
        let cis = u32::try_from(self.spots(stays).len()).unwrap_or(u32::MAX);
        if let Some(known) = self.state.incidents.get_mut(&stays) {
            known.told.cis = known.told.cis.max(cis);
        }
        self.told_with(goes, stays, None);
        self.note_with(stays, |_, ticket| NoteKind::Merged {
            incident: goes,
            ticket,
            because: because.to_owned(),
            by: by.unwrap_or_default().to_owned(),
        });
    }
}
