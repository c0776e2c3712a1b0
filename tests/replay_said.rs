//! What `correlated replay` says of a tape that is not as it should be, and of outputs that cannot be written.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at what it does not expect"
)]

mod played;

use correlated::daemon::recorder::{Recorder, Taken};
use correlated::model::Millis;
use correlated::redact::Redaction;
use played::{Folder, down, err, fixture, json, out};
use serde_json::Value;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output};

/// Plays a recording with the configuration of the fixtures.
fn replay(recording: &Path, more: &[&str]) -> Output {
    let config = fixture("correlated.toml");
    let mut arguments: Vec<&dyn AsRef<std::ffi::OsStr>> =
        vec![&"--config", &config, &"--recording", &recording];
    for argument in more {
        arguments.push(argument);
    }
    played::replay(&arguments)
}

#[test]
fn the_recorder_glues_nothing_to_a_torn_line() {
    let folder = Folder::new("said-recorder");
    let file = folder.lines("recording.ndjson", &[&down("2026-11-22T07:00:00Z", "srv1")]);
    let whole = std::fs::metadata(&file).unwrap().len();
    let append = |text: &str| {
        let mut options = std::fs::OpenOptions::new();
        let mut opened = options.append(true).open(&file).unwrap();
        opened.write_all(text.as_bytes()).unwrap();
    };
    let body = |recorder: &Recorder, at| {
        let taken = Taken {
            source: "nagios",
            tail: "",
            content_type: "text/plain",
            bytes: b"x",
            at: Millis(at),
        };
        recorder.body(&Redaction::default(), &taken);
    };
    let ids = || -> Vec<Value> {
        let text = std::fs::read_to_string(&file).unwrap();
        let line = |line: &str| serde_json::from_str::<Value>(line).unwrap()["id"].clone();
        text.lines().map(line).collect()
    };
    // A process was stopped, with more written than the recorder looks at in one piece.
    append(&format!("{{\"at\":\"{}", "x".repeat(200_000)));
    let recorder = Recorder::new(&folder.0, 1_000_000);
    body(&recorder, 1);
    assert_eq!(ids(), ["srv1", "1-1"]);
    // Somebody cut the file off while it was open.
    let opened = std::fs::OpenOptions::new().write(true).open(&file).unwrap();
    opened.set_len(whole + 5).unwrap();
    body(&recorder, 2);
    assert_eq!(ids(), ["srv1", "2-2"]);
    // Nothing but the end of the line is missing.
    append("{\"id\":\"kept\"}");
    body(&Recorder::new(&folder.0, 1_000_000), 3);
    assert_eq!(ids(), ["srv1", "2-2", "kept", "3-1"]);
}

#[test]
fn a_torn_last_line_is_left_out_and_a_bad_one_before_is_named_once() {
    let folder = Folder::new("said-torn");
    let (first, torn) = (down("2026-11-22T07:00:00Z", "srv1"), "{\"at\":\"2026-1");
    let file = folder.lines("torn.ndjson", &[&first]);
    for cut in [torn.as_bytes(), b"{\"at\":\"\xc3", b"\0\0\0"] {
        std::fs::write(&file, [first.as_bytes(), b"\n", cut].concat()).unwrap();
        let output = replay(&file, &["--json"]);
        assert!(output.status.success(), "{}", err(&output));
        let summary = json(&output);
        assert_eq!(summary["events"], 1);
        let warning = summary["warnings"][0].as_str().unwrap();
        let place = format!("{}:2: the last line ends too early", file.display());
        assert!(warning.starts_with(&place), "{warning}");
        let text = out(&replay(&file, &[]));
        assert!(text.contains(&format!("warning: {place}")), "{text}");
    }
    let file = folder.lines("middle.ndjson", &[&first, torn, &first]);
    let output = replay(&file, &[]);
    assert_eq!(output.status.code(), Some(1));
    let place = format!("{}:2:13: EOF while parsing a string\n", file.display());
    assert_eq!(err(&output), place);
}

