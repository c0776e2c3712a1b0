//! What the kinds that speak JSON over HTTP have in common: requests, answers, refusals, times to wait.

use super::{Next, Refusal, Reply, Seen, TicketState};
use crate::config::keys::{Key, KeyKind, Preset, key};
use crate::model::{Millis, Request, Response, cut};
use serde_json::Value;

/// What a step does next, or why it cannot.
pub(super) type Verdict = Result<Next, Refusal>;

/// Key of a text.
pub(super) const fn text(name: &'static str, default: Preset, doc: &'static str) -> Key {
    key(name, KeyKind::Text, default, doc)
}

/// The next of a verdict.
pub(super) fn next_of(verdict: Verdict) -> Next {
    verdict.unwrap_or_else(Next::Refused)
}

/// A reading request.
pub(super) fn get(path: &str, query: &[(&str, &str)]) -> Request {
    Request {
        method: "GET",
        path: path.to_owned(),
        query: query
            .iter()
            .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))
            .collect(),
        headers: vec![header("Accept", "application/json")],
        body: Vec::new(),
        writes: false,
    }
}

/// A writing request with a body in JSON.
pub(super) fn send(method: &'static str, path: &str, body: &Value) -> Request {
    Request {
        method,
        path: path.to_owned(),
        query: Vec::new(),
        headers: vec![
            header("Accept", "application/json"),
            header("Content-Type", "application/json"),
        ],
        body: body.to_string().into_bytes(),
        writes: true,
    }
}

pub(super) fn header(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

/// The body of a good answer, or the refusal that a bad one is. `told` finds what an error says.
pub(super) fn json_of(response: &Response, told: fn(&Value) -> String) -> Result<Value, Refusal> {
    let parsed = serde_json::from_slice::<Value>(&response.body);
    match (response.status, parsed) {
        (200..=299, Ok(body)) => Ok(body),
        // A page to log in at, or an answer that was cut off: whatever it is, it is no answer.
        (200..=299, Err(error)) => {
            Err(retry(&format!("{} without JSON: {error}", response.status)))
        }
        (_, parsed) => Err(refusal(response, parsed.ok().as_ref(), told)),
    }
}

/// A write was taken: no content, or JSON.
pub(super) fn taken(response: &Response, told: fn(&Value) -> String) -> Result<(), Refusal> {
    match (response.status, response.body.is_empty()) {
        (204, true) => Ok(()),
        (_, _) => json_of(response, told).map(|_| ()),
    }
}

/// What an answer that is no success means.
pub(super) fn refusal(
    response: &Response,
    body: Option<&Value>,
    told: fn(&Value) -> String,
) -> Refusal {
    let said = body.map(told).unwrap_or_default();
    let said = match said.is_empty() {
        true => String::from_utf8_lossy(&response.body).into_owned(),
        false => said,
    };
    let said =
        sent_on(response).unwrap_or_else(|| said_or_meant(response.status, &one_line(&said)));
    let why = format!("{}: {said}", response.status);
    match response.status {
        401 => Refusal::Login,
        404 | 410 if !is_page(response) => Refusal::Gone(String::new()),
        // A page for people is no word of the tool about a ticket: a proxy, a site that is shut.
        300..=399 | 404 | 410 | 408 | 425 | 429 | 500..=599 => Refusal::Retry {
            not_before: retry_after(response),
            why,
        },
        _ => Refusal::Reject(why),
    }
}

/// Where an answer sends us, without what may be secret: we follow none.
pub(super) fn sent_on(response: &Response) -> Option<String> {
    let sends = (300..=399).contains(&response.status);
    let to = response.header("location").filter(|_| sends)?;
    let to = to.split(['?', '#']).next().unwrap_or_default();
    Some(format!(
        "sends us on to {}: a page to log in at, a site that sleeps, or another url than ours",
        one_line(to)
    ))
}

/// What a tool says, or means where it says nothing.
pub(super) fn said_or_meant(status: u16, said: &str) -> String {
    let meant = match (status, said) {
        (429, "" | "{}" | "[]") => "too many requests",
        (502..=504, "" | "{}" | "[]") => "the tool is away",
        (_, "") => "nothing is said about it",
        (_, said) => said,
    };
    meant.to_owned()
}

/// A page for people where an answer should be.
pub(super) fn is_page(response: &Response) -> bool {
    response.body.trim_ascii_start().first() == Some(&b'<')
}

/// Foreign text of an error, on one line and bounded.
pub(super) fn one_line(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    cut(&words.join(" "), 300)
}

pub(super) fn retry(why: &str) -> Refusal {
    Refusal::Retry {
        not_before: None,
        why: why.to_owned(),
    }
}

/// At `Probe` a refusal is not about one ticket: nothing works until it is mended.
pub(super) fn stop_if_rejected(what: &str) -> impl Fn(Refusal) -> Refusal + '_ {
    move |refusal| match refusal {
        Refusal::Reject(why) => Refusal::Stop(format!("{what}: {why}")),
        Refusal::Gone(_) => Refusal::Stop(format!("{what}: not found, or hidden from us")),
        other => other,
    }
}

