//! What BMC Helix ITSM is asked by `check --online`.
//!
//! K: a qualification with a field that the form does not have is refused; support groups stand in the form
//! `CTM:Support Group`. Forms that are only written may be closed to readers, and what values an enumeration has is
//! known to the forms alone: neither is claimed to be wrong here.

use super::super::wire::*;
use super::{Bmc, entries, value};
use crate::itsm::selftest::{
    Answer, Finding, SelfTest, fix, good, listed, over, searched, send, unknown, why,
};
use crate::itsm::{Facts, IMPOSSIBLE_KEY, ItsmSettings};
use crate::model::{Request, Response};

pub(super) const SELFTEST: SelfTest = SelfTest {
    questions: &[key, create, notes, groups],
    unseen: &[
        "the values of Impact, Urgency, Status and Status_Reason, and what fields the forms ask for: the first ticket shows it",
        "whether account is the user that logs in: the tool says it of tickets only",
    ],
    rights: "a fixed licence, permissions Incident User and Asset Viewer, membership of the support company; read and write the forms create_form, form and note_form; no administrator",
};

/// The support groups.
const GROUPS: &str = "CTM:Support Group";
const GROUP: &str = "Support Group Name";
/// Groups that are looked at.
const MAX_GROUPS: usize = 1000;

fn key(s: &ItsmSettings, _: &Facts, got: &[Response]) -> Answer {
    let bmc = Bmc { s };
    let (form, field) = (s.options.text("form"), s.options.text("key_field"));
    let [none, rest @ ..] = got else {
        return send(bmc.search(field, IMPOSSIBLE_KEY));
    };
    let rows = match entries(none) {
        Ok(rows) => rows.len(),
        Err(refusal) => {
            let why = why(refusal)?;
            return over([fix(format!(
                "form {form:?} cannot be searched by {field:?}: {why}: correct form or key_field, or let our user read them"
            ))]);
        }
    };
    let [nonsense, ..] = rest else {
        return send(bmc.search("Correlated No Such Field", IMPOSSIBLE_KEY));
    };
    let nonsense = match entries(nonsense) {
        Ok(rows) => Ok(rows.len()),
        Err(refusal) => Err(why(refusal)?),
    };
    over([
        good("login works"),
        searched(&format!("{field:?}"), "correct key_field", rows, nonsense),
    ])
}

/// The first entry of a form, with a field of it.
fn first(bmc: &Bmc<'_>, option: &str, field: &str) -> Request {
    let fields = format!("values({field})");
    get(&bmc.entry(option), &[("fields", &fields), ("limit", "1")])
}

fn form(s: &ItsmSettings, option: &str, field: &str, got: &[Response]) -> Answer {
    let bmc = Bmc { s };
    let name = s.options.text(option);
    if name.is_empty() {
        return over([]);
    }
    let [found, ..] = got else {
        return send(first(&bmc, option, field));
    };
    over([match entries(found) {
        Ok(_) => good(format!("form {name:?} ({option}) can be read")),
        Err(refusal) => unknown(format!(
            "form {name:?} ({option}), which we write and may not be able to read: {}",
            why(refusal)?
        )),
    }])
}

fn create(s: &ItsmSettings, _: &Facts, got: &[Response]) -> Answer {
    form(s, "create_form", s.options.text("key_field"), got)
}

fn notes(s: &ItsmSettings, _: &Facts, got: &[Response]) -> Answer {
    form(s, "note_form", "Work Log Type", got)
}

/// The groups of the map, by the names of the support groups.
fn groups(s: &ItsmSettings, _: &Facts, got: &[Response]) -> Answer {
    let map = s.options.map("groups").into_iter().flatten();
    let named = map.map(|(name, group)| (format!("groups.{name:?}"), group.as_str()));
    let default = ("default_group".to_owned(), s.options.text("default_group"));
    let wanted: Vec<(String, &str)> = std::iter::once(default)
        .chain(named)
        .filter(|(_, group)| !group.is_empty())
        .collect();
    if wanted.is_empty() {
        return over([]);
    }
    let [found, ..] = got else {
        let (fields, limit) = (format!("values({GROUP})"), MAX_GROUPS.to_string());
        let path = format!("api/arsys/v1/entry/{}", encode(GROUPS));
        return send(get(&path, &[("fields", &fields), ("limit", &limit)]));
    };
    let rows = match entries(found) {
        Ok(rows) => rows,
        Err(refusal) => {
            return over([unknown(format!("the support groups: {}", why(refusal)?))]);
        }
    };
    let names: Vec<String> = rows.iter().map(|r| value(r, GROUP)).collect();
    over(wanted.into_iter().map(|(option, group)| {
        match listed("support group", &option, group, &names) {
            Finding::Fix(_) if names.len() >= MAX_GROUPS => unknown(format!(
                "whether support group {group:?} exists: there are more than {MAX_GROUPS}"
            )),
            other => other,
        }
    }))
}
