//! Kind `file`: the CMDB as one JSON file.
//!
//! `{"cis":[{id,name,class,ip,aliases,monitored,attributes}],"relations":[{from,type,to}]}`. Only `id` is
//! needed; `ip` and `aliases` may be a string or a list; unknown fields are left alone. One bad CI never
//! spoils the load: it is left out and named with file and line.

use super::{Cmdb, CmdbSettings, Cursor, Fetch};
use crate::config::keys::{Key, KeyKind, Preset};
use crate::graph::{Ci, GraphBuilder};
use crate::model::{Request, Response};
use serde_json::Value;
use std::collections::BTreeMap;

/// The row of this kind.
pub const CMDB: Cmdb = Cmdb {
    kind: "file",
    keys: &[Key {
        name: "path",
        kind: KeyKind::Path,
        default: Preset::Required,
        doc: "the JSON file with CIs and relations",
    }],
    local: true,
    next,
};

fn next(
    settings: &CmdbSettings,
    _cursor: &mut Cursor,
    responses: &[Response],
    graph: &mut GraphBuilder,
) -> Fetch {
    let path = settings.options.text("path");
    match responses {
        [] => Fetch::Get(vec![Request {
            method: "GET",
            path: path.to_owned(),
            query: Vec::new(),
            headers: Vec::new(),
            body: Vec::new(),
            writes: false,
        }]),
        [response, ..] => match read(path, &response.body, graph) {
            Ok(()) => Fetch::Done,
            Err(why) => Fetch::Refused(why),
        },
    }
}

/// Reads a whole file into the builder.
///
/// # Errors
/// A file that is no such JSON, with file, line and column.
pub fn read(path: &str, bytes: &[u8], graph: &mut GraphBuilder) -> Result<(), String> {
    let name = path.rsplit('/').next().unwrap_or(path);
    let text = std::str::from_utf8(bytes).map_err(|e| {
        let before = bytes.get(..e.valid_up_to()).unwrap_or_default();
        format!("{path}:{}: not UTF-8", lines(before) + 1)
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let value: Value = serde_json::from_str(text)
        .map_err(|e| format!("{path}:{}:{}: {}", e.line(), e.column(), reason(&e)))?;
    let list = |key: &str| match value.get(key) {
        Some(Value::Array(all)) => Ok(all.as_slice()),
        None if key == "relations" => Ok(<&[Value]>::default()),
        Some(_) | None => Err(format!("{path}: {key:?} must be a list")),
    };
    let (cis, relations) = (list("cis")?, list("relations")?);
    let places = Places::of(text);
    for (n, item) in cis.iter().enumerate() {
        let place = format!("{name}:{}", places.line("cis", n));
        match ci(item) {
            Ok(ci) => graph.ci(ci, &place),
            Err(why) => graph.finding(&place, format!("the CI is left out: {why}")),
        }
    }
    for (n, item) in relations.iter().enumerate() {
        let place = format!("{name}:{}", places.line("relations", n));
        let text = |key: &str| {
            item.get(key)
                .and_then(Value::as_str)
                .filter(|t| !t.is_empty())
        };
        match (text("from"), text("type"), text("to")) {
            (Some(from), Some(kind), Some(to)) => graph.relation(from, kind, to, &place),
            (_, _, _) => graph.finding(
                &place,
                "the relation is left out: it needs \"from\", \"type\" and \"to\"".to_owned(),
            ),
        }
    }
    Ok(())
}

/// What serde says, without the position that we print in our own form.
fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rsplit_once(" at line ") {
        Some((reason, _)) => reason.to_owned(),
        None => text,
    }
}

fn ci(item: &Value) -> Result<Ci, String> {
    let fields = item.as_object().ok_or("it is no object")?;
    let text = |key: &str| match fields.get(key) {
        None | Some(Value::Null) => Ok(String::new()),
        Some(value) => scalar(value).ok_or_else(|| format!("{key:?} must be a text")),
    };
    let list = |key: &str| match fields.get(key) {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(all)) => all
            .iter()
            .map(|v| scalar(v).ok_or_else(|| format!("{key:?} must hold texts")))
            .collect(),
        Some(value) => scalar(value)
            .map(|one| vec![one])
            .ok_or_else(|| format!("{key:?} must be a text or a list")),
    };
    let key = text("id")?;
    if key.trim().is_empty() {
        return Err("it has no \"id\"".to_owned());
    }
    let name = Some(text("name")?).filter(|n| !n.is_empty());
    let monitored = match fields.get("monitored") {
        None | Some(Value::Null) => true,
        Some(Value::Bool(yes)) => *yes,
        Some(_) => return Err("\"monitored\" must be true or false".to_owned()),
    };
    let attributes = match fields.get("attributes") {
        None | Some(Value::Null) => BTreeMap::new(),
        Some(Value::Object(map)) => map
            .iter()
            .filter_map(|(k, v)| Some((k.clone(), scalar(v)?)))
            .collect(),
        Some(_) => return Err("\"attributes\" must be an object".to_owned()),
    };
    let non_empty = |all: Vec<String>| all.into_iter().filter(|t| !t.trim().is_empty()).collect();
    Ok(Ci {
        name: name.unwrap_or_else(|| key.clone()),
        class: text("class")?,
        addresses: non_empty(list("ip")?),
        aliases: non_empty(list("aliases")?),
        monitored,
        attributes,
        key,
    })
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(yes) => Some(yes.to_string()),
        Value::Null => Some(String::new()),
        Value::Array(_) | Value::Object(_) => None,
    }
}

