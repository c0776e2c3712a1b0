//! The command line, as a person uses it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at what it does not expect"
)]

use std::path::Path;
use std::process::{Command, Output};

fn correlated(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_correlated"))
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn check_says_what_is_good_and_everything_that_is_wrong() {
    let good = correlated(&["check", "config/correlated.toml"]);
    assert!(good.status.success(), "{}", err(&good));
    assert!(
        out(&good).contains("59 CIs, 96 relations, 0 findings"),
        "{}",
        out(&good)
    );
    let bad = correlated(&["check", "tests/fixtures/config/many.toml"]);
    assert!(!bad.status.success());
    assert!(err(&bad).lines().count() > 20, "{}", err(&bad));
    assert!(
        err(&bad).contains("tests/fixtures/config/many.toml:13:8: source #1.kind:"),
        "{}",
        err(&bad)
    );
    let folder = std::env::temp_dir().join(format!("correlated-test-check-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let sample = std::fs::read_to_string("config/correlated.toml").unwrap();
    let window = "[[suppress.window]]\nname = \"w\"\ncis = [\"srv-web-01\", \"srv-wbe-02\"]\n\
        from = \"2026-11-28T22:00\"\nduration = \"1h\"\n";
    std::fs::write(folder.join("c.toml"), format!("{sample}\n{window}")).unwrap();
    std::fs::copy("config/cmdb.sample.json", folder.join("cmdb.sample.json")).unwrap();
    let odd = correlated(&["check", folder.join("c.toml").to_str().unwrap()]);
    std::fs::remove_dir_all(&folder).unwrap();
    let says = "window \"w\": no CI is called \"srv-wbe-02\"";
    assert!(out(&odd).contains(says), "{}{}", out(&odd), err(&odd));
    assert!(!out(&odd).contains("srv-web-01"), "{}", out(&odd));
    let none = correlated(&["check", "no/such/file.toml"]);
    assert!(err(&none).contains("no/such/file.toml"), "{}", err(&none));
}

#[test]
fn the_demo_tells_the_story_and_leaves_nothing_behind() {
    // A temporary folder of our own: others may run the demo at the same time.
    let temporary =
        std::env::temp_dir().join(format!("correlated-test-demo-{}", std::process::id()));
    std::fs::create_dir_all(&temporary).unwrap();
    for language in ["en", "da"] {
        let demo = Command::new(env!("CARGO_BIN_EXE_correlated"))
            .args(["demo", "--language", language])
            .env("TMPDIR", &temporary)
            .output()
            .unwrap();
        let text = out(&demo);
        assert!(demo.status.success(), "{text}{}", err(&demo));
        for part in [
            "sw-cph1-a07",
            "became 2 tickets",
            "Payroll (gold), Webshop (gold), Intranet (silver)",
            "STILL OPEN",
            "srv-bi-01",
        ] {
            assert!(text.contains(part), "{part:?} is not in:\n{text}");
        }
        let started = text.matches("LAST NOTE").count();
        assert_eq!(started, 1, "{text}");
    }
    let left = std::fs::read_dir(&temporary).unwrap().count();
    std::fs::remove_dir_all(&temporary).unwrap();
    assert_eq!(left, 0);
}

#[test]
fn without_a_daemon_the_error_names_the_socket() {
    let asked = correlated(&["incidents", "--admin", "/nonexistent/admin.sock"]);
    assert!(!asked.status.success());
    assert!(
        err(&asked).contains("/nonexistent/admin.sock"),
        "{}",
        err(&asked)
    );
}

#[test]
fn log_and_backup_work_on_a_store() {
    use correlated::model::{Millis, Seq};
    use correlated::record::{Record, RulesV1, encode_entry};
    use correlated::store::Store;
    use correlated::store::sqlite::{Options, SqliteStore};
    let folder = std::env::temp_dir().join(format!("correlated-cli-{}", std::process::id()));
    let store = folder.to_str().unwrap();
    let mut open = SqliteStore::new(Options::new(Path::new(store))).unwrap();
    let epoch = open.open().unwrap().epoch;
    let entry = encode_entry(
        1,
        &[Record::Rules(RulesV1 { text: "{}".into() }), Record::Tick],
    )
    .unwrap();
    open.append(Seq(1), epoch, Millis(1_795_310_047_000), &entry)
        .unwrap();
    open.append(Seq(2), epoch, Millis(1_795_310_048_000), b"damaged")
        .unwrap();
    let shown = correlated(&["log", "show", "--store", store]);
    let text = out(&shown);
    assert!(
        text.contains("1 2026-11-22T01:14:07.000Z Rules, 2 bytes"),
        "{text}"
    );
    assert!(
        text.contains("2 2026-11-22T01:14:08.000Z cannot be read: 7 bytes"),
        "{text}"
    );
    let copy = folder.join("copy.db");
    let made = correlated(&["backup", copy.to_str().unwrap(), "--store", store]);
    assert!(made.status.success(), "{}", err(&made));
    let again = correlated(&["backup", copy.to_str().unwrap(), "--store", store]);
    assert!(err(&again).contains("exists already"), "{}", err(&again));
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn the_shadow_report_and_the_upgrade_check_read_a_store_that_a_daemon_left() {
    use correlated::model::{EventState, Labels, Millis};
    use correlated::node::Node;
    use correlated::record::{EventsV1, Record, RulesV1};
    use correlated::store::Store as _;
    use correlated::store::sqlite::{Options, SqliteStore};
    let folder = std::env::temp_dir().join(format!("correlated-report-{}", std::process::id()));
    std::fs::remove_dir_all(&folder).ok();
    std::fs::create_dir_all(&folder).unwrap();
    let store = SqliteStore::new(Options::new(&folder)).unwrap();
    let (mut node, _) = Node::recover(store).unwrap();
    let wall = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap();
    let begin = i64::try_from(wall.as_millis()).unwrap() - 7_200_000;
    let at = |minutes: i64| Millis(begin + minutes * 60_000);
    node.start(at(0), None).unwrap();
    let text = std::fs::read_to_string("config/correlated.toml").unwrap();
    let rules = correlated::config::load(&text, "config").unwrap().rules;
    let mut rules_text = rules.clone();
    rules_text.correlate.wait_for_graph = Millis(0);
    rules_text.correlate.arrival_lag = Millis(0);
    node.commit(
        at(0),
        &[Record::Rules(RulesV1 {
            text: rules_text.canonical(),
        })],
    )
    .unwrap();
    let mut say = |source: &str, minutes: i64, state: EventState, service: &str| {
        let labels: Labels = [("host", "db1"), ("service", service)]
            .into_iter()
            .collect();
        let event = correlated::model::Event {
            state,
            labels,
            annotations: Labels::new(),
            severity_word: "critical".into(),
            episode: at(minutes).0,
            closes: at(minutes).0 - 1,
            starts_at: Some(at(minutes)),
            valid_until: None,
            sender: String::new(),
            link: String::new(),
        };
        let events = EventsV1 {
            source: source.into(),
            scope: source.into(),
            received_at: at(minutes),
            events: vec![event],
        };
        let effects = node.commit(at(minutes), &[Record::Events(events)]).unwrap();
        node.store().history(&effects.history).unwrap();
    };
    for service in ["disk", "load", "ping", "http"] {
        say("nagios", 1, EventState::Firing, service);
    }
    for service in ["disk", "load", "ping"] {
        say("nagios", 20, EventState::Resolved, service);
    }
    say("old-zabbix", 5, EventState::Firing, "x");
    drop(node);
    let store = folder.to_str().unwrap();
    let report = correlated(&[
        "report", "shadow", "--days", "1", "--store", store, "--json",
    ]);
    assert!(report.status.success(), "{}", err(&report));
    let json: serde_json::Value = serde_json::from_str(&out(&report)).unwrap();
    assert_eq!(json["firings"]["nagios"], 3, "{json}");
    assert_eq!(json["unbound"]["nagios"], 3, "{json}");
    assert_eq!(
        (&json["tickets"], &json["tickets_avoided"]),
        (&1.into(), &4.into()),
        "{json}"
    );
    let report = correlated(&["report", "shadow", "--days", "1", "--store", store]);
    let text = out(&report);
    assert!(
        text.contains("1 instead of 5, 4 avoided") && text.contains("UNBOUND"),
        "{text}"
    );
    let upgrade = correlated(&["check", "config/correlated.toml", "--upgrade-from", store]);
    let text = out(&upgrade);
    assert!(!upgrade.status.success(), "{text}");
    assert!(text.contains("entries replayed; 2 live alerts"), "{text}");
    assert!(
        text.contains("source \"old-zabbix\" has 1 live alerts and is not in the configuration"),
        "{text}"
    );
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn completions_and_manual_pages_know_every_command() {
    for shell in ["bash", "zsh", "fish"] {
        let script = out(&correlated(&["completions", shell]));
        assert!(
            script.contains("incidents") && script.contains("upgrade-from"),
            "{shell}"
        );
    }
    let page = out(&correlated(&["man"]));
    assert!(
        page.starts_with(".ie") && page.contains("correlated\\-explain(1)"),
        "{page}"
    );
    // A folder that is not there yet is made.
    let folder = std::env::temp_dir().join(format!("correlated-man-{}", std::process::id()));
    out(&correlated(&["man", "--dir", folder.to_str().unwrap()]));
    assert!(folder.join("correlated-explain.1").is_file());
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn a_credential_of_systemd_is_read_where_it_lies() {
    let folder =
        std::env::temp_dir().join(format!("correlated-credentials-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let config = folder.join("c.toml");
    let text = "[[source]]\nname = \"n\"\nkind = \"nagios\"\n[[itsm]]\nname = \"rt\"\nkind = \"rt\"\nurl = \"https://rt.example.net/REST/2.0\"\ntoken = \"credential:rt-token\"\nqueue = \"q\"\naccount = \"a\"\n";
    std::fs::write(&config, text).unwrap();
    let check = |credentials: Option<&std::path::Path>| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_correlated"));
        command
            .arg("check")
            .arg(&config)
            .env_remove("CREDENTIALS_DIRECTORY");
        if let Some(folder) = credentials {
            command.env("CREDENTIALS_DIRECTORY", folder);
        }
        out(&command.output().unwrap())
    };
    assert!(check(None).contains("secret cannot be read here: credential rt-token"));
    std::fs::write(folder.join("rt-token"), "secret-of-rt\n").unwrap();
    let with = check(Some(&folder));
    assert!(
        with.contains("itsm rt: kind rt, mode live") && !with.contains("secret"),
        "{with}"
    );
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn check_looks_names_of_windows_up_as_the_engine_does() {
    let folder =
        std::env::temp_dir().join(format!("correlated-test-windows-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let cmdb = r#"{"cis": [
        {"id": "S1", "name": "srv1", "class": "server", "aliases": ["mail"]},
        {"id": "S99", "name": "srv1", "class": "server"}
    ]}"#;
    std::fs::write(folder.join("cmdb.json"), cmdb).unwrap();
    let config = r#"
[[source]]
name = "nagios"
kind = "nagios"
[[cmdb]]
name = "file"
kind = "file"
path = "cmdb.json"
[[suppress.window]]
name = "weekly"
cis = ["mail", "S1", "srv1", "gone"]
weekdays = ["sun"]
time = "02:00"
duration = "1h"
[[suppress.window]]
name = "once"
cis = ["S1"]
from = "2001-01-01T00:00"
duration = "1h"
[[suppress.window]]
name = "empty"
cis = []
weekdays = []
time = "02:00"
duration = "1h"
[[suppress.window]]
name = "brief"
cis = ["S1"]
weekdays = ["sun"]
time = "02:00"
duration = "0s"
[ticket]
calendar_p4 = "none"
[[ticket.calendar]]
name = "none"
weekdays = []
"#;
    std::fs::write(folder.join("c.toml"), config).unwrap();
    let checked = correlated(&["check", folder.join("c.toml").to_str().unwrap()]);
    std::fs::remove_dir_all(&folder).unwrap();
    let text = out(&checked);
    assert!(checked.status.success(), "{text}{}", err(&checked));
    for line in [
        "window \"weekly\": \"srv1\" means several CIs (S1, S99): it covers nothing\n",
        "window \"weekly\": no CI is called \"gone\": it covers nothing\n",
        "c.toml:18:1: suppress.window #2.from: window \"once\" covers nothing: it is over\n",
        "suppress.window #3.cis: window \"empty\" covers nothing: it names no CI\n",
        "suppress.window #4.duration: window \"brief\" covers nothing: it lasts no time\n",
        "ticket.calendar #1.weekdays: calendar \"none\" does nothing: it names no day, so nothing waits for its hours\n",
        "cmdb file: 2 CIs, 0 relations, 1 finding\n",
        "suppress.window #3.weekdays: window \"empty\" covers nothing: it names no day\n",
    ] {
        assert!(text.contains(line), "{line}{text}");
    }
    assert_eq!(text.matches("window \"weekly\"").count(), 2, "{text}");
}

#[test]
fn a_configuration_that_is_no_plain_text_is_named_with_its_place() {
    let name = format!("correlated-test-text-{}", std::process::id());
    let folder = std::env::temp_dir().join(name);
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("c.toml");
    let check = |bytes: &[u8]| {
        std::fs::write(&file, bytes).unwrap();
        let output = correlated(&["check", file.to_str().unwrap()]);
        format!("{}{}", out(&output), err(&output))
    };
    let good = "[[source]]\nname = \"nagios\"\nkind = \"nagios\"\n";
    let shown = file.display();
    // A mark at the begin is what editors on Windows write; it changes no place.
    let marked = check(format!("\u{feff}{good}").as_bytes());
    assert!(marked.starts_with(&format!("{shown}: good\n")), "{marked}");
    let marked = check("\u{feff}lisen = 1\n".as_bytes());
    assert!(
        marked.contains(&format!("{shown}:1:1: lisen: unknown section")),
        "{marked}"
    );
    let latin = [good.as_bytes(), b"# \xc3\xb8l og r\xf8d gr\xf8d\n"].concat();
    let why = "the file is no UTF-8 from here on; save it as UTF-8";
    assert_eq!(check(&latin), format!("{shown}:4:10: {why}\n"));
    let wide: Vec<u8> = good.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let why = "the file is UTF-16; save it as UTF-8";
    assert_eq!(
        check(&[b"\xff\xfe", &wide[..]].concat()),
        format!("{shown}:1:1: {why}\n")
    );
    std::fs::remove_dir_all(&folder).unwrap();
}
