//! What real systems sent, through the door of their kind and the engine behind it: storms out of order,
//! roads that tell the same in other words, and what a sender reads in the answer.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "a test stops at what it does not expect"
)]

mod world;

use correlated::config::{self, Config};
use correlated::model::{Event, Millis};
use correlated::source::{Body, Decoded};
use world::World;

/// A configuration with one source, a shadow target, and quick lives.
fn configured(source: &str) -> Config {
    let text = format!(
        "[correlate]\nresolve_after = \"5m\"\n[[source]]\nname = \"door\"\n{source}\n[[itsm]]\nname = \"rt\"\nkind = \"rt\"\nurl = \"http://127.0.0.1/\"\ntoken = \"credential:t\"\nqueue = \"q\"\naccount = \"a\"\n"
    );
    config::load(&text, "").unwrap_or_else(|e| panic!("{e:?}"))
}

fn decode(config: &Config, content_type: &str, body: &str, at: Millis) -> Vec<Event> {
    let source = &config.plumbing.sources[0];
    let mut out = Decoded::default();
    let body = Body {
        tail: "",
        content_type,
        bytes: body.as_bytes(),
        received_at: at,
    };
    (source.kind.decode)(&source.settings, &body, &mut out);
    assert_eq!((&out.refused, out.rejects.len()), (&None, 0), "{out:?}");
    out.events.into_iter().map(|(_, e)| e).collect()
}

/// The bodies of the storm: 200 problems and 200 recoveries of one host, as Zabbix 6.0 sent them.
fn storm() -> Vec<String> {
    let text = std::fs::read_to_string(format!(
        "{}/tests/fixtures/storm-zabbix.ndjson",
        env!("CARGO_MANIFEST_DIR")
    ));
    text.unwrap()
        .lines()
        .map(|l| {
            serde_json::from_str::<serde_json::Value>(l).unwrap()["body"]
                .as_str()
                .unwrap()
                .to_owned()
        })
        .collect()
}

fn shuffle<T>(all: &mut [T], mut seed: u64) {
    for n in (1..all.len()).rev() {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        all.swap(n, (seed >> 33) as usize % (n + 1));
    }
}

#[test]
fn a_zabbix_storm_in_any_order_ends_with_every_alert_over() {
    let config = configured("kind = \"zabbix\"\ntimezone = \"Asia/Tokyo\"");
    for seed in 1..=6 {
        let mut world = World::new(&config.rules, None);
        let mut bodies = storm();
        assert_eq!(bodies.len(), 400);
        // Some are delivered twice; the first seed keeps the order of the wire.
        let again: Vec<String> = bodies.iter().step_by(3).cloned().collect();
        bodies.extend(again);
        if seed > 1 {
            shuffle(&mut bodies, seed);
        }
        for body in &bodies {
            let events = decode(&config, "application/json", body, world.now);
            world.send("door", &events);
            world.advance(Millis(20));
        }
        let state = world.node.engine().state();
        assert_eq!(state.alerts.len(), 200, "seed {seed}");
        let live = state.alerts.values().filter(|a| a.live()).count();
        assert_eq!(live, 0, "seed {seed}");
        // An update that limps behind (an acknowledge that was retried) reopens nothing.
        for body in bodies
            .iter()
            .filter(|b| b.contains("\"event_value\":\"1\""))
            .take(50)
        {
            let late = body.replace("\"update_status\":\"0\"", "\"update_status\":\"1\"");
            let events = decode(&config, "application/json", &late, world.now);
            world.send("door", &events);
        }
        world.advance(Millis::mins(30));
        let state = world.node.engine().state();
        assert_eq!(
            state.alerts.values().filter(|a| a.live()).count(),
            0,
            "seed {seed}"
        );
        assert_eq!(world.open_tickets().len(), 0, "seed {seed}");
        assert!(
            world.tool.tickets.len() <= 1,
            "seed {seed}: {:?}",
            world.tool.tickets
        );
    }
}

#[test]
fn problems_of_one_trigger_are_open_side_by_side_and_end_one_by_one() {
    let config = configured("kind = \"zabbix\"");
    let mut world = World::new(&config.rules, None);
    let mut send = |name: &str| {
        let path = format!(
            "{}/tests/fixtures/source/zabbix/{name}.json",
            env!("CARGO_MANIFEST_DIR")
        );
        let capture: serde_json::Value =
            serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        let events = decode(
            &config,
            "application/json",
            capture["body"].as_str().unwrap(),
            world.now,
        );
        world.send("door", &events);
        world.advance(Millis::secs(1));
        let alerts = &world.node.engine().state().alerts;
        let live: Vec<String> = alerts
            .values()
            .filter(|a| a.live())
            .map(|a| a.labels.get("txn").unwrap().to_owned())
            .collect();
        live
    };
    assert_eq!(send("v60-tag-correlation-problem-1001"), ["1001"]);
    assert_eq!(send("v60-tag-correlation-problem-1002"), ["1001", "1002"]);
    assert_eq!(send("v60-tag-correlation-recovery-1001"), ["1002"]);
}

