//! What the graph in force says of the CIs that were asked for; and what an older graph said, on its way out: to free
//! all of it at once would take longer than an entry may.

use super::fine::Fine;
use super::hidden::Hidden;
use super::index::{About, Standing};
use super::under::Dependant;
use crate::model::CiId;
use std::collections::BTreeMap;
use std::sync::Arc;

/// CIs forgotten with each entry.
const AT_ONCE: usize = 500;

/// Something of many CIs, by their numbers, which are dense.
#[derive(Clone, Debug)]
pub(super) struct ByCi<T>(Vec<Option<T>>);

impl<T> Default for ByCi<T> {
    fn default() -> ByCi<T> {
        ByCi(Vec::new())
    }
}

impl<T> ByCi<T> {
    pub fn get(&self, ci: &CiId) -> Option<&T> {
        self.0.get(place(*ci))?.as_ref()
    }
    pub fn insert(&mut self, ci: CiId, value: T) {
        let at = place(ci);
        if at >= self.0.len() {
            let room = at.saturating_add(1).max(self.0.len().saturating_mul(2));
            self.0.resize_with(room, || None);
        }
        if let Some(place) = self.0.get_mut(at) {
            *place = Some(value);
        }
    }
    pub fn remove(&mut self, ci: &CiId) {
        if let Some(place) = self.0.get_mut(place(*ci)) {
            *place = None;
        }
    }
    /// Frees the last so many. Answers whether any are left.
    fn free(&mut self, n: usize) -> bool {
        self.0.truncate(self.0.len().saturating_sub(n));
        !self.0.is_empty()
    }
}

fn place(ci: CiId) -> usize {
    usize::try_from(ci.0).unwrap_or(usize::MAX)
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    pub about: ByCi<Arc<About>>,
    pub standing: ByCi<Standing>,
    pub fine: ByCi<Box<Fine>>,
    pub under: BTreeMap<CiId, Arc<[Dependant]>>,
    pub hidden: BTreeMap<CiId, Hidden>,
}

/// See the module. A copy of the engine needs none of it.
#[derive(Debug, Default)]
pub(super) struct Waste(Vec<Known>);

impl Clone for Waste {
    fn clone(&self) -> Waste {
        Waste::default()
    }
}

impl Waste {
    pub fn add(&mut self, known: Known) {
        self.0.push(known);
    }

    /// Frees some of it.
    pub fn dispose(&mut self) {
        let Some(known) = self.0.last_mut() else {
            return;
        };
        let mut more = known.about.free(AT_ONCE);
        more |= known.standing.free(AT_ONCE);
        more |= known.fine.free(AT_ONCE);
        for _ in 0..AT_ONCE {
            known.under.pop_first();
            known.hidden.pop_first();
        }
        more |= !known.under.is_empty() || !known.hidden.is_empty();
        if !more {
            self.0.pop();
        }
    }
}
