//! Every fixture of every kind of source: what real systems sent, and the events that come of it.
//!
//! `CORRELATED_REWRITE=1 cargo test --test golden` writes the expected files anew; read the difference.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at what it does not expect"
)]

use correlated::model::Millis;
use correlated::source::{self, Body, Decoded, SourceSettings};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

struct Capture {
    name: PathBuf,
    tail: String,
    content_type: String,
    body: Vec<u8>,
    received_at: Millis,
    settings: SourceSettings,
}

/// The settings of a source of this kind: `more` is what the capture's sender was set up with.
fn settings(kind: &str, more: &str) -> SourceSettings {
    let text = format!("[[source]]\nname = \"{kind}\"\nkind = \"{kind}\"\n{more}");
    let config = correlated::config::load(&text, "").unwrap_or_else(|e| panic!("{more}: {e:?}"));
    config.plumbing.sources[0].settings.clone()
}

/// The settings of the source in a configuration that is shipped as an example.
fn shipped(file: &str) -> SourceSettings {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    let config = correlated::config::load(&std::fs::read_to_string(path).unwrap(), "");
    config
        .unwrap_or_else(|e| panic!("{file}: {e:?}"))
        .plumbing
        .sources[0]
        .settings
        .clone()
}

fn fixtures(kind: &str) -> Vec<Capture> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/source")
        .join(kind);
    let mut all: Vec<PathBuf> = std::fs::read_dir(&dir)
        .unwrap_or_else(|e| panic!("kind {kind} has no fixtures in {}: {e}", dir.display()))
        .map(|f| f.unwrap().path())
        .filter(|p| p.extension().is_some_and(|e| e == "json"))
        .collect();
    all.sort();
    assert!(!all.is_empty(), "kind {kind} has no fixtures");
    all.into_iter().map(|p| capture(kind, p)).collect()
}

fn capture(kind: &str, name: PathBuf) -> Capture {
    let text = std::fs::read_to_string(&name).unwrap();
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    let get = |key: &str| value.get(key).and_then(|v| v.as_str()).unwrap_or_default();
    let body = match value.get("body_base64").and_then(|v| v.as_str()) {
        Some(text) => base64(text),
        None => get("body").as_bytes().to_vec(),
    };
    let tail = if get("path").ends_with("/api/v2/alerts") {
        "api/v2/alerts"
    } else {
        ""
    };
    let content_type = value
        .get("headers")
        .and_then(|h| h.as_object())
        .and_then(|h| {
            h.iter()
                .find(|(n, _)| n.eq_ignore_ascii_case("content-type"))
        })
        .and_then(|(_, v)| v.as_str())
        .unwrap_or_default();
    let received: jiff::Timestamp = get("received_at").parse().unwrap();
    Capture {
        tail: tail.to_owned(),
        content_type: content_type.to_owned(),
        body,
        received_at: Millis(received.as_millisecond()),
        settings: match get("config") {
            "" => settings(kind, get("settings")),
            file => shipped(file),
        },
        name,
    }
}

fn base64(text: &str) -> Vec<u8> {
    let value = |c: u8| match c {
        b'A'..=b'Z' => u32::from(c - b'A'),
        b'a'..=b'z' => u32::from(c - b'a') + 26,
        b'0'..=b'9' => u32::from(c - b'0') + 52,
        b'+' => 62,
        _ => 63,
    };
    let digits: Vec<u8> = text.bytes().filter(|c| !b"=\r\n".contains(c)).collect();
    let mut out = Vec::new();
    for four in digits.chunks(4) {
        let bits = four.iter().fold(0, |n, c| n << 6 | value(*c)) << (6 * (4 - four.len()));
        out.extend_from_slice(&bits.to_be_bytes()[1..four.len()]);
    }
    out
}

fn decode(
    (kind, settings): (&str, &SourceSettings),
    tail: &str,
    content_type: &str,
    bytes: &[u8],
    at: Millis,
) -> Decoded {
    let mut out = Decoded::default();
    let body = Body {
        tail,
        content_type,
        bytes,
        received_at: at,
    };
    (source::kind(kind).unwrap().decode)(settings, &body, &mut out);
    out
}

fn describe(decoded: &Decoded) -> String {
    let mut out = String::new();
    let time = |t: Option<Millis>| t.map_or("-".to_owned(), |t| t.rfc3339());
    for (n, e) in &decoded.events {
        writeln!(out, "{n} {:?} {}", e.state, pairs(&e.labels)).unwrap();
        writeln!(
            out,
            "  severity {:?} episode {} closes {} starts {} valid until {} sender {:?}",
            e.severity_word,
            Millis(e.episode).rfc3339(),
            Millis(e.closes).rfc3339(),
            time(e.starts_at),
            time(e.valid_until),
            e.sender
        )
        .unwrap();
        writeln!(out, "  link {:?}", e.link).unwrap();
        for (name, value) in e.annotations.iter() {
            let short: String = value.chars().take(100).collect();
            writeln!(out, "  {name} ({} bytes) {short:?}", value.len()).unwrap();
        }
    }
    for (n, why) in &decoded.rejects {
        writeln!(out, "{n} rejected: {why}").unwrap();
    }
    for (n, why) in &decoded.ignored {
        writeln!(out, "{n} ignored: {why}").unwrap();
    }
    if let Some(refused) = &decoded.refused {
        writeln!(out, "refused: {refused:?}").unwrap();
    }
    for warning in &decoded.warnings {
        writeln!(out, "warning: {warning}").unwrap();
    }
    out
}

