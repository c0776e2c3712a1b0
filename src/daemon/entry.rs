//! What goes into the next entry: commands, events of the sources in turn, and what was answered already.

use super::commit::{CommitError, Loop, MAX_REPEATS, Part};
use super::inbox::{Busy, Command};
use crate::engine::hands::CommandOutcome;
use crate::engine::{Quick, identity};
use crate::model::{Event, EventState, Fingerprint, Millis, Outcome};
use crate::record::{
    ClockStepV1, EventsV1, GraphV1, MAX_EVENTS, OperatorV1, Record, RepeatV1, RepeatsV1, RulesV1,
};
use std::collections::BTreeSet;
use tokio::sync::oneshot;

/// Bytes of events in one entry; the payload is a little more.
pub(crate) const MAX_BYTES: usize = 192 * 1024;

/// Whom to tell once an entry is written.
pub(super) struct Replies {
    /// Those who only wait for it.
    pub(super) written: Vec<oneshot::Sender<()>>,
    /// Those who gave commands, in the order of the records.
    pub(super) people: Vec<oneshot::Sender<CommandOutcome>>,
}

impl Loop {
    /// What an entry says about the time before it.
    pub(super) fn preamble(&mut self, now: Millis, flush: bool) -> Vec<Record> {
        let mut entry = Vec::new();
        if self.gap.0 > 0 {
            entry.push(Record::ClockStep(ClockStepV1 { gap: self.gap }));
            self.gap = Millis(0);
        }
        if flush && self.repeats.since.is_some() {
            let repeats = std::mem::take(&mut self.repeats);
            let mut rest = repeats.known.into_values();
            entry.push(Record::Repeats(RepeatsV1 {
                repeats: rest.by_ref().take(MAX_REPEATS).collect(),
                heard: repeats.heard.into_iter().collect(),
            }));
            for late in rest {
                self.keep_repeat(now, late);
            }
        }
        entry
    }

    pub(super) fn keep_repeat(&mut self, now: Millis, repeat: RepeatV1) {
        self.repeats.since = self.repeats.since.or(Some(now));
        let key = (
            repeat.fingerprint,
            repeat.source.clone(),
            repeat.sender.clone(),
        );
        match self.repeats.known.get_mut(&key) {
            Some(known) => {
                known.count = known.count.saturating_add(repeat.count);
                known.last = known.last.max(repeat.last);
                known.valid_until = known.valid_until.max(repeat.valid_until);
            }
            None => {
                self.repeats.known.insert(key, repeat);
            }
        }
    }

    /// Commands become records. Answers whom to tell once they are written.
    pub(super) fn commands(&mut self, records: &mut Vec<Record>) -> Result<Replies, CommitError> {
        let (mut replies, mut people) = (Vec::new(), Vec::new());
        for command in self.c.inbox.commands() {
            match command {
                Command::Receipt(receipt) => records.push(Record::Receipt(*receipt)),
                Command::Operator(actor, command, reply) => {
                    records.push(Record::Operator(OperatorV1 { actor, command }));
                    people.push(reply);
                }
                Command::Planned(record, reply) => {
                    records.push(record);
                    replies.push(reply);
                }
                Command::Changes(judge, reply) => {
                    records.extend(judge(self.c.node.engine()));
                    replies.push(reply);
                }
                Command::Rules(text, reply) => {
                    if self.c.node.engine().state().rules.canonical() != text
                        || self.c.node.engine().state().rules_no == 0
                    {
                        records.push(Record::Rules(RulesV1 { text }));
                    }
                    replies.push(reply);
                }
                Command::Graph(loaded, reply) => {
                    let digest = loaded.ready.digest();
                    let known = self.c.node.engine().state().graph;
                    if known.is_some_and(|g| g.digest == digest) {
                        self.c.node.know(&loaded.ready);
                        replies.push(reply);
                    } else if loaded.stored {
                        let raw = loaded.ready.raw();
                        records.push(Record::Graph(GraphV1 {
                            digest,
                            cis: u32::try_from(raw.cis.len()).unwrap_or(u32::MAX),
                            relations: u32::try_from(raw.relations.len()).unwrap_or(u32::MAX),
                            as_of: loaded.as_of,
                        }));
                        self.c.node.offer(loaded.ready);
                        replies.push(reply);
                    } else {
                        self.store_graph(loaded, reply);
                    }
                }
                Command::Ask(look) => look(self.c.node.engine()),
                Command::Stop => self.stop = true,
            }
        }
        Ok(Replies {
            written: replies,
            people,
        })
    }

