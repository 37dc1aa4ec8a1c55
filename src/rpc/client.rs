//! What the command line asks a running server for: reports and the live state, as plain tables.

use std::time::Duration;

use anyhow::Context;
use tonic::transport::{Channel, Endpoint};
use usher_proto::v1 as pb;
use usher_proto::v1::admin_service_client::AdminServiceClient;
use usher_proto::v1::supervisor_service_client::SupervisorServiceClient;

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(5);
/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(30);
/// Rows per page.
const PAGE: i32 = 1_000;

/// What a report has a row for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// Each queue.
    Queue,
    /// Each agent.
    Agent,
    /// Each team.
    Team,
}

/// One figure of a row.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// A name.
    Text(String),
    /// A count.
    Count(i64),
    /// A number with so many decimals shown.
    Number(f64, usize),
    /// A share of 0 to 1, shown in percent.
    Share(f64),
    /// There is none.
    None,
}

/// A column: its name in JSON and CSV, and its head in tables; none where tables leave it out.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// The name.
    pub name: &'static str,
    /// The head.
    pub head: Option<&'static str>,
}

/// A table.
#[derive(Clone, Debug)]
pub struct Table {
    /// The columns.
    pub columns: Vec<Column>,
    /// The rows, each as long as the columns.
    pub rows: Vec<Vec<Cell>>,
}

/// Runs a question on a runtime of its own.
///
/// # Errors
/// When there is no runtime, or as the question.
pub(super) fn ask<T>(question: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(question)
}

/// A connection to the server at `addr` (`host:port`) whose calls may take so long.
///
/// # Errors
/// When that is no address, or nobody answers there within 5 s.
pub(super) async fn channel(addr: &str, patience: Option<Duration>) -> anyhow::Result<Channel> {
    let endpoint =
        Endpoint::from_shared(format!("http://{addr}")).with_context(|| format!("{addr:?} is no address"))?;
    let endpoint = match patience {
        Some(patience) => endpoint.timeout(patience),
        None => endpoint,
    };
    endpoint.connect_timeout(CONNECT).connect().await.with_context(|| format!("failed to reach {addr}"))
}

async fn connect(addr: &str) -> anyhow::Result<SupervisorServiceClient<Channel>> {
    Ok(SupervisorServiceClient::new(channel(addr, None).await?).max_decoding_message_size(64 << 20))
}

pub(super) fn refused(status: tonic::Status) -> anyhow::Error {
    anyhow::anyhow!("{}: {}", status.code(), status.message())
}

/// The report of a day; today when `day` is empty.
///
/// # Errors
/// When the server cannot be reached or refuses.
pub fn report(addr: &str, tenant: &str, day: &str, by: By) -> anyhow::Result<Table> {
    ask(async {
        let mut client = connect(addr).await?;
        match by {
            By::Agent => agents(&mut client, tenant, day).await,
            By::Queue => intervals(&mut client, tenant, day, pb::ReportDimension::Queue).await,
            By::Team => intervals(&mut client, tenant, day, pb::ReportDimension::Team).await,
        }
    })
}

async fn intervals(
    client: &mut SupervisorServiceClient<Channel>,
    tenant: &str,
    day: &str,
    dimension: pb::ReportDimension,
) -> anyhow::Result<Table> {
    let mut asked = pb::GetIntervalReportRequest {
        tenant: tenant.to_owned(),
        date: day.to_owned(),
        interval: Some(prost_types::Duration { seconds: 86_400, nanos: 0 }),
        dimensions: vec![dimension as i32],
        include_empty: dimension == pb::ReportDimension::Queue,
        page_size: PAGE,
        ..Default::default()
    };
    let name = if dimension == pb::ReportDimension::Team { "team" } else { "queue" };
    let mut table = Table { columns: vec![Column { name, head: Some(name) }], rows: Vec::new() };
    table.columns.extend(figure_columns());
    loop {
        let mut request = tonic::Request::new(asked.clone());
        request.set_timeout(ANSWER);
        let page = client.get_interval_report(request).await.map_err(refused)?.into_inner();
        for row in page.rows {
            let name = if row.team.is_empty() { row.queue } else { row.team };
            let mut cells = vec![Cell::Text(name)];
            cells.extend(figure_cells(&row.figures.unwrap_or_default(), &row.kpis.unwrap_or_default()));
            table.rows.push(cells);
        }
        asked.page_token = page.next_page_token;
        if asked.page_token.is_empty() {
            return Ok(table);
        }
    }
}

