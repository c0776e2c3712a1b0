//! The alerts of an incident. A look asks for all of them several times: where they lie close together among all
//! alerts, as those of a large incident do, it is faster to go along these than to look for each.

use super::state::{Alert, Incident, Member, State};
use crate::model::AlertId;

/// So many alerts are passed over for each that is looked for.
const CLOSE: u64 = 16;

impl State {
    /// The alerts of an incident that are known still, by number.
    pub fn alerts_of<'a>(
        &'a self,
        incident: &'a Incident,
    ) -> impl Iterator<Item = (AlertId, &'a Member, &'a Alert)> {
        let members = &incident.members;
        let ends = members.keys().next().zip(members.keys().next_back());
        let few = u64::try_from(members.len()).unwrap_or(u64::MAX);
        let close = |(first, last): &(&AlertId, &AlertId)| {
            last.0.saturating_sub(first.0) / CLOSE <= few && few > CLOSE
        };
        let mut all = ends
            .filter(close)
            .map(|(first, _)| self.alerts.from(*first).peekable());
        members.iter().filter_map(move |(id, member)| {
            let alert = match &mut all {
                Some(all) => {
                    while all.next_if(|(known, _)| *known < id).is_some() {}
                    all.next_if(|(known, _)| *known == id)?.1
                }
                None => self.alerts.get(id)?,
            };
            Some((*id, member, alert))
        })
    }
}
