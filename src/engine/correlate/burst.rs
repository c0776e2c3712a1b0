//! Bursts: one name on many CIs at once, far above its own rate, and no CI that explains them.
//!
//! Not all that fails is in the CMDB: a time server, a monitoring proxy, a bad signature file show as one name
//! on many CIs. The name itself is the cause then. Only small incidents are gathered, those that no CI
//! explained, so that a burst never joins what the graph keeps apart.

use super::case::{Case, Spot};
use super::index::Need;
use crate::engine::Engine;
use crate::engine::state::Incident;
use crate::model::{AlertId, CiId, IncidentId, Millis};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Alerts of one name remembered.
const MAX_RECENT: usize = 256;
/// CIs that make a burst; on a large estate one in so many that are monitored.
const LEAST: i64 = 5;
/// See [`LEAST`]: where a hundred thousand may fail, five that fail alike are no burst.
const ONE_IN: u64 = 2000;
/// Share in per cent that the incidents of a burst have of all small ones: where everything fails at once, no name
/// stands out.
const STANDS_OUT: usize = 30;
/// Incidents of more places have a cause of their own.
const SMALL: usize = 2;
/// How many times its own rate a name must come.
const ABOVE: i64 = 8;
/// Incidents that make a burst.
const LEAST_PARTS: usize = 6;
/// Share of the places in per cent that a CI explains which is the cause itself.
const EXPLAINED: i64 = 80;
/// Weight by which the fault behind a name shows at a CI, per mille.
const BY_NAME: u16 = 800;

/// What is known of the name of an alert.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NameStat {
    /// Alerts ever.
    pub seen: u32,
    /// The last of them, with their begin.
    pub recent: Vec<(Millis, AlertId)>,
    /// Alerts as young as these that found no place among them.
    pub crowded: u32,
    /// The last incidents of one CI that had this name alone, with the moment; see `usual`.
    pub alone: Vec<(Millis, IncidentId)>,
}

impl Engine {
    /// Remembers the name of a new alert, and gathers the small incidents of that name if they are a burst.
    pub(super) fn gather_burst(&mut self, id: AlertId, mine: IncidentId) {
        let Some(name) = self.cause_of_name(id) else {
            return;
        };
        let (recent, before) = self.remember_name(id, name);
        // First what is cheap to ask: nearly no alert is part of a burst.
        let gathers = |known: &Incident| {
            known.state.lives()
                && (known.case.spots.len() <= SMALL
                    || known.burst == Some(name)
                    || mostly(&known.case, name))
        };
        if !self.state.incidents.get(&mine).is_some_and(gathers)
            || !self.is_burst(recent, 0, before)
        {
            return;
        }
        let recent = self.last_of_name(name).iter();
        let alerts = recent.filter_map(|(_, id)| self.state.alerts.get(id));
        let mut shown: Vec<(Option<IncidentId>, CiId)> =
            alerts.map(|alert| (alert.incident, alert.ci)).collect();
        shown.sort_unstable();
        let all: BTreeSet<CiId> = shown.iter().map(|(_, ci)| *ci).collect();
        let mut cis: BTreeSet<CiId> = BTreeSet::new();
        let mut small: BTreeSet<IncidentId> = BTreeSet::new();
        let mut running = false;
        for part in shown.chunk_by(|(a, _), (b, _)| a == b) {
            let incident = part.first().and_then(|(i, _)| *i);
            let incident = incident.map(|i| self.incident_of(i));
            let known = incident.and_then(|i| Some((i, self.state.incidents.get(&i)?)));
            if let Some((incident, known)) = known.filter(|(_, known)| gathers(known)) {
                running |= known.burst == Some(name);
                cis.extend(part.iter().map(|(_, ci)| *ci));
                small.insert(incident);
            }
        }
        if !small.contains(&mine)
            || (!running && small.len() < LEAST_PARTS)
            || !self.is_burst(count(&cis), count(&all), before)
            || (!running && !self.stands_out(name, &small))
        {
            return;
        }
        let shadow = self.state.incidents.get(&mine).is_some_and(|i| i.shadow);
        let mut chosen: Vec<IncidentId> = small
            .into_iter()
            .filter(|i| {
                self.state
                    .incidents
                    .get(i)
                    .is_some_and(|i| i.shadow == shadow)
            })
            .collect();
        chosen.sort_by_key(|i| self.seniority(*i));
        let mut changed = chosen.len() > 1;
        let mut chosen = chosen.into_iter();
        let Some(mut first) = chosen.next() else {
            return;
        };
        for other in chosen {
            first = self.merge(first, other, name);
        }
        if self.is_behind_most(first) {
            return;
        }
        let Some(known) = self.state.incidents.get_mut(&first) else {
            return;
        };
        known.burst = Some(name);
        let shows = |spot: &Spot| spot.weight(name).is_some_and(|w| w >= BY_NAME);
        let spots = known.case.spots.iter();
        let places = spots.filter(|(_, spot)| !shows(spot)).map(|(ci, _)| *ci);
        for place in places.collect::<Vec<CiId>>() {
            changed = true;
            if !known.case.raise_all(place, &[(name, BY_NAME)]).is_empty() {
                self.index.add_cause(name, first);
            }
        }
        if changed {
            self.rescore(first);
        }
    }

