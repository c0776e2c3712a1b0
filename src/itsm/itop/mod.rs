//! Kind `itop`: incidents of iTop 3 over its REST/JSON service.
//!
//! What it rests on. S: the product's source (`restservices`, `applicationextension`, `ormcaselog`, the data
//! model `itop-incident-mgmt-itil`); K: known from use.
//! * S: every call is a POST of the form field `json_data`; HTTP is always 200 and the verdict is `code`: 0 good,
//!   1 bad login, 100 anything else, with a sentence. `objects` is null where nothing was found.
//! * S: a state is changed by a stimulus only. (An update of `status` is taken and goes past the workflow, so it
//!   is never sent.) A new ticket cannot be resolved: it is assigned first, to `team` and `agent`.
//! * S: the stock model has no spare field: the key stands at the end of the title, unless `key_attribute` names
//!   one. The search is OQL over the database: what was made is found at once.
//! * S: a write carries a comment, and the history names it as the author (`userinfo`); what a person does in
//!   the pages bears the name of that person. So the history tells whose hand it was.
//! * S: the log takes an entry with `format` "text", which is shown as it is; a list of entries would replace the
//!   log. The description is HTML: text is written as HTML that says just that text.

mod poll;
mod selftest;
mod wire;

use super::fill::{self, Values};
use super::life::{self, Tool};
use super::wire::*;
use super::{
    Content, Facts, Hit, IMPOSSIBLE_KEY, Itsm, ItsmSettings, Limits, Markup, Next, Promise,
    Refusal, Reply, Seen, Step, TicketState,
};
use crate::config::keys::{KeyKind, Preset, key};
use crate::model::{Millis, Request, Response};
use serde_json::{Map, Value, json};
use wire::{address, entry, id_of, objects, quoted, read, ticket};

/// The row of this kind.
#[rustfmt::skip]
pub const ITSM: Itsm = Itsm {
    kind: "itop",
    keys: &[
        text("organization", Preset::Required, "name of the organization that tickets belong to"),
        text("class", Preset::Toml("\"Incident\""), "class of a ticket; UserRequest in some installations"),
        text("key_attribute", Preset::Toml("\"\""), "attribute that holds the correlation key; \"\" puts it at the end of the title"),
        text("comment", Preset::Toml("\"correlated\""), "how the history names us; no other integration may use the same"),
        key("impact", KeyKind::Map, Preset::Toml("{ P1 = \"1\", P2 = \"2\", P3 = \"2\", P4 = \"3\" }"), "impact by our priority: 1 a department to 3 a person"),
        key("urgency", KeyKind::Map, Preset::Toml("{ P1 = \"1\", P2 = \"2\", P3 = \"3\", P4 = \"4\" }"), "urgency by our priority: 1 critical to 4 low"),
        text("team", Preset::Toml("\"\""), "team that a new ticket is assigned to before it is resolved, in OQL: SELECT Team WHERE name = 'Monitoring'"),
        text("agent", Preset::Toml("\"\""), "person of that team, likewise"),
        key("fields", KeyKind::Map, Preset::Toml("{ origin = \"monitoring\" }"), "further attributes of a new ticket, text or JSON"),
        key("resolve_fields", KeyKind::Map, Preset::Toml("{ resolution_code = \"other\" }"), "further attributes of a ticket that is resolved"),
        key("new_states", KeyKind::List, Preset::Toml("[\"new\", \"escalated_tto\"]"), "states of a ticket that nobody works on"),
        key("on_hold_states", KeyKind::List, Preset::Toml("[\"pending\"]"), "states of a ticket that waits"),
        text("resolved_state", Preset::Toml("\"resolved\""), "state of a ticket that is over"),
        key("closed_states", KeyKind::List, Preset::Toml("[\"closed\"]"), "states of a ticket that is over for good"),
        key("history", KeyKind::Bool, Preset::Toml("true"), "read a ticket's history to see what people did; false: only who has it is seen"),
        key("automation_names", KeyKind::List, Preset::Toml("[]"), "names in the history that are no person's, besides those that begin with Automatic"),
    ],
    limits: Limits {
        title: 200,
        description: 4000,
        note: 4000,
        settle: Millis::secs(60),
        reopens: true,
        markup: Markup::Plain,
    },
    promise: Promise::Once,
    watches: false,
    links: |_| false,
    next: |s, _, step, got| next_of(life::answer(&ITop { s }, step, got, probe, find, create)),
    poll: Some(poll::poll),
    hint: None,
    selftest: Some(selftest::SELFTEST),
};

