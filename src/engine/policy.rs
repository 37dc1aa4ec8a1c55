//! The policy of one tenant as plain data: what configuration becomes before it enters the engine as one command.
//!
//! Names are texts here; `state` interns them. Every default is written once, in the `Default` of its type, and
//! `config/usher.toml` is compared with them by a test.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::agent::AgentProfile;
use super::id::Text;
use super::requirement::Requirement;
use super::score::Score;
use super::time::{Span, Time};

/// Everything that rules one tenant. Identical content makes no new version.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Policy {
    /// Version, counted per tenant from 1; set by the engine when it applies the policy.
    pub version: u64,
    /// The tenant's id.
    pub tenant: Text,
    /// IANA time zone name, for days and calendars.
    pub time_zone: Text,
    /// Reasons an agent may give for NOT_READY; empty = any text.
    pub not_ready_reasons: Vec<Text>,
    /// Dispositions a contact may be completed with; empty = any text.
    pub dispositions: Vec<Text>,
    /// The skills there are.
    pub skills: Vec<Skill>,
    /// The channels there are.
    pub channels: Vec<Channel>,
    /// What an agent may take at most of the contacts of several channels together, at once or in a day.
    pub pools: Vec<Pool>,
    /// The clock of the time zone, where a pool counts by its days; empty where none does.
    pub zone_offsets: Vec<ZoneOffset>,
    /// The queues there are.
    pub queues: Vec<Queue>,
    /// Queues that share waiting places.
    pub queue_groups: Vec<QueueGroup>,
    /// Agents kept back from a queue's contacts.
    pub reserves: Vec<Reserve>,
    /// Where contacts go that name no queue.
    pub classification: Classification,
    /// The teams there are.
    pub teams: Vec<Team>,
    /// Agents managed by configuration.
    pub agents: Vec<Arc<AgentProfile>>,
    /// Tenant-wide times and bounds.
    pub rules: Rules,
}

impl Policy {
    /// Whether two policies are equal, their versions left aside. Agents they share cost nothing.
    #[must_use]
    pub fn says_the_same(&self, other: &Policy) -> bool {
        let Policy {
            version: _,
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
        } = self;
        let same = |(one, other): (&Arc<AgentProfile>, &Arc<AgentProfile>)| Arc::ptr_eq(one, other) || one == other;
        *tenant == other.tenant
            && *time_zone == other.time_zone
            && *not_ready_reasons == other.not_ready_reasons
            && *dispositions == other.dispositions
            && *skills == other.skills
            && *channels == other.channels
            && *pools == other.pools
            && *zone_offsets == other.zone_offsets
            && *queue_groups == other.queue_groups
            && *reserves == other.reserves
            && *classification == other.classification
            && *rules == other.rules
            && *teams == other.teams
            && *queues == other.queues
            && agents.len() == other.agents.len()
            && agents.iter().zip(&other.agents).all(same)
    }

    /// Takes from an older policy the agents that are the same in it, so that both share them.
    pub fn share_agents(&mut self, other: &Policy) {
        let mut known: alloc::collections::BTreeMap<&Text, &Arc<AgentProfile>> = Default::default();
        for (at, profile) in self.agents.iter_mut().enumerate() {
            let held = match other.agents.get(at).filter(|held| held.agent_id == profile.agent_id) {
                Some(held) => Some(held),
                None => {
                    if known.is_empty() {
                        known = other.agents.iter().map(|held| (&held.agent_id, held)).collect();
                    }
                    known.get(&profile.agent_id).copied()
                }
            };
            if let Some(held) = held.filter(|held| **held == *profile) {
                *profile = held.clone();
            }
        }
    }
}

/// What put a policy in force.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PolicyTrigger {
    /// Start of the server.
    #[default]
    Start,
    /// SIGHUP.
    Signal,
    /// A change of the file.
    File,
    /// A request to apply a configuration.
    Request,
    /// A request to go back to an older version.
    Rollback,
}

