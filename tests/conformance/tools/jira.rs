//! Jira: searches by label that may lag, a changelog that says who did what, transitions by workflow. Cloud
//! takes documents, Data Center wiki text.

use super::{Reads, Row, Wire, between, body, empty, query, reply, unheard};
use crate::memory::{LINK_BASE, Memory, PERSON, RULE, Ticket, US, moment};
use correlated::itsm::TicketState;
use correlated::model::{Request, Response};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const KEYS: &str =
    "project = \"OPS\"\nfields = { customfield_10010 = '{\"value\": \"{{group}}\"}' }\n";

pub const ROW: Row = Row {
    name: "jira",
    kind: "jira",
    keys: KEYS,
    wire: || {
        Box::new(Jira {
            cloud: true,
            priority: BTreeMap::new(),
            links: Vec::new(),
        })
    },
    reads: |_| Reads::Text, // nodes of a document: see `words`
};

pub const DATA_CENTER: Row = Row {
    name: "jira_dc",
    kind: "jira_dc",
    keys: KEYS,
    wire: || {
        Box::new(Jira {
            cloud: false,
            priority: BTreeMap::new(),
            links: Vec::new(),
        })
    },
    reads: |path| match path {
        "/fields/description" | "/body" => Reads::Wiki,
        _ => Reads::Text,
    },
};

struct Jira {
    cloud: bool,
    priority: BTreeMap<String, Value>,
    /// Remote links: the issue, and what was asked for.
    links: Vec<(String, Value)>,
}

fn status(state: TicketState) -> (&'static str, &'static str) {
    match state {
        TicketState::New => ("Open", "new"),
        TicketState::Open => ("Work in progress", "indeterminate"),
        TicketState::OnHold => ("Pending", "indeterminate"),
        TicketState::Resolved => ("Resolved", "done"),
        TicketState::Closed => ("Closed", "done"),
    }
}

/// The words of a document that is well formed.
fn words(node: &Value) -> String {
    let content = node["content"].as_array();
    match node["type"]
        .as_str()
        .unwrap_or_else(|| panic!("no document: {node}"))
    {
        "text" => {
            assert!(node.get("marks").is_none());
            let text = node["text"].as_str().unwrap();
            assert!(!text.is_empty(), "an empty text node is refused");
            text.to_owned()
        }
        "hardBreak" => "\n".to_owned(),
        "doc" => {
            assert_eq!(node["version"], 1);
            content
                .unwrap()
                .iter()
                .map(words)
                .collect::<Vec<_>>()
                .join("\n\n")
        }
        "paragraph" => content.unwrap().iter().map(words).collect(),
        other => panic!("node {other}"),
    }
}

impl Jira {
    fn user(&self, name: &str) -> Value {
        match (self.cloud, name) {
            (true, RULE) => {
                json!({"accountId": "557058:rules", "accountType": "app", "displayName": "Automation"})
            }
            (true, name) => {
                json!({"accountId": format!("id-{name}"), "accountType": "atlassian", "displayName": name})
            }
            (false, name) => json!({"name": name, "displayName": name}),
        }
    }

    fn text(&self, value: &Value) -> String {
        match self.cloud {
            true => words(value),
            false => value.as_str().expect("a text").to_owned(),
        }
    }

    fn shown(&self, t: &Ticket) -> Value {
        let (name, category) = status(t.state);
        let labels: Vec<&str> = if t.key.is_empty() {
            vec![]
        } else {
            vec![&t.key]
        };
        let histories: Vec<Value> = t.hands[1..]
            .iter()
            .map(|h| json!({"author": self.user(h)}))
            .collect();
        let comments: Vec<Value> = t
            .notes
            .iter()
            .map(|n| match self.cloud {
                true => json!({"author": self.user(US), "body": {"type": "doc", "version": 1, "content": [
                    {"type": "paragraph", "content": [{"type": "text", "text": n}]}]}}),
                false => json!({"author": self.user(US), "body": n}),
            })
            .collect();
        json!({
            "id": t.number.to_string(), "key": format!("OPS-{}", t.number),
            "fields": {
                "summary": t.title, "labels": labels, "creator": self.user(&t.by),
                "status": {"name": name, "statusCategory": {"key": category}},
                "assignee": if t.owner.is_empty() { Value::Null } else { self.user(PERSON) },
                "priority": self.priority.get(&t.number.to_string()), "comment": {"comments": comments},
                "updated": moment(t.changed, "%Y-%m-%dT%H:%M:%S.000+0000"),
            },
            "changelog": {"histories": histories},
        })
    }

