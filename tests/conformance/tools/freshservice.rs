//! Freshservice: a list that is up to date, a filter that is not, activities that say who did what.

use super::{Reads, Row, Wire, between, body, query, reply, unheard};
use crate::memory::{Memory, RULE, Ticket, US, moment};
use correlated::itsm::TicketState;
use correlated::model::{Request, Response};
use serde_json::{Value, json};

pub const ROW: Row = Row {
    name: "freshservice",
    kind: "freshservice",
    keys: "auth = \"basic_user\"\naccount = \"alertd@example.net\"\nrequester = \"monitoring@example.net\"\n",
    wire: || Box::new(Freshservice),
    reads: |path| match path {
        "/description" | "/body" => Reads::Html,
        _ => Reads::Text,
    },
};

struct Freshservice;

/// Our agent's number, and other people's.
const OURS: u64 = 21;
const THEIRS: u64 = 77;

fn status(state: TicketState) -> u64 {
    match state {
        TicketState::New => 2,
        TicketState::Open => 6,
        TicketState::OnHold => 3,
        TicketState::Resolved => 4,
        TicketState::Closed => 5,
    }
}

fn shown(t: &Ticket) -> Value {
    let notes: Vec<Value> = t
        .notes
        .iter()
        .map(|n| json!({"user_id": OURS, "body": n}))
        .collect();
    json!({
        "id": t.number, "subject": t.title, "status": status(t.state),
        "responder_id": if t.owner.is_empty() { Value::Null } else { THEIRS.into() },
        "custom_fields": {"alert_key": t.key}, "conversations": notes,
        "updated_at": moment(t.changed, "%Y-%m-%dT%H:%M:%SZ"),
    })
}

/// HTML that says just what was meant.
fn text(html: &str) -> String {
    let html = html.replace("<br>", "");
    assert!(!html.contains(['<', '>', '"']), "{html}");
    html.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&#39;", "'")
        .replace("&amp;", "&")
}

impl Wire for Freshservice {
    fn ask(&mut self, memory: &mut Memory, request: &Request) -> Response {
        let path = request
            .path
            .strip_prefix("api/v2/")
            .unwrap_or_else(|| unheard(request));
        let path: Vec<&str> = path.split('/').collect();
        let missing = || reply(404, json!({"message": "not found"}));
        match (request.method, path.as_slice()) {
            ("GET", ["agents"]) => reply(
                200,
                json!({"agents": [{"id": OURS, "email": query(request, "email")}]}),
            ),
            ("GET", ["tickets"]) if query(request, "order_by") == "updated_at" => {
                assert_eq!(query(request, "order_type"), "desc");
                let all = memory.changed("%Y-%m-%dT%H:%M:%SZ", query(request, "updated_since"));
                let per_page: usize = query(request, "per_page").parse().unwrap();
                let page: usize = query(request, "page").parse().unwrap();
                let skip = (page - 1) * per_page;
                let all = all.into_iter().skip(skip).take(per_page);
                reply(200, json!({"tickets": all.map(shown).collect::<Vec<_>>()}))
            }
            ("GET", ["tickets"]) => {
                let lag = std::mem::take(&mut memory.lag);
                let all: Vec<Value> = memory
                    .tickets
                    .iter()
                    .rev()
                    .filter(|t| !t.gone)
                    .take(100)
                    .map(shown)
                    .collect();
                memory.lag = lag;
                reply(200, json!({"tickets": all}))
            }
            ("GET", ["tickets", "filter"]) => {
                let key = between(query(request, "query"), "alert_key:'", "'");
                let found: Vec<Value> = memory.search(key).into_iter().map(shown).collect();
                reply(200, json!({"tickets": found}))
            }
            ("GET", ["tickets", number]) => memory
                .get(number)
                .map_or_else(missing, |t| reply(200, json!({"ticket": shown(t)}))),
            ("GET", ["tickets", number, "activities"]) => {
                let Some(ticket) = memory.get(number) else {
                    return missing();
                };
                let acts: Vec<Value> = ticket
                    .hands
                    .iter()
                    .enumerate()
                    .map(|(n, hand)| {
                        let actor = match hand.as_str() {
                            US => json!({"id": OURS, "name": "Alert Daemon"}),
                            RULE => json!({"id": null, "name": "System"}),
                            person => json!({"id": THEIRS, "name": person}),
                        };
                        json!({"actor": actor, "created_at": format!("2026-11-22T01:{n:02}:00Z")})
                    })
                    .collect();
                reply(200, json!({"activities": acts}))
            }
            ("POST", ["tickets"]) => {
                let body = body(request);
                if memory.refuses() {
                    let error = json!({"field": "category", "message": "It should be one of these values", "code": "invalid_value"});
                    return reply(
                        400,
                        json!({"description": "Validation failed", "errors": [error]}),
                    );
                }
                let word = |v: &Value| v.as_str().unwrap().to_owned();
                assert!(body["priority"].is_u64() && body["status"] == 2);
                let number = memory.create(
                    US,
                    &word(&body["custom_fields"]["alert_key"]),
                    &word(&body["subject"]),
                    &text(&word(&body["description"])),
                );
                reply(201, json!({"ticket": {"id": number}}))
            }
            ("PUT", ["tickets", number]) => {
                let body = body(request);
                let title = body["subject"].as_str().map(|t| memory.kept(t));
                if memory.get(number).is_none() {
                    return missing();
                }
                match body["status"].as_u64() {
                    None => {}
                    Some(4) if memory.no_resolving => {
                        return reply(
                            400,
                            json!({"description": "Validation failed", "errors": []}),
                        );
                    }
                    Some(4) => drop(memory.turn(number, US, TicketState::Resolved)),
                    Some(2) => drop(memory.turn(number, US, TicketState::New)),
                    Some(other) => panic!("status {other}"),
                }
                let ticket = memory.change(number, US).unwrap();
                ticket.title = title.unwrap_or(ticket.title.clone());
                reply(200, json!({"ticket": shown(ticket)}))
            }
            ("POST", ["tickets", number, "notes"]) => {
                let body = body(request);
                assert_eq!(body["private"], true, "requesters would read it");
                match memory.change(number, US) {
                    None => missing(),
                    Some(t) => {
                        t.notes.push(text(body["body"].as_str().unwrap()));
                        reply(201, json!({"conversation": {"id": 1}}))
                    }
                }
            }
            _ => unheard(request),
        }
    }
}
