//! Every kind of note, in both languages.

use super::facts::*;
use super::{LANGUAGES, golden};
use correlated::model::{IncidentId, Millis, Priority};
use correlated::ticket::{
    Because, Cause, CauseText, FlapText, HeldBy, Note, NoteKind, Recovery, Wanted, With, content,
    note, sentence,
};

fn recovery() -> Recovery {
    Recovery {
        at: after(82 * 60),
        alerts: 42,
        quiet: Millis::mins(5),
        root: Some(("sw-cph1-a07".into(), after(79 * 60))),
        outages: vec![
            (services("Payroll:gold").remove(0), Millis::mins(82)),
            (services("Webshop:gold").remove(0), Millis::mins(80)),
            (services("Intranet:silver").remove(0), Millis::mins(79)),
        ],
        touched: false,
        resolves: true,
        reopen_within: Some(Millis::mins(15)),
        refers: true,
    }
}

fn flap(ci: &str, times: u32) -> FlapText {
    FlapText {
        ci: ci.into(),
        times,
        since: AT,
    }
}

type Case = (&'static str, NoteKind, Option<(Millis, Millis)>);

fn cases() -> Vec<Case> {
    let root = |wanted: Wanted| wanted.cause;
    let (incident, ticket) = (IncidentId(119), String::from("61905"));
    let because = Because::Ci("agg-cph1-01".into());
    let by = String::from("uid 1000 (jane)");
    let (ci, text) = (
        String::from("payroll-app"),
        String::from("HTTP CRITICAL - 503"),
    );
    vec![
        (
            "grew",
            NoteKind::Grew {
                alerts: 42,
                cis: 31,
                services: services("Intranet:silver"),
                names: strings("srv-int-01 srv-int-02 intra-cms"),
            },
            None,
        ),
        (
            "grew-services-only",
            NoteKind::Grew {
                alerts: 2,
                cis: 1,
                services: services("Payroll:gold Webshop"),
                names: vec![],
            },
            None,
        ),
        (
            "late-critical",
            NoteKind::LateCritical {
                ci: ci.clone(),
                text: text.clone(),
                critical: true,
                more: vec![],
                count: 0,
                with: With::default(),
            },
            None,
        ),
        (
            "late-critical-with",
            NoteKind::LateCritical {
                ci: ci.clone(),
                text: text.clone(),
                critical: true,
                more: vec![],
                count: 0,
                with: With {
                    raised: Some((Priority::P2, Priority::P1)),
                    services: services("Payroll:gold"),
                    names: strings("srv-pay-01 srv-pay-02"),
                    all: Some((9, 7)),
                },
            },
            None,
        ),
        (
            "late-top-service",
            NoteKind::LateCritical {
                ci: "Payroll".into(),
                text: text.clone(),
                critical: false,
                more: strings("Webshop payroll-db"),
                count: 4,
                with: With::default(),
            },
            None,
        ),
        (
            "split",
            NoteKind::Left {
                incident,
                ticket: String::new(),
                alerts: 2,
                names: strings("srv-web-01 srv-web-02"),
                by: by.clone(),
                new: true,
            },
            None,
        ),
        (
            "moved",
            NoteKind::Left {
                incident,
                ticket: ticket.clone(),
                alerts: 1,
                names: strings("srv-web-01"),
                by: by.clone(),
                new: false,
            },
            None,
        ),
        (
            "moved-here",
            NoteKind::Came {
                incident,
                ticket: ticket.clone(),
                alerts: 1,
                names: strings("srv-web-01"),
                by: by.clone(),
            },
            None,
        ),
        (
            "merged-by-a-person",
            NoteKind::Merged {
                incident,
                ticket: ticket.clone(),
                because: because.clone(),
                by: by.clone(),
            },
            None,
        ),
        (
            "merged-into-by-a-person",
            NoteKind::MergedInto {
                incident,
                ticket: ticket.clone(),
                because: because.clone(),
                by: by.clone(),
            },
            None,
        ),
        (
            "ended-while-firing",
            NoteKind::Ended {
                by: by.clone(),
                firing: 2,
                touched: false,
                resolves: true,
            },
            None,
        ),
        (
            "ended-on-a-touched-ticket",
            NoteKind::Ended {
                by: by.clone(),
                firing: 0,
                touched: true,
                resolves: false,
            },
            None,
        ),
        (
            "cause-named",
            NoteKind::Cause {
                before: "fw-cph1-02".into(),
                now: Cause::Named(root(switch()).known().cloned(), by.clone()),
            },
            None,
        ),
        (
            "cause-named-unknown",
            NoteKind::Cause {
                before: "fw-cph1-02".into(),
                now: Cause::Named(None, by.clone()),
            },
            None,
        ),
        (
            "cause-found",
            NoteKind::Cause {
                before: String::new(),
                now: root(switch()),
            },
            None,
        ),
        (
            "cause-changed",
            NoteKind::Cause {
                before: "fw-cph1-02".into(),
                now: root(failing_database()),
            },
            None,
        ),
        (
            "cause-withdrawn",
            NoteKind::Cause {
                before: "sw-cph1-a07".into(),
                now: root(unsure()),
            },
            None,
        ),
        (
            "priority",
            NoteKind::Priority {
                before: Priority::P3,
                now: Priority::P1,
                services: services("Payroll:gold Webshop:gold"),
                left: false,
            },
            None,
        ),
        (
            "priority-touched",
            NoteKind::Priority {
                before: Priority::P3,
                now: Priority::P1,
                services: services("Payroll:gold"),
                left: true,
            },
            None,
        ),
        (
            "merged",
            NoteKind::Merged {
                incident,
                ticket: ticket.clone(),
                because: because.clone(),
                by: String::new(),
            },
            None,
        ),
        (
            "merged-into",
            NoteKind::MergedInto {
                incident,
                ticket: ticket.clone(),
                because,
                by: String::new(),
            },
            None,
        ),
        (
            "merged-same-fault",
            NoteKind::Merged {
                incident,
                ticket: ticket.clone(),
                because: Because::SameFault("ntp offset".into()),
                by: String::new(),
            },
            None,
        ),
        (
            "merged-cut-off",
            NoteKind::Merged {
                incident,
                ticket: ticket.clone(),
                because: Because::CutOff("rt-cph1-03".into(), "rt-cph1-04".into()),
                by: String::new(),
            },
            None,
        ),
        (
            "merged-ended",
            NoteKind::Merged {
                incident,
                ticket: ticket.clone(),
                because: Because::Ended("agg-cph1-01".into()),
                by: String::new(),
            },
            None,
        ),
        (
            "merged-ended-with",
            NoteKind::Merged {
                incident,
                ticket: ticket.clone(),
                because: Because::EndedWith("agg-cph1-01".into()),
                by: String::new(),
            },
            None,
        ),
        (
            "merged-into-ended-alike",
            NoteKind::MergedInto {
                incident,
                ticket: ticket.clone(),
                because: Because::EndedAlike("HighErrorRate".into()),
                by: String::new(),
            },
            None,
        ),
        (
            "merged-into-same-fault",
            NoteKind::MergedInto {
                incident,
                ticket: ticket.clone(),
                because: Because::SameFault("ntp offset".into()),
                by: String::new(),
            },
            None,
        ),
        (
            "merged-into-without-reason",
            NoteKind::MergedInto {
                incident,
                ticket: String::new(),
                because: Because::Ci(String::new()),
                by: String::new(),
            },
            None,
        ),
        (
            "partly-recovered",
            NoteKind::Back {
                services: vec![
                    (services("Payroll:gold").remove(0), after(60 * 60)),
                    (services("Intranet:silver").remove(0), after(62 * 60)),
                ],
                failing: services("Webshop:gold"),
                alerts: 7,
            },
            None,
        ),
        ("recovered-untouched", NoteKind::Recovered(recovery()), None),
        (
            "recovered-touched",
            NoteKind::Recovered(Recovery {
                touched: true,
                resolves: false,
                reopen_within: None,
                ..recovery()
            }),
            None,
        ),
        (
            "recovered-touched-but-resolved",
            NoteKind::Recovered(Recovery {
                touched: true,
                refers: false,
                ..recovery()
            }),
            None,
        ),
        (
            "recovered-lone",
            NoteKind::Recovered(Recovery {
                alerts: 1,
                root: Some(("appbox-17".into(), after(82 * 60))),
                outages: vec![],
                reopen_within: None,
                ..recovery()
            }),
            None,
        ),
        (
            "recovered-late",
            NoteKind::Recovered(recovery()),
            Some((after(82 * 60), after(26 * 3600))),
        ),
        (
            "reopened",
            NoteKind::Reopened {
                ci: ci.clone(),
                text: text.clone(),
            },
            None,
        ),
        (
            "duplicate",
            NoteKind::Duplicate {
                ticket: ticket.clone(),
            },
            None,
        ),
        (
            "flapping",
            NoteKind::Flapping {
                alerts: vec![flap("sw-cph1-a07", 4)],
                count: 1,
                first: true,
                span: Millis(0),
                quiet: Millis::mins(10),
            },
            None,
        ),
        (
            "still-flapping",
            NoteKind::Flapping {
                alerts: vec![flap("sw-cph1-a07", 12), flap("srv-web-01", 1)],
                count: 9,
                first: false,
                span: Millis::mins(60),
                quiet: Millis::mins(10),
            },
            None,
        ),
        (
            "still-firing",
            NoteKind::StillFiring {
                firing: 2,
                wait: Some(Millis::mins(10)),
                new: false,
            },
            None,
        ),
        (
            "still-firing-new",
            NoteKind::StillFiring {
                firing: 1,
                wait: Some(Millis::mins(10)),
                new: true,
            },
            None,
        ),
        (
            "still-firing-only-told",
            NoteKind::StillFiring {
                firing: 1,
                wait: None,
                new: false,
            },
            None,
        ),
        (
            "inform",
            NoteKind::Inform {
                owner: "Service desk HR".into(),
                group: "Network".into(),
                services: services("Payroll:gold"),
            },
            None,
        ),
        (
            "inform-several",
            NoteKind::Inform {
                owner: "Web".into(),
                group: String::new(),
                services: services("Webshop:gold Intranet:silver"),
            },
            None,
        ),
        (
            "goes-on",
            NoteKind::GoesOn {
                alerts: 3,
                names: vec!["srv-web-01".into(), "srv-db-01".into()],
                into: vec![IncidentId(119), IncidentId(120)],
                incidents: 2,
            },
            None,
        ),
        (
            "came-as-it-goes-on",
            NoteKind::Came {
                incident,
                ticket: ticket.clone(),
                alerts: 1,
                names: vec!["srv-web-01".into()],
                by: String::new(),
            },
            None,
        ),
        ("late", NoteKind::Late, Some((AT, after(48 * 60)))),
        ("still-open", NoteKind::Late, None),
        (
            "late-critical-and-late",
            NoteKind::LateCritical {
                ci,
                text,
                critical: true,
                more: vec![],
                count: 0,
                with: With::default(),
            },
            Some((AT, after(48 * 60))),
        ),
        (
            "hostile",
            NoteKind::LateCritical {
                ci: "srv\u{202e}\n".into(),
                text: hostile().symptom,
                critical: true,
                more: vec![],
                count: 0,
                with: With::default(),
            },
            None,
        ),
    ]
}

#[test]
fn notes_say_what_is_new() {
    let mut wrong = Vec::new();
    for (language, folder) in LANGUAGES {
        let mut all = String::new();
        for (name, what, delayed) in cases() {
            let at = match &what {
                NoteKind::Recovered(recovery) => recovery.at,
                _other_kinds => AT,
            };
            let facts = Note { at, what, delayed };
            let text = note(&facts, &switch(), &style(language)).unwrap();
            assert!(text.lines().count() <= 5, "{name}: {text}");
            all.push_str(&format!("=== {name}\n{text}\n\n"));
        }
        golden(&format!("{folder}/notes.txt"), all.trim_end(), &mut wrong);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_cause_is_said_in_one_sentence() {
    let cause = |alerts_itself, first, explains, of_monitored, silent_count, second| CauseText {
        ci: ci("sw-01", "switch", ""),
        alerts_itself,
        alerts_in: None,
        first,
        explains,
        of_monitored,
        silent: vec![],
        silent_count,
        unknown: 0,
        runner_up: second,
    };
    let second = || Some((String::from("dns-01"), 1, 4));
    let beside = |explains, silent| CauseText {
        alerts_in: Some(IncidentId(7)),
        ..cause(false, false, explains, 13, silent, None)
    };
    let cases = [
        Cause::High(cause(true, true, 30, 33, 3, None)),
        Cause::High(cause(true, false, 14, 14, 0, None)),
        Cause::High(cause(true, true, 1, 1, 0, None)),
        Cause::High(cause(true, true, 1, 9, 8, None)),
        Cause::High(cause(true, true, 0, 9, 9, None)),
        Cause::High(cause(true, false, 0, 1, 1, None)),
        Cause::High(cause(true, true, 0, 0, 0, None)),
        Cause::High(cause(true, false, 0, 0, 0, None)),
        Cause::High(cause(false, false, 9, 9, 0, second())),
        Cause::High(cause(false, false, 7, 9, 2, None)),
        Cause::NotKnown(Some(cause(false, false, 6, 17, 11, second()))),
        Cause::NotKnown(Some(cause(true, false, 2, 3, 1, None))),
        Cause::NotKnown(Some(cause(true, true, 1, 1, 0, None))),
        Cause::NotKnown(Some(cause(true, true, 0, 3, 3, None))),
        Cause::NotKnown(Some(cause(false, false, 0, 3, 3, None))),
        Cause::NotKnown(Some(beside(1, 12))),
        Cause::NotKnown(Some(beside(0, 0))),
        Cause::NotKnown(None),
        Cause::Named(
            Some(cause(true, true, 3, 9, 6, None)),
            "uid 0 (jane)".into(),
        ),
        Cause::Named(Some(cause(false, false, 0, 9, 9, None)), "uid 0".into()),
        Cause::Named(Some(cause(false, false, 9, 9, 0, None)), "uid 0".into()),
        Cause::Named(None, "uid 0".into()),
        Cause::SameFault(7),
    ];
    let mut wrong = Vec::new();
    for (language, folder) in LANGUAGES {
        let all: Vec<String> = cases.iter().map(|c| sentence(c, language)).collect();
        assert!(all.iter().all(|s| s.ends_with('.')));
        golden(&format!("{folder}/causes.txt"), &all.join("\n"), &mut wrong);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn holds_are_told_in_the_largest_units() {
    let mut wrong = Vec::new();
    for (language, folder) in LANGUAGES {
        let told = |held: i64, held_by: Option<HeldBy>| {
            let wanted = Wanted {
                held: Millis(held),
                held_by,
                ..lone_unbound()
            };
            let text = content(&wanted, &style(language)).unwrap().description;
            text.lines().rev().nth(1).unwrap().to_owned()
        };
        let line = |held: i64| told(held, None);
        let mut all = [0, 400, 20_000, 150_000, 900_000, 10_000_000, 200_000_000]
            .map(line)
            .to_vec();
        let others = [
            HeldBy::Storm,
            HeldBy::Hours("office".to_owned()),
            HeldBy::Warnings,
            HeldBy::Else,
            HeldBy::Follows,
        ];
        all.extend(others.map(|by| told(5_040_000, Some(by))));
        golden(&format!("{folder}/holds.txt"), &all.join("\n"), &mut wrong);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
