//! What `check --online` asks each kind of tool, what it says about the answers, and that it asks nothing that writes.
//!
//! Stories stand under `tests/fixtures/selftest/<kind>.txt`: first the settings of the target, then one story after
//! another. In a story, `with KEY = VALUE` changes a setting, and `WORDS => STATUS BODY` answers the requests in
//! which all words stand (a `lost WHY` in place of the answer is an exchange that failed); the first rule that fits
//! counts. `CORRELATED_REWRITE=1` writes what follows `---` anew; read the difference.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at what it does not expect"
)]

mod asked;
#[path = "selftest/online.rs"]
mod online;

use correlated::config;
use correlated::itsm::exchange::Failure;
use correlated::itsm::selftest::{Do, Finding, Run};
use correlated::itsm::{self, Itsm, ItsmSettings};
use correlated::model::{Millis, Request, Response};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

fn file(kind: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/selftest")
        .join(format!("{kind}.txt"))
}

fn settings(kind: &str, lines: &[String]) -> ItsmSettings {
    let text = format!(
        "[[source]]\nname = \"n\"\nkind = \"nagios\"\n[[itsm]]\nname = \"t\"\nkind = \"{kind}\"\n{}",
        lines.join("\n")
    );
    let config = config::load(&text, "").unwrap_or_else(|e| panic!("{kind}: {e:?}"));
    config.plumbing.targets[0].settings.clone()
}

