//! The fold: events of one tenant become counters as they happen, and books of what is waiting, in conversation and
//! signed in, from which the figures of this instant are taken when they are asked for.
//!
//! Counters and histograms move at the event, through handles kept per queue, channel and direction. Gauges are never
//! set: they are read off the books, so that a queue taken out of the configuration leaves none behind, and the longest
//! wait and time in state are exact at the instant of reading. Reading costs one step per queue and per team, whatever
//! the number of contacts and agents; the books keep one small record per contact, leg and agent in place.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use super::agents::{AgentBooks, StateTime, TeamFigures};
use super::cells::{Registrar, Series};
use super::names::{self, Metric, OfferResult};
use super::registry::Counter;
use super::save::{CellTotals, Step, Totals};
use crate::engine::contact::{Direction, Outcome};
use crate::engine::event::{Event, Facts, Recorded};
use crate::engine::id::{AgentId, ChannelId, ContactId, LegId, QueueId, Text};
use crate::engine::policy::Policy;
use crate::engine::time::{Span, Time};
use crate::view;

/// Queue, channel and direction by handle. No queue for work given to an agent directly.
pub(super) type Key = (Option<QueueId>, ChannelId, Direction);

/// One queue, channel and direction.
struct Cell {
    key: Key,
    /// Whether its series are its own, or those of all past the cap.
    own: bool,
    series: Series,
    /// Entries open, by place in [`names::WAITING`].
    waiting: [u64; names::WAITING.len()],
    /// Of them those that no agent there is could ever serve.
    unservable: u64,
    /// Entries not parked: since when each has waited, parked time added, with its contact's slot.
    line: BTreeSet<(Time, u32)>,
}

/// The place of PARKED in [`names::WAITING`].
const PARKED: usize = 3;

/// A contact with an open entry.
#[derive(Clone, Copy)]
struct Waiting {
    cell: usize,
    state: usize,
    since: Time,
    /// Whether no agent there is could ever serve it.
    unservable: bool,
    /// What it was told when it began.
    estimate: Option<Span>,
}

/// A live leg.
#[derive(Clone, Copy)]
struct LiveLeg {
    agent: AgentId,
    cost: u32,
    key: Key,
    connected: bool,
    over_max_handle: bool,
    /// Whether it was interrupted and has left its units.
    out: bool,
}

/// One tenant's books.
pub(super) struct Books {
    tenant: Text,
    registrar: Registrar,
    version: u64,
    sequence: u64,
    now: Time,
    /// Names by handle, with whether the policy in force has the queue. The engine gives handles at first sight and
    /// never again, so the same order of policies gives the same handles here.
    queues: Vec<(Text, bool)>,
    channels: Vec<Text>,
    cells: Vec<Cell>,
    index: BTreeMap<Key, usize>,
    doors: BTreeMap<(ChannelId, Direction), Counter>,
    closed: BTreeMap<(ChannelId, Direction, Outcome), Counter>,
    contacts: Vec<Option<Waiting>>,
    legs: Vec<Option<LiveLeg>>,
    over_max_handle: BTreeMap<Key, u64>,
    /// The queues that have steps, and the counters of those.
    relaxed: BTreeSet<QueueId>,
    steps: BTreeMap<(&'static str, QueueId, u8), Counter>,
    agents: AgentBooks,
    /// Times agents were carried past their capacity: by work given, by a capacity that was lowered.
    carried_over: [Counter; 2],
}

/// The figures of one queue, channel and direction, now.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct CellFigures {
    pub(super) queue: Text,
    pub(super) channel: Text,
    pub(super) direction: &'static str,
    pub(super) waiting: [u64; names::WAITING.len()],
    pub(super) unservable: u64,
    pub(super) longest: Span,
    pub(super) over_max_handle: u64,
}

/// The figures of one tenant, now.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Figures {
    pub(super) tenant: Text,
    pub(super) version: u64,
    pub(super) cells: Vec<CellFigures>,
    /// Queues, channels and directions past the cap on series.
    pub(super) past: Vec<(Text, Text, &'static str)>,
    /// Direct work in conversation past `max_handle`.
    pub(super) direct: Vec<CellFigures>,
    pub(super) teams: Vec<TeamFigures>,
    pub(super) times: Vec<StateTime>,
}

