//! The smallest scripts for engine faults that random tapes do not tell apart: leases, handles that run out.

use std::sync::Arc;

use usher::engine::Engine;
use usher::engine::agent::{AgentProfile, Presence};
use usher::engine::command::{Command, NewContact};
use usher::engine::contact::{ContactProfile, Outcome};
use usher::engine::event::{Event, Recorded};
use usher::engine::limits;
use usher::engine::policy::{Channel, Policy, Queue};
use usher::engine::reject::Reject;
use usher::engine::time::{Span, Time};

const START: Time = Time(1_700_000_000_000_000);

fn at(secs: u64) -> Time {
    START + Span::from_secs(secs)
}

fn policy(channels: &[String]) -> Command {
    let channels = channels.iter().map(|id| Channel::named(id.as_str().into())).collect();
    let policy = Policy { channels, queues: vec![Queue::named("sales".into())], ..Policy::default() };
    Command::apply(policy)
}

fn ready(out: &mut Vec<Recorded>) -> Engine {
    let mut engine = Engine::new(7);
    engine.apply(START, &policy(&["voice".into()]).into(), out).expect("a policy applies");
    engine
}

fn give(engine: &mut Engine, secs: u64, command: Command, out: &mut Vec<Recorded>) {
    while engine.fire_due(at(secs), 64, out) {}
    engine.apply(at(secs), &command.into(), out).expect("the script's commands are accepted");
}

#[test]
fn a_gateway_swept_before_a_restart_is_not_lost_again_after_it() {
    let mut out = Vec::new();
    let mut engine = ready(&mut out);
    let lease = Span::from_secs(10);
    give(&mut engine, 0, Command::OpenGatewaySession { gateway_id: "g".into(), lease }, &mut out);
    let profile = ContactProfile {
        contact_id: "c".into(),
        gateway_id: "g".into(),
        channel: "voice".into(),
        ..ContactProfile::default()
    };
    let new = NewContact { profile: Arc::new(profile), queue: "sales".into(), ..NewContact::default() };
    give(&mut engine, 0, Command::CreateContact(Arc::new(new)), &mut out);
    give(&mut engine, 0, Command::CloseGatewaySession { gateway_id: "g".into() }, &mut out);
    while engine.fire_due(at(10), 64, &mut out) {}
    while engine.fire_due(at(40), 64, &mut out) {}
    let abandoned =
        |recorded: &Recorded| matches!(recorded.event, Event::ContactEnded { outcome: Outcome::Abandoned, .. });
    assert!(out.iter().any(abandoned), "the gateway's contact is abandoned");
    let mut folded = Engine::new(7);
    out.iter().for_each(|recorded| folded.fold(recorded));
    assert_eq!(folded.next_deadline(), engine.next_deadline());
}

#[test]
fn an_agent_created_anew_has_a_lease_that_runs() {
    let mut out = Vec::new();
    let mut engine = ready(&mut out);
    let agent_id: Arc<str> = "ana".into();
    let profile = Arc::new(AgentProfile { agent_id: agent_id.clone(), capacity: 100, ..AgentProfile::default() });
    let sign_in = Command::SignIn { agent_id: agent_id.clone(), presence: Presence::Available, lease: None };
    give(&mut engine, 0, Command::UpsertAgent { profile: profile.clone() }, &mut out);
    give(&mut engine, 0, sign_in.clone(), &mut out);
    give(&mut engine, 0, Command::OpenAgentSession { agent_id: agent_id.clone() }, &mut out);
    give(&mut engine, 1, Command::DeleteAgent { agent_id }, &mut out);
    give(&mut engine, 2, Command::UpsertAgent { profile }, &mut out);
    give(&mut engine, 2, sign_in, &mut out);
    assert_eq!(engine.next_deadline(), Some(at(32)), "30 s from the sign-in");
}

#[test]
fn channels_are_bounded_over_all_policies() {
    let mut out = Vec::new();
    let mut engine = ready(&mut out);
    let names = |from: usize, count: usize| (from..from + count).map(|at| format!("ch{at}")).collect::<Vec<_>>();
    give(&mut engine, 0, policy(&names(0, limits::CHANNELS - 1)), &mut out);
    let refused = engine.apply(START, &policy(&names(100, 1)).into(), &mut out);
    let limit = Reject::LimitReached { limit: "channels", max: limits::CHANNELS as u64 };
    assert_eq!(refused, Err(limit), "voice and eleven others were seen");
    give(&mut engine, 0, policy(&names(0, 2)), &mut out);
}
