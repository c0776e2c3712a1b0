//! What another configuration or another CMDB would have made of the same events.
//!
//! The unit is a firing of an alert, known by its first event. Incidents of both sides are paired by the
//! firings that they share: the largest overlap first, then the lower numbers.

use super::story::{Facts, Story};
use super::tickets::Tickets;
use super::warnings;
use crate::cli::several;
use crate::model::IncidentId;
use serde_json::{Number, Value, json};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

/// Lines of one kind in the text; JSON has all.
const LISTED: usize = 20;

/// An incident of one side, for people.
struct Shown {
    id: IncidentId,
    cause: String,
    priority: String,
    alerts: usize,
    ticket: bool,
}

/// What differs.
pub(super) struct Diff {
    alerts: usize,
    /// In thousandths; 1000 is the same grouping.
    agreement: i64,
    tickets: Tickets,
    new: Vec<Shown>,
    gone: Vec<Shown>,
    split: Vec<(IncidentId, Shown)>,
    merged: Vec<(Shown, IncidentId)>,
    moved: Vec<(String, String, Option<IncidentId>, Option<IncidentId>)>,
    roots: Vec<(Shown, Shown)>,
    priorities: Vec<(Shown, Shown)>,
    saved: Vec<Shown>,
    added: Vec<Shown>,
    /// What people should know of the tape.
    pub(super) warnings: Vec<String>,
}

type Sides = BTreeMap<IncidentId, BTreeSet<String>>;

fn shown(story: &Story, sides: &Sides, id: IncidentId) -> Shown {
    let none = Facts::default();
    let facts = story.incidents.get(&id).unwrap_or(&none);
    Shown {
        id,
        cause: facts.cause.clone(),
        priority: facts.priority.map(|p| p.word()).unwrap_or_default().into(),
        alerts: sides.get(&id).map_or(0, BTreeSet::len),
        ticket: facts.ticket_at.is_some(),
    }
}

/// Compares two stories of the same events.
pub(super) fn diff(a: &Story, b: &Story) -> Diff {
    let units: BTreeSet<&String> = a.firings.keys().chain(b.firings.keys()).collect();
    let place = |story: &Story, unit: &str| story.assign.get(unit).map(|i| story.end_of(*i));
    let (mut sides_a, mut sides_b) = (Sides::new(), Sides::new());
    let mut shared: BTreeMap<(IncidentId, IncidentId), usize> = BTreeMap::new();
    let mut places: Vec<(&String, Option<IncidentId>, Option<IncidentId>)> = Vec::new();
    for unit in units {
        let (x, y) = (place(a, unit), place(b, unit));
        for (sides, at) in [(&mut sides_a, x), (&mut sides_b, y)] {
            if let Some(at) = at {
                sides.entry(at).or_default().insert(unit.clone());
            }
        }
        if let Some(pair) = x.zip(y) {
            let count = shared.entry(pair).or_default();
            *count = count.saturating_add(1);
        }
        places.push((unit, x, y));
    }
    // Pairs: the largest overlap first.
    let mut order: Vec<_> = shared
        .iter()
        .map(|((x, y), n)| (Reverse(*n), *x, *y))
        .collect();
    order.sort();
    let (mut to, mut from) = (BTreeMap::new(), BTreeMap::new());
    for (_, x, y) in &order {
        if !to.contains_key(x) && !from.contains_key(y) {
            to.insert(*x, *y);
            from.insert(*y, *x);
        }
    }
    let in_a = |id: IncidentId| shown(a, &sides_a, id);
    let in_b = |id: IncidentId| shown(b, &sides_b, id);
    let mut out = Diff {
        alerts: places.len(),
        agreement: agreement(&places),
        tickets: Tickets::of(
            (a, |id| sides_a.contains_key(id)),
            (b, |id| sides_b.contains_key(id)),
        ),
        new: Vec::new(),
        gone: Vec::new(),
        split: Vec::new(),
        merged: Vec::new(),
        moved: Vec::new(),
        roots: Vec::new(),
        priorities: Vec::new(),
        saved: Vec::new(),
        added: Vec::new(),
        warnings: Vec::new(),
    };
    for x in sides_a.keys() {
        let before = in_a(*x);
        let Some(y) = to.get(x) else {
            // Its largest part went into an incident that is paired with another.
            let into = order.iter().find(|(_, i, _)| i == x).map(|(_, _, y)| *y);
            if before.ticket {
                out.saved.push(in_a(*x));
            }
            match into {
                Some(y) => out.merged.push((before, y)),
                None => out.gone.push(before),
            }
            continue;
        };
        let after = in_b(*y);
        match (before.ticket, after.ticket) {
            (true, false) => out.saved.push(in_a(*x)),
            (false, true) => out.added.push(in_b(*y)),
            (true, true) | (false, false) => {}
        }
        out.tickets.pair(a.incidents.get(x), b.incidents.get(y));
        let root = |story: &Story, id: &IncidentId| {
            let facts = story.incidents.get(id);
            facts.and_then(|f| f.roots.first().cloned())
        };
        if root(a, x) != root(b, y) {
            out.roots.push((in_a(*x), in_b(*y)));
        }
        if before.priority != after.priority {
            out.priorities.push((before, after));
        }
    }
    for y in sides_b.keys().filter(|y| !from.contains_key(y)) {
        let after = in_b(*y);
        if after.ticket {
            out.added.push(in_b(*y));
        }
        match order.iter().find(|(_, _, i)| i == y) {
            Some((_, x, _)) => out.split.push((*x, after)),
            None => out.new.push(after),
        }
    }
    for (unit, x, y) in places {
        let stays = x.and_then(|x| to.get(&x).copied()) == y;
        if !stays {
            let text = a.firings.get(unit).or_else(|| b.firings.get(unit));
            let text = text.cloned().unwrap_or_default();
            out.moved.push((unit.clone(), text, x, y));
        }
    }
    out
}

