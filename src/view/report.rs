//! Reports: figures by interval and slice, agents over a span, records of ended contacts. Read from the books.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::agents::{Clock, Quarter};
use super::calendar::{Interval, quarter, quarter_start};
use super::counts::{Count, Counts, Sum};
use super::fold::{Books, Slice};
use super::kpi::{self, Kpis};
use super::record::Record;
use super::snapshot::Figures;
use crate::engine::contact::{Direction, Outcome};
use crate::engine::id::Text;
use crate::engine::time::{Span, Time};

/// What rows are kept apart by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dimension {
    /// The queue.
    Queue,
    /// The channel.
    Channel,
    /// The direction.
    Direction,
    /// A skill asked for: an entry with two counts in both.
    Skill,
    /// The agent's team and each it belongs to: an entry counts in all of them.
    Team,
    /// The agent's site.
    Site,
}

/// What an interval report is asked for. Filters are AND-ed; an empty one lets all pass.
#[derive(Clone, Debug)]
pub struct IntervalQuery {
    /// From here, taken back to an interval's boundary; the begin of the day when none.
    pub start: Option<Time>,
    /// To here, exclusive, taken on to an interval's boundary; now when none.
    pub end: Option<Time>,
    /// A day, as `2026-11-25`, instead of both.
    pub date: Option<String>,
    /// How long an interval is.
    pub interval: Interval,
    /// What rows are kept apart by.
    pub dimensions: BTreeSet<Dimension>,
    /// Queues wanted.
    pub queues: Vec<String>,
    /// Channels wanted.
    pub channels: Vec<String>,
    /// Directions wanted; INBOUND when none is named and they are not kept apart.
    pub directions: Vec<Direction>,
    /// Teams wanted, with those below.
    pub teams: Vec<String>,
    /// Skills wanted.
    pub skills: Vec<String>,
    /// Sites wanted.
    pub sites: Vec<String>,
    /// Whether queues without a figure have rows too.
    pub include_empty: bool,
}

/// What was given as a date is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoDate;

/// What a row is of; empty where not kept apart.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct RowKey {
    /// The queue.
    pub queue: Text,
    /// The channel.
    pub channel: Text,
    /// The direction.
    pub direction: Direction,
    /// The skill.
    pub skill: Text,
    /// The team.
    pub team: Text,
    /// The site.
    pub site: Text,
}

/// One slice in one interval.
#[derive(Clone, Debug, PartialEq)]
pub struct IntervalRow {
    /// Begin of the interval.
    pub start: Time,
    /// End of it, exclusive.
    pub end: Time,
    /// Which slice.
    pub key: RowKey,
    /// Its figures.
    pub figures: Figures,
    /// Occupancy of the agents of the slice, where that makes sense.
    pub occupancy: Option<f64>,
    /// Their adherence to shifts, where that makes sense and they have some.
    pub adherence: Option<f64>,
    /// Whether nothing in it can change any more.
    pub complete: bool,
    /// The threshold in force, by queue.
    pub threshold: Option<Span>,
}

/// Rows, and all of them together per direction.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct IntervalReport {
    /// Sorted by time and key.
    pub rows: Vec<IntervalRow>,
    /// One per direction.
    pub totals: Vec<IntervalRow>,
}

/// What is looked for among slices, by place.
struct Wanted {
    queues: Vec<bool>,
    channels: Vec<bool>,
    directions: Vec<Direction>,
    teams: Option<BTreeSet<u32>>,
    sites: Option<BTreeSet<u32>>,
    skills: Vec<Text>,
    whole: bool,
}

impl Books {
    /// The instants a span lies between, on boundaries of its intervals.
    fn span(
        &mut self,
        (start, end): (Option<Time>, Option<Time>),
        date: Option<&str>,
        interval: Interval,
    ) -> Result<(Time, Time), NoDate> {
        if let Some(date) = date {
            return self.calendar.date(date).ok_or(NoDate);
        }
        let start = start.unwrap_or(self.day_start());
        let end = end.unwrap_or(self.now).max(start);
        let (from, first_end) = self.calendar.interval(start, interval);
        let (last, last_end) = self.calendar.interval(Time(end.0.saturating_sub(1)), interval);
        Ok((from, if last < from { first_end } else { last_end }))
    }

