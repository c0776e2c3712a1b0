//! One walk over a table of the file by its keys: all errors at once, each with its place.

use super::Problem;
use super::keys::{Key, KeyKind, Preset, SecretRef, Settings, Value};
use super::pick::Pick;
use crate::model::Millis;
use std::collections::BTreeMap;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Collects what is wrong, with line and column from byte offsets.
#[derive(Debug)]
pub(super) struct Walk<'a> {
    text: &'a str,
    base: &'a str,
    pub(super) problems: Vec<Problem>,
}

/// A value that may be wrong, with its place.
pub(super) type Found<'a, 'b> = &'a Spanned<DeValue<'b>>;

impl<'a> Walk<'a> {
    pub(super) fn new(text: &'a str, base: &'a str) -> Walk<'a> {
        Walk {
            text,
            base,
            problems: Vec::new(),
        }
    }

    pub(super) fn problem(&mut self, at: Range<usize>, path: &str, message: String) {
        let (line, column) = spot(self.text, at.start);
        self.problems.push(Problem {
            line,
            column,
            path: path.to_owned(),
            message,
        });
    }

    /// Checks `table` by `keys`. `more` are names that are read elsewhere (inner tables).
    pub(super) fn table(
        &mut self,
        table: &DeTable<'_>,
        at: Range<usize>,
        path: &str,
        keys: &[&'static Key],
        more: &[&str],
    ) -> Settings {
        let mut settings = Settings::default();
        for (name, value) in table.iter() {
            let word: &str = name.get_ref();
            if more.contains(&word) {
                continue;
            }
            let inner = join(path, word);
            let known = keys.iter().find(|k| k.name == word || secret_file(k, word));
            let Some(key) = known else {
                let names: Vec<&str> = keys
                    .iter()
                    .map(|k| k.name)
                    .chain(more.iter().copied())
                    .collect();
                let message = format!("unknown key{}", hint(word, &names));
                self.problem(name.span(), &inner, message);
                continue;
            };
            if let Some(value) = self.value(key, word, value, &inner) {
                if settings.get(key.name).is_some() {
                    let message = format!("{} is given twice", key.name);
                    self.problem(name.span(), &inner, message);
                }
                settings.put(key.name, value);
            }
        }
        let given = |key: &Key| {
            table
                .iter()
                .any(|(n, _)| *n.get_ref() == key.name || secret_file(key, n.get_ref()))
        };
        for key in keys.iter().filter(|k| !given(k)) {
            match key.default {
                Preset::Absent => {}
                Preset::Required => {
                    self.problem(
                        at.clone(),
                        &join(path, key.name),
                        format!("missing: {}", key.doc),
                    );
                }
                Preset::Toml(default) => settings.put_default(self, key, default),
            }
        }
        settings
    }

    fn value(&mut self, key: &Key, word: &str, value: Found<'_, '_>, path: &str) -> Option<Value> {
        match read(key, word, value.get_ref(), self.base) {
            Ok(value) => Some(value),
            Err(message) => {
                self.problem(value.span(), path, message);
                None
            }
        }
    }
}

/// Line and column of a byte, both from 1.
fn spot(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line = before.matches('\n').count().saturating_add(1);
    let column = before.rsplit('\n').next().map_or(0, |l| l.chars().count());
    (line, column.saturating_add(1))
}

/// Where `bind.rule[2].label` stands; a name that no table has ends the search at what is around it.
pub(super) fn place(text: &str, path: &str) -> Option<(usize, usize)> {
    let (root, _) = DeTable::parse_recoverable(text);
    let (mut at, mut table) = (None, Some(root.get_ref()));
    for word in path.split('.') {
        let (name, number) = match word.strip_suffix(']').and_then(|w| w.split_once('[')) {
            Some((name, number)) => (name, number.parse::<usize>().ok()),
            None => (word, None),
        };
        let Some((key, value)) = table.and_then(|t| t.get_key_value(name)) else {
            break;
        };
        let value = match number {
            Some(n) => value.get_ref().as_array()?.get(n)?,
            None => value,
        };
        // A table has no name of its own in front of it: its first line tells.
        let inner = value.get_ref().as_table();
        at = Some(match (number, inner) {
            (Some(_), _) | (None, Some(_)) => value.span().start,
            (None, None) => key.span().start,
        });
        table = inner;
    }
    at.map(|at| spot(text, at))
}