/// How a policy came into force: told beside it and kept with its version.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PolicyChange {
    /// What put it in force.
    pub trigger: PolicyTrigger,
    /// What the operator wrote beside it; empty when nothing.
    pub comment: Text,
    /// The version it goes back to; 0 when it does not.
    pub rolled_back_to: u64,
    /// First 16 bytes of the SHA-256 of the canonical policy; zeros when nobody computed it.
    pub digest: [u8; 16],
    /// SHA-256 of the file it was read from; `None` when it did not come from a file.
    pub source: Option<[u8; 32]>,
    /// Queues it no longer has, each with the queue that takes its contacts. Queues it has are left alone.
    pub removed_queues: Vec<RemovedQueue>,
}

/// A queue that goes, and where its contacts go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemovedQueue {
    /// The queue the new policy no longer has.
    pub id: Text,
    /// The queue that takes its contacts.
    pub target: Text,
}

/// A policy that is or was in force.
#[derive(Clone, Debug)]
pub struct PolicyVersion {
    /// The policy, its version set.
    pub policy: Arc<Policy>,
    /// How it came.
    pub change: Arc<PolicyChange>,
    /// When.
    pub applied: Time,
}

/// What a policy would do if it came into force now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PolicyPreview {
    /// The version in force; 0 when there is none.
    pub version_before: u64,
    /// The version it would become; as before when it changes nothing.
    pub version_after: u64,
    /// Waiting contacts it would look at again.
    pub reevaluated: u32,
    /// Contacts that would wait under it and that no agent could ever serve.
    pub unservable: u32,
    /// Open offers it would revoke.
    pub offers_revoked: u32,
    /// Contacts it would move out of queues that go.
    pub moved: u32,
    /// Agents it would remove once their last leg has ended.
    pub draining: Vec<Text>,
    /// Agents made by requests who are signed in and whose team it does not have, or who have none: they serve nothing.
    pub without_team: Vec<Text>,
}

/// Tenant-wide times and bounds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// How long an agent's session is believed without a sign of life; 0 = for ever. Default 30 s.
    pub session_lease: Span,
    /// How long a gateway's contacts are kept after its lease ran out. Default 30 s.
    pub gateway_grace: Span,
    /// How long a declined, expired or failed pair is not matched again. Default 30 s.
    pub retry_time: Span,
    /// Declines per contact and entry before `no_willing_agent` is said and the memory cleared. Default 3.
    pub max_declines: u32,
    /// How long a transfer to an agent waits for him alone. Default 60 s.
    pub transfer_timeout: Span,
    /// How long a contact may stay PARKED. Default 1 h.
    pub park_timeout: Span,
    /// How long an ended contact stays readable. Default 1 h.
    pub retention: Span,
    /// Ended contacts kept at most, oldest dropped first. Default 100 000.
    pub retained_contacts: u32,
    /// How long a request id is remembered. Default 24 h.
    pub request_window: Span,
    /// Request ids remembered at most, the oldest of ended contacts dropped first. Default 1 000 000.
    pub remembered_requests: u32,
    /// How long a customer's coming again tells that the last contact did not resolve the matter; for reports. Default
    /// 7 d.
    pub recontact_window: Span,
    /// Over which time of late an agent's occupancy is taken for routing. Default 1 h.
    pub occupancy_window: Span,
}

impl Default for Rules {
    fn default() -> Rules {
        Rules {
            session_lease: Span::from_secs(30),
            gateway_grace: Span::from_secs(30),
            retry_time: Span::from_secs(30),
            max_declines: 3,
            transfer_timeout: Span::from_secs(60),
            park_timeout: Span::from_secs(3_600),
            retention: Span::from_secs(3_600),
            retained_contacts: 100_000,
            request_window: Span::from_secs(86_400),
            remembered_requests: 1_000_000,
            recontact_window: Span::from_secs(7 * 86_400),
            occupancy_window: Span::from_secs(3_600),
        }
    }
}

/// A skill agents may have at levels 1-10.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skill {
    /// The id.
    pub id: Text,
    /// The name people see; the id when empty.
    pub display_name: Text,
}

