//! The life of an incident: held, open, recovering, resolved, open again.

use super::{Engine, MAX_TURNS, Turn, distance};
use crate::engine::flap;
use crate::engine::state::{AlertState, Incident, IncidentState, Timer};
use crate::model::{AlertId, IncidentId, Millis, Priority};
use crate::record::History;

/// An incident that is over is kept at least this long, for late questions (`explain`).
const KEEP: Millis = Millis::mins(24 * 60);

impl Engine {
    pub(in crate::engine) fn hold_of(&self, priority: Priority) -> Millis {
        self.calm_hold(priority).plus(self.storm_hold(priority))
    }

    /// The hold where there is no storm.
    pub(in crate::engine) fn calm_hold(&self, priority: Priority) -> Millis {
        let hold = &self.state.rules.correlate.hold;
        match priority {
            Priority::P1 => hold[0],
            Priority::P2 => hold[1],
            Priority::P3 => hold[2],
            Priority::P4 => hold[3],
        }
    }

    /// An incident without ticket waits (again) until its hold is over.
    pub(in crate::engine) fn hold_on(&mut self, id: IncidentId) {
        let known = self.state.incidents.get_mut(&id);
        if let Some(known) = known.filter(|i| i.state == IncidentState::Open) {
            known.state = IncidentState::Pending;
            let until = known.hold_until;
            self.set_timer(until, Timer::Hold(id));
        }
    }

    /// Priority rises at once and never falls while the incident lives; the hold follows it.
    pub(super) fn judge_hold(&mut self, id: IncidentId) {
        let now = self.judge_priority(id);
        let at = self.state.at;
        let rules = self.state.rules.clone();
        let rules = &rules.correlate;
        let Some(known) = self.state.incidents.get(&id) else {
            return;
        };
        let fresh = known.hold().is_none();
        let rose = now < known.priority;
        let (first, last, old) = (known.first, known.last, known.hold_until);
        let priority = now.min(known.priority);
        let mut until = if fresh || rose {
            first.plus(self.hold_of(priority))
        } else {
            old
        };
        if known.state == IncidentState::Pending && last > first && priority <= Priority::P2 {
            // Growth: the cause may still be under way.
            let quiet = last.plus(rules.hold_quiet);
            until = until.max(quiet.min(first.plus(rules.hold_max)));
        }
        if let Some(known) = self.state.incidents.get_mut(&id) {
            known.priority = priority;
            known.hold_until = until;
        }
        let pending = self
            .state
            .incidents
            .get(&id)
            .is_some_and(|i| i.state == IncidentState::Pending);
        if pending && (until != old || fresh) {
            self.set_timer(until.max(at), Timer::Hold(id));
        }
    }

    pub(in crate::engine) fn hold_due(&mut self, id: IncidentId) {
        let at = self.state.at;
        let Some(known) = self.state.incidents.get_mut(&id) else {
            return;
        };
        if known.state != IncidentState::Pending {
            return;
        }
        if known.hold_until > at {
            let until = known.hold_until;
            return self.set_timer(until, Timer::Hold(id));
        }
        let waits = self.state.wait_for_graph.filter(|until| *until > at);
        if let Some(until) = waits.filter(|_| self.state.graph.is_none()) {
            return self.set_timer(until, Timer::Hold(id));
        }
        self.count_alone(id);
        if self.settle_before_ticket(id) != id {
            return;
        }
        let Some(known) = self.state.incidents.get_mut(&id) else {
            return;
        };
        if known.state == IncidentState::Pending && known.live == 0 {
            // Whatever still fires went into another part.
            known.state = IncidentState::Recovering;
            known.quiet_since = Some(at);
            let quiet = self.state.rules.correlate.resolve_after;
            self.set_timer(at.plus(quiet), Timer::Quiet(id));
        } else if known.state == IncidentState::Pending && known.hold_until <= at {
            known.state = IncidentState::Open;
        }
        self.touch(id);
    }

