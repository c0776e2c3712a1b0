//! Kind `servicenow`: incidents over the Table API, version 2.
//!
//! What the steps below rest on. D: the vendor's documentation (`c_TableAPI`, `r_RESTAPIHTTPResponseCodes`,
//! `inbound-REST-API-rate-limiting`, `reopening-incident`); K: known from use and not proven here, therefore
//! behind a key of the configuration or checked on every answer.
//! * D: clauses of a query that are invalid, or name a column that an ACL hides, are ignored: the answer is
//!   then *other rows*. `Probe` searches for a key that nobody carries, and every row is compared here.
//! * D: version 2 answers 200 with no rows where version 1 answers 404; rows that an ACL hides are taken out
//!   after the limit was applied. K: `X-Total-Count` counts them all the same, so a ticket is always read by
//!   a query: "none" and "none that you may see" differ.
//! * D: JSON needs `Accept` and `Content-Type`; `priority` is computed from impact and urgency; a resolved
//!   incident can be opened again, a closed one cannot; 403 may be a data policy.
//! * K: a reference that names nothing is stored empty, not refused; unknown columns are dropped: what was
//!   created is read back, by its key, which proves that the key can be searched.
//! * K: a value that begins with `javascript:` is executed in a query: such names are never looked up.
//! * K: rules of the tool change tickets seconds later as user `system`: that is no person's hand.
//! * There is no uniqueness and no conditional write. The read that decides stands right before the write.
//!
//! A ticket's id is `NUMBER#SYS_ID`: people are shown the number ([`super::shown`]), requests go by the
//! sys_id, which nobody can give to a second record.
//!
//! A category by CI class is set at the create only, and so is a constant one in `fields`. A group that is neither
//! empty nor one of ours is left alone.

mod affected;
mod fields;
mod poll;
mod selftest;
mod wire;

use super::wire::made_by;
use super::{
    Content, Facts, Hit, IMPOSSIBLE_KEY, Itsm, ItsmSettings, Limits, Markup, Next, Promise,
    Refusal, Reply, Seen, Step, TicketState,
};
use crate::config::keys::{Key, KeyKind, Preset, key};
use crate::model::{Millis, Response};
use fields::{
    Looking, changes, groups, inactive, new_ticket, not_taken, references, with_references,
};
use serde_json::{Map, Value};
use wire::*;

const REQUIRED: Preset = Preset::Required;

const fn text(name: &'static str, default: Preset, doc: &'static str) -> Key {
    key(name, KeyKind::Text, default, doc)
}

