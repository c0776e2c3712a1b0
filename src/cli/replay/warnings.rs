//! What people should know of a tape before they believe what was made of it.

use super::player::Player;
use crate::record::Record;
use std::fmt::Write as _;

/// Warnings in the text; JSON has all.
const LISTED: usize = 20;

/// For people, one line each.
pub(super) fn text(warnings: &[String]) -> String {
    let mut out = String::new();
    // Writing to a string does not fail.
    for warning in warnings.iter().take(LISTED) {
        writeln!(out, "warning: {warning}").ok();
    }
    match warnings.len().saturating_sub(LISTED) {
        0 => {}
        more => {
            writeln!(out, "warning: and {more} more").ok();
        }
    }
    out
}

/// Those of two plays of one tape, each once.
pub(super) fn both(before: &[String], after: &[String]) -> Vec<String> {
    let mut out = before.to_vec();
    let new = after.iter().filter(|w| !before.contains(w));
    out.extend(new.cloned());
    out
}

/// What is doubtful about a window or a change that the line at `place` tells.
pub(super) fn told(player: &Player, place: &str, record: &Record) -> Option<String> {
    let (what, id, ci) = match record {
        Record::Maintenance(window) if window.to < window.from => {
            let id = &window.id;
            return Some(format!(
                "{place}: maintenance {id:?} ends before it begins: it covers nothing"
            ));
        }
        // Taken back.
        Record::Maintenance(window) if window.to == window.from => return None,
        Record::Maintenance(window) => ("maintenance", &window.id, &window.ci),
        Record::Change(change) => ("change", &change.id, &change.ci),
        _other => return None,
    };
    let graph = player.engine().in_force().graph.as_ref()?;
    let why = graph.doubt(ci)?;
    Some(format!(
        "{place}: {what} {id:?}: {why}: it counts for nothing"
    ))
}