/// The adjusted Rand index of two groupings, in thousandths. What is in no incident is alone.
fn agreement(places: &[(&String, Option<IncidentId>, Option<IncidentId>)]) -> i64 {
    let pairs = |n: i128| n.saturating_mul(n.saturating_sub(1)) / 2;
    let mut both: BTreeMap<(IncidentId, IncidentId), i128> = BTreeMap::new();
    let (mut left, mut right) = (BTreeMap::new(), BTreeMap::new());
    let mut all = 0i128;
    for (_, x, y) in places {
        all = all.saturating_add(1);
        if let Some(x) = x {
            *left.entry(*x).or_insert(0i128) += 1;
        }
        if let Some(y) = y {
            *right.entry(*y).or_insert(0i128) += 1;
        }
        if let Some(pair) = x.zip(*y) {
            *both.entry(pair).or_insert(0) += 1;
        }
    }
    let sum = |counts: &mut dyn Iterator<Item = i128>| counts.map(pairs).sum::<i128>();
    let together = sum(&mut both.into_values());
    let (a, b) = (sum(&mut left.into_values()), sum(&mut right.into_values()));
    let total = pairs(all);
    // index = (together - a*b/total) / ((a+b)/2 - a*b/total), both sides times 2*total.
    let above = 2 * (together * total - a * b);
    let below = (a + b) * total - 2 * a * b;
    match below {
        0 => 1000,
        below => i64::try_from((above * 1000).div_euclid(below)).unwrap_or(0),
    }
}

impl Shown {
    fn text(&self) -> String {
        let ticket = if self.ticket { "ticket" } else { "no ticket" };
        format!(
            "{} {} {}, {}, {ticket}",
            self.id,
            self.priority,
            self.cause,
            several(self.alerts, "alert")
        )
    }

    fn json(&self) -> Value {
        json!({
            "incident": self.id.to_string(),
            "cause": self.cause,
            "priority": self.priority,
            "alerts": self.alerts,
            "ticket": self.ticket,
        })
    }
}

fn word(id: &Option<IncidentId>) -> String {
    id.map_or_else(|| "no incident".to_owned(), |i| i.to_string())
}

impl Diff {
    /// Whether the other side did the same.
    pub(super) fn is_empty(&self) -> bool {
        let lists = [
            self.new.len(),
            self.gone.len(),
            self.split.len(),
            self.merged.len(),
            self.moved.len(),
            self.roots.len(),
            self.priorities.len(),
            self.saved.len(),
            self.added.len(),
        ];
        lists.iter().all(|n| *n == 0) && self.tickets.same()
    }

