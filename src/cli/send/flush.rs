//! `correlated send --flush`: delivers what waits, oldest first, in batches that the daemon applies at once.

use super::answer::{self, Outcome};
use super::post::{self, Way};
use super::spool::{REFUSED, Spool, Waiting};
use super::{DONE, FAULT, complain};
use serde_json::Value;
use std::collections::{BTreeSet, VecDeque};

/// Notifications of one batch.
const BATCH: usize = 256;
/// Bytes of one batch; a single one may be larger.
const BATCH_BYTES: usize = 1 << 20;

struct Item {
    waiting: Waiting,
    body: Vec<u8>,
    value: Value,
}

impl Item {
    /// It ends something.
    fn ends(&self) -> bool {
        let is = |name: &str| {
            let state = self.value.get(name).and_then(Value::as_str);
            state.is_some_and(|s| s.eq_ignore_ascii_case("OK") || s.eq_ignore_ascii_case("UP"))
        };
        match self.value.get("SERVICEDESC").is_some() {
            true => is("SERVICESTATE") || is("STATE"),
            false => is("HOSTSTATE") || is("STATE"),
        }
    }
}

/// Why it stopped before the end.
enum Stop {
    /// A later flush goes on.
    Later(String),
    /// A person has to do something.
    Fault(String),
}

struct Flush<'a> {
    way: &'a Way,
    spool: &'a Spool,
    sent: usize,
    refused: usize,
}

/// Delivers everything; the exit code.
pub(super) fn run(way: &Way, spool: &Spool) -> u8 {
    let stopped = match spool.list() {
        Ok(waiting) if waiting.is_empty() => return DONE,
        Ok(_) => match spool.lock() {
            Ok(Some(lock)) => Ok(lock),
            Ok(None) => {
                complain("another flush is at work");
                return DONE;
            }
            Err(why) => Err(why),
        },
        Err(why) => Err(why),
    };
    let lock = match stopped {
        Ok(lock) => lock,
        Err(why) => {
            complain(&why);
            return FAULT;
        }
    };
    spool.sweep();
    let mut flush = Flush {
        way,
        spool,
        sent: 0,
        refused: 0,
    };
    let ended = flush.everything();
    drop(lock); // held until here
    let waiting = spool.list().map_or(0, |all| all.len());
    complain(&format!(
        "{} sent, {} refused, {waiting} waiting",
        flush.sent, flush.refused
    ));
    let faulty = match ended {
        Ok(()) => flush.refused > 0,
        Err(Stop::Later(why)) => {
            complain(&format!("{why}; a later flush goes on"));
            flush.refused > 0
        }
        Err(Stop::Fault(why)) => {
            complain(&why);
            true
        }
    };
    if faulty { FAULT } else { DONE }
}

