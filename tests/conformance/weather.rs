//! Random weather: alerts come and go, every sort of fault meets every sort of request, our process is killed, and
//! in all of it no incident has two open tickets. A failure names its seed; `CORRELATED_SEEDS=1000` plays more.

use crate::bench::{Bench, Meets, When};
use crate::memory::{PERSON, RULE};
use crate::tools::{Row, TOOLS};
use correlated::itsm::{Promise, TicketState};
use correlated::model::Millis;

pub use crate::world::dice::Dice;

pub const CIS: [&str; 8] = [
    "srv-db-01",
    "payroll-db",
    "Payroll",
    "srv-web-01",
    "webshop-front",
    "Webshop",
    "sw-cph1-a07",
    "srv-crm-01",
];

/// Faults of which none lets a create come later than is promised.
pub fn meets(dice: &mut Dice) -> Meets {
    match dice.roll(12) {
        0..=2 => Meets::Lost,
        3 => Meets::Late(dice.secs(45)),
        4 => Meets::Away,
        5 => Meets::Says(500, Vec::new(), "{}"),
        6 => Meets::SaysAfter(502, "<html>Bad Gateway</html>"),
        7 => Meets::Says(429, Vec::new(), "{}"),
        8 => Meets::Says(401, Vec::new(), "{}"),
        9 => Meets::Truncated,
        10 => Meets::SaysAfter(200, "<html>Log in</html>"),
        _ => Meets::Slow(dice.secs(40)),
    }
}

fn act(bench: &mut Bench, dice: &mut Dice) {
    match dice.roll(20) {
        0..=5 => bench.fire(CIS[dice.roll(8) as usize]),
        6..=7 => bench.clear(),
        8..=12 => {
            let span = dice.secs(700);
            bench.advance(span);
        }
        13..=16 => {
            let all = [
                When::Create,
                When::Create,
                When::ReadBack,
                When::Change,
                When::Find,
                When::Any,
            ];
            let when = all[dice.roll(6) as usize];
            let meets = meets(dice);
            bench.meets(when, 1 + dice.roll(2) as u32, meets);
        }
        17 => {
            let lag = dice.secs(45);
            bench.habits(|m| m.lag = lag);
        }
        18 => {
            let ticket = bench.newest();
            let (who, end) = (
                if dice.roll(2) == 0 { PERSON } else { RULE },
                dice.roll(3) == 0,
            );
            bench.habits(|m| {
                if end {
                    m.turn(&ticket, who, TicketState::Closed);
                } else if let Some(t) = m.change(&ticket, who) {
                    t.group = "another group".into();
                }
            });
        }
        _ => {
            let span = dice.secs(100);
            bench.world.crash(span);
        }
    }
}

fn play(row: &Row, seed: u64) {
    let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let mut bench = Bench::new(row);
    for _ in 0..60 {
        act(&mut bench, &mut dice);
        let tool = bench.tool.borrow();
        assert!(
            tool.at_once <= 1,
            "{} seed {seed}: {} open tickets of one incident\n{:#?}\n{:#?}",
            row.name,
            tool.at_once,
            tool.trace,
            tool.memory.tickets
        );
    }
    bench.clear();
    bench.heal();
    bench.advance(Millis::mins(300));
    bench.verdict(&format!("{} seed {seed}", row.name));
}

pub fn whatever_comes() {
    let seeds = std::env::var("CORRELATED_SEEDS")
        .ok()
        .and_then(|s| s.parse().ok());
    let first = std::env::var("CORRELATED_SEED")
        .ok()
        .and_then(|s| s.parse().ok())
        .unwrap_or(1);
    let seeds = seeds.unwrap_or(12).max(first);
    let promised = |r: &&Row| {
        let kind = correlated::itsm::kind(r.kind).unwrap();
        matches!(kind.promise, Promise::Once | Promise::OnceByTool)
    };
    for row in TOOLS
        .iter()
        .filter(promised)
        .filter(|r| crate::only("CORRELATED_KIND", r.name))
    {
        for seed in first..=seeds {
            play(row, seed);
        }
    }
}
