//! Collects what a CMDB tells, in any order and with all its faults, and makes a graph of it.
//!
//! Faults never stop a load: what is wrong is left out and told as a finding, so that one broken CI does not
//! cost the other 99,999.

use super::names::{Lookup, NameIndex};
use super::{Ci, Ix, RawGraph, Relation, narrow, wide};
use std::collections::BTreeMap;

/// Findings that are kept; further ones are only counted. A thousand lines are more than anyone repairs
/// before the next load.
const MAX_FINDINGS: usize = 1000;
/// CIs that a finding names.
const MAX_SHOWN: usize = 8;

/// Something in the CMDB that people should repair.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// Where: `cmdb.json:41`, or the tool's own name of the object.
    pub place: String,
    /// What; lower case, no full stop.
    pub text: String,
}

/// Collects CIs and relations by the CMDB's own ids, and findings.
#[derive(Debug, Default)]
pub struct GraphBuilder {
    cis: Vec<(Ci, String)>,
    relations: Vec<Pending>,
    /// Ends and places of the relations, one after the other: a million relations are one allocation.
    text: String,
    kinds: BTreeMap<String, u32>,
    findings: Vec<Finding>,
    dropped: usize,
}

/// A relation whose ends are not looked up yet; its texts begin at `at` in the builder's text.
#[derive(Debug)]
struct Pending {
    at: usize,
    from: u32,
    to: u32,
    place: u32,
    kind: u32,
}

impl GraphBuilder {
    /// An empty one.
    pub fn new() -> GraphBuilder {
        GraphBuilder::default()
    }

    /// Adds a CI. One with an empty key is a finding and left out; an empty name becomes the key.
    pub fn ci(&mut self, mut ci: Ci, place: &str) {
        if ci.key.is_empty() {
            return self.finding(place, "the id is empty; the CI is left out".to_owned());
        }
        if ci.name.is_empty() {
            ci.name.clone_from(&ci.key);
        }
        ci.aliases.sort();
        ci.aliases.dedup();
        self.cis.push((ci, place.to_owned()));
    }

    /// Adds a relation; the ends are keys or names of CIs, which may be added later.
    pub fn relation(&mut self, from: &str, kind: &str, to: &str, place: &str) {
        let kind = match self.kinds.get(kind) {
            Some(number) => *number,
            None if kind.is_empty() => {
                let text = "the relation type is empty; the relation is left out";
                return self.finding(place, text.to_owned());
            }
            None => {
                let number = narrow(self.kinds.len());
                self.kinds.insert(kind.to_owned(), number);
                number
            }
        };
        self.relations.push(Pending {
            at: self.text.len(),
            from: narrow(from.len()),
            to: narrow(to.len()),
            place: narrow(place.len()),
            kind,
        });
        self.text.extend([from, to, place]);
    }

    /// Adds a finding of the kind's own. Beyond 1000 they are only counted.
    pub fn finding(&mut self, place: &str, text: String) {
        if self.findings.len() < MAX_FINDINGS {
            let place = place.to_owned();
            self.findings.push(Finding { place, text });
        } else {
            self.dropped = self.dropped.saturating_add(1);
        }
    }

    /// The graph, in canonical order, and everything that was found, in the order of the places. Of CIs with the same key the first
    /// stays.
    pub fn finish(mut self) -> (RawGraph, Vec<Finding>) {
        let (cis, places) = self.sorted_cis();
        let names = NameIndex::build(&cis, &[]);
        self.tell_shared(&cis, &places, &names);
        let relations = self.sorted_relations(&cis, &names);
        self.findings.sort_by(|a, b| order(a).cmp(&order(b)));
        if self.dropped > 0 {
            self.findings.push(Finding {
                place: String::new(),
                text: format!("and {} more findings", self.dropped),
            });
        }
        (RawGraph { cis, relations }, self.findings)
    }

