//! Records to bytes and back: checksum and compression.

use super::{MAX_PAYLOAD, Record};

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
    use super::super::RulesV1;
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
