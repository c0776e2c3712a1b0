//! The story of every step of every ITSM kind: what the tool answered, and what was asked and concluded.
//!
//! Answers with a `@` name stand under `tests/fixtures/itsm/<kind>/captures/` as a real tool gave them.
//! `CORRELATED_REWRITE=1` writes the conclusions anew; read the difference.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at what it does not expect"
)]

use correlated::config;
use correlated::itsm::poll::PollNext;
use correlated::itsm::{self, Content, Facts, ItsmSettings, Next, Page, Step};
use correlated::model::{Millis, Request, Response};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

const KEY: &str = "cor-k7x2m9qd-123.1";

fn folder(kind: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/itsm")
        .join(kind)
}

/// Addresses of the two tickets, of our user, of the caller and of the default group.
const SYS_ID: &str = "11111111111111111111111111111111";
const OTHER_SYS_ID: &str = "22222222222222222222222222222222";

/// Keys that a kind must be given, and the ids of the two tickets.
fn needs(kind: &str) -> (&'static str, String, String) {
    let short = || ("1".to_owned(), "2".to_owned());
    match kind {
        "rt" => {
            let (id, other) = short();
            ("queue = \"Incidents\"\naccount = \"alertd\"\n", id, other)
        }
        "servicenow" => (
            "account = \"alertd\"\ncaller = \"cccccccccccccccccccccccccccccccc\"\n\
             default_group = \"dddddddddddddddddddddddddddddddd\"\n\
             link_field = \"u_duplicate_of\"\nfields = { u_origin = \"monitoring\" }\n\
             groups = { Network = \"eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee\" }\n\
             category = { access_switch = \"network\" }\nsubcategory = { access_switch = \"switch\" }\n",
            format!("INC0010001#{SYS_ID}"),
            format!("INC0010002#{OTHER_SYS_ID}"),
        ),
        "jira" | "jira_dc" => (
            "project = \"OPS\"\nlabels = [\"monitoring\"]\n\
             fields = { customfield_10010 = '{\"value\": \"{{group}}\"}' }\n",
            "OPS-24#10024".into(),
            "OPS-25#10025".into(),
        ),
        "freshservice" => {
            let (id, other) = short();
            (
                "account = \"alertd@example.net\"\nrequester = \"monitoring@example.net\"\n\
                 groups = { Network = \"5\" }\ncustom_fields = { ci = \"{{ci}}\" }\n\
                 resolve_fields = { custom_fields = '{\"resolution\": \"{{text}}\"}' }\n",
                id,
                other,
            )
        }
        "bmc" => (
            "account = \"alertd\"\ngroups = { Network = \"Network operations\" }\n\
             fields = { Status = \"New\", \"Assigned Group\" = \"{{group}}\", Company = \"Example\", z1D_Action = \"CREATE\" }\n\
             change_fields = { z1D_Action = \"MODIFY\" }\n",
            "INC000000000012#INC000000000012|INC000000000012".into(),
            "INC000000000013#INC000000000013|INC000000000013".into(),
        ),
        "cherwell" => (
            "account = \"alertd\"\nkey_field = \"AlertKey\"\nnote_field = \"AlertNote\"\n",
            "102345#94a".into(),
            "102346#94b".into(),
        ),
        "itop" => (
            "organization = \"Demo\"\nteam = \"SELECT Team WHERE name = 'Ops'\"\n\
             agent = \"SELECT Person WHERE id = 5\"\n",
            "I-000012#12".into(),
            "I-000013#13".into(),
        ),
        "zammad" => (
            "group = \"Ops\"\ncustomer = \"monitoring@example.net\"\ngroups = { Network = \"Networks\" }\n\
             tags = \"monitoring\"\nfields = { ci = \"{{ci}}\" }\n",
            "70001#1".into(),
            "70002#2".into(),
        ),
        "pagerduty" => (
            "auth = \"member\"\nauth_name = \"routing_key\"\n",
            KEY.into(),
            "cor-k7x2m9qd-124.1".into(),
        ),
        "webhook" => {
            let (id, other) = short();
            (
                "create = \"POST tasks\"\nid = \"/data/gid\"\npriority = { P1 = \"3\" }\nheaders = { X-Sender = \"correlated\" }\n\
                 create_body = '{\"data\": {\"name\": \"{{title}}\", \"notes\": \"{{description}}\", \"level\": \"{{=priority}}\", \"external\": \"{{key}}\"}}'\n\
                 update = \"PUT tasks/{{id}}\"\nupdate_body = '{\"data\": {\"name\": \"{{title}}\"}}'\n\
                 note = \"POST tasks/{{id}}/stories\"\nnote_body = '{\"data\": {\"text\": \"{{n}}: {{text}}\"}}'\n\
                 resolve = \"PUT tasks/{{id}}\"\nresolve_body = '{\"data\": {\"completed\": true}}'\n",
                id,
                other,
            )
        }
        _ => {
            let (id, other) = short();
            ("", id, other)
        }
    }
}

