//! A person has mended something: what a tool refused, or what waits after failures, is tried now.

use super::{CommandOutcome, CommandRefused, done, wrong};
use crate::engine::Engine;
use crate::engine::state::RowId;
use crate::model::IncidentId;
use crate::record::RetryV1;
use std::collections::BTreeSet;

impl Engine {
    /// Tries again now. What waits for another reason (the valve, the outcome of a create) goes on waiting: a
    /// person's impatience must not make a second ticket.
    pub(super) fn retry(&mut self, what: &RetryV1, by: &str) -> CommandOutcome {
        let at = self.state.at;
        let of = match what {
            RetryV1::Incident(id) => Some(self.retried(*id)?),
            RetryV1::Target(name) => {
                let known = self.state.rules.targets.contains_key(name)
                    || self.state.outbox.keys().any(|r| *r.target == **name);
                if !known {
                    let text = format!("there is no target {name:?}");
                    return Err(CommandRefused::Unknown(text));
                }
                None
            }
            RetryV1::All => None,
        };
        let meant = |id: &RowId| match what {
            RetryV1::Incident(_) => of == Some(id.incident),
            RetryV1::Target(name) => *id.target == **name,
            RetryV1::All => true,
        };
        let mut incidents = BTreeSet::new();
        let mut targets = BTreeSet::new();
        let mut tried = 0u32;
        for (id, row) in self.state.outbox.iter_mut().filter(|(id, _)| meant(id)) {
            let stopped = self.state.valves.get(&id.target);
            let stopped = stopped.is_some_and(|v| v.stopped.is_some());
            let failed = row.parked.is_some() || row.attempt > 0 || stopped;
            if !failed || row.in_flight.is_some() {
                continue;
            }
            targets.insert(id.target.clone());
            incidents.insert(id.incident);
            tried = tried.saturating_add(1);
            row.parked = None;
            row.attempt = 0;
            if row.unknown.is_none() && !row.valved {
                row.not_before = at;
            }
        }
        for target in &targets {
            // One that is still not mended stops it again.
            if let Some(valve) = self.state.valves.get_mut(target) {
                valve.not_before = valve.not_before.min(at);
                if let Some((until, _)) = &mut valve.stopped {
                    *until = at;
                }
            }
        }
        if tried == 0 {
            return wrong("nothing there waits for a retry");
        }
        let text = match tried {
            1 => format!("1 delivery is tried again, says {by}"),
            n => format!("{n} deliveries are tried again, says {by}"),
        };
        self.line(None, text.clone());
        let incidents: Vec<IncidentId> = incidents.into_iter().collect();
        for id in &incidents {
            self.touch(*id);
        }
        Ok(done(text, &incidents))
    }

    /// An incident that was merged keeps its own deliveries.
    fn retried(&self, id: IncidentId) -> Result<IncidentId, CommandRefused> {
        match self.state.incidents.contains_key(&id) {
            true => Ok(id),
            false => self.known(id),
        }
    }
}
