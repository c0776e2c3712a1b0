//! Kind `zammad`: tickets over the REST API of Zammad 6 and later.
//!
//! What it rests on. D: the vendor's documentation (`zammad-documentation`, `api/`); K: known from use.
//! * D: `PUT tickets/ID` takes an article in the same call: note and state go in one.
//! * D: `expand=true` gives names instead of numbers. K: a search with it answers the tickets themselves.
//! * K: the search goes over Elasticsearch, which is filled behind the ticket; so an unknown outcome is waited
//!   for longer. Without Elasticsearch fields are not searched at all: `Probe` cannot see that, the read-back
//!   of a create by its number is no proof either. Set `key_in_title = true` there.
//! * K: an attribute that is not defined is dropped silently: the read-back compares the key.
//! * K: changes by triggers and by the scheduler are those of user `-`.
//! * K: a ticket that was merged stands in state `merged` and is linked to the other as its child.
//! * An article is `text/plain`, internal, a note: customers neither see it nor get a mail.

mod poll;
mod selftest;

use super::fill::{self, Values};
use super::hint::{Digest, Hint};
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
    kind: "zammad",
    keys: &[
        text("group", Preset::Required, "group of a new ticket where groups names no better one"),
        text("customer", Preset::Required, "mail address of the user that stands as customer; best one of its own that gets no mail"),
        key("groups", KeyKind::Map, Preset::Toml("{}"), "further groups by the name that the CMDB gives them"),
        text("key_attribute", Preset::Toml("\"alert_key\""), "attribute of the ticket that holds the correlation key"),
        key("key_in_title", KeyKind::Bool, Preset::Toml("false"), "the key stands in the title as well, and is searched there: for a Zammad without Elasticsearch"),
        key("priority", KeyKind::Map, Preset::Toml("{ P1 = \"3 high\", P2 = \"3 high\", P3 = \"2 normal\", P4 = \"1 low\" }"), "name of the priority by ours; {} leaves it to the tool"),
        text("tags", Preset::Toml("\"\""), "tags of a new ticket, with commas between them"),
        key("fields", KeyKind::Map, Preset::Toml("{}"), "further attributes of a new ticket, text or JSON, as { ci = \"{{ci}}\" }"),
        key("new_states", KeyKind::List, Preset::Toml("[\"new\"]"), "states of a ticket that nobody works on"),
        key("on_hold_states", KeyKind::List, Preset::Toml("[\"pending reminder\", \"pending close\"]"), "states of a ticket that waits"),
        text("resolved_state", Preset::Toml("\"closed\""), "state of a ticket that is over"),
        text("open_state", Preset::Toml("\"open\""), "state of a ticket that is opened again"),
        key("closed_states", KeyKind::List, Preset::Toml("[\"removed\"]"), "states of a ticket that is over for good"),
        key("automation_accounts", KeyKind::List, Preset::Toml("[]"), "logins whose changes are no person's, besides the tool's own"),
    ],
    limits: Limits {
        title: 200,
        description: 4000,
        note: 4000,
        // K: the index is filled by a job behind the ticket.
        settle: Millis::secs(180),
        reopens: true,
        markup: Markup::Plain,
    },
    promise: Promise::Once,
    watches: false,
    links: |_| false,
    next: |s, facts, step, got| next_of(life::answer(&Zammad { s, facts }, step, got, probe, find, create)),
    poll: Some(poll::poll),
    hint: Some(HINT),
    selftest: Some(selftest::SELFTEST),
};

/// Zammad, D: `X-Hub-Signature: sha1=...` of the raw body, with the ticket in it.
const HINT: Hint = Hint {
    header: "x-hub-signature",
    mark: "sha1=",
    digest: Digest::Sha1,
    names: |body| number(body.pointer("/ticket/id")).into_iter().collect(),
    needs: None,
};

struct Zammad<'a> {
    s: &'a ItsmSettings,
    facts: &'a Facts,
}

fn told(body: &Value) -> String {
    let human = word(body, "error_human");
    if human.is_empty() {
        word(body, "error")
    } else {
        human
    }
}

/// Who we are, and a search that must find nothing.
fn probe(zammad: &Zammad<'_>, got: &[Response]) -> Verdict {
    let [me, rest @ ..] = got else {
        return Ok(Next::Send(get("api/v1/users/me", &[])));
    };
    let me = json_of(me, told).map_err(stop_if_rejected("the login"))?;
    let login = word(&me, "login");
    if login.is_empty() {
        return Err(Refusal::Stop("the login is that of nobody".to_owned()));
    }
    let [none, ..] = rest else {
        return Ok(Next::Send(zammad.search(IMPOSSIBLE_KEY)?));
    };
    match tickets(none)
        .map_err(stop_if_rejected("the search for tickets"))?
        .is_empty()
    {
        true => Ok(Next::Done(Reply::Facts(Facts(
            [("account".to_owned(), login)].into(),
        )))),
        false => Err(not_searchable(IMPOSSIBLE_KEY, MEND)),
    }
}

