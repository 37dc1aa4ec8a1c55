//! `usher demo`: a living contact center in one process, for whoever has never seen one.
//!
//! The server runs as ever, on free ports of the loopback; customers and agents reach it by gRPC alone, as gateways and
//! desktops do. `center` says what the center is like, `customers` and `desk` are the people, `floor` is what they
//! share, `ledger` keeps books from what the streams tell, `screen` shows them. The one thing read behind the server's
//! doors are its own books, at the end, to compare the ledger's with. It must never decide anything about routing.

mod center;
mod chance;
mod customers;
mod desk;
mod floor;
mod ledger;
mod screen;

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use anyhow::Context;
use tokio::sync::oneshot;
use tokio::task::{JoinSet, LocalSet};
use tonic::transport::Channel;
use usher_proto::v1 as pb;
use usher_proto::v1::supervisor_service_client::SupervisorServiceClient;

use crate::config::{Backend, Config, scale};
use crate::engine::agent::AgentProfile;
use crate::server::{Running, Stop};

use center::Center;
use customers::Gateway;
use desk::Desk;
use floor::Floor;
use screen::{Screen, Totals};

/// How often the figures are drawn.
const FRAME: Duration = Duration::from_millis(250);
/// How long a guest's connection may stay open once the demo is over.
const GRACE: Duration = Duration::from_secs(2);
/// How long streams may take to end once the server has drained.
const LEAVE: Duration = Duration::from_secs(5);

/// What is wanted.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How long it runs; until a signal when not set.
    pub length: Option<Duration>,
    /// How many seconds of the center pass in one, at least 1.
    pub speed: u32,
    /// What chance begins with.
    pub seed: u64,
    /// Whether the closing summary is one JSON object.
    pub json: bool,
}

/// Runs the center of a configuration; gives back its closing summary and whether the books close.
///
/// # Errors
/// When the server does not start, or does not let its clients in.
pub fn run(config: Config, options: Options) -> anyhow::Result<(String, bool)> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, open_and_run(config, options))
}

async fn open_and_run(mut config: Config, options: Options) -> anyhow::Result<(String, bool)> {
    let mut stop = Stop::listen()?;
    let centers: Vec<Center> = config.tenants.iter().cloned().map(Center::new).collect();
    settle(&mut config, options.speed);
    let mut running = Running::start(&config).await?;
    let mut people = JoinSet::new();
    let mut floors = Vec::new();
    for center in centers {
        let door = floor::connect(running.grpc()).await?;
        floors.push(fill(Floor::new(center, options.seed, options.speed, door), &mut people).await?);
    }
    let mut screen = Screen::new(&floors, options, running.grpc(), running.http());
    screen.greet();
    tokio::select! {
        ended = running.ended() => {
            ended?;
            anyhow::bail!("the server ended by itself");
        }
        () = stop.wait() => {}
        () = over(options.length) => {}
        () = draw(&mut screen, &floors) => {}
    }
    let clock = floors.first().map_or(0.0, |floor| floor.elapsed());
    let totals = close(&floors, running, people, &mut stop).await?;
    screen.clear();
    Ok((screen.summary(&totals, clock), totals.close()))
}

/// What the demo's server does differently: it listens where nobody is in the way, lasts a fraction, keeps nothing.
fn settle(config: &mut Config, speed: u32) {
    let free = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    (config.server.grpc_listen, config.server.http_listen) = (free, free);
    config.journal.backend = Backend::Memory;
    config.server.drain_grace = config.server.drain_grace.min(GRACE);
    config.tenants.iter_mut().for_each(|policy| scale::faster(policy, speed));
}

async fn over(length: Option<Duration>) {
    match length {
        Some(length) => tokio::time::sleep(length).await,
        None => std::future::pending().await,
    }
}

async fn draw(screen: &mut Screen, floors: &[Rc<Floor>]) {
    let mut every = tokio::time::interval(FRAME);
    loop {
        every.tick().await;
        screen.draw(&Totals::of(floors), floors.first().map_or(0.0, |floor| floor.elapsed()));
    }
}

/// Opens the books, then the gateways, then has the agents sign in.
async fn fill(floor: Floor, people: &mut JoinSet<()>) -> anyhow::Result<Rc<Floor>> {
    let floor = Rc::new(floor);
    for agent in floor.center.hired() {
        hire(floor.door.clone(), floor.tenant(), agent).await?;
    }
    let (opened, is_open) = oneshot::channel();
    people.spawn_local(floor::keep_books(floor.clone(), opened));
    is_open.await.context("the server does not tell what happens to its contacts")?;
    let channels: BTreeSet<_> = floor.center.flows.iter().map(|flow| flow.channel.clone()).collect();
    for channel in channels {
        let (gateway, answers) = Gateway::open(floor.clone(), channel).await?;
        people.spawn_local(gateway.run(answers));
    }
    for number in 0..floor.center.agents.len() {
        let (desk, answers) = Desk::open(floor.clone(), number).await?;
        people.spawn_local(desk.run(answers));
    }
    Ok(floor)
}

/// Makes an agent whom the file does not have.
async fn hire(door: Channel, tenant: String, agent: &AgentProfile) -> anyhow::Result<()> {
    let skills = agent.skills.iter().map(|(skill, level)| (skill.to_string(), i32::from(*level)));
    let agent = pb::Agent {
        agent_id: agent.agent_id.to_string(),
        display_name: agent.display_name.to_string(),
        team: agent.team.as_deref().unwrap_or_default().to_owned(),
        skills: skills.collect(),
        ..pb::Agent::default()
    };
    let upsert = pb::UpsertAgentRequest { tenant, agent: Some(agent), ..Default::default() };
    SupervisorServiceClient::new(door).upsert_agent(upsert).await.context("failed to make an agent")?;
    Ok(())
}

/// Closes the books of every floor at one event, drains the server so that every stream says its last, and compares.
async fn close(
    floors: &[Rc<Floor>],
    running: Running,
    mut people: JoinSet<()>,
    stop: &mut Stop,
) -> anyhow::Result<Totals> {
    let mut theirs = Vec::new();
    for floor in floors {
        floor.close();
        loop {
            let (sequence, books) = running.books(&floor.tenant()).await?;
            // An event past the one just read may have been heard while the answer was on its way: then once more.
            if floor.ledger.borrow_mut().close_after(sequence) {
                theirs.push(books);
                break;
            }
        }
    }
    let leave = async { while people.join_next().await.is_some() {} };
    let (drained, left) = tokio::join!(running.drain(stop.wait()), tokio::time::timeout(LEAVE, leave));
    drained?;
    for (floor, books) in floors.iter().zip(&theirs) {
        let mut ledger = floor.ledger.borrow_mut();
        if left.is_err() {
            ledger.fault(format!("streams were still open {} s after the server drained", LEAVE.as_secs()));
        }
        ledger.compare(books.iter().map(|(queue, books)| (&**queue, *books)));
    }
    Ok(Totals::of(floors))
}
