//! Kind `bmc`: incidents of BMC Helix ITSM (Remedy) over the REST API of its AR System server.
//!
//! What it rests on. D: the vendor's documentation (platform REST API, help desk interfaces); 3: other people's
//! connectors; K: known from use. Everybody customises these forms: all names of fields and all values stand in
//! keys, the vendor's own misspellings included.
//! * D: tickets are made in one form (`HPD:IncidentInterface_Create`) and changed in another, whose entries have
//!   an id of their own (`INC..|INC..`). A ticket's id is `NUMBER#ENTRY`.
//! * D: a search is a qualification, `'Field'="value"`; it goes to the database, so what was made is found.
//! * D: errors are a list of `messageType`, `messageNumber`, `messageText`. K: they come with 500 even where the
//!   request is wrong: so the number decides, not the status. 302 no such entry, 623 not logged in, 90 to 94 not
//!   reachable or too slow; anything else is a no.
//! * D: a work note is an entry of `HPD:WorkLog`. It cannot be listed here: notes are at most once.
//! * D: nobody passes `Assigned` without an assignee: put one in `resolve_fields`, or let the tool assign.
//! * K: workflows of the tool change tickets as the users in `automation_accounts`.
//!
//! The login is `auth = "login"` with `oauth_path = "/api/jwt/login"` and `auth_prefix = "AR-JWT "`: one token for
//! all requests, since sessions count against the licence.

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
    kind: "bmc",
    keys: &[
        text("account", Preset::Required, "our own login name; what others change is a person's hand"),
        text("create_form", Preset::Toml("\"HPD:IncidentInterface_Create\""), "form that tickets are made in"),
        text("form", Preset::Toml("\"HPD:IncidentInterface\""), "form that tickets are read and changed in"),
        text("note_form", Preset::Toml("\"HPD:WorkLog\""), "form of work notes; \"\" writes none"),
        text("key_field", Preset::Toml("\"Vendor Ticket Number\""), "field that holds the correlation key, by the same name in both forms"),
        text("title_field", Preset::Toml("\"Description\""), "field of the title"),
        text("create_text_field", Preset::Toml("\"Detailed_Decription\""), "field of the description in create_form"),
        text("text_field", Preset::Toml("\"Detailed Decription\""), "field of the description in form; \"\" leaves it as it was made"),
        key("impact", KeyKind::Map, Preset::Toml("{ P1 = \"1-Extensive/Widespread\", P2 = \"2-Significant/Large\", P3 = \"3-Moderate/Limited\", P4 = \"4-Minor/Localized\" }"), "impact by our priority"),
        key("urgency", KeyKind::Map, Preset::Toml("{ P1 = \"1-Critical\", P2 = \"2-High\", P3 = \"3-Medium\", P4 = \"4-Low\" }"), "urgency by our priority"),
        key("groups", KeyKind::Map, Preset::Toml("{}"), "what {{group}} stands for, by the name that the CMDB gives the group"),
        text("default_group", Preset::Toml("\"\""), "what {{group}} stands for where groups has none"),
        key("fields", KeyKind::Map, Preset::Toml("{ Status = \"New\", \"Reported Source\" = \"Systems Management\", Service_Type = \"Infrastructure Event\", z1D_Action = \"CREATE\" }"), "further fields of a new ticket, among them those that name a customer and the group, as { First_Name = \"Monitoring\", Last_Name = \"System\", \"Assigned Group\" = \"{{group}}\" }"),
        key("change_fields", KeyKind::Map, Preset::Toml("{}"), "further fields of every change, as { z1D_Action = \"MODIFY\" }"),
        key("resolve_fields", KeyKind::Map, Preset::Toml("{ Status_Reason = \"Automated Resolution Reported\", Resolution = \"{{text}}\" }"), "further fields of a ticket that is resolved"),
        key("note_fields", KeyKind::Map, Preset::Toml("{ \"Incident Number\" = \"{{id}}\", \"Detailed Description\" = \"{{text}}\", Description = \"correlated\", \"Work Log Type\" = \"General Information\", \"View Access\" = \"Internal\" }"), "fields of a work note"),
        key("new_states", KeyKind::List, Preset::Toml("[\"New\", \"Assigned\"]"), "statuses of a ticket that nobody works on"),
        key("on_hold_states", KeyKind::List, Preset::Toml("[\"Pending\"]"), "statuses of a ticket that waits"),
        text("resolved_state", Preset::Toml("\"Resolved\""), "status of a ticket that is over"),
        text("open_state", Preset::Toml("\"In Progress\""), "status of a ticket that is opened again"),
        key("closed_states", KeyKind::List, Preset::Toml("[\"Closed\", \"Cancelled\"]"), "statuses of a ticket that is over for good"),
        key("automation_accounts", KeyKind::List, Preset::Toml("[\"AR_ESCALATOR\", \"Remedy Application Service\"]"), "users whose changes are no person's"),
    ],
    limits: Limits {
        title: 100,
        description: 4000,
        note: 4000,
        settle: Millis::secs(90),
        reopens: true,
        markup: Markup::Plain,
    },
    promise: Promise::Once,
    watches: false,
    links: |_| false,
    next: |s, _, step, got| next_of(life::answer(&Bmc { s }, step, got, probe, find, create)),
    poll: Some(poll::poll),
    hint: None,
    selftest: Some(selftest::SELFTEST),
};