    fn sorted_cis(&mut self) -> (Vec<Ci>, Vec<String>) {
        let mut given = std::mem::take(&mut self.cis);
        given.sort_by(|(a, _), (b, _)| a.key.cmp(&b.key)); // stable: the first of a key stays the first
        let mut cis: Vec<Ci> = Vec::with_capacity(given.len());
        let mut places: Vec<String> = Vec::with_capacity(given.len());
        for (ci, place) in given {
            match (cis.last(), places.last()) {
                (Some(kept), Some(first)) if kept.key == ci.key => {
                    let text = format!(
                        "the id {:?} is already that of the CI at {first}; the CI is left out",
                        ci.key
                    );
                    self.finding(&place, text);
                }
                _ if narrow(cis.len().saturating_add(1)) == u32::MAX => {
                    self.finding(&place, "too many CIs; the CI is left out".to_owned());
                }
                _ => {
                    cis.push(ci);
                    places.push(place);
                }
            }
        }
        (cis, places)
    }

    fn tell_shared(&mut self, cis: &[Ci], places: &[String], names: &NameIndex) {
        for (name, several) in names.shared() {
            let key = |n: &u32| cis.get(wide(*n)).map(|ci| format!("{:?}", ci.key));
            let keys: Vec<String> = several.iter().take(MAX_SHOWN).filter_map(key).collect();
            let more = match several.len().saturating_sub(MAX_SHOWN) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            let place = several
                .last()
                .and_then(|n| places.get(wide(*n)))
                .map_or("", String::as_str);
            let text = format!(
                "the name {name:?} is shared by the CIs {}{more}; no alert is bound by it",
                keys.join(", ")
            );
            self.finding(place, text);
        }
    }

    fn sorted_relations(&mut self, cis: &[Ci], names: &NameIndex) -> Vec<Relation> {
        let pending = std::mem::take(&mut self.relations);
        let text = std::mem::take(&mut self.text);
        let mut found: Vec<(u32, u32, u32)> = Vec::with_capacity(pending.len());
        for one in &pending {
            let [from, to, place] = one.texts(&text);
            match (names.end(cis, from), names.end(cis, to)) {
                (Lookup::One(a), Lookup::One(b)) if a == b => {
                    let text = format!("relation of {from:?} to itself; the relation is left out");
                    self.finding(place, text);
                }
                (Lookup::One(Ix(a)), Lookup::One(Ix(b))) => found.push((a, b, one.kind)),
                (a, b) => {
                    self.tell_end(place, "from", from, &a, cis);
                    self.tell_end(place, "to", to, &b, cis);
                }
            }
        }
        drop(pending);
        let kinds = std::mem::take(&mut self.kinds);
        // Numbers were given in the order of arrival; the canonical order is that of the words.
        let mut words: Vec<(u32, &String)> = kinds.iter().map(|(k, n)| (*n, k)).collect();
        words.sort_unstable();
        let word = |n: u32| words.get(wide(n)).map(|(_, k)| k.as_str());
        found.sort_unstable_by(|a, b| (a.0, a.1, word(a.2)).cmp(&(b.0, b.1, word(b.2))));
        found.dedup();
        found
            .into_iter()
            .map(|(from, to, kind)| Relation {
                from,
                to,
                kind: word(kind).unwrap_or_default().to_owned(),
            })
            .collect()
    }

    fn tell_end(&mut self, place: &str, end: &str, name: &str, found: &Lookup, cis: &[Ci]) {
        let what = match found {
            Lookup::One(_) => return,
            Lookup::None => "is no CI".to_owned(),
            Lookup::Many(several) => {
                let key = |ix: &Ix| cis.get(wide(ix.0)).map(|ci| format!("{:?}", ci.key));
                let keys: Vec<String> = several.iter().filter_map(key).collect();
                format!("is the name of several CIs ({})", keys.join(", "))
            }
        };
        self.finding(
            place,
            format!("`{end}` {name:?} {what}; the relation is left out"),
        );
    }
}

/// The order of findings: by place, lines as numbers, else as they came.
fn order(finding: &Finding) -> (&str, usize) {
    let place = finding.place.as_str();
    place
        .rsplit_once(':')
        .and_then(|(file, line)| Some((file, line.parse().ok()?)))
        .unwrap_or((place, 0))
}

impl Pending {
    fn texts<'a>(&self, text: &'a str) -> [&'a str; 3] {
        let to = self.at.saturating_add(wide(self.from));
        let place = to.saturating_add(wide(self.to));
        let end = place.saturating_add(wide(self.place));
        [self.at..to, to..place, place..end].map(|range| text.get(range).unwrap_or_default())
    }
}
