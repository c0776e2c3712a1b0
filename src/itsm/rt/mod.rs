//! Kind `rt`: Request Tracker 5 over REST 2.0.
//!
//! Facts measured on RT 5.0.3, which the steps below rest on:
//! * A create answers 201 even where a custom field is unknown or a value is outside its list: both are
//!   dropped silently. A `PUT` answers 200 and sentences even where it is refused. So every write is read
//!   back, and only fields and `Status` are believed, never a sentence.
//! * A search over an unknown custom field answers 200 with no rows, which would look like "no ticket yet":
//!   `Probe` proves that the key field exists and is on the queue.
//! * `Subject` is cut at 200 characters, silently. `Content` is the first transaction and cannot be edited
//!   afterwards: updates change the subject and the fields.
//! * A comment changes no state, unless it carries `Status`: note and state go in one call. (A correspond
//!   would reopen a resolved ticket and mail the requestor: it is never used.)
//! * A comment and its `Status` are two transactions: one may be there without the other. The `Subject` of a comment is
//!   the `Data` of its transaction, by which a note that stands there is found before it is written (again); without
//!   ShowTicketComments it is not. A request that is still under way is not in the history: so a last note of unknown
//!   outcome is looked for after a settle only (`engine::turns`), and within that it is written once.
//! * The GET of a merged ticket answers 200 with the other ticket's id.
//! * There is no uniqueness: two creates with one key make two tickets.

mod link;
mod poll;
mod selftest;
mod wire;

use super::wire::made_by;
use super::{
    Content, Facts, Hit, IMPOSSIBLE_KEY, Itsm, ItsmSettings, Limits, Markup, Next, Promise,
    Refusal, Reply, Step, TicketState,
};
use crate::config::keys::{Key, KeyKind, Preset};
use crate::model::{Millis, Response};
use serde_json::{Value, json};
use wire::*;

/// The row of this kind.
pub const ITSM: Itsm = Itsm {
    kind: "rt",
    keys: &[
        key(
            "queue",
            Preset::Required,
            "the queue that tickets are opened in",
        ),
        key(
            "account",
            Preset::Required,
            "our own user name in RT; what others change is a person's hand",
        ),
        key(
            "key_field",
            Preset::Toml("\"Correlation Key\""),
            "custom field that holds the correlation key; must be on the queue",
        ),
        key(
            "root_ci_field",
            Preset::Toml("\"Root CI\""),
            "custom field for the probable root cause; \"\" leaves it out",
        ),
        key(
            "severity_field",
            Preset::Toml("\"Severity\""),
            "custom field for the severity word; \"\" leaves it out",
        ),
        key(
            "services_field",
            Preset::Toml("\"Impacted Services\""),
            "custom field (several values) for services that do not work; \"\" leaves it out",
        ),
        key(
            "count_field",
            Preset::Toml("\"Alert Count\""),
            "custom field for the number of alerts; \"\" leaves it out",
        ),
        key(
            "resolved_status",
            Preset::Toml("\"resolved\""),
            "status of a ticket that is over",
        ),
        key(
            "open_status",
            Preset::Toml("\"open\""),
            "status of a ticket that is opened again",
        ),
        Key {
            name: "on_hold_status",
            kind: KeyKind::List,
            default: Preset::Toml("[\"stalled\"]"),
            doc: "statuses of a ticket that waits",
        },
        Key {
            name: "closed_status",
            kind: KeyKind::List,
            default: Preset::Toml("[\"rejected\", \"deleted\"]"),
            doc: "statuses of a ticket that is over for good",
        },
    ],
    limits: Limits {
        title: 200,
        description: 4000,
        note: 4000,
        settle: Millis::secs(60),
        reopens: true,
        markup: Markup::Plain,
    },
    promise: Promise::Once,
    watches: true,
    links: |_| true,
    next,
    poll: Some(poll::poll),
    hint: None,
    selftest: Some(selftest::SELFTEST),
};

