//! What supervisors look at: snapshots, reports, records, and the stream of events. All of it is read from the view or
//! the stream; nothing here decides or changes anything.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};
use tonic::{Code, Status};
use usher_proto::v1::{self as pb, watch_snapshot_response};

use super::board::{Wanted, Watcher};
use super::convert::event::event;
use super::convert::{input, output, view};
use super::session::wanted;
use super::status::{Problem, refused};
use super::watch::{self, Messages, OUTBOX, ended, messages, token};
use super::{Edge, names};
use crate::engine::contact::{Direction, Outcome};
use crate::engine::id::Text;
use crate::engine::publish::{Published, Shared};
use crate::engine::time::{Span, Time};
use crate::shard::{Ended, Order, Refused, Start, Subscription, Topic};
use crate::view::calendar::Interval;
use crate::view::report::{AgentQuery, Dimension, IntervalQuery, NoDate, RecordQuery};
use crate::view::snapshot::{Snapshot, TeamView};

/// How often a stream of events says where it is when nothing happens; the contract says 10 s.
const IDLE: Duration = Duration::from_secs(5);
/// Events in one message at most.
const EVENTS: usize = 256;
/// Least and most time between two messages of a snapshot's stream.
const PACE: std::ops::RangeInclusive<Span> = Span::from_millis(100)..=Span::from_secs(60);

/// Which rows of a snapshot are wanted.
#[derive(Clone)]
struct Rows {
    queues: BTreeSet<String>,
    teams: BTreeSet<String>,
    agents: bool,
}

impl Rows {
    fn new(queues: Vec<String>, teams: Vec<String>, agents: bool) -> Rows {
        Rows { queues: queues.into_iter().collect(), teams: teams.into_iter().collect(), agents }
    }

    /// Whether a team is wanted by name, or lies below one that is.
    fn team(&self, snapshot: &Snapshot, team: &str) -> bool {
        let mut at = team;
        // A chain of parents has no circle, which configuration sees to; a bound costs nothing.
        for _ in 0..=snapshot.teams.len() {
            if self.teams.is_empty() || self.teams.contains(at) {
                return true;
            }
            let parent = snapshot.teams.iter().find(|view| *view.team == *at).map_or("", |view| &*view.parent);
            if parent.is_empty() {
                return false;
            }
            at = parent;
        }
        false
    }
}

impl Edge {
    async fn take_snapshot(&self, tenant: &str, rows: &Rows) -> Result<pb::Snapshot, Problem> {
        let (held, now, wanted) = (self.view(tenant)?, self.shard.now(), rows.clone());
        let taken = tokio::task::spawn_blocking(move || {
            let taken = held.snapshot(now);
            let shown = view::snapshot(
                &taken,
                |queue| wanted.queues.is_empty() || wanted.queues.contains(queue),
                |team: &TeamView| wanted.teams.is_empty() || wanted.teams.contains(&*team.team),
            );
            (taken, shown)
        });
        let (taken, mut shown) = taken.await.map_err(|_| refused(Refused::QueryFailed))?;
        if rows.agents {
            shown.agents = self.take_agents(tenant, rows, taken).await?;
        }
        Ok(shown)
    }

    /// The agents wanted, sorted by id.
    async fn take_agents(&self, tenant: &str, rows: &Rows, taken: Arc<Snapshot>) -> Result<Vec<pb::Agent>, Problem> {
        let rows = rows.clone();
        let page = self.query(tenant, move |state, now| {
            let all = usize::MAX;
            let (agents, _) = state.agents_page(now, None, all, &|view| {
                rows.team(&taken, view.profile.team.as_deref().unwrap_or_default())
            });
            agents
        });
        let mut agents: Vec<pb::Agent> = page.await?.iter().map(output::agent).collect();
        agents.sort_by(|one, other| one.agent_id.cmp(&other.agent_id));
        Ok(agents)
    }

