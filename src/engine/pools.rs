//! Who is idle: agents in lines, by what they can do, so that classes share the lines and a new class finds them there.
//!
//! A pool is what classes ask for, their queue and the level of one skill left aside. There is a plain one for every
//! channel and skill and for every channel without, which every agent joins at once with all his skills; a compound
//! one is made for classes that ask for more than that. Within a pool agents stand in one line per roster (what their
//! team serves) and level, in order of idle time. A class looks at the heads of the lines whose roster has its queue and
//! whose level is high enough. So an agent stands in a line per skill, however many classes ask for it, and a class
//! never seen that asks for one skill has its agents in line already.
//!
//! A compound pool never seen is filled some agents at a time. Until then its classes look through the lines of their
//! rarest skill, one by one, and agents look at its classes one by one: slower, and the same choice.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::id::{AgentId, ChannelId, ClassId, QueueId, SkillId, Text};
use super::order::{Links, Nodes, Sequence};
use super::rank::AgentRank;
use super::requirement::Requirement;
use super::slab::Chunked;
use super::time::Time;

/// What a team serves: teams with the same queues share one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RosterId(pub u32);

/// A pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PoolId(u32);

impl PoolId {
    /// No pool yet.
    pub(super) const NONE: PoolId = PoolId(u32::MAX);
}

/// A line of a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LineId(u32);

/// An agent's place in a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlaceId(u32);

/// Places of one agent side by side in memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Run {
    first: u32,
    len: u32,
}

impl Run {
    /// The places, in order.
    pub(super) fn iter(self) -> impl Iterator<Item = PlaceId> {
        (self.first..self.first + self.len).map(PlaceId)
    }
}

/// A class as its pool knows it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asks {
    pub(super) class: ClassId,
    pub(super) queue: QueueId,
    /// The level asked for in a plain pool; 0 elsewhere.
    pub(super) level: u8,
}

struct Pool {
    channel: ChannelId,
    /// What a compound pool asks for; empty in a plain one.
    levels: Vec<(SkillId, u8)>,
    rest: Vec<Arc<Requirement>>,
    asks: Vec<Asks>,
    /// By roster and level.
    lines: Vec<(RosterId, u8, LineId)>,
    filled: bool,
}

struct Line {
    pool: PoolId,
    channel: ChannelId,
    idle: Sequence,
    /// Agents who have a place in it, signed in or not.
    members: u32,
    /// The classes that look at it, once its pool is filled.
    classes: Vec<ClassId>,
}

/// A compound pool that is being filled.
#[derive(Clone, Copy, Debug)]
pub(super) struct Growth {
    pub(super) pool: PoolId,
    /// The rarest skill asked for, if any.
    skill: Option<SkillId>,
    /// The level of it asked for.
    level: u8,
    /// How many agents have been looked at, in the order of their slots.
    pub(super) done: u32,
}

/// One agent's place in one line.
#[derive(Clone, Copy, Debug)]
struct Place {
    agent: u32,
    line: LineId,
    links: Links,
}

#[derive(Default)]
struct Places {
    all: Chunked<Place>,
    /// Runs given back, by length.
    free: BTreeMap<u32, Vec<u32>>,
    /// The idle clock, by agent.
    since: Chunked<Time>,
}

impl Nodes for Places {
    type Key = (Time, u32);

    fn key(&self, node: u32) -> (Time, u32) {
        let agent = self.all[node].agent;
        (self.since[agent], agent)
    }

    fn links(&self, node: u32) -> Links {
        self.all[node].links
    }

    fn set_links(&mut self, node: u32, links: Links) {
        self.all[node].links = links;
    }
}

type Key = (ChannelId, Vec<(SkillId, u8)>, Vec<Text>);

/// All pools and lines, with the places of agents in them.
#[derive(Default)]
pub(super) struct Pools {
    /// By roster and queue, whether it is served.
    rosters: Vec<Vec<bool>>,
    skills: usize,
    /// Plain ones first.
    pools: Chunked<Pool>,
    plain: u32,
    compound: BTreeMap<Key, PoolId>,
    growing: VecDeque<Growth>,
    lines: Chunked<Line>,
    places: Places,
    /// Compound pools that no class asks for any more.
    forsaken: u32,
    /// Lines that got their first member, or lost their last one.
    turned: Vec<LineId>,
}

