//! Why an alert is not in an incident: weighed once more by the code that places, in a copy of the state of now.

use super::super::index::Index;
use super::super::place::{New, Way};
use super::super::scale::{NAT, Nats};
use super::NoAlert;
use super::alert::tried;
use crate::engine::Engine;
use crate::engine::state::{How, IncidentState};
use crate::model::{AlertId, IncidentId, Millis};
use serde_json::{Value, json};

/// Why not.
struct No {
    /// One word for programs.
    word: &'static str,
    text: String,
    /// What the best way in is worth, and a fault of its own.
    worth: Option<(Nats, Nats)>,
}

fn no(word: &'static str, text: String) -> No {
    No {
        word,
        text,
        worth: None,
    }
}

impl Engine {
    /// Why an alert is not in an incident, judged by the state of now.
    ///
    /// # Errors
    /// An alert or an incident that is not known (any more).
    pub fn why_not_in_json(&self, digits: &str, asked: IncidentId) -> Result<Value, NoAlert> {
        let alert = self.find_alert(digits)?;
        let id = self.incident_of(asked);
        let unknown = || NoAlert::Unknown(self.gone_into(asked));
        let known = self.state.incidents.get(&id).ok_or_else(unknown)?;
        let of = self.state.alerts.get(&alert).ok_or_else(unknown)?;
        let mine = of.incident.map(|i| self.incident_of(i));
        let is_in = mine == Some(id) && known.members.contains_key(&alert);
        let answer = match is_in {
            true => no("is_in", format!("it is in {id}")),
            false => self.why_not_in(alert, id),
        };
        let milli = |n: Nats| n.saturating_mul(1000) / NAT;
        Ok(json!({
            "alert": of.fingerprint.to_string(),
            "ci": self.ci_name(of.ci),
            "incident": id.to_string(),
            "asked": asked.to_string(),
            "joined": is_in,
            "reason": answer.word,
            "text": answer.text,
            "value_millinats": answer.worth.map(|(way, _)| milli(way)),
            "alone_millinats": answer.worth.map(|(_, alone)| milli(alone)),
            "in": mine.map(|i| i.to_string()),
            "how": mine.and_then(|i| self.how_it_came(alert, i)),
            "judged_at": self.state.at.rfc3339(),
            "note": "judged by the state of now, by the same code that places alerts; what was known when it arrived may have been less. Of two values, 1.0 more is 2.7 times as likely",
        }))
    }

    fn why_not_in(&self, alert: AlertId, id: IncidentId) -> No {
        let (Some(known), Some(of)) =
            (self.state.incidents.get(&id), self.state.alerts.get(&alert))
        else {
            return no("unknown", "it is not known (any more)".to_owned());
        };
        let shadow = crate::engine::suppress::in_shadow(&self.state.rules.suppress, &of.source);
        if shadow != known.shadow {
            let text = "one of the two is of a source in shadow, whose alerts touch no real ticket";
            return no("shadow", text.to_owned());
        }
        let mine = of.incident.map(|i| self.incident_of(i));
        let by_people =
            !self.may_join(alert, id) || mine.is_some_and(|m| m != id && !self.may_merge(m, id));
        if by_people {
            let text = format!("a person keeps it apart from {id}");
            return no("by_a_person", text);
        }
        if known.state == IncidentState::Resolved {
            let since = known.resolved.unwrap_or(known.last);
            let text = format!(
                "{id} is over since {}; it takes no alert but its own that fires again",
                since.rfc3339()
            );
            return no("over", text);
        }
        let mut trial = self.clone();
        trial.take_alert_out(alert);
        let Some(new) = trial.new_at(alert) else {
            return no("unknown", "it is not known (any more)".to_owned());
        };
        let about = trial.about_alert(alert, new.ci);
        let (best, alone) = trial.best_way(new, &about);
        // The same search over an index that holds this incident alone.
        trial.index = Index::default();
        trial.reindex(id);
        let into = trial.best_of_all(new, &about, i64::MIN);
        self.compare(alert, id, new, best, into, alone)
    }

    /// As if the alert had not come.
    fn take_alert_out(&mut self, alert: AlertId) {
        let mine = self
            .state
            .alerts
            .get_mut(&alert)
            .and_then(|a| a.incident.take());
        self.index.lately.forget();
        let Some(id) = mine.map(|i| self.incident_of(i)) else {
            return;
        };
        self.unindex(id);
        let Some(known) = self.state.incidents.get_mut(&id) else {
            return;
        };
        known.members.remove(&alert);
        known.live = known.live.saturating_sub(1);
        let lives = known.state.lives();
        match known.members.is_empty() {
            true => drop(self.state.incidents.remove(&id)),
            false if lives => self.case_anew(id),
            false => {}
        }
    }

