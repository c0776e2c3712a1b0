//! The way out to the tools: through a proxy, and past it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at what it does not expect"
)]

use correlated::config;
use correlated::daemon::http::Client;
use correlated::model::{Request, Response};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::mpsc;
use std::time::Duration;

/// Answers one request after another with 204, a login with a token, and tells their first lines with what
/// they say about us, and their bodies.
fn server() -> (u16, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let mut line = || {
                let mut line = String::new();
                reader.read_line(&mut line).unwrap();
                line.trim_end().to_owned()
            };
            let (mut told, mut length) = (line(), 0);
            loop {
                let line = line();
                match line.split_once(": ") {
                    None => break,
                    Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                        length = value.parse().unwrap();
                    }
                    Some((name, _))
                        if ["authorization", "x-key"].contains(&&*name.to_lowercase()) =>
                    {
                        told = format!("{told} {line}");
                    }
                    Some(_) => {}
                }
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            if length > 0 {
                told = format!("{told} {}", String::from_utf8_lossy(&body));
            }
            let answer = match told.starts_with("POST /login") {
                true => "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nTOKEN",
                false => "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n",
            };
            stream.write_all(answer.as_bytes()).unwrap();
            if tell.send(told).is_err() {
                return;
            }
        }
    });
    (port, told)
}

fn ask(url: &str, more: &str) -> Result<u16, String> {
    send(url, more, "")
}

fn send(url: &str, more: &str, body: &str) -> Result<u16, String> {
    exchange(url, more, body).map(|answer| answer.status)
}

fn exchange(url: &str, more: &str, body: &str) -> Result<Response, String> {
    rustls::crypto::ring::default_provider()
        .install_default()
        .ok();
    let token = std::env::temp_dir().join(format!(
        "correlated-outgoing-{}-{:?}",
        std::process::id(),
        std::thread::current().id()
    ));
    std::fs::write(&token, "t\n").unwrap();
    let text = format!(
        "[[source]]\nname = \"n\"\nkind = \"nagios\"\n[[itsm]]\nname = \"t\"\nkind = \"rt\"\nurl = \"{url}\"\ntoken_file = \"{}\"\nqueue = \"q\"\naccount = \"a\"\ntimeout = \"5s\"\n{more}\n",
        token.display()
    );
    let config = config::load(&text, "").unwrap();
    let client = Client::new(&config.plumbing.targets[0]).unwrap();
    let request = Request {
        method: if body.is_empty() { "GET" } else { "POST" },
        path: "x".into(),
        query: Vec::new(),
        headers: Vec::new(),
        body: body.as_bytes().to_vec(),
        writes: !body.is_empty(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let answer = runtime.block_on(client.send(&request));
    std::fs::remove_file(&token).ok();
    answer.map_err(|e| e.why)
}

/// Answers once with a body.
fn answers(body: Vec<u8>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let mut line = String::new();
        while line != "\r\n" {
            line.clear();
            reader.read_line(&mut line).unwrap();
        }
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(&body).ok(); // who has read enough hangs up
    });
    url
}

#[test]
fn a_mark_of_the_byte_order_is_no_part_of_an_answer() {
    let url = answers(b"\xef\xbb\xbf{\"id\": 7}".to_vec());
    assert_eq!(exchange(&url, "", "").unwrap().body, b"{\"id\": 7}");
    let url = answers(b"\xef\xbb".to_vec());
    assert_eq!(exchange(&url, "", "").unwrap().body, b"\xef\xbb");
}

#[test]
fn an_answer_may_be_long_but_not_without_bounds() {
    let long = vec![b' '; 10 << 20];
    assert_eq!(exchange(&answers(long.clone()), "", "").unwrap().body, long);
    let why = exchange(&answers(vec![b' '; 20 << 20]), "", "").unwrap_err();
    assert!(why.contains("16 MiB"), "{why}");
}

