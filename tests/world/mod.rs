//! A world for scenarios and the simulator: the real `Node` on a `MemoryStore`, a virtual clock, and a tool
//! with memory and faults. Nothing sleeps; a crash is a new node over the same store.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    dead_code,
    missing_docs,
    reason = "test support; each test uses a part of it"
)]

pub mod dice;
pub mod estate;

use correlated::engine::hands::CommandOutcome;
use correlated::engine::{Answer, Delivery, Effects, Quick};
use correlated::graph::GraphBuilder;
use correlated::itsm::poll::Polled;
use correlated::itsm::{Limits, Markup, Refusal, Seen, TicketState};
use correlated::model::{Event, EventState, Labels, Millis};
use correlated::node::{self, Node, Recovered};
use correlated::record::{
    ClockStepV1, CommandV1, EventsV1, GraphV1, HitV1, OperatorV1, OutcomeV1, ReceiptV1, Record,
    RepeatV1, RepeatsV1, RulesV1, SentV1, StepName,
};
use correlated::rules::{Mode, OnRecovery, RulesText, Target};
use correlated::store::ChunkKind;
use correlated::store::memory::MemoryStore;
use correlated::ticket::{self, Language, Style};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

pub const START: Millis = Millis(1_795_310_000_000);

pub fn style() -> Style {
    Style {
        language: Language::En,
        timezone: "UTC".into(),
        link_base: String::new(),
        limits: Limits {
            title: 200,
            description: 4000,
            note: 4000,
            settle: Millis::secs(60),
            reopens: true,
            markup: Markup::Plain,
        },
    }
}

pub fn target() -> Target {
    Target {
        mode: Mode::Live,
        settle: Millis::secs(60),
        reopens: true,
        by_key: false,
        links: true,
        on_recovery: OnRecovery::ResolveIfUntouched,
        max_new: 30,
        max_new_per: Millis::mins(10),
        fallback: None,
        fallback_after: Millis::mins(3),
        share: None,
    }
}

/// The usual rules, but alerts are placed as they arrive, so that what becomes of each is seen at once.
pub fn rules() -> RulesText {
    let mut rules = ordering_rules();
    rules.correlate.arrival_lag = Millis(0);
    rules
}

/// The usual rules.
pub fn ordering_rules() -> RulesText {
    let mut rules = RulesText::default();
    rules.targets.insert("rt".into(), target());
    rules
}

/// A ticket in the fake tool.
#[derive(Clone, Debug)]
pub struct Ticket {
    pub id: String,
    pub target: String,
    pub key: String,
    pub title: String,
    pub description: String,
    pub state: TicketState,
    pub touched: bool,
    pub notes: Vec<String>,
    pub by_us: bool,
    /// The incident's own ticket, where this one tells an owner of it.
    pub main: String,
    /// The tickets that it was linked to.
    pub links: Vec<String>,
}

/// What the next exchange with the tool meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ToolFault {
    /// Executed, but the answer is lost.
    LostAnswer,
    /// Not executed: the tool is away.
    Away,
    /// Not executed now, but this much later, and nobody is told.
    Late(Millis),
    /// 429 or 503.
    Busy,
    /// 429 with `Retry-After`.
    BusyFor(Millis),
    /// It says no.
    Reject,
}

#[derive(Clone, Debug, Default)]
pub struct Tool {
    pub tickets: Vec<Ticket>,
    pub faults: Vec<ToolFault>,
    /// Nothing answers until then.
    pub away_until: Millis,
    /// What the next create could not say.
    pub dropped: Vec<String>,
    /// Steps that were asked of it: when, and at which target.
    pub asked: Vec<(Millis, String)>,
    /// A target of which nothing answers.
    pub dead_target: String,
    /// New tickets are found only this long after they were made.
    pub lag: Millis,
    born: BTreeMap<String, Millis>,
    late: Vec<(Millis, Delivery)>,
    next_create: Option<ToolFault>,
    pub log: Vec<(Millis, String)>,
}

impl Tool {
    fn seen(&self, ticket: &Ticket) -> Seen {
        Seen {
            state: ticket.state,
            touched: ticket.touched,
            owner: String::new(),
            dropped: Vec::new(),
        }
    }

    /// The next create is executed, but its answer is lost.
    pub fn lose_next_create(&mut self) {
        self.next_create = Some(ToolFault::LostAnswer);
    }

