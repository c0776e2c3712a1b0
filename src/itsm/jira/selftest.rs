//! What Jira is asked by `check --online`.
//!
//! D (OpenAPI of both): `mypermissions` says for a project what we may do; the fields of an issue type at its create
//! come with `required`, `hasDefaultValue` and `allowedValues`; the statuses of a project come by issue type. The
//! ways between statuses are known of an issue only. K: JQL with a field that does not exist is refused with 400.

use super::super::wire::*;
use super::wire::{Jira, told};
use crate::itsm::selftest::{
    Answer, Finding, Question, SelfTest, fix, good, listed, over, searched, send, some, unknown,
    why,
};
use crate::itsm::{Facts, IMPOSSIBLE_KEY, ItsmSettings};
use crate::model::Response;
use serde_json::Value;

const UNSEEN: &[&str] = &[
    "which steps the workflow offers us from one status to another: that is told of an issue only, and looked up each time",
];
const RIGHTS: &str = "in the project Browse Projects, Create Issues, Edit Issues, Add Comments, Transition Issues, Resolve Issues, Link Issues; an agent's licence where the project is one of service management; no admin role";

/// The questions of one of the two kinds.
struct Of<const CLOUD: bool>;

impl<const CLOUD: bool> Of<CLOUD> {
    const QUESTIONS: &'static [Question] = &[
        |s, facts, got| login(Self::jira(s, facts), got),
        |s, facts, got| key(Self::jira(s, facts), got),
        |s, facts, got| screen(Self::jira(s, facts), got),
        |s, facts, got| statuses(Self::jira(s, facts), got),
        |s, facts, got| rights(Self::jira(s, facts), got),
        |s, facts, got| links(Self::jira(s, facts), got),
        |s, facts, got| resolution(Self::jira(s, facts), got),
    ];

    fn jira<'a>(s: &'a ItsmSettings, facts: &'a Facts) -> Jira<'a> {
        let cloud = CLOUD;
        Jira { s, facts, cloud }
    }
}

pub(super) const CLOUD: SelfTest = SelfTest {
    questions: Of::<true>::QUESTIONS,
    unseen: UNSEEN,
    rights: RIGHTS,
};

pub(super) const DATA_CENTER: SelfTest = SelfTest {
    questions: Of::<false>::QUESTIONS,
    ..CLOUD
};

fn login(jira: Jira<'_>, got: &[Response]) -> Answer {
    let [me, ..] = got else {
        return send(get(&jira.api("myself"), &[]));
    };
    let me = json_of(me, told)?;
    over([match jira.account(&me).as_str() {
        "" => fix("the login is that of nobody: is the secret still good?"),
        account => good(format!(
            "login works as {account:?} ({})",
            one_line(&word(&me, "displayName"))
        )),
    }])
}

fn key(jira: Jira<'_>, got: &[Response]) -> Answer {
    let [none, rest @ ..] = got else {
        return send(jira.search(IMPOSSIBLE_KEY)?);
    };
    let rows = match json_of(none, told) {
        Ok(body) => list(&body, "issues").count(),
        Err(refusal) => {
            let why = why(refusal)?;
            return over([fix(format!(
                "tickets cannot be searched: {why}: is project right, and may our user browse it?"
            ))]);
        }
    };
    let [nonsense, ..] = rest else {
        let mut request = jira.search(IMPOSSIBLE_KEY)?;
        for (name, value) in &mut request.query {
            if name == "jql" {
                *value = value.replace("labels =", "correlated_no_such_field =");
            }
        }
        return send(request);
    };
    let nonsense = match json_of(nonsense, told) {
        Ok(body) => Ok(list(&body, "issues").count()),
        Err(refusal) => Err(why(refusal)?),
    };
    over([searched(
        "labels",
        "labels must be searchable in the project",
        rows,
        nonsense,
    )])
}

