//! `replay`: plays what happened once more, through the same engine, and says what became of it.

mod player;
mod predictions;
mod recording;
mod story;

use crate::config::{Config, SourceConf};
use crate::daemon::{listen, refresh};
use crate::graph::RawGraph;
use crate::model::Millis;
use crate::record::{EventsV1, MAX_EVENTS, Record};
use crate::redact::Redaction;
use crate::source::Body;
use player::Player;
use recording::{Line, What};
use std::path::{Path, PathBuf};

/// Options of the command.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// Configuration file: sources, rules, CMDB.
    #[arg(long)]
    config: PathBuf,
    /// What senders posted, one JSON object a line.
    #[arg(long)]
    recording: PathBuf,
    /// Write what became of each event to this file.
    #[arg(long)]
    predictions: Option<PathBuf>,
}

/// Runs the command.
pub(super) fn run(options: &Options) -> Result<(), String> {
    let config = refresh::load_config(&options.config)?;
    let graphs = graphs(&config)?;
    let lines = recording::read(&options.recording)?;
    let player = play(&config, &graphs, &lines)?;
    if let Some(file) = &options.predictions {
        let text = format!("{}\n", predictions::json(&player.story));
        std::fs::write(file, text).map_err(|e| format!("{}: {e}", file.display()))?;
    }
    Ok(())
}

fn graphs(config: &Config) -> Result<Vec<RawGraph>, String> {
    let loaded = config.plumbing.cmdbs.iter().map(refresh::load_graph);
    loaded.map(|l| l.map(|(raw, _)| raw)).collect()
}

/// A source, ready to read bodies.
struct Reader<'a> {
    source: &'a SourceConf,
    redaction: Redaction,
}

fn readers(config: &Config) -> Vec<Reader<'_>> {
    let plumbing = &config.plumbing;
    // Hashes of people with the key of the store, so that they are the same as there.
    let key = std::fs::read(Path::new(&plumbing.store.path).join("redact.key")).unwrap_or_default();
    let sources = plumbing.sources.iter();
    sources
        .map(|source| Reader {
            source,
            redaction: Redaction::new(&plumbing.redact, &source.settings.name, &key),
        })
        .collect()
}

/// Plays a recording from its begin to its end.
fn play(config: &Config, graphs: &[RawGraph], lines: &[Line]) -> Result<Player, String> {
    crate::rules::Rules::compile(config.rules.clone())?;
    let begin = lines.first().map(|l| l.at).unwrap_or_default();
    let mut player = Player::start(begin, config.rules.canonical(), graphs)?;
    let readers = readers(config);
    for line in lines {
        match &line.what {
            What::Told(record) => {
                player.commit(line.at, std::slice::from_ref(record))?;
            }
            What::Body {
                id,
                source,
                tail,
                content_type,
                body,
            } => {
                let body = Body {
                    tail,
                    content_type,
                    bytes: body,
                    received_at: line.at,
                };
                post(&mut player, &readers, line.at, source, &body, id)?;
            }
        }
    }
    player.finish()?;
    Ok(player)
}

/// A body arrives.
fn post(
    player: &mut Player,
    readers: &[Reader<'_>],
    at: Millis,
    source: &str,
    body: &Body<'_>,
    id: &str,
) -> Result<(), String> {
    let reader = readers.iter().find(|r| r.source.settings.name == source);
    let Some(reader) = reader else {
        return Err(format!(
            "there is no source {source:?} in the configuration"
        ));
    };
    let decoded = listen::decode(reader.source, &reader.redaction, body);
    let events: Vec<_> = decoded.events.into_iter().map(|(_, e)| e).collect();
    let mut answers = Vec::new();
    for part in events.chunks(MAX_EVENTS) {
        let batch = Record::Events(EventsV1 {
            source: source.to_owned(),
            scope: reader.source.scope.clone(),
            received_at: at,
            events: part.to_vec(),
        });
        answers.extend(player.commit(at, &[batch])?);
    }
    if !id.is_empty() {
        player.event(id, &answers);
    }
    Ok(())
}
