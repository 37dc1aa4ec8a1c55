//! Carries a tape out: moves time, fires what is due, resolves each step, and shows every batch to a witness.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use usher::engine::command::{Command, ContactChange, MoveWhich, NewContact, Request, RequestStamp, TransferTarget};
use usher::engine::contact::{ContactProfile, ContactState, LegState};
use usher::engine::event::{Event, Recorded};
use usher::engine::id::{AgentId, LegId, Text};
use usher::engine::reject::Reject;
use usher::engine::requirement::{Requirement, Value};
use usher::engine::state::State;
use usher::engine::time::{Span, Time};
use usher::engine::{Engine, Reply};

use super::op::{Create, Jump, OfferPick, Op, Pick, Step, Tape, Verb};
use super::world::{SKILLS, World, agent_id, channel_id, contact_attributes, queue_id};

/// What one call of the engine did.
pub struct Batch<'a> {
    pub now: Time,
    /// The command and its answer; none when deadlines were fired.
    pub command: Option<(&'a Request, &'a Result<Reply, Reject>)>,
    pub events: &'a [Recorded],
    /// Whether nothing is due any more.
    pub quiet: bool,
}

/// Looks at every batch.
pub trait Witness {
    /// Sees one batch, with the state after it. An error fails the tape.
    fn see(&mut self, state: &State, batch: &Batch<'_>) -> Result<(), String>;
}

/// Sees nothing.
impl Witness for () {
    fn see(&mut self, _: &State, _: &Batch<'_>) -> Result<(), String> {
        Ok(())
    }
}

/// A tape being carried out.
pub struct Run<'a> {
    pub engine: Engine,
    pub now: Time,
    /// All that was recorded.
    pub recorded: Vec<Recorded>,
    /// The answers, in order.
    pub replies: Vec<Result<Reply, Reject>>,
    world: &'a World,
    offers: Vec<(LegId, AgentId)>,
    sent: Vec<Request>,
}

pub const START: Time = Time(1_700_000_000_000_000);

