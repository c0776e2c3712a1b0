//! What holds for any facts: limits, one line per text, the id in the title, the key in the description.

use super::LANGUAGES;
use super::facts::*;
use correlated::model::{IncidentId, Millis, Priority, Severity};
use correlated::ticket::{
    AlsoOpen, Because, Cause, CauseText, ChangeText, CiText, ClassText, FirstAlert, FlapText,
    Former, Note, NoteKind, Recovery, ServiceText, SplitFrom, Wanted, With, content, note,
};

/// A small generator of numbers that is the same on every machine.
struct Noise(u64);

impl Noise {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }

    fn yes(&mut self) -> bool {
        self.below(2) == 0
    }

    fn number(&mut self) -> u32 {
        let sizes = [0, 1, 2, 7, 4_000_000_000];
        sizes[usize::try_from(self.below(5)).unwrap()]
    }

    fn moment(&mut self) -> Millis {
        let odd = [i64::MIN, -1, 0, i64::MAX];
        match self.yes() {
            true => Millis(i64::try_from(self.below(1 << 31)).unwrap() * 1000),
            false => Millis(odd[usize::try_from(self.below(4)).unwrap()]),
        }
    }

    fn text(&mut self) -> String {
        let pieces = [
            "a",
            "srv-01",
            " ",
            "\n",
            "Key cor-1",
            "å",
            "日本",
            "\u{202e}",
            "\u{301}",
            "\"",
            "{{ x }}",
            "\u{0}",
            "🔥",
            "does not answer",
            "https://",
            ", ",
        ];
        let long = [0, 1, 3, 40, 3000];
        let count = long[usize::try_from(self.below(5)).unwrap()];
        (0..count)
            .map(|_| pieces[usize::try_from(self.below(16)).unwrap()])
            .collect()
    }

    fn texts(&mut self) -> Vec<String> {
        let many = [0, 1, 6, 60];
        let count = many[usize::try_from(self.below(4)).unwrap()];
        (0..count).map(|_| self.text()).collect()
    }

    fn ci(&mut self) -> CiText {
        CiText {
            name: self.text(),
            class: self.text(),
            place: self.text(),
            known: self.yes(),
        }
    }

    fn services(&mut self) -> Vec<ServiceText> {
        let names = self.texts();
        let one = |name| ServiceText {
            name,
            criticality: self.text(),
        };
        names.into_iter().map(one).collect()
    }

    fn cause(&mut self) -> Cause {
        let text = CauseText {
            ci: self.ci(),
            alerts_itself: self.yes(),
            alerts_in: self.yes().then_some(IncidentId(u64::MAX)),
            first: self.yes(),
            explains: self.number(),
            of_monitored: self.number(),
            silent: self.texts(),
            silent_count: self.number(),
            unknown: self.number(),
            runner_up: self
                .yes()
                .then(|| (self.text(), self.number(), self.number())),
        };
        match self.below(6) {
            0 => Cause::High(text),
            5 => Cause::SameFault(self.number()),
            3 => Cause::Named(Some(text), self.text()),
            4 => Cause::Named(None, self.text()),
            1 => Cause::NotKnown(Some(text)),
            _ => Cause::NotKnown(None),
        }
    }

    fn wanted(&mut self) -> Wanted {
        let class = |noise: &mut Noise| ClassText {
            class: noise.text(),
            count: noise.number(),
            names: noise.texts(),
        };
        let also = |noise: &mut Noise| AlsoOpen {
            incident: IncidentId(noise.below(1 << 31)),
            ticket: noise.text(),
            ci: noise.text(),
        };
        Wanted {
            incident: IncidentId(if self.yes() { u64::MAX } else { 5 }),
            key: format!("cor-{:08}-5.1", self.below(99_999_999)),
            priority: Priority::P2,
            severity: Severity::ALL[usize::try_from(self.below(5)).unwrap()],
            subject: self.ci(),
            symptom: self.text(),
            since: self.moment(),
            first: FirstAlert {
                at: self.moment(),
                source: self.text(),
                ci: self.text(),
                text: self.text(),
            },
            cause: self.cause(),
            observed: self.services(),
            at_risk: self.services(),
            affected: (0..self.below(40)).map(|_| class(self)).collect(),
            listed: self.texts(),
            alerts: self.number(),
            cis: self.number(),
            spread: self.moment(),
            sources: (0..self.below(40))
                .map(|_| (self.text(), self.number()))
                .collect(),
            links: self.texts(),
            also_open: (0..self.below(40)).map(|_| also(self)).collect(),
            group: self.text(),
            held: self.moment(),
            held_by: None,
            opened: self.moment(),
            rules: u64::MAX,
            graph_as_of: self.yes().then(|| self.moment()),
            merged_into: self.yes().then_some(IncidentId(9)),
            before: self.yes().then(|| Former {
                ticket: self.text(),
                closed: self.yes().then(|| self.moment()),
            }),
            split_from: self.yes().then(|| SplitFrom {
                incident: IncidentId(8),
                ticket: self.text(),
                by: self.text(),
            }),
            changed: (0..self.below(9))
                .map(|_| ChangeText {
                    id: self.text(),
                    summary: self.text(),
                    ci: self.text(),
                    at: self.moment(),
                    before: self.moment(),
                })
                .collect(),
            flapping: self.texts(),
            flap_quiet: self.moment(),
        }
    }

    fn note(&mut self) -> NoteKind {
        let (ci, text) = (self.text(), self.text());
        let incident = IncidentId(self.below(1 << 31));
        match self.below(15) {
            0 => NoteKind::Grew {
                alerts: self.number(),
                cis: self.number(),
                services: self.services(),
                names: self.texts(),
            },
            1 => NoteKind::LateCritical {
                ci,
                text,
                critical: self.yes(),
                more: self.texts(),
                count: self.number(),
                with: With {
                    raised: self.yes().then_some((Priority::P3, Priority::P1)),
                    services: self.services(),
                    names: self.texts(),
                    all: self.yes().then(|| (self.number(), self.number())),
                },
            },
            8 => NoteKind::Left {
                incident,
                ticket: text,
                alerts: self.number(),
                names: self.texts(),
                by: ci,
                new: self.yes(),
            },
            9 => NoteKind::Came {
                incident,
                ticket: text,
                alerts: self.number(),
                names: self.texts(),
                by: ci,
            },
            10 => NoteKind::Ended {
                by: ci,
                firing: self.number(),
                touched: self.yes(),
                resolves: self.yes(),
            },
            11 => NoteKind::Flapping {
                alerts: (0..self.below(9))
                    .map(|_| FlapText {
                        ci: self.text(),
                        times: self.number(),
                        since: self.moment(),
                    })
                    .collect(),
                count: self.number(),
                first: self.yes(),
                span: self.moment(),
                quiet: self.moment(),
            },
            12 => NoteKind::StillFiring {
                firing: self.number(),
                wait: self.yes().then(|| self.moment()),
                new: self.yes(),
            },
            2 => NoteKind::Cause {
                before: text,
                now: self.cause(),
            },
            3 => NoteKind::Priority {
                before: Priority::P3,
                now: Priority::P1,
                services: self.services(),
                left: self.yes(),
            },
            4 => NoteKind::MergedInto {
                incident,
                ticket: text,
                because: match ci.len() % 6 {
                    0 => Because::Ci(ci),
                    1 => Because::CutOff(ci, self.text()),
                    2 => Because::Ended(ci),
                    3 => Because::EndedAlike(ci),
                    4 => Because::EndedWith(ci),
                    _ => Because::SameFault(ci),
                },
                by: self.text(),
            },
            5 => NoteKind::Duplicate { ticket: text },
            13 => NoteKind::Inform {
                owner: ci,
                group: text,
                services: self.services(),
            },
            6 => NoteKind::Late,
            7 => NoteKind::GoesOn {
                alerts: 3,
                names: vec![self.text()],
                into: vec![incident],
                incidents: 40,
            },
            14 => NoteKind::Back {
                services: self.services().into_iter().map(|s| (s, AT)).collect(),
                failing: self.services(),
                alerts: self.number(),
            },
            _ => NoteKind::Recovered(Recovery {
                at: self.moment(),
                alerts: self.number(),
                quiet: self.moment(),
                root: self.yes().then(|| (self.text(), self.moment())),
                outages: self.services().into_iter().map(|s| (s, AT)).collect(),
                touched: self.yes(),
                resolves: self.yes(),
                reopen_within: self.yes().then(|| self.moment()),
                refers: self.yes(),
            }),
        }
    }
}

