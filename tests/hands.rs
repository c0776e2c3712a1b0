//! Commands of people through the real program: command line, admin socket, log; and what is said to a person
//! who names the wrong thing.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at what it does not expect"
)]

mod daemon;

use daemon::Daemon;

const CMDB: &str = r#"{"cis": [
    {"id": "A1", "name": "app-a"}, {"id": "A2", "name": "app-b"}, {"id": "SW", "name": "sw1"},
    {"id": "W1", "name": "web"}, {"id": "W2", "name": "web"}, {"id": "L", "name": "lonely"}],
  "relations": [{"from": "A1", "type": "depends-on", "to": "SW"}, {"from": "A2", "type": "depends-on", "to": "SW"}]}"#;

#[test]
fn a_person_gets_an_answer_that_says_what_was_done_or_what_is_wrong() {
    let daemon = Daemon::new("hands", CMDB, "");
    for host in ["sw1", "app-a", "app-b", "lonely"] {
        daemon.down(host);
    }
    // One incident of three, and one of its own.
    let refused = |arguments: &[&str], expected: &str| {
        let found = daemon.run(arguments).unwrap_err();
        assert!(found.contains(expected), "{arguments:?}: {found}");
    };
    refused(&["split", "I000001"], "--alert");
    refused(&["split", "x1", "--ci", "app-a"], "no incident id");
    refused(
        &["split", "I000077", "--ci", "app-a"],
        "I000077 is not known",
    );
    refused(
        &["split", "I000001", "--ci", "nobody"],
        "no CI is called \"nobody\"",
    );
    refused(
        &["split", "I000001", "--ci", "web"],
        "\"web\" may be several CIs: W1 (web), W2 (web)",
    );
    refused(
        &["split", "I000001", "--alert", "zz"],
        "\"zz\" is no alert; give its fingerprint",
    );
    refused(
        &["split", "I000001", "--alert", &"0".repeat(32)],
        "is not in I000001",
    );
    refused(
        &["split", "I000001", "--ci", "sw1", "app-a", "app-b"],
        "that would leave nothing in it",
    );
    refused(
        &["merge", "I000001", "I000001"],
        "I000001 and I000001 are the same incident",
    );
    refused(&["merge", "I000001", "I000099"], "I000099 is not known");
    refused(
        &["cause", "I000001", "nothing"],
        "no CI is called \"nothing\"",
    );
    refused(
        &["quiet", "I000001", "--for", "soon"],
        "\"soon\" is no duration",
    );
    refused(&["resolve", "I000055"], "I000055 is not known");
    refused(&["acknowledge", "I000055"], "I000055 is not known");

    let split = daemon
        .run(&["split", "I000001", "--ci", "app-b", "--by", "jane"])
        .unwrap();
    assert!(
        split.starts_with("1 alert split from I000001 into I000003\nI000001 "),
        "{split}"
    );
    assert!(split.contains("\nI000003 "), "{split}");
    let explained = daemon.run(&["explain", "I000003"]).unwrap();
    assert!(
        explained.contains("split from I000001 by uid ") && explained.contains(" (jane)"),
        "{explained}"
    );
    assert!(explained.contains("put here by a person"), "{explained}");
    // By the digits that explain shows.
    let explained = daemon.run(&["explain", "I000001"]).unwrap();
    let line = explained.lines().find(|l| l.contains(" app-a: ")).unwrap();
    let digits = line.split_whitespace().next().unwrap();
    refused(
        &["move", "I000003", "--to", "I000001", "--alert", digits],
        &format!("alert {digits} is in I000001, not in I000003"),
    );
    let moved = daemon
        .run(&["move", "I000001", "--to", "I000003", "--alert", digits])
        .unwrap();
    assert!(
        moved.starts_with("1 alert moved from I000001 to I000003"),
        "{moved}"
    );
    let cause = daemon.run(&["cause", "I000003", "sw1"]).unwrap();
    assert!(
        cause.starts_with("the cause of I000003 is sw1\nI000003 "),
        "{cause}"
    );
    let explained = daemon.run(&["explain", "I000003"]).unwrap();
    assert!(
        explained.contains("CAUSE    sw1, named by uid "),
        "{explained}"
    );
    daemon.run(&["quiet", "I000003", "--for", "2h"]).unwrap();
    daemon.run(&["keep-apart", "I000002", "I000003"]).unwrap();
    let merged = daemon.run(&["merge", "I000002", "I000001"]).unwrap();
    assert!(
        merged.starts_with("I000002 is part of I000001 now"),
        "{merged}"
    );
    // What was kept apart from the one is kept apart from both, as the explanation says.
    let json = daemon.run(&["explain", "I000003", "--json"]).unwrap();
    let value: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        value["kept_apart"],
        serde_json::json!(["I000001"]),
        "{json}"
    );
    assert_eq!(value["split_from"], "I000001");
    daemon.run(&["resolve", "I000003"]).unwrap();
    refused(&["cause", "I000003", "sw1"], "I000003 is resolved");

    // The API says the same, with a status.
    let check = |path: &str, body: &str, status: u16, text: &str| {
        let found = daemon.api(path, body);
        assert_eq!(found.0, status, "{path} {body}: {found:?}");
        assert!(found.1.contains(text), "{path} {body}: {found:?}");
    };
    check(
        "I000001/explode",
        "{}",
        404,
        "no command \"explode\"; one of: acknowledge, cause",
    );
    check("I000001/merge", "{}", 400, "merge needs \"with\"");
    check("I000001/merge", "[]", 400, "must be a JSON object");
    check("I000001/merge", "{", 400, "no JSON");
    check("I000001/merge", "{\"with\": 7}", 400, "must be a text");
    check(
        "I000001/merge",
        "{\"whit\": \"I1\"}",
        400,
        "merge knows no \"whit\"; it knows: with, by",
    );
    check("I000001/cause", "{}", 400, "needs \"ci\"");
    check("I000077/resolve", "", 404, "I000077 is not known");
    check("I000001/split", "{\"cis\": \"x\"}", 400, "a list of texts");
    check("I000001/split", "{}", 422, "name the alerts or the CIs");
    check(
        "I000001/cause",
        "{\"ci\": null}",
        200,
        "the cause of I000001 is not known",
    );
    check("I000001/acknowledge", "", 200, "I000001 is acknowledged");
    // A number that was merged away ends nothing, and a name is one line whatever was typed.
    refused(&["resolve", "I000002"], "I000002 is part of I000001");
    check(
        "I000001/acknowledge",
        "{\"by\": \"jane\\nRECOVERED\\u001b[31m\"}",
        200,
        "(jane RECOVERED [31m)",
    );

    // What is planned is taken in over the socket, and taken back.
    assert_eq!(daemon.run(&["chronic"]).unwrap(), "no chronic alerts");
    let plan = |body: &str, status: &str, text: &str| {
        let answer = daemon.exchange("admin.sock", "v1/maintenance", "application/json", body);
        let head = format!("HTTP/1.1 {status}");
        assert!(answer.starts_with(&head), "{body}: {answer}");
        assert!(answer.contains(text), "{body}: {answer}");
    };
    let window = "\"from\": \"2026-11-24T22:00:00Z\", \"to\": \"2026-11-24T23:00:00Z\"";
    plan(
        &format!("{{\"id\": \"M1\", \"ci\": \"sw1\", {window}}}"),
        "200",
        "done",
    );
    plan(
        &format!("{{\"id\": \"M1\", {window}}}"),
        "400",
        "ci: missing",
    );
    plan("{\"id\": \"M1\", \"withdrawn\": true}", "200", "done");
    plan(
        &format!("{{\"id\": \"config/x\", \"ci\": \"sw1\", {window}}}"),
        "400",
        "of the configuration",
    );
    // What has no effect as things are is taken in and says so.
    plan(
        "{\"id\": \"M9\", \"withdrawn\": true}",
        "200",
        "there is no window",
    );
    plan(
        &format!("{{\"id\": \"M2\", \"ci\": \"sw1\", {window}}}"),
        "200",
        "is over already",
    );
    let later = "\"from\": \"2096-11-24T22:00:00Z\", \"to\": \"2096-11-24T23:00:00Z\"";
    let vain = [("web", "means several CIs"), ("sw-typo", "no CI is called")];
    for (ci, why) in vain {
        let body = format!("{{\"id\": \"M3\", \"ci\": \"{ci}\", {later}}}");
        plan(&body, "200", why);
        let body = format!("{{\"id\": \"C1\", \"ci\": \"{ci}\"}}");
        let answer = daemon.exchange("admin.sock", "v1/changes", "application/json", &body);
        assert!(answer.contains(why), "{answer}");
    }
    plan(
        &format!("{{\"id\": \" \", \"ci\": \"sw1\", {later}}}"),
        "400",
        "id: missing",
    );
}
