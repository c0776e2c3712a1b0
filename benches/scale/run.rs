//! One run of the engine through everything that is measured.

use super::estate::{Dice, Estate, changed};
use super::faults::{Faults, Symptom, event};
use correlated::engine::{Delivery, Effects, Engine};
use correlated::graph::RawGraph;
use correlated::itsm::{Seen, TicketState};
use correlated::model::{Event, EventState, Millis, Seq};
use correlated::record::{
    EventsV1, GraphV1, MaintenanceV1, OutcomeV1, ReceiptV1, Record, RulesV1, SentV1, StartedV1,
    StepName,
};
use correlated::rules::{Mode, OnRecovery, RulesText, Target};
use std::collections::VecDeque;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

/// The phase whose figure counts.
pub const BURST: &str = "burst: new alerts";
/// The same alerts, when it is their turn to be placed.
pub const PLACING: &str = "burst: placing";
/// Active alerts.
const ACTIVE: usize = 10_000;
/// Bursts.
const BURSTS: usize = 10;
/// Sites that fail, one after the other.
const BLACKOUTS: usize = 5;
/// Alerts of a burst, in one second; one CI in a hundred, if these are less.
const BURST_OF: usize = 1000;
/// Answers of the tool take this long.
const ANSWER: i64 = 200;

/// What an entry took.
pub struct Sample {
    pub what: &'static str,
    pub events: u32,
    pub nanos: u64,
}

pub struct Run {
    engine: Engine,
    faults: Faults,
    dice: Dice,
    seq: u64,
    now: i64,
    active: VecDeque<Symptom>,
    /// Answers of the tool, by when they come.
    answers: VecDeque<(i64, ReceiptV1)>,
    tickets: u64,
    /// What its ticks are called, and those that place alerts.
    phase: (&'static str, &'static str),
    pub samples: Vec<Sample>,
    pub told: Vec<String>,
}

impl Run {
    pub fn new(estate: &Estate) -> Run {
        let mut run = Run {
            engine: Engine::new(),
            faults: Faults::new(7),
            dice: Dice(0x1234_5678_9abc_def1),
            seq: 0,
            now: 1_700_000_000_000,
            active: VecDeque::new(),
            answers: VecDeque::new(),
            tickets: 0,
            phase: ("load: timers", "load: placing"),
            samples: Vec::new(),
            told: Vec::new(),
        };
        let mut rules = RulesText::default();
        rules.targets.insert("tool".to_owned(), target());
        let started = StartedV1 {
            engine: 1,
            epoch: 1,
            last: None,
        };
        run.apply("start", 1, &[Record::Started(started)]);
        let text = rules.canonical();
        run.apply("rules", 1, &[Record::Rules(RulesV1 { text })]);
        run.graph("first graph", &Arc::new(estate.raw.clone()));
        run
    }

    pub fn everything(&mut self, estate: &Estate) {
        self.load(estate);
        self.tell("loaded");
        self.bursts(estate);
        self.tell("after the bursts");
        self.blackouts(estate);
        self.repeats(estate);
        self.many_due(estate);
        self.maintenance(estate);
        self.swap(estate);
        self.hub(estate);
        self.tell("at the end");
    }

    fn tell(&mut self, when: &str) {
        let state = self.engine.state();
        let live = state.incidents.values().filter(|i| i.state.lives());
        let line = format!(
            "{when}: {} active alerts in {} live incidents, {} tickets, {} MiB resident",
            self.active.len(),
            live.count(),
            self.tickets,
            resident_mib()
        );
        self.told.push(line);
    }

    /// An hour of faults.
    fn load(&mut self, estate: &Estate) {
        let wanted = ACTIVE.min(estate.raw.cis.len() / 10);
        let mut all = self.symptoms(estate, wanted, 3_600_000);
        all.truncate(wanted);
        self.come(estate, "load: new alerts", all, 3);
        self.wait(1200);
    }

    fn bursts(&mut self, estate: &Estate) {
        self.phase = ("burst: timers", PLACING);
        for _ in 0..BURSTS {
            // Symptoms of one fault come over a minute or so: a burst is the rubble of many faults at once.
            let wanted = BURST_OF.min(estate.raw.cis.len() / 100);
            let mut all = self.symptoms(estate, wanted, 1);
            all.truncate(wanted);
            let count = all.len().max(1) as i64;
            for (n, symptom) in all.iter_mut().enumerate() {
                symptom.0 = n as i64 * 1000 / count;
            }
            self.come(estate, BURST, all, 16);
            self.wait(20);
            self.resolve(estate, "burst: recoveries", wanted);
            self.wait(40);
        }
    }

