//! Every text that people read, in both languages, as golden files; and the bounds that hold for any facts.
//!
//! `CORRELATED_REWRITE=1 cargo test --test ticket_text` writes the expected files anew; read the difference as
//! somebody would who was woken by it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at what it does not expect"
)]

#[path = "ticket_text/bounds.rs"]
mod bounds;
#[path = "ticket_text/facts.rs"]
mod facts;
#[path = "ticket_text/notes.rs"]
mod notes;

use correlated::ticket::{Language, Style, content};
use facts::*;
use std::path::Path;

fn golden(name: &str, text: &str, wrong: &mut Vec<String>) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/ticket")
        .join(name);
    let text = format!("{text}\n");
    if std::env::var_os("CORRELATED_REWRITE").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &text).unwrap();
    } else if std::fs::read_to_string(&path).unwrap_or_default() != text {
        wrong.push(format!("{}\n{text}", path.display()));
    }
}

const LANGUAGES: [(Language, &str); 2] = [(Language::En, "en"), (Language::Da, "da")];

#[test]
fn tickets_say_what_people_need() {
    let cases = [
        ("switch", switch()),
        ("unsure", unsure()),
        ("unsure-services", unsure_services()),
        ("silent-root", silent_root()),
        ("lone-unbound", lone_unbound()),
        ("one-service", one_service()),
        ("one-server", one_server()),
        ("failing-database", failing_database()),
        ("merged", merged()),
        ("split", split()),
        ("changed-and-flapping", changed_and_flapping()),
        ("hostile", hostile()),
    ];
    let mut wrong = Vec::new();
    for (language, folder) in LANGUAGES {
        for (name, wanted) in &cases {
            let found = content(wanted, &style(language)).unwrap();
            let text = format!("{}\n\n{}", found.title, found.description);
            golden(&format!("{folder}/{name}.txt"), &text, &mut wrong);
            let key = format!("\nKey {}.", wanted.key);
            assert_eq!(found.description.matches(&key).count(), 1, "{name}");
        }
        let mut small = style(language);
        small.limits.description = 900;
        let found = content(&switch(), &small).unwrap();
        golden(
            &format!("{folder}/switch-in-900-bytes.txt"),
            &found.description,
            &mut wrong,
        );
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn alert_text_is_never_a_template() {
    for (language, _) in LANGUAGES {
        let found = content(&hostile(), &style(language)).unwrap();
        assert!(found.description.contains("{{ 7*7 }} {% for %}"));
    }
}

#[test]
fn no_link_is_printed_without_a_base() {
    let bare = Style {
        link_base: String::new(),
        ..style(Language::En)
    };
    let found = content(&unsure(), &bare).unwrap();
    assert!(!found.description.contains("correlated.example.net"));
}
