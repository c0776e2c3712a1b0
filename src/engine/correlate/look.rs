//! A look at an incident: what came of what an entry did to it. First its root, then its priority and whether it wants a
//! ticket, then its explanation, then what people and the tool hear of it; of a vast incident in an entry each.

use crate::engine::Engine;
use crate::engine::state::Timer;
use crate::model::IncidentId;

impl Engine {
    /// Looks once at every incident that an entry touched, the most urgent first: root, priority, hold, ticket.
    pub(in crate::engine) fn look_at_touched(&mut self) {
        // Looking may touch others (a merge told in two tickets); each round is about fewer incidents.
        for _ in 0..8 {
            let touched = std::mem::take(&mut self.touched);
            let mut looked_at = std::mem::take(&mut self.grew);
            looked_at.extend(&touched);
            if looked_at.is_empty() {
                return;
            }
            self.know_windows();
            let priority = |id: &IncidentId| self.state.incidents.get(id).map(|i| i.priority);
            let mut looked_at: Vec<IncidentId> = looked_at.into_iter().collect();
            looked_at.sort_by_key(|id| (priority(id), *id));
            for id in looked_at {
                if self.may_look(id, !touched.contains(&id)) {
                    self.look_at(id);
                }
            }
        }
    }

    fn look_at(&mut self, id: IncidentId) {
        let lives = self.lives(id);
        if lives {
            self.know_about(id);
            self.choose_root(id);
        }
        if self.tells_later(id) {
            let next = match lives {
                true => Timer::Judge(id),
                false => Timer::Explain(id),
            };
            self.set_timer(self.state.at, next);
        } else {
            if lives {
                self.judge(id);
            }
            self.keep_why(id);
            self.tell(id);
        }
        self.unsee();
    }

    fn lives(&self, id: IncidentId) -> bool {
        let known = self.state.incidents.get(&id);
        known.is_some_and(|i| i.state.lives())
    }

    /// What comes of the root and the alerts of a live incident.
    fn judge(&mut self, id: IncidentId) {
        self.see(id);
        self.judge_hold(id);
        self.want_ticket(id);
        self.see(id);
        self.tell_severe(id);
        self.tell_flaps(id);
    }

    /// What people and the tool hear of an incident.
    fn tell(&mut self, id: IncidentId) {
        self.write_notes(id);
        self.inform(id);
        self.pump(id);
        self.remember(id);
    }

    /// The second entry of a look at a vast incident.
    pub(in crate::engine) fn judge_due(&mut self, id: IncidentId) {
        self.know_windows();
        if self.lives(id) {
            self.judge(id);
        }
        self.unsee();
        self.set_timer(self.state.at, Timer::Explain(id));
    }

    /// The third.
    pub(in crate::engine) fn explain_due(&mut self, id: IncidentId) {
        self.know_windows();
        self.see(id);
        self.keep_why(id);
        self.unsee();
        self.set_timer(self.state.at, Timer::Write(id));
    }

    /// The fourth.
    pub(in crate::engine) fn write_due(&mut self, id: IncidentId) {
        self.know_windows();
        self.see(id);
        self.tell(id);
        self.unsee();
    }
}