    pub(super) async fn get_snapshot(
        &self,
        request: pb::GetSnapshotRequest,
    ) -> Result<pb::GetSnapshotResponse, Problem> {
        let rows = Rows::new(request.queues, request.teams, request.include_agents);
        Ok(pb::GetSnapshotResponse { snapshot: Some(self.take_snapshot(&request.tenant, &rows).await?) })
    }

    pub(super) async fn get_interval_report(
        &self,
        mut request: pb::GetIntervalReportRequest,
    ) -> Result<pb::GetIntervalReportResponse, Problem> {
        let page = Page::read(request.page_size, std::mem::take(&mut request.page_token), |token| {
            request.page_size = 0;
            watch::start(token, watch::watched(&request))
        })?;
        let query = interval_query(&request)?;
        let (report, sequence) =
            self.books(&request.tenant, move |books| (books.interval_report(&query), books.sequence)).await?;
        let report = report.map_err(no_date)?;
        request.page_size = 0;
        let next = page.next(report.rows.len(), watch::watched(&request));
        let rows = report.rows.iter().skip(page.from).take(page.size).map(view::interval_row);
        let first = page.from == 0;
        Ok(pb::GetIntervalReportResponse {
            rows: rows.collect(),
            totals: report.totals.iter().filter(|_| first).map(view::interval_row).collect(),
            next_page_token: next,
            sequence,
        })
    }

    pub(super) async fn get_agent_report(
        &self,
        mut request: pb::GetAgentReportRequest,
    ) -> Result<pb::GetAgentReportResponse, Problem> {
        let page = Page::read(request.page_size, std::mem::take(&mut request.page_token), |token| {
            request.page_size = 0;
            watch::start(token, watch::watched(&request))
        })?;
        let query = agent_query(&request)?;
        let read = self.books(&request.tenant, move |books| {
            let channels: Vec<Text> = books.channels.iter().map(|channel| channel.id.clone()).collect();
            (books.agent_report(&query), channels, books.sequence)
        });
        let (rows, channels, sequence) = read.await?;
        let rows = rows.map_err(no_date)?;
        request.page_size = 0;
        let next_page_token = page.next(rows.len(), watch::watched(&request));
        let channel = |at: crate::engine::id::ChannelId| channels[at.index()].clone();
        let shown = rows.iter().skip(page.from).take(page.size).map(|row| view::agent_row(row, &channel));
        Ok(pb::GetAgentReportResponse { rows: shown.collect(), next_page_token, sequence })
    }

    pub(super) async fn list_contact_records(
        &self,
        request: pb::ListContactRecordsRequest,
    ) -> Result<pb::ListContactRecordsResponse, Problem> {
        let size = page_size(request.page_size)?;
        let after = record_token(&request.page_token)?;
        let query = record_query(&request)?;
        let read = self.books(&request.tenant, move |books| {
            let (records, more) = books.list_records(&query, after.as_ref(), size);
            let shown: Vec<pb::ContactRecord> =
                records.iter().map(|record| view::record(record, books.cost_of(record))).collect();
            let last = records
                .last()
                .filter(|_| more)
                .and_then(|record| Some(format!("{:x}.{}", record.ended?.2.0, record.profile.contact_id)));
            (shown, last.unwrap_or_default())
        });
        let (records, next_page_token) = read.await?;
        Ok(pb::ListContactRecordsResponse { records, next_page_token })
    }
}

// ---- pages

struct Page {
    from: usize,
    size: usize,
}

fn page_size(size: i32) -> Result<usize, Problem> {
    match size {
        0 => Ok(100),
        1.. => Ok((size as usize).min(1_000)),
        _ => Err(Problem::field("page_size", "not be negative")),
    }
}

fn token_invalid() -> Problem {
    Problem {
        field: Some("page_token".to_owned()),
        ..Problem::new(Code::InvalidArgument, "PAGE_TOKEN_INVALID", "page_token is not one of this report")
    }
}

