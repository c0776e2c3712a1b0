//! What became of it, in a few lines.

use super::acted::Idle;
use super::player::Player;
use super::story::Story;
use super::taken::Count;
use super::warnings;
use crate::cli::several;
use crate::model::IncidentId;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// The numbers of a replay.
pub(super) struct Summary {
    events: usize,
    refused: u64,
    alerts: usize,
    incidents: usize,
    tickets: usize,
    merges: usize,
    merges_ticketed: usize,
    splits: usize,
    moves: usize,
    largest: Option<(IncidentId, usize, String)>,
    took: Duration,
    graph_loads: Option<u64>,
    touched: Option<Count>,
    idle: Idle,
    digest: u64,
    warnings: Vec<String>,
}

impl Summary {
    /// Counts.
    pub(super) fn of(player: &mut Player, took: Duration) -> Summary {
        let touched = player.touched();
        let story = &player.story;
        let count = |op: &str| story.ops.iter().filter(|o| o.op == op).count();
        let mut sizes: BTreeMap<IncidentId, usize> = BTreeMap::new();
        for incident in firings(story).values() {
            let size = sizes.entry(*incident).or_default();
            *size = size.saturating_add(1);
        }
        // The first of the largest.
        let largest = sizes
            .iter()
            .max_by_key(|(id, size)| (**size, std::cmp::Reverse(**id)))
            .map(|(id, size)| {
                let cause = story.incidents.get(id).map(|f| f.cause.clone());
                (*id, *size, cause.unwrap_or_default())
            });
        Summary {
            events: story.events,
            refused: player.refused,
            alerts: story.firings.len(),
            incidents: sizes.len(),
            tickets: count("open"),
            merges: count("merge").saturating_add(count("merge_ticketed")),
            merges_ticketed: count("merge_ticketed"),
            splits: count("split"),
            moves: count("move"),
            largest,
            took,
            graph_loads: player.graph_loads,
            touched,
            idle: player.acted.idle(),
            digest: player.engine().digest(),
            warnings: player.warnings.clone(),
        }
    }

    /// Events in a second, as far as that can be told.
    fn speed(&self) -> u128 {
        let events = u128::try_from(self.events).unwrap_or(0);
        events.saturating_mul(1000) / self.took.as_millis().max(1)
    }

    /// For people.
    pub(super) fn text(&self) -> String {
        let largest = match &self.largest {
            Some((id, size, cause)) => {
                format!("{id} with {}, cause {cause}", several(*size, "alert"))
            }
            None => "none".to_owned(),
        };
        let graphs = self.graph_loads.map_or_else(String::new, |n| {
            format!("graphs     {n} loaded anew, with a CI more or without it\n")
        });
        let touched = self.touched.map_or_else(String::new, Count::text);
        format!(
            "events     {} ({} refused), {} a second\n\
             alerts     {}\n\
             incidents  {}\n\
             tickets    {}\n\
             merges     {} ({} of two tickets)\n\
             splits     {}, moves {}\n\
             largest    {largest}\n\
             digest     {:016x}\n{graphs}{touched}{}{}",
            self.events,
            self.refused,
            self.speed(),
            self.alerts,
            self.incidents,
            self.tickets,
            self.merges,
            self.merges_ticketed,
            self.splits,
            self.moves,
            self.digest,
            self.idle.text(),
            warnings::text(&self.warnings),
        )
    }

    /// For programs. The speed is the only number that differs from run to run.
    pub(super) fn json(&self) -> Value {
        json!({
            "events": self.events,
            "refused": self.refused,
            "alerts": self.alerts,
            "incidents": self.incidents,
            "tickets": self.tickets,
            "merges": self.merges,
            "merges_ticketed": self.merges_ticketed,
            "splits": self.splits,
            "moves": self.moves,
            "largest": self.largest.as_ref().map(|(id, size, cause)| {
                json!({"incident": id.to_string(), "alerts": size, "cause": cause})
            }),
            "graph_loads": self.graph_loads,
            "touched": self.touched.map(Count::json),
            "digest": format!("{:016x}", self.digest),
            "idle_rules": self.idle.json(),
            "warnings": self.warnings,
            "events_per_second": u64::try_from(self.speed()).unwrap_or(u64::MAX),
        })
    }
}

/// Where each firing ended up.
pub(super) fn firings(story: &Story) -> BTreeMap<&str, IncidentId> {
    let all = story.firings.keys();
    all.filter_map(|id| Some((id.as_str(), story.end_of(*story.assign.get(id)?))))
        .collect()
}