const fn key(name: &'static str, default: Preset, doc: &'static str) -> Key {
    Key {
        name,
        kind: KeyKind::Text,
        default,
        doc,
    }
}

/// Rows asked for at once; RT gives no more than 100.
const PER_PAGE: u64 = 100;

fn next(settings: &ItsmSettings, facts: &Facts, step: &Step, got: &[Response]) -> Next {
    match answer(settings, facts, step, got) {
        Ok(next) => next,
        Err(refusal) => Next::Refused(refusal),
    }
}

type Verdict = Result<Next, Refusal>;

fn answer(s: &ItsmSettings, facts: &Facts, step: &Step, got: &[Response]) -> Verdict {
    match step {
        Step::Probe => probe(s, got),
        Step::Find { key, .. } => find(s, key, got),
        Step::Create { key, content } => create(s, facts, key, content, got),
        Step::Update { id, content } => update(s, facts, id, content, got),
        Step::Note { id, text, .. } => note(s, id, text, got),
        Step::Resolve {
            id,
            text,
            unless_touched,
        } => resolve(s, id, text, *unless_touched, got),
        Step::Reopen { id, text } => reopen(s, id, text, got),
        Step::Link { id, other } => link::link(s, id, other, got),
        Step::Read { id } => match got {
            [] => read(id),
            [now, ..] => Ok(Next::Done(Reply::State(seen(s, id, now)?))),
        },
    }
}

/// Queue by name, its custom fields by number, and a search that must find nothing.
fn probe(s: &ItsmSettings, got: &[Response]) -> Verdict {
    let queue = s.options.text("queue");
    match got {
        [] => get(format!("queue/{}", encode(queue)), &[]),
        [found] => {
            let body = json_of(found).map_err(stop_if_rejected(&format!("queue {queue:?}")))?;
            let id = id_of(body.get("id"))
                .ok_or_else(|| Refusal::Stop(format!("queue {queue:?} is not visible to us")))?;
            get(
                format!("queue/{id}/customfields"),
                &[("fields", "Name"), ("per_page", "100")],
            )
        }
        [queue, fields] => {
            let names = field_names(queue, fields)?;
            let field = s.options.text("key_field");
            // A user who may not see fields sees none: then the read-back of the first create is the proof, and
            // this search says at least that we may search.
            if !names.is_empty() && !names.iter().any(|n| n == field) {
                return Err(Refusal::Stop(format!(
                    "queue {:?} has no custom field {field:?}; add it, or name another one in key_field",
                    s.options.text("queue")
                )));
            }
            search(s, IMPOSSIBLE_KEY, 1)
        }
        [queue, fields, search, ..] => {
            let rows = json_of(search).map_err(stop_if_rejected("the search"))?;
            if items(&rows).next().is_some() {
                let text = format!(
                    "the search for {IMPOSSIBLE_KEY} finds tickets: key_field is not searched"
                );
                return Err(Refusal::Stop(text));
            }
            let names = field_names(queue, fields)?;
            let mut facts = Facts::default();
            for option in [
                "root_ci_field",
                "severity_field",
                "services_field",
                "count_field",
            ] {
                let name = s.options.text(option);
                if !names.is_empty() && !name.is_empty() && !names.iter().any(|n| n == name) {
                    facts.0.insert(format!("missing:{name}"), "yes".to_owned());
                }
            }
            Ok(Next::Done(Reply::Facts(facts)))
        }
    }
}

/// The custom fields of the queue, by the list of fields or by what the queue says of them.
fn field_names(queue: &Response, fields: &Response) -> Result<Vec<String>, Refusal> {
    let name = |f: &Value, name: &str| Some(f.get(name)?.as_str()?.to_owned());
    let body = json_of(fields).map_err(stop_if_rejected("its custom fields"))?;
    let listed: Vec<String> = items(&body).filter_map(|f| name(f, "Name")).collect();
    if !listed.is_empty() {
        return Ok(listed);
    }
    let queue = json_of(queue)?;
    Ok(ticket_fields(&queue)
        .filter_map(|f| name(f, "name"))
        .collect())
}

