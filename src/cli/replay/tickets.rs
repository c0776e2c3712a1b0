//! Tickets of two plays of one tape: how many each side opened, in terms that add up, and what differs of those
//! that both have.

use super::story::{Facts, Story};
use crate::model::IncidentId;
use serde_json::{Value, json};
use std::cmp::Ordering;

/// What one side opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Side {
    all: usize,
    /// Of incidents that were merged into others later: at the end they stand for nothing of their own.
    merged: usize,
    /// Of incidents that have no alert of the tape at the end.
    bare: usize,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Tickets {
    before: Side,
    after: Side,
    /// Of pairs of incidents that have one on both sides: opened later, opened earlier, given to another group.
    later: usize,
    earlier: usize,
    other_group: usize,
}

fn side(story: &Story, has_alerts: impl Fn(&IncidentId) -> bool) -> Side {
    let mut out = Side::default();
    for (id, facts) in story.incidents.iter().filter(|(_, f)| has_ticket(f)) {
        out.all = out.all.saturating_add(1);
        match (has_alerts(id), facts.merged_into) {
            (true, _) => {}
            (false, Some(_)) => out.merged = out.merged.saturating_add(1),
            (false, None) => out.bare = out.bare.saturating_add(1),
        }
    }
    out
}

fn has_ticket(facts: &Facts) -> bool {
    facts.ticket_at.is_some()
}

/// A term that makes the sum right: what one side has of a sort and the other has not.
fn more(before: usize, after: usize, what: &str) -> String {
    match after.cmp(&before) {
        Ordering::Equal => String::new(),
        Ordering::Greater => format!(", {} more {what}", after.saturating_sub(before)),
        Ordering::Less => format!(", {} fewer {what}", before.saturating_sub(after)),
    }
}

impl Tickets {
    /// Counts what each side opened; at the end these incidents have alerts of the tape.
    pub(super) fn of(
        (a, has_a): (&Story, impl Fn(&IncidentId) -> bool),
        (b, has_b): (&Story, impl Fn(&IncidentId) -> bool),
    ) -> Tickets {
        Tickets {
            before: side(a, has_a),
            after: side(b, has_b),
            ..Tickets::default()
        }
    }

    /// Two incidents are a pair.
    pub(super) fn pair(&mut self, before: Option<&Facts>, after: Option<&Facts>) {
        let Some((before, after)) = before.zip(after) else {
            return;
        };
        let Some((x, y)) = before.ticket_at.zip(after.ticket_at) else {
            return;
        };
        match y.cmp(&x) {
            Ordering::Greater => self.later = self.later.saturating_add(1),
            Ordering::Less => self.earlier = self.earlier.saturating_add(1),
            Ordering::Equal => {}
        }
        let mut groups = before.groups.iter();
        if groups.any(|(target, group)| after.groups.get(target).is_some_and(|g| g != group)) {
            self.other_group = self.other_group.saturating_add(1);
        }
    }

    /// Whether both sides did the same.
    pub(super) fn same(&self) -> bool {
        self.before == self.after && self.later == 0 && self.earlier == 0 && self.other_group == 0
    }

    /// For people; with what was saved and added before the sums are equal.
    pub(super) fn text(&self, saved: usize, added: usize) -> String {
        let (x, y) = (self.before, self.after);
        let merged = more(x.merged, y.merged, "of incidents that were merged later");
        let bare = more(x.bare, y.bare, "of incidents without an alert of the tape");
        let mut out = format!(
            "tickets    {} before, {} after: {saved} saved, {added} added{merged}{bare}\n",
            x.all, y.all
        );
        if self.later > 0 || self.earlier > 0 {
            let (later, earlier) = (self.later, self.earlier);
            out.push_str(&format!("tickets later: {later}, earlier: {earlier}\n"));
        }
        if self.other_group > 0 {
            out.push_str(&format!("other group: {}\n", self.other_group));
        }
        out
    }

    /// For programs. `after` is `before` - `saved` + `added` and what `merged` and `without_alerts` have more.
    pub(super) fn json(&self, saved: usize, added: usize) -> Value {
        let (x, y) = (self.before, self.after);
        json!({
            "before": x.all,
            "after": y.all,
            "saved": saved,
            "added": added,
            "merged": {"before": x.merged, "after": y.merged},
            "without_alerts": {"before": x.bare, "after": y.bare},
            "later": self.later,
            "earlier": self.earlier,
            "other_group": self.other_group,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Millis;

    #[test]
    fn the_terms_add_up() {
        let story = |incidents: &[(u64, Option<u64>)]| {
            let mut story = Story::default();
            for (id, into) in incidents {
                let facts = Facts {
                    ticket_at: Some(Millis(1)),
                    merged_into: into.map(IncidentId),
                    ..Facts::default()
                };
                story.incidents.insert(IncidentId(*id), facts);
            }
            story
        };
        // 1 is on both sides. After, 2 and 3 became part of it, 4 is new, and 5 has no alert.
        let before = story(&[(1, None), (2, None)]);
        let after = story(&[(1, None), (2, Some(1)), (3, Some(1)), (4, None), (5, None)]);
        let with_alerts = |all: &'static [u64]| move |id: &IncidentId| all.contains(&id.0);
        let tickets = Tickets::of(
            (&before, with_alerts(&[1, 2])),
            (&after, with_alerts(&[1, 4])),
        );
        let text = "tickets    2 before, 5 after: 1 saved, 1 added, 2 more of incidents that were merged later, 1 more of incidents without an alert of the tape\n";
        assert_eq!(tickets.text(1, 1), text);
        assert!(!tickets.same());
    }
}
