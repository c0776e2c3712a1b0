//! An incident: alerts that one fault explains.

use super::correlate::Together;
use super::correlate::case::Case;
use super::correlate::why::Why;
use super::flap::FlapsTold;
use super::hands::Hands;
use super::inform::Informed;
use super::waits::Wait;
use crate::model::{AlertId, CiId, Fingerprint, IncidentId, Millis, Priority};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// An incident.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Incident {
    /// Where it stands.
    pub state: IncidentState,
    /// Its alerts.
    pub members: BTreeMap<AlertId, Member>,
    /// What is known about its causes.
    pub case: Case,
    /// The name that gathered it, where no CI did.
    pub burst: Option<CiId>,
    /// The maintenance window that kept back its ticket when it was last asked for.
    pub maintenance: Option<Arc<str>>,
    /// The maintenance window beside which it was set aside.
    pub beside: Option<Arc<str>>,
    /// The causes that explain it best with what each is worth, best first.
    pub ranked: Vec<(CiId, i64)>,
    /// What the ranking was made of: the version of the case, and `State::rankings`.
    pub ranked_for: (u32, u64),
    /// A cause that explains it better than the one tickets name, since when.
    pub rival: Option<(CiId, Millis)>,
    /// When it was last looked at: not with every alert.
    pub looked: Millis,
    /// The CI that explains the others best, or that a person named.
    pub root: CiId,
    /// The root has no alert itself.
    pub silent_root: bool,
    /// Its alerts come from sources in shadow: it never touches a real ticket.
    pub shadow: bool,
    /// The cause is right in at least 95 % of such cases.
    pub confident: bool,
    /// Priority; rises, and falls only on recovery.
    pub priority: Priority,
    /// Arrival of the first and the last alert.
    pub first: Millis,
    /// See `first`.
    pub last: Millis,
    /// The alert that opened it.
    pub opening: Fingerprint,
    /// End of the hold.
    pub hold_until: Millis,
    /// When its ticket was wanted.
    pub opened: Option<Millis>,
    /// When its last alert was over.
    pub quiet_since: Option<Millis>,
    /// The begin of the alert that last fired again when all of it was over.
    pub woken: Option<Millis>,
    /// When it was resolved.
    pub resolved: Option<Millis>,
    /// A person let it have a ticket in spite of suppression.
    pub promoted: bool,
    /// A person has taken it.
    pub acknowledged: Option<String>,
    /// The incident it became part of.
    pub merged_into: Option<IncidentId>,
    /// The incidents that became part of it: which, by which CI, when.
    pub merges: Vec<Merge>,
    /// Number of live members.
    pub live: u32,
    /// Turning points, at most 32.
    pub turns: Vec<Turn>,
    /// When the cause was last changed, and what tickets say since.
    pub told: Told,
    /// What people said about it.
    pub hands: Hands,
    /// Alerts of it come and go, and tickets were told.
    pub flaps: Option<FlapsTold>,
    /// The incident that its alert was in before, if it is over.
    pub recurs: Option<IncidentId>,
    /// What its ticket waits for beyond its hold, or waited for.
    pub waits: Option<Wait>,
    /// Why it was what it was, at its turning points.
    pub why: Why,
}

/// What tickets were last told, so that a note says only what is new.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Told {
    /// Root cause named with confidence; `None` for "not known".
    pub cause: Option<CiId>,
    /// CIs.
    pub cis: u32,
    /// Services that do not work.
    pub services: BTreeSet<CiId>,
    /// Priority.
    pub priority: Option<Priority>,
    /// When a note that is not urgent was last written.
    pub at: Millis,
    /// Services of these that were told to work again.
    pub back: BTreeSet<CiId>,
    /// When a note last told of such.
    pub back_at: Millis,
    /// When the incident began anew: what was over before was told with its recovery.
    pub anew: Millis,
    /// Owners of services who were told, each once.
    pub informed: BTreeMap<String, Informed>,
}

impl Incident {
    /// It has a ticket and is not over.
    pub fn has_open_ticket(&self) -> bool {
        self.opened.is_some() && self.state == IncidentState::Open
    }
    /// The end of its hold; none before it was looked at for the first time.
    pub fn hold(&self) -> Option<Millis> {
        let known = self.hold_until > self.first || self.opened.is_some();
        known.then_some(self.hold_until)
    }
    /// A person put an alert into it, or took it out of another one.
    pub fn is_by_hand(&self) -> bool {
        !self.hands.placed.is_empty() || self.hands.split_from.is_some()
    }
}

/// A merge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Merge {
    /// The other incident.
    pub from: IncidentId,
    /// What makes them one.
    pub why: Together,
    /// The person who merged them; `None` if it was us.
    pub by: Option<String>,
    /// When.
    pub at: Millis,
}

/// Where an incident stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IncidentState {
    /// Held: waits for its cause.
    Pending,
    /// Ticket wanted.
    Open,
    /// No live alert, not yet quiet for long enough.
    Recovering,
    /// Over.
    Resolved,
    /// Part of another incident.
    Merged,
}

impl IncidentState {
    /// The word of metrics and the API.
    pub const fn word(self) -> &'static str {
        match self {
            IncidentState::Pending => "pending",
            IncidentState::Open => "open",
            IncidentState::Recovering => "recovering",
            IncidentState::Resolved => "resolved",
            IncidentState::Merged => "merged",
        }
    }
    /// Neither resolved nor merged.
    pub const fn lives(self) -> bool {
        match self {
            IncidentState::Pending | IncidentState::Open | IncidentState::Recovering => true,
            IncidentState::Resolved | IncidentState::Merged => false,
        }
    }
}

/// An alert's place in its incident.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Its CI.
    pub ci: CiId,
    /// How it came here.
    pub how: How,
    /// The alerting CI that linked it, if another.
    pub via: Option<CiId>,
    /// Weight of that link, per mille.
    pub weight: u16,
    /// Time between its begin and that of the linking alert.
    pub gap: Millis,
    /// Other incidents it could have joined.
    pub also: Vec<IncidentId>,
}

/// How an alert came into its incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// It opened it.
    Opened,
    /// Same CI (or same host, where the CMDB does not know it).
    SameCi,
    /// It needs a CI that alerts.
    Attach,
    /// A CI of the incident needs it: the cause came late.
    Cause,
    /// It explains nothing, but shares a silent cause.
    CommonCause,
    /// A person put it here.
    Person,
    /// The CMDB does not know its CI, but its name is what the incident shows just now.
    Named,
    /// The CMDB does not say what its host needs, and hosts of the incident went down at the same time.
    DownToo,
}

/// A turning point, kept for the explanation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Turn {
    /// When.
    pub at: Millis,
    /// What: `opened`, `joined`, `cause`, `merged`, `ticket wanted`, `recovering`, `resolved`, `reopened`.
    pub what: String,
}