    /// The next create is executed so much later, and nobody is told.
    pub fn late_next_create(&mut self, by: Millis) {
        self.next_create = Some(ToolFault::Late(by));
    }

    /// Requests that were on their way are executed when their time has come.
    fn catch_up(&mut self, now: Millis) {
        let (due, rest): (Vec<_>, Vec<_>) = self.late.drain(..).partition(|(at, _)| *at <= now);
        self.late = rest;
        for (at, delivery) in due {
            self.execute(at, &delivery);
        }
    }

    pub fn deliver(&mut self, now: Millis, delivery: &Delivery) -> OutcomeV1 {
        self.catch_up(now);
        self.asked.push((now, delivery.target.to_string()));
        let retry = |why: &str| {
            OutcomeV1::Refused(Refusal::Retry {
                not_before: None,
                why: why.into(),
            })
        };
        if now < self.away_until || *self.dead_target == *delivery.target {
            return retry("connection refused");
        }
        let writes = delivery.step.writes();
        let fault = if self.faults.is_empty() {
            None
        } else {
            Some(self.faults.remove(0))
        };
        let fault = match delivery.step {
            StepName::Create => self.next_create.take().or(fault),
            _ => fault,
        };
        match fault {
            None => self.execute(now, delivery),
            Some(ToolFault::Away | ToolFault::Busy) => retry("busy"),
            Some(ToolFault::BusyFor(span)) => OutcomeV1::Refused(Refusal::Retry {
                not_before: Some(now.plus(span)),
                why: "429".into(),
            }),
            Some(ToolFault::Reject) => OutcomeV1::Refused(Refusal::Reject("no".into())),
            Some(ToolFault::LostAnswer) => {
                self.execute(now, delivery);
                match writes {
                    true => OutcomeV1::Unknown {
                        why: "time-out".into(),
                    },
                    false => retry("time-out"),
                }
            }
            Some(ToolFault::Late(_)) if !writes => retry("time-out"),
            Some(ToolFault::Late(by)) => {
                self.late.push((now.plus(by), delivery.clone()));
                OutcomeV1::Unknown {
                    why: "time-out".into(),
                }
            }
        }
    }

    fn note(&mut self, delivery: &Delivery) -> String {
        let (_, note) = delivery.note.as_ref().expect("a note");
        ticket::note(note, &delivery.wanted, &style()).expect("text")
    }

    fn execute(&mut self, now: Millis, delivery: &Delivery) -> OutcomeV1 {
        let at = self.tickets.iter().position(|t| t.id == delivery.ticket);
        match delivery.step {
            StepName::Probe => OutcomeV1::Found(Vec::new()),
            StepName::Find => {
                let found = self.tickets.iter().filter(|t| {
                    t.key == delivery.key
                        && *t.target == *delivery.target
                        && now >= self.born[&t.id].plus(self.lag)
                });
                OutcomeV1::Found(
                    found
                        .map(|t| HitV1 {
                            ticket: t.id.clone(),
                            by_us: t.by_us,
                            seen: self.seen(t),
                        })
                        .collect(),
                )
            }
            StepName::Create => {
                let content = ticket::content(&delivery.wanted, &style()).expect("text");
                let id = match &*delivery.target {
                    "rt" => format!("T{}", self.tickets.len() + 1),
                    other => format!("T{}@{other}", self.tickets.len() + 1),
                };
                let text = format!("{id} open {} {}", content.priority, content.title);
                self.log.push((now, text));
                self.born.insert(id.clone(), now);
                let new = Ticket {
                    id: id.clone(),
                    target: delivery.target.to_string(),
                    key: delivery.key.clone(),
                    title: content.title,
                    description: content.description,
                    state: TicketState::New,
                    touched: false,
                    notes: Vec::new(),
                    by_us: true,
                    main: delivery.main.clone(),
                    links: Vec::new(),
                };
                self.tickets.push(new.clone());
                let mut seen = self.seen(&new);
                seen.dropped = std::mem::take(&mut self.dropped);
                OutcomeV1::Done { ticket: id, seen }
            }
            StepName::Update
            | StepName::Note
            | StepName::Resolve
            | StepName::Reopen
            | StepName::Link
            | StepName::Read => {
                let Some(at) = at else {
                    return OutcomeV1::Refused(Refusal::Gone(String::new()));
                };
                self.change(now, at, delivery)
            }
        }
    }

