//! iTop: HTTP 200 for everything, states by stimuli only, a history that says who did what.

use super::{Reads, Row, Wire, between, body, reply, unheard};
use crate::memory::{Memory, RULE, Ticket, US, moment};
use correlated::itsm::TicketState;
use correlated::model::{Request, Response};
use serde_json::{Map, Value, json};

pub const ROW: Row = Row {
    name: "itop",
    kind: "itop",
    keys: "auth = \"basic\"\nuser = \"alertd\"\norganization = \"Demo\"\n\
           team = \"SELECT Team WHERE name = 'Ops'\"\nagent = \"SELECT Person WHERE id = 5\"\n",
    wire: || Box::new(ITop),
    reads: |path| match path {
        "/fields/description" | "/fields/solution" => Reads::Html,
        _ => Reads::Text,
    },
};

struct ITop;

fn status(state: TicketState) -> &'static str {
    match state {
        TicketState::New => "new",
        TicketState::Open => "assigned",
        TicketState::OnHold => "pending",
        TicketState::Resolved => "resolved",
        TicketState::Closed => "closed",
    }
}

fn shown(t: &Ticket) -> Value {
    let notes: Vec<Value> = t.notes.iter().map(|n| json!({"message": n})).collect();
    let agent = if t.owner.is_empty() { "0" } else { "7" };
    json!({"code": 0, "message": "", "class": "Incident", "key": t.number.to_string(), "fields": {
        "id": t.number.to_string(), "ref": format!("I-{:06}", t.number), "title": t.title,
        "status": status(t.state), "agent_id": agent, "agent_id_friendlyname": t.owner,
        "private_log": {"entries": notes},
        "last_update": moment(t.changed, "%Y-%m-%d %H:%M:%S"),
    }})
}

fn found(class: &str, objects: Vec<(String, Value)>) -> Response {
    let message = format!("Found: {}", objects.len());
    let objects: Map<String, Value> = objects
        .into_iter()
        .map(|(k, v)| (format!("{class}::{k}"), v))
        .collect();
    let objects = if objects.is_empty() {
        Value::Null
    } else {
        objects.into()
    };
    reply(
        200,
        json!({"code": 0, "message": message, "objects": objects}),
    )
}

fn refused(message: &str) -> Response {
    reply(200, json!({"code": 100, "message": message}))
}

impl ITop {
    fn get(memory: &Memory, ask: &Value) -> Response {
        let key = ask["key"].as_str().unwrap();
        let one = |t: &Ticket| (t.number.to_string(), shown(t));
        match ask["class"].as_str().unwrap() {
            "Organization" => found(
                "Organization",
                vec![("1".into(), json!({"code": 0, "key": "1", "fields": {}}))],
            ),
            "Incident" if key.contains("LIKE '%[cor-%'") => {
                let since = match key.contains("last_update >= '") {
                    true => between(key, "last_update >= '", "'"),
                    false => "",
                };
                let mut all = memory.changed("%Y-%m-%d %H:%M:%S", since);
                all.retain(|t| t.title.contains("[cor-"));
                all.sort_by_key(|t| t.number); // in no order of time
                found("Incident", all.into_iter().map(one).collect())
            }
            "Incident" if key.starts_with("SELECT") => {
                let key = between(key, "LIKE '%[", "]%'");
                found(
                    "Incident",
                    memory.search(key).into_iter().map(one).collect(),
                )
            }
            "Incident" => found("Incident", memory.get(key).map(one).into_iter().collect()),
            "CMDBChangeOp" => {
                let hands = memory
                    .get(between(key, "objkey = ", " "))
                    .map(|t| t.hands.clone());
                let ops = hands
                    .unwrap_or_default()
                    .into_iter()
                    .enumerate()
                    .map(|(n, hand)| {
                        let who = match hand.as_str() {
                            US => "correlated",
                            RULE => "Automatic - threshold triggered",
                            person => person,
                        };
                        let n = (100 + n).to_string();
                        (
                            n.clone(),
                            json!({"code": 0, "key": n, "fields": {"userinfo": who}}),
                        )
                    });
                found("CMDBChangeOp", ops.collect())
            }
            other => panic!("class {other}"),
        }
    }
}

impl Wire for ITop {
    fn ask(&mut self, memory: &mut Memory, request: &Request) -> Response {
        if (request.method, request.path.as_str()) != ("POST", "webservices/rest.php") {
            unheard(request);
        }
        let ask = body(request);
        let fields = &ask["fields"];
        assert!(fields.get("status").is_none(), "goes past the workflow");
        let operation = ask["operation"].as_str().unwrap();
        assert!(
            operation == "core/get" || ask["comment"] == "correlated",
            "a write without comment"
        );
        let number = ask["key"].as_str().unwrap_or_default().to_owned();
        let said = fields
            .pointer("/private_log/add_item")
            .cloned()
            .unwrap_or_default();
        assert!(said.is_null() || said["format"] == "text", "{said}");
        let said = said["message"].as_str().map(str::to_owned);
        match operation {
            "core/get" => return ITop::get(memory, &ask),
            "core/create" if memory.refuses() => return refused("Error: impact: Unexpected value"),
            "core/create" => {
                let title = fields["title"].as_str().unwrap();
                let key = title
                    .rsplit_once('[')
                    .unwrap()
                    .1
                    .trim_end_matches(']')
                    .to_owned();
                let made = memory.create(US, &key, title, fields["description"].as_str().unwrap());
                let ticket = memory.tickets.last_mut().unwrap();
                // Its only place is the title, which nobody rewrites so far that the key is lost.
                ticket.title = if ticket.key.is_empty() {
                    "x".into()
                } else {
                    title.to_owned()
                };
                return found(
                    "Incident",
                    vec![(made.to_string(), shown(&memory.tickets[made - 1]))],
                );
            }
            "core/update" => {}
            "core/apply_stimulus" => {
                let Some(before) = memory.get(&number).map(|t| t.state) else {
                    return refused("Error: Not found");
                };
                let state = match (ask["stimulus"].as_str().unwrap(), before) {
                    ("ev_assign", TicketState::New) => TicketState::Open,
                    ("ev_resolve", TicketState::Open) if fields["solution"].is_string() => {
                        TicketState::Resolved
                    }
                    ("ev_reopen", TicketState::Resolved) => TicketState::Open,
                    (stimulus, _) => {
                        return refused(&format!("Error: Invalid stimulus: '{stimulus}'"));
                    }
                };
                if !memory.turn(&number, US, state) {
                    return refused("Error: Missing mandatory attribute(s)");
                }
            }
            other => panic!("operation {other}"),
        }
        if memory.get(&number).is_none() {
            return refused("Error: Not found");
        }
        let title = fields["title"].as_str().map(str::to_owned);
        let ticket = memory.change(&number, US).unwrap();
        ticket.title = title.unwrap_or(ticket.title.clone());
        ticket.notes.extend(said);
        let shown = shown(ticket);
        found("Incident", vec![(number, shown)])
    }
}
