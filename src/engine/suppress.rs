//! Why an alert may not open a ticket: it is older than us, not severe enough, or its source is not live. (That
//! another one inhibits it is judged in `inhibit`.)
//!
//! Suppression hides creation, never resolution: a suppressed alert still joins, still counts, and its
//! recovery still reaches a ticket that exists.

use super::Engine;
use super::state::{Alert, Suppression};
use crate::model::Millis;
use crate::rules::Suppress;

/// The verdict on an alert. `inherited` is kept from the begin of an episode on.
pub fn judge(rules: &Suppress, alert: &Alert, inherited: bool) -> Option<Suppression> {
    if inherited {
        return Some(Suppression::Inherited);
    }
    let named = |list: &[String]| list.iter().any(|s| **s == *alert.source);
    match () {
        () if named(&rules.note_sources) => Some(Suppression::Source),
        () if alert.severity > rules.ticket_min_severity => Some(Suppression::Severity),
        () => None,
    }
}

/// Whether the alerts of a source are kept apart from all tickets.
pub fn in_shadow(rules: &Suppress, source: &str) -> bool {
    rules.shadow_sources.iter().any(|s| s == source)
}

/// Whether a condition that began at `started` was there before us.
pub fn is_inherited(rules: &Suppress, started: Option<Millis>, first_contact: Millis) -> bool {
    started.is_some_and(|at| first_contact.since(at) > rules.inherit_before)
}

/// Time in which a source tells what was there before us.
pub(super) const FIRST_CONTACT: Millis = Millis::mins(1);

impl Engine {
    pub(super) fn inherited_due(&mut self, source: &str) {
        let count = self.state.sources.get(source).map_or(0, |s| s.inherited);
        self.line(
            None,
            format!("source {source}: {count} alerts began before our first contact; they are inherited: shown, correlated, no ticket"),
        );
    }

    /// Judges every live alert anew, after new rules.
    pub(super) fn judge_all(&mut self) {
        let rules = self.state.rules.suppress.clone();
        let mut changed = Vec::new();
        for alert in self.state.alerts.values_mut().filter(|a| a.live()) {
            let inherited = alert.suppressed == Some(Suppression::Inherited);
            let now = judge(&rules, alert, inherited);
            if now != alert.suppressed {
                alert.suppressed = now;
                changed.extend(alert.incident);
            }
        }
        for incident in changed {
            self.touch(incident);
        }
    }
}
