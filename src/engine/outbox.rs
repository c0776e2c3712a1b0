//! Wanted against shipped, per incident and target: what is the next delivery, if any.
//!
//! Level, not queue: a storm of 500 joins is one update, and a tool that is away for a day costs no memory.

use super::inform::Content;
use super::state::{InFlight, Incident, IncidentState, Row, RowId, Timer};
use super::wanted::correlation_key;
use super::{Delivery, Engine};
use crate::itsm::TicketState;
use crate::model::{DeliveryId, IncidentId, Millis};
use crate::record::StepName;
use crate::rules::{Mode, OnRecovery, Reopen, Target};
use crate::ticket::{Note, NoteKind};

/// Two descriptions are never closer than this.
const UPDATE_GAP: Millis = Millis::secs(60);
/// A note that is written later than this says so.
pub(super) const LATE: Millis = Millis::mins(2);

/// What a row asks for.
pub(super) enum Plan {
    /// Nothing, or nothing before a moment.
    Wait(Option<Millis>),
    /// The row has no purpose any more.
    Drop,
    /// A delivery.
    Do(Box<Ask>),
}

/// What a delivery asks.
pub(super) struct Ask {
    pub(super) step: StepName,
    pub(super) ticket: String,
    pub(super) note: Option<Note>,
    pub(super) unless_touched: bool,
    pub(super) other: Option<String>,
    /// The ticket to link to.
    pub(super) to: String,
    /// A find under an older key.
    pub(super) of: Option<u32>,
    pub(super) recovery: bool,
    /// What the ticket shall say, if that was found out already.
    pub(super) content: Option<Content>,
}

impl Ask {
    pub(super) fn only(step: StepName, ticket: &str) -> Plan {
        Plan::Do(Box::new(Ask::plain(step, ticket)))
    }
    pub(super) fn plain(step: StepName, ticket: &str) -> Ask {
        Ask {
            step,
            ticket: ticket.to_owned(),
            note: None,
            unless_touched: false,
            other: None,
            to: String::new(),
            of: None,
            recovery: false,
            content: None,
        }
    }
}

impl Engine {
    /// A row for every target, from the moment a ticket is wanted.
    pub(super) fn make_rows(&mut self, id: IncidentId) {
        let at = self.state.at;
        let shadow_incident = self.state.incidents.get(&id).is_some_and(|i| i.shadow);
        let targets = &self.state.rules.targets;
        let is_fallback = |name: &str| {
            targets
                .values()
                .any(|t| t.fallback.as_deref() == Some(name))
                || self.informs(name)
        };
        let named = self.route_targets(id);
        let mut new = Vec::new();
        for (target, rules) in targets {
            if (shadow_incident && rules.mode != Mode::Shadow) || is_fallback(target) {
                continue;
            }
            let row = RowId {
                incident: id,
                target: target.as_str().into(),
            };
            let wanted = named.is_none_or(|(all, _)| all.contains(target));
            if wanted && !self.state.outbox.contains_key(&row) {
                let later = rules.fallback.is_some().then_some(rules.fallback_after);
                new.push((row, later, rules.mode != Mode::Live));
            }
        }
        for (row, later, shadow) in new {
            if let Some(later) = later {
                self.set_timer(at.plus(later), Timer::Row(row.clone()));
            }
            self.insert_row(row, shadow);
        }
    }

    pub(super) fn rows_of(&self, id: IncidentId) -> Vec<RowId> {
        let from = RowId {
            incident: id,
            target: "".into(),
        };
        let rows = self.state.outbox.range(from..);
        rows.take_while(|(r, _)| r.incident == id)
            .map(|(r, _)| r.clone())
            .collect()
    }

    /// Whether a row of the incident still has something to do.
    pub(super) fn rows_under_way(&self, id: IncidentId) -> bool {
        self.rows_of(id).iter().any(|r| {
            self.state.outbox.get(r).is_some_and(|row| {
                row.in_flight.is_some() || row.unknown.is_some() || !row.recovered
            })
        })
    }

