//! Recordings and folders of the tests that run `correlated replay`.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::panic,
    reason = "test support: a test stops at what it does not expect, and uses a part of it"
)]

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

pub fn fixture(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/replay");
    folder.join(name)
}

/// A folder of a test, gone at its end.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new(name: &str) -> Folder {
        let folder = std::env::temp_dir().join(format!("correlated-{name}-{}", std::process::id()));
        std::fs::remove_dir_all(&folder).ok();
        std::fs::create_dir_all(&folder).unwrap();
        Folder(folder)
    }

    pub fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// A file with these lines.
    pub fn lines(&self, name: &str, lines: &[&str]) -> PathBuf {
        let file = self.join(name);
        let text: String = lines.iter().map(|l| format!("{l}\n")).collect();
        std::fs::write(&file, text).unwrap();
        file
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            std::fs::remove_dir_all(&self.0).ok();
        }
    }
}

/// `correlated replay` with these arguments.
pub fn replay(arguments: &[&dyn AsRef<std::ffi::OsStr>]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_correlated"));
    command.arg("replay");
    for argument in arguments {
        command.arg(argument);
    }
    command.output().unwrap()
}

pub fn out(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

pub fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {}", err(output)))
}

/// A host is down, as a line of a recording.
pub fn down(at: &str, host: &str) -> String {
    let body = format!(
        "HOSTNAME={host}&HOSTSTATE=DOWN&HOSTSTATETYPE=HARD&NOTIFICATIONTYPE=PROBLEM&HOSTOUTPUT=gone"
    );
    let content_type = "application/x-www-form-urlencoded";
    serde_json::json!({
        "at": at, "id": host, "source": "nagios", "content_type": content_type, "body": body
    })
    .to_string()
}
