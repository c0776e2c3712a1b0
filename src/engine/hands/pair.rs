//! Two incidents: made one, or kept apart, by the word of a person.

use super::super::Engine;
use super::super::correlate::Together;
use super::{CommandDone, CommandRefused, NamedCause, done};
use crate::model::{AlertId, IncidentId};
use std::collections::BTreeSet;

impl Engine {
    pub(super) fn merge_pair(
        &mut self,
        id: IncidentId,
        other: IncidentId,
        by: &str,
    ) -> Result<CommandDone, CommandRefused> {
        let (a, b) = self.living_pair(id, other)?;
        self.same_shadow(a, b)?;
        // The later word of a person counts.
        self.let_together(a, b);
        let named = |e: &Engine, id| {
            e.state
                .incidents
                .get(&id)
                .and_then(|i| i.hands.cause.clone())
        };
        let before = [named(self, a), named(self, b)];
        let because = self
            .state
            .incidents
            .get(&a)
            .map(|i| i.root)
            .unwrap_or_default();
        self.merge_as(a, b, Together::Behind(because), Some(by));
        let stays = self.incident_of(a);
        let goes = if stays == a { b } else { a };
        if let Some(known) = self.state.incidents.get_mut(&stays) {
            let all: Vec<AlertId> = known.members.keys().copied().collect();
            known.hands.placed.extend(all);
        }
        self.turn(stays, format!("merged with {goes} by {by}"));
        let mut text = format!("{goes} is part of {stays} now");
        // Of two causes that people named the later holds: that the other no longer does is said.
        let holds = named(self, stays);
        let is_other = |c: &NamedCause| holds.as_ref().is_some_and(|h| h.ci != c.ci);
        let other = before.into_iter().flatten().find(is_other);
        if let Some((holds, other)) = holds.as_ref().zip(other) {
            let word = |named: &NamedCause| {
                let ci = named.ci.map(|ci| self.ci_name(ci));
                let ci = ci.unwrap_or_else(|| "not known".to_owned());
                format!("{ci}, named by {}", named.by)
            };
            let holds = format!("cause {}; no longer {}", word(holds), word(&other));
            text.push_str(&format!(": {holds}"));
            self.said(stays, holds);
        }
        Ok(done(text, &[stays]))
    }

    pub(super) fn keep_pair_apart(
        &mut self,
        id: IncidentId,
        other: IncidentId,
        by: &str,
    ) -> Result<CommandDone, CommandRefused> {
        let (a, b) = self.living_pair(id, other)?;
        self.keep_apart(a, BTreeSet::from([b]));
        self.said(a, format!("kept apart from {b} by {by}"));
        self.said(b, format!("kept apart from {a} by {by}"));
        Ok(done(format!("{a} and {b} are kept apart"), &[a, b]))
    }
}
