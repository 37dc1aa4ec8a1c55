//! An example gateway in Rust: callers arrive, usher says who takes them, the gateway bridges and hangs up.
//!
//! ```sh
//! cargo run --example gateway -- --addr 127.0.0.1:50051 --queue sales --contacts 5
//! ```
//!
//! Commands and events share one `ContactService.Session`, which carries thousands of contacts and keeps the gateway's
//! lease. Whatever breaks, nothing is lost and nothing is done twice:
//!
//! * a command that was not answered is sent again in the next session, with the same `request_id`;
//! * a command that is not answered within its deadline ends the session, for the connection is dead;
//! * the next session goes on from the last `resume_token`, or begins anew with a snapshot when that is too old;
//! * sessions are opened anew after a pause that grows and is random;
//! * while usher is away callers hear music here, and those who still wait are told to usher when it is back: with the
//!   same `contact_id` and `arrival_time`, so that everybody has his old place.
//!
//! `examples/python` and `examples/node` show the same with unary calls and `WatchContacts`.

use std::collections::{BTreeMap, BinaryHeap};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, bail};
use clap::Parser;
use tokio::sync::mpsc;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::transport::Endpoint;
use tonic::{Code, Status};
use usher_proto::v1 as pb;
use usher_proto::v1::contact_service_client::ContactServiceClient;
use usher_proto::v1::{
    contact_session_command::Command, contact_session_item::Item, contact_session_reply::Result as Answer,
    event::Payload,
};

/// How long a command may be unanswered, and how long a connection may take.
const DEADLINE: Duration = Duration::from_secs(2);

/// An example gateway of usher.
#[derive(Parser)]
struct Options {
    /// The server's gRPC address.
    #[arg(long, default_value = "127.0.0.1:50051")]
    addr: String,
    /// This gateway's id.
    #[arg(long, default_value = "rust-gateway")]
    gateway: String,
    /// Channel of the callers.
    #[arg(long, default_value = "voice")]
    channel: String,
    /// Queue they want.
    #[arg(long, default_value = "sales")]
    queue: String,
    /// How many come.
    #[arg(long, default_value_t = 3)]
    contacts: u32,
    /// Seconds they talk.
    #[arg(long, default_value_t = 2.0)]
    talk: f64,
}

/// Where a call stands, as the gateway sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Stage {
    Waiting,
    Bridged,
    Over(pb::Outcome),
}

/// A caller on the line.
struct Call {
    contact: pb::Contact,
    stage: Stage,
    on_default_route: bool,
}

/// A command that was not answered yet.
struct Pending {
    sent: Instant,
    contact_id: String,
    command: Command,
}

/// One gateway.
struct Gateway {
    options: Options,
    calls: BTreeMap<String, Call>,
    /// By correlation id, which is the order they were first sent in.
    pending: BTreeMap<u64, Pending>,
    correlation_id: u64,
    resume_token: String,
    /// Sessions in a row that could not be opened.
    attempt: u32,
    /// Who hangs up when; the earliest first.
    hang_ups: BinaryHeap<std::cmp::Reverse<(Instant, String)>>,
}

type Frames = mpsc::UnboundedSender<pb::ContactServiceSessionRequest>;

fn frame(correlation_id: u64, command: Command) -> pb::ContactServiceSessionRequest {
    let command = pb::ContactSessionCommand { correlation_id, command: Some(command) };
    pb::ContactServiceSessionRequest { commands: vec![command] }
}

impl Gateway {
    fn new(options: Options) -> Gateway {
        let now = SystemTime::now();
        let call = |number: u32| {
            let contact_id = format!("{}-{number}", options.gateway);
            let contact = pb::Contact {
                contact_id: contact_id.clone(),
                channel: options.channel.clone(),
                queue: options.queue.clone(),
                // Said by the gateway, not left to usher: a caller who is told to it once more keeps his place in line.
                arrival_time: Some(now.into()),
                ..pb::Contact::default()
            };
            (contact_id, Call { contact, stage: Stage::Waiting, on_default_route: false })
        };
        Gateway {
            calls: (1..=options.contacts).map(call).collect(),
            options,
            pending: BTreeMap::new(),
            correlation_id: 0,
            resume_token: String::new(),
            attempt: 0,
            hang_ups: BinaryHeap::new(),
        }
    }

