//! Alert to incident. An incident is a hypothesis: "one fault at this CI explains these alerts". The incidents
//! there are at any time shall explain the live alerts with the least surprise.
//!
//! 1. Only causes link, never effects: looked up is along what a CI needs. A consumer of two failing CIs joins
//!    one incident and never merges them.
//! 2. Hypotheses are CIs, alerting or not; a monitored dependant that stays silent counts against its cause.
//! 3. Faults explain faults: an incident whose cause needs a CI that alerts in another one is its effect.
//!
//! | file | what |
//! | --- | --- |
//! | `scale` | integer scores and their tables |
//! | `index`, `walked`, `absence` | where to look: places, causes, cones, silence |
//! | `case`, `sums` | what one incident knows about its causes |
//! | `value`, `prior` | what a hypothesis is worth; how rare faults are on this estate |
//! | `place`, `silent`, `join` | the incident that gains most from a new alert, and how much |
//! | `common` | one cause behind an alert and several incidents |
//! | `joint` | one cause behind an incident at the end of its hold and those near it |
//! | `fit`, `gap`, `subject`, `lately` | names as evidence, where the CMDB has gaps too, and of what a CI tells already |
//! | `learn` | what an incident learns from an alert that joined it |
//! | `late` | incidents that one fault explains together |
//! | `arc`, `again` | neighbours that were cut off together; another complaint of a CI that has a ticket |
//! | `ended`, `outlast` | what ended together is one incident; what goes on when the rest is over is one of its own |
//! | `labels` | alerts that no CI is known for, by their labels |
//! | `merge`, `settle` | two incidents become one; one becomes several |
//! | `hidden` | silence that a source makes |
//! | `root`, `fine`, `elsewhere`, `group`, `impact`, `under`, `seen` | the cause for people, and what it hits |
//! | `life`, `look` | held, open, over; what comes of a change |
//! | `explain`, `why` | what people see of it; why it is so, and why not otherwise |

pub mod absence;
mod again;
mod arc;
pub mod burst;
pub mod case;
pub mod check;
mod common;
mod elsewhere;
mod ended;
pub mod explain;
mod fine;
mod fit;
mod gap;
mod group;
mod hidden;
pub mod impact;
pub mod index;
mod join;
mod joint;
mod known;
mod labels;
mod late;
mod lately;
mod learn;
mod life;
mod look;
mod merge;
mod names;
mod outlast;
mod place;
pub mod prior;
mod root;
pub mod scale;
pub mod seen;
mod settle;
mod silent;
mod steady;
mod subject;
pub mod sums;
mod under;
mod value;
pub mod walked;
pub mod why;

use super::state::{Hands, How, Incident, IncidentState, Member, Told, Turn};
use super::{Engine, suppress};
use crate::model::{AlertId, CiId, IncidentId, Millis, Priority, Severity};
use case::Case;
use index::About;
pub use merge::Together;
use place::New;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Turning points kept per incident.
pub(super) const MAX_TURNS: usize = 32;

impl Engine {
    /// Decides the incident of a new or newly firing alert.
    pub(super) fn place(&mut self, id: AlertId) {
        let Some(new) = self.new_at(id) else {
            return;
        };
        let kept_out = self.kept_out_of(id);
        let about = self.about_alert(id, new.ci);
        let (way, _) = self.best_way(new, &about);
        let mut via = None;
        let mut mine = match way {
            None => match self.open(id) {
                Some(opened) => opened,
                None => return,
            },
            Some(way) => {
                via = way.via.filter(|_| way.how == How::Attach);
                let mut chosen = way.others.clone();
                chosen.push(way.incident);
                chosen.sort_by_key(|i| self.seniority(*i));
                let mut first = chosen.first().copied().unwrap_or(way.incident);
                for other in self.may_be_one(first, chosen).into_iter().skip(1) {
                    first = self.merge(first, other, way.via.unwrap_or(new.ci));
                }
                let weight = way.via.and_then(|v| about.weight(v)).unwrap_or(1000);
                let gap = way
                    .via
                    .and_then(|v| self.spot(first, v))
                    .map_or(Millis(0), |s| distance(s.first, new.began));
                let member = Member {
                    ci: new.ci,
                    how: way.how,
                    via: way.via,
                    weight,
                    gap,
                    also: Vec::new(),
                };
                self.join(first, id, member);
                first
            }
        };
        self.learn(mine, new, &about, via, false);
        self.keep_apart(mine, kept_out);
        mine = self.merge_near(mine, new);
        mine = self.merge_arc(mine, new);
        self.gather_burst(id, mine);
        self.gather_by_labels(id);
    }