/// A search for a key that nobody carries found something: no search can be believed.
pub(super) fn not_searchable(key: &str, mend: &str) -> Refusal {
    Refusal::Stop(format!(
        "the search for {key} answers other tickets, so none can be told from another: {mend}"
    ))
}

/// Whether a ticket with our key is ours, by whoever made it. Where nobody says so, none is opened beside it.
pub(super) fn made_by(
    id: &str,
    who: &str,
    column: &str,
    is_us: impl Fn(&str) -> bool,
) -> Result<bool, Refusal> {
    match who {
        "" => Err(nobody_made(id, &format!("may our user read {column}"))),
        who => Ok(is_us(who)),
    }
}

/// A ticket carries our key and nothing says who made it.
pub(super) fn nobody_made(id: &str, mend: &str) -> Refusal {
    Refusal::Reject(format!(
        "ticket {} carries our key, and nothing says who made it; a second one is not opened: {mend}",
        super::shown(id)
    ))
}

/// When a tool wants to be asked again: `Retry-After` in seconds or as an HTTP date, else the end of the
/// period that `X-RateLimit-Reset` or `RateLimit-Reset` names (a moment in ISO 8601 or since 1970, or seconds).
/// A moment is meant by the tool's clock, which `Date` tells.
pub(super) fn retry_after(response: &Response) -> Option<Millis> {
    if let Some(text) = response.header("retry-after") {
        return moment(text.trim(), response);
    }
    let reset = response
        .header("x-ratelimit-reset")
        .or_else(|| response.header("ratelimit-reset"))?;
    moment(reset.trim(), response)
}

fn moment(text: &str, response: &Response) -> Option<Millis> {
    let now = response.at;
    let theirs = response.header("date").and_then(date).unwrap_or(now);
    let ours = |moment: Millis| now.plus(moment.since(theirs));
    if let Ok(seconds) = text.parse::<u32>() {
        let span = Millis::secs(i64::from(seconds));
        // Nobody waits for years: so large a number counts from 1970.
        return Some(match seconds > 1_000_000_000 {
            true => ours(span),
            false => now.plus(span),
        });
    }
    if let Ok(moment) = text.parse::<jiff::Timestamp>() {
        return Some(ours(Millis(moment.as_millisecond())));
    }
    date(text).map(ours)
}

fn date(text: &str) -> Option<Millis> {
    let time = jiff::fmt::rfc2822::parse(text.trim()).ok()?;
    Some(Millis(time.timestamp().as_millisecond()))
}

/// Percent-encodes a path segment.
pub(super) fn encode(segment: &str) -> String {
    segment
        .bytes()
        .map(|b| match b {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                char::from(b).to_string()
            }
            other => format!("%{other:02X}"),
        })
        .collect()
}

/// Text as a tool shows it that takes it for HTML.
pub(super) fn html(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' => out.push_str("<br>\n"),
            other => out.push(other),
        }
    }
    out
}

