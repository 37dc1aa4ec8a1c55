//! The state of a tenant at one instant, as supervisors see it: taken from the books at most every 100 ms and shared.

use std::collections::BTreeMap;

use super::agents::Clock;
use super::calendar::quarter;
use super::counts::{Count, Counts, Sum};
use super::fold::{Books, Cell, WINDOWS};
use super::kpi;
use super::names;
use super::record::{Entry, Record};
use crate::engine::contact::Direction;
use crate::engine::id::Text;
use crate::engine::policy::Membership;
use crate::engine::time::{Span, Time};

/// Counts with the entries still open past their threshold, which only an instant knows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Figures {
    /// The counts.
    pub counts: Counts,
    /// Of the entries waiting, those past their threshold.
    pub waiting_past: i64,
    /// Of the contacts resolved, those that may still prove not to be.
    pub provisional: i64,
    /// Whether contacts at the door stand beside entries here: slices of whole tenants.
    pub whole: bool,
}

impl Figures {
    /// What follows from them.
    #[must_use]
    pub fn kpis(&self) -> kpi::Kpis {
        let mut kpis = kpi::Kpis::of(&self.counts, self.waiting_past);
        if self.whole {
            kpis.fcr_of_contacts = kpi::ratio(self.counts.count(Count::Resolved), self.counts.count(Count::Received));
        } else {
            kpis.abandonment_at_door = None;
        }
        kpis
    }

    /// Adds others'.
    pub fn add(&mut self, counts: &Counts, waiting_past: i64) {
        self.counts += counts;
        self.waiting_past += waiting_past;
    }

    /// Adds others' of which all that was resolved is provisional: `recontact_window` is no shorter than a day.
    pub fn add_fresh(&mut self, counts: &Counts, waiting_past: i64) {
        self.add(counts, waiting_past);
        self.provisional += counts.resolved_for_good();
    }
}

/// Contacts waiting now.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Waiting {
    /// By place in [`names::WAITING`].
    pub states: [i64; names::WAITING.len()],
    /// Of those QUEUED and PARKED, those no agent there is could ever serve.
    pub unservable: i64,
    /// Past their threshold.
    pub past_threshold: i64,
    /// Longest measured wait.
    pub longest: Span,
    /// Whose it is; empty when nobody waits.
    pub longest_contact_id: Text,
}

/// One direction of a slice.
#[derive(Clone, Debug, PartialEq)]
pub struct DirectionView {
    /// The direction.
    pub direction: Direction,
    /// Waiting now.
    pub waiting: Waiting,
    /// Of the day so far.
    pub day: Figures,
    /// Of the windows of [`WINDOWS`].
    pub windows: [Figures; WINDOWS.len()],
}

impl DirectionView {
    fn new(direction: Direction, whole: bool) -> DirectionView {
        let figures = Figures { whole, ..Figures::default() };
        DirectionView {
            direction,
            waiting: Waiting::default(),
            day: figures.clone(),
            windows: std::array::from_fn(|_| figures.clone()),
        }
    }

    fn add(&mut self, cell: &Cell, late: &Late) {
        let sums = self.waiting.states.iter_mut().zip(cell.waiting);
        sums.for_each(|(sum, count)| *sum += count);
        self.waiting.unservable += cell.unservable;
        self.waiting.past_threshold += late.all;
        if late.longest > self.waiting.longest || self.waiting.longest_contact_id.is_empty() {
            self.waiting.longest = late.longest;
            self.waiting.longest_contact_id.clone_from(&late.longest_contact_id);
        }
        self.day.add_fresh(&cell.day, late.day);
        for ((figures, counts), past) in self.windows.iter_mut().zip(&cell.windows).zip(late.windows) {
            figures.add_fresh(counts, past);
        }
    }
}

/// Who waits longest in a cell and how many are past their threshold, by when they were offered.
#[derive(Clone, Debug, Default)]
struct Late {
    all: i64,
    day: i64,
    windows: [i64; WINDOWS.len()],
    longest: Span,
    longest_contact_id: Text,
}

/// Agents by state.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AgentCounts {
    /// Signed in.
    pub signed_in: i32,
    /// By place in [`names::AGENT_STATES`], those signed in.
    pub states: [i32; names::AGENT_STATES.len()],
    /// NOT_READY by reason.
    pub reasons: BTreeMap<Text, i32>,
    /// Not signed in.
    pub offline: i32,
}

