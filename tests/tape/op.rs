//! The steps of a tape, and how they are drawn.

use std::fmt;

use usher::engine::agent::Presence;
use usher::engine::contact::{CancelCause, ContactState, DeclineReason, Direction, RequeueCause};
use usher::engine::time::Span;

use super::rng::Rng;
use super::world::{SKILLS, World};

/// A contact: the `nth` of those in a state (of all, when there is none there), or by its number, known or not.
#[derive(Clone, Copy, Debug)]
pub enum Pick {
    In(ContactState, usize),
    Id(usize),
}

/// An offer with its agent.
#[derive(Clone, Copy, Debug)]
pub enum OfferPick {
    /// One that is open.
    Open(usize),
    /// One that was issued at any time, counted from the last.
    Past(usize),
    /// One that is open, tried by another agent.
    Stolen(usize),
    /// None there ever was.
    Unknown,
}

/// What is done to a contact.
#[derive(Clone, Debug)]
pub enum Verb {
    Connect,
    Hold,
    Resume,
    Complete(&'static str),
    Cancel(CancelCause),
    ToQueue {
        queue: usize,
        requirement: Option<usize>,
    },
    ToAgent {
        agent: usize,
    },
    Requeue(RequeueCause),
    Park,
    Unpark,
    Priority(i32),
    Requirement(Option<usize>),
    Expire(Option<u64>),
    /// Where the rules say, or to a queue.
    Reclassify(Option<usize>),
    Attributes,
    Preferred(Option<usize>),
    Assign {
        agent: usize,
        force: bool,
    },
    Pick {
        agent: usize,
    },
}

/// A contact to be created. Times are relative, in seconds.
#[derive(Clone, Debug)]
pub struct Create {
    pub id: usize,
    /// A queue; or an agent, for direct work.
    pub queue: Result<usize, usize>,
    /// Whether it names neither: the rules say where it goes.
    pub unnamed: bool,
    pub channel: usize,
    pub priority: i32,
    pub requirement: Option<usize>,
    pub preferred: Option<usize>,
    pub arrived: Option<u64>,
    pub credit: u64,
    pub schedule: Option<u64>,
    pub expire: Option<u64>,
    pub gateway: Option<usize>,
    /// What it says of itself, by `contact_attributes`.
    pub attributes: usize,
    pub direction: Direction,
}

/// One command, still to be resolved against the state it meets.
#[derive(Clone, Debug)]
pub enum Op {
    Apply(usize),
    Upsert(usize),
    Delete(usize),
    SignIn {
        agent: usize,
        presence: Presence,
        lease: Option<u64>,
    },
    SignOut {
        agent: usize,
        force: bool,
    },
    Presence {
        agent: usize,
        presence: Presence,
    },
    Heartbeat(usize),
    OpenSession(usize),
    CloseSession(usize),
    Create(Create),
    To(Pick, Verb),
    Accept(OfferPick),
    Decline(OfferPick, DeclineReason, Option<u64>),
    FailOffer(OfferPick),
    /// The `nth` wrapping leg, or contact and agent at random.
    WrapUp {
        wrapping: bool,
        nth: usize,
        disposition: &'static str,
    },
    OpenGateway(usize, u64),
    RenewGateway(usize),
    CloseGateway(usize),
    /// Sets an agent's level of a skill, for so many seconds.
    Skills {
        agent: usize,
        skill: usize,
        level: u8,
        secs: Option<u64>,
    },
    /// Sets a queue open or closed, or takes that back, for so many seconds.
    SetOpen {
        queue: usize,
        open: Option<bool>,
        secs: Option<u64>,
    },
    /// Moves what waits in one queue to another, or the contacts of these numbers.
    Move {
        from: Result<usize, Vec<Pick>>,
        to: usize,
        limit: u32,
    },
    /// The `nth` earlier request that had an id, again.
    Repeat(usize),
}

/// How time moves before a step.
#[derive(Clone, Copy, Debug)]
pub enum Jump {
    Stay,
    /// Exactly to the next deadline.
    Deadline,
    /// Forward, each deadline on the way at its instant.
    Walk(Span),
    /// Forward at once; what was due meanwhile is late.
    Leap(Span),
}

/// One step of a tape.
#[derive(Clone)]
pub struct Step {
    pub jump: Jump,
    pub op: Op,
    /// The request id, when it has one.
    pub stamp: Option<u8>,
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.jump {
            Jump::Stay => {}
            jump => write!(f, "[{jump:?}] ")?,
        }
        write!(f, "{:?}", self.op)?;
        self.stamp.map_or(Ok(()), |stamp| write!(f, " id {stamp}"))
    }
}

