//! Wanted state to text: title, description and notes, bounded and harmless for the kind of tool.
//!
//! The engine says *what* is known ([`Wanted`]); this module says it in words, in English or Danish. Rules of
//! the text: the letters WHAT, IMPACT, CAUSE, DO FIRST, CHANGED, BEFORE in this order, empty ones left out;
//! names before numbers; every time with its zone; alert text quoted at most once and cut at 200 characters;
//! one line per letter, never wrapped by us, because a phone wraps better than we can.

mod classes;
mod facts;
mod harmless;
mod held;
mod notes;
mod page;
mod render;
mod text;
mod title;

pub use facts::{Former, Recovery, With};
pub use held::HeldBy;
pub use notes::note;
pub use page::zone_is_known;
pub use render::TextError;
pub use text::{content, page, sentence};

use crate::model::{IncidentId, Millis, Priority, Severity};
use serde::{Deserialize, Serialize};

/// What a ticket shall say: facts, never text of ours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    /// The incident.
    pub incident: IncidentId,
    /// The correlation key with its generation.
    pub key: String,
    /// Priority now.
    pub priority: Priority,
    /// Worst severity of the live alerts (of all, once it is over).
    pub severity: Severity,
    /// The CI that the first line is about: the root cause if confidence is high, else the most critical
    /// observed service, else the worst CI.
    pub subject: CiText,
    /// What is the matter with it, in the words of its worst alert (first line, cleaned, cut by the engine
    /// at 200 characters).
    pub symptom: String,
    /// Since when.
    pub since: Millis,
    /// The first alert: when it arrived, its source, its CI, its text.
    pub first: FirstAlert,
    /// The cause.
    pub cause: Cause,
    /// Services with a live alert, most critical first, at most [`MAX_NAMES`].
    pub observed: Vec<ServiceText>,
    /// Services that need the root cause and have no alert, most critical first, at most [`MAX_NAMES`].
    pub at_risk: Vec<ServiceText>,
    /// Alerting CIs by class, the largest class first.
    pub affected: Vec<ClassText>,
    /// Names of alerting CIs that the CMDB knows, at most [`MAX_LISTED`]: services, the most critical first,
    /// then the root, then the worst.
    pub listed: Vec<String>,
    /// Live and past alerts of the incident, and its CIs.
    pub alerts: u32,
    /// See `alerts`.
    pub cis: u32,
    /// Seconds from the first to the last alert.
    pub spread: Millis,
    /// Alerts by source, the largest first.
    pub sources: Vec<(String, u32)>,
    /// Runbook or dashboard links of the alerts, without repetition, at most 3.
    pub links: Vec<String>,
    /// Open incidents near this one that are not part of it, with the reason.
    pub also_open: Vec<AlsoOpen>,
    /// Assignment group; empty for the tool's default.
    pub group: String,
    /// Why the ticket was due when it was: how long it was held.
    pub held: Millis,
    /// What held it, if not just the hold of its priority.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_by: Option<HeldBy>,
    /// When the ticket was wanted.
    pub opened: Millis,
    /// Number of the rules in force.
    pub rules: u64,
    /// When the graph in force was read; `None` without a graph.
    pub graph_as_of: Option<Millis>,
    /// The incident was merged into this one.
    pub merged_into: Option<IncidentId>,
    /// A person split it from another one.
    pub split_from: Option<SplitFrom>,
    /// The ticket that this one follows.
    pub before: Option<Former>,
    /// Changes of its cause shortly before it began, the last first.
    pub changed: Vec<ChangeText>,
    /// CIs whose alerts come and go, at most [`MAX_NAMES`].
    pub flapping: Vec<String>,
    /// How long they must be quiet before they are over.
    pub flap_quiet: Millis,
}

/// A change of a CI, before an incident.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeText {
    /// Its number.
    pub id: String,
    /// What was changed.
    pub summary: String,
    /// The CI.
    pub ci: String,
    /// When.
    pub at: Millis,
    /// How long before the first alert.
    pub before: Millis,
}

/// An alert that comes and goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlapText {
    /// Its CI.
    pub ci: String,
    /// How often it began or ended since tickets were last told.
    pub times: u32,
    /// Since when.
    pub since: Millis,
}

/// Where an incident comes from that a person split off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SplitFrom {
    /// The other incident.
    pub incident: IncidentId,
    /// Its ticket at this target, if any.
    pub ticket: String,
    /// Who split it.
    pub by: String,
}

/// Names listed of any sort; "... and 8 more" stands for the rest.
pub const MAX_NAMES: usize = 6;

/// Alerting CIs that are named one by one, where a tool has a table of a ticket's CIs.
pub const MAX_LISTED: usize = 50;

/// A CI in a text.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CiText {
    /// Its name.
    pub name: String,
    /// Its class, as in the CMDB (`access_switch`); empty if not known.
    pub class: String,
    /// Where it is, from its attributes; empty if not known.
    pub place: String,
    /// Whether the CMDB knows it.
    pub known: bool,
}

