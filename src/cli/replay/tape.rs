//! What is played: a recording, or the log of a store without what depends on tools and people.

use super::findings::watch::Watch;
use super::player::Player;
use super::progress::Progress;
use super::recording::{self, Recording, What};
use super::reload::Reloads;
use super::taken::Taken;
use super::warnings;
use crate::cli::copy::Copy;
use crate::config::planned::{AHEAD, OF_CONFIG};
use crate::config::{Config, SourceConf};
use crate::daemon::entry::{MAX_BYTES, weight};
use crate::daemon::{chain, listen, refresh};
use crate::graph::RawGraph;
use crate::model::{Millis, Seq};
use crate::node;
use crate::record::{EventsV1, MAX_EVENTS, Record, RulesV1, decode_entry};
use crate::redact::Redaction;
use crate::rules::Rules;
use crate::source::Body;
use crate::store::Store;
use crate::store::sqlite::{Options, Reader, SqliteStore};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// Entries read at once.
const READ: usize = 256;
/// What a configuration plans is told this often.
const EVERY: Millis = Millis::mins(24 * 60);

/// See the module.
pub(super) enum Tape {
    /// What senders posted.
    Recording(Recording),
    /// What the daemon wrote.
    Log(Log),
}

/// The log of a store.
pub(super) struct Log {
    /// The state it begins with: a snapshot, where the first entries are not kept any more.
    begin: Option<(Seq, Vec<u8>)>,
    begin_at: Millis,
    entries: Vec<(Seq, Millis, Vec<Record>)>,
    graphs: BTreeMap<u64, Arc<RawGraph>>,
}

/// What decides while a tape is played.
#[derive(Default)]
pub(super) struct Regime {
    /// Sources, rules; `None`: the rules of the log.
    pub(super) config: Option<Config>,
    /// Graphs from the begin on; `None`: those of the log.
    pub(super) graphs: Option<Vec<RawGraph>>,
    /// Entries of a recording after which the process starts anew.
    pub(super) restart_every: Option<u32>,
    /// Lines of a recording after which the graph is loaded anew, with a CI more or without it.
    pub(super) graph_every: Option<u32>,
    /// A person takes every ticket of a recording at once.
    pub(super) touched: bool,
}

impl Tape {
    /// A tape on which nothing happens.
    pub(super) fn nothing() -> Tape {
        Tape::Recording(Recording::default())
    }

    /// Reads a recording.
    ///
    /// # Errors
    /// The first line that is wrong.
    pub(super) fn recording(file: &Path) -> Result<Tape, String> {
        recording::read(file).map(Tape::Recording)
    }

    /// Reads the log of a copy of a store.
    ///
    /// # Errors
    /// What cannot be read.
    pub(super) fn log(store: &Path) -> Result<Tape, String> {
        let reader = Reader::open(store).map_err(|e| chain(&e))?;
        let copy = Copy::of(&reader)?;
        let mut opened = SqliteStore::new(Options::new(&copy.folder)).map_err(|e| chain(&e))?;
        let known = opened.open().map_err(|e| chain(&e))?;
        let mut log = Log {
            begin: None,
            begin_at: Millis(0),
            entries: Vec::new(),
            graphs: BTreeMap::new(),
        };
        let first = opened.read(Seq(1), 1).map_err(|e| chain(&e))?;
        let mut from = Seq(1);
        if let Some(first) = first.first().filter(|e| e.seq > Seq(1)) {
            let all = opened.snapshots().map_err(|e| chain(&e))?;
            let begin = all.first().filter(|s| s.next() >= first.seq).copied();
            let begin = begin.ok_or_else(|| {
                let first = first.seq.0;
                format!("the log begins at entry {first}, and no snapshot is there to begin with")
            })?;
            let loaded = node::load_snapshot(&mut opened, begin).map_err(|e| chain(&e))?;
            let engine = loaded.map_err(|why| format!("snapshot {}: {why}", begin.0))?;
            log.begin_at = engine.state().at;
            if let Some(graph) = &engine.in_force().graph {
                log.graphs.insert(graph.raw().digest(), graph.raw().clone());
            }
            let bytes = crate::engine::snapshot::encode(engine.state());
            log.begin = Some((begin, bytes.map_err(|e| e.to_string())?));
            from = begin.next();
        }
        loop {
            let entries = opened.read(from, READ).map_err(|e| chain(&e))?;
            let Some(last) = entries.last().map(|e| e.seq) else {
                return Ok(Tape::Log(log));
            };
            for entry in &entries {
                if known.quarantined.contains(&entry.seq) {
                    continue;
                }
                let decoded = decode_entry(&entry.body);
                let decoded = decoded
                    .map_err(|why| format!("entry {} cannot be read: {why}", entry.seq.0))?;
                for record in &decoded.records {
                    if let Record::Graph(graph) = record
                        && let Some(raw) =
                            node::load_graph(&mut opened, graph.digest).map_err(|e| chain(&e))?
                    {
                        log.graphs.insert(graph.digest, raw);
                    }
                }
                log.entries.push((entry.seq, entry.at, decoded.records));
            }
            from = last.next();
        }
    }