    fn is_over(&self) -> bool {
        self.calls.values().all(|call| matches!(call.stage, Stage::Over(_)))
    }

    /// Takes all callers through, over as many sessions as it takes.
    async fn run(&mut self) -> anyhow::Result<()> {
        loop {
            self.attempt += 1;
            let Err(status) = self.session().await else { return Ok(()) };
            match status.code() {
                Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled | Code::Unknown => {}
                // The place in the stream is not known any more: begin anew, with a snapshot.
                Code::OutOfRange => self.resume_token.clear(),
                // Read too slowly: go on from the token.
                Code::ResourceExhausted => {}
                // ABORTED: another gateway of this name took our place. Anything else: trying again would not help.
                _ => bail!("the session ended: {status}"),
            }
            if self.attempt > 0 {
                self.music();
            }
            tokio::time::sleep(pause(self.attempt)).await;
        }
    }

    /// One session, until all calls are over or it breaks.
    async fn session(&mut self) -> Result<(), Status> {
        let endpoint = Endpoint::from_shared(format!("http://{}", self.options.addr));
        let endpoint = endpoint.map_err(|error| Status::invalid_argument(error.to_string()))?;
        // A connection that is silently dead is noticed by pings.
        let endpoint =
            endpoint.connect_timeout(DEADLINE).http2_keep_alive_interval(DEADLINE).keep_alive_timeout(DEADLINE);
        let channel = endpoint.connect().await.map_err(|error| Status::unavailable(error.to_string()))?;
        let (frames, outgoing) = mpsc::unbounded_channel();
        let open = pb::ContactSessionOpen {
            gateway_id: self.options.gateway.clone(),
            resume_token: self.resume_token.clone(),
            ..pb::ContactSessionOpen::default()
        };
        frames.send(frame(0, Command::Open(open))).ok();
        // What has no answer goes out again, in its order: what was carried out already is only answered.
        for (correlation_id, pending) in &mut self.pending {
            pending.sent = Instant::now();
            frames.send(frame(*correlation_id, pending.command.clone())).ok();
        }
        let mut client = ContactServiceClient::new(channel);
        let session = client.session(UnboundedReceiverStream::new(outgoing));
        let late = |_| Status::deadline_exceeded("the session was not opened in time");
        let mut answers = tokio::time::timeout(DEADLINE, session).await.map_err(late)??.into_inner();
        while !self.is_over() {
            let next = self.next_instant();
            tokio::select! {
                message = answers.message() => {
                    let Some(message) = message? else { return Err(Status::unavailable("the server hung up")) };
                    for item in message.items.into_iter().filter_map(|item| item.item) {
                        self.hear(&frames, item)?;
                    }
                    if !message.resume_token.is_empty() {
                        self.resume_token = message.resume_token;
                    }
                }
                () = tokio::time::sleep_until(next.into()) => self.due(&frames)?,
            }
        }
        Ok(())
    }

    /// When something is to be done next: somebody hangs up, or a command is not answered in time.
    fn next_instant(&self) -> Instant {
        let hang_up = self.hang_ups.peek().map(|std::cmp::Reverse((at, _))| *at);
        let deadline = self.pending.values().map(|pending| pending.sent + DEADLINE).min();
        hang_up.into_iter().chain(deadline).min().unwrap_or_else(|| Instant::now() + DEADLINE)
    }

