//! The format of events: one table a type, checked by the compiler.
//!
//! To add an event: give it the next free number in the table of `Event`. To add a field to an event or a struct that is
//! journalled: append it as `; VERSION: field` with the version of the format that begins with it; what was written
//! before reads as its default. Numbers are never reused and fields never moved. [`VERSION`] goes up once per release
//! that writes anything its predecessor cannot read; the golden files in `tests/journal/` hold what each version wrote,
//! and `tests/journal_format.rs` says what to do when they no longer fit.

use std::sync::Arc;

use super::frame::{FRAME, Frame};
use crate::engine::agent::{AgentProfile, AgentType, Fault, Presence, Rest, Routing, SkillOverride, UpsertCause};
use crate::engine::command::{ChangeCause, ContactChange, NewContact, RequestStamp};
use crate::engine::contact::{
    AssignCause, ContactProfile, Customer, DeclineReason, Direction, EndCause, FailCause, Outcome, Reason, SurveyKind,
    SurveyResult,
};
use crate::engine::event::{Answer, EntryCause, EntryExit, Event, Facts, Recorded};
use crate::engine::id::Text;
use crate::engine::policy::{
    Action, Broadcast, Channel, ClassRule, Classification, Connect, ContactOrder, Exhausted, Hysteresis, IdleClock,
    Membership, OfferRate, Overflow, Policy, PolicyChange, PolicyTrigger, Pool, Queue, QueueGroup, RemovedQueue,
    Reserve, Rules, Selection, ServiceLevel, Shift, ShiftBreak, Skill, SkipIf, Step, Team, Trigger, WrapUp, ZoneOffset,
};
use crate::engine::requirement::{Comparison, Expr, Requirement, Value};
use crate::engine::score::{Operation, Score, ScoreExpr};
use crate::engine::time::Time;
use crate::wire::{Malformed, Reader, Seal, Wire, Writer, names, record, variants};

/// The version written. Those from [`OLDEST`] on are read; later ones are refused.
pub const VERSION: u16 = 1;
/// The oldest version read.
pub const OLDEST: u16 = 1;

variants!(Event, EVENTS {
    1 = RequestRemembered { stamp, contact, agent, created, moved, skipped, rule }
    2 = PolicyApplied { policy, change, reevaluated }
    3 = ContactCreated { contact, new }
    4 = ContactQueued { contact, queue, cause, only }
    5 = ContactUnrestricted { contact }
    6 = ContactUpdated { contact, change }
    7 = ContactParked { contact, until }
    8 = ContactUnparked { contact }
    9 = ContactTransferred { contact, from, to, to_agent, again, reason }
    10 = NoWillingAgent { contact }
    11 = BarLifted { bar, contact, agent }
    12 = ContactEnded { contact, outcome, reason, exit, disposition }
    13 = ContactClosed { contact, outcome, reason, queue }
    14 = ContactForgotten { contact }
    15 = OfferIssued { contact, leg, agent, cost, expires, wait, broadcast }
    16 = OfferAccepted { contact, leg, connect_by }
    17 = OfferDeclined { contact, leg, reason, barred }
    18 = OfferExpired { contact, leg, barred }
    19 = OfferCancelled { contact, leg }
    20 = OfferRevoked { contact, leg }
    21 = OfferFailed { contact, leg, cause, barred }
    22 = LegAssigned { contact, leg, agent, cost, connect_by, cause }
    23 = LegConnected { contact, leg, answer }
    24 = LegHeld { contact, leg, by }
    25 = LegResumed { contact, leg, interrupted }
    26 = LegWrapUpStarted { contact, leg, until, cause }
    27 = LegEnded { contact, leg, cause, barred, disposition, resolved }
    28 = MaxHandlePassed { contact, leg }
    29 = AgentUpserted { agent, profile, cause, overrides }
    30 = AgentRemoved { agent }
    31 = AgentDeleted { agent }
    32 = AgentSignedIn { agent, presence, lease }
    33 = AgentSignedOut { agent }
    34 = AgentPresenceChanged { agent, before, after, next, by_supervisor }
    35 = AgentRoutingChanged { agent, before, after }
    36 = AgentNotResponding { agent, fault, in_a_row, until }
    37 = AgentResponding { agent }
    38 = AgentSessionOpened { agent }
    39 = AgentSessionLost { agent }
    40 = GatewaySessionOpened { gateway, gateway_id, lease }
    41 = GatewaySessionLost { gateway, until }
    42 = GatewaySwept { gateway }
    43 = Resumed { outage, contacts, offers }
    44 = PolicySourced { file }
    45 = ContactMoved { contact, exit, to, cause }
    46 = SurveySubmitted { contact, queue, agent, kind, score, result }
    47 = WaitReached { contact, wait }
    48 = CustomerForgotten { customer, contacts }
    49 = ContactOverflowed { contact, rule, trigger, action }
    50 = QueueOpenChanged { queue, before, after, set, until, by_clock }
    51 = ContactRelaxed { contact, before, after, skipped, advanced }
    52 = StepsExhausted { contact }
    53 = OfferRescinded { contact, leg, winner }
    54 = AgentRestStarted { agent, cause, until }
    55 = AgentRestEnded { agent, cause }
    56 = ContactUnservableChanged { contact, unservable }
    57 = PoolReset { pool }
});

