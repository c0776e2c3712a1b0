//! From a name of any form to a CI.
//!
//! Every CI is known by its key, name, aliases and addresses, all in their plain form (`plain.rs`). A name is tried in these steps; the first that knows
//! any CI decides, and answers [`Lookup::Many`] if it knows several:
//! 1. the key, as written;
//! 2. the plain form among all plain forms; an IP address ends here;
//! 3. with a configured domain taken off (the longest that fits), unless the CI found is itself known under
//!    the rest in another configured domain; a name without a configured domain: with each of them added;
//! 4. the short name. `web1.dc1.corp` finds a CI known as `web1` only if no name of that CI begins with
//!    `web1.` (then its domain is known, and it is another); if other CIs do have names that begin with
//!    `web1.`, the CMDB tells such hosts apart by domain, and the answer is `Many`. A name without a dot finds
//!    the CI that has a host name beginning with it and a dot.
//!
//! A short name of digits alone is no name of a host.

use super::plain::{is_host_char, is_short, plain};
use super::{Ci, Ix, narrow, wide};
use std::net::IpAddr;

/// CIs that [`Lookup::Many`] lists at most: enough to show people what to repair.
pub const MAX_MANY: usize = 8;
/// Names that one look-up walks over for a short name. More than this many hosts of one short name are
/// ambiguous whatever the rest is called.
const MAX_WALK: usize = 256;

/// What a name means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// No CI.
    None,
    /// This CI.
    One(Ix),
    /// Several CIs, sorted, at most [`MAX_MANY`]: none of them can be chosen.
    Many(Vec<Ix>),
}

/// Plain forms of all names, sorted, in one text. An entry costs 12 bytes beside its text.
#[derive(Debug)]
pub struct NameIndex {
    text: String,
    /// End of each entry in `text`; it begins where the one before ends.
    ends: Vec<usize>,
    /// CI of each entry.
    cis: Vec<u32>,
    /// CIs by key, as written.
    keys: Vec<u32>,
    /// Configured domains in plain form, longest first.
    domains: Vec<String>,
}

impl NameIndex {
    /// Indexes the CIs.
    pub fn build(cis: &[Ci], domains: &[String]) -> NameIndex {
        let mut entries: Vec<(String, u32)> = cis
            .iter()
            .enumerate()
            .flat_map(|(n, ci)| {
                known_names(ci)
                    .filter_map(plain)
                    .map(move |name| (name, narrow(n)))
            })
            .collect();
        entries.sort_unstable();
        entries.dedup();
        let mut keys: Vec<u32> = (0..narrow(cis.len())).collect();
        keys.sort_by_key(|n| cis.get(wide(*n)).map(|ci| ci.key.as_str()));
        let mut domains: Vec<String> = domains
            .iter()
            .filter_map(|domain| plain(domain.trim().trim_start_matches(['.', '*'])))
            .collect();
        domains.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        domains.dedup();
        let mut index = NameIndex {
            text: String::new(),
            ends: Vec::with_capacity(entries.len()),
            cis: Vec::with_capacity(entries.len()),
            keys,
            domains,
        };
        for (name, ci) in entries {
            index.text.push_str(&name);
            index.ends.push(index.text.len());
            index.cis.push(ci);
        }
        index
    }

    /// Whether both say the same of the same CIs.
    pub fn same(&self, other: &NameIndex) -> bool {
        (&self.domains, &self.text, &self.ends, &self.cis)
            == (&other.domains, &other.text, &other.ends, &other.cis)
            && self.keys == other.keys
    }

    /// The CI with this key, as written, else the only one whose key differs in case alone.
    pub fn by_key(&self, cis: &[Ci], key: &str) -> Option<Ix> {
        self.exact_key(cis, key).or_else(|| {
            let lower = key.to_lowercase();
            let of_key = |ci: &u32| {
                cis.get(wide(*ci))
                    .is_some_and(|ci| ci.key.to_lowercase() == lower)
            };
            let plain = plain(key)?;
            let mut found = self
                .entries_from(&plain)
                .take_while(|(name, _)| *name == plain)
                .map(|(_, ci)| ci)
                .filter(of_key);
            match (found.next(), found.next()) {
                (Some(one), None) => Some(Ix(one)),
                (Some(_), Some(_)) | (None, _) => None,
            }
        })
    }

