//! The real program as a daemon, and its command line.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    dead_code,
    missing_docs,
    reason = "test support; each test uses a part of it"
)]

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub struct Daemon {
    pub folder: PathBuf,
    child: Child,
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
        std::fs::remove_dir_all(&self.folder).ok();
    }
}

impl Daemon {
    /// A daemon with a source of kind nagios and this CMDB; `more` is added to its configuration.
    pub fn new(name: &str, cmdb: &str, more: &str) -> Daemon {
        let folder = std::env::temp_dir().join(format!("correlated-{name}-{}", std::process::id()));
        std::fs::remove_dir_all(&folder).ok();
        std::fs::create_dir_all(&folder).unwrap();
        let at = folder.display();
        let config = format!(
            "[listen]\nintake = [\"{at}/intake.sock\"]\nmetrics = []\nadmin = \"{at}/admin.sock\"\n\
             [store]\npath = \"{at}/store\"\n\
             [[source]]\nname = \"nagios\"\nkind = \"nagios\"\n\
             [[cmdb]]\nname = \"file\"\nkind = \"file\"\npath = \"{at}/cmdb.json\"\n\
             [correlate]\narrival_lag = \"0s\"\n{more}"
        );
        std::fs::write(folder.join("cmdb.json"), cmdb).unwrap();
        std::fs::write(folder.join("c.toml"), config).unwrap();
        let log = std::fs::File::create(folder.join("log")).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_correlated"))
            .args(["run", "--config"])
            .arg(folder.join("c.toml"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let daemon = Daemon { folder, child };
        let begun = Instant::now();
        while UnixStream::connect(daemon.folder.join("intake.sock")).is_err()
            || daemon.run(&["incidents"]).is_err()
        {
            let log = std::fs::read_to_string(daemon.folder.join("log")).unwrap();
            assert!(begun.elapsed() < Duration::from_secs(30), "not up: {log}");
            std::thread::yield_now();
        }
        daemon
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

    pub fn exchange(&self, socket: &str, path: &str, kind: &str, body: &str) -> String {
        let mut stream = UnixStream::connect(self.folder.join(socket)).unwrap();
        let request = format!(
            "POST /{path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    /// The answer of the admin socket to a question.
    pub fn get(&self, path: &str) -> String {
        let mut stream = UnixStream::connect(self.folder.join("admin.sock")).unwrap();
        let request = format!("GET /{path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    pub fn down(&self, host: &str) {
        let body = format!(
            "HOSTNAME={host}&HOSTSTATE=DOWN&HOSTSTATETYPE=HARD&NOTIFICATIONTYPE=PROBLEM&HOSTOUTPUT=gone"
        );
        let form = "application/x-www-form-urlencoded";
        let answer = self.exchange("intake.sock", "v1/events/nagios", form, &body);
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }

    /// Status and error of a command over the socket.
    pub fn api(&self, path: &str, body: &str) -> (u16, String) {
        let answer = self.exchange(
            "admin.sock",
            &format!("v1/incidents/{path}"),
            "application/json",
            body,
        );
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let value: serde_json::Value = serde_json::from_str(body).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let text = value["error"].as_str().or(value["text"].as_str());
        (status, text.unwrap_or_default().to_owned())
    }
}
