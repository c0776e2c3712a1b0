//! Alerts are placed in the order in which they began, whatever arrives first: what an operator sees of that, and
//! that nothing is lost meanwhile.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "a test stops at what it does not expect"
)]

mod world;

use correlated::model::{EventState, IncidentId, Millis, Outcome};
use std::collections::BTreeMap;
use world::{SAMPLE, START, World, event, host, ordering_rules, rules};

/// The switch, what hangs on it, and another one: begins, in seconds.
const FAULT: [(&str, i64); 6] = [
    ("sw-cph1-a07", 0),
    ("srv-web-01", 2),
    ("srv-db-01", 2),
    ("srv-pay-01", 3),
    ("sw-cph1-a08", 4),
    ("srv-web-02", 5),
];

fn seconds(n: i64) -> Millis {
    Millis::secs(n)
}

/// The alerts of the fault arrive in this order, all within five seconds after the last began. Answers which CIs are
/// together, and the tickets.
fn arrived(order: &[usize]) -> (Vec<Vec<String>>, Vec<String>) {
    let mut world = World::new(&ordering_rules(), Some(SAMPLE));
    let begin = world.now;
    world.advance(seconds(5));
    for n in order {
        let (name, after) = FAULT[*n];
        let down = host(name, EventState::Firing, begin.plus(seconds(after)));
        world.send("nagios", &[down]);
        world.advance(Millis(700));
    }
    world.advance(Millis::mins(10));
    let state = world.node.engine().state();
    let mut groups: BTreeMap<IncidentId, Vec<String>> = BTreeMap::new();
    for alert in state.alerts.values() {
        let incident = world.node.engine().incident_of(alert.incident.unwrap());
        let ci = state.cis.key(alert.ci).to_owned();
        groups.entry(incident).or_default().push(ci);
    }
    let mut groups: Vec<Vec<String>> = groups.into_values().collect();
    groups.iter_mut().for_each(|g| g.sort());
    groups.sort();
    // All but the number at the end, which is that of the first alert to arrive.
    let titles = world
        .tool
        .tickets
        .iter()
        .map(|t| t.title.split(" [").next());
    let mut tickets: Vec<String> = titles.map(|t| t.unwrap().to_owned()).collect();
    tickets.sort();
    (groups, tickets)
}

#[test]
fn whatever_arrives_first_the_same_incidents_and_tickets_come_of_it() {
    let plain = arrived(&[0, 1, 2, 3, 4, 5]);
    assert!(!plain.1.is_empty());
    for order in [
        [5, 4, 3, 2, 1, 0],
        [3, 0, 5, 1, 4, 2],
        [4, 5, 0, 1, 2, 3],
        [1, 2, 3, 4, 5, 0],
    ] {
        assert_eq!(arrived(&order), plain, "{order:?}");
    }
}

#[test]
fn an_alert_waits_until_ten_seconds_after_its_begin_and_says_so() {
    let mut world = World::new(&ordering_rules(), Some(SAMPLE));
    let begin = world.now;
    world.advance(seconds(3));
    world.send("nagios", &[host("srv-web-01", EventState::Firing, begin)]);
    let answer = *world.answers.last().unwrap();
    let alert = answer.alert.unwrap();
    let engine = world.node.engine();
    assert!(engine.alert_by(alert).unwrap().incident.is_none());
    let story = engine.alert_story_json(&alert.to_string()).unwrap();
    let until = begin.plus(seconds(10)).rfc3339();
    let waits = format!(
        "nobody was told: it is in no incident yet: alerts that began before it are waited for until {until}"
    );
    assert_eq!(story["answer"], waits.as_str());
    world.advance(Millis(6_999));
    assert_eq!(world.node.engine().state().waiting.len(), 1);
    world.advance(Millis(1));
    let engine = world.node.engine();
    assert_eq!(engine.state().waiting.len(), 0);
    // The number that the sender was told, for it may have written it down.
    assert_eq!(answer.incident, engine.alert_by(alert).unwrap().incident);
}

