//! Maps of words: words are compared without regard to case, so two of them may be one, and a map whose value is
//! never read says nothing.

use super::super::Problem;
use crate::rules::Identity;
use std::collections::BTreeMap;
use toml::de::{DeTable, DeValue};

/// A map of a section or of each table of a list, and the key without which nobody looks into it.
const MAPS: &[(&str, &str, Option<&str>)] = &[
    ("identity", "severity", None),
    ("priority", "criticality", None),
    ("source", "states", Some("state")),
    ("source", "severities", Some("severity")),
];

/// Words that never act, in the order of the file's maps.
pub(super) fn words(text: &str) -> Vec<Problem> {
    let (root, _) = DeTable::parse_recoverable(text);
    let mut out = Vec::new();
    for (section, map, reader) in MAPS {
        let Some(value) = root.get_ref().get(*section) else {
            continue;
        };
        let tables: Vec<(String, &DeTable<'_>)> = match value.get_ref() {
            DeValue::Table(table) => vec![((*section).to_owned(), table)],
            DeValue::Array(list) => (0u32..)
                .zip(list.iter())
                .filter_map(|(n, v)| Some((format!("{section}[{n}]"), v.get_ref().as_table()?)))
                .collect(),
            _ => Vec::new(),
        };
        for (at, table) in tables {
            let path = format!("{at}.{map}");
            let words = table.get(*map).and_then(|v| v.get_ref().as_table());
            if let Some(words) = words {
                let read = reader.is_none_or(|r| table.contains_key(r));
                of_map(text, &path, words, reader.filter(|_| !read), &mut out);
            }
        }
    }
    out
}

fn of_map(
    text: &str,
    path: &str,
    words: &DeTable<'_>,
    missing: Option<&str>,
    out: &mut Vec<Problem>,
) {
    let mut tell = |path: String, message: String| out.push(Problem::at(text, path, message));
    if let Some(reader) = missing {
        let message = format!("never acts: {reader} is not set, so there is no word to look up");
        return tell(path.to_owned(), message);
    }
    let built_in = Identity::default().severity;
    let mut seen: BTreeMap<String, String> = BTreeMap::new();
    for (word, means) in words.iter() {
        let word: &str = word.get_ref();
        let lower = word.to_lowercase();
        let already = built_in.get(&lower).map(|s| s.word());
        if path == "identity.severity" && already == means.get_ref().as_str() {
            let message = "changes nothing: this is so without it".to_owned();
            tell(format!("{path}.{word}"), message);
        }
        if let Some(first) = seen.get(&lower) {
            let message =
                format!("{first:?} and {word:?} are the same word: only one of them acts");
            tell(format!("{path}.{word}"), message);
        }
        seen.insert(lower, word.to_owned());
    }
}
