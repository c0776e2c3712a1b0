//! Warnings that usually come alone: their ticket waits longer than that of a warning which seldom does. What a name
//! means is learned from how its alerts come, not from its words.

use super::Engine;
use super::state::Incident;
use crate::model::{CiId, IncidentId, Millis};

/// A name comes alone usually if it did so this often within [`DAY`].
const OFTEN: usize = 6;
/// See [`OFTEN`].
const DAY: Millis = Millis::mins(24 * 60);

impl Engine {
    /// Whether each name in an incident usually comes alone.
    pub(super) fn is_usual(&self, known: &Incident) -> bool {
        let usual = |name: &CiId| {
            let stat = self.state.names.get(name);
            stat.is_some_and(|stat| {
                let oldest = stat.alone.first();
                stat.alone.len() >= OFTEN
                    && oldest.is_some_and(|(at, _)| self.state.at.since(*at) < DAY)
            })
        };
        let names = &known.case.named;
        !names.is_empty() && names.keys().all(usual)
    }

    /// Remembers an incident for the name of its alerts, if it is one CI and one name at the end of its hold or of
    /// its life, whichever comes first.
    pub(super) fn count_alone(&mut self, id: IncidentId) {
        let Some(known) = self.state.incidents.get(&id) else {
            return;
        };
        let mut names = known.case.named.keys();
        let (Some(name), None) = (names.next().copied(), names.next()) else {
            return;
        };
        let stat = self.state.names.get_mut(&name);
        let Some(stat) = stat.filter(|_| known.case.spots.len() == 1) else {
            return;
        };
        if stat.alone.iter().all(|(_, counted)| *counted != id) {
            if stat.alone.len() >= OFTEN {
                stat.alone.remove(0);
            }
            stat.alone.push((self.state.at, id));
        }
    }
}
