//! `correlated demo`: the main job on a sample estate, through real HTTP, in a temporary store.

use super::{ask, logging, print, runtime};
use crate::config;
use crate::daemon::deliver::Shown;
use crate::daemon::{self, Running, clock};
use crate::model::Millis;
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

const CMDB: &str = include_str!("../../config/cmdb.sample.json");
const STORM: &str = include_str!("../../config/demo.ndjson");
/// The longest wait for anything.
const WAIT: Duration = Duration::from_secs(20);
/// How often we look.
const LOOK: Duration = Duration::from_millis(50);

/// The configuration of the demo: everything at its default, but in a hurry.
fn configuration(language: &str) -> String {
    format!(
        r#"
[listen]
intake = ["127.0.0.1:0"]
metrics = ["127.0.0.1:0"]
admin = "admin.sock"
[store]
path = "store"
[[source]]
name = "nagios"
kind = "nagios"
[[source]]
name = "prometheus"
kind = "prometheus"
[[cmdb]]
name = "file"
kind = "file"
path = "cmdb.json"
[[itsm]]
name = "shadow"
kind = "shadow"
language = "{language}"
[correlate]
hold_p1 = "1500ms"
hold_p2 = "2s"
hold_p3 = "2s"
hold_p4 = "2s"
hold_quiet = "500ms"
resolve_after = "1s"
"#
    )
}

struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok(); // the system empties its temporary folder in the end
    }
}

fn folder() -> Result<Folder, String> {
    let name = format!("correlated-demo-{}-{}", std::process::id(), clock::wall().0);
    let path = std::env::temp_dir().join(name);
    std::fs::create_dir(&path).map_err(|e| format!("{}: {e}", path.display()))?;
    Ok(Folder(path))
}

pub(super) fn run(keep: bool, language: &str) -> Result<(), String> {
    logging("error");
    let folder = folder()?;
    let file = |name: &str| folder.0.join(name);
    std::fs::write(file("cmdb.json"), CMDB).map_err(|e| e.to_string())?;
    let base = folder.0.display().to_string();
    let text = configuration(language).replace("admin.sock", &format!("{base}/admin.sock"));
    std::fs::write(file("correlated.toml"), &text).map_err(|e| e.to_string())?;
    let config = config::load(&text, &base).map_err(|problems| {
        let lines: Vec<String> = problems.iter().map(|p| p.show("demo")).collect();
        lines.join("\n")
    })?;
    let runtime = runtime()?;
    let (tell, told) = oneshot::channel();
    let config_file = file("correlated.toml");
    let daemon = runtime.spawn(daemon::run(config, Some(config_file), Some(tell)));
    let running = match runtime.block_on(told) {
        Ok(running) => running,
        Err(_) => return runtime.block_on(daemon).map_err(|e| e.to_string())?,
    };
    let played = play(&running, &base);
    if keep && played.is_ok() {
        let socket = format!("{base}/admin.sock");
        print(&format!(
            "\nThe daemon keeps running; Ctrl-C ends it.\n  alerts to    http://{}/v1/events/nagios and /prometheus\n  metrics at   http://{}/metrics\n  ask it with  correlated incidents --admin {socket}\n",
            running.intake.join(", "),
            running.metrics.join(", ")
        ));
    } else {
        running.stop.send(true).ok(); // it may have ended already
    }
    let ended = runtime.block_on(daemon).map_err(|e| e.to_string())?;
    played.and(ended)
}

fn play(running: &Running, base: &str) -> Result<(), String> {
    let begun = Instant::now();
    let began = clock::wall().plus(Millis::secs(-20));
    let address = running.intake.first().cloned().unwrap_or_default();
    let socket = format!("{base}/admin.sock");
    let admin = socket.as_str();
    print(
        "Sample estate: 59 CIs in Copenhagen. Switch sw-cph1-a07 fails; its symptoms arrive first, over HTTP,\nfrom Nagios and Alertmanager. At the same time a disk fills on another server.\n\n",
    );

    let storm = send(&address, "storm", began)?;
    print(&storm.text());
    wait(admin, "two incidents with a ticket each", |all| {
        let ticketed = all.iter().filter(|i| !tickets(i).is_empty());
        ticketed.count() >= 2
    })?;
    let all = incidents(admin)?;
    let live = |i: &&Value| text(i, "state") != "merged";
    print("\nWHAT CAME OUT\n");
    print(&ask::list(
        &serde_json::json!({ "incidents": all.iter().filter(live).collect::<Vec<_>>() }),
    ));
    let shown = of(&running.shown);
    for (step, title, body) in shown
        .iter()
        .filter(|(step, _, _)| *step == "create")
        .map(|s| (s.0, &s.1, &s.2))
        .take(2)
    {
        print(&format!("\nTICKET ({step})\n{title}\n\n{body}\n"));
    }
    for incident in all.iter().filter(live).rev() {
        let answer = ask::fetch(
            admin,
            &format!("v1/incidents/{}/explain", text(incident, "id")),
        )?;
        print(&format!(
            "\nWHY (correlated explain {})\n",
            text(incident, "id")
        ));
        print(&shorten(&super::explain::reasons(&answer), 12));
    }

    print("\nThe switch comes back.\n\n");
    let recovery = send(&address, "recovery", began)?;
    print(&recovery.text());
    wait(admin, "the ticket resolved", |_| {
        of(&running.shown)
            .iter()
            .any(|(step, _, _)| *step == "resolve")
    })?;
    for (_, _, note) in of(&running.shown)
        .iter()
        .filter(|(step, _, _)| *step == "resolve")
    {
        print(&format!(
            "\nLAST NOTE, AND THE TICKET IS RESOLVED\n{note}\n"
        ));
    }
    print("\nSTILL OPEN\n");
    let open: Vec<Value> = incidents(admin)?
        .into_iter()
        .filter(|i| ["pending", "open", "recovering"].contains(&text(i, "state")))
        .collect();
    print(&ask::list(&serde_json::json!({ "incidents": open })));
    print(&format!(
        "\n{} alerts in {} requests became {} tickets in {:.1} s. Nothing outside this folder was touched.\n",
        storm.events + recovery.events,
        storm.requests + recovery.requests,
        of(&running.shown)
            .iter()
            .filter(|(step, _, _)| *step == "create")
            .count(),
        begun.elapsed().as_secs_f64()
    ));
    Ok(())
}