impl Settings {
    fn put_default(&mut self, walk: &Walk<'_>, key: &Key, default: &str) {
        let text = format!("v = {default}");
        let parsed = DeTable::parse(&text).ok();
        let value = parsed.as_ref().and_then(|t| t.get_ref().get("v"));
        if let Some(Ok(value)) = value.map(|v| read(key, key.name, v.get_ref(), walk.base)) {
            self.put(key.name, value);
        }
    }
}

/// `token_file` is a way to give the secret `token`.
fn secret_file(key: &Key, word: &str) -> bool {
    matches!(key.kind, KeyKind::Secret) && word.strip_suffix("_file") == Some(key.name)
}

pub(super) fn join(path: &str, word: &str) -> String {
    match path.is_empty() {
        true => word.to_owned(),
        false => format!("{path}.{word}"),
    }
}

/// Names of a hint: a CMDB has thousands.
const MAX_HINTED: usize = 40;

/// `; did you mean "x"?` for the nearest name, or what there is.
pub(super) fn hint(word: &str, names: &[&str]) -> String {
    let near = names.iter().map(|n| (distance(word, n), *n)).min();
    match near {
        Some((d, name)) if d <= 2.max(word.len() / 4) => format!("; did you mean \"{name}\"?"),
        Some(_) => {
            let mut known: Vec<&str> = Vec::new();
            for name in names.iter().take(MAX_HINTED) {
                if !known.contains(name) {
                    known.push(name);
                }
            }
            let more = match names.len().saturating_sub(MAX_HINTED) {
                0 => String::new(),
                n => format!(" and {n} more"),
            };
            format!("; known here: {}{more}", known.join(", "))
        }
        None => String::new(),
    }
}

/// Edits that make one word of another.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut corner = i;
        let mut left = i.saturating_add(1);
        let mut next = vec![left];
        for (y, up) in b.iter().zip(row.iter().skip(1)) {
            let change = corner.saturating_add(usize::from(x != *y));
            left = change.min(left.saturating_add(1)).min(up.saturating_add(1));
            corner = *up;
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or(usize::MAX)
}

fn read(key: &Key, word: &str, value: &DeValue<'_>, base: &str) -> Result<Value, String> {
    let text = || {
        value
            .as_str()
            .ok_or_else(|| wanted("a text in quotes", value))
    };
    match key.kind {
        KeyKind::Text => text().map(|t| Value::Text(t.to_owned())),
        KeyKind::OneOf(words) => {
            let text = text()?;
            match words.contains(&text) {
                true => Ok(Value::Text(text.to_owned())),
                false => Err(format!("{text:?} is unknown; one of: {}", words.join(", "))),
            }
        }
        KeyKind::Bool => match value.as_bool() {
            Some(yes) => Ok(Value::Bool(yes)),
            None => Err(wanted("true or false", value)),
        },
        KeyKind::Integer(low, high) => {
            let number = value
                .as_integer()
                .and_then(|i| i.as_str().replace('_', "").parse().ok());
            match number {
                Some(n) if (low..=high).contains(&n) => Ok(Value::Integer(n)),
                Some(_) => Err(format!("must be from {low} to {high}")),
                None => Err(wanted(
                    &format!("a whole number from {low} to {high}"),
                    value,
                )),
            }
        }
        KeyKind::Duration => {
            duration(text().map_err(|_| wanted("a duration like \"90s\"", value))?)
                .map(Value::Duration)
        }
        KeyKind::Size => {
            size(text().map_err(|_| wanted("a size like \"64MiB\"", value))?).map(Value::Integer)
        }
        KeyKind::List => {
            let list = value
                .as_array()
                .ok_or_else(|| wanted("a list of texts", value))?;
            list.iter()
                .map(|v| {
                    let one = v.get_ref().as_str();
                    one.map(str::to_owned)
                        .ok_or_else(|| wanted("a list of texts", v.get_ref()))
                })
                .collect::<Result<_, _>>()
                .map(Value::List)
        }
        KeyKind::Map => texts(value).map(Value::Map),
        KeyKind::MapOf(words) => {
            let map = texts(value)?;
            match map.iter().find(|(_, v)| !words.contains(&v.as_str())) {
                Some((name, other)) => Err(format!(
                    "{name}: {other:?} is unknown; one of: {}",
                    words.join(", ")
                )),
                None => Ok(Value::Map(map)),
            }
        }
        KeyKind::Pick => {
            let pick = Pick::parse(text()?)?;
            Ok(Value::Picks([(String::new(), pick)].into()))
        }
        KeyKind::Picks => texts(value)?
            .into_iter()
            .map(|(name, text)| match Pick::parse(&text) {
                Ok(pick) => Ok((name, pick)),
                Err(why) => Err(format!("{name}: {why}")),
            })
            .collect::<Result<BTreeMap<_, _>, String>>()
            .map(Value::Picks),
        KeyKind::Regex => {
            let text = text()?;
            match regex::Regex::new(text) {
                Ok(_) => Ok(Value::Text(text.to_owned())),
                Err(why) => Err(format!(
                    "not a regular expression: {}",
                    last_line(&why.to_string())
                )),
            }
        }
        KeyKind::Url => url(text()?).map(Value::Text),
        KeyKind::Path => text().map(|t| Value::Text(absolute(base, t))),
        KeyKind::Zone => {
            let text = text()?;
            match crate::ticket::zone_is_known(text) {
                true => Ok(Value::Text(text.to_owned())),
                false => Err(format!(
                    "{text:?} is no time zone{}",
                    hint(text, &["UTC", "Europe/Copenhagen"])
                )),
            }
        }
        KeyKind::Secret => secret(key, word, text()?, base).map(Value::Secret),
    }
}

