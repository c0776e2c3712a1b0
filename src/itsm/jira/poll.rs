//! What people changed, by `updated`: among the issues that our user made, for JQL has no search for the begin of a
//! label. D: the search lags, so what it did not show before is looked for again.

use super::super::wire::*;
use super::wire::{FIELDS, Jira, told};
use crate::itsm::poll::{KEYS, PollNext, Polled, Row, day_before, gather_late, utc};
use crate::itsm::{Facts, ItsmSettings, Refusal};
use crate::model::{Request, Response};
use serde_json::Value;

/// Issues of a page: each comes with its changelog and its comments.
const PER_PAGE: usize = 50;
/// D: "seconds to minutes" until a search shows a change.
const LAG: i64 = 300;

pub(super) fn cloud(s: &ItsmSettings, facts: &Facts, cursor: &str, got: &[Response]) -> PollNext {
    let cloud = true;
    next(&Jira { s, facts, cloud }, cursor, got)
}

pub(super) fn data_center(
    s: &ItsmSettings,
    facts: &Facts,
    cursor: &str,
    got: &[Response],
) -> PollNext {
    let cloud = false;
    next(&Jira { s, facts, cloud }, cursor, got)
}

fn next(jira: &Jira<'_>, cursor: &str, got: &[Response]) -> PollNext {
    let pages = match pages(jira, got) {
        Ok(pages) => pages,
        Err(refusal) => return PollNext::Refused(refusal),
    };
    // The last page of Cloud names no further one, however full it is.
    let full = match got.last().filter(|_| jira.cloud) {
        Some(last) if token(last).is_empty() => usize::MAX,
        Some(_) | None => PER_PAGE,
    };
    match gather_late(cursor, pages, full, LAG) {
        Some(changed) => PollNext::Done(changed),
        None => PollNext::Send(ask(jira, cursor, got)),
    }
}

fn ask(jira: &Jira<'_>, cursor: &str, got: &[Response]) -> Request {
    let project = jira.s.options.text("project").replace(['"', '\\'], "");
    // D: read in the time zone of our user, and to the minute.
    let since = day_before(cursor).and_then(|t| Some(t.get(..16)?.replace('-', "/")));
    let since = since.map(|t| format!(" AND updated >= \"{t}\""));
    let jql = format!(
        "project = \"{project}\" AND creator = currentUser(){} ORDER BY updated DESC",
        since.unwrap_or_default()
    );
    let (fields, page) = (format!("{FIELDS},updated"), PER_PAGE.to_string());
    let (path, from) = match jira.cloud {
        true => ("search/jql", got.last().map(token)),
        false => {
            let count = got.len().saturating_mul(PER_PAGE);
            (
                "search",
                Some(count).filter(|n| *n > 0).map(|n| n.to_string()),
            )
        }
    };
    let mut query = vec![
        ("jql", jql.as_str()),
        ("fields", &fields),
        ("expand", "changelog"),
        ("maxResults", &page),
    ];
    let name = if jira.cloud {
        "nextPageToken"
    } else {
        "startAt"
    };
    query.extend(from.as_deref().map(|from| (name, from)));
    get(&jira.api(path), &query)
}

fn token(page: &Response) -> String {
    let body = serde_json::from_slice::<Value>(&page.body).unwrap_or_default();
    word(&body, "nextPageToken")
}

fn pages(jira: &Jira<'_>, got: &[Response]) -> Result<Vec<Vec<Row>>, Refusal> {
    let one = |issue: &Value| -> Row {
        let fields = issue.get("fields").unwrap_or(&Value::Null);
        let ours = list(fields, "labels").any(|l| l.as_str().is_some_and(|l| l.starts_with(KEYS)));
        let id = jira.id_of(issue).filter(|_| ours);
        let ticket = id.and_then(|id| {
            let seen = jira.judge(issue).ok()?;
            Some(Polled { id, seen })
        });
        (utc(&word(fields, "updated")), ticket)
    };
    let page = |response: &Response| {
        let body = json_of(response, told)?;
        match body.get("issues") {
            Some(_) => Ok(list(&body, "issues").map(one).collect()),
            None => Err(retry("a search without issues")),
        }
    };
    got.iter().map(page).collect()
}
