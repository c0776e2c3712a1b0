//! Timed alerts above the line, what happened to tickets below it: readable by a service manager.
//!
//! A scenario under `tests/scenarios/` has lines `MM:SS what`, then `---`, then what the tool saw.
//! `CORRELATED_REWRITE=1` writes the lower part anew. Words: `NAME down|up`, `NAME fails|works` (a
//! service or application by its name, critical), `NAME SERVICE fails|works` (a service of a host), `NAME warns`, `tool away MM:SS`, `lose the answer`
//! (of the next create), `late SECONDS` (the next create is executed so much later), `take T1` (a person takes the ticket), `resolve T1`, `close T1`, `restart`, `kill`,
//! `until MM:SS`, `graph later`, `graph` (the sample again), `graph other` (the sample and one CI more).
//! A name with a star at its end stands for all that begin so. `NAME unreachable` is what Nagios says of what lies
//! behind something that is down. `lose PERCENT`: so many of the alerts that follow never arrive. `ask I1`: how
//! many alerts it has and what its cause is, as a line below. `estate` lines come first and make a CMDB instead
//! of the sample (see `world/estate.rs`): `estate 10000 server on hub`.
//! Lines that begin with `|` are configuration, in force from the start. `fire NAME=VALUE... SEVERITY` and
//! `clear NAME=VALUE...` (an alert by its labels), `change ID on CI WORDS`, `told T1` (we hear how a person
//! left the ticket), `why I1` (what the view says about its ticket), `alert NAME=VALUE...` (about an alert),
//! `group I1`, `rules I1` (those that acted), `chronic`, `storm N` (so many alerts of no weight; with a letter more: others than before), `log` (the lines of the log since the last `log`; with words: those that contain them), `back M1` (a window is taken back).
//! A configuration with `[[itsm]]` has these targets instead of `rt`; the tickets of others are named `T2@NAME`.
//! `reload without WORDS`: the lines of configuration that contain them are gone.
//! `work T1`, `hold T1`: a person opens the ticket (again), or puts it on hold. `poll`: we look at what people did.
//! `turn I1`: the last turning point of its explanation.
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

mod asking;
mod world;

use asking::{answer, asked, labels, view};
use correlated::config::{self, planned};
use correlated::itsm::Seen;
use correlated::itsm::TicketState;
use correlated::model::{Event, EventState, IncidentId, Millis};
use correlated::node::Node;
use correlated::record::{
    CauseV1, ChangeV1, CommandV1, MaintenanceV1, MoveV1, NamedV1, PairV1, QuietV1, Record, RulesV1,
    SplitV1, TicketChangeV1,
};
use correlated::rules::RulesText;
use std::path::Path;
use world::estate::{Estate, dice, meant};
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

/// The rules of a scenario, and what is planned in it.
fn configured(script: &str) -> (RulesText, Vec<Record>) {
    let lines = script.lines().filter_map(|l| l.strip_prefix('|'));
    let own: Vec<&str> = lines.map(str::trim).collect();
    if own.is_empty() {
        return (rules(), Vec::new());
    }
    let text = format!(
        "[[source]]\nname = \"nagios\"\nkind = \"nagios\"\n[[source]]\nname = \"prometheus\"\n\
         kind = \"prometheus\"\n{}\n",
        own.join("\n")
    );
    let config = config::load(&text, "").unwrap_or_else(|e| panic!("{e:#?}"));
    let mut rules = config.rules;
    if !script.contains("arrival_lag") {
        rules.correlate.arrival_lag = world::rules().correlate.arrival_lag;
    }
    rules.targets = match own.contains(&"[[itsm]]") {
        // By their names: here all of them write.
        true => rules
            .targets
            .into_keys()
            .map(|name| (name, world::target()))
            .collect(),
        false => world::rules().targets,
    };
    let plumbing = config.plumbing;
    let planned = planned::records(&plumbing.windows, &plumbing.calendars, START);
    (rules, planned)
}

fn play(script: &str) -> World {
    played(script, false)
}

