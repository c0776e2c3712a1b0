//! Notes: turning points only. The description holds the present; a note must let its reader act differently.

use super::Engine;
use super::state::{IncidentState, Row, RowId, Timer};
use crate::model::{AlertId, CiId, IncidentId, Millis, Priority};
use crate::rules::Notes;
use crate::ticket::{Cause, MAX_NAMES, Note, NoteKind};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Notes that wait for a ticket; what comes after is told by the description.
const MAX_NOTES: usize = 16;
/// Between two notes of the profile `verbose` about the extent alone; its caps are one a minute.
const VERBOSE: Millis = Millis::mins(1);
/// A day, for the note policy.
const DAY: Millis = Millis::mins(24 * 60);

impl Engine {
    /// The alert fires again within its time: the ticket is opened again.
    pub(super) fn reopen_rows(&mut self, id: IncidentId, alert: AlertId) {
        let alert = self.state.alerts.get(&alert);
        let ci = alert.map(|a| self.ci_name(a.ci)).unwrap_or_default();
        let mut texts: BTreeMap<Arc<str>, String> = BTreeMap::new();
        for row in self.rows_of(id) {
            let text = alert.map(|a| self.quote(a, &row.target));
            texts.insert(row.target, text.unwrap_or_default());
        }
        for row in self.rows_of(id) {
            if let Some(row) = self.state.outbox.get_mut(&row) {
                row.recovered = false;
            }
        }
        let at = self.state.at;
        if let Some(known) = self.state.incidents.get_mut(&id) {
            known.told.anew = at;
        }
        self.note_with(id, |target, _| NoteKind::Reopened {
            ci: ci.clone(),
            text: texts.get(target).cloned().unwrap_or_default(),
        });
    }

    /// Adds a note to every ticket of an incident. `what` gets the target, and the other ticket's name there,
    /// for merges.
    pub(super) fn note_with(&mut self, id: IncidentId, what: impl Fn(&str, String) -> NoteKind) {
        for row in self.rows_of(id) {
            self.note_row(&row, &what);
        }
        self.touch(id);
    }

    fn note_row(&mut self, row_id: &RowId, what: impl Fn(&str, String) -> NoteKind) {
        let at = self.state.at;
        let rules = self.state.rules.clone();
        let rules = &rules.ticket;
        let quiet = self.quiet_until(row_id.incident).is_some();
        let other = match what(&row_id.target, String::new()) {
            NoteKind::MergedInto { incident, .. }
            | NoteKind::Merged { incident, .. }
            | NoteKind::Left { incident, .. }
            | NoteKind::Came { incident, .. } => self.ticket_of(incident, &row_id.target),
            _other_kinds => String::new(),
        };
        let Some(row) = self.state.outbox.get_mut(row_id) else {
            return;
        };
        if row.ticket.is_none() && row.unknown.is_none() && row.in_flight.is_none() {
            return; // the description of the ticket to come says it
        }
        let kind = what(&row_id.target, other);
        if rules.notes == Notes::Quiet && !told_when_quiet(&kind) {
            return; // the description says it
        }
        if quiet && !by_person(&kind) {
            self.effects.notes_suppressed = self.effects.notes_suppressed.saturating_add(1);
            return;
        }
        row.note_times.retain(|t| at.since(*t) < DAY);
        let hour = row
            .note_times
            .iter()
            .filter(|t| at.since(**t) < Millis::mins(60));
        let (per_hour, per_day) = match rules.notes {
            Notes::Verbose => (60, 24 * 60),
            Notes::Quiet | Notes::Calm => (rules.notes_per_hour, rules.notes_per_day),
        };
        let full = hour.count() >= usize::try_from(per_hour).unwrap_or(usize::MAX)
            || row.note_times.len() >= usize::try_from(per_day).unwrap_or(usize::MAX);
        if row.notes.len() >= MAX_NOTES || (full && !urgent(&kind)) {
            self.effects.notes_suppressed = self.effects.notes_suppressed.saturating_add(1);
            return;
        }
        row.note_times.push(at);
        row.notes.push(Note {
            at,
            what: kind,
            delayed: None,
        });
    }

    /// A note to one ticket, whatever the caps say.
    pub(super) fn note_to(&mut self, row: &RowId, what: NoteKind) {
        let at = self.state.at;
        if let Some(row) = self.state.outbox.get_mut(row) {
            row.note_times.push(at);
            row.notes.push(Note {
                at,
                what,
                delayed: None,
            });
        }
    }

