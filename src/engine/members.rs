//! The alerts of an incident. A look asks for all of them several times.

use super::state::{Alert, Incident, Member, State};
use crate::model::AlertId;

impl State {
    /// The alerts of an incident that are known still, by number.
    pub fn alerts_of<'a>(
        &'a self,
        incident: &'a Incident,
    ) -> impl Iterator<Item = (AlertId, &'a Member, &'a Alert)> {
        let mut find = self.alerts.finder();
        let members = incident.members.iter();
        members.filter_map(move |(id, member)| Some((*id, member, find(id)?)))
    }
}
