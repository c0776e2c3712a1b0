//! What iTop is asked by `check --online`.
//!
//! S: `core/get` refuses an attribute that the class does not have, in `output_fields` as in the query (code 100),
//! before it looks for objects: so attributes are proved without a ticket.

use super::super::wire::*;
use super::ITop;
use super::wire::{objects, quoted, read};
use crate::itsm::selftest::{
    Answer, Finding, SelfTest, fix, good, over, searched, send, some, unknown, why,
};
use crate::itsm::{Facts, IMPOSSIBLE_KEY, ItsmSettings};
use crate::model::Response;
use serde_json::Value;

pub(super) const SELFTEST: SelfTest = SelfTest {
    questions: &[organization, key, attributes, team, agent, history],
    unseen: &[
        "the values of origin, resolution_code, impact and urgency, and what the workflow asks for: the first ticket shows it",
    ],
    rights: "profiles REST Services User and Support Agent (Service Desk Agent for user requests), for the organization; no administrator",
};

fn names(objects: &[Value]) -> Vec<String> {
    let names = objects.iter().map(|o| as_text(o.pointer("/fields/name")));
    names.filter(|n| !n.is_empty()).collect()
}

fn organization(s: &ItsmSettings, _: &Facts, got: &[Response]) -> Answer {
    let wanted = s.options.text("organization");
    let [found, rest @ ..] = got else {
        let oql = format!("SELECT Organization WHERE name = '{}'", quoted(wanted));
        return send(read("Organization", &oql, "id,name"));
    };
    if !objects(found)?.is_empty() {
        return over([
            good("login works"),
            good(format!("organization {wanted:?} exists")),
        ]);
    }
    let [all, ..] = rest else {
        return send(read("Organization", "SELECT Organization", "id,name"));
    };
    let names = names(&objects(all)?);
    over([match names.is_empty() {
        false => fix(format!(
            "organization {wanted:?} does not exist: set organization to one of {}, or make it",
            some(&names)
        )),
        true => fix(format!(
            "organization {wanted:?} is not there, nor do we see any other: allow it to our user"
        )),
    }])
}

fn key(s: &ItsmSettings, _: &Facts, got: &[Response]) -> Answer {
    let itop = ITop { s };
    let (class, attribute) = (itop.class(), s.options.text("key_attribute"));
    let field = match attribute {
        "" => "the title",
        name => name,
    };
    let [none, rest @ ..] = got else {
        return send(itop.search(IMPOSSIBLE_KEY)?);
    };
    let rows = match objects(none) {
        Ok(rows) => rows.len(),
        Err(refusal) => {
            let why = why(refusal)?;
            return over([fix(format!(
                "class {class:?} cannot be searched by {field}: {why}: correct class or key_attribute"
            ))]);
        }
    };
    let [nonsense, ..] = rest else {
        let oql = format!("SELECT {class} WHERE correlated_no_such = '{IMPOSSIBLE_KEY}'");
        return send(read(class, &oql, "id"));
    };
    let nonsense = match objects(nonsense) {
        Ok(rows) => Ok(rows.len()),
        Err(refusal) => Err(why(refusal)?),
    };
    over([searched(field, "correct key_attribute", rows, nonsense)])
}

/// The attributes that we write, each by itself so that each is named.
fn attributes(s: &ItsmSettings, _: &Facts, got: &[Response]) -> Answer {
    let itop = ITop { s };
    let maps = ["fields", "resolve_fields"].map(|m| (m, s.options.map(m)));
    let named = maps
        .into_iter()
        .flat_map(|(m, map)| map.into_iter().flatten().map(move |(n, _)| (m, n.as_str())));
    let ours = ["impact", "urgency", "solution", "private_log"];
    let ours = ours.map(|name| ("class", name));
    let mut wanted: Vec<(&str, &str)> = ours.into_iter().chain(named).collect();
    // As many as one question may ask.
    let rest = wanted.split_off(wanted.len().min(crate::itsm::MAX_EXCHANGES));
    let mut out: Vec<Finding> = Vec::new();
    for (n, (option, name)) in wanted.iter().enumerate() {
        let Some(found) = got.get(n) else {
            let oql = format!("SELECT {} WHERE id = 0", itop.class());
            return send(read(itop.class(), &oql, name));
        };
        if let Err(refusal) = objects(found) {
            out.push(fix(format!(
                "class {:?} has no attribute {name:?}: {}: correct {option}",
                itop.class(),
                why(refusal)?
            )));
        }
    }
    if out.len() == wanted.len() {
        return over([]); // there is no such class, which is told already
    }
    if out.is_empty() {
        out.push(good("the attributes that are written exist"));
    }
    if !rest.is_empty() {
        let rest: Vec<String> = rest.into_iter().map(|(_, n)| n.to_owned()).collect();
        out.push(unknown(format!(
            "attributes {}: too many for one look",
            some(&rest)
        )));
    }
    over(out)
}

fn team(s: &ItsmSettings, _: &Facts, got: &[Response]) -> Answer {
    one(s, "team", "Team", got)
}

fn agent(s: &ItsmSettings, _: &Facts, got: &[Response]) -> Answer {
    one(s, "agent", "Person", got)
}

/// What a query of the settings names: exactly one.
fn one(s: &ItsmSettings, option: &str, class: &str, got: &[Response]) -> Answer {
    let oql = s.options.text(option);
    if oql.is_empty() {
        return over([unknown(format!(
            "{option}: it is not set; where the workflow resolves no ticket that is new, set team and agent"
        ))]);
    }
    let [found, ..] = got else {
        return send(read(class, oql, "id,friendlyname"));
    };
    over([match objects(found) {
        Err(refusal) => fix(format!(
            "{option}: {oql:?} is refused: {}: write it as SELECT {class} WHERE name = '...'",
            why(refusal)?
        )),
        Ok(all) => match all.as_slice() {
            [_] => good(format!("{option} names one {class}")),
            [] => fix(format!("{option}: {oql:?} finds nothing: correct it")),
            [_, _, ..] => fix(format!(
                "{option}: {oql:?} finds {}: it must name exactly one",
                all.len()
            )),
        },
    }])
}

fn history(s: &ItsmSettings, _: &Facts, got: &[Response]) -> Answer {
    if !s.options.bool("history") {
        return over([]);
    }
    let [found, ..] = got else {
        return send(ITop { s }.history("0")?);
    };
    over([match objects(found) {
        Ok(_) => good("the history of tickets can be read"),
        Err(refusal) => fix(format!(
            "the history of tickets cannot be read: {}: allow CMDBChangeOp to our user, or set history to false",
            why(refusal)?
        )),
    }])
}
