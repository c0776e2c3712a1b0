//! Kind `cherwell`: incidents of Cherwell Service Management over its REST API. Its vendor has ended it: this kind
//! does what it must and no more.
//!
//! What it rests on. D: the vendor's documentation (2023 series); K: known from use.
//! * D: fields are addressed by ids that never change; `Probe` finds them by the names in the settings.
//! * D: the verdict is `hasError` with `errorCode`, whatever the status says. K: `RECORDNOTFOUND`.
//! * D: public ids may repeat: a ticket's id is `NUMBER#RECORD`, and requests go by the record.
//! * D: only fields with `dirty` are written. K: the search goes to the database.
//! * K: work notes are business objects of their own, with a relation that everybody names otherwise. Here a note
//!   goes into `note_field`, a text field that holds the last one; without it notes are not written, and the
//!   recovery is told by `resolve_fields` alone.
//!
//! The login is `auth = "oauth2"` with user, password as `token`, `client_id` and
//! `oauth_path = "/CherwellAPI/token?auth_mode=Internal"`, without a client secret.

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
    kind: "cherwell",
    keys: &[
        text("account", Preset::Required, "our own user as created_by_field and modified_by_field name it; what others change is a person's hand"),
        text("object", Preset::Toml("\"Incident\""), "business object of a ticket"),
        text("key_field", Preset::Required, "text field that holds the correlation key"),
        text("title_field", Preset::Toml("\"ShortDescription\""), "field of the title"),
        text("text_field", Preset::Toml("\"Description\""), "field of the description"),
        text("note_field", Preset::Toml("\"\""), "text field that holds our last note; \"\" writes none"),
        text("status_field", Preset::Toml("\"Status\""), "field of the status"),
        text("owner_field", Preset::Toml("\"OwnedBy\""), "field that says who has it"),
        text("created_by_field", Preset::Toml("\"CreatedBy\""), "field that says who made it"),
        text("modified_by_field", Preset::Toml("\"LastModifiedBy\""), "field that says who changed it last"),
        key("priority", KeyKind::Map, Preset::Toml("{ P1 = \"1\", P2 = \"2\", P3 = \"3\", P4 = \"4\" }"), "what {{priority}} stands for, by ours"),
        key("groups", KeyKind::Map, Preset::Toml("{}"), "what {{group}} stands for, by the name that the CMDB gives the group"),
        key("fields", KeyKind::Map, Preset::Toml("{ Priority = \"{{priority}}\", Source = \"Event\" }"), "further fields of a new ticket"),
        key("resolve_fields", KeyKind::Map, Preset::Toml("{ CloseDescription = \"{{text}}\" }"), "further fields of a ticket that is resolved"),
        key("new_states", KeyKind::List, Preset::Toml("[\"New\", \"Assigned\"]"), "statuses of a ticket that nobody works on"),
        key("on_hold_states", KeyKind::List, Preset::Toml("[\"Pending\"]"), "statuses of a ticket that waits"),
        text("resolved_state", Preset::Toml("\"Resolved\""), "status of a ticket that is over"),
        text("open_state", Preset::Toml("\"Reopened\""), "status of a ticket that is opened again"),
        key("closed_states", KeyKind::List, Preset::Toml("[\"Closed\"]"), "statuses of a ticket that is over for good"),
        key("automation_accounts", KeyKind::List, Preset::Toml("[]"), "users whose changes are no person's"),
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
    next: |s, facts, step, got| next_of(life::answer(&Cherwell { s, facts }, step, got, probe, find, create)),
    poll: None,
    hint: None,
    selftest: Some(selftest::SELFTEST),
};

/// Keys that name fields which every ticket must have.
const NAMED: [&str; 7] = [
    "key_field",
    "title_field",
    "text_field",
    "status_field",
    "owner_field",
    "created_by_field",
    "modified_by_field",
];

struct Cherwell<'a> {
    s: &'a ItsmSettings,
    facts: &'a Facts,
}

fn api(path: &str) -> String {
    format!("CherwellAPI/api/V1/{path}")
}

