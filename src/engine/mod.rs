//! The engine: entries in, effects out. One owner, no lock, no clock, no error.
//!
//! [`Engine::apply`] is the order of the stages. What an entry says about the time *before* it (repeats that
//! were answered already, a gap, a start) is told first, then timers that were due fire, then the other
//! records are applied, and at the end every incident that was touched is looked at once.

mod back;
pub mod bind;
mod breaker;
mod changes;
mod chronic;
mod cis;
pub mod correlate;
mod dedup;
mod deliveries;
mod expiry;
mod fallback;
mod flap;
mod force;
mod former;
mod group;
pub mod hands;
mod heard;
mod hours;
pub mod identity;
pub mod incident;
mod inform;
mod inhibit;
mod later;
mod link;
mod loud;
pub mod maintenance;
mod members;
mod notes;
pub mod numbered;
mod order;
mod outbox;
mod over;
pub mod quote;
pub mod ready;
mod receipt;
mod refusal;
mod reload;
mod resolved;
mod route;
mod rows;
pub mod snapshot;
pub mod state;
mod storm;
mod strays;
mod stretch;
mod suppress;
mod turns;
mod usual;
mod valve;
mod waits;
pub mod wanted;

use crate::graph::RawGraph;
use crate::invariant::{self, Invariant};
use crate::model::{AlertId, DeliveryId, Fingerprint, IncidentId, Millis, Outcome, Seq};
use crate::record::{EventsV1, History, Record, StepName};
use crate::rules::{Rules, RulesText};
use crate::ticket::{Note, Wanted};
use correlate::index::Index;
use correlate::seen::Seen;
pub use dedup::Quick;
pub use expiry::OURSELVES;
use hands::CommandOutcome;
use inhibit::Inhibition;
use later::Work;
use ready::{Offered, build};
use state::{GraphRef, InForce, State, Timer};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Version of the decisions. Raised with every change of them: a golden test over recorded runs fails if
/// decisions change and the number does not.
pub const ENGINE: u32 = 23;

/// Timers that may fire in one entry; more are a bug (a timer that sets itself for the same moment).
const MAX_TIMERS: usize = 2_000_000;

/// What an entry brought about.
#[derive(Clone, Debug, Default)]
pub struct Effects {
    /// What became of each event, in the order of the records.
    pub answers: Vec<Answer>,
    /// What came of each command, in the order of the records.
    pub commands: Vec<CommandOutcome>,
    /// What is to be carried out.
    pub deliveries: Vec<Delivery>,
    /// One line each for the log.
    pub lines: Vec<Line>,
    /// Rows for the history tables.
    pub history: Vec<History>,
    /// Alerts that changed.
    pub alerts: BTreeSet<AlertId>,
    /// Incidents that changed.
    pub incidents: BTreeSet<IncidentId>,
    /// Broken invariants.
    pub violations: Vec<Invariant>,
    /// Alerts that expired.
    pub expired: u64,
    /// Notes that the policy held back.
    pub notes_suppressed: u64,
}

/// What became of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// One word.
    pub outcome: Outcome,
    /// Its alert, if it is about one.
    pub alert: Option<Fingerprint>,
    /// The alert's incident.
    pub incident: Option<IncidentId>,
}

/// A line for the log: an incident's transition, or something an operator should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The incident, if it is about one.
    pub incident: Option<IncidentId>,
    /// What happened.
    pub text: String,
    /// Somebody should look.
    pub warn: bool,
}

/// One attempt to bring a ticket closer to wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Its number.
    pub id: DeliveryId,
    /// The incident.
    pub incident: IncidentId,
    /// Name of the target.
    pub target: Arc<str>,
    /// What it asks.
    pub step: StepName,
    /// The correlation key.
    pub key: String,
    /// The ticket it concerns; empty for find and create.
    pub ticket: String,
    /// The ticket that it is to be linked to; else empty.
    pub other: String,
    /// What the ticket shall say.
    pub wanted: Box<Wanted>,
    /// Who is on its watch list, besides those whom the tool puts there.
    pub watch: Vec<String>,
    /// The incident's own ticket, for a target where its owners only hear of it; empty if there is none.
    pub main: String,
    /// The note to write, with its number.
    pub note: Option<(u32, Note)>,
    /// Resolve only if no person has touched the ticket.
    pub unless_touched: bool,
    /// The alert that opened the incident.
    pub opening: Fingerprint,
    /// A create may have gone out before whose outcome is not known.
    pub unknown: bool,
    /// The target writes nothing: show it only.
    pub shadow: bool,
}

