//! Placement: the best way for a new alert into the incidents there are, or the decision that it is alone.
//!
//! (a) Same place or effect: an incident has an alert on the CI itself, or on one that it needs.
//! (b) Common cause: a CI, alerting or silent, explains the alert and one or more incidents better than each
//!     is explained by itself; several incidents become one.
//! Whatever is worth most wins, if it is worth more than a fault of its own.

use super::case::Case;
use super::index::About;
use super::scale::{self, Each, FRACTIONS, Nats, RARITY, nats};
use super::value::{self, FIRST};
use crate::engine::Engine;
use crate::engine::state::How;
use crate::model::{AlertId, CiId, IncidentId, Millis, Severity};
use std::collections::BTreeMap;

/// ln .25: another alert on a CI that alerts already.
const SAME_CI: Nats = -1420;
/// ln .1: a warning seldom stands for what takes others down.
pub const ONLY_WARNINGS: Nats = -2358;
/// Incidents looked at per common cause, the newest.
const MAX_SHARED: usize = 64;
/// A ticket that would become one too many.
pub const TOLL: Nats = nats(10);
/// Weight of a hard path, per mille.
const HARD: u16 = 600;
/// An alert may come this late to a cause that still fires over a hard path.
const FIRING_CAUSE: Millis = Millis::mins(20);

/// A new alert, as far as its place depends on it.
#[derive(Clone, Copy, Debug)]
pub struct New {
    pub alert: AlertId,
    pub ci: CiId,
    pub began: Millis,
    pub severity: Severity,
    pub chance: Nats,
    pub shadow: bool,
}

/// A way into one or more incidents.
#[derive(Clone, Debug)]
pub struct Way {
    pub value: Nats,
    pub how: How,
    pub via: Option<CiId>,
    pub incidents: Vec<IncidentId>,
}

/// What is known of the incidents that one alert may join.
pub(super) type Usable = BTreeMap<IncidentId, bool>;

impl Engine {
    /// The best way for `new`; `None` if it is better explained by a fault of its own.
    pub(super) fn best_way(&mut self, new: New, about: &About) -> (Option<Way>, Nats) {
        let alone = self.alone(new);
        let mut best: Option<Way> = None;
        let mut usable = Usable::new();
        for need in &about.cone {
            for way in [
                self.as_effect(new, need.ci, need.weight, about, &mut usable),
                self.by_common_cause(new, need.ci, need.weight, about, &mut usable),
            ]
            .into_iter()
            .flatten()
            {
                let beats = best.as_ref().map_or(alone, |b| b.value);
                if way.value > beats {
                    best = Some(way);
                }
            }
        }
        (best, alone)
    }

    /// What it is worth that the alert is a fault of its own.
    fn alone(&mut self, new: New) -> Nats {
        let absence = self.standing(new.ci).absence;
        self.base(new.ci, new.began, true)
            + value::best(scale::own_gain(new.chance), absence, 26)
            + FIRST
    }

    /// Whether an incident is open for an alert that began at `began`.
    pub(super) fn is_open_for(&self, incident: IncidentId, began: Millis) -> bool {
        let window = self.state.rules.correlate.window;
        self.state.incidents.get(&incident).is_some_and(|i| {
            i.state.lives()
                && began.since(i.case.last) <= window
                && i.case.first.since(began) <= window
        })
    }

    fn is_usable(
        &self,
        incident: IncidentId,
        new: New,
        about: &About,
        usable: &mut Usable,
    ) -> bool {
        if let Some(known) = usable.get(&incident) {
            return *known;
        }
        let answer = self.state.incidents.get(&incident).is_some_and(|i| {
            let root = i.case.root;
            i.shadow == new.shadow
                && self.may_join(new.alert, incident)
                && (self.is_open_for(incident, new.began)
                    || (i.live > 0
                        && i.case.spots.contains_key(&root)
                        && about.weight(root).is_some_and(|w| w >= HARD)
                        && new.began.since(i.case.first) <= FIRING_CAUSE))
        });
        usable.insert(incident, answer);
        answer
    }

    /// (a) The best incident with an alert on `cause`.
    pub(super) fn as_effect(
        &mut self,
        new: New,
        cause: CiId,
        weight: u16,
        about: &About,
        usable: &mut Usable,
    ) -> Option<Way> {
        let mut best: Option<(Nats, IncidentId)> = None;
        for incident in self.index.at(cause).collect::<Vec<_>>() {
            if !self.is_usable(incident, new, about, usable) {
                continue;
            }
            let Some(spot) = self.spot(incident, cause) else {
                continue;
            };
            let (began, worst) = (spot.first, spot.worst);
            if cause != new.ci && only_warns(worst) && new.severity == Severity::Critical {
                continue; // a warning explains no outage
            }
            let mut value = match cause == new.ci {
                true => SAME_CI,
                false => scale::ln(weight) + self.takes_down(incident, cause, new.began),
            };
            value -= new.chance;
            if cause != new.ci && only_warns(worst) && !only_warns(new.severity) {
                value += ONLY_WARNINGS;
            }
            value -= value::gap(began, new.began);
            if best.is_none_or(|(v, _)| value > v) {
                best = Some((value, incident));
            }
        }
        let (value, incident) = best?;
        Some(Way {
            value,
            how: match cause == new.ci {
                true => How::SameCi,
                false => How::Attach,
            },
            via: (cause != new.ci).then_some(cause),
            incidents: vec![incident],
        })
    }

    pub(in crate::engine) fn spot(
        &self,
        incident: IncidentId,
        ci: CiId,
    ) -> Option<&super::case::Spot> {
        self.state.incidents.get(&incident)?.case.spots.get(&ci)
    }

