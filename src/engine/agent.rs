//! Agents: who they are, the states they go through, and what follows from them.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::id::{AgentId, ChannelId, SkillId, Text};
use super::limits;
use super::occupancy::{Doing, Occupancy};
use super::order::Sequence;
use super::requirement::{Attributes, Subject, Value};
use super::time::{Span, Time};

/// What kind of agent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AgentType {
    /// A person.
    #[default]
    Human,
    /// A program.
    Ai,
}

/// Who an agent is and what he can do. Immutable: an update replaces it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AgentProfile {
    /// The id.
    pub agent_id: Text,
    /// The name people see.
    pub display_name: Text,
    /// His team's id; without one he serves nothing.
    pub team: Option<Text>,
    /// Where he works.
    pub site: Option<Text>,
    /// Person or program.
    pub agent_type: AgentType,
    /// Skill ids with levels 1-10, sorted by id, each once.
    pub skills: Vec<(Text, u8)>,
    /// Typed attributes, sorted by name.
    pub attributes: Attributes,
    /// Capacity units, 1-10 000.
    pub capacity: u32,
    /// Whether configuration owns him.
    pub managed_by_config: bool,
}

impl AgentProfile {
    /// Capacity units of an agent for whom none are given: one voice contact, or four of the others.
    pub const CAPACITY: u32 = 100;
}

/// Why an agent is created or changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum UpsertCause {
    /// A request.
    #[default]
    Request,
    /// A policy.
    Config,
    /// A supervisor set his skills.
    Skills,
    /// What a supervisor set for a time has ended.
    SkillsExpired,
}

/// A skill level set for a time over an agent's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SkillOverride {
    /// The skill.
    pub skill: Text,
    /// The level in force, 1-10; 0 when it is taken away.
    pub level: u8,
    /// His own, which returns; 0 for none.
    pub configured: u8,
    /// When it returns.
    pub until: Time,
}

/// A profile's level of a skill; 0 for none.
pub(super) fn level_of(profile: &AgentProfile, skill: &Text) -> u8 {
    Subject::level(profile, skill)
}

/// Sets a profile's level of a skill, 0 taking it away.
pub(super) fn set_level(profile: &mut AgentProfile, skill: &Text, level: u8) {
    match (profile.skills.binary_search_by(|(id, _)| id.cmp(skill)), level) {
        (Ok(at), 0) => drop(profile.skills.remove(at)),
        (Ok(at), level) => profile.skills[at].1 = level,
        (Err(_), 0) => {}
        (Err(at), level) => profile.skills.insert(at, (skill.clone(), level)),
    }
}

/// An agent's own profile with what was set over it; notes there what it covers.
pub(super) fn lay_over(own: &Arc<AgentProfile>, overrides: &mut [SkillOverride]) -> Arc<AgentProfile> {
    if overrides.is_empty() {
        return own.clone();
    }
    let mut profile = (**own).clone();
    for held in overrides {
        held.configured = level_of(own, &held.skill);
        set_level(&mut profile, &held.skill, held.level);
    }
    Arc::new(profile)
}

impl Subject for AgentProfile {
    fn agent_id(&self) -> &str {
        &self.agent_id
    }

    fn level(&self, skill: &str) -> u8 {
        match self.skills.binary_search_by(|(id, _)| (**id).cmp(skill)) {
            Ok(at) => self.skills[at].1,
            Err(_) => 0,
        }
    }

    fn attribute(&self, name: &str) -> Option<&Value> {
        let at = self.attributes.binary_search_by(|(id, _)| (**id).cmp(name)).ok()?;
        Some(&self.attributes[at].1)
    }
}

/// What the agent chose.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Presence {
    /// Not signed in.
    #[default]
    Offline,
    /// Ready for offers.
    Available,
    /// Signed in, not ready, with the reason given (may be empty).
    NotReady(Text),
}

/// What an agent's state means for routing: derived, the first that holds, in this order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Routing {
    /// A presence is waiting for his last leg to end.
    Draining,
    /// Offline, not ready, or his session is lost.
    #[default]
    OffQueue,
    /// He let too many offers, deliveries or connects fail in a row.
    NotResponding,
    /// An offer to him is open.
    Offering,
    /// At least one leg is ASSIGNED, CONNECTED or ON_HOLD.
    Busy,
    /// Only wrapping legs.
    WrapUp,
    /// Nothing to do.
    Idle,
}

/// Why an agent is NOT_RESPONDING, each cause with its own count in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// Single offers expired.
    Expired,
    /// Offers could not be written to any stream while the lease held.
    Delivery,
    /// Accepted contacts did not connect, by his side.
    Connect,
}

