//! Personal data and secrets leave an event before anything of it is stored, logged, shown or sent.
//!
//! A rule names a label or annotation, an expression, or both: the whole value, what the expression finds in
//! any value, or what it finds in that one. What is found is removed, or replaced by a keyed hash, so that the
//! same person stays the same without a name. The key lies beside the store and never leaves it.

use crate::model::{Event, Labels};
use crate::source::media_type;
use regex::{Captures, Regex};
use ring::hmac;
use serde_json::Value;
use std::borrow::Cow;

/// What stands where something was taken out.
pub const REMOVED: &str = "[removed]";
/// Endings that make `unit@name.ending` a unit of systemd, not an address.
const UNITS: [&str; 10] = [
    ".service", ".socket", ".timer", ".mount", ".scope", ".slice", ".target", ".path", ".device",
    ".swap",
];

/// The sets that are shipped; the first two are on unless the configuration says otherwise.
pub const SETS: [&str; 4] = ["secrets", "people", "phone", "cpr"];

/// A rule as data.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rule {
    /// Only for this source.
    pub source: Option<String>,
    /// The label or annotation; in any case, compared without regard to case.
    pub label: Option<String>,
    /// What to find; its first group if it has one.
    pub regex: Option<String>,
    /// Only in annotations: labels name things, and a thing may look like a person.
    pub texts_only: bool,
    /// A keyed hash instead of nothing.
    pub hash: bool,
}

/// The rules of a shipped set; none for a name that is no set.
pub fn set(name: &str) -> Vec<Rule> {
    let find = |regex: &str, texts_only, hash| Rule {
        regex: Some(regex.to_owned()),
        texts_only,
        hash,
        ..Rule::default()
    };
    let whole = |label: &str| Rule {
        label: Some(label.to_owned()),
        hash: true,
        ..Rule::default()
    };
    match name {
        "secrets" => [
            r#"(?i)\b(?:password|passwd|passphrase|pwd|secret|token|api[_-]?key|access[_-]?key|client[_-]?secret)["']?\s*[=:]\s*["']?([^\s"',;&]{3,})"#,
            r"(?i)\b(?:bearer|basic)\s+([a-z0-9._~+/=-]{8,})",
            r"://[^/\s:@]+:([^/\s@]+)@",
            r"(-----BEGIN [A-Z ]*PRIVATE KEY-----(?s:.)*?(?:-----END [A-Z ]*PRIVATE KEY-----|\z))",
            r"\b((?:AKIA|ASIA)[A-Z0-9]{16}|gh[pousr]_[A-Za-z0-9]{20,}|xox[abprs]-[A-Za-z0-9-]{10,}|eyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]*)",
        ]
        .map(|regex| find(regex, false, false))
        .to_vec(),
        "people" => {
            let mail = find(r"\b([\w.%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,24})\b", true, true);
            let named = ["author", "contact", "email", "user", "username", "useremail", "contactname", "contactemail"];
            let mut all: Vec<Rule> = named.map(whole).to_vec();
            for rule in &mut all {
                rule.texts_only = true;
            }
            all.push(mail);
            all
        }
        "phone" => vec![find(r"(\+\d[\d ()-]{7,}\d)", true, true)],
        "cpr" => vec![find(r"\b((?:0[1-9]|[12]\d|3[01])(?:0[1-9]|1[0-2])\d{2}-\d{4})\b", false, false)],
        _ => Vec::new(),
    }
}

/// A value of a form.
fn quoted(text: &str) -> String {
    let byte = |b: u8| match b {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
            char::from(b).to_string()
        }
        other => format!("%{other:02X}"),
    };
    text.bytes().map(byte).collect()
}

/// Rules ready for use.
#[derive(Clone, Debug, Default)]
pub struct Redaction {
    rules: Vec<Ready>,
    key: Option<hmac::Key>,
}

#[derive(Clone, Debug)]
struct Ready {
    label: Option<String>,
    regex: Option<Regex>,
    /// Finds the value of the label in a body that could not be read.
    raw: Option<Regex>,
    texts_only: bool,
    hash: bool,
}