#[test]
fn the_number_a_sender_was_told_leads_to_the_incident_that_its_alert_joined() {
    let mut world = World::new(&ordering_rules(), Some(SAMPLE));
    for name in ["sw-cph1-a07", "srv-web-01"] {
        let now = world.now;
        world.send("nagios", &[host(name, EventState::Firing, now)]);
    }
    let told: Vec<IncidentId> = world.answers.iter().filter_map(|a| a.incident).collect();
    assert_eq!(told.len(), 2);
    world.advance(seconds(12));
    let engine = world.node.engine();
    let live = engine.state().incidents.values();
    assert_eq!(live.filter(|i| i.state.lives()).count(), 1);
    let now: Vec<IncidentId> = told.iter().map(|i| engine.incident_of(*i)).collect();
    assert_eq!(now[0], now[1]);
    assert!(engine.state().incidents.contains_key(&now[0]));
    // After a restart too.
    world.snapshot();
    world.crash(seconds(1));
    assert_eq!(world.node.engine().incident_of(told[1]), now[0]);
}

#[test]
fn what_ends_before_its_turn_is_over_at_once_and_has_its_incident_all_the_same() {
    let mut world = World::new(&ordering_rules(), Some(SAMPLE));
    let begin = world.now;
    world.send("nagios", &[host("srv-web-01", EventState::Firing, begin)]);
    let alert = world.answers.last().unwrap().alert.unwrap();
    world.advance(seconds(4));
    let over = host("srv-web-01", EventState::Resolved, world.now);
    world.send("nagios", &[over]);
    assert!(!world.node.engine().alert_by(alert).unwrap().live());
    world.advance(Millis::mins(30));
    let engine = world.node.engine();
    let incident = engine.alert_by(alert).unwrap().incident.unwrap();
    let known = engine.state().incidents.get(&incident).unwrap();
    assert!(!known.state.lives() && known.live == 0, "{known:?}");
    assert!(world.tool.tickets.is_empty(), "{:?}", world.tool.tickets);
}

#[test]
fn what_its_recovery_overtakes_on_the_way_tells_of_its_fault_all_the_same() {
    let mut world = World::new(&ordering_rules(), Some(SAMPLE));
    let begin = world.now;
    world.advance(seconds(6));
    let mut over = host("srv-web-01", EventState::Resolved, begin);
    over.closes = begin.0;
    world.send("nagios", &[over]);
    world.advance(seconds(2));
    world.send("nagios", &[host("srv-web-01", EventState::Firing, begin)]);
    let answer = *world.answers.last().unwrap();
    assert_eq!(answer.outcome, Outcome::Late);
    world.advance(Millis::mins(30));
    let engine = world.node.engine();
    let alert = engine.alert_by(answer.alert.unwrap()).unwrap();
    assert!(!alert.live());
    let incident = alert.incident.unwrap();
    let known = engine.state().incidents.get(&incident).unwrap();
    assert!(!known.state.lives() && known.live == 0, "{known:?}");
    assert!(world.tool.tickets.is_empty(), "{:?}", world.tool.tickets);
    // What comes when nothing is on its way any more is late, and no more.
    let mut world = World::new(&ordering_rules(), Some(SAMPLE));
    let begin = world.now;
    let mut over = host("srv-web-01", EventState::Resolved, begin);
    over.closes = begin.0;
    world.send("nagios", &[over]);
    world.advance(seconds(30));
    world.send("nagios", &[host("srv-web-01", EventState::Firing, begin)]);
    world.advance(Millis::mins(30));
    assert!(world.node.engine().state().incidents.is_empty());
}

#[test]
fn how_long_an_alert_was_over_its_source_says() {
    // A server of two that are down is back for this long, and its recovery arrives so much later.
    for (away, late, returns) in [
        (200, 0, true),
        (200, 90, true),
        (310, 0, false),
        (310, 90, false),
    ] {
        let mut world = World::new(&rules(), Some(SAMPLE));
        for name in ["sw-cph1-a07", "srv-web-01"] {
            let now = world.now;
            world.send("nagios", &[host(name, EventState::Firing, now)]);
        }
        world.advance(Millis::mins(2));
        let end = world.now;
        world.advance(seconds(late));
        let mut over = host("srv-web-01", EventState::Resolved, end);
        over.valid_until = Some(end);
        world.send("nagios", &[over]);
        world.advance(seconds(away - late));
        let now = world.now;
        world.send("nagios", &[host("srv-web-01", EventState::Firing, now)]);
        let outcome = world.answers.last().unwrap().outcome;
        assert_eq!(
            outcome == Outcome::Reopened,
            returns,
            "{away} s, {late} s late: {outcome:?}"
        );
    }
}

