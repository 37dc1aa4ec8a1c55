//! Agents: who they are, the states they go through, and what follows from them.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::id::{AgentId, ChannelId, Text};
use super::limits;
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
