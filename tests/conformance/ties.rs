//! Links between our own tickets: when two incidents with tickets become one, and when a duplicate is found. The
//! younger is linked to the older, once, and is closed whatever becomes of the link, if nobody has touched it.
//! Kinds that cannot link write nothing more: their notes name the other ticket.

use crate::bench::{Bench, Meets, When};
use crate::memory::{PERSON, Ticket, US};
use crate::tools::{Row, TOOLS};
use correlated::itsm::TicketState;
use correlated::model::Millis;

/// What comes between, and what becomes of the link.
struct Case {
    name: &'static str,
    /// Before the two become one.
    trouble: fn(&mut Bench),
    /// Whether the link stands in the end.
    tied: bool,
    /// How often it was written.
    asked: usize,
    said: &'static str,
}

fn case(
    name: &'static str,
    tied: bool,
    asked: usize,
    said: &'static str,
    trouble: fn(&mut Bench),
) -> Case {
    Case {
        name,
        trouble,
        tied,
        asked,
        said,
    }
}

fn cases() -> Vec<Case> {
    vec![
        case("nothing", true, 1, "linked to", |_| {}),
        case("its answer is lost", true, 2, "outcome of link", |b| {
            b.meets(When::Link, 1, Meets::Lost)
        }),
        case("it is not executed", true, 1, "linked to", |b| {
            b.meets(When::Link, 1, Meets::Away)
        }),
        case("the tool is busy", true, 1, "linked to", |b| {
            b.meets(When::Link, 1, Meets::Says(429, Vec::new(), "{}"));
        }),
        case(
            "executed, and the answer is an error",
            true,
            2,
            "outcome of link",
            |b| b.meets(When::Link, 1, Meets::SaysAfter(502, "<html>bad</html>")),
        ),
        case(
            "executed 45 s late, and again",
            true,
            2,
            "outcome of link",
            |b| b.meets(When::Link, 1, Meets::Late(Millis::secs(45))),
        ),
        case("refused for good", false, 0, "is not linked to", |b| {
            b.meets(When::Link, u32::MAX, Meets::Says(400, Vec::new(), "{}"));
        }),
        case(
            "nothing of the kind there",
            false,
            0,
            "is not linked to",
            |b| b.meets(When::Link, u32::MAX, Meets::Says(404, Vec::new(), "{}")),
        ),
    ]
}

/// The two tickets, the older first.
fn two(bench: &Bench, what: &str) -> [Ticket; 2] {
    let tool = bench.tool.borrow();
    let ours = tool.memory.tickets.iter().filter(|t| t.by == US);
    let ours: Vec<Ticket> = ours.cloned().collect();
    ours.try_into()
        .unwrap_or_else(|all| panic!("{what}: {all:#?} {:#?}", bench.world.lines))
}

fn links(row: &Row, bench: &Bench) -> bool {
    let tool = bench.tool.borrow();
    let (kind, settings) = (tool.conf.kind, &tool.conf.settings);
    let links = (kind.links)(settings);
    let known = ["rt", "servicenow", "jira", "jira_dc"].contains(&row.name);
    assert_eq!(links, known, "{}", row.name);
    links
}

/// Two incidents, each with its ticket; then their cause.
fn merged(bench: &mut Bench, meanwhile: impl FnOnce(&mut Bench)) {
    bench.fire("srv-web-01");
    bench.fire("srv-pay-01");
    bench.advance(Millis::mins(4));
    meanwhile(bench);
    bench.fire("sw-cph1-a07");
    bench.advance(Millis::mins(20));
}

fn is_linked(bench: &Bench, case: &Case, what: &str) {
    let [older, younger] = two(bench, what);
    let what = format!("{what}: {older:#?} {younger:#?} {:#?}", bench.world.lines);
    let ties = if case.tied {
        vec![older.number]
    } else {
        vec![]
    };
    assert_eq!(younger.ties, ties, "{what}");
    assert_eq!(older.ties, [] as [usize; 0], "the wrong way: {what}");
    assert_eq!(younger.tied, case.asked, "{what}");
    assert!(
        bench.world.lines.iter().any(|(_, l)| l.contains(case.said)),
        "{}: {what}",
        case.said
    );
}