impl AgentCounts {
    fn count(&mut self, clock: &Clock, reason: &Text) {
        if !clock.signed_in() {
            self.offline += 1;
            return;
        }
        self.signed_in += 1;
        let state = clock.state();
        self.states[state] += 1;
        if state == names::NOT_READY {
            *self.reasons.entry(reason.clone()).or_default() += 1;
        }
    }

    fn add(&mut self, other: &AgentCounts) {
        self.signed_in += other.signed_in;
        self.states.iter_mut().zip(other.states).for_each(|(sum, more)| *sum += more);
        for (reason, count) in &other.reasons {
            *self.reasons.entry(reason.clone()).or_default() += count;
        }
        self.offline += other.offline;
    }
}

/// One channel and direction of a queue.
#[derive(Clone, Debug, PartialEq)]
pub struct CellView {
    /// The channel.
    pub channel: Text,
    /// Its figures.
    pub view: DirectionView,
    /// Since the books began.
    pub total: Counts,
}

/// One queue.
#[derive(Clone, Debug, PartialEq)]
pub struct QueueView {
    /// Its id.
    pub queue: Text,
    /// The name people see.
    pub display_name: Text,
    /// Whether it takes arrivals.
    pub open: bool,
    /// When what it was set to by hand ends by itself.
    pub open_until: Option<Time>,
    /// Directions with figures, apart; always INBOUND.
    pub directions: Vec<DirectionView>,
    /// By channel and direction, for metrics.
    pub cells: Vec<CellView>,
    /// In conversation now.
    pub connected: i64,
    /// Wrapping up now.
    pub wrap_up: i64,
    /// Agents whose team lists it.
    pub agents: AgentCounts,
    /// The service-level threshold in force.
    pub threshold: Span,
    /// The share promised, in parts per million.
    pub target_ppm: u32,
    /// Most entries it may hold; none is no limit.
    pub limit: Option<u32>,
    /// Waiting by relaxation step; empty where nothing is relaxed.
    pub by_step: Vec<i64>,
}

/// One channel.
#[derive(Clone, Debug, PartialEq)]
pub struct ChannelView {
    /// Its id.
    pub channel: Text,
    /// Directions with figures, apart.
    pub directions: Vec<DirectionView>,
    /// Units in use by it.
    pub used_units: i64,
    /// In conversation now.
    pub connected: i64,
}

/// One team with those below it.
#[derive(Clone, Debug, PartialEq)]
pub struct TeamView {
    /// Its id.
    pub team: Text,
    /// The name people see.
    pub display_name: Text,
    /// The team it belongs to; empty at the top.
    pub parent: Text,
    /// Where it works.
    pub site: Text,
    /// Its agents.
    pub agents: AgentCounts,
    /// Units in use.
    pub used_units: i64,
    /// Units signed in.
    pub capacity_units: i64,
    /// INBOUND figures of the day so far, with the cost of its time signed in.
    pub day: Figures,
    /// Figures of the day so far in the other directions that have some.
    pub others: Vec<(Direction, Figures)>,
    /// Occupancy over the last hour.
    pub occupancy: Option<f64>,
    /// The same of its own agents alone, those of teams below left out.
    pub own_occupancy: Option<f64>,
}

/// One skill.
#[derive(Clone, Debug, PartialEq)]
pub struct SkillView {
    /// Its id.
    pub skill: Text,
    /// Contacts waiting whose requirement names it.
    pub waiting: i64,
    /// Agents who have it.
    pub agents: AgentCounts,
}

/// The state of a tenant.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Snapshot {
    /// The tenant.
    pub tenant: Text,
    /// Sequence of the last event it reflects.
    pub sequence: u64,
    /// When it was taken.
    pub time: Time,
    /// Version of the policy in force.
    pub policy_version: u64,
    /// When the day began.
    pub day_start: Time,
    /// The whole tenant, directions apart.
    pub totals: Vec<DirectionView>,
    /// Queues, sorted by id.
    pub queues: Vec<QueueView>,
    /// Channels, sorted by id.
    pub channels: Vec<ChannelView>,
    /// Teams, sorted by id.
    pub teams: Vec<TeamView>,
    /// Skills, sorted by id.
    pub skills: Vec<SkillView>,
    /// All agents.
    pub agents: AgentCounts,
    /// Live contacts without a queue entry.
    pub direct_contacts: i64,
    /// Contacts SCHEDULED.
    pub scheduled_contacts: i64,
    /// Contacts and legs found past their deadline by the audit since the server began; must be 0.
    pub stuck: i64,
}

