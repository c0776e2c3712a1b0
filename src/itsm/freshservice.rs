//! Kind `freshservice`: tickets over the REST API v2.
//!
//! What it rests on. D: the vendor's pages; 3: other people's connectors; K: known from use. Nobody publishes a
//! document that requests could be checked by: what is not D stands in keys.
//! * 3: the filter is filled minutes behind the tickets; the list is not. So the newest hundred are listed and
//!   compared here, and the filter is asked for older ones. K: both answer `custom_fields`.
//! * K: numbers rise with urgency, opposite to other tools; `status` 2 Open, 3 Pending, 4 Resolved, 5 Closed.
//! * K: an unknown custom field is refused (400 `invalid_field`), not dropped.
//! * K: descriptions and notes are HTML: text is written as HTML that says just that text.
//! * K: a ticket does not say who made it or changed it last; its activities do, by `actor`. Whom they name
//!   when a rule acts is not documented: `automation_names`.
//! * K: a ticket that was deleted is still answered, with `deleted` or `spam` set.

mod poll;
mod selftest;

use super::fill::Values;
use super::life::{self, Tool};
use super::wire::*;
use super::{
    Content, Facts, Hit, IMPOSSIBLE_KEY, Itsm, ItsmSettings, Limits, Markup, Next, Promise,
    Refusal, Reply, Seen, Step, TicketState,
};
use crate::config::keys::{KeyKind, Preset, key};
use crate::model::{Millis, Request, Response};
use serde_json::{Map, Value, json};

/// The row of this kind.
#[rustfmt::skip]
pub const ITSM: Itsm = Itsm {
    kind: "freshservice",
    keys: &[
        text("account", Preset::Required, "mail address of our own agent, whose API key is the secret"),
        text("requester", Preset::Required, "mail address of the requester of new tickets; best one of its own that gets no mail"),
        text("key_field", Preset::Toml("\"alert_key\""), "custom field (by its name in the API) that holds the correlation key"),
        key("priority", KeyKind::Map, Preset::Toml("{ P1 = \"4\", P2 = \"3\", P3 = \"2\", P4 = \"1\" }"), "priority by ours: 1 low to 4 urgent"),
        key("urgency", KeyKind::Map, Preset::Toml("{ P1 = \"3\", P2 = \"3\", P3 = \"2\", P4 = \"1\" }"), "urgency by our priority: 1 low to 3 high"),
        key("impact", KeyKind::Map, Preset::Toml("{ P1 = \"3\", P2 = \"2\", P3 = \"2\", P4 = \"1\" }"), "impact by our priority: 1 low to 3 high"),
        key("groups", KeyKind::Map, Preset::Toml("{}"), "number of the agent group by the name that the CMDB gives it"),
        text("default_group", Preset::Toml("\"\""), "number of the agent group where groups has none; \"\" leaves it to the tool"),
        key("fields", KeyKind::Map, Preset::Toml("{ type = \"Incident\" }"), "further fields of a new ticket, text or JSON"),
        key("custom_fields", KeyKind::Map, Preset::Toml("{}"), "further custom fields of a new ticket, as { ci = \"{{ci}}\" }"),
        key("resolve_fields", KeyKind::Map, Preset::Toml("{}"), "further fields of a ticket that is resolved, where the tool wants some"),
        key("new_states", KeyKind::List, Preset::Toml("[\"2\"]"), "numbers of the statuses of a ticket that nobody works on"),
        key("on_hold_states", KeyKind::List, Preset::Toml("[\"3\"]"), "those of a ticket that waits"),
        text("resolved_state", Preset::Toml("\"4\""), "that of a ticket that is over"),
        text("open_state", Preset::Toml("\"2\""), "that of a ticket that is opened again"),
        key("closed_states", KeyKind::List, Preset::Toml("[\"5\"]"), "those of a ticket that is over for good"),
        key("activities", KeyKind::Bool, Preset::Toml("true"), "read a ticket's activities to see what people did; false: only who has it, and notes, are seen"),
        key("automation_names", KeyKind::List, Preset::Toml("[\"System\", \"Workflow Automator\"]"), "names in the activities that are no person's"),
    ],
    limits: Limits {
        title: 250,
        description: 4000,
        note: 4000,
        // 3: "a few minutes" until the filter knows a ticket, should the list not show it.
        settle: Millis::secs(180),
        reopens: true,
        markup: Markup::Plain,
    },
    promise: Promise::Once,
    watches: false,
    links: |_| false,
    next: |s, facts, step, got| next_of(life::answer(&Fresh { s, facts }, step, got, probe, find, create)),
    poll: Some(poll::poll),
    hint: None,
    selftest: Some(selftest::SELFTEST),
};

