//! Every refusal, in its order of precedence: walks down `Reject`'s declaration, and at each step sends a command to
//! which this refusal applies together with every later one that can be combined with it. Nothing changes on any.

mod scenario;

use std::sync::Arc;

use scenario::render::refusal;
use scenario::run::Run;
use usher::engine::command::{Command, Request, RequestStamp};
use usher::engine::limits;
use usher::engine::policy::{Channel, Policy};

/// The world in which the refusals are asked for.
const WORLD: &[&str] = &[
    "reasons lunch",
    "dispositions sale",
    "managed max fr:5",
    "queue sales wrap_up:timed/1h",
    "queue full limit:0",
    "queue shut limit:0",
    "0s set_open shut no",
    "0s agent ana fr:5 ready",
    "0s agent bob fr:5",
    "0s agent gus ready",
    "0s contact wrapping needs fr>=5",
    "0s accept ana wrapping",
    "0s connect wrapping",
    "0s complete wrapping as:sale",
    "0s contact waiting needs fr>=5 and it>=9",
    "0s contact talking",
    "0s accept gus talking",
    "0s connect talking",
    "0s contact ended id:used needs it>=9",
    "0s cancel ended",
    "0s agent cem ready",
    "0s contact rung needs not fr>=1",
    "0s decline cem rung",
    "0s presence cem not_ready",
];

