//! `correlated findings`: what alerts tell of the CMDB, and that silence which says nothing is never held
//! against a relation.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at what it does not expect"
)]

use correlated::daemon::refresh;
use correlated::model::{Event, EventState, Labels, Millis};
use correlated::node::Node;
use correlated::record::{ClockStepV1, EventsV1, GraphV1, Record, RulesV1};
use correlated::store::sqlite::{Options, SqliteStore};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
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
    // No alert has to have the name.
    let several = "names that mean several CIs: 1\n  \"twin\": twin-1, twin-2\n";
    assert!(bare.contains(several), "{bare}");
    assert!(
        text.contains("hub (server, not monitored): needed by 28 CIs, by 25 directly"),
        "{text}"
    );
    assert!(
        text.contains("3 nagios host \"ghost\" (host \"ghost\": unknown)"),
        "{text}"
    );
}

/// The log of a daemon that was away while `hv` failed, or was not.
fn log(folder: &Path, away: bool) {
    std::fs::remove_dir_all(folder.join("store")).ok();
    std::fs::create_dir_all(folder.join("store")).unwrap();
    let config = refresh::load_config(&folder.join("correlated.toml")).unwrap();
    let (raw, _) = refresh::load_graph(&config.plumbing.cmdbs[0]).unwrap();
    let opened = SqliteStore::new(Options::new(&folder.join("store"))).unwrap();
    let (mut node, found) = Node::recover(opened).unwrap();
    let at = |minutes: i64| Millis(1_795_310_000_000).plus(Millis::mins(minutes));
    node.start(at(0), found.last).unwrap();
    let text = config.rules.canonical();
    node.commit(at(0), &[Record::Rules(RulesV1 { text })])
        .unwrap();
    let graph = GraphV1 {
        digest: node.put_graph(&raw).unwrap(),
        cis: 2,
        relations: 1,
        as_of: at(0),
    };
    node.commit(at(0), &[Record::Graph(graph)]).unwrap();
    let mut say = |minutes: i64, host: &str, state| {
        let event = Event {
            state,
            labels: [("alertname", "Down"), ("host", host)]
                .into_iter()
                .collect(),
            annotations: Labels::new(),
            severity_word: "critical".into(),
            episode: at(minutes).0,
            closes: at(minutes).0,
            starts_at: Some(at(minutes)),
            valid_until: None,
            sender: String::new(),
            link: String::new(),
        };
        let events = EventsV1 {
            source: "shop".into(),
            scope: "shop".into(),
            received_at: at(minutes),
            events: vec![event],
        };
        let mut records = vec![Record::Events(events)];
        if away && state == EventState::Resolved {
            let gap = Millis::mins(12);
            records.insert(0, Record::ClockStep(ClockStepV1 { gap }));
        }
        node.commit(at(minutes), &records).unwrap();
    };
    for (host, times) in [("vm", &TIMES[..1]), ("hv", &TIMES[..])] {
        for time in times {
            let begin = if host == "vm" { 100 } else { *time };
            say(begin, host, EventState::Firing);
            say(begin + 15, host, EventState::Resolved);
        }
    }
    node.store().clean_stop().unwrap();
}

#[test]
fn a_log_tells_the_same_and_nothing_of_the_time_in_which_nobody_listened() {
    let mut e = Estate::new("findings-log");
    e.ci("hv", true);
    e.ci("vm", true);
    e.runs_on("vm", "hv");
    e.write();
    let found = |more: &[&str]| -> Value {
        let output = Command::new(env!("CARGO_BIN_EXE_correlated"))
            .args(["findings", "--store", "store", "--json"])
            .args(more)
            .current_dir(&e.folder)
            .output()
            .unwrap();
        serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)))
    };
    log(&e.folder, false);
    let told = found(&["--config", "correlated.toml"]);
    assert_eq!(pairs(&told, "contradicted"), ["vm hv 4"], "{told:#}");
    // Nobody says what the source does, so it may have held the alert back.
    assert!(pairs(&found(&[]), "contradicted").is_empty());
    log(&e.folder, true);
    let told = found(&["--config", "correlated.toml"]);
    assert!(pairs(&told, "contradicted").is_empty(), "{told:#}");
}
