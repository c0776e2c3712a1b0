//! Explanations in words, as JSON: for `explain` and the API.
//!
//! Values and gains are in thousandths of a nat (`_millinats`): what a hypothesis is worth against another. They
//! are no chances and stand in no ticket.

use super::facts::{Confidence, Explanation, Other, Told as Member};
use super::paths::Tie;
use super::{Kept, unpack};
use crate::engine::Engine;
use crate::engine::correlate::Together;
use crate::engine::correlate::scale::{NAT, Nats};
use crate::engine::state::{How, Incident};
use crate::model::{CiId, IncidentId, Millis};
use crate::ticket::Because;
use serde_json::{Value, json};

/// Which explanation of an incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// By the state of now, made for this question; of one that is over, the last that is kept.
    Now,
    /// The one of a turning point.
    Version(u32),
    /// All that are kept.
    All,
}

impl Engine {
    /// Why an incident is what it is, or was.
    ///
    /// # Errors
    /// An incident or a version that is not kept (any more), and what there is instead.
    pub fn explain_json(&self, asked: IncidentId, which: Which) -> Result<Value, String> {
        let unknown = || self.gone_into(asked);
        match which {
            Which::Now => {
                let id = match self.incident_of(asked) {
                    id if self.state.incidents.contains_key(&id) => id,
                    _forgotten => self.merged_of(asked).map_or(asked, |(into, _)| into),
                };
                let id = self.incident_of(id);
                let known = self.state.incidents.get(&id).ok_or_else(unknown)?;
                let over = known.why.kept.last().filter(|_| !known.state.lives());
                // Alerts are forgotten before their incident: when it was over, they were there.
                let mut value = match over.and_then(|kept| self.kept_json(id, kept)) {
                    Some(value) => value,
                    None => {
                        let now = self
                            .explanation(id, super::facts::LOOKED_AT)
                            .ok_or_else(unknown)?;
                        let mut value = self.explanation_json(&now, self.state.at);
                        set(&mut value, "version", "now");
                        value
                    }
                };
                self.add_now(id, asked, &mut value);
                Ok(value)
            }
            Which::Version(version) => {
                let known = self.state.incidents.get(&asked).ok_or_else(unknown)?;
                let kept = known.why.kept.iter().find(|k| k.version == version);
                let kept = kept.ok_or_else(|| {
                    if known.why.kept.is_empty() {
                        return self.gone_into(asked);
                    }
                    let all: Vec<String> = known
                        .why
                        .kept
                        .iter()
                        .map(|k| k.version.to_string())
                        .collect();
                    format!(
                        "{asked} has no explanation {version}; kept: {}",
                        all.join(", ")
                    )
                })?;
                self.kept_json(asked, kept)
                    .ok_or_else(|| format!("explanation {version} of {asked} cannot be read"))
            }
            Which::All => {
                let known = self.state.incidents.get(&asked).ok_or_else(unknown)?;
                let all = known.why.kept.iter();
                let all: Vec<Value> = all.filter_map(|k| self.kept_json(asked, k)).collect();
                Ok(json!({
                    "incident": asked.to_string(),
                    "summary": self.incident_json(asked),
                    "merged_into": known.merged_into.map(|_| self.incident_of(asked).to_string()),
                    "merged_at": self.merged_of(asked).map(|(_, at)| at.rfc3339()),
                    "explanations": all,
                }))
            }
        }
    }

    /// The incident that took this one in, and when.
    fn merged_of(&self, id: IncidentId) -> Option<(IncidentId, Millis)> {
        let of = |known: &Incident| known.merges.iter().find(|m| m.from == id).map(|m| m.at);
        let known = self.state.incidents.get(&id);
        match known.map(|known| known.merged_into) {
            Some(into) => into.and_then(|into| Some((into, of(self.state.incidents.get(&into)?)?))),
            // It is forgotten; the one that took it in may not be.
            None => {
                let mut all = self.state.incidents.iter();
                all.find_map(|(into, known)| Some((*into, of(known)?)))
            }
        }
    }

    /// Why there is no explanation of an incident, and where it went if it is part of another.
    pub(super) fn gone_into(&self, asked: IncidentId) -> String {
        let now = self.incident_of(asked);
        let known = self.state.incidents.contains_key(&asked);
        match self.merged_of(asked) {
            Some((into, at)) => {
                let at = at.rfc3339();
                let on = match self.incident_of(into) {
                    last if last == into => String::new(),
                    last => format!(", which is part of {last} now"),
                };
                let kept = if known {
                    "no explanation of its own was kept"
                } else {
                    "it is forgotten"
                };
                format!(
                    "{asked} became part of {into} at {at}{on}; {kept}; ask for explain {now}",
                    now = self.incident_of(into)
                )
            }
            None if now != asked && !known => format!(
                "{asked} was promised to an alert that joined {now}; it never was an incident; ask for explain {now}"
            ),
            None if known => format!("no explanation of {asked} was kept"),
            None => format!("{asked} is not known (any more)"),
        }
    }