/// When an accepted contact counts as connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Connect {
    /// When the gateway says so.
    Explicit,
    /// In the same batch as the accept.
    OnAccept,
}

/// A channel contacts come by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Channel {
    /// The id: `voice`, `chat`, …
    pub id: Text,
    /// Capacity units one contact takes of an agent, 1-1000.
    pub cost: u32,
    /// Contacts of this channel an agent holds at most, 1-1000.
    pub max: u32,
    /// Channels whose contacts no agent holds together with this one's, nor this one's with theirs.
    pub excludes: Vec<Text>,
    /// Channels whose conversations give way to a contact of this one when their agent accepts it: they are ON_HOLD until
    /// it is over. Agents who need not be interrupted come first. O(legs of an agent).
    pub interrupts: Vec<Text>,
    /// The pools its contacts are taken from: an agent needs room in each. O(pools named), and O(legs of an agent) while
    /// an offer is open to him and one of them counts by the day.
    pub pools: Vec<Text>,
    /// When an accepted contact counts as connected.
    pub connect: Connect,
    /// Whether offers are accepted for the agent as they are issued.
    pub auto_accept: bool,
    /// How long an offer stays open.
    pub offer_timeout: Span,
    /// How long an accepted contact may take to connect.
    pub connect_timeout: Span,
    /// How long a contact may wait in one entry before it is EXPIRED.
    pub max_wait: Span,
    /// How long a contact may be connected before an alarm is raised; it is never ended for it.
    pub max_handle: Span,
    /// Offers expired, deliveries failed or connects failed in a row (each on its own) before NOT_RESPONDING; 0 = never.
    pub rona: u32,
    /// How long NOT_RESPONDING lasts the first time.
    pub rona_reset: Span,
    /// How long it lasts at most: each in a row of the same cause lasts twice as long as the one before. Less than
    /// `rona_reset` counts as `rona_reset`.
    pub rona_reset_max: Span,
}

/// What an agent may take at most of the contacts of the channels that name it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pool {
    /// The id.
    pub id: Text,
    /// Contacts of it an agent holds at once at most, open offers and wrap-up included; none = any number.
    pub max: Option<u32>,
    /// Contacts of it an agent takes in a day at most, by accepting, picking or being given them; none = any number.
    pub per_day: Option<u32>,
    /// When the count of a day starts anew: the time after midnight, below 24 hours, by the tenant's clock.
    pub reset: Span,
}

/// From when on a clock is how far from UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct ZoneOffset {
    /// From when on.
    pub from: Time,
    /// How many seconds it is ahead of UTC.
    pub seconds: i32,
}

/// The first instant after another at which a clock has come to a time of day, `at` after midnight, on a day on which it
/// had not come to it before: once a day, whether clocks are set back over it or forward past it. `offsets` say how far
/// the clock is from UTC, in order of time; before the first it is as by the first, with none it shows UTC.
/// O(log offsets).
///
/// ```
/// use usher::engine::policy::{ZoneOffset, next_reset};
/// use usher::engine::time::{Span, Time};
/// let hours = |hours: u64| Time(hours * 3_600_000_000);
/// // At 10 of the first day the clock is set from 10 back to 9.
/// let offsets = [ZoneOffset { from: Time(0), seconds: 0 }, ZoneOffset { from: hours(10), seconds: -3_600 }];
/// let half_past_nine = Span::from_secs(9 * 3_600 + 1_800);
/// let first = next_reset(&offsets, half_past_nine, Time(0));
/// assert_eq!(first, Time(0) + half_past_nine);
/// assert_eq!(next_reset(&offsets, half_past_nine, hours(10)), hours(25) + half_past_nine);
/// ```
#[must_use]
pub fn next_reset(offsets: &[ZoneOffset], at: Span, after: Time) -> Time {
    const DAY: i64 = 86_400_000_000;
    let micros = |time: u64| i64::try_from(time).unwrap_or(i64::MAX / 2);
    let ahead = |part: usize| offsets.get(part).map_or(0, |offset| i64::from(offset.seconds) * 1_000_000);
    let (at, after) = (micros(at.0), micros(after.0));
    let day = |time: i64, part: usize| (time + ahead(part) - at).div_euclid(DAY);
    let part = offsets.partition_point(|offset| micros(offset.from.0) <= after).saturating_sub(1);
    let mut reached = day(after, part);
    // The clock may have been set back since, more than once, but by no more than two days.
    let begins = |part: usize| micros(offsets[part].from.0);
    for before in (1..=part).rev().take_while(|&part| begins(part) + 2 * DAY > after) {
        reached = reached.max(day(begins(before) - 1, before - 1));
    }
    let mut part = part;
    loop {
        let begin = if part == 0 { 0 } else { micros(offsets[part].from.0) };
        let time = ((reached + 1) * DAY + at - ahead(part)).max(begin);
        if offsets.get(part + 1).is_none_or(|next| time < micros(next.from.0)) {
            return Time(time.unsigned_abs());
        }
        part += 1;
    }
}

