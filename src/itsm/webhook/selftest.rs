//! What a tool behind a webhook is asked by `check --online`: the one request of its settings that reads.

use super::super::wire::*;
use super::{find, told};
use crate::itsm::selftest::{Answer, SelfTest, asked, fix, good, over, unknown, why};
use crate::itsm::{Facts, IMPOSSIBLE_KEY, ItsmSettings, Next, Reply};
use crate::model::Response;

pub(super) const SELFTEST: SelfTest = SelfTest {
    questions: &[look],
    unseen: &[
        "the requests create, update, note and resolve: they write, and of this tool nothing else is known",
    ],
    rights: "whatever the requests of its settings need",
};

fn look(s: &ItsmSettings, _: &Facts, got: &[Response]) -> Answer {
    if s.options.text("find").is_empty() {
        return over([unknown(
            "the login: find is not set, so there is no request that reads",
        )]);
    }
    let [found, ..] = got else {
        return asked(find(s, IMPOSSIBLE_KEY, false, got));
    };
    if found.status == 403 {
        let why = json_of(found, told).map(|_| String::new()).or_else(why)?;
        return over([fix(format!(
            "find is refused: {why}: is the secret right, and may it read?"
        ))]);
    }
    over([match find(s, IMPOSSIBLE_KEY, false, got) {
        Ok(Next::Done(Reply::Found(hits))) if hits.is_empty() => {
            good("find works: a key that no ticket carries is not found")
        }
        Ok(_) => fix("find says that it knows a key that no ticket carries: correct find_key"),
        Err(refusal) => fix(format!("find does not work: {}", why(refusal)?)),
    }])
}