/// A table of texts by name.
fn texts(value: &DeValue<'_>) -> Result<BTreeMap<String, String>, String> {
    let table = value
        .as_table()
        .ok_or_else(|| wanted("a table of texts", value))?;
    table
        .iter()
        .map(|(n, v)| {
            let one = v.get_ref().as_str();
            let one = one.ok_or_else(|| wanted("a table of texts", v.get_ref()))?;
            Ok((n.get_ref().to_string(), one.to_owned()))
        })
        .collect()
}

fn last_line(text: &str) -> String {
    text.lines().last().unwrap_or_default().trim().to_owned()
}

fn wanted(what: &str, value: &DeValue<'_>) -> String {
    format!("must be {what}, not {}", value.type_str())
}

fn absolute(base: &str, path: &str) -> String {
    match path.starts_with('/') || base.is_empty() {
        true => path.to_owned(),
        false => format!("{base}/{path}"),
    }
}

fn secret(key: &Key, word: &str, text: &str, base: &str) -> Result<SecretRef, String> {
    if word != key.name {
        return Ok(SecretRef::File(absolute(base, text)));
    }
    match text.strip_prefix("credential:") {
        Some(name) if !name.is_empty() && !name.contains('/') => {
            Ok(SecretRef::Credential(name.to_owned()))
        }
        // The value is not repeated: it may be the secret itself.
        Some(_) | None => Err(format!(
            "secrets do not stand in this file; write {0}_file = \"PATH\" or {0} = \"credential:NAME\"",
            key.name
        )),
    }
}

fn url(text: &str) -> Result<String, String> {
    let rest = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"));
    let rest = rest.ok_or("must begin with https:// or http://")?;
    let host = rest.split('/').next().unwrap_or_default();
    match () {
        () if host.is_empty() => Err("has no host".to_owned()),
        () if host.contains('@') => Err("must hold no user or password".to_owned()),
        () if text.contains(['?', '#', ' ']) => Err("must hold no query".to_owned()),
        () => Ok(text.trim_end_matches('/').to_owned()),
    }
}

/// `500ms`, `90s`, `5m`, `2h`, `30d`.
pub(crate) fn duration(text: &str) -> Result<Millis, String> {
    let bad = || {
        format!(
            "{text:?} is no duration; write it like \"500ms\", \"90s\", \"5m\", \"2h\", \"30d\""
        )
    };
    let at = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(bad)?;
    let (number, unit) = text.split_at(at);
    let number: i64 = number.parse().map_err(|_| bad())?;
    let unit: i64 = match unit.trim() {
        "ms" => 1,
        "s" => 1000,
        "m" | "min" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(bad()),
    };
    number.checked_mul(unit).map(Millis).ok_or_else(bad)
}

/// `100B`, `512KiB`, `64MiB`, `10GiB`.
pub(crate) fn size(text: &str) -> Result<i64, String> {
    let bad = || format!("{text:?} is no size; write it like \"512KiB\", \"64MiB\", \"10GiB\"");
    let at = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(bad)?;
    let (number, unit) = text.split_at(at);
    let number: i64 = number.parse().map_err(|_| bad())?;
    let unit: i64 = match unit.trim() {
        "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "TiB" => 1 << 40,
        _ => return Err(bad()),
    };
    number.checked_mul(unit).ok_or_else(bad)
}
