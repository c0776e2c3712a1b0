//! `[[suppress.window]]` and `[[ticket.calendar]]`: what is planned in local time, and its expansion into
//! moments.
//!
//! Time zones are an outside fact that changes; the log holds only moments, so that a replay does not need
//! them. A time that does not exist (the clock is put forward) is the next that does; of one that exists twice
//! the longer reading counts: a window covers both.

use super::keys::{Key, Settings};
use super::plumbing::tables_of;
use super::tables;
use super::walk::{Walk, hint, join};
use crate::model::Millis;
use crate::record::{HoursV1, MaintenanceV1, Record, SpanV1};
use jiff::civil::{Date, DateTime, Time, Weekday};
use jiff::tz::{AmbiguousOffset, TimeZone, TimeZoneDatabase};
use jiff::{SignedDuration, Timestamp, ToSpan};
use std::ops::Range;
use toml::de::{DeTable, DeValue};

/// How far ahead windows and calendars are expanded.
pub const AHEAD: Millis = Millis::mins(60 * 24 * 60);
/// Names of windows of the configuration begin with this in the log; people's windows must not.
pub const OF_CONFIG: &str = "config/";

const DAYS: [(&str, Weekday); 7] = [
    ("mon", Weekday::Monday),
    ("tue", Weekday::Tuesday),
    ("wed", Weekday::Wednesday),
    ("thu", Weekday::Thursday),
    ("fri", Weekday::Friday),
    ("sat", Weekday::Saturday),
    ("sun", Weekday::Sunday),
];

/// A maintenance window of the configuration.
#[derive(Clone, Debug)]
pub struct WindowConf {
    /// Its name.
    pub name: String,
    /// Its CIs.
    pub cis: Vec<String>,
    /// What needs them is in it too.
    pub include_dependents: bool,
    zone: TimeZone,
    when: When,
    duration: SignedDuration,
}

#[derive(Clone, Debug)]
enum When {
    Once(DateTime),
    Weekly(Vec<Weekday>, Time),
}

/// Hours of service.
#[derive(Clone, Debug)]
pub struct CalendarConf {
    /// Its name.
    pub name: String,
    zone: TimeZone,
    weekdays: Vec<Weekday>,
    from: Time,
    to: Time,
    holidays: Vec<Date>,
}

/// The tables of a section with their settings.
pub(super) fn inner<'a, 'b>(
    walk: &mut Walk<'_>,
    table: &'a DeTable<'b>,
    section: &str,
    name: &str,
) -> Vec<(String, Range<usize>, &'a DeTable<'b>, Settings)> {
    let Some(DeValue::Table(of)) = table.get(section).map(|v| v.get_ref()) else {
        return Vec::new();
    };
    let keys = tables::INNER
        .iter()
        .find(|(s, n, _)| *s == section && *n == name);
    let keys: Vec<&'static Key> = keys.map(|k| k.2.iter().collect()).unwrap_or_default();
    let mut out = Vec::new();
    for (path, at, one) in tables_of(walk, of, name) {
        let path = join(section, &path);
        let s = walk.table(one, at.clone(), &path, &keys, &[]);
        out.push((path, at, one, s));
    }
    out
}

/// Reads `name` as `T`; `like` shows how it is written.
fn read<T: std::str::FromStr>(
    walk: &mut Walk<'_>,
    table: &DeTable<'_>,
    path: &str,
    (name, text): (&str, &str),
    like: &str,
) -> Option<T> {
    let found = text.parse().ok();
    if found.is_none() && !text.is_empty() {
        let at = table.get(name).map(|v| v.span()).unwrap_or(0..0);
        let message = format!("{text:?} must be written like \"{like}\"");
        walk.problem(at, &join(path, name), message);
    }
    found
}

fn weekdays(walk: &mut Walk<'_>, table: &DeTable<'_>, path: &str, list: &[String]) -> Vec<Weekday> {
    let names = DAYS.map(|(n, _)| n);
    let at = table.get("weekdays").map(|v| v.span()).unwrap_or(0..0);
    let mut out = Vec::new();
    for word in list {
        match DAYS.iter().find(|(n, _)| n == word) {
            Some((_, day)) => out.push(*day),
            None => {
                let message = format!("{word:?} is no day{}", hint(word, &names));
                walk.problem(at.clone(), &join(path, "weekdays"), message);
            }
        }
    }
    out
}

