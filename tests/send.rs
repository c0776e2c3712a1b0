//! `correlated send`: the real program, against a peer that answers as it is told, and against the real daemon.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at what it does not expect"
)]

mod ports;

use correlated::model::{Event, Millis};
use correlated::source::{self, Body, Decoded, SourceSettings};
use ports::free_port;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The longest wait for anything.
const WAIT: Duration = Duration::from_secs(60);

/// A folder of the test's own, gone with it.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path =
            std::env::temp_dir().join(format!("correlated-send-{name}-{}", std::process::id()));
        std::fs::remove_dir_all(&path).ok();
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn spool(&self) -> PathBuf {
        self.path("spool")
    }

    /// What waits, oldest first.
    fn waiting(&self) -> Vec<Value> {
        jsons(&self.spool())
    }

    fn refused(&self) -> Vec<Value> {
        jsons(&self.spool().join("refused"))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            std::fs::remove_dir_all(&self.0).ok();
        }
    }
}

fn names_of(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    let names = entries.map(|e| e.unwrap().file_name().into_string().unwrap());
    names.collect()
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = names_of(folder)
        .into_iter()
        .filter(|n| n.ends_with(".json") && !n.starts_with('.'))
        .collect();
    names.sort();
    names
}

fn jsons(folder: &Path) -> Vec<Value> {
    let read = |name: &String| std::fs::read(folder.join(name)).unwrap();
    names(folder)
        .iter()
        .map(|n| serde_json::from_slice(&read(n)).unwrap())
        .collect()
}

fn command(folder: &Folder, url: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_correlated"));
    command
        .env_clear()
        .args(["send", "--url", url, "--spool"])
        .arg(folder.spool())
        .stdin(Stdio::null());
    command
}

fn send(folder: &Folder, url: &str, arguments: &[&str]) -> Output {
    command(folder, url).args(arguments).output().unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[track_caller]
fn ends(output: &Output, code: i32, says: &str) {
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), err(output));
    assert_eq!(output.status.code(), Some(code), "{said}");
    assert!(said.contains(says), "{says:?} is not in: {said}");
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    since.as_secs()
}

/// A request as the peer saw it.
#[derive(Clone, Debug)]
struct Seen {
    head: String,
    body: Value,
}

/// A peer that gives the answers it was told, the last one again and again.
struct Peer {
    url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Peer {
    fn new(answers: &[(u16, &str)]) -> Peer {
        Peer::on("127.0.0.1:0", answers)
    }

    fn on(address: &str, answers: &[(u16, &str)]) -> Peer {
        let listener = TcpListener::bind(address).unwrap();
        let url = format!("http://{}/v1/events/nagios", listener.local_addr().unwrap());
        let answers: Vec<(u16, String)> =
            answers.iter().map(|(s, t)| (*s, (*t).to_owned())).collect();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let kept = seen.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let Some(request) = read_request(&mut stream) else {
                    continue;
                };
                let n = {
                    let mut kept = kept.lock().unwrap();
                    kept.push(request);
                    kept.len() - 1
                };
                let (status, text) = answers.get(n).or(answers.last()).unwrap();
                let answer = format!(
                    "HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n{text}",
                    text.len()
                );
                stream.write_all(answer.as_bytes()).ok();
            }
        });
        Peer { url, seen }
    }

    fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

fn read_request(stream: &mut TcpStream) -> Option<Seen> {
    let mut bytes = Vec::new();
    let mut part = [0; 65536];
    loop {
        if let Some(at) = bytes.windows(4).position(|w| w == b"\r\n\r\n") {
            let head = String::from_utf8(bytes[..at].to_vec()).unwrap();
            let length = head
                .lines()
                .find_map(|l| l.strip_prefix("Content-Length: "));
            let length: usize = length.unwrap().parse().unwrap();
            if bytes.len() >= at + 4 + length {
                let body = serde_json::from_slice(&bytes[at + 4..]).unwrap();
                return Some(Seen { head, body });
            }
        }
        match stream.read(&mut part).unwrap_or(0) {
            0 => return None,
            read => bytes.extend_from_slice(&part[..read]),
        }
    }
}

const TAKEN: (u16, &str) = (200, "{\"accepted\":1,\"repeated\":0,\"rejected\":[]}");
const MANY: (u16, &str) = (200, "{\"accepted\":100000,\"repeated\":0,\"rejected\":[]}");
/// Nobody listens on port 1.
const NOBODY: &str = "http://127.0.0.1:1/v1/events/nagios";

