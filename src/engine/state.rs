//! The state: one struct, one owner. Everything that decides is in it, and all of it is in the snapshot.

use crate::model::{AlertId, CiId, Fingerprint, IncidentId, Labels, Millis, Seq, Severity};
use crate::rules::RulesText;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub use super::chronic::Chronic;
pub use super::cis::{Cis, UNBOUND_MARK};
pub use super::correlate::burst::NameStat;
pub use super::correlate::prior::Prior;
pub use super::correlate::walked::Walked;
pub use super::flap::{Flap, FlapsTold};
pub use super::force::InForce;
pub use super::hands::Hands;
pub use super::hours::Hours;
pub use super::incident::{How, Incident, IncidentState, Member, Merge, Told, Turn};
pub use super::loud::Untold;
pub use super::maintenance::{Change, Window};
pub use super::numbered::Numbered;
pub use super::order::Lags;
pub use super::rows::{InFlight, Row, RowId, Unknown, Valve};
pub use super::storm::Storm;
pub use super::waits::{Wait, Why};

/// Everything the engine knows.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct State {
    /// The last entry applied.
    pub seq: Seq,
    /// Its time: the engine knows no other.
    pub at: Millis,
    /// Epoch of the store.
    pub epoch: u64,
    /// The rules in force, as text; `Engine` holds them compiled.
    pub rules: Arc<RulesText>,
    /// How many rules records there were.
    pub rules_no: u64,
    /// The graph in force.
    pub graph: Option<GraphRef>,
    /// No ticket opens before this while no graph has been loaded.
    pub wait_for_graph: Option<Millis>,
    /// No alert expires before this.
    pub grace_until: Millis,
    /// CI keys, by number.
    pub cis: Cis,
    /// What is known of each source.
    pub sources: BTreeMap<Arc<str>, SourceState>,
    /// Alerts, live and recently over.
    pub alerts: Numbered<AlertId, Alert>,
    /// Their fingerprints.
    pub by_fingerprint: BTreeMap<Fingerprint, AlertId>,
    /// The last firing of a condition, where each firing has an id of its own.
    pub by_condition: BTreeMap<Fingerprint, AlertId>,
    /// Alerts of which only a recovery came, by age of their number; bounded.
    pub strangers: BTreeSet<AlertId>,
    /// Incidents, live and recently over.
    pub incidents: Numbered<IncidentId, Incident>,
    /// Outbox rows.
    pub outbox: BTreeMap<RowId, Row>,
    /// What is known of the names of alerts.
    pub names: BTreeMap<CiId, NameStat>,
    /// Alerts with a name ever.
    pub named: u64,
    /// How often the causes of all incidents were to be ranked anew, for another graph or a change of a CI.
    pub rankings: u64,
    /// Maintenance windows that are not long over, by name.
    pub windows: BTreeMap<Arc<str>, Window>,
    /// Changes of the last day, by CI.
    pub changes: BTreeMap<CiId, Vec<Change>>,
    /// Hours of service, by the name of their calendar.
    pub hours: BTreeMap<Arc<str>, Hours>,
    /// Live alerts that flap: few, so that no incident has to be searched for them.
    pub flapping: BTreeSet<AlertId>,
    /// Incidents of the last day, by the alert that opened them.
    pub chronic: BTreeMap<Fingerprint, Chronic>,
    /// How much begins.
    pub storm: Storm,
    /// How rare faults are.
    pub prior: Prior,
    /// Tickets wanted per target in the last while, for the valve.
    pub valves: BTreeMap<Arc<str>, Valve>,
    /// What is due when.
    pub timers: BTreeSet<(Millis, Timer)>,
    /// Alerts that are in no incident yet, in the order in which they are placed: by their begin. With the turn of each.
    pub waiting: BTreeMap<(Millis, Fingerprint, AlertId), Millis>,
    /// Numbers of incidents that were promised to alerts before they were placed, and that no incident has.
    pub promised: BTreeMap<IncidentId, AlertId>,
    /// Counters.
    pub last_alert: u64,
    /// See `last_alert`.
    pub last_incident: u64,
    /// See `last_alert`.
    pub last_delivery: u64,
}

