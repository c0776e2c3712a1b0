//! Rows of `task_ci`: the CIs that a ticket names besides the one in its CI field.
//!
//! A ticket without them is as good as done: nothing here refuses a step, and what could not be added is one
//! line of [`Seen::dropped`]. Rows are added, never taken away. What this rests on, marked as in the kind:
//! * D (`batch-api`, release Australia): `POST /api/now/v1/batch` takes `rest_requests` with `id`, `method`,
//!   relative `url`, `headers` as a list of names and values, and a `body` in Base64; it answers 200 with
//!   `serviced_requests`, each with `id`, `status_code`, `status_text` and perhaps `error_message`, and with the
//!   ids that a limit cut off in `unserviced_requests`; a batch is ended after 30 s; ACLs hold for each request.
//! * K: that the batch API is refused with 403 or 404 where an admin shut it. `Probe` tries it with a read, and
//!   single writes take its place, as many as there is room for; later updates add the rest.
//! * K: the columns `task` and `ci_item` (as third-party rules for `task_ci` use them), `ci_item.name` in
//!   `sysparm_fields`, and the operator `IN`: every row is compared here, and without a name its sys_id counts.
//! * K: instances copy the CI field to `task_ci` by a rule of their own: the rows are read after the write.
//! * There is no uniqueness: if an ACL hides rows from us, none is added.

use super::Verdict;
use super::wire::*;
use crate::itsm::{Content, Facts, ItsmSettings, MAX_EXCHANGES, Next, Refusal, Reply, Seen};
use crate::model::{Request, Response};
use crate::ticket::MAX_LISTED;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// The table.
const TABLE: &str = "task_ci";
/// Rows of a ticket that are looked at; a ticket with more is left alone.
const MAX_ROWS: u32 = 500;
/// Records of the names that are looked at.
const MAX_FOUND: u32 = 500;
/// Bytes of the names that are asked for at once: a longer address is refused (414).
const MAX_NAMES: usize = 3000;
/// The fact that the batch API is not for us.
const NO_BATCH: &str = "no_batch";

/// A ticket that stands as its step left it, and what has been exchanged for that.
pub(super) struct Ticket<'a> {
    pub(super) id: &'a str,
    pub(super) seen: Seen,
    /// It is new: names that are not found are told, once.
    pub(super) new: bool,
    /// Answers so far, ours included.
    pub(super) exchanged: usize,
}

impl Ticket<'_> {
    fn done(mut self, why: Option<String>) -> Verdict {
        self.seen.dropped.extend(why);
        Ok(done(self.id, self.seen))
    }

    /// Not all are listed.
    fn short(self, missing: usize, why: &str) -> Verdict {
        let number = crate::itsm::shown(self.id);
        let text = format!("ticket {number}: affected CIs not listed: {missing}: {why}");
        self.done(Some(text))
    }

    fn ask(self, missing: usize, request: Request) -> Verdict {
        if self.exchanged >= MAX_EXCHANGES {
            return self.short(missing, "no room in this step, a later one adds them");
        }
        let number = crate::itsm::shown(self.id);
        let mut seen = self.seen;
        seen.dropped.push(format!(
            "ticket {number}: affected CIs not listed: {missing}: no answer"
        ));
        match done(self.id, seen) {
            Next::Done(reply) => Ok(Next::Besides(request, reply)),
            other => Ok(other),
        }
    }
}

