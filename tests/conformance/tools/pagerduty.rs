//! PagerDuty's Events API: one open incident per `dedup_key`; and what its REST API says of incidents.

use super::{Reads, Row, Wire, body, query, reply, unheard};
use crate::memory::{Memory, RULE, Ticket, US, moment};
use correlated::itsm::TicketState;
use correlated::model::{Request, Response};
use serde_json::{Value, json};

pub const ROW: Row = Row {
    name: "pagerduty",
    kind: "pagerduty",
    keys: "auth = \"member\"\nauth_name = \"routing_key\"\n",
    wire: || Box::new(PagerDuty),
    reads: |_| Reads::Text,
};

struct PagerDuty;

/// An incident of the REST API. Somebody is assigned from the first moment.
fn shown(t: &Ticket) -> Value {
    let agent = |name: &str| match name {
        US => json!({"id": "PSERV", "type": "service_reference", "summary": "Monitoring"}),
        RULE => json!({"id": "PEP", "type": "escalation_policy_reference", "summary": "Default"}),
        name => json!({"id": "PUSER", "type": "user_reference", "summary": name}),
    };
    let (status, taken) = match t.state {
        TicketState::New => ("triggered", vec![]),
        TicketState::Open | TicketState::OnHold => {
            let by = json!({"at": "x", "acknowledger": agent(&t.owner)});
            ("acknowledged", vec![by])
        }
        TicketState::Resolved | TicketState::Closed => ("resolved", vec![]),
    };
    json!({
        "id": format!("P{}", t.number), "type": "incident", "incident_number": t.number,
        "incident_key": t.key, "status": status, "acknowledgements": taken,
        "last_status_change_by": agent(t.last()),
        "assignments": [{"assignee": {"type": "user_reference", "summary": "on call"}}],
    })
}

fn rest(memory: &Memory, request: &Request) -> Response {
    match request.path.as_str() {
        "incidents" => {
            let key = query(request, "incident_key");
            let all = memory.tickets.iter().filter(|t| t.key == key);
            reply(
                200,
                json!({"incidents": all.map(shown).collect::<Vec<_>>()}),
            )
        }
        "log_entries" => {
            assert_eq!(query(request, "include[]"), "incidents");
            let all = memory.changed("%Y-%m-%dT%H:%M:%SZ", query(request, "since"));
            let limit: usize = query(request, "limit").parse().unwrap();
            let offset: usize = query(request, "offset").parse().unwrap();
            let entry = |t: &Ticket| {
                json!({
                    "type": "log_entry", "incident": shown(t),
                    "created_at": moment(t.changed, "%Y-%m-%dT%H:%M:%SZ"),
                })
            };
            let page = all.into_iter().skip(offset).take(limit).map(entry);
            reply(
                200,
                json!({"log_entries": page.collect::<Vec<_>>(), "more": false}),
            )
        }
        _ => unheard(request),
    }
}

impl Wire for PagerDuty {
    fn ask(&mut self, memory: &mut Memory, request: &Request) -> Response {
        if request.method == "GET" {
            return rest(memory, request);
        }
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
