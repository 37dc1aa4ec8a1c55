//! The books of a scenario's run, kept from requests, replies and events alone: every entry is something the server
//! said. `audit` reads them at the end in the order of the server's sequence numbers.

pub mod audit;
pub mod balance;

use usher_proto::v1 as pb;
use usher_proto::v1::event::Payload;

/// No agent, or no queue.
pub const NOBODY: u32 = u32::MAX;

/// What the server said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fact {
    /// A queue entry began; `agent` is the queue, `value` the adjusted arrival.
    Queued,
    /// An offer was issued; `value` is the measured wait.
    Offered,
    /// The agent has it.
    Accepted,
    /// The offer ended otherwise.
    OfferEnded,
    /// Customer and agent talk; `value` is the measured wait.
    Connected,
    /// The agent wraps up.
    WrapUp,
    /// Another contact of the agent interrupts it: it leaves its capacity and keeps a claim to it.
    Interrupted,
    /// What interrupted it is over: it has its capacity again.
    Returned,
    /// The leg is over.
    LegEnded,
    /// The entry left unanswered for another queue.
    Moved,
    /// The customer's part is over; `value` is the measured wait.
    Ended,
    /// The contact is closed.
    Closed,
    /// An agent heard of an offer on his own stream; `value` is the measured wait.
    Heard,
    /// An agent was told that he has it.
    Told,
}

/// One thing the server said about a contact.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// Its place in the server's order.
    pub sequence: u64,
    /// The contact.
    pub contact: u32,
    /// The agent, or the queue, or [`NOBODY`].
    pub agent: u32,
    /// Micros that go with it.
    pub value: u64,
    /// What was said.
    pub fact: Fact,
    /// The outcome's number with `Ended` and `Closed`, the exit's with `Connected`.
    pub outcome: u8,
    /// The exit's number with `Ended`; 0 when no entry was open.
    pub exit: u8,
    /// Whether the wait was within the queue's threshold; with `Offered`, whether it is one of several at once.
    pub within: bool,
}

impl Entry {
    /// An entry without further figures.
    pub fn new(sequence: u64, contact: u32, agent: u32, fact: Fact) -> Entry {
        Entry { sequence, contact, agent, value: 0, fact, outcome: 0, exit: 0, within: false }
    }
}

/// Names the server's events must carry for the books.
pub const EVENT_NAMES: [&str; 18] = [
    "contact_queued",
    "contact_moved",
    "contact_ended",
    "contact_closed",
    "offer_issued",
    "offer_accepted",
    "offer_declined",
    "offer_expired",
    "offer_rescinded",
    "offer_cancelled",
    "offer_revoked",
    "offer_failed",
    "leg_assigned",
    "leg_connected",
    "leg_held",
    "leg_resumed",
    "leg_wrap_up_started",
    "leg_ended",
];

/// An event about a contact, in words the books use: who and where in the server's names.
pub struct Said<'e> {
    /// The contact's id.
    pub contact_id: &'e str,
    /// The agent's id, empty when none is meant.
    pub agent_id: &'e str,
    /// The queue's id.
    pub queue: &'e str,
    /// The entry, without its numbers of contact and agent.
    pub entry: Entry,
}

/// What an event says for the books; none when it does not matter to them.
pub fn said(event: &pb::Event) -> Option<Said<'_>> {
    let payload = event.payload.as_ref()?;
    let blank = |fact| Entry::new(event.sequence, 0, NOBODY, fact);
    macro_rules! of_agent {
        ($said:expr, $fact:expr) => {
            Said { contact_id: &$said.contact_id, agent_id: &$said.agent_id, queue: &$said.queue, entry: blank($fact) }
        };
    }
    let mut said = match payload {
        Payload::OfferIssued(said) => of_agent!(said, Fact::Offered),
        Payload::OfferAccepted(said) => of_agent!(said, Fact::Accepted),
        Payload::OfferDeclined(said) => of_agent!(said, Fact::OfferEnded),
        Payload::OfferExpired(said) => of_agent!(said, Fact::OfferEnded),
        Payload::OfferRescinded(said) => of_agent!(said, Fact::OfferEnded),
        Payload::OfferCancelled(said) => of_agent!(said, Fact::OfferEnded),
        Payload::OfferRevoked(said) => of_agent!(said, Fact::OfferEnded),
        Payload::OfferFailed(said) => of_agent!(said, Fact::OfferEnded),
        Payload::LegAssigned(said) => of_agent!(said, Fact::Accepted),
        Payload::LegConnected(said) => of_agent!(said, Fact::Connected),
        Payload::LegHeld(said) if said.interrupted => of_agent!(said, Fact::Interrupted),
        Payload::LegResumed(said) if said.interrupted => of_agent!(said, Fact::Returned),
        Payload::LegWrapUpStarted(said) => of_agent!(said, Fact::WrapUp),
        Payload::LegEnded(said) => of_agent!(said, Fact::LegEnded),
        other => return stay(event.sequence, other),
    };
    match payload {
        Payload::OfferIssued(issued) => {
            said.entry.value = micros(issued.wait.as_ref());
            said.entry.within = issued.offer.as_ref().is_some_and(|offer| offer.broadcast);
        }
        Payload::LegConnected(connected) => {
            said.entry.value = micros(connected.wait.as_ref());
            said.entry.exit = connected.exit as u8;
            said.entry.within = connected.within_threshold;
        }
        _ => {}
    }
    Some(said)
}

/// An event about a contact alone.
fn stay(sequence: u64, payload: &Payload) -> Option<Said<'_>> {
    let blank = |fact| Entry::new(sequence, 0, NOBODY, fact);
    Some(match payload {
        Payload::ContactQueued(queued) => {
            let arrived = queued.adjusted_arrival_time.as_ref();
            let value = arrived.map_or(0, |time| time.seconds as u64 * 1_000_000 + time.nanos as u64 / 1_000);
            let entry = Entry { value, ..blank(Fact::Queued) };
            Said { contact_id: &queued.contact_id, agent_id: "", queue: &queued.queue, entry }
        }
        Payload::ContactMoved(moved) => {
            Said { contact_id: &moved.contact_id, agent_id: "", queue: &moved.queue, entry: blank(Fact::Moved) }
        }
        Payload::ContactEnded(ended) => {
            let entry = Entry {
                value: micros(ended.wait.as_ref()),
                outcome: ended.outcome as u8,
                exit: ended.exit as u8,
                within: ended.within_threshold,
                ..blank(Fact::Ended)
            };
            Said { contact_id: &ended.contact_id, agent_id: "", queue: &ended.queue, entry }
        }
        Payload::ContactClosed(closed) => {
            let entry = Entry { outcome: closed.outcome as u8, ..blank(Fact::Closed) };
            Said { contact_id: &closed.contact_id, agent_id: "", queue: &closed.queue, entry }
        }
        _ => return None,
    })
}

/// A span in microseconds.
pub fn micros(span: Option<&prost_types::Duration>) -> u64 {
    span.map_or(0, |span| span.seconds as u64 * 1_000_000 + span.nanos as u64 / 1_000)
}
