//! Both ways: what waits for a tool, as people see it and try it again; and what people changed in tickets, found by
//! a poll. Through the real program, against the instance of `servicenow`; the polls of the kinds alone.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    dead_code,
    reason = "a test stops at what it does not expect, and uses a part of its support"
)]

#[path = "servicenow/daemon.rs"]
mod daemon;
#[path = "servicenow/instance.rs"]
mod instance;
mod ports;

use correlated::config;
use correlated::itsm::poll::{Changed, PollNext};
use correlated::itsm::{self, Facts, ItsmSettings, Refusal, TicketState};
use correlated::model::{Millis, Request, Response};
use daemon::Daemon;
use instance::{PERSON, Server, Ticket};
use serde_json::{Value, json};
use std::time::Duration;

#[test]
fn what_a_tool_refuses_is_listed_and_tried_again_by_a_person() {
    let server = Server::start();
    server.with(|i| i.refuses = true);
    let daemon = Daemon::new("parked", &server.basic());
    let listed = daemon.run(&["deliveries"]).unwrap();
    assert_eq!(listed, "nothing waits to be delivered");
    assert_eq!(
        daemon.run(&["deliveries", "retry", "--all"]),
        Err("nothing there waits for a retry".to_owned())
    );
    daemon.down("web1", "gone");
    daemon.wait_log("create refused");
    let listed = daemon.run(&["deliveries"]).unwrap();
    assert!(
        listed.starts_with("I000001  P3  snow  no ticket yet  create: parked until 2"),
        "{listed}"
    );
    assert!(listed.contains("no room on Fridays"), "{listed}");
    let json = daemon.run(&["deliveries", "--json"]).unwrap();
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let row = &json["deliveries"][0];
    assert_eq!(
        (&row["state"], &row["target"], &row["step"]),
        (&"parked".into(), &"snow".into(), &"create".into()),
        "{json}"
    );
    let refused = |arguments: &[&str], text: &str| {
        let found = daemon.run(arguments).unwrap_err();
        assert!(found.contains(text), "{arguments:?}: {found}");
    };
    refused(&["deliveries", "retry"], "--target");
    refused(&["deliveries", "retry", "I000001", "--all"], "--all");
    refused(
        &["deliveries", "retry", "I000077"],
        "I000077 is not known (any more)",
    );
    refused(
        &["deliveries", "retry", "--target", "now"],
        "there is no target \"now\"",
    );
    // Not mended yet: parked again. Mended: it goes through.
    daemon.run(&["deliveries", "retry", "--all"]).unwrap();
    let again = || daemon.log().matches("create refused").count() == 2;
    server.wait("refused again", |_| again());
    server.with(|i| i.refuses = false);
    let said = daemon
        .run(&["deliveries", "retry", "I000001", "--by", "jane"])
        .unwrap();
    assert!(
        said.starts_with("1 delivery is tried again, says uid ") && said.ends_with("(jane)"),
        "{said}"
    );
    server.wait("a ticket", |i| i.tickets.len() == 1);
    daemon.wait_log("ticket INC0010001 opened");
    let listed = daemon.run(&["deliveries"]).unwrap();
    assert_eq!(listed, "nothing waits to be delivered");
    server.with(|i| assert_eq!(i.creates, 1));
}

// ---- what people changed -------------------------------------------------------------------------------

const POLL: &str = "poll = \"300ms\"\n";

/// Lines of the log that tell what a person did.
fn hands(daemon: &Daemon) -> Vec<String> {
    let log = daemon.log();
    let by = |l: &&str| {
        l.contains("snow: ticket") && (l.contains("by a person") || l.contains("in the tool"))
    };
    let lines = log.lines().filter(by);
    lines
        .map(|l| l.split("snow: ").last().unwrap().to_owned())
        .collect()
}

