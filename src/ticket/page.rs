//! The page that is written on: its language, its time zone, and how foreign words get onto it.

use super::classes::{capital, class};
use super::harmless::{line, quoted};
use super::{CiText, Language, MAX_NAMES, ServiceText, Style};
use crate::itsm::Markup;
use crate::model::{IncidentId, Millis};
use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{Timestamp, Zoned};

/// Characters of an alert's text that are quoted.
pub(super) const MAX_QUOTE: usize = 200;
/// Characters of a name: DNS names go up to 253, and a longer word is no name that helps anybody.
pub(super) const MAX_NAME: usize = 100;

#[rustfmt::skip]
const DAYS: [[&str; 2]; 7] = [
    ["Mon", "man."], ["Tue", "tir."], ["Wed", "ons."], ["Thu", "tor."], ["Fri", "fre."], ["Sat", "lør."],
    ["Sun", "søn."],
];
#[rustfmt::skip]
const MONTHS: [[&str; 2]; 12] = [
    ["Jan", "jan."], ["Feb", "feb."], ["Mar", "mar."], ["Apr", "apr."], ["May", "maj"], ["Jun", "juni"],
    ["Jul", "juli"], ["Aug", "aug."], ["Sep", "sep."], ["Oct", "okt."], ["Nov", "nov."], ["Dec", "dec."],
];

/// Whether a time zone of this IANA name can be printed: the zones are part of the program, so that a text
/// does not depend on the machine that makes it.
pub fn zone_is_known(name: &str) -> bool {
    zone(name).is_some()
}

fn zone(name: &str) -> Option<TimeZone> {
    TimeZoneDatabase::bundled().get(name).ok()
}

/// Language, zone and markup of one text.
pub(super) struct Page {
    pub(super) language: Language,
    zone: TimeZone,
    markup: Markup,
}

impl Page {
    /// The page of a target. A zone that is not known, which the configuration refuses, is UTC: a ticket with
    /// other times, which carry their zone, is better than none.
    pub(super) fn new(style: &Style) -> Page {
        Page {
            language: style.language,
            zone: zone(&style.timezone).unwrap_or(TimeZone::UTC),
            markup: style.limits.markup,
        }
    }

    /// A page for a text without times.
    pub(super) fn bare(language: Language) -> Page {
        Page {
            language,
            zone: TimeZone::UTC,
            markup: Markup::Plain,
        }
    }

    /// `en` or `da`.
    pub(super) fn say<'a>(&self, en: &'a str, da: &'a str) -> &'a str {
        match self.language {
            Language::En => en,
            Language::Da => da,
        }
    }

    /// A name, harmless and bounded.
    pub(super) fn name(&self, text: &str) -> String {
        line(text, MAX_NAME, self.markup)
    }

    /// The text of an alert, harmless and bounded.
    pub(super) fn alert(&self, text: &str) -> String {
        line(text, MAX_QUOTE, self.markup)
    }

    /// The text of an alert, to stand between quotes.
    pub(super) fn quote(&self, text: &str) -> String {
        quoted(&self.alert(text))
    }

    /// `access switch sw-cph1-a07 (Copenhagen 1, rack A07)`, `appbox-17 (not in the CMDB)`. At the beginning of
    /// a line the class has a capital; a name never changes.
    pub(super) fn ci(&self, ci: &CiText, begins: bool) -> String {
        let name = self.name(&ci.name);
        if !ci.known {
            return format!("{name} ({})", self.class("", false));
        }
        let class = match begins {
            true => capital(&self.class(&ci.class, false)),
            false => self.class(&ci.class, false),
        };
        let place = self.name(&ci.place);
        let named = match ci.class.is_empty() {
            true => name,
            false => format!("{class} {name}"),
        };
        match place.is_empty() {
            true => named,
            false => format!("{named} ({place})"),
        }
    }

