//! Every bound, with its reason. Relations between them are asserted at compile time.

use super::time::Span;

/// Gateways per tenant, ever seen.
pub const GATEWAYS: usize = 65_536;
/// Longest external id in bytes: room for a UUID, a SIP Call-ID or an e-mail Message-ID.
pub const ID_BYTES: usize = 128;
/// Longest request id in bytes.
pub const REQUEST_ID_BYTES: usize = 64;
/// Longest configuration id in bytes.
pub const CONFIG_ID_BYTES: usize = 64;
/// Most attributes on one contact or agent.
pub const ATTRIBUTES: usize = 64;
/// Longest attribute name or text value in bytes.
pub const ATTRIBUTE_BYTES: usize = 1024;
/// Lowest and highest contact priority.
pub const PRIORITY: core::ops::RangeInclusive<i32> = -100..=100;
/// Highest skill level; the lowest is 1.
pub const SKILL_LEVEL: u8 = 10;
/// Membership priorities, lower first.
pub const MEMBERSHIP_PRIORITY: core::ops::RangeInclusive<u8> = 1..=99;
/// Versions of a tenant's policy kept, to look at and to go back to; agents two of them share are kept once.
pub const POLICY_VERSIONS: usize = 100;
/// Longest comment on a version in bytes.
pub const COMMENT_BYTES: usize = 256;
/// Channels per tenant: an agent keeps one small counter for each.
pub const CHANNELS: usize = 12;
/// Agents per tenant.
pub const AGENTS: usize = 1_000_000;
/// Contacts not yet ended per tenant.
pub const CONTACTS: usize = 4_000_000;
/// Waiting places a queue or a group of queues may be limited to: as many as there may be contacts.
pub const WAITING_PLACES: u32 = CONTACTS as u32;
/// What waiting adds to a priority, in millionths of a point per minute, and at most altogether: from the lowest priority
/// past the highest in a quarter of a second, and as much as a year at that rate.
pub const AGING: i64 = 1_000_000_000;
/// Agents a reserve may keep idle.
pub const KEEP_IDLE: u32 = AGENTS as u32;
/// Classification rules of a tenant.
pub const CLASS_RULES: usize = 1_000;
/// Overflow rules per queue: which of them acted is kept in one word per entry.
pub const OVERFLOW_RULES: usize = 32;
/// Steps per queue: which of them were passed over is kept in one word per entry.
pub const STEPS: usize = 16;
/// Groups of queues per tenant: an arrival looks at each group of its queue.
pub const QUEUE_GROUPS: usize = 1_000;
/// Agents looked at per event while the pool of a class never seen is filled, so that no step is long.
pub const POOL_STEP: u32 = 64;
/// Requirement classes per tenant: one that asks for more than a level of one skill costs a place per eligible agent.
pub const CLASSES: usize = 65_536;
/// Capacity units an agent may have.
pub const CAPACITY: u32 = 10_000;
/// Legs kept on one contact; older ended ones are dropped and counted.
pub const LEGS_PER_CONTACT: u32 = 64;
/// How far back a contact's arrival may lie.
pub const ARRIVAL_AGE: Span = Span::from_secs(86_400);
/// How far ahead a callback may be asked for.
pub const CALLBACK_AHEAD: Span = Span::from_secs(30 * 86_400);
/// How far ahead the end of a skill set for a time may lie.
pub const SKILL_OVERRIDE: Span = Span::from_secs(30 * 86_400);
/// Agents a contact is offered to at once at most: fewer than the legs kept of it.
pub const BROADCAST: u32 = 50;
/// Contacts one MoveContacts may name.
pub const MOVE_NAMES: usize = 1_000;
/// Longest age credit: as far as an arrival may lie back.
pub const AGE_CREDIT: Span = ARRIVAL_AGE;
/// Longest wrap-up that ends only by hand.
pub const WRAP_UP: Span = Span::from_secs(3_600);
/// Longest time a declined pair may be barred.
pub const RETRY: Span = Span::from_secs(86_400);
/// Longest lease a session may ask for.
pub const LEASE: Span = Span::from_secs(86_400);
/// Contacts the audit sweep looks at in one step.
pub const SWEEP: usize = 256;
/// Contacts of a lost gateway ended in one step; the rest follows in the next, so that no step is long.
pub const GATEWAY_SWEEP: usize = 64;
/// Waiting contacts looked at to tell a position; past it the position is not told.
pub const POSITION_SEARCH: u32 = 10_000;
/// Offers an `offer_rate_limit` may allow: the instants of as many are kept per agent.
pub const OFFER_RATE: u32 = 1_000;
/// Operations of one score: each is looked at for every agent in line.
pub const SCORE_OPERATIONS: usize = 64;
/// Requirement texts and scores longer than this are refused.
pub const REQUIREMENT_BYTES: usize = 4096;

const _: () = assert!(BROADCAST < LEGS_PER_CONTACT);
const _: () = assert!(REQUEST_ID_BYTES <= ID_BYTES && CONFIG_ID_BYTES <= ID_BYTES);
const _: () = assert!(SKILL_LEVEL < u8::MAX && CHANNELS < u8::MAX as usize);
