//! Sessions: gateways and agents, each on one stream, that answer every frame they hear with one of their own.
//!
//! A gateway creates contacts, connects each when it hears that an agent accepted it, and completes it when it hears
//! that it is connected; then it creates the next one. An agent accepts every offer he hears of. Nothing is told past
//! the server.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use tokio::sync::Notify;
use tonic::transport::Channel;
use tonic::{Status, Streaming};
use usher_proto::v1 as pb;
use usher_proto::v1::agent_service_client::AgentServiceClient;
use usher_proto::v1::contact_service_client::ContactServiceClient;
use usher_proto::v1::{
    agent_session_command::Command as Desk, agent_session_item::Item as DeskItem,
    agent_session_reply::Result as DeskAnswer, contact_session_command::Command as Verb,
    contact_session_item::Item as GateItem, contact_session_reply::Result as GateAnswer, event::Payload,
};

use crate::Options;
use crate::ledger::Ledger;
use crate::measure::{Class, Tally};
use crate::outbox::{Outbox, outbox};
use crate::scene;
use crate::unary::new_contact;

/// How long what is under way may take to end once nothing new begins.
const SETTLE: Duration = Duration::from_secs(10);

/// The server left something undone: as wrong as a wrong answer.
#[derive(Debug)]
pub struct Stuck(String);

impl std::fmt::Display for Stuck {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Stuck {}

/// Commands of a contact's life, and the correlation id they are sent with: the contact's number four times over, plus
/// this. 0 would ask for no reply, so contacts count from 1 here.
#[derive(Clone, Copy)]
enum Step {
    Create,
    Accept,
    Connect,
    Complete,
}

fn correlate(contact: usize, step: Step) -> u64 {
    (contact as u64 + 1) * 4 + step as u64
}

fn contact_of(correlation_id: u64) -> usize {
    (correlation_id / 4 - 1) as usize
}

/// What all sessions share.
struct Shared {
    ledger: Rc<RefCell<Ledger>>,
    tally: RefCell<Tally>,
    /// New contacts follow those that end.
    busy: Cell<bool>,
    /// Contacts that have not ended, accepts that were not answered, and completions asked for.
    open: Cell<usize>,
    settled: Notify,
    broken: RefCell<Option<String>>,
    frames: Cell<u64>,
    items: Cell<u64>,
}

impl Shared {
    fn more(&self) {
        self.open.set(self.open.get() + 1);
    }

    fn less(&self) {
        self.open.set(self.open.get().saturating_sub(1));
        if self.open.get() == 0 {
            self.settled.notify_one();
        }
    }

    fn heard(&self, items: usize) {
        self.frames.set(self.frames.get() + 1);
        self.items.set(self.items.get() + items as u64);
    }

    fn refused(&self, error: &pb::CommandError) {
        self.tally.borrow_mut().refused(format!("{}: {}", error.reason, error.message));
    }

    fn ended(&self, who: &str, ended: Result<(), Status>) {
        let why = ended.err().map_or_else(|| "the server ended it".to_owned(), |status| status.to_string());
        self.broken.borrow_mut().get_or_insert(format!("the session of {who} is over: {why}"));
        self.settled.notify_one();
    }
}

type GateOutbox = Rc<Outbox<pb::ContactSessionCommand>>;
type DeskOutbox = Outbox<pb::AgentSessionCommand>;

/// All sessions, open.
pub struct Floor {
    shared: Rc<Shared>,
    gates: Vec<Rc<Gate>>,
    window: u32,
    server: Option<u32>,
}

/// A gateway's session.
struct Gate {
    name: String,
    outbox: GateOutbox,
    shared: Rc<Shared>,
}

/// An agent's session.
struct AgentDesk {
    name: String,
    outbox: DeskOutbox,
    shared: Rc<Shared>,
}

impl Floor {
    /// Opens the sessions: agents share `desks`, every gateway has a connection in `gates`.
    pub async fn open(
        options: &Options,
        server: Option<u32>,
        gates: Vec<Channel>,
        desks: &[Channel],
        ledger: Rc<RefCell<Ledger>>,
    ) -> anyhow::Result<Floor> {
        let shared = Rc::new(Shared {
            ledger,
            tally: RefCell::new(Tally::new()),
            busy: Cell::new(false),
            open: Cell::new(0),
            settled: Notify::new(),
            broken: RefCell::new(None),
            frames: Cell::new(0),
            items: Cell::new(0),
        });
        let size = &options.size;
        for number in 0..size.agents {
            let channel = desks[number as usize % desks.len()].clone();
            let name = scene::agent_id(size.agents + number, size);
            AgentDesk::open(name, channel, options.frame, shared.clone()).await?;
        }
        let mut open = Vec::new();
        for (number, channel) in gates.into_iter().enumerate() {
            open.push(Gate::open(format!("g{number}"), channel, options.frame, shared.clone()).await?);
        }
        Ok(Floor { shared, gates: open, window: size.window, server })
    }

