//! Kind `webhook`: one request per step, made of templates, for tools that need nothing else: Asana, Trello,
//! Planner behind Power Automate, a script of your own.
//!
//! What can be promised depends on the tool. Where it can look a ticket up by its key (`find`), tickets are
//! found before they are opened, as with any other kind. Where it cannot, nobody knows what became of a create
//! whose answer was lost: `on_unknown = "park"` leaves that to a person and opens no second one, `"repeat"`
//! sends it again and so may open two.
//!
//! We do not see what people do in the tool: no ticket counts as touched. Its markup is not known either: alert
//! text is freed of everything that any tool of our acquaintance acts upon.

mod selftest;

use super::fill::{self, Values};
use super::wire::*;
use super::{
    Content, Facts, Hit, Itsm, ItsmSettings, Limits, Markup, Next, Promise, Refusal, Reply, Step,
    TicketState,
};
use crate::config::keys::{KeyKind, Preset, key};
use crate::model::{Millis, Request, Response};
use serde_json::Value;

const NONE: Preset = Preset::Toml("\"\"");

/// The row of this kind.
#[rustfmt::skip]
pub const ITSM: Itsm = Itsm {
    kind: "webhook",
    keys: &[
        text("create", Preset::Required, "method and path of a new ticket, as \"POST tasks\"; {{...}} stands for key, title, description, priority, severity, ci, root_ci, services, group, alert_count, cis, class, id, n, text; main and main_id for the incident's own ticket, where this one tells an owner of it"),
        text("create_body", Preset::Required, "its body in JSON; texts may hold {{...}}, and \"{{=alert_count}}\" becomes a number"),
        key("id", KeyKind::Pick, Preset::Absent, "where the id of the new ticket stands in the answer, as /data/gid; without it, the correlation key is the id"),
        text("update", NONE, "method and path of a change of what a ticket says, as \"PUT tasks/{{id}}\"; \"\" sends none"),
        text("update_body", NONE, "its body"),
        text("note", NONE, "method and path of a note, whose text is {{text}} and whose number is {{n}}; \"\" sends none"),
        text("note_body", NONE, "its body"),
        text("resolve", NONE, "method and path of the end of a ticket, whose note is {{text}}; \"\" sends none"),
        text("resolve_body", NONE, "its body"),
        text("find", NONE, "path of a GET that looks a ticket up, as \"tasks/external:{{key}}\""),
        key("find_id", KeyKind::Pick, Preset::Absent, "where the id of the ticket that was found stands in the answer"),
        key("find_key", KeyKind::Pick, Preset::Absent, "where its correlation key stands in the answer; another key there is no hit"),
        key("on_unknown", KeyKind::OneOf(&["park", "repeat"]), Preset::Toml("\"park\""), "without find, after a create whose answer was lost: wait for a person, or send it again"),
        key("headers", KeyKind::Map, Preset::Toml("{}"), "further headers; never a secret, which has auth"),
        key("priority", KeyKind::Map, Preset::Toml("{}"), "what {{priority}} stands for, by ours"),
        key("severity", KeyKind::Map, Preset::Toml("{}"), "what {{severity}} stands for, by ours"),
        key("groups", KeyKind::Map, Preset::Toml("{}"), "what {{group}} stands for, by the name that the CMDB gives the group"),
    ],
    limits: Limits {
        title: 200,
        description: 4000,
        note: 4000,
        settle: Millis::secs(120),
        reopens: false,
        markup: Markup::Unknown,
    },
    promise: Promise::Declared,
    watches: false,
    links: |_| false,
    next: |s, _, step, got| next_of(answer(s, step, got)),
    poll: None,
    hint: None,
    selftest: Some(selftest::SELFTEST),
};

/// Requests that have a body.
const REQUESTS: [(&str, &str); 4] = [
    ("create", "create_body"),
    ("update", "update_body"),
    ("note", "note_body"),
    ("resolve", "resolve_body"),
];

fn answer(s: &ItsmSettings, step: &Step, got: &[Response]) -> Verdict {
    let text = |id: &str, text: &str| {
        Values::of(s, "", &Content::default())
            .with("id", id)
            .with("text", text)
    };
    match step {
        Step::Probe => checked(s).map(|()| Next::Done(Reply::Facts(Facts::default()))),
        Step::Find { key, unknown } => find(s, key, *unknown, got),
        Step::Create { key, content } => create(s, key, content, got),
        Step::Update { id, content } => {
            let values = Values::of(s, "", content).with("id", id);
            one(s, "update", id, &values, TicketState::New, got)
        }
        Step::Note { id, n, text: note } => {
            let values = text(id, note).with("n", &n.to_string());
            one(s, "note", id, &values, TicketState::New, got)
        }
        Step::Resolve { id, text: note, .. } => one(
            s,
            "resolve",
            id,
            &text(id, note),
            TicketState::Resolved,
            got,
        ),
        Step::Reopen { .. } => Err(Refusal::Closed),
        Step::Link { id, .. } => Ok(done(id, untouched(TicketState::New))),
        Step::Read { .. } => Ok(Next::Done(Reply::State(untouched(TicketState::New)))),
    }
}

