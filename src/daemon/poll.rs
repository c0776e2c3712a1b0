//! What people changed in tickets comes back here: one query per target and interval.
//!
//! Only a person's change becomes a record, and it carries the state that was read. The cursor is the tool's own
//! time; it lies beside the log, and without it the tickets that changed last are looked at again.

use super::deliver::{Found, Target, Targets};
use super::http::duration;
use super::inbox::{Command, Inbox};
use crate::itsm::exchange::unsent;
use crate::itsm::poll::{Changed, Poll, PollNext, Polled};
use crate::itsm::{MAX_EXCHANGES, Refusal};
use crate::metrics::Metrics;
use crate::model::{Millis, Seq};
use crate::record::Record;
use jiff::civil::DateTime;
use jiff::tz::Offset;
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// Targets are looked at this often, whether one is due.
const LOOK: Duration = Duration::from_millis(250);
/// The longest time between two polls of a target that fails.
const MAX_WAIT: Duration = Duration::from_secs(600);
/// Time for an answer of the engine thread.
const ASK: Duration = Duration::from_secs(10);
/// The longest wait that a tool may ask for.
const MAX_ASKED: Duration = Duration::from_secs(3600);
/// A cursor is a moment.
const MAX_CURSOR: u64 = 64;

/// Tickets that one poll reads one by one; the rest is for the next.
const MAX_READS: usize = 50;
/// A ticket is read so often for one moment of change: later changes of that second would else be missed.
const READS: u8 = 2;

/// What was read of tickets.
#[derive(Clone, Debug, Default)]
pub(super) struct Back {
    /// How they stand.
    pub(super) tickets: Vec<Polled>,
    /// Those that are gone, each with the ticket that it was merged into.
    pub(super) gone: Vec<(String, String)>,
}

/// Tickets that were read, each with the tool's time of its change and how often.
type Reads = BTreeMap<String, (String, u8)>;
/// Those that could be judged: what was read while a delivery of ours was under way has to be read again.
type Known = Arc<Mutex<Reads>>;

/// A target's next poll.
#[derive(Default)]
struct Due {
    at: Option<Instant>,
    failures: u32,
    known: Known,
    running: Option<JoinHandle<Result<(), Refusal>>>,
}

/// Polls until it is told to stop. `targets` may be replaced by a reload.
pub async fn run(
    targets: Arc<Mutex<Targets>>,
    inbox: Inbox,
    metrics: Metrics,
    folder: PathBuf,
    mut stop: watch::Receiver<bool>,
) {
    let mut due: BTreeMap<String, Due> = BTreeMap::new();
    loop {
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            _ = stop.changed() => return,
        }
        let all = targets
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        due.retain(|name, _| all.contains_key(name));
        for (name, target) in all {
            let every = duration(target.conf().poll);
            let asked = !every.is_zero() && target.reads();
            let poll = target.kind().poll.filter(|_| asked);
            let Some(poll) = poll else {
                continue;
            };
            let this = due.entry(name.clone()).or_default();
            if let Some(running) = this.running.take_if(|r| r.is_finished()) {
                let ended = running.await;
                let ended = ended.unwrap_or_else(|_| Err(Refusal::Stop("a bug".to_owned())));
                this.at = Some(Instant::now() + this.wait(every, &name, ended, &metrics));
            }
            // The first poll has its interval too: a start is no storm of queries.
            let at = *this.at.get_or_insert_with(|| Instant::now() + every);
            if this.running.is_none() && at <= Instant::now() {
                let (inbox, metrics) = (inbox.clone(), metrics.clone());
                let file = folder.join("cursors").join(&name);
                let known = this.known.clone();
                let look = async move {
                    let asked = Asked {
                        name: &name,
                        target: &target,
                        inbox: &inbox,
                        metrics: &metrics,
                    };
                    asked.once(poll, &file, &known).await
                };
                this.running = Some(tokio::spawn(look));
            }
        }
    }
}

