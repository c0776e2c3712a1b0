//! `explain`: why an incident is what it is or was, why an alert is not in it, and why nobody was paged, as an
//! engineer reads it at night.

use super::ask::{fetch, ids, names, number, shown, text_of};
use super::{Admin, print};
use serde_json::Value;

/// What to explain.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// I000123
    #[arg(required_unless_present = "alert", conflicts_with = "incident")]
    id: Option<String>,
    /// The explanation of this turning point, by its number.
    #[arg(long, value_name = "N", conflicts_with_all = ["all", "alert"])]
    version: Option<u32>,
    /// The explanations of all turning points that are kept.
    #[arg(long, conflicts_with = "alert")]
    all: bool,
    /// The way of this alert to the tool: why was nobody paged? With an incident: why is it not in it? By the
    /// first digits of its fingerprint.
    #[arg(long, value_name = "FINGERPRINT")]
    alert: Option<String>,
    /// With --alert: the incident that it is not in.
    #[arg(long, value_name = "ID", requires = "alert")]
    incident: Option<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    admin: Admin,
}

pub(super) fn run(options: &Options) -> Result<(), String> {
    let incident = options.id.as_ref().or(options.incident.as_ref());
    let (path, text): (String, fn(&Value) -> String) = match (&options.alert, incident) {
        (Some(alert), None) => (format!("v1/alerts/{}/explain", plain(alert)?), story),
        (Some(alert), Some(incident)) => (
            format!(
                "v1/alerts/{}/explain?incident={}",
                plain(alert)?,
                plain(incident)?
            ),
            not_in,
        ),
        (None, incident) => {
            let id = plain(incident.map(String::as_str).unwrap_or_default())?;
            let one: fn(&Value) -> String = reasons;
            match options.version {
                Some(n) => (format!("v1/incidents/{id}/explain?version={n}"), one),
                None if options.all => (format!("v1/incidents/{id}/explain?version=all"), all),
                None => (format!("v1/incidents/{id}/explain"), one),
            }
        }
    };
    let answer = fetch(&options.admin.admin, &path)?;
    match options.json {
        true => print(&format!("{answer:#}\n")),
        false => print(&text(&shown(&answer))),
    }
    Ok(())
}

/// What a person typed, as part of a path.
fn plain(text: &str) -> Result<&str, String> {
    let text = text.trim();
    match !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric()) {
        true => Ok(text),
        false => Err(format!(
            "{text:?} is neither an incident (I000123) nor the fingerprint of an alert (digits and a to f)"
        )),
    }
}

fn list<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    let list = value.get(key).and_then(Value::as_array);
    list.into_iter().flatten()
}

fn at<'a>(value: &'a Value, key: &str) -> &'a Value {
    value.get(key).unwrap_or(&Value::Null)
}

fn is(value: &Value, key: &str) -> bool {
    value.get(key).and_then(Value::as_bool) == Some(true)
}

/// All versions, one after the other, without their alerts.
fn all(answer: &Value) -> String {
    let mut out = format!("{}\n", ids(at(answer, "summary")));
    if let Some(into) = answer.get("merged_into").and_then(Value::as_str) {
        let at = match text_of(answer, "merged_at") {
            "" => String::new(),
            at => format!(" since {at}"),
        };
        out.push_str(&format!("part of {into}{at}; what follows is its own\n"));
    }
    let mut any = false;
    for version in list(answer, "explanations") {
        any = true;
        out.push('\n');
        out.push_str(&head(version));
        out.push_str(&facts(version));
    }
    if !any {
        out.push_str("no explanation was kept\n");
    }
    out
}

/// `VERSION  3  2026-11-22T01:14:07.000Z cause, merged`
fn head(version: &Value) -> String {
    let alerts = number(version, "alerts");
    format!(
        "VERSION  {}  {} {}: {}, {}, {alerts} {}, {} firing\n",
        number(version, "version"),
        text_of(version, "at"),
        names(version, "turned"),
        text_of(version, "priority"),
        text_of(version, "state"),
        if alerts == 1 { "alert" } else { "alerts" },
        number(version, "live"),
    )
}

