//! Timed alerts above the line, what happened to tickets below it: readable by a service manager.
//!
//! A scenario under `tests/scenarios/` has lines `MM:SS what`, then `---`, then what the tool saw.
//! `CORRELATED_REWRITE=1` writes the lower part anew. Words: `NAME down|up`, `NAME fails|works` (a
//! service or application by its name, critical), `NAME warns`, `tool away MM:SS`, `lose the answer`
//! (of the next create), `late SECONDS` (the next create is executed so much later), `take T1` (a person takes the ticket), `resolve T1`, `close T1`, `restart`, `kill`,
//! `until MM:SS`, `graph later`, `graph` (the sample again), `graph other` (the sample and one CI more).
//! Commands of a person named jane: `split I1 NAME...`, `move I1 I2 NAME...`, `merge I1 I2`,
//! `apart I1 I2`, `cause I1 NAME|unknown`, `end I1`, `quiet I1 MINUTES`, `ack I1`; what came of one
//! is a line below, with an exclamation mark if it was refused. Her questions: `why NAME` (was nobody paged for
//! it?) and `why NAME not I1` (is it not in there?); the answer is a line below.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "a test stops at what it does not expect"
)]

mod world;

use correlated::itsm::TicketState;
use correlated::model::{EventState, IncidentId, Millis};
use correlated::record::{
    CauseV1, CommandV1, MaintenanceV1, MoveV1, NamedV1, PairV1, QuietV1, Record, SplitV1,
};
use std::path::Path;
use world::{SAMPLE, START, World, event, host, rules};

fn minutes(text: &str) -> Millis {
    let (m, s) = text
        .split_once(':')
        .unwrap_or_else(|| panic!("time {text:?}"));
    Millis::secs(m.parse::<i64>().unwrap() * 60 + s.parse::<i64>().unwrap())
}

fn clock(at: Millis) -> String {
    let seconds = at.since(START).0 / 1000;
    format!("{:02}:{:02}", seconds / 60, seconds % 60)
}

fn play(script: &str) -> World {
    let later = script.contains("graph later");
    let mut world = World::new(&rules(), (!later).then_some(SAMPLE));
    for line in script.lines().map(str::trim) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (time, what) = line
            .split_once(' ')
            .unwrap_or_else(|| panic!("line {line:?}"));
        let at = START.plus(minutes(time));
        world.advance(at.since(world.now));
        step(&mut world, what.trim());
    }
    world
}

fn told(world: &World) -> String {
    let lines: Vec<String> = world
        .tool
        .log
        .iter()
        .map(|(at, text)| format!("{} {}\n", clock(*at), text.trim_end()))
        .collect();
    lines.concat()
}

fn step(world: &mut World, what: &str) {
    let now = world.now;
    let words: Vec<&str> = what.split(' ').collect();
    let firing = |world: &mut World, name: &str, state, severity: &str| {
        let one = event(&[("alertname", "Down"), ("ci", name)], state, severity, now);
        world.send("prometheus", &[one]);
    };
    let ticket = |world: &mut World, id: &str| {
        world
            .tool
            .tickets
            .iter()
            .position(|t| t.id == id)
            .unwrap_or_else(|| panic!("no ticket {id}"))
    };
    match words.as_slice() {
        [name, "down"] => world.send("nagios", &[host(name, EventState::Firing, now)]),
        [name, "up"] => world.send("nagios", &[host(name, EventState::Resolved, now)]),
        [name, "fails"] => firing(world, name, EventState::Firing, "critical"),
        [name, "warns"] => firing(world, name, EventState::Firing, "warning"),
        [name, "works"] => firing(world, name, EventState::Resolved, "critical"),
        ["tool", "away", until] => world.tool.away_until = START.plus(minutes(until)),
        ["lose", "the", "answer"] => world.tool.lose_next_create(),
        ["late", seconds] => world
            .tool
            .late_next_create(Millis::secs(seconds.parse().unwrap())),
        ["take", id] => {
            let at = ticket(world, id);
            world.tool.tickets[at].touched = true;
        }
        ["resolve", id] => {
            let at = ticket(world, id);
            world.tool.tickets[at].state = TicketState::Resolved;
            world.tool.tickets[at].touched = true;
        }
        ["close", id] => {
            let at = ticket(world, id);
            world.tool.tickets[at].state = TicketState::Closed;
        }
        ["restart"] => {
            world.snapshot();
            world.crash(Millis::secs(2));
        }
        ["kill"] => world.crash(Millis::secs(2)),
        ["graph"] => world.load(SAMPLE),
        ["graph", "other"] => {
            let more = SAMPLE.replacen("\"cis\": [", "\"cis\": [{\"id\": \"one-more\"},", 1);
            assert_ne!(more, SAMPLE);
            world.load(&more);
        }
        [
            "split" | "move" | "merge" | "apart" | "cause" | "end" | "quiet" | "ack",
            ..,
        ] => {
            command(world, &words);
        }
        ["why", name] => answer(world, name, None),
        ["why", name, "not", id] => answer(world, name, Some(id)),
        ["maintenance", id, "on", ci, "for", span] => {
            let record = Record::Maintenance(MaintenanceV1 {
                id: (*id).to_owned(),
                ci: (*ci).to_owned(),
                from: now,
                to: now.plus(minutes(span)),
                include_dependents: true,
            });
            world.commit(&[record]);
        }
        ["graph", "later"] | ["until"] => {}
        other => panic!("word {other:?}"),
    }
}