    fn wanted(&self, query: &IntervalQuery) -> Wanted {
        let has = |names: &[String], id: &str| names.is_empty() || names.iter().any(|name| name == id);
        let directions = match (query.directions.is_empty(), query.dimensions.contains(&Dimension::Direction)) {
            (true, true) => Direction::ALL.to_vec(),
            (true, false) => vec![Direction::Inbound],
            (false, _) => query.directions.clone(),
        };
        let teams = (!query.teams.is_empty()).then(|| self.teams_below(&query.teams));
        let sites = (!query.sites.is_empty())
            .then(|| query.sites.iter().filter_map(|site| self.sites.find(site)).collect::<BTreeSet<u32>>());
        let kept = |dimension| query.dimensions.contains(&dimension);
        let narrow = kept(Dimension::Queue) || kept(Dimension::Skill) || kept(Dimension::Team) || kept(Dimension::Site);
        let filtered = !(query.queues.is_empty() && query.skills.is_empty()) || teams.is_some() || sites.is_some();
        Wanted {
            queues: self.queues.iter().map(|queue| has(&query.queues, &queue.rules.id)).collect(),
            channels: self.channels.iter().map(|channel| has(&query.channels, &channel.id)).collect(),
            directions,
            teams,
            sites,
            skills: query.skills.iter().map(|skill| skill.as_str().into()).collect(),
            whole: !narrow && !filtered,
        }
    }

    /// The teams named and those below them.
    fn teams_below(&self, names: &[String]) -> BTreeSet<u32> {
        let named: Vec<u32> = names.iter().filter_map(|team| self.teams.find(team)).collect();
        let all = 1..self.teams.len() as u32;
        all.filter(|&team| self.team(team).chain.iter().any(|above| named.contains(above))).collect()
    }

    fn accepts(&self, wanted: &Wanted, slice: &Slice) -> bool {
        let queue = match slice.queue {
            Some(queue) => wanted.queues.get(queue.index()).copied().unwrap_or(false),
            // The door of direct work is only part of whole tenants.
            None => wanted.whole,
        };
        let skills = &self.skill_sets[slice.skills as usize];
        queue
            && wanted.channels.get(slice.channel.index()).copied().unwrap_or(false)
            && wanted.directions.contains(&slice.direction)
            && wanted.teams.as_ref().is_none_or(|teams| teams.contains(&slice.team))
            && wanted.sites.as_ref().is_none_or(|sites| sites.contains(&slice.site))
            && (wanted.skills.is_empty() || wanted.skills.iter().any(|skill| skills.contains(skill)))
    }

    /// The rows a slice counts in.
    fn keys(&self, dimensions: &BTreeSet<Dimension>, slice: &Slice) -> Vec<RowKey> {
        let mut keys = vec![RowKey { direction: slice.direction, ..RowKey::default() }];
        for dimension in dimensions {
            let set = |keys: &mut Vec<RowKey>, place: fn(&mut RowKey) -> &mut Text, texts: &[Text]| {
                let before = std::mem::take(keys);
                keys.extend(before.iter().flat_map(|key| {
                    texts.iter().map(move |text| {
                        let mut key = key.clone();
                        *place(&mut key) = text.clone();
                        key
                    })
                }));
            };
            match dimension {
                Dimension::Direction => {}
                Dimension::Queue => match slice.queue {
                    Some(queue) => set(&mut keys, |key| &mut key.queue, &[self.queues[queue.index()].rules.id.clone()]),
                    None => keys.clear(),
                },
                Dimension::Channel => {
                    set(&mut keys, |key| &mut key.channel, &[self.channels[slice.channel.index()].id.clone()]);
                }
                Dimension::Skill => set(&mut keys, |key| &mut key.skill, &self.skill_sets[slice.skills as usize]),
                Dimension::Team if slice.team == 0 => keys.clear(),
                Dimension::Team => {
                    let chain = self.team(slice.team).chain;
                    let teams: Vec<Text> = chain.into_iter().map(|team| self.teams.text(team).clone()).collect();
                    set(&mut keys, |key| &mut key.team, &teams);
                }
                Dimension::Site if slice.site == 0 => keys.clear(),
                Dimension::Site => set(&mut keys, |key| &mut key.site, &[self.sites.text(slice.site).clone()]),
            }
        }
        keys
    }