/// Adds the rows that are missing; `got` are the answers after the step's own.
pub(super) fn add(
    s: &ItsmSettings,
    facts: &Facts,
    content: &Content,
    ticket: Ticket<'_>,
    got: &[Response],
) -> Verdict {
    let table = s.options.text("ci_table");
    let names: Vec<&str> = content.cis.iter().map(String::as_str).collect();
    if !wanted(s) || names.is_empty() {
        return ticket.done(None);
    }
    let task = sys_id(ticket.id)?.to_owned();
    let [rows, got @ ..] = got else {
        let query = format!("task={task}");
        let columns = "sys_id,task,ci_item,ci_item.name";
        return ticket.ask(names.len(), list_request(TABLE, &query, columns, MAX_ROWS));
    };
    let listed = match Listed::of(&task, rows) {
        Ok(listed) => listed,
        Err(why) => return ticket.short(names.len(), &why),
    };
    let room = MAX_LISTED.saturating_sub(listed.rows);
    let missing: Vec<&str> = names
        .into_iter()
        .filter(|name| !listed.names.contains(*name))
        .take(room)
        .collect();
    let asked = searchable(&missing);
    if asked.is_empty() {
        return ticket.not_found(&missing, table, None);
    }
    let [found, got @ ..] = got else {
        let query = match s.options.text("ci_query") {
            "" => format!("nameIN{}", asked.join(",")),
            more => format!("nameIN{}^{more}", asked.join(",")),
        };
        let request = list_request(table, &query, "sys_id,name", MAX_FOUND);
        return ticket.ask(missing.len(), request);
    };
    let found = match records(found) {
        Ok(found) => found,
        Err(why) => return ticket.short(missing.len(), &why),
    };
    let known: Vec<(&str, &str)> = asked
        .iter()
        .filter_map(|name| Some((*name, only(&found, name)?)))
        .collect();
    let unknown: Vec<&str> = missing
        .iter()
        .copied()
        .filter(|name| !known.iter().any(|(known, _)| known == name))
        .collect();
    let mut taken = listed.cis;
    let cis: Vec<&str> = known
        .into_iter()
        .map(|(_, ci)| ci)
        .filter(|ci| taken.insert(ci.to_lowercase()))
        .collect();
    if cis.is_empty() {
        return ticket.not_found(&unknown, table, None);
    }
    let written = write(&task, facts, &ticket, &cis, got);
    match written {
        Written::Ask(request) => ticket.ask(cis.len(), request),
        Written::Over(why) => ticket.not_found(&unknown, table, why),
    }
}

impl Ticket<'_> {
    /// The end: what was not written, and on a new ticket the names that are no single record.
    fn not_found(self, unknown: &[&str], table: &str, why: Option<(usize, String)>) -> Verdict {
        let names = match self.new {
            true => unknown.len(),
            false => 0,
        };
        let first = unknown.first().copied().unwrap_or_default();
        let no_record = format!("{table} has no single record {first:?}");
        match (names, why) {
            (0, None) => self.done(None),
            (0, Some((missing, why))) => self.short(missing, &why),
            (names, None) => self.short(names, &no_record),
            (names, Some((missing, why))) => self.short(
                missing.saturating_add(names),
                &format!("{why}; {no_record}"),
            ),
        }
    }
}

/// What a ticket lists already.
struct Listed {
    rows: usize,
    cis: BTreeSet<String>,
    names: BTreeSet<String>,
}

impl Listed {
    /// From the rows of the ticket, if these are all of them.
    fn of(task: &str, answer: &Response) -> Result<Listed, String> {
        let all = rows(answer).map_err(|refusal| said(&refusal))?;
        let ours = |row: &&Value| field(row, "task").eq_ignore_ascii_case(task);
        if !all.iter().all(|row| ours(&row)) {
            return Err(format!("a search in {TABLE} by task answers other rows"));
        }
        let count = u64::try_from(all.len()).unwrap_or(u64::MAX);
        if total(answer).is_some_and(|total| total > count) || count >= u64::from(MAX_ROWS) {
            return Err(format!("rows of {TABLE} are hidden from us"));
        }
        let column = |name: &str| -> BTreeSet<String> {
            let values = all.iter().map(|row| field(row, name).to_owned());
            values.filter(|v| !v.is_empty()).collect()
        };
        Ok(Listed {
            rows: all.len(),
            cis: column("ci_item").iter().map(|c| c.to_lowercase()).collect(),
            names: column("ci_item.name"),
        })
    }
}

/// Names that a list in a query can hold, within the bound of an address.
fn searchable<'a>(names: &[&'a str]) -> Vec<&'a str> {
    let mut left = MAX_NAMES;
    let fits = |name: &&str| {
        let fits = left >= name.len();
        left = left.saturating_sub(name.len().saturating_add(1));
        fits
    };
    let plain = names.iter().copied();
    let plain = plain.filter(|name| !name.is_empty() && !name.contains(',') && !odd(name));
    plain.take_while(fits).collect()
}

