//! The story of a step on a known ticket, told once for the kinds that share it: read, judge, write, read
//! back. Nothing stands between the read that decides and the first write.

use super::wire::{Verdict, done};
use super::{Content, Next, Refusal, Reply, Seen, Step, TicketState, shown};
use crate::model::{Request, Response};

/// What a kind says of its own.
pub(super) trait Tool {
    /// How a ticket is read: the next request after those that were answered; `None` when it is read.
    fn look(&self, id: &str, got: &[Response]) -> Result<Option<Request>, Refusal>;
    /// How the ticket that was read stands.
    fn seen(&self, id: &str, reads: &[Response]) -> Result<Seen, Refusal>;
    /// What is sent next for a step that shall be done: `now` are the answers to the read, `got` are those to
    /// what was sent since. `None`: all of it was taken.
    fn act(
        &self,
        step: &Step,
        id: &str,
        now: &[Response],
        got: &[Response],
    ) -> Result<Option<Request>, Refusal>;
    /// What the tool did not take, seen in what was read back.
    fn dropped(&self, step: &Step, back: &[Response]) -> Vec<String>;
}

/// A read as far as it is answered: its answers and those that follow, or what is sent next for it.
pub(super) type Read<'r> = Result<(&'r [Response], &'r [Response]), Request>;

/// Reads a ticket.
pub(super) fn read<'r>(
    tool: &impl Tool,
    id: &str,
    got: &'r [Response],
) -> Result<Read<'r>, Refusal> {
    for n in 0..=got.len() {
        let (reads, rest) = got.split_at(n);
        match (tool.look(id, reads)?, rest) {
            (None, rest) => return Ok(Ok((reads, rest))),
            (Some(request), []) => return Ok(Err(request)),
            (Some(_), [_, ..]) => {}
        }
    }
    Err(Refusal::Stop("a read without end".to_owned()))
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

/// The answer to any step: what has no ticket yet each tool does in its own way, the rest is one life.
pub(super) fn answer<T: Tool>(
    tool: &T,
    step: &Step,
    got: &[Response],
    probe: impl Fn(&T, &[Response]) -> Verdict,
    find: impl Fn(&T, &str, &[Response]) -> Verdict,
    create: impl Fn(&T, &str, &Content, &[Response]) -> Verdict,
) -> Verdict {
    match step {
        Step::Probe => probe(tool, got),
        Step::Find { key, .. } => find(tool, key, got),
        Step::Create { key, content } => create(tool, key, content, got),
        Step::Update { .. }
        | Step::Note { .. }
        | Step::Resolve { .. }
        | Step::Reopen { .. }
        | Step::Link { .. }
        | Step::Read { .. } => tell(tool, step, got),
    }
}

fn tell(tool: &impl Tool, step: &Step, got: &[Response]) -> Verdict {
    let Some(id) = id_of(step) else {
        return Err(Refusal::Stop("a step without a ticket".to_owned()));
    };
    let (now, rest) = match read(tool, id, got)? {
        Ok(read) => read,
        Err(request) => return Ok(Next::Send(request)),
    };
    if let Some(over) = left(step, tool.seen(id, now)?) {
        return over;
    }
    for n in 0..=rest.len() {
        let (answers, more) = rest.split_at(n);
        match (tool.act(step, id, now, answers)?, more) {
            (Some(request), []) => return Ok(Next::Send(request)),
            (Some(_), [_, ..]) => {}
            (None, more) => return back(tool, step, id, more),
        }
    }
    Err(Refusal::Stop("a step without end".to_owned()))
}

/// All was taken: how does the ticket stand?
fn back(tool: &impl Tool, step: &Step, id: &str, got: &[Response]) -> Verdict {
    let reads = match read(tool, id, got)? {
        Ok((reads, _)) => reads,
        Err(request) => return Ok(Next::Send(request)),
    };
    let mut seen = tool.seen(id, reads)?;
    seen.dropped.extend(tool.dropped(step, reads));
    let over = matches!(seen.state, TicketState::Resolved | TicketState::Closed);
    match wants_end(step) {
        // A workflow without a way back: the next ticket follows.
        Some(false) if over => return Err(Refusal::Closed),
        // The note is in: trying again would only write it again. People are told instead.
        Some(true) if !over => seen.dropped.push(format!(
            "ticket {} took the note but not the state: its workflow has no such step for us, or asks for more",
            shown(id)
        )),
        Some(_) | None => {}
    }
    Ok(done(id, seen))
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
