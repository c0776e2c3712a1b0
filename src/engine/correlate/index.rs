//! Where to look when an alert is placed: which live incidents alert at a CI, which a CI could explain, and
//! what the graph says about a CI.
//!
//! Derived from the state and the graph, so it is not in the snapshot.

use super::fine::Fine;
use super::gap::Classes;
use super::hidden::Hidden;
use super::known::{ByCi, Known, Waste};
use super::lately::Lately;
use super::place::MAX_SHARED;
use super::scale::{Each, FRACTIONS, Nats, OWN};
use super::under::Dependant;
use super::why::next::MAX_ASKED;
use crate::engine::Engine;
use crate::engine::maintenance::Window;
use crate::engine::waits::Tells;
use crate::graph::Reach;
use crate::model::{CiId, IncidentId};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Smallest weight of a path over which the silence of a dependant counts against a cause, per mille.
pub(super) const MIN_EXPECTED: u16 = 80;
/// Incidents remembered while those near a CI are gathered; two in one place are told apart at the end.
const MET: usize = 512;
/// Incidents looked at on either side, see [`Index::beside`].
const MAX_BESIDE: usize = 16;
/// Dependants looked at for the absence.
pub(super) const MAX_UNDER: usize = 20_000;

/// A CI that another one needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Need {
    /// The CI that is needed.
    pub ci: CiId,
    /// Chance that its fault shows, per mille.
    pub weight: u16,
    /// Relations between them.
    pub hops: u8,
}

/// What the graph in force says about a CI.
#[derive(Clone, Debug, Default)]
pub struct About {
    /// What it needs, itself included with its own weight; sorted by number.
    pub cone: Vec<Need>,
}

/// What speaks for and against a CI as a cause, before anything alerts. Kept small: it is asked for by the thousand.
#[derive(Clone, Copy, Debug, Default)]
pub struct Standing {
    prior: i32,
    silence: i32,
    absence: [i32; FRACTIONS],
}

impl Standing {
    /// ln of how much commoner than that of others it is that it is the cause of anything.
    pub fn prior(&self) -> Nats {
        self.prior.into()
    }
    /// What it costs as a cause to have no alert of its own.
    pub fn silence(&self) -> Nats {
        self.silence.into()
    }
    /// What it costs that all its monitored dependants are silent, for each fraction.
    pub fn absence(&self) -> Each {
        self.absence.map(Nats::from)
    }
}

