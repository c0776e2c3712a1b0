//! Another complaint of a CI about which a ticket is open. A memory leak shows as memory, as swap and as processor within
//! an hour or two; each is far from the one before, and people who have a ticket for a server want no second one.

use super::elsewhere::BEFORE;
use crate::engine::Engine;
use crate::engine::state::Incident;
use crate::model::{CiId, IncidentId};

/// Places of an incident that may be no more than another complaint.
const SMALL: usize = 2;

impl Engine {
    /// Makes a small incident part of that about whose ticket its own cause is, while the cause alerts in both. Answers
    /// which incident goes on.
    pub(super) fn merge_into_ticket_about(&mut self, mine: IncidentId) -> IncidentId {
        let Some((cause, other)) = self.ticket_about_place_of(mine) else {
            return mine;
        };
        match self.ranked(mine).first() {
            Some((best, _)) if *best == cause => self.merge(mine, other, cause),
            Some(_) | None => mine,
        }
    }

    /// A CI that alerts in an incident, and another incident about it that has a ticket.
    fn ticket_about_place_of(&self, mine: IncidentId) -> Option<(CiId, IncidentId)> {
        let known = self.state.incidents.get(&mine)?;
        if known.case.spots.len() > SMALL || known.is_by_hand() {
            return None;
        }
        let own = known.case.spots.iter().filter(|(_, spot)| spot.fires());
        own.flat_map(|(ci, _)| self.index.at(*ci).map(|other| (*ci, other)))
            .find(|(ci, other)| {
                let theirs = self.state.incidents.get(other);
                *other != mine
                    && theirs.is_some_and(|theirs| is_about(theirs, *ci, known))
                    && self.may_merge(mine, *other)
            })
    }
}

fn is_about(theirs: &Incident, ci: CiId, mine: &Incident) -> bool {
    let spot = theirs.case.spots.get(&ci).filter(|spot| spot.fires());
    theirs.has_open_ticket()
        && theirs.root == ci
        && theirs.shadow == mine.shadow
        && spot.is_some_and(|spot| mine.case.first.since(spot.first) <= BEFORE)
}
