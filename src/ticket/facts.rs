//! Facts of how it ended, and of what was before.

use super::ServiceText;
use crate::model::Millis;
use serde::{Deserialize, Serialize};

/// The facts of a recovery.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recovery {
    /// When the last alert was over.
    pub at: Millis,
    /// All alerts of the incident.
    pub alerts: u32,
    /// How long it has been quiet.
    pub quiet: Millis,
    /// The root cause and when it came back, if it alerted itself.
    pub root: Option<(String, Millis)>,
    /// Outage of each observed service.
    pub outages: Vec<(ServiceText, Millis)>,
    /// A person works on the ticket: the state is left to them.
    pub touched: bool,
    /// We resolve the ticket with this note.
    pub resolves: bool,
    /// Within which time a new alert opens the same ticket again; `None` where the tool cannot.
    pub reopen_within: Option<Millis>,
    /// A new alert after that, within a day, opens a ticket that refers to this one.
    pub refers: bool,
}

/// A ticket that was there before this one, for the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Former {
    /// The tool's id.
    pub ticket: String,
    /// When it was resolved or closed; `None` while it is not.
    pub closed: Option<Millis>,
}