    fn compare(
        &self,
        alert: AlertId,
        id: IncidentId,
        new: New,
        best: Option<Way>,
        into: Option<Way>,
        alone: Nats,
    ) -> No {
        let name = self.ci_name(new.ci);
        let Some(into) = into else {
            return self.no_way(id, new, &name);
        };
        let worth = Some((into.value, alone));
        let way = self.way_text(&into, id, new);
        let number = |n: Nats| {
            let tenths = n.saturating_mul(10) / NAT;
            let sign = if tenths < 0 { "-" } else { "" };
            format!("{sign}{}.{}", tenths.abs() / 10, tenths.abs() % 10)
        };
        let (in_it, own) = (number(into.value), number(alone));
        if into.value <= alone {
            let text = format!(
                "the best way into {id} ({way}) is worth {in_it}, less than {own} for a fault of its own"
            );
            return No {
                word: "alone_is_likelier",
                text,
                worth,
            };
        }
        let other = best.filter(|b| b.incident != id && b.value > into.value);
        if let Some(other) = other {
            let text = format!(
                "{} explains it better ({}; worth {}) than {id} does ({way}; worth {in_it})",
                other.incident,
                self.way_text(&other, other.incident, new),
                number(other.value),
            );
            return No {
                word: "another_is_likelier",
                text,
                worth,
            };
        }
        let arrived = self
            .state
            .alerts
            .get(&alert)
            .map_or(new.began, |a| a.arrived);
        let first = self.state.incidents.get(&id).map_or(arrived, |i| i.first);
        let then = match first > arrived {
            true => format!(
                "when it arrived, at {}, {id} had not been opened",
                arrived.rfc3339()
            ),
            false => format!(
                "when it arrived, at {}, less was known: {id} had fewer alerts, or the graph, the rules or the causes were others",
                arrived.rfc3339()
            ),
        };
        No {
            word: "would_join_now",
            text: format!(
                "by what is known now it would come in ({way}; worth {in_it} against {own} for a fault of its own); {then}"
            ),
            worth,
        }
    }

    fn no_way(&self, id: IncidentId, new: New, name: &str) -> No {
        let Some(known) = self.state.incidents.get(&id) else {
            return no("unknown", format!("{id} is not known (any more)"));
        };
        let evidence = self.state.alerts.get(&new.alert).map(|a| &a.evidence);
        if let Some(evidence) = evidence.filter(|e| !e.bound) {
            let why = tried(evidence);
            return no(
                "unbound",
                format!(
                    "the alert is bound to no CI ({why}), so nothing is known of what it needs"
                ),
            );
        }
        let needs = self.cone_of(new.ci);
        let all = || needs.iter().map(|n| n.ci).chain([new.ci]);
        let alerts = all().find(|ci| known.case.spots.contains_key(ci));
        let shared = all().find(|ci| known.case.sums.contains_key(ci));
        let Some(link) = alerts.or(shared) else {
            return no(
                "no_path",
                format!(
                    "no path: nothing that {name} needs alerts in {id}, and no CI that {name} needs, or {name} itself, explains an alert there"
                ),
            );
        };
        let window = self.state.rules.correlate.window;
        let (after, before) = (
            new.began.since(known.case.last),
            known.case.first.since(new.began),
        );
        let apart = after.max(before);
        if apart > window {
            let (n, side) = match after > before {
                true => (after, "after the last alert"),
                false => (before, "before the first alert"),
            };
            return no(
                "time",
                format!(
                    "it began {} s {side} of {id}; beyond {} s (correlate.window) two alerts are not of one fault",
                    n.0 / 1000,
                    window.0 / 1000
                ),
            );
        }
        no(
            "no_way",
            format!(
                "{} is between them, but what alerts there only warns, and a warning explains no outage",
                self.cause_name(link)
            ),
        )
    }

    fn way_text(&self, way: &Way, id: IncidentId, new: New) -> String {
        let name = self.ci_name(new.ci);
        let via = way.via.map(|ci| (ci, self.cause_name(ci)));
        let gap = |ci| {
            let spot = self.spot(id, ci)?;
            let apart: Millis = spot.first.since(new.began);
            Some(format!(", {} s apart", apart.0.abs() / 1000))
        };
        match (way.how, via) {
            (How::SameCi, _) => format!(
                "{name} alerts there already{}",
                gap(new.ci).unwrap_or_default()
            ),
            (How::Named, _) => {
                format!("the CMDB does not know {name}, but {id} shows the same name just now")
            }
            (How::DownToo, _) => format!(
                "the CMDB does not say what {name} needs, but hosts of {id} went down at the same time"
            ),
            (How::Attach, Some((ci, via))) => {
                let weight = self.weight_between(new, ci);
                format!(
                    "{name} needs {via}, which alerts{}{}",
                    weight.map(|w| format!(", weight {w}")).unwrap_or_default(),
                    gap(ci).unwrap_or_default()
                )
            }
            (_, Some((ci, _))) if ci == new.ci => {
                format!("a fault of {name} itself explains what alerts there")
            }
            (_, Some((_, via))) => format!("a fault of {via} explains both"),
            (_, None) => "nothing named".to_owned(),
        }
    }

    fn weight_between(&self, new: New, ci: crate::model::CiId) -> Option<u16> {
        let cone = self.cone_of(new.ci);
        cone.iter().find(|n| n.ci == ci).map(|n| n.weight)
    }
}