/// The problem that it names was lost, or the sender names its recoveries apart.
#[test]
fn a_recovery_of_an_unknown_problem_ends_the_older_one_of_its_trigger() {
    let config = configured("kind = \"zabbix\"");
    let body = |id: u32, value: u8, txn: &str| {
        format!(
            r#"{{"event_id":"{id}","event_source":"0","event_value":"{value}","update_status":"0","event_name":"Disk full","event_nseverity":"4","host_host":"db1","trigger_id":"9","instance":"zbx","tags":[{{"tag":"txn","value":"{txn}"}}]}}"#
        )
    };
    for (recovery, live) in [
        (body(12, 0, "a"), 0), // later, and about the same
        (body(12, 0, "b"), 1), // of another problem of the trigger
        (body(8, 0, "a"), 1),  // of one before
        (body(10, 0, "a"), 0), // its own
    ] {
        let mut world = World::new(&config.rules, None);
        for body in [body(10, 1, "a"), recovery.clone()] {
            let events = decode(&config, "application/json", &body, world.now);
            world.send("door", &events);
            world.advance(Millis::secs(1));
        }
        let alerts = world.node.engine().state().alerts.values();
        assert_eq!(alerts.filter(|a| a.live()).count(), live, "{recovery}");
    }
}

#[test]
fn webhook_and_connector_tell_of_one_alert_and_the_webhook_knows_more() {
    let config = configured("kind = \"zabbix\"\ninstance = \"zbx\"");
    let mut world = World::new(&config.rules, None);
    let problem = r#"{"clock":1795331392,"ns":832000000,"value":1,"eventid":77,"name":"Disk full","severity":4,"hosts":[{"host":"db1","name":"DB 1"}],"groups":["DB"],"tags":[]}"#;
    let webhook = r#"{"event_id":"77","event_source":"0","event_value":"1","update_status":"0","event_name":"Disk full","event_nseverity":"4","host_host":"db1","trigger_id":"9","instance":"zbx","tags":[{"tag":"team","value":"db"}]}"#;
    let recovery = r#"{"clock":1795331400,"ns":0,"value":0,"eventid":78,"p_eventid":77}"#;
    for (content_type, body) in [
        ("application/x-ndjson", problem),
        ("application/json", webhook),
        ("application/x-ndjson", problem),
    ] {
        let events = decode(&config, content_type, body, world.now);
        world.send("door", &events);
        world.advance(Millis::secs(1));
    }
    let state = world.node.engine().state();
    assert_eq!(state.alerts.len(), 1);
    let alert = state.alerts.values().next().unwrap();
    assert_eq!((alert.labels.get("team"), alert.live()), (Some("db"), true));
    let events = decode(&config, "application/x-ndjson", recovery, world.now);
    world.send("door", &events);
    assert!(
        !world
            .node
            .engine()
            .state()
            .alerts
            .values()
            .next()
            .unwrap()
            .live()
    );
}

#[test]
fn a_trigger_that_fires_again_returns_to_its_incident_and_the_answer_keeps_the_first_name() {
    let config = configured("kind = \"zabbix\"");
    let mut world = World::new(&config.rules, None);
    let say = |world: &mut World, id: u32, value: u8| {
        let body = format!(
            r#"{{"event_id":"{id}","event_source":"0","event_value":"{value}","update_status":"0","event_name":"Ping","event_nseverity":"5","host_host":"web1","trigger_id":"9","tags":[]}}"#
        );
        let events = decode(&config, "application/json", &body, world.now);
        world.send("door", &events);
        world.answers.last().unwrap().incident
    };
    let first = say(&mut world, 30, 1);
    assert!(first.is_some());
    world.advance(Millis::mins(6));
    assert_eq!(say(&mut world, 30, 0), first);
    world.advance(Millis::mins(7));
    assert_eq!(world.open_tickets().len(), 0);
    // Another event id, the same trigger: the same incident, the same ticket.
    assert_eq!(say(&mut world, 31, 1), first);
    world.advance(Millis::mins(3));
    assert_eq!(
        (world.tool.tickets.len(), world.open_tickets().len()),
        (1, 1)
    );
    assert_eq!(say(&mut world, 31, 0), first);
    world.advance(Millis::mins(120));
    assert_ne!(
        say(&mut world, 32, 1),
        first,
        "much later it is another incident"
    );
}

