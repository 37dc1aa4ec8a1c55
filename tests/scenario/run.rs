//! Timed lines: moves time, fires what is due, carries out the command, and says what happened.
//!
//! ```text
//! 0s  agent ana fr:5 team:t1 capacity:200 ready          create and sign in; without `ready` only create
//! 0s  contact c1 queue:sales channel:chat priority:5 arrived:-10s credit:5s schedule:60s expire:90s gateway:g1 to:ana
//!         preferred:bob direction:outbound digest:2 unnamed needs fr>=3   (unnamed: without a queue)
//! 0s  update c1 priority:5 expire:60s conversation:x preferred:bob needs nothing
//! 0s  connect c1 | hold c1 | resume c1 | complete c1 as:sale | cancel c1 [system] | park c1 | unpark c1
//! 0s  transfer c1 queue:support because … | transfer c1 to:bob | requeue c1 [agent_unreachable | media_failed]
//! 0s  sign_in ana ready lease:30s | sign_out ana [force] | presence ana not_ready:lunch | delete ana
//! 0s  reclassify c1 [queue:support]
//! 0s  move c1 c2 to:support | move from:sales to:support channel:voice limit:2
//! 0s  callback c1 k1 schedule:60s address:x | survey c1 [nps] score:5 | set_presence ana not_ready
//! 0s  heartbeat ana | open ana | close ana
//! 0s  accept ana c1 | decline ana c1 [busy | unreachable] retry:5s | fail ana c1 | wrapped ana c1 as:sale resolved:yes
//! 0s  skills ana fr:7 de:0 until:60s
//! 0s  set_open sales no until:60s | set_open sales yes | set_open sales
//! 0s  pick ana c1 | assign c1 to:ana [force]
//! 0s  gateway_open g1 lease:10s | gateway_renew g1 | gateway_close g1
//! 0s  policy queue sales wrap_up:none; without queue:support
//! 0s  tick | late | show contact c1
//! ```
//!
//! An offer is named by its contact (the newest of that agent), or `c1#2` by the leg's number. `id:r1` anywhere makes a
//! repeat recognisable. `late` moves time without firing what was due on the way at its own instant.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use usher::engine::command::{Command, ContactChange, MoveWhich, NewContact, Request, RequestStamp, TransferTarget};
use usher::engine::contact::{
    CancelCause, ContactProfile, DeclineReason, Direction, OfferState, RequeueCause, SurveyKind,
};
use usher::engine::event::Recorded;
use usher::engine::id::{AgentId, ContactId, LegId, QueueId};
use usher::engine::policy::{Policy, PolicyChange, RemovedQueue};
use usher::engine::requirement::Attributes;
use usher::engine::time::Time;
use usher::engine::{Engine, Reply, reject::Reject};

use super::render::{Names, refusal};
use super::show::show;
use super::words::{self, START, Words, ago, instant, presence};
use super::world;

const SEED: u64 = 7;

/// One case being run.
pub struct Run {
    /// The engine.
    pub engine: Engine,
    /// Where time stands.
    pub now: Time,
    policy: Policy,
    begun: bool,
    mirror: Engine,
    names: Names,
}

impl Run {
    /// An engine that has seen nothing, and the default policy.
    pub fn new() -> Run {
        Run {
            engine: Engine::new(SEED),
            now: START,
            policy: world::defaults(),
            begun: false,
            mirror: Engine::new(SEED),
            names: Names::default(),
        }
    }

    /// Carries one line out; what happened.
    ///
    /// # Panics
    /// When the line makes no sense, or an invariant does not hold.
    pub fn line(&mut self, line: &str) -> Vec<String> {
        if world::is_policy(line.split_whitespace().next().unwrap_or_default()) {
            assert!(!self.begun, "`{line}` comes too late: use `policy`");
            world::change(&mut self.policy, &Words::of(line));
            return Vec::new();
        }
        let (at, rest) = line.split_once(char::is_whitespace).unwrap_or_else(|| panic!("`{line}` asks for nothing"));
        let words = Words::of(rest.trim());
        let mut said = Vec::new();
        if !self.begun && words.verb != "unruled" {
            let policy = Command::apply(self.policy.clone());
            self.apply(&policy.into(), &mut Vec::new()).expect("the first policy is taken");
            self.begun = true;
        }
        self.advance(instant(at), words.verb == "late", &mut said);
        self.command(&words, rest, &mut said);
        said
    }