    /// Jobs of the sources in turn, up to the size of an entry. What changes nothing is answered from the
    /// state as it is, unless an event before it in the same entry is about the same alert.
    pub(super) fn events(&mut self, now: Millis) -> (Vec<Part>, Vec<Record>) {
        let (mut parts, mut records) = (Vec::new(), Vec::new());
        let (mut full_events, mut bytes, mut seen_events) = (0usize, 0usize, 0usize);
        let mut changed: BTreeSet<Fingerprint> = BTreeSet::new();
        let mut added = 0_usize;
        while full_events < MAX_EVENTS && bytes < MAX_BYTES && seen_events < 64 * MAX_EVENTS {
            let Some(mut job) = self.c.inbox.next() else {
                break;
            };
            let Some(source) = self.c.sources.get(job.source).cloned() else {
                continue;
            };
            let (mut batch, mut places) = (Vec::new(), Vec::new());
            while full_events < MAX_EVENTS && bytes < MAX_BYTES {
                let Some(event) = job.events.pop_front() else {
                    break;
                };
                seen_events = seen_events.saturating_add(1);
                let engine = self.c.node.engine();
                let quick = engine.quick(&source.name, &source.scope, &event);
                let rules = &engine.state().rules.identity;
                let quick = quick.filter(|q| !changed.contains(&fingerprint_of(q)));
                match quick {
                    Some(quick) => {
                        let answer = self.answer_quick(now, &source.name, &event, quick);
                        places.push(Ok(answer));
                    }
                    None => {
                        let alert = identity::fingerprint(rules, &source.scope, &event.labels);
                        let adds = event.state == EventState::Firing
                            && engine.alert_by(alert).is_none()
                            && !changed.contains(&alert);
                        let kept = engine.state().alerts.len();
                        if adds && kept.saturating_add(added) >= self.c.max_alerts {
                            // What else the body says passes: recoveries above all, and that known alerts go on.
                            job.busy = Some(Busy::Alerts);
                            continue;
                        }
                        added = added.saturating_add(usize::from(adds));
                        changed.insert(alert);
                        places.push(Err(full_events));
                        full_events = full_events.saturating_add(1);
                        bytes = bytes.saturating_add(weight(&event));
                        batch.push(event);
                    }
                }
            }
            if !batch.is_empty() {
                records.push(Record::Events(EventsV1 {
                    source: source.name,
                    scope: source.scope,
                    received_at: job.received_at,
                    events: batch,
                }));
            }
            parts.push(Part { job, places });
        }
        (parts, records)
    }

    pub(super) fn answer_quick(
        &mut self,
        now: Millis,
        source: &str,
        event: &Event,
        quick: Quick,
    ) -> crate::engine::Answer {
        self.repeats.since = self.repeats.since.or(Some(now));
        self.repeats.heard.insert(source.to_owned(), now);
        let (outcome, fingerprint) = match quick {
            Quick::Repeat(fingerprint) => {
                self.keep_repeat(
                    now,
                    RepeatV1 {
                        fingerprint,
                        source: source.to_owned(),
                        sender: event.sender.clone(),
                        count: 1,
                        last: now,
                        valid_until: event.valid_until,
                    },
                );
                (Outcome::Repeated, fingerprint)
            }
            Quick::Nothing(outcome, fingerprint) => (outcome, fingerprint),
        };
        let incident = self
            .c
            .node
            .engine()
            .alert_by(fingerprint)
            .and_then(|a| a.announced);
        crate::engine::Answer {
            outcome,
            alert: Some(fingerprint),
            incident,
        }
    }
}

fn fingerprint_of(quick: &Quick) -> Fingerprint {
    match quick {
        Quick::Repeat(fingerprint) | Quick::Nothing(_, fingerprint) => *fingerprint,
    }
}

/// Bytes that an event takes in an entry, roughly.
pub(crate) fn weight(event: &Event) -> usize {
    let pairs = event.labels.iter().chain(event.annotations.iter());
    pairs.map(|(n, v)| n.len() + v.len() + 4).sum::<usize>() + event.link.len() + 64
}