impl Books {
    pub(super) fn new(registrar: Registrar, tenant: Text) -> Books {
        let over = |cause| registrar.counter(&names::CAPACITY_EXCEEDED, &[&tenant, cause]);
        Books {
            carried_over: [over("given"), over("lowered")],
            tenant,
            registrar,
            version: 0,
            sequence: 0,
            now: Time(0),
            queues: Vec::new(),
            channels: Vec::new(),
            cells: Vec::new(),
            index: BTreeMap::new(),
            doors: BTreeMap::new(),
            closed: BTreeMap::new(),
            contacts: Vec::new(),
            legs: Vec::new(),
            over_max_handle: BTreeMap::new(),
            relaxed: BTreeSet::new(),
            steps: BTreeMap::new(),
            agents: AgentBooks::default(),
        }
    }

    /// Takes in one event; one it has seen already changes nothing.
    pub(super) fn take(&mut self, recorded: &Recorded) {
        if recorded.sequence <= self.sequence {
            return;
        }
        (self.sequence, self.now) = (recorded.sequence, recorded.time);
        let (event, facts) = (&recorded.event, &recorded.facts);
        match event {
            Event::PolicyApplied { policy, .. } => self.apply_policy(policy),
            Event::ContactCreated { .. } => self.receive(facts, 1),
            Event::ContactQueued { contact, queue, .. } => {
                self.enter(*contact, *queue, facts);
                self.step(&names::STEPS_BEGUN, Some(*queue), 0, facts);
            }
            Event::ContactRelaxed { before, after, skipped, .. } => self.relax(*before..=*after, *skipped, facts),
            Event::ContactTransferred { from: Some(from), again, .. } => {
                if let Some(cell) = self.cell(Some(*from), facts) {
                    cell.series.transfers.increment(1);
                    cell.series.transferred.increment(u64::from(!again));
                }
            }
            Event::ContactEnded { outcome, exit: Some(exit), .. } => {
                if let Some(cell) = self.cell(Some(exit.queue), facts) {
                    cell.series.exit(names::outcome(*outcome), exit);
                }
            }
            Event::ContactMoved { exit, .. } => {
                if let Some(cell) = self.cell(Some(exit.queue), facts) {
                    cell.series.exit(names::MOVED, exit);
                }
            }
            Event::ContactClosed { outcome, .. } => self.close(*outcome, facts, 1),
            Event::LegConnected { contact, answer: Some(answer), .. } => {
                let held = self.contacts.get(contact.slot() as usize).and_then(Option::as_ref);
                let estimate = held.and_then(|held| held.estimate).filter(|_| answer.wait > Span::ZERO);
                if let Some(cell) = self.cell(Some(answer.queue), facts) {
                    cell.series.answer(answer);
                    if let Some(estimate) = estimate {
                        cell.series.estimated(estimate, answer.wait);
                    }
                }
                self.step(&names::STEPS_ANSWERED, Some(answer.queue), facts.step, facts);
            }
            _ => {}
        }
        if facts.over_capacity {
            self.carried_over[usize::from(event.leg().is_none())].increment(1);
        }
        match (event.contact(), event.leg(), event.agent()) {
            (Some(contact), leg, _) => {
                if let Some(leg) = leg {
                    self.take_leg(leg, event, facts);
                }
                self.follow(contact, recorded);
            }
            (None, _, Some(agent)) => self.agents.take(self.now, agent, event),
            (None, _, None) => {}
        }
    }

