//! Facts of how it ended, and of what was before.

use super::ServiceText;
use crate::model::{Millis, Priority};
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

/// What came with severe alerts, told in the same note.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct With {
    /// The priority rose: before and now.
    pub raised: Option<(Priority, Priority)>,
    /// Further services that do not work, most critical first.
    pub services: Vec<ServiceText>,
    /// Further CIs with a new alert, at most [`MAX_NAMES`](super::MAX_NAMES).
    pub names: Vec<String>,
    /// Alerts and CIs in all, where that was to be told.
    pub all: Option<(u32, u32)>,
}
