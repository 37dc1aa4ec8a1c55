//! A gateway: creates contacts when they are planned, bridges them when an agent has accepted, ends them when their time
//! is over, and takes them back when the customer has no more patience.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::time::Instant;

use anyhow::Context;
use tonic::transport::Channel;
use tonic::{Status, Streaming};
use usher_proto::v1 as pb;
use usher_proto::v1::contact_service_client::ContactServiceClient;
use usher_proto::v1::{
    contact_session_command::Command, contact_session_item::Item, watch_contacts_response::Item as WatchItem,
};

use super::line::{Answer, FRAME, GateLine, Reader, call_gate, gate_answer};
use super::meters::Latency;
use super::{Due, Phase, World};
use crate::books::audit::Creation;
use crate::books::{EVENT_NAMES, Fact, NOBODY, said};
use crate::outbox::outbox;
use crate::scenario::Mode;
use crate::unary::new_contact;

/// What a command asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Create,
    Connect,
    Complete,
    Cancel,
}

/// A gateway.
pub struct Gateway {
    id: String,
    line: GateLine,
    world: Rc<World>,
    /// What was asked and not answered, by correlation id: of which contact, what, and when.
    asked: RefCell<HashMap<u64, (u32, Step, Instant)>>,
    commands: Cell<u64>,
    reader: OnceCell<Reader>,
}

impl Gateway {
    /// Opens its stream.
    ///
    /// # Errors
    /// When the server does not open it.
    pub async fn open(number: u32, channel: Channel, world: Rc<World>) -> anyhow::Result<Rc<Gateway>> {
        let id = format!("gateway-{number}");
        let client = ContactServiceClient::new(channel);
        let new = |line| {
            Rc::new(Gateway {
                id: id.clone(),
                line,
                world: world.clone(),
                asked: RefCell::new(HashMap::new()),
                commands: Cell::new(1),
                reader: OnceCell::new(),
            })
        };
        let (gateway, task) = match world.plan.scenario.run.mode {
            Mode::Stream => {
                let (outbox, frames) = outbox(FRAME, |commands| pb::ContactServiceSessionRequest { commands });
                let open = pb::ContactSessionOpen {
                    gateway_id: id.clone(),
                    brief_replies: true,
                    event_names: EVENT_NAMES.map(str::to_owned).to_vec(),
                    ..Default::default()
                };
                outbox.push(pb::ContactSessionCommand { correlation_id: 1, command: Some(Command::Open(open)) });
                let mut client = client;
                let items = client.session(frames).await.context("failed to open a gateway session")?.into_inner();
                let gateway = new(GateLine::Stream(outbox));
                let reader = gateway.clone();
                (gateway, tokio::task::spawn_local(async move { reader.over(reader.listen(items).await) }))
            }
            Mode::Unary => {
                let watch = pb::WatchContactsRequest { gateway_id: id.clone(), ..Default::default() };
                let watched = client.clone().watch_contacts(watch).await;
                let items = watched.context("failed to watch contacts")?.into_inner();
                let gateway = new(GateLine::Unary(client));
                let reader = gateway.clone();
                (gateway, tokio::task::spawn_local(async move { reader.over(reader.watch(items).await) }))
            }
        };
        // It is set once, here.
        let _ = gateway.reader.set(Reader(task.abort_handle()));
        Ok(gateway)
    }

    /// Ends its stream.
    pub fn close(&self) {
        if let Some(reader) = self.reader.get() {
            reader.0.abort();
        }
    }

    // ---- what it does