/// A request on one line.
fn shown(request: &Request) -> String {
    let query: Vec<String> = request
        .query
        .iter()
        .map(|(n, v)| format!("{n}={v}"))
        .collect();
    let body = String::from_utf8_lossy(&request.body);
    let all = [request.method, &request.path, &query.join("&"), &body];
    all.into_iter()
        .filter(|p| !p.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

fn response(text: &str) -> Result<Response, Failure> {
    if let Some(why) = text.strip_prefix("lost ") {
        return Err(Failure {
            sent: true,
            fatal: false,
            why: why.to_owned(),
        });
    }
    let (status, body) = text.split_once(' ').unwrap_or((text, ""));
    let mut headers = Vec::new();
    let body = match body.strip_prefix("Location: ") {
        Some(to) => {
            headers.push(("location".to_owned(), to.to_owned()));
            ""
        }
        None => body,
    };
    Ok(Response {
        status: status.parse().unwrap_or_else(|_| panic!("{text}")),
        headers,
        body: body.as_bytes().to_vec(),
        at: Millis(1_795_310_000_000),
    })
}

/// Whether a request only reads: a GET, or one of the reading POSTs of tools that have no other way.
fn only_reads(kind: &str, request: &Request) -> bool {
    let body = String::from_utf8_lossy(&request.body);
    let reading_post = match kind {
        // Every call is a POST; the operation says what it is.
        "itop" => {
            let text = body.strip_prefix("json_data=").unwrap_or_default();
            let operation = text.contains("%22operation%22%3A%22core%2Fget%22");
            request.path == "webservices/rest.php" && operation
        }
        "cherwell" => [
            "CherwellAPI/api/V1/getbusinessobjecttemplate",
            "CherwellAPI/api/V1/getsearchresults",
        ]
        .contains(&request.path.as_str()),
        _ => false,
    };
    let get = request.method == "GET" && request.body.is_empty();
    !request.writes && (get || (request.method == "POST" && reading_post))
}

/// The whole self-test: what was asked, and what it says.
fn whole(
    kind: &Itsm,
    settings: &ItsmSettings,
    mut answer: impl FnMut(&Request) -> Result<Response, Failure>,
) -> (Vec<Request>, Vec<Finding>) {
    let (mut run, mut asked) = (Run::new(kind, settings), Vec::new());
    loop {
        match run.proceed() {
            Do::Over(findings) => return (asked, findings),
            Do::Send(request) => {
                assert!(
                    only_reads(kind.kind, &request),
                    "{}: {}",
                    kind.kind,
                    shown(&request)
                );
                assert!(asked.len() < 60, "{}: no end", kind.kind);
                run.answer(answer(&request));
                asked.push(request);
            }
        }
    }
}

struct Story {
    text: String,
    lines: Vec<String>,
    rules: Vec<(Vec<String>, String)>,
}

/// The head of a file, and its stories.
fn stories(kind: &str) -> (String, Vec<Story>) {
    let text = std::fs::read_to_string(file(kind))
        .unwrap_or_else(|e| panic!("kind {kind} has no stories of its self-test: {e}"));
    let mut parts = text.split("====\n");
    let head = parts.next().unwrap().to_owned();
    let stories = parts
        .map(|part| {
            let (story, _) = part.split_once("---\n").unwrap_or((part, ""));
            let mut lines: Vec<String> = head.lines().map(str::to_owned).collect();
            let mut rules = Vec::new();
            for line in story
                .lines()
                .filter(|l| !l.starts_with('#') && !l.is_empty())
            {
                if let Some(setting) = line.strip_prefix("with ") {
                    let name = format!("{} =", setting.split(" =").next().unwrap());
                    lines.retain(|l| !l.starts_with(&name));
                    lines.push(setting.to_owned());
                    continue;
                }
                let (words, answer) = line.split_once(" => ").unwrap_or_else(|| panic!("{line}"));
                let words = words.split_whitespace().map(str::to_owned).collect();
                rules.push((words, answer.to_owned()));
            }
            Story {
                text: story.to_owned(),
                lines,
                rules,
            }
        })
        .collect();
    (head, stories)
}

impl Story {
    fn answer(&self, request: &Request) -> String {
        let text = shown(request);
        let fits = |words: &[String]| words.iter().all(|w| w == "*" || text.contains(w.as_str()));
        let rule = self.rules.iter().find(|(words, _)| fits(words));
        rule.unwrap_or_else(|| panic!("no answer to {text}\nin\n{}", self.text))
            .1
            .clone()
    }

    fn tell(&self, kind: &Itsm) -> String {
        let mut out = String::new();
        let settings = settings(kind.kind, &self.lines);
        let (_, findings) = whole(kind, &settings, |request| {
            let answer = self.answer(request);
            let status = answer.split(' ').next().unwrap();
            writeln!(out, "{} -> {status}", shown(request)).unwrap();
            response(&answer)
        });
        for finding in findings {
            let (word, text) = match finding {
                Finding::Good(text) => ("good", text),
                Finding::Fix(text) => ("FIX", text),
                Finding::Unknown(text) => ("unknown", text),
            };
            writeln!(out, "{word}: {text}").unwrap();
        }
        out
    }
}

#[test]
fn findings_are_told_as_written() {
    let rewrite = std::env::var_os("CORRELATED_REWRITE").is_some();
    let mut wrong = Vec::new();
    for kind in itsm::KINDS {
        let text = std::fs::read_to_string(file(kind.kind)).unwrap_or_default();
        let (mut found, all) = stories(kind.kind);
        for story in &all {
            write!(found, "====\n{}---\n{}", story.text, story.tell(kind)).unwrap();
        }
        match rewrite {
            true => std::fs::write(file(kind.kind), &found).unwrap(),
            false if found != text => wrong.push(format!("{}\n{found}", file(kind.kind).display())),
            false => {}
        }
        // A tool that can be asked is told of when it is well, turns us away, and answers with a page.
        let told = |words: &str| found.contains(words);
        let asks = told(" -> ");
        assert!(told("good: ") || told("unknown: "), "{}", kind.kind);
        for words in [
            "FIX: the login is refused (401)",
            "a web page in place of data",
        ] {
            assert!(!asks || told(words), "{}: no story of {words}", kind.kind);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Whatever a tool answers, and in whatever order: each question ends, and none writes.
#[test]
fn no_answer_makes_a_self_test_write() {
    let mut dice = 7u64;
    let mut roll = |sides: usize| {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        usize::try_from(dice >> 33).unwrap() % sides
    };
    let common = [
        "200 {}",
        "200 []",
        "204",
        "400 {\"message\":\"no\"}",
        "403 {}",
        "404 {}",
        "503 busy",
        "200 <html>",
        "lost time-out",
    ];
    let mut total = 0;
    for kind in itsm::KINDS {
        let (_, all) = stories(kind.kind);
        let pool: Vec<&str> = all
            .iter()
            .flat_map(|s| s.rules.iter().map(|(_, answer)| answer.as_str()))
            .collect();
        for _ in 0..400 {
            let story = &all[roll(all.len())];
            let settings = settings(kind.kind, &story.lines);
            let odd = 2 + roll(12);
            let (asked, _) = whole(kind, &settings, |request| {
                let fits = story.rules.iter().find(|(words, _)| {
                    words
                        .iter()
                        .all(|w| w == "*" || shown(request).contains(w.as_str()))
                });
                response(match (roll(odd), fits) {
                    (0, _) => common[roll(common.len())],
                    (1, _) if !pool.is_empty() => pool[roll(pool.len())],
                    (_, Some((_, answer))) => answer,
                    (_, None) => common[roll(common.len())],
                })
            });
            total += asked.len();
        }
    }
    println!("{total} requests, all of them only read");
    assert!(total > 10_000, "{total}");
}

/// A kind without questions of its own is probed, and what was not asked is said.
#[test]
fn a_kind_without_questions_is_probed_and_says_so() {
    let mut kind = *itsm::kind("zammad").unwrap();
    kind.selftest = None;
    let (head, _) = stories("zammad");
    let lines: Vec<String> = head.lines().map(str::to_owned).collect();
    let settings = settings("zammad", &lines);
    let answers = |me: &'static str| {
        move |request: &Request| {
            let found = if request.path.ends_with("search") {
                "200 []"
            } else {
                me
            };
            response(found)
        }
    };
    let (_, well) = whole(&kind, &settings, answers("200 {\"login\":\"alertd\"}"));
    assert!(matches!(well[0], Finding::Good(_)), "{well:?}");
    assert!(matches!(well[1], Finding::Unknown(_)), "{well:?}");
    let (_, ill) = whole(&kind, &settings, answers("403 {\"error\":\"no\"}"));
    let expected = Finding::Fix("the login: 403: no".to_owned());
    assert_eq!(ill[0], expected);
}