/// An explanation as people read it.
pub(super) fn reasons(answer: &Value) -> String {
    let summary = at(answer, "summary");
    let now = summary.is_object();
    let mut out = match now {
        true => format!(
            "{}  {}  {}, first alert {}\n",
            ids(summary),
            text_of(summary, "priority"),
            text_of(summary, "state"),
            text_of(summary, "first"),
        ),
        false => format!("{}\n{}", text_of(answer, "incident"), head(answer)),
    };
    let asked = text_of(answer, "asked");
    if now && asked != text_of(answer, "incident") {
        let at = match text_of(answer, "asked_merged_at") {
            "" => String::new(),
            at => format!(" at {at}"),
        };
        out.push_str(&format!("{asked} became part of it{at}\n"));
    }
    out.push_str(&facts(answer));
    let story = at(answer, "ticket");
    let text = text_of(story, "text");
    match text.strip_prefix("no ticket: ") {
        Some(why) => out.push_str(&format!("TICKET   none: {why}\n")),
        None if !text.is_empty() => {
            let targets: Vec<&Value> = list(story, "targets").collect();
            for target in &targets {
                out.push_str(&format!(
                    "TICKET   {}: {}\n",
                    text_of(target, "target"),
                    text_of(target, "text")
                ));
            }
            if targets.is_empty() {
                out.push_str(&format!("TICKET   {text}\n"));
            }
        }
        None => {}
    }
    let group = text_of(answer, "group");
    if !group.is_empty() {
        let rule = match text_of(answer, "routed_by") {
            "" => String::new(),
            rule => format!(", by the rule {rule:?} of [[ticket.route]]"),
        };
        out.push_str(&format!("GROUP    {group}{rule}\n"));
    }
    for turn in list(answer, "turns") {
        out.push_str(&format!(
            "TURN     {} {}\n",
            text_of(turn, "at"),
            text_of(turn, "what")
        ));
    }
    let kept: Vec<String> = list(answer, "versions")
        .map(|v| format!("{} ({})", number(v, "version"), names(v, "turned")))
        .collect();
    if !kept.is_empty() {
        out.push_str(&format!(
            "BEFORE   what we said then, with --version N: {}\n",
            kept.join(", ")
        ));
    }
    out.push_str("ALERTS\n");
    for member in list(answer, "members") {
        out.push_str(&member_line(member));
    }
    match number(answer, "members_omitted") {
        0 => {}
        n => out.push_str(&format!("  and {n} more\n")),
    }
    out
}

fn member_line(member: &Value) -> String {
    let path: Vec<String> = list(member, "path").map(relation).collect();
    let mut how = text_of(member, "because").to_owned();
    if !path.is_empty() {
        how.push_str(&format!("; {}", path.join(", ")));
    }
    if member.get("via").is_some_and(|v| !v.is_null()) {
        let gap = member.get("gap_s").and_then(Value::as_i64).unwrap_or(0);
        let weight = number(member, "weight_per_mille");
        how.push_str(&format!("; weight {weight} of 1000, {gap} s apart"));
    }
    let also = names(member, "also");
    if !also.is_empty() {
        how.push_str(&format!("; also affected by {also}"));
    }
    format!(
        "  {} {} {:8} {}: {} [{how}]\n",
        text_of(member, "alert").get(..8).unwrap_or_default(),
        text_of(member, "state"),
        text_of(member, "severity"),
        text_of(member, "ci"),
        text_of(member, "text"),
    )
}

/// `app-a depends-on sw1 (A1 depends-on SW, CMDB read 3 h before)`: a relation with its id, and how old our knowledge
/// of it was.
fn relation(of: &Value) -> String {
    let (from, kind, to) = (text_of(of, "from"), text_of(of, "type"), text_of(of, "to"));
    let named = format!("{from} {kind} {to}");
    let id = Some(text_of(of, "id")).filter(|id| !id.is_empty() && *id != named);
    let age = of.get("age_s").and_then(Value::as_i64).map(|s| {
        let age = match s {
            ..120 => format!("{} s", s.max(0)),
            120..7200 => format!("{} min", s / 60),
            7200..172_800 => format!("{} h", s / 3600),
            _ => format!("{} days", s / 86_400),
        };
        format!("CMDB read {age} before")
    });
    let more: Vec<String> = id.map(str::to_owned).into_iter().chain(age).collect();
    match more.is_empty() {
        true => named,
        false => format!("{named} ({})", more.join(", ")),
    }
}