/// Entries asked for in a search; there should be one.
const HITS: &str = "10";

struct Bmc<'a> {
    s: &'a ItsmSettings,
}

/// A search that must find nothing: the login, the form and the key field in one.
fn probe(bmc: &Bmc<'_>, got: &[Response]) -> Verdict {
    let field = bmc.s.options.text("key_field");
    let [none, ..] = got else {
        return Ok(Next::Send(bmc.search(field, IMPOSSIBLE_KEY)));
    };
    match entries(none)
        .map_err(stop_if_rejected("the search for tickets"))?
        .is_empty()
    {
        true => Ok(Next::Done(Reply::Facts(Facts::default()))),
        false => Err(not_searchable(
            IMPOSSIBLE_KEY,
            "key_field must be searchable",
        )),
    }
}

fn find(bmc: &Bmc<'_>, key: &str, got: &[Response]) -> Verdict {
    let key = plain_key(key)?;
    let [found, ..] = got else {
        return Ok(Next::Send(bmc.search(bmc.s.options.text("key_field"), key)));
    };
    let all = entries(found)?;
    let mut hits = Vec::new();
    for entry in all.iter().filter(|e| bmc.carries(e, key)) {
        let id = id_of(entry).ok_or_else(|| retry("a ticket without id"))?;
        let who = value(entry, "Submitter");
        hits.push(Hit {
            by_us: made_by(&id, &who, "Submitter", |who| bmc.is_us(who))?,
            id,
            key: key.to_owned(),
            seen: bmc.judge(entry)?,
        });
    }
    match hits.is_empty() && !all.is_empty() {
        true => Err(not_searchable(key, "key_field must be searchable")),
        false => Ok(Next::Done(Reply::Found(hits))),
    }
}

fn create(bmc: &Bmc<'_>, key: &str, content: &Content, got: &[Response]) -> Verdict {
    let [made, rest @ ..] = got else {
        return Ok(Next::Send(bmc.new_ticket(key, content)?));
    };
    let number = value(&json(made)?, "Incident Number");
    if !is_plain(&number) {
        return Err(retry("the create answered without a number"));
    }
    let [found, ..] = rest else {
        return Ok(Next::Send(bmc.search("Incident Number", &number)));
    };
    let all = entries(found)?;
    let entry = all.iter().find(|e| value(e, "Incident Number") == number);
    // It is there: the create was answered with its number.
    let entry =
        entry.ok_or_else(|| retry("the new ticket is not in the form that tickets are read in"))?;
    let id = id_of(entry).ok_or_else(|| retry("a ticket without id"))?;
    let mut seen = bmc.judge(entry)?;
    seen.touched = false; // nobody can have touched it before it was there
    if !bmc.carries(entry, key) {
        seen.dropped.push(format!(
            "ticket {number} does not carry its key, so it is not protected against a second one: does {:?} go through both forms",
            bmc.s.options.text("key_field"),
        ));
    }
    Ok(done(&id, seen))
}