/// Why an agent rests: he gets no new offers for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rest {
    /// His occupancy of late is above his team's `max_occupancy`.
    MaxOccupancy,
    /// He was offered as many contacts as his team's `offer_rate_limit` allows in its time.
    OfferRate,
}

impl Rest {
    /// All of them, in order.
    pub const ALL: [Rest; 2] = [Rest::MaxOccupancy, Rest::OfferRate];

    /// Its bit in [`Agent::resting`].
    #[must_use]
    pub const fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// A skill and a level of it, in four bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SkillLevel(u32);

impl SkillLevel {
    pub(super) fn new(skill: SkillId, level: u8) -> SkillLevel {
        assert!(skill.0 < 1 << 24, "more skills than can be told apart");
        SkillLevel(skill.0 << 8 | u32::from(level))
    }

    pub(super) const fn skill(self) -> SkillId {
        SkillId(self.0 >> 8)
    }

    pub(super) const fn level(self) -> u8 {
        self.0 as u8
    }
}

/// An agent as the engine keeps him.
#[derive(Clone, Debug)]
pub struct Agent {
    /// Who he is, with what was set over it for a time.
    pub profile: Arc<AgentProfile>,
    /// What was set over it, sorted by skill.
    pub overrides: Vec<SkillOverride>,
    /// His team.
    pub team: Option<super::id::TeamId>,
    /// His skill levels by handle, sorted.
    pub(super) levels: Box<[SkillLevel]>,
    /// What he chose.
    pub presence: Presence,
    /// What waits for his last leg.
    pub next_presence: Option<Presence>,
    /// The routing word last said; equals the derived one at the end of every batch.
    pub routing: Routing,
    /// Whether his lease holds, or he needs none.
    pub session: bool,
    /// The lease he signed in with; zero for none.
    pub lease: Span,
    /// Open streams of his desktop; not folded from events.
    pub(super) streams: u32,
    /// Until when he is NOT_RESPONDING.
    pub not_responding: Option<Time>,
    /// Faults in a row, by [`Fault`].
    pub faults: [u32; 3],
    /// How often in a row he was NOT_RESPONDING, by [`Fault`]: until he answered, signed in, or came back by himself.
    pub lapses: [u32; 3],
    /// Declines in a row.
    pub declines: u32,
    /// Legs CONNECTED in this sign-in.
    pub contacts: u32,
    /// When this sign-in began.
    pub signed_in_since: Time,
    /// When the routing word last changed.
    pub routing_since: Time,
    /// Units in use and reserved.
    pub used: u32,
    /// Units that interrupted legs have left and keep a claim to.
    pub claimed: u32,
    /// Units he has: the profile's, kept here because every search asks for them.
    pub(super) capacity: u32,
    /// Contacts in hand per channel.
    pub in_hand: [u16; limits::CHANNELS],
    /// His idle clock.
    pub idle_since: Option<Time>,
    /// The same, moved by inbound contacts alone.
    pub inbound_since: Option<Time>,
    /// When he last became AVAILABLE.
    pub available_since: Option<Time>,
    /// His place in the configuration's list, where some queue goes by it.
    pub(super) listed: Option<u32>,
    /// How much he worked of late, where anything goes by it.
    pub(super) occupancy: Option<Box<Occupancy>>,
    /// When he was offered contacts of late, oldest first, where his pace is bounded.
    pub(super) offered: VecDeque<Time>,
    /// What he took today from pools that count by the day: pool and contacts.
    pub taken: Vec<(Text, u32)>,
    /// Why he rests from offers, by [`Rest::bit`].
    pub resting: u8,
    /// Newest live leg (slot), the others follow by `Leg::agent_links`.
    pub(super) legs: u32,
    /// Live legs with an open offer, busy, and wrapping.
    pub offering: u32,
    /// Live legs ASSIGNED, CONNECTED or ON_HOLD.
    pub busy: u32,
    /// Live legs in WRAP_UP.
    pub wrapping: u32,
    /// His places in lines: those by his skills alone, and those for classes that ask for more.
    pub(super) plain: super::pools::Run,
    pub(super) compound: Vec<super::pools::Run>,
    /// The channels he has room for one more contact of, a bit each.
    pub(super) room: u16,
    /// Those he stands in line for: all he has room for, once he has been looked at.
    pub(super) in_line: u16,
    /// Contacts open to him alone.
    pub(super) only: Sequence,
    /// Whether he is to go with his last leg.
    pub removed: bool,
    /// Whether he is gone; his slot waits for the same id to come back.
    pub deleted: bool,
    /// Whether he is on the list of those whose waiting presence or offers are looked at.
    pub(super) touched: bool,
    /// Whether he is on the list of those whose routing word is looked at.
    pub(super) changed: bool,
    /// Whether he is on the list of those who may be matched.
    pub(super) hungry: bool,
}

impl Agent {
    /// A new agent, signed out.
    #[must_use]
    pub fn new(profile: Arc<AgentProfile>) -> Agent {
        Agent {
            profile,
            overrides: Vec::new(),
            team: None,
            levels: Box::default(),
            presence: Presence::Offline,
            next_presence: None,
            routing: Routing::OffQueue,
            session: false,
            lease: Span::ZERO,
            streams: 0,
            not_responding: None,
            faults: [0; 3],
            lapses: [0; 3],
            declines: 0,
            contacts: 0,
            signed_in_since: Time(0),
            routing_since: Time(0),
            used: 0,
            claimed: 0,
            capacity: 0,
            in_hand: [0; limits::CHANNELS],
            idle_since: None,
            inbound_since: None,
            available_since: None,
            listed: None,
            occupancy: None,
            offered: VecDeque::new(),
            taken: Vec::new(),
            resting: 0,
            legs: super::contact::NONE,
            offering: 0,
            busy: 0,
            wrapping: 0,
            plain: Default::default(),
            compound: Vec::new(),
            room: 0,
            in_line: 0,
            only: Sequence::default(),
            removed: false,
            deleted: false,
            touched: false,
            changed: false,
            hungry: false,
        }
    }