impl About {
    /// Weight by which the CI needs `cause`.
    pub fn weight(&self, cause: CiId) -> Option<u16> {
        let at = self.cone.binary_search_by_key(&cause, |n| n.ci).ok()?;
        self.cone.get(at).map(|n| n.weight)
    }
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct Index {
    at: ByCi<Vec<IncidentId>>,
    causes: ByCi<Vec<IncidentId>>,
    names: ByCi<Vec<IncidentId>>,
    /// See [`super::gap::Classes`]; only where no walks know it.
    pub(super) classes: Option<Classes>,
    /// The dependants of the windows of now, and which these are.
    pub(super) windows: Option<(Vec<Window>, Arc<BTreeSet<CiId>>)>,
    /// Impact of CIs by what they are for themselves.
    impacts: ByCi<u8>,
    known: Known,
    waste: Waste,
    /// See [`Index::scored_by`].
    scored_by: u64,
    pub(in crate::engine) lately: Lately,
    pub(in crate::engine) tells: Tells,
    /// Live incidents.
    pub(in crate::engine) live: BTreeSet<IncidentId>,
    /// See [`Index::over_gaps`]; none: not asked for since another graph came.
    over_gaps: Option<BTreeSet<IncidentId>>,
}

impl Index {
    /// Live incidents with an alert at `ci`, oldest first.
    pub fn at(&self, ci: CiId) -> impl DoubleEndedIterator<Item = IncidentId> + '_ {
        self.at.get(&ci).into_iter().flatten().copied()
    }
    /// Whether any live incident has an alert at `ci`.
    pub(super) fn alerts_at(&self, ci: CiId) -> bool {
        self.at.get(&ci).is_some()
    }
    /// Live incidents with an alert at a CI above which the CMDB has a [gap](super::gap).
    pub(super) fn over_gaps(&self) -> &BTreeSet<IncidentId> {
        static NONE: BTreeSet<IncidentId> = BTreeSet::new();
        self.over_gaps.as_ref().unwrap_or(&NONE)
    }
    /// Live incidents that a fault of `ci` could explain in part, oldest first.
    pub fn explained_by(&self, ci: CiId) -> &[IncidentId] {
        self.causes.get(&ci).map_or(&[], Vec::as_slice)
    }
    /// Live incidents that a fault of one of these CIs could explain in part, of each CI at most [`MAX_SHARED`], the
    /// newest. Each once, oldest first.
    pub(super) fn near(&self, causes: impl Iterator<Item = CiId>) -> Vec<IncidentId> {
        each_once(causes.flat_map(|cause| {
            let all = self.explained_by(cause);
            let newest = all.get(all.len().saturating_sub(MAX_SHARED)..);
            newest.into_iter().flatten()
        }))
    }
    /// Live incidents that a fault of one of these CIs could explain in part or that show one of these names, of each at
    /// most [`MAX_BESIDE`] on either side of `mine`: what came at the same time has the next numbers. Each once, oldest
    /// first.
    pub(super) fn beside<'a>(
        &self,
        mine: IncidentId,
        causes: impl Iterator<Item = &'a CiId>,
        names: impl Iterator<Item = &'a CiId>,
    ) -> Vec<IncidentId> {
        let causes = causes.filter_map(|cause| self.causes.get(cause));
        let all = causes.chain(names.filter_map(|name| self.names.get(name)));
        each_once(all.flat_map(|all| {
            let at = all.partition_point(|other| *other < mine);
            let from = at.saturating_sub(MAX_BESIDE);
            let to = at.saturating_add(MAX_BESIDE + 1).min(all.len());
            all.get(from..to).into_iter().flatten()
        }))
    }
    /// Live incidents that show a name, oldest first.
    pub(in crate::engine) fn named(&self, name: CiId) -> &[IncidentId] {
        self.names.get(&name).map_or(&[], Vec::as_slice)
    }
    /// Every entry: which incident alerts where, which a CI could explain, and which shows a name.
    pub(super) fn entries(&self) -> [BTreeSet<(CiId, IncidentId)>; 3] {
        let all = |map: &ByCi<Vec<IncidentId>>| {
            let of = map.iter();
            of.flat_map(|(ci, all)| all.iter().map(move |i| (ci, *i)))
                .collect()
        };
        [all(&self.at), all(&self.causes), all(&self.names)]
    }
    pub(super) fn fine(&self, ci: CiId) -> Option<Fine> {
        self.known.fine.get(&ci).copied()
    }
    pub(super) fn keep_fine(&mut self, ci: CiId, absence: Fine) {
        self.known.fine.insert(ci, absence);
    }
    /// See [`super::impact::impact_of`].
    pub(super) fn impact(&self, ci: CiId) -> Option<u8> {
        self.impacts.get(&ci).copied()
    }
    pub(super) fn keep_impact(&mut self, ci: CiId, impact: u8) {
        self.impacts.insert(ci, impact);
    }
    /// What is known of the CIs by themselves, as a number: with another one the same incident may be worth something
    /// else.
    pub(super) fn scored_by(&self) -> u64 {
        self.scored_by
    }
    /// Something else is known of some CI.
    pub(in crate::engine) fn score_anew(&mut self) {
        self.scored_by = self.scored_by.saturating_add(1);
    }
    /// With other rules or another graph they may be others.
    pub(in crate::engine) fn forget_impacts(&mut self) {
        self.impacts = ByCi::default();
        self.score_anew();
    }
    pub(super) fn hidden(&self, ci: CiId) -> Option<Hidden> {
        self.known.hidden.get(&ci).cloned()
    }
    pub(super) fn keep_hidden(&mut self, ci: CiId, hidden: Hidden) {
        self.known.hidden.insert(ci, hidden);
    }
    pub(super) fn gap(&self, ci: CiId) -> Option<bool> {
        self.known.gaps.get(&ci).copied()
    }
    pub(super) fn keep_gap(&mut self, ci: CiId, gap: bool) {
        self.known.gaps.insert(ci, gap);
    }
    pub(super) fn under(&self, ci: CiId) -> Option<Arc<[Dependant]>> {
        self.known.under.get(&ci).cloned()
    }
    pub(super) fn keep_under(&mut self, ci: CiId, found: Arc<[Dependant]>, most: usize) {
        if self.known.under.len() >= most {
            self.known.under.clear();
        }
        self.known.under.insert(ci, found);
    }
    pub(super) fn add_cause(&mut self, ci: CiId, incident: IncidentId) {
        add_to(&mut self.causes, ci, incident);
    }
    pub(super) fn add_name(&mut self, name: CiId, incident: IncidentId) {
        add_to(&mut self.names, name, incident);
    }
    pub(super) fn drop_name(&mut self, name: CiId, incident: IncidentId) {
        drop_from(&mut self.names, name, incident);
    }
    /// An incident alerts no more at a CI, and these could explain nothing of it any more.
    pub(super) fn drop_place(&mut self, ci: CiId, causes: &[CiId], incident: IncidentId) {
        drop_from(&mut self.at, ci, incident);
        for cause in causes {
            drop_from(&mut self.causes, *cause, incident);
        }
        if let Some(over) = &mut self.over_gaps {
            over.remove(&incident);
        }
    }
    pub(super) fn add_place(&mut self, ci: CiId, incident: IncidentId) {
        self.live.insert(incident);
        add_to(&mut self.at, ci, incident);
    }
}

