//! Incident to wanted state: the facts that its ticket shall tell.

use super::Engine;
use super::identity::short_hash;
use super::state::{Alert, Incident, IncidentState, Row, RowId};
use crate::model::{AlertId, CiId, IncidentId, Millis, Severity};
use crate::rules::Reopen;
use crate::ticket::{
    AlsoOpen, Cause, CauseText, CiText, ClassText, FirstAlert, MAX_LISTED, MAX_NAMES, Recovery,
    ServiceText, SplitFrom, Wanted,
};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

/// CI attributes that say where it is.
const PLACES: [&str; 3] = ["location", "site", "rack"];
/// Epoch digits: no `i`, `l`, `o`, `u`, which are misread on the phone.
const BASE32: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// The correlation key: `cor-<epoch>-<incident>.<generation>`.
pub fn correlation_key(epoch: u64, incident: IncidentId, generation: u32) -> String {
    let digit = |n: u32| {
        let five = epoch.checked_shr(n.saturating_mul(5)).unwrap_or(0) & 31;
        let at = usize::try_from(five).unwrap_or_default();
        char::from(BASE32.get(at).copied().unwrap_or(b'0'))
    };
    let epoch: String = (0..8).rev().map(digit).collect();
    format!("cor-{epoch}-{}.{generation}", incident.0)
}

/// What the ticket of an incident says, whichever tool it is in.
pub(super) struct Anywhere {
    /// Without what depends on the tool.
    wanted: Wanted,
    /// The worst alert of the CI that the ticket is about, and the first of all.
    worst: Option<AlertId>,
    first: Option<AlertId>,
    /// The alerts of the cause.
    of_root: Vec<AlertId>,
}

impl Engine {
    /// What the ticket of an incident shall say. `None` for an incident that does not exist.
    pub fn wanted(&self, id: IncidentId, key: String, target: &str) -> Option<Wanted> {
        self.wanted_at(id, &self.wanted_anywhere(id)?, key, target)
    }

    /// The same, where it is known what it says in every tool.
    pub(super) fn wanted_at(
        &self,
        id: IncidentId,
        anywhere: &Anywhere,
        key: String,
        target: &str,
    ) -> Option<Wanted> {
        let known = self.state.incidents.get(&id)?;
        let quote = |alert: Option<AlertId>| {
            let alert = alert.and_then(|a| self.state.alerts.get(&a));
            alert.map(|a| self.quote(a, target)).unwrap_or_default()
        };
        let wanted = anywhere.wanted.clone();
        Some(Wanted {
            key,
            symptom: quote(anywhere.worst.or(anywhere.first)),
            first: FirstAlert {
                text: quote(anywhere.first),
                ..wanted.first
            },
            links: self.links(known, &anywhere.of_root, target),
            also_open: self.also_open(id, known, target),
            group: self.group_at(target, known, wanted.group),
            before: self.row_at(id, target).and_then(|row| row.former.clone()),
            held_by: self.held_by(id, known, target),
            split_from: known.hands.split_from.as_ref().map(|(from, by)| SplitFrom {
                incident: *from,
                ticket: self.ticket_of(*from, target),
                by: by.clone(),
            }),
            ..wanted
        })
    }

