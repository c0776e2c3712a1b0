//! Both ways through the real program, against the instance of `servicenow`: what waits for a tool, as people
//! see it and try it again.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    dead_code,
    reason = "a test stops at what it does not expect, and uses a part of its support"
)]

#[path = "servicenow/daemon.rs"]
mod daemon;
#[path = "servicenow/instance.rs"]
mod instance;

use daemon::Daemon;
use instance::Server;

#[test]
fn what_a_tool_refuses_is_listed_and_tried_again_by_a_person() {
    let server = Server::start();
    server.with(|i| i.refuses = true);
    let daemon = Daemon::new("parked", &server.basic());
    let listed = daemon.run(&["deliveries"]).unwrap();
    assert_eq!(listed, "nothing waits to be delivered");
    assert_eq!(
        daemon.run(&["deliveries", "retry", "--all"]),
        Err("nothing there waits for a retry".to_owned())
    );
    daemon.down("web1", "gone");
    daemon.wait_log("create refused");
    let listed = daemon.run(&["deliveries"]).unwrap();
    assert!(
        listed.starts_with("I000001  P3  snow  no ticket yet  create: parked until 2"),
        "{listed}"
    );
    assert!(listed.contains("no room on Fridays"), "{listed}");
    let json = daemon.run(&["deliveries", "--json"]).unwrap();
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let row = &json["deliveries"][0];
    assert_eq!(
        (&row["state"], &row["target"], &row["step"]),
        (&"parked".into(), &"snow".into(), &"create".into()),
        "{json}"
    );
    let refused = |arguments: &[&str], text: &str| {
        let found = daemon.run(arguments).unwrap_err();
        assert!(found.contains(text), "{arguments:?}: {found}");
    };
    refused(&["deliveries", "retry"], "--target");
    refused(&["deliveries", "retry", "I000001", "--all"], "--all");
    refused(
        &["deliveries", "retry", "I000077"],
        "I000077 is not known (any more)",
    );
    refused(
        &["deliveries", "retry", "--target", "now"],
        "there is no target \"now\"",
    );
    // Not mended yet: parked again. Mended: it goes through.
    daemon.run(&["deliveries", "retry", "--all"]).unwrap();
    let again = || daemon.log().matches("create refused").count() == 2;
    server.wait("refused again", |_| again());
    server.with(|i| i.refuses = false);
    let said = daemon
        .run(&["deliveries", "retry", "I000001", "--by", "jane"])
        .unwrap();
    assert!(
        said.starts_with("1 delivery is tried again, says uid ") && said.ends_with("(jane)"),
        "{said}"
    );
    server.wait("a ticket", |i| i.tickets.len() == 1);
    daemon.wait_log("ticket INC0010001 opened");
    let listed = daemon.run(&["deliveries"]).unwrap();
    assert_eq!(listed, "nothing waits to be delivered");
    server.with(|i| assert_eq!(i.creates, 1));
}
