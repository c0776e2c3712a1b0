//! `replay`: plays what happened once more, through the same engine, and says what became of it, whether it
//! is what the daemon made of it, or what another configuration would have made of it. Nothing is sent.

mod acted;
mod against;
mod check;
pub(super) mod findings;
mod player;
mod predictions;
mod progress;
mod recording;
mod reload;
mod story;
mod summary;
mod taken;
mod tape;
mod tickets;
mod warnings;

use super::print;
use crate::config::Config;
use crate::daemon::refresh;
use predictions::Target;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;
use summary::Summary;
use tape::{Regime, Tape, graphs};

/// The other side did something else.
const DIFFERENT: u8 = 3;

/// Options of the command.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// Configuration file: sources, rules, CMDB. Not needed for a store.
    #[arg(long, required_unless_present = "store")]
    config: Option<PathBuf>,
    /// Play what senders posted: one JSON object a line, as `[store] record` writes it.
    #[arg(long, required_unless_present = "store", conflicts_with = "store")]
    recording: Option<PathBuf>,
    /// Play the log of a store, in use or not, and compare with what the daemon made of it.
    #[arg(long)]
    store: Option<PathBuf>,
    /// Say what this configuration and its CMDB would have made of it instead. Exit code 3: something else.
    #[arg(long, value_name = "CONFIG")]
    against: Option<PathBuf>,
    /// Write what became of each event to this file.
    #[arg(long, value_name = "FILE")]
    predictions: Option<PathBuf>,
    /// Lose the process after every N entries and start it again, from snapshots and the log: nothing may change.
    #[arg(long, value_name = "N", requires = "recording", value_parser = clap::value_parser!(u32).range(1..))]
    restart_every: Option<u32>,
    /// Load the CMDB anew after every N lines, with an unrelated CI more or without it: nothing may change.
    #[arg(long, value_name = "N", requires = "recording", value_parser = clap::value_parser!(u32).range(1..))]
    graph_every: Option<u32>,
    /// Every ticket is taken by a person at once. Says how many severe alerts joined one silently: none may.
    #[arg(long, requires = "recording", conflicts_with = "against")]
    touched: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Options {
    /// Files that are read.
    fn reads(&self) -> impl Iterator<Item = &PathBuf> {
        let all = self.recording.iter().chain(&self.config);
        all.chain(&self.against)
    }
}

/// Runs the command. Exit code 0, or 3 if `--against` found a difference, or 1 if a store's log gives
/// another state than the daemon had.
///
/// # Errors
/// What keeps it from being played.
pub(super) fn run(options: &Options) -> Result<ExitCode, String> {
    let config = options.config.as_deref();
    let config = config.map(refresh::load_config).transpose()?;
    let target = options.predictions.as_ref();
    let target = target.map(|file| Target::open(file, options.reads()));
    let target = target.transpose()?;
    let mut regime = Regime {
        graphs: None,
        config,
        restart_every: options.restart_every,
        graph_every: options.graph_every,
        touched: options.touched,
    };
    let tape = match (&options.recording, &options.store) {
        (Some(file), _) => {
            regime.graphs = regime.config.as_ref().map(graphs).transpose()?;
            Tape::recording(file)?
        }
        (None, Some(store)) => {
            if options.against.is_none() {
                return checked(options, target, store, regime.config.as_ref());
            }
            Tape::log(store)?
        }
        (None, None) => return Err("there must be --recording or --store".to_owned()),
    };
    if let Some(other) = &options.against {
        return compared(options, target, &tape, regime, other);
    }
    let begun = Instant::now();
    let mut player = tape.play(&regime)?;
    let summary = Summary::of(&mut player, begun.elapsed());
    if let Some(target) = target {
        target.write(&player.story)?;
    }
    print(&match options.json {
        true => format!("{}\n", summary.json()),
        false => summary.text(),
    });
    Ok(ExitCode::SUCCESS)
}

fn checked(
    options: &Options,
    target: Option<Target>,
    store: &std::path::Path,
    config: Option<&Config>,
) -> Result<ExitCode, String> {
    let checked = check::check(store, config.map(|c| &c.plumbing))?;
    if let Some(target) = target {
        let as_it_was = Regime::default();
        target.write(&Tape::log(store)?.play(&as_it_was)?.story)?;
    }
    print(&match options.json {
        true => format!("{}\n", checked.json()),
        false => checked.text(),
    });
    Ok(match checked.agrees() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

fn compared(
    options: &Options,
    target: Option<Target>,
    tape: &Tape,
    own: Regime,
    other: &std::path::Path,
) -> Result<ExitCode, String> {
    let other = refresh::load_config(other)?;
    let others = graphs(&other)?;
    let (own, graphs) = match tape {
        Tape::Recording(_) => (own, Some(others)),
        // What the log has stays, rules and CMDB of its time, where nothing else is asked for.
        Tape::Log(log) => {
            if log.other_identity(&other) {
                super::complain(
                    "note: the other configuration tells alerts apart by other labels; repeats in the log, which name alerts as they were then, do not count there",
                );
            }
            let same = match &own.config {
                None => true,
                Some(config) => {
                    let digests = |all: &[crate::graph::RawGraph]| -> Vec<u64> {
                        all.iter().map(|g| g.digest()).collect()
                    };
                    digests(&tape::graphs(config)?) == digests(&others)
                }
            };
            let as_it_was = Regime::default();
            (as_it_was, (!same).then_some(others))
        }
    };
    let before = tape.play(&own)?;
    let after = tape.play(&Regime {
        config: Some(other),
        graphs,
        restart_every: options.restart_every,
        graph_every: options.graph_every,
        touched: options.touched,
    })?;
    if before.story.events == 0 && after.story.events == 0 {
        let refused = before.refused.max(after.refused);
        return Err(format!(
            "no event was played on either side ({refused} refused): there is nothing to compare\n{}",
            warnings::text(&warnings::both(&before.warnings, &after.warnings))
        ));
    }
    if let Some(target) = target {
        target.write(&after.story)?;
    }
    let mut diff = against::diff(&before.story, &after.story);
    diff.warnings = warnings::both(&before.warnings, &after.warnings);
    print(&match options.json {
        true => format!("{}\n", diff.json()),
        false => diff.text(),
    });
    Ok(match diff.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::from(DIFFERENT),
    })
}
