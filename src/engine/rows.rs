//! Rows of the outbox: per incident and target what the tool has confirmed, and what is under way.

use super::incident::Incident;
use super::valve::Turn;
use crate::itsm::{Seen, TicketState};
use crate::model::{AlertId, DeliveryId, IncidentId, Millis, Seq};
use crate::record::StepName;
use crate::ticket::{Former, Note};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::sync::Arc;

/// A row of the outbox.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RowId {
    /// The incident.
    pub incident: IncidentId,
    /// Name of the target.
    pub target: Arc<str>,
}

/// Per incident and target: what the tool has confirmed, and what is under way.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Row {
    /// Part of the key: raised when a ticket is closed for good under a live incident.
    pub generation: u32,
    /// Written by the shadow target: never followed by a write to a real tool.
    pub shadow: bool,
    /// The ticket, once it is known.
    pub ticket: Option<String>,
    /// How it was last seen.
    pub ticket_state: TicketState,
    /// Since when it is resolved or closed, as far as we know.
    pub ended: Option<Millis>,
    /// The ticket that it follows.
    pub former: Option<Former>,
    /// A person has changed it. Never forgotten.
    pub touched: bool,
    /// Who has it, as the tool names them; empty for nobody.
    pub owner: String,
    /// The entry with the tool's last answer about it.
    pub answered: Seq,
    /// We resolved it.
    pub resolved_by_us: bool,
    /// A resolve or a reopening whose outcome is not known: since when, and whether the ticket was looked at since.
    pub turning: Option<(Millis, bool)>,
    /// The recovery is written.
    pub recovered: bool,
    /// What its content was when last written: for turning points, and for counts.
    pub shipped: Option<(u64, u64)>,
    /// When.
    pub shipped_at: Millis,
    /// Notes to write, oldest first.
    pub notes: Vec<Note>,
    /// Notes written.
    pub notes_sent: u32,
    /// When notes were written, within the last day.
    pub note_times: Vec<Millis>,
    /// Whether a create may be sent now: a find has just agreed on none.
    pub may_create: bool,
    /// A create whose outcome is not known.
    pub unknown: Option<Unknown>,
    /// Finds still to be made after an unknown create ended in a ticket.
    pub verify: Vec<Millis>,
    /// Further tickets of ours with the same key, to be closed.
    pub duplicates: Vec<String>,
    /// Tickets that are no duplicates to close: those of older keys, and further ones that people have, named once.
    pub twins: BTreeSet<String>,
    /// Duplicates that are over or a person's, still to be linked to the ticket.
    pub to_link: BTreeSet<String>,
    /// The incident became part of another one: the link to its ticket stands, or the tool takes none.
    pub linked: bool,
    /// Looks still to be made for tickets that may come late: when, and under the key of which generation.
    pub strays: Vec<(Millis, u32)>,
    /// The delivery under way.
    pub in_flight: Option<InFlight>,
    /// Failures in a row.
    pub attempt: u32,
    /// Nothing is tried before this.
    pub not_before: Millis,
    /// Why the tool refuses; tried again slowly.
    pub parked: Option<String>,
    /// What went wrong last; empty once something went well.
    pub trouble: String,
    /// Since when the tool has not done what we asked.
    pub failing_since: Option<Millis>,
    /// When the row was made.
    pub since: Millis,
    /// The valve holds it back.
    pub valved: bool,
    /// Severe alerts that came in since we last looked at the ticket, or that wait for their note, in their order.
    pub joined: Vec<AlertId>,
    /// When a note last told of severe alerts, and how many notes in a row did.
    pub told_severe: Option<(Millis, u32)>,
    /// Severe alerts that the ticket was opened with, that were told, or that came in before a person touched
    /// it.
    pub severe: BTreeSet<AlertId>,
    /// Of those the ones that a note told.
    pub noted: BTreeSet<AlertId>,
    /// Since when we oppose that a person resolved the ticket.
    pub opposed: Option<Millis>,
    /// That was done once; a second resolve of a person stands.
    pub opposed_once: bool,
}

impl Row {
    /// A row of which nothing is known yet.
    pub fn new(at: Millis, shadow: bool) -> Row {
        Row {
            generation: 1,
            shadow,
            ticket: None,
            ticket_state: TicketState::New,
            ended: None,
            former: None,
            touched: false,
            owner: String::new(),
            answered: Seq(0),
            resolved_by_us: false,
            turning: None,
            recovered: false,
            shipped: None,
            shipped_at: at,
            notes: Vec::new(),
            notes_sent: 0,
            note_times: Vec::new(),
            may_create: false,
            unknown: None,
            verify: Vec::new(),
            duplicates: Vec::new(),
            twins: BTreeSet::new(),
            to_link: BTreeSet::new(),
            linked: false,
            strays: Vec::new(),
            in_flight: None,
            attempt: 0,
            not_before: at,
            parked: None,
            trouble: String::new(),
            failing_since: None,
            since: at,
            valved: false,
            joined: Vec::new(),
            told_severe: None,
            severe: BTreeSet::new(),
            noted: BTreeSet::new(),
            opposed: None,
            opposed_once: false,
        }
    }
}

impl Row {
    /// How the ticket stands, as it was read.
    pub fn see(&mut self, seen: &Seen) {
        self.ticket_state = seen.state;
        self.touched |= seen.touched;
        self.owner.clone_from(&seen.owner);
    }
    /// A person has the ticket, or has acknowledged its incident; who did that for a former ticket has not taken this one.
    pub fn is_taken(&self, incident: &Incident) -> bool {
        self.touched || (incident.acknowledged.is_some() && self.generation == 1)
    }
    /// A person has ended the ticket, not we.
    pub fn ended_by_person(&self) -> bool {
        let ended = matches!(
            self.ticket_state,
            TicketState::Resolved | TicketState::Closed
        );
        ended && !self.resolved_by_us
    }
    /// A person has the ticket and has not ended it.
    pub fn is_worked_on(&self) -> bool {
        match self.ticket_state {
            TicketState::New | TicketState::Open | TicketState::OnHold => self.touched,
            TicketState::Resolved | TicketState::Closed => false,
        }
    }
}

/// A create whose outcome is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unknown {
    /// Since when.
    pub since: Millis,
    /// Finds that agreed on none, each a settle after the one before.
    pub none: u8,
}

/// A delivery under way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InFlight {
    /// Its number.
    pub delivery: DeliveryId,
    /// What it asks.
    pub step: StepName,
    /// `Sent` is in the log: it may have written.
    pub sent: bool,
    /// The ticket it concerns, if not the row's own (a duplicate).
    pub other: Option<String>,
    /// A find under the key of this older generation.
    pub of: Option<u32>,
    /// What the content was when it was handed out.
    pub content: (u64, u64),
    /// It tells of the recovery.
    pub recovery: bool,
}

/// Tickets wanted lately at a target.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Valve {
    /// When each was created.
    pub times: Vec<Millis>,
    /// The target cannot be used until a person acts: why, and when it is tried again.
    pub stopped: Option<(Millis, String)>,
    /// Failures in a row, over all tickets of the target.
    pub failures: u32,
    /// Nothing is asked of it before this.
    pub not_before: Millis,
    /// While it fails: the row that tries.
    pub trial: Option<RowId>,
    /// Rows that wait for it.
    pub waiting: BTreeSet<RowId>,
    /// Rows that wait for room, the most urgent first.
    pub queue: BTreeSet<Turn>,
}
