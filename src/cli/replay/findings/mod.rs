//! `findings`: what alerts tell of the CMDB. Which alerts find no CI, which names mean several, where everything
//! hangs on one CI, which relations do not show when they should, and which seem to be missing.
//!
//! It is a report from a recording or a log. Nothing of it decides anything, and silence that says nothing is
//! never held against a relation.

mod contradicted;
mod failures;
mod hubs;
mod together;
pub(super) mod watch;

use super::player::Player;
use super::tape::{Regime, Tape, graphs};
use super::warnings;
use crate::cli::{complain, print};
use crate::daemon::refresh;
use crate::engine::Engine;
use crate::model::Millis;
use contradicted::Contradicted;
use failures::Failures;
use hubs::Hub;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::path::PathBuf;
use together::Together;
use watch::{Named, Watch};

/// Lines of one kind in the text; JSON has all.
const LISTED: usize = 20;

/// Options of the command.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Options {
    /// Configuration file: sources, rules, CMDB. For a store it only says which sources may hold alerts back.
    #[arg(long, required_unless_present = "store")]
    config: Option<PathBuf>,
    /// Look at what senders posted, as `[store] record` writes it. Without it and a store: at the CMDB alone.
    #[arg(long, conflicts_with = "store")]
    recording: Option<PathBuf>,
    /// Look at the log of a store, in use or not, with the CMDB and the rules that it has.
    #[arg(long)]
    store: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
///
/// # Errors
/// What keeps the tape from being played.
pub(in crate::cli) fn run(options: &Options) -> Result<(), String> {
    let config = options.config.as_deref();
    let config = config.map(refresh::load_config).transpose()?;
    let plumbing = config.as_ref().map(|c| c.plumbing.clone());
    let (tape, regime) = match (&options.recording, &options.store) {
        (Some(file), _) => {
            let graphs = config.as_ref().map(graphs).transpose()?;
            (
                Tape::recording(file)?,
                Regime {
                    config,
                    graphs,
                    ..Regime::default()
                },
            )
        }
        (None, Some(store)) => (Tape::log(store)?, Regime::default()),
        (None, None) => {
            let graphs = config.as_ref().map(graphs).transpose()?;
            (
                Tape::nothing(),
                Regime {
                    config,
                    graphs,
                    ..Regime::default()
                },
            )
        }
    };
    let player = tape.play_watched(&regime, Watch::with(plumbing.as_ref()))?;
    if !player.warnings.is_empty() {
        complain(warnings::text(&player.warnings).trim_end());
    }
    let mut found = Found::of(&player);
    if options.recording.is_none() && options.store.is_none() {
        found.ambiguous = shared(player.engine());
    }
    print(&match options.json {
        true => format!("{}\n", found.json()),
        false => found.text(),
    });
    Ok(())
}

/// Everything that was found.
struct Found {
    firings: usize,
    dropped: u64,
    span: Option<(Millis, Millis)>,
    unbound: Vec<((String, String, String), Named)>,
    ambiguous: Vec<((String, String), Named)>,
    hubs: Vec<Hub>,
    contradicted: Vec<Contradicted>,
    together: Vec<Together>,
    pairs_dropped: u64,
}

impl Found {
    fn of(player: &Player) -> Found {
        let none = Watch::default();
        let (engine, watch) = (player.engine(), player.watch.as_ref().unwrap_or(&none));
        let failures = Failures::of(watch, engine);
        let span = watch.span.map_or(Millis(0), |(from, to)| to.since(from));
        let (together, pairs_dropped) = together::together(engine, &failures, span);
        let graph = engine.in_force().graph.as_ref();
        Found {
            firings: watch.firings.len(),
            dropped: watch.dropped,
            span: watch.span,
            unbound: most(&watch.unbound),
            ambiguous: most(&watch.ambiguous),
            hubs: graph.map(|g| hubs::hubs(g)).unwrap_or_default(),
            contradicted: contradicted::contradicted(engine, &failures),
            together,
            pairs_dropped,
        }
    }