fn harmless(text: &str) -> bool {
    let bad = |c: char| c.is_control() && c != '\n' || "\u{202e}\u{2028}\u{200b}".contains(c);
    !text.contains(bad)
}

#[test]
fn any_facts_stay_within_the_limits() {
    let mut noise = Noise(11);
    for round in 0..200 {
        let wanted = noise.wanted();
        let mut style = style(LANGUAGES[usize::try_from(noise.below(2)).unwrap()].0);
        if noise.yes() {
            style.limits.title = 24 + usize::try_from(noise.below(200)).unwrap();
            style.limits.description = 60 + usize::try_from(noise.below(5000)).unwrap();
            style.limits.note = 20 + usize::try_from(noise.below(5000)).unwrap();
        }
        let (title, description) = (style.limits.title, style.limits.description);
        let found = content(&wanted, &style).unwrap();
        assert!(
            found.title.len() <= title.min(100),
            "{round}: {}",
            found.title
        );
        assert!(
            !found.title.contains('\n') && harmless(&found.title),
            "{round}"
        );
        assert!(
            found.title.ends_with(&format!("[{}]", wanted.incident)),
            "{round}"
        );
        let text = &found.description;
        assert!(
            text.len() <= description.min(4000),
            "{round}: {} bytes",
            text.len()
        );
        assert!(harmless(text), "{round}: {text:?}");
        let keys: Vec<&str> = text.lines().filter(|l| l.starts_with("Key ")).collect();
        let key = format!("Key {}.", wanted.key);
        assert!(
            keys.len() == 1 && keys[0].starts_with(&key),
            "{round}: {text}"
        );
        let facts = Note {
            at: noise.moment(),
            what: noise.note(),
            delayed: noise.yes().then(|| (noise.moment(), noise.moment())),
        };
        let text = note(&facts, &wanted, &style).unwrap();
        assert!(text.len() <= style.limits.note.min(4000), "{round}: {text}");
        assert!(!text.is_empty() && harmless(&text), "{round}: {text:?}");
    }
}
