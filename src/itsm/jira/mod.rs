//! Kinds `jira` and `jira_dc`: Jira and Jira Service Management, Cloud over REST v3, Data Center over REST v2.
//!
//! What the steps below rest on. D: the vendor's documentation or its OpenAPI document; K: known from use and
//! not proven here, therefore behind a key of the configuration or checked on every answer.
//! * D: a search (JQL) is not read-after-write; it lags by seconds to minutes. So the key is a label, which can
//!   be searched, and an unknown outcome is waited for longer than elsewhere. An issue is always read by its id.
//! * D: entity properties go in with the create. The label is what we find by; a copy of an issue has the
//!   label too, so the creator is compared as well.
//! * D: v3 takes texts as documents (ADF) only, whose text nodes are never read as marks; v2 takes wiki text.
//! * D: a transition is chosen among those that the issue offers, by the status that it leads to: their ids
//!   differ by workflow. There may be none that leads back: then the ticket counts as closed.
//! * D: an issue does not say who changed it last: the changelog and the comments do. What apps did is no
//!   person's hand (`accountType`; Data Center has none: `automation_accounts`).
//! * K: a comment with the property `sd.public.comment` `{"internal": true}` is not shown to customers.
//! * K: a label has no blanks and at most 255 characters.
//! * D: 404 stands for "deleted" and for "hidden from you": if our user loses the right to browse the project,
//!   its tickets count as deleted. Do not take that right away while incidents are open.
//! * A comment that stands there already is not written again: comments come with the issue.
//!
//! A ticket's id is `KEY#ID`: an issue keeps its id when it is moved to another project.

mod adf;
mod link;
mod poll;
mod selftest;
mod wire;

use super::fill::Values;
use super::life::{self, Tool};
use super::wire::*;
use super::{
    Content, Facts, Hit, IMPOSSIBLE_KEY, Itsm, ItsmSettings, Limits, Markup, Next, Promise,
    Refusal, Reply, Seen, Step, TicketState,
};
use crate::config::keys::{Key, KeyKind, Preset, key};
use crate::model::{Millis, Request, Response};
use serde_json::{Map, Value, json};
use wire::{Jira, told};

#[rustfmt::skip]
const KEYS: &[Key] = &[
    text("project", Preset::Required, "key of the project that tickets are opened in"),
    text("issue_type", Preset::Toml("\"[System] Incident\""), "name of the issue type; Incident in projects without service management"),
    key("priority", KeyKind::Map, Preset::Toml("{ P1 = \"Highest\", P2 = \"High\", P3 = \"Medium\", P4 = \"Low\" }"), "name of the priority by ours; {} leaves it to the tool"),
    key("groups", KeyKind::Map, Preset::Toml("{}"), "what {{group}} stands for in fields, by the name that the CMDB gives the group"),
    key("labels", KeyKind::List, Preset::Toml("[]"), "further labels of a new ticket"),
    key("fields", KeyKind::Map, Preset::Toml("{}"), "further fields of a new ticket, text or JSON, as { customfield_10010 = '{\"value\": \"{{group}}\"}' }"),
    key("resolved_status", KeyKind::List, Preset::Toml("[\"Resolved\", \"Done\", \"Completed\"]"), "statuses that end a ticket, the first that its workflow offers"),
    key("closed_status", KeyKind::List, Preset::Toml("[\"Closed\", \"Canceled\", \"Cancelled\", \"Declined\"]"), "statuses of a ticket that is over for good"),
    key("on_hold_status", KeyKind::List, Preset::Toml("[\"Pending\", \"On hold\", \"Waiting for customer\"]"), "statuses of a ticket that waits"),
    key("reopened_status", KeyKind::List, Preset::Toml("[\"Reopened\", \"Open\", \"To Do\", \"In Progress\", \"Work in progress\"]"), "statuses of a ticket that is opened again, the first that its workflow offers, else any that is not over"),
    text("resolution", Preset::Toml("\"Done\""), "resolution, where the step that resolves asks for one"),
    key("automation_accounts", KeyKind::List, Preset::Toml("[]"), "account ids (Data Center: user names) whose changes are no person's, besides apps"),
    text("property", Preset::Toml("\"correlated\""), "name of the entity property that also holds the key"),
    text("link_type", Preset::Toml("\"Relates\""), "type of the link between two tickets"),
];

