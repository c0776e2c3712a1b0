//! The simulator: seeded worlds of alerts, faults of the tool, people and crashes; invariants after every
//! step. `CORRELATED_SEEDS=1000` runs more of them; a failure names its seed.

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
    CauseV1, CommandV1, HoursV1, MaintenanceV1, MoveV1, NamedV1, PairV1, QuietV1, Record, SpanV1,
    SplitV1,
};
use correlated::rules::{InhibitRule, Matcher, Reopen, RulesText};
use std::collections::BTreeMap;
use world::dice::Dice;
use world::{SAMPLE, START, ToolFault, World, event, host, ordering_rules, rules};

const CIS: [&str; 14] = [
    "sw-cph1-a07",
    "srv-pay-01",
    "srv-web-01",
    "srv-web-02",
    "srv-db-01",
    "payroll-app",
    "payroll-db",
    "Payroll",
    "Webshop",
    "webshop-front",
    "sw-cph1-a08",
    "srv-crm-01",
    "CRM",
    "unknown-host",
];

/// Pairs of incidents that a person keeps apart.
type Apart = Vec<(IncidentId, IncidentId)>;

/// What a person may do to a random incident, told again by nothing but its outcome.
fn person(world: &mut World, dice: &mut Dice, apart: &mut Apart) {
    let ids: Vec<IncidentId> = world
        .node
        .engine()
        .state()
        .incidents
        .keys()
        .copied()
        .collect();
    if ids.is_empty() {
        return;
    }
    let (incident, other) = (*dice.pick(&ids), *dice.pick(&ids));
    let named = NamedV1 {
        alerts: Vec::new(),
        cis: vec![(*dice.pick(&CIS)).to_owned()],
    };
    let pair = PairV1 { incident, other };
    let command = match dice.roll(10) {
        0..=2 => CommandV1::Split(SplitV1 { incident, named }),
        3 => CommandV1::Move(MoveV1 {
            incident,
            named,
            to: other,
        }),
        4 => CommandV1::Merge(pair),
        5 => CommandV1::KeepApart(pair),
        6 => CommandV1::Cause(CauseV1 {
            incident,
            ci: named.cis.first().cloned().filter(|_| dice.roll(3) > 0),
        }),
        7 => CommandV1::Resolve(incident),
        8 => CommandV1::Quiet(QuietV1 {
            incident,
            span: Millis::mins(dice.roll(60) as i64),
        }),
        _ => CommandV1::Acknowledge(incident),
    };
    let (merges, parts) = (
        matches!(command, CommandV1::Merge(_)),
        matches!(command, CommandV1::Split(_) | CommandV1::KeepApart(_)),
    );
    let Ok(done) = world.command("uid 1000", command) else {
        return;
    };
    let engine = world.node.engine();
    if let [a, b] = done.incidents.as_slice()
        && parts
    {
        apart.push((*a, *b));
    }
    if merges {
        // The later word of a person takes back the earlier.
        apart.retain(|(a, b)| engine.incident_of(*a) != engine.incident_of(*b));
    }
}

/// Which alerts fire, as the sources see it.
type Firing = BTreeMap<&'static str, Millis>;

fn act(world: &mut World, dice: &mut Dice, firing: &mut Firing, apart: &mut Apart) {
    let now = world.now;
    match dice.roll(100) {
        0..=29 => {
            let ci = *dice.pick(&CIS);
            let began = *firing.entry(ci).or_insert(now);
            world.send("nagios", &[host(ci, EventState::Firing, began)]);
        }
        30..=51 => {
            let ci = *dice.pick(&CIS);
            if firing.remove(ci).is_some() {
                world.send("nagios", &[host(ci, EventState::Resolved, now)]);
            }
        }
        52..=55 => person(world, dice, apart),
        56 => world.poll(),
        57..=74 => world.advance(Millis::secs(dice.roll(400) as i64)),
        75..=84 => {
            let fault = match dice.roll(5) {
                0 => ToolFault::LostAnswer,
                1 => ToolFault::Away,
                2 => ToolFault::Late(Millis::secs(1 + dice.roll(50) as i64)),
                3 => ToolFault::Busy,
                _ => ToolFault::Reject,
            };
            world.tool.faults.push(fault);
        }
        85..=88 => world.tool.away_until = now.plus(Millis::secs(dice.roll(1200) as i64)),
        89..=91 => {
            let tickets = world.tool.tickets.len() as u64;
            if tickets > 0 {
                let at = dice.roll(tickets) as usize;
                world.tool.tickets[at].touched = true;
            }
        }
        92..=93 => world.snapshot(),
        94 => world.tool.lag = Millis::secs(dice.roll(50) as i64),
        95 => match dice.roll(3) {
            0 => world.set_rules(&rules()),
            1 => world.set_rules(&ordering_rules()),
            _ => world.set_rules(&lively()),
        },
        96 => plan(world, dice),
        _ => world.crash(Millis::secs(dice.roll(120) as i64)),
    }
}