    fn change(&mut self, now: Millis, at: usize, delivery: &Delivery) -> OutcomeV1 {
        let ticket = self.tickets[at].clone();
        let seen = self.seen(&ticket);
        if ticket.state == TicketState::Closed {
            return OutcomeV1::Refused(Refusal::Closed);
        }
        let done = |tool: &mut Tool, text: String| {
            tool.log.push((now, format!("{} {text}", ticket.id)));
            let seen = tool.seen(&tool.tickets[at]);
            OutcomeV1::Done {
                ticket: ticket.id.clone(),
                seen,
            }
        };
        match delivery.step {
            StepName::Update if ticket.touched || ticket.state == TicketState::Resolved => {
                OutcomeV1::State { seen }
            }
            StepName::Update => {
                let content = ticket::content(&delivery.wanted, &style()).expect("text");
                self.tickets[at].title.clone_from(&content.title);
                self.tickets[at].description = content.description;
                done(self, format!("update {}", content.title))
            }
            StepName::Note => {
                let note = self.note(delivery);
                let first = note.replace('\n', " / ");
                self.tickets[at].notes.push(note);
                done(self, format!("note {first}"))
            }
            StepName::Resolve if ticket.state == TicketState::Resolved => {
                OutcomeV1::Already { seen }
            }
            StepName::Resolve if delivery.unless_touched && ticket.touched => {
                OutcomeV1::State { seen }
            }
            StepName::Resolve => {
                let note = self.note(delivery);
                let first = note.replace('\n', " / ");
                self.tickets[at].notes.push(note);
                self.tickets[at].state = TicketState::Resolved;
                done(self, format!("resolve {first}"))
            }
            StepName::Reopen if ticket.state != TicketState::Resolved => {
                OutcomeV1::Already { seen }
            }
            StepName::Reopen => {
                let note = self.note(delivery);
                let first = note.replace('\n', " / ");
                self.tickets[at].notes.push(note);
                self.tickets[at].state = TicketState::Open;
                done(self, format!("reopen {first}"))
            }
            StepName::Link => {
                self.tickets[at].links.push(delivery.other.clone());
                done(self, format!("link {}", delivery.other))
            }
            _ => OutcomeV1::State { seen },
        }
    }
}

/// Ends the process at a moment that a test has chosen: what is not in the store is lost.
#[derive(Clone, Default)]
pub struct Fuse(Rc<RefCell<Burning>>);

#[derive(Default)]
struct Burning {
    moments: Option<u64>,
    /// Only moments next to what a tool executes count.
    near: bool,
    deaths: Vec<(Millis, String)>,
}

/// What is thrown when the process ends.
pub struct Killed;

impl Fuse {
    /// The process ends after so many further moments; never, if there is no number.
    pub fn lay(&self, moments: Option<u64>) {
        self.0.borrow_mut().moments = moments;
    }
    /// Whether only moments next to what a tool executes count.
    pub fn near(&self, near: bool) {
        self.0.borrow_mut().near = near;
    }
    /// A moment at which a process may end. Answers whether it does: then [`Fuse::kill`] has to follow.
    pub fn burns_down(&self, near: bool) -> bool {
        let mut fuse = self.0.borrow_mut();
        let counts = near || !fuse.near;
        match &mut fuse.moments {
            Some(_) if !counts => false,
            None => false,
            Some(0) => {
                fuse.moments = None;
                true
            }
            Some(left) => {
                *left -= 1;
                false
            }
        }
    }
    pub fn kill(&self, now: Millis, place: String) -> ! {
        self.0.borrow_mut().deaths.push((now, place));
        std::panic::resume_unwind(Box::new(Killed))
    }
    pub fn moment(&self, now: Millis, near: bool, place: impl FnOnce() -> String) {
        if self.burns_down(near) {
            self.kill(now, place());
        }
    }
    /// When and where it ended, oldest first.
    pub fn deaths(&self) -> Vec<(Millis, String)> {
        self.0.borrow().deaths.clone()
    }
}

/// Carries a delivery to something else than [`Tool`]: what came of it, and how long it took.
pub type Carrier = Box<dyn FnMut(Millis, &Delivery) -> (OutcomeV1, Millis)>;

