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
    for name in ["doubtful", "never"] {
        let file = format!("tests/fixtures/rules/{name}.toml");
        let (code, text) = correlated(&["check", &file]);
        assert_eq!(code, Some(0), "a warning stops nothing: {text}");
        let warnings: String = text
            .lines()
            .filter(|l| l.starts_with("warning: "))
            .map(|l| format!("{l}\n"))
            .collect();
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
        let file = file.with_extension("expected");
        if std::env::var_os("CORRELATED_REWRITE").is_some() {
            std::fs::write(&file, &warnings).unwrap();
        }
        assert_eq!(warnings, std::fs::read_to_string(&file).unwrap());
    }
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
        "3\n  bind.rule #2 \"jobs\"\n  identity.severity.gone \"gone\"\n  identity.noted \"Maintenance\"\n"
    );
    let json: Vec<&str> = arguments.iter().copied().chain(["--json"]).collect();
    let (_, text) = correlated(&json);
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(value["idle_rules"][0]["name"], "jobs", "{value}");
    std::fs::remove_dir_all(&folder).unwrap();
}

/// That both alerts of an inhibition were there, or the label of a rule, is not enough: they must have acted.
#[test]
fn rules_whose_alerts_never_met_never_acted() {
    let fixtures = "tests/fixtures/replay";
    let config = std::fs::read_to_string(format!("{fixtures}/correlated.toml")).unwrap();
    let folder = std::env::temp_dir().join(format!("correlated-met-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::copy(format!("{fixtures}/cmdb.json"), folder.join("cmdb.json")).unwrap();
    let host = |name: &str| {
        format!(
            "HOSTNAME={name}&HOSTSTATE=DOWN&HOSTSTATETYPE=HARD&NOTIFICATIONTYPE=PROBLEM&HOSTOUTPUT=gone"
        )
    };
    let service = |name: &str, what: &str| {
        format!(
            "HOSTNAME={name}&SERVICEDESC={what}&SERVICESTATE=CRITICAL&SERVICESTATETYPE=HARD&NOTIFICATIONTYPE=PROBLEM&SERVICEOUTPUT=bad"
        )
    };
    let bodies = [
        host("srv1"),
        service("srv1", "Http"),
        service("db1", "Load"),
        // No CI of the CMDB.
        service("far1", "Disk"),
        service("far2", "Disk"),
    ];
    let mut recording = String::new();
    for (n, body) in bodies.iter().enumerate() {
        let at = format!("2026-11-22T07:00:0{n}Z");
        let form = "application/x-www-form-urlencoded";
        let line = serde_json::json!({
            "at": at, "id": format!("e{n}"), "source": "nagios", "content_type": form, "body": body
        });
        recording.push_str(&format!("{line}\n"));
    }
    std::fs::write(folder.join("recording.ndjson"), recording).unwrap();
    let idle = |least: u32| {
        let rules = format!(
            "[[correlate.label_rule]]\nname = \"disks\"\nlabels = [\"service\"]\nleast = {least}\n\
             [[suppress.inhibit]]\nname = \"of one host\"\nsource = ['service=\"\"', 'host=\"srv1\"']\n\
             target = ['service=\"Http\"']\nequal = [\"host\"]\n\
             [[suppress.inhibit]]\nname = \"of two\"\nsource = ['service=\"\"', 'host=\"srv1\"']\n\
             target = ['service=\"Load\"']\nequal = [\"host\"]\n"
        );
        let file = folder.join("correlated.toml");
        std::fs::write(&file, format!("{config}{rules}")).unwrap();
        let recording = folder.join("recording.ndjson");
        let (code, text) = correlated(&[
            "replay",
            "--config",
            file.to_str().unwrap(),
            "--recording",
            recording.to_str().unwrap(),
        ]);
        assert_eq!(code, Some(0), "{text}");
        text.split_once("rules that never acted: ")
            .expect(&text)
            .1
            .to_owned()
    };
    let inhibit = "suppress.inhibit #2 \"of two\"\n";
    assert_eq!(idle(2), format!("1\n  {inhibit}"));
    let labels = "correlate.label_rule #1 \"disks\"\n";
    assert_eq!(idle(5), format!("2\n  {inhibit}  {labels}"));
    std::fs::remove_dir_all(&folder).unwrap();
}
