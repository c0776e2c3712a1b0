//! A line on the terminal that says how far it is; nothing where there is no terminal.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// The line is written anew this often.
const EVERY: Duration = Duration::from_millis(200);
/// Characters of the bar.
const WIDTH: u64 = 30;

/// See the module.
pub(super) struct Progress {
    shown: bool,
    all: u64,
    done: u64,
    last: Instant,
}

impl Progress {
    /// Of `all` steps.
    pub(super) fn new(all: u64) -> Progress {
        Progress {
            shown: std::io::stderr().is_terminal() && all > 0,
            all: all.max(1),
            done: 0,
            last: Instant::now(),
        }
    }

    /// One step more is done.
    pub(super) fn step(&mut self) {
        self.done = self.done.saturating_add(1);
        if self.shown && self.last.elapsed() >= EVERY {
            self.last = Instant::now();
            let full = (self.done.saturating_mul(WIDTH) / self.all).min(WIDTH);
            let bar: String = (0..WIDTH)
                .map(|n| if n < full { '=' } else { ' ' })
                .collect();
            self.write(&format!("\r[{bar}] {} of {}", self.done, self.all));
        }
    }

    /// Takes the line away.
    pub(super) fn end(self) {
        if self.shown {
            self.write("\r\x1b[K");
        }
    }

    fn write(&self, text: &str) {
        let mut err = std::io::stderr().lock();
        err.write_all(text.as_bytes())
            .and_then(|()| err.flush())
            .ok(); // a terminal that is gone needs no bar
    }
}