/// The row of this kind.
#[rustfmt::skip]
pub const ITSM: Itsm = Itsm {
    kind: "servicenow",
    keys: &[
        text("account", REQUIRED, "our own user (user_name or sys_id); what others change is a person's hand"),
        text("caller", REQUIRED, "sys_id of the user that stands as caller; best a user of its own without a mail address"),
        text("default_group", REQUIRED, "sys_id of the assignment group where we know no better one"),
        key("groups", KeyKind::Map, Preset::Toml("{}"), "sys_id of further assignment groups by the name that the CMDB gives them"),
        text("table", Preset::Toml("\"incident\""), "the table that tickets are opened in"),
        text("contact_type", Preset::Toml("\"monitoring\""), "contact type of a new ticket; \"\" leaves it out"),
        key("impact", KeyKind::Map, Preset::Toml("{ P1 = \"1\", P2 = \"2\", P3 = \"2\", P4 = \"3\" }"), "impact by our priority"),
        key("urgency", KeyKind::Map, Preset::Toml("{ P1 = \"1\", P2 = \"1\", P3 = \"2\", P4 = \"2\" }"), "urgency by our priority; the tool makes its priority of both"),
        key("max_auto_impact", KeyKind::Integer(1, 3), Preset::Toml("2"), "highest impact that is set; 1 permits tickets of the tool's priority 1"),
        text("correlation_display", Preset::Toml("\"correlated\""), "how we are named beside the correlation key"),
        text("close_code", Preset::Toml("\"Solution provided\""), "close code of a ticket that we resolve; one of the instance's own list"),
        key("new_states", KeyKind::List, Preset::Toml("[\"1\"]"), "states of a ticket that nobody works on, those included that rules of the tool put it in"),
        text("in_progress_state", Preset::Toml("\"2\""), "state of a ticket that is opened again"),
        key("on_hold_states", KeyKind::List, Preset::Toml("[\"3\"]"), "states of a ticket that waits"),
        text("resolved_state", Preset::Toml("\"6\""), "state of a ticket that is over"),
        key("closed_states", KeyKind::List, Preset::Toml("[\"7\", \"8\"]"), "states of a ticket that is over for good: closed, canceled"),
        key("automation_accounts", KeyKind::List, Preset::Toml("[\"system\"]"), "users whose changes are no person's: rules and jobs of the tool"),
        text("ci_table", Preset::Toml("\"cmdb_ci\""), "table in which the CI is looked up by name; \"\" leaves the CI out"),
        text("service_table", Preset::Toml("\"cmdb_ci_service\""), "table in which the most critical service is looked up by name; \"\" leaves it out"),
        text("ci_query", Preset::Toml("\"\""), "further conditions of both look-ups, as install_status!=7"),
        text("link_field", Preset::Toml("\"\""), "reference column that names the ticket that goes on, in a duplicate and after a merge; \"\" leaves it to the notes"),
        key("affected_cis", KeyKind::Bool, Preset::Toml("true"), "up to 50 alerting CIs are added to the ticket's own table of them (task_ci), none is removed"),
        key("category", KeyKind::Map, Preset::Toml("{}"), "category of a new ticket by the class of its CI, as { server = \"hardware\" }"),
        key("subcategory", KeyKind::Map, Preset::Toml("{}"), "subcategory, likewise"),
        key("fields", KeyKind::Map, Preset::Toml("{}"), "further columns of a new ticket with their values, as { u_origin = \"monitoring\" }; {{...}} is filled in, so that { incident = \"{{main_id}}\" } makes tasks of the incident's own ticket in table incident_task"),
    ],
    limits: Limits {
        title: 100,
        description: 4000,
        note: 4000,
        // K: the tool ends a transaction of the Table API after 60 s.
        settle: Millis::secs(90),
        reopens: true,
        markup: Markup::CodeTags,
    },
    promise: Promise::Once,
    watches: true,
    links: |s| !s.options.text("link_field").is_empty(),
    next,
    poll: Some(poll::poll),
    hint: None,
    selftest: Some(selftest::SELFTEST),
};

/// Rows asked for in a search by key; there should be one.
const HITS: u32 = 10;

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
        Step::Find { key, .. } => find(s, facts, key, got),
        Step::Create { key, content } => create(s, facts, key, content, got),
        Step::Update { id, content } => update(s, facts, id, content, got),
        Step::Note { id, text, .. } => note(s, facts, id, text, got),
        Step::Resolve {
            id,
            text,
            unless_touched,
        } => resolve(s, facts, id, text, *unless_touched, got),
        Step::Reopen { id, text } => reopen(s, facts, id, text, got),
        Step::Link { id, other } => link(s, facts, id, other, got),
        Step::Read { id } => match got {
            [] => read(s, id),
            [now, ..] => Ok(Next::Done(Reply::State(seen(s, facts, id, now)?))),
        },
    }
}