/// Hits whose activities are read, to know who made them.
const MAX_HITS: usize = 4;

struct Fresh<'a> {
    s: &'a ItsmSettings,
    facts: &'a Facts,
}

/// `{"description":"Validation failed","errors":[{"field","message","code"}]}` or `{"code","message"}`
fn told(body: &Value) -> String {
    let mut parts = vec![word(body, "description"), word(body, "message")];
    for error in list(body, "errors") {
        parts.push(format!(
            "{}: {}",
            word(error, "field"),
            word(error, "message")
        ));
    }
    parts.retain(|p| !p.is_empty());
    parts.join("; ")
}

/// Our agent, and a search that must find nothing.
fn probe(fresh: &Fresh<'_>, got: &[Response]) -> Verdict {
    let account = fresh.s.options.text("account");
    let [agents, rest @ ..] = got else {
        return Ok(Next::Send(get("api/v2/agents", &[("email", account)])));
    };
    let what = format!("account {account:?}");
    let body = json_of(agents, told).map_err(stop_if_rejected(&what))?;
    let mut all = list(&body, "agents");
    let agent = all.find(|a| word(a, "email").eq_ignore_ascii_case(account));
    let Some(id) = agent.and_then(|a| number(a.get("id"))) else {
        return Err(Refusal::Stop(format!(
            "{what} is no agent, or hidden from us"
        )));
    };
    let [none, ..] = rest else {
        return Ok(Next::Send(fresh.filter(IMPOSSIBLE_KEY)?));
    };
    let body = json_of(none, told).map_err(stop_if_rejected("the search for tickets"))?;
    match list(&body, "tickets").next() {
        None => Ok(Next::Done(Reply::Facts(Facts(
            [("account".to_owned(), id)].into(),
        )))),
        Some(_) => Err(not_searchable(
            IMPOSSIBLE_KEY,
            "key_field must be searchable",
        )),
    }
}

/// The newest tickets, the filter, and who made what was found.
fn find(fresh: &Fresh<'_>, key: &str, got: &[Response]) -> Verdict {
    let key = plain_key(key)?;
    let [newest, rest @ ..] = got else {
        let query = [("per_page", "100"), ("order_type", "desc")];
        return Ok(Next::Send(get("api/v2/tickets", &query)));
    };
    let [filtered, rest @ ..] = rest else {
        json_of(newest, told)?;
        return Ok(Next::Send(fresh.filter(key)?));
    };
    let mut rows: Vec<Value> = Vec::new();
    for response in [newest, filtered] {
        let body = json_of(response, told)?;
        if body.get("tickets").is_none() {
            return Err(retry("an answer without tickets"));
        }
        for row in list(&body, "tickets").filter(|r| fresh.carries(r, key)) {
            if !rows.iter().any(|r| r.get("id") == row.get("id")) {
                rows.push(row.clone());
            }
        }
    }
    let others = list(&json_of(filtered, told)?, "tickets").next().is_some();
    if rows.is_empty() && others {
        return Err(not_searchable(key, "key_field must be searchable"));
    }
    rows.truncate(MAX_HITS);
    let mut hits = Vec::new();
    for (n, row) in rows.iter().enumerate() {
        let Some(id) = number(row.get("id")) else {
            continue;
        };
        let acts = match (fresh.s.options.bool("activities"), rest.get(n)) {
            (true, None) => return Ok(Next::Send(fresh.activities(&id)?)),
            (true, Some(acts)) => {
                let acts = activities_of(acts)?;
                // Whose it is must not be guessed: a second ticket would be opened beside our own.
                if list(&acts, "activities").next().is_none() {
                    let mend = "may our user read its activities; else set activities = false";
                    return Err(nobody_made(&id, mend));
                }
                Some(acts)
            }
            (false, _) => None,
        };
        let seen = match fresh.judge(row, acts.as_ref()) {
            // In the bin, or taken for spam: the create was executed, and the ticket is over.
            Err(Refusal::Gone(_)) => Seen {
                touched: true,
                ..untouched(TicketState::Closed)
            },
            other => other?,
        };
        hits.push(Hit {
            id,
            key: key.to_owned(),
            by_us: acts.as_ref().is_none_or(|a| fresh.made_by_us(a)),
            seen,
        });
    }
    Ok(Next::Done(Reply::Found(hits)))
}

