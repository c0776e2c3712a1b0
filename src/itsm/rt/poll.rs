//! What people changed, by `LastUpdated`; there is no webhook in RT.

use super::wire::{field, id_of, items, json_of, judge};
use super::{PER_PAGE, quote};
use crate::itsm::Facts;
use crate::itsm::poll::{KEYS, PollNext, Polled, Row, day_before, gather};
use crate::itsm::{ItsmSettings, Next, Refusal};
use crate::model::Response;
use serde_json::Value;

const UPDATED: &str = "LastUpdated";

pub(super) fn poll(s: &ItsmSettings, _: &Facts, cursor: &str, got: &[Response]) -> PollNext {
    match pages(s, got) {
        Err(refusal) => PollNext::Refused(refusal),
        Ok(pages) => {
            let per_page = usize::try_from(PER_PAGE).unwrap_or(usize::MAX);
            match gather(cursor, pages, per_page) {
                Some(changed) => PollNext::Done(changed),
                None => ask(s, cursor, got.len()),
            }
        }
    }
}

fn ask(s: &ItsmSettings, cursor: &str, page: usize) -> PollNext {
    let since = day_before(cursor).map(|t| format!(" AND {UPDATED} > '{t}'"));
    let query = format!(
        "Queue = '{}' AND 'CF.{{{}}}' LIKE '{KEYS}'{}",
        quote(s.options.text("queue")),
        quote(s.options.text("key_field")),
        since.unwrap_or_default()
    );
    let (page, per_page) = (page.saturating_add(1).to_string(), PER_PAGE.to_string());
    let fields = "Subject,Status,Creator,LastUpdated,LastUpdatedBy,Owner,CustomFields";
    let asked = super::get(
        "tickets".to_owned(),
        &[
            ("query", &query),
            ("fields", fields),
            ("per_page", &per_page),
            ("page", &page),
            ("orderby", UPDATED),
            ("order", "DESC"),
        ],
    );
    match asked {
        Ok(Next::Send(request)) => PollNext::Send(request),
        Ok(_) => PollNext::Refused(Refusal::Stop("a query that is none".to_owned())),
        Err(refusal) => PollNext::Refused(refusal),
    }
}

fn pages(s: &ItsmSettings, got: &[Response]) -> Result<Vec<Vec<Row>>, Refusal> {
    let one = |row: &Value| {
        let ours = field(row, s.options.text("key_field")).starts_with(KEYS);
        let id = id_of(row.get("id")).filter(|_| ours);
        let ticket = id.and_then(|id| {
            let seen = judge(s, row).ok()?;
            Some(Polled { id, seen })
        });
        let at = row.get(UPDATED).and_then(Value::as_str);
        (at.unwrap_or_default().to_owned(), ticket)
    };
    let page = |response: &Response| {
        let body = json_of(response)?;
        Ok(items(&body).map(one).collect())
    };
    got.iter().map(page).collect()
}