/// Our user, a search that must find nothing, the groups, the caller.
fn probe(s: &ItsmSettings, got: &[Response]) -> Verdict {
    let (account, caller) = (s.options.text("account"), s.options.text("caller"));
    match got {
        [] => {
            fields::checked(s)?;
            user(account)
        }
        [me] => {
            user_in(me, "account", account)?;
            search(s, IMPOSSIBLE_KEY)
        }
        [_, none] => {
            let found = rows(none).map_err(stop_if_rejected("the search for tickets"))?;
            match found.is_empty() {
                true => groups(s),
                false => Err(Refusal::Stop(not_searchable(IMPOSSIBLE_KEY))),
            }
        }
        [_, _, groups] => {
            inactive(s, groups)?;
            user(caller)
        }
        [me, _, groups, person, batch @ ..] => {
            user_in(person, "caller", caller)?;
            let me = user_in(me, "account", account)?;
            let mut facts = Facts::default();
            for (name, column) in [("account_name", "user_name"), ("account_id", "sys_id")] {
                facts
                    .0
                    .insert(name.to_owned(), field(&me, column).to_owned());
            }
            for group in inactive(s, groups)? {
                facts
                    .0
                    .insert(format!("inactive:{group}"), "yes".to_owned());
            }
            Ok(affected::probe(s, facts, batch))
        }
    }
}

fn not_searchable(key: &str) -> String {
    format!(
        "the search for {key} answers other tickets, so correlation_id seems not searchable for us and none can be told from another; let our user read that column, or set glide.invalid_query.returns_no_rows"
    )
}

fn find(s: &ItsmSettings, facts: &Facts, key: &str, got: &[Response]) -> Verdict {
    let [found, ..] = got else {
        return search(s, key);
    };
    let all = rows(found)?;
    let mut hits = Vec::new();
    // Compared on our side: a clause that is ignored answers everything.
    for row in all.iter().filter(|row| field(row, KEY) == key) {
        let Some(id) = id_of(row) else {
            continue;
        };
        let who = field(row, "sys_created_by");
        hits.push(Hit {
            by_us: made_by(&id, who, "sys_created_by", |who| is_us(s, facts, who))?,
            id,
            key: key.to_owned(),
            seen: judge(s, facts, row)?,
        });
    }
    let hidden = total(found).is_some_and(|n| n > u64::try_from(all.len()).unwrap_or(u64::MAX));
    match () {
        () if hits.is_empty() && !all.is_empty() => Err(Refusal::Stop(not_searchable(key))),
        () if hits.is_empty() && hidden => Err(Refusal::Reject(format!(
            "a ticket carries {key} that our user may not read; a second one is not opened"
        ))),
        () => Ok(Next::Done(Reply::Found(hits))),
    }
}

fn create(
    s: &ItsmSettings,
    facts: &Facts,
    key: &str,
    content: &Content,
    got: &[Response],
) -> Verdict {
    let asked = references(s, content);
    let (looked, rest) = match with_references(s, &asked, got)? {
        Looking::Over(looked, rest) => (looked, rest),
        Looking::Ask(next) => return Ok(next),
    };
    let (body, mut dropped) = new_ticket(s, facts, key, content, &looked);
    match rest {
        [] => send("POST", s, None, &body),
        [made] => {
            made_id(made)?;
            search(s, key)
        }
        [made, found, more @ ..] => {
            let id = made_id(made)?;
            let back = match rows(found) {
                Ok(rows) => rows,
                Err(Refusal::Reject(_)) => Vec::new(),
                Err(other) => return Err(other),
            };
            let mut back = back.into_iter().filter(|row| field(row, KEY) == key);
            match back.find(|row| id_of(row).as_deref() == Some(id.as_str())) {
                Some(row) => {
                    dropped.extend(not_taken(s, facts, &body, &row));
                    let ticket = affected::Ticket {
                        id: &id,
                        seen: opened(judge(s, facts, &row)?, dropped),
                        new: true,
                        exchanged: got.len(),
                    };
                    affected::add(s, facts, content, ticket, more)
                }
                None => match more {
                    [] => read(s, &id),
                    [back, ..] => hidden(s, facts, &id, &body, dropped, back),
                },
            }
        }
    }
}

