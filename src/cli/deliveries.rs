//! What waits to be written to tickets: the list, and trying it again.

use super::hands::Who;
use super::{Admin, ask, print};
use crate::model::IncidentId;
use clap::Subcommand;
use serde_json::{Map, Value};

#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Options {
    #[command(subcommand)]
    what: Option<What>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    admin: Admin,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Try now what a tool refused, or what waits after failures.
    Retry {
        #[command(flatten)]
        meant: Meant,
        #[command(flatten)]
        who: Who,
    },
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct Meant {
    /// Of this incident: I000123
    id: Option<String>,
    /// Of every incident, at this target.
    #[arg(long, value_name = "NAME")]
    target: Option<String>,
    /// Everything.
    #[arg(long)]
    all: bool,
}

pub(super) fn run(options: Options) -> Result<(), String> {
    match options.what {
        None => list(&options.admin.admin, options.json),
        Some(What::Retry { meant, who }) => retry(meant, who),
    }
}

fn retry(meant: Meant, who: Who) -> Result<(), String> {
    let mut body = Map::new();
    if let Some(id) = meant.id {
        let id: IncidentId = id.parse()?;
        body.insert("incident".to_owned(), Value::from(id.to_string()));
    }
    body.extend(meant.target.map(|t| ("target".to_owned(), Value::from(t))));
    if meant.all {
        body.insert("all".to_owned(), Value::from(true));
    }
    body.extend(who.by.map(|by| ("by".to_owned(), Value::from(by))));
    let answer = ask::post(&who.admin.admin, "v1/deliveries/retry", &Value::from(body))?;
    print(&format!("{}\n", ask::text_of(&answer, "text")));
    Ok(())
}

fn list(socket: &str, json: bool) -> Result<(), String> {
    let answer = ask::fetch(socket, "v1/deliveries")?;
    if json {
        print(&format!("{answer:#}\n"));
        return Ok(());
    }
    let answer = ask::shown(&answer);
    let rows = answer.get("deliveries").and_then(Value::as_array);
    let rows: Vec<&Value> = rows.into_iter().flatten().collect();
    if rows.is_empty() {
        print("nothing waits to be delivered\n");
        return Ok(());
    }
    print(&rows.into_iter().map(line).collect::<String>());
    if answer.get("truncated") == Some(&Value::Bool(true)) {
        print("and more\n");
    }
    Ok(())
}

fn line(row: &Value) -> String {
    let ticket = match ask::text_of(row, "ticket") {
        "" => "no ticket yet".to_owned(),
        ticket => format!("ticket {ticket}"),
    };
    let mut out = format!(
        "{}  {}  {}  {ticket}  {}: {}",
        ask::text_of(row, "incident"),
        ask::text_of(row, "priority"),
        ask::text_of(row, "target"),
        ask::text_of(row, "step"),
        ask::text_of(row, "state"),
    );
    if let Some(until) = row.get("until").and_then(Value::as_str) {
        out.push_str(&format!(" until {until}"));
    }
    match ask::text_of(row, "why") {
        "" => {}
        why => out.push_str(&format!(": {why}")),
    }
    match ask::number(row, "attempts") {
        0 => {}
        1 => out.push_str(" (failed once)"),
        n => out.push_str(&format!(" (failed {n} times in a row)")),
    }
    out.push('\n');
    out
}
