//! What people changed in tickets: one query for all of ours that changed since the tool's own time. Pure.
//!
//! A clause with a time is not believed: tools read it in the time zone of their user, and may ignore it. It is a
//! day too early, the newest rows come first, and each is compared here; so a poll is one exchange as a rule.

use super::{Facts, ItsmSettings, MAX_EXCHANGES, Refusal, Seen};
use crate::model::{Request, Response};
use jiff::ToSpan;
use jiff::civil::DateTime;

/// The story of a poll: called with the answers so far, says what comes next. Pure; never panics.
pub type Poll = fn(&ItsmSettings, &Facts, &str, &[Response]) -> PollNext;

/// What the daemon does next for a poll.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PollNext {
    /// Send this and call again with its answer.
    Send(Request),
    /// The poll is over.
    Done(Changed),
    /// It cannot be done.
    Refused(Refusal),
}

/// What changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changed {
    /// Tickets with a key of ours, the newest change first; those of the last moment before come again.
    pub tickets: Vec<Polled>,
    /// The tool's time of the newest change: where the next poll begins.
    pub cursor: String,
}

/// A ticket that changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Polled {
    /// The tool's id.
    pub id: String,
    /// How it stands; `touched` says that a person had a hand in it.
    pub seen: Seen,
}

/// Every key of ours begins so, those from before a restore of the store too.
pub(super) const KEYS: &str = "cor-";

/// A row of an answer: when it changed, in the tool's time, and the ticket, if it is one of ours.
pub(super) type Row = (String, Option<Polled>);

/// The moment a day before, as `2026-11-22 07:00:00`; `None` for a text that is no time.
pub(super) fn day_before(cursor: &str) -> Option<String> {
    let plain = cursor.trim_end_matches('Z').replace('T', " ");
    let moment: DateTime = plain.parse().ok()?;
    let before = moment.checked_sub(1.day()).ok()?;
    Some(before.strftime("%Y-%m-%d %H:%M:%S").to_string())
}

/// What the pages so far amount to; `None` if the next one is needed.
pub(super) fn gather(cursor: &str, pages: Vec<Vec<Row>>, per_page: usize) -> Option<Changed> {
    // What is no time of the tool is as good as none.
    let since = day_before(cursor).map_or("", |_| cursor);
    let count = pages.len();
    let last = pages.last()?;
    let further = last.len() >= per_page
        && last.last().is_some_and(|(at, _)| at.as_str() >= since)
        && count < MAX_EXCHANGES;
    if further {
        return None;
    }
    let mut out = Changed {
        tickets: Vec::new(),
        cursor: since.to_owned(),
    };
    for (at, ticket) in pages.into_iter().flatten() {
        if at.as_str() < since || day_before(&at).is_none() {
            continue;
        }
        out.cursor = out.cursor.max(at);
        let known = |t: &Polled| out.tickets.iter().any(|o| o.id == t.id);
        if let Some(ticket) = ticket.filter(|t| !known(t)) {
            out.tickets.push(ticket);
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::itsm::TicketState;

    fn row(at: &str, id: &str) -> Row {
        let seen = Seen {
            state: TicketState::Open,
            touched: true,
            owner: String::new(),
            dropped: Vec::new(),
        };
        let ticket = Polled {
            id: id.to_owned(),
            seen,
        };
        (at.to_owned(), Some(ticket).filter(|t| !t.id.is_empty()))
    }

    #[test]
    fn a_day_early_in_the_form_that_both_tools_read() {
        for (cursor, before) in [
            ("2026-03-01T07:00:05Z", Some("2026-02-28 07:00:05")),
            ("2026-11-22 07:00:05", Some("2026-11-21 07:00:05")),
            ("yesterday^OR", None),
            ("", None),
        ] {
            assert_eq!(day_before(cursor).as_deref(), before, "{cursor}");
        }
    }

    #[test]
    fn the_newest_first_until_what_is_known_and_each_ticket_once() {
        let ids = |c: &Changed| -> Vec<String> { c.tickets.iter().map(|t| t.id.clone()).collect() };
        let (new, at, old) = (
            "2026-11-22 09:00:00",
            "2026-11-22 08:00:00",
            "2026-11-22 07:00:00",
        );
        let full = vec![row(new, "9"), row(at, "")];
        assert_eq!(gather(at, vec![full.clone()], 2), None, "the next page");
        let rest = vec![row(at, "9"), row(at, "8"), row(old, "7")];
        let all = gather(at, vec![full, rest], 3).unwrap();
        assert_eq!(ids(&all), ["9", "8"]);
        assert_eq!(all.cursor, new);
        // Nothing changed: the cursor stays. A cursor that is lost costs a look at what is new.
        let none = gather(at, vec![vec![row(old, "7")]], 2).unwrap();
        assert_eq!((ids(&none), none.cursor.as_str()), (Vec::new(), at));
        for lost in ["", "broken"] {
            let all = gather(lost, vec![vec![row(old, "7")]], 2).unwrap();
            assert_eq!(
                (ids(&all), all.cursor.as_str()),
                (vec!["7".to_owned()], old)
            );
        }
    }
}
