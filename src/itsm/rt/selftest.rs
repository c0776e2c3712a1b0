//! What RT is asked by `check --online`.
//!
//! As RT 5.0.3 has it: a user is shown in full (with groups) to that user only, or to who may administer users; a queue names the
//! way to a new ticket only to who may create one, and its fields of tickets to who may see them, while lists of fields
//! and their values are for who administers them; a search over a field that does not exist finds nothing, so that
//! only the list of fields proves one; the ways to another status that a ticket shows are those of its pages, and a
//! lifecycle may permit more.

use super::wire::*;
use super::{quote, search};
use crate::itsm::selftest::{
    Answer, Finding, SelfTest, asked, fix, good, listed, over, some, unknown, why,
};
use crate::itsm::{Facts, IMPOSSIBLE_KEY, ItsmSettings, Refusal};
use crate::model::{Response, Severity};
use serde_json::Value;

pub(super) const SELFTEST: SelfTest = SelfTest {
    questions: &[login, queue, fields, severities, key, ways],
    unseen: &[
        "whether the account may set the custom fields: RT takes a ticket and drops them silently, so the first ticket is read back and says it",
    ],
    rights: "on the queue SeeQueue, CreateTicket, ShowTicket, ShowTicketComments, ModifyTicket, CommentOnTicket, SeeCustomField, ModifyCustomField, SetInitialCustomField; and no others",
};

fn login(s: &ItsmSettings, _: &Facts, got: &[Response]) -> Answer {
    let account = s.options.text("account");
    let [me, ..] = got else {
        return asked(get(format!("user/{}", encode(account)), &[]));
    };
    let hidden = format!(
        "the login works, but is not that of account {account:?}: set account to the user that the token belongs to"
    );
    let name = match json_of(me) {
        // Others see no more than a summary, which has the name in it.
        Ok(body) if body.get("Memberships").or(body.get("Disabled")).is_none() => {
            return over([fix(hidden)]);
        }
        Ok(body) => name_of(&body, "Name"),
        Err(Refusal::Gone(_)) => {
            return over([fix(format!("account {account:?} is no user of this RT"))]);
        }
        Err(Refusal::Reject(_)) if me.status == 403 => return over([fix(hidden)]),
        Err(other) => return Err(other),
    };
    over([match same_user(&name, account) {
        true => good(format!("login works as {name:?}")),
        false => fix(hidden),
    }])
}

fn name_of(body: &Value, name: &str) -> String {
    let text = body.get(name).and_then(Value::as_str);
    text.unwrap_or_default().to_owned()
}

/// The queue as it is read by its name: `None` where it is not there.
fn found(response: &Response) -> Result<Option<Value>, Refusal> {
    match json_of(response) {
        Ok(body) => Ok(id_of(body.get("id")).is_some().then_some(body)),
        Err(refusal) => why(refusal).map(|_| None),
    }
}

fn queue(s: &ItsmSettings, _: &Facts, got: &[Response]) -> Answer {
    let name = s.options.text("queue");
    let [queue, rest @ ..] = got else {
        return asked(get(format!("queue/{}", encode(name)), &[]));
    };
    if let Some(queue) = found(queue)? {
        let links = queue.get("_hyperlinks").and_then(Value::as_array);
        let creates = links.into_iter().flatten().any(|l| is_link(l, "create"));
        let disabled = queue.get("Disabled").is_some_and(|d| d == "1" || d == 1);
        return over([match (disabled, creates) {
            (true, _) => fix(format!(
                "queue {name:?} is disabled: enable it, or set queue to another one"
            )),
            (false, true) => good(format!(
                "queue {name:?} is there, and tickets may be created in it"
            )),
            (false, false) => fix(format!(
                "tickets may not be created in queue {name:?}: grant the account CreateTicket there"
            )),
        }]);
    }
    let [all, ..] = rest else {
        let fields = [("fields", "Name"), ("per_page", "100")];
        return asked(get("queues/all".to_owned(), &fields));
    };
    let names: Vec<String> = items(&json_of(all)?)
        .map(|q| name_of(q, "Name"))
        .filter(|n| !n.is_empty())
        .collect();
    over([match names.is_empty() {
        false => fix(format!(
            "queue {name:?} does not exist, or is hidden from us: set queue to one of {}, or create it, or grant the account SeeQueue",
            some(&names)
        )),
        true => fix(format!(
            "queue {name:?} is not there, nor do we see any other: create it, or grant the account SeeQueue"
        )),
    }])
}