impl Redaction {
    /// The rules for `source`; expressions that do not compile were refused by the configuration.
    pub fn new(rules: &[Rule], source: &str, key: &[u8]) -> Redaction {
        let mine = rules
            .iter()
            .filter(|r| r.source.as_deref().is_none_or(|s| s == source));
        let ready = mine.filter_map(|rule| {
            let regex = rule.regex.as_deref().map(Regex::new).transpose().ok()?;
            let label = rule.label.as_deref().map(str::to_lowercase);
            let raw = label.as_deref().filter(|_| regex.is_none()).and_then(raw);
            Some(Ready {
                label,
                regex,
                raw,
                texts_only: rule.texts_only,
                hash: rule.hash,
            })
        });
        Redaction {
            rules: ready.collect(),
            key: Some(hmac::Key::new(hmac::HMAC_SHA256, key)),
        }
    }

    /// Takes out of an event what the rules name.
    pub fn event(&self, event: &mut Event) {
        self.pairs(&mut event.labels, false);
        self.pairs(&mut event.annotations, true);
        for text in [&mut event.link, &mut event.severity_word, &mut event.sender] {
            if let Cow::Owned(clean) = self.text(text) {
                *text = clean;
            }
        }
    }

    fn pairs(&self, pairs: &mut Labels, texts: bool) {
        let mut changed = Vec::new();
        for (name, value) in pairs.iter() {
            let mut now = Cow::Borrowed(value);
            for rule in self.rules.iter().filter(|r| texts || !r.texts_only) {
                if rule
                    .label
                    .as_deref()
                    .is_some_and(|l| l != name.to_lowercase())
                {
                    continue;
                }
                let next = match &rule.regex {
                    Some(regex) => self.replace(regex, rule.hash, &now),
                    None => Cow::Owned(self.stand_in(rule.hash, &now)),
                };
                if let Cow::Owned(next) = next {
                    now = Cow::Owned(next);
                }
            }
            if now != value {
                changed.push((name.to_owned(), now.into_owned()));
            }
        }
        for (name, value) in changed {
            pairs.set(&name, &value);
        }
    }

