//! The conformance kit: every kind of ITSM tool against a fake of its tool with a memory and with faults,
//! driven by the real engine on virtual time. At most one ticket per incident is open at any moment, no
//! stranger's ticket is changed, every ticket hears of its end. `tests/conformance/table.md` holds what came
//! of each fault; `CORRELATED_REWRITE=1` writes it anew; read the difference.
//!
//! `CORRELATED_KIND=jira` and `CORRELATED_FAULT="answer breaks off"` play less of it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "a test stops at what it does not expect"
)]

#[path = "conformance/bench.rs"]
mod bench;
#[path = "conformance/cells.rs"]
mod cells;
#[path = "conformance/faults.rs"]
mod faults;
#[path = "conformance/hostile.rs"]
mod hostile;
#[path = "conformance/kills.rs"]
mod kills;
#[path = "conformance/links.rs"]
mod links;
#[path = "conformance/memory.rs"]
mod memory;
#[path = "conformance/ties.rs"]
mod ties;
#[path = "conformance/tools/mod.rs"]
mod tools;
#[path = "conformance/weather.rs"]
mod weather;
#[path = "conformance/wire.rs"]
mod wire;
mod world;

use bench::Bench;
use correlated::itsm;
use faults::{FAULTS, play};
use std::fmt::Write as _;
use std::panic::catch_unwind;
use std::path::Path;
use tools::TOOLS;

fn only(variable: &str, name: &str) -> bool {
    std::env::var(variable).map_or(true, |wanted| wanted == name)
}

#[test]
fn one_incident_has_one_ticket_in_every_tool_whatever_happens() {
    let rows: Vec<_> = TOOLS
        .iter()
        .filter(|r| only("CORRELATED_KIND", r.name))
        .collect();
    let all: Vec<_> = FAULTS
        .iter()
        .filter(|f| only("CORRELATED_FAULT", f.name))
        .collect();
    let heads: Vec<&str> = rows.iter().map(|r| r.name).collect();
    let mut table = format!(
        "# Tickets of one incident, by fault and kind\n\n\
         Written by `tests/conformance.rs`. An incident opens, grows, recovers, fires again after 8 minutes and\n\
         recovers. \"1\": one ticket for all of it. \"2 in turn\": the second was opened when the first was over\n\
         or gone. \"at once\": open beside each other for a while, found and closed. \"said\": a warning says it.\n\
         What a real RT 5 made of the faults that a proxy can produce has to be the same (`tests/real/rt_faults.py`).\n\n\
         | fault | {} |\n| --- |{}\n",
        heads.join(" | "),
        " --- |".repeat(rows.len())
    );
    let mut broken = Vec::new();
    for fault in &all {
        write!(table, "| {} |", fault.name).unwrap();
        for row in &rows {
            let played = catch_unwind(|| play(&mut Bench::new(row), fault));
            let cell = played.unwrap_or_else(|_| {
                broken.push(format!("{}: {}", row.name, fault.name));
                "BROKEN".into()
            });
            write!(table, " {cell} |").unwrap();
        }
        table.push('\n');
    }
    println!("{table}");
    assert!(broken.is_empty(), "{}", broken.join("\n"));
    if rows.len() < TOOLS.len() || all.len() < FAULTS.len() {
        return;
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance/table.md");
    if std::env::var_os("CORRELATED_REWRITE").is_some() {
        std::fs::write(&path, &table).unwrap();
    } else {
        let written = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(written == table, "{} should be\n{table}", path.display());
    }
}

#[test]
fn every_kind_that_writes_goes_through_the_kit() {
    for kind in itsm::KINDS
        .iter()
        .filter(|k| k.promise != itsm::Promise::Nothing)
    {
        let played = TOOLS.iter().any(|r| r.kind == kind.kind);
        assert!(
            played,
            "kind {} is in no row of tests/conformance/tools.rs",
            kind.kind
        );
    }
}

#[test]
fn alert_text_opens_nothing_in_any_kind() {
    hostile::every_text_in_every_kind();
}

#[test]
fn each_cell_of_the_state_table_holds_for_every_kind() {
    cells::each_for_every_kind();
}

#[test]
fn a_ticket_links_to_the_page_of_its_incident_once_and_no_step_waits_for_it() {
    links::come_besides();
}

#[test]
fn of_two_merged_tickets_the_younger_is_linked_to_the_older_once_and_closed() {
    ties::of_merged_incidents();
}

#[test]
fn a_merged_ticket_of_a_person_is_linked_and_left_to_them() {
    ties::of_a_ticket_that_a_person_has();
}

#[test]
fn killed_in_a_merge_the_younger_ticket_is_linked_all_the_same() {
    ties::whatever_is_killed();
}

#[test]
fn a_duplicate_is_linked_to_the_ticket_that_is_kept() {
    ties::of_duplicates();
}

#[test]
fn kinds_without_links_are_asked_for_none() {
    ties::are_not_asked_of_kinds_without();
}

#[test]
fn in_any_weather_one_incident_has_one_ticket() {
    weather::whatever_comes();
}

#[test]
fn killed_at_any_moment_no_ticket_is_lost_and_none_opened_twice() {
    kills::at_any_moment();
}

#[test]
fn killed_while_requests_come_later_than_promised_every_duplicate_is_found() {
    kills::beyond_what_is_promised();
}