/// The business object, its fields, and a search that must find nothing.
fn probe(Cherwell { s, .. }: &Cherwell<'_>, got: &[Response]) -> Verdict {
    let object = s.options.text("object");
    let what = format!("business object {object:?}");
    let [summary, rest @ ..] = got else {
        let path = api(&format!(
            "getbusinessobjectsummary/busobname/{}",
            encode(object)
        ));
        return Ok(Next::Send(get(&path, &[])));
    };
    let body = json_of(summary, told).map_err(stop_if_rejected(&what))?;
    let id = as_text(body.pointer("/0/busObId"));
    if !is_plain(&id) {
        return Err(Refusal::Stop(format!(
            "{what}: not found, or hidden from us"
        )));
    }
    let [template, rest @ ..] = rest else {
        let body = json!({ "busObId": id, "includeRequired": true, "includeAll": true });
        let request = send("POST", &api("getbusinessobjecttemplate"), &body);
        return Ok(Next::Send(reads(request)));
    };
    let body = good(template).map_err(stop_if_rejected(&what))?;
    let mut facts = Facts([("object".to_owned(), id)].into());
    for field in list(&body, "fields") {
        facts.0.insert(word(field, "name"), word(field, "fieldId"));
    }
    let maps = ["fields", "resolve_fields"].map(|m| s.options.map(m).into_iter().flatten());
    let more = maps.into_iter().flatten().map(|(name, _)| name.as_str());
    let named = NAMED
        .iter()
        .map(|n| s.options.text(n))
        .chain([s.options.text("note_field")]);
    let mut wanted = named.chain(more).filter(|n| !n.is_empty());
    if let Some(missing) = wanted.find(|n| facts.get(n).is_empty()) {
        return Err(Refusal::Stop(format!(
            "{what} has no field {missing:?} that we see"
        )));
    }
    let cherwell = Cherwell { s, facts: &facts };
    let [none, ..] = rest else {
        return Ok(Next::Send(cherwell.search(IMPOSSIBLE_KEY)));
    };
    let body = good(none).map_err(stop_if_rejected("the search for tickets"))?;
    match list(&body, "businessObjects").next() {
        None => Ok(Next::Done(Reply::Facts(facts))),
        Some(_) => Err(not_searchable(
            IMPOSSIBLE_KEY,
            "key_field must be searchable",
        )),
    }
}

fn find(cherwell: &Cherwell<'_>, key: &str, got: &[Response]) -> Verdict {
    let key = plain_key(key)?;
    let [found, ..] = got else {
        return Ok(Next::Send(cherwell.search(key)));
    };
    let body = good(found)?;
    if body.get("businessObjects").is_none() {
        return Err(retry("a search without business objects"));
    }
    let mut hits = Vec::new();
    let mut others = false;
    for row in list(&body, "businessObjects") {
        if cherwell.field(row, "key_field") != key {
            others = true;
            continue;
        }
        let id = id_of(row).ok_or_else(|| retry("a ticket without id"))?;
        let who = cherwell.field(row, "created_by_field");
        hits.push(Hit {
            by_us: made_by(&id, &who, "created_by_field", |who| cherwell.is_us(who))?,
            id,
            key: key.to_owned(),
            seen: cherwell.judge(row)?,
        });
    }
    match hits.is_empty() && others {
        true => Err(not_searchable(key, "key_field must be searchable")),
        false => Ok(Next::Done(Reply::Found(hits))),
    }
}

fn create(cherwell: &Cherwell<'_>, key: &str, content: &Content, got: &[Response]) -> Verdict {
    let [made, rest @ ..] = got else {
        return Ok(Next::Send(cherwell.new_ticket(key, content)?));
    };
    let id = id_of(&good(made)?).ok_or_else(|| retry("the create answered without an id"))?;
    let [back, ..] = rest else {
        return Ok(Next::Send(cherwell.read(&id)?));
    };
    let row = good(back)?;
    let mut seen = cherwell.judge(&row)?;
    seen.touched = false; // nobody can have touched it before it was there
    if cherwell.field(&row, "key_field") != key {
        seen.dropped.push(format!(
            "ticket {} does not carry its key, so it is not protected against a second one: may our user write key_field",
            super::shown(&id)
        ));
    }
    Ok(done(&id, seen))
}

