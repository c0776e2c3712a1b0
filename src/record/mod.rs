//! Records and their codec: what is in the log, for good.
//!
//! An entry is `format (1 byte) | engine version (u32 LE) | flags (1 byte) | crc32c of all but itself (u32 LE)
//! | payload`; the payload is postcard of `Vec<Record>`, compressed with zstd above 512 bytes (flag 1). The
//! structs reachable from [`Record`] are frozen: a new field is a new variant with a fixture under
//! `tests/fixtures/record/`. Variants are only ever added at the end.

mod codec;
mod ticket;

pub use codec::{Decoded, RecordError, decode_entry, encode_entry};
pub use ticket::{TicketChangeV1, TicketGoneV1};

use crate::itsm::{Refusal, Seen};
use crate::model::{DeliveryId, Event, Fingerprint, IncidentId, Millis};
use serde::{Deserialize, Serialize};

/// Bytes of an entry's payload before compression.
pub const MAX_PAYLOAD: usize = 256 * 1024;
/// Events of an entry.
pub const MAX_EVENTS: usize = 256;

/// One fact in the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Record {
    /// What a source told us.
    Events(EventsV1),
    /// What repeats added since they were last written.
    Repeats(RepeatsV1),
    /// New rules are in force.
    Rules(RulesV1),
    /// A new graph is in force.
    Graph(GraphV1),
    /// A small change of the graph in force; reserved, not written yet.
    GraphDelta(GraphDeltaV1),
    /// A delivery that may write is handed out.
    Sent(SentV1),
    /// How a delivery ended.
    Receipt(ReceiptV1),
    /// What people changed in a ticket, found outside a delivery.
    TicketChange(TicketChangeV1),
    /// What a person told us to do.
    Operator(OperatorV1),
    /// A maintenance window.
    Maintenance(MaintenanceV1),
    /// A change of a CI.
    Change(ChangeV1),
    /// Nothing but time passed.
    Tick,
    /// The wall clock stepped, or nothing could be taken in for a while.
    ClockStep(ClockStepV1),
    /// The process started.
    Started(StartedV1),
    /// What the state looked like after the entry before.
    Digest(DigestV1),
    /// Hours of service, which tickets of less urgent incidents wait for.
    Hours(HoursV1),
    /// A ticket is gone, found outside a delivery.
    TicketGone(TicketGoneV1),
}

/// Events of one body, or a part of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventsV1 {
    /// Name of the source.
    pub source: String,
    /// Name space of its fingerprints.
    pub scope: String,
    /// When the body arrived.
    pub received_at: Millis,
    /// In the order to apply.
    pub events: Vec<Event>,
}

/// Repeats that were answered before they were written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RepeatsV1 {
    /// One line per alert, in the order of the fingerprints.
    pub repeats: Vec<RepeatV1>,
    /// Sources that were heard (heartbeats and notes included) with the time of the last event.
    pub heard: Vec<(String, Millis)>,
}

/// Repeats of one alert.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RepeatV1 {
    /// The alert.
    pub fingerprint: Fingerprint,
    /// Name of the source.
    pub source: String,
    /// Which sender, as in the event.
    pub sender: String,
    /// How many.
    pub count: u32,
    /// When the last one arrived.
    pub last: Millis,
    /// The new moment of expiry, if any.
    pub valid_until: Option<Millis>,
}

/// Rules by their canonical text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RulesV1 {
    /// `RulesText::canonical`.
    pub text: String,
}

/// A graph by its digest; the graph itself is in the chunks `ChunkKind::Graph`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GraphV1 {
    /// First 8 bytes of the SHA-256 of its stored form before compression, big endian.
    pub digest: u64,
    /// How many CIs it has.
    pub cis: u32,
    /// How many relations it has.
    pub relations: u32,
    /// When the CMDB was read.
    pub as_of: Millis,
}

/// Reserved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GraphDeltaV1 {
    /// The graph it changes.
    pub digest: u64,
    /// The change.
    pub bytes: Vec<u8>,
}

