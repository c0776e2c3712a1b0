//! ITSM tools: a step to HTTP bytes and back. One file per kind, one row per kind in [`KINDS`].

pub mod bmc;
pub mod cherwell;
pub mod exchange;
mod fill;
pub mod freshservice;
pub mod hint;
pub mod itop;
pub mod jira;
mod life;
pub mod pagerduty;
pub mod poll;
pub mod rt;
pub mod selftest;
pub mod servicenow;
pub mod shadow;
pub mod webhook;
mod wire;
pub mod zammad;

use crate::config::keys::{Key, Settings};
use crate::model::{Millis, Request, Response};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// The kinds of ITSM tool.
pub static KINDS: &[Itsm] = &[
    bmc::ITSM,
    cherwell::ITSM,
    freshservice::ITSM,
    itop::ITSM,
    jira::ITSM,
    jira::DATA_CENTER,
    pagerduty::ITSM,
    rt::ITSM,
    servicenow::ITSM,
    shadow::ITSM,
    webhook::ITSM,
    zammad::ITSM,
];

/// A kind of ITSM tool: a row of plain values and functions.
#[derive(Clone, Copy, Debug)]
pub struct Itsm {
    /// The word of `[[itsm]] kind`.
    pub kind: &'static str,
    /// The keys that only this kind reads.
    pub keys: &'static [Key],
    /// What the tool bears.
    pub limits: Limits,
    /// What the kind can keep; printed in the README.
    pub promise: Promise,
    /// Whether a ticket has a watch list that we write.
    pub watches: bool,
    /// Whether tickets can be linked to each other beside the text, as the settings are. Elsewhere [`Step::Link`]
    /// is never asked: the notes name the other ticket.
    pub links: fn(&ItsmSettings) -> bool,
    /// The story of a step: called with the answers so far, says what comes next. Pure; never panics.
    pub next: fn(&ItsmSettings, &Facts, &Step, &[Response]) -> Next,
    /// How it is asked what people changed, if it can be.
    pub poll: Option<poll::Poll>,
    /// How it tells that something changed, if it does.
    pub hint: Option<hint::Hint>,
    /// What `check --online` asks it; without, only the probe is made.
    pub selftest: Option<selftest::SelfTest>,
}

/// The kind named `kind`.
pub fn kind(kind: &str) -> Option<&'static Itsm> {
    KINDS.iter().find(|k| k.kind == kind)
}

/// What people are shown of a ticket's id. An id may have two parts, `NUMBER#ADDRESS`, for a tool whose
/// people know a ticket by another name than its API.
pub fn shown(id: &str) -> &str {
    id.split('#').next().unwrap_or(id)
}

/// By what its API knows a ticket; see [`shown`].
fn address(id: &str) -> &str {
    id.split_once('#').map_or(id, |(_, address)| address)
}

/// Exchanges that one step may take; a step that wants more is refused as a bug of the kind.
pub const MAX_EXCHANGES: usize = 8;

/// No ticket carries this key: the search of `Probe` must find nothing.
const IMPOSSIBLE_KEY: &str = "cor-00000000-0.0";

/// What a tool bears.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of a title.
    pub title: usize,
    /// Bytes of a description.
    pub description: usize,
    /// Bytes of a work note.
    pub note: usize,
    /// How long a create whose answer was lost may take to become findable: search lag or the longest
    /// server transaction, whichever is longer. The default of `[[itsm]] settle`.
    pub settle: Millis,
    /// Whether a resolved ticket can be opened again.
    pub reopens: bool,
    /// How text is made harmless.
    pub markup: Markup,
}

/// What a tool makes of text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Markup {
    /// Nothing: text is shown as it is.
    Plain,
    /// What stands between `[code]` and `[/code]` is taken for HTML.
    CodeTags,
    /// Wiki marks: macros in braces, links and mentions in brackets, images between exclamation marks.
    Wiki,
    /// Nobody knows what: HTML, wiki marks, Markdown, mentions.
    Unknown,
}

/// What a kind can promise about tickets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Promise {
    /// One ticket per incident: the key goes in with the create and can be found.
    Once,
    /// One ticket per incident: the tool itself takes two creates with one key for one.
    OnceByTool,
    /// What the settings of the target say: a tool of which we know nothing.
    Declared,
    /// No ticket is written at all.
    Nothing,
}

/// A configured target, as an adapter sees it: no address, no credential.
#[derive(Clone, Debug, Default)]
pub struct ItsmSettings {
    /// Its name in the configuration.
    pub name: String,
    /// Values of the kind's own keys.
    pub options: Settings,
}

/// What `Probe` found out about the tool (ids of fields, our own account), kept by the daemon in memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts(pub BTreeMap<String, String>);

impl Facts {
    /// A fact; empty if it is not known.
    pub fn get(&self, name: &str) -> &str {
        self.0.get(name).map(String::as_str).unwrap_or_default()
    }
}