impl Engine {
    /// What the graph says about a CI; asked once per graph.
    pub(in crate::engine) fn about(&mut self, ci: CiId) -> Arc<About> {
        if let Some(known) = self.index.known.about.get(&ci) {
            return known.clone();
        }
        let about = self.about_of(ci);
        self.index.known.about.insert(ci, about.clone());
        about
    }

    /// Asks the graph about the places of an incident, if it was not asked yet: texts ask only for what is known.
    pub(super) fn know_about(&mut self, incident: IncidentId) {
        let known = self.state.incidents.get(&incident);
        let places = known.into_iter().flat_map(|i| i.case.spots.keys());
        let new = |ci: &&CiId| self.index.known.about.get(ci).is_none();
        let places: Vec<CiId> = places.take(MAX_ASKED).filter(new).copied().collect();
        for ci in places {
            self.about(ci);
        }
    }

    /// See [`Standing`]; asked once per graph.
    pub(super) fn standing(&mut self, ci: CiId) -> Standing {
        if let Some(known) = self.index.known.standing.get(&ci) {
            return *known;
        }
        let absence = self.absence(ci);
        // Looked up together: whoever asks for the one will ask for the other.
        self.index.keep_fine(ci, absence.fine);
        let (prior, silence) = self.prior_of(ci);
        let small = |n: Nats| i32::try_from(n).unwrap_or(i32::MIN);
        let standing = Standing {
            prior: small(prior),
            silence: small(silence),
            absence: absence.each.map(small),
        };
        self.index.known.standing.insert(ci, standing);
        standing
    }

    /// The same, if it was asked for since the graph came into force.
    pub(super) fn known_standing(&self, ci: CiId) -> Option<Standing> {
        self.index.known.standing.get(&ci).copied()
    }

    /// What the graph says about a CI, without keeping it.
    pub(super) fn about_of(&self, ci: CiId) -> Arc<About> {
        let known = self.index.known.about.get(&ci).cloned();
        known.unwrap_or_else(|| {
            let mut cone = self.cone_of(ci);
            cone.push(Need {
                ci,
                weight: OWN,
                hops: 0,
            });
            cone.sort_unstable_by_key(|n| n.ci);
            Arc::new(About { cone })
        })
    }

    /// What a CI needs, by the best path to each, without keeping it.
    pub(in crate::engine) fn cone_of(&self, ci: CiId) -> Vec<Need> {
        let (Some(graph), Some(ix)) = (&self.force.graph, self.force.ix(ci)) else {
            return Vec::new();
        };
        let min_weight = self.state.rules.correlate.min_weight;
        let need = |reach: &Reach| {
            Some(Need {
                ci: self.force.id(reach.ci)?,
                weight: reach.weight,
                hops: reach.hops,
            })
        };
        let walked = self.force.walked.as_ref();
        match walked.and_then(|walked| walked.cone(ix, min_weight)) {
            Some(known) => known.iter().filter_map(need).collect(),
            None => graph.cone(ix, min_weight).iter().filter_map(need).collect(),
        }
    }

    /// Takes an incident that is over, merged or to be indexed anew out of the index.
    pub(in crate::engine) fn unindex(&mut self, incident: IncidentId) {
        let Some(known) = self.state.incidents.get(&incident) else {
            return;
        };
        self.index.live.remove(&incident);
        if let Some(over) = &mut self.index.over_gaps {
            over.remove(&incident);
        }
        for ci in known.case.spots.keys() {
            drop_from(&mut self.index.at, *ci, incident);
        }
        for ci in known.case.sums.keys() {
            drop_from(&mut self.index.causes, *ci, incident);
        }
        for name in known.case.named.keys() {
            drop_from(&mut self.index.names, *name, incident);
        }
    }

