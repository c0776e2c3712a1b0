//! Metrics, health, and the questions of people. Reads the board; only `explain` looks at the engine, between
//! two entries.

use super::board::Board;
use super::clock;
use super::inbox::{Command, Inbox};
use super::planned;
use super::poll::ask;
use super::serve::{Answer, Handler, Inquiry};
use crate::engine::Engine;
use crate::metrics::Metrics;
use crate::model::{IncidentId, Millis};
use crate::record::Record;
use hyper::{Method, StatusCode};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

/// Incidents or alerts in one answer.
const MAX_ROWS: usize = 1000;
/// The engine thread goes round each second; after this it is not healthy.
const ALIVE: Millis = Millis::secs(30);
/// Time for a question to the engine.
pub(super) const ASK: Duration = Duration::from_secs(10);
/// Time for a reload: the CMDB is read in it.
const RELOAD: Duration = Duration::from_secs(120);

/// Asks for a reload; the answer is what was wrong.
pub type Reload = mpsc::Sender<oneshot::Sender<Result<(), String>>>;

/// What the listeners share.
#[derive(Clone)]
pub struct Api {
    /// What readers see.
    pub board: Arc<Board>,
    /// Numbers.
    pub metrics: Metrics,
    /// Where commands go.
    pub inbox: Inbox,
    /// Everything is up.
    pub ready: Arc<AtomicBool>,
    /// Asks for a reload.
    pub reload: Reload,
}

/// What answers on the metrics listener.
pub fn metrics(api: Api) -> Handler {
    Arc::new(move |inquiry| {
        let api = api.clone();
        Box::pin(async move { api.health(&inquiry) })
    })
}

/// What answers on the admin socket.
pub fn admin(api: Api) -> Handler {
    Arc::new(move |inquiry| {
        let api = api.clone();
        Box::pin(async move { api.admin(&inquiry).await })
    })
}

fn not_found() -> Answer {
    Answer::error(StatusCode::NOT_FOUND, "there is nothing here")
}

fn rows(rows: Vec<Arc<Value>>, name: &str) -> Answer {
    let truncated = rows.len() > MAX_ROWS;
    let rows: Vec<&Value> = rows.iter().take(MAX_ROWS).map(|v| &**v).collect();
    Answer::json(
        StatusCode::OK,
        &json!({ name: rows, "truncated": truncated }),
    )
}

impl Api {
    fn alive(&self) -> bool {
        clock::wall().0.saturating_sub(self.board.last_alive()) < ALIVE.0
    }

    fn health(&self, inquiry: &Inquiry) -> Answer {
        if inquiry.method != Method::GET {
            return Answer::error(StatusCode::METHOD_NOT_ALLOWED, "only GET");
        }
        match inquiry.path.as_str() {
            "metrics" => Answer {
                status: StatusCode::OK,
                content_type: "text/plain; version=0.0.4",
                headers: Vec::new(),
                body: self.metrics.text(),
            },
            "healthz" if self.alive() => Answer::json(StatusCode::OK, &json!({ "healthy": true })),
            "healthz" => Answer::error(
                StatusCode::SERVICE_UNAVAILABLE,
                "the engine does not go round",
            ),
            "readyz" if self.ready.load(Ordering::Relaxed) && self.alive() => {
                Answer::json(StatusCode::OK, &json!({ "ready": true }))
            }
            "readyz" => Answer::error(StatusCode::SERVICE_UNAVAILABLE, "starting or stopping"),
            _ => not_found(),
        }
    }

