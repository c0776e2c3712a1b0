//! The real program with one source and one target, and little patience.

#![allow(dead_code, reason = "each test uses a part of it")]

use crate::ports::free_port;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The longest wait for anything.
const WAIT: Duration = Duration::from_secs(60);

pub struct Daemon {
    folder: PathBuf,
    child: Child,
    intake: u16,
    metrics: u16,
}

impl Daemon {
    /// `%` in the target stands for the folder, in which a file `NAME` holds the secret `NAME`.
    pub fn new(name: &str, target: &str) -> Daemon {
        let folder =
            std::env::temp_dir().join(format!("correlated-snow-{name}-{}", std::process::id()));
        std::fs::remove_dir_all(&folder).ok();
        std::fs::create_dir_all(&folder).unwrap();
        for secret in ["s3cret", "s3cret-client", "wrong"] {
            std::fs::write(folder.join(secret), format!("{secret}\n")).unwrap();
        }
        let cmdb = r#"{"cis": [{"id": "1", "name": "web1", "class": "server"},
            {"id": "2", "name": "web2", "class": "server"},
            {"id": "3", "name": "sw1", "class": "access_switch"}],
            "relations": [{"from": "1", "type": "connects-to", "to": "3"},
            {"from": "2", "type": "connects-to", "to": "3"}]}"#;
        std::fs::write(folder.join("cmdb.json"), cmdb).unwrap();
        let (intake, metrics) = (free_port(), free_port());
        let at = folder.display().to_string();
        let config = format!(
            "[listen]\nintake = [\"127.0.0.1:{intake}\"]\nmetrics = [\"127.0.0.1:{metrics}\"]\nadmin = \"{at}/admin.sock\"\n\
             [store]\npath = \"{at}/store\"\n\
             [correlate]\nhold_p1 = \"100ms\"\nhold_p2 = \"100ms\"\nhold_p3 = \"100ms\"\nhold_p4 = \"100ms\"\n\
             hold_quiet = \"100ms\"\nhold_max = \"200ms\"\nresolve_after = \"500ms\"\n\
             [[source]]\nname = \"nagios\"\nkind = \"nagios\"\n{}\n",
            target.replace('%', &at)
        );
        std::fs::write(folder.join("correlated.toml"), config).unwrap();
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
            metrics,
        };
        let begun = Instant::now();
        let admin = daemon.folder.join("admin.sock");
        while TcpStream::connect(("127.0.0.1", intake)).is_err()
            || UnixStream::connect(&admin).is_err()
        {
            assert!(begun.elapsed() < WAIT, "not ready: {}", daemon.log());
            std::thread::sleep(Duration::from_millis(20));
        }
        daemon
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    /// Removes a file of ours.
    pub fn forget(&self, file: &str) {
        std::fs::remove_file(self.folder.join(file)).unwrap();
    }

    /// The same for the cursor of a target, which may not have been written yet.
    pub fn forget_cursor(&self, target: &str) {
        std::fs::remove_file(self.folder.join("store/cursors").join(target)).ok();
    }

    /// Waits until a metric stands so.
    pub fn wait_metric(&self, line: &str) {
        let begun = Instant::now();
        loop {
            let mut stream = TcpStream::connect(("127.0.0.1", self.metrics)).unwrap();
            let head = "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
            stream.write_all(head.as_bytes()).unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            if answer.lines().any(|l| l == line) {
                return;
            }
            assert!(begun.elapsed() < WAIT, "{line}: {answer} {}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until the log says it.
    pub fn wait_log(&self, text: &str) {
        let begun = Instant::now();
        while !self.log().contains(text) {
            assert!(begun.elapsed() < WAIT, "{text:?}: {}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub fn down(&self, host: &str, output: &str) {
        self.post(&format!(
            "HOSTNAME={host}&HOSTSTATE=DOWN&HOSTSTATETYPE=HARD&NOTIFICATIONTYPE=PROBLEM&HOSTOUTPUT={output}"
        ));
    }

    pub fn up(&self, host: &str) {
        self.post(&format!(
            "HOSTNAME={host}&HOSTSTATE=UP&HOSTSTATETYPE=HARD&NOTIFICATIONTYPE=RECOVERY"
        ));
    }

    /// Posts to any path of the intake: the status and the body of the answer.
    pub fn send(&self, path: &str, headers: &[(&str, &str)], body: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(("127.0.0.1", self.intake)).unwrap();
        let more: String = headers
            .iter()
            .map(|(n, v)| format!("{n}: {v}\r\n"))
            .collect();
        let head = format!(
            "POST /{path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{more}\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (
            head.split(' ').nth(1).unwrap().parse().unwrap(),
            body.to_owned(),
        )
    }

    fn post(&self, body: &str) {
        let mut stream = TcpStream::connect(("127.0.0.1", self.intake)).unwrap();
        let head = format!(
            "POST /v1/events/nagios HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }

    /// The command line: what it printed, or what it complained of.
    pub fn run(&self, arguments: &[&str]) -> Result<String, String> {
        let done = Command::new(env!("CARGO_BIN_EXE_correlated"))
            .args(arguments)
            .arg("--admin")
            .arg(self.folder.join("admin.sock"))
            .output()
            .unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
        match done.status.success() {
            true => Ok(text(&done.stdout)),
            false => Err(text(&done.stderr)),
        }
    }

    pub fn admin(&self, method: &str, path: &str) -> String {
        let mut stream = UnixStream::connect(self.folder.join("admin.sock")).unwrap();
        let head = format!(
            "{method} /{path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
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