/// Cause, evidence, coverage, what lost, merges, rules.
fn facts(answer: &Value) -> String {
    let mut out = format!("CAUSE    {}\n", text_of(answer, "sentence"));
    let root = at(answer, "root");
    // Of a turning point only the change of the cause is kept.
    let kept = std::iter::once(at(root, "change")).filter(|c| c.is_object());
    let kept = kept.filter(|_| !answer.get("changes").is_some_and(Value::is_array));
    for change in list(answer, "changes").chain(kept) {
        let ci = match text_of(change, "ci") {
            "" => text_of(root, "ci"),
            ci => ci,
        };
        out.push_str(&format!(
            "CHANGED  {} \"{}\" on {ci} at {}\n",
            text_of(change, "id"),
            text_of(change, "summary"),
            text_of(change, "at")
        ));
    }
    if let Some(incident) = root.get("alerts_in").and_then(Value::as_str) {
        out.push_str(&format!(
            "FIRES    {} alerts in {incident}\n",
            text_of(root, "ci")
        ));
    }
    out.push_str(&coverage(at(answer, "explains"), text_of(root, "ci")));
    for other in list(answer, "runner_up") {
        out.push_str(&format!(
            "NEXT     {} {}\n",
            text_of(other, "ci"),
            text_of(other, "why")
        ));
    }
    for merge in list(answer, "merges") {
        out.push_str(&format!(
            "MERGED   {} {}, at {}\n",
            text_of(merge, "from"),
            match merge.get("by").and_then(Value::as_str) {
                Some(by) => format!("by {by}"),
                None => format!("because {}", text_of(merge, "reason")),
            },
            text_of(merge, "at")
        ));
    }
    let rules = names(answer, "rules");
    if !rules.is_empty() {
        out.push_str(&format!("RULES    {rules}\n"));
    }
    out
}

fn coverage(explains: &Value, root: &str) -> String {
    let mut out = String::new();
    let all = number(explains, "of_monitored");
    let unknown = number(explains, "unknown");
    if all > 0 {
        let hop = |hop: &Value| {
            format!(
                "{} of {} at {} {}",
                number(hop, "alerting"),
                number(hop, "of_monitored"),
                number(hop, "hops"),
                if number(hop, "hops") == 1 {
                    "relation"
                } else {
                    "relations"
                }
            )
        };
        let hops: Vec<String> = list(explains, "by_hop").map(hop).collect();
        let more = if is(explains, "or_more") {
            " or more"
        } else {
            ""
        };
        out.push_str(&format!(
            "COVERS   {} of the {all}{more} monitored CIs that need {root} alert: {}{}\n",
            number(explains, "alerting"),
            hops.join(", "),
            match number(explains, "not_counted") {
                0 => String::new(),
                1 => "; not counted: 1 CI here that needs it by weaker paths or not at all"
                    .to_owned(),
                n => format!(
                    "; not counted: {n} CIs here that need it by weaker paths or not at all"
                ),
            }
        ));
    }
    let silent = all.saturating_sub(number(explains, "alerting"));
    if silent > 0 {
        let some = list(explains, "absent_examples").count();
        let rest = silent.saturating_sub(u64::try_from(some).unwrap_or(0));
        let rest = match rest {
            0 => String::new(),
            n => format!(" and {n} more"),
        };
        out.push_str(&format!(
            "SILENT   {}{rest}\n",
            names(explains, "absent_examples")
        ));
    }
    if unknown > 0 {
        let some: Vec<String> = list(explains, "unknown_examples")
            .map(|u| format!("{} ({})", text_of(u, "ci"), text_of(u, "because")))
            .collect();
        out.push_str(&format!(
            "UNKNOWN  {unknown} more not counted, for their silence says nothing: {}\n",
            some.join(", ")
        ));
    }
    out
}

/// The way of an alert to the tool.
fn story(answer: &Value) -> String {
    let summary = at(answer, "summary");
    let mut out = format!(
        "{}  {}: {}\nANSWER   {}\n",
        text_of(answer, "alert").get(..8).unwrap_or_default(),
        text_of(summary, "ci"),
        text_of(summary, "text"),
        text_of(answer, "answer"),
    );
    for step in list(answer, "steps") {
        let target = match text_of(step, "target") {
            "" => String::new(),
            target => format!("{target}: "),
        };
        out.push_str(&format!(
            "{:8} {target}{}\n",
            text_of(step, "step").to_uppercase(),
            text_of(step, "text")
        ));
    }
    out
}

/// Why an alert is not in an incident.
fn not_in(answer: &Value) -> String {
    let mut out = format!(
        "{}  {}\n",
        text_of(answer, "alert").get(..8).unwrap_or_default(),
        text_of(answer, "ci"),
    );
    let how = text_of(answer, "how");
    match is(answer, "joined") {
        true => out.push_str(&format!(
            "ANSWER   it is in {}: {how}\n",
            text_of(answer, "incident")
        )),
        false => {
            out.push_str(&format!(
                "ANSWER   not in {}: {}\n",
                text_of(answer, "incident"),
                text_of(answer, "text")
            ));
            if !how.is_empty() {
                out.push_str(&format!("INSTEAD  in {}: {how}\n", text_of(answer, "in")));
            }
            let note = text_of(answer, "note");
            out.push_str(&format!(
                "JUDGED   at {}, {}\n",
                text_of(answer, "judged_at"),
                note.strip_prefix("judged ").unwrap_or(note)
            ));
        }
    }
    out
}
