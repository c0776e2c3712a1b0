//! What every fake tool remembers, whatever it speaks: tickets, who changed them, and its bad habits.

use correlated::itsm::TicketState;
use correlated::model::Millis;

/// Our own account, a person, and a rule of the tool.
pub const US: &str = "alertd";
pub const PERSON: &str = "anna";
pub const RULE: &str = "system";

/// Base of links to our pages.
pub const LINK_BASE: &str = "https://correlated.example.net";

#[derive(Clone, Debug)]
pub struct Ticket {
    /// From 1, without gaps.
    pub number: usize,
    /// The correlation key as the tool keeps it; empty if it dropped it.
    pub key: String,
    /// The key that was asked for.
    pub asked: String,
    pub title: String,
    pub text: String,
    pub state: TicketState,
    pub by: String,
    /// Everybody who changed it, the latest last.
    pub hands: Vec<String>,
    /// Who changed its state last.
    pub turned: String,
    pub owner: String,
    pub group: String,
    pub notes: Vec<String>,
    /// What its links beside the text lead to.
    pub links: Vec<String>,
    /// The tickets that it is linked to, by their numbers; not those that are linked to it.
    pub ties: Vec<usize>,
    /// How often a link of it was asked for.
    pub tied: usize,
    pub born: Millis,
    /// When it was last changed.
    pub changed: Millis,
    pub merged_into: Option<usize>,
    pub gone: bool,
    /// Its state as it was turned, by whom, oldest first.
    pub turns: Vec<(String, TicketState)>,
    /// A request of ours came late and changed it.
    pub late: bool,
}

impl Ticket {
    pub fn is_open(&self) -> bool {
        let over = matches!(self.state, TicketState::Resolved | TicketState::Closed);
        !over && !self.gone && self.merged_into.is_none()
    }
    pub fn last(&self) -> &str {
        self.hands.last().unwrap()
    }
    pub fn touched(&self) -> bool {
        self.hands.iter().any(|h| h == PERSON)
    }
}

/// Tickets and habits.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    pub now: Millis,
    pub tickets: Vec<Ticket>,
    /// New tickets are found by a search only this long after they were made.
    pub lag: Millis,
    /// Until then a search ignores what it does not understand, and so answers everything.
    pub ignores_until: Millis,
    /// The field of the key is dropped without a word.
    pub drops_key: bool,
    /// Until then a create with all of our fields is refused.
    pub refuses_until: Millis,
    /// Text is cut and tidied when it is stored.
    pub rewrites: bool,
    /// A rule of the tool gives new tickets to another group.
    pub assigns: bool,
    /// The workflow has no way back from resolved.
    pub no_reopening: bool,
    /// The workflow asks for more than we know before it resolves.
    pub no_resolving: bool,
}

impl Memory {
    pub fn kept(&self, text: &str) -> String {
        if !self.rewrites {
            return text.to_owned();
        }
        let words: Vec<&str> = text.split_whitespace().collect();
        words.join(" ").chars().take(120).collect()
    }

    pub fn refuses(&self) -> bool {
        self.now < self.refuses_until
    }

    pub fn create(&mut self, by: &str, key: &str, title: &str, text: &str) -> usize {
        let number = self.tickets.len() + 1;
        self.tickets.push(Ticket {
            number,
            key: if self.drops_key { "" } else { key }.to_owned(),
            asked: key.to_owned(),
            title: self.kept(title),
            text: self.kept(text),
            state: TicketState::New,
            by: by.to_owned(),
            hands: vec![by.to_owned()],
            turned: String::new(),
            owner: String::new(),
            group: String::new(),
            notes: Vec::new(),
            links: Vec::new(),
            ties: Vec::new(),
            tied: 0,
            born: self.now,
            changed: self.now,
            merged_into: None,
            gone: false,
            turns: Vec::new(),
            late: false,
        });
        if self.assigns {
            let ticket = self.tickets.last_mut().unwrap();
            ticket.group = "another group".into();
            ticket.hands.push(RULE.into());
        }
        number
    }

    /// A ticket that can be read by its number.
    pub fn get(&self, number: &str) -> Option<&Ticket> {
        let at: usize = number.parse().ok()?;
        self.tickets.get(at.checked_sub(1)?).filter(|t| !t.gone)
    }

    pub fn change(&mut self, number: &str, by: &str) -> Option<&mut Ticket> {
        self.get(number)?;
        let at: usize = number.parse().ok()?;
        let ticket = &mut self.tickets[at - 1];
        ticket.hands.push(by.to_owned());
        ticket.changed = self.now;
        Some(ticket)
    }

    /// Links a ticket to another one, once, without a word about the other's state.
    pub fn tie(&mut self, number: &str, other: &str, by: &str) -> bool {
        let Some(to) = self.get(other).map(|t| t.number) else {
            return false;
        };
        let Some(ticket) = self.change(number, by) else {
            return false;
        };
        assert_ne!(ticket.number, to, "linked to itself");
        ticket.tied += 1;
        if !ticket.ties.contains(&to) {
            ticket.ties.push(to);
        }
        true
    }

    /// Takes over a change of state, as far as the workflow allows it.
    pub fn turn(&mut self, number: &str, by: &str, state: TicketState) -> bool {
        let Some(before) = self.get(number).map(|t| t.state) else {
            return false;
        };
        let ends = matches!(state, TicketState::Resolved | TicketState::Closed);
        let back = before == TicketState::Resolved && !ends;
        if before == TicketState::Closed
            || (back && self.no_reopening)
            || (ends && self.no_resolving && by == US)
        {
            return false;
        }
        let ticket = self.change(number, by).unwrap();
        ticket.state = state;
        ticket.turned = by.to_owned();
        ticket.turns.push((by.to_owned(), state));
        true
    }

    /// The tickets that a search by key shows.
    pub fn search(&self, key: &str) -> Vec<&Ticket> {
        let shown =
            |t: &&Ticket| !t.gone && t.merged_into.is_none() && self.now >= t.born.plus(self.lag);
        let all = self.tickets.iter().filter(shown);
        all.filter(|t| self.now < self.ignores_until || t.key == key)
            .collect()
    }

    /// The tickets that changed since a moment in the tool's own form, the newest change first.
    pub fn changed(&self, form: &str, since: &str) -> Vec<&Ticket> {
        let shown = |t: &&Ticket| !t.gone && t.merged_into.is_none();
        let all = self.tickets.iter().filter(shown);
        let mut all: Vec<&Ticket> = all
            .filter(|t| moment(t.changed, form).as_str() >= since)
            .collect();
        all.sort_by_key(|t| (std::cmp::Reverse(t.changed), t.number));
        all
    }
}

/// A moment as a tool tells it.
pub fn moment(at: Millis, form: &str) -> String {
    let at = jiff::Timestamp::from_millisecond(at.0).unwrap();
    at.strftime(form).to_string()
}
