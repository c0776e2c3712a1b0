//! The command line.

mod ask;
mod copy;
mod deliveries;
mod demo;
mod explain;
mod hands;
mod log;
mod online;
mod replay;
mod report;
mod send;
mod upgrade;

use crate::config;
use crate::daemon::{self, refresh};
use crate::graph::Graph;
use crate::rules::Mode;
use clap::{CommandFactory, Parser, Subcommand};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::OnceLock;
use tracing_subscriber::EnvFilter;

/// Alert correlation daemon: takes in alerts durably, correlates them on the CMDB graph, keeps exactly one
/// ticket per incident.
#[derive(Debug, Parser)]
#[command(name = "correlated", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the daemon.
    Run {
        /// Configuration file.
        #[arg(long, default_value = "/etc/correlated/correlated.toml")]
        config: PathBuf,
    },
    /// Check a configuration and its CMDB; says everything that is wrong.
    Check {
        /// Configuration file.
        #[arg(default_value = "/etc/correlated/correlated.toml")]
        file: PathBuf,
        /// Print the reference of every key instead.
        #[arg(long)]
        reference: bool,
        /// Start this version on a copy of this store as well, and say what would not go on.
        #[arg(long, value_name = "STORE")]
        upgrade_from: Option<PathBuf>,
        /// Ask each ticket tool as well, without changing anything, whether it is as the file says; fails if
        /// something is to be fixed.
        #[arg(long)]
        online: bool,
    },
    /// Show the main job on a sample estate, in a temporary store.
    Demo {
        /// Leave the daemon running afterwards.
        #[arg(long)]
        keep: bool,
        /// Language of the tickets.
        #[arg(long, default_value = "en", value_parser = ["en", "da"])]
        language: String,
    },
    /// List incidents.
    Incidents {
        /// pending, open, recovering, resolved, merged or all; without: what is live.
        #[arg(long)]
        state: Option<String>,
        /// Print JSON.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        admin: Admin,
    },
    /// List alerts that opened incident after incident within a day.
    Chronic {
        /// Print JSON.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        admin: Admin,
    },
    /// List what waits to be written to tickets, or try it again now.
    Deliveries(deliveries::Options),
    /// Say why an incident is what it is, why an alert is not in it, or why nobody was paged.
    Explain(explain::Options),
    #[command(flatten)]
    Hands(hands::Verb),
    /// Read configuration and CMDB again, and wait until they are in force.
    Reload {
        #[command(flatten)]
        admin: Admin,
    },
    /// Look into the log.
    Log {
        #[command(subcommand)]
        what: Log,
    },
    /// Say what happened and what would have, from the history of the store.
    Report {
        #[command(subcommand)]
        what: ReportOf,
    },
    /// Play what happened once more, and say what became of it. Nothing is sent.
    Replay(replay::Options),
    /// Say what alerts tell of the CMDB: what it does not know, relations that do not show, or are missing.
    Findings(replay::findings::Options),
    /// Print a completion script for a shell.
    Completions {
        /// bash, zsh, fish, elvish or powershell.
        shell: clap_complete::Shell,
    },
    /// Print the manual page, or write one for each command.
    Man {
        /// Folder for the pages.
        #[arg(long)]
        dir: Option<PathBuf>,
    },
    /// Copy the store, in use or not, into a new file. The copy gets a key space of its own.
    Backup {
        /// The new file.
        file: PathBuf,
        /// Folder of the store.
        #[arg(long, default_value = "/var/lib/correlated")]
        store: PathBuf,
    },
    /// Send a notification of Nagios or Icinga; keep it on disk if that cannot be done now.
    Send(send::Options),
}

#[derive(Debug, Subcommand)]
enum Log {
    /// Print entries, one record a line.
    Show {
        /// Folder of the store.
        #[arg(long, default_value = "/var/lib/correlated")]
        store: PathBuf,
        /// First entry.
        #[arg(long, default_value_t = 1)]
        from: u64,
        /// How many entries.
        #[arg(long, default_value_t = 100)]
        limit: usize,
        /// Print every field.
        #[arg(long)]
        full: bool,
    },
}

