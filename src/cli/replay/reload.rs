//! The CMDB's graph loaded again and again with a CI more and without it: what concerns no alert changes nothing.

use super::player::Player;
use crate::graph::{Ci, RawGraph};
use crate::model::Millis;
use std::sync::Arc;

/// Key and name of the CI more. It sorts before the keys that CMDBs give, so that every other CI gets another
/// position, and no sender writes such a name.
const MORE: &str = "(a CI that nothing is related to)";

/// See the module.
pub(super) struct Reloads {
    every: u64,
    without: Arc<RawGraph>,
    with: RawGraph,
    lines: u64,
    /// Graphs put in force so far.
    pub(super) loads: u64,
}

impl Reloads {
    /// After `every` lines each; the graph in force is that without the CI.
    ///
    /// # Errors
    /// No graph is in force.
    pub(super) fn new(every: u32, player: &Player) -> Result<Reloads, String> {
        let graph = player.engine().in_force().graph.as_ref();
        let graph = graph.ok_or("--graph-every needs a CMDB in the configuration")?;
        let without = graph.raw().clone();
        Ok(Reloads {
            every: u64::from(every),
            with: with_one_more(&without),
            without,
            lines: 0,
            loads: 0,
        })
    }

    /// A line was played.
    ///
    /// # Errors
    /// The node's, and a graph that is not in force after its record.
    pub(super) fn line(&mut self, player: &mut Player, at: Millis) -> Result<(), String> {
        self.lines = self.lines.saturating_add(1);
        if !self.lines.is_multiple_of(self.every) {
            return Ok(());
        }
        let raw = match self.loads.is_multiple_of(2) {
            true => &self.with,
            false => &*self.without,
        };
        player.graph(raw, at)?;
        let graph = player.engine().in_force().graph.as_ref();
        if graph.is_none_or(|graph| **graph.raw() != *raw) {
            return Err(format!(
                "the graph that was loaded after line {} is not in force; this is a defect, please report it with the recording",
                self.lines
            ));
        }
        self.loads = self.loads.saturating_add(1);
        Ok(())
    }
}

/// The same estate with a CI more of a class of its own, at its place in the order of keys.
fn with_one_more(raw: &RawGraph) -> RawGraph {
    let mut key = MORE.to_owned();
    while raw.cis.iter().any(|ci| ci.key == key || ci.name == key) {
        key.push('+');
    }
    let mut more = raw.clone();
    let place = more.cis.partition_point(|ci| ci.key < key);
    let ci = Ci {
        name: key.clone(),
        class: key.clone(),
        key,
        ..Ci::default()
    };
    more.cis.insert(place, ci);
    for relation in &mut more.relations {
        for end in [&mut relation.from, &mut relation.to] {
            if usize::try_from(*end).is_ok_and(|end| end >= place) {
                *end = end.saturating_add(1);
            }
        }
    }
    more
}
