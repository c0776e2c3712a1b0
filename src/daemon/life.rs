//! Signs of life: systemd's watchdog, and a dead man's switch outside.

use super::board::Board;
use super::{clock, http, notify};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// The dead man's switch is asked this often.
const PING: Duration = Duration::from_secs(60);

/// The watchdog of systemd, and a dead man's switch outside, while the engine goes round.
pub(super) async fn signs_of_life(
    url: Option<String>,
    board: Arc<Board>,
    mut stop: watch::Receiver<bool>,
) {
    let watchdog = sd_notify::watchdog_enabled().map(|every| every / 3);
    let every = watchdog.unwrap_or(PING).min(PING);
    let mut pinged: Option<Instant> = None;
    loop {
        tokio::select! {
            () = tokio::time::sleep(every) => {}
            _ = stop.changed() => return,
        }
        let quiet = clock::wall().0.saturating_sub(board.last_alive());
        if quiet > clock::millis(PING).0 {
            tracing::error!(milliseconds = quiet, "the engine does not go round");
            continue;
        }
        notify(&[sd_notify::NotifyState::Watchdog]);
        if let Some(url) = url
            .as_ref()
            .filter(|_| pinged.is_none_or(|p| p.elapsed() >= PING))
        {
            pinged = Some(Instant::now());
            if let Err(why) = http::ping(url).await {
                tracing::warn!("heartbeat_url: {why}");
            }
        }
    }
}
