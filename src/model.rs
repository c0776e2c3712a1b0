//! The nouns of the glossary: ids, times, labels, events, and the HTTP values that adapters speak.
//!
//! Floor 0: everything may use this file, it uses nothing of ours. Types that are written to disk derive
//! `Serialize`/`Deserialize`; those reachable from a record are frozen by `record.rs`.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// A moment, or a span between two moments, in milliseconds. Moments count from 1970-01-01T00:00:00Z.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Millis(pub i64);

impl Millis {
    /// A span of `n` seconds.
    pub const fn secs(n: i64) -> Millis {
        Millis(n.saturating_mul(1000))
    }
    /// A span of `n` minutes.
    pub const fn mins(n: i64) -> Millis {
        Millis::secs(n.saturating_mul(60))
    }
    /// This moment moved later by `span`; stops at the largest value.
    pub const fn plus(self, span: Millis) -> Millis {
        Millis(self.0.saturating_add(span.0))
    }
    /// The span from `earlier` to this moment; negative when `earlier` is later.
    pub const fn since(self, earlier: Millis) -> Millis {
        Millis(self.0.saturating_sub(earlier.0))
    }
    /// RFC 3339 in UTC with milliseconds: the form of logs and of the API. A moment outside years 1 to 9999
    /// is shown as its plain number.
    pub fn rfc3339(self) -> String {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(t) => t.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string(),
            Err(_) => self.0.to_string(),
        }
    }
}

/// Number of an entry in the log; the first entry is 1, 0 means "before the first".
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Seq(pub u64);

impl Seq {
    /// The next number.
    pub const fn next(self) -> Seq {
        Seq(self.0.saturating_add(1))
    }
}

/// A CI's number: handed out once per CI id by the engine in the order of the log, never used again.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct CiId(pub u32);

/// An alert's number: a counter in the engine's state.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct AlertId(pub u64);

/// An incident's number: a counter in the engine's state. Shown as `I000123`.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct IncidentId(pub u64);

impl fmt::Display for IncidentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "I{:06}", self.0)
    }
}

impl std::str::FromStr for IncidentId {
    type Err = String;
    /// Accepts `I000123`, `i123` and `123`.
    fn from_str(s: &str) -> Result<IncidentId, String> {
        let digits = s.strip_prefix(['I', 'i']).unwrap_or(s);
        digits
            .parse()
            .map(IncidentId)
            .map_err(|_| format!("{s:?} is no incident id; it looks like I000123"))
    }
}

/// A delivery's number: a counter in the engine's state.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct DeliveryId(pub u64);

/// 128-bit identity of an alert: SHA-256 over scope and sorted identifying labels, cut to 16 bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fingerprint(pub [u8; 16]);

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::str::FromStr for Fingerprint {
    type Err = String;
    fn from_str(s: &str) -> Result<Fingerprint, String> {
        let bad = || format!("{s:?} is no fingerprint; it is 32 hexadecimal digits");
        if s.len() != 32 || !s.is_ascii() {
            return Err(bad());
        }
        let number = u128::from_str_radix(s, 16).map_err(|_| bad())?;
        Ok(Fingerprint(number.to_be_bytes()))
    }
}

/// How bad an alert is. The order is from worst to least, so `min` is the worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names are the meaning")]
pub enum Severity {
    Critical,
    Major,
    Minor,
    Warning,
    Info,
}

impl Severity {
    /// Every severity, worst first.
    pub const ALL: [Severity; 5] = [
        Severity::Critical,
        Severity::Major,
        Severity::Minor,
        Severity::Warning,
        Severity::Info,
    ];
    /// The word of the glossary.
    pub const fn word(self) -> &'static str {
        match self {
            Severity::Critical => "critical",
            Severity::Major => "major",
            Severity::Minor => "minor",
            Severity::Warning => "warning",
            Severity::Info => "info",
        }
    }
    /// The severity with this glossary word.
    pub fn from_word(word: &str) -> Option<Severity> {
        Severity::ALL.into_iter().find(|s| s.word() == word)
    }
}