    /// Looks at every row of an incident, and hands out at most one delivery for each.
    pub(super) fn pump(&mut self, id: IncidentId) {
        self.route(id);
        for row in self.rows_of(id) {
            self.fall_back(&row);
        }
        for row in self.rows_of(id) {
            match self.plan(&row) {
                Plan::Wait(None) => {}
                Plan::Wait(Some(due)) => self.set_timer(due, Timer::Row(row)),
                Plan::Drop if self.has_strays(&row) => {}
                Plan::Drop => {
                    self.state.outbox.remove(&row);
                }
                Plan::Do(ask) => self.hand_out(&row, *ask),
            }
        }
    }

    fn plan(&mut self, id: &RowId) -> Plan {
        let at = self.state.at;
        let Some(row) = self.state.outbox.get(id) else {
            return Plan::Drop;
        };
        let Some(target) = self.state.rules.targets.get(&*id.target).cloned() else {
            return Plan::Wait(None); // the target was taken out of the configuration; its tickets stay
        };
        if row.in_flight.is_some() || (row.shadow && target.mode != Mode::Shadow) {
            return Plan::Wait(None);
        }
        if target.mode == Mode::Note && row.ticket.is_none() && row.unknown.is_none() {
            return Plan::Wait(None); // whatever opens now opens no ticket here
        }
        if row.not_before > at && !self.rose_at_valve(id, row) {
            return Plan::Wait(Some(row.not_before));
        }
        let stopped = self
            .state
            .valves
            .get(&id.target)
            .and_then(|v| v.stopped.as_ref());
        if let Some((until, _)) = stopped.filter(|(until, _)| *until > at) {
            return Plan::Wait(Some(*until));
        }
        let before = self.turned_away(id).or_else(|| self.plan_stray(id));
        if let Some(plan) = before.or_else(|| self.plan_turn(id)) {
            return plan;
        }
        let (Some(row), Some(incident)) = (
            self.state.outbox.get(id),
            self.state.incidents.get(&id.incident),
        ) else {
            return Plan::Drop;
        };
        let reopen = row.ticket.is_some() && row.resolved_by_us && incident.state.lives();
        if reopen && self.quiet_until(id.incident).is_some() {
            return Plan::Wait(None); // a person wants no reopening; a timer stands for the end of it
        }
        if reopen && (!target.reopens || self.state.rules.ticket.reopen.ours == Reopen::New) {
            self.follow_on(id);
            return self.plan_new(id, &target);
        }
        if let Some(plan) = self.oppose(id, &target) {
            return plan;
        }
        let (Some(row), Some(incident)) = (
            self.state.outbox.get(id),
            self.state.incidents.get(&id.incident),
        ) else {
            return Plan::Drop;
        };
        match &row.ticket {
            None => self.plan_new(id, &target),
            Some(ticket) => self.plan_known(id, row, incident, ticket, &target),
        }
    }

    /// The tool cannot open a resolved ticket again: the next one follows.
    pub(super) fn follow_on(&mut self, id: &RowId) {
        let at = self.state.at;
        self.leave_strays(id);
        if let Some(row) = self.state.outbox.get_mut(id) {
            row.generation = row.generation.saturating_add(1);
            row.since = at;
            row.leave_ticket(at);
            row.ticket_state = TicketState::New;
            row.touched = false;
            row.owner.clear();
            row.resolved_by_us = false;
            row.turning = None;
            row.recovered = false;
            row.shipped = None;
            row.opposed = None;
            row.notes.clear();
        }
    }

    /// No ticket yet: find, then create.
    pub(super) fn plan_new(&mut self, id: &RowId, target: &Target) -> Plan {
        let (Some(row), Some(incident)) = (
            self.state.outbox.get(id),
            self.state.incidents.get(&id.incident),
        ) else {
            return Plan::Drop;
        };
        if row.unknown.is_some() {
            return Ask::only(StepName::Find, ""); // whatever became of the incident: we must know
        }
        let wanted = match incident.state {
            IncidentState::Open | IncidentState::Recovering => true,
            IncidentState::Resolved => self.state.rules.ticket.open_when_over,
            IncidentState::Pending | IncidentState::Merged => false,
        };
        if !wanted && target.by_key && !row.verify.is_empty() {
            self.adopt_by_key(id);
            return self.plan(id);
        }
        if !wanted {
            self.leave_strays(id);
            return Plan::Drop;
        }
        if let Some(until) = self.waits_for_main(id, row) {
            return Plan::Wait(Some(until));
        }
        if !row.may_create {
            return Ask::only(StepName::Find, "");
        }
        self.plan_create(id, target)
    }