impl Pools {
    /// Takes over rosters never seen; those known before stay as they are.
    pub(super) fn know_rosters(&mut self, rosters: &[Vec<bool>]) {
        self.rosters.extend(rosters.iter().skip(self.rosters.len()).cloned());
    }

    /// How many compound pools agents stand in for nothing.
    pub(super) fn forsaken(&self) -> u32 {
        self.forsaken
    }

    /// Takes a class out of its pool and the lines it looks at.
    pub(super) fn leave(&mut self, pool: PoolId, class: ClassId, lines: &[LineId]) {
        let asks = &mut self.pools[pool.0].asks;
        asks.retain(|asks| asks.class != class);
        self.forsaken += u32::from(asks.is_empty() && pool.0 >= self.plain);
        for line in lines {
            self.lines[line.0].classes.retain(|held| *held != class);
        }
    }

    /// Forgets all pools, lines and places, and makes the plain pools anew.
    pub(super) fn reset(&mut self, rosters: Vec<Vec<bool>>, channels: usize, skills: usize) {
        let since = core::mem::take(&mut self.places.since);
        *self = Pools { rosters, skills, places: Places { since, ..Places::default() }, ..Pools::default() };
        for channel in 0..channels {
            for _ in 0..=skills {
                self.pools.push(Pool::new(ChannelId(channel as u32), true));
            }
        }
        self.plain = self.pools.len();
    }

    /// The pool of those who have a skill, or of all.
    pub(super) fn plain(&self, channel: ChannelId, skill: Option<SkillId>) -> PoolId {
        PoolId((channel.index() * (self.skills + 1) + skill.map_or(0, |skill| skill.index() + 1)) as u32)
    }

    /// Every pool that asks for more than one skill.
    pub(super) fn compound(&self) -> impl Iterator<Item = PoolId> + use<> {
        (self.plain..self.pools.len()).map(PoolId)
    }

    /// The pool for what is asked, made when there is none, and the level of its skill asked for.
    pub(super) fn of(
        &mut self,
        channel: ChannelId,
        levels: &[(SkillId, u8)],
        rest: &[Arc<Requirement>],
        rarest: Option<(SkillId, u8)>,
    ) -> (PoolId, u8) {
        match (levels, rest) {
            ([], []) => return (self.plain(channel, None), 0),
            (&[(skill, level)], []) => return (self.plain(channel, Some(skill)), level),
            _ => {}
        }
        let texts = rest.iter().map(|requirement| requirement.text.clone()).collect();
        let made = PoolId(self.pools.len());
        let pool = *self.compound.entry((channel, levels.to_vec(), texts)).or_insert(made);
        if pool == made {
            let (levels, rest) = (levels.to_vec(), rest.to_vec());
            self.pools.push(Pool { levels, rest, ..Pool::new(channel, false) });
            let (skill, level) = rarest.map_or((None, 0), |(skill, level)| (Some(skill), level));
            self.growing.push_back(Growth { pool, skill, level, done: 0 });
        }
        (pool, 0)
    }

    /// What a compound pool asks for.
    pub(super) fn asked(&self, pool: PoolId) -> (&[(SkillId, u8)], &[Arc<Requirement>]) {
        let pool = &self.pools[pool.0];
        (&pool.levels, &pool.rest)
    }

    /// Adds a class to its pool.
    pub(super) fn join(&mut self, pool: PoolId, asks: Asks) {
        self.pools[pool.0].asks.push(asks);
    }

