//! Why, and why not: what `explain` says of incidents and alerts, now and of the turning points.
//! `CORRELATED_REWRITE=1` writes the golden JSON anew.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "a test stops at what it does not expect"
)]

mod world;

use correlated::engine::correlate::why::{NoAlert, Which};
use correlated::model::{EventState, IncidentId, Millis};
use correlated::record::{
    CauseV1, ChangeV1, CommandV1, MaintenanceV1, NamedV1, PairV1, Record, SplitV1,
};
use serde_json::Value;
use world::estate::Estate;
use world::{SAMPLE, World, event, host, ordering_rules, rules};

/// Two islands: three servers on a switch, one on another.
const ISLANDS: &str = r#"{"cis": [
    {"id": "sw1", "class": "switch"}, {"id": "sw2", "class": "switch"},
    {"id": "a1", "class": "server"}, {"id": "a2", "class": "server"}, {"id": "a3", "class": "server"},
    {"id": "b1", "class": "server"}],
  "relations": [
    {"from": "a1", "type": "connects-to", "to": "sw1"}, {"from": "a2", "type": "connects-to", "to": "sw1"},
    {"from": "a3", "type": "connects-to", "to": "sw1"}, {"from": "b1", "type": "connects-to", "to": "sw2"}]}"#;

fn explain(world: &World, id: u64, which: Which) -> Value {
    let engine = world.node.engine();
    engine.explain_json(IncidentId(id), which).unwrap()
}

fn down(world: &mut World, name: &str) {
    let now = world.now;
    world.send("nagios", &[host(name, EventState::Firing, now)]);
}

fn up(world: &mut World, name: &str) {
    let now = world.now;
    world.send("nagios", &[host(name, EventState::Resolved, now)]);
}

fn fails(world: &mut World, name: &str, severity: &str) {
    tells(world, name, EventState::Firing, severity);
}

fn works(world: &mut World, name: &str, severity: &str) {
    tells(world, name, EventState::Resolved, severity);
}

fn tells(world: &mut World, name: &str, state: EventState, severity: &str) {
    let (labels, now) = ([("alertname", "Down"), ("ci", name)], world.now);
    let one = event(&labels, state, severity, now);
    world.send("prometheus", &[one]);
}

/// The fingerprint of the only alert of a CI.
fn alert_of(world: &World, ci: &str) -> String {
    let engine = world.node.engine();
    let ids = engine.state().alerts.keys();
    let found = ids.filter_map(|id| engine.alert_by_id_json(*id));
    let mut found = found.filter(|a| a["ci"] == ci);
    let first = found.next().unwrap_or_else(|| panic!("no alert of {ci}"));
    first["fingerprint"].as_str().unwrap().to_owned()
}

fn story(world: &World, ci: &str) -> Value {
    let digits = alert_of(world, ci);
    world.node.engine().alert_story_json(&digits).unwrap()
}

fn why_not(world: &World, ci: &str, id: u64) -> Value {
    let digits = alert_of(world, ci);
    let engine = world.node.engine();
    engine.why_not_in_json(&digits, IncidentId(id)).unwrap()
}

#[track_caller]
fn says(value: &Value, key: &str, part: &str) {
    let text = value[key].as_str().unwrap_or_default();
    assert!(text.contains(part), "{part:?} is not in {text:?}");
}

/// A switch takes down what hangs on it; a change came before.
fn switch_fault(world: &mut World) {
    let now = world.now;
    world.commit(&[Record::Change(ChangeV1 {
        id: "CHG0040211".into(),
        ci: "sw-cph1-a07".into(),
        at: Millis(now.0 - 600_000),
        summary: "Firmware 17.9.5".into(),
    })]);
    down(world, "srv-web-01");
    world.advance(Millis::secs(1));
    down(world, "sw-cph1-a07");
    for name in ["srv-web-02", "srv-pay-01"] {
        world.advance(Millis::secs(2));
        down(world, name);
    }
    fails(world, "Payroll", "critical");
    world.advance(Millis::mins(10));
}

