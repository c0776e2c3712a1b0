//! The link from a ticket to the page of its incident, in kinds that keep one beside the text: it comes with the create
//! or besides an update, once, and whatever becomes of it the ticket is neither repeated nor of unknown outcome.

use crate::bench::{Bench, Meets, When};
use crate::memory::US;
use crate::tools::TOOLS;
use correlated::model::Millis;

/// What goes wrong, and whether it is told.
struct Case {
    name: &'static str,
    trouble: fn(&mut Bench),
    said: bool,
}

const CASES: [Case; 8] = [
    Case {
        name: "nothing",
        trouble: |_| {},
        said: false,
    },
    Case {
        name: "the answer to the create is lost: found, and linked besides the update",
        trouble: |b| b.meets(When::Create, 1, Meets::Lost),
        said: false,
    },
    Case {
        name: "the read-back is lost",
        trouble: |b| b.meets(When::ReadBack, 1, Meets::Lost),
        said: false,
    },
    Case {
        name: "the answer to the link is lost",
        trouble: |b| b.meets(When::Page, 1, Meets::Lost),
        said: true,
    },
    Case {
        name: "the link is not executed",
        trouble: |b| b.meets(When::Page, 1, Meets::Away),
        said: true,
    },
    Case {
        name: "the link is refused once",
        trouble: |b| b.meets(When::Page, 1, Meets::Says(403, Vec::new(), "{}")),
        said: true,
    },
    Case {
        name: "the link meets a limit",
        trouble: |b| {
            b.meets(
                When::Page,
                1,
                Meets::Says(429, vec![("retry-after", "30".into())], "{}"),
            );
        },
        said: true,
    },
    Case {
        name: "the link is executed, and the answer is an error",
        trouble: |b| {
            b.meets(
                When::Page,
                1,
                Meets::SaysAfter(502, "<html>bad gateway</html>"),
            )
        },
        said: true,
    },
];

pub fn come_besides() {
    for row in TOOLS.iter().filter(|r| r.kind.starts_with("jira")) {
        for case in &CASES {
            let mut bench = Bench::new(row);
            (case.trouble)(&mut bench);
            bench.fire("srv-db-01");
            bench.advance(Millis::mins(4));
            bench.fire("payroll-db");
            bench.advance(Millis::mins(50));
            bench.clear();
            bench.advance(Millis::mins(20));
            bench.verdict(case.name);
            let tool = bench.tool.borrow();
            let ours = tool.memory.tickets.iter().filter(|t| t.by == US);
            let links: Vec<_> = ours
                .map(|t| (t.asked.as_str(), t.links.as_slice()))
                .collect();
            let what = format!("{}: {}: {links:?} {:#?}", row.name, case.name, tool.trace);
            let [(key, [link])] = links.as_slice() else {
                panic!("not one ticket with one link: {what}");
            };
            assert_eq!(format!("{link}.1"), *key, "{what}");
            let lines = &bench.world.lines;
            let said = lines.iter().any(|(_, l)| l.contains("link to the page"));
            assert_eq!(said, case.said, "{what} {lines:#?}");
        }
        // Refused for good: the ticket lives its life, and each time it is said why.
        let mut bench = Bench::new(row);
        bench.meets(When::Page, u32::MAX, Meets::Says(403, Vec::new(), "{}"));
        bench.fire("srv-db-01");
        bench.advance(Millis::mins(20));
        bench.clear();
        bench.advance(Millis::mins(20));
        assert!(bench.verdict("refused for good").starts_with("1"));
        assert!(bench.is_dark(), "{}: left open", row.name);
    }
}