    /// The lines a class is to look at, and whether others stand there too. Those of its own pool know it from now on.
    pub(super) fn link(&mut self, pool: PoolId, asks: Asks) -> (Vec<LineId>, bool) {
        let growth = self.growing.iter().find(|growth| growth.pool == pool);
        let (source, level) = growth.map_or((pool, asks.level), |growth| (self.source(growth), growth.level));
        let mixed = growth.is_some();
        let lines = self.pools[source.0].lines.iter();
        let lines: Vec<LineId> = lines
            .filter(|(roster, high, _)| *high >= level && self.serves(*roster, asks.queue))
            .map(|(.., line)| *line)
            .collect();
        if !mixed {
            for line in &lines {
                self.lines[line.0].classes.push(asks.class);
            }
        }
        (lines, mixed)
    }

    /// Where those who may belong to an unfilled pool stand meanwhile.
    fn source(&self, growth: &Growth) -> PoolId {
        self.plain(self.pools[growth.pool.0].channel, growth.skill)
    }

    fn serves(&self, roster: RosterId, queue: QueueId) -> bool {
        self.rosters[roster.0 as usize].get(queue.index()).copied().unwrap_or(false)
    }

    // ---- who could ever serve a class

    /// Whether anyone has a place in a line of a pool whose roster has the queue and whose level is high enough. Cost: the
    /// pool's lines.
    pub(super) fn is_staffed(&self, pool: PoolId, queue: QueueId, level: u8) -> bool {
        let could = |&(roster, high, line): &(RosterId, u8, LineId)| {
            high >= level && self.lines[line.0].members > 0 && self.serves(roster, queue)
        };
        self.pools[pool.0].lines.iter().any(could)
    }

    /// Whether everyone who belongs to a pool has a place in it.
    pub(super) fn is_filled(&self, pool: PoolId) -> bool {
        self.pools[pool.0].filled
    }

    /// The classes of lines that got their first member or lost their last one since this was last asked; some may be
    /// told more than once.
    pub(super) fn turned(&mut self) -> Vec<ClassId> {
        let turned = core::mem::take(&mut self.turned);
        let mut classes = Vec::new();
        for line in turned {
            let held = &self.lines[line.0];
            let pool = &self.pools[held.pool.0];
            match pool.filled {
                true => classes.extend(&held.classes),
                false => classes.extend(pool.asks.iter().map(|asks| asks.class)),
            }
        }
        classes
    }

    // ---- filling a new pool

    /// The pool to be filled next.
    pub(super) fn growing(&self) -> Option<Growth> {
        self.growing.front().copied()
    }

    /// So many have been looked at for it.
    pub(super) fn grown(&mut self, done: u32) {
        if let Some(growth) = self.growing.front_mut() {
            growth.done = done;
        }
    }

    /// It is filled: its classes, to be linked anew.
    pub(super) fn fill(&mut self) -> Vec<(PoolId, Asks)> {
        let Some(Growth { pool, .. }) = self.growing.pop_front() else { return Vec::new() };
        self.pools[pool.0].filled = true;
        self.pools[pool.0].asks.iter().map(|&asks| (pool, asks)).collect()
    }

