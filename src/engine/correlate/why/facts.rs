//! What an explanation holds, and how it is made of the state.
//!
//! CIs are kept by their numbers, which outlive every graph; numbers and relations as they were.

use super::super::root::{EXPECTED, MAX_IMPACT};
use super::super::scale::{self, FRACTION, Nats, RARITY};
use super::coverage::Coverage;
use super::paths::{Hop, Tie};
use crate::engine::Engine;
use crate::engine::state::{GraphRef, How, Incident, IncidentState, Member, Merge};
use crate::model::{AlertId, CiId, Fingerprint, IncidentId, Millis, Priority, Severity, cut};
use crate::ticket::{Cause, Language};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Members told one by one, with their paths; those that came first.
pub const MAX_MEMBERS: usize = 50;
/// Causes told that lost.
const MAX_OTHERS: usize = 4;
/// Of these so many with the silence that speaks against them, when a person asks: each costs a walk.
pub const LOOKED_AT: usize = 2;
/// Dependants of a cause that lost that are counted; more are "or more".
const MAX_UNDER: usize = 500;
/// Alerts of the cause itself that are named.
const MAX_OWN: usize = 5;
/// Other incidents that affect a member.
const MAX_ALSO: usize = 3;
/// Merges told, the last ones.
const MAX_MERGES: usize = 20;
/// Bytes of a sentence or a name.
pub(super) const MAX_TEXT: usize = 400;
/// A change this long before the first alert is named, and this long after.
const CHANGED: (Millis, Millis) = (Millis::mins(30), Millis::mins(1));

/// Why an incident is what it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    /// Where it stood.
    pub state: IncidentState,
    /// Its priority.
    pub priority: Priority,
    /// Alerts, how many of them fire, and CIs.
    pub alerts: u32,
    /// See `alerts`.
    pub live: u32,
    /// See `alerts`.
    pub cis: u32,
    /// The cause in one sentence, as the ticket says it.
    pub sentence: String,
    /// The cause.
    pub root: Root,
    /// What of it alerts.
    pub explains: Coverage,
    /// Those that lost, best first.
    pub others: Vec<Other>,
    /// Its alerts, at most [`MAX_MEMBERS`].
    pub members: Vec<Told>,
    /// How many are not told.
    pub left_out: u32,
    /// Types of the relations in the paths.
    pub kinds: Vec<String>,
    /// Incidents that became part of it.
    pub merges: Vec<Merge>,
    /// Rules that acted.
    pub rules: Vec<String>,
    /// Number of the rules in force.
    pub rules_no: u64,
    /// The graph in force.
    pub graph: Option<GraphRef>,
}

/// The cause, and what speaks for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Root {
    /// The CI.
    pub ci: CiId,
    /// Whether it may be called known, and who said so if a person did.
    pub confidence: Confidence,
    /// What it is worth, and more than the next best by how much; `None` for one that only a person knows.
    pub value: Option<Nats>,
    /// See `value`.
    pub margin: Option<Nats>,
    /// Its own alerts, some of them.
    pub own: Vec<Fingerprint>,
    /// Without an alert here, the incident in which it alerts.
    pub alerts_in: Option<IncidentId>,
    /// Its alert was the first.
    pub first: bool,
    /// Share of its dependants that it seems to take down, per mille.
    pub fraction: Option<u16>,
    /// It was changed shortly before: number, when, what.
    pub change: Option<(String, Millis, String)>,
    /// No CI connects the alerts; this name does.
    pub name: Option<CiId>,
}

/// Whether a cause is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Confidence {
    /// Right in at least 95 % of such cases.
    High,
    /// A best guess.
    NotKnown,
    /// By the word of a person.
    Named(String),
}

/// A cause that lost, and what speaks against it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Other {
    /// The CI.
    pub ci: CiId,
    /// What it is worth; `None` for one that is far behind.
    pub value: Option<Nats>,
    /// Alerting CIs that it explains over a path on which we expect an alert.
    pub explains: u32,
    /// It has an alert itself.
    pub alerts: bool,
    /// Without an alert here, the incident in which it alerts.
    pub alerts_in: Option<IncidentId>,
    /// It needs the cause, which alerts: so it is an effect.
    pub effect: bool,
    /// Monitored CIs that need it and are silent; `None` if that was not looked up.
    pub silent: Option<u32>,
    /// There may be more of them.
    pub or_more: bool,
}

