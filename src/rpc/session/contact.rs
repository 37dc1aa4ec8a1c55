//! The gateway's session.

use usher_proto::v1::{
    self as pb, contact_session_command::Command as Asked, contact_session_item::Item,
    contact_session_reply::Result as Answer,
};

use super::{Outbox, Reply, Side, inquire, later, not_open, open_twice, own, refuse, submit, wanted};
use crate::engine::command::Command;
use crate::engine::id::Text;
use crate::engine::publish::Published;
use crate::engine::time::{Span, Time};
use crate::rpc::Edge;
use crate::rpc::convert::{event::event, input, span, time};
use crate::rpc::status::{Problem, refused};
use crate::rpc::watch::{Alive, CatchUp, ContactsWanted, start, token, watched};
use crate::shard::{Order, Start, Subscription, Topic};

/// A gateway's session.
pub struct Session {
    edge: Edge,
    tenant: String,
    gateway_id: Text,
    brief: bool,
    events: Subscription,
    watched: u64,
    shown: Option<CatchUp>,
    lease: Span,
    _alive: Alive,
}

impl Session {
    /// Says that the session is open, and shows the gateway's contacts unless it goes on where it was.
    async fn greet(&mut self, outbox: &Outbox<Session>, start: Start, now: Time) -> Result<(), Problem> {
        let from = self.events.sequence();
        let opened = item(Item::Opened(pb::SessionOpened {
            lease: Some(span(self.lease)),
            resumed: start != Start::Now,
            server_time: Some(time(now)),
            tenant: self.tenant.clone(),
        }));
        if start != Start::Now {
            return outbox.send(vec![opened], self.token(from)).await;
        }
        outbox.send(vec![opened], String::new()).await?;
        let gateway_id = self.gateway_id.to_string();
        let wanted = ContactsWanted { gateway_id, queues: Vec::new(), contact_ids: Vec::new() };
        let mut catch_up = CatchUp::new(self.edge.clone(), self.tenant.clone(), wanted);
        while !catch_up.is_complete() {
            let page = catch_up.page().await?;
            if !page.contacts.is_empty() {
                outbox.send(vec![item(Item::Snapshot(page))], String::new()).await?;
            }
        }
        let complete = item(Item::SnapshotComplete(catch_up.closing(from, now)));
        outbox.send(vec![complete], self.token(from)).await?;
        self.shown = Some(catch_up);
        Ok(())
    }

    /// The open stream keeps the lease by itself; a heartbeat also brings a lost session back.
    fn heartbeat(&self, edge: &Edge) -> Reply<Answer> {
        let command = Command::RenewGatewaySession { gateway_id: self.gateway_id.clone() };
        let pending = edge.shard.tell(&self.tenant, command.into());
        Box::pin(async move {
            pending.await.map_err(refused)?;
            Ok(Answer::Heartbeat(pb::SessionHeartbeat::default()))
        })
    }
}

fn item(item: Item) -> pb::ContactSessionItem {
    pb::ContactSessionItem { item: Some(item) }
}

impl Side for Session {
    type Request = pb::ContactServiceSessionRequest;
    type Asked = Asked;
    type Answer = Answer;
    type Response = pb::ContactServiceSessionResponse;
    type Item = pb::ContactSessionItem;

    fn commands(frame: Self::Request) -> impl ExactSizeIterator<Item = (u64, Option<Asked>)> + Send {
        frame.commands.into_iter().map(|command| (command.correlation_id, command.command))
    }

    async fn open(edge: Edge, asked: Asked, outbox: &Outbox<Self>) -> Result<Self, Problem> {
        let Asked::Open(open) = asked else { return Err(not_open()) };
        let tenant = input::tenant(&open.tenant).to_owned();
        let gateway_id = input::id("gateway_id", open.gateway_id)?;
        let only = wanted(&open.event_names)?;
        let identity = pb::ContactSessionOpen {
            tenant: tenant.clone(),
            gateway_id: gateway_id.to_string(),
            ..pb::ContactSessionOpen::default()
        };
        let watched = watched(&identity);
        let start = start(&open.resume_token, watched)?;
        let lease = match input::lease("lease", open.lease)? {
            Some(lease) => lease,
            None => edge.query(&tenant, |state, _| state.policy().rules.session_lease).await?,
        };
        let alive = Alive::open(
            &edge,
            &tenant,
            Command::OpenGatewaySession { gateway_id: gateway_id.clone(), lease },
            Command::CloseGatewaySession { gateway_id: gateway_id.clone() },
        )
        .await?;
        let topic = Topic::Gateway(gateway_id.clone());
        let order = Order { topic, only, start, capacity: edge.options.stream_buffer };
        let (now, events) = edge.shard.subscribe(&tenant, order, |_, now| now).await.map_err(refused)?;
        let mut session = Session {
            edge,
            tenant,
            gateway_id,
            brief: open.brief_replies,
            events,
            watched,
            shown: None,
            lease,
            _alive: alive,
        };
        session.greet(outbox, start, now).await?;
        Ok(session)
    }

    fn edge(&self) -> &Edge {
        &self.edge
    }

    // tidy: table
    fn hand_in(&self, edge: &Edge, asked: Asked) -> Reply<Answer> {
        let tenant = &self.tenant;
        macro_rules! verb {
            ($request:expr, $answer:ident) => {
                submit(edge, tenant, $request, self.brief, Answer::$answer)
            };
        }
        match asked {
            Asked::Open(_) => refuse(open_twice()),
            Asked::Heartbeat(_) => self.heartbeat(edge),
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
            Asked::GetContact(get) => inquire(tenant, get, |get| edge.get_contact(get), Answer::GetContact),
            Asked::ListContacts(list) => inquire(tenant, list, |list| edge.list_contacts(list), Answer::ListContacts),
            Asked::ReclassifyContact(reclassify) => verb!(reclassify, ReclassifyContact),
            Asked::ConsultContact(_) => later("ConsultContact"),
            Asked::RequestCallback(ask) => {
                inquire(tenant, ask, |ask| edge.request_callback(ask, self.brief), Answer::RequestCallback)
            }
            Asked::EstimateWait(ask) => inquire(tenant, ask, |ask| edge.estimate_wait(ask), Answer::EstimateWait),
            Asked::ExplainContact(_) => later("ExplainContact"),
            Asked::SubmitSurvey(survey) => {
                inquire(tenant, survey, |survey| edge.submit_survey(survey, self.brief), Answer::SubmitSurvey)
            }
        }
    }

    fn refusal(error: pb::CommandError) -> Answer {
        Answer::Error(error)
    }

    fn reply(correlation_id: u64, answer: Answer) -> pb::ContactSessionItem {
        item(Item::Reply(pb::ContactSessionReply { correlation_id, result: Some(answer) }))
    }

    fn events(&mut self) -> &mut Subscription {
        &mut self.events
    }

    fn event(&self, published: &Published) -> Option<pb::ContactSessionItem> {
        if self.shown.as_ref().is_some_and(|shown| shown.has_shown(published)) {
            return None;
        }
        event(&self.tenant, published).map(|told| item(Item::Event(told)))
    }

    fn token(&self, sequence: u64) -> String {
        token(sequence, self.watched)
    }

    fn frame(items: Vec<pb::ContactSessionItem>, resume_token: String) -> pb::ContactServiceSessionResponse {
        pb::ContactServiceSessionResponse { items, resume_token }
    }
}
