//! An agent's desk: hears of offers and accepts them, or declines, or does not answer; wraps up; goes on breaks, signs
//! out, and loses its stream as the schedule says.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::Context;
use tonic::transport::Channel;
use tonic::{Code, Status, Streaming};
use usher_proto::v1 as pb;
use usher_proto::v1::agent_service_client::AgentServiceClient;
use usher_proto::v1::{
    agent_session_command::Command, agent_session_item::Item, event::Payload, watch_agent_response::Item as WatchItem,
};

use super::line::{Answer, DeskLine, FRAME, Reader, call_desk, desk_answer};
use super::meters::Latency;
use super::{Due, World};
use crate::books::{Entry, Fact, micros};
use crate::outbox::outbox;
use crate::scenario::chance::Chance;
use crate::scenario::schedule::Move;
use crate::scenario::{AgentGroup, Mode};

/// What a command asks, and of which contact.
#[derive(Clone, Copy, Debug)]
enum Step {
    Accept(u32),
    Decline,
    WrapUp,
    Presence,
}

/// An agent's desk.
pub struct Desk {
    number: u32,
    id: String,
    channel: Channel,
    world: Rc<World>,
    line: RefCell<Option<DeskLine>>,
    reader: RefCell<Option<Reader>>,
    /// Offers that are open, and their contacts.
    offers: RefCell<HashMap<String, u32>>,
    asked: RefCell<HashMap<u64, (Step, Instant)>>,
    commands: Cell<u64>,
    /// The last event heard, and the last before this stream, which may tell some again.
    heard: Cell<u64>,
    known: Cell<u64>,
    token: RefCell<String>,
    /// On a break or signed out, as far as the server was told.
    away: Cell<bool>,
}

enum Items {
    Stream(Streaming<pb::AgentServiceSessionResponse>),
    Unary(Streaming<pb::WatchAgentResponse>),
}

impl Desk {
    /// Opens its stream.
    ///
    /// # Errors
    /// When the server does not open it.
    pub async fn open(number: u32, channel: Channel, world: Rc<World>) -> anyhow::Result<Rc<Desk>> {
        let desk = Rc::new(Desk {
            number,
            id: world.plan.center.agents[number as usize].id.clone(),
            channel,
            world,
            line: RefCell::new(None),
            reader: RefCell::new(None),
            offers: RefCell::new(HashMap::new()),
            asked: RefCell::new(HashMap::new()),
            commands: Cell::new(1),
            heard: Cell::new(0),
            known: Cell::new(0),
            token: RefCell::new(String::new()),
            away: Cell::new(false),
        });
        desk.dial().await.with_context(|| format!("failed to open the stream of {}", desk.id))?;
        Ok(desk)
    }

    /// Ends its stream.
    pub fn close(self: &Rc<Self>) {
        self.lose();
    }

    /// Opens a stream, where the last one ended if there was one.
    async fn dial(self: &Rc<Self>) -> Result<(), Status> {
        self.known.set(self.heard.get());
        let token = self.token.borrow().clone();
        let mut opened = self.begin(token).await;
        if matches!(&opened, Err(status) if status.code() == Code::OutOfRange) {
            opened = self.begin(String::new()).await;
        }
        let (line, items) = opened?;
        *self.line.borrow_mut() = Some(line);
        let desk = self.clone();
        let task = tokio::task::spawn_local(async move {
            let ended = match items {
                Items::Stream(items) => desk.listen(items).await,
                Items::Unary(items) => desk.watch(items).await,
            };
            let why = ended.err().map_or_else(|| "the server ended it".to_owned(), |status| status.to_string());
            desk.world.broke(format!("the stream of {} is over: {why}", desk.id));
        });
        *self.reader.borrow_mut() = Some(Reader(task.abort_handle()));
        Ok(())
    }

    async fn begin(&self, resume_token: String) -> Result<(DeskLine, Items), Status> {
        let mut client = AgentServiceClient::new(self.channel.clone());
        let agent_id = self.id.clone();
        match self.world.plan.scenario.run.mode {
            Mode::Stream => {
                let (outbox, frames) = outbox(FRAME, |commands| pb::AgentServiceSessionRequest { commands });
                let open = pb::AgentSessionOpen { agent_id, resume_token, brief_replies: true, ..Default::default() };
                outbox.push(pb::AgentSessionCommand { correlation_id: 1, command: Some(Command::Open(open)) });
                let mut items = client.session(frames).await?.into_inner();
                // The first frame says that it is open, and shows what is there.
                items.message().await?;
                Ok((DeskLine::Stream(outbox), Items::Stream(items)))
            }
            Mode::Unary => {
                let watch = pb::WatchAgentRequest { agent_id, resume_token, ..Default::default() };
                let items = client.watch_agent(watch).await?.into_inner();
                Ok((DeskLine::Unary(client), Items::Unary(items)))
            }
        }
    }

