//! What people read, as golden files in every language: read them as an on-call engineer at three in the
//! morning. `CORRELATED_REWRITE=1` writes them anew.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at what it does not expect"
)]

use correlated::itsm::{Limits, Markup};
use correlated::model::{IncidentId, Millis, Priority, Severity};
use correlated::ticket::{
    AlsoOpen, Cause, CauseText, CiText, ClassText, FirstAlert, Language, Note, NoteKind, Recovery,
    ServiceText, Style, Wanted, content, note,
};
use std::path::Path;

/// 2026-11-22T01:14:07Z
const AT: Millis = Millis(1_795_310_047_000);

fn style(language: Language) -> Style {
    Style {
        language,
        timezone: "Europe/Copenhagen".into(),
        link_base: "https://correlated.example.net".into(),
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

fn service(name: &str, criticality: &str) -> ServiceText {
    ServiceText {
        name: name.into(),
        criticality: criticality.into(),
    }
}

fn ci(name: &str, class: &str, place: &str) -> CiText {
    CiText {
        name: name.into(),
        class: class.into(),
        place: place.into(),
        known: true,
    }
}

fn class(class: &str, count: u32, names: &[&str]) -> ClassText {
    ClassText {
        class: class.into(),
        count,
        names: names.iter().map(|n| (*n).to_owned()).collect(),
    }
}

fn cause() -> CauseText {
    CauseText {
        ci: ci("sw-cph1-a07", "access_switch", "Copenhagen 1, rack A07"),
        alerts_itself: true,
        first: true,
        explains: 30,
        of_monitored: 33,
        silent: vec!["app-hr-02".into(), "app-hr-03".into(), "db-hr-01".into()],
        silent_count: 3,
        runner_up: Some(("pdu-cph1-a07-1".into(), 15, 22)),
    }
}

fn switch() -> Wanted {
    Wanted {
        incident: IncidentId(123),
        key: "cor-k7x2m9qd-123.1".into(),
        priority: Priority::P1,
        severity: Severity::Critical,
        subject: ci("sw-cph1-a07", "access_switch", "Copenhagen 1, rack A07"),
        symptom: "PING CRITICAL - Packet loss = 100%".into(),
        since: AT,
        first: FirstAlert {
            at: AT,
            source: "nagios".into(),
            ci: "sw-cph1-a07".into(),
            text: "PING CRITICAL - Packet loss = 100%".into(),
        },
        cause: Cause::High(cause()),
        observed: vec![
            service("Payroll", "gold"),
            service("Webshop", "gold"),
            service("Intranet", "silver"),
        ],
        at_risk: vec![service("Timesheets", "silver")],
        affected: vec![
            class(
                "server",
                14,
                &[
                    "srv-pay-01",
                    "srv-pay-02",
                    "srv-web-01",
                    "srv-web-02",
                    "srv-web-03",
                    "srv-int-01",
                ],
            ),
            class("application", 9, &["payroll-app", "webshop-front"]),
            class("business_service", 3, &["Payroll", "Webshop", "Intranet"]),
            class("access_switch", 1, &["sw-cph1-a07"]),
        ],
        alerts: 42,
        cis: 31,
        spread: Millis::secs(96),
        sources: vec![("nagios".into(), 29), ("prometheus".into(), 13)],
        links: vec!["https://wiki.example.net/rb/access-switch-down".into()],
        also_open: vec![AlsoOpen {
            incident: IncidentId(119),
            ticket: "4711".into(),
            ci: "backup-cph1".into(),
        }],
        group: "Network".into(),
        held: Millis::secs(20),
        opened: AT.plus(Millis::secs(20)),
        rules: 14,
        graph_as_of: Some(Millis(1_795_300_000_000)),
        merged_into: None,
    }
}

fn lone(known: bool) -> Wanted {
    let subject = CiText {
        known,
        ..ci("srv-01", if known { "server" } else { "" }, "")
    };
    let own = CauseText {
        ci: subject.clone(),
        alerts_itself: true,
        first: true,
        explains: 0,
        of_monitored: 0,
        silent: Vec::new(),
        silent_count: 0,
        runner_up: None,
    };
    Wanted {
        subject,
        symptom: "Disk /var: 3 % free".into(),
        cause: if known {
            Cause::High(own)
        } else {
            Cause::NotKnown(None)
        },
        observed: Vec::new(),
        at_risk: Vec::new(),
        affected: vec![class(if known { "server" } else { "" }, 1, &["srv-01"])],
        alerts: 1,
        cis: 1,
        spread: Millis(0),
        sources: vec![("nagios".into(), 1)],
        links: Vec::new(),
        also_open: Vec::new(),
        held: Millis::mins(5),
        graph_as_of: known.then_some(AT),
        ..switch()
    }
}

fn recovered(touched: bool) -> NoteKind {
    NoteKind::Recovered(Recovery {
        at: AT.plus(Millis::mins(87)),
        alerts: 42,
        quiet: Millis::mins(5),
        root: Some(("sw-cph1-a07".into(), AT.plus(Millis::mins(79)))),
        outages: vec![
            (service("Payroll", "gold"), Millis::mins(82)),
            (service("Webshop", "gold"), Millis::mins(240)),
        ],
        touched,
        resolves: !touched,
        reopen_within: (!touched).then_some(Millis::mins(15)),
    })
}

fn hostile() -> Wanted {
    let evil = format!(
        "{{{{ 7*7 }}}}\r\n\u{202e}gnp\u{0}<script>{}",
        "æ".repeat(5000)
    );
    Wanted {
        subject: ci(&evil, "server", &evil),
        symptom: evil.clone(),
        observed: vec![service(&evil, &evil); 50],
        affected: (0..200).map(|_| class(&evil, 9, &[&evil])).collect(),
        links: vec![evil.clone(); 50],
        also_open: vec![
            AlsoOpen {
                incident: IncidentId(1),
                ticket: evil.clone(),
                ci: evil.clone()
            };
            50
        ],
        ..switch()
    }
}

fn texts(language: Language) -> Vec<(String, String)> {
    let style = style(language);
    let mut out = Vec::new();
    let mut ticket = |name: &str, wanted: &Wanted| {
        let content = content(wanted, &style).unwrap();
        let text = format!("{}\n\n{}\n", content.title, content.description);
        out.push((name.to_owned(), text));
    };
    ticket("switch", &switch());
    let unsure = Wanted {
        subject: ci("Payroll", "business_service", ""),
        cause: Cause::NotKnown(Some(CauseText {
            alerts_itself: false,
            first: false,
            ..cause()
        })),
        ..switch()
    };
    ticket("unsure", &unsure);
    ticket("lone", &lone(true));
    ticket("lone-unknown", &lone(false));
    ticket(
        "no-services",
        &Wanted {
            observed: Vec::new(),
            ..switch()
        },
    );
    let notes = [
        (
            "grew",
            NoteKind::Grew {
                alerts: 60,
                cis: 50,
                services: vec![service("CRM", "gold")],
                names: vec!["srv-crm-01".into(), "crm-app".into()],
            },
        ),
        (
            "late-critical",
            NoteKind::LateCritical {
                ci: "crm-db".into(),
                text: "refuses connections".into(),
            },
        ),
        (
            "cause",
            NoteKind::Cause {
                before: String::new(),
                now: Cause::High(cause()),
            },
        ),
        (
            "cause-changed",
            NoteKind::Cause {
                before: "srv-01".into(),
                now: Cause::NotKnown(Some(cause())),
            },
        ),
        (
            "priority",
            NoteKind::Priority {
                before: Priority::P3,
                now: Priority::P1,
                services: vec![service("Payroll", "gold")],
            },
        ),
        (
            "merged",
            NoteKind::Merged {
                incident: IncidentId(125),
                ticket: "4712".into(),
                because: "sw-cph1-a07".into(),
            },
        ),
        (
            "merged-into",
            NoteKind::MergedInto {
                incident: IncidentId(120),
                ticket: "4709".into(),
                because: "sw-cph1-a07".into(),
            },
        ),
        ("recovered", recovered(false)),
        ("recovered-touched", recovered(true)),
        (
            "reopened",
            NoteKind::Reopened {
                ci: "sw-cph1-a07".into(),
                text: "PING CRITICAL".into(),
            },
        ),
        (
            "duplicate",
            NoteKind::Duplicate {
                ticket: "4711".into(),
            },
        ),
        ("late", NoteKind::Late),
    ];
    for (name, what) in notes {
        let delayed = matches!(what, NoteKind::Late).then_some((AT, AT.plus(Millis::mins(48))));
        let text = note(
            &Note {
                at: AT,
                what,
                delayed,
            },
            &switch(),
            &style,
        )
        .unwrap();
        out.push((format!("note-{name}"), text + "\n"));
    }
    out
}

#[test]
fn texts_are_as_written() {
    let rewrite = std::env::var_os("CORRELATED_REWRITE").is_some();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/ticket");
    let mut wrong = Vec::new();
    for (code, language) in [("en", Language::En), ("da", Language::Da)] {
        for (name, text) in texts(language) {
            let file = folder.join(code).join(format!("{name}.txt"));
            if rewrite {
                std::fs::write(&file, &text).unwrap();
            } else if std::fs::read_to_string(&file).unwrap_or_default() != text {
                wrong.push(format!("{}\n{text}", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn hostile_text_stays_within_its_bounds_and_the_key_is_always_there() {
    for language in [Language::En, Language::Da] {
        for description in [400, 1000, 4000] {
            let mut style = style(language);
            style.limits.description = description;
            let content = content(&hostile(), &style).unwrap();
            assert!(content.title.len() <= 100, "{}", content.title);
            assert!(content.title.ends_with("[I000123]"), "{}", content.title);
            assert!(
                content.description.len() <= description,
                "{}",
                content.description.len()
            );
            assert!(
                content.description.contains("Key cor-k7x2m9qd-123.1."),
                "{}",
                content.description
            );
            assert!(!content.title.contains(['\n', '\r', '\u{202e}', '\u{0}']));
            assert!(!content.description.contains(['\r', '\u{202e}', '\u{0}']));
            assert!(
                content.description.contains("{{ 7*7 }}"),
                "text is text, not a template"
            );
        }
    }
}