    /// Everything counted so far.
    pub(super) fn totals(&self) -> Totals {
        let [given, lowered] = &self.carried_over;
        let step = |(&(name, queue, step), counter): (&(&'static str, _, _), &Counter)| {
            let metric = names::STEPS.iter().position(|metric| metric.name == name).expect("it counts steps");
            Step { metric, queue, step, total: counter.total() }
        };
        let legs = (0_u32..).zip(&self.legs);
        let over = legs.filter(|(_, leg)| leg.is_some_and(|leg| leg.over_max_handle));
        Totals {
            cells: self.cells.iter().map(|cell| CellTotals { key: cell.key, series: cell.series.totals() }).collect(),
            doors: self.doors.iter().map(|(key, counter)| (*key, counter.total())).collect(),
            closed: self.closed.iter().map(|(key, counter)| (*key, counter.total())).collect(),
            steps: self.steps.iter().map(step).collect(),
            carried_over: (given.total(), lowered.total()),
            times: self.agents.times(self.now),
            over_max_handle: over.map(|(slot, _)| slot).collect(),
        }
    }

    /// Goes on from where a view stands that was brought back, unless it has come as far already. What is going on is as the
    /// view has it; `totals` were counted until then.
    pub(super) fn restore(&mut self, view: &view::fold::Books, totals: &Totals) {
        if self.sequence >= view.sequence {
            return;
        }
        *self = Books::new(self.registrar.clone(), self.tenant.clone());
        (self.sequence, self.now) = (view.sequence, view.now);
        self.queues = view.queues.iter().map(|queue| (queue.rules.id.clone(), queue.live)).collect();
        self.channels = view.channels.iter().map(|channel| channel.id.clone()).collect();
        self.apply_policy(&view.policy);
        self.restore_totals(totals);
        self.restore_now(view, totals);
    }

    fn restore_totals(&mut self, totals: &Totals) {
        let facts = |channel, direction| Facts { channel: Some(channel), direction, ..Facts::default() };
        for CellTotals { key: (queue, channel, direction), series } in &totals.cells {
            if let Some(cell) = self.cell(*queue, &facts(*channel, *direction)) {
                cell.series.restore(series);
            }
        }
        for &((channel, direction), total) in &totals.doors {
            self.receive(&facts(channel, direction), total);
        }
        for &((channel, direction, outcome), total) in &totals.closed {
            self.close(outcome, &facts(channel, direction), total);
        }
        for Step { metric, queue, step, total } in &totals.steps {
            let first = self.cells.iter().find(|cell| cell.key.0 == Some(*queue)).map(|cell| cell.own);
            if let Some((metric, own)) = names::STEPS.get(*metric).zip(first) {
                self.count_step(metric, (*queue, own), *step, *total);
            }
        }
        let (given, lowered) = totals.carried_over;
        self.carried_over.iter().zip([given, lowered]).for_each(|(counter, total)| counter.increment(total));
        totals.times.iter().for_each(|time| self.agents.restore_time(time));
    }

    fn restore_now(&mut self, view: &view::fold::Books, totals: &Totals) {
        for (slot, clock) in (0..).zip(&view.agents) {
            if let Some(clock) = clock.as_ref().filter(|clock| !clock.deleted) {
                self.agents.restore(self.now, AgentId(slot), clock);
            }
        }
        for cell in &view.cells {
            let parked = cell.parked.iter().map(|(slot, wait)| (view.now - *wait, *slot));
            for (since, slot) in cell.line.iter().copied().chain(parked) {
                let record = view.contacts.get(slot as usize).and_then(Option::as_ref);
                let state =
                    record.and_then(|record| names::WAITING.iter().position(|(state, _)| *state == record.state));
                if let Some((record, state)) = record.zip(state) {
                    let estimate =
                        record.entries.last().and_then(|entry| entry.estimate).map(|estimate| estimate.mean());
                    let unservable = record.unservable;
                    let held = Waiting { cell: 0, state, since, unservable, estimate };
                    self.restore_waiting(cell.key, slot, held);
                }
            }
        }
        for (slot, leg) in view.live_legs() {
            let view::fold::LegNow { agent, cost, key, connected, out } = leg;
            if !out {
                self.agents.use_units(agent, cost, true);
            }
            let over_max_handle = totals.over_max_handle.contains(&slot);
            if over_max_handle {
                *self.over_max_handle.entry(key).or_default() += 1;
            }
            *place(&mut self.legs, slot) = Some(LiveLeg { agent, cost, key, connected, over_max_handle, out });
        }
    }

    fn restore_waiting(&mut self, (queue, channel, direction): Key, slot: u32, held: Waiting) {
        let facts = Facts { channel: Some(channel), direction, ..Facts::default() };
        let Some(cell) = self.cell(queue, &facts) else { return };
        cell.waiting[held.state] += 1;
        cell.unservable += u64::from(held.unservable);
        if held.state != PARKED {
            cell.line.insert((held.since, slot));
        }
        let cell = self.index[&(queue, channel, direction)];
        *place(&mut self.contacts, slot) = Some(Waiting { cell, ..held });
    }

    fn apply_policy(&mut self, policy: &Policy) {
        self.version = policy.version;
        self.queues.iter_mut().for_each(|(_, live)| *live = false);
        self.relaxed.clear();
        let names = self.queues.iter().map(|(name, _)| name.clone());
        let mut places: BTreeMap<Text, usize> = names.zip(0..).collect();
        for queue in &policy.queues {
            let at = *places.entry(queue.id.clone()).or_insert_with(|| {
                self.queues.push((queue.id.clone(), true));
                self.queues.len() - 1
            });
            self.queues[at].1 = true;
            if queue.relaxes() {
                self.relaxed.insert(QueueId(at as u32));
            }
        }
        for channel in &policy.channels {
            if !self.channels.contains(&channel.id) {
                self.channels.push(channel.id.clone());
            }
        }
        self.agents.apply_policy(self.now, policy);
    }

    /// Counts for one step of a queue that has steps.
    fn step(&mut self, metric: &'static Metric, queue: Option<QueueId>, step: u8, facts: &Facts) {
        let Some(queue) = queue.filter(|queue| self.relaxed.contains(queue)) else { return };
        let Some(own) = self.cell(Some(queue), facts).map(|cell| cell.own) else { return };
        self.count_step(metric, (queue, own), step, 1);
    }

    fn count_step(&mut self, metric: &'static Metric, (queue, own): (QueueId, bool), step: u8, several: u64) {
        let Some((name, _)) = self.queues.get(queue.index()) else { return };
        let name = if own { name } else { names::OTHER };
        let (registrar, values) = (&self.registrar, [&*self.tenant, name, &step.to_string()]);
        let counter = || registrar.counter(metric, &values);
        self.steps.entry((metric.name, queue, step)).or_insert_with(counter).increment(several);
    }

    /// An entry comes to a step; those on the way were passed over or began.
    fn relax(&mut self, steps: RangeInclusive<u8>, skipped: u32, facts: &Facts) {
        let before = *steps.start();
        for step in steps {
            match skipped & (1 << step) != 0 {
                true => self.step(&names::STEPS_SKIPPED, facts.queue, step, facts),
                false if step > before => self.step(&names::STEPS_BEGUN, facts.queue, step, facts),
                false => {}
            }
        }
    }

    fn receive(&mut self, facts: &Facts, several: u64) {
        let Some(channel) = facts.channel else { return };
        let Some(name) = self.channels.get(channel.index()) else { return };
        let values = [&*self.tenant, name, names::direction(facts.direction)];
        let counter = || self.registrar.counter(&names::CONTACTS_RECEIVED, &values);
        self.doors.entry((channel, facts.direction)).or_insert_with(counter).increment(several);
    }

    fn close(&mut self, outcome: Outcome, facts: &Facts, several: u64) {
        let Some(channel) = facts.channel else { return };
        let Some(name) = self.channels.get(channel.index()) else { return };
        let values = [&*self.tenant, name, names::direction(facts.direction), names::outcome(outcome)];
        let counter = || self.registrar.counter(&names::CONTACTS_CLOSED, &values);
        self.closed.entry((channel, facts.direction, outcome)).or_insert_with(counter).increment(several);
    }

    /// The cell of a queue with an event's channel and direction, made when it is the first there.
    fn cell(&mut self, queue: Option<QueueId>, facts: &Facts) -> Option<&mut Cell> {
        let key = (queue, facts.channel?, facts.direction);
        if let Some(&at) = self.index.get(&key) {
            return self.cells.get_mut(at);
        }
        let (name, _) = self.queues.get(queue?.index())?;
        let channel = self.channels.get(facts.channel?.index())?;
        let own = self.registrar.admit();
        let name = if own { name.clone() } else { names::OTHER.into() };
        let series = Series::new(&self.registrar, &self.tenant, &name, channel, facts.direction);
        self.index.insert(key, self.cells.len());
        self.cells.push(Cell {
            key,
            own,
            series,
            waiting: [0; names::WAITING.len()],
            unservable: 0,
            line: BTreeSet::new(),
        });
        self.cells.last_mut()
    }

    // ---- contacts that wait

    fn enter(&mut self, contact: ContactId, queue: QueueId, facts: &Facts) {
        self.leave(contact);
        let (now, slot) = (self.now, contact.slot());
        let Some(cell) = self.cell(Some(queue), facts) else { return };
        cell.series.offered.increment(1);
        cell.waiting[0] += 1;
        cell.line.insert((now, slot));
        let key = cell.key;
        *place(&mut self.contacts, slot) = Some(Waiting {
            cell: self.index[&key],
            state: 0,
            since: now,
            unservable: false,
            estimate: facts.estimate.map(|estimate| estimate.mean()),
        });
    }

    fn leave(&mut self, contact: ContactId) {
        let Some(held) = self.contacts.get_mut(contact.slot() as usize).and_then(Option::take) else { return };
        let cell = &mut self.cells[held.cell];
        cell.waiting[held.state] -= 1;
        cell.unservable -= u64::from(held.unservable);
        cell.line.remove(&(held.since, contact.slot()));
    }

    /// Moves a waiting contact to the state it is in after an event; takes it out when it no longer waits.
    fn follow(&mut self, contact: ContactId, recorded: &Recorded) {
        let Some((_, after)) = recorded.contact_states else { return };
        let Some(held) = self.contacts.get_mut(contact.slot() as usize).and_then(Option::as_mut) else { return };
        let Some(state) = names::WAITING.iter().position(|(state, _)| *state == after) else {
            return self.leave(contact);
        };
        let cell = &mut self.cells[held.cell];
        let unservable = recorded.facts.unservable;
        cell.unservable += u64::from(unservable);
        cell.unservable -= u64::from(std::mem::replace(&mut held.unservable, unservable));
        if held.state == state {
            return;
        }
        cell.waiting[held.state] -= 1;
        cell.waiting[state] += 1;
        if state == PARKED {
            cell.line.remove(&(held.since, contact.slot()));
        } else if held.state == PARKED {
            held.since = recorded.time - recorded.facts.wait;
            cell.line.insert((held.since, contact.slot()));
        }
        held.state = state;
    }

    // ---- legs

    fn take_leg(&mut self, leg: LegId, event: &Event, facts: &Facts) {
        let result = match event {
            Event::OfferIssued { agent, cost, .. } | Event::LegAssigned { agent, cost, .. } => {
                return self.begin_leg(leg, *agent, *cost, facts);
            }
            Event::LegConnected { .. } => return self.mark(leg, |held| held.connected = true),
            Event::MaxHandlePassed { .. } => return self.pass_max_handle(leg),
            Event::LegHeld { by, .. } => return self.hold_units(leg, by.is_none()),
            Event::LegResumed { .. } => return self.hold_units(leg, true),
            Event::LegWrapUpStarted { .. } => {
                self.hold_units(leg, true);
                return self.leave_conversation(leg);
            }
            Event::LegEnded { .. } => None,
            Event::OfferAccepted { .. } => Some(OfferResult::Accepted),
            Event::OfferDeclined { .. } => Some(OfferResult::Declined),
            Event::OfferExpired { .. } => Some(OfferResult::Expired),
            Event::OfferRescinded { .. } => Some(OfferResult::Rescinded),
            Event::OfferCancelled { .. } => Some(OfferResult::Cancelled),
            Event::OfferRevoked { .. } => Some(OfferResult::Revoked),
            Event::OfferFailed { .. } => Some(OfferResult::Failed),
            _ => return,
        };
        let Some(Some(held)) = self.legs.get(leg.slot() as usize).copied() else { return };
        let cell = self.index.get(&held.key).map(|at| &self.cells[*at]);
        if let (Some(result), Some(cell)) = (result, cell) {
            cell.series.offer(result);
        }
        if result == Some(OfferResult::Accepted) {
            return;
        }
        if let (true, Some(cell)) = (held.connected, cell) {
            cell.series.handle(facts);
        }
        self.leave_conversation(leg);
        self.hold_units(leg, true);
        self.agents.use_units(held.agent, held.cost, false);
        self.legs[leg.slot() as usize] = None;
    }

    fn begin_leg(&mut self, leg: LegId, agent: AgentId, cost: u32, facts: &Facts) {
        self.agents.use_units(agent, cost, true);
        let Some(channel) = facts.channel else { return };
        // Without an entry it is direct work.
        let queue = facts.queue.filter(|_| facts.entry > 0);
        let key = (queue, channel, facts.direction);
        let begun = LiveLeg { agent, cost, key, connected: false, over_max_handle: false, out: false };
        *place(&mut self.legs, leg.slot()) = Some(begun);
    }

    /// A leg holds units or, interrupted, has left them.
    fn hold_units(&mut self, leg: LegId, holds: bool) {
        if let Some(Some(held)) = self.legs.get_mut(leg.slot() as usize)
            && std::mem::replace(&mut held.out, !holds) == holds
        {
            let held = *held;
            self.agents.use_units(held.agent, held.cost, holds);
        }
    }

    fn mark(&mut self, leg: LegId, change: impl FnOnce(&mut LiveLeg)) {
        if let Some(Some(held)) = self.legs.get_mut(leg.slot() as usize) {
            change(held);
        }
    }

    fn pass_max_handle(&mut self, leg: LegId) {
        if let Some(Some(held)) = self.legs.get_mut(leg.slot() as usize)
            && !std::mem::replace(&mut held.over_max_handle, true)
        {
            *self.over_max_handle.entry(held.key).or_default() += 1;
        }
    }

    fn leave_conversation(&mut self, leg: LegId) {
        if let Some(Some(held)) = self.legs.get_mut(leg.slot() as usize)
            && std::mem::replace(&mut held.over_max_handle, false)
        {
            *self.over_max_handle.entry(held.key).or_default() -= 1;
        }
    }

    // ---- reading

    /// The figures at `now`, or at the last event if that is later.
    pub(super) fn figures(&self, now: Time) -> Figures {
        let now = now.max(self.now);
        let over = |key: &Key| self.over_max_handle.get(key).copied().unwrap_or(0);
        let cell = |cell: &Cell| {
            let (queue, channel, direction) = cell.key;
            let (name, live) = &self.queues[queue?.index()];
            let over_max_handle = over(&cell.key);
            let shown = *live || over_max_handle > 0 || cell.waiting.iter().any(|&count| count > 0);
            shown.then(|| CellFigures {
                queue: if cell.own { name.clone() } else { names::OTHER.into() },
                channel: self.channels[channel.index()].clone(),
                direction: names::direction(direction),
                waiting: cell.waiting,
                unservable: cell.unservable,
                longest: cell.line.first().map_or(Span::ZERO, |(since, _)| now.since(*since)),
                over_max_handle,
            })
        };
        let direct = |(key, count): (&Key, &u64)| {
            key.0.is_none().then(|| CellFigures {
                queue: Text::default(),
                channel: self.channels[key.1.index()].clone(),
                direction: names::direction(key.2),
                waiting: [0; names::WAITING.len()],
                unservable: 0,
                longest: Span::ZERO,
                over_max_handle: *count,
            })
        };
        let past = |cell: &Cell| {
            let (queue, channel, direction) = cell.key;
            let (name, _) = &self.queues[queue?.index()];
            (!cell.own).then(|| (name.clone(), self.channels[channel.index()].clone(), names::direction(direction)))
        };
        Figures {
            past: self.cells.iter().filter_map(past).collect(),
            tenant: self.tenant.clone(),
            version: self.version,
            cells: together(self.cells.iter().filter_map(cell)),
            direct: self.over_max_handle.iter().filter_map(direct).collect(),
            teams: self.agents.teams(),
            times: self.agents.times(now),
        }
    }
}

/// The figures with those past the cap in one per channel and direction.
fn together(cells: impl Iterator<Item = CellFigures>) -> Vec<CellFigures> {
    let mut kept = Vec::new();
    let mut others: BTreeMap<(Text, &'static str), CellFigures> = BTreeMap::new();
    for cell in cells {
        if *cell.queue != *names::OTHER {
            kept.push(cell);
            continue;
        }
        match others.get_mut(&(cell.channel.clone(), cell.direction)) {
            Some(sum) => {
                sum.waiting.iter_mut().zip(cell.waiting).for_each(|(sum, more)| *sum += more);
                sum.unservable += cell.unservable;
                sum.longest = sum.longest.max(cell.longest);
                sum.over_max_handle += cell.over_max_handle;
            }
            None => _ = others.insert((cell.channel.clone(), cell.direction), cell),
        }
    }
    kept.extend(others.into_values());
    kept
}

/// The place of a slot in a table that grows to hold it.
fn place<T>(table: &mut Vec<Option<T>>, slot: u32) -> &mut Option<T> {
    let at = slot as usize;
    if table.len() <= at {
        table.resize_with(at + 1, || None);
    }
    &mut table[at]
}