impl Page {
    fn read(size: i32, token: String, start: impl FnOnce(&str) -> Result<Start, Problem>) -> Result<Page, Problem> {
        let size = page_size(size)?;
        let from = match start(&token).map_err(|_| token_invalid())? {
            Start::Now => 0,
            Start::After(from) => from as usize,
        };
        Ok(Page { from, size })
    }

    fn next(&self, rows: usize, watched: u64) -> String {
        let end = self.from.saturating_add(self.size);
        if end < rows { token(end as u64, watched) } else { String::new() }
    }
}

fn record_token(text: &str) -> Result<Option<(Time, Text)>, Problem> {
    if text.is_empty() {
        return Ok(None);
    }
    let (time, id) = text.split_once('.').ok_or_else(token_invalid)?;
    let time = u64::from_str_radix(time, 16).map_err(|_| token_invalid())?;
    Ok(Some((Time(time), id.into())))
}

// ---- questions

fn directions(field: &str, asked: &[i32]) -> Result<Vec<Direction>, Problem> {
    let wrong = || Problem::field(field, "be directions");
    asked.iter().map(|asked| names::direction_from(*asked).filter(|_| *asked != 0).ok_or_else(wrong)).collect()
}

fn no_date(_: NoDate) -> Problem {
    Problem::field("date", "be a day such as 2026-11-25")
}

/// A date, which stands alone.
fn date(given: &str, start: Option<Time>, end: Option<Time>) -> Result<Option<String>, Problem> {
    if !given.is_empty() && (start.is_some() || end.is_some()) {
        return Err(Problem::field("date", "stand without start_time and end_time"));
    }
    Ok((!given.is_empty()).then(|| given.to_owned()))
}

fn span_of(start: Option<Time>, end: Option<Time>) -> Result<(), Problem> {
    match (start, end) {
        (Some(start), Some(end)) if end <= start => Err(Problem::field("end_time", "lie after start_time")),
        _ => Ok(()),
    }
}

fn interval_query(request: &pb::GetIntervalReportRequest) -> Result<IntervalQuery, Problem> {
    let start = input::time("start_time", request.start_time)?;
    let end = input::time("end_time", request.end_time)?;
    span_of(start, end)?;
    let interval = match input::span("interval", request.interval)?.map(|Span(micros)| micros / 1_000_000) {
        None => Interval::Fixed(Span::from_secs(1_800)),
        Some(0) => Interval::Whole,
        Some(86_400) => Interval::Day,
        Some(seconds @ (900 | 1_800 | 3_600)) => Interval::Fixed(Span::from_secs(seconds)),
        Some(_) => return Err(Problem::field("interval", "be 15 min, 30 min, 1 h, 24 h or zero")),
    };
    let mut dimensions = BTreeSet::new();
    for asked in &request.dimensions {
        dimensions.insert(match pb::ReportDimension::try_from(*asked) {
            Ok(pb::ReportDimension::Queue) => Dimension::Queue,
            Ok(pb::ReportDimension::Channel) => Dimension::Channel,
            Ok(pb::ReportDimension::Direction) => Dimension::Direction,
            Ok(pb::ReportDimension::Skill) => Dimension::Skill,
            Ok(pb::ReportDimension::Team) => Dimension::Team,
            Ok(pb::ReportDimension::Site) => Dimension::Site,
            Ok(pb::ReportDimension::Unspecified) | Err(_) => {
                return Err(Problem::field("dimensions", "be report dimensions"));
            }
        });
    }
    if dimensions.is_empty() {
        dimensions.insert(Dimension::Queue);
    }
    Ok(IntervalQuery {
        start,
        end,
        date: date(&request.date, start, end)?,
        interval,
        dimensions,
        queues: request.queues.clone(),
        channels: request.channels.clone(),
        directions: directions("directions", &request.directions)?,
        teams: request.teams.clone(),
        skills: request.skills.clone(),
        sites: request.sites.clone(),
        include_empty: request.include_empty,
    })
}

