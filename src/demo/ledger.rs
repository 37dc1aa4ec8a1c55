//! The demo's own books of one tenant, kept from what `WatchContacts` and the agents' sessions say and nothing else.
//!
//! Every event is checked against what was heard before: a contact begins and ends once, an offer is open to one agent
//! and ends once, nobody is connected to two agents. At the end the books are compared with the server's.

use std::collections::{BTreeMap, HashMap};

use usher_proto::v1::event::Payload;
use usher_proto::v1::{self as pb, Outcome, QueueExit, Routing};

use crate::engine::policy::Policy;
use crate::engine::tally::Books;

/// Faults told in words; more are counted.
const TOLD: usize = 20;

/// What one queue has seen.
#[derive(Clone, Debug, Default)]
pub struct QueueBooks {
    /// Its entries, as the engine counts them.
    pub books: Books,
    /// Measured wait of all that were answered, in seconds.
    pub answered_wait: f64,
}

/// What became of offers that have ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Offers {
    /// Taken.
    pub accepted: u64,
    /// Refused by the agent.
    pub declined: u64,
    /// Not answered in time.
    pub expired: u64,
    /// The customer left, another agent won, something changed, or it could not be delivered.
    pub withdrawn: u64,
}

/// One contact, as far as heard.
#[derive(Debug, Default)]
struct Held {
    /// Number of the last entry, and the queue and instant it began while it is open.
    entry: i32,
    open: Option<Open>,
    /// Open offers: id and agent.
    offers: Vec<(String, String)>,
    /// Who talks to the customer.
    talking: Option<String>,
}

#[derive(Debug)]
struct Open {
    queue: String,
    since: Option<prost_types::Timestamp>,
}

/// The books of one tenant.
pub struct Ledger {
    /// Queues in the configuration's order: id and books.
    queues: Vec<(String, QueueBooks)>,
    contacts: HashMap<String, Held>,
    agents: BTreeMap<String, Routing>,
    outcomes: BTreeMap<&'static str, u64>,
    received: u64,
    transfers: u64,
    offers: Offers,
    refusals: BTreeMap<String, u64>,
    faults: Vec<String>,
    more_faults: u64,
    last: u64,
    cut: Option<u64>,
}

