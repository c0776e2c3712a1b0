//! Tools that quote our requests, secrets and all, in everything that they refuse: nothing of it is said on. One
//! target of each kind, each with its own way to log in, against one server that turns every write away.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at what it does not expect"
)]

mod asked;
mod ports;

use asked::Asked;
use correlated::itsm;
use ports::free_port;
use serde_json::json;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{Read, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// How each kind logs in, `%` being the folder with the secrets.
fn auth(kind: &str) -> &'static str {
    match kind {
        "rt" => "token_file = \"%/rt\"",
        "servicenow" => {
            "auth = \"oauth2\"\noauth_path = \"/servicenow/login\"\nclient_id = \"id\"\nclient_secret_file = \"%/client\"\nuser = \"alertd\"\ntoken_file = \"%/servicenow\""
        }
        "jira" => "auth = \"basic\"\nuser = \"alertd\"\ntoken_file = \"%/jira\"",
        "jira_dc" => "auth = \"bearer\"\ntoken_file = \"%/jira_dc\"",
        "bmc" => {
            "auth = \"login\"\noauth_path = \"/bmc/login\"\nauth_prefix = \"AR-JWT \"\nuser = \"alertd\"\ntoken_file = \"%/bmc\""
        }
        "freshservice" => "auth = \"basic_user\"\ntoken_file = \"%/freshservice\"",
        "zammad" => {
            "auth = \"header\"\nauth_name = \"Authorization\"\nauth_prefix = \"Token token=\"\ntoken_file = \"%/zammad\"\nwebhook_secret_file = \"%/webhook_secret\""
        }
        "itop" => "auth = \"basic\"\nuser = \"alertd\"\ntoken_file = \"%/itop\"",
        "cherwell" => {
            "auth = \"oauth2\"\noauth_path = \"/cherwell/login\"\nclient_id = \"id\"\nuser = \"alertd\"\ntoken_file = \"%/cherwell\""
        }
        "pagerduty" => {
            "auth = \"member\"\nauth_name = \"routing_key\"\ntoken_file = \"%/pagerduty\"\nrest_token_file = \"%/rest\"\nrest_url = \"URL\""
        }
        "webhook" => "auth = \"query\"\nauth_name = \"key\"\ntoken_file = \"%/webhook\"",
        other => panic!("kind {other} needs a way to log in here"),
    }
}

/// Secrets that have to be written in another way in JSON, in addresses and in forms.
fn secret(name: &str) -> String {
    format!("S3&cret\"of/{name}+77")
}

/// A token that a login gives.
fn token(kind: &str) -> String {
    format!("eyJ-token-of-{kind}-77")
}

const FURTHER: [&str; 3] = ["client", "rest", "webhook_secret"];

/// Settings and the answers to reads: those of the first story of the self-test in which all is well.
struct Story {
    lines: Vec<String>,
    rules: Vec<(Vec<String>, u16, String)>,
}

fn story(kind: &str) -> Story {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/selftest");
    let text = std::fs::read_to_string(file.join(format!("{kind}.txt"))).unwrap();
    let mut parts = text.split("====\n");
    let ours = ["url ", "token ", "auth ", "auth_name ", "user "];
    let head = parts.next().unwrap().lines();
    let head = head.filter(|l| !ours.iter().any(|o| l.starts_with(o)));
    let first = if kind == "pagerduty" { 1 } else { 0 };
    let story = parts.nth(first).unwrap().split("---\n").next().unwrap();
    let rule = |line: &str| {
        let (words, answer) = line.split_once(" => ")?;
        let (status, body) = answer.split_once(' ').unwrap_or((answer, ""));
        let words = words.split_whitespace().map(str::to_owned).collect();
        Some((words, status.parse().ok()?, body.to_owned()))
    };
    Story {
        lines: head.map(str::to_owned).collect(),
        rules: story
            .lines()
            .filter(|l| !l.starts_with('#'))
            .filter_map(rule)
            .collect(),
    }
}

