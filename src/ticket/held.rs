//! What held a ticket back.

use serde::{Deserialize, Serialize};

/// What a ticket waited for besides the hold of its priority.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum HeldBy {
    /// A storm of alerts made the hold longer.
    Storm,
    /// The hours of this calendar.
    Hours(String),
    /// Only warnings that no service felt.
    Warnings,
    /// Anything else, of which nothing is kept.
    Else,
    /// It follows an earlier ticket of the same incident: BEFORE tells when that ended.
    Follows,
}
