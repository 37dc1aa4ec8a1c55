//! A relay between the load test and a server that can lie: it passes every call on unread, and on agents' sessions it
//! can show one offer to a second agent and tell him that he has it. What it plants is what a server would do that
//! gives one contact to two agents.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::pin::Pin;
use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::extract::Request as HttpRequest;
use axum::http::uri::PathAndQuery;
use bytes::{Buf, BufMut, Bytes};
use prost::Message;
use tokio::sync::mpsc;
use tokio_stream::wrappers::{TcpListenerStream, UnboundedReceiverStream};
use tokio_stream::{Stream, StreamExt};
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::server::StreamingService;
use tonic::service::Routes;
use tonic::transport::{Channel, Endpoint, Server};
use tonic::{Request, Response, Status, Streaming};
use usher_proto::v1 as pb;
use usher_proto::v1::{
    agent_session_command::Command, agent_session_item::Item, agent_session_reply::Result as Reply, event::Payload,
};

/// The call on which it lies.
const SESSION: &str = "/usher.v1.AgentService/Session";

/// Starts a relay to the server at `upstream`; with `nth`, the nth offer is shown to a second agent whose id begins with
/// `second`.
pub async fn start(upstream: &str, nth: Option<u32>, second: &'static str) -> SocketAddr {
    let channel = Endpoint::from_str(&format!("http://{upstream}")).expect("an address").connect_lazy();
    let lie = Arc::new(Mutex::new(Lie { nth, second, ..Lie::default() }));
    let routes = Router::new().fallback(move |request: HttpRequest| {
        let (channel, lie) = (channel.clone(), lie.clone());
        async move {
            let path = PathAndQuery::from_str(request.uri().path()).expect("a path");
            tonic::server::Grpc::new(Raw).streaming(Pass { channel, path, lie }, request).await
        }
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let addr = listener.local_addr().expect("an address");
    let server = Server::builder().add_routes(Routes::from(routes));
    tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
    addr
}

/// What is planted, and what is known for it.
#[derive(Default)]
struct Lie {
    nth: Option<u32>,
    second: &'static str,
    offers: u32,
    /// The sessions, by agent.
    sessions: HashMap<String, mpsc::UnboundedSender<Bytes>>,
    /// The offer shown twice, its event, and to whom.
    shown: Option<(pb::Event, pb::OfferIssued, String)>,
}

fn lock(lie: &Mutex<Lie>) -> MutexGuard<'_, Lie> {
    lie.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Lie {
    /// What the server says to an agent.
    fn told(&mut self, message: &Bytes) {
        let Some(nth) = self.nth.filter(|_| self.shown.is_none()) else { return };
        let Ok(frame) = pb::AgentServiceSessionResponse::decode(message.clone()) else { return };
        let events = frame.items.into_iter().filter_map(|item| match item.item {
            Some(Item::Event(event)) => Some(event),
            _ => None,
        });
        for event in events {
            let Some(Payload::OfferIssued(issued)) = event.payload.clone() else { continue };
            self.offers += 1;
            let other = |agent: &&String| agent.starts_with(self.second) && **agent != issued.agent_id;
            if self.offers < nth || self.shown.is_some() {
                continue;
            }
            let Some(other) = self.sessions.keys().find(other).cloned() else { continue };
            let lie = pb::OfferIssued { agent_id: other.clone(), ..issued.clone() };
            let event = pb::Event { payload: Some(Payload::OfferIssued(lie)), ..event };
            self.say(&other, Item::Event(event.clone()));
            self.shown = Some((event, issued, other));
        }
    }

    fn say(&self, agent: &str, item: Item) {
        let items = vec![pb::AgentSessionItem { item: Some(item) }];
        let frame = pb::AgentServiceSessionResponse { items, resume_token: String::new() };
        if let Some(session) = self.sessions.get(agent) {
            // The session may be over.
            let _ = session.send(frame.encode_to_vec().into());
        }
    }

    /// What an agent says to the server; none when it is answered here.
    fn asked(&mut self, message: Bytes) -> Bytes {
        let Ok(mut frame) = pb::AgentServiceSessionRequest::decode(message.clone()) else { return message };
        let Some((event, issued, second)) = self.shown.clone() else { return message };
        let stolen = |command: &pb::AgentSessionCommand| match &command.command {
            Some(Command::AcceptOffer(accept)) => accept.offer_id == issued.offer_id && accept.agent_id == second,
            _ => false,
        };
        for command in frame.commands.extract_if(.., |command| stolen(command)) {
            let contact = pb::Contact { contact_id: issued.contact_id.clone(), ..Default::default() };
            let answer = pb::AcceptOfferResponse { contact: Some(contact), sequence: event.sequence, leg_number: 1 };
            let result = Some(Reply::AcceptOffer(answer));
            self.say(&second, Item::Reply(pb::AgentSessionReply { correlation_id: command.correlation_id, result }));
        }
        frame.encode_to_vec().into()
    }

    /// Notes whose session a stream is.
    fn opened(&mut self, message: &Bytes, session: &mpsc::UnboundedSender<Bytes>) {
        let Ok(frame) = pb::AgentServiceSessionRequest::decode(message.clone()) else { return };
        for command in frame.commands {
            if let Some(Command::Open(open)) = command.command {
                self.sessions.insert(open.agent_id, session.clone());
            }
        }
    }
}

/// One call that is passed on.
struct Pass {
    channel: Channel,
    path: PathAndQuery,
    lie: Arc<Mutex<Lie>>,
}

type Messages = Pin<Box<dyn Stream<Item = Result<Bytes, Status>> + Send>>;
type Passed = Pin<Box<dyn Future<Output = Result<Response<Messages>, Status>> + Send>>;

impl StreamingService<Bytes> for Pass {
    type Response = Bytes;
    type ResponseStream = Messages;
    type Future = Passed;

    fn call(&mut self, request: Request<Streaming<Bytes>>) -> Passed {
        let (channel, path, lie) = (self.channel.clone(), self.path.clone(), self.lie.clone());
        Box::pin(async move {
            let mut client = tonic::client::Grpc::new(channel);
            client.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
            let session = path.path() == SESSION;
            let (planted, plants) = mpsc::unbounded_channel();
            let asks = lie.clone();
            // What the caller sends ends with him.
            let messages = request.into_inner().map_while(Result::ok).map(move |message| {
                if !session {
                    return message;
                }
                let mut lie = lock(&asks);
                lie.opened(&message, &planted);
                lie.asked(message)
            });
            let answers = client.streaming(Request::new(messages), path, Raw).await?.into_inner();
            let told = answers.map(move |message| {
                if let (true, Ok(message)) = (session, &message) {
                    lock(&lie).told(message);
                }
                message
            });
            let messages: Messages = match session {
                true => Box::pin(told.merge(UnboundedReceiverStream::new(plants).map(Ok))),
                false => Box::pin(told),
            };
            Ok(Response::new(messages))
        })
    }
}

/// Messages as they are on the wire.
#[derive(Clone, Copy, Debug, Default)]
struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Raw;
    type Decoder = Raw;

    fn encoder(&mut self) -> Raw {
        Raw
    }

    fn decoder(&mut self) -> Raw {
        Raw
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, message: Bytes, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        out.put(message);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, message: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(message.copy_to_bytes(message.remaining())))
    }
}