fn host(name: &str, state: &str, at: u64) -> Vec<String> {
    let kind = if state == "UP" { "RECOVERY" } else { "PROBLEM" };
    vec![
        format!("NOTIFICATIONTYPE={kind}"),
        format!("HOSTNAME={name}"),
        format!("HOSTSTATE={state}"),
        "HOSTSTATETYPE=HARD".to_owned(),
        "HOSTOUTPUT=PING".to_owned(),
        format!("LASTHOSTSTATECHANGE={at}"),
        format!("TIMET={at}"),
    ]
}

fn send_host(folder: &Folder, url: &str, name: &str, state: &str, at: u64) -> Output {
    let arguments = host(name, state, at);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    send(folder, url, &arguments)
}

fn fields(values: &[Value], name: &str) -> Vec<String> {
    let text = |v: &Value| v[name].as_str().unwrap_or_default().to_owned();
    values.iter().map(text).collect()
}

#[test]
fn arguments_become_macros_and_nothing_else_is_sent() {
    let folder = Folder::new("arguments");
    let peer = Peer::new(&[TAKEN]);
    std::fs::write(folder.path("token"), "s3cret\n").unwrap();
    let token = folder.path("token");
    let before = now();
    let sent = command(&folder, &peer.url)
        .env("NAGIOS_HOSTNAME", "not this one")
        .args(["--token-file", token.to_str().unwrap()])
        .args([
            "HOSTNAME=web1",
            "NAGIOS_HOSTSTATE=DOWN",
            "ICINGA_HOSTOUTPUT=a=b `c` $(d)",
            "junk",
        ])
        .args(["SERVICEDESC=", "_HOSTCMDB_ID=$"])
        .output()
        .unwrap();
    ends(&sent, 0, "left out 1: \"junk\"");
    let seen = &peer.seen()[0];
    assert!(
        seen.head.starts_with("POST /v1/events/nagios HTTP/1.1\r\n"),
        "{}",
        seen.head
    );
    assert!(
        seen.head.contains("\r\nAuthorization: Bearer s3cret\r\n"),
        "{}",
        seen.head
    );
    let timet: u64 = seen.body["TIMET"].as_str().unwrap().parse().unwrap();
    assert!((before..=now()).contains(&timet), "{timet}");
    let mut body = seen.body.clone();
    body.as_object_mut().unwrap().remove("TIMET");
    assert_eq!(
        body,
        json!({"HOSTNAME": "web1", "HOSTSTATE": "DOWN", "HOSTOUTPUT": "a=b `c` $(d)"})
    );
    assert!(!folder.spool().exists(), "nothing was spooled");
}

fn decode(body: &[u8]) -> Vec<Event> {
    let kind = source::kind("nagios").unwrap();
    let settings = SourceSettings::default();
    let mut out = Decoded::default();
    let body = Body {
        tail: "",
        content_type: "application/json",
        bytes: body,
        received_at: Millis(1_795_400_000_000),
    };
    (kind.decode)(&settings, &body, &mut out);
    assert_eq!((out.rejects, out.refused), (Vec::new(), None));
    out.events.into_iter().map(|(_, e)| e).collect()
}

#[test]
fn the_environment_of_nagios_and_icinga_says_the_same_as_all_of_it() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/send");
    let mut tried = 0;
    for name in std::fs::read_dir(fixtures).unwrap() {
        let path = name.unwrap().path();
        let capture: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let body = capture["body"].as_str().unwrap();
        let environment: BTreeMap<String, String> = serde_json::from_str(body).unwrap();
        let folder = Folder::new("environment");
        let peer = Peer::new(&[TAKEN]);
        let sent = command(&folder, &peer.url)
            .envs(&environment)
            .output()
            .unwrap();
        ends(&sent, 0, "");
        let got = peer.seen()[0].body.clone();
        let count = got.as_object().unwrap().len();
        assert!(
            count < 45,
            "{count} macros of {}: {got:#}",
            environment.len()
        );
        let (want, got) = (decode(body.as_bytes()), decode(got.to_string().as_bytes()));
        if path.to_string_lossy().contains("nagios-") {
            assert_eq!(got, want, "{}", path.display());
        } else {
            // Names are free in Icinga, and we know more of them than the daemon does.
            let main = |e: &[Event]| (e[0].labels.clone(), e[0].state, e[0].severity_word.clone());
            assert_eq!(main(&got), main(&want), "{}", path.display());
            assert_eq!(
                got[0].annotations.get("cmdb_id").is_some(),
                body.contains("CI-1001")
            );
        }
        tried += 1;
    }
    assert_eq!(tried, 6);
}