#[test]
fn a_cancelled_escalation_is_neither_problem_nor_recovery() {
    let config = configured("kind = \"zabbix\"");
    let mut world = World::new(&config.rules, None);
    let body = |message: &str| {
        format!(
            r#"{{"event_id":"30","event_source":"0","event_value":"1","update_status":"0","event_name":"Ping","event_nseverity":"5","host_host":"web1","trigger_id":"9","message":"{message}","tags":[]}}"#
        )
    };
    let cancelled =
        "NOTE: Escalation canceled: trigger \\\"Ping\\\" disabled.\\nLast message sent:";
    for message in ["", cancelled] {
        let events = decode(&config, "application/json", &body(message), world.now);
        world.send("door", &events);
        world.advance(Millis::mins(6));
    }
    let live = |world: &World| {
        world
            .node
            .engine()
            .state()
            .alerts
            .values()
            .filter(|a| a.live())
            .count()
    };
    assert_eq!((live(&world), world.open_tickets().len()), (1, 1));
    // Nobody watches it any more: after stale_for it is over, and the ticket hears of it.
    world.advance(Millis::mins(25 * 60));
    assert_eq!((live(&world), world.open_tickets().len()), (0, 0));
}

/// Two sources of one file, each with its own door.
fn two(text: &str) -> Config {
    config::load(text, "").unwrap_or_else(|e| panic!("{e:?}"))
}

fn post(world: &mut World, config: &Config, n: usize, body: &str) {
    let source = &config.plumbing.sources[n];
    let mut out = Decoded::default();
    let body = Body {
        tail: "",
        content_type: "application/json",
        bytes: body.as_bytes(),
        received_at: world.now,
    };
    (source.kind.decode)(&source.settings, &body, &mut out);
    let mut events: Vec<Event> = out.events.into_iter().map(|(_, e)| e).collect();
    for event in &mut events {
        for (name, value) in source.labels.iter() {
            event.labels.set(name, value);
        }
    }
    world.send_as(&source.settings.name, &source.scope, &events);
}

#[test]
fn two_zabbix_servers_with_the_same_event_ids_are_two_name_spaces_unless_they_share_a_scope() {
    let text = |more: &str| {
        format!(
            "[[source]]\nname = \"zbx-a\"\nkind = \"zabbix\"\nlabels = {{ customer = \"acme\" }}\n{more}\n[[source]]\nname = \"zbx-b\"\nkind = \"zabbix\"\nlabels = {{ customer = \"globex\" }}\n{more}\n"
        )
    };
    let body = |value: u8| {
        format!(
            r#"{{"event_id":"30","event_source":"0","event_value":"{value}","update_status":"0","event_name":"Ping","event_nseverity":"5","host_host":"localhost","trigger_id":"9","tags":[]}}"#
        )
    };
    for (more, want) in [("", 1), ("scope = \"one\"", 0)] {
        let config = two(&text(more));
        let mut world = World::new(&config.rules, None);
        post(&mut world, &config, 0, &body(1));
        post(&mut world, &config, 1, &body(1));
        post(&mut world, &config, 0, &body(0));
        let alerts = &world.node.engine().state().alerts;
        assert_eq!(alerts.values().filter(|a| a.live()).count(), want, "{more}");
        let customers = alerts
            .values()
            .filter(|a| a.labels.get("customer").is_some())
            .count();
        assert_eq!(customers, alerts.len());
    }
}

#[test]
fn sources_of_one_scope_must_identify_alike() {
    let text = "[[source]]\nname = \"a\"\nkind = \"zabbix\"\nscope = \"s\"\n[[source]]\nname = \"b\"\nkind = \"nagios\"\nscope = \"s\"\n";
    let problems = config::load(text, "").unwrap_err();
    assert!(
        problems[0]
            .message
            .contains("other labels identify its alerts"),
        "{problems:?}"
    );
}

