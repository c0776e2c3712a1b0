//! An incident and an alert in short, as data for the API. Why they are so: `why`.

use crate::engine::Engine;
use crate::engine::quote::text_of;
use crate::engine::state::{Alert, Incident};
use crate::engine::wanted::correlation_key;
use crate::model::{AlertId, CiId, Fingerprint, IncidentId, Millis};
use serde_json::{Value, json};

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
        Some(json!({
            "id": id.to_string(),
            "state": known.state,
            "priority": known.priority,
            "severity": self.worst(known),
            "root": self.ci_name(known.root),
            "root_known": known.confident,
            "cause": self.cause_in_short(known),
            "root_silent": known.silent_root,
            "alerts": known.members.len(),
            "live": known.live,
            "services": names(&services.observed),
            "at_risk": names(&services.at_risk),
            "first": self.first_arrived(known).rfc3339(),
            "hold_until": known.hold_until.rfc3339(),
            "opened": known.opened.map(|t| t.rfc3339()),
            "resolved": known.resolved.map(|t| t.rfc3339()),
            "acknowledged": known.acknowledged,
            "merged_into": known.merged_into.map(|i| i.to_string()),
            "tickets": tickets,
            "opens_at": self.opens_at(known).map(|t| t.rfc3339()),
            "flapping": self.flap_texts(id).0.into_iter().map(|f| f.ci).collect::<Vec<_>>(),
            "no_ticket_because": self.no_ticket_because(id),
        }))
    }

    /// The cause in a few words, as sure as the sentence of the explanation is.
    pub(in crate::engine) fn cause_in_short(&self, known: &Incident) -> String {
        let root = self.ci_name(known.root);
        let named = crate::engine::hands::named_by(known);
        let not = "not known";
        match (named.map(|n| n.ci.is_some()), known.confident) {
            (Some(true), _) => root,
            (None, true) => format!("probably {root}"),
            (Some(false), _) => not.to_owned(),
            (None, false) if known.burst.is_some() && self.only_its_name(known) => {
                format!("{not}, the same fault on several CIs")
            }
            // A single alert that the CMDB does not know is no guess at a cause.
            (None, false) if known.case.spots.len() <= 1 && self.force.ci(known.root).is_none() => {
                format!("{not}, alerts of {root}")
            }
            (None, false) => format!("{not}, best guess {root}"),
        }
    }

    /// When the first of its alerts arrived: some seconds before it was placed.
    pub(in crate::engine) fn first_arrived(&self, known: &Incident) -> Millis {
        let alerts = known.members.keys();
        let alerts = alerts.filter_map(|id| self.state().alerts.get(id));
        alerts.map(|a| a.arrived).min().unwrap_or(known.first)
    }

    /// Why it has no ticket as things are; nothing while it is merely held.
    fn no_ticket_because(&self, id: IncidentId) -> Option<String> {
        let known = self.state().incidents.get(&id)?;
        if known.shadow {
            return Some("its source is in shadow".to_owned());
        }
        let free = known.maintenance.is_none() && known.waits.is_none();
        let decided = known.opened.is_some() || (free && self.may_ticket(known));
        (!decided).then(|| self.why_no_ticket(id)).flatten()
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
        json!({
            "fingerprint": alert.fingerprint.to_string(),
            "source": &*alert.source,
            "state": super::why::alert_word(alert.state),
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