    fn plan_known(
        &self,
        id: &RowId,
        row: &Row,
        incident: &Incident,
        ticket: &str,
        target: &Target,
    ) -> Plan {
        let at = self.state.at;
        if row.verify.first().is_some_and(|due| *due <= at) {
            return Ask::only(StepName::Find, "");
        }
        let notes_only = target.mode == Mode::Note;
        if let Some(duplicate) = row.duplicates.first().filter(|_| !notes_only) {
            return Plan::Do(Box::new(Ask {
                note: Some(Note {
                    at,
                    what: NoteKind::Duplicate {
                        ticket: ticket.to_owned(),
                    },
                    delayed: None,
                }),
                unless_touched: true,
                other: Some(duplicate.clone()),
                ..Ask::plain(StepName::Resolve, duplicate)
            }));
        }
        let over = Engine::is_over(incident.state);
        let severe = !row.joined.is_empty() && self.tells_severe_at(row, incident) <= at;
        if !over && severe && self.quiet_until(id.incident).is_none() {
            return Ask::only(StepName::Read, ticket);
        }
        let only_told = self.state.rules.ticket.reopen.ours == Reopen::Note;
        if !over && row.resolved_by_us && !notes_only && !only_told {
            return self.plan_reopen(row, ticket);
        }
        if let Some(note) = row.notes.first() {
            let mut note = note.clone();
            if at.since(note.at) > LATE {
                note.delayed = note.delayed.or(Some((note.at, at)));
            }
            return Plan::Do(Box::new(Ask {
                note: Some(note),
                ..Ask::plain(StepName::Note, ticket)
            }));
        }
        if over {
            return self.plan_over(id, row, incident, ticket, target);
        }
        if let Some(link) = self.plan_link(id) {
            return link;
        }
        match notes_only {
            true => Plan::Wait(row.verify.first().copied()),
            false => self.plan_update(id.incident, row, incident, ticket),
        }
    }

    pub(super) fn plan_reopen(&self, row: &Row, ticket: &str) -> Plan {
        let at = self.state.at;
        let note = row
            .notes
            .iter()
            .find(|n| matches!(n.what, NoteKind::Reopened { .. }));
        let note = note.cloned().unwrap_or(Note {
            at,
            what: NoteKind::Late,
            delayed: None,
        });
        Plan::Do(Box::new(Ask {
            note: Some(note),
            ..Ask::plain(StepName::Reopen, ticket)
        }))
    }

    /// The recovery contract: whatever happened since, a ticket that was opened hears of the recovery.
    fn plan_over(
        &self,
        id: &RowId,
        row: &Row,
        incident: &Incident,
        ticket: &str,
        target: &Target,
    ) -> Plan {
        let at = self.state.at;
        if row.recovered {
            let wait = Plan::Wait(row.verify.first().copied());
            return self.plan_link(id).unwrap_or(wait);
        }
        let person_ended = row.ended_by_person();
        let note_only = row.touched && target.on_recovery == OnRecovery::ResolveIfUntouched
            || target.on_recovery == OnRecovery::NoteOnly
            || target.mode == Mode::Note
            || (row.resolved_by_us && self.state.rules.ticket.reopen.ours == Reopen::Note)
            || person_ended;
        let taken = (row.touched && !person_ended) || (!note_only && row.is_taken(incident));
        let what = match incident.merged_into {
            Some(into) => self.merged_into(id.incident, into, &id.target),
            None => match self.last_word(id, taken, !note_only) {
                Some(word) => word,
                None => return Plan::Wait(None),
            },
        };
        let merge = incident.merged_into.and_then(|into| {
            let survivor = self.state.incidents.get(&into)?;
            survivor.merges.iter().find(|m| m.from == id.incident)
        });
        let since = merge
            .map(|m| m.at)
            .or(incident.quiet_since)
            .or(incident.resolved)
            .unwrap_or(incident.last);
        // Counted from the moment when it could be said: the quiet before is no fault of the tool.
        let known = merge.map(|m| m.at).or(incident.resolved).unwrap_or(since);
        let late = at.since(known) > LATE;
        Plan::Do(Box::new(Ask {
            note: Some(Note {
                at: since,
                what,
                delayed: late.then_some((since, at)),
            }),
            unless_touched: target.on_recovery == OnRecovery::ResolveIfUntouched,
            recovery: true,
            ..Ask::plain(
                if note_only {
                    StepName::Note
                } else {
                    StepName::Resolve
                },
                ticket,
            )
        }))
    }