/// The graph in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GraphRef {
    /// Its digest.
    pub digest: u64,
    /// When the CMDB was read.
    pub as_of: Millis,
}

/// What is known of a source.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct SourceState {
    /// Its first event ever.
    pub first_contact: Millis,
    /// Its last event.
    pub heard: Millis,
    /// Live alerts.
    pub live: u32,
    /// Stale alerts.
    pub stale: u32,
    /// Alerts inherited at first contact, for the one line that says so.
    pub inherited: u32,
    /// How late its alerts arrive.
    pub lags: Lags,
    /// Heartbeat alerts, by fingerprint: until when each is good, if the source said.
    pub heartbeats: BTreeMap<Fingerprint, Heartbeat>,
}

/// A heartbeat alert.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Heartbeat {
    /// Its alert name.
    pub name: Arc<str>,
    /// Good until then.
    pub valid_until: Option<Millis>,
}

/// An alert.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Alert {
    /// Identity.
    pub fingerprint: Fingerprint,
    /// Source of its first event.
    pub source: Arc<str>,
    /// Name space of the fingerprint.
    pub scope: Arc<str>,
    /// Labels as last sent.
    pub labels: Arc<Labels>,
    /// Text for people, as last logged.
    pub annotations: Arc<Labels>,
    /// Link to the source.
    pub link: Arc<str>,
    /// When text was last taken over.
    pub text_at: Millis,
    /// Now.
    pub severity: Severity,
    /// Of this episode.
    pub worst: Severity,
    /// Firing, stale, over.
    pub state: AlertState,
    /// Taken by a person in the source.
    pub acknowledged: bool,
    /// Which firing it is.
    pub episode: i64,
    /// Episodes up to this one are over.
    pub closed: i64,
    /// Senders that report it, each with its expiry.
    pub senders: Vec<Sender>,
    /// When the condition began, by the source's clock, never after `arrived`.
    pub started: Millis,
    /// When this episode arrived.
    pub arrived: Millis,
    /// When it was last heard of.
    pub heard: Millis,
    /// When we heard that it was over.
    pub ended: Option<Millis>,
    /// When it was over by the source's clock, if the source told.
    pub ended_there: Option<Millis>,
    /// Nobody told that it was over: it was not heard of any more.
    pub expired: bool,
    /// Events of this episode.
    pub events: u32,
    /// Where it is.
    pub ci: CiId,
    /// Why it is there.
    pub evidence: Arc<Evidence>,
    /// Why it may not open a ticket.
    pub suppressed: Option<Suppression>,
    /// Its incident.
    pub incident: Option<IncidentId>,
    /// The incident that was named first in an answer about this episode: senders keep it for ever.
    pub announced: Option<IncidentId>,
    /// Its last incident, while it waits for its turn to be placed anew.
    pub before: Option<IncidentId>,
    /// How it came and went lately, once it was over.
    pub flap: Option<Box<Flap>>,
}

/// A sender that reports an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sender {
    /// Hash of source and sender.
    pub id: u64,
    /// Over then, if nothing more comes.
    pub valid_until: Option<Millis>,
}

/// Whether an alert lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertState {
    /// The condition holds.
    Firing,
    /// It would have expired, but its whole source went quiet: shown, not resolved.
    Stale,
    /// It is over.
    Over,
}

impl Alert {
    /// Since when it is over: by the source's clock if it told, for what is on its way takes any time.
    pub fn over_since(&self) -> Option<Millis> {
        self.ended_there.or(self.ended)
    }

    /// Firing or stale.
    pub fn live(&self) -> bool {
        match self.state {
            AlertState::Firing | AlertState::Stale => true,
            AlertState::Over => false,
        }
    }
    /// When it expires: once the last of its senders has nothing more to say. `None` if one never expires.
    pub fn valid_until(&self) -> Option<Millis> {
        let mut latest = None;
        for sender in &self.senders {
            latest = latest.max(Some(sender.valid_until?));
        }
        latest
    }
}