/// What the probe found.
fn facts(kind: &str) -> Facts {
    let account = match kind {
        "jira" => "id-alertd",
        "jira_dc" | "zammad" => "alertd",
        "freshservice" => "21",
        "cherwell" => return cherwell_fields(),
        _ => return Facts::default(),
    };
    Facts([("account".to_owned(), account.to_owned())].into())
}

fn cherwell_fields() -> Facts {
    let names = [
        "AlertKey",
        "AlertNote",
        "ShortDescription",
        "Description",
        "Status",
        "OwnedBy",
        "CreatedBy",
        "LastModifiedBy",
        "Priority",
        "Source",
        "CloseDescription",
    ];
    let ids = names.iter().enumerate();
    let ids = ids.map(|(n, name)| ((*name).to_owned(), format!("BO:6dd5,FI:{n}")));
    let object = ("object".to_owned(), "6dd5".to_owned());
    Facts(ids.chain([object]).collect())
}

fn settings(kind: &str) -> ItsmSettings {
    let text = format!(
        "[[source]]\nname = \"n\"\nkind = \"nagios\"\n[[itsm]]\nname = \"t\"\nkind = \"{kind}\"\nurl = \"https://t.example/REST/2.0\"\ntoken = \"credential:t\"\n{}",
        needs(kind).0
    );
    config::load(&text, "").unwrap().plumbing.targets[0]
        .settings
        .clone()
}

fn content() -> Content {
    Content {
        title: "sw-cph1-a07 down: Payroll affected [I000123]".into(),
        description: "WHAT ...\n--\nKey cor-k7x2m9qd-123.1.".into(),
        ci: "sw-cph1-a07".into(),
        root_ci: "sw-cph1-a07".into(),
        severity: "critical".into(),
        priority: "P1".into(),
        services: vec!["Payroll".into(), "Webshop".into()],
        group: "Network".into(),
        alert_count: 42,
        ..Content::default()
    }
}

/// With a class and affected CIs, one of a name that is not asked for.
fn with_cis() -> Content {
    Content {
        ci: String::new(),
        services: Vec::new(),
        class: "access_switch".into(),
        cis: ["Payroll", "sw-cph1-a07", "a,b", "srv-pay-01"]
            .map(String::from)
            .into(),
        ..content()
    }
}

/// With a base of links.
fn with_page() -> Content {
    Content {
        page: Some(Page {
            id: "cor-k7x2m9qd-123".into(),
            url: "https://correlated.example.net/i/I000123".into(),
            title: "Incident I000123 - correlated".into(),
        }),
        ..content()
    }
}

/// With owners of other services on the watch list.
fn watched() -> Content {
    Content {
        watch: vec!["hr@example.net".into(), "sales@example.net".into()],
        ..content()
    }
}

fn step(kind: &str, name: &str) -> Step {
    let (_, id, other) = needs(kind);
    let id = || id.clone();
    let text = || "RECOVERED 03:41 CET.".to_owned();
    match name {
        "probe" => Step::Probe,
        "find" => Step::Find {
            key: KEY.into(),
            unknown: false,
        },
        "find-unknown" => Step::Find {
            key: KEY.into(),
            unknown: true,
        },
        "create-watch" => Step::Create {
            key: KEY.into(),
            content: watched(),
        },
        "update-watch" => Step::Update {
            id: id(),
            content: watched(),
        },
        "create-page" => Step::Create {
            key: KEY.into(),
            content: with_page(),
        },
        "update-page" => Step::Update {
            id: id(),
            content: with_page(),
        },
        "create-odd" => Step::Create {
            key: KEY.into(),
            content: Content {
                ci: "javascript:gs.log(1)".into(),
                services: vec!["a^b".into()],
                group: "Unheard of".into(),
                priority: "P3".into(),
                ..content()
            },
        },
        "create-bare" => Step::Create {
            key: KEY.into(),
            content: Content {
                ci: "abababababababababababababababab".into(),
                services: Vec::new(),
                group: String::new(),
                ..content()
            },
        },
        "create-cis" => Step::Create {
            key: KEY.into(),
            content: with_cis(),
        },
        "update-cis" => Step::Update {
            id: id(),
            content: with_cis(),
        },
        "find-quote" => Step::Find {
            key: "it's \\ odd".into(),
            unknown: false,
        },
        "create" => Step::Create {
            key: KEY.into(),
            content: content(),
        },
        "update" => Step::Update {
            id: id(),
            content: content(),
        },
        "note" => Step::Note {
            id: id(),
            n: 1,
            text: text(),
        },
        "resolve" => Step::Resolve {
            id: id(),
            text: text(),
            unless_touched: true,
        },
        "resolve-anyway" => Step::Resolve {
            id: id(),
            text: text(),
            unless_touched: false,
        },
        "reopen" => Step::Reopen {
            id: id(),
            text: text(),
        },
        "link" => Step::Link { id: id(), other },
        "read" => Step::Read { id: id() },
        unknown => panic!("step {unknown}"),
    }
}

