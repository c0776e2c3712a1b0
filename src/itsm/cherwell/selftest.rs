//! What Cherwell is asked by `check --online`: its two reading POSTs among it, which change nothing.

use super::super::wire::*;
use super::{Cherwell, NAMED, api, good as answered, is_plain, reads, told};
use crate::itsm::selftest::{
    Answer, Finding, SelfTest, fix, good, over, searched, some, unknown, why,
};
use crate::itsm::{Facts, IMPOSSIBLE_KEY, ItsmSettings, selftest};
use crate::model::Response;
use serde_json::json;

pub(super) const SELFTEST: SelfTest = SelfTest {
    questions: &[fields, key],
    unseen: &[
        "the statuses, and what fields a status asks for: the first ticket shows it",
        "whether account is the user that logs in: the tool says it of tickets only",
    ],
    rights: "a security group that may view, add and edit the business object and read all fields that are named, and run searches; API access for the client id; no administrator",
};

/// The object by its name, then all fields that the settings name.
fn fields(s: &ItsmSettings, _: &Facts, got: &[Response]) -> Answer {
    let object = s.options.text("object");
    let [summary, rest @ ..] = got else {
        let path = format!("getbusinessobjectsummary/busobname/{}", encode(object));
        return selftest::send(get(&api(&path), &[]));
    };
    let gone = format!(
        "business object {object:?} does not exist, or is hidden from us: correct object, or let our user see it"
    );
    let id = match json_of(summary, told) {
        Ok(body) => as_text(body.pointer("/0/busObId")),
        Err(refusal) => return over([fix(format!("{gone} ({})", why(refusal)?))]),
    };
    if !is_plain(&id) {
        return over([fix(gone)]);
    }
    let [template, ..] = rest else {
        let body = json!({ "busObId": id, "includeRequired": true, "includeAll": true });
        return selftest::send(reads(send(
            "POST",
            &api("getbusinessobjecttemplate"),
            &body,
        )));
    };
    let body = match answered(template) {
        Ok(body) => body,
        Err(refusal) => {
            return over([unknown(format!(
                "the fields of {object:?}: {}",
                why(refusal)?
            ))]);
        }
    };
    let names: Vec<String> = list(&body, "fields").map(|f| word(f, "name")).collect();
    let named = NAMED.iter().chain(&["note_field"]);
    let named = named.map(|option| (*option, s.options.text(option)));
    let maps = ["fields", "resolve_fields"].map(|m| (m, s.options.map(m)));
    let more = maps
        .into_iter()
        .flat_map(|(m, map)| map.into_iter().flatten().map(move |(n, _)| (m, n.as_str())));
    let mut out: Vec<Finding> = named
        .chain(more)
        .filter(|(_, name)| !name.is_empty() && !names.iter().any(|n| n == name))
        .map(|(option, name)| {
            fix(format!(
                "business object {object:?} has no field {name:?} that we see: correct {option} (it has {}), or make it",
                some(&names)
            ))
        })
        .collect();
    if out.is_empty() {
        out.extend([
            good("login works"),
            good(format!(
                "business object {object:?} has all fields that are named"
            )),
        ]);
    }
    over(out)
}

fn key(s: &ItsmSettings, facts: &Facts, got: &[Response]) -> Answer {
    let cherwell = Cherwell { s, facts };
    let field = s.options.text("key_field");
    if facts.get(field).is_empty() {
        return over([]); // told by the question before
    }
    let [none, rest @ ..] = got else {
        return selftest::send(cherwell.search(IMPOSSIBLE_KEY));
    };
    let rows = match answered(none) {
        Ok(body) => list(&body, "businessObjects").count(),
        Err(refusal) => {
            let why = why(refusal)?;
            return over([fix(format!(
                "tickets cannot be searched by {field:?}: {why}"
            ))]);
        }
    };
    let [nonsense, ..] = rest else {
        let mut facts = facts.clone();
        let id = format!("BO:{},FI:correlatednosuchfield", facts.get("object"));
        facts.0.insert(field.to_owned(), id);
        let cherwell = Cherwell { s, facts: &facts };
        return selftest::send(cherwell.search(IMPOSSIBLE_KEY));
    };
    let nonsense = match answered(nonsense) {
        Ok(body) => Ok(list(&body, "businessObjects").count()),
        Err(refusal) => Err(why(refusal)?),
    };
    over([searched(
        &format!("{field:?}"),
        "correct key_field",
        rows,
        nonsense,
    )])
}
