//! Services that work again while their incident goes on: told together, at most every `note_every`, and only once
//! they have been well for as long as a recovery has to be quiet. So a recovery that takes its minutes is one note.

use super::Engine;
use super::state::Timer;
use crate::model::{CiId, IncidentId, Millis};
use crate::ticket::{MAX_NAMES, NoteKind};
use std::collections::BTreeMap;

impl Engine {
    /// Tells tickets of services that are back, and forgets that it told so of those that fail anew.
    pub(super) fn note_back(&mut self, id: IncidentId) {
        let at = self.state.at;
        let quiet = self.state.rules.correlate.resolve_after;
        let every = self.state.rules.ticket.note_every;
        let Some(known) = self.state.incidents.get(&id) else {
            return;
        };
        let told = &known.told;
        let all_fail = usize::try_from(known.live).is_ok_and(|n| n >= known.members.len());
        if all_fail && told.back.is_empty() {
            return;
        }
        // Since when each is well; `None` for one that fails.
        let mut ends: BTreeMap<CiId, Option<Millis>> = BTreeMap::new();
        for (alert, member) in &known.members {
            let alert = self.state.alerts.get(alert);
            let Some(alert) = alert.filter(|_| told.services.contains(&member.ci)) else {
                continue;
            };
            let end = alert.ended.filter(|_| !alert.live());
            let known = ends.entry(member.ci).or_insert(end);
            *known = known.zip(end).map(|(a, b)| a.max(b));
        }
        let fails = |ci: &CiId| ends.get(ci).is_some_and(Option::is_none);
        let anew: Vec<CiId> = told.back.iter().copied().filter(fails).collect();
        let well = |ci: &CiId| {
            let end = ends.get(ci).copied().flatten()?;
            let news = !told.back.contains(ci) && end >= told.anew;
            news.then_some((*ci, end))
        };
        // The most critical first.
        let services = self.services(id);
        let well: Vec<(CiId, Millis)> = services.observed.iter().filter_map(well).collect();
        let failing = services.observed.iter().copied().filter(fails);
        let failing: Vec<CiId> = failing.take(MAX_NAMES).collect();
        let alerts = known.live;
        let may = told.back_at.plus(every);
        let due = |(_, end): &(CiId, Millis)| end.plus(quiet).max(may);
        let (now, later): (Vec<_>, Vec<_>) = well.into_iter().partition(|w| due(w) <= at);
        if let Some(known) = self.state.incidents.get_mut(&id) {
            for ci in anew {
                known.told.back.remove(&ci);
                known.told.services.remove(&ci); // that it fails again is news
            }
            if !now.is_empty() {
                known.told.back.extend(now.iter().map(|(ci, _)| *ci));
                known.told.back_at = at;
            }
        }
        if let Some(due) = later.iter().map(due).min() {
            for row in self.rows_of(id) {
                self.set_timer(due, Timer::Row(row));
            }
        }
        if now.is_empty() {
            return;
        }
        let back = now.iter().take(MAX_NAMES);
        let back: Vec<_> = back
            .map(|(ci, end)| (self.service_text(*ci), *end))
            .collect();
        let failing: Vec<_> = failing.iter().map(|ci| self.service_text(*ci)).collect();
        self.note_with(id, |_, _| NoteKind::Back {
            services: back.clone(),
            failing: failing.clone(),
            alerts,
        });
    }
}
