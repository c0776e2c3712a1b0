//! Kind `servicenow`: the real program, and the kind alone, against an instance with a memory and with the
//! habits that hurt: clauses that are ignored, rows that an ACL hides, rules that act later, lost answers.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at what it does not expect"
)]

#[path = "servicenow/daemon.rs"]
mod daemon;
#[path = "servicenow/instance.rs"]
mod instance;
mod ports;

use correlated::config;
use correlated::itsm::{
    self, Content, Facts, Hit, ItsmSettings, Next, Refusal, Reply, Seen, Step, TicketState,
};
use correlated::model::{Millis, Response};
use daemon::Daemon;
use instance::{Instance, OTHER_GROUP, PERSON, Server, Ticket};
use std::time::Duration;

const KEY: &str = "cor-k7x2m9qd-123.1";

// ---- the kind alone ------------------------------------------------------------------------------------

fn settings(more: &str) -> ItsmSettings {
    let text = format!(
        "[[source]]\nname = \"n\"\nkind = \"nagios\"\n[[itsm]]\nname = \"t\"\nkind = \"servicenow\"\n\
         url = \"https://t.example\"\ntoken = \"credential:t\"\n{}{more}",
        instance::KEYS
    );
    config::load(&text, "").unwrap().plumbing.targets[0]
        .settings
        .clone()
}

fn content(title: &str) -> Content {
    Content {
        title: title.into(),
        description: "WHAT  it is down\n--\nKey cor-k7x2m9qd-123.1.".into(),
        ci: "web1".into(),
        priority: "P2".into(),
        group: "Network".into(),
        ..Content::default()
    }
}

/// Carries out a step as the daemon does.
fn run(
    instance: &mut Instance,
    s: &ItsmSettings,
    facts: &Facts,
    step: &Step,
) -> Result<Reply, Refusal> {
    let row = itsm::kind("servicenow").unwrap();
    let mut got = Vec::new();
    for _ in 0..=itsm::MAX_EXCHANGES {
        match (row.next)(s, facts, step, &got) {
            Next::Done(reply) => return Ok(reply),
            Next::Refused(refusal) => return Err(refusal),
            next @ (Next::Send(_) | Next::Besides(..)) => {
                assert!(got.len() < itsm::MAX_EXCHANGES, "{step:?} has no end");
                let (request, besides) = match next {
                    Next::Besides(request, reply) => (request, Some(reply)),
                    Next::Send(request) => (request, None),
                    Next::Done(_) | Next::Refused(_) => unreachable!(),
                };
                let answer = instance.answer(
                    request.method,
                    &request.path,
                    &request.query.iter().cloned().collect(),
                    &request.body,
                );
                let Some(answer) = answer else {
                    return Ok(besides.expect("no fault is asked for"));
                };
                got.push(Response {
                    status: answer.status,
                    headers: answer.headers,
                    body: answer.body.into_bytes(),
                    at: Millis(0),
                });
            }
        }
    }
    panic!("{step:?} takes too many exchanges");
}

fn probed(instance: &mut Instance, s: &ItsmSettings) -> Facts {
    match run(instance, s, &Facts::default(), &Step::Probe) {
        Ok(Reply::Facts(facts)) => facts,
        other => panic!("{other:?}"),
    }
}

fn created(instance: &mut Instance, s: &ItsmSettings, facts: &Facts) -> (String, Seen) {
    let step = Step::Create {
        key: KEY.into(),
        content: content("web1 down"),
    };
    match run(instance, s, facts, &step) {
        Ok(Reply::Done { id, read_back }) => (id, read_back),
        other => panic!("{other:?}"),
    }
}

fn found(instance: &mut Instance, s: &ItsmSettings, facts: &Facts) -> Result<Vec<Hit>, Refusal> {
    match run(
        instance,
        s,
        facts,
        &Step::Find {
            key: KEY.into(),
            unknown: false,
        },
    )? {
        Reply::Found(hits) => Ok(hits),
        other => panic!("{other:?}"),
    }
}

fn resolve(id: &str) -> Step {
    Step::Resolve {
        id: id.into(),
        text: "RECOVERED\nall is over".into(),
        unless_touched: true,
    }
}

