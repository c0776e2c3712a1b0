//! Numbered invariants and the check that guards them.
//!
//! An impossible state is a bug of ours. Tests and the simulator stop at it; a release counts it by id, says
//! so once in the effects of the entry, and leaves out the effect that would have followed.

use std::fmt;

/// The invariants, by the ids of the design.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Invariant {
    /// At most one open ticket per incident and target.
    T1,
    /// No ticket without `Sent` in the log.
    T2,
    /// A firing, unsuppressed alert is in exactly one open incident.
    A1,
    /// What an acknowledged event changed is in the log.
    A2,
    /// An incident has one root cause or says that it is not known.
    I1,
    /// One delivery in flight per incident and target.
    O1,
    /// With a healthy tool, shipped becomes wanted.
    O2,
    /// A replay gives the live state, within one engine version.
    R1,
    /// No critical alert joins a touched ticket silently.
    P1,
    /// No limit is exceeded.
    L1,
}

impl Invariant {
    /// Every invariant.
    pub const ALL: [Invariant; 10] = [
        Invariant::T1,
        Invariant::T2,
        Invariant::A1,
        Invariant::A2,
        Invariant::I1,
        Invariant::O1,
        Invariant::O2,
        Invariant::R1,
        Invariant::P1,
        Invariant::L1,
    ];
}

impl fmt::Display for Invariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// Checks an invariant: panics where debug assertions are on, else returns whether it holds.
///
/// `violations` gets the id of a broken one, for the metric `invariant_violations_total{id}`.
pub fn check(violations: &mut Vec<Invariant>, id: Invariant, holds: bool) -> bool {
    debug_assert!(holds, "invariant {id} is broken");
    if !holds {
        violations.push(id);
    }
    holds
}
