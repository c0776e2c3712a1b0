//! The story of a step on a known ticket, told once for the kinds that share it: read, judge, write, read
//! back. Nothing stands between the read that decides and the first write.

use super::wire::{Verdict, done};
use super::{Next, Refusal, Reply, Seen, Step, TicketState, shown};
use crate::model::{Request, Response};

/// What a kind says of its own.
pub(super) trait Tool {
    /// How a ticket is read.
    fn look(&self, id: &str) -> Result<Request, Refusal>;
    /// How the ticket that was read stands.
    fn seen(&self, id: &str, read: &Response) -> Result<Seen, Refusal>;
    /// What is sent next for a step that shall be done: `now` is the answer to the read, `got` are the answers
    /// to what was sent since. `None`: all of it was taken.
    fn act(
        &self,
        step: &Step,
        id: &str,
        now: &Response,
        got: &[Response],
    ) -> Result<Option<Request>, Refusal>;
    /// What the tool did not take, seen in what was read back.
    fn dropped(&self, step: &Step, back: &Response) -> Vec<String>;
}

/// The ticket that a step is about.
fn id_of(step: &Step) -> Option<&str> {
    match step {
        Step::Update { id, .. }
        | Step::Note { id, .. }
        | Step::Resolve { id, .. }
        | Step::Reopen { id, .. }
        | Step::Link { id, .. }
        | Step::Read { id } => Some(id),
        Step::Probe | Step::Find { .. } | Step::Create { .. } => None,
    }
}

pub(super) fn tell(tool: &impl Tool, step: &Step, got: &[Response]) -> Verdict {
    let Some(id) = id_of(step) else {
        return Err(Refusal::Stop("a step without a ticket".to_owned()));
    };
    let [now, rest @ ..] = got else {
        return Ok(Next::Send(tool.look(id)?));
    };
    if let Some(over) = left(step, tool.seen(id, now)?) {
        return over;
    }
    for n in 0..=rest.len() {
        let (answers, more) = rest.split_at(n);
        match (tool.act(step, id, now, answers)?, more) {
            (Some(request), []) => return Ok(Next::Send(request)),
            (Some(_), [_, ..]) => {}
            (None, []) => return Ok(Next::Send(tool.look(id)?)),
            (None, [back, ..]) => {
                let mut seen = tool.seen(id, back)?;
                seen.dropped.extend(tool.dropped(step, back));
                let over = matches!(seen.state, TicketState::Resolved | TicketState::Closed);
                if over != wants_end(step).unwrap_or(over) {
                    // The note is in: trying again would only write it again. People are told instead.
                    seen.dropped.push(format!(
                        "ticket {} took the note but not the state: its workflow has no such step for us, or asks for more",
                        shown(id)
                    ));
                }
                return Ok(done(id, seen));
            }
        }
    }
    Err(Refusal::Stop("a step without end".to_owned()))
}

/// Whether the ticket shall be over after the step.
fn wants_end(step: &Step) -> Option<bool> {
    match step {
        Step::Resolve { .. } => Some(true),
        Step::Reopen { .. } => Some(false),
        Step::Probe
        | Step::Find { .. }
        | Step::Create { .. }
        | Step::Update { .. }
        | Step::Note { .. }
        | Step::Link { .. }
        | Step::Read { .. } => None,
    }
}

/// The state table: steps that are over before anything is written.
fn left(step: &Step, seen: Seen) -> Option<Verdict> {
    use TicketState::{Closed, New, OnHold, Open, Resolved};
    let state = seen.state;
    match step {
        Step::Read { .. } => Some(Ok(Next::Done(Reply::State(seen)))),
        Step::Update { .. } => match state {
            _ if seen.touched => Some(Ok(Next::Done(Reply::State(seen)))),
            Resolved | OnHold => Some(Ok(Next::Done(Reply::State(seen)))),
            Closed => Some(Err(Refusal::Closed)),
            New | Open => None,
        },
        Step::Note { .. } => match state {
            Closed => Some(Err(Refusal::Closed)),
            New | Open | OnHold | Resolved => None,
        },
        Step::Resolve { unless_touched, .. } => match state {
            Resolved => Some(Ok(Next::Done(Reply::Already(seen)))),
            Closed => Some(Err(Refusal::Closed)),
            New | Open | OnHold if *unless_touched && seen.touched => {
                Some(Ok(Next::Done(Reply::State(seen))))
            }
            New | Open | OnHold => None,
        },
        Step::Reopen { .. } => match state {
            Closed => Some(Err(Refusal::Closed)),
            Resolved => None,
            New | Open | OnHold => Some(Ok(Next::Done(Reply::Already(seen)))),
        },
        Step::Link { .. } => None,
        Step::Probe | Step::Find { .. } | Step::Create { .. } => None,
    }
}
