//! What goes on when the rest of its incident is over is a fault of its own: symptoms end with what they are symptoms of.
//! Of the alerts in the recorded runs that went on for five minutes after four fifths of their incident were over 151 of
//! 164 were of another fault. They are placed anew, as if they came now.

use super::case::{Names, add_name};
use super::{MAX_TURNS, Turn};
use crate::engine::Engine;
use crate::engine::state::{Alert, AlertState, Incident, IncidentState, Timer};
use crate::model::{AlertId, CiId, IncidentId, Millis, Severity};
use crate::ticket::{MAX_NAMES, NoteKind};
use std::collections::{BTreeMap, BTreeSet};

/// Of an incident of so many alerts,
const LEAST: usize = 5;
/// so many of a hundred are over,
const OVER: usize = 60;
/// for so long.
const FOR: Millis = Millis::mins(10);
/// It is asked at these moments only: a large incident may end over minutes.
const GRID: Millis = Millis::secs(15);
/// Alerts placed anew in one entry.
const AT_ONCE: usize = 8;

impl Engine {
    /// An alert of an incident is over: in a while it is asked what goes on.
    pub(super) fn watch_rest(&mut self, id: IncidentId) {
        let known = self.state.incidents.get(&id);
        if known.is_some_and(mostly_over) {
            let due = self.state.at.plus(FOR).plus(GRID).0 / GRID.0 * GRID.0;
            self.set_timer(Millis(due), Timer::Outlast(id));
        }
    }

    /// What outlasts an incident leaves it.
    pub(in crate::engine) fn outlast_due(&mut self, id: IncidentId) {
        let known = self.state.incidents.get(&id);
        let Some(rest) = known.and_then(|known| self.outlasting(known)) else {
            return;
        };
        let (now, later) = rest.split_at(rest.len().min(AT_ONCE));
        self.take_away(id, now);
        self.left = Some(id);
        for alert in now {
            self.counts_placed();
            self.place(*alert);
            self.effects.alerts.insert(*alert);
        }
        self.left = None;
        let mut into: BTreeMap<IncidentId, BTreeSet<AlertId>> = BTreeMap::new();
        let mut back = 0_usize;
        for alert in now {
            let incident = self.state.alerts.get(alert).and_then(|a| a.incident);
            let incident = incident.map(|i| self.incident_of(i));
            match incident.filter(|i| *i != id) {
                Some(other) => {
                    into.entry(other).or_default().insert(*alert);
                }
                // A burst took it back: so it would the others.
                None => back = back.saturating_add(1),
            }
        }
        if !later.is_empty() && back == 0 {
            self.set_timer(self.state.at, Timer::Outlast(id));
        }
        if !into.is_empty() {
            self.tell_outlasting(id, &into);
        }
    }

    /// The alerts that go on though the rest of their incident is over, by their begin. None if the cause is one of them:
    /// then they may be its effects. Nor where only a name joined them, of which some are mended sooner than others. What
    /// flaps, or is not heard of any more, may be over.
    fn outlasting(&self, known: &Incident) -> Option<Vec<AlertId>> {
        let root = known.case.spots.get(&known.root);
        let by_person = known.is_by_hand() || known.merges.iter().any(|merge| merge.by.is_some());
        if !mostly_over(known)
            || by_person
            || known.maintenance.is_some()
            || known.burst.is_some()
            || self.is_name(known.root)
            || root.is_some_and(|root| root.live > 0)
        {
            return None;
        }
        let alerts = || self.state.alerts_of(known);
        let over = |alert: &Alert| {
            alert
                .over_since()
                .filter(|_| !alert.live() && !alert.expired)
        };
        let mut ends: Vec<Millis> = alerts().filter_map(|(_, _, alert)| over(alert)).collect();
        ends.sort_unstable();
        let most = known.members.len().saturating_mul(OVER).div_ceil(100);
        let ended = *ends.get(most.checked_sub(1)?)?;
        if self.state.at.since(ended) < FOR {
            return None;
        }
        let goes_on = |alert: &Alert| alert.state == AlertState::Firing && alert.flap.is_none();
        let rest = alerts().filter(|(_, _, alert)| goes_on(alert));
        let mut rest: Vec<(Millis, AlertId)> = rest.map(|(id, _, a)| (a.started, id)).collect();
        rest.sort_unstable();
        (!rest.is_empty()).then(|| rest.into_iter().map(|(_, id)| id).collect())
    }