impl Channel {
    /// A channel with the defaults of its name: `voice` and `video` are explicit, exclusive and ring 20 s; `chat` and
    /// all others connect on accept; DESIGN.md section 1 has the table.
    #[must_use]
    pub fn named(id: Text) -> Channel {
        let live = matches!(&*id, "voice" | "video");
        let offer_secs = match &*id {
            "voice" | "video" => 20,
            "chat" => 30,
            _ => 120,
        };
        Channel {
            cost: if live { 100 } else { 25 },
            max: if live { 1 } else { 4 },
            excludes: Vec::new(),
            interrupts: Vec::new(),
            pools: Vec::new(),
            connect: if live { Connect::Explicit } else { Connect::OnAccept },
            auto_accept: false,
            offer_timeout: Span::from_secs(offer_secs),
            connect_timeout: Span::from_secs(30),
            max_wait: Span::from_secs(if &*id == "voice" { 86_400 } else { 14 * 86_400 }),
            max_handle: Span::from_secs(if live { 4 * 3_600 } else { 7 * 86_400 }),
            rona: if live { 1 } else { 3 },
            rona_reset: Span::from_secs(60),
            rona_reset_max: Span::from_secs(15 * 60),
            id,
        }
    }

    /// How long NOT_RESPONDING lasts when it was said so many times in a row before. O(1).
    ///
    /// ```
    /// use usher::engine::policy::Channel;
    /// use usher::engine::time::Span;
    /// let voice = Channel::named("voice".into());
    /// let lasts: Vec<Span> = (0..6).map(|before| voice.not_responding_for(before)).collect();
    /// assert_eq!(lasts, [1, 2, 4, 8, 15, 15].map(|minutes| Span::from_secs(60 * minutes)));
    /// ```
    #[must_use]
    pub fn not_responding_for(&self, before: u32) -> Span {
        let doubled = self.rona_reset.0.saturating_mul(1 << before.min(40));
        Span(doubled.min(self.rona_reset_max.max(self.rona_reset).0))
    }
}

/// How wrap-up ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WrapUp {
    /// There is none: the leg ends when the contact does.
    None,
    /// It ends by itself, or earlier when the agent says so.
    Timed(Span),
    /// It ends when the agent says so, at the latest after this span (1 h at most).
    Manual(Span),
}

/// What is promised to those who wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServiceLevel {
    /// An answer within this wait (inclusive) counts.
    pub threshold: Span,
    /// The share of offered that should, in parts per million.
    pub target_ppm: u32,
}

