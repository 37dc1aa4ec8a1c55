//! A center in virtual time: an engine whose events go into the view and the metrics, as in a server.

#![allow(dead_code, reason = "each test uses a part of it")]

pub mod day;

use std::sync::Arc;

use usher::engine::Engine;
use usher::engine::agent::{AgentProfile, Presence};
use usher::engine::command::{Command, NewContact, TransferTarget};
use usher::engine::contact::{CancelCause, ContactProfile, Customer, Direction};
use usher::engine::event::Recorded;
use usher::engine::id::{LegId, Text};
use usher::engine::policy::{Channel, Membership, Policy, Queue, Team, WrapUp};
use usher::engine::time::{Span, Time};
use usher::telemetry::{Fold, Telemetry};
use usher::view::{View, Views};

/// The tenant.
pub const TENANT: &str = "acme";

/// A team that serves some queues.
pub fn team(id: &str, queues: &[&str]) -> Team {
    let queues = queues.iter().map(|queue| Membership::new((*queue).into(), 1)).collect();
    Team { id: id.into(), display_name: id.into(), queues, ..Team::default() }
}

/// An agent of a team.
pub fn agent(id: &str, team: &str) -> Arc<AgentProfile> {
    Arc::new(AgentProfile {
        agent_id: id.into(),
        display_name: id.into(),
        team: Some(team.into()),
        capacity: 100,
        managed_by_config: true,
        ..AgentProfile::default()
    })
}

/// A queue whose wrap-up ends by hand.
pub fn queue(id: &str) -> Queue {
    Queue { wrap_up: WrapUp::Manual(Span::from_secs(3_600)), ..Queue::named(id.into()) }
}

/// A policy of these, with channels for all.
pub fn policy(queues: Vec<Queue>, teams: Vec<Team>, agents: Vec<Arc<AgentProfile>>) -> Policy {
    let channel = |id: &str| Channel { rona: 0, ..Channel::named(id.into()) };
    Policy {
        tenant: TENANT.into(),
        time_zone: "UTC".into(),
        channels: ["voice", "chat", "email", "sms", "task"].map(channel).into(),
        queues,
        teams,
        agents,
        ..Policy::default()
    }
}

/// The center.
pub struct Center {
    /// The engine.
    pub engine: Engine,
    /// The view.
    pub views: Arc<Views>,
    /// The tenant's.
    pub view: Arc<View>,
    /// The metrics.
    pub telemetry: Arc<Telemetry>,
    /// Now.
    pub now: Time,
    /// Every event so far.
    pub log: Vec<Recorded>,
    fold: Fold,
    events: Vec<Recorded>,
}

impl Center {
    /// Opens at an instant under a policy.
    pub fn open(now: Time, policy: Policy) -> Center {
        let views = Arc::new(Views::default());
        let view = views.open(&TENANT.into());
        let telemetry = Arc::new(Telemetry::new([Span::from_secs(20)]));
        let fold = telemetry.fold(&TENANT.into());
        let (log, events) = (Vec::new(), Vec::new());
        let mut center = Center { engine: Engine::new(1), views, view, telemetry, now, log, fold, events };
        center.ask(Command::apply(policy));
        center
    }

    /// Carries a command out.
    #[track_caller]
    pub fn ask(&mut self, command: Command) {
        let text = format!("{command:?}");
        self.engine.apply(self.now, &command.into(), &mut self.events).expect(&text);
        self.tell();
    }

    fn tell(&mut self) {
        self.fold.take(self.events.iter());
        self.events.iter().for_each(|event| self.view.take(event));
        self.log.append(&mut self.events);
    }

    /// Lets time pass; what falls due on the way does so at its own instant.
    pub fn wait(&mut self, seconds: u64) {
        self.until(self.now + Span::from_secs(seconds));
    }