impl<'a> Run<'a> {
    pub fn new(tape: &'a Tape) -> Run<'a> {
        Run {
            engine: Engine::new(tape.seed),
            now: START,
            recorded: Vec::new(),
            replies: Vec::new(),
            world: &tape.world,
            offers: Vec::new(),
            sent: Vec::new(),
        }
    }

    /// Carries out a whole tape.
    pub fn tape(tape: &'a Tape, witness: &mut dyn Witness) -> Result<Run<'a>, String> {
        let mut run = Run::new(tape);
        for step in &tape.steps {
            run.step(step, witness)?;
        }
        Ok(run)
    }

    /// The same run from here on with another engine.
    pub fn fork(&self, engine: Engine) -> Run<'a> {
        let (offers, sent) = (self.offers.clone(), self.sent.clone());
        Run { engine, now: self.now, recorded: Vec::new(), replies: Vec::new(), world: self.world, offers, sent }
    }

    /// Moves time and carries out one step.
    pub fn step(&mut self, step: &Step, witness: &mut dyn Witness) -> Result<(), String> {
        match step.jump {
            Jump::Stay => self.move_to(self.now, witness)?,
            Jump::Deadline => {
                let next = self.engine.next_deadline().filter(|&at| at < self.now + Span::from_secs(3_600));
                self.move_to(next.map_or(self.now, |at| at.max(self.now)), witness)?;
            }
            Jump::Walk(span) => {
                let until = self.now + span;
                while let Some(at) = self.engine.next_deadline().filter(|&at| at < until) {
                    self.move_to(at.max(self.now), witness)?;
                }
                self.move_to(until, witness)?;
            }
            Jump::Leap(span) => self.move_to(self.now + span, witness)?,
        }
        let Some(request) = self.request(step) else { return Ok(()) };
        let from = self.recorded.len();
        let reply = self.engine.apply(self.now, &request, &mut self.recorded);
        self.note(from);
        if reply.is_err() && self.recorded.len() > from {
            return Err(format!("{:?} was refused with {reply:?}, but something was recorded", request.command));
        }
        let (now, events) = (self.now, &self.recorded[from..]);
        let batch = Batch { now, command: Some((&request, &reply)), events, quiet: true };
        witness.see(self.engine.state(), &batch)?;
        self.replies.push(reply);
        if request.stamp.is_some() {
            self.sent.push(request);
        }
        Ok(())
    }

    /// Fires what is due at an instant, one deadline at a time, and shows each.
    fn move_to(&mut self, now: Time, witness: &mut dyn Witness) -> Result<(), String> {
        self.now = now;
        for _ in 0..10_000 {
            let from = self.recorded.len();
            let more = self.engine.fire_due(now, 1, &mut self.recorded);
            self.note(from);
            let batch = Batch { now, command: None, events: &self.recorded[from..], quiet: !more };
            witness.see(self.engine.state(), &batch)?;
            if !more {
                return Ok(());
            }
        }
        Err("deadlines fire for ever".into())
    }

    fn note(&mut self, from: usize) {
        for recorded in &self.recorded[from..] {
            if let Event::OfferIssued { leg, agent, .. } = recorded.event {
                self.offers.push((leg, agent));
            }
        }
    }

    /// The request a step means in this state; none when there is nothing to repeat.
    fn request(&self, step: &Step) -> Option<Request> {
        if let Op::Repeat(nth) = step.op {
            return self.sent.iter().rev().nth(nth).cloned();
        }
        let command = self.command(&step.op);
        let stamp = step.stamp.map(|id| {
            let digest = digest(&format!("{command:?}"));
            Arc::new(RequestStamp { method: 1, request_id: format!("r{id}").into(), digest })
        });
        Some(Request { stamp, command })
    }

    fn command(&self, op: &Op) -> Command {
        match op {
            Op::Apply(at) => Command::apply(self.world.policies[*at].clone()),
            Op::Upsert(at) => Command::UpsertAgent { profile: self.world.profiles[*at].clone() },
            Op::Delete(at) => Command::DeleteAgent { agent_id: agent_id(*at) },
            Op::SignIn { agent, presence, lease } => Command::SignIn {
                agent_id: agent_id(*agent),
                presence: presence.clone(),
                lease: lease.map(Span::from_secs),
            },
            Op::SignOut { agent, force } => Command::SignOut { agent_id: agent_id(*agent), force: *force },
            Op::Presence { agent, presence } => {
                Command::SetPresence { agent_id: agent_id(*agent), presence: presence.clone() }
            }
            Op::Heartbeat(at) => Command::Heartbeat { agent_id: agent_id(*at) },
            Op::OpenSession(at) => Command::OpenAgentSession { agent_id: agent_id(*at) },
            Op::CloseSession(at) => Command::CloseAgentSession { agent_id: agent_id(*at) },
            Op::Create(create) => self.create(create),
            Op::To(pick, verb) => self.verb(self.contact(*pick), verb),
            Op::Accept(pick) => {
                let (agent_id, offer) = self.offer(*pick);
                Command::AcceptOffer { agent_id, offer }
            }
            Op::Decline(pick, reason, retry) => {
                let (agent_id, offer) = self.offer(*pick);
                Command::DeclineOffer { agent_id, offer, reason: *reason, retry_time: retry.map(Span::from_secs) }
            }
            Op::FailOffer(pick) => {
                let (agent_id, offer) = self.offer(*pick);
                Command::FailOffer { agent_id, offer }
            }
            Op::WrapUp { wrapping, nth, disposition } => self.wrap_up(*wrapping, *nth, disposition),
            Op::OpenGateway(at, lease) => {
                Command::OpenGatewaySession { gateway_id: gateway_id(*at), lease: Span::from_secs(*lease) }
            }
            Op::RenewGateway(at) => Command::RenewGatewaySession { gateway_id: gateway_id(*at) },
            Op::CloseGateway(at) => Command::CloseGatewaySession { gateway_id: gateway_id(*at) },
            Op::Skills { agent, skill, level, secs } => Command::SetAgentSkills {
                agent_id: agent_id(*agent),
                skills: vec![(SKILLS[*skill].into(), *level)],
                until: secs.map(|secs| self.now + Span::from_secs(secs)),
            },
            Op::SetOpen { queue, open, secs } => {
                let until = secs.map(|secs| self.now + Span::from_secs(secs));
                Command::SetQueueOpen { queue: queue_id(*queue), open: *open, until }
            }
            Op::Move { from, to, limit } => Command::MoveContacts {
                to: queue_id(*to),
                which: match from {
                    Ok(from) => MoveWhich::Waiting { from: queue_id(*from), channel: Text::default(), limit: *limit },
                    Err(picks) => MoveWhich::Named(picks.iter().map(|pick| self.contact(*pick)).collect()),
                },
            },
            Op::Repeat(_) => unreachable!("a repeat is a request of its own"),
        }
    }

    fn create(&self, create: &Create) -> Command {
        let (queue, agent) = match create.queue {
            Ok(queue) => (queue_id(queue), Text::default()),
            Err(agent) => (Text::default(), agent_id(agent)),
        };
        let queue = if create.unnamed { Text::default() } else { queue };
        let after = |secs: u64| self.now + Span::from_secs(secs);
        let profile = ContactProfile {
            contact_id: format!("c{}", create.id).into(),
            gateway_id: create.gateway.map_or_else(Text::default, gateway_id),
            direction: create.direction,
            channel: channel_id(create.channel),
            attributes: contact_attributes(create.attributes),
            preferred_agent_id: create.preferred.map_or_else(Text::default, agent_id),
            ..ContactProfile::default()
        };
        Command::CreateContact(Arc::new(NewContact {
            profile: Arc::new(profile),
            digest: digest(&format!("{create:?}")),
            queue,
            agent_id: agent,
            priority: create.priority,
            requirement: create.requirement.map(|at| self.requirement(at)),
            age_credit: Span::from_secs(create.credit),
            arrival: create.arrived.map(|secs| self.now - Span::from_secs(secs)),
            schedule: create.schedule.map(after),
            expire: create.expire.map(after),
        }))
    }

    fn requirement(&self, at: usize) -> Arc<Requirement> {
        self.world.requirements[at].clone()
    }

    fn verb(&self, contact_id: Text, verb: &Verb) -> Command {
        match verb {
            Verb::Connect => Command::ConnectContact { contact_id },
            Verb::Hold => Command::HoldContact { contact_id },
            Verb::Resume => Command::ResumeContact { contact_id },
            Verb::Complete(disposition) => Command::CompleteContact { contact_id, disposition: (*disposition).into() },
            Verb::Cancel(cause) => Command::CancelContact { contact_id, cause: *cause },
            Verb::ToQueue { queue, requirement } => {
                let requirement = requirement.map(|at| self.requirement(at));
                let target = TransferTarget::Queue(queue_id(*queue));
                Command::TransferContact {
                    contact_id,
                    target,
                    requirement: requirement.map(Some),
                    reason: Text::default(),
                }
            }
            Verb::ToAgent { agent } => {
                let target = TransferTarget::Agent(agent_id(*agent));
                Command::TransferContact { contact_id, target, requirement: None, reason: Text::default() }
            }
            Verb::Requeue(cause) => Command::RequeueContact { contact_id, cause: *cause },
            Verb::Assign { agent, force } => {
                Command::AssignContact { contact_id, agent_id: agent_id(*agent), force: *force }
            }
            Verb::Pick { agent } => Command::PickContact { agent_id: agent_id(*agent), contact_id },
            Verb::Reclassify(queue) => {
                Command::ReclassifyContact { contact_id, queue: queue.map_or_else(Text::default, queue_id) }
            }
            Verb::Park => Command::ParkContact { contact_id },
            Verb::Unpark => Command::UnparkContact { contact_id },
            change => Command::UpdateContact { contact_id, change: Arc::new(self.change(change)) },
        }
    }

    fn change(&self, verb: &Verb) -> ContactChange {
        let mut change = ContactChange::default();
        match verb {
            Verb::Priority(priority) => change.priority = Some(*priority),
            Verb::Requirement(at) => change.requirement = Some(at.map(|at| self.requirement(at))),
            Verb::Preferred(at) => change.preferred_agent_id = Some(at.map_or_else(Text::default, agent_id)),
            Verb::Expire(secs) => change.expire = Some(secs.map(|secs| self.now + Span::from_secs(secs))),
            _ => change.attributes = Some(vec![("mood".into(), Value::Int(1))]),
        }
        change
    }

    fn contact(&self, pick: Pick) -> Text {
        let state = self.engine.state();
        let name = |at: usize| format!("c{at}").into();
        let (wanted, nth) = match pick {
            Pick::Id(at) => return name(at),
            Pick::In(wanted, nth) => (wanted, nth),
        };
        let of = |wanted: &dyn Fn(ContactState) -> bool| -> Option<Text> {
            let all: Vec<Text> = state
                .contacts_from(0)
                .filter(|(id, _)| wanted(state.contact_state(*id)))
                .map(|(_, contact)| contact.profile.contact_id.clone())
                .collect();
            (!all.is_empty()).then(|| all[nth % all.len()].clone())
        };
        of(&|at| at == wanted).or_else(|| of(&|at| at != ContactState::Closed)).unwrap_or_else(|| name(nth))
    }

    /// Live legs in a state, with their agents.
    fn legs(&self, wanted: LegState) -> Vec<(LegId, AgentId)> {
        let state = self.engine.state();
        let mut legs = Vec::new();
        for (contact, _) in state.contacts_from(0) {
            let there = state.contact_legs(contact).filter(|(_, leg)| leg.state == wanted);
            legs.extend(there.map(|(id, leg)| (id, leg.agent)));
        }
        legs
    }

    fn offer(&self, pick: OfferPick) -> (Text, LegId) {
        let open = self.legs(LegState::Offered);
        let found = match pick {
            OfferPick::Open(nth) | OfferPick::Stolen(nth) if !open.is_empty() => Some(open[nth % open.len()]),
            OfferPick::Past(nth) => self.offers.iter().rev().nth(nth).copied(),
            _ => None,
        };
        let Some((leg, agent)) = found else { return (agent_id(0), LegId::from_u64((1 << 32) | 77_777)) };
        match pick {
            OfferPick::Stolen(nth) => (agent_id(nth % self.world.agents), leg),
            _ => (self.engine.state().agent(agent).profile.agent_id.clone(), leg),
        }
    }

    fn wrap_up(&self, wrapping: bool, nth: usize, disposition: &str) -> Command {
        let state = self.engine.state();
        let legs = self.legs(LegState::WrapUp);
        let (agent_id, contact_id) = match legs.get(nth % legs.len().max(1)).filter(|_| wrapping) {
            Some(&(leg, agent)) => {
                let contact = state.leg(leg).contact;
                (state.agent(agent).profile.agent_id.clone(), state.contact(contact).profile.contact_id.clone())
            }
            None => (agent_id(nth % self.world.agents), self.contact(Pick::In(ContactState::Closed, nth))),
        };
        Command::CompleteWrapUp { agent_id, contact_id, disposition: disposition.into(), resolved: Some(true) }
    }
}

fn gateway_id(at: usize) -> Text {
    format!("g{at}").into()
}

fn digest(text: &str) -> [u8; 16] {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    u128::from(hasher.finish()).to_le_bytes()
}
