//! Kill points: the process ends between any two writes to the store or exchanges with a tool, or with a request
//! of ours under way, and starts again over what is on disk. Alerts come and go meanwhile, people and rules of the
//! tool change tickets, tools fail in every way of the kit, one is away for two hours, some incidents have two
//! targets, some have tickets for the owners of services beside their own (`[[inform]]`). What people did is found by
//! polls and hints between the kill points, whose cursor is lost now and then.
//!
//! No ticket is lost, none is opened twice, every ticket hears of its end; where a request comes later than
//! `settle`, every duplicate is found, and closed if no person has touched it. An owner is told once, and has one
//! ticket. A person's change is a record once, and from then on nothing of it is undone by us.
//!
//! `CORRELATED_KILLS=10000` plays so many kill points, over all kinds; without it some are played. A
//! failure names its seed: `CORRELATED_SEED=17 cargo test --test conformance killed` plays that story alone.

use crate::bench::{Bench, Meets, Tool, UNDER, When, strangers};
use crate::memory::{PERSON, RULE, Ticket, US};
use crate::tools::{Row, TOOLS};
use crate::weather::{CIS, Dice};
use crate::world::{Killed, World, host};
use correlated::engine::state::IncidentState;
use correlated::engine::{Engine, snapshot};
use correlated::graph::RawGraph;
use correlated::itsm::{Promise, TicketState};
use correlated::model::{EventState, IncidentId, Millis, Seq};
use correlated::record::{CommandV1, OperatorV1, PairV1, Record, TicketChangeV1, decode_entry};
use correlated::store::{ChunkKind, Store};
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// Kill points that a plain `cargo test` plays.
const FEW: u64 = 60;

/// What is promised for a row of the kit.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Word {
    /// Never a second ticket, none lost.
    Once,
    /// Never a second ticket; one whose create is not known is left to people, who are told.
    Parked,
    /// None lost; a second one may be opened.
    Repeats,
}

fn word(row: &Row, beyond: bool) -> Word {
    match row.name {
        // Its search shows one ticket by a key, and so no second one.
        "webhook find" if beyond => Word::Repeats,
        "webhook park" => Word::Parked,
        "webhook repeat" => Word::Repeats,
        _ => Word::Once,
    }
}

struct Story {
    seed: u64,
    rows: Vec<&'static Row>,
    bench: Bench,
    dice: Dice,
    /// The most moments between two deaths.
    gap: u64,
    /// Requests may come later than promised.
    beyond: bool,
    before: BTreeMap<String, Vec<String>>,
    /// Tools whose workflow let us resolve nothing for a while.
    stuck: BTreeSet<String>,
    /// What people do is looked for.
    seen: bool,
    /// Tickets that we know a person has: the turns of ours so far, and what it says; by target and number.
    theirs: BTreeMap<(String, usize), (usize, String)>,
}

/// Whatever fails, the story can be played again.
impl Drop for Story {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("in the story of seed {} ({:?})", self.seed, self.names());
        }
    }
}

/// A line of the log that tells an owner.
const TOLD: &str = "is told, by [[inform]]";

impl Story {
    /// A story without polls and owners.
    fn old(seed: u64, beyond: bool) -> Story {
        Story::made(seed, beyond, None)
    }

    fn new(seed: u64, beyond: bool) -> Story {
        // Where people have their hands in everything, little is left for us to open again.
        if seed.is_multiple_of(3) {
            return Story::old(seed, beyond);
        }
        let mut dice = Dice(seed.wrapping_mul(0x2545_f491_4f6c_dd1d));
        let owners = (dice.roll(3) == 0).then(|| dice.pick(TOOLS));
        Story::made(seed, beyond, Some(owners))
    }