// ---- what events hold

record!(RequestStamp { method, request_id, digest });
record!(NewContact { profile, digest, queue, agent_id, priority, requirement, age_credit, arrival, schedule, expire });
record!(ContactChange {
    customer,
    attributes,
    conversation_id,
    priority,
    requirement,
    expire,
    cause,
    preferred_agent_id,
});
record!(ContactProfile {
    contact_id,
    gateway_id,
    direction,
    callback_of,
    conversation_id,
    channel,
    customer,
    attributes,
    preferred_agent_id,
});
record!(AgentProfile {
    agent_id,
    display_name,
    team,
    site,
    agent_type,
    skills,
    attributes,
    capacity,
    managed_by_config,
});
record!(SkillOverride { skill, level, configured, until });
record!(EntryExit { queue, wait, within_threshold, short });
record!(Answer { queue, wait, within_threshold });
record!(Policy {
    version,
    tenant,
    time_zone,
    not_ready_reasons,
    dispositions,
    skills,
    channels,
    pools,
    zone_offsets,
    queues,
    queue_groups,
    reserves,
    classification,
    teams,
    agents,
    rules,
});
record!(PolicyChange { trigger, comment, rolled_back_to, digest, source, removed_queues });
record!(RemovedQueue { id, target });
record!(Rules {
    session_lease,
    gateway_grace,
    retry_time,
    max_declines,
    transfer_timeout,
    park_timeout,
    retention,
    retained_contacts,
    request_window,
    remembered_requests,
    recontact_window,
    occupancy_window,
});
record!(Skill { id, display_name });
record!(Channel {
    id,
    cost,
    max,
    excludes,
    interrupts,
    pools,
    connect,
    auto_accept,
    offer_timeout,
    connect_timeout,
    max_wait,
    max_handle,
    rona,
    rona_reset,
    rona_reset_max,
});
record!(Pool { id, max, per_day, reset });
record!(ZoneOffset { from, seconds });
record!(ServiceLevel { threshold, target_ppm });
record!(Queue {
    id,
    display_name,
    require,
    max_wait,
    short_abandon,
    wrap_up,
    service_level,
    limit,
    selection,
    idle_clock,
    score,
    aging,
    aging_cap,
    max_wait_first,
    waiting_cost,
    expected_handle,
    expected_patience,
    overflow,
    broadcast,
    steps,
    exhausted,
});
record!(Broadcast { min, max });
record!(Step { after, require, drop, prefer, skip_if });
record!(Overflow { trigger, action });
record!(QueueGroup { id, queues, limit });
record!(Classification { rules, fallback });
record!(ClassRule { channels, when, priority_at_least, age_at_least, asks, queue, set_priority, set_requirement });
record!(Reserve { team, queue, keep_idle, release_after, lender_within_target, hysteresis });
record!(Hysteresis { start, stop, ratio_ppm });
record!(Membership { queue, priority, delay, rank, ratio_ppm });
record!(Team {
    id,
    display_name,
    parent,
    leader,
    site,
    queues,
    cost_per_hour,
    contact_order,
    shifts,
    max_occupancy,
    offer_rate_limit
});
record!(OfferRate { offers, per });
record!(Shift { agents, days, from, to, breaks });
record!(ShiftBreak { from, to, reason });
record!(Requirement { text, expr });
record!(Score { text, expr });

