//! Carries out the self-test of a target (`check --online`): the same client, login, proxy and time-outs as for
//! deliveries, and nothing that writes.

use super::deliver::{Shown, Target, targets};
use super::http::Failure;
use crate::config::TargetConf;
use crate::itsm::selftest::{Do, Finding, Run};
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// One target takes no longer, however slow each of its answers is.
const LIMIT: Duration = Duration::from_secs(180);

/// Asks a target whether it is as its settings say. Whatever goes wrong is a finding.
pub async fn ask(conf: &TargetConf) -> Vec<Finding> {
    match targets(std::slice::from_ref(conf), "", &Shown::default()) {
        Ok(all) => match all.into_values().next() {
            Some(target) => all_questions(&target, LIMIT).await,
            None => Vec::new(),
        },
        Err(why) => vec![Finding::Fix(why)],
    }
}

async fn all_questions(target: &Target, limit: Duration) -> Vec<Finding> {
    let until = Instant::now() + limit;
    let mut run = Run::new(target.kind(), &target.conf().settings);
    loop {
        match run.proceed() {
            Do::Over(findings) => return findings,
            Do::Send(request) => {
                let answer = timeout_at(until, target.send(&request)).await;
                run.answer(answer.unwrap_or_else(|_| {
                    Err(Failure {
                        sent: true,
                        fatal: false,
                        why: format!("not all was answered within {} s", limit.as_secs()),
                    })
                }));
            }
        }
    }
}