fn create(fresh: &Fresh<'_>, key: &str, content: &Content, got: &[Response]) -> Verdict {
    let [made, rest @ ..] = got else {
        return Ok(Next::Send(fresh.new_ticket(key, content)?));
    };
    let body = json_of(made, told)?;
    let id = number(body.pointer("/ticket/id"))
        .ok_or_else(|| retry("the create answered without an id"))?;
    let reads = match life::read(fresh, &id, rest)? {
        Ok((reads, _)) => reads,
        Err(request) => return Ok(Next::Send(request)),
    };
    let mut seen = fresh.seen(&id, reads)?;
    seen.touched = false; // nobody can have touched it before it was there
    if !fresh.carries(&fresh.ticket(reads)?, key) {
        seen.dropped.push(format!(
            "ticket {id} does not carry its key, so it is not protected against a second one: is custom field {:?} on the form",
            fresh.s.options.text("key_field"),
        ));
    }
    Ok(done(&id, seen))
}

impl Fresh<'_> {
    fn filter(&self, key: &str) -> Result<Request, Refusal> {
        let field = self.s.options.text("key_field");
        let query = format!("\"{field}:'{}'\"", plain_key(key)?);
        Ok(get("api/v2/tickets/filter", &[("query", &query)]))
    }

    fn activities(&self, id: &str) -> Result<Request, Refusal> {
        Ok(get(&format!("{}/activities", path(id)?), &[]))
    }

    fn carries(&self, ticket: &Value, key: &str) -> bool {
        let fields = ticket.get("custom_fields").unwrap_or(&Value::Null);
        word(fields, self.s.options.text("key_field")) == key
    }

    fn is_us(&self, actor: &Value) -> bool {
        let id = as_text(actor.get("id"));
        !id.is_empty() && id == self.facts.get("account")
    }

    /// Whoever acted first made the ticket; the newest stand first or last.
    fn made_by_us(&self, activities: &Value) -> bool {
        let all = list(activities, "activities");
        let first = all.min_by_key(|a| word(a, "created_at"));
        first
            .and_then(|a| a.get("actor"))
            .is_some_and(|a| self.is_us(a))
    }

    fn judge(&self, ticket: &Value, activities: Option<&Value>) -> Result<Seen, Refusal> {
        let options = &self.s.options;
        let status = as_text(ticket.get("status"));
        let is = |list: &str| is_one_of(options.list(list), &status);
        let away = ["deleted", "spam"]
            .iter()
            .any(|f| ticket.get(*f).and_then(Value::as_bool) == Some(true));
        let state = match status.as_str() {
            _ if away => return Err(Refusal::Gone(String::new())),
            "" => return Err(retry("a ticket without status")),
            s if s == options.text("resolved_state") => TicketState::Resolved,
            _ if is("closed_states") => TicketState::Closed,
            _ if is("on_hold_states") => TicketState::OnHold,
            _ if is("new_states") => TicketState::New,
            _ => TicketState::Open,
        };
        let ours = self.facts.get("account");
        let owner = as_text(ticket.get("responder_id"));
        let taken = !owner.is_empty() && owner != ours;
        let acted = activities.is_some_and(|all| {
            list(all, "activities")
                .filter_map(|a| a.get("actor"))
                .any(|a| {
                    let automatic = is_one_of(options.list("automation_names"), &word(a, "name"));
                    !automatic && !self.is_us(a)
                })
        });
        let said = list(ticket, "conversations").any(|c| as_text(c.get("user_id")) != ours);
        Ok(Seen {
            state,
            // Without activities, whoever has it has touched it: a rule that assigns counts as a person then.
            touched: acted
                || said
                || (activities.is_none() && taken)
                || state == TicketState::OnHold,
            owner: if taken { owner } else { String::new() },
            dropped: Vec::new(),
        })
    }

    fn new_ticket(&self, key: &str, content: &Content) -> Result<Request, Refusal> {
        let options = &self.s.options;
        let values = Values::of(self.s, plain_key(key)?, content);
        let mut custom = values.fields(self.s, "custom_fields");
        custom.insert(options.text("key_field").to_owned(), key.into());
        let mut body = values.fields(self.s, "fields");
        body.extend(self.levels(content));
        let group = options.map_get("groups", &content.group);
        let group = numeric(group.unwrap_or(options.text("default_group")));
        let mut set = |name: &str, value: Value| body.insert(name.to_owned(), value);
        if !group.is_null() {
            set("group_id", group);
        }
        set("subject", content.title.as_str().into());
        set("description", html(&content.description).into());
        set("email", options.text("requester").into());
        set("status", numeric(options.text("open_state")));
        set("custom_fields", custom.into());
        Ok(send("POST", "api/v2/tickets", &Value::from(body)))
    }

    fn levels(&self, content: &Content) -> Map<String, Value> {
        let level = |name: &str| {
            let level = self.s.options.map_get(name, &content.priority)?;
            Some((name.to_owned(), numeric(level)))
        };
        ["priority", "urgency", "impact"]
            .into_iter()
            .filter_map(level)
            .collect()
    }

    fn ticket(&self, reads: &[Response]) -> Result<Value, Refusal> {
        let [read, ..] = reads else {
            return Err(retry("nothing was read"));
        };
        let body = json_of(read, told)?;
        body.get("ticket")
            .cloned()
            .ok_or_else(|| retry("an answer without a ticket"))
    }

    fn note(&self, id: &str, text: &str) -> Result<Request, Refusal> {
        let body = json!({ "body": html(text), "private": true });
        Ok(send("POST", &format!("{}/notes", path(id)?), &body))
    }

    fn put(&self, id: &str, body: Map<String, Value>) -> Result<Request, Refusal> {
        Ok(send("PUT", &path(id)?, &Value::from(body)))
    }

    /// Whether a note stands in a ticket that was read.
    fn is_said(&self, ticket: &Value, text: &str) -> bool {
        list(ticket, "conversations").any(|c| {
            as_text(c.get("user_id")) == self.facts.get("account")
                && is_same_note(&plain(&word(c, "body")), text)
        })
    }
}