    fn made(seed: u64, beyond: bool, seen: Option<Option<&'static Row>>) -> Story {
        let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let mut rows = vec![&TOOLS[seed as usize % TOOLS.len()]];
        if dice.roll(3) == 0 {
            rows.push(dice.pick(TOOLS));
        }
        let owners = seen.flatten();
        rows.extend(owners);
        let bench = Bench::informing(&rows, owners.is_some());
        let gap = *dice.pick(&[8, 20, 40, 100]);
        let mut before = BTreeMap::new();
        let mut stuck = BTreeSet::new();
        for ((name, tool), row) in bench.tools.iter().zip(&rows) {
            let mut tool = tool.borrow_mut();
            before.insert(name.clone(), strangers(&tool));
            let memory = &mut tool.memory;
            memory.rewrites = dice.roll(4) == 0;
            memory.assigns = dice.roll(4) == 0;
            memory.no_reopening = dice.roll(4) == 0;
            // A tool of which nothing is known opens the next one beside what it could not resolve.
            memory.no_resolving = dice.roll(8) == 0 && !row.name.starts_with("webhook") && !beyond;
            if memory.no_resolving {
                stuck.insert(name.clone());
            }
        }
        Story {
            seed,
            rows,
            bench,
            dice,
            gap,
            beyond,
            before,
            stuck,
            seen: seen.is_some(),
            theirs: BTreeMap::new(),
        }
    }

    fn names(&self) -> Vec<&str> {
        self.rows.iter().map(|r| r.name).collect()
    }

    fn any_tool(&mut self) -> String {
        let names: Vec<String> = self.bench.tools.keys().cloned().collect();
        self.dice.pick(&names).clone()
    }

    /// The next death, and what becomes of a request that is under way then.
    fn lay_fuse(&mut self) {
        let moments = self.dice.roll(self.gap);
        let near = self.dice.roll(3) > 0;
        self.bench.world.fuse.lay(Some(moments));
        self.bench.world.fuse.near(near);
        let most = if self.beyond { 1200 } else { 45 };
        for tool in self.bench.tools.values() {
            let under_way = self.dice.roll(2) == 0;
            let by = self.dice.secs(most);
            tool.borrow_mut().on_its_way = under_way.then_some(by);
        }
    }

    /// Does it, whatever happens to the process meanwhile.
    fn does(&mut self, mut act: impl FnMut(&mut Bench)) {
        let gap = self.gap;
        loop {
            match catch_unwind(AssertUnwindSafe(|| act(&mut self.bench))) {
                Ok(()) => break,
                Err(end) if end.is::<Killed>() => {
                    self.restart();
                    self.gap += self.gap / 2; // in the end it comes through
                }
                Err(other) => resume_unwind(other),
            }
        }
        self.gap = gap;
    }

    fn restart(&mut self) {
        loop {
            let died = self.bench.world.fuse.deaths().last().unwrap().0;
            self.bench.world.now = self.bench.world.now.max(died);
            for tool in self.bench.tools.values() {
                tool.borrow_mut().forget();
            }
            if self.dice.roll(16) == 0 {
                self.dies_while_it_replays();
            }
            self.lay_fuse();
            let down = match self.dice.roll(8) {
                0 => self.dice.secs(900),
                _ => self.dice.secs(20),
            };
            let world = &mut self.bench.world;
            match catch_unwind(AssertUnwindSafe(|| world.crash(down))) {
                Ok(()) => return,
                Err(end) if end.is::<Killed>() => {}
                Err(other) => resume_unwind(other),
            }
        }
    }

    /// A start that comes as far as some entry.
    fn dies_while_it_replays(&mut self) {
        let mut store = self.bench.world.store.again();
        let opened = store.open().unwrap();
        let from = opened.snapshot.unwrap_or_default().next();
        let entries = store.read(from, usize::MAX).unwrap();
        let some = self.dice.roll(entries.len() as u64 + 1) as usize;
        for entry in &entries[..some] {
            store.applying(entry.seq).unwrap();
            store.applied(entry.seq).unwrap();
        }
        let world = &self.bench.world;
        let place = format!(
            "in the replay of {}",
            if some == 0 { "nothing" } else { "entries" }
        );
        let fuse = world.fuse.clone();
        // Counted as a death, though nothing is thrown here.
        let counted = catch_unwind(AssertUnwindSafe(|| fuse.kill(world.now, place)));
        assert!(counted.is_err());
    }

