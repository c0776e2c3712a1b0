//! How rare faults are on this estate: of so many chances that a monitored CI had in a window of time to be the
//! cause of an incident, so many were taken. Where they are rare, more is made of a cause in common; where something
//! always fails, two alerts are two faults sooner.
//!
//! Learned from the log alone, in whole numbers, and moved in small steps: what incidents are worth need not be
//! looked for anew, for all of their causes are rarer or commoner alike.

use super::scale::{self, Nats, nats};
use crate::engine::Engine;
use crate::model::Millis;
use serde::{Deserialize, Serialize};

/// ln of how rare a fault is, with the sign turned, before anything is known of the estate: 4 nats.
const BEGIN: Nats = nats(40);
/// No fault counts as rarer or commoner than that.
const LEAST: Nats = nats(35);
/// See [`LEAST`].
const MOST: Nats = nats(45);
/// A chance is counted for each monitored CI; most of them are no cause of anything else.
const OFF: Nats = nats(9);
/// It moves in steps of this.
const STEP: Nats = nats(1);
/// Windows that the value of the begin stands for: four hours of ten minutes.
const WINDOWS: u64 = 24;
/// Chances per fault at the begin, e to the power of [`BEGIN`] and [`OFF`] together.
const BEGIN_RATE: u64 = 134;
/// Windows counted at once after a silence: that nothing came in does not say that nothing was wrong.
const MAX_AT_ONCE: i64 = 6;
/// From so many chances on the older half is forgotten: a month of 10,000 monitored CIs.
const MAX_CHANCES: u64 = 43_200_000;

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prior {
    /// ln of how rare a fault is at any one CI, with the sign turned.
    pub value: Nats,
    /// Chances so far: windows of time that a monitored CI went through.
    chances: u64,
    /// Incidents so far that were not merged into others.
    faults: u64,
    /// The end of the window that is under way.
    until: Option<Millis>,
}

impl Default for Prior {
    fn default() -> Prior {
        Prior {
            value: BEGIN,
            chances: 0,
            faults: 0,
            until: None,
        }
    }
}

impl Prior {
    /// One incident more, or, where it became part of another one, one less.
    pub fn count(&mut self, more: bool) {
        self.faults = match more {
            true => self.faults.saturating_add(1),
            false => self.faults.saturating_sub(1),
        };
    }

    fn learned(&self, monitored: u64) -> Nats {
        let begin = monitored.saturating_mul(WINDOWS);
        // In hundredths, for small estates.
        let chances = self.chances.saturating_add(begin).saturating_mul(100);
        let faults = self.faults.saturating_mul(100);
        let faults = faults.saturating_add(begin.saturating_mul(100) / BEGIN_RATE);
        let rare = scale::ln_int(chances.max(1)) - scale::ln_int(faults.max(1)) - OFF;
        let rare = rare.clamp(LEAST, MOST);
        rare - rare % STEP
    }
}

impl Engine {
    /// Counts the windows of time that ended, and what was learned by that. Asked when an incident opens: what says
    /// nothing new must not change it.
    pub(super) fn count_windows(&mut self) {
        let window = self.state.rules.correlate.window.0.max(1);
        let at = self.state.at;
        let Some(until) = self.state.prior.until else {
            self.state.prior.until = Some(at.plus(Millis(window)));
            return;
        };
        let over = at.since(until).0;
        if over < 0 {
            return;
        }
        let ended = over / window + 1;
        let monitored = self.force.graph.as_ref().map_or(0, |g| g.monitored());
        let prior = &mut self.state.prior;
        prior.until = Some(until.plus(Millis(window.saturating_mul(ended))));
        if monitored == 0 {
            return;
        }
        let counted = u64::try_from(ended.min(MAX_AT_ONCE)).unwrap_or(1);
        prior.chances = prior
            .chances
            .saturating_add(monitored.saturating_mul(counted));
        if prior.chances > MAX_CHANCES {
            prior.chances /= 2;
            prior.faults /= 2;
        }
        let now = match self.state.rules.correlate.learn_prior {
            true => prior.learned(monitored),
            false => BEGIN,
        };
        let rarer = now - prior.value;
        if rarer == 0 {
            return;
        }
        prior.value = now;
        for incident in self.state.incidents.values_mut() {
            if incident.case.mature != 0 {
                incident.case.score -= rarer;
            }
        }
    }
}
