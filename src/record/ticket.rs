//! What people did with a ticket.

use crate::itsm::Seen;
use serde::{Deserialize, Serialize};

/// What people changed in a ticket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TicketChangeV1 {
    /// Name of the target.
    pub target: String,
    /// The tool's id.
    pub ticket: String,
    /// How it stands.
    pub seen: Seen,
}

/// A ticket was deleted, or merged into another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TicketGoneV1 {
    /// Name of the target.
    pub target: String,
    /// The tool's id.
    pub ticket: String,
    /// That of the ticket it was merged into; empty for one that was deleted.
    pub into: String,
}
