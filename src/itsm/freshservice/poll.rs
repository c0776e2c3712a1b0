//! What people changed, by `updated_at`: from the list, which does not lag as the filter does. Whose hand it was is in
//! the activities of each ticket, so tickets of ours are only named here. K: `updated_since`, `order_by`.

use super::super::wire::*;
use super::told;
use crate::itsm::poll::{KEYS, NamedRow, PollNext, day_before, gather_unread, utc};
use crate::itsm::{Facts, ItsmSettings, Refusal};
use crate::model::{Request, Response};
use serde_json::Value;

/// Tickets of a page.
const PER_PAGE: usize = 100;

pub(super) fn poll(s: &ItsmSettings, _: &Facts, cursor: &str, got: &[Response]) -> PollNext {
    match pages(s, got) {
        Err(refusal) => PollNext::Refused(refusal),
        Ok(pages) => match gather_unread(cursor, pages, PER_PAGE) {
            Some(changed) => PollNext::Done(changed),
            None => PollNext::Send(ask(cursor, got.len())),
        },
    }
}

fn ask(cursor: &str, page: usize) -> Request {
    let since = day_before(cursor).map(|t| format!("{}Z", t.replace(' ', "T")));
    let (page, per_page) = (page.saturating_add(1).to_string(), PER_PAGE.to_string());
    let mut query = vec![
        ("order_by", "updated_at"),
        ("order_type", "desc"),
        ("per_page", &per_page),
        ("page", &page),
    ];
    query.extend(since.as_deref().map(|t| ("updated_since", t)));
    get("api/v2/tickets", &query)
}

fn pages(s: &ItsmSettings, got: &[Response]) -> Result<Vec<Vec<NamedRow>>, Refusal> {
    let one = |ticket: &Value| -> NamedRow {
        let fields = ticket.get("custom_fields").unwrap_or(&Value::Null);
        let ours = word(fields, s.options.text("key_field")).starts_with(KEYS);
        let id = number(ticket.get("id")).filter(|_| ours);
        (utc(&word(ticket, "updated_at")), id)
    };
    let page = |response: &Response| {
        let body = json_of(response, told)?;
        match body.get("tickets") {
            Some(_) => Ok(list(&body, "tickets").map(one).collect()),
            None => Err(retry("an answer without tickets")),
        }
    };
    got.iter().map(page).collect()
}
