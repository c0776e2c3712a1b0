//! What goes wrong, one story each: an incident opens, grows, recovers, fires again and recovers again, and
//! at one point of it the fault happens.

use crate::bench::{Bench, Meets, When};
use crate::memory::{PERSON, RULE, US};
use correlated::itsm::TicketState;
use correlated::model::Millis;

/// Where in the story it happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// Before the first alert.
    Start,
    /// The ticket is open.
    Open,
    /// The alerts are over and the ticket has been told.
    Over,
    /// Right before they are over.
    Ending,
}

pub struct Fault {
    pub name: &'static str,
    pub at: At,
    pub act: fn(&mut Bench),
    /// It lasts until the incident is over: nothing can be open meanwhile.
    pub lasts: bool,
    /// Beyond what is promised: a second ticket may be open for a while, and is then found.
    pub beyond: bool,
}

const fn fault(name: &'static str, at: At, act: fn(&mut Bench)) -> Fault {
    Fault {
        name,
        at,
        act,
        lasts: false,
        beyond: false,
    }
}

const PAGE: &str = "<html><title>Log in</title></html>";

pub const FAULTS: &[Fault] = &[
    fault("nothing", At::Start, |_| {}),
    fault("answer of the create lost", At::Start, |b| {
        b.meets(When::Create, 1, Meets::Lost);
    }),
    fault("answer of the read-back lost", At::Start, |b| {
        b.meets(When::ReadBack, 1, Meets::Lost);
    }),
    fault("answers of two changes lost", At::Open, |b| {
        b.meets(When::Change, 2, Meets::Lost);
    }),
    fault("answer of the resolve lost", At::Ending, |b| {
        b.meets(When::Change, 1, Meets::Lost);
    }),
    fault("killed while the create is under way", At::Start, |b| {
        b.meets(When::Create, 1, Meets::Lost);
        b.fire("srv-db-01");
        b.advance(Millis::mins(1));
        b.world.crash(Millis::secs(2));
    }),
    fault("create executed 45 s late", At::Start, |b| {
        b.meets(When::Create, 1, Meets::Late(Millis::secs(45)));
    }),
    fault("resolve executed 45 s late", At::Ending, |b| {
        b.meets(When::Change, 1, Meets::Late(Millis::secs(45)));
    }),
    fault("last note executed 45 s late", At::Ending, |b| {
        let ticket = b.newest();
        b.habits(|m| {
            if let Some(t) = m.change(&ticket, PERSON) {
                t.owner = PERSON.into();
            }
        });
        b.meets(When::Change, 1, Meets::Late(Millis::secs(45)));
    }),
    Fault {
        beyond: true,
        ..fault("create executed 20 min late", At::Start, |b| {
            b.meets(When::Create, 1, Meets::Late(Millis::mins(20)));
        })
    },
    fault("search lags 40 s, answer lost", At::Start, |b| {
        b.habits(|m| m.lag = Millis::secs(40));
        b.meets(When::Create, 1, Meets::Lost);
    }),
    Fault {
        beyond: true,
        ..fault("search lags 8 min, answer lost", At::Start, |b| {
            b.habits(|m| m.lag = Millis::mins(8));
            b.meets(When::Create, 1, Meets::Lost);
        })
    },
    fault("429 with Retry-After", At::Start, |b| {
        let after = || vec![("retry-after", "90".to_owned())];
        b.meets(When::Create, 1, Meets::Says(429, after(), "slow down"));
        b.meets(When::Change, 1, Meets::Says(429, after(), "slow down"));
    }),
    fault("429 without Retry-After", At::Start, |b| {
        b.meets(When::Create, 3, Meets::Says(429, Vec::new(), "slow down"));
        b.meets(When::Change, 3, Meets::Says(429, Vec::new(), "slow down"));
    }),
    fault("401 in the middle", At::Open, |b| {
        b.meets(When::Any, 1, Meets::Says(401, Vec::new(), "{}"));
    }),
    fault("401 after the create", At::Start, |b| {
        b.meets(When::ReadBack, 1, Meets::Says(401, Vec::new(), "{}"));
    }),
    fault("401 for 20 min", At::Start, |b| {
        b.meets_for(
            When::Any,
            Millis::mins(20),
            Meets::Says(401, Vec::new(), "{}"),
        );
    }),
    fault("403 on the create for 20 min", At::Start, |b| {
        b.meets_for(
            When::Create,
            Millis::mins(20),
            Meets::Says(403, Vec::new(), "{}"),
        );
    }),
    fault("500, not executed", At::Start, |b| {
        b.meets(
            When::Create,
            2,
            Meets::Says(500, Vec::new(), "{\"error\":\"busy\"}"),
        );
        b.meets(
            When::Change,
            2,
            Meets::Says(500, Vec::new(), "{\"error\":\"busy\"}"),
        );
    }),
    fault("500, and executed", At::Start, |b| {
        b.meets(
            When::Create,
            1,
            Meets::SaysAfter(500, "{\"error\":\"busy\"}"),
        );
    }),
    fault("502, and executed", At::Start, |b| {
        b.meets(
            When::Create,
            1,
            Meets::SaysAfter(502, "<html>Bad Gateway</html>"),
        );
    }),
    fault("504 after changes, and executed", At::Open, |b| {
        b.meets(
            When::Change,
            4,
            Meets::SaysAfter(504, "<html>Gateway Time-out</html>"),
        );
    }),
    fault("504 after the end, and executed", At::Ending, |b| {
        b.meets(
            When::Change,
            3,
            Meets::SaysAfter(504, "<html>Gateway Time-out</html>"),
        );
    }),
    fault("slow: 20 s each", At::Start, |b| {
        b.meets(When::Any, 40, Meets::Slow(Millis::secs(20)));
    }),
    fault("slow: longer than we wait", At::Start, |b| {
        b.meets(When::Create, 1, Meets::Slow(Millis::secs(40)));
    }),
    fault("answer breaks off", At::Start, |b| {
        b.meets(When::Create, 1, Meets::Truncated);
        b.meets(When::Find, 1, Meets::Truncated);
        b.meets(When::Change, 1, Meets::Truncated);
    }),
    fault("a page instead of JSON, for 10 min", At::Start, |b| {
        b.meets_for(
            When::Any,
            Millis::mins(10),
            Meets::Says(200, Vec::new(), PAGE),
        );
    }),
    fault("a page with 404, for 10 min", At::Open, |b| {
        b.meets_for(
            When::Any,
            Millis::mins(10),
            Meets::Says(404, Vec::new(), "<html>Site is not available</html>"),
        );
    }),
    fault("a page instead of JSON, executed", At::Start, |b| {
        b.meets(When::Create, 1, Meets::SaysAfter(200, PAGE));
    }),
    fault("sent to a page to log in", At::Start, |b| {
        let to = vec![("location", "https://login.example/".to_owned())];
        b.meets(When::Create, 1, Meets::Says(302, to, ""));
    }),
    fault("a field is refused for 20 min", At::Start, |b| {
        b.habits(|m| m.refuses_until = m.now.plus(Millis::mins(20)));
    }),
    fault("the key is dropped silently", At::Start, |b| {
        b.habits(|m| m.drops_key = true);
    }),
    fault("every text is rewritten", At::Start, |b| {
        b.habits(|m| m.rewrites = true);
    }),
    fault("a search ignores its clauses for 20 min", At::Start, |b| {
        b.habits(|m| m.ignores_until = m.now.plus(Millis::mins(20)));
    }),
    fault("an assignment rule takes the group", At::Start, |b| {
        b.habits(|m| m.assigns = true);
    }),
    fault("a rule of the tool edits it", At::Open, |b| {
        let ticket = b.newest();
        b.habits(|m| {
            if let Some(t) = m.change(&ticket, RULE) {
                t.group = "another group".into();
            }
        });
    }),
    fault("a person takes it", At::Open, |b| {
        let ticket = b.newest();
        b.habits(|m| {
            if let Some(t) = m.change(&ticket, PERSON) {
                t.owner = PERSON.into();
                t.state = TicketState::Open;
            }
        });
    }),
    fault("a person resolves it", At::Open, |b| {
        let ticket = b.newest();
        b.habits(|m| {
            m.turn(&ticket, PERSON, TicketState::Resolved);
        });
    }),
    fault("the tool resolves it with its parent", At::Open, |b| {
        let ticket = b.newest();
        b.habits(|m| {
            m.turn(&ticket, RULE, TicketState::Resolved);
        });
    }),
    fault("a person closes it", At::Open, |b| {
        let ticket = b.newest();
        b.habits(|m| {
            m.turn(&ticket, PERSON, TicketState::Closed);
        });
    }),
    fault("a person deletes it", At::Open, |b| {
        let ticket = b.newest();
        b.habits(|m| {
            if let Some(t) = m.change(&ticket, PERSON) {
                t.gone = true;
            }
        });
    }),
    fault("a person merges it into another", At::Open, |b| {
        let ticket = b.newest();
        b.habits(|m| {
            if m.get(&ticket).is_none() {
                return;
            }
            let into = m.create(PERSON, "", "the database is slow", "");
            m.change(&ticket, PERSON).unwrap().merged_into = Some(into);
        });
    }),
    fault("a person copies it, key and all", At::Open, |b| {
        let ticket = b.newest();
        b.habits(|m| {
            if let Some(t) = m.get(&ticket).cloned() {
                let copy = m.create(PERSON, &t.key, &format!("CLONE {}", t.title), &t.text);
                m.tickets[copy - 1].asked = String::new();
            }
        });
    }),
    fault("a copy, and the create's answer lost", At::Start, |b| {
        b.meets(When::Create, 1, Meets::Lost);
        b.fire("srv-db-01");
        b.advance(Millis::secs(40));
        let ticket = b.newest();
        b.habits(|m| {
            if let Some(t) = m.get(&ticket).cloned() {
                let copy = m.create(PERSON, &t.key, &format!("CLONE {}", t.title), &t.text);
                m.tickets[copy - 1].asked = String::new();
            }
        });
    }),
    fault("auto-close after the resolve", At::Over, |b| {
        let ticket = b.newest();
        b.habits(|m| {
            m.turn(&ticket, RULE, TicketState::Closed);
        });
    }),
    fault("the workflow reopens nothing", At::Start, |b| {
        b.habits(|m| m.no_reopening = true);
    }),
    fault("the workflow lets us resolve nothing", At::Start, |b| {
        b.habits(|m| m.no_resolving = true);
    }),
    fault("another store of the same name", At::Start, |b| {
        b.habits(|m| {
            let other = m.create(US, "cor-zzzzzzzz-1.1", "srv-db-01 down [I000001]", "Key");
            m.tickets[other - 1].asked = "of another store".into();
        });
    }),
    Fault {
        lasts: true,
        ..fault("down for two hours with a P1", At::Start, |b| {
            b.meets_for(When::Any, Millis::mins(120), Meets::Away);
        })
    },
];

