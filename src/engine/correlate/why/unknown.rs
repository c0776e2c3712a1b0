//! CIs whose silence says nothing: never called healthy, never counted against a cause.

use crate::engine::Engine;
use crate::engine::correlate::hidden::HIDES;
use crate::engine::maintenance::{SETTLES, Window};
use crate::graph::Ix;
use crate::model::{CiId, IncidentId};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Maintenance windows whose dependants are looked up; of more, only the CIs themselves count as unknown.
const MAX_WINDOWS: usize = 64;
/// Dependants of one window looked at.
const MAX_UNDER: usize = 2000;
/// Smallest weight of a path by which a CI lies in a window, per mille.
const IN_WINDOW: u16 = 100;
/// Alerts looked at for what a quiet source has told before, the newest.
const MAX_ALERTS: usize = 20_000;

/// Why the silence of a CI says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unknown {
    /// It is in a maintenance window.
    Maintenance,
    /// The source that told of it before is quiet itself.
    QuietSource,
    /// Its source checks nothing that needs a CI which is down.
    HiddenBySource,
}

impl Unknown {
    /// In words.
    pub const fn text(self) -> &'static str {
        match self {
            Unknown::Maintenance => "in maintenance",
            Unknown::QuietSource => "its source is quiet",
            Unknown::HiddenBySource => "its source does not report it while what it needs is down",
        }
    }
}

impl Engine {
    /// Of `silent` CIs those whose silence says nothing.
    pub(in crate::engine) fn unknown_among(
        &self,
        silent: &[CiId],
        alerting: &[CiId],
    ) -> BTreeMap<CiId, Unknown> {
        let mut out = BTreeMap::new();
        let windows = self.windowed();
        let quiet = self.quiet_sources();
        let told = self.told_by(&quiet);
        let all_quiet = !quiet.is_empty() && quiet.len() == self.state.sources.len();
        let hidden = self.hidden_among(silent, alerting);
        for ci in silent {
            let why = match () {
                () if windows.contains(ci) => Unknown::Maintenance,
                () if all_quiet || told.contains(ci) => Unknown::QuietSource,
                () if hidden.contains(ci) => Unknown::HiddenBySource,
                () => continue,
            };
            out.insert(*ci, why);
        }
        out
    }

    /// Takes CIs of which nothing is known out of what speaks against a cause.
    pub(in crate::engine) fn without_unknown(
        &self,
        explains: &mut super::super::root::Explains,
        alerting: &[CiId],
    ) {
        if explains.silent.is_empty() {
            return;
        }
        let unknown = self.unknown_among(&explains.silent, alerting);
        explains.silent.retain(|ci| !unknown.contains_key(ci));
        let left_out = u32::try_from(unknown.len()).unwrap_or(u32::MAX);
        explains.monitored = explains.monitored.saturating_sub(left_out);
        explains.unknown = left_out;
    }

    /// The maintenance windows of now.
    fn windows_now(&self) -> impl Iterator<Item = &Window> {
        let at = self.state.at;
        let all = self.state.windows.values();
        all.filter(move |w| w.from <= at && at <= w.to.plus(SETTLES))
    }

    /// CIs in a maintenance window of now.
    fn windowed(&self) -> Arc<BTreeSet<CiId>> {
        let known = self.index.windows.as_ref();
        let known = known.filter(|(of, _)| of.iter().eq(self.windows_now()));
        known.map_or_else(|| Arc::new(self.in_windows()), |(_, cis)| cis.clone())
    }

    /// Keeps it for the next who asks.
    pub(in crate::engine) fn know_windows(&mut self) {
        let cis = self.windowed();
        let of: Vec<Window> = self.windows_now().cloned().collect();
        self.index.windows = Some((of, cis));
    }

    fn in_windows(&self) -> BTreeSet<CiId> {
        let mut out = BTreeSet::new();
        for (n, window) in self.windows_now().enumerate() {
            let Some(ci) = self.ci_meant(&window.ci) else {
                continue;
            };
            out.insert(ci);
            if let (Some(graph), Some(ix)) = (&self.force.graph, self.force.ix(ci))
                && window.include_dependents
                && n < MAX_WINDOWS
            {
                let under = graph.impact(ix, IN_WINDOW, MAX_UNDER).into_iter();
                out.extend(under.filter_map(|reach| self.force.id(reach.ci)));
            }
        }
        out
    }

    /// Sources that are overdue, or whose alerts went stale.
    fn quiet_sources(&self) -> BTreeSet<Arc<str>> {
        let at = self.state.at;
        let every = &self.state.rules.expect_every;
        let quiet = self.state.sources.iter().filter(|(name, known)| {
            let overdue = every.get(&***name);
            known.stale > 0 || overdue.is_some_and(|every| at.since(known.heard) > *every)
        });
        quiet.map(|(name, _)| name.clone()).collect()
    }

    /// CIs about which one of these sources, and none that speaks, had something to tell.
    fn told_by(&self, quiet: &BTreeSet<Arc<str>>) -> BTreeSet<CiId> {
        if quiet.is_empty() {
            return BTreeSet::new();
        }
        let (mut told, mut heard) = (BTreeSet::new(), BTreeSet::new());
        for alert in self.state.alerts.values().rev().take(MAX_ALERTS) {
            match quiet.contains(&alert.source) {
                true => told.insert(alert.ci),
                false => heard.insert(alert.ci),
            };
        }
        told.difference(&heard).copied().collect()
    }

    /// CIs that need a host which such a source sees down: it tells nothing of them until that is over. Only an
    /// alert on the host itself (without a `service`) does that.
    fn hidden_among(&self, silent: &[CiId], alerting: &[CiId]) -> BTreeSet<CiId> {
        let hiding = &self.state.rules.suppress.hiding_sources;
        let Some(graph) = self.force.graph.as_ref().filter(|_| !hiding.is_empty()) else {
            return BTreeSet::new();
        };
        let incidents: BTreeSet<IncidentId> =
            alerting.iter().flat_map(|ci| self.index.at(*ci)).collect();
        let known = incidents.iter().filter_map(|i| self.state.incidents.get(i));
        let members = known.flat_map(|i| i.members.keys());
        let alerts = members.filter_map(|id| self.state.alerts.get(id));
        let mut down: BTreeSet<Ix> = alerts
            .filter(|alert| self.hides(alert))
            .filter_map(|alert| self.force.ix(alert.ci))
            .collect();
        let waiting: Vec<(CiId, Ix)> = silent
            .iter()
            .filter_map(|ci| Some((*ci, self.force.ix(*ci)?)))
            .collect();
        let mut hidden = BTreeSet::new();
        // What hangs under something hidden is hidden as well: once around for each hop.
        for _ in 0..crate::graph::MAX_HOPS {
            let before = down.len();
            for (ci, ix) in &waiting {
                let mut needs = graph.causes(*ix);
                if !down.contains(ix)
                    && needs.any(|link| link.weight >= HIDES && down.contains(&link.ci))
                {
                    hidden.insert(*ci);
                    down.insert(*ix);
                }
            }
            if down.len() == before {
                break;
            }
        }
        hidden
    }
}
