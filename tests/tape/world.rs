//! Small worlds: few agents, few queues, round times, so that everything meets everything.

use std::sync::Arc;

use usher::engine::agent::{AgentProfile, AgentType};
use usher::engine::id::Text;
use usher::engine::policy::{
    Action, Broadcast, Channel, ClassRule, Classification, Connect, ContactOrder, Exhausted, Hysteresis, IdleClock,
    Membership, OfferRate, Overflow, Policy, Pool, Queue, QueueGroup, Reserve, Rules, Selection, ServiceLevel, Skill,
    SkipIf, Step, Team, Trigger, WrapUp, ZoneOffset,
};
use usher::engine::requirement::{Attributes, Comparison, Expr, Requirement, Value};
use usher::engine::score::{Operation, Score, ScoreExpr};
use usher::engine::time::Span;

use super::rng::Rng;
use super::run::START;

pub const SKILLS: [&str; 3] = ["fr", "de", "tax"];

const SELECTIONS: [Selection; 11] = [
    Selection::LongestIdle,
    Selection::Ranked,
    Selection::LeastOccupied,
    Selection::LeastLoaded,
    Selection::BestSkilled,
    Selection::LeastSkilled,
    Selection::FewestContacts,
    Selection::RoundRobin,
    Selection::Ordered,
    Selection::Random,
    Selection::BestScore,
];

const CLOCKS: [IdleClock; 4] = [IdleClock::Any, IdleClock::Any, IdleClock::Inbound, IdleClock::Available];

const ORDERS: [ContactOrder; 5] = [
    ContactOrder::Priority,
    ContactOrder::ServiceLevelUrgency,
    ContactOrder::CmuTheta,
    ContactOrder::QueueRatioCount,
    ContactOrder::QueueRatioDelay,
];

/// What a tape plays with.
pub struct World {
    /// Whether anything has a lease; without one an engine folded from events goes on exactly like the first.
    pub leases: bool,
    pub agents: usize,
    pub queues: usize,
    pub teams: usize,
    pub channels: usize,
    pub gateways: usize,
    /// Whether waiting places are limited.
    pub limits: bool,
    /// Whether agents are selected, and contacts ordered, otherwise than by default.
    pub selects: bool,
    pub orders: bool,
    pub ages: bool,
    pub delays: bool,
    pub reserves: bool,
    /// Whether channels are not mixed, and agents rest from offers.
    pub mixes: bool,
    /// Whether conversations give way to others.
    pub interrupts: bool,
    pub rests: bool,
    /// Whether channels take from pools.
    pub pools: bool,
    /// Whether contacts are offered to several at once.
    pub broadcasts: bool,
    /// Whether queues have overflow rules.
    pub overflows: bool,
    /// Whether queues have steps.
    pub steps: bool,
    /// Whether rules say where contacts go that name no queue.
    pub classes: bool,
    pub requirements: Vec<Arc<Requirement>>,
    /// Policies that may come into force, in no order.
    pub policies: Vec<Arc<Policy>>,
    /// Profiles an agent may be upserted with, several for each.
    pub profiles: Vec<Arc<AgentProfile>>,
}

pub fn agent_id(at: usize) -> Text {
    format!("a{at}").into()
}

pub fn queue_id(at: usize) -> Text {
    format!("q{at}").into()
}

fn pool_id(at: usize) -> Text {
    ["complaints", "total"][at].into()
}

pub fn channel_id(at: usize) -> Text {
    ["voice", "chat", "email"][at].into()
}

/// What a contact says of itself.
pub fn contact_attributes(at: usize) -> Attributes {
    match at {
        0 => Attributes::new(),
        1 => vec![("site".into(), Value::Str("lyon".into()))],
        2 => vec![("grade".into(), Value::Int(2)), ("site".into(), Value::Str("metz".into()))],
        _ => vec![("grade".into(), Value::Decimal(1_900_000)), ("urgent".into(), Value::Bool(true))],
    }
}

