//! An event with everything a reader needs to render it later, without the state: names and profiles, shared.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Deref;

use super::agent::AgentProfile;
use super::contact::{ContactProfile, EndCause, OfferState};
use super::event::{Event, Recorded};
use super::id::{AgentId, ContactId, QueueId, Text};
use super::requirement::{Expr, Requirement};
use super::state::State;
use super::time::{Span, Time};

/// An event with its names.
#[derive(Clone, Debug)]
pub struct Published {
    /// The event.
    pub recorded: Recorded,
    /// The contact it is about.
    pub contact: Option<ContactNames>,
    /// The agent it is about, also by its leg.
    pub agent: Option<Arc<AgentProfile>>,
    /// The queue of `Facts::queue`; empty when none.
    pub queue: Text,
    /// The other queue a transfer names.
    pub other_queue: Option<Text>,
    /// The other agent a transfer or a restriction names, or who won.
    pub other_agent: Option<Text>,
    /// What became of a contact that is CLOSED.
    pub totals: Option<Box<Totals>>,
    /// The gateway a gateway's event names.
    pub gateway: Option<Text>,
    /// What a step that begins changes.
    pub relaxed: Option<Box<Relaxed>>,
}

/// What a contact asks of an agent before and after a step began, its queue's part included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relaxed {
    /// Before.
    pub before: Expr,
    /// After.
    pub after: Expr,
    /// When the next step begins, or the last is over; none when nothing more comes.
    pub next_step: Option<Time>,
}

impl Published {
    /// Its place in the tenant's order, and the token to go on from after it.
    #[must_use]
    pub fn sequence(&self) -> u64 {
        self.recorded.sequence
    }
}

/// One of the events of a step. The step's events lie side by side and are shared by all who read any of them: one
/// allocation, given back with the last of them.
#[derive(Clone, Debug)]
pub struct Shared {
    step: Arc<Vec<Published>>,
    at: u32,
}

impl Shared {
    /// Each event of a step, in order.
    pub fn each(step: &Arc<Vec<Published>>) -> impl Iterator<Item = Shared> + '_ {
        (0..step.len() as u32).map(|at| Shared { step: step.clone(), at })
    }
}

impl Deref for Shared {
    type Target = Published;

    fn deref(&self) -> &Published {
        &self.step[self.at as usize]
    }
}

/// A contact's whole life in figures, once it is CLOSED.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Whether an agent was ever connected.
    pub answered: bool,
    /// Entries begun.
    pub entries: u32,
    /// Legs that ended by a transfer.
    pub transfers: u32,
    /// Time in conversation, over all legs kept.
    pub talk: Span,
    /// Time on hold, over all legs kept.
    pub hold: Span,
    /// Time wrapping up, over all legs kept.
    pub wrap_up: Span,
    /// The disposition it was completed with; empty when none.
    pub disposition: Text,
    /// The newest word on whether the matter is resolved.
    pub resolved: Option<bool>,
}

/// What readers show of the contact an event is about.
#[derive(Clone, Debug)]
pub struct ContactNames {
    /// Its handle.
    pub id: ContactId,
    /// What it is.
    pub profile: Arc<ContactProfile>,
    /// What it asks of an agent.
    pub requirement: Option<Arc<Requirement>>,
    /// Its priority.
    pub priority: i32,
    /// When the customer arrived.
    pub arrival: Time,
    /// Arrival less age credit.
    pub adjusted_arrival: Time,
    /// What became of the offer of the leg the event is about.
    pub offer: OfferState,
    /// Legs begun so far.
    pub legs: u32,
}

impl State {
    /// Names an event that was just taken in. Cheap: it clones a few shared pointers.
    #[must_use]
    pub fn publish(&self, recorded: &Recorded) -> Published {
        let event = &recorded.event;
        let queue = |queue: QueueId| self.queue_id(queue).clone();
        let agent_id = |agent: AgentId| self.agent(agent).profile.agent_id.clone();
        let (other_queue, other_agent) = match event {
            Event::ContactTransferred { to, to_agent, .. } => (*to, *to_agent),
            Event::ContactMoved { to, .. } => (Some(*to), None),
            Event::OfferRescinded { winner, .. } => (None, Some(*winner)),
            Event::ContactQueued { only, .. } => (None, only.map(|(agent, _)| agent)),
            _ => (None, None),
        };
        let gateway = match event {
            Event::GatewaySessionLost { gateway, .. } | Event::GatewaySwept { gateway } => {
                Some(self.gateway(*gateway).gateway_id.clone())
            }
            Event::GatewaySessionOpened { gateway_id, .. } => Some(gateway_id.clone()),
            _ => None,
        };
        Published {
            contact: event.contact().and_then(|id| self.contact_names(id, event)),
            agent: recorded.facts.agent.map(|agent| self.agent(agent).profile.clone()),
            queue: recorded.facts.queue.map(queue).unwrap_or_default(),
            other_queue: other_queue.map(queue),
            other_agent: other_agent.map(agent_id),
            gateway,
            relaxed: match event {
                Event::ContactRelaxed { contact, before, .. } => Some(Box::new(Relaxed {
                    before: self.asks(*contact, Some(*before)),
                    after: self.asks(*contact, None),
                    next_step: self.next_step(*contact),
                })),
                _ => None,
            },
            totals: match event {
                Event::ContactClosed { contact, .. } => self.totals(*contact).map(Box::new),
                _ => None,
            },
            recorded: recorded.clone(),
        }
    }

    fn totals(&self, contact: ContactId) -> Option<Totals> {
        let held = self.try_contact(contact)?;
        let mut totals = Totals { entries: held.entries, disposition: held.disposition.clone(), ..Totals::default() };
        // Newest first.
        for (_, leg) in self.contact_legs(contact) {
            totals.answered |= leg.connected_once;
            totals.transfers += u32::from(leg.end_cause == Some(EndCause::Transferred));
            totals.talk += leg.talk;
            totals.hold += leg.hold;
            totals.wrap_up += leg.wrap_up;
            totals.resolved = totals.resolved.or(leg.resolved);
        }
        Some(totals)
    }

    fn contact_names(&self, id: ContactId, event: &Event) -> Option<ContactNames> {
        let held = self.try_contact(id)?;
        let leg = event.leg().and_then(|leg| self.try_leg(leg));
        Some(ContactNames {
            id,
            profile: held.profile.clone(),
            requirement: held.requirement.clone(),
            priority: i32::from(held.priority),
            arrival: held.arrival,
            adjusted_arrival: held.adjusted_arrival,
            offer: leg.map_or(OfferState::None, |leg| leg.offer),
            legs: held.legs,
        })
    }
}