    /// Plays it.
    ///
    /// # Errors
    /// Rules that do not compile, a source that is not configured.
    pub(super) fn play(&self, regime: &Regime) -> Result<Player, String> {
        self.play_by(regime, None)
    }

    /// The same, and collects what the findings need.
    ///
    /// # Errors
    /// See [`Tape::play`].
    pub(super) fn play_watched(&self, regime: &Regime, watch: Watch) -> Result<Player, String> {
        self.play_by(regime, Some(watch))
    }

    fn play_by(&self, regime: &Regime, watch: Option<Watch>) -> Result<Player, String> {
        if let Some(config) = &regime.config {
            crate::rules::Rules::compile(config.rules.clone())?;
        }
        match self {
            Tape::Recording(recording) => recorded(recording, regime, watch),
            Tape::Log(log) => log.play(regime, watch),
        }
    }
}

impl Log {
    /// Whether alerts were told apart by other rules than these. Repeats in the log name alerts by what they
    /// were then.
    pub(super) fn other_identity(&self, config: &Config) -> bool {
        let records = self.entries.iter().flat_map(|(_, _, records)| records);
        let mut texts = records.filter_map(|r| {
            let Record::Rules(rules) = r else { return None };
            Rules::parse(&rules.text).ok()
        });
        texts.any(|rules| rules.text.identity != config.rules.identity)
    }
}

/// A source, ready to read bodies.
struct Door<'a> {
    source: &'a SourceConf,
    redaction: Redaction,
}

fn doors(config: &Config) -> Vec<Door<'_>> {
    let plumbing = &config.plumbing;
    // Hashes of people with the key of the store, so that they are the same as there.
    let key = std::fs::read(Path::new(&plumbing.store.path).join("redact.key"));
    let key = key.unwrap_or_default();
    let sources = plumbing.sources.iter();
    sources
        .map(|source| Door {
            source,
            redaction: Redaction::new(&plumbing.redact, &source.settings.name, &key),
        })
        .collect()
}

/// The graphs of a configuration's CMDBs.
///
/// # Errors
/// One that cannot be loaded.
pub(super) fn graphs(config: &Config) -> Result<Vec<RawGraph>, String> {
    let loaded = config.plumbing.cmdbs.iter().map(refresh::load_graph);
    loaded.map(|l| l.map(|(raw, _)| raw)).collect()
}

