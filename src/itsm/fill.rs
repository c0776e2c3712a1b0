//! Field mapping of the configuration: values in JSON with places that are filled in, so that a customised
//! tool needs no code.
//!
//! `{{title}}` within a text stands for the title. A text that is nothing but `{{=alert_count}}` becomes the
//! number, or whatever JSON the value is. What is filled in is never looked at again, and never changes the
//! shape of the JSON: alert text cannot leave its place.

use super::{Content, ItsmSettings};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Values by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Values(BTreeMap<&'static str, String>);

/// Names that a template may use.
pub(super) const NAMES: [&str; 18] = [
    "alert_count",
    "ci",
    "cis",
    "class",
    "description",
    "group",
    "id",
    "key",
    "main",
    "main_id",
    "n",
    "other",
    "priority",
    "root_ci",
    "services",
    "severity",
    "text",
    "title",
];

impl Values {
    /// What a ticket says. `priority`, `severity` and `group` go through the maps of these names in the
    /// settings (`priority`, `severity`, `groups`); what is in no map stays.
    pub(super) fn of(s: &ItsmSettings, key: &str, content: &Content) -> Values {
        let mapped = |map: &str, word: &str| {
            let to = s.options.map_get(map, word);
            to.unwrap_or(word).to_owned()
        };
        Values(BTreeMap::from([
            ("key", key.to_owned()),
            ("title", content.title.clone()),
            ("description", content.description.clone()),
            ("ci", content.ci.clone()),
            ("root_ci", content.root_ci.clone()),
            ("severity", mapped("severity", &content.severity)),
            ("priority", mapped("priority", &content.priority)),
            ("services", content.services.join(", ")),
            ("group", mapped("groups", &content.group)),
            ("alert_count", content.alert_count.to_string()),
            ("cis", content.cis.join(", ")),
            ("class", content.class.clone()),
            ("main", super::shown(&content.main).to_owned()),
            ("main_id", super::address(&content.main).to_owned()),
        ]))
    }

    /// With one more.
    pub(super) fn with(mut self, name: &'static str, value: &str) -> Values {
        self.0.insert(name, value.to_owned());
        self
    }

    fn get(&self, name: &str) -> &str {
        self.0.get(name).map(String::as_str).unwrap_or_default()
    }

    /// A text with its places filled in, each as `dress` gives it.
    pub(super) fn text(&self, template: &str, dress: fn(&str) -> String) -> String {
        let mut out = String::new();
        let mut rest = template;
        while let Some((before, after)) = rest.split_once("{{") {
            let Some((name, behind)) = after.split_once("}}") else {
                break;
            };
            out.push_str(before);
            out.push_str(&dress(self.get(name.trim())));
            rest = behind;
        }
        out.push_str(rest);
        out
    }

    /// JSON with its places filled in.
    pub(super) fn json(&self, template: &Value) -> Value {
        match template {
            Value::String(text) => match whole(text) {
                Some(name) => {
                    let value = self.get(name);
                    serde_json::from_str(value).unwrap_or_else(|_| Value::from(value))
                }
                None => Value::from(self.text(text, str::to_owned)),
            },
            Value::Array(list) => list.iter().map(|v| self.json(v)).collect(),
            Value::Object(map) => map
                .iter()
                .map(|(name, v)| (name.clone(), self.json(v)))
                .collect::<Map<String, Value>>()
                .into(),
            Value::Null | Value::Bool(_) | Value::Number(_) => template.clone(),
        }
    }

    /// The fields of a map in the settings: what begins like JSON is JSON, the rest is text.
    pub(super) fn fields(&self, s: &ItsmSettings, option: &str) -> Map<String, Value> {
        let all = s.options.map(option).into_iter().flatten();
        all.map(|(name, template)| (name.clone(), self.json(&read(template))))
            .collect()
    }
}

/// `{{=name}}` and nothing else.
fn whole(text: &str) -> Option<&str> {
    let name = text.strip_prefix("{{=")?.strip_suffix("}}")?;
    Some(name.trim()).filter(|n| NAMES.contains(n))
}

/// A template as it stands in the file.
pub(super) fn read(template: &str) -> Value {
    let json = template.starts_with(['{', '[', '"']) && !template.starts_with("{{");
    match json {
        true => serde_json::from_str(template).unwrap_or_else(|_| Value::from(template)),
        false => Value::from(template),
    }
}

/// A title with the key at its end, where a tool has no other place for it.
pub(super) fn with_key(title: &str, key: &str) -> String {
    match key {
        "" => title.to_owned(),
        key => format!("{title} [{key}]"),
    }
}

/// The key at the end of a title; empty if there is none.
pub(super) fn key_in(title: &str) -> String {
    let last = title.strip_suffix(']').and_then(|t| t.rsplit_once('['));
    let key = last.map(|(_, key)| key).filter(|k| k.starts_with("cor-"));
    key.unwrap_or_default().to_owned()
}

/// The first name in a template that stands for nothing.
pub(super) fn unknown_name(template: &str) -> Option<String> {
    let parts = template.split("{{").skip(1);
    let mut names = parts
        .filter_map(|p| p.split_once("}}"))
        .map(|(name, _)| name);
    names
        .find(|name| !NAMES.contains(&name.trim_start_matches('=').trim()))
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_filled_in_stays_in_its_place() {
        let content = Content {
            title: "a \"b\" {{key}} \\".into(),
            alert_count: 7,
            priority: "P1".into(),
            main: "INC0061912#9d38".into(),
            ..Content::default()
        };
        let values = Values::of(&ItsmSettings::default(), "cor-1", &content);
        let check = |template: &str, expected: &str| {
            let found = values.json(&read(template)).to_string();
            assert_eq!(found, expected, "{template}");
        };
        check("plain", r#""plain""#);
        check("{{priority}} {{ key }}", r#""P1 cor-1""#);
        check(
            r#"{"a":"{{title}}","b":["{{=alert_count}}",true]}"#,
            r#"{"a":"a \"b\" {{key}} \\","b":[7,true]}"#,
        );
        check("{{=title}}", r#""a \"b\" {{key}} \\""#);
        check("{{main}} {{main_id}}", r#""INC0061912 9d38""#);
        check("{{open", r#""{{open""#);
        check("{not json", r#""{not json""#);
        assert_eq!(
            unknown_name("{{key}} {{ keys }}").as_deref(),
            Some(" keys ")
        );
        assert_eq!(unknown_name("{{key}} {{=title}}"), None);
    }
}