/// The body of a good answer, or the refusal that a bad one is: by the number of the error.
fn json(response: &Response) -> Result<Value, Refusal> {
    let body = serde_json::from_slice::<Value>(&response.body).ok();
    let errors = body.as_ref().and_then(Value::as_array);
    let error = errors.and_then(|all| all.iter().find(|e| word(e, "messageType") == "ERROR"));
    let Some(error) = error else {
        return json_of(response, |body| body.to_string());
    };
    let text = [
        word(error, "messageText"),
        word(error, "messageAppendedText"),
    ]
    .join(" ");
    let number = error
        .get("messageNumber")
        .and_then(Value::as_u64)
        .unwrap_or(0);
    let why = format!("error {number}: {}", one_line(&text));
    match number {
        623 => Err(Refusal::Login),
        302 => Err(Refusal::Gone(String::new())),
        90..=94 => Err(retry(&why)),
        _ if response.status == 401 => Err(Refusal::Login),
        _ => Err(Refusal::Reject(why)),
    }
}

/// A write was taken: with or without a body.
fn accepted(response: &Response) -> Result<(), Refusal> {
    match (response.status, response.body.is_empty()) {
        (201 | 204, true) => Ok(()),
        (_, _) => json(response).map(|_| ()),
    }
}

fn entries(response: &Response) -> Result<Vec<Value>, Refusal> {
    let body = json(response)?;
    let all = body.get("entries").and_then(Value::as_array).cloned();
    all.ok_or_else(|| retry("a search without entries"))
}

fn value(entry: &Value, field: &str) -> String {
    as_text(entry.get("values").and_then(|v| v.get(field)))
}

fn is_plain(id: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_' || b == b'|';
    !id.is_empty() && id.len() <= 80 && id.bytes().all(plain)
}

/// `NUMBER#ENTRY`; the entry's id stands at the end of its own address.
fn id_of(entry: &Value) -> Option<String> {
    let number = Some(value(entry, "Incident Number")).filter(|n| is_plain(n))?;
    let href = as_text(entry.pointer("/_links/self/0/href"));
    let last = href.rsplit('/').next().unwrap_or_default();
    let last = last.split('?').next().unwrap_or_default();
    let last = last.replace("%7C", "|").replace("%7c", "|");
    is_plain(&last).then(|| format!("{number}#{last}"))
}

impl Bmc<'_> {
    fn entry(&self, option: &str) -> String {
        format!("api/arsys/v1/entry/{}", encode(self.s.options.text(option)))
    }

    fn path(&self, id: &str) -> Result<String, Refusal> {
        match id.rsplit('#').next().filter(|e| is_plain(e)) {
            Some(entry) => Ok(format!("{}/{}", self.entry("form"), encode(entry))),
            None => Err(Refusal::Reject(format!("{id:?} is no ticket"))),
        }
    }

    fn columns(&self) -> String {
        let (key, title) = (
            self.s.options.text("key_field"),
            self.s.options.text("title_field"),
        );
        format!("values(Incident Number,Status,Submitter,Last Modified By,Assignee,{title},{key})")
    }

    fn search(&self, field: &str, value: &str) -> Request {
        // Quotes double within a qualification.
        let query = format!(
            "'{}'=\"{}\"",
            field.replace('\'', "''"),
            value.replace('"', "\"\"")
        );
        let columns = self.columns();
        let query = [("q", query.as_str()), ("fields", &columns), ("limit", HITS)];
        get(&self.entry("form"), &query)
    }

    fn carries(&self, entry: &Value, key: &str) -> bool {
        value(entry, self.s.options.text("key_field")) == key
    }

    fn is_us(&self, user: &str) -> bool {
        !user.is_empty() && user.eq_ignore_ascii_case(self.s.options.text("account"))
    }

    fn judge(&self, entry: &Value) -> Result<Seen, Refusal> {
        let options = &self.s.options;
        let status = value(entry, "Status");
        let is = |list: &str| is_one_of(options.list(list), &status);
        let state = match status.as_str() {
            "" => return Err(retry("a ticket without status")),
            s if s.eq_ignore_ascii_case(options.text("resolved_state")) => TicketState::Resolved,
            _ if is("closed_states") => TicketState::Closed,
            _ if is("on_hold_states") => TicketState::OnHold,
            _ if is("new_states") => TicketState::New,
            _ => TicketState::Open,
        };
        let last = value(entry, "Last Modified By");
        let automatic = is_one_of(options.list("automation_accounts"), &last);
        let edited = !last.is_empty() && !automatic && !self.is_us(&last);
        let owner = value(entry, "Assignee");
        Ok(Seen {
            state,
            touched: edited || state == TicketState::OnHold,
            owner: if edited { owner } else { String::new() },
            dropped: Vec::new(),
        })
    }

    fn new_ticket(&self, key: &str, content: &Content) -> Result<Request, Refusal> {
        let options = &self.s.options;
        let mut values = Values::of(self.s, plain_key(key)?, content);
        if options.map_get("groups", &content.group).is_none() {
            values = values.with("group", options.text("default_group"));
        }
        let mut fields = values.fields(self.s, "fields");
        fields.extend(self.levels(content));
        let mut set = |option: &str, value: &str| {
            fields.insert(options.text(option).to_owned(), Value::from(value));
        };
        set("key_field", key);
        set("title_field", &content.title);
        set("create_text_field", &content.description);
        let mut request = send(
            "POST",
            &self.entry("create_form"),
            &json!({ "values": fields }),
        );
        let query = ("fields".to_owned(), "values(Incident Number)".to_owned());
        request.query.push(query);
        Ok(request)
    }

    fn levels(&self, content: &Content) -> Map<String, Value> {
        let level = |option: &str, field: &str| {
            let level = self.s.options.map_get(option, &content.priority)?;
            Some((field.to_owned(), Value::from(level)))
        };
        let levels = [level("impact", "Impact"), level("urgency", "Urgency")];
        levels.into_iter().flatten().collect()
    }

    fn put(&self, id: &str, mut fields: Map<String, Value>) -> Result<Request, Refusal> {
        fields.extend(Values::default().fields(self.s, "change_fields"));
        Ok(send("PUT", &self.path(id)?, &json!({ "values": fields })))
    }

    fn note(&self, id: &str, text: &str) -> Option<Request> {
        if self.s.options.text("note_form").is_empty() {
            return None;
        }
        let values = Values::default()
            .with("id", super::shown(id))
            .with("text", text);
        let fields = values.fields(self.s, "note_fields");
        Some(send(
            "POST",
            &self.entry("note_form"),
            &json!({ "values": fields }),
        ))
    }

    fn status(&self, option: &str) -> Map<String, Value> {
        let state = Value::from(self.s.options.text(option));
        [("Status".to_owned(), state)].into_iter().collect()
    }
}