#[test]
fn time_that_goes_back_is_said() {
    let folder = Folder::new("said-back");
    let lines = [
        down("2026-11-22T07:00:00Z", "switch1"),
        // Bodies that come together.
        down("2026-11-22T06:59:30Z", "router1"),
        // Its clock is wrong; all that follows happens at one moment.
        down("2026-11-22T10:00:30Z", "db1"),
        down("2026-11-22T07:05:00Z", "srv1"),
        down("2026-11-22T07:10:00Z", "web1"),
    ];
    let lines = lines.each_ref().map(String::as_str);
    let file = folder.lines("back.ndjson", &lines);
    let warning = format!(
        "{}:4: its time is 2h 55m 30s before the line before it; 1 line is so; time stands still until it is reached again, for 2 lines",
        file.display()
    );
    let output = replay(&file, &[]);
    assert!(output.status.success(), "{}", err(&output));
    let text = out(&output);
    assert!(text.contains(&format!("\nwarning: {warning}\n")), "{text}");
    let told = json(&replay(&file, &["--json"]));
    assert_eq!(told["warnings"], serde_json::json!([warning]));
    let good = folder.lines("good.ndjson", &lines[..3]);
    let told = json(&replay(&good, &["--json"]));
    assert_eq!(told["warnings"], serde_json::json!([]));
}

/// The configuration of the fixtures with another text in the place of one of its own.
fn configured(folder: &Folder, name: &str, from: &str, to: &str) -> String {
    let text = std::fs::read_to_string(fixture("correlated.toml")).unwrap();
    assert!(text.contains(from));
    let file = folder.0.join(name);
    std::fs::write(&file, text.replace(from, to)).unwrap();
    std::fs::copy(fixture("cmdb.json"), folder.0.join("cmdb.json")).unwrap();
    file.to_str().unwrap().to_owned()
}

#[test]
fn tickets_that_come_later_or_to_others_are_a_difference() {
    let folder = Folder::new("said-against");
    let down = down("2026-11-22T07:00:00Z", "srv1");
    let recording = folder.lines("recording.ndjson", &[&down]);
    let lag = "arrival_lag = \"0s\"";
    let slow = format!("{lag}\nhold_p3 = \"8m\"");
    let slow = configured(&folder, "slow.toml", lag, &slow);
    let output = replay(&recording, &["--against", &slow]);
    assert_eq!(output.status.code(), Some(3), "{}", err(&output));
    let text = out(&output);
    assert!(text.contains("\ntickets later: 1, earlier: 0\n"), "{text}");
    let group = format!("{lag}\n[ticket]\ndefault_group = \"night\"");
    let group = configured(&folder, "group.toml", lag, &group);
    let output = replay(&recording, &["--against", &group, "--json"]);
    assert_eq!(output.status.code(), Some(3), "{}", err(&output));
    let diff = json(&output);
    assert_eq!(diff["tickets"]["other_group"], 1, "{diff:#}");
    assert_eq!(diff["tickets"]["later"], 0, "{diff:#}");
    assert_eq!(diff["agreement"], 1.0, "{diff:#}");
    // Nothing is as good as nothing, and says nothing.
    let nothing = folder.lines("nothing.ndjson", &[]);
    let output = replay(&nothing, &["--against", &group]);
    assert_eq!(output.status.code(), Some(1), "{}", out(&output));
    let why = "no event was played on either side";
    assert!(err(&output).starts_with(why), "{}", err(&output));
}

#[test]
fn output_that_is_lost_is_an_error() {
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full");
    let mut command = Command::new(env!("CARGO_BIN_EXE_correlated"));
    command.args(["check", "--reference"]).stdout(full.unwrap());
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        err(&output).starts_with("standard output: "),
        "{}",
        err(&output)
    );
    // A reader that has enough is none.
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = Command::new(env!("CARGO_BIN_EXE_correlated"));
    command.args(["check", "--reference"]).stdout(writer);
    let output = command.output().unwrap();
    assert!(
        output.status.success() && output.stderr.is_empty(),
        "{output:?}"
    );
}