/// The issue types of the project, then the fields of ours.
fn screen(jira: Jira<'_>, got: &[Response]) -> Answer {
    let options = &jira.s.options;
    let (project, wanted) = (options.text("project"), options.text("issue_type"));
    let types = format!("issue/createmeta/{}/issuetypes", encode(project));
    let all = [("maxResults", "200")];
    let [found, rest @ ..] = got else {
        return send(get(&jira.api(&types), &all));
    };
    let found = match json_of(found, told) {
        Ok(found) => found,
        Err(refusal) => {
            let why = why(refusal)?;
            return over([fix(format!(
                "project {project:?} does not exist, or is hidden from us ({why}): set project to its key, or grant our user Browse Projects"
            ))]);
        }
    };
    let both = |body: &Value, name: &str| -> Vec<Value> {
        list(body, name)
            .chain(list(body, "values"))
            .cloned()
            .collect()
    };
    let kinds = both(&found, "issueTypes");
    let names: Vec<String> = kinds.iter().map(|t| word(t, "name")).collect();
    let one = kinds
        .iter()
        .find(|t| word(t, "name").eq_ignore_ascii_case(wanted))
        .and_then(|t| number(t.get("id")));
    let Some(id) = one else {
        return over([match names.is_empty() {
            true => fix(format!(
                "in project {project:?} we may create nothing: grant our user Create Issues"
            )),
            false => listed("issue type", "issue_type", wanted, &names),
        }]);
    };
    let [fields, ..] = rest else {
        return send(get(&jira.api(&format!("{types}/{id}")), &all));
    };
    let fields = both(&json_of(fields, told)?, "fields");
    if fields.is_empty() {
        return over([unknown(format!(
            "the fields of issue type {wanted:?}: we see none"
        ))]);
    }
    let has = |name: &str| fields.iter().find(|f| word(f, "fieldId") == name);
    let mut out = vec![good(format!(
        "project {project:?} has issue type {wanted:?}, which we may create"
    ))];
    if has("labels").is_none() {
        out.push(fix(format!(
            "labels is not on the create screen of {wanted:?}: put it there, the correlation key goes into it"
        )));
    }
    let map = options.map("fields").into_iter().flatten();
    for (name, _) in map.filter(|(name, _)| has(name).is_none()) {
        out.push(fix(format!(
            "fields names {name:?}, which is not on the create screen of {wanted:?}: put it there, or take it out of fields"
        )));
    }
    out.extend(priorities(jira, has("priority")));
    let set = |name: &str| {
        let ours = [
            "project",
            "issuetype",
            "summary",
            "description",
            "labels",
            "priority",
        ];
        ours.contains(&name) || options.map_get("fields", name).is_some()
    };
    let yes = |f: &Value, name: &str| f.get(name).and_then(Value::as_bool) == Some(true);
    let asks = fields
        .iter()
        .filter(|f| yes(f, "required") && !yes(f, "hasDefaultValue"))
        .filter(|f| !set(&word(f, "fieldId")));
    out.extend(asks.map(|f| {
        fix(format!(
            "issue type {wanted:?} asks for field {:?} ({}): set it in fields, or make it optional",
            word(f, "fieldId"),
            one_line(&word(f, "name"))
        ))
    }));
    over(out)
}

fn priorities(jira: Jira<'_>, field: Option<&Value>) -> Vec<Finding> {
    let wanted = jira.s.options.map("priority").into_iter().flatten();
    let Some(field) = field else {
        let any = wanted.count() > 0;
        let text = "priority is not on the create screen: tickets get none from us; put it there, or set priority to {}";
        return any
            .then(|| unknown(format!("priority: {text}")))
            .into_iter()
            .collect();
    };
    let names: Vec<String> = list(field, "allowedValues")
        .map(|v| word(v, "name"))
        .collect();
    wanted
        .map(|(ours, name)| listed("priority", &format!("priority.{ours}"), name, &names))
        .filter(|f| !matches!(f, Finding::Good(_)))
        .collect()
}