/// A score that is a sum of two things.
fn score(rng: &mut Rng) -> Score {
    let both = |left, operation, right| ScoreExpr::Both(Arc::new((left, operation, right)));
    let agent = |name: &str| ScoreExpr::Agent(name.into());
    let contact = |name: &str| ScoreExpr::Contact(name.into());
    let mut part = || match rng.below(6) {
        0 => both(ScoreExpr::Number(rng.pick(&[-3, 2, i64::MAX])), Operation::Multiply, agent("grade")),
        1 => both(agent("grade"), Operation::Compare(Comparison::AtLeast), contact("grade")),
        2 => both(agent("site"), Operation::Compare(Comparison::Equal), contact("site")),
        3 => both(agent("tags"), Operation::Compare(Comparison::NotEqual), ScoreExpr::Literal("vip".into())),
        4 => both(contact("urgent"), Operation::Multiply, ScoreExpr::Skill("de".into())),
        _ => ScoreExpr::Skill(rng.pick(&SKILLS).into()),
    };
    let (left, right) = (part(), part());
    let expr = both(left, rng.pick(&[Operation::Add, Operation::Subtract]), right);
    Score { text: format!("{expr:?}").into(), expr }
}

fn secs(rng: &mut Rng, of: &[u64]) -> Span {
    Span::from_secs(rng.pick(of))
}

impl World {
    pub fn draw(rng: &mut Rng) -> World {
        let mut world = World {
            leases: !rng.one_in(3),
            agents: rng.range(2, 8),
            queues: rng.range(1, 5),
            teams: rng.range(1, 3),
            channels: rng.range(1, 3),
            gateways: rng.range(1, 2),
            limits: rng.one_in(3),
            selects: rng.one_in(2),
            orders: rng.one_in(3),
            ages: rng.one_in(3),
            delays: rng.one_in(3),
            reserves: rng.one_in(3),
            mixes: rng.one_in(3),
            interrupts: rng.one_in(3),
            rests: rng.one_in(3),
            pools: rng.one_in(3),
            broadcasts: rng.one_in(3),
            overflows: rng.one_in(3),
            steps: rng.one_in(3),
            classes: rng.one_in(3),
            requirements: Vec::new(),
            policies: Vec::new(),
            profiles: Vec::new(),
        };
        for depth in [0, 0, 1, 1, 2, 3] {
            let expr = world.expr(rng, depth);
            let text: Text = format!("{expr:?}").into();
            world.requirements.push(Arc::new(Requirement { text, expr }));
        }
        for at in (0..world.agents).flat_map(|at| [at; 3]) {
            let profile = world.profile(rng, at, false);
            world.profiles.push(Arc::new(profile));
        }
        let first = world.policy(rng);
        world.policies.push(Arc::new(first));
        for _ in 0..rng.range(0, 3) {
            let next = world.changed_policy(rng);
            world.policies.push(Arc::new(next));
        }
        world
    }

    fn expr(&self, rng: &mut Rng, depth: usize) -> Expr {
        if depth > 0 {
            let parts =
                |world: &World, rng: &mut Rng| (0..rng.range(1, 3)).map(|_| world.expr(rng, depth - 1)).collect();
            return match rng.below(4) {
                0 => Expr::Any(parts(self, rng)),
                1 => Expr::Not(Arc::new(self.expr(rng, depth - 1))),
                _ => Expr::All(parts(self, rng)),
            };
        }
        match rng.below(10) {
            0..=4 => Expr::Skill {
                skill: rng.pick(&SKILLS).into(),
                comparison: Comparison::AtLeast,
                level: rng.pick(&[1, 3, 5]),
            },
            5 => Expr::Skill {
                skill: rng.pick(&SKILLS).into(),
                comparison: rng.pick(&[Comparison::Less, Comparison::AtMost, Comparison::NotEqual, Comparison::Equal]),
                level: rng.pick(&[1, 3, 5]),
            },
            6 => Expr::Agents((0..rng.range(1, 3)).map(|_| agent_id(rng.below(self.agents))).collect()),
            7 => Expr::Attribute {
                name: "site".into(),
                comparison: rng.pick(&[Comparison::Equal, Comparison::NotEqual]),
                value: Value::Str("lyon".into()),
            },
            8 => Expr::In { name: "grade".into(), values: vec![Value::Int(1), Value::Int(3)] },
            _ => Expr::Has { name: "tags".into(), item: "vip".into() },
        }
    }

