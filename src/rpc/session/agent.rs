//! The agent's session.

use std::sync::Arc;

use tokio::sync::mpsc;
use tonic::{Status, Streaming};
use usher_proto::v1::{
    self as pb, agent_session_command::Command as Asked, agent_session_item::Item,
    agent_session_reply::Result as Answer,
};

use super::{
    FRAME, Reply, answers, brief, gather, later, not_open, open_twice, own, refuse, settle_tenant, submit, too_many,
};
use crate::engine::publish::Published;
use crate::rpc::Edge;
use crate::rpc::convert::{event::event, span, time};
use crate::rpc::status::Problem;
use crate::rpc::watch::{AgentStream, Messages, OUTBOX, ended, messages};

type Outbox = mpsc::Sender<Result<pb::AgentServiceSessionResponse, Status>>;

/// Serves one session until either side ends it.
pub fn serve(
    edge: Edge,
    mut frames: Streaming<pb::AgentServiceSessionRequest>,
) -> Messages<pb::AgentServiceSessionResponse> {
    let (outbox, inbox) = mpsc::channel(OUTBOX);
    tokio::spawn(async move {
        if let Err(problem) = run(edge, &mut frames, &outbox).await {
            // The client may have gone already.
            let _ = outbox.send(Err(problem.into())).await;
        }
    });
    messages(inbox)
}

async fn run(
    edge: Edge,
    frames: &mut Streaming<pb::AgentServiceSessionRequest>,
    outbox: &Outbox,
) -> Result<(), Problem> {
    let Ok(Some(mut frame)) = frames.message().await else { return Ok(()) };
    if frame.commands.is_empty() {
        return Err(not_open());
    }
    let Some(Asked::Open(open)) = frame.commands.remove(0).command else { return Err(not_open()) };
    let stream = AgentStream::open(&edge, &open.tenant, open.agent_id, &open.resume_token).await?;
    let mut session = Session { edge, outbox: outbox.clone(), brief: open.brief_replies, stream };
    session.greet().await?;
    session.frame(frame).await?;
    loop {
        tokio::select! {
            frame = frames.message() => match frame {
                Ok(Some(frame)) => session.frame(frame).await?,
                Ok(None) | Err(_) => return Ok(()),
            },
            next = session.stream.events.next() => match next {
                Some(Ok(published)) => session.events(published).await?,
                Some(Err(why)) => return Err(ended(why)),
                None => return Ok(()),
            },
        }
    }
}

struct Session {
    edge: Edge,
    outbox: Outbox,
    brief: bool,
    stream: AgentStream,
}

impl Session {
    async fn greet(&mut self) -> Result<(), Problem> {
        let (now, lease) =
            self.edge.query(&self.stream.tenant, |state, now| (now, state.policy().rules.session_lease)).await?;
        let snapshot = self.stream.snapshot.take();
        let lease = snapshot.as_ref().map_or(lease, |snapshot| snapshot.agent.lease);
        let mut items = vec![Item::Opened(pb::SessionOpened {
            lease: Some(span(lease)),
            resumed: snapshot.is_none(),
            server_time: Some(time(now)),
            tenant: self.stream.tenant.clone(),
        })];
        let mut sequence = self.stream.events.sequence();
        if let Some(snapshot) = snapshot {
            sequence = snapshot.sequence;
            items.push(Item::Snapshot(snapshot.snapshot()));
        }
        self.send(items, self.stream.token(sequence)).await
    }

    async fn frame(&mut self, frame: pb::AgentServiceSessionRequest) -> Result<(), Problem> {
        if frame.commands.len() > FRAME {
            return Err(too_many());
        }
        let mut handed_in: Vec<(u64, Reply<Answer>)> = Vec::with_capacity(frame.commands.len());
        for command in frame.commands {
            let reply = match command.command {
                Some(asked) => self.hand_in(asked),
                None => refuse(Problem::field("command", "be set")),
            };
            handed_in.push((command.correlation_id, reply));
        }
        let items = answers(handed_in, Answer::Error).await.into_iter().map(|(correlation_id, answer)| {
            Item::Reply(pb::AgentSessionReply { correlation_id, result: Some(answer) })
        });
        self.send(items.collect(), String::new()).await
    }

    // tidy: table
    fn hand_in(&self, asked: Asked) -> Reply<Answer> {
        let (edge, tenant, agent, short) = (&self.edge, &self.stream.tenant, &self.stream.agent_id, self.brief);
        macro_rules! verb {
            ($request:ident, $answer:ident) => {{
                let mut request = $request;
                own(&mut request.agent_id, agent);
                submit(edge, tenant, request, Answer::$answer)
            }};
        }
        macro_rules! contact_verb {
            ($request:ident, $answer:ident) => {{
                let mut request = $request;
                own(&mut request.agent_id, agent);
                submit(edge, tenant, request, move |mut response| {
                    if short {
                        brief(&mut response.contact);
                    }
                    Answer::$answer(response)
                })
            }};
        }
        match asked {
            Asked::Open(_) => refuse(open_twice()),
            Asked::SignIn(sign_in) => verb!(sign_in, SignIn),
            Asked::SignOut(sign_out) => verb!(sign_out, SignOut),
            Asked::SetPresence(set_presence) => verb!(set_presence, SetPresence),
            Asked::AcceptOffer(accept) => contact_verb!(accept, AcceptOffer),
            Asked::DeclineOffer(decline) => verb!(decline, DeclineOffer),
            Asked::CompleteWrapUp(complete) => contact_verb!(complete, CompleteWrapUp),
            Asked::Heartbeat(mut heartbeat) => {
                own(&mut heartbeat.agent_id, agent);
                match settle_tenant(&mut heartbeat, tenant) {
                    Ok(()) => {
                        let edge = edge.clone();
                        Box::pin(async move { Ok(Answer::Heartbeat(edge.heartbeat(heartbeat).await?)) })
                    }
                    Err(problem) => refuse(problem),
                }
            }
            Asked::GetAgent(mut get) => {
                own(&mut get.agent_id, agent);
                match settle_tenant(&mut get, tenant) {
                    Ok(()) => {
                        let edge = edge.clone();
                        Box::pin(async move { Ok(Answer::GetAgent(edge.get_agent(get).await?)) })
                    }
                    Err(problem) => refuse(problem),
                }
            }
            Asked::PickContact(_) => later("PickContact"),
            Asked::HandoffContact(_) => later("HandoffContact"),
        }
    }

    async fn events(&mut self, first: Arc<Published>) -> Result<(), Problem> {
        let tenant = &self.stream.tenant;
        let (told, sequence, over) = gather(&mut self.stream.events, first, |published| event(tenant, published));
        self.send(told.into_iter().map(Item::Event).collect(), self.stream.token(sequence)).await?;
        over.map_or(Ok(()), |why| Err(ended(why)))
    }

    async fn send(&self, items: Vec<Item>, resume_token: String) -> Result<(), Problem> {
        if items.is_empty() {
            return Ok(());
        }
        let items = items.into_iter().map(|item| pb::AgentSessionItem { item: Some(item) }).collect();
        let frame = pb::AgentServiceSessionResponse { items, resume_token };
        let gone = |_| Problem::new(tonic::Code::Cancelled, "CANCELLED", "the client is gone");
        self.outbox.send(Ok(frame)).await.map_err(gone)
    }
}