/// What a person is told about the alert of a CI.
fn answer(world: &mut World, name: &str, incident: Option<&str>) {
    let engine = world.node.engine();
    let alerts = engine.state().alerts.keys().rev();
    let mut alerts = alerts.filter_map(|id| engine.alert_by_id_json(*id));
    let alert = alerts
        .find(|a| a["ci"] == name)
        .unwrap_or_else(|| panic!("no alert of {name}"));
    let digits = alert["fingerprint"].as_str().unwrap();
    let (told, text) = match incident {
        None => (engine.alert_story_json(digits), "answer"),
        Some(id) => (engine.why_not_in_json(digits, id.parse().unwrap()), "text"),
    };
    let told = told.unwrap();
    let line = format!("why {name}: {}", told[text].as_str().unwrap());
    world.tool.log.push((world.now, line));
}

fn command(world: &mut World, words: &[&str]) {
    let id = |text: &str| text.parse::<IncidentId>().unwrap();
    let named = |cis: &[&str]| NamedV1 {
        alerts: Vec::new(),
        cis: cis.iter().map(|c| (*c).to_owned()).collect(),
    };
    let command = match words {
        ["split", i, cis @ ..] => CommandV1::Split(SplitV1 {
            incident: id(i),
            named: named(cis),
        }),
        ["move", i, to, cis @ ..] => CommandV1::Move(MoveV1 {
            incident: id(i),
            named: named(cis),
            to: id(to),
        }),
        ["merge", i, other] => CommandV1::Merge(PairV1 {
            incident: id(i),
            other: id(other),
        }),
        ["apart", i, other] => CommandV1::KeepApart(PairV1 {
            incident: id(i),
            other: id(other),
        }),
        ["cause", i, ci] => CommandV1::Cause(CauseV1 {
            incident: id(i),
            ci: Some((*ci).to_owned()).filter(|c| c != "unknown"),
        }),
        ["end", i] => CommandV1::Resolve(id(i)),
        ["ack", i] => CommandV1::Acknowledge(id(i)),
        ["quiet", i, minutes] => CommandV1::Quiet(QuietV1 {
            incident: id(i),
            span: Millis::mins(minutes.parse().unwrap()),
        }),
        other => panic!("command {other:?}"),
    };
    let now = world.now;
    // Told before what follows from it.
    let at = world.tool.log.len();
    let line = match world.command("uid 1000 (jane)", command) {
        Ok(done) => format!("jane: {}", done.text),
        Err(refused) => format!("jane! {}", refused.text()),
    };
    world.tool.log.insert(at, (now, line));
}

#[test]
fn scenarios_end_as_written() {
    let rewrite = std::env::var_os("CORRELATED_REWRITE").is_some();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|f| f.unwrap().path())
        .collect();
    files.sort();
    assert!(files.len() >= 10, "{} scenarios", files.len());
    let mut wrong = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let (script, expected) = text.split_once("---\n").unwrap_or((&text, ""));
        let found = told(&play(script));
        if rewrite {
            std::fs::write(&file, format!("{script}---\n{found}")).unwrap();
        } else if found != expected {
            wrong.push(format!("{}\n{found}", file.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn affected_cis_are_listed_most_critical_first() {
    let world = play(
        "00:00 srv-web-01 down\n00:01 Intranet fails\n00:01 srv-pay-01 warns\n00:02 sw-cph1-a07 down\n\
         00:03 srv-web-02 down\n00:05 Payroll fails\n01:00 until",
    );
    let engine = world.node.engine();
    let wanted = engine.wanted(IncidentId(1), "k".into(), "").unwrap();
    assert_eq!(
        wanted.listed,
        [
            "Payroll",
            "Intranet",
            "sw-cph1-a07",
            "srv-web-01",
            "srv-web-02",
            "srv-pay-01"
        ]
    );
}

#[test]
fn what_a_create_could_not_say_is_tried_once_more() {
    for (dropped, updates) in [(Vec::new(), 0), (vec!["affected CIs".to_owned()], 1)] {
        let mut world = World::new(&rules(), Some(SAMPLE));
        world.tool.dropped = dropped;
        step(&mut world, "sw-cph1-a07 down");
        world.advance(Millis::mins(30));
        let told = told(&world);
        assert_eq!(told.matches(" open ").count(), 1, "{told}");
        assert_eq!(told.matches(" update ").count(), updates, "{told}");
    }
}
