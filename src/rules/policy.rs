//! Rules about when an incident may have a ticket, whose it is, and what counts as one condition.

use crate::model::{Millis, Severity};
use regex::Regex;
use serde::{Deserialize, Serialize};

/// `[[suppress.inhibit]]`: while an alert of `source` fires, alerts of `target` open no ticket.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct InhibitRule {
    /// Name, as it appears in views.
    pub name: String,
    /// What the alert that inhibits looks like; all must match.
    pub source: Vec<Matcher>,
    /// What is inhibited; all must match.
    pub target: Vec<Matcher>,
    /// Labels that must have the same value in both; a label that is missing in both is the same.
    pub equal: Vec<String>,
}

/// What a label must be. Besides labels there are `source`, `severity` and `ci`, where no label has that name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Matcher {
    /// The label; missing is the same as empty.
    pub label: String,
    /// How it is compared.
    pub op: MatchOp,
    /// With what; expressions match wholly.
    pub value: String,
}

/// How a label is compared, as in Alertmanager.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum MatchOp {
    /// `=`
    #[serde(rename = "=")]
    Is,
    /// `!=`
    #[serde(rename = "!=")]
    IsNot,
    /// `=~`
    #[serde(rename = "=~")]
    Matches,
    /// `!~`
    #[serde(rename = "!~")]
    MatchesNot,
}

impl Matcher {
    /// Reads `label="value"`, with `=`, `!=`, `=~` or `!~`; the quotes may be left out.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Matcher, String> {
        let bad = || {
            format!(
                "{text:?} is no matcher; write it like 'alertname=\"HostDown\"', with =, !=, =~ or !~"
            )
        };
        let at = text.find(['=', '!']).ok_or_else(bad)?;
        let (label, rest) = text.split_at(at);
        let (op, value) = [
            ("=~", MatchOp::Matches),
            ("!~", MatchOp::MatchesNot),
            ("!=", MatchOp::IsNot),
            ("=", MatchOp::Is),
        ]
        .into_iter()
        .find_map(|(word, op)| Some((op, rest.strip_prefix(word)?)))
        .ok_or_else(bad)?;
        let (label, value) = (label.trim(), value.trim());
        if label.is_empty() || label.contains(['"', '\'', ' ']) {
            return Err(bad());
        }
        let value = match value.strip_prefix('"') {
            Some(rest) => rest
                .strip_suffix('"')
                .ok_or_else(bad)?
                .replace("\\\"", "\""),
            None => value.to_owned(),
        };
        let matcher = Matcher {
            label: label.to_owned(),
            op,
            value,
        };
        matcher.compile()?;
        Ok(matcher)
    }

    /// Its expression, anchored at both ends.
    ///
    /// # Errors
    /// An expression that does not compile.
    pub fn compile(&self) -> Result<Option<Regex>, String> {
        match self.op {
            MatchOp::Is | MatchOp::IsNot => Ok(None),
            MatchOp::Matches | MatchOp::MatchesNot => {
                let why = |e: regex::Error| {
                    let all = e.to_string();
                    let last = all.lines().last().unwrap_or_default().trim();
                    format!("not a regular expression: {last}")
                };
                Regex::new(&format!("^(?:{})$", self.value))
                    .map(Some)
                    .map_err(why)
            }
        }
    }

    /// Whether a value fits; `regex` is the compiled form.
    pub fn fits(&self, regex: Option<&Regex>, value: &str) -> bool {
        let found = || regex.is_some_and(|r| r.is_match(value));
        match self.op {
            MatchOp::Is => self.value == value,
            MatchOp::IsNot => self.value != value,
            MatchOp::Matches => found(),
            MatchOp::MatchesNot => !found(),
        }
    }
}

/// The expressions of an inhibition rule, in the order of its matchers.
#[derive(Clone, Debug, Default)]
pub struct CompiledInhibit {
    /// Of `source`.
    pub source: Vec<Option<Regex>>,
    /// Of `target`.
    pub target: Vec<Option<Regex>>,
}

impl InhibitRule {
    /// Compiles the expressions.
    ///
    /// # Errors
    /// An expression that does not compile.
    pub fn compile(&self) -> Result<CompiledInhibit, String> {
        let all = |list: &[Matcher], what: &str| {
            list.iter()
                .map(Matcher::compile)
                .collect::<Result<Vec<_>, _>>()
                .map_err(|e| format!("suppress.inhibit {:?}: {what}: {e}", self.name))
        };
        Ok(CompiledInhibit {
            source: all(&self.source, "source")?,
            target: all(&self.target, "target")?,
        })
    }
}

/// When an alert comes and goes too often to be believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Flapping {
    /// So many changes between firing and over ...
    pub changes: u32,
    /// ... within this time: the alert flaps, and counts as firing ...
    pub within: Millis,
    /// ... until it has not changed for so long.
    pub quiet: Millis,
    /// So many incidents of one alert in a day make it chronic.
    pub chronic: u32,
}

