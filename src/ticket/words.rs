//! Words of the two languages: times, spans, classes of CIs, lists.

use super::{Language, MAX_NAMES, ServiceText};
use crate::model::Millis;
use jiff::{Timestamp, tz::TimeZone};

const DAYS: [[&str; 7]; 2] = [
    ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"],
    ["man.", "tir.", "ons.", "tor.", "fre.", "lør.", "søn."],
];
const MONTHS: [[&str; 12]; 2] = [
    [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ],
    [
        "jan.", "feb.", "mar.", "apr.", "maj", "juni", "juli", "aug.", "sep.", "okt.", "nov.",
        "dec.",
    ],
];

/// Classes as CMDBs write them: English one, English many, Danish one, Danish many.
const CLASSES: [(&str, [&str; 4]); 22] = [
    (
        "access_switch",
        [
            "access switch",
            "access switches",
            "access-switch",
            "access-switche",
        ],
    ),
    (
        "agg_switch",
        [
            "aggregation switch",
            "aggregation switches",
            "aggregeringsswitch",
            "aggregeringsswitche",
        ],
    ),
    (
        "app_instance",
        [
            "application instance",
            "application instances",
            "applikationsinstans",
            "applikationsinstanser",
        ],
    ),
    (
        "application",
        [
            "application",
            "applications",
            "applikation",
            "applikationer",
        ],
    ),
    (
        "business_service",
        ["service", "services", "tjeneste", "tjenester"],
    ),
    (
        "core_switch",
        [
            "core switch",
            "core switches",
            "core-switch",
            "core-switche",
        ],
    ),
    (
        "database",
        ["database", "databases", "database", "databaser"],
    ),
    (
        "db_instance",
        [
            "database instance",
            "database instances",
            "databaseinstans",
            "databaseinstanser",
        ],
    ),
    (
        "db_service",
        [
            "database service",
            "database services",
            "databasetjeneste",
            "databasetjenester",
        ],
    ),
    (
        "firewall",
        ["firewall", "firewalls", "firewall", "firewalls"],
    ),
    (
        "hypervisor",
        ["hypervisor", "hypervisors", "hypervisor", "hypervisorer"],
    ),
    (
        "load_balancer",
        [
            "load balancer",
            "load balancers",
            "load balancer",
            "load balancere",
        ],
    ),
    (
        "pdu",
        ["power strip", "power strips", "strømskinne", "strømskinner"],
    ),
    ("router", ["router", "routers", "router", "routere"]),
    ("server", ["server", "servers", "server", "servere"]),
    ("service", ["service", "services", "tjeneste", "tjenester"]),
    (
        "storage_array",
        [
            "storage array",
            "storage arrays",
            "lagersystem",
            "lagersystemer",
        ],
    ),
    ("switch", ["switch", "switches", "switch", "switche"]),
    (
        "tor_switch",
        [
            "rack switch",
            "rack switches",
            "rack-switch",
            "rack-switche",
        ],
    ),
    (
        "vm",
        [
            "virtual machine",
            "virtual machines",
            "virtuel maskine",
            "virtuelle maskiner",
        ],
    ),
    (
        "web_instance",
        [
            "web instance",
            "web instances",
            "webinstans",
            "webinstanser",
        ],
    ),
    (
        "",
        [
            "host not in the CMDB",
            "hosts not in the CMDB",
            "vært uden for CMDB",
            "værter uden for CMDB",
        ],
    ),
];

fn column(language: Language) -> usize {
    match language {
        Language::En => 0,
        Language::Da => 1,
    }
}

