//! From relations to weighted needs: who needs whom, and how strongly.
//!
//! The weight is the chance, per mille, that a fault of the needed CI shows at the CI that needs it:
//! - a relation weighs what its type's rule says; `redundant` where the needing CI has two or more relations
//!   of the type; "source needs target", the other way round with `reverse`; a rule of weight 0 carries none;
//! - `depends-on` weighs at least 900 where it is the only need of a CI without members: a facade (virtual
//!   address, service name) fails with what stands behind it;
//! - `member-of` works both ways: the member suffers from a fault of the group (a roll-out) as its rule says,
//!   at least 600 if the group's class is `deployment`; the group needs each of its n members with
//!   1000/sqrt(n), 950 at most;
//! - what all peers of such a CI need, or all members of a group, it needs as `all-peers-need` says (see `peers.rs`);
//! - the two ends of a link need each other as `neighbour-of` says (see `ends.rs`);
//! - several relations between the same two CIs make one link, the strongest (then the first type by name);
//! - a type without a rule carries nothing and is one finding.
//!
//! What is cut off from the network still gives power: where a relation that carries power needs something that a
//! network relation leads to, no path goes on (see [`Carries`]).

use super::ends::ends;
use super::links::Links;
use super::peers::{Peers, behind_all};
use super::{Finding, RawGraph, narrow, wide};
use crate::rules::{ALL_PEERS, Carries, NEIGHBOUR, RelationRule};
use std::collections::BTreeMap;

/// Full certainty.
const WHOLE: u16 = 1000;
/// Least weight of a facade's only need, per mille.
const FACADE: u16 = 900;
/// Least weight of a deployment for its members: its faults are roll-outs, which reach most of them.
const DEPLOYMENT: u16 = 600;
/// `1000/sqrt(n)` is the root of this by `n`: the weight of each of `n` members for their group, per mille.
const MEMBER_SQUARED: u32 = 1_000_000;
/// That of the only member.
const ONLY_MEMBER: u16 = 950;

/// One need: `needer` fails with `needed`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Need {
    pub needer: u32,
    pub needed: u32,
    pub weight: u16,
    /// Its type, by number.
    pub kind: u32,
    pub carries: Carries,
}

/// What [`weigh`] makes.
pub struct Weighed {
    /// Sorted by (needer, needed); one per pair.
    pub needs: Vec<Need>,
    /// Names of the relation types, by the number in the needs.
    pub kinds: Vec<String>,
    /// Types without a weight.
    pub findings: Vec<Finding>,
}

/// Weighs the relations of a graph.
pub fn weigh(raw: &RawGraph, rules: &BTreeMap<String, RelationRule>) -> Weighed {
    let kinds: Vec<String> = rules.keys().cloned().collect();
    let rule_of: BTreeMap<&str, (u32, RelationRule)> = rules
        .iter()
        .enumerate()
        .map(|(n, (kind, rule))| (kind.as_str(), (narrow(n), *rule)))
        .collect();
    let mut unknown: BTreeMap<&str, usize> = BTreeMap::new();
    let mut given = Vec::with_capacity(raw.relations.len());
    for relation in &raw.relations {
        let ends = [relation.from, relation.to];
        if ends.iter().any(|n| wide(*n) >= raw.cis.len()) || relation.from == relation.to {
            continue;
        }
        match rule_of.get(relation.kind.as_str()) {
            None => {
                let count = unknown.entry(&relation.kind).or_default();
                *count = count.saturating_add(1);
            }
            Some((_, rule)) if rule.weight == 0 && rule.redundant == 0 => {}
            Some((kind, rule)) => given.push(Given::new(relation.from, relation.to, *kind, *rule)),
        }
    }
    given.sort_unstable_by_key(|g| (g.needer, g.kind, g.needed));
    let member_of = rule_of.get("member-of").filter(|(_, rule)| !rule.reverse);
    let special = Special {
        member_of: member_of.map(|(kind, _)| *kind),
        depends_on: rule_of
            .get("depends-on")
            .filter(|(_, rule)| !rule.reverse)
            .map(|(kind, _)| *kind),
        members: count_members(raw.cis.len(), &given, member_of.map(|(kind, _)| *kind)),
    };
    let mut needs = Vec::with_capacity(given.len());
    for of_one in given.chunk_by(|a, b| a.needer == b.needer) {
        for of_kind in of_one.chunk_by(|a, b| a.kind == b.kind) {
            for one in of_kind {
                special.weigh(raw, one, of_kind.len(), of_one.len(), &mut needs);
            }
        }
    }
    one_of_each(&mut needs);
    if let Some((kind, rule)) = rule_of.get(ALL_PEERS) {
        let sets = peers(&given, special.member_of);
        let links = Links::new(raw.cis.len(), &needs, false);
        needs.extend(behind_all(&links, &sets, rule.weight.min(WHOLE), *kind));
    }
    if let Some((kind, rule)) = rule_of.get(NEIGHBOUR) {
        needs.extend(ends(raw).into_iter().map(|(needer, needed)| Need {
            needer,
            needed,
            weight: rule.weight.min(WHOLE),
            kind: *kind,
            carries: rule.carries,
        }));
    }
    one_of_each(&mut needs);
    Weighed {
        needs,
        kinds,
        findings: unknown
            .into_iter()
            .map(|(kind, count)| Finding {
                place: "relations".to_owned(),
                text: format!(
                    "relation type {kind:?} has no weight in [correlate.relations]; its {count} relations \
                     carry no faults"
                ),
            })
            .collect(),
    }
}

