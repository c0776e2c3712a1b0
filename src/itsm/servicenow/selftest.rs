//! What ServiceNow is asked by `check --online`. No admin role is needed: what its dictionary would tell is found by
//! searches, and where an ACL hides an answer that is said.
//!
//! D: a clause that is not understood is ignored and other rows come, unless `glide.invalid_query.returns_no_rows` is
//! set. So a nonsense column beside the key that nobody carries tells which of both an empty answer is. K: choices
//! stand in `sys_choice` by table and column; `javascript:gs.getUserName()` in a query is who we are; a column that
//! does not exist, or that an ACL hides, is not in the row.

use super::fields::{all_groups, groups};
use super::wire::*;
use crate::itsm::selftest::{
    Answer, Finding, SelfTest, asked, fix, good, listed, over, searched, send, unknown, why,
};
use crate::itsm::{Facts, IMPOSSIBLE_KEY, ItsmSettings, Refusal};
use crate::model::Response;
use serde_json::Value;

pub(super) const SELFTEST: SelfTest = SelfTest {
    questions: &[login, key, team, caller, choices, columns_of, cis, affected],
    unseen: &[
        "whether our user may write the columns of a ticket, and what business rules and data policies ask for: the first ticket is read back and says it",
    ],
    rights: "role sn_incident_write (or itil) for tickets of the table and of task_ci; read rows of sys_user, sys_user_group, sys_choice and of the CI and service tables; no admin role, no dictionary",
};

/// The rows of an answer, or why there are none.
fn rows_or_why(response: &Response) -> Result<Result<Vec<Value>, String>, Refusal> {
    match rows(response) {
        Ok(rows) => Ok(Ok(rows)),
        Err(refusal) => why(refusal).map(Err),
    }
}

fn login(s: &ItsmSettings, _: &Facts, got: &[Response]) -> Answer {
    let account = s.options.text("account");
    let [named, rest @ ..] = got else {
        return asked(user(account));
    };
    let named = match user_in(named, "account", account) {
        Ok(row) => field(&row, "user_name").to_owned(),
        Err(refusal) => {
            let why = why(refusal)?;
            return over([fix(format!("{why}: set account to the user that logs in"))]);
        }
    };
    let [me, ..] = rest else {
        let query = "user_name=javascript:gs.getUserName()";
        return asked(list("sys_user", query, "sys_id,user_name", 2));
    };
    let me = rows_or_why(me)?.unwrap_or_default();
    over([match me.as_slice() {
        [me] if same_user(field(me, "user_name"), &named) => {
            good(format!("login works as {named:?}"))
        }
        [me] => fix(format!(
            "the login is that of {:?} and not of account {named:?}: set account to it",
            field(me, "user_name")
        )),
        [] | [_, _, ..] => good(format!(
            "login works, and account {named:?} is a user (whether it is the one that logs in is not told here)"
        )),
    }])
}

/// Two searches that must find nothing, and if both do a third that must find something.
fn key(s: &ItsmSettings, _: &Facts, got: &[Response]) -> Answer {
    let table = s.options.text("table");
    let [none, rest @ ..] = got else {
        return asked(search(s, IMPOSSIBLE_KEY));
    };
    let none = match rows_or_why(none)? {
        Ok(rows) => rows.len(),
        Err(why) => {
            return over([fix(format!(
                "tickets cannot be searched: {why}: is table {table:?} right, and may our user read it?"
            ))]);
        }
    };
    let mend = "let our user read that column, or set glide.invalid_query.returns_no_rows";
    let [nonsense, rest @ ..] = rest else {
        if none > 0 {
            return over([searched(KEY, mend, none, Ok(0))]);
        }
        let query = format!("correlated_no_such_column={IMPOSSIBLE_KEY}");
        return asked(list(table, &query, "sys_id", 1));
    };
    let nonsense = rows_or_why(nonsense)?.map(|rows| rows.len());
    if nonsense != Ok(0) {
        return over([searched(KEY, mend, none, nonsense)]);
    }
    let [some, ..] = rest else {
        let query = format!("{KEY}ISNOTEMPTY");
        return asked(list(table, &query, &format!("sys_id,{KEY}"), 1));
    };
    let some = rows_or_why(some)?.unwrap_or_default();
    over([match some.iter().any(|row| !field(row, KEY).is_empty()) {
        true => good(format!(
            "{KEY} can be searched, and a bad clause finds nothing"
        )),
        false => searched(KEY, mend, none, nonsense),
    }])
}

