//! Configuration: TOML text to plumbing and rules, or all errors with file, line and column.
//!
//! Pure: no file is opened here. Relative paths are taken from the folder of the configuration file.

mod auth;
mod inform;
pub mod keys;
mod life;
pub mod lint;
pub mod pick;
pub mod planned;
mod plumbing;
mod redact;
mod reference;
mod rules;
#[rustfmt::skip] // one key, one line
pub mod tables;
mod walk;

pub use auth::{Auth, Login, OAuth2, Reads};
pub use planned::{CalendarConf, WindowConf};
pub use plumbing::{CmdbConf, Listen, Plumbing, SourceConf, StoreConf, TargetConf};
pub use reference::reference;
pub(crate) use walk::{duration, size};

use crate::rules::RulesText;
use tables::SECTIONS;
use toml::de::DeTable;
use walk::{Walk, hint};

/// Something wrong in the file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// `itsm[0].kind`; see [`counted`].
    pub path: String,
    /// What is wrong, and what is allowed.
    pub message: String,
}

impl Problem {
    /// A problem at a key of a configuration that was loaded from `text`.
    fn at(text: &str, path: String, message: String) -> Problem {
        let (line, column) = walk::place(text, &path).unwrap_or((1, 1));
        Problem {
            line,
            column,
            path,
            message,
        }
    }
    /// `file:line:column: path: message`.
    pub fn show(&self, file: &str) -> String {
        match self.path.is_empty() {
            true => format!("{file}:{}:{}: {}", self.line, self.column, self.message),
            false => format!(
                "{file}:{}:{}: {}: {}",
                self.line,
                self.column,
                counted(&self.path),
                self.message
            ),
        }
    }
}

/// A path for people, who count the tables of a list from one: `bind.rule #3.label` for `bind.rule[2].label`.
pub fn counted(path: &str) -> String {
    let mut parts = path.split('[');
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let number = part.split_once(']');
        match number.and_then(|(n, rest)| Some((n.parse::<u32>().ok()?, rest))) {
            Some((n, rest)) => out.push_str(&format!(" #{}{rest}", n.saturating_add(1))),
            None => out.push_str(&format!("[{part}")),
        }
    }
    out
}

/// A configuration that was checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// Addresses, paths, credentials, mappings.
    pub plumbing: Plumbing,
    /// Everything that decides.
    pub rules: RulesText,
}

/// Reads a configuration. `base` is the folder of the file.
///
/// # Errors
/// Everything that is wrong, in the order of the file.
pub fn load(text: &str, base: &str) -> Result<Config, Vec<Problem>> {
    let mut walk = Walk::new(text, base);
    let (table, errors) = DeTable::parse_recoverable(text);
    for error in errors {
        let at = error.span().unwrap_or(0..0);
        walk.problem(at, "", error.message().to_owned());
    }
    let table = table.get_ref();
    for (name, _) in table.iter() {
        let names: Vec<&str> = SECTIONS.iter().map(|s| s.name).collect();
        if !names.contains(&&**name.get_ref()) {
            let message = format!("unknown section{}", hint(name.get_ref(), &names));
            walk.problem(name.span(), name.get_ref(), message);
        }
    }
    let plumbing = plumbing::read(&mut walk, table);
    let rules = rules::read(&mut walk, table, &plumbing);
    let mut problems = walk.problems;
    if problems.is_empty() {
        return Ok(Config { plumbing, rules });
    }
    problems.sort();
    problems.dedup();
    Err(problems)
}
