//! What people changed in tickets: one query for all of ours that changed since the tool's own time. Pure.
//!
//! A clause with a time is not believed: tools read it in the time zone of their user, and may ignore it. It is a
//! day too early, the newest rows come first, and each is compared here; so a poll is one exchange as a rule.

use super::{Facts, ItsmSettings, MAX_EXCHANGES, Refusal, Seen};
use crate::model::{Request, Response};
use jiff::civil::DateTime;
use jiff::{SignedDuration, Timestamp};

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
    /// Tickets with a key of ours of which the answer does not say whose hand it was, the newest change first:
    /// each is to be read.
    pub unread: Vec<Unread>,
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

/// A ticket that changed, and has to be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unread {
    /// The tool's id.
    pub id: String,
    /// The tool's time of the change.
    pub at: String,
}

/// Every key of ours begins so, those from before a restore of the store too.
pub(super) const KEYS: &str = "cor-";

/// A row of an answer: when it changed, in the tool's time, and the ticket, if it is one of ours.
pub(super) type Row = (String, Option<Polled>);

/// The same, where the ticket has to be read: its id.
pub(super) type NamedRow = (String, Option<String>);

/// The moment a day before, as `2026-11-22 07:00:00`; `None` for a text that is no time.
pub(super) fn day_before(cursor: &str) -> Option<String> {
    before(cursor, SignedDuration::from_hours(24), "%Y-%m-%d %H:%M:%S")
}

fn before(cursor: &str, by: SignedDuration, form: &str) -> Option<String> {
    let plain = cursor.trim_end_matches('Z').replace('T', " ");
    let moment: DateTime = plain.parse().ok()?;
    let before = moment.checked_sub(by).ok()?;
    Some(before.strftime(form).to_string())
}

/// A moment with its offset, as `2026-11-22T07:00:05.123+0100`, in UTC and to the second; empty for anything else.
pub(super) fn utc(moment: &str) -> String {
    let known = moment.parse::<Timestamp>().ok().or_else(|| {
        let zoned = jiff::fmt::strtime::parse("%Y-%m-%dT%H:%M:%S%.f%z", moment);
        zoned.and_then(|z| z.to_timestamp()).ok()
    });
    known.map_or(String::new(), |t| {
        t.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
    })
}

/// What the pages so far amount to; `None` if the next one is needed.
pub(super) fn gather(cursor: &str, pages: Vec<Vec<Row>>, per_page: usize) -> Option<Changed> {
    gather_late(cursor, pages, per_page, 0)
}

/// The same for a search that may lag by so many seconds: what it did not show before is looked for again.
pub(super) fn gather_late(
    cursor: &str,
    pages: Vec<Vec<Row>>,
    per_page: usize,
    lag: i64,
) -> Option<Changed> {
    let (rows, cursor) = sift(cursor, pages, per_page, lag, |t| &t.id)?;
    Some(Changed {
        tickets: rows.into_iter().map(|(_, ticket)| ticket).collect(),
        unread: Vec::new(),
        cursor,
    })
}

/// The same for tickets that have to be read.
pub(super) fn gather_unread(
    cursor: &str,
    pages: Vec<Vec<NamedRow>>,
    per_page: usize,
) -> Option<Changed> {
    let (rows, cursor) = sift(cursor, pages, per_page, 0, |id| id)?;
    Some(Changed {
        tickets: Vec::new(),
        unread: rows.into_iter().map(|(at, id)| Unread { id, at }).collect(),
        cursor,
    })
}

/// Rows of ours that are new, each ticket once, and the next cursor; `None` if the next page is needed.
fn sift<T>(
    cursor: &str,
    pages: Vec<Vec<(String, Option<T>)>>,
    per_page: usize,
    lag: i64,
    id: fn(&T) -> &String,
) -> Option<(Vec<(String, T)>, String)> {
    // What is no time of the tool is as good as none.
    let known = day_before(cursor).map_or("", |_| cursor);
    let form = match known.contains('T') {
        true => "%Y-%m-%dT%H:%M:%SZ",
        false => "%Y-%m-%d %H:%M:%S",
    };
    let since = match lag {
        0 => known.to_owned(),
        _ => before(known, SignedDuration::from_secs(lag), form).unwrap_or_default(),
    };
    let count = pages.len();
    let last = pages.last()?;
    let further = last.len() >= per_page
        && last.last().is_some_and(|(at, _)| *at >= since)
        && count < MAX_EXCHANGES;
    if further {
        return None;
    }
    let (mut out, mut next) = (Vec::<(String, T)>::new(), known.to_owned());
    for (at, ticket) in pages.into_iter().flatten() {
        if at < since || day_before(&at).is_none() {
            continue;
        }
        next = next.max(at.clone());
        let known = |t: &T| out.iter().any(|(_, o)| id(o) == id(t));
        if let Some(ticket) = ticket.filter(|t| !known(t)) {
            out.push((at, ticket));
        }
    }
    Some((out, next))
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
    #[test]
    fn a_search_that_lags_is_asked_for_what_it_did_not_show() {
        let (late, at) = ("2026-11-22T07:57:00Z", "2026-11-22T08:00:00Z");
        let pages = || {
            vec![vec![
                row(at, "9"),
                row(late, "8"),
                row("2026-11-22T07:54:59Z", "7"),
            ]]
        };
        let ids = |c: &Changed| -> Vec<String> { c.tickets.iter().map(|t| t.id.clone()).collect() };
        let all = gather_late(at, pages(), 50, 300).unwrap();
        assert_eq!(
            (ids(&all), all.cursor.as_str()),
            (vec!["9".to_owned(), "8".to_owned()], at)
        );
        assert_eq!(ids(&gather(at, pages(), 50).unwrap()), ["9"]);
    }

    #[test]
    fn moments_of_all_zones_are_told_in_one() {
        for (told, expected) in [
            ("2026-11-22T08:00:05.123+0100", "2026-11-22T07:00:05Z"),
            ("2026-11-22T07:00:05.000+0000", "2026-11-22T07:00:05Z"),
            ("2026-11-22T07:00:05.5Z", "2026-11-22T07:00:05Z"),
            ("2026-11-22T07:00:05Z", "2026-11-22T07:00:05Z"),
            ("2026-11-22 07:00:05", ""),
            ("yesterday", ""),
        ] {
            assert_eq!(utc(told), expected, "{told}");
        }
    }
}