/// A queue: where contacts wait under one policy.
#[derive(Clone, Debug, PartialEq)]
pub struct Queue {
    /// The id.
    pub id: Text,
    /// The name people see; the id when empty.
    pub display_name: Text,
    /// What every agent who serves this queue must meet.
    pub require: Option<Arc<Requirement>>,
    /// Waiting places: QUEUED and PARKED entries it holds at most. 0 is a loss system, none is no limit. An arrival that
    /// finds no agent at once and no place is REFUSED(queue_full); an entry that comes back from an offer never is.
    pub limit: Option<u32>,
    /// Who takes its contacts.
    pub selection: Selection,
    /// Since when an agent counts as idle: what `longest_idle` goes by, and every other selection among equals.
    pub idle_clock: IdleClock,
    /// What `best_score` computes; nothing with another selection.
    pub score: Option<Arc<Score>>,
    /// To how many agents a contact is offered at once; none is one after the other. Who they are says `selection`.
    pub broadcast: Option<Broadcast>,
    /// What waiting adds to a contact's priority, in millionths of a point per minute since its adjusted arrival.
    pub aging: i64,
    /// The most that waiting adds, in millionths; none is no bound.
    pub aging_cap: Option<i64>,
    /// From this age (since adjusted arrival) a contact goes before all younger ones, in order of arrival alone.
    pub max_wait_first: Option<Span>,
    /// What a contact's second of waiting costs, in millionths; for `cmu_theta`.
    pub waiting_cost: i64,
    /// Mean handle time expected, 1/mu; for `cmu_theta`.
    pub expected_handle: Span,
    /// Mean patience expected, 1/theta; for `cmu_theta`, none leaves it at c*mu.
    pub expected_patience: Option<Span>,
    /// What happens when the queue is long, nobody is there, or a contact waits too long, in order; at most
    /// [`super::limits::OVERFLOW_RULES`].
    pub overflow: Vec<Overflow>,
    /// How what it asks is relaxed while a contact waits, in order of `after`; at most [`super::limits::STEPS`].
    pub steps: Vec<Step>,
    /// What follows the last step.
    pub exhausted: Exhausted,
    /// Overrides the channel's `max_wait`.
    pub max_wait: Option<Span>,
    /// An abandonment before this wait is counted as short.
    pub short_abandon: Span,
    /// What follows a conversation.
    pub wrap_up: WrapUp,
    /// What is promised.
    pub service_level: ServiceLevel,
}

impl Queue {
    /// A queue with the defaults: no requirement, 80 % in 20 s, short below 5 s, no wrap-up.
    #[must_use]
    pub fn named(id: Text) -> Queue {
        Queue {
            display_name: id.clone(),
            id,
            require: None,
            limit: None,
            selection: Selection::default(),
            idle_clock: IdleClock::default(),
            score: None,
            broadcast: None,
            aging: 0,
            aging_cap: None,
            max_wait_first: None,
            waiting_cost: 1_000_000,
            expected_handle: Span::from_secs(300),
            expected_patience: None,
            overflow: Vec::new(),
            steps: Vec::new(),
            exhausted: Exhausted::StayOnLast,
            max_wait: None,
            short_abandon: Span::from_secs(5),
            wrap_up: WrapUp::None,
            service_level: ServiceLevel { threshold: Span::from_secs(20), target_ppm: 800_000 },
        }
    }
}

impl Queue {
    /// Whether anything it asks is relaxed while a contact waits.
    #[must_use]
    pub fn relaxes(&self) -> bool {
        !self.steps.is_empty() || self.exhausted != Exhausted::StayOnLast
    }

    /// Whether two versions of a queue ask the same of agents, at every step.
    #[must_use]
    pub fn asks_alike(&self, other: &Queue) -> bool {
        (&self.require, &self.steps, self.exhausted) == (&other.require, &other.steps, other.exhausted)
    }

    /// The step a wait leads to by the clock alone: where entries stand once other steps come into force.
    #[must_use]
    pub fn step_at(&self, wait: Span) -> u8 {
        let implicit = self.steps.first().is_none_or(|first| !first.after.is_zero());
        let any = match self.exhausted {
            Exhausted::AnyInQueue(after) => Some(after),
            Exhausted::StayOnLast | Exhausted::Overflow(_) => None,
        };
        let begins = implicit.then_some(Span::ZERO).into_iter().chain(self.steps.iter().map(|step| step.after));
        let begins: Vec<Span> = begins.chain(any).collect();
        begins.iter().rposition(|after| *after <= wait).unwrap_or(0) as u8
    }
}