/// What the settings say that cannot be right. Nothing is asked of the tool, of which we know nothing.
fn checked(s: &ItsmSettings) -> Result<(), Refusal> {
    let stop = |text: String| Err(Refusal::Stop(text));
    for (name, body_name) in REQUESTS {
        let (line, body) = (s.options.text(name), s.options.text(body_name));
        if line.is_empty() {
            continue;
        }
        if method(line).is_none() {
            return stop(format!("{name}: {line:?} is not like \"POST tasks\""));
        }
        if let Err(error) = serde_json::from_str::<Value>(body)
            && !body.is_empty()
        {
            return stop(format!("{body_name} is no JSON: {error}"));
        }
        for template in [line, body] {
            if let Some(unknown) = fill::unknown_name(template) {
                return stop(format!("{name}: {{{{{unknown}}}}} stands for nothing"));
            }
        }
    }
    let finds = !s.options.text("find").is_empty();
    if finds && (s.options.pick("find_id").is_none() || s.options.pick("find_key").is_none()) {
        return stop("find needs find_id and find_key".to_owned());
    }
    Ok(())
}

/// `POST tasks/{{id}}`
fn method(line: &str) -> Option<(&'static str, &str)> {
    let (word, path) = line.split_once(' ')?;
    let method = ["POST", "PUT", "PATCH", "DELETE"]
        .into_iter()
        .find(|m| *m == word)?;
    Some((method, path.trim().trim_start_matches('/')))
}

/// The request of a step; `None` where the settings have none.
fn request(s: &ItsmSettings, name: &str, values: &Values) -> Result<Option<Request>, Refusal> {
    let line = s.options.text(name);
    if line.is_empty() {
        return Ok(None);
    }
    let (method, path) =
        method(line).ok_or_else(|| Refusal::Stop(format!("{name}: {line:?} is no request")))?;
    let body_name = REQUESTS.into_iter().find(|(n, _)| *n == name);
    let template = s.options.text(body_name.map_or("", |(_, body)| body));
    let body = match template {
        "" => Value::Null,
        template => serde_json::from_str(template)
            .map_err(|e| Refusal::Stop(format!("{name}_body is no JSON: {e}")))?,
    };
    let mut request = send(method, &values.text(path, encode), &values.json(&body));
    if template.is_empty() {
        request.body.clear();
    }
    request.headers.extend(headers(s));
    Ok(Some(request))
}

fn headers(s: &ItsmSettings) -> impl Iterator<Item = (String, String)> {
    let all = s.options.map("headers").into_iter().flatten();
    all.map(|(name, value)| header(name, value))
}

/// Any success, unless it is a page for people.
fn accepted(response: &Response) -> Result<(), Refusal> {
    match response.status {
        200..=299 if is_page(response) => Err(retry("a page instead of an answer")),
        200..=299 => Ok(()),
        _ => json_of(response, told).map(|_| ()),
    }
}

fn one(
    s: &ItsmSettings,
    name: &str,
    id: &str,
    values: &Values,
    state: TicketState,
    got: &[Response],
) -> Verdict {
    match (request(s, name, values)?, got) {
        (Some(request), []) => Ok(Next::Send(request)),
        (Some(_), [answer, ..]) => accepted(answer).map(|()| done(id, untouched(state))),
        (None, _) => Ok(done(id, untouched(state))),
    }
}

fn create(s: &ItsmSettings, key: &str, content: &Content, got: &[Response]) -> Verdict {
    let values = Values::of(s, plain_key(key)?, content);
    let [made, ..] = got else {
        let request = request(s, "create", &values)?;
        return request
            .map(Next::Send)
            .ok_or_else(|| Refusal::Stop("create is empty".to_owned()));
    };
    accepted(made)?;
    let id = match s.options.pick("id") {
        None => key.to_owned(),
        Some(pick) => {
            let body = json_of(made, told)?;
            pick.find(&body, &body)
                .ok_or_else(|| retry("the create answered without an id"))?
        }
    };
    Ok(done(&id, untouched(TicketState::New)))
}

fn find(s: &ItsmSettings, key: &str, unknown: bool, got: &[Response]) -> Verdict {
    let path = s.options.text("find");
    if path.is_empty() {
        return match unknown && s.options.text("on_unknown") == "park" {
            true => Err(Refusal::Reject(format!(
                "nobody knows whether the create of {key} was executed; look in the tool (on_unknown = \"park\")"
            ))),
            false => Ok(Next::Done(Reply::Found(Vec::new()))),
        };
    }
    let [found, ..] = got else {
        let values = Values::of(s, plain_key(key)?, &Content::default());
        let path = values.text(path.trim_start_matches('/'), encode);
        let mut request = get(&path, &[]);
        request.headers.extend(headers(s));
        return Ok(Next::Send(request));
    };
    if found.status == 404 && !is_page(found) {
        return Ok(Next::Done(Reply::Found(Vec::new())));
    }
    let body = json_of(found, told)?;
    let at = |name: &str| s.options.pick(name).and_then(|p| p.find(&body, &body));
    let hit = match (at("find_id"), at("find_key")) {
        (Some(id), Some(carried)) if carried == key => Some(Hit {
            id,
            key: carried,
            by_us: true,
            seen: untouched(TicketState::New),
        }),
        (_, _) => None,
    };
    Ok(Next::Done(Reply::Found(hit.into_iter().collect())))
}

/// Whatever an error says.
fn told(body: &Value) -> String {
    ["message", "error", "detail", "description"]
        .into_iter()
        .map(|name| word(body, name))
        .find(|text| !text.is_empty())
        .unwrap_or_else(|| body.to_string())
}