    /// Takes out of a text of no known shape what the expressions name: error texts, links.
    pub fn text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut now = Cow::Borrowed(text);
        for rule in &self.rules {
            if let (Some(regex), None) = (&rule.regex, &rule.label)
                && let Cow::Owned(next) = self.replace(regex, rule.hash, &now)
            {
                now = Cow::Owned(next);
            }
        }
        now
    }

    /// A body that was refused, for the quarantine: values under the named labels go as well, wherever a
    /// field ends in such a name (`NAGIOS_NOTIFICATIONAUTHOR` for `author`).
    pub fn body(&self, content_type: &str, bytes: &[u8]) -> Vec<u8> {
        if self.rules.is_empty() {
            return bytes.to_vec();
        }
        let form = media_type(content_type) == "application/x-www-form-urlencoded";
        let mut text = match serde_json::from_slice::<Value>(bytes) {
            Ok(value) => self.rewritten(value),
            Err(_) if form => crate::source::form_text(bytes),
            Err(_) => {
                // Lines of JSON; what is none of it is text.
                let text = String::from_utf8_lossy(bytes);
                let line = |line: &str| match serde_json::from_str::<Value>(line) {
                    Ok(value) => self.rewritten(value),
                    Err(_) => line.to_owned(),
                };
                text.split('\n').map(line).collect::<Vec<_>>().join("\n")
            }
        };
        for rule in &self.rules {
            let regex = rule.raw.as_ref().or(rule.regex.as_ref());
            if let Some(Cow::Owned(next)) = regex.map(|r| self.replace(r, rule.hash, &text)) {
                text = next;
            }
        }
        text.into_bytes()
    }

    /// A body without what the rules name, which can still be read as what it was: JSON as JSON, a form as a
    /// form.
    pub fn same_kind(&self, content_type: &str, bytes: &[u8]) -> Vec<u8> {
        let form = media_type(content_type) == "application/x-www-form-urlencoded";
        if self.rules.is_empty() || !form || serde_json::from_slice::<Value>(bytes).is_ok() {
            return self.body(content_type, bytes);
        }
        let clean = |(name, value): (String, String)| {
            let one = serde_json::json!({ &name: value }).to_string();
            let read = serde_json::from_slice::<Value>(&self.body("", one.as_bytes())).ok();
            let value = read
                .and_then(|v| v.get(&name)?.as_str().map(str::to_owned))
                .unwrap_or_else(|| REMOVED.to_owned());
            format!("{}={}", quoted(&name), quoted(&value))
        };
        let pairs = crate::source::form_pairs(bytes).into_iter();
        pairs.map(clean).collect::<Vec<_>>().join("&").into_bytes()
    }

    /// JSON written anew, its strings clean: nothing hides behind an escape, in a list or in a number.
    fn rewritten(&self, mut value: Value) -> String {
        self.walk(&mut value, None);
        value.to_string()
    }

    /// `named`: the rule, by whether it hashes, of the name that stands over the value.
    fn walk(&self, value: &mut Value, named: Option<bool>) {
        match value {
            Value::Object(map) => {
                for (name, value) in map {
                    let name = name.to_lowercase();
                    let mut rules = self.rules.iter().filter(|r| r.raw.is_some());
                    let rule = rules
                        .find(|r| r.label.as_deref().is_some_and(|l| name.ends_with(l)))
                        .map(|r| r.hash);
                    self.walk(value, rule.or(named));
                }
            }
            Value::Array(list) => list.iter_mut().for_each(|v| self.walk(v, named)),
            Value::String(text) => {
                let clean = match named {
                    Some(hash) => self.stand_in(hash, text),
                    None => self.text(text).into_owned(),
                };
                *text = clean;
            }
            Value::Number(_) | Value::Bool(_) => {
                if let Some(hash) = named {
                    *value = Value::from(self.stand_in(hash, &value.to_string()));
                }
            }
            Value::Null => {}
        }
    }

    fn replace<'a>(&self, regex: &Regex, hash: bool, text: &'a str) -> Cow<'a, str> {
        regex.replace_all(text, |found: &Captures<'_>| {
            let Some((whole, part)) = found.get(0).map(|whole| {
                (
                    whole,
                    found.iter().skip(1).flatten().next().unwrap_or(whole),
                )
            }) else {
                return String::new();
            };
            // By place, not by text: a password may be the name of its user.
            let before = text.get(whole.start()..part.start()).unwrap_or_default();
            let after = text.get(part.end()..whole.end()).unwrap_or_default();
            let part = part.as_str();
            let unit = part.contains('@') && UNITS.iter().any(|u| part.ends_with(u));
            match unit || part.is_empty() {
                true => whole.as_str().to_owned(),
                false => format!("{before}{}{after}", self.stand_in(hash, part)),
            }
        })
    }

    fn stand_in(&self, hash: bool, value: &str) -> String {
        // What was taken out before stays as it is.
        if value.is_empty() || value == REMOVED || is_hash(value) {
            return value.to_owned();
        }
        match &self.key {
            Some(key) if hash => {
                let tag = hmac::sign(key, value.as_bytes());
                let hex = tag.as_ref().iter().take(6).map(|b| format!("{b:02x}"));
                format!("~{}", hex.collect::<String>())
            }
            Some(_) | None => REMOVED.to_owned(),
        }
    }
}

fn is_hash(value: &str) -> bool {
    let digits = value.strip_prefix('~').unwrap_or_default();
    digits.len() == 12 && digits.bytes().all(|b| b.is_ascii_hexdigit())
}