/// A world and what happens in it.
pub struct Tape {
    pub seed: u64,
    pub world: World,
    pub steps: Vec<Step>,
}

const KINDS: usize = 22;
const VERBS: usize = 18;

/// What a tape likes to do: swarm testing, so that rare things meet often in some tapes.
struct Swarm {
    kinds: [u32; KINDS],
    verbs: [u32; VERBS],
    jumps: [u32; 4],
    stamps: bool,
    scheduled: bool,
    direct: bool,
    priorities: Vec<i32>,
    requirements: usize,
    wrong: usize,
    not_ready: usize,
}

impl Swarm {
    fn draw(rng: &mut Rng) -> Swarm {
        let mut weight = |least: u32| least.max(rng.pick(&[0, 0, 1, 2, 4, 8]));
        let mut kinds = [0; KINDS];
        kinds.iter_mut().for_each(|kind| *kind = weight(0));
        let mut verbs = [0; VERBS];
        verbs.iter_mut().for_each(|verb| *verb = weight(0));
        // What moves contacts on outweighs what moves people about, or nothing would ever be connected.
        for people in [0, 1, 2, 3, 4, 5, 8, 13] {
            kinds[people] = kinds[people].min(2);
        }
        kinds[19] = kinds[19].min(1);
        kinds[9] = 8 + weight(2);
        kinds[10] = 12 + weight(2);
        kinds[11] = 8 + weight(1);
        verbs[0] = 8 + weight(2);
        (verbs[1], verbs[2]) = (1 + weight(1), 4 + weight(2));
        verbs[3] = weight(1);
        let jumps = [8 + weight(2), weight(1).min(4), weight(0).min(4), weight(0).min(4)];
        Swarm {
            kinds,
            verbs,
            jumps,
            stamps: rng.one_in(2),
            scheduled: rng.one_in(3),
            direct: rng.one_in(2),
            priorities: rng.pick(&[vec![0], vec![0, 0, 5], vec![-100, -1, 0, 1, 100]]),
            requirements: rng.pick(&[2, 3, 1_000]),
            wrong: rng.pick(&[4, 10, 1_000]),
            not_ready: rng.pick(&[2, 4, 10]),
        }
    }
}

impl Tape {
    /// The tape of a seed.
    pub fn draw(seed: u64, length: usize) -> Tape {
        let mut rng = Rng::new(seed);
        let world = World::draw(&mut rng);
        let swarm = Swarm::draw(&mut rng);
        let mut steps = Vec::with_capacity(length);
        let step = |op| Step { jump: Jump::Stay, op, stamp: None };
        steps.push(step(Op::Apply(0)));
        for agent in 0..world.agents {
            steps.push(step(Op::Upsert(agent * 3)));
            let lease = if world.leases { None } else { Some(0) };
            steps.push(step(Op::SignIn { agent, presence: Presence::Available, lease }));
        }
        while steps.len() < length {
            let op = op(&mut rng, &world, &swarm);
            let jump = jump(&mut rng, &swarm);
            let stamp = (swarm.stamps && rng.one_in(3)).then(|| rng.below(12) as u8);
            steps.push(Step { jump, op, stamp });
        }
        Tape { seed, world, steps }
    }
}

fn jump(rng: &mut Rng, swarm: &Swarm) -> Jump {
    let span = Span::from_secs(rng.pick(&[1, 1, 2, 5, 10, 40]));
    match rng.weighted(&swarm.jumps) {
        0 => Jump::Stay,
        1 => Jump::Deadline,
        2 => Jump::Walk(span),
        _ => Jump::Leap(span),
    }
}