    /// What our user made, the newest change first, page by page.
    fn page(&self, memory: &Memory, request: &Request) -> Response {
        let jql = query(request, "jql");
        assert!(jql.contains("project = \"OPS\"") && jql.ends_with(" ORDER BY updated DESC"));
        let since = between(jql, "updated >= \"", "\"");
        let since = if jql.contains("updated >=") {
            since
        } else {
            ""
        };
        let all = memory.changed("%Y/%m/%d %H:%M", since);
        let ours: Vec<Value> = all
            .into_iter()
            .filter(|t| t.by == US)
            .map(|t| self.shown(t))
            .collect();
        let per_page: usize = query(request, "maxResults").parse().unwrap();
        let from = if self.cloud {
            "nextPageToken"
        } else {
            "startAt"
        };
        let from: usize = query(request, from).parse().unwrap_or(0);
        let rest = &ours[from.min(ours.len())..];
        let page = &rest[..rest.len().min(per_page)];
        match (self.cloud, rest.len() > per_page) {
            (true, true) => {
                let next = (from + per_page).to_string();
                reply(200, json!({"issues": page, "nextPageToken": next}))
            }
            (_, _) => reply(200, json!({"issues": page, "isLast": true})),
        }
    }

    fn transitions(&self, memory: &Memory, t: &Ticket) -> Vec<Value> {
        let to = |id: &str, state| {
            let (name, category) = status(state);
            json!({"id": id, "name": "x", "to": {"name": name, "statusCategory": {"key": category}},
                   "fields": {"resolution": {"required": false}}})
        };
        match t.state {
            TicketState::Closed => vec![],
            TicketState::Resolved if memory.no_reopening => vec![to("9", TicketState::Closed)],
            TicketState::Resolved => vec![to("9", TicketState::Closed), to("3", TicketState::Open)],
            _ if memory.no_resolving => vec![to("3", TicketState::Open)],
            _ => vec![
                to("9", TicketState::Closed),
                to("3", TicketState::Open),
                to("5", TicketState::Resolved),
            ],
        }
    }
}

/// A link by its global id: changed where it is, else one more.
fn keep(links: &mut Vec<(String, Value)>, number: &str, link: Value) -> Response {
    let url = link["object"]["url"].as_str().unwrap();
    assert!(url.starts_with(LINK_BASE), "{url}");
    assert!(!link["object"]["title"].as_str().unwrap().is_empty());
    let global = link["globalId"].clone();
    let same = |(n, l): &&mut (String, Value)| n == number && l["globalId"] == global;
    let status = match links.iter_mut().find(same) {
        Some((_, there)) if global.is_string() => {
            *there = link;
            200
        }
        _ => {
            links.push((number.to_owned(), link));
            201
        }
    };
    let here = links.iter().filter(|(n, _)| n == number);
    assert!(here.count() == 1, "an issue links to one page: {links:?}");
    reply(
        status,
        json!({"id": 1, "self": format!("https://jira.example/rest/api/3/issue/{number}/remotelink/1")}),
    )
}

fn missing() -> Response {
    let text = "Issue does not exist or you do not have permission to see it.";
    reply(404, json!({"errorMessages": [text], "errors": {}}))
}