/// An answer: `STATUS [Header: value]... BODY`, or `@capture`.
fn answer(kind: &str, line: &str) -> Response {
    if let Some(name) = line.strip_prefix('@') {
        let text = std::fs::read_to_string(folder(kind).join("captures").join(name)).unwrap();
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        let response = &value["response"];
        let headers = response["headers"].as_object().unwrap();
        return Response {
            status: u16::try_from(response["status"].as_u64().unwrap()).unwrap(),
            headers: headers
                .iter()
                .map(|(n, v)| (n.to_lowercase(), v.as_str().unwrap().to_owned()))
                .collect(),
            body: response["body"].to_string().into_bytes(),
            at: Millis(0),
        };
    }
    let (status, mut rest) = line.split_once(' ').unwrap_or((line, ""));
    let mut headers = Vec::new();
    while let Some((header, after)) = rest.strip_prefix('[').and_then(|r| r.split_once("] ")) {
        let (name, value) = header.split_once(": ").unwrap();
        headers.push((name.to_lowercase(), value.to_owned()));
        rest = after;
    }
    Response {
        status: status.parse().unwrap(),
        headers,
        body: rest.as_bytes().to_vec(),
        at: Millis(1_795_310_000_000),
    }
}

fn write_request(out: &mut String, request: &Request, more: &str) {
    let body = String::from_utf8_lossy(&request.body).into_owned();
    let writes = if request.writes { " (writes)" } else { "" };
    writeln!(out, "{} {}{writes}{more}", request.method, request.path).unwrap();
    for (name, value) in request.query.iter().chain(&request.headers) {
        writeln!(out, "  {name}: {value}").unwrap();
    }
    if !body.is_empty() {
        writeln!(out, "  {body}").unwrap();
    }
}

/// `poll CURSOR`, and the answers to it.
fn tell_poll<'a>(kind: &str, cursor: &str, lines: impl Iterator<Item = &'a str>) -> String {
    let answers: Vec<Response> = lines.map(|l| answer(kind, l)).collect();
    let (poll, settings) = (itsm::kind(kind).unwrap().poll.unwrap(), settings(kind));
    let mut out = String::new();
    for n in 0..=answers.len() {
        match poll(&settings, &facts(kind), cursor, &answers[..n]) {
            PollNext::Send(request) => write_request(&mut out, &request, ""),
            PollNext::Done(changed) => {
                assert_eq!(n, answers.len(), "answers are left over");
                for ticket in changed.tickets {
                    writeln!(out, "{} {:?}", ticket.id, ticket.seen).unwrap();
                }
                for ticket in changed.unread {
                    writeln!(out, "{} changed {}, to be read", ticket.id, ticket.at).unwrap();
                }
                writeln!(out, "then from {}", changed.cursor).unwrap();
                return out;
            }
            PollNext::Refused(refusal) => {
                assert_eq!(n, answers.len(), "answers are left over");
                writeln!(out, "refused {refusal:?}").unwrap();
                return out;
            }
        }
    }
    out + "waits for an answer\n"
}