    /// What the ticket of an incident says in every tool. It goes through all alerts.
    pub(super) fn wanted_anywhere(&self, id: IncidentId) -> Option<Anywhere> {
        let known = self.state.incidents.get(&id)?;
        let spots = self.spots(id);
        let cis: Vec<CiId> = spots.keys().copied().collect();
        let services = self.services(id);
        let names = |cis: &[CiId]| -> Vec<ServiceText> {
            cis.iter()
                .take(MAX_NAMES)
                .map(|c| self.service_text(*c))
                .collect()
        };
        let subject = self.subject(known, &services.observed, &spots);
        let alerts = self.state.alerts_of(known);
        let members: Vec<(AlertId, &Alert)> = alerts.map(|(id, _, alert)| (id, alert)).collect();
        let worst = members.iter().filter(|(_, a)| a.ci == subject);
        let worst = worst.min_by_key(|(_, a)| (!a.live(), a.worst, a.started));
        let first = members
            .iter()
            .min_by_key(|(_, a)| (a.arrived, a.fingerprint));
        let first_at = first.map(|(_, a)| a.arrived).unwrap_or(known.first);
        let last_at = members.iter().map(|(_, a)| a.arrived).max();
        let of_root = members.iter().filter(|(_, a)| a.ci == known.root);
        let wanted = Wanted {
            incident: id,
            key: String::new(),
            priority: known.priority,
            severity: self.worst(known),
            subject: self.ci_text(subject),
            symptom: String::new(),
            since: worst.map(|(_, a)| a.started).unwrap_or(known.first),
            first: FirstAlert {
                at: first_at,
                source: first.map(|(_, a)| a.source.to_string()).unwrap_or_default(),
                ci: first.map(|(_, a)| self.ci_name(a.ci)).unwrap_or_default(),
                text: String::new(),
            },
            cause: self.cause(id, known, &cis),
            observed: names(&services.observed),
            at_risk: names(&services.at_risk),
            affected: self.affected(&spots),
            listed: self.listed(known.root, &services.observed, &spots),
            alerts: count(members.len()),
            cis: count(spots.len()),
            spread: last_at.unwrap_or(first_at).since(first_at),
            sources: sources(&members),
            links: Vec::new(),
            also_open: Vec::new(),
            group: self.group(known, &services.observed, subject).0,
            before: None,
            changed: self.changed(known, subject),
            flapping: self.flap_texts(id).0.into_iter().map(|f| f.ci).collect(),
            flap_quiet: self.state.rules.suppress.flapping.quiet,
            held: known
                .opened
                .filter(|_| known.hands.split_from.is_none())
                .map(|o| o.since(known.first))
                .unwrap_or_default(),
            held_by: None,
            opened: known.opened.unwrap_or(known.first),
            rules: self.state.rules_no,
            graph_as_of: self.state.graph.map(|g| g.as_of),
            merged_into: known.merged_into,
            split_from: None,
        };
        Some(Anywhere {
            of_root: of_root.map(|(id, _)| *id).collect(),
            worst: worst.map(|(id, _)| *id),
            first: first.map(|(id, _)| *id),
            wanted,
        })
    }

    /// The CI that title, group and CI field are about: the cause if it is known, else what people see.
    pub(super) fn subject(
        &self,
        known: &Incident,
        observed: &[CiId],
        spots: &BTreeMap<CiId, (Severity, Millis)>,
    ) -> CiId {
        if known.confident {
            return known.root;
        }
        let worst = spots
            .iter()
            .min_by_key(|(ci, (severity, begin))| (*severity, *begin, **ci));
        observed
            .first()
            .copied()
            .or(worst.map(|(ci, _)| *ci))
            .unwrap_or(known.root)
    }

    pub(super) fn cause(&self, id: IncidentId, known: &Incident, cis: &[CiId]) -> Cause {
        let explains = self.explains(known.root, cis);
        let alone = cis.len() <= 1;
        // What alerts in another incident is not without an alert.
        let quiet = |ci: &&CiId| self.index.at(**ci).next().is_none();
        let silent: Vec<CiId> = explains.silent.iter().filter(quiet).copied().collect();
        let text = CauseText {
            ci: self.ci_text(known.root),
            alerts_itself: cis.contains(&known.root),
            alerts_in: self.alerts_beside(id, known.root),
            first: self.was_first(known),
            explains: explains.alerting,
            of_monitored: explains.monitored,
            silent: silent
                .iter()
                .take(MAX_NAMES)
                .map(|ci| self.ci_name(*ci))
                .collect(),
            silent_count: count(silent.len()),
            unknown: explains.unknown,
            runner_up: self.runner_up(known),
        };
        if let Some(named) = super::hands::named_by(known) {
            return Cause::Named(named.ci.map(|_| text), named.by.clone());
        }
        match known.confident {
            true => Cause::High(text),
            false if self.only_its_name(known) => Cause::SameFault(count(cis.len())),
            // A single alert that the CMDB does not know is no guess at a cause.
            false if alone && !text.ci.known => Cause::NotKnown(None),
            false => Cause::NotKnown(Some(text)),
        }
    }

