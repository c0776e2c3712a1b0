//! `correlated replay` on the real program: the same recording gives the same bytes, another configuration
//! shows as a difference, a log that does not lead to the state it left behind is told, and what the daemon
//! records plays as it happened.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at what it does not expect"
)]

mod played;
mod ports;

use correlated::daemon::{listen, refresh};
use correlated::engine::{ENGINE, snapshot};
use correlated::model::{Millis, Seq};
use correlated::node::{self, Node};
use correlated::record::{
    DigestV1, EventsV1, GraphV1, Record, RulesV1, decode_entry, encode_entry,
};
use correlated::redact::Redaction;
use correlated::source::Body;
use correlated::store::ChunkKind;
use correlated::store::sqlite::{Options, SqliteStore};
use played::{Folder, fixture, json, out, replay};
use ports::free_port;
use serde_json::Value;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The longest wait for anything.
const WAIT: Duration = Duration::from_secs(30);

fn predictions(folder: &Folder, config: &Path, recording: &Path) -> (Vec<u8>, Value) {
    predictions_with(folder, config, recording, &[])
}

fn predictions_with(
    folder: &Folder,
    config: &Path,
    recording: &Path,
    more: &[&str],
) -> (Vec<u8>, Value) {
    let file = folder.join("predictions.json");
    let mut arguments: Vec<&dyn AsRef<std::ffi::OsStr>> = vec![
        &"--config",
        &config,
        &"--recording",
        &recording,
        &"--predictions",
        &file,
        &"--json",
    ];
    for argument in more {
        arguments.push(argument);
    }
    let output = replay(&arguments);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    (std::fs::read(&file).unwrap(), json(&output))
}

#[test]
fn the_same_recording_gives_the_same_bytes() {
    let folder = Folder::new("replay-same");
    let (config, recording) = (fixture("correlated.toml"), fixture("recording.ndjson"));
    let (first, summary) = predictions(&folder, &config, &recording);
    let (again, _) = predictions(&folder, &config, &recording);
    assert_eq!(first, again);
    let often = ["--restart-every", "2"];
    let (restarted, other) = predictions_with(&folder, &config, &recording, &often);
    assert_eq!(first, restarted);
    assert_eq!(summary["digest"], other["digest"]);
    assert_eq!(summary["graph_loads"], Value::Null);
    let anew = ["--graph-every", "2"];
    let (reloaded, other) = predictions_with(&folder, &config, &recording, &anew);
    assert_eq!(first, reloaded);
    // Of 13 lines. The state keeps a number for each CI it has known, so it shows that there was one more.
    assert_eq!(other["graph_loads"], 6);
    assert_ne!(summary["digest"], other["digest"]);
    let told: Value = serde_json::from_slice(&first).unwrap();
    // Two alerts of one body: the first has its name, the second one like it.
    for id in ["am1", "am1#2", "am3", "n1", "n8"] {
        assert!(told["assign"][id].is_string(), "{id}: {told:#}");
    }
    let incidents = told["incidents"].as_array().unwrap();
    let end_of = |event: &str| {
        let mut id = told["assign"][event].clone();
        while let Some(i) = incidents.iter().find(|i| i["id"] == id) {
            match &i["merged_into"] {
                Value::Null => return i.clone(),
                into => id = into.clone(),
            }
        }
        panic!("{event} is in no incident");
    };
    // A router, the switch behind it, the server behind that: one fault, and the router is its cause.
    let router = end_of("n6");
    assert_eq!(router["roots"][0], "CI-1");
    for event in ["n4", "n5", "n7"] {
        assert_eq!(end_of(event)["id"], router["id"], "{event}");
    }
    assert!(router["ticket_at"].as_f64().unwrap() > 1_795_330_000.0);
    assert_eq!(
        router["ticket"],
        format!("T-{}", router["id"].as_str().unwrap())
    );
    let opened = |op: &&Value| op["op"] == "open" && op["incident"] == router["id"];
    assert_eq!(
        told["ops"]
            .as_array()
            .unwrap()
            .iter()
            .filter(opened)
            .count(),
        1
    );
    assert_eq!(summary["events"], 12);
    assert_eq!(summary["refused"], 0);
}

