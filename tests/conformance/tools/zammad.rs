//! Zammad: a search that lags, notes and states in one call, merged tickets that point to the other.

use super::{Reads, Row, Wire, between, body, query, reply, unheard};
use crate::memory::{Memory, RULE, Ticket, US, moment};
use correlated::itsm::TicketState;
use correlated::model::{Request, Response};
use serde_json::{Value, json};

pub const ROW: Row = Row {
    name: "zammad",
    kind: "zammad",
    keys: "auth = \"header\"\nauth_name = \"Authorization\"\nauth_prefix = \"Token token=\"\n\
           group = \"Ops\"\ncustomer = \"monitoring@example.net\"\n",
    wire: || Box::new(Zammad),
    reads: |_| Reads::Text,
};

struct Zammad;

fn state(state: TicketState) -> &'static str {
    match state {
        TicketState::New => "new",
        TicketState::Open => "open",
        TicketState::OnHold => "pending reminder",
        TicketState::Resolved => "closed",
        TicketState::Closed => "removed",
    }
}

fn shown(t: &Ticket) -> Value {
    let user = |name: &str| {
        if name == RULE {
            "-".to_owned()
        } else {
            name.to_owned()
        }
    };
    json!({
        "id": t.number, "number": (70_000 + t.number).to_string(), "title": t.title,
        "state": if t.merged_into.is_some() { "merged" } else { state(t.state) },
        "owner": if t.owner.is_empty() { "-" } else { &t.owner },
        "created_by": user(&t.by), "updated_by": user(t.last()), "alert_key": t.key,
        "updated_at": moment(t.changed, "%Y-%m-%dT%H:%M:%S.123Z"),
    })
}

impl Wire for Zammad {
    fn ask(&mut self, memory: &mut Memory, request: &Request) -> Response {
        let path = request
            .path
            .strip_prefix("api/v1/")
            .unwrap_or_else(|| unheard(request));
        let path: Vec<&str> = path.split('/').collect();
        let missing = || reply(404, json!({"error": "Couldn't find Ticket with 'id'=7"}));
        match (request.method, path.as_slice()) {
            ("GET", ["users", "me"]) => reply(200, json!({"id": 3, "login": US})),
            ("GET", ["tickets", "search"]) if query(request, "sort_by") == "updated_at" => {
                assert_eq!(query(request, "order_by"), "desc");
                let asked = query(request, "query");
                assert!(asked.starts_with("alert_key:cor*"), "{asked}");
                let since = between(asked, "updated_at:[\"", "\" TO *]");
                let since = if asked.contains("updated_at") {
                    since
                } else {
                    ""
                };
                let all = memory.changed("%Y-%m-%dT%H:%M:%SZ", since);
                let ours = all.into_iter().filter(|t| t.key.starts_with("cor-"));
                let per_page: usize = query(request, "per_page").parse().unwrap();
                let page: usize = query(request, "page").parse().unwrap();
                let skip = (page - 1) * per_page;
                reply(200, ours.skip(skip).take(per_page).map(shown).collect())
            }
            ("GET", ["tickets", "search"]) => {
                let key = between(query(request, "query"), "alert_key:\"", "\"");
                reply(200, memory.search(key).into_iter().map(shown).collect())
            }
            ("GET", ["tickets", number]) => memory
                .get(number)
                .map_or_else(missing, |t| reply(200, shown(t))),
            ("GET", ["links"]) => {
                let ticket = memory.get(query(request, "link_object_value")).unwrap();
                let parent = json!({"link_type": "parent", "link_object": "Ticket", "link_object_value": ticket.merged_into});
                reply(200, json!({"links": [parent]}))
            }
            ("POST", ["tickets"]) => {
                let body = body(request);
                if memory.refuses() {
                    return reply(422, json!({"error": "No lookup value found for 'group'"}));
                }
                assert_eq!(body["article"]["internal"], true, "customers would read it");
                assert_eq!(body["article"]["content_type"], "text/plain");
                let word = |v: &Value| v.as_str().unwrap().to_owned();
                let number = memory.create(
                    US,
                    &word(&body["alert_key"]),
                    &word(&body["title"]),
                    &word(&body["article"]["body"]),
                );
                reply(201, shown(memory.get(&number.to_string()).unwrap()))
            }
            ("PUT", ["tickets", number]) => {
                let body = body(request);
                if memory.get(number).is_none() {
                    return missing();
                }
                let wanted = match body["state"].as_str() {
                    Some("closed") => Some(TicketState::Resolved),
                    Some("open") => Some(TicketState::Open),
                    None => None,
                    Some(other) => panic!("state {other}"),
                };
                if let Some(state) = wanted {
                    memory.turn(number, US, state);
                }
                let title = body["title"].as_str().map(|t| memory.kept(t));
                let ticket = memory.change(number, US).unwrap();
                ticket.title = title.unwrap_or(ticket.title.clone());
                if let Some(text) = body["article"]["body"].as_str() {
                    assert_eq!(body["article"]["internal"], true, "customers would read it");
                    ticket.notes.push(text.to_owned());
                }
                reply(200, shown(memory.get(number).unwrap()))
            }
            _ => unheard(request),
        }
    }
}
