//! What is simulated, compiled: who comes, who works when, and what people do. `scenario` makes one from a file,
//! `oracle` from a case; `host` plays it.

use std::sync::Arc;

use crate::engine::agent::AgentProfile;
use crate::engine::contact::ContactProfile;
use crate::engine::id::Text;
use crate::engine::policy::Policy;
use crate::engine::requirement::{Attributes, Requirement};
use crate::engine::time::{Span, Time};

use super::arrivals::Arrivals;
use super::law::Law;

/// A stream of customers of one kind.
#[derive(Clone, Debug)]
pub struct Flow {
    /// The id.
    pub id: Text,
    /// What keys its streams of chance: its id's hash, so that other flows do not move its numbers.
    pub key: u64,
    /// The queue's id.
    pub queue: Text,
    /// The channel's id.
    pub channel: Text,
    /// Priority of its contacts, -100..100.
    pub priority: i32,
    /// What its contacts ask of an agent, beside their queue.
    pub requirement: Option<Arc<Requirement>>,
    /// Attributes of its contacts.
    pub attributes: Attributes,
    /// How long a customer waits before giving up; none never gives up.
    pub patience: Option<Law>,
    /// How long a conversation takes, by team in the policy's order.
    pub handle_time: Vec<Law>,
    /// When wrap-up is ended by the agent, by team; none leaves it to the queue's rule.
    pub wrap_up: Vec<Option<Law>>,
    /// What a customer does who gave up.
    pub retry: Option<Retry>,
    /// Times of single contacts, in order of arrival, where they are known.
    pub given: Vec<Given>,
}

/// Times of one contact, where known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Given {
    /// How long its conversation takes.
    pub handle_time: Option<Span>,
    /// How long its customer waits before giving up.
    pub patience: Option<Span>,
}

/// Calling again after giving up, each time with the same chance; patience and handle time stay as they were.
#[derive(Clone, Debug, PartialEq)]
pub struct Retry {
    /// The chance, 0 to 1.
    pub probability: f64,
    /// After how long.
    pub delay: Law,
    /// Calls in all at most.
    pub attempts: u32,
}

/// What the agents of a team do with an offer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Conduct {
    /// How long until one is accepted or declined; none at once.
    pub accept_delay: Option<Law>,
    /// Share declined, 0 to 1.
    pub decline: f64,
    /// Share left to ring, 0 to 1.
    pub no_answer: f64,
    /// From accept to connect, where the gateway connects; none at once.
    pub connect_delay: Option<Law>,
}

/// A change in an agent's day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// When.
    pub at: Time,
    /// The agent's id.
    pub agent_id: Text,
    /// What to.
    pub to: To,
}

/// What an agent's day changes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum To {
    /// He signs in, available.
    In,
    /// He takes a break, for a reason.
    Break(Text),
    /// He is back.
    Back,
    /// He signs out when his work in hand is done.
    Out {
        /// Only once nobody waits in his team's queues.
        when_served: bool,
    },
}

/// An instant at which those who wait are told to go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closing {
    /// When.
    pub at: Time,
    /// Which queues, by place in the policy.
    pub queues: Vec<usize>,
}

/// Everything a run is made of.
#[derive(Clone, Debug, Default)]
pub struct Scene {
    /// The rules: the same value a server would put in force.
    pub policy: Arc<Policy>,
    /// When it begins.
    pub start: Time,
    /// When the last day is over.
    pub end: Time,
    /// Who comes.
    pub flows: Vec<Flow>,
    /// Agents beside those of the policy.
    pub agents: Vec<Arc<AgentProfile>>,
    /// What agents do with offers, by team in the policy's order.
    pub conduct: Vec<Conduct>,
    /// Who works when, in order of time.
    pub roster: Vec<Change>,
    /// Closings, in order of time.
    pub closings: Vec<Closing>,
    /// Contacts at the center at once; a further one finds no line.
    pub lines: Option<u32>,
    /// When intervals of the report begin, in order; the first at `start`.
    pub intervals: Vec<Time>,
}

impl Scene {
    /// Place of a team in the policy.
    #[must_use]
    pub fn team(&self, id: &str) -> Option<usize> {
        self.policy.teams.iter().position(|team| &*team.id == id)
    }

    /// Every agent: those of the policy and those of the scene, in order.
    pub fn everyone(&self) -> impl Iterator<Item = &Arc<AgentProfile>> {
        self.policy.agents.iter().chain(&self.agents)
    }

    /// For each team, the places of the queues it serves.
    #[must_use]
    pub fn served(&self) -> Vec<Vec<usize>> {
        let lists = |team: &crate::engine::policy::Team, queue: &Text| {
            team.queues.iter().any(|membership| &*membership.queue == "*" || membership.queue == *queue)
        };
        let queues = &self.policy.queues;
        let of = |team| (0..queues.len()).filter(|&at| lists(team, &queues[at].id)).collect();
        self.policy.teams.iter().map(of).collect()
    }
}

/// One run: a scene with the arrivals drawn for it.
#[derive(Clone, Debug)]
pub struct Run<'s> {
    /// The scene.
    pub scene: &'s Scene,
    /// The seed of this run.
    pub seed: u64,
    /// The arrivals of each flow.
    pub arrivals: Vec<Arrivals>,
}

/// The profile of a contact of a flow.
pub(super) fn profile(flow: &Flow, slot: usize) -> ContactProfile {
    ContactProfile {
        contact_id: format!("{}-{slot}", flow.id).into(),
        channel: flow.channel.clone(),
        attributes: flow.attributes.clone(),
        ..ContactProfile::default()
    }
}

/// A number for a name: FNV-1a.
#[must_use]
pub fn key_of(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