#[test]
fn an_environment_without_macros_is_an_error_and_bytes_are_no_crash() {
    let folder = Folder::new("empty");
    let peer = Peer::new(&[TAKEN]);
    ends(
        &send(&folder, &peer.url, &[]),
        1,
        "enable_environment_macros=1",
    );
    ends(&send(&folder, &peer.url, &["junk"]), 1, "nothing to send");
    assert!(peer.seen().is_empty() && !folder.spool().exists());
    let latin = OsString::from_vec(b"Gr\xf6\xdfe".to_vec());
    let sent = command(&folder, &peer.url)
        .env("NAGIOS_HOSTNAME", "a")
        .env("NAGIOS_HOSTOUTPUT", &latin)
        .output()
        .unwrap();
    ends(&sent, 0, "");
    assert_eq!(peer.seen()[0].body["HOSTOUTPUT"], "Gr\u{fffd}\u{fffd}e");
    let bytes = OsString::from_vec(b"HOSTNAME=\xff".to_vec());
    let sent = command(&folder, &peer.url).arg(bytes).output().unwrap();
    ends(&sent, 0, "");
}

#[test]
fn what_cannot_be_sent_waits_in_its_order_and_goes_as_one_batch() {
    let folder = Folder::new("away");
    for n in 0..20 {
        let state = if n % 2 == 0 { "DOWN" } else { "UP" };
        let sent = send_host(
            &folder,
            NOBODY,
            &format!("h{}", n / 2),
            state,
            1_000_000 + n,
        );
        ends(&sent, 0, "spooled, will be sent by --flush");
    }
    let times: Vec<String> = (0..20).map(|n| (1_000_000 + n).to_string()).collect();
    assert_eq!(fields(&folder.waiting(), "TIMET"), times);
    // Still away: everything stays.
    let flushed = send(&folder, NOBODY, &["--flush"]);
    ends(&flushed, 0, "0 sent, 0 refused, 20 waiting");
    let peer = Peer::new(&[MANY]);
    ends(
        &send(&folder, &peer.url, &["--flush"]),
        0,
        "20 sent, 0 refused, 0 waiting",
    );
    let seen = peer.seen();
    assert_eq!(seen.len(), 1, "one batch");
    assert_eq!(fields(seen[0].body.as_array().unwrap(), "TIMET"), times);
    // Nothing waits: nothing is said, nobody is asked.
    let flushed = send(&folder, &peer.url, &["--flush"]);
    ends(&flushed, 0, "");
    assert_eq!((err(&flushed).as_str(), peer.seen().len()), ("", 1));
}

#[test]
fn what_follows_about_the_same_object_waits_behind_it() {
    let folder = Folder::new("order");
    ends(
        &send_host(&folder, NOBODY, "a", "DOWN", 1_000_000),
        0,
        "spooled",
    );
    let peer = Peer::new(&[TAKEN, TAKEN, MANY]);
    // The daemon is back: another host is told at once, the same one must not overtake.
    ends(
        &send_host(&folder, &peer.url, "b", "DOWN", 1_000_001),
        0,
        "",
    );
    ends(
        &send_host(&folder, &peer.url, "a", "UP", 1_000_002),
        0,
        "1 of the same host or service wait",
    );
    // A service of that host is another object.
    let service = [
        "HOSTNAME=a",
        "SERVICEDESC=HTTP",
        "SERVICESTATE=OK",
        "TIMET=1000003",
    ];
    ends(&send(&folder, &peer.url, &service), 0, "");
    ends(&send(&folder, &peer.url, &["--flush"]), 0, "2 sent");
    let bodies: Vec<Value> = peer.seen().into_iter().map(|s| s.body).collect();
    assert_eq!(fields(&bodies[..2], "TIMET"), ["1000001", "1000003"]);
    assert_eq!(
        fields(bodies[2].as_array().unwrap(), "TIMET"),
        ["1000000", "1000002"]
    );
    // With nothing before it, it goes straight.
    ends(
        &send_host(&folder, &peer.url, "a", "DOWN", 1_000_004),
        0,
        "",
    );
    assert_eq!(peer.seen().len(), 4);
}

