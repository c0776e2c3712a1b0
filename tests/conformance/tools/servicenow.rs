//! ServiceNow's Table API: clauses of a query that it does not understand are ignored.

use super::{Reads, Row, Wire, between, body, query, reply, unheard};
use crate::memory::{Memory, Ticket, US, moment};
use correlated::itsm::TicketState;
use correlated::model::{Request, Response};
use serde_json::{Value, json};

pub const ROW: Row = Row {
    name: "servicenow",
    kind: "servicenow",
    keys: "account = \"alertd\"\ncaller = \"cccccccccccccccccccccccccccccccc\"\naffected_cis = false\n\
           default_group = \"dddddddddddddddddddddddddddddddd\"\nci_table = \"\"\nservice_table = \"\"\n\
           link_field = \"u_duplicate_of\"\n",
    wire: || Box::new(ServiceNow),
    reads: |path| match path {
        "/work_notes" | "/close_notes" | "/description" => Reads::CodeTags,
        _ => Reads::Text,
    },
};

struct ServiceNow;

const GROUP: &str = "dddddddddddddddddddddddddddddddd";
const US_ID: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

fn state(state: TicketState) -> &'static str {
    match state {
        TicketState::New => "1",
        TicketState::Open => "2",
        TicketState::OnHold => "3",
        TicketState::Resolved => "6",
        TicketState::Closed => "7",
    }
}

fn sys_id(number: usize) -> String {
    format!("{number:032x}")
}

fn number(sys_id: &str) -> String {
    usize::from_str_radix(sys_id, 16).unwrap_or(0).to_string()
}

fn shown(t: &Ticket) -> Value {
    let group = if t.group.is_empty() {
        GROUP
    } else {
        "99999999999999999999999999999999"
    };
    let reopened = t.notes.iter().any(|n| n == "(reopened)");
    json!({
        "sys_id": sys_id(t.number), "number": format!("INC{:07}", t.number), "state": state(t.state),
        "correlation_id": t.key, "sys_created_by": t.by, "sys_updated_by": t.last(),
        "assigned_to": if t.owner.is_empty() { "" } else { "ffffffffffffffffffffffffffffffff" },
        "reopened_by": if reopened { US_ID } else { "" }, "assignment_group": group, "cmdb_ci": "",
        "business_service": "", "impact": "2", "urgency": "1",
        "short_description": t.title, "description": t.text,
        "sys_updated_on": moment(t.changed, "%Y-%m-%d %H:%M:%S"),
    })
}

fn rows(rows: Vec<Value>) -> Response {
    let mut answer = reply(200, json!({"result": rows}));
    answer
        .headers
        .push(("x-total-count".into(), rows.len().to_string()));
    answer
}

fn failure(status: u16, message: &str) -> Response {
    reply(
        status,
        json!({"error": {"message": message, "detail": ""}, "status": "failure"}),
    )
}

impl Wire for ServiceNow {
    fn ask(&mut self, memory: &mut Memory, request: &Request) -> Response {
        let table = request
            .path
            .strip_prefix("api/now/v2/table/")
            .unwrap_or_default();
        let clause = query(request, "sysparm_query");
        match (request.method, table.split_once('/').unwrap_or((table, ""))) {
            ("GET", ("sys_user", _)) if clause == "user_name=alertd" => {
                rows(vec![json!({"sys_id": US_ID, "user_name": "alertd"})])
            }
            ("GET", ("sys_user", _)) => rows(vec![
                json!({"sys_id": "cccccccccccccccccccccccccccccccc", "user_name": "m"}),
            ]),
            ("GET", ("sys_user_group", _)) => {
                rows(vec![json!({"sys_id": GROUP, "active": "true"})])
            }
            ("GET", ("incident", "")) => match clause.strip_prefix("sys_id=") {
                Some(id) => rows(memory.get(&number(id)).map(shown).into_iter().collect()),
                None if clause.starts_with("correlation_idSTARTSWITHcor-") => {
                    assert!(clause.ends_with("^ORDERBYDESCsys_updated_on"), "{clause}");
                    let since = match clause.contains("^sys_updated_on>=") {
                        true => between(clause, "^sys_updated_on>=", "^"),
                        false => "",
                    };
                    let all = memory.changed("%Y-%m-%d %H:%M:%S", since);
                    let ours = all.into_iter().filter(|t| t.key.starts_with("cor-"));
                    let limit: usize = query(request, "sysparm_limit").parse().unwrap();
                    let offset: usize = query(request, "sysparm_offset").parse().unwrap_or(0);
                    rows(ours.skip(offset).take(limit).map(shown).collect())
                }
                None => {
                    let key = clause
                        .split('^')
                        .next()
                        .unwrap()
                        .strip_prefix("correlation_id=")
                        .unwrap();
                    rows(memory.search(key).into_iter().map(shown).collect())
                }
            },
            ("POST", ("incident", "")) => {
                let body = body(request);
                if memory.refuses() {
                    return failure(403, "Data Policy Exception: category is mandatory");
                }
                let word = |name: &str| body[name].as_str().unwrap().to_owned();
                let (key, title) = (word("correlation_id"), word("short_description"));
                let made = memory.create(US, &key, &title, &word("description"));
                let number = format!("INC{made:07}");
                reply(
                    201,
                    json!({"result": {"sys_id": sys_id(made), "number": number}}),
                )
            }
            ("PATCH", ("incident", id)) => {
                let (body, number) = (body(request), number(id));
                assert!(body.get("parent_incident").is_none() && body.get("comments").is_none());
                let kept = |name: &str| body[name].as_str().map(|t| memory.kept(t));
                let (title, text) = (kept("short_description"), kept("description"));
                let wanted = body["state"].as_str();
                if wanted == Some("6") && memory.no_resolving {
                    return failure(403, "Data Policy Exception: assigned to is mandatory");
                }
                if let Some(other) = body["u_duplicate_of"].as_str() {
                    assert_eq!(body.as_object().unwrap().len(), 1, "{body}");
                    let other = crate::tools::servicenow::number(other);
                    if !memory.tie(&number, &other, US) {
                        return failure(403, "Invalid reference");
                    }
                    let number = format!("INC{:0>7}", number);
                    return reply(200, json!({"result": {"sys_id": id, "number": number}}));
                }
                let Some(ticket) = memory.change(&number, US) else {
                    return failure(404, "No Record found");
                };
                ticket.title = title.unwrap_or(ticket.title.clone());
                ticket.text = text.unwrap_or(ticket.text.clone());
                ticket
                    .notes
                    .extend(body["work_notes"].as_str().map(str::to_owned));
                match wanted {
                    Some("6") => {
                        memory.turn(&number, US, TicketState::Resolved);
                    }
                    Some("2") if memory.turn(&number, US, TicketState::Open) => {
                        memory
                            .change(&number, US)
                            .unwrap()
                            .notes
                            .push("(reopened)".into());
                    }
                    _ => {}
                }
                let number = format!("INC{:0>7}", number);
                reply(200, json!({"result": {"sys_id": id, "number": number}}))
            }
            _ => unheard(request),
        }
    }
}