/// Whether tickets can end and come back: some status must do for each.
fn statuses(jira: Jira<'_>, got: &[Response]) -> Answer {
    let options = &jira.s.options;
    let (project, wanted) = (options.text("project"), options.text("issue_type"));
    let [found, ..] = got else {
        let path = format!("project/{}/statuses", encode(project));
        return send(get(&jira.api(&path), &[]));
    };
    let body = match json_of(found, told) {
        Ok(body) => body,
        Err(refusal) => return over([unknown(format!("the statuses: {}", why(refusal)?))]),
    };
    let kind = body.as_array().into_iter().flatten();
    let kind = kind.filter(|t| word(t, "name").eq_ignore_ascii_case(wanted));
    let all: Vec<Value> = kind.flat_map(|t| list(t, "statuses").cloned()).collect();
    let Some(_) = all.first() else {
        return over([unknown(format!(
            "the statuses of issue type {wanted:?}: we see none"
        ))]);
    };
    let names: Vec<String> = all.iter().map(|s| word(s, "name")).collect();
    let closed = options.list("closed_status");
    let end = |end: bool, option: &str| {
        let fits = all.iter().filter(|s| {
            let category = as_text(s.pointer("/statusCategory/key"));
            (category == "done") == end && !is_one_of(closed, &word(s, "name"))
        });
        let fits: Vec<String> = fits.map(|s| word(s, "name")).collect();
        let listed = options.list(option);
        let named = listed.iter().find(|n| is_one_of(&fits, n));
        let what = if end { "resolved" } else { "opened again" };
        match (named, fits.first()) {
            (Some(name), _) => good(format!("tickets that are {what} go to status {name:?}")),
            (None, Some(_)) => fix(format!(
                "{option} names no status of issue type {wanted:?}: set it to one of {}",
                some(&fits)
            )),
            (None, None) if end => fix(format!(
                "no status ends a ticket of issue type {wanted:?}, which has {}: look at {option} and closed_status",
                some(&names)
            )),
            (None, None) => fix(format!(
                "no status of issue type {wanted:?} is one of a ticket that is open, of {}",
                some(&names)
            )),
        }
    };
    over([end(true, "resolved_status"), end(false, "reopened_status")])
}

/// What we may do in the project.
fn rights(jira: Jira<'_>, got: &[Response]) -> Answer {
    const NEEDED: [&str; 7] = [
        "BROWSE_PROJECTS",
        "CREATE_ISSUES",
        "EDIT_ISSUES",
        "ADD_COMMENTS",
        "TRANSITION_ISSUES",
        "RESOLVE_ISSUES",
        "LINK_ISSUES",
    ];
    let project = jira.s.options.text("project");
    let [found, ..] = got else {
        let needed = NEEDED.join(",");
        let query = [("projectKey", project), ("permissions", &needed)];
        return send(get(&jira.api("mypermissions"), &query));
    };
    let body = match json_of(found, told) {
        Ok(body) => body,
        Err(refusal) => return over([unknown(format!("our rights: {}", why(refusal)?))]),
    };
    let has = |name: &str| {
        let right = body.get("permissions").and_then(|p| p.get(name));
        right?.get("havePermission")?.as_bool()
    };
    let missing: Vec<String> = NEEDED
        .iter()
        .filter(|name| has(name) == Some(false))
        .map(|n| (*n).to_owned())
        .collect();
    over([match NEEDED.iter().any(|name| has(name).is_some()) {
        false => unknown("our rights in the project: an answer without permissions"),
        true if missing.is_empty() => good("our rights in the project are enough"),
        true => fix(format!(
            "our user lacks rights in project {project:?}: grant it {}",
            some(&missing)
        )),
    }])
}

fn links(jira: Jira<'_>, got: &[Response]) -> Answer {
    let wanted = jira.s.options.text("link_type");
    let [found, ..] = got else {
        return send(get(&jira.api("issueLinkType"), &[]));
    };
    over([match json_of(found, told) {
        Ok(body) => {
            let names: Vec<String> = list(&body, "issueLinkTypes")
                .map(|t| word(t, "name"))
                .collect();
            listed("link type", "link_type", wanted, &names)
        }
        Err(refusal) => unknown(format!("link type {wanted:?}: {}", why(refusal)?)),
    }])
}

/// Only where the step that resolves asks for one.
fn resolution(jira: Jira<'_>, got: &[Response]) -> Answer {
    let wanted = jira.s.options.text("resolution");
    if wanted.is_empty() {
        return over([]);
    }
    let [found, ..] = got else {
        return send(get(&jira.api("resolution"), &[]));
    };
    over([match json_of(found, told) {
        Ok(body) => {
            let all = body.as_array().into_iter().flatten();
            let names: Vec<String> = all.map(|r| word(r, "name")).collect();
            listed("resolution", "resolution", wanted, &names)
        }
        Err(refusal) => unknown(format!("resolution {wanted:?}: {}", why(refusal)?)),
    }])
}