    /// The same number of alerts in a second from a single fault, as most bursts are.
    fn blackouts(&mut self, estate: &Estate) {
        self.phase = ("blackout: timers", "blackout: placing");
        for n in 0..BLACKOUTS {
            let mut all = self.faults.blackout(estate, 2 + 3 * n);
            all.truncate(BURST_OF);
            let count = all.len().max(1);
            for (n, symptom) in all.iter_mut().enumerate() {
                symptom.0 = n as i64 * 1000 / count as i64;
            }
            self.come(estate, "blackout: new alerts", all, 16);
            self.wait(60);
            self.resolve_last(estate, "blackout: recoveries", count);
            self.wait(60);
        }
    }

    /// What quick answers do without the log, and the same as entries.
    fn repeats(&mut self, estate: &Estate) {
        let all: Vec<Symptom> = self.active.iter().take(1000).copied().collect();
        let events: Vec<Event> = all
            .iter()
            .map(|s| event(estate, s, EventState::Firing, self.now - 3_600_000))
            .collect();
        for event in &events {
            let begun = cpu_nanos();
            black_box(self.engine.quick("n", "n", event));
            let nanos = cpu_nanos() - begun;
            self.samples.push(Sample {
                what: "repeat, not logged",
                events: 1,
                nanos,
            });
        }
        for part in events.chunks(16) {
            self.apply("repeat, logged", part.len(), &[batch(part.to_vec())]);
        }
    }

    /// 300 alerts that have nothing to do with each other: their holds end in one moment.
    fn many_due(&mut self, estate: &Estate) {
        self.wait(1200);
        self.phase = ("300 due: timers", "300 due: placing");
        let all = self.faults.lone(estate, 300);
        let count = all.len();
        self.come(estate, "300 due: new alerts", all, 256);
        self.wait(1200);
        self.told.push(format!("{count} lone alerts came at once"));
    }

    /// A window over a whole site ends; half of what it kept back still fires.
    fn maintenance(&mut self, estate: &Estate) {
        self.phase = ("maintenance: timers", "maintenance: placing");
        let site = &estate.sites[1 % estate.sites.len()];
        for (n, core) in site.cores.into_iter().enumerate() {
            let window = MaintenanceV1 {
                id: format!("M{n}"),
                ci: estate.names[core].clone(),
                from: Millis(self.now),
                to: Millis(self.now + 1_800_000),
                include_dependents: true,
            };
            self.apply("maintenance: begins", 1, &[Record::Maintenance(window)]);
        }
        let mut all: Vec<Symptom> = Vec::new();
        let mut down = |ci, name| all.push((0, ci, name, "critical"));
        site.cores.into_iter().for_each(|c| down(c, "Maintained"));
        for rack in &site.racks {
            let hosts = rack.switches.iter().chain(&rack.hosts);
            let all = hosts.chain(rack.vms.iter().flatten());
            all.for_each(|ci| down(*ci, "Maintained"));
        }
        let count = all.len();
        for (n, symptom) in all.iter_mut().enumerate() {
            symptom.0 = n as i64 * 60_000 / count as i64;
        }
        self.come(estate, "maintenance: new alerts", all, 16);
        self.wait(900);
        let kept = self.active.split_off(self.active.len() - count);
        let (over, still): (Vec<_>, Vec<_>) =
            kept.into_iter().enumerate().partition(|(n, _)| n % 2 == 0);
        let firing = std::mem::take(&mut self.active);
        self.active = over.into_iter().map(|(_, s)| s).collect();
        self.resolve(estate, "maintenance: recoveries", count);
        self.active = firing;
        self.active.extend(still.into_iter().map(|(_, s)| s));
        self.phase = ("maintenance: end", "maintenance: placing");
        self.wait(2400);
        self.told.push(format!(
            "{count} alerts in the maintenance, half of them over at its end"
        ));
    }

