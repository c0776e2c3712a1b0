//! Failures of CIs, and whether the silence of another CI in one of them can be believed.

use super::watch::{Firing, Watch};
use crate::engine::Engine;
use crate::graph::Ix;
use crate::model::{CiId, Millis, Severity};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Alerts of a CI that follow each other this closely are one failure.
pub(super) const NEAR: Millis = Millis::mins(10);
/// A failure that is shorter need not be noticed by what needs the CI.
pub(super) const LASTS: Millis = Millis::mins(3);
/// Monitoring is noticed by its checks: a source that says nothing at all for so long is none.
const SPEAKS: Millis = Millis::mins(30);
/// What alerts so long after the CI did so although its source knew of the CI.
const AFTER: Millis = Millis::secs(60);
const MINUTE: i64 = 60_000;

/// A time in which a CI had alerts.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    pub(super) began: Millis,
    pub(super) ended: Millis,
    pub(super) worst: Severity,
    pub(super) sources: BTreeSet<Arc<str>>,
}

/// The failures of each CI, in the order of time.
pub(super) struct Failures<'a> {
    watch: &'a Watch,
    engine: &'a Engine,
    pub(super) of: BTreeMap<CiId, Vec<Failure>>,
    /// Everything that ever was the source of an alert.
    sources: BTreeSet<Arc<str>>,
    /// CIs by the maintenance that they are in.
    windows: Vec<(Ix, bool, Millis, Millis)>,
}

impl<'a> Failures<'a> {
    pub(super) fn of(watch: &'a Watch, engine: &'a Engine) -> Failures<'a> {
        let end = watch.span.map_or(Millis(0), |(_, end)| end);
        let mut of: BTreeMap<CiId, Vec<Failure>> = BTreeMap::new();
        let mut all: Vec<&Firing> = watch.firings.iter().collect();
        all.sort_by_key(|f| (f.ci, f.began));
        for firing in all {
            let list = of.entry(firing.ci).or_default();
            let ended = firing.ended.unwrap_or(end).max(firing.began);
            match list.last_mut() {
                Some(last) if firing.began <= last.ended.plus(NEAR) => {
                    last.ended = last.ended.max(ended);
                    last.worst = last.worst.min(firing.worst);
                    last.sources.insert(firing.source.clone());
                }
                Some(_) | None => list.push(Failure {
                    began: firing.began,
                    ended,
                    worst: firing.worst,
                    sources: [firing.source.clone()].into(),
                }),
            }
        }
        let graph = engine.in_force().graph.as_ref();
        let place = |key: &str| graph.and_then(|g| g.by_key(key));
        let windows = watch.windows.iter();
        Failures {
            watch,
            engine,
            of,
            sources: watch.heard.keys().cloned().collect(),
            windows: windows
                .filter_map(|w| Some((place(&w.ci)?, w.include_dependents, w.from, w.to)))
                .collect(),
        }
    }

    /// Failures of a CI that something which needs it should notice.
    pub(super) fn hard(&self, ci: CiId) -> impl Iterator<Item = &Failure> {
        let all = self.of.get(&ci).into_iter().flatten();
        all.filter(|f| f.worst <= Severity::Major && f.ended.since(f.began) >= LASTS)
    }

    /// Whether a CI had an alert while another failed, or soon before or after.
    pub(super) fn alerted(&self, ci: CiId, failure: &Failure) -> bool {
        let all = self.of.get(&ci).into_iter().flatten();
        let (from, to) = (before(failure.began, NEAR), failure.ended.plus(NEAR));
        all.into_iter().any(|f| f.began <= to && f.ended >= from)
    }

    /// Whether the silence of a CI in the failure of one that it needs tells anything. Not while nobody
    /// listened, in a maintenance, where its source was silent or stale, or may have held it back; `shown` are
    /// the sources that did not.
    pub(super) fn silence_tells(
        &self,
        ci: Ix,
        needed: Ix,
        failure: &Failure,
        shown: &BTreeSet<Arc<str>>,
    ) -> bool {
        let force = self.engine.in_force();
        let (Some(graph), Some(id)) = (&force.graph, force.id(ci)) else {
            return false;
        };
        let (from, to) = (before(failure.began, NEAR), failure.ended.plus(NEAR));
        let overlaps = |a: Millis, b: Millis| a <= to && b >= from;
        let gap = self.watch.gaps.iter().any(|(a, b)| overlaps(*a, *b));
        let weight = force.rules.text.correlate.min_weight;
        let maintained = self.windows.iter().any(|(at, dependents, a, b)| {
            let hit = |x: Ix| x == *at || *dependents && !graph.path(x, *at, weight).is_empty();
            overlaps(*a, *b) && (hit(ci) || hit(needed))
        });
        let noted = |id: Option<CiId>| {
            let notes = id
                .and_then(|id| self.watch.notes.get(&id))
                .into_iter()
                .flatten();
            notes.into_iter().any(|at| overlaps(*at, *at))
        };
        if gap || maintained || noted(Some(id)) || noted(force.id(needed)) {
            return false;
        }
        let own: BTreeSet<Arc<str>> = self
            .of
            .get(&id)
            .into_iter()
            .flatten()
            .flat_map(|f| f.sources.iter().cloned())
            .collect();
        let clear = |source: &Arc<str>| {
            self.speaks(source, failure) && !self.holds_back(source, failure, shown)
        };
        match own.is_empty() {
            // Nobody knows which source watches it: then all must be clear.
            true => !self.sources.is_empty() && self.sources.iter().all(clear),
            false => own.iter().any(clear),
        }
    }

    /// Whether the source was there: heard around the failure, and nothing of it stale.
    fn speaks(&self, source: &Arc<str>, failure: &Failure) -> bool {
        let minutes =
            |from: Millis, to: Millis| from.0.div_euclid(MINUTE)..=to.0.div_euclid(MINUTE);
        let within = minutes(before(failure.began, SPEAKS), failure.ended.plus(SPEAKS));
        let heard = self.watch.heard.get(source);
        let stale = self.watch.stale.get(source);
        heard.is_some_and(|h| h.range(within.clone()).next().is_some())
            && stale.is_none_or(|s| s.range(within).next().is_none())
    }

    /// Whether the source may have kept an alert back because it knew that what it needs is down.
    fn holds_back(&self, source: &Arc<str>, failure: &Failure, shown: &BTreeSet<Arc<str>>) -> bool {
        let may = match &self.watch.holds_back {
            None => true,
            Some(sources) => sources.contains(&**source),
        };
        may && failure.sources.contains(source) && !shown.contains(source)
    }

    /// Sources that show in a failure that they do not hold back what needs the CI: they told of something that
    /// does, after they had told of the CI.
    pub(super) fn shown(&self, needed: Ix, failure: &Failure) -> BTreeSet<Arc<str>> {
        let force = self.engine.in_force();
        let links = force.graph.iter().flat_map(|g| g.dependants(needed));
        let from = failure.began.plus(AFTER);
        links
            .filter_map(|link| self.of.get(&force.id(link.ci)?))
            .flatten()
            .filter(|f| f.began >= from && f.began <= failure.ended)
            .flat_map(|f| f.sources.iter().cloned())
            .collect()
    }
}

/// So long before.
pub(super) fn before(at: Millis, span: Millis) -> Millis {
    Millis(at.0.saturating_sub(span.0))
}
