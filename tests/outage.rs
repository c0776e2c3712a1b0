//! Tools that fail, ask for time, and come back: the real engine, a fake tool and a virtual clock.

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
use correlated::record::{CommandV1, RetryV1};
use world::{SAMPLE, START, ToolFault, World, event, host, rules, target};

fn minutes(n: i64) -> Millis {
    Millis::mins(n)
}

fn down(world: &mut World, name: &str) {
    let now = world.now;
    world.send("nagios", &[host(name, EventState::Firing, now)]);
}

fn fails(world: &mut World, service: &str, state: EventState) {
    let labels = [("alertname", "Down"), ("ci", service)];
    let one = event(&labels, state, "critical", world.now);
    world.send("prometheus", &[one]);
}

/// Priorities in the order in which tickets were opened.
fn opened(world: &World) -> Vec<String> {
    let opens = world.tool.log.iter().filter(|(_, l)| l.contains(" open "));
    opens
        .map(|(_, l)| l.split(' ').nth(2).unwrap().to_owned())
        .collect()
}

#[test]
fn a_tool_that_is_away_is_left_alone_and_then_served_by_priority() {
    let mut rules = rules();
    for target in rules.targets.values_mut() {
        target.max_new = 100;
    }
    let mut world = World::new(&rules, Some(SAMPLE));
    world.tool.away_until = START.plus(minutes(120));
    // So many that one entry has no room for all of them.
    for n in 0..60 {
        down(&mut world, &format!("box-{n:02}"));
        world.advance(Millis::secs(10));
    }
    fails(&mut world, "Payroll", EventState::Firing);
    world.advance(minutes(119).since(world.now.since(START)));
    // One try at a time, not one for each of 61 tickets each minute.
    let asked = world.tool.asked.len();
    assert!(asked < 330, "asked {asked} times in two hours");
    assert_eq!(world.tool.tickets.len(), 0);
    let told = |world: &World, what: &str| {
        let lines = world.lines.iter().filter(|(_, l)| l.contains(what));
        lines.count()
    };
    assert_eq!(told(&world, "rt fails: tried now and then"), 1);
    world.advance(minutes(2));
    assert_eq!(told(&world, "rt answers again"), 1);
    let order = opened(&world);
    assert_eq!(order.len(), 61, "{order:?}");
    assert_eq!(order[0], "P1");
    let mut sorted = order.clone();
    sorted.sort();
    assert_eq!(order, sorted);
    let late = world.tool.tickets.iter();
    let late = late.filter(|t| t.notes.iter().any(|n| n.starts_with("LATE")));
    assert_eq!(late.count(), 61);
}

#[test]
fn of_what_the_valve_holds_back_the_most_urgent_has_the_next_ticket() {
    let mut rules = rules();
    for target in rules.targets.values_mut() {
        target.max_new = 3;
    }
    let mut world = World::new(&rules, Some(SAMPLE));
    for n in 0..8 {
        down(&mut world, &format!("box-{n}"));
    }
    // Three have a ticket, five wait.
    world.advance(minutes(9));
    assert_eq!(opened(&world).len(), 3, "{:?}", world.tool.log);
    fails(&mut world, "Payroll", EventState::Firing);
    world.advance(minutes(40));
    let order = opened(&world);
    assert_eq!(order.len(), 9, "{order:?}");
    assert_eq!(order[3], "P1", "{order:?}");
    let (at, _) = world.tool.log[3];
    let first = world.tool.log[0].0;
    assert!(
        at.since(first.plus(minutes(10))) <= Millis::secs(40),
        "{at:?}"
    );
}

#[test]
fn a_part_of_the_valve_is_kept_for_what_is_urgent() {
    let mut world = World::new(&rules(), Some(SAMPLE));
    for n in 0..40 {
        down(&mut world, &format!("box-{n:02}"));
        world.advance(Millis::secs(1));
    }
    world.advance(minutes(6));
    assert_eq!(opened(&world).len(), 27, "three of thirty are kept");
    fails(&mut world, "Payroll", EventState::Firing);
    world.advance(Millis::secs(30));
    assert_eq!(opened(&world)[27..], ["P1"]);
    // One of those that wait grows worse: it has its ticket at once.
    world.advance(minutes(15));
    assert_eq!(opened(&world).len(), 41, "the rest in the next ten minutes");
}

