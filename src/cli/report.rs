//! `report shadow`: what would have been, for those who decide about going live.

use super::print;
use crate::daemon::{chain, clock};
use crate::model::Millis;
use crate::store::sqlite::{Group, Reader, Report};
use serde_json::json;
use std::fmt::Write as _;
use std::path::Path;

pub(super) fn shadow(store: &Path, days: u32, as_json: bool) -> Result<(), String> {
    let from = clock::wall().plus(Millis::mins(i64::from(days).saturating_mul(-24 * 60)));
    let reader = Reader::open(store).map_err(|e| chain(&e))?;
    let report = reader.report(from).map_err(|e| chain(&e))?;
    print(&match as_json {
        true => format!("{}\n", to_json(&report, days)),
        false => to_text(&report, days),
    });
    Ok(())
}

/// Alerts that would have been a ticket each, less the tickets that there were.
fn avoided(report: &Report) -> u32 {
    report.alerts_ticketed.saturating_sub(report.ticketed)
}

fn to_json(report: &Report, days: u32) -> serde_json::Value {
    let groups = |all: &[Group]| -> Vec<serde_json::Value> {
        let one = |g: &Group| {
            json!({
                "incident": g.incident, "priority": g.priority, "root": g.root, "service": g.service,
                "alerts": g.alerts, "detected": g.detected.rfc3339(),
            })
        };
        all.iter().map(one).collect()
    };
    let often = |(source, alert, ci, firings): &(String, String, String, u32)| json!({"source": source, "alert": alert, "ci": ci, "firings": firings});
    let by_source = |all: &[(String, u32)]| -> serde_json::Value {
        all.iter()
            .map(|(s, n)| (s.clone(), json!(n)))
            .collect::<serde_json::Map<_, _>>()
            .into()
    };
    json!({
        "days": days,
        "firings": by_source(&report.firings),
        "incidents": report.incidents,
        "tickets": report.ticketed,
        "tickets_avoided": avoided(report),
        "over_before_a_ticket": report.healed,
        "merged": report.merged,
        "biggest": groups(&report.biggest),
        "doubtful": groups(&report.doubtful),
        "doubtful_count": report.doubtful_count,
        "unbound": by_source(&report.unbound),
        "often": report.often.iter().map(often).collect::<Vec<_>>(),
        "expired": report.expired,
    })
}

fn to_text(report: &Report, days: u32) -> String {
    let mut out = String::new();
    let all: u32 = report.firings.iter().map(|(_, n)| n).sum();
    // Writing to a string does not fail.
    writeln!(out, "The last {days} days, from the history of the store").ok();
    writeln!(
        out,
        "\nALERTS     {all} firings that ended: {}",
        list(&report.firings)
    )
    .ok();
    writeln!(
        out,
        "TICKETS    {} instead of {}, {} avoided; {} incidents were over before a ticket, {} were merged into others",
        report.ticketed,
        report.alerts_ticketed,
        avoided(report),
        report.healed,
        report.merged
    )
    .ok();
    if report.expired > 0 {
        writeln!(
            out,
            "EXPIRED    {} firings ended only because nothing more was heard of them",
            report.expired
        )
        .ok();
    }
    let mut groups = |head: &str, all: &[Group]| {
        for (n, g) in all.iter().enumerate() {
            let head = if n == 0 { head } else { "" };
            let root = if g.root.is_empty() {
                "cause not known"
            } else {
                &g.root
            };
            let service = match g.service.as_str() {
                "" => String::new(),
                service => format!(", {service}"),
            };
            let (alerts, id, at) = (g.alerts, &g.incident, g.detected.rfc3339());
            writeln!(
                out,
                "{head:<10} {id} {} {at} {alerts} alerts: {root}{service}",
                g.priority
            )
            .ok();
        }
    };
    groups("BIGGEST", &report.biggest);
    groups("DOUBTFUL", &report.doubtful);
    let more = report
        .doubtful_count
        .saturating_sub(u32::try_from(report.doubtful.len()).unwrap_or(0));
    if more > 0 {
        writeln!(out, "           and {more} more without a known cause").ok();
    }
    if !report.unbound.is_empty() {
        writeln!(
            out,
            "UNBOUND    firings whose CI the CMDB does not know: {}",
            list(&report.unbound)
        )
        .ok();
    }
    for (n, (source, alert, ci, firings)) in report.often.iter().enumerate() {
        let head = if n == 0 { "OFTEN" } else { "" };
        let ci = if ci.is_empty() { "CI not known" } else { ci };
        writeln!(
            out,
            "{head:<10} {firings} firings of {alert} ({source}, {ci})"
        )
        .ok();
    }
    out.push_str("\nLook at one with: correlated explain I000123\n");
    out
}

fn list(all: &[(String, u32)]) -> String {
    let all: Vec<String> = all.iter().map(|(name, n)| format!("{name} {n}")).collect();
    match all.is_empty() {
        true => "none".to_owned(),
        false => all.join(", "),
    }
}
