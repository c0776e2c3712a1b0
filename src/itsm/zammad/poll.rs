//! What people changed, by `updated_at`, in UTC. The search lags, so what it did not show before is looked for again.
//!
//! K: however Elasticsearch takes keys apart, they begin with a word that a prefix finds. Each is compared here.

use super::super::wire::*;
use super::{Zammad, shown_id, tickets};
use crate::itsm::fill;
use crate::itsm::poll::{KEYS, PollNext, Polled, Row, day_before, gather_late, utc};
use crate::itsm::{Facts, ItsmSettings, Refusal};
use crate::model::{Request, Response};
use serde_json::Value;

/// Tickets of a page.
const PER_PAGE: usize = 100;
/// K: the index is filled by a job behind the ticket.
const LAG: i64 = 300;

pub(super) fn poll(s: &ItsmSettings, facts: &Facts, cursor: &str, got: &[Response]) -> PollNext {
    let zammad = Zammad { s, facts };
    match pages(&zammad, got) {
        Err(refusal) => PollNext::Refused(refusal),
        Ok(pages) => match gather_late(cursor, pages, PER_PAGE, LAG) {
            Some(changed) => PollNext::Done(changed),
            None => PollNext::Send(ask(&zammad, cursor, got.len())),
        },
    }
}

fn ask(zammad: &Zammad<'_>, cursor: &str, page: usize) -> Request {
    let field = match zammad.s.options.bool("key_in_title") {
        true => "title",
        false => zammad.s.options.text("key_attribute"),
    };
    let word = KEYS.trim_end_matches('-');
    let since = day_before(cursor).map(|t| t.replace(' ', "T"));
    let since = since.map(|t| format!(" AND updated_at:[\"{t}Z\" TO *]"));
    let query = format!("{field}:{word}*{}", since.unwrap_or_default());
    let (page, limit) = (page.saturating_add(1).to_string(), PER_PAGE.to_string());
    get(
        "api/v1/tickets/search",
        &[
            ("query", query.as_str()),
            ("expand", "true"),
            ("sort_by", "updated_at"),
            ("order_by", "desc"),
            ("per_page", &limit),
            ("page", &page),
        ],
    )
}

fn pages(zammad: &Zammad<'_>, got: &[Response]) -> Result<Vec<Vec<Row>>, Refusal> {
    let attribute = zammad.s.options.text("key_attribute");
    let one = |ticket: &Value| -> Row {
        let titled = zammad.s.options.bool("key_in_title");
        let ours = word(ticket, attribute).starts_with(KEYS)
            || (titled && fill::key_in(&word(ticket, "title")).starts_with(KEYS));
        let id = number(ticket.get("id")).filter(|_| ours);
        // One that was merged is followed when we next write to it.
        let polled = id.and_then(|id| {
            let seen = zammad.judge(ticket).ok()??;
            let id = shown_id(ticket, &id);
            Some(Polled { id, seen })
        });
        (utc(&word(ticket, "updated_at")), polled)
    };
    let page = |response: &Response| Ok(tickets(response)?.iter().map(one).collect());
    got.iter().map(page).collect()
}