    /// The CI that `name` means; see the head of this file.
    pub fn lookup(&self, cis: &[Ci], name: &str) -> Lookup {
        if let Some(ix) = self.exact_key(cis, name) {
            return Lookup::One(ix);
        }
        let Some(name) = plain(name) else {
            return Lookup::None;
        };
        let full = self.full(&name);
        if !full.is_empty() || name.parse::<IpAddr>().is_ok() {
            return answer(full);
        }
        let by_domain = self.by_domain(&name);
        if !by_domain.is_empty() {
            return answer(by_domain);
        }
        answer(match name.split_once('.') {
            Some((short, _)) => self.short(short),
            None => self.longer(&name),
        })
    }

    /// The CI with this key or, in plain form, this name: how the ends of relations are named.
    pub fn end(&self, cis: &[Ci], name: &str) -> Lookup {
        match self.exact_key(cis, name) {
            Some(ix) => Lookup::One(ix),
            None => answer(plain(name).map(|name| self.full(&name)).unwrap_or_default()),
        }
    }

    /// Names that several CIs share, with those CIs, in the order of the names.
    pub fn shared(&self) -> impl Iterator<Item = (&str, &[u32])> {
        let mut at = 0_usize;
        std::iter::from_fn(move || {
            while at < self.ends.len() {
                let name = self.name(at);
                let from = at;
                while at < self.ends.len() && self.name(at) == name {
                    at = at.saturating_add(1);
                }
                if at.saturating_sub(from) > 1 {
                    return Some((name, self.cis.get(from..at).unwrap_or_default()));
                }
            }
            None
        })
    }

    fn exact_key(&self, cis: &[Ci], key: &str) -> Option<Ix> {
        let key_of = |n: &u32| cis.get(wide(*n)).map(|ci| ci.key.as_str());
        let at = self
            .keys
            .binary_search_by(|n| key_of(n).cmp(&Some(key)))
            .ok()?;
        self.keys.get(at).map(|n| Ix(*n))
    }

    /// Step 3.
    fn by_domain(&self, name: &str) -> Vec<u32> {
        let mut in_a_domain = false;
        for domain in &self.domains {
            let Some(rest) = name
                .strip_suffix(domain.as_str())
                .and_then(|rest| rest.strip_suffix('.'))
                .filter(|rest| !rest.is_empty())
            else {
                continue;
            };
            in_a_domain = true;
            let elsewhere = self.in_domains(rest);
            let mut found = self.full(rest);
            found.retain(|ci| elsewhere.binary_search(ci).is_err());
            if !found.is_empty() {
                return found;
            }
        }
        if in_a_domain {
            return Vec::new();
        }
        self.in_domains(name)
    }

    /// CIs known as `name` in any configured domain, sorted.
    fn in_domains(&self, name: &str) -> Vec<u32> {
        let mut found: Vec<u32> = self
            .domains
            .iter()
            .flat_map(|domain| self.full(&format!("{name}.{domain}")))
            .collect();
        found.sort_unstable();
        found.dedup();
        found
    }

    /// Step 4 for a name with a dot.
    fn short(&self, short: &str) -> Vec<u32> {
        let mut found = self.full(short);
        if found.is_empty() || !is_short(short) {
            return Vec::new();
        }
        let with_domain = self.longer(short);
        found.retain(|ci| with_domain.binary_search(ci).is_err());
        if !found.is_empty() {
            found.extend(with_domain);
            found.sort_unstable();
        }
        found
    }

    /// CIs with a host name that begins with `short` and a dot, sorted: one walk over neighbours in the index.
    fn longer(&self, short: &str) -> Vec<u32> {
        if !is_short(short) {
            return Vec::new();
        }
        let prefix = format!("{short}.");
        let mut found: Vec<u32> = self
            .entries_from(&prefix)
            .take(MAX_WALK)
            .take_while(|(name, _)| name.starts_with(&prefix))
            .filter(|(name, _)| name.chars().all(is_host_char))
            .map(|(_, ci)| ci)
            .collect();
        found.sort_unstable();
        found.dedup();
        found
    }

