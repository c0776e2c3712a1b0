//! The rules: everything that decides, in one value whose canonical text goes into the log.
//!
//! [`RulesText`] is plain data (JSON in the log, so that an old log stays readable); [`Rules`] is the same,
//! compiled. Addresses, paths, credentials and mappings are plumbing and never come here.

mod policy;
mod relation;

pub use policy::{
    CompiledInhibit, Flapping, InformRule, InhibitRule, LabelRule, MatchOp, Matcher, Notes, Reopen,
    ReopenRules, RouteRule, StormRule,
};
pub use relation::{ALL_PEERS, Carries, NEIGHBOUR, RelationRule};

use crate::model::{Millis, Severity};
use regex::Regex;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// All rules as data. Field order is the canonical order; every list keeps the order of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RulesText {
    /// `[identity]`
    pub identity: Identity,
    /// `[bind]`
    pub bind: Vec<BindRule>,
    /// Domains that are taken off host names before they are looked up (`corp.example`).
    pub domains: Vec<String>,
    /// `[suppress]`
    pub suppress: Suppress,
    /// `[correlate]`
    pub correlate: Correlate,
    /// `[priority]`
    pub priority: PriorityRules,
    /// `[ticket]`
    pub ticket: Ticket,
    /// What decides about each `[[itsm]]`, by its name.
    pub targets: BTreeMap<String, Target>,
    /// `expect_every` of each `[[source]]` that sets it.
    pub expect_every: BTreeMap<String, Millis>,
    /// `[[inform]]`
    pub inform: Vec<InformRule>,
}

/// How labels become an identity, and words a severity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Identity {
    /// Labels that never identify an alert.
    pub ignored_labels: Vec<String>,
    /// Severity of a source's word; an unknown word is a warning, an empty one too.
    pub severity: BTreeMap<String, Severity>,
    /// Alert names that are heartbeats of their source: firing is good, absence is the alert.
    pub heartbeats: Vec<String>,
    /// Alert names that say nothing of their own (InfoInhibitor) and are only noted.
    pub noted: Vec<String>,
    /// How long a source may be quiet before its expiring alerts count as over again rather than stale.
    pub stale_for: Millis,
    /// Grace after a start or a gap in which no alert expires.
    pub grace: Millis,
    /// Scopes whose alerts are identified by a few labels alone.
    pub by_scope: BTreeMap<String, ScopeIdentity>,
}

/// What identifies the alerts of a scope whose sources have ids of their own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ScopeIdentity {
    /// Labels that alone identify an alert; empty: all that are not ignored.
    pub labels: Vec<String>,
    /// Labels that tell that the same condition fires again under another id; empty: nothing tells.
    pub condition: Vec<String>,
}

/// One rule that finds the CI of an alert. The first that finds one wins; the defaults of the kinds follow.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BindRule {
    /// Name, as it appears in explanations.
    pub name: String,
    /// Only for alerts of this source.
    pub source: Option<String>,
    /// Only for alerts whose label `when_label` is matched wholly by `when_matches`.
    pub when_label: Option<String>,
    /// See `when_label`.
    pub when_matches: Option<String>,
    /// The label that names the CI.
    pub label: Option<String>,
    /// Taken from the label's value: the group `ci`, else the first group, else the whole match.
    pub regex: Option<String>,
    /// A name made of labels: `"{cluster}-{node}"`.
    pub template: Option<String>,
}

/// What may not open a ticket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Suppress {
    /// Alerts less severe than this open no ticket of their own.
    pub ticket_min_severity: Severity,
    /// An alert that began longer than this before our first contact with its source is inherited.
    pub inherit_before: Millis,
    /// Sources whose alerts join tickets and open none.
    pub note_sources: Vec<String>,
    /// Sources whose alerts are correlated among themselves and touch no ticket.
    pub shadow_sources: Vec<String>,
    /// Alerts that keep others from opening tickets.
    pub inhibit: Vec<InhibitRule>,
    /// Alerts that come and go.
    pub flapping: Flapping,
    /// Sources that report nothing of what needs a host which they see down: their silence says nothing there.
    pub hiding_sources: Vec<String>,
}

