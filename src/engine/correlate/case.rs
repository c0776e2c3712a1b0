//! What an incident knows about its causes: where it alerts, by what each of these places may be explained,
//! and how well each cause explains all of them.

use super::join::unexplained;
use super::scale::{self, Each, FRACTIONS, Nats};
use super::sums::Sums;
use crate::model::{CiId, Millis, Severity};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Causes kept per alerting CI.
pub const MAX_CAUSES: usize = 160;

/// Causes that are looked for one by one at a place that has more of them.
const FEW: usize = 8;
/// Names of alerts: how many alerts, and when the last of them began.
pub type Names = BTreeMap<CiId, (u32, Millis)>;

/// A CI with alerts in an incident.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spot {
    /// When its first and its last alert began.
    pub first: Millis,
    /// See `first`.
    pub last: Millis,
    /// Its worst severity.
    pub worst: Severity,
    /// ln of the chance that it alerts by itself, from its first alert.
    pub chance: Nats,
    /// Alerts, and how many of them fire.
    pub alerts: u32,
    /// See `alerts`.
    pub live: u32,
    /// It came long after the others: it does not keep the incident's door open.
    pub late: bool,
    /// All its alerts name another CI: it tells of that, and is not down itself.
    pub witness: bool,
    /// What may be behind it, with the weight of the path per mille; sorted.
    pub causes: Vec<(CiId, u16)>,
    /// The names of its alerts.
    pub named: Names,
}

impl Spot {
    /// Whether it alerts now, and of itself: what tells of another CI only is no trouble of this one.
    pub fn fires(&self) -> bool {
        self.live > 0 && !self.witness
    }
    /// Weight by which `cause` explains this place.
    pub fn weight(&self, cause: CiId) -> Option<u16> {
        let at = self.causes.binary_search_by_key(&cause, |(c, _)| *c).ok()?;
        self.causes.get(at).map(|(_, w)| *w)
    }
}

/// How well one cause explains an incident. Kept small: large incidents have thousands of causes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sum {
    pub(super) gain: [i32; FRACTIONS],
    pub(super) most: i32,
    /// Places that it explains.
    pub places: u32,
    /// It is one of these places itself.
    pub own: bool,
    /// The first and the last of these places by number; first > last: none.
    pub within: (CiId, CiId),
}

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Case {
    /// Where it alerts.
    pub spots: BTreeMap<CiId, Spot>,
    /// Begin of the first and the last alert, late ones left out.
    pub first: Millis,
    /// See `first`.
    pub last: Millis,
    /// How often it changed.
    pub version: u32,
    /// Worth of the best cause when it was last looked for.
    pub score: Nats,
    /// How much of the silence counted then, in 256ths; 0: never looked for.
    pub mature: i64,
    /// That cause.
    pub root: CiId,
    /// Hosts down in it behind which their source checks nothing.
    pub hiders: Vec<CiId>,
    /// How well each cause explains all places. A sum over `spots`, so it is not stored.
    #[serde(skip)]
    pub sums: Sums,
    /// Worst severity of its places. Not stored either.
    #[serde(skip)]
    pub worst: Option<Severity>,
    /// What was known of the CIs when the best cause was looked for, see `index::Index::scored_by`; not stored either.
    #[serde(skip)]
    pub scored: Option<u64>,
    /// The names of its alerts. A sum over `spots`, so it is not stored.
    #[serde(skip)]
    pub named: Names,
}

/// What was known of the causes of a case before an alert was counted.
#[derive(Clone, Copy, Debug)]
pub struct Before {
    /// Its places, and the begin of its first alert.
    pub places: usize,
    /// See `places`.
    pub first: Millis,
    /// Its best cause and what that was worth.
    pub score: (Nats, CiId),
    /// How much of the silence counted.
    pub mature: i64,
    /// See [`Case`]; none if something hides others.
    pub scored: Option<u64>,
}

/// What `weight` between a cause and a place is worth.
pub fn gain_of(cause: CiId, place: CiId, weight: u16, chance: Nats) -> Each {
    match cause == place {
        true => scale::own_gain(chance),
        false => scale::gain(weight, chance),
    }
}

/// The highest of the gains at a place, none below 0.
pub(super) fn most(gain: Each) -> Nats {
    gain.into_iter().fold(0, Nats::max)
}

impl Case {
    /// What is known of its causes before an alert is counted.
    pub fn before(&self) -> Before {
        Before {
            places: self.spots.len(),
            first: self.first,
            score: (self.score, self.root),
            mature: self.mature,
            scored: self.scored.filter(|_| self.hiders.is_empty()),
        }
    }

