//! The state of one tenant: private fields, read accessors, and `evolve`, the one thing that changes it.
//!
//! `registry` has the policy by handle, `capacity` what an agent has room for, `evolve` what each event does, `serve` who
//! may be matched with whom, `search` whose turn it is where rules say more than the lines do, `lending` when agents kept
//! back are lent, `steps` what is relaxed while contacts wait, `places` where contacts may wait, `gates` which queues are
//! open, `unservable` who waits and can be served by nobody, `image` all of it as plain data.

mod capacity;
mod estimate;
mod evolve;
mod gates;
pub mod image;
mod lending;
mod places;
pub(in crate::engine) mod pools;
mod registry;
mod ringing;
mod search;
mod serve;
mod steps;
mod unservable;

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::agent::Agent;
use super::contact::{Bar, Contact, ContactState, Entry, EntryRules, Leg, LegState, NONE};
use super::estimate::Drain;
use super::id::{AgentId, BarId, ChannelId, ClassId, ContactId, GatewayId, LegId, QueueId, Text};
use super::matcher::Index;
use super::policy::{Channel, Policy, PolicyVersion, Queue};
use super::receipts::Receipts;
use super::slab::{Chunked, Slab};
use super::table::{IdTable, hash_bytes};
use super::tally::Tally;
use super::time::{Span, Time};
use super::timers::Timers;
pub use estimate::WaitView;
pub use gates::Gate;
use lending::{Lending, Promise};
pub(super) use registry::Registry;
pub use steps::Asked;
pub(super) use steps::{Own, Relaxation};

/// Contacts in line (slots) by the agents their step names.
type Awaited = BTreeSet<(Text, u32)>;

/// What a deadline belongs to, with the slot beside it. Snapshots hold their numbers: new ones come before `Retention`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Due {
    /// A contact's next deadline in its state.
    Contact,
    /// A leg's: offer, connect, wrap-up or `max_handle`.
    Leg,
    /// The end of NOT_RESPONDING.
    Agent,
    /// The end of a bar.
    Bar,
    /// An agent's lease.
    Lease,
    /// A gateway's lease, or the end of its grace.
    Gateway,
    /// What a queue is set to by hand.
    Queue,
    /// The first of an agent's skills set for a time to return.
    Skills,
    /// The end of an agent's rest from offers.
    Rest,
    /// The end of a pool's day.
    Pool,
    /// The oldest ended contact's retention.
    Retention,
}

impl Due {
    /// Those of which there are many; the one retention deadline stands beside their heap.
    const COUNT: usize = 10;
    const ALL: [Due; Self::COUNT] = [
        Due::Contact,
        Due::Leg,
        Due::Agent,
        Due::Bar,
        Due::Lease,
        Due::Gateway,
        Due::Queue,
        Due::Skills,
        Due::Rest,
        Due::Pool,
    ];
}

/// A gateway as the engine keeps it.
#[derive(Clone, Debug)]
pub struct Gateway {
    /// Its id.
    pub gateway_id: Text,
    /// Whether it ever opened a session, and the lease holds.
    pub session: bool,
    /// Its lease; zero for none.
    pub lease: Span,
    /// When its contacts end, once its lease ran out.
    pub grace: Option<Time>,
    pub(super) streams: u32,
    /// Newest contact not ended (slot).
    pub(super) first: u32,
}

/// What a contact that waits has come to.
#[derive(Clone, Copy, Debug)]
pub(super) enum Passed {
    /// A wait; the last one before it.
    Wait(Span),
    /// Everyone willing has declined it.
    Declined,
    /// The time of its queue's last step is over.
    Exhausted,
}

/// What may have to happen next: filled by `evolve`, emptied by `decide::follow_up`, never journalled.
#[derive(Clone, Debug, Default)]
pub(super) struct Agenda {
    /// Contacts that may now be matched.
    pub(super) contacts: Vec<ContactId>,
    /// Agents who may now be matched.
    pub(super) agents: Vec<AgentId>,
    /// Contacts that came to a closed queue.
    pub(super) doors: Vec<ContactId>,
    /// Contacts that came in: judged once nobody can take them at once.
    pub(super) arrivals: Vec<ContactId>,
    /// What contacts have come to, for overflow rules.
    pub(super) passed: Vec<(ContactId, Passed)>,
    /// The same of contacts that a rule has relaxed: looked at again once nobody can take them.
    pub(super) relaxed: Vec<(ContactId, Passed)>,
    /// Contacts that may now close, or whose offer may no longer be allowed.
    pub(super) checks: Vec<ContactId>,
    /// Agents whose waiting presence or offers may change.
    pub(super) touched: Vec<AgentId>,
    /// Agents whose routing word may change.
    pub(super) changed: Vec<AgentId>,
    /// Contacts whom perhaps nobody can serve any more, or someone can again.
    pub(super) unservable: Vec<ContactId>,
    /// Whether `contacts` and `agents` are in the order in which they are matched, last first.
    pub(super) sorted: bool,
}