    /// Sends a new contact.
    pub fn create(self: &Rc<Self>, contact: u32) {
        let world = &self.world;
        let planned = world.plan.schedule.contacts[contact as usize];
        let center = &world.plan.center;
        let kind = &center.kinds[planned.kind as usize];
        let class = &world.plan.scenario.contact_classes[kind.class];
        world.open.set(world.open.get() + 1);
        world.unsent.set(world.unsent.get() - 1);
        world.live.borrow_mut()[contact as usize].sent = world.start.get().elapsed();
        world.enter(contact, Phase::Waiting);
        world.meters.borrow_mut().arrived();
        if planned.patience < u64::MAX {
            world.timers.set(world.planned(planned.at + planned.patience), Due::Patience(contact));
        }
        let contact = pb::Contact {
            gateway_id: self.id.clone(),
            priority: class.priority,
            requirements: class.requirements.clone(),
            ..new_contact(world.id(contact), &center.channels[kind.channel].id, &center.queues[kind.queue].id)
        };
        let number = world.contact(&contact.contact_id).unwrap_or(NOBODY);
        let create = pb::CreateContactRequest { contact: Some(contact), ..Default::default() };
        self.send(number, Step::Create, Command::CreateContact(create));
    }

    /// The customer's patience is over.
    pub fn impatient(self: &Rc<Self>, contact: u32) {
        self.world.live.borrow_mut()[contact as usize].impatient = true;
        self.maybe_leave(contact);
    }

    /// The conversation is over.
    pub fn complete(self: &Rc<Self>, contact: u32) {
        if self.world.phase(contact) != Phase::Talking {
            return;
        }
        let complete = pb::CompleteContactRequest { contact_id: self.world.id(contact), ..Default::default() };
        self.world.enter(contact, Phase::Leaving);
        self.world.free(contact);
        self.send(contact, Step::Complete, Command::CompleteContact(complete));
    }

    /// Takes a contact back whose customer has left, as soon as the server knows it.
    fn maybe_leave(self: &Rc<Self>, contact: u32) {
        let live = self.world.live.borrow()[contact as usize];
        if !live.impatient || live.phase != Phase::Waiting || live.creation != Creation::Done {
            return;
        }
        self.world.enter(contact, Phase::Leaving);
        let mut cancel = pb::CancelContactRequest { contact_id: self.world.id(contact), ..Default::default() };
        cancel.set_cause(pb::CancelCause::CustomerLeft);
        self.send(contact, Step::Cancel, Command::CancelContact(cancel));
    }

    fn send(self: &Rc<Self>, contact: u32, step: Step, command: Command) {
        let now = Instant::now();
        match &self.line {
            GateLine::Stream(outbox) => {
                // 1 opened the session.
                let correlation_id = self.commands.get() + 1;
                self.commands.set(correlation_id);
                self.asked.borrow_mut().insert(correlation_id, (contact, step, now));
                outbox.push(pb::ContactSessionCommand { correlation_id, command: Some(command) });
            }
            GateLine::Unary(client) => {
                let (client, gateway) = (client.clone(), self.clone());
                tokio::task::spawn_local(async move {
                    let answer = call_gate(client, command).await;
                    gateway.answered(contact, step, now, answer);
                });
            }
        }
    }

    // ---- what it hears

    async fn listen(self: &Rc<Self>, mut items: Streaming<pb::ContactServiceSessionResponse>) -> Result<(), Status> {
        while let Some(frame) = items.message().await? {
            for item in frame.items {
                match item.item {
                    Some(Item::Event(event)) => self.event(&event),
                    Some(Item::Reply(reply)) => {
                        let asked = self.asked.borrow_mut().remove(&reply.correlation_id);
                        if let Some((contact, step, since)) = asked {
                            self.answered(contact, step, since, gate_answer(reply.result));
                        } else if let Err(refusal) = gate_answer(reply.result) {
                            self.world.broke(format!("{} was refused: {}", self.id, refusal.message));
                        }
                    }
                    _ => {}
                }
            }
        }
        Ok(())
    }

    async fn watch(self: &Rc<Self>, mut items: Streaming<pb::WatchContactsResponse>) -> Result<(), Status> {
        while let Some(message) = items.message().await? {
            if let Some(WatchItem::Event(event)) = message.item {
                self.event(&event);
            }
        }
        Ok(())
    }

    fn over(&self, ended: Result<(), Status>) {
        let why = ended.err().map_or_else(|| "the server ended it".to_owned(), |status| status.to_string());
        self.world.broke(format!("the stream of {} is over: {why}", self.id));
    }

