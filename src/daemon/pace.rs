//! Requests to one tool, evenly spaced: what it allows a minute is not used up in its first second.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// See the module.
#[derive(Debug)]
pub struct Pace {
    gap: Option<Duration>,
    next: Mutex<Instant>,
}

impl Pace {
    /// So many requests a minute; `None` for no bound.
    pub fn new(per_minute: Option<u32>) -> Pace {
        Pace {
            gap: per_minute.map(|n| Duration::from_secs(60) / n.max(1)),
            next: Mutex::new(Instant::now()),
        }
    }

    /// Waits for the turn of one request.
    pub async fn wait(&self) {
        let Some(gap) = self.gap else {
            return;
        };
        let turn = {
            let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
            let turn = (*next).max(Instant::now());
            *next = turn + gap;
            turn
        };
        sleep_until(turn).await;
    }
}