impl Default for Flapping {
    fn default() -> Flapping {
        Flapping {
            changes: 5,
            within: Millis::mins(20),
            quiet: Millis::mins(10),
            chronic: 6,
        }
    }
}

/// `[[correlate.label_rule]]`: alerts without a CI that agree in these labels are one incident.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LabelRule {
    /// Name, as it appears in explanations.
    pub name: String,
    /// The labels; of several in one entry the first that an alert has.
    pub labels: Vec<Vec<String>>,
    /// Of so many hosts ...
    pub least: u32,
    /// ... within this time.
    pub within: Millis,
}

impl LabelRule {
    /// Alerts remembered per rule and values.
    pub const MAX_ALERTS: usize = 256;
}

impl Default for LabelRule {
    fn default() -> LabelRule {
        let words = |list: &[&str]| list.iter().map(|w| (*w).to_owned()).collect();
        LabelRule {
            name: "same-name-and-site".to_owned(),
            labels: vec![
                words(&["alertname", "service"]),
                words(&["site", "cluster"]),
            ],
            least: 3,
            within: Millis::secs(120),
        }
    }
}

/// When so much begins that the lesser incidents wait longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StormRule {
    /// More new alerts than this in a minute are a storm.
    pub per_minute: u32,
    /// By how much it lengthens the holds of P3 and P4.
    pub hold: Millis,
}

impl Default for StormRule {
    fn default() -> StormRule {
        StormRule {
            per_minute: 200,
            hold: Millis::mins(10),
        }
    }
}

/// What becomes of a resolved ticket whose incident is not over, or fires again in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ReopenRules {
    /// If we resolved it.
    pub ours: Reopen,
    /// If a person did.
    pub persons: Reopen,
    /// How long a person's resolve stands before it is opposed.
    pub persons_after: Millis,
}

impl Default for ReopenRules {
    fn default() -> ReopenRules {
        ReopenRules {
            ours: Reopen::Reopen,
            persons: Reopen::Reopen,
            persons_after: Millis::mins(10),
        }
    }
}

/// See [`ReopenRules`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reopen {
    /// The ticket is opened again, where the tool can; else a new one follows.
    Reopen,
    /// A new ticket follows.
    New,
    /// Only a note.
    Note,
}

/// `notes` of `[ticket]`: how much tickets are told in notes. What is severe is told in each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Notes {
    /// Cause, recovery, return, what people did, and severe alerts that a person would else not hear of.
    Quiet,
    /// Turning points, within the caps.
    #[default]
    Calm,
    /// Also each time that more CIs alert, at most once a minute.
    Verbose,
}

/// `[[ticket.route]]`: whose tickets they are, and in which tools. The first rule that fits and names a group
/// wins, and the first that fits and names targets; what is not set fits all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RouteRule {
    /// Name, as it appears in explanations.
    pub name: String,
    /// Class of the CI that the ticket is about.
    pub class: Option<String>,
    /// Its site.
    pub site: Option<String>,
    /// A service that does not work.
    pub service: Option<String>,
    /// At least so severe.
    pub severity: Option<Severity>,
    /// A source of its alerts.
    pub source: Option<String>,
    /// The group; empty names none.
    pub group: String,
    /// The targets that get a ticket; empty names none.
    pub targets: Vec<String>,
}

/// `[[inform]]`: who else is told of an incident. What is not set fits all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct InformRule {
    /// Name, as it appears in the log.
    pub name: String,
    /// The owner, as the CMDB names the group of a service.
    pub owner: Option<String>,
    /// A service that does not work.
    pub service: Option<String>,
    /// A note in the ticket.
    pub note: bool,
    /// Mail addresses on the watch list of the ticket.
    pub watch: Vec<String>,
    /// Targets with a message or ticket of its own.
    pub targets: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matchers_read_as_in_alertmanager() {
        let check = |text: &str, value: &str, fits: Option<bool>| {
            let found = Matcher::parse(text).ok().map(|m| {
                let regex = m.compile().unwrap();
                m.fits(regex.as_ref(), value)
            });
            assert_eq!(found, fits, "{text} on {value:?}");
        };
        check("alertname=\"Down\"", "Down", Some(true));
        check("alertname = Down", "Downs", Some(false));
        check("alertname!=Down", "", Some(true));
        check("a=~\"x|y\"", "y", Some(true));
        check("a=~\"x|y\"", "xy", Some(false));
        check("a!~\"x.*\"", "xy", Some(false));
        check("a=\"\"", "", Some(true));
        check("a=\"b=\\\"c\\\"\"", "b=\"c\"", Some(true));
        check("a=~\"(\"", "", None);
        check("a", "", None);
        check("=x", "", None);
        check("a!x", "", None);
        check("a=\"x", "", None);
    }
}
