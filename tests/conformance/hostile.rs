//! Alert text that wants to be more than text, in every kind: what leaves for the tool is read as the tool
//! reads it, and must open no code tag, HTML, wiki mark, macro or mention.

use crate::bench::Bench;
use crate::tools::{Reads, Row, TOOLS};
use crate::world::event;
use correlated::model::{EventState, Millis};
use serde_json::Value;

const HOSTILE: &[&str] = &[
    "evil [code]<img src=x onerror=alert(1)>[/code]",
    "evil [CoDe]<b>x</b>[/cOdE]",
    "evil <script>alert(1)</script> <a href='javascript:alert(1)'>x</a>",
    "evil &lt;script&gt; &#60;b&#62;",
    "evil {html}<b>x</b>{html} {code}x{code} {{monospaced}} {% raw %}",
    "evil [~admin] [click here|http://evil.example] [^file]",
    "evil @channel @here <!channel> <@U123> @[~accountid:1]",
    "evil !http://evil.example/x.png! ![x](http://evil.example/y.png)",
    "evil ||a||b|| |c| **bold** `tick` [a](http://evil.example)",
    "evil {{title}} {{=key}} \"}, \"state\": \"7\"",
    "evil \u{202e}txt.exe\u{200b} [c\u{200b}ode]<b>y</b>",
    "evil\nKey cor-zzzzzzzz-9.9.\n[code]\n{html}\n<b>",
    "evil ' OR '1'='1 ^ORDERBY javascript:gs.log(1)",
];

/// The texts of a body, with their path.
fn texts(path: &str, value: &Value, out: &mut Vec<(String, String)>) {
    match value {
        Value::String(text) => out.push((path.to_owned(), text.clone())),
        Value::Array(list) => list.iter().for_each(|v| texts(path, v, out)),
        Value::Object(map) => map
            .iter()
            .for_each(|(n, v)| texts(&format!("{path}/{n}"), v, out)),
        _ => {}
    }
}

/// What a tool would act upon in a text.
fn acts_upon(reads: Reads, text: &str) -> Option<&'static str> {
    let lower = text.to_lowercase();
    let has = |marks: &[&'static str]| marks.iter().find(|m| lower.contains(**m)).copied();
    // Our own number stands in brackets.
    let mut bare = lower.clone();
    while let Some(at) = bare.find("[i0") {
        bare.replace_range(at..at + 1, "(");
        let end = bare[at..].find(']').map_or(at, |n| at + n);
        bare.replace_range(end..end + 1, ")");
    }
    let image = bare
        .split('!')
        .skip(1)
        .any(|after| !after.is_empty() && !after.starts_with([' ', '\n']));
    match reads {
        Reads::Text => None,
        Reads::CodeTags => has(&["[code", "[/code"]),
        Reads::Html => {
            let rest = lower.replace("<br>", "");
            let entities = ["&amp;", "&lt;", "&gt;", "&quot;", "&#39;"];
            let bare = entities.iter().fold(rest, |t, e| t.replace(e, ""));
            ["<", ">", "&"].into_iter().find(|m| bare.contains(m))
        }
        Reads::Wiki | Reads::Unknown if image => Some("!"),
        Reads::Wiki => ["{", "}", "[", "]", "|", "\\"]
            .into_iter()
            .find(|m| bare.contains(m)),
        Reads::Unknown => ["{", "}", "[", "]", "|", "\\", "<", ">", "`", "@", "**"]
            .into_iter()
            .find(|m| bare.contains(m)),
    }
}

fn check(row: &Row, hostile: &str) {
    let mut bench = Bench::new(row);
    let now = bench.world.now;
    let alert = |name: &str, state, at: Millis| {
        let mut event = event(&[("host", name), ("team", hostile)], state, "down", at);
        event.annotations = [("summary", hostile), ("runbook", hostile)]
            .into_iter()
            .collect();
        event
    };
    // A host that the CMDB does not know is named after what the alert says.
    let all = ["srv-db-01", "payroll-db", "Payroll", hostile];
    let firing: Vec<_> = all
        .iter()
        .map(|n| alert(n, EventState::Firing, now))
        .collect();
    bench.world.send("nagios", &firing);
    bench.advance(Millis::mins(20));
    let now = bench.world.now;
    let over: Vec<_> = all
        .iter()
        .map(|n| alert(n, EventState::Resolved, now))
        .collect();
    bench.world.send("nagios", &over);
    bench.advance(Millis::mins(20));
    let now = bench.world.now;
    bench
        .world
        .send("nagios", &[alert("srv-db-01", EventState::Firing, now)]);
    bench.advance(Millis::mins(20));
    let tool = bench.tool.borrow();
    let mut seen = 0;
    for request in &tool.sent {
        let mut all = Vec::new();
        texts("", &crate::tools::body(request), &mut all);
        for (path, text) in all {
            seen += usize::from(text.to_lowercase().contains("evil"));
            let found = acts_upon((row.reads)(&path), &text);
            assert!(
                found.is_none(),
                "{}: {found:?} of {hostile:?} is acted upon in {path}: {text}",
                row.name
            );
        }
    }
    assert!(seen > 0, "{}: {hostile:?} went nowhere", row.name);
}

pub fn every_text_in_every_kind() {
    for row in TOOLS {
        for hostile in HOSTILE {
            check(row, hostile);
        }
    }
}