#[test]
fn what_fires_again_before_its_turn_is_in_one_incident() {
    let mut world = World::new(&ordering_rules(), Some(SAMPLE));
    for (after, state) in [
        (0, EventState::Firing),
        (3, EventState::Resolved),
        (5, EventState::Firing),
    ] {
        let at = START.plus(seconds(after));
        world.advance(at.since(world.now));
        let now = world.now;
        world.send("nagios", &[host("srv-web-01", state, now)]);
    }
    world.advance(Millis::mins(10));
    let live = world.node.engine().state().incidents.values();
    assert_eq!(live.filter(|i| i.state.lives()).count(), 1);
    assert_eq!(world.tool.tickets.len(), 1);
}

#[test]
fn a_source_whose_alerts_come_late_is_waited_for_longer() {
    let mut world = World::new(&ordering_rules(), Some(SAMPLE));
    // Ten that have nothing to do with it tell the lag: half a minute, as of an Alertmanager.
    for n in 0..10 {
        let begin = world.now;
        world.advance(seconds(30));
        let name = format!("lone-{n}");
        world.send("prometheus", &[host(&name, EventState::Firing, begin)]);
        world.advance(seconds(60));
    }
    let begin = world.now;
    world.advance(seconds(12));
    world.send(
        "prometheus",
        &[host("srv-web-01", EventState::Firing, begin)],
    );
    world.advance(Millis(27_999));
    assert_eq!(world.node.engine().state().waiting.len(), 1);
    world.advance(Millis(1));
    assert_eq!(world.node.engine().state().waiting.len(), 0);
}

#[test]
fn a_process_that_ends_meanwhile_loses_no_alert_that_waits() {
    for snapshot in [false, true] {
        let mut world = World::new(&ordering_rules(), Some(SAMPLE));
        let now = world.now;
        world.send("nagios", &[host("srv-web-01", EventState::Firing, now)]);
        if snapshot {
            world.snapshot();
        }
        world.crash(seconds(2));
        assert_eq!(world.node.engine().state().waiting.len(), 1);
        world.advance(Millis::mins(10));
        assert_eq!(world.node.engine().state().waiting.len(), 0);
        assert_eq!(world.tool.tickets.len(), 1);
    }
}

#[test]
fn what_waits_is_placed_under_rules_that_identify_it_anew() {
    let mut world = World::new(&ordering_rules(), Some(SAMPLE));
    let labels = [("host", "srv-web-01"), ("shift", "night")];
    let down = event(&labels, EventState::Firing, "critical", world.now);
    world.send("nagios", &[down]);
    let before = world.answers.last().unwrap().alert.unwrap();
    let mut other = ordering_rules();
    other.identity.ignored_labels.push("shift".into());
    world.set_rules(&other);
    let engine = world.node.engine();
    assert!(engine.alert_by(before).is_none(), "it has another identity");
    assert_eq!(engine.state().waiting.len(), 1);
    world.advance(Millis::mins(10));
    assert!(world.node.engine().state().waiting.is_empty());
    assert_eq!(world.tool.tickets.len(), 1);
}

#[test]
fn without_a_lag_alerts_are_placed_as_they_arrive() {
    let mut world = World::new(&rules(), Some(SAMPLE));
    let now = world.now;
    world.send("nagios", &[host("srv-web-01", EventState::Firing, now)]);
    assert!(world.node.engine().state().waiting.is_empty());
    assert!(world.answers.last().unwrap().incident.is_some());
}