    /// `Payroll (gold), Webshop`.
    pub(super) fn services(&self, services: &[ServiceText]) -> String {
        let one = |s: &ServiceText| match s.criticality.is_empty() {
            true => self.name(&s.name),
            false => format!("{} ({})", self.name(&s.name), self.name(&s.criticality)),
        };
        let all: Vec<String> = services.iter().take(MAX_NAMES).map(one).collect();
        all.join(", ")
    }

    /// `a, b ... and 8 more`: at most `max` names of `total`.
    pub(super) fn names(&self, names: &[String], total: u32, max: usize) -> String {
        let shown: Vec<String> = names.iter().take(max).map(|n| self.name(n)).collect();
        let rest = total.saturating_sub(u32::try_from(shown.len()).unwrap_or(u32::MAX));
        match (shown.is_empty(), rest) {
            (_, 0) => shown.join(", "),
            (true, n) => n.to_string(),
            (false, n) => format!(
                "{} ... {} {n} {}",
                shown.join(", "),
                self.say("and", "og"),
                self.say("more", "mere")
            ),
        }
    }

    /// An incident and its ticket: `I000119 (ticket 4711)`.
    pub(super) fn other(&self, incident: IncidentId, ticket: &str) -> String {
        match ticket.is_empty() {
            true => incident.to_string(),
            false => format!(
                "{incident} ({} {})",
                self.say("ticket", "sag"),
                self.name(crate::itsm::shown(ticket))
            ),
        }
    }

    /// A class in words: `switch`, `virtual machines`.
    pub(super) fn class(&self, name: &str, many: bool) -> String {
        self.name(&class(name, many, self.language))
    }

    fn local(&self, at: Millis) -> Option<Zoned> {
        let moment = Timestamp::from_millisecond(at.0).ok()?;
        Some(moment.to_zoned(self.zone.clone()))
    }

    /// `Sun 22 Nov 02:14 CET`, `søn. 22. nov. kl. 02.14 CET`.
    pub(super) fn time(&self, at: Millis) -> String {
        let Some(local) = self.local(at) else {
            return at.0.to_string();
        };
        let weekday = usize::try_from(local.weekday().to_monday_zero_offset()).unwrap_or(0);
        let month = usize::try_from(local.month()).unwrap_or(1);
        let word = |words: Option<&[&'static str; 2]>| {
            words.map(|[en, da]| self.say(en, da)).unwrap_or_default()
        };
        let weekday = word(DAYS.get(weekday));
        let month = word(MONTHS.get(month.saturating_sub(1)));
        let (day, clock) = (local.day(), self.clock(&local, false));
        match self.language {
            Language::En => format!("{weekday} {day} {month} {clock}"),
            Language::Da => format!("{weekday} {day}. {month} {clock}"),
        }
    }

    /// Only the clock if the moment is on the same day as `now`, which the reader knows; else as `time`.
    pub(super) fn time_near(&self, at: Millis, now: Millis) -> String {
        match (self.local(at), self.local(now)) {
            (Some(at), Some(now)) if at.date() == now.date() => self.clock(&at, false),
            (Some(_) | None, Some(_) | None) => self.time(at),
        }
    }

    /// As `time_near`, with seconds where only the clock is shown.
    pub(super) fn second_near(&self, at: Millis, now: Millis) -> String {
        match (self.local(at), self.local(now)) {
            (Some(at), Some(now)) if at.date() == now.date() => self.clock(&at, true),
            (Some(_) | None, Some(_) | None) => self.time(at),
        }
    }

    /// `02:14 CET`, `kl. 02.14 CET`.
    fn clock(&self, local: &Zoned, seconds: bool) -> String {
        let form = match (self.language, seconds) {
            (Language::En, false) => "%H:%M %Z",
            (Language::En, true) => "%H:%M:%S %Z",
            (Language::Da, false) => "kl. %H.%M %Z",
            (Language::Da, true) => "kl. %H.%M.%S %Z",
        };
        local.strftime(form).to_string()
    }

