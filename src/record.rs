//! Records and their codec: what is in the log, for good.
//!
//! An entry is `format (1 byte) | engine version (u32 LE) | flags (1 byte) | crc32c of all but itself (u32 LE)
//! | payload`; the payload is postcard of `Vec<Record>`, compressed with zstd above 512 bytes (flag 1). The
//! structs reachable from [`Record`] are frozen: a new field is a new variant with a fixture under
//! `tests/fixtures/record/`. Variants are only ever added at the end.

use crate::itsm::{Refusal, Seen};
use crate::model::{DeliveryId, Event, Fingerprint, IncidentId, Millis};
use serde::{Deserialize, Serialize};

/// Bytes of an entry's payload before compression.
pub const MAX_PAYLOAD: usize = 256 * 1024;
/// Events of an entry.
pub const MAX_EVENTS: usize = 256;

/// One fact in the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Record {
    /// What a source told us.
    Events(EventsV1),
    /// What repeats added since they were last written.
    Repeats(RepeatsV1),
    /// New rules are in force.
    Rules(RulesV1),
    /// A new graph is in force.
    Graph(GraphV1),
    /// A small change of the graph in force; reserved, not written yet.
    GraphDelta(GraphDeltaV1),
    /// A delivery that may write is handed out.
    Sent(SentV1),
    /// How a delivery ended.
    Receipt(ReceiptV1),
    /// What people changed in a ticket, found outside a delivery.
    TicketChange(TicketChangeV1),
    /// What a person told us to do.
    Operator(OperatorV1),
    /// A maintenance window; reserved, not written yet.
    Maintenance(MaintenanceV1),
    /// A change of a CI; reserved, not written yet.
    Change(ChangeV1),
    /// Nothing but time passed.
    Tick,
    /// The wall clock stepped, or nothing could be taken in for a while.
    ClockStep(ClockStepV1),
    /// The process started.
    Started(StartedV1),
    /// What the state looked like after the entry before.
    Digest(DigestV1),
}

/// Events of one body, or a part of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventsV1 {
    /// Name of the source.
    pub source: String,
    /// Name space of its fingerprints.
    pub scope: String,
    /// When the body arrived.
    pub received_at: Millis,
    /// In the order to apply.
    pub events: Vec<Event>,
}

/// Repeats that were answered before they were written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RepeatsV1 {
    /// One line per alert, in the order of the fingerprints.
    pub repeats: Vec<RepeatV1>,
    /// Sources that were heard (heartbeats and notes included) with the time of the last event.
    pub heard: Vec<(String, Millis)>,
}

/// Repeats of one alert.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RepeatV1 {
    /// The alert.
    pub fingerprint: Fingerprint,
    /// Name of the source.
    pub source: String,
    /// Which sender, as in the event.
    pub sender: String,
    /// How many.
    pub count: u32,
    /// When the last one arrived.
    pub last: Millis,
    /// The new moment of expiry, if any.
    pub valid_until: Option<Millis>,
}

/// Rules by their canonical text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RulesV1 {
    /// `RulesText::canonical`.
    pub text: String,
}

/// A graph by its digest; the graph itself is in the chunks `ChunkKind::Graph`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GraphV1 {
    /// First 8 bytes of the SHA-256 of its stored form, big endian.
    pub digest: u64,
    /// How many CIs it has.
    pub cis: u32,
    /// How many relations it has.
    pub relations: u32,
    /// When the CMDB was read.
    pub as_of: Millis,
}

/// Reserved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GraphDeltaV1 {
    /// The graph it changes.
    pub digest: u64,
    /// The change.
    pub bytes: Vec<u8>,
}

/// A delivery that may write.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SentV1 {
    /// The delivery.
    pub delivery: DeliveryId,
    /// Its incident.
    pub incident: IncidentId,
    /// The alert that opened the incident: adopts the ticket if the incident should no longer exist.
    pub opening: Fingerprint,
    /// Name of the target.
    pub target: String,
    /// The correlation key.
    pub key: String,
    /// What was asked.
    pub step: StepName,
    /// The ticket it was asked of; empty for a create.
    pub ticket: String,
}

/// The name of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "see itsm::Step")]
pub enum StepName {
    Probe,
    Find,
    Create,
    Update,
    Note,
    Resolve,
    Reopen,
    Link,
    Read,
}

impl StepName {
    /// Whether it may change something in the tool.
    pub const fn writes(self) -> bool {
        match self {
            StepName::Probe | StepName::Find | StepName::Read => false,
            StepName::Create
            | StepName::Update
            | StepName::Note
            | StepName::Resolve
            | StepName::Reopen
            | StepName::Link => true,
        }
    }
    /// The word of logs and metrics.
    pub const fn word(self) -> &'static str {
        match self {
            StepName::Probe => "probe",
            StepName::Find => "find",
            StepName::Create => "create",
            StepName::Update => "update",
            StepName::Note => "note",
            StepName::Resolve => "resolve",
            StepName::Reopen => "reopen",
            StepName::Link => "link",
            StepName::Read => "read",
        }
    }
}