#[test]
fn what_people_change_is_seen_without_a_write_of_ours() {
    let server = Server::start();
    let daemon = Daemon::new("polled", &(server.basic() + POLL));
    daemon.down("web1", "gone");
    server.wait("a ticket", |i| i.tickets.len() == 1);
    daemon.wait_log("ticket INC0010001 opened");
    std::thread::sleep(Duration::from_secs(1)); // our own hand is no news
    assert_eq!(hands(&daemon), Vec::<String>::new());
    let jane = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";
    server.with(|i| i.by("jane", 0, &[("assigned_to", jane), ("state", "2")]));
    daemon.wait_log("was taken by a person");
    let explained = daemon.run(&["explain", "I000001"]).unwrap();
    assert!(explained.contains("was taken by a person"), "{explained}");
    let listed = daemon.admin("GET", "v1/incidents");
    assert!(
        listed.contains("\"acknowledged\":\"a person in snow\""),
        "{listed}"
    );
    server.with(|i| i.by("jane", 0, &[("state", "3")]));
    daemon.wait_log("was put on hold by a person");
    server.with(|i| i.by("jane", 0, &[("state", "6")]));
    daemon.wait_log("was resolved in the tool");
    // Our answer to that is a note, which is no news to us.
    server.wait("a note", |i| {
        i.notes.iter().any(|n| n.contains("STILL FIRING"))
    });
    // A rule of the tool is no person, and neither is a cursor that is lost.
    server.with(|i| i.by("system", 0, &[("assignment_group", instance::OTHER_GROUP)]));
    daemon.forget("store/cursors/snow");
    std::thread::sleep(Duration::from_secs(1));
    server.with(|i| i.by("jane", 0, &[("state", "7")]));
    daemon.wait_log("was closed in the tool");
    daemon.up("web1");
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(
        hands(&daemon),
        [
            "ticket INC0010001 was taken by a person",
            "ticket INC0010001 was put on hold by a person",
            "ticket INC0010001 was resolved in the tool",
            "ticket INC0010001 was closed in the tool",
        ]
    );
    server.with(|i| assert_eq!((i.creates, i.tickets.len()), (1, 1)));
}

#[test]
fn what_we_resolve_is_no_news_and_tickets_of_others_are_none_of_ours() {
    let server = Server::start();
    server.with(|i| {
        i.insert(PERSON, Ticket::new());
        let key = ("correlation_id".to_owned(), "cor-00000000-9.1".to_owned());
        i.insert("alertd", [key].into()); // of another store
    });
    let daemon = Daemon::new("echo", &(server.basic() + POLL));
    daemon.down("web1", "gone");
    server.wait("a ticket", |i| i.tickets.len() == 3);
    daemon.up("web1");
    server.wait("resolved", |i| i.tickets[2]["state"] == "6");
    for _ in 0..3 {
        server.with(|i| {
            i.by(PERSON, 0, &[("state", "2")]);
            i.by(PERSON, 1, &[("state", "2")]);
        });
        std::thread::sleep(Duration::from_millis(500));
    }
    assert_eq!(hands(&daemon), Vec::<String>::new());
    // It is theirs from the moment at which they open it again.
    server.with(|i| i.by("jane", 2, &[("state", "2")]));
    daemon.wait_log("was opened again in the tool");
    server.with(|i| assert_eq!(i.tickets[2]["state"], "2"));
}

#[test]
fn requests_are_no_more_than_are_allowed_and_evenly_spaced() {
    let server = Server::start();
    let pace = "max_requests = 600\npoll = \"100ms\"\n"; // one in 100 ms
    let daemon = Daemon::new("paced", &(server.basic() + pace));
    for host in ["a", "b", "c"] {
        daemon.down(host, "gone");
    }
    server.wait("three tickets", |i| i.tickets.len() == 3);
    let came = server.with(|i| i.came.clone());
    assert!(came.len() >= 10, "{} requests", came.len());
    let span = came[came.len() - 1].duration_since(came[0]);
    let least = Duration::from_millis(70) * u32::try_from(came.len() - 1).unwrap();
    assert!(span >= least, "{} requests in {span:?}", came.len());
}

#[test]
fn a_moment_in_the_future_hides_nothing_that_comes_after_it() {
    let server = Server::start();
    let daemon = Daemon::new("ahead", &(server.basic() + POLL));
    for host in ["web1", "web2"] {
        daemon.down(host, "gone");
    }
    server.wait("two tickets", |i| i.tickets.len() == 2);
    daemon.wait_log("ticket INC0010002 opened");
    // An import, or a clock that was wrong for a moment.
    server.with(|i| {
        i.by("jane", 0, &[("state", "2")]);
        i.tickets[0].insert("sys_updated_on".into(), "2099-01-01 00:00:00".into());
    });
    daemon.wait_log("INC0010001 was taken by a person");
    std::thread::sleep(Duration::from_secs(1));
    server.with(|i| i.by("jane", 1, &[("state", "2")]));
    daemon.wait_log("INC0010002 was taken by a person");
}

