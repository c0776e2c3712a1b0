//! An instance with a memory, as far as we use it: the Table API, the Batch API and `/oauth_token.do`.

#[path = "affected.rs"]
mod affected;

use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

pub const PERSON: &str = "ffffffffffffffffffffffffffffffff";
pub const OTHER_GROUP: &str = "99999999999999999999999999999999";
const US: &str = "alertd";
const US_ID: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const CALLER: &str = "cccccccccccccccccccccccccccccccc";
const GROUP: &str = "dddddddddddddddddddddddddddddddd";
const NETWORK: &str = "eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee";

/// Keys of a target.
pub const KEYS: &str = "account = \"alertd\"\ncaller = \"cccccccccccccccccccccccccccccccc\"\n\
    default_group = \"dddddddddddddddddddddddddddddddd\"\n\
    groups = { Network = \"eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee\" }\n";

const UPDATED: &str = "sys_updated_on";

/// The time as the tool tells it: UTC, to the second.
fn now() -> String {
    let now = jiff::Timestamp::now();
    now.strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// Columns and values; what is not there is empty.
pub type Ticket = BTreeMap<String, String>;

/// An answer.
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

/// See the module.
#[derive(Default)]
pub struct Instance {
    pub tickets: Vec<Ticket>,
    pub notes: Vec<String>,
    pub cis: Vec<String>,
    /// Tickets and their affected CIs.
    pub task_ci: Vec<(String, String)>,
    /// An ACL lets us read `task_ci`, but not write it.
    pub task_ci_is_read_only: bool,
    /// An ACL takes out every row of `task_ci`, after it was counted.
    pub task_ci_is_hidden: bool,
    /// A rule copies the CI field to `task_ci`.
    pub copies_ci: bool,
    /// The Batch API is shut.
    pub no_batch: bool,
    /// So many batches that write are carried out and never answered.
    pub batches_lost: u32,
    /// Batches that wrote.
    pub batches: u32,
    /// Clauses that name these are ignored, and their values are left out.
    pub hidden_columns: Vec<&'static str>,
    /// Clauses that name these are ignored, though their values can be read.
    pub ignored_clauses: Vec<&'static str>,
    /// An ACL takes out every row, after it was counted.
    pub hidden_rows: bool,
    /// An assignment rule acts after so many further requests.
    pub rule_in: Option<u32>,
    /// When each request came.
    pub came: Vec<Instant>,
    /// A business rule refuses every new ticket.
    pub refuses: bool,
    /// A data policy: who resolves must say who is assigned.
    pub needs_assignee: bool,
    /// The next create is never answered, and its row comes so much later.
    pub late: Option<Duration>,
    coming: Vec<(Instant, Ticket)>,
    /// A page instead of answers.
    pub sleeps: bool,
    /// Requests that a token is good for.
    pub uses: Option<u32>,
    /// The token ends right after a create.
    pub end_after_create: bool,
    /// Whoever comes right after a create is turned away, so many times, whatever he shows.
    pub closed_after_create: u32,
    tokens: BTreeMap<String, u32>,
    known_tokens: BTreeSet<String>,
    pub logins: u32,
    pub logins_refused: u32,
    pub creates: u32,
    pub turned_away: u32,
    pub unauthorised: u32,
    numbers: u32,
}

fn answer(status: u16, body: Value) -> Answer {
    Answer {
        status,
        headers: vec![("content-type".to_owned(), "application/json".to_owned())],
        body: body.to_string(),
    }
}

fn failure(status: u16, message: &str, detail: &str) -> Answer {
    let error = json!({"message": message, "detail": detail});
    answer(status, json!({"error": error, "status": "failure"}))
}

impl Instance {
    pub fn new() -> Instance {
        Instance {
            cis: vec!["web1".to_owned()],
            ..Instance::default()
        }
    }

    /// A new row, made by `user`.
    pub fn insert(&mut self, user: &str, columns: Ticket) -> Ticket {
        self.numbers += 1;
        let mut row = columns;
        row.entry("state".to_owned())
            .or_insert_with(|| "1".to_owned());
        row.insert("sys_id".to_owned(), format!("{:032x}", self.numbers));
        row.insert(
            "number".to_owned(),
            format!("INC{}", 10_000 + self.numbers).replace("INC", "INC00"),
        );
        row.insert("sys_created_by".to_owned(), user.to_owned());
        row.insert("sys_updated_by".to_owned(), user.to_owned());
        row.insert(UPDATED.to_owned(), now());
        self.tickets.push(row.clone());
        row
    }

    /// Somebody changes a row.
    pub fn by(&mut self, user: &str, at: usize, columns: &[(&str, &str)]) {
        let row = &mut self.tickets[at];
        for (name, value) in columns {
            row.insert((*name).to_owned(), (*value).to_owned());
        }
        row.insert("sys_updated_by".to_owned(), user.to_owned());
        row.insert(UPDATED.to_owned(), now());
    }

    /// One request to the Table API; `None` closes the connection.
    pub fn answer(
        &mut self,
        method: &str,
        path: &str,
        query: &BTreeMap<String, String>,
        body: &[u8],
    ) -> Option<Answer> {
        self.pass_time();
        let path = path.trim_start_matches('/');
        if path == "api/now/v1/batch" {
            return self.batch(method, body);
        }
        let rest = path.strip_prefix("api/now/v2/table/").expect(path);
        let (table, id) = rest.split_once('/').unwrap_or((rest, ""));
        match (method, id) {
            ("GET", "") => Some(self.list(table, query)),
            ("POST", "") if table == "task_ci" => Some(self.affect(body)),
            ("POST", "") => self.create(body),
            ("PATCH", id) => Some(self.patch(id, body)),
            other => panic!("{other:?}"),
        }
    }

    fn pass_time(&mut self) {
        let due: Vec<Ticket> = {
            let now = Instant::now();
            let (due, not): (Vec<_>, Vec<_>) =
                self.coming.drain(..).partition(|(at, _)| *at <= now);
            self.coming = not;
            due.into_iter().map(|(_, row)| row).collect()
        };
        for row in due {
            self.insert(US, row);
        }
        self.rule_in = match self.rule_in {
            Some(0) => {
                for at in 0..self.tickets.len() {
                    self.by("system", at, &[("assignment_group", OTHER_GROUP)]);
                }
                (self.tickets.is_empty()).then_some(0)
            }
            Some(n) if !self.tickets.is_empty() => Some(n - 1),
            other => other,
        };
    }

    fn rows(&self, table: &str) -> Vec<Ticket> {
        let row = |columns: &[(&str, &str)]| -> Ticket {
            columns
                .iter()
                .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))
                .collect()
        };
        match table {
            "incident" => self.tickets.clone(),
            "sys_user" => vec![
                row(&[("sys_id", US_ID), ("user_name", US)]),
                row(&[("sys_id", CALLER), ("user_name", "monitoring")]),
            ],
            "sys_user_group" => vec![
                row(&[("sys_id", GROUP), ("active", "true")]),
                row(&[("sys_id", NETWORK), ("active", "true")]),
            ],
            "cmdb_ci" => self
                .cis
                .iter()
                .enumerate()
                .map(|(n, name)| {
                    row(&[
                        ("sys_id", &format!("{:032x}", 0xc1_0000 + n)),
                        ("name", name),
                    ])
                })
                .collect(),
            "task_ci" => self.affected_rows(),
            _ => Vec::new(),
        }
    }

    fn list(&self, table: &str, query: &BTreeMap<String, String>) -> Answer {
        let mut rows = self.rows(table);
        let ignored = |column: &str| self.hidden_columns.contains(&column);
        for clause in query["sysparm_query"].split('^') {
            if clause.starts_with("ORDERBY") {
                continue;
            }
            assert!(
                !clause.contains("javascript:"),
                "{clause} would be executed"
            );
            let empty = String::new();
            let ignored = |column: &str| ignored(column) || self.ignored_clauses.contains(&column);
            if let Some((column, value)) = clause.split_once("STARTSWITH") {
                rows.retain(|r| {
                    ignored(column) || r.get(column).is_some_and(|v| v.starts_with(value))
                });
            } else if let Some((column, value)) = clause.split_once(">=") {
                rows.retain(|r| r[column].as_str() >= value);
            } else if let Some((column, list)) = clause
                .split_once("IN")
                .filter(|(c, _)| matches!(*c, "sys_id" | "name"))
            {
                rows.retain(|r| list.split(',').any(|v| r[column] == v));
            } else if let Some((column, value)) =
                clause.split_once('=').filter(|(c, _)| !ignored(c))
            {
                rows.retain(|r| r.get(column).unwrap_or(&empty).eq_ignore_ascii_case(value));
            }
        }
        if query["sysparm_query"].ends_with("^ORDERBYDESCsys_updated_on") {
            rows.sort_by(|a, b| b[UPDATED].cmp(&a[UPDATED]));
        }
        let total = rows.len();
        if let Some(offset) = query.get("sysparm_offset") {
            rows.drain(..total.min(offset.parse().unwrap()));
        }
        rows.truncate(query["sysparm_limit"].parse().unwrap());
        if self.hidden_rows || (table == "task_ci" && self.task_ci_is_hidden) {
            rows.clear();
        }
        let columns: Vec<&str> = query["sysparm_fields"].split(',').collect();
        let shown: Vec<Value> = rows
            .iter()
            .map(|r| {
                let columns = columns.iter().filter(|c| !ignored(c));
                columns
                    .map(|c| {
                        (
                            (*c).to_owned(),
                            Value::from(r.get(*c).cloned().unwrap_or_default()),
                        )
                    })
                    .collect()
            })
            .collect();
        let mut answer = answer(200, json!({"result": shown}));
        answer
            .headers
            .push(("x-total-count".to_owned(), total.to_string()));
        answer
    }

    /// Text as the tool keeps it.
    fn cleaned(body: &[u8]) -> Ticket {
        let value: BTreeMap<String, String> = serde_json::from_slice(body).unwrap();
        let words = |text: &str| {
            text.split(' ')
                .filter(|w| !w.is_empty())
                .collect::<Vec<_>>()
                .join(" ")
        };
        value
            .into_iter()
            .map(|(name, text)| {
                assert!(!text.contains("[code]"), "{text} would be HTML");
                (name, words(&text))
            })
            .collect()
    }

    fn create(&mut self, body: &[u8]) -> Option<Answer> {
        if self.refuses {
            let detail = "Error during insert of incident: no room on Fridays";
            return Some(failure(403, "Operation Failed", detail));
        }
        self.creates += 1;
        let mut row = Instance::cleaned(body);
        assert!(!row.contains_key("priority") && !row.contains_key("comments"));
        let ci = row.get("cmdb_ci").cloned().unwrap_or_default();
        if !self.rows("cmdb_ci").iter().any(|c| c["sys_id"] == ci) {
            row.remove("cmdb_ci"); // stored empty, not refused
        }
        if let Some(late) = self.late.take() {
            self.coming.push((Instant::now() + late, row));
            return None;
        }
        let row = self.insert(US, row);
        if let Some(ci) = row.get("cmdb_ci").filter(|_| self.copies_ci) {
            self.task_ci.push((row["sys_id"].clone(), ci.clone()));
        }
        if self.end_after_create {
            self.tokens.clear();
        }
        let result = json!({"sys_id": row["sys_id"], "number": row["number"]});
        Some(answer(201, json!({"result": result})))
    }

    fn patch(&mut self, id: &str, body: &[u8]) -> Answer {
        let Some(at) = self.tickets.iter().position(|t| t["sys_id"] == id) else {
            return failure(
                404,
                "No Record found",
                "Record doesn't exist or ACL restricts the record retrieval",
            );
        };
        let mut columns = Instance::cleaned(body);
        assert!(!columns.contains_key("parent_incident") && !columns.contains_key("comments"));
        let assigned = self.tickets[at]
            .get("assigned_to")
            .is_some_and(|a| !a.is_empty());
        let wanted = columns.get("state").map(String::as_str);
        if wanted == Some("6") {
            if self.needs_assignee && !assigned {
                let detail =
                    "Data Policy Exception: The following fields are mandatory: Assigned to";
                return failure(403, "Operation Failed", detail);
            }
            assert!(!columns["close_code"].is_empty() && !columns["close_notes"].is_empty());
        }
        if wanted == Some("2") && self.tickets[at]["state"] == "6" {
            columns.insert("reopened_by".to_owned(), US_ID.to_owned());
        }
        self.notes.extend(columns.remove("work_notes"));
        let columns: Vec<(&str, &str)> = columns
            .iter()
            .map(|(n, v)| (n.as_str(), v.as_str()))
            .collect();
        self.by(US, at, &columns);
        let row = &self.tickets[at];
        answer(
            200,
            json!({"result": {"sys_id": row["sys_id"], "number": row["number"]}}),
        )
    }

    fn log_in(&mut self, form: &str) -> Answer {
        let grant = match form.contains("grant_type=password") {
            true => form.contains("username=alertd&") && form.ends_with("&password=s3cret"),
            false => form.ends_with("&grant_type=client_credentials"),
        };
        let good = grant
            && form.contains("client_id=the-client")
            && form.contains("client_secret=s3cret-client");
        if !good {
            self.logins_refused += 1;
            let error = json!({"error": "invalid_client", "error_description": "access_denied"});
            return answer(401, error);
        }
        self.logins += 1;
        let token = format!("token-{}", self.logins);
        self.tokens
            .insert(token.clone(), self.uses.unwrap_or(u32::MAX));
        self.known_tokens.insert(token.clone());
        answer(
            200,
            json!({"access_token": token, "token_type": "Bearer", "expires_in": 1799, "scope": "useraccount"}),
        )
    }

    fn may(&mut self, authorization: &str) -> bool {
        if self.creates > 0 && self.closed_after_create > 0 {
            self.closed_after_create -= 1;
            return false;
        }
        if authorization == "Basic YWxlcnRkOnMzY3JldA==" {
            return true; // alertd:s3cret
        }
        let token = authorization.strip_prefix("Bearer ").unwrap_or_default();
        if !self.known_tokens.contains(token) {
            self.unauthorised += 1;
            return false;
        }
        match self.tokens.get_mut(token) {
            Some(uses) if *uses > 0 => {
                *uses -= 1;
                true
            }
            _ => {
                self.turned_away += 1;
                false
            }
        }
    }
}