/// Rules under which much waits, is inhibited and flaps.
fn lively() -> RulesText {
    let mut rules = rules();
    let matcher = |text: &str| vec![Matcher::parse(text).unwrap()];
    rules.suppress.inhibit.push(InhibitRule {
        name: "network".into(),
        source: matcher("host=~\"(sw|rt)-.*\""),
        target: matcher("host=~\"(srv|sw)-.*\""),
        equal: Vec::new(),
    });
    rules.suppress.flapping.changes = 3;
    rules.suppress.flapping.within = Millis::mins(60);
    rules.correlate.storm.per_minute = 3;
    rules.ticket.warnings_wait = Millis::mins(30);
    rules.ticket.hours = [Some("office".into()), Some("office".into())];
    rules.ticket.reopen.persons = Reopen::New;
    rules
}

/// A window, one taken back, or hours of service.
fn plan(world: &mut World, dice: &mut Dice) {
    let now = world.now;
    let minutes = |n: u64| Millis::mins(n as i64);
    let record = match dice.roll(3) {
        0 => {
            let from = now.plus(minutes(dice.roll(10)));
            Record::Hours(HoursV1 {
                name: "office".into(),
                spans: vec![SpanV1 {
                    from,
                    to: from.plus(minutes(1 + dice.roll(20))),
                }],
                until: now.plus(minutes(60)),
            })
        }
        kind => Record::Maintenance(MaintenanceV1 {
            id: format!("M{}", dice.roll(3)),
            ci: (*dice.pick(&CIS)).to_owned(),
            from: now,
            to: now.plus(minutes(if kind == 1 { 0 } else { dice.roll(30) })),
            include_dependents: dice.roll(2) == 0,
        }),
    };
    world.commit(&[record]);
    world.deliver();
}

fn check(world: &World, apart: &Apart, seed: u64) {
    let engine = world.node.engine();
    let broken = engine.check_sums();
    assert!(
        broken.is_empty(),
        "seed {seed}: {broken:#?} {:#?}",
        world.lines
    );
    for (a, b) in apart {
        let both = [a, b].map(|i| engine.incident_of(*i));
        assert!(
            both[0] != both[1],
            "seed {seed}: {a} and {b} were kept apart by a person and are one: {:#?}",
            world.lines
        );
    }
    // One key never stands on two open tickets, unless a person holds one of them.
    let mut open: BTreeMap<&str, u32> = BTreeMap::new();
    for ticket in world.open_tickets() {
        if !ticket.touched {
            *open.entry(ticket.key.as_str()).or_default() += 1;
        }
    }
    for (key, count) in open {
        assert!(
            count <= 1,
            "seed {seed}: {count} open tickets carry {key}: {:#?}",
            world.tool.log
        );
    }
}

fn run(seed: u64) {
    let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let rules = match seed % 2 {
        0 => rules(),
        _ => ordering_rules(),
    };
    let mut world = World::new(&rules, Some(SAMPLE));
    let (mut firing, mut apart) = (Firing::new(), Apart::new());
    for _ in 0..120 {
        act(&mut world, &mut dice, &mut firing, &mut apart);
        check(&world, &apart, seed);
    }
    // Everything ends, the tool is well, and time passes: what was wanted is shipped.
    world.tool.faults.clear();
    world.tool.away_until = world.now;
    world.tool.lag = Millis(0);
    for ci in firing.keys() {
        let now = world.now;
        world.send("nagios", &[host(ci, EventState::Resolved, now)]);
    }
    world.advance(Millis::mins(180));
    check(&world, &apart, seed);
    for ticket in &world.tool.tickets {
        let over = matches!(ticket.state, TicketState::Resolved | TicketState::Closed);
        let told = ticket.notes.iter().any(|n| {
            ["RECOVERED", "MERGED", "RESOLVED"]
                .iter()
                .any(|w| n.contains(w))
        });
        assert!(
            over || (ticket.touched && told),
            "seed {seed}: {} never heard of the recovery: {ticket:#?}\n{:#?}\n{:#?}\n{:#?}",
            ticket.id,
            world.tool.log,
            world.lines,
            world.node.engine().state().outbox
        );
    }
    // A replay of the whole log gives the same state.
    let live = world.node.engine().digest();
    let mut again = correlated::engine::Engine::new();
    replay(&mut world, &mut again);
    assert_eq!(live, again.digest(), "seed {seed}: replay differs");
}