#[test]
fn the_customer_in_a_label_finds_the_right_ci_of_two_with_one_name() {
    let text = "[[source]]\nname = \"zbx\"\nkind = \"zabbix\"\n[[bind.rule]]\nname = \"by customer\"\nsource = \"zbx\"\ntemplate = \"{customer}-{host}\"\n";
    let cmdb = r#"{"cis": [{"id": "acme-db1"}, {"id": "globex-db1"}], "relations": []}"#;
    let config = two(text);
    let mut world = World::new(&config.rules, Some(cmdb));
    for (id, customer) in [(30, "acme"), (31, "globex")] {
        let body = format!(
            r#"{{"event_id":"{id}","event_source":"0","event_value":"1","update_status":"0","event_name":"Ping","event_nseverity":"5","host_host":"db1","trigger_id":"{id}","tags":[{{"tag":"customer","value":"{customer}"}}]}}"#
        );
        post(&mut world, &config, 0, &body);
    }
    let state = world.node.engine().state();
    let found: Vec<&str> = state.alerts.values().map(|a| state.cis.key(a.ci)).collect();
    assert_eq!(found, ["acme-db1", "globex-db1"]);
    world.advance(Millis::secs(10));
    let state = world.node.engine().state();
    assert_eq!(state.incidents.len(), 2);
}

#[test]
fn a_trigger_that_flaps_for_a_day_fills_neither_its_incident_nor_the_memory() {
    let config = configured("kind = \"zabbix\"");
    let mut world = World::new(&config.rules, None);
    for id in 30..750 {
        for value in [1, 0] {
            let body = format!(
                r#"{{"event_id":"{id}","event_source":"0","event_value":"{value}","update_status":"0","event_name":"Ping","event_nseverity":"5","host_host":"web1","trigger_id":"9","tags":[]}}"#
            );
            let events = decode(&config, "application/json", &body, world.now);
            world.send("door", &events);
            world.advance(Millis::mins(if id == 30 && value == 1 { 6 } else { 1 }));
        }
    }
    let state = world.node.engine().state();
    assert_eq!(world.tool.tickets.len(), 1);
    let members: Vec<usize> = state.incidents.values().map(|i| i.members.len()).collect();
    assert!(members.len() == 1 && members[0] <= 2, "{members:?}");
    assert!(
        state.alerts.len() < 40,
        "{} alerts, {} conditions",
        state.alerts.len(),
        state.by_condition.len()
    );
    assert_eq!(state.by_condition.len(), 1);
}

fn generic(body: &[u8]) -> Decoded {
    let config = configured(
        "kind = \"generic\"\nitems = \"/list\"\nstate = \"=firing\"\ntake = { host = \"/h\" }",
    );
    let source = &config.plumbing.sources[0];
    let mut out = Decoded::default();
    let body = Body {
        tail: "",
        content_type: "application/json",
        bytes: body,
        received_at: Millis(1_795_331_197_000),
    };
    (source.kind.decode)(&source.settings, &body, &mut out);
    out
}

/// A copy of the whole body for each of its alerts would need terabytes here.
#[test]
fn a_long_list_of_alerts_costs_no_more_than_its_size() {
    let mut body = b"{\"list\":[{\"h\":\"a\"}".to_vec();
    body.extend(b",{\"h\":\"b\"}".repeat(60_000));
    body.extend(b"]}");
    let out = generic(&body);
    assert_eq!((out.events.len(), out.rejects.len()), (10_000, 50_001));
}

#[test]
fn a_byte_order_mark_spoils_no_body() {
    let out = generic(b"\xef\xbb\xbf{\"list\":[{\"h\":\"a\"}]}");
    assert_eq!((out.events.len(), &out.refused), (1, &None));
}

/// A rule that says anew what identifies, as a new version or a new source of a scope does.
#[test]
fn alerts_are_known_by_new_identity_rules_and_their_conditions_too() {
    let config = configured("kind = \"zabbix\"");
    let mut before = config.rules.clone();
    before.identity.by_scope.clear();
    let mut world = World::new(&before, None);
    let say = |world: &mut World, id: u32, value: u8, more: &str| {
        let body = format!(
            r#"{{"event_id":"{id}","event_source":"0","event_value":"{value}","event_name":"Ping","event_nseverity":"5","host_host":"web1","trigger_id":"9"{more}}}"#
        );
        let events = decode(&config, "application/json", &body, world.now);
        world.send("door", &events);
        world.answers.last().unwrap().incident
    };
    let first = say(&mut world, 30, 1, "");
    assert!(first.is_some());
    world.advance(Millis::mins(6));
    world.set_rules(&config.rules);
    // Its tags have changed meanwhile: only the new identity knows it.
    let tags = r#","tags":[{"tag":"team","value":"db"}]"#;
    assert_eq!(say(&mut world, 30, 0, tags), first);
    world.advance(Millis::mins(7));
    // The recovery of a firing that we never saw is no firing to return to.
    say(&mut world, 29, 0, "");
    assert_eq!(say(&mut world, 31, 1, ""), first, "the condition is known");
}