fn pairs(labels: &correlated::model::Labels) -> String {
    let all: Vec<String> = labels.iter().map(|(n, v)| format!("{n}={v:?}")).collect();
    all.join(" ")
}

/// The checks of rules believe what a kind's row says of its labels and texts.
fn says_only(kind: &source::Source, settings: &SourceSettings, event: &correlated::model::Event) {
    let says = kind.says;
    let known = |list: &[&str], option: &str, name: &str| {
        list.iter().any(|known| match known.strip_suffix('*') {
            Some(begin) => name.starts_with(begin),
            None => *known == name,
        }) || settings.options.picks(option).any(|(n, _)| n == name)
    };
    for (name, _) in event.labels.iter() {
        assert!(
            known(says.labels, "take", name),
            "{}: label {name}",
            kind.kind
        );
    }
    for (name, _) in event.annotations.iter() {
        assert!(
            known(says.texts, "texts", name),
            "{}: text {name}",
            kind.kind
        );
    }
}

#[test]
fn captures_become_the_expected_events() {
    let rewrite = std::env::var_os("CORRELATED_REWRITE").is_some();
    let mut wrong = Vec::new();
    for kind in source::KINDS {
        for capture in fixtures(kind.kind) {
            let decoded = decode(
                (kind.kind, &capture.settings),
                &capture.tail,
                &capture.content_type,
                &capture.body,
                capture.received_at,
            );
            for (_, event) in &decoded.events {
                says_only(kind, &capture.settings, event);
            }
            let found = describe(&decoded);
            let expected = capture.name.with_extension("expected");
            if rewrite {
                std::fs::write(&expected, &found).unwrap();
            } else if std::fs::read_to_string(&expected).unwrap_or_default() != found {
                wrong.push(format!("{}\n{found}", capture.name.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A small generator of bytes that is the same on every machine.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }
}

#[test]
fn hostile_bodies_are_answered_and_never_end_the_process() {
    let at = Millis(1_795_331_197_000);
    let mut noise = Noise(7);
    for kind in source::KINDS {
        for capture in fixtures(kind.kind) {
            for end in (0..capture.body.len()).step_by(capture.body.len() / 40 + 1) {
                decode(
                    (kind.kind, &capture.settings),
                    &capture.tail,
                    &capture.content_type,
                    &capture.body[..end],
                    at,
                );
            }
            for _ in 0..40 {
                let mut body = capture.body.clone();
                for _ in 0..4 {
                    if body.is_empty() {
                        break;
                    }
                    let place = usize::try_from(noise.next()).unwrap() % body.len();
                    body[place] = u8::try_from(noise.next() & 255).unwrap();
                }
                decode(
                    (kind.kind, &capture.settings),
                    &capture.tail,
                    &capture.content_type,
                    &body,
                    at,
                );
            }
        }
        let plain = SourceSettings::default();
        for content_type in [
            "application/json",
            "application/x-ndjson",
            "application/x-www-form-urlencoded",
            "",
            "text/html",
        ] {
            for tail in ["", "api/v2/alerts", "nonsense"] {
                for body in hostile() {
                    let decoded =
                        decode((kind.kind, &plain), tail, content_type, body.as_bytes(), at);
                    for (_, event) in &decoded.events {
                        let weight: usize = event
                            .labels
                            .iter()
                            .chain(event.annotations.iter())
                            .map(|(n, v)| n.len() + v.len())
                            .sum();
                        assert!(weight < 2 << 20, "an event weighs {weight} bytes");
                    }
                }
            }
        }
    }
}

fn hostile() -> Vec<String> {
    let alert = |labels: &str, rest: &str| {
        format!(
            "{{\"version\":\"4\",\"alerts\":[{{\"status\":\"firing\",\"labels\":{{{labels}}}{rest}}}]}}"
        )
    };
    let many: Vec<String> = (0..100_000).map(|n| format!("\"l{n}\":\"v\"")).collect();
    let long = "x".repeat(10 << 20);
    let mut all = vec![
        "[".repeat(100_000),
        "{\"a\":".repeat(100_000),
        "null".to_owned(),
        "[null, 1, \"x\", {}, []]".to_owned(),
        "{\"alerts\":[{}, {\"status\": 4}], \"version\":\"4\"}".to_owned(),
        alert(&many.join(","), ""),
        alert(
            "\"a\":\"b\"",
            &format!(
                ",\"annotations\":{{\"summary\":\"{long}\"}},\"startsAt\":\"2026-11-22T00:00:00Z\""
            ),
        ),
        alert(
            "\"a\":\"b\",\"a\":\"c\"",
            ",\"startsAt\":\"2026-11-22T00:00:00Z\"",
        ),
        alert("\"a\":NaN", ""),
        "a=b&%zz=%&&&=&%F6=%00".to_owned(),
        format!("HOSTNAME={long}&HOSTSTATE=DOWN"),
    ];
    for time in [
        "9999-12-31T23:59:59.999999999Z",
        "-1000-01-01T00:00:00Z",
        "2026-13-99T99:99:99Z",
        "99999999999999999999",
        "2026-11-22T09:00:00.123456789+02:00",
    ] {
        all.push(alert(
            "\"a\":\"b\"",
            &format!(",\"startsAt\":\"{time}\",\"endsAt\":\"{time}\""),
        ));
        all.push(format!(
            "[{{\"labels\":{{\"a\":\"b\"}},\"startsAt\":\"{time}\",\"endsAt\":\"{time}\"}}]"
        ));
        all.push(format!(
            "HOSTNAME=a&HOSTSTATE=DOWN&LASTHOSTSTATECHANGE={time}&TIMET={time}"
        ));
    }
    all
}
