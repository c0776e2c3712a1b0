//! Nothing severe is joined silently: a critical alert, or one on a service of the highest criticality, that
//! comes into an incident whose ticket a person has touched, or that a person has acknowledged, is told there at once. In a storm the first is; what
//! follows within the hour is told together, after 5 minutes and then every `note_every`: a person who is mailed
//! 70 notes reads none.
//!
//! What it changes besides (extent, priority) is told in the same note, and what notes have named here is not named
//! again when more is affected.
//!
//! Whichever way it came (joined, merged, grown worse), it is found here: each row knows the severe alerts
//! that its ticket knows of. For the others we look at the ticket first, and write if a person has it.

use super::Engine;
use super::correlate::impact::is_top_service;
use super::flap;
use super::rows::{Row, RowId};
use super::state::Timer;
use super::state::{Alert, Incident};
use crate::invariant::{self, Invariant};
use crate::itsm::Seen;
use crate::model::{AlertId, CiId, IncidentId, Millis, Severity};
use crate::ticket::{MAX_NAMES, NoteKind, With};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Severe alerts after the first are told together this much later.
const AGAIN: Millis = Millis::mins(5);
/// After this time without a note the next severe alert is the first again.
const FORGOTTEN: Millis = Millis::mins(60);

/// A severe alert of which a ticket that a person has touched was not told yet.
#[derive(Clone, Debug)]
pub struct Untold {
    /// The ticket's row.
    pub row: RowId,
    /// The alert.
    pub alert: AlertId,
    /// When it may be told: in a storm severe alerts wait for each other.
    pub due: Millis,
}

impl Engine {
    pub(super) fn is_severe(&self, alert: &Alert) -> bool {
        let rules = &self.state.rules.priority;
        let place = self.force.graph.as_ref().zip(self.force.ix(alert.ci));
        alert.severity == Severity::Critical
            || place.is_some_and(|(graph, ix)| is_top_service(rules, graph, ix))
    }

    fn severe_of(&self, incident: &Incident) -> BTreeSet<AlertId> {
        let all = self.state.alerts_of(incident);
        let live = all.filter(|(_, _, alert)| alert.live() && self.is_severe(alert));
        live.map(|(id, _, _)| id).collect()
    }

    /// Finds severe alerts of which a ticket knows nothing yet.
    pub(super) fn tell_severe(&mut self, id: IncidentId) {
        let rows = self.rows_of(id);
        let Some(known) = self.state.incidents.get(&id).filter(|_| !rows.is_empty()) else {
            return;
        };
        // The description of a ticket to come says it.
        let has_ticket = |r: &RowId| {
            let row = self.state.outbox.get(r);
            row.is_some_and(|row| row.ticket.is_some())
        };
        let severe = match rows.iter().any(has_ticket) {
            true => self.severe_of(known),
            false => BTreeSet::new(),
        };
        for id in &rows {
            let Some(row) = self.state.outbox.get_mut(id) else {
                continue;
            };
            row.severe.retain(|a| known.members.contains_key(a));
            row.noted.retain(|a| known.members.contains_key(a));
            if row.ticket.is_none() {
                continue;
            }
            for alert in &severe {
                if row.severe.insert(*alert) {
                    row.joined.push(*alert);
                }
            }
        }
        for id in &rows {
            self.tell_later(id);
        }
    }

    /// When severe alerts that wait may be told to a ticket. They do not wait until nothing fires any more.
    pub(super) fn tells_severe_at(&self, row: &Row, known: &Incident) -> Millis {
        let every = self.state.rules.ticket.note_every;
        match row.told_severe {
            None => row.since,
            Some((last, _)) if known.live == 0 => last,
            Some((last, 1)) => last.plus(AGAIN.min(every)),
            Some((last, _)) => last.plus(every),
        }
    }

    /// Looks at a row again when the severe alerts that wait may be told.
    fn tell_later(&mut self, id: &RowId) {
        let (row, known) = (
            self.state.outbox.get(id),
            self.state.incidents.get(&id.incident),
        );
        let Some((row, known)) = row.zip(known).filter(|(r, _)| !r.joined.is_empty()) else {
            return;
        };
        let due = self.tells_severe_at(row, known);
        if due > self.state.at {
            self.set_timer(due, Timer::Row(id.clone()));
        }
    }