    fn event(self: &Rc<Self>, event: &pb::Event) {
        let Some(said) = said(event) else { return };
        let Some(contact) = self.world.contact(said.contact_id) else { return };
        let center = &self.world.plan.center;
        let mut entry = said.entry;
        entry.contact = contact;
        entry.agent = match entry.fact {
            Fact::Queued => {
                let queue = center.queues.iter().position(|queue| queue.id == said.queue);
                queue.map_or(NOBODY, |queue| queue as u32)
            }
            _ => center.agent_numbers.get(said.agent_id).copied().unwrap_or(NOBODY),
        };
        self.world.note(entry);
        match entry.fact {
            Fact::Offered => self.world.heard(1),
            Fact::Accepted => self.bridge(contact, entry.agent),
            Fact::Connected => self.talk(contact),
            Fact::LegEnded => self.back(contact),
            Fact::Closed => self.world.enter(contact, Phase::Over),
            _ => {}
        }
    }

    /// An agent has it: customer and agent are bridged at once, where that is the gateway's to say.
    fn bridge(self: &Rc<Self>, contact: u32, agent: u32) {
        self.world.live.borrow_mut()[contact as usize].holder = agent;
        let kind = self.world.plan.schedule.contacts[contact as usize].kind as usize;
        let center = &self.world.plan.center;
        if !center.channels[center.kinds[kind].channel].explicit || self.world.phase(contact) != Phase::Waiting {
            return;
        }
        self.world.enter(contact, Phase::Connecting);
        let connect = pb::ConnectContactRequest { contact_id: self.world.id(contact), ..Default::default() };
        self.send(contact, Step::Connect, Command::ConnectContact(connect));
    }

    fn talk(&self, contact: u32) {
        if !matches!(self.world.phase(contact), Phase::Waiting | Phase::Connecting) {
            return;
        }
        self.world.enter(contact, Phase::Talking);
        let handle = self.world.plan.schedule.contacts[contact as usize].handle;
        self.world.timers.set(Instant::now() + self.world.real(handle), Due::Handled(contact));
    }

    /// A leg ended before it was connected: the contact waits again.
    fn back(self: &Rc<Self>, contact: u32) {
        if self.world.phase(contact) == Phase::Connecting {
            self.world.enter(contact, Phase::Waiting);
            self.maybe_leave(contact);
        }
    }

    fn answered(self: &Rc<Self>, contact: u32, step: Step, since: Instant, answer: Answer) {
        match (&answer, step) {
            (Ok((about, _)), _) => {
                let id = about.as_ref().map_or("", |about| &about.contact_id);
                if self.world.contact(id) != Some(contact) {
                    self.world.broke(format!("{step:?} of contact {contact} was answered with {about:?}"));
                }
                self.took(contact, step, since);
            }
            (Err(refusal), _) => self.world.refused(&format!("{step:?}"), refusal),
        }
        match (answer, step) {
            (Ok(_), Step::Create) => {
                self.world.live.borrow_mut()[contact as usize].creation = Creation::Done;
                self.maybe_leave(contact);
            }
            (Err(_), Step::Create) => {
                self.world.live.borrow_mut()[contact as usize].creation = Creation::Refused;
                self.world.enter(contact, Phase::Over);
            }
            (Err(_), Step::Connect) => self.back(contact),
            _ => {}
        }
    }

    fn took(&self, contact: u32, step: Step, since: Instant) {
        let mut meters = self.world.meters.borrow_mut();
        match step {
            Step::Create => {
                let planned = self.world.planned(self.world.plan.schedule.contacts[contact as usize].at);
                meters.took(Latency::Create, planned);
                meters.took(Latency::CreateFromSend, since);
            }
            Step::Connect => meters.took(Latency::Connect, since),
            Step::Complete => meters.took(Latency::Complete, since),
            Step::Cancel => meters.took(Latency::Cancel, since),
        }
    }
}
