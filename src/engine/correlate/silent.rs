//! An alert and an incident that have nothing in common but causes which alert in neither. Nearly all incidents near a
//! new alert are of that kind, and one in a hundred of them takes it: so this is asked first and in one walk.

use super::case::Case;
use super::index::{About, Standing};
use super::join::{NO_ALERT, unexplained};
use super::place::{New, only_warns};
use super::scale::{self, Each, Nats};
use super::value::{self, maturity};
use crate::engine::Engine;
use crate::model::{CiId, Severity};

/// A cause that a new alert may have.
pub(super) struct Offer {
    cause: CiId,
    standing: Standing,
    /// What the alert adds to it.
    gain: Each,
}

/// The alert and the incident have to do with each other: see [`super::join`].
pub(super) struct Linked;

impl Engine {
    /// The causes that an alert may have, in order.
    pub(super) fn offers(&mut self, new: New, about: &About) -> Vec<Offer> {
        let mut offers = Vec::with_capacity(about.cone.len());
        for need in &about.cone {
            offers.push(Offer {
                cause: need.ci,
                standing: self.standing(need.ci),
                gain: scale::gain(need.weight, new.chance),
            });
        }
        offers
    }

    /// What an incident gains by an alert if a silent cause is behind both, and that cause.
    pub(super) fn gain_behind_silent(
        &self,
        case: &Case,
        new: New,
        offers: &[Offer],
    ) -> Result<Option<(Nats, CiId)>, Linked> {
        if !case.hiders.is_empty() || new.hider.is_some() || case.spots.contains_key(&new.ci) {
            return Err(Linked);
        }
        let began = case.first.min(new.began);
        let mature = maturity(began, self.state.at);
        let places = case.spots.len().saturating_add(1);
        let mut best: Option<(Nats, CiId)> = None;
        for (cause, offer, sum) in case.sums.of(offers.iter().map(|o| (o.cause, o))) {
            if sum.own || cause == new.ci {
                return Err(Linked);
            }
            let gains = scale::plus(sum.gain(), offer.gain);
            let value = self.base_of(offer.standing, cause, began, false)
                + value::best(gains, offer.standing.absence(), mature)
                - unexplained(places, sum.places.saturating_add(1));
            if best.is_none_or(|(best, _)| value > best) {
                best = Some((value, cause));
            }
        }
        let outage_among_warnings =
            new.severity == Severity::Critical && case.worst.is_none_or(only_warns);
        let best = best.filter(|_| !outage_among_warnings);
        Ok(best.map(|(value, cause)| (value - NO_ALERT - case.score, cause)))
    }
}