/// Whoever holds tickets for a second only wants no alert to wait for ten.
#[test]
fn an_alert_waits_no_longer_than_half_of_the_shortest_hold() {
    let mut rules = ordering_rules();
    rules.correlate.hold[0] = seconds(1);
    let mut world = World::new(&rules, Some(SAMPLE));
    let now = world.now;
    world.send("nagios", &[host("srv-web-01", EventState::Firing, now)]);
    world.advance(Millis(500));
    assert!(world.node.engine().state().waiting.is_empty());
}

#[test]
fn of_two_senders_that_tell_of_a_firing_the_earlier_begin_counts_whichever_arrives_first() {
    let begins = |begins: [i64; 2], quick: bool| {
        let mut world = World::new(&ordering_rules(), Some(SAMPLE));
        let begin = world.now;
        world.advance(seconds(5));
        for after in begins {
            let began = begin.plus(seconds(after));
            let mut down = host("sw-cph1-a07", EventState::Firing, began);
            down.episode = begin.0;
            let known = world.node.engine().quick("nagios", "nagios", &down);
            assert_eq!(known.is_some(), quick && after == begins[1], "{begins:?}");
            world.send("nagios", &[down]);
            world.advance(Millis(700));
        }
        let placed = world.node.engine().next_due();
        world.advance(Millis::mins(10));
        let state = world.node.engine().state();
        let alert = state.alerts.values().next().unwrap();
        assert_eq!(state.alerts.len(), 1);
        assert!(alert.incident.is_some());
        (alert.started, placed, world.tool.tickets.len())
    };
    // What begins later is a repeat, and is answered without the log.
    assert_eq!(begins([0, 3], true), begins([3, 0], false));
}

#[test]
fn of_two_alerts_that_fire_again_in_one_moment_both_return_whichever_arrives_first() {
    let hosts = ["srv-web-01", "srv-db-01"];
    let again = |order: [usize; 2]| {
        let mut world = World::new(&ordering_rules(), Some(SAMPLE));
        let say = |world: &mut World, name: &str, state: EventState| {
            let tells = host(name, state, world.now);
            world.send("nagios", &[tells]);
            world.advance(seconds(1));
        };
        for name in ["sw-cph1-a07", hosts[0], hosts[1]] {
            say(&mut world, name, EventState::Firing);
        }
        world.advance(Millis::mins(1));
        for name in hosts {
            say(&mut world, name, EventState::Resolved);
        }
        world.advance(Millis::mins(20));
        say(&mut world, "sw-cph1-a07", EventState::Resolved);
        world.advance(Millis::mins(2));
        let begin = world.now;
        world.advance(seconds(5));
        for n in order {
            let after = seconds(i64::try_from(n).unwrap() * 4);
            let down = host(hosts[n], EventState::Firing, begin.plus(after));
            world.send("nagios", &[down]);
            world.advance(Millis(700));
        }
        world.advance(Millis::mins(10));
        world.tool.tickets.len()
    };
    // The ticket that is about to be resolved goes on.
    assert_eq!((again([0, 1]), again([1, 0])), (1, 1));
}

#[test]
fn where_alerts_wait_too_long_for_their_place_an_entry_does_more() {
    // Entries that are needed for 400 alerts, the first of them so long after their turn.
    let entries = |late: Millis| {
        let mut world = World::new(&ordering_rules(), Some(SAMPLE));
        let begin = world.now;
        let down = |n| host(&format!("h{n}"), EventState::Firing, begin);
        world.send("nagios", &(0..400).map(down).collect::<Vec<_>>());
        let turn = world.node.engine().state().waiting.values().max();
        world.now = turn.unwrap().plus(late);
        let entry = |_: &usize| {
            world.now = world.now.plus(Millis(1));
            world.commit(&[correlated::record::Record::Tick]);
            world.node.engine().state().waiting.is_empty()
        };
        (1..=400).find(entry).expect("all are placed")
    };
    let (on_time, late) = (entries(Millis(0)), entries(seconds(2)));
    assert!((150..250).contains(&on_time), "{on_time}");
    assert!(late * 3 < on_time, "{late} {on_time}");
}