#[test]
fn a_proxy_is_used_except_for_what_goes_past_it() {
    let (proxy, at_proxy) = server();
    let (tool, at_tool) = server();
    let by = format!("proxy = \"http://127.0.0.1:{proxy}\"");
    assert_eq!(ask("http://tool.invalid/REST", &by), Ok(204));
    let line = at_proxy.recv_timeout(Duration::from_secs(5)).unwrap();
    assert_eq!(
        line,
        "GET http://tool.invalid/REST/x HTTP/1.1 authorization: token t"
    );
    let past = format!("{by}\nno_proxy = [\"127.0.0.0/8\", \".invalid\"]");
    assert_eq!(
        ask(&format!("http://127.0.0.1:{tool}/REST"), &past),
        Ok(204)
    );
    let line = at_tool.recv_timeout(Duration::from_secs(5)).unwrap();
    assert_eq!(line, "GET /REST/x HTTP/1.1 authorization: token t");
    assert!(
        ask("http://tool.invalid/REST", &past).is_err(),
        "no such host, and the proxy is not asked"
    );
    assert!(at_proxy.try_recv().is_err());
}

#[test]
fn a_secret_stands_where_the_tool_wants_it() {
    let (tool, told) = server();
    let url = format!("http://127.0.0.1:{tool}");
    let check = |more: &str, body: &str, expected: &[&str]| {
        assert_eq!(send(&url, more, body), Ok(204), "{more}");
        for expected in expected {
            let line = told.recv_timeout(Duration::from_secs(5)).unwrap();
            assert_eq!(line.to_lowercase(), expected.to_lowercase(), "{more}");
        }
    };
    check("", "", &["GET /x HTTP/1.1 authorization: token t"]);
    check(
        "auth = \"bearer\"",
        "",
        &["GET /x HTTP/1.1 authorization: Bearer t"],
    );
    // That is t:X.
    check(
        "auth = \"basic_user\"",
        "",
        &["GET /x HTTP/1.1 authorization: Basic dDpY"],
    );
    check(
        "auth = \"header\"\nauth_name = \"Authorization\"\nauth_prefix = \"Token token=\"",
        "",
        &["GET /x HTTP/1.1 authorization: Token token=t"],
    );
    check(
        "auth = \"header\"\nauth_name = \"X-Key\"",
        "",
        &["GET /x HTTP/1.1 x-key: t"],
    );
    check(
        "auth = \"query\"\nauth_name = \"token\"",
        "",
        &["GET /x?token=t HTTP/1.1"],
    );
    check(
        "auth = \"member\"\nauth_name = \"routing_key\"",
        "{\"a\":\"routing_key\"}",
        &["POST /x HTTP/1.1 {\"a\":\"routing_key\",\"routing_key\":\"t\"}"],
    );
    check(
        "auth = \"login\"\nuser = \"u\"\noauth_path = \"/login?mode=x\"\nauth_prefix = \"AR-JWT \"",
        "",
        &[
            "POST /login?mode=x HTTP/1.1 username=u&password=t",
            "GET /x HTTP/1.1 authorization: AR-JWT TOKEN",
        ],
    );
    let missing = config::load(
        "[[source]]\nname = \"n\"\nkind = \"nagios\"\n[[itsm]]\nname = \"t\"\nkind = \"rt\"\nurl = \"http://x\"\n\
         token = \"credential:t\"\nqueue = \"q\"\naccount = \"a\"\nauth = \"header\"\n",
        "",
    );
    let missing = format!("{missing:?}");
    assert!(missing.contains("itsm[0].auth_name"), "{missing}");
}