    fn over(&mut self, ci: &'static str) {
        self.does(|bench| {
            let now = bench.world.now;
            let one = host(ci, EventState::Resolved, now);
            bench.world.send("nagios", &[one]);
        });
        self.bench.began.remove(ci);
    }

    fn all_over(&mut self) {
        let all: Vec<&'static str> = self.bench.began.keys().copied().collect();
        for ci in all {
            self.over(ci);
        }
    }

    fn wait(&mut self, span: Millis) {
        let end = self.bench.world.now.plus(span);
        self.does(|bench| {
            let rest = end.since(bench.world.now);
            if rest.0 > 0 {
                bench.advance(rest);
            } else {
                bench.world.deliver();
            }
        });
    }

    fn snapshot(&mut self) {
        self.does(|bench| {
            let world = &mut bench.world;
            let bytes = snapshot::encode(world.node.engine().state()).unwrap();
            let head = world.node.opened().head.0;
            let now = world.now;
            let moment = |world: &mut World, what: &str| {
                world
                    .fuse
                    .moment(now, false, || format!("{what} of a snapshot"));
            };
            moment(world, "before the chunk");
            let store = world.node.store();
            store
                .put_chunk(ChunkKind::Snapshot, head, 0, &bytes)
                .unwrap();
            moment(world, "before the seal");
            world.node.store().seal(ChunkKind::Snapshot, head).unwrap();
            moment(world, "after the seal");
        });
    }

    /// A person or a rule of the tool changes one of our tickets.
    fn hand(&mut self) {
        let name = self.any_tool();
        let who = if self.dice.roll(2) == 0 { PERSON } else { RULE };
        let what = self.dice.roll(6);
        let pick = self.dice.roll(1000) as usize;
        let mut tool = self.bench.tools[&name].borrow_mut();
        let numbers = ours_now(&mut tool, self.bench.world.now);
        let memory = &mut tool.memory;
        let Some(number) = numbers.get(pick % numbers.len().max(1)) else {
            return;
        };
        match what {
            0 => {
                memory.turn(number, who, TicketState::Closed);
            }
            1 => {
                memory.turn(number, who, TicketState::Resolved);
            }
            2 => {
                if let Some(t) = memory.change(number, PERSON) {
                    t.owner = PERSON.into();
                }
            }
            _ => {
                if let Some(t) = memory.change(number, who) {
                    t.group = "another group".into();
                }
            }
        }
    }

    /// A person's hand in a ticket, of the sort that must not be undone; and deletions and merges.
    fn person(&mut self) -> Option<(String, String)> {
        let name = self.any_tool();
        let (what, pick) = (self.dice.roll(9), self.dice.roll(1000) as usize);
        let mut tool = self.bench.tools[&name].borrow_mut();
        let numbers = ours_now(&mut tool, self.bench.world.now);
        let memory = &mut tool.memory;
        // The newest are open as a rule.
        let number = numbers.iter().rev().nth(pick % numbers.len().clamp(1, 4))?;
        let turn = |memory: &mut crate::memory::Memory, state| {
            memory.turn(number, PERSON, state);
        };
        match what {
            0 => turn(memory, TicketState::Open),
            1 => turn(memory, TicketState::OnHold),
            2 => turn(memory, TicketState::Resolved),
            3 if memory.get(number).is_some() => {
                let into = memory.create(PERSON, "", "the database is slow", "");
                memory.change(number, PERSON).unwrap().merged_into = Some(into);
            }
            4 => {
                if let Some(t) = memory.change(number, PERSON) {
                    t.gone = true;
                }
            }
            5 => {
                if let Some(t) = memory.change(number, PERSON) {
                    t.owner.clear();
                }
            }
            6 => {
                if let Some(t) = memory.change(number, PERSON) {
                    t.title = format!("anna: {}", t.title); // the key may stand at its end
                }
            }
            _ => {
                if let Some(t) = memory.change(number, PERSON) {
                    t.owner = PERSON.into();
                }
            }
        }
        Some((name.clone(), number.clone()))
    }

