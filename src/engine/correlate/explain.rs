//! Why: the explanation of an incident and of an alert, as data for `explain` and the API.

use crate::engine::Engine;
use crate::engine::state::{Alert, AlertState, Incident, IncidentState, Suppression};
use crate::engine::wanted::{correlation_key, text_of};
use crate::model::{AlertId, CiId, Fingerprint, IncidentId};
use crate::ticket::Cause;
use serde_json::{Value, json};

/// Members listed in an explanation.
const MAX_MEMBERS: usize = 500;

impl Engine {
    /// An incident in short.
    pub fn incident_json(&self, id: IncidentId) -> Option<Value> {
        let known = self.state().incidents.get(&id)?;
        let tickets: Vec<Value> = self
            .rows_of(id)
            .iter()
            .filter_map(|r| {
                let row = self.state().outbox.get(r)?;
                Some(json!({
                    "target": &*r.target,
                    "ticket": row.ticket.as_deref().map(crate::itsm::shown),
                    "key": correlation_key(self.state().epoch, id, row.generation),
                    "touched": row.touched,
                    "state": row.ticket_state,
                    "shadow": row.shadow,
                    "waits": row.parked.clone().or_else(|| row.valved.then(|| "valve".to_owned())),
                }))
            })
            .collect();
        let services = self.services(id);
        let names = |cis: &[CiId]| cis.iter().map(|c| self.ci_name(*c)).collect::<Vec<_>>();
        let may = known.opened.is_some() || self.may_ticket(known);
        let held_back = known.maintenance.is_some() || known.waits.is_some();
        Some(json!({
            "id": id.to_string(),
            "state": known.state,
            "priority": known.priority,
            "severity": self.worst(known),
            "root": self.ci_name(known.root),
            "root_known": known.confident,
            "root_silent": known.silent_root,
            "alerts": known.members.len(),
            "live": known.live,
            "services": names(&services.observed),
            "at_risk": names(&services.at_risk),
            "first": known.first.rfc3339(),
            "hold_until": known.hold_until.rfc3339(),
            "opened": known.opened.map(|t| t.rfc3339()),
            "resolved": known.resolved.map(|t| t.rfc3339()),
            "acknowledged": known.acknowledged,
            "merged_into": known.merged_into.map(|i| i.to_string()),
            "tickets": tickets,
            "opens_at": known.waits.as_ref().filter(|_| known.opened.is_none()).map(|w| w.until.rfc3339()),
            "flapping": self.flap_texts(id).0.into_iter().map(|f| f.ci).collect::<Vec<_>>(),
            "no_ticket_because": (!may || known.shadow || (held_back && known.opened.is_none())).then(|| self.why_no_ticket(id)),
        }))
    }

    fn why_no_ticket(&self, id: IncidentId) -> String {
        let Some(known) = self.state().incidents.get(&id) else {
            return String::new();
        };
        if let Some(window) = &known.maintenance {
            return format!("maintenance {window} covers it");
        }
        if let Some(waits) = self.why_it_waits(known).filter(|_| known.state.lives()) {
            return waits;
        }
        let inhibited = known.members.keys().find(|a| {
            let alert = self.state().alerts.get(a);
            alert.is_some_and(|a| a.suppressed == Some(Suppression::Inhibited))
        });
        if let Some(by) = inhibited.and_then(|a| self.inhibited_by(*a)) {
            let text = |name: &str| {
                by.get(name)
                    .and_then(Value::as_str)
                    .unwrap_or_default()
                    .to_owned()
            };
            return format!(
                "inhibited by rule {}: {} on {}",
                text("rule"),
                text("text"),
                text("ci")
            );
        }
        self.why_not(known).to_owned()
    }