/// What we want to know of a ticket.
const FIELDS: &str = "id,ref,title,status,agent_id,agent_id_friendlyname,private_log";
/// Hits whose history is read, to know who made them.
const MAX_HITS: usize = 4;

struct ITop<'a> {
    s: &'a ItsmSettings,
}

/// The organization, a search that must find nothing, the history.
fn probe(itop: &ITop<'_>, got: &[Response]) -> Verdict {
    let organization = itop.s.options.text("organization");
    let what = format!("organization {organization:?}");
    let [found, rest @ ..] = got else {
        let oql = format!(
            "SELECT Organization WHERE name = '{}'",
            quoted(organization)
        );
        return Ok(Next::Send(read("Organization", &oql, "id,name")));
    };
    if objects(found).map_err(stop_if_rejected(&what))?.is_empty() {
        return Err(Refusal::Stop(format!(
            "{what}: not found, or hidden from us"
        )));
    }
    let [none, rest @ ..] = rest else {
        return Ok(Next::Send(itop.search(IMPOSSIBLE_KEY)?));
    };
    if !objects(none)
        .map_err(stop_if_rejected("the search for tickets"))?
        .is_empty()
    {
        return Err(not_searchable(
            IMPOSSIBLE_KEY,
            "key_attribute must be searchable",
        ));
    }
    match (itop.s.options.bool("history"), rest) {
        (true, []) => Ok(Next::Send(itop.history("0")?)),
        (true, [history, ..]) => {
            objects(history).map_err(stop_if_rejected(
                "the history (history = false goes without)",
            ))?;
            Ok(Next::Done(Reply::Facts(Facts::default())))
        }
        (false, _) => Ok(Next::Done(Reply::Facts(Facts::default()))),
    }
}

fn find(itop: &ITop<'_>, key: &str, got: &[Response]) -> Verdict {
    let [found, rest @ ..] = got else {
        return Ok(Next::Send(itop.search(key)?));
    };
    let all = objects(found)?;
    let mut ours: Vec<&Value> = all.iter().filter(|t| itop.carries(t, key)).collect();
    if ours.is_empty() && !all.is_empty() {
        return Err(not_searchable(key, "key_attribute must be searchable"));
    }
    ours.truncate(MAX_HITS);
    let mut hits = Vec::new();
    for (n, ticket) in ours.into_iter().enumerate() {
        let id = id_of(ticket).ok_or_else(|| retry("a ticket without id"))?;
        let history = match (itop.s.options.bool("history"), rest.get(n)) {
            (true, None) => return Ok(Next::Send(itop.history(address(&id)?)?)),
            (true, Some(history)) => Some(objects(history)?),
            (false, _) => None,
        };
        hits.push(Hit {
            by_us: match &history {
                Some(history) if history.is_empty() => {
                    return Err(nobody_made(
                        &id,
                        "may our user read CMDBChangeOp; else set history = false",
                    ));
                }
                history => history.as_ref().is_none_or(|h| itop.made_by_us(h)),
            },
            seen: itop.judge(ticket, history.as_deref())?,
            id,
            key: key.to_owned(),
        });
    }
    Ok(Next::Done(Reply::Found(hits)))
}

fn create(itop: &ITop<'_>, key: &str, content: &Content, got: &[Response]) -> Verdict {
    let [made, rest @ ..] = got else {
        return Ok(Next::Send(itop.new_ticket(key, content)?));
    };
    let made = objects(made)?;
    let id = made
        .first()
        .and_then(id_of)
        .ok_or_else(|| retry("the create answered without an id"))?;
    let reads = match life::read(itop, &id, rest)? {
        Ok((reads, _)) => reads,
        Err(request) => return Ok(Next::Send(request)),
    };
    let mut seen = itop.seen(&id, reads)?;
    seen.touched = false; // nobody can have touched it before it was there
    if !itop.carries(&ticket(&id, reads)?, key) {
        seen.dropped.push(format!(
            "ticket {} does not carry its key, so it is not protected against a second one: may our user set it",
            super::shown(&id)
        ));
    }
    Ok(done(&id, seen))
}