pub struct World {
    pub store: MemoryStore,
    pub node: Node<MemoryStore>,
    pub now: Millis,
    pub tool: Tool,
    pub carrier: Option<Carrier>,
    pub fuse: Fuse,
    /// Deliveries whose outcome is known only at a later moment.
    under_way: Vec<(Millis, Delivery, OutcomeV1)>,
    pub deliveries: Vec<Delivery>,
    pub lines: Vec<(Millis, String)>,
    pub answers: Vec<Answer>,
    pub recovered: Recovered,
    pub expired: u64,
    pub outcomes: Vec<CommandOutcome>,
    pending: BTreeMap<(correlated::model::Fingerprint, String, String), RepeatV1>,
    heard: BTreeMap<String, Millis>,
}

impl World {
    pub fn new(rules: &RulesText, cmdb: Option<&str>) -> World {
        World::with_epoch(rules, cmdb, 0x12_3456_789a)
    }

    pub fn with_epoch(rules: &RulesText, cmdb: Option<&str>, epoch: u64) -> World {
        let store = MemoryStore::new(epoch);
        let (node, recovered) = Node::recover(store.again()).expect("recover");
        let mut world = World {
            store,
            node,
            now: START,
            tool: Tool::default(),
            carrier: None,
            fuse: Fuse::default(),
            under_way: Vec::new(),
            deliveries: Vec::new(),
            lines: Vec::new(),
            answers: Vec::new(),
            recovered,
            expired: 0,
            outcomes: Vec::new(),
            pending: BTreeMap::new(),
            heard: BTreeMap::new(),
        };
        world.start();
        world.set_rules(rules);
        if let Some(cmdb) = cmdb {
            world.load(cmdb);
        }
        world
    }

    fn start(&mut self) {
        let last = self.recovered.last;
        self.fuse
            .moment(self.now, false, || "before Started".into());
        let effects = self.node.start(self.now, last).expect("start");
        self.fuse.moment(self.now, false, || "after Started".into());
        self.after(effects);
    }

    pub fn set_rules(&mut self, rules: &RulesText) {
        self.commit(&[Record::Rules(RulesV1 {
            text: rules.canonical(),
        })]);
    }

    pub fn load(&mut self, cmdb: &str) {
        let mut builder = GraphBuilder::new();
        let mut settings = correlated::cmdb::CmdbSettings::default();
        settings.options.put(
            "path",
            correlated::config::keys::Value::Text("cmdb.json".into()),
        );
        let response = correlated::model::Response {
            status: 200,
            headers: Vec::new(),
            body: cmdb.as_bytes().to_vec(),
            at: self.now,
        };
        let mut cursor = correlated::cmdb::Cursor::default();
        let kind = correlated::cmdb::kind("file").expect("kind");
        let fetch = (kind.next)(&settings, &mut cursor, &[response], &mut builder);
        assert_eq!(fetch, correlated::cmdb::Fetch::Done);
        let (raw, _) = builder.finish();
        let digest = self.node.put_graph(&raw).expect("put graph");
        let graph = GraphV1 {
            digest,
            cis: raw.cis.len() as u32,
            relations: raw.relations.len() as u32,
            as_of: self.now,
        };
        let ready = self.node.engine().ready_for().make(raw.into());
        self.node.offer(ready);
        self.commit(&[Record::Graph(graph)]);
    }

    /// Commits records at the present moment, and everything that follows from them.
    pub fn commit(&mut self, records: &[Record]) {
        let mut all = Vec::new();
        if !self.pending.is_empty() || !self.heard.is_empty() {
            all.push(Record::Repeats(RepeatsV1 {
                repeats: std::mem::take(&mut self.pending).into_values().collect(),
                heard: std::mem::take(&mut self.heard).into_iter().collect(),
            }));
        }
        all.extend_from_slice(records);
        let effects = self.write(&all);
        self.after(effects);
    }

    fn write(&mut self, records: &[Record]) -> Effects {
        let what = || {
            let shown = records.last().map(|r| format!("{r:?}"));
            let shown = shown.unwrap_or_default();
            shown.split('(').next().unwrap().to_owned()
        };
        let near = |r: &Record| {
            matches!(
                r,
                Record::Sent(_)
                    | Record::Receipt(_)
                    | Record::TicketChange(_)
                    | Record::TicketGone(_)
            )
        };
        let near = records.iter().any(near);
        self.fuse
            .moment(self.now, near, || format!("before {}", what()));
        let effects = self.node.commit(self.now, records).expect("commit");
        self.fuse
            .moment(self.now, near, || format!("after {}", what()));
        effects
    }