/// A delivery that may write.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SentV1 {
    /// The delivery.
    pub delivery: DeliveryId,
    /// Its incident.
    pub incident: IncidentId,
    /// The alert that opened the incident: adopts the ticket if the incident should no longer exist.
    pub opening: Fingerprint,
    /// Name of the target.
    pub target: String,
    /// The correlation key.
    pub key: String,
    /// What was asked.
    pub step: StepName,
    /// The ticket it was asked of; empty for a create.
    pub ticket: String,
}

/// The name of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "see itsm::Step")]
pub enum StepName {
    Probe,
    Find,
    Create,
    Update,
    Note,
    Resolve,
    Reopen,
    Link,
    Read,
}

impl StepName {
    /// Whether it may change something in the tool.
    pub const fn writes(self) -> bool {
        match self {
            StepName::Probe | StepName::Find | StepName::Read => false,
            StepName::Create
            | StepName::Update
            | StepName::Note
            | StepName::Resolve
            | StepName::Reopen
            | StepName::Link => true,
        }
    }
    /// The word of logs and metrics.
    pub const fn word(self) -> &'static str {
        match self {
            StepName::Probe => "probe",
            StepName::Find => "find",
            StepName::Create => "create",
            StepName::Update => "update",
            StepName::Note => "note",
            StepName::Resolve => "resolve",
            StepName::Reopen => "reopen",
            StepName::Link => "link",
            StepName::Read => "read",
        }
    }
}

/// How a delivery ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceiptV1 {
    /// The delivery.
    pub delivery: DeliveryId,
    /// Its incident.
    pub incident: IncidentId,
    /// Name of the target.
    pub target: String,
    /// The correlation key.
    pub key: String,
    /// What was asked.
    pub step: StepName,
    /// What came of it.
    pub outcome: OutcomeV1,
}

/// What came of a delivery.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum OutcomeV1 {
    /// `Find`: tickets that carry the key, each with whether our account created it.
    Found(Vec<HitV1>),
    /// Written and read back.
    Done {
        /// The tool's id.
        ticket: String,
        /// How it stood afterwards.
        seen: Seen,
    },
    /// It already was so.
    Already {
        /// How it stands.
        seen: Seen,
    },
    /// `Read`, or left undone because a person has touched or ended the ticket.
    State {
        /// How it stands.
        seen: Seen,
    },
    /// The tool said no; nothing was changed.
    Refused(Refusal),
    /// A writing exchange went out and its outcome is not known.
    Unknown {
        /// What happened.
        why: String,
    },
}

/// A ticket found by its key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HitV1 {
    /// The tool's id.
    pub ticket: String,
    /// Created by our account.
    pub by_us: bool,
    /// How it stands.
    pub seen: Seen,
}

/// What a person told us to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperatorV1 {
    /// Who.
    pub actor: String,
    /// What.
    pub command: CommandV1,
}

/// Commands of people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CommandV1 {
    /// Take an incident: it stays, its ticket is not resolved by us.
    Acknowledge(IncidentId),
    /// Let an inherited alert's incident have a ticket.
    Promote(IncidentId),
    /// Alerts of an incident leave it and become one of their own.
    Split(SplitV1),
    /// Alerts of an incident go to another one.
    Move(MoveV1),
    /// Two incidents become one.
    Merge(PairV1),
    /// What the root cause of an incident is.
    Cause(CauseV1),
    /// Two incidents are never merged by us.
    KeepApart(PairV1),
    /// An incident is over, though its alerts may still fire.
    Resolve(IncidentId),
    /// No notes and no reopening for a while.
    Quiet(QuietV1),
    /// What waits to be delivered is tried now.
    Retry(RetryV1),
}

/// Alerts of an incident, as a person named them; at least one of the two lists has an entry.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedV1 {
    /// Fingerprints, or their first digits.
    pub alerts: Vec<String>,
    /// Names or ids of CIs: all alerts of the incident there.
    pub cis: Vec<String>,
}

/// See [`CommandV1::Split`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SplitV1 {
    /// The incident.
    pub incident: IncidentId,
    /// What leaves it.
    pub named: NamedV1,
}