    /// The first graph is loaded, or we waited long enough for it: held incidents go on.
    pub(in crate::engine) fn graph_wait_over(&mut self) {
        let pending: Vec<(IncidentId, Millis)> = self
            .state
            .incidents
            .iter()
            .filter(|(_, i)| i.state == IncidentState::Pending)
            .map(|(id, i)| (*id, i.hold_until))
            .collect();
        for (id, until) in pending {
            self.set_timer(until, Timer::Hold(id));
        }
    }

    /// Whether any live alert of the incident may open a ticket.
    pub(in crate::engine) fn may_ticket(&self, incident: &Incident) -> bool {
        let mut alerts = incident
            .members
            .keys()
            .filter_map(|id| self.state.alerts.get(id));
        // One that only counts as firing, because it flaps, opens nothing until it fires again.
        incident.promoted || alerts.any(|a| a.live() && a.suppressed.is_none() && !flap::is_over(a))
    }

    /// A ticket is wanted from the end of the hold on, if something in it may open one.
    pub(super) fn want_ticket(&mut self, id: IncidentId) {
        let at = self.state.at;
        let Some(known) = self.state.incidents.get(&id) else {
            return;
        };
        if known.state != IncidentState::Open || known.opened.is_some() || !self.may_ticket(known) {
            return;
        }
        let (priority, live) = (known.priority, known.live);
        if !known.promoted && self.in_maintenance(id).is_some() {
            return;
        }
        if self.ticket_waits(id) {
            return;
        }
        let Some(known) = self.state.incidents.get(&id) else {
            return;
        };
        let root = self.ci_name(known.root);
        if let Some(known) = self.state.incidents.get_mut(&id) {
            known.opened = Some(at);
            turn(known, at, "ticket wanted");
        }
        self.told_all(id);
        self.make_rows(id);
        self.line(
            Some(id),
            format!(
                "{}: ticket wanted, {live} {}, about {root}",
                priority.word(),
                if live == 1 { "alert" } else { "alerts" }
            ),
        );
    }

    /// A live alert is (again) among the members.
    pub(in crate::engine) fn wake(&mut self, id: IncidentId) {
        let Some(known) = self.state.incidents.get_mut(&id) else {
            return;
        };
        known.quiet_since = None;
        if known.state == IncidentState::Recovering {
            known.state = match known.opened {
                Some(_) => IncidentState::Open,
                None => IncidentState::Pending,
            };
            let until = known.hold_until;
            if known.state == IncidentState::Pending {
                self.set_timer(until, Timer::Hold(id));
            }
        }
    }

    /// An alert of the incident is over.
    pub(in crate::engine) fn member_over(&mut self, incident: IncidentId, alert: AlertId) {
        let id = self.incident_of(incident);
        let ci = self
            .state
            .incidents
            .get(&id)
            .and_then(|i| i.members.get(&alert))
            .map(|m| m.ci);
        if let Some(ci) = ci {
            self.count_live(id, ci, false);
        }
        let at = self.state.at;
        let quiet = self.state.rules.correlate.resolve_after;
        let ended = self.state.alerts.get(&alert).and_then(|a| a.ended);
        let Some(known) = self.state.incidents.get_mut(&id) else {
            return;
        };
        known.live = known.live.saturating_sub(1);
        if known.live == 0 && known.state.lives() {
            let since = ended.unwrap_or(at);
            known.state = IncidentState::Recovering;
            known.quiet_since = Some(since);
            self.set_timer(since.plus(quiet), Timer::Quiet(id));
        }
        self.watch_rest(id);
        self.touch(id);
    }

    /// An alert of the incident changed its severity or fires anew.
    pub(in crate::engine) fn member_changed(&mut self, incident: IncidentId, _alert: AlertId) {
        let id = self.incident_of(incident);
        self.touch(id);
    }