/// It is there: the create was answered with its number. People are told what is wrong with it.
fn hidden(
    s: &ItsmSettings,
    facts: &Facts,
    id: &str,
    body: &Map<String, Value>,
    mut dropped: Vec<String>,
    back: &Response,
) -> Verdict {
    let number = super::shown(id);
    dropped.push(format!(
        "ticket {number} is not found by its key, so it is not protected against a second one: may our user write and read correlation_id, and read tickets of this group"
    ));
    let seen = match row(id, back) {
        Ok(row) => {
            dropped.extend(not_taken(s, facts, body, &row));
            judge(s, facts, &row)?
        }
        Err(Refusal::Gone(_) | Refusal::Reject(_)) => Seen {
            state: TicketState::New,
            touched: false,
            owner: String::new(),
            dropped: Vec::new(),
        },
        Err(other) => return Err(other),
    };
    Ok(done(id, opened(seen, dropped)))
}

/// A create that was answered with a sys_id.
fn made_id(made: &Response) -> Result<String, Refusal> {
    id_of(&record(made)?).ok_or_else(|| retry("the create answered without a sys_id"))
}

fn opened(mut seen: Seen, dropped: Vec<String>) -> Seen {
    seen.touched = false; // nobody can have touched it before it was there
    seen.dropped = dropped;
    seen
}

/// Look-ups first: nothing stands between the read that decides and the write.
fn update(
    s: &ItsmSettings,
    facts: &Facts,
    id: &str,
    content: &Content,
    got: &[Response],
) -> Verdict {
    let asked = references(s, content);
    let (looked, rest) = match with_references(s, &asked, got)? {
        Looking::Over(looked, rest) => (looked, rest),
        Looking::Ask(next) => return Ok(next),
    };
    let [now, more @ ..] = rest else {
        return read(s, id);
    };
    let before = row(id, now)?;
    let state = judge(s, facts, &before)?;
    match state.state {
        _ if state.touched => return Ok(Next::Done(Reply::State(state))),
        TicketState::Resolved | TicketState::OnHold => {
            return Ok(Next::Done(Reply::State(state)));
        }
        TicketState::Closed => return Err(Refusal::Closed),
        TicketState::New | TicketState::Open => {}
    }
    let body = changes(s, facts, content, &looked, &before);
    let (seen, more) = match more {
        _ if body.is_empty() => (state, more),
        [] => return send("PATCH", s, Some(id), &body),
        [patch] => {
            accepted(id, patch)?;
            return read(s, id);
        }
        [_, back, more @ ..] => {
            let row = row(id, back)?;
            let mut seen = judge(s, facts, &row)?;
            seen.dropped = not_taken(s, facts, &body, &row);
            (seen, more)
        }
    };
    if seen.touched || !matches!(seen.state, TicketState::New | TicketState::Open) {
        return Ok(done(id, seen)); // a person came meanwhile: the rest is theirs
    }
    let ticket = affected::Ticket {
        id,
        seen,
        new: false,
        exchanged: got.len(),
    };
    affected::add(s, facts, content, ticket, more)
}

fn note(s: &ItsmSettings, facts: &Facts, id: &str, text: &str, got: &[Response]) -> Verdict {
    match got {
        [] => read(s, id),
        [now] => match seen(s, facts, id, now)?.state {
            TicketState::Closed => Err(Refusal::Closed),
            TicketState::New | TicketState::Open | TicketState::OnHold | TicketState::Resolved => {
                send("PATCH", s, Some(id), &body(&[("work_notes", text)]))
            }
        },
        [now, sent, ..] => {
            accepted(id, sent)?;
            Ok(done(id, seen(s, facts, id, now)?))
        }
    }
}