#[test]
fn a_p1_that_comes_while_a_tool_fails_is_the_next_to_try() {
    let mut world = World::new(&rules(), Some(SAMPLE));
    for n in 0..5 {
        down(&mut world, &format!("box-{n}"));
    }
    world.advance(minutes(4));
    world.tool.away_until = world.now.plus(minutes(30));
    world.advance(minutes(29));
    fails(&mut world, "Payroll", EventState::Firing);
    world.advance(minutes(3));
    assert_eq!(opened(&world)[0], "P1", "{:?}", world.tool.log);
    let (at, _) = world.tool.log[0];
    let waited = at.since(START.plus(minutes(34)));
    assert!(waited <= Millis::secs(40), "{waited:?} after it came back");
}

#[test]
fn what_a_tool_asks_for_holds_for_all_of_its_tickets_and_for_no_other_tool() {
    let mut rules = rules();
    rules.targets.insert("other".into(), target());
    let mut world = World::new(&rules, Some(SAMPLE));
    fails(&mut world, "Payroll", EventState::Firing);
    world.tool.faults = vec![ToolFault::BusyFor(minutes(10))];
    world.advance(minutes(2));
    let busy = world.tool.asked[0].1.clone();
    assert_eq!(world.tool.tickets.len(), 1, "the other took its ticket");
    fails(&mut world, "CRM", EventState::Firing);
    world.advance(minutes(8));
    let to_busy = |world: &World| {
        let asked = world.tool.asked.iter().filter(|(_, t)| *t == busy);
        asked.map(|(at, _)| *at).collect::<Vec<_>>()
    };
    assert_eq!(to_busy(&world).len(), 1, "it asked for ten minutes");
    assert_eq!(world.tool.tickets.len(), 2, "the other goes on");
    world.advance(minutes(2));
    assert_eq!(world.tool.tickets.len(), 4);
    let asked = to_busy(&world);
    assert!(asked[1].since(asked[0]) >= minutes(10), "{asked:?}");
}

#[test]
fn one_ticket_that_is_refused_again_and_again_stops_no_other() {
    let mut world = World::new(&rules(), Some(SAMPLE));
    down(&mut world, "box-1");
    world.advance(minutes(4));
    world.tool.faults = vec![ToolFault::Reject; 3];
    world.advance(minutes(2));
    fails(&mut world, "Payroll", EventState::Firing);
    world.tool.faults.clear();
    world.advance(minutes(1));
    assert_eq!(opened(&world), ["P1"]);
    // Its turn comes by itself after a while, or at once by the word of a person.
    world
        .command("uid 0", CommandV1::Retry(RetryV1::Target("rt".into())))
        .unwrap();
    assert_eq!(opened(&world), ["P1", "P3"]);
}

#[test]
fn a_fault_that_began_and_ended_while_the_tool_was_away_is_handled_as_declared() {
    for (open_when_over, tickets) in [(true, 1), (false, 0)] {
        let mut rules = rules();
        rules.ticket.open_when_over = open_when_over;
        let mut world = World::new(&rules, Some(SAMPLE));
        world.tool.away_until = START.plus(minutes(60));
        fails(&mut world, "Payroll", EventState::Firing);
        world.advance(minutes(10));
        fails(&mut world, "Payroll", EventState::Resolved);
        world.advance(minutes(120));
        let states: Vec<_> = world.tool.tickets.iter().map(|t| t.state).collect();
        assert_eq!(states, vec![TicketState::Resolved; tickets]);
        let rows = world.node.engine().deliveries_json();
        assert_eq!(rows["deliveries"], serde_json::json!([]), "nothing is left");
    }
}

#[test]
fn a_restart_while_the_tool_is_away_loses_nothing() {
    let mut world = World::new(&rules(), Some(SAMPLE));
    world.tool.away_until = START.plus(minutes(90));
    for n in 0..5 {
        down(&mut world, &format!("box-{n}"));
        world.advance(minutes(10));
        world.snapshot();
        world.crash(Millis::secs(5));
    }
    world.advance(minutes(60));
    assert_eq!(world.tool.tickets.len(), 5);
}