    /// Figures by interval and slice.
    ///
    /// # Errors
    /// When the date asked for is none.
    pub fn interval_report(&mut self, query: &IntervalQuery) -> Result<IntervalReport, NoDate> {
        self.tick_agents();
        let (from, to) = self.span((query.start, query.end), query.date.as_deref(), query.interval)?;
        let wanted = self.wanted(query);
        let mut rows: BTreeMap<(Time, RowKey), IntervalRow> = BTreeMap::new();
        let mut totals: BTreeMap<Direction, IntervalRow> = BTreeMap::new();
        let empty = |start, end, key: RowKey| IntervalRow {
            start,
            end,
            key,
            figures: Figures { whole: wanted.whole, ..Figures::default() },
            occupancy: None,
            adherence: None,
            complete: false,
            threshold: None,
        };
        let mut add = |books: &Books, at: Time, slice: &Slice, counts: &Counts, past: i64| {
            let (start, end) = match query.interval {
                Interval::Whole => (from, to),
                interval => books.calendar.interval(at, interval),
            };
            let keys = books.keys(&query.dimensions, slice);
            let open = books.is_provisional(quarter(at));
            let provisional = |counts: &Counts| if open { counts.resolved_for_good() } else { 0 };
            if !keys.is_empty() {
                let key = RowKey { direction: slice.direction, ..RowKey::default() };
                let total = totals.entry(slice.direction).or_insert_with(|| empty(from, to, key));
                total.figures.add(counts, past);
                total.figures.provisional += provisional(counts);
            }
            for key in keys {
                let row = rows.entry((start, key.clone())).or_insert_with(|| empty(start, end, key));
                row.figures.add(counts, past);
                row.figures.provisional += provisional(counts);
            }
        };
        for (held, slices) in self.rows.range(quarter(from)..quarter(to)) {
            for (slice, counts) in slices.iter().filter(|(slice, _)| self.accepts(&wanted, slice)) {
                add(self, quarter_start(*held), slice, counts, 0);
            }
        }
        for (record, entry) in self.past_threshold().filter(|(_, entry)| (from..to).contains(&entry.enter)) {
            let slice = Books::slice_of(record, entry);
            if self.accepts(&wanted, &slice) {
                add(self, entry.enter, &slice, &Counts::default(), 1);
            }
        }
        if query.include_empty {
            for key in self.empty_keys(query, &wanted) {
                let mut at = from;
                while at < to {
                    let (start, end) = match query.interval {
                        Interval::Whole => (from, to),
                        interval => self.calendar.interval(at, interval),
                    };
                    rows.entry((start, key.clone())).or_insert_with(|| empty(start, end, key.clone()));
                    at = end;
                }
            }
        }
        let finish = |mut row: IntervalRow| {
            self.finish(&mut row, query, &wanted);
            row
        };
        let kept = rows.into_values().filter(|row| query.include_empty || !row.figures.counts.is_empty());
        Ok(IntervalReport { rows: kept.map(finish).collect(), totals: totals.into_values().map(finish).collect() })
    }

    /// The keys of queues that may have no figure.
    fn empty_keys(&self, query: &IntervalQuery, wanted: &Wanted) -> Vec<RowKey> {
        if query.dimensions != BTreeSet::from([Dimension::Queue]) {
            return Vec::new();
        }
        let queues = self.queues.iter().zip(&wanted.queues).filter(|(queue, wanted)| queue.live && **wanted);
        let directions = |queue: &Text| {
            let queue = queue.clone();
            wanted.directions.iter().map(move |&direction| RowKey {
                queue: queue.clone(),
                direction,
                ..RowKey::default()
            })
        };
        queues.flat_map(|(queue, _)| directions(&queue.rules.id)).collect()
    }

    /// What a row needs beside its counts.
    fn finish(&self, row: &mut IntervalRow, query: &IntervalQuery, wanted: &Wanted) {
        row.complete = row.end <= self.now && row.figures.counts.waiting() == 0;
        let queue = self.queues.iter().find(|queue| queue.rules.id == row.key.queue);
        row.threshold = queue.map(|queue| queue.rules.service_level.threshold);
        let only = |dimension| query.dimensions.iter().all(|&kept| kept == dimension || kept == Dimension::Direction);
        let free = query.queues.is_empty() && query.channels.is_empty() && query.skills.is_empty();
        if !free {
            return;
        }
        let of_team = !row.key.team.is_empty() && only(Dimension::Team);
        let of_site = !row.key.site.is_empty() && only(Dimension::Site);
        if !(of_team || of_site || wanted.whole) {
            return;
        }
        let (mut times, mut cost) = (Quarter::default(), 0);
        for clock in self.agents.iter().flatten() {
            for (_, part) in clock.quarters.range(quarter(row.start)..quarter(row.end)) {
                let rules = self.team(part.team);
                let in_team = || rules.chain.iter().any(|&team| *self.teams.text(team) == row.key.team);
                let in_site = || *self.sites.text(part.site) == row.key.site;
                if (!of_team || in_team()) && (!of_site || in_site()) {
                    (times.busy, times.wrap_up, times.idle) =
                        (times.busy + part.busy, times.wrap_up + part.wrap_up, times.idle + part.idle);
                    times.scheduled += part.scheduled;
                    times.adherent += part.adherent;
                    cost += kpi::cost(part.signed_in(), rules.cost_per_hour);
                }
            }
        }
        row.occupancy = kpi::occupancy(times.busy, times.wrap_up, times.idle);
        row.adherence = kpi::adherence(times.adherent, times.scheduled);
        if of_team {
            row.figures.counts[Sum::Cost] = i64::try_from(cost).unwrap_or(i64::MAX);
        }
    }
}

