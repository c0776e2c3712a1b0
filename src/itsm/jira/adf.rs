//! Atlassian Document Format: text as nodes, which the tool never reads as marks, HTML or mentions.

use serde_json::{Value, json};

/// Text of several lines as a document: a paragraph per block, a break per line.
pub(super) fn document(text: &str) -> Value {
    let blocks = text.split("\n\n").filter(|b| !b.trim().is_empty());
    let content: Vec<Value> = blocks.map(paragraph).collect();
    json!({ "type": "doc", "version": 1, "content": content })
}

fn paragraph(block: &str) -> Value {
    let mut nodes = Vec::new();
    for line in block.lines().filter(|l| !l.is_empty()) {
        if !nodes.is_empty() {
            nodes.push(json!({ "type": "hardBreak" }));
        }
        nodes.push(json!({ "type": "text", "text": line }));
    }
    json!({ "type": "paragraph", "content": nodes })
}

/// The text of a document, with blanks between its nodes; a text (Data Center) as it is.
pub(super) fn text_of(document: &Value) -> String {
    match document {
        Value::String(text) => text.clone(),
        Value::Object(node) => {
            let own = node.get("text").and_then(Value::as_str);
            let inner = node.get("content").map(text_of);
            let parts = own.map(str::to_owned).into_iter().chain(inner);
            parts.collect::<Vec<String>>().join(" ")
        }
        Value::Array(nodes) => nodes.iter().map(text_of).collect::<Vec<_>>().join(" "),
        Value::Null | Value::Bool(_) | Value::Number(_) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_become_nodes() {
        let found = document("a\nb {code} [~x]\n\n\nc\n");
        assert_eq!(
            found.to_string(),
            r#"{"content":[{"content":[{"text":"a","type":"text"},{"type":"hardBreak"},{"text":"b {code} [~x]","type":"text"}],"type":"paragraph"},{"content":[{"text":"c","type":"text"}],"type":"paragraph"}],"type":"doc","version":1}"#
        );
        assert_eq!(
            crate::itsm::wire::squeeze(&text_of(&found)),
            "a b {code} [~x] c"
        );
        assert_eq!(
            document("").to_string(),
            r#"{"content":[],"type":"doc","version":1}"#
        );
    }
}