    /// Another graph in the middle of everything, then what comes after it.
    fn swap(&mut self, estate: &Estate) {
        self.phase = ("swap: timers", "swap: placing");
        let other = Arc::new(changed(&estate.raw));
        self.graph("swap", &other);
        let wanted = BURST_OF.min(estate.raw.cis.len() / 100);
        let mut all = self.symptoms(estate, wanted, 1);
        all.truncate(wanted);
        all.iter_mut().for_each(|s| s.0 /= 1000);
        self.come(estate, "swap: new alerts after it", all, 16);
        self.wait(60);
    }

    /// Everything that needs the hub alerts within ten seconds, and then the hub.
    fn hub(&mut self, estate: &Estate) {
        self.phase = ("hub: timers", "hub: placing");
        let count = estate.under_hub.len() as i64;
        let under = estate.under_hub.iter().enumerate();
        let mut all: Vec<Symptom> = under
            .map(|(n, ci)| (n as i64 * 10_000 / count, *ci, "QueueLost", "major"))
            .collect();
        all.push((10_000, estate.hub, "QueueDown", "critical"));
        self.come(estate, "hub: new alerts", all, 16);
        self.wait(300);
        self.resolve_last(estate, "hub: recoveries", estate.under_hub.len());
    }

    /// Symptoms of new faults, by when they come.
    fn symptoms(&mut self, estate: &Estate, wanted: usize, within: usize) -> Vec<Symptom> {
        let mut all = Vec::new();
        for _ in 0..wanted * 20 {
            if all.len() >= wanted {
                break;
            }
            let begin = self.dice.roll(within) as i64;
            let fault = self.faults.any(estate);
            all.extend(
                fault
                    .into_iter()
                    .map(|(at, ci, n, w)| (begin + at, ci, n, w)),
            );
        }
        all.sort_by_key(|s| s.0);
        all
    }

    /// Alerts come, at most `most` in an entry.
    fn come(&mut self, estate: &Estate, what: &'static str, all: Vec<Symptom>, most: usize) {
        let start = self.now;
        let mut all: VecDeque<Symptom> = all.into();
        while !all.is_empty() {
            let size = match most > 100 {
                true => most,
                false => 1 + self.dice.roll(most),
            };
            let part: Vec<Symptom> = all.drain(..size.min(all.len())).collect();
            let at = start + part.last().unwrap().0;
            self.until(at);
            let events = part
                .iter()
                .map(|s| event(estate, s, EventState::Firing, (start + s.0).min(self.now)))
                .collect();
            self.apply(what, part.len(), &[batch(events)]);
            self.active.extend(part);
        }
    }

    fn resolve(&mut self, estate: &Estate, what: &'static str, count: usize) {
        for _ in 0..count.div_ceil(8) {
            let part: Vec<Symptom> = self.active.drain(..8.min(self.active.len())).collect();
            self.over(estate, what, &part);
        }
    }

    fn resolve_last(&mut self, estate: &Estate, what: &'static str, count: usize) {
        let mut last = self
            .active
            .split_off(self.active.len().saturating_sub(count));
        while !last.is_empty() {
            let part: Vec<Symptom> = last.drain(..8.min(last.len())).collect();
            self.over(estate, what, &part);
        }
    }

    fn over(&mut self, estate: &Estate, what: &'static str, part: &[Symptom]) {
        self.until(self.now + 10);
        let events: Vec<Event> = part
            .iter()
            .map(|s| event(estate, s, EventState::Resolved, self.now))
            .collect();
        self.apply(what, part.len(), &[batch(events)]);
        for symptom in part {
            self.faults.over(symptom);
        }
    }

    fn wait(&mut self, seconds: i64) {
        self.until(self.now + seconds * 1000);
    }

    /// Time goes on: timers are due, and the tool answers.
    fn until(&mut self, end: i64) {
        loop {
            let due = self.engine.next_due().map_or(i64::MAX, |d| d.0);
            let answer = self.answers.front().map_or(i64::MAX, |(at, _)| *at);
            let next = due.min(answer);
            if next > end {
                break;
            }
            self.now = self.now.max(next);
            match answer <= due {
                true => {
                    let (_, receipt) = self.answers.pop_front().unwrap();
                    self.apply("receipt of the tool", 1, &[Record::Receipt(receipt)]);
                }
                false => self.tick(),
            }
        }
        self.now = self.now.max(end);
    }