/// JSON member or form line whose name ends in `label`.
fn raw(label: &str) -> Option<Regex> {
    let name = regex::escape(label);
    let text =
        format!(r#"(?im)(?:"[^"]*{name}"\s*:\s*"((?:[^"\\]|\\.)*)"|^[^=\n]*{name}=([^\n]*)$)"#);
    Regex::new(&text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(sets: &[&str]) -> Redaction {
        let rules: Vec<Rule> = sets.iter().flat_map(|s| set(s)).collect();
        Redaction::new(&rules, "s", b"key")
    }

    #[test]
    fn secrets_go_and_what_looks_like_them_stays() {
        let all = of(&["secrets"]);
        for (text, want) in [
            (
                "login failed, password=hunter2!",
                "login failed, password=[removed]",
            ),
            ("{\"api_key\": \"abcdef\"}", "{\"api_key\": \"[removed]\"}"),
            (
                "Authorization: Bearer abc.def-ghi",
                "Authorization: Bearer [removed]",
            ),
            ("https://bob:s3cret@db1/x", "https://bob:[removed]@db1/x"),
            ("token ring on sw1 down", "token ring on sw1 down"),
            ("the password expires soon", "the password expires soon"),
            ("key AKIAABCDEFGHIJKLMNOP in log", "key [removed] in log"),
        ] {
            assert_eq!(all.text(text), want);
            assert_eq!(all.text(&all.text(text)), want, "twice is once");
        }
    }

    #[test]
    fn people_are_hashed_in_texts_and_units_are_no_people() {
        let all = of(&["people"]);
        let pairs = |pairs: &[(&str, &str)]| pairs.iter().copied().collect::<Labels>();
        let mut texts = pairs(&[
            ("author", "Jane Doe"),
            (
                "summary",
                "mail jane@example.net, unit getty@tty1.service failed",
            ),
        ]);
        all.pairs(&mut texts, true);
        assert!(texts.get("author").is_some_and(is_hash));
        let summary = texts.get("summary").unwrap_or_default();
        assert!(
            !summary.contains("jane@") && summary.contains("getty@tty1.service"),
            "{summary}"
        );
        let mut labels = pairs(&[("user", "www-data"), ("host", "a@b.example")]);
        let before = labels.clone();
        all.pairs(&mut labels, false);
        assert_eq!(labels, before, "labels name things");
    }

    #[test]
    fn what_is_taken_out_is_found_by_its_place_not_by_its_text() {
        let all = of(&["secrets"]);
        for (text, want) in [
            ("https://admin:admin@db1/x", "https://admin:[removed]@db1/x"),
            ("password=password", "password=[removed]"),
            ("password=cups.service", "password=[removed]"),
        ] {
            assert_eq!(all.text(text), want);
        }
    }

    #[test]
    fn a_refused_body_hides_nothing_behind_escapes_lists_or_its_media_type() {
        let all = of(&["secrets", "people"]);
        for (content_type, body) in [
            ("application/json", r#"{"x": "password=\"hunter2\""}"#),
            (
                "application/json",
                r#"{"author": ["hunter2", {"id": "hunter2"}]}"#,
            ),
            (
                "application/x-ndjson",
                "{\"x\": \"password=\\\"hunter2\\\"\"}\nbroken\n",
            ),
            ("Application/X-WWW-Form-Urlencoded", "x=password%3Dhunter2"),
        ] {
            let text = String::from_utf8(all.body(content_type, body.as_bytes()));
            let text = text.unwrap_or_default();
            assert!(
                !text.is_empty() && !text.contains("hunter2"),
                "{body}: {text}"
            );
        }
    }

    #[test]
    fn refused_bodies_lose_named_fields_too() {
        let all = of(&["secrets", "people"]);
        let json = br#"{"NAGIOS_NOTIFICATIONAUTHOR": "J\u00f6rg", "x": "password: abc123"}"#;
        let text = String::from_utf8(all.body("application/json", json)).unwrap_or_default();
        assert!(!text.contains("rg\"") && !text.contains("abc123"), "{text}");
        let form = b"NOTIFICATIONAUTHOR=Jane+Doe&HOSTNAME=a&x=jane%40example.net";
        let text = all.body("application/x-www-form-urlencoded", form);
        let text = String::from_utf8(text).unwrap_or_default();
        assert!(
            !text.contains("Jane") && !text.contains("example.net"),
            "{text}"
        );
        assert!(text.contains("HOSTNAME=a"), "{text}");
    }
}
