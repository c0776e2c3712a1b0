//! Webhooks of tools: how one is signed, and which tickets it names. Pure.
//!
//! A webhook is only a hint where to look: what it says about a ticket is never believed, the ticket is read.

use serde_json::Value;

/// How a kind of tool tells that something changed.
#[derive(Clone, Copy, Debug)]
pub struct Hint {
    /// The header with the signature of the body.
    pub header: &'static str,
    /// What stands before the signature, which is in hexadecimal digits.
    pub mark: &'static str,
    /// What the signature is made with.
    pub digest: Digest,
    /// The tickets that a body names: each as our ids end, after the `#`.
    pub names: fn(&Value) -> Vec<String>,
    /// The key that must be set, for tickets cannot be read without it.
    pub needs: Option<&'static str>,
}

/// The digest of an HMAC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Digest {
    /// SHA-1: good enough for an HMAC, and what a tool has.
    Sha1,
    /// SHA-256.
    Sha256,
}

/// Signatures of one header that are looked at.
const MAX_SIGNATURES: usize = 8;
/// Bytes of a ticket's name.
const MAX_NAME: usize = 80;

impl Hint {
    /// The signatures in the value of the header.
    pub fn signatures(&self, header: &str) -> Vec<Vec<u8>> {
        header
            .split(',')
            .filter_map(|one| bytes(one.trim().strip_prefix(self.mark)?))
            .take(MAX_SIGNATURES)
            .collect()
    }

    /// The tickets that a body names.
    ///
    /// # Errors
    /// It is no JSON.
    pub fn named(&self, body: &[u8]) -> Result<Vec<String>, String> {
        let body: Value =
            serde_json::from_slice(body).map_err(|e| format!("the body is no JSON: {e}"))?;
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
        let mut names = (self.names)(&body);
        names.retain(|n| n.len() <= MAX_NAME && n.bytes().all(plain));
        Ok(names)
    }
}

/// Bytes of hexadecimal digits.
fn bytes(digits: &str) -> Option<Vec<u8>> {
    let value = |b: u8| char::from(b).to_digit(16);
    let pairs = digits.as_bytes().chunks(2);
    let byte = |pair: &[u8]| match pair {
        [high, low] => u8::try_from(value(*high)? << 4 | value(*low)?).ok(),
        _ => None,
    };
    pairs.map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::itsm;

    fn of(kind: &str) -> Hint {
        itsm::kind(kind).unwrap().hint.unwrap()
    }

    #[test]
    fn signatures_are_read_as_each_tool_writes_them() {
        for (hint, header, found) in [
            (of("jira"), "sha256=00ff", vec![vec![0, 255]]),
            (of("jira"), "sha1=00ff", vec![]),
            (of("jira"), "sha256=0", vec![]),
            (of("jira"), "sha256=zz", vec![]),
            (of("jira"), "", vec![]),
            (of("zammad"), "sha1=A0", vec![vec![160]]),
            (
                of("pagerduty"),
                "v1=01, v1=02,v0=03",
                vec![vec![1], vec![2]],
            ),
        ] {
            assert_eq!(hint.signatures(header), found, "{header}");
        }
    }

    #[test]
    fn a_body_names_tickets_and_nothing_else() {
        for (hint, body, found) in [
            (
                of("jira"),
                r#"{"issue": {"id": "10001", "key": "OPS-1"}}"#,
                vec!["10001"],
            ),
            (of("jira"), r#"{"issue": {"id": "1 OR 1=1"}}"#, vec![]),
            (of("jira"), r#"{"webhookEvent": "user_created"}"#, vec![]),
            (
                of("zammad"),
                r#"{"ticket": {"id": 7, "number": "70007"}}"#,
                vec!["7"],
            ),
            (
                of("pagerduty"),
                r#"{"event": {"data": {"type": "incident", "incident_key": "cor-k7x2m9qd-3.1"}}}"#,
                vec!["cor-k7x2m9qd-3.1"],
            ),
            (
                of("pagerduty"),
                r#"{"event": {"data": {"type": "incident", "incident_key": "a/../b"}}}"#,
                vec![],
            ),
            (
                of("pagerduty"),
                r#"{"event": {"data": {"type": "incident_note", "content": "x"}}}"#,
                vec![],
            ),
        ] {
            assert_eq!(hint.named(body.as_bytes()).unwrap(), found, "{body}");
        }
        assert!(
            of("jira")
                .named(b"issue=1")
                .unwrap_err()
                .contains("no JSON")
        );
    }
}
