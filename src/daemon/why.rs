//! `explain` over the API: asks the engine between two entries.

use super::api::{ASK, Api, parse};
use super::inbox::Command;
use super::serve::Answer;
use crate::engine::Engine;
use crate::engine::correlate::why::{NoAlert, Which};
use hyper::StatusCode;
use serde_json::Value;
use tokio::sync::oneshot;
use tokio::time::timeout;

/// The only value of a query of one parameter.
fn parameter<'a>(query: &'a str, known: &str) -> Result<Option<&'a str>, Answer> {
    let mut found = None;
    for pair in query.split('&').filter(|p| !p.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        if name != known {
            let text = format!("unknown parameter {name:?}; only: {known}");
            return Err(Answer::error(StatusCode::BAD_REQUEST, &text));
        }
        found = Some(value);
    }
    Ok(found)
}

impl Api {
    /// `GET /v1/incidents/<id>/explain[?version=N|all]`
    pub(super) async fn explain(&self, id: &str, query: &str) -> Answer {
        let id = match parse(id) {
            Ok(id) => id,
            Err(answer) => return answer,
        };
        let which = match parameter(query, "version") {
            Err(answer) => return answer,
            Ok(None | Some("now")) => Which::Now,
            Ok(Some("all")) => Which::All,
            Ok(Some(n)) => match n.parse() {
                Ok(n) => Which::Version(n),
                Err(_) => {
                    let text = format!("version={n}: a number, all or now");
                    return Answer::error(StatusCode::BAD_REQUEST, &text);
                }
            },
        };
        let asked = self.ask(move |engine| engine.explain_json(id, which)).await;
        told(asked.map(|found| found.map_err(|text| (StatusCode::NOT_FOUND, text))))
    }

    /// `GET /v1/alerts/<fingerprint>/explain[?incident=<id>]`
    pub(super) async fn explain_alert(&self, digits: &str, query: &str) -> Answer {
        let incident = match parameter(query, "incident") {
            Err(answer) => return answer,
            Ok(None) => None,
            Ok(Some(id)) => match parse(id) {
                Ok(id) => Some(id),
                Err(answer) => return answer,
            },
        };
        let digits = digits.to_owned();
        let asked = self.ask(move |engine| match incident {
            Some(id) => engine.why_not_in_json(&digits, id),
            None => engine.alert_story_json(&digits),
        });
        let status = |why: NoAlert| {
            let status = match why {
                NoAlert::Unknown(_) => StatusCode::NOT_FOUND,
                NoAlert::Wrong(_) => StatusCode::UNPROCESSABLE_ENTITY,
            };
            (status, why.text().to_owned())
        };
        told(asked.await.map(|found| found.map_err(status)))
    }

    /// A question to the engine; `None` if it does not answer in time.
    pub(super) async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Engine) -> T + Send + 'static,
    ) -> Option<T> {
        let (tell, answer) = oneshot::channel();
        let look = move |engine: &Engine| {
            tell.send(question(engine)).ok(); // whoever asked may have gone
        };
        self.inbox.command(Command::Ask(Box::new(look)));
        timeout(ASK, answer).await.ok()?.ok()
    }
}

fn told(asked: Option<Result<Value, (StatusCode, String)>>) -> Answer {
    match asked {
        Some(Ok(value)) => Answer::json(StatusCode::OK, &value),
        Some(Err((status, text))) => Answer::error(status, &text),
        None => Answer::error(
            StatusCode::SERVICE_UNAVAILABLE,
            "the engine did not answer in time; try again",
        ),
    }
}