    /// Whether so many incidents of one name are many beside the other small ones that opened since it came up.
    fn stands_out(&self, name: CiId, own: &BTreeSet<IncidentId>) -> bool {
        let begins = self.last_of_name(name).iter().map(|(began, _)| *began);
        let from = begins.min().unwrap_or(self.state.at);
        let new = self.state.incidents.iter().rev();
        let new = new.take_while(|(_, i)| i.turns.first().is_some_and(|t| t.at >= from));
        let small = new.filter(|(_, i)| i.state.lives() && i.case.spots.len() <= SMALL);
        let others = small.filter(|(id, _)| !own.contains(id)).count();
        let all = own.len().saturating_add(others);
        own.len().saturating_mul(100) >= all.saturating_mul(STANDS_OUT)
    }

    /// Whether a CI explains nearly all places of an incident: then it is the cause, and no name.
    fn is_behind_most(&self, incident: IncidentId) -> bool {
        let case = self.state.incidents.get(&incident).map(|known| &known.case);
        let sums = case.into_iter().flat_map(|case| case.sums.iter());
        let cis = sums.filter(|(cause, _)| !self.is_name(**cause));
        let most = cis.map(|(_, sum)| sum.places).max().unwrap_or(0);
        let all = case.map_or(0, |case| count(&case.spots));
        i64::from(most) * 100 >= all * EXPLAINED
    }

    /// The name of an alert as what it may need, while a burst of it goes on.
    pub(super) fn running_burst(&mut self, id: AlertId) -> Option<Need> {
        let name = self.cause_of_name(id)?;
        let runs = !self.index.explained_by(name).is_empty();
        runs.then_some(Need {
            ci: name,
            weight: BY_NAME,
            hops: 1,
        })
    }

    /// How many alerts of a name there were in the last window, and how many before.
    fn remember_name(&mut self, id: AlertId, name: CiId) -> (i64, i64) {
        let at = self.state.at;
        let window = self.state.rules.correlate.window;
        let known = self.state.alerts.get(&id).map(|a| (a.started, a.incident));
        let Some((began, incident)) = known else {
            return (0, 0);
        };
        let recent = self.last_of_name(name);
        let all = recent.len();
        let old = recent.iter().enumerate();
        let old = old.filter(|(_, (began, _))| at.since(*began) > window);
        let mut gone: Vec<usize> = old.map(|(n, _)| n).collect();
        let crowded = all.saturating_sub(gone.len()) >= MAX_RECENT;
        if crowded {
            // What one incident shows again and again must not hide that others show it.
            gone = vec![self.first_shown_in(name, incident).unwrap_or(0)];
        }
        let Some(stat) = self.state.names.get_mut(&name) else {
            return (0, 0);
        };
        stat.seen = stat.seen.saturating_add(1);
        self.state.named = self.state.named.saturating_add(1);
        stat.crowded = match crowded {
            true => stat.crowded.saturating_add(1),
            false => 0,
        };
        for n in gone.iter().rev() {
            stat.recent.remove(*n);
        }
        stat.recent.push((began, id));
        let recent = count(&stat.recent);
        let before = i64::from(stat.seen) - i64::from(stat.crowded) - recent;
        self.index.lately.remember(name, (all, &gone), incident);
        (recent, before)
    }

    /// The alerts of a name that are remembered, with their begin.
    pub(super) fn last_of_name(&self, name: CiId) -> &[(Millis, AlertId)] {
        let stat = self.state.names.get(&name);
        stat.map_or(&[], |stat| &stat.recent)
    }

    /// `small` of `all` CIs with a name in this window are in small incidents; `before` alerts of it came in
    /// all windows before.
    fn is_burst(&self, small: i64, all: i64, before: i64) -> bool {
        let window = self.state.rules.correlate.window.0.max(1);
        let first = self.state.sources.values().map(|s| s.first_contact).min();
        let windows = first
            .map_or(1, |f| self.state.at.since(f).0.max(0) / window)
            .max(4);
        let monitored = self.force.graph.as_ref().map_or(0, |g| g.monitored());
        let large = i64::try_from(monitored / ONE_IN).unwrap_or(i64::MAX);
        small >= LEAST.max(large)
            && small.saturating_mul(windows)
                >= before
                    .saturating_mul(ABOVE)
                    .saturating_add(windows.saturating_mul(2))
            && small.saturating_mul(2) >= all
    }
}

/// Whether nearly all alerts of a case have this name.
fn mostly(case: &Case, name: CiId) -> bool {
    let all: u32 = case.named.values().map(|(n, _)| *n).sum();
    let own = case.named.get(&name).map_or(0, |(n, _)| *n);
    own.saturating_mul(4) >= all.saturating_mul(3)
}

fn count<T>(of: impl IntoIterator<Item = T>) -> i64 {
    i64::try_from(of.into_iter().count()).unwrap_or(i64::MAX)
}