    /// Everything that tickets will say from the beginning.
    pub(super) fn told_all(&mut self, id: IncidentId) {
        let at = self.state.at;
        let services = self.services(id).observed.iter().copied().collect();
        let cis = u32::try_from(self.spots(id).len()).unwrap_or(u32::MAX);
        if let Some(known) = self.state.incidents.get_mut(&id) {
            known.told.cause = known.confident.then_some(known.root);
            known.told.cis = cis;
            known.told.services = services;
            known.told.priority = Some(known.priority);
            known.told.at = at;
        }
    }

    /// Turning points since tickets were last told: cause, priority, extent.
    pub(super) fn write_notes(&mut self, id: IncidentId) {
        let at = self.state.at;
        let rules = self.state.rules.clone();
        let rules = &rules.ticket;
        let Some(known) = self.state.incidents.get(&id) else {
            return;
        };
        let Some(opened) = known.opened.filter(|_| known.state == IncidentState::Open) else {
            return;
        };
        let rows: Vec<&Row> = self
            .rows_of(id)
            .iter()
            .filter_map(|r| self.state.outbox.get(r))
            .collect();
        if self.quiet_until(id).is_some() {
            return; // what has changed by then is told when a person's silence is over
        }
        let touched = rows.iter().any(|r| r.touched);
        if !rows.iter().any(|r| r.ticket.is_some()) {
            return self.told_all(id);
        }
        let (told, priority, root) = (known.told.clone(), known.priority, known.root);
        let cause = known.confident.then_some(root);
        if cause != told.cause {
            let quiet = !touched && at.since(opened) < rules.quiet_reroot;
            // That a lone CI is the cause of its own alerts is no news.
            let itself = told.cause.is_none() && self.spots(id).len() <= 1;
            if !quiet && !itself {
                self.note_cause(id, told.cause);
            }
            if let Some(known) = self.state.incidents.get_mut(&id) {
                known.told.cause = cause;
            }
        }
        if told.priority.is_some_and(|before| priority < before) {
            self.note_priority(id, told.priority.unwrap_or(priority), priority);
        }
        self.note_back(id);
        self.note_extent(id);
    }

    pub(super) fn note_cause(&mut self, id: IncidentId, before: Option<CiId>) {
        let Some(known) = self.state.incidents.get(&id) else {
            return;
        };
        let cis: Vec<_> = self.spots(id).keys().copied().collect();
        let now = self.cause(id, known, &cis);
        let before = before.map(|ci| self.ci_name(ci)).unwrap_or_default();
        self.note_with(id, |_, _| NoteKind::Cause {
            before: before.clone(),
            now: now.clone(),
        });
    }

    pub(super) fn note_priority(&mut self, id: IncidentId, before: Priority, now: Priority) {
        let services = self.services(id);
        let services: Vec<_> = services
            .observed
            .iter()
            .take(3)
            .map(|c| self.service_text(*c))
            .collect();
        let theirs = |row: &RowId| self.state.outbox.get(row).is_some_and(Row::is_worked_on);
        let rows = self.rows_of(id).into_iter().filter(theirs);
        let left: BTreeSet<Arc<str>> = rows.map(|row| row.target).collect();
        self.note_with(id, |target, _| NoteKind::Priority {
            before,
            now,
            services: services.clone(),
            left: left.contains(target),
        });
        if let Some(known) = self.state.incidents.get_mut(&id) {
            known.told.priority = Some(now);
        }
    }