/// How alerts become incidents.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Correlate {
    /// How far apart two alerts of one fault may begin.
    pub window: Millis,
    /// How long after its begin an alert is placed, so that those that began before it are there; at most half of the
    /// hold of P1. 0: when it arrives.
    pub arrival_lag: Millis,
    /// The same where a source is later as a rule.
    pub arrival_lag_max: Millis,
    /// How long a new incident waits for its cause before its ticket, by priority P1 to P4.
    pub hold: [Millis; 4],
    /// How much a new alert lengthens the hold of P1 and P2.
    pub hold_quiet: Millis,
    /// The longest hold of P1 and P2.
    pub hold_max: Millis,
    /// How long an incident without live alerts waits before it is resolved.
    pub resolve_after: Millis,
    /// How long after that a new firing returns to the same incident.
    pub reopen_within: Millis,
    /// How long the first ticket waits for the first graph.
    pub wait_for_graph: Millis,
    /// Whether how rare faults are is learned from the estate.
    pub learn_prior: bool,
    /// How far the causes of a CI are looked up: smallest weight of a path, per mille.
    pub min_weight: u16,
    /// No longer read: a silent cause is judged like any other. Kept so that the rules of old logs are read.
    pub silent_cause_min: u32,
    /// See `silent_cause_min`.
    pub silent_cause_share: u32,
    /// CI classes that seldom fail by themselves, only with their parts.
    pub composite_classes: Vec<String>,
    /// Relation types: how much "source needs target" each carries.
    pub relations: BTreeMap<String, RelationRule>,
    /// How alerts without a CI are grouped.
    pub label_rules: Vec<LabelRule>,
    /// Storms.
    pub storm: StormRule,
}

/// How impact and urgency become a priority.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PriorityRules {
    /// CI attribute that holds the criticality.
    pub criticality_attribute: String,
    /// Impact (1 to 4) by criticality word.
    pub criticality: BTreeMap<String, u8>,
    /// CI classes that are services to people.
    pub service_classes: Vec<String>,
    /// Priority number by impact (row, 1 to 4) and urgency (column, 1 to 3).
    pub matrix: [[u8; 3]; 4],
}

/// What people read, and what is done about recovery.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Ticket {
    /// CI attribute that names the assignment group.
    pub group_attribute: String,
    /// Group where no CI names one; empty leaves it to the tool.
    pub default_group: String,
    /// A fault that began and ended while the tool could not be reached: `true` opens (and resolves) a
    /// ticket for it, `false` leaves it in our own record only.
    pub open_when_over: bool,
    /// How long after the opening an untouched ticket may get another cause without a note.
    pub quiet_reroot: Millis,
    /// Least time between two descriptions written for counts alone.
    pub update_every: Millis,
    /// How much is told in notes.
    pub notes: Notes,
    /// Least time between two notes that are not urgent.
    pub note_every: Millis,
    /// Notes in the first hour of a ticket.
    pub notes_per_hour: u32,
    /// Notes in a day of a ticket.
    pub notes_per_day: u32,
    /// Whose tickets they are, over what CIs say.
    pub routes: Vec<RouteRule>,
    /// CI attribute that names the site, for `routes`.
    pub site_attribute: String,
    /// How long an incident of warnings alone that no service feels waits for its ticket.
    pub warnings_wait: Millis,
    /// The same where such warnings usually come alone; not less than `warnings_wait`, and not read while that is 0.
    pub usual_wait: Millis,
    /// How long one on a CI or two waits while the ticket of another incident tells of the same; not read while `warnings_wait` is 0.
    pub told_wait: Millis,
    /// Calendars outside of whose hours P3 and P4 wait.
    pub hours: [Option<String>; 2],
    /// Resolved tickets whose incident goes on.
    pub reopen: ReopenRules,
}