    /// Moves time, firing each deadline at its own instant, or all late.
    pub fn advance(&mut self, to: Time, late: bool, said: &mut Vec<String>) {
        assert!(to >= self.now, "time goes backwards");
        while let Some(due) = self.engine.next_deadline().filter(|due| *due <= to) {
            self.now = if late { to } else { due.max(self.now) };
            let mut out = Vec::new();
            self.engine.fire_due(self.now, 1, &mut out);
            let mark = if self.now < to { format!("@{} ", ago(self.now)) } else { String::new() };
            self.took(&out, &mark, said);
        }
        self.now = to;
    }

    fn command(&mut self, words: &Words, rest: &str, said: &mut Vec<String>) {
        match words.verb.as_str() {
            "tick" | "late" => {}
            "show" => said.extend(show(self.engine.state(), self.now, words)),
            "policy" => {
                let (mut replacing, mut change) = (0, PolicyChange::default());
                for part in rest.trim().trim_start_matches("policy").split(';') {
                    match part.trim().split_once(' ') {
                        Some(("replacing", version)) => replacing = version.parse().expect("a version"),
                        Some(("handing", pair)) => {
                            let (id, target) = pair.split_once(':').expect("queue:target");
                            change.removed_queues.push(RemovedQueue { id: id.into(), target: target.into() });
                        }
                        _ => world::change(&mut self.policy, &Words::of(part.trim())),
                    }
                }
                let (policy, change) = (Arc::new(self.policy.clone()), Arc::new(change));
                self.ask(words, Command::ApplyPolicy { policy, change, expected_version: replacing }, said);
            }
            "agent" => {
                self.ask(words, Command::UpsertAgent { profile: Arc::new(world::profile(words)) }, said);
                if let Some(presence) = presence(words) {
                    let (agent_id, lease) = (words.name(0).into(), words.span("lease"));
                    self.ask(words, Command::SignIn { agent_id, presence, lease }, said);
                }
            }
            _ => {
                let command = self.parse(words);
                self.ask(words, command, said);
            }
        }
    }

