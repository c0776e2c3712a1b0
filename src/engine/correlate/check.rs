//! What must hold after every entry. For tests and the simulator; too dear for the daemon.
//!
//! The numbers I1 to I12 are those of the plan; `tests/invariants.rs` says where each is checked.

use crate::engine::Engine;
use crate::engine::state::{Incident, Member};
use crate::model::{AlertId, CiId, IncidentId};
use std::collections::{BTreeMap, BTreeSet};

/// Every broken invariant, in words.
pub fn broken(engine: &Engine) -> Vec<String> {
    let mut out = Vec::new();
    let state = engine.state();
    for (id, alert) in state.alerts.iter() {
        if !alert.live() || engine.waits_for_its_turn(*id) {
            continue;
        }
        let incident = alert.incident.map(|i| engine.incident_of(i));
        let known = incident.and_then(|i| state.incidents.get(&i));
        match known {
            Some(known)
                if (known.state.lives() || known.hands.ended.is_some())
                    && known.members.contains_key(id) => {}
            Some(_) | None => out.push(format!("A1: live alert {id:?} is in no live incident")),
        }
    }
    for (id, incident) in state.incidents.iter() {
        let live = incident
            .members
            .iter()
            .filter(|(alert, _)| {
                state
                    .alerts
                    .get(alert)
                    .is_some_and(|a| a.live() && a.incident == Some(*id))
            })
            .count();
        if u32::try_from(live) != Ok(incident.live) {
            out.push(format!(
                "A1: {id} counts {} live alerts and has {live}",
                incident.live
            ));
        }
        hands(engine, *id, incident, &mut out);
        alone(engine, *id, incident, &mut out);
        if incident
            .merged_into
            .is_some_and(|i| !state.incidents.contains_key(&i))
        {
            out.push(format!("I2: {id} was merged into nothing"));
        }
    }
    out.extend(engine.all_unfound());
    let mut tickets: BTreeMap<(&str, &str), u32> = BTreeMap::new();
    for (row, known) in &state.outbox {
        if let Some(ticket) = &known.ticket {
            let count = tickets.entry((&row.target, ticket)).or_default();
            *count = count.saturating_add(1);
        }
        if !state.incidents.contains_key(&row.incident) {
            out.push(format!(
                "T1: outbox row of {} without its incident",
                row.incident
            ));
        }
    }
    for ((target, ticket), count) in tickets {
        if count > 1 {
            out.push(format!(
                "T1: ticket {ticket} at {target} belongs to {count} incidents"
            ));
        }
    }
    out
}

/// An incident by itself.
fn alone(engine: &Engine, id: IncidentId, incident: &Incident, out: &mut Vec<String>) {
    let state = engine.state();
    if incident.state.lives() {
        if incident.members.is_empty() {
            out.push(format!("I7: {id} lives and has no alert"));
        }
        for alert in incident.members.keys() {
            let elsewhere = state
                .alerts
                .get(alert)
                .is_some_and(|a| a.live() && a.incident != Some(id));
            if elsewhere {
                out.push(format!("I1: {alert:?} fires in {id} and in another one"));
            }
        }
    }
    if let Some(into) = incident.merged_into {
        let stays = state.incidents.get(&into);
        let older = stays.is_some_and(|i| i.first <= incident.first || i.opened.is_some());
        let mut at = into;
        let mut steps = 0;
        while let Some(next) = state.incidents.get(&at).and_then(|i| i.merged_into) {
            steps += 1;
            at = next;
            if at == id || steps > state.incidents.len() {
                out.push(format!("I2: {id} was merged into itself"));
                break;
            }
        }
        // A person may merge two of which none has a ticket yet; then the older one goes on.
        if !older {
            out.push(format!(
                "I2: {id} was merged into {into}, which is younger and has no ticket"
            ));
        }
    }
    let rows = engine.rows_of(id);
    if incident.opened.is_none() && !rows.is_empty() {
        out.push(format!(
            "I11: {id} has a row for a ticket that is not wanted"
        ));
    }
}