    /// A poll or a hint; the cursor of a poll is harmless to lose.
    fn look(&mut self) {
        let name = self.any_tool();
        if self.dice.roll(8) == 0 {
            self.bench.cursors.remove(&name);
        }
        let pick = self.dice.roll(1000) as usize;
        let ours = {
            let tool = self.bench.tools[&name].borrow();
            let ours = tool.memory.tickets.iter().filter(|t| t.by == US);
            ours.map(|t| t.number.to_string()).collect::<Vec<_>>()
        };
        let number = ours.get(pick % ours.len().max(1));
        match number.filter(|_| self.dice.roll(2) == 0) {
            Some(number) => {
                // Webhooks come twice, as senders repeat what was not answered in time.
                for _ in 0..=self.dice.roll(2) {
                    self.does(|bench| bench.hint(&name, number));
                }
            }
            None => self.does(|bench| bench.poll(&name)),
        }
    }

    /// A person merges two incidents.
    fn merge(&mut self) {
        let state = self.bench.world.node.engine().state();
        let ids: Vec<IncidentId> = state.incidents.keys().copied().collect();
        if ids.len() < 2 {
            return;
        }
        let (incident, other) = (*self.dice.pick(&ids), *self.dice.pick(&ids));
        self.does(|bench| {
            let command = CommandV1::Merge(PairV1 { incident, other });
            bench.world.commit(&[Record::Operator(OperatorV1 {
                actor: "uid 1000".into(),
                command,
            })]);
            bench.world.deliver();
        });
    }

    fn trouble(&mut self) {
        let name = self.any_tool();
        let all = [
            When::Create,
            When::Create,
            When::ReadBack,
            When::Change,
            When::Change,
            When::Find,
            When::Any,
        ];
        let when = *self.dice.pick(&all);
        let meets = match self.beyond && self.dice.roll(3) == 0 {
            true => Meets::Late(self.dice.secs(1200)),
            false => crate::weather::meets(&mut self.dice),
        };
        let times = 1 + self.dice.roll(2) as u32;
        let now = self.bench.world.now;
        let mut tool = self.bench.tools[&name].borrow_mut();
        tool.meets(when, times, Millis(i64::MAX), meets);
        if self.dice.roll(12) == 0 {
            // Two hours, and a lag of the search that is promised.
            tool.meets(
                When::Any,
                u32::MAX,
                now.plus(Millis::mins(120)),
                Meets::Away,
            );
        }
        let most = if self.beyond { 480 } else { 45 };
        if self.dice.roll(4) == 0 {
            tool.memory.lag = self.dice.secs(most);
        }
    }

    fn act(&mut self) {
        if self.seen {
            match self.dice.roll(10) {
                0..=1 => {
                    if let Some((name, number)) = self.person() {
                        match self.dice.roll(3) {
                            0 => self.does(|bench| bench.hint(&name, &number)),
                            1 => self.does(|bench| bench.poll(&name)),
                            _ => {} // found later
                        }
                    }
                }
                2..=3 => self.look(),
                _ => {}
            }
        }
        match self.dice.roll(20) {
            0..=4 => {
                let ci = *self.dice.pick(&CIS);
                self.does(|bench| bench.fire(ci));
            }
            5..=6 => {
                let all: Vec<&'static str> = self.bench.began.keys().copied().collect();
                if !all.is_empty() {
                    let ci = *self.dice.pick(&all);
                    self.over(ci);
                }
            }
            7 => self.all_over(),
            8..=13 => {
                let span = self.dice.secs(700);
                self.wait(span);
            }
            14..=16 => self.trouble(),
            17 => self.hand(),
            18 => self.snapshot(),
            _ => self.merge(),
        }
    }

    fn play(&mut self) {
        self.lay_fuse();
        for _ in 0..50 {
            self.act();
            self.check();
        }
        // What fires for longer than any trouble has its ticket.
        for (ci, span) in [("srv-db-01", 30), ("srv-crm-01", 30)] {
            self.does(|bench| bench.fire(ci));
            self.wait(Millis::mins(span));
            self.check();
        }
        self.heal();
        self.bench.world.fuse.lay(None);
        self.nothing_is_news();
        // The last look for what came late is 60 settles after the create.
        let long = if self.beyond { 600 } else { 180 };
        self.wait(Millis::mins(long));
        self.check();
        self.nothing_is_lost();
        self.all_over();
        self.wait(Millis::mins(if self.beyond { 600 } else { 300 }));
        self.check();
        self.all_have_heard();
        self.replays();
    }

