//! What a walk knows of the CIs that it met: a small table of its own, because a walk is asked for with every new
//! alert, and an ordered map costs several times as much. It is never asked for its order.

/// The best way known to a CI.
#[derive(Clone, Copy, Debug)]
pub struct Way {
    pub weight: u16,
    pub hops: u8,
    pub settled: bool,
    /// See [`super::links::Links::bar`]: the first is behind it.
    pub barred: bool,
    /// The CI before it.
    pub before: u32,
}

/// No CI: graphs have fewer.
const NONE: u32 = u32::MAX;
const EMPTY: (u32, Way) = (
    NONE,
    Way {
        weight: 0,
        hops: 0,
        settled: false,
        barred: false,
        before: NONE,
    },
);
/// Places of a new table; a power of two. Most cones have fewer than half as many CIs.
const FIRST: usize = 256;

/// Ways by CI: open addressing, at most half full.
#[derive(Debug)]
pub struct Ways {
    places: Vec<(u32, Way)>,
    used: usize,
}

impl Ways {
    /// An empty table.
    pub fn new() -> Ways {
        Ways {
            places: vec![EMPTY; FIRST],
            used: 0,
        }
    }

    /// Where `ci` is, or would be.
    fn place(&self, ci: u32) -> usize {
        let last = self.places.len().saturating_sub(1);
        // Fibonacci hashing: neighbours in the graph are neighbours by number, and must not crowd.
        let mixed = u64::from(ci).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        let mut at = usize::try_from(mixed).unwrap_or_default() & last;
        loop {
            match self.places.get(at) {
                Some((known, _)) if *known == ci || *known == NONE => return at,
                Some(_) => at = at.wrapping_add(1) & last,
                None => return 0, // there is always a place
            }
        }
    }

    /// The way to a CI.
    pub fn get(&self, ci: u32) -> Option<&Way> {
        let (known, way) = self.places.get(self.place(ci))?;
        (*known == ci).then_some(way)
    }

    /// See [`Ways::get`].
    pub fn get_mut(&mut self, ci: u32) -> Option<&mut Way> {
        let at = self.place(ci);
        let (known, way) = self.places.get_mut(at)?;
        (*known == ci).then_some(way)
    }

    /// Sets the way to a CI.
    pub fn set(&mut self, ci: u32, way: Way) {
        let at = self.place(ci);
        if let Some(place) = self.places.get_mut(at) {
            let new = place.0 == NONE;
            *place = (ci, way);
            if new {
                self.grow();
            }
        }
    }

    /// Takes `way` if it is better than what is known and not settled. Answers whether it did.
    pub fn improve(&mut self, ci: u32, way: Way) -> bool {
        let at = self.place(ci);
        let Some((known, old)) = self.places.get_mut(at) else {
            return false;
        };
        let new = *known == NONE;
        let better = new
            || (!old.settled
                && (way.weight > old.weight || (way.weight == old.weight && way.hops < old.hops)));
        if better {
            (*known, *old) = (ci, way);
        }
        if new {
            self.grow();
        }
        better
    }

    /// One more place is used.
    fn grow(&mut self) {
        self.used = self.used.saturating_add(1);
        if self.used.saturating_mul(2) <= self.places.len() {
            return;
        }
        let room = self.places.len().saturating_mul(4);
        let old = std::mem::replace(&mut self.places, vec![EMPTY; room]);
        for (ci, way) in old.into_iter().filter(|(ci, _)| *ci != NONE) {
            let at = self.place(ci);
            if let Some(place) = self.places.get_mut(at) {
                *place = (ci, way);
            }
        }
    }

    /// All ways, in no order.
    pub fn all(&self) -> impl Iterator<Item = (u32, &Way)> {
        let used = self.places.iter().filter(|(ci, _)| *ci != NONE);
        used.map(|(ci, way)| (*ci, way))
    }
}