fn tell(kind: &str, story: &str) -> String {
    let mut lines = story
        .lines()
        .filter(|l| !l.starts_with('#') && !l.trim().is_empty());
    let first = lines.next().unwrap().to_owned();
    if let Some(cursor) = first.strip_prefix("poll") {
        return tell_poll(kind, cursor.trim(), lines);
    }
    let step = step(kind, &first);
    // `lost` at the end: no answer comes.
    let lines: Vec<&str> = lines.collect();
    let (lines, lost) = match lines.split_last() {
        Some((&"lost", lines)) => (lines, true),
        _ => (&*lines, false),
    };
    let answers: Vec<Response> = lines.iter().map(|l| answer(kind, l)).collect();
    let (row, settings) = (itsm::kind(kind).unwrap(), settings(kind));
    let mut out = String::new();
    for n in 0..=answers.len() {
        let next = (row.next)(&settings, &facts(kind), &step, &answers[..n]);
        match next {
            Next::Send(ref request) | Next::Besides(ref request, _) => {
                let besides = match next {
                    Next::Besides(..) => " (besides)",
                    _ => "",
                };
                write_request(&mut out, request, besides);
                if let Next::Besides(_, reply) = next
                    && lost
                    && n == answers.len()
                {
                    writeln!(out, "done {reply:?}").unwrap();
                    return out;
                }
            }
            Next::Done(reply) => {
                assert_eq!(n, answers.len(), "answers are left over");
                writeln!(out, "done {reply:?}").unwrap();
                return out;
            }
            Next::Refused(refusal) => {
                assert_eq!(n, answers.len(), "answers are left over");
                writeln!(out, "refused {refusal:?}").unwrap();
                return out;
            }
        }
    }
    out + "waits for an answer\n"
}

fn stories(kind: &str) -> Vec<PathBuf> {
    let mut all: Vec<PathBuf> = std::fs::read_dir(folder(kind))
        .unwrap_or_else(|e| panic!("kind {kind} has no stories: {e}"))
        .map(|f| f.unwrap().path())
        .filter(|p| p.extension().is_some_and(|e| e == "txt"))
        .collect();
    all.sort();
    all
}

#[test]
fn steps_are_told_as_written() {
    let rewrite = std::env::var_os("CORRELATED_REWRITE").is_some();
    let mut wrong = Vec::new();
    for kind in itsm::KINDS {
        let mut told: Vec<String> = Vec::new();
        for file in stories(kind.kind) {
            let text = std::fs::read_to_string(&file).unwrap();
            let mut whole = String::new();
            for part in text.split("====\n") {
                let (story, _) = part.split_once("---\n").unwrap_or((part, ""));
                let first = story
                    .lines()
                    .find(|l| !l.starts_with('#') && !l.is_empty())
                    .unwrap();
                told.push(first.to_owned());
                let sep = if whole.is_empty() { "" } else { "====\n" };
                whole = format!("{whole}{sep}{story}---\n{}", tell(kind.kind, story));
            }
            if rewrite {
                std::fs::write(&file, &whole).unwrap();
            } else if whole != text {
                wrong.push(format!("{}\n{whole}", file.display()));
            }
        }
        for step in [
            "probe", "find", "create", "update", "note", "resolve", "reopen", "link", "read",
        ] {
            assert!(
                told.iter().any(|t| t == step),
                "kind {} has no story for {step}",
                kind.kind
            );
        }
        let polled = told.iter().any(|t| t.starts_with("poll "));
        assert!(
            polled || kind.poll.is_none(),
            "kind {} has no story for poll",
            kind.kind
        );
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn nonsense_is_never_taken_for_success() {
    // A kind that knows nothing of its tool takes every success for one; pages for people are in its stories.
    for kind in itsm::KINDS
        .iter()
        .filter(|k| !["shadow", "webhook"].contains(&k.kind))
    {
        let settings = settings(kind.kind);
        for name in [
            "probe", "find", "create", "update", "note", "resolve", "reopen", "link", "read",
        ] {
            let told = step(kind.kind, name);
            if let Next::Done(_) = (kind.next)(&settings, &facts(kind.kind), &told, &[]) {
                continue; // nothing is asked
            }
            for body in [
                "",
                "null",
                "[]",
                "{}",
                "\"x\"",
                "<html>busy</html>",
                "{\"items\":7}",
                "{\"id\":{}}",
                "{\"id\":\"../1\"}",
            ] {
                for status in [200, 201, 204, 302, 500] {
                    let one = answer(kind.kind, &format!("{status} {body}"));
                    let got: Vec<Response> = (0..4).map(|_| one.clone()).collect();
                    for n in 1..=4 {
                        let next = (kind.next)(&settings, &facts(kind.kind), &told, &got[..n]);
                        let claims = matches!(
                            &next,
                            Next::Done(itsm::Reply::Done { .. } | itsm::Reply::Already(_))
                        );
                        assert!(!claims, "{name} {status} {body}: {next:?}");
                    }
                }
            }
        }
    }
}
