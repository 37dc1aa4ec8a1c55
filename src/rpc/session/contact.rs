//! The gateway's session.

use std::collections::HashSet;
use std::sync::{Arc, OnceLock};

use prost::Message as _;
use tokio::sync::mpsc;
use tonic::{Status, Streaming};
use usher_proto::v1::{
    self as pb, contact_session_command::Command as Asked, contact_session_item::Item,
    contact_session_reply::Result as Answer,
};

use super::{
    FRAME, Reply, answers, brief, gather, later, not_open, open_twice, own, refuse, settle_tenant, submit, tenant_of,
    too_many,
};
use crate::engine::command::Command;
use crate::engine::id::Text;
use crate::engine::publish::Published;
use crate::engine::time::{Span, Time};
use crate::rpc::Edge;
use crate::rpc::convert::{event::event, input, span, time};
use crate::rpc::status::{Problem, refused};
use crate::rpc::watch::{Alive, CatchUp, ContactsWanted, Messages, OUTBOX, ended, messages, start, token, watched};
use crate::shard::{Order, Start, Subscription, Topic};

type Outbox = mpsc::Sender<Result<pb::ContactServiceSessionResponse, Status>>;

/// Serves one session until either side ends it.
pub fn serve(
    edge: Edge,
    mut frames: Streaming<pb::ContactServiceSessionRequest>,
) -> Messages<pb::ContactServiceSessionResponse> {
    let (outbox, inbox) = mpsc::channel(OUTBOX);
    tokio::spawn(async move {
        if let Err(problem) = run(&edge, &mut frames, &outbox).await {
            // The client may have gone already.
            let _ = outbox.send(Err(problem.into())).await;
        }
    });
    messages(inbox)
}