/// What decides about one target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// Whether tickets are written.
    pub mode: Mode,
    /// See `itsm::Limits::settle`.
    pub settle: Millis,
    /// Whether a resolved ticket can be opened again.
    pub reopens: bool,
    /// The tool knows a ticket by our key alone, and cannot be asked for it.
    #[serde(default)]
    pub by_key: bool,
    /// Tickets can be linked to each other; see `itsm::Itsm::links`.
    #[serde(default)]
    pub links: bool,
    /// What recovery does to the ticket.
    pub on_recovery: OnRecovery,
    /// New tickets in `max_new_per`.
    pub max_new: u32,
    /// See `max_new`.
    pub max_new_per: Millis,
    /// The target that takes over what this one did not take in time, if it is P1 or P2.
    #[serde(default)]
    pub fallback: Option<String>,
    /// See `fallback`.
    #[serde(default)]
    pub fallback_after: Millis,
    /// Labels and annotations of alerts whose text may go to this tool; `None`: all.
    #[serde(default)]
    pub share: Option<Vec<String>>,
}

/// How far a target is switched on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Nothing is written; what would be is shown.
    Shadow,
    /// No ticket is opened or changed; tickets that we opened before get their notes.
    Note,
    /// Tickets are written.
    Live,
}

/// What recovery does to a ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnRecovery {
    /// Resolve it unless a person has touched it; then a note.
    ResolveIfUntouched,
    /// Resolve it.
    Resolve,
    /// Only a note.
    NoteOnly,
}

fn words<const N: usize>(words: [&str; N]) -> Vec<String> {
    words.into_iter().map(str::to_owned).collect()
}

impl Default for Identity {
    fn default() -> Identity {
        use Severity::{Critical, Info, Major, Minor, Warning};
        let severity = [
            ("critical", Critical),
            ("crit", Critical),
            ("emergency", Critical),
            ("fatal", Critical),
            ("disaster", Critical),
            ("page", Critical),
            ("p1", Critical),
            ("down", Critical),
            ("major", Major),
            ("error", Major),
            ("high", Major),
            ("p2", Major),
            ("unreachable", Major),
            ("minor", Minor),
            ("average", Minor),
            ("p3", Minor),
            ("warning", Warning),
            ("warn", Warning),
            ("unknown", Warning),
            ("not classified", Warning),
            ("ticket", Warning),
            ("low", Warning),
            ("p4", Warning),
            ("info", Info),
            ("information", Info),
            ("notice", Info),
            ("none", Info),
        ];
        Identity {
            ignored_labels: words([
                "severity",
                "value",
                "replica",
                "prometheus_replica",
                "__replica__",
            ]),
            severity: severity.map(|(w, s)| (w.to_owned(), s)).into(),
            heartbeats: words(["Watchdog", "DeadMansSwitch"]),
            noted: words(["InfoInhibitor"]),
            stale_for: Millis::mins(24 * 60),
            grace: Millis::mins(5),
            by_scope: BTreeMap::new(),
        }
    }
}

impl Default for Suppress {
    fn default() -> Suppress {
        Suppress {
            ticket_min_severity: Severity::Warning,
            inherit_before: Millis::secs(600),
            note_sources: Vec::new(),
            shadow_sources: Vec::new(),
            inhibit: Vec::new(),
            flapping: Flapping::default(),
            hiding_sources: Vec::new(),
        }
    }
}

impl Default for Correlate {
    fn default() -> Correlate {
        Correlate {
            window: Millis::secs(600),
            arrival_lag: Millis::secs(10),
            arrival_lag_max: Millis::secs(70),
            hold: [
                Millis::secs(20),
                Millis::secs(60),
                Millis::mins(5),
                Millis::mins(10),
            ],
            hold_quiet: Millis::secs(20),
            hold_max: Millis::secs(150),
            resolve_after: Millis::secs(300),
            reopen_within: Millis::secs(300),
            wait_for_graph: Millis::mins(10),
            learn_prior: true,
            min_weight: 80,
            silent_cause_min: 3,
            silent_cause_share: 60,
            composite_classes: words(["pool", "application", "k8s_service", "lb_vip"]),
            relations: relation::usual(),
            label_rules: vec![LabelRule::default()],
            storm: StormRule::default(),
        }
    }
}

