//! Kind `file`: one JSON file, or two CSV files (see `csv.rs`).
//!
//! ```json
//! {"cis": [{"id": "CI1", "name": "web1", "class": "server", "ip": "10.0.0.1", "aliases": ["www"],
//!           "monitored": true, "attributes": {"group": "web team", "tier": 2}}],
//!  "relations": [{"from": "CI1", "type": "runs-on", "to": "esx1"}]}
//! ```
//! Only `id` is required: `name` is else the id, `monitored` true, the rest empty; `null` is as good as
//! missing. `ip` and `aliases` are a text or a list of texts; values of `attributes` are texts, numbers or
//! truth values. `from` and `to` are ids or unambiguous names. Members that are not named here are ignored.
//! A CI or relation that is wrong is left out and is a finding; a file that is no such JSON is refused. The
//! file must be UTF-8, a byte order mark is allowed.

mod csv;
mod scan;

use super::{Cmdb, CmdbSettings, Cursor, Fetch};
use crate::config::keys::{KeyKind, Preset, key};
use crate::graph::{Ci, GraphBuilder, is_address};
use crate::model::{Request, Response};
use scan::Element;
use serde_json::{Map, Value};

/// The row of this kind.
#[rustfmt::skip] // one key, one line
pub const CMDB: Cmdb = Cmdb {
    kind: "file",
    keys: &[
        key("path", KeyKind::Path, Preset::Absent, "the JSON file that holds the CIs and relations"),
        key("cis", KeyKind::Path, Preset::Absent, "CSV file of the CIs, instead of path"),
        key("relations", KeyKind::Path, Preset::Absent, "CSV file of the relations, beside cis"),
        key("columns", KeyKind::Map, Preset::Absent, "column of each field of a CI (id, name, class, ip, aliases, monitored; any other name is an attribute); default: columns of these names, and all others as attributes"),
        key("relation_columns", KeyKind::Map, Preset::Absent, "column of from, type and to; default: columns of these names"),
        key("relation_type", KeyKind::Text, Preset::Toml("\"depends-on\""), "type of relations whose file has no column for it"),
        key("delimiter", KeyKind::OneOf(&["auto", "comma", "semicolon", "tab"]), Preset::Toml("\"auto\""), "what stands between two columns; auto goes by the first line"),
    ],
    local: true,
    next,
};

fn next(
    settings: &CmdbSettings,
    _: &mut Cursor,
    responses: &[Response],
    graph: &mut GraphBuilder,
) -> Fetch {
    let options = &settings.options;
    let paths = match (
        options.opt_text("path"),
        options.opt_text("cis"),
        options.opt_text("relations"),
    ) {
        (Some(path), None, None) => vec![path],
        (None, Some(cis), Some(relations)) => vec![cis, relations],
        (None, Some(cis), None) => vec![cis],
        (_, _, _) => {
            let why = "set path (JSON), or cis and relations (CSV), not both";
            return Fetch::Refused(why.to_owned());
        }
    };
    if responses.is_empty() {
        let get = |path: &&str| Request {
            method: "GET",
            path: (*path).to_owned(),
            query: Vec::new(),
            headers: Vec::new(),
            body: Vec::new(),
            writes: false,
        };
        return Fetch::Get(paths.iter().map(get).collect());
    }
    let names = paths
        .iter()
        .map(|path| path.rsplit('/').next().unwrap_or(path));
    let mut files = Vec::new();
    for (name, response) in names.zip(responses) {
        if response.status != 200 {
            let status = response.status;
            return Fetch::Refused(format!("{name}: not read, answered with status {status}"));
        }
        files.push((name, response.body.as_slice()));
    }
    let done = match (options.opt_text("path"), files.as_slice()) {
        (Some(_), [(name, bytes), ..]) => read(name, bytes, graph),
        (_, files) => csv::read(options, files, graph),
    };
    match done {
        Ok(()) => Fetch::Done,
        Err(why) => Fetch::Refused(why),
    }
}