/// What a hypothesis is worth changes with every better number; the form and the facts do not.
fn without_values(value: &mut Value) {
    match value {
        Value::Object(map) => {
            for (key, value) in map.iter_mut() {
                match key.ends_with("_millinats") && value.is_i64() {
                    true => *value = "a number".into(),
                    false => without_values(value),
                }
            }
        }
        Value::Array(all) => all.iter_mut().for_each(without_values),
        _ => {}
    }
}

fn first_incident(world: &World) -> &correlated::engine::state::Incident {
    let known = &world.node.engine().state().incidents;
    known.get(&IncidentId(1)).unwrap()
}

#[test]
fn an_explanation_is_as_recorded() {
    let mut world = World::new(&rules(), Some(SAMPLE));
    switch_fault(&mut world);
    let mut found = explain(&world, 1, Which::Now);
    found["all"] = explain(&world, 1, Which::All)["explanations"].clone();
    without_values(&mut found);
    let text = format!("{found:#}\n");
    let file = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/fixtures/explain/switch.json"
    );
    if std::env::var_os("CORRELATED_REWRITE").is_some() {
        std::fs::create_dir_all(std::path::Path::new(file).parent().unwrap()).unwrap();
        std::fs::write(file, &text).unwrap();
    }
    let recorded = std::fs::read_to_string(file).unwrap();
    let differs = text.lines().zip(recorded.lines()).find(|(a, b)| a != b);
    assert!(text == recorded, "{file}: first difference: {differs:?}");
}