fn presence(rng: &mut Rng, swarm: &Swarm) -> Presence {
    match rng.one_in(swarm.not_ready) {
        true => Presence::NotReady(rng.pick(&["", "lunch", "lunch", "nap"]).into()),
        false => Presence::Available,
    }
}

fn offer_pick(rng: &mut Rng, swarm: &Swarm) -> OfferPick {
    let nth = rng.below(8);
    if !rng.one_in(swarm.wrong) {
        return OfferPick::Open(nth);
    }
    rng.pick(&[OfferPick::Past(nth), OfferPick::Past(nth), OfferPick::Stolen(nth), OfferPick::Unknown])
}

fn op(rng: &mut Rng, world: &World, swarm: &Swarm) -> Op {
    let unknown = usize::from(rng.one_in(40));
    let agent = rng.below(world.agents + unknown);
    match rng.weighted(&swarm.kinds) {
        0 => Op::Apply(rng.below(world.policies.len())),
        1 => Op::Upsert(rng.below(world.profiles.len())),
        2 => Op::Delete(agent),
        3 => {
            let lease = if world.leases { rng.pick(&[None, Some(0), Some(10), Some(100_000)]) } else { Some(0) };
            Op::SignIn { agent, presence: presence(rng, swarm), lease }
        }
        4 => Op::SignOut { agent, force: rng.one_in(3) },
        5 => match rng.one_in(12) {
            true => Op::Presence { agent, presence: Presence::Offline },
            false => Op::Presence { agent, presence: presence(rng, swarm) },
        },
        6 => Op::Heartbeat(agent),
        7 => Op::OpenSession(agent),
        8 => Op::CloseSession(agent),
        9 => Op::Create(create(rng, world, swarm)),
        10 => verb(rng, world, swarm),
        11 => Op::Accept(offer_pick(rng, swarm)),
        12 => {
            let reason = rng.pick(&[DeclineReason::Rejected, DeclineReason::Busy, DeclineReason::Unreachable]);
            Op::Decline(offer_pick(rng, swarm), reason, rng.pick(&[None, None, Some(0), Some(3), Some(100_000)]))
        }
        13 => Op::FailOffer(offer_pick(rng, swarm)),
        14 => {
            let (wrapping, nth) = (!rng.one_in(swarm.wrong), rng.below(8));
            Op::WrapUp { wrapping, nth, disposition: rng.pick(&["", "sold", "huh"]) }
        }
        15 => Op::OpenGateway(rng.below(world.gateways), if world.leases { rng.pick(&[0, 10, 20]) } else { 0 }),
        16 => Op::RenewGateway(rng.below(world.gateways + 1)),
        17 => Op::CloseGateway(rng.below(world.gateways + 1)),
        18 => relocate(rng, world, swarm),
        20 => {
            let (skill, secs) = (rng.below(SKILLS.len()), rng.pick(&[None, Some(5), Some(5), Some(40)]));
            Op::Skills { agent, skill, level: rng.pick(&[0, 1, 3, 5, 10]), secs }
        }
        19 => {
            let open = rng.pick(&[None, Some(true), Some(false)]);
            Op::SetOpen { queue: rng.below(world.queues), open, secs: rng.pick(&[None, Some(0), Some(5), Some(40)]) }
        }
        _ => Op::Repeat(rng.below(6)),
    }
}

fn relocate(rng: &mut Rng, world: &World, swarm: &Swarm) -> Op {
    use ContactState::*;
    let unknown = usize::from(rng.one_in(40));
    let to = rng.below(world.queues + unknown);
    let from = match rng.one_in(2) {
        true => Ok(rng.below(world.queues)),
        false => Err((0..rng.range(1, 3))
            .map(|_| {
                let wanted =
                    if rng.one_in(swarm.wrong) { Connected } else { rng.pick(&[Queued, Queued, Offered, Parked]) };
                Pick::In(wanted, rng.below(8))
            })
            .collect()),
    };
    Op::Move { from, to, limit: rng.pick(&[0, 1, 2]) }
}

