//! Hours of service: moments only. Time zones, weekdays and holidays are expanded before they come here.

use super::Engine;
use crate::model::Millis;
use crate::record::HoursV1;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Calendars kept.
const MAX_CALENDARS: usize = 1000;
/// Spans kept of one.
const MAX_SPANS: usize = 1000;

/// Hours that ended so long ago are not asked for any more.
const LATELY: Millis = Millis::mins(24 * 60);

/// Hours of service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hours {
    /// When there is service, in order.
    pub spans: Vec<(Millis, Millis)>,
    /// Nothing is known of what comes later.
    pub until: Millis,
}

impl Hours {
    /// When there is service next; `None`: now, or nothing is known.
    pub fn next(&self, at: Millis) -> Option<Millis> {
        if at >= self.until {
            return None;
        }
        match self.spans.iter().find(|(_, to)| *to > at) {
            Some((from, _)) if *from <= at => None,
            Some((from, _)) => Some(*from),
            None => Some(self.until),
        }
    }
}

impl Engine {
    pub(super) fn hours(&mut self, record: &HoursV1) {
        let name: Arc<str> = record.name.as_str().into();
        if record.spans.is_empty() {
            self.state.hours.remove(&name);
            return self.touch_held_back();
        }
        if self.state.hours.len() >= MAX_CALENDARS && !self.state.hours.contains_key(&name) {
            let text = format!("calendar {name:?} left out: {MAX_CALENDARS} are the limit");
            return self.warn(None, text);
        }
        // What is told is what comes. What began shortly before the end of service may still be held.
        let at = self.state.at;
        let old = self.state.hours.get(&name).map(|known| &known.spans);
        let past = old.into_iter().flatten().copied();
        let past = past.filter(|(_, to)| *to <= at && at.since(*to) < LATELY);
        let spans = record.spans.iter().map(|s| (s.from, s.to));
        let begin = record.spans.first().map_or(at, |s| s.from);
        let hours = Hours {
            spans: past
                .filter(|(_, to)| *to < begin)
                .chain(spans)
                .take(MAX_SPANS)
                .collect(),
            until: record.until,
        };
        self.state.hours.insert(name, hours);
        self.touch_held_back();
    }
}
