//! Where the elements of a JSON file are: `serde_json` tells lines only for errors, findings need them for
//! every CI.
//!
//! The whole text is checked by `serde_json` first; the walk afterwards only has to step over strings and
//! brackets. It is a loop with a counter, not a recursion: depth costs nothing. On a text that is no JSON it
//! would give odd pieces, and still end.

use serde::de::IgnoredAny;

/// An element of a list at the top of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Element<'a> {
    /// Its text.
    pub text: &'a str,
    /// The line on which it begins; the first is 1.
    pub line: usize,
}

/// A member of the object that the file is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member<'a> {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: Element<'a>,
}

/// The file's text, without a byte order mark, known to be one JSON value.
///
/// # Errors
/// Bytes that are not UTF-8 or not JSON: line and column (in bytes, from 1) and what is wrong.
pub fn text(bytes: &[u8]) -> Result<&str, String> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        return Err("1:1: the file is UTF-16; it must be UTF-8".to_owned());
    }
    let text = std::str::from_utf8(bytes).map_err(|e| {
        let good = bytes.get(..e.valid_up_to()).unwrap_or_default();
        let line = newlines(good).saturating_add(1);
        let column = good
            .iter()
            .rev()
            .take_while(|b| **b != b'\n')
            .count()
            .saturating_add(1);
        let byte = bytes.get(e.valid_up_to()).copied().unwrap_or_default();
        format!("{line}:{column}: byte 0x{byte:02x} is not UTF-8; save the file as UTF-8")
    })?;
    match serde_json::from_str::<IgnoredAny>(text) {
        Ok(IgnoredAny) => Ok(text),
        Err(e) => {
            let (line, column) = (e.line(), e.column());
            let what = e.to_string();
            let what = what
                .strip_suffix(&format!(" at line {line} column {column}"))
                .unwrap_or(&what);
            Err(format!("{line}:{column}: {what}"))
        }
    }
}

/// The members of the object that `text` is, in their order; `None` if it is no object.
pub fn members(text: &str) -> Option<Vec<Member<'_>>> {
    let mut walk = Walk::new(text, 1);
    walk.enter(b'{')?;
    let mut members = Vec::new();
    while let Some(name) = walk.next_value() {
        walk.skip(|b| b.is_ascii_whitespace() || b == b':');
        let Some(value) = walk.next_value() else {
            break;
        };
        // A name with a lone surrogate is JSON to some and no text; it is none of ours.
        let name = serde_json::from_str(name.text).unwrap_or_default();
        members.push(Member { name, value });
    }
    Some(members)
}

/// The elements of the list that `list` is; `None` if it is no list.
pub fn elements<'a>(list: &Element<'a>) -> Option<impl Iterator<Item = Element<'a>> + use<'a>> {
    let mut walk = Walk::new(list.text, list.line);
    walk.enter(b'[')?;
    Some(std::iter::from_fn(move || walk.next_value()))
}

struct Walk<'a> {
    text: &'a str,
    at: usize,
    line: usize,
    /// Newlines before this position are in `line`.
    counted: usize,
}

impl<'a> Walk<'a> {
    fn new(text: &'a str, line: usize) -> Walk<'a> {
        Walk {
            text,
            at: 0,
            line,
            counted: 0,
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip(&mut self, which: impl Fn(u8) -> bool) {
        while self.peek().is_some_and(&which) {
            self.at = self.at.saturating_add(1);
        }
    }

    fn enter(&mut self, bracket: u8) -> Option<()> {
        self.skip(|b| b.is_ascii_whitespace());
        (self.peek()? == bracket).then(|| self.at = self.at.saturating_add(1))
    }

    /// The value after blanks and a comma; `None` at the closing bracket or the end.
    fn next_value(&mut self) -> Option<Element<'a>> {
        self.skip(|b| b.is_ascii_whitespace() || b == b',');
        if matches!(self.peek()?, b']' | b'}') {
            return None;
        }
        let from = self.at;
        let gone = self.text.as_bytes().get(self.counted..from)?;
        self.line = self.line.saturating_add(newlines(gone));
        self.counted = from;
        self.skip_value();
        let text = self.text.get(from..self.at)?;
        Some(Element {
            text,
            line: self.line,
        })
    }

    /// Steps over one value; always forward by at least one byte.
    fn skip_value(&mut self) {
        let mut depth = 0_usize;
        while let Some(byte) = self.peek() {
            self.at = self.at.saturating_add(1);
            match byte {
                b'"' => self.skip_string(),
                b'{' | b'[' => depth = depth.saturating_add(1),
                b'}' | b']' => depth = depth.saturating_sub(1),
                // Within brackets blanks, commas and scalars need no attention of their own.
                _ if depth > 0 => continue,
                _ => self
                    .skip(|b| !b.is_ascii_whitespace() && !matches!(b, b',' | b':' | b']' | b'}')),
            }
            if depth == 0 {
                return;
            }
        }
    }

    /// Steps over the rest of a string, its closing quote included.
    fn skip_string(&mut self) {
        while let Some(byte) = self.peek() {
            self.at = self.at.saturating_add(1);
            match byte {
                b'"' => return,
                b'\\' => self.at = self.at.saturating_add(1),
                _ => {}
            }
        }
    }
}

fn newlines(bytes: &[u8]) -> usize {
    bytes.iter().filter(|b| **b == b'\n').count()
}