/// Busy, wrap-up and idle time.
#[derive(Clone, Copy, Debug, Default)]
struct Activity([u64; 3]);

impl Activity {
    /// An agent's last hour: the oldest quarter is taken in proportion.
    fn last_hour(clock: &Clock, now: Time) -> Activity {
        let at = quarter(now);
        let passed = now.since(super::calendar::quarter_start(at)).0;
        let mut sum = [0; 3];
        for (held, part) in clock.quarters.range(at.saturating_sub(4)..=at) {
            let share = |micros: u64| match *held + 4 == at {
                true => (u128::from(micros) * u128::from(900_000_000 - passed) / 900_000_000) as u64,
                false => micros,
            };
            let parts = [part.busy, part.wrap_up, part.idle];
            sum.iter_mut().zip(parts).for_each(|(sum, micros)| *sum += share(micros));
        }
        Activity(sum)
    }

    fn add(&mut self, Activity(more): Activity) {
        self.0.iter_mut().zip(more).for_each(|(sum, more)| *sum += more);
    }

    fn occupancy(self) -> Option<f64> {
        kpi::occupancy(self.0[0], self.0[1], self.0[2])
    }
}

/// What a team's own agents come to.
#[derive(Clone, Debug, Default)]
struct Crew {
    agents: AgentCounts,
    used: i64,
    capacity: i64,
    activity: Activity,
    signed_in: u64,
}

impl Books {
    /// The entries still open past their threshold, with their contacts.
    pub fn past_threshold(&self) -> impl Iterator<Item = (&Record, &Entry)> {
        self.cells.iter().flat_map(|cell| self.late_in(cell))
    }

