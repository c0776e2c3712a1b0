//! Tickets of owners who are told of an incident (`[[inform]]`) may name its own ticket: they wait for it a little.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at what it does not expect"
)]

mod world;

use correlated::model::{EventState, Millis};
use correlated::rules::{InformRule, RulesText};
use world::{SAMPLE, START, Ticket, World, event, host, rules, target};

/// The network's ticket at `rt`, those of the sales desk at `tasks`.
fn both() -> RulesText {
    let mut rules = rules();
    rules.targets.insert("tasks".into(), target());
    rules.inform.push(InformRule {
        name: "sales".into(),
        owner: Some("Service desk Sales".into()),
        targets: vec!["tasks".into()],
        ..InformRule::default()
    });
    rules
}

/// A switch takes its servers and payroll with it; after five minutes the web shop is felt.
fn outage(world: &mut World) {
    for name in ["sw-cph1-a07", "srv-pay-01", "srv-web-01", "srv-db-01"] {
        world.send("nagios", &[host(name, EventState::Firing, world.now)]);
    }
    for service in ["Payroll", "Webshop"] {
        let labels = [("alertname", "Down"), ("ci", service)];
        let one = event(&labels, EventState::Firing, "critical", world.now);
        world.send("nagios", &[one]);
        world.advance(Millis::mins(5));
    }
}

fn at<'a>(world: &'a World, target: &str) -> Vec<&'a Ticket> {
    let all = world.tool.tickets.iter();
    all.filter(|t| t.target == target).collect()
}

#[test]
fn the_ticket_of_an_owner_names_the_incidents_own() {
    let mut world = World::new(&both(), Some(SAMPLE));
    outage(&mut world);
    let (own, tasks) = (at(&world, "rt"), at(&world, "tasks"));
    assert_eq!((own.len(), tasks.len()), (1, 1));
    assert_eq!(tasks[0].main, own[0].id);
    assert_eq!(own[0].main, "");
}

#[test]
fn it_waits_for_the_incidents_own_but_not_for_long() {
    let mut world = World::new(&both(), Some(SAMPLE));
    world.tool.dead_target = "rt".into();
    outage(&mut world);
    let tasks = at(&world, "tasks");
    assert_eq!(tasks.len(), 1, "{:?}", world.tool.log);
    assert_eq!(tasks[0].main, "");
    let (opened, _) = &world.tool.log[0];
    let felt = START.plus(Millis::mins(5));
    assert!(
        opened.since(felt) >= Millis::mins(2),
        "{:?}",
        world.tool.log
    );
    assert!(opened.since(felt) < Millis::mins(3), "{:?}", world.tool.log);
}