const LIMITS: Limits = Limits {
    title: 240,
    description: 4000,
    note: 4000,
    // D: "seconds to minutes" until a search shows a new issue.
    settle: Millis::secs(180),
    reopens: true,
    markup: Markup::Plain,
};

/// Exchanges of an update that is taken: read, write, read back. What follows is sent besides.
const UPDATE: usize = 3;

/// The row of the Cloud kind.
pub const ITSM: Itsm = Itsm {
    kind: "jira",
    keys: KEYS,
    limits: LIMITS,
    promise: Promise::Once,
    watches: false,
    links: |_| true,
    next: |s, facts, step, got| {
        next_of(answer(
            Jira {
                s,
                facts,
                cloud: true,
            },
            step,
            got,
        ))
    },
    poll: Some(poll::cloud),
    hint: Some(wire::HINT),
    selftest: Some(selftest::CLOUD),
};

/// The row of the Data Center kind.
pub const DATA_CENTER: Itsm = Itsm {
    kind: "jira_dc",
    limits: Limits {
        markup: Markup::Wiki,
        ..LIMITS
    },
    next: |s, facts, step, got| {
        next_of(answer(
            Jira {
                s,
                facts,
                cloud: false,
            },
            step,
            got,
        ))
    },
    poll: Some(poll::data_center),
    selftest: Some(selftest::DATA_CENTER),
    ..ITSM
};

fn answer(jira: Jira<'_>, step: &Step, got: &[Response]) -> Verdict {
    match step {
        Step::Update { content, .. } => {
            let (own, more) = got.split_at(got.len().min(UPDATE));
            let end = life::answer(&jira, step, own, probe, find, create);
            link::after_update(&jira, content, end, more)
        }
        _ => life::answer(&jira, step, got, probe, find, create),
    }
}

/// Who we are, a search that must find nothing, the issue type, its fields.
fn probe(jira: &Jira<'_>, got: &[Response]) -> Verdict {
    let [me, rest @ ..] = got else {
        return Ok(Next::Send(get(&jira.api("myself"), &[])));
    };
    let me = json_of(me, told).map_err(stop_if_rejected("the login"))?;
    let account = jira.account(&me);
    if account.is_empty() {
        return Err(Refusal::Stop("the login is that of nobody".to_owned()));
    }
    let [none, rest @ ..] = rest else {
        return Ok(Next::Send(jira.search(IMPOSSIBLE_KEY)?));
    };
    let body = json_of(none, told).map_err(stop_if_rejected("the search for tickets"))?;
    if list(&body, "issues").next().is_some() {
        let mend = "labels must be searchable in the project";
        return Err(not_searchable(IMPOSSIBLE_KEY, mend));
    }
    let project = jira.s.options.text("project");
    let types = format!("issue/createmeta/{}/issuetypes", encode(project));
    let [found, rest @ ..] = rest else {
        return Ok(Next::Send(get(&jira.api(&types), &[("maxResults", "200")])));
    };
    let what = format!("project {project:?}");
    let body = json_of(found, told).map_err(stop_if_rejected(&what))?;
    let wanted = jira.s.options.text("issue_type");
    let one = list(&body, "issueTypes")
        .chain(list(&body, "values"))
        .find(|t| word(t, "name").eq_ignore_ascii_case(wanted))
        .and_then(|t| number(t.get("id")));
    let Some(id) = one else {
        return Err(Refusal::Stop(format!(
            "{what} has no issue type {wanted:?} that we may create; name another one in issue_type"
        )));
    };
    let [fields, ..] = rest else {
        let path = jira.api(&format!("{types}/{id}"));
        return Ok(Next::Send(get(&path, &[("maxResults", "200")])));
    };
    let body = json_of(fields, told).map_err(stop_if_rejected(&what))?;
    let names: Vec<String> = list(&body, "fields")
        .chain(list(&body, "values"))
        .map(|f| word(f, "fieldId"))
        .collect();
    if !names.is_empty() && !names.iter().any(|n| n == "labels") {
        return Err(Refusal::Stop(format!(
            "{what}: labels is not on the create screen of {wanted:?}; the correlation key goes there"
        )));
    }
    let mut facts = Facts::default();
    facts.0.insert("account".to_owned(), account);
    if !names.is_empty() && !names.iter().any(|n| n == "priority") {
        facts.0.insert("no_priority".to_owned(), "yes".to_owned());
    }
    Ok(Next::Done(Reply::Facts(facts)))
}

