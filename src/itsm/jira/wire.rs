//! What Jira's bytes say: addresses, searches, issues, transitions, comments.

use super::super::wire::*;
use super::{Facts, ItsmSettings, Refusal, Seen, adf, state_of};
use crate::itsm::Content;
use crate::itsm::hint::{Digest, Hint};
use crate::model::{Request, Response};
use serde_json::{Value, json};

/// What we want to know of an issue.
pub(super) const FIELDS: &str = "summary,status,labels,creator,assignee,priority,comment";
/// Issues asked for in a search by key; there should be one.
const HITS: &str = "20";

/// Jira, D: `X-Hub-Signature: sha256=...` of the raw body. K: Data Center signs in the same way.
pub(super) const HINT: Hint = Hint {
    header: "x-hub-signature",
    mark: "sha256=",
    digest: Digest::Sha256,
    names: |body| number(body.pointer("/issue/id")).into_iter().collect(),
    needs: None,
};

/// A target of one of the two kinds.
#[derive(Clone, Copy)]
pub(super) struct Jira<'a> {
    pub(super) s: &'a ItsmSettings,
    pub(super) facts: &'a Facts,
    pub(super) cloud: bool,
}

/// What an error says: `{"errorMessages":[..],"errors":{"field":"text"}}`.
pub(super) fn told(body: &Value) -> String {
    let messages = list(body, "errorMessages").filter_map(Value::as_str);
    let mut parts: Vec<String> = messages.map(str::to_owned).collect();
    let errors = body.get("errors").and_then(Value::as_object);
    for (field, text) in errors.into_iter().flatten() {
        parts.push(format!("{field}: {}", as_text(Some(text))));
    }
    parts.join("; ")
}

/// A way to another status: the id of the transition, and whether its screen asks for a resolution.
pub(super) struct Way {
    id: String,
    resolution: bool,
}

