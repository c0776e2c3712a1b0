//! What waits for the engine thread: one queue per source, served in turn, and a reserved lane.

use crate::engine::hands::CommandOutcome;
use crate::engine::ready::Ready;
use crate::engine::{Answer, Engine};
use crate::model::{Event, EventState, Millis};
use crate::record::{CommandV1, ReceiptV1, Record};
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;

/// Events of one body, on their way.
#[derive(Debug)]
pub struct Job {
    /// Which source, by its place in the configuration.
    pub source: usize,
    /// In the order to apply.
    pub events: VecDeque<Event>,
    /// When the body arrived.
    pub received_at: Millis,
    /// What it counts for in the queue.
    pub bytes: usize,
    /// What became of the events that are done.
    pub answers: Vec<Answer>,
    /// Why some of the events were turned away: the sender is to send all of them again.
    pub busy: Option<Busy>,
    /// Where the answers go when the last event is done. Dropped: it could not be written.
    pub reply: oneshot::Sender<Result<Vec<Answer>, Busy>>,
}

/// A look at the engine that makes records.
pub type Judge = Box<dyn FnOnce(&Engine) -> Vec<Record> + Send>;

/// A graph on its way into force.
pub struct Loaded {
    /// Made ready by what the engine said.
    pub ready: Ready,
    /// When the CMDB was read.
    pub as_of: Millis,
    /// It is in the store, so that a record may name it.
    pub stored: bool,
}

/// What does not queue behind events.
pub enum Command {
    /// How a delivery ended.
    Receipt(Box<ReceiptV1>),
    /// What a person wants.
    Operator(String, CommandV1, oneshot::Sender<CommandOutcome>),
    /// A maintenance window or a change, as a record.
    Planned(Record, oneshot::Sender<()>),
    /// What people changed in tickets, judged by the state that the records are then applied to.
    Changes(Judge, oneshot::Sender<()>),
    /// New rules, as canonical text.
    Rules(String, oneshot::Sender<()>),
    /// A graph that was loaded, made ready, and when.
    Graph(Box<Loaded>, oneshot::Sender<()>),
    /// A look at the engine between two entries; must be short.
    Ask(Box<dyn FnOnce(&Engine) + Send>),
    /// Stop: everything is in; snapshot at the head.
    Stop,
}

/// Why a job is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Busy {
    /// The source has too much waiting.
    Queue,
    /// Nothing can be written.
    Full,
    /// More alerts are kept than are allowed.
    Alerts,
    /// The source sends faster than it may.
    Rate,
    /// We are stopping.
    Stopping,
}

/// Bodies that resolve may go this much over the share of their source, in per cent: a recovery is worth
/// more than one more repeat.
const RESOLVED_SHARE: usize = 150;
/// Commands handed over at once.
const LANE: usize = 64;

#[derive(Default)]
struct Inner {
    queues: Vec<(VecDeque<Job>, usize)>,
    turn: usize,
    lane: VecDeque<Command>,
    full: bool,
    stopping: bool,
}

/// See the module.
#[derive(Clone)]
pub struct Inbox {
    inner: Arc<(Mutex<Inner>, Condvar)>,
    share: usize,
}

impl Inbox {
    /// An inbox for so many sources, each with a share in bytes.
    pub fn new(sources: usize, share: usize) -> Inbox {
        let inner = Inner {
            queues: (0..sources).map(|_| (VecDeque::new(), 0)).collect(),
            ..Inner::default()
        };
        Inbox {
            inner: Arc::new((Mutex::new(inner), Condvar::new())),
            share,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a job in.
    ///
    /// # Errors
    /// Why not; the sender gets 503 and tries again.
    pub fn submit(&self, job: Job) -> Result<(), Busy> {
        let mut inner = self.lock();
        if inner.stopping {
            return Err(Busy::Stopping);
        }
        if inner.full {
            return Err(Busy::Full);
        }
        let resolves = job.events.iter().any(|e| e.state == EventState::Resolved);
        let share = match resolves {
            true => self.share / 100 * RESOLVED_SHARE,
            false => self.share,
        };
        let Some((queue, bytes)) = inner.queues.get_mut(job.source) else {
            return Err(Busy::Stopping);
        };
        if *bytes > 0 && bytes.saturating_add(job.bytes) > share {
            return Err(Busy::Queue);
        }
        *bytes = bytes.saturating_add(job.bytes);
        queue.push_back(job);
        self.inner.1.notify_one();
        Ok(())
    }

    /// Hands over a command; never refused.
    pub fn command(&self, command: Command) {
        let mut inner = self.lock();
        if matches!(command, Command::Stop) {
            inner.stopping = true;
        }
        inner.lane.push_back(command);
        self.inner.1.notify_one();
    }

    /// Waits until something is there, at most `wait`.
    pub fn wait(&self, wait: Duration) {
        let inner = self.lock();
        let empty = |inner: &mut Inner| {
            inner.lane.is_empty() && inner.queues.iter().all(|(q, _)| q.is_empty())
        };
        // Whether it was a time-out is seen by what there is.
        drop(self.inner.1.wait_timeout_while(inner, wait, empty));
    }

    /// The next commands, in their order.
    pub fn commands(&self) -> Vec<Command> {
        let mut inner = self.lock();
        let n = inner.lane.len().min(LANE);
        inner.lane.drain(..n).collect()
    }

    /// The next job of the next source.
    pub fn next(&self) -> Option<Job> {
        let mut inner = self.lock();
        let sources = inner.queues.len();
        for _ in 0..sources {
            let turn = inner.turn;
            inner.turn = turn.saturating_add(1).checked_rem(sources).unwrap_or(0);
            if let Some((queue, bytes)) = inner.queues.get_mut(turn)
                && let Some(job) = queue.pop_front()
            {
                *bytes = bytes.saturating_sub(job.bytes);
                return Some(job);
            }
        }
        None
    }

    /// Puts back a job that is not done, before all others of its source.
    pub fn put_back(&self, job: Job) {
        let mut inner = self.lock();
        if let Some((queue, bytes)) = inner.queues.get_mut(job.source) {
            *bytes = bytes.saturating_add(job.bytes);
            queue.push_front(job);
        }
    }

    /// Whether nothing can be written: jobs are refused, and those that wait are given up, so that their
    /// senders are told now.
    pub fn set_full(&self, full: bool) {
        let mut inner = self.lock();
        inner.full = full;
        if full {
            for (queue, bytes) in &mut inner.queues {
                queue.clear();
                *bytes = 0;
            }
        }
    }

    /// Bytes that wait, per source.
    pub fn bytes(&self) -> Vec<usize> {
        self.lock().queues.iter().map(|(_, bytes)| *bytes).collect()
    }
}