    fn was_first(&self, known: &Incident) -> bool {
        let (mut root, mut first) = (None, None);
        for (_, member, alert) in self.state.alerts_of(known) {
            let earliest =
                |known: Option<Millis>| Some(known.map_or(alert.started, |k| k.min(alert.started)));
            first = earliest(first);
            if member.ci == known.root {
                root = earliest(root);
            }
        }
        root.is_some() && root == first
    }

    pub(super) fn ci_text(&self, ci: CiId) -> CiText {
        let Some(known) = self.force.ci(ci) else {
            return CiText {
                name: self.ci_name(ci),
                ..CiText::default()
            };
        };
        let place: Vec<&str> = PLACES
            .iter()
            .filter_map(|p| known.attributes.get(*p))
            .map(String::as_str)
            .collect();
        CiText {
            name: known.name.clone(),
            class: known.class.clone(),
            place: place.join(", "),
            known: true,
        }
    }

    pub(super) fn service_text(&self, ci: CiId) -> ServiceText {
        let attribute = &self.state.rules.priority.criticality_attribute;
        let known = self.force.ci(ci);
        ServiceText {
            name: self.ci_name(ci),
            criticality: known
                .and_then(|c| c.attributes.get(attribute))
                .cloned()
                .unwrap_or_default(),
        }
    }

    fn affected(&self, spots: &BTreeMap<CiId, (Severity, Millis)>) -> Vec<ClassText> {
        let mut classes: BTreeMap<&str, Vec<(Severity, Millis, &str)>> = BTreeMap::new();
        for (ci, (severity, begin)) in spots {
            let class = self.force.ci(*ci).map(|c| c.class.as_str());
            let names = classes.entry(class.unwrap_or_default()).or_default();
            names.push((*severity, *begin, self.name_of(*ci)));
        }
        let mut out: Vec<ClassText> = classes
            .into_iter()
            .map(|(class, mut names)| {
                let of_class = count(names.len());
                // The few that are named first, then their order.
                if names.len() > MAX_NAMES {
                    names.select_nth_unstable(MAX_NAMES);
                    names.truncate(MAX_NAMES);
                }
                names.sort();
                ClassText {
                    class: class.to_owned(),
                    count: of_class,
                    names: names
                        .into_iter()
                        .take(MAX_NAMES)
                        .map(|(_, _, n)| n.to_owned())
                        .collect(),
                }
            })
            .collect();
        out.sort_by_key(|c| Reverse(c.count));
        out
    }

    /// The alerting CIs that the CMDB knows: services, the root, the rest by severity. None by two numbers.
    fn listed(
        &self,
        root: CiId,
        observed: &[CiId],
        spots: &BTreeMap<CiId, (Severity, Millis)>,
    ) -> Vec<String> {
        // Only the first of them are asked for.
        let rest = spots.iter().map(|(ci, seen)| Reverse((*seen, *ci)));
        let mut rest: BinaryHeap<Reverse<((Severity, Millis), CiId)>> = rest.collect();
        let rest = std::iter::from_fn(|| rest.pop().map(|Reverse((_, ci))| ci));
        let alerting_root = spots.contains_key(&root).then_some(root);
        let mut seen = BTreeSet::new();
        let all = observed.iter().copied().chain(alerting_root).chain(rest);
        all.filter(|ci| seen.insert(*ci))
            .filter_map(|ci| self.force.ci(ci))
            .map(|known| known.name.clone())
            .take(MAX_LISTED)
            .collect()
    }

    /// Live incidents that share a consumer with this one, or could have taken one of its alerts.
    fn also_open(&self, id: IncidentId, known: &Incident, target: &str) -> Vec<AlsoOpen> {
        let mut others: BTreeSet<IncidentId> = known
            .members
            .values()
            .flat_map(|m| m.also.iter().map(|i| self.incident_of(*i)))
            .collect();
        others.remove(&id);
        others
            .into_iter()
            .filter_map(|other| {
                let incident = self.state.incidents.get(&other)?;
                incident.state.lives().then(|| AlsoOpen {
                    incident: other,
                    ticket: self.ticket_of(other, target),
                    ci: self.ci_name(incident.root),
                })
            })
            .take(MAX_NAMES)
            .collect()
    }

