//! What Freshservice is asked by `check --online`.
//!
//! K: `ticket_form_fields` lists the fields of a ticket by their names in the API, with `choices` that have an `id`;
//! a filter over a field that does not exist is refused with 400; a ticket for a requester that does not exist makes
//! that person, and may send a mail.

use super::super::wire::*;
use super::{Fresh, told};
use crate::itsm::selftest::{
    Answer, Finding, SelfTest, fix, good, listed, over, searched, send, some, unknown, why,
};
use crate::itsm::{Facts, IMPOSSIBLE_KEY, ItsmSettings};
use crate::model::Response;
use serde_json::Value;

pub(super) const SELFTEST: SelfTest = SelfTest {
    questions: &[login, key, fields, groups, requester, activities],
    unseen: &["which fields the tool wants of a ticket that is resolved: the first one shows it"],
    rights: "an agent (not an occasional one) whose role may view, create, edit and reply to tickets in all groups, and view requesters; no admin role",
};

fn login(s: &ItsmSettings, _: &Facts, got: &[Response]) -> Answer {
    let account = s.options.text("account");
    let [agents, ..] = got else {
        return send(get("api/v2/agents", &[("email", account)]));
    };
    let body = match json_of(agents, told) {
        Ok(body) => body,
        Err(refusal) => {
            let why = why(refusal)?;
            return over([unknown(format!(
                "whether account {account:?} is an agent: {why}"
            ))]);
        }
    };
    let mut all = list(&body, "agents");
    over([
        match all.any(|a| word(a, "email").eq_ignore_ascii_case(account)) {
            true => good(format!("login works, and account {account:?} is an agent")),
            false => fix(format!(
                "login works, but account {account:?} is no agent that we see: set account to the agent whose API key is the secret"
            )),
        },
    ])
}

fn key(s: &ItsmSettings, facts: &Facts, got: &[Response]) -> Answer {
    let fresh = Fresh { s, facts };
    let field = s.options.text("key_field");
    let [none, rest @ ..] = got else {
        return send(fresh.filter(IMPOSSIBLE_KEY)?);
    };
    let rows = match json_of(none, told) {
        Ok(body) => list(&body, "tickets").count(),
        Err(refusal) => {
            let why = why(refusal)?;
            return over([fix(format!(
                "tickets cannot be filtered by {field:?}: {why}: set key_field to a custom text field of tickets, or make it"
            ))]);
        }
    };
    let [nonsense, ..] = rest else {
        let query = format!("\"correlated_no_such_field:'{IMPOSSIBLE_KEY}'\"");
        return send(get("api/v2/tickets/filter", &[("query", &query)]));
    };
    let nonsense = match json_of(nonsense, told) {
        Ok(body) => Ok(list(&body, "tickets").count()),
        Err(refusal) => Err(why(refusal)?),
    };
    let mend = "set key_field to a custom field of tickets";
    over([searched(&format!("{field:?}"), mend, rows, nonsense)])
}

/// The fields of a ticket, and the numbers of the statuses that we set.
fn fields(s: &ItsmSettings, _: &Facts, got: &[Response]) -> Answer {
    let [found, ..] = got else {
        return send(get("api/v2/ticket_form_fields", &[]));
    };
    let body = match json_of(found, told) {
        Ok(body) => body,
        Err(refusal) => {
            return over([unknown(format!(
                "the fields of a ticket: {}",
                why(refusal)?
            ))]);
        }
    };
    let all: Vec<&Value> = list(&body, "ticket_fields").collect();
    let names: Vec<String> = all.iter().map(|f| word(f, "name")).collect();
    if names.is_empty() {
        return over([unknown("the fields of a ticket: we see none")]);
    }
    let custom = s.options.map("custom_fields").into_iter().flatten();
    let custom = custom.map(|(name, _)| ("custom_fields", name.as_str()));
    let key = ("key_field", s.options.text("key_field"));
    let mut out: Vec<Finding> = std::iter::once(key)
        .chain(custom)
        .map(|(option, name)| listed("custom field", option, name, &names))
        .collect();
    let status = all.iter().find(|f| word(f, "name") == "status");
    let choices: Vec<String> = status
        .into_iter()
        .flat_map(|f| list(f, "choices"))
        .map(|c| as_text(c.get("id")))
        .filter(|c| !c.is_empty())
        .collect();
    for option in ["resolved_state", "open_state"] {
        out.push(listed("status", option, s.options.text(option), &choices));
    }
    over(out)
}

