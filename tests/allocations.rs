//! In the steady state the engine allocates nothing: a lifecycle from create to the end of wrap-up, matched by the
//! arriving contact and by the freed agent, with the caller's buffer of events reused.
//!
//! What a command carries (its `Arc`s) is the caller's and is made outside the counted part.

#![allow(
    unsafe_code,
    reason = "a global allocator that counts is unsafe by its trait; it only forwards to the system's"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;

use usher::engine::Engine;
use usher::engine::agent::{AgentProfile, Presence};
use usher::engine::command::{Command, NewContact, Request, RequestStamp};
use usher::engine::contact::ContactProfile;
use usher::engine::event::{Event, Recorded};
use usher::engine::id::{LegId, Text};
use usher::engine::policy::{Channel, Membership, Policy, Queue, Rules, Skill, Team, WrapUp};
use usher::engine::requirement::{Comparison, Expr, Requirement};
use usher::engine::time::{Span, Time};

struct Counting;

thread_local! {
    static COUNT: Cell<Option<u64>> = const { Cell::new(None) };
}

fn count() {
    // A thread that is going away has no count any more, and none is asked of it.
    let _ = COUNT.try_with(|count| count.set(count.get().map(|so_far| so_far + 1)));
}

// SAFETY: every call is forwarded unchanged to the system allocator, which keeps the contract.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's layout is passed on as it came.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: `pointer` came from `alloc` or `realloc` above, with this layout.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: as in `dealloc`.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What `work` returns, and the allocations it made on this thread.
fn counted<T>(work: impl FnOnce() -> T) -> (T, u64) {
    COUNT.set(Some(0));
    let result = work();
    (result, COUNT.replace(None).expect("it was set above"))
}

const AGENTS: usize = 50;
const CLASSES: usize = 20;
const SECOND: u64 = 1_000_000;

struct Bench {
    engine: Engine,
    now: Time,
    out: Vec<Recorded>,
    requirements: Vec<Arc<Requirement>>,
    serial: usize,
    allocated: u64,
}

impl Bench {
    fn new(connect_on_accept: bool) -> Bench {
        let mut channel = Channel::named(if connect_on_accept { "chat" } else { "voice" }.into());
        channel.offer_timeout = Span::from_secs(3_600);
        let mut queue = Queue::named("sales".into());
        queue.wrap_up = WrapUp::Timed(Span::from_secs(1));
        let skills: Vec<Text> = (0..CLASSES).map(|skill| format!("skill-{skill}").into()).collect();
        let policy = Policy {
            tenant: "default".into(),
            skills: skills.iter().map(|id| Skill { id: id.clone(), display_name: id.clone() }).collect(),
            channels: vec![channel],
            queues: vec![queue],
            teams: vec![Team { queues: vec![Membership::new("*".into(), 1)], ..Team::named("all".into()) }],
            // Ended contacts and old request ids leave as others come, so that the number kept is steady.
            rules: Rules {
                session_lease: Span::ZERO,
                retained_contacts: 100,
                remembered_requests: 100,
                ..Rules::default()
            },
            ..Policy::default()
        };
        let requirement = |skill: &Text| {
            let expr = Expr::Skill { skill: skill.clone(), comparison: Comparison::AtLeast, level: 3 };
            Arc::new(Requirement { text: format!("{skill} >= 3").into(), expr })
        };
        let requirements = skills.iter().map(requirement).collect();
        let mut bench =
            Bench { engine: Engine::new(1), now: Time(SECOND), out: Vec::new(), requirements, serial: 0, allocated: 0 };
        bench.apply(Command::apply(policy));
        for agent in 0..AGENTS {
            bench.sign_in(agent, &skills);
        }
        bench
    }

    fn sign_in(&mut self, agent: usize, skills: &[Text]) {
        let mut held: Vec<_> = (0..8).map(|at| (skills[(agent * 7 + at * 3) % CLASSES].clone(), 5)).collect();
        held.sort();
        held.dedup();
        let profile = AgentProfile {
            agent_id: agent_id(agent),
            team: Some("all".into()),
            skills: held,
            capacity: 100,
            ..AgentProfile::default()
        };
        self.apply(Command::UpsertAgent { profile: Arc::new(profile) });
        self.apply(Command::SignIn { agent_id: agent_id(agent), presence: Presence::Available, lease: None });
    }

    /// Moves time on, fires what is due, applies a command; counts the allocations of all of it.
    fn apply(&mut self, command: Command) {
        self.ask(command.into());
    }

    fn ask(&mut self, request: Request) {
        self.now = Time(self.now.0 + SECOND / 10);
        self.out.clear();
        let Bench { engine, now, out, .. } = self;
        let ((), allocated) = counted(|| {
            while engine.fire_due(*now, 1_000, out) {}
            engine.apply(*now, &request, out).expect("nothing is refused");
        });
        self.allocated += allocated;
    }