    /// CIs with this plain form, sorted; one more than are ever listed, whatever their number.
    fn full(&self, name: &str) -> Vec<u32> {
        self.entries_from(name)
            .take_while(|(of, _)| *of == name)
            .map(|(_, ci)| ci)
            .take(MAX_MANY.saturating_add(1))
            .collect()
    }

    /// The entries that are not below `name`, in order.
    fn entries_from(&self, name: &str) -> impl Iterator<Item = (&str, u32)> {
        let from = self.first_not_below(name);
        let cis = self.cis.get(from..).unwrap_or_default();
        (from..).map(|at| self.name(at)).zip(cis.iter().copied())
    }

    /// The first entry that is not below `name`.
    fn first_not_below(&self, name: &str) -> usize {
        let (mut low, mut high) = (0_usize, self.ends.len());
        while low < high {
            let middle = low.midpoint(high);
            if self.name(middle) < name {
                low = middle.saturating_add(1);
            } else {
                high = middle;
            }
        }
        low
    }

    fn name(&self, at: usize) -> &str {
        let end = self.ends.get(at).copied().unwrap_or_default();
        let start = match at.checked_sub(1) {
            Some(before) => self.ends.get(before).copied().unwrap_or_default(),
            None => 0,
        };
        self.text.get(start..end).unwrap_or_default()
    }
}

fn known_names(ci: &Ci) -> impl Iterator<Item = &str> {
    [ci.key.as_str(), ci.name.as_str()]
        .into_iter()
        .chain(ci.aliases.iter().map(String::as_str))
        .chain(ci.addresses.iter().map(String::as_str))
}