fn groups(s: &ItsmSettings, _: &Facts, got: &[Response]) -> Answer {
    let map = s.options.map("groups").into_iter().flatten();
    let named = map.map(|(name, id)| (format!("groups.{name:?}"), id.as_str()));
    let default = ("default_group".to_owned(), s.options.text("default_group"));
    let wanted: Vec<(String, &str)> = std::iter::once(default)
        .chain(named)
        .filter(|(_, id)| !id.is_empty())
        .collect();
    if wanted.is_empty() {
        return over([]);
    }
    let [found, ..] = got else {
        return send(get("api/v2/groups", &[("per_page", "100")]));
    };
    let body = match json_of(found, told) {
        Ok(body) => body,
        Err(refusal) => return over([unknown(format!("the agent groups: {}", why(refusal)?))]),
    };
    let all: Vec<(String, String)> = list(&body, "groups")
        .map(|g| (as_text(g.get("id")), word(g, "name")))
        .collect();
    let shown: Vec<String> = all
        .iter()
        .map(|(id, name)| format!("{id} {name}"))
        .collect();
    let full = all.len() >= 100;
    over(wanted.into_iter().map(
        |(option, id)| match all.iter().find(|(known, _)| known == id) {
            Some((_, name)) => good(format!("{option} is agent group {name:?}")),
            None if full || all.is_empty() => unknown(format!(
                "whether agent group {id} ({option}) exists: it is not among the {} that we see",
                all.len()
            )),
            None => fix(format!(
                "agent group {id} does not exist: set {option} to the number of one of {}",
                some(&shown)
            )),
        },
    ))
}

fn requester(s: &ItsmSettings, _: &Facts, got: &[Response]) -> Answer {
    let who = s.options.text("requester");
    let [found, ..] = got else {
        return send(get("api/v2/requesters", &[("email", who)]));
    };
    over([match json_of(found, told) {
        Err(refusal) => unknown(format!(
            "whether requester {who:?} exists: {}",
            why(refusal)?
        )),
        Ok(body) => {
            let same = |r: &Value| word(r, "primary_email").eq_ignore_ascii_case(who);
            match list(&body, "requesters").any(same) {
                true => good(format!("requester {who:?} exists")),
                false => unknown(format!(
                    "whether requester {who:?} is an agent: as a requester it does not exist, and the tool may make that person with the first ticket"
                )),
            }
        }
    }])
}

/// Whether we see what people do.
fn activities(s: &ItsmSettings, facts: &Facts, got: &[Response]) -> Answer {
    if !s.options.bool("activities") {
        return over([]);
    }
    let [newest, rest @ ..] = got else {
        let query = [("per_page", "1"), ("order_type", "desc")];
        return send(get("api/v2/tickets", &query));
    };
    let newest = match json_of(newest, told) {
        Ok(newest) => newest,
        Err(refusal) => {
            let why = why(refusal)?;
            return over([fix(format!(
                "tickets cannot be listed: {why}: let our agent see all of them"
            ))]);
        }
    };
    let Some(id) = list(&newest, "tickets").find_map(|t| number(t.get("id"))) else {
        return over([unknown(
            "whether activities can be read: we see no ticket to look at",
        )]);
    };
    let [acts, ..] = rest else {
        return send(Fresh { s, facts }.activities(&id)?);
    };
    over([match json_of(acts, told) {
        Ok(_) => good("the activities of tickets can be read"),
        Err(refusal) => fix(format!(
            "the activities of ticket {id} cannot be read: {}: let our agent read them, or set activities to false",
            why(refusal)?
        )),
    }])
}