fn agent_query(request: &pb::GetAgentReportRequest) -> Result<AgentQuery, Problem> {
    let start = input::time("start_time", request.start_time)?;
    let end = input::time("end_time", request.end_time)?;
    span_of(start, end)?;
    let deviations = match request.outlier_deviations {
        0.0 => 2.0,
        given if given.is_finite() && given > 0.0 => given,
        _ => return Err(Problem::field("outlier_deviations", "be above 0")),
    };
    let least = match request.outlier_min_handled {
        0 => 20,
        1.. => i64::from(request.outlier_min_handled),
        _ => return Err(Problem::field("outlier_min_handled", "not be negative")),
    };
    let direction = names::direction_from(request.direction);
    Ok(AgentQuery {
        start,
        end,
        date: date(&request.date, start, end)?,
        agents: request.agent_ids.clone(),
        teams: request.teams.clone(),
        sites: request.sites.clone(),
        direction: direction.ok_or_else(|| Problem::field("direction", "be a direction"))?,
        deviations,
        least,
    })
}

fn record_query(request: &pb::ListContactRecordsRequest) -> Result<RecordQuery, Problem> {
    let start = input::time("start_time", request.start_time)?;
    let end = input::time("end_time", request.end_time)?;
    span_of(start, end)?;
    let all = [
        Outcome::Completed,
        Outcome::Abandoned,
        Outcome::Cancelled,
        Outcome::Refused,
        Outcome::Overflowed,
        Outcome::Expired,
        Outcome::Failed,
    ];
    let outcome = |asked: &i32| all.into_iter().find(|outcome| names::outcome_to(*outcome) as i32 == *asked);
    let outcomes =
        request.outcomes.iter().map(|asked| outcome(asked).ok_or_else(|| Problem::field("outcomes", "be outcomes")));
    Ok(RecordQuery {
        start,
        end,
        contacts: request.contact_ids.iter().cloned().collect(),
        queues: request.queues.clone(),
        channels: request.channels.clone(),
        directions: directions("directions", &request.directions)?,
        outcomes: outcomes.collect::<Result<_, _>>()?,
        agents: request.agent_ids.clone(),
        teams: request.teams.clone(),
        customer: request.customer_id.clone(),
        conversation: request.conversation_id.clone(),
        dispositions: request.dispositions.clone(),
        min_wait: input::span("min_wait", request.min_wait)?,
    })
}

// ---- the stream of snapshots

/// One stream of snapshots: where it has looked up to, and the agents it has shown.
struct SnapshotWatch {
    edge: Edge,
    tenant: String,
    rows: Rows,
    watcher: Watcher,
    agents: BTreeMap<String, pb::Agent>,
}

impl SnapshotWatch {
    /// What changed since it last looked; none when nothing but the time did.
    async fn look(mut self) -> Result<(SnapshotWatch, Option<pb::SnapshotDiff>), Problem> {
        let (held, now, rows) = (self.edge.view(&self.tenant)?, self.edge.shard.now(), self.rows.clone());
        let mut watcher = self.watcher;
        // Rows are made and copied where they hold nobody up.
        let looked = tokio::task::spawn_blocking(move || {
            let taken = held.snapshot(now);
            let queues = |queue: &str| rows.queues.is_empty() || rows.queues.contains(queue);
            let teams = |team: &str| rows.teams.is_empty() || rows.teams.contains(team);
            let diff = watcher.look(&taken, &Wanted { queues: &queues, teams: &teams });
            (watcher, taken, diff)
        });
        let (watcher, taken, mut diff) = looked.await.map_err(|_| refused(Refused::QueryFailed))?;
        self.watcher = watcher;
        if self.rows.agents {
            let agents = self.edge.take_agents(&self.tenant, &self.rows, taken.clone()).await?;
            let now: BTreeMap<String, pb::Agent> =
                agents.into_iter().map(|agent| (agent.agent_id.clone(), agent)).collect();
            let changed: Vec<pb::Agent> = now
                .iter()
                .filter(|(id, agent)| self.agents.get(*id) != Some(agent))
                .map(|(_, it)| it.clone())
                .collect();
            let gone: Vec<String> = self.agents.keys().filter(|id| !now.contains_key(*id)).cloned().collect();
            if !(changed.is_empty() && gone.is_empty()) {
                let told = diff.get_or_insert_with(|| still(&taken));
                told.changed.get_or_insert_with(|| view::head(&taken)).agents = changed;
                told.removed_agents = gone;
            }
            self.agents = now;
        }
        Ok((self, diff))
    }
}