/// How a delivery ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceiptV1 {
    /// The delivery.
    pub delivery: DeliveryId,
    /// Its incident.
    pub incident: IncidentId,
    /// Name of the target.
    pub target: String,
    /// The correlation key.
    pub key: String,
    /// What was asked.
    pub step: StepName,
    /// What came of it.
    pub outcome: OutcomeV1,
}

/// What came of a delivery.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum OutcomeV1 {
    /// `Find`: tickets that carry the key, each with whether our account created it.
    Found(Vec<HitV1>),
    /// Written and read back.
    Done {
        /// The tool's id.
        ticket: String,
        /// How it stood afterwards.
        seen: Seen,
    },
    /// It already was so.
    Already {
        /// How it stands.
        seen: Seen,
    },
    /// `Read`, or left undone because a person has touched or ended the ticket.
    State {
        /// How it stands.
        seen: Seen,
    },
    /// The tool said no; nothing was changed.
    Refused(Refusal),
    /// A writing exchange went out and its outcome is not known.
    Unknown {
        /// What happened.
        why: String,
    },
}

/// A ticket found by its key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HitV1 {
    /// The tool's id.
    pub ticket: String,
    /// Created by our account.
    pub by_us: bool,
    /// How it stands.
    pub seen: Seen,
}

/// What people changed in a ticket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TicketChangeV1 {
    /// Name of the target.
    pub target: String,
    /// The tool's id.
    pub ticket: String,
    /// How it stands.
    pub seen: Seen,
}

/// What a person told us to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperatorV1 {
    /// Who.
    pub actor: String,
    /// What.
    pub command: CommandV1,
}

/// Commands of people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CommandV1 {
    /// Take an incident: it stays, its ticket is not resolved by us.
    Acknowledge(IncidentId),
    /// Let an inherited alert's incident have a ticket.
    Promote(IncidentId),
}

/// Reserved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MaintenanceV1 {
    /// Its name.
    pub id: String,
    /// The CI by its CMDB id.
    pub ci: String,
    /// From.
    pub from: Millis,
    /// To.
    pub to: Millis,
    /// What needs the CI is included.
    pub include_dependents: bool,
}

/// Reserved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeV1 {
    /// Its number in the ITSM tool.
    pub id: String,
    /// The CI by its CMDB id.
    pub ci: String,
    /// When.
    pub at: Millis,
    /// What was changed.
    pub summary: String,
}

/// Time in which nothing could be taken in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockStepV1 {
    /// How long.
    pub gap: Millis,
}

/// A start of the process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StartedV1 {
    /// Engine version of the program.
    pub engine: u32,
    /// Epoch of the store.
    pub epoch: u64,
    /// The time of the last entry before, if any: what lies between is a gap.
    pub last: Option<Millis>,
}

/// Digest of the state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DigestV1 {
    /// First 8 bytes of the SHA-256 of the snapshot form, big endian.
    pub digest: u64,
}

/// A row of the history tables: times, names, outcome; no free text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum History {
    /// One firing of an alert, written when it is over.
    AlertEpisode {
        /// The alert.
        fingerprint: Fingerprint,
        /// Name of the source.
        source: String,
        /// The CI's name, if bound.
        ci: Option<String>,
        /// Worst severity.
        severity: &'static str,
        /// When it began.
        started: Millis,
        /// When it was over.
        ended: Millis,
        /// `resolved` or `expired`.
        outcome: &'static str,
        /// Its incident.
        incident: Option<IncidentId>,
    },
    /// An incident, replaced at each turning point.
    Incident {
        /// The incident.
        id: IncidentId,
        /// `pending`, `open`, `recovering`, `resolved`, `merged`.
        state: &'static str,
        /// `P1` to `P4`.
        priority: &'static str,
        /// Name of the probable root cause, if known.
        root: Option<String>,
        /// Most critical observed service.
        service: Option<String>,
        /// First alert.
        detected: Millis,
        /// Ticket wanted.
        opened: Option<Millis>,
        /// Over.
        resolved: Option<Millis>,
        /// How many alerts.
        alerts: u32,
        /// The incident it was merged into.
        merged_into: Option<IncidentId>,
    },
    /// A ticket, replaced at each receipt.
    Ticket {
        /// Name of the target.
        target: String,
        /// The tool's id.
        ticket: String,
        /// Its incident.
        incident: IncidentId,
        /// The correlation key.
        key: String,
        /// State as last seen.
        state: &'static str,
        /// When it was opened.
        opened: Millis,
        /// When it was resolved by us.
        resolved: Option<Millis>,
    },
}

/// A decoded entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decoded {
    /// Version of the engine that wrote it.
    pub engine: u32,
    /// The records, in order.
    pub records: Vec<Record>,
}

