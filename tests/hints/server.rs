//! The fake tools of the conformance kit behind a real socket, in real time.

use crate::memory::{Memory, PERSON, RULE, Ticket, US};
use crate::tools::{Row, Wire};
use correlated::itsm::TicketState;
use correlated::model::{Millis, Request};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

pub struct Server {
    port: u16,
    inner: Arc<Mutex<Inner>>,
}

struct Inner {
    memory: Memory,
    wire: Box<dyn Wire + Send>,
    /// Method and path of every request.
    came: Vec<String>,
    /// What was written.
    bodies: Vec<String>,
    /// Answers nothing but 503.
    away: bool,
    /// Does what is asked, and keeps its answers to writes back.
    slow: bool,
}

fn now() -> Millis {
    Millis(jiff::Timestamp::now().as_millisecond())
}

impl Server {
    pub fn start(row: &Row) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let inner = Arc::new(Mutex::new(Inner {
            memory: Memory::default(),
            wire: (row.wire)(),
            came: Vec::new(),
            bodies: Vec::new(),
            away: false,
            slow: false,
        }));
        let behind = inner.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let inner = behind.clone();
                std::thread::spawn(move || serve(stream, &inner));
            }
        });
        Server { port, inner }
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// A target of this tool. `%` stands for the daemon's folder.
    pub fn target(&self, row: &Row, more: &str) -> String {
        format!(
            "[[itsm]]\nname = \"tool\"\nkind = \"{}\"\nurl = \"{}\"\ntoken_file = \"%/s3cret\"\n{}{more}",
            row.kind,
            self.url(),
            row.keys
        )
    }

    pub fn with<T>(&self, act: impl FnOnce(&mut Memory) -> T) -> T {
        let mut inner = self.inner.lock().unwrap();
        inner.memory.now = now();
        act(&mut inner.memory)
    }

    pub fn away(&self, away: bool) {
        self.inner.lock().unwrap().away = away;
    }

    pub fn slow(&self, slow: bool) {
        self.inner.lock().unwrap().slow = slow;
    }

    pub fn came(&self) -> Vec<String> {
        self.inner.lock().unwrap().came.clone()
    }

    pub fn bodies(&self) -> Vec<String> {
        self.inner.lock().unwrap().bodies.clone()
    }

    /// Waits until so many more requests of this method and path came.
    pub fn wait_asked(&self, what: &str, times: usize) {
        let asked = || self.came().iter().filter(|c| *c == what).count();
        let (begun, wanted) = (Instant::now(), asked() + times);
        while asked() < wanted {
            let late = begun.elapsed() > Duration::from_secs(60);
            assert!(!late, "{what}: {:#?}", self.came());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits for a level, not for an edge.
    pub fn wait(&self, what: &str, holds: impl Fn(&Memory) -> bool) {
        let begun = Instant::now();
        while !self.with(|m| holds(m)) {
            let state = self.with(|m| format!("{:#?}", m.tickets));
            let came = self.came();
            let late = begun.elapsed() > Duration::from_secs(60);
            assert!(!late, "{what}: {state} {came:#?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// A person takes the ticket, as far as the tool knows owners.
    pub fn takes(&self, number: &str) {
        self.with(|m| {
            let ticket = m.change(number, PERSON).unwrap();
            ticket.state = TicketState::Open;
            PERSON.clone_into(&mut ticket.owner);
        });
    }

    pub fn turns(&self, number: &str, state: TicketState) {
        self.with(|m| {
            m.change(number, PERSON).unwrap().state = state;
        });
    }

    /// A rule of the tool does something that is no person's hand.
    pub fn rules(&self, number: &str) {
        self.with(|m| {
            m.change(number, RULE).unwrap();
        });
    }

    /// The number of our first ticket.
    pub fn ours(&self) -> String {
        let first = |m: &Memory| -> Option<String> {
            let ours = |t: &&Ticket| t.by == US && t.key.starts_with("cor-");
            m.tickets.iter().find(ours).map(|t| t.number.to_string())
        };
        self.wait("a ticket", |m| first(m).is_some());
        self.with(|m| first(m)).unwrap()
    }
}

fn decoded(text: &str) -> String {
    let mut out = Vec::new();
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'+' => b' ',
            b'%' => {
                let hex = [bytes.next().unwrap(), bytes.next().unwrap()];
                u8::from_str_radix(std::str::from_utf8(&hex).unwrap(), 16).unwrap()
            }
            other => other,
        });
    }
    String::from_utf8(out).unwrap()
}

fn serve(stream: TcpStream, inner: &Mutex<Inner>) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut stream = stream;
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split(' ');
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut length = 0;
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let header = header.trim_end().to_lowercase();
        if header.is_empty() {
            break;
        }
        if let Some(value) = header.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let pairs = query.split('&').filter_map(|p| p.split_once('='));
    let request = Request {
        method: ["GET", "POST", "PUT", "PATCH"]
            .into_iter()
            .find(|m| *m == method)?,
        path: path.trim_start_matches('/').to_owned(),
        query: pairs.map(|(n, v)| (decoded(n), decoded(v))).collect(),
        headers: Vec::new(),
        body,
        writes: method != "GET",
    };
    let (status, kind, body) = if request.path == "api/jwt/login" {
        (200, "text/plain", b"a-token".to_vec())
    } else {
        let mut inner = inner.lock().unwrap();
        inner.came.push(format!("{method} {}", request.path));
        let text = String::from_utf8_lossy(&request.body).into_owned();
        inner.bodies.push(text);
        inner.memory.now = now();
        let away = inner.away;
        let Inner { memory, wire, .. } = &mut *inner;
        let answer = match away {
            true => crate::tools::empty(503),
            false => wire.ask(memory, &request),
        };
        (answer.status, "application/json", answer.body)
    };
    while request.writes && inner.lock().unwrap().slow {
        std::thread::sleep(Duration::from_millis(10));
    }
    let head = format!(
        "HTTP/1.1 {status} x\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).ok()?;
    stream.write_all(&body).ok()
}