// ---- agents

/// What an agent report is asked for. Filters are AND-ed; an empty one lets all pass.
#[derive(Clone, Debug)]
pub struct AgentQuery {
    /// From here, taken back to a quarter of an hour; the begin of the day when none.
    pub start: Option<Time>,
    /// To here, taken on to a quarter of an hour; now when none.
    pub end: Option<Time>,
    /// A day, as `2026-11-25`, instead of both.
    pub date: Option<String>,
    /// Agents wanted.
    pub agents: Vec<String>,
    /// Teams wanted, with those below.
    pub teams: Vec<String>,
    /// Sites wanted.
    pub sites: Vec<String>,
    /// The direction of the figures.
    pub direction: Direction,
    /// Standard deviations from which a figure is an outlier.
    pub deviations: f64,
    /// Least contacts handled to be judged, and to count as a peer.
    pub least: i64,
}

/// A figure far from that of peers.
#[derive(Clone, Debug, PartialEq)]
pub struct Outlier {
    /// The figure.
    pub figure: &'static str,
    /// His value: seconds, or a ratio.
    pub value: f64,
    /// Mean of his peers.
    pub peer_mean: f64,
    /// Standard deviations away; negative is below.
    pub deviations: f64,
}

/// One agent over a span.
#[derive(Clone, Debug)]
pub struct AgentRow {
    /// Who he is.
    pub clock: Clock,
    /// His team and site.
    pub team: Text,
    /// See `team`.
    pub site: Text,
    /// Begin and end of the span.
    pub span: (Time, Time),
    /// His times and legs.
    pub times: Quarter,
    /// His card by state and reason, longest first.
    pub card: Vec<(&'static str, Text, u64)>,
    /// Figures of his legs in the direction asked for, and their cost.
    pub figures: Figures,
    /// Times he was made NOT_RESPONDING.
    pub not_responding: i64,
    /// Figures in which he stands out.
    pub outliers: Vec<Outlier>,
    /// Whether the span ends now.
    pub live: bool,
}

impl AgentRow {
    /// What follows from his figures.
    #[must_use]
    pub fn kpis(&self) -> Kpis {
        self.figures.kpis()
    }

    /// Occupancy over the span.
    #[must_use]
    pub fn occupancy(&self) -> Option<f64> {
        kpi::occupancy(self.times.busy, self.times.wrap_up, self.times.idle)
    }

    /// Units in use x time / capacity x signed-in time.
    #[must_use]
    pub fn capacity_use(&self) -> Option<f64> {
        kpi::ratio(self.times.used as i64, self.times.capacity as i64)
    }

    /// Adherence to shifts over the span.
    #[must_use]
    pub fn adherence(&self) -> Option<f64> {
        kpi::adherence(self.times.adherent, self.times.scheduled)
    }

    /// Something per hour of a number of microseconds.
    #[must_use]
    pub fn per_hour(count: i64, micros: u64) -> Option<f64> {
        (micros > 0).then(|| count as f64 * 3.6e9 / micros as f64)
    }

    /// Busy, wrapping up or idle and available, in microseconds.
    #[must_use]
    pub fn productive(&self) -> u64 {
        self.times.busy + self.times.wrap_up + self.times.idle
    }

