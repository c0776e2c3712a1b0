//! Two names of one thing. Two monitoring systems tell of the same condition of a CI, the second minutes after the
//! first; a disk that fills is a warning first and an outage an hour later. Where that is all that an incident shows,
//! the first still fires and the names have a word in common, the second is no fault of its own however late it comes.

use super::case::Case;
use super::place::New;
use crate::engine::Engine;
use crate::engine::state::Incident;
use crate::model::{CiId, Millis};

/// So long after the last alert of the incident, and after the first one.
const WITHIN: (Millis, Millis) = (Millis::mins(60), Millis::mins(90));
/// Letters of a word that says something.
const LETTERS: usize = 3;
/// Words of names that say nothing of what is meant.
const COMMON: [&str; 24] = [
    "above",
    "alert",
    "and",
    "available",
    "below",
    "check",
    "down",
    "error",
    "errors",
    "failed",
    "for",
    "has",
    "high",
    "host",
    "low",
    "not",
    "over",
    "service",
    "state",
    "status",
    "the",
    "too",
    "used",
    "with",
];

impl Engine {
    /// Whether an alert tells of what an incident shows at its CI already, and still does.
    pub(super) fn is_same_subject(&self, incident: &Incident, new: New) -> bool {
        let case = &incident.case;
        let (last, first) = (new.began.since(case.last), new.began.since(case.first));
        incident.state.lives()
            && last <= WITHIN.0
            && first <= WITHIN.1
            && self.index.alerts_at(new.ci)
            && self.tells_of(case, new)
    }

    /// Whether an alert tells of the only place of a case, which fires.
    pub(super) fn tells_of(&self, case: &Case, new: New) -> bool {
        let only = (case.spots.len() == 1).then(|| case.spots.get(&new.ci));
        let spot = only.flatten().filter(|spot| spot.live > 0);
        let Some((spot, name)) = spot.zip(new.name) else {
            return false;
        };
        let own: Vec<&str> = self.words_of(name).collect();
        let mut known = spot.named.keys();
        known.any(|known| *known == name || self.words_of(*known).any(|word| own.contains(&word)))
    }

    fn words_of(&self, name: CiId) -> impl Iterator<Item = &str> {
        let key = self.state.cis.key(name);
        let name = key.split_once('|').map_or("", |(_, name)| name);
        name.split(|c: char| !c.is_alphabetic())
            .filter(|word| word.chars().count() >= LETTERS && !COMMON.contains(word))
    }
}