/// Reads although it is a POST.
fn reads(mut request: Request) -> Request {
    request.writes = false;
    request
}

fn told(body: &Value) -> String {
    let mut parts = vec![word(body, "errorCode"), word(body, "errorMessage")];
    for error in list(body, "fieldValidationErrors") {
        parts.push(word(error, "error"));
    }
    parts.retain(|p| !p.is_empty());
    parts.join(": ")
}

/// The body of a good answer: the verdict is in it, whatever the status says.
fn good(response: &Response) -> Result<Value, Refusal> {
    let parsed = serde_json::from_slice::<Value>(&response.body).unwrap_or_default();
    let wrong = parsed.get("hasError").and_then(Value::as_bool) == Some(true)
        || list(&parsed, "fieldValidationErrors").next().is_some();
    match (wrong, word(&parsed, "errorCode").as_str()) {
        (true, "RECORDNOTFOUND") => Err(Refusal::Gone(String::new())),
        (true, _) if response.status == 401 => Err(Refusal::Login),
        (true, _) => Err(Refusal::Reject(one_line(&told(&parsed)))),
        (false, _) => json_of(response, told),
    }
}

fn is_plain(id: &str) -> bool {
    !id.is_empty() && id.len() <= 60 && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

/// `NUMBER#RECORD`
fn id_of(row: &Value) -> Option<String> {
    let (number, record) = (word(row, "busObPublicId"), word(row, "busObRecId"));
    match (is_plain(&number), is_plain(&record)) {
        (true, true) => Some(format!("{number}#{record}")),
        (false, true) => Some(record),
        (_, false) => None,
    }
}

impl Cherwell<'_> {
    fn record<'i>(&self, id: &'i str) -> Result<&'i str, Refusal> {
        let record = id.rsplit('#').next().filter(|r| is_plain(r));
        record.ok_or_else(|| Refusal::Reject(format!("{id:?} is no ticket")))
    }

    /// The id of a field that the settings name.
    fn field_id(&self, option: &str) -> &str {
        self.facts.get(self.s.options.text(option))
    }

    fn field(&self, row: &Value, option: &str) -> String {
        let name = self.s.options.text(option);
        let found = list(row, "fields").find(|f| word(f, "name") == name);
        found.map(|f| word(f, "value")).unwrap_or_default()
    }

    fn is_us(&self, user: &str) -> bool {
        !user.is_empty() && user.eq_ignore_ascii_case(self.s.options.text("account"))
    }

    fn search(&self, key: &str) -> Request {
        let fields: Vec<&str> = NAMED.iter().map(|n| self.field_id(n)).collect();
        let filter =
            json!({ "fieldId": self.field_id("key_field"), "operator": "eq", "value": key });
        let body = json!({
            "busObId": self.facts.get("object"), "filters": [filter], "fields": fields,
            "pageNumber": 1, "pageSize": 20,
        });
        reads(send("POST", &api("getsearchresults"), &body))
    }

    fn read(&self, id: &str) -> Result<Request, Refusal> {
        let (object, record) = (self.facts.get("object"), self.record(id)?);
        let path = format!("getbusinessobject/busobid/{object}/busobrecid/{record}");
        Ok(get(&api(&path), &[]))
    }

    fn judge(&self, row: &Value) -> Result<Seen, Refusal> {
        let options = &self.s.options;
        let status = self.field(row, "status_field");
        let is = |list: &str| is_one_of(options.list(list), &status);
        let state = match status.as_str() {
            "" => return Err(retry("a ticket without status")),
            s if s.eq_ignore_ascii_case(options.text("resolved_state")) => TicketState::Resolved,
            _ if is("closed_states") => TicketState::Closed,
            _ if is("on_hold_states") => TicketState::OnHold,
            _ if is("new_states") => TicketState::New,
            _ => TicketState::Open,
        };
        let person = |user: &str| {
            let automatic = is_one_of(options.list("automation_accounts"), user);
            !user.is_empty() && !automatic && !self.is_us(user)
        };
        let owner = self.field(row, "owner_field");
        let edited = person(&self.field(row, "modified_by_field"));
        Ok(Seen {
            state,
            touched: edited || state == TicketState::OnHold,
            owner: if person(&owner) { owner } else { String::new() },
            dropped: Vec::new(),
        })
    }

    /// Writes fields by their names; what has no id is not written.
    fn save(&self, record: &str, values: &Map<String, Value>) -> Request {
        let fields: Vec<Value> = values
            .iter()
            .filter(|(name, _)| !self.facts.get(name).is_empty())
            .map(|(name, value)| {
                json!({
                    "fieldId": self.facts.get(name), "name": name, "dirty": true,
                    "value": as_text(Some(value)),
                })
            })
            .collect();
        let body = json!({
            "busObId": self.facts.get("object"), "busObPublicId": "", "busObRecId": record,
            "persist": true, "fields": fields,
        });
        send("POST", &api("savebusinessobject"), &body)
    }

    fn set(&self, values: &mut Map<String, Value>, option: &str, value: &str) {
        let name = self.s.options.text(option);
        if !name.is_empty() {
            values.insert(name.to_owned(), Value::from(value));
        }
    }

    fn new_ticket(&self, key: &str, content: &Content) -> Result<Request, Refusal> {
        let mut values = Values::of(self.s, plain_key(key)?, content).fields(self.s, "fields");
        self.set(&mut values, "key_field", key);
        self.set(&mut values, "title_field", &content.title);
        self.set(&mut values, "text_field", &content.description);
        Ok(self.save("", &values))
    }
}

