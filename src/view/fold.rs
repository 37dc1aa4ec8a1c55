//! The fold: one tenant's events become figures by slice, quarter of an hour, day and rolling window, the state of its
//! queues and agents, and records of its contacts.
//!
//! An entry's offered, answer and exit figures belong to the instant it was offered, handle time to the instant its last
//! leg ends. So a figure may still change in a past quarter; nothing is ever counted twice. The same events give the
//! same books, also when they come from a journal. Reading is in `report.rs` and `snapshot.rs`.

mod legs;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use super::agents::{Clock, Places};
use super::calendar::{Calendar, quarter};
use super::counts::{Change, Count, Counts, Sum};
use super::names;
use super::recontact::{Recontacts, Resolved, customer_of};
use super::record::{Entry, Record, Survey};
use crate::engine::command::{ContactChange, NewContact};
use crate::engine::contact::{ContactProfile, ContactState, Direction, LegState, Outcome, Reason};
use crate::engine::event::{Answer, EntryCause, EntryExit, Event, Facts, Recorded};
use crate::engine::id::{AgentId, ChannelId, ContactId, LegId, QueueId, Text};
use crate::engine::policy::{Policy, Queue};
use crate::engine::requirement::Requirement;
use crate::engine::time::{Span, Time};

/// Quarters of an hour kept: eight days.
pub const QUARTERS: u64 = 8 * 96;
/// Rows kept over all quarters; the oldest quarter goes first.
const ROWS: usize = 1_000_000;
/// Records of ended contacts kept; the oldest go first.
const RECORDS: usize = 100_000;
/// Reasons, teams and sites told apart.
const PLACES: usize = 4_096;
/// Sets of skills told apart; the figures of further ones are in no skill's.
const SKILL_SETS: usize = 4_096;
/// The rolling windows, in minutes.
pub const WINDOWS: [u64; 4] = [5, 15, 30, 60];

/// What figures are kept apart by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slice {
    /// The queue; none for direct work, which only the door counts.
    pub queue: Option<QueueId>,
    /// The channel.
    pub channel: ChannelId,
    /// The direction.
    pub direction: Direction,
    /// The set of skills asked for, by place; 0 for none.
    pub skills: u32,
    /// The team of the agent, by place; 0 for none.
    pub team: u32,
    /// His site, by place; 0 for none.
    pub site: u32,
}

/// Queue, channel and direction.
pub type CellKey = (Option<QueueId>, ChannelId, Direction);

/// One queue, channel and direction, now.
#[derive(Clone, Debug)]
pub struct Cell {
    /// Which.
    pub key: CellKey,
    /// Since the books began.
    pub total: Counts,
    /// Of the day.
    pub day: Counts,
    /// Of the windows.
    pub windows: [Counts; WINDOWS.len()],
    /// By minute, for the windows to forget.
    pub(super) minutes: VecDeque<(u64, Counts)>,
    /// Entries open, by place in [`names::WAITING`].
    pub waiting: [i64; names::WAITING.len()],
    /// Of them those that no agent there is could ever serve.
    pub unservable: i64,
    /// Entries not parked: since when each has waited, parked time added, with its contact's slot.
    pub line: BTreeSet<(Time, u32)>,
    /// Entries parked, with the wait they stand at.
    pub parked: BTreeMap<u32, Span>,
}

impl Cell {
    fn new(key: CellKey) -> Cell {
        Cell {
            key,
            total: Counts::default(),
            day: Counts::default(),
            windows: Default::default(),
            minutes: VecDeque::new(),
            waiting: [0; names::WAITING.len()],
            unservable: 0,
            line: BTreeSet::new(),
            parked: BTreeMap::new(),
        }
    }

    /// Forgets what has left the windows at `minute`.
    fn roll(&mut self, before: u64, minute: u64) {
        for (window, length) in self.windows.iter_mut().zip(WINDOWS) {
            let mut gone = false;
            for (_, counts) in self.minutes.iter().filter(|(held, _)| (before..minute).contains(&(held + length - 1))) {
                *window -= counts;
                gone = true;
            }
            // The longest wait is no sum: it is looked for among what is left.
            if gone {
                let left = self.minutes.iter().filter(|(held, _)| held + length > minute);
                window.longest_wait = left.map(|(_, counts)| counts.longest_wait).max().unwrap_or(0);
            }
        }
        while self.minutes.front().is_some_and(|(held, _)| held + WINDOWS[3] <= minute) {
            self.minutes.pop_front();
        }
    }

    fn count(&mut self, at: Time, now_minute: u64, day_start: Time, counts: &Change) {
        self.total += counts;
        if at >= day_start {
            self.day += counts;
        }
        let minute = minute(at);
        if minute + WINDOWS[3] <= now_minute {
            return;
        }
        for (window, length) in self.windows.iter_mut().zip(WINDOWS) {
            if minute + length > now_minute {
                *window += counts;
            }
        }
        match self.minutes.binary_search_by_key(&minute, |(held, _)| *held) {
            Ok(place) => self.minutes[place].1 += counts,
            Err(place) => {
                let mut first = Counts::default();
                first += counts;
                self.minutes.insert(place, (minute, first));
            }
        }
    }
}

fn minute(time: Time) -> u64 {
    time.0 / 60_000_000
}

