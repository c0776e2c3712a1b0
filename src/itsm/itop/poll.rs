//! What people changed, by `last_update`, in the tool's own time zone. Whose hand it was is in the history of each
//! ticket, so tickets of ours are only named here.
//!
//! S: `core/get` takes no order and, in the version of the service that we speak, no pages: all that changed in
//! a day comes in one answer, and is put in order here. S: a ticket has `last_update`, other classes have none.

use super::wire::{id_of, objects, read};
use crate::itsm::fill;
use crate::itsm::poll::{KEYS, NamedRow, PollNext, day_before, gather_unread};
use crate::itsm::{Facts, ItsmSettings};
use crate::model::{Request, Response};
use serde_json::Value;
use std::cmp::Reverse;

pub(super) fn poll(s: &ItsmSettings, _: &Facts, cursor: &str, got: &[Response]) -> PollNext {
    let [found, ..] = got else {
        return PollNext::Send(ask(s, cursor));
    };
    let one = |ticket: &Value| -> NamedRow {
        let field = |name: &str| {
            let value = ticket.get("fields").and_then(|f| f.get(name));
            value.and_then(Value::as_str).unwrap_or_default()
        };
        let ours = match s.options.text("key_attribute") {
            "" => fill::key_in(field("title")).starts_with(KEYS),
            name => field(name).starts_with(KEYS),
        };
        (
            field("last_update").to_owned(),
            id_of(ticket).filter(|_| ours),
        )
    };
    let mut rows: Vec<NamedRow> = match objects(found) {
        Ok(all) => all.iter().map(one).collect(),
        Err(refusal) => return PollNext::Refused(refusal),
    };
    rows.sort_by_key(|(at, _)| Reverse(at.clone()));
    match gather_unread(cursor, vec![rows], usize::MAX) {
        Some(changed) => PollNext::Done(changed),
        None => PollNext::Done(Default::default()), // one page is all there is
    }
}

fn ask(s: &ItsmSettings, cursor: &str) -> Request {
    let class = s.options.text("class");
    let (ours, fields) = match s.options.text("key_attribute") {
        "" => (
            format!("title LIKE '%[{KEYS}%'"),
            "id,ref,title,last_update".to_owned(),
        ),
        name => (
            format!("{name} LIKE '{KEYS}%'"),
            format!("id,ref,{name},last_update"),
        ),
    };
    let since = day_before(cursor).map(|t| format!(" AND last_update >= '{t}'"));
    // Without a cursor: what is still under way, for that is what people change.
    let since = since.unwrap_or_else(|| " AND status != 'closed'".to_owned());
    read(
        class,
        &format!("SELECT {class} WHERE {ours}{since}"),
        &fields,
    )
}
