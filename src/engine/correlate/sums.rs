//! How well each cause explains an incident, by cause. What two incidents have in common is asked far more often than
//! a cause is added: the numbers of the causes lie side by side in order, so that this is one walk over two lists.

use super::case::Sum;
use crate::model::CiId;
use std::iter::Zip;
use std::slice::Iter;

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    causes: Vec<CiId>,
    /// In the same order.
    sums: Vec<Sum>,
}

impl Sums {
    /// How many causes there are.
    pub fn len(&self) -> usize {
        self.causes.len()
    }
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.causes.is_empty()
    }
    /// The causes, in order.
    pub fn keys(&self) -> Iter<'_, CiId> {
        self.causes.iter()
    }
    /// All, in order.
    pub fn iter(&self) -> Zip<Iter<'_, CiId>, Iter<'_, Sum>> {
        self.causes.iter().zip(&self.sums)
    }
    /// Whether this is one of them.
    pub fn contains_key(&self, cause: &CiId) -> bool {
        self.causes.binary_search(cause).is_ok()
    }
    /// How well a cause explains the incident.
    pub fn get(&self, cause: &CiId) -> Option<&Sum> {
        let at = self.causes.binary_search(cause).ok()?;
        self.sums.get(at)
    }
    /// The same, to change it.
    pub fn get_mut(&mut self, cause: &CiId) -> Option<&mut Sum> {
        let at = self.causes.binary_search(cause).ok()?;
        self.sums.get_mut(at)
    }
    /// The same with the cause.
    pub fn get_key_value(&self, cause: &CiId) -> Option<(&CiId, &Sum)> {
        let at = self.causes.binary_search(cause).ok()?;
        self.causes.get(at).zip(self.sums.get(at))
    }
    /// Forgets all.
    pub fn clear(&mut self) {
        self.causes.clear();
        self.sums.clear();
    }

    /// Where a cause is or would be, not before `from`.
    pub fn seek(&self, from: usize, cause: CiId) -> usize {
        from.saturating_add(before(self.causes.get(from..).unwrap_or_default(), cause))
    }
    /// The sum of a cause that [`Sums::seek`] found there.
    pub fn at_mut(&mut self, at: usize, cause: CiId) -> Option<&mut Sum> {
        let same = self.causes.get(at) == Some(&cause);
        self.sums.get_mut(at).filter(|_| same)
    }

    /// Adds causes that are not there yet, in order: from the last one on, so that each that is there moves at most
    /// once, however many they are.
    pub fn add(&mut self, new: Vec<(CiId, Sum)>) {
        if self.is_empty() {
            (self.causes, self.sums) = new.into_iter().unzip();
            return;
        }
        let mut from = self.causes.len();
        let mut to = from.saturating_add(new.len());
        self.causes.resize(to, CiId::default());
        self.sums.resize(to, Sum::default());
        for (cause, sum) in new.into_iter().rev() {
            let own = self.causes.get(..from).unwrap_or_default();
            let at = own.partition_point(|known| *known < cause);
            let behind = from.saturating_sub(at);
            to = to.saturating_sub(behind);
            self.causes.copy_within(at..from, to);
            self.sums.copy_within(at..from, to);
            (from, to) = (at, to.saturating_sub(1));
            if let Some((place, known)) = self.causes.get_mut(to).zip(self.sums.get_mut(to)) {
                (*place, *known) = (cause, sum);
            }
        }
    }

    /// Forgets some causes, in order.
    pub fn remove(&mut self, gone: &[CiId]) {
        if gone.is_empty() {
            return;
        }
        let stays = |cause: &CiId| gone.binary_search(cause).is_err();
        let mut stay = self.causes.iter().map(stays);
        self.sums.retain(|_| stay.next().unwrap_or(true));
        self.causes.retain(stays);
    }

    /// Adds those of places that are not in these yet. Answers the causes that are new.
    pub fn join(&mut self, mut other: Sums) -> Vec<CiId> {
        let new = other.keys().filter(|cause| !self.contains_key(cause));
        let causes = new.copied().collect();
        // What there is less of is added to the other.
        if other.len() > self.len() {
            std::mem::swap(self, &mut other);
        }
        let mut new = Vec::new();
        let mut at = 0_usize;
        for (cause, sum) in other.causes.into_iter().zip(other.sums) {
            at = self.seek(at, cause);
            match self.at_mut(at, cause) {
                Some(known) => known.add(&sum),
                None => new.push((cause, sum)),
            }
        }
        self.add(new);
        causes
    }

    /// What both have, in order.
    pub fn shared<'a>(&'a self, other: &'a Sums) -> impl Iterator<Item = (CiId, &'a Sum, &'a Sum)> {
        let mut at = 0_usize;
        self.into_iter().filter_map(move |(cause, sum)| {
            at = at.saturating_add(before(other.causes.get(at..)?, *cause));
            let same = other.causes.get(at) == Some(cause);
            Some((*cause, sum, other.sums.get(at).filter(|_| same)?))
        })
    }

    /// Those of some causes that are there, `some` in order.
    pub fn of<'a, T: Copy + 'a>(
        &'a self,
        some: impl Iterator<Item = (CiId, T)> + 'a,
    ) -> impl Iterator<Item = (CiId, T, &'a Sum)> + 'a {
        let mut at = 0_usize;
        some.filter_map(move |(cause, with)| {
            at = at.saturating_add(before(self.causes.get(at..)?, cause));
            let same = self.causes.get(at) == Some(&cause);
            Some((cause, with, self.sums.get(at).filter(|_| same)?))
        })
    }
}

