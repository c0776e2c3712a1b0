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
}
