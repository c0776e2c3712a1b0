//! What iTop's bytes say: calls, verdicts, tickets by their number.

use super::super::wire::*;
use crate::itsm::Refusal;
use crate::model::{Request, Response};
use serde_json::{Value, json};

/// A call of the service.
pub(super) fn call(body: &Value, writes: bool) -> Request {
    let query = [("version", "1.3"), ("login_mode", "basic")];
    Request {
        method: "POST",
        headers: vec![
            header("Accept", "application/json"),
            header("Content-Type", "application/x-www-form-urlencoded"),
        ],
        body: format!("json_data={}", encode(&body.to_string())).into_bytes(),
        writes,
        ..get("webservices/rest.php", &query)
    }
}

pub(super) fn read(class: &str, key: &str, fields: &str) -> Request {
    let body = json!({
        "operation": "core/get", "class": class, "key": key, "output_fields": fields,
    });
    call(&body, false)
}

/// The objects of a good answer, or the refusal that a bad one is.
pub(super) fn objects(response: &Response) -> Result<Vec<Value>, Refusal> {
    let body =
        json_of(response, |body| word(body, "message")).map_err(|refusal| match refusal {
            Refusal::Gone(_) => retry("404: nothing at this address"), // its own verdicts come with 200
            other => other,
        })?;
    let message = one_line(&word(&body, "message"));
    match body.get("code").and_then(Value::as_i64) {
        Some(0) => {
            let all = body.get("objects").and_then(Value::as_object);
            Ok(all.into_iter().flatten().map(|(_, o)| o.clone()).collect())
        }
        Some(1) => Err(Refusal::Login),
        Some(code) => Err(Refusal::Reject(format!("code {code}: {message}"))),
        None => Err(retry("an answer without code")),
    }
}

/// `REF#ID`
pub(super) fn id_of(object: &Value) -> Option<String> {
    let id = number(object.get("key"))?;
    let name = as_text(object.pointer("/fields/ref"));
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    match !name.is_empty() && name.len() <= 40 && name.bytes().all(plain) {
        true => Some(format!("{name}#{id}")),
        false => Some(id),
    }
}

pub(super) fn address(id: &str) -> Result<&str, Refusal> {
    let address = id.rsplit('#').next().unwrap_or_default();
    digits(address).ok_or_else(|| Refusal::Reject(format!("{id:?} is no ticket")))
}

/// The ticket that was read.
pub(super) fn ticket(id: &str, reads: &[Response]) -> Result<Value, Refusal> {
    let [read, ..] = reads else {
        return Err(retry("nothing was read"));
    };
    let all = objects(read)?;
    let none = all.is_empty();
    let wanted = address(id)?;
    let same = |o: &Value| number(o.get("key")).as_deref() == Some(wanted);
    match all.into_iter().find(same) {
        Some(ticket) => Ok(ticket),
        None if none => Err(Refusal::Gone(String::new())),
        None => Err(retry("the answer is about another ticket")),
    }
}

/// Text within quotes of OQL.
pub(super) fn quoted(text: &str) -> String {
    text.replace('\\', "\\\\").replace('\'', "\\'")
}

/// An entry of the log, shown as it is.
pub(super) fn entry(text: &str) -> Value {
    json!({ "add_item": { "message": text, "format": "text" } })
}
