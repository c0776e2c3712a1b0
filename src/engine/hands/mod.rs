//! What people said: commands carried out, and kept for the life of an incident.
//!
//! A command is a record with an actor; what it says is part of the incident ([`Hands`]) and holds against
//! whatever the correlation finds later. The correlation asks [`Engine::may_merge`], [`Engine::may_leave`],
//! [`Engine::may_join`] and [`Engine::named_cause`] before it acts. A later command of a person may take an
//! earlier one back.

pub(in crate::engine) mod apart;
mod cause;
mod end;
mod names;
mod pair;
mod retry;
mod split;

use super::Engine;
use super::correlate::MAX_TURNS;
use super::state::{Incident, Turn};
use crate::model::{AlertId, CiId, IncidentId, Millis};
use crate::record::{CommandV1, OperatorV1};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// What people said about an incident. It holds while the incident lives.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Hands {
    /// The root cause.
    pub cause: Option<NamedCause>,
    /// Incidents that never become one with this; each of them says the same.
    pub apart: BTreeSet<IncidentId>,
    /// Alerts that a person put here; they stay.
    pub placed: BTreeSet<AlertId>,
    /// Where its alerts came from, and who said so.
    pub split_from: Option<(IncidentId, String)>,
    /// Who ended it.
    pub ended: Option<String>,
    /// No notes and no reopening before this.
    pub quiet_until: Option<Millis>,
}

/// A root cause by the word of a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedCause {
    /// The CI; `None` for "not known".
    pub ci: Option<CiId>,
    /// Who said so.
    pub by: String,
    /// When.
    pub at: Millis,
}

/// What came of a command.
pub type CommandOutcome = Result<CommandDone, CommandRefused>;

/// A command that was carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandDone {
    /// What was done, in one sentence.
    pub text: String,
    /// The incidents to go on with, the one of the command first.
    pub incidents: Vec<IncidentId>,
}

/// A command that changed nothing, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommandRefused {
    /// The incident does not exist (any more).
    Unknown(String),
    /// It cannot be done.
    Wrong(String),
}

impl CommandRefused {
    /// What is wrong.
    pub fn text(&self) -> &str {
        match self {
            CommandRefused::Unknown(text) | CommandRefused::Wrong(text) => text,
        }
    }
}

fn wrong<T>(text: impl Into<String>) -> Result<T, CommandRefused> {
    Err(CommandRefused::Wrong(text.into()))
}

impl Engine {
    pub(in crate::engine) fn acknowledge(&mut self, id: IncidentId, actor: &str) {
        let id = self.incident_of(id);
        if let Some(known) = self.state.incidents.get_mut(&id) {
            known.acknowledged = Some(actor.to_owned());
            self.line(Some(id), format!("acknowledged by {actor}"));
            self.touch(id);
        }
    }

    pub(in crate::engine) fn promote(&mut self, id: IncidentId, actor: &str) {
        let id = self.incident_of(id);
        if let Some(known) = self.state.incidents.get_mut(&id) {
            known.promoted = true;
            known.shadow = false; // a person wants a ticket for it
            self.line(Some(id), format!("promoted by {actor}"));
            self.touch(id);
        }
    }

    /// Carries out the command of a person, and remembers what came of it.
    pub(super) fn command(&mut self, operator: &OperatorV1) {
        let by = operator.actor.as_str();
        let outcome = match &operator.command {
            CommandV1::Acknowledge(id) => self.living(*id).map(|id| {
                self.acknowledge(id, by);
                self.turn(id, format!("acknowledged by {by}"));
                done(format!("{id} is acknowledged by {by}"), &[id])
            }),
            CommandV1::Promote(id) => self.living(*id).map(|id| {
                self.promote(id, by);
                self.turn(id, format!("promoted by {by}"));
                done(format!("{id} may have a ticket"), &[id])
            }),
            CommandV1::Split(split) => self.split(split.incident, &split.named, by),
            CommandV1::Move(to) => self.move_alerts(to.incident, to.to, &to.named, by),
            CommandV1::Merge(pair) => self.merge_pair(pair.incident, pair.other, by),
            CommandV1::Cause(cause) => self.name_cause(cause.incident, cause.ci.as_deref(), by),
            CommandV1::KeepApart(pair) => self.keep_pair_apart(pair.incident, pair.other, by),
            CommandV1::Resolve(id) => self.resolve_by_person(*id, by),
            CommandV1::Quiet(quiet) => self.keep_quiet(quiet.incident, quiet.span, by),
            CommandV1::Retry(what) => self.retry(what, by),
        };
        if let Err(refused) = &outcome {
            self.line(None, format!("command of {by} refused: {}", refused.text()));
        }
        self.effects.commands.push(outcome);
    }

    /// The incident that goes by this number today.
    fn known(&self, id: IncidentId) -> Result<IncidentId, CommandRefused> {
        let now = self.incident_of(id);
        match self.state.incidents.contains_key(&now) {
            true => Ok(now),
            false => Err(CommandRefused::Unknown(format!(
                "{id} is not known (any more)"
            ))),
        }
    }

    /// The same, if it lives.
    fn living(&self, id: IncidentId) -> Result<IncidentId, CommandRefused> {
        let now = self.known(id)?;
        let lives = self
            .state
            .incidents
            .get(&now)
            .is_some_and(|i| i.state.lives());
        match lives {
            true => Ok(now),
            false => wrong(format!("{now} is resolved")),
        }
    }

    /// Two living incidents.
    fn living_pair(
        &self,
        one: IncidentId,
        other: IncidentId,
    ) -> Result<(IncidentId, IncidentId), CommandRefused> {
        let (a, b) = (self.living(one)?, self.living(other)?);
        if one == other {
            return wrong(format!("{one} and {other} are the same incident"));
        }
        if a == b {
            return wrong(format!(
                "{one} and {other} are the same incident, {a}, since they were merged"
            ));
        }
        Ok((a, b))
    }

    /// The word of a person is a turning point that is never crowded out by ours.
    fn turn(&mut self, id: IncidentId, what: String) {
        let at = self.state.at;
        if let Some(known) = self.state.incidents.get_mut(&id) {
            if known.turns.len() >= MAX_TURNS {
                known.turns.remove(1);
            }
            known.turns.push(Turn { at, what });
        }
    }

    /// Said in the log and in the explanation.
    pub(super) fn said(&mut self, id: IncidentId, what: String) {
        self.line(Some(id), what.clone());
        self.turn(id, what);
        self.touch(id);
    }

    /// Until when an incident is to be left alone, if it is.
    pub(super) fn quiet_until(&self, id: IncidentId) -> Option<Millis> {
        let until = self.state.incidents.get(&id)?.hands.quiet_until?;
        (until > self.state.at).then_some(until)
    }
}

fn done(text: String, incidents: &[IncidentId]) -> CommandDone {
    CommandDone {
        text,
        incidents: incidents.to_vec(),
    }
}

/// `the alert` or `2 alerts`.
fn alerts(n: usize) -> String {
    match n {
        1 => "1 alert".to_owned(),
        n => format!("{n} alerts"),
    }
}

/// Who named the cause of an incident.
pub(super) fn named_by(incident: &Incident) -> Option<&NamedCause> {
    incident.hands.cause.as_ref()
}