/// An alert of the incident, and how it came in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// The alert.
    pub alert: Fingerprint,
    /// Its CI.
    pub ci: CiId,
    /// When its condition began.
    pub began: Millis,
    /// Its worst severity until then.
    pub severity: Severity,
    /// How it came in.
    pub how: How,
    /// It opened an incident that became part of this one.
    pub merged: bool,
    /// The CI that it came in by, or else the cause.
    pub to: CiId,
    /// It came in by that CI.
    pub by: bool,
    /// That CI alerts itself.
    pub to_alerts: bool,
    /// What ties the two.
    pub tie: Tie,
    /// The relations between them.
    pub path: Vec<Hop>,
    /// Weight by which it came in, per mille.
    pub weight: u16,
    /// Time between its begin and that of what it came in by.
    pub gap: Millis,
    /// What it adds to the cause; 0 for further alerts of one CI.
    pub gain: Nats,
    /// Other live incidents with an alert on something that its CI needs: it is affected by them too, and joins
    /// them to nothing.
    pub also: Vec<IncidentId>,
}

impl Explanation {
    /// Leaves out the second half of the members. Answers whether that was possible.
    pub(super) fn shorten(&mut self) -> bool {
        let keep = self.members.len() / 2;
        let gone = u32::try_from(self.members.len().saturating_sub(keep)).unwrap_or(0);
        self.members.truncate(keep);
        self.left_out = self.left_out.saturating_add(gone);
        gone > 0
    }
}

impl Engine {
    /// Why an incident is what it is, by the state of now, with the silence under so many of the causes that lost.
    pub(super) fn explanation(&self, id: IncidentId, looked_at: usize) -> Option<Explanation> {
        let known = self.state.incidents.get(&id)?;
        let places: Vec<CiId> = self.spots(id).keys().copied().collect();
        let cause = self.cause(id, known, &places);
        let mut kinds = Vec::new();
        let members = self.told_members(id, known, &mut kinds);
        let merges = known.merges.iter().rev().take(MAX_MERGES).rev();
        Some(Explanation {
            state: known.state,
            priority: known.priority,
            alerts: count(known.members.len()),
            live: known.live,
            cis: count(places.len()),
            sentence: cut(&crate::ticket::sentence(&cause, Language::En), MAX_TEXT),
            explains: self.coverage(known.root, &places, MAX_IMPACT),
            others: self.others(id, known, &places, looked_at),
            left_out: count(known.members.len().saturating_sub(members.len())),
            members,
            kinds,
            merges: merges.cloned().collect(),
            rules: self.rules_that_acted(id, known),
            rules_no: self.state.rules_no,
            graph: self.state.graph,
            root: self.root_facts(id, known, &cause),
        })
    }

    fn root_facts(&self, id: IncidentId, known: &Incident, cause: &Cause) -> Root {
        let root = known.root;
        let own = known.members.iter().filter(|(_, m)| m.ci == root);
        let own = own.filter_map(|(id, _)| Some(self.state.alerts.get(id)?.fingerprint));
        let value = known.ranked.iter().find(|(ci, _)| *ci == root);
        let best_other = known.ranked.iter().find(|(ci, _)| *ci != root);
        let near = |at: Millis| {
            let before = known.case.first.since(at);
            before <= CHANGED.0 && before >= Millis(-CHANGED.1.0)
        };
        let changes = self.state.changes.get(&root).into_iter().flatten();
        let change = changes.rev().find(|c| near(c.at));
        Root {
            ci: root,
            confidence: match (cause, known.confident) {
                (Cause::Named(_, by), _) => Confidence::Named(cut(by, MAX_TEXT)),
                (_, true) => Confidence::High,
                (_, false) => Confidence::NotKnown,
            },
            value: value.map(|(_, v)| *v),
            margin: value
                .zip(best_other)
                .map(|(best, next)| best.1.saturating_sub(next.1)),
            own: own.take(MAX_OWN).collect(),
            alerts_in: self.alerts_beside(id, root),
            first: cause.text().is_some_and(|t| t.first),
            fraction: self.fraction_of(known),
            change: change.map(|c| (cut(&c.id, MAX_TEXT), c.at, cut(&c.summary, MAX_TEXT))),
            name: known.burst,
        }
    }

    /// The share of its dependants that the cause seems to take down.
    fn fraction_of(&self, known: &Incident) -> Option<u16> {
        let standing = self.known_standing(known.root)?;
        let sum = known.case.sums.get(&known.root)?;
        let all = scale::plus(scale::plus(RARITY, sum.gain()), standing.absence());
        let best = all.iter().max()?;
        let at = all.iter().position(|v| v == best)?;
        u16::try_from(*FRACTION.get(at)?).ok()
    }