    fn heal(&mut self) {
        let now = self.bench.world.now;
        for tool in self.bench.tools.values() {
            let mut tool = tool.borrow_mut();
            tool.rules.clear();
            tool.pass_time(now);
            tool.memory.lag = Millis(0);
            tool.memory.no_resolving = false;
        }
    }

    /// After a poll of all that a tool tells, nothing is news any more.
    fn nothing_is_news(&mut self) {
        if !self.seen {
            return;
        }
        self.wait(Millis::mins(30));
        let names: Vec<String> = self.bench.tools.keys().cloned().collect();
        for name in &names {
            self.bench.cursors.remove(name);
            self.bench.poll(name);
        }
        self.check();
        let changes = self.changes().len();
        for name in &names {
            self.bench.poll(name);
        }
        let again = self.changes();
        let tool = self.bench.tool.borrow();
        assert!(
            again.len() == changes,
            "{}",
            self.told(&tool, &format!("news twice: {again:?}"))
        );
    }

    /// The records of what people did.
    fn changes(&self) -> Vec<TicketChangeV1> {
        let mut store = self.bench.world.store.again();
        let entries = store.read(Seq(1), usize::MAX).unwrap();
        let records = entries
            .iter()
            .flat_map(|e| decode_entry(&e.body).unwrap().records);
        let change = |r: Record| match r {
            Record::TicketChange(change) => Some(change),
            _ => None,
        };
        records.filter_map(change).collect()
    }

    /// Nothing that a person did, and we know of, is undone by us.
    fn nothing_is_undone(&mut self) {
        let state = self.bench.world.node.engine().state();
        let rows = state.outbox.iter().filter(|(_, row)| row.touched);
        let known: BTreeSet<(String, String)> = rows
            .filter_map(|(id, row)| Some((id.target.to_string(), row.ticket.clone()?)))
            .collect();
        let mut undone = None;
        for (name, tool) in &self.bench.tools {
            let tool = tool.borrow();
            let ours = tool.memory.tickets.iter().filter(|t| t.by == US && !t.late);
            for ticket in ours {
                let mine = |(who, state): &&(String, TicketState)| {
                    who == US && matches!(state, TicketState::Resolved | TicketState::Closed)
                };
                let ends = ticket.turns.iter().filter(mine).count();
                let now = (ends, ticket.title.clone());
                let at = (name.clone(), ticket.number);
                let end = ticket.number.to_string();
                let is = |(target, id): &(String, String)| target == name && is_number(id, &end);
                if !known.iter().any(is) {
                    self.theirs.remove(&at); // a row that goes on with another ticket knows no more of it
                    continue;
                }
                // People's words may change, ours may not stand over them.
                let theirs = ticket.last() != US;
                match self.theirs.get(&at) {
                    Some(before) if *before != now && !theirs && !renamed(before, &now) => {
                        undone = Some(format!("{end} of {name}: {before:?}, now {now:?}"));
                    }
                    _ => drop(self.theirs.insert(at, now)),
                }
            }
        }
        if let Some(what) = undone {
            let tool = self.bench.tool.borrow();
            panic!("{}", self.told(&tool, &format!("undone by us: {what}")));
        }
    }