/// The state of one tenant.
pub struct State {
    now: Time,
    sequence: u64,
    seed: u64,
    registry: Registry,
    contacts: Slab<Contact>,
    contact_ids: IdTable,
    legs: Slab<Leg>,
    bars: Slab<Bar>,
    agents: Chunked<Agent>,
    agent_ids: IdTable,
    /// How many agents have a skill, by skill; those who are gone included.
    skilled: Vec<u32>,
    gateways: Vec<Gateway>,
    gateway_ids: BTreeMap<Text, GatewayId>,
    index: Index,
    timers: Timers<{ Due::COUNT }>,
    tally: Tally,
    /// QUEUED and PARKED entries by queue: waiting places taken.
    places: Vec<u32>,
    /// OFFERED contacts that want more agents.
    short: BTreeSet<ContactId>,
    /// Those offered in this batch to as many as their queue allows; empty between batches.
    filling: BTreeSet<ContactId>,
    /// PARKED entries by queue and slot.
    parked: BTreeSet<(QueueId, u32)>,
    /// What queues are set to by hand.
    gates: Vec<Gate>,
    /// Entries in line by queue.
    queued: Vec<u32>,
    /// The agent last offered a contact, by queue.
    turns: Vec<AgentId>,
    /// Agents signed in who have a skill, by skill.
    on_duty: Vec<u32>,
    /// Agents signed in by team.
    team_on_duty: Vec<u32>,
    /// Agents signed in for each of the registry's `duties`.
    step_duty: Vec<u32>,
    awaited: Awaited,
    /// Agents AVAILABLE by team.
    team_ready: Vec<u32>,
    /// What each queue has shown of how it is emptied.
    drains: Vec<Drain>,
    /// Where each lender stands, and how well each queue keeps its promise, where lenders ask.
    lending: Vec<Lending>,
    promises: Vec<Promise>,
    receipts: Receipts,
    /// Ended contacts kept, oldest and newest (slots), by `Contact::gateway_links`.
    ended: (u32, u32),
    ended_count: u32,
    /// When the oldest of them is to be forgotten.
    retention: Option<Time>,
    agenda: Agenda,
}

impl State {
    pub(super) fn new(seed: u64) -> State {
        State {
            now: Time(0),
            sequence: 0,
            seed,
            registry: Registry::default(),
            contacts: Slab::new(),
            contact_ids: IdTable::new(),
            legs: Slab::new(),
            bars: Slab::new(),
            agents: Chunked::new(),
            agent_ids: IdTable::new(),
            skilled: Vec::new(),
            gateways: Vec::new(),
            gateway_ids: BTreeMap::new(),
            index: Index::new(seed),
            timers: Timers::new(),
            tally: Tally::default(),
            places: Vec::new(),
            short: BTreeSet::new(),
            filling: BTreeSet::new(),
            parked: BTreeSet::new(),
            gates: Vec::new(),
            queued: Vec::new(),
            turns: Vec::new(),
            on_duty: Vec::new(),
            team_on_duty: Vec::new(),
            step_duty: Vec::new(),
            awaited: Awaited::new(),
            team_ready: Vec::new(),
            drains: Vec::new(),
            lending: Vec::new(),
            promises: Vec::new(),
            receipts: Receipts::new(seed, Span::ZERO),
            ended: (NONE, NONE),
            ended_count: 0,
            retention: None,
            agenda: Agenda::default(),
        }
    }

    pub(super) fn seed(&self) -> u64 {
        self.seed
    }

    /// Time of the last event.
    #[must_use]
    pub fn now(&self) -> Time {
        self.now
    }

    /// Sequence of the last event; 0 before the first.
    #[must_use]
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// The policy in force.
    #[must_use]
    pub fn policy(&self) -> &Arc<Policy> {
        &self.registry.policy
    }

    /// Its version; 0 before the first.
    #[must_use]
    pub fn policy_version(&self) -> u64 {
        self.registry.policy.version
    }