    pub(in crate::engine) fn quiet_due(&mut self, id: IncidentId) {
        let at = self.state.at;
        let resolve_after = self.state.rules.correlate.resolve_after;
        let Some(known) = self.state.incidents.get(&id) else {
            return;
        };
        let quiet = known
            .quiet_since
            .filter(|_| known.state == IncidentState::Recovering);
        if quiet.is_none_or(|since| since.plus(resolve_after) > at) {
            return; // it came back in between; a later timer stands for the next silence
        }
        if self.merge_ended(id) {
            return;
        }
        self.count_alone(id);
        self.unindex(id);
        if let Some(known) = self.state.incidents.get_mut(&id) {
            known.state = IncidentState::Resolved;
            known.resolved = Some(at);
            turn(known, at, "resolved");
        }
        let opened = self
            .state
            .incidents
            .get(&id)
            .is_some_and(|i| i.opened.is_some());
        let text = match self.why_no_ticket(id).filter(|_| !opened) {
            Some(why) => format!("over, no ticket: {why}"),
            None => "resolved".to_owned(),
        };
        self.line(Some(id), text);
        self.forget_later(id);
        self.touch(id);
        let maintained = |i: &Incident| i.maintenance.is_some();
        if self.state.incidents.get(&id).is_some_and(maintained) {
            self.touch_held_back(); // what waited with it waits no longer
        }
    }

    /// The condition of `before`, which is over, fires again as `alert`. Answers whether that returns to the
    /// incident of `before`; else it is placed like any new alert.
    pub(in crate::engine) fn follows_into_incident(
        &mut self,
        before: AlertId,
        alert: AlertId,
    ) -> bool {
        let Some(old) = self.state.alerts.get(&before).filter(|a| !a.live()) else {
            return false;
        };
        let ended = old.over_since();
        self.place_now(before);
        let old = self.state.alerts.get(&before);
        let Some(id) = old.and_then(|a| a.incident).map(|i| self.incident_of(i)) else {
            return false;
        };
        let known = self.state.incidents.get_mut(&id);
        let Some(members) = known.map(|i| &mut i.members) else {
            return false;
        };
        let Some(member) = members.get(&before).cloned() else {
            return false;
        };
        members.insert(alert, member);
        if let Some(alert) = self.state.alerts.get_mut(&alert) {
            alert.incident = Some(id);
        }
        self.index.lately.forget();
        self.placed_anew(id, before, alert);
        let returns = self.returns_to_incident(alert, ended);
        // One firing stands for the condition: a trigger that flaps for days must not fill its incident.
        let leaves = if returns { before } else { alert };
        let Some(known) = self.state.incidents.get_mut(&id) else {
            return returns;
        };
        let leaver = self.state.alerts.get_mut(&leaves);
        if let Some(leaver) = leaver.filter(|a| a.fingerprint != known.opening) {
            leaver.incident = None;
            known.members.remove(&leaves);
        }
        returns
    }

    /// A member fires again. Answers whether it returns to its incident; else it is placed like a new alert.
    pub(in crate::engine) fn returns_to_incident(
        &mut self,
        alert: AlertId,
        ended: Option<Millis>,
    ) -> bool {
        let at = self.state.at;
        let rules = &self.state.rules.correlate;
        // Of two that fire again in one moment either may arrive first: both return.
        let (within, together) = (rules.reopen_within, rules.arrival_lag);
        let Some(known) = self.state.alerts.get(&alert).and_then(|a| a.incident) else {
            return false;
        };
        let id = self.incident_of(known);
        let began = self.state.alerts.get(&alert).map(|a| (a.ci, a.started));
        let (ci, began) = began.unwrap_or_default();
        let free = self.may_leave(alert);
        let Some(known) = self.state.incidents.get_mut(&id) else {
            return false;
        };
        let Some(member) = known.members.get_mut(&alert) else {
            return false;
        };
        member.ci = ci;
        match known.state {
            IncidentState::Pending | IncidentState::Open | IncidentState::Recovering => {
                let with_another = known
                    .woken
                    .is_some_and(|woken| distance(began, woken) <= together);
                let wakes = known.live == 0 || with_another;
                if free && !wakes && ended.is_some_and(|e| began.since(e) > within) {
                    // The incident lives on for others: this may be another fault.
                    known.members.remove(&alert);
                    return false;
                }
                if known.live == 0 {
                    known.woken = Some(began);
                }
                known.live = known.live.saturating_add(1);
                self.wake(id);
            }
            IncidentState::Resolved => {
                let recent = known.resolved.is_some_and(|r| at.since(r) <= within);
                if !recent || known.opened.is_none() {
                    return false;
                }
                known.live = known.live.saturating_add(1);
                known.woken = Some(began);
                known.state = IncidentState::Open;
                known.hands.ended = None;
                known.resolved = None;
                known.quiet_since = None;
                turn(known, at, "reopened");
                self.reindex(id);
                self.reopen_rows(id, alert);
                self.line(Some(id), "reopened".to_owned());
            }
            IncidentState::Merged => return false,
        }
        self.count_live(id, ci, true);
        self.touch(id);
        true
    }

