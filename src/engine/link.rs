//! Links between our own tickets: from the younger of two whose incidents became one to the older, and from a
//! duplicate to the ticket that is kept. A link comes after everything that is to be said, so that a tool which
//! takes none keeps no ticket from its notes and its end.

use super::Engine;
use super::outbox::{Ask, Plan};
use super::state::{InFlight, RowId};
use crate::itsm::{Refusal, TicketState, shown};
use crate::model::IncidentId;
use crate::record::{OutcomeV1, StepName};
use crate::rules::Mode;
use crate::ticket::{Because, NoteKind};

/// A link that is still to be made.
pub(super) struct Link {
    from: String,
    to: String,
    /// From a duplicate, not from the ticket of the row.
    duplicate: bool,
}

impl Engine {
    /// The next link that a row is to make, by level: it is due until the tool has answered.
    pub(super) fn link_due(&self, id: &RowId) -> Option<Link> {
        let row = self.state.outbox.get(id).filter(|_| self.takes_links(id))?;
        let ticket = row.ticket.as_ref()?;
        if let Some(duplicate) = row.to_link.first() {
            return Some(Link {
                from: duplicate.clone(),
                to: ticket.clone(),
                duplicate: true,
            });
        }
        if row.linked || !row.recovered || row.ticket_state == TicketState::Closed {
            return None;
        }
        Some(Link {
            from: ticket.clone(),
            to: self.goes_on(id).filter(|kept| kept != ticket)?,
            duplicate: false,
        })
    }

    /// The ticket of the incident that this one became part of.
    fn goes_on(&self, id: &RowId) -> Option<String> {
        let row = self.state.outbox.get(id)?;
        let into = self.state.incidents.get(&id.incident)?.merged_into?;
        let kept = self.state.outbox.get(&RowId {
            incident: self.incident_of(into),
            target: id.target.clone(),
        })?;
        kept.ticket.clone().filter(|_| kept.shadow == row.shadow)
    }

    /// Whether tickets of a target are linked: the tool can, and we may do more than write notes.
    fn takes_links(&self, id: &RowId) -> bool {
        let target = self.state.rules.targets.get(&*id.target);
        target.is_some_and(|t| t.links && t.mode != Mode::Note)
    }

    pub(super) fn plan_link(&self, id: &RowId) -> Option<Plan> {
        let link = self.link_due(id)?;
        Some(Plan::Do(Box::new(Ask {
            other: link.duplicate.then(|| link.from.clone()),
            to: link.to,
            ..Ask::plain(StepName::Link, &link.from)
        })))
    }

    /// A duplicate is over, or a person's: the ticket that is kept can be found from it.
    pub(super) fn link_later(&mut self, id: &RowId, duplicate: &str) {
        let links = self.takes_links(id);
        if let Some(row) = self.state.outbox.get_mut(id)
            && links
            && row.ticket.as_ref().is_some_and(|t| t != duplicate)
        {
            row.to_link.insert(duplicate.to_owned());
        }
    }

    /// A ticket is there: those of incidents that became part of its own may wait to be linked to it.
    pub(super) fn wake_links(&mut self, id: IncidentId) {
        let mut all = vec![id];
        while let Some(at) = all.pop() {
            let merges = self.state.incidents.get(&at).map(|i| &i.merges);
            let from: Vec<IncidentId> = merges.into_iter().flatten().map(|m| m.from).collect();
            for id in from {
                self.touch(id);
                all.push(id);
            }
        }
    }

    /// A link is asked for until it stands. What the tool does not take is told, and not asked again.
    pub(super) fn link_answered(&mut self, id: &RowId, flight: &InFlight, outcome: &OutcomeV1) {
        let refusal = match outcome {
            OutcomeV1::Unknown { why } => return self.unknown(id, flight, why),
            OutcomeV1::Refused(
                no @ (Refusal::Retry { .. } | Refusal::Login | Refusal::Stop(_)),
            ) => return self.refused(id, flight, no),
            OutcomeV1::Refused(no) => Some(no),
            OutcomeV1::Done { .. }
            | OutcomeV1::Already { .. }
            | OutcomeV1::State { .. }
            | OutcomeV1::Found(_) => None,
        };
        self.healthy(id);
        let goes_on = self.goes_on(id);
        let Some(row) = self.state.outbox.get_mut(id) else {
            return;
        };
        row.failing_since = None;
        let own = row.ticket.clone();
        let (from, to) = match &flight.other {
            Some(duplicate) => {
                row.to_link.remove(duplicate);
                (Some(duplicate.clone()), own)
            }
            None => {
                row.linked = true;
                // Our hand is the last one now, and hides a person's.
                row.touched |= matches!(outcome, OutcomeV1::Done { seen, .. } if seen.touched);
                (own, goes_on)
            }
        };
        let (from, to, target) = (from.unwrap_or_default(), to.unwrap_or_default(), &id.target);
        let (from, to) = (shown(&from), shown(&to));
        let left_out = match outcome {
            OutcomeV1::Done { seen, .. } => seen.dropped.as_slice(),
            _ => &[],
        };
        for why in left_out {
            let text = format!("{target}: ticket {from} is not linked to {to}: {why}");
            self.warn(Some(id.incident), text);
        }
        match refusal {
            None if !left_out.is_empty() => {}
            None => {
                let text = format!("{target}: ticket {from} linked to {to}");
                self.line(Some(id.incident), text);
            }
            Some(why) => {
                let text = format!("{target}: ticket {from} is not linked to {to}: {why}");
                self.warn(Some(id.incident), text);
            }
        }
    }

    /// What the ticket of an incident says that became part of another.
    pub(super) fn merged_into(&self, id: IncidentId, into: IncidentId, target: &str) -> NoteKind {
        let survivor = self.state.incidents.get(&into);
        let merge = survivor.and_then(|i| i.merges.iter().find(|m| m.from == id));
        NoteKind::MergedInto {
            incident: into,
            ticket: self.ticket_of(into, target),
            because: merge.map_or(Because::Ci(String::new()), |m| self.explains_both(m.why)),
            by: merge.and_then(|m| m.by.clone()).unwrap_or_default(),
        }
    }
}
