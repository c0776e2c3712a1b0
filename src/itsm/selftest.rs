//! What `check --online` asks a tool, so that a mistake in the settings is seen before the first ticket. Nothing is
//! created or changed. Pure: the daemon carries the requests over the network.
//!
//! A kind has a list of questions. Each is a story of its own, told like that of a step, so that one that cannot be
//! answered hides no other. Before them stands the kind's own `Probe`: what it refuses is told where no question
//! has told it better. What a kind has no question for is said not to be checked, and nothing is claimed of it.

use super::wire::{self, Verdict};
use super::{Facts, Itsm, ItsmSettings, MAX_EXCHANGES, Next, Refusal, Reply, Step};
use crate::itsm::exchange::Failure;
use crate::model::{Request, Response, cut};

/// What a kind asks, and what it cannot ask.
#[derive(Clone, Copy, Debug)]
pub struct SelfTest {
    /// Asked one after another.
    pub questions: &'static [Question],
    /// What no request could find out without writing, each as it follows "cannot be checked here:".
    pub unseen: &'static [&'static str],
    /// The least that our account must be allowed to do.
    pub rights: &'static str,
}

/// A question: called with the answers so far, says what is asked next or what was found. Pure; never panics.
pub type Question = fn(&ItsmSettings, &Facts, &[Response]) -> Answer;

/// What a question says, or the refusal that ends it.
pub type Answer = Result<Ask, Refusal>;

/// What a question does next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// Send this, which changes nothing, and call again with its answer.
    Send(Request),
    /// This was found.
    Over(Vec<Finding>),
}

/// One line for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// It is as it should be.
    Good(String),
    /// What is wrong, and what to do about it.
    Fix(String),
    /// What could not be found out, and why.
    Unknown(String),
}

/// What to do now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Do {
    /// Send this, and hand in what comes of it.
    Send(Request),
    /// All was asked.
    Over(Vec<Finding>),
}

/// A self-test under way.
#[derive(Debug)]
pub struct Run<'a> {
    kind: &'a Itsm,
    settings: &'a ItsmSettings,
    facts: Facts,
    /// 0 is the probe, then the questions.
    at: usize,
    got: Vec<Response>,
    /// The request that waits for its answer.
    asked: Option<Request>,
    /// What was asked before is not asked again.
    known: Vec<(Request, Response)>,
    findings: Vec<Finding>,
    /// What the probe refused, unless a question tells it.
    refused: Option<String>,
    /// The tool cannot be asked at all.
    cut_off: bool,
}

impl<'a> Run<'a> {
    /// A self-test that has not begun.
    pub fn new(kind: &'a Itsm, settings: &'a ItsmSettings) -> Run<'a> {
        Run {
            kind,
            settings,
            facts: Facts::default(),
            at: 0,
            got: Vec::new(),
            asked: None,
            known: Vec::new(),
            findings: Vec::new(),
            refused: None,
            cut_off: false,
        }
    }

    /// What to do now.
    pub fn proceed(&mut self) -> Do {
        let questions = self.kind.selftest.map_or(0, |t| t.questions.len());
        while !self.cut_off && self.at <= questions {
            let Some(request) = self.next() else {
                self.at = self.at.saturating_add(1);
                self.got.clear();
                continue;
            };
            let known = self.known.iter().find(|(asked, _)| *asked == request);
            match known {
                Some((_, response)) => self.got.push(response.clone()),
                None => {
                    self.asked = Some(request.clone());
                    return Do::Send(request);
                }
            }
        }
        Do::Over(self.over())
    }

    /// Hands in what came of the request.
    pub fn answer(&mut self, answer: Result<Response, Failure>) {
        let asked = self.asked.take();
        match (answer, asked) {
            (Ok(response), Some(request)) => {
                self.known.push((request, response.clone()));
                self.got.push(response);
            }
            (Ok(_), None) => {}
            (Err(failure), _) => {
                let how = match failure.sent {
                    true => "gives no answer",
                    false => "cannot be asked",
                };
                self.cut(format!("{how}: {}", failure.why));
            }
        }
    }

    /// The next request of the question; `None` when it is over.
    fn next(&mut self) -> Option<Request> {
        let step = match self.at.checked_sub(1) {
            None => self.probe(),
            Some(n) => {
                let question = self.kind.selftest.and_then(|t| t.questions.get(n))?;
                question(self.settings, &self.facts, &self.got)
            }
        };
        match step {
            Ok(Ask::Send(request)) if request.writes || self.got.len() > MAX_EXCHANGES => {
                let why = "a question that would write, or has no end, is not asked";
                self.find(Finding::Unknown(why.to_owned()));
                None
            }
            Ok(Ask::Send(request)) => Some(request),
            Ok(Ask::Over(findings)) => {
                findings.into_iter().for_each(|f| self.find(f));
                None
            }
            Err(refusal) => {
                self.refuse(refusal);
                None
            }
        }
    }

    fn probe(&mut self) -> Answer {
        match (self.kind.next)(self.settings, &self.facts, &Step::Probe, &self.got) {
            Next::Send(request) => Ok(Ask::Send(request)),
            // What is sent besides is not needed to judge anything.
            Next::Done(Reply::Facts(facts)) | Next::Besides(_, Reply::Facts(facts)) => {
                self.facts = facts;
                // Where nothing was asked, nothing is known.
                let asked = self.kind.selftest.is_none() && !self.got.is_empty();
                let works = "the login works, and the tool answers as it should";
                over(asked.then(|| good(works)))
            }
            Next::Done(_) | Next::Besides(..) => {
                Err(Refusal::Stop("the probe answered nonsense".to_owned()))
            }
            Next::Refused(refusal) => Err(refusal),
        }
    }

    fn refuse(&mut self, refusal: Refusal) {
        let last = self.got.last();
        let retry = matches!(refusal, Refusal::Retry { .. });
        let why = match refusal {
            Refusal::Login => {
                return self.cut(
                    "the login is refused (401): is the secret still good, and auth the way in that this tool has?"
                        .to_owned(),
                );
            }
            Refusal::Retry { why, .. } => match last.and_then(no_data) {
                Some(page) => page,
                None => format!("gives no answer that could be used: {why}"),
            },
            Refusal::Reject(why) | Refusal::Stop(why) => last.and_then(no_data).unwrap_or(why),
            Refusal::Gone(_) | Refusal::Closed => {
                "answers that what was asked for is not there: is url right?".to_owned()
            }
        };
        // Where not even the first question was answered, the others would not be.
        let away = retry || last.and_then(no_data).is_some();
        match self.at {
            0 => self.refused = Some(why),
            _ if away && self.good() == 0 => self.cut(why),
            _ => self.find(Finding::Fix(why)),
        }
    }

    fn good(&self) -> usize {
        let all = self.findings.iter();
        all.filter(|f| matches!(f, Finding::Good(_))).count()
    }

    fn cut(&mut self, why: String) {
        self.find(Finding::Fix(why));
        self.cut_off = true;
    }

    fn find(&mut self, finding: Finding) {
        if !self.findings.contains(&finding) {
            self.findings.push(finding);
        }
    }

    fn over(&mut self) -> Vec<Finding> {
        let told = self.findings.iter().any(|f| matches!(f, Finding::Fix(_)));
        if let Some(why) = self.refused.take().filter(|_| !told) {
            self.find(Finding::Fix(why));
        }
        if !self.cut_off {
            let unseen = self.kind.selftest.map_or(
                ["anything else: this kind has no questions yet"].as_slice(),
                |t| t.unseen,
            );
            unseen.iter().for_each(|why| self.find(unknown(*why)));
        }
        std::mem::take(&mut self.findings)
    }
}

