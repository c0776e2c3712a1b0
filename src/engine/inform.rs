//! Who else hears of an incident: the owners of services that do not work, where the ticket is another group's. By
//! the rules of `[[inform]]`: a note in the ticket, its watch list, a message or ticket of their own elsewhere.
//!
//! Each owner is told once per incident, whatever else of theirs fails later. Whom an incident has told is part of
//! it, and goes with it into the one that it is merged into.

use super::Engine;
use super::rows::{Row, RowId};
use super::state::{Incident, IncidentState};
use super::wanted::Anywhere;
use crate::model::{CiId, IncidentId, Millis};
use crate::rules::{InformRule, Mode};
use crate::ticket::{MAX_NAMES, NoteKind};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Owners that one incident tells: a fault under everything concerns everybody, and is told otherwise.
const MAX_OWNERS: usize = 20;

/// A ticket of an owner waits this long for the incident's own, which it may name.
const FOR_MAIN: Millis = Millis::mins(2);

/// How an owner was told.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Informed {
    /// Targets with a message or ticket of its own.
    pub targets: BTreeSet<String>,
    /// Who is on the watch list.
    pub watch: BTreeSet<String>,
}

/// What a ticket shall say.
pub(super) struct Content {
    /// Of what is worth writing at once, and of all.
    pub hashes: (u64, u64),
    /// See [`Anywhere`].
    pub anywhere: Anywhere,
}

impl Engine {
    /// Whether a target is there for owners who are told, and for nothing else.
    pub(super) fn informs(&self, target: &str) -> bool {
        let mut rules = self.state.rules.inform.iter();
        rules.any(|r| r.targets.iter().any(|t| t == target))
    }

    /// The incident's own ticket, for a target where owners only hear of it.
    pub(super) fn main_ticket(&self, id: &RowId) -> Option<String> {
        if !self.informs(&id.target) {
            return None;
        }
        let rows = self.rows_of(id.incident);
        let mut own = rows.iter().filter(|row| !self.informs(&row.target));
        own.find_map(|row| self.state.outbox.get(row)?.ticket.clone())
    }

    /// Until when the ticket of an owner waits for the incident's own.
    pub(super) fn waits_for_main(&self, id: &RowId, row: &Row) -> Option<Millis> {
        let until = row.since.plus(FOR_MAIN);
        let waits = self.informs(&id.target) && until > self.state.at;
        (waits && self.main_ticket(id).is_none()).then_some(until)
    }

    /// Tells the owners who are not yet told.
    pub(super) fn inform(&mut self, id: IncidentId) {
        let open = |i: &&Incident| i.state == IncidentState::Open && i.opened.is_some();
        let Some(known) = self.state.incidents.get(&id).filter(open) else {
            return;
        };
        if self.state.rules.inform.is_empty() || self.quiet_until(id).is_some() {
            return;
        }
        let mut informed = self.informed_with_merged(id);
        let spots = self.spots(id);
        let observed = self.observed(id);
        let subject = self.subject(known, &observed, &spots);
        let (group, _) = self.group(known, &observed, subject);
        let mut notes = Vec::new();
        for (owner, services) in self.owners(&observed) {
            if owner == group || informed.contains_key(&owner) || informed.len() >= MAX_OWNERS {
                continue;
            }
            let rules: Vec<InformRule> = self.rules_for(&owner, &services);
            if rules.is_empty() {
                continue;
            }
            let mut how = Informed::default();
            for rule in &rules {
                how.targets.extend(rule.targets.iter().cloned());
                how.watch.extend(rule.watch.iter().cloned());
            }
            let names: Vec<&str> = rules.iter().map(|r| r.name.as_str()).collect();
            let text = format!("{owner} is told, by [[inform]] {}", names.join(", "));
            self.line(Some(id), text);
            if rules.iter().any(|r| r.note) {
                notes.push((owner.clone(), services));
            }
            informed.insert(owner, how);
        }
        self.rows_for(id, &informed);
        for (owner, services) in notes {
            self.note_for(id, &owner, &group, &services);
        }
        if let Some(known) = self.state.incidents.get_mut(&id) {
            known.told.informed = informed;
        }
    }

    /// Whom this incident has told, and those that are part of it now.
    fn informed_with_merged(&self, id: IncidentId) -> BTreeMap<String, Informed> {
        let mut out: BTreeMap<String, Informed> = BTreeMap::new();
        let (mut seen, mut next) = (BTreeSet::new(), vec![id]);
        while let Some(id) = next.pop() {
            let known = self.state.incidents.get(&id);
            let Some(known) = known.filter(|_| seen.insert(id)) else {
                continue;
            };
            next.extend(known.merges.iter().map(|m| m.from));
            for (owner, how) in &known.told.informed {
                let all = out.entry(owner.clone()).or_default();
                all.targets.extend(how.targets.iter().cloned());
                all.watch.extend(how.watch.iter().cloned());
            }
        }
        out
    }