#[derive(Debug, Subcommand)]
enum ReportOf {
    /// Tickets avoided, biggest groups, doubtful ones, alerts without a CI.
    Shadow {
        /// How many days back.
        #[arg(long, default_value_t = 7)]
        days: u32,
        /// Folder of the store.
        #[arg(long, default_value = "/var/lib/correlated")]
        store: PathBuf,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, clap::Args)]
struct Admin {
    /// Admin socket of the daemon.
    #[arg(long, default_value = "/run/correlated/admin.sock")]
    admin: String,
}

/// Runs the program.
pub fn main() -> ExitCode {
    let code = done();
    match LOST.get() {
        None => code,
        Some(why) => {
            complain(&format!("standard output: {why}"));
            ExitCode::FAILURE
        }
    }
}

fn done() -> ExitCode {
    // The only TLS provider that is built in; a second call in one process changes nothing.
    rustls::crypto::ring::default_provider()
        .install_default()
        .ok();
    let result = match Arguments::parse().command {
        Command::Run { config } => run(&config),
        Command::Check {
            reference: true, ..
        } => {
            print(&config::reference());
            Ok(())
        }
        Command::Check {
            file,
            reference: false,
            upgrade_from,
            online,
        } => check(&file, upgrade_from.as_deref(), online),
        Command::Demo { keep, language } => demo::run(keep, &language),
        Command::Incidents { state, json, admin } => {
            ask::incidents(&admin.admin, state.as_deref(), json)
        }
        Command::Chronic { json, admin } => ask::chronic(&admin.admin, json),
        Command::Deliveries(options) => deliveries::run(options),
        Command::Explain(options) => explain::run(&options),
        Command::Hands(verb) => hands::run(verb),
        Command::Reload { admin } => ask::reload(&admin.admin),
        Command::Log {
            what:
                Log::Show {
                    store,
                    from,
                    limit,
                    full,
                },
        } => log::show(&store, from, limit, full),
        Command::Report {
            what: ReportOf::Shadow { days, store, json },
        } => report::shadow(&store, days, json),
        Command::Replay(options) => match replay::run(&options) {
            Ok(code) => return code,
            Err(why) => Err(why),
        },
        Command::Findings(options) => replay::findings::run(&options),
        Command::Completions { shell } => {
            let mut out = Vec::new();
            clap_complete::generate(shell, &mut Arguments::command(), "correlated", &mut out);
            print(&String::from_utf8_lossy(&out));
            Ok(())
        }
        Command::Man { dir } => man(dir.as_deref()),
        Command::Backup { file, store } => log::backup(&store, &file),
        Command::Send(options) => return send::run(&options),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            complain(&why);
            ExitCode::FAILURE
        }
    }
}

/// Why something that was printed is lost.
static LOST: OnceLock<String> = OnceLock::new();

/// Prints to standard output; a reader that closed the pipe is no error. What else goes wrong is told at the end.
fn print(text: &str) {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    if let Err(error) = written
        && error.kind() != ErrorKind::BrokenPipe
    {
        LOST.get_or_init(|| error.to_string());
    }
}

fn complain(why: &str) {
    use std::io::Write;
    let mut err = std::io::stderr().lock();
    writeln!(err, "{why}").ok(); // there is nowhere else to say it
}

fn runtime() -> Result<tokio::runtime::Runtime, String> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|e| format!("runtime: {e}"))
}

fn logging(level: &str) {
    let filter = EnvFilter::try_new(format!("warn,correlated={level}")).unwrap_or_default();
    let under_systemd = std::env::var_os("JOURNAL_STREAM").is_some();
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(false);
    // The journal has its own time and no colours. A second subscriber (a test) is left alone.
    if under_systemd {
        subscriber.without_time().with_ansi(false).try_init().ok();
    } else {
        subscriber
            .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
            .try_init()
            .ok();
    }
}

fn man(dir: Option<&Path>) -> Result<(), String> {
    let told = |e: std::io::Error| e.to_string();
    match dir {
        Some(dir) => std::fs::create_dir_all(dir)
            .and_then(|()| clap_mangen::generate_to(Arguments::command(), dir))
            .map_err(|e| format!("{}: {e}", dir.display())),
        None => {
            let mut out = Vec::new();
            clap_mangen::Man::new(Arguments::command())
                .render(&mut out)
                .map_err(told)?;
            print(&String::from_utf8_lossy(&out));
            Ok(())
        }
    }
}

