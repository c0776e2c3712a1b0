//! The tools as they speak: bytes to [`Memory`] and back. One file per wire format, one row per kind.

mod bmc;
mod cherwell;
mod freshservice;
mod itop;
mod jira;
mod pagerduty;
mod rt;
mod servicenow;
mod webhook;
mod zammad;

use crate::memory::Memory;
use correlated::model::{Millis, Request, Response};
use serde_json::Value;

/// What a tool answers.
pub trait Wire {
    fn ask(&mut self, memory: &mut Memory, request: &Request) -> Response;
}

/// A column of the table: a kind with its settings.
pub struct Row {
    pub name: &'static str,
    pub kind: &'static str,
    /// Keys of its `[[itsm]]`.
    pub keys: &'static str,
    pub wire: fn() -> Box<dyn Wire + Send>,
    /// How the tool reads a text that stands at a path of a body.
    pub reads: fn(&str) -> Reads,
}

/// What a tool makes of text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reads {
    Text,
    /// HTML between `[code]` and `[/code]`.
    CodeTags,
    Html,
    Wiki,
    Unknown,
}

pub const TOOLS: &[Row] = &[
    rt::ROW,
    servicenow::ROW,
    jira::ROW,
    jira::DATA_CENTER,
    pagerduty::ROW,
    webhook::FIND,
    webhook::PARK,
    webhook::REPEAT,
    freshservice::ROW,
    zammad::ROW,
    itop::ROW,
    bmc::ROW,
    cherwell::ROW,
];

pub fn reply(status: u16, body: Value) -> Response {
    Response {
        status,
        headers: vec![("content-type".into(), "application/json".into())],
        body: body.to_string().into_bytes(),
        at: Millis(0),
    }
}

pub fn empty(status: u16) -> Response {
    Response {
        status,
        headers: Vec::new(),
        body: Vec::new(),
        at: Millis(0),
    }
}

/// The body of a request; empty where there is none.
pub fn body(request: &Request) -> Value {
    if request.body.is_empty() {
        return Value::Null;
    }
    let form = String::from_utf8_lossy(&request.body);
    match form.strip_prefix("json_data=") {
        Some(value) => serde_json::from_str(&decoded(value)).expect("JSON in a form"),
        None => serde_json::from_slice(&request.body).expect("a body in JSON"),
    }
}

pub fn query<'a>(request: &'a Request, name: &str) -> &'a str {
    let found = request.query.iter().find(|(n, _)| n == name);
    found.map_or("", |(_, v)| v.as_str())
}

/// What stands in `text` between two others.
pub fn between<'a>(text: &'a str, before: &str, after: &str) -> &'a str {
    let rest = text.split_once(before).map_or("", |(_, r)| r);
    rest.split_once(after).map_or(rest, |(f, _)| f)
}

pub fn unheard(request: &Request) -> ! {
    panic!(
        "the tool has no {} {} {:?}",
        request.method,
        request.path,
        String::from_utf8_lossy(&request.body)
    )
}

/// Percent-encoded text.
fn decoded(text: &str) -> String {
    let mut out = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, more @ ..] = rest {
        match (first, more) {
            (b'%', [a, b, more @ ..]) => {
                let hex = [*a, *b];
                let hex = std::str::from_utf8(&hex).unwrap();
                out.push(u8::from_str_radix(hex, 16).unwrap());
                rest = more;
            }
            _ => {
                out.push(*first);
                rest = more;
            }
        }
    }
    String::from_utf8(out).unwrap()
}