    /// `20 s`, `4 min`, `3 h 20 min`, `2 d 4 h`; what is smaller than the last unit is left out.
    pub(super) fn span(&self, span: Millis) -> String {
        let seconds = span.0.max(0).div_euclid(1000);
        let (minutes, hours) = (seconds.div_euclid(60), seconds.div_euclid(3600));
        let h = self.say("h", "t");
        let pair = |large: i64, unit: &str, small: i64, minor: &str| match small {
            0 => format!("{large} {unit}"),
            n => format!("{large} {unit} {n} {minor}"),
        };
        match (seconds, hours) {
            (0..120, _) => format!("{seconds} s"),
            (120..7200, _) => format!("{minutes} min"),
            (_, 0..48) => pair(hours, h, minutes.rem_euclid(60), "min"),
            (_, _) => pair(hours.div_euclid(24), "d", hours.rem_euclid(24), h),
        }
    }
}

/// `2026-11-22T01:14:07Z`: the form for machines and for those who compare logs.
pub(super) fn utc(at: Millis) -> String {
    match Timestamp::from_millisecond(at.0) {
        Ok(moment) => moment.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        Err(_) => at.0.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(language: Language) -> Page {
        Page {
            zone: zone("Europe/Copenhagen").unwrap(),
            ..Page::bare(language)
        }
    }

    /// 2026-11-22T01:14:07Z.
    const AT: Millis = Millis(1_795_310_047_000);

    #[test]
    fn times_carry_their_zone() {
        let (en, da) = (page(Language::En), page(Language::Da));
        assert_eq!(utc(AT), "2026-11-22T01:14:07Z");
        assert_eq!(en.time(AT), "Sun 22 Nov 02:14 CET");
        assert_eq!(da.time(AT), "søn. 22. nov. kl. 02.14 CET");
        assert_eq!(da.second_near(AT, AT), "kl. 02.14.07 CET");
        let later = AT.plus(Millis::mins(24 * 60));
        assert_eq!(en.time_near(AT, AT), "02:14 CET");
        assert_eq!(en.time_near(AT, later), "Sun 22 Nov 02:14 CET");
        let summer = AT.plus(Millis::mins(200 * 24 * 60));
        assert_eq!(da.time(summer), "tor. 10. juni kl. 03.14 CEST");
        assert_eq!(en.time(Millis(i64::MAX)), i64::MAX.to_string());
        assert!(zone_is_known("Europe/Copenhagen") && !zone_is_known("Europe/Nowhere"));
    }

    #[test]
    fn spans_are_short() {
        let check = |seconds, en: &str, da: &str| {
            assert_eq!(page(Language::En).span(Millis::secs(seconds)), en);
            assert_eq!(page(Language::Da).span(Millis::secs(seconds)), da);
        };
        check(-5, "0 s", "0 s");
        check(119, "119 s", "119 s");
        check(120, "2 min", "2 min");
        check(82 * 60, "82 min", "82 min");
        check(7200, "2 h", "2 t");
        check(12_000, "3 h 20 min", "3 t 20 min");
        check(48 * 3600, "2 d", "2 d");
        check(52 * 3600, "2 d 4 h", "2 d 4 t");
    }

    #[test]
    fn lists_say_what_they_leave_out() {
        let names: Vec<String> = ["a", "b", "c"].map(str::to_owned).into();
        let check = |total, max, en: &str, da: &str| {
            assert_eq!(page(Language::En).names(&names, total, max), en);
            assert_eq!(page(Language::Da).names(&names, total, max), da);
        };
        check(3, 6, "a, b, c", "a, b, c");
        check(0, 6, "a, b, c", "a, b, c");
        check(9, 6, "a, b, c ... and 6 more", "a, b, c ... og 6 mere");
        check(9, 2, "a, b ... and 7 more", "a, b ... og 7 mere");
        check(9, 0, "9", "9");
    }
}
