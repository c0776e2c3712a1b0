//! A request as a small server of the tests reads it.

#![allow(
    clippy::unwrap_used,
    reason = "test support: a test stops at what it does not expect"
)]

use std::io::{BufRead, BufReader, Read};

/// See the module.
pub struct Asked {
    /// First line and headers, as they came.
    pub head: String,
    /// What follows them.
    pub body: String,
}

impl Asked {
    /// Reads one request; a stream that ends early gives what came.
    pub fn read(stream: impl Read) -> Asked {
        let mut reader = BufReader::new(stream);
        let (mut head, mut length) = (String::new(), 0);
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).unwrap_or(0) == 0 || line.trim().is_empty() {
                break;
            }
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().unwrap();
            }
            head.push_str(&line);
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        Asked {
            head,
            body: String::from_utf8_lossy(&body).into_owned(),
        }
    }

    /// Method, address and version.
    pub fn first(&self) -> &str {
        self.head.lines().next().unwrap_or_default()
    }
}
