//! What a command means: it looks at the state and refuses, or says what happens. It changes nothing.
//!
//! `contact`, `agent`, `give` and `supervise` have the verbs, `deadline` what falls due, `follow_up` what follows by itself,
//! `arrival` who may come in, `classify` where to, `gate` which queues are open, `skills` what agents can do for a time,
//! `overflow` where else contacts go, `leg` how legs end. Checks stand in the order of [`Reject`], so that the first refusal
//! that applies is the one returned.

mod agent;
mod arrival;
mod classify;
mod contact;
mod deadline;
mod follow_up;
mod gate;
mod gateway;
mod give;
mod leg;
mod overflow;
mod policy;
mod skills;
mod supervise;

use alloc::vec::Vec;

pub(super) use deadline::deadline;
pub(super) use follow_up::follow_up;

use super::command::Command;
use super::event::Event;
use super::id::{AgentId, ContactId, Text};
use super::reject::Reject;
use super::state::State;
use super::time::Time;

/// What a command was about, for its reply.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Subject {
    pub(super) contact: Option<ContactId>,
    pub(super) agent: Option<AgentId>,
    pub(super) created: bool,
    pub(super) moved: u32,
    pub(super) skipped: u32,
    pub(super) rule: Option<u32>,
}

impl From<ContactId> for Subject {
    fn from(contact: ContactId) -> Subject {
        Subject { contact: Some(contact), ..Subject::default() }
    }
}

impl From<AgentId> for Subject {
    fn from(agent: AgentId) -> Subject {
        Subject { agent: Some(agent), ..Subject::default() }
    }
}

type Verdict = Result<Subject, Reject>;

/// Decides one command: the events it causes by itself are pushed to `out`; what follows from them is not among them.
// tidy: table
pub(super) fn decide(state: &State, now: Time, command: &Command, out: &mut Vec<Event>) -> Verdict {
    use Command::*;
    if !matches!(command, ApplyPolicy { .. }) && state.policy_version() == 0 {
        return Err(Reject::NoPolicy);
    }
    match command {
        CreateContact(new) => contact::create(state, now, new, out),
        UpdateContact { contact_id, change } => contact::update(state, now, contact_id, change, out),
        ConnectContact { contact_id } => contact::connect(state, now, contact_id, out),
        HoldContact { contact_id } => contact::hold(state, contact_id, out),
        ResumeContact { contact_id } => contact::resume(state, contact_id, out),
        CompleteContact { contact_id, disposition } => contact::complete(state, now, contact_id, disposition, out),
        CancelContact { contact_id, cause } => contact::cancel(state, now, contact_id, *cause, out),
        TransferContact { contact_id, target, requirement, reason } => {
            contact::transfer(state, now, contact_id, (target, requirement.as_ref(), reason), out)
        }
        RequeueContact { contact_id, cause } => contact::requeue(state, now, contact_id, *cause, out),
        ParkContact { contact_id } => contact::park(state, now, contact_id, out),
        UnparkContact { contact_id } => contact::unpark(state, contact_id, out),
        MoveContacts { to, which } => supervise::move_contacts(state, now, to, which, out),
        ReclassifyContact { contact_id, queue } => classify::reclassify(state, now, (contact_id, queue), out),
        RequestCallback { contact_id, callback_id, schedule, address } => {
            supervise::request_callback(state, now, (contact_id, callback_id), *schedule, address, out)
        }
        SetQueueOpen { queue, open, until } => gate::set_open(state, now, queue, *open, *until, out),
        ForgetCustomer { customer_id } => supervise::forget_customer(state, customer_id, out),
        SubmitSurvey { contact_id, kind, score } => supervise::submit_survey(state, contact_id, *kind, *score, out),
        UpsertAgent { profile } => agent::upsert(state, profile, out),
        SetAgentSkills { agent_id, skills, until } => skills::set_skills(state, now, agent_id, skills, *until, out),
        DeleteAgent { agent_id } => agent::delete(state, agent_id, out),
        SignIn { agent_id, presence, lease } => agent::sign_in(state, agent_id, presence, *lease, out),
        SignOut { agent_id, force } => agent::sign_out(state, now, agent_id, *force, out),
        SetPresence { agent_id, presence } => agent::set_presence(state, now, agent_id, presence, false, out),
        SetAgentPresence { agent_id, presence } => agent::set_presence(state, now, agent_id, presence, true, out),
        Heartbeat { agent_id } => agent::sign_of_life(state, agent_id, true, out),
        OpenAgentSession { agent_id } => agent::sign_of_life(state, agent_id, false, out),
        CloseAgentSession { agent_id } => find_agent(state, agent_id).map(Subject::from),
        AcceptOffer { agent_id, offer } => agent::accept(state, now, agent_id, *offer, out),
        DeclineOffer { agent_id, offer, reason, retry_time } => {
            agent::decline(state, now, agent_id, *offer, (*reason, *retry_time), out)
        }
        PickContact { agent_id, contact_id } => give::pick(state, now, (agent_id, contact_id), out),
        AssignContact { contact_id, agent_id, force } => give::assign(state, now, (contact_id, agent_id), *force, out),
        FailOffer { agent_id, offer } => agent::fail_offer(state, now, agent_id, *offer, out),
        CompleteWrapUp { agent_id, contact_id, disposition, resolved } => {
            agent::complete_wrap_up(state, (agent_id, contact_id), disposition, *resolved, out)
        }
        OpenGatewaySession { gateway_id, lease } => gateway::open(state, gateway_id, *lease, out),
        RenewGatewaySession { gateway_id } => gateway::renew(state, gateway_id, out),
        CloseGatewaySession { .. } => Ok(Subject::default()),
        ApplyPolicy { policy, change, expected_version } => {
            policy::apply(state, policy, change, *expected_version, out)
        }
    }
}

fn find_contact(state: &State, contact_id: &str) -> Result<ContactId, Reject> {
    state.find_contact(contact_id).ok_or(Reject::ContactNotFound)
}

fn find_agent(state: &State, agent_id: &str) -> Result<AgentId, Reject> {
    state.find_agent(agent_id).ok_or(Reject::AgentNotFound)
}

fn known_disposition(state: &State, disposition: &Text) -> Result<(), Reject> {
    let known = &state.policy().dispositions;
    if disposition.is_empty() || known.is_empty() || known.contains(disposition) {
        return Ok(());
    }
    Err(Reject::DispositionUnknown)
}