#[test]
fn a_condition_is_learned_from_the_road_that_tells_it() {
    let config = configured("kind = \"zabbix\"\ninstance = \"zbx\"");
    let mut world = World::new(&config.rules, None);
    let line = r#"{"clock":1795331392,"ns":0,"value":1,"eventid":77,"name":"Disk full","severity":5,"hosts":[{"host":"db1","name":"DB 1"}],"groups":["DB"],"tags":[]}"#;
    let webhook = |id: u32, value: u8| {
        format!(
            r#"{{"event_id":"{id}","event_source":"0","event_value":"{value}","event_name":"Disk full","event_nseverity":"5","host_host":"db1","trigger_id":"9","instance":"zbx","tags":[]}}"#
        )
    };
    let mut say = |content_type: &str, body: &str| {
        let events = decode(&config, content_type, body, world.now);
        world.send("door", &events);
        world.advance(Millis::mins(6));
        world.answers.last().unwrap().incident
    };
    let first = say("application/x-ndjson", line);
    assert!(first.is_some());
    say("application/json", &webhook(77, 1));
    say("application/json", &webhook(77, 0));
    assert_eq!(say("application/json", &webhook(78, 1)), first);
}

fn raw(source: &str, body: &str) -> Decoded {
    let config = configured(source);
    let source = &config.plumbing.sources[0];
    let mut out = Decoded::default();
    let body = Body {
        tail: "",
        content_type: "application/json",
        bytes: body.as_bytes(),
        received_at: Millis(1_795_331_197_000),
    };
    (source.kind.decode)(&source.settings, &body, &mut out);
    out
}

/// Taken as a moment it would lie before our first contact, and the alert would open no ticket.
#[test]
fn a_begin_that_stands_for_none_is_none() {
    let source =
        "kind = \"generic\"\nstate = \"=firing\"\nstarts_at = \"/at\"\ntake = { host = \"/h\" }";
    for at in ["0", "\"0001-01-01T00:00:00Z\"", "\"\""] {
        let out = raw(source, &format!("{{\"h\": \"a\", \"at\": {at}}}"));
        assert_eq!(out.events[0].1.starts_at, None, "{at}");
        assert_eq!(out.events[0].1.episode, 1_795_331_197_000, "{at}");
    }
    let body = r#"{"event_id":"30","event_value":"1","event_timestamp":"0"}"#;
    let out = raw("kind = \"zabbix\"", body);
    assert_eq!(out.events[0].1.starts_at, None);
}

#[test]
fn a_comma_too_many_in_broken_json_is_no_part_of_the_last_value() {
    let body = "{\n\"event_type\": \"TRIGGER\",\n\"alert_object_id\": \"7\",\n\"message\": \"a \"b\"\",\n\"node\": \"db1\",\n}\n";
    let out = raw("kind = \"solarwinds\"", body);
    assert_eq!(out.events[0].1.labels.get("host"), Some("db1"));
    assert_eq!(out.events[0].1.annotations.get("summary"), Some("a \"b\""));
}

#[test]
fn recoveries_of_what_nobody_saw_are_remembered_in_bounds() {
    let config = configured("kind = \"zabbix\"");
    let mut world = World::new(&config.rules, None);
    for first in (1..45_001).step_by(250) {
        let lines: Vec<String> = (first..first + 250)
            .map(|id| {
                format!(r#"{{"clock":1795331400,"ns":0,"value":0,"eventid":99,"p_eventid":{id}}}"#)
            })
            .collect();
        let events = decode(
            &config,
            "application/x-ndjson",
            &lines.join("\n"),
            world.now,
        );
        world.send("door", &events);
    }
    let state = world.node.engine().state();
    assert_eq!(
        (state.alerts.len(), state.by_fingerprint.len()),
        (20_000, 20_000)
    );
    world.advance(Millis::mins(61));
    let state = world.node.engine().state();
    assert_eq!((state.alerts.len(), state.strangers.len()), (0, 0));
}

#[test]
fn tags_come_as_a_list_a_text_or_an_object() {
    let config = configured("kind = \"zabbix\"");
    for tags in [
        r#"[{"tag":"team","value":"db"}]"#,
        r#"{"team":"db"}"#,
        r#"{"team":["db"]}"#,
        r#""[{\"tag\":\"team\",\"value\":\"db\"}]""#,
    ] {
        let body = format!(
            r#"{{"event_id":"30","event_source":"0","event_value":"1","update_status":"0","event_name":"Ping","event_nseverity":"5","host_host":"web1","tags":{tags}}}"#
        );
        let events = decode(&config, "application/json", &body, world::START);
        assert_eq!(events[0].labels.get("team"), Some("db"), "{tags}");
    }
}
