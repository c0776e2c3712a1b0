//! An incident that a person ends, or wants quiet.

use super::super::Engine;
use super::super::state::{IncidentState, RowId, Timer};
use super::{CommandDone, CommandRefused, alerts, done};
use crate::model::{IncidentId, Millis};
use crate::ticket::NoteKind;

/// The longest silence that a person may ask for.
const MAX_QUIET: Millis = Millis::mins(30 * 24 * 60);

impl Engine {
    /// The incident is over by the word of a person. What still fires in it stays quiet until it has
    /// cleared and fires again.
    pub(super) fn resolve_by_person(
        &mut self,
        id: IncidentId,
        by: &str,
    ) -> Result<CommandDone, CommandRefused> {
        let now = self.living(id)?;
        if now != id {
            return super::wrong(format!(
                "{id} is part of {now} since they were merged: that would end {now} as a whole"
            ));
        }
        let at = self.state.at;
        self.unindex(id);
        let mut live = 0;
        if let Some(known) = self.state.incidents.get_mut(&id) {
            known.state = IncidentState::Resolved;
            known.resolved = Some(at);
            known.hands.ended = Some(by.to_owned());
            live = known.live;
        }
        self.said(id, format!("resolved by {by}"));
        self.forget_later(id);
        let text = match usize::try_from(live).unwrap_or(usize::MAX) {
            0 => format!("{id} is resolved"),
            n => format!(
                "{id} is resolved; what still fires in it ({}) opens nothing new until it has cleared and fires again",
                alerts(n)
            ),
        };
        Ok(done(text, &[id]))
    }

    pub(super) fn keep_quiet(
        &mut self,
        id: IncidentId,
        span: Millis,
        by: &str,
    ) -> Result<CommandDone, CommandRefused> {
        let id = self.known(id)?;
        if span > MAX_QUIET || span.0 < 0 {
            return super::wrong("quiet lasts at most 30 days");
        }
        let until = self.state.at.plus(span);
        if let Some(known) = self.state.incidents.get_mut(&id) {
            known.hands.quiet_until = (span.0 > 0).then_some(until);
        }
        if span.0 == 0 {
            self.said(id, format!("no longer kept quiet, said {by}"));
            return Ok(done(format!("{id} is no longer kept quiet"), &[id]));
        }
        self.set_timer(until, Timer::Silence(id));
        let until = until.rfc3339();
        self.said(id, format!("kept quiet until {until} by {by}"));
        Ok(done(format!("{id} is quiet until {until}"), &[id]))
    }

    /// The last word to a ticket: the recovery, or who ended the incident.
    pub(in crate::engine) fn last_word(
        &self,
        row: &RowId,
        touched: bool,
        resolves: bool,
    ) -> Option<NoteKind> {
        let id = row.incident;
        let known = self.state.incidents.get(&id)?;
        let target = self.state.rules.targets.get(&*row.target);
        let reopens = target.is_none_or(|t| t.reopens);
        match &known.hands.ended {
            Some(by) => Some(NoteKind::Ended {
                by: by.clone(),
                firing: known.live,
                touched,
                resolves,
            }),
            None => self
                .recovery(id, touched, resolves, reopens)
                .map(NoteKind::Recovered),
        }
    }
}
