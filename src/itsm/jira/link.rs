//! Links of an issue: to another issue, and to the page of its incident.
//!
//! An issue without the link to its page is as good as done: nothing here refuses a step, and what went wrong is one
//! line of [`Seen::dropped`]. The link is sent besides the create. Where that was lost, or the issue was found after
//! a create of unknown outcome, it is sent besides the next update; an issue that a person took before gets none,
//! and has the address in its description. What this rests on, marked as in the kind:
//! * D (OpenAPI of Cloud; guide to remote issue links of Data Center, from Jira 5.0): `POST issue/{id}/remotelink`
//!   with a `globalId` changes the link of that id (200) or makes one (201). `globalId` has at most 255 characters;
//!   `object.url` and `object.title` are required. It takes Browse Projects and Link Issues, and issue linking that
//!   is switched on.
//! * D: `GET` with the `globalId` answers that one link, or 404. So an update looks first, and writes nothing into an
//!   issue whose link stands: writes count against a limit per issue, and may show in its history.
//! * The `globalId` is that of the incident, whatever the base of the links and the number of its ticket: a repeat
//!   changes the link, and `issuesWithRemoteLinksByGlobalId` (JQL, D) finds all tickets of an incident.

use super::super::wire::*;
use super::wire::{Jira, told};
use crate::itsm::{Content, Next, Page, Refusal, Reply, Seen, shown};
use crate::model::{Request, Response};
use serde_json::{Value, json};

/// The end of a create: the link is new, so it is sent at once.
pub(super) fn of_new(
    jira: &Jira<'_>,
    id: &str,
    content: &Content,
    seen: Seen,
    got: &[Response],
) -> Verdict {
    match &content.page {
        Some(page) => write(jira, id, page, seen, got),
        None => Ok(done(id, seen)),
    }
}

/// The end of an update: the link is looked for, and sent where it is missing or leads elsewhere.
pub(super) fn of_known(
    jira: &Jira<'_>,
    id: &str,
    page: &Page,
    seen: Seen,
    got: &[Response],
) -> Verdict {
    let [found, rest @ ..] = got else {
        let asked = get(&path(jira, id)?, &[("globalId", &page.id)]);
        return besides(asked, id, seen);
    };
    match json_of(found, told) {
        Ok(body) if leads(&body) == Some(&page.url) => Ok(done(id, seen)),
        Ok(_) | Err(Refusal::Gone(_)) => write(jira, id, page, seen, rest),
        Err(refusal) => Ok(without(id, seen, &said(&refusal))),
    }
}

/// Where a link leads; some versions answer a list.
fn leads(body: &Value) -> Option<&str> {
    let link = body.get(0).unwrap_or(body);
    link.pointer("/object/url")?.as_str()
}

fn write(jira: &Jira<'_>, id: &str, page: &Page, seen: Seen, got: &[Response]) -> Verdict {
    let [made, ..] = got else {
        let body = json!({
            "globalId": page.id,
            "object": { "url": page.url, "title": page.title },
        });
        return besides(send("POST", &path(jira, id)?, &body), id, seen);
    };
    Ok(match taken(made, told) {
        Ok(()) => done(id, seen),
        Err(refusal) => without(id, seen, &said(&refusal)),
    })
}

fn path(jira: &Jira<'_>, id: &str) -> Result<String, Refusal> {
    Ok(jira.api(&format!("issue/{}/remotelink", jira.address(id)?)))
}

/// Sent besides; without an answer the step ends as it is, and says so.
fn besides(request: Request, id: &str, seen: Seen) -> Verdict {
    Ok(match without(id, seen, "no answer") {
        Next::Done(reply) => Next::Besides(request, reply),
        other => other,
    })
}

fn without(id: &str, mut seen: Seen, why: &str) -> Next {
    let number = shown(id);
    seen.dropped.push(format!(
        "ticket {number}: the link to the page of its incident is missing: {why}"
    ));
    done(id, seen)
}

/// A refusal in words: here it is none.
fn said(refusal: &Refusal) -> String {
    match refusal {
        Refusal::Retry { why, .. } | Refusal::Reject(why) | Refusal::Stop(why) => why.clone(),
        Refusal::Login => "the login is refused".to_owned(),
        Refusal::Closed => "the ticket is closed".to_owned(),
        Refusal::Gone(_) => "404: not found, or issue linking is switched off".to_owned(),
    }
}

/// An update that was taken goes on with the link.
pub(super) fn after_update(
    jira: &Jira<'_>,
    content: &Content,
    end: Verdict,
    got: &[Response],
) -> Verdict {
    match (end, &content.page) {
        (Ok(Next::Done(Reply::Done { id, read_back })), Some(page)) => {
            of_known(jira, &id, page, read_back, got)
        }
        (end, _) => end,
    }
}

impl Jira<'_> {
    /// A link to another issue.
    pub(super) fn link(&self, id: &str, other: &str) -> Result<Request, Refusal> {
        let issue = |id: &str| Ok(json!({ "id": self.address(id)? }));
        let body = json!({
            "type": { "name": self.s.options.text("link_type") },
            "inwardIssue": issue(id)?,
            "outwardIssue": issue(other)?,
        });
        Ok(send("POST", &self.api("issueLink"), &body))
    }
}