names!(Direction { 0 = Inbound, 1 = Outbound, 2 = Callback, 3 = Internal });
names!(AgentType { 0 = Human, 1 = Ai });
names!(UpsertCause { 0 = Request, 1 = Config, 2 = Skills, 3 = SkillsExpired });
names!(Fault { 0 = Expired, 1 = Delivery, 2 = Connect });
names!(Rest { 0 = MaxOccupancy, 1 = OfferRate });
names!(Routing {
    0 = Draining, 1 = OffQueue, 2 = NotResponding, 3 = Offering, 4 = Busy, 5 = WrapUp, 6 = Idle,
});
names!(DeclineReason { 0 = Rejected, 1 = Busy, 2 = Unreachable });
names!(FailCause { 0 = Delivery, 1 = SessionLost });
names!(AssignCause { 0 = Direct, 1 = Forced, 2 = Picked, 3 = Transferred });
names!(EndCause {
    0 = Offer, 1 = Completed, 2 = Transferred, 3 = Requeued, 4 = ConnectTimeout, 5 = AgentUnreachable, 6 = MediaFailed,
    7 = SessionLost, 8 = ContactLeft,
});
names!(Outcome {
    0 = Completed, 1 = Abandoned, 2 = Cancelled, 3 = Refused, 4 = Overflowed, 5 = Expired, 6 = Failed,
});
names!(Reason {
    0 = None, 1 = CustomerLeft, 2 = System, 3 = GatewayLost, 4 = NoAnswer, 5 = SessionLost, 6 = MaxWait, 7 = ExpireTime,
    8 = QueueRemoved, 9 = QueueFull, 10 = Callback, 11 = Rule, 12 = External,
    13 = QueueClosed,
});
names!(EntryCause { 0 = Arrived, 1 = Scheduled, 2 = Transferred, 3 = Requeued, 4 = Moved, 5 = Overflowed, 6 = Reclassified });
names!(ChangeCause { 0 = Client, 1 = Supervisor, 2 = Transferred, 3 = Overflow, 4 = Classified });
names!(SurveyKind { 0 = Csat, 1 = Nps });
names!(SurveyResult { 0 = Positive, 1 = Neutral, 2 = Negative });
names!(PolicyTrigger { 0 = Start, 1 = Signal, 2 = File, 3 = Request, 4 = Rollback });
names!(IdleClock { 0 = Any, 1 = Inbound, 2 = Available });
names!(ContactOrder {
    0 = Priority, 1 = ServiceLevelUrgency, 2 = CmuTheta, 3 = QueueRatioCount, 4 = QueueRatioDelay,
});
names!(Connect { 0 = Explicit, 1 = OnAccept });
names!(Comparison { 0 = Equal, 1 = NotEqual, 2 = Less, 3 = AtMost, 4 = Greater, 5 = AtLeast });

/// The format of an enum whose variants hold at most one thing: a number each, and that thing.
macro_rules! holders {
    ($name:ident { $($tag:literal = $variant:ident $(($held:ident))?),* $(,)? }) => {
        impl Wire for $name {
            fn put(&self, out: &mut Writer) {
                match self {
                    $($name::$variant $(($held))? => {
                        out.bytes.push($tag);
                        $($held.put(out);)?
                    })*
                }
            }

            fn get(from: &mut Reader<'_>) -> Result<Self, Malformed> {
                match from.take(1)?[0] {
                    $($tag => Ok($name::$variant $(({ let $held = Wire::get(from)?; $held }))?),)*
                    _ => Err(from.fault(concat!("is no ", stringify!($name), " this version knows"))),
                }
            }
        }
    };
}

holders!(Presence { 0 = Offline, 1 = Available, 2 = NotReady(reason) });
holders!(Selection {
    0 = LongestIdle, 1 = Ranked, 2 = LeastLoaded, 3 = BestSkilled, 4 = LeastSkilled, 5 = FewestContacts, 6 = RoundRobin,
    7 = Ordered, 8 = Random, 9 = LeastOccupied, 10 = BestScore,
});
holders!(Trigger { 0 = QueueLength(length), 1 = NobodySignedIn, 2 = Wait(span), 3 = NoWillingAgent, 4 = QueueClosed, 5 = StepsExhausted });
holders!(Exhausted { 0 = StayOnLast, 1 = AnyInQueue(after), 2 = Overflow(after) });
names!(SkipIf { 0 = NobodySignedIn });
holders!(Action { 0 = Queue(queue), 1 = Priority(priority), 2 = External(destination), 3 = Refuse, 4 = Relax });
holders!(Operation { 0 = Add, 1 = Subtract, 2 = Multiply, 3 = Compare(comparison) });
holders!(WrapUp { 0 = None, 1 = Timed(span), 2 = Manual(span) });
holders!(Value { 0 = Str(text), 1 = Int(number), 2 = Bool(truth), 3 = Decimal(millionths), 4 = List(texts) });

