//! What a ticket's columns shall hold: references looked up by name, groups, impact and urgency.

use super::Verdict;
use super::wire::*;
use crate::itsm::fill::Values;
use crate::itsm::{Content, Facts, ItsmSettings, Next, Refusal};
use crate::model::Response;
use serde_json::{Map, Value};

/// Groups that are asked for at once: a longer address is refused (414).
const MAX_GROUPS: usize = 150;
/// Columns that `fields` may not set: what people read, what the tool computes, what we set ourselves.
const NEVER: [&str; 5] = ["comments", "priority", "work_notes", "state", "number"];
/// Columns that tie tickets together so that the tool moves one with the other.
const PARENTS: [&str; 2] = ["parent", "parent_incident"];

/// What the settings say that cannot be right.
pub(super) fn checked(s: &ItsmSettings) -> Result<(), Refusal> {
    let stop = |text: String| Err(Refusal::Stop(text));
    let groups = s.options.map("groups").into_iter().flatten();
    let groups = groups.map(|(name, id)| (format!("groups.{name:?}"), id.as_str()));
    let one = |name: &str| (name.to_owned(), s.options.text(name));
    for (name, id) in groups.chain([one("caller"), one("default_group")]) {
        if !is_sys_id(id) {
            return stop(format!(
                "{name}: {id:?} is no sys_id (32 hexadecimal digits)"
            ));
        }
    }
    for name in ["impact", "urgency"] {
        for (priority, level) in s.options.map(name).into_iter().flatten() {
            if !matches!(level.as_str(), "1" | "2" | "3") {
                return stop(format!("{name}.{priority}: {level:?} is none of 1, 2, 3"));
            }
        }
    }
    let link = s.options.text("link_field");
    if PARENTS.contains(&link) {
        return stop(format!(
            "link_field: {link:?} would let the tool reopen and resolve duplicates with each other"
        ));
    }
    let fields = s.options.map("fields").into_iter().flatten();
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    for (name, _) in fields {
        if NEVER.contains(&name.as_str()) || name.is_empty() || !name.bytes().all(plain) {
            return stop(format!("fields.{name:?}: not a column that can be set"));
        }
    }
    Ok(())
}

/// The default group and those of `groups`.
pub(super) fn all_groups(s: &ItsmSettings) -> Vec<&str> {
    let more = s.options.map("groups").into_iter().flatten();
    let more = more.map(|(_, id)| id.as_str());
    let first = s.options.text("default_group");
    std::iter::once(first)
        .chain(more)
        .take(MAX_GROUPS)
        .collect()
}

pub(super) fn groups(s: &ItsmSettings) -> Verdict {
    let query = format!("sys_idIN{}", all_groups(s).join(","));
    let limit = u32::try_from(MAX_GROUPS).unwrap_or(u32::MAX);
    list("sys_user_group", &query, "sys_id,name,active", limit)
}

/// Groups of ours that cannot be assigned to; the default group must not be among them.
pub(super) fn inactive(s: &ItsmSettings, found: &Response) -> Result<Vec<String>, Refusal> {
    let all = rows(found).map_err(stop_if_rejected("default_group"))?;
    let active = |id: &&str| {
        let row = all
            .iter()
            .find(|r| field(r, "sys_id").eq_ignore_ascii_case(id));
        row.is_some_and(|r| matches!(field(r, "active"), "true" | "1"))
    };
    let default = s.options.text("default_group");
    if !active(&default) {
        return Err(Refusal::Stop(format!(
            "default_group {default:?} is no active group, or hidden from us"
        )));
    }
    let not = all_groups(s).into_iter().filter(|id| !active(id));
    Ok(not.map(str::to_owned).collect())
}

/// A column that refers to a record that we know by name.
pub(super) struct Reference {
    column: &'static str,
    table: String,
    name: String,
}

/// What became of a [`Reference`]: the column, and the sys_id or what is wrong.
pub(super) struct Looked {
    column: &'static str,
    found: Result<String, String>,
}

