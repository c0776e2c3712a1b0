//! What people plan: maintenance windows and changes, as they are posted on the admin socket.

use crate::config::planned::OF_CONFIG;
use crate::model::{Millis, one_line};
use crate::record::{ChangeV1, MaintenanceV1, Record};
use serde::Deserialize;

/// Bytes of an id.
const MAX_ID: usize = 200;
/// Bytes of a summary.
const MAX_SUMMARY: usize = 1000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Maintenance {
    id: String,
    #[serde(default)]
    ci: String,
    #[serde(default)]
    from: String,
    #[serde(default)]
    to: String,
    #[serde(default = "yes")]
    include_dependents: bool,
    #[serde(default)]
    withdrawn: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    id: String,
    ci: String,
    at: Option<String>,
    #[serde(default)]
    summary: String,
}

fn yes() -> bool {
    true
}

/// The id of a plan: it stands in log lines and explanations.
fn named(id: &str) -> Result<String, String> {
    match id.trim().is_empty() {
        true => Err("id: missing".to_owned()),
        false => Ok(one_line(id, MAX_ID)),
    }
}

fn time(name: &str, text: &str) -> Result<Millis, String> {
    let time: Result<jiff::Timestamp, _> = text.parse();
    let time = time.map_err(|_| format!("{name}: {text:?} is no time (2026-11-24T18:00:00Z)"))?;
    Ok(Millis(time.as_millisecond()))
}

/// A window: `{"id", "ci", "from", "to", "include_dependents": true}`; the same id again replaces it, and
/// `{"id", "withdrawn": true}` takes it back.
///
/// # Errors
/// What is wrong with it.
pub fn maintenance(body: &[u8], now: Millis) -> Result<Record, String> {
    let window: Maintenance = serde_json::from_slice(body).map_err(|e| e.to_string())?;
    if window.id.starts_with(OF_CONFIG) {
        return Err(format!(
            "id: {OF_CONFIG}... is for windows of the configuration"
        ));
    }
    let id = named(&window.id)?;
    if window.withdrawn {
        return Ok(Record::Maintenance(MaintenanceV1 {
            id,
            ci: window.ci,
            from: now,
            to: now,
            include_dependents: window.include_dependents,
        }));
    }
    if window.ci.is_empty() {
        return Err("ci: missing".to_owned());
    }
    let (from, to) = (time("from", &window.from)?, time("to", &window.to)?);
    if to <= from {
        return Err(format!("to: {} is not after from", window.to));
    }
    Ok(Record::Maintenance(MaintenanceV1 {
        id,
        ci: window.ci,
        from,
        to,
        include_dependents: window.include_dependents,
    }))
}

/// A change: `{"id", "ci", "at", "summary"}`; without `at` it is made now.
///
/// # Errors
/// What is wrong with it.
pub fn change(body: &[u8], now: Millis) -> Result<Record, String> {
    let change: Change = serde_json::from_slice(body).map_err(|e| e.to_string())?;
    let at = change.at.map_or(Ok(now), |at| time("at", &at))?;
    Ok(Record::Change(ChangeV1 {
        id: named(&change.id)?,
        ci: change.ci,
        at,
        summary: one_line(&change.summary, MAX_SUMMARY),
    }))
}
