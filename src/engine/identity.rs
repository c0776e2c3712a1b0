//! Labels to fingerprint by the rules in force, and re-keying when those change.

use super::state::State;
use crate::model::{AlertId, Fingerprint, Labels};
use crate::rules::Identity;
use ring::digest::{Context, SHA256};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

/// The identity of an alert: SHA-256 over its scope and the sorted labels that are not ignored, cut to
/// 16 bytes. Lengths are part of it, so that no two label sets can be written alike.
pub fn fingerprint(identity: &Identity, scope: &str, labels: &Labels) -> Fingerprint {
    let own = identity.by_scope.get(scope).map(|s| s.labels.as_slice());
    // An event without any of the labels that should identify it is known by all it has.
    let own = own.filter(|own| own.iter().any(|name| labels.get(name).is_some()));
    let counts = |name: &str| match own {
        Some(own) => own.iter().any(|o| o == name),
        None => !identity.ignored_labels.iter().any(|i| i == name),
    };
    hash_of(scope, labels.iter().filter(|(name, _)| counts(name)))
}

/// The identity of the condition behind an alert, where each firing of it is an alert of its own. `None`
/// where the scope does not say, or the labels that tell are missing.
pub fn condition(identity: &Identity, scope: &str, labels: &Labels) -> Option<Fingerprint> {
    let own = &identity.by_scope.get(scope)?.condition;
    let (last, _) = own.split_last()?;
    labels.get(last)?; // the last of them tells, those before it say where
    let told = labels
        .iter()
        .filter(|(name, _)| own.iter().any(|o| o == name));
    Some(hash_of(&format!("condition of {scope}"), told))
}

fn hash_of<'a>(scope: &str, labels: impl Iterator<Item = (&'a str, &'a str)>) -> Fingerprint {
    let mut hash = Context::new(&SHA256);
    part(&mut hash, scope);
    for (name, value) in labels {
        part(&mut hash, name);
        part(&mut hash, value);
    }
    let mut out = [0; 16];
    for (to, from) in out.iter_mut().zip(hash.finish().as_ref()) {
        *to = *from;
    }
    Fingerprint(out)
}

fn part(hash: &mut Context, text: &str) {
    let length = u64::try_from(text.len()).unwrap_or(u64::MAX);
    hash.update(&length.to_be_bytes());
    hash.update(text.as_bytes());
}

/// A 64-bit hash of some words; for sender ids and jitter.
pub fn short_hash(parts: &[&str]) -> u64 {
    let mut hash = Context::new(&SHA256);
    for text in parts {
        part(&mut hash, text);
    }
    hash.finish()
        .as_ref()
        .iter()
        .take(8)
        .fold(0, |n, b| (n << 8) | u64::from(*b))
}

/// Gives every alert the fingerprint that the new rules give its stored labels, so that it still resolves.
///
/// Where two alerts become one, the live one stays (the older of two live ones); the others are returned
/// and must be ended by the caller.
pub fn rekey(state: &mut State) -> Vec<AlertId> {
    let identity = state.rules.identity.clone();
    let mut by_fingerprint: BTreeMap<Fingerprint, AlertId> = BTreeMap::new();
    let mut doubled = Vec::new();
    let mut live_first: Vec<AlertId> = state.alerts.keys().copied().collect();
    live_first.sort_by_key(|id| (!state.alerts.get(id).is_some_and(|a| a.live()), *id));
    for id in live_first {
        let Some(alert) = state.alerts.get_mut(&id) else {
            continue;
        };
        alert.fingerprint = fingerprint(&identity, &alert.scope, &alert.labels);
        match by_fingerprint.entry(alert.fingerprint) {
            Entry::Occupied(_) => doubled.push(id),
            Entry::Vacant(free) => {
                free.insert(id);
            }
        }
    }
    state.by_fingerprint = by_fingerprint;
    // By number: the last firing of a condition is the one that is remembered.
    let told = state.alerts.iter().filter(|(_, a)| a.incident.is_some());
    let conditions =
        told.filter_map(|(id, a)| Some((condition(&identity, &a.scope, &a.labels)?, *id)));
    state.by_condition = conditions.collect();
    doubled
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::ScopeIdentity;

    #[test]
    fn a_scope_with_ids_of_its_own_needs_nothing_else() {
        let own = ScopeIdentity {
            labels: vec!["instance".to_owned(), "eventid".to_owned()],
            condition: vec!["instance".to_owned(), "triggerid".to_owned()],
        };
        let rules = Identity {
            by_scope: [("z".to_owned(), own)].into(),
            ..Identity::default()
        };
        let labels = |pairs: &[(&str, &str)]| pairs.iter().copied().collect::<Labels>();
        let thin = labels(&[("eventid", "30")]);
        let thick = labels(&[("eventid", "30"), ("host", "web"), ("triggerid", "7")]);
        let again = labels(&[("eventid", "31"), ("host", "web"), ("triggerid", "7")]);
        assert_eq!(
            fingerprint(&rules, "z", &thin),
            fingerprint(&rules, "z", &thick)
        );
        assert_ne!(
            fingerprint(&rules, "z", &thick),
            fingerprint(&rules, "z", &again)
        );
        assert_ne!(
            fingerprint(&rules, "q", &thin),
            fingerprint(&rules, "q", &thick)
        );
        assert_eq!(
            condition(&rules, "z", &thick),
            condition(&rules, "z", &again)
        );
        assert_eq!(condition(&rules, "z", &thin), None);
    }

    #[test]
    fn only_identifying_labels_and_the_scope_count() {
        let rules = Identity::default();
        let of = |scope: &str, pairs: &[(&str, &str)]| {
            fingerprint(&rules, scope, &pairs.iter().copied().collect())
        };
        let base = of("p", &[("alertname", "Down"), ("instance", "a")]);
        let same = [
            ("alertname", "Down"),
            ("instance", "a"),
            ("severity", "page"),
        ];
        assert_eq!(base, of("p", &same), "severity is ignored");
        assert_ne!(base, of("q", &[("alertname", "Down"), ("instance", "a")]));
        assert_ne!(base, of("p", &[("alertname", "Down"), ("instance", "b")]));
        assert_ne!(of("p", &[("a", "bc")]), of("p", &[("ab", "c")]));
    }
}