#[test]
fn a_rule_that_assigns_later_is_no_person_and_its_group_stays() {
    let (mut instance, s) = (Instance::new(), settings(""));
    let facts = probed(&mut instance, &s);
    instance.rule_in = Some(2);
    let (id, seen) = created(&mut instance, &s, &facts);
    assert_eq!((seen.touched, seen.dropped), (false, Vec::new()));
    assert_eq!(itsm::shown(&id), "INC0010001");
    let update = |title: &str| Step::Update {
        id: id.clone(),
        content: content(title),
    };
    for title in ["web1 and web2 down", "web1 to web3 down"] {
        let done = run(&mut instance, &s, &facts, &update(title)).unwrap();
        let Reply::Done { read_back, .. } = done else {
            panic!("{done:?}");
        };
        assert!(!read_back.touched);
    }
    assert_eq!(
        instance.tickets[0]["short_description"],
        "web1 to web3 down"
    );
    assert_eq!(instance.tickets[0]["assignment_group"], OTHER_GROUP);
    // Text that the tool changed is not taken for a person's change either.
    assert!(!instance.tickets[0]["description"].contains("  "));
    let done = run(&mut instance, &s, &facts, &resolve(&id)).unwrap();
    assert!(
        matches!(&done, Reply::Done { read_back, .. } if read_back.state == TicketState::Resolved)
    );
    assert_eq!(instance.tickets[0]["close_notes"], "RECOVERED");
}

#[test]
fn a_person_wins() {
    let (mut instance, s) = (Instance::new(), settings(""));
    let facts = probed(&mut instance, &s);
    let (id, _) = created(&mut instance, &s, &facts);
    instance.by(PERSON, 0, &[("assigned_to", PERSON)]);
    instance.by("system", 0, &[("state", "2")]);
    let before = instance.tickets[0].clone();
    let update = Step::Update {
        id: id.clone(),
        content: content("new title"),
    };
    for step in [update, resolve(&id)] {
        let left = run(&mut instance, &s, &facts, &step).unwrap();
        assert!(
            matches!(&left, Reply::State(seen) if seen.touched && seen.owner == PERSON),
            "{left:?}"
        );
    }
    assert_eq!(instance.tickets[0], before);
    let note = Step::Note {
        id,
        n: 1,
        text: "RECOVERED".into(),
    };
    run(&mut instance, &s, &facts, &note).unwrap();
    assert_eq!(instance.notes, ["RECOVERED"]);
}

#[test]
fn other_tickets_are_never_taken_for_ours() {
    let (mut instance, s) = (Instance::new(), settings(""));
    for _ in 0..20 {
        instance.insert(PERSON, Ticket::new());
    }
    let facts = probed(&mut instance, &s);
    assert_eq!(found(&mut instance, &s, &facts), Ok(Vec::new()));
    // The column is hidden after the start: its clause is ignored from now on.
    instance.hidden_columns = vec!["correlation_id"];
    let refused = found(&mut instance, &s, &facts);
    assert!(
        matches!(&refused, Err(Refusal::Stop(why)) if why.contains("not searchable")),
        "{refused:?}"
    );
    let refused = run(&mut instance, &s, &Facts::default(), &Step::Probe);
    assert!(matches!(&refused, Err(Refusal::Stop(_))), "{refused:?}");
}

#[test]
fn a_clone_with_our_key_is_not_ours_and_a_hidden_one_stops_the_create() {
    let (mut instance, s) = (Instance::new(), settings(""));
    let facts = probed(&mut instance, &s);
    let (id, _) = created(&mut instance, &s, &facts);
    let mut copy = instance.tickets[0].clone();
    copy.remove("sys_id");
    copy.remove("number");
    instance.insert(PERSON, copy);
    let hits = found(&mut instance, &s, &facts).unwrap();
    let ours: Vec<(&str, bool)> = hits.iter().map(|h| (itsm::shown(&h.id), h.by_us)).collect();
    assert_eq!(ours, [("INC0010001", true), ("INC0010002", false)]);
    instance.hidden_rows = true;
    let refused = found(&mut instance, &s, &facts);
    assert!(
        matches!(&refused, Err(Refusal::Reject(why)) if why.contains("may not read")),
        "{refused:?}"
    );
    let refused = run(&mut instance, &s, &facts, &Step::Read { id: id.clone() });
    assert!(
        matches!(&refused, Err(Refusal::Reject(_))),
        "hidden is not deleted: {refused:?}"
    );
    instance.hidden_rows = false;
    instance.tickets.clear();
    let gone = run(&mut instance, &s, &facts, &Step::Read { id });
    assert_eq!(gone, Err(Refusal::Gone(String::new())));
}