impl ITop<'_> {
    fn class(&self) -> &str {
        self.s.options.text("class")
    }

    fn search(&self, key: &str) -> Result<Request, Refusal> {
        let (class, key) = (self.class(), plain_key(key)?);
        let oql = match self.s.options.text("key_attribute") {
            "" => format!("SELECT {class} WHERE title LIKE '%[{key}]%'"),
            name => format!("SELECT {class} WHERE {name} = '{key}'"),
        };
        Ok(read(class, &oql, &self.fields()))
    }

    fn fields(&self) -> String {
        match self.s.options.text("key_attribute") {
            "" => FIELDS.to_owned(),
            name => format!("{FIELDS},{name}"),
        }
    }

    fn history(&self, id: &str) -> Result<Request, Refusal> {
        let oql = format!(
            "SELECT CMDBChangeOp WHERE objclass = '{}' AND objkey = {}",
            self.class(),
            address(id)?
        );
        Ok(read("CMDBChangeOp", &oql, "userinfo,date"))
    }

    fn carries(&self, ticket: &Value, key: &str) -> bool {
        let fields = ticket.get("fields").unwrap_or(&Value::Null);
        match self.s.options.text("key_attribute") {
            "" => fill::key_in(&word(fields, "title")) == key,
            name => word(fields, name) == key,
        }
    }

    fn title(&self, key: &str, title: &str) -> String {
        match self.s.options.text("key_attribute") {
            "" => fill::with_key(title, key),
            _named => title.to_owned(),
        }
    }

    fn new_ticket(&self, key: &str, content: &Content) -> Result<Request, Refusal> {
        let mut fields = Values::of(self.s, plain_key(key)?, content).fields(self.s, "fields");
        fields.extend(self.levels(content));
        let mut set = |name: &str, value: Value| fields.insert(name.to_owned(), value);
        set(
            "org_id",
            json!({ "name": self.s.options.text("organization") }),
        );
        set("title", self.title(key, &content.title).into());
        set("description", html(&content.description).into());
        match self.s.options.text("key_attribute") {
            "" => {}
            name => {
                set(name, key.into());
            }
        }
        Ok(self.write("core/create", None, json!({ "fields": fields })))
    }

    fn levels(&self, content: &Content) -> Map<String, Value> {
        let level = |name: &str| {
            let level = self.s.options.map_get(name, &content.priority)?;
            Some((name.to_owned(), Value::from(level)))
        };
        ["impact", "urgency"]
            .into_iter()
            .filter_map(level)
            .collect()
    }

    fn write(&self, operation: &str, id: Option<&str>, mut body: Value) -> Request {
        let mut set = |name: &str, value: &str| {
            if let Some(map) = body.as_object_mut() {
                map.insert(name.to_owned(), Value::from(value));
            }
        };
        set("operation", operation);
        set("class", self.class());
        set("comment", self.s.options.text("comment"));
        set("output_fields", "id,ref,status");
        if let Some(id) = id {
            set("key", id);
        }
        wire::call(&body, true)
    }

    fn stimulus(
        &self,
        id: &str,
        name: &str,
        fields: Map<String, Value>,
    ) -> Result<Request, Refusal> {
        let body = json!({ "stimulus": name, "fields": fields });
        Ok(self.write("core/apply_stimulus", Some(address(id)?), body))
    }

    fn change(&self, id: &str, fields: &Value) -> Result<Request, Refusal> {
        let body = json!({ "fields": fields });
        Ok(self.write("core/update", Some(address(id)?), body))
    }

    fn is_us(&self, operation: &Value) -> bool {
        as_text(operation.pointer("/fields/userinfo")) == self.s.options.text("comment")
    }

    fn is_person(&self, operation: &Value) -> bool {
        let who = as_text(operation.pointer("/fields/userinfo"));
        let automatic = who.starts_with("Automatic")
            || is_one_of(self.s.options.list("automation_names"), &who);
        !who.is_empty() && !automatic && !self.is_us(operation)
    }

    /// Operations are numbered: the first made the ticket.
    fn made_by_us(&self, history: &[Value]) -> bool {
        let first = history
            .iter()
            .min_by_key(|o| as_text(o.get("key")).parse::<u64>().unwrap_or(u64::MAX));
        first.is_some_and(|o| self.is_us(o))
    }

    fn judge(&self, ticket: &Value, history: Option<&[Value]>) -> Result<Seen, Refusal> {
        let options = &self.s.options;
        let fields = ticket.get("fields").unwrap_or(&Value::Null);
        let status = word(fields, "status");
        let is = |list: &str| is_one_of(options.list(list), &status);
        let state = match status.as_str() {
            "" => return Err(retry("a ticket without status")),
            s if s == options.text("resolved_state") => TicketState::Resolved,
            _ if is("closed_states") => TicketState::Closed,
            _ if is("on_hold_states") => TicketState::OnHold,
            _ if is("new_states") => TicketState::New,
            _ => TicketState::Open,
        };
        let taken = !matches!(word(fields, "agent_id").as_str(), "" | "0");
        let touched = match history {
            Some(history) => history.iter().any(|o| self.is_person(o)),
            None => taken && !matches!(state, TicketState::Resolved | TicketState::Closed),
        };
        Ok(Seen {
            state,
            touched: touched || state == TicketState::OnHold,
            owner: match taken && touched {
                true => word(fields, "agent_id_friendlyname"),
                false => String::new(),
            },
            dropped: Vec::new(),
        })
    }

    fn is_said(&self, ticket: &Value, text: &str) -> bool {
        let log = ticket
            .pointer("/fields/private_log")
            .unwrap_or(&Value::Null);
        list(log, "entries").any(|e| is_same_note(&word(e, "message"), text))
    }

    /// Assigns a ticket that is new, resolves it, and where that is refused at least says why it would be.
    fn resolve(
        &self,
        id: &str,
        text: &str,
        status: &str,
        got: &[Response],
    ) -> Result<Option<Request>, Refusal> {
        let options = &self.s.options;
        let (team, agent) = (options.text("team"), options.text("agent"));
        let assigns = is_one_of(options.list("new_states"), status) && !team.is_empty();
        let got = match (assigns, got) {
            (false, got) => got,
            (true, []) => {
                let pair = |name: &str, oql: &str| (name.to_owned(), Value::from(oql));
                let who = [pair("team_id", team), pair("agent_id", agent)];
                return self
                    .stimulus(id, "ev_assign", who.into_iter().collect())
                    .map(Some);
            }
            (true, [assigned, rest @ ..]) => match objects(assigned) {
                Ok(_) | Err(Refusal::Reject(_)) => rest,
                Err(other) => return Err(other),
            },
        };
        let [resolved, rest @ ..] = got else {
            let values = Values::default().with("text", text);
            let mut fields = values.fields(self.s, "resolve_fields");
            fields.insert("solution".to_owned(), html(text).into());
            fields.insert("private_log".to_owned(), entry(text));
            return self.stimulus(id, "ev_resolve", fields).map(Some);
        };
        match (objects(resolved), rest) {
            (Ok(_), _) => Ok(None),
            // The workflow wants more than we know: the recovery is told all the same.
            (Err(Refusal::Reject(_)), []) => self
                .change(id, &json!({ "private_log": entry(text) }))
                .map(Some),
            (Err(Refusal::Reject(_)), [said, ..]) => objects(said).map(|_| None),
            (Err(other), _) => Err(other),
        }
    }
}

