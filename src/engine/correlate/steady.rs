//! A root cause that people have read stays, unless another one is clearly better for a while: a ticket whose title
//! follows every alert that comes in between is read by nobody. One that no longer explains most of its incident goes at
//! once: what we do not know we say.

use super::root::EXPLAINS;
use super::scale::{Nats, nats};
use crate::engine::Engine;
use crate::engine::state::Timer;
use crate::model::{CiId, IncidentId, Millis};

/// What another cause must be worth more than the one that tickets name.
const CLEARLY: Nats = nats(20);
/// And for so long.
const FOR: Millis = Millis::secs(20);

impl Engine {
    /// The cause to name where `best` explains an incident best. As long as no ticket names another, that is `best`.
    pub(super) fn steadied(&mut self, incident: IncidentId, best: CiId) -> CiId {
        let at = self.state.at;
        let Some(known) = self.state.incidents.get_mut(&incident) else {
            return best;
        };
        let worth = |ci: CiId| known.ranked.iter().find(|(c, _)| *c == ci).map(|(_, v)| *v);
        // One that is first though it is worth less is first for what it is, and stays so.
        let close = worth(best)
            .zip(worth(known.root))
            .is_some_and(|(best, named)| (named..named.saturating_add(CLEARLY)).contains(&best));
        let explained = known.case.sums.get(&known.root).map_or(0, |s| s.places);
        let places = u64::try_from(known.case.spots.len()).unwrap_or(u64::MAX);
        let explains = u64::from(explained) * 100 >= places.saturating_mul(EXPLAINS);
        let told = known.opened.is_some() && known.told.cause == Some(known.root);
        if !told || best == known.root || !explains {
            known.rival = None;
            return best;
        }
        if close {
            known.rival = None;
            return known.root;
        }
        let since = known.rival.filter(|(rival, _)| *rival == best);
        let (_, since) = *known.rival.insert(since.unwrap_or((best, at)));
        if since.plus(FOR) <= at {
            known.rival = None;
            return best;
        }
        let root = known.root;
        self.set_timer(since.plus(FOR), Timer::Wait(incident));
        root
    }
}