    /// For people.
    pub(super) fn text(&self) -> String {
        let mut out = format!(
            "alerts     {}\nagreement  {} (adjusted Rand index; 1.000 is the same grouping)\n{}",
            self.alerts,
            thousandths(self.agreement),
            self.tickets.text(self.saved.len(), self.added.len()),
        );
        let all = |list: &[Shown]| list.iter().map(Shown::text).collect();
        let changes = |list: &[(Shown, Shown)], of: fn(&Shown) -> &str| {
            let line = |(x, y): &(Shown, Shown)| {
                format!("{} is {}: {} instead of {}", x.id, y.id, of(y), of(x))
            };
            list.iter().map(line).collect()
        };
        let split = self.split.iter();
        let merged = self.merged.iter();
        let moved = self.moved.iter();
        let lists: [(&str, Vec<String>); 9] = [
            ("new incidents", all(&self.new)),
            ("incidents gone", all(&self.gone)),
            (
                "split off",
                split
                    .map(|(x, y)| format!("from {x}: {}", y.text()))
                    .collect(),
            ),
            (
                "merged",
                merged
                    .map(|(x, y)| format!("into {y}: {}", x.text()))
                    .collect(),
            ),
            ("root cause changed", changes(&self.roots, |s| &s.cause)),
            (
                "priority changed",
                changes(&self.priorities, |s| &s.priority),
            ),
            ("tickets saved", all(&self.saved)),
            ("tickets added", all(&self.added)),
            (
                "alerts moved",
                moved
                    .map(|(_, text, x, y)| format!("{text}: from {} to {}", word(x), word(y)))
                    .collect(),
            ),
        ];
        for (title, lines) in lists.iter().filter(|(_, lines)| !lines.is_empty()) {
            out.push_str(&format!("{title}: {}\n", lines.len()));
            for line in lines.iter().take(LISTED) {
                out.push_str(&format!("  {line}\n"));
            }
            if lines.len() > LISTED {
                out.push_str(&format!("  and {} more\n", lines.len() - LISTED));
            }
        }
        if self.is_empty() {
            out.push_str("no difference\n");
        }
        out.push_str(&warnings::text(&self.warnings));
        out
    }

    /// For programs.
    pub(super) fn json(&self) -> Value {
        let all = |list: &[Shown]| list.iter().map(Shown::json).collect::<Vec<_>>();
        let pairs = |list: &[(Shown, Shown)]| {
            let pair = |(x, y): &(Shown, Shown)| json!({"before": x.json(), "after": y.json()});
            list.iter().map(pair).collect::<Vec<_>>()
        };
        json!({
            "same": self.is_empty(),
            "alerts": self.alerts,
            "agreement": number(self.agreement),
            "tickets": self.tickets.json(self.saved.len(), self.added.len()),
            "tickets_saved": all(&self.saved),
            "tickets_added": all(&self.added),
            "new": all(&self.new),
            "gone": all(&self.gone),
            "split": self.split.iter().map(|(x, y)| json!({"from": x.to_string(), "after": y.json()})).collect::<Vec<_>>(),
            "merged": self.merged.iter().map(|(x, y)| json!({"before": x.json(), "into": y.to_string()})).collect::<Vec<_>>(),
            "moved": self.moved.iter().map(|(id, text, x, y)| json!({
                "event": id,
                "alert": text,
                "before": x.map(|i| i.to_string()),
                "after": y.map(|i| i.to_string()),
            })).collect::<Vec<_>>(),
            "root_changed": pairs(&self.roots),
            "priority_changed": pairs(&self.priorities),
            "warnings": self.warnings,
        })
    }
}

fn number(thousandth: i64) -> Value {
    let number = thousandths(thousandth).parse().ok();
    let number = number.and_then(Number::from_f64);
    number.map_or(Value::Null, Value::Number)
}

fn thousandths(n: i64) -> String {
    let sign = if n < 0 { "-" } else { "" };
    let n = n.saturating_abs();
    format!("{sign}{}.{:03}", n / 1000, n % 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn story(groups: &[&[&str]]) -> Story {
        let mut story = Story::default();
        for (id, group) in (1..).map(IncidentId).zip(groups) {
            story.incidents.insert(id, Facts::default());
            for unit in *group {
                story.firings.insert((*unit).to_owned(), String::new());
                story.assign.insert((*unit).to_owned(), id);
            }
        }
        story
    }

    /// The figures of the index are those of a computer algebra system.
    #[test]
    fn groupings_are_compared_by_what_they_hold() {
        for (a, b, agreement, split, merged, moved) in [
            (
                &[&["a", "b"][..], &["c"]][..],
                &[&["c"][..], &["a", "b"]][..],
                1000,
                0,
                0,
                0,
            ),
            (&[&["a", "b", "c"]], &[&["a", "b"], &["c"]], 0, 1, 0, 1),
            (&[&["a", "b"], &["c"]], &[&["a", "b", "c"]], 0, 0, 1, 1),
            (
                &[&["a", "b"], &["c", "d"]],
                &[&["a"], &["b", "c", "d"]],
                0,
                0,
                0,
                1,
            ),
            (
                &[&["a", "b", "c"], &["d", "e"]],
                &[&["a", "b"], &["c", "d", "e"]],
                166,
                0,
                0,
                1,
            ),
        ] {
            let found = diff(&story(a), &story(b));
            let got = (
                found.agreement,
                found.split.len(),
                found.merged.len(),
                found.moved.len(),
            );
            assert_eq!(got, (agreement, split, merged, moved), "{a:?} {b:?}");
            assert_eq!(found.is_empty(), moved == 0);
        }
    }
}