/// With `resumed` the engine is made anew from a snapshot of itself after every line.
fn played(script: &str, resumed: bool) -> World {
    let later = script.contains("graph later");
    let mut estate = Estate::default();
    let (mut given, mut none) = (false, false);
    for line in script.lines().filter_map(|l| l.strip_prefix("estate ")) {
        let words: Vec<&str> = line.split(' ').collect();
        match words.as_slice() {
            ["none"] => none = true,
            words => estate.line(words),
        }
        given = true;
    }
    let cmdb = if given {
        estate.cmdb()
    } else {
        SAMPLE.to_owned()
    };
    let (mut rules, planned) = configured(script);
    if none {
        // As the configuration has it where there is no CMDB.
        rules.correlate.wait_for_graph = Millis(0);
    }
    let mut world = World::new(&rules, (!later && !none).then_some(cmdb.as_str()));
    if !planned.is_empty() {
        world.commit(&planned);
    }
    let mut lost = 0;
    for line in script.lines().map(str::trim) {
        if line.is_empty() || line.starts_with(['#', '|']) || line.starts_with("estate ") {
            continue;
        }
        let (time, what) = line
            .split_once(' ')
            .unwrap_or_else(|| panic!("line {line:?}"));
        let at = START.plus(minutes(time));
        world.advance(at.since(world.now));
        let words: Vec<&str> = what.trim().split(' ').collect();
        match words.as_slice() {
            ["lose", percent] => lost = percent.parse().unwrap(),
            ["reload", "without", words @ ..] => {
                let words = words.join(" ");
                let stays = |l: &&str| !(l.starts_with('|') && l.contains(&words));
                let script: Vec<&str> = script.lines().filter(stays).collect();
                let (rules, _) = configured(&script.join("\n"));
                let text = rules.canonical();
                world.commit(&[Record::Rules(RulesV1 { text })]);
            }
            [pattern, state] if pattern.ends_with('*') => {
                let names = estate.names().filter(|n| meant(pattern, n));
                let all: Vec<_> = names
                    .filter(|n| dice(&format!("lost {n}"), 100) >= lost)
                    .map(|n| alert(n, state, world.now).unwrap())
                    .collect();
                for source in ["nagios", "prometheus"] {
                    let mine = all.iter().filter(|(s, _)| *s == source);
                    let events: Vec<Event> = mine.map(|(_, e)| e.clone()).collect();
                    world.send(source, &events);
                }
            }
            [name, state]
                if alert(name, state, at).is_some()
                    && dice(&format!("lost {name}"), 100) < lost => {}
            _ => step(&mut world, what.trim()),
        }
        if resumed {
            world.snapshot();
            let (node, found) = Node::recover(world.store.again()).expect("recover");
            assert!(found.unused_snapshot.is_none(), "{found:?}");
            world.node = node;
        }
    }
    world
}

