//! Affected CIs of the instance, and batches.

use super::{Answer, Instance, Ticket, answer, failure};
use serde_json::{Value, json};
use std::collections::BTreeMap;

impl Instance {
    /// Names of a ticket's affected CIs, in the order in which they came.
    pub fn affected(&self, at: usize) -> Vec<&str> {
        let ticket = &self.tickets[at]["sys_id"];
        let rows = self.task_ci.iter().filter(|(task, _)| task == ticket);
        rows.map(|(_, ci)| self.ci_name(ci)).collect()
    }

    fn ci_name(&self, sys_id: &str) -> &str {
        let at = usize::from_str_radix(sys_id, 16).unwrap() - 0xc1_0000;
        &self.cis[at]
    }

    pub fn affected_rows(&self) -> Vec<Ticket> {
        let rows = self.task_ci.iter().enumerate();
        rows.map(|(n, (task, ci))| {
            let columns = [
                ("sys_id", format!("{:032x}", 0xaf_0000 + n)),
                ("task", task.clone()),
                ("ci_item", ci.clone()),
                ("ci_item.name", self.ci_name(ci).to_owned()),
            ];
            columns.map(|(name, v)| (name.to_owned(), v)).into()
        })
        .collect()
    }

    /// A new row of `task_ci`.
    pub fn affect(&mut self, body: &[u8]) -> Answer {
        if self.task_ci_is_read_only {
            let detail = "ACL Exception Insert Failed due to security constraints";
            return failure(403, "Operation Failed", detail);
        }
        let row: BTreeMap<String, String> = serde_json::from_slice(body).unwrap();
        let columns: Vec<&str> = row.keys().map(String::as_str).collect();
        assert_eq!(columns, ["ci_item", "task"]);
        let row = (row["task"].clone(), row["ci_item"].clone());
        assert!(!self.task_ci.contains(&row), "{row:?} twice");
        assert!(
            self.cis
                .get(usize::from_str_radix(&row.1, 16).unwrap() - 0xc1_0000)
                .is_some(),
            "{row:?} is no CI"
        );
        self.task_ci.push(row);
        answer(
            201,
            json!({"result": {"sys_id": "77777777777777777777777777777777"}}),
        )
    }

    /// Several requests in one.
    pub fn batch(&mut self, method: &str, body: &[u8]) -> Option<Answer> {
        assert_eq!(method, "POST");
        if self.no_batch {
            let message = "Requested URI does not represent any resource";
            return Some(failure(404, message, ""));
        }
        let asked: Value = serde_json::from_slice(body).unwrap();
        assert!(asked["batch_request_id"].is_string());
        let mut serviced = Vec::new();
        let mut writes = false;
        for item in asked["rest_requests"].as_array().unwrap() {
            let headers: Vec<(&str, &str)> = item["headers"]
                .as_array()
                .unwrap()
                .iter()
                .map(|h| (h["name"].as_str().unwrap(), h["value"].as_str().unwrap()))
                .collect();
            assert!(headers.contains(&("Accept", "application/json")));
            let url = item["url"].as_str().unwrap();
            assert!(url.starts_with("/api/now/v2/table/task_ci?"), "{url}");
            let answer = match item["method"].as_str().unwrap() {
                "GET" => answer(200, json!({"result": []})),
                "POST" => {
                    assert!(headers.contains(&("Content-Type", "application/json")));
                    writes = true;
                    self.affect(&decoded(item["body"].as_str().unwrap()))
                }
                other => panic!("{other}"),
            };
            let mut told = json!({
                "id": item["id"].as_str().unwrap(), "body": "e30=", "headers": [],
                "status_code": answer.status, "execution_time": 5,
                "status_text": if answer.status < 300 { "Created" } else { "Forbidden" },
            });
            if answer.status >= 300 {
                told["error_message"] = Value::from("ACL Exception");
            }
            serviced.push(told);
        }
        self.batches += u32::from(writes);
        if writes && self.batches_lost > 0 {
            self.batches_lost -= 1;
            return None;
        }
        Some(answer(
            200,
            json!({
                "batch_request_id": asked["batch_request_id"], "serviced_requests": serviced,
                "unserviced_requests": [],
            }),
        ))
    }
}

/// Base64, as an instance reads it.
fn decoded(text: &str) -> Vec<u8> {
    let digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    assert_eq!(text.len() % 4, 0, "{text} is not padded");
    let mut out = Vec::new();
    let (mut bits, mut held) = (0u32, 0);
    for digit in text.trim_end_matches('=').chars() {
        bits = (bits << 6) | u32::try_from(digits.find(digit).unwrap()).unwrap();
        held += 6;
        if held >= 8 {
            held -= 8;
            out.push(u8::try_from((bits >> held) & 255).unwrap());
        }
    }
    out
}