#[test]
fn a_closed_ticket_is_over_and_a_resolved_one_comes_back() {
    let (mut instance, s) = (Instance::new(), settings(""));
    let facts = probed(&mut instance, &s);
    let (id, _) = created(&mut instance, &s, &facts);
    run(&mut instance, &s, &facts, &resolve(&id)).unwrap();
    let reopen = Step::Reopen {
        id: id.clone(),
        text: "FIRING AGAIN".into(),
    };
    run(&mut instance, &s, &facts, &reopen).unwrap();
    assert_eq!(instance.tickets[0]["state"], "2");
    // In progress, and last changed by a rule: still ours, because we opened it again.
    instance.by("system", 0, &[("assignment_group", OTHER_GROUP)]);
    run(&mut instance, &s, &facts, &resolve(&id)).unwrap();
    assert_eq!(instance.tickets[0]["state"], "6");
    instance.by("system", 0, &[("state", "7")]); // after days
    assert_eq!(
        run(&mut instance, &s, &facts, &reopen),
        Err(Refusal::Closed)
    );
}

#[test]
fn a_data_policy_keeps_the_state_and_not_the_news() {
    let (mut instance, s) = (Instance::new(), settings(""));
    let facts = probed(&mut instance, &s);
    let (id, _) = created(&mut instance, &s, &facts);
    instance.needs_assignee = true;
    let done = run(&mut instance, &s, &facts, &resolve(&id)).unwrap();
    let Reply::Done { read_back, .. } = done else {
        panic!("{done:?}");
    };
    assert_eq!(read_back.state, TicketState::New);
    assert!(
        read_back.dropped[0].contains("mandatory: Assigned to"),
        "{read_back:?}"
    );
    assert_eq!(instance.notes, ["RECOVERED\nall is over"]);
}

#[test]
fn duplicates_are_linked_without_a_parent() {
    let (mut instance, s) = (
        Instance::new(),
        settings("link_field = \"u_duplicate_of\"\n"),
    );
    let facts = probed(&mut instance, &s);
    let (id, _) = created(&mut instance, &s, &facts);
    let (other, _) = created(&mut instance, &s, &facts);
    let link = Step::Link {
        id: other,
        other: id.clone(),
    };
    run(&mut instance, &s, &facts, &link).unwrap();
    assert_eq!(
        instance.tickets[1]["u_duplicate_of"],
        id.split_once('#').unwrap().1
    );
    let s = settings("link_field = \"parent_incident\"\n");
    let refused = run(&mut instance, &s, &Facts::default(), &Step::Probe);
    assert!(matches!(&refused, Err(Refusal::Stop(_))), "{refused:?}");
}

/// `web1` and further ones, all affected.
fn with_cis(title: &str, count: usize) -> Content {
    Content {
        class: "server".into(),
        cis: (1..=count).map(|n| format!("web{n}")).collect(),
        ..content(title)
    }
}

fn with_servers(count: usize) -> Instance {
    let mut instance = Instance::new();
    instance.cis = (1..=count).map(|n| format!("web{n}")).collect();
    instance
}

fn opened_with(instance: &mut Instance, s: &ItsmSettings, facts: &Facts, n: usize) -> Seen {
    let step = Step::Create {
        key: KEY.into(),
        content: with_cis("web1 down", n),
    };
    match run(instance, s, facts, &step) {
        Ok(Reply::Done { read_back, .. }) => read_back,
        other => panic!("{other:?}"),
    }
}

