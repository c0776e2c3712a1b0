//! What people are told when they ask, as a line of a scenario.

use super::world::World;
use correlated::engine::correlate::why::Which;
use correlated::model::{IncidentId, Labels};

/// How many alerts an incident has, and its cause.
pub fn asked(world: &World, id: IncidentId) -> String {
    let engine = world.node.engine();
    let incident = engine.state().incidents.get(&id).unwrap();
    let ranked = engine.ranked_roots(id);
    let cause = ranked.first().copied().unwrap_or(incident.root);
    let key = engine.state().cis.key(cause);
    let known = match incident.confident {
        true => "cause",
        false => "cause not known, best guess",
    };
    format!("{id}: {} alerts, {known} {key}", incident.members.len())
}

/// Labels of the words `NAME=VALUE`.
pub fn labels<'a>(words: &[&'a str]) -> Vec<(&'a str, &'a str)> {
    let pair = |w: &&'a str| w.split_once('=').unwrap_or_else(|| panic!("label {w:?}"));
    words.iter().map(pair).collect()
}

/// What people see when they ask.
pub fn view(world: &mut World, words: &[&str]) -> String {
    let engine = world.node.engine();
    let incident = |id: &str| engine.incident_json(id.parse().unwrap()).unwrap();
    match words {
        ["why", id] => {
            let view = incident(id);
            let why = view["no_ticket_because"]
                .as_str()
                .unwrap_or("has its ticket");
            format!("{id}: {}, {why}", view["state"].as_str().unwrap())
        }
        ["alert", words @ ..] => {
            let wanted: Labels = labels(words).into_iter().collect();
            let same = |a: &&correlated::engine::state::Alert| *a.labels == wanted;
            let alert = engine.state().alerts.values().find(same).expect("an alert");
            let view = engine.alert_json(alert.fingerprint).unwrap();
            let mut out = format!("alert: {}", view["state"].as_str().unwrap());
            for name in ["suppressed", "flapping_since"] {
                if let Some(text) = view[name].as_str() {
                    out += &format!(", {name} {text}");
                }
            }
            if let Some(by) = view["inhibited_by"].as_object() {
                out += &format!(" by rule {} ({} on {})", by["rule"], by["text"], by["ci"]);
            }
            if view["chronic"] == true {
                out += &format!(", chronic: {} incidents today", view["incidents_today"]);
            }
            out
        }
        ["group", id] => {
            let view = engine
                .explain_json(id.parse().unwrap(), Which::Now)
                .unwrap();
            let rule = view["routed_by"].as_str().map(|r| format!(" by rule {r}"));
            format!("{id}: group {}{}", view["group"], rule.unwrap_or_default())
        }
        ["rules", id] => {
            let view = engine
                .explain_json(id.parse().unwrap(), Which::Now)
                .unwrap();
            let rules = view["rules"].as_array().unwrap().iter();
            let rules: Vec<_> = rules.map(|r| r.as_str().unwrap()).collect();
            format!("{id}: rules {}", rules.join(", "))
        }
        ["says", id, letter] => {
            let ticket = world.tool.tickets.iter().find(|t| t.id == *id).unwrap();
            let of = |l: &&str| l.starts_with(letter);
            let line = ticket.description.lines().find(of).unwrap_or("nothing");
            format!("{id} says {line}")
        }
        ["turn", id] => {
            let view = engine
                .explain_json(id.parse().unwrap(), Which::Now)
                .unwrap();
            let last = view["turns"].as_array().unwrap().last().unwrap();
            format!("{id}: {}", last["what"].as_str().unwrap())
        }
        ["chronic"] => {
            let view = engine.chronic_json();
            let rows = view["chronic"].as_array().unwrap().iter();
            let rows = rows.map(|r| format!("{} {}", r["incidents"], r["ci"].as_str().unwrap()));
            format!("chronic: {}", rows.collect::<Vec<_>>().join(", "))
        }
        ["log", word @ ..] => {
            let lines = std::mem::take(&mut world.lines);
            let lines = lines.into_iter().map(|(_, l)| l.trim().to_owned());
            let about = |l: &String| match word {
                [] => !["ticket", "in force", "merged"]
                    .iter()
                    .any(|w| l.contains(w)),
                word => word.iter().all(|w| l.contains(w)),
            };
            format!(
                "log: {}",
                lines.filter(about).collect::<Vec<_>>().join(" / ")
            )
        }
        other => panic!("view {other:?}"),
    }
}

/// What a person is told about the alert of a CI.
pub fn answer(world: &mut World, name: &str, incident: Option<&str>) {
    let engine = world.node.engine();
    let alerts = engine.state().alerts.keys().rev();
    let mut alerts = alerts.filter_map(|id| engine.alert_by_id_json(*id));
    let alert = alerts
        .find(|a| a["ci"] == name)
        .unwrap_or_else(|| panic!("no alert of {name}"));
    let digits = alert["fingerprint"].as_str().unwrap();
    let (told, text) = match incident {
        None => (engine.alert_story_json(digits), "answer"),
        Some(id) => (engine.why_not_in_json(digits, id.parse().unwrap()), "text"),
    };
    let told = told.unwrap();
    let line = format!("why {name}: {}", told[text].as_str().unwrap());
    world.tool.log.push((world.now, line));
}
