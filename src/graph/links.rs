//! Weighted links of every CI, in CSR arrays: once towards what it needs, once towards what needs it.

use super::weigh::Need;
use super::{Ix, wide};
use crate::rules::Carries;

/// One direct need, as it is handed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link<'a> {
    /// The CI at the other end.
    pub ci: Ix,
    /// Chance that a fault of the needed CI shows at the needing one, per mille, 1 to 1000.
    pub weight: u16,
    /// Type of the relation that it comes from.
    pub kind: &'a str,
}

/// Links of every CI in one direction: those of CI `n` are `ends[starts[n]..starts[n + 1]]`.
#[derive(Debug)]
pub struct Links {
    starts: Vec<u32>,
    ends: Vec<End>,
    down: bool,
}

#[derive(Clone, Copy, Debug)]
struct End {
    ci: u32,
    kind: u32,
    weight: u16,
    carries: Carries,
}

/// One link, for walks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// The CI at the other end.
    pub ci: u32,
    /// See [`Link::weight`].
    pub weight: u16,
    /// What faults its type carries.
    pub carries: Carries,
}

impl Links {
    /// The links of `needs`, which are sorted by (needer, needed): from the needing CI, or with `down` from
    /// the needed one.
    pub fn new(cis: usize, needs: &[Need], down: bool) -> Links {
        let turned = |need: &Need| match down {
            false => (need.needer, need.needed),
            true => (need.needed, need.needer),
        };
        // A counting sort keeps the order of the needs within each CI: by the other end, both ways.
        let mut starts = vec![0_u32; cis.saturating_add(1)];
        for need in needs {
            if let Some(count) = starts.get_mut(wide(turned(need).0).saturating_add(1)) {
                *count = count.saturating_add(1);
            }
        }
        let mut sum = 0_u32;
        for start in &mut starts {
            sum = sum.saturating_add(*start);
            *start = sum;
        }
        let mut free = starts.clone();
        let nothing = End {
            ci: 0,
            kind: 0,
            weight: 0,
            carries: Carries::All,
        };
        let mut ends = vec![nothing; needs.len()];
        for need in needs {
            let (at, ci) = turned(need);
            if let Some(slot) = free.get_mut(wide(at)) {
                if let Some(end) = ends.get_mut(wide(*slot)) {
                    *end = End {
                        ci,
                        kind: need.kind,
                        weight: need.weight,
                        carries: need.carries,
                    };
                }
                *slot = slot.saturating_add(1);
            }
        }
        Links { starts, ends, down }
    }

    /// How many CIs there are.
    pub fn len(&self) -> usize {
        self.starts.len().saturating_sub(1)
    }

    /// The links of a CI.
    pub fn of<'a>(&'a self, ix: Ix, kinds: &'a [String]) -> impl Iterator<Item = Link<'a>> {
        self.row(ix).iter().map(|end| Link {
            ci: Ix(end.ci),
            weight: end.weight,
            kind: kinds
                .get(wide(end.kind))
                .map(String::as_str)
                .unwrap_or_default(),
        })
    }

    /// The links of a CI.
    pub fn steps(&self, ix: Ix) -> impl Iterator<Item = Step> {
        self.row(ix).iter().map(|end| Step {
            ci: end.ci,
            weight: end.weight,
            carries: end.carries,
        })
    }

    /// What, once a path has gone over the first, it may not go over any more: the second.
    pub fn bar(&self) -> (Carries, Carries) {
        match self.down {
            false => (Carries::Power, Carries::Network),
            true => (Carries::Network, Carries::Power),
        }
    }

    fn row(&self, ix: Ix) -> &[End] {
        let at = wide(ix.0);
        let from = self.starts.get(at).copied().unwrap_or_default();
        let to = self
            .starts
            .get(at.saturating_add(1))
            .copied()
            .unwrap_or_default();
        self.ends.get(wide(from)..wide(to)).unwrap_or_default()
    }
}