/// One relaxation step. Whoever meets any step that has begun may take the contact, those of an earlier step first.
///
/// The first one is step 0 when its `after` is zero; else the queue's own requirement is step 0 before it.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// The measured wait at which it begins, earlier by what steps before it were cut short.
    pub after: Span,
    /// What it asks instead of the queue's `require`; none is the same as the queue.
    pub require: Option<Arc<Requirement>>,
    /// Skills, and attributes as `attr.NAME`, that it does not ask for although the contact does.
    pub drop: Vec<Text>,
    /// Whether only the contact's preferred agent may take it by this step.
    pub prefer: bool,
    /// When it is passed over, judged as it would begin.
    pub skip_if: Option<SkipIf>,
}

/// When a step is passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SkipIf {
    /// Nobody of a team that serves the queue who meets what the step asks is signed in; what the contact asks by itself
    /// is left aside.
    NobodySignedIn,
}

/// What follows the last step of a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exhausted {
    /// Nothing: it stays.
    StayOnLast,
    /// From this wait on anyone whose team serves the queue, whatever queue and contact ask.
    AnyInQueue(Span),
    /// At this wait the overflow rules for [`Trigger::StepsExhausted`] act.
    Overflow(Span),
}

/// Queues that share waiting places.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueGroup {
    /// The id.
    pub id: Text,
    /// The queues' ids. A queue may be in several groups: an arrival needs a place in each.
    pub queues: Vec<Text>,
    /// QUEUED and PARKED entries they hold together at most.
    pub limit: u32,
}

/// One overflow rule. Each acts once per contact and entry; the first in order whose trigger holds and whose action is
/// possible does. After a change of priority the next ones are still looked at; after a relaxation they are once nobody has
/// taken the contact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overflow {
    /// What sets it off.
    pub trigger: Trigger,
    /// What it does.
    pub action: Action,
}

/// What sets off an overflow rule. Length and nobody signed in are judged when a contact comes in and nobody can take it at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// So many others are QUEUED or PARKED already; none is as many as there are places for.
    QueueLength(Option<u32>),
    /// Nobody of a team that serves the queue is signed in.
    NobodySignedIn,
    /// The measured wait reaches this.
    Wait(Span),
    /// It was declined as often as `max_declines` says.
    NoWillingAgent,
    /// The time of the queue's last step is over: see [`Exhausted::Overflow`].
    StepsExhausted,
    /// A contact comes to a queue that was closed by hand: judged first, whoever could take it.
    QueueClosed,
}

/// What an overflow rule does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Sends the contact to another queue, with its adjusted arrival; not possible when that one is full.
    Queue(Text),
    /// Sets its priority.
    Priority(i32),
    /// Moves it on in the queue's steps: the one in force ends now, later ones come earlier by as much. Not possible on the
    /// last. O(steps).
    Relax,
    /// Ends it here, OVERFLOWED(external): the gateway sends it to this destination.
    External(Text),
    /// Ends it, REFUSED(rule).
    Refuse,
}

/// A queue in a team's list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    /// The queue's id, or `*` for every queue.
    pub queue: Text,
    /// 1-99, lower first: a contact of a lower band is taken before any of a higher one.
    pub priority: u8,
    /// A contact counts for the team only once it has waited this long in its entry.
    pub delay: Span,
    /// 1-99, lower first: how the team's agents stand in line for the queue under `ranked`.
    pub rank: u8,
    /// The queue's share of all that wait, in parts per million; for `queue_ratio` by count.
    pub ratio_ppm: u32,
}

impl Membership {
    /// A queue in a band, without delay, at rank 1.
    #[must_use]
    pub fn new(queue: Text, priority: u8) -> Membership {
        Membership { queue, priority, delay: Span::ZERO, rank: 1, ratio_ppm: 0 }
    }
}

