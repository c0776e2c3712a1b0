//! House rules that a compiler does not know.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at what it does not expect"
)]

use std::path::{Path, PathBuf};

/// Lines of a source file. The state machine is the file that swells in every system of this kind.
const MAX_LINES: usize = 500;

/// Top-level modules by floor. A module may use its own floor and those below.
const FLOORS: [&[&str]; 6] = [
    &["model", "invariant"],
    &[
        "config", "rules", "redact", "graph", "record", "ticket", "source", "itsm", "cmdb",
    ],
    &["engine"],
    &["node", "store"],
    &["daemon", "metrics"],
    &["cli"],
];

/// What is not pure. Floors 0 to 2 name none of it.
const IMPURE: [&str; 17] = [
    "std::fs",
    "std::net::Tcp",
    "std::net::Udp",
    "std::thread",
    "std::sync::Mutex",
    "std::sync::RwLock",
    "std::sync::atomic",
    "std::env",
    "std::process",
    "SystemTime",
    "Instant::now",
    "tokio::",
    "static mut",
    "OnceLock",
    "thread_local",
    "SystemRandom",
    "async fn",
];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut out = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            out.extend(sources(&path));
        } else if path.extension().is_some_and(|e| e == "rs") {
            out.push(path);
        }
    }
    out.sort();
    out
}

/// The top-level module that a file of `src` belongs to.
fn module(path: &Path) -> String {
    let inner = path.strip_prefix(root().join("src")).unwrap();
    let first = inner
        .components()
        .next()
        .unwrap()
        .as_os_str()
        .to_str()
        .unwrap();
    first.trim_end_matches(".rs").to_owned()
}

fn floor(module: &str) -> Option<usize> {
    FLOORS.iter().position(|f| f.contains(&module))
}