/// The instance behind a port.
#[derive(Clone)]
pub struct Server {
    port: u16,
    instance: Arc<Mutex<Instance>>,
}

impl Server {
    pub fn start() -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Server {
            port: listener.local_addr().unwrap().port(),
            instance: Arc::new(Mutex::new(Instance::new())),
        };
        let behind = server.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let server = behind.clone();
                std::thread::spawn(move || server.serve(stream));
            }
        });
        server
    }

    pub fn with<T>(&self, act: impl FnOnce(&mut Instance) -> T) -> T {
        act(&mut self.instance.lock().unwrap())
    }

    /// Waits for a level, not for an edge.
    pub fn wait(&self, what: &str, holds: impl Fn(&Instance) -> bool) {
        let begun = Instant::now();
        while !self.with(|i| holds(i)) {
            let state = self.with(|i| format!("{:?}", i.tickets));
            assert!(begun.elapsed() < Duration::from_secs(60), "{what}: {state}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn target(&self, more: &str) -> String {
        format!(
            "[[itsm]]\nname = \"snow\"\nkind = \"servicenow\"\nurl = \"http://127.0.0.1:{}\"\n{KEYS}{more}",
            self.port
        )
    }

    /// A target with a password. `%` stands for the daemon's folder.
    pub fn basic(&self) -> String {
        self.target("auth = \"basic\"\nuser = \"alertd\"\ntoken_file = \"%/s3cret\"\n")
    }

    pub fn oauth(&self, secret: &str) -> String {
        self.target(&format!(
            "auth = \"oauth2\"\nclient_id = \"the-client\"\nclient_secret_file = \"%/{secret}\"\n"
        ))
    }

    fn serve(&self, stream: TcpStream) -> Option<()> {
        let mut reader = BufReader::new(stream.try_clone().ok()?);
        let mut stream = stream;
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).ok().filter(|n| *n > 0)?;
            let mut words = line.split(' ');
            let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
            let mut headers = BTreeMap::new();
            loop {
                let mut line = String::new();
                reader.read_line(&mut line).ok()?;
                let Some((name, value)) = line.trim_end().split_once(": ") else {
                    break;
                };
                headers.insert(name.to_lowercase(), value.to_owned());
            }
            let length = headers
                .get("content-length")
                .map_or(0, |l| l.parse().unwrap());
            let mut body = vec![0; length];
            reader.read_exact(&mut body).ok()?;
            let answer = self.with(|i| respond(i, &method, &target, &headers, &body))?;
            let mut head = format!(
                "HTTP/1.1 {} X\r\nContent-Length: {}\r\n",
                answer.status,
                answer.body.len()
            );
            for (name, value) in &answer.headers {
                head.push_str(&format!("{name}: {value}\r\n"));
            }
            stream
                .write_all(format!("{head}\r\n{}", answer.body).as_bytes())
                .ok()?;
        }
    }
}

