//! One step against a tool, exchange by exchange: what is sent next, and what came of the step. Pure: the
//! daemon carries the requests over the network, the conformance kit to tools of its own.

use super::{Facts, Itsm, ItsmSettings, MAX_EXCHANGES, Next, Refusal, Reply, Step};
use crate::model::{Request, Response};
use crate::record::{HitV1, OutcomeV1};

/// An exchange that gave no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The request may have reached the tool.
    pub sent: bool,
    /// A person must act: a login that the tool refuses.
    pub fatal: bool,
    /// What happened; no secrets.
    pub why: String,
}

/// A step under way.
#[derive(Debug)]
pub struct Exchange<'a> {
    kind: &'a Itsm,
    settings: &'a ItsmSettings,
    facts: &'a Facts,
    step: &'a Step,
    got: Vec<Response>,
    /// The request that waits for its answer writes.
    writing: bool,
    /// The step is done already; what is under way is sent besides.
    besides: Option<Reply>,
    /// A writing request was answered.
    written: bool,
    /// And not with a no.
    taken: bool,
}

/// What to do next for a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Do {
    /// Send this, and hand in what comes of it.
    Send(Request),
    /// The step is over.
    Over(End),
}

/// How a step ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// As the kind says.
    Reply(Reply),
    /// Not done.
    Refused(Refusal),
    /// A write went out, and nobody knows what became of it.
    Unknown(String),
}

impl<'a> Exchange<'a> {
    /// A step that has not begun.
    pub fn new(
        kind: &'a Itsm,
        settings: &'a ItsmSettings,
        facts: &'a Facts,
        step: &'a Step,
    ) -> Exchange<'a> {
        Exchange {
            kind,
            settings,
            facts,
            step,
            got: Vec::new(),
            writing: false,
            besides: None,
            written: false,
            taken: false,
        }
    }

    /// What to do now.
    pub fn proceed(&mut self) -> Do {
        let full = self.got.len() >= MAX_EXCHANGES;
        match (self.kind.next)(self.settings, self.facts, self.step, &self.got) {
            Next::Done(reply) => Do::Over(End::Reply(reply)),
            // What was written must not be written again with a new login.
            Next::Refused(Refusal::Login) if self.taken => {
                Do::Over(End::Unknown("the login ended after a write".to_owned()))
            }
            Next::Refused(refusal) => Do::Over(self.judged(refusal)),
            Next::Besides(_, reply) if full => Do::Over(End::Reply(reply)),
            Next::Send(_) if full => Do::Over(End::Refused(Refusal::Stop(format!(
                "the step took more than {MAX_EXCHANGES} exchanges"
            )))),
            Next::Besides(request, reply) => {
                self.besides = Some(reply);
                self.send(request)
            }
            Next::Send(request) => {
                self.besides = None;
                self.send(request)
            }
        }
    }

    fn send(&mut self, request: Request) -> Do {
        self.writing = request.writes && self.step.writes();
        Do::Send(request)
    }

    /// Hands in what came of the request; the end, if it is one.
    pub fn answer(&mut self, answer: Result<Response, Failure>) -> Option<End> {
        match (answer, self.besides.take()) {
            (Ok(response), _) => {
                self.written |= self.writing;
                self.taken |= self.writing && response.status < 400;
                self.got.push(response);
                None
            }
            (Err(_), Some(reply)) => Some(End::Reply(reply)),
            (Err(failure), None) if self.written || (self.writing && failure.sent) => {
                Some(End::Unknown(failure.why))
            }
            (Err(failure), None) => Some(End::Refused(unsent(failure))),
        }
    }

    /// After a writing exchange, "again later" and "look at it by hand" mean that nobody knows whether it was
    /// executed: only an answer that says no is a no, and only to the write itself. (A step that begins with a
    /// look at the ticket finds out by itself what was taken.)
    fn judged(&self, refusal: Refusal) -> End {
        let status = self.got.last().map(|r| r.status);
        let said_no = status.is_some_and(|s| s == 429 || (400..500).contains(&s) && s != 408);
        let adds = matches!(self.step, Step::Create { .. } | Step::Note { .. });
        let unknown = self.written && (!said_no || (adds && self.taken));
        match (refusal, self.step) {
            (Refusal::Retry { why, .. }, _) if unknown => End::Unknown(why),
            // No ticket was asked for: what is not there is an address or a right.
            (Refusal::Gone(_) | Refusal::Closed, Step::Find { .. } | Step::Create { .. }) => {
                let status = status.unwrap_or_default();
                End::Refused(Refusal::Reject(format!("{status}: not found")))
            }
            (other, _) => End::Refused(other),
        }
    }
}

/// Nothing was sent that could have been executed.
pub fn unsent(failure: Failure) -> Refusal {
    match failure.fatal {
        true => Refusal::Stop(failure.why),
        false => Refusal::Retry {
            not_before: None,
            why: failure.why,
        },
    }
}

impl Step {
    /// Whether the step may change something in the tool.
    pub fn writes(&self) -> bool {
        match self {
            Step::Probe | Step::Find { .. } | Step::Read { .. } => false,
            Step::Create { .. }
            | Step::Update { .. }
            | Step::Note { .. }
            | Step::Resolve { .. }
            | Step::Reopen { .. }
            | Step::Link { .. } => true,
        }
    }
}

/// What an end is in a receipt.
pub fn outcome_of(end: End) -> OutcomeV1 {
    match end {
        End::Refused(refusal) => OutcomeV1::Refused(refusal),
        End::Unknown(why) => OutcomeV1::Unknown { why },
        End::Reply(Reply::Facts(_)) => OutcomeV1::Found(Vec::new()),
        End::Reply(Reply::Found(hits)) => OutcomeV1::Found(
            hits.into_iter()
                .map(|h| HitV1 {
                    ticket: h.id,
                    by_us: h.by_us,
                    seen: h.seen,
                })
                .collect(),
        ),
        End::Reply(Reply::Done { id, read_back }) => OutcomeV1::Done {
            ticket: id,
            seen: read_back,
        },
        End::Reply(Reply::Already(seen)) => OutcomeV1::Already { seen },
        End::Reply(Reply::State(seen)) => OutcomeV1::State { seen },
    }
}