fn zone(s: &Settings) -> TimeZone {
    let found = TimeZoneDatabase::bundled().get(s.text("zone"));
    found.unwrap_or(TimeZone::UTC) // an unknown one is a problem already
}

pub(super) fn windows(walk: &mut Walk<'_>, table: &DeTable<'_>) -> Vec<WindowConf> {
    let mut out: Vec<WindowConf> = Vec::new();
    for (path, at, one, s) in inner(walk, table, "suppress", "window") {
        let days = weekdays(walk, one, &path, s.list("weekdays"));
        let from = ("from", s.text("from"));
        let once = read::<DateTime>(walk, one, &path, from, "2026-11-28T22:00");
        let time = read::<Time>(walk, one, &path, ("time", s.text("time")), "02:00");
        let given = |name: &str| one.get(name).is_some();
        if given("from") == (given("weekdays") || given("time"))
            || given("weekdays") != given("time")
        {
            let message = "say when: from, or weekdays and time".to_owned();
            walk.problem(at.clone(), &path, message);
        }
        if out.iter().any(|w| w.name == s.text("name")) {
            let message = format!("{:?} is used twice", s.text("name"));
            walk.problem(at.clone(), &join(&path, "name"), message);
        }
        let when = match (once, time) {
            (Some(once), _) => When::Once(once),
            (None, Some(time)) => When::Weekly(days, time),
            (None, None) => continue,
        };
        out.push(WindowConf {
            name: s.text("name").to_owned(),
            cis: s.list("cis").to_vec(),
            include_dependents: s.bool("include_dependents"),
            zone: zone(&s),
            when,
            duration: SignedDuration::from_millis(s.duration("duration").0),
        });
    }
    out
}

pub(super) fn calendars(walk: &mut Walk<'_>, table: &DeTable<'_>) -> Vec<CalendarConf> {
    let mut out: Vec<CalendarConf> = Vec::new();
    for (path, at, one, s) in inner(walk, table, "ticket", "calendar") {
        let name = s.text("name");
        if out.iter().any(|c| c.name == name) {
            let message = format!("{name:?} is used twice");
            walk.problem(at, &join(&path, "name"), message);
        }
        let days = weekdays(walk, one, &path, s.list("weekdays"));
        let from = read::<Time>(walk, one, &path, ("from", s.text("from")), "08:00");
        let to = match s.text("to") {
            "24:00" => Some(Time::midnight()),
            to => read::<Time>(walk, one, &path, ("to", to), "16:00"),
        };
        let mut holidays = Vec::new();
        for day in s.list("holidays") {
            holidays.extend(read::<Date>(
                walk,
                one,
                &path,
                ("holidays", day),
                "2026-12-25",
            ));
        }
        let (Some(from), Some(to)) = (from, to) else {
            continue;
        };
        out.push(CalendarConf {
            name: name.to_owned(),
            zone: zone(&s),
            weekdays: days,
            from,
            to,
            holidays,
        });
    }
    out
}

/// The first and the last moment at which the clocks of a zone show a time. One that they never show is the
/// next that they do.
fn moments(zone: &TimeZone, local: DateTime) -> Option<(Timestamp, Timestamp)> {
    let found = zone.to_ambiguous_timestamp(local);
    match found.offset() {
        AmbiguousOffset::Unambiguous { .. } => {
            let at = found.unambiguous().ok()?;
            Some((at, at))
        }
        AmbiguousOffset::Fold { .. } => Some((found.earlier().ok()?, found.later().ok()?)),
        AmbiguousOffset::Gap { .. } => {
            let before = found.earlier().ok()?;
            let at = zone.following(before).next()?.timestamp();
            Some((at, at))
        }
    }
}

