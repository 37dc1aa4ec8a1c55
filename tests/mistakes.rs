//! Known mistakes of other systems, shown to be absent. Each case says whose it is and what went wrong there.

mod scenario;

use std::sync::Arc;

use scenario::words::START;
use scenario::world;
use usher::engine::Engine;
use usher::engine::agent::{AgentProfile, Presence};
use usher::engine::command::{Command, NewContact};
use usher::engine::contact::ContactProfile;
use usher::engine::event::{Event, Recorded};
use usher::engine::id::Text;
use usher::engine::time::{Span, Time};

/// Agents: more than the thousand past which a rank packed into one number runs over.
const AGENTS: usize = 1_500;

fn apply(engine: &mut Engine, now: Time, command: Command) -> Vec<Recorded> {
    let mut out = Vec::new();
    engine.apply(now, &command.into(), &mut out).expect("nothing here is refused");
    out
}

fn name(number: usize) -> Text {
    format!("agent-{number:04}").into()
}

/// An engine with its policy, agents known in the order of their names and signed in in the order given.
fn staffed(signed_in: impl Iterator<Item = (usize, Time)>) -> Engine {
    let mut engine = Engine::new(7);
    apply(&mut engine, START, Command::apply(world::defaults()));
    for number in 0..AGENTS {
        let (agent_id, team) = (name(number), Some("all".into()));
        let profile = Arc::new(AgentProfile { agent_id, team, capacity: 100, ..AgentProfile::default() });
        apply(&mut engine, START, Command::UpsertAgent { profile });
    }
    for (number, at) in signed_in {
        let (agent_id, presence) = (name(number), Presence::Available);
        apply(&mut engine, at, Command::SignIn { agent_id, presence, lease: None });
    }
    engine
}

/// Who is offered a contact that arrives.
fn offered(engine: &mut Engine, now: Time, number: usize) -> Text {
    let profile = ContactProfile {
        contact_id: format!("contact-{number}").into(),
        channel: "voice".into(),
        ..ContactProfile::default()
    };
    let new = NewContact { profile: Arc::new(profile), queue: "sales".into(), ..NewContact::default() };
    let out = apply(engine, now, Command::CreateContact(Arc::new(new)));
    let issued = out.iter().find_map(|recorded| match recorded.event {
        Event::OfferIssued { agent, .. } => Some(agent),
        _ => None,
    });
    let agent = issued.expect("somebody is idle");
    engine.state().agent(agent).profile.agent_id.clone()
}

/// Asterisk's `app_queue` packs its rank into one number: least recent is a million less the seconds since the last call,
/// so its order breaks after 11.57 days, and positions run over into the next penalty past a thousand members.
#[test]
fn order_holds_past_a_million_seconds_and_a_thousand_agents() {
    // The last known has been idle for longest: one signs in every eleven minutes, over eleven days and more.
    let apart = Span::from_secs(660);
    let at = |place: usize| Time(START.0 + place as u64 * apart.0);
    let mut engine = staffed((0..AGENTS).map(|place| (AGENTS - 1 - place, at(place))));
    let now = at(2 * AGENTS);
    assert!(now.since(START) > Span::from_secs(1_000_000), "idle for more than 11.57 days");
    for place in 0..AGENTS {
        assert_eq!(offered(&mut engine, now, place), name(AGENTS - 1 - place), "the {place}th contact");
    }
}

/// OpenACD, issue 5: all calls of a burst ring the first agent.
#[test]
fn a_burst_goes_to_one_agent_each() {
    let mut engine = staffed((0..AGENTS).map(|number| (number, START)));
    let mut taken: Vec<Text> = (0..AGENTS).map(|number| offered(&mut engine, START, number)).collect();
    taken.sort();
    taken.dedup();
    assert_eq!(taken.len(), AGENTS, "somebody is offered two");
}

/// Asterisk's `queue reset stats` zeroes the counts and times its strategies read, so that everybody is alike again. Here
/// no figure of a report is a key: days pass and policies come, and the order stays.
#[test]
fn neither_days_nor_reloads_reset_the_order() {
    scenario::check(
        "
        queue sales select:fewest_contacts
        0s   agent ana capacity:100 ready
           > agent_upserted ana
           > signed_in ana ready
           > agent_routing ana off_queue -> idle
        1s   agent bob ready
           > agent_upserted bob
           > signed_in bob ready
           > agent_routing bob off_queue -> idle
        2s   contact c1
           > created c1
           > queued c1 sales arrived (scheduled -> queued)
           > offered c1 ana expires 22s (queued -> offered)
           > agent_routing ana idle -> offering
        3s   accept ana c1
           > accepted c1 ana connect by 33s (offered -> assigned)
           > agent_routing ana offering -> busy
        4s   connect c1
           > connected c1 ana answered sales after 2s within (assigned -> connected)
        5s   complete c1
           > ended c1 completed
           > leg_ended c1 ana completed (connected -> closed)
           > closed c1 completed
           > agent_routing ana busy -> idle
        48h  policy queue support select:ranked
           > @3605s forgotten c1
           > policy_applied 2
        49h  contact c2
           > created c2
           > queued c2 sales arrived (scheduled -> queued)
           > offered c2 bob expires 176420s (queued -> offered)
           > agent_routing bob idle -> offering
        49h  policy queue sales select:longest_idle
           > policy_applied 3
        49h  decline bob c2
           > declined c2 bob rejected barred until 176430s (offered -> queued)
           > offered c2 ana expires 176420s (queued -> offered)
           > agent_routing ana idle -> offering
           > agent_routing bob offering -> idle
        49h  contact c3
           > created c3
           > queued c3 sales arrived (scheduled -> queued)
           > offered c3 bob expires 176420s (queued -> offered)
           > agent_routing bob idle -> offering
        ",
    );
}

/// Asterisk, issue 1561: a heavier queue blocks an agent it cannot even use, who is idle while his lighter queues wait.
#[test]
fn a_heavier_queue_blocks_nobody_it_cannot_use() {
    scenario::check(
        "
        team heavy queues:sales/1,support/9
        0s   contact c1 priority:100 needs fr>=9
           > created c1
           > queued c1 sales arrived (scheduled -> queued)
        0s   contact c2 queue:support priority:-100
           > created c2
           > queued c2 support arrived (scheduled -> queued)
        1s   agent ana fr:3 team:heavy ready
           > agent_upserted ana
           > servable c2
           > signed_in ana ready
           > offered c2 ana expires 21s wait 1s (queued -> offered)
           > agent_routing ana off_queue -> offering
        2s   decline ana c2
           > declined c2 ana rejected barred until 32s (offered -> queued)
           > agent_routing ana offering -> idle
        3s   contact c3 queue:support priority:-100
           > created c3
           > queued c3 support arrived (scheduled -> queued)
           > offered c3 ana expires 23s (queued -> offered)
           > agent_routing ana idle -> offering
        ",
    );
}