fn is_link(link: &Value, to: &str) -> bool {
    link.get("ref").and_then(Value::as_str) == Some(to)
}

/// Names and ids of custom fields, with the answers that follow.
type Fields<'r> = (Vec<(String, Option<String>)>, &'r [Response]);

/// The custom fields of the queue, or what is asked for them; `None` where there is no queue, which is told already.
fn fields_of<'r>(
    s: &ItsmSettings,
    got: &'r [Response],
) -> Result<Option<Result<Fields<'r>, Answer>>, Refusal> {
    let [queue, rest @ ..] = got else {
        let path = format!("queue/{}", encode(s.options.text("queue")));
        return Ok(Some(Err(asked(get(path, &[])))));
    };
    let Some(queue) = found(queue)? else {
        return Ok(None);
    };
    let named = ticket_fields(&queue).map(|f| (name_of(f, "name"), id_of(f.get("id"))));
    let named: Vec<_> = named.collect();
    if !named.is_empty() {
        return Ok(Some(Ok((named, rest))));
    }
    let [fields, rest @ ..] = rest else {
        let path = format!(
            "queue/{}/customfields",
            id_of(queue.get("id")).unwrap_or_default()
        );
        let query = [("fields", "Name"), ("per_page", "100")];
        return Ok(Some(Err(asked(get(path, &query)))));
    };
    let body = json_of(fields)?;
    let all = items(&body).map(|f| (name_of(f, "Name"), id_of(f.get("id"))));
    Ok(Some(Ok((all.collect(), rest))))
}

fn fields(s: &ItsmSettings, _: &Facts, got: &[Response]) -> Answer {
    let fields = match fields_of(s, got)? {
        None => return over([]),
        Some(Err(ask)) => return ask,
        Some(Ok((fields, _))) => fields,
    };
    let names: Vec<String> = fields.into_iter().map(|(name, _)| name).collect();
    let queue = s.options.text("queue");
    if names.is_empty() {
        return over([unknown(format!(
            "whether queue {queue:?} has the custom fields: the account sees none; grant it SeeCustomField, and put {:?} on the queue if it is not",
            s.options.text("key_field")
        ))]);
    }
    let one = |option: &str| {
        let name = s.options.text(option);
        let leave = match option {
            "key_field" => String::new(),
            _ => format!(", or set {option} to \"\""),
        };
        match names.iter().any(|n| n == name) {
            _ if name.is_empty() => None,
            true => None,
            false => Some(fix(format!(
                "queue {queue:?} has no custom field {name:?} ({option}); it has {}: put it on the queue{leave}",
                some(&names)
            ))),
        }
    };
    let mut out: Vec<Finding> = [
        "key_field",
        "root_ci_field",
        "severity_field",
        "services_field",
        "count_field",
    ]
    .into_iter()
    .filter_map(one)
    .collect();
    if out.is_empty() {
        out.push(good("all custom fields that are written are on the queue"));
    }
    over(out)
}