    /// His places in lines.
    pub(super) fn places(&self) -> impl Iterator<Item = super::pools::PlaceId> {
        self.plain.iter().chain(self.compound.iter().flat_map(|run| run.iter()))
    }

    /// Who he is by himself.
    #[must_use]
    pub fn base(&self) -> Arc<AgentProfile> {
        if self.overrides.is_empty() {
            return self.profile.clone();
        }
        let mut own = (*self.profile).clone();
        self.overrides.iter().for_each(|held| set_level(&mut own, &held.skill, held.configured));
        Arc::new(own)
    }

    /// When the first of what was set over it ends.
    #[must_use]
    pub fn override_ends(&self) -> Option<Time> {
        self.overrides.iter().map(|held| held.until).min()
    }

    /// He did what he had failed to do: such faults are counted anew.
    pub(super) fn make_good(&mut self, faults: &[Fault]) {
        for &fault in faults {
            (self.faults[fault as usize], self.lapses[fault as usize]) = (0, 0);
        }
    }

    /// Whether he is signed in.
    #[must_use]
    pub fn signed_in(&self) -> bool {
        self.presence != Presence::Offline
    }

    /// Whether he holds work: a leg that is not only an offer.
    #[must_use]
    pub fn holds_work(&self) -> bool {
        self.busy + self.wrapping > 0
    }

    /// What he does, as far as his occupancy is concerned.
    pub(super) fn doing(&self) -> Doing {
        if self.holds_work() {
            Doing::Working
        } else if self.takes_offers() && self.offering == 0 {
            Doing::Idle
        } else {
            Doing::Neither
        }
    }

    /// Whether he takes new offers, room and rest aside.
    #[must_use]
    pub fn takes_offers(&self) -> bool {
        self.presence == Presence::Available
            && self.next_presence.is_none()
            && self.session
            && self.not_responding.is_none()
            && !self.removed
    }

    /// Whether he may get new offers now, room aside: he does not rest from them.
    #[must_use]
    pub fn may_be_offered(&self) -> bool {
        self.resting == 0 && self.takes_offers()
    }

    /// Whether he has room for one more contact of a channel, what he holds of others aside.
    #[must_use]
    pub fn has_room(&self, channel: ChannelId, cost: u32, max: u32) -> bool {
        self.used + self.claimed + cost <= self.capacity && u32::from(self.in_hand[channel.index()]) < max
    }

    /// The routing word, derived: the first that holds.
    #[must_use]
    pub fn derive_routing(&self) -> Routing {
        if self.next_presence.is_some() || (self.removed && !self.deleted && self.holds_work()) {
            Routing::Draining
        } else if self.presence != Presence::Available || !self.session {
            Routing::OffQueue
        } else if self.not_responding.is_some() {
            Routing::NotResponding
        } else if self.offering > 0 {
            Routing::Offering
        } else if self.busy > 0 {
            Routing::Busy
        } else if self.wrapping > 0 {
            Routing::WrapUp
        } else {
            Routing::Idle
        }
    }
}

/// An agent's handle with its number, for callers outside the engine that keep tables by it.
impl From<AgentId> for usize {
    fn from(agent: AgentId) -> usize {
        agent.index()
    }
}