#[test]
fn no_severe_alert_joins_a_ticket_that_a_person_took_silently() {
    let folder = Folder::new("replay-touched");
    let recording = folder.join("recording.ndjson");
    let down = |at: &str, host: &str| {
        let body = format!(
            "HOSTNAME={host}&HOSTSTATE=DOWN&HOSTSTATETYPE=HARD&NOTIFICATIONTYPE=PROBLEM&HOSTOUTPUT=gone"
        );
        let content_type = "application/x-www-form-urlencoded";
        let line = serde_json::json!({
            "at": at, "id": host, "source": "nagios", "content_type": content_type, "body": body
        });
        format!("{line}\n")
    };
    // When the server behind them is gone too, the ticket has been there for minutes.
    let lines = [
        down("2026-11-22T07:00:00Z", "switch1"),
        down("2026-11-22T07:00:00Z", "router1"),
        down("2026-11-22T07:10:00Z", "srv1"),
    ];
    std::fs::write(&recording, lines.concat()).unwrap();
    let config = fixture("correlated.toml");
    let (_, nobody) = predictions(&folder, &config, &recording);
    assert_eq!(nobody["touched"], Value::Null);
    let (_, taken) = predictions_with(&folder, &config, &recording, &["--touched"]);
    let expected = serde_json::json!({"tickets": 1, "joined": 1, "notes": 1, "silent": 0});
    assert_eq!(taken["touched"], expected);
    let text = out(&replay(&[
        &"--config",
        &config,
        &"--recording",
        &recording,
        &"--touched",
    ]));
    let line = "\ntouched    1, severe alerts that joined 1, notes of them 1, silent 0\n";
    assert!(text.contains(line), "{text}");
}