/// One row per refusal in the order of `Reject`: what is asked, and the answer. A row's command also deserves the later
/// refusals it names in its comment.
#[rustfmt::skip]
const ROWS: &[(&str, &str)] = &[
    // Also: unknown channel and queue, a contact that exists.
    ("contact ended channel:none queue:none id:used", "idempotency_mismatch"),
    // Also: unknown queue, channel and skill, a contact that exists.
    ("contact ended priority:101 queue:none channel:none needs nosuch>=1",
        "invalid contact.priority must be -100 to 100"),
    ("contact ended arrived:1s queue:none", "invalid contact.arrival_time must not lie ahead"),
    ("contact ended arrived:-25h queue:none", "invalid contact.arrival_time must lie at most 24 h back"),
    ("contact ended credit:25h queue:none", "invalid contact.age_credit must be at most 24 h"),
    ("contact ended expire:0s queue:none", "invalid contact.expire_time must lie ahead"),
    ("contact ended schedule:9s expire:9s queue:none",
        "invalid contact.expire_time must lie after contact.schedule_time"),
    ("contact new queue:sales to:ana", "invalid contact.queue must be set, or contact.agent_id for direct work"),
    ("update nosuch priority:-101", "invalid contact.priority must be -100 to 100"),
    ("update nosuch expire:0s", "invalid contact.expire_time must lie ahead"),
    ("agent max capacity:0 team:nosuch nosuch:1", "invalid agent.capacity must be 1 to 10 000"),
    ("agent max capacity:10001 team:nosuch", "invalid agent.capacity must be 1 to 10 000"),
    ("agent max team:nosuch nosuch:11", "invalid agent.skills must have levels 1 to 10"),
    ("agent max team:nosuch nosuch:0", "invalid agent.skills must have levels 1 to 10"),
    ("sign_in nosuch offline", "invalid presence must be AVAILABLE or NOT_READY"),
    ("sign_in nosuch ready lease:25h", "invalid session_lease must be at most 24 h"),
    ("decline nosuch nosuch retry:25h", "invalid retry_time must be at most 24 h"),
    ("skills nosuch", "invalid skills must name at least one"),
    ("skills nosuch nosuch:11", "invalid skills must have levels 0 to 10"),
    ("skills nosuch nosuch:1 until:0s", "invalid expire_time must lie ahead by at most 30 d"),
    ("skills nosuch nosuch:1 until:31d", "invalid expire_time must lie ahead by at most 30 d"),
    ("set_open nosuch no until:0s", "invalid expire_time must lie ahead"),
    ("set_open nosuch until:9s", "invalid expire_time must stand beside open"),
    ("gateway_open g1 lease:25h", "invalid lease must be at most 24 h"),
    // Also: unknown agent, queue, skill, disposition.
    ("transfer nosuch to:nosuch needs nosuch>=1", "contact_not_found"),
    ("wrapped nosuch nosuch as:nosuch", "contact_not_found"),
    ("update nosuch needs nosuch>=1", "contact_not_found"),
    ("complete nosuch as:nosuch", "contact_not_found"),
    ("connect nosuch", "contact_not_found"),
    ("hold nosuch", "contact_not_found"),
    ("resume nosuch", "contact_not_found"),
    ("cancel nosuch", "contact_not_found"),
    ("requeue nosuch", "contact_not_found"),
    ("park nosuch", "contact_not_found"),
    ("unpark nosuch", "contact_not_found"),
    ("pick nosuch nosuch", "contact_not_found"),
    ("assign nosuch to:nosuch", "contact_not_found"),
    // Also: unknown offer, channel, skill, reason, disposition; the contact is CLOSED.
    ("contact ended digest:1 to:nosuch channel:none needs nosuch>=1", "agent_not_found"),
    ("transfer ended to:nosuch needs nosuch>=1", "agent_not_found"),
    ("wrapped nosuch talking as:nosuch", "agent_not_found"),
    ("pick nosuch ended", "agent_not_found"),
    ("assign ended to:nosuch", "agent_not_found"),
    ("accept nosuch nosuch", "agent_not_found"),
    ("decline nosuch nosuch", "agent_not_found"),
    ("fail nosuch nosuch", "agent_not_found"),
    ("sign_in nosuch not_ready:golf", "agent_not_found"),
    ("presence nosuch not_ready:golf", "agent_not_found"),
    ("sign_out nosuch", "agent_not_found"),
    ("skills nosuch nosuch:1", "agent_not_found"),
    ("delete nosuch", "agent_not_found"),
    ("heartbeat nosuch", "agent_not_found"),
    ("open nosuch", "agent_not_found"),
    ("close nosuch", "agent_not_found"),
    // A direct leg has no offer.
    ("accept bob nosuch", "offer_not_found"),
    ("decline bob nosuch", "offer_not_found"),
    ("fail bob nosuch", "offer_not_found"),
    // Also: unknown channel and skill, a contact that exists; CLOSED.
    ("contact ended digest:1 queue:none channel:none needs nosuch>=1", "queue_not_found none"),
    ("set_open none no", "queue_not_found none"),
    ("transfer ended queue:none needs nosuch>=1", "queue_not_found none"),
    ("contact ended digest:1 channel:none needs nosuch>=1", "channel_not_found none"),
    // Also: unknown skill; managed by configuration.
    ("agent max team:nosuch nosuch:1", "team_not_found nosuch"),
    ("agent max nosuch:1", "skill_not_found nosuch"),
    ("skills max nosuch:1", "skill_not_found nosuch"),
    ("contact ended digest:1 needs nosuch>=1", "skill_not_found nosuch"),
    ("transfer ended queue:support needs nosuch>=1", "skill_not_found nosuch"),
    ("update ended needs nosuch>=1", "skill_not_found nosuch"),
    // Also: signed out.
    ("presence bob not_ready:golf", "reason_unknown"),
    ("sign_in bob not_ready:golf", "reason_unknown"),
    // Also: the wrong state; nothing to wrap up.
    ("complete waiting as:nosuch", "disposition_unknown"),
    ("complete ended as:nosuch", "disposition_unknown"),
    ("wrapped bob waiting as:nosuch", "disposition_unknown"),
    // Also: an agent who is signed out.
    ("contact ended digest:1 to:bob", "contact_exists"),
    // Also: an offer that is over.
    ("accept bob rung#1", "offer_not_yours"),
    ("decline bob rung#1", "offer_not_yours"),
    ("fail bob rung#1", "offer_not_yours"),
    ("agent max fr:1", "managed_by_config"),
    ("delete max", "managed_by_config"),
    ("skills max fr:1", "managed_by_config"),
    // Also: a queue that goes and is in use.
    ("policy replacing 7; without queue:sales", "version_mismatch 1"),
    ("policy without queue:sales", "queue_holds_contacts sales"),
    // Also: an agent who is signed out.
    ("transfer ended to:bob", "contact_closed"),
    ("update ended priority:1", "contact_closed"),
    ("connect ended", "contact_closed"),
    ("hold ended", "contact_closed"),
    ("resume ended", "contact_closed"),
    ("requeue ended", "contact_closed"),
    ("park ended", "contact_closed"),
    ("unpark ended", "contact_closed"),
    ("pick bob ended", "contact_closed"),
    ("assign ended to:bob", "contact_closed"),
    ("transfer waiting to:bob", "contact_state queued"),
    ("complete waiting as:sale", "contact_state queued"),
    ("pick bob talking", "contact_state connected"),
    ("assign talking to:bob", "contact_state connected"),
    ("wrapped gus talking", "contact_state connected"),
    ("accept cem rung#1", "offer_over declined"),
    ("presence bob ready", "agent_signed_out"),
    ("heartbeat bob", "agent_signed_out"),
    ("contact new to:bob", "agent_unavailable"),
    ("transfer talking to:bob", "agent_unavailable"),
    // Also: not eligible, no room.
    ("pick bob waiting", "agent_unavailable"),
    ("assign waiting to:bob", "agent_unavailable"),
    ("assign waiting to:bob force", "agent_unavailable"),
    // Also: no room.
    ("pick gus waiting", "agent_ineligible"),
    ("assign waiting to:gus", "agent_ineligible"),
    ("pick gus rung", "agent_no_room"),
    ("assign rung to:gus", "agent_no_room"),
    // Also: full.
    ("transfer talking queue:shut", "queue_closed shut"),
    ("move waiting to:shut", "queue_closed shut"),
    ("transfer talking queue:full", "queue_full full"),
    ("wrapped bob waiting", "not_wrapping_up"),
];

