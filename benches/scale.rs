//! The engine on large estates, per entry and record type: `cargo bench --bench scale -- [CIs ...]`.
//!
//! 10,000 active alerts (a tenth of the CIs, if that is less) of the usual mix of faults, then bursts of 1,000 new
//! alerts a second (a hundredth of the CIs, if that is less) of many faults at once, as many recoveries after each. Then
//! as many in a second from one site without power, and what could stall the intake: many holds that end at once, a
//! large maintenance that ends, another graph, a hub under which all alert. Times are CPU times of the thread. The
//! engine is deterministic: everything is run several times, and the least of each entry counts.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::as_conversions,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a benchmark"
)]

#[path = "scale/estate.rs"]
mod estate;
#[path = "scale/faults.rs"]
mod faults;
#[path = "scale/run.rs"]
mod run;

use correlated::engine::identity;
use correlated::model::EventState;
use estate::Estate;
use run::{Run, Sample};
use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::Instant;

/// The row of every entry of the bursts.
const ALL: &str = "all of the bursts";
/// Runs of each estate; `CORRELATED_ROUNDS` sets another number.
const ROUNDS: usize = 2;

fn main() {
    let sizes: Vec<usize> = std::env::args()
        .skip(1)
        .filter_map(|a| a.parse().ok())
        .collect();
    let sizes = match sizes.is_empty() {
        true => vec![10_000, 100_000],
        false => sizes,
    };
    let rounds = std::env::var("CORRELATED_ROUNDS").ok();
    let rounds = rounds.and_then(|r| r.parse().ok()).unwrap_or(ROUNDS);
    let mut growth = Vec::new();
    for size in sizes {
        let begun = Instant::now();
        let estate = estate::estate(size);
        let made = begun.elapsed().as_millis();
        println!(
            "\n{} CIs, {} relations (made in {made} ms)",
            estate.raw.cis.len(),
            estate.raw.relations.len()
        );
        let mut best: Vec<Sample> = Vec::new();
        let mut told = Vec::new();
        for round in 0..rounds {
            let mut run = Run::new(&estate);
            run.everything(&estate);
            match round {
                0 => (best, told) = (run.samples, run.told),
                _ => {
                    assert_eq!(
                        best.len(),
                        run.samples.len(),
                        "the engine is not deterministic"
                    );
                    for (a, b) in best.iter_mut().zip(&run.samples) {
                        a.nanos = a.nanos.min(b.nanos);
                    }
                }
            }
        }
        let hash = hashing(&estate);
        let per_new = table(&best, hash);
        for line in told {
            println!("{line}");
        }
        println!("largest resident memory so far: {} MiB", run::peak_mib());
        growth.push((estate.raw.cis.len(), per_new, hash));
    }
    println!();
    for (cis, (per_new, in_all), hash) in growth {
        println!(
            "{cis} CIs: {per_new:.2} us per new alert in a burst, {:.1} times what it takes to hash one; {in_all:.2} us with all that comes of it",
            per_new / hash
        );
    }
}

/// Microseconds to find the identity of an alert: what everything is compared to.
fn hashing(estate: &Estate) -> f64 {
    let rules = correlated::rules::RulesText::default().identity;
    let all: Vec<_> = (0..1000.min(estate.names.len()))
        .map(|ci| {
            faults::event(
                estate,
                &(0, ci, "HostDown", "critical"),
                EventState::Firing,
                1,
            )
        })
        .collect();
    let mut least = u64::MAX;
    for _ in 0..20 {
        let begun = run::cpu_nanos();
        for event in &all {
            black_box(identity::fingerprint(&rules, "bench", &event.labels));
        }
        least = least.min(run::cpu_nanos() - begun);
    }
    least as f64 / all.len() as f64 / 1000.0
}

/// Prints the times by phase and record. Answers the microseconds per new alert in bursts: to take it in, to place it and to
/// look at what that changed at once; and with the end of its hold, its ticket and its recovery.
fn table(samples: &[Sample], hash: f64) -> (f64, f64) {
    let mut by: BTreeMap<(usize, &str), Vec<(u64, u32)>> = BTreeMap::new();
    let mut order: Vec<&str> = Vec::new();
    for sample in samples {
        let at = order.iter().position(|w| *w == sample.what);
        let at = at.unwrap_or_else(|| {
            order.push(sample.what);
            order.len() - 1
        });
        by.entry((at, sample.what))
            .or_default()
            .push((sample.nanos, sample.events));
    }
    println!(
        "{:<34} {:>7} {:>8} {:>9} {:>7} {:>9} {:>9} {:>9}",
        "", "entries", "events", "us/event", "/ hash", "p50 us", "p99 us", "max us"
    );
    // Every entry of the bursts, whatever it was for.
    let bursts = samples.iter().filter(|s| s.what.starts_with("burst: "));
    let bursts = bursts.map(|s| (s.nanos, s.events)).collect();
    by.insert((order.len(), ALL), bursts);
    let (mut per_new, mut in_all, mut came) = (0.0, 0, 0);
    for ((_, what), mut all) in by {
        let events: u64 = all.iter().map(|(_, e)| u64::from(*e)).sum();
        let spent: u64 = all.iter().map(|(n, _)| n).sum();
        all.sort_unstable();
        let us = |n: usize| all[n.min(all.len() - 1)].0 as f64 / 1000.0;
        let per_event = spent as f64 / events.max(1) as f64 / 1000.0;
        if what == run::BURST || what == run::PLACING {
            per_new += per_event;
        }
        match what {
            run::BURST => came = events,
            ALL => in_all = spent,
            _ => {}
        }
        println!(
            "{what:<34} {:>7} {events:>8} {per_event:>9.2} {:>7.1} {:>9.1} {:>9.1} {:>9.1}",
            all.len(),
            per_event / hash,
            us(all.len() / 2),
            us(all.len() * 99 / 100),
            us(all.len() - 1)
        );
    }
    (per_new, in_all as f64 / came.max(1) as f64 / 1000.0)
}