fn replay(world: &mut World, engine: &mut correlated::engine::Engine) {
    use correlated::record::{Record, decode_entry};
    use correlated::store::{ChunkKind, Store};
    let mut store = world.store.again();
    let entries = store.read(correlated::model::Seq(1), usize::MAX).unwrap();
    for entry in entries {
        let records = decode_entry(&entry.body).unwrap().records;
        for record in &records {
            if let Record::Graph(graph) = record {
                let bytes = store
                    .get(ChunkKind::Graph, graph.digest, 0)
                    .unwrap()
                    .unwrap();
                let raw = correlated::graph::RawGraph::decode(&bytes).unwrap();
                engine.offer_graph(graph.digest, raw.into());
            }
        }
        engine.apply(entry.seq, entry.at, &records);
    }
}

#[test]
fn whatever_happens_one_incident_has_one_ticket_that_hears_of_the_recovery() {
    let seeds = std::env::var("CORRELATED_SEEDS")
        .ok()
        .and_then(|s| s.parse().ok())
        .unwrap_or(60);
    let first = std::env::var("CORRELATED_SEED")
        .ok()
        .and_then(|s| s.parse().ok())
        .unwrap_or(1);
    for seed in first..=seeds.max(first) {
        run(seed);
    }
}

#[test]
fn a_restart_keeps_ten_thousand_alerts_and_standstill_resolves_none() {
    let mut world = World::new(&rules(), None);
    let began = world.now;
    let direct = |world: &World, n: u32| {
        let mut one = event(
            &[
                ("alertname", "Down"),
                ("instance", &format!("h{}:9100", n / 10)),
                ("n", &n.to_string()),
            ],
            EventState::Firing,
            "warning",
            began,
        );
        one.valid_until = Some(world.now.plus(Millis::mins(4)));
        one
    };
    let all: Vec<_> = (0..10_000).map(|n| direct(&world, n)).collect();
    world.send("prometheus", &all);
    let live = |world: &World| world.node.engine().alert_counts()[0].1;
    assert_eq!(live(&world), 10_000);
    world.advance(Millis::mins(2));
    world.snapshot();
    let incidents = world.node.engine().state().incidents.len();
    world.crash(Millis::secs(30));
    assert_eq!(live(&world), 10_000, "kept over a restart");
    assert_eq!(world.node.engine().state().incidents.len(), incidents);
    assert!(world.recovered.snapshot.is_some());

    // Ten minutes in which we were stopped: nobody could be heard.
    world.gap(Millis::mins(10));
    world.advance(Millis::secs(30));
    assert_eq!(live(&world), 10_000, "a standstill resolves nothing");
    // And ten minutes in which Prometheus is silent: too many at once to be believed.
    world.advance(Millis::mins(10));
    assert_eq!(world.expired, 0);
    assert_eq!(
        world.node.engine().alert_counts()[1].1,
        10_000,
        "stale, not resolved"
    );
    // It speaks again: nothing re-fires.
    let again: Vec<_> = (0..10_000).map(|n| direct(&world, n)).collect();
    world.send("prometheus", &again);
    assert_eq!(live(&world), 10_000);
    assert_eq!(world.node.engine().state().incidents.len(), incidents);
    // The second half is gone from Prometheus, whose word is good as long as it speaks.
    for _ in 0..9 {
        world.advance(Millis::mins(1));
        let half: Vec<_> = (0..9_900).map(|n| direct(&world, n)).collect();
        world.send("prometheus", &half);
    }
    assert_eq!(world.expired, 100, "what it no longer sends is over");
}