/// Per pair the strongest need stays, then that of the first type by name.
fn one_of_each(needs: &mut Vec<Need>) {
    needs.retain(|need| need.weight > 0);
    needs.sort_unstable_by_key(|n| (n.needer, n.needed, std::cmp::Reverse(n.weight), n.kind));
    needs.dedup_by_key(|n| (n.needer, n.needed));
}

/// The sets of peers: of one type of which a CI has several and one would do, and the members of a group.
fn peers(given: &[Given], member_of: Option<u32>) -> Vec<Peers> {
    let mut sets = Vec::new();
    let of_kind = given.chunk_by(|a, b| (a.needer, a.kind) == (b.needer, b.kind));
    for of_kind in of_kind.filter(|of_kind| of_kind.len() > 1) {
        let redundant = |g: &&Given| g.rule.redundant < g.rule.weight && Some(g.kind) != member_of;
        if let Some(first) = of_kind.first().filter(redundant) {
            sets.push(Peers {
                needer: first.needer,
                of: of_kind.iter().map(|g| g.needed).collect(),
                carries: first.rule.carries,
            });
        }
    }
    let mut groups: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for one in given.iter().filter(|g| Some(g.kind) == member_of) {
        groups.entry(one.needed).or_default().push(one.needer);
    }
    sets.extend(groups.into_iter().map(|(needer, of)| Peers {
        needer,
        of,
        carries: Carries::All,
    }));
    sets
}

/// A relation whose type has a rule, turned so that `needer` needs `needed`.
#[derive(Clone, Copy)]
struct Given {
    needer: u32,
    needed: u32,
    kind: u32,
    rule: RelationRule,
}

impl Given {
    fn new(from: u32, to: u32, kind: u32, rule: RelationRule) -> Given {
        let (needer, needed) = if rule.reverse { (to, from) } else { (from, to) };
        Given {
            needer,
            needed,
            kind,
            rule,
        }
    }
}

/// How many members each CI has.
fn count_members(cis: usize, given: &[Given], member_of: Option<u32>) -> Vec<u32> {
    let mut members = vec![0_u32; cis];
    for one in given.iter().filter(|one| Some(one.kind) == member_of) {
        if let Some(count) = members.get_mut(wide(one.needed)) {
            *count = count.saturating_add(1);
        }
    }
    members
}

/// The types with a meaning of their own.
struct Special {
    member_of: Option<u32>,
    depends_on: Option<u32>,
    members: Vec<u32>,
}

impl Special {
    fn members(&self, ci: u32) -> u32 {
        self.members.get(wide(ci)).copied().unwrap_or_default()
    }