/// A diff in which nothing has changed yet.
fn still(taken: &Snapshot) -> pb::SnapshotDiff {
    let head = view::head(taken);
    pb::SnapshotDiff {
        sequence: head.sequence,
        snapshot_time: head.snapshot_time,
        policy_version: head.policy_version,
        changed: Some(head),
        ..pb::SnapshotDiff::default()
    }
}

/// `WatchSnapshot`: a whole one, then what changed, no oftener than asked. A slow reader gets fewer and larger diffs.
pub(super) async fn watch_snapshot(
    edge: Edge,
    request: pb::WatchSnapshotRequest,
) -> Result<Messages<pb::WatchSnapshotResponse>, Problem> {
    use watch_snapshot_response::Item;
    let pace = input::span("min_interval", request.min_interval)?.unwrap_or(Span::from_secs(1));
    if !PACE.contains(&pace) {
        return Err(Problem::field("min_interval", "be 100 ms to 60 s"));
    }
    let rows = Rows::new(request.queues, request.teams, request.include_agents);
    let tenant = input::tenant(&request.tenant).to_owned();
    let watcher = edge.boards.watch(edge.view(&tenant)?.tenant());
    let watch = SnapshotWatch { edge: edge.clone(), tenant: tenant.clone(), rows, watcher, agents: BTreeMap::new() };
    // The first look shows everything.
    let (mut watch, whole) = watch.look().await?;
    let whole = whole.and_then(|diff| diff.changed).unwrap_or_default();
    // One that may wait: what comes meanwhile is in the next.
    let (outbox, inbox) = mpsc::channel(1);
    // The end of the shard's streams is this one's end: it says when the server drains.
    let none = Box::new(|_: &Published| false);
    let order = Order { capacity: 1, only: Some(none), ..Order::new(Topic::Everything) };
    let ((), mut alive) = edge.shard.subscribe(&tenant, order, |_, _| ()).await.map_err(refused)?;
    tokio::spawn(async move {
        let whole = pb::WatchSnapshotResponse { item: Some(Item::Snapshot(whole)) };
        if outbox.send(Ok(whole)).await.is_err() {
            return;
        }
        let mut ticks = interval(Duration::from_micros(pace.0));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ticks.tick().await;
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                () = outbox.closed() => return,
                next = alive.next() => {
                    if let Some(Err(why)) = next {
                        let _ = outbox.send(Err(ended(why).into())).await;
                    }
                    return;
                }
            }
            // There must be room before it looks: what a slow reader has not taken is in what he gets next.
            let Ok(room) = outbox.reserve().await else { return };
            match watch.look().await {
                Ok((looked, diff)) => {
                    watch = looked;
                    if let Some(diff) = diff {
                        room.send(Ok(pb::WatchSnapshotResponse { item: Some(Item::Diff(diff)) }));
                    }
                }
                Err(problem) => {
                    room.send(Err(Status::from(problem)));
                    return;
                }
            }
        }
    });
    Ok(messages(inbox))
}

// ---- the stream of events

/// What of the events is wanted; all must hold, an empty one does not count.
struct EventsWanted {
    queues: BTreeSet<String>,
    channels: BTreeSet<String>,
    agents: BTreeSet<String>,
    contacts: BTreeSet<String>,
    gateways: BTreeSet<String>,
}