fn create(rng: &mut Rng, world: &World, swarm: &Swarm) -> Create {
    let direct = swarm.direct && rng.one_in(5);
    let unknown = usize::from(rng.one_in(40));
    let schedule = (swarm.scheduled && rng.one_in(4)).then(|| rng.pick(&[0, 5, 20]));
    Create {
        id: rng.below(40),
        queue: match direct {
            true => Err(rng.below(world.agents)),
            false => Ok(rng.below(world.queues + unknown)),
        },
        unnamed: !direct && rng.one_in(if world.classes { 3 } else { 60 }),
        channel: rng.below(world.channels),
        priority: if rng.one_in(60) { 101 } else { rng.pick(&swarm.priorities) },
        requirement: rng.one_in(swarm.requirements).then(|| rng.below(world.requirements.len())),
        preferred: (world.steps && rng.one_in(2)).then(|| rng.below(world.agents)),
        arrived: rng.one_in(4).then(|| rng.pick(&[0, 1, 30, 90_000])),
        credit: if rng.one_in(6) { rng.pick(&[1, 5, 60]) } else { 0 },
        schedule,
        expire: rng.one_in(5).then(|| rng.pick(&[0, 5, 10, 30])),
        gateway: rng.one_in(3).then(|| rng.below(world.gateways)),
        attributes: rng.below(4),
        direction: rng.pick(&[Direction::Inbound, Direction::Inbound, Direction::Outbound, Direction::Internal]),
    }
}

fn verb(rng: &mut Rng, world: &World, swarm: &Swarm) -> Op {
    use ContactState::*;
    let requirement = rng.one_in(2).then(|| rng.below(world.requirements.len()));
    let waiting = [Queued, Queued, Offered, Assigned, Parked, Scheduled];
    let talking = [Connected, Connected, OnHold];
    let (state, verb) = match rng.weighted(&swarm.verbs) {
        0 => (Assigned, Verb::Connect),
        1 => (Connected, Verb::Hold),
        2 => (OnHold, Verb::Resume),
        3 => (rng.pick(&talking), Verb::Complete(rng.pick(&["", "", "sold", "huh"]))),
        4 => {
            let cause = rng.pick(&[CancelCause::CustomerLeft, CancelCause::System]);
            (rng.pick(&[&waiting[..], &talking].concat()), Verb::Cancel(cause))
        }
        5 => (rng.pick(&talking), Verb::ToQueue { queue: rng.below(world.queues), requirement }),
        6 => (rng.pick(&talking), Verb::ToAgent { agent: rng.below(world.agents) }),
        7 => {
            let cause = rng.pick(&[RequeueCause::Normal, RequeueCause::AgentUnreachable, RequeueCause::MediaFailed]);
            (rng.pick(&[Assigned, Assigned, Connected, OnHold]), Verb::Requeue(cause))
        }
        8 => (rng.pick(&[Queued, Offered]), Verb::Park),
        9 => (Parked, Verb::Unpark),
        10 => (rng.pick(&waiting), Verb::Priority(rng.pick(&[-3, 0, 7, 101]))),
        11 => (rng.pick(&waiting), Verb::Requirement(requirement)),
        12 => (rng.pick(&waiting), Verb::Expire(rng.pick(&[None, Some(0), Some(3), Some(20)]))),
        13 => {
            let (agent, force) = (rng.below(world.agents), rng.one_in(2));
            (rng.pick(&[Queued, Offered, Parked]), Verb::Assign { agent, force })
        }
        14 => (rng.pick(&[Queued, Offered]), Verb::Pick { agent: rng.below(world.agents) }),
        15 => (rng.pick(&waiting), Verb::Attributes),
        16 => {
            let named = !world.classes || rng.one_in(4);
            (rng.pick(&[Queued, Queued, Offered, Parked]), Verb::Reclassify(named.then(|| rng.below(world.queues))))
        }
        _ => (rng.pick(&waiting), Verb::Preferred((!rng.one_in(3)).then(|| rng.below(world.agents)))),
    };
    let nth = rng.below(8);
    let any = [Scheduled, Parked, Queued, Offered, Assigned, Connected, OnHold, WrapUp, Closed];
    let pick = match rng.one_in(swarm.wrong) {
        false => Pick::In(state, nth),
        true if rng.one_in(3) => Pick::Id(rng.below(42)),
        true => Pick::In(rng.pick(&any), nth),
    };
    Op::To(pick, verb)
}
