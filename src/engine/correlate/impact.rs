//! Impact and urgency to priority: which services do not work, which are at risk.

use super::{Engine, Severity};
use crate::engine::state::UNBOUND_MARK;
use crate::graph::{Ci, Graph, Ix};
use crate::model::{CiId, IncidentId, Priority};
use crate::rules::PriorityRules;
use std::sync::Arc;

/// Impact of an alert about which the CMDB says nothing. Not the lowest: what we do not know may matter.
const UNKNOWN_IMPACT: u8 = 3;
/// A service that is only at risk counts one step less than one that does not work.
const AT_RISK_STEP: u8 = 1;

/// The services of an incident, most critical first.
#[derive(Clone, Debug, Default)]
pub struct Services {
    /// With an alert of their own.
    pub observed: Vec<CiId>,
    /// They need the root cause and have no alert.
    pub at_risk: Vec<CiId>,
}

/// The name of something that the CMDB does not know, without our mark.
pub fn bare_name(key: &str) -> &str {
    let Some(rest) = key.strip_prefix(UNBOUND_MARK) else {
        return key;
    };
    rest.split_once(':').map_or(rest, |(_, name)| name)
}

/// The class of what is a service to people: the first of the service classes that the CMDB uses. Where it has
/// business services, what it calls a service is most often a part of one.
pub(in crate::engine) fn service_class<'a>(
    rules: &'a PriorityRules,
    graph: &Graph,
) -> Option<&'a String> {
    let mut used = rules.service_classes.iter();
    used.find(|class| graph.classes().contains(*class))
}

/// Whether a CI is a service to people.
fn is_service(rules: &PriorityRules, graph: &Graph, ix: Ix) -> bool {
    let class = service_class(rules, graph);
    class.is_some() && graph.ci(ix).map(|ci| &ci.class) == class
}

/// Impact of a CI by its criticality, 1 the highest; 4 without one.
pub fn impact_of(rules: &PriorityRules, ci: &Ci) -> u8 {
    let word = ci.attributes.get(&rules.criticality_attribute);
    let level = word.and_then(|word| {
        let is_lower = word
            .bytes()
            .all(|b| b.is_ascii() && !b.is_ascii_uppercase());
        match is_lower {
            true => rules.criticality.get(word),
            false => rules.criticality.get(&word.to_lowercase()),
        }
    });
    level.copied().unwrap_or(4)
}

/// A service of the highest criticality.
pub fn is_top_service(rules: &PriorityRules, graph: &Graph, ix: Ix) -> bool {
    is_service(rules, graph, ix) && graph.ci(ix).is_some_and(|ci| impact_of(rules, ci) == 1)
}

impl Engine {
    /// See [`Services`].
    pub fn services(&self, incident: IncidentId) -> Arc<Services> {
        match self.seen.services(incident) {
            Some(known) => known,
            None => Arc::new(self.look_for_services(incident)),
        }
    }

    pub(super) fn look_for_services(&self, incident: IncidentId) -> Services {
        let rules = &self.state.rules.priority;
        let mut out = Services::default();
        let (Some(known), Some(graph)) = (self.state.incidents.get(&incident), &self.force.graph)
        else {
            return out;
        };
        let spots: Vec<CiId> = self.spots(incident).keys().copied().collect();
        let class = service_class(rules, graph);
        let service = |ci: &CiId| class.is_some() && self.force.ci(*ci).map(|c| &c.class) == class;
        out.observed = spots.iter().copied().filter(service).collect();
        let under = self.under(known.root);
        let at_risk = under.iter().filter(|d| d.service).map(|d| d.ci);
        out.at_risk = at_risk
            .filter(|ci| spots.binary_search(ci).is_err())
            .collect();
        let by_impact = |ci: &CiId| {
            let impact = self.force.ci(*ci).map(|c| impact_of(rules, c));
            (impact.unwrap_or(4), self.ci_name(*ci))
        };
        out.observed.sort_by_cached_key(by_impact);
        out.at_risk.sort_by_cached_key(by_impact);
        out
    }

    /// The services of an incident that do not work, most critical first.
    pub fn observed(&self, incident: IncidentId) -> Vec<CiId> {
        self.services(incident).observed.clone()
    }

    /// The priority that an incident has by itself.
    pub(super) fn judge_priority(&mut self, incident: IncidentId) -> Priority {
        let services = self.services(incident);
        let Some(known) = self.state.incidents.get(&incident) else {
            return Priority::P4;
        };
        // Asked of every alert with every look.
        let (rules, index, force) = (&self.state.rules.priority, &mut self.index, &self.force);
        let mut impact = |ci: &CiId| {
            index.impact(*ci).unwrap_or_else(|| {
                let impact = force.ci(*ci).map_or(4, |c| impact_of(rules, c));
                index.keep_impact(*ci, impact);
                impact
            })
        };
        let observed = services.observed.iter().map(&mut impact).min();
        let at_risk = services.at_risk.iter().map(&mut impact).min();
        let own = known.members.values().map(|m| impact(&m.ci)).min();
        let level = [
            observed,
            own,
            at_risk.map(|i| i.saturating_add(AT_RISK_STEP)),
        ]
        .into_iter()
        .flatten()
        .min()
        .unwrap_or(4)
        .min(UNKNOWN_IMPACT);
        self.in_matrix(level, self.worst(known))
    }

    /// Priority of an alert on a CI, by what the CI is for itself.
    pub(in crate::engine) fn priority_of_place(&self, ci: CiId, worst: Severity) -> Priority {
        let rules = &self.state.rules.priority;
        let level = self.force.ci(ci).map_or(4, |c| impact_of(rules, c));
        self.in_matrix(level.min(UNKNOWN_IMPACT), worst)
    }

    fn in_matrix(&self, level: u8, worst: Severity) -> Priority {
        let rules = &self.state.rules.priority;
        let urgency = match worst {
            Severity::Critical => 0,
            Severity::Major | Severity::Minor => 1,
            Severity::Warning | Severity::Info => 2usize,
        };
        let row = usize::from(level.saturating_sub(1));
        match rules.matrix.get(row).and_then(|r| r.get(urgency)) {
            Some(1) => Priority::P1,
            Some(2) => Priority::P2,
            Some(3) => Priority::P3,
            Some(_) | None => Priority::P4,
        }
    }
}
