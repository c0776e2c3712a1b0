//! What people changed in tickets, as tools tell it by webhook, and as it is found by a poll: the real program
//! against the fake tools of the conformance kit, each with a memory, over real sockets.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    dead_code,
    reason = "a test stops at what it does not expect, and uses a part of its support"
)]

#[path = "servicenow/daemon.rs"]
mod daemon;
#[path = "conformance/memory.rs"]
mod memory;
mod ports;
#[path = "hints/server.rs"]
mod server;
#[path = "conformance/tools/mod.rs"]
mod tools;

use correlated::config;
use correlated::itsm::TicketState;
use daemon::Daemon;
use ring::hmac;
use serde_json::json;
use server::Server;
use std::time::Duration;
use tools::{Row, TOOLS};

fn row(name: &str) -> &'static Row {
    TOOLS.iter().find(|r| r.name == name).unwrap()
}

fn signed(digest: hmac::Algorithm, secret: &str, body: &str) -> String {
    let key = hmac::Key::new(digest, secret.as_bytes());
    let tag = hmac::sign(&key, body.as_bytes());
    tag.as_ref().iter().map(|b| format!("{b:02x}")).collect()
}

/// A tool that sends webhooks: how it names a ticket, and how it signs.
struct Sender {
    row: &'static Row,
    more: &'static str,
    header: &'static str,
    mark: &'static str,
    digest: hmac::Algorithm,
    body: fn(&str, &Server) -> String,
}

fn jira(name: &'static str) -> Sender {
    Sender {
        row: row(name),
        more: "",
        header: "X-Hub-Signature",
        mark: "sha256=",
        digest: hmac::HMAC_SHA256,
        body: |number, _| {
            // What it says about the ticket is not true.
            let fields = json!({"status": {"name": "Resolved", "statusCategory": {"key": "done"}}});
            json!({"webhookEvent": "jira:issue_updated", "issue": {"id": number, "fields": fields}})
                .to_string()
        },
    }
}

fn senders() -> Vec<Sender> {
    vec![
        jira("jira"),
        jira("jira_dc"),
        Sender {
            row: row("zammad"),
            more: "",
            header: "X-Hub-Signature",
            mark: "sha1=",
            digest: hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            body: |number, _| {
                let id: u64 = number.parse().unwrap();
                json!({"ticket": {"id": id, "state": "closed"}, "article": {}}).to_string()
            },
        },
        Sender {
            row: row("pagerduty"),
            more: "rest_token_file = \"%/s3cret-client\"\n",
            header: "X-PagerDuty-Signature",
            mark: "v1=00ff,v1=", // one of a secret that is not ours
            digest: hmac::HMAC_SHA256,
            body: |number, server| {
                let key =
                    server.with(|m| m.get(number).map_or(number.to_owned(), |t| t.key.clone()));
                let data = json!({"type": "incident", "incident_key": key, "status": "resolved"});
                json!({"event": {"event_type": "incident.resolved", "data": data}}).to_string()
            },
        },
    ]
}

impl Sender {
    fn target(&self, server: &Server, more: &str) -> String {
        let rest = match self.row.kind {
            "pagerduty" => format!("rest_url = \"{}\"\n", server.url()),
            _ => String::new(),
        };
        let mine = format!("{}{rest}{more}", self.more);
        server.target(self.row, &mine)
    }

    fn post(&self, daemon: &Daemon, server: &Server, number: &str) -> (u16, String) {
        let body = (self.body)(number, server);
        let signature = signed(self.digest, "s3cret", &body);
        let header = format!("{}{signature}", self.mark);
        daemon.send("v1/tickets/tool", &[(self.header, &header)], &body)
    }
}

const HINTS: &str = "webhook_secret_file = \"%/s3cret\"\npoll = \"0s\"\n";

/// Lines of the log that tell what a person did.
fn hands(daemon: &Daemon) -> Vec<String> {
    let log = daemon.log();
    let told = |l: &str| {
        Some(
            l.split_once("tool: ticket ")?
                .1
                .split_once(' ')?
                .1
                .to_owned(),
        )
    };
    let lines = log
        .lines()
        .filter(|l| l.contains("by a person") || l.contains("in the tool"));
    lines.filter_map(told).collect()
}