#[test]
fn imports_point_downwards() {
    let mut wrong = Vec::new();
    for path in sources(&root().join("src")) {
        let Some(mine) = floor(&module(&path)) else {
            continue; // main.rs and lib.rs
        };
        let text = std::fs::read_to_string(&path).unwrap();
        for (n, line) in text.lines().enumerate() {
            let code = line.split("//").next().unwrap();
            for (at, _) in code.match_indices("crate::") {
                let rest = &code[at + 7..];
                let used: Vec<String> = match rest.strip_prefix('{') {
                    Some(list) => list.split(',').map(|w| w.trim().to_owned()).collect(),
                    None => vec![rest.to_owned()],
                };
                for used in used {
                    let name: String = used
                        .chars()
                        .take_while(|c| c.is_alphanumeric() || *c == '_')
                        .collect();
                    if floor(&name).is_some_and(|theirs| theirs > mine) {
                        wrong.push(format!(
                            "{}:{}: floor {mine} uses crate::{name}",
                            path.display(),
                            n + 1
                        ));
                    }
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_lower_floors_are_pure() {
    let mut wrong = Vec::new();
    for path in sources(&root().join("src")) {
        if floor(&module(&path)).is_none_or(|f| f > 2) {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap();
        for (n, line) in code.lines().enumerate() {
            let line = line.split("//").next().unwrap();
            for word in IMPURE {
                if line.contains(word) {
                    wrong.push(format!("{}:{}: {word}", path.display(), n + 1));
                }
            }
            if line.contains("HashMap") || line.contains("f64") || line.contains("f32") {
                wrong.push(format!(
                    "{}:{}: order or rounding of {line}",
                    path.display(),
                    n + 1
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn files_are_short_and_say_what_they_are() {
    let mut wrong = Vec::new();
    for path in sources(&root().join("src")) {
        let text = std::fs::read_to_string(&path).unwrap();
        let lines = text.lines().count();
        if lines > MAX_LINES {
            wrong.push(format!("{}: {lines} lines", path.display()));
        }
        if !text.starts_with("//!") {
            wrong.push(format!("{}: no module documentation", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_setting_that_is_read_is_declared() {
    use correlated::config::tables;
    use correlated::{cmdb, itsm, source};
    let mut known: Vec<&str> = Vec::new();
    let more = [tables::SOURCE, tables::CMDB, tables::ITSM, tables::RELATION];
    let inner = tables::INNER.iter().map(|(_, _, keys)| *keys);
    let sections = tables::SECTIONS
        .iter()
        .map(|s| s.keys)
        .chain(more)
        .chain(inner);
    let kinds = source::KINDS.iter().map(|k| k.keys);
    let kinds = kinds
        .chain(itsm::KINDS.iter().map(|k| k.keys))
        .chain(cmdb::KINDS.iter().map(|k| k.keys));
    for keys in sections.chain(kinds) {
        for key in keys {
            known.push(key.name);
            let doc = key.doc;
            let bad = doc.is_empty()
                || (doc.ends_with('.') && !doc.ends_with("..."))
                || doc.starts_with(char::is_uppercase);
            let name = doc.starts_with("HTTP")
                || doc.starts_with("JSON")
                || doc.starts_with("CSV")
                || doc.starts_with("CI ")
                || doc.starts_with("IANA");
            assert!(!bad || name, "{}: {doc:?}", key.name);
        }
    }
    let mut wrong = Vec::new();
    for path in sources(&root().join("src")) {
        if path.ends_with("config/keys.rs") {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        for reader in [
            "options.text(\"",
            "options.pick(\"",
            "options.picks(\"",
            "options.map(\"",
            "options.list(\"",
            "options.bool(\"",
            "options.opt_duration(\"",
            "s.text(\"",
            "s.duration(\"",
            "s.list(\"",
            "s.bool(\"",
            "s.opt_text(\"",
            "settings.text(\"",
            "settings.duration(\"",
        ] {
            for (at, _) in text.match_indices(reader) {
                let name = text[at + reader.len()..].split('"').next().unwrap();
                if !known.contains(&name) {
                    wrong.push(format!(
                        "{}: {name:?} is read and not declared",
                        path.display()
                    ));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A key that nobody reads is a setting that silently does nothing.
#[test]
fn every_setting_that_is_declared_is_read() {
    use correlated::config::tables;
    use correlated::{cmdb, itsm, source};
    let mut read = String::new();
    for path in sources(&root().join("src")) {
        let text = std::fs::read_to_string(&path).unwrap();
        let declares = |line: &str| {
            ["name: \"", "Preset::", "REQUIRED", "Toml(", "Absent,"]
                .iter()
                .any(|w| line.contains(w))
        };
        for line in text.lines().filter(|l| !declares(l)) {
            read.push_str(line);
            read.push('\n');
        }
    }
    let more = [tables::SOURCE, tables::CMDB, tables::ITSM, tables::RELATION];
    let inner = tables::INNER.iter().map(|(_, _, keys)| *keys);
    let all = tables::SECTIONS
        .iter()
        .map(|s| s.keys)
        .chain(more)
        .chain(inner);
    let all = all.chain(source::KINDS.iter().map(|k| k.keys));
    let all = all.chain(itsm::KINDS.iter().map(|k| k.keys));
    let all = all.chain(cmdb::KINDS.iter().map(|k| k.keys));
    let unread: Vec<&str> = all
        .flatten()
        .map(|key| key.name)
        .filter(|name| !read.contains(&format!("\"{name}\"")))
        .collect();
    assert!(unread.is_empty(), "declared and never read: {unread:?}");
}

#[test]
fn the_top_level_is_what_the_house_has() {
    let allowed = [
        "Cargo.toml",
        "Cargo.lock",
        "LICENSE-APACHE",
        "LICENSE-MIT",
        "README.md",
        "src",
        "config",
        "tests",
        "benches",
        "systemd",
        "target",
    ];
    for entry in std::fs::read_dir(root()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(
            name.starts_with('.') || allowed.contains(&name.as_str()),
            "{name} is at the top level"
        );
    }
}

/// One more kind of tool is its own file, its line and its row in `itsm/mod.rs`, and fixtures: no other file of `src`
/// knows any kind by its name. (`shadow` is a word of the rules as well, and stands in for targets that are on trial.)
#[test]
fn a_kind_of_tool_is_known_in_its_own_file_and_its_row_alone() {
    let word = |text: &str, at: usize, len: usize| {
        let is_part = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
        !is_part(text[..at].chars().next_back()) && !is_part(text[at + len..].chars().next())
    };
    let mut wrong = Vec::new();
    let mut lines_of: Vec<(usize, &str)> = Vec::new();
    for kind in correlated::itsm::KINDS.iter().map(|k| k.kind) {
        // Both kinds of Jira are one file.
        let file = kind.trim_end_matches("_dc");
        let (mut own, mut others) = (0, 0);
        for path in sources(&root().join("src")) {
            let inner = path.strip_prefix(root().join("src/itsm"));
            let inner = inner.map(|p| p.to_str().unwrap()).unwrap_or_default();
            let text = std::fs::read_to_string(&path).unwrap();
            if inner == format!("{file}.rs") || inner.starts_with(&format!("{file}/")) {
                own += text.lines().count();
                continue;
            }
            let code = text.split("#[cfg(test)]").next().unwrap();
            for (n, line) in code.lines().enumerate() {
                let line = line.split("//").next().unwrap();
                let row = [
                    format!("pub mod {file};"),
                    format!("    {file}::ITSM,"),
                    format!("    {file}::DATA_CENTER,"),
                ];
                if inner == "mod.rs" && row.iter().any(|r| r == line) {
                    others += 1;
                    continue;
                }
                let (quoted, path_to) = (format!("\"{kind}\""), format!("{file}::"));
                let named = line.contains(&quoted)
                    || line
                        .match_indices(&path_to)
                        .any(|(at, _)| word(line, at, file.len()) && line.contains("itsm"));
                let constant = file.to_uppercase();
                let named = named
                    || line
                        .match_indices(&constant)
                        .any(|(at, found)| word(line, at, found.len()));
                if named && kind != "shadow" {
                    wrong.push(format!("{}:{}: {line}", path.display(), n + 1));
                }
            }
        }
        let fixtures = ["tests/fixtures/itsm", "tests/fixtures/selftest"].map(|f| root().join(f));
        assert!(
            fixtures[0].join(kind).is_dir() && fixtures[1].join(format!("{kind}.txt")).is_file()
        );
        println!("{kind}: {own} lines of its own, {others} in the table");
        lines_of.push((own, kind));
        assert!(
            others == if file == "jira" { 3 } else { 2 },
            "{kind}: {others}"
        );
    }
    let smallest = lines_of.iter().min().unwrap();
    println!("the smallest is {} with {} lines", smallest.1, smallest.0);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
