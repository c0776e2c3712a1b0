//! What went over the wire of the fakes, for those who check it by what others wrote (`tests/real/specs.sh`): one line
//! per shape of an exchange, in `target/tmp/wire/<kind>.ndjson`.

use correlated::model::{Request, Response};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// Kinds of which somebody else has written a description.
const KINDS: [&str; 2] = ["jira", "pagerduty"];

static SEEN: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// What is alike in two exchanges that say the same of other things.
fn shape(value: &Value) -> Value {
    match value {
        Value::String(text) if text.is_empty() => json!(""),
        Value::String(_) => json!("x"),
        Value::Array(all) => all.iter().map(shape).collect(),
        Value::Object(map) => map.iter().map(|(n, v)| (n.clone(), shape(v))).collect(),
        other => other.clone(),
    }
}

/// Keeps an exchange, if none of its shape was kept.
pub fn keep(kind: &str, request: &Request, answer: &Response) {
    if !KINDS.contains(&kind) {
        return;
    }
    let body = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).ok();
    let mut line = json!({
        "method": request.method,
        "path": format!("/{}", request.path),
        "query": request.query.iter().cloned().collect::<std::collections::BTreeMap<_, _>>(),
        "answer": {"status": answer.status, "body": body(&answer.body)},
    });
    if let Some(sent) = body(&request.body) {
        line["body"] = sent;
    }
    let path: String = request.path.chars().filter(|c| !c.is_numeric()).collect();
    let mut seen = SEEN.lock().unwrap_or_else(PoisonError::into_inner);
    let first = !seen.iter().any(|s| s.starts_with(kind));
    if !seen.insert(format!("{kind} {path} {}", shape(&line))) {
        return;
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("wire");
    std::fs::create_dir_all(&folder).unwrap();
    let mut file = std::fs::OpenOptions::new()
        .create(true)
        .write(true)
        .truncate(first)
        .append(!first)
        .open(folder.join(format!("{kind}.ndjson")))
        .unwrap();
    writeln!(file, "{line}").unwrap();
}
