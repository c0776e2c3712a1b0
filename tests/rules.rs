//! Rules that live: `check` names those that can do nothing, `replay` those that never did.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at what it does not expect"
)]

use std::path::{Path, PathBuf};
use std::process::Command;

fn correlated(arguments: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_correlated"))
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let err = String::from_utf8_lossy(&output.stderr);
    let out = String::from_utf8_lossy(&output.stdout);
    (output.status.code(), format!("{out}{err}"))
}

/// `CORRELATED_REWRITE=1` writes the expected text anew.
#[test]
fn check_names_the_rules_that_can_do_nothing() {
    let (code, text) = correlated(&["check", "tests/fixtures/rules/doubtful.toml"]);
    assert_eq!(code, Some(0), "a warning stops nothing: {text}");
    let warnings: String = text
        .lines()
        .filter(|l| l.starts_with("warning: "))
        .map(|l| format!("{l}\n"))
        .collect();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/rules/doubtful.expected");
    if std::env::var_os("CORRELATED_REWRITE").is_some() {
        std::fs::write(&file, &warnings).unwrap();
    }
    assert_eq!(warnings, std::fs::read_to_string(&file).unwrap());
}

#[test]
fn what_we_ship_has_no_doubtful_rule() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|f| f.unwrap().path())
        .filter(|f| f.extension().is_some_and(|e| e == "toml"))
        .collect();
    files.sort();
    assert!(!files.is_empty());
    for file in files {
        let (_, text) = correlated(&["check", file.to_str().unwrap()]);
        assert!(!text.contains("warning: "), "{}: {text}", file.display());
    }
}

#[test]
fn replay_names_the_rules_that_never_acted() {
    let fixtures = "tests/fixtures/replay";
    let config = std::fs::read_to_string(format!("{fixtures}/correlated.toml")).unwrap();
    let folder = std::env::temp_dir().join(format!("correlated-rules-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::copy(format!("{fixtures}/cmdb.json"), folder.join("cmdb.json")).unwrap();
    let rules = "\n[[bind.rule]]\nname = \"hosts\"\nlabel = \"host\"\n\
                 [[bind.rule]]\nname = \"jobs\"\nlabel = \"job\"\nregex = \"^db-(.*)$\"\n\
                 [identity]\nseverity = { down = \"major\", gone = \"critical\" }\nnoted = [\"InfoInhibitor\", \"Maintenance\"]\n";
    let file = folder.join("correlated.toml");
    std::fs::write(&file, format!("{config}{rules}")).unwrap();
    let recording = format!("{fixtures}/recording.ndjson");
    let arguments = [
        "replay",
        "--config",
        file.to_str().unwrap(),
        "--recording",
        &recording,
    ];
    let (code, text) = correlated(&arguments);
    assert_eq!(code, Some(0), "{text}");
    let told = text.split_once("rules that never acted: ").expect(&text).1;
    assert_eq!(
        told,
        "3\n  bind.rule[1] \"jobs\"\n  identity.severity.gone \"gone\"\n  identity.noted \"Maintenance\"\n"
    );
    let json: Vec<&str> = arguments.iter().copied().chain(["--json"]).collect();
    let (_, text) = correlated(&json);
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(value["idle_rules"][0]["name"], "jobs", "{value}");
    std::fs::remove_dir_all(&folder).unwrap();
}
