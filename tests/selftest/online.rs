//! The real program against small servers on this machine.

use crate::asked::Asked;
use std::io::Write;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Instant;

/// A tool that answers each request by its first line, and remembers these lines.
struct Fake {
    port: u16,
    seen: Arc<Mutex<Vec<String>>>,
}

fn fake(answer: fn(&str) -> Option<(u16, String)>) -> Fake {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let lines = seen.clone();
    std::thread::spawn(move || {
        let mut kept = Vec::new();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let asked = Asked::read(&stream);
            lines.lock().unwrap().push(asked.first().to_owned());
            match answer(asked.first()) {
                // Some tools quote the request in their errors: whoever asked must not say it on.
                Some((status, body)) => {
                    let quoted = [asked.head, asked.body].concat();
                    let quoted = quoted.replace(['\r', '\n', '"'], " ");
                    let body = body.replace("REQUEST", &quoted);
                    let answer = format!(
                        "HTTP/1.1 {status} x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
                        body.len()
                    );
                    stream.write_all(answer.as_bytes()).ok();
                }
                None => kept.push(stream), // says nothing for ever
            }
        }
    });
    Fake { port, seen }
}

fn rt(first: &str) -> Option<(u16, String)> {
    let path = first.split(' ').nth(1).unwrap();
    let has = |part: &str| path.contains(part);
    Some(match () {
        () if has("/user/alertd") => (200, r#"{"id":"30","Name":"alertd","Memberships":[]}"#.into()),
        () if has("/customfields") => (
            200,
            r#"{"items":[{"Name":"Correlation Key"},{"Name":"Root CI"},{"Name":"Severity","id":"2"},{"Name":"Impacted Services"},{"Name":"Alert Count"}]}"#
                .into(),
        ),
        () if has("/customfield/2") => (200, r#"{"id":2,"Name":"Severity"}"#.into()),
        () if has("/queue/Incidents") => (
            200,
            r#"{"id":3,"Name":"Incidents","_hyperlinks":[{"ref":"create"}]}"#.into(),
        ),
        () if has("/queue/") => (404, r#"{"message":"Not Found"}"#.into()),
        () if has("/queues/all") => (200, r#"{"items":[{"Name":"General"},{"Name":"Incidents"}]}"#.into()),
        () if has("/tickets") => (200, r#"{"count":0,"items":[]}"#.into()),
        () => (500, String::new()),
    })
}

fn page(_: &str) -> Option<(u16, String)> {
    Some((200, "<html><title>Log in</title></html>".into()))
}

fn refuses(_: &str) -> Option<(u16, String)> {
    Some((403, r#"{"error":"Not authorized: REQUEST"}"#.into()))
}

fn silent(_: &str) -> Option<(u16, String)> {
    None
}

struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}

/// `check --online`: what it printed, what it complained of, and whether all was good.
fn check(name: &str, targets: &str) -> (String, String, bool) {
    let folder = std::env::temp_dir().join(format!("correlated-{name}-{}", std::process::id()));
    let folder = Folder(folder);
    std::fs::create_dir_all(&folder.0).unwrap();
    std::fs::write(folder.0.join("token"), "Secret-of-the-tool-77\n").unwrap();
    let config = format!("[[source]]\nname = \"nagios\"\nkind = \"nagios\"\n{targets}");
    std::fs::write(folder.0.join("c.toml"), config).unwrap();
    let done = Command::new(env!("CARGO_BIN_EXE_correlated"))
        .args(["check", "--online"])
        .arg(folder.0.join("c.toml"))
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (
        text(&done.stdout),
        text(&done.stderr),
        done.status.success(),
    )
}

fn target(name: &str, kind: &str, port: u16, more: &str) -> String {
    format!(
        "[[itsm]]\nname = \"{name}\"\nkind = \"{kind}\"\nurl = \"http://127.0.0.1:{port}/x\"\ntoken_file = \"token\"\ntimeout = \"2s\"\n{more}\n"
    )
}

#[test]
fn a_tool_that_is_well_is_good() {
    let tool = fake(rt);
    let targets = target(
        "rt",
        "rt",
        tool.port,
        "queue = \"Incidents\"\naccount = \"alertd\"",
    );
    let (out, err, good) = check("online-good", &targets);
    assert!(good, "{out}{err}");
    let url = format!("\"http://127.0.0.1:{}/x\"", tool.port);
    for line in [
        format!("itsm rt (rt) {url}: login works as \"alertd\"\n"),
        "itsm rt (rt): queue \"Incidents\" is there, and tickets may be created in it\n".into(),
        "itsm rt (rt): cannot be checked here: whether notes may be written".into(),
        "itsm rt (rt): rights it needs: on the queue SeeQueue, CreateTicket,".into(),
    ] {
        assert!(out.contains(&line), "{line}\nin\n{out}");
    }
    assert!(!out.contains("FIX"), "{out}");
    let seen = tool.seen.lock().unwrap();
    assert!(
        seen.len() >= 6 && seen.iter().all(|l| l.starts_with("GET ")),
        "{seen:?}"
    );
    // What was asked once is not asked again.
    let mut once = seen.clone();
    once.sort();
    once.dedup();
    assert_eq!(once.len(), seen.len(), "{seen:?}");
}

/// One tool is misconfigured, one is away, one hangs, one shows a page, one turns us away and quotes our secret.
#[test]
fn what_is_wrong_with_one_tool_hides_no_other() {
    let (well, page, silent, refusing) = (fake(rt), fake(page), fake(silent), fake(refuses));
    let away = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let zammad = "group = \"Ops\"\ncustomer = \"m@example.net\"";
    let jira = "auth = \"bearer\"\nproject = \"OPS\"";
    let targets = [
        target("hangs", "zammad", silent.port, zammad),
        target("page", "jira", page.port, jira),
        target("away", "jira_dc", away, jira),
        target(
            "wrong",
            "rt",
            well.port,
            "queue = \"Opss\"\naccount = \"alertd\"",
        ),
        target("refuses", "zammad", refusing.port, zammad),
        "[[itsm]]\nname = \"trial\"\nkind = \"shadow\"\n".into(),
    ];
    let begun = Instant::now();
    let (out, err, good) = check("online-bad", &targets.concat());
    let took = begun.elapsed().as_secs();
    assert!(!good && took < 60, "{took} s: {out}");
    assert!(err.contains("to be fixed: "), "{err}");
    let fixes = |name: &str| {
        let lines = out
            .lines()
            .filter(|l| l.starts_with(&format!("itsm {name} (")) && l.contains(": FIX "));
        lines.map(str::to_owned).collect::<Vec<String>>()
    };
    let one = |name: &str, words: &str| {
        let all = fixes(name);
        assert!(
            all.len() == 1 && all[0].contains(words),
            "{all:?}\nin\n{out}"
        );
    };
    one("hangs", "gives no answer: ");
    one("page", "answers 200 and a web page in place of data");
    one("away", "cannot be asked: ");
    one(
        "wrong",
        "FIX queue \"Opss\" does not exist, or is hidden from us: set queue to one of \"General\", \"Incidents\", or create it",
    );
    assert!(!fixes("refuses").is_empty(), "{out}");
    assert!(
        out.contains("itsm trial (shadow): writes no ticket anywhere"),
        "{out}"
    );
    let secret = "Secret-of-the-tool-77";
    assert!(!out.contains(secret) && !err.contains(secret), "{out}{err}");
    assert!(out.contains("[removed]"), "{out}");
    for tool in [&well, &page, &silent, &refusing] {
        let seen = tool.seen.lock().unwrap();
        assert!(
            !seen.is_empty() && seen.iter().all(|l| l.starts_with("GET ")),
            "{seen:?}"
        );
    }
}
