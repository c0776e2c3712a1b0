//! Our time: follows the monotonic clock, steered to the wall clock, and notices gaps.

use crate::model::Millis;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A step of the wall clock, or a pause of ours, beyond this counts as a gap.
const STEP: Millis = Millis::secs(60);

/// See the module.
#[derive(Debug)]
pub struct Clock {
    base: Millis,
    since: Instant,
    looked: Instant,
    behind: Millis,
}

/// Milliseconds of the wall clock.
pub fn wall() -> Millis {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    millis(since)
}

/// A duration in milliseconds.
pub fn millis(duration: Duration) -> Millis {
    Millis(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX))
}

/// A span in seconds, as Prometheus wants it; 0 for a negative one.
pub fn seconds(span: Millis) -> f64 {
    Duration::from_millis(u64::try_from(span.0).unwrap_or(0)).as_secs_f64()
}

impl Clock {
    /// Starts at the wall clock, or at `last` if that is later: our time never goes back.
    pub fn start(last: Option<Millis>) -> Clock {
        Clock {
            base: wall().max(last.unwrap_or_default()),
            since: Instant::now(),
            looked: Instant::now(),
            behind: Millis(0),
        }
    }

    /// Now.
    pub fn now(&self) -> Millis {
        self.base.plus(millis(self.since.elapsed()))
    }

    /// How far we are ahead of the wall clock.
    pub fn behind(&self) -> Millis {
        self.behind
    }

    /// To be called once a round, with the time that the round was meant to wait. Answers now, and the gap in
    /// which nothing could be heard: a pause of the process, or a step of the wall clock.
    pub fn look(&mut self, meant: Duration) -> (Millis, Option<Millis>) {
        let paused = millis(self.looked.elapsed().saturating_sub(meant));
        self.looked = Instant::now();
        let ours = self.now();
        let drift = wall().since(ours);
        self.behind = Millis(drift.0.saturating_neg().max(0));
        if drift.0 > 0 {
            self.base = ours.plus(drift);
            self.since = Instant::now();
        } else if drift.0 < 0 {
            // The wall clock went back: we go on at half speed until it is there.
            let slow = millis(self.since.elapsed()).0 / 2;
            self.base = self.base.plus(Millis(slow));
            self.since = Instant::now();
        }
        let gap = paused.max(drift);
        (self.now(), (gap > STEP).then_some(gap))
    }
}
