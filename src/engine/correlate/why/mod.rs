//! Why, kept: the explanation of an incident at its turning points, and the answers to "why not".
//!
//! An explanation is made after an entry that turned an incident has been applied, never for an alert that
//! merely joins. It is kept packed in the state: what was said at 02:14 can be read at noon, after the graph
//! and the incident have changed.
//!
//! | file | what |
//! | --- | --- |
//! | `facts` | what an explanation holds, and how it is made |
//! | `acted` | the rules and windows that had a part in it |
//! | `coverage` | which of the CIs that need the cause alert, by hop |
//! | `unknown` | CIs whose silence says nothing |
//! | `next` | the next best cause |
//! | `paths` | the relations by which an alert came in |
//! | `view` | an explanation in words, as JSON |
//! | `ticket` | why there is no ticket, or what became of it |
//! | `alert` | the way of one alert from its source to the tool |
//! | `past` | the same of an alert that is forgotten already |
//! | `join` | why an alert is not in an incident |

mod acted;
mod alert;
mod coverage;
mod facts;
mod join;
pub(super) mod next;
mod past;
mod paths;
mod ticket;
mod unknown;
mod view;

pub use alert::NoAlert;
pub use ticket::alert_word;
pub use view::Which;

use crate::engine::Engine;
use crate::engine::state::{Incident, IncidentState};
use crate::model::{CiId, IncidentId, Millis};
use facts::Explanation;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Explanations kept per incident; beyond that the oldest go, but never the first and those of a ticket.
const MAX_KEPT: usize = 32;
/// Bytes of one, packed. The limits in `facts` keep it at half of that; whatever they forgot costs the paths of
/// the last members.
const MAX_BYTES: usize = 8 << 10;

/// A turning point.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Turned {
    /// Its first alert.
    Opened,
    /// Another cause, or the cause became known or is known no more.
    Cause,
    /// Another incident became part of it.
    Merged,
    /// Alerts left it.
    Split,
    /// Its ticket was wanted.
    Ticket,
    /// It was over.
    Resolved,
    /// It came back.
    Reopened,
}

/// An explanation as it was made.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Kept {
    /// The first is 1; a number that is missing was thinned out.
    pub version: u32,
    /// When.
    pub at: Millis,
    /// What happened.
    pub turned: Vec<Turned>,
    /// The explanation, packed. A change of its form is a change of the snapshot's format.
    body: Arc<[u8]>,
}

impl Kept {
    /// Bytes that it takes.
    pub fn size(&self) -> usize {
        self.body.len()
    }
}

/// The explanations of an incident.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Why {
    /// Oldest first.
    pub kept: Vec<Kept>,
    made: u32,
    told: Told,
}

/// What the last explanation said, as far as a change of it is a turning point.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Told {
    root: CiId,
    silent: bool,
    known: bool,
    named: bool,
    merges: usize,
    ticket: bool,
    over: bool,
}

impl Told {
    fn of(incident: &Incident) -> Told {
        Told {
            root: incident.root,
            silent: incident.silent_root,
            known: incident.confident,
            named: incident.hands.cause.is_some(),
            merges: incident.merges.len(),
            ticket: incident.opened.is_some(),
            over: !incident.state.lives(),
        }
    }
}

impl Why {
    fn turned(&self, now: &Told, parted: bool) -> Vec<Turned> {
        let then = &self.told;
        let first = self.made == 0;
        // Before its ticket the search is still on: there only another cause counts.
        let known = then.ticket && now.known != then.known;
        let cause =
            known || (now.root, now.silent, now.named) != (then.root, then.silent, then.named);
        let all = [
            (first, Turned::Opened),
            (!first && cause, Turned::Cause),
            (now.merges > then.merges, Turned::Merged),
            (parted && !first, Turned::Split),
            (now.ticket && !then.ticket, Turned::Ticket),
            (now.over && !then.over, Turned::Resolved),
            (!now.over && then.over, Turned::Reopened),
        ];
        let happened = all.into_iter().filter(|(is, _)| *is);
        happened.map(|(_, turned)| turned).collect()
    }

    fn keep(&mut self, at: Millis, turned: Vec<Turned>, told: Told, body: Arc<[u8]>) {
        self.made = self.made.saturating_add(1);
        self.told = told;
        if self.kept.len() >= MAX_KEPT {
            let may_go = |k: &Kept| k.version > 1 && !k.turned.contains(&Turned::Ticket);
            if let Some(oldest) = self.kept.iter().position(may_go) {
                self.kept.remove(oldest);
            }
        }
        self.kept.push(Kept {
            version: self.made,
            at,
            turned,
            body,
        });
    }
}

impl Engine {
    /// Alerts left this incident; for the explanation that is made at the end of the entry.
    pub(in crate::engine) fn parts(&mut self, incident: IncidentId) {
        self.parted.insert(incident);
    }

    /// Keeps the explanation of an incident, if something turned since the last one.
    pub(in crate::engine) fn keep_why(&mut self, id: IncidentId) {
        let parted = self.parted.remove(&id);
        let Some(known) = self.state.incidents.get(&id) else {
            return;
        };
        if known.state == IncidentState::Merged || known.members.is_empty() {
            return; // the one it became part of tells it
        }
        let told = Told::of(known);
        let turned = known.why.turned(&told, parted);
        if turned.is_empty() {
            return;
        }
        let root = known.root;
        self.standing(root); // looked up here, so that the explanation does not depend on who asked before
        // A storm opens many; what speaks against the others is looked up where something is decided.
        let looked_at = usize::from(turned != [Turned::Opened]);
        let Some(explanation) = self.explanation(id, looked_at) else {
            return;
        };
        let (at, body) = (self.state.at, pack(explanation));
        if let Some(known) = self.state.incidents.get_mut(&id) {
            known.why.keep(at, turned, told, body);
        }
    }
}

/// The stored form. What is too long loses its last members.
fn pack(mut explanation: Explanation) -> Arc<[u8]> {
    loop {
        // Cannot fail: numbers and texts into memory.
        let bytes = postcard::to_stdvec(&explanation).unwrap_or_default();
        if bytes.len() <= MAX_BYTES || !explanation.shorten() {
            return bytes.into();
        }
    }
}

/// `None` for bytes of another version of the program.
fn unpack(kept: &Kept) -> Option<Explanation> {
    postcard::from_bytes(&kept.body).ok()
}