/// The engine.
#[derive(Clone, Debug)]
pub struct Engine {
    state: State,
    force: InForce,
    index: Index,
    inhibition: Inhibition,
    offered: BTreeMap<u64, Offered>,
    touched: BTreeSet<IncidentId>,
    /// Incidents to which alerts came, and no more than that.
    grew: BTreeSet<IncidentId>,
    /// Incidents that a maintenance window keeps or kept back: few, so that no incident has to be searched for it.
    kept_back: BTreeSet<IncidentId>,
    /// What this entry has done so far.
    work: Work,
    seen: Seen,
    /// Incidents that alerts left in this entry.
    parted: BTreeSet<IncidentId>,
    /// The incident that alerts are just leaving: they do not go back.
    left: Option<IncidentId>,
    effects: Effects,
}

impl Default for Engine {
    fn default() -> Engine {
        Engine::new()
    }
}

impl Engine {
    /// An engine in which nothing has happened.
    pub fn new() -> Engine {
        Engine::restore(State::empty(), None).unwrap_or_else(|_| Engine::bare())
    }

    fn bare() -> Engine {
        let mut state = State::empty();
        let rules = Arc::new(Rules {
            text: RulesText::default(),
            bind: Vec::new(),
            inhibit: Vec::new(),
        });
        let force = InForce::new(rules, None, &mut state.cis);
        Engine {
            state,
            force,
            index: Index::default(),
            inhibition: Inhibition::default(),
            offered: BTreeMap::new(),
            touched: BTreeSet::new(),
            grew: BTreeSet::new(),
            kept_back: BTreeSet::new(),
            work: Work::default(),
            seen: Seen::default(),
            parted: BTreeSet::new(),
            left: None,
            effects: Effects::default(),
        }
    }

    /// An engine at a stored state; `graph` is the one that the state names.
    ///
    /// # Errors
    /// Rules in the state that do not compile.
    pub fn restore(state: State, graph: Option<Arc<RawGraph>>) -> Result<Engine, String> {
        let mut engine = Engine::bare();
        let rules = Arc::new(Rules::compile((*state.rules).clone())?);
        engine.state = state;
        let graph = graph.map(|raw| build(raw, &rules.text));
        engine.force = InForce::new(rules, graph, &mut engine.state.cis);
        engine.rebuild_index();
        engine.find_kept_back();
        engine.inhibit_anew();
        Ok(engine)
    }

    /// The state, to read.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Rules and graph in force.
    pub fn in_force(&self) -> &InForce {
        &self.force
    }

    /// When the next timer is due.
    pub fn next_due(&self) -> Option<Millis> {
        self.state.timers.first().map(|(due, _)| *due)
    }

    /// Applies one entry. The same entries in the same order give the same state and the same effects.
    pub fn apply(&mut self, seq: Seq, at: Millis, records: &[Record]) -> Effects {
        let at = at.max(self.state.at);
        self.state.seq = seq;
        self.work = Work::default();
        self.index.tells.forget();
        for record in records {
            self.apply_before(at, record);
        }
        self.fire_timers(at);
        self.state.at = at;
        for record in records {
            self.apply_record(record);
        }
        self.look_at_touched();
        self.dispose();
        // The most urgent first: a tool that comes back takes them in this order.
        self.effects.deliveries.sort_by_key(|d| d.wanted.priority);
        std::mem::take(&mut self.effects)
    }

    /// What concerns the time before the entry.
    fn apply_before(&mut self, at: Millis, record: &Record) {
        match record {
            Record::Repeats(repeats) => self.repeats(repeats),
            Record::ClockStep(step) => self.gap(at, step.gap),
            Record::Started(started) => {
                let gap = started.last.map(|last| at.since(last)).unwrap_or_default();
                self.state.epoch = started.epoch;
                self.gap(at, gap);
            }
            Record::Events(_)
            | Record::Rules(_)
            | Record::Graph(_)
            | Record::GraphDelta(_)
            | Record::Sent(_)
            | Record::Receipt(_)
            | Record::TicketChange(_)
            | Record::TicketGone(_)
            | Record::Operator(_)
            | Record::Maintenance(_)
            | Record::Change(_)
            | Record::Tick
            | Record::Digest(_)
            | Record::Hours(_) => {}
        }
    }

