//! State to bytes and back, and the digest of a state.

use super::Engine;
use super::state::State;
use crate::graph::RawGraph;
use ring::digest::{SHA256, digest};
use std::sync::Arc;

/// First byte of a snapshot; raised when the stored form of the state changes.
const FORMAT: u8 = 17;

/// Why bytes are no snapshot. The daemon then replays the whole log.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError {
    /// Written by another version.
    #[error("snapshot format {0:?} is not known to this version")]
    Format(Option<u8>),
    /// Not a snapshot.
    #[error("snapshot: {0}")]
    Damaged(String),
}

/// The stored form of a state. Equal states give equal bytes.
///
/// # Errors
/// `Damaged` if the state cannot be written, which is a bug.
pub fn encode(state: &State) -> Result<Vec<u8>, SnapshotError> {
    let damaged = |e: &dyn std::fmt::Display| SnapshotError::Damaged(e.to_string());
    let plain = postcard::to_stdvec(state).map_err(|e| damaged(&e))?;
    let packed = zstd::bulk::compress(&plain, 1).map_err(|e| damaged(&e))?;
    let length = u64::try_from(plain.len()).map_err(|e| damaged(&e))?;
    let mut out = vec![FORMAT];
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(&packed);
    Ok(out)
}

/// Reads a stored state.
///
/// # Errors
/// See [`SnapshotError`].
pub fn decode(bytes: &[u8]) -> Result<State, SnapshotError> {
    let damaged = |e: &dyn std::fmt::Display| SnapshotError::Damaged(e.to_string());
    let (head, packed) = bytes
        .split_at_checked(9)
        .ok_or_else(|| SnapshotError::Format(bytes.first().copied()))?;
    let &[format, a, b, c, d, e, f, g, h] = head else {
        return Err(SnapshotError::Format(None));
    };
    if format != FORMAT {
        return Err(SnapshotError::Format(Some(format)));
    }
    let length = u64::from_le_bytes([a, b, c, d, e, f, g, h]);
    let length = usize::try_from(length).map_err(|e| damaged(&e))?;
    let plain = zstd::bulk::decompress(packed, length).map_err(|e| damaged(&e))?;
    postcard::from_bytes(&plain).map_err(|e| damaged(&e))
}

impl Engine {
    /// An engine from a snapshot; `graph` finds the graph that the snapshot names.
    ///
    /// # Errors
    /// A snapshot that cannot be read, or whose graph is missing.
    pub fn from_snapshot(
        bytes: &[u8],
        graph: impl FnOnce(u64) -> Option<Arc<RawGraph>>,
    ) -> Result<Engine, SnapshotError> {
        let state = decode(bytes)?;
        let raw = match state.graph {
            None => None,
            Some(named) => Some(graph(named.digest).ok_or_else(|| {
                SnapshotError::Damaged(format!("its graph {:016x} is missing", named.digest))
            })?),
        };
        Engine::restore(state, raw).map_err(SnapshotError::Damaged)
    }

    /// Digest of the state: equal for live and replayed.
    pub fn digest(&self) -> u64 {
        let bytes = postcard::to_stdvec(self.state()).unwrap_or_default();
        digest(&SHA256, &bytes)
            .as_ref()
            .iter()
            .take(8)
            .fold(0, |n, b| (n << 8) | u64::from(*b))
    }
}