fn respond(
    instance: &mut Instance,
    method: &str,
    target: &str,
    headers: &BTreeMap<String, String>,
    body: &[u8],
) -> Option<Answer> {
    instance.came.push(Instant::now());
    if instance.sleeps {
        return Some(Answer {
            status: 200,
            headers: vec![("content-type".to_owned(), "text/html".to_owned())],
            body: "<html><title>Instance Hibernating page</title></html>".to_owned(),
        });
    }
    if target == "/oauth_token.do" {
        return Some(instance.log_in(&String::from_utf8_lossy(body)));
    }
    if !instance.may(headers.get("authorization").map_or("", String::as_str)) {
        return Some(failure(
            401,
            "User Not Authenticated",
            "Required to provide Auth information",
        ));
    }
    let json = |name: &str| headers.get(name).map(String::as_str) == Some("application/json");
    if !json("accept") || (method != "GET" && !json("content-type")) {
        return Some(failure(
            400,
            "Requested URI does not represent any resource",
            "",
        ));
    }
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let query = query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(n, v)| (n.to_owned(), decoded(v)))
        .collect();
    instance.answer(method, path, &query, body)
}

fn decoded(text: &str) -> String {
    let bytes = text.replace('+', " ").into_bytes();
    let mut out = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at] == b'%' {
            let hex = std::str::from_utf8(&bytes[at + 1..at + 3]).unwrap();
            out.push(u8::from_str_radix(hex, 16).unwrap());
            at += 3;
        } else {
            out.push(bytes[at]);
            at += 1;
        }
    }
    String::from_utf8(out).unwrap()
}