#[test]
fn a_webhook_makes_us_look_and_what_we_see_counts() {
    for (n, sender) in senders().iter().enumerate() {
        let name = sender.row.name;
        let server = Server::start(sender.row);
        let daemon = Daemon::new(&format!("hint-{n}"), &sender.target(&server, HINTS));
        daemon.down("web1", "gone");
        let ticket = server.ours();
        daemon.wait_log(" opened");
        // It says that the ticket is resolved, which it is not; and nobody has touched it.
        let (status, said) = sender.post(&daemon, &server, &ticket);
        assert_eq!((status, said.trim()), (202, "{\"tickets\":1}"), "{name}");
        daemon.wait_metric(
            "correlated_ticket_webhooks_tickets_total{outcome=\"read\",target=\"tool\"} 1",
        );
        assert_eq!(hands(&daemon), Vec::<String>::new(), "{name}");
        server.takes(&ticket);
        sender.post(&daemon, &server, &ticket);
        daemon.wait_log("was taken by a person");
        let explained = daemon.run(&["explain", "I000001"]).unwrap();
        assert!(explained.contains("was taken by a person"), "{explained}");
        server.turns(&ticket, TicketState::Resolved);
        for _ in 0..5 {
            assert_eq!(sender.post(&daemon, &server, &ticket).0, 202); // tools repeat themselves
        }
        daemon.wait_log("was resolved in the tool");
        // A ticket of others, and one that is nowhere.
        server.with(|m| m.create("anna", "", "printer", "paper"));
        assert_eq!(sender.post(&daemon, &server, "4711").0, 202, "{name}");
        daemon.wait_metric(
            "correlated_ticket_webhooks_tickets_total{outcome=\"unknown\",target=\"tool\"} 1",
        );
        assert_eq!(
            hands(&daemon),
            ["was taken by a person", "was resolved in the tool"],
            "{name}"
        );
        assert_eq!(
            server.with(|m| m.tickets.iter().filter(|t| t.by == "alertd").count()),
            1
        );
    }
}

#[test]
fn who_cannot_sign_is_turned_away_and_nothing_is_read() {
    for (n, sender) in senders().iter().enumerate() {
        let name = sender.row.name;
        let server = Server::start(sender.row);
        let daemon = Daemon::new(&format!("sign-{n}"), &sender.target(&server, HINTS));
        daemon.down("web1", "gone");
        let ticket = server.ours();
        daemon.wait_log(" opened");
        let came = server.came().len();
        let body = (sender.body)(&ticket, &server);
        let good = format!("{}{}", sender.mark, signed(sender.digest, "s3cret", &body));
        let other = format!("{}{}", sender.mark, signed(sender.digest, "guess", &body));
        let path = "v1/tickets/tool";
        for header in [
            "",
            "sha256=",
            "v1=",
            "00",
            &other,
            &good[..good.len() - 2],
            &good.to_uppercase(),
        ] {
            let (status, said) = daemon.send(path, &[(sender.header, header)], &body);
            assert_eq!(status, 401, "{name} {header}: {said}");
            assert!(!said.contains("s3cret"), "{said}");
        }
        assert_eq!(daemon.send(path, &[], &body).0, 401);
        // The signature is that of these bytes, and no others.
        assert_eq!(
            daemon
                .send(path, &[(sender.header, &good)], &format!("{body} "))
                .0,
            401
        );
        let large = " ".repeat((2 << 20) + 1);
        let signature = format!("{}{}", sender.mark, signed(sender.digest, "s3cret", &large));
        assert_eq!(
            daemon.send(path, &[(sender.header, &signature)], &large).0,
            413
        );
        let broken = format!("{}{}", sender.mark, signed(sender.digest, "s3cret", "{"));
        assert_eq!(daemon.send(path, &[(sender.header, &broken)], "{").0, 400);
        let (status, said) = daemon.send("v1/tickets/other", &[(sender.header, &good)], &body);
        assert_eq!(status, 404);
        assert!(said.contains("there is no target"), "{said}");
        assert_eq!(server.came().len(), came, "{name}: nothing was asked");
        assert_eq!(daemon.send(path, &[(sender.header, &good)], &body).0, 202);
        daemon.wait_metric(
            "correlated_ticket_webhooks_tickets_total{outcome=\"read\",target=\"tool\"} 1",
        );
        assert!(!daemon.log().contains("s3cret"));
    }
}

#[test]
fn a_target_without_a_secret_says_so() {
    let sender = jira("jira");
    let server = Server::start(sender.row);
    let daemon = Daemon::new("no-secret", &sender.target(&server, ""));
    let (status, said) = sender.post(&daemon, &server, "1");
    assert_eq!(status, 403);
    assert!(said.contains("itsm tool has no webhook_secret"), "{said}");
    let refused = |kind: &str, keys: &str| {
        let text = format!(
            "[[source]]\nname = \"n\"\nkind = \"nagios\"\n[[itsm]]\nname = \"t\"\nkind = \"{kind}\"\n\
             url = \"https://t.example\"\ntoken = \"credential:t\"\nwebhook_secret = \"credential:w\"\n{keys}"
        );
        let problems = config::load(&text, "").unwrap_err();
        problems
            .iter()
            .map(|p| p.show("f"))
            .collect::<Vec<_>>()
            .join("\n")
    };
    let rt = refused("rt", "queue = \"q\"\naccount = \"a\"\n");
    assert!(rt.contains("kind rt has no webhook that is read"), "{rt}");
    let duty = refused("pagerduty", row("pagerduty").keys);
    assert!(duty.contains("needs rest_token"), "{duty}");
}

