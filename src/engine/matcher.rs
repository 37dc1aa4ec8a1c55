//! The indexes that make a decision short: who is idle and who waits, by requirement class.
//!
//! A class is one (queue, channel, requirement). It holds its waiting contacts in order of priority and adjusted
//! arrival, and knows the lines in which its eligible agents with room stand in order of idle time (`pools`). So either
//! edge looks only at heads: an arrival at the few lines of one class, an agent at the classes he serves. Both orders
//! are lists that are appended to nearly always (`order::Sequence`). Rejected: a scan (0.4 ms at 100k agents), heaps
//! with lazy deletion (a rare class pays for all the stale entries at once), bitmaps by ticket (their renumbering stops
//! the world). Nothing here decides: `decide` does.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cmp::Reverse;

use super::contact::{Contact, NONE};
use super::id::{AgentId, ChannelId, ClassId, QueueId, SkillId};
use super::order::{Links, Nodes, Sequence};
use super::pools::{Asks, LineId, PoolId, Pools, RosterId, Run};
use super::rank::{AgentRank, Aging, ContactRank};
use super::requirement::Requirement;
use super::slab::{Chunked, Slab};
use super::state::Asked;
use super::table::{IdTable, hash_bytes};
use super::time::Time;

impl Nodes for Slab<Contact> {
    type Key = (Time, u64);

    fn key(&self, node: u32) -> (Time, u64) {
        let contact = self.at(node);
        (contact.adjusted_arrival, contact.serial)
    }

    fn links(&self, node: u32) -> Links {
        self.at(node).links
    }

    fn set_links(&mut self, node: u32, links: Links) {
        self.at_mut(node).links = links;
    }
}

/// Contacts waiting, by priority; within one by adjusted arrival. Few priorities are in use at a time.
#[derive(Clone, Debug, Default)]
pub struct Waiting {
    bands: Vec<(Reverse<i16>, Sequence)>,
}

impl Waiting {
    pub(super) fn insert(&mut self, contacts: &mut Slab<Contact>, slot: u32) {
        let priority = Reverse(i16::from(contacts.at(slot).priority));
        let at = match self.bands.binary_search_by_key(&priority, |band| band.0) {
            Ok(at) => at,
            Err(at) => {
                self.bands.insert(at, (priority, Sequence::default()));
                at
            }
        };
        self.bands[at].1.insert(contacts, slot);
    }

    pub(super) fn remove(&mut self, contacts: &mut Slab<Contact>, slot: u32) {
        let priority = Reverse(i16::from(contacts.at(slot).priority));
        let at = self.bands.binary_search_by_key(&priority, |band| band.0).expect("a waiting contact's band is kept");
        self.bands[at].1.remove(contacts, slot);
        // An emptied band keeps its place for the next of its priority; past a handful the empty ones go.
        if self.bands.len() > 8 && self.bands[at].1.is_empty() {
            self.bands.remove(at);
        }
    }

    /// The first that `fits`, in order.
    pub(super) fn first(&self, contacts: &Slab<Contact>, mut fits: impl FnMut(u32) -> bool) -> Option<u32> {
        self.iter(contacts).find(|&slot| fits(slot))
    }

    /// The first that `fits` by a queue's aging: age and priority may change places with time, but within one priority
    /// the older is always first. Cost: the priorities in use, and those that do not fit.
    pub(super) fn first_aged(
        &self,
        contacts: &Slab<Contact>,
        rank: impl Fn(&Contact) -> ContactRank,
        mut fits: impl FnMut(u32) -> bool,
    ) -> Option<(ContactRank, u32)> {
        let firsts = self.bands.iter().filter_map(|(_, band)| band.iter(contacts).find(|&slot| fits(slot)));
        firsts.map(|slot| (rank(contacts.at(slot)), slot)).min()
    }