/// Why bytes are no entry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// Fewer bytes than the head.
    #[error("{0} bytes are too few for an entry")]
    Short(usize),
    /// Written by a later version of this program, or not by us.
    #[error("format {0} is not known to this version")]
    Format(u8),
    /// The bytes changed on disk.
    #[error("checksum {found:08x} where {stored:08x} was stored")]
    Checksum {
        /// As computed now.
        found: u32,
        /// As stored.
        stored: u32,
    },
    /// The payload is not what the checksum says it was.
    #[error("payload: {0}")]
    Payload(String),
    /// More than [`MAX_PAYLOAD`] allows (compressed bytes that unpack to more included).
    #[error("payload of more than {MAX_PAYLOAD} bytes")]
    TooLong,
}

const FORMAT: u8 = 1;
const FLAG_ZSTD: u8 = 1;
const HEAD: usize = 10;
const COMPRESS_ABOVE: usize = 512;
/// Payloads are made up to `MAX_PAYLOAD`; one oversized event may exceed it a little.
const MAX_UNPACKED: usize = 2 * MAX_PAYLOAD;

/// Encodes an entry.
///
/// # Errors
/// `TooLong` if the records are more than an entry may hold, `Payload` if compression fails.
pub fn encode_entry(engine: u32, records: &[Record]) -> Result<Vec<u8>, RecordError> {
    let payload = |e: &dyn std::fmt::Display| RecordError::Payload(e.to_string());
    let plain = postcard::to_stdvec(records).map_err(|e| payload(&e))?;
    if plain.len() > MAX_UNPACKED {
        return Err(RecordError::TooLong);
    }
    let (flags, body) = if plain.len() > COMPRESS_ABOVE {
        (
            FLAG_ZSTD,
            zstd::bulk::compress(&plain, 1).map_err(|e| payload(&e))?,
        )
    } else {
        (0, plain)
    };
    let mut out = Vec::with_capacity(HEAD + body.len());
    out.push(FORMAT);
    out.extend_from_slice(&engine.to_le_bytes());
    out.push(flags);
    out.extend_from_slice(&crc32c(&[&out, &body]).to_le_bytes());
    out.extend_from_slice(&body);
    Ok(out)
}

/// Decodes an entry.
///
/// # Errors
/// See [`RecordError`].
pub fn decode_entry(bytes: &[u8]) -> Result<Decoded, RecordError> {
    let Some((head, body)) = bytes.split_at_checked(HEAD) else {
        return Err(RecordError::Short(bytes.len()));
    };
    let &[format, e0, e1, e2, e3, flags, c0, c1, c2, c3] = head else {
        return Err(RecordError::Short(bytes.len()));
    };
    if format != FORMAT {
        return Err(RecordError::Format(format));
    }
    let stored = u32::from_le_bytes([c0, c1, c2, c3]);
    let found = crc32c(&[&[format, e0, e1, e2, e3, flags], body]);
    if found != stored {
        return Err(RecordError::Checksum { found, stored });
    }
    let unpacked;
    let plain = if flags & FLAG_ZSTD == 0 {
        body
    } else {
        unpacked = zstd::bulk::decompress(body, MAX_UNPACKED)
            .map_err(|e| RecordError::Payload(e.to_string()))?;
        &unpacked
    };
    let records = postcard::from_bytes(plain).map_err(|e| RecordError::Payload(e.to_string()))?;
    Ok(Decoded {
        engine: u32::from_le_bytes([e0, e1, e2, e3]),
        records,
    })
}

/// CRC-32C (Castagnoli), by a table made at compile time.
fn crc32c(parts: &[&[u8]]) -> u32 {
    let mut crc = !0u32;
    for &byte in parts.iter().copied().flatten() {
        let low = crc.to_le_bytes()[0] ^ byte;
        crc = TABLE.get(usize::from(low)).copied().unwrap_or_default() ^ (crc >> 8);
    }
    !crc
}

const TABLE: [u32; 256] = table();

#[expect(
    clippy::as_conversions,
    clippy::indexing_slicing,
    reason = "const context; the index stays below 256"
)]
const fn table() -> [u32; 256] {
    let mut table = [0u32; 256];
    let mut i = 0;
    while i < 256 {
        let mut crc = i as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 {
                (crc >> 1) ^ 0x82f6_3b78
            } else {
                crc >> 1
            };
            bit += 1;
        }
        table[i] = crc;
        i += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crc32c_is_the_published_one() {
        // RFC 3720, appendix B.4: 32 bytes of zeroes, and of ones.
        assert_eq!(crc32c(&[&[0; 32]]), 0x8a91_36aa);
        assert_eq!(crc32c(&[&[0xff; 32]]), 0x62a8_ab43);
    }

    #[test]
    fn entries_read_back_and_damage_is_seen() {
        for n in [0usize, 2000] {
            let records = vec![
                Record::Tick,
                Record::Rules(RulesV1 {
                    text: "x".repeat(n),
                }),
            ];
            let bytes = encode_entry(7, &records).unwrap();
            assert_eq!(
                decode_entry(&bytes).unwrap(),
                Decoded { engine: 7, records }
            );
            for at in 0..bytes.len() {
                let mut bad = bytes.clone();
                bad[at] ^= 0x10;
                assert!(decode_entry(&bad).is_err(), "byte {at}");
            }
            for end in 0..bytes.len() {
                assert!(decode_entry(&bytes[..end]).is_err());
            }
        }
    }
}
