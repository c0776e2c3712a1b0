//! A map by numbers that are given one after the other, as those of alerts and incidents are. With each new alert some
//! hundred incidents are asked for, so to find one must cost little. In pages, for what is over leaves gaps.

use crate::model::{AlertId, IncidentId};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeMap;
use std::fmt;

/// Numbers of a page.
const PAGE: u64 = 64;

/// A key that is a number.
pub trait Number: Copy + Ord {
    /// It.
    fn number(self) -> u64;
}

impl Number for AlertId {
    fn number(self) -> u64 {
        self.0
    }
}

impl Number for IncidentId {
    fn number(self) -> u64 {
        self.0
    }
}

type Page<K, V> = Vec<Option<Box<(K, V)>>>;

/// See the module. No page is empty, and each has all its places.
#[derive(Clone)]
pub struct Numbered<K, V> {
    pages: BTreeMap<u64, Page<K, V>>,
    len: usize,
}

impl<K, V> Default for Numbered<K, V> {
    fn default() -> Self {
        Numbered {
            pages: BTreeMap::new(),
            len: 0,
        }
    }
}

impl<K: Number, V> Numbered<K, V> {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.len
    }
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
    /// What has this number.
    pub fn get(&self, key: &K) -> Option<&V> {
        let (page, at) = place(*key);
        let slot = self.pages.get(&page)?.get(at)?;
        slot.as_ref().map(|pair| &pair.1)
    }
    /// The same, to change it.
    pub fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        let (page, at) = place(*key);
        let slot = self.pages.get_mut(&page)?.get_mut(at)?;
        slot.as_mut().map(|pair| &mut pair.1)
    }
    /// Whether anything has this number.
    pub fn contains_key(&self, key: &K) -> bool {
        self.get(key).is_some()
    }
    /// Gives a number to something. Answers what had it before.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        let (page, at) = place(key);
        let page = self.pages.entry(page).or_default();
        if page.is_empty() {
            page.resize_with(usize::try_from(PAGE).unwrap_or_default(), || None);
        }
        let slot = page.get_mut(at)?;
        let old = slot.replace(Box::new((key, value)));
        self.len = self.len.saturating_add(usize::from(old.is_none()));
        old.map(|pair| pair.1)
    }
    /// Takes out what has this number.
    pub fn remove(&mut self, key: &K) -> Option<V> {
        let (number, at) = place(*key);
        let page = self.pages.get_mut(&number)?;
        let old = page.get_mut(at)?.take()?;
        self.len = self.len.saturating_sub(1);
        if page.iter().all(Option::is_none) {
            self.pages.remove(&number);
        }
        Some(old.1)
    }
    /// All, in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&K, &V)> + Clone {
        let pairs = self.pages.values().flatten().flatten();
        pairs.map(|pair| (&pair.0, &pair.1))
    }
    /// All, in order, to change them.
    pub fn iter_mut(&mut self) -> impl DoubleEndedIterator<Item = (&K, &mut V)> {
        let pairs = self.pages.values_mut().flatten().flatten();
        pairs.map(|pair| (&pair.0, &mut pair.1))
    }
    /// What some numbers have, asked for in any order; fastest where they lie close to each other, for the page of the last
    /// one is at hand.
    pub fn finder<'a>(&'a self) -> impl FnMut(&K) -> Option<&'a V> {
        let mut last: Option<(u64, &Page<K, V>)> = None;
        move |key| {
            let (page, at) = place(*key);
            last = match last {
                Some((known, _)) if known == page => last,
                _ => self.pages.get(&page).map(|found| (page, found)),
            };
            let slot = last?.1.get(at)?;
            slot.as_ref().map(|pair| &pair.1)
        }
    }
    /// Those from a number on, in order.
    pub fn from(&self, first: K) -> impl Iterator<Item = (&K, &V)> {
        let pages = self.pages.range(place(first).0..);
        let pairs = pages.flat_map(|(_, page)| page).flatten();
        let pairs = pairs.skip_while(move |pair| pair.0 < first);
        pairs.map(|pair| (&pair.0, &pair.1))
    }
    /// The numbers, in order.
    pub fn keys(&self) -> impl DoubleEndedIterator<Item = &K> + Clone {
        self.iter().map(|(key, _)| key)
    }
    /// All without their numbers, in order.
    pub fn values(&self) -> impl DoubleEndedIterator<Item = &V> + Clone {
        self.iter().map(|(_, value)| value)
    }
    /// The same, to change them.
    pub fn values_mut(&mut self) -> impl DoubleEndedIterator<Item = &mut V> {
        self.iter_mut().map(|(_, value)| value)
    }
}

/// The page of a number, and its place there.
fn place<K: Number>(key: K) -> (u64, usize) {
    let number = key.number();
    let at = usize::try_from(number % PAGE).unwrap_or_default();
    (number / PAGE, at)
}

impl<K: Number, V> FromIterator<(K, V)> for Numbered<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        let mut all = Numbered::default();
        for (key, value) in pairs {
            all.insert(key, value);
        }
        all
    }
}

impl<K: Number + fmt::Debug, V: fmt::Debug> fmt::Debug for Numbered<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl<K: Number + Serialize, V: Serialize> Serialize for Numbered<K, V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.len))?;
        for (key, value) in self.iter() {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}

impl<'de, K, V> Deserialize<'de> for Numbered<K, V>
where
    K: Number + Deserialize<'de>,
    V: Deserialize<'de>,
{
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let pairs = BTreeMap::<K, V>::deserialize(deserializer)?;
        Ok(pairs.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_a_map() {
        let (mut ours, mut map) = (Numbered::default(), BTreeMap::new());
        for n in 0..3000_u64 {
            let key = AlertId(n * n % 1009);
            match n % 3 {
                0 => assert_eq!(ours.remove(&key), map.remove(&key)),
                _ => assert_eq!(ours.insert(key, n), map.insert(key, n)),
            }
            *ours.get_mut(&key).unwrap_or(&mut 0) += 1;
            *map.get_mut(&key).unwrap_or(&mut 0) += 1;
            if n % 100 > 0 {
                continue;
            }
            assert_eq!(ours.len(), map.len());
            assert!(ours.iter().eq(map.iter()) && ours.iter().rev().eq(map.iter().rev()));
            assert!(ours.from(key).eq(map.range(key..)));
            let mut find = ours.finder();
            assert!((0..1100).all(|n| find(&AlertId(n)) == map.get(&AlertId(n))));
            let stored = postcard::to_stdvec(&ours).unwrap();
            assert_eq!(stored, postcard::to_stdvec(&map).unwrap());
            let back: Numbered<AlertId, u64> = postcard::from_bytes(&stored).unwrap();
            assert!(back.iter().eq(map.iter()));
        }
        map.keys()
            .for_each(|key| assert!(ours.remove(key).is_some()));
        assert!(ours.is_empty() && ours.pages.is_empty());
    }
}