/// The CI and the most critical service, where there are any.
pub(super) fn references(s: &ItsmSettings, content: &Content) -> Vec<Reference> {
    let service = content.services.first().cloned().unwrap_or_default();
    [
        ("cmdb_ci", "ci_table", content.ci.clone()),
        ("business_service", "service_table", service),
    ]
    .into_iter()
    .map(|(column, option, name)| Reference {
        column,
        table: s.options.text(option).to_owned(),
        name,
    })
    .filter(|r| !r.table.is_empty() && !r.name.is_empty())
    .collect()
}

impl Reference {
    fn is_asked(&self) -> bool {
        !is_sys_id(&self.name) && !odd(&self.name)
    }

    fn ask(&self, s: &ItsmSettings) -> Verdict {
        let query = match s.options.text("ci_query") {
            "" => format!("name={}", self.name),
            more => format!("name={}^{more}", self.name),
        };
        list(&self.table, &query, "sys_id,name", 10)
    }

    /// The sys_id of the one record of exactly this name.
    fn judge(&self, found: &Response) -> Result<Result<String, String>, Refusal> {
        let (name, column) = (&self.name, self.column);
        let all = match rows(found) {
            Ok(all) => all,
            // A ticket without a CI is better than none.
            Err(Refusal::Reject(why)) => {
                return Ok(Err(format!("{column} is left empty: {name:?}: {why}")));
            }
            Err(other) => return Err(other),
        };
        let mut same = all.iter().filter(|row| field(row, "name") == name);
        Ok(match (same.next(), same.next()) {
            (Some(one), None) if is_sys_id(field(one, "sys_id")) => {
                Ok(field(one, "sys_id").to_owned())
            }
            (Some(_), Some(_)) => Err(format!(
                "{column} is left empty: {} has several records {name:?}; ci_query may tell them apart",
                self.table
            )),
            (Some(_) | None, _) => Err(format!(
                "{column} is left empty: {} has no record {name:?}",
                self.table
            )),
        })
    }
}

/// How far the look-ups are.
pub(super) enum Looking<'a> {
    /// This one comes next.
    Ask(Next),
    /// What came of them, and the answers after theirs.
    Over(Vec<Looked>, &'a [Response]),
}

/// Goes through the answers to look-ups.
pub(super) fn with_references<'a>(
    s: &ItsmSettings,
    asked: &[Reference],
    got: &'a [Response],
) -> Result<Looking<'a>, Refusal> {
    let mut rest = got;
    let mut looked = Vec::new();
    for reference in asked {
        let found = if is_sys_id(&reference.name) {
            Ok(reference.name.clone())
        } else if !reference.is_asked() {
            let (column, name) = (reference.column, &reference.name);
            Err(format!(
                "{column} is left empty: {name:?} is no name to search for"
            ))
        } else if let Some((first, more)) = rest.split_first() {
            rest = more;
            reference.judge(first)?
        } else {
            return reference.ask(s).map(Looking::Ask);
        };
        looked.push(Looked {
            column: reference.column,
            found,
        });
    }
    Ok(Looking::Over(looked, rest))
}

/// The group that a ticket shall have, and what is wrong with the one that was wished for.
fn group<'a>(
    s: &'a ItsmSettings,
    facts: &Facts,
    content: &'a Content,
) -> (&'a str, Option<String>) {
    let default = s.options.text("default_group");
    let wished = content.group.as_str();
    let mapped = s.options.map_get("groups", wished);
    let id = mapped.or(Some(wished).filter(|w| is_sys_id(w)));
    match id {
        None if wished.is_empty() => (default, None),
        None => {
            let text = format!("group {wished:?} is not in groups: default_group is taken");
            (default, Some(text))
        }
        Some(id) if !facts.get(&format!("inactive:{id}")).is_empty() => {
            let text = format!("group {wished:?} is not active: default_group is taken");
            (default, Some(text))
        }
        Some(id) => (id, None),
    }
}

/// Impact or urgency of a priority.
fn level(s: &ItsmSettings, option: &str, content: &Content) -> i64 {
    let level = s.options.map_get(option, &content.priority);
    let level = level.and_then(|l| l.parse().ok()).unwrap_or(3);
    match option {
        "impact" => s.options.integer("max_auto_impact").max(level),
        _ => level,
    }
}