    /// The extent doubled (or grew, as the profile has it), or a service is newly down: at once for the most
    /// critical ones.
    fn note_extent(&mut self, id: IncidentId) {
        let at = self.state.at;
        let rules = &self.state.rules.ticket;
        let (verbose, every) = match rules.notes {
            Notes::Verbose => (true, VERBOSE.min(rules.note_every)),
            Notes::Quiet | Notes::Calm => (false, rules.note_every),
        };
        let services = self.services(id);
        let services = &services.observed;
        let spots = self.spots(id);
        let cis = u32::try_from(spots.len()).unwrap_or(u32::MAX);
        let Some(known) = self.state.incidents.get(&id) else {
            return;
        };
        let told = &known.told;
        let new: Vec<_> = services
            .iter()
            .copied()
            .filter(|s| !told.services.contains(s))
            .collect();
        let doubled = cis >= told.cis.saturating_mul(2) && cis > told.cis.saturating_add(1);
        let grew = doubled || verbose && cis > told.cis;
        if new.is_empty() && !grew {
            return;
        }
        let rules = &self.state.rules.priority;
        let gold = new.iter().any(|ci| {
            let known = self.force.ci(*ci);
            known.is_some_and(|c| super::correlate::impact::impact_of(rules, c) == 1)
        });
        let due = told.at.plus(every);
        if !gold && due > at {
            for row in self.rows_of(id) {
                self.set_timer(due, Timer::Row(row));
            }
            return;
        }
        let alerts = known.live;
        // Those that tickets were told of began before.
        let fresh = usize::try_from(cis.saturating_sub(told.cis)).unwrap_or(usize::MAX);
        let mut newest: Vec<_> = spots
            .iter()
            .map(|(ci, (_, begin))| (Reverse(*begin), *ci))
            .collect();
        newest.sort();
        newest.truncate(fresh);
        let mut known: BTreeMap<Arc<str>, BTreeSet<CiId>> = self.named_severe(id);
        for row in self.rows_of(id) {
            let known = known.remove(&row.target).unwrap_or_default();
            let untold = |ci: &&CiId| !known.contains(*ci);
            let services = new.iter().filter(untold).take(MAX_NAMES);
            let services: Vec<_> = services.map(|c| self.service_text(*c)).collect();
            let names = newest.iter().map(|(_, ci)| ci).filter(untold);
            let names: Vec<_> = names.take(MAX_NAMES).map(|c| self.ci_name(*c)).collect();
            if services.is_empty() && names.is_empty() && !known.is_empty() {
                continue; // a person was told of all of it
            }
            let what = NoteKind::Grew {
                alerts,
                cis,
                services,
                names,
            };
            self.note_row(&row, |_, _| what.clone());
        }
        self.touch(id);
        if let Some(known) = self.state.incidents.get_mut(&id) {
            known.told.at = at;
            known.told.cis = cis;
            known.told.services.extend(services);
        }
    }
}

/// Told at once, whatever the caps say.
fn urgent(kind: &NoteKind) -> bool {
    match kind {
        NoteKind::MergedInto { .. }
        | NoteKind::Merged { .. }
        | NoteKind::Reopened { .. }
        | NoteKind::LateCritical { .. }
        | NoteKind::Duplicate { .. }
        | NoteKind::Left { .. }
        | NoteKind::GoesOn { .. }
        | NoteKind::Came { .. }
        | NoteKind::Ended { .. }
        | NoteKind::StillFiring { .. }
        | NoteKind::Inform { .. }
        | NoteKind::Recovered(_) => true,
        NoteKind::Flapping { first, .. } => *first,
        NoteKind::Cause { now, .. } => matches!(now, Cause::Named(..)),
        NoteKind::Grew { .. }
        | NoteKind::Back { .. }
        | NoteKind::Priority { .. }
        | NoteKind::Late => false,
    }
}

/// Told in the profile `quiet`, too. What is severe is found by level, and told on a ticket that a person has.
fn told_when_quiet(kind: &NoteKind) -> bool {
    match kind {
        NoteKind::Cause { .. }
        | NoteKind::GoesOn { .. }
        | NoteKind::Reopened { .. }
        | NoteKind::LateCritical { .. }
        | NoteKind::StillFiring { .. }
        | NoteKind::Inform { .. }
        | NoteKind::Late
        | NoteKind::Recovered(_) => true,
        NoteKind::Grew { .. }
        | NoteKind::Back { .. }
        | NoteKind::Priority { .. }
        | NoteKind::Flapping { .. } => false,
        NoteKind::Merged { .. }
        | NoteKind::MergedInto { .. }
        | NoteKind::Left { .. }
        | NoteKind::Came { .. }
        | NoteKind::Ended { .. }
        | NoteKind::Duplicate { .. } => by_person(kind),
    }
}

/// Tells what a person did, or what only a person can mend: said in the silence that another asked for, too.
fn by_person(kind: &NoteKind) -> bool {
    match kind {
        NoteKind::Merged { by, .. }
        | NoteKind::MergedInto { by, .. }
        | NoteKind::Came { by, .. } => !by.is_empty(),
        NoteKind::Cause { now, .. } => matches!(now, Cause::Named(..)),
        NoteKind::Left { .. } | NoteKind::Ended { .. } | NoteKind::Duplicate { .. } => true,
        NoteKind::Reopened { .. }
        | NoteKind::GoesOn { .. }
        | NoteKind::LateCritical { .. }
        | NoteKind::Recovered(_)
        | NoteKind::Grew { .. }
        | NoteKind::Back { .. }
        | NoteKind::Priority { .. }
        | NoteKind::Flapping { .. }
        | NoteKind::StillFiring { .. }
        | NoteKind::Inform { .. }
        | NoteKind::Late => false,
    }
}