impl Jira<'_> {
    pub(super) fn api(&self, path: &str) -> String {
        format!("rest/api/{}/{path}", if self.cloud { "3" } else { "2" })
    }

    pub(super) fn document(&self, text: &str) -> Value {
        match self.cloud {
            true => adf::document(text),
            false => Value::from(text),
        }
    }

    /// The id that requests go by.
    pub(super) fn address<'i>(&self, id: &'i str) -> Result<&'i str, Refusal> {
        let address = id.rsplit('#').next().unwrap_or_default();
        digits(address).ok_or_else(|| Refusal::Reject(format!("{id:?} is no ticket")))
    }

    /// An issue's `KEY#ID`.
    pub(super) fn id_of(&self, issue: &Value) -> Option<String> {
        let (id, key) = (number(issue.get("id"))?, word(issue, "key"));
        let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        match !key.is_empty() && key.len() <= 40 && key.bytes().all(plain) {
            true => Some(format!("{key}#{id}")),
            false => Some(id),
        }
    }

    /// Who a user is.
    pub(super) fn account(&self, user: &Value) -> String {
        match self.cloud {
            true => word(user, "accountId"),
            false => word(user, "name"),
        }
    }

    pub(super) fn is_us(&self, user: &Value) -> bool {
        let ours = self.facts.get("account");
        !ours.is_empty() && self.account(user).eq_ignore_ascii_case(ours)
    }

    /// A person's hand: neither ours, nor an app's, nor one that is named as automation.
    fn is_person(&self, user: &Value) -> bool {
        let account = self.account(user);
        let automatic = is_one_of(self.s.options.list("automation_accounts"), &account);
        !account.is_empty() && !automatic && !self.is_us(user) && word(user, "accountType") != "app"
    }

    pub(super) fn search(&self, key: &str) -> Result<Request, Refusal> {
        let project = self.s.options.text("project").replace(['"', '\\'], "");
        let jql = format!(
            "project = \"{project}\" AND labels = \"{}\" ORDER BY created ASC",
            plain_key(key)?
        );
        let path = self.api(if self.cloud { "search/jql" } else { "search" });
        Ok(get(
            &path,
            &[
                ("jql", &jql),
                ("fields", FIELDS),
                ("expand", "changelog"),
                ("maxResults", HITS),
            ],
        ))
    }

    /// Whether an issue carries the key.
    pub(super) fn carries(&self, issue: &Value, key: &str) -> bool {
        let fields = issue.get("fields").unwrap_or(&Value::Null);
        list(fields, "labels").any(|l| l.as_str() == Some(key))
    }

    pub(super) fn judge(&self, issue: &Value) -> Result<Seen, Refusal> {
        let state = state_of(self.s, issue)?;
        let changelog = issue.get("changelog").unwrap_or(&Value::Null);
        let comment = issue.pointer("/fields/comment").unwrap_or(&Value::Null);
        let hands = list(changelog, "histories")
            .chain(list(changelog, "values"))
            .chain(list(comment, "comments"));
        let touched = hands
            .filter_map(|h| h.get("author"))
            .any(|a| self.is_person(a));
        let assignee = issue.pointer("/fields/assignee").unwrap_or(&Value::Null);
        let owner = match self.is_person(assignee) {
            true => word(assignee, "displayName"),
            false => String::new(),
        };
        Ok(Seen {
            state,
            touched,
            owner,
            dropped: Vec::new(),
        })
    }

    /// The priority to set; `None` where the tool has none for us.
    pub(super) fn priority(&self, content: &Content) -> Option<&str> {
        match self.facts.get("no_priority") {
            "" => self.s.options.map_get("priority", &content.priority),
            _not_on_the_screen => None,
        }
    }

    /// Whether a comment stands in an issue.
    pub(super) fn is_said(&self, issue: &Value, text: &str) -> bool {
        let comment = issue.pointer("/fields/comment").unwrap_or(&Value::Null);
        let same = |c: &Value| {
            let body = c.get("body").map(adf::text_of).unwrap_or_default();
            is_same_note(&body, text)
        };
        list(comment, "comments")
            .filter(|c| c.get("author").is_some_and(|a| self.is_us(a)))
            .any(same)
    }

    /// A comment that customers do not see.
    pub(super) fn comment(&self, id: &str, text: &str) -> Result<Request, Refusal> {
        let internal = json!({ "key": "sd.public.comment", "value": { "internal": true } });
        let body = json!({ "body": self.document(text), "properties": [internal] });
        let path = self.api(&format!("issue/{}/comment", self.address(id)?));
        Ok(send("POST", &path, &body))
    }

    pub(super) fn transitions(&self, id: &str) -> Result<Request, Refusal> {
        let path = self.api(&format!("issue/{}/transitions", self.address(id)?));
        Ok(get(&path, &[("expand", "transitions.fields")]))
    }

    /// The way to an end, or back from it: by the names in the settings, else by the category.
    pub(super) fn way(&self, offered: &Response, end: bool) -> Result<Option<Way>, Refusal> {
        let body = json_of(offered, told)?;
        if body.get("transitions").is_none() {
            return Err(retry("an answer without transitions"));
        }
        let name = |t: &Value| as_text(t.pointer("/to/name"));
        let fits = |t: &&Value| {
            let category = as_text(t.pointer("/to/statusCategory/key"));
            let closed = is_one_of(self.s.options.list("closed_status"), &name(t));
            (category == "done") == end && !category.is_empty() && !closed
        };
        let ways: Vec<&Value> = list(&body, "transitions").filter(fits).collect();
        let names = self.s.options.list(match end {
            true => "resolved_status",
            false => "reopened_status",
        });
        let by_name = names
            .iter()
            .find_map(|n| ways.iter().find(|w| name(w).eq_ignore_ascii_case(n)));
        let way = by_name.or(ways.first());
        Ok(way.and_then(|way| {
            Some(Way {
                id: number(way.get("id"))?,
                resolution: end && way.pointer("/fields/resolution").is_some(),
            })
        }))
    }

    pub(super) fn transition(&self, id: &str, way: &Way) -> Result<Request, Refusal> {
        let mut body = json!({ "transition": { "id": way.id } });
        let resolution = self.s.options.text("resolution");
        if let (true, false, Some(map)) =
            (way.resolution, resolution.is_empty(), body.as_object_mut())
        {
            let fields = json!({ "resolution": { "name": resolution } });
            map.insert("fields".to_owned(), fields);
        }
        let path = self.api(&format!("issue/{}/transitions", self.address(id)?));
        Ok(send("POST", &path, &body))
    }
}