/// The longest of what a local time and a duration can mean.
fn interval(zone: &TimeZone, local: DateTime, long: SignedDuration) -> Option<(Millis, Millis)> {
    let (first, last) = moments(zone, local)?;
    let by_clock = local.checked_add(long).ok()?;
    let (_, by_clock) = moments(zone, by_clock)?;
    let to = last.checked_add(long).ok()?.max(by_clock);
    Some((Millis(first.as_millisecond()), Millis(to.as_millisecond())))
}

/// The local dates from a day before `now` to [`AHEAD`].
fn dates(zone: &TimeZone, now: Millis, back: SignedDuration) -> Vec<Date> {
    let moment = |at: Millis| Timestamp::from_millisecond(at.0).ok();
    let begin = moment(now).and_then(|t| t.checked_sub(back).ok());
    let (Some(begin), Some(end)) = (begin, moment(now.plus(AHEAD))) else {
        return Vec::new();
    };
    let begin = begin.to_zoned(zone.clone()).date();
    let end = end.to_zoned(zone.clone()).date();
    let begin = begin.yesterday().unwrap_or(begin);
    begin
        .series(1.day())
        .take_while(|day| *day <= end)
        .collect()
}

impl WindowConf {
    /// It is to be on some days of the week, and none is named.
    pub fn has_no_day(&self) -> bool {
        matches!(&self.when, When::Weekly(days, _) if days.is_empty())
    }

    /// It ends when it begins.
    pub fn lasts_no_time(&self) -> bool {
        self.duration.is_zero()
    }

    /// It was to be once, and that is past.
    pub fn is_over(&self, now: Millis) -> bool {
        match &self.when {
            When::Once(at) => interval(&self.zone, *at, self.duration).is_some_and(|i| i.1 <= now),
            When::Weekly(..) => false,
        }
    }

    /// Its intervals that are not over and begin within [`AHEAD`].
    pub fn intervals(&self, now: Millis) -> Vec<(Millis, Millis)> {
        let starts: Vec<DateTime> = match &self.when {
            When::Once(at) => vec![*at],
            When::Weekly(days, time) => dates(&self.zone, now, self.duration)
                .into_iter()
                .filter(|day| days.contains(&day.weekday()))
                .map(|day| day.to_datetime(*time))
                .collect(),
        };
        let all = starts
            .into_iter()
            .filter_map(|at| interval(&self.zone, at, self.duration));
        all.filter(|(from, to)| *to > now && *from <= now.plus(AHEAD))
            .collect()
    }
}

impl CalendarConf {
    /// Its days of service are none.
    pub fn has_no_day(&self) -> bool {
        self.weekdays.is_empty()
    }

    /// When there is service, from now to [`AHEAD`].
    pub fn spans(&self, now: Millis) -> Vec<(Millis, Millis)> {
        let mut out: Vec<(Millis, Millis)> = Vec::new();
        for day in dates(&self.zone, now, SignedDuration::ZERO) {
            if !self.weekdays.contains(&day.weekday()) || self.holidays.contains(&day) {
                continue;
            }
            let end = match self.to > self.from {
                true => Some(day),
                false => day.tomorrow().ok(),
            };
            let end = end.and_then(|d| moments(&self.zone, d.to_datetime(self.to)));
            let begin = moments(&self.zone, day.to_datetime(self.from));
            let (Some((from, _)), Some((_, to))) = (begin, end) else {
                continue;
            };
            let (from, to) = (Millis(from.as_millisecond()), Millis(to.as_millisecond()));
            match out.last_mut() {
                Some(last) if last.1 >= from => last.1 = last.1.max(to),
                Some(_) | None => out.push((from, to)),
            }
        }
        out.retain(|(_, to)| *to > now);
        out
    }
}

