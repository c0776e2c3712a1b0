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
use correlated::model::Request;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::mpsc;
use std::time::Duration;

/// Answers one request after another with 204, and tells their first lines.
fn server() -> (u16, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            let first = lines.next().unwrap().unwrap();
            for line in lines.by_ref() {
                if line.unwrap().is_empty() {
                    break;
                }
            }
            stream
                .write_all(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
                .unwrap();
            if tell.send(first).is_err() {
                return;
            }
        }
    });
    (port, told)
}

fn ask(url: &str, more: &str) -> Result<u16, String> {
    rustls::crypto::ring::default_provider()
        .install_default()
        .ok();
    let token = std::env::temp_dir().join(format!("correlated-outgoing-{}", std::process::id()));
    std::fs::write(&token, "t\n").unwrap();
    let text = format!(
        "[[source]]\nname = \"n\"\nkind = \"nagios\"\n[[itsm]]\nname = \"t\"\nkind = \"rt\"\nurl = \"{url}\"\ntoken_file = \"{}\"\nqueue = \"q\"\naccount = \"a\"\ntimeout = \"5s\"\n{more}\n",
        token.display()
    );
    let config = config::load(&text, "").unwrap();
    let client = Client::new(&config.plumbing.targets[0]).unwrap();
    let request = Request {
        method: "GET",
        path: "x".into(),
        query: Vec::new(),
        headers: Vec::new(),
        body: Vec::new(),
        writes: false,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let answer = runtime.block_on(client.send(&request));
    answer.map(|a| a.status).map_err(|e| e.why)
}

#[test]
fn a_proxy_is_used_except_for_what_goes_past_it() {
    let (proxy, at_proxy) = server();
    let (tool, at_tool) = server();
    let by = format!("proxy = \"http://127.0.0.1:{proxy}\"");
    assert_eq!(ask("http://tool.invalid/REST", &by), Ok(204));
    let line = at_proxy.recv_timeout(Duration::from_secs(5)).unwrap();
    assert_eq!(line, "GET http://tool.invalid/REST/x HTTP/1.1");
    let past = format!("{by}\nno_proxy = [\"127.0.0.0/8\", \".invalid\"]");
    assert_eq!(
        ask(&format!("http://127.0.0.1:{tool}/REST"), &past),
        Ok(204)
    );
    let line = at_tool.recv_timeout(Duration::from_secs(5)).unwrap();
    assert_eq!(line, "GET /REST/x HTTP/1.1");
    assert!(
        ask("http://tool.invalid/REST", &past).is_err(),
        "no such host, and the proxy is not asked"
    );
    assert!(at_proxy.try_recv().is_err());
}