/// See [`CommandV1::Move`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MoveV1 {
    /// The incident.
    pub incident: IncidentId,
    /// What leaves it.
    pub named: NamedV1,
    /// Where it goes.
    pub to: IncidentId,
}

/// Two incidents.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PairV1 {
    /// The one that the command was given for.
    pub incident: IncidentId,
    /// The other.
    pub other: IncidentId,
}

/// See [`CommandV1::Cause`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CauseV1 {
    /// The incident.
    pub incident: IncidentId,
    /// Name or id of the CI; `None` for "not known".
    pub ci: Option<String>,
}

/// See [`CommandV1::Quiet`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuietV1 {
    /// The incident.
    pub incident: IncidentId,
    /// For how long; zero ends it.
    pub span: Millis,
}

/// See [`CommandV1::Retry`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RetryV1 {
    /// Of one incident, at every target.
    Incident(IncidentId),
    /// Of every incident, at the target of this name.
    Target(String),
    /// Everything.
    All,
}

/// A maintenance window. The same name again replaces it; one that ends where it begins, or before, takes it
/// back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MaintenanceV1 {
    /// Its name.
    pub id: String,
    /// The CI by its CMDB id.
    pub ci: String,
    /// From.
    pub from: Millis,
    /// To.
    pub to: Millis,
    /// What needs the CI is included.
    pub include_dependents: bool,
}

/// Hours of service, in place of those of the same name; without any, the calendar is gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoursV1 {
    /// Name of the calendar.
    pub name: String,
    /// When there is service, in order.
    pub spans: Vec<SpanV1>,
    /// What is known ends here: later nothing waits.
    pub until: Millis,
}

/// A span of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpanV1 {
    /// From.
    pub from: Millis,
    /// To, not included.
    pub to: Millis,
}

/// A change of a CI.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeV1 {
    /// Its number in the ITSM tool.
    pub id: String,
    /// The CI by its CMDB id.
    pub ci: String,
    /// When.
    pub at: Millis,
    /// What was changed.
    pub summary: String,
}

/// Time in which nothing could be taken in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockStepV1 {
    /// How long.
    pub gap: Millis,
}

/// A start of the process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StartedV1 {
    /// Engine version of the program.
    pub engine: u32,
    /// Epoch of the store.
    pub epoch: u64,
    /// The time of the last entry before, if any: what lies between is a gap.
    pub last: Option<Millis>,
}

/// Digest of the state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DigestV1 {
    /// First 8 bytes of the SHA-256 of the snapshot form, big endian.
    pub digest: u64,
}

/// A row of the history tables: times, names, outcome; no free text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum History {
    /// One firing of an alert, written when it is over.
    AlertEpisode {
        /// The alert.
        fingerprint: Fingerprint,
        /// Name of the source.
        source: String,
        /// The CI's name, if bound.
        ci: Option<String>,
        /// Worst severity.
        severity: &'static str,
        /// When it began.
        started: Millis,
        /// When it was over.
        ended: Millis,
        /// `resolved` or `expired`.
        outcome: &'static str,
        /// Its incident.
        incident: Option<IncidentId>,
    },
    /// An incident, replaced at each turning point.
    Incident {
        /// The incident.
        id: IncidentId,
        /// `pending`, `open`, `recovering`, `resolved`, `merged`.
        state: &'static str,
        /// `P1` to `P4`.
        priority: &'static str,
        /// Name of the probable root cause, if known.
        root: Option<String>,
        /// Most critical observed service.
        service: Option<String>,
        /// First alert.
        detected: Millis,
        /// Ticket wanted.
        opened: Option<Millis>,
        /// Over.
        resolved: Option<Millis>,
        /// How many alerts.
        alerts: u32,
        /// The incident it was merged into.
        merged_into: Option<IncidentId>,
    },
    /// A ticket, replaced at each receipt.
    Ticket {
        /// Name of the target.
        target: String,
        /// The tool's id.
        ticket: String,
        /// Its incident.
        incident: IncidentId,
        /// The correlation key.
        key: String,
        /// State as last seen.
        state: &'static str,
        /// When it was opened.
        opened: Millis,
        /// When it was resolved by us.
        resolved: Option<Millis>,
    },
}
