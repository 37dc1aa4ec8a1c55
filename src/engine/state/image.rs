//! The state as plain data: what a snapshot holds, and the way back.
//!
//! An image has what events have said and nothing that follows from it: lines, pools, hash tables and counts are made
//! anew. So it is small, it does not change when an index does, and what comes back decides as the state it is of would.
//! It is of a state between two batches. A field added to the state that does not follow from others has to be added
//! here; [`State::image`] does not compile before that was thought about.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

pub use super::gates::Gate;
pub use super::lending::{Lending, Promise};
pub use super::registry::RegistryImage;
pub use super::steps::Asked;
use super::{Due, Gateway, State};
use crate::engine::Reply;
use crate::engine::agent::{Agent, AgentProfile, Presence, Routing, SkillOverride};
use crate::engine::command::RequestStamp;
use crate::engine::contact::{Bar, Contact, Direction, Leg, LegState};
use crate::engine::estimate::Drain;
use crate::engine::id::{AgentId, ChannelId, ContactId, GatewayId, QueueId, Text};
use crate::engine::occupancy::Occupancy;
use crate::engine::order::Links;
use crate::engine::slab::{Slab, SlabImage};
use crate::engine::table::hash_bytes;
use crate::engine::tally::{Books, Tally};
use crate::engine::time::{Span, Time};

/// An agent as plain data: what his legs and the policy do not say.
#[derive(Clone, Debug)]
pub struct AgentImage {
    /// Who he is.
    pub profile: Arc<AgentProfile>,
    /// What was set over it for a time.
    pub overrides: Vec<SkillOverride>,
    /// What he chose.
    pub presence: Presence,
    /// What waits for his last leg.
    pub next_presence: Option<Presence>,
    /// The routing word last said.
    pub routing: Routing,
    /// Whether his lease holds, or he needs none.
    pub session: bool,
    /// The lease he signed in with.
    pub lease: Span,
    /// Until when he is NOT_RESPONDING.
    pub not_responding: Option<Time>,
    /// Faults in a row, by cause.
    pub faults: [u32; 3],
    /// NOT_RESPONDING in a row, by cause.
    pub lapses: [u32; 3],
    /// Declines in a row.
    pub declines: u32,
    /// Legs CONNECTED in this sign-in.
    pub contacts: u32,
    /// When this sign-in began.
    pub signed_in_since: Time,
    /// When the routing word last changed.
    pub routing_since: Time,
    /// His idle clocks: of any contact, of inbound ones, of becoming AVAILABLE.
    pub clocks: [Option<Time>; 3],
    /// How much he worked of late, where anything goes by it.
    pub occupancy: Option<Occupancy>,
    /// When he was offered contacts of late, oldest first, where his pace is bounded.
    pub offered: Vec<Time>,
    /// What he took today from pools that count by the day.
    pub taken: Vec<(Text, u32)>,
    /// Why he rests from offers, a bit each.
    pub resting: u8,
    /// Newest live leg (slot).
    pub legs: u32,
    /// Whether he is to go with his last leg.
    pub removed: bool,
    /// Whether he is gone.
    pub deleted: bool,
}

/// A gateway as plain data.
#[derive(Clone, Debug)]
pub struct GatewayImage {
    /// Its id.
    pub gateway_id: Text,
    /// Whether it ever opened a session, and the lease holds.
    pub session: bool,
    /// Its lease.
    pub lease: Span,
    /// When its contacts end, once its lease ran out.
    pub grace: Option<Time>,
    /// Newest contact not ended (slot).
    pub first: u32,
}

/// The state of one tenant as plain data.
#[derive(Clone, Debug, Default)]
pub struct Image {
    /// Time of the last event.
    pub now: Time,
    /// Sequence of the last event.
    pub sequence: u64,
    /// Names and rules by handle.
    pub registry: RegistryImage,
    /// Contacts by slot.
    pub contacts: SlabImage<Contact>,
    /// Legs by slot.
    pub legs: SlabImage<Leg>,
    /// Bars by slot.
    pub bars: SlabImage<Bar>,
    /// Agents by slot.
    pub agents: Vec<AgentImage>,
    /// Gateways by handle.
    pub gateways: Vec<GatewayImage>,
    /// Requirement classes by handle.
    pub classes: Vec<(QueueId, ChannelId, Asked)>,
    /// The books by queue and direction.
    pub tally: Vec<[Books; Direction::COUNT]>,
    /// The agent last offered a contact, by queue.
    pub turns: Vec<AgentId>,
    /// What queues are set to by hand.
    pub gates: Vec<Gate>,
    /// Where each lender stands.
    pub lending: Vec<Lending>,
    /// How well each queue keeps its promise, where lenders ask.
    pub promises: Vec<Promise>,
    /// What each queue has shown of its waits.
    pub drains: Vec<Drain>,
    /// Requests remembered, oldest first, with their first answer and its time.
    pub receipts: Vec<(Arc<RequestStamp>, Reply, Time)>,
    /// Ended contacts kept, oldest and newest (slots), and how many.
    pub ended: (u32, u32, u32),
    /// When the oldest of them is to be forgotten.
    pub retention: Option<Time>,
    /// Deadlines by kind and slot, in that order.
    pub timers: Vec<(u8, u32, Time)>,
}

