//! Relation types: how much of a fault each carries, and which faults.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a relation type means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RelationRule {
    /// Weight if the CI has one relation of this type, per mille; 0 = the relation carries no faults.
    pub weight: u16,
    /// Weight of each if the CI has two or more of this type (redundancy), per mille.
    pub redundant: u16,
    /// The target needs the source ("group has-member server") instead of the other way round.
    pub reverse: bool,
    /// What faults it carries. Rules of old logs say nothing of it.
    #[serde(default)]
    pub carries: Carries,
}

/// What faults a relation type carries. A CI that the network does not reach may still give power, so a path from
/// effect to cause that has gone over power goes over no network.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Carries {
    /// Any.
    #[default]
    All,
    /// Loss of power.
    Power,
    /// Loss of connection.
    Network,
}

/// The relation type of the two ends of a link, which no CMDB has to name.
pub const NEIGHBOUR: &str = "neighbour-of";

/// The relation type of a CI and what all its peers need (both power supplies, all members of a pool), which no CMDB
/// has to name either.
pub const ALL_PEERS: &str = "all-peers-need";

/// The weights of the types that have one where the configuration says nothing.
pub(super) fn usual() -> BTreeMap<String, RelationRule> {
    let rule = |weight, redundant, carries| RelationRule {
        weight,
        redundant,
        reverse: false,
        carries,
    };
    let rules = [
        ("runs-on", rule(900, 250, Carries::All)),
        ("part-of", rule(900, 250, Carries::All)),
        ("powered-by", rule(900, 250, Carries::Power)),
        ("connects-to", rule(900, 250, Carries::Network)),
        (ALL_PEERS, rule(900, 900, Carries::All)),
        (NEIGHBOUR, rule(200, 200, Carries::Network)),
        ("stored-on", rule(600, 250, Carries::All)),
        ("depends-on", rule(600, 600, Carries::All)),
        ("member-of", rule(250, 250, Carries::All)),
    ];
    let named = rules.into_iter();
    named.map(|(name, rule)| (name.to_owned(), rule)).collect()
}
