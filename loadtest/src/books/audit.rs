//! Reads the books in the server's order and says what cannot be: a contact lost, assigned twice, given to someone
//! without the skill or the room, or out of order, and books that do not close.

use std::collections::BTreeSet;

use usher_proto::v1 as pb;

use super::balance::{Balance, Counts, Faults};
use super::{Entry, Fact, NOBODY};
use crate::scenario::center::Center;

/// Broken invariants, as reports name them.
mod kind {
    pub const TWICE: &str = "assigned twice";
    pub const LOST: &str = "contact lost";
    pub const CAPACITY: &str = "over capacity";
    pub const SKILL: &str = "without the skill";
    pub const ORDER: &str = "out of order";
    pub const LIFE: &str = "impossible life";
    pub const BOOKS: &str = "books do not close";
    pub const UNHEARD: &str = "offer not delivered";
    pub const THRESHOLD: &str = "threshold misjudged";
}

/// What became of a request to create a contact.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Creation {
    /// It was not sent, or not answered.
    #[default]
    Unknown,
    /// The contact is there.
    Done,
    /// It was refused.
    Refused,
}

/// A contact as it was asked for.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    /// What it is, as `Center::kinds` has it.
    pub kind: u32,
    /// Its priority.
    pub priority: i32,
    /// The interval it arrived in.
    pub interval: u32,
    /// What the server answered.
    pub creation: Creation,
    /// Whether the server listed it as open at the end.
    pub open: bool,
}

/// All there is to judge by.
pub struct Evidence<'a> {
    /// The center.
    pub center: &'a Center,
    /// The contacts, by number.
    pub contacts: Vec<Asked>,
    /// What the server said.
    pub entries: Vec<Entry>,
    /// Agents whose streams were never broken, so that they must have heard of every offer.
    pub steady: Vec<bool>,
    /// When each interval begins, in microseconds of the scenario's time.
    pub intervals: Vec<u64>,
}

/// Where a contact stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    New,
    Waiting,
    Offered,
    Assigned,
    Talking,
    Over,
}

/// One contact.
#[derive(Default)]
struct Page {
    stage: Stage,
    queue: usize,
    arrival: u64,
    entries: u32,
    holder: u32,
    offer: (u64, u32),
    immediate: bool,
    heard: bool,
    /// Whether it was offered to several at once.
    several: bool,
    live: Vec<u32>,
    barred: Vec<u32>,
    accepted: Vec<u32>,
    outcome: u8,
    ended: u32,
    closed: u32,
}

/// One agent.
#[derive(Clone)]
struct Desk {
    units: u32,
    by_channel: Vec<u32>,
    /// Those of them that are interrupted: they hold no units and keep a claim.
    away: Vec<u32>,
    peak: u32,
    /// What he may serve: kind and membership priority.
    serves: Vec<(usize, u8)>,
}

struct Audit<'a> {
    evidence: Evidence<'a>,
    pages: Vec<Page>,
    desks: Vec<Desk>,
    /// Contacts in line, by kind.
    lines: Vec<BTreeSet<(u64, u32)>>,
    /// Interrupted legs, by contact and agent.
    away: BTreeSet<(u32, u32)>,
    balance: Balance,
}

/// Closes the books.
pub fn balance(mut evidence: Evidence<'_>) -> Balance {
    // What agents heard and were told stands behind the events it is about.
    evidence.entries.sort_by_key(|entry| (entry.sequence, entry.fact));
    let entries = std::mem::take(&mut evidence.entries);
    let mut audit = Audit::new(evidence);
    for entry in &entries {
        audit.read(entry);
    }
    audit.finish()
}