/// A value that is not in the list of a field is dropped silently.
fn severities(s: &ItsmSettings, _: &Facts, got: &[Response]) -> Answer {
    let (fields, rest) = match fields_of(s, got)? {
        None => return over([]),
        Some(Err(ask)) => return ask,
        Some(Ok(found)) => found,
    };
    let name = s.options.text("severity_field");
    let field = fields.into_iter().find(|(n, _)| n == name);
    let Some(id) = field.and_then(|(_, id)| id) else {
        return over([]);
    };
    let [field, ..] = rest else {
        return asked(get(format!("customfield/{id}"), &[]));
    };
    let body = match json_of(field) {
        Ok(body) => body,
        Err(refusal) => {
            let why = why(refusal)?;
            return over([unknown(format!(
                "the values of custom field {name:?}: {why}"
            ))]);
        }
    };
    let Some(values) = body.get("Values").and_then(Value::as_array) else {
        return over([]); // any text is taken
    };
    let values: Vec<&str> = values.iter().filter_map(Value::as_str).collect();
    let missing: Vec<String> = Severity::ALL
        .iter()
        .map(|w| w.word())
        .filter(|w| !values.contains(w))
        .map(str::to_owned)
        .collect();
    over((!missing.is_empty()).then(|| {
        fix(format!(
            "custom field {name:?} does not take {}: add these values, make it a free text, or set severity_field to \"\"",
            some(&missing)
        ))
    }))
}

fn key(s: &ItsmSettings, _: &Facts, got: &[Response]) -> Answer {
    let field = s.options.text("key_field");
    let [none, ..] = got else {
        return asked(search(s, IMPOSSIBLE_KEY, 1));
    };
    let rows = match json_of(none) {
        Ok(body) => items(&body).count(),
        Err(refusal) => {
            let why = why(refusal)?;
            return over([fix(format!("tickets cannot be searched: {why}"))]);
        }
    };
    over([match rows {
        // A field that does not exist finds none either: the list of fields proves it.
        0 => good("tickets can be searched, and a key that no ticket carries is not found"),
        _ => fix(format!(
            "a search by {field:?} for a key that no ticket carries finds tickets: is it a custom field of tickets (key_field)?"
        )),
    }])
}

/// What may be done with a ticket that is there.
fn ways(s: &ItsmSettings, _: &Facts, got: &[Response]) -> Answer {
    let queue = s.options.text("queue");
    let [newest, rest @ ..] = got else {
        let query = format!("Queue = '{}'", quote(queue));
        let order = [
            ("query", query.as_str()),
            ("fields", "Status"),
            ("per_page", "1"),
            ("orderby", "id"),
            ("order", "DESC"),
        ];
        return asked(get("tickets".to_owned(), &order));
    };
    let rows = match json_of(newest) {
        Ok(rows) => rows,
        Err(refusal) => return why(refusal).and_then(|_| over([])), // told by the search for a key
    };
    let Some(id) = items(&rows).find_map(|t| id_of(t.get("id"))) else {
        return over([unknown(format!(
            "whether notes may be written and the statuses exist: we see no ticket in queue {queue:?} to look at"
        ))]);
    };
    let [ticket, ..] = rest else {
        return asked(read(&id));
    };
    let ticket = match json_of(ticket) {
        Ok(ticket) => ticket,
        Err(refusal) => {
            let why = why(refusal)?;
            return over([fix(format!(
                "ticket {id} is found and cannot be read ({why}): grant the account ShowTicket"
            ))]);
        }
    };
    let links: Vec<&Value> = ticket
        .get("_hyperlinks")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .collect();
    let notes = match links.iter().any(|l| is_link(l, "comment")) {
        true => good("notes may be written"),
        false => fix(format!(
            "notes may not be written on ticket {id}: grant the account CommentOnTicket on queue {queue:?}"
        )),
    };
    let status = name_of(&ticket, "Status");
    let (resolved, open) = (
        s.options.text("resolved_status"),
        s.options.text("open_status"),
    );
    let wanted = match same_user(&status, resolved) {
        true => open,
        false => resolved,
    };
    let offered: Vec<String> = links
        .iter()
        .filter(|l| is_link(l, "lifecycle"))
        .map(|l| name_of(l, "to"))
        .collect();
    let way = match listed("status", "", wanted, &offered) {
        Finding::Good(_) => good(format!(
            "from status {status:?} a ticket may go to {wanted:?}"
        )),
        Finding::Fix(_) | Finding::Unknown(_) => unknown(format!(
            "whether a ticket may go from status {status:?} to {wanted:?}: its pages do not offer it, and the lifecycle of queue {queue:?} may or may not"
        )),
    };
    over([notes, way])
}