impl Tool for ITop<'_> {
    fn look(&self, id: &str, got: &[Response]) -> Result<Option<Request>, Refusal> {
        match got {
            [] => Ok(Some(read(self.class(), address(id)?, &self.fields()))),
            [found] if self.s.options.bool("history") => {
                ticket(id, std::slice::from_ref(found))?;
                self.history(id).map(Some)
            }
            [_, ..] => Ok(None),
        }
    }

    fn seen(&self, id: &str, reads: &[Response]) -> Result<Seen, Refusal> {
        let history = match reads {
            [_, history, ..] => Some(objects(history)?),
            [_] | [] => None,
        };
        self.judge(&ticket(id, reads)?, history.as_deref())
    }

    fn act(
        &self,
        step: &Step,
        id: &str,
        now: &[Response],
        got: &[Response],
    ) -> Result<Option<Request>, Refusal> {
        let ticket = ticket(id, now)?;
        let one = |request: Result<Request, Refusal>| match got {
            [] => request.map(Some),
            [taken, ..] => objects(taken).map(|_| None),
        };
        match step {
            Step::Update { content, .. } => {
                let mut fields = self.levels(content);
                let key = fill::key_in(&as_text(ticket.pointer("/fields/title")));
                fields.insert("title".to_owned(), self.title(&key, &content.title).into());
                fields.insert("description".to_owned(), html(&content.description).into());
                one(self.change(id, &fields.into()))
            }
            Step::Note { text, .. } if got.is_empty() && self.is_said(&ticket, text) => Ok(None),
            Step::Note { text, .. } => one(self.change(id, &json!({ "private_log": entry(text) }))),
            Step::Resolve { text, .. } => {
                self.resolve(id, text, &as_text(ticket.pointer("/fields/status")), got)
            }
            Step::Reopen { text, .. } => match got {
                [refused, ..] if matches!(objects(refused), Err(Refusal::Reject(_))) => Ok(None),
                _ => {
                    let fields = [("private_log".to_owned(), entry(text))];
                    one(self.stimulus(id, "ev_reopen", fields.into_iter().collect()))
                }
            },
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