    // ---- what it does

    /// Does what the schedule says.
    pub fn go(self: &Rc<Self>, what: Move) {
        let agent_id = self.id.clone();
        // Who is away is not free.
        self.world.freed.borrow_mut()[self.number as usize] = None;
        match what {
            Move::Break | Move::SignOut if self.line.borrow().is_none() || self.away.get() => {}
            Move::Return | Move::SignIn if !self.away.get() => {}
            Move::Break => {
                let reason = self.world.plan.center.break_reason.clone();
                let mut set = pb::SetPresenceRequest { agent_id, reason, ..Default::default() };
                set.set_presence(pb::Presence::NotReady);
                self.away.set(true);
                self.send(Step::Presence, Command::SetPresence(set));
            }
            Move::SignOut => {
                self.away.set(true);
                let sign_out = pb::SignOutRequest { agent_id, ..Default::default() };
                self.send(Step::Presence, Command::SignOut(sign_out));
            }
            Move::Return | Move::SignIn => {
                let mut sign_in = pb::SignInRequest { agent_id, ..Default::default() };
                sign_in.set_presence(pb::Presence::Available);
                if self.send(Step::Presence, Command::SignIn(sign_in)) {
                    self.away.set(false);
                }
            }
            Move::Lose => self.lose(),
            Move::Reopen => {
                let desk = self.clone();
                tokio::task::spawn_local(async move {
                    if let Err(status) = desk.dial().await {
                        return desk.world.broke(format!("failed to open the stream of {} again: {status}", desk.id));
                    }
                    if desk.away.get() {
                        desk.go(Move::Return);
                    }
                });
            }
        }
    }

    fn lose(&self) {
        *self.line.borrow_mut() = None;
        *self.reader.borrow_mut() = None;
        self.asked.borrow_mut().clear();
    }

    /// Answers an offer, if it is still open and the stream is there.
    pub fn answer(self: &Rc<Self>, offer_id: String, accept: bool) {
        let Some(contact) = self.offers.borrow().get(&offer_id).copied() else { return };
        let agent_id = self.id.clone();
        if accept {
            let accept = pb::AcceptOfferRequest { agent_id, offer_id, ..Default::default() };
            self.send(Step::Accept(contact), Command::AcceptOffer(accept));
        } else {
            let mut decline = pb::DeclineOfferRequest { agent_id, offer_id, ..Default::default() };
            decline.set_reason(pb::DeclineReason::Rejected);
            self.send(Step::Decline, Command::DeclineOffer(decline));
        }
    }

    /// The wrap-up of a contact is done.
    pub fn wrapped_up(self: &Rc<Self>, contact: u32) {
        let (agent_id, contact_id) = (self.id.clone(), self.world.id(contact));
        let complete = pb::CompleteWrapUpRequest { agent_id, contact_id, ..Default::default() };
        self.send(Step::WrapUp, Command::CompleteWrapUp(complete));
    }

    /// Sends a command; false when there is no stream to send it on.
    fn send(self: &Rc<Self>, step: Step, command: Command) -> bool {
        let now = Instant::now();
        match &*self.line.borrow() {
            None => return false,
            Some(DeskLine::Stream(outbox)) => {
                let correlation_id = self.commands.get() + 1;
                self.commands.set(correlation_id);
                self.asked.borrow_mut().insert(correlation_id, (step, now));
                outbox.push(pb::AgentSessionCommand { correlation_id, command: Some(command) });
            }
            Some(DeskLine::Unary(client)) => {
                let (client, desk) = (client.clone(), self.clone());
                tokio::task::spawn_local(async move {
                    let answer = call_desk(client, command).await;
                    desk.answered(step, now, answer);
                });
            }
        }
        true
    }

    // ---- what it hears

    async fn listen(self: &Rc<Self>, mut items: Streaming<pb::AgentServiceSessionResponse>) -> Result<(), Status> {
        while let Some(frame) = items.message().await? {
            for item in frame.items {
                match item.item {
                    Some(Item::Event(event)) => self.event(&event),
                    Some(Item::Reply(reply)) => {
                        let asked = self.asked.borrow_mut().remove(&reply.correlation_id);
                        if let Some((step, since)) = asked {
                            self.answered(step, since, desk_answer(reply.result));
                        }
                    }
                    _ => {}
                }
            }
            self.keep(frame.resume_token);
        }
        Ok(())
    }

    async fn watch(self: &Rc<Self>, mut items: Streaming<pb::WatchAgentResponse>) -> Result<(), Status> {
        while let Some(message) = items.message().await? {
            if let Some(WatchItem::Event(event)) = &message.item {
                self.event(event);
            }
            self.keep(message.resume_token);
        }
        Ok(())
    }