    /// Each owner of an incident was told once, and by one note in a ticket.
    fn owners_are_told_once(&self) {
        let mut lines: BTreeMap<&str, u32> = BTreeMap::new();
        for (_, line) in &self.bench.world.lines {
            if line.contains(TOLD) {
                *lines.entry(line.as_str()).or_default() += 1;
            }
        }
        let twice = lines.iter().find(|(_, count)| **count > 1);
        let tool = self.bench.tool.borrow();
        assert!(
            twice.is_none(),
            "{}",
            self.told(&tool, &format!("told twice: {twice:?}"))
        );
        for tool in self.bench.tools.values() {
            let tool = tool.borrow();
            for ticket in tool.memory.tickets.iter().filter(|t| t.by == US) {
                let mut owners: BTreeMap<&str, u32> = BTreeMap::new();
                for note in ticket.notes.iter().filter(|n| n.starts_with("TO ")) {
                    let owner = note.split(". ").next().unwrap_or_default();
                    let owner = owner.rsplit_once(' ').map_or(owner, |(name, _)| name);
                    *owners.entry(owner).or_default() += 1;
                }
                let twice = owners.iter().find(|(_, count)| **count > 1);
                assert!(
                    twice.is_none(),
                    "{}",
                    self.told(&tool, &format!("{}: {twice:?}", ticket.number))
                );
            }
        }
    }

    /// What went before, for a failure; the command plays it again.
    fn told(&self, tool: &Tool, what: &str) -> String {
        let test = if self.beyond {
            "killed_while"
        } else {
            "killed_at"
        };
        format!(
            "{what}\nseed {} ({:?}); to play it again:\n  CORRELATED_SEED={} cargo test --test conformance {test}\n\
             {}\n{:#?}\n{:#?}\n{:#?}\nseed {}: {what}",
            self.seed,
            self.names(),
            self.seed,
            tool.trace.join("\n"),
            tool.memory.tickets,
            self.bench.world.lines,
            self.bench.world.fuse.deaths(),
            self.seed,
        )
    }

    fn sides(&self) -> impl Iterator<Item = (&String, std::cell::Ref<'_, Tool>, Word)> {
        let both = self.bench.tools.iter().zip(&self.rows);
        both.map(|((name, tool), row)| (name, tool.borrow(), word(row, self.beyond)))
    }

    /// Holds at any moment.
    fn check(&mut self) {
        if self.seen {
            self.nothing_is_undone();
            self.owners_are_told_once();
        }
        for (name, tool, word) in self.sides() {
            assert!(
                self.before[name] == strangers(&tool),
                "{}",
                self.told(&tool, "a stranger's ticket was changed")
            );
            if word == Word::Repeats || self.beyond {
                continue;
            }
            let mut keys: BTreeMap<&str, u32> = BTreeMap::new();
            let ours = tool.memory.tickets.iter().filter(|t| t.by == US);
            // What a person deletes or merges before we know of it cannot be found.
            for ticket in ours.filter(|t| !t.gone && t.merged_into.is_none()) {
                *keys.entry(&ticket.asked).or_default() += 1;
            }
            // What a person has resolved meanwhile, such a tool opens anew by the same key.
            let by_tool = tool.conf.kind.promise == Promise::OnceByTool;
            let twice = keys.iter().find(|(_, count)| **count > 1 && !by_tool);
            assert!(
                twice.is_none() && tool.at_once <= 1,
                "{}",
                self.told(
                    &tool,
                    &format!("a second ticket: {twice:?}, {} at once", tool.at_once)
                )
            );
        }
    }

    /// Every alert that was taken in is known, and every open incident has one ticket at each target.
    fn nothing_is_lost(&self) {
        let engine = self.bench.world.node.engine();
        let live = engine.state().alerts.values().filter(|a| a.live()).count();
        for (name, tool, word) in self.sides() {
            assert!(
                live == self.bench.began.len(),
                "{}",
                self.told(
                    &tool,
                    &format!("{live} alerts live of {:?}", self.bench.began)
                )
            );
            for (id, incident) in engine.state().incidents.iter() {
                if incident.state != IncidentState::Open {
                    continue;
                }
                let mut told = incident.told.informed.values();
                if name == UNDER && !told.any(|how| how.targets.contains(name)) {
                    continue; // nobody else's service does not work
                }
                let mark = format!("-{}.", id.0);
                let of = tool.memory.tickets.iter();
                let of: Vec<&Ticket> = of
                    .filter(|t| t.by == US && t.asked.contains(&mark))
                    .collect();
                let open = of.iter().filter(|t| t.is_open()).count();
                // What a person took, or a rule of the tool ended, is theirs.
                let hands = |t: &Ticket| self.beyond && t.hands.iter().any(|h| h != US);
                let theirs = |t: &&&Ticket| t.touched() || t.turned == RULE || hands(t);
                let people = of.iter().filter(theirs).count();
                let parked = word == Word::Parked && said(&self.bench, *id, "refused");
                assert!(
                    open + people > 0 || parked,
                    "{}",
                    self.told(
                        &tool,
                        &format!(
                            "{id} has no ticket at {name}: {incident:?} {:?}",
                            engine.state().outbox
                        )
                    )
                );
                assert!(
                    open <= 1 + people || word == Word::Repeats,
                    "{}",
                    self.told(&tool, &format!("{id} has {open} tickets at {name}"))
                );
            }
        }
    }