    /// How many rank before one by a queue's aging, counted up to `most`.
    pub(super) fn before(
        &self,
        contacts: &Slab<Contact>,
        rank: impl Fn(&Contact) -> ContactRank,
        own: ContactRank,
        most: u32,
    ) -> u32 {
        let mut count = 0;
        for (_, band) in &self.bands {
            let ahead = band.iter(contacts).take_while(|&slot| rank(contacts.at(slot)) < own);
            count += ahead.take((most - count) as usize).count() as u32;
        }
        count
    }

    /// All in order.
    pub(super) fn iter<'a>(&'a self, contacts: &'a Slab<Contact>) -> impl Iterator<Item = u32> + 'a {
        self.bands.iter().flat_map(move |(_, band)| band.iter(contacts))
    }

    /// How many.
    #[must_use]
    pub fn len(&self) -> u32 {
        self.bands.iter().map(|(_, band)| band.len()).sum()
    }

    /// Whether nobody waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bands.iter().all(|(_, band)| band.is_empty())
    }
}

/// The best waiting contact of a class, copied out so that an agent's search reads one dense array.
#[derive(Clone, Copy, Debug)]
struct Head {
    priority: Reverse<i16>,
    slot: u32,
    arrival: Time,
    serial: u64,
}

const EMPTY: Head = Head { priority: Reverse(0), slot: NONE, arrival: Time(0), serial: 0 };

/// One requirement class.
#[derive(Clone, Debug)]
pub struct Class {
    /// The queue.
    pub queue: QueueId,
    /// The channel.
    pub channel: ChannelId,
    /// The contact's own requirement, beside the queue's.
    pub requirement: Option<Arc<Requirement>>,
    /// Whether that is all that is asked, the steps of the queue having been worked in.
    pub whole: bool,
    /// Skill levels that queue and contact ask for together, each skill once, sorted.
    pub(super) levels: Vec<(SkillId, u8)>,
    /// What they ask beyond skill levels.
    pub(super) rest: Vec<Arc<Requirement>>,
    /// The skills they name, each once, sorted.
    pub(super) named: Vec<SkillId>,
    pool: PoolId,
    /// The lines in which those who may serve it stand.
    pub(super) lines: Vec<LineId>,
    /// Whether others stand there too: its pool is not filled yet.
    pub(super) mixed: bool,
    /// Whether any agent, signed in or not, may serve it.
    pub(super) staffed: bool,
    pub(super) waiting: Waiting,
}

/// All classes with who is idle and who waits in them.
pub struct Index {
    classes: Chunked<Class>,
    heads: Chunked<Head>,
    by_key: IdTable,
    pub(super) pools: Pools,
    seed: u64,
}

impl Index {
    pub(super) fn new(seed: u64) -> Index {
        Index { classes: Chunked::new(), heads: Chunked::new(), by_key: IdTable::new(), pools: Pools::default(), seed }
    }