/// A page for people, or the way to one.
fn no_data(response: &Response) -> Option<String> {
    let mend = "is url the address of the API, and does no login page or proxy stand before it?";
    let status = response.status;
    match response.header("location") {
        Some(to) if (300..400).contains(&status) => {
            let to = cut(to, 100);
            Some(format!(
                "answers {status} and sends us on to {to:?}: {mend}"
            ))
        }
        _ if wire::is_page(response) => Some(format!(
            "answers {status} and a web page in place of data: {mend}"
        )),
        _ => None,
    }
}

pub(super) fn good(text: impl Into<String>) -> Finding {
    Finding::Good(text.into())
}

pub(super) fn fix(text: impl Into<String>) -> Finding {
    Finding::Fix(text.into())
}

pub(super) fn unknown(text: impl Into<String>) -> Finding {
    Finding::Unknown(text.into())
}

pub(super) fn over(findings: impl IntoIterator<Item = Finding>) -> Answer {
    Ok(Ask::Over(findings.into_iter().collect()))
}

pub(super) fn send(request: Request) -> Answer {
    Ok(Ask::Send(request))
}

/// A request that a step of the kind makes as well.
pub(super) fn asked(verdict: Verdict) -> Answer {
    match verdict? {
        Next::Send(request) => Ok(Ask::Send(request)),
        Next::Besides(..) | Next::Done(_) | Next::Refused(_) => {
            Err(Refusal::Stop("a question that asks nothing".to_owned()))
        }
    }
}

/// Why something was refused, for those who are told besides that it does not matter much; what ends all questions
/// is handed on.
pub(super) fn why(refusal: Refusal) -> Result<String, Refusal> {
    match refusal {
        Refusal::Reject(why) | Refusal::Stop(why) => Ok(why),
        Refusal::Gone(_) => Ok("404".to_owned()),
        other => Err(other),
    }
}

/// Whether something that the settings name is among what the tool has.
pub(super) fn listed(what: &str, option: &str, wanted: &str, names: &[String]) -> Finding {
    match names {
        [] => unknown(format!(
            "whether {what} {wanted:?} exists: we see none at all"
        )),
        names if wire::is_one_of(names, wanted) => good(format!("{what} {wanted:?} exists")),
        names => fix(format!(
            "{what} {wanted:?} does not exist: set {option} to one of {}, or make it",
            some(names)
        )),
    }
}

/// What a search for a key that no ticket carries found, beside one with a clause that is nonsense: its rows, or
/// why it was refused.
pub(super) fn searched(
    field: &str,
    mend: &str,
    rows: usize,
    nonsense: Result<usize, String>,
) -> Finding {
    let none = format!("a search by {field} for a key that no ticket carries finds none");
    match (rows, nonsense) {
        (0, Err(_)) => good(format!("{none}, and a bad clause is refused")),
        (0, Ok(0)) => unknown(format!(
            "whether {field} can be searched: {none}, but a clause that is nonsense finds none either"
        )),
        (0, Ok(_)) => good(format!(
            "{none}; a bad clause is ignored here and finds other tickets, so ours is a good one"
        )),
        (_, _) => fix(format!(
            "a search by {field} for a key that no ticket carries finds other tickets, so none can be told from another: {mend}"
        )),
    }
}

/// The first names of a list.
pub(super) fn some(names: &[String]) -> String {
    const SHOWN: usize = 12;
    let first: Vec<String> = names
        .iter()
        .take(SHOWN)
        .map(|n| format!("{:?}", wire::one_line(n)))
        .collect();
    match names.len().saturating_sub(SHOWN) {
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
    }
}