    fn profile(&self, rng: &mut Rng, at: usize, managed_by_config: bool) -> AgentProfile {
        let mut skills: Vec<(Text, u8)> =
            SKILLS.iter().filter(|_| !rng.one_in(3)).map(|skill| (Text::from(*skill), 0)).collect();
        skills.iter_mut().for_each(|skill| skill.1 = rng.pick(&[1, 3, 5, 10]));
        skills.sort();
        let mut attributes = Attributes::new();
        if rng.one_in(2) {
            attributes.push(("grade".into(), Value::Int(rng.range(1, 3) as i64)));
        }
        if rng.one_in(2) {
            attributes.push(("site".into(), Value::Str(rng.pick(&["lyon", "metz"]).into())));
        }
        if rng.one_in(2) {
            attributes.push(("tags".into(), Value::List(vec!["vip".into()])));
        }
        AgentProfile {
            agent_id: agent_id(at),
            display_name: Text::default(),
            team: (!rng.one_in(12)).then(|| format!("t{}", rng.below(self.teams)).into()),
            site: None,
            agent_type: if rng.one_in(4) { AgentType::Ai } else { AgentType::Human },
            skills,
            attributes,
            capacity: rng.pick(&[1, 2, 3, 4, 6]),
            managed_by_config,
        }
    }

    fn channel(&self, rng: &mut Rng, at: usize) -> Channel {
        Channel {
            cost: rng.pick(&[1, 1, 2]),
            max: rng.pick(&[1, 2, 3]),
            excludes: (0..self.channels)
                .filter(|&other| other != at && self.mixes && rng.one_in(3))
                .map(channel_id)
                .collect(),
            interrupts: (0..self.channels)
                .filter(|&other| other != at && self.interrupts && rng.one_in(2))
                .map(channel_id)
                .collect(),
            pools: (0..2).filter(|_| self.pools && rng.one_in(2)).map(pool_id).collect(),
            connect: rng.pick(&[Connect::Explicit, Connect::Explicit, Connect::OnAccept]),
            auto_accept: rng.one_in(5),
            offer_timeout: secs(rng, &[5, 10, 20]),
            connect_timeout: secs(rng, &[5, 10]),
            max_wait: secs(rng, &[20, 60, 600]),
            max_handle: secs(rng, &[20, 600]),
            rona: rng.pick(&[0, 1, 2, 3]),
            rona_reset: secs(rng, &[5, 20]),
            rona_reset_max: secs(rng, &[5, 30, 60]),
            ..Channel::named(channel_id(at))
        }
    }

    /// Pools whose days end soon after the tape begins.
    fn named_pools(&self, rng: &mut Rng) -> Vec<Pool> {
        let begin = START.0 % 86_400_000_000 / 1_000_000;
        let pool = |rng: &mut Rng, at: usize| Pool {
            id: pool_id(at),
            max: rng.pick(&[None, Some(1), Some(2), Some(3)]),
            per_day: rng.pick(&[None, Some(1), Some(2), Some(3)]),
            reset: Span::from_secs((begin + rng.pick(&[1, 10, 30, 90])) % 86_400),
        };
        let named: Vec<usize> = (0..2).filter(|_| self.pools && !rng.one_in(4)).collect();
        named.into_iter().map(|at| pool(rng, at)).collect()
    }

    /// A clock that is set back and forward while the tape runs.
    fn zone_offsets(&self, rng: &mut Rng) -> Vec<ZoneOffset> {
        if !self.pools {
            return Vec::new();
        }
        let set = [0, 15, 40, 120].map(|after| (after, rng.pick(&[0, 0, 3_600, -3_600, -60, 20, 86_400])));
        let kept = set.into_iter().filter(|_| !rng.one_in(3)).collect::<Vec<_>>();
        kept.into_iter().map(|(after, seconds)| ZoneOffset { from: START + Span::from_secs(after), seconds }).collect()
    }