    fn kept_json(&self, id: IncidentId, kept: &Kept) -> Option<Value> {
        let mut value = self.explanation_json(&unpack(kept)?, kept.at);
        set(&mut value, "incident", id.to_string());
        set(&mut value, "version", kept.version);
        set(&mut value, "turned", json!(kept.turned));
        Some(value)
    }

    /// What only the state of now tells.
    fn add_now(&self, id: IncidentId, asked: IncidentId, value: &mut Value) {
        let Some(known) = self.state.incidents.get(&id) else {
            return;
        };
        let versions: Vec<Value> = known
            .why
            .kept
            .iter()
            .map(|k| json!({"version": k.version, "at": k.at.rfc3339(), "turned": k.turned}))
            .collect();
        let turns: Vec<Value> = known
            .turns
            .iter()
            .map(|t| json!({"at": t.at.rfc3339(), "what": t.what}))
            .collect();
        let split = known.hands.split_from.as_ref();
        let apart = known.hands.apart.iter().map(|i| i.to_string());
        set(value, "incident", id.to_string());
        set(value, "asked", asked.to_string());
        let merged = self.merged_of(asked).filter(|_| asked != id);
        set(
            value,
            "asked_merged_at",
            json!(merged.map(|(_, at)| at.rfc3339())),
        );
        set(value, "versions", versions);
        set(value, "summary", json!(self.incident_json(id)));
        set(value, "ticket", self.ticket_story(id));
        set(value, "turns", turns);
        set(
            value,
            "split_from",
            json!(split.map(|(from, _)| from.to_string())),
        );
        set(value, "kept_apart", apart.collect::<Vec<_>>());
        let quiet = self.quiet_until(id).map(|t| t.rfc3339());
        set(value, "quiet_until", json!(quiet));
        let (group, rule) = self.group_of(id);
        set(value, "group", group);
        set(value, "routed_by", json!(rule));
        let targets = self.route_targets(id).map(|(_, rule)| rule);
        set(value, "targets_by", json!(targets));
        set(value, "changes", self.changes_json(id));
    }

    fn explanation_json(&self, of: &Explanation, at: Millis) -> Value {
        let name = |ci: CiId| self.cause_name(ci);
        let root = &of.root;
        let (confidence, by) = match &root.confidence {
            Confidence::High => ("high", None),
            Confidence::NotKnown => ("not known", None),
            Confidence::Named(by) => ("named by a person", Some(by)),
        };
        let hops = |(hops, alerting, all): &(u8, u32, u32)| json!({"hops": hops, "alerting": alerting, "of_monitored": all});
        let unknown = of.explains.unknown_some.iter();
        json!({
            "at": at.rfc3339(),
            "state": of.state,
            "priority": of.priority,
            "alerts": of.alerts,
            "live": of.live,
            "cis": of.cis,
            "sentence": of.sentence,
            "root": {
                "ci": name(root.ci),
                "confidence": confidence,
                "named_by": by,
                "value_millinats": root.value.map(milli),
                "margin_millinats": root.margin.map(milli),
                "own_alerts": root.own.iter().map(|f| f.to_string()).collect::<Vec<_>>(),
                "silent": root.own.is_empty(),
                "alerts_in": root.alerts_in.map(|i| i.to_string()),
                "first": root.first,
                "fraction_per_mille": root.fraction,
                "change": root.change.as_ref().map(|(id, at, what)| json!({
                    "id": id, "at": at.rfc3339(), "summary": what,
                })),
                "same_fault": root.name.map(name),
            },
            "explains": {
                "alerting": of.explains.alerting,
                "of_monitored": of.explains.monitored,
                "by_hop": of.explains.by_hop.iter().map(hops).collect::<Vec<_>>(),
                "absent_examples": of.explains.absent.iter().map(|c| name(*c)).collect::<Vec<_>>(),
                "unknown": of.explains.unknown,
                "unknown_examples": unknown.map(|(ci, why)| json!({
                    "ci": name(*ci), "because": why.text(),
                })).collect::<Vec<_>>(),
                "or_more": of.explains.cut,
                "not_counted": not_counted(of),
            },
            "runner_up": of.others.iter().map(|o| self.other_json(of, o)).collect::<Vec<_>>(),
            "members": of.members.iter().map(|m| self.member_json(of, m, at)).collect::<Vec<_>>(),
            "members_omitted": of.left_out,
            "merges": of.merges.iter().map(|merge| json!({
                "from": merge.from.to_string(),
                "because": name(merge.why.because()),
                "reason": match &merge.by {
                    Some(by) => format!("by {by}"),
                    None => self.reason_of(merge.why),
                },
                "by": merge.by,
                "at": merge.at.rfc3339(),
            })).collect::<Vec<_>>(),
            "rules": of.rules,
            "rules_no": of.rules_no,
            "graph": of.graph.map(|g| json!({
                "digest": format!("{:016x}", g.digest),
                "as_of": g.as_of.rfc3339(),
                "age_s": at.since(g.as_of).0 / 1000,
            })),
        })
    }

