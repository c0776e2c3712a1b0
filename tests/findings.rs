//! `correlated findings`: what alerts tell of the CMDB, and that silence which says nothing is never held
//! against a relation.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at what it does not expect"
)]

use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::Command;

const CONFIG: &str = r#"
[store]
path = "store"
[[source]]
name = "shop"
kind = "generic"
state = "/state"
severity = "=critical"
take = { alertname = "/check", host = "/host" }
[[source]]
name = "nagios"
kind = "nagios"
[[cmdb]]
name = "file"
kind = "file"
path = "cmdb.json"
"#;

/// Minutes after the begin of an estate's recording.
struct Estate {
    folder: PathBuf,
    cis: Vec<Value>,
    relations: Vec<Value>,
    lines: Vec<(i64, Value)>,
}

fn moment(minutes: i64) -> String {
    let begin: jiff::Timestamp = "2026-03-01T00:00:00Z".parse().unwrap();
    let at = begin + jiff::SignedDuration::from_mins(minutes);
    format!("{at:.3}")
}

impl Estate {
    fn new(name: &str) -> Estate {
        let folder = std::env::temp_dir().join(format!("correlated-{name}-{}", std::process::id()));
        std::fs::remove_dir_all(&folder).ok();
        std::fs::create_dir_all(&folder).unwrap();
        Estate {
            folder,
            cis: Vec::new(),
            relations: Vec::new(),
            lines: Vec::new(),
        }
    }

    fn ci(&mut self, name: &str, monitored: bool) {
        self.cis
            .push(json!({"id": name, "name": name, "class": "server", "monitored": monitored}));
    }

    fn runs_on(&mut self, from: &str, to: &str) {
        self.relations
            .push(json!({"from": from, "type": "runs-on", "to": to}));
    }

    /// Fires at one minute and is over at the other.
    fn fails(&mut self, source: &str, host: &str, from: i64, to: i64) {
        for (at, firing) in [(from, true), (to, false)] {
            let line = match source {
                "nagios" => {
                    let state = if firing { "DOWN" } else { "UP" };
                    let kind = if firing { "PROBLEM" } else { "RECOVERY" };
                    json!({"at": moment(at), "source": "nagios", "content_type": "application/x-www-form-urlencoded",
                        "body": format!("HOSTNAME={host}&HOSTSTATE={state}&HOSTSTATETYPE=HARD&NOTIFICATIONTYPE={kind}&HOSTOUTPUT=x")})
                }
                _ => {
                    let state = if firing { "firing" } else { "resolved" };
                    json!({"at": moment(at), "source": "shop", "content_type": "application/json",
                        "body": {"state": state, "check": "Down", "host": host}})
                }
            };
            self.lines.push((at, line));
        }
    }

    fn write(&mut self) {
        self.lines.sort_by_key(|(at, _)| *at);
        let lines: Vec<String> = self.lines.iter().map(|(_, l)| format!("{l}\n")).collect();
        std::fs::write(self.folder.join("recording.ndjson"), lines.concat()).unwrap();
        std::fs::write(self.folder.join("correlated.toml"), CONFIG).unwrap();
        let cmdb = json!({"cis": self.cis, "relations": self.relations});
        std::fs::write(self.folder.join("cmdb.json"), cmdb.to_string()).unwrap();
    }

    fn findings(&self, more: &[&str]) -> String {
        let output = Command::new(env!("CARGO_BIN_EXE_correlated"))
            .args(["findings", "--config", "correlated.toml"])
            .args(["--recording", "recording.ndjson"])
            .args(more)
            .current_dir(&self.folder)
            .output()
            .unwrap();
        let err = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{err}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.findings(&["--json"])).unwrap()
    }
}

impl Drop for Estate {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.folder).ok();
    }
}

/// Pairs of a finding, for comparison.
fn pairs(found: &Value, list: &str) -> Vec<String> {
    let all = found[list].as_array().unwrap().iter();
    all.map(|f| {
        format!(
            "{} {} {}",
            f["from"].as_str().unwrap(),
            f["to"].as_str().unwrap(),
            f["failures"]
        )
    })
    .collect()
}

/// Begins of four failures, hours apart.
const TIMES: [i64; 4] = [600, 1000, 1500, 2100];