fn answer(mut found: Vec<u32>) -> Lookup {
    match found.as_slice() {
        [] => Lookup::None,
        [one] => Lookup::One(Ix(*one)),
        _ => {
            found.truncate(MAX_MANY);
            Lookup::Many(found.into_iter().map(Ix).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// CIs as "key name alias alias ...", addresses among the aliases.
    fn estate(rows: &[&str]) -> Vec<Ci> {
        let ci = |row: &&str| {
            let mut words = row.split(' ').map(str::to_owned);
            Ci {
                key: words.next().unwrap(),
                name: words.next().unwrap(),
                aliases: words.collect(),
                ..Ci::default()
            }
        };
        rows.iter().map(ci).collect()
    }

    fn check(rows: &[&str], domains: &[&str], cases: &[(&str, &str)]) {
        let cis = estate(rows);
        let domains: Vec<String> = domains.iter().map(|d| (*d).to_owned()).collect();
        let index = NameIndex::build(&cis, &domains);
        for (name, expected) in cases {
            let keys = |found: &[Ix]| {
                let keys: Vec<&str> = found
                    .iter()
                    .map(|ix| cis[wide(ix.0)].key.as_str())
                    .collect();
                keys.join(" ")
            };
            let found = match index.lookup(&cis, name) {
                Lookup::None => String::new(),
                Lookup::One(ix) => keys(&[ix]),
                Lookup::Many(many) => format!("? {}", keys(&many)),
            };
            assert_eq!(
                &found, expected,
                "{name:?} in {rows:?} with domains {domains:?}"
            );
        }
    }

    #[test]
    fn addresses_in_any_spelling() {
        check(
            &[
                "A a 10.0.0.1 2001:DB8:0::0:1 127.0.0.1 ::1",
                "B b 10.0.0.2/24 fe80::2%eth0",
                "C c ::ffff:10.0.0.3 [2001:db8::3] 0.0.0.0",
                "D 10.0.0.4 10.0.0.5",
                "E e 10.0.0.5",
            ],
            &["0.1"],
            &[
                ("10.0.0.1", "A"),
                (" 10.0.0.1 ", "A"),
                ("10.0.0.1:9100", "A"),
                ("::ffff:10.0.0.1", "A"),
                ("::FFFF:0a00:0001", "A"),
                ("[::ffff:10.0.0.1]:9100", "A"),
                ("2001:db8::1", "A"),
                ("[2001:0DB8::1]", "A"),
                ("[2001:db8::1]:443", "A"),
                ("2001:db8::1%eth0", "A"),
                ("10.0.0.2", "B"),
                ("fe80::2", "B"),
                ("[fe80::2%25eth1]:80", "B"),
                ("10.0.0.3", "C"),
                ("2001:db8::3/128", "C"),
                ("10.0.0.4", "D"),
                ("10.0.0.5", "? D E"),
                ("127.0.0.1", ""),
                ("[::1]:9100", ""),
                ("0.0.0.0", ""),
                ("10.0.0.9", ""),
                ("10.0.0.999", ""),
                ("10.0.0", ""),
                ("[2001:db8::1", ""),
                ("", ""),
                (" ", ""),
                (".", ""),
            ],
        );
    }

    #[test]
    fn keys_names_and_aliases() {
        check(
            &["A Web1 www", "b WEB2 a", "C ÅNGSTRÖM", "d x", "D y"],
            &[],
            &[
                ("web1", "A"),
                ("WEB1.", "A"),
                ("www", "A"),
                ("A", "A"),
                ("a", "? A b"),
                ("B", "b"),
                ("ångström", "C"),
                ("d", "d"),
                ("D", "D"),
                ("nobody", ""),
            ],
        );
        let cis = estate(&["A x", "b A", "d y", "D z"]);
        let index = NameIndex::build(&cis, &[]);
        let by_key = |key| index.by_key(&cis, key).map(|ix| ix.0);
        assert_eq!(
            ["A", "a", "B", "d", "D", "x", ""].map(by_key),
            [Some(0), Some(0), Some(1), Some(2), Some(3), None, None]
        );
    }

    #[test]
    fn domains_are_taken_off_and_added() {
        let domains = &["corp.example", ".lab.example.", "example"];
        check(
            &[
                "A web1",
                "B web2.corp.example",
                "C web3.lab.example",
                "D web4 web4.lab.example",
                "E web5.corp.example",
                "F web5.lab.example",
                "G web6.dc1",
            ],
            domains,
            &[
                ("web1.corp.example", "A"),
                ("WEB1.lab.example.", "A"),
                ("web1.corp.example.org", "A"),
                ("web2", "B"),
                ("web2.lab.example", ""),
                ("web3", "C"),
                ("web4", "D"),
                ("web4.lab.example", "D"),
                ("web4.corp.example", ""),
                ("web5", "? E F"),
                ("web5.lab.example", "F"),
                ("web6.dc1.corp.example", "G"),
                ("corp.example", ""),
            ],
        );
    }

    #[test]
    fn a_short_name_only_where_nothing_speaks_against_it() {
        check(
            &[
                "A web1 web1.dc2.corp",
                "B web2",
                "C web3",
                "D web3.dc2.corp",
                "E web4",
                "F web4",
                "G web5.dc2.corp",
                "H web6.dc1.corp",
                "I web6.dc2.corp",
                "J pay.the/bill",
                "K 7",
            ],
            &[],
            &[
                ("web1.dc2.corp", "A"),
                ("web1.dc1.corp", ""),
                ("web1", "A"),
                ("web2.dc1.corp", "B"),
                ("web3.dc1.corp", "? C D"),
                ("web3", "C"),
                ("web4.dc1.corp", "? E F"),
                ("web5", "G"),
                ("web5.dc1.corp", ""),
                ("web6", "? H I"),
                ("pay", ""),
                ("7.8.9", ""),
                ("web2.", "B"),
                (".web2", ""),
            ],
        );
    }

    #[test]
    fn shared_names_are_bounded() {
        let rows: Vec<String> = (0..300)
            .map(|n| format!("K{n:03} same same{n}. host.d{n}"))
            .collect();
        let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
        let eight = "? K000 K001 K002 K003 K004 K005 K006 K007";
        check(&rows, &[], &[("same", eight), ("same.corp", eight)]);
        let cis = estate(&rows);
        let index = NameIndex::build(&cis, &[]);
        assert!(matches!(index.lookup(&cis, "host"), Lookup::Many(many) if many.len() == MAX_MANY));
        let shared: Vec<(&str, usize)> = index.shared().map(|(n, c)| (n, c.len())).collect();
        assert_eq!(shared, [("same", 300)]);
    }
}