/// Who takes a contact among the agents eligible for it with room, n of them standing in line.
///
/// Ties: (what the selection measures, since when idle by the queue's [`IdleClock`], since when idle, the agent's number
/// by order of first sight), the least first, as in [`super::rank::AgentRank`]. `longest_idle` by the clock `Any` reads
/// the first of a line that is kept in order: O(1). Every other one looks at all in line, O(n) times what is said of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Selection {
    /// The one who has been idle longest. O(1) by the clock `Any`, else O(n).
    #[default]
    LongestIdle,
    /// The lowest rank of his team's membership in the queue. O(1) each.
    Ranked,
    /// The lowest occupancy over `Rules::occupancy_window`, in parts per million ([`super::occupancy`]). O(1) each, and
    /// 150 bytes per agent from the first queue that asks for it.
    LeastOccupied,
    /// The least used share of his capacity, units reserved by offers included, in parts per million. O(1) each.
    LeastLoaded,
    /// The highest sum of levels in the skills that queue and contact name. O(skills he has) each.
    BestSkilled,
    /// The least scarce in all he could do beside: the lowest sum of 1 / (agents signed in who have it) over his other
    /// skills, in millionths. O(skills he has) each.
    LeastSkilled,
    /// The fewest legs CONNECTED since he signed in. O(1) each.
    FewestContacts,
    /// The next after the one last offered a contact of this queue, by the order in which agents became known. O(1) each.
    RoundRobin,
    /// The first in the configuration's list of agents; others after them. O(1) each.
    Ordered,
    /// Anyone, all alike: drawn by the contact's creation number, its leg and the agent. O(1) each.
    Random,
    /// The highest value of the queue's [`Score`]. O(parts of the expression) each.
    BestScore,
}

/// Offers to several agents at once: the first to accept wins, and the others are RESCINDED. Each offer reserves its
/// agent's capacity. Cost of a match: as its selection, once per agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Broadcast {
    /// When fewer stay open, others are offered it too, up to `max`.
    pub min: u32,
    /// To so many at once at most, 1-[`super::limits::BROADCAST`].
    pub max: u32,
}

/// Since when an agent is idle.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IdleClock {
    /// Since a conversation of his ended, an offer of his expired, or he became AVAILABLE.
    #[default]
    Any,
    /// The same, but for contacts of direction INBOUND alone.
    Inbound,
    /// Since he became AVAILABLE: what he handled does not move it.
    Available,
}

/// Which of his team's queues an agent serves first. Each works within a membership band, over the best contact he may
/// take of every queue; ties go by priority, adjusted arrival and creation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ContactOrder {
    /// The highest effective priority, each queue aging at its own rate. O(requirement classes served).
    #[default]
    Priority,
    /// The earliest adjusted arrival + service-level threshold. O(c log c) of the classes served.
    ServiceLevelUrgency,
    /// The highest cost x patience / handle time. O(c log c).
    CmuTheta,
    /// The largest Q - ratio x sum of Q, Q being those QUEUED, summed over the band. O(c log c + queues).
    QueueRatioCount,
    /// The largest age / service-level threshold. O(c log c).
    QueueRatioDelay,
}

/// Agents of a team kept back from a queue: its contacts take one only while more than `keep_idle` of the team's agents
/// eligible for them are idle, the candidate included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reserve {
    /// The team that lends.
    pub team: Text,
    /// The queue that borrows.
    pub queue: Text,
    /// How many stay idle.
    pub keep_idle: u32,
    /// A contact that has waited this long in its entry may take them too, whatever else is said here; none is never.
    pub release_after: Option<Span>,
    /// Lends only while each of the team's own queues keeps its service-level target: of its last 100 entries that were
    /// answered, abandoned (short abandonments left out) or expired, the target's share was answered in time.
    pub lender_within_target: bool,
    /// Lends only from when many of the queue wait until few do.
    pub hysteresis: Option<Hysteresis>,
}