    /// The facts of a recovery.
    pub(super) fn recovery(
        &self,
        id: IncidentId,
        touched: bool,
        resolves: bool,
        reopens: bool,
    ) -> Option<Recovery> {
        let known = self.state.incidents.get(&id)?;
        let rules = &self.state.rules;
        let at = known.quiet_since.or(known.resolved).unwrap_or(known.last);
        let over = |ci: CiId| {
            let alerts = self.state.alerts_of(known).map(|(_, _, a)| a);
            let mine: Vec<&Alert> = alerts.filter(|a| a.ci == ci).collect();
            let begin = mine.iter().map(|a| a.started).min()?;
            let end = mine.iter().map(|a| a.ended.unwrap_or(at)).max()?;
            Some((begin, end))
        };
        let outages = self
            .services(id)
            .observed
            .iter()
            .copied()
            .take(MAX_NAMES)
            .filter_map(|ci| {
                let (begin, end) = over(ci)?;
                Some((self.service_text(ci), end.since(begin)))
            })
            .collect();
        Some(Recovery {
            at,
            alerts: count(known.members.len()),
            quiet: known
                .resolved
                .map_or(rules.correlate.resolve_after, |r| r.since(at)),
            root: over(known.root).map(|(_, end)| (self.ci_name(known.root), end)),
            outages,
            touched,
            resolves,
            refers: self.is_found_again(id, known),
            reopen_within: (resolves && reopens && rules.ticket.reopen.ours == Reopen::Reopen)
                .then_some(rules.correlate.reopen_within),
        })
    }

    /// Hash of what is worth writing to a ticket at once.
    pub(super) fn turning_hash(&self, id: IncidentId) -> Option<u64> {
        let known = self.state.incidents.get(&id)?;
        let services = self.services(id);
        let observed = &services.observed;
        let subject = self.subject(known, observed, &self.spots(id));
        let named = super::hands::named_by(known);
        let is_known = named.map_or(known.confident, |named| named.ci.is_some());
        let cause = is_known.then(|| self.ci_name(known.root));
        let names = observed.iter().take(MAX_NAMES);
        let names: Vec<String> = names.map(|ci| self.ci_name(*ci)).collect();
        Some(short_hash(&[
            &self.ci_name(subject),
            &cause.unwrap_or_default(),
            named.map_or("", |named| named.by.as_str()),
            &names.join("\n"),
            known.priority.word(),
            self.worst(known).word(),
            &self.group(known, observed, subject).0,
        ]))
    }

    /// Hash of everything that a ticket says but by which rules and graph: a load of the CMDB must not write into every
    /// ticket.
    pub(super) fn content_hash(wanted: Wanted) -> u64 {
        let wanted = Wanted {
            rules: 0,
            graph_as_of: None,
            ..wanted
        };
        let all = postcard::to_stdvec(&wanted)
            .ok()
            .map(|bytes| short_hash(&[&String::from_utf8_lossy(&bytes)]));
        all.unwrap_or_default()
    }

    /// The ticket of an incident at a target, or nothing.
    pub fn ticket_of(&self, id: IncidentId, target: &str) -> String {
        let row = self.row_at(id, target);
        row.and_then(|row| row.ticket.clone()).unwrap_or_default()
    }

    fn row_at(&self, id: IncidentId, target: &str) -> Option<&Row> {
        let row = RowId {
            incident: id,
            target: target.into(),
        };
        self.state.outbox.get(&row)
    }

    /// Whether an incident is over for good.
    pub(super) fn is_over(state: IncidentState) -> bool {
        !state.lives()
    }
}

fn sources(members: &[(AlertId, &Alert)]) -> Vec<(String, u32)> {
    let mut counts: BTreeMap<&str, u32> = BTreeMap::new();
    for (_, alert) in members {
        let count = counts.entry(&alert.source).or_default();
        *count = count.saturating_add(1);
    }
    let mut out: Vec<(String, u32)> = counts.into_iter().map(|(s, n)| (s.to_owned(), n)).collect();
    out.sort_by_key(|(_, n)| Reverse(*n));
    out
}

fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_eight_digits_of_epoch() {
        let key = |epoch| correlation_key(epoch, IncidentId(123), 1);
        assert_eq!(key(0), "cor-00000000-123.1");
        assert_eq!(key((1 << 40) - 1), "cor-zzzzzzzz-123.1");
        assert_eq!(key(33), "cor-00000011-123.1");
    }
}