#[test]
fn answers_decide_what_becomes_of_it() {
    for (answer, code, says, waiting, refused) in [
        (
            (400, "{\"error\":\"HOSTSTATE: missing\"}"),
            1,
            "HOSTSTATE: missing",
            0,
            1,
        ),
        ((413, "{\"error\":\"too large\"}"), 1, "too large", 0, 1),
        (
            (415, "{\"error\":\"what is that\"}"),
            1,
            "what is that",
            0,
            1,
        ),
        (
            (401, "{\"error\":\"the token is missing or wrong\"}"),
            1,
            "token is missing",
            1,
            0,
        ),
        (
            (404, "{\"error\":\"there is no source\"}"),
            1,
            "there is no source",
            1,
            0,
        ),
        ((302, ""), 1, "302", 1, 0),
        (
            (200, "<html>welcome</html>"),
            1,
            "not the answer of correlated",
            1,
            0,
        ),
        (
            (503, "{\"error\":\"nothing can be written\"}"),
            0,
            "nothing can be written",
            1,
            0,
        ),
        ((500, ""), 0, "spooled", 1, 0),
    ] {
        let folder = Folder::new("answers");
        let peer = Peer::new(&[answer]);
        ends(&send(&folder, &peer.url, &["HOSTNAME=a"]), code, says);
        let got = (folder.waiting().len(), folder.refused().len());
        assert_eq!(got, (waiting, refused), "{answer:?}");
        if refused == 1 {
            let kept = &folder.refused()[0];
            assert!(kept["reason"].as_str().unwrap().contains(says), "{kept}");
            assert_eq!(kept["notification"]["HOSTNAME"], "a");
        }
    }
    // A token that cannot be read is mended by a person too, and loses nothing.
    let folder = Folder::new("answers");
    let sent = send(
        &folder,
        NOBODY,
        &["--token-file", "/nonexistent/token", "HOSTNAME=a"],
    );
    ends(&sent, 1, "/nonexistent/token");
    assert_eq!(folder.waiting().len(), 1);
}

#[test]
fn silence_is_cut_off_in_time_and_a_full_spool_is_loud() {
    let folder = Folder::new("silence");
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/v1/events/nagios", silent.local_addr().unwrap());
    let begun = Instant::now();
    let sent = send(&folder, &url, &["--timeout", "500ms", "HOSTNAME=a"]);
    ends(&sent, 0, "no answer in time");
    assert!(
        begun.elapsed() < Duration::from_secs(5),
        "{:?}",
        begun.elapsed()
    );
    assert_eq!(folder.waiting().len(), 1);
    ends(
        &send(&folder, &url, &["--timeout", "10s", "HOSTNAME=a"]),
        2,
        "more than 9s",
    );
    // No room: the one that waits is kept, the new one is lost with a shout.
    let small = ["--timeout", "500ms", "--spool-max", "100B"];
    let long = format!("HOSTOUTPUT={}", "x".repeat(100));
    let sent = command(&folder, NOBODY)
        .args(small)
        .args(["HOSTNAME=b", &long])
        .output()
        .unwrap();
    ends(&sent, 2, "LOST");
    assert_eq!(fields(&folder.waiting(), "HOSTNAME"), ["a"]);
    // A spool that nobody may make.
    let sent = Command::new(env!("CARGO_BIN_EXE_correlated"))
        .args([
            "send",
            "--url",
            NOBODY,
            "--spool",
            "/proc/nothing/here",
            "HOSTNAME=a",
        ])
        .output()
        .unwrap();
    ends(&sent, 2, "/proc/nothing/here");
}

