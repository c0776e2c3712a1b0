//! What several kinds share: forms, JSON that is almost JSON, lines of JSON.

use super::limits;
use serde_json::Value;

/// One JSON value. Text that is not UTF-8 is read with replacements: plugin output in latin-1 spoils a whole
/// body, and the other fields are still good. Hand-made JSON does not escape backslashes; the second part
/// of the answer says whether that had to be mended.
pub(super) fn json(bytes: &[u8]) -> Result<(Value, bool), String> {
    if bytes.is_empty() {
        return Err("the body is empty; was the request redirected on its way".to_owned());
    }
    let text = String::from_utf8_lossy(unmarked(bytes));
    match serde_json::from_str(&text) {
        Ok(value) => Ok((value, false)),
        Err(why) => match serde_json::from_str(&double_backslashes(&text)) {
            Ok(value) => Ok((value, true)),
            Err(_) => Err(format!("not JSON: {why}")),
        },
    }
}

/// Without the byte order mark that some senders put before UTF-8.
fn unmarked(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)
}

/// Doubles the backslashes that begin no valid escape.
fn double_backslashes(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        out.push(c);
        if c != '\\' {
            continue;
        }
        match chars.peek() {
            Some('"' | '\\') => out.extend(chars.next()),
            Some(_) | None => out.push('\\'),
        }
    }
    out
}

/// The lines of a body of JSON lines: number from 0, and what stands there. Empty lines are skipped.
pub(super) fn json_lines(bytes: &[u8]) -> impl Iterator<Item = (u32, Result<Value, String>)> {
    let lines = unmarked(bytes)
        .split(|b| *b == b'\n')
        .filter(|l| !l.trim_ascii().is_empty());
    (0u32..).zip(lines).map(|(n, line)| {
        let value = serde_json::from_slice(line).map_err(|why| format!("not JSON: {why}"));
        (n, value)
    })
}

/// The fields of a form, in their order.
pub(super) fn form(bytes: &[u8]) -> Vec<(String, String)> {
    bytes
        .split(|b| *b == b'&')
        .filter(|pair| !pair.is_empty())
        .take(2 * limits::LABELS)
        .filter_map(|pair| {
            let at = pair.iter().position(|b| *b == b'=')?;
            let (name, value) = pair.split_at(at);
            let value = value.get(1..).unwrap_or_default();
            Some((unquote(name), unquote(value)))
        })
        .collect()
}

/// Percent-decodes; bytes that are not UTF-8 become U+FFFD.
fn unquote(bytes: &[u8]) -> String {
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((first, tail)) = rest.split_first() {
        rest = tail;
        let digit = |b: Option<&u8>| b.and_then(|b| char::from(*b).to_digit(16));
        let code = (digit(tail.first()), digit(tail.get(1)));
        match (first, code) {
            (b'+', _) => out.push(b' '),
            (b'%', (Some(high), Some(low))) => {
                out.push(u8::try_from(high * 16 + low).unwrap_or(b'?'));
                rest = tail.get(2..).unwrap_or_default();
            }
            (other, _) => out.push(*other),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}