    /// The versions of the policy kept, oldest first; the last is in force. At most `POLICY_VERSIONS`.
    pub fn policy_versions(&self) -> impl DoubleEndedIterator<Item = &PolicyVersion> {
        self.registry.versions.iter()
    }

    /// Whether whose turn it is and who takes it follow from the lines alone.
    pub(super) fn plain(&self) -> bool {
        self.registry.plain
    }

    /// SHA-256 of the last file a policy came from; none when none did. A restart with that file leaves in force what is.
    #[must_use]
    pub fn policy_file(&self) -> Option<[u8; 32]> {
        self.registry.file
    }

    pub(super) fn registry(&self) -> &Registry {
        &self.registry
    }

    /// The indexes of who is idle and who waits.
    #[must_use]
    pub fn index(&self) -> &Index {
        &self.index
    }

    /// The books of every queue.
    #[must_use]
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// The requests remembered.
    #[must_use]
    pub fn receipts(&self) -> &Receipts {
        &self.receipts
    }

    // ---- contacts

    /// A contact by its id.
    #[must_use]
    pub fn find_contact(&self, contact_id: &str) -> Option<ContactId> {
        let same = |slot: u32| *self.contacts.at(slot).profile.contact_id == *contact_id;
        let slot = self.contact_ids.find(hash_bytes(self.seed, contact_id.as_bytes()), same)?;
        Some(ContactId(self.contacts.key_of(slot)))
    }