    fn keep(&self, token: String) {
        if !token.is_empty() {
            *self.token.borrow_mut() = token;
        }
    }

    fn event(self: &Rc<Self>, event: &pb::Event) {
        if event.sequence <= self.known.get() {
            return;
        }
        self.heard.set(self.heard.get().max(event.sequence));
        match &event.payload {
            Some(Payload::OfferIssued(issued)) => self.offered(event.sequence, issued),
            Some(Payload::OfferExpired(ended)) => self.forget(&ended.offer_id),
            Some(Payload::OfferCancelled(ended)) => self.forget(&ended.offer_id),
            Some(Payload::OfferRevoked(ended)) => self.forget(&ended.offer_id),
            Some(Payload::OfferRescinded(ended)) => self.forget(&ended.offer_id),
            Some(Payload::OfferFailed(ended)) => self.forget(&ended.offer_id),
            Some(Payload::OfferAccepted(ended)) => self.forget(&ended.offer_id),
            Some(Payload::OfferDeclined(ended)) => self.forget(&ended.offer_id),
            Some(Payload::LegWrapUpStarted(started)) => self.wrap_up(&started.contact_id),
            _ => {}
        }
    }

    fn group(&self) -> &AgentGroup {
        let plan = &self.world.plan;
        &plan.scenario.agent_groups[plan.center.agents[self.number as usize].group]
    }

    fn forget(&self, offer_id: &str) {
        self.offers.borrow_mut().remove(offer_id);
    }

    fn offered(self: &Rc<Self>, sequence: u64, issued: &pb::OfferIssued) {
        let Some(contact) = self.world.contact(&issued.contact_id) else { return };
        let wait = micros(issued.wait.as_ref());
        self.world.note(Entry { value: wait, ..Entry::new(sequence, contact, self.number, Fact::Heard) });
        self.world.heard(-1);
        self.measure(contact, issued.leg_number, wait);
        if issued.offer.as_ref().is_some_and(|offer| offer.auto_accept) {
            return;
        }
        self.offers.borrow_mut().insert(issued.offer_id.clone(), contact);
        let group = self.group();
        // What an agent does with an offer is decided by the contact and the turn alone, whenever it comes.
        let turn = u64::from(contact) << 16 | u64::from(issued.leg_number as u16);
        let mut chance = Chance::new(self.world.plan.scenario.run.seed, "answers", turn);
        let drawn = chance.unit();
        if drawn < group.no_answer {
            return;
        }
        let accept = drawn >= group.no_answer + group.decline;
        let delay = group.accept_delay.as_ref().map_or(0, |delay| delay.draw(&mut chance));
        let offer_id = issued.offer_id.clone();
        if delay == 0 {
            self.answer(offer_id, accept);
        } else {
            let at = Instant::now() + self.world.real(delay);
            self.world.timers.set(at, Due::Answer { agent: self.number, offer_id, accept });
        }
    }

    fn measure(&self, contact: u32, leg_number: i32, wait: u64) {
        let freed = self.world.freed.borrow_mut()[self.number as usize].take();
        let mut meters = self.world.meters.borrow_mut();
        meters.heard();
        if leg_number != 1 {
            return;
        }
        let sent = self.world.start.get() + self.world.live.borrow()[contact as usize].sent;
        if wait == 0 {
            meters.took(Latency::Offer, self.world.planned(self.world.plan.schedule.contacts[contact as usize].at));
            meters.took(Latency::OfferFromSend, sent);
        } else if let Some(freed) = freed.filter(|freed| sent + Duration::from_millis(1) < *freed) {
            meters.took(Latency::HandOver, freed);
        }
    }

    fn wrap_up(self: &Rc<Self>, contact_id: &str) {
        let Some(contact) = self.world.contact(contact_id) else { return };
        let Some(lasting) = &self.group().wrap_up else { return };
        let seed = self.world.plan.scenario.run.seed;
        let micros = lasting.draw(&mut Chance::new(seed, "wrap-up", u64::from(contact)));
        let at = Instant::now() + self.world.real(micros);
        self.world.timers.set(at, Due::WrappedUp { agent: self.number, contact });
    }

    fn answered(self: &Rc<Self>, step: Step, since: Instant, answer: Answer) {
        match (answer, step) {
            (Ok((_, sequence)), Step::Accept(contact)) => {
                self.world.note(Entry::new(sequence, contact, self.number, Fact::Told));
                self.world.meters.borrow_mut().took(Latency::Accept, since);
            }
            (Ok(_), _) => {}
            (Err(refusal), step) => {
                let verb = match step {
                    Step::Accept(_) => "Accept",
                    Step::Decline => "Decline",
                    Step::WrapUp => "WrapUp",
                    Step::Presence => "Presence",
                };
                self.world.refused(verb, &refusal);
            }
        }
    }
}