    fn text(&self) -> String {
        let mut out = String::new();
        // Writing to a string does not fail.
        if let Some((from, to)) = self.span {
            let (from, to) = (from.rfc3339(), to.rfc3339());
            writeln!(out, "{} firings on CIs, {from} to {to}", self.firings).ok();
        }
        if self.dropped > 0 {
            writeln!(out, "{} more were too many to be looked at", self.dropped).ok();
        }
        let shown = |label: &str, value: &str| match label.is_empty() {
            true => format!("{value:?}, which names no host"),
            false => format!("{label} {value:?}"),
        };
        let unbound = self.unbound.iter().map(|((source, label, value), named)| {
            let why = match named.why.is_empty() {
                true => String::new(),
                false => format!(" ({})", named.why),
            };
            format!("{} {source} {}{why}", named.firings, shown(label, value))
        });
        list(&mut out, "alerts without a CI", unbound.collect());
        let ambiguous =
            self.ambiguous
                .iter()
                .map(|((label, value), named)| match label.is_empty() {
                    true => format!("{value:?}: {}", named.why),
                    false => format!("{} {label} {value:?}: {}", named.firings, named.why),
                });
        list(&mut out, "names that mean several CIs", ambiguous.collect());
        let hubs = self.hubs.iter().map(|h| {
            let silent = if h.monitored { "" } else { ", not monitored" };
            format!(
                "{} ({}{silent}): needed by {} CIs, by {} directly",
                h.name, h.class, h.all, h.direct
            )
        });
        list(&mut out, "hubs", hubs.collect());
        let contradicted = self.contradicted.iter().map(|c| {
            let unknown = match c.unknown {
                0 => String::new(),
                n => format!("; {n} more failures tell nothing"),
            };
            format!(
                "{} {} {}: {} failed {} times and {} had no alert{unknown}",
                c.needs, c.kind, c.needed, c.needed, c.failures, c.needs
            )
        });
        list(
            &mut out,
            "relations that do not show",
            contradicted.collect(),
        );
        let together = self.together.iter().map(|t| {
            let [a, b] = &t.names;
            let [x, y] = t.failures;
            format!("{a} and {b}: {} times, of {x} and {y} failures", t.times)
        });
        list(
            &mut out,
            "fail together without a relation",
            together.collect(),
        );
        if self.pairs_dropped > 0 {
            writeln!(
                out,
                "  {} pairs seen once were too many",
                self.pairs_dropped
            )
            .ok();
        }
        out
    }

    fn json(&self) -> Value {
        let unbound = |((source, label, value), named): &((String, String, String), Named)| json!({"source": source, "label": label, "value": value, "firings": named.firings, "why": named.why});
        let ambiguous = |((label, value), named): &((String, String), Named)| json!({"label": label, "value": value, "firings": named.firings, "cis": named.why});
        let hub = |h: &Hub| json!({"ci": h.name, "class": h.class, "dependants": h.all, "direct": h.direct, "monitored": h.monitored});
        let contradicted = |c: &Contradicted| json!({"from": c.needs, "type": c.kind, "to": c.needed, "failures": c.failures, "unknown": c.unknown});
        let together =
            |t: &Together| json!({"cis": t.names, "times": t.times, "failures": t.failures});
        json!({
            "from": self.span.map(|(from, _)| from.rfc3339()),
            "to": self.span.map(|(_, to)| to.rfc3339()),
            "firings": self.firings,
            "firings_dropped": self.dropped,
            "unbound": self.unbound.iter().map(unbound).collect::<Vec<_>>(),
            "ambiguous": self.ambiguous.iter().map(ambiguous).collect::<Vec<_>>(),
            "hubs": self.hubs.iter().map(hub).collect::<Vec<_>>(),
            "contradicted": self.contradicted.iter().map(contradicted).collect::<Vec<_>>(),
            "together": self.together.iter().map(together).collect::<Vec<_>>(),
            "pairs_dropped": self.pairs_dropped,
        })
    }
}

/// Names that mean several CIs, whether an alert has them or not.
fn shared(engine: &Engine) -> Vec<((String, String), Named)> {
    let mut out = Vec::new();
    if let Some(graph) = &engine.in_force().graph {
        out.extend(graph.ambiguous().map(|(name, several)| {
            let cis = several.iter().filter_map(|ix| graph.ci(*ix));
            let keys: Vec<&str> = cis.map(|ci| ci.key.as_str()).collect();
            let named = Named {
                firings: 0,
                why: keys.join(", "),
            };
            ((String::new(), name.to_owned()), named)
        }));
    }
    out
}

/// The names with the most firings first.
fn most<K: Ord + Clone>(names: &std::collections::BTreeMap<K, Named>) -> Vec<(K, Named)> {
    let mut all: Vec<(K, Named)> = names.iter().map(|(k, n)| (k.clone(), n.clone())).collect();
    all.sort_by(|(a, x), (b, y)| y.firings.cmp(&x.firings).then_with(|| a.cmp(b)));
    all
}

fn list(out: &mut String, head: &str, lines: Vec<String>) {
    writeln!(out, "{head}: {}", lines.len()).ok();
    for line in lines.iter().take(LISTED) {
        writeln!(out, "  {line}").ok();
    }
    match lines.len().saturating_sub(LISTED) {
        0 => {}
        more => {
            writeln!(out, "  and {more} more").ok();
        }
    }
}