/// When help begins and when it ends (FQR-T, Perry & Whitt 2009), so that two queues do not help each other at once.
/// What counts is the excess: those QUEUED in the queue less `ratio` x those QUEUED in the lender's own queues, which are
/// all its team serves but those it has reserves for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hysteresis {
    /// Help begins when the excess is above this.
    pub start: u32,
    /// Help ends when the excess is no longer above this; at most `start`.
    pub stop: u32,
    /// What one of the lender's own counts, in parts per million.
    pub ratio_ppm: u32,
}

/// So many offers in any span of this length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OfferRate {
    /// How many, 1 to [`super::limits::OFFER_RATE`].
    pub offers: u32,
    /// In how long a time.
    pub per: Span,
}

/// Where contacts go that name no queue: the first rule that matches says it, or else the fallback.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Classification {
    /// The rules, in order; at most [`super::limits::CLASS_RULES`].
    pub rules: Vec<ClassRule>,
    /// The queue of contacts that no rule matches; none when there are no rules.
    pub fallback: Option<Text>,
}

/// One classification rule. All its conditions must hold; one without any matches every contact.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClassRule {
    /// The contact's channel is one of these; empty for any.
    pub channels: Vec<Text>,
    /// A condition on the contact's attributes, the customer's among them, in the grammar of requirements.
    pub when: Option<Arc<Requirement>>,
    /// The contact's priority is at least this.
    pub priority_at_least: Option<i32>,
    /// As long has passed since its adjusted arrival.
    pub age_at_least: Option<Span>,
    /// Skills that the contact's own requirement names, all of them.
    pub asks: Vec<Text>,
    /// The queue it goes to.
    pub queue: Text,
    /// The priority it gets; none leaves its own.
    pub set_priority: Option<i32>,
    /// The requirement it gets in place of its own; none leaves its own.
    pub set_requirement: Option<Arc<Requirement>>,
}

/// A team: agents who serve the same queues.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Team {
    /// The id.
    pub id: Text,
    /// The name people see; the id when empty.
    pub display_name: Text,
    /// The team this one belongs to, for reports.
    pub parent: Option<Text>,
    /// The agent who leads it.
    pub leader: Option<Text>,
    /// Where it works.
    pub site: Option<Text>,
    /// Which of its queues its agents serve first.
    pub contact_order: ContactOrder,
    /// What it serves.
    pub queues: Vec<Membership>,
    /// Occupancy of late, in parts per million, above which an agent gets no new offers until, idle, he has come down to
    /// it; none is no bound. Noted whenever something of his changes: O(1), and 150 bytes per agent.
    pub max_occupancy: Option<u32>,
    /// Offers an agent gets at most in a time; none is no bound. O(1), and eight bytes per offer and agent.
    pub offer_rate_limit: Option<OfferRate>,
    /// What an hour of one of its agents costs, in millionths of the tenant's currency; for reports.
    pub cost_per_hour: u64,
    /// When its agents are due to work; for reports.
    pub shifts: Vec<Shift>,
}

/// When agents of a team are due to work. Times are seconds since midnight by the clock on the wall of the tenant's zone;
/// past 86 400 they are of the next day.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shift {
    /// Whose it is, by id; everybody's of the team when empty.
    pub agents: Vec<Text>,
    /// The days of the week on which it begins, a bit each, Monday the lowest.
    pub days: u8,
    /// When it begins.
    pub from: u32,
    /// When it ends, later than that.
    pub to: u32,
    /// Its breaks, each inside it.
    pub breaks: Vec<ShiftBreak>,
}

/// A break in a shift.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShiftBreak {
    /// When it begins.
    pub from: u32,
    /// When it ends, later than that.
    pub to: u32,
    /// The NOT_READY reason it is taken with; any when empty.
    pub reason: Text,
}

impl Team {
    /// A team that serves nothing.
    #[must_use]
    pub fn named(id: Text) -> Team {
        Team { display_name: id.clone(), id, ..Team::default() }
    }
}
