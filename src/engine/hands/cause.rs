//! The root cause by the word of a person.

use super::super::Engine;
use super::super::state::IncidentState;
use super::{CommandDone, CommandRefused, NamedCause, done};
use crate::model::{CiId, IncidentId};

impl Engine {
    pub(super) fn name_cause(
        &mut self,
        id: IncidentId,
        ci: Option<&str>,
        by: &str,
    ) -> Result<CommandDone, CommandRefused> {
        let id = self.living(id)?;
        let incident = self.state.incidents.get(&id);
        let ci = ci.map(|name| self.ci_named(name, incident)).transpose()?;
        let at = self.state.at;
        let Some(known) = self.state.incidents.get_mut(&id) else {
            return super::wrong(format!("{id} is not known (any more)"));
        };
        known.hands.cause = Some(NamedCause {
            ci,
            by: by.to_owned(),
            at,
        });
        known.confident = ci.is_some();
        let (before, root) = (known.told.cause, ci.unwrap_or(known.root));
        let told = known.opened.is_some() && known.state != IncidentState::Pending;
        self.set_root(id, root, false);
        if told {
            if before != ci {
                self.note_cause(id, before);
            }
            if let Some(known) = self.state.incidents.get_mut(&id) {
                known.told.cause = ci;
            }
        }
        let name = ci.map_or_else(|| "not known".to_owned(), |ci| self.ci_name(ci));
        self.said(id, format!("cause {name}, named by {by}"));
        Ok(done(format!("the cause of {id} is {name}"), &[id]))
    }

    /// The root that an incident shall have, and whether it is silent: what a person said, else what was
    /// found. "Not known" keeps the root as it is, which no text names then.
    pub(in crate::engine) fn root_by_hand(
        &self,
        id: IncidentId,
        root: CiId,
        silent: bool,
    ) -> (CiId, bool) {
        let Some(known) = self.state.incidents.get(&id) else {
            return (root, silent);
        };
        let Some(named) = &known.hands.cause else {
            return (root, silent);
        };
        let said = named.ci.unwrap_or(known.root);
        (said, !known.members.values().any(|m| m.ci == said))
    }
}