#[test]
fn a_relation_is_contradicted_only_by_silence_that_tells() {
    let mut e = Estate::new("findings-silence");
    for hv in ["hv1", "hv2", "hv3", "hv4"] {
        e.ci(hv, true);
    }
    for (vm, hv, monitored) in [
        ("silent", "hv1", true),
        ("fails-too", "hv1", true),
        ("nobody-watches", "hv1", false),
        ("maintained", "hv1", true),
        ("source-gone", "hv1", true),
        ("held-back", "hv2", true),
        ("not-held-back", "hv3", true),
        ("told-after-its-host", "hv3", true),
        ("too-seldom", "hv4", true),
    ] {
        e.ci(vm, monitored);
        e.runs_on(vm, hv);
    }
    // Each has a source that is known to watch it.
    for vm in ["silent", "maintained", "too-seldom"] {
        e.fails("shop", vm, 100, 110);
    }
    for vm in ["held-back", "not-held-back"] {
        e.fails("nagios", vm, 100, 110);
    }
    e.fails("nagios", "source-gone", 100, 110);
    for (n, at) in TIMES.into_iter().enumerate() {
        e.fails("shop", "hv1", at, at + 15);
        e.fails("shop", "fails-too", at + 1, at + 15);
        let window = json!({"at": moment(at - 60), "maintenance": {"id": format!("M{n}"), "ci": "maintained",
            "from": moment(at - 60), "to": moment(at + 60), "include_dependents": true}});
        e.lines.push((at - 60, window));
        // At another time of the day: nagios is quiet while hv1 fails.
        let at = at + 150;
        e.fails("nagios", "hv2", at, at + 15);
        e.fails("nagios", "hv3", at, at + 15);
        e.fails("nagios", "told-after-its-host", at + 3, at + 15);
        if n < 2 {
            e.fails("shop", "hv4", at, at + 15);
        }
    }
    e.write();
    let found = e.json();
    assert_eq!(
        pairs(&found, "contradicted"),
        ["silent hv1 4", "not-held-back hv3 4"],
        "{found:#}"
    );
    let text = e.findings(&[]);
    assert!(
        text.contains("silent runs-on hv1: hv1 failed 4 times and silent had no alert"),
        "{text}"
    );
    assert_eq!(text, e.findings(&[]), "the same again");
}

#[test]
fn what_fails_together_without_a_path_is_told() {
    let mut e = Estate::new("findings-together");
    for ci in ["a", "b", "c", "d", "rack", "once", "twice"] {
        e.ci(ci, true);
    }
    // These two have a reason in the CMDB.
    e.runs_on("c", "rack");
    e.runs_on("d", "rack");
    for (n, at) in TIMES.into_iter().enumerate() {
        e.fails("shop", "a", at, at + 20);
        e.fails("shop", "b", at + 4, at + 20);
        e.fails("shop", "c", at + 200, at + 220);
        e.fails("shop", "d", at + 201, at + 220);
        if n < 2 {
            e.fails("shop", "twice", at + 2, at + 20);
        }
    }
    // A storm says nothing of who belongs to whom: thirty at once, three times.
    for n in 0..30 {
        let name = format!("storm{n:02}");
        e.ci(&name, true);
        for at in [4000, 5000, 6000] {
            e.fails("shop", &name, at, at + 20);
        }
    }
    e.write();
    let found = e.json();
    assert_eq!(
        found["together"],
        json!([{"cis": ["a", "b"], "times": 4, "failures": [4, 4]}]),
        "{found:#}"
    );
}

#[test]
fn alerts_without_a_ci_names_of_several_and_hubs_are_told() {
    let mut e = Estate::new("findings-names");
    e.ci("hub", false);
    for n in 0..25 {
        let name = format!("leaf{n:02}");
        e.ci(&name, true);
        e.runs_on(&name, "hub");
        if n < 3 {
            let more = format!("under{n:02}");
            e.ci(&more, true);
            e.runs_on(&more, &name);
        }
    }
    for id in ["twin-1", "twin-2"] {
        e.cis
            .push(json!({"id": id, "name": id, "class": "server", "aliases": ["twin"]}));
    }
    for at in [10, 100, 200] {
        e.fails("nagios", "ghost", at, at + 5);
    }
    e.fails("shop", "twin", 50, 60);
    e.write();
    let found = e.json();
    assert_eq!(found["unbound"][0]["value"], "ghost", "{found:#}");
    assert_eq!(found["unbound"][0]["firings"], 3);
    assert_eq!(found["ambiguous"][0]["value"], "twin", "{found:#}");
    assert_eq!(found["ambiguous"][0]["cis"], "twin-1, twin-2");
    assert_eq!(
        found["hubs"],
        json!([{"ci": "hub", "class": "server", "dependants": 28, "direct": 25, "monitored": false}])
    );
    let text = e.findings(&[]);
    let bare = Command::new(env!("CARGO_BIN_EXE_correlated"))
        .args(["findings", "--config", "correlated.toml"])
        .current_dir(&e.folder)
        .output()
        .unwrap();
    let bare = String::from_utf8_lossy(&bare.stdout).into_owned();
    assert!(bare.contains("hubs: 1\n  hub (server"), "{bare}");
    assert!(
        text.contains("hub (server, not monitored): needed by 28 CIs, by 25 directly"),
        "{text}"
    );
    assert!(
        text.contains("3 nagios host \"ghost\" (host \"ghost\": unknown)"),
        "{text}"
    );
}