/// What is kept so that it need not be looked for, against what it is kept of: sums, index, scores. It works on a
/// copy.
pub fn broken_sums(engine: &Engine) -> Vec<String> {
    let mut out = Vec::new();
    let mut copy = engine.clone();
    let live: Vec<(IncidentId, &Incident)> = engine
        .state()
        .incidents
        .iter()
        .filter(|(_, i)| i.state.lives())
        .map(|(id, i)| (*id, i))
        .collect();
    let (mut places, mut causes, mut names) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for (id, incident) in live {
        let case = &incident.case;
        places.extend(case.spots.keys().map(|ci| (*ci, id)));
        causes.extend(case.sums.keys().map(|ci| (*ci, id)));
        names.extend(case.named.keys().map(|name| (*name, id)));
        // An alert that fires again much later may leave; that its CI alerted then is still evidence.
        let cis: BTreeSet<CiId> = incident.members.values().map(|m| m.ci).collect();
        for ci in cis.iter().filter(|ci| !case.spots.contains_key(ci)) {
            out.push(format!(
                "I5: {} alerts in {id}, which has no such place",
                engine.ci_name(*ci)
            ));
        }
        for (ci, spot) in &case.spots {
            if spot.weight(*ci).is_none() {
                out.push(format!(
                    "I4: {} may not be behind itself in {id}",
                    engine.ci_name(*ci)
                ));
            }
            let fires = |(alert, member): &(&AlertId, &Member)| {
                let alert = engine.state().alerts.get(alert);
                member.ci == *ci && alert.is_some_and(|a| a.live())
            };
            let firing = incident.members.iter().filter(fires).count();
            if u32::try_from(firing) != Ok(spot.live) {
                let (ci, counted) = (engine.ci_name(*ci), spot.live);
                out.push(format!(
                    "I5: {firing} alerts of {ci} fire in {id}, and {counted} are counted"
                ));
            }
        }
        let mut fresh = case.clone();
        fresh.sum_up();
        if fresh.sums != case.sums {
            out.push(format!("I4: the sums of {id} are not those of its places"));
        }
        if fresh.worst != case.worst {
            out.push(format!(
                "I4: the worst severity of {id} is not that of its places"
            ));
        }
        if (fresh.first, fresh.last) != (case.first, case.last) {
            out.push(format!(
                "I4: {id} is open for another time than its places say"
            ));
        }
        let again = copy.best_cause(case, case.mature);
        if again.is_some_and(|best| best != (case.score, case.root)) {
            out.push(format!(
                "I6: the score of {id} is not that of its best cause"
            ));
        }
        for (place, spot) in &case.spots {
            for (cause, _) in spot.causes.iter().filter(|(c, _)| c != place) {
                if engine.is_leaf(*cause) {
                    let (place, cause) = (engine.ci_name(*place), engine.ci_name(*cause));
                    out.push(format!(
                        "I8: in {id} {cause}, which nothing needs, explains {place}"
                    ));
                }
            }
        }
        for merge in &incident.merges {
            let now = merge.at == engine.state().at && merge.by.is_none();
            // A burst goes on by its name, even where the places were taken in anew since.
            let because = merge.why.because();
            let explains = case.sums.contains_key(&because)
                || case.spots.contains_key(&because)
                || incident.burst == Some(because);
            if now && !explains {
                let ci = engine.ci_name(because);
                out.push(format!(
                    "I8: {} became part of {id} because of {ci}, which explains nothing",
                    merge.from
                ));
            }
        }
    }
    let live: BTreeSet<IncidentId> = places.iter().map(|(_, incident)| *incident).collect();
    if engine.index.live != live || engine.index.entries() != [places, causes, names] {
        out.push("I5: the index is not that of the live incidents".to_owned());
    }
    out
}

impl Engine {
    /// Whether a CI of the CMDB is needed by no other one.
    fn is_leaf(&self, ci: CiId) -> bool {
        let graph = self.force.graph.as_ref().zip(self.force.ix(ci));
        graph.is_some_and(|(graph, ix)| graph.dependants(ix).next().is_none())
    }
}

/// What people said holds, and both sides of it agree.
fn hands(engine: &Engine, id: IncidentId, incident: &Incident, out: &mut Vec<String>) {
    let incidents = &engine.state().incidents;
    for other in &incident.hands.apart {
        let both = incidents
            .get(other)
            .is_some_and(|o| o.hands.apart.contains(&id));
        if !both || engine.incident_of(*other) == engine.incident_of(id) {
            out.push(format!("H1: {id} and {other} are not kept apart"));
        }
    }
    let named = engine.named_cause(id).filter(|_| incident.state.lives());
    if named.is_some_and(|ci| ci != incident.root || !incident.confident) {
        out.push(format!("H1: {id} has another cause than a person named"));
    }
    for alert in incident
        .hands
        .placed
        .iter()
        .filter(|_| incident.state.lives())
    {
        let elsewhere = engine
            .state()
            .alerts
            .get(alert)
            .is_some_and(|a| a.live() && a.incident != Some(id));
        if elsewhere {
            out.push(format!("H1: {alert:?} left {id}, where a person put it"));
        }
    }
}