    fn after(&mut self, mut effects: Effects) {
        loop {
            assert!(effects.violations.is_empty(), "{:?}", effects.violations);
            self.expired += effects.expired;
            self.outcomes.append(&mut effects.commands);
            self.answers.append(&mut effects.answers);
            for line in &effects.lines {
                let incident = line.incident.map(|i| i.to_string()).unwrap_or_default();
                self.lines
                    .push((self.now, format!("{incident} {}", line.text)));
            }
            let broken = self.node.engine().check_invariants();
            assert!(
                broken.is_empty(),
                "{broken:#?}\n{:#?}",
                self.lines.iter().rev().take(12).collect::<Vec<_>>()
            );
            let new = std::mem::take(&mut effects.deliveries);
            let sent: Vec<Record> = new.iter().filter(|d| d.step.writes()).map(sent).collect();
            self.deliveries.extend(new);
            if sent.is_empty() {
                return;
            }
            effects = self.write(&sent);
        }
    }

    /// Carries out what waits, until nothing does.
    pub fn deliver(&mut self) {
        let mut last = Vec::new();
        for n in 0..10_000 {
            if self.deliveries.is_empty() {
                return;
            }
            let delivery = self.deliveries.remove(0);
            let (outcome, took) = match &mut self.carrier {
                Some(carry) => carry(self.now, &delivery),
                None => (self.tool.deliver(self.now, &delivery), Millis(0)),
            };
            if n > 9_990 {
                let (incident, step) = (delivery.incident, delivery.step);
                last.push(format!(
                    "{incident} {step:?} {} {outcome:?}",
                    delivery.target
                ));
            }
            match took {
                Millis(0) => self.receipt(&delivery, outcome),
                took => self
                    .under_way
                    .push((self.now.plus(took), delivery, outcome)),
            }
        }
        panic!("deliveries without end: {last:#?}");
    }

    pub fn receipt(&mut self, delivery: &Delivery, outcome: OutcomeV1) {
        self.commit(&[Record::Receipt(ReceiptV1 {
            delivery: delivery.id,
            incident: delivery.incident,
            target: delivery.target.to_string(),
            key: delivery.key.clone(),
            step: delivery.step,
            outcome,
        })]);
    }

    /// Lets time pass, timer by timer, delivering on the way.
    pub fn advance(&mut self, span: Millis) {
        let end = self.now.plus(span);
        self.deliver();
        for _ in 0..200_000 {
            let due = self.node.engine().next_due().filter(|d| *d <= end);
            self.under_way.sort_by_key(|(at, ..)| *at);
            let known = self.under_way.first().map(|(at, ..)| *at);
            if let Some(known) = known.filter(|at| *at <= end && due.is_none_or(|d| *at <= d)) {
                let (_, delivery, outcome) = self.under_way.remove(0);
                self.now = self.now.max(known);
                self.receipt(&delivery, outcome);
                self.deliver();
                continue;
            }
            let Some(due) = due else {
                self.now = end;
                return;
            };
            self.now = self.now.max(due);
            self.commit(&[Record::Tick]);
            self.deliver();
        }
        panic!("timers without end");
    }

    /// A process that ends without a word, and another that starts `down` later.
    pub fn crash(&mut self, down: Millis) {
        self.pending.clear();
        self.heard.clear();
        self.deliveries.clear();
        self.under_way.clear();
        self.now = self.now.plus(down);
        let (node, recovered) = Node::recover(self.store.again()).expect("recover");
        assert!(recovered.skipped.is_empty(), "{recovered:?}");
        self.node = node;
        self.recovered = recovered;
        self.start();
    }

    pub fn snapshot(&mut self) {
        let bytes =
            correlated::engine::snapshot::encode(self.node.engine().state()).expect("snapshot");
        let head = self.node.opened().head;
        node::put(self.node.store(), ChunkKind::Snapshot, head.0, &bytes).expect("put");
    }

    /// The command of a person.
    pub fn command(&mut self, actor: &str, command: CommandV1) -> CommandOutcome {
        self.commit(&[Record::Operator(OperatorV1 {
            actor: actor.into(),
            command,
        })]);
        let outcome = self.outcomes.pop().expect("an outcome");
        self.deliver();
        outcome
    }

