//! Going live by steps, and what happens when the tool of a P1 is away: modes of sources and targets, fallback,
//! and what may leave the house.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at what it does not expect"
)]

mod world;

use correlated::itsm::TicketState;
use correlated::model::{EventState, Millis};
use correlated::rules::{Mode, RulesText};
use world::{SAMPLE, World, event, host, rules, target};

fn fails(world: &mut World, source: &str, name: &str) {
    let now = world.now;
    world.send(source, &[host(name, EventState::Firing, now)]);
}

fn works(world: &mut World, source: &str, name: &str) {
    let now = world.now;
    world.send(source, &[host(name, EventState::Resolved, now)]);
}

fn with(change: impl Fn(&mut RulesText)) -> RulesText {
    let mut rules = rules();
    change(&mut rules);
    rules
}

#[test]
fn a_source_in_shadow_touches_no_ticket_and_is_shown_with_the_reason() {
    let rules = with(|r| r.suppress.shadow_sources.push("new".into()));
    let mut world = World::new(&rules, Some(SAMPLE));
    fails(&mut world, "nagios", "sw-cph1-a07");
    world.advance(Millis::mins(4));
    // The same fault, told by the source that is tried out: more CIs, worse services.
    for name in ["srv-pay-01", "srv-web-01", "Payroll", "sw-cph1-a07"] {
        fails(&mut world, "new", name);
    }
    world.advance(Millis::mins(20));
    assert_eq!(world.tool.tickets.len(), 1);
    let ticket = world.tool.tickets[0].clone();
    assert!(
        ticket.notes.is_empty() && !ticket.description.contains("Payroll app"),
        "{ticket:#?}"
    );
    let incidents = &world.node.engine().state().incidents;
    assert_eq!(
        incidents
            .values()
            .filter(|i| i.shadow && i.merged_into.is_none())
            .count(),
        1,
        "one fault is one incident in shadow too"
    );
    let shadow = *incidents
        .iter()
        .find(|(_, i)| i.shadow && i.merged_into.is_none())
        .unwrap()
        .0;
    let shown = world.node.engine().incident_json(shadow).unwrap();
    assert_eq!(shown["no_ticket_because"], "its source is in shadow");
    works(&mut world, "nagios", "sw-cph1-a07");
    world.advance(Millis::mins(10));
    assert_eq!(
        world.open_tickets().len(),
        0,
        "what is in shadow keeps no ticket open"
    );
}

#[test]
fn a_source_of_notes_joins_tickets_and_opens_none() {
    let rules = with(|r| r.suppress.note_sources.push("new".into()));
    let mut world = World::new(&rules, Some(SAMPLE));
    fails(&mut world, "new", "srv-crm-01");
    world.advance(Millis::mins(30));
    assert_eq!(world.tool.tickets.len(), 0);
    fails(&mut world, "nagios", "sw-cph1-a07");
    world.advance(Millis::secs(10));
    fails(&mut world, "new", "srv-pay-01");
    world.advance(Millis::mins(5));
    assert_eq!(world.tool.tickets.len(), 1);
    assert!(world.tool.tickets[0].description.contains("srv-pay-01"));
}

#[test]
fn a_target_of_notes_tells_its_old_tickets_of_the_recovery_and_opens_none() {
    let mut world = World::new(&rules(), Some(SAMPLE));
    fails(&mut world, "nagios", "sw-cph1-a07");
    world.advance(Millis::mins(4));
    assert_eq!(world.open_tickets().len(), 1);
    let notes = with(|r| r.targets.get_mut("rt").unwrap().mode = Mode::Note);
    world.set_rules(&notes);
    fails(&mut world, "nagios", "srv-crm-01");
    world.advance(Millis::mins(30));
    assert_eq!(world.tool.tickets.len(), 1);
    works(&mut world, "nagios", "sw-cph1-a07");
    world.advance(Millis::mins(10));
    let ticket = &world.tool.tickets[0];
    assert_eq!(ticket.state, TicketState::New, "no state is written");
    assert!(
        ticket.notes.iter().any(|n| n.contains("RECOVERED")),
        "{ticket:#?}"
    );
    // Live again: what opened meanwhile is not adopted, what opens now is.
    world.set_rules(&rules());
    world.advance(Millis::mins(30));
    assert_eq!(world.tool.tickets.len(), 1);
    fails(&mut world, "nagios", "payroll-db");
    world.advance(Millis::mins(10));
    assert_eq!(world.tool.tickets.len(), 2);
}