    fn plan_update(&self, id: IncidentId, row: &Row, incident: &Incident, ticket: &str) -> Plan {
        let at = self.state.at;
        let wait = Plan::Wait(row.verify.first().copied());
        let ours = match row.ticket_state {
            TicketState::New | TicketState::Open => !row.touched,
            TicketState::OnHold | TicketState::Resolved | TicketState::Closed => false,
        };
        if !ours || incident.state != IncidentState::Open {
            return wait;
        }
        let earliest = row.shipped_at.plus(UPDATE_GAP);
        if row.shipped.is_some() && earliest > at {
            return Plan::Wait(Some(earliest)); // not yet worth the work of comparing
        }
        let due = match row.shipped {
            Some((turning, _)) if self.turning_of(id) == Some(turning) => {
                row.shipped_at.plus(self.state.rules.ticket.update_every)
            }
            Some(_) | None => at,
        };
        if due > at {
            return Plan::Wait(Some(row.verify.first().map_or(due, |v| due.min(*v))));
        }
        let content = self.content_of(id);
        let content = content.filter(|content| row.shipped != Some(content.hashes));
        if content.is_none() {
            return wait;
        }
        Plan::Do(Box::new(Ask {
            content,
            ..Ask::plain(StepName::Update, ticket)
        }))
    }

    fn hand_out(&mut self, id: &RowId, ask: Ask) {
        self.state.last_delivery = self.state.last_delivery.saturating_add(1);
        let delivery = DeliveryId(self.state.last_delivery);
        let epoch = self.state.epoch;
        let Some(row) = self.state.outbox.get(id) else {
            return;
        };
        let generation = ask.of.unwrap_or(row.generation);
        self.tries(id);
        if ask.step == StepName::Create {
            self.opens_with_severe(id);
        }
        let key = correlation_key(epoch, id.incident, generation);
        let Some(content) = ask.content.or_else(|| self.content_of(id.incident)) else {
            return;
        };
        let watch = self.watchers(id.incident, &id.target);
        let main = self.main_ticket(id).unwrap_or_default();
        let wanted = self.wanted_at(id.incident, &content.anywhere, key.clone(), &id.target);
        let opening = self.state.incidents.get(&id.incident).map(|i| i.opening);
        let (Some(row), Some(opening), Some(wanted)) =
            (self.state.outbox.get_mut(id), opening, wanted)
        else {
            return;
        };
        row.in_flight = Some(InFlight {
            delivery,
            step: ask.step,
            sent: false,
            other: ask.other,
            of: ask.of,
            content: content.hashes,
            recovery: ask.recovery,
        });
        let number = row.notes_sent.saturating_add(1);
        let unknown = row.unknown.is_some();
        self.effects.deliveries.push(Delivery {
            id: delivery,
            incident: id.incident,
            target: id.target.clone(),
            step: ask.step,
            key,
            ticket: ask.ticket,
            other: ask.to,
            wanted: Box::new(wanted),
            watch,
            main,
            note: ask.note.map(|note| (number, note)),
            unless_touched: ask.unless_touched,
            opening,
            unknown,
            shadow: row.shadow,
        });
    }
}
