//! Every record that was ever written can be read: one frozen fixture of bytes for each.
//!
//! A missing fixture is written with `CORRELATED_REWRITE=1`; an existing one is never changed: if this test
//! fails, the struct was changed that must stay as it is.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at what it does not expect"
)]

use correlated::itsm::{Refusal, Seen, TicketState};
use correlated::model::{DeliveryId, Event, EventState, Fingerprint, IncidentId, Millis};
use correlated::record::*;
use std::path::Path;

fn seen() -> Seen {
    Seen {
        state: TicketState::OnHold,
        touched: true,
        owner: "jane".into(),
        dropped: vec!["field".into()],
    }
}

fn receipt(outcome: OutcomeV1) -> Record {
    Record::Receipt(ReceiptV1 {
        delivery: DeliveryId(9),
        incident: IncidentId(123),
        target: "rt".into(),
        key: "cor-00000000-123.1".into(),
        step: StepName::Create,
        outcome,
    })
}

fn named() -> NamedV1 {
    NamedV1 {
        alerts: vec!["0a1b".into()],
        cis: vec!["web1".into(), "web2".into()],
    }
}

fn all() -> Vec<(&'static str, Record)> {
    let event = Event {
        state: EventState::Firing,
        labels: [("host", "a"), ("service", "b")].into_iter().collect(),
        annotations: [("summary", "æ")].into_iter().collect(),
        severity_word: "critical".into(),
        episode: 7,
        closes: 6,
        starts_at: Some(Millis(5)),
        valid_until: None,
        sender: "s".into(),
        link: "http://x".into(),
    };
    let refused = |r| receipt(OutcomeV1::Refused(r));
    let operator = |command| {
        Record::Operator(OperatorV1 {
            actor: "uid 0".into(),
            command,
        })
    };
    vec![
        (
            "events",
            Record::Events(EventsV1 {
                source: "n".into(),
                scope: "s".into(),
                received_at: Millis(8),
                events: vec![event],
            }),
        ),
        (
            "repeats",
            Record::Repeats(RepeatsV1 {
                repeats: vec![RepeatV1 {
                    fingerprint: Fingerprint([3; 16]),
                    source: "n".into(),
                    sender: "s".into(),
                    count: 2,
                    last: Millis(4),
                    valid_until: Some(Millis(9)),
                }],
                heard: vec![("n".into(), Millis(4))],
            }),
        ),
        ("rules", Record::Rules(RulesV1 { text: "{}".into() })),
        (
            "graph",
            Record::Graph(GraphV1 {
                digest: 1,
                cis: 2,
                relations: 3,
                as_of: Millis(4),
            }),
        ),
        (
            "graph_delta",
            Record::GraphDelta(GraphDeltaV1 {
                digest: 1,
                bytes: vec![2],
            }),
        ),
        (
            "sent",
            Record::Sent(SentV1 {
                delivery: DeliveryId(9),
                incident: IncidentId(123),
                opening: Fingerprint([4; 16]),
                target: "rt".into(),
                key: "k".into(),
                step: StepName::Note,
                ticket: "7".into(),
            }),
        ),
        (
            "receipt_found",
            receipt(OutcomeV1::Found(vec![HitV1 {
                ticket: "7".into(),
                by_us: true,
                seen: seen(),
            }])),
        ),
        (
            "receipt_done",
            receipt(OutcomeV1::Done {
                ticket: "7".into(),
                seen: seen(),
            }),
        ),
        (
            "receipt_already",
            receipt(OutcomeV1::Already { seen: seen() }),
        ),
        ("receipt_state", receipt(OutcomeV1::State { seen: seen() })),
        (
            "receipt_unknown",
            receipt(OutcomeV1::Unknown { why: "w".into() }),
        ),
        (
            "receipt_retry",
            refused(Refusal::Retry {
                not_before: Some(Millis(1)),
                why: "w".into(),
            }),
        ),
        ("receipt_reject", refused(Refusal::Reject("w".into()))),
        ("receipt_login", refused(Refusal::Login)),
        ("receipt_closed", refused(Refusal::Closed)),
        ("receipt_gone", refused(Refusal::Gone("8".into()))),
        ("receipt_stop", refused(Refusal::Stop("w".into()))),
        (
            "ticket_change",
            Record::TicketChange(TicketChangeV1 {
                target: "rt".into(),
                ticket: "7".into(),
                seen: seen(),
            }),
        ),
        (
            "operator_acknowledge",
            operator(CommandV1::Acknowledge(IncidentId(1))),
        ),
        (
            "operator_promote",
            operator(CommandV1::Promote(IncidentId(1))),
        ),
        (
            "operator_split",
            operator(CommandV1::Split(SplitV1 {
                incident: IncidentId(1),
                named: named(),
            })),
        ),
        (
            "operator_move",
            operator(CommandV1::Move(MoveV1 {
                incident: IncidentId(1),
                named: named(),
                to: IncidentId(2),
            })),
        ),
        (
            "operator_merge",
            operator(CommandV1::Merge(PairV1 {
                incident: IncidentId(1),
                other: IncidentId(2),
            })),
        ),
        (
            "operator_cause",
            operator(CommandV1::Cause(CauseV1 {
                incident: IncidentId(1),
                ci: Some("web1".into()),
            })),
        ),
        (
            "operator_keep_apart",
            operator(CommandV1::KeepApart(PairV1 {
                incident: IncidentId(1),
                other: IncidentId(2),
            })),
        ),
        (
            "operator_resolve",
            operator(CommandV1::Resolve(IncidentId(1))),
        ),
        (
            "operator_quiet",
            operator(CommandV1::Quiet(QuietV1 {
                incident: IncidentId(1),
                span: Millis(7_200_000),
            })),
        ),
        (
            "operator_retry_incident",
            operator(CommandV1::Retry(RetryV1::Incident(IncidentId(1)))),
        ),
        (
            "operator_retry_target",
            operator(CommandV1::Retry(RetryV1::Target("rt".into()))),
        ),
        (
            "operator_retry_all",
            operator(CommandV1::Retry(RetryV1::All)),
        ),
        (
            "maintenance",
            Record::Maintenance(MaintenanceV1 {
                id: "M".into(),
                ci: "c".into(),
                from: Millis(1),
                to: Millis(2),
                include_dependents: true,
            }),
        ),
        (
            "change",
            Record::Change(ChangeV1 {
                id: "C".into(),
                ci: "c".into(),
                at: Millis(1),
                summary: "s".into(),
            }),
        ),
        ("tick", Record::Tick),
        (
            "clock_step",
            Record::ClockStep(ClockStepV1 { gap: Millis(1) }),
        ),
        (
            "started",
            Record::Started(StartedV1 {
                engine: 1,
                epoch: 2,
                last: Some(Millis(3)),
            }),
        ),
        ("digest", Record::Digest(DigestV1 { digest: 1 })),
        (
            "hours",
            Record::Hours(HoursV1 {
                name: "office".into(),
                spans: vec![SpanV1 {
                    from: Millis(1),
                    to: Millis(2),
                }],
                until: Millis(3),
            }),
        ),
        (
            "ticket_gone",
            Record::TicketGone(TicketGoneV1 {
                target: "rt".into(),
                ticket: "12".into(),
                into: "9".into(),
            }),
        ),
    ]
}

#[test]
fn every_record_that_was_ever_written_can_be_read() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/record");
    for (name, record) in all() {
        let file = folder.join(format!("{name}.hex"));
        let bytes = encode_entry(1, std::slice::from_ref(&record)).unwrap();
        let hex: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
        if !file.exists() && std::env::var_os("CORRELATED_REWRITE").is_some() {
            std::fs::write(&file, format!("{hex}\n")).unwrap();
        }
        let stored =
            std::fs::read_to_string(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        let stored = stored.trim();
        let old: Vec<u8> = (0..stored.len())
            .step_by(2)
            .map(|n| u8::from_str_radix(&stored[n..n + 2], 16).unwrap())
            .collect();
        assert_eq!(decode_entry(&old).unwrap().records, [record], "{name}");
        assert_eq!(stored, hex, "{name}: written differently than before");
    }
}
