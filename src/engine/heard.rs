//! What says only that somebody is there: repeats, and that a source speaks at all.

use super::Engine;
use super::dedup::extend;
use super::identity::short_hash;
use super::state::SourceState;
use crate::record::RepeatsV1;
use std::sync::Arc;

impl Engine {
    /// Repeats that were answered before this entry.
    pub(super) fn repeats(&mut self, repeats: &RepeatsV1) {
        for repeat in &repeats.repeats {
            let Some(id) = self.state.by_fingerprint.get(&repeat.fingerprint).copied() else {
                continue;
            };
            let Some(alert) = self.state.alerts.get_mut(&id).filter(|a| a.live()) else {
                continue;
            };
            alert.events = alert.events.saturating_add(repeat.count);
            alert.heard = alert.heard.max(repeat.last);
            let sender = short_hash(&[&repeat.sender]);
            extend(alert, sender, repeat.valid_until);
            self.effects.alerts.insert(id);
        }
        for (source, at) in &repeats.heard {
            if let Some(known) = self.state.sources.get_mut(source.as_str()) {
                known.heard = known.heard.max(*at);
            }
        }
    }

    /// The source speaks: first contact, and its stale alerts count again.
    pub(super) fn hear(&mut self, source: &Arc<str>) {
        let at = self.state.at;
        let known = self
            .state
            .sources
            .entry(source.clone())
            .or_insert_with(|| SourceState {
                first_contact: at,
                ..SourceState::default()
            });
        known.heard = at;
        if known.stale > 0 {
            self.unstale(source);
        }
        self.source_is_back(source);
    }
}
