//! What people changed, by `sys_updated_on`: UTC, to the second (D).

use super::KEY;
use super::wire::{columns, field, id_of, judge, list_request, rows};
use crate::itsm::poll::{KEYS, PollNext, Polled, Row, day_before, gather};
use crate::itsm::{Facts, ItsmSettings, Refusal};
use crate::model::Response;

/// Rows of a page.
const PER_PAGE: u32 = 100;
const UPDATED: &str = "sys_updated_on";

pub(super) fn poll(s: &ItsmSettings, facts: &Facts, cursor: &str, got: &[Response]) -> PollNext {
    match pages(s, facts, got) {
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
    let since = day_before(cursor).map(|t| format!("^{UPDATED}>={t}"));
    let query = format!(
        "{KEY}STARTSWITH{KEYS}{}^ORDERBYDESC{UPDATED}",
        since.unwrap_or_default()
    );
    let columns = format!("{},{UPDATED}", columns(s));
    let mut request = list_request(s.options.text("table"), &query, &columns, PER_PAGE);
    if page > 0 {
        let offset = u32::try_from(page)
            .unwrap_or(u32::MAX)
            .saturating_mul(PER_PAGE);
        let offset = ("sysparm_offset".to_owned(), offset.to_string());
        request.query.push(offset);
    }
    PollNext::Send(request)
}

fn pages(s: &ItsmSettings, facts: &Facts, got: &[Response]) -> Result<Vec<Vec<Row>>, Refusal> {
    let one = |row: &serde_json::Value| {
        // Compared on our side: a clause that is ignored answers everything.
        let ours = field(row, KEY).starts_with(KEYS);
        let id = id_of(row).filter(|_| ours);
        let ticket = id.and_then(|id| {
            let seen = judge(s, facts, row).ok()?;
            Some(Polled { id, seen })
        });
        (field(row, UPDATED).to_owned(), ticket)
    };
    let page = |response: &Response| Ok(rows(response)?.iter().map(one).collect());
    got.iter().map(page).collect()
}