/// An update of the only ticket; the title makes it write.
fn updated_with(instance: &mut Instance, s: &ItsmSettings, facts: &Facts, n: usize) -> Vec<String> {
    let ticket = &instance.tickets[0];
    let step = Step::Update {
        id: format!("{}#{}", ticket["number"], ticket["sys_id"]),
        content: with_cis(&format!("{} again", ticket["short_description"]), n),
    };
    match run(instance, s, facts, &step) {
        Ok(Reply::Done { read_back, .. }) => read_back.dropped,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_new_ticket_names_its_affected_cis_and_a_second_look_adds_none() {
    let s = settings("category = { server = \"hardware\" }\nsubcategory = { disk = \"x\" }\n");
    let mut instance = with_servers(60);
    instance.copies_ci = true;
    let facts = probed(&mut instance, &s);
    let seen = opened_with(&mut instance, &s, &facts, 40);
    assert_eq!(seen.dropped, Vec::<String>::new());
    assert_eq!((instance.affected(0).len(), instance.batches), (40, 1));
    assert_eq!(instance.tickets[0]["category"], "hardware");
    assert!(!instance.tickets[0].contains_key("subcategory"));
    instance.by("system", 0, &[("category", "network")]);
    for _ in 0..3 {
        assert!(updated_with(&mut instance, &s, &facts, 40).is_empty());
    }
    assert_eq!((instance.affected(0).len(), instance.batches), (40, 1));
    assert_eq!(instance.tickets[0]["category"], "network", "set once");
    // What a person took away comes back with what is new; never more than 50.
    instance.task_ci.remove(1);
    assert!(updated_with(&mut instance, &s, &facts, 60).is_empty());
    assert_eq!((instance.affected(0).len(), instance.batches), (50, 2));
    assert!(updated_with(&mut instance, &s, &facts, 60).is_empty());
    assert_eq!(instance.affected(0).len(), 50);
}

#[test]
fn without_the_batch_api_rows_come_one_by_one() {
    let (mut instance, s) = (with_servers(6), settings(""));
    instance.no_batch = true;
    // Known since the probe, and found out under way.
    let known = probed(&mut instance, &s);
    assert!(known.get("no_batch").contains("404"), "{known:?}");
    for (facts, first) in [(known, 3), (Facts::default(), 2)] {
        instance.tickets.clear();
        instance.task_ci.clear();
        let seen = opened_with(&mut instance, &s, &facts, 6);
        assert_eq!(instance.affected(0).len(), first);
        assert_eq!(seen.dropped.len(), 1, "{seen:?}");
        assert!(seen.dropped[0].contains("later updates"), "{seen:?}");
    }
    let facts = probed(&mut instance, &s);
    for n in 3..=6 {
        updated_with(&mut instance, &s, &facts, 6);
        assert!(instance.affected(0).len() >= n);
    }
    assert!(updated_with(&mut instance, &s, &facts, 6).is_empty());
}

#[test]
fn a_table_of_cis_that_is_not_for_us_spoils_nothing() {
    let (mut instance, s) = (with_servers(5), settings(""));
    instance.task_ci_is_read_only = true;
    let facts = probed(&mut instance, &s);
    let seen = opened_with(&mut instance, &s, &facts, 5);
    assert_eq!(seen.dropped.len(), 1, "one line: {seen:?}");
    assert!(seen.dropped[0].contains("403: ACL Exception"), "{seen:?}");
    assert_eq!(updated_with(&mut instance, &s, &facts, 5).len(), 1);
    assert_eq!(instance.creates, 1);
    // Rows that we may write and not read would be written again and again.
    instance.task_ci_is_read_only = false;
    assert!(updated_with(&mut instance, &s, &facts, 2).is_empty());
    instance.task_ci_is_hidden = true;
    let dropped = updated_with(&mut instance, &s, &facts, 5);
    assert!(dropped[0].contains("hidden"), "{dropped:?}");
    assert_eq!(instance.affected(0), ["web1", "web2"]);
    let s = settings("affected_cis = false\n");
    assert!(updated_with(&mut instance, &s, &facts, 5).is_empty());
}

#[test]
fn a_batch_without_an_answer_is_no_create_without_one() {
    let (mut instance, s) = (with_servers(3), settings(""));
    instance.batches_lost = 1;
    let facts = probed(&mut instance, &s);
    let seen = opened_with(&mut instance, &s, &facts, 3);
    assert!(seen.dropped[0].contains("no answer"), "{seen:?}");
    assert_eq!(instance.affected(0).len(), 3);
    assert!(updated_with(&mut instance, &s, &facts, 3).is_empty());
    assert_eq!((instance.batches, instance.affected(0).len()), (1, 3));
}

// ---- the real program ----------------------------------------------------------------------------------

#[test]
fn a_ticket_lives_through_tokens_that_end_at_any_moment() {
    let server = Server::start();
    server.with(|i| {
        i.cis.push("web1".to_owned());
        i.uses = Some(3);
        i.end_after_create = true;
    });
    let daemon = Daemon::new("oauth", &server.oauth("s3cret-client"));
    daemon.down("web1", "gone [code]<b>x</b>[/code]");
    server.wait("a ticket", |i| i.tickets.len() == 1);
    daemon.wait_log("ticket INC0010001 opened");
    let listed = daemon.admin("GET", "v1/incidents");
    assert!(listed.contains("\"ticket\":\"INC0010001\""), "{listed}");
    daemon.up("web1");
    server.wait("resolved", |i| i.tickets[0]["state"] == "6");
    server.with(|i| {
        assert_eq!(i.tickets.len(), 1);
        assert_eq!(i.creates, 1);
        assert!(i.logins >= 3, "{} logins", i.logins);
        assert_eq!(i.unauthorised, 0, "a request without any token");
        assert!(i.turned_away >= 1, "no token ended under way");
        let text = format!("{:?}", i.tickets);
        assert!(text.contains("(code]<b>x</b>(/code]"), "{text}");
        assert_eq!(i.tickets[0]["impact"], "2");
    });
    let log = daemon.log();
    assert!(
        !log.contains("s3cret-client") && !log.contains("token-"),
        "{log}"
    );
}

#[test]
fn all_who_need_a_token_wait_for_one_login() {
    let server = Server::start();
    let password = server.oauth("s3cret-client") + "user = \"alertd\"\ntoken_file = \"%/s3cret\"\n";
    let daemon = Daemon::new("single", &password);
    let hosts: Vec<String> = (0..20).map(|n| format!("h{n}")).collect();
    std::thread::scope(|scope| {
        for host in &hosts {
            scope.spawn(|| daemon.down(host, "gone"));
        }
    });
    server.wait("a ticket each", |i| i.tickets.len() == hosts.len());
    for host in &hosts {
        daemon.up(host);
    }
    server.wait("all resolved", |i| {
        i.tickets.iter().all(|t| t["state"] == "6")
    });
    server.with(|i| assert_eq!((i.logins, i.creates, i.turned_away), (1, 20, 0)));
}

#[test]
fn a_login_that_is_refused_stops_the_target_and_is_said_once() {
    let server = Server::start();
    let daemon = Daemon::new("refused", &server.oauth("wrong"));
    for host in ["a", "b", "c"] {
        daemon.down(host, "gone");
    }
    daemon.wait_log("a person must act: the login is refused");
    std::thread::sleep(Duration::from_secs(2));
    server.with(|i| {
        assert_eq!((i.tickets.len(), i.creates), (0, 0));
        assert!(
            i.logins_refused <= 2,
            "{} logins: an account is locked by that",
            i.logins_refused
        );
    });
    assert!(!daemon.log().contains("wrong"), "{}", daemon.log());
}

#[test]
fn a_create_whose_answer_is_lost_and_whose_row_comes_late_is_found() {
    let server = Server::start();
    server.with(|i| i.late = Some(Duration::from_millis(2500)));
    let daemon = Daemon::new("late", &(server.basic() + "settle = \"4s\"\n"));
    daemon.down("web1", "gone");
    daemon.wait_log("ticket INC0010001 found, not opened twice");
    daemon.up("web1");
    server.wait("resolved", |i| i.tickets[0]["state"] == "6");
    server.with(|i| assert_eq!((i.creates, i.tickets.len()), (1, 1)));
}

#[test]
fn a_password_that_ends_between_create_and_read_back_makes_no_second_ticket() {
    let server = Server::start();
    server.with(|i| i.closed_after_create = 1);
    let daemon = Daemon::new("password", &(server.basic() + "settle = \"500ms\"\n"));
    daemon.down("web1", "gone");
    daemon.wait_log("ticket INC0010001 found, not opened twice");
    server.with(|i| assert_eq!((i.creates, i.tickets.len()), (1, 1)));
}

#[test]
fn nothing_is_written_where_searches_answer_other_tickets() {
    let server = Server::start();
    server.with(|i| {
        i.insert(PERSON, Ticket::new());
        i.hidden_columns = vec!["correlation_id"];
    });
    let daemon = Daemon::new("ignored", &server.basic());
    daemon.down("web1", "gone");
    daemon.wait_log("not searchable");
    std::thread::sleep(Duration::from_secs(1));
    server.with(|i| assert_eq!((i.creates, i.tickets.len()), (0, 1)));
}

/// A query parser that ignores our clause: a poll answers tickets of others, one of another installation of ours with
/// its key, and a copy of ours with our key. None of it is taken for a change by a person, and none of it is touched.
#[test]
fn tickets_of_others_that_a_poll_answers_are_no_news() {
    let server = Server::start();
    let daemon = Daemon::new("strangers", &(server.basic() + "poll = \"200ms\"\n"));
    daemon.down("web1", "gone");
    daemon.wait_log("ticket INC0010001 opened");
    let (theirs, came) = server.with(|i| {
        i.ignored_clauses = vec!["correlation_id"];
        let key = i.tickets[0]["correlation_id"].clone();
        for (key, state) in [
            ("", "7"),
            ("PRB-1", "2"),
            ("cor-zzzzzzzz-1.1", "7"),
            (&key, "6"),
        ] {
            let columns = [
                ("correlation_id", key),
                ("state", state),
                ("assigned_to", PERSON),
            ];
            let columns = columns.map(|(n, v)| (n.to_owned(), v.to_owned()));
            i.insert(PERSON, Ticket::from(columns));
        }
        (i.tickets[1..].to_vec(), i.came.len())
    });
    server.wait("polls", |i| i.came.len() > came + 5);
    // What is told of a person is counted: after ours was taken it is one change, and it is ours.
    server.with(|i| i.by(PERSON, 0, &[("assigned_to", PERSON)]));
    daemon.wait_metric("correlated_ticket_changes_total{target=\"snow\"} 1");
    server.wait("polls", |i| i.came.len() > came + 12);
    daemon.wait_metric("correlated_ticket_changes_total{target=\"snow\"} 1");
    server.with(|i| {
        assert_eq!(i.tickets[1..], theirs);
        assert_eq!((i.creates, i.tickets.len()), (1, 5));
    });
}

#[test]
fn what_fires_again_after_the_tool_closed_its_ticket_gets_the_next_one() {
    let server = Server::start();
    let daemon = Daemon::new("closed", &server.basic());
    daemon.down("web1", "gone");
    server.wait("a ticket", |i| i.tickets.len() == 1);
    daemon.up("web1");
    server.wait("resolved", |i| i.tickets[0]["state"] == "6");
    daemon.wait_log("ticket INC0010001 resolved");
    server.with(|i| i.by("system", 0, &[("state", "7")]));
    daemon.down("web1", "gone again");
    server.wait("the next ticket", |i| i.tickets.len() == 2);
    daemon.wait_log("ticket INC0010002 opened");
    server.with(|i| {
        assert_eq!(i.tickets[0]["state"], "7");
        let keys: Vec<&str> = i
            .tickets
            .iter()
            .map(|t| t["correlation_id"].as_str())
            .collect();
        assert_eq!(keys[0].rsplit_once('.').unwrap().1, "1", "{keys:?}");
        assert_ne!(keys[0], keys[1]);
    });
}

#[test]
fn an_instance_that_sleeps_gets_its_ticket_when_it_wakes() {
    let server = Server::start();
    server.with(|i| i.sleeps = true);
    let daemon = Daemon::new("sleeps", &server.oauth("s3cret-client"));
    daemon.down("web1", "gone");
    daemon.wait_log("tried again later");
    server.with(|i| i.sleeps = false);
    server.wait("a ticket", |i| i.tickets.len() == 1);
}

#[test]
fn a_ticket_that_never_changes_gets_its_cis_and_a_lost_batch_opens_no_second_one() {
    let server = Server::start();
    server.with(|i| {
        i.cis = ["web1", "web2", "sw1"].map(String::from).into();
        i.batches_lost = 1;
    });
    let cmdb = "\n[[cmdb]]\nname = \"file\"\nkind = \"file\"\npath = \"%/cmdb.json\"\n";
    let daemon = Daemon::new(
        "affected",
        &(server.basic() + "settle = \"500ms\"\n" + cmdb),
    );
    daemon.down("sw1", "gone");
    server.wait("its CI", |i| i.task_ci.len() == 1);
    daemon.wait_log("affected CIs not listed: 1: no answer");
    daemon.wait_log("ticket INC0010001 opened");
    std::thread::sleep(Duration::from_secs(2));
    server.with(|i| {
        assert_eq!((i.creates, i.tickets.len()), (1, 1));
        assert_eq!(i.affected(0), ["sw1"]);
    });
    daemon.up("sw1");
    server.wait("resolved", |i| i.tickets[0]["state"] == "6");
    assert!(
        !daemon.log().contains("not opened twice"),
        "{}",
        daemon.log()
    );
}
