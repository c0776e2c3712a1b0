//! The title: one line for a list of tickets and for a phone.
//!
//! The most important word comes first, services come before ids, and no number is in it that will change:
//! a title that keeps changing reads like a new ticket. So the places and classes of an unsure case stand
//! without their count ("CPH1: applications failing, cause not known"); only the text of a lone alert is
//! quoted as it is, with its numbers. The incident's id is always last and always whole.

use super::harmless::cut_at_word;
use super::page::Page;
use super::{CauseText, ServiceText, Style, Wanted};

/// Bytes of a title, whatever the tool bears.
const MAX_TITLE: usize = 100;
/// Services named in a title.
const MAX_SERVICES: usize = 3;

/// Texts of alerts that mean: the CI itself does not answer. Anything else is "failing", because a link that
/// is down is not a switch that is down. In lower case, as Nagios, Zabbix and Prometheus rules write them.
const DOWN: [&str; 19] = [
    "does not answer",
    "svarer ikke",
    "host unreachable",
    "host is unreachable",
    "host is down",
    "host down",
    "hostdown",
    "nodedown",
    "node is down",
    "instancedown",
    "is down for more than",
    "unavailable by icmp ping",
    "lost 100%",
    "loss = 100%",
    "loss 100%",
    "100% loss",
    "100 % loss",
    "100% packet loss",
    "100 % packet loss",
];

/// Whether a text of an alert says that its CI does not answer at all.
pub(super) fn does_not_answer(symptom: &str) -> bool {
    let lower = symptom.to_lowercase();
    DOWN.iter().any(|sign| lower.contains(sign))
}

/// The title of a ticket, at most 100 bytes and no more than the tool bears.
pub(super) fn title(wanted: &Wanted, page: &Page, style: &Style) -> String {
    let id = format!("[{}]", wanted.incident);
    let max = MAX_TITLE.min(style.limits.title);
    let room = max.saturating_sub(id.len()).saturating_sub(1);
    let text = match wanted.cause.known() {
        Some(cause) if !cause.alerts_itself => caused(wanted, cause, page, room),
        Some(_) | None if wanted.cis <= 1 => lone(wanted, page),
        Some(cause) => caused(wanted, cause, page, room),
        None => unsure(wanted, page, room),
    };
    match room {
        0..=3 => id,
        _ => format!("{} {id}", cut_at_word(&text, room)),
    }
}

/// `srv-01: disk full`.
fn lone(wanted: &Wanted, page: &Page) -> String {
    let name = page.name(&wanted.subject.name);
    let symptom = page.alert(&wanted.symptom);
    let symptom = without_name(&symptom, &name);
    match symptom.is_empty() {
        true => format!("{name}: {}", page.say("alert", "alarm")),
        false => format!("{name}: {symptom}"),
    }
}

/// The text without the CI's own name at its beginning: `srv-01: srv-01: disk full` helps nobody.
pub(super) fn without_name<'a>(symptom: &'a str, name: &str) -> &'a str {
    match symptom.strip_prefix(name) {
        Some(rest) if rest.starts_with([':', ' ']) => rest.trim_start_matches([':', '-', ' ']),
        Some(_) | None => symptom,
    }
}

/// `sw-cph1-a07 down: Payroll, Webshop, Intranet affected`.
fn caused(wanted: &Wanted, cause: &CauseText, page: &Page, room: usize) -> String {
    let name = page.name(&wanted.subject.name);
    let state = match (cause.alerts_itself, does_not_answer(&wanted.symptom)) {
        (false, _) => page.say("probable cause", "sandsynlig årsag"),
        (true, true) => page.say("down", "nede"),
        (true, false) => page.say("failing", "fejler"),
    };
    let affected = page.say("affected", "berørt");
    let risk = page.say("at risk", "truet");
    let others = |s: &&ServiceText| s.name != wanted.subject.name;
    let down: Vec<&ServiceText> = wanted.observed.iter().filter(others).collect();
    let threatened: Vec<&ServiceText> = wanted.at_risk.iter().filter(others).collect();
    let line = |list: &str, what: &str| format!("{name} {state}: {list} {what}");
    if !down.is_empty() {
        return fitting(&down, page, room, |list| line(list, affected));
    }
    if !threatened.is_empty() {
        return fitting(&threatened, page, room, |list| line(list, risk));
    }
    // Without a service the largest class says who notices.
    let class = wanted
        .affected
        .iter()
        .find(|c| c.count > 1 && !c.class.is_empty());
    match class {
        Some(class) => line(&page.class(&class.class, true), affected),
        None => format!("{name} {state}"),
    }
}

/// `Payroll, Webshop affected, cause not known`, `CPH1: applications failing, cause not known`.
fn unsure(wanted: &Wanted, page: &Page, room: usize) -> String {
    let unknown = page.say("cause not known", "årsag ukendt");
    // The place up to its first comma: the site, without floor and rack.
    let site = page.name(wanted.subject.place.split(',').next().unwrap_or_default());
    let at = match site.is_empty() {
        true => String::new(),
        false => format!("{site}: "),
    };
    let services: Vec<&ServiceText> = wanted.observed.iter().collect();
    if !services.is_empty() {
        let affected = page.say("affected", "berørt");
        return fitting(&services, page, room, |list| {
            format!("{at}{list} {affected}, {unknown}")
        });
    }
    let state = match does_not_answer(&wanted.symptom) {
        true => page.say("unreachable", "svarer ikke"),
        false => page.say("failing", "fejler"),
    };
    // A class stands for all only if most are of it.
    let most = wanted
        .affected
        .first()
        .filter(|c| !c.class.is_empty() && c.count.saturating_mul(2) > wanted.cis);
    let class = most.map(|c| page.class(&c.class, true));
    let name = page.name(&wanted.subject.name);
    let who = match (class, site.is_empty()) {
        (Some(class), false) => class,
        (Some(class), true) if wanted.cis > 2 => {
            format!("{name} {} {class}", page.say("and other", "og andre"))
        }
        (_, _) => format!("{name} {}", page.say("and others", "m.fl.")),
    };
    format!("{at}{who} {state}, {unknown}")
}

/// As many services as have room, at most three; "and others" stands for the rest.
fn fitting(
    services: &[&ServiceText],
    page: &Page,
    room: usize,
    line: impl Fn(&str) -> String,
) -> String {
    let mut best = String::new();
    for shown in (1..=MAX_SERVICES.min(services.len())).rev() {
        let names: Vec<String> = services
            .iter()
            .take(shown)
            .map(|s| page.name(&s.name))
            .collect();
        let more = match shown < services.len() {
            true => page.say(" and others", " m.fl."),
            false => "",
        };
        best = line(&format!("{}{more}", names.join(", ")));
        if best.len() <= room {
            break;
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_silence_of_the_ci_itself_is_down() {
        let check = |text: &str, expected| assert_eq!(does_not_answer(text), expected, "{text}");
        check("PING CRITICAL - Packet loss = 100%", true);
        check("HostDown: srv-01 does not answer", true);
        check("Unavailable by ICMP ping", true);
        check("CRITICAL - Host Unreachable (10.0.0.1)", true);
        check("Interface Gi1/0/3 is down", false);
        check("PING WARNING - Packet loss = 60%", false);
        check("HTTP CRITICAL: 503", false);
    }

    #[test]
    fn the_name_is_not_said_twice() {
        assert_eq!(without_name("srv-01: disk full", "srv-01"), "disk full");
        assert_eq!(without_name("srv-01 is slow", "srv-01"), "is slow");
        assert_eq!(without_name("srv-012 is slow", "srv-01"), "srv-012 is slow");
    }
}
