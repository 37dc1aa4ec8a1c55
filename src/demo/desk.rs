//! An agent at a desktop, on one `AgentService.Session`: signs in, takes offers after a moment, declines some, misses a
//! few, wraps up, takes breaks. A program takes everything at once and never rests.

use std::rc::Rc;
use std::sync::Arc;

use anyhow::Context;
use tokio::sync::mpsc;
use tonic::Streaming;
use usher_proto::v1 as pb;
use usher_proto::v1::agent_service_client::AgentServiceClient;
use usher_proto::v1::{
    agent_session_command::Command as Verb, agent_session_item::Item, agent_session_reply::Result as Answer,
    event::Payload,
};

use crate::engine::agent::{AgentProfile, AgentType};

use super::center::{MANUAL_WRAP_UP, wrap_up};
use super::chance::Chance;
use super::floor::{Agenda, Commands, Floor};

/// Chances that an offer is declined, and that nobody is there to answer it.
const DECLINES: f64 = 0.04;
const MISSES: f64 = 0.015;
/// Mean seconds between breaks, and mean and standard deviation of a break.
const WORKS: f64 = 5_400.0;
const RESTS: (f64, f64) = (420.0, 240.0);
/// Mean and standard deviation of the time until an agent notices that he is NOT_RESPONDING.
const NOTICES: (f64, f64) = (25.0, 10.0);
/// How long a program thinks.
const THINKS: f64 = 0.2;

/// What is done when its time has come.
enum Act {
    Accept(String),
    Decline(String),
    WrapUp(String),
    Rest,
    Return,
    Notice,
}

/// An agent with his session open.
pub struct Desk {
    floor: Rc<Floor>,
    agent: Arc<AgentProfile>,
    chance: Chance,
    commands: Commands<pb::AgentServiceSessionRequest>,
    agenda: Agenda<Act>,
    acts: mpsc::UnboundedReceiver<Act>,
    asked: u64,
    resting: bool,
}

impl Desk {
    /// Opens the session of an agent and signs him in.
    ///
    /// # Errors
    /// When the server refuses it.
    pub async fn open(
        floor: Rc<Floor>,
        number: usize,
    ) -> anyhow::Result<(Desk, Streaming<pb::AgentServiceSessionResponse>)> {
        let agent = floor.center.agents[number].clone();
        let (commands, frames) = Commands::new();
        let open = pb::AgentSessionOpen {
            tenant: floor.tenant(),
            agent_id: agent.agent_id.to_string(),
            brief_replies: true,
            ..pb::AgentSessionOpen::default()
        };
        let command = Some(Verb::Open(open));
        commands.send(pb::AgentServiceSessionRequest {
            commands: vec![pb::AgentSessionCommand { correlation_id: 0, command }],
        });
        let answers = AgentServiceClient::new(floor.door.clone()).session(frames).await;
        let answers =
            answers.with_context(|| format!("failed to open the session of {}", agent.agent_id))?.into_inner();
        let (agenda, acts) = Agenda::new(&floor);
        let chance = Chance::of_agent(floor.seed, number);
        let mut desk = Desk { floor, agent, chance, commands, agenda, acts, asked: 0, resting: false };
        let mut sign_in = pb::SignInRequest::default();
        sign_in.set_presence(pb::Presence::Available);
        desk.send(Verb::SignIn(sign_in));
        if desk.is_human() {
            let works = desk.chance.exponential(WORKS);
            desk.agenda.after(works, Act::Rest);
        }
        Ok((desk, answers))
    }

    /// Runs until the server ends the session.
    pub async fn run(mut self, mut answers: Streaming<pb::AgentServiceSessionResponse>) {
        let whose = self.agent.agent_id.clone();
        loop {
            tokio::select! {
                frame = answers.message() => match frame {
                    Ok(Some(frame)) => frame.items.into_iter().filter_map(|item| item.item).for_each(|item| self.hear(item)),
                    Ok(None) => return self.floor.stream_ended(&whose, None),
                    Err(status) => return self.floor.stream_ended(&whose, Some(status)),
                },
                Some(act) = self.acts.recv(), if !self.floor.is_closing() => self.act(act),
            }
        }
    }

    fn is_human(&self) -> bool {
        self.agent.agent_type == AgentType::Human
    }