impl Tool for Cherwell<'_> {
    fn look(&self, id: &str, got: &[Response]) -> Result<Option<Request>, Refusal> {
        match got {
            [] => self.read(id).map(Some),
            [_, ..] => Ok(None),
        }
    }

    fn seen(&self, id: &str, reads: &[Response]) -> Result<Seen, Refusal> {
        let [read, ..] = reads else {
            return Err(retry("nothing was read"));
        };
        let row = good(read)?;
        match word(&row, "busObRecId") == self.record(id)? {
            true => self.judge(&row),
            false => Err(retry("the answer is about another ticket")),
        }
    }

    fn act(
        &self,
        step: &Step,
        id: &str,
        _: &[Response],
        got: &[Response],
    ) -> Result<Option<Request>, Refusal> {
        let options = &self.s.options;
        let mut values = Map::new();
        match (step, got) {
            (Step::Update { content, .. }, []) => {
                self.set(&mut values, "title_field", &content.title);
                self.set(&mut values, "text_field", &content.description);
            }
            (Step::Note { text, .. }, []) => self.set(&mut values, "note_field", text),
            (Step::Resolve { text, .. }, []) => {
                let more = Values::default().with("text", text);
                values = more.fields(self.s, "resolve_fields");
                self.set(&mut values, "note_field", text);
                self.set(&mut values, "status_field", options.text("resolved_state"));
            }
            (Step::Reopen { text, .. }, []) => {
                self.set(&mut values, "note_field", text);
                self.set(&mut values, "status_field", options.text("open_state"));
            }
            // Its workflow wants more than we know: the recovery is told all the same.
            (Step::Resolve { text, .. }, [saved]) => match good(saved) {
                Err(Refusal::Reject(_)) => self.set(&mut values, "note_field", text),
                other => return other.map(|_| None),
            },
            (Step::Reopen { .. }, [saved]) => {
                return match good(saved) {
                    Ok(_) | Err(Refusal::Reject(_)) => Ok(None), // the read-back shows it
                    Err(other) => Err(other),
                };
            }
            (_, [.., last]) => return good(last).map(|_| None),
            (_, []) => {}
        }
        match values.is_empty() {
            true => Ok(None),
            false => Ok(Some(self.save(self.record(id)?, &values))),
        }
    }

    fn dropped(&self, _: &Step, _: &[Response]) -> Vec<String> {
        Vec::new()
    }
}
