//! Two CSV files: one row a CI, one row a relation; the first line names the columns.
//!
//! Spreadsheets write what they like: any of three delimiters, a byte order mark, latin-1 instead of UTF-8.
//! A row that is wrong is left out and is a finding with its line; a column that the configuration names and
//! the file does not have refuses the load.

use crate::config::keys::Settings;
use crate::graph::{Ci, GraphBuilder, is_address};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Fields of a CI; every other name is an attribute.
const FIELDS: [&str; 6] = ["id", "name", "class", "ip", "aliases", "monitored"];
const ENDS: [&str; 3] = ["from", "type", "to"];
/// What stands between several values in one cell.
const BETWEEN: [char; 4] = [',', ';', '|', '\n'];

/// Reads the file of the CIs and, if there is one, that of the relations.
pub(super) fn read(
    options: &Settings,
    files: &[(&str, &[u8])],
    graph: &mut GraphBuilder,
) -> Result<(), String> {
    if let [(name, bytes), ..] = files {
        let table = Table::new(options, name, bytes, "columns", &FIELDS)?;
        if !table.places.contains_key("id") && !table.places.contains_key("name") {
            return Err(table.lacks("id or name"));
        }
        table.rows(graph, ci);
    }
    if let [_, (name, bytes), ..] = files {
        let table = Table::new(options, name, bytes, "relation_columns", &ENDS)?;
        for end in ["from", "to"] {
            if !table.places.contains_key(end) {
                return Err(table.lacks(end));
            }
        }
        let kind = options.text("relation_type");
        table.rows(graph, |row, place, graph| {
            let get = |name: &str| row.get(name).map(String::as_str).filter(|v| !v.is_empty());
            match (get("from"), get("to")) {
                (Some(from), Some(to)) => {
                    graph.relation(from, get("type").unwrap_or(kind), to, place);
                    Ok(())
                }
                (_, _) => Err("from or to is empty; the relation is left out".to_owned()),
            }
        });
    }
    Ok(())
}

/// A file whose columns are known.
struct Table<'a> {
    name: &'a str,
    text: Cow<'a, str>,
    delimiter: u8,
    header: Vec<String>,
    /// Field or attribute, and its column.
    places: BTreeMap<String, usize>,
}

/// The cells of a row by field or attribute.
type Row = BTreeMap<String, String>;