    fn send(&mut self, verb: Verb) {
        if self.floor.is_closing() {
            return;
        }
        self.asked += 1;
        let command = pb::AgentSessionCommand { correlation_id: self.asked, command: Some(verb) };
        self.commands.send(pb::AgentServiceSessionRequest { commands: vec![command] });
    }

    fn hear(&mut self, item: Item) {
        match item {
            Item::Reply(pb::AgentSessionReply { result: Some(Answer::Error(error)), .. }) => {
                self.floor.refused(&self.agent.agent_id, &error);
            }
            Item::Event(pb::Event { payload: Some(payload), .. }) => self.event(payload),
            _ => {}
        }
    }

    fn event(&mut self, payload: Payload) {
        match payload {
            Payload::OfferIssued(issued) => self.rings(issued),
            Payload::LegWrapUpStarted(leg) => {
                let queue = self.floor.center.policy.queues.iter().find(|queue| *queue.id == *leg.queue);
                // A timed wrap-up is often done early, and ends by itself where it is not.
                let mean = queue.map_or(MANUAL_WRAP_UP, wrap_up);
                let needs = self.chance.lognormal((mean.max(1.0), mean.max(1.0) / 2.0));
                self.agenda.after(needs, Act::WrapUp(leg.contact_id));
            }
            Payload::AgentNotResponding(_) => {
                let notices = self.chance.lognormal(NOTICES);
                self.agenda.after(notices, Act::Notice);
            }
            Payload::AgentRoutingChanged(changed) => {
                self.floor.ledger.borrow_mut().agent(&self.agent.agent_id, changed.after());
            }
            _ => {}
        }
    }

    /// An offer rings. Nobody need answer one that the server accepts for him.
    fn rings(&mut self, issued: pb::OfferIssued) {
        if issued.offer.as_ref().is_some_and(|offer| offer.auto_accept) {
            return;
        }
        if !self.is_human() {
            return self.agenda.after(THINKS, Act::Accept(issued.offer_id));
        }
        let flow = self.floor.center.flows.iter().find(|flow| *flow.channel == *issued.channel);
        let takes = self.chance.lognormal(flow.map_or((5.0, 3.0), |flow| flow.habits.accept));
        let mood = self.chance.unit();
        if mood < DECLINES {
            self.agenda.after(takes, Act::Decline(issued.offer_id));
        } else if mood >= DECLINES + MISSES {
            self.agenda.after(takes, Act::Accept(issued.offer_id));
        }
    }

    fn act(&mut self, act: Act) {
        match act {
            Act::Accept(offer_id) => {
                self.send(Verb::AcceptOffer(pb::AcceptOfferRequest { offer_id, ..Default::default() }));
            }
            Act::Decline(offer_id) => {
                let mut decline = pb::DeclineOfferRequest { offer_id, ..Default::default() };
                decline.set_reason(pb::DeclineReason::Busy);
                self.send(Verb::DeclineOffer(decline));
            }
            Act::WrapUp(contact_id) => {
                let resolved = Some(self.chance.happens(0.8));
                let complete = pb::CompleteWrapUpRequest { contact_id, resolved, ..Default::default() };
                self.send(Verb::CompleteWrapUp(complete));
            }
            Act::Rest => {
                self.resting = true;
                let reasons = &self.floor.center.policy.not_ready_reasons;
                let reason = match reasons.len() {
                    0 => "break".to_owned(),
                    count => reasons[self.chance.below(count)].to_string(),
                };
                let rests = self.chance.lognormal(RESTS);
                self.presence(pb::Presence::NotReady, reason);
                self.agenda.after(rests, Act::Return);
            }
            Act::Return => {
                self.resting = false;
                self.presence(pb::Presence::Available, String::new());
                let works = self.chance.exponential(WORKS);
                self.agenda.after(works, Act::Rest);
            }
            Act::Notice if self.resting => {}
            Act::Notice => self.presence(pb::Presence::Available, String::new()),
        }
    }

    fn presence(&mut self, presence: pb::Presence, reason: String) {
        let mut set = pb::SetPresenceRequest { reason, ..Default::default() };
        set.set_presence(presence);
        self.send(Verb::SetPresence(set));
    }
}