async fn agents(client: &mut SupervisorServiceClient<Channel>, tenant: &str, day: &str) -> anyhow::Result<Table> {
    let mut asked = pb::GetAgentReportRequest {
        tenant: tenant.to_owned(),
        date: day.to_owned(),
        page_size: PAGE,
        ..Default::default()
    };
    let mut table = Table { columns: AGENT_COLUMNS.to_vec(), rows: Vec::new() };
    table.columns.extend(figure_columns());
    loop {
        let mut request = tonic::Request::new(asked.clone());
        request.set_timeout(ANSWER);
        let page = client.get_agent_report(request).await.map_err(refused)?.into_inner();
        for row in page.rows {
            let not_ready = row.time_card.iter().filter(|time| time.state == "not_ready");
            let not_ready: f64 = not_ready.filter_map(|time| seconds(time.time.as_ref())).sum();
            let span = |given: Option<prost_types::Duration>| number(seconds(given.as_ref()), 0);
            let mut cells = vec![
                Cell::Text(row.agent_id),
                Cell::Text(row.team),
                span(row.signed_in),
                span(row.busy),
                span(row.wrap_up),
                span(row.idle_available),
                Cell::Number(not_ready, 0),
                share(row.occupancy),
                share(row.capacity_use),
                share(row.adherence),
                number(row.handled_per_signed_in_hour, 1),
                number(row.handled_per_productive_hour, 1),
                number(row.resolved_per_signed_in_hour, 1),
                number(row.resolved_per_productive_hour, 1),
                Cell::Count(row.not_responding),
                Cell::Text(outliers(&row.outliers)),
            ];
            cells.extend(figure_cells(&row.figures.unwrap_or_default(), &row.kpis.unwrap_or_default()));
            table.rows.push(cells);
        }
        asked.page_token = page.next_page_token;
        if asked.page_token.is_empty() {
            return Ok(table);
        }
    }
}

/// The figures in which an agent stands out, each with how many standard deviations he is away from his peers.
fn outliers(found: &[pb::Outlier]) -> String {
    let words = found.iter().map(|outlier| format!("{} {:+.1}", outlier.figure, outlier.deviations));
    words.collect::<Vec<_>>().join(", ")
}

const fn shown(name: &'static str, head: &'static str) -> Column {
    Column { name, head: Some(head) }
}

const fn kept(name: &'static str) -> Column {
    Column { name, head: None }
}

const AGENT_COLUMNS: [Column; 16] = [
    shown("agent", "agent"),
    shown("team", "team"),
    shown("signed_in_seconds", "signed in"),
    shown("busy_seconds", "busy"),
    kept("wrap_up_time_seconds"),
    shown("idle_seconds", "idle"),
    shown("not_ready_seconds", "not ready"),
    shown("occupancy", "occ %"),
    kept("capacity_use"),
    shown("adherence", "adh. %"),
    shown("handled_per_signed_in_hour", "per h"),
    kept("handled_per_productive_hour"),
    kept("resolved_per_signed_in_hour"),
    kept("resolved_per_productive_hour"),
    kept("not_responding"),
    kept("outliers"),
];

