//! `correlated send --self-test`: what the monitoring user is denied, one line for each check.

use super::answer::{Outcome, reason};
use super::post::{self, Target, Way};
use super::spool::Spool;
use super::{DONE, FAULT, macros};
use crate::cli::print;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What waits longer than this tells that nothing delivers it.
const LONG: Duration = Duration::from_secs(600);

#[derive(Default)]
struct Report {
    failed: bool,
}

impl Report {
    fn line(&mut self, what: &str, result: Result<String, String>) -> bool {
        match &result {
            Ok(text) => print(&format!("ok   {what}: {text}\n")),
            Err(text) => print(&format!("FAIL {what}: {text}\n")),
        }
        self.failed |= result.is_err();
        result.is_ok()
    }

    fn note(&self, what: &str, text: &str) {
        print(&format!("note {what}: {text}\n"));
    }
}

/// Runs every check that makes sense; the exit code.
pub(super) fn run(way: &Way, spool: &Spool) -> u8 {
    let mut report = Report::default();
    user(&mut report);
    spooled(&mut report, spool);
    let mut equipped = true;
    let readable = post::token(way);
    if let Some(file) = &way.token_file {
        let text = file.display().to_string();
        equipped &= report.line("token file", readable.map(|_| text).map_err(readable_by_us));
    }
    if let Some(file) = &way.ca_file {
        let certificates = post::roots(way).map(|_| file.display().to_string());
        equipped &= report.line("ca file", certificates.map_err(readable_by_us));
    }
    if equipped && network(&mut report, way) {
        report.line("answer", answer(way));
    }
    let count = macros::count_in_environment(std::env::vars_os());
    match count {
        0 => report.note(
            "environment",
            "no NAGIOS_ or ICINGA_ macros, as in any shell; a command of Nagios without NAME=value arguments needs enable_environment_macros=1",
        ),
        count => report.note("environment", &format!("{count} NAGIOS_ or ICINGA_ names")),
    }
    if report.failed { FAULT } else { DONE }
}

fn readable_by_us(why: String) -> String {
    format!("{why}: let the monitoring user read it (chgrp, chmod 640)")
}

fn user(report: &mut Report) {
    match std::fs::metadata("/proc/self").map(|m| m.uid()) {
        Ok(0) => report.note(
            "user",
            "this is root, to whom nothing is denied; say: runuser -u nagios -- correlated send --self-test ...",
        ),
        Ok(uid) => report.note("user", &format!("uid {uid}")),
        Err(_) => {} // no /proc, and no need for it
    }
}

fn spooled(report: &mut Report, spool: &Spool) {
    let folder = spool.folder().display();
    let tried = match spool.folder().is_dir() {
        true => spool.probe(),
        false => Err(format!(
            "{folder}: no folder that we may enter; make it with: install -d -m 2750 -o USER -g GROUP {folder}"
        )),
    };
    if !report.line("spool", tried.map(|()| format!("{folder} can be written"))) {
        return;
    }
    let waiting = spool.list().unwrap_or_default();
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let oldest = waiting.first().and_then(|one| one.at());
    let age = oldest.map_or(Duration::ZERO, |at| now.saturating_sub(at));
    let text = format!(
        "{} waiting, the oldest for {} s",
        waiting.len(),
        age.as_secs()
    );
    let moving = match age > LONG {
        true => Err(format!(
            "{text}: start the timer (systemctl enable --now correlated-send-flush.timer), or see its log"
        )),
        false => Ok(text),
    };
    report.line("waiting", moving);
    match spool.count_refused() {
        0 => {}
        count => report.note(
            "refused",
            &format!("{count} kept in {folder}/refused with the reason"),
        ),
    }
}

/// Name, connection, handshake: each is said on its own, because each is mended elsewhere.
fn network(report: &mut Report, way: &Way) -> bool {
    let until = post::deadline(way);
    let target = match Target::parse(&way.url) {
        Ok(target) => target,
        Err(why) => return report.line("url", Err(why)),
    };
    let resolved = target.resolve(until);
    let addresses = resolved.clone().unwrap_or_default();
    let said = resolved.map(|all| {
        let all: Vec<String> = all.iter().map(|a| a.ip().to_string()).collect();
        format!("{} is {}", target.host, all.join(", "))
    });
    let hint = |why| format!("{why}: correct --url, or DNS and /etc/hosts here");
    if !report.line("resolve", said.map_err(hint)) {
        return false;
    }
    if way.token_file.is_some() && !target.https && !addresses.iter().all(|a| a.ip().is_loopback())
    {
        report.note("token", "it goes over the network in the clear; use https");
    }
    let stream = match post::connect(&addresses, until) {
        Ok(stream) => stream,
        Err(why) => {
            let hint = "does correlated run there, does [listen] intake name this address, does a firewall stand between";
            return report.line("connect", Err(format!("{why}: {hint}")));
        }
    };
    report.line("connect", Ok(format!("port {}", target.port)));
    if !target.https {
        return true;
    }
    let shaken = post::secure(way, &target, stream);
    let said = match shaken {
        Ok(_) => Ok("the certificate is trusted".to_owned()),
        Err(Outcome::Fault(why) | Outcome::Away { why, .. }) => Err(format!(
            "{why}: name the issuer with --ca-file, and the host in --url as the certificate does"
        )),
        Err(Outcome::Taken(_) | Outcome::Refused { .. }) => Err("no handshake".to_owned()),
    };
    report.line("tls", said)
}

/// An empty list: the daemon looks at it like at any other, and nothing comes of it.
fn answer(way: &Way) -> Result<String, String> {
    let (status, bytes) = match post::try_post(way, b"[]") {
        Ok(answer) => answer,
        Err(Outcome::Fault(why) | Outcome::Away { why, .. }) => return Err(why),
        Err(Outcome::Taken(_) | Outcome::Refused { .. }) => return Err("no answer".to_owned()),
    };
    let (value, text) = reason(&bytes);
    let token = match way.token_file {
        Some(_) => "compare --token-file with token_file of the source",
        None => "the source has a token_file; name a copy with --token-file",
    };
    let hint = match status {
        200 if value.get("accepted").is_some() => return Ok(format!("{} takes us", way.url)),
        200..300 => "this is not the answer of correlated; correct --url",
        401 => token,
        404 => "name a [[source]] of kind nagios in --url, as in /v1/events/nagios",
        400 | 415 => "this source is not of kind nagios; correct --url",
        503 => "correlated is there and takes nothing at the moment; see its log",
        _ => "correct --url: it must lead to correlated itself, without redirects",
    };
    Err(format!("{status}: {text}: {hint}"))
}
