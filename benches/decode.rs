//! Decoding of real bodies, beside plain parsing of the same bytes: `cargo bench --bench decode`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::as_conversions,
    missing_docs,
    reason = "a benchmark"
)]

use correlated::model::Millis;
use correlated::redact;
use correlated::source::{self, Body, Decoded, SourceSettings};
use std::time::Instant;

const ROUNDS: u32 = 300;

fn body(file: &str) -> String {
    let path = format!(
        "{}/tests/fixtures/source/{file}",
        env!("CARGO_MANIFEST_DIR")
    );
    let text = std::fs::read_to_string(path).unwrap();
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    value.get("body").unwrap().as_str().unwrap().to_owned()
}

fn main() {
    let rules: Vec<redact::Rule> = ["secrets", "people"]
        .iter()
        .flat_map(|s| redact::set(s))
        .collect();
    let redaction = redact::Redaction::new(&rules, "s", b"key");
    for (kind, tail, content_type, file) in [
        (
            "prometheus",
            "api/v2/alerts",
            "application/json",
            "prometheus/prometheus-firing-batch-150-v3.5.json",
        ),
        (
            "prometheus",
            "api/v2/alerts",
            "application/json",
            "prometheus/prometheus-firing-batch-64-v2.42.json",
        ),
        (
            "prometheus",
            "",
            "application/json",
            "prometheus/alertmanager-firing-group_by-empty-basic-auth-12-alerts.json",
        ),
        (
            "nagios",
            "",
            "application/json",
            "nagios/env-service-problem-unknown.json",
        ),
        (
            "zabbix",
            "",
            "application/json",
            "zabbix/v60-lifecycle-1-problem.json",
        ),
        (
            "zabbix",
            "",
            "application/x-ndjson",
            "zabbix/v70-connector-events-3-problems.json",
        ),
    ] {
        let text = body(file);
        let settings = SourceSettings::default();
        let decode = source::kind(kind).unwrap().decode;
        let (mut events, mut decoding, mut parsing, mut cleaning) = (0usize, 0u128, 0u128, 0u128);
        for _ in 0..ROUNDS {
            // Alternating, so that both meet the same machine.
            let begun = Instant::now();
            let mut out = Decoded::default();
            decode(
                &settings,
                &Body {
                    tail,
                    content_type,
                    bytes: text.as_bytes(),
                    received_at: Millis(1_795_331_197_000),
                },
                &mut out,
            );
            decoding += begun.elapsed().as_nanos();
            events += out.events.len();
            let begun = Instant::now();
            let lines: Result<Vec<serde_json::Value>, _> =
                serde_json::Deserializer::from_str(&text)
                    .into_iter()
                    .collect();
            let value = lines.unwrap();
            parsing += begun.elapsed().as_nanos();
            std::hint::black_box(value);
            let begun = Instant::now();
            for (_, event) in &mut out.events {
                redaction.event(event);
            }
            cleaning += begun.elapsed().as_nanos();
        }
        let each = decoding / u128::try_from(events.max(1)).unwrap();
        println!(
            "{file}: {:.2} us per alert, {:.2} times plain JSON parsing; redaction {:.2} times the decoding",
            each as f64 / 1000.0,
            decoding as f64 / parsing as f64,
            cleaning as f64 / decoding as f64
        );
    }
}
