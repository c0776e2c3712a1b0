//! What systemd itself says about `systemd/`. Where `systemd-analyze` is not installed (or older than 252,
//! the oldest that the unit is for) these tests have nothing to ask and say so.

#![expect(clippy::expect_used, reason = "a helper of a test fails its test")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const UNIT: &str = "correlated.service";
const SOCKET: &str = "correlated.socket";
/// Its last part keeps systemd from reading it as it lies: versions before 253 would lose their reload by it.
const DROP_IN: &str = "correlated.service.d/notify-reload.conf.253";

/// Version of the installed systemd, if it can judge the unit.
fn version() -> Option<u32> {
    let output = Command::new("systemd-analyze").arg("--version").output();
    let text = output
        .ok()
        .map(|out| String::from_utf8_lossy(&out.stdout).into_owned());
    let version = text.and_then(|text| text.split_whitespace().nth(1)?.parse().ok());
    if version.is_none_or(|version| version < 252) {
        eprintln!("skipped: systemd-analyze 252 or later is not installed (found {version:?})");
    }
    version.filter(|version| *version >= 252)
}

fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("systemd")
        .join(name)
}

/// A folder of the test's own with the unit, whose commands name the program just built: `verify` refuses a
/// program that is not there, and reads drop-ins that lie beside the unit.
fn lay_out(test: &str, drop_in: bool) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("systemd-{test}"));
    drop(fs::remove_dir_all(&folder));
    fs::create_dir_all(folder.join("correlated.service.d")).expect("folder");
    let unit = fs::read_to_string(source(UNIT)).expect("unit");
    assert!(
        unit.contains("=/usr/bin/correlated "),
        "the unit names its program by this path"
    );
    let unit = unit.replace(
        "=/usr/bin/correlated ",
        &format!("={} ", env!("CARGO_BIN_EXE_correlated")),
    );
    fs::write(folder.join(UNIT), unit).expect("unit");
    fs::copy(source(SOCKET), folder.join(SOCKET)).expect("socket");
    if drop_in {
        let installed = folder.join(DROP_IN).with_extension("");
        fs::copy(source(DROP_IN), installed).expect("drop-in");
    }
    folder
}

/// Lines of `systemd-analyze verify` that are about our files; it also judges units that ours comes after.
fn verify(folder: &Path) -> Vec<String> {
    let output = Command::new("systemd-analyze")
        .arg("verify")
        .arg(folder.join(UNIT))
        .arg(folder.join(SOCKET))
        .output()
        .expect("verify");
    let text = String::from_utf8_lossy(&output.stderr);
    let ours = text.lines().filter(|line| line.contains("correlated"));
    ours.map(str::to_owned).collect()
}

#[test]
fn the_unit_is_understood_whole() {
    if version().is_some() {
        // "ignoring" is how systemd says that a line does nothing; its exit code stays 0.
        assert_eq!(verify(&lay_out("unit", false)), Vec::<String>::new());
    }
}

#[test]
fn the_drop_in_is_for_253_and_later() {
    let Some(version) = version() else { return };
    let complaints = verify(&lay_out("drop-in", true));
    let ignored = complaints
        .iter()
        .filter(|line| line.contains("ignoring"))
        .count();
    assert_eq!(
        ignored > 0,
        version < 253,
        "systemd {version}: {complaints:#?}"
    );
}

#[test]
fn the_unit_is_hardened() {
    if version().is_none() {
        return;
    }
    let unit = lay_out("hardened", false).join(UNIT);
    // The threshold is in tenths: 15 is an exposure of 1.5.
    let judge = ["security", "--offline=true", "--no-pager", "--threshold=15"];
    let output = Command::new("systemd-analyze")
        .args(judge)
        .arg(unit)
        .output()
        .expect("security");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
}

#[test]
fn the_unit_says_what_the_daemon_relies_on() {
    let unit = fs::read_to_string(source(UNIT)).expect("unit");
    for line in [
        "Type=notify",
        "ExecStartPre=/usr/bin/correlated check /etc/correlated/correlated.toml",
        "ExecReload=/usr/bin/correlated reload",
        "WatchdogSec=120",
        "StateDirectory=correlated",
        "RuntimeDirectory=correlated",
        "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX",
    ] {
        assert!(unit.lines().any(|found| found == line), "no line {line}");
    }
    assert!(
        unit.lines()
            .any(|line| line.starts_with("#LoadCredential=")),
        "no example of a credential"
    );
}

const FLUSH: &str = "correlated-send-flush.service";
const TIMER: &str = "correlated-send-flush.timer";

/// The flush and its timer, in a folder of the test's own.
fn lay_out_flush(test: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("systemd-{test}"));
    drop(fs::remove_dir_all(&folder));
    fs::create_dir_all(&folder).expect("folder");
    for name in [FLUSH, TIMER] {
        let text = fs::read_to_string(source(name)).expect("unit");
        let here = format!("={} ", env!("CARGO_BIN_EXE_correlated"));
        let text = text.replace("=/usr/bin/correlated ", &here);
        fs::write(folder.join(name), text).expect("unit");
    }
    folder
}

#[test]
fn the_flush_and_its_timer_are_understood_whole_and_hardened() {
    if version().is_none() {
        return;
    }
    let folder = lay_out_flush("flush");
    let output = Command::new("systemd-analyze")
        .arg("verify")
        .args([folder.join(FLUSH), folder.join(TIMER)])
        .output()
        .expect("verify");
    let text = String::from_utf8_lossy(&output.stderr);
    let ours: Vec<&str> = text.lines().filter(|l| l.contains("correlated")).collect();
    assert_eq!(ours, Vec::<&str>::new());
    let judge = ["security", "--offline=true", "--no-pager", "--threshold=15"];
    let output = Command::new("systemd-analyze")
        .args(judge)
        .arg(folder.join(FLUSH))
        .output()
        .expect("security");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
}