    /// What may be behind an alert: what its CI needs, and the far ends that it names.
    fn about_alert(&mut self, id: AlertId, ci: CiId) -> Arc<About> {
        let about = self.about(ci);
        let mut far_ends = self.far_causes(id, ci);
        far_ends.extend(self.running_burst(id));
        if far_ends.is_empty() {
            return about;
        }
        let mut more = About::clone(&about);
        for need in far_ends {
            match more.cone.binary_search_by_key(&need.ci, |n| n.ci) {
                Ok(at) => {
                    if let Some(known) = more.cone.get_mut(at) {
                        known.weight = known.weight.max(need.weight);
                    }
                }
                Err(at) => more.cone.insert(at, need),
            }
        }
        Arc::new(more)
    }

    /// What the place of an alert depends on.
    fn new_at(&mut self, id: AlertId) -> Option<New> {
        let name = self.cause_of_name(id);
        let hider = self.hider(id);
        let alert = self.state.alerts.get(&id)?;
        let witness = !self.far_ends(id, alert.ci).is_empty();
        Some(New {
            alert: id,
            ci: alert.ci,
            began: alert.started,
            severity: alert.severity,
            chance: scale::chance(alert.severity),
            witness,
            shadow: suppress::in_shadow(&self.state.rules.suppress, &alert.source),
            name,
            hider,
        })
    }

    /// Of several incidents the first in this order goes on: the one with the older ticket, else the older one.
    fn seniority(&self, id: IncidentId) -> (bool, Option<Millis>, Option<Millis>, IncidentId) {
        let known = self.state.incidents.get(&id);
        let opened = known.and_then(|i| i.opened);
        (opened.is_none(), opened, known.map(|i| i.first), id)
    }

    /// Opens an incident for an alert that is better explained by a fault of its own.
    fn open(&mut self, id: AlertId) -> Option<IncidentId> {
        let number = self.number_for(id);
        let incident = self.new_incident(id, number)?;
        self.count_incident(id, incident);
        let ci = self.state.alerts.get(&id)?.ci;
        let member = Member {
            ci,
            how: How::Opened,
            via: None,
            weight: 1000,
            gap: Millis(0),
            also: Vec::new(),
        };
        if let Some(known) = self.state.incidents.get_mut(&incident) {
            known.members.insert(id, member);
            known.live = 1;
        }
        if let Some(alert) = self.state.alerts.get_mut(&id) {
            alert.incident = Some(incident);
        }
        Some(incident)
    }

    /// An incident without members, which the alert will have opened.
    pub(super) fn new_incident(
        &mut self,
        opening: AlertId,
        incident: IncidentId,
    ) -> Option<IncidentId> {
        let at = self.state.at;
        self.count_windows();
        let alert = self.state.alerts.get(&opening)?;
        let shadow = suppress::in_shadow(&self.state.rules.suppress, &alert.source);
        let new = Incident {
            state: IncidentState::Pending,
            members: BTreeMap::new(),
            case: Case::default(),
            burst: None,
            ranked: Vec::new(),
            ranked_for: (0, 0),
            rival: None,
            looked: Millis(0),
            maintenance: None,
            beside: None,
            root: alert.ci,
            silent_root: false,
            shadow,
            confident: false,
            priority: Priority::P4,
            first: at,
            last: at,
            opening: alert.fingerprint,
            hold_until: at,
            opened: None,
            quiet_since: None,
            woken: None,
            resolved: None,
            promoted: false,
            recurs: None,
            acknowledged: None,
            merged_into: None,
            merges: Vec::new(),
            live: 0,
            turns: vec![Turn {
                at,
                what: "opened".to_owned(),
            }],
            told: Told::default(),
            hands: Hands::default(),
            flaps: None,
            waits: None,
            why: why::Why::default(),
        };
        self.state.incidents.insert(incident, new);
        self.state.prior.count(true);
        self.touch(incident);
        Some(incident)
    }