fn kinds() -> Vec<&'static str> {
    let all = itsm::KINDS.iter().map(|k| k.kind);
    all.filter(|k| *k != "shadow").collect()
}

/// What was asked of each kind: reads that were answered, writes and logins that were turned away.
type Count = Arc<Mutex<BTreeMap<String, (usize, usize)>>>;

/// The server. Below `/KIND` stands a tool of that kind.
fn server(count: Count) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let stories: BTreeMap<&str, Story> = kinds().into_iter().map(|k| (k, story(k))).collect();
        for stream in listener.incoming() {
            let stream = stream.unwrap();
            let said = answer(&Asked::read(&stream), &stories, &count);
            (&stream).write_all(said.as_bytes()).ok();
        }
    });
    port
}

fn answer(asked: &Asked, stories: &BTreeMap<&str, Story>, count: &Count) -> String {
    let Asked { head: whole, body } = asked;
    let mut first = asked.first().split(' ');
    let (method, address) = (first.next().unwrap(), first.next().unwrap_or("/"));
    let url = reqwest::Url::parse(&format!("http://x{address}")).unwrap();
    let (kind, path) = url.path()[1..]
        .split_once('/')
        .unwrap_or((&url.path()[1..], ""));
    let mut all = count.lock().unwrap();
    let (reads, echoes) = all.entry(kind.to_owned()).or_default();
    // What tells of a refusal is cut: a secret in the body has to stand at its begin.
    let member: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
    let member = member["routing_key"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let quoted = format!("you sent {member} {} {body}", whole.replace("\r\n", " "));
    let (is_first, failed) = (*reads + *echoes == 0, *echoes);
    let mut reply = |status: u16, body: &str| {
        if body.contains("you sent") {
            *echoes += 1;
        } else {
            *reads += 1;
        }
        format!(
            "HTTP/1.1 {status} x\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let page = format!("<html>busy: {quoted}</html>");
    if path == "login" {
        let token = token(kind);
        return match kind {
            _ if is_first => reply(
                503,
                &json!({"error": quoted, "error_description": quoted}).to_string(),
            ),
            "bmc" => reply(200, &token),
            _ => reply(
                200,
                &json!({"access_token": token, "expires_in": 1800}).to_string(),
            ),
        };
    }
    // The first exchange that is no login fails for a while.
    if failed == usize::from(["servicenow", "bmc", "cherwell"].contains(&kind)) {
        return reply(503, &page);
    }
    let query: Vec<String> = url.query_pairs().map(|(n, v)| format!("{n}={v}")).collect();
    let asked = format!("{method} {path} {} {body}", query.join("&"));
    let asked = without_key(&asked);
    let reads_only =
        method == "GET" || asked.contains("core%2Fget") || path.contains("CherwellAPI/api/V1/get");
    let rules = &stories[kind].rules;
    let fits = rules
        .iter()
        .find(|(words, _, _)| words.iter().all(|w| w == "*" || asked.contains(w.as_str())));
    match fits {
        Some((_, status, body)) if reads_only => reply(*status, body),
        _ => {
            let error = match kind {
                "bmc" => {
                    json!([{"messageType": "ERROR", "messageText": quoted, "messageNumber": 382}])
                }
                "servicenow" => {
                    json!({"error": {"message": quoted, "detail": quoted}, "status": "failure"})
                }
                "itop" => json!({"code": 100, "message": quoted}),
                "cherwell" => json!({"hasError": true, "errorCode": "BAD", "errorMessage": quoted}),
                "jira" | "jira_dc" => {
                    json!({"errorMessages": [quoted], "errors": {"summary": quoted}})
                }
                _ => {
                    json!({"message": quoted, "error": quoted, "description": quoted, "errors": [quoted]})
                }
            };
            reply(if kind == "itop" { 200 } else { 400 }, &error.to_string())
        }
    }
}

/// Every key of ours as the one that no ticket carries.
fn without_key(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("cor-") {
        let (before, from) = rest.split_at(at);
        let end = from.find(|c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '.'));
        out.push_str(before);
        out.push_str("cor-00000000-0.0");
        rest = &from[end.unwrap_or(from.len())..];
    }
    out + rest
}

struct Daemon {
    folder: PathBuf,
    child: Child,
    metrics: u16,
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
        if !std::thread::panicking() {
            std::fs::remove_dir_all(&self.folder).ok();
        }
    }
}

fn run(arguments: &[&str]) -> String {
    let done = Command::new(env!("CARGO_BIN_EXE_correlated"))
        .args(arguments)
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    format!("{}{}", text(&done.stdout), text(&done.stderr))
}

fn http(mut stream: impl Read + std::io::Write, path: &str) -> String {
    let head = format!("GET /{path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn files(folder: &Path, out: &mut String) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => files(&path, out),
            false => out.push_str(&String::from_utf8_lossy(
                &std::fs::read(&path).unwrap_or_default(),
            )),
        }
    }
}