fn run(file: &Path) -> Result<(), String> {
    let config = refresh::load_config(file)?;
    logging(&config.plumbing.log_level);
    runtime()?.block_on(daemon::run(config, Some(file.to_owned()), None))
}

/// `1 finding`, `2 findings`.
fn several(n: usize, what: &str) -> String {
    match n {
        1 => format!("1 {what}"),
        n => format!("{n} {what}s"),
    }
}

fn check(file: &Path, upgrade_from: Option<&Path>, online: bool) -> Result<(), String> {
    let config = refresh::load_config(file)?;
    crate::rules::Rules::compile(config.rules.clone())?;
    let shown = file.display().to_string();
    let mut out = format!("{shown}: good\n");
    let text = refresh::config_text(file)?;
    let mut doubts = config::lint::doubts(&text, &config);
    doubts.extend(config::lint::windows(&text, &config, daemon::clock::wall()));
    for cmdb in &config.plumbing.cmdbs {
        let (raw, findings) = refresh::load_graph(cmdb)?;
        out.push_str(&format!(
            "cmdb {}: {}, {}, {}\n",
            cmdb.settings.name,
            several(raw.cis.len(), "CI"),
            several(raw.relations.len(), "relation"),
            several(findings.len(), "finding")
        ));
        for finding in &findings {
            out.push_str(&format!("  {}: {}\n", finding.place, finding.text));
        }
        doubts.extend(config::lint::estate(&text, &config, &raw));
        let known = &config.rules.correlate.relations;
        let graph = Graph::build(raw.into(), known, &config.rules.domains);
        for window in &config.plumbing.windows {
            for why in window.cis.iter().filter_map(|ci| graph.doubt(ci)) {
                let name = &window.name;
                out.push_str(&format!("  window {name:?}: {why}: it covers nothing\n"));
            }
        }
        let raw = graph.raw();
        let mut kinds: Vec<&str> = raw.relations.iter().map(|r| r.kind.as_str()).collect();
        kinds.sort_unstable();
        kinds.dedup();
        for kind in kinds.into_iter().filter(|k| !known.contains_key(*k)) {
            out.push_str(&format!(
                "  relation type {kind:?} has no weight in [correlate.relations]: it carries no faults\n"
            ));
        }
    }
    for target in &config.plumbing.targets {
        let name = &target.settings.name;
        let further = target.webhook_secret.iter();
        let further = further.chain(target.reads.as_ref().map(|r| &r.secret));
        let secrets = target.secret.iter().chain(target.auth.secret());
        for from in secrets.chain(further) {
            match daemon::http::secret(from) {
                Ok(_) => {}
                // A credential is there only when systemd starts the unit.
                Err(why) => {
                    out.push_str(&format!("itsm {name}: secret cannot be read here: {why}\n"))
                }
            }
        }
        let needs = target.kind.hint.and_then(|h| h.needs);
        if let Some(key) = needs.filter(|k| target.settings.options.secret(k).is_none()) {
            out.push_str(&format!(
                "itsm {name}: without {key} nobody sees what people do in its tickets\n"
            ));
        }
        let mode = match config.rules.targets.get(name).map(|t| t.mode) {
            Some(Mode::Live) => "live",
            Some(Mode::Note) => "note",
            Some(Mode::Shadow) | None => "shadow",
        };
        out.push_str(&format!(
            "itsm {name}: kind {}, mode {mode}\n",
            target.kind.kind
        ));
    }
    doubts.sort();
    for doubt in &doubts {
        out.push_str(&format!("warning: {}\n", doubt.show(&shown)));
    }
    let upgrade = upgrade_from
        .map(|store| upgrade::check(&config, store))
        .transpose()?;
    let good = upgrade.as_ref().is_none_or(|(_, good)| *good);
    out.push_str(&upgrade.map(|(text, _)| text).unwrap_or_default());
    print(&out);
    let wrong = match online {
        true => {
            let (said, wrong) = online::check(&config)?;
            print(&said);
            wrong
        }
        false => 0,
    };
    match (good, wrong) {
        (true, 0) => Ok(()),
        (true, wrong) => Err(format!("to be fixed: {wrong}")),
        (false, _) => Err("the store would not go on with this configuration".to_owned()),
    }
}