#[test]
fn the_daemons_word_on_each_of_a_batch_is_heard() {
    let folder = Folder::new("rejects");
    let fill = || {
        for n in 0..4 {
            ends(
                &send(&folder, NOBODY, &[&format!("HOSTNAME=h{n}")]),
                0,
                "spooled",
            );
        }
    };
    fill();
    // Some are refused by name, and not all that are refused are named.
    let peer = Peer::new(&[
        (
            200,
            "{\"accepted\":2,\"repeated\":0,\"rejected\":[{\"index\":1,\"reason\":\"bad one\"}]}",
        ),
        (
            200,
            "{\"accepted\":0,\"repeated\":2,\"rejected\":[{\"index\":2,\"reason\":\"bad three\"}]}",
        ),
    ]);
    let flushed = send(&folder, &peer.url, &["--flush"]);
    ends(&flushed, 1, "2 sent, 2 refused, 0 waiting");
    assert!(err(&flushed).contains("bad one") && err(&flushed).contains("bad three"));
    let kept: Vec<Value> = folder
        .refused()
        .iter()
        .map(|r| r["notification"].clone())
        .collect();
    assert_eq!(fields(&kept, "HOSTNAME"), ["h1", "h3"]);
    // All of one batch are refused.
    for n in 0..2 {
        ends(
            &send(&folder, NOBODY, &[&format!("HOSTNAME=i{n}")]),
            0,
            "spooled",
        );
    }
    let peer = Peer::new(&[(
        400,
        "{\"accepted\":0,\"repeated\":0,\"rejected\":[{\"index\":0,\"reason\":\"x\"},{\"index\":1,\"reason\":\"y\"}]}",
    )]);
    ends(
        &send(&folder, &peer.url, &["--flush"]),
        1,
        "0 sent, 2 refused, 0 waiting",
    );
    // A batch that is too large is halved until it fits.
    fill();
    let too_large = (413, "{\"error\":\"the body is larger than 10 bytes\"}");
    let peer = Peer::new(&[too_large, too_large, TAKEN, too_large, MANY]);
    ends(
        &send(&folder, &peer.url, &["--flush"]),
        1,
        "3 sent, 1 refused, 0 waiting",
    );
    let sizes: Vec<usize> = peer
        .seen()
        .iter()
        .map(|s| s.body.as_array().unwrap().len())
        .collect();
    assert_eq!(sizes, [4, 2, 1, 1, 2]);
    // A whole batch refused without a name is the address's fault: all stay.
    fill();
    let peer = Peer::new(&[(400, "{\"error\":\"no alerts\"}")]);
    ends(&send(&folder, &peer.url, &["--flush"]), 1, "4 waiting");
    // No room for more alerts: the ends of those that are there go first, and only where nothing is before them.
    let folder = Folder::new("ends");
    for (name, state) in [("p", "DOWN"), ("p", "UP"), ("q", "UP"), ("r", "DOWN")] {
        ends(
            &send_host(&folder, NOBODY, name, state, 1_000_000),
            0,
            "spooled",
        );
    }
    let peer = Peer::new(&[(503, "{\"error\":\"max_alerts\"}"), MANY]);
    ends(
        &send(&folder, &peer.url, &["--flush"]),
        0,
        "1 sent, 0 refused, 3 waiting",
    );
    assert_eq!(
        fields(peer.seen()[1].body.as_array().unwrap(), "HOSTNAME"),
        ["q"]
    );
    assert_eq!(fields(&folder.waiting(), "HOSTNAME"), ["p", "p", "r"]);
    // A file that something damaged is put aside.
    std::fs::write(
        folder
            .spool()
            .join("00000000001.000000000-0000000001-0000000000000000.json"),
        "{\"HO",
    )
    .unwrap();
    ends(
        &send(&folder, &Peer::new(&[MANY]).url, &["--flush"]),
        1,
        "3 sent, 1 refused, 0 waiting",
    );
}

struct Daemon {
    folder: Folder,
    child: Option<Child>,
    intake: u16,
    metrics: u16,
}

impl Daemon {
    fn new(name: &str) -> Daemon {
        let folder = Folder::new(name);
        let (intake, metrics) = (free_port(), free_port());
        std::fs::write(folder.path("token"), "s3cret\n").unwrap();
        let at = folder.0.display();
        let config = format!(
            "[listen]\nintake = [\"127.0.0.1:{intake}\"]\nmetrics = [\"127.0.0.1:{metrics}\"]\n\
             admin = \"{at}/admin.sock\"\n[store]\npath = \"{at}/store\"\n\
             [[source]]\nname = \"nagios\"\nkind = \"nagios\"\n\
             [[source]]\nname = \"guarded\"\nkind = \"nagios\"\ntoken_file = \"{at}/token\"\n\
             [[source]]\nname = \"prometheus\"\nkind = \"prometheus\"\n\
             [[itsm]]\nname = \"shadow\"\nkind = \"shadow\"\n\
             [correlate]\nhold_p1 = \"1s\"\nhold_p2 = \"1s\"\nhold_p3 = \"1s\"\nhold_p4 = \"1s\"\n\
             hold_quiet = \"500ms\"\nresolve_after = \"1s\"\n\
             [suppress]\ninherit_before = \"3h\"\n"
        );
        std::fs::write(folder.path("correlated.toml"), config).unwrap();
        let mut daemon = Daemon {
            folder,
            child: None,
            intake,
            metrics,
        };
        daemon.start();
        daemon
    }

    fn start(&mut self) {
        self.spawn();
        self.wait("ready", |d| d.ready().unwrap_or_default());
    }

