//! What PagerDuty is asked by `check --online`: its REST API, where a key for it is given. The Events API has no
//! request that does nothing.

use super::rest;
use super::told;
use crate::itsm::selftest::{Answer, SelfTest, fix, good, over, send, unknown, why};
use crate::itsm::wire::{json_of, list};
use crate::itsm::{Facts, IMPOSSIBLE_KEY, ItsmSettings, Refusal};
use crate::model::Response;

pub(super) const SELFTEST: SelfTest = SelfTest {
    questions: &[people, changes],
    unseen: &[
        "the routing key: the Events API has no request that pages nobody; send a test event from the service's page",
    ],
    rights: "an integration of type Events API v2 in the service (its routing key); for rest_token a read-only key of the REST API",
};

fn people(s: &ItsmSettings, _: &Facts, got: &[Response]) -> Answer {
    if s.options.secret("rest_token").is_none() {
        return over([unknown(
            "what people do: rest_token is not set, so nothing is read of them",
        )]);
    }
    let [found, ..] = got else {
        return match rest::look(s, IMPOSSIBLE_KEY, got) {
            Err(request) => send(request),
            Ok(_) => over([]),
        };
    };
    let body = json_of(found, told).map_err(|refusal| match refusal {
        Refusal::Reject(why) => Refusal::Reject(format!(
            "the REST API refuses rest_token: {why}: is it a key of this account, and rest_url that of its region?"
        )),
        other => other,
    })?;
    over([match list(&body, "incidents").next() {
        None => {
            good("rest_token works, and a search for a key that no incident carries finds none")
        }
        Some(_) => fix(
            "a search for a key that no incident carries finds incidents: is rest_url the address of the REST API?",
        ),
    }])
}

/// What polls ask.
fn changes(s: &ItsmSettings, _: &Facts, got: &[Response]) -> Answer {
    if s.options.secret("rest_token").is_none() {
        return over([]);
    }
    let [found, ..] = got else {
        return send(rest::ask("", 0));
    };
    over([match json_of(found, told) {
        Ok(_) => good("what people do can be read (log entries)"),
        Err(refusal) => fix(format!(
            "what people do cannot be read: {}: rest_token must be a key of the whole account",
            why(refusal)?
        )),
    }])
}
