//! A gateway and the customers behind it: one channel's, on one `ContactService.Session`. Customers come, wait as long
//! as they can, talk, are put on hold or passed on, and go; the gateway does what a telephony or chat server would.

use std::collections::HashMap;
use std::rc::Rc;

use anyhow::Context;
use tokio::sync::mpsc;
use tonic::Streaming;
use usher_proto::v1 as pb;
use usher_proto::v1::contact_service_client::ContactServiceClient;
use usher_proto::v1::{
    contact_session_command::Command as Verb, contact_session_item::Item, contact_session_reply::Result as Answer,
    event::Payload, transfer_contact_request::Target,
};

use crate::engine::id::Text;

use super::center::{Arrivals, Flow};
use super::chance::Chance;
use super::floor::{Agenda, Commands, Floor};

/// Mean seconds to bridge customer and agent, and chance that the media fails at it.
const BRIDGE: (f64, f64) = (1.5, 0.8);
const MEDIA_FAILS: f64 = 0.01;
/// Mean and standard deviation of a hold.
const HOLD: (f64, f64) = (35.0, 25.0);
/// Events the gateway acts on; the ledger has a stream of its own.
const EVENTS: [&str; 5] = ["contact_queued", "offer_accepted", "leg_connected", "contact_ended", "contact_closed"];

/// One customer.
struct Customer {
    flow: usize,
    chance: Chance,
    /// The queue entry he waits in, or last waited in.
    entry: i32,
    waits: bool,
    /// The leg that talks to him; 0 for none.
    leg: i32,
    /// Seconds he still has to talk when he is back from hold.
    left_to_say: f64,
    passed_on: bool,
}

/// What is done when its time has come.
enum Act {
    Arrive(usize),
    GiveUp(String, i32),
    Bridge(String),
    Hold(String, i32),
    Resume(String, i32),
    Finish(String, i32),
}

/// A gateway with its session open.
pub struct Gateway {
    floor: Rc<Floor>,
    id: String,
    channel: Text,
    /// Flows of its channel, with their number among all flows and how many have come.
    flows: Vec<(usize, Flow, usize)>,
    customers: HashMap<String, Customer>,
    commands: Commands<pb::ContactServiceSessionRequest>,
    agenda: Agenda<Act>,
    acts: mpsc::UnboundedReceiver<Act>,
    asked: u64,
}

impl Gateway {
    /// Opens the session of a channel's gateway.
    ///
    /// # Errors
    /// When the server refuses it.
    pub async fn open(
        floor: Rc<Floor>,
        channel: Text,
    ) -> anyhow::Result<(Gateway, Streaming<pb::ContactServiceSessionResponse>)> {
        let (commands, frames) = Commands::new();
        let id = format!("demo-{channel}");
        let open = pb::ContactSessionOpen {
            tenant: floor.tenant(),
            gateway_id: id.clone(),
            brief_replies: true,
            event_names: EVENTS.map(str::to_owned).to_vec(),
            ..pb::ContactSessionOpen::default()
        };
        let command = Some(Verb::Open(open));
        commands.send(pb::ContactServiceSessionRequest {
            commands: vec![pb::ContactSessionCommand { correlation_id: 0, command }],
        });
        let answers = ContactServiceClient::new(floor.door.clone()).session(frames).await;
        let answers = answers.with_context(|| format!("failed to open the session of {id}"))?.into_inner();
        let (agenda, acts) = Agenda::new(&floor);
        let flows = floor.center.flows.iter().enumerate().filter(|(_, flow)| flow.channel == channel);
        let flows = flows.map(|(number, flow)| (number, flow.clone(), 0)).collect();
        let customers = HashMap::new();
        Ok((Gateway { floor, id, channel, flows, customers, commands, agenda, acts, asked: 0 }, answers))
    }