#[test]
fn what_was_there_before_us_opens_no_ticket() {
    let mut world = World::new(&rules(), Some(SAMPLE));
    let old = Millis(world.now.0 - Millis::mins(2 * 24 * 60).0);
    let all: Vec<_> = (0..300)
        .map(|n| {
            let n = n.to_string();
            event(
                &[
                    ("alertname", "Old"),
                    ("instance", "srv-pay-01:9100"),
                    ("n", &n),
                ],
                EventState::Firing,
                "critical",
                old,
            )
        })
        .collect();
    world.send("prometheus", &all);
    world.advance(Millis::mins(60));
    assert!(world.tool.tickets.is_empty(), "{:#?}", world.tool.log);
    let line = world
        .lines
        .iter()
        .filter(|(_, l)| l.contains("inherited"))
        .count();
    assert_eq!(line, 1, "one line says so: {:#?}", world.lines);
    // Cleared once and firing again, it is ours.
    let now = world.now;
    let labels = [
        ("alertname", "Old"),
        ("instance", "srv-pay-01:9100"),
        ("n", "7"),
    ];
    let mut over = event(&labels, EventState::Resolved, "critical", now);
    over.episode = old.0;
    over.closes = old.0;
    world.send("prometheus", &[over]);
    world.advance(Millis::mins(1));
    let now = world.now;
    world.send(
        "prometheus",
        &[event(&labels, EventState::Firing, "critical", now)],
    );
    world.advance(Millis::mins(60));
    assert_eq!(world.tool.tickets.len(), 1, "{:#?}", world.tool.log);
}

#[test]
fn one_more_ignored_label_and_every_live_alert_still_resolves() {
    let mut world = World::new(&rules(), Some(SAMPLE));
    let now = world.now;
    let one = |n: u32, pod: &str, state, at| {
        let n = n.to_string();
        event(
            &[
                ("alertname", "Down"),
                ("instance", "srv-web-01"),
                ("n", &n),
                ("pod", pod),
            ],
            state,
            "critical",
            at,
        )
    };
    let all: Vec<_> = (0..50)
        .map(|n| one(n, "a", EventState::Firing, now))
        .collect();
    world.send("prometheus", &all);
    world.advance(Millis::mins(2));
    let mut changed = rules();
    changed.identity.ignored_labels.push("pod".into());
    world.set_rules(&changed);
    let now = world.now;
    let over: Vec<_> = (0..50)
        .map(|n| one(n, "b", EventState::Resolved, now))
        .collect();
    world.send("prometheus", &over);
    world.advance(Millis::mins(30));
    assert_eq!(world.node.engine().alert_counts()[0].1, 0);
    assert!(world.open_tickets().is_empty(), "{:#?}", world.tool.log);
    assert_eq!(world.tool.tickets.len(), 1);
}

#[test]
fn a_storm_opens_no_more_tickets_than_the_valve_lets_through() {
    let mut no_cmdb = rules();
    no_cmdb.correlate.wait_for_graph = Millis(0);
    let mut world = World::new(&no_cmdb, None);
    let now = world.now;
    let all: Vec<_> = (0..200)
        .map(|n| host(&format!("host-{n}"), EventState::Firing, now))
        .collect();
    world.send("nagios", &all);
    world.advance(Millis::mins(9));
    let kept = 3; // for P1 and P2
    assert_eq!(world.tool.tickets.len(), 30 - kept);
    world.advance(Millis::mins(120));
    assert_eq!(
        world.tool.tickets.len(),
        200,
        "the rest opens as room comes"
    );
}

