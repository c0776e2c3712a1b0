//! Commands of people to the running daemon.

use super::{Admin, ask, print};
use clap::Subcommand;
use serde_json::{Map, Value, json};

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Take alerts out of an incident, into one of their own; they stay there.
    Split {
        /// I000123
        id: String,
        #[command(flatten)]
        named: Named,
        #[command(flatten)]
        who: Who,
    },
    /// Move alerts of an incident to another one; they stay there.
    Move {
        /// I000123
        id: String,
        /// Where they go: I000124
        #[arg(long)]
        to: String,
        #[command(flatten)]
        named: Named,
        #[command(flatten)]
        who: Who,
    },
    /// Make two incidents one; the older ticket goes on.
    Merge {
        /// I000123
        id: String,
        /// I000124
        other: String,
        #[command(flatten)]
        who: Who,
    },
    /// Say what the root cause of an incident is.
    Cause {
        /// I000123
        id: String,
        /// Name or id of the CI, or unknown.
        ci: String,
        #[command(flatten)]
        who: Who,
    },
    /// Never let two incidents become one.
    KeepApart {
        /// I000123
        id: String,
        /// I000124
        other: String,
        #[command(flatten)]
        who: Who,
    },
    /// Take an incident.
    Acknowledge {
        /// I000123
        id: String,
        #[command(flatten)]
        who: Who,
    },
    /// End an incident, though its alerts may still fire.
    Resolve {
        /// I000123
        id: String,
        #[command(flatten)]
        who: Who,
    },
    /// Let an incident have a ticket in spite of its suppression.
    Promote {
        /// I000123
        id: String,
        #[command(flatten)]
        who: Who,
    },
    /// No notes and no reopening for a while.
    Quiet {
        /// I000123
        id: String,
        /// For how long: 2h, 30m; 0s ends it.
        #[arg(long = "for", value_name = "SPAN")]
        span: String,
        #[command(flatten)]
        who: Who,
    },
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = true)]
pub(super) struct Named {
    /// Fingerprints of alerts, or their first digits, as explain shows them.
    #[arg(long, num_args = 1.., value_name = "FINGERPRINT")]
    alert: Vec<String>,
    /// Names or ids of CIs: all alerts of the incident there.
    #[arg(long, num_args = 1.., value_name = "NAME")]
    ci: Vec<String>,
}

#[derive(Debug, clap::Args)]
pub(super) struct Who {
    /// Your name; it is written beside your user id.
    #[arg(long)]
    pub(super) by: Option<String>,
    #[command(flatten)]
    pub(super) admin: Admin,
}

pub(super) fn run(verb: Verb) -> Result<(), String> {
    let lists = |named: Named| json!({ "alerts": named.alert, "cis": named.ci });
    let (word, id, body, who) = match verb {
        Verb::Split { id, named, who } => ("split", id, lists(named), who),
        Verb::Move { id, to, named, who } => {
            let mut body = lists(named);
            if let Some(body) = body.as_object_mut() {
                body.insert("to".to_owned(), Value::from(to));
            }
            ("move", id, body, who)
        }
        Verb::Merge { id, other, who } => ("merge", id, json!({ "with": other }), who),
        Verb::Cause { id, ci, who } => ("cause", id, json!({ "ci": ci }), who),
        Verb::KeepApart { id, other, who } => ("keep-apart", id, json!({ "from": other }), who),
        Verb::Acknowledge { id, who } => ("acknowledge", id, json!({}), who),
        Verb::Resolve { id, who } => ("resolve", id, json!({}), who),
        Verb::Promote { id, who } => ("promote", id, json!({}), who),
        Verb::Quiet { id, span, who } => ("quiet", id, json!({ "for": span }), who),
    };
    // The id is part of a path: what is none never gets that far.
    let id: crate::model::IncidentId = id.parse()?;
    let mut body: Map<String, Value> = body.as_object().cloned().unwrap_or_default();
    body.extend(who.by.map(|by| ("by".to_owned(), Value::from(by))));
    let path = format!("v1/incidents/{id}/{word}");
    let answer = ask::post(&who.admin.admin, &path, &Value::from(body))?;
    let text = answer.get("text").and_then(Value::as_str);
    print(&format!("{}\n", text.unwrap_or_default()));
    print(&ask::list(&answer));
    Ok(())
}
