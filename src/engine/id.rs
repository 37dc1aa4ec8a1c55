//! Handles: what external ids are interned to. Small, copyable, and the same on every machine that saw the same events.
//!
//! Names (`Text`) cross the engine's border; inside, state is reached by these numbers.

use alloc::sync::Arc;
use core::fmt;

use super::slab::Key;

/// An external id or other text, shared and immutable.
pub type Text = Arc<str>;

macro_rules! handle {
    ($(#[$doc:meta])* $name:ident, $tag:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u32);

        impl $name {
            /// The handle as an index into a dense table.
            #[must_use]
            pub const fn index(self) -> usize {
                self.0 as usize
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($tag, "{}"), self.0)
            }
        }
    };
}

handle!(
    /// An agent: his slot, kept until he is deleted and no leg names him any more.
    AgentId, "a"
);
handle!(
    /// A queue; never reused, also when the queue is taken out of the policy.
    QueueId, "q"
);
handle!(
    /// A skill; never reused.
    SkillId, "s"
);
handle!(
    /// A team; never reused.
    TeamId, "t"
);
handle!(
    /// A channel; never reused.
    ChannelId, "ch"
);
handle!(
    /// A requirement class: one (queue, channel, requirement) as interned. Contacts of one class have the same eligible agents.
    ClassId, "cl"
);
handle!(
    /// A gateway that has opened a session or sent a contact.
    GatewayId, "g"
);

macro_rules! key {
    ($(#[$doc:meta])* $name:ident, $tag:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub Key);

        impl $name {
            /// The slot, an index into the slab.
            #[must_use]
            pub const fn slot(self) -> u32 {
                self.0.slot
            }

            /// The handle as one number, generation in the high half; never 0.
            #[must_use]
            pub fn to_u64(self) -> u64 {
                self.0.to_u64()
            }

            /// The handle that [`Self::to_u64`] gave.
            #[must_use]
            pub fn from_u64(number: u64) -> Self {
                Self(Key::from_u64(number))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($tag, "{}.{}"), self.0.slot, self.0.generation)
            }
        }
    };
}

key!(
    /// A contact: slot and generation, so that a recycled slot is never mistaken for the contact that was there.
    ContactId, "c"
);
key!(
    /// A leg (one contact with one agent). It is also the id of the offer the leg began with, if it began with one.
    LegId, "l"
);
key!(
    /// A barred pair: one contact that is not offered to one agent until an instant.
    BarId, "b"
);
