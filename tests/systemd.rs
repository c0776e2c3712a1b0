//! The units, judged by systemd itself where it is installed.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test stops at what it does not expect"
)]

use std::path::{Path, PathBuf};
use std::process::Command;

fn analyze(arguments: &[&str]) -> Option<String> {
    let output = Command::new("systemd-analyze").args(arguments).output();
    let output = match output {
        Ok(output) => output,
        Err(error) => {
            println!("systemd-analyze is not here ({error}): the units are not judged");
            return None;
        }
    };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Some(text(&output.stdout) + &text(&output.stderr))
}

fn unit() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd/correlated.service")
}

#[test]
fn the_unit_is_understood_whole() {
    let unit = unit();
    let Some(text) = analyze(&["verify", unit.to_str().unwrap()]) else {
        return;
    };
    // Other units of this machine are judged along with ours.
    for line in text.lines().filter(|l| l.contains("correlated.service")) {
        assert!(!line.to_lowercase().contains("ignoring"), "{line}");
        // The program is not installed where the tests run.
        let known = line.contains("/usr/bin/correlated") || line.contains("man:");
        assert!(known, "{line}");
    }
}

#[test]
fn the_unit_exposes_little() {
    let unit = unit();
    let Some(text) = analyze(&["security", "--offline=true", unit.to_str().unwrap()]) else {
        return;
    };
    let Some(line) = text.lines().find(|l| l.contains("Overall exposure level")) else {
        println!("no verdict here: {text}");
        return;
    };
    let level: f64 = line
        .split_whitespace()
        .find_map(|w| w.parse().ok())
        .unwrap_or_else(|| panic!("{line}"));
    assert!(level <= 1.5, "{line}");
}
