//! Unary calls: callers in a closed loop, several to a connection.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tonic::Status;
use tonic::transport::Channel;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use usher_proto::v1 as pb;
use usher_proto::v1::agent_service_client::AgentServiceClient;
use usher_proto::v1::contact_service_client::ContactServiceClient;

use crate::ledger::Ledger;
use crate::measure::{Class, Tally};
use crate::scene;

/// What a caller does over and over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// Asks for the server's health.
    NoOp,
    /// Creates a contact that an agent has at once.
    Match,
    /// Takes a contact through its whole life.
    Lifecycle,
}

/// All callers.
pub struct Callers {
    /// The server's process, where it is ours.
    pub server: Option<u32>,
    /// Their connections.
    pub connections: Vec<Channel>,
    /// How many there are.
    pub callers: u32,
    /// Contacts that may be live at once.
    pub room: u32,
    /// The books.
    pub ledger: Rc<RefCell<Ledger>>,
}

/// One caller in one slice.
#[derive(Clone)]
struct Caller {
    health: HealthClient<Channel>,
    contacts: ContactServiceClient<Channel>,
    agents: AgentServiceClient<Channel>,
    ledger: Rc<RefCell<Ledger>>,
    tally: Rc<RefCell<Tally>>,
    made: Rc<RefCell<Vec<usize>>>,
    left: Rc<Cell<u32>>,
}

impl Callers {
    /// Runs a slice; gives back the contacts that it left live.
    pub async fn slice(&self, work: Work, class: &mut Class, length: Duration) -> Vec<usize> {
        let tally = Rc::new(RefCell::new(std::mem::replace(&mut class.tally, Tally::new())));
        let made = Rc::new(RefCell::new(Vec::new()));
        let left = Rc::new(Cell::new(self.room));
        let done = tally.borrow().done;
        class.tally.done = done;
        let running = class.begin(self.server);
        let until = Instant::now() + length;
        let mut callers = JoinSet::new();
        for number in 0..self.callers {
            let connection = &self.connections[number as usize % self.connections.len()];
            let caller = Caller {
                health: HealthClient::new(connection.clone()),
                contacts: ContactServiceClient::new(connection.clone()),
                agents: AgentServiceClient::new(connection.clone()),
                ledger: self.ledger.clone(),
                tally: tally.clone(),
                made: made.clone(),
                left: left.clone(),
            };
            callers.spawn_local(caller.run(work, until));
        }
        while callers.join_next().await.is_some() {}
        class.tally = tally.replace(Tally::new());
        class.end(&running);
        made.take()
    }
}

impl Caller {
    /// Works until the slice is over or something fails.
    async fn run(mut self, work: Work, until: Instant) {
        loop {
            let begun = Instant::now();
            if begun >= until {
                return;
            }
            let done = match work {
                Work::NoOp => self.no_op().await,
                Work::Match if self.left.get() == 0 => return,
                Work::Match => self.matched().await,
                Work::Lifecycle => self.lifecycle().await,
            };
            let mut tally = self.tally.borrow_mut();
            match done {
                Ok(()) => tally.done(begun),
                Err(status) => {
                    tally.status(&status);
                    // A server that is gone would be asked for ever.
                    return;
                }
            }
        }
    }

    async fn no_op(&mut self) -> Result<(), Status> {
        self.health.check(HealthCheckRequest::default()).await.map(drop)
    }

    async fn matched(&mut self) -> Result<(), Status> {
        self.left.set(self.left.get() - 1);
        let (contact, answer) = self.create(scene::AUTO).await?;
        let mut ledger = self.ledger.borrow_mut();
        ledger.created(contact, &answer);
        let leg = answer.contact.as_ref().and_then(|contact| contact.legs.first());
        match leg {
            Some(leg) if leg.state() == pb::LegState::Connected => {
                ledger.accepted(contact, &leg.agent_id, answer.contact.as_ref(), answer.sequence);
            }
            _ => ledger.fault(|| format!("contact {contact} was not matched: {leg:?}")),
        }
        self.made.borrow_mut().push(contact);
        Ok(())
    }

    async fn lifecycle(&mut self) -> Result<(), Status> {
        let (contact, created) = self.create(scene::TALK).await?;
        let contact_id = {
            let mut ledger = self.ledger.borrow_mut();
            ledger.created(contact, &created);
            ledger.id(contact)
        };
        let offer = created.contact.and_then(|contact| contact.offers.into_iter().next());
        let Some(offer) = offer else {
            self.ledger.borrow_mut().fault(|| format!("contact {contact} was not offered to anyone"));
            return Err(Status::unknown("a contact was not offered to anyone"));
        };
        let (agent_id, offer_id) = (offer.agent_id, offer.offer_id);
        let accept = pb::AcceptOfferRequest { agent_id: agent_id.clone(), offer_id, ..Default::default() };
        let accepted = self.agents.accept_offer(accept).await?.into_inner();
        self.ledger.borrow_mut().accepted(contact, &agent_id, accepted.contact.as_ref(), accepted.sequence);
        let connect = pb::ConnectContactRequest { contact_id: contact_id.clone(), ..Default::default() };
        self.contacts.connect_contact(connect).await?;
        let complete = pb::CompleteContactRequest { contact_id, ..Default::default() };
        let completed = self.contacts.complete_contact(complete).await?.into_inner();
        self.ledger.borrow_mut().completed(contact, completed.contact.as_ref(), completed.sequence);
        Ok(())
    }

    async fn create(&mut self, channel: &str) -> Result<(usize, pb::CreateContactResponse), Status> {
        let (contact, contact_id) = {
            let mut ledger = self.ledger.borrow_mut();
            let contact = ledger.open();
            (contact, ledger.id(contact))
        };
        let create = pb::CreateContactRequest {
            contact: Some(new_contact(contact_id, channel, scene::UNARY)),
            ..Default::default()
        };
        Ok((contact, self.contacts.create_contact(create).await?.into_inner()))
    }
}

/// A contact to be created.
pub fn new_contact(contact_id: String, channel: &str, queue: &str) -> pb::Contact {
    let mut contact = pb::Contact {
        contact_id,
        channel: channel.to_owned(),
        queue: queue.to_owned(),
        customer_id: "customer".to_owned(),
        ..Default::default()
    };
    contact.set_direction(pb::Direction::Inbound);
    contact
}