impl<'a> Table<'a> {
    fn new(
        options: &Settings,
        name: &'a str,
        bytes: &'a [u8],
        key: &str,
        fields: &[&str],
    ) -> Result<Table<'a>, String> {
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let text: Cow<'a, str> = match std::str::from_utf8(bytes) {
            Ok(text) => Cow::Borrowed(text),
            Err(_) => Cow::Owned(bytes.iter().map(|b| char::from(*b)).collect()),
        };
        let first = text.lines().next().unwrap_or_default();
        let count = |c: char| first.matches(c).count();
        let delimiter = match options.text("delimiter") {
            "comma" => b',',
            "semicolon" => b';',
            "tab" => b'\t',
            _ if count('\t') > count(',').max(count(';')) => b'\t',
            _ if count(';') > count(',') => b';',
            _ => b',',
        };
        let mut reader = reader(&text, delimiter);
        let header = reader.headers().map_err(|why| format!("{name}: {why}"))?;
        let header: Vec<String> = header.iter().map(|h| h.trim().to_owned()).collect();
        if header.iter().all(String::is_empty) {
            return Err(format!("{name}:1: the first line names no column"));
        }
        let mut table = Table {
            name,
            text,
            delimiter,
            header,
            places: BTreeMap::new(),
        };
        table.find(options, key, fields)?;
        Ok(table)
    }

    fn find(&mut self, options: &Settings, key: &str, fields: &[&str]) -> Result<(), String> {
        let mapped = options.map(key);
        for (field, column) in mapped.into_iter().flatten() {
            let at = self.header.iter().position(|h| h == column);
            let at = at.ok_or_else(|| self.lacks(&format!("{column:?} ({key}.{field})")))?;
            self.places.insert(field.clone(), at);
        }
        if mapped.is_none() {
            for (at, column) in self
                .header
                .iter()
                .enumerate()
                .filter(|(_, c)| !c.is_empty())
            {
                let field = fields.iter().find(|f| f.eq_ignore_ascii_case(column));
                let name = field.map_or(column.clone(), |f| (*f).to_owned());
                self.places.entry(name).or_insert(at);
            }
        }
        Ok(())
    }

    fn lacks(&self, column: &str) -> String {
        let (name, header) = (self.name, self.header.join(", "));
        format!("{name}:1: has no column {column}; it has: {header}")
    }

    fn rows(
        &self,
        graph: &mut GraphBuilder,
        mut take: impl FnMut(&Row, &str, &mut GraphBuilder) -> Result<(), String>,
    ) {
        if matches!(self.text, Cow::Owned(_)) {
            let text = "is not UTF-8; it was read as latin-1".to_owned();
            graph.finding(&format!("{}:1", self.name), text);
        }
        // The reader's own line numbers lag behind where lines end in \r\n.
        let (mut line, mut counted) = (1, 0);
        let mut line_of = |position: Option<&csv::Position>| {
            let byte = position.and_then(|p| usize::try_from(p.byte()).ok());
            let rest = self.text.get(byte.unwrap_or(counted)..).unwrap_or_default();
            let begin = rest.len() - rest.trim_start_matches(['\r', '\n']).len();
            let here = byte.unwrap_or(counted).saturating_add(begin);
            let passed = self.text.get(counted..here).unwrap_or_default();
            line += passed.matches('\n').count();
            counted = here.max(counted);
            line
        };
        for record in reader(&self.text, self.delimiter).records() {
            let record = match record {
                Ok(record) => record,
                Err(why) => {
                    let place = format!("{}:{}", self.name, line_of(why.position()));
                    graph.finding(&place, format!("{why}; the row is left out"));
                    continue;
                }
            };
            let place = format!("{}:{}", self.name, line_of(record.position()));
            if record.iter().all(|cell| cell.trim().is_empty()) {
                continue;
            }
            if record.len() > self.header.len() {
                let (has, all) = (record.len(), self.header.len());
                let text = format!("has {has} cells for {all} columns; the row is left out");
                graph.finding(&place, text);
                continue;
            }
            let cells = self
                .places
                .iter()
                .filter_map(|(name, at)| Some((name.clone(), record.get(*at)?.trim().to_owned())));
            if let Err(why) = take(&cells.collect(), &place, graph) {
                graph.finding(&place, why);
            }
        }
    }
}

fn reader(text: &str, delimiter: u8) -> csv::Reader<&[u8]> {
    csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .flexible(true)
        .from_reader(text.as_bytes())
}

fn ci(row: &Row, place: &str, graph: &mut GraphBuilder) -> Result<(), String> {
    let get = |name: &str| row.get(name).map(String::as_str).unwrap_or_default();
    let key = match get("id") {
        "" => get("name"),
        id => id,
    };
    if key.is_empty() {
        return Err("the CI has neither id nor name; it is left out".to_owned());
    }
    let list = |name: &str| -> Vec<String> {
        let all = get(name).split(BETWEEN).map(str::trim);
        all.filter(|v| !v.is_empty()).map(str::to_owned).collect()
    };
    let mut addresses = list("ip");
    addresses.retain(|address| {
        let good = is_address(address);
        if !good {
            let text = format!("CI {key:?}: {address:?} is no IP address; it is left out");
            graph.finding(place, text);
        }
        good
    });
    let monitored = match get("monitored").to_lowercase().as_str() {
        "" | "true" | "yes" | "1" | "ja" | "x" => true,
        "false" | "no" | "0" | "nej" => false,
        other => {
            return Err(format!(
                "CI {key:?}: monitored is {other:?}, expected true or false; it is left out"
            ));
        }
    };
    let attributes = row
        .iter()
        .filter(|(n, v)| !FIELDS.contains(&n.as_str()) && !v.is_empty());
    let ci = Ci {
        key: key.to_owned(),
        name: get("name").to_owned(),
        class: get("class").to_owned(),
        addresses,
        aliases: list("aliases"),
        monitored,
        attributes: attributes.map(|(n, v)| (n.clone(), v.clone())).collect(),
    };
    graph.ci(ci, place);
    Ok(())
}
