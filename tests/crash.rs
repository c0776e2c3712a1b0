//! The real program: killed under load, stopped, reloaded, and an hour of hostile senders in a few seconds.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at what it does not expect"
)]

mod ports;

use ports::free_port;
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// The longest wait for anything.
const WAIT: Duration = Duration::from_secs(30);

struct Daemon {
    folder: PathBuf,
    child: Child,
    intake: u16,
    metrics: u16,
}

impl Daemon {
    fn new(name: &str, more: &str) -> Daemon {
        let folder = std::env::temp_dir().join(format!("correlated-{name}-{}", std::process::id()));
        std::fs::remove_dir_all(&folder).ok();
        std::fs::create_dir_all(&folder).unwrap();
        let (intake, metrics) = (free_port(), free_port());
        let config = format!(
            "[listen]\nintake = [\"127.0.0.1:{intake}\"]\nmetrics = [\"127.0.0.1:{metrics}\"]\n\
             admin = \"{0}/admin.sock\"\nheader_timeout = \"1s\"\nbody_timeout = \"1s\"\nbody_limit = \"4MiB\"\n\
             max_connections = 50\n\
             [store]\npath = \"{0}/store\"\n\
             [[source]]\nname = \"nagios\"\nkind = \"nagios\"\n\
             [[source]]\nname = \"prometheus\"\nkind = \"prometheus\"\n{more}\n",
            folder.display()
        );
        std::fs::write(folder.join("correlated.toml"), config).unwrap();
        let child = spawn(&folder);
        let daemon = Daemon {
            folder,
            child,
            intake,
            metrics,
        };
        daemon.wait_ready();
        daemon
    }