    /// A note tells the tickets of `to` of alerts that came from `from`, with everything that tickets of `from`
    /// knew. `only` names them, if not all came.
    pub(super) fn told_with(
        &mut self,
        from: IncidentId,
        to: IncidentId,
        only: Option<&BTreeSet<AlertId>>,
    ) {
        for id in self.rows_of(to) {
            let theirs = RowId {
                incident: from,
                target: id.target.clone(),
            };
            let told = match only {
                Some(only) => only.clone(),
                None => self
                    .state
                    .outbox
                    .get_mut(&theirs)
                    .map_or_else(BTreeSet::new, |row| {
                        // What waited there for its note is news here.
                        let waits = std::mem::take(&mut row.joined);
                        let told = row.severe.iter().filter(|a| !waits.contains(a));
                        told.copied().collect()
                    }),
            };
            if let Some(row) = self.state.outbox.get_mut(&id) {
                row.severe.extend(told);
            }
        }
    }

    /// A ticket is about to be opened with what is known now.
    pub(super) fn opens_with_severe(&mut self, id: &RowId) {
        let known = self.state.incidents.get(&id.incident);
        let severe = known.map(|i| self.severe_of(i)).unwrap_or_default();
        if let Some(row) = self.state.outbox.get_mut(id) {
            row.severe = severe;
            row.noted.clear();
            row.joined.clear();
        }
    }

    /// We looked at the ticket: on a touched one the severe alerts that came are told.
    pub(super) fn looked(&mut self, id: &RowId, seen: &Seen) {
        let Some(row) = self.state.outbox.get_mut(id) else {
            return;
        };
        row.see(seen);
        let (row, known) = (
            self.state.outbox.get(id),
            self.state.incidents.get(&id.incident),
        );
        let both = row.zip(known);
        let touched = both.is_some_and(|(row, known)| row.is_taken(known));
        let waits =
            both.is_some_and(|(row, known)| self.tells_severe_at(row, known) > self.state.at);
        if self.opens_again_for_severe(id) {
            return self.touch(id.incident); // a note would stand in a ticket that nobody reads
        }
        if touched && waits {
            return self.tell_later(id);
        }
        let row = self.state.outbox.get_mut(id);
        let joined = row.map(|row| std::mem::take(&mut row.joined));
        let joined = joined.filter(|_| touched).unwrap_or_default();
        let alerts: Vec<Alert> = joined
            .iter()
            .filter_map(|a| self.still_in(id.incident, *a))
            .cloned()
            .collect();
        let Some(worst) = alerts.iter().min_by_key(|a| (a.severity, a.arrived)) else {
            return;
        };
        let (ci, text) = (self.ci_name(worst.ci), self.quote(worst, &id.target));
        let critical = worst.severity == Severity::Critical;
        let more: BTreeSet<String> = alerts.iter().map(|a| self.ci_name(a.ci)).collect();
        let more: Vec<String> = more.into_iter().filter(|n| *n != ci).collect();
        let count = u32::try_from(more.len()).unwrap_or(u32::MAX);
        let more: Vec<String> = more.into_iter().take(MAX_NAMES).collect();
        let at = self.state.at;
        let named: BTreeSet<String> = alerts.iter().map(|a| self.ci_name(a.ci)).collect();
        let Some(row) = self.state.outbox.get_mut(id) else {
            return;
        };
        row.noted.extend(joined);
        let with = take_with(row, &named);
        let before = row
            .told_severe
            .filter(|(last, _)| at.since(*last) < FORGOTTEN);
        row.told_severe = Some((at, before.map_or(1, |(_, n)| n.saturating_add(1))));
        row.note_times.push(at);
        row.notes.push(crate::ticket::Note {
            at,
            what: NoteKind::LateCritical {
                ci,
                text,
                critical,
                more,
                count,
                with,
            },
            delayed: None,
        });
        let told = row.joined.is_empty() && !row.notes.is_empty();
        invariant::check(&mut self.effects.violations, Invariant::P1, told);
        self.touch(id.incident);
    }

    /// The CIs of severe alerts that notes told to the tickets of an incident which a person has: each named once.
    pub(super) fn named_severe(&self, id: IncidentId) -> BTreeMap<Arc<str>, BTreeSet<CiId>> {
        let mut out = BTreeMap::new();
        for id in self.rows_of(id) {
            let row = self.state.outbox.get(&id);
            let Some(row) = row.filter(|row| row.told_severe.is_some()) else {
                continue;
            };
            let told = row.severe.iter().filter(|a| !row.joined.contains(a));
            let alerts = told.filter_map(|a| self.state.alerts.get(a));
            out.insert(id.target, alerts.map(|a| a.ci).collect());
        }
        out
    }

