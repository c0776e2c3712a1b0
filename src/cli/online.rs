//! `check --online`: each tool is asked, and what it says is printed, one finding a line.

use super::runtime;
use crate::config::{Config, TargetConf};
use crate::daemon::selftest;
use crate::itsm::selftest::Finding;

/// Asks all targets at once and answers in their order; and how much is to be fixed.
pub(super) fn check(config: &Config) -> Result<(String, usize), String> {
    let targets = &config.plumbing.targets;
    let found = runtime()?.block_on(async {
        let asked: Vec<_> = targets
            .iter()
            .map(|conf| {
                let conf = conf.clone();
                tokio::spawn(async move { selftest::ask(&conf).await })
            })
            .collect();
        let mut found = Vec::new();
        for one in asked {
            let bug = |_| {
                vec![Finding::Unknown(
                    "anything, because of a bug of ours".to_owned(),
                )]
            };
            found.push(one.await.unwrap_or_else(bug));
        }
        found
    });
    let (mut out, mut wrong) = (String::new(), 0usize);
    for (conf, findings) in targets.iter().zip(found) {
        let fixes = findings.iter().filter(|f| matches!(f, Finding::Fix(_)));
        wrong = wrong.saturating_add(fixes.count());
        out.push_str(&lines(conf, &findings));
    }
    Ok((out, wrong))
}

fn lines(conf: &TargetConf, findings: &[Finding]) -> String {
    let name = format!("itsm {} ({})", conf.settings.name, conf.kind.kind);
    let mut said: Vec<String> = findings.iter().map(line).collect();
    said.extend(
        conf.kind
            .selftest
            .map(|t| format!("rights it needs: {}", t.rights)),
    );
    let mut out = String::new();
    for (at, text) in said.iter().enumerate() {
        let place = match (at, conf.url.as_str()) {
            (0, url) if !url.is_empty() => format!("{name} {url:?}"),
            (_, _) => name.clone(),
        };
        out.push_str(&format!("{place}: {text}\n"));
    }
    out
}

/// Whatever a tool has put into it stays on one line.
fn line(finding: &Finding) -> String {
    let (before, text) = match finding {
        Finding::Good(text) => ("", text),
        Finding::Fix(text) => ("FIX ", text),
        Finding::Unknown(text) => ("cannot be checked here: ", text),
    };
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    let text: String = text.chars().map(plain).collect();
    format!("{before}{text}")
}
