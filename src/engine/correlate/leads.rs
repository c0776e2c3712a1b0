//! Which causes of a case could gain most. An alert that joins makes only causes of its own place gain: who leads is
//! followed from alert to alert, and not looked for anew.

use super::case::Case;
use super::join::unexplained;
use super::scale::{Nats, nats};
use crate::model::{CiId, Millis};
use std::cmp::Reverse;

/// What no cause gains.
const NOTHING: Nats = nats(-1_000_000_000);

/// What the causes of a case gain at most, less what they pay for the places that they do not explain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leads {
    /// The highest, and whose it is.
    pub first: (Nats, CiId),
    /// The next.
    pub second: (Nats, CiId),
}

impl Leads {
    /// Of no cause at all.
    const NONE: Leads = Leads {
        first: (NOTHING, CiId(u32::MAX)),
        second: (NOTHING, CiId(u32::MAX)),
    };

    /// Counts another cause; of those that gain the same the first by number leads.
    fn count(&mut self, could: Nats, cause: CiId) {
        let leads = |known: (Nats, CiId)| (Reverse(could), cause) < (Reverse(known.0), known.1);
        if leads(self.first) {
            self.second = self.first;
            self.first = (could, cause);
        } else if leads(self.second) {
            self.second = (could, cause);
        }
    }
}

/// What was known of the causes of a case before an alert was counted.
#[derive(Clone, Copy, Debug)]
pub struct Before {
    leads: Option<Leads>,
    /// Its places, and the begin of its first alert.
    pub places: usize,
    /// See `places`.
    pub first: Millis,
    /// Its best cause and what that was worth.
    pub score: (Nats, CiId),
    /// How much of the silence counted.
    pub mature: i64,
    /// See [`Case`]; none if something hides others.
    pub scored: Option<u64>,
}

impl Case {
    /// See [`Leads`].
    pub fn leads(&mut self) -> Leads {
        if let Some(known) = self.leads {
            return known;
        }
        let mut leads = Leads::NONE;
        for (cause, sum) in &self.sums {
            leads.count(self.could(sum), *cause);
        }
        self.leads = Some(leads);
        leads
    }

    /// What is known of its causes before an alert is counted; see [`Case::follow`].
    pub fn before(&self) -> Before {
        Before {
            leads: self.leads,
            places: self.spots.len(),
            first: self.first,
            score: (self.score, self.root),
            mature: self.mature,
            scored: self.scored.filter(|_| self.hiders.is_empty()),
        }
    }

    /// Of the causes only those of `place` explain more than before: the others need not be asked who leads.
    pub fn follow(&mut self, before: &Before, place: CiId) {
        let Some(leads) = before.leads else {
            return;
        };
        let mut now = Leads::NONE;
        let less = self.spots.len().saturating_sub(before.places);
        let less = unexplained(less, 0);
        let own = self.spots.get(&place).map_or(&[][..], |spot| &spot.causes);
        for (could, cause) in [leads.first, leads.second] {
            if could > NOTHING && own.binary_search_by_key(&cause, |(c, _)| *c).is_err() {
                now.count(could - less, cause);
            }
        }
        for (cause, _, sum) in self.sums.of(own.iter().copied()) {
            now.count(self.could(sum), cause);
        }
        self.leads = Some(now);
    }
}
