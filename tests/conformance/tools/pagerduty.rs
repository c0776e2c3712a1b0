//! PagerDuty's Events API: one open incident per `dedup_key`, and nothing that can be read.

use super::{Reads, Row, Wire, body, reply, unheard};
use crate::memory::{Memory, US};
use correlated::itsm::TicketState;
use correlated::model::{Request, Response};
use serde_json::json;

pub const ROW: Row = Row {
    name: "pagerduty",
    kind: "pagerduty",
    keys: "auth = \"member\"\nauth_name = \"routing_key\"\n",
    wire: || Box::new(PagerDuty),
    reads: |_| Reads::Text,
};

struct PagerDuty;

impl Wire for PagerDuty {
    fn ask(&mut self, memory: &mut Memory, request: &Request) -> Response {
        if (request.method, request.path.as_str()) != ("POST", "v2/enqueue") {
            unheard(request);
        }
        let body = body(request);
        let key = body["dedup_key"].as_str().unwrap();
        let open = memory.tickets.iter().find(|t| t.key == key && t.is_open());
        let open = open.map(|t| t.number.to_string());
        match (body["event_action"].as_str().unwrap(), open) {
            ("trigger", _) if memory.refuses() => {
                let errors = json!(["'payload.severity' is invalid"]);
                return reply(
                    400,
                    json!({"status": "invalid event", "message": "Event object is invalid", "errors": errors}),
                );
            }
            ("trigger", None) => {
                let payload = &body["payload"];
                assert!(
                    ["critical", "error", "warning", "info"]
                        .contains(&payload["severity"].as_str().unwrap())
                );
                assert!(!payload["source"].as_str().unwrap().is_empty());
                let text = payload["custom_details"]["description"].as_str().unwrap();
                let number = memory.create(US, key, payload["summary"].as_str().unwrap(), text);
                memory.tickets[number - 1].key = key.to_owned(); // it has no field that could be dropped
            }
            ("resolve", Some(number)) => {
                memory.change(&number, US).unwrap().state = TicketState::Resolved;
            }
            ("trigger", Some(_)) | ("resolve", None) => {}
            (other, _) => panic!("event_action {other}"),
        }
        reply(
            202,
            json!({"status": "success", "message": "Event processed", "dedup_key": key}),
        )
    }
}