    /// The classes of pools not filled yet.
    pub(super) fn unfilled(&self) -> impl Iterator<Item = ClassId> + '_ {
        let pools = self.growing.iter().map(|growth| &self.pools[growth.pool.0]);
        pools.flat_map(|pool| pool.asks.iter().map(|asks| asks.class))
    }

    // ---- agents

    /// Makes room for a new agent.
    pub(super) fn add_agent(&mut self) {
        self.places.since.push(Time(0));
    }

    /// The line of a pool for a roster and level; with the classes that have to look at it too, when it is a new one.
    pub(super) fn line_of(&mut self, pool: PoolId, roster: RosterId, level: u8) -> (LineId, Vec<ClassId>) {
        let lines = &self.pools[pool.0].lines;
        match lines.binary_search_by_key(&(roster, level), |&(roster, level, _)| (roster, level)) {
            Ok(at) => (lines[at].2, Vec::new()),
            Err(at) => self.open(pool, roster, level, at),
        }
    }

    /// Gives an agent places for these lines.
    pub(super) fn place(&mut self, agent: AgentId, lines: &[LineId]) -> Run {
        let len = lines.len() as u32;
        let all = &mut self.places.all;
        let first = match self.places.free.get_mut(&len).and_then(Vec::pop) {
            Some(first) => first,
            None => {
                let nobodys = Place { agent: agent.0, line: LineId(0), links: Links::OUT };
                let first = all.len();
                (0..len).for_each(|_| {
                    all.push(nobodys);
                });
                first
            }
        };
        for (place, &line) in (first..).zip(lines) {
            all[place] = Place { agent: agent.0, line, links: Links::OUT };
            let members = &mut self.lines[line.0].members;
            *members += 1;
            if *members == 1 {
                self.turned.push(line);
            }
        }
        Run { first, len }
    }

    fn open(&mut self, pool: PoolId, roster: RosterId, level: u8, at: usize) -> (LineId, Vec<ClassId>) {
        let line = LineId(self.lines.len());
        let held = &mut self.pools[pool.0];
        held.lines.insert(at, (roster, level, line));
        let (channel, filled) = (held.channel, held.filled);
        let asking = |asks: &&Asks| self.serves(roster, asks.queue);
        let own = self.pools[pool.0].asks.iter().filter(|asks| filled && asks.level <= level);
        let classes: Vec<ClassId> = own.filter(asking).map(|asks| asks.class).collect();
        let mut opened = classes.clone();
        for growth in self.growing.iter().filter(|growth| self.source(growth) == pool && growth.level <= level) {
            opened.extend(self.pools[growth.pool.0].asks.iter().filter(asking).map(|asks| asks.class));
        }
        self.lines.push(Line { pool, channel, idle: Sequence::EMPTY, members: 0, classes });
        (line, opened)
    }

    /// Takes back a run of places; the agent must stand in none of them.
    pub(super) fn dismiss(&mut self, run: Run) {
        debug_assert!(run.iter().all(|place| !self.places.all[place.0].links.is_in()));
        for place in run.iter() {
            let line = self.places.all[place.0].line;
            let members = &mut self.lines[line.0].members;
            *members -= 1;
            if *members == 0 {
                self.turned.push(line);
            }
        }
        if run.len > 0 {
            self.places.free.entry(run.len).or_default().push(run.first);
        }
    }

    /// Sets the idle clock that orders an agent; he must stand in no line.
    pub(super) fn set_idle(&mut self, agent: AgentId, since: Time) {
        self.places.since[agent.0] = since;
    }

    /// Puts an agent in line, or takes him out.
    pub(super) fn stand(&mut self, place: PlaceId, in_line: bool) {
        let Place { line, links, .. } = self.places.all[place.0];
        let idle = &mut self.lines[line.0].idle;
        match (links.is_in(), in_line) {
            (false, true) => idle.insert(&mut self.places, place.0),
            (true, false) => idle.remove(&mut self.places, place.0),
            (true, true) | (false, false) => {}
        }
    }

    /// Those in a line, longest idle first.
    pub(super) fn line(&self, line: LineId) -> impl Iterator<Item = AgentRank> + '_ {
        self.lines[line.0].idle.iter(&self.places).map(|place| {
            let (idle_since, agent) = self.places.key(place);
            AgentRank { interrupts: false, key: 0, clock: Time(0), idle_since, agent: AgentId(agent) }
        })
    }

    /// The classes that look at the line of a place.
    pub(super) fn classes(&self, place: PlaceId) -> &[ClassId] {
        &self.line_at(place).classes
    }

    /// The channel of the line of a place.
    pub(super) fn channel(&self, place: PlaceId) -> ChannelId {
        self.line_at(place).channel
    }

    /// The pool of the line of a place.
    pub(super) fn pool_of(&self, place: PlaceId) -> PoolId {
        self.line_at(place).pool
    }

    fn line_at(&self, place: PlaceId) -> &Line {
        &self.lines[self.places.all[place.0].line.0]
    }
}

impl Pool {
    fn new(channel: ChannelId, filled: bool) -> Pool {
        Pool { channel, levels: Vec::new(), rest: Vec::new(), asks: Vec::new(), lines: Vec::new(), filled }
    }
}
