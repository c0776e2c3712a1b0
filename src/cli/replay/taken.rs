//! Every ticket is taken by a person as soon as it is there, and stays theirs: a severe alert that comes into it
//! later must not come silently.

use crate::engine::state::{RowId, Untold};
use crate::engine::{Delivery, Engine};
use crate::itsm::{Seen, TicketState};
use crate::model::{AlertId, IncidentId, Millis};
use crate::record::{OutcomeV1, Record, StepName, TicketChangeV1};
use crate::ticket::NoteKind;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Who has every ticket.
const PERSON: &str = "a person";

/// See the module.
#[derive(Default)]
pub(super) struct Taken {
    /// How each ticket stands in the tool, by target and id.
    tickets: BTreeMap<(String, String), Seen>,
    /// Those of which the engine has not been told that a person has them.
    fresh: Vec<(String, String)>,
    /// What the tickets of each incident were not told when it was last looked at. The engine forgets what is over,
    /// so what an incident ended with stays here.
    untold: BTreeMap<IncidentId, Vec<Untold>>,
    /// What waited to be told and waits no more, though it was not told.
    lost: BTreeSet<(RowId, AlertId)>,
    /// Every severe alert that joined a ticket.
    joined: BTreeSet<(RowId, AlertId)>,
    /// Notes that told of severe alerts.
    notes: u64,
}

impl Taken {
    /// What the tool answers in place of `plain`, the answer where nobody has touched anything: as tools do, the state
    /// and the fields of a person's ticket are left to the person.
    pub(super) fn answer(&mut self, delivery: &Delivery, plain: OutcomeV1) -> OutcomeV1 {
        let named = |ticket: &str| (delivery.target.to_string(), ticket.to_owned());
        if delivery.step == StepName::Create {
            if let OutcomeV1::Done { ticket, .. } = &plain {
                let seen = Seen {
                    state: TicketState::Open,
                    touched: true,
                    owner: PERSON.to_owned(),
                    dropped: Vec::new(),
                };
                self.tickets.insert(named(ticket), seen);
                self.fresh.push(named(ticket));
            }
            return plain;
        }
        let Some(known) = self.tickets.get_mut(&named(&delivery.ticket)) else {
            return plain;
        };
        let over = known.state == TicketState::Resolved;
        match delivery.step {
            StepName::Read | StepName::Update => return state(known),
            StepName::Resolve if over => return already(known),
            StepName::Resolve if delivery.unless_touched => return state(known),
            StepName::Resolve => known.state = TicketState::Resolved,
            StepName::Reopen if !over => return already(known),
            StepName::Reopen => known.state = TicketState::Open,
            StepName::Note => {
                let told = delivery.note.as_ref().map(|(_, note)| &note.what);
                let severe = matches!(told, Some(NoteKind::LateCritical { .. }));
                self.notes = self.notes.saturating_add(u64::from(severe));
            }
            StepName::Link | StepName::Create | StepName::Probe | StepName::Find => {}
        }
        match plain {
            OutcomeV1::Done { ticket, .. } => OutcomeV1::Done {
                ticket,
                seen: known.clone(),
            },
            other => other,
        }
    }

    /// The tickets that came since this was last asked.
    pub(super) fn fresh(&mut self) -> Vec<(String, String)> {
        std::mem::take(&mut self.fresh)
    }

    /// That a person has these tickets, as a poll says it.
    pub(super) fn changes(&self, tickets: Vec<(String, String)>) -> Vec<Record> {
        let with_seen = |key: (String, String)| Some((self.tickets.get(&key)?.clone(), key));
        let all = tickets.into_iter().filter_map(with_seen);
        all.map(|(seen, (target, ticket))| {
            Record::TicketChange(TicketChangeV1 {
                target,
                ticket,
                seen,
            })
        })
        .collect()
    }

    /// An entry was applied that changed these incidents.
    pub(super) fn after<'a>(
        &mut self,
        engine: &Engine,
        incidents: impl IntoIterator<Item = &'a IncidentId>,
    ) {
        for id in incidents {
            if !engine.state().incidents.contains_key(id) {
                continue;
            }
            let untold = engine.untold(*id);
            let waits: BTreeSet<_> = untold.iter().map(key).collect();
            let before = self.untold.insert(*id, untold).unwrap_or_default();
            let over = before.iter().filter(|u| !waits.contains(&key(u)));
            let lost = over.filter(|u| !engine.is_settled(u));
            self.lost.extend(lost.map(key));
            self.joined.extend(waits);
        }
    }

    /// What is to be said of it at the end.
    pub(super) fn count(&mut self, engine: &Engine, now: Millis) -> Count {
        let all = engine.state().outbox.keys().map(|row| row.incident);
        let all: BTreeSet<IncidentId> = all.collect();
        self.after(engine, &all);
        let untold = self.untold.values().flatten();
        // What comes in a storm may still wait for its time.
        let due = untold.filter(|u| u.due <= now).map(key);
        let silent: BTreeSet<_> = due.chain(self.lost.iter().cloned()).collect();
        Count {
            tickets: self.tickets.len(),
            joined: self.joined.len(),
            notes: self.notes,
            silent: silent.len(),
        }
    }
}

/// The ticket's row and the alert.
fn key(untold: &Untold) -> (RowId, AlertId) {
    (untold.row.clone(), untold.alert)
}

fn state(seen: &Seen) -> OutcomeV1 {
    OutcomeV1::State { seen: seen.clone() }
}

fn already(seen: &Seen) -> OutcomeV1 {
    OutcomeV1::Already { seen: seen.clone() }
}

/// The tickets that people have, and the severe alerts that joined them.
#[derive(Clone, Copy)]
pub(super) struct Count {
    tickets: usize,
    joined: usize,
    notes: u64,
    silent: usize,
}

impl Count {
    /// For people.
    pub(super) fn text(self) -> String {
        format!(
            "touched    {}, severe alerts that joined {}, notes of them {}, silent {}\n",
            self.tickets, self.joined, self.notes, self.silent
        )
    }

    /// For programs.
    pub(super) fn json(self) -> Value {
        json!({
            "tickets": self.tickets,
            "joined": self.joined,
            "notes": self.notes,
            "silent": self.silent,
        })
    }
}
