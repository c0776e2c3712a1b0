//! Windows of one CI that overlap, or of which one begins before things had the time to come back from the other, are
//! one stretch of maintenance: what began in the first opens no ticket while the last goes on.

use super::Engine;
use super::maintenance::{SETTLES, Window};
use super::state::{IncidentState, Timer};
use crate::model::{CiId, Millis};
use std::collections::BTreeMap;
use std::sync::Arc;

/// One window, or several that count as one.
#[derive(Clone, Debug)]
pub(super) struct Stretch {
    /// The window that ends last: people read its name.
    pub name: Arc<str>,
    /// From the begin of the first to the end of the last.
    pub window: Window,
    windows: Vec<Arc<str>>,
}

impl Stretch {
    /// Whether a window is part of it.
    pub fn has(&self, name: &str) -> bool {
        self.windows.iter().any(|w| **w == *name)
    }
    /// Begin and end.
    pub fn times(&self) -> (Millis, Millis) {
        (self.window.from, self.window.to)
    }
    /// When what it kept back may open its ticket.
    pub fn settled(&self) -> Millis {
        self.window.to.plus(SETTLES)
    }
}

impl Engine {
    /// The stretches of the windows that begin until a moment, by name. Where some windows of a CI include what needs
    /// it and others do not, the former count for what needs it, and all of them for the CI alone.
    pub(super) fn stretches(&self, begin: Millis) -> Vec<Stretch> {
        let mut of: BTreeMap<CiId, Vec<(&Arc<str>, &Window)>> = BTreeMap::new();
        for (name, window) in self.state.windows.iter().filter(|(_, w)| w.from <= begin) {
            if let Some(ci) = self.ci_meant(&window.ci) {
                of.entry(ci).or_default().push((name, window));
            }
        }
        let mut out = Vec::new();
        for mut windows in of.into_values() {
            windows.sort_by_key(|(name, w)| (w.from, w.to, *name));
            let alone = |s: &Stretch| {
                let of = windows.iter().filter(|(name, _)| s.has(name));
                of.into_iter().any(|(_, w)| !w.include_dependents)
            };
            let with = windows.iter().filter(|(_, w)| w.include_dependents);
            out.extend(joined(with, true));
            let all = joined(windows.iter(), false);
            out.extend(all.into_iter().filter(alone));
        }
        out.sort_by(|a, b| a.name.cmp(&b.name));
        out
    }

    /// Of the stretches with a window, the one that goes on longest.
    pub(super) fn stretch_of(&self, window: &str, begin: Millis) -> Option<Stretch> {
        let all = self.stretches(begin).into_iter();
        let of = all.filter(|s| s.has(window));
        of.max_by_key(|s| (s.window.to, s.window.include_dependents))
    }

    /// Windows that are over are forgotten, but for those after which another one goes on and in which something began
    /// that has no ticket yet.
    pub(super) fn forget_windows(&mut self) {
        let at = self.state.at;
        let all = self.state.windows.iter();
        let over = all.filter(|(_, w)| w.to.plus(SETTLES) <= at);
        let over: Vec<(Arc<str>, Millis)> = over.map(|(name, w)| (name.clone(), w.to)).collect();
        for (name, to) in &over {
            let last = self.stretch_of(name, Millis(i64::MAX));
            let goes_on = last.map(|s| s.settled()).filter(|until| *until > at);
            match goes_on.filter(|_| self.something_began(to.plus(SETTLES))) {
                Some(until) => self.set_timer(until, Timer::Window(name.clone())),
                None => {
                    self.state.windows.remove(name);
                    self.place_again_after(name);
                }
            }
        }
        if !over.is_empty() {
            self.touch_held_back();
        }
    }

    /// Whether something that a window may keep back began until then and fires.
    fn something_began(&self, until: Millis) -> bool {
        let began = |a: &_| {
            let alert = self.state.alerts.get(a);
            alert.is_some_and(|a| a.live() && a.started <= until)
        };
        let mut incidents = self.state.incidents.values();
        incidents.any(|i| {
            let held = i.maintenance.is_some() || i.state == IncidentState::Pending;
            i.state.lives() && i.opened.is_none() && held && i.members.keys().any(began)
        })
    }
}

/// Windows of one CI, in order, as stretches.
fn joined<'a>(
    windows: impl Iterator<Item = &'a (&'a Arc<str>, &'a Window)>,
    include_dependents: bool,
) -> Vec<Stretch> {
    let mut out: Vec<Stretch> = Vec::new();
    for (name, window) in windows {
        match out.last_mut().filter(|s| window.from <= s.settled()) {
            Some(stretch) => {
                stretch.windows.push((*name).clone());
                if window.to > stretch.window.to {
                    stretch.window.to = window.to;
                    stretch.name = (*name).clone();
                }
            }
            None => out.push(Stretch {
                name: (*name).clone(),
                window: Window {
                    include_dependents,
                    ..(*window).clone()
                },
                windows: vec![(*name).clone()],
            }),
        }
    }
    out
}