    /// Something is due. Alerts are placed when it is their turn: that belongs to them, not to the other timers.
    fn tick(&mut self) {
        let (timers, placing) = self.phase;
        let before = self.engine.state().waiting.len();
        let sample = self.samples.len();
        self.apply(timers, 1, &[Record::Tick]);
        let placed = before.saturating_sub(self.engine.state().waiting.len());
        if placed > 0 {
            self.samples[sample].what = placing;
            self.samples[sample].events = placed as u32;
        }
    }

    fn graph(&mut self, what: &'static str, raw: &Arc<RawGraph>) {
        // As the daemon does it: on another thread.
        let begun = Instant::now();
        let ready_for = self.engine.ready_for();
        let ready = ready_for.make(raw.clone());
        let took = begun.elapsed().as_millis();
        self.told
            .push(format!("{what}: made ready on another thread in {took} ms"));
        let digest = ready.digest();
        self.engine.offer_ready(ready);
        let record = GraphV1 {
            digest,
            cis: 0,
            relations: 0,
            as_of: Millis(self.now),
        };
        self.apply(what, 1, &[Record::Graph(record)]);
    }

    fn apply(&mut self, what: &'static str, events: usize, records: &[Record]) {
        self.seq += 1;
        let begun = cpu_nanos();
        let effects = self.engine.apply(Seq(self.seq), Millis(self.now), records);
        let nanos = cpu_nanos() - begun;
        let events = events as u32;
        self.samples.push(Sample {
            what,
            events,
            nanos,
        });
        self.deliver(effects);
    }

    /// The tool does what it is asked.
    fn deliver(&mut self, effects: Effects) {
        assert!(effects.violations.is_empty(), "{:?}", effects.violations);
        let mut sent = Vec::new();
        for delivery in effects.deliveries {
            if delivery.step.writes() {
                sent.push(Record::Sent(SentV1 {
                    delivery: delivery.id,
                    incident: delivery.incident,
                    opening: delivery.opening,
                    target: delivery.target.to_string(),
                    key: delivery.key.clone(),
                    step: delivery.step,
                    ticket: delivery.ticket.clone(),
                }));
            }
            let receipt = self.answer(&delivery);
            self.answers.push_back((self.now + ANSWER, receipt));
        }
        if !sent.is_empty() {
            let count = sent.len();
            self.apply("sent to the tool", count, &sent);
        }
    }

    fn answer(&mut self, delivery: &Delivery) -> ReceiptV1 {
        let seen = Seen {
            state: match delivery.step {
                StepName::Resolve => TicketState::Resolved,
                _ => TicketState::New,
            },
            touched: false,
            owner: String::new(),
            dropped: Vec::new(),
        };
        let ticket = match delivery.step {
            StepName::Create => {
                self.tickets += 1;
                format!("T{}", self.tickets)
            }
            _ => delivery.ticket.clone(),
        };
        ReceiptV1 {
            delivery: delivery.id,
            incident: delivery.incident,
            target: delivery.target.to_string(),
            key: delivery.key.clone(),
            step: delivery.step,
            outcome: match delivery.step {
                StepName::Find => OutcomeV1::Found(Vec::new()),
                StepName::Read => OutcomeV1::State { seen },
                _ => OutcomeV1::Done { ticket, seen },
            },
        }
    }
}

fn batch(events: Vec<Event>) -> Record {
    Record::Events(EventsV1 {
        source: "n".into(),
        scope: "n".into(),
        received_at: Millis(0),
        events,
    })
}

fn target() -> Target {
    Target {
        mode: Mode::Live,
        settle: Millis::secs(60),
        reopens: true,
        by_key: false,
        links: true,
        on_recovery: OnRecovery::ResolveIfUntouched,
        max_new: 100_000,
        max_new_per: Millis::mins(10),
        fallback: None,
        fallback_after: Millis(0),
        share: None,
    }
}

/// What this thread has used: others may run on the same machine.
pub fn cpu_nanos() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

fn status(name: &str) -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find(|l| l.starts_with(name));
    let kib = line.and_then(|l| l.split_whitespace().nth(1)?.parse::<u64>().ok());
    kib.unwrap_or(0) / 1024
}

/// Resident memory now.
pub fn resident_mib() -> u64 {
    status("VmRSS:")
}

/// The most that it ever was, the benchmark's own data included.
pub fn peak_mib() -> u64 {
    status("VmHWM:")
}