    /// Every ticket of ours is over, or a person's who was told.
    fn all_have_heard(&self) {
        for (name, tool, word) in self.sides() {
            let kind = tool.conf.kind.promise;
            let ours = tool.memory.tickets.iter().filter(|t| t.by == US && !t.gone);
            for ticket in ours.filter(|t| t.merged_into.is_none()) {
                let over = matches!(ticket.state, TicketState::Resolved | TicketState::Closed);
                let told = ["RECOVERED", "MERGED", "RESOLVED", "DUPLICATE"]
                    .iter()
                    .any(|w| ticket.notes.iter().any(|n| n.contains(w)));
                // A person's ticket is only told, and what a person or a rule keeps from being resolved.
                // Not every tool tells a rule of its own from a person.
                let foreign = ticket.hands.iter().any(|h| h != US);
                // A resolve of ours that comes later than promised looks like a person's, who is left the ticket then.
                let late = self.beyond && ticket.late;
                let theirs = foreign || late || self.stuck.contains(name);
                // Who opens a ticket again that we cannot read has it, and nobody else knows.
                let unseen = self.seen && !sees(&tool) && ticket.touched();
                let named = (self.beyond && foreign) || unseen;
                let promised = kind != Promise::Declared || word == Word::Once;
                assert!(
                    over || (told && theirs) || named || !promised,
                    "{}",
                    self.told(
                        &tool,
                        &format!("{} of {name} never heard of its end", ticket.number)
                    )
                );
            }
        }
    }

    /// The log alone makes the same state.
    fn replays(&self) {
        let mut store = self.bench.world.store.again();
        let mut engine = Engine::new();
        for entry in store.read(Seq(1), usize::MAX).unwrap() {
            let records = decode_entry(&entry.body).unwrap().records;
            for record in &records {
                if let Record::Graph(graph) = record {
                    let bytes = store.get(ChunkKind::Graph, graph.digest, 0).unwrap();
                    let raw = RawGraph::decode(&bytes.unwrap()).unwrap();
                    engine.offer_graph(graph.digest, raw.into());
                }
            }
            engine.apply(entry.seq, entry.at, &records);
        }
        let live = self.bench.world.node.engine().digest();
        let tool = self.bench.tool.borrow();
        assert!(
            engine.digest() == live,
            "{}",
            self.told(&tool, "a replay makes another state")
        );
    }
}

/// Whether only anna gave a ticket another title once more, though our note came after that.
fn renamed(before: &(usize, String), now: &(usize, String)) -> bool {
    let more = now.1.strip_suffix(before.1.as_str());
    let hers = more.is_some_and(|m| !m.is_empty() && m.replace("anna: ", "").is_empty());
    before.0 == now.0 && hers
}

/// The numbers of our tickets at a tool, once what was under way until now is executed.
fn ours_now(tool: &mut Tool, now: Millis) -> Vec<String> {
    tool.pass_time(now);
    tool.memory.now = now;
    let ours = tool.memory.tickets.iter().filter(|t| t.by == US);
    ours.map(|t| t.number.to_string()).collect()
}

/// Whether one of our ids is that of a fake's ticket: its number, or a number that has it at its end.
fn is_number(id: &str, number: &str) -> bool {
    let end = id.rsplit('#').next().unwrap_or_default();
    let hex = usize::from_str_radix(end, 16)
        .ok()
        .filter(|_| end.len() == 32);
    let digits = end.trim_start_matches(|c: char| !c.is_ascii_digit());
    let plain = digits.trim_start_matches('0');
    let known = [plain, plain.strip_prefix("94").unwrap_or(plain)];
    hex.is_some_and(|n| n.to_string() == number) || known.contains(&number)
}

