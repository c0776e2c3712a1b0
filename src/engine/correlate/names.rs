//! What the name of an alert says: what it has in common with others, and which other CI it is about.
//!
//! A name can be a cause, like a CI (see `burst`). That every name is one, at a low weight, and that the chance
//! of an alert is learned from how often its name comes alone, was tried: the first joined what was not one
//! fault (BCubed F1 -.02 in both worlds of the evaluation), the second changed nothing.

use super::index::Need;
use crate::engine::Engine;
use crate::engine::state::{NameStat, UNBOUND_MARK};
use crate::graph::Lookup;
use crate::model::{AlertId, CiId, Labels};

/// Names kept; what comes later is not learned.
const MAX_NAMES: usize = 20_000;
/// Weight by which a fault at the far end shows in an alert that names it, per mille.
const FAR_END: u16 = 500;
/// Far ends looked at.
const MAX_FAR_ENDS: usize = 4;
/// CIs between two that may be their link.
const MAX_BETWEEN: usize = 2;
/// Shortest word that is looked up as a name of a CI.
const SHORTEST: usize = 4;

/// The name of the condition that an alert tells of, without what differs from CI to CI.
pub fn name_of(labels: &Labels) -> Option<String> {
    let name = labels.get("alertname").or_else(|| labels.get("service"))?;
    let words = name.split_whitespace().map(|word| {
        let varies = word.chars().any(|c| c.is_ascii_digit());
        if varies {
            "#".to_owned()
        } else {
            word.to_lowercase()
        }
    });
    let words: Vec<String> = words.collect();
    (!words.is_empty()).then(|| words.join(" "))
}

impl Engine {
    /// The cause that stands for the name of an alert.
    pub(super) fn cause_of_name(&mut self, alert: AlertId) -> Option<CiId> {
        let alert = self.state.alerts.get(&alert)?;
        let key = format!(
            "{UNBOUND_MARK}name:{}|{}",
            alert.source,
            name_of(&alert.labels)?
        );
        if let Some(known) = self.state.cis.find(&key) {
            return Some(known);
        }
        if self.state.names.len() >= MAX_NAMES {
            return None;
        }
        let id = self.state.cis.intern(&key);
        self.state.names.insert(id, NameStat::default());
        Some(id)
    }

    /// Whether a cause is only a name.
    pub(super) fn is_name(&self, cause: CiId) -> bool {
        self.state.names.contains_key(&cause)
    }

    /// Causes besides the cone of its CI: far ends that the alert names, and what lies between.
    pub(super) fn far_causes(&mut self, id: AlertId, ci: CiId) -> Vec<Need> {
        let mut all = Vec::new();
        for far in self.far_ends(id, ci) {
            all.push(Need {
                ci: far,
                weight: FAR_END,
                hops: 1,
            });
            for link in self.between(ci, far) {
                let behind = self.about(link);
                all.extend(behind.cone.iter().map(|need| Need {
                    ci: need.ci,
                    weight: toward_far_end(need.weight),
                    hops: need.hops.saturating_add(1),
                }));
            }
        }
        all
    }

    /// What two CIs both need at first hand, if that is few: their link.
    fn between(&mut self, ci: CiId, far: CiId) -> Vec<CiId> {
        let (mine, theirs) = (self.about(ci), self.about(far));
        let first = |need: &&Need| need.hops == 1;
        let mut theirs: Vec<CiId> = theirs.cone.iter().filter(first).map(|n| n.ci).collect();
        theirs.sort_unstable();
        let both = mine.cone.iter().filter(first).map(|n| n.ci);
        let both: Vec<CiId> = both.filter(|ci| theirs.binary_search(ci).is_ok()).collect();
        match both.len() > MAX_BETWEEN {
            true => Vec::new(),
            false => both,
        }
    }

    /// Other CIs that an alert names.
    pub(super) fn far_ends(&self, id: AlertId, ci: CiId) -> Vec<CiId> {
        let (Some(alert), Some(graph)) = (self.state.alerts.get(&id), &self.force.graph) else {
            return Vec::new();
        };
        let text = alert
            .labels
            .get("alertname")
            .or_else(|| alert.labels.get("service"));
        text.unwrap_or_default()
            .split(|c: char| c.is_whitespace() || matches!(c, '(' | ')' | ',' | ':' | '"'))
            .filter(|w| w.len() >= SHORTEST && w.chars().any(|c| c.is_ascii_digit()))
            .filter_map(|w| match graph.lookup(w) {
                Lookup::One(ix) => self.force.id(ix),
                Lookup::None | Lookup::Many(_) => None,
            })
            .filter(|far| *far != ci)
            .take(MAX_FAR_ENDS)
            .collect()
    }
}

/// Weight of a link to a far end, and of what is behind it.
fn toward_far_end(behind: u16) -> u16 {
    let product = u32::from(FAR_END) * u32::from(behind) / 1000;
    u16::try_from(product).unwrap_or(FAR_END)
}