/// How many of these causes, which are in order, come before one. Looked for from the begin on, in growing steps.
fn before(causes: &[CiId], cause: CiId) -> usize {
    let (mut low, mut high, mut step) = (0_usize, 0_usize, 1_usize);
    while causes.get(high).is_some_and(|c| *c < cause) {
        low = high.saturating_add(1);
        high = high.saturating_add(step);
        step = step.saturating_mul(2);
    }
    let within = causes.get(low..high.min(causes.len())).unwrap_or_default();
    low.saturating_add(within.partition_point(|c| *c < cause))
}

impl<'a> IntoIterator for &'a Sums {
    type Item = (&'a CiId, &'a Sum);
    type IntoIter = Zip<Iter<'a, CiId>, Iter<'a, Sum>>;
    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn sum(places: u32) -> Sum {
        Sum {
            places,
            ..Sum::default()
        }
    }

    #[test]
    fn they_are_a_map() {
        let (mut sums, mut map) = (Sums::default(), BTreeMap::new());
        let mut old = Sums::default();
        for n in 0..40_u32 {
            // Runs, gaps, single causes; before, among and behind those that are there.
            let causes = (0..n % 9).map(|k| CiId((n * 37 + k * (1 + n % 4)) % 211));
            let mut new: BTreeMap<CiId, Sum> = causes.map(|c| (c, sum(n))).collect();
            new.retain(|c, _| !map.contains_key(c));
            map.extend(new.clone());
            sums.add(new.into_iter().collect());
            let all: Vec<(CiId, Sum)> = sums.iter().map(|(c, s)| (*c, *s)).collect();
            assert_eq!(all, map.clone().into_iter().collect::<Vec<_>>());
            for (few, many) in [(&old, &sums), (&sums, &old)] {
                let shared: Vec<CiId> = few.shared(many).map(|(c, _, _)| c).collect();
                let both: Vec<CiId> = few
                    .keys()
                    .filter(|c| many.contains_key(c))
                    .copied()
                    .collect();
                assert_eq!(shared, both);
            }
            let every = (0..211).map(|c| (CiId(c), c));
            let of: Vec<(CiId, u32)> = sums.of(every).map(|(c, n, _)| (c, n)).collect();
            assert_eq!(of, map.keys().map(|c| (*c, c.0)).collect::<Vec<_>>());
            if n % 5 == 0 {
                old = sums.clone();
            }
        }
        assert!(sums.len() > 80 && old.len() > 60, "{}", sums.len());
    }
}