/// Tickets asked for in a search by key; there should be one.
const HITS: usize = 20;
const MEND: &str = "key_attribute must be an attribute of the ticket that Elasticsearch knows";

/// The tickets of a search, in both shapes that it comes in.
fn tickets(found: &Response) -> Result<Vec<Value>, Refusal> {
    let body = json_of(found, told)?;
    match &body {
        Value::Array(rows) => Ok(rows.clone()),
        Value::Object(map) if map.contains_key("tickets") => {
            let all = body.pointer("/assets/Ticket").and_then(Value::as_object);
            Ok(all.into_iter().flatten().map(|(_, t)| t.clone()).collect())
        }
        _neither => Err(retry("a search without tickets")),
    }
}

fn find(zammad: &Zammad<'_>, key: &str, got: &[Response]) -> Verdict {
    let [found, ..] = got else {
        return Ok(Next::Send(zammad.search(key)?));
    };
    let all = tickets(found)?;
    let mut hits = Vec::new();
    // Compared on our side; a search for words finds more than the key.
    for ticket in all.iter().filter(|t| zammad.carries(t, key)) {
        let state = zammad.judge(ticket)?;
        if let (Some(id), Some(seen)) = (number(ticket.get("id")), state) {
            let who = word(ticket, "created_by");
            hits.push(Hit {
                by_us: made_by(&id, &who, "created_by", |who| zammad.is_us(who))?,
                id: shown_id(ticket, &id),
                key: key.to_owned(),
                seen,
            });
        }
    }
    if hits.is_empty() && all.len() >= HITS {
        return Err(not_searchable(key, MEND)); // so many others: ours may be behind them
    }
    Ok(Next::Done(Reply::Found(hits)))
}

/// `NUMBER#ID`: people know a ticket by its number.
fn shown_id(ticket: &Value, id: &str) -> String {
    match number(ticket.get("number")) {
        Some(number) => format!("{number}#{id}"),
        None => id.to_owned(),
    }
}

fn create(zammad: &Zammad<'_>, key: &str, content: &Content, got: &[Response]) -> Verdict {
    let [made, rest @ ..] = got else {
        return Ok(Next::Send(zammad.new_ticket(key, content)?));
    };
    let made = json_of(made, told)?;
    let id = number(made.get("id")).ok_or_else(|| retry("the create answered without an id"))?;
    let id = shown_id(&made, &id);
    let reads = match life::read(zammad, &id, rest)? {
        Ok((reads, _)) => reads,
        Err(request) => return Ok(Next::Send(request)),
    };
    let mut seen = zammad.seen(&id, reads)?;
    seen.touched = false; // nobody can have touched it before it was there
    let carries = reads.first().map(|r| json_of(r, told)).transpose()?;
    if !carries.is_some_and(|t| zammad.carries(&t, key)) {
        seen.dropped.push(format!(
            "ticket {} does not carry its key, so it is not protected against a second one: is {:?} an attribute of tickets that our user may set",
            super::shown(&id),
            zammad.s.options.text("key_attribute"),
        ));
    }
    Ok(done(&id, seen))
}