/// The whole story with one fault in it; what stands in the table.
pub fn play(bench: &mut Bench, fault: &Fault) -> String {
    let at = |bench: &mut Bench, at| {
        if fault.at == at {
            (fault.act)(bench);
        }
    };
    at(bench, At::Start);
    bench.fire("srv-db-01");
    bench.advance(Millis::mins(4));
    at(bench, At::Open);
    bench.fire("payroll-db");
    bench.fire("Payroll");
    bench.advance(Millis::mins(20));
    at(bench, At::Ending);
    bench.clear();
    bench.advance(Millis::mins(8));
    at(bench, At::Over);
    bench.fire("srv-db-01");
    bench.advance(Millis::mins(20));
    let dark = !fault.lasts && bench.is_dark();
    bench.clear();
    // Whatever was wrong is mended after an hour, or mends itself; then there is time.
    bench.advance(Millis::mins(60));
    bench.heal();
    bench.advance(Millis::mins(180));
    let cell = bench.verdict(fault.name);
    let at_once = bench.tool.borrow().at_once;
    assert!(
        at_once <= 1 || fault.beyond || !promises_once(bench),
        "{} and {:?}: {at_once} tickets at once\n{:#?}\n{:#?}",
        bench.kind.kind,
        fault.name,
        bench.tool.borrow().trace,
        bench.world.lines
    );
    match dark {
        true => cell + ", none while it fires again",
        false => cell,
    }
}

fn promises_once(bench: &Bench) -> bool {
    use correlated::itsm::Promise;
    match bench.kind.promise {
        Promise::Once | Promise::OnceByTool => true,
        Promise::Declared | Promise::Nothing => false,
    }
}