impl Due {
    /// Time until the next poll, after one that ended so.
    fn wait(
        &mut self,
        every: Duration,
        name: &str,
        ended: Result<(), Refusal>,
        metrics: &Metrics,
    ) -> Duration {
        let (word, named) = match &ended {
            Ok(()) => ("done", None),
            Err(Refusal::Retry { not_before, .. }) => ("retry", *not_before),
            Err(_) => ("refused", None),
        };
        metrics.polls.with_label_values(&[name, word]).inc();
        let Err(refusal) = ended else {
            if self.failures > 0 {
                tracing::info!("{name} can be polled again");
            }
            self.failures = 0;
            return every;
        };
        if self.failures == 0 {
            tracing::warn!("{name} cannot be polled, what people change is seen later: {refusal}");
        }
        self.failures = self.failures.saturating_add(1);
        let longer = every.saturating_mul(1 << self.failures.min(10));
        let wait = longer.min(MAX_WAIT.max(every));
        let named = named.map(|at| duration(at.since(super::clock::wall())));
        named.map_or(wait, |named| named.min(MAX_ASKED).max(every))
    }
}

/// A target that is polled.
struct Asked<'a> {
    name: &'a str,
    target: &'a Target,
    inbox: &'a Inbox,
    metrics: &'a Metrics,
}

impl Asked<'_> {
    /// One poll.
    async fn once(&self, poll: Poll, file: &Path, known: &Known) -> Result<(), Refusal> {
        let of = self.name.to_owned();
        let begin = ask(self.inbox, move |engine| {
            let state = engine.state();
            let shadow = state.rules.targets.get(&of).map(|t| t.mode);
            let writes = shadow.is_some_and(|m| m != crate::rules::Mode::Shadow);
            (writes && engine.has_tickets(&of)).then_some(state.seq)
        });
        let Some(Some(began)) = begin.await else {
            return Ok(()); // nothing there that anybody could have changed
        };
        let cursor = credible(read(file), super::clock::wall());
        let changed = match query(self.target, poll, &cursor).await {
            // Once more with a secret that is read anew.
            Err(Refusal::Login) if !self.target.renews() => {
                self.target.forget();
                query(self.target, poll, &cursor).await
            }
            other => other,
        }?;
        let (back, read, next, ended) = self.read_all(changed, &cursor, known).await;
        let name = self.name.to_owned();
        if let Some(unsure) = judged(name, began, back, self.inbox, self.metrics).await {
            let clear = read.into_iter().filter(|(id, _)| !unsure.contains(id));
            lock(known).extend(clear);
            if unsure.is_empty() && next != cursor {
                write(file, &next);
            }
        }
        ended
    }

    /// Reads what the query could only name, the oldest change first. Answers how often each was read now, and where the
    /// next poll begins, too.
    async fn read_all(
        &self,
        changed: Changed,
        cursor: &str,
        known: &Known,
    ) -> (Back, Reads, String, Result<(), Refusal>) {
        let mut back = Back {
            tickets: changed.tickets,
            gone: Vec::new(),
        };
        let mut read = Reads::new();
        lock(known).retain(|id, _| changed.unread.iter().any(|u| u.id == *id));
        let (mut next, mut reads) = (cursor.to_owned(), 0usize);
        for unread in changed.unread.into_iter().rev() {
            let before = lock(known).get(&unread.id).cloned();
            let times = before.map_or(0, |(at, n)| if at == unread.at { n } else { 0 });
            let (of, id) = (self.name.to_owned(), unread.id.clone());
            let ours = times < READS && {
                let known = ask(self.inbox, move |engine| engine.has_ticket(&of, &id));
                known.await.unwrap_or(false)
            };
            if ours {
                if reads >= MAX_READS {
                    return (back, read, next, Ok(()));
                }
                reads = reads.saturating_add(1);
                match self.target.read(&unread.id).await {
                    Ok(Found::Seen(seen)) => back.tickets.push(Polled {
                        id: unread.id.clone(),
                        seen,
                    }),
                    Ok(Found::Gone(into)) => back.gone.push((unread.id.clone(), into)),
                    // One ticket that is kept from us must not hide what people did to the others.
                    Err(Refusal::Reject(why)) => {
                        tracing::debug!("{}: {} cannot be read: {why}", self.name, unread.id);
                    }
                    Err(refusal) => return (back, read, next, Err(refusal)),
                }
                let times = times.saturating_add(1);
                read.insert(unread.id, (unread.at.clone(), times));
            }
            next = next.max(unread.at);
        }
        (back, read, changed.cursor, Ok(()))
    }
}