    /// Takes alerts that fire out of an incident. Its causes stay as they are ranked: for what is left nothing is new.
    fn take_away(&mut self, id: IncidentId, alerts: &[AlertId]) {
        self.index.lately.forget();
        self.parts(id);
        let mut places = BTreeSet::new();
        for alert in alerts {
            let Some(known) = self.state.incidents.get_mut(&id) else {
                return;
            };
            places.extend(known.members.remove(alert).map(|member| member.ci));
            known.live = known.live.saturating_sub(1);
            if let Some(alert) = self.state.alerts.get_mut(alert) {
                alert.incident = None;
            }
        }
        let named = self.state.incidents.get(&id).map(|i| i.case.named.clone());
        for place in places {
            self.count_place(id, place);
        }
        if let Some(known) = self.state.incidents.get_mut(&id) {
            known.case.tell_up();
            let before = named.iter().flat_map(Names::keys);
            let gone = before.filter(|name| !known.case.named.contains_key(name));
            gone.for_each(|name| self.index.drop_name(*name, id));
            let now = known.case.named.keys();
            now.for_each(|name| self.index.add_name(*name, id));
        }
        self.note_gaps(id);
        self.rescore(id);
        self.recovers(id);
        self.touch(id);
    }

    /// A place of an incident as its alerts are now.
    fn count_place(&mut self, id: IncidentId, place: CiId) {
        let known = self.state.incidents.get(&id);
        let members = known.into_iter().flat_map(|i| &i.members);
        let here = members.filter(|(_, member)| member.ci == place);
        let here = here.filter_map(|(id, _)| Some((*id, self.state.alerts.get(id)?)));
        let here: Vec<(AlertId, Millis, Severity, bool)> = here
            .map(|(id, a)| (id, a.started, a.worst, a.live()))
            .collect();
        let mut named = Names::new();
        for (alert, began, ..) in &here {
            if let Some(name) = self.cause_of_name(*alert) {
                add_name(&mut named, name, 1, *began);
            }
        }
        let Some(known) = self.state.incidents.get_mut(&id) else {
            return;
        };
        let firsts = here.iter().map(|(_, began, ..)| *began);
        let (Some(first), Some(last)) = (firsts.clone().min(), firsts.max()) else {
            if let Some((_, causes)) = known.case.remove(place) {
                self.index.drop_place(place, &causes, id);
            }
            return;
        };
        if let Some(spot) = known.case.spots.get_mut(&place) {
            let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
            (spot.first, spot.last, spot.named) = (first, last, named);
            spot.alerts = count(here.len());
            spot.live = count(here.iter().filter(|(.., live)| *live).count());
            spot.worst = here
                .iter()
                .map(|(_, _, worst, _)| *worst)
                .min()
                .unwrap_or(spot.worst);
        }
    }

    /// If nothing of an incident fires any more, it recovers since its last alert was over.
    fn recovers(&mut self, id: IncidentId) {
        let known = self.state.incidents.get(&id);
        let Some(known) = known.filter(|i| i.live == 0 && i.state.lives()) else {
            return;
        };
        let ends = self.state.alerts_of(known).filter_map(|(_, _, a)| a.ended);
        let since = ends.max().unwrap_or(self.state.at);
        if let Some(known) = self.state.incidents.get_mut(&id) {
            known.state = IncidentState::Recovering;
            known.quiet_since = Some(since);
        }
        // A moment more, in which others that ended with it may become one with it.
        let quiet = self.state.at.plus(self.state.rules.correlate.resolve_after);
        self.set_timer(quiet, Timer::Quiet(id));
    }

    /// All of them say what became of it, and none becomes one with the first again.
    fn tell_outlasting(&mut self, id: IncidentId, into: &BTreeMap<IncidentId, BTreeSet<AlertId>>) {
        let at = self.state.at;
        for (other, alerts) in into {
            self.keep_apart(*other, BTreeSet::from([id]));
            let what = match alerts.len() {
                1 => format!("1 alert goes on after the end of {id}"),
                n => format!("{n} alerts go on after the end of {id}"),
            };
            self.line(
                Some(*other),
                format!("{what}, and is told of in {other} now"),
            );
            if let Some(known) = self.state.incidents.get_mut(other)
                && known.turns.len() < MAX_TURNS
            {
                known.turns.push(Turn { at, what });
            }
            self.tell_came(id, *other, self.names_of(alerts), alerts.len(), "");
        }
        let all: BTreeSet<AlertId> = into.values().flatten().copied().collect();
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let names = self.names_of(&all);
        let others: Vec<IncidentId> = into.keys().take(MAX_NAMES).copied().collect();
        self.note_with(id, |_, _| NoteKind::GoesOn {
            alerts: count(all.len()),
            names: names.clone(),
            into: others.clone(),
            incidents: count(into.len()),
        });
        self.told_extent(id);
    }
}

/// Whether something of an incident fires still, though most of it is over.
fn mostly_over(known: &Incident) -> bool {
    let all = known.members.len();
    let live = usize::try_from(known.live).unwrap_or(usize::MAX).min(all);
    let over = all.saturating_sub(live);
    known.state.lives() && live > 0 && all >= LEAST && over * 100 >= all * OVER
}
