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
            "[needs sw1, which alerts; app-a depends-on sw1 (A1 depends-on SW, CMDB read ",
            " s before); weight 900 of 1000, 0 s apart]",
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
            "\nJUDGED   at 20",
            "Z, by the state of now, by the same code that places alerts; what was known",
            "Of two values, 1.0 more is 2.7 times as likely",
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

/// What a sender wrote begins no line of ours and colours none.
#[test]
fn control_characters_of_an_alert_are_shown_as_what_they_are() {
    let daemon = Daemon::new("explain-raw", CMDB, "");
    let form = "application/x-www-form-urlencoded";
    let body = "HOSTNAME=lonely&SERVICEDESC=a%1b%5B31mred&SERVICESTATE=CRITICAL&SERVICESTATETYPE=HARD\
                &NOTIFICATIONTYPE=PROBLEM&SERVICEOUTPUT=bad%0ATICKET%20%20%20rt:%20ticket%2042%9b%c2%9b";
    let answer = daemon.exchange("intake.sock", "v1/events/nagios", form, body);
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let text = daemon.run(&["explain", "I1"]).unwrap();
    says(&text, &["\\u{1b}[31mred"]);
    let alert = text.lines().last().unwrap().split_whitespace().next();
    let all = [
        text.clone(),
        daemon.run(&["explain", "I1", "--all"]).unwrap(),
        daemon.run(&["explain", "--alert", alert.unwrap()]).unwrap(),
        daemon.run(&["incidents"]).unwrap(),
    ];
    for text in all {
        assert!(
            !text.contains(|c: char| c.is_control() && c != '\n'),
            "{text:?}"
        );
        assert!(!text.contains("\nTICKET   rt: "), "{text}");
    }
}

/// The list, the explanation and the way of an alert are as sure of a cause as each other.
#[test]
fn a_cause_is_known_or_not_wherever_it_is_told() {
    let daemon = Daemon::new("explain-sure", CMDB, "");
    daemon.down("nowhere");
    let list = daemon.run(&["incidents"]).unwrap();
    says(
        &list,
        &[
            "I000001  P",
            "  cause not known, alerts of nowhere: 1 alert, 1 live",
        ],
    );
    let text = daemon.run(&["explain", "I1"]).unwrap();
    says(&text, &["\nCAUSE    Not known."]);
    let alert = text.lines().last().unwrap().split_whitespace().next();
    let story = daemon.run(&["explain", "--alert", alert.unwrap()]).unwrap();
    says(
        &story,
        &[
            "\nPRIORITY P",
            ", cause not known, alerts of nowhere; hold until ",
        ],
    );
    daemon.down("lonely");
    let known = "\nCAUSE    Probably lonely itself - confidence high.";
    says(&daemon.run(&["explain", "I2"]).unwrap(), &[known]);
    let list = daemon.run(&["incidents"]).unwrap();
    says(&list, &["  cause probably lonely: 1 alert"]);
    daemon.run(&["cause", "I1", "sw1"]).unwrap();
    says(
        &daemon.run(&["incidents"]).unwrap(),
        &["  cause sw1: 1 alert"],
    );
    says(
        &daemon.run(&["explain", "I1"]).unwrap(),
        &["\nCAUSE    sw1, named by "],
    );
    daemon.run(&["cause", "I1", "unknown"]).unwrap();
    says(
        &daemon.run(&["incidents"]).unwrap(),
        &["  cause not known: 1 alert"],
    );
    says(
        &daemon.run(&["explain", "I1"]).unwrap(),
        &["\nCAUSE    Not known, named so by "],
    );
}

/// Who ended an incident is named where one asks about what still fires in it.
#[test]
fn what_fires_on_after_a_resolve_names_the_person() {
    let daemon = Daemon::new("explain-ended", CMDB, "");
    let form = "application/x-www-form-urlencoded";
    let tell = |state: &str| {
        let body = format!(
            "HOSTNAME=lonely&SERVICEDESC=Load&SERVICESTATE={state}&SERVICESTATETYPE=HARD&NOTIFICATIONTYPE=PROBLEM&SERVICEOUTPUT=x"
        );
        let answer = daemon.exchange("intake.sock", "v1/events/nagios", form, &body);
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    };
    tell("WARNING");
    let text = daemon.run(&["explain", "I1"]).unwrap();
    let alert = text.lines().last().unwrap().split_whitespace().next();
    daemon.run(&["resolve", "I1", "--by", "jane"]).unwrap();
    tell("CRITICAL");
    let story = daemon.run(&["explain", "--alert", alert.unwrap()]).unwrap();
    says(
        &story,
        &[
            "(jane) resolved I000001 at 20",
            "what still fires in it, or grows worse, opens nothing new until it has cleared and fires again",
            "\nTICKET   no ticket: it was resolved by uid ",
        ],
    );
    let text = daemon.run(&["explain", "I1"]).unwrap();
    says(
        &text,
        &[
            "\nTICKET   none: it was resolved by uid ",
            "(jane) before one was wanted",
        ],
    );
}

/// An incident that became part of another before an explanation of its own was kept.
#[test]
fn an_incident_that_was_merged_says_where_it_went_and_when() {
    let daemon = Daemon::new("explain-merged", CMDB, "");
    daemon.down("lonely");
    daemon.down("app-a");
    daemon.run(&["merge", "I1", "I2"]).unwrap();
    let text = daemon.run(&["explain", "I2"]).unwrap();
    says(&text, &["I000001  P", "\nI000002 became part of it at 20"]);
    let all = daemon.run(&["explain", "I2", "--all"]).unwrap();
    says(&all, &["\npart of I000001 since 20"]);
    let value: Value =
        serde_json::from_str(&daemon.run(&["explain", "I2", "--json"]).unwrap()).unwrap();
    assert_eq!(value["asked"], "I000002");
    assert_eq!(value["asked_merged_at"], value["merges"][0]["at"]);
}

/// What needs the cause over paths on which we do not expect an alert is not among those that are counted.
#[test]
fn what_is_not_counted_is_said() {
    let cmdb = r#"{"cis": [{"id": "A1", "name": "app-a"}, {"id": "A2", "name": "app-b"},
        {"id": "A3", "name": "app-c"}, {"id": "SW", "name": "sw1"}],
      "relations": [{"from": "A1", "type": "depends-on", "to": "SW"}, {"from": "A2", "type": "depends-on", "to": "SW"},
        {"from": "A3", "type": "helped-by", "to": "SW"}]}"#;
    let weak = "[correlate.relations]\nhelped-by = { weight = 400 }\n";
    let daemon = Daemon::new("explain-weak", cmdb, weak);
    for host in ["sw1", "app-a", "app-b", "app-c"] {
        daemon.down(host);
    }
    let text = daemon.run(&["explain", "I1"]).unwrap();
    says(
        &text,
        &[
            "\nCOVERS   2 of the 2 monitored CIs that need sw1 alert: 2 of 2 at 1 relation; not counted: 1 CI here \
           that needs it by weaker paths or not at all\n",
        ],
    );
}
