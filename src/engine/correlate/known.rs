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

/// CIs of a page.
const PAGE: usize = 256;

/// Something of many CIs, by their numbers, which are dense. In pages, so that a new CI never moves all the others.
#[derive(Clone, Debug)]
pub(super) struct ByCi<T>(Vec<Vec<Option<T>>>);

impl<T> Default for ByCi<T> {
    fn default() -> ByCi<T> {
        ByCi(Vec::new())
    }
}

impl<T> ByCi<T> {
    pub fn get(&self, ci: &CiId) -> Option<&T> {
        let (page, at) = place(*ci);
        self.0.get(page)?.get(at)?.as_ref()
    }
    pub fn get_mut(&mut self, ci: &CiId) -> Option<&mut T> {
        let (page, at) = place(*ci);
        self.0.get_mut(page)?.get_mut(at)?.as_mut()
    }
    /// All, in the order of the numbers.
    pub fn iter(&self) -> impl Iterator<Item = (CiId, &T)> {
        let firsts = (0_u32..).step_by(PAGE);
        firsts.zip(&self.0).flat_map(|(first, all)| {
            let all = (first..).map(CiId).zip(all);
            all.filter_map(|(ci, value)| Some((ci, value.as_ref()?)))
        })
    }
    pub fn insert(&mut self, ci: CiId, value: T) {
        let (page, at) = place(ci);
        if page >= self.0.len() {
            self.0.resize_with(page.saturating_add(1), Vec::new);
        }
        let Some(page) = self.0.get_mut(page) else {
            return;
        };
        if page.is_empty() {
            page.resize_with(PAGE, || None);
        }
        if let Some(place) = page.get_mut(at) {
            *place = Some(value);
        }
    }
    pub fn remove(&mut self, ci: &CiId) {
        let (page, at) = place(*ci);
        if let Some(place) = self.0.get_mut(page).and_then(|page| page.get_mut(at)) {
            *place = None;
        }
    }
    /// Frees the last so many pages. Answers whether any are left.
    fn free(&mut self, n: usize) -> bool {
        self.0.truncate(self.0.len().saturating_sub(n));
        !self.0.is_empty()
    }
}

fn place(ci: CiId) -> (usize, usize) {
    let n = usize::try_from(ci.0).unwrap_or(usize::MAX);
    (n / PAGE, n % PAGE)
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    pub about: ByCi<Arc<About>>,
    pub standing: ByCi<Standing>,
    pub fine: ByCi<Fine>,
    pub under: BTreeMap<CiId, Arc<[Dependant]>>,
    pub hidden: BTreeMap<CiId, Hidden>,
    /// See [`super::gap`].
    pub gaps: ByCi<bool>,
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
        let mut more = known.about.free(AT_ONCE / PAGE + 1);
        more |= known.standing.free(AT_ONCE / PAGE + 1);
        more |= known.fine.free(AT_ONCE / PAGE + 1);
        more |= known.gaps.free(AT_ONCE / PAGE + 1);
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