fn find(jira: &Jira<'_>, key: &str, got: &[Response]) -> Verdict {
    let [found, ..] = got else {
        return Ok(Next::Send(jira.search(key)?));
    };
    let body = json_of(found, told)?;
    let Some(issues) = body.get("issues").and_then(Value::as_array) else {
        return Err(retry("a search without issues"));
    };
    let mut hits = Vec::new();
    // Compared on our side: a clause that is ignored would answer everything.
    for issue in issues.iter().filter(|i| jira.carries(i, key)) {
        let Some(id) = jira.id_of(issue) else {
            continue;
        };
        let creator = issue.pointer("/fields/creator").unwrap_or(&Value::Null);
        hits.push(Hit {
            by_us: made_by(&id, &jira.account(creator), "creator", |_| {
                jira.is_us(creator)
            })?,
            id,
            key: key.to_owned(),
            seen: jira.judge(issue)?,
        });
    }
    if hits.is_empty() && !issues.is_empty() {
        return Err(not_searchable(
            key,
            "labels must be searchable in the project",
        ));
    }
    Ok(Next::Done(Reply::Found(hits)))
}

fn create(jira: &Jira<'_>, key: &str, content: &Content, got: &[Response]) -> Verdict {
    let [first, rest @ ..] = got else {
        return Ok(Next::Send(jira.new_issue(key, content, &[])?));
    };
    // A field that is not on the screen, or a value that the tool does not have: a ticket without it is better
    // than none. A refused create was not executed.
    let refused = jira.refused_fields(content, first);
    let (made, rest) = match (refused.is_empty(), rest) {
        (true, rest) => (first, rest),
        (false, []) => return Ok(Next::Send(jira.new_issue(key, content, &refused)?)),
        (false, [second, rest @ ..]) => (second, rest),
    };
    let made = json_of(made, told)?;
    let id = jira
        .id_of(&made)
        .ok_or_else(|| retry("the create answered without an id"))?;
    let [back, rest @ ..] = rest else {
        return Ok(Next::Send(jira.read(&id)?));
    };
    let issue = json_of(back, told)?;
    let mut seen = jira.judge(&issue)?;
    seen.touched = false; // nobody can have touched it before it was there
    seen.dropped = refused
        .iter()
        .map(|name| format!("field {name:?} is refused, and left out"))
        .collect();
    if refused.is_empty() {
        seen.dropped.extend(jira.not_taken(content, &issue));
    }
    if !jira.carries(&issue, key) {
        seen.dropped.push(format!(
            "ticket {} does not carry its key, so it is not protected against a second one: may our user set labels",
            super::shown(&id)
        ));
    }
    link::of_new(jira, &id, content, seen, rest)
}

