//! The agent's session.

use usher_proto::v1::{
    self as pb, agent_session_command::Command as Asked, agent_session_item::Item,
    agent_session_reply::Result as Answer,
};

use super::{Outbox, Reply, Side, inquire, later, not_open, open_twice, own, refuse, submit, wanted};
use crate::engine::publish::Published;
use crate::rpc::Edge;
use crate::rpc::convert::{event::event, span, time};
use crate::rpc::status::Problem;
use crate::rpc::watch::AgentStream;
use crate::shard::Subscription;

/// An agent's session.
pub struct Session {
    edge: Edge,
    brief: bool,
    stream: AgentStream,
}

impl Session {
    /// Says that it is open, and shows the agent unless it goes on where it was.
    async fn greet(&mut self, outbox: &Outbox<Session>) -> Result<(), Problem> {
        let (now, lease) =
            self.edge.query(&self.stream.tenant, |state, now| (now, state.policy().rules.session_lease)).await?;
        let snapshot = self.stream.snapshot.take();
        let lease = snapshot.as_ref().map_or(lease, |snapshot| snapshot.agent.lease);
        let mut items = vec![item(Item::Opened(pb::SessionOpened {
            lease: Some(span(lease)),
            resumed: snapshot.is_none(),
            server_time: Some(time(now)),
            tenant: self.stream.tenant.clone(),
        }))];
        let mut sequence = self.stream.events.sequence();
        if let Some(snapshot) = snapshot {
            sequence = snapshot.sequence;
            items.push(item(Item::Snapshot(snapshot.snapshot())));
        }
        outbox.send(items, self.token(sequence)).await
    }
}

fn item(item: Item) -> pb::AgentSessionItem {
    pb::AgentSessionItem { item: Some(item) }
}

impl Side for Session {
    type Request = pb::AgentServiceSessionRequest;
    type Asked = Asked;
    type Answer = Answer;
    type Response = pb::AgentServiceSessionResponse;
    type Item = pb::AgentSessionItem;

    fn commands(frame: Self::Request) -> impl ExactSizeIterator<Item = (u64, Option<Asked>)> + Send {
        frame.commands.into_iter().map(|command| (command.correlation_id, command.command))
    }

    async fn open(edge: Edge, asked: Asked, outbox: &Outbox<Self>) -> Result<Self, Problem> {
        let Asked::Open(open) = asked else { return Err(not_open()) };
        let only = wanted(&open.event_names)?;
        let stream = AgentStream::open(&edge, &open.tenant, open.agent_id, &open.resume_token, only).await?;
        let mut session = Session { edge, brief: open.brief_replies, stream };
        session.greet(outbox).await?;
        Ok(session)
    }

    fn edge(&self) -> &Edge {
        &self.edge
    }

    // tidy: table
    fn hand_in(&self, edge: &Edge, asked: Asked) -> Reply<Answer> {
        let (tenant, agent) = (&self.stream.tenant, &self.stream.agent_id);
        macro_rules! verb {
            ($request:ident, $answer:ident) => {{
                let mut request = $request;
                own(&mut request.agent_id, agent);
                submit(edge, tenant, request, self.brief, Answer::$answer)
            }};
        }
        match asked {
            Asked::Open(_) => refuse(open_twice()),
            Asked::SignIn(sign_in) => verb!(sign_in, SignIn),
            Asked::SignOut(sign_out) => verb!(sign_out, SignOut),
            Asked::SetPresence(set_presence) => verb!(set_presence, SetPresence),
            Asked::AcceptOffer(accept) => verb!(accept, AcceptOffer),
            Asked::DeclineOffer(decline) => verb!(decline, DeclineOffer),
            Asked::PickContact(pick) => verb!(pick, PickContact),
            Asked::CompleteWrapUp(complete) => verb!(complete, CompleteWrapUp),
            Asked::Heartbeat(mut heartbeat) => {
                own(&mut heartbeat.agent_id, agent);
                inquire(tenant, heartbeat, |heartbeat| edge.heartbeat(heartbeat), Answer::Heartbeat)
            }
            Asked::GetAgent(mut get) => {
                own(&mut get.agent_id, agent);
                inquire(tenant, get, |get| edge.get_agent(get), Answer::GetAgent)
            }
            Asked::HandoffContact(_) => later("HandoffContact"),
        }
    }

    fn refusal(error: pb::CommandError) -> Answer {
        Answer::Error(error)
    }

    fn reply(correlation_id: u64, answer: Answer) -> pb::AgentSessionItem {
        item(Item::Reply(pb::AgentSessionReply { correlation_id, result: Some(answer) }))
    }

    fn events(&mut self) -> &mut Subscription {
        &mut self.stream.events
    }

    fn event(&self, published: &Published) -> Option<pb::AgentSessionItem> {
        event(&self.stream.tenant, published).map(|told| item(Item::Event(told)))
    }

    fn token(&self, sequence: u64) -> String {
        self.stream.token(sequence)
    }

    fn frame(items: Vec<pb::AgentSessionItem>, resume_token: String) -> pb::AgentServiceSessionResponse {
        pb::AgentServiceSessionResponse { items, resume_token }
    }
}