#[test]
fn no_tool_makes_us_say_a_secret() {
    let folder = std::env::temp_dir().join(format!("correlated-secrets-{}", std::process::id()));
    std::fs::remove_dir_all(&folder).ok();
    std::fs::create_dir_all(folder.join("secrets")).unwrap();
    let count = Count::default();
    let port = server(count.clone());
    let names: Vec<&str> = kinds().into_iter().chain(FURTHER).collect();
    for name in &names {
        std::fs::write(
            folder.join("secrets").join(name),
            format!("{}\n", secret(name)),
        )
        .unwrap();
    }
    let at = folder.display().to_string();
    let metrics = free_port();
    let mut config = format!(
        "[listen]\nintake = [\"{at}/intake.sock\"]\nmetrics = [\"127.0.0.1:{metrics}\"]\nadmin = \"{at}/admin.sock\"\n\
         [store]\npath = \"{at}/store\"\n[log]\nlevel = \"trace\"\n\
         [correlate]\nhold_p1 = \"100ms\"\nhold_p2 = \"100ms\"\nhold_p3 = \"100ms\"\nhold_p4 = \"100ms\"\nhold_quiet = \"100ms\"\nhold_max = \"200ms\"\n\
         [[source]]\nname = \"nagios\"\nkind = \"nagios\"\n"
    );
    for kind in kinds() {
        let url = format!("http://127.0.0.1:{port}/{kind}");
        let auth = auth(kind)
            .replace('%', &format!("{at}/secrets"))
            .replace("URL", &url);
        let lines = story(kind).lines.join("\n");
        write!(config, "[[itsm]]\nname = \"to_{kind}\"\nkind = \"{kind}\"\nurl = \"{url}\"\n{auth}\nsettle = \"1s\"\npoll = \"500ms\"\n{lines}\n").unwrap();
    }
    let file = folder.join("c.toml");
    std::fs::write(&file, config).unwrap();
    let log = std::fs::File::create(folder.join("log")).unwrap();
    let child = Command::new(env!("CARGO_BIN_EXE_correlated"))
        .args(["run", "--config"])
        .arg(&file)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .unwrap();
    let daemon = Daemon {
        folder: folder.clone(),
        child,
        metrics,
    };
    let begun = Instant::now();
    let wait = |what: &str, holds: &dyn Fn() -> bool| {
        while !holds() {
            let log = std::fs::read_to_string(folder.join("log")).unwrap();
            assert!(
                begun.elapsed() < Duration::from_secs(120),
                "{what}: {:?}\n{log}",
                count.lock().unwrap()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    };
    wait("up", &|| {
        UnixStream::connect(folder.join("intake.sock")).is_ok()
    });
    let body =
        "HOSTNAME=web1&HOSTSTATE=DOWN&HOSTSTATETYPE=HARD&NOTIFICATIONTYPE=PROBLEM&HOSTOUTPUT=gone";
    let mut stream = UnixStream::connect(folder.join("intake.sock")).unwrap();
    write!(stream, "POST /v1/events/nagios HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}", body.len()).unwrap();
    let mut accepted = String::new();
    stream.read_to_string(&mut accepted).unwrap();
    assert!(accepted.starts_with("HTTP/1.1 200"), "{accepted}");
    let admin = || UnixStream::connect(folder.join("admin.sock")).unwrap();
    let socket = folder.join("admin.sock").display().to_string();
    // Every tool has turned a write away, and the reason stands where people look for it.
    let told = |kind: &str| {
        let all = run(&["deliveries", "--admin", &socket]);
        all.lines()
            .any(|l| l.contains(&format!("to_{kind}")) && l.contains("[removed]"))
    };
    for kind in kinds() {
        wait(kind, &|| told(kind));
    }
    let mut said = String::new();
    said.push_str(&std::fs::read_to_string(folder.join("log")).unwrap());
    files(&folder.join("store"), &mut said);
    let store = folder.join("store").display().to_string();
    said.push_str(&run(&[
        "log", "show", "--full", "--limit", "10000", "--store", &store,
    ]));
    said.push_str(&http(
        TcpStream::connect(("127.0.0.1", daemon.metrics)).unwrap(),
        "metrics",
    ));
    for path in [
        "v1/incidents",
        "v1/incidents/I000001",
        "v1/incidents/I000001/explain",
        "v1/alerts",
        "v1/deliveries",
    ] {
        said.push_str(&http(admin(), path));
    }
    for arguments in [
        vec!["incidents", "--admin", &socket],
        vec!["explain", "I000001", "--admin", &socket],
        vec!["deliveries", "--admin", &socket],
        vec!["report", "shadow", "--store", &store],
        vec!["check", "--online", file.to_str().unwrap()],
    ] {
        let text = run(&arguments);
        assert!(!text.is_empty(), "{arguments:?}");
        said.push_str(&text);
    }
    let mut hidden: Vec<String> = names.iter().map(|n| secret(n)).collect();
    hidden.extend(kinds().into_iter().map(token));
    let whole = hidden.clone();
    for secret in &whole {
        hidden.push(
            serde_json::Value::from(secret.as_str())
                .to_string()
                .trim_matches('"')
                .to_owned(),
        );
        let url = reqwest::Url::parse_with_params("http://x/", [("s", secret)]).unwrap();
        hidden.push(url.query().unwrap()[2..].to_owned());
        for pair in [format!("alertd:{secret}"), format!("{secret}:X")] {
            hidden.push(base64(pair.as_bytes()));
        }
    }
    for word in &hidden {
        let at = said.find(word.as_str()).map(|n| {
            let from = (0..=n.saturating_sub(80))
                .rev()
                .find(|n| said.is_char_boundary(*n))
                .unwrap();
            said[from..].chars().take(200).collect::<String>()
        });
        assert!(at.is_none(), "{word} is said: {at:?}");
    }
    for (kind, (reads, echoes)) in count.lock().unwrap().iter() {
        println!("{kind}: {reads} answered, {echoes} quoted");
        assert!(*echoes >= 2, "{kind}");
    }
    let removed = said.matches("[removed]").count();
    println!(
        "{} bytes are said, {removed} times a secret was taken out, {} forms looked for",
        said.len(),
        hidden.len()
    );
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for part in bytes.chunks(3) {
        let at = |n: usize| u32::from(part.get(n).copied().unwrap_or(0));
        let all = at(0) << 16 | at(1) << 8 | at(2);
        for n in 0..=part.len() {
            let six = all >> (18 - 6 * n) & 63;
            out.push(char::from(DIGITS[usize::try_from(six).unwrap()]));
        }
    }
    out
}