impl Wire for Jira {
    fn ask(&mut self, memory: &mut Memory, request: &Request) -> Response {
        let api = if self.cloud {
            "rest/api/3/"
        } else {
            "rest/api/2/"
        };
        let path = request
            .path
            .strip_prefix(api)
            .unwrap_or_else(|| unheard(request));
        let path: Vec<&str> = path.split('/').collect();
        match (request.method, path.as_slice()) {
            ("GET", ["myself"]) => reply(200, self.user(US)),
            ("GET", ["issue", "createmeta", "OPS", "issuetypes"]) => {
                let types = json!([{"id": "10001", "name": "[System] Incident"}]);
                reply(
                    200,
                    json!({if self.cloud { "issueTypes" } else { "values" }: types}),
                )
            }
            ("GET", ["issue", "createmeta", "OPS", "issuetypes", "10001"]) => {
                let fields: Vec<Value> = ["summary", "labels", "priority"]
                    .map(|f| {
                        json!({"fieldId": f, "key": f, "name": f, "required": f == "summary",
                            "operations": ["set"]})
                    })
                    .into();
                reply(
                    200,
                    json!({if self.cloud { "fields" } else { "values" }: fields}),
                )
            }
            ("GET", ["search", "jql"] | ["search"]) => {
                assert_eq!(path.len() == 2, self.cloud);
                if query(request, "jql").contains("creator = currentUser()") {
                    return self.page(memory, request);
                }
                let key = between(query(request, "jql"), "labels = \"", "\"");
                let issues: Vec<Value> = memory
                    .search(key)
                    .into_iter()
                    .map(|t| self.shown(t))
                    .collect();
                reply(200, json!({"issues": issues, "isLast": true}))
            }
            ("GET", ["issue", number]) => match memory.get(number) {
                None => missing(),
                Some(t) => reply(200, self.shown(t)),
            },
            ("POST", ["issue"]) => {
                let body = body(request);
                let fields = &body["fields"];
                if memory.refuses() && fields.get("customfield_10010").is_some() {
                    let errors = json!({"customfield_10010": "Option 'Databases' is not valid"});
                    return reply(400, json!({"errorMessages": [], "errors": errors}));
                }
                let key = fields["labels"][0].as_str().unwrap();
                assert_eq!(body["properties"][0]["value"]["key"], key);
                let (title, text) = (
                    fields["summary"].as_str().unwrap(),
                    self.text(&fields["description"]),
                );
                let number = memory.create(US, key, title, &text);
                self.priority
                    .insert(number.to_string(), fields["priority"].clone());
                reply(
                    201,
                    json!({"id": number.to_string(), "key": format!("OPS-{number}"),
                        "self": format!("https://jira.example/rest/api/3/issue/{number}")}),
                )
            }
            ("PUT", ["issue", number]) => {
                let body = body(request);
                let title = memory.kept(body["fields"]["summary"].as_str().unwrap());
                let text = memory.kept(&self.text(&body["fields"]["description"]));
                self.priority
                    .insert((*number).to_owned(), body["fields"]["priority"].clone());
                match memory.change(number, US) {
                    None => missing(),
                    Some(t) => {
                        (t.title, t.text) = (title, text);
                        empty(204)
                    }
                }
            }
            ("POST", ["issue", number, "comment"]) => {
                let body = body(request);
                assert_eq!(
                    body["properties"][0]["value"]["internal"], true,
                    "customers would read it"
                );
                let text = self.text(&body["body"]);
                match memory.change(number, US) {
                    None => missing(),
                    Some(t) => {
                        t.notes.push(text);
                        reply(201, json!({"id": "1"}))
                    }
                }
            }
            ("GET", ["issue", number, "remotelink"]) => {
                let global = query(request, "globalId");
                assert!(!global.is_empty());
                let same = |l: &&(String, Value)| l.0 == *number && l.1["globalId"] == global;
                match self.links.iter().find(same) {
                    None => missing(),
                    Some((_, link)) => {
                        let mut link = link.clone();
                        link["id"] = json!(1);
                        reply(200, link)
                    }
                }
            }
            ("POST", ["issue", number, "remotelink"]) => match memory.change(number, US) {
                None => missing(),
                Some(t) => {
                    let answer = keep(&mut self.links, number, body(request));
                    let of = self.links.iter().filter(|(n, _)| n == number);
                    t.links = of
                        .map(|(_, l)| l["globalId"].as_str().unwrap().to_owned())
                        .collect();
                    answer
                }
            },
            // The first issue is where the link begins: a type that has a direction reads "duplicates" there.
            ("POST", ["issueLink"]) => {
                let body = body(request);
                assert_eq!(body["type"]["name"], "Relates");
                let end = |name: &str| body[name]["id"].as_str().unwrap().to_owned();
                let (from, to) = (end("inwardIssue"), end("outwardIssue"));
                match memory.tie(&from, &to, US) {
                    true => {
                        memory.change(&to, US); // both have it in their changelog
                        empty(201)
                    }
                    false => missing(),
                }
            }
            ("GET", ["issue", number, "transitions"]) => match memory.get(number) {
                None => missing(),
                Some(t) => reply(200, json!({"transitions": self.transitions(memory, t)})),
            },
            ("POST", ["issue", number, "transitions"]) => {
                let body = body(request);
                let state = match body["transition"]["id"].as_str().unwrap() {
                    "3" => TicketState::Open,
                    "5" => TicketState::Resolved,
                    other => panic!("transition {other}"),
                };
                match memory.turn(number, US, state) {
                    true => empty(204),
                    false => reply(
                        400,
                        json!({"errorMessages": ["It is not valid"], "errors": {}}),
                    ),
                }
            }
            _ => unheard(request),
        }
    }
}