/// Reads the whole file into the builder.
fn read(file: &str, bytes: &[u8], graph: &mut GraphBuilder) -> Result<(), String> {
    let text = scan::text(bytes).map_err(|why| format!("{file}:{why}"))?;
    let members = scan::members(text).ok_or_else(|| {
        format!("{file}:1: not an object; it must be {{\"cis\": [...], \"relations\": [...]}}")
    })?;
    let members_of = |name: &'static str| members.iter().filter(move |member| member.name == name);
    if members_of("cis").next().is_none() {
        return Err(format!("{file}:1: has no \"cis\""));
    }
    let lists: [(&'static str, Add); 2] = [("cis", add_ci), ("relations", add_relation)];
    for (name, add) in lists {
        for member in members_of(name) {
            if member.value.text == "null" {
                continue;
            }
            let elements = scan::elements(&member.value)
                .ok_or_else(|| format!("{file}:{}: {name:?} is not a list", member.value.line))?;
            for element in elements {
                let place = format!("{file}:{}", element.line);
                if let Err(why) = add(&element, &place, graph) {
                    graph.finding(&place, why);
                }
            }
        }
    }
    Ok(())
}

/// Adds one element, or says why not.
type Add = fn(&Element<'_>, &str, &mut GraphBuilder) -> Result<(), String>;

fn add_ci(element: &Element<'_>, place: &str, graph: &mut GraphBuilder) -> Result<(), String> {
    let left_out = |why| format!("{why}; the CI is left out");
    let object = object(element).map_err(left_out)?;
    let mut ci = ci(&object).map_err(left_out)?;
    let key = ci.key.clone();
    ci.addresses.retain(|address| {
        let good = is_address(address);
        if !good {
            let text = format!("CI {key:?}: {address:?} is no IP address; it is left out");
            graph.finding(place, text);
        }
        good
    });
    if let Some(attributes) = some(&object, "attributes") {
        let Value::Object(attributes) = attributes else {
            return Err(left_out(wrong("attributes", attributes, "an object")));
        };
        for (name, value) in attributes {
            let value = match value {
                Value::Null => continue,
                Value::String(text) => text.clone(),
                Value::Bool(_) | Value::Number(_) => value.to_string(),
                Value::Array(_) | Value::Object(_) => {
                    let expected = "a text, a number or a truth value";
                    let why = wrong(name, value, expected);
                    graph.finding(
                        place,
                        format!("CI {key:?}: attribute {why}; it is left out"),
                    );
                    continue;
                }
            };
            ci.attributes.insert(name.clone(), value);
        }
    }
    graph.ci(ci, place);
    Ok(())
}

/// Everything of a CI but its attributes.
fn ci(object: &Map<String, Value>) -> Result<Ci, String> {
    let key = text(object, "id")?.ok_or("the CI has no `id`")?;
    Ok(Ci {
        name: text(object, "name")?.unwrap_or_default().to_owned(),
        class: text(object, "class")?.unwrap_or_default().to_owned(),
        addresses: texts(object, "ip")?,
        aliases: texts(object, "aliases")?,
        monitored: match some(object, "monitored") {
            None => true,
            Some(Value::Bool(monitored)) => *monitored,
            Some(other) => return Err(wrong("monitored", other, "true or false")),
        },
        attributes: Default::default(),
        key: key.to_owned(),
    })
}

fn add_relation(
    element: &Element<'_>,
    place: &str,
    graph: &mut GraphBuilder,
) -> Result<(), String> {
    let left_out = |why| format!("{why}; the relation is left out");
    let object = object(element).map_err(left_out)?;
    let part = |name: &str| {
        text(&object, name)
            .and_then(|part| part.ok_or_else(|| format!("the relation has no `{name}`")))
            .map_err(left_out)
    };
    graph.relation(part("from")?, part("type")?, part("to")?, place);
    Ok(())
}

fn object(element: &Element<'_>) -> Result<Map<String, Value>, String> {
    match serde_json::from_str(element.text) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(other) => Err(format!("{} where an object is expected", sort(&other))),
        // Only what passed the check of the whole text but has no meaning: a lone surrogate, a number beyond
        // all bounds, more than 128 levels.
        Err(e) => {
            let what = e.to_string();
            let what = what.split(" at line ").next().unwrap_or_default();
            Err(what.to_owned())
        }
    }
}

/// A member that is there and not `null`.
fn some<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    object.get(name).filter(|value| !value.is_null())
}

fn text<'a>(object: &'a Map<String, Value>, name: &str) -> Result<Option<&'a str>, String> {
    match some(object, name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.trim())),
        Some(other) => Err(wrong(name, other, "a text")),
    }
}

/// A text or a list of texts; empty ones are passed over.
fn texts(object: &Map<String, Value>, name: &str) -> Result<Vec<String>, String> {
    let expected = "a text or a list of texts";
    let list = match some(object, name) {
        None => return Ok(Vec::new()),
        Some(Value::Array(list)) => list.as_slice(),
        Some(one) => std::slice::from_ref(one),
    };
    let mut texts = Vec::with_capacity(list.len());
    for value in list {
        match value {
            Value::Null => {}
            Value::String(text) if text.trim().is_empty() => {}
            Value::String(text) => texts.push(text.trim().to_owned()),
            other => return Err(wrong(name, other, expected)),
        }
    }
    Ok(texts)
}

fn wrong(name: &str, value: &Value, expected: &str) -> String {
    format!("`{name}` is {}, expected {expected}", sort(value))
}

fn sort(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a truth value",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
