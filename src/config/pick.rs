//! Where a value stands in a body: a JSON pointer, what of it, or a constant.
//!
//! * `/host/name`: the value there, from the object of one alert.
//! * `$/title`: from the whole body, where a body lists several alerts.
//! * `/subject ~ ^\[(.+?)\]`: what the expression finds in it: the group `value`, else the first group, else
//!   the match.
//! * `=web`: always `web`.
//! * several of these with ` | ` between them: the first that finds something.

use regex::Regex;
use serde_json::Value;

/// A checked pick.
#[derive(Clone, Debug)]
pub struct Pick {
    text: String,
    ways: Vec<Way>,
}

#[derive(Clone, Debug)]
enum Way {
    Always(String),
    At {
        whole: bool,
        pointer: String,
        regex: Option<Regex>,
    },
}

impl PartialEq for Pick {
    fn eq(&self, other: &Pick) -> bool {
        self.text == other.text
    }
}
impl Eq for Pick {}

impl Pick {
    /// Reads a pick.
    ///
    /// # Errors
    /// What is wrong with the text, and how it should look.
    pub fn parse(text: &str) -> Result<Pick, String> {
        let ways = text
            .split(" | ")
            .map(way)
            .collect::<Result<Vec<Way>, String>>()?;
        let text = text.to_owned();
        Ok(Pick { text, ways })
    }

    /// The value in `one`, or in `whole` for picks from the whole body; `None` if there is none or it is
    /// empty. Lists of plain values are joined with ", ".
    pub fn find(&self, one: &Value, whole: &Value) -> Option<String> {
        self.ways.iter().find_map(|way| match way {
            Way::Always(text) => Some(text.clone()),
            Way::At {
                whole: from,
                pointer,
                regex,
            } => {
                let root = if *from { whole } else { one };
                let value = text_of(root.pointer(pointer)?)?;
                match regex {
                    None => Some(value).filter(|v| !v.is_empty()),
                    Some(regex) => {
                        let found = regex.captures(&value)?;
                        let group = found
                            .name("value")
                            .or_else(|| found.get(1))
                            .or_else(|| found.get(0));
                        group
                            .map(|g| g.as_str().to_owned())
                            .filter(|v| !v.is_empty())
                    }
                }
            }
        })
    }
}

fn way(text: &str) -> Result<Way, String> {
    if let Some(always) = text.strip_prefix('=') {
        return Ok(Way::Always(always.to_owned()));
    }
    let (place, regex) = match text.split_once(" ~ ") {
        Some((place, regex)) => (place, Some(regex)),
        None => (text, None),
    };
    let place = place.trim();
    let (whole, pointer) = match place.strip_prefix('$') {
        Some(rest) => (true, rest),
        None => (false, place),
    };
    if !pointer.is_empty() && !pointer.starts_with('/') {
        return Err(format!(
            "{place:?} is no place in a body; write \"/name\", \"$/name\" or \"=constant\""
        ));
    }
    let regex = regex.map(Regex::new).transpose();
    let regex = regex.map_err(|why| {
        let why = why.to_string();
        let last = why.lines().last().unwrap_or_default().trim();
        format!("not a regular expression: {last}")
    })?;
    Ok(Way::At {
        whole,
        pointer: pointer.to_owned(),
        regex,
    })
}

fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.trim().to_owned()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(yes) => Some(yes.to_string()),
        Value::Array(list) => {
            let all: Option<Vec<String>> = list
                .iter()
                .map(|v| {
                    Some(v)
                        .filter(|v| !v.is_array() && !v.is_object())
                        .and_then(text_of)
                })
                .collect();
            all.map(|all| all.join(", "))
        }
        Value::Null | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn picks_find_what_they_say() {
        let whole =
            json!({"title": "[web1] disk 93 %", "list": [{"n": 7, "tags": ["a", "b"], "e": ""}]});
        let one = whole.pointer("/list/0").cloned().unwrap_or_default();
        for (pick, want) in [
            ("/n", Some("7")),
            ("/tags", Some("a, b")),
            ("/tags/1", Some("b")),
            ("/e", None),
            ("/nothing", None),
            ("", None),
            ("$/title", Some("[web1] disk 93 %")),
            ("$/title ~ ^\\[(.+?)\\]", Some("web1")),
            ("$/title ~ (?<what>\\w+) (?<value>\\d+)", Some("93")),
            ("$/title ~ \\d+ %", Some("93 %")),
            ("/nothing | $/title ~ disk", Some("disk")),
            ("=always", Some("always")),
        ] {
            let found = Pick::parse(pick).ok().and_then(|p| p.find(&one, &whole));
            assert_eq!(found.as_deref(), want, "{pick}");
        }
        for bad in ["name", "/a ~ (", "$name"] {
            assert!(Pick::parse(bad).is_err(), "{bad}");
        }
    }
}