    /// Runs a slice of whole lives.
    pub async fn slice(&self, class: &mut Class, length: Duration) -> anyhow::Result<()> {
        std::mem::swap(&mut *self.shared.tally.borrow_mut(), &mut class.tally);
        class.tally.done = self.shared.tally.borrow().done;
        let running = class.begin(self.server);
        self.shared.busy.set(true);
        for gate in &self.gates {
            (0..self.window).for_each(|_| gate.create());
        }
        tokio::time::sleep(length).await;
        self.shared.busy.set(false);
        let settled = self.settle().await;
        std::mem::swap(&mut *self.shared.tally.borrow_mut(), &mut class.tally);
        class.end(&running);
        settled
    }

    /// Completes contacts that are connected, outside of anything that is measured.
    pub async fn complete(&self, contacts: &[usize]) -> anyhow::Result<()> {
        for (gate, contacts) in self.gates.iter().zip(contacts.chunks(contacts.len().div_ceil(self.gates.len()).max(1)))
        {
            for contact in contacts {
                self.shared.more();
                gate.complete(*contact);
            }
        }
        let settled = self.settle().await;
        let tally = std::mem::replace(&mut *self.shared.tally.borrow_mut(), Tally::new());
        settled?;
        ensure!(tally.refused == 0, "a completion was refused: {}", tally.first.unwrap_or_default());
        Ok(())
    }

    /// Items heard in one frame, on average.
    pub fn items_per_frame(&self) -> f64 {
        self.shared.items.get() as f64 / self.shared.frames.get().max(1) as f64
    }

    async fn settle(&self) -> anyhow::Result<()> {
        let shared = &self.shared;
        let settled = async {
            while shared.open.get() > 0 && shared.broken.borrow().is_none() {
                shared.settled.notified().await;
            }
        };
        let late = tokio::time::timeout(SETTLE, settled).await.is_err();
        if let Some(why) = &*shared.broken.borrow() {
            bail!("{why}");
        }
        if late {
            let refused = shared.tally.borrow().first.clone().unwrap_or_default();
            bail!(Stuck(format!("{} steps had no end after {} s {refused}", shared.open.get(), SETTLE.as_secs())));
        }
        Ok(())
    }
}

impl Gate {
    async fn open(name: String, channel: Channel, most: u32, shared: Rc<Shared>) -> anyhow::Result<Rc<Gate>> {
        let frame = |commands| pb::ContactServiceSessionRequest { commands };
        let (outbox, frames) = outbox(most as usize, frame);
        let open = pb::ContactSessionOpen {
            gateway_id: name.clone(),
            brief_replies: true,
            event_names: vec!["offer_accepted".to_owned()],
            ..Default::default()
        };
        outbox.push(pb::ContactSessionCommand { correlation_id: 1, command: Some(Verb::Open(open)) });
        let answers = ContactServiceClient::new(channel).session(frames).await;
        let mut answers = answers.context("failed to open a gateway session")?.into_inner();
        // The first frame says that it is open.
        answers.message().await.context("a gateway session was refused")?;
        let gate = Rc::new(Gate { name, outbox: Rc::new(outbox), shared });
        let reader = gate.clone();
        tokio::task::spawn_local(async move {
            let ended = reader.listen(answers).await;
            reader.shared.ended(&reader.name, ended);
        });
        Ok(gate)
    }

    fn send(&self, contact: usize, step: Step, verb: Verb) {
        let correlation_id = correlate(contact, step);
        self.outbox.push(pb::ContactSessionCommand { correlation_id, command: Some(verb) });
    }

    fn create(&self) {
        self.shared.more();
        let (contact, contact_id) = {
            let mut ledger = self.shared.ledger.borrow_mut();
            let contact = ledger.open();
            (contact, ledger.id(contact))
        };
        let new = new_contact(contact_id, scene::TALK, scene::STREAMS);
        let create = pb::CreateContactRequest { contact: Some(new), ..Default::default() };
        self.send(contact, Step::Create, Verb::CreateContact(create));
    }

    fn connect(&self, contact_id: String) {
        let Some(contact) = scene::contact_number(&contact_id) else { return };
        let connect = pb::ConnectContactRequest { contact_id, ..Default::default() };
        self.send(contact, Step::Connect, Verb::ConnectContact(connect));
    }