/// What is known of a queue.
#[derive(Clone, Debug)]
pub struct QueueInfo {
    /// Its rules, as last in force.
    pub rules: Queue,
    /// Whether the policy in force has it.
    pub live: bool,
    /// Whether it takes arrivals.
    pub open: bool,
    /// When what it was set to by hand ends by itself.
    pub open_until: Option<Time>,
    /// The shortest threshold it ever had: no entry passes earlier.
    pub least: Span,
    /// The skills its own requirement names.
    pub(super) skills: Vec<Text>,
    /// Entries waiting by relaxation step.
    pub by_step: Vec<i64>,
    /// Legs in conversation.
    pub connected: i64,
    /// Legs wrapping up.
    pub wrapping: i64,
}

/// What is known of a channel.
#[derive(Clone, Debug)]
pub struct ChannelInfo {
    /// Its id.
    pub id: Text,
    /// Whether the policy in force has it.
    pub live: bool,
    /// Units in use.
    pub units: i64,
    /// Legs in conversation.
    pub connected: i64,
}

/// A live leg.
#[derive(Clone, Copy, Debug)]
pub(super) struct LiveLeg {
    pub(super) contact: u32,
    pub(super) agent: AgentId,
    pub(super) cost: u32,
    pub(super) channel: ChannelId,
    pub(super) queue: Option<QueueId>,
    pub(super) state: LegState,
    /// Whether it was interrupted and has left its units.
    pub(super) out: bool,
}

/// A live leg, for those who count what is going on.
#[derive(Clone, Copy, Debug)]
pub struct LegNow {
    /// Whose it is.
    pub agent: AgentId,
    /// Units it takes.
    pub cost: u32,
    /// Where its entry is counted.
    pub key: CellKey,
    /// Whether it was ever CONNECTED.
    pub connected: bool,
    /// Whether it was interrupted and has left its units.
    pub out: bool,
}

/// What is known of a team.
#[derive(Clone, Debug)]
pub struct TeamRules {
    /// What an hour of one of its agents costs, in millionths.
    pub cost_per_hour: u64,
    /// The team and those it belongs to, itself first.
    pub chain: Vec<u32>,
    /// Whether the policy in force has it.
    pub live: bool,
}

/// The books of one tenant.
pub struct Books {
    /// The tenant.
    pub tenant: Text,
    /// The policy in force.
    pub policy: Arc<Policy>,
    /// Sequence of the last event taken in.
    pub sequence: u64,
    /// When it happened, or what was read last if that is later.
    pub now: Time,
    /// Days and intervals.
    pub calendar: Calendar,
    /// Queues by handle.
    pub queues: Vec<QueueInfo>,
    /// Channels by handle.
    pub channels: Vec<ChannelInfo>,
    /// Teams by place.
    pub teams: Places,
    pub(super) team_rules: Vec<TeamRules>,
    /// Figures of the day by team, by place, and direction.
    pub team_days: BTreeMap<(u32, Direction), Counts>,
    /// Sites by place.
    pub sites: Places,
    /// Not-ready reasons by place.
    pub reasons: Places,
    /// Sets of skills by place; the first is the empty one.
    pub skill_sets: Vec<Vec<Text>>,
    pub(super) skill_places: HashMap<Vec<Text>, u32>,
    /// Figures by quarter and slice.
    pub rows: BTreeMap<u64, HashMap<Slice, Counts>>,
    pub(super) row_count: usize,
    /// Cells in order of first sight.
    pub cells: Vec<Cell>,
    pub(super) index: BTreeMap<CellKey, usize>,
    pub(super) minute: u64,
    pub(super) day: (Time, Time),
    /// Contacts by slot, until the engine forgets them; an ended one is shared with `records`.
    pub contacts: Vec<Option<Arc<Record>>>,
    pub(super) legs: Vec<Option<LiveLeg>>,
    /// Agents by slot.
    pub agents: Vec<Option<Clock>>,
    /// Ended contacts, oldest first; the first has this number.
    pub records: VecDeque<Arc<Record>>,
    /// Customers whose last contact was resolved a short while ago.
    pub(super) recontacts: Recontacts,
    /// Contacts SCHEDULED.
    pub scheduled: i64,
    /// Live contacts without a queue entry.
    pub direct: i64,
}

impl Books {
    /// Empty books.
    #[must_use]
    pub fn new(tenant: Text) -> Books {
        Books {
            tenant,
            policy: Arc::default(),
            sequence: 0,
            now: Time(0),
            calendar: Calendar::new("UTC"),
            queues: Vec::new(),
            channels: Vec::new(),
            teams: Places::new(PLACES),
            team_rules: Vec::new(),
            team_days: BTreeMap::new(),
            sites: Places::new(PLACES),
            reasons: Places::new(64),
            skill_sets: vec![Vec::new()],
            skill_places: HashMap::new(),
            rows: BTreeMap::new(),
            row_count: 0,
            cells: Vec::new(),
            index: BTreeMap::new(),
            minute: 0,
            day: (Time(0), Time(0)),
            contacts: Vec::new(),
            legs: Vec::new(),
            agents: Vec::new(),
            records: VecDeque::new(),
            recontacts: Recontacts::default(),
            scheduled: 0,
            direct: 0,
        }
    }

