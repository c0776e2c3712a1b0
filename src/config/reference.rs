//! `reference.toml`, written from the tables.

use super::keys::{Key, KeyKind, Preset};
use super::tables::{INNER, RELATION, SECTIONS};
use crate::{cmdb, itsm, source};
use std::fmt::Write as _;

/// Every key with its default and its sentence, as a file. Keys without a default are shown as comments.
pub fn reference() -> String {
    let mut out = String::from(
        "# Every key of correlated with its default. Written from the program: correlated check --reference\n\
         # Secrets are given as NAME_file = \"PATH\" or NAME = \"credential:ID\".\n",
    );
    for section in SECTIONS {
        let head = match section.many {
            true => format!("# [[{}]]", section.name),
            false => format!("[{}]", section.name),
        };
        // Writing to a string does not fail.
        write!(out, "\n# {}\n{head}\n", section.doc).ok();
        table(&mut out, section.keys, section.many);
        let kinds: Vec<(&str, &[Key])> = match section.name {
            "source" => source::KINDS.iter().map(|k| (k.kind, k.keys)).collect(),
            "cmdb" => cmdb::KINDS.iter().map(|k| (k.kind, k.keys)).collect(),
            "itsm" => itsm::KINDS.iter().map(|k| (k.kind, k.keys)).collect(),
            _ => Vec::new(),
        };
        for (kind, keys) in kinds {
            writeln!(out, "#   kind = \"{kind}\"").ok();
            table(&mut out, keys, true);
        }
        for (_, inner, keys) in INNER.iter().filter(|(of, _, _)| *of == section.name) {
            writeln!(out, "# [[{}.{inner}]]", section.name).ok();
            table(&mut out, keys, true);
        }
        if section.name == "correlate" {
            writeln!(
                out,
                "# [correlate.relations]\n# runs-on = {{ weight = 900, redundant = 250 }}"
            )
            .ok();
            table(&mut out, RELATION, true);
        }
    }
    out
}

fn table(out: &mut String, keys: &[Key], comment: bool) {
    for key in keys {
        let (value, set) = match key.default {
            Preset::Toml(default) => (default.to_owned(), true),
            Preset::Required => (format!("{} # must be set", sample(key.kind)), false),
            Preset::Absent => (sample(key.kind).to_owned(), false),
        };
        let name = match key.kind {
            KeyKind::Secret => format!("{}_file", key.name),
            _ => key.name.to_owned(),
        };
        let mark = if set && !comment { "" } else { "# " };
        let words = match key.kind {
            KeyKind::OneOf(words) | KeyKind::MapOf(words) => format!(" ({})", words.join(", ")),
            _ => String::new(),
        };
        writeln!(out, "# {}{words}\n{mark}{name} = {value}", key.doc).ok();
    }
}

fn sample(kind: KeyKind) -> &'static str {
    match kind {
        KeyKind::Text | KeyKind::OneOf(_) => "\"...\"",
        KeyKind::Regex => "\"^(.*)$\"",
        KeyKind::Bool => "false",
        KeyKind::Integer(_, _) => "0",
        KeyKind::Duration => "\"10m\"",
        KeyKind::Size => "\"64MiB\"",
        KeyKind::List => "[]",
        KeyKind::Map | KeyKind::MapOf(_) => "{}",
        KeyKind::Pick => "\"/pointer\"",
        KeyKind::Picks => "{ name = \"/pointer\" }",
        KeyKind::Url => "\"https://host\"",
        KeyKind::Path => "\"/path\"",
        KeyKind::Secret => "\"/path\"",
        KeyKind::Zone => "\"UTC\"",
    }
}
