//! Maintenance windows that cover nothing, whatever the CMDB has.

use super::super::walk::place;
use super::super::{Config, Problem};
use crate::model::Millis;

/// What is doubtful about the windows of a configuration that was loaded from `text`.
pub fn windows(text: &str, config: &Config, now: Millis) -> Vec<Problem> {
    let mut out = Vec::new();
    for (n, window) in config.plumbing.windows.iter().enumerate() {
        let mut tell = |key: &str, why: &str| {
            let path = format!("suppress.window[{n}]");
            let found = place(text, &format!("{path}.{key}")).or_else(|| place(text, &path));
            let (line, column) = found.unwrap_or((1, 1));
            let message = format!("window {:?} covers nothing: {why}", window.name);
            let path = format!("{path}.{key}");
            out.push(Problem {
                line,
                column,
                path,
                message,
            });
        };
        if window.cis.is_empty() {
            tell("cis", "it names no CI");
        }
        if window.has_no_day() {
            tell("weekdays", "it names no day");
        }
        if window.is_over(now) {
            tell("from", "it is over");
        }
    }
    out
}