/// The columns of figures: those of tables first by importance, all of them in JSON and CSV.
fn figure_columns() -> [Column; 43] {
    [
        kept("received"),
        shown("offered", "offered"),
        shown("answered", "answered"),
        kept("answered_within_threshold"),
        shown("abandoned", "aband."),
        kept("abandoned_short"),
        kept("abandoned_within_threshold"),
        kept("overflowed"),
        kept("cancelled"),
        kept("refused"),
        kept("expired"),
        kept("moved"),
        shown("waiting", "waiting"),
        shown("handled", "handled"),
        kept("contacts_transferred"),
        kept("transfers"),
        kept("contacts_resolved"),
        kept("contacts_resolved_provisional"),
        kept("contacts_recontacted"),
        kept("talk_seconds"),
        kept("hold_seconds"),
        kept("wrap_up_seconds"),
        kept("cost"),
        shown("service_level_of_offered", "SL %"),
        kept("service_level_of_answered"),
        kept("service_level_of_answered_abandoned"),
        kept("service_level_excluding_short"),
        kept("service_level_abandons_met"),
        kept("service_level_excluding_early_abandons"),
        kept("service_level_live"),
        shown("average_speed_of_answer_seconds", "ASA"),
        shown("average_handle_time_seconds", "AHT"),
        kept("longest_wait_seconds"),
        shown("abandonment", "aband. %"),
        shown("transfer_rate", "transf. %"),
        kept("fcr_of_contacts"),
        shown("fcr_of_handled", "FCR %"),
        kept("fcr_strict"),
        kept("fcr_no_recontact"),
        shown("csat", "CSAT %"),
        kept("nps"),
        shown("cost_per_contact", "cost"),
        kept("callbacks_requested"),
    ]
}

fn figure_cells(figures: &pb::Figures, kpis: &pb::Kpis) -> [Cell; 43] {
    let levels = kpis.service_level.unwrap_or_default();
    let span = |given: &Option<prost_types::Duration>| number(seconds(given.as_ref()), 1);
    let millionths = |given: i64| Cell::Number(given as f64 / 1e6, 2);
    [
        Cell::Count(figures.received),
        Cell::Count(figures.offered),
        Cell::Count(figures.answered),
        Cell::Count(figures.answered_within_threshold),
        Cell::Count(figures.abandoned),
        Cell::Count(figures.abandoned_short),
        Cell::Count(figures.abandoned_within_threshold),
        Cell::Count(figures.overflowed),
        Cell::Count(figures.cancelled),
        Cell::Count(figures.refused),
        Cell::Count(figures.expired),
        Cell::Count(figures.moved),
        Cell::Count(figures.waiting),
        Cell::Count(figures.handled),
        Cell::Count(figures.contacts_transferred),
        Cell::Count(figures.transfers),
        Cell::Count(figures.contacts_resolved),
        Cell::Count(figures.contacts_resolved_provisional),
        Cell::Count(figures.contacts_recontacted),
        span(&figures.talk),
        span(&figures.hold),
        span(&figures.wrap_up),
        millionths(figures.cost_millionths),
        share(levels.of_offered),
        share(levels.of_answered),
        share(levels.of_answered_abandoned),
        share(levels.excluding_short),
        share(levels.abandons_met),
        share(levels.excluding_early_abandons),
        share(levels.live),
        span(&kpis.average_speed_of_answer),
        span(&kpis.average_handle_time),
        span(&figures.longest_wait),
        share(kpis.abandonment),
        share(kpis.transfer_rate),
        share(kpis.fcr_of_contacts),
        share(kpis.fcr_of_handled),
        share(kpis.fcr_strict),
        share(kpis.fcr_no_recontact),
        share(kpis.csat),
        number(kpis.nps, 0),
        kpis.cost_per_contact_millionths.map_or(Cell::None, millionths),
        Cell::Count(figures.callbacks.get("requested").copied().unwrap_or(0)),
    ]
}

fn seconds(span: Option<&prost_types::Duration>) -> Option<f64> {
    span.map(|span| span.seconds as f64 + f64::from(span.nanos) / 1e9)
}

fn number(given: Option<f64>, decimals: usize) -> Cell {
    given.map_or(Cell::None, |given| Cell::Number(given, decimals))
}