    fn late_in<'a>(&'a self, cell: &'a Cell) -> impl Iterator<Item = (&'a Record, &'a Entry)> {
        let least = cell.key.0.and_then(|queue| self.queues.get(queue.index())).map_or(Span::ZERO, |queue| queue.least);
        let waited = cell.line.iter().map(|(since, slot)| (self.now.since(*since), *slot));
        let parked = cell.parked.iter().map(|(slot, wait)| (*wait, *slot));
        waited.take_while(move |(wait, _)| *wait > least).chain(parked).filter_map(|(wait, slot)| {
            let record = self.contacts.get(slot as usize)?.as_deref()?;
            let entry = record.open_entry()?;
            (wait > entry.threshold).then_some((record, entry))
        })
    }

    fn late(&self, cell: &Cell) -> Late {
        let mut late = Late::default();
        for (_, entry) in self.late_in(cell) {
            late.all += 1;
            late.day += i64::from(entry.enter >= self.day_start());
            let minutes = self.now.0 / 60_000_000 - entry.enter.0 / 60_000_000;
            for (count, length) in late.windows.iter_mut().zip(WINDOWS) {
                *count += i64::from(minutes < length);
            }
        }
        if let Some((since, slot)) = cell.line.first() {
            late.longest = self.now.since(*since);
            let record = self.contacts.get(*slot as usize).and_then(Option::as_deref);
            late.longest_contact_id = record.map(|record| record.profile.contact_id.clone()).unwrap_or_default();
        }
        late
    }

    /// The state of the tenant at `now`. Linear in queues, agents and those who wait too long.
    pub fn snapshot(&mut self, now: Time) -> Snapshot {
        self.move_to(now);
        self.tick_agents();
        let lates: Vec<Late> = self.cells.iter().map(|cell| self.late(cell)).collect();
        let crews = self.crews();
        let mut agents = AgentCounts::default();
        crews.values().for_each(|crew| agents.add(&crew.agents));
        let cells = || self.cells.iter().zip(&lates);
        Snapshot {
            tenant: self.tenant.clone(),
            sequence: self.sequence,
            time: self.now,
            policy_version: self.policy.version,
            day_start: self.day_start(),
            totals: directions(cells(), true),
            queues: self.queue_views(&lates, &crews),
            channels: self.channel_views(&lates),
            teams: self.team_views(&crews),
            skills: self.skill_views(),
            agents,
            direct_contacts: self.direct,
            scheduled_contacts: self.scheduled,
            stuck: 0,
        }
    }

    fn crews(&self) -> BTreeMap<u32, Crew> {
        let mut crews: BTreeMap<u32, Crew> = BTreeMap::new();
        for clock in self.agents.iter().flatten().filter(|clock| !clock.deleted) {
            let crew = crews.entry(clock.team).or_default();
            crew.agents.count(clock, self.reasons.text(u32::from(clock.reason)));
            crew.used += i64::from(clock.in_hand.used);
            if clock.signed_in() {
                crew.capacity += i64::from(clock.profile.capacity);
            }
            crew.activity.add(Activity::last_hour(clock, self.now));
            crew.signed_in += clock.day_signed_in;
        }
        crews
    }

    fn queue_views(&self, lates: &[Late], crews: &BTreeMap<u32, Crew>) -> Vec<QueueView> {
        let mut by_queue: Vec<Vec<usize>> = vec![Vec::new(); self.queues.len()];
        for (at, cell) in self.cells.iter().enumerate() {
            if let Some(places) = cell.key.0.and_then(|queue| by_queue.get_mut(queue.index())) {
                places.push(at);
            }
        }
        let served = self.served_by(crews);
        let mut views = Vec::with_capacity(self.queues.len());
        for ((info, places), agents) in self.queues.iter().zip(by_queue).zip(served) {
            let waits = places.iter().any(|&at| self.cells[at].waiting.iter().any(|&count| count > 0));
            if !info.live && !waits && info.connected + info.wrapping == 0 {
                continue;
            }
            let cells = || places.iter().map(|&at| (&self.cells[at], &lates[at]));
            let apart = cells().map(|(cell, late)| {
                let mut view = DirectionView::new(cell.key.2, false);
                view.add(cell, late);
                CellView { channel: self.channels[cell.key.1.index()].id.clone(), view, total: cell.total.clone() }
            });
            views.push(QueueView {
                queue: info.rules.id.clone(),
                display_name: info.rules.display_name.clone(),
                cells: apart.collect(),
                directions: directions(cells(), false),
                connected: info.connected,
                wrap_up: info.wrapping,
                agents,
                threshold: info.rules.service_level.threshold,
                target_ppm: info.rules.service_level.target_ppm,
                open: info.open,
                open_until: info.open_until,
                limit: info.rules.limit,
                by_step: if info.rules.relaxes() { info.by_step.clone() } else { Vec::new() },
            });
        }
        views.sort_by(|one, other| one.queue.cmp(&other.queue));
        views
    }

    /// The agents whose team lists each queue, by the queue's handle.
    fn served_by(&self, crews: &BTreeMap<u32, Crew>) -> Vec<AgentCounts> {
        let mut served = vec![AgentCounts::default(); self.queues.len()];
        let place: BTreeMap<&str, usize> =
            self.queues.iter().enumerate().map(|(at, queue)| (&*queue.rules.id, at)).collect();
        for team in &self.policy.teams {
            let Some(crew) = self.teams.find(&team.id).and_then(|team| crews.get(&team)) else { continue };
            let all = team.queues.iter().any(|membership| &*membership.queue == "*");
            let listed = |membership: &Membership| place.get(&*membership.queue).copied();
            let mut places: Vec<usize> = match all {
                true => (0..served.len()).filter(|&at| self.queues[at].live).collect(),
                false => team.queues.iter().filter_map(listed).collect(),
            };
            places.dedup();
            places.into_iter().for_each(|at| served[at].add(&crew.agents));
        }
        served
    }

    fn channel_views(&self, lates: &[Late]) -> Vec<ChannelView> {
        let mut views = Vec::new();
        for (at, info) in self.channels.iter().enumerate() {
            let own = self.cells.iter().zip(lates).filter(|(cell, _)| cell.key.1.index() == at);
            let directions = directions(own, true);
            let used = info.units > 0 || directions.iter().any(|view| !view.day.counts.is_empty());
            if !info.live && !used {
                continue;
            }
            views.push(ChannelView {
                channel: info.id.clone(),
                directions,
                used_units: info.units,
                connected: info.connected,
            });
        }
        views.sort_by(|one, other| one.channel.cmp(&other.channel));
        views
    }

    fn team_views(&self, crews: &BTreeMap<u32, Crew>) -> Vec<TeamView> {
        let mut sums: BTreeMap<u32, (Crew, Figures)> = BTreeMap::new();
        let mut others: BTreeMap<(u32, Direction), Figures> = BTreeMap::new();
        for place in 1..self.teams.len() as u32 {
            let rules = self.team(place);
            let own = crews.get(&place).cloned().unwrap_or_default();
            let mut day = self.team_days.get(&(place, Direction::Inbound)).cloned().unwrap_or_default();
            day[Sum::Cost] = kpi::cost(own.signed_in, rules.cost_per_hour) as i64;
            for &above in &rules.chain {
                for ((_, direction), counts) in
                    self.team_days.range((place, Direction::Outbound)..(place + 1, Direction::Inbound))
                {
                    others.entry((above, *direction)).or_default().add_fresh(counts, 0);
                }
                let (crew, figures) = sums.entry(above).or_default();
                crew.agents.add(&own.agents);
                crew.used += own.used;
                crew.capacity += own.capacity;
                crew.activity.add(own.activity);
                figures.add_fresh(&day, 0);
            }
        }
        let mut views = Vec::new();
        for (place, (crew, day)) in sums {
            let id = self.teams.text(place);
            let rules = self.policy.teams.iter().find(|team| team.id == *id);
            if rules.is_none() && crew.agents == AgentCounts::default() {
                continue;
            }
            views.push(TeamView {
                team: id.clone(),
                display_name: rules.map_or_else(|| id.clone(), |team| team.display_name.clone()),
                parent: rules.and_then(|team| team.parent.clone()).unwrap_or_default(),
                site: rules.and_then(|team| team.site.clone()).unwrap_or_default(),
                agents: crew.agents,
                used_units: crew.used,
                capacity_units: crew.capacity,
                day,
                others: others
                    .range((place, Direction::Outbound)..(place + 1, Direction::Inbound))
                    .filter(|(_, figures)| !figures.counts.is_empty())
                    .map(|((_, direction), figures)| (*direction, figures.clone()))
                    .collect(),
                occupancy: crew.activity.occupancy(),
                own_occupancy: crews.get(&place).and_then(|crew| crew.activity.occupancy()),
            });
        }
        views.sort_by(|one, other| one.team.cmp(&other.team));
        views
    }

    fn skill_views(&self) -> Vec<SkillView> {
        let view = |skill: &crate::engine::policy::Skill| SkillView {
            skill: skill.id.clone(),
            waiting: 0,
            agents: AgentCounts::default(),
        };
        let mut views: Vec<SkillView> = self.policy.skills.iter().map(view).collect();
        views.sort_by(|one, other| one.skill.cmp(&other.skill));
        let find = |views: &[SkillView], skill: &Text| views.binary_search_by(|view| view.skill.cmp(skill));
        for slot in self.cells.iter().flat_map(|cell| cell.line.iter().map(|(_, slot)| slot).chain(cell.parked.keys()))
        {
            let record = self.contacts.get(*slot as usize).and_then(Option::as_deref);
            let Some(entry) = record.and_then(Record::open_entry).filter(|entry| entry.skills > 0) else { continue };
            for skill in &self.skill_sets[entry.skills as usize] {
                if let Ok(at) = find(&views, skill) {
                    views[at].waiting += 1;
                }
            }
        }
        for clock in self.agents.iter().flatten().filter(|clock| !clock.deleted && clock.signed_in()) {
            let reason = self.reasons.text(u32::from(clock.reason));
            for (skill, _) in &clock.profile.skills {
                if let Ok(at) = find(&views, skill) {
                    views[at].agents.count(clock, reason);
                }
            }
        }
        views
    }
}

/// The directions of some cells, apart; INBOUND always.
fn directions<'a>(cells: impl Iterator<Item = (&'a Cell, &'a Late)>, whole: bool) -> Vec<DirectionView> {
    let mut views = vec![DirectionView::new(Direction::Inbound, whole)];
    for (cell, late) in cells {
        let direction = cell.key.2;
        let at = views.iter().position(|view| view.direction == direction).unwrap_or_else(|| {
            views.push(DirectionView::new(direction, whole));
            views.len() - 1
        });
        views[at].add(cell, late);
    }
    views.sort_by_key(|view| view.direction);
    views
}