#[test]
fn why_a_poll_fails_is_told_to_people() {
    let server = Server::start();
    let daemon = Daemon::new("unpolled", &(server.basic() + POLL));
    daemon.down("web1", "gone");
    daemon.wait_log("ticket INC0010001 opened");
    server.with(|i| i.sleeps = true);
    daemon.wait_log("snow cannot be polled, what people change is seen later: ");
    let log = daemon.log();
    let line = log
        .lines()
        .find(|l| l.contains("cannot be polled"))
        .unwrap();
    assert!(
        !line.contains("Retry {") && !line.contains("not_before"),
        "{line}"
    );
}

// ---- the polls alone -----------------------------------------------------------------------------------

fn target(kind: &str, keys: &str) -> ItsmSettings {
    let text = format!(
        "[[source]]\nname = \"n\"\nkind = \"nagios\"\n[[itsm]]\nname = \"t\"\nkind = \"{kind}\"\n\
         url = \"https://t.example\"\ntoken = \"credential:t\"\n{keys}"
    );
    config::load(&text, "").unwrap().plumbing.targets[0]
        .settings
        .clone()
}

/// Plays a poll: the requests, and what came of it.
fn polled(
    kind: &str,
    keys: &str,
    cursor: &str,
    answer: impl Fn(usize) -> (u16, Value),
) -> (Vec<Request>, Result<Changed, Refusal>) {
    let poll = itsm::kind(kind).unwrap().poll.unwrap();
    let settings = target(kind, keys);
    let (mut sent, mut got) = (Vec::new(), Vec::new());
    loop {
        assert!(got.len() < 20, "no end");
        match poll(&settings, &Facts::default(), cursor, &got) {
            PollNext::Done(changed) => return (sent, Ok(changed)),
            PollNext::Refused(refusal) => return (sent, Err(refusal)),
            PollNext::Send(request) => {
                assert!(!request.writes);
                let (status, body) = answer(sent.len());
                sent.push(request);
                got.push(Response {
                    status,
                    headers: vec![("retry-after".into(), "Sun, 22 Nov 2026 07:10:00 GMT".into())],
                    body: body.to_string().into_bytes(),
                    at: Millis(0),
                });
            }
        }
    }
}

fn query<'a>(request: &'a Request, name: &str) -> &'a str {
    let found = request.query.iter().find(|(n, _)| n == name);
    found.map_or("", |(_, v)| v.as_str())
}

const RT: &str = "queue = \"Ops' desk\"\naccount = \"alertd\"\n";

fn rt_ticket(id: usize, at: &str, by: &str, status: &str, key: &str) -> Value {
    json!({"id": id, "type": "ticket", "Status": status, "LastUpdated": at,
        "LastUpdatedBy": {"type": "user", "id": by}, "Owner": {"type": "user", "id": "Nobody"},
        "CustomFields": [{"name": "Correlation Key", "values": [key]}]})
}

#[test]
fn rt_is_asked_once_for_all_tickets_of_ours() {
    let at = "2026-11-22T07:00:00Z";
    let rows = json!({"items": [
        rt_ticket(12, "2026-11-22T07:05:00Z", "jane", "resolved", "cor-k7x2m9qd-3.1"),
        rt_ticket(11, "2026-11-22T07:04:00Z", "alertd", "open", "cor-k7x2m9qd-2.1"),
        rt_ticket(10, "2026-11-22T07:03:00Z", "jane", "open", "not ours"),
        rt_ticket(9, "2026-11-22T06:59:59Z", "jane", "open", "cor-k7x2m9qd-1.1"),
    ]});
    let (sent, changed) = polled("rt", RT, at, |_| (200, rows.clone()));
    assert_eq!(sent.len(), 1);
    assert_eq!(
        query(&sent[0], "query"),
        "Queue = 'Ops\\' desk' AND 'CF.{Correlation Key}' LIKE 'cor-' AND LastUpdated > '2026-11-21 07:00:00'"
    );
    assert_eq!(query(&sent[0], "order"), "DESC");
    let changed = changed.unwrap();
    assert_eq!(changed.cursor, "2026-11-22T07:05:00Z");
    let found: Vec<_> = changed
        .tickets
        .iter()
        .map(|t| (t.id.as_str(), t.seen.state, t.seen.touched))
        .collect();
    assert_eq!(
        found,
        [
            ("12", TicketState::Resolved, true),
            ("11", TicketState::Open, false)
        ]
    );
}