fn share(given: Option<f64>) -> Cell {
    given.map_or(Cell::None, Cell::Share)
}

// ---- the live state

/// What `usher status` shows: a headline of facts and a table of queues and one of teams.
#[derive(Clone, Debug)]
pub struct Status {
    /// The tenant.
    pub tenant: String,
    /// How the server is, with names.
    pub server: Vec<(&'static str, Cell)>,
    /// Facts with their names.
    pub facts: Vec<(&'static str, Cell)>,
    /// The queues.
    pub queues: Table,
    /// The teams.
    pub teams: Table,
}

/// Shows the state of a tenant again and again until `show` says that it is enough, or once.
///
/// # Errors
/// When the server cannot be reached, refuses or goes away; or as `show`.
pub fn status(
    addr: &str,
    tenant: &str,
    every: Option<Duration>,
    mut show: impl FnMut(&Status) -> anyhow::Result<bool>,
) -> anyhow::Result<()> {
    ask(async {
        let mut client = connect(addr).await?;
        let mut admin = AdminServiceClient::new(channel(addr, Some(ANSWER)).await?);
        loop {
            let asked = pb::GetStatusRequest { tenant: tenant.to_owned() };
            let server = admin.get_status(asked).await.map_err(refused)?.into_inner().status.unwrap_or_default();
            let asked = pb::GetSnapshotRequest { tenant: tenant.to_owned(), ..Default::default() };
            let mut request = tonic::Request::new(asked);
            request.set_timeout(ANSWER);
            let taken = client.get_snapshot(request).await.map_err(refused)?.into_inner();
            let more = show(&status_of(&taken.snapshot.unwrap_or_default(), &server))?;
            match every.filter(|_| more) {
                Some(every) => tokio::time::sleep(every).await,
                None => return Ok(()),
            }
        }
    })
}

/// How the server is, in a line.
fn server_of(status: &pb::ServerStatus) -> Vec<(&'static str, Cell)> {
    let journal = status.journal.clone().unwrap_or_default();
    let micros = |time: prost_types::Timestamp| time.seconds * 1_000_000 + i64::from(time.nanos) / 1_000;
    let now = status.server_time.map_or(0, micros);
    let ago = |time: Option<prost_types::Timestamp>| {
        time.map_or(Cell::None, |time| Cell::Number((now - micros(time)).max(0) as f64 / 1e6, 1))
    };
    let state = status.state().as_str_name().trim_start_matches("SERVER_STATE_").to_lowercase();
    let text = |text: &str| if text.is_empty() { Cell::None } else { Cell::Text(text.to_owned()) };
    let megabytes = |bytes: i64| Cell::Number(bytes as f64 / 1e6, 1);
    vec![
        ("version", text(&status.version)),
        ("state", Cell::Text(state)),
        ("up_seconds", ago(status.start_time)),
        ("stuck", Cell::Count(status.tenants.iter().map(|tenant| tenant.stuck).sum())),
        ("memory_mb", if status.memory_bytes > 0 { megabytes(status.memory_bytes) } else { Cell::None }),
        ("memory_limit_mb", megabytes(status.memory_limit_bytes)),
        ("memory_refused", Cell::Count(status.memory_refused)),
        ("journal", text(&journal.backend)),
        ("durability", text(&journal.durability)),
        ("last_commit_seconds_ago", ago(journal.last_commit_time)),
        ("lag", Cell::Count(journal.lag)),
        ("segments", Cell::Count(journal.segments)),
        ("journal_mb", megabytes(journal.bytes)),
        ("free_mb", if journal.free_bytes > 0 { megabytes(journal.free_bytes) } else { Cell::None }),
        ("snapshot_seconds_ago", ago(journal.last_snapshot_time)),
        ("journal_error", text(&journal.error)),
    ]
}

fn status_of(taken: &pb::Snapshot, server: &pb::ServerStatus) -> Status {
    let agents = taken.agent_counts.clone().unwrap_or_default();
    let waiting = |view: &pb::DirectionSnapshot| {
        let waiting = view.waiting.clone().unwrap_or_default();
        waiting.queued + waiting.offered + waiting.assigned + waiting.parked
    };
    let inbound = |views: &[pb::DirectionSnapshot]| {
        views.iter().find(|view| view.direction == pb::Direction::Inbound as i32).cloned().unwrap_or_default()
    };
    let total = inbound(&taken.totals);
    let figures = total.day.clone().unwrap_or_default();
    let kpis = total.day_kpis.unwrap_or_default();
    let facts = vec![
        ("waiting", Cell::Count(waiting(&total))),
        ("offered", Cell::Count(figures.offered)),
        ("answered", Cell::Count(figures.answered)),
        ("abandoned", Cell::Count(figures.abandoned)),
        ("service_level", share(kpis.service_level.unwrap_or_default().of_offered)),
        ("signed_in", Cell::Count(i64::from(agents.signed_in))),
        ("idle", Cell::Count(i64::from(agents.idle))),
        ("busy", Cell::Count(i64::from(agents.busy))),
        ("wrap_up", Cell::Count(i64::from(agents.wrap_up))),
        ("not_ready", Cell::Count(i64::from(agents.not_ready))),
    ];
    let queue_columns = [
        shown("queue", "queue"),
        shown("waiting", "waiting"),
        shown("longest_wait_seconds", "longest"),
        shown("connected", "talking"),
        shown("idle", "idle"),
        shown("offered", "offered"),
        shown("answered", "answered"),
        shown("abandoned", "aband."),
        shown("service_level", "SL %"),
        shown("service_level_30m", "SL 30m %"),
        shown("average_speed_of_answer_seconds", "ASA"),
    ];
    let mut queues = Table { columns: queue_columns.to_vec(), rows: Vec::new() };
    for queue in &taken.queues {
        let view = inbound(&queue.directions);
        let (figures, kpis) = (view.day.clone().unwrap_or_default(), view.day_kpis.unwrap_or_default());
        let half_hour = view.windows.get(2).and_then(|window| window.kpis.as_ref()?.service_level);
        let longest = view.waiting.as_ref().and_then(|waiting| waiting.longest_wait);
        queues.rows.push(vec![
            Cell::Text(queue.queue.clone()),
            Cell::Count(waiting(&view)),
            number(seconds(longest.as_ref()), 0),
            Cell::Count(queue.connected),
            Cell::Count(queue.agents.as_ref().map_or(0, |agents| i64::from(agents.idle))),
            Cell::Count(figures.offered),
            Cell::Count(figures.answered),
            Cell::Count(figures.abandoned),
            share(kpis.service_level.unwrap_or_default().of_offered),
            share(half_hour.unwrap_or_default().of_offered),
            number(seconds(kpis.average_speed_of_answer.as_ref()), 1),
        ]);
    }
    let server = server_of(server);
    Status { tenant: taken.tenant.clone(), server, facts, queues, teams: team_table(&taken.teams) }
}

fn team_table(teams: &[pb::TeamSnapshot]) -> Table {
    let columns = [
        shown("team", "team"),
        shown("signed_in", "signed in"),
        shown("idle", "idle"),
        shown("busy", "busy"),
        shown("wrap_up", "wrap-up"),
        shown("not_ready", "not ready"),
        shown("occupancy", "occ %"),
        shown("handled", "handled"),
    ];
    let row = |team: &pb::TeamSnapshot| {
        let agents = team.agents.clone().unwrap_or_default();
        let count = |count: i32| Cell::Count(i64::from(count));
        vec![
            Cell::Text(team.team.clone()),
            count(agents.signed_in),
            count(agents.idle),
            count(agents.busy),
            count(agents.wrap_up),
            count(agents.not_ready),
            share(team.occupancy),
            Cell::Count(team.day.as_ref().map_or(0, |day| day.handled)),
        ]
    };
    Table { columns: columns.to_vec(), rows: teams.iter().map(row).collect() }
}
