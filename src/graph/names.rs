//! Names to CIs, case-insensitive, with or without domain, addresses in any spelling.
//!
//! A name is looked up as it stands first, then without the configured domains, then by its first part. The
//! first part alone is believed only if no CI is known under the same first part in another domain; two
//! candidates are an ambiguity, never a guess.

use super::{Ci, Ix};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// What a name stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// Nothing that the CMDB knows.
    None,
    /// One CI.
    One(Ix),
    /// Several CIs: the first of them, in their order.
    Many(Vec<Ix>),
}

/// Candidates that are named for an ambiguous name.
const MAX_MANY: usize = 8;

#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    full: BTreeMap<Box<str>, Vec<Ix>>,
    /// First parts of the names that have a domain.
    short: BTreeMap<Box<str>, Vec<Ix>>,
    domains: Vec<String>,
}

impl Names {
    pub(super) fn new(cis: &[Ci], domains: &[String]) -> Names {
        let mut names = Names {
            domains: domains
                .iter()
                .map(|d| format!(".{}", d.trim_matches('.').to_lowercase()))
                .collect(),
            ..Names::default()
        };
        for (n, ci) in (0..).zip(cis) {
            for name in known_names(ci) {
                names.add(&name, Ix(n));
            }
        }
        names
    }

    fn add(&mut self, name: &str, ix: Ix) {
        let Some(name) = normal(name) else {
            return;
        };
        insert(&mut self.full, &name, ix);
        if name.parse::<IpAddr>().is_err()
            && let Some((first, _)) = name.split_once('.')
        {
            insert(&mut self.short, first, ix);
        }
    }

    pub(super) fn find(&self, name: &str) -> Lookup {
        let Some(name) = normal(name) else {
            return Lookup::None;
        };
        if let Some(found) = self.full.get(&*name) {
            return answer(found);
        }
        if name.parse::<IpAddr>().is_ok() {
            return Lookup::None;
        }
        for domain in &self.domains {
            let stripped = name.strip_suffix(domain.as_str());
            if let Some(found) = stripped.and_then(|s| self.full.get(s)) {
                return answer(found);
            }
        }
        let Some((first, _)) = name.split_once('.') else {
            // `web1` for a CI that is known as web1.corp.example only.
            return self.short.get(&*name).map_or(Lookup::None, |f| answer(f));
        };
        // `web1.some.domain` for a CI that is known as web1 only. Where the CMDB knows web1 under a domain,
        // another domain is another machine.
        if self.short.contains_key(first) {
            return Lookup::None;
        }
        self.full.get(first).map_or(Lookup::None, |f| answer(f))
    }
}

/// Every name a CI is known by: name, aliases, addresses, and its id whatever its case.
pub(super) fn known_names(ci: &Ci) -> Vec<String> {
    let mut names: Vec<String> = [&ci.name, &ci.key]
        .into_iter()
        .chain(&ci.aliases)
        .chain(&ci.addresses)
        .cloned()
        .collect();
    names.sort();
    names.dedup();
    names
}

fn answer(found: &[Ix]) -> Lookup {
    match found {
        [] => Lookup::None,
        [one] => Lookup::One(*one),
        many => Lookup::Many(many.iter().copied().take(MAX_MANY).collect()),
    }
}

fn insert(map: &mut BTreeMap<Box<str>, Vec<Ix>>, name: &str, ix: Ix) {
    let found = map.entry(name.into()).or_default();
    if !found.contains(&ix) {
        found.push(ix);
    }
}

/// The form in which names are compared: lower case, no dot at the end, addresses in their shortest form
/// (IPv4 in IPv6 as IPv4, no brackets, no zone).
pub(super) fn normal(name: &str) -> Option<String> {
    let name = name.trim().trim_end_matches('.');
    let bare = name
        .strip_prefix('[')
        .and_then(|n| n.strip_suffix(']'))
        .unwrap_or(name);
    let without_zone = bare.split('%').next().unwrap_or(bare);
    if let Ok(address) = without_zone.parse::<IpAddr>() {
        return Some(address.to_canonical().to_string());
    }
    (!name.is_empty()).then(|| name.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ci(key: &str, name: &str, aliases: &[&str], ip: &[&str]) -> Ci {
        let owned = |all: &[&str]| all.iter().map(|s| (*s).to_owned()).collect();
        Ci {
            key: key.into(),
            name: name.into(),
            aliases: owned(aliases),
            addresses: owned(ip),
            ..Ci::default()
        }
    }

    #[test]
    fn names_are_found_in_every_spelling() {
        let cis = [
            ci("CI1", "web1", &[], &["10.0.0.1", "2001:db8::1"]),
            ci("CI2", "db1.corp.example", &["Orders-DB"], &["10.0.0.2"]),
            ci("CI3", "app.a.example", &[], &["10.0.0.3"]),
            ci("CI4", "app.b.example", &["dup"], &["10.0.0.3"]),
            ci("CI5", "dup", &[], &[]),
        ];
        let names = Names::new(&cis, &["lan.example".to_owned()]);
        let one = |n| Lookup::One(Ix(n));
        for (name, want) in [
            ("web1", one(0)),
            ("WEB1.", one(0)),
            ("web1.lan.example", one(0)),
            ("web1.other.example", one(0)),
            ("ci1", one(0)),
            ("[2001:DB8:0::1]", one(0)),
            ("::ffff:10.0.0.1", one(0)),
            ("db1", one(1)),
            ("db1.corp.example", one(1)),
            ("db1.elsewhere.example", Lookup::None),
            ("orders-db", one(1)),
            ("app", Lookup::Many(vec![Ix(2), Ix(3)])),
            ("10.0.0.3", Lookup::Many(vec![Ix(2), Ix(3)])),
            ("10.0.0.9", Lookup::None),
            ("dup", Lookup::Many(vec![Ix(3), Ix(4)])),
            ("", Lookup::None),
            ("...", Lookup::None),
        ] {
            assert_eq!(names.find(name), want, "{name}");
        }
    }
}