fn resolve(
    s: &ItsmSettings,
    facts: &Facts,
    id: &str,
    text: &str,
    unless_touched: bool,
    got: &[Response],
) -> Verdict {
    match got {
        [] => read(s, id),
        [now] => {
            let state = seen(s, facts, id, now)?;
            match state.state {
                TicketState::Resolved => return Ok(Next::Done(Reply::Already(state))),
                TicketState::Closed => return Err(Refusal::Closed),
                TicketState::New | TicketState::Open | TicketState::OnHold => {}
            }
            if unless_touched && state.touched {
                return Ok(Next::Done(Reply::State(state)));
            }
            // Close notes are what the caller may read: the first line says it.
            let first = text.lines().next().unwrap_or_default();
            let code = s.options.text("close_code");
            let mut body = body(&[
                ("state", s.options.text("resolved_state")),
                ("close_notes", first),
                ("work_notes", text),
            ]);
            if !code.is_empty() {
                body.insert("close_code".to_owned(), Value::from(code));
            }
            send("PATCH", s, Some(id), &body)
        }
        [_, sent] => match accepted(id, sent) {
            Ok(()) => read(s, id),
            // A data policy wants more than we know (an assignee, a cause): the recovery is told all the same.
            Err(Refusal::Reject(_)) => send("PATCH", s, Some(id), &body(&[("work_notes", text)])),
            Err(other) => Err(other),
        },
        [_, sent, back] => match accepted(id, sent) {
            Ok(()) => over(id, seen(s, facts, id, back)?, s),
            Err(_) => {
                accepted(id, back)?;
                read(s, id)
            }
        },
        [_, sent, _, back, ..] => {
            let mut state = seen(s, facts, id, back)?;
            if let Err(Refusal::Reject(why)) = accepted(id, sent) {
                let number = super::shown(id);
                state.dropped.push(format!(
                    "ticket {number} took the note, but is not resolved: {why}"
                ));
            }
            Ok(done(id, state))
        }
    }
}

/// After a resolve: a state that was not taken is told. The note is in; trying again would only write it again.
fn over(id: &str, mut state: Seen, s: &ItsmSettings) -> Verdict {
    if !matches!(state.state, TicketState::Resolved | TicketState::Closed) {
        let (number, wanted) = (super::shown(id), s.options.text("resolved_state"));
        state.dropped.push(format!(
            "ticket {number} took the note, but not state {wanted}: a rule of the tool, or another number in resolved_state"
        ));
    }
    Ok(done(id, state))
}

fn reopen(s: &ItsmSettings, facts: &Facts, id: &str, text: &str, got: &[Response]) -> Verdict {
    match got {
        [] => read(s, id),
        [now] => match seen(s, facts, id, now)? {
            state if state.state == TicketState::Closed => Err(Refusal::Closed),
            state if state.state == TicketState::Resolved => {
                let state = s.options.text("in_progress_state");
                let body = body(&[("state", state), ("work_notes", text)]);
                send("PATCH", s, Some(id), &body)
            }
            state => Ok(Next::Done(Reply::Already(state))),
        },
        [_, sent] => {
            accepted(id, sent)?;
            read(s, id)
        }
        [_, _, back, ..] => match seen(s, facts, id, back)? {
            // A rule of the tool keeps it where it is: the next ticket follows.
            state if matches!(state.state, TicketState::Resolved | TicketState::Closed) => {
                Err(Refusal::Closed)
            }
            state => Ok(done(id, state)),
        },
    }
}

/// A column that is meant for it. Never the parent: reopening a parent reopens its children,
/// and resolving it resolves them.
fn link(s: &ItsmSettings, facts: &Facts, id: &str, other: &str, got: &[Response]) -> Verdict {
    let other_id = sys_id(other)?;
    match got {
        [] => read(s, id),
        [now] if s.options.text("link_field").is_empty() => Ok(done(id, seen(s, facts, id, now)?)),
        [now] => {
            seen(s, facts, id, now)?;
            let column = s.options.text("link_field");
            send("PATCH", s, Some(id), &body(&[(column, other_id)]))
        }
        [now, sent, ..] => {
            accepted(id, sent)?;
            Ok(done(id, seen(s, facts, id, now)?))
        }
    }
}