/// Whether people's changes are seen: PagerDuty has no key to read with here.
fn sees(tool: &Tool) -> bool {
    tool.conf.kind.poll.is_some() && tool.conf.kind.kind != "pagerduty"
}

fn said(bench: &Bench, id: IncidentId, what: &str) -> bool {
    let of = |l: &&(Millis, String)| l.1.starts_with(&id.to_string()) && l.1.contains(what);
    bench.world.lines.iter().any(|l| of(&l))
}

/// Does it until it is done or the process ends; then it starts again, and answers that. No other end is laid.
pub fn dies(bench: &mut Bench, act: impl FnOnce(&mut Bench)) -> bool {
    match catch_unwind(AssertUnwindSafe(|| act(bench))) {
        Ok(()) => false,
        Err(end) if end.is::<Killed>() => {
            let died = bench.world.fuse.deaths().last().unwrap().0;
            bench.world.now = bench.world.now.max(died);
            for tool in bench.tools.values() {
                tool.borrow_mut().forget();
            }
            bench.world.fuse.lay(None);
            bench.world.crash(Millis::secs(5));
            true
        }
        Err(other) => resume_unwind(other),
    }
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

/// Plays stories until there were so many kill points, those that found something first; what was hit how often is
/// printed.
fn stories(wanted: u64, beyond: bool, found: &[u64]) {
    let alone = number("CORRELATED_SEED");
    let (mut points, mut seed) = (0, alone.unwrap_or(1));
    if alone.is_none() {
        for seed in found {
            Story::old(*seed, beyond).play();
        }
    }
    let mut places: BTreeMap<String, u64> = BTreeMap::new();
    let mut kinds: BTreeMap<&str, u64> = BTreeMap::new();
    let (mut tickets, mut changes, mut owners) = (0, 0, 0);
    while points < wanted {
        let mut story = Story::new(seed, beyond);
        let only = story
            .rows
            .iter()
            .any(|r| crate::only("CORRELATED_KIND", r.name));
        if only {
            story.play();
            let deaths = story.bench.world.fuse.deaths();
            points += deaths.len() as u64;
            for row in &story.rows {
                *kinds.entry(row.name).or_default() += deaths.len() as u64;
            }
            for (_, place) in deaths {
                *places.entry(place).or_default() += 1;
            }
            let of = |t: &&Ticket| t.by == US;
            let of = |tool: &Tool| tool.memory.tickets.iter().filter(of).count();
            changes += story.changes().len();
            let told = story.bench.world.lines.iter();
            owners += told.filter(|(_, line)| line.contains(TOLD)).count();
            tickets += story.sides().map(|(_, tool, _)| of(&tool)).sum::<usize>();
        }
        if alone.is_some() {
            break;
        }
        seed += 1;
    }
    println!(
        "{points} kill points in the stories up to seed {seed}, {tickets} tickets, {changes} changes by \
         people, {owners} owners told\n{kinds:?}\n{places:#?}"
    );
    let hit = |what: &str| places.keys().any(|p| p.contains(what));
    let all = [
        "create",
        "find",
        "update",
        "note",
        "resolve",
        "reopen",
        "Sent",
        "Receipt",
        "Started",
        "Events",
        "snapshot",
        "replay",
        "TicketChange",
        "TicketGone",
        "read",
    ];
    for what in all {
        assert!(
            points < 4000 || hit(what),
            "no process ended at {what}: {places:#?}"
        );
    }
}

pub fn at_any_moment() {
    stories(
        number("CORRELATED_KILLS").unwrap_or(FEW),
        false,
        &[67, 146, 268],
    );
}

pub fn beyond_what_is_promised() {
    let wanted = number("CORRELATED_KILLS").unwrap_or(FEW);
    stories(wanted.div_ceil(4), true, &[12, 13, 16]);
}
