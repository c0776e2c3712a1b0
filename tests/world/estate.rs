//! Estates of scenarios: `estate` lines to a CMDB.
//!
//! `estate none`: no CMDB at all. `estate NAME is CLASS`: one CI. `estate N CLASS on NAME [through TYPE]`: CIs
//! called `NAME-CLASS-1` and so on, each in the relation (`runs-on` unless another is named). `estate NAME needs
//! NAME [through TYPE]`: one relation more. `estate NAME unwatched`: nothing monitors it; with a star at its end a
//! name stands for all that begin so. `estate stale PERCENT`: so many of the relations lead to another CI of the
//! same class, where there is one; which ones is always the same.

use serde_json::{Value, json};
use std::collections::BTreeMap;

#[derive(Default)]
pub struct Estate {
    cis: BTreeMap<String, (String, bool)>,
    relations: Vec<(String, String, String)>,
    stale: u64,
}

/// Whether a name is meant by a pattern that may end in a star.
pub fn meant(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(begin) => name.starts_with(begin),
        None => pattern == name,
    }
}

/// Sides of a die that always falls the same for the same words.
pub fn dice(words: &str, sides: u64) -> u64 {
    let hash = words.bytes().fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    let mixed = (hash ^ (hash >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (mixed ^ (mixed >> 32)) % sides
}

impl Estate {
    pub fn line(&mut self, words: &[&str]) {
        match words {
            [name, "is", class] => {
                self.cis.insert((*name).into(), ((*class).into(), true));
            }
            [count, class, "on", name, rest @ ..] if count.parse::<u32>().is_ok() => {
                let kind = through(rest);
                for n in 1..=count.parse::<u32>().unwrap() {
                    let new = format!("{name}-{class}-{n}");
                    self.cis.insert(new.clone(), ((*class).into(), true));
                    self.relations.push((new, kind.clone(), (*name).into()));
                }
            }
            [from, "needs", to, rest @ ..] => {
                let all: Vec<String> = self
                    .cis
                    .keys()
                    .filter(|n| meant(from, n))
                    .cloned()
                    .collect();
                for from in all {
                    self.relations.push((from, through(rest), (*to).into()));
                }
            }
            [pattern, "unwatched"] => {
                for (_, ci) in self.cis.iter_mut().filter(|(n, _)| meant(pattern, n)) {
                    ci.1 = false;
                }
            }
            ["stale", percent] => self.stale = percent.parse().unwrap(),
            other => panic!("estate {other:?}"),
        }
    }

    pub fn names(&self) -> impl Iterator<Item = &String> {
        self.cis.keys()
    }

    /// The CMDB of kind `file`.
    pub fn cmdb(&self) -> String {
        let cis: Vec<Value> = self
            .cis
            .iter()
            .map(|(name, (class, monitored))| {
                json!({"id": name, "name": name, "class": class, "monitored": monitored})
            })
            .collect();
        let class_of = |name: &String| {
            &self
                .cis
                .get(name)
                .unwrap_or_else(|| panic!("no CI {name}"))
                .0
        };
        let relations: Vec<Value> = self
            .relations
            .iter()
            .map(|(from, kind, to)| {
                let wrong = dice(&format!("{from} {to}"), 100) < self.stale;
                let same = |o: &&String| *o != to && *o != from && class_of(o) == class_of(to);
                let others = self.cis.keys().filter(|_| wrong);
                let others: Vec<&String> = others.filter(same).collect();
                let at = dice(from, others.len().max(1) as u64) as usize;
                let to = others.get(at).copied().unwrap_or(to);
                json!({"from": from, "type": kind, "to": to})
            })
            .collect();
        json!({"cis": cis, "relations": relations}).to_string()
    }
}

fn through(rest: &[&str]) -> String {
    match rest {
        [] => "runs-on".to_owned(),
        ["through", kind] => (*kind).to_owned(),
        other => panic!("through {other:?}"),
    }
}