    /// The figures by which agents are compared.
    fn compared(&self) -> [(&'static str, Option<f64>); 6] {
        let kpis = self.kpis();
        let seconds = |micros: Option<u64>| micros.map(|micros| micros as f64 / 1e6);
        [
            ("average_handle_time", seconds(kpis.average_handle_time)),
            ("average_talk", seconds(kpis.average_talk)),
            ("average_hold", seconds(kpis.average_hold)),
            ("average_wrap_up", seconds(kpis.average_wrap_up)),
            ("transfer_rate", kpis.transfer_rate),
            ("occupancy", self.occupancy()),
        ]
    }
}

impl Books {
    /// Agents over a span, sorted by id. Peers are of the same team.
    ///
    /// # Errors
    /// When the date asked for is none.
    pub fn agent_report(&mut self, query: &AgentQuery) -> Result<Vec<AgentRow>, NoDate> {
        self.tick_agents();
        let (from, to) = self.span((query.start, query.end), query.date.as_deref(), Interval::Whole)?;
        let live = to >= self.now;
        let named: BTreeSet<&str> = query.agents.iter().map(String::as_str).collect();
        let teams = (!query.teams.is_empty()).then(|| self.teams_below(&query.teams));
        let mut rows: Vec<AgentRow> = Vec::new();
        for clock in self.agents.iter().flatten() {
            let row = self.agent_row(clock, (from, to), query, live);
            if !clock.deleted || row.times.signed_in() > 0 || !row.times.legs.is_empty() {
                rows.push(row);
            }
        }
        let outliers = outliers(&rows, query);
        rows.iter_mut().zip(outliers).for_each(|(row, found)| row.outliers = found);
        rows.retain(|row| {
            (named.is_empty() || named.contains(&*row.clock.profile.agent_id))
                && teams.as_ref().is_none_or(|teams| teams.contains(&row.times.team))
                && (query.sites.is_empty() || query.sites.iter().any(|site| **site == *row.site))
        });
        rows.sort_by(|one, other| one.clock.profile.agent_id.cmp(&other.clock.profile.agent_id));
        Ok(rows)
    }

    fn agent_row(&self, clock: &Clock, (from, to): (Time, Time), query: &AgentQuery, live: bool) -> AgentRow {
        let times = clock.between(quarter(from), quarter(to));
        let mut figures = Figures::default();
        let mut not_responding = 0;
        for ((_, direction), counts) in &times.legs {
            not_responding += counts.count(Count::NotResponding);
            if *direction == query.direction {
                figures.add(counts, 0);
            }
        }
        figures.counts[Count::NotResponding] = 0;
        let open = clock.quarters.range(quarter(from)..quarter(to)).filter(|(held, _)| self.is_provisional(**held));
        let legs = open.flat_map(|(_, part)| &part.legs).filter(|((_, direction), _)| *direction == query.direction);
        figures.provisional = legs.map(|(_, counts)| counts.resolved_for_good()).sum();
        let mut card: Vec<(&'static str, Text, u64)> = times
            .card
            .iter()
            .map(|&((state, reason), micros)| {
                (super::names::card_state(state), self.reasons.text(u32::from(reason)).clone(), micros)
            })
            .collect();
        card.sort_by(|one, other| (other.2, one.0, &one.1).cmp(&(one.2, other.0, &other.1)));
        AgentRow {
            team: self.teams.text(times.team).clone(),
            site: self.sites.text(times.site).clone(),
            span: (from, if live { self.now.min(to) } else { to }),
            card,
            figures,
            not_responding,
            outliers: Vec::new(),
            live,
            clock: clock.without_past(),
            times,
        }
    }
}

/// The outliers of each row among the other rows of its team.
fn outliers(rows: &[AgentRow], query: &AgentQuery) -> Vec<Vec<Outlier>> {
    let judged = |row: &AgentRow| row.figures.counts.count(Count::Handled) >= query.least.max(1);
    // Sums by team and figure: how many, their sum, the sum of their squares.
    let mut sums: BTreeMap<(u32, &str), (f64, f64, f64)> = BTreeMap::new();
    for row in rows.iter().filter(|row| judged(row)) {
        for (figure, value) in row.compared() {
            if let Some(value) = value {
                let (count, sum, squares) = sums.entry((row.times.team, figure)).or_default();
                (*count, *sum, *squares) = (*count + 1.0, *sum + value, *squares + value * value);
            }
        }
    }
    let of = |row: &AgentRow| {
        let mut found = Vec::new();
        for (figure, value) in row.compared() {
            let (Some(value), Some(&(count, sum, squares))) = (value, sums.get(&(row.times.team, figure))) else {
                continue;
            };
            let peers = count - 1.0;
            if peers < 2.0 {
                continue;
            }
            let mean = (sum - value) / peers;
            let deviation = ((squares - value * value) / peers - mean * mean).max(0.0).sqrt();
            let away = (value - mean) / deviation;
            if deviation > 0.0 && away.abs() >= query.deviations {
                found.push(Outlier { figure, value, peer_mean: mean, deviations: away });
            }
        }
        found
    };
    rows.iter().map(|row| if judged(row) { of(row) } else { Vec::new() }).collect()
}

// ---- records

/// What records are asked for. Filters are AND-ed; an empty one lets all pass.
#[derive(Clone, Debug, Default)]
pub struct RecordQuery {
    /// The customer's part ended at or after this; the begin of the day when none.
    pub start: Option<Time>,
    /// And before this.
    pub end: Option<Time>,
    /// By id.
    pub contacts: BTreeSet<String>,
    /// Queues, of any entry.
    pub queues: Vec<String>,
    /// Channels.
    pub channels: Vec<String>,
    /// Directions.
    pub directions: Vec<Direction>,
    /// Outcomes.
    pub outcomes: Vec<Outcome>,
    /// Agents, of any leg.
    pub agents: Vec<String>,
    /// Teams, of any leg, with those below.
    pub teams: Vec<String>,
    /// The customer.
    pub customer: String,
    /// The conversation.
    pub conversation: String,
    /// Dispositions.
    pub dispositions: Vec<String>,
    /// A wait of at least this in some entry.
    pub min_wait: Option<Span>,
}

impl Books {
    /// Ended contacts by end time and id, from the place after `after`; at most `size`, and whether more follow.
    #[must_use]
    pub fn list_records(
        &self,
        query: &RecordQuery,
        after: Option<&(Time, Text)>,
        size: usize,
    ) -> (Vec<Arc<Record>>, bool) {
        let teams = (!query.teams.is_empty()).then(|| self.teams_below(&query.teams));
        let start = query.start.unwrap_or(self.day_start());
        let mut found: Vec<(Time, &Arc<Record>)> = Vec::new();
        for record in &self.records {
            let Some((outcome, _, ended)) = record.ended else { continue };
            let in_span = ended >= start && query.end.is_none_or(|end| ended < end);
            let past = after.is_none_or(|(time, id)| (ended, &record.profile.contact_id) > (*time, id));
            if in_span && past && passes(query, record, outcome, teams.as_ref()) {
                found.push((ended, record));
            }
        }
        found.sort_by(|one, other| (one.0, &one.1.profile.contact_id).cmp(&(other.0, &other.1.profile.contact_id)));
        let more = found.len() > size;
        (found.into_iter().take(size).map(|(_, record)| record.clone()).collect(), more)
    }