    /// Steps in order of their begin, and what follows them.
    fn steps(&self, rng: &mut Rng) -> (Vec<Step>, Exhausted) {
        if !self.steps || rng.one_in(3) {
            return (Vec::new(), Exhausted::StayOnLast);
        }
        let mut after = rng.pick(&[0, 0, 2]);
        let mut steps = Vec::new();
        for _ in 0..rng.range(0, 4) {
            let drops = ["fr", "de", "attr.site", "attr.grade"];
            steps.push(Step {
                after: Span::from_secs(after),
                require: rng.one_in(2).then(|| rng.pick(&self.requirements)),
                drop: drops.iter().filter(|_| rng.one_in(4)).map(|name| (*name).into()).collect(),
                prefer: rng.one_in(4),
                skip_if: rng.one_in(4).then_some(SkipIf::NobodySignedIn),
            });
            after += rng.pick(&[1, 3, 10]);
        }
        let over = Span::from_secs(after + 1);
        let exhausted = match rng.below(4) {
            0 => Exhausted::AnyInQueue(over),
            1 => Exhausted::Overflow(over),
            _ => Exhausted::StayOnLast,
        };
        (steps, exhausted)
    }

    fn queue(&self, rng: &mut Rng, at: usize) -> Queue {
        let (steps, exhausted) = self.steps(rng);
        Queue {
            require: rng.one_in(3).then(|| rng.pick(&self.requirements)),
            broadcast: (self.broadcasts && !rng.one_in(4)).then(|| {
                let min = rng.pick(&[1, 1, 2, 3]);
                Broadcast { min, max: min + rng.pick(&[0, 1, 2]) }
            }),
            limit: if self.limits { rng.pick(&[None, Some(0), Some(1), Some(2)]) } else { None },
            selection: if self.selects { rng.pick(&SELECTIONS) } else { Selection::default() },
            idle_clock: if self.selects { rng.pick(&CLOCKS) } else { IdleClock::default() },
            score: self.selects.then(|| Arc::new(score(rng))),
            aging: if self.ages { rng.pick(&[0, 1_000_000, 7_500_000, 60_000_000]) } else { 0 },
            aging_cap: (self.ages && rng.one_in(3)).then(|| rng.pick(&[0, 1_500_000, 10_000_000])),
            max_wait_first: (self.ages && rng.one_in(3)).then(|| secs(rng, &[5, 20])),
            waiting_cost: rng.pick(&[500_000, 1_000_000, 1_800_000]),
            expected_handle: secs(rng, &[20, 300]),
            steps,
            exhausted,
            overflow: (0..if self.overflows { rng.range(0, 3) } else { 0 }).map(|_| self.overflow(rng, at)).collect(),
            expected_patience: (self.orders && rng.one_in(2)).then(|| secs(rng, &[30, 80])),
            max_wait: rng.one_in(3).then(|| secs(rng, &[10, 30, 600])),
            short_abandon: secs(rng, &[0, 5]),
            wrap_up: match rng.below(4) {
                0 => WrapUp::Timed(secs(rng, &[0, 5, 10])),
                1 => WrapUp::Manual(secs(rng, &[10, 60])),
                _ => WrapUp::None,
            },
            service_level: ServiceLevel { threshold: secs(rng, &[0, 5, 20]), target_ppm: 800_000 },
            ..Queue::named(queue_id(at))
        }
    }

    /// A rule that sends to queues further on alone: none goes round in a circle.
    fn overflow(&self, rng: &mut Rng, at: usize) -> Overflow {
        let further = at + 1 < self.queues;
        Overflow {
            trigger: match rng.below(7) {
                6 => Trigger::StepsExhausted,
                0 => Trigger::QueueLength(Some(rng.pick(&[0, 1, 2]))),
                1 => Trigger::QueueLength(None),
                2 => Trigger::NobodySignedIn,
                3 => Trigger::NoWillingAgent,
                4 => Trigger::QueueClosed,
                _ => Trigger::Wait(secs(rng, &[3, 10, 20])),
            },
            action: match rng.below(if self.steps { 8 } else { 6 }) {
                6.. => Action::Relax,
                0..=2 if further => Action::Queue(queue_id(rng.range(at + 1, self.queues - 1))),
                0..=3 => Action::Priority(rng.pick(&[-3, 4, 9])),
                4 => Action::External("elsewhere".into()),
                _ => Action::Refuse,
            },
        }
    }