/// The default group and those of the map, each with the sys_id that its name would have.
fn team(s: &ItsmSettings, _: &Facts, got: &[Response]) -> Answer {
    let [found, rest @ ..] = got else {
        return asked(groups(s));
    };
    let all = match rows_or_why(found)? {
        Ok(all) => all,
        Err(why) => return over([unknown(format!("the assignment groups: {why}"))]),
    };
    let is_active = |id: &str| {
        let row = all
            .iter()
            .find(|r| field(r, "sys_id").eq_ignore_ascii_case(id));
        row.is_some_and(|r| matches!(field(r, "active"), "true" | "1"))
    };
    let map = s.options.map("groups").into_iter().flatten();
    let named = map.map(|(name, id)| (name.as_str(), id.as_str()));
    let default = ("", s.options.text("default_group"));
    let missing: Vec<(&str, &str)> = std::iter::once(default)
        .chain(named)
        .filter(|(_, id)| !is_active(id))
        .collect();
    if missing.is_empty() {
        let n = all_groups(s).len();
        return over([good(format!("assignment groups are there and active: {n}"))]);
    }
    let names: Vec<&str> = missing
        .iter()
        .map(|(name, _)| *name)
        .filter(|name| !name.is_empty() && !odd(name) && !name.contains(','))
        .take(50)
        .collect();
    let same = match rest {
        _ if names.is_empty() => Vec::new(),
        [] => {
            let query = format!("nameIN{}^active=true", names.join(","));
            return asked(list("sys_user_group", &query, "sys_id,name", 100));
        }
        [same, ..] => rows_or_why(same)?.unwrap_or_default(),
    };
    over(missing.into_iter().map(|(name, id)| {
        let option = match name {
            "" => "default_group".to_owned(),
            name => format!("groups.{name:?}"),
        };
        let one = same.iter().find(|r| field(r, "name") == name);
        let mend = match one {
            Some(row) if !name.is_empty() => {
                format!(
                    "the group of that name has the sys_id {:?}",
                    field(row, "sys_id")
                )
            }
            _ => "put the sys_id of one there".to_owned(),
        };
        fix(format!(
            "{option}: {id:?} is no active group that we see: {mend}"
        ))
    }))
}

fn caller(s: &ItsmSettings, _: &Facts, got: &[Response]) -> Answer {
    let who = s.options.text("caller");
    let [found, ..] = got else {
        return asked(user(who));
    };
    over([match user_in(found, "caller", who) {
        Ok(row) => good(format!("caller is {:?}", field(&row, "user_name"))),
        Err(refusal) => {
            let why = why(refusal)?;
            fix(format!("{why}: put the sys_id of a user there"))
        }
    }])
}

/// Close code, states and categories by the instance's own lists.
fn choices(s: &ItsmSettings, _: &Facts, got: &[Response]) -> Answer {
    let table = s.options.text("table");
    let [found, ..] = got else {
        let query = format!(
            "nameIN{table},task^elementINclose_code,state,category,subcategory^inactive=false"
        );
        return asked(list("sys_choice", &query, "name,element,value", 1000));
    };
    let rows = match rows_or_why(found)? {
        Ok(rows) => rows,
        Err(why) => {
            return over([unknown(format!("close code, states and categories: {why}"))]);
        }
    };
    let of = |element: &str| -> Vec<String> {
        let by = |table: &str| -> Vec<String> {
            rows.iter()
                .filter(|r| field(r, "name") == table && field(r, "element") == element)
                .map(|r| field(r, "value").to_owned())
                .collect()
        };
        // A table that has choices of its own does not use those of the table that it is made of.
        let mut values = match by(table) {
            own if own.is_empty() => by("task"),
            own => own,
        };
        values.sort();
        values.dedup();
        values
    };
    let states = of("state");
    let mut out = vec![listed(
        "close code",
        "close_code",
        s.options.text("close_code"),
        &of("close_code"),
    )];
    for option in ["resolved_state", "in_progress_state"] {
        out.push(listed("state", option, s.options.text(option), &states));
    }
    for option in ["category", "subcategory"] {
        let values = of(option);
        let wanted = s.options.map(option).into_iter().flatten();
        out.extend(
            wanted.map(|(class, value)| {
                listed(option, &format!("{option}.{class:?}"), value, &values)
            }),
        );
    }
    over(out)
}

