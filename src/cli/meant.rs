//! Words of people that are to mean a CI, as the engine looks them up.

use crate::graph::{Graph, Lookup};

/// Why a word means no CI of a graph, if it does not.
pub(super) fn doubt(graph: &Graph, word: &str) -> Option<String> {
    match graph.lookup(word) {
        Lookup::One(_) => None,
        Lookup::None => Some(format!("the CMDB has no {word:?}")),
        Lookup::Many(several) => {
            let keys = several.iter().filter_map(|ix| graph.ci(*ix));
            let keys: Vec<&str> = keys.map(|ci| ci.key.as_str()).collect();
            Some(format!("{word:?} means several CIs ({})", keys.join(", ")))
        }
    }
}