fn pick<const N: usize>(words: &[[&'static str; N]; 2], language: Language, n: i8) -> &'static str {
    let row = words.get(column(language));
    let at = usize::try_from(n.saturating_sub(1)).unwrap_or(0);
    row.and_then(|r| r.get(at)).copied().unwrap_or_default()
}

/// A class in words, one or many.
pub(super) fn class(class: &str, many: bool, language: Language) -> String {
    let known = CLASSES.iter().find(|(c, _)| *c == class);
    let at = column(language) * 2 + usize::from(many);
    match known.and_then(|(_, words)| words.get(at)) {
        Some(word) => (*word).to_owned(),
        None => class.replace('_', " "),
    }
}

/// `Sun 22 Nov 02:14 CET`, `søn. 22. nov. kl. 02.14 CET`.
pub(super) fn time(at: Millis, zone: &TimeZone, language: Language) -> String {
    let Ok(moment) = Timestamp::from_millisecond(at.0) else {
        return at.0.to_string();
    };
    let local = moment.to_zoned(zone.clone());
    let day = pick(&DAYS, language, local.weekday().to_monday_one_offset());
    let month = pick(&MONTHS, language, local.month());
    let (date, hour, minute) = (local.day(), local.hour(), local.minute());
    let name = local.strftime("%Z").to_string();
    match language {
        Language::En => format!("{day} {date} {month} {hour:02}:{minute:02} {name}"),
        Language::Da => format!("{day} {date}. {month} kl. {hour:02}.{minute:02} {name}"),
    }
}

/// `02:14 CET`, `kl. 02.14 CET`.
pub(super) fn clock(at: Millis, zone: &TimeZone, language: Language) -> String {
    let Ok(moment) = Timestamp::from_millisecond(at.0) else {
        return at.0.to_string();
    };
    let local = moment.to_zoned(zone.clone());
    let (hour, minute) = (local.hour(), local.minute());
    let name = local.strftime("%Z").to_string();
    match language {
        Language::En => format!("{hour:02}:{minute:02} {name}"),
        Language::Da => format!("kl. {hour:02}.{minute:02} {name}"),
    }
}

/// `20 s`, `4 min`, `3 h`.
pub(super) fn span(span: Millis, language: Language) -> String {
    let seconds = span.0.max(0) / 1000;
    let hour = match language {
        Language::En => "h",
        Language::Da => "t",
    };
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7199 => format!("{} min", seconds / 60),
        _ => format!("{} {hour}", seconds / 3600),
    }
}

/// `Payroll (gold), Webshop`.
pub(super) fn services(services: &[ServiceText]) -> String {
    let one = |s: &ServiceText| match s.criticality.is_empty() {
        true => clean(&s.name),
        false => format!("{} ({})", clean(&s.name), clean(&s.criticality)),
    };
    services
        .iter()
        .take(MAX_NAMES)
        .map(one)
        .collect::<Vec<_>>()
        .join(", ")
}

/// `a, b, c ... 8 more`; the rest is counted.
pub(super) fn names(names: &[String], count: u32, language: Language) -> String {
    let shown: Vec<String> = names.iter().take(MAX_NAMES).map(|n| clean(n)).collect();
    let more = count.saturating_sub(u32::try_from(shown.len()).unwrap_or(u32::MAX));
    let word = match language {
        Language::En => "more",
        Language::Da => "flere",
    };
    match more {
        0 => shown.join(", "),
        _ => format!("{} ... {more} {word}", shown.join(", ")),
    }
}

/// Makes text of others harmless: one line, no control or direction characters, nothing invisible.
pub(super) fn clean(text: &str) -> String {
    let visible = text.chars().map(|c| match c {
        '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{feff}' => ' ',
        c if c.is_control() => ' ',
        c => c,
    });
    let text: String = visible.collect();
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_their_zone() {
        let zone = TimeZone::get("Europe/Copenhagen").unwrap();
        let at = Millis(1_795_310_040_000); // 2026-11-22T01:14:00Z
        assert_eq!(time(at, &zone, Language::En), "Sun 22 Nov 02:14 CET");
        assert_eq!(time(at, &zone, Language::Da), "søn. 22. nov. kl. 02.14 CET");
    }

    #[test]
    fn text_of_others_is_made_harmless() {
        assert_eq!(clean("a\n\r\tb\u{202e}c\u{0}\u{200b} d"), "a b c d");
    }
}