impl Tool for Jira<'_> {
    fn look(&self, id: &str, got: &[Response]) -> Result<Option<Request>, Refusal> {
        match got {
            [] => self.read(id).map(Some),
            [_, ..] => Ok(None),
        }
    }

    fn seen(&self, id: &str, reads: &[Response]) -> Result<Seen, Refusal> {
        let issue = self.issue(reads)?;
        match number(issue.get("id")) {
            Some(found) if found == self.address(id)? => self.judge(&issue),
            Some(_) => Err(retry("the answer is about another ticket")),
            None => Err(retry("a ticket without id")),
        }
    }

    fn act(
        &self,
        step: &Step,
        id: &str,
        now: &[Response],
        got: &[Response],
    ) -> Result<Option<Request>, Refusal> {
        match step {
            Step::Update { content, .. } => match got {
                [] => Ok(Some(self.changed(id, content)?)),
                [put, ..] => taken(put, told).map(|()| None),
            },
            Step::Note { text, .. } => Ok(self.say(id, text, now, got)?.err()),
            Step::Resolve { text, .. } => match self.say(id, text, now, got)? {
                Err(say) => Ok(Some(say)),
                Ok(rest) => self.turn(id, rest, true),
            },
            Step::Reopen { text, .. } => {
                // A workflow without a way back: nothing is said on a ticket that stays closed.
                let [offered, rest @ ..] = got else {
                    return Ok(Some(self.transitions(id)?));
                };
                if self.way(offered, false)?.is_none() {
                    return Err(Refusal::Closed);
                }
                match self.say(id, text, now, rest)? {
                    Err(say) => Ok(Some(say)),
                    Ok(rest) => self.turn_by(id, offered, rest, false),
                }
            }
            Step::Link { other, .. } => match got {
                [] => Ok(Some(self.link(id, other)?)),
                [made, ..] if made.status == 201 => Ok(None),
                [made, ..] => taken(made, told).map(|()| None),
            },
            Step::Probe | Step::Find { .. } | Step::Create { .. } | Step::Read { .. } => Ok(None),
        }
    }

    fn dropped(&self, step: &Step, back: &[Response]) -> Vec<String> {
        match (step, self.issue(back)) {
            (Step::Update { content, .. }, Ok(issue)) => self.not_taken(content, &issue),
            (_, _) => Vec::new(),
        }
    }
}