/// The alert that came first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FirstAlert {
    /// When it arrived.
    pub at: Millis,
    /// Name of its source.
    pub source: String,
    /// Its CI or host.
    pub ci: String,
    /// Its text, one line.
    pub text: String,
}

/// What is known of the cause.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Cause {
    /// Right in at least 95 % of such cases.
    High(CauseText),
    /// Not known; the best guess if there is one.
    NotKnown(Option<CauseText>),
    /// Not known, and no CI connects the alerts: one fault shows on so many CIs.
    SameFault(u32),
    /// What a person said, and who; `None` for "not known".
    Named(Option<CauseText>, String),
}

impl Cause {
    /// The cause, where one may be named.
    pub fn known(&self) -> Option<&CauseText> {
        match self {
            Cause::High(text) => Some(text),
            Cause::Named(text, _) => text.as_ref(),
            Cause::NotKnown(_) | Cause::SameFault(_) => None,
        }
    }
    /// The cause or the best guess.
    pub fn text(&self) -> Option<&CauseText> {
        match self {
            Cause::High(text) => Some(text),
            Cause::Named(text, _) | Cause::NotKnown(text) => text.as_ref(),
            Cause::SameFault(_) => None,
        }
    }
    /// On how many CIs one fault shows that no CI explains.
    pub fn same_fault(&self) -> Option<u32> {
        match self {
            Cause::SameFault(cis) => Some(*cis),
            Cause::High(_) | Cause::NotKnown(_) | Cause::Named(..) => None,
        }
    }
    /// The person who named it.
    pub fn by(&self) -> Option<&str> {
        match self {
            Cause::Named(_, by) => Some(by),
            Cause::High(_) | Cause::NotKnown(_) | Cause::SameFault(_) => None,
        }
    }
}

/// A root cause and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CauseText {
    /// The CI.
    pub ci: CiText,
    /// It has an alert itself.
    pub alerts_itself: bool,
    /// Without an alert here, the incident in which it alerts.
    pub alerts_in: Option<IncidentId>,
    /// Its alert was the first of all.
    pub first: bool,
    /// Alerting CIs that need it.
    pub explains: u32,
    /// Monitored CIs that need it.
    pub of_monitored: u32,
    /// Monitored CIs that need it and have no alert, at most [`MAX_NAMES`].
    pub silent: Vec<String>,
    /// How many are silent.
    pub silent_count: u32,
    /// Further ones whose silence says nothing; they are not counted above.
    pub unknown: u32,
    /// The next best, if any: its name, what it explains, of how many monitored.
    pub runner_up: Option<(String, u32, u32)>,
}

/// A service in a text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceText {
    /// Its name.
    pub name: String,
    /// Its criticality word; empty if not known.
    pub criticality: String,
}

/// Alerting CIs of one class.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClassText {
    /// The class; empty for what the CMDB does not know.
    pub class: String,
    /// How many.
    pub count: u32,
    /// The first [`MAX_NAMES`], worst first.
    pub names: Vec<String>,
}

/// An incident that is open, near, and not part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlsoOpen {
    /// The incident.
    pub incident: IncidentId,
    /// Its ticket at this target, if any.
    pub ticket: String,
    /// The CI it is about.
    pub ci: String,
}

/// A turning point worth a note. Everything in it is decided by the engine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// When it happened.
    pub at: Millis,
    /// What happened.
    pub what: NoteKind,
    /// The tool could not be reached between these; a line says so.
    pub delayed: Option<(Millis, Millis)>,
}