impl Ledger {
    /// Empty books for a policy's queues and these agents.
    pub fn new<'a>(policy: &Policy, agents: impl Iterator<Item = &'a str>) -> Ledger {
        Ledger {
            queues: policy.queues.iter().map(|queue| (queue.id.to_string(), QueueBooks::default())).collect(),
            contacts: HashMap::new(),
            agents: agents.map(|agent| (agent.to_owned(), Routing::OffQueue)).collect(),
            outcomes: BTreeMap::new(),
            received: 0,
            transfers: 0,
            offers: Offers::default(),
            refusals: BTreeMap::new(),
            faults: Vec::new(),
            more_faults: 0,
            last: 0,
            cut: None,
        }
    }

    /// Something was not as it must be.
    pub fn fault(&mut self, what: String) {
        if self.faults.len() < TOLD {
            self.faults.push(what);
        } else {
            self.more_faults += 1;
        }
    }

    /// A command was refused. One that came too late, because the contact or the offer had moved on, is part of life.
    pub fn refused(&mut self, what: &str, error: &pb::CommandError) {
        *self.refusals.entry(error.reason.clone()).or_default() += 1;
        if error.code != tonic::Code::FailedPrecondition as i32 {
            self.fault(format!("{what} was refused: {} {}", error.reason, error.message));
        }
    }

    /// Closes the books after the event with this sequence, unless one past it was heard already; whether it did. What
    /// is told later is not taken in any more.
    pub fn close_after(&mut self, sequence: u64) -> bool {
        if self.last <= sequence {
            self.cut = Some(sequence);
        }
        self.cut.is_some()
    }

    /// Takes in what an agent's state means for routing now.
    pub fn agent(&mut self, agent_id: &str, routing: Routing) {
        if self.cut.is_none()
            && let Some(known) = self.agents.get_mut(agent_id)
        {
            *known = routing;
        }
    }

    /// Takes in an event of a contact.
    pub fn take(&mut self, event: pb::Event) {
        if self.cut.is_some_and(|cut| event.sequence > cut) {
            return;
        }
        if event.sequence <= self.last {
            return self.fault(format!("event {} was told after event {}", event.sequence, self.last));
        }
        self.last = event.sequence;
        let Some(payload) = event.payload else { return };
        match payload {
            Payload::ContactCreated(created) => self.created(created.contact_id),
            Payload::ContactQueued(queued) => self.queued(queued),
            Payload::ContactMoved(moved) => self.left(&moved.contact_id, moved.exit(), false),
            Payload::ContactEnded(ended) => self.left(&ended.contact_id, ended.exit(), ended.within_threshold),
            Payload::ContactClosed(closed) => self.closed(&closed),
            Payload::ContactTransferred(transferred) => {
                self.transfers += 1;
                self.held(&transferred.contact_id, |held| held.talking = None);
            }
            Payload::LegConnected(connected) => self.connected(connected),
            Payload::LegWrapUpStarted(leg) => self.hung_up(&leg.contact_id, &leg.agent_id),
            Payload::LegEnded(leg) => self.hung_up(&leg.contact_id, &leg.agent_id),
            other => self.offer(other),
        }
    }

    fn held<T>(&mut self, contact_id: &str, change: impl FnOnce(&mut Held) -> T) -> Option<T> {
        let found = self.contacts.get_mut(contact_id).map(change);
        if found.is_none() {
            self.fault(format!("contact {contact_id} was heard of before it was created or after it was closed"));
        }
        found
    }

    fn queue(&mut self, queue: &str) -> &mut QueueBooks {
        let at = self.queues.iter().position(|(id, _)| id == queue).unwrap_or_else(|| {
            self.queues.push((queue.to_owned(), QueueBooks::default()));
            self.queues.len() - 1
        });
        &mut self.queues[at].1
    }

    fn created(&mut self, contact_id: String) {
        self.received += 1;
        if self.contacts.insert(contact_id.clone(), Held::default()).is_some() {
            self.fault(format!("contact {contact_id} was created twice"));
        }
    }

    fn queued(&mut self, queued: pb::ContactQueued) {
        let pb::ContactQueued { contact_id, queue, entry_number, enter_time, .. } = queued;
        let entry = self.held(&contact_id, |held| {
            let open = Open { queue: queue.clone(), since: enter_time };
            (held.open.replace(open).is_some(), std::mem::replace(&mut held.entry, entry_number))
        });
        let Some((was_open, before)) = entry else { return };
        if was_open || entry_number != before + 1 {
            self.fault(format!("contact {contact_id} began entry {entry_number} after entry {before}"));
        }
        let books = &mut self.queue(&queue).books;
        books.offered += 1;
        books.waiting += 1;
    }

    /// An entry is over, if one was open.
    fn left(&mut self, contact_id: &str, exit: QueueExit, within_threshold: bool) {
        let open = self.held(contact_id, |held| held.open.take()).flatten();
        match (open, exit) {
            (None, QueueExit::Unspecified) => {}
            (Some(open), exit) if exit != QueueExit::Unspecified => {
                let books = &mut self.queue(&open.queue).books;
                books.waiting -= 1;
                *match exit {
                    QueueExit::Answered | QueueExit::Unspecified => &mut books.answered,
                    QueueExit::Abandoned => &mut books.abandoned,
                    QueueExit::Overflowed => &mut books.overflowed,
                    QueueExit::Cancelled => &mut books.cancelled,
                    QueueExit::Refused => &mut books.refused,
                    QueueExit::Expired => &mut books.expired,
                    QueueExit::Moved => &mut books.moved,
                } += 1;
                books.answered_within_threshold += u64::from(exit == QueueExit::Answered && within_threshold);
            }
            (open, exit) => self.fault(format!("contact {contact_id} left {open:?} by {exit:?}")),
        }
    }

    fn connected(&mut self, connected: pb::LegConnected) {
        let talking =
            self.held(&connected.contact_id, |held| held.talking.replace(connected.agent_id.clone())).flatten();
        if let Some(before) = talking.filter(|before| *before != connected.agent_id) {
            let pb::LegConnected { contact_id, agent_id, .. } = &connected;
            self.fault(format!("contact {contact_id} was connected to {agent_id} while it talked to {before}"));
        }
        if connected.exit() == QueueExit::Answered {
            let wait = connected.wait.as_ref().map_or(0.0, seconds);
            self.queue(&connected.queue).answered_wait += wait;
            self.left(&connected.contact_id, QueueExit::Answered, connected.within_threshold);
        }
    }

    fn hung_up(&mut self, contact_id: &str, agent_id: &str) {
        self.held(contact_id, |held| {
            if held.talking.as_deref() == Some(agent_id) {
                held.talking = None;
            }
        });
    }

    fn closed(&mut self, closed: &pb::ContactClosed) {
        let Some(held) = self.contacts.remove(&closed.contact_id) else {
            return self.fault(format!("contact {} was closed twice", closed.contact_id));
        };
        if held.open.is_some() || !held.offers.is_empty() || held.talking.is_some() {
            self.fault(format!("contact {} was closed with something open: {held:?}", closed.contact_id));
        }
        *self.outcomes.entry(word(closed.outcome())).or_default() += 1;
    }

    /// Offers: open to one agent, unless broadcast, and ended once.
    fn offer(&mut self, payload: Payload) {
        if let Payload::OfferIssued(issued) = payload {
            let broadcast = issued.offer.as_ref().is_some_and(|offer| offer.broadcast);
            let (offer_id, agent_id) = (issued.offer_id, issued.agent_id.clone());
            let twice = self.held(&issued.contact_id, |held| {
                let twice = !broadcast && !held.offers.is_empty() || held.talking.is_some();
                held.offers.push((offer_id, agent_id));
                twice
            });
            if twice == Some(true) {
                let pb::OfferIssued { contact_id, agent_id, .. } = issued;
                self.fault(format!("contact {contact_id} was offered to {agent_id} while another agent had it"));
            }
            return;
        }
        let (contact_id, offer_id, count) = match payload {
            Payload::OfferAccepted(offer) => (offer.contact_id, offer.offer_id, &mut self.offers.accepted),
            Payload::OfferDeclined(offer) => (offer.contact_id, offer.offer_id, &mut self.offers.declined),
            Payload::OfferExpired(offer) => (offer.contact_id, offer.offer_id, &mut self.offers.expired),
            Payload::OfferRescinded(offer) => (offer.contact_id, offer.offer_id, &mut self.offers.withdrawn),
            Payload::OfferCancelled(offer) => (offer.contact_id, offer.offer_id, &mut self.offers.withdrawn),
            Payload::OfferRevoked(offer) => (offer.contact_id, offer.offer_id, &mut self.offers.withdrawn),
            Payload::OfferFailed(offer) => (offer.contact_id, offer.offer_id, &mut self.offers.withdrawn),
            _ => return,
        };
        *count += 1;
        let known = self.held(&contact_id, |held| {
            let known = held.offers.iter().position(|(open, _)| *open == offer_id);
            known.map(|at| held.offers.swap_remove(at)).is_some()
        });
        if known == Some(false) {
            self.fault(format!("offer {offer_id} of contact {contact_id} ended without being open"));
        }
    }

    /// Compares with the server's books of each queue, all directions together.
    pub fn compare<'a>(&mut self, server: impl Iterator<Item = (&'a str, Books)>) {
        for (queue, theirs) in server {
            let ours = self.queue(queue).books;
            if ours != theirs {
                self.fault(format!("queue {queue}: heard {ours:?}, the server has {theirs:?}"));
            }
            if !theirs.close() {
                self.fault(format!("queue {queue}: the server's books do not close: {theirs:?}"));
            }
        }
        let open = self.contacts.values().filter(|held| held.open.is_some()).count() as u64;
        let waiting: u64 = self.queues.iter().map(|(_, queue)| queue.books.waiting).sum();
        if open != waiting {
            self.fault(format!("{open} contacts wait, and {waiting} by the books"));
        }
        let closed: u64 = self.outcomes.values().sum();
        let live = self.contacts.len() as u64;
        if self.received != closed + live {
            self.fault(format!("{} contacts came, {closed} were closed and {live} are left", self.received));
        }
    }

    /// What it has come to.
    pub fn figures(&self, now: f64) -> Figures {
        let longest = |queue: &str| {
            let open = self.contacts.values().filter_map(|held| held.open.as_ref()).filter(|open| open.queue == queue);
            open.filter_map(|open| open.since.as_ref()).map(|since| now - instant(since)).fold(0.0, f64::max)
        };
        let row = |(id, books): &(String, QueueBooks)| Row {
            queue: id.clone(),
            books: books.books,
            answered_wait: books.answered_wait,
            longest_wait: longest(id),
        };
        let mut agents = [0; ROUTINGS.len()];
        for routing in self.agents.values() {
            if let Some(at) = ROUTINGS.iter().position(|(known, _)| known == routing) {
                agents[at] += 1;
            }
        }
        Figures {
            queues: self.queues.iter().map(row).collect(),
            agents,
            received: self.received,
            talking: self.contacts.values().filter(|held| held.talking.is_some()).count() as u64,
            transfers: self.transfers,
            offers: self.offers,
            outcomes: self.outcomes.clone(),
            refusals: self.refusals.clone(),
            faults: self.faults.clone(),
            more_faults: self.more_faults,
        }
    }
}