    /// A contact by its handle.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn contact(&self, contact: ContactId) -> &Contact {
        self.contacts.get(contact.0).expect("a contact's handle outlives the contact")
    }

    /// A contact by its handle, if it is still there.
    #[must_use]
    pub fn try_contact(&self, contact: ContactId) -> Option<&Contact> {
        self.contacts.get(contact.0)
    }

    pub(super) fn contact_at(&self, slot: u32) -> ContactId {
        ContactId(self.contacts.key_of(slot))
    }

    pub(super) fn contacts(&self) -> &Slab<Contact> {
        &self.contacts
    }

    /// The handle the next contact will get.
    pub(super) fn next_contact(&self) -> ContactId {
        ContactId(self.contacts.next_key())
    }

    /// Contacts kept, ended ones included.
    #[must_use]
    pub fn contact_count(&self) -> u32 {
        self.contacts.len()
    }

    /// Contacts not ended.
    #[must_use]
    pub fn live_contact_count(&self) -> u32 {
        self.contacts.len() - self.ended_count
    }

    /// Contacts in slot order from a slot on.
    pub fn contacts_from(&self, slot: u32) -> impl Iterator<Item = (ContactId, &Contact)> {
        let slots = slot..self.contacts.slots();
        slots.filter_map(|slot| self.contacts.peek(slot).map(|contact| (self.contact_at(slot), contact)))
    }

    /// A contact's state, derived from its open entry and its owner leg.
    #[must_use]
    pub fn contact_state(&self, contact: ContactId) -> ContactState {
        self.state_of(self.contact(contact))
    }

    pub(super) fn state_of(&self, contact: &Contact) -> ContactState {
        if contact.closed {
            return ContactState::Closed;
        }
        let leg_state = |leg: Option<LegId>| leg.map(|leg| self.leg(leg).state);
        if let Some(entry) = &contact.entry {
            return match leg_state(contact.entry_leg) {
                _ if entry.parked_since.is_some() => ContactState::Parked,
                Some(LegState::Offered) => ContactState::Offered,
                Some(LegState::Assigned) => ContactState::Assigned,
                _ => ContactState::Queued,
            };
        }
        match leg_state(contact.owner) {
            Some(LegState::Assigned) => ContactState::Assigned,
            Some(LegState::Connected) => ContactState::Connected,
            Some(LegState::OnHold) => ContactState::OnHold,
            _ if contact.live_legs > 0 => ContactState::WrapUp,
            // Between two events of a batch a contact that had a leg or an entry may have neither.
            _ if contact.outcome.is_some() || contact.legs > 0 || contact.entries > 0 => ContactState::Closed,
            _ => ContactState::Scheduled,
        }
    }

    pub(super) fn state_before(&self, contact: ContactId) -> Option<ContactState> {
        self.contacts.get(contact.0).map(|contact| self.state_of(contact))
    }

    /// The contact's place in its class' line, 1 first; 0 when it does not stand there or past
    /// [`POSITION_SEARCH`](super::limits::POSITION_SEARCH). Contacts of the queue's other classes are counted where they
    /// rank before it.
    #[must_use]
    pub fn position(&self, now: Time, contact: ContactId) -> u32 {
        let held = self.contact(contact);
        let Some(entry) = held.entry.filter(|entry| entry.only.is_none() && held.links.is_in()) else { return 0 };
        let rank = self.rank_in_queue(now, held, entry.queue);
        self.ahead(now, entry.queue, None, rank).map_or(0, |(own, others)| own + others + 1)
    }

    // ---- legs

    /// A leg by its handle.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn leg(&self, leg: LegId) -> &Leg {
        self.legs.get(leg.0).expect("a leg's handle outlives the leg")
    }

    /// A leg by its handle, if it is still there.
    #[must_use]
    pub fn try_leg(&self, leg: LegId) -> Option<&Leg> {
        self.legs.get(leg.0)
    }

    pub(super) fn leg_at(&self, slot: u32) -> LegId {
        LegId(self.legs.key_of(slot))
    }

    pub(super) fn next_leg(&self) -> LegId {
        LegId(self.legs.next_key())
    }

    pub(super) fn next_bar(&self) -> BarId {
        BarId(self.bars.next_key())
    }

    pub(super) fn bar_at(&self, slot: u32) -> (BarId, &Bar) {
        (BarId(self.bars.key_of(slot)), self.bars.at(slot))
    }

    /// A contact's legs, newest first.
    pub fn contact_legs(&self, contact: ContactId) -> impl Iterator<Item = (LegId, &Leg)> {
        let mut next = self.contact(contact).last_leg;
        core::iter::from_fn(move || {
            let leg = next?;
            let held = self.leg(leg);
            next = held.older;
            Some((leg, held))
        })
    }

    /// A contact's newest bar.
    fn first_bar(&self, contact: &Contact) -> Option<BarId> {
        (contact.bars != NONE).then(|| BarId(self.bars.key_of(contact.bars)))
    }

    /// Whether a pair is barred just now. Linear in the contact's bars, which are few.
    pub(super) fn barred(&self, contact: &Contact, agent: AgentId) -> bool {
        let mut next = self.first_bar(contact);
        while let Some(bar) = next {
            let held = self.bars.get(bar.0).expect("a contact's bars are kept with it");
            if held.agent == agent {
                return true;
            }
            next = held.next;
        }
        false
    }

    /// Offers open. Linear in the legs kept.
    #[must_use]
    pub fn open_offers(&self) -> u32 {
        self.legs.iter().filter(|(_, leg)| leg.state == LegState::Offered).count() as u32
    }

    // ---- agents

    /// An agent by his id.
    #[must_use]
    pub fn find_agent(&self, agent_id: &str) -> Option<AgentId> {
        self.agent_slot(agent_id).filter(|&agent| !self.agent(agent).deleted)
    }

    /// His slot, also when he is gone.
    pub(super) fn agent_slot(&self, agent_id: &str) -> Option<AgentId> {
        let same = |slot: u32| *self.agents[slot].profile.agent_id == *agent_id;
        self.agent_ids.find(hash_bytes(self.seed, agent_id.as_bytes()), same).map(AgentId)
    }

    /// An agent by his handle.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn agent(&self, agent: AgentId) -> &Agent {
        &self.agents[agent.0]
    }

    /// Agent slots, those gone included.
    #[must_use]
    pub fn agent_slots(&self) -> u32 {
        self.agents.len()
    }

    /// Agents in slot order from a slot on, those gone left out.
    pub fn agents_from(&self, slot: u32) -> impl Iterator<Item = AgentId> {
        (slot..self.agents.len()).map(AgentId).filter(|&agent| !self.agents[agent.0].deleted)
    }

    /// An agent's live legs, newest first.
    pub fn agent_legs(&self, agent: AgentId) -> impl Iterator<Item = LegId> {
        let mut next = self.agent(agent).legs;
        core::iter::from_fn(move || {
            let slot = next;
            if slot == NONE {
                return None;
            }
            next = self.legs.at(slot).agent_links.1;
            Some(LegId(self.legs.key_of(slot)))
        })
    }

    /// Contacts in hand per channel id, those above zero.
    #[must_use]
    pub fn channels_in_hand(&self, agent: AgentId) -> Vec<(Text, u32)> {
        let held = &self.agents[agent.0];
        let channels = self.registry.channels.iter().zip(held.in_hand);
        channels
            .filter(|(_, count)| *count > 0)
            .map(|(channel, count)| (channel.id.clone(), u32::from(count)))
            .collect()
    }

    // ---- names and rules

    /// A queue's id.
    #[must_use]
    pub fn queue_id(&self, queue: QueueId) -> &Text {
        &self.registry.queue_names.all[queue.index()]
    }

    /// A queue's rules, as last in force.
    #[must_use]
    pub fn queue(&self, queue: QueueId) -> &Queue {
        &self.registry.queues[queue.index()].rules
    }

    /// How many queues have a handle.
    #[must_use]
    pub fn queue_count(&self) -> usize {
        self.registry.queues.len()
    }

    /// What an entry is measured against.
    #[must_use]
    pub fn entry_rules(&self, entry: &Entry) -> EntryRules {
        self.registry.measured[entry.rules as usize]
    }

    /// A channel's rules, as last in force.
    #[must_use]
    pub fn channel(&self, channel: ChannelId) -> &Channel {
        &self.registry.channels[channel.index()]
    }

    /// A gateway.
    #[must_use]
    pub fn gateway(&self, gateway: GatewayId) -> &Gateway {
        &self.gateways[gateway.index()]
    }

    /// A gateway by its id, if it was ever seen.
    #[must_use]
    pub fn find_gateway(&self, gateway_id: &str) -> Option<GatewayId> {
        self.gateway_ids.get(gateway_id).copied()
    }

    pub(super) fn gateway_count(&self) -> usize {
        self.gateways.len()
    }

    /// A gateway's contacts that have not ended, newest first.
    pub(super) fn gateway_contacts(&self, gateway: GatewayId) -> impl Iterator<Item = ContactId> {
        let mut next = self.gateways[gateway.index()].first;
        core::iter::from_fn(move || {
            let slot = next;
            if slot == NONE {
                return None;
            }
            next = self.contacts.at(slot).gateway_links.1;
            Some(ContactId(self.contacts.key_of(slot)))
        })
    }

    /// When a CLOSED contact was closed: when its customer's part or its last leg was over, whichever was later.
    pub(super) fn closed_at(&self, contact: ContactId) -> Time {
        let legs = self.contact_legs(contact).filter_map(|(_, leg)| leg.ended.get());
        legs.chain(self.contact(contact).ended.get()).max().unwrap_or(self.now)
    }

    /// Ended contacts kept, and the oldest of them.
    pub(super) fn oldest_ended(&self) -> (u32, Option<ContactId>) {
        let oldest = (self.ended.0 != NONE).then(|| ContactId(self.contacts.key_of(self.ended.0)));
        (self.ended_count, oldest)
    }

    /// The class of an entry by its parts, if it was seen.
    #[must_use]
    pub fn find_class(
        &self,
        queue: QueueId,
        channel: ChannelId,
        requirement: Option<&super::requirement::Requirement>,
    ) -> Option<ClassId> {
        self.index.find(queue, channel, requirement)
    }

    // ---- deadlines

    /// When the next deadline is due.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Time> {
        match (self.timers.next().map(Time), self.retention) {
            (Some(timer), Some(retention)) => Some(timer.min(retention)),
            (timer, retention) => timer.or(retention),
        }
    }

    /// Whether a deadline runs that an outage would move: of a leg, a bar or NOT_RESPONDING. A conversation's alarm counts
    /// too, though it is not moved.
    #[must_use]
    pub fn is_ticking(&self) -> bool {
        [Due::Leg, Due::Bar, Due::Agent].into_iter().any(|due| self.timers.count(due as u8) > 0)
    }

    /// When an agent's lease runs out, if it runs.
    pub(super) fn lease_expires(&self, agent: AgentId) -> Option<Time> {
        self.timers.get(Due::Lease as u8, agent.0).map(Time)
    }

    /// Takes the first deadline due at `now`.
    pub(super) fn pop_due(&mut self, now: Time) -> Option<(Due, u32)> {
        if let Some(retention) = self.retention.filter(|&at| at <= now)
            && self.timers.next().is_none_or(|timer| timer > retention.0)
        {
            self.retention = None;
            return Some((Due::Retention, 0));
        }
        let (_, kind, slot) = self.timers.pop_due(now.0)?;
        Some((Due::ALL[kind as usize], slot))
    }

    /// After a fold: what follows was recorded too.
    pub(super) fn forget_agenda(&mut self) {
        self.end_filling();
        self.agenda.contacts.clear();
        self.agenda.checks.clear();
        self.agenda.doors.clear();
        self.agenda.arrivals.clear();
        self.agenda.passed.clear();
        self.agenda.relaxed.clear();
        self.agenda.unservable.clear();
        while self.next_hungry().is_some() {
            self.fed();
        }
        while self.next_touched().is_some() {}
        while self.next_changed().is_some() {}
    }

    // ---- the agenda

    /// A contact to look at for closing, for an offer no longer allowed, or for a deadline that waited.
    pub(super) fn next_check(&mut self) -> Option<ContactId> {
        self.agenda.checks.pop()
    }

    /// A contact that came to a closed queue, to be judged before anybody takes it.
    pub(super) fn next_at_door(&mut self) -> Option<ContactId> {
        self.agenda.doors.pop()
    }

    /// A contact that came in, to be judged when nobody took it.
    pub(super) fn next_arrival(&mut self) -> Option<ContactId> {
        self.agenda.arrivals.pop()
    }

    /// Whether a contact came in and was not judged yet.
    pub(super) fn has_just_come(&self, contact: ContactId) -> bool {
        self.agenda.arrivals.contains(&contact)
    }

    /// A contact that may have set off an overflow rule while waiting: by the wait it passed, or because all declined.
    pub(super) fn next_passed(&mut self) -> Option<(ContactId, Passed)> {
        self.agenda.passed.pop()
    }

    /// A contact that a rule relaxed, and that nobody took, with all it has come to.
    pub(super) fn next_relaxed(&mut self) -> Option<(ContactId, Vec<Passed>)> {
        let &(contact, _) = self.agenda.relaxed.last()?;
        let passed = self.agenda.relaxed.extract_if(.., |(held, _)| *held == contact).map(|(_, passed)| passed);
        Some((contact, passed.collect()))
    }

    /// Whether a rule relaxed a contact, so that the others are looked at when nobody takes it.
    pub(super) fn is_looked_at_again(&self, contact: ContactId) -> bool {
        self.agenda.relaxed.iter().any(|(held, _)| *held == contact)
    }

    /// A contact that came in was relaxed: it is judged again when nobody takes it.
    pub(super) fn judge_again(&mut self, contact: ContactId) {
        self.agenda.arrivals.push(contact);
    }

    /// A contact that waits was relaxed: the other rules are looked at when nobody takes it.
    pub(super) fn look_again_at(&mut self, contact: ContactId, passed: Passed) {
        self.agenda.relaxed.push((contact, passed));
    }

    /// An agent to look at for his waiting presence or his offers.
    pub(super) fn next_touched(&mut self) -> Option<AgentId> {
        let agent = self.agenda.touched.pop()?;
        let held = &mut self.agents[agent.0];
        held.touched = false;
        if !held.changed {
            held.changed = true;
            self.agenda.changed.push(agent);
        }
        Some(agent)
    }

    /// An agent to look at for his routing word.
    pub(super) fn next_changed(&mut self) -> Option<AgentId> {
        let agent = self.agenda.changed.pop()?;
        self.agents[agent.0].changed = false;
        Some(agent)
    }

    /// Puts those to be matched in order: agents by idle clock, contacts by priority and adjusted arrival, best last.
    pub(super) fn sort_agenda(&mut self) {
        if core::mem::replace(&mut self.agenda.sorted, true) {
            return;
        }
        let agents = &self.agents;
        self.agenda.agents.sort_unstable_by_key(|agent| core::cmp::Reverse((agents[agent.0].idle_since, *agent)));
        let contacts = &self.contacts;
        let rank = |contact: &ContactId| contacts.get(contact.0).map(|held| super::matcher::contact_rank(held, 0));
        self.agenda.contacts.sort_unstable_by_key(|contact| core::cmp::Reverse((rank(contact), *contact)));
    }

    /// The longest idle of the agents who may now be matched; he stays until [`Self::fed`].
    pub(super) fn next_hungry(&self) -> Option<AgentId> {
        self.agenda.agents.last().copied()
    }

    /// Nothing is left for that agent: he stands in line for what he has room for.
    pub(super) fn fed(&mut self) {
        if let Some(agent) = self.agenda.agents.pop() {
            self.agents[agent.0].hungry = false;
            self.stand(agent, self.agents[agent.0].room);
        }
    }

    /// Whether more contacts may now be matched.
    pub(super) fn others_wait(&self) -> bool {
        !self.agenda.contacts.is_empty()
    }

    /// Puts back a contact just taken: it is still the best.
    pub(super) fn wait_again(&mut self, contact: ContactId) {
        self.agenda.contacts.push(contact);
    }

    /// The best of the contacts that may now be matched.
    pub(super) fn next_waiting(&mut self) -> Option<ContactId> {
        self.agenda.contacts.pop()
    }
}