impl Zammad<'_> {
    fn address<'i>(&self, id: &'i str) -> Result<&'i str, Refusal> {
        let address = id.rsplit('#').next().unwrap_or_default();
        digits(address).ok_or_else(|| Refusal::Reject(format!("{id:?} is no ticket")))
    }

    fn is_us(&self, login: &str) -> bool {
        !login.is_empty() && login.eq_ignore_ascii_case(self.facts.get("account"))
    }

    fn search(&self, key: &str) -> Result<Request, Refusal> {
        let key = plain_key(key)?;
        let field = match self.s.options.bool("key_in_title") {
            true => "title",
            false => self.s.options.text("key_attribute"),
        };
        let (query, limit) = (format!("{field}:\"{key}\""), HITS.to_string());
        let query = [
            ("query", query.as_str()),
            ("limit", limit.as_str()),
            ("expand", "true"),
        ];
        Ok(get("api/v1/tickets/search", &query))
    }

    fn carries(&self, ticket: &Value, key: &str) -> bool {
        let titled = self.s.options.bool("key_in_title");
        let in_title = titled && fill::key_in(&word(ticket, "title")) == key;
        in_title || word(ticket, self.s.options.text("key_attribute")) == key
    }

    fn title(&self, key: &str, title: &str) -> String {
        match self.s.options.bool("key_in_title") {
            true => fill::with_key(title, key),
            false => title.to_owned(),
        }
    }

    fn new_ticket(&self, key: &str, content: &Content) -> Result<Request, Refusal> {
        let options = &self.s.options;
        let group = options.map_get("groups", &content.group);
        let mut body = Values::of(self.s, plain_key(key)?, content).fields(self.s, "fields");
        body.extend(self.priority(content));
        let mut set = |name: &str, value: Value| body.insert(name.to_owned(), value);
        set("title", self.title(key, &content.title).into());
        set("group", group.unwrap_or(options.text("group")).into());
        set(
            "customer_id",
            format!("guess:{}", options.text("customer")).into(),
        );
        set(options.text("key_attribute"), key.into());
        set("article", article(&content.description));
        if !options.text("tags").is_empty() {
            set("tags", options.text("tags").into());
        }
        Ok(send("POST", "api/v1/tickets", &Value::from(body)))
    }

    fn priority(&self, content: &Content) -> Map<String, Value> {
        let name = self.s.options.map_get("priority", &content.priority);
        let pair = |n: &str| ("priority".to_owned(), Value::from(n));
        name.map(pair).into_iter().collect()
    }

    /// How a ticket stands; `None` for one that was merged.
    fn judge(&self, ticket: &Value) -> Result<Option<Seen>, Refusal> {
        let options = &self.s.options;
        let name = word(ticket, "state");
        let is = |list: &str| is_one_of(options.list(list), &name);
        let state = match name.as_str() {
            "" => return Err(retry("a ticket without state")),
            "merged" => return Ok(None),
            _ if name.eq_ignore_ascii_case(options.text("resolved_state")) => TicketState::Resolved,
            _ if is("closed_states") => TicketState::Closed,
            _ if is("on_hold_states") => TicketState::OnHold,
            _ if is("new_states") => TicketState::New,
            _ => TicketState::Open,
        };
        let person = |login: &str| {
            let automatic = is_one_of(options.list("automation_accounts"), login);
            !matches!(login, "" | "-") && !automatic && !self.is_us(login)
        };
        let owner = word(ticket, "owner");
        let taken = person(&owner);
        Ok(Some(Seen {
            state,
            touched: taken || person(&word(ticket, "updated_by")) || state == TicketState::OnHold,
            owner: if taken { owner } else { String::new() },
            dropped: Vec::new(),
        }))
    }

    fn put(&self, id: &str, body: &Value) -> Result<Request, Refusal> {
        Ok(send(
            "PUT",
            &format!("api/v1/tickets/{}", self.address(id)?),
            body,
        ))
    }
}

/// A note that customers do not see.
fn article(text: &str) -> Value {
    json!({ "body": text, "content_type": "text/plain", "type": "note", "internal": true })
}

impl Tool for Zammad<'_> {
    /// The ticket; and its links, if a person merged it.
    fn look(&self, id: &str, got: &[Response]) -> Result<Option<Request>, Refusal> {
        let address = self.address(id)?;
        match got {
            [] => Ok(Some(get(
                &format!("api/v1/tickets/{address}"),
                &[("expand", "true")],
            ))),
            [ticket] if self.judge(&json_of(ticket, told)?)?.is_none() => Ok(Some(get(
                "api/v1/links",
                &[("link_object", "Ticket"), ("link_object_value", address)],
            ))),
            [_, ..] => Ok(None),
        }
    }

    fn seen(&self, id: &str, reads: &[Response]) -> Result<Seen, Refusal> {
        let [ticket, links @ ..] = reads else {
            return Err(retry("nothing was read"));
        };
        let ticket = json_of(ticket, told)?;
        if number(ticket.get("id")).as_deref() != Some(self.address(id)?) {
            return Err(retry("the answer is about another ticket"));
        }
        match (self.judge(&ticket)?, links) {
            (Some(seen), _) => Ok(seen),
            (None, links) => {
                let body = links.first().map(|l| json_of(l, told)).transpose()?;
                let body = body.unwrap_or_default();
                let parent = list(&body, "links").find(|l| word(l, "link_type") == "parent");
                let other = parent.and_then(|l| number(l.get("link_object_value")));
                Err(Refusal::Gone(other.unwrap_or_default()))
            }
        }
    }

    fn act(
        &self,
        step: &Step,
        id: &str,
        now: &[Response],
        got: &[Response],
    ) -> Result<Option<Request>, Refusal> {
        if let [taken, ..] = got {
            return json_of(taken, told).map(|_| None);
        }
        let with = |state: &str, text: &str| {
            let body = json!({ "state": self.s.options.text(state), "article": article(text) });
            self.put(id, &body).map(Some)
        };
        match step {
            Step::Update { content, .. } => {
                let mut body = self.priority(content);
                let ticket = now.first().map(|r| json_of(r, told)).transpose()?;
                let key = fill::key_in(&word(&ticket.unwrap_or_default(), "title"));
                let title = self.title(&key, &content.title);
                body.insert("title".to_owned(), title.into());
                self.put(id, &Value::from(body)).map(Some)
            }
            Step::Note { text, .. } => self.put(id, &json!({ "article": article(text) })).map(Some),
            Step::Resolve { text, .. } => with("resolved_state", text),
            Step::Reopen { text, .. } => with("open_state", text),
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
