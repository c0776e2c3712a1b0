//! Maintenance windows that cover nothing, whatever the CMDB has, and calendars that nothing waits for.

use super::super::walk::place;
use super::super::{Config, Problem};
use crate::model::Millis;

/// What is doubtful about the windows and calendars of a configuration that was loaded from `text`.
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
        if window.lasts_no_time() {
            tell("duration", "it lasts no time");
        }
        if window.has_no_day() {
            tell("weekdays", "it names no day");
        }
        if window.is_over(now) {
            tell("from", "it is over");
        }
    }
    let hours = &config.rules.ticket.hours;
    for (n, calendar) in config.plumbing.calendars.iter().enumerate() {
        let named = hours.iter().flatten().any(|h| *h == calendar.name);
        let (key, why) = match (named, calendar.has_no_day()) {
            (_, true) => (
                "weekdays",
                "it names no day, so nothing waits for its hours",
            ),
            (true, false) if !calendar.spans(now).is_empty() => continue,
            (true, false) => (
                "holidays",
                "no day of the next 60 is left, so nothing waits",
            ),
            (false, false) => ("name", "neither calendar_p3 nor calendar_p4 names it"),
        };
        let path = format!("ticket.calendar[{n}]");
        let found = place(text, &format!("{path}.{key}")).or_else(|| place(text, &path));
        let (line, column) = found.unwrap_or((1, 1));
        out.push(Problem {
            line,
            column,
            path: format!("{path}.{key}"),
            message: format!("calendar {:?} does nothing: {why}", calendar.name),
        });
    }
    out
}