fn of(shown: &Shown) -> Vec<(&'static str, String, String)> {
    shown.list()
}

fn shorten(text: &str, lines: usize) -> String {
    let all: Vec<&str> = text.lines().collect();
    let more = all.len().saturating_sub(lines);
    let mut out: String = all.iter().take(lines).map(|l| format!("{l}\n")).collect();
    if more > 0 {
        out.push_str(&format!("  ... {more} more lines\n"));
    }
    out
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn tickets(incident: &Value) -> Vec<String> {
    let list = incident.get("tickets").and_then(Value::as_array);
    list.into_iter()
        .flatten()
        .map(|t| text(t, "ticket").to_owned())
        .filter(|t| !t.is_empty())
        .collect()
}

fn incidents(admin: &str) -> Result<Vec<Value>, String> {
    let answer = ask::fetch(admin, "v1/incidents?state=all")?;
    let list = answer.get("incidents").and_then(Value::as_array);
    Ok(list.cloned().unwrap_or_default())
}

fn wait(admin: &str, what: &str, mut ready: impl FnMut(&[Value]) -> bool) -> Result<(), String> {
    let begun = Instant::now();
    while begun.elapsed() < WAIT {
        let all = incidents(admin)?;
        if ready(&all) {
            return Ok(());
        }
        std::thread::sleep(LOOK);
    }
    Err(format!(
        "waited {} s in vain for {what}: a bug",
        WAIT.as_secs()
    ))
}

#[derive(Default)]
struct Sent {
    requests: usize,
    events: u64,
    repeated: u64,
    by_source: BTreeMap<String, u64>,
}

impl Sent {
    fn text(&self) -> String {
        let sources: Vec<String> = self
            .by_source
            .iter()
            .map(|(s, n)| format!("{s} {n}"))
            .collect();
        format!(
            "WHAT CAME IN\n{} alerts in {} requests ({}); {} of them were repeats\n",
            self.events,
            self.requests,
            sources.join(", "),
            self.repeated
        )
    }
}

/// Posts one phase of the recording, whose alerts began at `began`.
fn send(address: &str, phase: &str, began: Millis) -> Result<Sent, String> {
    let mut sent = Sent::default();
    let now = clock::wall();
    let unix = if phase == "storm" { began } else { now };
    for line in STORM.lines() {
        let line: Value = serde_json::from_str(line).map_err(|e| format!("demo.ndjson: {e}"))?;
        if text(&line, "phase") != phase {
            continue;
        }
        let source = text(&line, "source");
        let body = text(&line, "body")
            .replace("{unix}", &(unix.0 / 1000).to_string())
            .replace("{rfc3339}", &began.rfc3339())
            .replace("{now3339}", &now.rfc3339());
        let answer = post(address, source, text(&line, "content_type"), &body)?;
        let count = |key: &str| answer.get(key).and_then(Value::as_u64).unwrap_or(0);
        sent.requests += 1;
        sent.events += count("accepted") + count("repeated");
        sent.repeated += count("repeated");
        *sent.by_source.entry(source.to_owned()).or_default() +=
            count("accepted") + count("repeated");
    }
    Ok(sent)
}

fn post(address: &str, source: &str, content_type: &str, body: &str) -> Result<Value, String> {
    let wrong = |e: &dyn std::fmt::Display| format!("posting to {address}: {e}");
    let mut stream = TcpStream::connect(address).map_err(|e| wrong(&e))?;
    stream.set_read_timeout(Some(WAIT)).map_err(|e| wrong(&e))?;
    let head = format!(
        "POST /v1/events/{source} HTTP/1.1\r\nHost: demo\r\nConnection: close\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).map_err(|e| wrong(&e))?;
    stream.write_all(body.as_bytes()).map_err(|e| wrong(&e))?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).map_err(|e| wrong(&e))?;
    let (head, body) = answer
        .split_once("\r\n\r\n")
        .ok_or_else(|| wrong(&"no answer"))?;
    match head.split(' ').nth(1) {
        Some("200") => serde_json::from_str(body).map_err(|e| wrong(&e)),
        _ => Err(wrong(&answer)),
    }
}