impl Wire for Expr {
    fn put(&self, out: &mut Writer) {
        match self {
            Expr::All(parts) => tagged(out, 0, parts),
            Expr::Any(parts) => tagged(out, 1, parts),
            Expr::Not(part) => tagged(out, 2, part),
            Expr::Skill { skill, comparison, level } => {
                tagged(out, 3, skill);
                comparison.put(out);
                level.put(out);
            }
            Expr::Attribute { name, comparison, value } => {
                tagged(out, 4, name);
                comparison.put(out);
                value.put(out);
            }
            Expr::In { name, values } => {
                tagged(out, 5, name);
                values.put(out);
            }
            Expr::Has { name, item } => {
                tagged(out, 6, name);
                item.put(out);
            }
            Expr::Agents(agents) => tagged(out, 7, agents),
        }
    }

    fn get(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        from.nested(|from| {
            Ok(match from.take(1)?[0] {
                0 => Expr::All(Wire::get(from)?),
                1 => Expr::Any(Wire::get(from)?),
                2 => Expr::Not(Wire::get(from)?),
                3 => Expr::Skill { skill: Wire::get(from)?, comparison: Wire::get(from)?, level: Wire::get(from)? },
                4 => Expr::Attribute { name: Wire::get(from)?, comparison: Wire::get(from)?, value: Wire::get(from)? },
                5 => Expr::In { name: Wire::get(from)?, values: Wire::get(from)? },
                6 => Expr::Has { name: Wire::get(from)?, item: Wire::get(from)? },
                7 => Expr::Agents(Wire::get(from)?),
                _ => return Err(from.fault("is no Expr this version knows")),
            })
        })
    }
}

impl Wire for ScoreExpr {
    fn put(&self, out: &mut Writer) {
        match self {
            ScoreExpr::Number(number) => tagged(out, 0, number),
            ScoreExpr::Literal(text) => tagged(out, 1, text),
            ScoreExpr::Skill(skill) => tagged(out, 2, skill),
            ScoreExpr::Agent(name) => tagged(out, 3, name),
            ScoreExpr::Contact(name) => tagged(out, 4, name),
            ScoreExpr::Both(parts) => {
                tagged(out, 5, &parts.0);
                parts.1.put(out);
                parts.2.put(out);
            }
        }
    }

    fn get(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        from.nested(|from| {
            Ok(match from.take(1)?[0] {
                0 => ScoreExpr::Number(Wire::get(from)?),
                1 => ScoreExpr::Literal(Wire::get(from)?),
                2 => ScoreExpr::Skill(Wire::get(from)?),
                3 => ScoreExpr::Agent(Wire::get(from)?),
                4 => ScoreExpr::Contact(Wire::get(from)?),
                5 => ScoreExpr::Both(Arc::new((Wire::get(from)?, Wire::get(from)?, Wire::get(from)?))),
                _ => return Err(from.fault("is no ScoreExpr this version knows")),
            })
        })
    }
}

fn tagged(out: &mut Writer, tag: u8, value: &impl Wire) {
    out.bytes.push(tag);
    value.put(out);
}

// ---- what identifies a customer

/// In clear, under no key.
const CLEAR: u8 = 0;
/// Under the customer's key.
const SEALED: u8 = 1;

impl Wire for Customer {
    fn put(&self, out: &mut Writer) {
        let Customer { customer_id, address, attributes } = self;
        let fields = |out: &mut Writer| {
            customer_id.put(out);
            address.put(out);
            attributes.put(out);
        };
        match out.vault.clone().filter(|_| *self != Customer::default()) {
            None => {
                out.bytes.push(CLEAR);
                fields(out);
            }
            Some(vault) => {
                let mut plain = Writer::default();
                fields(&mut plain);
                out.bytes.push(SEALED);
                let tenant = out.tenant.clone();
                vault.seal(&tenant, owner(self), plain.bytes, out);
            }
        }
    }

    fn get(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        let fields = |from: &mut Reader<'_>| {
            Ok(Customer { customer_id: Wire::get(from)?, address: Wire::get(from)?, attributes: Wire::get(from)? })
        };
        match from.take(1)?[0] {
            CLEAR => fields(from),
            SEALED => {
                let (id, nonce, version) = (Wire::get(from)?, Wire::get(from)?, from.version());
                let sealed = from.blob()?;
                // Without the key he is forgotten.
                let plain = from.vault().and_then(|vault| vault.reveal(&id, nonce, sealed));
                plain.map_or(Ok(Customer::default()), |plain| {
                    fields(&mut Reader::new(&plain, version)).map_err(|fault| from.fault(fault.what))
                })
            }
            _ => Err(from.fault("is no Customer this version knows")),
        }
    }
}