/// Text of HTML that was made of ours: to compare, not to show.
pub(super) fn plain(html: &str) -> String {
    let mut out = String::with_capacity(html.len());
    let mut tag = false;
    for c in html.chars() {
        match c {
            '<' => tag = true,
            '>' if tag => {
                tag = false;
                out.push(' ');
            }
            _ if tag => {}
            other => out.push(other),
        }
    }
    let out = out
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&#39;", "'")
        .replace("&nbsp;", " ")
        .replace("&amp;", "&");
    squeeze(&out)
}

/// Text with single blanks only: what tools that tidy up leave alone.
pub(super) fn squeeze(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ")
}

/// Whether a text of a tool is a note of ours. Its first line says what it is and when; what stands below may have
/// changed since, for a note that comes late says so.
pub(super) fn is_same_note(found: &str, ours: &str) -> bool {
    let first = squeeze(ours.lines().next().unwrap_or_default());
    !first.is_empty() && squeeze(found).starts_with(&first)
}

/// A text or number of a JSON object as text; empty if there is none.
pub(super) fn word(value: &Value, name: &str) -> String {
    as_text(value.get(name))
}

pub(super) fn as_text(value: Option<&Value>) -> String {
    match value {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        Some(Value::Bool(yes)) => yes.to_string(),
        Some(Value::Null | Value::Array(_) | Value::Object(_)) | None => String::new(),
    }
}

/// An id of digits, as it comes in an answer.
pub(super) fn number(value: Option<&Value>) -> Option<String> {
    Some(as_text(value)).filter(|t| digits(t).is_some())
}

pub(super) fn digits(text: &str) -> Option<&str> {
    (!text.is_empty() && text.len() < 20 && text.bytes().all(|b| b.is_ascii_digit()))
        .then_some(text)
}

/// The elements of a list in an object.
pub(super) fn list<'a>(value: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    value
        .get(name)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}

/// Whether a word stands in a list, whatever its case.
pub(super) fn is_one_of(list: &[String], word: &str) -> bool {
    list.iter().any(|w| w.eq_ignore_ascii_case(word))
}

pub(super) fn done(id: &str, read_back: Seen) -> Next {
    Next::Done(Reply::Done {
        id: id.to_owned(),
        read_back,
    })
}

/// A ticket that nobody has touched.
pub(super) fn untouched(state: TicketState) -> Seen {
    Seen {
        state,
        touched: false,
        owner: String::new(),
        dropped: Vec::new(),
    }
}

/// Keys hold nothing that a query would act upon.
pub(super) fn plain_key(key: &str) -> Result<&str, Refusal> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'.';
    match key.bytes().all(plain) {
        true => Ok(key),
        false => Err(Refusal::Reject(format!("{key:?} is no correlation key"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tools_say_in_many_ways_when_to_come_back() {
        let now = Millis(1_795_310_000_000);
        let check = |name: &str, value: &str, expected: Option<i64>| {
            let response = Response {
                status: 429,
                headers: vec![(name.to_owned(), value.to_owned())],
                body: Vec::new(),
                at: now,
            };
            let found = retry_after(&response).map(|m| m.since(now).0);
            assert_eq!(found, expected, "{name}: {value}");
        };
        check("retry-after", "30", Some(30_000));
        check("retry-after", " 7 ", Some(7_000));
        check("retry-after", "Sun, 22 Nov 2026 01:14:20 GMT", Some(60_000));
        check("retry-after", "soon", None);
        check("x-ratelimit-reset", "1795310060", Some(60_000));
        check("x-ratelimit-reset", "2026-11-22T01:14Z", Some(40_000));
        check("ratelimit-reset", "60", Some(60_000));
        check("x-other", "60", None);
    }

    #[test]
    fn text_for_html_is_text() {
        let text = "a < b & <script>\n\"x\"";
        assert_eq!(
            html(text),
            "a &lt; b &amp; &lt;script&gt;<br>\n&quot;x&quot;"
        );
        assert_eq!(plain(&html(text)), "a < b & <script> \"x\"");
    }
}