/// What is asked of a tool. Texts are final: rendered, bounded, harmless.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Do credentials work, does the key field exist and can it be searched? Changes nothing.
    Probe,
    /// All tickets that carry this correlation key.
    Find {
        /// The correlation key.
        key: String,
        /// A create may have gone out whose outcome is not known. Most kinds look all the same.
        unknown: bool,
    },
    /// A new ticket that carries the key from its first moment.
    Create {
        /// The correlation key.
        key: String,
        /// What it says.
        content: Content,
    },
    /// Brings title, description and fields of an untouched ticket to `content`.
    Update {
        /// The tool's id.
        id: String,
        /// What it shall say.
        content: Content,
    },
    /// Adds a work note (never to customers).
    Note {
        /// The tool's id.
        id: String,
        /// Number of the note within its ticket, from 1.
        n: u32,
        /// The note.
        text: String,
    },
    /// Ends the ticket, with a note.
    Resolve {
        /// The tool's id.
        id: String,
        /// The note.
        text: String,
        /// Leave the state alone if a person has touched the ticket: answer `Reply::State`.
        unless_touched: bool,
    },
    /// Opens a resolved ticket again, with a note.
    Reopen {
        /// The tool's id.
        id: String,
        /// The note.
        text: String,
    },
    /// Links the ticket to another one of the same tool, without the tool's parent/child automation. May be asked
    /// again if its answer was lost: the tool must take two for one.
    Link {
        /// The tool's id.
        id: String,
        /// The other ticket's id.
        other: String,
    },
    /// How the ticket stands.
    Read {
        /// The tool's id.
        id: String,
    },
}

/// What a ticket says, apart from notes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Content {
    /// One line.
    pub title: String,
    /// Plain text of several lines.
    pub description: String,
    /// Name of the CI for the CI field: root cause, or the observed service while the cause is not known.
    pub ci: String,
    /// Name of the probable root cause, empty while it is not known.
    pub root_ci: String,
    /// Worst severity, as the glossary's word.
    pub severity: String,
    /// `P1` to `P4`.
    pub priority: String,
    /// Observed services, most critical first.
    pub services: Vec<String>,
    /// Assignment group; empty for the tool's default.
    pub group: String,
    /// Live alerts.
    pub alert_count: u32,
    /// Names of alerting CIs that the CMDB knows, most critical first, at most
    /// [`MAX_LISTED`](crate::ticket::MAX_LISTED).
    pub cis: Vec<String>,
    /// Class of the CI for the CI field, as the CMDB calls it; empty if it is not known.
    pub class: String,
    /// Mail addresses of those who watch the ticket, where the kind [`watches`](Itsm::watches).
    pub watch: Vec<String>,
    /// Id of the incident's own ticket, where this one tells an owner of it; else empty.
    pub main: String,
    /// The page of the incident; `None` while links have no base.
    pub page: Option<Page>,
}

/// The page of an incident, for tools that keep links beside the text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// Of the incident in all tools and at all times: the correlation key without its generation.
    pub id: String,
    /// Its address.
    pub url: String,
    /// What it is, in the target's language.
    pub title: String,
}

/// What the daemon does next for a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Send this and call again with its answer.
    Send(Request),
    /// The step is done, as the reply says; this may be sent besides. Call again with its answer. Where none
    /// comes, the step is over with the reply: it is never tried again, nor is its outcome unknown.
    Besides(Request, Reply),
    /// The step is over.
    Done(Reply),
    /// The step cannot be done.
    Refused(Refusal),
}

/// How a step ended well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// Answer to `Probe`.
    Facts(Facts),
    /// Answer to `Find`: every hit whose key equals ours on *our* comparison.
    Found(Vec<Hit>),
    /// Written and read back.
    Done {
        /// The tool's id.
        id: String,
        /// How the ticket stood afterwards.
        read_back: Seen,
    },
    /// Nothing to do: it already was so (a person resolved it first).
    Already(Seen),
    /// Answer to `Read`; and to `Update` and `Resolve` that were left undone because a person has touched
    /// or ended the ticket.
    State(Seen),
}

/// A ticket that carries our key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hit {
    /// The tool's id.
    pub id: String,
    /// The key it carries.
    pub key: String,
    /// Created by our account.
    pub by_us: bool,
    /// How it stands.
    pub seen: Seen,
}

/// How a ticket stood when we last looked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// Its state.
    pub state: TicketState,
    /// A person has changed it: taken, edited, commented, moved.
    pub touched: bool,
    /// Who has it; empty for nobody.
    pub owner: String,
    /// Fields that the tool silently refused, each with what it said instead; bounded.
    pub dropped: Vec<String>,
}

/// States of a ticket, as all tools have them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TicketState {
    /// Nobody works on it yet.
    New,
    /// Somebody works on it.
    Open,
    /// Waits for something.
    OnHold,
    /// Over; may be opened again where the tool can.
    Resolved,
    /// Over for good: rejected, deleted, closed.
    Closed,
}

/// Why a step could not be done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// The tool is busy or away: again, not before this moment if it named one.
    Retry {
        /// Not before.
        not_before: Option<Millis>,
        /// What it said.
        why: String,
    },
    /// The tool will never take this request: parked, shown, never blocks others.
    Reject(String),
    /// The login is no longer valid: one new login, then once more.
    Login,
    /// The ticket is over for good.
    Closed,
    /// The ticket does not exist any more, or was merged into another (its id).
    Gone(String),
    /// Nothing can be done at this target until a person acts.
    Stop(String),
}

/// As people are told.
impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Retry { why, .. } | Refusal::Reject(why) | Refusal::Stop(why) => {
                f.write_str(why)
            }
            Refusal::Login => f.write_str("the login is refused"),
            Refusal::Closed => f.write_str("the ticket is closed"),
            Refusal::Gone(other) if other.is_empty() => f.write_str("not found"),
            Refusal::Gone(other) => write!(f, "merged into {}", shown(other)),
        }
    }
}
