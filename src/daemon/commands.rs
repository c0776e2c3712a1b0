//! Commands of people over the API: a body to a record, and what came of it to an answer.

use super::api::Api;
use super::inbox::Command;
use super::serve::{Answer, Inquiry, Peer};
use crate::config::duration;
use crate::engine::hands::CommandRefused;
use crate::model::{IncidentId, one_line};
use crate::record::{CauseV1, CommandV1, MoveV1, NamedV1, PairV1, QuietV1, RetryV1, SplitV1};
use hyper::StatusCode;
use serde_json::{Map, Value, json};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::timeout;

/// Time for a command: it waits for the disk.
const WAIT: Duration = Duration::from_secs(10);
/// Alerts or CIs in one command; all of an incident are named by its CIs.
const MAX_NAMED: usize = 500;
/// Characters of a name, and of the actor's.
const MAX_TEXT: usize = 200;

/// A body and the keys that its verb knows.
struct Body<'a> {
    values: Map<String, Value>,
    verb: &'a str,
}

impl Body<'_> {
    /// The keys of a verb; `None` for a verb that does not exist.
    fn keys(verb: &str) -> Option<&'static [&'static str]> {
        Some(match verb {
            "acknowledge" | "promote" | "resolve" => &["by"],
            "split" => &["alerts", "cis", "by"],
            "move" => &["to", "alerts", "cis", "by"],
            "merge" => &["with", "by"],
            "keep-apart" => &["from", "by"],
            "cause" => &["ci", "by"],
            "quiet" => &["for", "by"],
            _ => return None,
        })
    }

    fn text(&self, key: &str) -> Result<Option<String>, String> {
        match self.values.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) if text.trim().is_empty() => {
                Err(format!("{}: {key:?} is empty", self.verb))
            }
            Some(Value::String(text)) if text.chars().count() > MAX_TEXT => Err(format!(
                "{}: {key:?} has more than {MAX_TEXT} characters",
                self.verb
            )),
            Some(Value::String(text)) => Ok(Some(text.trim().to_owned())),
            Some(_) => Err(format!("{}: {key:?} must be a text", self.verb)),
        }
    }

    fn needed(&self, key: &str) -> Result<String, String> {
        self.text(key)?
            .ok_or_else(|| format!("{} needs {key:?}", self.verb))
    }

    fn incident(&self, key: &str) -> Result<IncidentId, String> {
        self.needed(key)?.parse()
    }

    fn list(&self, key: &str) -> Result<Vec<String>, String> {
        let bad = || format!("{}: {key:?} must be a list of texts", self.verb);
        let all = match self.values.get(key) {
            None | Some(Value::Null) => return Ok(Vec::new()),
            Some(Value::Array(all)) => all,
            Some(_) => return Err(bad()),
        };
        if all.len() > MAX_NAMED {
            return Err(format!(
                "{}: {key:?} has more than {MAX_NAMED} entries",
                self.verb
            ));
        }
        let one = |v: &Value| {
            let text = v.as_str().filter(|t| t.chars().count() <= MAX_TEXT);
            text.map(|t| t.trim().to_owned()).ok_or_else(bad)
        };
        all.iter().map(one).collect()
    }

    fn named(&self) -> Result<NamedV1, String> {
        Ok(NamedV1 {
            alerts: self.list("alerts")?,
            cis: self.list("cis")?,
        })
    }

    fn command(&self, incident: IncidentId) -> Result<CommandV1, String> {
        let pair = |other| PairV1 { incident, other };
        Ok(match self.verb {
            "acknowledge" => CommandV1::Acknowledge(incident),
            "promote" => CommandV1::Promote(incident),
            "resolve" => CommandV1::Resolve(incident),
            "split" => CommandV1::Split(SplitV1 {
                incident,
                named: self.named()?,
            }),
            "move" => CommandV1::Move(MoveV1 {
                incident,
                named: self.named()?,
                to: self.incident("to")?,
            }),
            "merge" => CommandV1::Merge(pair(self.incident("with")?)),
            "keep-apart" => CommandV1::KeepApart(pair(self.incident("from")?)),
            "cause" => {
                if !self.values.contains_key("ci") {
                    return Err("cause needs \"ci\": a name, or null for not known".to_owned());
                }
                let ci = self.text("ci")?;
                CommandV1::Cause(CauseV1 {
                    incident,
                    ci: ci.filter(|c| !c.eq_ignore_ascii_case("unknown")),
                })
            }
            "quiet" => CommandV1::Quiet(QuietV1 {
                incident,
                span: duration(&self.needed("for")?).map_err(|why| format!("quiet: {why}"))?,
            }),
            other => return Err(format!("there is no command {other:?}")),
        })
    }
}

