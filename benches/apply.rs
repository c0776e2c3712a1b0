//! The engine: new alerts of one fault on a graph, repeats, recoveries: `cargo bench --bench apply`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::as_conversions,
    missing_docs,
    reason = "a benchmark"
)]

use correlated::engine::Engine;
use correlated::graph::{Ci, GraphBuilder};
use correlated::model::{Event, EventState, Labels, Millis, Seq};
use correlated::record::{EventsV1, GraphV1, Record, RulesV1, StartedV1};
use correlated::rules::RulesText;
use std::time::Instant;

const RACKS: u32 = 100;
const SERVERS: u32 = 100;

fn event(host: &str, state: EventState, at: i64) -> Event {
    let labels: Labels = [("host", host), ("service", "PING")].into_iter().collect();
    Event {
        state,
        labels,
        annotations: [("output", "CRITICAL - no answer")].into_iter().collect(),
        severity_word: "critical".into(),
        episode: at,
        closes: at - 1,
        starts_at: Some(Millis(at)),
        valid_until: None,
        sender: String::new(),
        link: String::new(),
    }
}

fn main() {
    let mut builder = GraphBuilder::new();
    let ci = |key: &str| Ci {
        key: key.into(),
        name: key.into(),
        monitored: true,
        ..Ci::default()
    };
    for rack in 0..RACKS {
        builder.ci(ci(&format!("sw{rack}")), "");
        for n in 0..SERVERS {
            builder.ci(ci(&format!("srv{rack}-{n}")), "");
            builder.relation(
                &format!("srv{rack}-{n}"),
                "connects-to",
                &format!("sw{rack}"),
                "",
            );
        }
    }
    let (raw, _) = builder.finish();
    let mut engine = Engine::new();
    let mut seq = 0u64;
    let mut at = 1_000_000i64;
    let mut apply = |engine: &mut Engine, records: &[Record]| {
        seq += 1;
        at += 10;
        engine.apply(Seq(seq), Millis(at), records)
    };
    apply(
        &mut engine,
        &[Record::Started(StartedV1 {
            engine: 1,
            epoch: 1,
            last: None,
        })],
    );
    apply(
        &mut engine,
        &[Record::Rules(RulesV1 {
            text: RulesText::default().canonical(),
        })],
    );
    let digest = raw.digest();
    engine.offer_graph(digest, raw.into());
    apply(
        &mut engine,
        &[Record::Graph(GraphV1 {
            digest,
            cis: 0,
            relations: 0,
            as_of: Millis(0),
        })],
    );
    let batch = |events: Vec<Event>| {
        Record::Events(EventsV1 {
            source: "n".into(),
            scope: "n".into(),
            received_at: Millis(0),
            events,
        })
    };
    let mut all_us = Vec::new();
    for (what, state) in [
        ("new and correlated", EventState::Firing),
        ("repeated", EventState::Firing),
        ("resolved", EventState::Resolved),
    ] {
        let (mut spent, mut events) = (0u128, 0u32);
        for rack in 0..RACKS {
            let host = |n| event(&format!("srv{rack}-{n}"), state, 1_000_000);
            let mut all: Vec<Event> = (0..SERVERS).map(host).collect();
            all.push(event(&format!("sw{rack}"), state, 1_000_000));
            for part in all.chunks(64) {
                let record = [batch(part.to_vec())];
                let begun = Instant::now();
                std::hint::black_box(apply(&mut engine, &record));
                spent += begun.elapsed().as_nanos();
                events += u32::try_from(part.len()).unwrap();
            }
        }
        all_us.push((what, spent as f64 / f64::from(events) / 1000.0));
    }
    let repeat = all_us
        .iter()
        .find(|(what, _)| *what == "repeated")
        .map_or(1.0, |(_, us)| *us);
    for (what, us) in all_us {
        println!(
            "{what}: {us:.2} us per event, {:.1} times a repeat",
            us / repeat
        );
    }
}