/// Priority of an incident by the ITIL matrix, P1 the most urgent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names are the meaning")]
pub enum Priority {
    P1,
    P2,
    P3,
    P4,
}

impl Priority {
    /// `P1` to `P4`.
    pub const fn word(self) -> &'static str {
        match self {
            Priority::P1 => "P1",
            Priority::P2 => "P2",
            Priority::P3 => "P3",
            Priority::P4 => "P4",
        }
    }
}

/// Names and values, sorted by name, one value per name. Used for labels and for annotations.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Labels(Vec<(Arc<str>, Arc<str>)>);

impl Labels {
    /// No labels.
    pub fn new() -> Labels {
        Labels::default()
    }
    /// The value of `name`.
    pub fn get(&self, name: &str) -> Option<&str> {
        let at = self.0.binary_search_by(|(n, _)| (**n).cmp(name)).ok()?;
        self.0.get(at).map(|(_, v)| &**v)
    }
    /// Sets `name` to `value`, replacing an earlier value.
    pub fn set(&mut self, name: &str, value: &str) {
        match self.0.binary_search_by(|(n, _)| (**n).cmp(name)) {
            Ok(at) => {
                if let Some(slot) = self.0.get_mut(at) {
                    slot.1 = value.into();
                }
            }
            Err(at) => self.0.insert(at, (name.into(), value.into())),
        }
    }
    /// Every name with its value, in the order of the names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(n, v)| (&**n, &**v))
    }
    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<N: AsRef<str>, V: AsRef<str>> FromIterator<(N, V)> for Labels {
    /// The last value of a name wins.
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Labels {
        let mut all: Vec<(Arc<str>, Arc<str>)> = pairs
            .into_iter()
            .map(|(n, v)| (n.as_ref().into(), v.as_ref().into()))
            .collect();
        all.sort_by(|a, b| a.0.cmp(&b.0)); // stable: equal names keep their order
        all.reverse();
        all.dedup_by(|a, b| a.0 == b.0); // keeps the first of the reversed run: the last given
        all.reverse();
        Labels(all)
    }
}

/// What an event says about its alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventState {
    /// The condition holds.
    Firing,
    /// The condition is over.
    Resolved,
    /// Told for information (a downtime begins, a comment): changes no alert.
    Note,
    /// A person has taken the alert in the source.
    Acknowledged,
    /// The sender says that it stops; its silence afterwards says nothing.
    SourceStopped,
    /// A test message: answered kindly, counted, changes nothing.
    Test,
}

/// One normalised message from a source: facts as sent, no decisions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Firing, resolved, ...
    pub state: EventState,
    /// All labels, as sent and cleaned; which of them identify is a rule.
    pub labels: Labels,
    /// Text for people; never part of the identity.
    pub annotations: Labels,
    /// The source's own word for the severity, lower case, empty if it sent none.
    pub severity_word: String,
    /// Which firing of the alert this is: grows from firing to firing (`startsAt` in ms, ...).
    pub episode: i64,
    /// A resolved event closes all episodes up to this one; a firing event of a closed episode is late and
    /// changes nothing. Sources with coarse time set it just below `episode`, so that a new problem in the
    /// same second is not lost. Equal to `episode` in events that do not resolve.
    pub closes: i64,
    /// When the condition began, by the source's clock.
    pub starts_at: Option<Millis>,
    /// The alert is over at this moment if no further event arrives. In an event that resolves: when it was over, by
    /// the source's clock.
    pub valid_until: Option<Millis>,
    /// Who sent it, where several senders report the same alert (two Prometheus of a pair); else empty.
    /// The alert is over when every sender that fired has resolved.
    pub sender: String,
    /// Link to the condition in the source, or empty.
    pub link: String,
}

/// An HTTP request for a tool. Holds a path, never a host: the daemon adds the address and the credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// `GET`, `POST`, `PUT`, ...
    pub method: &'static str,
    /// Below the target's base URL, without a leading slash, already percent-encoded.
    pub path: String,
    /// Query parameters, not yet encoded.
    pub query: Vec<(String, String)>,
    /// Header names and values beside those the daemon sets.
    pub headers: Vec<(String, String)>,
    /// The body; empty for none.
    pub body: Vec<u8>,
    /// Whether executing it changes something in the tool.
    pub writes: bool,
}

