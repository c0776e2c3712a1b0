//! Numbers of CIs, in the order of the log.

use crate::model::CiId;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// CI numbers: handed out once per CI key, in the log's order, never used again.
///
/// Hosts that the CMDB does not know get numbers too, under keys that no CMDB id can have (`\u{1}host:web1`).
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Cis {
    names: Vec<Arc<str>>,
    numbers: BTreeMap<Arc<str>, CiId>,
}

/// First character of the key of something that is no CI.
pub const UNBOUND_MARK: char = '\u{1}';

impl Cis {
    /// The number of `key`, handed out now if it is new.
    pub fn intern(&mut self, key: &str) -> CiId {
        if let Some(id) = self.numbers.get(key) {
            return *id;
        }
        let id = CiId(u32::try_from(self.names.len()).unwrap_or(u32::MAX));
        let key: Arc<str> = key.into();
        self.names.push(key.clone());
        self.numbers.insert(key, id);
        id
    }
    /// The number of `key`, if it has one.
    pub fn find(&self, key: &str) -> Option<CiId> {
        self.numbers.get(key).copied()
    }
    /// The key of a number.
    pub fn key(&self, id: CiId) -> &str {
        let at = usize::try_from(id.0).unwrap_or(usize::MAX);
        self.names.get(at).map(|n| &**n).unwrap_or_default()
    }
    /// How many keys have one.
    pub fn len(&self) -> usize {
        self.names.len()
    }
    /// Whether none has.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }
    /// Hands out numbers for keys that were interned elsewhere, in their order, as if each was interned now. Answers the
    /// first of them; none, and nothing happens, if one of the keys has a number already.
    pub fn append(&mut self, mut new: Cis) -> Option<CiId> {
        if self.names.iter().any(|key| new.find(key).is_some()) {
            return None;
        }
        let first = u32::try_from(self.names.len()).ok()?;
        for id in new.numbers.values_mut() {
            id.0 = id.0.saturating_add(first);
        }
        let own = std::mem::replace(&mut self.numbers, new.numbers);
        self.numbers.extend(own);
        self.names.append(&mut new.names);
        Some(CiId(first))
    }
}
