//! One kind against one fake tool, driven by the real engine on virtual time: the tool's answers are carried
//! as the daemon carries them (`itsm::exchange`), faults stand between the two.

use crate::memory::{LINK_BASE, Memory, PERSON, US};
use crate::tools::{self, Wire};
use crate::world::{Fuse, SAMPLE, World, host};
use correlated::config::{self, TargetConf};
use correlated::daemon::deliver;
use correlated::engine::Delivery;
use correlated::itsm::exchange::{Do, End, Exchange, Failure, outcome_of};
use correlated::itsm::poll::{Changed, Poll, PollNext, Polled};
use correlated::itsm::{self, Facts, Itsm, Refusal, Reply, Seen, Step, TicketState};
use correlated::model::{EventState, Millis, Request, Response, Seq};
use correlated::record::{OutcomeV1, Record};
use correlated::ticket::Style;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

/// Which requests a fault meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    Any,
    /// The request that makes a ticket.
    Create,
    /// What follows it within the same step.
    ReadBack,
    /// Whatever changes a ticket that exists.
    Change,
    /// The search by key.
    Find,
    /// The link to another ticket.
    Link,
    /// The link to the incident's page, looked for or written.
    Page,
}

/// What becomes of such a request.
#[derive(Clone, Debug)]
pub enum Meets {
    /// Executed; the answer is lost.
    Lost,
    /// Executed so much later; nobody is told.
    Late(Millis),
    /// Not executed; nobody is there.
    Away,
    /// Not executed; this is answered.
    Says(u16, Vec<(&'static str, String)>, &'static str),
    /// Executed; this is answered all the same.
    SaysAfter(u16, &'static str),
    /// Executed; the answer breaks off.
    Truncated,
    /// Executed; the answer takes its time.
    Slow(Millis),
}

#[derive(Clone, Debug)]
pub struct Rule {
    pub when: When,
    pub times: u32,
    pub until: Millis,
    pub meets: Meets,
}

/// Time for an exchange, as in the configuration.
const TIMEOUT: Millis = Millis::secs(30);

/// The fake tool with what stands before it.
pub struct Tool {
    pub memory: Memory,
    pub rules: Vec<Rule>,
    /// No request may come before this moment, for the tool said so.
    pub hands_off_until: Millis,
    wire: Box<dyn Wire>,
    pub conf: TargetConf,
    style: Style,
    facts: Option<Facts>,
    late: Vec<(Millis, Request, String)>,
    /// The most tickets of ours that were open at once for one incident.
    pub at_once: usize,
    pub requests: usize,
    /// What was written to it.
    pub sent: Vec<Request>,
    pub trace: Vec<String>,
    /// The process may end before and after each exchange.
    pub fuse: Fuse,
    /// If it ends before one, the request was under way: it is executed so much later.
    pub on_its_way: Option<Millis>,
}

fn word(step: &Step) -> String {
    let shown = format!("{step:?}");
    shown.split(' ').next().unwrap().to_lowercase()
}

fn html(status: u16, body: &str) -> Response {
    Response {
        status,
        headers: vec![("content-type".into(), "text/html".into())],
        body: body.as_bytes().to_vec(),
        at: Millis(0),
    }
}

/// What others have in the tool, and how it stands.
pub fn strangers(tool: &Tool) -> Vec<String> {
    let first = tool.memory.tickets.iter().take(3);
    first.map(|t| format!("{t:?}")).collect()
}

impl Tool {
    fn new(conf: TargetConf, wire: Box<dyn Wire>, fuse: Fuse) -> Tool {
        let mut memory = Memory::default();
        // What others have there.
        for n in 0..3 {
            let number = memory.create(
                PERSON,
                "",
                &format!("printer {n} is out of paper"),
                "third floor",
            );
            memory.tickets[number - 1].asked = String::new();
        }
        Tool {
            memory,
            rules: Vec::new(),
            hands_off_until: Millis(0),
            wire,
            style: Style {
                language: conf.language,
                timezone: "UTC".into(),
                link_base: LINK_BASE.into(),
                limits: conf.kind.limits,
            },
            conf,
            facts: None,
            late: Vec::new(),
            at_once: 0,
            requests: 0,
            sent: Vec::new(),
            trace: Vec::new(),
            fuse,
            on_its_way: None,
        }
    }

    /// As `daemon::deliver` does it: probe once, the step, one new login, probe again after a no.
    fn carry(&mut self, now: Millis, delivery: &Delivery) -> (OutcomeV1, Millis) {
        self.pass_time(now);
        let step = deliver::step(delivery, &self.style).expect("text");
        let mut took = Millis(0);
        let facts = match self.facts.clone() {
            Some(facts) => facts,
            None => match self.run(now, &Facts::default(), &Step::Probe, &mut took) {
                End::Reply(Reply::Facts(facts)) => {
                    self.facts = Some(facts.clone());
                    facts
                }
                End::Refused(refusal) => return (OutcomeV1::Refused(refusal), took),
                other => panic!("the probe answers {other:?}"),
            },
        };
        let mut end = self.run(now, &facts, &step, &mut took);
        if end == End::Refused(Refusal::Login) {
            end = self.run(now, &facts, &step, &mut took);
        }
        let no = matches!(
            &end,
            End::Refused(Refusal::Login | Refusal::Reject(_) | Refusal::Stop(_))
        );
        if no {
            self.facts = None;
        }
        self.trace.push(format!("{now:?} {step:?}\n    {end:?}"));
        (outcome_of(end), took)
    }

    fn run(&mut self, now: Millis, facts: &Facts, step: &Step, took: &mut Millis) -> End {
        let conf = self.conf.clone();
        let mut exchange = Exchange::new(conf.kind, &conf.settings, facts, step);
        let mut wrote = false;
        loop {
            let request = match exchange.proceed() {
                Do::Send(request) => request,
                Do::Over(end) => return end,
            };
            let when = match step {
                _ if request.path.ends_with("/remotelink") => When::Page,
                Step::Find { .. } => When::Find,
                Step::Link { .. } if request.writes => When::Link,
                Step::Create { .. } if request.writes && !wrote => When::Create,
                Step::Create { .. } if wrote => When::ReadBack,
                _ if request.writes => When::Change,
                _ => When::Any,
            };
            wrote |= request.writes;
            let answer = self.send(now.plus(*took), when, &request, step, took);
            if let Some(end) = exchange.answer(answer) {
                return end;
            }
        }
    }

    fn send(
        &mut self,
        now: Millis,
        when: When,
        request: &Request,
        step: &Step,
        took: &mut Millis,
    ) -> Result<Response, Failure> {
        assert!(
            now >= self.hands_off_until,
            "a request {} before the tool wanted one",
            request.path
        );
        self.requests += 1;
        let rule = self
            .rules
            .iter_mut()
            .find(|r| r.times > 0 && now < r.until && (r.when == When::Any || r.when == when));
        let meets = rule.map(|rule| {
            rule.times -= 1;
            rule.meets.clone()
        });
        let key = match step {
            Step::Create { key, .. } => key.clone(),
            _ => String::new(),
        };
        let place = |of: &str| format!("{of} {} of {}", request.method, word(step));
        let writes = request.writes && step.writes();
        if self.fuse.burns_down(writes) {
            let on_its_way = self.on_its_way.filter(|_| writes);
            let of = match on_its_way {
                Some(by) => {
                    self.late.push((now.plus(by), request.clone(), key));
                    "with"
                }
                None => "before",
            };
            self.fuse.kill(now, place(of));
        }
        let answer = self.meet(now, meets, request, key, took);
        self.fuse.moment(now.plus(*took), writes, || place("after"));
        answer
    }

    fn meet(
        &mut self,
        now: Millis,
        meets: Option<Meets>,
        request: &Request,
        key: String,
        took: &mut Millis,
    ) -> Result<Response, Failure> {
        let lost = |sent: bool| Failure {
            sent,
            fatal: false,
            why: "no answer".into(),
        };
        match meets {
            None => Ok(self.ask(now, request, &key)),
            Some(Meets::Lost) => {
                self.ask(now, request, &key);
                Err(lost(true))
            }
            Some(Meets::Late(by)) => {
                self.late.push((now.plus(by), request.clone(), key));
                Err(lost(true))
            }
            Some(Meets::Away) => Err(lost(false)),
            Some(Meets::Says(status, headers, body)) => {
                for (name, value) in &headers {
                    if *name == "retry-after" {
                        let seconds: i64 = value.parse().unwrap();
                        self.hands_off_until = now.plus(Millis::secs(seconds));
                    }
                }
                let mut answer = html(status, body);
                answer.at = now;
                answer
                    .headers
                    .extend(headers.into_iter().map(|(n, v)| (n.to_owned(), v)));
                Ok(answer)
            }
            Some(Meets::SaysAfter(status, body)) => {
                self.ask(now, request, &key);
                Ok(html(status, body))
            }
            Some(Meets::Truncated) => {
                let mut answer = self.ask(now, request, &key);
                answer.body.truncate(answer.body.len() / 2);
                Ok(answer)
            }
            Some(Meets::Slow(by)) => {
                let answer = self.ask(now, request, &key);
                *took = took.plus(by.min(TIMEOUT));
                if by > TIMEOUT {
                    Err(lost(true))
                } else {
                    Ok(answer)
                }
            }
        }
    }

    /// The tool executes a request.
    fn ask(&mut self, now: Millis, request: &Request, key: &str) -> Response {
        self.memory.now = now;
        // Tickets that are tied together by the tool's own automation move with each other.
        let text = String::from_utf8_lossy(&request.body).to_lowercase();
        assert!(
            !text.contains("\"parent") && !text.contains("\"child"),
            "{text}"
        );
        if request.writes {
            self.sent.push(request.clone());
        }
        let before = self.memory.tickets.len();
        let mut answer = self.wire.ask(&mut self.memory, request);
        crate::wire::keep(self.conf.kind.kind, request, &answer);
        answer.at = now;
        for ticket in &mut self.memory.tickets[before..] {
            ticket.asked = key.to_owned();
        }
        self.count();
        answer
    }

    pub fn meets(&mut self, when: When, times: u32, until: Millis, meets: Meets) {
        self.rules.push(Rule {
            when,
            times,
            until,
            meets,
        });
    }

    /// What a process knew and kept nowhere.
    pub fn forget(&mut self) {
        self.facts = None;
    }

    /// Requests that were on their way are executed when their time has come.
    pub fn pass_time(&mut self, now: Millis) {
        let (due, rest): (Vec<_>, Vec<_>) = self.late.drain(..).partition(|(at, ..)| *at <= now);
        self.late = rest;
        for (at, request, key) in due {
            let hands = |tool: &Tool| -> Vec<usize> {
                let all = tool.memory.tickets.iter();
                all.map(|t| t.hands.len()).collect()
            };
            let before = hands(self);
            self.ask(at, &request, &key);
            for (n, count) in before.into_iter().enumerate() {
                self.memory.tickets[n].late |= self.memory.tickets[n].hands.len() > count;
            }
        }
    }

    fn known(&mut self, now: Millis, took: &mut Millis) -> Option<Facts> {
        if self.facts.is_none()
            && let End::Reply(Reply::Facts(facts)) =
                self.run(now, &Facts::default(), &Step::Probe, took)
        {
            self.facts = Some(facts);
        }
        self.facts.clone()
    }

    /// How a ticket stands, as the daemon reads it after a poll or a hint; `None` if it cannot be read now.
    fn read(&mut self, now: Millis, id: &str) -> Option<Back> {
        let mut took = Millis(0);
        let facts = self.known(now, &mut took)?;
        let step = Step::Read { id: id.to_owned() };
        match self.run(now, &facts, &step, &mut took) {
            End::Reply(Reply::State(seen)) => Some(Back::Seen(seen)),
            End::Refused(Refusal::Gone(into)) => Some(Back::Gone(into)),
            _ => None,
        }
    }

    /// What changed since a moment of the tool's own time; `None` if nobody can tell now.
    fn poll(&mut self, now: Millis, poll: Poll, cursor: &str) -> Option<Changed> {
        let mut took = Millis(0);
        self.pass_time(now);
        let facts = self.known(now, &mut took)?;
        let settings = self.conf.settings.clone();
        let step = Step::Read { id: String::new() };
        let mut got = Vec::new();
        loop {
            match poll(&settings, &facts, cursor, &got) {
                PollNext::Done(changed) => return Some(changed),
                PollNext::Refused(_) => return None,
                PollNext::Send(request) => {
                    got.push(self.send(now, When::Any, &request, &step, &mut took).ok()?);
                }
            }
        }
    }

    /// At most one open ticket per incident: those of ours that no person has taken.
    fn count(&mut self) {
        let mut open: BTreeMap<&str, usize> = BTreeMap::new();
        let ours = |t: &&crate::memory::Ticket| t.by == US && !t.touched() && t.is_open();
        for ticket in self.memory.tickets.iter().filter(ours) {
            let incident = ticket.asked.rsplit_once('.').map_or("", |(i, _)| i);
            if incident.starts_with("cor-") {
                *open.entry(incident).or_default() += 1;
            }
        }
        self.at_once = self.at_once.max(open.into_values().max().unwrap_or(0));
    }
}

/// What a read of a ticket found.
enum Back {
    Seen(Seen),
    Gone(String),
}

/// The target of owners who are told (`[[inform]]`); sorts behind the others.
pub const UNDER: &str = "under";

/// A kind, its tool, and the engine.
pub struct Bench {
    pub world: World,
    pub tool: Rc<RefCell<Tool>>,
    pub kind: &'static Itsm,
    /// All targets, by their names; the first is `tool`.
    pub tools: BTreeMap<String, Rc<RefCell<Tool>>>,
    pub began: BTreeMap<&'static str, Millis>,
    /// The tool's time up to which people's changes are known, by target.
    pub cursors: BTreeMap<String, String>,
    strangers: Vec<String>,
}

impl Bench {
    pub fn new(row: &tools::Row) -> Bench {
        Bench::with(&[row])
    }

    /// Several targets; every incident has a ticket at each.
    pub fn with(rows: &[&tools::Row]) -> Bench {
        Bench::informing(rows, false)
    }

    /// The same; the last may be there for owners only, who get a ticket of their own.
    pub fn informing(rows: &[&tools::Row], owners: bool) -> Bench {
        let mut text = "[[source]]\nname = \"nagios\"\nkind = \"nagios\"\n".to_owned();
        if owners {
            text += &format!("[[inform]]\nname = \"owners\"\ntargets = [\"{UNDER}\"]\n");
        }
        for (n, row) in rows.iter().enumerate() {
            let name = match n {
                n if owners && n + 1 == rows.len() => UNDER.to_owned(),
                0 => "tool".to_owned(),
                n => format!("tool{n}"),
            };
            text += &format!(
                "[[itsm]]\nname = \"{name}\"\nkind = \"{}\"\nurl = \"https://tool.example\"\n\
                 token = \"credential:t\"\n{}",
                row.kind, row.keys
            );
        }
        let loaded = config::load(&text, "").unwrap_or_else(|e| panic!("{text}: {e:?}"));
        let mut world = World::new(&loaded.rules, Some(SAMPLE));
        let made = loaded.plumbing.targets.iter().zip(rows);
        let tools: BTreeMap<String, Rc<RefCell<Tool>>> = made
            .map(|(conf, row)| {
                let tool = Tool::new(conf.clone(), (row.wire)(), world.fuse.clone());
                (conf.settings.name.clone(), Rc::new(RefCell::new(tool)))
            })
            .collect();
        let carriers = tools.clone();
        world.carrier = Some(Box::new(move |now, delivery| {
            carriers[&*delivery.target]
                .borrow_mut()
                .carry(now, delivery)
        }));
        let tool = tools["tool"].clone();
        let strangers = strangers(&tool.borrow());
        Bench {
            world,
            kind: loaded.plumbing.targets[0].kind,
            tool,
            tools,
            began: BTreeMap::new(),
            cursors: BTreeMap::new(),
            strangers,
        }
    }

    /// What people changed at a target is looked for, as the daemon does: nothing is handed in twice.
    pub fn poll(&mut self, target: &str) {
        let tool = self.tools[target].clone();
        let Some(poll) = tool.borrow().conf.kind.poll else {
            return;
        };
        let (now, began) = (self.world.now, self.world.node.engine().state().seq);
        let cursor = self.cursors.get(target).cloned().unwrap_or_default();
        let changed = tool.borrow_mut().poll(now, poll, &cursor);
        let Some(changed) = changed else {
            return;
        };
        let (mut seen, mut gone, mut all) = (changed.tickets, Vec::new(), true);
        for unread in changed.unread {
            if !self.world.node.engine().has_ticket(target, &unread.id) {
                continue;
            }
            match tool.borrow_mut().read(now, &unread.id) {
                Some(Back::Seen(s)) => seen.push(Polled {
                    id: unread.id,
                    seen: s,
                }),
                Some(Back::Gone(into)) => gone.push((unread.id, into)),
                None => all = false,
            }
        }
        if self.judged(target, began, &seen, &gone) && all {
            self.cursors.insert(target.to_owned(), changed.cursor);
        }
    }

    /// A tool tells that a ticket changed.
    pub fn hint(&mut self, target: &str, name: &str) {
        let tool = self.tools[target].clone();
        if tool.borrow().conf.kind.hint.is_none() {
            return;
        }
        let (now, began) = (self.world.now, self.world.node.engine().state().seq);
        let ticket = self.world.node.engine().ticket_named(target, name);
        let Some(ticket) = ticket.map(str::to_owned) else {
            return;
        };
        let back = tool.borrow_mut().read(now, &ticket);
        match back {
            Some(Back::Seen(seen)) => {
                let seen = [Polled { id: ticket, seen }];
                self.judged(target, began, &seen, &[]);
            }
            Some(Back::Gone(into)) => {
                self.judged(target, began, &[], &[(ticket, into)]);
            }
            None => {}
        }
    }

    fn judged(
        &mut self,
        target: &str,
        began: Seq,
        seen: &[Polled],
        gone: &[(String, String)],
    ) -> bool {
        let engine = self.world.node.engine();
        let (changes, unsure) = engine.person_changes(target, began, seen);
        let mut sure = unsure.is_empty();
        let mut records: Vec<Record> = changes.into_iter().map(Record::TicketChange).collect();
        for (ticket, into) in gone {
            let (record, clear) = engine.ticket_is_gone(target, began, ticket, into);
            records.extend(record.map(Record::TicketGone));
            sure &= clear;
        }
        if !records.is_empty() {
            self.world.commit(&records);
            // What was handed in is no news any more.
            let engine = self.world.node.engine();
            let (again, _) = engine.person_changes(target, engine.state().seq, seen);
            assert!(again.is_empty(), "news again at {target}: {again:?}");
            self.world.deliver();
        }
        sure
    }

    pub fn meets(&mut self, when: When, times: u32, meets: Meets) {
        self.tool.borrow_mut().rules.push(Rule {
            when,
            times,
            until: Millis(i64::MAX),
            meets,
        });
    }

    pub fn meets_for(&mut self, when: When, span: Millis, meets: Meets) {
        let until = self.world.now.plus(span);
        self.tool.borrow_mut().rules.push(Rule {
            when,
            times: u32::MAX,
            until,
            meets,
        });
    }

    pub fn heal(&mut self) {
        let mut tool = self.tool.borrow_mut();
        tool.rules.clear();
        tool.memory.lag = Millis(0);
    }

    pub fn habits(&mut self, change: impl FnOnce(&mut Memory)) {
        let mut tool = self.tool.borrow_mut();
        tool.memory.now = self.world.now;
        change(&mut tool.memory);
    }

    /// The ticket of ours that was made last.
    pub fn newest(&self) -> String {
        let tool = self.tool.borrow();
        let ours = tool.memory.tickets.iter().rev().find(|t| t.by == US);
        ours.map_or(String::new(), |t| t.number.to_string())
    }

    pub fn fire(&mut self, ci: &'static str) {
        let now = self.world.now;
        let began = *self.began.entry(ci).or_insert(now);
        self.world
            .send("nagios", &[host(ci, EventState::Firing, began)]);
    }

    pub fn clear(&mut self) {
        let now = self.world.now;
        for ci in std::mem::take(&mut self.began).into_keys() {
            self.world
                .send("nagios", &[host(ci, EventState::Resolved, now)]);
        }
    }

    pub fn advance(&mut self, span: Millis) {
        self.world.advance(span);
        let mut tool = self.tool.borrow_mut();
        let now = self.world.now;
        tool.pass_time(now);
    }

    /// No ticket of ours is open, nor one that a person has put in its place.
    pub fn is_dark(&self) -> bool {
        let tool = self.tool.borrow();
        let ours = |t: &&crate::memory::Ticket| t.asked.starts_with("cor-") && t.by == US;
        let into = |n: usize| tool.memory.tickets[n - 1].is_open();
        let mut ours = tool.memory.tickets.iter().filter(ours);
        !ours.any(|t| t.is_open() || t.merged_into.is_some_and(into))
    }

    /// What stands in the table, and everything that must hold for every cell.
    pub fn verdict(&self, fault: &str) -> String {
        let tool = self.tool.borrow();
        let story = || {
            format!(
                "{fault}: {:#?}\n{:#?}\n{:#?}",
                tool.trace, tool.memory.tickets, self.world.lines
            )
        };
        let now = strangers(&tool);
        assert!(
            self.strangers == now,
            "a stranger's ticket was changed: {}",
            story()
        );
        assert!(
            tool.requests < 300,
            "{} requests: {}",
            tool.requests,
            story()
        );
        let ours: Vec<_> = tool
            .memory
            .tickets
            .iter()
            .filter(|t| t.by == US && t.asked.starts_with("cor-"))
            .collect();
        let (mut unheard, mut twice) = (false, false);
        // Below it may stand that it comes late.
        let first = |note: &str| {
            note.split(['\n', '<'])
                .next()
                .unwrap_or_default()
                .to_owned()
        };
        for ticket in ours.iter().filter(|t| !t.gone && t.merged_into.is_none()) {
            let over = matches!(ticket.state, TicketState::Resolved | TicketState::Closed);
            let told = ["RECOVERED", "MERGED", "RESOLVED", "DUPLICATE"]
                .iter()
                .any(|w| ticket.notes.iter().any(|n| n.contains(w)));
            unheard |= !over && !told;
            twice |= ticket
                .notes
                .iter()
                .enumerate()
                .filter(|(_, t)| !t.starts_with('(')) // a mark of the tool's own
                .any(|(n, t)| ticket.notes[..n].iter().any(|o| first(o) == first(t)));
        }
        let declared = self.kind.promise == itsm::Promise::Declared;
        assert!(
            !unheard || declared,
            "a ticket never heard of its end: {}",
            story()
        );
        let mut cell = match (ours.len(), tool.at_once) {
            (0, _) => "none".to_owned(),
            (1, _) => "1".to_owned(),
            (n, 0 | 1) => format!("{n} in turn"),
            (n, at_once) => format!("{n}, {at_once} at once"),
        };
        let tells = [
            "refused",
            "is stopped",
            "duplicate",
            "carry our key",
            "not protected",
            "did not take",
            "took the note",
            "a new one follows",
            "person",
        ];
        let lines = &self.world.lines;
        if lines
            .iter()
            .any(|(_, l)| tells.iter().any(|t| l.contains(t)))
        {
            cell.push_str(", said");
        }
        if unheard {
            cell.push_str(", one left open");
        }
        if twice {
            cell.push_str(", a note twice");
        }
        cell
    }
}
