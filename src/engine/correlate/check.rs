//! What must hold after every entry. For tests and the simulator; too dear for the daemon.

use crate::engine::Engine;
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
            Some(known) if known.state.lives() && known.members.contains_key(id) => {}
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
        if incident
            .merged_into
            .is_some_and(|i| !state.incidents.contains_key(&i))
        {
            out.push(format!("I2: {id} was merged into nothing"));
        }
    }
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
