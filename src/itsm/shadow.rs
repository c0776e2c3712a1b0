//! Kind `shadow`: writes no ticket anywhere. The daemon shows what would have been done.

use super::selftest::{SelfTest, good, over};
use super::{
    Facts, Hit, Itsm, ItsmSettings, Limits, Markup, Next, Promise, Reply, Seen, Step, TicketState,
};
use crate::model::{Millis, Response};

/// The row of this kind.
pub const ITSM: Itsm = Itsm {
    kind: "shadow",
    keys: &[],
    limits: Limits {
        title: 200,
        description: 4000,
        note: 4000,
        settle: Millis(0),
        reopens: true,
        markup: Markup::Plain,
    },
    promise: Promise::Nothing,
    watches: false,
    links: |_| true,
    next,
    poll: None,
    hint: None,
    selftest: Some(SelfTest {
        questions: &[|_, _, _| {
            over([good(
                "writes no ticket anywhere, so there is nothing to ask",
            )])
        }],
        unseen: &[],
        rights: "none",
    }),
};

fn next(_: &ItsmSettings, _: &Facts, step: &Step, _: &[Response]) -> Next {
    let seen = |state| Seen {
        state,
        touched: false,
        owner: String::new(),
        dropped: Vec::new(),
    };
    let done = |id: &str, state| {
        Next::Done(Reply::Done {
            id: id.to_owned(),
            read_back: seen(state),
        })
    };
    match step {
        Step::Probe => Next::Done(Reply::Facts(Facts::default())),
        Step::Find { .. } => Next::Done(Reply::Found(Vec::<Hit>::new())),
        Step::Create { key, .. } => done(&format!("shadow:{key}"), TicketState::New),
        Step::Update { id, .. } | Step::Note { id, .. } | Step::Link { id, .. } => {
            done(id, TicketState::New)
        }
        Step::Resolve { id, .. } => done(id, TicketState::Resolved),
        Step::Reopen { id, .. } => done(id, TicketState::Open),
        Step::Read { .. } => Next::Done(Reply::State(seen(TicketState::New))),
    }
}