fn find(s: &ItsmSettings, key: &str, got: &[Response]) -> Verdict {
    let mut hits = Vec::new();
    for (page, response) in (1u64..).zip(got) {
        let body = json_of(response)?;
        let rows: Vec<&Value> = items(&body).collect();
        for row in &rows {
            // Compared on our side: a tool that ignores a bad clause answers everything.
            if field(row, s.options.text("key_field")) != key {
                continue;
            }
            let Some(id) = id_of(row.get("id")) else {
                continue;
            };
            let ours = s.options.text("account");
            hits.push(Hit {
                by_us: made_by(&id, &user(row, "Creator"), "Creator", |who| {
                    same_user(who, ours)
                })?,
                id,
                key: key.to_owned(),
                seen: judge(s, row)?,
            });
        }
        let full = u64::try_from(rows.len()).is_ok_and(|n| n >= PER_PAGE);
        if full && u64::try_from(got.len()) == Ok(page) {
            return search(s, key, page.saturating_add(1));
        }
    }
    match got {
        [] => search(s, key, 1),
        [_, ..] => Ok(Next::Done(Reply::Found(hits))),
    }
}

/// A text within quotes of TicketSQL.
fn quote(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\'', "\\'")
}

fn search(s: &ItsmSettings, key: &str, page: u64) -> Verdict {
    let query = format!(
        "Queue = '{}' AND 'CF.{{{}}}' = '{}'",
        quote(s.options.text("queue")),
        quote(s.options.text("key_field")),
        quote(key)
    );
    let (page, per_page) = (page.to_string(), PER_PAGE.to_string());
    get(
        "tickets".to_owned(),
        &[
            ("query", &query),
            (
                "fields",
                "Subject,Status,Creator,LastUpdatedBy,Owner,CustomFields",
            ),
            ("per_page", &per_page),
            ("page", &page),
            ("orderby", "id"),
        ],
    )
}

fn create(
    s: &ItsmSettings,
    facts: &Facts,
    key: &str,
    content: &Content,
    got: &[Response],
) -> Verdict {
    match got {
        [] => {
            let mut fields = custom_fields(s, facts, content);
            fields.insert(s.options.text("key_field").to_owned(), Value::from(key));
            let body = json!({
                "Queue": s.options.text("queue"),
                "Subject": content.title,
                "Content": content.description,
                "ContentType": "text/plain",
                "CustomFields": fields,
            });
            let body = with_watchers(body, content);
            send("POST", "ticket".to_owned(), &body, None)
        }
        [made] => {
            let body = json_of(made)?;
            let id =
                id_of(body.get("id")).ok_or_else(|| retry("the create answered without an id"))?;
            read(&id)
        }
        [made, back, ..] => {
            let id = id_of(json_of(made)?.get("id")).unwrap_or_default();
            let body = json_of(back)?;
            let key_field = s.options.text("key_field");
            let mut seen = judge(s, &body)?;
            seen.touched = false; // nobody can have touched it before it was there
            seen.dropped = dropped(s, facts, content, &body);
            if field(&body, key_field) != key {
                // The ticket is known by its number now; but one whose answer is lost could not be found.
                seen.dropped.push(format!(
                    "ticket {id} does not carry its key, so it is not protected against a second one: is custom field {key_field:?} on the queue, and may our user set it (SetInitialCustomField)"
                ));
            }
            Ok(Next::Done(Reply::Done {
                id,
                read_back: seen,
            }))
        }
    }
}

/// Those who watch are AdminCc: they read comments, which requestors and Cc do not. A list replaces the one before, also
/// of addresses that no user has (seen on RT 5.0.3).
fn with_watchers(mut body: Value, content: &Content) -> Value {
    if let (false, Some(map)) = (content.watch.is_empty(), body.as_object_mut()) {
        map.insert("AdminCc".to_owned(), Value::from(content.watch.clone()));
    }
    body
}

