//! What people changed, by `Last Modified Date`. D: in a qualification it is compared with seconds since 1970; K: it
//! comes back as `2026-11-22T07:05:00.000+0000`.

use super::super::wire::*;
use super::{Bmc, entries, id_of, value};
use crate::itsm::poll::{KEYS, PollNext, Polled, Row, day_before, gather, utc};
use crate::itsm::{Facts, ItsmSettings, Refusal};
use crate::model::{Request, Response};
use serde_json::Value;

const UPDATED: &str = "Last Modified Date";
/// Entries of a page.
const PER_PAGE: usize = 100;

pub(super) fn poll(s: &ItsmSettings, _: &Facts, cursor: &str, got: &[Response]) -> PollNext {
    let bmc = Bmc { s };
    match pages(&bmc, got) {
        Err(refusal) => PollNext::Refused(refusal),
        Ok(pages) => match gather(cursor, pages, PER_PAGE) {
            Some(changed) => PollNext::Done(changed),
            None => PollNext::Send(ask(&bmc, cursor, got.len())),
        },
    }
}

fn ask(bmc: &Bmc<'_>, cursor: &str, page: usize) -> Request {
    let key = bmc.s.options.text("key_field").replace('\'', "''");
    let since = day_before(cursor).and_then(|t| {
        let moment = format!("{}Z", t.replace(' ', "T")).parse::<jiff::Timestamp>();
        Some(format!(" AND '{UPDATED}' >= {}", moment.ok()?.as_second()))
    });
    let query = format!("'{key}' LIKE \"{KEYS}%\"{}", since.unwrap_or_default());
    let columns = bmc.columns();
    let columns = columns.trim_end_matches(')');
    let columns = format!("{columns},{UPDATED})");
    let offset = page.saturating_mul(PER_PAGE).to_string();
    let (limit, sort) = (PER_PAGE.to_string(), format!("{UPDATED}.desc"));
    get(
        &bmc.entry("form"),
        &[
            ("q", query.as_str()),
            ("fields", &columns),
            ("sort", &sort),
            ("limit", &limit),
            ("offset", &offset),
        ],
    )
}

fn pages(bmc: &Bmc<'_>, got: &[Response]) -> Result<Vec<Vec<Row>>, Refusal> {
    let key = bmc.s.options.text("key_field");
    let one = |entry: &Value| -> Row {
        let ours = value(entry, key).starts_with(KEYS);
        let id = id_of(entry).filter(|_| ours);
        let ticket = id.and_then(|id| {
            let seen = bmc.judge(entry).ok()?;
            Some(Polled { id, seen })
        });
        (utc(&value(entry, UPDATED)), ticket)
    };
    let page = |response: &Response| Ok(entries(response)?.iter().map(one).collect());
    got.iter().map(page).collect()
}