    fn join(&mut self, incident: IncidentId, id: AlertId, member: Member) {
        let at = self.state.at;
        if let Some(alert) = self.state.alerts.get_mut(&id) {
            alert.incident = Some(incident);
        }
        let Some(known) = self.state.incidents.get_mut(&incident) else {
            return;
        };
        known.last = at;
        known.live = known.live.saturating_add(1);
        known.members.insert(id, member);
        let (has_ticket, goes_on) = (known.opened.is_some(), known.quiet_since.is_none());
        self.wake(incident);
        let alert = self.state.alerts.get(&id);
        // What is severe is told in a ticket at once.
        let severe = alert.is_some_and(|alert| self.is_severe(alert));
        match goes_on && !(has_ticket && severe) {
            true => self.grows(incident),
            false => self.touch(incident),
        }
    }

    /// The worst severity of an incident's live alerts; of all, once it is over.
    pub(super) fn worst(&self, incident: &Incident) -> Severity {
        match self.seen_worst(incident) {
            Some(known) => known,
            None => self.look_over(incident).1,
        }
    }

    /// Alerts that a new graph or new rules bound to another CI.
    pub(super) fn re_place(&mut self, moved: &BTreeSet<AlertId>) {
        let mut again: BTreeMap<(Millis, AlertId), ()> = BTreeMap::new();
        let mut changed: BTreeSet<IncidentId> = BTreeSet::new();
        for id in moved {
            let Some(alert) = self.state.alerts.get_mut(id) else {
                continue;
            };
            let (ci, started) = (alert.ci, alert.started);
            let Some(incident) = alert.incident else {
                continue;
            };
            let stays = !self.may_leave(*id);
            let Some(known) = self.state.incidents.get_mut(&incident) else {
                continue;
            };
            if stays || known.opened.is_some() || !known.state.lives() {
                if let Some(member) = known.members.get_mut(id) {
                    member.ci = ci;
                }
                changed.insert(incident);
                self.touch(incident);
                continue;
            }
            known.members.remove(id);
            known.live = known.live.saturating_sub(1);
            self.index.lately.forget();
            if let Some(alert) = self.state.alerts.get_mut(id) {
                alert.incident = None;
            }
            again.insert((started, *id), ());
            changed.insert(incident);
            self.touch(incident);
        }
        let lost_all = |id: &&IncidentId| {
            let known = self.state.incidents.get(id);
            known.is_some_and(|i| i.state.lives() && i.members.is_empty())
        };
        let empty: Vec<IncidentId> = changed.iter().filter(lost_all).copied().collect();
        for id in empty {
            self.unindex(id);
            self.forget_hands(id);
            self.index.lately.forget();
            self.state.incidents.remove(&id);
            self.kept_back.remove(&id);
            self.touched.remove(&id);
            self.grew.remove(&id);
        }
        for id in changed {
            self.case_anew(id);
        }
        for (_, id) in again.into_keys() {
            self.place(id);
        }
    }
}

impl Engine {
    /// The case of an incident from its members alone, after some of them left or have another CI.
    pub(super) fn case_anew(&mut self, id: IncidentId) {
        self.unindex(id);
        let Some(known) = self.state.incidents.get_mut(&id) else {
            return;
        };
        known.case = Case::default();
        known.ranked_for = (0, 0);
        let mut members: Vec<(Millis, AlertId)> = Vec::new();
        for alert in known.members.keys() {
            if let Some(known) = self.state.alerts.get(alert) {
                members.push((known.started, *alert));
            }
        }
        members.sort_unstable();
        for (_, alert) in members {
            let Some(new) = self.new_at(alert) else {
                continue;
            };
            let about = self.about_alert(alert, new.ci);
            self.learn(id, new, &about, None, false);
            if self.state.alerts.get(&alert).is_some_and(|a| !a.live()) {
                self.count_live(id, new.ci, false);
            }
        }
    }

    /// One live alert more or less at a place of an incident.
    fn count_live(&mut self, incident: IncidentId, ci: CiId, more: bool) {
        let known = self.state.incidents.get_mut(&incident);
        if let Some(spot) = known.and_then(|i| i.case.spots.get_mut(&ci)) {
            spot.live = match more {
                true => spot.live.saturating_add(1),
                false => spot.live.saturating_sub(1),
            };
        }
    }
}

/// Time between two moments.
fn distance(a: Millis, b: Millis) -> Millis {
    Millis(a.since(b).0.saturating_abs())
}