    /// Counts another alert at a place. Answers whether the place is new.
    pub fn count(
        &mut self,
        ci: CiId,
        began: Millis,
        severity: Severity,
        chance: Nats,
        late: bool,
        name: Option<CiId>,
    ) -> bool {
        self.version = self.version.wrapping_add(1);
        if let Some(name) = name {
            add_name(&mut self.named, name, 1, began);
        }
        self.worst = Some(self.worst.map_or(severity, |worst| worst.min(severity)));
        if self.spots.is_empty() {
            (self.first, self.last) = (began, began);
        } else if !late {
            self.first = self.first.min(began);
            self.last = self.last.max(began);
        }
        if let Some(spot) = self.spots.get_mut(&ci) {
            if let Some(name) = name {
                add_name(&mut spot.named, name, 1, began);
            }
            spot.first = spot.first.min(began);
            spot.last = spot.last.max(began);
            spot.worst = spot.worst.min(severity);
            spot.alerts = spot.alerts.saturating_add(1);
            spot.live = spot.live.saturating_add(1);
            return false;
        }
        let spot = Spot {
            first: began,
            last: began,
            worst: severity,
            chance,
            alerts: 1,
            live: 1,
            late,
            witness: false,
            causes: Vec::new(),
            named: name.iter().map(|n| (*n, (1, began))).collect(),
        };
        self.spots.insert(ci, spot);
        true
    }

    /// Counts a place of another incident that is merged into this one, without what may be behind it.
    fn take_over(&mut self, ci: CiId, other: &Spot) {
        let late = other.late || self.spots.get(&ci).is_some_and(|s| s.late);
        self.count(ci, other.first, other.worst, other.chance, late, None);
        self.count(ci, other.last, other.worst, other.chance, late, None);
        if let Some(spot) = self.spots.get_mut(&ci) {
            // `count` has counted two alerts that fire.
            spot.alerts = spot.alerts.saturating_add(other.alerts).saturating_sub(2);
            spot.live = spot.live.saturating_add(other.live).saturating_sub(2);
            for (name, (n, last)) in &other.named {
                add_name(&mut spot.named, *name, *n, *last);
                add_name(&mut self.named, *name, *n, *last);
            }
        }
    }

    /// Takes over the places of another incident that is merged into this one, with what may be behind them. Answers
    /// which causes are new to this incident.
    ///
    /// Both have sums already: those of places that only the other has are added to ours, in one walk.
    pub fn absorb(&mut self, mut other: Case) -> Vec<CiId> {
        let both: Vec<CiId> = match self.spots.len() {
            0 => other.spots.keys().copied().collect(),
            own if own < other.spots.len() => shared(&self.spots, &other.spots),
            _ => shared(&other.spots, &self.spots),
        };
        let both = both.into_iter().filter_map(|place| {
            let (spot, _) = other.remove(place)?;
            Some((place, spot))
        });
        let both: Vec<(CiId, Spot)> = both.collect();
        if !both.is_empty() {
            other.tell_up();
        }
        // As often as if each place and each cause had come by itself.
        let counted = |spot: &Spot| u32::try_from(spot.causes.len().saturating_add(2));
        let counted = other.spots.values().filter_map(|spot| counted(spot).ok());
        self.version = counted.fold(self.version, u32::wrapping_add);
        for (name, (n, last)) in &other.named {
            add_name(&mut self.named, *name, *n, *last);
        }
        self.worst = self.worst.into_iter().chain(other.worst).min();
        for spot in other.spots.values().filter(|spot| !spot.late) {
            self.first = self.first.min(spot.first);
            self.last = self.last.max(spot.last);
        }
        let mut causes = self.sums.join(other.sums);
        // What there is less of is added to the other.
        if other.spots.len() > self.spots.len() {
            std::mem::swap(&mut self.spots, &mut other.spots);
        }
        self.spots.extend(other.spots);
        for (place, spot) in &both {
            self.take_over(*place, spot);
            causes.extend(self.raise_all(*place, &spot.causes));
        }
        causes
    }