/// What a note tells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum NoteKind {
    /// Many more CIs, or a further service is down.
    Grew {
        /// Live alerts and CIs now.
        alerts: u32,
        /// See `alerts`.
        cis: u32,
        /// Services newly without function.
        services: Vec<ServiceText>,
        /// Names of some new CIs.
        names: Vec<String>,
    },
    /// A critical alert, or one on a service of the highest criticality, joined a ticket that a person has touched.
    LateCritical {
        /// Its CI.
        ci: String,
        /// Its text.
        text: String,
        /// It is critical.
        critical: bool,
        /// Further CIs of which the same is true, at most [`MAX_NAMES`].
        more: Vec<String>,
        /// How many those are.
        count: u32,
        /// What a note of its own would say at the same moment.
        with: With,
    },
    /// The cause changed or became known.
    Cause {
        /// What we said before; empty for "not known".
        before: String,
        /// What we say now.
        now: Cause,
    },
    /// The priority rose.
    Priority {
        /// Before.
        before: Priority,
        /// Now.
        now: Priority,
        /// The services that raised it.
        services: Vec<ServiceText>,
        /// A person has the ticket: its priority is left to them.
        left: bool,
    },
    /// Another incident was merged into this one.
    Merged {
        /// The other.
        incident: IncidentId,
        /// Its ticket here, if it had one.
        ticket: String,
        /// What explains both.
        because: Because,
        /// The person who merged them; empty if it was us.
        by: String,
    },
    /// This incident was merged into another, whose ticket goes on.
    MergedInto {
        /// The other.
        incident: IncidentId,
        /// Its ticket here, if it has one.
        ticket: String,
        /// What explains both.
        because: Because,
        /// The person who merged them; empty if it was us.
        by: String,
    },
    /// A person took alerts out.
    Left {
        /// Where they went.
        incident: IncidentId,
        /// Its ticket here, if it has one.
        ticket: String,
        /// How many.
        alerts: u32,
        /// Their CIs, at most [`MAX_NAMES`].
        names: Vec<String>,
        /// Who.
        by: String,
        /// That incident is new.
        new: bool,
    },
    /// Alerts go on though the rest of the incident is over: they left it.
    GoesOn {
        /// How many.
        alerts: u32,
        /// Their CIs, at most [`MAX_NAMES`].
        names: Vec<String>,
        /// Where they are now, at most [`MAX_NAMES`].
        into: Vec<IncidentId>,
        /// How many incidents these are.
        incidents: u32,
    },
    /// Alerts came from another incident: a person moved them here, or they go on though the rest there is over.
    Came {
        /// Where they were.
        incident: IncidentId,
        /// Its ticket here, if it has one.
        ticket: String,
        /// How many.
        alerts: u32,
        /// Their CIs, at most [`MAX_NAMES`].
        names: Vec<String>,
        /// Who; empty if it was us.
        by: String,
    },
    /// A person ended the incident.
    Ended {
        /// Who.
        by: String,
        /// Alerts that still fire.
        firing: u32,
        /// A person works on the ticket: the state is left to them.
        touched: bool,
        /// We resolve the ticket with this note.
        resolves: bool,
    },
    /// Services work again, and the incident goes on.
    Back {
        /// Which, and since when, most critical first, at most [`MAX_NAMES`].
        services: Vec<(ServiceText, Millis)>,
        /// Services that do not work yet, most critical first, at most [`MAX_NAMES`].
        failing: Vec<ServiceText>,
        /// Live alerts.
        alerts: u32,
    },
    /// All alerts are over.
    Recovered(Recovery),
    /// An alert fires again.
    Reopened {
        /// Its CI.
        ci: String,
        /// Its text.
        text: String,
    },
    /// Alerts come and go: once, then by the hour.
    Flapping {
        /// Which, the most restless first, at most [`MAX_NAMES`].
        alerts: Vec<FlapText>,
        /// How many.
        count: u32,
        /// It is the first time that the ticket hears of it.
        first: bool,
        /// Since the last time.
        span: Millis,
        /// How long they must be quiet before they are over.
        quiet: Millis,
    },
    /// A person resolved the ticket, and its alerts go on.
    StillFiring {
        /// How many.
        firing: u32,
        /// After this the resolve is opposed.
        wait: Option<Millis>,
        /// By a new ticket.
        new: bool,
    },
    /// Another ticket carries our key and a person has touched it: we leave it, and say so here.
    Duplicate {
        /// The other ticket.
        ticket: String,
    },
    /// Nothing happened but the delay, which `Note::delayed` says.
    Late,
    /// The owner of services that do not work is told; the ticket is another group's.
    Inform {
        /// The owner.
        owner: String,
        /// Whose ticket it is; empty for the tool's default.
        group: String,
        /// The services of that owner, most critical first, at most [`MAX_NAMES`].
        services: Vec<ServiceText>,
    },
}

/// What explains two incidents that became one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Because {
    /// A CI, by its name; empty for nothing.
    Ci(String),
    /// One fault on CIs that nothing else connects, by the name that its alerts share.
    SameFault(String),
    /// What cut off two CIs that a line joins, by their names.
    CutOff(String, String),
    /// A CI that explains both, by its name; they began within minutes of each other and ended together.
    Ended(String),
    /// The name that alerts of both share; they began within minutes of each other and ended together.
    EndedAlike(String),
    /// A CI that explains both, by its name; the later one began while it alerted and ended with it.
    EndedWith(String),
}

/// How a target's text is made.
#[derive(Clone, Debug)]
pub struct Style {
    /// Language of the text.
    pub language: Language,
    /// IANA name of the time zone, checked by the configuration.
    pub timezone: String,
    /// Base of links to our own pages; no link is printed while it is empty.
    pub link_base: String,
    /// What the tool bears.
    pub limits: crate::itsm::Limits,
}

/// Languages that are shipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// English.
    En,
    /// Danish.
    Da,
}

impl Language {
    /// All of them.
    pub const ALL: [Language; 2] = [Language::En, Language::Da];
}