/// How an alert came to its CI.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// The CMDB knows the CI.
    pub bound: bool,
    /// The rule that found it: `bind.rule "name"`, `default cmdb_id`, ...; empty if none did.
    pub rule: String,
    /// The label it was found by.
    pub label: String,
    /// The name that was looked up.
    pub value: String,
    /// Why it is not bound: names that were looked up in vain or were ambiguous.
    pub tried: Vec<String>,
}

/// Why an alert may not open a ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Suppression {
    /// It began before our first contact with its source.
    Inherited,
    /// It is less severe than `ticket_min_severity`.
    Severity,
    /// Its source only joins tickets (`mode = "note"`).
    Source,
    /// Another alert fires that inhibits it.
    Inhibited,
}

/// Something due.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Timer {
    /// An alert may expire.
    Expiry(AlertId),
    /// An alert that is over may be forgotten.
    ForgetAlert(AlertId),
    /// The hold of an incident ends.
    Hold(IncidentId),
    /// An incident has been quiet.
    Quiet(IncidentId),
    /// An incident that is over may be forgotten.
    ForgetIncident(IncidentId),
    /// A row of the outbox may go on.
    Row(RowId),
    /// A source should have been heard by now.
    Expect(Arc<str>),
    /// A heartbeat is no longer good.
    Heartbeat(Arc<str>, Fingerprint),
    /// The wait for the first graph is over.
    GraphWait,
    /// What was there before us has been told by its source: one line says how much it was.
    Inherited(Arc<str>),
    /// A maintenance window is over.
    Window(Arc<str>),
    /// The time for which a person wanted an incident quiet is over.
    Silence(IncidentId),
    /// An alert may have ceased to flap.
    Flap(AlertId),
    /// Tickets hear how often the alerts of an incident came and went.
    FlapNote(IncidentId),
    /// A ticket waited for this.
    Wait(IncidentId),
    /// The storm may be over.
    Storm,
    /// A ticket that a person resolved may have to be opposed.
    Oppose(RowId),
    /// It is the turn of an alert to be placed.
    Place(AlertId),
    /// Live alerts from this one on were not bound anew yet, after a new graph or new rules.
    Rebind(AlertId),
    /// What comes of the root of a vast incident is judged, in an entry after the one that chose it.
    Judge(IncidentId),
    /// It is explained, in the next.
    Explain(IncidentId),
    /// And what people and the tool hear of it is written, in the next.
    Write(IncidentId),
    /// Most of an incident was over a while ago: what goes on may be a fault of its own.
    Outlast(IncidentId),
}

impl State {
    /// A state in which nothing has happened.
    pub fn empty() -> State {
        State {
            seq: Seq(0),
            at: Millis(0),
            epoch: 0,
            rules: Arc::new(RulesText::default()),
            rules_no: 0,
            graph: None,
            wait_for_graph: None,
            grace_until: Millis(i64::MIN),
            cis: Cis::default(),
            sources: BTreeMap::new(),
            alerts: Numbered::default(),
            by_fingerprint: BTreeMap::new(),
            by_condition: BTreeMap::new(),
            strangers: BTreeSet::new(),
            incidents: Numbered::default(),
            outbox: BTreeMap::new(),
            names: BTreeMap::new(),
            named: 0,
            rankings: 0,
            windows: BTreeMap::new(),
            changes: BTreeMap::new(),
            hours: BTreeMap::new(),
            flapping: BTreeSet::new(),
            chronic: BTreeMap::new(),
            storm: Storm::default(),
            prior: Prior::default(),
            valves: BTreeMap::new(),
            timers: BTreeSet::new(),
            waiting: BTreeMap::new(),
            promised: BTreeMap::new(),
            last_alert: 0,
            last_incident: 0,
            last_delivery: 0,
        }
    }
}