#[test]
fn a_ticket_that_a_person_deleted_or_merged_is_followed() {
    let sender = &senders()[2];
    let server = Server::start(sender.row);
    let daemon = Daemon::new("gone", &sender.target(&server, HINTS));
    daemon.down("web1", "gone");
    let ticket = server.ours();
    daemon.wait_log(" opened");
    let other = server.with(|m| {
        let other = m.create("anna", "", "the web is slow", "users say so");
        m.change(&ticket, "anna").unwrap().merged_into = Some(other);
        other.to_string()
    });
    sender.post(&daemon, &server, &ticket);
    daemon.wait_log(&format!("a person merged the ticket into {other}"));
    daemon.up("web1");
    server.wait("the recovery stands in the other", |m| {
        let notes = &m.get(&other).unwrap().notes;
        notes.iter().any(|n| n.contains("RECOVERED"))
    });
    // The next one is deleted while its fault lasts.
    std::thread::sleep(Duration::from_secs(2));
    daemon.down("web2", "gone");
    let made = |m: &memory::Memory| m.tickets.iter().filter(|t| t.by == "alertd").count();
    server.wait("a second ticket", |m| made(m) == 2);
    let second = server.with(|m| m.tickets.last().unwrap().number.to_string());
    daemon.wait_log(&format!("ticket 7000{second} opened"));
    server.with(|m| m.change(&second, "anna").unwrap().gone = true);
    sender.post(&daemon, &server, &second);
    daemon.wait_log("is deleted, a new one follows");
    server.wait("a third", |m| made(m) == 3);
}

#[test]
fn a_hint_that_cannot_be_followed_at_once_is_followed_later() {
    let sender = jira("jira");
    let server = Server::start(sender.row);
    let daemon = Daemon::new("later", &sender.target(&server, HINTS));
    daemon.down("web1", "gone");
    let ticket = server.ours();
    daemon.wait_log(" opened");
    server.takes(&ticket);
    server.away(true);
    sender.post(&daemon, &server, &ticket);
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(hands(&daemon), Vec::<String>::new());
    server.away(false);
    daemon.wait_log("was taken by a person");
}

// ---- polls ---------------------------------------------------------------------------------------------

/// Kinds of which one query finds what changed.
const POLLED: [&str; 7] = [
    "jira",
    "jira_dc",
    "zammad",
    "freshservice",
    "itop",
    "bmc",
    "pagerduty",
];

/// What a person does in a ticket, and what we say of it.
const ACTS: [(TicketState, &str); 4] = [
    (TicketState::OnHold, "was put on hold by a person"),
    (TicketState::Resolved, "was resolved in the tool"),
    (TicketState::Open, "was opened again in the tool"),
    (TicketState::Closed, "was closed in the tool"),
];

#[test]
fn every_kind_that_can_be_asked_is_polled() {
    for (n, name) in POLLED.into_iter().enumerate() {
        let row = row(name);
        let server = Server::start(row);
        let more = match name {
            "pagerduty" => format!(
                "rest_token_file = \"%/s3cret\"\nrest_url = \"{}\"\n",
                server.url()
            ),
            // Data Center does not say who is a person.
            "jira_dc" => "automation_accounts = [\"system\"]\n".to_owned(),
            _ => String::new(),
        };
        let text = server.target(row, &format!("{more}poll = \"300ms\"\n"));
        let daemon = Daemon::new(&format!("poll-{n}"), &text);
        server.with(|m| m.create("anna", "cor-00000000-9.1", "of another store", "x"));
        daemon.down("web1", "gone");
        let ticket = server.ours();
        daemon.wait_log(" opened");
        std::thread::sleep(Duration::from_millis(1200)); // our own hand is no news, and no rule's is
        server.rules(&ticket);
        std::thread::sleep(Duration::from_millis(1200));
        assert_eq!(hands(&daemon), Vec::<String>::new(), "{name}");
        server.takes(&ticket);
        daemon.wait_log("was taken by a person");
        let mut told = vec!["was taken by a person"];
        for (state, line) in ACTS {
            if name == "pagerduty" && state != TicketState::Resolved {
                continue; // it knows neither, and what is resolved there is over
            }
            server.turns(&ticket, state);
            daemon.wait_log(line);
            told.push(line);
            if state == TicketState::Resolved && name != "pagerduty" {
                // Our answer to that is a note, which is no news to us.
                server.wait("a note", |m| {
                    let notes = &m.get(&ticket).unwrap().notes;
                    notes.iter().any(|n| n.contains("STILL FIRING"))
                });
                std::thread::sleep(Duration::from_millis(300)); // until its answer is in
            }
            daemon.forget_cursor("tool");
        }
        std::thread::sleep(Duration::from_millis(1200));
        assert_eq!(hands(&daemon), told, "{name}");
    }
}

