//! Times of nothing, and counts that nothing reaches: settings that switch off what they are to tune.

use super::super::{Config, Problem};
use crate::model::Millis;
use crate::rules::{Correlate, LabelRule};

/// The label by which alerts without a CI are of one host, before all others that may name it.
const HOST: &str = "host";

/// Such settings of a configuration that was loaded from `text`.
pub(super) fn times(text: &str, config: &Config) -> Vec<Problem> {
    let mut out = Vec::new();
    let mut tell = |path: String, message: String| out.push(Problem::at(text, path, message));
    let (suppress, correlate) = (&config.rules.suppress, &config.rules.correlate);
    let times = [
        (
            "suppress.flap_within",
            suppress.flapping.within,
            "no alert is ever found to flap",
        ),
        (
            "suppress.flap_quiet",
            suppress.flapping.quiet,
            "an alert that flaps is no longer held to flap in the same moment",
        ),
        (
            "correlate.window",
            correlate.window,
            "only alerts that begin in the same moment become one incident",
        ),
        (
            "correlate.resolve_after",
            correlate.resolve_after,
            "an incident is over, and its ticket resolved, in the moment in which its last alert ends",
        ),
    ];
    for (path, time, what) in times {
        if time == Millis(0) {
            tell(path.to_owned(), format!("with \"0s\" {what}"));
        }
    }
    let built_in = Correlate::default().label_rules;
    for (n, rule) in correlate.label_rules.iter().enumerate() {
        if built_in.contains(rule) {
            continue;
        }
        let path = |key: &str| format!("correlate.label_rule[{n}].{key}");
        if rule
            .labels
            .iter()
            .any(|l| matches!(l.as_slice(), [one] if one == HOST))
        {
            let message = format!(
                "never acts: alerts that agree in {HOST:?} are of one host, and least asks for {}",
                rule.least
            );
            tell(path("labels"), message);
        }
        if usize::try_from(rule.least).is_ok_and(|least| least > LabelRule::MAX_ALERTS) {
            let message = format!(
                "never acts: only the last {} alerts are looked at, which never are of {} hosts",
                LabelRule::MAX_ALERTS,
                rule.least
            );
            tell(path("least"), message);
        }
        if rule.within == Millis(0) {
            let message = "with \"0s\" only alerts that arrive in the same moment count";
            tell(path("within"), message.to_owned());
        }
    }
    out
}