/// A tool's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// HTTP status.
    pub status: u16,
    /// Header names in lower case, and values.
    pub headers: Vec<(String, String)>,
    /// The body, at most 4 MiB.
    pub body: Vec<u8>,
    /// When it arrived; what a relative `Retry-After` counts from.
    pub at: Millis,
}

impl Response {
    /// The value of a header, by lower-case name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, v)| v.as_str())
    }
}

/// Cuts `text` to at most `max` bytes at a character border and ends it with "..." when something was cut.
pub fn cut(text: &str, max: usize) -> String {
    if text.len() <= max {
        return text.to_owned();
    }
    let mut end = max.saturating_sub(3);
    while end > 0 && !text.is_char_boundary(end) {
        end = end.saturating_sub(1);
    }
    format!("{}...", text.get(..end).unwrap_or_default())
}

/// The same with every control character as a blank: what somebody typed stays one line of a log.
pub fn one_line(text: &str, max: usize) -> String {
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    cut(&text.chars().map(plain).collect::<String>(), max)
}

/// What became of an event: exactly one word for each, so that the counters add up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// A new alert, or a new firing of one that was over.
    Fired,
    /// A live alert with another severity or episode.
    Changed,
    /// The alert is over.
    Resolved,
    /// It fires again within the time in which it returns to its incident.
    Reopened,
    /// Adds only to the count.
    Repeated,
    /// A person has taken it in the source.
    Acknowledged,
    /// Told for information only.
    Noted,
    /// A sign of life of the source.
    Heartbeat,
    /// A test message.
    Test,
    /// A late event of an episode that is closed.
    Late,
    /// A recovery of an alert that is not known, or is over already.
    Unmatched,
    /// Left out on purpose (SOFT states).
    Ignored,
}

impl Outcome {
    /// Every outcome.
    pub const ALL: [Outcome; 12] = [
        Outcome::Fired,
        Outcome::Changed,
        Outcome::Resolved,
        Outcome::Reopened,
        Outcome::Repeated,
        Outcome::Acknowledged,
        Outcome::Noted,
        Outcome::Heartbeat,
        Outcome::Test,
        Outcome::Late,
        Outcome::Unmatched,
        Outcome::Ignored,
    ];
    /// The word of metrics and answers.
    pub const fn word(self) -> &'static str {
        match self {
            Outcome::Fired => "fired",
            Outcome::Changed => "changed",
            Outcome::Resolved => "resolved",
            Outcome::Reopened => "reopened",
            Outcome::Repeated => "repeated",
            Outcome::Acknowledged => "acknowledged",
            Outcome::Noted => "noted",
            Outcome::Heartbeat => "heartbeat",
            Outcome::Test => "test",
            Outcome::Late => "late",
            Outcome::Unmatched => "unmatched",
            Outcome::Ignored => "ignored",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_sorted_and_the_last_value_wins() {
        let labels: Labels = [("b", "1"), ("a", "2"), ("b", "3")].into_iter().collect();
        assert_eq!(labels.iter().collect::<Vec<_>>(), [("a", "2"), ("b", "3")]);
        assert_eq!(labels.get("b"), Some("3"));
        assert_eq!(labels.get("c"), None);
    }

    #[test]
    fn ids_read_what_they_print() {
        assert_eq!(IncidentId(123).to_string(), "I000123");
        assert_eq!("I000123".parse(), Ok(IncidentId(123)));
        let fingerprint = Fingerprint([0xab; 16]);
        assert_eq!(fingerprint.to_string().parse(), Ok(fingerprint));
        assert!(
            "+bababababababababababababababa"
                .parse::<Fingerprint>()
                .is_err()
        );
    }

    #[test]
    fn cut_stops_at_a_character() {
        assert_eq!(cut("abc", 3), "abc");
        assert_eq!(cut("ååååå", 6), "å...");
    }
}
