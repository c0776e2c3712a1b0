//! Request Tracker 5 as measured: drops what it does not know, answers sentences, merges by number.

use super::{Reads, Row, Wire, between, body, query, reply, unheard};
use crate::memory::{Memory, Ticket, US, moment};
use correlated::itsm::TicketState;
use correlated::model::{Request, Response};
use serde_json::{Value, json};

pub const ROW: Row = Row {
    name: "rt",
    kind: "rt",
    keys: "queue = \"Incidents\"\naccount = \"alertd\"\n",
    wire: || Box::new(Rt::default()),
    reads: |_| Reads::Text,
};

#[derive(Default)]
struct Rt {
    fields: Vec<(usize, Value)>,
    /// Subjects of comments, by ticket.
    said: Vec<(String, String)>,
}

fn status(state: TicketState) -> &'static str {
    match state {
        TicketState::New => "new",
        TicketState::Open => "open",
        TicketState::OnHold => "stalled",
        TicketState::Resolved => "resolved",
        TicketState::Closed => "rejected",
    }
}

fn state(word: &str) -> TicketState {
    match word {
        "new" => TicketState::New,
        "open" => TicketState::Open,
        "resolved" => TicketState::Resolved,
        other => panic!("status {other}"),
    }
}

impl Rt {
    fn shown(&self, t: &Ticket) -> Value {
        let of = self.fields.iter().rev().find(|(n, _)| *n == t.number);
        let mut fields = vec![json!({"name": "Correlation Key", "values":
            if t.key.is_empty() { vec![] } else { vec![t.key.clone()] }})];
        for (name, value) in of.and_then(|(_, f)| f.as_object()).into_iter().flatten() {
            if name != "Correlation Key" {
                let values = value.as_array().cloned().unwrap_or(vec![value.clone()]);
                fields.push(json!({"name": name, "values": values}));
            }
        }
        let owner = if t.owner.is_empty() {
            "Nobody"
        } else {
            &t.owner
        };
        let last = if t.last() == "system" {
            "RT_System"
        } else {
            t.last()
        };
        json!({
            "id": t.number, "Subject": t.title, "Status": status(t.state),
            "Owner": {"id": owner}, "LastUpdatedBy": {"id": last}, "Creator": {"id": t.by},
            "CustomFields": fields, "LastUpdated": moment(t.changed, "%Y-%m-%dT%H:%M:%SZ"),
        })
    }
}

impl Wire for Rt {
    fn ask(&mut self, memory: &mut Memory, request: &Request) -> Response {
        let path: Vec<&str> = request.path.split('/').collect();
        match (request.method, path.as_slice()) {
            ("GET", ["queue", "Incidents"]) => reply(200, json!({"id": 1, "Name": "Incidents"})),
            ("GET", ["queue", "1", "customfields"]) => {
                let names = [
                    "Correlation Key",
                    "Root CI",
                    "Severity",
                    "Impacted Services",
                    "Alert Count",
                ];
                let items: Vec<Value> = names.iter().map(|n| json!({"Name": n})).collect();
                reply(200, json!({"items": items}))
            }
            ("GET", ["tickets"]) if query(request, "query").contains(" LIKE 'cor-'") => {
                let asked = query(request, "query");
                assert_eq!(query(request, "orderby"), "LastUpdated");
                let since = match asked.contains("LastUpdated > '") {
                    true => between(asked, "LastUpdated > '", "'").replace(' ', "T") + "Z",
                    false => String::new(),
                };
                let all = memory.changed("%Y-%m-%dT%H:%M:%SZ", &since);
                let ours = all.into_iter().filter(|t| t.key.starts_with("cor-"));
                let number = |name: &str| query(request, name).parse::<usize>().unwrap();
                let (page, limit) = (number("page"), number("per_page"));
                let page = ours.skip((page - 1) * limit).take(limit);
                let items: Vec<Value> = page.map(|t| self.shown(t)).collect();
                reply(200, json!({"count": items.len(), "items": items}))
            }
            ("GET", ["tickets"]) => {
                let key = between(query(request, "query"), "'CF.{Correlation Key}' = '", "'");
                let items: Vec<Value> = memory
                    .search(key)
                    .into_iter()
                    .map(|t| self.shown(t))
                    .collect();
                reply(200, json!({"count": items.len(), "items": items}))
            }
            ("GET", ["ticket", number]) => match memory.get(number) {
                None => reply(404, json!({"message": "Resource does not exist"})),
                Some(t) => {
                    let into = t.merged_into.and_then(|n| memory.get(&n.to_string()));
                    reply(200, self.shown(into.unwrap_or(t)))
                }
            },
            ("POST", ["ticket"]) => {
                let body = body(request);
                if memory.refuses() {
                    return reply(400, json!({"message": "Input must match [Digits]"}));
                }
                let word = |name: &str| body[name].as_str().unwrap().to_owned();
                let key = body["CustomFields"]["Correlation Key"]
                    .as_str()
                    .unwrap()
                    .to_owned();
                let number = memory.create(US, &key, &word("Subject"), &word("Content"));
                self.fields.push((number, body["CustomFields"].clone()));
                reply(201, json!({"id": number.to_string(), "type": "ticket"}))
            }
            ("GET", ["ticket", number, "history"]) => {
                let said = self.said.iter().rev().filter(|(n, _)| n == number);
                let item = |(_, subject): &(String, String)| json!({"Type": "Comment", "Creator": {"id": US}, "Data": subject});
                reply(200, json!({"items": said.map(item).collect::<Vec<_>>()}))
            }
            ("PUT", ["ticket", number]) => {
                let body = body(request);
                if body["Status"] == "resolved" && body.as_object().unwrap().len() == 1 {
                    memory.turn(number, US, TicketState::Resolved);
                    return reply(200, json!([format!("Ticket {number}: changed")]));
                }
                for forbidden in ["AddDependsOn", "AddParent", "AddChild", "Status", "Owner"] {
                    assert!(body.get(forbidden).is_none(), "{body}");
                }
                if let Some(other) = body["AddRefersTo"][0].as_str() {
                    assert_eq!(body.as_object().unwrap().len(), 1, "{body}");
                    // Both have it in their history.
                    return match memory.tie(number, other, US) {
                        true => {
                            memory.change(other, US);
                            reply(200, json!(["Link created"]))
                        }
                        false => reply(404, json!({"message": "Resource does not exist"})),
                    };
                }
                let title = body["Subject"].as_str().map(|t| memory.kept(t));
                let Some(ticket) = memory.change(number, US) else {
                    return reply(404, json!({"message": "Resource does not exist"}));
                };
                if let Some(title) = title {
                    ticket.title = title;
                    self.fields
                        .push((ticket.number, body["CustomFields"].clone()));
                }
                reply(200, json!([format!("Ticket {number}: changed")]))
            }
            ("POST", ["ticket", number, "comment"]) => {
                let body = body(request);
                let Some(ticket) = memory.change(number, US) else {
                    return reply(404, json!({"message": "Resource does not exist"}));
                };
                ticket
                    .notes
                    .push(body["Content"].as_str().unwrap().to_owned());
                let subject = body["Subject"].as_str().unwrap().to_owned();
                self.said.push(((*number).to_owned(), subject));
                if let Some(word) = body["Status"].as_str() {
                    memory.turn(number, US, state(word));
                }
                reply(201, json!(["Comments added"]))
            }
            _ => unheard(request),
        }
    }
}
