//! What everyone in the simulated center shares: the time, the ledger, the doors of the server, and the session each
//! of them has open.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use anyhow::Context;
use tokio::sync::mpsc;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::transport::Channel;
use tonic::{Code, Status};
use usher_proto::v1 as pb;
use usher_proto::v1::contact_service_client::ContactServiceClient;
use usher_proto::v1::watch_contacts_response::Item;

use crate::engine::time::{Span, Time};
use crate::shard::Clock;

use super::center::Center;
use super::ledger::Ledger;

/// One tenant's floor, shared by all who are on it.
pub struct Floor {
    /// The center.
    pub center: Center,
    /// Its books.
    pub ledger: RefCell<Ledger>,
    /// The seed of all chance.
    pub seed: u64,
    /// How many seconds of the center pass in one.
    pub speed: f64,
    /// A connection to the server.
    pub door: Channel,
    clock: Clock,
    begun: Time,
    closing: Cell<bool>,
}

impl Floor {
    /// An empty floor; its time begins now.
    pub fn new(center: Center, seed: u64, speed: u32, door: Channel) -> Floor {
        let ledger = Ledger::new(&center.policy, center.agents.iter().map(|agent| &*agent.agent_id));
        let clock = Clock::start(Time(0));
        let (ledger, closing) = (RefCell::new(ledger), Cell::new(false));
        Floor { center, ledger, seed, speed: f64::from(speed), door, clock, begun: clock.now(), closing }
    }

    /// The tenant's id.
    pub fn tenant(&self) -> String {
        self.center.policy.tenant.to_string()
    }

    /// Seconds since 1970, by the same clock the server goes by.
    pub fn now(&self) -> f64 {
        self.clock.now().0 as f64 / 1e6
    }

    /// Seconds of the center since the demo began.
    pub fn elapsed(&self) -> f64 {
        self.clock.now().since(self.begun).0 as f64 / 1e6 * self.speed
    }

    /// Sleeps until so many seconds of the center have passed since the demo began.
    pub async fn until(&self, seconds: f64) {
        let due = self.begun + Span((seconds / self.speed * 1e6) as u64);
        tokio::time::sleep(self.clock.until(due)).await;
    }

    /// From now on nobody does anything: the books are closed.
    pub fn close(&self) {
        self.closing.set(true);
    }

    /// Whether the books are closed.
    pub fn is_closing(&self) -> bool {
        self.closing.get()
    }

    /// Notes a command that was refused; once the books are closed a draining server refuses them all.
    pub fn refused(&self, whose: &str, error: &pb::CommandError) {
        if !self.is_closing() {
            self.ledger.borrow_mut().refused(whose, error);
        }
    }

    /// Notes how a stream ended. A server that drains ends them all; before that none may end.
    pub fn stream_ended(&self, whose: &str, status: Option<Status>) {
        let drained = status.as_ref().is_some_and(|status| status.code() == Code::Unavailable);
        if !(self.is_closing() && (drained || status.is_none())) {
            let why = status.map_or_else(|| "without a word".to_owned(), |status| status.to_string());
            self.ledger.borrow_mut().fault(format!("the stream of {whose} ended: {why}"));
        }
    }
}

/// What someone does later, put into his own mailbox when its time has come.
pub struct Agenda<A> {
    speed: f64,
    mailbox: mpsc::UnboundedSender<A>,
}

impl<A: 'static> Agenda<A> {
    /// An agenda, and the mailbox its acts come to.
    pub fn new(floor: &Floor) -> (Agenda<A>, mpsc::UnboundedReceiver<A>) {
        let (mailbox, acts) = mpsc::unbounded_channel();
        (Agenda { speed: floor.speed, mailbox }, acts)
    }

    /// Where acts are put.
    pub fn mailbox(&self) -> mpsc::UnboundedSender<A> {
        self.mailbox.clone()
    }

    /// Puts an act down for `seconds` of the center from now.
    pub fn after(&self, seconds: f64, act: A) {
        let (mailbox, wait) = (self.mailbox.clone(), Duration::from_secs_f64(seconds / self.speed));
        tokio::task::spawn_local(async move {
            tokio::time::sleep(wait).await;
            // Whoever it was for may have gone home.
            mailbox.send(act).ok();
        });
    }
}

/// Commands into a session: what is sent, one command to a frame.
pub struct Commands<F>(mpsc::UnboundedSender<F>);

impl<F: Send + 'static> Commands<F> {
    /// The way in, and what the session reads.
    pub fn new() -> (Commands<F>, UnboundedReceiverStream<F>) {
        let (sender, frames) = mpsc::unbounded_channel();
        (Commands(sender), UnboundedReceiverStream::new(frames))
    }

    /// Sends a frame; one for a session that has ended is lost, and the ending is told by its stream.
    pub fn send(&self, frame: F) {
        self.0.send(frame).ok();
    }
}

/// Keeps the ledger from everything that happens to any contact of the tenant, those of other clients too. Resumes
/// where it was when it was too slow. Returns when the server ends the stream for good.
pub async fn keep_books(floor: Rc<Floor>, opened: tokio::sync::oneshot::Sender<()>) {
    let mut client = ContactServiceClient::new(floor.door.clone());
    let mut resume_token = String::new();
    let mut opened = Some(opened);
    loop {
        let request = pb::WatchContactsRequest {
            tenant: floor.tenant(),
            resume_token: resume_token.clone(),
            ..pb::WatchContactsRequest::default()
        };
        let ended = match client.watch_contacts(request).await {
            Ok(stream) => {
                let mut stream = stream.into_inner();
                loop {
                    match stream.message().await {
                        Ok(Some(message)) => {
                            match message.item {
                                Some(Item::Event(event)) => floor.ledger.borrow_mut().take(event),
                                Some(Item::SnapshotComplete(_)) => drop(opened.take().map(|opened| opened.send(()))),
                                Some(Item::Snapshot(_)) | None => {}
                            }
                            resume_token = message.resume_token;
                        }
                        Ok(None) => break None,
                        Err(status) => break Some(status),
                    }
                }
            }
            Err(status) => Some(status),
        };
        let slow = ended.as_ref().is_some_and(|status| status.code() == Code::ResourceExhausted);
        if !slow {
            return floor.stream_ended("the ledger", ended);
        }
    }
}

/// Connects to a server of this process.
///
/// # Errors
/// When it does not let anyone in.
pub async fn connect(addr: std::net::SocketAddr) -> anyhow::Result<Channel> {
    let endpoint = tonic::transport::Endpoint::from_shared(format!("http://{addr}"))?.tcp_nodelay(true);
    endpoint.connect().await.with_context(|| format!("failed to connect to {addr}"))
}