    /// The owners of services, each with its services, the most critical first.
    fn owners(&self, observed: &[CiId]) -> Vec<(String, Vec<CiId>)> {
        let attribute = &self.state.rules.ticket.group_attribute;
        let mut out: Vec<(String, Vec<CiId>)> = Vec::new();
        for ci in observed {
            let owner = self.attribute(*ci, attribute).unwrap_or_default();
            match out.iter_mut().find(|(o, _)| o == owner) {
                _ if owner.is_empty() => {}
                Some((_, services)) => services.push(*ci),
                None => out.push((owner.to_owned(), vec![*ci])),
            }
        }
        out
    }

    fn rules_for(&self, owner: &str, services: &[CiId]) -> Vec<InformRule> {
        let same =
            |wanted: &Option<String>, is: &dyn Fn(&str) -> bool| wanted.as_deref().is_none_or(is);
        let fits = |rule: &&InformRule| {
            same(&rule.owner, &|o| o == owner)
                && same(&rule.service, &|s| {
                    services.iter().any(|ci| self.ci_name(*ci) == s)
                })
        };
        self.state
            .rules
            .inform
            .iter()
            .filter(fits)
            .cloned()
            .collect()
    }

    /// A row for every target that an owner is told in.
    fn rows_for(&mut self, id: IncidentId, informed: &BTreeMap<String, Informed>) {
        let shadow = self.state.incidents.get(&id).is_some_and(|i| i.shadow);
        for target in informed.values().flat_map(|how| &how.targets) {
            let row = RowId {
                incident: id,
                target: target.as_str().into(),
            };
            let rules = self.state.rules.targets.get(target);
            let Some(mode) = rules.map(|r| r.mode) else {
                continue; // taken out of the configuration
            };
            let may = !shadow || mode == Mode::Shadow;
            if may && !self.state.outbox.contains_key(&row) {
                self.insert_row(row, mode != Mode::Live);
            }
        }
    }

    /// A note in every ticket, also in one that is only now to be opened: its description names no owners.
    fn note_for(&mut self, id: IncidentId, owner: &str, group: &str, services: &[CiId]) {
        let texts = services.iter().take(MAX_NAMES);
        let texts: Vec<_> = texts.map(|c| self.service_text(*c)).collect();
        for row in self.rows_of(id) {
            if self.informs(&row.target) {
                continue;
            }
            let what = NoteKind::Inform {
                owner: owner.to_owned(),
                group: group.to_owned(),
                services: texts.clone(),
            };
            self.note_to(&row, what);
        }
    }

    /// The group at a target: the owner who is told there, else whose ticket it is.
    pub(super) fn group_at(&self, target: &str, known: &Incident, group: String) -> String {
        let mut informed = known.told.informed.iter();
        match informed.find(|(_, how)| how.targets.contains(target)) {
            Some((owner, _)) => owner.clone(),
            None => group,
        }
    }

    /// Who is on the watch list of a ticket.
    pub(super) fn watchers(&self, id: IncidentId, target: &str) -> Vec<String> {
        let known = self.state.incidents.get(&id);
        let known = known.filter(|_| !self.informs(target));
        let all = known.into_iter().flat_map(|i| i.told.informed.values());
        let all: BTreeSet<&String> = all.flat_map(|how| &how.watch).collect();
        all.into_iter().cloned().collect()
    }

    /// Hash of what is worth writing to a ticket at once, who watches it included.
    pub(super) fn turning_of(&self, id: IncidentId) -> Option<u64> {
        Some(self.turning_hash(id)? ^ self.watched_by(id))
    }

    /// The same, and of everything that a ticket says; with what it says in every tool.
    pub(super) fn content_of(&self, id: IncidentId) -> Option<Content> {
        let anywhere = self.wanted_anywhere(id)?;
        let all = Engine::content_hash(self.wanted_at(id, &anywhere, String::new(), "")?);
        Some(Content {
            hashes: (self.turning_of(id)?, all ^ self.watched_by(id)),
            anywhere,
        })
    }

    fn watched_by(&self, id: IncidentId) -> u64 {
        let watchers = self.watchers(id, "");
        match watchers.is_empty() {
            true => 0,
            false => super::identity::short_hash(&[&watchers.join("\n")]),
        }
    }
}