#[test]
fn a_resolve_whose_answer_was_lost_is_ours_however_late_we_look() {
    let mut world = World::new(&rules(), Some(SAMPLE));
    fails(&mut world, "Payroll", EventState::Firing);
    world.advance(minutes(4));
    fails(&mut world, "Payroll", EventState::Resolved);
    world.tool.faults = vec![ToolFault::LostAnswer];
    while world.tool.tickets[0].state != TicketState::Resolved {
        world.advance(Millis::secs(1));
        assert!(world.now < START.plus(minutes(20)), "{:?}", world.tool.log);
    }
    // Away for longer than anything may be under way: the first thing that is heard of the ticket is that it is over.
    world.tool.away_until = world.now.plus(minutes(2));
    world.advance(minutes(4));
    let notes = &world.tool.tickets[0].notes;
    let told = notes.iter().filter(|n| n.contains("RECOVERED")).count();
    assert_eq!(told, 1, "{notes:?}");
    fails(&mut world, "Payroll", EventState::Firing);
    world.advance(minutes(3));
    assert_eq!(world.tool.tickets.len(), 1);
    assert_eq!(
        world.tool.tickets[0].state,
        TicketState::Open,
        "{:?}",
        world.tool.log
    );
}

#[test]
fn a_reopening_whose_answer_was_lost_is_not_told_twice() {
    let mut world = World::new(&rules(), Some(SAMPLE));
    fails(&mut world, "Payroll", EventState::Firing);
    world.advance(minutes(4));
    fails(&mut world, "Payroll", EventState::Resolved);
    world.advance(minutes(8));
    assert_eq!(world.tool.tickets[0].state, TicketState::Resolved);
    world.tool.faults = vec![ToolFault::LostAnswer];
    fails(&mut world, "Payroll", EventState::Firing);
    while world.tool.tickets[0].state != TicketState::Open {
        world.advance(Millis::secs(1));
        assert!(world.now < START.plus(minutes(40)), "{:?}", world.tool.log);
    }
    world.tool.away_until = world.now.plus(minutes(12));
    fails(&mut world, "Payroll", EventState::Resolved);
    world.advance(minutes(30));
    let ticket = &world.tool.tickets[0];
    let told = |word: &str| ticket.notes.iter().filter(|n| n.contains(word)).count();
    assert_eq!(ticket.state, TicketState::Resolved);
    assert_eq!(
        (told("FIRING AGAIN"), told("RECOVERED")),
        (1, 2),
        "{:?}",
        ticket.notes
    );
}

#[test]
fn a_tool_that_asks_for_years_is_asked_again_within_the_hour() {
    let mut world = World::new(&rules(), Some(SAMPLE));
    fails(&mut world, "Payroll", EventState::Firing);
    world.tool.faults = vec![ToolFault::BusyFor(minutes(60 * 24 * 365 * 30))];
    world.advance(minutes(90));
    assert_eq!(world.tool.tickets.len(), 1, "{:?}", world.tool.asked);
    let (first, _) = world.tool.asked[0];
    let (again, _) = world.tool.asked[1];
    assert!(again.since(first) >= minutes(59), "{:?}", world.tool.asked);
}

#[test]
fn a_last_note_promises_no_reopening_where_the_tool_has_none() {
    for (reopens, promised) in [(true, true), (false, false)] {
        let mut rules = rules();
        rules.targets.get_mut("rt").unwrap().reopens = reopens;
        let mut world = World::new(&rules, Some(SAMPLE));
        fails(&mut world, "Payroll", EventState::Firing);
        world.advance(minutes(4));
        fails(&mut world, "Payroll", EventState::Resolved);
        world.advance(minutes(8));
        let notes = &world.tool.tickets[0].notes;
        let last = notes.last().unwrap();
        assert!(last.contains("RECOVERED"), "{notes:?}");
        assert_eq!(last.contains("is reopened"), promised, "{last}");
    }
}

#[test]
fn a_ticket_that_is_gone_is_not_told_of_again_and_again() {
    let mut world = World::new(&rules(), Some(SAMPLE));
    down(&mut world, "srv-db-01");
    world.advance(minutes(6));
    assert_eq!(world.tool.tickets.len(), 1);
    // What there is to tell waits for the tool, and then it is over. Meanwhile a person deletes the ticket.
    world.tool.away_until = world.now.plus(minutes(60));
    for service in ["Payroll", "Webshop"] {
        fails(&mut world, service, EventState::Firing);
    }
    world.advance(minutes(20));
    for service in ["Payroll", "Webshop"] {
        fails(&mut world, service, EventState::Resolved);
    }
    let now = world.now;
    world.send("nagios", &[host("srv-db-01", EventState::Resolved, now)]);
    world.advance(minutes(20));
    world.tool.tickets[0].id = "in the bin".into();
    let before = world.tool.asked.len();
    world.advance(minutes(60));
    let asked = world.tool.asked.len() - before;
    assert!(asked < 60, "asked {asked} times");
    let rows = world.node.engine().deliveries_json();
    assert_eq!(rows["deliveries"], serde_json::json!([]), "nothing is left");
}