    /// Takes in one event; one it has seen already changes nothing.
    pub fn take(&mut self, recorded: &Recorded) {
        if recorded.sequence <= self.sequence {
            return;
        }
        self.sequence = recorded.sequence;
        self.move_to(recorded.time);
        let event = &recorded.event;
        match (event.contact(), event.leg(), event.agent()) {
            (Some(contact), leg, _) => self.take_contact(contact, leg, recorded),
            (None, _, Some(agent)) => self.take_agent(agent, event),
            (None, _, None) => match event {
                Event::PolicyApplied { policy, .. } => self.apply_policy(policy),
                Event::QueueOpenChanged { queue, after, until, .. } => {
                    if let Some(info) = self.queues.get_mut(queue.index()) {
                        (info.open, info.open_until) = (*after, *until);
                    }
                }
                Event::CustomerForgotten { customer, .. } => self.forget_customer(&customer.customer_id),
                _ => {}
            },
        }
    }

    /// Moves time: windows roll, days begin.
    pub fn move_to(&mut self, now: Time) {
        self.now = self.now.max(now);
        let minute = minute(self.now);
        if minute != self.minute {
            let before = std::mem::replace(&mut self.minute, minute);
            self.cells.iter_mut().for_each(|cell| cell.roll(before, minute));
        }
        if !(self.day.0 <= self.now && self.now < self.day.1) {
            self.day = self.calendar.day(self.now);
            self.cells.iter_mut().for_each(|cell| cell.day = Counts::default());
            self.team_days.clear();
            self.tick_agents();
            let from = quarter(self.day.0);
            self.agents.iter_mut().flatten().for_each(|clock| clock.begin_day(from));
            self.refill_day();
            self.forget();
        }
    }