    pub(in crate::engine) fn forget_later(&mut self, id: IncidentId) {
        let due = self.state.at.plus(KEEP);
        self.set_timer(due, Timer::ForgetIncident(id));
    }

    pub(in crate::engine) fn forget_incident_due(&mut self, id: IncidentId) {
        let Some(known) = self.state.incidents.get(&id).filter(|i| !i.state.lives()) else {
            return;
        };
        let over = known.resolved.unwrap_or(known.last);
        // An alert that rests in an incident which a person ended still needs it.
        let rests = known.hands.ended.is_some() && known.live > 0;
        let waits = rests || self.state.at.since(over) < KEEP || self.rows_under_way(id);
        if waits {
            return self.forget_later(id);
        }
        self.forget_hands(id);
        self.index.lately.forget();
        self.state.incidents.remove(&id);
        self.kept_back.remove(&id);
        for row in self.rows_of(id) {
            self.state.outbox.remove(&row);
        }
        self.effects.incidents.insert(id);
    }

    /// The history row of an incident, at its turning points.
    pub(super) fn remember(&mut self, id: IncidentId) {
        let Some(known) = self.state.incidents.get(&id) else {
            return;
        };
        // What was over before a ticket counts too: those who decide about going live ask for it.
        let told = known.opened.is_some() || known.state == IncidentState::Resolved;
        if known.state == IncidentState::Merged || !told {
            return;
        }
        let services = self.services(id);
        let row = History::Incident {
            id,
            state: known.state.word(),
            priority: known.priority.word(),
            root: known.confident.then(|| self.ci_name(known.root)),
            service: services.observed.first().map(|ci| self.ci_name(*ci)),
            detected: known.first,
            opened: known.opened,
            resolved: known.resolved,
            alerts: u32::try_from(known.members.len()).unwrap_or(u32::MAX),
            merged_into: None,
        };
        self.effects.history.push(row);
    }

    /// How many alerts are in each state; for the metrics.
    pub fn alert_counts(&self) -> [(AlertState, u64); 3] {
        let mut counts = [
            (AlertState::Firing, 0),
            (AlertState::Stale, 0),
            (AlertState::Over, 0u64),
        ];
        for alert in self.state.alerts.values() {
            for (state, count) in &mut counts {
                if *state == alert.state {
                    *count = count.saturating_add(1);
                }
            }
        }
        counts
    }
}

impl Engine {
    /// A turning point of ours.
    pub(in crate::engine) fn turn_of(&mut self, id: IncidentId, what: &str) {
        let at = self.state.at;
        if let Some(known) = self.state.incidents.get_mut(&id) {
            turn(known, at, what);
        }
    }
}

fn turn(incident: &mut Incident, at: Millis, what: &str) {
    if incident.turns.len() < MAX_TURNS {
        incident.turns.push(Turn {
            at,
            what: what.to_owned(),
        });
    }
}