/// The columns of a new ticket, and what could not be said.
pub(super) fn new_ticket(
    s: &ItsmSettings,
    facts: &Facts,
    key: &str,
    content: &Content,
    looked: &[Looked],
) -> (Map<String, Value>, Vec<String>) {
    let (group, wrong) = group(s, facts, content);
    let mut dropped: Vec<String> = wrong.into_iter().collect();
    let values = Values::of(s, key, content);
    let fields = s.options.map("fields").into_iter().flatten();
    let mut out: Map<String, Value> = fields
        .map(|(name, value)| (name.clone(), values.text(value, str::to_owned).into()))
        .collect();
    let (impact, urgency) = (level(s, "impact", content), level(s, "urgency", content));
    out.extend(body(&[
        (KEY, key),
        ("correlation_display", s.options.text("correlation_display")),
        ("short_description", &content.title),
        ("description", &content.description),
        ("impact", &impact.to_string()),
        ("urgency", &urgency.to_string()),
        ("caller_id", s.options.text("caller")),
        ("assignment_group", group),
    ]));
    for column in ["category", "subcategory"] {
        if let Some(value) = s.options.map_get(column, &content.class) {
            out.extend(body(&[(column, value)]));
        }
    }
    let contact = s.options.text("contact_type");
    if !contact.is_empty() {
        out.extend(body(&[("contact_type", contact)]));
    }
    if !content.watch.is_empty() {
        // D: a list of references, to the wire a text with commas; K: mail addresses may stand in it.
        out.extend(body(&[("watch_list", &content.watch.join(","))]));
    }
    for reference in looked {
        match &reference.found {
            Ok(id) => out.extend(body(&[(reference.column, id)])),
            Err(why) => dropped.push(why.clone()),
        }
    }
    (out, dropped)
}

/// The columns of an untouched ticket that shall change. Impact and urgency only rise; a group is replaced
/// only if it is one of ours, because a rule of the tool may have found a better one.
pub(super) fn changes(
    s: &ItsmSettings,
    facts: &Facts,
    content: &Content,
    looked: &[Looked],
    now: &Value,
) -> Map<String, Value> {
    let mut out = Map::new();
    let mut set = |column: &str, value: &str| {
        if field(now, column) != value {
            out.insert(column.to_owned(), Value::from(value));
        }
    };
    set("short_description", &content.title);
    set("description", &content.description);
    if !content.watch.is_empty() {
        set("watch_list", &content.watch.join(","));
    }
    for option in ["impact", "urgency"] {
        let wanted = level(s, option, content);
        let current = field(now, option).parse().unwrap_or(i64::MAX);
        set(option, &wanted.min(current).to_string());
    }
    for reference in looked {
        if let Ok(id) = &reference.found {
            set(reference.column, id);
        }
    }
    let current = field(now, "assignment_group");
    let (group, _) = group(s, facts, content);
    if current.is_empty() || all_groups(s).contains(&current) {
        set("assignment_group", group);
    }
    out
}

/// Columns that were written and stand empty, or that must be ours and are not.
pub(super) fn not_taken(
    s: &ItsmSettings,
    facts: &Facts,
    written: &Map<String, Value>,
    row: &Value,
) -> Vec<String> {
    let constant = |name: &str| s.options.map_get("fields", name).is_some();
    let read = |name: &str| matches!(name, "cmdb_ci" | "business_service" | "assignment_group");
    let empty = written
        .iter()
        .filter(|(name, value)| (constant(name) || read(name)) && value.as_str() != Some(""))
        .filter(|(name, _)| field(row, name).is_empty())
        .map(|(name, _)| format!("column {name} did not take its value"));
    let mut out: Vec<String> = empty.collect();
    if let Some(key) = written.get(KEY).and_then(Value::as_str) {
        for column in ["sys_updated_by", "assigned_to"] {
            if row.get(column).is_none_or(Value::is_null) {
                out.push(format!(
                    "column {column} is hidden from us: we do not see that a person has a ticket"
                ));
            }
        }
        let by = field(row, "sys_created_by");
        if field(row, KEY) != key {
            out.push("column correlation_id did not take its value".to_owned());
        }
        if !is_us(s, facts, by) {
            out.push(format!(
                "the ticket was created by {by:?}, which is not our account: set account, or we do not know our own tickets again"
            ));
        }
    }
    out
}