    /// How many classes there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.classes.len() as usize
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.classes.is_empty()
    }

    /// One class.
    #[must_use]
    pub fn class(&self, class: ClassId) -> &Class {
        &self.classes[class.0]
    }

    pub(super) fn class_mut(&mut self, class: ClassId) -> &mut Class {
        &mut self.classes[class.0]
    }

    fn hash(&self, queue: QueueId, channel: ChannelId, requirement: Option<&Requirement>) -> u64 {
        let text = requirement.map_or("", |requirement| &requirement.text);
        hash_bytes(self.seed ^ (u64::from(queue.0) << 8) ^ u64::from(channel.0), text.as_bytes())
    }

    /// The class of a queue, channel and requirement, if it was seen before.
    #[must_use]
    pub fn find(&self, queue: QueueId, channel: ChannelId, requirement: Option<&Requirement>) -> Option<ClassId> {
        let same = |class: u32| {
            let class = &self.classes[class];
            class.queue == queue
                && class.channel == channel
                && class.requirement.as_ref().map(|held| &*held.text) == requirement.map(|asked| &*asked.text)
        };
        self.by_key.find(self.hash(queue, channel, requirement), same).map(ClassId)
    }

    /// The class of an entry, made when it was never seen; then the caller says what it asks and gives it its pool.
    pub(super) fn class_of(&mut self, queue: QueueId, channel: ChannelId, asked: &Asked) -> ClassId {
        let known = self.find(queue, channel, asked.requirement.as_deref());
        known.unwrap_or_else(|| self.add(queue, channel, asked.clone()))
    }

    pub(super) fn add(&mut self, queue: QueueId, channel: ChannelId, Asked { requirement, whole }: Asked) -> ClassId {
        let class = ClassId(self.classes.len());
        self.by_key.insert(self.hash(queue, channel, requirement.as_deref()), class.0);
        self.classes.push(Class {
            queue,
            channel,
            requirement,
            whole,
            levels: Vec::new(),
            rest: Vec::new(),
            named: Vec::new(),
            pool: PoolId::NONE,
            lines: Vec::new(),
            mixed: false,
            staffed: false,
            waiting: Waiting::default(),
        });
        self.heads.push(EMPTY);
        class
    }

    // ---- agents

    /// Gives a class its pool, made when there is none yet, and its lines. `rarest` is where to look for its agents
    /// until a new pool is filled.
    pub(super) fn join_pool(&mut self, class: ClassId, rarest: Option<(SkillId, u8)>) {
        let held = &self.classes[class.0];
        let (pool, level) = self.pools.of(held.channel, &held.levels, &held.rest, rarest);
        let asks = Asks { class, queue: held.queue, level };
        self.pools.join(pool, asks);
        self.classes[class.0].pool = pool;
        self.link(pool, asks);
    }

    /// Whether any agent with a place in the class' pool may serve it.
    pub(super) fn has_members(&self, class: ClassId) -> bool {
        let held = &self.classes[class.0];
        // As pools are chosen: only a plain one has lines by level.
        let level = match (held.levels.as_slice(), held.rest.as_slice()) {
            (&[(_, level)], []) => level,
            _ => 0,
        };
        self.pools.is_staffed(held.pool, held.queue, level)
    }

    /// Whether nobody may serve a class whose pool is not filled, as far as one look says: there is a skill that it asks
    /// for of which no agent serving the queue has the level.
    pub(super) fn lacks_a_skill(&self, class: ClassId) -> bool {
        let held = &self.classes[class.0];
        let none = |&(skill, level): &(SkillId, u8)| {
            !self.pools.is_staffed(self.pools.plain(held.channel, Some(skill)), held.queue, level)
        };
        held.levels.iter().any(none)
    }

    /// Whether everyone who may serve a class has a place in its pool.
    pub(super) fn is_filled(&self, class: ClassId) -> bool {
        self.pools.is_filled(self.classes[class.0].pool)
    }

    /// Takes a class out of its pool: it will ask for something else.
    pub(super) fn leave_pool(&mut self, class: ClassId) {
        let held = &mut self.classes[class.0];
        let lines = core::mem::take(&mut held.lines);
        self.pools.leave(held.pool, class, &lines);
    }

    /// The pool filled first now has all its agents: its classes look nowhere else any more.
    pub(super) fn fill_pool(&mut self) {
        for (pool, asks) in self.pools.fill() {
            self.link(pool, asks);
        }
    }

    fn link(&mut self, pool: PoolId, asks: Asks) {
        let (lines, mixed) = self.pools.link(pool, asks);
        let held = &mut self.classes[asks.class.0];
        (held.lines, held.mixed) = (lines, mixed);
    }

    /// Gives an agent a place in each of these pools, by what his team serves and the level he has.
    pub(super) fn enrol(&mut self, agent: AgentId, roster: RosterId, pools: &[(PoolId, u8)]) -> Run {
        let lines = pools.iter().map(|&(pool, level)| {
            let (line, opened) = self.pools.line_of(pool, roster, level);
            for class in opened {
                self.classes[class.0].lines.push(line);
            }
            line
        });
        let lines: Vec<LineId> = lines.collect();
        self.pools.place(agent, &lines)
    }

    /// The longest-idle agent in line for a class that `fits`.
    pub(super) fn best_agent(&self, class: ClassId, mut fits: impl FnMut(AgentId) -> bool) -> Option<AgentRank> {
        let mut best: Option<AgentRank> = None;
        for &line in &self.classes[class.0].lines {
            for rank in self.pools.line(line) {
                if best.is_some_and(|best| best < rank) {
                    break;
                }
                if fits(rank.agent) {
                    best = Some(rank);
                    break;
                }
            }
        }
        best
    }

    // ---- contacts

    /// Puts a contact in line for its class.
    pub(super) fn wait(&mut self, contacts: &mut Slab<Contact>, class: ClassId, slot: u32) {
        self.classes[class.0].waiting.insert(contacts, slot);
        self.lead(contacts, class);
    }

    /// Takes it out.
    pub(super) fn unwait(&mut self, contacts: &mut Slab<Contact>, class: ClassId, slot: u32) {
        self.classes[class.0].waiting.remove(contacts, slot);
        if self.heads[class.0].slot == slot {
            self.lead(contacts, class);
        }
    }

    fn lead(&mut self, contacts: &Slab<Contact>, class: ClassId) {
        let first = self.classes[class.0].waiting.iter(contacts).next();
        self.heads[class.0] = first.map_or(EMPTY, |slot| {
            let contact = contacts.at(slot);
            Head {
                priority: Reverse(i16::from(contact.priority)),
                slot,
                arrival: contact.adjusted_arrival,
                serial: contact.serial,
            }
        });
    }

    /// The best contact of a class: the head, or the first after it that `fits`.
    pub(super) fn best_contact(
        &self,
        contacts: &Slab<Contact>,
        class: ClassId,
        band: u8,
        mut fits: impl FnMut(u32) -> bool,
    ) -> Option<(ContactRank, u32)> {
        let head = self.heads[class.0];
        if head.slot == NONE {
            return None;
        }
        if fits(head.slot) {
            let Head { priority, arrival, serial, slot } = head;
            return Some((Aging::default().rank(arrival, band, priority.0, arrival, serial), slot));
        }
        let slot = self.classes[class.0].waiting.first(contacts, fits)?;
        Some((contact_rank(contacts.at(slot), band), slot))
    }

    /// The best contact of a class by its queue's aging.
    pub(super) fn best_aged(
        &self,
        contacts: &Slab<Contact>,
        class: ClassId,
        rank: impl Fn(&Contact) -> ContactRank,
        fits: impl FnMut(u32) -> bool,
    ) -> Option<(ContactRank, u32)> {
        self.classes[class.0].waiting.first_aged(contacts, rank, fits)
    }

    /// Whether anyone waits in a class.
    pub(super) fn is_waited(&self, class: ClassId) -> bool {
        self.heads[class.0].slot != NONE
    }

    /// All classes with their handles.
    pub fn iter(&self) -> impl Iterator<Item = (ClassId, &Class)> {
        (0..).map(ClassId).zip(self.classes.iter())
    }
}

impl Class {
    /// Contacts in line.
    #[must_use]
    pub fn waiting(&self) -> u32 {
        self.waiting.len()
    }

    /// Whether any agent there is, signed in or not, may serve it.
    #[must_use]
    pub fn is_staffed(&self) -> bool {
        self.staffed
    }

    /// The pool its agents have their places in.
    pub(super) fn pool(&self) -> PoolId {
        self.pool
    }

    /// What it asks, its queue and channel left aside.
    #[must_use]
    pub fn asked(&self) -> Asked {
        Asked { requirement: self.requirement.clone(), whole: self.whole }
    }
}

/// How a contact ranks in a membership band, its age left aside.
pub(super) fn contact_rank(contact: &Contact, band: u8) -> ContactRank {
    let Contact { priority, adjusted_arrival, serial, .. } = *contact;
    Aging::default().rank(adjusted_arrival, band, i16::from(priority), adjusted_arrival, serial)
}