fn world() -> Run {
    let mut run = Run::new();
    for line in WORLD {
        let said = run.line(line);
        assert!(!said.iter().any(|said| said.starts_with("refused")), "{line}: {said:?}");
    }
    run
}

#[test]
fn the_first_that_applies_is_returned_and_nothing_changes() {
    let mut wrong = Vec::new();
    for (asked, wanted) in ROWS {
        let mut run = world();
        let before = snapshot(&run);
        let said = run.line(&format!("0s {asked}"));
        if said != [format!("refused {wanted}")] {
            wrong.push(format!("{asked}: {said:?}, should be refused {wanted}"));
        }
        let after = snapshot(&run);
        assert_eq!(before, after, "{asked} changed something");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// All views, the sequence and the books, as one text.
fn snapshot(run: &Run) -> String {
    let state = run.engine.state();
    let contacts: Vec<_> = state.contacts_from(0).map(|(id, _)| state.view_contact(run.now, id)).collect();
    let agents: Vec<_> = state.agents_from(0).map(|id| state.view_agent(run.now, id)).collect();
    let receipts = state.receipts().snapshot();
    format!("{} {contacts:?} {agents:?} {:?} {receipts:?} {}", state.sequence(), state.tally(), state.policy_version())
}

/// The words of a row name each refusal of `Reject`, but for the two that need a state no script reaches.
#[test]
fn no_refusal_is_left_out() {
    let all = [
        "idempotency_mismatch",
        "invalid",
        "contact_not_found",
        "agent_not_found",
        "offer_not_found",
        "queue_not_found",
        "channel_not_found",
        "team_not_found",
        "skill_not_found",
        "reason_unknown",
        "disposition_unknown",
        "contact_exists",
        "offer_not_yours",
        "managed_by_config",
        "version_mismatch",
        "queue_holds_contacts",
        "contact_closed",
        "contact_state",
        "offer_over",
        "agent_signed_out",
        "agent_unavailable",
        "agent_ineligible",
        "agent_no_room",
        "queue_closed",
        "queue_full",
        "not_wrapping_up",
    ];
    // A row's first word, in the order of the rows, must climb through the list: the rows walk down the declaration.
    let mut at = 0;
    for (asked, wanted) in ROWS {
        let word = wanted.split(' ').next().unwrap_or_default();
        let place = all.iter().position(|held| *held == word).unwrap_or_else(|| panic!("{word} is no refusal"));
        assert!(place == at || place == at + 1, "{asked}: {word} is out of order");
        at = place;
    }
    assert_eq!(at + 1, all.len());
}

fn refused(run: &mut Run, command: Command) -> String {
    match run.apply(&Request::from(command), &mut Vec::new()) {
        Ok(_) => "ok".into(),
        Err(reject) => refusal(&reject),
    }
}

/// Without a policy everything is refused but a policy; an id used with another payload goes first even then.
#[test]
fn without_a_policy() {
    let mut run = Run::new();
    for line in ["contact c1 priority:101", "agent ana", "gateway_open g1", "heartbeat ana"] {
        let said = bare(&mut run, line);
        assert_eq!(said, "refused no_policy", "{line}");
    }
    assert_eq!(run.engine.state().sequence(), 0);
}

fn bare(run: &mut Run, line: &str) -> String {
    let name = || "x".into();
    let command = match line.split(' ').next().unwrap_or_default() {
        "contact" => Command::CreateContact(Arc::default()),
        "agent" => Command::UpsertAgent { profile: Arc::default() },
        "gateway_open" => Command::OpenGatewaySession { gateway_id: name(), lease: limits::LEASE },
        _ => Command::Heartbeat { agent_id: name() },
    };
    refused(run, command)
}

/// Names that are too long or empty, which no script can write.
#[test]
fn names_have_bounds() {
    let mut run = world();
    let long: Arc<str> = "x".repeat(limits::ID_BYTES + 1).into();
    for id in [long, "".into()] {
        let mut new = usher::engine::command::NewContact { queue: "sales".into(), ..Default::default() };
        let profile = Arc::make_mut(&mut new.profile);
        profile.contact_id = id.clone();
        let said = refused(&mut run, Command::CreateContact(Arc::new(new)));
        assert_eq!(said, "refused invalid contact.contact_id must be 1-128 bytes");
        let profile = usher::engine::agent::AgentProfile { agent_id: id.clone(), capacity: 1, ..Default::default() };
        let said = refused(&mut run, Command::UpsertAgent { profile: Arc::new(profile) });
        assert_eq!(said, "refused invalid agent.agent_id must be 1-128 bytes");
        let said = refused(&mut run, Command::OpenGatewaySession { gateway_id: id, lease: limits::LEASE });
        assert_eq!(said, "refused invalid gateway_id must be 1-128 bytes");
    }
}

/// Channels are counted over all policies, since no handle is reused; a queue in use goes first.
#[test]
fn channels_have_a_bound() {
    let mut run = world();
    let held = (**run.engine.state().policy()).clone();
    let with = |names: &[String]| {
        let mut channels = held.channels.clone();
        channels.extend(names.iter().map(|name| Channel::named(name.as_str().into())));
        Policy { channels, ..held.clone() }
    };
    let names: Vec<String> = (0..limits::CHANNELS).map(|number| format!("channel-{number}")).collect();
    let room = limits::CHANNELS - held.channels.len();
    let apply = |policy: Policy| Command::apply(policy);
    let limit = format!("refused limit_reached channels {}", limits::CHANNELS);
    assert_eq!(refused(&mut run, apply(with(&names[..room + 1]))), limit);
    assert_eq!(refused(&mut run, apply(with(&names[..room]))), "ok");
    // Others instead of them are one too many all the same.
    assert_eq!(refused(&mut run, apply(with(&names[room..room + 1]))), limit);
    let both = Policy { queues: Vec::new(), ..with(&names[..room + 1]) };
    assert_eq!(refused(&mut run, apply(both)), "refused queue_holds_contacts sales");
    assert_eq!(refused(&mut run, apply(with(&names[..room - 1]))), "ok");
}

/// A request that was refused may come again with another payload, one that was taken may not.
#[test]
fn only_taken_requests_are_remembered() {
    let mut run = world();
    let stamp = |digest: u8| Some(Arc::new(RequestStamp { method: 1, request_id: "r".into(), digest: [digest; 16] }));
    let ask = |run: &mut Run, digest: u8, contact_id: &str| {
        let command = Command::ParkContact { contact_id: contact_id.into() };
        match run.apply(&Request { stamp: stamp(digest), command }, &mut Vec::new()) {
            Ok(reply) => format!("ok {}", reply.repeated),
            Err(reject) => refusal(&reject),
        }
    };
    assert_eq!(ask(&mut run, 1, "nosuch"), "refused contact_not_found");
    assert_eq!(ask(&mut run, 2, "waiting"), "ok false");
    assert_eq!(ask(&mut run, 2, "waiting"), "ok true");
    assert_eq!(ask(&mut run, 1, "nosuch"), "refused idempotency_mismatch");
}
