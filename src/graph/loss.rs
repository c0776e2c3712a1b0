//! How much of a graph a newer one lacks: a load that loses a third of the estate is a broken export, not a
//! third of the estate switched off.

use super::{RawGraph, Relation, narrow, wide};

/// Per cent of the old graph's CIs (by key), or of its relations, whichever is more, that the new one lacks.
/// Rounded up, so that `loss > max_loss` also refuses 10.1 per cent where 10 are allowed. 0 if the old graph
/// is empty.
pub fn loss(old: &RawGraph, new: &RawGraph) -> u32 {
    let places = places(old, new);
    let cis = places.iter().filter(|place| place.is_none()).count();
    let mut kept: Vec<&Relation> = new.relations.iter().collect();
    kept.sort_unstable(); // a graph of the builder is sorted already: this is one pass
    let relations = old
        .relations
        .iter()
        .filter(|relation| {
            let place = |n: u32| places.get(wide(n)).copied().flatten();
            let (Some(from), Some(to)) = (place(relation.from), place(relation.to)) else {
                return true;
            };
            kept.binary_search_by(|k| {
                (k.from, k.to, k.kind.as_str()).cmp(&(from, to, relation.kind.as_str()))
            })
            .is_err()
        })
        .count();
    per_cent(cis, old.cis.len()).max(per_cent(relations, old.relations.len()))
}

/// Where each CI of the old graph is in the new one.
fn places(old: &RawGraph, new: &RawGraph) -> Vec<Option<u32>> {
    let mut keys: Vec<(&str, u32)> = new
        .cis
        .iter()
        .enumerate()
        .map(|(n, ci)| (ci.key.as_str(), narrow(n)))
        .collect();
    keys.sort_unstable();
    old.cis
        .iter()
        .map(|ci| {
            let at = keys.binary_search_by(|(key, _)| (*key).cmp(&ci.key)).ok()?;
            keys.get(at).map(|(_, place)| *place)
        })
        .collect()
}

fn per_cent(part: usize, whole: usize) -> u32 {
    let share = part.saturating_mul(100).div_ceil(whole.max(1));
    narrow(share)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::{Ci, GraphBuilder};

    /// A graph of one-letter CIs with relations of two letters.
    fn graph(cis: &str, relations: &str) -> RawGraph {
        let mut builder = GraphBuilder::new();
        for key in cis.chars() {
            let ci = Ci {
                key: key.into(),
                ..Ci::default()
            };
            builder.ci(ci, "");
        }
        for ends in relations.split_whitespace() {
            builder.relation(&ends[..1], "runs-on", &ends[1..2], "");
        }
        builder.finish().0
    }

    #[test]
    fn of_cis_or_relations_whichever_is_more() {
        let check = |old: (&str, &str), new: (&str, &str), expected| {
            let loss = loss(&graph(old.0, old.1), &graph(new.0, new.1));
            assert_eq!(loss, expected, "{old:?} to {new:?}");
        };
        check(("", ""), ("", ""), 0);
        check(("", ""), ("abc", "ab"), 0);
        check(("abc", "ab"), ("abc", "ab"), 0);
        check(("abc", "ab"), ("", ""), 100);
        check(("abcd", ""), ("abc", ""), 25);
        // Rounded up.
        check(("abc", ""), ("ab", ""), 34);
        // Renumbered is not lost, replaced is.
        check(("bcd", "bc cd"), ("abcd", "bc cd ab"), 0);
        check(("abcd", "ab bc cd"), ("abcd", "ab bc da"), 34);
        // A lost CI takes its relations with it.
        check(("abcd", "ab ac ad"), ("bcd", "bc cd"), 100);
    }
}
