//! The throughput test: four classes in one run, in slices that take turns, so that what disturbs one disturbs all.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, ensure};
use tokio::task::LocalSet;
use tonic::transport::Channel;
use usher_proto::v1 as pb;
use usher_proto::v1::agent_service_client::AgentServiceClient;
use usher_proto::v1::contact_service_client::ContactServiceClient;

use crate::Options;
use crate::ledger::{Balance, Ledger};
use crate::machine::Machine;
use crate::measure::{Class, Ratio};
use crate::progress;
use crate::report::{self, Report, Verdict};
use crate::scene;
use crate::server::{Server, binary, connect};
use crate::streams::Floor;
use crate::unary::{Callers, Work};

/// A round before the measured ones, whose figures are thrown away.
const WARM_UP: Duration = Duration::from_millis(300);

/// Runs the test and prints its report.
///
/// # Errors
/// When it could not run to its end.
pub fn run(options: &Options) -> anyhow::Result<Verdict> {
    let server = match &options.addr {
        Some(addr) => Server::at(addr),
        None => Server::start(&binary(options.server.as_deref())?, &options.size)?,
    };
    // One thread: on few cores a second one would take from the server.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let began = Instant::now();
    let measured = LocalSet::new().block_on(&runtime, measure(options, &server));
    // Connections go first: a server that drains waits for them.
    drop(runtime);
    let Measured { classes, items_per_frame, balance } = measured?;
    let version = server.version.clone();
    server.stop()?;
    let [no_op, matching, unary, streams] = &classes;
    let report = Report {
        machine: Machine::here(),
        version,
        elapsed: began.elapsed(),
        matching: Ratio::of(matching, no_op),
        streams: Ratio::of(streams, unary),
        classes: &classes,
        items_per_frame,
        balance,
    };
    let verdict = report.verdict(options);
    if options.json {
        report::print_json(&report, options, verdict)
    } else {
        report::print(&report, options, verdict)
    }
    Ok(verdict)
}

struct Measured {
    classes: [Class; 4],
    items_per_frame: f64,
    balance: Balance,
}

async fn measure(options: &Options, server: &Server) -> anyhow::Result<Measured> {
    let run =
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.subsec_nanos() ^ time.as_secs() as u32);
    let ledger = Rc::new(RefCell::new(Ledger::new(options.size.clone(), run)));
    let connections = connect(&server.addr, options.connections).await?;
    let first = connections[0].clone();
    sign_in(options, first.clone()).await?;
    let gates = connect(&server.addr, options.size.gateways).await?;
    let desks = connect(&server.addr, options.connections).await?;
    let floor = Floor::open(options, server.pid(), gates, &desks, ledger.clone()).await?;
    let callers = Callers {
        server: server.pid(),
        connections,
        callers: options.callers,
        // A tenth is kept free, so that a match never waits.
        room: options.size.agents * scene::ROOM / 10 * 9,
        ledger: ledger.clone(),
    };
    let mut classes = classes();
    let ran = round(&callers, &floor, &mut classes, WARM_UP, false).await;
    explained(ran, &first, run).await?;
    classes = self::classes();
    let rounds = (options.seconds * 1_000).div_ceil(options.slice);
    let bar = progress::bar(rounds, "rounds");
    for number in 0..rounds {
        let length = Duration::from_millis(options.slice);
        let ran = round(&callers, &floor, &mut classes, length, number % 2 == 1).await;
        explained(ran, &first, run).await?;
        bar.inc(1);
    }
    bar.finish_and_clear();
    for class in &classes {
        let tally = &class.tally;
        let first = || tally.first.clone().unwrap_or_default();
        ensure!(tally.failed == 0, "{}: {} operations failed: {}", class.name, tally.failed, first());
        ensure!(tally.done > 0, "{}: nothing was done: {}", class.name, first());
    }
    let items_per_frame = floor.items_per_frame();
    let open = open_contacts(first, run).await?;
    if let Some(one) = open.first() {
        ledger.borrow_mut().fault(|| format!("{} contacts were open at the end: {} ...", open.len(), describe(one)));
    }
    drop((callers, floor));
    let balance = ledger.replace(Ledger::new(options.size.clone(), run)).balance();
    Ok(Measured { classes, items_per_frame, balance })
}

fn classes() -> [Class; 4] {
    ["no-op unary", "matching unary", "lifecycle unary", "lifecycle sessions"].map(Class::new)
}

/// One slice of each class; every other round in reverse order.
async fn round(
    callers: &Callers,
    floor: &Floor,
    classes: &mut [Class; 4],
    length: Duration,
    reverse: bool,
) -> anyhow::Result<()> {
    let mut order = [0, 1, 2, 3];
    if reverse {
        order.reverse();
    }
    for number in order {
        let class = &mut classes[number];
        match number {
            0 => drop(callers.slice(Work::NoOp, class, length).await),
            1 => {
                let live = callers.slice(Work::Match, class, length).await;
                floor.complete(&live).await?;
            }
            2 => drop(callers.slice(Work::Lifecycle, class, length).await),
            _ => floor.slice(class, length).await?,
        }
    }
    Ok(())
}

async fn sign_in(options: &Options, channel: Channel) -> anyhow::Result<()> {
    let mut agents = AgentServiceClient::new(channel);
    for number in 0..2 * options.size.agents {
        let agent_id = scene::agent_id(number, &options.size);
        let mut sign_in = pb::SignInRequest { agent_id: agent_id.clone(), ..Default::default() };
        sign_in.set_presence(pb::Presence::Available);
        let signed_in = agents.sign_in(sign_in).await;
        signed_in.with_context(|| format!("failed to sign {agent_id} in; does the server run with `config`?"))?;
    }
    Ok(())
}

/// Says what is open where a round came to no end.
async fn explained(ran: anyhow::Result<()>, channel: &Channel, run: u32) -> anyhow::Result<()> {
    let Err(error) = ran else { return Ok(()) };
    let open = open_contacts(channel.clone(), run).await.unwrap_or_default();
    let some: Vec<String> = open.iter().take(3).map(describe).collect();
    Err(error.context(format!("{} contacts are open: {}", open.len(), some.join("; "))))
}

fn describe(contact: &pb::Contact) -> String {
    let legs: Vec<String> = contact.legs.iter().map(|leg| format!("{} {:?}", leg.agent_id, leg.state())).collect();
    format!("{} {:?} in {}, legs [{}]", contact.contact_id, contact.state(), contact.queue, legs.join(", "))
}

/// Contacts of this run that are not closed.
///
/// # Errors
/// When the server does not list them.
pub async fn open_contacts(channel: Channel, run: u32) -> anyhow::Result<Vec<pb::Contact>> {
    let mut contacts = ContactServiceClient::new(channel);
    let (mut open, mut page_token) = (Vec::new(), String::new());
    let ours = scene::contact_id(run, 0);
    let ours = ours.trim_end_matches('0');
    let live = pb::ContactState::Scheduled as i32..pb::ContactState::Closed as i32;
    loop {
        let states = live.clone().collect();
        let list = pb::ListContactsRequest { states, page_size: 1_000, page_token, ..Default::default() };
        let page = contacts.list_contacts(list).await.context("failed to list contacts")?.into_inner();
        open.extend(page.contacts.into_iter().filter(|contact| contact.contact_id.starts_with(ours)));
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return Ok(open);
        }
    }
}