/// Who a customer's part is about: his id, or else where he is reached.
fn owner(customer: &Customer) -> &str {
    if customer.customer_id.is_empty() { &customer.address } else { &customer.customer_id }
}

// ---- batches

/// What one tenant recorded at one instant, as it stands in a frame. Its events are read one at a time.
pub struct Stored<'a> {
    /// Whose.
    pub tenant: &'a str,
    /// When.
    pub time: Time,
    /// Sequence of its first event.
    pub first: u64,
    /// How many events.
    pub count: u64,
    events: Reader<'a>,
}

/// Writes a batch.
pub fn put_batch(tenant: &Text, time: Time, events: &[Recorded], out: &mut Writer) {
    // The length stands before the rest in four bytes, so that a reader can step over other tenants' batches.
    let start = out.bytes.len();
    out.bytes.extend_from_slice(&[0; 4]);
    out.tenant = tenant.clone();
    tenant.put(out);
    time.put(out);
    out.number(events.first().map_or(0, |recorded| recorded.sequence));
    out.number(events.len() as u64);
    for recorded in events {
        recorded.event.put(out);
        if let (Event::CustomerForgotten { customer, .. }, Some(vault)) = (&recorded.event, &out.vault) {
            vault.forget(tenant, &customer.customer_id);
        }
    }
    let length = u32::try_from(out.bytes.len() - start - 4).expect("a batch is smaller than 4 GiB");
    out.bytes[start..start + 4].copy_from_slice(&length.to_le_bytes());
}

/// Hands over every event of a frame at `offset` of a file, with its tenant, in order.
///
/// # Errors
/// What is not as this version reads it, or what `see` refuses.
pub fn each_event(
    frame: &Frame<'_>,
    (version, offset): (u16, u64),
    vault: Option<&dyn Seal>,
    see: &mut dyn FnMut(&str, &mut Recorded) -> Result<(), String>,
) -> Result<(), String> {
    let inside = |fault: Malformed| format!("byte {}: {}", offset as usize + FRAME + fault.at, fault.what);
    let mut batches = Reader::new(frame.payload, version).with(vault);
    for _ in 0..frame.batches {
        let batch = get_batch(&mut batches, version).map_err(inside)?;
        let (tenant, mut verdict) = (batch.tenant, Ok(()));
        batch
            .each(|recorded| {
                if verdict.is_ok() {
                    verdict = see(tenant, recorded);
                }
            })
            .map_err(inside)?;
        verdict?;
    }
    Ok(())
}

/// Reads the batch at the reader's place and steps over it.
///
/// # Errors
/// When there is none.
pub fn get_batch<'a>(from: &mut Reader<'a>, version: u16) -> Result<Stored<'a>, Malformed> {
    let mut length = [0; 4];
    length.copy_from_slice(from.take(4)?);
    let start = from.at();
    let mut inner = Reader::new(from.take(u32::from_le_bytes(length) as usize)?, version).with(from.vault());
    let head = |inner: &mut Reader<'a>| {
        let tenant = std::str::from_utf8(inner.blob()?).map_err(|_| inner.fault("a tenant is not UTF-8"))?;
        Ok((tenant, Time::get(inner)?, inner.number()?, inner.number()?))
    };
    let placed = |fault: Malformed| Malformed { at: start + fault.at, ..fault };
    let (tenant, time, first, count) = head(&mut inner).map_err(placed)?;
    Ok(Stored { tenant, time, first, count, events: inner })
}

impl Stored<'_> {
    /// Hands over the events in order. What stood beside them is for the engine to find again.
    ///
    /// # Errors
    /// When they are not what this version reads; the place is counted from the batch's first byte after its length.
    pub fn each(mut self, mut see: impl FnMut(&mut Recorded)) -> Result<(), Malformed> {
        for at in 0..self.count {
            let event = Event::get(&mut self.events)?;
            see(&mut Recorded {
                sequence: self.first + at,
                time: self.time,
                policy_version: 0,
                contact_states: None,
                facts: Facts::default(),
                earlier: None,
                event,
            });
        }
        match self.events.is_at_end() {
            true => Ok(()),
            false => Err(self.events.fault("a batch has bytes after its last event")),
        }
    }
}