    fn group(&self, rng: &mut Rng, at: usize) -> QueueGroup {
        let queues = (0..self.queues).filter(|_| rng.one_in(2)).map(queue_id).collect();
        QueueGroup { id: format!("g{at}").into(), queues, limit: rng.pick(&[0, 1, 3]) }
    }

    fn team(&self, rng: &mut Rng, at: usize) -> Team {
        let mut queues = Vec::new();
        for queue in 0..self.queues {
            if !rng.one_in(3) {
                queues.push(self.membership(rng, queue_id(queue), &[1, 1, 2, 9]));
            }
        }
        if rng.one_in(4) {
            let at = rng.range(0, queues.len());
            let any = self.membership(rng, "*".into(), &[1, 5]);
            queues.insert(at, any);
        }
        let id: Text = format!("t{at}").into();
        let contact_order = if self.orders { rng.pick(&ORDERS) } else { ContactOrder::Priority };
        let max_occupancy = (self.rests && rng.one_in(2)).then(|| rng.pick(&[200_000, 500_000, 850_000]));
        let offer_rate_limit = (self.rests && rng.one_in(2))
            .then(|| OfferRate { offers: rng.pick(&[1, 2, 3]), per: secs(rng, &[5, 20, 60]) });
        Team { contact_order, queues, max_occupancy, offer_rate_limit, ..Team::named(id) }
    }

    fn membership(&self, rng: &mut Rng, queue: Text, priorities: &[u8]) -> Membership {
        Membership {
            delay: if self.delays { secs(rng, &[0, 0, 3, 10]) } else { Span::ZERO },
            rank: rng.pick(&[1, 1, 2, 9]),
            ratio_ppm: rng.pick(&[200_000, 370_000, 630_000]),
            ..Membership::new(queue, rng.pick(priorities))
        }
    }

    fn reserve(&self, rng: &mut Rng) -> Reserve {
        Reserve {
            team: format!("t{}", rng.below(self.teams)).into(),
            queue: queue_id(rng.below(self.queues)),
            keep_idle: rng.pick(&[0, 1, 1, 2]),
            release_after: rng.one_in(2).then(|| secs(rng, &[3, 10])),
            lender_within_target: rng.one_in(3),
            hysteresis: rng.one_in(3).then(|| {
                let start = rng.pick(&[0, 1, 1, 2]);
                let stop = rng.pick(&[0, 0, 1]).min(start);
                Hysteresis { start, stop, ratio_ppm: rng.pick(&[0, 500_000, 1_000_000]) }
            }),
        }
    }

    fn rules(&self, rng: &mut Rng) -> Rules {
        Rules {
            session_lease: if self.leases { secs(rng, &[0, 10, 30]) } else { Span::ZERO },
            gateway_grace: secs(rng, &[0, 5, 30]),
            retry_time: secs(rng, &[0, 5, 30]),
            max_declines: rng.pick(&[0, 1, 2, 3]),
            transfer_timeout: secs(rng, &[5, 20]),
            park_timeout: secs(rng, &[5, 30]),
            retention: secs(rng, &[5, 60, 3_600]),
            retained_contacts: rng.pick(&[1, 3, 100]),
            request_window: secs(rng, &[10, 86_400]),
            remembered_requests: rng.pick(&[2, 5, 1_000]),
            occupancy_window: secs(rng, &[12, 60, 3_600]),
            ..Rules::default()
        }
    }

