//! What a peer answers, and what that means for what was sent.

use super::post::Stream;
use serde_json::Value;
use std::io;

/// Bytes of an answer that are read.
const MAX_ANSWER: usize = 1 << 20;
/// Characters of an answer that is not the daemon's, in a message.
const SHORT: usize = 200;

/// What became of a body.
#[derive(Debug)]
pub(super) enum Outcome {
    /// It is on the daemon's disk.
    Taken(Value),
    /// The daemon will never take it.
    Refused {
        /// Its reason.
        why: String,
        /// Which ones, if it says so.
        named: Vec<(usize, String)>,
        /// The body as a whole was too large.
        too_large: bool,
    },
    /// Nothing will be taken until a person mends something.
    Fault(String),
    /// Later.
    Away {
        /// What happened.
        why: String,
        /// It is there, and has no room.
        busy: bool,
    },
}

/// Reads status and body.
pub(super) fn read_answer(stream: &mut dyn Stream) -> io::Result<(u16, Vec<u8>)> {
    let mut bytes = Vec::new();
    let mut part = [0u8; 16 << 10];
    loop {
        if let Some(answer) = complete(&bytes, false) {
            return Ok(answer);
        }
        let read = match stream.read(&mut part) {
            Ok(read) => read,
            // Some peers end TLS without saying so.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => 0,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        if read == 0 {
            return complete(&bytes, true).ok_or_else(|| io::ErrorKind::UnexpectedEof.into());
        }
        bytes.extend_from_slice(part.get(..read).unwrap_or_default());
        if bytes.len() > MAX_ANSWER {
            return Err(io::Error::other("the answer has no end"));
        }
    }
}

/// The answer, once all of it is there; `ended` says that no more will come.
fn complete(bytes: &[u8], ended: bool) -> Option<(u16, Vec<u8>)> {
    let at = bytes.windows(4).position(|w| w == b"\r\n\r\n")?;
    let (head, rest) = bytes.split_at(at);
    let body = rest.get(4..)?;
    let head = String::from_utf8_lossy(head);
    let status = head.split(' ').nth(1)?.trim().parse().ok()?;
    let header = |wanted: &str| {
        let mut pairs = head.lines().skip(1).filter_map(|l| l.split_once(':'));
        let found = pairs.find(|(name, _)| name.trim().eq_ignore_ascii_case(wanted));
        found.map(|(_, value)| value.trim().to_ascii_lowercase())
    };
    if header("transfer-encoding").is_some_and(|v| v.contains("chunked")) {
        return Some((status, dechunk(body)?));
    }
    match header("content-length").and_then(|v| v.parse::<usize>().ok()) {
        Some(length) => Some((status, body.get(..length)?.to_vec())),
        None => ended.then(|| (status, body.to_vec())),
    }
}

/// The body behind chunks; nothing while the last one is missing.
fn dechunk(mut bytes: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    loop {
        let at = bytes.windows(2).position(|w| w == b"\r\n")?;
        let line = std::str::from_utf8(bytes.get(..at)?).ok()?;
        let size = line.split(';').next().unwrap_or_default().trim();
        let size = usize::from_str_radix(size, 16).ok()?;
        if size == 0 {
            return Some(out);
        }
        let from = at.checked_add(2)?;
        let to = from.checked_add(size)?;
        out.extend_from_slice(bytes.get(from..to)?);
        bytes = bytes.get(to.checked_add(2)?..)?;
    }
}

/// The daemon's word for what is wrong, or the beginning of what somebody else said.
pub(super) fn reason(answer: &[u8]) -> (Value, String) {
    let value: Value = serde_json::from_slice(answer).unwrap_or_default();
    let text = match value.get("error").and_then(Value::as_str) {
        Some(error) => error.to_owned(),
        None => crate::model::cut(String::from_utf8_lossy(answer).trim(), SHORT),
    };
    (value, text)
}

/// What an answer of `url` means.
pub(super) fn judge(url: &str, status: u16, answer: &[u8]) -> Outcome {
    let (value, text) = reason(answer);
    let said = format!("{url}: {status}: {text}");
    let named: Vec<(usize, String)> = rejected(&value);
    match status {
        200..300 if value.get("accepted").is_some() => Outcome::Taken(value),
        // What is not the daemon, but stands where it should, must not swallow alerts.
        200..300 => Outcome::Fault(format!("{said}: this is not the answer of correlated")),
        400 | 413 | 415 if value.get("error").is_some() || !named.is_empty() => Outcome::Refused {
            why: match named.first() {
                Some((_, why)) if value.get("error").is_none() => why.clone(),
                _ => text,
            },
            named,
            too_large: status == 413,
        },
        408 | 425 | 429 | 500.. => Outcome::Away {
            why: said,
            busy: status == 503,
        },
        _ => Outcome::Fault(said),
    }
}

/// `{"rejected":[{"index","reason"}]}`
pub(super) fn rejected(answer: &Value) -> Vec<(usize, String)> {
    let list = answer.get("rejected").and_then(Value::as_array);
    list.into_iter()
        .flatten()
        .filter_map(|one| {
            let index = one.get("index")?.as_u64()?;
            let why = one
                .get("reason")
                .and_then(Value::as_str)
                .unwrap_or_default();
            Some((usize::try_from(index).ok()?, why.to_owned()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_end_where_they_say() {
        let whole = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}rest";
        assert_eq!(complete(whole, false), Some((200, b"{}".to_vec())));
        assert_eq!(
            complete(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n{}", true),
            None
        );
        let chunked =
            b"HTTP/1.1 503 x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1;x\r\n}\r\n0\r\n\r\n";
        assert_eq!(complete(chunked, false), Some((503, b"{}".to_vec())));
        assert_eq!(complete(&chunked[..chunked.len() - 6], true), None);
        let open = b"HTTP/1.0 404 x\r\n\r\nno";
        assert_eq!(complete(open, false), None);
        assert_eq!(complete(open, true), Some((404, b"no".to_vec())));
    }

    #[test]
    fn answers_mean_what_they_should() {
        let word = |status, body: &str| match judge("u", status, body.as_bytes()) {
            Outcome::Taken(_) => "taken",
            Outcome::Refused { .. } => "refused",
            Outcome::Fault(_) => "fault",
            Outcome::Away { .. } => "away",
        };
        for (status, body, want) in [
            (200, "{\"accepted\":1}", "taken"),
            (200, "<html>", "fault"),
            (302, "", "fault"),
            (400, "{\"error\":\"x\"}", "refused"),
            (
                400,
                "{\"accepted\":0,\"rejected\":[{\"index\":0,\"reason\":\"x\"}]}",
                "refused",
            ),
            (400, "<html>plain HTTP to an HTTPS port", "fault"),
            (401, "{\"error\":\"x\"}", "fault"),
            (404, "{\"error\":\"x\"}", "fault"),
            (413, "{\"error\":\"x\"}", "refused"),
            (429, "", "away"),
            (503, "{\"error\":\"x\"}", "away"),
        ] {
            assert_eq!(word(status, body), want, "{status} {body}");
        }
    }
}