impl Default for PriorityRules {
    fn default() -> PriorityRules {
        PriorityRules {
            criticality_attribute: "criticality".to_owned(),
            criticality: [("gold", 1), ("silver", 2), ("bronze", 3)]
                .map(|(w, n)| (w.to_owned(), n))
                .into(),
            service_classes: words(["business_service", "service"]),
            matrix: [[1, 2, 3], [2, 3, 4], [3, 4, 4], [4, 4, 4]],
        }
    }
}

impl Default for Ticket {
    fn default() -> Ticket {
        Ticket {
            group_attribute: "group".to_owned(),
            default_group: String::new(),
            open_when_over: true,
            quiet_reroot: Millis::mins(3),
            update_every: Millis::mins(5),
            notes: Notes::Calm,
            note_every: Millis::mins(15),
            notes_per_hour: 6,
            notes_per_day: 12,
            routes: Vec::new(),
            site_attribute: "site".to_owned(),
            warnings_wait: Millis::mins(10),
            usual_wait: Millis::mins(35),
            told_wait: Millis::mins(120),
            hours: [None, None],
            reopen: ReopenRules::default(),
        }
    }
}

impl RulesText {
    /// The canonical text, as the log keeps it. Equal rules have equal texts.
    pub fn canonical(&self) -> String {
        // Serialising plain data with text keys into a string cannot fail.
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// The rules, ready to use.
#[derive(Clone, Debug)]
pub struct Rules {
    /// The same as data.
    pub text: RulesText,
    /// Compiled forms of `text.bind`, in its order.
    pub bind: Vec<CompiledBind>,
    /// Compiled forms of `text.suppress.inhibit`, in its order.
    pub inhibit: Vec<CompiledInhibit>,
}

/// The regular expressions of a bind rule.
#[derive(Clone, Debug)]
pub struct CompiledBind {
    /// `when_matches`, anchored at both ends.
    pub when: Option<Regex>,
    /// `regex`.
    pub regex: Option<Regex>,
}

impl Rules {
    /// Reads the canonical text of the log.
    ///
    /// # Errors
    /// A text that is no rules, or a regular expression that does not compile, with the rule's name.
    pub fn parse(canonical: &str) -> Result<Rules, String> {
        let text = serde_json::from_str(canonical).map_err(|e| format!("rules: {e}"))?;
        Rules::compile(text)
    }

    /// Compiles the regular expressions.
    ///
    /// # Errors
    /// A regular expression that does not compile, with the rule's name.
    pub fn compile(text: RulesText) -> Result<Rules, String> {
        let one = |name: &str, what: &str, source: &str| {
            Regex::new(source).map_err(|e| format!("bind.rule {name:?}: {what}: {e}"))
        };
        let bind = text
            .bind
            .iter()
            .map(|rule| {
                let name = &rule.name;
                let anchored = rule.when_matches.as_ref().map(|m| format!("^(?:{m})$"));
                let regex = rule.regex.as_ref().map(|r| one(name, "regex", r));
                Ok(CompiledBind {
                    when: anchored
                        .map(|m| one(name, "when_matches", &m))
                        .transpose()?,
                    regex: regex.transpose()?,
                })
            })
            .collect::<Result<_, String>>()?;
        let inhibit = text.suppress.inhibit.iter();
        let inhibit = inhibit
            .map(InhibitRule::compile)
            .collect::<Result<_, String>>()?;
        Ok(Rules {
            text,
            bind,
            inhibit,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_canonical_text_reads_back() {
        let mut text = RulesText::default();
        text.bind.push(BindRule {
            name: "cluster".into(),
            label: Some("node".into()),
            regex: Some("^(.*)-x$".into()),
            ..BindRule::default()
        });
        let canonical = text.canonical();
        assert_eq!(Rules::parse(&canonical).unwrap().text, text);
        assert_eq!(
            Rules::parse(&canonical).unwrap().text.canonical(),
            canonical
        );
    }
}