    /// The legs that are live, by slot.
    pub fn live_legs(&self) -> impl Iterator<Item = (u32, LegNow)> + '_ {
        let held = (0..).zip(&self.legs).filter_map(|(slot, leg)| Some((slot, leg.as_ref()?)));
        held.filter_map(|(slot, leg)| {
            let record = self.contacts.get(leg.contact as usize)?.as_ref()?;
            let connected =
                record.legs.iter().rev().find(|held| held.leg.slot() == slot).and_then(|held| held.connected);
            let key = (leg.queue, leg.channel, record.profile.direction);
            let LiveLeg { agent, cost, out, .. } = *leg;
            Some((slot, LegNow { agent, cost, key, connected: connected.is_some(), out }))
        })
    }

    /// When the day began.
    #[must_use]
    pub fn day_start(&self) -> Time {
        self.day.0
    }

    /// A day that begins anew in another time zone has figures already.
    fn refill_day(&mut self) {
        let from = quarter(self.day.0);
        let rows = self.rows.range(from..).flat_map(|(_, rows)| rows);
        let found: Vec<(Slice, Counts)> = rows.map(|(slice, counts)| (*slice, counts.clone())).collect();
        for (slice, counts) in found {
            let at = self.cell((slice.queue, slice.channel, slice.direction));
            self.cells[at].day += &counts;
            *self.team_days.entry((slice.team, slice.direction)).or_default() += &counts;
        }
    }

    /// Moves every agent's clock to now.
    pub fn tick_agents(&mut self) {
        let now = self.now;
        self.agents.iter_mut().flatten().for_each(|clock| clock.tick(now));
    }

    /// Drops what is older than is kept.
    fn forget(&mut self) {
        let oldest = quarter(self.now).saturating_sub(QUARTERS);
        while let Some((&first, rows)) = self.rows.first_key_value()
            && (first < oldest || self.row_count > ROWS)
        {
            self.row_count -= rows.len();
            self.rows.remove(&first);
        }
        for agent in self.agents.iter_mut().flatten() {
            agent.quarters = agent.quarters.split_off(&oldest);
        }
        while self
            .records
            .front()
            .is_some_and(|record| record.ended.is_some_and(|(_, _, ended)| quarter(ended) < oldest))
        {
            self.records.pop_front();
        }
    }

    /// Takes what identifies a customer out of every record; the figures stay.
    fn forget_customer(&mut self, customer_id: &str) {
        self.recontacts.forget(customer_id);
        let is_his = |record: &Record| {
            record.profile.customer.as_ref().is_some_and(|customer| *customer.customer_id == *customer_id)
        };
        let held = self.contacts.iter_mut().flatten().chain(&mut self.records);
        for record in held.filter(|record| is_his(record)) {
            let profile = (*record.profile).clone();
            Arc::make_mut(record).profile = Arc::new(ContactProfile { customer: None, ..profile });
        }
    }

    // ---- counting

    /// The cell of a key, made when it is the first there.
    fn cell(&mut self, key: CellKey) -> usize {
        if let Some(&at) = self.index.get(&key) {
            return at;
        }
        self.index.insert(key, self.cells.len());
        self.cells.push(Cell::new(key));
        self.cells.len() - 1
    }

    /// Counts at an instant: in its quarter's row, and in its cell.
    fn count(&mut self, at: Time, slice: Slice, counts: &Change) {
        self.count_row(at, slice, counts);
        let cell = self.cell((slice.queue, slice.channel, slice.direction));
        let (minute, day) = (self.minute, self.day.0);
        self.cells[cell].count(at, minute, day, counts);
    }

    fn count_row(&mut self, at: Time, slice: Slice, counts: &Change) {
        let quarter = quarter(at);
        if !self.rows.contains_key(&quarter) && self.row_count > ROWS {
            self.forget();
        }
        if at >= self.day.0 && slice.team > 0 {
            *self.team_days.entry((slice.team, slice.direction)).or_default() += counts;
        }
        let rows = self.rows.entry(quarter).or_default();
        let before = rows.len();
        *rows.entry(slice).or_default() += counts;
        self.row_count += rows.len() - before;
    }

    fn slice(facts: &Facts, queue: Option<QueueId>) -> Option<Slice> {
        let channel = facts.channel?;
        Some(Slice { queue, channel, direction: facts.direction, skills: 0, team: 0, site: 0 })
    }

    /// Where an entry is counted.
    #[must_use]
    pub fn slice_of(record: &Record, entry: &Entry) -> Slice {
        Slice {
            queue: Some(entry.queue),
            channel: record.channel,
            direction: record.profile.direction,
            skills: entry.skills,
            team: entry.team,
            site: entry.site,
        }
    }

    // ---- the policy

    fn apply_policy(&mut self, policy: &Arc<Policy>) {
        let before = std::mem::replace(&mut self.policy, policy.clone());
        self.calendar = Calendar::new(&policy.time_zone);
        self.day = (Time(0), Time(0));
        self.queues.iter_mut().for_each(|queue| queue.live = false);
        let mut changed = Vec::new();
        let names = self.queues.iter().map(|queue| queue.rules.id.clone());
        let places: BTreeMap<Text, u32> = names.zip(0..).collect();
        for queue in &policy.queues {
            let mut skills = Vec::new();
            skills_of(queue.require.as_deref(), &mut skills);
            match places.get(&queue.id) {
                Some(&at) => {
                    let known = &mut self.queues[at as usize];
                    if !known.rules.asks_alike(queue) {
                        changed.push(QueueId(at));
                    }
                    known.least = known.least.min(queue.service_level.threshold);
                    (known.rules, known.live, known.skills) = (queue.clone(), true, skills);
                }
                None => {
                    let (rules, least) = (queue.clone(), queue.service_level.threshold);
                    self.queues.push(QueueInfo {
                        rules,
                        live: true,
                        open: true,
                        open_until: None,
                        least,
                        skills,
                        by_step: Vec::new(),
                        connected: 0,
                        wrapping: 0,
                    });
                }
            }
        }
        // What was set by hand goes with the queue.
        let gone = self.queues.iter_mut().filter(|queue| !queue.live);
        gone.for_each(|queue| (queue.open, queue.open_until) = (true, None));
        changed.into_iter().for_each(|queue| self.restep(queue));
        self.channels.iter_mut().for_each(|channel| channel.live = false);
        for channel in &policy.channels {
            match self.channels.iter_mut().find(|known| known.id == channel.id) {
                Some(known) => known.live = true,
                None => {
                    let id = channel.id.clone();
                    self.channels.push(ChannelInfo { id, live: true, units: 0, connected: 0 });
                }
            }
        }
        for team in &policy.teams {
            self.teams.place(&team.id);
        }
        let shifts = |policy: &Policy| policy.teams.iter().any(|team| !team.shifts.is_empty());
        if shifts(policy) || shifts(&before) {
            self.tick_agents();
            self.schedule_all();
        }
        self.team_rules = (0..self.teams.len() as u32).map(|team| self.rules_of(team)).collect();
        self.move_to(self.now);
    }

    fn rules_of(&self, team: u32) -> TeamRules {
        let find = |id: &Text| self.policy.teams.iter().find(|known| known.id == *id);
        let mut rules = TeamRules { cost_per_hour: 0, chain: vec![team], live: false };
        let mut at = find(self.teams.text(team));
        (rules.live, rules.cost_per_hour) = (at.is_some(), at.map_or(0, |team| team.cost_per_hour));
        while let Some(parent) = at.and_then(|team| team.parent.as_ref())
            && let Some(place) = self.teams.find(parent)
            && !rules.chain.contains(&place)
        {
            rules.chain.push(place);
            at = find(parent);
        }
        rules
    }

    /// What is known of a team.
    #[must_use]
    pub fn team(&self, team: u32) -> TeamRules {
        let known = self.team_rules.get(team as usize).cloned();
        known.unwrap_or(TeamRules { cost_per_hour: 0, chain: vec![team], live: false })
    }

    fn skill_set(&mut self, queue: QueueId, requirement: Option<&Requirement>) -> u32 {
        let mut skills = self.queues.get(queue.index()).map(|queue| queue.skills.clone()).unwrap_or_default();
        skills_of(requirement, &mut skills);
        if skills.is_empty() {
            return 0;
        }
        if let Some(&place) = self.skill_places.get(&skills) {
            return place;
        }
        if self.skill_sets.len() >= SKILL_SETS {
            return 0;
        }
        let place = self.skill_sets.len() as u32;
        self.skill_places.insert(skills.clone(), place);
        self.skill_sets.push(skills);
        place
    }

    // ---- contacts

    fn record(&mut self, contact: ContactId) -> Option<&mut Record> {
        let held = self.contacts.get_mut(contact.slot() as usize)?.as_mut();
        held.filter(|record| record.contact == contact).map(Arc::make_mut)
    }

    fn take_contact(&mut self, contact: ContactId, leg: Option<LegId>, recorded: &Recorded) {
        let (event, facts) = (&recorded.event, &recorded.facts);
        match event {
            Event::ContactCreated { new, .. } => return self.create(contact, new, recorded),
            Event::ContactForgotten { .. } => {
                if let Some(held) = self.contacts.get_mut(contact.slot() as usize) {
                    *held = None;
                }
                return;
            }
            Event::ContactQueued { queue, cause, .. } => self.enter(contact, *queue, *cause, facts),
            Event::ContactMoved { exit, .. } => self.leave(contact, exit, Count::Moved, Reason::None, facts),
            Event::ContactRelaxed { after, .. } => self.relax(contact, *after),
            Event::ContactUpdated { change, .. } => self.update(contact, change),
            Event::ContactTransferred { from, again, .. } => self.transfer(contact, *from, *again),
            Event::ContactEnded { outcome, reason, exit, disposition, .. } => {
                self.end(contact, (*outcome, *reason), *exit, disposition, facts);
            }
            Event::SurveySubmitted { agent, kind, score, result, .. } => {
                let survey = Survey { kind: *kind, score: *score, result: *result, time: self.now };
                self.survey(contact, *agent, survey);
            }
            _ => {}
        }
        if let Some(leg) = leg {
            self.take_leg(contact, leg, recorded);
        }
        self.follow(contact, recorded);
        self.mark(contact, facts.unservable);
        if let Event::ContactClosed { outcome, .. } = event {
            self.close(contact, *outcome);
        }
    }

    fn create(&mut self, contact: ContactId, new: &Arc<NewContact>, recorded: &Recorded) {
        let facts = &recorded.facts;
        let Some(channel) = facts.channel else { return };
        let state = recorded.contact_states.map_or(ContactState::Scheduled, |(_, after)| after);
        let record = Record {
            contact,
            profile: new.profile.clone(),
            channel,
            door: facts.queue,
            requirement: new.requirement.clone(),
            priority: new.priority,
            arrival: new.arrival.unwrap_or(self.now),
            created: self.now,
            schedule: new.schedule,
            state,
            ended: None,
            disposition: Text::default(),
            entries: Vec::new(),
            legs: Vec::new(),
            surveys: Vec::new(),
            transfers: 0,
            unservable: false,
            policy_version: recorded.policy_version,
        };
        self.scheduled += i64::from(state == ContactState::Scheduled);
        let at = contact.slot() as usize;
        if self.contacts.len() <= at {
            self.contacts.resize_with(at + 1, || None);
        }
        self.contacts[at] = Some(Arc::new(record));
        if let Some(customer) = customer_of(&new.profile) {
            self.comes_again(customer);
        }
        let Some(slice) = Books::slice(facts, facts.queue) else { return };
        let mut counts = Change::one(Count::Received);
        if slice.direction == Direction::Callback && !new.profile.callback_of.is_empty() {
            counts = counts.and(Count::CallbacksRequested);
            if new.schedule.is_some_and(|at| at > self.now) {
                counts = counts.and(Count::CallbacksScheduled);
            }
        }
        self.count(self.now, slice, &counts);
    }

    /// A customer is here: what was resolved for him a short while ago was not.
    fn comes_again(&mut self, customer: &Text) {
        let window = self.policy.rules.recontact_window;
        let Some(Resolved { at, slice, agent }) = self.recontacts.comes(customer, self.now, window) else { return };
        let (counts, held) = (Change::one(Count::Recontacted), quarter(at));
        if held + QUARTERS < quarter(self.now) {
            return;
        }
        self.count(at, slice, &counts);
        let clock = self.agents.get_mut(agent.index()).and_then(Option::as_mut);
        if let Some(part) = clock.and_then(|clock| clock.quarters.get_mut(&held)) {
            *part.legs_of((slice.channel, slice.direction)) += &counts;
        }
    }

    fn update(&mut self, contact: ContactId, change: &ContactChange) {
        let Some(record) = self.record(contact) else { return };
        let mut profile = (*record.profile).clone();
        let before = customer_of(&profile).cloned();
        if let Some(customer) = &change.customer {
            profile.customer.clone_from(customer);
        }
        if let Some(attributes) = &change.attributes {
            profile.attributes.clone_from(attributes);
        }
        if let Some(conversation) = &change.conversation_id {
            profile.conversation_id.clone_from(conversation);
        }
        if let Some(preferred) = &change.preferred_agent_id {
            profile.preferred_agent_id.clone_from(preferred);
        }
        record.profile = Arc::new(profile);
        record.priority = change.priority.unwrap_or(record.priority);
        if let Some(requirement) = &change.requirement {
            record.requirement.clone_from(requirement);
        }
        // He may be known only once he has said who he is.
        let after = customer_of(&record.profile).filter(|after| before.as_ref() != Some(after)).cloned();
        if let Some(customer) = after {
            self.comes_again(&customer);
        }
    }

    fn enter(&mut self, contact: ContactId, queue: QueueId, cause: EntryCause, facts: &Facts) {
        let now = self.now;
        let requirement = self.record(contact).and_then(|record| record.requirement.clone());
        let skills = self.skill_set(queue, requirement.as_deref());
        let Some(info) = self.queues.get(queue.index()) else { return };
        let (queue_id, threshold) = (info.rules.id.clone(), info.rules.service_level.threshold);
        let Some(record) = self.record(contact) else { return };
        record.schedule = None;
        // Most contacts have one entry and one leg, and many are kept.
        if record.entries.is_empty() {
            record.entries.reserve_exact(1);
        }
        record.entries.push(Entry {
            number: facts.entry,
            queue,
            queue_id,
            cause,
            enter: now,
            exit: None,
            wait: Span::ZERO,
            parked: Span::ZERO,
            step: 0,
            within_threshold: false,
            short: false,
            threshold,
            priority: record.priority,
            requirement,
            skills,
            team: 0,
            site: 0,
            agent: None,
            estimate: facts.estimate,
            handle: [Span::ZERO; 3],
            cost: 0,
        });
        let (channel, direction) = (record.channel, record.profile.direction);
        let slice = Slice { queue: Some(queue), channel, direction, skills, team: 0, site: 0 };
        self.count(now, slice, &Change::one(Count::Offered));
        let cell = self.cell((slice.queue, slice.channel, slice.direction));
        self.cells[cell].line.insert((now, contact.slot()));
        self.cells[cell].waiting[0] += 1;
        self.stand(queue, 0, 1);
    }

    /// Whether an open entry is one that nobody could ever serve.
    fn mark(&mut self, contact: ContactId, unservable: bool) {
        let Some(held) = self.contacts.get(contact.slot() as usize).and_then(Option::as_ref) else { return };
        if held.contact != contact || held.unservable == unservable {
            return;
        }
        let Some(entry) = held.open_entry() else { return };
        let key = (Some(entry.queue), held.channel, held.profile.direction);
        let cell = self.cell(key);
        self.cells[cell].unservable += if unservable { 1 } else { -1 };
        self.record(contact).into_iter().for_each(|record| record.unservable = unservable);
    }

    /// An entry comes to a step of its queue.
    fn relax(&mut self, contact: ContactId, step: u8) {
        let Some(entry) = self.record(contact).and_then(|record| record.entries.last_mut()) else { return };
        let (queue, before) = (entry.queue, core::mem::replace(&mut entry.step, step));
        self.stand(queue, before, -1);
        self.stand(queue, step, 1);
    }

    /// Counts an entry as waiting at a step of a queue, or no longer.
    fn stand(&mut self, queue: QueueId, step: u8, by: i64) {
        let Some(info) = self.queues.get_mut(queue.index()) else { return };
        if info.by_step.len() <= usize::from(step) {
            info.by_step.resize(usize::from(step) + 1, 0);
        }
        info.by_step[usize::from(step)] += by;
    }

    /// Entries of a queue that asks otherwise from now on stand where their wait leads, as in the engine.
    fn restep(&mut self, queue: QueueId) {
        let cells = self.cells.iter().filter(|cell| cell.key.0 == Some(queue));
        let in_line =
            cells.clone().flat_map(|cell| cell.line.iter().map(|(since, slot)| (*slot, self.now.since(*since))));
        let parked = cells.flat_map(|cell| cell.parked.iter().map(|(slot, wait)| (*slot, *wait)));
        let waiting: Vec<(u32, Span)> = in_line.chain(parked).collect();
        for (slot, wait) in waiting {
            let contact = self.contacts.get(slot as usize).and_then(|held| held.as_ref()).map(|held| held.contact);
            let step = self.queues[queue.index()].rules.step_at(wait);
            contact.into_iter().for_each(|contact| self.relax(contact, step));
        }
    }

    /// An entry ends unanswered.
    fn leave(&mut self, contact: ContactId, exit: &EntryExit, how: Count, why: Reason, facts: &Facts) {
        let now = self.now;
        self.mark(contact, false);
        let Some(record) = self.record(contact) else { return };
        let (priority, requirement) = (record.priority, record.requirement.clone());
        let Some(slice) = record.open_entry().map(|entry| Books::slice_of(record, entry)) else { return };
        let Some(entry) = record.entries.last_mut() else { return };
        entry.exit = Some((now, how, why));
        (entry.wait, entry.parked) = (exit.wait, facts.parked);
        (entry.within_threshold, entry.short) = (exit.within_threshold, exit.short && how == Count::Abandoned);
        (entry.priority, entry.requirement) = (priority, requirement);
        let (enter, parked, step) = (entry.enter, entry.parked, entry.step);
        let mut counts = Change::one(how).after(exit.wait.0).exit((how, why));
        if how == Count::Abandoned {
            counts = counts
                .when(Count::AbandonedShort, exit.short)
                .when(Count::AbandonedWithin, exit.within_threshold)
                .plus(Sum::AbandonedWait, exit.wait.0);
        } else {
            counts = counts.when(Count::LeftPast, !exit.within_threshold);
        }
        self.step_out(contact, (enter + parked, step), slice);
        self.count(enter, slice, &counts);
    }

    /// Takes an entry out of its cell's line: since when it has waited, parked time added, and the step it was in.
    fn step_out(&mut self, contact: ContactId, (since, step): (Time, u8), slice: Slice) {
        slice.queue.into_iter().for_each(|queue| self.stand(queue, step, -1));
        let state = self.record(contact).map(|record| record.state);
        let cell = self.cell((slice.queue, slice.channel, slice.direction));
        let cell = &mut self.cells[cell];
        let place = names::WAITING.iter().position(|(of, _)| Some(*of) == state).unwrap_or(0);
        cell.waiting[place] -= 1;
        let slot = contact.slot();
        if cell.parked.remove(&slot).is_none() {
            cell.line.remove(&(since, slot));
        }
    }

    fn answer(&mut self, contact: ContactId, leg: LegId, answer: &Answer, facts: &Facts) {
        let now = self.now;
        let Some(record) = self.record(contact) else { return };
        let (priority, requirement) = (record.priority, record.requirement.clone());
        let by = record.legs.iter().find(|held| held.leg == leg).map(|leg| (leg.team, leg.site, leg.profile.clone()));
        let Some(old) = record.open_entry().map(|entry| Books::slice_of(record, entry)) else { return };
        let Some(entry) = record.entries.last_mut() else { return };
        entry.exit = Some((now, Count::Answered, Reason::None));
        (entry.wait, entry.parked, entry.within_threshold) = (answer.wait, facts.parked, answer.within_threshold);
        (entry.priority, entry.requirement) = (priority, requirement);
        if let Some((team, site, profile)) = by {
            (entry.team, entry.site, entry.agent) = (team, site, Some(profile));
        }
        let (enter, step, new) = (entry.enter, entry.step, Slice { team: entry.team, site: entry.site, ..old });
        let counts = Change::one(Count::Answered)
            .and(Count::AnsweredWaits)
            .when(Count::AnsweredWithin, answer.within_threshold)
            .when(Count::CallbacksConnected, new.direction == Direction::Callback)
            .plus(Sum::AnsweredWait, answer.wait.0)
            .after(answer.wait.0);
        self.step_out(contact, (enter + facts.parked, step), old);
        if old != new {
            // Only now is it known whose the entry is: it was offered to his team.
            self.count_row(enter, old, &Change::less(Count::Offered));
            self.count_row(enter, new, &Change::one(Count::Offered));
        }
        self.count(enter, new, &counts);
    }

    fn transfer(&mut self, contact: ContactId, from: Option<QueueId>, again: bool) {
        let now = self.now;
        let Some(record) = self.record(contact) else { return };
        record.transfers += 1;
        if !record.profile.preferred_agent_id.is_empty() {
            Arc::make_mut(&mut record.profile).preferred_agent_id = Text::default();
        }
        let entry = record.entries.iter().rev().find(|entry| Some(entry.queue) == from);
        let Some(slice) = entry.map(|entry| Books::slice_of(record, entry)) else { return };
        let agent = record.legs.iter().rev().find(|leg| leg.state.is_talking()).map(|leg| leg.agent);
        let counts = Change::one(Count::Transfers).when(Count::ContactsTransferred, !again);
        self.count(now, slice, &counts);
        self.count_agent(agent, (slice.channel, slice.direction), &counts);
    }

    fn end(
        &mut self,
        contact: ContactId,
        (outcome, reason): (Outcome, Reason),
        exit: Option<EntryExit>,
        disposition: &Text,
        facts: &Facts,
    ) {
        let now = self.now;
        if let (Some(exit), Some(how)) = (exit, Count::exit(outcome)) {
            self.leave(contact, &exit, how, reason, facts);
        }
        let Some(record) = self.record(contact) else { return };
        record.ended = Some((outcome, reason, now));
        record.disposition = disposition.clone();
        let callback = record.profile.direction == Direction::Callback;
        let result = match outcome {
            Outcome::Abandoned | Outcome::Failed => Count::CallbacksNoAnswer,
            Outcome::Expired => Count::CallbacksExpired,
            Outcome::Cancelled | Outcome::Refused => Count::CallbacksCancelled,
            Outcome::Completed | Outcome::Overflowed => return,
        };
        let (door, created) = (record.door, record.created);
        if callback && let Some(slice) = Books::slice(facts, door) {
            self.count(created, slice, &Change::one(result));
        }
    }

    fn survey(&mut self, contact: ContactId, agent: AgentId, survey: Survey) {
        let now = self.now;
        let Some(record) = self.record(contact) else { return };
        record.surveys.push(survey);
        let key = (record.channel, record.profile.direction);
        let counts = Change::one(Count::survey(survey.kind, survey.result));
        let slice = record.first_answered().map(|entry| Books::slice_of(record, entry));
        if record.state == ContactState::Closed
            && let Some(Some(changed)) = self.contacts.get(contact.slot() as usize)
            && let Some(held) = self.records.iter_mut().rev().find(|held| held.contact == contact)
        {
            *held = changed.clone();
        }
        if let Some(slice) = slice {
            self.count(now, slice, &counts);
        }
        self.count_agent(Some(agent), key, &counts);
    }

    /// Moves a contact to the state it is in after an event.
    fn follow(&mut self, contact: ContactId, recorded: &Recorded) {
        let Some((_, after)) = recorded.contact_states else { return };
        let now = self.now;
        let wait = recorded.facts.wait;
        let Some(record) = self.record(contact) else { return };
        let direct = record.is_direct();
        let before = std::mem::replace(&mut record.state, after);
        let change = i64::from(record.is_direct()) - i64::from(direct);
        let key = record
            .open_entry()
            .map(|entry| ((Some(entry.queue), record.channel, record.profile.direction), entry.enter));
        if let (Event::ContactUnparked { .. }, Some(entry)) = (&recorded.event, record.entries.last_mut()) {
            entry.parked = recorded.facts.parked;
        }
        self.direct += change;
        self.scheduled -= i64::from(before == ContactState::Scheduled && after != ContactState::Scheduled);
        let Some((key, _)) = key.filter(|_| before != after) else { return };
        let place = |state| names::WAITING.iter().position(|(of, _)| *of == state);
        let cell = self.cell(key);
        let cell = &mut self.cells[cell];
        let slot = contact.slot();
        // A contact that has just entered is counted as QUEUED, whatever it was before.
        let (Some(from), Some(to)) = (place(before).or(Some(0)), place(after)) else { return };
        if matches!(recorded.event, Event::ContactQueued { .. }) {
            return;
        }
        cell.waiting[from] -= 1;
        cell.waiting[to] += 1;
        if after == ContactState::Parked {
            cell.line.remove(&(now - wait, slot));
            cell.parked.insert(slot, wait);
        } else if before == ContactState::Parked {
            cell.parked.remove(&slot);
            cell.line.insert((now - wait, slot));
        }
    }

    fn close(&mut self, contact: ContactId, outcome: Outcome) {
        let now = self.now;
        let Some(record) = self.record(contact) else { return };
        record.state = ContactState::Closed;
        record.ended.get_or_insert((outcome, Reason::None, now));
        let (channel, direction) = (record.channel, record.profile.direction);
        let door = Slice { queue: record.door, channel, direction, skills: 0, team: 0, site: 0 };
        let created = record.created;
        let answered = record.first_answered().map(|entry| Books::slice_of(record, entry));
        let said = record.resolved().map(|(leg, resolved)| (leg.agent, resolved));
        let untransferred = record.transfers == 0;
        let customer = customer_of(&record.profile).cloned();
        self.records.extend(self.contacts[contact.slot() as usize].clone());
        if self.records.len() > RECORDS {
            self.records.pop_front();
        }
        self.count(created, door, &Change::one(Count::closed(outcome)));
        let counts = match said {
            Some((_, true)) => Change::one(Count::Resolved).when(Count::ResolvedUntransferred, untransferred),
            Some((_, false)) => return,
            None => Change::one(Count::ResolvedUnset),
        };
        if let Some(slice) = answered {
            self.count(now, slice, &counts);
        }
        self.count_agent(said.map(|(agent, _)| agent), (channel, direction), &counts);
        if let (Some(customer), Some((agent, _)), Some(slice)) = (customer, said, answered) {
            self.recontacts.resolved(&customer, Resolved { at: now, slice, agent });
        }
    }

    // ---- agents

    fn count_agent(&mut self, agent: Option<AgentId>, key: (ChannelId, Direction), counts: &Change) {
        let now = self.now;
        if let Some(Some(clock)) = agent.and_then(|agent| self.agents.get_mut(agent.index())) {
            clock.count(now, key, counts);
        }
    }

    fn take_agent(&mut self, agent: AgentId, event: &Event) {
        let now = self.now;
        if let Event::AgentUpserted { profile, .. } = event {
            let team = profile.team.as_deref().unwrap_or_default();
            let own = self.policy.teams.iter().find(|known| *known.id == *team).and_then(|team| team.site.clone());
            let site = profile.site.clone().or(own).unwrap_or_default();
            let (team, site) = (self.teams.place(team), self.sites.place(&site));
            let schedule = self.schedule_of(profile);
            if self.agents.len() <= agent.index() {
                self.agents.resize_with(agent.index() + 1, || None);
            }
            let clock = self.agents[agent.index()].get_or_insert_with(|| Clock::new(profile.clone(), now));
            clock.tick(now);
            clock.profile = profile.clone();
            (clock.team, clock.site, clock.deleted) = (team, site, false);
            clock.set_schedule(schedule);
            return;
        }
        let reasons = &mut self.reasons;
        let Some(Some(clock)) = self.agents.get_mut(agent.index()) else { return };
        clock.tick(now);
        let mut present = |clock: &mut Clock, presence: &crate::engine::agent::Presence| {
            clock.presence = presence.clone();
            if let crate::engine::agent::Presence::NotReady(reason) = presence {
                clock.reason = u16::try_from(reasons.place(reason)).unwrap_or(0);
            }
        };
        match event {
            Event::AgentDeleted { .. } => {
                clock.deleted = true;
                clock.set_schedule(None);
                present(clock, &crate::engine::agent::Presence::Offline);
            }
            Event::AgentSignedIn { presence, .. } => present(clock, presence),
            Event::AgentSignedOut { .. } => {
                clock.next_presence = None;
                present(clock, &crate::engine::agent::Presence::Offline);
            }
            Event::AgentPresenceChanged { after, next, .. } => {
                clock.next_presence.clone_from(next);
                present(clock, after);
            }
            Event::AgentRoutingChanged { after, .. } => clock.routing = *after,
            Event::AgentNotResponding { .. } => {
                let quarter = clock.quarter(quarter(now));
                *quarter.legs_of((ChannelId(0), Direction::Inbound)) += &Change::one(Count::NotResponding);
            }
            _ => {}
        }
    }
}

/// A handled entry, or an ended leg that was connected.
fn handled([Span(talk), Span(hold), Span(wrap_up)]: [Span; 3], cost: u64) -> Change {
    Change::one(Count::Handled)
        .plus(Sum::Talk, talk)
        .plus(Sum::Hold, hold)
        .plus(Sum::WrapUp, wrap_up)
        .plus(Sum::Cost, cost)
}

/// Adds the skills a requirement names, sorted, each once.
fn skills_of(requirement: Option<&Requirement>, skills: &mut Vec<Text>) {
    if let Some(requirement) = requirement {
        requirement.expr.each_skill(&mut |skill| {
            if let Err(place) = skills.binary_search(skill) {
                skills.insert(place, skill.clone());
            }
        });
    }
}