impl Jira<'_> {
    fn read(&self, id: &str) -> Result<Request, Refusal> {
        let path = self.api(&format!("issue/{}", self.address(id)?));
        Ok(get(
            &path,
            &[
                ("fields", wire::FIELDS),
                ("expand", "changelog"),
                ("properties", self.s.options.text("property")),
            ],
        ))
    }

    /// The issue that was read.
    fn issue(&self, reads: &[Response]) -> Result<Value, Refusal> {
        match reads {
            [read, ..] => json_of(read, told),
            [] => Err(retry("nothing was read")),
        }
    }

    /// What an untouched ticket shall say now.
    fn changed(&self, id: &str, content: &Content) -> Result<Request, Refusal> {
        let mut fields = Map::new();
        fields.insert("summary".to_owned(), Value::from(content.title.as_str()));
        fields.insert(
            "description".to_owned(),
            self.document(&content.description),
        );
        if let Some(priority) = self.priority(content) {
            fields.insert("priority".to_owned(), json!({ "name": priority }));
        }
        let path = self.api(&format!("issue/{}", self.address(id)?));
        Ok(send("PUT", &path, &json!({ "fields": fields })))
    }

    /// A comment, unless it stands there: then, or once it is taken, the answers that follow it.
    fn say<'r>(
        &self,
        id: &str,
        text: &str,
        now: &[Response],
        got: &'r [Response],
    ) -> Result<Result<&'r [Response], Request>, Refusal> {
        if self.is_said(&self.issue(now)?, text) {
            return Ok(Ok(got));
        }
        match got {
            [] => Ok(Err(self.comment(id, text)?)),
            [said, rest @ ..] => {
                json_of(said, told)?;
                Ok(Ok(rest))
            }
        }
    }

    /// Ends the ticket or opens it again, if its workflow offers a way.
    fn turn(&self, id: &str, got: &[Response], end: bool) -> Result<Option<Request>, Refusal> {
        match got {
            [] => Ok(Some(self.transitions(id)?)),
            [offered, rest @ ..] => self.turn_by(id, offered, rest, end),
        }
    }

    fn turn_by(
        &self,
        id: &str,
        offered: &Response,
        got: &[Response],
        end: bool,
    ) -> Result<Option<Request>, Refusal> {
        match (self.way(offered, end)?, got) {
            (None, _) => Ok(None),
            (Some(way), []) => Ok(Some(self.transition(id, &way)?)),
            (Some(_), [moved, ..]) => match taken(moved, told) {
                // A screen that asks for more than we know: the read-back shows it, and people are told.
                Ok(()) | Err(Refusal::Reject(_)) => Ok(None),
                Err(other) => Err(other),
            },
        }
    }

    /// Fields of a new ticket that it can do without.
    fn optional(&self, content: &Content) -> Map<String, Value> {
        let mut fields = Values::of(self.s, "", content).fields(self.s, "fields");
        if let Some(priority) = self.priority(content) {
            fields.insert("priority".to_owned(), json!({ "name": priority }));
        }
        fields
    }

    fn new_issue(
        &self,
        key: &str,
        content: &Content,
        without: &[String],
    ) -> Result<Request, Refusal> {
        let options = &self.s.options;
        let key = plain_key(key)?;
        let mut fields = self.optional(content);
        fields.retain(|name, _| !without.contains(name));
        let mut labels = vec![Value::from(key)];
        labels.extend(
            options
                .list("labels")
                .iter()
                .map(|l| Value::from(l.as_str())),
        );
        fields.extend([
            (
                "project".to_owned(),
                json!({ "key": options.text("project") }),
            ),
            (
                "issuetype".to_owned(),
                json!({ "name": options.text("issue_type") }),
            ),
            ("summary".to_owned(), Value::from(content.title.as_str())),
            (
                "description".to_owned(),
                self.document(&content.description),
            ),
            ("labels".to_owned(), Value::from(labels)),
        ]);
        let property = json!({ "key": options.text("property"), "value": { "key": key } });
        let body = json!({ "fields": fields, "properties": [property] });
        Ok(send("POST", &self.api("issue"), &body))
    }

    /// The optional fields that a create was refused for, if it was for them alone.
    fn refused_fields(&self, content: &Content, answer: &Response) -> Vec<String> {
        if answer.status != 400 {
            return Vec::new();
        }
        let body = serde_json::from_slice::<Value>(&answer.body).unwrap_or_default();
        let errors = body.get("errors").and_then(Value::as_object);
        let names: Vec<String> = errors
            .into_iter()
            .flatten()
            .map(|(n, _)| n.clone())
            .collect();
        let optional = self.optional(content);
        match names.iter().all(|n| optional.contains_key(n)) {
            true => names,
            false => Vec::new(),
        }
    }

    /// What stands in a ticket otherwise than it was written. Texts are not compared: the tool tidies them.
    fn not_taken(&self, content: &Content, issue: &Value) -> Vec<String> {
        let found = issue
            .pointer("/fields/priority/name")
            .and_then(Value::as_str);
        let wanted = self.priority(content);
        match (wanted, found) {
            (Some(wanted), found) if found.is_none_or(|f| f != wanted) => {
                vec![format!("priority did not take {wanted:?}")]
            }
            (_, _) => Vec::new(),
        }
    }
}

/// How a ticket stands, by the category of its status.
fn state_of(s: &ItsmSettings, issue: &Value) -> Result<TicketState, Refusal> {
    let name = as_text(issue.pointer("/fields/status/name"));
    let category = as_text(issue.pointer("/fields/status/statusCategory/key"));
    let is = |list: &str| is_one_of(s.options.list(list), &name);
    match category.as_str() {
        "" => Err(retry("a ticket without status")),
        "done" if is("closed_status") => Ok(TicketState::Closed),
        "done" => Ok(TicketState::Resolved),
        _ if is("on_hold_status") => Ok(TicketState::OnHold),
        "new" => Ok(TicketState::New),
        _ => Ok(TicketState::Open),
    }
}