    /// Raises the weights by which causes, in order, explain `place`. Answers which are new to the incident.
    pub fn raise_all(&mut self, place: CiId, causes: &[(CiId, u16)]) -> Vec<CiId> {
        let Some(spot) = self.spots.get_mut(&place) else {
            return Vec::new();
        };
        let asked = u32::try_from(causes.len()).unwrap_or(u32::MAX);
        self.version = self.version.wrapping_add(asked);
        let fresh = if spot.causes.is_empty() {
            causes.len()
        } else {
            0
        };
        let mut here: Vec<(CiId, u16)> = Vec::with_capacity(fresh);
        let fresh = if self.sums.is_empty() {
            causes.len()
        } else {
            0
        };
        let mut new: Vec<(CiId, Sum)> = Vec::with_capacity(fresh);
        let mut at = 0_usize;
        let mut passed = 0_usize;
        for (cause, weight) in causes.iter().copied() {
            let rest = spot.causes.get(passed..).unwrap_or_default();
            let before = match causes.len() < FEW {
                true => rest.partition_point(|(c, _)| *c < cause),
                false => rest.iter().take_while(|(c, _)| *c < cause).count(),
            };
            passed = passed.saturating_add(before);
            let full = spot.causes.len().saturating_add(here.len()) >= MAX_CAUSES;
            let known = spot.causes.get_mut(passed).filter(|(c, _)| *c == cause);
            match known {
                Some((_, known)) if *known >= weight => {}
                Some((_, known)) => {
                    let old = std::mem::replace(known, weight);
                    at = self.sums.seek(at, cause);
                    if let Some(sum) = self.sums.at_mut(at, cause) {
                        sum.gains(gain_of(cause, place, weight, spot.chance));
                        sum.loses(gain_of(cause, place, old, spot.chance));
                    }
                }
                None if full => {}
                None => {
                    here.push((cause, weight));
                    at = self.sums.seek(at, cause);
                    let mut first = Sum::default();
                    let known = self.sums.at_mut(at, cause);
                    let is_new = known.is_none();
                    let sum = known.unwrap_or(&mut first);
                    sum.gains(gain_of(cause, place, weight, spot.chance));
                    sum.count(cause, place);
                    if is_new {
                        new.push((cause, first));
                    }
                }
            }
        }
        match spot.causes.is_empty() {
            true => spot.causes = here,
            false if here.is_empty() => {}
            false => {
                spot.causes.extend(here);
                spot.causes.sort_unstable_by_key(|(cause, _)| *cause);
            }
        }
        let causes = new.iter().map(|(cause, _)| *cause).collect();
        self.sums.add(new);
        causes
    }

    /// Makes the sums anew from the places.
    pub fn sum_up(&mut self) {
        let mut sums: BTreeMap<CiId, Sum> = BTreeMap::new();
        for (place, spot) in &self.spots {
            for (cause, weight) in &spot.causes {
                let sum = sums.entry(*cause).or_default();
                sum.gains(gain_of(*cause, *place, *weight, spot.chance));
                sum.count(*cause, *place);
            }
        }
        self.sums.clear();
        self.sums.add(sums.into_iter().collect());
        self.tell_up();
    }

    /// Takes a place out. Answers it, and the causes that explain nothing of the rest.
    pub fn remove(&mut self, place: CiId) -> Option<(Spot, Vec<CiId>)> {
        let removed = self.spots.remove(&place)?;
        self.hiders.retain(|hider| *hider != place);
        let (mut gone, mut at) = (Vec::new(), 0_usize);
        for (cause, weight) in removed.causes.iter().copied() {
            at = self.sums.seek(at, cause);
            let Some(sum) = self.sums.at_mut(at, cause) else {
                continue;
            };
            sum.loses(gain_of(cause, place, weight, removed.chance));
            sum.places = sum.places.saturating_sub(1);
            sum.own &= cause != place;
            let mut rest = self.spots.range(sum.within.0..=sum.within.1);
            let needs = |(_, spot): &(&CiId, &Spot)| spot.weight(cause).is_some();
            match place {
                _ if sum.places == 0 => gone.push(cause),
                first if first == sum.within.0 => {
                    sum.within.0 = rest.find(needs).map_or(first, |(place, _)| *place);
                }
                last if last == sum.within.1 => {
                    sum.within.1 = rest.rfind(needs).map_or(last, |(place, _)| *place);
                }
                _ => {}
            }
        }
        self.sums.remove(&gone);
        Some((removed, gone))
    }