    /// Runs until the server ends the session.
    pub async fn run(mut self, mut answers: Streaming<pb::ContactServiceSessionResponse>) {
        for (index, (number, flow, _)) in self.flows.iter().enumerate() {
            let (floor, mailbox) = (self.floor.clone(), self.agenda.mailbox());
            let arrivals = Arrivals::new(flow.clone(), floor.seed, *number);
            tokio::task::spawn_local(async move {
                for at in arrivals {
                    floor.until(at).await;
                    if mailbox.send(Act::Arrive(index)).is_err() {
                        return;
                    }
                }
            });
        }
        loop {
            tokio::select! {
                frame = answers.message() => match frame {
                    Ok(Some(frame)) => frame.items.into_iter().filter_map(|item| item.item).for_each(|item| self.hear(item)),
                    Ok(None) => return self.floor.stream_ended(&self.id, None),
                    Err(status) => return self.floor.stream_ended(&self.id, Some(status)),
                },
                Some(act) = self.acts.recv(), if !self.floor.is_closing() => self.act(act),
            }
        }
    }

    fn send(&mut self, verb: Verb) {
        if self.floor.is_closing() {
            return;
        }
        self.asked += 1;
        let command = pb::ContactSessionCommand { correlation_id: self.asked, command: Some(verb) };
        self.commands.send(pb::ContactServiceSessionRequest { commands: vec![command] });
    }

    fn hear(&mut self, item: Item) {
        match item {
            Item::Reply(pb::ContactSessionReply { result: Some(Answer::Error(error)), .. }) => {
                self.floor.refused(&self.id, &error);
            }
            Item::Event(pb::Event { payload: Some(payload), .. }) => self.event(payload),
            _ => {}
        }
    }

    fn event(&mut self, payload: Payload) {
        match payload {
            Payload::ContactQueued(queued) => self.waits(queued.contact_id, queued.entry_number),
            Payload::OfferAccepted(accepted) if accepted.after() == pb::ContactState::Assigned => {
                if let Some(customer) = self.customers.get_mut(&accepted.contact_id) {
                    let needs = customer.chance.lognormal(BRIDGE);
                    self.agenda.after(needs, Act::Bridge(accepted.contact_id));
                }
            }
            Payload::LegConnected(connected) => self.talks(connected.contact_id, connected.leg_number),
            Payload::ContactEnded(ended) => {
                if let Some(customer) = self.customers.get_mut(&ended.contact_id) {
                    (customer.waits, customer.leg) = (false, 0);
                }
            }
            Payload::ContactClosed(closed) => drop(self.customers.remove(&closed.contact_id)),
            _ => {}
        }
    }

    /// He begins to wait, and will not for ever.
    fn waits(&mut self, contact_id: String, entry: i32) {
        let Some(customer) = self.customers.get_mut(&contact_id) else { return };
        (customer.entry, customer.waits, customer.leg) = (entry, true, 0);
        let flow = &self.flows[customer.flow].1;
        if let Some(patience) = flow.habits.patience {
            let patience = customer.chance.exponential(patience);
            self.agenda.after(patience, Act::GiveUp(contact_id, entry));
        }
    }

    /// He is answered: some talk to the end, some are put on hold half way, a few are passed on.
    fn talks(&mut self, contact_id: String, leg: i32) {
        let Some(customer) = self.customers.get_mut(&contact_id) else { return };
        (customer.waits, customer.leg) = (false, leg);
        let habits = &self.flows[customer.flow].1.habits;
        let talk = customer.chance.lognormal(habits.talk);
        if customer.chance.happens(habits.hold) {
            customer.left_to_say = talk / 2.0;
            self.agenda.after(talk / 2.0, Act::Hold(contact_id, leg));
        } else {
            self.agenda.after(talk, Act::Finish(contact_id, leg));
        }
    }