    fn spawn(&mut self) {
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.folder.path("log"))
            .unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_correlated"))
            .args(["run", "--config"])
            .arg(self.folder.path("correlated.toml"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn();
        self.child = Some(child.unwrap());
    }

    fn ready(&self) -> Option<bool> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.metrics)).ok()?;
        let request = "GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        stream.write_all(request.as_bytes()).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        Some(answer.starts_with("HTTP/1.1 200"))
    }

    #[track_caller]
    fn wait(&self, what: &str, mut done: impl FnMut(&Daemon) -> bool) {
        let begun = Instant::now();
        while !done(self) {
            if begun.elapsed() > WAIT {
                let log = std::fs::read_to_string(self.folder.path("log")).unwrap_or_default();
                panic!("not {what}: {log}");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    fn url(&self, source: &str) -> String {
        format!("http://127.0.0.1:{}/v1/events/{source}", self.intake)
    }

    fn ask(&self, path: &str, rows: &str) -> Vec<Value> {
        let mut stream = UnixStream::connect(self.folder.path("admin.sock")).unwrap();
        let head = format!("GET /{path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        let value: Value = serde_json::from_str(body).unwrap();
        value[rows].as_array().unwrap().clone()
    }

    /// Hosts that are down.
    fn live(&self) -> BTreeSet<String> {
        let alerts = self.ask("v1/alerts", "alerts");
        let firing = alerts.iter().filter(|a| a["state"] == "firing");
        firing
            .map(|a| a["labels"]["host"].as_str().unwrap().to_owned())
            .collect()
    }

    /// Incidents by state and whether they have a ticket.
    fn incidents(&self) -> BTreeMap<(String, bool), usize> {
        let mut out = BTreeMap::new();
        for one in self.ask("v1/incidents?state=all", "incidents") {
            let tickets = one["tickets"].as_array().cloned().unwrap_or_default();
            let ticket = tickets
                .iter()
                .any(|t| t["ticket"].as_str().is_some_and(|t| !t.is_empty()));
            let state = one["state"].as_str().unwrap().to_owned();
            *out.entry((state, ticket)).or_insert(0) += 1;
        }
        out
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.kill();
    }
}

#[test]
fn an_hour_without_the_daemon_loses_nothing_and_opens_no_ticket_for_what_is_over() {
    let mut daemon = Daemon::new("hour");
    let url = daemon.url("nagios");
    let hour_ago = now() - 3600;
    ends(
        &send_host(&daemon.folder, &url, "before", "DOWN", hour_ago - 60),
        0,
        "",
    );
    ends(
        &send_host(&daemon.folder, &url, "open-0", "DOWN", hour_ago - 60),
        0,
        "",
    );
    daemon.wait("ticketed", |d| {
        d.incidents().contains_key(&("open".to_owned(), true))
    });
    daemon.kill();
    // Some 40 hosts fail, are repeated, and most of them come back; one that had a ticket comes back too.
    let mut story: Vec<(u64, String, &str)> = Vec::new();
    for n in 0..40 {
        let at = hour_ago + 60 * n;
        let name = if n % 10 == 0 {
            format!("open-{}", n / 10)
        } else {
            format!("gone-{n}")
        };
        story.push((at, name.clone(), "DOWN"));
        if n % 10 != 0 {
            story.push((at + 900, name, "UP"));
        }
    }
    story.push((hour_ago + 1800, "before".to_owned(), "UP"));
    story.sort();
    for (at, name, state) in &story {
        ends(
            &send_host(&daemon.folder, &url, name, state, *at),
            0,
            "spooled",
        );
    }
    assert_eq!(daemon.folder.waiting().len(), story.len());
    daemon.start();
    let flushed = send(&daemon.folder, &url, &["--flush"]);
    ends(
        &flushed,
        0,
        &format!("{} sent, 0 refused, 0 waiting", story.len()),
    );
    let open: BTreeSet<String> = (0..4).map(|n| format!("open-{n}")).collect();
    assert_eq!(daemon.live(), open);
    // One incident with a ticket for each that is still down; the one from before ends with its ticket.
    let key = |state: &str, ticket| (state.to_owned(), ticket);
    daemon.wait("settled", |d| {
        let all = d.incidents();
        all.get(&key("open", true)) == Some(&4) && all.get(&key("resolved", true)) == Some(&1)
    });
    let all = daemon.incidents();
    let unexpected: Vec<_> = all
        .iter()
        .filter(|((state, ticket), _)| {
            !matches!(
                (state.as_str(), ticket),
                ("open" | "resolved", true) | ("resolved" | "merged", false)
            )
        })
        .collect();
    assert!(unexpected.is_empty(), "{all:?}");
    // Twice is as good as once.
    for (at, name, state) in &story {
        if name.starts_with("gone-1") {
            ends(
                &send_host(&daemon.folder, NOBODY, name, state, *at),
                0,
                "spooled",
            );
        }
    }
    ends(&send(&daemon.folder, &url, &["--flush"]), 0, "0 waiting");
    assert_eq!(daemon.live(), open);
    assert_eq!(daemon.incidents(), all);
}

#[test]
fn a_flush_that_is_killed_loses_nothing() {
    let daemon = Daemon::new("killed");
    let url = daemon.url("nagios");
    // One by the program itself, and more after its pattern.
    ends(
        &send_host(&daemon.folder, NOBODY, "h0", "DOWN", now()),
        0,
        "spooled",
    );
    let spool = daemon.folder.spool();
    let (first, text) = (
        names(&spool)[0].clone(),
        daemon.folder.waiting()[0].to_string(),
    );
    let (second, rest) = first.split_once('.').unwrap();
    let second: u64 = second.parse().unwrap();
    for n in 1..999 {
        let name = format!("{:011}.{rest}", second + n);
        std::fs::write(
            spool.join(name),
            text.replace("\"h0\"", &format!("\"h{n}\"")),
        )
        .unwrap();
    }
    let mut killed = 0;
    for _ in 0..3 {
        let before = names(&spool).len();
        let mut flush = command(&daemon.folder, &url)
            .arg("--flush")
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let begun = Instant::now();
        while names(&spool).len() == before && begun.elapsed() < WAIT {
            std::thread::sleep(Duration::from_millis(1));
        }
        flush.kill().unwrap();
        flush.wait().unwrap();
        killed += usize::from(!names(&spool).is_empty());
    }
    assert!(killed > 0, "it was never killed in the middle");
    ends(
        &send(&daemon.folder, &url, &["--flush"]),
        0,
        "0 refused, 0 waiting",
    );
    assert_eq!(daemon.live().len(), 999);
}

#[test]
fn two_flushes_and_senders_do_not_disturb_each_other() {
    let daemon = Daemon::new("together");
    let url = daemon.url("nagios");
    for n in 0..50 {
        ends(
            &send_host(&daemon.folder, NOBODY, &format!("h{n}"), "DOWN", now()),
            0,
            "spooled",
        );
    }
    let mut flushes: Vec<Child> = (0..3)
        .map(|_| {
            command(&daemon.folder, &url)
                .arg("--flush")
                .stderr(Stdio::null())
                .spawn()
                .unwrap()
        })
        .collect();
    for n in 25..75 {
        ends(
            &send_host(&daemon.folder, &url, &format!("h{n}"), "UP", now() + 60),
            0,
            "",
        );
    }
    for flush in &mut flushes {
        assert!(flush.wait().unwrap().success());
    }
    ends(&send(&daemon.folder, &url, &["--flush"]), 0, "");
    let up: BTreeSet<String> = (0..25).map(|n| format!("h{n}")).collect();
    assert_eq!(daemon.live(), up);
}

#[test]
fn the_self_test_names_what_is_denied() {
    let mut daemon = Daemon::new("selftest");
    let test = |url: &str, more: &[&str]| {
        command(&daemon.folder, url)
            .arg("--self-test")
            .args(more)
            .output()
            .unwrap()
    };
    let good = daemon.url("nagios");
    ends(&test(&good, &[]), 1, "FAIL spool: ");
    std::fs::create_dir(daemon.folder.spool()).unwrap();
    let tested = test(&good, &[]);
    ends(&tested, 0, "ok   answer: ");
    let text = String::from_utf8(tested.stdout).unwrap();
    for part in [
        "ok   spool: ",
        "ok   resolve: ",
        "ok   connect: ",
        "note environment: no NAGIOS_",
    ] {
        assert!(text.contains(part), "{part:?} is not in {text}");
    }
    let token = daemon.folder.path("token");
    let token = token.to_str().unwrap();
    std::fs::write(daemon.folder.path("wrong"), "wrong").unwrap();
    let wrong = daemon.folder.path("wrong");
    let guarded = daemon.url("guarded");
    ends(
        &test(&guarded, &["--token-file", token]),
        0,
        "ok   token file: ",
    );
    ends(
        &test(&guarded, &["--token-file", wrong.to_str().unwrap()]),
        1,
        "FAIL answer: 401",
    );
    ends(&test(&guarded, &[]), 1, "name a copy with --token-file");
    ends(
        &test(&guarded, &["--token-file", "/nonexistent"]),
        1,
        "FAIL token file: /nonexistent",
    );
    ends(&test(&good, &["--ca-file", token]), 1, "FAIL ca file: ");
    ends(&test(&daemon.url("nothing"), &[]), 1, "FAIL answer: 404");
    ends(
        &test(&daemon.url("prometheus"), &[]),
        1,
        "not of kind nagios",
    );
    ends(&test(NOBODY, &[]), 1, "FAIL connect: ");
    ends(
        &test("http://no.such.host.invalid/v1/events/nagios", &[]),
        1,
        "FAIL resolve: ",
    );
    ends(&test("http//x", &[]), 1, "FAIL url: ");
    let secure = good.replace("http:", "https:");
    ends(&test(&secure, &["--timeout", "2s"]), 1, "FAIL tls: ");
    assert!(
        daemon.live().is_empty() && daemon.incidents().is_empty(),
        "it creates nothing"
    );
    let kept = names_of(&daemon.folder.path("store/quarantine"));
    assert!(kept.iter().all(|n| n.contains("-prometheus.")), "{kept:?}");
    let tested = command(&daemon.folder, &good)
        .arg("--self-test")
        .env("ICINGA_HOSTNAME", "a")
        .output();
    ends(
        &tested.unwrap(),
        0,
        "note environment: 1 NAGIOS_ or ICINGA_",
    );
    // Something waits for long: nobody flushes.
    let old = daemon
        .folder
        .spool()
        .join("00000000001.000000000-0000000001-0000000000000000.json");
    std::fs::write(old, "{}").unwrap();
    ends(&test(&good, &[]), 1, "correlated-send-flush.timer");
    daemon.kill();
}

/// Makes an authority and a certificate for localhost, or says that it cannot.
fn certificates(folder: &Folder) -> bool {
    let at = |name: &str| folder.path(name).display().to_string();
    std::fs::write(folder.path("san"), "subjectAltName=DNS:localhost\n").unwrap();
    let run = |arguments: &[&str]| {
        let made = Command::new("openssl").args(arguments).output();
        made.is_ok_and(|m| m.status.success())
    };
    let key = ["-newkey", "rsa:2048", "-nodes"];
    let ca = ["req", "-x509", "-days", "2", "-subj", "/CN=test authority"];
    let request = ["req", "-subj", "/CN=localhost"];
    run(&[
        &ca[..],
        &key,
        &["-keyout", &at("ca.key"), "-out", &at("ca.pem")],
    ]
    .concat())
        && run(&[
            &request[..],
            &key,
            &["-keyout", &at("key.pem"), "-out", &at("csr")],
        ]
        .concat())
        && run(&[
            "x509",
            "-req",
            "-days",
            "2",
            "-in",
            &at("csr"),
            "-CA",
            &at("ca.pem"),
            "-CAkey",
            &at("ca.key"),
            "-set_serial",
            "1",
            "-extfile",
            &at("san"),
            "-out",
            &at("cert.pem"),
        ])
}

#[test]
fn tls_is_spoken_with_whom_the_ca_file_vouches_for() {
    let mut daemon = Daemon::new("tls");
    if !certificates(&daemon.folder) {
        return println!("openssl is not here: TLS is not tried");
    }
    daemon.kill();
    let file = daemon.folder.path("correlated.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let at = daemon.folder.0.display();
    let tls = format!("[listen]\ntls_cert = \"{at}/cert.pem\"\ntls_key = \"{at}/key.pem\"\n");
    std::fs::write(&file, text.replacen("[listen]\n", &tls, 1)).unwrap();
    daemon.spawn(); // its metrics speak TLS too
    daemon.wait("listening", |d| {
        let log = std::fs::read_to_string(d.folder.path("log")).unwrap();
        log.matches("admin listens").count() == 2
    });
    let url = daemon
        .url("guarded")
        .replace("http://127.0.0.1", "https://localhost");
    let (ca, token) = (daemon.folder.path("ca.pem"), daemon.folder.path("token"));
    let known = [
        "--ca-file",
        ca.to_str().unwrap(),
        "--token-file",
        token.to_str().unwrap(),
    ];
    let with = |more: &[&str]| {
        command(&daemon.folder, &url)
            .args(known)
            .args(more)
            .output()
            .unwrap()
    };
    ends(&with(&["HOSTNAME=a", "HOSTSTATE=DOWN"]), 0, "");
    assert_eq!(daemon.live().len(), 1);
    std::fs::create_dir_all(daemon.folder.spool()).unwrap();
    ends(&with(&["--self-test"]), 0, "ok   tls: ");
    // A stranger's certificate is a matter for a person; nothing is lost.
    let sent = send(&daemon.folder, &url, &["HOSTNAME=b", "HOSTSTATE=DOWN"]);
    ends(&sent, 1, "UnknownIssuer");
    let tested = send(&daemon.folder, &url, &["--self-test"]);
    ends(&tested, 1, "--ca-file");
    // Plain HTTP to a port that speaks TLS.
    let sent = send(
        &daemon.folder,
        &daemon.url("guarded"),
        &["HOSTNAME=c", "HOSTSTATE=DOWN"],
    );
    assert_eq!(daemon.folder.waiting().len(), 2, "{}", err(&sent));
    ends(&with(&["--flush"]), 0, "2 sent");
    assert_eq!(daemon.live().len(), 3);
}