    fn wait_ready(&self) {
        let begun = Instant::now();
        while begun.elapsed() < WAIT {
            if get(self.metrics, "readyz").is_some_and(|a| a.starts_with("HTTP/1.1 200")) {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("not ready: {}", self.log());
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    fn signal(&self, name: &str) {
        let done = Command::new("kill")
            .arg(format!("-{name}"))
            .arg(self.child.id().to_string())
            .status();
        assert!(done.unwrap().success());
    }

    fn start(&mut self) {
        self.child = spawn(&self.folder);
        self.wait_ready();
    }

    fn stop(&mut self) -> std::process::ExitStatus {
        self.signal("TERM");
        let begun = Instant::now();
        while begun.elapsed() < WAIT {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("it does not stop: {}", self.log());
    }

    fn metric(&self, name: &str) -> f64 {
        let text = get(self.metrics, "metrics").unwrap_or_default();
        let line = text
            .lines()
            .find(|l| l.starts_with(name) && l[name.len()..].starts_with([' ', '{']));
        line.and_then(|l| l.rsplit(' ').next()?.parse().ok())
            .unwrap_or(f64::NAN)
    }

    fn live_hosts(&self) -> BTreeSet<String> {
        self.live("host")
    }

    /// A label of all alerts that fire.
    fn live(&self, label: &str) -> BTreeSet<String> {
        let answer = admin(&self.folder, "GET", "v1/alerts").unwrap();
        let value: serde_json::Value =
            serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap();
        let alerts = value["alerts"].as_array().unwrap().clone();
        alerts
            .iter()
            .filter(|a| a["state"] == "firing")
            .map(|a| a["labels"][label].as_str().unwrap_or_default().to_owned())
            .collect()
    }
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

fn spawn(folder: &std::path::Path) -> Child {
    let log = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(folder.join("log"))
        .unwrap();
    Command::new(env!("CARGO_BIN_EXE_correlated"))
        .args(["run", "--config"])
        .arg(folder.join("correlated.toml"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .unwrap()
}

fn raw(port: u16, bytes: &[u8]) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(WAIT)).ok()?;
    stream.write_all(bytes).ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok();
    Some(String::from_utf8_lossy(&answer).into_owned())
}

fn get(port: u16, path: &str) -> Option<String> {
    raw(
        port,
        format!("GET /{path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").as_bytes(),
    )
}

fn post(port: u16, path: &str, content_type: &str, body: &[u8]) -> Option<String> {
    let head = format!(
        "POST /v1/events/{path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    raw(port, &[head.as_bytes(), body].concat())
}

fn admin(folder: &std::path::Path, method: &str, path: &str) -> Option<String> {
    let mut stream = UnixStream::connect(folder.join("admin.sock")).ok()?;
    let head = format!(
        "{method} /{path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: 0\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer)
}

fn down(host: &str) -> String {
    format!(
        "HOSTNAME={host}&HOSTSTATE=DOWN&HOSTSTATETYPE=HARD&NOTIFICATIONTYPE=PROBLEM&HOSTOUTPUT=gone"
    )
}

const FORM: &str = "application/x-www-form-urlencoded";

#[test]
fn what_was_acknowledged_survives_a_kill_under_load() {
    let mut daemon = Daemon::new("kill", "");
    let acknowledged = Arc::new(Mutex::new(BTreeSet::new()));
    let port = daemon.intake;
    let senders: Vec<_> = (0..4)
        .map(|n| {
            let acknowledged = acknowledged.clone();
            std::thread::spawn(move || {
                for m in 0.. {
                    let host = format!("host-{n}-{m}");
                    match post(port, "nagios", FORM, down(&host).as_bytes()) {
                        Some(answer) if answer.starts_with("HTTP/1.1 200") => {
                            acknowledged.lock().unwrap().insert(host);
                        }
                        Some(answer) if answer.is_empty() => return,
                        None => return,
                        Some(other) => panic!("{other}"),
                    }
                }
            })
        })
        .collect();
    let begun = Instant::now();
    while acknowledged.lock().unwrap().len() < 200 && begun.elapsed() < WAIT {
        std::thread::sleep(Duration::from_millis(5));
    }
    daemon.kill();
    for sender in senders {
        sender.join().unwrap();
    }
    let acknowledged = acknowledged.lock().unwrap().clone();
    assert!(
        acknowledged.len() >= 200,
        "{} in {WAIT:?}",
        acknowledged.len()
    );
    daemon.start();
    let live = daemon.live_hosts();
    let lost: Vec<&String> = acknowledged.difference(&live).collect();
    assert!(
        lost.is_empty(),
        "{} of {} are lost: {lost:?}",
        lost.len(),
        acknowledged.len()
    );
    // A clean stop ends with 0 and leaves a snapshot at the head: the next start replays nothing.
    assert!(daemon.stop().success(), "{}", daemon.log());
    daemon.start();
    let log = daemon.log();
    let last = log
        .lines()
        .rfind(|l| l.contains("state restored"))
        .unwrap()
        .to_owned();
    assert!(last.contains("entries=0"), "{last}");
    assert_eq!(daemon.live_hosts(), live);
}

#[test]
fn killed_again_and_again_it_does_not_start_more_slowly_each_time() {
    let mut daemon = Daemon::new("again", "");
    for n in 0..600 {
        let answer = post(
            daemon.intake,
            "nagios",
            FORM,
            down(&format!("host-{n}")).as_bytes(),
        );
        assert!(answer.unwrap().starts_with("HTTP/1.1 200"));
    }
    let replayed = |daemon: &Daemon| -> u64 {
        let log = daemon.log();
        let last = log.lines().rfind(|l| l.contains("state restored")).unwrap();
        let count = last.split("entries=").nth(1).unwrap();
        count.split(' ').next().unwrap().parse().unwrap()
    };
    daemon.kill();
    daemon.start();
    assert!(replayed(&daemon) >= 600, "{}", daemon.log());
    // The snapshot is written beside the work.
    let begun = Instant::now();
    while replayed(&daemon) >= 600 && begun.elapsed() < WAIT {
        std::thread::sleep(Duration::from_millis(500));
        daemon.kill();
        daemon.start();
    }
    assert!(replayed(&daemon) < 100, "{}", daemon.log());
    assert_eq!(daemon.live_hosts().len(), 600);
}

#[test]
fn a_bad_reload_changes_nothing_and_says_so() {
    let daemon = Daemon::new("reload", "");
    let file = daemon.folder.join("correlated.toml");
    let good = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("{good}\n[corelate]\n")).unwrap();
    let answer = admin(&daemon.folder, "POST", "v1/reload").unwrap();
    assert!(answer.starts_with("HTTP/1.1 422"), "{answer}");
    assert!(
        answer.contains("did you mean \\\"correlate\\\"?"),
        "{answer}"
    );
    assert!(daemon.metric("correlated_config_last_reload_successful") < 0.5);
    std::fs::write(&file, format!("{good}\n[correlate]\nwindow = \"5m\"\n")).unwrap();
    let answer = admin(&daemon.folder, "POST", "v1/reload").unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(daemon.log().contains("rules 2 in force"));
    // By signal, as an old systemd does it.
    std::fs::write(&file, &good).unwrap();
    daemon.signal("HUP");
    let begun = Instant::now();
    while !daemon.log().contains("rules 3 in force") {
        assert!(begun.elapsed() < WAIT, "{}", daemon.log());
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_hostile_hour_is_answered_and_the_next_good_request_too() {
    let daemon = Daemon::new("hostile", "");
    let port = daemon.intake;
    let json = "application/json";
    let alert = |labels: &str, rest: &str| {
        format!(
            "{{\"version\":\"4\",\"alerts\":[{{\"status\":\"firing\",\"startsAt\":\"2026-11-22T00:00:00Z\",\"labels\":{{{labels}}}{rest}}}]}}"
        )
    };
    let many: Vec<String> = (0..100_000).map(|n| format!("\"l{n}\":\"v\"")).collect();
    let status = |answer: Option<String>| -> u16 {
        let answer = answer.unwrap_or_default();
        answer
            .split(' ')
            .nth(1)
            .and_then(|s| s.parse().ok())
            .unwrap_or(0)
    };
    let huge = alert(
        "\"a\":\"b\"",
        &format!(",\"annotations\":{{\"x\":\"{}\"}}", "y".repeat(10 << 20)),
    );
    for (what, path, content_type, body, want) in [
        ("random bytes", "prometheus", json, vec![0xff, 0x00, 0xfe, 0x7b], 400),
        ("100,000 labels", "prometheus", json, alert(&many.join(","), "").into_bytes(), 400),
        ("10 MB annotation over the limit", "prometheus", json, huge.into_bytes(), 413),
        ("deep nesting", "prometheus", json, "[".repeat(100_000).into_bytes(), 400),
        ("duplicate keys", "prometheus", json, alert("\"a\":\"b\",\"a\":\"c\"", "").into_bytes(), 200),
        ("NaN", "prometheus", json, alert("\"a\":NaN", "").into_bytes(), 400),
        ("latin-1", "nagios", json, b"{\"host\":\"a\",\"state\":\"DOWN\",\"output\":\"Gr\xf6\xdfe\"}".to_vec(), 200),
        ("year 9999", "prometheus/api/v2/alerts", json, b"[{\"labels\":{\"a\":\"b\"},\"startsAt\":\"9999-12-31T23:59:59Z\",\"endsAt\":\"9999-12-31T23:59:59Z\"}]".to_vec(), 200),
        ("year 1", "prometheus/api/v2/alerts", json, b"[{\"labels\":{\"a\":\"c\"},\"startsAt\":\"0000-01-01T00:00:00Z\"}]".to_vec(), 200),
        ("empty", "prometheus", json, Vec::new(), 400),
        ("wrong type", "prometheus", "text/html", b"<html>".to_vec(), 415),
        ("unknown source", "zabbix", json, b"{}".to_vec(), 404),
        ("unknown path", "prometheus/api/v1/alerts", json, b"[]".to_vec(), 404),
        ("trailing slash", "nagios/", FORM, down("slash").into_bytes(), 200),
        ("empty environment", "nagios", json, b"{}".to_vec(), 400),
    ] {
        let answer = post(port, path, content_type, &body);
        assert_eq!(status(answer.clone()), want, "{what}: {answer:?}");
    }
    assert_eq!(
        status(get(port, "v1/events/prometheus")),
        405,
        "a redirect that became a GET"
    );
    // One bad alert never spoils its batch.
    let mixed = "{\"version\":\"4\",\"alerts\":[{\"status\":\"odd\"},{\"status\":\"firing\",\"startsAt\":\"2026-11-22T00:00:00Z\",\"labels\":{\"host\":\"good\"}}]}";
    let answer = post(port, "prometheus", json, mixed.as_bytes()).unwrap();
    assert!(
        answer.contains("\"accepted\":1") && answer.contains("\"index\":0"),
        "{answer}"
    );
    // Slow heads and bodies are cut, and do not keep others out.
    let mut slow: Vec<TcpStream> = (0..40)
        .map(|_| TcpStream::connect(("127.0.0.1", port)).unwrap())
        .collect();
    for (n, stream) in slow.iter_mut().enumerate() {
        let head: &[u8] = match n % 2 {
            0 => b"POST /v1/events/nagios HTTP/1.1\r\nHo",
            _ => b"POST /v1/events/nagios HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nHOSTNAME",
        };
        stream.write_all(head).unwrap();
    }
    assert_eq!(
        status(post(port, "nagios", FORM, down("meanwhile").as_bytes())),
        200
    );
    for stream in &mut slow {
        stream.set_read_timeout(Some(WAIT)).unwrap();
        let mut rest = Vec::new();
        let begun = Instant::now();
        stream.read_to_end(&mut rest).ok();
        assert!(begun.elapsed() < WAIT, "a slow sender holds its connection");
    }
    // Truncated in the middle.
    let cut = TcpStream::connect(("127.0.0.1", port)).unwrap();
    (&cut)
        .write_all(b"POST /v1/events/nagios HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nHOST")
        .unwrap();
    drop(cut);
    assert_eq!(
        status(post(port, "nagios", FORM, down("after").as_bytes())),
        200
    );
    let live = daemon.live_hosts();
    for host in ["slash", "good", "meanwhile", "after"] {
        assert!(live.contains(host), "{host} is not in {live:?}");
    }
    let memory = std::fs::read_to_string(format!("/proc/{}/status", daemon.child.id())).unwrap();
    let peak = memory.lines().find(|l| l.starts_with("VmHWM")).unwrap();
    let kib: u64 = peak.split_whitespace().nth(1).unwrap().parse().unwrap();
    assert!(kib < 300 << 10, "{peak}");
    assert!(!daemon.log().contains("panicked"), "{}", daemon.log());
}

#[test]
fn tokens_and_tls_keep_strangers_out() {
    let folder = std::env::temp_dir().join(format!("correlated-tls-files-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let at = folder.display();
    let made = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=localhost",
        ])
        .args([
            "-keyout",
            &format!("{at}/key.pem"),
            "-out",
            &format!("{at}/cert.pem"),
        ])
        .output();
    if !made.is_ok_and(|m| m.status.success()) {
        return println!("openssl is not here: TLS is not tried");
    }
    std::fs::write(folder.join("token"), "s3cret\n").unwrap();
    let more =
        format!("[[source]]\nname = \"guarded\"\nkind = \"nagios\"\ntoken_file = \"{at}/token\"\n");
    let daemon = Daemon::new("guarded", &more);
    let answer = post(daemon.intake, "guarded", FORM, down("a").as_bytes()).unwrap();
    assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
    let body = down("a");
    let with = |token: &str| {
        let head = format!(
            "POST /v1/events/guarded HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {token}\r\nContent-Type: {FORM}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        raw(daemon.intake, head.as_bytes()).unwrap()
    };
    assert!(with("wrong").starts_with("HTTP/1.1 401"));
    assert!(with("s3cret").starts_with("HTTP/1.1 200"));
    assert!(!daemon.log().contains("s3cret"));
    // The same over TLS, by a client that trusts the certificate.
    let file = daemon.folder.join("correlated.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let tls = format!("[listen]\ntls_cert = \"{at}/cert.pem\"\ntls_key = \"{at}/key.pem\"\n");
    std::fs::write(&file, text.replacen("[listen]\n", &tls, 1)).unwrap();
    let answer = admin(&daemon.folder, "POST", "v1/reload").unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let curl = Command::new("curl")
        .args([
            "-s",
            "--cacert",
            &format!("{at}/cert.pem"),
            "-H",
            "Authorization: Bearer s3cret",
            "-d",
            &body,
        ])
        .args([
            "--resolve",
            &format!("localhost:{}:127.0.0.1", daemon.intake),
        ])
        .arg(format!(
            "https://localhost:{}/v1/events/guarded",
            daemon.intake
        ))
        .output();
    match curl {
        Ok(curl) => {
            let text = String::from_utf8_lossy(&curl.stdout).into_owned();
            assert!(
                text.contains("\"accepted\":1"),
                "{text} {}",
                String::from_utf8_lossy(&curl.stderr)
            );
        }
        Err(error) => println!("curl is not here ({error}): TLS is not tried"),
    }
    std::fs::remove_dir_all(&folder).ok();
}

#[test]
fn a_full_store_is_said_and_loses_nothing_that_was_acknowledged() {
    // The daemon's store is made anew with a limit that a few hundred alerts reach.
    let mut daemon = Daemon::new("full", "");
    daemon.kill();
    let file = daemon.folder.join("correlated.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let small = text.replacen("[store]\n", "[store]\nmax_bytes = \"300KiB\"\n", 1);
    std::fs::write(&file, &small).unwrap();
    daemon.start();
    let mut acknowledged = BTreeSet::new();
    // Text that does not compress.
    let mut noise = 7u64;
    let mut long = || -> String {
        let digits = (0..200).map(|_| {
            noise = noise
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            format!("{noise:016x}")
        });
        digits.collect()
    };
    let refused = (0..2000).find_map(|n| {
        let host = format!("full-{n}");
        let body = format!("{}&LONGHOSTOUTPUT={}", down(&host), long());
        let answer = post(daemon.intake, "nagios", FORM, body.as_bytes()).unwrap();
        match answer.starts_with("HTTP/1.1 200") {
            true => {
                acknowledged.insert(host);
                None
            }
            false => Some(answer),
        }
    });
    let refused = refused.expect("the limit acts");
    assert!(refused.starts_with("HTTP/1.1 503"), "{refused}");
    assert!(refused.to_lowercase().contains("retry-after:"), "{refused}");
    let begun = Instant::now();
    while daemon.metric("correlated_store_full") < 0.5 {
        assert!(begun.elapsed() < WAIT, "{}", daemon.log());
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(
        daemon.log().contains("the store is full"),
        "{}",
        daemon.log()
    );
    // With room again, everything that was acknowledged is there.
    daemon.kill();
    std::fs::write(&file, &text).unwrap();
    daemon.start();
    let live = daemon.live_hosts();
    let lost: Vec<&String> = acknowledged.difference(&live).collect();
    assert!(lost.is_empty(), "{lost:?}");
}

#[test]
fn a_cmdb_that_lost_too_much_is_refused_and_the_old_graph_stays() {
    let folder = std::env::temp_dir().join(format!("correlated-cmdb-files-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("cmdb.json");
    let cmdb = |n: u32| {
        let cis: Vec<String> = (0..n).map(|n| format!("{{\"id\":\"ci{n}\"}}")).collect();
        format!("{{\"cis\":[{}]}}", cis.join(","))
    };
    std::fs::write(&file, cmdb(10)).unwrap();
    let more = format!(
        "[[cmdb]]\nname = \"file\"\nkind = \"file\"\npath = \"{}\"\n",
        file.display()
    );
    let daemon = Daemon::new("cmdb", &more);
    let cis = |want: f64| {
        let begun = Instant::now();
        while (daemon.metric("correlated_graph_cis") - want).abs() > 0.1 {
            assert!(
                begun.elapsed() < WAIT,
                "{} CIs: {}",
                daemon.metric("correlated_graph_cis"),
                daemon.log()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    };
    cis(10.0);
    std::fs::write(&file, cmdb(5)).unwrap();
    let answer = admin(&daemon.folder, "POST", "v1/reload").unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 422") && answer.contains("lost 50 %"),
        "{answer}"
    );
    std::fs::write(&file, "{\"cis\": [\n{]}").unwrap();
    let answer = admin(&daemon.folder, "POST", "v1/reload").unwrap();
    assert!(answer.contains("cmdb.json:2"), "{answer}");
    cis(10.0);
    std::fs::write(&file, cmdb(9)).unwrap();
    let answer = admin(&daemon.folder, "POST", "v1/reload").unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    cis(9.0);
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn more_alerts_than_allowed_are_turned_away_but_their_recoveries_are_not() {
    let mut daemon = Daemon::new("room", "");
    daemon.kill();
    let file = daemon.folder.join("correlated.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(
        &file,
        text.replacen("[listen]\n", "[listen]\nmax_alerts = 3\n", 1),
    )
    .unwrap();
    daemon.start();
    let send = |body: String| post(daemon.intake, "nagios", FORM, body.as_bytes()).unwrap();
    for n in 0..3 {
        assert!(send(down(&format!("h{n}"))).starts_with("HTTP/1.1 200"));
    }
    let answer = send(down("h3"));
    assert!(
        answer.starts_with("HTTP/1.1 503") && answer.contains("max_alerts"),
        "{answer}"
    );
    let up = "HOSTNAME=h0&HOSTSTATE=UP&HOSTSTATETYPE=HARD&NOTIFICATIONTYPE=RECOVERY".to_owned();
    assert!(send(up).starts_with("HTTP/1.1 200"));
    assert!(!daemon.live_hosts().contains("h0"));
}

#[test]
fn of_a_body_with_a_new_alert_too_many_only_that_is_turned_away() {
    let mut daemon = Daemon::new("mixed", "");
    daemon.kill();
    let file = daemon.folder.join("correlated.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let text = text.replacen("[listen]\n", "[listen]\nmax_alerts = 2\n", 1);
    std::fs::write(&file, text).unwrap();
    daemon.start();
    let alert = |name: &str, ends: &str| {
        let labels = format!("{{\"alertname\":\"{name}\"}}");
        format!(
            "{{\"labels\":{labels},\"startsAt\":\"2026-01-01T00:00:00Z\",\"endsAt\":\"{ends}\"}}"
        )
    };
    let send = |alerts: &[String]| {
        let body = format!("[{}]", alerts.join(","));
        let path = "prometheus/api/v2/alerts";
        post(daemon.intake, path, "application/json", body.as_bytes()).unwrap()
    };
    let (later, over) = ("2099-01-01T00:00:00Z", "2026-01-01T01:00:00Z");
    assert!(send(&[alert("goes", later), alert("stays", later)]).starts_with("HTTP/1.1 200"));
    let all = [
        alert("new", later),
        alert("goes", over),
        alert("stays", later),
    ];
    let answer = send(&all);
    assert!(
        answer.starts_with("HTTP/1.1 503") && answer.contains("max_alerts"),
        "{answer}"
    );
    // The sender comes again with all of them; the recovery has passed.
    assert_eq!(
        daemon.live("alertname"),
        BTreeSet::from(["stays".to_owned()])
    );
}

/// Everything that a daemon has written or says: its files, its log unpacked, its metrics, its views.
fn all_that_is_said(daemon: &Daemon) -> String {
    fn files(folder: &std::path::Path, out: &mut String) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => files(&path, out),
                // The configuration and sockets are not what it says.
                false if path.extension().is_some_and(|e| e == "toml" || e == "sock") => {}
                false => out.push_str(&String::from_utf8_lossy(
                    &std::fs::read(&path).unwrap_or_default(),
                )),
            }
        }
    }
    let mut out = String::new();
    files(&daemon.folder, &mut out);
    let log = Command::new(env!("CARGO_BIN_EXE_correlated"))
        .args(["log", "show", "--full", "--limit", "10000", "--store"])
        .arg(daemon.folder.join("store"))
        .output()
        .unwrap();
    assert!(log.status.success());
    out.push_str(&String::from_utf8_lossy(&log.stdout));
    out.push_str(&get(daemon.metrics, "metrics").unwrap());
    for path in [
        "v1/alerts",
        "v1/incidents",
        "v1/incidents/I000001",
        "v1/incidents/I000001/explain",
    ] {
        out.push_str(&admin(&daemon.folder, "GET", path).unwrap());
    }
    out
}

#[test]
fn secrets_and_redacted_values_are_nowhere() {
    let rules = "[ticket]\nlink_base = \"https://c.example.net/\"\n[[source]]\nname = \"zabbix\"\nkind = \"zabbix\"\ntoken_file = \"TOKEN\"\n\
        [[redact.rule]]\nlabel = \"comment\"\n\
        [[redact.rule]]\nregex = \"customer (\\\\w+)\"\naction = \"hash\"\n";
    let token = std::env::temp_dir().join(format!("correlated-token-{}", std::process::id()));
    std::fs::write(&token, "TokenOfZabbix77\n").unwrap();
    let daemon = Daemon::new("redact", &rules.replace("TOKEN", token.to_str().unwrap()));
    let hidden = [
        "hunter2",
        "Jane Doe",
        "jane.doe@example.net",
        "private words",
        "Globex",
        "TokenOfZabbix77",
        "wrong-guess-1",
        "Bearer abcdefgh12345",
    ];
    let form = "HOSTNAME=db1&HOSTSTATE=DOWN&HOSTSTATETYPE=HARD&NOTIFICATIONTYPE=PROBLEM\
        &HOSTOUTPUT=login+failed+password%3Dhunter2+for+customer+Globex+by+jane.doe%40example.net\
        &NOTIFICATIONAUTHOR=Jane+Doe&NOTIFICATIONCOMMENT=private+words&HOSTACTIONURL=https%3A%2F%2Fbob%3Ahunter2%40db1%2F";
    assert!(
        post(daemon.intake, "nagios", FORM, form.as_bytes())
            .unwrap()
            .starts_with("HTTP/1.1 200")
    );
    // The same in bodies that are refused and kept, and in reasons that quote them.
    let bad = r#"{"NAGIOS_HOSTNAME": "db1", "HOSTSTATE": "password=hunter2 customer Globex", "NOTIFICATIONAUTHOR": "Jane Doe", "NOTIFICATIONCOMMENT": "private \u0077ords", "x": "jane.doe\u0040example.net"}"#;
    let answer = post(daemon.intake, "nagios", "application/json", bad.as_bytes()).unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 400") && !answer.contains("hunter2"),
        "{answer}"
    );
    let with = |token: &str| {
        let body = r#"{"event_id":"7","event_source":"0","event_value":"1","update_status":"1","event_name":"Authorization: Bearer abcdefgh12345","event_nseverity":"5","host_host":"db2","trigger_id":"3","update_user":"Jane Doe","update_action":"acknowledged and commented","update_message":"private words","tags":[]}"#;
        let head = format!(
            "POST /v1/events/zabbix HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\nAuthorization: Bearer {token}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        raw(daemon.intake, head.as_bytes()).unwrap()
    };
    assert!(with("wrong-guess-1").starts_with("HTTP/1.1 401"));
    let answer = with("TokenOfZabbix77");
    // Zabbix writes back what it reads here.
    assert!(
        answer.contains("\"url\":\"https://c.example.net/v1/alerts/"),
        "{answer}"
    );
    assert!(
        answer.contains("\"incident\":\"I000002\"")
            && answer.contains("\"outcome\":\"acknowledged\""),
        "{answer}"
    );
    assert!(with("TokenOfZabbix77").contains("\"incident\":\"I000002\""));
    let kept = daemon.folder.join("store/quarantine");
    assert!(std::fs::read_dir(kept).unwrap().count() > 0);
    let test = std::fs::read_to_string(
        "tests/fixtures/source/zabbix/v60-media-type-test-button-unresolved-macros.json",
    );
    let test: serde_json::Value = serde_json::from_str(&test.unwrap()).unwrap();
    let body = test["body"].as_str().unwrap();
    let head = format!(
        "POST /v1/events/zabbix/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\nAuthorization: Bearer TokenOfZabbix77\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let answer = raw(daemon.intake, head.as_bytes()).unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 200") && answer.contains("test received"),
        "{answer}"
    );
    let said = all_that_is_said(&daemon);
    for word in hidden {
        let at = said.find(word).map(|n| {
            said[n.saturating_sub(80)..]
                .chars()
                .take(200)
                .collect::<String>()
        });
        assert!(at.is_none(), "{word} is said: {at:?}");
    }
    assert!(
        said.contains("login failed password=[removed] for customer ~"),
        "the rest stays"
    );
    std::fs::remove_file(token).ok();
}

/// Holds the intake socket as systemd does, and starts the daemon again a second after it ended.
const KEEPER: &str = r#"
import os, socket, subprocess, sys, time
port, command = int(sys.argv[1]), sys.argv[2:]
s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("127.0.0.1", port)); s.listen(64)
for start in range(2):
    pid = os.fork()
    if pid == 0:
        if s.fileno() != 3: os.dup2(s.fileno(), 3)
        os.set_inheritable(3, True)
        os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))
        os.execv(command[0], command)
    print(pid, flush=True)
    os.waitpid(pid, 0)
    time.sleep(1)
"#;

#[test]
fn a_socket_that_systemd_holds_refuses_nobody_over_a_restart() {
    use std::io::BufRead;
    let mut daemon = Daemon::new("socket", "");
    assert!(daemon.stop().success());
    let log = std::fs::OpenOptions::new()
        .append(true)
        .open(daemon.folder.join("log"))
        .unwrap();
    let mut keeper = Command::new("python3")
        .args([
            "-c",
            KEEPER,
            &daemon.intake.to_string(),
            env!("CARGO_BIN_EXE_correlated"),
            "run",
            "--config",
        ])
        .arg(daemon.folder.join("correlated.toml"))
        .stdout(Stdio::piped())
        .stderr(log)
        .spawn()
        .unwrap();
    let mut pids = std::io::BufReader::new(keeper.stdout.take().unwrap()).lines();
    let pid = pids.next().unwrap().unwrap();
    daemon.wait_ready();
    let good = |host: &str| {
        let answer = post(daemon.intake, "nagios", FORM, down(host).as_bytes());
        let answer = answer.unwrap_or_else(|| panic!("{host} is refused: {}", daemon.log()));
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    };
    good("before");
    assert!(Command::new("kill").arg(&pid).status().unwrap().success());
    let gone = || get(daemon.metrics, "readyz").is_none();
    let begun = Instant::now();
    while !gone() && begun.elapsed() < WAIT {
        std::thread::sleep(Duration::from_millis(5));
    }
    good("meanwhile");
    daemon.wait_ready();
    let hosts: Vec<String> = daemon.live_hosts().into_iter().collect();
    assert_eq!(hosts, ["before", "meanwhile"]);
    let pid = pids.next().unwrap().unwrap();
    Command::new("kill").arg(&pid).status().unwrap();
    keeper.wait().unwrap();
}