    fn due(&mut self, frames: &Frames) -> Result<(), Status> {
        let now = Instant::now();
        if self.pending.values().any(|pending| pending.sent + DEADLINE <= now) {
            return Err(Status::deadline_exceeded("a command was not answered in time"));
        }
        while let Some(std::cmp::Reverse((at, _))) = self.hang_ups.peek()
            && *at <= now
            && let Some(std::cmp::Reverse((_, contact_id))) = self.hang_ups.pop()
        {
            let request_id = format!("{contact_id}:complete");
            let complete =
                pb::CompleteContactRequest { contact_id: contact_id.clone(), request_id, ..Default::default() };
            self.send(frames, contact_id, Command::CompleteContact(complete));
        }
        Ok(())
    }

    fn send(&mut self, frames: &Frames, contact_id: String, command: Command) {
        self.correlation_id += 1;
        frames.send(frame(self.correlation_id, command.clone())).ok();
        self.pending.insert(self.correlation_id, Pending { sent: Instant::now(), contact_id, command });
    }

    /// Tells usher about a caller. Said twice, the answer is the contact as it stands.
    fn create(&mut self, frames: &Frames, contact_id: String) {
        let Some(call) = self.calls.get(&contact_id) else { return };
        let request_id = format!("{contact_id}:create");
        let create = pb::CreateContactRequest { contact: Some(call.contact.clone()), request_id, ..Default::default() };
        self.send(frames, contact_id, Command::CreateContact(create));
    }

    /// Customer and agent are put through, then usher is told. The media would be connected here; could the agent not be
    /// reached, RequeueContact with AGENT_UNREACHABLE would put the caller back to his place.
    fn bridge(&mut self, frames: &Frames, contact_id: &str, leg_number: i32) {
        let Some(call) = self.calls.get_mut(contact_id).filter(|call| call.stage == Stage::Waiting) else { return };
        (call.stage, call.on_default_route) = (Stage::Bridged, false);
        let request_id = format!("{contact_id}:connect:{leg_number}");
        let connect = pb::ConnectContactRequest { contact_id: contact_id.to_owned(), request_id, ..Default::default() };
        self.send(frames, contact_id.to_owned(), Command::ConnectContact(connect));
    }

    /// The customer's part is over.
    fn over(&mut self, contact_id: &str, outcome: pb::Outcome) {
        let Some(call) = self.calls.get_mut(contact_id).filter(|call| !matches!(call.stage, Stage::Over(_))) else {
            return;
        };
        println!("over {contact_id} {}", word(outcome));
        call.stage = Stage::Over(outcome);
    }

    /// The default route: what callers get while usher is away.
    fn music(&mut self) {
        for (contact_id, call) in &mut self.calls {
            if call.stage == Stage::Waiting && !std::mem::replace(&mut call.on_default_route, true) {
                println!("usher is away: {contact_id} hears music");
            }
        }
    }

    fn hear(&mut self, frames: &Frames, item: Item) -> Result<(), Status> {
        match item {
            Item::Opened(_) => self.attempt = 0,
            Item::Snapshot(snapshot) => snapshot.contacts.iter().for_each(|contact| self.see(frames, contact)),
            // The stream began anew. Whoever still waits here is told to usher, which may not know him (any more).
            Item::SnapshotComplete(_) => {
                let waiting = self.calls.iter().filter(|(_, call)| call.stage == Stage::Waiting);
                let waiting: Vec<String> = waiting.map(|(contact_id, _)| contact_id.clone()).collect();
                waiting.into_iter().for_each(|contact_id| self.create(frames, contact_id));
            }
            Item::Reply(reply) => return self.answered(frames, reply),
            Item::Event(event) => self.event(frames, event),
        }
        Ok(())
    }