async fn run(
    edge: &Edge,
    frames: &mut Streaming<pb::ContactServiceSessionRequest>,
    outbox: &Outbox,
) -> Result<(), Problem> {
    let Ok(Some(mut frame)) = frames.message().await else { return Ok(()) };
    if frame.commands.is_empty() {
        return Err(not_open());
    }
    let first = frame.commands.remove(0);
    let Some(Asked::Open(open)) = first.command else { return Err(not_open()) };
    let mut session = Session::open(edge, open, outbox.clone()).await?;
    session.frame(frame).await?;
    loop {
        tokio::select! {
            frame = frames.message() => match frame {
                Ok(Some(frame)) => session.frame(frame).await?,
                Ok(None) | Err(_) => return Ok(()),
            },
            next = session.events.next() => match next {
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
    tenant: String,
    gateway_id: Text,
    brief: bool,
    wanted: Option<HashSet<u32>>,
    events: Subscription,
    watched: u64,
    shown: Option<CatchUp>,
    lease: Span,
    _alive: Alive,
}

/// The gateway is gone: nothing more to say.
struct Gone;

impl From<Gone> for Problem {
    fn from(_: Gone) -> Problem {
        Problem::new(tonic::Code::Cancelled, "CANCELLED", "the client is gone")
    }
}

impl Session {
    async fn open(edge: &Edge, open: pb::ContactSessionOpen, outbox: Outbox) -> Result<Session, Problem> {
        let tenant = tenant_of(&open.tenant);
        let gateway_id = input::id("gateway_id", open.gateway_id)?;
        let wanted = wanted(&open.event_names)?;
        let identity = pb::ContactSessionOpen {
            tenant: tenant.clone(),
            gateway_id: gateway_id.to_string(),
            ..pb::ContactSessionOpen::default()
        };
        let watched = watched(&identity);
        let start = start(&open.resume_token, watched)?;
        let lease = match input::span("lease", open.lease)? {
            Some(lease) if !lease.is_zero() && lease < Span::from_secs(1) => {
                return Err(Problem::field("lease", "be 0 for none, or 1 s to 24 h"));
            }
            Some(lease) => lease,
            None => edge.query(&tenant, |state, _| state.policy().rules.session_lease).await?,
        };
        let alive = Alive::open(
            edge,
            &tenant,
            Command::OpenGatewaySession { gateway_id: gateway_id.clone(), lease },
            Command::CloseGatewaySession { gateway_id: gateway_id.clone() },
        )
        .await?;
        let order = Order { topic: Topic::Gateway(gateway_id.clone()), start, capacity: edge.options.stream_buffer };
        let (now, events) = edge.shard.subscribe(&tenant, order, |_, now| now).await.map_err(refused)?;
        let edge = edge.clone();
        let mut session = Session {
            edge,
            outbox,
            tenant,
            gateway_id,
            brief: open.brief_replies,
            wanted,
            events,
            watched,
            shown: None,
            lease,
            _alive: alive,
        };
        session.greet(start, now).await?;
        Ok(session)
    }

    /// Says that the session is open, and shows the gateway's contacts unless it goes on where it was.
    async fn greet(&mut self, start: Start, now: Time) -> Result<(), Problem> {
        let from = self.events.sequence();
        let opened = Item::Opened(pb::SessionOpened {
            lease: Some(span(self.lease)),
            resumed: start != Start::Now,
            server_time: Some(time(now)),
            tenant: self.tenant.clone(),
        });
        if start != Start::Now {
            return Ok(self.send(vec![opened], self.token(from)).await?);
        }
        self.send(vec![opened], String::new()).await?;
        let gateway_id = self.gateway_id.to_string();
        let wanted = ContactsWanted { gateway_id, queues: Vec::new(), contact_ids: Vec::new() };
        let mut catch_up = CatchUp::new(self.edge.clone(), self.tenant.clone(), wanted);
        while !catch_up.is_complete() {
            let page = catch_up.page().await?;
            if !page.contacts.is_empty() {
                self.send(vec![Item::Snapshot(page)], String::new()).await?;
            }
        }
        let complete = Item::SnapshotComplete(catch_up.closing(from, now));
        self.send(vec![complete], self.token(from)).await?;
        self.shown = Some(catch_up);
        Ok(())
    }

    fn token(&self, sequence: u64) -> String {
        token(sequence, self.watched)
    }

    /// Carries out a frame: commands are handed in in order, replies follow in that order too.
    async fn frame(&mut self, frame: pb::ContactServiceSessionRequest) -> Result<(), Problem> {
        if frame.commands.len() > FRAME {
            return Err(too_many());
        }
        if frame.commands.is_empty() {
            return Ok(());
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
            Item::Reply(pb::ContactSessionReply { correlation_id, result: Some(answer) })
        });
        Ok(self.send(items.collect(), String::new()).await?)
    }

    // tidy: table
    fn hand_in(&self, asked: Asked) -> Reply<Answer> {
        let (edge, tenant, short) = (&self.edge, &self.tenant, self.brief);
        macro_rules! verb {
            ($request:expr, $answer:ident) => {
                submit(edge, tenant, $request, move |mut response| {
                    if short {
                        brief(&mut response.contact);
                    }
                    Answer::$answer(response)
                })
            };
        }
        match asked {
            Asked::Open(_) => refuse(open_twice()),
            Asked::Heartbeat(_) => self.heartbeat(),
            Asked::CreateContact(mut create) => {
                if let Some(contact) = &mut create.contact {
                    own(&mut contact.gateway_id, &self.gateway_id);
                }
                verb!(create, CreateContact)
            }
            Asked::UpdateContact(update) => verb!(update, UpdateContact),
            Asked::ConnectContact(connect) => verb!(connect, ConnectContact),
            Asked::HoldContact(hold) => verb!(hold, HoldContact),
            Asked::ResumeContact(resume) => verb!(resume, ResumeContact),
            Asked::CompleteContact(complete) => verb!(complete, CompleteContact),
            Asked::CancelContact(cancel) => verb!(cancel, CancelContact),
            Asked::TransferContact(transfer) => verb!(transfer, TransferContact),
            Asked::RequeueContact(requeue) => verb!(requeue, RequeueContact),
            Asked::ParkContact(park) => verb!(park, ParkContact),
            Asked::UnparkContact(unpark) => verb!(unpark, UnparkContact),
            Asked::GetContact(mut get) => match settle_tenant(&mut get, tenant) {
                Ok(()) => {
                    let edge = edge.clone();
                    Box::pin(async move { Ok(Answer::GetContact(edge.get_contact(get).await?)) })
                }
                Err(problem) => refuse(problem),
            },
            Asked::ListContacts(mut list) => match settle_tenant(&mut list, tenant) {
                Ok(()) => {
                    let edge = edge.clone();
                    Box::pin(async move { Ok(Answer::ListContacts(edge.list_contacts(list).await?)) })
                }
                Err(problem) => refuse(problem),
            },
            Asked::ReclassifyContact(_) => later("ReclassifyContact"),
            Asked::ConsultContact(_) => later("ConsultContact"),
            Asked::RequestCallback(mut ask) => match settle_tenant(&mut ask, tenant) {
                Ok(()) => {
                    let edge = edge.clone();
                    Box::pin(async move { Ok(Answer::RequestCallback(edge.request_callback(ask).await?)) })
                }
                Err(problem) => refuse(problem),
            },
            Asked::EstimateWait(_) => later("EstimateWait"),
            Asked::ExplainContact(_) => later("ExplainContact"),
            Asked::SubmitSurvey(mut submit) => match settle_tenant(&mut submit, tenant) {
                Ok(()) => {
                    let edge = edge.clone();
                    Box::pin(async move { Ok(Answer::SubmitSurvey(edge.submit_survey(submit).await?)) })
                }
                Err(problem) => refuse(problem),
            },
        }
    }

    /// The open stream keeps the lease by itself; a heartbeat also brings a lost session back.
    fn heartbeat(&self) -> Reply<Answer> {
        let command = Command::RenewGatewaySession { gateway_id: self.gateway_id.clone() };
        let pending = self.edge.shard.call(&self.tenant, command.into());
        Box::pin(async move {
            pending.await.map_err(refused)?;
            Ok(Answer::Heartbeat(pb::SessionHeartbeat::default()))
        })
    }

    /// Tells an event and those that are there with it.
    async fn events(&mut self, first: Arc<Published>) -> Result<(), Problem> {
        let teller = Teller { tenant: &self.tenant, shown: self.shown.as_ref(), wanted: self.wanted.as_ref() };
        let (told, sequence, over) = gather(&mut self.events, first, |published| teller.tell(published));
        self.send(told.into_iter().map(Item::Event).collect(), self.token(sequence)).await?;
        over.map_or(Ok(()), |why| Err(ended(why)))
    }

    async fn send(&self, items: Vec<Item>, resume_token: String) -> Result<(), Gone> {
        if items.is_empty() {
            return Ok(());
        }
        let items = items.into_iter().map(|item| pb::ContactSessionItem { item: Some(item) }).collect();
        let frame = pb::ContactServiceSessionResponse { items, resume_token };
        self.outbox.send(Ok(frame)).await.map_err(|_| Gone)
    }
}

/// Which events a session tells.
struct Teller<'a> {
    tenant: &'a str,
    shown: Option<&'a CatchUp>,
    wanted: Option<&'a HashSet<u32>>,
}

impl Teller<'_> {
    fn tell(&self, published: &Published) -> Option<pb::Event> {
        if self.shown.is_some_and(|shown| shown.has_shown(published)) {
            return None;
        }
        let told = event(self.tenant, published)?;
        self.wanted.is_none_or(|wanted| wanted.contains(&payload_number(&told))).then_some(told)
    }
}