impl Tool for Bmc<'_> {
    fn look(&self, id: &str, got: &[Response]) -> Result<Option<Request>, Refusal> {
        match got {
            [] => Ok(Some(get(
                &self.path(id)?,
                &[("fields", self.columns().as_str())],
            ))),
            [_, ..] => Ok(None),
        }
    }

    fn seen(&self, id: &str, reads: &[Response]) -> Result<Seen, Refusal> {
        let [read, ..] = reads else {
            return Err(retry("nothing was read"));
        };
        let entry = json(read)?;
        match value(&entry, "Incident Number") == super::shown(id) {
            true => self.judge(&entry),
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
        match (step, got) {
            (Step::Update { content, .. }, []) => {
                let mut fields = self.levels(content);
                let mut set = |option: &str, value: &str| match options.text(option) {
                    "" => {}
                    name => {
                        fields.insert(name.to_owned(), Value::from(value));
                    }
                };
                set("title_field", &content.title);
                set("text_field", &content.description);
                self.put(id, fields).map(Some)
            }
            (Step::Note { text, .. }, []) => Ok(self.note(id, text)),
            (Step::Resolve { text, .. }, []) => {
                let values = Values::default().with("text", text);
                let mut fields = values.fields(self.s, "resolve_fields");
                fields.extend(self.status("resolved_state"));
                self.put(id, fields).map(Some)
            }
            // Its workflow wants more than we know: the recovery is told all the same.
            (Step::Resolve { text, .. }, [resolved]) => match accepted(resolved) {
                Err(Refusal::Reject(_)) => Ok(self.note(id, text)),
                other => other.map(|()| None),
            },
            (Step::Reopen { .. }, []) => self.put(id, self.status("open_state")).map(Some),
            (Step::Reopen { text, .. }, [opened]) => match accepted(opened) {
                Ok(()) => Ok(self.note(id, text)),
                Err(Refusal::Reject(_)) => Ok(None), // the read-back shows it
                Err(other) => Err(other),
            },
            (_, [.., last]) => accepted(last).map(|()| None),
            (_, []) => Ok(None),
        }
    }

    fn dropped(&self, _: &Step, _: &[Response]) -> Vec<String> {
        Vec::new()
    }
}
