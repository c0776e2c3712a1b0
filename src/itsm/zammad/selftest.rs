//! What Zammad is asked by `check --online`.
//!
//! K: a ticket shows every attribute that tickets have, so one ticket proves the key's; a search over an attribute
//! that does not exist finds nothing, as does any search by attribute without Elasticsearch: so a ticket that is
//! known is looked for by its number. The first page of the list holds the oldest tickets, which every index has.

use super::super::wire::*;
use super::{MEND, Zammad, tickets, told};
use crate::itsm::selftest::{
    Answer, Finding, SelfTest, fix, good, listed, over, send, unknown, why,
};
use crate::itsm::{Facts, IMPOSSIBLE_KEY, ItsmSettings, Refusal};
use crate::model::Response;
use serde_json::Value;

pub(super) const SELFTEST: SelfTest = SelfTest {
    questions: &[login, key, index, groups, states, priorities, customer],
    unseen: &["whether our user may create tickets in the groups: the first ticket shows it"],
    rights: "role Agent (permission ticket.agent) with read, create and change in each group, and a token with that permission; no admin permission",
};

fn login(_: &ItsmSettings, _: &Facts, got: &[Response]) -> Answer {
    let [me, ..] = got else {
        return send(get("api/v1/users/me", &[]));
    };
    let me = json_of(me, told)?;
    over([match word(&me, "login").as_str() {
        "" => fix("the login is that of nobody: is the token still good?"),
        login => good(format!("login works as {login:?}")),
    }])
}

fn key(s: &ItsmSettings, facts: &Facts, got: &[Response]) -> Answer {
    let [none, ..] = got else {
        return send(Zammad { s, facts }.search(IMPOSSIBLE_KEY)?);
    };
    let rows = match tickets(none) {
        Ok(rows) => rows.len(),
        Err(refusal) => {
            let why = why(refusal)?;
            return over([fix(format!(
                "tickets cannot be searched: {why}: give our user permission ticket.agent"
            ))]);
        }
    };
    over([match rows {
        0 => good("a search for a key that no ticket carries finds none"),
        _ => fix(format!(
            "a search for a key that no ticket carries finds tickets: {MEND}"
        )),
    }])
}

/// The attribute in a ticket, and whether tickets are found by what stands in them.
fn index(s: &ItsmSettings, _: &Facts, got: &[Response]) -> Answer {
    let attribute = s.options.text("key_attribute");
    let in_title = s.options.bool("key_in_title");
    let [oldest, rest @ ..] = got else {
        let query = [("page", "1"), ("per_page", "1"), ("expand", "true")];
        return send(get("api/v1/tickets", &query));
    };
    let rows = match tickets(oldest) {
        Ok(rows) => rows,
        Err(refusal) => {
            return over([unknown(format!(
                "attribute {attribute:?}: {}",
                why(refusal)?
            ))]);
        }
    };
    let Some(ticket) = rows.first() else {
        return over([unknown(format!(
            "whether tickets have attribute {attribute:?} and Elasticsearch knows it: we see no ticket to look at"
        ))]);
    };
    let has = ticket.get(attribute).is_some();
    let attribute = match (has, in_title) {
        (true, _) => good(format!("tickets have attribute {attribute:?}")),
        (false, true) => unknown(format!(
            "attribute {attribute:?}: tickets have none of that name, the key stands in the title alone"
        )),
        (false, false) => fix(format!(
            "tickets have no attribute {attribute:?}: make it in the object manager as a text of tickets, name another one in key_attribute, or set key_in_title to true"
        )),
    };
    let Some(number) = number(ticket.get("number")).filter(|_| !in_title) else {
        return over([attribute]);
    };
    let [found, ..] = rest else {
        let query = format!("number:\"{number}\"");
        let query = [
            ("query", query.as_str()),
            ("limit", "5"),
            ("expand", "true"),
        ];
        return send(get("api/v1/tickets/search", &query));
    };
    let found = tickets(found).or_else(|refusal| match refusal {
        Refusal::Reject(_) => Ok(Vec::new()),
        other => Err(other),
    })?;
    let same = found.iter().any(|t| word(t, "number") == number);
    over([
        attribute,
        match same {
            true => good("tickets are found by their attributes (Elasticsearch)"),
            false => fix(format!(
                "ticket {number} is there and is not found by its number: without Elasticsearch no attribute is searched; rebuild its index, or set key_in_title to true"
            )),
        },
    ])
}

/// The names in a list of the tool, or why there are none.
fn names(found: &Response) -> Result<Result<Vec<String>, String>, Refusal> {
    match json_of(found, told) {
        Ok(body) => {
            let all = body.as_array().into_iter().flatten();
            let active = all.filter(|o| o.get("active").and_then(Value::as_bool) != Some(false));
            Ok(Ok(active.map(|o| word(o, "name")).collect()))
        }
        Err(refusal) => why(refusal).map(Err),
    }
}

fn each(
    path: &str,
    what: &str,
    wanted: impl Iterator<Item = (String, String)>,
    got: &[Response],
) -> Answer {
    let [found, ..] = got else {
        return send(get(path, &[("per_page", "500")]));
    };
    over(match names(found)? {
        Err(why) => vec![unknown(format!("the {what} names: {why}"))],
        Ok(names) => wanted
            .map(|(option, name)| listed(what, &option, &name, &names))
            .collect::<Vec<Finding>>(),
    })
}

fn groups(s: &ItsmSettings, _: &Facts, got: &[Response]) -> Answer {
    let map = s.options.map("groups").into_iter().flatten();
    let named = map.map(|(name, group)| (format!("groups.{name:?}"), group.clone()));
    let first = ("group".to_owned(), s.options.text("group").to_owned());
    each(
        "api/v1/groups",
        "group",
        std::iter::once(first).chain(named),
        got,
    )
}

fn states(s: &ItsmSettings, _: &Facts, got: &[Response]) -> Answer {
    let options = ["resolved_state", "open_state"];
    let wanted = options.map(|o| (o.to_owned(), s.options.text(o).to_owned()));
    each("api/v1/ticket_states", "state", wanted.into_iter(), got)
}

fn priorities(s: &ItsmSettings, _: &Facts, got: &[Response]) -> Answer {
    let map = s.options.map("priority").into_iter().flatten();
    let wanted: Vec<(String, String)> = map
        .map(|(ours, name)| (format!("priority.{ours}"), name.clone()))
        .collect();
    match wanted.is_empty() {
        true => over([]),
        false => each(
            "api/v1/ticket_priorities",
            "priority",
            wanted.into_iter(),
            got,
        ),
    }
}

fn customer(s: &ItsmSettings, _: &Facts, got: &[Response]) -> Answer {
    let who = s.options.text("customer");
    let [found, ..] = got else {
        let query = [("query", who), ("limit", "10")];
        return send(get("api/v1/users/search", &query));
    };
    over([match json_of(found, told) {
        Err(refusal) => unknown(format!(
            "whether customer {who:?} exists: {}",
            why(refusal)?
        )),
        Ok(body) => {
            let mut all = body.as_array().into_iter().flatten();
            match all.any(|u| word(u, "email").eq_ignore_ascii_case(who)) {
                true => good(format!("customer {who:?} exists")),
                false => fix(format!(
                    "customer {who:?} does not exist, and the tool would make that person with the first ticket: make it, without notifications"
                )),
            }
        }
    }])
}
