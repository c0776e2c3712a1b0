//! A graph as data, and its stored form.
//!
//! Stored form: one format byte (1), then a zstd frame that holds the postcard of [`RawGraph`]. Graphs of old
//! log entries are read back for as long as the log lives, so the three structs are frozen: a new field is a
//! new format byte. The digest is taken before the compression: another version of zstd packs the same
//! graph into other bytes, and must not give it another name.

use super::{narrow, wide};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::Read;

/// The only format so far.
const FORMAT: u8 = 1;
/// zstd level: the default of the library; higher ones cost seconds for a few per cent.
const LEVEL: i32 = 3;
/// Bytes of a graph after decompression. Ten times the largest estate that is promised (100,000 CIs and
/// 1,000,000 relations are about 60 MB), so that a damaged chunk cannot fill the memory.
const MAX_PLAIN: u64 = 1 << 30;

/// A configuration item as the CMDB knows it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ci {
    /// The CMDB's own id; unique in a graph, never empty.
    pub key: String,
    /// The name that people use.
    pub name: String,
    /// The CMDB's class, as it writes it; empty if it has none.
    pub class: String,
    /// IP addresses in any spelling.
    pub addresses: Vec<String>,
    /// Further names.
    pub aliases: Vec<String>,
    /// Whether something would report its failure. A monitored CI that stays silent counts against a cause.
    pub monitored: bool,
    /// Everything else that the CMDB tells, by name.
    pub attributes: BTreeMap<String, String>,
}

/// A relation: "from kind to" reads as a sentence ("vm runs-on hypervisor").
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Relation {
    /// Position of the CI that the sentence begins with.
    pub from: u32,
    /// Position of the CI that it ends with.
    pub to: u32,
    /// The relation type.
    pub kind: String,
}

/// The CIs and relations of one load, in canonical order: equal estates are equal bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RawGraph {
    /// Sorted by key; keys are unique.
    pub cis: Vec<Ci>,
    /// Sorted and without repetition; never from a CI to itself.
    pub relations: Vec<Relation>,
}

impl RawGraph {
    /// The stored form.
    pub fn encode(&self) -> Vec<u8> {
        // Cannot fail: bytes in memory.
        let packed = zstd::bulk::compress(&self.plain(), LEVEL).unwrap_or_default();
        let mut bytes = Vec::with_capacity(packed.len().saturating_add(1));
        bytes.push(FORMAT);
        bytes.extend_from_slice(&packed);
        bytes
    }

    fn plain(&self) -> Vec<u8> {
        // Cannot fail: data of known lengths into memory.
        postcard::to_stdvec(self).unwrap_or_default()
    }

    /// Reads the stored form.
    ///
    /// # Errors
    /// Bytes that are no graph of a known format, are larger than 1 GiB when unpacked, or are not in
    /// canonical order.
    pub fn decode(bytes: &[u8]) -> Result<RawGraph, String> {
        let packed = match bytes.split_first() {
            Some((&FORMAT, packed)) => packed,
            Some((other, _)) => return Err(format!("graph: format {other} is not known")),
            None => return Err("graph: no bytes".to_owned()),
        };
        let mut plain = Vec::new();
        zstd::stream::read::Decoder::with_buffer(packed)
            .and_then(|unpack| {
                unpack
                    .take(MAX_PLAIN.saturating_add(1))
                    .read_to_end(&mut plain)
            })
            .map_err(|e| format!("graph: damaged: {e}"))?;
        if u64::try_from(plain.len()).unwrap_or(u64::MAX) > MAX_PLAIN {
            return Err(format!("graph: larger than {MAX_PLAIN} bytes"));
        }
        let (graph, rest) = postcard::take_from_bytes::<RawGraph>(&plain)
            .map_err(|e| format!("graph: damaged: {e}"))?;
        if !rest.is_empty() {
            return Err("graph: damaged: bytes after its end".to_owned());
        }
        if !graph.is_canonical() {
            return Err("graph: damaged: not in canonical order".to_owned());
        }
        Ok(graph)
    }

    /// The first 8 bytes, big endian, of the SHA-256 of the stored form before its compression, the format
    /// byte first: the graph's name in the log.
    pub fn digest(&self) -> u64 {
        let mut sum = ring::digest::Context::new(&ring::digest::SHA256);
        sum.update(&[FORMAT]);
        sum.update(&self.plain());
        let hash = sum.finish();
        hash.as_ref()
            .iter()
            .take(8)
            .fold(0, |sum, byte| sum << 8 | u64::from(*byte))
    }

    fn is_canonical(&self) -> bool {
        let known = |n: u32| wide(n) < self.cis.len();
        narrow(self.cis.len()) < u32::MAX
            && self.cis.iter().all(|ci| !ci.key.is_empty())
            && self.cis.is_sorted_by(|a, b| a.key < b.key)
            && self.relations.is_sorted_by(|a, b| a < b)
            && self
                .relations
                .iter()
                .all(|r| r.from != r.to && known(r.from) && known(r.to))
    }
}