    async fn admin(&self, inquiry: &Inquiry) -> Answer {
        let path: Vec<&str> = inquiry.path.split('/').collect();
        let post = inquiry.method == Method::POST;
        if post && crate::source::media_type(inquiry.header("content-type")) != "application/json" {
            return Answer::error(StatusCode::UNSUPPORTED_MEDIA_TYPE, "send application/json");
        }
        match (post, path.as_slice()) {
            (false, ["v1", "incidents"]) => self.incidents(&inquiry.query),
            (false, ["v1", "chronic"]) => match self.ask(Engine::chronic_json).await {
                Some(list) => Answer::json(StatusCode::OK, &list),
                None => Answer::error(StatusCode::SERVICE_UNAVAILABLE, "no answer; try again"),
            },
            (false, ["v1", "deliveries"]) => match self.ask(Engine::deliveries_json).await {
                Some(list) => Answer::json(StatusCode::OK, &list),
                None => Answer::error(StatusCode::SERVICE_UNAVAILABLE, "no answer; try again"),
            },
            (true, ["v1", "deliveries", "retry"]) => self.retry(inquiry).await,
            (false, ["v1", "alerts"]) => rows(self.board.alerts(MAX_ROWS + 1), "alerts"),
            (false, ["v1", "alerts", fingerprint]) => match self.board.alert(fingerprint) {
                Some(alert) => Answer::json(StatusCode::OK, &alert),
                None => Answer::error(StatusCode::NOT_FOUND, "this alert is not known (any more)"),
            },
            (false, ["v1", "incidents", id]) => match parse(id) {
                Ok(id) => found(self.board.incident(id).map(|v| (*v).clone()), id),
                Err(answer) => answer,
            },
            (false, ["v1", "incidents", id, "explain"]) => self.explain(id, &inquiry.query).await,
            (false, ["v1", "alerts", digits, "explain"]) => {
                self.explain_alert(digits, &inquiry.query).await
            }
            (true, ["v1", "incidents", id, verb]) => match parse(id) {
                Ok(id) => self.command(inquiry, id, verb).await,
                Err(answer) => answer,
            },
            (true, ["v1", "maintenance"]) => {
                self.plan(planned::maintenance(&inquiry.body, clock::wall()))
                    .await
            }
            (true, ["v1", "changes"]) => {
                self.plan(planned::change(&inquiry.body, clock::wall()))
                    .await
            }
            (true, ["v1", "reload"]) => self.reload().await,
            (_, _) => not_found(),
        }
    }

    fn incidents(&self, query: &str) -> Answer {
        let mut state = None;
        let mut ci = None;
        for pair in query.split('&').filter(|p| !p.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            match name {
                "state" => state = Some(value),
                "ci" => ci = Some(value),
                _ => {
                    let text = format!("unknown parameter {name:?}; one of: state, ci");
                    return Answer::error(StatusCode::BAD_REQUEST, &text);
                }
            }
        }
        rows(self.board.incidents(state, ci, MAX_ROWS + 1), "incidents")
    }

    /// Takes in what people plan.
    async fn plan(&self, record: Result<Record, String>) -> Answer {
        let record = match record {
            Ok(record) => record,
            Err(why) => return Answer::error(StatusCode::BAD_REQUEST, &why),
        };
        let same = record.clone();
        let vain = ask(&self.inbox, move |engine| engine.plan_in_vain(&same)).await;
        let (tell, told) = oneshot::channel();
        self.inbox.command(Command::Planned(record, tell));
        match timeout(ASK, told).await {
            Ok(Ok(())) => match vain.flatten() {
                None => Answer::json(StatusCode::OK, &json!({ "done": true })),
                Some(why) => Answer::json(StatusCode::OK, &json!({ "done": true, "warning": why })),
            },
            Ok(Err(_)) | Err(_) => Answer::error(
                StatusCode::SERVICE_UNAVAILABLE,
                "it is not on disk; try again",
            ),
        }
    }

    async fn reload(&self) -> Answer {
        let (tell, told) = oneshot::channel();
        if self.reload.send(tell).await.is_err() {
            return Answer::error(StatusCode::SERVICE_UNAVAILABLE, "correlated is stopping");
        }
        match timeout(RELOAD, told).await {
            Ok(Ok(Ok(()))) => Answer::json(StatusCode::OK, &json!({ "reloaded": true })),
            Ok(Ok(Err(why))) => Answer::error(StatusCode::UNPROCESSABLE_ENTITY, &why),
            Ok(Err(_)) | Err(_) => {
                Answer::error(StatusCode::SERVICE_UNAVAILABLE, "the reload did not end")
            }
        }
    }
}

pub(super) fn parse(id: &str) -> Result<IncidentId, Answer> {
    id.parse()
        .map_err(|why: String| Answer::error(StatusCode::BAD_REQUEST, &why))
}

fn found(value: Option<Value>, id: IncidentId) -> Answer {
    match value {
        Some(value) => Answer::json(StatusCode::OK, &value),
        None => Answer::error(
            StatusCode::NOT_FOUND,
            &format!("{id} is not known (any more)"),
        ),
    }
}