/// A tool that quotes the whole request in its answer, as debug pages and proxies do.
fn parrot(status: &'static str) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let (mut head, mut length) = (String::new(), 0);
            loop {
                let mut line = String::new();
                reader.read_line(&mut line).unwrap();
                let lower = line.to_lowercase();
                if let Some(value) = lower.strip_prefix("content-length: ") {
                    length = value.trim().parse().unwrap();
                }
                if line.trim().is_empty() {
                    break;
                }
                head.push_str(&line);
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            let body = String::from_utf8_lossy(&body);
            let first = head.lines().next().unwrap_or_default();
            let login = head.starts_with("POST /login") && status != "401 Unauthorized";
            let (status, said) = match login {
                true => ("200 OK", "TheFetchedToken99".to_owned()),
                false => (status, format!("<html><pre>{head}{body}</pre><p>not clo")),
            };
            let answer = format!(
                "HTTP/1.1 {status}\r\nX-Asked: {first}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{said}",
                said.len()
            );
            stream.write_all(answer.as_bytes()).ok();
        }
    });
    port
}

/// Every way in which a kind of the table shows who it is, with what a tool may quote of it.
#[test]
fn what_a_tool_quotes_of_our_secrets_reaches_nobody() {
    rustls::crypto::ring::default_provider()
        .install_default()
        .ok();
    let file = |name: &str, text: &str| {
        let path = std::env::temp_dir().join(format!("correlated-{name}-{}", std::process::id()));
        std::fs::write(&path, format!("{text}\n")).unwrap();
        path.display().to_string()
    };
    let (token, client) = (
        file("quoted-token", "S3cret/of&the tool"),
        file("quoted-client", "Client-S3cret-77"),
    );
    // As `printf 'alertd:S3cret/of&the tool' | base64` has it, and the same with ":X" behind.
    let hidden = [
        "S3cret/of",
        "S3cret%2Fof",
        "YWxlcnRkOlMzY3JldC9vZiZ0aGUgdG9vbA",
        "UzNjcmV0L29mJnRoZSB0b29sOlg",
        "TheFetchedToken99",
        "Client-S3cret",
    ];
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    for status in ["400 Bad Request", "401 Unauthorized", "500 Oops", "200 OK"] {
        let port = parrot(status);
        for auth in [
            "auth = \"token\"",
            "auth = \"bearer\"",
            "auth = \"basic\"\nuser = \"alertd\"",
            "auth = \"basic_user\"",
            "auth = \"header\"\nauth_name = \"X-Key\"\nauth_prefix = \"Key \"",
            "auth = \"query\"\nauth_name = \"key\"",
            "auth = \"member\"\nauth_name = \"routing_key\"",
            "auth = \"login\"\nuser = \"alertd\"\noauth_path = \"/login\"",
            "auth = \"oauth2\"\nuser = \"alertd\"\nclient_id = \"us\"\nclient_secret_file = \"CLIENT\"\noauth_path = \"/oauth\"",
        ] {
            let text = format!(
                "[[source]]\nname = \"n\"\nkind = \"nagios\"\n[[itsm]]\nname = \"t\"\nkind = \"rt\"\n\
                 url = \"http://127.0.0.1:{port}\"\ntoken_file = \"{token}\"\nqueue = \"q\"\naccount = \"a\"\n{}\n",
                auth.replace("CLIENT", &client)
            );
            let config = config::load(&text, "").unwrap_or_else(|e| panic!("{auth}: {e:?}"));
            let tool = Client::new(&config.plumbing.targets[0]).unwrap();
            let request = Request {
                method: "POST",
                path: "x".into(),
                query: Vec::new(),
                headers: Vec::new(),
                body: b"{\"a\":1}".to_vec(),
                writes: true,
            };
            let said = match runtime.block_on(tool.send(&request)) {
                Ok(answer) => format!(
                    "{:?} {}",
                    answer.headers,
                    String::from_utf8_lossy(&answer.body)
                ),
                Err(failure) => failure.why,
            };
            for word in hidden {
                assert!(!said.contains(word), "{auth}, {status}: {word} in {said}");
            }
        }
    }
    // Every kind that asks a tool does it through this client, and its row has no way to a secret.
    for path in [token, client] {
        std::fs::remove_file(path).ok();
    }
}