    fn policy(&self, rng: &mut Rng) -> Policy {
        Policy {
            tenant: "acme".into(),
            time_zone: "UTC".into(),
            not_ready_reasons: if rng.one_in(2) { vec!["lunch".into(), "training".into()] } else { Vec::new() },
            dispositions: if rng.one_in(2) { vec!["sold".into()] } else { Vec::new() },
            skills: SKILLS.iter().map(|id| Skill { id: (*id).into(), display_name: Text::default() }).collect(),
            channels: (0..self.channels).map(|at| self.channel(rng, at)).collect(),
            pools: self.named_pools(rng),
            zone_offsets: self.zone_offsets(rng),
            queues: (0..self.queues).map(|at| self.queue(rng, at)).collect(),
            queue_groups: (0..if self.limits { 2 } else { 0 }).map(|at| self.group(rng, at)).collect(),
            reserves: (0..if self.reserves { 3 } else { 0 }).map(|_| self.reserve(rng)).collect(),
            classification: self.classification(rng),
            teams: (0..self.teams).map(|at| self.team(rng, at)).collect(),
            agents: self.managed(rng),
            rules: self.rules(rng),
            ..Policy::default()
        }
    }

    /// Rules that look at everything rules may look at.
    fn classification(&self, rng: &mut Rng) -> Classification {
        if !self.classes {
            return Classification::default();
        }
        let when = [
            Expr::Attribute { name: "grade".into(), comparison: Comparison::AtLeast, value: Value::Int(2) },
            Expr::Attribute { name: "site".into(), comparison: Comparison::Equal, value: Value::Str("lyon".into()) },
            Expr::Not(Arc::new(Expr::Attribute {
                name: "urgent".into(),
                comparison: Comparison::Equal,
                value: Value::Bool(true),
            })),
        ];
        let requirement = |expr: Expr| Arc::new(Requirement { text: format!("{expr:?}").into(), expr });
        let mut rule = || ClassRule {
            channels: (0..self.channels).filter(|_| rng.one_in(4)).map(channel_id).collect(),
            when: rng.one_in(3).then(|| requirement(rng.pick(&when))),
            priority_at_least: rng.one_in(4).then(|| rng.pick(&[-1, 0, 5])),
            age_at_least: rng.one_in(4).then(|| Span::from_secs(rng.pick(&[0, 2, 30]))),
            asks: SKILLS.iter().filter(|_| rng.one_in(6)).map(|skill| (*skill).into()).collect(),
            queue: queue_id(rng.below(self.queues)),
            set_priority: rng.one_in(3).then(|| rng.pick(&[-7, 0, 9])),
            set_requirement: rng.one_in(4).then(|| rng.pick(&self.requirements)),
        };
        let rules = (0..3).map(|_| rule()).collect();
        Classification { rules, fallback: Some(queue_id(rng.below(self.queues))) }
    }

    fn managed(&self, rng: &mut Rng) -> Vec<Arc<AgentProfile>> {
        let some: Vec<usize> = (0..self.agents).filter(|_| rng.one_in(4)).collect();
        some.into_iter().map(|at| Arc::new(self.profile(rng, at, true))).collect()
    }

    /// The first policy with something else in it: what a reload in daylight brings.
    fn changed_policy(&self, rng: &mut Rng) -> Policy {
        let mut policy = (*self.policies[0]).clone();
        match rng.below(12) {
            10 => policy.pools = self.named_pools(rng),
            11 => policy.zone_offsets = self.zone_offsets(rng),
            9 => policy.classification = self.classification(rng),
            0 => policy.teams = (0..self.teams).map(|at| self.team(rng, at)).collect(),
            1 => policy.channels = (0..self.channels).map(|at| self.channel(rng, at)).collect(),
            2 => policy.queues = (0..self.queues).map(|at| self.queue(rng, at)).collect(),
            3 => policy.agents = self.managed(rng),
            4 => policy.rules = self.rules(rng),
            5 => drop(policy.queues.remove(rng.below(self.queues))),
            6 => drop(policy.teams.remove(rng.below(self.teams))),
            7 => drop(policy.channels.remove(rng.below(self.channels))),
            _ => policy = self.policy(rng),
        }
        policy
    }
}