    fn others(
        &self,
        id: IncidentId,
        known: &Incident,
        places: &[CiId],
        looked_at: usize,
    ) -> Vec<Other> {
        let spots = &known.case.spots;
        let lost = known.ranked.iter().filter(|(ci, _)| *ci != known.root);
        let mut all: Vec<(CiId, Option<Nats>, u32)> = lost
            .map(|(ci, value)| (*ci, Some(*value), count(self.explained(known, *ci))))
            .filter(|(_, _, explains)| *explains > 0)
            .take(MAX_OTHERS)
            .collect();
        if let Some((ci, explains)) = self.next_best(known).filter(|_| all.is_empty()) {
            all.push((ci, None, count(explains)));
        }
        let lost = all.into_iter().enumerate();
        lost.map(|(n, (ci, value, explains))| {
            let seen = (n < looked_at).then(|| self.coverage(ci, places, MAX_UNDER));
            let needs_root = || self.about_of(ci).weight(known.root).is_some();
            Other {
                ci,
                value,
                explains,
                alerts: spots.contains_key(&ci),
                alerts_in: self.alerts_beside(id, ci),
                effect: spots.contains_key(&known.root) && needs_root(),
                silent: seen
                    .as_ref()
                    .map(|c| c.monitored.saturating_sub(c.alerting)),
                or_more: seen.is_some_and(|c| c.cut),
            }
        })
        .collect()
    }

    fn told_members(&self, id: IncidentId, known: &Incident, kinds: &mut Vec<String>) -> Vec<Told> {
        let mut seen: BTreeSet<CiId> = BTreeSet::new();
        let mut ties: BTreeMap<(CiId, CiId), (Tie, Vec<Hop>)> = BTreeMap::new();
        let fraction = self.fraction_of(known);
        let mut out = Vec::new();
        for (alert, member) in known.members.iter().take(MAX_MEMBERS) {
            let to = by_or_cause(known, member);
            let tie = ties
                .entry((member.ci, to))
                .or_insert_with(|| self.tie(*alert, member, to, kinds))
                .clone();
            let Some(mut told) = self.told_member(known, *alert, member, tie) else {
                continue;
            };
            if seen.insert(member.ci) {
                told.gain = gain_of(known, member.ci, fraction);
                told.also = self.also_affected_by(id, member.ci);
            }
            out.push(told);
        }
        out
    }

    /// Live incidents besides `id` with an alert on something that a CI needs.
    fn also_affected_by(&self, id: IncidentId, ci: CiId) -> Vec<IncidentId> {
        let about = self.about_of(ci);
        let needs = about.cone.iter();
        let needs = needs.filter(|n| n.ci != ci && n.weight >= EXPECTED);
        let others: BTreeSet<IncidentId> = needs
            .flat_map(|n| self.index.at(n.ci))
            .filter(|other| *other != id)
            .collect();
        others.into_iter().take(MAX_ALSO).collect()
    }

    /// One member with what ties it, without its gain.
    pub(super) fn told_member(
        &self,
        known: &Incident,
        id: AlertId,
        member: &Member,
        (tie, path): (Tie, Vec<Hop>),
    ) -> Option<Told> {
        let alert = self.state.alerts.get(&id)?;
        Some(Told {
            alert: alert.fingerprint,
            ci: member.ci,
            began: alert.started,
            severity: alert.worst,
            how: member.how,
            merged: member.how == How::Opened && alert.fingerprint != known.opening,
            to: by_or_cause(known, member),
            by: member.via.is_some(),
            to_alerts: known.case.spots.contains_key(&by_or_cause(known, member)),
            tie,
            path,
            weight: weight_of(known, member),
            gap: member.gap,
            gain: 0,
            also: Vec::new(),
        })
    }
}

/// What an alert came in by, else the cause.
pub(super) fn by_or_cause(known: &Incident, member: &Member) -> CiId {
    member.via.unwrap_or(known.burst.unwrap_or(known.root))
}

fn weight_of(known: &Incident, member: &Member) -> u16 {
    let spot = known.case.spots.get(&member.ci);
    let by_cause = || spot.and_then(|s| s.weight(known.burst.unwrap_or(known.root)));
    match member.via {
        Some(_) => member.weight,
        None => by_cause().unwrap_or(member.weight),
    }
}

/// What a place adds to the cause at the fraction that fits best.
fn gain_of(known: &Incident, place: CiId, fraction: Option<u16>) -> Nats {
    let cause = known.burst.unwrap_or(known.root);
    let each = known.case.gain_from(cause, &[place]);
    let at = fraction
        .and_then(|f| FRACTION.iter().position(|g| *g == i64::from(f)))
        .unwrap_or(0);
    each.get(at).copied().unwrap_or(0)
}

fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}
