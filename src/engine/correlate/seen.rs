//! What one look at an incident found out already: its alerts are gone through once, not by each question. Whatever
//! changes an incident touches it, and that ends what was seen.

use super::impact::Services;
use super::root::Spots;
use crate::engine::Engine;
use crate::engine::state::Incident;
use crate::model::{IncidentId, Severity};
use std::sync::Arc;

/// See the module. Empty outside of a look.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    of: Option<(IncidentId, Arc<Spots>)>,
    services: Option<Arc<Services>>,
    worst: Option<Severity>,
}

impl Seen {
    pub(super) fn spots(&self, id: IncidentId) -> Option<Arc<Spots>> {
        let (of, spots) = self.of.as_ref()?;
        (*of == id).then(|| spots.clone())
    }
    pub(super) fn services(&self, id: IncidentId) -> Option<Arc<Services>> {
        let (of, _) = self.of.as_ref()?;
        self.services.clone().filter(|_| *of == id)
    }
}

impl Engine {
    /// Begins or goes on with a look.
    pub(super) fn see(&mut self, id: IncidentId) {
        if self.seen.services(id).is_some() {
            return;
        }
        self.seen = Seen::default();
        let known = self.state.incidents.get(&id);
        let (spots, worst) = known.map(|known| self.look_over(known)).unzip();
        self.seen.of = Some((id, Arc::new(spots.unwrap_or_default())));
        self.seen.services = Some(Arc::new(self.look_for_services(id)));
        self.seen.worst = worst;
    }

    pub(super) fn seen_worst(&self, incident: &Incident) -> Option<Severity> {
        let (id, _) = self.seen.of.as_ref()?;
        let seen = self.state.incidents.get(id)?;
        self.seen.worst.filter(|_| std::ptr::eq(seen, incident))
    }

    /// What was seen is no longer so, or the look is over.
    pub(in crate::engine) fn unsee(&mut self) {
        self.seen = Seen::default();
    }
}