// ---- event names

/// Numbers of the payloads of Event by name, from the contract itself.
fn payload_numbers() -> &'static [(String, u32)] {
    static NUMBERS: OnceLock<Vec<(String, u32)>> = OnceLock::new();
    NUMBERS.get_or_init(|| {
        let files = prost_types::FileDescriptorSet::decode(usher_proto::FILE_DESCRIPTOR_SET)
            .expect("the descriptor set was encoded by the build");
        let messages = files.file.into_iter().filter(|file| file.package() == "usher.v1");
        let mut events = messages.flat_map(|file| file.message_type).filter(|message| message.name() == "Event");
        let fields = events.next().map(|message| message.field).unwrap_or_default();
        let payloads = fields.iter().filter(|field| field.oneof_index.is_some());
        payloads.map(|field| (field.name().to_owned(), field.number() as u32)).collect()
    })
}

/// The payloads asked for; all when none is named.
pub(in crate::rpc) fn wanted(names: &[String]) -> Result<Option<HashSet<u32>>, Problem> {
    let number = |name: &String| {
        let known = payload_numbers().iter().find(|(known, _)| known == name);
        known
            .map(|(_, number)| *number)
            .ok_or_else(|| Problem::field("event_names", &format!("be names of Event's payloads; {name:?} is not")))
    };
    let numbers = names.iter().map(number).collect::<Result<HashSet<_>, _>>()?;
    Ok((!numbers.is_empty()).then_some(numbers))
}

/// The number of an event's payload: the field its encoding begins with.
pub(in crate::rpc) fn payload_number(event: &pb::Event) -> u32 {
    let Some(payload) = &event.payload else { return 0 };
    let mut encoded = Vec::with_capacity(payload.encoded_len());
    payload.encode(&mut encoded);
    prost::encoding::decode_key(&mut encoded.as_slice()).map_or(0, |(number, _)| number)
}
