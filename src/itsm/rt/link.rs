//! A reference from one ticket to another.

use super::wire::*;
use super::{Verdict, read, seen};
use crate::itsm::wire::done;
use crate::itsm::{ItsmSettings, Refusal, TicketState};
use crate::model::Response;
use serde_json::json;

/// A plain reference; a dependency would keep the other ticket from being resolved. RT takes two of a kind for one.
///
/// Both tickets have it in their history, and whoever changed one last is all that a ticket says about people. So
/// where a person's hand would be hidden in the other one, nothing is linked.
pub(super) fn link(s: &ItsmSettings, id: &str, other: &str, got: &[Response]) -> Verdict {
    let to = digits(other).ok_or_else(|| Refusal::Reject(format!("{other:?} is no ticket")))?;
    match got {
        [] => read(id),
        [now] => {
            seen(s, id, now)?;
            read(to)
        }
        [now, there] => {
            let (now, there) = (seen(s, id, now)?, seen(s, to, there)?);
            let waits = there.state == TicketState::OnHold;
            if there.touched && there.owner.is_empty() && !waits {
                let mut left = now;
                left.dropped.push(format!(
                    "a person changed {to} last, which our link would hide"
                ));
                return Ok(done(id, left));
            }
            let path = format!("ticket/{id}");
            send("PUT", path, &json!({ "AddRefersTo": [to] }), None)
        }
        [now, _, put, ..] => {
            json_of(put)?;
            Ok(done(id, seen(s, id, now)?))
        }
    }
}
