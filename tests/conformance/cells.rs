//! Who may change what, and when: each cell of the state table (TICKETS.md, section 3), for every kind. A ticket stands
//! as a column says, a person having brought it there; then comes what a row says.
//!
//! Kinds that cannot see people (`webhook`, PagerDuty without a key to read with) treat every ticket as untouched.

use crate::bench::Bench;
use crate::memory::{Memory, PERSON, Ticket, US};
use crate::tools::{Row, TOOLS};
use correlated::itsm::TicketState::{self, Closed, New, OnHold, Open, Resolved};
use correlated::model::Millis;
use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What is not seen of a person: all of it, or what is found only by a poll, for we have nothing to write.
fn is_hidden(row: &Row, stands: Stands, comes: Comes, polled: bool) -> bool {
    let polls = polled && row.kind != "cherwell";
    let ended = matches!(stands, Stands::Resolved | Stands::Closed);
    stands != Stands::Untouched && (!sees(row) || (!polls && ended && comes == Comes::Again))
}

/// How the ticket stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stands {
    Untouched,
    Touched,
    OnHold,
    Resolved,
    Closed,
}

/// What happens then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comes {
    /// More fails, services too: other words for the title, a higher priority, a severe alert that joins late.
    More,
    /// All is over.
    End,
    /// It fires again within the time for that, or fires on.
    Again,
}

const STANDS: [Stands; 5] = [
    Stands::Untouched,
    Stands::Touched,
    Stands::OnHold,
    Stands::Resolved,
    Stands::Closed,
];
const COMES: [Comes; 3] = [Comes::More, Comes::End, Comes::Again];

fn sees(row: &Row) -> bool {
    !matches!(row.kind, "webhook" | "pagerduty")
}

fn brings(memory: &mut Memory, number: &str, stands: Stands) {
    match stands {
        Stands::Untouched => {}
        Stands::Touched => {
            memory.turn(number, PERSON, Open);
            memory.change(number, PERSON).unwrap().owner = PERSON.into();
        }
        Stands::OnHold => {
            memory.turn(number, PERSON, OnHold);
        }
        Stands::Resolved => {
            memory.turn(number, PERSON, Resolved);
        }
        Stands::Closed => {
            memory.turn(number, PERSON, Closed);
        }
    }
}

/// What became of it: of the first ticket since then, and how many follow.
#[derive(Debug)]
struct Found {
    retitled: bool,
    notes: Vec<String>,
    state: TicketState,
    later: Vec<TicketState>,
}

impl Found {
    fn noted(&self, word: &str) -> bool {
        self.notes.iter().any(|n| n.contains(word))
    }

    fn shown(&self) -> String {
        let mut all = Vec::new();
        if self.retitled {
            all.push("rewritten".to_owned());
        }
        match self.notes.len() {
            0 => {}
            1 => all.push("note".to_owned()),
            n => all.push(format!("{n} notes")),
        }
        all.push(format!("{:?}", self.state).to_lowercase());
        if !self.later.is_empty() {
            all.push(format!("{} new", self.later.len()));
        }
        all.join(", ")
    }
}

fn play(row: &Row, stands: Stands, comes: Comes, polled: bool) -> Found {
    let mut bench = Bench::new(row);
    bench.fire("srv-db-01");
    bench.advance(Millis::mins(10));
    let number = bench.newest();
    if (stands, comes) == (Stands::Untouched, Comes::Again) {
        bench.clear();
        bench.advance(Millis::mins(8));
    }
    let ticket = |bench: &Bench| -> Ticket {
        let tool = bench.tool.borrow();
        tool.memory.tickets[number.parse::<usize>().unwrap() - 1].clone()
    };
    bench.habits(|m| brings(m, &number, stands));
    let before = ticket(&bench);
    if polled {
        bench.poll("tool");
    }
    match comes {
        Comes::More => {
            bench.fire("payroll-db");
            bench.fire("Payroll");
            bench.advance(Millis::mins(8));
        }
        Comes::End => {
            bench.clear();
            bench.advance(Millis::mins(20));
        }
        Comes::Again if stands == Stands::Untouched => {
            bench.fire("srv-db-01");
            bench.advance(Millis::mins(5));
        }
        Comes::Again => bench.advance(Millis::mins(30)),
    }
    let after = ticket(&bench);
    let tool = bench.tool.borrow();
    let own = number.parse::<usize>().unwrap();
    let later = tool.memory.tickets.iter().skip(own);
    let notes = after.notes.iter().skip(before.notes.len());
    Found {
        retitled: after.title != before.title,
        notes: notes.filter(|n| !n.starts_with('(')).cloned().collect(),
        state: after.state,
        later: later.filter(|t| t.by == US).map(|t| t.state).collect(),
    }
}