fn update(
    s: &ItsmSettings,
    facts: &Facts,
    id: &str,
    content: &Content,
    got: &[Response],
) -> Verdict {
    match got {
        [] => read(id),
        [now] => {
            let state = seen(s, id, now)?;
            match state.state {
                _ if state.touched => return Ok(Next::Done(Reply::State(state))),
                TicketState::Resolved | TicketState::OnHold => {
                    return Ok(Next::Done(Reply::State(state)));
                }
                TicketState::Closed => return Err(Refusal::Closed),
                TicketState::New | TicketState::Open => {}
            }
            let body = json!({
                "Subject": content.title,
                "CustomFields": custom_fields(s, facts, content),
            });
            let body = with_watchers(body, content);
            // With the ETag of what we just judged: a person who was faster wins.
            send("PUT", format!("ticket/{id}"), &body, now.header("etag"))
        }
        [_, put] if put.status == 412 => Err(retry("the ticket changed in between")),
        [_, put] => {
            json_of(put)?;
            read(id)
        }
        [_, _, back, ..] => {
            let mut state = seen(s, id, back)?;
            state.dropped = dropped(s, facts, content, &json_of(back)?);
            Ok(done(id, state))
        }
    }
}

fn note(s: &ItsmSettings, id: &str, text: &str, got: &[Response]) -> Verdict {
    match got {
        [] => past(id),
        // Read first: a note must not go to the ticket that ours was merged into without our knowing.
        [_] => read(id),
        [past, now] => match seen(s, id, now)? {
            state if state.state == TicketState::Closed => Err(Refusal::Closed),
            state if is_said(s, past, text)? => Ok(done(id, state)),
            _ => comment(id, text, None),
        },
        [_, now, sent, ..] => {
            accepted(sent)?;
            Ok(done(id, seen(s, id, now)?))
        }
    }
}

fn resolve(
    s: &ItsmSettings,
    id: &str,
    text: &str,
    unless_touched: bool,
    got: &[Response],
) -> Verdict {
    match got {
        [] => past(id),
        [_] => read(id),
        [past, now] => {
            let state = seen(s, id, now)?;
            match state.state {
                TicketState::Resolved => return Ok(Next::Done(Reply::Already(state))),
                TicketState::Closed => return Err(Refusal::Closed),
                TicketState::New | TicketState::Open | TicketState::OnHold => {}
            }
            if unless_touched && state.touched {
                return Ok(Next::Done(Reply::State(state)));
            }
            let status = s.options.text("resolved_status");
            match is_said(s, past, text)? {
                true => send(
                    "PUT",
                    format!("ticket/{id}"),
                    &json!({ "Status": status }),
                    None,
                ),
                false => comment(id, text, Some(status)),
            }
        }
        [_, _, sent] => {
            accepted(sent)?;
            read(id)
        }
        [_, _, _, back, ..] => {
            let mut state = seen(s, id, back)?;
            let over = matches!(state.state, TicketState::Resolved | TicketState::Closed);
            if !over {
                // The note is in: trying again would only write it again. People are told instead.
                state.dropped.push(format!(
                    "ticket {id} took the note but not the status {:?}; open dependencies, or a lifecycle without that step",
                    s.options.text("resolved_status")
                ));
            }
            Ok(done(id, state))
        }
    }
}

fn reopen(s: &ItsmSettings, id: &str, text: &str, got: &[Response]) -> Verdict {
    match got {
        [] => read(id),
        [now] => match seen(s, id, now)? {
            state if state.state == TicketState::Closed => Err(Refusal::Closed),
            state if state.state == TicketState::Resolved => {
                comment(id, text, Some(s.options.text("open_status")))
            }
            state => Ok(Next::Done(Reply::Already(state))),
        },
        [_, sent] => {
            accepted(sent)?;
            read(id)
        }
        [_, _, back, ..] => match seen(s, id, back)? {
            // A lifecycle without a way back: the next ticket follows.
            state if matches!(state.state, TicketState::Resolved | TicketState::Closed) => {
                Err(Refusal::Closed)
            }
            state => Ok(done(id, state)),
        },
    }
}