impl State {
    /// The state as plain data. O(everything there is).
    #[must_use]
    pub fn image(&self) -> Image {
        // What is left out on purpose is named, so that a new field is not left out by mistake.
        let State {
            now,
            sequence,
            seed: _,
            registry,
            contacts,
            contact_ids: _,
            legs,
            bars,
            agents,
            agent_ids: _,
            skilled: _,
            gateways,
            gateway_ids: _,
            index,
            timers,
            tally,
            places: _,
            parked: _,
            queued: _,
            turns,
            on_duty: _,
            team_on_duty: _,
            gates,
            lending,
            promises,
            receipts,
            ended,
            ended_count,
            retention,
            agenda: _,
            team_ready: _,
            step_duty: _,
            awaited: _,
            short: _,
            // Of a batch alone.
            filling: _,
            drains,
        } = self;
        let classes = index.iter().map(|(_, class)| (class.queue, class.channel, class.asked()));
        let mut timers: Vec<(u8, u32, Time)> = timers.iter().map(|(at, kind, slot)| (kind, slot, Time(at))).collect();
        timers.sort_unstable();
        Image {
            now: *now,
            sequence: *sequence,
            registry: registry.image(),
            contacts: contacts.image(|held| Contact { links: Links::OUT, ..held.clone() }),
            legs: legs.image(Leg::clone),
            bars: bars.image(|bar| *bar),
            agents: agents.iter().map(agent_image).collect(),
            gateways: gateways.iter().map(gateway_image).collect(),
            classes: classes.collect(),
            tally: tally.image(),
            turns: turns.clone(),
            gates: gates.clone(),
            lending: lending.clone(),
            promises: promises.clone(),
            drains: drains.clone(),
            receipts: receipts.image(),
            ended: (ended.0, ended.1, *ended_count),
            retention: *retention,
            timers,
        }
    }

    /// The state that an image is of; none when a part of it is of no state. Whether it adds up is for an audit to say.
    pub(in crate::engine) fn from_image(seed: u64, image: Image) -> Option<State> {
        let Image { now, sequence, registry, contacts, legs, bars, agents, gateways, classes, .. } = image;
        let mut state = State::new(seed);
        (state.now, state.sequence) = (now, sequence);
        state.registry = super::Registry::from_image(registry);
        (state.contacts, state.legs) = (Slab::from_image(contacts)?, Slab::from_image(legs)?);
        state.bars = Slab::from_image(bars)?;
        state.receipts.set_window(state.registry.policy.rules.request_window);
        state.receipts.recall(image.receipts);
        state.tally = Tally::from_image(image.tally);
        state.turns = image.turns;
        state.gates = image.gates;
        (state.lending, state.promises) = (image.lending, image.promises);
        state.ended = (image.ended.0, image.ended.1);
        state.ended_count = image.ended.2;
        state.skilled.resize(state.registry.skills.all.len(), 0);
        for (queue, channel, asked) in classes {
            state.index.add(queue, channel, asked);
        }
        for agent in agents {
            state.put_agent(agent);
        }
        state.count_legs();
        state.enrol_all();
        state.recount_steps();
        for gateway in gateways {
            state.put_gateway(gateway);
        }
        state.put_contacts();
        state.renew_short();
        state.drains = image.drains;
        for (kind, slot, at) in image.timers {
            (usize::from(kind) < Due::COUNT).then(|| state.timers.set(kind, slot, at.0))?;
        }
        state.retention = image.retention;
        state.forget_agenda();
        Some(state)
    }