/// What the table says; `Err` names what is broken.
fn judge(row: &Row, stands: Stands, comes: Comes, found: &Found) -> Result<(), String> {
    let needs = |holds: bool, what: &str| match holds {
        true => Ok(()),
        false => Err(format!("{what}: {found:?}")),
    };
    let none_follows = || needs(found.later.is_empty(), "a second ticket");
    let is = |state: TicketState| needs(found.state == state, "another state");
    let notes = row.kind != "pagerduty";
    let kind = correlated::itsm::kind(row.kind).unwrap();
    // As a person left it.
    let left = match stands {
        Stands::OnHold => OnHold,
        Stands::Resolved => Resolved,
        _ => Open,
    };
    match (comes, stands) {
        (Comes::More, Stands::Untouched) => {
            // Kinds that are not told of changes here: no update is set up.
            needs(found.retitled || !sees(row), "not rewritten")?;
            needs(found.state != Resolved && found.state != Closed, "ended")?;
            none_follows()
        }
        (Comes::More, Stands::Touched | Stands::OnHold) => {
            needs(!found.retitled, "a person's words are overwritten")?;
            needs(!found.notes.is_empty(), "nobody is told")?;
            is(left)?;
            none_follows()
        }
        (Comes::More, Stands::Resolved) => {
            needs(!found.retitled, "a person's words are overwritten")?;
            needs(matches!(found.state, New | Open), "not opened again")?;
            none_follows()
        }
        (Comes::More | Comes::Again, Stands::Closed) => {
            needs(!found.retitled, "a person's words are overwritten")?;
            is(Closed)?;
            needs(found.later.len() == 1, "no new ticket, or several")
        }
        (Comes::End, Stands::Untouched) => {
            needs(!notes || found.noted("RECOVERED"), "the end is not told")?;
            needs(
                !notes || found.noted("resolved by us"),
                "who resolved it is not told",
            )?;
            is(Resolved)?;
            none_follows()
        }
        (Comes::End, Stands::Touched | Stands::OnHold | Stands::Resolved) => {
            needs(found.noted("RECOVERED"), "the end is not told")?;
            is(left)?;
            needs(!found.noted("resolved by us"), "a false claim")?;
            none_follows()
        }
        // It was found closed: for what is open a new one was opened, and that one heard of the end.
        (Comes::End, Stands::Closed) => {
            is(Closed)?;
            let open = |s: &&TicketState| matches!(s, New | Open | OnHold);
            let open = found.later.iter().filter(open).count();
            needs(open == 0 && found.later.len() <= 1, "left open")
        }
        (Comes::Again, Stands::Untouched) if kind.limits.reopens => {
            needs(found.noted("FIRING AGAIN"), "nobody is told")?;
            needs(matches!(found.state, New | Open), "not opened again")?;
            none_follows()
        }
        (Comes::Again, Stands::Untouched) => {
            is(Resolved)?;
            needs(found.later.len() == 1, "no new ticket, or several")
        }
        (Comes::Again, Stands::Touched | Stands::OnHold) => {
            is(left)?;
            none_follows()
        }
        (Comes::Again, Stands::Resolved) => {
            needs(found.noted("STILL FIRING"), "nobody is told")?;
            needs(matches!(found.state, New | Open), "not opened again")?;
            none_follows()
        }
    }
}

/// With a poll before what comes, and with what comes before any poll.
pub fn each_for_every_kind() {
    let broken = [true, false].map(cells).concat();
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

fn cells(polled: bool) -> Vec<String> {
    let mut table = String::new();
    let mut broken = Vec::new();
    for comes in COMES {
        let first = if polled { "" } else { ", not polled" };
        writeln!(table, "\n| {comes:?}{first} | {STANDS:?}").unwrap();
        for row in TOOLS
            .iter()
            .filter(|r| crate::only("CORRELATED_KIND", r.name))
        {
            write!(table, "| {} |", row.name).unwrap();
            for stands in STANDS {
                if is_hidden(row, stands, comes, polled) {
                    write!(table, " not seen |").unwrap();
                    continue;
                }
                let played = catch_unwind(AssertUnwindSafe(|| play(row, stands, comes, polled)));
                let cell = match played {
                    Ok(found) => match judge(row, stands, comes, &found) {
                        Ok(()) => found.shown(),
                        Err(why) => {
                            broken
                                .push(format!("{} {stands:?} {comes:?} {polled}: {why}", row.name));
                            format!("BROKEN ({})", found.shown())
                        }
                    },
                    Err(_) => {
                        broken.push(format!("{} {stands:?} {comes:?}", row.name));
                        "BROKEN".to_owned()
                    }
                };
                write!(table, " {cell} |").unwrap();
            }
            table.push('\n');
        }
    }
    println!("{table}");
    broken
}