fn lines(bytes: &[u8]) -> usize {
    bytes.iter().filter(|b| **b == b'\n').count()
}

/// On which line each element of the two top-level lists begins. The text is known to be valid JSON.
#[derive(Default)]
struct Places {
    lines: BTreeMap<String, Vec<usize>>,
}

impl Places {
    fn of(text: &str) -> Places {
        let mut places = Places::default();
        let (mut depth, mut line) = (0usize, 1usize);
        let (mut in_text, mut escaped) = (false, false);
        let mut word = String::new();
        let mut list: Option<String> = None;
        for c in text.chars() {
            if c == '\n' {
                line = line.saturating_add(1);
            }
            if in_text {
                match c {
                    _ if escaped => escaped = false,
                    '\\' => escaped = true,
                    '"' => in_text = false,
                    _ if depth == 1 => word.push(c),
                    _ => {}
                }
                continue;
            }
            match c {
                '"' => {
                    in_text = true;
                    if depth == 1 {
                        word.clear();
                    }
                }
                '{' | '[' => {
                    if depth == 1 {
                        list = (c == '[').then(|| word.clone());
                    } else if let Some(list) = list.as_ref().filter(|_| depth == 2) {
                        places.lines.entry(list.clone()).or_default().push(line);
                    }
                    depth = depth.saturating_add(1);
                }
                '}' | ']' => depth = depth.saturating_sub(1),
                _ => {}
            }
        }
        places
    }

    /// The line of element `n`; elements that are no objects shift what follows, which is then named one
    /// element too early: still the right neighbourhood.
    fn line(&self, list: &str, n: usize) -> usize {
        let lines = self.lines.get(list).map(Vec::as_slice).unwrap_or_default();
        lines.get(n).or(lines.last()).copied().unwrap_or(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(text: &str) -> Result<Vec<String>, String> {
        let mut graph = GraphBuilder::new();
        read("dir/cmdb.json", text.as_bytes(), &mut graph)?;
        let (_, findings) = graph.finish();
        Ok(findings
            .into_iter()
            .map(|f| format!("{}: {}", f.place, f.text))
            .collect())
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line_and_the_rest_is_used() {
        let text = r#"{"cis": [
            {"id": "a", "name": "web", "attributes": {"x": "[\"{"}},
            {"id": "a"},
            {"name": "no id"},
            {"id": "b", "name": "WEB", "ip": ["10.0.0.1", "10.0.0.2"]},
            {"id": "c", "monitored": "yes"}
        ], "relations": [
            {"from": "a", "type": "runs-on", "to": "b"},
            {"from": "a", "type": "runs-on", "to": "gone"},
            {"from": "a", "to": "b"},
            {"from": "web", "type": "runs-on", "to": "b"},
            {"from": "a", "type": "runs-on", "to": "a"}
        ]}"#;
        let found = findings(text).unwrap();
        let starts = [
            "cmdb.json:3: CI id \"a\" was seen at cmdb.json:2",
            "cmdb.json:4: the CI is left out: it has no \"id\"",
            "cmdb.json:6: the CI is left out: \"monitored\"",
            "cmdb.json:10: the relation is left out",
            "cmdb.json:5: \"web\" is the name of 2 CIs (a, b)",
            "cmdb.json:9: relation \"a runs-on gone\" is left out: \"gone\" is no CI",
            "cmdb.json:11: relation \"web runs-on b\" is left out: \"web\" is the name of several",
            "cmdb.json:12: \"a\" runs-on itself",
        ];
        assert_eq!(found.len(), starts.len(), "{found:#?}");
        for (found, start) in found.iter().zip(starts) {
            assert!(found.starts_with(start), "{found}");
        }
    }

    #[test]
    fn a_broken_file_is_refused_with_its_place() {
        for (text, want) in [
            ("{\"cis\": [\n{]}", "dir/cmdb.json:2:2: "),
            ("", "dir/cmdb.json:1:0: "),
            ("{}", "dir/cmdb.json: \"cis\" must be a list"),
        ] {
            let error = findings(text).unwrap_err();
            assert!(error.starts_with(want), "{error}");
        }
    }
}