fn recorded(
    recording: &Recording,
    regime: &Regime,
    watch: Option<Watch>,
) -> Result<Player, String> {
    let lines = &recording.lines;
    let config = regime.config.as_ref();
    let config = config.ok_or("a recording needs --config")?;
    let begin = lines.first().map(|l| l.at).unwrap_or_default();
    let mut player = Player::empty()?;
    player.watch_rules(Some(&config.plumbing));
    player.watch = watch;
    player.warnings.clone_from(&recording.warnings);
    player.restart_every = regime.restart_every;
    player.taken = regime.touched.then(Taken::default);
    player.started(begin)?;
    let rules = Record::Rules(RulesV1 {
        text: config.rules.canonical(),
    });
    player.commit(begin, &[rules])?;
    for raw in regime.graphs.iter().flatten() {
        player.graph(raw, begin)?;
    }
    let reloads = regime.graph_every.map(|n| Reloads::new(n, &player));
    let mut reloads = reloads.transpose()?;
    let doors = doors(config);
    let mut progress = Progress::new(u64::try_from(lines.len()).unwrap_or(0));
    let mut plans = Plans::new(config);
    let mut first_refused = None;
    for (n, line) in (1u64..).zip(lines) {
        plans.go_on(&mut player, line.at)?;
        match &line.what {
            What::Told(record) if of_config(record) => {}
            What::Told(record) => {
                player.commit(line.at, std::slice::from_ref(record))?;
                let place = format!("{}:{}", recording.file, line.number);
                player
                    .warnings
                    .extend(warnings::told(&player, &place, record));
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
                let id = match id.is_empty() {
                    true => format!("line {n}"),
                    false => id.clone(),
                };
                let place = format!("{}:{}", recording.file, line.number);
                let refused = post(&mut player, &doors, source, &body, &id)
                    .map_err(|why| format!("{place}: {why}"))?;
                if let Some(why) = refused {
                    first_refused.get_or_insert(format!("{place}: {why}"));
                }
            }
        }
        if let Some(reloads) = &mut reloads {
            reloads.line(&mut player, line.at)?;
        }
        progress.step();
    }
    progress.end();
    if let Some(first) = first_refused {
        let of = match player.refused {
            0 | 1 => String::new(),
            n => format!(" (the first of {n})"),
        };
        player.warnings.push(format!("{first}: refused{of}"));
    }
    player.graph_loads = reloads.map(|r| r.loads);
    player.finish()?;
    Ok(player)
}

/// Whether a record says what a configuration plans.
fn of_config(record: &Record) -> bool {
    match record {
        Record::Maintenance(window) => window.id.starts_with(OF_CONFIG),
        Record::Hours(_) => true,
        _other => false,
    }
}

/// What a configuration plans, told as time goes by.
struct Plans<'a> {
    config: &'a Config,
    told: Option<Millis>,
}

