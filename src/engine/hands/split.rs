//! Alerts leave an incident by the word of a person: into one of their own, or into another.

use super::super::Engine;
use super::super::state::{How, IncidentState, Member, Timer};
use super::{CommandDone, CommandRefused, alerts, done, wrong};
use crate::model::{AlertId, IncidentId, Millis};
use crate::record::NamedV1;
use crate::ticket::{MAX_NAMES, NoteKind};
use std::collections::{BTreeMap, BTreeSet};

type Members = BTreeMap<AlertId, Member>;

impl Engine {
    pub(super) fn split(
        &mut self,
        id: IncidentId,
        named: &NamedV1,
        by: &str,
    ) -> Result<CommandDone, CommandRefused> {
        let id = self.living(id)?;
        let chosen = self.leaving(id, named)?;
        let live = |a: &AlertId| self.state.alerts.get(a).is_some_and(|a| a.live());
        if !chosen.iter().any(live) {
            return wrong("none of these alerts fires any more: there is nothing to split off");
        }
        let mut apart = self
            .state
            .incidents
            .get(&id)
            .map(|i| i.hands.apart.clone())
            .unwrap_or_default();
        apart.insert(id);
        let (members, names) = (self.take_out(id, &chosen), self.names_of(&chosen));
        let Some(new) = self.open_split(id, members, by) else {
            return wrong(format!("{id} is not known (any more)"));
        };
        self.keep_apart(new, apart);
        let n = chosen.len();
        self.tell_left(id, new, names, n, by, true);
        self.said(id, format!("{} split into {new} by {by}", alerts(n)));
        self.said(new, format!("split from {id} by {by}"));
        let text = format!("{} split from {id} into {new}", alerts(n));
        Ok(done(text, &[id, new]))
    }

    pub(super) fn move_alerts(
        &mut self,
        id: IncidentId,
        to: IncidentId,
        named: &NamedV1,
        by: &str,
    ) -> Result<CommandDone, CommandRefused> {
        let (id, to) = self.living_pair(id, to)?;
        self.same_shadow(id, to)?;
        let chosen = self.leaving(id, named)?;
        let (members, names) = (self.take_out(id, &chosen), self.names_of(&chosen));
        self.put_in(to, members);
        // Whoever moves alerts from one to the other says that they are two.
        self.keep_apart(id, BTreeSet::from([to]));
        let n = chosen.len();
        self.tell_left(id, to, names.clone(), n, by, false);
        self.tell_came(id, to, names, n, by);
        self.told_with(id, to, Some(&chosen));
        self.told_extent(to);
        self.said(id, format!("{} moved to {to} by {by}", alerts(n)));
        self.said(to, format!("{} moved here from {id} by {by}", alerts(n)));
        let text = format!("{} moved from {id} to {to}", alerts(n));
        Ok(done(text, &[id, to]))
    }

    /// The alerts that a person named, if something stays behind.
    fn leaving(
        &self,
        id: IncidentId,
        named: &NamedV1,
    ) -> Result<BTreeSet<AlertId>, CommandRefused> {
        let chosen = self.chosen(id, named)?;
        let all = self.state.incidents.get(&id).map(|i| i.members.len());
        match all == Some(chosen.len()) {
            true => wrong(format!(
                "these are all alerts of {id}: that would leave nothing in it"
            )),
            false => Ok(chosen),
        }
    }

    /// A source in shadow touches no real ticket, whatever a person moves.
    pub(super) fn same_shadow(&self, a: IncidentId, b: IncidentId) -> Result<(), CommandRefused> {
        let shadow = |id| self.state.incidents.get(&id).map(|i| i.shadow);
        match shadow(a) == shadow(b) {
            true => Ok(()),
            false => wrong(format!("only one of {a} and {b} is of a source in shadow")),
        }
    }

    pub(in crate::engine) fn names_of(&self, chosen: &BTreeSet<AlertId>) -> Vec<String> {
        let cis: BTreeSet<String> = chosen
            .iter()
            .filter_map(|a| self.state.alerts.get(a))
            .map(|a| self.ci_name(a.ci))
            .collect();
        cis.into_iter().take(MAX_NAMES).collect()
    }

    pub(in crate::engine) fn tell_came(
        &mut self,
        from: IncidentId,
        to: IncidentId,
        names: Vec<String>,
        n: usize,
        by: &str,
    ) {
        let alerts = u32::try_from(n).unwrap_or(u32::MAX);
        self.note_with(to, |_, ticket| NoteKind::Came {
            incident: from,
            ticket,
            alerts,
            names: names.clone(),
            by: by.to_owned(),
        });
    }