    /// An agent as he was; his skills and his team are found when he is enrolled, and counted then.
    fn put_agent(&mut self, image: AgentImage) {
        let slot = self.agents.len();
        let mut agent = Agent::new(image.profile);
        agent.overrides = image.overrides;
        agent.capacity = agent.profile.capacity;
        (agent.presence, agent.next_presence) = (image.presence, image.next_presence);
        (agent.routing, agent.routing_since) = (image.routing, image.routing_since);
        (agent.session, agent.lease) = (image.session, image.lease);
        (agent.not_responding, agent.faults, agent.declines) = (image.not_responding, image.faults, image.declines);
        agent.lapses = image.lapses;
        (agent.contacts, agent.signed_in_since) = (image.contacts, image.signed_in_since);
        agent.occupancy = image.occupancy.map(Box::new);
        (agent.offered, agent.resting, agent.taken) = (image.offered.into(), image.resting, image.taken);
        [agent.idle_since, agent.inbound_since, agent.available_since] = image.clocks;
        (agent.legs, agent.removed, agent.deleted) = (image.legs, image.removed, image.deleted);
        let idle = agent.idle_since.unwrap_or(Time(0));
        self.agent_ids.insert(hash_bytes(self.seed, agent.profile.agent_id.as_bytes()), slot);
        self.agents.push(agent);
        self.index.pools.add_agent();
        self.index.pools.set_idle(AgentId(slot), idle);
    }

    /// What agents have in hand, from their legs.
    fn count_legs(&mut self) {
        for (_, leg) in self.legs.iter().filter(|(_, leg)| leg.state != LegState::Ended) {
            let held = &mut self.agents[leg.agent.0];
            match leg.interrupted {
                None => held.used += leg.cost,
                Some(_) => held.claimed += leg.cost,
            }
            held.in_hand[leg.channel.index()] += 1;
            match leg.state {
                LegState::Offered => held.offering += 1,
                LegState::Assigned | LegState::Connected | LegState::OnHold => held.busy += 1,
                LegState::WrapUp => held.wrapping += 1,
                LegState::Ended => {}
            }
        }
    }

    fn put_gateway(&mut self, image: GatewayImage) {
        let GatewayImage { gateway_id, session, lease, grace, first } = image;
        self.gateway_ids.insert(gateway_id.clone(), GatewayId(self.gateways.len() as u32));
        self.gateways.push(Gateway { gateway_id, session, lease, grace, streams: 0, first });
    }

    /// Finds contacts by their ids, and puts those that wait in their places and lines, oldest first.
    fn put_contacts(&mut self) {
        let mut waiting = Vec::new();
        for slot in 0..self.contacts.slots() {
            let Some(held) = self.contacts.peek(slot) else { continue };
            self.contact_ids.insert(hash_bytes(self.seed, held.profile.contact_id.as_bytes()), slot);
            if let Some(entry) = held.entry.filter(|_| held.entry_leg.is_none()) {
                if entry.parked_since.is_none() {
                    waiting.push((held.adjusted_arrival, held.serial, ContactId(self.contacts.key_of(slot))));
                }
                self.take_place(entry.queue);
                if entry.parked_since.get().is_some() {
                    self.parked.insert((entry.queue, slot));
                }
            }
        }
        waiting.sort_unstable();
        for (_, _, contact) in waiting {
            self.line_up(contact);
        }
    }
}

fn agent_image(agent: &Agent) -> AgentImage {
    AgentImage {
        profile: agent.profile.clone(),
        overrides: agent.overrides.clone(),
        presence: agent.presence.clone(),
        next_presence: agent.next_presence.clone(),
        routing: agent.routing,
        session: agent.session,
        lease: agent.lease,
        not_responding: agent.not_responding,
        faults: agent.faults,
        lapses: agent.lapses,
        declines: agent.declines,
        contacts: agent.contacts,
        signed_in_since: agent.signed_in_since,
        routing_since: agent.routing_since,
        clocks: [agent.idle_since, agent.inbound_since, agent.available_since],
        occupancy: agent.occupancy.as_deref().copied(),
        offered: agent.offered.iter().copied().collect(),
        resting: agent.resting,
        taken: agent.taken.clone(),
        legs: agent.legs,
        removed: agent.removed,
        deleted: agent.deleted,
    }
}

fn gateway_image(gateway: &Gateway) -> GatewayImage {
    let Gateway { gateway_id, session, lease, grace, streams: _, first } = gateway;
    GatewayImage { gateway_id: gateway_id.clone(), session: *session, lease: *lease, grace: *grace, first: *first }
}