impl Flush<'_> {
    /// What arrives meanwhile sorts behind, and is seen by the next look.
    fn everything(&mut self) -> Result<(), Stop> {
        loop {
            let waiting = self.spool.list().map_err(Stop::Fault)?;
            if waiting.is_empty() {
                return Ok(());
            }
            let (mut batch, mut bytes) = (Vec::new(), 0usize);
            for one in waiting {
                let Some(item) = self.open(one)? else {
                    continue;
                };
                let full = bytes.saturating_add(item.body.len()) > BATCH_BYTES;
                if batch.len() >= BATCH || (full && !batch.is_empty()) {
                    self.deliver(std::mem::take(&mut batch))?;
                    bytes = 0;
                }
                bytes = bytes.saturating_add(item.body.len()).saturating_add(1);
                batch.push(item);
            }
            self.deliver(batch)?;
        }
    }

    fn open(&mut self, waiting: Waiting) -> Result<Option<Item>, Stop> {
        let Some(body) = self.spool.read(&waiting).map_err(Stop::Fault)? else {
            return Ok(None);
        };
        match serde_json::from_slice::<Value>(&body) {
            Ok(value) if value.is_object() => Ok(Some(Item {
                waiting,
                body,
                value,
            })),
            Ok(_) | Err(_) => {
                self.refuse(&waiting, &body, "the file is damaged")?;
                Ok(None)
            }
        }
    }

    fn deliver(&mut self, batch: Vec<Item>) -> Result<(), Stop> {
        let mut todo = VecDeque::from([batch]);
        while let Some(mut batch) = todo.pop_front() {
            if batch.is_empty() {
                continue;
            }
            match post::post(self.way, &body(&batch)) {
                Outcome::Taken(said) => {
                    let named = answer::rejected(&said);
                    let taken = ["accepted", "repeated"]
                        .iter()
                        .filter_map(|key| said.get(key).and_then(Value::as_u64))
                        .sum::<u64>();
                    let taken = usize::try_from(taken).unwrap_or(usize::MAX);
                    let all = batch.len();
                    let good = self.put_aside(batch, &named)?;
                    if taken.saturating_add(named.len()) >= all {
                        self.forget(&good)?;
                    } else if named.is_empty() {
                        let why = format!("{} of {all} were taken, and it is not said why", taken);
                        return Err(Stop::Fault(format!("{}: {why}", self.way.url)));
                    } else {
                        // It does not name all that it refuses: the rest tells, and repeats change nothing.
                        todo.push_front(good);
                    }
                }
                Outcome::Refused { named, .. } if !named.is_empty() => {
                    todo.push_front(self.put_aside(batch, &named)?);
                }
                Outcome::Refused { why, .. } if batch.len() == 1 => {
                    for item in &batch {
                        self.refuse(&item.waiting, &item.body, &why)?;
                    }
                }
                Outcome::Refused {
                    too_large: true, ..
                } => {
                    let rest = batch.split_off(batch.len() / 2);
                    todo.push_front(rest);
                    todo.push_front(batch);
                }
                // Each of them may be good: nothing is put aside for a fault of the address.
                Outcome::Refused { why, .. } => {
                    let text = "is that a source of kind nagios";
                    return Err(Stop::Fault(format!("{}: {why}; {text}", self.way.url)));
                }
                Outcome::Fault(why) => return Err(Stop::Fault(why)),
                Outcome::Away { why, busy } => {
                    if busy {
                        self.ends_first(batch)?;
                    }
                    return Err(Stop::Later(why));
                }
            }
        }
        Ok(())
    }

    /// A daemon that has no room for more alerts takes the ends of those it has, which make room.
    fn ends_first(&mut self, batch: Vec<Item>) -> Result<(), Stop> {
        let mut seen = BTreeSet::new();
        let ends: Vec<Item> = batch
            .into_iter()
            .filter(|item| seen.insert(item.waiting.object().to_owned()) && item.ends())
            .collect();
        if ends.is_empty() {
            return Ok(());
        }
        match post::post(self.way, &body(&ends)) {
            Outcome::Taken(said) if answer::rejected(&said).is_empty() => self.forget(&ends),
            // They wait with the others.
            Outcome::Taken(_)
            | Outcome::Refused { .. }
            | Outcome::Fault(_)
            | Outcome::Away { .. } => Ok(()),
        }
    }

    /// Puts aside those that are named, and gives the others.
    fn put_aside(
        &mut self,
        batch: Vec<Item>,
        named: &[(usize, String)],
    ) -> Result<Vec<Item>, Stop> {
        let mut good = Vec::new();
        for (n, item) in batch.into_iter().enumerate() {
            match named.iter().find(|(index, _)| *index == n) {
                Some((_, why)) => self.refuse(&item.waiting, &item.body, why)?,
                None => good.push(item),
            }
        }
        Ok(good)
    }

    fn forget(&mut self, good: &[Item]) -> Result<(), Stop> {
        let done = self.spool.done(good.iter().map(|item| &item.waiting));
        done.map_err(Stop::Fault)?;
        self.sent = self.sent.saturating_add(good.len());
        Ok(())
    }

    fn refuse(&mut self, waiting: &Waiting, body: &[u8], why: &str) -> Result<(), Stop> {
        complain(&format!(
            "refused, kept in {REFUSED}/{}: {why}",
            waiting.name
        ));
        self.refused = self.refused.saturating_add(1);
        let kept = self.spool.refuse_waiting(waiting, body, why);
        kept.map_err(Stop::Fault)
    }
}

fn body(batch: &[Item]) -> Vec<u8> {
    let mut out = vec![b'['];
    for (n, item) in batch.iter().enumerate() {
        if n > 0 {
            out.push(b',');
        }
        out.extend_from_slice(&item.body);
    }
    out.push(b']');
    out
}