    /// Lets time pass up to an instant.
    pub fn until(&mut self, until: Time) {
        while let Some(next) = self.engine.next_deadline().filter(|next| *next <= until) {
            self.now = self.now.max(next);
            while self.engine.fire_due(self.now, 64, &mut self.events) {}
        }
        self.now = self.now.max(until);
        self.tell();
    }

    /// An INBOUND contact by voice.
    pub fn call(&mut self, id: &str, queue: &str) {
        self.contact(id, queue, "voice");
    }

    /// An INBOUND contact.
    pub fn contact(&mut self, id: &str, queue: &str, channel: &str) {
        self.create(id, queue, ContactProfile { channel: channel.into(), ..ContactProfile::default() });
    }

    /// A contact by voice of a customer; empty for one nobody knows.
    pub fn contact_of(&mut self, id: &str, queue: &str, direction: Direction, customer: &str) {
        let known = Customer { customer_id: customer.into(), ..Customer::default() };
        let customer = (!customer.is_empty()).then(|| Arc::new(known));
        self.create(
            id,
            queue,
            ContactProfile { channel: "voice".into(), direction, customer, ..ContactProfile::default() },
        );
    }

    fn create(&mut self, id: &str, queue: &str, profile: ContactProfile) {
        let profile = ContactProfile { contact_id: id.into(), ..profile };
        let new = NewContact { profile: Arc::new(profile), queue: queue.into(), ..NewContact::default() };
        self.ask(Command::CreateContact(Arc::new(new)));
    }

    /// Signs an agent in, AVAILABLE or not.
    pub fn sign_in(&mut self, agent_id: &str, ready: bool) {
        let presence = if ready { Presence::Available } else { Presence::NotReady("".into()) };
        self.ask(Command::SignIn { agent_id: agent_id.into(), presence, lease: Some(Span::ZERO) });
    }

    /// Sets a presence.
    pub fn presence(&mut self, agent_id: &str, presence: Presence) {
        self.ask(Command::SetPresence { agent_id: agent_id.into(), presence });
    }

    /// AVAILABLE.
    pub fn ready(&mut self, agent_id: &str) {
        self.presence(agent_id, Presence::Available);
    }

    /// NOT_READY without a reason.
    pub fn rest(&mut self, agent_id: &str) {
        self.presence(agent_id, Presence::NotReady("".into()));
    }

    /// The offer open to an agent.
    #[track_caller]
    pub fn offer(&self, agent_id: &str) -> LegId {
        let view = self.engine.state().agent_view(self.now, agent_id).expect(agent_id);
        view.legs.first().expect("an offer is open").leg
    }

    /// He takes the offer, and the contact is connected.
    #[track_caller]
    pub fn answer(&mut self, agent_id: &str, contact_id: &str) {
        let offer = self.offer(agent_id);
        self.ask(Command::AcceptOffer { agent_id: agent_id.into(), offer });
        self.ask(Command::ConnectContact { contact_id: contact_id.into() });
    }

    /// The conversation ends.
    pub fn complete(&mut self, contact_id: &str) {
        self.ask(Command::CompleteContact { contact_id: contact_id.into(), disposition: Text::default() });
    }

    /// The customer leaves.
    pub fn leave(&mut self, contact_id: &str) {
        self.ask(Command::CancelContact { contact_id: contact_id.into(), cause: CancelCause::CustomerLeft });
    }

    /// The conversation goes on in another queue.
    pub fn transfer(&mut self, contact_id: &str, queue: &str) {
        let (target, requirement) = (TransferTarget::Queue(queue.into()), None);
        self.ask(Command::TransferContact {
            contact_id: contact_id.into(),
            target,
            requirement,
            reason: Text::default(),
        });
    }

    /// An agent ends his wrap-up.
    pub fn wrapped(&mut self, agent_id: &str, contact_id: &str, resolved: Option<bool>) {
        self.ask(Command::CompleteWrapUp {
            agent_id: agent_id.into(),
            contact_id: contact_id.into(),
            disposition: Text::default(),
            resolved,
        });
    }
}
