//! What a section of the configuration may hold: a table of keys, and the checked values read by it.
//!
//! Each section and each kind declares a `&[Key]`. One walk (`config::load`) checks every table by it, and
//! `reference.toml` is written from it, so a key cannot exist without a default and a sentence.

use super::pick::Pick;
use crate::model::Millis;
use std::collections::BTreeMap;

/// One key of a table.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// Name in the file.
    pub name: &'static str,
    /// What its value may be.
    pub kind: KeyKind,
    /// What it is when the file does not set it.
    pub default: Preset,
    /// One sentence for people; lower case, no full stop.
    pub doc: &'static str,
}

/// A key in one line, for long tables.
pub const fn key(name: &'static str, kind: KeyKind, default: Preset, doc: &'static str) -> Key {
    Key {
        name,
        kind,
        default,
        doc,
    }
}

/// The sort of value a key takes.
#[derive(Clone, Copy, Debug)]
pub enum KeyKind {
    /// A string.
    Text,
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// `true` or `false`.
    Bool,
    /// A whole number from the first to the second, both included.
    Integer(i64, i64),
    /// `"90s"`, `"5m"`, `"2h"`, `"30d"`, `"500ms"`; a bare number is refused.
    Duration,
    /// `"64MiB"`, `"10GiB"`, `"512KiB"`, `"100B"`.
    Size,
    /// A list of strings.
    List,
    /// A table of strings by name.
    Map,
    /// A table by name whose strings are all one of these words.
    MapOf(&'static [&'static str]),
    /// Where a value stands in a body, see [`super::pick`].
    Pick,
    /// A table of such places by name.
    Picks,
    /// A regular expression of the `regex` crate.
    Regex,
    /// An address of an HTTP service: `http://` or `https://`, no user, no query.
    Url,
    /// A file or folder; a relative one is taken from the folder of the configuration file.
    Path,
    /// A time zone by its name in the IANA database.
    Zone,
    /// A secret, given as `NAME_file = "PATH"` or `NAME = "credential:ID"`, never in the file itself.
    Secret,
}

/// The value of a key that the file does not set.
#[derive(Clone, Copy, Debug)]
pub enum Preset {
    /// The key must be set.
    Required,
    /// The key has no value; `Settings` answers `None`.
    Absent,
    /// This value, written as in the file (`"\"60s\""`, `"true"`, `"[]"`).
    Toml(&'static str),
}

/// Where a secret is read from, at the moment it is needed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretRef {
    /// The content of a file, without the line end.
    File(String),
    /// A credential that systemd hands over, in `$CREDENTIALS_DIRECTORY`.
    Credential(String),
}

/// A checked value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Text, OneOf, Regex, Url, Path and Zone.
    Text(String),
    /// Bool.
    Bool(bool),
    /// Integer, and Size in bytes.
    Integer(i64),
    /// Duration.
    Duration(Millis),
    /// List.
    List(Vec<String>),
    /// Map and MapOf.
    Map(BTreeMap<String, String>),
    /// Pick (under the name "") and Picks.
    Picks(BTreeMap<String, Pick>),
    /// Secret.
    Secret(SecretRef),
}

/// The checked values of one table. Every key with a default is present.
///
/// The readers answer an empty value for a key that is not in the table's `&[Key]`; `tests/tidy.rs` checks
/// that every name asked for is declared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings(BTreeMap<&'static str, Value>);

impl Settings {
    /// Sets a checked value; used by the walk and by tests.
    pub fn put(&mut self, name: &'static str, value: Value) {
        self.0.insert(name, value);
    }
    /// The value of `name`, if it has one.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }
    /// A text; empty if absent.
    pub fn text(&self, name: &str) -> &str {
        self.opt_text(name).unwrap_or_default()
    }
    /// A text that may be absent.
    pub fn opt_text(&self, name: &str) -> Option<&str> {
        match self.0.get(name) {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        }
    }
    /// A switch; false if absent.
    pub fn bool(&self, name: &str) -> bool {
        matches!(self.0.get(name), Some(Value::Bool(true)))
    }
    /// A whole number or a size in bytes; 0 if absent.
    pub fn integer(&self, name: &str) -> i64 {
        match self.0.get(name) {
            Some(Value::Integer(number)) => *number,
            _ => 0,
        }
    }
    /// A duration that may be absent.
    pub fn opt_duration(&self, name: &str) -> Option<Millis> {
        match self.0.get(name) {
            Some(Value::Duration(span)) => Some(*span),
            _ => None,
        }
    }
    /// A duration; zero if absent.
    pub fn duration(&self, name: &str) -> Millis {
        self.opt_duration(name).unwrap_or_default()
    }
    /// A list; empty if absent.
    pub fn list(&self, name: &str) -> &[String] {
        match self.0.get(name) {
            Some(Value::List(list)) => list,
            _ => &[],
        }
    }
    /// The value of `inner` in the map `name`.
    pub fn map_get(&self, name: &str, inner: &str) -> Option<&str> {
        match self.0.get(name) {
            Some(Value::Map(map)) => map.get(inner).map(String::as_str),
            _ => None,
        }
    }
    /// A map; `None` if absent.
    pub fn map(&self, name: &str) -> Option<&BTreeMap<String, String>> {
        match self.0.get(name) {
            Some(Value::Map(map)) => Some(map),
            _ => None,
        }
    }
    /// A place in a body; `None` if absent.
    pub fn pick(&self, name: &str) -> Option<&Pick> {
        match self.0.get(name) {
            Some(Value::Picks(picks)) => picks.get(""),
            _ => None,
        }
    }
    /// Places in a body by name, in the order of the names.
    pub fn picks(&self, name: &str) -> impl Iterator<Item = (&str, &Pick)> {
        let picks = match self.0.get(name) {
            Some(Value::Picks(picks)) => Some(picks),
            _ => None,
        };
        picks.into_iter().flatten().map(|(n, p)| (n.as_str(), p))
    }
    /// Where a secret is; `None` if absent.
    pub fn secret(&self, name: &str) -> Option<&SecretRef> {
        match self.0.get(name) {
            Some(Value::Secret(secret)) => Some(secret),
            _ => None,
        }
    }
}