/// The records of an answer, if these are all that there are.
fn records(answer: &Response) -> Result<Vec<Value>, String> {
    let all = rows(answer).map_err(|refusal| said(&refusal))?;
    let max = usize::try_from(MAX_FOUND).unwrap_or(usize::MAX);
    match all.len() >= max {
        true => Err(format!("more than {MAX_FOUND} CIs of these names")),
        false => Ok(all),
    }
}

/// The sys_id of the one record of exactly this name.
fn only<'a>(found: &'a [Value], name: &str) -> Option<&'a str> {
    let mut same = found.iter().filter(|row| field(row, "name") == name);
    let one = field(same.next()?, "sys_id");
    (same.next().is_none() && is_sys_id(one)).then_some(one)
}

/// How far the writes are.
enum Written {
    /// This one comes next.
    Ask(Request),
    /// All that can be done is done; how many are missing, and why.
    Over(Option<(usize, String)>),
}

/// One batch; where there is none, one row after the other while there is room.
fn write(
    task: &str,
    facts: &Facts,
    ticket: &Ticket<'_>,
    cis: &[&str],
    got: &[Response],
) -> Written {
    let (why, singles) = match (facts.get(NO_BATCH), got) {
        ("", []) => return Written::Ask(batch(&rows_to_add(task, cis))),
        ("", [answer, singles @ ..]) => match answer.status {
            400 | 403..=405 => ("the batch API is refused".to_owned(), singles),
            _ => return Written::Over(serviced(cis.len(), answer)),
        },
        (why, singles) => (why.to_owned(), singles),
    };
    for (n, answer) in singles.iter().enumerate() {
        if let Err(refusal) = record(answer) {
            return Written::Over(Some((cis.len().saturating_sub(n), said(&refusal))));
        }
    }
    match cis.get(singles.len()) {
        None => Written::Over(None),
        Some(_) if ticket.exchanged >= MAX_EXCHANGES => Written::Over(Some((
            cis.len().saturating_sub(singles.len()),
            format!("{why}, so later updates add them"),
        ))),
        Some(ci) => Written::Ask(single(task, ci)),
    }
}

fn row_to_add(task: &str, ci: &str) -> Value {
    json!({"task": task, "ci_item": ci})
}

fn single(task: &str, ci: &str) -> Request {
    Request {
        method: "POST",
        path: format!("api/now/v2/table/{TABLE}"),
        query: vec![("sysparm_fields".to_owned(), "sys_id".to_owned())],
        headers: json_headers(),
        body: row_to_add(task, ci).to_string().into_bytes(),
        writes: true,
    }
}

/// The items of a batch, by their place.
fn rows_to_add(task: &str, cis: &[&str]) -> Vec<Value> {
    let item = |(n, ci): (usize, &&str)| {
        let mut item = item(n, "POST", &format!("table/{TABLE}?sysparm_fields=sys_id"));
        let body = base64(row_to_add(task, ci).to_string().as_bytes());
        if let Some(item) = item.as_object_mut() {
            item.insert("body".to_owned(), Value::from(body));
        }
        item
    };
    cis.iter().enumerate().map(item).collect()
}

fn item(n: usize, method: &str, url: &str) -> Value {
    let headers: Vec<Value> = json_headers()
        .iter()
        .map(|(name, value)| json!({"name": name, "value": value}))
        .collect();
    json!({
        "id": n.to_string(),
        "method": method,
        "url": format!("/api/now/v2/{url}"),
        "headers": headers,
        "exclude_response_headers": true,
    })
}

fn batch(items: &[Value]) -> Request {
    Request {
        method: "POST",
        path: "api/now/v1/batch".to_owned(),
        query: Vec::new(),
        headers: json_headers(),
        body: json!({"batch_request_id": "1", "rest_requests": items})
            .to_string()
            .into_bytes(),
        writes: true,
    }
}

/// The items of a batch's answer; `None` for what is none.
fn items(answer: &Response) -> Option<Vec<Value>> {
    let parsed = serde_json::from_slice::<Value>(&answer.body).ok();
    let good = (200..=299).contains(&answer.status);
    let items = parsed?.get("serviced_requests")?.as_array().cloned();
    items.filter(|_| good)
}

