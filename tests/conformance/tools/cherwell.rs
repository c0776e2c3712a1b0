//! Cherwell: fields by ids, `hasError` with any status, records by an id of their own.

use super::{Reads, Row, Wire, body, reply, unheard};
use crate::memory::{Memory, Ticket, US};
use correlated::itsm::TicketState;
use correlated::model::{Request, Response};
use serde_json::{Map, Value, json};

pub const ROW: Row = Row {
    name: "cherwell",
    kind: "cherwell",
    keys: "auth = \"oauth2\"\nuser = \"alertd\"\nclient_id = \"c\"\noauth_path = \"/CherwellAPI/token?auth_mode=Internal\"\n\
           account = \"alertd\"\nkey_field = \"AlertKey\"\nnote_field = \"AlertNote\"\n",
    wire: || Box::new(Cherwell),
    reads: |_| Reads::Text,
};

struct Cherwell;

const NAMES: [&str; 11] = [
    "AlertKey",
    "AlertNote",
    "ShortDescription",
    "Description",
    "Status",
    "OwnedBy",
    "CreatedBy",
    "LastModifiedBy",
    "Priority",
    "Source",
    "CloseDescription",
];

fn id(name: &str) -> String {
    let at = NAMES.iter().position(|n| *n == name).unwrap();
    format!("BO:6dd5,FI:{at}")
}

fn status(state: TicketState) -> &'static str {
    match state {
        TicketState::New => "New",
        TicketState::Open => "In Progress",
        TicketState::OnHold => "Pending",
        TicketState::Resolved => "Resolved",
        TicketState::Closed => "Closed",
    }
}

fn shown(t: &Ticket) -> Value {
    let field =
        |name: &str, value: &str| json!({"fieldId": id(name), "name": name, "value": value});
    json!({
        "busObId": "6dd5", "busObPublicId": (100_000 + t.number).to_string(), "busObRecId": format!("94{}", t.number),
        "fields": [
            field("AlertKey", &t.key), field("Status", status(t.state)), field("OwnedBy", &t.owner),
            field("CreatedBy", &t.by), field("LastModifiedBy", t.last()), field("ShortDescription", &t.title),
        ],
        "hasError": false, "errorCode": null, "errorMessage": null,
    })
}

fn wrong(code: &str, text: &str) -> Response {
    reply(
        500,
        json!({"hasError": true, "errorCode": code, "errorMessage": text}),
    )
}

impl Cherwell {
    fn save(memory: &mut Memory, ask: &Value) -> Response {
        let mut values = Map::new();
        for field in ask["fields"].as_array().unwrap() {
            assert!(
                field["dirty"] == true && field["fieldId"] == id(field["name"].as_str().unwrap()),
                "{field}"
            );
            values.insert(
                field["name"].as_str().unwrap().to_owned(),
                field["value"].clone(),
            );
        }
        let word = |name: &str| values.get(name).and_then(Value::as_str).map(str::to_owned);
        let record = ask["busObRecId"].as_str().unwrap();
        if record.is_empty() {
            if memory.refuses() {
                return wrong("FIELDVALIDATION", "Source is not in the list");
            }
            let made = memory.create(
                US,
                &word("AlertKey").unwrap(),
                &word("ShortDescription").unwrap(),
                &word("Description").unwrap(),
            );
            return reply(200, shown(&memory.tickets[made - 1]));
        }
        let number = record.strip_prefix("94").unwrap().to_owned();
        if memory.get(&number).is_none() {
            return wrong("RECORDNOTFOUND", "Record not found");
        }
        let wanted = match word("Status").as_deref() {
            None => None,
            Some("Resolved") => Some(TicketState::Resolved),
            Some("Reopened") => Some(TicketState::Open),
            Some(other) => panic!("status {other}"),
        };
        if let Some(state) = wanted
            && !memory.turn(&number, US, state)
        {
            return wrong("GENERALFAILURE", "The status may not be set");
        }
        let title = word("ShortDescription").map(|t| memory.kept(&t));
        let ticket = memory.change(&number, US).unwrap();
        ticket.title = title.unwrap_or(ticket.title.clone());
        ticket.notes.extend(word("AlertNote"));
        reply(200, shown(ticket))
    }
}

impl Wire for Cherwell {
    fn ask(&mut self, memory: &mut Memory, request: &Request) -> Response {
        let path = request
            .path
            .strip_prefix("CherwellAPI/api/V1/")
            .unwrap_or_else(|| unheard(request));
        let path: Vec<&str> = path.split('/').collect();
        match (request.method, path.as_slice()) {
            ("GET", ["getbusinessobjectsummary", "busobname", "Incident"]) => {
                reply(200, json!([{"busObId": "6dd5", "name": "Incident"}]))
            }
            ("POST", ["getbusinessobjecttemplate"]) => {
                let fields: Vec<Value> = NAMES
                    .iter()
                    .map(|n| json!({"fieldId": id(n), "name": n}))
                    .collect();
                reply(200, json!({"fields": fields, "hasError": false}))
            }
            ("POST", ["getsearchresults"]) => {
                let ask = body(request);
                assert_eq!(ask["filters"][0]["fieldId"], id("AlertKey"));
                let key = ask["filters"][0]["value"].as_str().unwrap();
                let found: Vec<Value> = memory.search(key).into_iter().map(shown).collect();
                reply(
                    200,
                    json!({"businessObjects": found, "totalRows": found.len(), "hasError": false}),
                )
            }
            ("GET", ["getbusinessobject", "busobid", "6dd5", "busobrecid", record]) => {
                match memory.get(record.strip_prefix("94").unwrap()) {
                    Some(t) => reply(200, shown(t)),
                    None => wrong("RECORDNOTFOUND", "Record not found"),
                }
            }
            ("POST", ["savebusinessobject"]) => Cherwell::save(memory, &body(request)),
            _ => unheard(request),
        }
    }
}