#[test]
fn joining_alerts_keep_nothing_and_turning_points_keep_little() {
    let mut cis = vec![r#"{"id":"sw","class":"switch"}"#.to_owned()];
    let mut relations = Vec::new();
    for n in 0..200 {
        cis.push(format!(r#"{{"id":"srv{n}","class":"server"}}"#));
        relations.push(format!(
            r#"{{"from":"srv{n}","type":"connects-to","to":"sw"}}"#
        ));
    }
    let cmdb = format!(
        "{{\"cis\":[{}],\"relations\":[{}]}}",
        cis.join(","),
        relations.join(",")
    );
    let mut world = World::new(&rules(), Some(&cmdb));
    down(&mut world, "sw");
    for n in 0..200 {
        down(&mut world, &format!("srv{n}"));
    }
    let kept = |world: &World| first_incident(world).why.kept.clone();
    let turned: Vec<_> = kept(&world).iter().map(|k| k.turned.clone()).collect();
    // The switch, for one alert its first server, and the switch again.
    assert!(
        turned.len() <= 3,
        "two hundred joins are no turning points: {turned:?}"
    );
    world.advance(Millis::mins(16)); // a storm lengthens its hold
    let all = kept(&world);
    assert_eq!(all.len(), turned.len() + 1, "the ticket is one");
    assert!(all.iter().all(|k| k.size() <= 4 << 10), "{all:?}");
    let last = explain(&world, 1, Which::Version(all.last().unwrap().version));
    assert_eq!(last["members"].as_array().unwrap().len(), 50);
    assert_eq!(last["members_omitted"], 151);
    assert_eq!(last["explains"]["alerting"], 200, "{last:#}");
}

#[test]
fn of_many_turning_points_the_first_the_last_and_that_of_the_ticket_stay() {
    let mut world = World::new(&rules(), Some(SAMPLE));
    down(&mut world, "sw-cph1-a07");
    down(&mut world, "srv-web-01");
    world.advance(Millis::mins(10));
    for n in 0..50 {
        let ci = (n % 2 == 0).then(|| "srv-web-01".to_owned());
        let incident = IncidentId(1);
        let cause = CommandV1::Cause(CauseV1 { incident, ci });
        world.command("uid 1000 (jane)", cause).unwrap();
    }
    let kept = &first_incident(&world).why.kept;
    let versions: Vec<u32> = kept.iter().map(|k| k.version).collect();
    assert_eq!(versions.len(), 32, "{versions:?}");
    assert_eq!(versions[0], 1);
    let ticket = kept
        .iter()
        .position(|k| format!("{:?}", k.turned).contains("Ticket"));
    assert!(ticket.is_some(), "{versions:?}");
    let last = *versions.last().unwrap();
    let ends = explain(&world, 1, Which::Version(last));
    says(&ends, "sentence", "named so by uid 1000 (jane)");
    let engine = world.node.engine();
    let gone = engine.explain_json(IncidentId(1), Which::Version(5));
    assert!(gone.unwrap_err().contains("no explanation 5; kept: 1, "));
}

#[test]
fn what_was_said_then_outlives_restart_and_graph() {
    let mut world = World::new(&rules(), Some(SAMPLE));
    switch_fault(&mut world);
    let said = |world: &World| explain(world, 1, Which::All)["explanations"].clone();
    let before = said(&world);
    world.snapshot();
    world.crash(Millis::secs(2));
    assert_eq!(said(&world), before);
    let digits = alert_of(&world, "srv-web-02");
    // An hour after it was over its alerts are forgotten; why it was is not.
    for name in ["srv-web-01", "sw-cph1-a07", "srv-web-02", "srv-pay-01"] {
        up(&mut world, name);
    }
    let now = world.now;
    let labels = [("alertname", "Down"), ("ci", "Payroll")];
    let one = event(&labels, EventState::Resolved, "critical", now);
    world.send("prometheus", &[one]);
    world.advance(Millis::mins(180));
    let engine = world.node.engine();
    assert!(engine.state().alerts.is_empty());
    let past = engine.alert_story_json(&digits).unwrap();
    assert_eq!(past["told"], true, "{past:#}");
    says(
        &past,
        "answer",
        "a ticket stands for its incident: rt: ticket T1 is resolved by us",
    );
    says(
        &past["steps"][2],
        "text",
        "I000001: needs sw-cph1-a07, which alerts (srv-web-02 connects-to",
    );
    let over = explain(&world, 1, Which::Now);
    assert_eq!(over["members"].as_array().unwrap().len(), 5, "{over:#}");
    assert_eq!(over["turned"][0], "resolved");
    let before = said(&world);
    // The relation by which they joined is gone.
    world.load(&SAMPLE.replace("connects-to", "near"));
    let after = said(&world);
    for (now, then) in after
        .as_array()
        .unwrap()
        .iter()
        .zip(before.as_array().unwrap())
    {
        assert_eq!(now["members"], then["members"]);
        assert_eq!(now["sentence"], then["sentence"]);
    }
}

#[test]
fn what_we_cannot_know_is_never_called_healthy() {
    let silent = |world: &World| {
        let now = explain(world, 1, Which::Now);
        let names = now["explains"]["absent_examples"].as_array().unwrap();
        (now.clone(), names.iter().any(|n| n == "a2"))
    };
    // In maintenance.
    let mut world = World::new(&rules(), Some(ISLANDS));
    down(&mut world, "sw1");
    down(&mut world, "a1");
    let (now, listed) = silent(&world);
    assert!(listed, "{now:#}");
    let all = now["explains"]["of_monitored"].as_u64().unwrap();
    let at = world.now;
    world.commit(&[Record::Maintenance(MaintenanceV1 {
        id: "M1".into(),
        ci: "a2".into(),
        from: at,
        to: at.plus(Millis::mins(60)),
        include_dependents: false,
    })]);
    let (now, listed) = silent(&world);
    assert!(!listed, "{now:#}");
    assert_eq!(now["explains"]["of_monitored"], all - 1, "{now:#}");
    assert_eq!(now["explains"]["unknown"], 1);
    let one = &now["explains"]["unknown_examples"][0];
    assert_eq!(one["ci"], "a2");
    assert_eq!(one["because"], "in maintenance");

    // Its source went quiet.
    let mut expecting = rules();
    expecting
        .expect_every
        .insert("zabbix".into(), Millis::mins(5));
    let mut world = World::new(&expecting, Some(ISLANDS));
    let now = world.now;
    world.send("zabbix", &[host("a2", EventState::Firing, now)]);
    world.send("zabbix", &[host("a2", EventState::Resolved, now)]);
    world.advance(Millis::mins(20));
    down(&mut world, "sw1");
    down(&mut world, "a1");
    let engine = world.node.engine();
    let id = engine.state().incidents.iter();
    let id = id
        .rev()
        .find(|(_, i)| i.state.lives() && i.members.len() == 2);
    let now = explain(&world, id.unwrap().0.0, Which::Now);
    let unknown = now["explains"]["unknown_examples"].as_array().unwrap();
    assert_eq!(unknown.len(), 1, "{now:#}");
    assert_eq!(unknown[0]["because"], "its source is quiet");

    // A source that tells nothing behind a host that is down.
    let mut hiding = rules();
    hiding.suppress.hiding_sources = vec!["nagios".into()];
    let mut world = World::new(&hiding, Some(ISLANDS));
    down(&mut world, "sw1");
    down(&mut world, "a1");
    world.advance(Millis::mins(10));
    let (now, listed) = silent(&world);
    assert!(!listed, "{now:#}");
    assert_eq!(now["explains"]["alerting"], now["explains"]["of_monitored"]);
    assert_eq!(now["explains"]["unknown"], all - 1, "{now:#}");
    let text = &world.tool.tickets[0].description;
    assert!(!text.contains("No alert although"), "{text}");
    assert!(text.contains("not counted"), "{text}");
}

#[test]
fn why_an_alert_is_not_in_an_incident() {
    let mut world = World::new(&rules(), Some(ISLANDS));
    down(&mut world, "sw1");
    down(&mut world, "a1");
    down(&mut world, "b1");
    let no = why_not(&world, "b1", 1);
    assert_eq!(no["reason"], "no_path", "{no:#}");
    says(
        &no,
        "text",
        "no path: nothing that b1 needs alerts in I000001",
    );
    assert_eq!(no["in"], "I000002");
    says(&no, "note", "by the state of now");

    let yes = why_not(&world, "a1", 1);
    assert_eq!(yes["joined"], true);
    says(&yes, "how", "needs sw1, which alerts (a1 connects-to sw1)");

    // Too late.
    world.advance(Millis::mins(40));
    down(&mut world, "a2");
    let no = why_not(&world, "a2", 1);
    assert_eq!(no["reason"], "time", "{no:#}");
    says(
        &no,
        "text",
        "it began 2400 s after the last alert of I000001; beyond 600 s (correlate.window)",
    );

    // By a person.
    let split = CommandV1::Split(SplitV1 {
        incident: IncidentId(1),
        named: NamedV1 {
            alerts: Vec::new(),
            cis: vec!["a1".into()],
        },
    });
    world.command("uid 1000 (jane)", split).unwrap();
    let no = why_not(&world, "a1", 1);
    assert_eq!(no["reason"], "by_a_person", "{no:#}");

    // Over.
    up(&mut world, "b1");
    world.advance(Millis::mins(20));
    let no = why_not(&world, "a2", 2);
    assert_eq!(no["reason"], "over", "{no:#}");

    let engine = world.node.engine();
    let digits = alert_of(&world, "a2");
    let missing = engine.why_not_in_json(&digits, IncidentId(77));
    assert_eq!(
        missing.unwrap_err(),
        NoAlert::Unknown("I000077 is not known (any more)".into())
    );
}

#[test]
fn what_a_way_in_is_worth_is_said_against_a_fault_of_its_own() {
    // A hub of which one in fifty alerts: two of them say little about the hub.
    let mut cis = vec![r#"{"id":"hub","class":"switch"}"#.to_owned()];
    let mut relations = Vec::new();
    for n in 0..300 {
        cis.push(format!(r#"{{"id":"srv{n}","class":"server"}}"#));
        relations.push(format!(
            r#"{{"from":"srv{n}","type":"connects-to","to":"hub"}}"#
        ));
    }
    let cmdb = format!(
        "{{\"cis\":[{}],\"relations\":[{}]}}",
        cis.join(","),
        relations.join(",")
    );
    let mut world = World::new(&rules(), Some(&cmdb));
    fails(&mut world, "srv1", "warning");
    world.advance(Millis::mins(4));
    fails(&mut world, "srv2", "warning");
    let no = why_not(&world, "srv2", 1);
    assert_eq!(no["reason"], "alone_is_likelier", "{no:#}");
    says(&no, "text", "a fault of hub explains both");
    let (way, alone) = (&no["value_millinats"], &no["alone_millinats"]);
    assert!(way.as_i64().unwrap() < alone.as_i64().unwrap(), "{no:#}");
    let before = world.node.engine().digest();
    why_not(&world, "srv2", 1);
    assert_eq!(
        world.node.engine().digest(),
        before,
        "asking changes nothing"
    );
}

#[test]
fn why_nobody_was_paged() {
    let mut world = World::new(&rules(), Some(SAMPLE));
    down(&mut world, "srv-crm-01");
    let held = story(&world, "srv-crm-01");
    assert_eq!(held["told"], false);
    says(&held, "answer", "nobody was told: its hold as ");
    says(&held["steps"][0], "text", "from nagios at ");
    says(&held["steps"][1], "text", "to srv-crm-01, by ");
    world.advance(Millis::mins(30));
    let told = story(&world, "srv-crm-01");
    assert_eq!(told["told"], true, "{told:#}");
    says(
        &told,
        "answer",
        "a ticket stands for it: rt: ticket T1 is open",
    );
    // By digits; what is not there says what to try.
    let digits = alert_of(&world, "srv-crm-01");
    let engine = world.node.engine();
    let short = engine.alert_story_json(&digits[..6]).unwrap();
    assert_eq!(short["alert"], digits);
    let wrong = engine.alert_story_json("zz").unwrap_err();
    assert!(wrong.text().contains("give its fingerprint"), "{wrong:?}");
    let none = engine.alert_story_json(&"0".repeat(32)).unwrap_err();
    assert!(
        none.text().contains("Try: correlated incidents"),
        "{none:?}"
    );

    // Over before the hold.
    let mut world = World::new(&rules(), Some(SAMPLE));
    down(&mut world, "srv-crm-01");
    up(&mut world, "srv-crm-01");
    world.advance(Millis::mins(20));
    says(
        &story(&world, "srv-crm-01"),
        "answer",
        "before its hold as ",
    );

    // Maintenance.
    let mut world = World::new(&rules(), Some(SAMPLE));
    let at = world.now;
    world.commit(&[Record::Maintenance(MaintenanceV1 {
        id: "M1".into(),
        ci: "srv-crm-01".into(),
        from: at,
        to: at.plus(Millis::mins(60)),
        include_dependents: true,
    })]);
    down(&mut world, "srv-crm-01");
    world.advance(Millis::mins(20));
    says(
        &story(&world, "srv-crm-01"),
        "answer",
        "maintenance M1 covers it until 2026-",
    );

    // Shadow, note, severity.
    let mut quiet = rules();
    quiet.suppress.shadow_sources = vec!["nagios".into()];
    quiet.suppress.note_sources = vec!["prometheus".into()];
    let mut world = World::new(&quiet, Some(SAMPLE));
    down(&mut world, "srv-crm-01");
    fails(&mut world, "sw-cph1-a07", "critical");
    world.advance(Millis::mins(20));
    says(
        &story(&world, "srv-crm-01"),
        "answer",
        "its source is in shadow",
    );
    says(
        &story(&world, "sw-cph1-a07"),
        "answer",
        "its source joins tickets and opens none",
    );

    // Older than we are.
    let mut world = World::new(&rules(), Some(SAMPLE));
    let old = Millis(world.now.0 - 86_400_000);
    let labels = [("alertname", "Old"), ("ci", "srv-crm-01")];
    let one = event(&labels, EventState::Firing, "critical", old);
    world.send("prometheus", &[one]);
    world.advance(Millis::mins(20));
    says(
        &story(&world, "srv-crm-01"),
        "answer",
        "before our first contact",
    );

    // No CMDB yet.
    let mut world = World::new(&rules(), None);
    down(&mut world, "srv-crm-01");
    world.advance(Millis::mins(6));
    says(
        &story(&world, "srv-crm-01"),
        "answer",
        "no CMDB has been loaded yet; it waits for one until",
    );
}

#[test]
fn what_the_tool_did_is_part_of_the_answer() {
    use world::ToolFault;
    // The valve.
    let mut few = rules();
    few.targets.get_mut("rt").unwrap().max_new = 1;
    let mut world = World::new(&few, Some(ISLANDS));
    down(&mut world, "b1");
    down(&mut world, "sw1");
    world.advance(Millis::mins(6));
    let stories = ["b1", "sw1"].map(|ci| story(&world, ci));
    let waits = stories.iter().find(|s| s["told"] == false).unwrap();
    says(
        waits,
        "answer",
        "the valve holds it back: more than 1 new tickets per 600 s",
    );

    // It refuses.
    let mut world = World::new(&rules(), Some(SAMPLE));
    down(&mut world, "srv-crm-01");
    world.tool.faults = vec![ToolFault::Reject; 50];
    world.advance(Millis::mins(16));
    says(
        &story(&world, "srv-crm-01"),
        "answer",
        "rt: the tool refuses it: no",
    );

    // It is away.
    let mut world = World::new(&rules(), Some(SAMPLE));
    down(&mut world, "srv-crm-01");
    world.tool.away_until = world.now.plus(Millis::mins(600));
    world.advance(Millis::mins(20));
    says(
        &story(&world, "srv-crm-01"),
        "answer",
        "the tool has not done what we asked since",
    );

    // No answer came.
    let mut world = World::new(&rules(), Some(SAMPLE));
    down(&mut world, "srv-crm-01");
    world.tool.late_next_create(Millis::mins(100));
    for _ in 0..40 {
        world.advance(Millis::secs(30));
        if !world.node.engine().state().outbox.is_empty() {
            break;
        }
    }
    says(
        &story(&world, "srv-crm-01"),
        "answer",
        "a ticket was asked for and no answer came",
    );

    // It refuses our credentials: nothing is sent there until a person acts.
    let mut world = World::new(&rules(), Some(SAMPLE));
    down(&mut world, "srv-crm-01");
    for _ in 0..200 {
        world.now = world.now.plus(Millis::secs(10));
        world.commit(&[Record::Tick]);
        if !world.deliveries.is_empty() {
            break;
        }
    }
    let delivery = world.deliveries.remove(0);
    let stop = correlated::itsm::Refusal::Stop("the token is refused".into());
    world.receipt(&delivery, correlated::record::OutcomeV1::Refused(stop));
    says(
        &story(&world, "srv-crm-01"),
        "answer",
        "nothing is sent to this target before 2026-",
    );
    says(
        &story(&world, "srv-crm-01"),
        "answer",
        ": the token is refused",
    );

    // A person has it, and a lesser alert joins.
    let mut world = World::new(&rules(), Some(SAMPLE));
    down(&mut world, "sw-cph1-a07");
    world.advance(Millis::mins(2));
    world.tool.tickets[0].touched = true;
    fails(&mut world, "srv-web-01", "warning");
    world.advance(Millis::mins(1));
    let told = story(&world, "srv-web-01");
    assert_eq!(told["told"], true, "{told:#}");
    says(&told, "answer", "s after the ticket was wanted");
}

#[test]
fn a_burst_says_that_the_cmdb_does_not_connect_it() {
    // Hosts that have nothing in common.
    let cis: Vec<String> = (0..9).map(|n| format!(r#"{{"id":"h{n}"}}"#)).collect();
    let cmdb = format!("{{\"cis\":[{}],\"relations\":[]}}", cis.join(","));
    let mut world = World::new(&rules(), Some(&cmdb));
    fails(&mut world, "h8", "warning");
    world.advance(Millis::mins(600));
    for name in ["h0", "h1", "h2", "h3", "h4", "h5", "h6", "h7"] {
        let now = world.now;
        let one = event(
            &[("alertname", "NTP offset"), ("ci", name)],
            EventState::Firing,
            "warning",
            now,
        );
        world.send("prometheus", &[one]);
        world.advance(Millis::secs(5));
    }
    world.advance(Millis::mins(30));
    let engine = world.node.engine();
    let state = engine.state();
    let (id, incident) = state
        .incidents
        .iter()
        .find(|(_, i)| i.burst.is_some())
        .unwrap();
    let n = incident.case.spots.len();
    let now = explain(&world, id.0, Which::Now);
    let expected = format!("The same fault on {n} CIs, which the CMDB does not connect");
    says(&now, "sentence", &expected);
    let text = &world.tool.tickets.last().unwrap().description;
    assert!(text.contains(&expected), "{text}");
    let short = "not known, the same fault on several CIs";
    assert_eq!(now["summary"]["cause"], short);
    assert_eq!(now["root"]["same_fault"], "the same fault \"ntp offset\"");
}

#[test]
fn a_consumer_of_two_faults_is_also_affected_by_the_other() {
    // Two databases fail; the application on both joins one, and never makes them one.
    let cmdb = r#"{"cis": [
        {"id": "db1", "class": "database"}, {"id": "db2", "class": "database"}, {"id": "app", "class": "server"}],
      "relations": [
        {"from": "app", "type": "stored-on", "to": "db1"}, {"from": "app", "type": "depends-on", "to": "db2"}]}"#;
    let mut world = World::new(&rules(), Some(cmdb));
    for name in ["db1", "db2", "app"] {
        fails(&mut world, name, "critical");
        world.advance(Millis::secs(1));
    }
    let app = story(&world, "app");
    let mine: IncidentId = app["incident"].as_str().unwrap().parse().unwrap();
    let now = explain(&world, mine.0, Which::Now);
    let members = now["members"].as_array().unwrap();
    let app = members.iter().find(|m| m["ci"] == "app").unwrap();
    let other = if mine.0 == 1 { "I000002" } else { "I000001" };
    assert_eq!(app["also"], serde_json::json!([other]), "{app:#}");
}

#[test]
fn a_cause_that_alerts_in_another_incident_is_said() {
    // Half an hour after the relay an application behind it warns; a directory is behind that as well.
    let cmdb = r#"{"cis": [
        {"id": "relay", "class": "mail_relay"}, {"id": "directory", "class": "directory"},
        {"id": "app", "class": "server"}, {"id": "other", "class": "server"}],
      "relations": [
        {"from": "app", "type": "depends-on", "to": "relay"}, {"from": "app", "type": "depends-on", "to": "directory"},
        {"from": "other", "type": "depends-on", "to": "relay"}, {"from": "other", "type": "depends-on", "to": "directory"}]}"#;
    let mut world = World::new(&rules(), Some(cmdb));
    fails(&mut world, "relay", "warning");
    world.advance(Millis::mins(30));
    fails(&mut world, "app", "warning");
    world.advance(Millis::mins(15));
    let now = explain(&world, 2, Which::Now);
    says(
        &now,
        "sentence",
        "Best guess relay, which alerts in I000001",
    );
    assert_eq!(now["summary"]["cause"], "not known, best guess relay");
    assert_eq!(now["root"]["alerts_in"], "I000001", "{:#}", now["root"]);
    assert_eq!(now["root"]["silent"], true);
}

#[test]
fn neighbours_that_were_cut_off_together_are_named_as_the_reason() {
    // A ring of eight sites, cut twice.
    let mut estate = Estate::default();
    let mut says = |line: &str| estate.line(&line.split(' ').collect::<Vec<_>>());
    for n in 1..=8 {
        says(&format!("r{n} is router"));
        says(&format!("r{n} unwatched"));
        says(&format!("5 switch on r{n} through connects-to"));
    }
    for n in 1..=8 {
        let (line, next) = (format!("line-{n}"), n % 8 + 1);
        says(&format!("{line} is line"));
        says(&format!("r{n} needs {line} through connects-to"));
        says(&format!("r{next} needs {line} through connects-to"));
    }
    let mut world = World::new(&ordering_rules(), Some(&estate.cmdb()));
    for n in 1..=5 {
        for router in [2, 5, 3, 4] {
            down(&mut world, &format!("r{router}-switch-{n}"));
            world.advance(Millis::secs(2));
        }
        world.advance(Millis::secs(if n == 3 { 50 } else { 0 }));
    }
    world.advance(Millis::mins(8));
    let now = explain(&world, 1, Which::Now);
    let merges = now["merges"].as_array().unwrap();
    let reasons: Vec<&str> = merges
        .iter()
        .map(|m| m["reason"].as_str().unwrap())
        .collect();
    let expected = [
        "r4 and its neighbour r5 were cut off together",
        "r2 and its neighbour r3 were cut off together",
    ];
    assert_eq!(reasons, expected);
}

#[test]
fn incidents_that_ended_together_say_so() {
    // A warning explains no outage, and a name alone joins nothing; when they end together it is another matter.
    let cmdb = r#"{"cis": [
        {"id": "db", "class": "server"}, {"id": "app", "class": "application"},
        {"id": "mail", "class": "server"}, {"id": "web", "class": "server"}],
      "relations": [{"from": "app", "type": "depends-on", "to": "db"}]}"#;
    let reason = |pair: [(&str, &str); 2]| {
        let mut world = World::new(&rules(), Some(cmdb));
        for (name, severity) in pair {
            fails(&mut world, name, severity);
            world.advance(Millis::mins(2));
        }
        world.advance(Millis::mins(30));
        for (name, severity) in pair {
            works(&mut world, name, severity);
            world.advance(Millis::secs(20));
        }
        world.advance(Millis::mins(6));
        let into = world.node.engine().incident_of(IncidentId(1)).0;
        let now = explain(&world, into, Which::Now);
        now["merges"][0]["reason"].as_str().unwrap().to_owned()
    };
    assert_eq!(
        reason([("db", "warning"), ("app", "critical")]),
        "db explains both, and they began within minutes of each other and ended together"
    );
    assert_eq!(
        reason([("mail", "critical"), ("web", "critical")]),
        "both show \"down\", and they began within minutes of each other and ended together"
    );
}

#[test]
fn a_number_that_leads_elsewhere_says_where_and_since_when() {
    // Told to a source before the alert was placed: it joined what began before.
    let mut world = World::new(&ordering_rules(), Some(ISLANDS));
    down(&mut world, "sw1");
    down(&mut world, "a1");
    world.advance(Millis::mins(1));
    assert_eq!(explain(&world, 2, Which::Now)["incident"], "I000001");
    let refused = |world: &World, which| {
        let engine = world.node.engine();
        engine.explain_json(IncidentId(2), which).unwrap_err()
    };
    assert_eq!(
        refused(&world, Which::Version(1)),
        "I000002 was promised to an alert that joined I000001; it never was an incident; ask for explain I000001"
    );
    // Merged, and forgotten a day later, while the other goes on.
    let mut world = World::new(&rules(), Some(ISLANDS));
    down(&mut world, "sw1");
    down(&mut world, "sw2");
    let merge = CommandV1::Merge(PairV1 {
        incident: IncidentId(1),
        other: IncidentId(2),
    });
    world.command("uid 1000 (jane)", merge).unwrap();
    let at = world.now.rfc3339();
    world.advance(Millis::mins(60 * 26));
    let state = world.node.engine().state();
    assert!(!state.incidents.contains_key(&IncidentId(2)));
    let gone =
        format!("I000002 became part of I000001 at {at}; it is forgotten; ask for explain I000001");
    assert_eq!(refused(&world, Which::All), gone);
    assert_eq!(refused(&world, Which::Version(1)), gone);
    let now = explain(&world, 2, Which::Now);
    assert_eq!(
        (&now["incident"], &now["asked_merged_at"]),
        (&"I000001".into(), &at.into())
    );
}

#[test]
fn what_grows_worse_after_a_resolve_says_who_ended_it() {
    let mut world = World::new(&rules(), Some(ISLANDS));
    fails(&mut world, "b1", "major");
    world.advance(Millis::mins(20));
    world
        .command("uid 1000 (jane)", CommandV1::Resolve(IncidentId(1)))
        .unwrap();
    world.advance(Millis::mins(1));
    fails(&mut world, "b1", "critical");
    world.advance(Millis::mins(1));
    let story = story(&world, "b1");
    says(
        &story,
        "answer",
        "nobody is told of it any more: uid 1000 (jane) resolved I000001 at 20",
    );
    says(
        &story,
        "answer",
        "is resolved by us, for uid 1000 (jane) resolved the incident",
    );
}