/// The event of `NAME STATE`, and the source that tells it.
fn alert(name: &str, state: &str, now: Millis) -> Option<(&'static str, Event)> {
    use EventState::{Firing, Resolved};
    let labels = [("alertname", "Down"), ("ci", name)];
    let told = |state, severity: &str| Some(("prometheus", event(&labels, state, severity, now)));
    match state {
        "down" => Some(("nagios", host(name, Firing, now))),
        "up" => Some(("nagios", host(name, Resolved, now))),
        "unreachable" => {
            let unreachable = event(&[("host", name)], Firing, "unreachable", now);
            Some(("nagios", unreachable))
        }
        "fails" => told(Firing, "critical"),
        "warns" => told(Firing, "warning"),
        "works" => told(Resolved, "critical"),
        _ => None,
    }
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
    let ticket = |world: &mut World, id: &str| {
        world
            .tool
            .tickets
            .iter()
            .position(|t| t.id == id)
            .unwrap_or_else(|| panic!("no ticket {id}"))
    };
    match words.as_slice() {
        [name, state] if alert(name, state, now).is_some() => {
            let (source, event) = alert(name, state, now).unwrap();
            world.send(source, &[event]);
        }
        [name, service, "fails" | "works"] => {
            let state = match words.last() {
                Some(&"fails") => EventState::Firing,
                _ => EventState::Resolved,
            };
            let labels = [("host", *name), ("service", *service)];
            world.send("nagios", &[event(&labels, state, "critical", now)]);
        }
        ["ask", id] => {
            let id: IncidentId = id.parse().unwrap();
            let text = asked(world, id);
            world.tool.log.push((now, text));
        }
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
        ["work", id] | ["hold", id] => {
            let at = ticket(world, id);
            world.tool.tickets[at].touched = true;
            world.tool.tickets[at].state = match words[0] {
                "hold" => TicketState::OnHold,
                _ => TicketState::Open,
            };
        }
        ["poll"] => world.poll(),
        ["close", id] => {
            let at = ticket(world, id);
            world.tool.tickets[at].state = TicketState::Closed;
            world.tool.tickets[at].touched = true;
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
        ["why", name] if name.parse::<IncidentId>().is_err() => answer(world, name, None),
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
        ["fire", labels @ .., severity] => labelled(world, labels, EventState::Firing, severity),
        ["clear", labels @ ..] => labelled(world, labels, EventState::Resolved, "critical"),
        ["storm", many, others @ ..] => {
            let many: u32 = many.parse().unwrap();
            let one = |n: u32| {
                let host = format!("storm{}-{n}", others.concat());
                let labels = [
                    ("alertname", "Storm"),
                    ("host", host.as_str()),
                    ("quiet", "yes"),
                ];
                event(&labels, EventState::Firing, "info", now)
            };
            let all: Vec<_> = (0..many).map(one).collect();
            world.send("prometheus", &all);
        }
        ["change", id, "on", ci, summary @ ..] => {
            let record = Record::Change(ChangeV1 {
                id: (*id).to_owned(),
                ci: (*ci).to_owned(),
                at: now,
                summary: summary.join(" "),
            });
            world.commit(&[record]);
        }
        ["back", id] => {
            let record = Record::Maintenance(MaintenanceV1 {
                id: (*id).to_owned(),
                ci: String::new(),
                from: now,
                to: now,
                include_dependents: true,
            });
            world.commit(&[record]);
            world.deliver();
        }
        ["told", id] => {
            let at = ticket(world, id);
            let known = &world.tool.tickets[at];
            let record = Record::TicketChange(TicketChangeV1 {
                target: known.target.clone(),
                ticket: known.id.clone(),
                seen: Seen {
                    state: known.state,
                    touched: known.touched,
                    owner: "jane".to_owned(),
                    dropped: Vec::new(),
                },
            });
            world.commit(&[record]);
            world.deliver();
        }
        [
            "why" | "alert" | "group" | "rules" | "chronic" | "log" | "says" | "turn",
            ..,
        ] => {
            let line = view(world, &words);
            world.tool.log.push((now, line));
        }
        ["graph", "later"] | ["until"] => {}
        other => panic!("word {other:?}"),
    }
}

fn labelled(world: &mut World, words: &[&str], state: EventState, severity: &str) {
    let one = event(&labels(words), state, severity, world.now);
    world.send("prometheus", &[one]);
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
fn every_scenario_replays() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    for file in std::fs::read_dir(folder).unwrap() {
        let file = file.unwrap().path();
        let text = std::fs::read_to_string(&file).unwrap();
        let (script, _) = text.split_once("---\n").unwrap_or((&text, ""));
        let (live, resumed) = (play(script), played(script, true));
        let name = file.display();
        assert_eq!(told(&live), told(&resumed), "{name}: after snapshots");
        let digest = live.node.engine().digest();
        assert_eq!(
            digest,
            resumed.node.engine().digest(),
            "{name}: after snapshots"
        );
        if script.contains(" restart") {
            continue; // its own snapshot is where a recovery begins
        }
        let (again, found) = Node::recover(live.store.again()).unwrap();
        assert!(found.skipped.is_empty(), "{name}: {found:?}");
        assert_eq!(digest, again.engine().digest(), "{name}: from the log");
    }
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

#[test]
fn a_hub_that_takes_ten_thousand_servers_with_it_is_one_incident() {
    let world = play(
        "estate hub is core_switch\nestate 10000 server on hub through connects-to\n\
         00:00 hub-server-* down\n00:10 hub down\n03:00 ask I1\n30:00 until",
    );
    let told = told(&world);
    assert!(
        told.contains("I000001: 10001 alerts, cause hub\n"),
        "{told}"
    );
    assert_eq!(world.tool.tickets.len(), 1, "{told}");
}