#[test]
fn full_pages_are_turned_until_what_is_known() {
    let page = |n: usize| -> Value {
        let one = |i: usize| {
            let second = 59 - (n * 100 + i) / 5;
            let at = format!("2026-11-22T07:00:{second:02}Z");
            rt_ticket(n * 100 + i + 1, &at, "jane", "open", "cor-k7x2m9qd-3.1")
        };
        json!({"items": (0..100).map(one).collect::<Vec<_>>()})
    };
    let (sent, changed) = polled("rt", RT, "2026-11-22T07:00:30Z", |n| (200, page(n)));
    let pages: Vec<&str> = sent.iter().map(|r| query(r, "page")).collect();
    assert_eq!(pages, ["1", "2"]);
    let changed = changed.unwrap();
    assert_eq!(changed.tickets.len(), 150);
    assert_eq!(changed.cursor, "2026-11-22T07:00:59Z");
}

#[test]
fn a_poll_that_is_refused_says_when_it_may_come_again() {
    let expected = Millis(1_795_331_400_000);
    for (kind, keys) in [("rt", RT), ("servicenow", instance::KEYS)] {
        let (_, busy) = polled(kind, keys, "", |_| (429, json!({"message": "slow down"})));
        assert!(
            matches!(busy, Err(Refusal::Retry { not_before: Some(at), .. }) if at == expected),
            "{kind}: {busy:?}"
        );
    }
    let three = [
        ("rt", RT),
        ("servicenow", instance::KEYS),
        ("jira", "project = \"OPS\"\n"),
    ];
    // A tool whose clock is an hour ahead, and says so: its moment is meant by its own clock.
    for (kind, keys) in three {
        let poll = itsm::kind(kind).unwrap().poll.unwrap();
        let busy = Response {
            status: 503,
            headers: vec![
                ("retry-after".into(), "Sun, 22 Nov 2026 08:00:30 GMT".into()),
                ("date".into(), "Sun, 22 Nov 2026 08:00:00 GMT".into()),
            ],
            body: b"{}".to_vec(),
            at: Millis(1_795_330_800_000), // 07:00
        };
        let answer = poll(&target(kind, keys), &Facts::default(), "", &[busy]);
        let expected = Millis(1_795_330_830_000);
        assert!(
            matches!(answer, PollNext::Refused(Refusal::Retry { not_before: Some(at), .. }) if at == expected),
            "{kind}: {answer:?}"
        );
    }
    // What stands in the log is understood by people: where we are sent, and what is meant where nothing is said.
    for (kind, keys) in three {
        let poll = itsm::kind(kind).unwrap().poll.unwrap();
        let said = |status: u16, body: &str| {
            let headers = vec![(
                "location".into(),
                "https://login.example/x?session=s3cret".into(),
            )];
            let (body, at) = (body.as_bytes().to_vec(), Millis(0));
            let answer = Response {
                status,
                headers,
                body,
                at,
            };
            match poll(&target(kind, keys), &Facts::default(), "", &[answer]) {
                PollNext::Refused(refusal) => refusal.to_string(),
                other => panic!("{kind}: {other:?}"),
            }
        };
        let sent = said(302, "");
        assert!(
            sent.contains("302: sends us on to https://login.example/x: ")
                && !sent.contains("s3cret"),
            "{kind}: {sent}"
        );
        assert_eq!(said(429, "{}"), "429: too many requests", "{kind}");
    }
    let (_, login) = polled("servicenow", instance::KEYS, "", |_| (401, json!({})));
    assert_eq!(login, Err(Refusal::Login));
}