    fn other_json(&self, of: &Explanation, other: &Other) -> Value {
        let root = self.cause_name(of.root.ci);
        let mut why = vec![format!(
            "explains {} of the {} alerting CIs",
            other.explains, of.cis
        )];
        match other.alerts_in {
            Some(incident) => why.push(format!("alerts in {incident}")),
            None if !other.alerts => why.push("has no alert itself".to_owned()),
            None => {}
        }
        match other.silent {
            Some(1) => why.push("1 other that needs it has no alert".to_owned()),
            Some(n) if n > 1 && other.or_more => {
                why.push(format!("{n} or more others that need it have no alert"));
            }
            Some(n) if n > 1 => why.push(format!("{n} others that need it have no alert")),
            Some(_) | None => {}
        }
        if other.effect {
            why.push(format!("it needs {root}, which alerts itself"));
        }
        json!({
            "ci": self.cause_name(other.ci),
            "value_millinats": other.value.map(milli),
            "explains": other.explains,
            "silent": other.silent,
            "alerts": other.alerts,
            "alerts_in": other.alerts_in.map(|i| i.to_string()),
            "why": why.join("; "),
        })
    }

    fn member_json(&self, of: &Explanation, member: &Member, at: Millis) -> Value {
        let id = self.state.by_fingerprint.get(&member.alert);
        let alert = id.and_then(|id| self.state.alerts.get(id));
        let path = self.relations(member, &of.kinds);
        let age = of.graph.map(|g| at.since(g.as_of).0 / 1000);
        let key = |ci: CiId| self.force.ci(ci).map(|ci| ci.key.as_str());
        let path = path.iter().map(|(from, kind, to, weight)| {
            // A relation has no name of its own: it is the one of this type between these two.
            let id = key(*from).zip(key(*to));
            let id = id.map(|(from, to)| format!("{from} {kind} {to}"));
            json!({
                "id": id, "from": self.cause_name(*from), "type": kind, "to": self.cause_name(*to),
                "weight_per_mille": weight, "source": "cmdb", "age_s": age,
            })
        });
        let path: Vec<Value> = path.collect();
        json!({
            "alert": member.alert.to_string(),
            "source": alert.map(|a| a.source.to_string()),
            "text": alert.map(|a| crate::engine::quote::text_of(&a.labels, &a.annotations)),
            "severity": alert.map_or(member.severity, |a| a.severity),
            "began": member.began.rfc3339(),
            "state": alert.map(|a| a.state),
            "suppressed": alert.and_then(|a| a.suppressed),
            "bound_by": alert.map(|a| json!(*a.evidence)),
            "ci": self.cause_name(member.ci),
            "how": member.how,
            "via": member.by.then(|| self.cause_name(member.to)),
            "because": self.because(member),
            "tie": member.tie,
            "path": path,
            "weight_per_mille": member.weight,
            "gap_s": member.gap.0 / 1000,
            "gain_millinats": milli(member.gain),
            "also": member.also.iter().map(|i| i.to_string()).collect::<Vec<_>>(),
        })
    }