    fn ask(&mut self, words: &Words, command: Command, said: &mut Vec<String>) {
        let stamp = words.option("id").map(|id| {
            let mut hasher = DefaultHasher::new();
            words.text.hash(&mut hasher);
            let half = hasher.finish().to_le_bytes();
            let mut digest = [0; 16];
            digest[..8].copy_from_slice(&half);
            let method = words.verb.bytes().fold(0u16, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
            Arc::new(RequestStamp { method, request_id: id.into(), digest })
        });
        let quiet = said.len();
        match self.apply(&Request { stamp, command }, said) {
            Ok(reply) if reply.repeated => said.push(format!("repeated, sequence {}", reply.sequence)),
            Ok(_) if said.len() == quiet && !matches!(words.verb.as_str(), "agent") => said.push("ok".into()),
            Ok(_) => {}
            Err(reject) => said.push(refusal(&reject)),
        }
    }

    /// Applies a command now; what a refusal must leave as it was is checked.
    ///
    /// # Errors
    /// The engine's refusal.
    pub fn apply(&mut self, request: &Request, said: &mut Vec<String>) -> Result<Reply, Reject> {
        let mut out = Vec::new();
        let (sequence, deadline) = (self.engine.state().sequence(), self.engine.next_deadline());
        let result = self.engine.apply(self.now, request, &mut out);
        if result.is_err() {
            assert!(out.is_empty(), "a refusal came with events");
            assert_eq!(sequence, self.engine.state().sequence(), "a refusal moved the sequence");
            assert_eq!(deadline, self.engine.next_deadline(), "a refusal moved a deadline");
        }
        self.took(&out, "", said);
        result
    }

    fn took(&mut self, out: &[Recorded], mark: &str, said: &mut Vec<String>) {
        for recorded in out {
            let state = self.engine.state();
            self.names.learn(state, recorded);
            said.push(format!("{mark}{}", self.names.event(state, recorded)));
            self.mirror.fold(recorded);
        }
        // What is due at this instant runs before anything else is believed.
        if self.engine.next_deadline().is_some_and(|due| due <= self.now) {
            return;
        }
        if let Err(faults) = self.engine.state().audit(self.now) {
            panic!("at {} after {said:#?}: {faults:#?}", ago(self.now));
        }
        self.compare();
    }

    /// A second engine that only folds the events has the same state.
    fn compare(&self) {
        let (state, folded) = (self.engine.state(), self.mirror.state());
        assert_eq!(state.sequence(), folded.sequence());
        for (id, contact) in state.contacts_from(0) {
            let other = folded.try_contact(id).expect("a folded engine has the same contacts");
            let views = (state.view_contact(self.now, id), folded.view_contact(self.now, id));
            assert_eq!(views.0, views.1, "a folded contact differs");

            if contact.entry.is_some() {
                assert_eq!(state.candidates_for(id), folded.candidates_for(id));
            }
            assert_eq!(contact.bars, other.bars);
        }
        for queue in (0..state.queue_count() as u32).map(QueueId) {
            assert_eq!(state.gate(queue), folded.gate(queue), "a folded queue differs");
        }
        assert_eq!(state.contact_count(), folded.contact_count());
        for agent in state.agents_from(0) {
            let view = |state: &usher::engine::state::State| {
                let mut view = state.view_agent(self.now, agent);
                view.lease_expires = None;
                view
            };
            assert_eq!(view(state), view(folded), "a folded agent differs");
        }
        assert_eq!(state.tally(), folded.tally());
        assert_eq!(state.receipts().snapshot(), folded.receipts().snapshot());
    }

    fn parse(&self, words: &Words) -> Command {
        let contact_id = || words.name(0).into();
        let agent_id = || words.name(0).into();
        let disposition = words.option("as").unwrap_or_default().into();
        match words.verb.as_str() {
            "contact" => Command::CreateContact(Arc::new(new_contact(words))),
            "update" => Command::UpdateContact { contact_id: contact_id(), change: Arc::new(change(words)) },
            "connect" => Command::ConnectContact { contact_id: contact_id() },
            "hold" => Command::HoldContact { contact_id: contact_id() },
            "resume" => Command::ResumeContact { contact_id: contact_id() },
            "park" => Command::ParkContact { contact_id: contact_id() },
            "unpark" => Command::UnparkContact { contact_id: contact_id() },
            "complete" => Command::CompleteContact { contact_id: contact_id(), disposition },
            "cancel" => {
                let cause = if words.has("system") { CancelCause::System } else { CancelCause::CustomerLeft };
                Command::CancelContact { contact_id: contact_id(), cause }
            }
            "requeue" => Command::RequeueContact { contact_id: contact_id(), cause: requeue_cause(words) },
            "transfer" => Command::TransferContact {
                contact_id: contact_id(),
                target: match words.option("to") {
                    Some(agent) => TransferTarget::Agent(agent.into()),
                    None => TransferTarget::Queue(words.option("queue").expect("a transfer has a target").into()),
                },
                requirement: words.requirement(),
                reason: words.because.clone().unwrap_or_default().into(),
            },
            "reclassify" => Command::ReclassifyContact {
                contact_id: contact_id(),
                queue: words.option("queue").unwrap_or_default().into(),
            },
            "move" => Command::MoveContacts {
                to: words.option("to").expect("a move has a target").into(),
                which: match words.option("from") {
                    None => MoveWhich::Named(words.names.iter().map(|name| name.as_str().into()).collect()),
                    Some(from) => MoveWhich::Waiting {
                        from: from.into(),
                        channel: words.option("channel").unwrap_or_default().into(),
                        limit: words.number("limit").unwrap_or(0) as u32,
                    },
                },
            },
            "set_open" => Command::SetQueueOpen {
                queue: contact_id(),
                open: if words.has("yes") { Some(true) } else { words.has("no").then_some(false) },
                until: words.time("until"),
            },
            "callback" => Command::RequestCallback {
                contact_id: contact_id(),
                callback_id: words.name(1).into(),
                schedule: words.time("schedule"),
                address: words.option("address").unwrap_or_default().into(),
            },
            "survey" => {
                let kind = if words.has("nps") { SurveyKind::Nps } else { SurveyKind::Csat };
                let score = words.number("score").expect("a survey has a score") as i32;
                Command::SubmitSurvey { contact_id: contact_id(), kind, score }
            }
            "accept" => Command::AcceptOffer { agent_id: agent_id(), offer: self.offer(words) },
            "fail" => Command::FailOffer { agent_id: agent_id(), offer: self.offer(words) },
            "pick" => Command::PickContact { agent_id: agent_id(), contact_id: words.name(1).into() },
            "assign" => Command::AssignContact {
                contact_id: contact_id(),
                agent_id: words.option("to").expect("an assignment is to somebody").into(),
                force: words.has("force"),
            },
            "decline" => Command::DeclineOffer {
                agent_id: agent_id(),
                offer: self.offer(words),
                reason: decline_reason(words),
                retry_time: words.span("retry"),
            },
            "wrapped" => Command::CompleteWrapUp {
                agent_id: agent_id(),
                contact_id: words.name(1).into(),
                disposition,
                resolved: words.option("resolved").map(|said| said == "yes"),
            },
            _ => parse_agent(words),
        }
    }

    fn offer(&self, words: &Words) -> LegId {
        let state = self.engine.state();
        let (name, number) = match words.name(1).split_once('#') {
            Some((name, number)) => (name, number.parse::<u32>().ok()),
            None => (words.name(1), None),
        };
        let agent: Option<AgentId> = state.find_agent(words.name(0));
        let contact: Option<ContactId> = state.find_contact(name);
        let mut legs = contact.into_iter().flat_map(|contact| state.contact_legs(contact));
        let wanted = legs.find(|(_, leg)| match number {
            Some(number) => leg.number == number,
            None => Some(leg.agent) == agent && leg.offer != OfferState::None,
        });
        wanted.map_or(LegId::from_u64(u64::MAX), |(leg, _)| leg)
    }
}

fn parse_agent(words: &Words) -> Command {
    let agent_id = words.name(0).into();
    match words.verb.as_str() {
        "skills" => Command::SetAgentSkills {
            agent_id,
            skills: words
                .others(&["until"])
                .map(|(skill, level)| (skill.into(), level.parse().expect("a level is a number")))
                .collect(),
            until: words.time("until"),
        },
        "delete" => Command::DeleteAgent { agent_id },
        "sign_in" => Command::SignIn {
            agent_id,
            presence: presence(words).expect("a sign-in has a presence"),
            lease: words.span("lease"),
        },
        "sign_out" => Command::SignOut { agent_id, force: words.has("force") },
        "presence" => Command::SetPresence { agent_id, presence: presence(words).expect("there is a presence to set") },
        "set_presence" => {
            Command::SetAgentPresence { agent_id, presence: presence(words).expect("there is a presence to set") }
        }
        "heartbeat" => Command::Heartbeat { agent_id },
        "open" => Command::OpenAgentSession { agent_id },
        "close" => Command::CloseAgentSession { agent_id },
        "gateway_open" => {
            Command::OpenGatewaySession { gateway_id: agent_id, lease: words.span("lease").unwrap_or_default() }
        }
        "gateway_renew" => Command::RenewGatewaySession { gateway_id: agent_id },
        "gateway_close" => Command::CloseGatewaySession { gateway_id: agent_id },
        other => panic!("`{other}` is no verb"),
    }
}

fn new_contact(words: &Words) -> NewContact {
    let text = |key: &str| words.option(key).unwrap_or_default().into();
    let said =
        words.others(&[]).filter_map(|(key, value)| Some((key.strip_prefix('.')?.into(), world::attribute(value))));
    let mut attributes: Attributes = said.collect();
    attributes.sort();
    let profile = ContactProfile {
        contact_id: words.name(0).into(),
        gateway_id: text("gateway"),
        direction: match words.option("direction") {
            Some("outbound") => Direction::Outbound,
            Some("callback") => Direction::Callback,
            Some("internal") => Direction::Internal,
            _ => Direction::Inbound,
        },
        preferred_agent_id: text("preferred"),
        channel: words.option("channel").unwrap_or("voice").into(),
        attributes,
        ..ContactProfile::default()
    };
    let queue = match (words.option("queue"), words.option("to")) {
        (Some(queue), _) => queue.into(),
        (None, None) if !words.has("unnamed") => "sales".into(),
        (None, _) => "".into(),
    };
    NewContact {
        profile: Arc::new(profile),
        digest: [words.number("digest").unwrap_or(0) as u8; 16],
        queue,
        agent_id: text("to"),
        priority: words.number("priority").unwrap_or(0) as i32,
        requirement: words.requirement().flatten(),
        age_credit: words.span("credit").unwrap_or_default(),
        arrival: words.time("arrived"),
        schedule: words.time("schedule"),
        expire: words.time("expire"),
    }
}

fn change(words: &Words) -> ContactChange {
    ContactChange {
        conversation_id: words.option("conversation").map(Into::into),
        preferred_agent_id: words.option("preferred").map(Into::into),
        priority: words.number("priority").map(|priority| priority as i32),
        requirement: words.requirement(),
        expire: words.option("expire").map(|at| (at != "never").then(|| words::instant(at))),
        ..ContactChange::default()
    }
}

fn requeue_cause(words: &Words) -> RequeueCause {
    if words.has("agent_unreachable") {
        RequeueCause::AgentUnreachable
    } else if words.has("media_failed") {
        RequeueCause::MediaFailed
    } else {
        RequeueCause::Normal
    }
}

fn decline_reason(words: &Words) -> DeclineReason {
    if words.has("busy") {
        DeclineReason::Busy
    } else if words.has("unreachable") {
        DeclineReason::Unreachable
    } else {
        DeclineReason::Rejected
    }
}