    /// An alert, if it has not left the incident.
    fn still_in(&self, id: IncidentId, alert: AlertId) -> Option<&Alert> {
        let alert = self.state.alerts.get(&alert);
        alert.filter(|a| a.incident.map(|i| self.incident_of(i)) == Some(id))
    }

    /// Whether a severe alert has not left the incident, and fires.
    pub(super) fn still_fires_in(&self, id: IncidentId, alert: AlertId) -> bool {
        let there = self.still_in(id, alert);
        there.is_some_and(|a| a.live() && !flap::is_over(a))
    }

    /// Severe live alerts of an incident that were not even found to be news to its touched ticket.
    fn unfound(&self, id: IncidentId, row: &Row) -> Vec<AlertId> {
        let known = self.state.incidents.get(&id);
        let known = known.filter(|i| i.state.lives() && row.is_taken(i) && row.ticket.is_some());
        let severe = known.map(|i| self.severe_of(i)).unwrap_or_default();
        severe.difference(&row.severe).copied().collect()
    }

    /// The severe alerts of an incident of which its touched tickets were not told yet: those that wait for their note,
    /// and those that were not found.
    pub fn untold(&self, id: IncidentId) -> Vec<Untold> {
        let mut out = Vec::new();
        let Some(known) = self.state.incidents.get(&id) else {
            return out;
        };
        for row_id in self.rows_of(id) {
            let row = self.state.outbox.get(&row_id);
            let Some(row) = row.filter(|row| row.is_taken(known) && row.ticket.is_some()) else {
                continue;
            };
            let waits = row.joined.iter().copied();
            let waits = waits.filter(|a| self.still_in(id, *a).is_some());
            let due = self.tells_severe_at(row, known);
            out.extend(waits.chain(self.unfound(id, row)).map(|alert| Untold {
                row: row_id.clone(),
                alert,
                due,
            }));
        }
        out
    }

    /// Whether nothing of it is left to be told: the ticket was told, or the alert has left the incident.
    pub fn is_settled(&self, untold: &Untold) -> bool {
        let Untold { row, alert, .. } = untold;
        let known = self.state.outbox.get(row);
        let told = known.is_some_and(|r| r.severe.contains(alert) && !r.joined.contains(alert));
        let there = self.state.alerts.contains_key(alert);
        told || (there && self.still_in(row.incident, *alert).is_none())
    }

    /// P1: severe live alerts of an incident whose touched ticket knows nothing of them.
    pub(super) fn all_unfound(&self) -> Vec<String> {
        let mut out = Vec::new();
        for (id, row) in &self.state.outbox {
            for alert in self.unfound(id.incident, row) {
                out.push(format!(
                    "P1: {alert:?} is in {} without a word to its ticket at {}",
                    id.incident, id.target
                ));
            }
        }
        out
    }
}

/// Takes notes back that were to be written with this one: what is `named` is told already. Where the tool is not
/// well they stay, for one of them may stand there.
fn take_with(row: &mut Row, named: &BTreeSet<String>) -> With {
    let mut with = With::default();
    if row.failing_since.is_some() {
        return with;
    }
    let times = &mut row.note_times;
    row.notes.retain(|note| {
        match &note.what {
            NoteKind::Priority { before, now, .. } => {
                let first = with.raised.map_or(*before, |(first, _)| first);
                with.raised = Some((first, *now));
            }
            NoteKind::Grew {
                alerts,
                cis,
                services,
                names,
            } => {
                let fresh = services.iter().filter(|s| !named.contains(&s.name));
                with.services.extend(fresh.cloned());
                let fresh = names.iter().filter(|n| !named.contains(*n));
                with.names.extend(fresh.cloned());
                with.all = Some((*alerts, *cis));
            }
            _others => return true,
        }
        if let Some(at) = times.iter().position(|t| *t == note.at) {
            times.remove(at);
        }
        false
    });
    let services: BTreeSet<&String> = with.services.iter().map(|s| &s.name).collect();
    with.names.retain(|n| !services.contains(n));
    with.names.truncate(MAX_NAMES);
    with
}