    /// The relations of a path as the CMDB says them: from, type, to; and the weight of each.
    fn relations<'a>(
        &self,
        member: &Member,
        kinds: &'a [String],
    ) -> Vec<(CiId, &'a str, CiId, u16)> {
        let mut at = member.ci;
        let mut out = Vec::new();
        for hop in &member.path {
            let kind = kinds.get(usize::from(hop.kind)).map(String::as_str);
            let (from, to) = match hop.turned {
                true => (hop.ci, at),
                false => (at, hop.ci),
            };
            out.push((from, kind.unwrap_or_default(), to, hop.weight));
            at = hop.ci;
        }
        out
    }

    /// How an alert came in, with the relations and the time between, in words.
    pub(super) fn came_text(&self, member: &Member, kinds: &[String]) -> String {
        let mut text = self.because(member);
        let relations = self.relations(member, kinds);
        let relations: Vec<String> = relations
            .iter()
            .map(|(from, kind, to, _)| {
                let (from, to) = (self.cause_name(*from), self.cause_name(*to));
                format!("{from} {kind} {to}")
            })
            .collect();
        if !relations.is_empty() {
            text.push_str(&format!(" ({})", relations.join(", ")));
        }
        if member.by {
            text.push_str(&format!(", {} s apart", member.gap.0 / 1000));
        }
        text
    }

    /// How an alert came in, in words.
    fn because(&self, member: &Member) -> String {
        let to = self.cause_name(member.to);
        let tied = match member.tie {
            Tie::Same | Tie::Relations => String::new(),
            Tie::FarEnd => ", which its text names".to_owned(),
            Tie::Chain => ", through a CI that alerts in between".to_owned(),
            Tie::Name => ", which has no CI".to_owned(),
            Tie::None => ", without a relation in the CMDB of now".to_owned(),
        };
        match member.how {
            How::Opened if member.merged => {
                "opened an incident that became part of this".to_owned()
            }
            How::Opened => "opened the incident".to_owned(),
            How::SameCi => "the same CI alerts".to_owned(),
            How::Attach => format!("needs {to}, which alerts{tied}"),
            How::Cause => format!("{to} needs it: the cause came late{tied}"),
            How::CommonCause if member.to_alerts && member.to == member.ci => {
                "what alerts there needs it".to_owned()
            }
            How::CommonCause if member.to_alerts => format!("needs {to}, which alerts{tied}"),
            How::CommonCause => format!("a fault of {to} explains it and the others{tied}"),
            How::Person => "put here by a person".to_owned(),
            How::DownToo => "the CMDB does not say what it needs; hosts of the incident went down at the same time"
                .to_owned(),
            How::Named => {
                "the CMDB does not know its CI; the incident shows the same name just now"
                    .to_owned()
            }
        }
    }

    /// The name of a cause: of a CI, or in words for one that is only a name of alerts.
    pub(in crate::engine) fn cause_name(&self, ci: CiId) -> String {
        match self.is_name(ci) {
            true => format!("the same fault \"{}\"", self.name_alone(ci)),
            false => self.ci_name(ci),
        }
    }

    /// The name of alerts that a cause stands for, without where it is looked for.
    fn name_alone(&self, name: CiId) -> String {
        let name = self.ci_name(name);
        let alone = name.split_once('|').map_or(name.as_str(), |(_, n)| n);
        alone.to_owned()
    }

    /// Why two incidents are one, for a note, which has a language.
    pub(in crate::engine) fn explains_both(&self, why: Together) -> Because {
        match why {
            Together::CutOff(ci, neighbour) => {
                Because::CutOff(self.ci_name(ci), self.ci_name(neighbour))
            }
            Together::Ended {
                name: Some(name), ..
            } => Because::EndedAlike(self.name_alone(name)),
            Together::Ended { because, .. } => Because::Ended(self.ci_name(because)),
            Together::EndedWith(ci) => Because::EndedWith(self.ci_name(ci)),
            Together::Behind(ci) | Together::Needs { because: ci, .. } if self.is_name(ci) => {
                Because::SameFault(self.name_alone(ci))
            }
            Together::Behind(ci) | Together::Needs { because: ci, .. } => {
                Because::Ci(self.ci_name(ci))
            }
        }
    }

    /// Why we made two incidents one, in words.
    pub(in crate::engine) fn reason_of(&self, why: Together) -> String {
        match self.explains_both(why) {
            Because::Ci(name) => format!("one fault of {name} explains both"),
            Because::SameFault(name) => format!("the same fault \"{name}\" at the same time"),
            Because::CutOff(ci, neighbour) => {
                format!("{ci} and its neighbour {neighbour} were cut off together")
            }
            Because::Ended(ci) => {
                format!(
                    "{ci} explains both, and they began within minutes of each other and ended together"
                )
            }
            Because::EndedWith(ci) => format!(
                "{ci} explains both, and the later began while it alerted and ended with it"
            ),
            Because::EndedAlike(name) => {
                format!(
                    "both show \"{name}\", and they began within minutes of each other and ended together"
                )
            }
        }
    }
}

/// CIs of the incident that need the cause over weaker paths than those that count, or over none.
fn not_counted(of: &Explanation) -> u32 {
    let itself = u32::from(!of.root.own.is_empty());
    let counted = of.explains.alerting.saturating_add(itself);
    match of.explains.cut {
        true => 0, // it may be among those that were not looked at
        false => of.cis.saturating_sub(counted),
    }
}

fn milli(value: Nats) -> i64 {
    value.saturating_mul(1000) / NAT
}

fn set(value: &mut Value, key: &str, to: impl Into<Value>) {
    if let Some(map) = value.as_object_mut() {
        map.insert(key.to_owned(), to.into());
    }
}