/// What a batch of `count` left out, and why.
fn serviced(count: usize, answer: &Response) -> Option<(usize, String)> {
    let Some(items) = items(answer) else {
        let why = rows(answer).err().map(|refusal| said(&refusal));
        return Some((count, why.unwrap_or_else(|| "no batch answer".to_owned())));
    };
    let status = |item: &Value| item.get("status_code").and_then(Value::as_u64);
    let good = |item: &&Value| status(item).is_some_and(|s| (200..=299).contains(&s));
    let ids = items.iter().filter(good).map(|item| field(item, "id"));
    let ids: BTreeSet<usize> = ids.filter_map(|id| id.parse().ok()).collect();
    let added = ids.range(..count).count();
    if added >= count {
        return None;
    }
    let why = items.iter().find(|item| !good(item)).map(|item| {
        let texts = [field(item, "error_message"), field(item, "status_text")];
        let text = texts.into_iter().find(|t| !t.is_empty());
        let status = status(item).unwrap_or_default();
        format!(
            "{status}: {}",
            crate::model::cut(text.unwrap_or_default(), 200)
        )
    });
    let why = why.unwrap_or_else(|| "the batch was cut off".to_owned());
    Some((count.saturating_sub(added), why))
}

/// Whether rows are written at all.
pub(super) fn wanted(s: &ItsmSettings) -> bool {
    s.options.bool("affected_cis") && !s.options.text("ci_table").is_empty()
}

/// The end of `Probe`: a batch with one read, and the fact that follows. Nothing depends on its answer but how
/// rows are written.
pub(super) fn probe(s: &ItsmSettings, mut facts: Facts, got: &[Response]) -> Next {
    let mut refused = |why: &str| {
        let why = format!("the batch API is refused: {why}");
        facts.0.insert(NO_BATCH.to_owned(), why);
    };
    match got {
        _ if !wanted(s) => {}
        [] => {
            refused("no answer");
            let url = format!("table/{TABLE}?sysparm_limit=1&sysparm_fields=sys_id");
            let request = Request {
                writes: false,
                ..batch(&[item(0, "GET", &url)])
            };
            return Next::Besides(request, Reply::Facts(facts));
        }
        [answer, ..] if items(answer).is_some() => {}
        [answer, ..] => match rows(answer) {
            // A tool that is busy may still have it.
            Err(Refusal::Retry { .. }) => {}
            Err(refusal) => refused(&said(&refusal)),
            Ok(_) => refused("no batch"),
        },
    }
    Next::Done(Reply::Facts(facts))
}

/// A refusal in words: here it is none.
fn said(refusal: &Refusal) -> String {
    match refusal {
        Refusal::Retry { why, .. } | Refusal::Reject(why) | Refusal::Stop(why) => why.clone(),
        Refusal::Login => "401".to_owned(),
        Refusal::Closed | Refusal::Gone(_) => "the record is gone".to_owned(),
    }
}

/// Base64 with padding (RFC 4648, section 4).
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for three in bytes.chunks(3) {
        let at = |n: usize| u32::from(three.get(n).copied().unwrap_or_default());
        let group = (at(0) << 16) | (at(1) << 8) | at(2);
        for (n, shift) in [18, 12, 6, 0].into_iter().enumerate() {
            let digit = usize::try_from((group >> shift) & 63).unwrap_or_default();
            let digit = DIGITS.get(digit).filter(|_| n <= three.len());
            out.push(char::from(digit.copied().unwrap_or(b'=')));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_padded() {
        let all = ["", "f", "fo", "foo", "foob"].map(|t| base64(t.as_bytes()));
        assert_eq!(all, ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYg=="]);
        assert_eq!(base64(&[251, 255, 254]), "+//+");
    }

    #[test]
    fn names_that_a_query_would_act_upon_are_left_out() {
        let names = ["a,b", "a^b", "JavaScript:x", "", "web1", "web 2"];
        assert_eq!(searchable(&names), ["web1", "web 2"]);
        let long = "x".repeat(MAX_NAMES - 3);
        assert_eq!(searchable(&[&long, "ab", "c"]), [&long, "ab"]);
    }
}
