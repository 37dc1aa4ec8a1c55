//! How gateways and agents reach the server: one stream each, or unary calls beside a stream that only tells events.
//! Answers come back alike.

use tokio::task::AbortHandle;
use tonic::transport::Channel;
use usher_proto::v1 as pb;
use usher_proto::v1::agent_service_client::AgentServiceClient;
use usher_proto::v1::contact_service_client::ContactServiceClient;
use usher_proto::v1::{
    agent_session_command::Command as Desk, agent_session_reply::Result as DeskReply,
    contact_session_command::Command as Gate, contact_session_reply::Result as GateReply,
};

use super::refusal::Refusal;
use crate::outbox::Outbox;

/// Commands in one frame of a session at most.
pub const FRAME: usize = 256;

/// What the server answered: the contact where there is one, and the sequence the answer covers.
pub type Answer = Result<(Option<pb::Contact>, u64), Refusal>;

/// A gateway's way to the server.
pub enum GateLine {
    /// A session.
    Stream(Outbox<pb::ContactSessionCommand>),
    /// Unary calls.
    Unary(ContactServiceClient<Channel>),
}

/// An agent's way to the server.
pub enum DeskLine {
    /// A session.
    Stream(Outbox<pb::AgentSessionCommand>),
    /// Unary calls.
    Unary(AgentServiceClient<Channel>),
}

/// A task that is ended with what it belongs to.
pub struct Reader(pub AbortHandle);

impl Drop for Reader {
    fn drop(&mut self) {
        self.0.abort();
    }
}

macro_rules! unary {
    ($client:ident.$method:ident($request:ident)) => {{
        let answer = $client.$method($request).await?.into_inner();
        (answer.contact, answer.sequence)
    }};
}

/// Carries out a gateway's command by a unary call.
pub async fn call_gate(mut client: ContactServiceClient<Channel>, command: Gate) -> Answer {
    Ok(match command {
        Gate::CreateContact(request) => unary!(client.create_contact(request)),
        Gate::ConnectContact(request) => unary!(client.connect_contact(request)),
        Gate::CompleteContact(request) => unary!(client.complete_contact(request)),
        Gate::CancelContact(request) => unary!(client.cancel_contact(request)),
        other => return Err(strange(&format!("{other:?}"))),
    })
}

/// What a session answered to a gateway's command.
pub fn gate_answer(reply: Option<GateReply>) -> Answer {
    Ok(match reply {
        Some(GateReply::CreateContact(answer)) => (answer.contact, answer.sequence),
        Some(GateReply::ConnectContact(answer)) => (answer.contact, answer.sequence),
        Some(GateReply::CompleteContact(answer)) => (answer.contact, answer.sequence),
        Some(GateReply::CancelContact(answer)) => (answer.contact, answer.sequence),
        Some(GateReply::Error(error)) => return Err(error.into()),
        other => return Err(strange(&format!("{other:?}"))),
    })
}

/// Carries out an agent's command by a unary call.
pub async fn call_desk(mut client: AgentServiceClient<Channel>, command: Desk) -> Answer {
    Ok(match command {
        Desk::AcceptOffer(request) => unary!(client.accept_offer(request)),
        Desk::CompleteWrapUp(request) => unary!(client.complete_wrap_up(request)),
        Desk::DeclineOffer(request) => (None, client.decline_offer(request).await?.into_inner().sequence),
        Desk::SignIn(request) => (None, client.sign_in(request).await?.into_inner().sequence),
        Desk::SignOut(request) => (None, client.sign_out(request).await?.into_inner().sequence),
        Desk::SetPresence(request) => (None, client.set_presence(request).await?.into_inner().sequence),
        other => return Err(strange(&format!("{other:?}"))),
    })
}

/// What a session answered to an agent's command.
pub fn desk_answer(reply: Option<DeskReply>) -> Answer {
    Ok(match reply {
        Some(DeskReply::AcceptOffer(answer)) => (answer.contact, answer.sequence),
        Some(DeskReply::CompleteWrapUp(answer)) => (answer.contact, answer.sequence),
        Some(DeskReply::DeclineOffer(answer)) => (None, answer.sequence),
        Some(DeskReply::SignIn(answer)) => (None, answer.sequence),
        Some(DeskReply::SignOut(answer)) => (None, answer.sequence),
        Some(DeskReply::SetPresence(answer)) => (None, answer.sequence),
        Some(DeskReply::Error(error)) => return Err(error.into()),
        other => return Err(strange(&format!("{other:?}"))),
    })
}

fn strange(what: &str) -> Refusal {
    Refusal { reason: "STRANGE_ANSWER".to_owned(), message: what.to_owned() }
}
