//! `explain` of the real program: text and JSON of now and of a turning point, and the negative answers.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at what it does not expect"
)]

mod daemon;

use daemon::Daemon;
use serde_json::Value;

const CMDB: &str = r#"{"cis": [
    {"id": "A1", "name": "app-a"}, {"id": "A2", "name": "app-b"}, {"id": "A3", "name": "app-c"},
    {"id": "SW", "name": "sw1"}, {"id": "L", "name": "lonely"}],
  "relations": [{"from": "A1", "type": "depends-on", "to": "SW"}, {"from": "A2", "type": "depends-on", "to": "SW"},
    {"from": "A3", "type": "depends-on", "to": "SW"}]}"#;

#[track_caller]
fn says(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in:\n{text}");
    }
}

#[test]
fn an_engineer_reads_why_and_why_not() {
    let daemon = Daemon::new("explain", CMDB, "");
    for host in ["sw1", "app-a", "app-b", "lonely"] {
        daemon.down(host);
    }
    let text = daemon.run(&["explain", "I000001"]).unwrap();
    says(
        &text,
        &[
            "I000001  ",
            "\nCAUSE    ",
            "\nCOVERS   2 of the 2 monitored CIs that need sw1 alert: 2 of 2 at 1 relation\n",
            "\nUNKNOWN  1 more not counted, for their silence says nothing: app-c (its source does not report it \
             while what it needs is down)\n",
            "\nTICKET   none: its hold as P",
            "\nBEFORE   what we said then, with --version N: 1 (opened)",
            "\nALERTS\n",
            " app-a: ",
            "[needs sw1, which alerts; app-a depends-on sw1; weight 900 of 1000, 0 s apart]",
        ],
    );
    let line = |name: &str| {
        let part = format!(" {name}: ");
        let lines = text.lines().find(|l| l.contains(&part)).unwrap();
        lines.split_whitespace().next().unwrap().to_owned()
    };
    let digits = line("app-a");
    let json = daemon.run(&["explain", "I1", "--json"]).unwrap();
    let value: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(value["explains"]["alerting"], 2, "{json}");
    let path = &value["members"][1]["path"][0];
    assert_eq!(path["from"], "app-a");
    assert_eq!(path["type"], "depends-on");
    assert_eq!(path["to"], "sw1");
    assert_eq!(path["id"], "A1 depends-on SW"); // by the ids of the CMDB, for names may be shared

    let then = daemon
        .run(&["explain", "I000001", "--version", "1"])
        .unwrap();
    says(
        &then,
        &["VERSION  1  20", " opened: P", ", 1 alert, 1 firing"],
    );
    let all = daemon.run(&["explain", "I000001", "--all"]).unwrap();
    says(&all, &["VERSION  1  ", "CAUSE    "]);

    // Why was nobody paged?
    let story = daemon.run(&["explain", "--alert", &digits]).unwrap();
    says(
        &story,
        &[
            &format!("{digits}  app-a: gone\n"),
            "\nANSWER   nobody was told: its hold as P",
            "\nARRIVED  from nagios at ",
            "\nBOUND    to app-a, by default host (label host = \"app-a\")\n",
            "\nINCIDENT I000001: needs sw1, which alerts (app-a depends-on sw1), 0 s apart\n",
            "\nPRIORITY P",
            "\nTICKET   no ticket: its hold",
        ],
    );
    let lonely = daemon.run(&["explain", "I000002"]).unwrap();
    let lonely = lonely.lines().last().unwrap().split_whitespace().next();
    let why = daemon
        .run(&["explain", "--alert", lonely.unwrap(), "--incident", "I1"])
        .unwrap();
    says(
        &why,
        &[
            "ANSWER   not in I000001: no path: nothing that lonely needs alerts in I000001",
            "\nINSTEAD  in I000002: opened the incident\n",
            "\nJUDGED   judged by the state of now, by the same code that places alerts",
        ],
    );
    let why = daemon
        .run(&["explain", "--alert", &digits, "--incident", "I1"])
        .unwrap();
    says(
        &why,
        &["ANSWER   it is in I000001: needs sw1, which alerts"],
    );

    let refused = |arguments: &[&str], part: &str| {
        let found = daemon.run(arguments).unwrap_err();
        assert!(found.contains(part), "{arguments:?}: {found}");
    };
    refused(&["explain", "I000099"], "I000099 is not known (any more)");
    refused(
        &["explain", "a/b"],
        "\"a/b\" is neither an incident (I000123)",
    );
    refused(
        &["explain", "I1", "--version", "9"],
        "I000001 has no explanation 9; kept: 1",
    );
    refused(
        &["explain", "--alert", "zz"],
        "\"zz\" is no alert; give its",
    );
    refused(
        &["explain", "--alert", "00000000"],
        "alert 00000000 is not known (any more)",
    );
    refused(
        &["explain", "--alert", &digits, "--incident", "I99"],
        "I000099 is not known (any more)",
    );
    refused(&["explain"], "required");
    refused(
        &["explain", "I1", "--alert", &digits, "--all"],
        "cannot be used",
    );

    // The API says the same, with a status.
    let check = |path: &str, status: &str, part: &str| {
        let found = daemon.get(path);
        assert!(found.starts_with(&format!("HTTP/1.1 {status}")), "{found}");
        assert!(found.contains(part), "{path}: {found}");
    };
    check("v1/incidents/I1/explain?version=all", "200", "explanations");
    check(
        "v1/incidents/I1/explain?version=x",
        "400",
        "a number, all or now",
    );
    check("v1/incidents/I1/explain?x=1", "400", "only: version");
    check("v1/incidents/I9/explain", "404", "I000009 is not known");
    check(&format!("v1/alerts/{digits}/explain"), "200", "steps");
    check("v1/alerts/0000/explain", "404", "Try: correlated incidents");
    check("v1/alerts/x/explain", "422", "is no alert");
}
