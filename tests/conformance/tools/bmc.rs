//! BMC Helix ITSM: two forms, entries with an id of their own, errors by number with status 500.

use super::{Reads, Row, Wire, between, body, empty, query, reply, unheard};
use crate::memory::{Memory, RULE, Ticket, US, moment};
use correlated::itsm::TicketState;
use correlated::model::{Request, Response};
use serde_json::{Value, json};

pub const ROW: Row = Row {
    name: "bmc",
    kind: "bmc",
    keys: "auth = \"login\"\nuser = \"alertd\"\nauth_prefix = \"AR-JWT \"\noauth_path = \"/api/jwt/login\"\n\
           account = \"alertd\"\n",
    wire: || Box::new(Bmc),
    reads: |_| Reads::Text,
};

struct Bmc;

fn status(state: TicketState) -> &'static str {
    match state {
        TicketState::New => "New",
        TicketState::Open => "In Progress",
        TicketState::OnHold => "Pending",
        TicketState::Resolved => "Resolved",
        TicketState::Closed => "Closed",
    }
}

fn number(n: usize) -> String {
    format!("INC{n:012}")
}

/// The ticket of a number, or of an entry.
fn of(name: &str) -> String {
    let name = name.split("%7C").next().unwrap();
    name.trim_start_matches("INC")
        .trim_start_matches('0')
        .to_owned()
}

fn shown(t: &Ticket) -> Value {
    let n = number(t.number);
    let last = if t.last() == RULE {
        "AR_ESCALATOR"
    } else {
        t.last()
    };
    json!({
        "values": {
            "Incident Number": n, "Status": status(t.state), "Submitter": t.by, "Last Modified By": last,
            "Assignee": t.owner, "Description": t.title, "Vendor Ticket Number": t.key,
            "Last Modified Date": moment(t.changed, "%Y-%m-%dT%H:%M:%S.000+0000"),
        },
        "_links": {"self": [{"href": format!("https://x/api/arsys/v1/entry/HPD:IncidentInterface/{n}%7C{n}")}]},
    })
}

fn error(number: u32, text: &str) -> Response {
    reply(
        500,
        json!([{"messageType": "ERROR", "messageText": text, "messageNumber": number, "messageAppendedText": ""}]),
    )
}

impl Wire for Bmc {
    fn ask(&mut self, memory: &mut Memory, request: &Request) -> Response {
        let path = request
            .path
            .strip_prefix("api/arsys/v1/entry/")
            .unwrap_or_else(|| unheard(request));
        let (form, entry) = path.split_once('/').unwrap_or((path, ""));
        let values = body(request)["values"].clone();
        let word = |name: &str| values[name].as_str().map(str::to_owned);
        match (request.method, form, entry) {
            ("GET", "HPD%3AIncidentInterface", "") if !query(request, "sort").is_empty() => {
                let q = query(request, "q");
                assert!(
                    q.starts_with("'Vendor Ticket Number' LIKE \"cor-%\""),
                    "{q}"
                );
                assert_eq!(query(request, "sort"), "Last Modified Date.desc");
                assert!(query(request, "fields").contains("Last Modified Date"));
                let since = match q.split_once(" AND 'Last Modified Date' >= ") {
                    Some((_, seconds)) => seconds,
                    None => "",
                };
                let all = memory.changed("%s", since); // as many digits until 2286
                let ours = all.into_iter().filter(|t| t.key.starts_with("cor-"));
                let limit: usize = query(request, "limit").parse().unwrap();
                let offset: usize = query(request, "offset").parse().unwrap();
                let page: Vec<Value> = ours.skip(offset).take(limit).map(shown).collect();
                reply(200, json!({"entries": page}))
            }
            ("GET", "HPD%3AIncidentInterface", "") => {
                let q = query(request, "q");
                let value = between(q, "=\"", "\"");
                let found: Vec<Value> = match q.starts_with("'Incident Number'") {
                    true => memory.get(&of(value)).map(shown).into_iter().collect(),
                    false => memory.search(value).into_iter().map(shown).collect(),
                };
                reply(200, json!({"entries": found}))
            }
            ("GET", "HPD%3AIncidentInterface", entry) => match memory.get(&of(entry)) {
                Some(t) => reply(200, shown(t)),
                None => error(302, "Entry does not exist in database"),
            },
            ("POST", "HPD%3AIncidentInterface_Create", "") => {
                if memory.refuses() {
                    return error(1_291_053, "Required field cannot be blank.");
                }
                assert_eq!(word("z1D_Action").as_deref(), Some("CREATE"));
                let key = word("Vendor Ticket Number").unwrap();
                let made = memory.create(
                    US,
                    &key,
                    &word("Description").unwrap(),
                    &word("Detailed_Decription").unwrap(),
                );
                reply(201, json!({"values": {"Incident Number": number(made)}}))
            }
            ("PUT", "HPD%3AIncidentInterface", entry) => {
                let ticket = of(entry);
                if memory.get(&ticket).is_none() {
                    return error(302, "Entry does not exist in database");
                }
                let wanted = match word("Status").as_deref() {
                    None => None,
                    Some("Resolved") => Some(TicketState::Resolved),
                    Some("In Progress") => Some(TicketState::Open),
                    Some(other) => panic!("status {other}"),
                };
                if let Some(state) = wanted
                    && !memory.turn(&ticket, US, state)
                {
                    return error(9_000, "The status may not be set.");
                }
                let title = word("Description").map(|t| memory.kept(&t));
                let t = memory.change(&ticket, US).unwrap();
                t.title = title.unwrap_or(t.title.clone());
                t.notes.extend(word("Resolution"));
                empty(204)
            }
            ("POST", "HPD%3AWorkLog", "") => {
                assert_eq!(word("View Access").as_deref(), Some("Internal"));
                match memory.change(&of(&word("Incident Number").unwrap()), US) {
                    None => error(302, "Entry does not exist in database"),
                    Some(t) => {
                        t.notes.push(word("Detailed Description").unwrap());
                        empty(201)
                    }
                }
            }
            _ => unheard(request),
        }
    }
}