    fn complete(&self, contact: usize) {
        let contact_id = self.shared.ledger.borrow().id(contact);
        let complete = pb::CompleteContactRequest { contact_id, ..Default::default() };
        self.send(contact, Step::Complete, Verb::CompleteContact(complete));
    }

    async fn listen(&self, mut answers: Streaming<pb::ContactServiceSessionResponse>) -> Result<(), Status> {
        while let Some(frame) = answers.message().await? {
            self.shared.heard(frame.items.len());
            for item in frame.items {
                match item.item {
                    Some(GateItem::Reply(reply)) => self.reply(reply),
                    Some(GateItem::Event(pb::Event { payload: Some(Payload::OfferAccepted(accepted)), .. })) => {
                        self.connect(accepted.contact_id);
                    }
                    _ => {}
                }
            }
        }
        Ok(())
    }

    fn reply(&self, reply: pb::ContactSessionReply) {
        let contact = contact_of(reply.correlation_id);
        let shared = &self.shared;
        match reply.result {
            Some(GateAnswer::CreateContact(created)) => shared.ledger.borrow_mut().created(contact, &created),
            Some(GateAnswer::ConnectContact(_)) => self.complete(contact),
            Some(GateAnswer::CompleteContact(completed)) => {
                let mut ledger = shared.ledger.borrow_mut();
                ledger.completed(contact, completed.contact.as_ref(), completed.sequence);
                shared.tally.borrow_mut().done(ledger.begun(contact));
                drop(ledger);
                self.over();
            }
            Some(GateAnswer::Error(error)) => {
                shared.refused(&error);
                self.over();
            }
            _ => shared.ledger.borrow_mut().fault(|| format!("contact {contact}: a reply to nothing that was asked")),
        }
    }

    /// A contact's life is over: the next one begins.
    fn over(&self) {
        if self.shared.busy.get() {
            self.create();
        }
        self.shared.less();
    }
}

impl AgentDesk {
    async fn open(name: String, channel: Channel, most: u32, shared: Rc<Shared>) -> anyhow::Result<()> {
        let frame = |commands| pb::AgentServiceSessionRequest { commands };
        let (outbox, frames) = outbox(most as usize, frame);
        let open = pb::AgentSessionOpen {
            agent_id: name.clone(),
            brief_replies: true,
            event_names: vec!["offer_issued".to_owned()],
            ..Default::default()
        };
        outbox.push(pb::AgentSessionCommand { correlation_id: 1, command: Some(Desk::Open(open)) });
        let answers = AgentServiceClient::new(channel).session(frames).await;
        let mut answers = answers.context("failed to open an agent session")?.into_inner();
        // The first frame says that it is open.
        answers.message().await.context("an agent session was refused")?;
        let desk = AgentDesk { name, outbox, shared };
        tokio::task::spawn_local(async move {
            let ended = desk.listen(answers).await;
            desk.shared.ended(&desk.name, ended);
        });
        Ok(())
    }

    async fn listen(&self, mut answers: Streaming<pb::AgentServiceSessionResponse>) -> Result<(), Status> {
        while let Some(frame) = answers.message().await? {
            self.shared.heard(frame.items.len());
            for item in frame.items {
                match item.item {
                    Some(DeskItem::Event(pb::Event { payload: Some(Payload::OfferIssued(issued)), .. })) => {
                        self.accept(&issued.contact_id, issued.offer_id);
                    }
                    Some(DeskItem::Reply(reply)) => self.reply(reply),
                    _ => {}
                }
            }
        }
        Ok(())
    }

    fn accept(&self, contact_id: &str, offer_id: String) {
        let Some(contact) = scene::contact_number(contact_id) else { return };
        self.shared.more();
        let accept = pb::AcceptOfferRequest { offer_id, ..Default::default() };
        let correlation_id = correlate(contact, Step::Accept);
        self.outbox.push(pb::AgentSessionCommand { correlation_id, command: Some(Desk::AcceptOffer(accept)) });
    }

    fn reply(&self, reply: pb::AgentSessionReply) {
        let contact = contact_of(reply.correlation_id);
        let shared = &self.shared;
        match reply.result {
            Some(DeskAnswer::AcceptOffer(accepted)) => {
                let mut ledger = shared.ledger.borrow_mut();
                ledger.accepted(contact, &self.name, accepted.contact.as_ref(), accepted.sequence);
            }
            Some(DeskAnswer::Error(error)) => {
                shared.refused(&error);
                // Its contact goes nowhere any more; the books will say so.
                shared.less();
            }
            _ => shared.ledger.borrow_mut().fault(|| format!("contact {contact}: a reply to nothing that was asked")),
        }
        shared.less();
    }
}