fn bad(why: &str) -> Answer {
    Answer::error(StatusCode::BAD_REQUEST, why)
}

/// Who asks. A name that somebody gives stands beside what we know, never instead of it.
fn actor(inquiry: &Inquiry, by: Option<String>) -> String {
    let peer = match &inquiry.peer {
        Peer::User(uid) => format!("uid {uid}"),
        Peer::Network(address) => address.clone(),
    };
    match by {
        Some(by) => format!("{peer} ({})", one_line(&by, MAX_TEXT)),
        None => peer,
    }
}

/// The body of a request, with keys that are known.
fn body<'a>(inquiry: &Inquiry, verb: &'a str, keys: &[&str]) -> Result<Body<'a>, String> {
    let values = match inquiry.body.is_empty() {
        true => Map::new(),
        false => match serde_json::from_slice(&inquiry.body) {
            Ok(Value::Object(values)) => values,
            Ok(_) => return Err("the body must be a JSON object".to_owned()),
            Err(why) => return Err(format!("the body is no JSON: {why}")),
        },
    };
    match values.keys().find(|k| !keys.contains(&k.as_str())) {
        Some(key) => Err(format!(
            "{verb} knows no {key:?}; it knows: {}",
            keys.join(", ")
        )),
        None => Ok(Body { values, verb }),
    }
}

/// What is to be tried again, and who says so.
fn read_retry(inquiry: &Inquiry) -> Result<(String, CommandV1), String> {
    let body = body(inquiry, "retry", &["incident", "target", "all", "by"])?;
    let all = match body.values.get("all") {
        None | Some(Value::Bool(false)) => false,
        Some(Value::Bool(true)) => true,
        Some(_) => return Err("retry: \"all\" must be true or false".to_owned()),
    };
    let what = match (body.text("incident")?, body.text("target")?, all) {
        (Some(id), None, false) => RetryV1::Incident(id.parse()?),
        (None, Some(target), false) => RetryV1::Target(target),
        (None, None, true) => RetryV1::All,
        _ => return Err("retry needs one of \"incident\", \"target\", \"all\"".to_owned()),
    };
    Ok((actor(inquiry, body.text("by")?), CommandV1::Retry(what)))
}

/// The command of a request, and who gave it.
fn read(inquiry: &Inquiry, id: IncidentId, verb: &str) -> Result<(String, CommandV1), Answer> {
    let Some(keys) = Body::keys(verb) else {
        let text = format!(
            "there is no command {verb:?}; one of: acknowledge, cause, keep-apart, merge, move, promote, quiet, resolve, split"
        );
        return Err(Answer::error(StatusCode::NOT_FOUND, &text));
    };
    let body = body(inquiry, verb, keys).map_err(|why| bad(&why))?;
    let command = body.command(id).map_err(|why| bad(&why))?;
    let by = body.text("by").map_err(|why| bad(&why))?;
    Ok((actor(inquiry, by), command))
}

impl Api {
    /// Carries out a command; the answer comes after it is on disk.
    pub(super) async fn command(&self, inquiry: &Inquiry, id: IncidentId, verb: &str) -> Answer {
        match read(inquiry, id, verb) {
            Ok((actor, command)) => self.carry_out(actor, command).await,
            Err(answer) => answer,
        }
    }

    /// The same for what waits to be delivered.
    pub(super) async fn retry(&self, inquiry: &Inquiry) -> Answer {
        match read_retry(inquiry) {
            Ok((actor, command)) => self.carry_out(actor, command).await,
            Err(why) => bad(&why),
        }
    }

    async fn carry_out(&self, actor: String, command: CommandV1) -> Answer {
        let (tell, told) = oneshot::channel();
        self.inbox.command(Command::Operator(actor, command, tell));
        match timeout(WAIT, told).await {
            Ok(Ok(Ok(done))) => {
                let views: Vec<Value> = done
                    .incidents
                    .iter()
                    .filter_map(|id| self.board.incident(*id))
                    .map(|view| (*view).clone())
                    .collect();
                let ids: Vec<String> = done.incidents.iter().map(|i| i.to_string()).collect();
                let body = json!({
                    "done": true,
                    "text": done.text,
                    "ids": ids,
                    "incidents": views,
                });
                Answer::json(StatusCode::OK, &body)
            }
            Ok(Ok(Err(refused))) => {
                let status = match refused {
                    CommandRefused::Unknown(_) => StatusCode::NOT_FOUND,
                    CommandRefused::Wrong(_) => StatusCode::UNPROCESSABLE_ENTITY,
                };
                Answer::error(status, refused.text())
            }
            Ok(Err(_)) | Err(_) => Answer::error(
                StatusCode::SERVICE_UNAVAILABLE,
                "the command is not on disk; try again",
            ),
        }
    }
}
