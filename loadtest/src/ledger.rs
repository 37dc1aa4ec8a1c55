//! The books of a run, kept from replies alone: what the server said it did, and whether that can be.
//!
//! Replies on different streams overtake each other, so agents' loads are added up at the end in the order of the
//! sequence numbers that the replies carry.

use std::time::Instant;

use usher_proto::v1 as pb;

use crate::Size;
use crate::scene;

/// Faults shown; the rest are counted.
const SHOWN: usize = 10;

/// One contact.
struct Page {
    begun: Instant,
    created: bool,
    agent: Option<u32>,
    accepted: u8,
    ended: u8,
}

/// A change of an agent's load.
struct Change {
    sequence: u64,
    contact: usize,
    /// Who took the contact; None when it ended and left whoever had it.
    taker: Option<u32>,
}

/// What the replies said.
pub struct Ledger {
    size: Size,
    run: u32,
    pages: Vec<Page>,
    changes: Vec<Change>,
    faults: Vec<String>,
    fault_count: u64,
}

/// What the books come to.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Balance {
    /// Contacts the server said it created.
    pub created: u64,
    /// Contacts the server said it closed as COMPLETED.
    pub completed: u64,
    /// The most contacts one agent had at once, and had room for, by unary calls.
    pub peak_unary: (i32, u32),
    /// The same in sessions.
    pub peak_streams: (i32, u32),
    /// What cannot be.
    pub fault_count: u64,
    /// The first of them.
    pub faults: Vec<String>,
}

impl Ledger {
    /// Empty books.
    pub fn new(size: Size, run: u32) -> Ledger {
        Ledger { size, run, pages: Vec::new(), changes: Vec::new(), faults: Vec::new(), fault_count: 0 }
    }

    /// Opens a page for a contact that is about to be created.
    pub fn open(&mut self) -> usize {
        self.pages.push(Page { begun: Instant::now(), created: false, agent: None, accepted: 0, ended: 0 });
        self.pages.len() - 1
    }

    /// The id of a contact.
    pub fn id(&self, contact: usize) -> String {
        scene::contact_id(self.run, contact)
    }

    /// When a contact's page was opened.
    pub fn begun(&self, contact: usize) -> Instant {
        self.pages[contact].begun
    }

    /// Notes something that cannot be.
    pub fn fault(&mut self, text: impl FnOnce() -> String) {
        self.fault_count += 1;
        if self.faults.len() < SHOWN {
            self.faults.push(text());
        }
    }

    /// The server said that it created a contact.
    pub fn created(&mut self, contact: usize, answer: &pb::CreateContactResponse) {
        let page = &mut self.pages[contact];
        let again = std::mem::replace(&mut page.created, true);
        let state = answer.contact.as_ref().map_or(pb::ContactState::Unspecified, pb::Contact::state);
        let known = matches!(
            state,
            pb::ContactState::Queued
                | pb::ContactState::Offered
                | pb::ContactState::Assigned
                | pb::ContactState::Connected
        );
        if again || !known || !self.is_about(contact, answer.contact.as_ref()) {
            self.fault(|| format!("contact {contact} was answered {state:?} on creation (again: {again})"));
        }
    }

    /// The server said that an agent has a contact.
    pub fn accepted(&mut self, contact: usize, agent_id: &str, answer: Option<&pb::Contact>, sequence: u64) {
        let Some(agent) = scene::agent_number(agent_id, &self.size) else {
            return self.fault(|| format!("contact {contact} went to {agent_id:?}, whom nobody knows"));
        };
        let page = &mut self.pages[contact];
        page.accepted = page.accepted.saturating_add(1);
        if let Some(other) = page.agent.replace(agent) {
            self.fault(|| format!("contact {contact} went to agent {other} and to agent {agent}"));
        }
        if !self.is_about(contact, answer) {
            self.fault(|| format!("the acceptance of contact {contact} was answered with another contact"));
        }
        self.changes.push(Change { sequence, contact, taker: Some(agent) });
    }

    /// The server answered the completion of a contact.
    pub fn completed(&mut self, contact: usize, answer: Option<&pb::Contact>, sequence: u64) {
        let (state, outcome) = answer.map_or_else(Default::default, |answer| (answer.state(), answer.outcome()));
        if state != pb::ContactState::Closed || outcome != pb::Outcome::Completed || !self.is_about(contact, answer) {
            return self.fault(|| format!("the completion of contact {contact} was answered {state:?}, {outcome:?}"));
        }
        let page = &mut self.pages[contact];
        page.ended = page.ended.saturating_add(1);
        // Whose it was may not have been heard yet; the balance looks it up.
        self.changes.push(Change { sequence, contact, taker: None });
    }

    fn is_about(&self, contact: usize, answer: Option<&pb::Contact>) -> bool {
        answer.is_some_and(|answer| scene::contact_number(&answer.contact_id) == Some(contact))
    }

    /// Closes the books.
    pub fn balance(mut self) -> Balance {
        let pages = std::mem::take(&mut self.pages);
        let (mut created, mut completed) = (0, 0);
        for (contact, page) in pages.iter().enumerate().filter(|(_, page)| page.created) {
            created += 1;
            completed += u64::from(page.ended > 0);
            if page.accepted != 1 || page.ended != 1 {
                let (accepted, ended) = (page.accepted, page.ended);
                self.fault(|| format!("contact {contact} was accepted {accepted} times and completed {ended} times"));
            }
        }
        let peaks = self.peaks(&pages);
        let agents = self.size.agents as usize;
        let peak = |range: std::ops::Range<usize>| peaks[range].iter().copied().max().unwrap_or_default();
        Balance {
            created,
            completed,
            peak_unary: (peak(0..agents), scene::ROOM),
            peak_streams: (peak(agents..2 * agents), scene::stream_room(&self.size)),
            fault_count: self.fault_count,
            faults: self.faults,
        }
    }

    /// The most each agent had in hand, in the order the server did things.
    fn peaks(&mut self, pages: &[Page]) -> Vec<i32> {
        let mut changes = std::mem::take(&mut self.changes);
        changes.sort_by_key(|change| change.sequence);
        let agents = 2 * self.size.agents as usize;
        let (mut loads, mut peaks) = (vec![0_i32; agents], vec![0_i32; agents]);
        for change in changes {
            let agent = change.taker.or(pages[change.contact].agent);
            let Some(agent) = agent.map(|agent| agent as usize) else { continue };
            loads[agent] += if change.taker.is_some() { 1 } else { -1 };
            peaks[agent] = peaks[agent].max(loads[agent]);
            if loads[agent] < 0 {
                self.fault(|| format!("agent {agent} lost a contact before he had it"));
            }
        }
        for (agent, peak) in peaks.iter().enumerate() {
            let unary = agent < self.size.agents as usize;
            let room = if unary { scene::ROOM } else { scene::stream_room(&self.size) };
            if *peak > room as i32 {
                self.fault(|| format!("agent {agent} had {peak} contacts and room for {room}"));
            }
        }
        peaks
    }
}