#[test]
fn what_a_person_does_while_our_own_write_waits_for_its_answer_is_seen_after_it() {
    let row = row("freshservice");
    let server = Server::start(row);
    let more =
        "poll = \"300ms\"\n[[cmdb]]\nname = \"cis\"\nkind = \"file\"\npath = \"%/cmdb.json\"\n";
    let daemon = Daemon::new("slow", &server.target(row, more));
    daemon.down("web1", "gone");
    let ticket = server.ours();
    daemon.wait_log(" opened");
    server.slow(true);
    let before = server.with(|m| m.get(&ticket).unwrap().hands.len());
    daemon.run(&["cause", "I000001", "sw1"]).unwrap();
    server.wait("the other cause", |m| {
        m.get(&ticket).unwrap().hands.len() > before
    });
    server.takes(&ticket);
    // Whether it was written before or after ours cannot be told yet, however often one looks: such a look does not count
    // as one of the two after which a ticket is left alone until it changes again.
    server.wait_asked(&format!("GET api/v2/tickets/{ticket}"), 4);
    assert_eq!(hands(&daemon), Vec::<String>::new());
    server.slow(false);
    daemon.wait_log("was taken by a person");
    daemon.wait_log("acknowledged by a person in tool");
}

// ---- owners who are told -------------------------------------------------------------------------------

#[test]
fn the_owner_of_a_service_hears_of_it_in_the_ticket_by_mail_and_in_a_place_of_its_own() {
    let (rt, chat) = (row("rt"), row("webhook park"));
    let (tool, other) = (Server::start(rt), Server::start(chat));
    let folder = std::env::temp_dir().join(format!("correlated-inform-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let cmdb = folder.join("cmdb.json");
    let cis = json!({"cis": [{"id": "1", "name": "Mail", "class": "business_service",
        "attributes": {"criticality": "gold", "group": "IT desk"}}], "relations": []});
    std::fs::write(&cmdb, cis.to_string()).unwrap();
    let text = format!(
        "{}{}[[cmdb]]\nname = \"cis\"\nkind = \"file\"\npath = \"{}\"\n\
         [[ticket.route]]\nname = \"all\"\ngroup = \"Operations\"\n\
         [[inform]]\nname = \"owners\"\nwatch = [\"it@example.net\"]\ntargets = [\"chat\"]\n",
        tool.target(rt, "poll = \"0s\"\n"),
        other.target(chat, "").replace("\"tool\"", "\"chat\""),
        cmdb.display()
    );
    let daemon = Daemon::new("inform", &text);
    daemon.down("Mail", "gone");
    let ticket = tool.ours();
    let told = |m: &memory::Memory| {
        let notes = &m.get(&ticket).unwrap().notes;
        let to = |n: &&String| n.starts_with("TO IT desk ") && n.contains("with Operations");
        notes.iter().filter(to).count()
    };
    tool.wait("a note", |m| told(m) == 1);
    let bodies = tool.bodies();
    let created = bodies.iter().find(|b| b.contains("\"Queue\"")).unwrap();
    assert!(
        created.contains("\"AdminCc\":[\"it@example.net\"]"),
        "{created}"
    );
    let message = other.ours();
    let of_chat = other.bodies();
    assert!(
        !of_chat
            .iter()
            .any(|b| b.contains("it@example.net") || b.contains("TO IT desk"))
    );
    daemon.up("Mail");
    let ended = |m: &memory::Memory, n: &str| m.get(n).unwrap().state == TicketState::Resolved;
    tool.wait("the ticket is resolved", |m| ended(m, &ticket));
    other.wait("the message hears of the end", |m| ended(m, &message));
    assert_eq!(
        (tool.with(|m| told(m)), tool.with(|m| m.tickets.len())),
        (1, 1)
    );
    assert_eq!(other.with(|m| m.tickets.len()), 1);
    std::fs::remove_dir_all(folder).ok();
}