/// What an agent's state means for routing, in the order it is shown, with its words.
pub const ROUTINGS: [(Routing, &str); 7] = [
    (Routing::Idle, "idle"),
    (Routing::Offering, "offering"),
    (Routing::Busy, "busy"),
    (Routing::WrapUp, "wrap_up"),
    (Routing::Draining, "draining"),
    (Routing::NotResponding, "not_responding"),
    (Routing::OffQueue, "off_queue"),
];

/// A queue's figures.
#[derive(Clone, Debug)]
pub struct Row {
    /// The queue's id.
    pub queue: String,
    /// Its entries.
    pub books: Books,
    /// Wait of all that were answered, in seconds of the server's time.
    pub answered_wait: f64,
    /// The longest wait of those who wait, in seconds of the server's time.
    pub longest_wait: f64,
}

/// What the books have come to.
#[derive(Clone, Debug)]
pub struct Figures {
    /// By queue.
    pub queues: Vec<Row>,
    /// Agents, as [`ROUTINGS`] orders them.
    pub agents: [u64; ROUTINGS.len()],
    /// Contacts created.
    pub received: u64,
    /// Contacts in conversation.
    pub talking: u64,
    /// Transfers.
    pub transfers: u64,
    /// Offers that have ended.
    pub offers: Offers,
    /// Closed contacts by outcome.
    pub outcomes: BTreeMap<&'static str, u64>,
    /// Commands that came too late, by reason.
    pub refusals: BTreeMap<String, u64>,
    /// What was not as it must be.
    pub faults: Vec<String>,
    /// How much more of that there was.
    pub more_faults: u64,
}

fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Unspecified => "unspecified",
        Outcome::Completed => "completed",
        Outcome::Abandoned => "abandoned",
        Outcome::Cancelled => "cancelled",
        Outcome::Refused => "refused",
        Outcome::Overflowed => "overflowed",
        Outcome::Expired => "expired",
        Outcome::Failed => "failed",
    }
}

fn seconds(span: &prost_types::Duration) -> f64 {
    span.seconds as f64 + f64::from(span.nanos) / 1e9
}

fn instant(time: &prost_types::Timestamp) -> f64 {
    time.seconds as f64 + f64::from(time.nanos) / 1e9
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    /// Books of the example, told these payloads in order.
    fn told(payloads: Vec<Payload>) -> Ledger {
        let policy = config::parse(config::EXAMPLE, "usher.toml").expect("the example").tenants.remove(0);
        let mut ledger = Ledger::new(&policy, ["ana", "bo"].into_iter());
        for (at, payload) in payloads.into_iter().enumerate() {
            ledger.take(pb::Event { sequence: at as u64 + 1, payload: Some(payload), ..pb::Event::default() });
        }
        ledger
    }

    fn created() -> Payload {
        Payload::ContactCreated(pb::ContactCreated { contact_id: "c".into(), ..Default::default() })
    }

    fn queued(entry_number: i32) -> Payload {
        let (contact_id, queue) = ("c".into(), "sales".into());
        Payload::ContactQueued(pb::ContactQueued { contact_id, queue, entry_number, ..Default::default() })
    }

    fn issued(offer: &str, agent: &str) -> Payload {
        let (contact_id, offer_id, agent_id) = ("c".into(), offer.into(), agent.into());
        Payload::OfferIssued(pb::OfferIssued { contact_id, offer_id, agent_id, ..Default::default() })
    }

    fn accepted(offer: &str) -> Payload {
        let (contact_id, offer_id) = ("c".into(), offer.into());
        Payload::OfferAccepted(pb::OfferAccepted { contact_id, offer_id, ..Default::default() })
    }

    fn connected(agent: &str, exit: QueueExit) -> Payload {
        let (contact_id, agent_id, queue) = ("c".into(), agent.into(), "sales".into());
        let mut connected = pb::LegConnected { contact_id, agent_id, queue, ..Default::default() };
        connected.within_threshold = true;
        connected.set_exit(exit);
        Payload::LegConnected(connected)
    }

    fn ended() -> Payload {
        let (contact_id, agent_id) = ("c".into(), "ana".into());
        Payload::LegEnded(pb::LegEnded { contact_id, agent_id, ..Default::default() })
    }

    fn closed() -> Payload {
        Payload::ContactClosed(pb::ContactClosed { contact_id: "c".into(), ..Default::default() })
    }

    fn life() -> Vec<Payload> {
        vec![
            created(),
            queued(1),
            issued("o", "ana"),
            accepted("o"),
            connected("ana", QueueExit::Answered),
            ended(),
            closed(),
        ]
    }

    const ANSWERED: Books = Books {
        offered: 1,
        answered: 1,
        answered_within_threshold: 1,
        abandoned: 0,
        overflowed: 0,
        cancelled: 0,
        refused: 0,
        expired: 0,
        moved: 0,
        waiting: 0,
    };

    fn faults(mut ledger: Ledger, sales: Books) -> Vec<String> {
        ledger.compare([("sales", sales)].into_iter());
        ledger.faults
    }

    #[test]
    fn a_whole_life_closes_the_books() {
        assert_eq!(faults(told(life()), ANSWERED), Vec::<String>::new());
        let waiting = Books { offered: 1, waiting: 1, ..Books::default() };
        assert_eq!(faults(told(life()[..4].to_vec()), waiting), Vec::<String>::new());
    }

    #[test]
    fn whatever_is_wrong_is_found() {
        let life_with = |at: usize, payload: Payload| {
            let mut life = life();
            life.insert(at, payload);
            life
        };
        for (what, payloads, expected) in [
            ("offered to two", life_with(3, issued("p", "bo")), "while another agent had it"),
            ("two agents", life_with(5, connected("bo", QueueExit::Unspecified)), "while it talked to ana"),
            ("answered twice", life_with(5, connected("ana", QueueExit::Answered)), "left None by Answered"),
            ("accepted twice", life_with(4, accepted("o")), "without being open"),
            ("created twice", life_with(1, created()), "was created twice"),
            ("closed twice", life_with(7, closed()), "was closed twice"),
            ("closed while talking", life()[..5].iter().cloned().chain([closed()]).collect(), "with something open"),
            ("an entry out of turn", life_with(2, queued(3)), "began entry 3 after entry 1"),
        ] {
            let found = told(payloads).faults;
            assert!(found.iter().any(|fault| fault.contains(expected)), "{what}: {found:?}");
        }
    }

    #[test]
    fn books_that_differ_from_the_servers_do_not_close() {
        let lost = Books { offered: 2, ..ANSWERED };
        let found = faults(told(life()), lost);
        assert!(found[0].contains("queue sales: heard") && found[1].contains("do not close"), "{found:?}");
        assert!(faults(told(Vec::new()), ANSWERED)[0].contains("queue sales: heard"));
    }

    #[test]
    fn what_comes_after_the_cut_is_not_taken_in() {
        let mut ledger = told(life()[..4].to_vec());
        assert!(!ledger.close_after(3), "event 4 was heard already");
        assert!(ledger.close_after(4));
        ledger.take(pb::Event { sequence: 5, payload: Some(closed()), ..pb::Event::default() });
        assert_eq!(faults(ledger, Books { offered: 1, waiting: 1, ..Books::default() }), Vec::<String>::new());
    }
}
