//! What must hold after every entry. For tests and the simulator; too dear for the daemon.

use crate::engine::Engine;
use crate::engine::state::Incident;
use crate::model::IncidentId;
use std::collections::BTreeMap;

/// Every broken invariant, in words.
pub fn broken(engine: &Engine) -> Vec<String> {
    let mut out = Vec::new();
    let state = engine.state();
    for (id, alert) in &state.alerts {
        if !alert.live() {
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
    for (id, incident) in &state.incidents {
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
        if incident
            .merged_into
            .is_some_and(|i| !state.incidents.contains_key(&i))
        {
            out.push(format!("I2: {id} was merged into nothing"));
        }
    }
    out.extend(engine.untold());
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