    fn act(&mut self, act: Act) {
        match act {
            Act::Arrive(flow) => self.arrive(flow),
            Act::GiveUp(contact_id, entry) => {
                let gives_up = |customer: &Customer| customer.waits && customer.entry == entry;
                if self.customers.get(&contact_id).is_some_and(gives_up) {
                    let mut cancel = pb::CancelContactRequest { contact_id, ..Default::default() };
                    cancel.set_cause(pb::CancelCause::CustomerLeft);
                    self.send(Verb::CancelContact(cancel));
                }
            }
            Act::Bridge(contact_id) => self.bridge(contact_id),
            Act::Hold(contact_id, leg) => {
                if let Some(customer) = self.customers.get_mut(&contact_id).filter(|customer| customer.leg == leg) {
                    let holds = customer.chance.lognormal(HOLD);
                    self.agenda.after(holds, Act::Resume(contact_id.clone(), leg));
                    self.send(Verb::HoldContact(pb::HoldContactRequest { contact_id, ..Default::default() }));
                }
            }
            Act::Resume(contact_id, leg) => {
                if let Some(customer) = self.customers.get(&contact_id).filter(|customer| customer.leg == leg) {
                    self.agenda.after(customer.left_to_say, Act::Finish(contact_id.clone(), leg));
                    self.send(Verb::ResumeContact(pb::ResumeContactRequest { contact_id, ..Default::default() }));
                }
            }
            Act::Finish(contact_id, leg) => self.finish(contact_id, leg),
        }
    }

    fn arrive(&mut self, index: usize) {
        let (number, flow, come) = &mut self.flows[index];
        *come += 1;
        let contact_id = format!("{}-{}-{come}", self.channel, flow.queue);
        let chance = Chance::of_customer(self.floor.seed, *number, *come);
        let mut contact = pb::Contact {
            contact_id: contact_id.clone(),
            channel: self.channel.to_string(),
            queue: flow.queue.to_string(),
            ..pb::Contact::default()
        };
        contact.set_direction(pb::Direction::Inbound);
        let customer =
            Customer { flow: index, chance, entry: 0, waits: false, leg: 0, left_to_say: 0.0, passed_on: false };
        // A retry would carry the same id and be answered with the first reply.
        let request_id = contact_id.clone();
        self.customers.insert(contact_id, customer);
        let create = pb::CreateContactRequest { contact: Some(contact), request_id, ..Default::default() };
        self.send(Verb::CreateContact(create));
    }

    fn bridge(&mut self, contact_id: String) {
        let Some(customer) = self.customers.get_mut(&contact_id).filter(|customer| customer.waits) else { return };
        if customer.chance.happens(MEDIA_FAILS) {
            let mut requeue = pb::RequeueContactRequest { contact_id, ..Default::default() };
            requeue.set_cause(pb::RequeueCause::MediaFailed);
            self.send(Verb::RequeueContact(requeue));
        } else {
            self.send(Verb::ConnectContact(pb::ConnectContactRequest { contact_id, ..Default::default() }));
        }
    }

    fn finish(&mut self, contact_id: String, leg: i32) {
        let Some(customer) = self.customers.get_mut(&contact_id).filter(|customer| customer.leg == leg) else { return };
        let flow = &self.flows[customer.flow].1;
        let elsewhere = &flow.elsewhere;
        if !customer.passed_on && !elsewhere.is_empty() && customer.chance.happens(flow.habits.transfer) {
            customer.passed_on = true;
            let queue = elsewhere[customer.chance.below(elsewhere.len())].to_string();
            let target = Some(Target::Queue(queue));
            let transfer = pb::TransferContactRequest {
                contact_id,
                target,
                reason: "another_matter".to_owned(),
                ..pb::TransferContactRequest::default()
            };
            return self.send(Verb::TransferContact(transfer));
        }
        let dispositions = &self.floor.center.policy.dispositions;
        let disposition = match dispositions.len() {
            0 => String::new(),
            count => dispositions[customer.chance.below(count)].to_string(),
        };
        self.send(Verb::CompleteContact(pb::CompleteContactRequest { contact_id, disposition, ..Default::default() }));
    }
}