    /// Adds the need or needs of one relation. `of_kind` and `of_all` count the relations of the needing CI.
    fn weigh(
        &self,
        raw: &RawGraph,
        one: &Given,
        of_kind: usize,
        of_all: usize,
        needs: &mut Vec<Need>,
    ) {
        let mut weight = match of_kind {
            1 => one.rule.weight,
            _ => one.rule.redundant,
        };
        let facade = Some(one.kind) == self.depends_on
            && of_all == 1
            && self.members(one.needer) == 0
            && weight > 0;
        if facade {
            weight = weight.max(FACADE);
        }
        if Some(one.kind) == self.member_of {
            let class = raw.cis.get(wide(one.needed)).map(|group| &group.class);
            if weight > 0 && class.is_some_and(|class| class.eq_ignore_ascii_case("deployment")) {
                weight = weight.max(DEPLOYMENT);
            }
            let share = MEMBER_SQUARED / self.members(one.needed).max(1);
            needs.push(Need {
                needer: one.needed,
                needed: one.needer,
                weight: u16::try_from(share.isqrt()).map_or(ONLY_MEMBER, |w| w.min(ONLY_MEMBER)),
                kind: one.kind,
                carries: one.rule.carries,
            });
        }
        needs.push(Need {
            needer: one.needer,
            needed: one.needed,
            weight: weight.min(WHOLE),
            kind: one.kind,
            carries: one.rule.carries,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::{Ci, Graph, GraphBuilder, Ix, Link};
    use crate::rules::Correlate;
    use std::sync::Arc;

    /// Builds "from kind to" sentences under the default rules and two of our own, and gives back every link
    /// as "needer -weight-> needed".
    fn links(relations: &[&str]) -> (Graph, Vec<String>) {
        let mut builder = GraphBuilder::new();
        for key in ["a", "b", "c", "d", "e"] {
            let class = if key == "d" { "Deployment" } else { "" };
            let ci = Ci {
                key: key.into(),
                class: class.into(),
                ..Ci::default()
            };
            builder.ci(ci, "");
        }
        for sentence in relations {
            let words: Vec<&str> = sentence.split(' ').collect();
            builder.relation(words[0], words[1], words[2], "");
        }
        let (raw, findings) = builder.finish();
        assert_eq!(findings, []);
        let mut rules = Correlate::default().relations;
        let rule = |weight, redundant| RelationRule {
            weight,
            redundant,
            reverse: true,
            carries: Carries::All,
        };
        rules.insert("has".into(), rule(700, 350));
        rules.insert("near".into(), rule(0, 0));
        let graph = Graph::build(Arc::new(raw), &rules, &[]);
        let key = |n: u32| graph.ci(Ix(n)).unwrap().key.clone();
        let mut up = Vec::new();
        let mut down = Vec::new();
        for n in 0..5 {
            let name =
                |link: Link, from, to| format!("{from} -{}-> {to} {}", link.weight, link.kind);
            up.extend(graph.causes(Ix(n)).map(|l| name(l, key(n), key(l.ci.0))));
            down.extend(
                graph
                    .dependants(Ix(n))
                    .map(|l| name(l, key(l.ci.0), key(n))),
            );
        }
        down.sort();
        let mut same = up.clone();
        same.sort();
        assert_eq!(same, down, "both directions hold the same links");
        (graph, up)
    }

    fn check(relations: &[&str], expected: &[&str]) {
        assert_eq!(links(relations).1, expected, "{relations:?}");
    }

    #[test]
    fn weights() {
        check(&["a runs-on b"], &["a -900-> b runs-on"]);
        check(
            &["a runs-on b", "a runs-on c", "a stored-on d"],
            &[
                "a -250-> b runs-on",
                "a -250-> c runs-on",
                "a -600-> d stored-on",
            ],
        );
        // Told twice is told once.
        check(&["a runs-on b", "a runs-on b"], &["a -900-> b runs-on"]);
        // Reverse: the target needs the source, and redundancy counts what the target has.
        check(
            &["a has b", "a has c", "d has c"],
            &["b -700-> a has", "c -350-> a has", "c -350-> d has"],
        );
        // The strongest relation of a pair; the first type by name if equally strong.
        check(
            &["a depends-on b", "a runs-on b", "a powered-by b"],
            &["a -900-> b powered-by"],
        );
        // Weight 0 carries nothing and is no finding.
        let (graph, up) = links(&["a near b"]);
        assert!(up.is_empty() && graph.findings().is_empty() && graph.relations() == 1);
    }

    #[test]
    fn facades() {
        check(&["a depends-on b"], &["a -900-> b depends-on"]);
        check(
            &["a depends-on b", "a near c", "d runs-on a"],
            &["a -900-> b depends-on", "d -900-> a runs-on"],
        );
        check(
            &["a depends-on b", "a depends-on c"],
            &["a -600-> b depends-on", "a -600-> c depends-on"],
        );
        check(
            &["a depends-on b", "a runs-on c"],
            &["a -600-> b depends-on", "a -900-> c runs-on"],
        );
        check(
            &["a depends-on b", "c member-of a"],
            &[
                "a -600-> b depends-on",
                "a -950-> c member-of",
                "c -250-> a member-of",
            ],
        );
    }

    #[test]
    fn members() {
        check(
            &["a member-of b", "c member-of b", "e member-of b"],
            &[
                "a -250-> b member-of",
                "b -577-> a member-of",
                "b -577-> c member-of",
                "b -577-> e member-of",
                "c -250-> b member-of",
                "e -250-> b member-of",
            ],
        );
        check(
            &["a member-of d", "b member-of d"],
            &[
                "a -600-> d member-of",
                "b -600-> d member-of",
                "d -707-> a member-of",
                "d -707-> b member-of",
            ],
        );
    }

    /// CIs of classes and the relations between them, under the default rules.
    fn built(cis: &[(&str, &str)], relations: &[(&str, &str, &str)]) -> Graph {
        let mut builder = GraphBuilder::new();
        for (key, class) in cis {
            let ci = Ci {
                key: (*key).into(),
                class: (*class).into(),
                ..Ci::default()
            };
            builder.ci(ci, "");
        }
        for (from, kind, to) in relations {
            builder.relation(from, kind, to, "");
        }
        let raw = Arc::new(builder.finish().0);
        Graph::build(raw, &Correlate::default().relations, &[])
    }

    fn needs(graph: &Graph, from: &str, to: &str) -> Option<u16> {
        let [from, to] = [from, to].map(|key| graph.by_key(key).unwrap());
        let mut cone = graph.cone(from, 80).into_iter();
        let up = cone.find(|reach| reach.ci == to).map(|r| r.weight);
        let mut under = graph.impact(to, 80, 100).into_iter();
        let down = under.find(|reach| reach.ci == from).map(|r| r.weight);
        assert_eq!(up, down, "both ways");
        up
    }

    #[test]
    fn the_ends_of_a_link_are_neighbours() {
        let mut cis = vec![("r1", "router"), ("r2", "router"), ("r3", "router")];
        cis.extend([("l12", "line"), ("l23", "line"), ("l31", "line")]);
        let ring = [
            ("r1", "connects-to", "l12"),
            ("r2", "connects-to", "l12"),
            ("r2", "connects-to", "l23"),
            ("r3", "connects-to", "l23"),
            ("r3", "connects-to", "l31"),
            ("r1", "connects-to", "l31"),
        ];
        let graph = built(&cis, &ring);
        assert_eq!(needs(&graph, "r1", "r2"), Some(200));
        assert_eq!(needs(&graph, "r3", "r2"), Some(200));
        // Two lines are too few to tell that the class is one of links; a switch with two servers is no link.
        let graph = built(&cis, &ring[..4]);
        assert_eq!(needs(&graph, "r1", "r2"), None);
        let mut mixed = ring.to_vec();
        cis.extend([("l4", "line"), ("l5", "line"), ("x", "server")]);
        mixed.extend([("x", "connects-to", "l4"), ("x", "connects-to", "l5")]);
        let graph = built(&cis, &mixed);
        assert_eq!(needs(&graph, "r1", "r2"), None);
    }

    #[test]
    fn what_is_cut_off_still_gives_power() {
        let cis = [("router", ""), ("ups", ""), ("switch", ""), ("grid", "")];
        let graph = built(
            &cis,
            &[
                ("router", "powered-by", "ups"),
                ("ups", "connects-to", "switch"),
                ("ups", "powered-by", "grid"),
                ("switch", "powered-by", "grid"),
            ],
        );
        assert_eq!(needs(&graph, "router", "ups"), Some(900));
        assert_eq!(needs(&graph, "ups", "switch"), Some(900));
        assert_eq!(needs(&graph, "router", "switch"), None);
        // A switch without power is no switch.
        assert_eq!(needs(&graph, "ups", "grid"), Some(900));
        assert_eq!(needs(&graph, "router", "grid"), Some(810));
    }

    #[test]
    fn types_without_a_weight_are_told_once() {
        let (graph, up) = links(&["a likes b", "b likes c", "a hates b", "a runs-on e"]);
        assert_eq!(up, ["a -900-> e runs-on"]);
        let texts: Vec<&str> = graph.findings().iter().map(|f| f.text.as_str()).collect();
        assert_eq!(
            texts,
            [
                "relation type \"hates\" has no weight in [correlate.relations]; its 1 relations carry no faults",
                "relation type \"likes\" has no weight in [correlate.relations]; its 2 relations carry no faults",
            ]
        );
    }

    #[test]
    fn a_graph_that_nobody_checked_is_survived() {
        let relation = |from, to| crate::graph::Relation {
            from,
            to,
            kind: "runs-on".into(),
        };
        let raw = RawGraph {
            cis: vec![Ci::default(), Ci::default()],
            relations: vec![relation(0, 7), relation(1, 1), relation(1, 0)],
        };
        let graph = Graph::build(Arc::new(raw), &Correlate::default().relations, &[]);
        assert_eq!(graph.causes(Ix(1)).count(), 1);
        assert_eq!(graph.causes(Ix(0)).count() + graph.causes(Ix(9)).count(), 0);
        assert!(graph.ci(Ix(2)).is_none() && graph.cone(Ix(2), 0).is_empty());
    }
}