    fn apply_record(&mut self, record: &Record) {
        match record {
            Record::Events(batch) => self.events(batch),
            Record::Rules(rules) => self.new_rules(&rules.text),
            Record::Graph(graph) => self.new_graph(GraphRef {
                digest: graph.digest,
                as_of: graph.as_of,
            }),
            Record::Sent(sent) => self.sent(sent),
            Record::Receipt(receipt) => self.receipt(receipt),
            Record::TicketChange(change) => self.ticket_change(change),
            Record::TicketGone(gone) => self.ticket_gone(gone),
            Record::Operator(operator) => self.command(operator),
            Record::Maintenance(window) => self.maintenance(window),
            Record::Change(change) => self.change(change),
            Record::Hours(hours) => self.hours(hours),
            Record::Started(_) => self.restart_deliveries(),
            Record::Repeats(_)
            | Record::ClockStep(_)
            | Record::Tick
            | Record::Digest(_)
            // Reserved: nothing writes it yet, so nothing reads it.
            | Record::GraphDelta(_) => {}
        }
    }

    fn events(&mut self, batch: &EventsV1) {
        let source: Arc<str> = batch.source.as_str().into();
        for event in &batch.events {
            let answer = self.event(&source, &batch.scope, event);
            self.effects.answers.push(answer);
        }
    }

    fn fire_timers(&mut self, at: Millis) {
        for _ in 0..MAX_TIMERS {
            let Some((due, timer)) = self.state.timers.first().cloned() else {
                return;
            };
            if due > at || !self.may_fire(&timer) {
                return;
            }
            self.state.timers.pop_first();
            self.state.at = self.state.at.max(due);
            match timer {
                Timer::Expiry(alert) => self.expiry_due(alert),
                Timer::ForgetAlert(alert) => self.forget_alert_due(alert),
                Timer::Hold(incident) => self.hold_due(incident),
                Timer::Quiet(incident) => self.quiet_due(incident),
                Timer::ForgetIncident(incident) => self.forget_incident_due(incident),
                Timer::Expect(source) => self.expect_due(&source),
                Timer::Heartbeat(source, fingerprint) => self.heartbeat_due(&source, fingerprint),
                Timer::GraphWait => self.graph_wait_over(),
                Timer::Inherited(source) => self.inherited_due(&source),
                Timer::Window(_) => self.forget_windows(),
                Timer::Silence(incident) | Timer::Wait(incident) => self.touch(incident),
                Timer::Flap(alert) => self.flap_due(alert),
                Timer::FlapNote(incident) => self.flap_note_due(incident),
                Timer::Storm => self.storm_due(),
                Timer::Row(row) | Timer::Oppose(row) => self.touch(row.incident),
                Timer::Place(alert) => self.place_due(alert),
                Timer::Rebind(alert) => self.rebind_from(alert),
                Timer::Judge(incident) => self.judge_due(incident),
                Timer::Explain(incident) => self.explain_due(incident),
                Timer::Write(incident) => self.write_due(incident),
                Timer::Outlast(incident) => self.outlast_due(incident),
            }
        }
        invariant::check(&mut self.effects.violations, Invariant::L1, false);
    }

    fn set_timer(&mut self, due: Millis, timer: Timer) {
        // A timer set from a timer must lie in the future, or one entry would never end.
        let due = due.max(Millis(self.state.at.0.saturating_add(1)));
        self.state.timers.insert((due, timer));
    }

    /// More alerts came to an incident, and nothing else happened to it.
    fn grows(&mut self, incident: IncidentId) {
        self.unsee();
        self.grew.insert(incident);
        self.effects.incidents.insert(incident);
    }

    fn touch(&mut self, incident: IncidentId) {
        self.unsee();
        self.touched.insert(incident);
        self.effects.incidents.insert(incident);
    }

    fn line(&mut self, incident: Option<IncidentId>, text: String) {
        self.say(incident, text, false);
    }

    fn warn(&mut self, incident: Option<IncidentId>, text: String) {
        self.say(incident, text, true);
    }

    fn say(&mut self, incident: Option<IncidentId>, text: String, warn: bool) {
        let line = Line {
            incident,
            text,
            warn,
        };
        self.effects.lines.push(line);
    }

    /// Is everything that must hold true? For tests and the simulator, after every step.
    pub fn check_invariants(&self) -> Vec<String> {
        correlate::check::broken(self)
    }

    /// The same of what is kept for speed. Dear: it works on a copy.
    pub fn check_sums(&self) -> Vec<String> {
        correlate::check::broken_sums(self)
    }
}