    /// Names, severity, begin and end by the places.
    pub fn tell_up(&mut self) {
        self.named.clear();
        for spot in self.spots.values() {
            for (name, (n, last)) in &spot.named {
                add_name(&mut self.named, *name, *n, *last);
            }
        }
        self.scored = None;
        self.worst = self.spots.values().map(|s| s.worst).min();
        let counted = || self.spots.values().filter(|s| !s.late);
        let first = counted().map(|s| s.first).min();
        if let (Some(first), Some(last)) = (first, counted().map(|s| s.last).max()) {
            (self.first, self.last) = (first, last);
        }
    }

    /// What a cause with this sum gains at most here, less what it pays for the places that it does not explain.
    pub fn could(&self, sum: &Sum) -> Nats {
        sum.most() - unexplained(self.spots.len(), sum.places)
    }

    /// The names of the alerts at some of the places.
    pub fn named_at(&self, places: &[CiId]) -> Names {
        let mut names = Names::new();
        for spot in places.iter().filter_map(|place| self.spots.get(place)) {
            for (name, (n, last)) in &spot.named {
                add_name(&mut names, *name, *n, *last);
            }
        }
        names
    }

    /// The gains of `cause` from some of the places alone.
    pub fn gain_from(&self, cause: CiId, places: &[CiId]) -> Each {
        let mut sum = [0; FRACTIONS];
        for place in places {
            if let Some(spot) = self.spots.get(place)
                && let Some(weight) = spot.weight(cause)
            {
                sum = scale::plus(sum, gain_of(cause, *place, weight, spot.chance));
            }
        }
        sum
    }
}

/// Places of the first that the second has too.
fn shared(few: &BTreeMap<CiId, Spot>, many: &BTreeMap<CiId, Spot>) -> Vec<CiId> {
    let both = few.keys().filter(|place| many.contains_key(place));
    both.copied().collect()
}

/// `n` more alerts of a name, the last of which began at `last`.
pub fn add_name(names: &mut Names, name: CiId, n: u32, last: Millis) {
    let entry = names.entry(name).or_insert((0, last));
    *entry = (entry.0.saturating_add(n), entry.1.max(last));
}

impl Sum {
    /// Sum of the gains, for each fraction.
    pub fn gain(&self) -> Each {
        self.gain.map(Nats::from)
    }
    /// Sum of the highest gains of each place, none below 0: no part of the places gains more, at any fraction.
    pub fn most(&self) -> Nats {
        self.most.into()
    }

    /// The gains with how common each fraction is, at the best of them.
    pub fn peak(&self) -> Nats {
        let gains = self.gain.iter().zip(RARE);
        gains
            .map(|(gain, rare)| gain.saturating_add(rare))
            .fold(i32::MIN, i32::max)
            .into()
    }

    /// Adds what the same cause explains elsewhere.
    pub(super) fn add(&mut self, other: &Sum) {
        for (sum, more) in self.gain.iter_mut().zip(other.gain) {
            *sum = sum.saturating_add(more);
        }
        self.most = self.most.saturating_add(other.most);
        self.places = self.places.saturating_add(other.places);
        self.own |= other.own;
        self.reaches_over(other.within);
    }
    fn reaches_over(&mut self, (first, last): (CiId, CiId)) {
        self.within = (self.within.0.min(first), self.within.1.max(last));
    }
    fn gains(&mut self, gain: Each) {
        for (sum, more) in self.gain.iter_mut().zip(gain.map(small)) {
            *sum = sum.saturating_add(more);
        }
        self.most = self.most.saturating_add(small(most(gain)));
    }
    fn loses(&mut self, gain: Each) {
        for (sum, less) in self.gain.iter_mut().zip(gain.map(small)) {
            *sum = sum.saturating_sub(less);
        }
        self.most = self.most.saturating_sub(small(most(gain)));
    }
    fn count(&mut self, cause: CiId, place: CiId) {
        self.places = self.places.saturating_add(1);
        self.own |= cause == place;
        self.reaches_over((place, place));
    }
}

/// See [`scale::RARITY`].
#[expect(
    clippy::as_conversions,
    reason = "a const has no other conversion; all values are small"
)]
const RARE: [i32; FRACTIONS] = {
    let [a, b, c, d, e] = scale::RARITY;
    [a as i32, b as i32, c as i32, d as i32, e as i32]
};

/// What one place gains is a few nats.
fn small(gain: Nats) -> i32 {
    i32::try_from(gain).unwrap_or(0)
}

impl Default for Sum {
    fn default() -> Sum {
        Sum {
            gain: [0; FRACTIONS],
            most: 0,
            places: 0,
            own: false,
            within: (CiId(u32::MAX), CiId(0)),
        }
    }
}
