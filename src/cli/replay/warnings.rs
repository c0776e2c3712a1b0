//! What people should know of a tape before they believe what was made of it.

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