/// What the log shall know from now to [`AHEAD`]: a window per CI and interval, the hours of each calendar.
/// The same plan gives the same names.
pub fn records(windows: &[WindowConf], calendars: &[CalendarConf], now: Millis) -> Vec<Record> {
    let mut out = Vec::new();
    for window in windows {
        for (from, to) in window.intervals(now) {
            for ci in &window.cis {
                out.push(Record::Maintenance(MaintenanceV1 {
                    id: format!("{OF_CONFIG}{}/{ci}/{}", window.name, from.rfc3339()),
                    ci: ci.clone(),
                    from,
                    to,
                    include_dependents: window.include_dependents,
                }));
            }
        }
    }
    for calendar in calendars {
        let spans = calendar.spans(now).into_iter();
        out.push(Record::Hours(HoursV1 {
            name: calendar.name.clone(),
            spans: spans.map(|(from, to)| SpanV1 { from, to }).collect(),
            until: now.plus(AHEAD),
        }));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(text: &str, now: &str) -> Vec<String> {
        let text = format!(
            "[[source]]\nname = \"a\"\nkind = \"nagios\"\n[[suppress.window]]\nname = \"w\"\ncis = [\"x\"]\n\
             zone = \"Europe/Copenhagen\"\n{text}"
        );
        let config = super::super::load(&text, "").unwrap();
        let now: Timestamp = now.parse().unwrap();
        let of = config.plumbing.windows[0].intervals(Millis(now.as_millisecond()));
        let show = |(a, b): &(Millis, Millis)| format!("{} {}", a.rfc3339(), b.rfc3339());
        of.iter()
            .map(show)
            .map(|s| s.replace(":00.000Z", "Z"))
            .collect()
    }

    #[test]
    fn windows_follow_the_clocks_of_their_zone() {
        let weekly = "weekdays = [\"sun\"]\ntime = \"02:30\"\nduration = \"1h\"";
        // 02:30 does not exist on 28 March 2027: 03:00 does.
        let spring = window(weekly, "2027-03-20T00:00:00Z");
        assert_eq!(spring[0], "2027-03-21T01:30Z 2027-03-21T02:30Z");
        assert_eq!(spring[1], "2027-03-28T01:00Z 2027-03-28T02:00Z");
        assert_eq!(spring[2], "2027-04-04T00:30Z 2027-04-04T01:30Z");
        assert_eq!(spring.len(), 9);
        // It exists twice on 25 October 2026: from the first to an hour after the second.
        let autumn = window(weekly, "2026-10-24T00:00:00Z");
        assert_eq!(autumn[0], "2026-10-25T00:30Z 2026-10-25T02:30Z");
        // The end may exist twice, too.
        let end = "weekdays = [\"sun\"]\ntime = \"01:30\"\nduration = \"1h\"";
        let end = window(end, "2026-10-24T00:00:00Z");
        assert_eq!(end[0], "2026-10-24T23:30Z 2026-10-25T01:30Z");
    }

    #[test]
    fn a_window_that_has_begun_is_there() {
        let once = "from = \"2026-11-22T01:00\"\nduration = \"2h\"";
        let one = ["2026-11-22T00:00Z 2026-11-22T02:00Z"];
        assert_eq!(window(once, "2026-11-22T01:59:00Z"), one);
        assert_eq!(window(once, "2026-11-22T02:00:00Z"), [""; 0]);
        let daily = "weekdays = [\"sat\"]\ntime = \"23:00\"\nduration = \"26h\"";
        let daily = window(daily, "2026-11-22T20:00:00Z");
        assert_eq!(daily[0], "2026-11-21T22:00Z 2026-11-23T00:00Z");
    }

    #[test]
    fn calendars_leave_out_holidays() {
        let text = "[[source]]\nname = \"a\"\nkind = \"nagios\"\n[[ticket.calendar]]\nname = \"office\"\n\
            zone = \"Europe/Copenhagen\"\nholidays = [\"2026-11-24\"]";
        let config = super::super::load(text, "").unwrap();
        let now: Timestamp = "2026-11-20T14:00:00Z".parse().unwrap();
        let spans = config.plumbing.calendars[0].spans(Millis(now.as_millisecond()));
        let days: Vec<String> = spans.iter().map(|(a, _)| a.rfc3339()).collect();
        let days: Vec<&str> = days.iter().map(|d| &d[5..16]).collect();
        assert_eq!(days[..3], ["11-20T07:00", "11-23T07:00", "11-25T07:00"]);
        assert_eq!(spans[0].1.since(spans[0].0), Millis::mins(8 * 60));
    }
}