/// Columns that we must see in a ticket, and those that the settings name.
fn columns_of(s: &ItsmSettings, _: &Facts, got: &[Response]) -> Answer {
    let link = s.options.text("link_field");
    let [found, ..] = got else {
        let more = match link {
            "" => String::new(),
            link => format!(",{link}"),
        };
        let columns = format!("{}{more}", columns(s));
        let query = "ORDERBYDESCsys_created_on";
        return asked(list(s.options.text("table"), query, &columns, 1));
    };
    let rows = match rows_or_why(found)? {
        Ok(rows) => rows,
        Err(_) => return over([]), // told by the search for a key
    };
    let Some(row) = rows.first() else {
        return over([unknown(
            "the columns of a ticket: our user sees none to look at",
        )]);
    };
    let is_there = |name: &str| row.get(name).is_some_and(|v| !v.is_null());
    let ours = [
        "state",
        "number",
        KEY,
        "sys_created_by",
        "sys_updated_by",
        "assigned_to",
    ];
    let hidden = ours.into_iter().filter(|name| !is_there(name)).map(|name| {
        fix(format!(
            "column {name} of tickets is hidden from us: let our user read it"
        ))
    });
    let mut out: Vec<Finding> = hidden.collect();
    let fields = s.options.map("fields").into_iter().flatten();
    let named = fields.map(|(name, _)| ("fields", name.as_str()));
    let link = Some(("link_field", link)).filter(|(_, name)| !name.is_empty());
    for (option, name) in named.chain(link).filter(|(_, name)| !is_there(name)) {
        out.push(fix(format!(
            "{option} names column {name:?}, which tickets do not have, or which is hidden from us: correct it, or let our user read it"
        )));
    }
    if out.is_empty() {
        out.push(good("the columns of a ticket that we need can be read"));
    }
    over(out)
}

/// The tables in which CIs and services are looked up.
fn cis(s: &ItsmSettings, _: &Facts, got: &[Response]) -> Answer {
    let tables = ["ci_table", "service_table"].map(|option| (option, s.options.text(option)));
    let query = match s.options.text("ci_query") {
        "" => "nameISNOTEMPTY".to_owned(),
        more => format!("nameISNOTEMPTY^{more}"),
    };
    let mut out = Vec::new();
    let mut got = got.iter();
    for (option, table) in tables.into_iter().filter(|(_, table)| !table.is_empty()) {
        let Some(found) = got.next() else {
            return send(list_request(table, &query, "sys_id,name", 1));
        };
        let leave = format!("correct {option}, or set it to \"\"");
        out.push(match rows_or_why(found)? {
            Err(why) => fix(format!("{option} {table:?} cannot be read: {why}: {leave}")),
            Ok(rows) if rows.is_empty() => fix(format!(
                "{option} {table:?} shows us no record: let our user read it, look at ci_query, or {leave}"
            )),
            Ok(_) => good(format!("{option} {table:?} can be read")),
        });
    }
    over(out)
}

fn affected(s: &ItsmSettings, _: &Facts, got: &[Response]) -> Answer {
    if !super::affected::wanted(s) {
        return over([]);
    }
    let [found, ..] = got else {
        return asked(list("task_ci", "", "sys_id,task,ci_item", 1));
    };
    over([match rows_or_why(found)? {
        Ok(_) => good("affected CIs (task_ci) can be read"),
        Err(why) => fix(format!(
            "affected CIs cannot be read: {why}: let our user read and write task_ci, or set affected_cis to false"
        )),
    }])
}
