//! Something behind the kind `webhook`: with a way to look a ticket up (as Asana has it), and without.

use super::{Reads, Row, Wire, body, reply, unheard};
use crate::memory::{Memory, US};
use correlated::itsm::TicketState;
use correlated::model::{Request, Response};
use serde_json::json;

macro_rules! keys {
    ($more:literal) => {
        concat!(
            "auth = \"bearer\"\ncreate = \"POST tasks\"\nid = \"/data/gid\"\n",
            "create_body = '{\"data\": {\"name\": \"{{title}}\", \"notes\": \"{{description}}\", \"external\": {\"gid\": \"{{key}}\"}}}'\n",
            "note = \"POST tasks/{{id}}/stories\"\nnote_body = '{\"data\": {\"text\": \"{{text}}\"}}'\n",
            "resolve = \"PUT tasks/{{id}}\"\nresolve_body = '{\"data\": {\"completed\": true, \"notes\": \"{{text}}\"}}'\n",
            $more
        )
    };
}

pub const FIND: Row = Row {
    name: "webhook find",
    kind: "webhook",
    keys: keys!(
        "find = \"tasks/external:{{key}}\"\nfind_id = \"/data/gid\"\nfind_key = \"/data/external/gid\"\n"
    ),
    wire: || Box::new(Tasks),
    reads: |_| Reads::Unknown,
};

pub const PARK: Row = Row {
    name: "webhook park",
    keys: keys!("on_unknown = \"park\"\n"),
    ..FIND
};

pub const REPEAT: Row = Row {
    name: "webhook repeat",
    keys: keys!("on_unknown = \"repeat\"\n"),
    ..FIND
};

struct Tasks;

impl Wire for Tasks {
    fn ask(&mut self, memory: &mut Memory, request: &Request) -> Response {
        let path: Vec<&str> = request.path.split('/').collect();
        match (request.method, path.as_slice()) {
            ("GET", ["tasks", external]) => {
                let key = external
                    .strip_prefix("external%3A")
                    .or(external.strip_prefix("external:"));
                match memory.search(key.unwrap()).first() {
                    None => reply(
                        404,
                        json!({"errors": [{"message": "task: Not a recognized ID"}]}),
                    ),
                    Some(t) => reply(
                        200,
                        json!({"data": {"gid": t.number.to_string(), "external": {"gid": t.key}}}),
                    ),
                }
            }
            ("POST", ["tasks"]) => {
                if memory.refuses() {
                    return reply(400, json!({"message": "notes: too long"}));
                }
                let data = &body(request)["data"];
                let word = |v: &serde_json::Value| v.as_str().unwrap().to_owned();
                let number = memory.create(
                    US,
                    &word(&data["external"]["gid"]),
                    &word(&data["name"]),
                    &word(&data["notes"]),
                );
                reply(201, json!({"data": {"gid": number.to_string()}}))
            }
            ("POST", ["tasks", id, "stories"]) => {
                let text = body(request)["data"]["text"].as_str().unwrap().to_owned();
                match memory.change(id, US) {
                    None => reply(404, json!({"message": "gone"})),
                    Some(t) => {
                        t.notes.push(text);
                        reply(201, json!({"data": {}}))
                    }
                }
            }
            ("PUT", ["tasks", id]) => {
                let data = body(request)["data"].clone();
                assert_eq!(data["completed"], true);
                if memory.get(id).is_none() {
                    return reply(404, json!({"message": "gone"}));
                }
                memory.turn(id, US, TicketState::Resolved);
                memory
                    .change(id, US)
                    .unwrap()
                    .notes
                    .push(data["notes"].as_str().unwrap().to_owned());
                reply(200, json!({"data": {}}))
            }
            _ => unheard(request),
        }
    }
}