pub fn of_merged_incidents() {
    for row in TOOLS {
        for case in cases() {
            let mut bench = Bench::new(row);
            let what = format!("{}: {}", row.name, case.name);
            if !links(row, &bench) {
                continue;
            }
            merged(&mut bench, case.trouble);
            is_linked(&bench, &case, &what);
            let [older, younger] = two(&bench, &what);
            assert_eq!(younger.state, TicketState::Resolved, "{what}");
            let told = younger.notes.iter().filter(|n| n.contains("MERGED"));
            assert_eq!(told.count(), 1, "{what}: {younger:#?}");
            assert!(older.is_open(), "{what}");
            bench.clear();
            bench.advance(Millis::mins(20));
            assert!(bench.is_dark(), "{what}: left open");
            bench.verdict(&what);
            is_linked(&bench, &case, &what);
        }
    }
}

/// It is linked, told, and left to its person.
pub fn of_a_ticket_that_a_person_has() {
    for row in TOOLS {
        let mut bench = Bench::new(row);
        if !links(row, &bench) {
            continue;
        }
        merged(&mut bench, |b| {
            let younger = b.newest();
            b.habits(|m| {
                m.turn(&younger, PERSON, TicketState::Open);
                m.change(&younger, PERSON).unwrap().owner = PERSON.into();
            });
        });
        let nothing = &cases()[0];
        is_linked(&bench, nothing, row.name);
        let [_, younger] = two(&bench, row.name);
        assert_eq!(younger.state, TicketState::Open, "{younger:#?}");
        assert_eq!(younger.owner, PERSON, "{younger:#?}");
        let told = younger.notes.iter().filter(|n| n.contains("MERGED"));
        assert_eq!(told.count(), 1, "{younger:#?}");
    }
}

/// The process ends before and after each exchange and each write of the merge, and starts again.
pub fn whatever_is_killed() {
    for row in TOOLS {
        let mut moments = 0;
        loop {
            let mut bench = Bench::new(row);
            if !links(row, &bench) {
                break;
            }
            bench.fire("srv-web-01");
            bench.fire("srv-pay-01");
            bench.advance(Millis::mins(4));
            bench.world.fuse.lay(Some(moments));
            let act = |b: &mut Bench| {
                b.fire("sw-cph1-a07");
                b.advance(Millis::mins(20));
            };
            let killed = crate::kills::dies(&mut bench, act);
            if killed {
                act(&mut bench);
            }
            let what = format!("{} killed at moment {moments}", row.name);
            let [older, younger] = two(&bench, &what);
            let tool = bench.tool.borrow();
            let all = format!("{what}: {older:#?} {younger:#?} {:#?}", tool.trace);
            assert_eq!(younger.ties, [older.number], "{all}");
            assert_eq!(older.ties, [] as [usize; 0], "{all}");
            assert!(younger.tied <= 1 + usize::from(killed), "{all}");
            assert_eq!(younger.state, TicketState::Resolved, "{all}");
            if !killed {
                break;
            }
            moments += 1;
        }
        assert!(moments == 0 || moments > 10, "{}: {moments}", row.name);
    }
}

/// A create comes later than it may: its ticket is closed, and linked to the one that is kept.
pub fn of_duplicates() {
    for row in TOOLS {
        let mut bench = Bench::new(row);
        if !links(row, &bench) {
            continue;
        }
        let settle = bench.kind.limits.settle;
        bench.meets(When::Create, 1, Meets::Late(Millis(settle.0 * 4)));
        bench.fire("srv-db-01");
        bench.advance(Millis(settle.0 * 12));
        let [kept, twin] = two(&bench, row.name);
        let all = format!("{kept:#?} {twin:#?} {:#?}", bench.world.lines);
        assert_eq!(twin.ties, [kept.number], "{all}");
        assert_eq!(kept.ties, [] as [usize; 0], "{all}");
        assert_eq!(twin.tied, 1, "{all}");
        assert_eq!(twin.state, TicketState::Resolved, "{all}");
        assert!(kept.is_open(), "{all}");
    }
}

/// Their notes name the other ticket; nothing more is written.
pub fn are_not_asked_of_kinds_without() {
    for row in TOOLS {
        let mut bench = Bench::new(row);
        if links(row, &bench) {
            continue;
        }
        merged(&mut bench, |_| {});
        let tool = bench.tool.borrow();
        assert!(
            !tool.trace.iter().any(|t| t.contains("Link {")),
            "{}: {:#?}",
            row.name,
            tool.trace
        );
        let ours = tool.memory.tickets.iter().filter(|t| t.by == US);
        let ours: Vec<&Ticket> = ours.collect();
        assert_eq!(ours.len(), 2, "{}: {ours:#?}", row.name);
        assert!(!ours[1].is_open(), "{}: {ours:#?}", row.name);
    }
}
