//! `correlated send`: the notifier for Nagios and Icinga. It sends a notification, or keeps it on disk.
//!
//! Nagios runs it for each notification, gives it 30 seconds and never tries again: so it starts fast, has one
//! deadline for everything, and what could not be sent waits in the spool. While something waits for a host or
//! service, what follows about the same waits behind it.

mod answer;
mod flush;
mod macros;
mod post;
mod selftest;
mod spool;

use crate::config;
use answer::Outcome;
use macros::Macros;
use post::Way;
use spool::{REFUSED, Spool};
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Sent, or kept to be sent.
const DONE: u8 = 0;
/// A person has to do something.
const FAULT: u8 = 1;
/// The notification is lost.
const LOST: u8 = 2;
/// Nagios kills after 30 seconds, and each notification under way takes one of its slots.
const MAX_TIMEOUT: Duration = Duration::from_secs(9);

/// What can be said to `correlated send`.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// Address of the source at the daemon.
    #[arg(long, default_value = "http://127.0.0.1:7580/v1/events/nagios")]
    url: String,
    /// File with the token of the source.
    #[arg(long)]
    token_file: Option<PathBuf>,
    /// Certificates (PEM) to trust besides those of the system.
    #[arg(long)]
    ca_file: Option<PathBuf>,
    /// Folder for what could not be sent.
    #[arg(long, default_value = "/var/spool/correlated")]
    spool: PathBuf,
    /// Room in it; when it is full, notifications are lost, loudly.
    #[arg(long, default_value = "64MiB", value_parser = size)]
    spool_max: u64,
    /// Time for everything, at most 9s.
    #[arg(long, default_value = "8s", value_parser = timeout)]
    timeout: Duration,
    /// Send what waits, oldest first, and nothing else.
    #[arg(long, conflicts_with_all = ["self_test", "macros"])]
    flush: bool,
    /// As the monitoring user: say what is denied, one line for each check.
    #[arg(long, conflicts_with = "macros")]
    self_test: bool,
    /// Macros, with or without NAGIOS_ or ICINGA_; without any, those of the environment.
    #[arg(value_name = "NAME=VALUE")]
    macros: Vec<OsString>,
}

fn size(text: &str) -> Result<u64, String> {
    u64::try_from(config::size(text)?).map_err(|e| e.to_string())
}

fn timeout(text: &str) -> Result<Duration, String> {
    let millis = u64::try_from(config::duration(text)?.0).map_err(|e| e.to_string())?;
    match Duration::from_millis(millis) {
        Duration::ZERO => Err("no time at all".to_owned()),
        long if long > MAX_TIMEOUT => Err("more than 9s: Nagios would kill us first".to_owned()),
        good => Ok(good),
    }
}

/// Says a line to whoever reads the log of Nagios or of the timer.
fn complain(text: &str) {
    super::complain(&format!("correlated send: {text}"));
}

pub(super) fn run(options: &Options) -> ExitCode {
    let way = Way {
        url: options.url.clone(),
        token_file: options.token_file.clone(),
        ca_file: options.ca_file.clone(),
        timeout: options.timeout,
    };
    let spool = Spool::new(&options.spool, options.spool_max);
    let code = match options {
        Options { flush: true, .. } => flush::run(&way, &spool),
        Options {
            self_test: true, ..
        } => selftest::run(&way, &spool),
        Options { macros, .. } => match gather(macros) {
            Ok(macros) => send(&way, &spool, macros),
            Err(why) => {
                complain(&why);
                FAULT
            }
        },
    };
    ExitCode::from(code)
}

/// The notification.
fn gather(arguments: &[OsString]) -> Result<Macros, String> {
    if arguments.is_empty() {
        let macros = macros::from_environment(std::env::vars_os());
        return match macros.is_empty() {
            true => Err(
                "nothing to send: the environment has no NAGIOS_ or ICINGA_ macros; set enable_environment_macros=1 in nagios.cfg, or give NAME=value arguments"
                    .to_owned(),
            ),
            false => Ok(macros),
        };
    }
    let (macros, odd) = macros::from_arguments(arguments);
    if let Some(first) = odd.first() {
        let text = "is not NAME=value (quote each argument in command_line)";
        complain(&format!("left out {}: {first:?} {text}", odd.len()));
    }
    match macros.is_empty() {
        true => Err("nothing to send: every argument is empty or not NAME=value".to_owned()),
        false => Ok(macros),
    }
}

fn send(way: &Way, spool: &Spool, mut macros: Macros) -> u8 {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    macros::stamp(&mut macros, now.as_secs());
    let object = macros::object(&macros);
    let body = macros::json(&macros).to_string().into_bytes();
    let before = match spool.list() {
        Ok(waiting) => waiting.iter().filter(|w| w.object() == object).count(),
        Err(why) => {
            complain(&why);
            0
        }
    };
    if before > 0 {
        let why = format!("{before} of the same host or service wait before it");
        return keep(spool, &object, &body, &why, DONE);
    }
    match post::post(way, &body) {
        Outcome::Taken(_) => DONE,
        Outcome::Refused { why, .. } => {
            let kept = match spool.refuse(&object, &body, &why) {
                Ok(()) => format!("kept in {}/{REFUSED}", spool.folder().display()),
                Err(why) => format!("and not kept: {why}"),
            };
            complain(&format!("refused by {}, {kept}: {why}", way.url));
            FAULT
        }
        Outcome::Fault(why) => keep(spool, &object, &body, &why, FAULT),
        Outcome::Away { why, .. } => keep(spool, &object, &body, &why, DONE),
    }
}

fn keep(spool: &Spool, object: &str, body: &[u8], why: &str, code: u8) -> u8 {
    match spool.put(object, body) {
        Ok(()) => {
            let mend = if code == FAULT {
                "; to be mended by a person (--self-test says more)"
            } else {
                ""
            };
            complain(&format!("spooled, will be sent by --flush: {why}{mend}"));
            code
        }
        Err(full) => {
            complain(&format!(
                "LOST: {why}; and the spool does not take it: {full}"
            ));
            LOST
        }
    }
}
