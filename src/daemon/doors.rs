//! What stands behind each source: its token, what is taken out of its events, how fast it may send.

use super::http;
use crate::config::{Config, SourceConf};
use crate::redact::Redaction;
use ring::rand::{SecureRandom, SystemRandom};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

/// A source, ready to take bodies.
#[derive(Clone, Debug)]
pub struct Door {
    /// The source.
    pub source: SourceConf,
    /// Read from its file at start and at reload.
    pub token: Option<String>,
    /// What is taken out of its events.
    pub redaction: Arc<Redaction>,
    /// How fast it may send; `None`: as fast as it likes.
    pub rate: Option<Arc<Rate>>,
}

/// The sources, replaced whole by a reload (their number and order never change without a restart).
pub type Doors = Arc<RwLock<Arc<Vec<Door>>>>;

/// Makes the doors of a configuration. `folder` is that of the store; the key of the hashes lies there.
///
/// # Errors
/// A secret or the key that cannot be read.
pub fn doors(config: &Config, folder: &Path) -> Result<Vec<Door>, String> {
    let plumbing = &config.plumbing;
    let common = plumbing
        .listen
        .token
        .as_ref()
        .map(http::secret)
        .transpose()?;
    let key = match plumbing.redact.iter().any(|r| r.hash) {
        true => key(&folder.join("redact.key"))?,
        false => Vec::new(),
    };
    let door = |source: &SourceConf| {
        let own = source.token.as_ref().map(http::secret).transpose()?;
        let name = &source.settings.name;
        Ok(Door {
            source: source.clone(),
            token: own.or_else(|| common.clone()),
            redaction: Arc::new(Redaction::new(&plumbing.redact, name, &key)),
            rate: source.max_rate.map(|n| Arc::new(Rate::new(n))),
        })
    };
    plumbing.sources.iter().map(door).collect()
}

/// The key of the hashes: random, made once, for our eyes only. It goes into no backup, so that hashes of
/// people cannot be undone where a backup lies.
fn key(file: &Path) -> Result<Vec<u8>, String> {
    let told = |e: &dyn std::fmt::Display| format!("{}: {e}", file.display());
    match std::fs::read(file) {
        Ok(key) if key.len() == 32 => return Ok(key),
        Ok(_) => return Err(told(&"is no key of 32 bytes; remove it to get a new one")),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
        Err(e) => return Err(told(&e)),
    }
    let mut key = vec![0; 32];
    let random = SystemRandom::new().fill(&mut key);
    random.map_err(|_| told(&"no random numbers"))?;
    // Whole or not at all: half a key would keep every later start from going on.
    let part = file.with_extension("part");
    let mut options = std::fs::OpenOptions::new();
    options.create(true).truncate(true).write(true).mode(0o600);
    let written = options.open(&part).and_then(|mut opened| {
        opened.write_all(&key)?;
        opened.sync_all()
    });
    written
        .and_then(|()| std::fs::rename(&part, file))
        .map_err(|e| told(&e))?;
    Ok(key)
}

/// Events may come this much at once before the rate holds them back.
const BURST: Duration = Duration::from_secs(10);

/// How fast a source may send: each event moves the moment at which the next is due.
#[derive(Debug)]
pub struct Rate {
    each: Duration,
    due: Mutex<Instant>,
}

impl Rate {
    fn new(per_second: u32) -> Rate {
        Rate {
            each: Duration::from_secs(1) / per_second.max(1),
            due: Mutex::new(Instant::now()),
        }
    }

    /// Takes `events` into account. Answers whether they keep the rate; what does not is only taken into
    /// account if it `must` pass.
    pub fn admits(&self, events: usize, must: bool) -> bool {
        let now = Instant::now();
        let mut due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        let keeps = due.saturating_duration_since(now) <= BURST;
        if keeps || must {
            let cost = self
                .each
                .saturating_mul(u32::try_from(events).unwrap_or(u32::MAX));
            // A recovery that must pass costs at most one burst more.
            *due = (*due)
                .max(now)
                .checked_add(cost)
                .unwrap_or(now)
                .min(now + BURST * 2);
        }
        keeps
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_admits_a_burst_and_then_holds_back() {
        let rate = Rate::new(10);
        assert!(rate.admits(100, false));
        assert!(rate.admits(1, false), "ten seconds' worth is the burst");
        assert!(!rate.admits(1, false));
        assert!(!rate.admits(1, true), "told, and let through by the caller");
    }
}