async fn query(target: &Target, poll: Poll, cursor: &str) -> Result<Changed, Refusal> {
    let _room = target.enter().await;
    let facts = target.facts(target.kind()).await?;
    let mut got = Vec::new();
    for _ in 0..=MAX_EXCHANGES {
        match poll(&target.conf().settings, &facts, cursor, &got) {
            PollNext::Done(changed) => return Ok(changed),
            PollNext::Refused(refusal) => return Err(refusal),
            PollNext::Send(request) => match target.send(&request).await {
                Ok(response) => got.push(response),
                Err(failure) => return Err(unsent(failure)),
            },
        }
    }
    Err(Refusal::Stop("the poll has no end".to_owned()))
}

fn lock(known: &Known) -> MutexGuard<'_, Reads> {
    known.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Hands in what was read. Answers the tickets that cannot be judged yet; `None` if nothing could be kept.
pub(super) async fn judged(
    name: String,
    began: Seq,
    back: Back,
    inbox: &Inbox,
    metrics: &Metrics,
) -> Option<Vec<String>> {
    if back.tickets.is_empty() && back.gone.is_empty() {
        return Some(Vec::new());
    }
    let (say, said) = oneshot::channel();
    let (tell, told) = oneshot::channel();
    let of = name.clone();
    let judge = move |engine: &crate::engine::Engine| {
        let (changes, mut unsure) = engine.person_changes(&of, began, &back.tickets);
        let mut records: Vec<Record> = changes.into_iter().map(Record::TicketChange).collect();
        for (ticket, into) in &back.gone {
            let (gone, clear) = engine.ticket_is_gone(&of, began, ticket, into);
            records.extend(gone.map(Record::TicketGone));
            unsure.extend((!clear).then(|| ticket.clone()));
        }
        say.send((records.len(), unsure)).ok(); // whoever asked may have gone
        records
    };
    inbox.command(Command::Changes(Box::new(judge), tell));
    let (count, unsure) = timeout(ASK, said).await.ok()?.ok()?;
    timeout(ASK, told).await.ok()?.ok()?;
    let count = u64::try_from(count).unwrap_or(u64::MAX);
    let changes = metrics.ticket_changes.with_label_values(&[&name]);
    changes.inc_by(count);
    Some(unsure)
}

pub(super) async fn ask<T: Send + 'static>(
    inbox: &Inbox,
    question: impl FnOnce(&crate::engine::Engine) -> T + Send + 'static,
) -> Option<T> {
    let (tell, told) = oneshot::channel();
    let look = move |engine: &crate::engine::Engine| {
        tell.send(question(engine)).ok(); // whoever asked may have gone
    };
    inbox.command(Command::Ask(Box::new(look)));
    timeout(ASK, told).await.ok()?.ok()
}

/// The cursor, if it is there and sound.
fn read(file: &Path) -> String {
    let size = std::fs::metadata(file).map_or(u64::MAX, |m| m.len());
    if size > MAX_CURSOR {
        return String::new();
    }
    let text = std::fs::read_to_string(file).unwrap_or_default();
    text.trim().to_owned()
}

/// A moment that is yet to come would hide all changes until then: the last day is looked at again instead. (No tool is
/// further ahead than its time zone.)
fn credible(cursor: String, now: Millis) -> String {
    let plain = cursor.trim_end_matches('Z').replace('T', " ");
    let day = SignedDuration::from_hours(24);
    let (Ok(moment), Ok(now)) = (
        plain.parse::<DateTime>(),
        Timestamp::from_millisecond(now.0),
    ) else {
        return cursor;
    };
    let now = Offset::UTC.to_datetime(now);
    if now.checked_add(day).is_ok_and(|latest| moment <= latest) {
        return cursor;
    }
    let form = match cursor.contains('T') {
        true => "%Y-%m-%dT%H:%M:%SZ",
        false => "%Y-%m-%d %H:%M:%S",
    };
    let before = now.checked_sub(day);
    before.map_or(String::new(), |t| t.strftime(form).to_string())
}

fn write(file: &Path, cursor: &str) {
    let new = file.with_extension("new");
    let made = file.parent().map_or(Ok(()), std::fs::create_dir_all);
    let written = made
        .and_then(|()| std::fs::write(&new, format!("{cursor}\n")))
        .and_then(|()| std::fs::rename(&new, file));
    if let Err(error) = written {
        // The same changes are looked at again, and are no news.
        tracing::debug!(%error, "{}: not written", file.display());
    }
}