    fn answered(&mut self, frames: &Frames, reply: pb::ContactSessionReply) -> Result<(), Status> {
        let Some(Pending { contact_id, command, .. }) = self.pending.remove(&reply.correlation_id) else {
            return Ok(());
        };
        match (command, reply.result) {
            (Command::CreateContact(_), Some(Answer::CreateContact(created))) => {
                created.contact.iter().for_each(|contact| self.see(frames, contact));
            }
            (Command::ConnectContact(_), Some(Answer::ConnectContact(_))) => {
                println!("bridged {contact_id}");
                let until = Instant::now() + Duration::from_secs_f64(self.options.talk);
                self.hang_ups.push(std::cmp::Reverse((until, contact_id)));
            }
            (Command::CompleteContact(_), Some(Answer::CompleteContact(completed))) => {
                self.over(&contact_id, completed.contact.unwrap_or_default().outcome());
            }
            // The agent was lost in the same instant, or usher was started anew without its memory. The caller waits
            // again; telling usher about him once more shows where he stands.
            (Command::ConnectContact(_), Some(Answer::Error(error))) if error.code != Code::Unavailable as i32 => {
                if let Some(call) = self.calls.get_mut(&contact_id).filter(|call| call.stage == Stage::Bridged) {
                    call.stage = Stage::Waiting;
                    self.create(frames, contact_id);
                }
            }
            // Usher was started anew without its memory while they talked. The call is over all the same.
            (Command::CompleteContact(_), Some(Answer::Error(error))) if error.code == Code::NotFound as i32 => {
                self.over(&contact_id, pb::Outcome::Completed);
            }
            // A server that drains refuses; the next one is asked again.
            (command, Some(Answer::Error(error))) if error.code == Code::Unavailable as i32 => {
                self.pending.insert(reply.correlation_id, Pending { sent: Instant::now(), contact_id, command });
            }
            (_, result) => return Err(Status::internal(format!("{contact_id}: {result:?}"))),
        }
        Ok(())
    }

    /// Catches up with a contact as it stands.
    fn see(&mut self, frames: &Frames, contact: &pb::Contact) {
        if contact.outcome() != pb::Outcome::Unspecified {
            self.over(&contact.contact_id, contact.outcome());
        } else if contact.state() == pb::ContactState::Assigned
            && let Some(leg) = contact.legs.last()
        {
            self.bridge(frames, &contact.contact_id, leg.leg_number);
        }
    }

    fn event(&mut self, frames: &Frames, event: pb::Event) {
        match event.payload {
            Some(Payload::OfferAccepted(accepted)) if accepted.after() == pb::ContactState::Assigned => {
                self.bridge(frames, &accepted.contact_id, accepted.leg_number);
            }
            Some(Payload::ContactQueued(queued)) if queued.cause() != pb::QueueCause::Arrived => {
                if let Some(call) = self.calls.get_mut(&queued.contact_id) {
                    call.stage = Stage::Waiting;
                }
            }
            Some(Payload::ContactEnded(ended)) => self.over(&ended.contact_id, ended.outcome()),
            _ => {}
        }
    }
}

/// How long to wait before the next attempt: anywhere from nothing to 0.1 s, 0.2 s, 0.4 s and so on, at most 3 s. Random,
/// so that a thousand gateways do not come back in the same instant.
fn pause(attempt: u32) -> Duration {
    let most = Duration::from_millis(100 << attempt.min(5)).min(Duration::from_secs(3));
    let nanos = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().subsec_nanos();
    most.mul_f64(f64::from(nanos % 1_000_003) / 1_000_003.0)
}

fn word(outcome: pb::Outcome) -> &'static str {
    outcome.as_str_name().trim_start_matches("OUTCOME_")
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let mut gateway = Gateway::new(Options::parse());
    gateway.run().await.context("the gateway broke down")?;
    let outcome = |(contact_id, call): (&String, &Call)| match &call.stage {
        Stage::Over(outcome) => (contact_id.clone(), word(*outcome).into()),
        stage => (contact_id.clone(), format!("{stage:?}").into()),
    };
    println!("{}", serde_json::Value::Object(gateway.calls.iter().map(outcome).collect()));
    Ok(())
}