#[test]
fn options_that_try_a_recording_out_refuse_nonsense() {
    let (config, recording) = (fixture("correlated.toml"), fixture("recording.ndjson"));
    let refused = |more: &[&str]| {
        let mut arguments: Vec<&dyn AsRef<std::ffi::OsStr>> =
            vec![&"--config", &config, &"--recording", &recording];
        for argument in more {
            arguments.push(argument);
        }
        let output = replay(&arguments);
        assert!(!output.status.success(), "{more:?}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    for option in ["--restart-every", "--graph-every"] {
        let why = refused(&[option, "0"]);
        assert!(
            why.contains(&format!("invalid value '0' for '{option} <N>'")),
            "{why}"
        );
    }
    let why = refused(&["--touched", "--against", "other.toml"]);
    assert!(why.contains("cannot be used with"), "{why}");
    let folder = Folder::new("replay-no-cmdb");
    let text = std::fs::read_to_string(&config).unwrap();
    let bare = text.replace(
        "[[cmdb]]\nname = \"file\"\nkind = \"file\"\npath = \"cmdb.json\"\n",
        "",
    );
    assert_ne!(text, bare);
    std::fs::write(folder.join("correlated.toml"), bare).unwrap();
    let output = replay(&[
        &"--config",
        &folder.join("correlated.toml"),
        &"--recording",
        &recording,
        &"--graph-every",
        &"2",
    ]);
    assert_eq!(output.status.code(), Some(1));
    let why = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(why.contains("--graph-every needs a CMDB"), "{why}");
}

#[test]
fn a_line_that_cannot_be_played_is_named() {
    let folder = Folder::new("replay-bad");
    let recording = folder.join("recording.ndjson");
    for (line, why) in [
        (
            "{\"at\":\"2026-01-01T00:00:00Z\",\"source\":\"nagios\"}",
            ":2: has no body",
        ),
        (
            "{\"at\":\"yesterday\",\"source\":\"nagios\",\"body\":\"\"}",
            ":2: at: \"yesterday\" is no moment",
        ),
        (
            "{\"at\":\"2026-01-01T00:00:00Z\",\"source\":\"other\",\"body\":\"{}\"}",
            ":2: there is no [[source]] \"other\"",
        ),
    ] {
        std::fs::write(&recording, format!("\n{line}\n")).unwrap();
        let output = replay(&[
            &"--config",
            &fixture("correlated.toml"),
            &"--recording",
            &recording,
        ]);
        assert_eq!(output.status.code(), Some(1));
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(told.contains(why), "{told}");
    }
}

#[test]
fn another_configuration_shows_as_a_difference() {
    let recording = fixture("recording.ndjson");
    let against = |other: &str| {
        replay(&[
            &"--config",
            &fixture("correlated.toml"),
            &"--recording",
            &recording,
            &"--against",
            &fixture(other),
            &"--json",
        ])
    };
    let same = against("correlated.toml");
    assert_eq!(same.status.code(), Some(0), "{}", out(&same));
    assert_eq!(json(&same)["agreement"], 1.0);
    assert_eq!(json(&same)["same"], true);

    // One key: Prometheus opens no ticket. The incidents are the same.
    let mode = against("other-mode.toml");
    assert_eq!(mode.status.code(), Some(3));
    let diff = json(&mode);
    assert_eq!(diff["agreement"], 1.0, "{diff:#}");
    assert_eq!(
        diff["tickets_saved"].as_array().unwrap().len(),
        1,
        "{diff:#}"
    );
    assert_eq!(diff["tickets_saved"][0]["cause"], "db1");
    let (before, after) = (&diff["tickets"]["before"], &diff["tickets"]["after"]);
    assert_eq!(before.as_u64().unwrap(), after.as_u64().unwrap() + 1);
    for none in [
        "tickets_added",
        "new",
        "gone",
        "split",
        "merged",
        "moved",
        "root_changed",
    ] {
        assert_eq!(diff[none], Value::from(Vec::<Value>::new()), "{none}");
    }

    // Another CMDB: the server is not behind the switch, so its alerts are a fault of their own.
    let cmdb = against("other-cmdb.toml");
    assert_eq!(cmdb.status.code(), Some(3));
    let diff = json(&cmdb);
    assert_eq!(diff["split"].as_array().unwrap().len(), 1, "{diff:#}");
    assert_ne!(diff["agreement"], 1.0);
    assert!(!diff["moved"].as_array().unwrap().is_empty());
    let text = out(&replay(&[
        &"--config",
        &fixture("correlated.toml"),
        &"--recording",
        &recording,
        &"--against",
        &fixture("other-cmdb.toml"),
    ]));
    assert!(text.contains("split off: 1\n"), "{text}");
}

/// A store in which the fixture has happened, with a snapshot in the middle and one at the head.
fn store(folder: &Path, digest: Option<u64>) -> (Seq, Seq) {
    let config = refresh::load_config(&fixture("correlated.toml")).unwrap();
    let (raw, _) = refresh::load_graph(&config.plumbing.cmdbs[0]).unwrap();
    let opened = SqliteStore::new(Options::new(folder)).unwrap();
    let (mut node, found) = Node::recover(opened).unwrap();
    let text = std::fs::read_to_string(fixture("recording.ndjson")).unwrap();
    let lines: Vec<Value> = text
        .lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .filter(|l: &Value| l["body"].is_string())
        .collect();
    let at = |line: &Value| {
        let at: jiff::Timestamp = line["at"].as_str().unwrap().parse().unwrap();
        Millis(at.as_millisecond())
    };
    let begin = at(&lines[0]);
    node.start(begin, found.last).unwrap();
    let rules = RulesV1 {
        text: config.rules.canonical(),
    };
    node.commit(begin, &[Record::Rules(rules)]).unwrap();
    let graph = GraphV1 {
        digest: node.put_graph(&raw).unwrap(),
        cis: 7,
        relations: 4,
        as_of: begin,
    };
    node.commit(begin, &[Record::Graph(graph)]).unwrap();
    let mut snapshots = Vec::new();
    for (n, line) in lines.iter().enumerate() {
        let name = line["source"].as_str().unwrap();
        let sources = &config.plumbing.sources;
        let source = sources.iter().find(|s| s.settings.name == name).unwrap();
        let body = Body {
            tail: "",
            content_type: line["content_type"].as_str().unwrap(),
            bytes: line["body"].as_str().unwrap().as_bytes(),
            received_at: at(line),
        };
        let decoded = listen::decode(source, &Redaction::default(), &body);
        let events = EventsV1 {
            source: name.to_owned(),
            scope: source.scope.clone(),
            received_at: at(line),
            events: decoded.events.into_iter().map(|(_, e)| e).collect(),
        };
        node.commit(at(line), &[Record::Events(events)]).unwrap();
        if n == 5 {
            let digest = digest.unwrap_or_else(|| node.engine().digest());
            let record = Record::Digest(DigestV1 { digest });
            node.commit(at(line), &[record]).unwrap();
        }
        if n == 5 || n + 1 == lines.len() {
            let head = node.opened().head;
            let bytes = snapshot::encode(node.engine().state()).unwrap();
            node::put(node.store(), ChunkKind::Snapshot, head.0, &bytes).unwrap();
            snapshots.push(head);
        }
    }
    node.store().clean_stop().unwrap();
    (snapshots[0], snapshots[1])
}

/// Puts other records into the place of an entry. Its checksum is right, as after a bug, not after a bad disk.
fn tamper(folder: &Path, change: impl Fn(&Record) -> Option<Record>) -> u64 {
    let db = rusqlite::Connection::open(folder.join("correlated.db")).unwrap();
    let entries: Vec<(i64, Vec<u8>)> = db
        .prepare("select seq, body from log order by seq")
        .unwrap()
        .query_map([], |r| Ok((r.get(0)?, r.get(1)?)))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    for (seq, body) in entries {
        let records = decode_entry(&body).unwrap().records;
        if let Some(other) = records.iter().find_map(&change) {
            let body = encode_entry(ENGINE, &[other]).unwrap();
            db.execute(
                "update log set body = ?1 where seq = ?2",
                rusqlite::params![body, seq],
            )
            .unwrap();
            return u64::try_from(seq).unwrap();
        }
    }
    panic!("there is no such entry");
}

#[test]
fn a_log_leads_to_the_state_that_it_left_behind() {
    let folder = Folder::new("replay-store");
    let (middle, head) = store(&folder.0, None);
    let output = replay(&[&"--store", &folder.0, &"--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", out(&output));
    let told = json(&output);
    assert_eq!(told["first"], 1);
    assert_eq!(told["last"], head.0);
    let points = told["points"].as_array().unwrap();
    let what: Vec<(u64, &str)> = points
        .iter()
        .map(|p| (p["entry"].as_u64().unwrap(), p["what"].as_str().unwrap()))
        .collect();
    assert_eq!(
        what,
        [
            (middle.0 - 1, "a digest in the log"),
            (middle.0, "a snapshot"),
            (head.0, "a snapshot"),
            (head.0, "what a restart recovers"),
        ]
    );
    assert!(out(&replay(&[&"--store", &folder.0])).ends_with("live and replayed are the same\n"));

    // The same from a log of which the begin is kept no more.
    let db = rusqlite::Connection::open(folder.join("correlated.db")).unwrap();
    db.execute(
        "delete from log where seq <= ?1",
        [i64::try_from(middle.0).unwrap()],
    )
    .unwrap();
    drop(db);
    let output = replay(&[&"--store", &folder.0, &"--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", out(&output));
    assert_eq!(json(&output)["begun_at_snapshot"], middle.0);
}

#[test]
fn a_log_that_leads_elsewhere_is_told_with_the_place() {
    let folder = Folder::new("replay-tampered");
    let (middle, head) = store(&folder.0, None);
    let events = |r: &Record| match r {
        Record::Events(e)
            if e.source == "nagios" && e.events[0].labels.get("host") == Some("router1") =>
        {
            Some(Record::Tick)
        }
        _ => None,
    };
    let place = tamper(&folder.0, events);
    assert!(place > middle.0 && place <= head.0);
    let output = replay(&[&"--store", &folder.0, &"--json"]);
    assert_eq!(output.status.code(), Some(1));
    let told = json(&output);
    assert_eq!(told["agrees"], false);
    let points = told["points"].as_array().unwrap();
    let wrong: Vec<&Value> = points.iter().filter(|p| p["agrees"] == false).collect();
    assert_eq!(wrong.len(), 1, "{told:#}");
    assert_eq!(wrong[0]["entry"], head.0);
    let differs = wrong[0]["differs"].to_string();
    assert!(
        differs.contains("alert") && differs.contains("incident"),
        "{differs}"
    );
    let text = out(&replay(&[&"--store", &folder.0]));
    let line = format!(
        "they part after entry {} and not after entry {}\n",
        middle.0, head.0
    );
    assert!(text.contains(&line), "{text}");
}

#[test]
fn rules_that_were_not_those_in_force_are_told() {
    let folder = Folder::new("replay-rules");
    let (middle, _) = store(&folder.0, None);
    let other = refresh::load_config(&fixture("other-mode.toml")).unwrap();
    let text = other.rules.canonical();
    tamper(&folder.0, |r| {
        matches!(r, Record::Rules(_)).then(|| Record::Rules(RulesV1 { text: text.clone() }))
    });
    let output = replay(&[&"--store", &folder.0, &"--json"]);
    assert_eq!(output.status.code(), Some(1));
    let told = json(&output);
    let first = told["points"]
        .as_array()
        .unwrap()
        .iter()
        .find(|p| p["what"] == "a snapshot")
        .unwrap()
        .clone();
    assert_eq!(
        (&first["entry"], &first["agrees"]),
        (&Value::from(middle.0), &Value::from(false))
    );
    assert!(first["differs"].to_string().contains("rules"), "{first:#}");
}

#[test]
fn a_digest_in_the_log_is_believed() {
    let folder = Folder::new("replay-digest");
    store(&folder.0, Some(7));
    let output = replay(&[&"--store", &folder.0]);
    assert_eq!(output.status.code(), Some(1));
    let text = out(&output);
    assert!(
        text.contains("a digest in the log says 0000000000000007"),
        "{text}"
    );
}

/// The CMDB comes after the alerts: they are placed anew, and their events go with them.
#[test]
fn events_follow_alerts_that_are_placed_anew() {
    let folder = Folder::new("replay-moved");
    let config = refresh::load_config(&fixture("correlated.toml")).unwrap();
    let (raw, _) = refresh::load_graph(&config.plumbing.cmdbs[0]).unwrap();
    let opened = SqliteStore::new(Options::new(&folder.0)).unwrap();
    let (mut node, found) = Node::recover(opened).unwrap();
    let at = Millis(1_795_331_141_000);
    node.start(at, found.last).unwrap();
    let mut rules = config.rules.clone();
    rules.correlate.arrival_lag = Millis(0);
    let text = rules.canonical();
    node.commit(at, &[Record::Rules(RulesV1 { text })]).unwrap();
    let down = |host: &str| {
        let text = format!(
            "HOSTNAME={host}&HOSTSTATE=DOWN&HOSTSTATETYPE=HARD&NOTIFICATIONTYPE=PROBLEM&HOSTOUTPUT=gone"
        );
        let body = Body {
            tail: "",
            content_type: "application/x-www-form-urlencoded",
            bytes: text.as_bytes(),
            received_at: at,
        };
        let source = &config.plumbing.sources[0];
        let decoded = listen::decode(source, &Redaction::default(), &body);
        Record::Events(EventsV1 {
            source: "nagios".to_owned(),
            scope: source.scope.clone(),
            received_at: at,
            events: decoded.events.into_iter().map(|(_, e)| e).collect(),
        })
    };
    for host in ["switch1", "srv1"] {
        node.commit(at, &[down(host)]).unwrap();
    }
    let apart = node.engine().state().incidents.len();
    assert_eq!(apart, 2, "without a CMDB they have nothing in common");
    let graph = GraphV1 {
        digest: node.put_graph(&raw).unwrap(),
        cis: 7,
        relations: 4,
        as_of: at,
    };
    node.commit(at, &[Record::Graph(graph)]).unwrap();
    node.store().clean_stop().unwrap();
    drop(node);

    let file = folder.join("predictions.json");
    let output = replay(&[&"--store", &folder.0, &"--predictions", &file]);
    assert!(output.status.success(), "{}", out(&output));
    let told: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    let assigned: Vec<&Value> = told["assign"].as_object().unwrap().values().collect();
    assert_eq!(assigned.len(), 2);
    assert_eq!(assigned[0], assigned[1], "{told:#}");
    let incidents = told["incidents"].as_array().unwrap();
    let home = incidents.iter().find(|i| i["id"] == *assigned[0]).unwrap();
    assert_eq!(home["roots"][0], "CI-2");
    let ops = told["ops"].as_array().unwrap();
    let moved = |op: &Value| {
        ["split", "move", "merge"]
            .map(Value::from)
            .contains(&op["op"])
    };
    assert!(ops.iter().any(moved), "{told:#}");
}

struct Daemon {
    folder: Folder,
    child: Child,
    intake: u16,
}

impl Daemon {
    fn new(name: &str) -> Daemon {
        Daemon::configured(name, "")
    }

    fn configured(name: &str, more: &str) -> Daemon {
        let folder = Folder::new(name);
        let (intake, metrics) = (free_port(), free_port());
        let config = std::fs::read_to_string(fixture("correlated.toml")).unwrap();
        let config = config.replace(
            "path = \"store\"",
            &format!(
                "path = \"{0}/store\"\nrecord = true\n\n[listen]\nintake = [\"127.0.0.1:{intake}\"]\n\
                 metrics = [\"127.0.0.1:{metrics}\"]\nadmin = \"{0}/admin.sock\"",
                folder.0.display()
            ),
        );
        std::fs::write(folder.join("correlated.toml"), format!("{config}\n{more}")).unwrap();
        std::fs::copy(fixture("cmdb.json"), folder.join("cmdb.json")).unwrap();
        let log = std::fs::File::create(folder.join("log")).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_correlated"))
            .args(["run", "--config"])
            .arg(folder.join("correlated.toml"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let daemon = Daemon {
            folder,
            child,
            intake,
        };
        let begun = Instant::now();
        let ready = || {
            let mut stream = TcpStream::connect(("127.0.0.1", metrics)).ok()?;
            let answer = exchange(
                &mut stream,
                b"GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
            );
            answer.starts_with("HTTP/1.1 200").then_some(())
        };
        while ready().is_none() {
            assert!(begun.elapsed() < WAIT, "not ready: {}", daemon.log());
            std::thread::sleep(Duration::from_millis(20));
        }
        daemon
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    fn post(&self, path: &str, content_type: &str, body: &str) {
        let mut stream = TcpStream::connect(("127.0.0.1", self.intake)).unwrap();
        let text = format!(
            "POST /v1/events/{path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let answer = exchange(&mut stream, text.as_bytes());
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }

    /// Text and incident of each alert.
    fn alerts(&self) -> Vec<(String, String)> {
        let mut stream = UnixStream::connect(self.folder.join("admin.sock")).unwrap();
        let answer = exchange(
            &mut stream,
            b"GET /v1/alerts HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        );
        let value: Value = serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap();
        let alerts = value["alerts"].as_array().unwrap().clone();
        let mut out: Vec<(String, String)> = alerts
            .iter()
            .map(|a| {
                (
                    a["text"].as_str().unwrap().to_owned(),
                    a["incident"].as_str().unwrap().to_owned(),
                )
            })
            .collect();
        out.sort();
        out
    }

    fn stop(&mut self) {
        let done = Command::new("kill")
            .arg("-TERM")
            .arg(self.child.id().to_string())
            .status();
        assert!(done.unwrap().success());
        assert!(self.child.wait().unwrap().success(), "{}", self.log());
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.child.kill().ok(); // it may have stopped already
        self.child.wait().ok();
    }
}

fn exchange<S: Read + Write>(stream: &mut S, request: &[u8]) -> String {
    stream.write_all(request).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok();
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn what_the_daemon_records_plays_as_it_happened() {
    let mut daemon = Daemon::new("replay-record");
    let form = "application/x-www-form-urlencoded";
    let down = |host: &str, text: &str| {
        format!(
            "HOSTNAME={host}&HOSTSTATE=DOWN&HOSTSTATETYPE=HARD&NOTIFICATIONTYPE=PROBLEM&HOSTOUTPUT={text}"
        )
    };
    let prometheus = |host: &str| {
        let alert = serde_json::json!([{
            "labels": {"alertname": "HighLatency", "instance": format!("{host}.example.net:9100"), "severity": "major"},
            "annotations": {"summary": format!("slow: {host}")},
        }]);
        alert.to_string()
    };
    daemon.post(
        "nagios",
        form,
        &down("srv1", "no+answer+%26+password%3Dhunter22"),
    );
    daemon.post(
        "nagios",
        form,
        &down("switch1", "no+answer+from+the+switch"),
    );
    daemon.post(
        "nagios",
        form,
        &down("switch1", "no+answer+from+the+switch"),
    );
    daemon.post(
        "nagios",
        form,
        &down("router1", "no+answer+from+the+router"),
    );
    daemon.post(
        "prometheus/api/v2/alerts",
        "application/json",
        &prometheus("web1"),
    );
    daemon.post(
        "prometheus/api/v2/alerts",
        "application/json",
        &prometheus("db1"),
    );
    daemon.post(
        "nagios",
        form,
        "HOSTNAME=elsewhere&SERVICEDESC=Fan&SERVICESTATE=CRITICAL&SERVICESTATETYPE=HARD&NOTIFICATIONTYPE=PROBLEM&SERVICEOUTPUT=stands+still+elsewhere",
    );
    let live = daemon.alerts();
    daemon.stop();
    assert_eq!(live.len(), 6, "{live:?}");

    let recording = daemon.folder.join("store/recording.ndjson");
    let text = std::fs::read_to_string(&recording).unwrap();
    assert_eq!(text.lines().count(), 7);
    assert!(
        !text.contains("hunter22") && text.contains("password"),
        "{text}"
    );
    let lines: Vec<Value> = text
        .lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect();
    let ids: Vec<&str> = lines.iter().map(|l| l["id"].as_str().unwrap()).collect();
    assert_eq!(lines[4]["tail"], "api/v2/alerts");

    let (bytes, summary) = predictions(
        &daemon.folder,
        &daemon.folder.join("correlated.toml"),
        &recording,
    );
    assert_eq!(summary["alerts"], 6);
    let told: Value = serde_json::from_slice(&bytes).unwrap();
    let incidents = told["incidents"].as_array().unwrap();
    let end_of = |event: &str| {
        let mut id = told["assign"][event].as_str().unwrap().to_owned();
        while let Some(into) = incidents
            .iter()
            .find(|i| i["id"] == *id)
            .and_then(|i| i["merged_into"].as_str())
        {
            id = into.to_owned();
        }
        id
    };
    // The alerts of the recording in the order of their texts, as the daemon lists them.
    let live_of = |text: &str| {
        let found = live.iter().find(|(t, _)| t.contains(text));
        found
            .unwrap_or_else(|| panic!("{text}: {live:?}"))
            .1
            .clone()
    };
    for (n, text) in [
        (0, "password"),
        (1, "the switch"),
        (2, "the switch"),
        (3, "the router"),
        (4, "slow: web1"),
        (5, "slow: db1"),
        (6, "elsewhere"),
    ] {
        assert_eq!(end_of(ids[n]), live_of(text), "{text}: {live:?}");
    }
    assert_eq!(live_of("the switch"), live_of("the router"));
    assert_ne!(live_of("the switch"), live_of("elsewhere"));

    // Its log leads to the state that it stopped with, and can be asked what else it might have been.
    let store = daemon.folder.join("store");
    let output = replay(&[&"--store", &store]);
    assert_eq!(output.status.code(), Some(0), "{}", out(&output));
    let against =
        |other: &str| replay(&[&"--store", &store, &"--against", &fixture(other), &"--json"]);
    let same = against("correlated.toml");
    assert_eq!(same.status.code(), Some(0), "{}", out(&same));
    // The graph of the log stays unless --config says that it is another.
    assert_eq!(against("other-cmdb.toml").status.code(), Some(0));
    let cmdb = replay(&[
        &"--config",
        &fixture("correlated.toml"),
        &"--store",
        &store,
        &"--against",
        &fixture("other-cmdb.toml"),
        &"--json",
    ]);
    assert_eq!(cmdb.status.code(), Some(3));
    let diff = json(&cmdb);
    assert!(!diff["split"].as_array().unwrap().is_empty(), "{diff:#}");
    assert_ne!(diff["agreement"], 1.0, "{diff:#}");
}

/// The fixture's configuration with more in it, in a folder with its CMDB.
fn configured(folder: &Folder, name: &str, more: &str) -> PathBuf {
    let text = std::fs::read_to_string(fixture("correlated.toml")).unwrap();
    std::fs::write(folder.join(name), format!("{text}\n{more}")).unwrap();
    std::fs::copy(fixture("cmdb.json"), folder.join("cmdb.json")).unwrap();
    folder.join(name)
}

#[test]
fn what_a_configuration_plans_is_planned_again_by_a_replay() {
    let folder = Folder::new("replay-planned");
    let recording = fixture("recording.ndjson");
    // Sundays from 07:50 in Copenhagen; the recording begins on a Sunday at 07:57 there.
    let window = "[[suppress.window]]\nname = \"core\"\ncis = [\"router1\"]\nzone = \"Europe/Copenhagen\"\n\
        weekdays = [\"sun\"]\ntime = \"07:50\"\nduration = \"8h\"\n";
    let planned = configured(&folder, "planned.toml", window);
    let (first, _) = predictions(&folder, &planned, &recording);
    let (again, _) = predictions(&folder, &planned, &recording);
    assert_eq!(first, again);
    let against = |own: &Path, other: &Path| {
        let output = replay(&[
            &"--config",
            &own,
            &"--recording",
            &recording,
            &"--against",
            &other,
            &"--json",
        ]);
        json(&output)
    };
    let diff = against(&fixture("correlated.toml"), &planned);
    let saved = diff["tickets_saved"].as_array().unwrap();
    assert_eq!(saved.len(), 1, "{diff:#}");
    assert_eq!(saved[0]["cause"], "router1", "{diff:#}");
    // On another day it keeps nothing back.
    let monday = configured(&folder, "monday.toml", &window.replace("sun", "mon"));
    assert_eq!(against(&fixture("correlated.toml"), &monday)["same"], true);

    // Outside the hours of service P3 and P4 wait, over the end of the recording.
    let hours = "[ticket]\ncalendar_p3 = \"office\"\ncalendar_p4 = \"office\"\n[[ticket.calendar]]\n\
        name = \"office\"\nzone = \"Europe/Copenhagen\"\n";
    let hours = configured(&folder, "hours.toml", hours);
    let diff = against(&fixture("correlated.toml"), &hours);
    assert!(
        !diff["tickets_saved"].as_array().unwrap().is_empty(),
        "{diff:#}"
    );
    let (first, _) = predictions(&folder, &hours, &recording);
    let (again, _) = predictions(&folder, &hours, &recording);
    assert_eq!(first, again);
}

#[test]
fn the_daemon_plans_ahead_once_and_takes_back() {
    let now = jiff::Timestamp::now();
    let begin = now
        .checked_sub(jiff::SignedDuration::from_hours(1))
        .unwrap();
    let begin = begin.strftime("%Y-%m-%dT%H:%M");
    let plan = format!(
        "[[suppress.window]]\nname = \"core\"\ncis = [\"router1\", \"db1\"]\nfrom = \"{begin}\"\nduration = \"3h\"\n\
         [ticket]\ncalendar_p4 = \"office\"\n[[ticket.calendar]]\nname = \"office\"\n"
    );
    let mut daemon = Daemon::configured("replay-plan", &plan);
    let store = daemon.folder.join("store");
    let written = |what: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_correlated"));
        let shown = command.args(["log", "show", "--store"]).arg(&store);
        let text = out(&shown.output().unwrap());
        text.lines().filter(|l| l.contains(what)).count()
    };
    assert_eq!(written("Maintenance(MaintenanceV1 { id: \"config/core/"), 2);
    assert_eq!(written("Hours(HoursV1 { name: \"office\""), 1);
    let reload = |daemon: &Daemon| {
        let mut stream = UnixStream::connect(daemon.folder.join("admin.sock")).unwrap();
        let request = "POST /v1/reload HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\
            Content-Type: application/json\r\nContent-Length: 0\r\n\r\n";
        let answer = exchange(&mut stream, request.as_bytes());
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    };
    // The same plan is no news.
    reload(&daemon);
    assert_eq!(written("Maintenance(MaintenanceV1"), 2);
    assert_eq!(written("Hours(HoursV1"), 1);
    daemon.post(
        "nagios",
        "application/x-www-form-urlencoded",
        "HOSTNAME=router1&HOSTSTATE=DOWN&HOSTSTATETYPE=HARD&NOTIFICATIONTYPE=PROBLEM&HOSTOUTPUT=gone",
    );
    // One CI less, and no calendar.
    let file = daemon.folder.join("correlated.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let less = text.replace("\"router1\", ", "");
    let less = less.split("[ticket]").next().unwrap();
    std::fs::write(&file, less).unwrap();
    reload(&daemon);
    assert_eq!(written("Maintenance(MaintenanceV1"), 3);
    assert_eq!(written("Hours(HoursV1 { name: \"office\", spans: []"), 1);
    daemon.stop();
    let log = daemon.log();
    assert!(log.contains("is taken back"), "{log}");
    let recording = std::fs::read_to_string(store.join("recording.ndjson")).unwrap();
    assert_eq!(recording.lines().count(), 1, "{recording}");
    let output = replay(&[&"--store", &store]);
    assert_eq!(output.status.code(), Some(0), "{}", out(&output));
}