    /// (b) `cause` behind the alert and the incidents that it explains better than they are explained now.
    pub(super) fn by_common_cause(
        &mut self,
        new: New,
        cause: CiId,
        weight: u16,
        about: &About,
        usable: &mut Usable,
    ) -> Option<Way> {
        let mut shared: Vec<IncidentId> = self
            .index
            .explained_by(cause)
            .rev()
            .take(MAX_SHARED)
            .collect();
        shared.retain(|i| self.is_usable(*i, new, about, usable));
        if shared.is_empty() {
            return None;
        }
        shared.reverse();
        let mut alerts = cause == new.ci;
        let mut counted = false;
        let mut mature = 0;
        let mut gains: Vec<(IncidentId, Each, bool, CiId)> = Vec::new();
        for incident in shared {
            let score = self.score_at(incident, cause, new.began);
            let Some(known) = self.state.incidents.get(&incident) else {
                continue;
            };
            let case = &known.case;
            let Some(sum) = case.sums.get(&cause) else {
                continue;
            };
            let own = case.spots.get(&cause);
            if own.is_some_and(|s| only_warns(s.worst)) && new.severity == Severity::Critical {
                continue; // a warning explains no outage
            }
            alerts |= own.is_some();
            mature = mature.max(value::maturity(case.first, new.began));
            let mut less = score + self.ageing(case, cause, new.began, cause == new.ci);
            if case.spots.contains_key(&new.ci) {
                counted = true;
                less -= SAME_CI - new.chance;
            }
            let gain = scale::minus(sum.gain, [less; FRACTIONS]);
            gains.push((incident, gain, known.opened.is_some(), case.root));
        }
        let own = match (counted, cause == new.ci) {
            (true, _) => [0; FRACTIONS],
            (false, true) => scale::own_gain(new.chance),
            (false, false) => scale::gain(weight, new.chance),
        };
        let base = self.base(cause, new.began, alerts);
        let fixed = scale::plus(
            scale::plus(RARITY, own),
            scale::part(self.standing(cause).absence, mature),
        );
        let mut best: Option<Way> = None;
        for (k, fixed) in fixed.into_iter().enumerate() {
            let mut order: Vec<_> = gains
                .iter()
                .map(|(i, g, ticket, root)| (g.get(k).copied().unwrap_or(0), *i, *ticket, *root))
                .collect();
            order.sort_by_key(|(g, i, _, _)| (std::cmp::Reverse(*g), *i));
            let mut value = base + fixed;
            let mut taken = Vec::new();
            let mut tickets = false;
            for (gain, incident, ticket, root) in order {
                let gain = match ticket && tickets {
                    true => gain - TOLL,
                    false => gain,
                };
                if gain > 0 || root == cause {
                    value += gain;
                    tickets |= ticket;
                    taken.push(incident);
                }
            }
            if !taken.is_empty() && best.as_ref().is_none_or(|b| value > b.value) {
                best = Some(Way {
                    value,
                    how: How::CommonCause,
                    via: Some(cause),
                    incidents: taken,
                });
            }
        }
        best
    }
}

/// No worse than a warning.
pub fn only_warns(severity: Severity) -> bool {
    severity >= Severity::Warning
}

impl Engine {
    /// Puts the alert's place, and what may be behind it, into an incident's case.
    ///
    /// Where the alert came through a cause that alerts, it inherits what may be behind that cause; and the
    /// places that it explains inherit what may be behind it: it was a link that was missing.
    pub(super) fn learn(
        &mut self,
        incident: IncidentId,
        new: New,
        about: &About,
        via: Option<CiId>,
        late: bool,
    ) {
        let mut causes: BTreeMap<CiId, bool> = BTreeMap::new();
        let Some(known) = self.state.incidents.get_mut(&incident) else {
            return;
        };
        let case = &mut known.case;
        if case.count(new.ci, new.began, new.severity, new.chance, late) {
            let mut raise = |case: &mut Case, place, cause, weight| {
                if case.raise(place, cause, weight) {
                    causes.insert(cause, true);
                }
            };
            for need in &about.cone {
                raise(case, new.ci, need.ci, need.weight);
            }
            let inherited = via
                .filter(|v| *v != new.ci)
                .and_then(|v| Some((about.weight(v)?, case.spots.get(&v)?.causes.clone(), v)));
            if let Some((link, behind, via)) = inherited {
                for (cause, weight) in behind {
                    let weight = match cause == via {
                        true => link,
                        false => chained(link, weight),
                    };
                    raise(case, new.ci, cause, weight);
                }
            }
            let behind = case.spots.get(&new.ci).map(|s| s.causes.clone());
            let explained: Vec<(CiId, u16)> = case
                .spots
                .iter()
                .filter(|(place, _)| **place != new.ci)
                .filter_map(|(place, spot)| Some((*place, spot.weight(new.ci)?)))
                .collect();
            for (place, link) in explained {
                for (cause, _) in behind.iter().flatten().filter(|(c, _)| *c != new.ci) {
                    raise(case, place, *cause, chained(link, 1000));
                }
            }
            self.index.add_place(new.ci, incident);
        } else {
            for need in &about.cone {
                if case.raise(new.ci, need.ci, need.weight) {
                    causes.insert(need.ci, true);
                }
            }
        }
        for cause in causes.keys() {
            self.index.add_cause(*cause, incident);
        }
        self.rescore(incident);
    }
}

/// Weight of a path through a CI that alerts; a little is lost at each link.
pub fn chained(link: u16, behind: u16) -> u16 {
    let product = u32::from(link) * u32::from(behind) / 1000 * 950 / 1000;
    u16::try_from(product).unwrap_or(u16::MAX)
}