impl<'a> Audit<'a> {
    fn new(evidence: Evidence<'a>) -> Audit<'a> {
        let center = evidence.center;
        let desk = |serves: &Vec<u8>| Desk {
            units: 0,
            by_channel: vec![0; center.channels.len()],
            away: vec![0; center.channels.len()],
            peak: 0,
            serves: serves.iter().copied().enumerate().filter(|(_, priority)| *priority > 0).collect(),
        };
        let intervals = evidence.intervals.iter().map(|from| (*from, Counts::default())).collect();
        let queues = vec![Counts::default(); center.queues.len()];
        Audit {
            pages: evidence.contacts.iter().map(|_| Page { holder: NOBODY, ..Page::default() }).collect(),
            desks: center.may_serve.iter().map(desk).collect(),
            lines: center.kinds.iter().map(|_| BTreeSet::new()).collect(),
            away: BTreeSet::new(),
            balance: Balance { queues, intervals, ..Balance::default() },
            evidence,
        }
    }

    fn faults(&mut self) -> &mut Faults {
        &mut self.balance.faults
    }

    fn read(&mut self, entry: &Entry) {
        let Entry { contact, agent, .. } = *entry;
        let of_agent = !matches!(entry.fact, Fact::Queued | Fact::Moved | Fact::Ended | Fact::Closed);
        if contact as usize >= self.pages.len() || (of_agent && agent as usize >= self.desks.len()) {
            let fact = entry.fact;
            return self
                .faults()
                .add(kind::LIFE, || format!("{fact:?} of contact {contact} and an agent nobody knows"));
        }
        match entry.fact {
            Fact::Queued => self.queued(entry),
            Fact::Offered => self.offered(entry),
            Fact::Accepted => self.accepted(entry),
            Fact::OfferEnded => self.leg_over(contact, agent, Stage::Offered),
            Fact::Connected => self.connected(entry),
            Fact::Interrupted => self.interrupted(contact, agent),
            // Who wraps up has his units again, whatever interrupted the conversation.
            Fact::Returned | Fact::WrapUp => self.returned(contact, agent),
            Fact::LegEnded => self.leg_over(contact, agent, Stage::Assigned),
            Fact::Moved => {
                self.count(contact, |counts| counts.moved += 1);
                self.leave_line(contact, Stage::New);
            }
            Fact::Ended => self.ended(entry),
            Fact::Closed => self.closed(entry),
            Fact::Heard => self.heard(entry),
            Fact::Told => {
                if !self.pages[contact as usize].accepted.contains(&agent) {
                    let who = self.name(agent);
                    let text = || format!("{who} was told that he has contact {contact}, which was given to others");
                    self.balance.faults.add(kind::TWICE, text);
                }
            }
        }
    }

    // ---- what was said

    fn queued(&mut self, entry: &Entry) {
        let page = &mut self.pages[entry.contact as usize];
        if matches!(page.stage, Stage::Waiting | Stage::Offered | Stage::Assigned | Stage::Over) {
            let (contact, stage) = (entry.contact, page.stage);
            self.faults().add(kind::LIFE, || format!("contact {contact} came into line while it was {stage:?}"));
            return;
        }
        page.queue = entry.agent as usize;
        page.arrival = entry.value;
        page.entries += 1;
        page.immediate = false;
        page.heard = false;
        page.barred.clear();
        self.count(entry.contact, |counts| counts.offered += 1);
        self.wait(entry.contact);
    }

    fn offered(&mut self, entry: &Entry) {
        let Entry { contact, agent, .. } = *entry;
        self.balance.offers += 1;
        let page = &mut self.pages[contact as usize];
        if entry.within && page.several && page.stage == Stage::Offered && !page.live.contains(&agent) {
            // One more of several at once.
            page.live.push(agent);
            return self.load(contact, agent);
        }
        page.several = entry.within;
        let page = &self.pages[contact as usize];
        if page.stage != Stage::Waiting {
            let (stage, holder, who) = (page.stage, self.name(page.holder), self.name(agent));
            let text = || format!("contact {contact} was offered to {who} while it was {stage:?} with {holder}");
            return self.balance.faults.add(kind::TWICE, text);
        }
        if let Some((_, seen)) = Some(page.offer).filter(|(sequence, _)| *sequence > 0 && !page.heard) {
            self.unheard(contact, seen);
        }
        let asked = self.evidence.contacts[contact as usize];
        if self.evidence.center.may_serve[agent as usize][asked.kind as usize] == 0 {
            let who = self.name(agent);
            self.balance.faults.add(kind::SKILL, || format!("contact {contact} was offered to {who}"));
        }
        self.check_order(contact, agent);
        let page = &mut self.pages[contact as usize];
        page.immediate |= page.offer.0 == 0 && entry.value == 0;
        page.offer = (entry.sequence, agent);
        page.heard = false;
        page.live.push(agent);
        self.leave_line(contact, Stage::Offered);
        self.pages[contact as usize].holder = agent;
        self.load(contact, agent);
    }

    fn accepted(&mut self, entry: &Entry) {
        let Entry { contact, agent, .. } = *entry;
        self.balance.accepts += 1;
        let page = &mut self.pages[contact as usize];
        page.accepted.push(agent);
        let of_several = page.several && page.live.contains(&agent);
        if page.stage == Stage::Offered && (page.holder == agent || of_several) {
            (page.stage, page.holder) = (Stage::Assigned, agent);
            return;
        }
        let (stage, holder, who) = (page.stage, page.holder, self.name(agent));
        let holder = self.name(holder);
        let text = || format!("contact {contact} was accepted by {who} while it was {stage:?} with {holder}");
        self.balance.faults.add(kind::TWICE, text);
    }

    fn connected(&mut self, entry: &Entry) {
        let Entry { contact, agent, value, .. } = *entry;
        let page = &mut self.pages[contact as usize];
        if page.stage != Stage::Assigned || page.holder != agent {
            let (stage, holder, who) = (page.stage, page.holder, self.name(agent));
            let holder = self.name(holder);
            let text = || format!("contact {contact} talks to {who} while it was {stage:?} with {holder}");
            return self.balance.faults.add(kind::TWICE, text);
        }
        page.stage = Stage::Talking;
        if i32::from(entry.exit) != pb::QueueExit::Answered as i32 {
            return;
        }
        let (delayed, threshold) = (!page.immediate, self.evidence.center.queues[page.queue].threshold_us);
        if (value <= threshold) != entry.within {
            let within = entry.within;
            let text = || format!("contact {contact} waited {value} us of {threshold} us, and within is {within}");
            self.balance.faults.add(kind::THRESHOLD, text);
        }
        self.count(contact, |counts| {
            counts.answered += 1;
            counts.within_threshold += u64::from(value <= threshold);
            counts.answered_wait_us += value;
            counts.wait_us += value;
            counts.delayed += u64::from(delayed);
        });
    }

    /// An offer or a leg is over; a contact that it had at `from` waits again.
    fn leg_over(&mut self, contact: u32, agent: u32, from: Stage) {
        let page = &mut self.pages[contact as usize];
        let Some(at) = page.live.iter().position(|live| *live == agent) else { return };
        page.live.swap_remove(at);
        self.returned(contact, agent);
        let channel = self.channel_of(contact);
        let page = &mut self.pages[contact as usize];
        let desk = &mut self.desks[agent as usize];
        desk.units = desk.units.saturating_sub(self.evidence.center.channels[channel].cost);
        desk.by_channel[channel] = desk.by_channel[channel].saturating_sub(1);
        if page.holder == agent && page.stage == from && page.several && from == Stage::Offered && !page.live.is_empty()
        {
            page.holder = page.live[0];
        } else if page.holder == agent && page.stage == from {
            page.holder = NOBODY;
            page.barred.push(agent);
            self.wait(contact);
        }
    }

    fn channel_of(&self, contact: u32) -> usize {
        self.evidence.center.kinds[self.evidence.contacts[contact as usize].kind as usize].channel
    }

    /// A conversation leaves its units to what interrupts it.
    fn interrupted(&mut self, contact: u32, agent: u32) {
        let page = &self.pages[contact as usize];
        if !page.live.contains(&agent) || !self.away.insert((contact, agent)) {
            let who = self.name(agent);
            let text = || format!("contact {contact} of {who} was interrupted while it was {:?}", page.stage);
            return self.balance.faults.add(kind::LIFE, text);
        }
        let channel = self.channel_of(contact);
        let desk = &mut self.desks[agent as usize];
        desk.units = desk.units.saturating_sub(self.evidence.center.channels[channel].cost);
        desk.away[channel] += 1;
    }

    /// It has them again, if it had left them.
    fn returned(&mut self, contact: u32, agent: u32) {
        if self.away.remove(&(contact, agent)) {
            let channel = self.channel_of(contact);
            let desk = &mut self.desks[agent as usize];
            desk.units += self.evidence.center.channels[channel].cost;
            desk.away[channel] -= 1;
        }
    }

    fn ended(&mut self, entry: &Entry) {
        let Entry { contact, value, .. } = *entry;
        let page = &mut self.pages[contact as usize];
        page.ended += 1;
        page.outcome = entry.outcome;
        let delayed = !page.immediate;
        let unanswered = matches!(page.stage, Stage::Waiting | Stage::Offered | Stage::Assigned);
        let exit = pb::QueueExit::try_from(i32::from(entry.exit)).unwrap_or_default();
        if page.ended > 1 || unanswered != (exit != pb::QueueExit::Unspecified) {
            let (ended, stage) = (page.ended, page.stage);
            let text = || format!("contact {contact} ended {ended} times, last {exit:?} while it was {stage:?}");
            self.balance.faults.add(kind::LIFE, text);
        }
        self.leave_line(contact, Stage::Over);
        if exit == pb::QueueExit::Unspecified {
            return;
        }
        self.count(contact, |counts| {
            match exit {
                pb::QueueExit::Answered => counts.answered += 1,
                pb::QueueExit::Abandoned => counts.abandoned += 1,
                pb::QueueExit::Overflowed => counts.overflowed += 1,
                pb::QueueExit::Cancelled => counts.cancelled += 1,
                pb::QueueExit::Refused => counts.refused += 1,
                pb::QueueExit::Expired => counts.expired += 1,
                pb::QueueExit::Moved => counts.moved += 1,
                pb::QueueExit::Unspecified => {}
            }
            counts.wait_us += value;
            counts.delayed += u64::from(delayed);
        });
    }

    fn closed(&mut self, entry: &Entry) {
        let contact = entry.contact;
        let page = &mut self.pages[contact as usize];
        page.closed += 1;
        let (closed, live, same) = (page.closed, page.live.len(), page.outcome == entry.outcome);
        if closed > 1 || live > 0 || !same || page.ended == 0 {
            let text =
                || format!("contact {contact} was closed {closed} times, with {live} legs, same outcome: {same}");
            self.balance.faults.add(kind::LIFE, text);
        }
        let outcome = pb::Outcome::try_from(i32::from(entry.outcome)).unwrap_or_default();
        let name = outcome.as_str_name().trim_start_matches("OUTCOME_").to_lowercase();
        *self.balance.closed.entry(name).or_default() += 1;
    }

    fn heard(&mut self, entry: &Entry) {
        let Entry { contact, agent, sequence, .. } = *entry;
        let page = &mut self.pages[contact as usize];
        if page.offer == (sequence, agent) {
            page.heard = true;
            return;
        }
        let (other, who) = (page.offer.1, self.name(agent));
        let other = self.name(other);
        let text = || format!("contact {contact} was offered to {who}, while the gateway heard of an offer to {other}");
        self.balance.faults.add(kind::TWICE, text);
    }

    // ---- what follows

    fn name(&self, agent: u32) -> String {
        let known = self.evidence.center.agents.get(agent as usize);
        known.map_or_else(|| "nobody".to_owned(), |agent| agent.id.clone())
    }

    fn count(&mut self, contact: u32, change: impl Fn(&mut Counts)) {
        let queue = self.pages[contact as usize].queue;
        if let Some(counts) = self.balance.queues.get_mut(queue) {
            change(counts);
        }
        let interval = self.evidence.contacts[contact as usize].interval as usize;
        if let Some((_, counts)) = self.balance.intervals.get_mut(interval) {
            change(counts);
        }
        change(&mut self.balance.total);
    }

    /// Whether the contact waits in the queue its class asked for: only then its place is known.
    fn in_place(&self, contact: u32) -> bool {
        let kind = self.evidence.contacts[contact as usize].kind as usize;
        self.pages[contact as usize].queue == self.evidence.center.kinds[kind].queue
    }

    fn wait(&mut self, contact: u32) {
        let page = &mut self.pages[contact as usize];
        page.stage = Stage::Waiting;
        let place = (page.arrival, contact);
        if self.in_place(contact) {
            self.lines[self.evidence.contacts[contact as usize].kind as usize].insert(place);
        }
    }

    fn leave_line(&mut self, contact: u32, stage: Stage) {
        let page = &mut self.pages[contact as usize];
        page.stage = stage;
        let kind = self.evidence.contacts[contact as usize].kind as usize;
        self.lines[kind].remove(&(page.arrival, contact));
    }

    fn load(&mut self, contact: u32, agent: u32) {
        let center = self.evidence.center;
        let channel = self.channel_of(contact);
        let facts = &center.channels[channel];
        let desk = &mut self.desks[agent as usize];
        desk.units += facts.cost;
        desk.by_channel[channel] += 1;
        let units_of = |at: usize, count: u32| count * center.channels[at].cost;
        // What is interrupted keeps a claim; what would give way may stand in for it until the offer is accepted.
        let claimed: u32 = desk.away.iter().enumerate().map(|(at, &count)| units_of(at, count)).sum();
        let gives = facts.interrupts.iter().map(|&at| units_of(at, desk.by_channel[at] - desk.away[at])).sum::<u32>();
        let (units, count, capacity) = (desk.units, desk.by_channel[channel], center.agents[agent as usize].capacity);
        desk.peak = desk.peak.max(units - gives.min(units.saturating_sub(capacity)));
        if units + claimed > capacity + gives || count > facts.max {
            let who = self.name(agent);
            let text = || format!("{who} has {units} of {capacity} units and {count} contacts of {}", facts.id);
            self.balance.faults.add(kind::CAPACITY, text);
        }
    }

    /// Nobody who came earlier at the same priority, or has a higher one, is passed over by an agent who may serve him.
    fn check_order(&mut self, contact: u32, agent: u32) {
        let center = self.evidence.center;
        if !center.first_come || !self.in_place(contact) {
            return;
        }
        let own_kind = self.evidence.contacts[contact as usize].kind as usize;
        let channel = center.kinds[own_kind].channel;
        let key = |membership: u8, number: u32| {
            let priority = self.evidence.contacts[number as usize].priority;
            (membership, -priority, self.pages[number as usize].arrival)
        };
        let own = key(center.may_serve[agent as usize][own_kind], contact);
        self.balance.orders_checked += 1;
        let mut passed = None;
        for (kind, membership) in &self.desks[agent as usize].serves {
            if center.kinds[*kind].channel != channel {
                continue;
            }
            let mut line = self.lines[*kind].iter();
            let first = line.find(|(_, other)| !self.pages[*other as usize].barred.contains(&agent));
            if let Some((_, other)) = first.filter(|(_, other)| key(*membership, *other) < own) {
                passed = Some(*other);
            }
        }
        if let Some(other) = passed {
            let who = self.name(agent);
            let text = || format!("contact {contact} was offered to {who} while contact {other} was before it");
            self.balance.faults.add(kind::ORDER, text);
        }
    }

    fn unheard(&mut self, contact: u32, agent: u32) {
        if !self.evidence.steady[agent as usize] {
            self.balance.unheard += 1;
            return;
        }
        let who = self.name(agent);
        self.balance.faults.add(kind::UNHEARD, || format!("{who} did not hear of the offer of contact {contact}"));
    }

    fn finish(mut self) -> Balance {
        for contact in 0..self.pages.len() {
            self.settle(contact as u32);
        }
        for (desk, agent) in self.desks.iter().zip(&self.evidence.center.agents) {
            let share = f64::from(desk.peak) / f64::from(agent.capacity.max(1));
            self.balance.peak_load = self.balance.peak_load.max(share);
        }
        for (queue, counts) in self.balance.queues.iter().enumerate() {
            if !counts.close() {
                let id = &self.evidence.center.queues[queue].id;
                self.balance.faults.add(kind::BOOKS, || format!("queue {id}: {counts:?}"));
            }
        }
        self.balance
    }

    /// The last look at a contact.
    fn settle(&mut self, contact: u32) {
        let asked = self.evidence.contacts[contact as usize];
        let page = &self.pages[contact as usize];
        let (stage, closed, entries) = (page.stage, page.closed, page.entries);
        let (offer, heard, delayed) = (page.offer, page.heard, !page.immediate);
        if offer.0 > 0 && !heard {
            self.unheard(contact, offer.1);
        }
        match asked.creation {
            Creation::Done => self.balance.received += 1,
            Creation::Refused => self.balance.turned_away += 1,
            Creation::Unknown => {}
        }
        self.balance.open += u64::from(asked.open);
        if matches!(stage, Stage::Waiting | Stage::Offered | Stage::Assigned) {
            self.count(contact, |counts| {
                counts.waiting += 1;
                counts.delayed += u64::from(delayed);
            });
        }
        let created = asked.creation == Creation::Done;
        if created && closed == 0 && !asked.open {
            self.faults().add(kind::LOST, || format!("contact {contact} was neither closed nor there at the end"));
        } else if created && entries == 0 {
            self.faults().add(kind::LOST, || format!("contact {contact} was created and never came into line"));
        } else if !created && entries > 0 {
            self.faults().add(kind::LIFE, || format!("contact {contact} lives, and its creation was not answered OK"));
        } else if closed > 0 && asked.open {
            self.faults().add(kind::LIFE, || format!("contact {contact} was closed and still there at the end"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario;
    use crate::scenario::center::ChannelFacts;

    const CENTER: &str = r#"
        name = "two agents, one queue for both and one for the first"
        run = { duration = "1m" }
        skills = [{ id = "french" }]
        channels = [{ id = "voice" }]
        queues = [{ id = "all" }, { id = "french", require = "french >= 3" }]
        contact_classes = [
            { id = "a", queues = ["all"], channel = "voice", handle_time = { distribution = "constant", mean = "1s" } },
            { id = "f", queues = ["french"], channel = "voice", handle_time = { distribution = "constant", mean = "1s" } },
        ]
        arrivals = [{ pattern = { rate = { per_second = 1.0 } } }]
        [[agent_groups]]
        id = "able"
        size = 1
        skills = { french = 5 }
        [[agent_groups]]
        id = "plain"
        size = 1
    "#;
    const ABLE: u32 = 0;
    const PLAIN: u32 = 1;
    /// The numbers of Outcome and QueueExit.
    const COMPLETED: u8 = 1;
    const ABANDONED: u8 = 2;
    const ANSWERED: u8 = 1;

    fn center() -> Center {
        let scenario = scenario::read(CENTER, "test").expect("a scenario");
        Center::new(&scenario, None).expect("a center")
    }

    /// The books of contacts of these kinds after what was said, in this order.
    fn books(kinds: &[u32], said: &[(u32, u32, Fact)]) -> Balance {
        let center = center();
        let contact =
            |kind: &u32| Asked { kind: *kind, priority: 0, interval: 0, creation: Creation::Done, open: false };
        let entry = |(number, (contact, agent, fact)): (usize, &(u32, u32, Fact))| {
            let mut entry = Entry::new(number as u64 + 1, *contact, *agent, *fact);
            match fact {
                Fact::Queued => (entry.agent, entry.value) = (kinds[*contact as usize], 100 + u64::from(*contact)),
                Fact::Connected => (entry.exit, entry.within) = (ANSWERED, true),
                // For these the agent says how it went.
                Fact::Ended | Fact::Closed => entry.outcome = *agent as u8,
                // An agent hears of the event before.
                Fact::Heard => entry.sequence -= 1,
                _ => {}
            }
            if *fact == Fact::Ended && entry.outcome == ABANDONED {
                entry.exit = ABANDONED;
            }
            entry
        };
        let entries = said.iter().enumerate().map(entry).collect();
        let contacts = kinds.iter().map(contact).collect();
        balance(Evidence { center: &center, contacts, entries, steady: vec![true; 2], intervals: vec![0] })
    }

    /// A whole life with one agent.
    fn life(contact: u32, agent: u32) -> Vec<(u32, u32, Fact)> {
        let mut said = vec![(contact, NOBODY, Fact::Queued)];
        said.extend(served(contact, agent));
        said
    }

    fn served(contact: u32, agent: u32) -> Vec<(u32, u32, Fact)> {
        vec![
            (contact, agent, Fact::Offered),
            (contact, agent, Fact::Heard),
            (contact, agent, Fact::Accepted),
            (contact, agent, Fact::Told),
            (contact, agent, Fact::Connected),
            (contact, u32::from(COMPLETED), Fact::Ended),
            (contact, agent, Fact::LegEnded),
            (contact, u32::from(COMPLETED), Fact::Closed),
        ]
    }

    fn broken(kinds: &[u32], said: &[(u32, u32, Fact)]) -> Vec<String> {
        books(kinds, said).faults.counts.into_keys().collect()
    }

    #[test]
    fn whole_lives_close_the_books() {
        let mut said = life(0, ABLE);
        said.extend(life(1, PLAIN));
        said.extend([(2, NOBODY, Fact::Queued), (2, u32::from(ABANDONED), Fact::Ended)]);
        said.push((2, u32::from(ABANDONED), Fact::Closed));
        let balance = books(&[1, 0, 0], &said);
        assert_eq!(balance.faults.count(), 0, "{:?}", balance.faults);
        let Counts { offered, answered, abandoned, delayed, .. } = balance.total;
        assert_eq!((offered, answered, abandoned, delayed), (3, 2, 1, 1));
        assert!(balance.total.close() && balance.queues.iter().all(Counts::close));
        assert_eq!(balance.closed["completed"], 2);
    }

    #[test]
    fn a_contact_with_two_agents_is_found() {
        // The gateway hears of both offers.
        let mut said = life(0, ABLE);
        said.insert(3, (0, PLAIN, Fact::Offered));
        assert!(broken(&[0], &said).contains(&kind::TWICE.to_owned()));
        // The second agent alone hears of his.
        let mut said = life(0, ABLE);
        said.insert(3, (0, PLAIN, Fact::Heard));
        assert_eq!(broken(&[0], &said), [kind::TWICE]);
        // The second agent is told that he has it.
        let mut said = life(0, ABLE);
        said.insert(5, (0, PLAIN, Fact::Told));
        assert_eq!(broken(&[0], &said), [kind::TWICE]);
        // It is accepted twice.
        let mut said = life(0, ABLE);
        said.insert(4, (0, PLAIN, Fact::Accepted));
        assert_eq!(broken(&[0], &said), [kind::TWICE]);
    }

    #[test]
    fn a_lost_contact_is_found() {
        assert_eq!(broken(&[0, 0], &life(0, ABLE)), [kind::LOST]);
        let mut said = life(0, ABLE);
        said.pop();
        assert_eq!(broken(&[0], &said), [kind::LOST]);
        let mut said = life(0, ABLE);
        said.push((0, u32::from(COMPLETED), Fact::Closed));
        assert_eq!(broken(&[0], &said), [kind::LIFE], "it is closed twice");
    }

    #[test]
    fn someone_without_the_skill_or_the_room_is_found() {
        assert_eq!(broken(&[1], &life(0, PLAIN)), [kind::SKILL]);
        let mut said = vec![(0, NOBODY, Fact::Queued), (0, ABLE, Fact::Offered), (0, ABLE, Fact::Heard)];
        said.extend([(1, NOBODY, Fact::Queued), (1, ABLE, Fact::Offered), (1, ABLE, Fact::Heard)]);
        assert!(broken(&[0, 0], &said).contains(&kind::CAPACITY.to_owned()));
    }

    /// A chat and an e-mail of one agent with room for one; mails give way to chats when `gives` says so.
    fn interrupted(gives: bool, said: &[(u32, u32, Fact)]) -> Vec<String> {
        let mut center = center();
        let mail = ChannelFacts { id: "mail".into(), interrupts: Vec::new(), ..center.channels[0].clone() };
        let cost = mail.cost;
        center.channels.push(mail);
        center.channels[0].interrupts.extend(gives.then_some(1));
        center.kinds[1].channel = 1;
        center.agents[ABLE as usize].capacity = cost;
        let asked = |kind| Asked { kind, priority: 0, interval: 0, creation: Creation::Done, open: true };
        let entry = |(at, (contact, agent, fact)): (usize, &(u32, u32, Fact))| {
            let mut entry = Entry::new(at as u64 + 1, *contact, *agent, *fact);
            match fact {
                Fact::Queued => (entry.agent, entry.value) = (1 - *contact, 100),
                Fact::Connected => (entry.exit, entry.within) = (ANSWERED, true),
                Fact::Heard => entry.sequence -= 1,
                _ => {}
            }
            entry
        };
        let entries = said.iter().enumerate().map(entry).collect();
        let contacts = vec![asked(1), asked(0)];
        let balance =
            balance(Evidence { center: &center, contacts, entries, steady: vec![true; 2], intervals: vec![0] });
        balance.faults.counts.into_keys().collect()
    }

    #[test]
    fn what_is_interrupted_leaves_its_room_and_keeps_its_claim() {
        let begin = |contact| {
            let facts = [(NOBODY, Fact::Queued), (ABLE, Fact::Offered), (ABLE, Fact::Heard)];
            facts.map(|(agent, fact)| (contact, agent, fact))
        };
        let mut said = begin(0).to_vec();
        said.extend([(0, ABLE, Fact::Accepted), (0, ABLE, Fact::Connected)]);
        said.extend(begin(1));
        let no_room = vec![kind::CAPACITY.to_owned()];
        assert_eq!(interrupted(false, &said), no_room, "nothing gives way");
        assert_eq!(interrupted(true, &said), Vec::<String>::new());
        said.extend([(1, ABLE, Fact::Accepted), (0, ABLE, Fact::Interrupted), (1, ABLE, Fact::LegEnded)]);
        assert_eq!(interrupted(true, &said), Vec::<String>::new());
        // The mail keeps its claim: nobody else takes what the chat has left, and it is interrupted once.
        let mut again = said.clone();
        again.push((0, ABLE, Fact::Interrupted));
        assert_eq!(interrupted(true, &again), [kind::LIFE]);
        let mut taken = said.clone();
        taken.extend([(1, ABLE, Fact::Offered), (1, ABLE, Fact::Heard)]);
        assert_eq!(interrupted(true, &taken), no_room, "a claim does not give way");
        said.push((0, ABLE, Fact::Returned));
        said.extend([(1, ABLE, Fact::Offered), (1, ABLE, Fact::Heard)]);
        assert_eq!(interrupted(true, &said), Vec::<String>::new());
    }

    #[test]
    fn a_contact_passed_over_is_found() {
        let waiting = [(0, NOBODY, Fact::Queued), (1, NOBODY, Fact::Queued)];
        let mut said = waiting.to_vec();
        said.extend(served(1, ABLE));
        said.extend(served(0, ABLE));
        assert_eq!(broken(&[0, 0], &said), [kind::ORDER]);
        assert_eq!(broken(&[0, 1], &said), [kind::ORDER], "also between queues of the same priority");
        let mut said = waiting.to_vec();
        said.extend(served(1, PLAIN));
        said.extend(served(0, ABLE));
        assert_eq!(broken(&[1, 0], &said), Vec::<String>::new(), "the first is none of his");
        // The first was offered to him before, and he did not take it.
        let mut said = waiting.to_vec();
        said.extend([(0, ABLE, Fact::Offered), (0, ABLE, Fact::Heard), (0, ABLE, Fact::OfferEnded)]);
        said.extend(served(1, ABLE));
        said.extend(served(0, PLAIN));
        assert_eq!(broken(&[0, 0], &said), Vec::<String>::new());
    }

    #[test]
    fn an_offer_nobody_heard_of_is_found() {
        let mut said = life(0, ABLE);
        said.remove(2);
        assert_eq!(broken(&[0], &said), [kind::UNHEARD]);
    }

    #[test]
    fn what_still_waits_is_in_the_books() {
        let center = center();
        let contacts = vec![Asked { kind: 0, priority: 0, interval: 0, creation: Creation::Done, open: true }];
        let entries = vec![Entry { value: 5, ..Entry::new(1, 0, 0, Fact::Queued) }];
        let balance =
            balance(Evidence { center: &center, contacts, entries, steady: vec![true; 2], intervals: vec![0] });
        assert_eq!(balance.faults.count(), 0, "{:?}", balance.faults);
        assert_eq!((balance.total.offered, balance.total.waiting, balance.open), (1, 1, 1));
        assert!(balance.total.close());
    }
}