/// The activities of a ticket: without them nobody knows whose hand it was.
fn activities_of(response: &Response) -> Result<Value, Refusal> {
    let body = json_of(response, told)?;
    match body.get("activities") {
        Some(Value::Array(_)) => Ok(body),
        Some(_) | None => Err(retry("an answer without activities")),
    }
}

fn path(id: &str) -> Result<String, Refusal> {
    let id = digits(id).ok_or_else(|| Refusal::Reject(format!("{id:?} is no ticket")))?;
    Ok(format!("api/v2/tickets/{id}"))
}

/// A number as the settings have it.
fn numeric(text: &str) -> Value {
    match text.parse::<u64>() {
        Ok(number) => Value::from(number),
        Err(_) if text.is_empty() => Value::Null,
        Err(_) => Value::from(text),
    }
}

impl Tool for Fresh<'_> {
    fn look(&self, id: &str, got: &[Response]) -> Result<Option<Request>, Refusal> {
        match got {
            [] => Ok(Some(get(&path(id)?, &[("include", "conversations")]))),
            [ticket] if self.s.options.bool("activities") => {
                json_of(ticket, told)?;
                self.activities(id).map(Some)
            }
            [_, ..] => Ok(None),
        }
    }

    fn seen(&self, id: &str, reads: &[Response]) -> Result<Seen, Refusal> {
        let ticket = self.ticket(reads)?;
        if number(ticket.get("id")).as_deref() != Some(id) {
            return Err(retry("the answer is about another ticket"));
        }
        let activities = match reads {
            [_, activities, ..] => Some(activities_of(activities)?),
            [_] | [] => None,
        };
        self.judge(&ticket, activities.as_ref())
    }

    fn act(
        &self,
        step: &Step,
        id: &str,
        now: &[Response],
        got: &[Response],
    ) -> Result<Option<Request>, Refusal> {
        let options = &self.s.options;
        let ticket = self.ticket(now)?;
        match step {
            Step::Update { content, .. } => match got {
                [] => {
                    let mut body = self.levels(content);
                    body.insert("subject".to_owned(), content.title.as_str().into());
                    body.insert("description".to_owned(), html(&content.description).into());
                    self.put(id, body).map(Some)
                }
                [put, ..] => json_of(put, told).map(|_| None),
            },
            Step::Note { text, .. } => match got {
                [] if self.is_said(&ticket, text) => Ok(None),
                [] => self.note(id, text).map(Some),
                [said, ..] => json_of(said, told).map(|_| None),
            },
            Step::Resolve { text, .. } | Step::Reopen { text, .. } => {
                let ends = matches!(step, Step::Resolve { .. });
                let got = match (self.is_said(&ticket, text), got) {
                    (true, got) => got,
                    (false, []) => return self.note(id, text).map(Some),
                    (false, [said, rest @ ..]) => {
                        json_of(said, told)?;
                        rest
                    }
                };
                match got {
                    [] => {
                        let state = if ends { "resolved_state" } else { "open_state" };
                        let values = Values::default().with("text", text);
                        let mut body = match ends {
                            true => values.fields(self.s, "resolve_fields"),
                            false => Map::new(),
                        };
                        body.insert("status".to_owned(), numeric(options.text(state)));
                        self.put(id, body).map(Some)
                    }
                    // A form that asks for more than we know: the read-back shows it, and people are told.
                    [put, ..] => match json_of(put, told) {
                        Ok(_) | Err(Refusal::Reject(_)) => Ok(None),
                        Err(other) => Err(other),
                    },
                }
            }
            Step::Link { .. }
            | Step::Probe
            | Step::Find { .. }
            | Step::Create { .. }
            | Step::Read { .. } => Ok(None),
        }
    }

    fn dropped(&self, _: &Step, _: &[Response]) -> Vec<String> {
        Vec::new()
    }
}