    fn why_not(&self, known: &Incident) -> &'static str {
        let alerts = || {
            known
                .members
                .keys()
                .filter_map(|a| self.state().alerts.get(a))
        };
        if known.shadow {
            return "its source is in shadow";
        }
        if known.state == IncidentState::Resolved {
            return "over before its hold ended";
        }
        if alerts().any(|a| a.suppressed == Some(Suppression::Inherited)) {
            return "its alerts were there before our first contact with their source";
        }
        if alerts().any(|a| a.suppressed == Some(Suppression::Source)) {
            return "its source joins tickets and opens none";
        }
        if alerts().any(crate::engine::flap::is_over) {
            return "its alerts flap, and none of them fires now";
        }
        "its alerts are less severe than ticket_min_severity"
    }

    /// Why an incident is what it is.
    pub fn explain_json(&self, id: IncidentId) -> Option<Value> {
        let id = self.incident_of(id);
        let known = self.state().incidents.get(&id)?;
        let cis: Vec<CiId> = self.spots(id).into_keys().collect();
        let cause = self.cause(known, &cis);
        let explains = self.explains(known.root, &cis);
        let members: Vec<Value> = known
            .members
            .iter()
            .take(MAX_MEMBERS)
            .filter_map(|(alert, member)| {
                let of = self.state().alerts.get(alert)?;
                let path = self.path(member.ci, member.via.unwrap_or(known.root));
                Some(json!({
                    "alert": of.fingerprint.to_string(),
                    "source": &*of.source,
                    "text": text_of(&of.labels, &of.annotations),
                    "ci": self.ci_name(member.ci),
                    "bound_by": &*of.evidence,
                    "how": member.how,
                    "via": member.via.map(|c| self.ci_name(c)),
                    "path": path,
                    "weight_per_mille": member.weight,
                    "gap_s": member.gap.0 / 1000,
                    "severity": of.severity,
                    "state": of.state,
                    "suppressed": of.suppressed,
                    "also": member.also.iter().map(|i| i.to_string()).collect::<Vec<_>>(),
                }))
            })
            .collect();
        let text = cause.text();
        let observed = self.observed(id);
        let subject = self.subject(known, &observed, &self.spots(id));
        let group = self.group(known, &observed, subject);
        let confidence = match &cause {
            Cause::High(_) => "high",
            Cause::NotKnown(_) => "not known",
            Cause::Named(..) => "named by a person",
        };
        Some(json!({
            "incident": id.to_string(),
            "version": 1,
            "at": self.state().at.rfc3339(),
            "summary": self.incident_json(id),
            "sentence": crate::ticket::sentence(&cause, crate::ticket::Language::En),
            "root": {
                "ci": self.ci_name(known.root),
                "confidence": confidence,
                "named_by": cause.by(),
                "silent": known.silent_root,
                "first": text.is_some_and(|t| t.first),
            },
            "explains": {
                "alerting": explains.alerting,
                "of_monitored": explains.monitored,
                "absent_examples": explains.silent.iter().take(6).map(|c| self.ci_name(*c)).collect::<Vec<_>>(),
            },
            "runner_up": text.and_then(|t| t.runner_up.as_ref()).map(|(ci, n, of)| json!({
                "ci": ci, "explains": n, "of_monitored": of,
            })),
            "members": members,
            "members_omitted": known.members.len().saturating_sub(MAX_MEMBERS),
            "merges": known.merges.iter().map(|m| json!({
                "from": m.from.to_string(),
                "because": self.ci_name(m.because),
                "by": m.by,
                "at": m.at.rfc3339(),
            })).collect::<Vec<_>>(),
            "turns": known.turns.iter().map(|t| json!({"at": t.at.rfc3339(), "what": t.what})).collect::<Vec<_>>(),
            "split_from": known.hands.split_from.as_ref().map(|(from, _)| from.to_string()),
            "kept_apart": known.hands.apart.iter().map(|i| i.to_string()).collect::<Vec<_>>(),
            "quiet_until": self.quiet_until(id).map(|t| t.rfc3339()),
            "group": group.0,
            "routed_by": group.1,
            "targets_by": self.route_targets(id).map(|(_, rule)| rule),
            "changes": self.changed(known, subject).iter().map(|c| json!({
                "id": c.id, "ci": c.ci, "summary": c.summary, "at": c.at.rfc3339(),
            })).collect::<Vec<_>>(),
            "rules": self.state().rules_no,
            "graph": self.state().graph.map(|g| format!("{:016x}", g.digest)),
        }))
    }

    /// Names on the best path by which `from` needs `to`.
    fn path(&self, from: CiId, to: CiId) -> Vec<String> {
        let (Some(graph), Some(a), Some(b)) = (
            &self.in_force().graph,
            self.in_force().ix(from),
            self.in_force().ix(to),
        ) else {
            return Vec::new();
        };
        let min = self.state().rules.correlate.min_weight;
        graph
            .path(a, b, min)
            .into_iter()
            .filter_map(|ix| graph.ci(ix).map(|c| c.name.clone()))
            .collect()
    }

    /// An alert, with where it is and why.
    pub fn alert_json(&self, fingerprint: Fingerprint) -> Option<Value> {
        let id = self.state().by_fingerprint.get(&fingerprint)?;
        self.alert_by_id_json(*id)
    }

    /// The same by its number.
    pub fn alert_by_id_json(&self, id: AlertId) -> Option<Value> {
        self.state()
            .alerts
            .get(&id)
            .map(|a| self.alert_value(id, a))
    }

    fn alert_value(&self, id: AlertId, alert: &Alert) -> Value {
        let labels: serde_json::Map<String, Value> = alert
            .labels
            .iter()
            .map(|(n, v)| (n.to_owned(), Value::from(v)))
            .collect();
        let (today, chronic) = self.chronic_of(alert);
        let state = match alert.state {
            AlertState::Firing => "firing",
            AlertState::Stale => "stale",
            AlertState::Over => "over",
        };
        json!({
            "fingerprint": alert.fingerprint.to_string(),
            "source": &*alert.source,
            "state": state,
            "severity": alert.severity,
            "text": text_of(&alert.labels, &alert.annotations),
            "labels": labels,
            "ci": self.ci_name(alert.ci),
            "bound": alert.evidence.bound,
            "bound_by": &*alert.evidence,
            "suppressed": alert.suppressed,
            "inhibited_by": self.inhibited_by(id),
            "flapping_since": alert.flap.as_ref().and_then(|f| f.since).map(|t| t.rfc3339()),
            "incidents_today": today,
            "chronic": chronic,
            "acknowledged": alert.acknowledged,
            "started": alert.started.rfc3339(),
            "arrived": alert.arrived.rfc3339(),
            "heard": alert.heard.rfc3339(),
            "ended": alert.ended.map(|t| t.rfc3339()),
            "events": alert.events,
            "incident": alert.incident.map(|i| self.incident_of(i).to_string()),
        })
    }
}