    fn tell_left(
        &mut self,
        id: IncidentId,
        to: IncidentId,
        names: Vec<String>,
        n: usize,
        by: &str,
        new: bool,
    ) {
        self.note_with(id, |_, ticket| NoteKind::Left {
            incident: to,
            ticket,
            alerts: u32::try_from(n).unwrap_or(u32::MAX),
            names: names.clone(),
            by: by.to_owned(),
            new,
        });
        self.told_extent(id);
    }

    /// What a person did is known to the reader: growth counts from here.
    pub(in crate::engine) fn told_extent(&mut self, id: IncidentId) {
        let cis = u32::try_from(self.spots(id).len()).unwrap_or(u32::MAX);
        let services: BTreeSet<_> = self.services(id).observed.iter().copied().collect();
        if let Some(known) = self.state.incidents.get_mut(&id) {
            known.told.cis = cis;
            known.told.services.retain(|s| services.contains(s));
        }
    }

    fn take_out(&mut self, id: IncidentId, chosen: &BTreeSet<AlertId>) -> Members {
        self.unindex(id);
        self.parts(id);
        let mut out = Members::new();
        if let Some(known) = self.state.incidents.get_mut(&id) {
            for alert in chosen {
                known.hands.placed.remove(alert);
                out.extend(known.members.remove(alert).map(|m| (*alert, m)));
            }
        }
        self.count_again(id);
        out
    }

    fn put_in(&mut self, id: IncidentId, members: Members) {
        self.unindex(id);
        self.index.lately.forget();
        for alert in members.keys() {
            if let Some(alert) = self.state.alerts.get_mut(alert) {
                alert.incident = Some(id);
            }
            self.effects.alerts.insert(*alert);
        }
        if let Some(known) = self.state.incidents.get_mut(&id) {
            known.hands.placed.extend(members.keys().copied());
            known.members.extend(members.into_iter().map(by_person));
        }
        self.count_again(id);
    }

    /// Live members and index after members came or went.
    fn count_again(&mut self, id: IncidentId) {
        let (at, quiet) = (self.state.at, self.state.rules.correlate.resolve_after);
        let Some(known) = self.state.incidents.get_mut(&id) else {
            return;
        };
        let members = known.members.keys();
        let live = members
            .filter_map(|a| self.state.alerts.get(a))
            .filter(|a| a.live())
            .count();
        known.live = u32::try_from(live).unwrap_or(u32::MAX);
        if live == 0 && known.state != IncidentState::Recovering {
            known.state = IncidentState::Recovering;
            known.quiet_since = Some(at);
            self.set_timer(at.plus(quiet), Timer::Quiet(id));
        } else if live > 0 {
            self.wake(id);
        }
        self.case_anew(id);
        self.touch(id);
    }

    /// The incident of alerts that were split off: no hold, for a person has decided.
    fn open_split(&mut self, from: IncidentId, members: Members, by: &str) -> Option<IncidentId> {
        let at = self.state.at;
        let origin = self.state.incidents.get(&from)?;
        let (shadow, promoted) = (origin.shadow, origin.promoted);
        let of = members
            .keys()
            .filter_map(|id| Some((id, self.state.alerts.get(id)?)));
        let opening = of.min_by_key(|(_, a)| (!a.live(), a.worst, a.arrived, a.fingerprint))?;
        let opening = *opening.0;
        let arrivals = members.keys().filter_map(|a| self.state.alerts.get(a));
        let arrivals: Vec<Millis> = arrivals.map(|a| a.arrived).collect();
        let number = self.next_number();
        let id = self.new_incident(opening, number)?;
        let known = self.state.incidents.get_mut(&id)?;
        known.state = IncidentState::Open;
        known.shadow = shadow;
        known.promoted = promoted;
        known.first = arrivals.iter().min().copied().unwrap_or(at);
        known.last = arrivals.iter().max().copied().unwrap_or(at);
        known.hands.split_from = Some((from, by.to_owned()));
        self.put_in(id, members);
        Some(id)
    }
}

fn by_person((alert, member): (AlertId, Member)) -> (AlertId, Member) {
    let member = Member {
        how: How::Person,
        via: None,
        weight: 1000,
        gap: Millis(0),
        also: Vec::new(),
        ..member
    };
    (alert, member)
}