#[test]
fn a_switch_with_forty_servers_is_one_incident_whichever_alert_comes_first() {
    let mut cis = vec![r#"{"id":"sw","class":"switch"}"#.to_owned()];
    let mut relations = Vec::new();
    for n in 0..40 {
        cis.push(format!(r#"{{"id":"srv{n}","class":"server"}}"#));
        cis.push(format!(
            r#"{{"id":"svc{n}","class":"business_service","attributes":{{"criticality":"gold"}}}}"#
        ));
        relations.push(format!(
            r#"{{"from":"srv{n}","type":"connects-to","to":"sw"}}"#
        ));
        relations.push(format!(
            r#"{{"from":"svc{n}","type":"depends-on","to":"srv{n}"}}"#
        ));
    }
    let cmdb = format!(
        "{{\"cis\":[{}],\"relations\":[{}]}}",
        cis.join(","),
        relations.join(",")
    );
    let mut names: Vec<String> = vec!["sw".into()];
    names.extend((0..40).flat_map(|n| [format!("srv{n}"), format!("svc{n}")]));
    for seed in 0..12 {
        let mut dice = Dice(seed + 99);
        let mut order = names.clone();
        match seed {
            0 => {}
            1 => order.reverse(),
            _ => {
                for n in (1..order.len()).rev() {
                    order.swap(n, dice.roll(n as u64 + 1) as usize);
                }
            }
        }
        let mut world = World::new(&rules(), Some(&cmdb));
        for name in &order {
            let now = world.now;
            world.send("nagios", &[host(name, EventState::Firing, now)]);
            world.advance(Millis(dice.roll(200) as i64));
        }
        world.advance(Millis::mins(30));
        let titles: Vec<&String> = world.tool.tickets.iter().map(|t| &t.title).collect();
        assert_eq!(titles.len(), 1, "order {seed}: {titles:?}");
        assert!(
            titles[0].starts_with("sw down: "),
            "order {seed}: {titles:?}"
        );
    }
}

#[test]
fn a_source_that_should_speak_and_does_not_is_an_incident() {
    let mut expecting = rules();
    expecting.correlate.wait_for_graph = Millis(0);
    expecting
        .expect_every
        .insert("nagios".into(), Millis::mins(10));
    let mut world = World::new(&expecting, None);
    let speak = |world: &mut World| {
        let now = world.now;
        world.send("nagios", &[host("a", EventState::Resolved, now)]);
    };
    for _ in 0..6 {
        world.advance(Millis::mins(8));
        speak(&mut world);
    }
    assert!(world.tool.tickets.is_empty(), "{:#?}", world.tool.log);
    world.advance(Millis::mins(60));
    assert_eq!(world.tool.tickets.len(), 1, "{:#?}", world.tool.log);
    assert!(
        world.tool.tickets[0]
            .description
            .contains("source nagios sent nothing"),
        "{}",
        world.tool.tickets[0].description
    );
    speak(&mut world);
    world.advance(Millis::mins(8));
    assert!(world.open_tickets().is_empty(), "{:#?}", world.tool.log);
}

#[test]
fn a_heartbeat_that_stops_is_an_incident() {
    let mut world = World::new(&rules(), Some(SAMPLE));
    let beat = |world: &mut World| {
        let now = world.now;
        let mut one = event(
            &[("alertname", "Watchdog")],
            EventState::Firing,
            "none",
            START,
        );
        one.valid_until = Some(now.plus(Millis::mins(4)));
        world.send("prometheus", &[one]);
    };
    for _ in 0..30 {
        beat(&mut world);
        world.advance(Millis::mins(1));
    }
    assert!(
        world.tool.tickets.is_empty(),
        "a heartbeat is no alert: {:#?}",
        world.tool.log
    );
    world.advance(Millis::mins(60));
    assert_eq!(world.tool.tickets.len(), 1, "{:#?}", world.tool.log);
    beat(&mut world);
    world.advance(Millis::mins(3));
    beat(&mut world);
    world.advance(Millis::mins(3));
    assert!(world.open_tickets().is_empty(), "{:#?}", world.tool.log);
}

#[test]
fn a_late_firing_of_a_closed_episode_changes_nothing() {
    let mut world = World::new(&rules(), Some(SAMPLE));
    let now = world.now;
    let labels = [("alertname", "Down"), ("instance", "srv-web-01")];
    // The recovery overtakes the alert.
    let mut over = event(&labels, EventState::Resolved, "critical", now);
    over.closes = now.0;
    world.send("prometheus", &[over]);
    world.send(
        "prometheus",
        &[event(&labels, EventState::Firing, "critical", now)],
    );
    world.advance(Millis::mins(30));
    assert!(world.tool.tickets.is_empty(), "{:#?}", world.tool.log);
    // A later episode is news.
    let now = world.now;
    world.send(
        "prometheus",
        &[event(&labels, EventState::Firing, "critical", now)],
    );
    world.advance(Millis::mins(30));
    assert_eq!(world.tool.tickets.len(), 1);
}

#[test]
fn of_a_prometheus_pair_both_must_say_that_it_is_over() {
    let mut world = World::new(&rules(), Some(SAMPLE));
    let now = world.now;
    let labels = [("alertname", "Down"), ("instance", "srv-web-01")];
    let from = |sender: &str, state, at: Millis| {
        let mut one = event(&labels, state, "critical", at);
        one.sender = sender.into();
        one.closes = at.0;
        one
    };
    world.send(
        "prometheus",
        &[
            from("a", EventState::Firing, now),
            from("b", EventState::Firing, now.plus(Millis(300))),
        ],
    );
    world.send("prometheus", &[from("a", EventState::Resolved, now)]);
    assert_eq!(
        world.node.engine().alert_counts()[0].1,
        1,
        "b still sees it"
    );
    world.send(
        "prometheus",
        &[from("b", EventState::Resolved, now.plus(Millis(300)))],
    );
    assert_eq!(world.node.engine().alert_counts()[0].1, 0);
}