fn paged() -> RulesText {
    with(|r| {
        r.targets.insert("pager".into(), target());
        r.targets.get_mut("rt").unwrap().fallback = Some("pager".into());
    })
}

#[test]
fn a_p1_that_the_tool_does_not_take_goes_to_the_fallback_and_both_hear_of_the_end() {
    let mut world = World::new(&paged(), Some(SAMPLE));
    world.tool.dead_target = "rt".into();
    fails(&mut world, "nagios", "Payroll");
    world.advance(Millis::mins(2));
    assert_eq!(world.tool.tickets.len(), 0, "not before its time");
    world.advance(Millis::mins(3));
    let at: Vec<&str> = world
        .tool
        .tickets
        .iter()
        .map(|t| t.target.as_str())
        .collect();
    assert_eq!(at, ["pager"]);
    world.tool.dead_target.clear();
    world.advance(Millis::mins(30));
    let at: Vec<&str> = world
        .tool
        .tickets
        .iter()
        .map(|t| t.target.as_str())
        .collect();
    assert_eq!(at, ["pager", "rt"], "the first target is not given up");
    works(&mut world, "nagios", "Payroll");
    world.advance(Millis::mins(10));
    assert_eq!(world.open_tickets().len(), 0);
}

#[test]
fn a_p1_that_fires_again_while_the_tool_is_away_goes_to_the_fallback_too() {
    let mut world = World::new(&paged(), Some(SAMPLE));
    fails(&mut world, "nagios", "Payroll");
    world.advance(Millis::mins(3));
    works(&mut world, "nagios", "Payroll");
    world.advance(Millis::mins(6));
    assert_eq!(world.open_tickets().len(), 0);
    world.tool.dead_target = "rt".into();
    fails(&mut world, "nagios", "Payroll");
    world.advance(Millis::mins(20));
    let open: Vec<&str> = world
        .open_tickets()
        .iter()
        .map(|t| t.target.as_str())
        .collect();
    assert_eq!(open, ["pager"]);
}

#[test]
fn a_fallback_gets_nothing_while_the_tool_works_nor_for_less_than_p2() {
    let mut world = World::new(&paged(), Some(SAMPLE));
    fails(&mut world, "nagios", "Payroll");
    world.advance(Millis::mins(20));
    assert!(world.tool.tickets.iter().all(|t| t.target == "rt") && world.tool.tickets.len() == 1);
    let mut world = World::new(&paged(), Some(SAMPLE));
    world.tool.dead_target = "rt".into();
    let now = world.now;
    world.send(
        "nagios",
        &[event(
            &[("host", "unknown-host")],
            EventState::Firing,
            "warning",
            now,
        )],
    );
    world.advance(Millis::mins(60));
    assert_eq!(world.tool.tickets.len(), 0);
}

#[test]
fn only_what_is_shared_with_a_target_goes_to_it() {
    let rules = with(|r| {
        r.targets.insert("outside".into(), target());
        r.targets.get_mut("outside").unwrap().share = Some(vec!["alertname".into()]);
    });
    let mut world = World::new(&rules, Some(SAMPLE));
    let now = world.now;
    let mut alert = event(
        &[("host", "sw-cph1-a07"), ("alertname", "PingFails")],
        EventState::Firing,
        "critical",
        now,
    );
    alert.annotations = [
        ("summary", "user jdoe logged in"),
        ("runbook_url", "https://wiki.example.net/secret"),
    ]
    .into_iter()
    .collect();
    world.send("nagios", &[alert]);
    world.advance(Millis::mins(5));
    for ticket in &world.tool.tickets {
        let all = format!("{} {}", ticket.title, ticket.description);
        let told = all.contains("jdoe") || all.contains("wiki.example.net/secret");
        assert_eq!(told, ticket.target == "rt", "{ticket:#?}");
        assert!(all.contains("PingFails"));
    }
    assert_eq!(world.tool.tickets.len(), 2);
}
