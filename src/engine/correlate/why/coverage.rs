//! How many of the CIs that need a cause alert: "42 of the 51 monitored CIs that need it", by hop.

use super::super::root::{EXPECTED, MAX_IMPACT};
use super::unknown::Unknown;
use crate::engine::Engine;
use crate::model::CiId;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Examples named of each sort.
const MAX_EXAMPLES: usize = 6;

/// The monitored CIs that need a cause.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coverage {
    /// With an alert in the incident.
    pub alerting: u32,
    /// With one, or of which we would hear.
    pub monitored: u32,
    /// The same by number of relations from the cause: hops, alerting, monitored.
    pub by_hop: Vec<(u8, u32, u32)>,
    /// Some of those without an alert.
    pub absent: Vec<CiId>,
    /// Their silence says nothing: how many, and some of them. They are not among the monitored.
    pub unknown: u32,
    /// See `unknown`.
    pub unknown_some: Vec<(CiId, Unknown)>,
    /// There are more than were looked at.
    pub cut: bool,
}

impl Engine {
    /// See [`Coverage`]; `places` are the alerting CIs of the incident, sorted.
    pub(super) fn coverage(&self, cause: CiId, places: &[CiId], limit: usize) -> Coverage {
        let mut out = Coverage::default();
        let (Some(graph), Some(ix)) = (&self.force.graph, self.force.ix(cause)) else {
            return out;
        };
        let limit = limit.min(MAX_IMPACT);
        let reached = graph.impact(ix, EXPECTED, limit);
        out.cut = reached.len() >= limit;
        let mut by_hop: BTreeMap<u8, (u32, u32)> = BTreeMap::new();
        let mut silent: Vec<(u8, CiId)> = Vec::new();
        for reach in reached {
            let Some(ci) = self.force.id(reach.ci) else {
                continue;
            };
            if places.binary_search(&ci).is_ok() {
                let (alerting, all) = by_hop.entry(reach.hops).or_default();
                *alerting = alerting.saturating_add(1);
                *all = all.saturating_add(1);
            } else if graph.ci(reach.ci).is_some_and(|c| c.monitored) {
                silent.push((reach.hops, ci));
            }
        }
        let names: Vec<CiId> = silent.iter().map(|(_, ci)| *ci).collect();
        let unknown = self.unknown_among(&names, places);
        silent.retain(|(_, ci)| !unknown.contains_key(ci));
        for (hops, _) in &silent {
            let (_, all) = by_hop.entry(*hops).or_default();
            *all = all.saturating_add(1);
        }
        silent.sort_unstable();
        out.absent = silent
            .into_iter()
            .map(|(_, ci)| ci)
            .take(MAX_EXAMPLES)
            .collect();
        out.unknown = u32::try_from(unknown.len()).unwrap_or(u32::MAX);
        out.unknown_some = unknown.into_iter().take(MAX_EXAMPLES).collect();
        for (hops, (alerting, all)) in by_hop {
            out.alerting = out.alerting.saturating_add(alerting);
            out.monitored = out.monitored.saturating_add(all);
            out.by_hop.push((hops, alerting, all));
        }
        out
    }
}