impl<'a> Plans<'a> {
    fn new(config: &'a Config) -> Plans<'a> {
        Plans { config, told: None }
    }

    /// Before what happens at `at`: a plan for each day since the last one.
    fn go_on(&mut self, player: &mut Player, at: Millis) -> Result<(), String> {
        loop {
            let next = self.told.map_or(at, |t| t.plus(EVERY));
            if next > at {
                return Ok(());
            }
            // Over a long silence one plan is enough.
            let next = next.max(Millis(at.0.saturating_sub(AHEAD.0)));
            self.told = Some(next);
            let records = refresh::planned(&self.config.plumbing, player.engine(), next);
            if !records.is_empty() {
                player.commit(next, &records)?;
            }
        }
    }
}

/// A body arrives. Answers why it, or the first event in it, was refused.
fn post(
    player: &mut Player,
    doors: &[Door<'_>],
    source: &str,
    body: &Body<'_>,
    id: &str,
) -> Result<Option<String>, String> {
    let door = doors.iter().find(|d| d.source.settings.name == source);
    let door = door.ok_or_else(|| {
        let names: Vec<&str> = doors.iter().map(|d| d.source.settings.name.as_str()).collect();
        let names = names.join(", ");
        format!(
            "there is no [[source]] {source:?} in the configuration, which has {names}; add it, or take its lines out of the recording"
        )
    })?;
    let decoded = listen::decode(door.source, &door.redaction, body);
    let (body_why, event_why) = (decoded.refused.as_ref(), decoded.rejects.first());
    let why = body_why.map(|why| why.text().to_owned());
    let why = why.or_else(|| {
        event_why.map(|(n, why)| format!("event {} of the body: {why}", n.saturating_add(1)))
    });
    let refused = u64::from(decoded.refused.is_some());
    let rejects = u64::try_from(decoded.rejects.len()).unwrap_or(0);
    player.refused = player
        .refused
        .saturating_add(refused)
        .saturating_add(rejects);
    let mut events = decoded.events.into_iter().map(|(_, e)| e).peekable();
    let mut answers = Vec::new();
    while events.peek().is_some() {
        let (mut part, mut bytes) = (Vec::new(), 0usize);
        while let Some(event) = events.next_if(|_| part.len() < MAX_EVENTS && bytes < MAX_BYTES) {
            bytes = bytes.saturating_add(weight(&event));
            part.push(event);
        }
        let batch = Record::Events(EventsV1 {
            source: source.to_owned(),
            scope: door.source.scope.clone(),
            received_at: body.received_at,
            events: part,
        });
        answers.extend(player.commit(body.received_at, &[batch])?);
    }
    player.event(id, &answers);
    Ok(why)
}

impl Log {
    fn play(&self, regime: &Regime, watch: Option<Watch>) -> Result<Player, String> {
        let mut player = match &self.begin {
            None => Player::empty()?,
            Some((seq, bytes)) => {
                let graphs = self.graphs.values().map(|raw| &**raw);
                let mut player = Player::at(*seq, bytes, graphs)?;
                player.started(self.begin_at)?;
                player
            }
        };
        player.watch_rules(regime.config.as_ref().map(|c| &c.plumbing));
        player.watch = watch;
        if regime.graphs.is_none() {
            for raw in self.graphs.values() {
                player.keep(raw)?;
            }
        }
        let mut begun = false;
        let mut plans = regime.config.as_ref().map(Plans::new);
        let mut progress = Progress::new(u64::try_from(self.entries.len()).unwrap_or(0));
        for (seq, at, records) in &self.entries {
            if let Some(plans) = plans.as_mut().filter(|_| begun) {
                plans.go_on(&mut player, *at)?;
            }
            let kept: Vec<Record> = records
                .iter()
                .filter(|r| keeps(r, regime))
                .cloned()
                .collect();
            if !kept.is_empty() {
                let answers = player.commit(*at, &kept)?;
                player.event(&seq.0.to_string(), &answers);
            }
            // After the first start, as the daemon does it.
            if !std::mem::replace(&mut begun, true) {
                self.begin_regime(&mut player, *at, regime)?;
            }
            progress.step();
        }
        progress.end();
        player.finish()?;
        Ok(player)
    }

    fn begin_regime(&self, player: &mut Player, at: Millis, regime: &Regime) -> Result<(), String> {
        if let Some(config) = &regime.config {
            let text = config.rules.canonical();
            player.commit(at, &[Record::Rules(RulesV1 { text })])?;
        }
        for raw in regime.graphs.iter().flatten() {
            player.graph(raw, at)?;
        }
        Ok(())
    }
}

/// Events, graphs, maintenance, changes and time stay; what tools answered and people did is left out, for
/// it belongs to what was decided then.
fn keeps(record: &Record, regime: &Regime) -> bool {
    match record {
        Record::Maintenance(_) | Record::Hours(_) => regime.config.is_none() || !of_config(record),
        Record::Events(_)
        | Record::Repeats(_)
        | Record::Change(_)
        | Record::Tick
        | Record::ClockStep(_)
        | Record::Started(_) => true,
        Record::Rules(_) => regime.config.is_none(),
        Record::Graph(_) | Record::GraphDelta(_) => regime.graphs.is_none(),
        Record::Sent(_)
        | Record::Receipt(_)
        | Record::TicketChange(_)
        | Record::TicketGone(_)
        | Record::Operator(_)
        | Record::Digest(_) => false,
    }
}