    /// What people changed is looked at, as the daemon does.
    pub fn poll(&mut self) {
        let mut all: BTreeMap<String, Vec<Polled>> = BTreeMap::new();
        for ticket in &self.tool.tickets {
            let polled = Polled {
                id: ticket.id.clone(),
                seen: self.tool.seen(ticket),
            };
            all.entry(ticket.target.clone()).or_default().push(polled);
        }
        let engine = self.node.engine();
        let began = engine.state().seq;
        let changes: Vec<Record> = all
            .iter()
            .flat_map(|(target, polled)| engine.person_changes(target, began, polled).0)
            .map(Record::TicketChange)
            .collect();
        if !changes.is_empty() {
            self.commit(&changes);
            self.deliver();
        }
        // What was looked at is no news any more.
        let engine = self.node.engine();
        let idle = self.deliveries.is_empty();
        for (target, polled) in &all {
            let again = engine.person_changes(target, engine.state().seq, polled);
            assert!(!idle || again.0.is_empty(), "news again: {again:?}");
        }
    }

    /// A gap in which nothing could be heard.
    pub fn gap(&mut self, span: Millis) {
        self.now = self.now.plus(span);
        self.commit(&[Record::ClockStep(ClockStepV1 { gap: span })]);
    }

    /// Events as the daemon takes them in: what changes nothing is answered before it is written.
    pub fn send(&mut self, source: &str, events: &[Event]) {
        self.send_as(source, source, events);
    }

    /// The same of a source whose scope is not its name.
    pub fn send_as(&mut self, source: &str, scope: &str, events: &[Event]) {
        for part in events.chunks(256) {
            let mut full = Vec::new();
            for event in part {
                let fingerprint = correlated::engine::identity::fingerprint(
                    &self.node.engine().state().rules.identity,
                    scope,
                    &event.labels,
                );
                let changed = full.iter().any(|(f, _)| *f == fingerprint);
                match self
                    .node
                    .engine()
                    .quick(source, scope, event)
                    .filter(|_| !changed)
                {
                    Some(Quick::Repeat(fingerprint)) => {
                        self.heard.insert(source.into(), self.now);
                        let key = (fingerprint, source.to_owned(), event.sender.clone());
                        let count = self.pending.get(&key).map_or(0, |r| r.count);
                        let repeat = RepeatV1 {
                            fingerprint,
                            source: source.into(),
                            sender: event.sender.clone(),
                            count: count + 1,
                            last: self.now,
                            valid_until: event.valid_until,
                        };
                        self.pending.insert(key, repeat);
                    }
                    Some(Quick::Nothing(..)) => {
                        self.heard.insert(source.into(), self.now);
                    }
                    None => full.push((fingerprint, event.clone())),
                }
            }
            if !full.is_empty() {
                let events = full.into_iter().map(|(_, e)| e).collect();
                self.commit(&[Record::Events(EventsV1 {
                    source: source.into(),
                    scope: scope.into(),
                    received_at: self.now,
                    events,
                })]);
            }
        }
        // The daemon writes repeats at the latest after 5 s.
        if !self.pending.is_empty() {
            self.commit(&[]);
        }
        self.deliver();
    }

    pub fn open_tickets(&self) -> Vec<&Ticket> {
        let open = |t: &&Ticket| !matches!(t.state, TicketState::Resolved | TicketState::Closed);
        self.tool.tickets.iter().filter(open).collect()
    }
}

fn sent(delivery: &Delivery) -> Record {
    Record::Sent(SentV1 {
        delivery: delivery.id,
        incident: delivery.incident,
        opening: delivery.opening,
        target: delivery.target.to_string(),
        key: delivery.key.clone(),
        step: delivery.step,
        ticket: delivery.ticket.clone(),
    })
}

/// An event about a host, as Nagios tells it.
pub fn host(name: &str, state: EventState, at: Millis) -> Event {
    event(&[("host", name)], state, "down", at)
}

pub fn event(labels: &[(&str, &str)], state: EventState, severity: &str, at: Millis) -> Event {
    let labels: Labels = labels.iter().copied().collect();
    let resolves = state == EventState::Resolved;
    Event {
        state,
        labels,
        annotations: [("summary", "does not answer")].into_iter().collect(),
        severity_word: severity.into(),
        episode: at.0,
        closes: if resolves { at.0 - 1 } else { at.0 },
        starts_at: (!resolves).then_some(at),
        valid_until: None,
        sender: String::new(),
        link: String::new(),
    }
}

pub const SAMPLE: &str = include_str!("../../config/cmdb.sample.json");