    fn create(&mut self) -> Text {
        self.serial += 1;
        let contact_id: Text = format!("contact-{}", self.serial).into();
        let channel = self.engine.state().policy().channels[0].id.clone();
        let profile = ContactProfile { contact_id: contact_id.clone(), channel, ..ContactProfile::default() };
        let new = NewContact {
            profile: Arc::new(profile),
            queue: "sales".into(),
            requirement: Some(self.requirements[self.serial % CLASSES].clone()),
            ..NewContact::default()
        };
        // With a request id, as every careful client sends one.
        let stamp = RequestStamp { method: 1, request_id: contact_id.clone(), digest: [0; 16] };
        self.ask(Request { stamp: Some(Arc::new(stamp)), command: Command::CreateContact(Arc::new(new)) });
        contact_id
    }

    /// Takes the offers that the last batch made through to the end of the conversation.
    fn serve(&mut self, connect: bool) -> usize {
        let offers: Vec<(LegId, Text, Text)> = self.out.iter().filter_map(|event| self.offered(event)).collect();
        for (offer, agent_id, contact_id) in &offers {
            self.apply(Command::AcceptOffer { agent_id: agent_id.clone(), offer: *offer });
            if connect {
                self.apply(Command::ConnectContact { contact_id: contact_id.clone() });
            }
            self.apply(Command::HoldContact { contact_id: contact_id.clone() });
            self.apply(Command::ResumeContact { contact_id: contact_id.clone() });
            self.apply(Command::CompleteContact { contact_id: contact_id.clone(), disposition: "".into() });
            self.apply(Command::CompleteWrapUp {
                agent_id: agent_id.clone(),
                contact_id: contact_id.clone(),
                disposition: "".into(),
                resolved: Some(true),
            });
        }
        offers.len()
    }

    fn offered(&self, recorded: &Recorded) -> Option<(LegId, Text, Text)> {
        let Event::OfferIssued { contact, leg, agent, .. } = recorded.event else { return None };
        let state = self.engine.state();
        Some((leg, state.agent(agent).profile.agent_id.clone(), state.contact(contact).profile.contact_id.clone()))
    }
}

fn agent_id(agent: usize) -> Text {
    format!("agent-{agent}").into()
}

fn rounds(bench: &mut Bench, rounds: usize, connect: bool) -> usize {
    let mut served = 0;
    for _ in 0..rounds {
        bench.create();
        // The wrap-up's end frees the agent; its batch may hold the next offer.
        while let more @ 1.. = bench.serve(connect) {
            served += more;
        }
    }
    served
}

#[test]
fn an_arrival_that_finds_an_agent() {
    for on_accept in [false, true] {
        let mut bench = Bench::new(on_accept);
        rounds(&mut bench, 500, !on_accept);
        bench.allocated = 0;
        let served = rounds(&mut bench, 500, !on_accept);
        assert_eq!(served, 500);
        assert_eq!(bench.allocated, 0, "allocations in 500 lifecycles (connect on accept: {on_accept})");
    }
}

/// A backlog: every contact waits, and each agent freed takes the best of those waiting.
#[test]
fn an_agent_who_finds_a_contact() {
    let mut bench = Bench::new(false);
    for _ in 0..400 {
        bench.create();
    }
    let one_in_one_out = |bench: &mut Bench, rounds: usize| {
        for round in 0..rounds {
            bench.create();
            // Every agent in turn, lest one drain the classes he serves.
            let offered = offered(bench);
            finish(bench, &offered[round % offered.len()]);
        }
    };
    one_in_one_out(&mut bench, 400);
    bench.allocated = 0;
    one_in_one_out(&mut bench, 400);
    assert!(bench.engine.state().live_contact_count() >= 350, "the backlog stays");
    assert_eq!(bench.allocated, 0, "allocations in 400 lifecycles with a backlog");
}

/// The contacts that are offered just now, by id.
fn offered(bench: &Bench) -> Vec<Text> {
    let state = bench.engine.state();
    let offered = state.contacts_from(0).filter(|(_, contact)| contact.entry_leg.is_some());
    offered.map(|(_, contact)| contact.profile.contact_id.clone()).collect()
}

/// Accepts, connects, completes, wraps up: the agent is free and is offered another in the last of these batches.
fn finish(bench: &mut Bench, contact_id: &Text) {
    let state = bench.engine.state();
    let contact = state.find_contact(contact_id).expect("it is there");
    let leg = state.contact(contact).entry_leg.expect("it is offered");
    let agent_id = state.agent(state.leg(leg).agent).profile.agent_id.clone();
    bench.apply(Command::AcceptOffer { agent_id: agent_id.clone(), offer: leg });
    bench.apply(Command::ConnectContact { contact_id: contact_id.clone() });
    bench.apply(Command::CompleteContact { contact_id: contact_id.clone(), disposition: "".into() });
    let contact_id = contact_id.clone();
    bench.apply(Command::CompleteWrapUp { agent_id, contact_id, disposition: "".into(), resolved: None });
    assert!(
        bench.out.iter().any(|event| matches!(event.event, Event::OfferIssued { .. })),
        "the freed agent is offered one"
    );
}
