//! What became of the events, as a file for programs.

use super::story::Story;
use crate::model::{IncidentId, Millis};
use serde_json::{Map, Number, Value, json};

/// The story as JSON; equal stories give equal bytes.
pub(super) fn json(story: &Story) -> Value {
    let assign: Map<String, Value> = story
        .assign
        .iter()
        .map(|(event, incident)| (event.clone(), name(*incident)))
        .collect();
    let incidents: Vec<Value> = story
        .incidents
        .iter()
        .map(|(id, facts)| {
            json!({
                "id": name(*id),
                "ticket": facts.ticket_at.map(|_| format!("T-{id}")),
                "ticket_at": facts.ticket_at.map(seconds),
                "roots": facts.roots,
                "merged_into": facts.merged_into.map(name),
                "impact": facts.impact,
                "confident": facts.confident,
                "priority": facts.priority.map(|p| p.word()),
            })
        })
        .collect();
    let ops: Vec<Value> = story
        .ops
        .iter()
        .map(|op| {
            let mut out = json!({
                "at": seconds(op.at),
                "op": op.op,
                "incident": name(op.incident),
            });
            if let (Some(from), Some(map)) = (op.from, out.as_object_mut()) {
                map.insert("from".to_owned(), name(from));
            }
            out
        })
        .collect();
    json!({ "assign": assign, "incidents": incidents, "ops": ops })
}

fn name(id: IncidentId) -> Value {
    Value::from(id.to_string())
}

/// Seconds since 1970, with milliseconds.
fn seconds(at: Millis) -> Value {
    let text = format!("{}.{:03}", at.0.div_euclid(1000), at.0.rem_euclid(1000));
    let number = text.parse().ok().and_then(Number::from_f64);
    number.map_or(Value::Null, Value::Number)
}