    /// Puts an incident into the index, its sums made anew.
    pub(in crate::engine) fn reindex(&mut self, incident: IncidentId) {
        let Some(known) = self.state.incidents.get_mut(&incident) else {
            return;
        };
        known.case.sum_up();
        for ci in known.case.spots.keys() {
            self.index.add_place(*ci, incident);
        }
        for ci in known.case.sums.keys() {
            self.index.add_cause(*ci, incident);
        }
        for name in known.case.named.keys() {
            self.index.add_name(*name, incident);
        }
        self.note_gaps(incident);
    }

    /// Finds out which live incidents alert [over a gap](Index::over_gaps), unless that is known.
    pub(super) fn know_over_gaps(&mut self) {
        if self.index.over_gaps.is_none() {
            self.index.over_gaps = Some(BTreeSet::new());
            for incident in self.index.live.clone() {
                self.note_gaps(incident);
            }
        }
    }

    /// Notes whether an incident alerts over a gap.
    pub(super) fn note_gaps(&mut self, incident: IncidentId) {
        if self.index.over_gaps.is_none() {
            return;
        }
        let known = self.state.incidents.get(&incident);
        let places = known.into_iter().flat_map(|i| i.case.spots.keys());
        for ci in places.copied().collect::<Vec<CiId>>() {
            self.note_gap(ci, incident);
        }
    }

    /// Notes whether a place of an incident is over a gap.
    pub(super) fn note_gap(&mut self, ci: CiId, incident: IncidentId) {
        if self.index.over_gaps.is_some()
            && self.needs_unknown(ci)
            && let Some(over) = &mut self.index.over_gaps
        {
            over.insert(incident);
        }
    }

    /// Makes the index anew, after a start.
    pub(in crate::engine) fn rebuild_index(&mut self) {
        self.index = Index::default();
        let live: Vec<IncidentId> = self
            .state
            .incidents
            .iter()
            .filter(|(_, i)| i.state.lives())
            .map(|(id, _)| *id)
            .collect();
        for id in live {
            self.reindex(id);
        }
    }

    /// Forgets what an older graph said of some CIs: what they need, and what needs them.
    pub(in crate::engine) fn forget_some(&mut self, cones: &[CiId], dependants: &[CiId]) {
        self.index.classes = None;
        self.index.windows = None;
        self.index.known.gaps = ByCi::default();
        self.index.over_gaps = None;
        for ci in cones {
            self.index.known.about.remove(ci);
        }
        for ci in dependants {
            self.index.known.standing.remove(ci);
            self.index.known.fine.remove(ci);
            self.index.known.under.remove(ci);
            self.index.known.hidden.remove(ci);
        }
    }

    /// Forgets what the old graph said.
    pub(in crate::engine) fn forget_graph(&mut self) {
        self.index.classes = None;
        self.index.windows = None;
        self.index.over_gaps = None;
        let known = std::mem::take(&mut self.index.known);
        self.index.waste.add(known);
    }

    /// Frees some of what was forgotten.
    pub(in crate::engine) fn dispose(&mut self) {
        self.index.waste.dispose();
    }
}

/// These, each once, in order. Where CIs lie close to each other the same are met again and again.
fn each_once<'a>(all: impl Iterator<Item = &'a IncidentId>) -> Vec<IncidentId> {
    let mut once: Vec<IncidentId> = Vec::new();
    let mut met = [IncidentId::default(); MET];
    for incident in all {
        let at = usize::try_from(incident.0).unwrap_or_default() % MET;
        if let Some(met) = met.get_mut(at).filter(|met| *met != incident) {
            *met = *incident;
            once.push(*incident);
        }
    }
    once.sort_unstable();
    once.dedup();
    once
}

fn add_to(map: &mut ByCi<Vec<IncidentId>>, ci: CiId, incident: IncidentId) {
    let Some(all) = map.get_mut(&ci) else {
        return map.insert(ci, vec![incident]);
    };
    if let Err(at) = all.binary_search(&incident) {
        all.insert(at, incident);
    }
}

fn drop_from(map: &mut ByCi<Vec<IncidentId>>, ci: CiId, incident: IncidentId) {
    let Some(all) = map.get_mut(&ci) else {
        return;
    };
    if let Ok(at) = all.binary_search(&incident) {
        all.remove(at);
    }
    if all.is_empty() {
        map.remove(&ci);
    }
}