    /// What a record's legs cost, in millionths.
    #[must_use]
    pub fn cost_of(&self, record: &Record) -> u64 {
        let legs = record.legs.iter().filter(|leg| leg.connected.is_some());
        let cost = |leg: &super::record::Leg| {
            kpi::cost(leg.handle.iter().map(|Span(micros)| micros).sum(), self.team(leg.team).cost_per_hour)
        };
        legs.map(cost).sum()
    }
}

fn passes(query: &RecordQuery, record: &Record, outcome: Outcome, teams: Option<&BTreeSet<u32>>) -> bool {
    let has = |names: &[String], id: &str| names.is_empty() || names.iter().any(|name| name == id);
    let profile = &record.profile;
    let customer = profile.customer.as_ref().map_or("", |customer| &*customer.customer_id);
    let dispositions = || record.legs.iter().map(|leg| &leg.disposition).chain([&record.disposition]);
    (query.contacts.is_empty() || query.contacts.contains(&*profile.contact_id))
        && (query.queues.is_empty() || record.entries.iter().any(|entry| has(&query.queues, &entry.queue_id)))
        && has(&query.channels, &profile.channel)
        && (query.directions.is_empty() || query.directions.contains(&profile.direction))
        && (query.outcomes.is_empty() || query.outcomes.contains(&outcome))
        && (query.agents.is_empty() || record.legs.iter().any(|leg| has(&query.agents, &leg.profile.agent_id)))
        && teams.is_none_or(|teams| record.legs.iter().any(|leg| teams.contains(&leg.team)))
        && (query.customer.is_empty() || query.customer == customer)
        && (query.conversation.is_empty() || *query.conversation == *profile.conversation_id)
        && (query.dispositions.is_empty() || dispositions().any(|said| has(&query.dispositions, said)))
        && query.min_wait.is_none_or(|least| record.entries.iter().any(|entry| entry.wait >= least))
}