#[test]
fn predictions_never_overwrite_what_is_read() {
    let folder = Folder::new("said-predictions");
    let line = down("2026-11-22T07:00:00Z", "srv1");
    let recording = folder.lines("recording.ndjson", &[&line]);
    let linked = folder.0.join("linked");
    std::fs::hard_link(&recording, &linked).unwrap();
    for file in [&recording, &linked] {
        let output = replay(&recording, &["--predictions", file.to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(1));
        assert!(
            err(&output).contains("would overwrite it"),
            "{}",
            err(&output)
        );
        let text = std::fs::read_to_string(&recording).unwrap();
        assert_eq!(text, format!("{line}\n"));
    }
    // What cannot be written is said before the tape is read, which is wrong too here.
    let bad = folder.lines("bad.ndjson", &["{}"]);
    let nowhere = folder.0.join("none/predictions.json");
    let output = replay(&bad, &["--predictions", nowhere.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    let place = format!("{}: ", nowhere.display());
    assert!(err(&output).starts_with(&place), "{}", err(&output));
    // Nothing came of it: what was there stays, and nothing new is left.
    let kept = folder.lines("kept.json", &["before"]);
    for (file, text) in [
        (&kept, Some("before\n")),
        (&folder.0.join("new.json"), None),
    ] {
        let output = replay(&bad, &["--predictions", file.to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(1));
        assert_eq!(std::fs::read_to_string(file).ok().as_deref(), text);
    }
    let output = replay(&recording, &["--predictions", kept.to_str().unwrap()]);
    assert!(output.status.success(), "{}", err(&output));
    let text = std::fs::read_to_string(&kept).unwrap();
    assert!(text.starts_with('{') && text.ends_with("}\n"), "{text}");
}

#[test]
fn windows_and_changes_that_count_for_nothing_are_said() {
    let folder = Folder::new("said-windows");
    let window = |id: &str, ci: &str, to: &str| {
        let (at, from) = ("2026-11-22T07:00:00Z", "2026-11-22T08:00:00Z");
        serde_json::json!({"at": at, "maintenance": {"id": id, "ci": ci, "from": from, "to": to}})
            .to_string()
    };
    let change = r#"{"at": "2026-11-22T07:00:00Z", "change": {"id": "C", "ci": "srv9"}}"#;
    let lines = [
        &down("2026-11-22T07:00:00Z", "srv1"),
        // By its alias, and taken back.
        &window("M1", "db1.example.net", "2026-11-22T09:00:00Z"),
        &window("M2", "srv9", "2026-11-22T08:00:00Z"),
        "",
        &window("M3", "srv9", "2026-11-22T09:00:00Z"),
        &window("M4", "srv1", "2026-11-22T07:00:00Z"),
        change,
    ];
    let file = folder.lines("recording.ndjson", &lines);
    let said = |n: u64, text: &str| format!("{}:{n}: {text}", file.display());
    let expected = [
        said(
            5,
            "maintenance \"M3\": no CI is called \"srv9\": it counts for nothing",
        ),
        said(
            6,
            "maintenance \"M4\" ends before it begins: it covers nothing",
        ),
        said(
            7,
            "change \"C\": no CI is called \"srv9\": it counts for nothing",
        ),
    ];
    let told = json(&replay(&file, &["--json"]));
    assert_eq!(told["warnings"], serde_json::json!(expected));
    // Two plays of one tape say it once.
    let own = fixture("correlated.toml");
    let text = out(&replay(&file, &["--against", own.to_str().unwrap()]));
    assert!(
        text.ends_with(&format!("warning: {}\n", expected.join("\nwarning: "))),
        "{text}"
    );
}

#[test]
fn bodies_that_are_refused_or_told_apart_by_nothing_are_said() {
    let folder = Folder::new("said-refused");
    let host = down("2026-11-22T07:00:00Z", "srv1");
    let bad = |at: &str, body: &str| {
        let form = "application/x-www-form-urlencoded";
        serde_json::json!({"at": at, "source": "nagios", "content_type": form, "body": body})
            .to_string()
    };
    let lines = [
        host.clone(),
        bad("2026-11-22T07:00:01Z", "HOSTNAME=srv2"),
        String::new(),
        down("2026-11-22T07:00:02Z", "srv1"),
        bad("2026-11-22T07:00:03Z", "nothing"),
    ];
    let lines = lines.each_ref().map(String::as_str);
    let file = folder.lines("recording.ndjson", &lines);
    let shown = file.display();
    let told = json(&replay(&file, &["--json"]));
    assert_eq!(told["refused"], 2, "{told:#}");
    let warnings = told["warnings"].as_array().unwrap();
    assert_eq!(
        warnings[0],
        format!(
            "{shown}:4: its id \"srv1\" is that of line 1 too, and what became of the two is told as one; 1 line is so; give each line an id of its own, or none"
        )
    );
    let refused = warnings[1].as_str().unwrap();
    assert!(
        refused.starts_with(&format!("{shown}:2: "))
            && refused.ends_with(": refused (the first of 2)"),
        "{refused}"
    );
    assert_eq!(warnings.len(), 2, "{told:#}");
    // Where all was refused and there is nothing to compare, the reason is no secret either.
    let only = folder.lines("only.ndjson", &lines[1..2]);
    let own = fixture("correlated.toml");
    let output = replay(&only, &["--against", own.to_str().unwrap()]);
    let begin = format!("\nwarning: {}:1: ", only.display());
    assert!(err(&output).contains(&begin), "{}", err(&output));
    // A source that is not there is named with its line.
    let other = host.replace("\"source\":\"nagios\"", "\"source\":\"nagois\"");
    let other = folder.lines("other.ndjson", &[&host, &other]);
    let output = replay(&other, &[]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        err(&output),
        format!(
            "{}:2: there is no [[source]] \"nagois\" in the configuration, which has nagios, prometheus; add it, or take its lines out of the recording\n",
            other.display()
        )
    );
}

#[test]
fn tickets_of_incidents_that_were_merged_later_add_up() {
    let folder = Folder::new("said-merged-later");
    let tells = |at: &str, host: &str, what: &str, state: &str| {
        let kind = if state == "OK" { "RECOVERY" } else { "PROBLEM" };
        let body = format!(
            "HOSTNAME={host}&SERVICEDESC={what}&SERVICESTATE={state}&SERVICESTATETYPE=HARD&NOTIFICATIONTYPE={kind}&SERVICEOUTPUT=x"
        );
        let form = "application/x-www-form-urlencoded";
        serde_json::json!({"at": at, "source": "nagios", "content_type": form, "body": body})
            .to_string()
    };
    // A warning explains no outage of what needs it: each has a ticket, until they end together.
    let lines = [
        tells("2026-11-22T07:00:00Z", "db1", "Load", "WARNING"),
        tells("2026-11-22T07:02:00Z", "web1", "Http", "CRITICAL"),
        tells("2026-11-22T07:32:00Z", "db1", "Load", "OK"),
        tells("2026-11-22T07:32:20Z", "web1", "Http", "OK"),
    ];
    let recording = folder.lines("recording.ndjson", &lines.each_ref().map(String::as_str));
    let lag = "arrival_lag = \"0s\"";
    let slow =
        format!("{lag}\nhold_p1 = \"1h\"\nhold_p2 = \"1h\"\nhold_p3 = \"1h\"\nhold_p4 = \"1h\"");
    let slow = configured(&folder, "slow.toml", lag, &slow);
    let output = replay(&recording, &["--against", &slow]);
    assert_eq!(output.status.code(), Some(3), "{}", err(&output));
    let text = out(&output);
    let tickets = "\ntickets    2 before, 0 after: 1 saved, 0 added, 1 fewer of incidents that were merged later\n";
    assert!(text.contains(tickets), "{text}");
    let diff = json(&replay(&recording, &["--against", &slow, "--json"]));
    let merged = serde_json::json!({"before": 1, "after": 0});
    assert_eq!(diff["tickets"]["merged"], merged, "{diff:#}");
}

/// A disk that is full in the middle of a line: what is there of it goes, and the next line is whole.
#[test]
fn a_line_that_was_written_by_half_is_cut_off() {
    const CHILD: &str = "CORRELATED_TEST_RECORDER";
    let body = |recorder: &Recorder, at, bytes: &[u8]| {
        let taken = Taken {
            source: "nagios",
            tail: "",
            content_type: "text/plain",
            bytes,
            at: Millis(at),
        };
        recorder.body(&Redaction::default(), &taken);
    };
    if let Some(folder) = std::env::var_os(CHILD) {
        let recorder = Recorder::new(Path::new(&folder), 1_000_000);
        body(&recorder, 1, b"first");
        body(&recorder, 2, &[b'x'; 100_000]);
        let text = std::fs::read_to_string(Path::new(&folder).join("recording.ndjson")).unwrap();
        assert_eq!(text.lines().count(), 1, "{} bytes", text.len());
        assert!(text.ends_with("}\n"), "{text}");
        return body(&recorder, 3, b"third");
    }
    let folder = Folder::new("said-half");
    // No file of this process may be larger than 32 KiB; a write beyond that is done in part, and then refused.
    let limited = "trap '' XFSZ; ulimit -f 64; exec \"$0\" --exact a_line_that_was_written_by_half_is_cut_off";
    let output = std::process::Command::new("sh")
        .args(["-c", limited])
        .arg(std::env::current_exe().unwrap())
        .env(CHILD, &folder.0)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}{}", out(&output), err(&output));
    let text = std::fs::read_to_string(folder.join("recording.ndjson")).unwrap();
    let ids: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["id"].clone())
        .collect();
    assert_eq!(ids, ["1-1", "3-3"]);
}