impl EventsWanted {
    fn accepts(&self, published: &Published) -> bool {
        let has = |wanted: &BTreeSet<String>, held: Option<&str>| {
            wanted.is_empty() || held.is_some_and(|held| !held.is_empty() && wanted.contains(held))
        };
        let profile = published.contact.as_ref().map(|contact| &*contact.profile);
        let gateway = published.gateway.as_deref().or(profile.map(|profile| &*profile.gateway_id));
        has(&self.queues, Some(&published.queue))
            && has(&self.channels, profile.map(|profile| &*profile.channel))
            && has(&self.agents, published.agent.as_ref().map(|agent| &*agent.agent_id))
            && has(&self.contacts, profile.map(|profile| &*profile.contact_id))
            && has(&self.gateways, gateway)
    }
}

/// `WatchEvents`.
pub(super) async fn watch_events(
    edge: Edge,
    mut request: pb::WatchEventsRequest,
) -> Result<Messages<pb::WatchEventsResponse>, Problem> {
    let resume = std::mem::take(&mut request.resume_token);
    let watched = watch::watched(&request);
    let start = watch::start(&resume, watched)?;
    let mut only = wanted(&request.event_names)?;
    let tenant = input::tenant(&request.tenant).to_owned();
    let set = |names: Vec<String>| names.into_iter().collect::<BTreeSet<String>>();
    let filter = EventsWanted {
        queues: set(request.queues),
        channels: set(request.channels),
        agents: set(request.agent_ids),
        contacts: set(request.contact_ids),
        gateways: set(request.gateway_ids),
    };
    let accepts =
        move |published: &Published| only.as_mut().is_none_or(|only| only(published)) && filter.accepts(published);
    let order =
        Order { topic: Topic::Everything, only: Some(Box::new(accepts)), start, capacity: edge.options.stream_buffer };
    let ((), mut events) = edge.shard.subscribe(&tenant, order, |_, _| ()).await.map_err(refused)?;
    let (outbox, inbox) = mpsc::channel(OUTBOX);
    tokio::spawn(async move {
        let mut seen = events.sequence();
        let mut told = Vec::new();
        loop {
            let message =
                pb::WatchEventsResponse { events: std::mem::take(&mut told), resume_token: token(seen, watched) };
            if outbox.send(Ok(message)).await.is_err() {
                return;
            }
            match next_events(&edge, &mut events, &outbox, &tenant).await {
                Told::Some(found, sequence) => (told, seen) = (found, sequence),
                Told::Over(why) => {
                    if let Some(why) = why {
                        let _ = outbox.send(Err(ended(why).into())).await;
                    }
                    return;
                }
            }
        }
    });
    Ok(messages(inbox))
}

enum Told {
    /// Events, which may be none, and where the stream is after them.
    Some(Vec<pb::Event>, u64),
    Over(Option<Ended>),
}

/// The next events that are wanted, with those that are there at the same time; none when nothing came for [`IDLE`].
async fn next_events(
    edge: &Edge,
    events: &mut Subscription,
    outbox: &mpsc::Sender<Result<pb::WatchEventsResponse, Status>>,
    tenant: &str,
) -> Told {
    let first = tokio::select! {
        next = events.next() => next,
        () = outbox.closed() => return Told::Over(None),
        () = tokio::time::sleep(IDLE) => match edge.query(tenant, |state, _| state.sequence()).await {
            // What passed the filter up to there has been handed over: it would be waiting here.
            Ok(sequence) => match events.try_next() {
                None => return Told::Some(Vec::new(), sequence),
                next => next,
            },
            Err(_) => events.next().await,
        },
    };
    let first: Shared = match first {
        Some(Ok(first)) => first,
        Some(Err(why)) => return Told::Over(Some(why)),
        None => return Told::Over(None),
    };
    let (mut told, mut sequence, mut next) = (Vec::new(), 0, first);
    loop {
        sequence = next.recorded.sequence.max(sequence);
        told.extend(event(tenant, &next));
        next = match events.try_next() {
            _ if told.len() >= EVENTS => return Told::Some(told, sequence),
            Some(Ok(next)) => next,
            Some(Err(why)) if told.is_empty() => return Told::Over(Some(why)),
            // Why it ended is told with the next.
            Some(Err(_)) | None => return Told::Some(told, sequence),
        };
    }
}
