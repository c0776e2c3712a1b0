//! Notes in storms: what a person who is mailed each of them has to bear. Hubs of 20 to 80 servers fail in waves, with
//! late causes, flapping, alerts that get worse, services that notice, half recoveries and relapses; a third of the
//! tickets is taken by a person, from where on severe news is told aloud.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "a test stops at what it does not expect"
)]

mod world;

use correlated::engine::state::Row;
use correlated::itsm::TicketState;
use correlated::model::{EventState, Millis};
use serde_json::json;
use std::collections::BTreeMap;
use world::dice::Dice;
use world::{START, World, event, rules};

/// What a source says: when, of whom, how bad, and whether it is over.
type Said = (Millis, String, &'static str, bool);

/// A switch with servers, an application on every fourth, a service on every eighth.
fn estate(servers: u64) -> String {
    let ci = |name: &str, class: &str| json!({"id": name, "name": name, "class": class});
    let relation = |from: &str, kind: &str, to: &str| json!({"from": from, "type": kind, "to": to});
    let (mut cis, mut relations) = (vec![ci("hub", "access_switch")], Vec::new());
    for n in 0..servers {
        let server = format!("srv-{n:02}");
        cis.push(ci(&server, "server"));
        relations.push(relation(&server, "connects-to", "hub"));
        if n % 4 == 0 {
            let app = format!("app-{n:02}");
            cis.push(ci(&app, "application"));
            relations.push(relation(&app, "depends-on", &server));
            if n % 8 == 0 {
                let service = format!("service-{n:02}");
                cis.push(ci(&service, "business_service"));
                relations.push(relation(&service, "depends-on", &app));
            }
        }
    }
    json!({"cis": cis, "relations": relations}).to_string()
}

/// Three waves within four hours.
fn storm(dice: &mut Dice, servers: u64) -> Vec<Said> {
    let mut said = Vec::new();
    let mut names: Vec<String> = (0..servers).map(|n| format!("srv-{n:02}")).collect();
    names.extend((0..servers).step_by(4).map(|n| format!("app-{n:02}")));
    names.extend((0..servers).step_by(8).map(|n| format!("service-{n:02}")));
    for wave in 0..3 {
        let begin = START.plus(Millis::mins(70 * wave + 1));
        let lasts = Millis::mins(15 + dice.roll(40) as i64);
        let share = 30 + dice.roll(70);
        if dice.roll(4) > 0 {
            let late = begin.plus(dice.secs(540));
            said.push((late, "hub".to_owned(), "critical", true));
            said.push((begin.plus(lasts), "hub".to_owned(), "critical", false));
        }
        for name in &names {
            if dice.roll(100) >= share {
                continue;
            }
            let mut at = begin.plus(dice.secs(1200));
            let end = begin.plus(lasts).plus(dice.secs(600));
            if dice.roll(3) == 0 {
                said.push((at, name.clone(), "warning", true));
                at = at.plus(dice.secs(300));
            }
            said.push((at, name.clone(), "critical", true));
            for _ in 0..dice.roll(5) {
                said.push((at.plus(dice.secs(60)), name.clone(), "critical", false));
                at = at.plus(Millis::secs(60)).plus(dice.secs(240));
                said.push((at, name.clone(), "critical", true));
            }
            said.push((end.max(at), name.clone(), "critical", false));
        }
    }
    said.sort();
    said
}

/// Notes of each ticket of a storm.
fn notes(seed: u64) -> Vec<usize> {
    let mut dice = Dice(seed);
    let servers = 20 + dice.roll(60);
    let mut world = World::new(&rules(), Some(&estate(servers)));
    let said = storm(&mut dice, servers);
    let taken = dice.roll(3) == 0;
    for (at, name, severity, fires) in said {
        world.advance(at.since(world.now));
        let state = match fires {
            true => EventState::Firing,
            false => EventState::Resolved,
        };
        let labels = [("alertname", "Down"), ("ci", name.as_str())];
        world.send("nagios", &[event(&labels, state, severity, at)]);
        let fresh = |t: &&mut world::Ticket| !t.touched && t.state != TicketState::Resolved;
        for ticket in world.tool.tickets.iter_mut().filter(fresh) {
            ticket.touched = taken;
        }
        world.poll();
    }
    world.advance(Millis::mins(180));
    let silent = |row: &Row| !row.joined.is_empty() && row.touched;
    let rows = world.node.engine().state().outbox.values();
    assert_eq!(rows.filter(|row| silent(row)).count(), 0, "seed {seed}");
    let all = world.tool.tickets.iter();
    all.map(|t| t.notes.len()).collect()
}

#[test]
fn half_of_the_tickets_of_storms_have_few_notes_and_none_has_many() {
    let mut all: Vec<usize> = (1..=24).flat_map(notes).collect();
    all.sort_unstable();
    let mut counts: BTreeMap<usize, usize> = BTreeMap::new();
    for n in &all {
        *counts.entry(*n).or_default() += 1;
    }
    let at = |share: usize| all[(all.len() * share / 100).min(all.len() - 1)];
    println!(
        "{} tickets: median {} notes, 99 % at most {}, most {}; {counts:?}",
        all.len(),
        at(50),
        at(99),
        all[all.len() - 1]
    );
    assert!(all.len() >= 40, "{}", all.len());
    assert!(at(50) <= 4, "median {}", at(50));
    assert!(at(99) <= 12, "99 %: {}", at(99));
}
