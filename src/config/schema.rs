//! The shape of a configuration file: every key there is, its type, its bounds and what it means.
//!
//! These types are the one list of keys. The JSON schema is generated from them, `shape` checks files against that
//! schema, and what has passed is read into them; `validate` then gives them their meaning. Keys and values of later
//! releases are in `LATER_KEYS` and `LATER_VALUES`: refused, but not as misspellings.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::LazyLock;

use schemars::generate::SchemaSettings;
use schemars::transform::{Transform, transform_subschemas};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;
use serde_json::Value;

use super::duration::Duration;

/// Keys of later releases, by the table they will stand in.
pub(super) const LATER_KEYS: [(&str, &[&str]); 6] = [
    ("Document", &["auth"]),
    ("Server", &["tls", "auth"]),
    ("Tenant", &["reserve", "calendars", "pools"]),
    ("Channel", &["pool"]),
    ("Queue", &["calendar", "reserve", "channels"]),
    ("Agent", &["shifts", "cost_per_hour", "max_occupancy"]),
];

/// Values of later releases, by the type they will belong to.
pub(super) const LATER_VALUES: [(&str, &[&str]); 3] =
    [("Backend", &["replicated"]), ("When", &["estimated_wait", "out_of_hours"]), ("Then", &["callback", "voicemail"])];

/// A value and the bytes of the file it was written in.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(transparent)]
pub struct At<T>(toml::Spanned<T>);

impl<T> At<T> {
    /// The value.
    pub fn get(&self) -> &T {
        self.0.get_ref()
    }

    /// Where it was written, in bytes.
    pub fn span(&self) -> Range<usize> {
        self.0.span()
    }
}

impl<T: JsonSchema> JsonSchema for At<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }

    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn schema_id() -> Cow<'static, str> {
        T::schema_id()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

/// usher's configuration file.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Document {
    /// The doors of the server.
    pub server: Option<Server>,
    /// What the server tells about itself.
    pub telemetry: Option<Telemetry>,
    /// Where events are kept.
    pub journal: Option<Journal>,
    /// The tenants: each has its own skills, channels, queues, teams and agents, and shares nothing.
    #[schemars(length(min = 1))]
    pub tenants: Vec<Tenant>,
}

/// The doors of the server.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Server {
    /// Address and port of gRPC. Default "127.0.0.1:50051".
    pub grpc_listen: Option<At<Listen>>,
    /// Address and port of HTTP: /metrics, /healthz, /readyz. Default "127.0.0.1:8080".
    pub http_listen: Option<At<Listen>>,
    /// Whether other machines may connect although there is no authentication. Default false.
    pub insecure: Option<bool>,
    /// Time a unary request may take before it is answered DEADLINE_EXCEEDED; clients may ask for less. Default "30s".
    #[schemars(extend("x-min" = "100ms", "x-max" = "1h"))]
    pub request_timeout: Option<Duration>,
    /// Time open streams and requests get to end after SIGTERM. Default "30s".
    #[schemars(extend("x-max" = "1h"))]
    pub drain_grace: Option<Duration>,
    /// Whether a change of this file is applied as soon as it is saved; SIGHUP applies it in any case. Default true.
    pub watch_config: Option<bool>,
    /// Bounds of what clients may take.
    pub limits: Option<Limits>,
    /// Signs of life on connections.
    pub keepalive: Option<Keepalive>,
}

/// Bounds of what clients may take.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Bytes of one request or response. Default 4194304.
    #[schemars(range(min = 1024, max = 67_108_864))]
    pub max_message_bytes: Option<usize>,
    /// Requests and streams open at once on one connection. Default 1024.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub max_streams: Option<u32>,
    /// Events held for a reader that does not keep up, before it is cut off. Default 1024.
    #[schemars(range(min = 16, max = 1_048_576))]
    pub stream_buffer: Option<usize>,
    /// Commands held between gRPC and the engine, before new ones are refused INGRESS_FULL. Default 65536.
    #[schemars(range(min = 1, max = 16_777_216))]
    pub ingress: Option<usize>,
    /// Bytes of resident memory from which on new contacts and agents are refused MEMORY_FULL; 0 for four fifths of what
    /// the process may have. Above half of it no snapshot of the journal is made. Default 0.
    #[schemars(range(min = 0, max = 1_125_899_906_842_624_u64))]
    pub max_memory_bytes: Option<u64>,
}

/// Signs of life on connections.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Keepalive {
    /// Time between pings. Default "30s".
    #[schemars(extend("x-min" = "1s", "x-max" = "1h"))]
    pub interval: Option<Duration>,
    /// Time a ping may go unanswered before the connection is closed. Default "10s".
    #[schemars(extend("x-min" = "100ms", "x-max" = "5m"))]
    pub timeout: Option<Duration>,
}

/// What the server tells about itself.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Telemetry {
    /// What is logged: a level (error, warn, info, debug, trace), or levels by module: "info,usher=debug".
    /// Default "info".
    #[schemars(extend("x-usher" = "log"))]
    pub log: Option<String>,
    /// How log lines look. Default "text".
    pub log_format: Option<LogFormat>,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Where events are kept.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Journal {
    /// The kind of journal. Default "embedded".
    pub backend: Option<Backend>,
    /// Directory of the embedded journal, made when it is not there; one server at a time. Default "journal".
    pub path: Option<PathBuf>,
    /// What an answered command survives. Default "fsync".
    pub durability: Option<Durability>,
    /// Bytes of one file of the embedded journal; as many are held in reserve for a disk that is full. Default 16777216.
    #[schemars(range(min = 1_048_576, max = 1_073_741_824))]
    pub segment_bytes: Option<u64>,
    /// How long files of the embedded journal stay after a snapshot stands for them: what can still be looked at and
    /// replayed. Default "8d".
    #[schemars(extend("x-max" = "3650d"))]
    pub retention: Option<Duration>,
}

/// The kind of journal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Backend {
    /// On this machine's disk: a restart goes on where the server stopped.
    #[default]
    Embedded,
    /// In memory: a restart begins empty.
    Memory,
}

/// What an answered command survives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Durability {
    /// The loss of power: it is on the disk.
    #[default]
    Fsync,
    /// The death of the process, not of the machine: the disk has it within about a second.
    Write,
}

/// One tenant.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tenant {
    /// The id; requests that name no tenant mean "default".
    pub id: At<Id>,
    /// IANA name of the zone its days are counted in. Default "UTC".
    #[schemars(extend("x-usher" = "time-zone"))]
    pub time_zone: Option<String>,
    /// Reasons an agent may give for NOT_READY. Default: any text.
    #[serde(default)]
    #[schemars(extend("uniqueItems" = true))]
    pub not_ready_reasons: Vec<Label>,
    /// Dispositions a contact may be completed with. Default: any text.
    #[serde(default)]
    #[schemars(extend("uniqueItems" = true))]
    pub dispositions: Vec<Label>,
    /// How long an agent's session is believed without a sign of life; "0s" = for ever. Default "30s".
    #[schemars(extend("x-max" = "1d"))]
    pub session_lease: Option<Duration>,
    /// How long a gateway's contacts are kept after its lease ran out. Default "30s".
    #[schemars(extend("x-max" = "1d"))]
    pub gateway_grace: Option<Duration>,
    /// How long an agent who declined, let expire or failed to connect a contact is not offered it again.
    /// Default "30s".
    #[schemars(extend("x-min" = "100ms", "x-max" = "1d"))]
    pub retry_time: Option<Duration>,
    /// Declines of one contact before its memory of them is cleared and it is offered to everyone again. Default 3.
    #[schemars(range(min = 1, max = 1000))]
    pub max_declines: Option<u32>,
    /// How long a contact transferred to an agent waits for that agent alone. Default "60s".
    #[schemars(extend("x-min" = "100ms", "x-max" = "1d"))]
    pub transfer_timeout: Option<Duration>,
    /// How long a contact may stay parked before it is queued again. Default "1h".
    #[schemars(extend("x-min" = "100ms", "x-max" = "30d"))]
    pub park_timeout: Option<Duration>,
    /// How long an ended contact stays readable. Default "1h".
    #[schemars(extend("x-max" = "7d"))]
    pub retention: Option<Duration>,
    /// Ended contacts kept at most; the oldest go first. Default 100000.
    #[schemars(range(min = 0, max = 10_000_000))]
    pub retained_contacts: Option<u32>,
    /// How long a request id is remembered, so that a repeated request gets the first answer. Default "1d".
    #[schemars(extend("x-min" = "1m", "x-max" = "7d"))]
    pub request_window: Option<Duration>,
    /// Request ids remembered at most. Default 1000000.
    #[schemars(range(min = 1, max = 10_000_000))]
    pub remembered_requests: Option<u32>,
    /// How long a customer's coming again tells that his last contact, said to be resolved, was not: for first contact
    /// resolution in reports. Default "7d".
    #[schemars(extend("x-min" = "1m", "x-max" = "30d"))]
    pub recontact_window: Option<Duration>,
    /// Over which time of late an agent's occupancy is taken for routing ("least_occupied", max_occupancy). Default "1h".
    #[schemars(extend("x-min" = "1s", "x-max" = "12h"))]
    pub occupancy_window: Option<Duration>,
    /// The skills there are.
    #[serde(default)]
    pub skills: Vec<Skill>,
    /// The channels there are. Default: voice, chat, email, sms, social, video and task, each with its own defaults.
    #[serde(default)]
    pub channels: Vec<Channel>,
    /// The queues there are.
    #[serde(default)]
    pub queues: Vec<Queue>,
    /// Groups of queues that share waiting places.
    #[serde(default)]
    pub queue_groups: Vec<QueueGroup>,
    /// Queues this file no longer has, each with the queue that takes the contacts it holds.
    #[serde(default)]
    pub removed_queues: Vec<RemovedQueue>,
    /// Agents of a team kept back from a queue.
    #[serde(default)]
    pub reserve: Vec<Reserve>,
    /// Where contacts go that name no queue.
    pub classification: Option<Classification>,
    /// The teams there are.
    #[serde(default)]
    pub teams: Vec<Team>,
    /// Agents managed by this file; others may be added by gRPC.
    #[serde(default)]
    pub agents: Vec<Agent>,
}

/// A skill; agents have it at levels 1-10, higher is better.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Skill {
    /// The id.
    pub id: At<Id>,
    /// The name people see. Default: the id.
    pub display_name: Option<Label>,
}

/// A channel contacts come by. A key left out has the default of the channel's id.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Channel {
    /// The id: voice, chat, email, sms, social, video, task or one of your own.
    pub id: At<Id>,
    /// Capacity units one contact takes of an agent. Default 100 for voice and video, 25 for others.
    #[schemars(range(min = 1, max = 1000))]
    pub cost: Option<At<u32>>,
    /// Contacts of this channel one agent holds at most. Default 1 for voice and video, 4 for others.
    #[schemars(range(min = 1, max = 1000))]
    pub max: Option<u32>,
    /// Channels whose contacts no agent holds together with this one's, nor this one's with theirs. Default: none.
    #[serde(default)]
    pub excludes: Vec<At<String>>,
    /// Channels whose conversations give way to a contact of this one: when an agent accepts it they are put on hold, as
    /// many as it needs room for, the last connected first, and go on when it is over. Default: none.
    #[serde(default)]
    pub interrupts: Vec<At<String>>,
    /// When an accepted contact counts as connected. Default "explicit" for voice and video, "on_accept" for others.
    pub connect: Option<Connect>,
    /// Whether offers are accepted for the agent as they are issued. Default false.
    pub auto_accept: Option<bool>,
    /// How long an offer stays open. Default "20s" for voice and video, "30s" for chat, "2m" for others.
    #[schemars(extend("x-min" = "100ms", "x-max" = "1d"))]
    pub offer_timeout: Option<Duration>,
    /// How long an accepted contact may take to connect. Default "30s".
    #[schemars(extend("x-min" = "100ms", "x-max" = "1h"))]
    pub connect_timeout: Option<Duration>,
    /// How long a contact may wait in one queue before it is EXPIRED. Default "1d" for voice, "14d" for others.
    #[schemars(extend("x-min" = "100ms", "x-max" = "90d"))]
    pub max_wait: Option<Duration>,
    /// How long a contact may be connected before an alarm is raised.
    /// Default "4h" for voice and video, "7d" for others.
    #[schemars(extend("x-min" = "100ms", "x-max" = "90d"))]
    pub max_handle: Option<Duration>,
    /// Unanswered offers in a row before an agent is NOT_RESPONDING; 0 = never.
    /// Default 1 for voice and video, 3 for others.
    #[schemars(range(min = 0, max = 1000))]
    pub rona: Option<u32>,
    /// How long an agent stays NOT_RESPONDING. Default "1m".
    #[schemars(extend("x-min" = "100ms", "x-max" = "1d"))]
    pub rona_reset: Option<Duration>,
    /// How long at most: each time in a row, of offers, deliveries or connects by themselves, lasts twice as long as the one
    /// before, until the agent answers, signs in or says AVAILABLE. Less than rona_reset counts as rona_reset.
    /// Default "15m".
    #[schemars(extend("x-min" = "100ms", "x-max" = "1d"))]
    pub rona_reset_max: Option<Duration>,
}

/// When an accepted contact counts as connected.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Connect {
    /// When the gateway says so.
    Explicit,
    /// At once.
    OnAccept,
}

/// A queue: where contacts wait under one policy.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Queue {
    /// The id.
    pub id: At<Id>,
    /// The name people see. Default: the id.
    pub display_name: Option<Label>,
    /// What every agent who serves this queue must meet, such as "french >= 3 and billing >= 2". Default: nothing.
    pub require: Option<At<String>>,
    /// How the agent is chosen. Default "longest_idle".
    pub selection: Option<Selection>,
    /// Since when an agent counts as idle, under "longest_idle" and wherever a selection finds equals. Default "any".
    pub idle_clock: Option<IdleClock>,
    /// For selection "best_score": whole-number arithmetic over the agent's levels and attributes (attr.NAME) and the
    /// contact's (contact.NAME), such as "10 * french + 50 * (attr.site = contact.site)". Default: unset.
    pub score: Option<At<String>>,
    /// For selection "broadcast": to how many agents at once. Default { min = 1, max = 5 }.
    pub broadcast: Option<At<Broadcast>>,
    /// Priority points a contact gains per minute of age (since its arrival, less age credit). Default 0.
    #[schemars(range(min = 0.0, max = 1000.0))]
    pub aging_per_minute: Option<f64>,
    /// The most points that age adds. Default: no bound.
    #[schemars(range(min = 0.0, max = 1_000_000.0))]
    pub aging_cap: Option<At<f64>>,
    /// From this age on a contact goes before all younger ones, whatever their priority. Default: never.
    #[schemars(extend("x-min" = "100ms", "x-max" = "90d"))]
    pub max_wait_first: Option<Duration>,
    /// What a second of waiting costs here compared with other queues; for contact_order "cmu_theta". Default 1.
    #[schemars(range(min = 0.0, max = 1_000_000.0))]
    pub waiting_cost: Option<f64>,
    /// Mean handle time expected; for "cmu_theta". Default "5m".
    #[schemars(extend("x-min" = "100ms", "x-max" = "90d"))]
    pub expected_handle: Option<Duration>,
    /// What happens when the queue is long, nobody is there, or a contact waits too long; in order. Default: nothing.
    #[serde(default)]
    pub overflow: Vec<At<Overflow>>,
    /// How what is asked of an agent is relaxed the longer a contact waits: whoever meets any step that has begun may take
    /// it, those of an earlier step first. Without a step that begins at once, `require` comes before them.
    /// Default: nothing is.
    #[serde(default)]
    pub steps: Vec<At<Step>>,
    /// What follows the last step. Default { then = "stay_on_last" }.
    pub steps_exhausted: Option<At<StepsExhausted>>,
    /// Mean patience expected, for "cmu_theta"; left out of every queue of a team, the order is cost / handle time.
    /// Default: unset.
    #[schemars(extend("x-min" = "100ms", "x-max" = "90d"))]
    pub expected_patience: Option<Duration>,
    /// Waiting places: contacts that wait here at most, parked ones included. One that finds no agent at once and no place
    /// is REFUSED; 0 lets nobody wait. Default: no limit.
    #[schemars(range(min = 0, max = 4_000_000))]
    pub limit: Option<u32>,
    /// How long a contact may wait here before it is EXPIRED. Default: the channel's.
    #[schemars(extend("x-min" = "100ms", "x-max" = "90d"))]
    pub max_wait: Option<Duration>,
    /// A customer who leaves within this wait is counted as a short abandonment. Default "5s".
    #[schemars(extend("x-max" = "1h"))]
    pub short_abandon: Option<Duration>,
    /// What follows a conversation. Default { mode = "none" }.
    pub wrap_up: Option<At<WrapUp>>,
    /// What is promised to those who wait. Default { threshold = "20s", target = 0.8 }.
    pub service_level: Option<ServiceLevel>,
}

/// Queues that share waiting places. A queue may be in several groups: a contact then needs a place in each.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct QueueGroup {
    /// The id.
    pub id: At<Id>,
    /// The queues.
    pub queues: Vec<At<String>>,
    /// Contacts that wait in them together at most, parked ones included.
    #[schemars(range(min = 0, max = 4_000_000))]
    pub limit: u32,
}

/// To how many agents a contact is offered at once.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Broadcast {
    /// When fewer offers stay open, others are offered the contact too, up to `max`. Default 1.
    #[schemars(range(min = 1, max = 50))]
    pub min: Option<u32>,
    /// Most at once. Default 5, or `min` where that is more.
    #[schemars(range(min = 1, max = 50))]
    pub max: Option<u32>,
}

/// How the agent is chosen among those who may serve a contact and have room. What is equal goes to the longest idle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Selection {
    /// The one who has been idle longest, by `idle_clock`.
    LongestIdle,
    /// The lowest `rank` of his team's membership in the queue.
    Ranked,
    /// The lowest occupancy over the tenant's `occupancy_window`.
    LeastOccupied,
    /// The least used share of his capacity.
    LeastLoaded,
    /// The highest sum of levels in the skills that queue and contact name.
    BestSkilled,
    /// The one whose other skills are least scarce among those signed in.
    LeastSkilled,
    /// The fewest contacts connected since he signed in.
    FewestContacts,
    /// The next after the one last offered a contact of this queue.
    RoundRobin,
    /// The first in this file's list of agents.
    Ordered,
    /// Anyone, all alike.
    Random,
    /// The highest value of the queue's `score`.
    BestScore,
    /// Several at once, the longest idle, and the first to accept wins: see `broadcast`.
    Broadcast,
}

/// One relaxation step.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// When it begins, counted from when the contact came into the queue, less what steps before it were cut short.
    /// Default for the first "0s".
    #[schemars(extend("x-max" = "90d"))]
    pub after: Option<At<Duration>>,
    /// What it asks instead of the queue's `require`; "true" asks nothing. Default: the same as the queue.
    pub require: Option<At<String>>,
    /// Skills, and attributes as attr.NAME, that it does not ask for although the contact does.
    #[serde(default)]
    pub drop: Vec<At<String>>,
    /// Makes it a step for the contact's preferred agent alone. Default: for everyone.
    pub prefer: Option<At<Prefer>>,
    /// When it is passed over, judged as it would begin; the next step then begins at once. Default: never.
    pub skip_if: Option<At<SkipIf>>,
}

/// Whom a step is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Prefer {
    /// The contact's preferred agent. It ends early while he is not signed in or may not take the contact.
    PreferredAgent,
}

/// When a step is passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SkipIf {
    /// Nobody of a team that serves the queue who meets what the step asks is signed in.
    NobodySignedIn,
}

/// What follows the last step.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StepsExhausted {
    /// When the last step is over, counted as the steps are. Needed but for "stay_on_last".
    #[schemars(extend("x-min" = "100ms", "x-max" = "90d"))]
    pub after: Option<At<Duration>>,
    /// What then.
    pub then: ExhaustedThen,
}

/// What follows the last step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ExhaustedThen {
    /// Nothing: the last step goes on.
    StayOnLast,
    /// Anyone of a team that serves the queue may take the contact, whatever queue and contact ask.
    AnyInQueue,
    /// The overflow rules with when = "steps_exhausted" act.
    Overflow,
}

/// Where contacts go that name no queue: the first rule that matches says it, or else the fallback.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Classification {
    /// The queue of contacts that no rule matches.
    pub fallback: At<String>,
    /// The rules, in order.
    #[serde(default)]
    pub rules: Vec<At<ClassRule>>,
}

/// One classification rule. All its conditions must hold; one without any matches every contact.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClassRule {
    /// The contact's channel is one of these. Default: any.
    #[serde(default)]
    pub channels: Vec<At<String>>,
    /// A condition on the contact's and the customer's attributes, in the language of requirements, such as
    /// "attr.customer_value >= 50".
    pub when: Option<At<String>>,
    /// The contact's priority is at least this.
    #[schemars(range(min = -100, max = 100))]
    pub priority_at_least: Option<i32>,
    /// The contact arrived at least so long ago.
    #[schemars(extend("x-max" = "90d"))]
    pub age_at_least: Option<Duration>,
    /// Skills that the contact's own requirement names, all of them.
    #[serde(default)]
    pub asks: Vec<At<String>>,
    /// The queue it goes to.
    pub queue: At<String>,
    /// The priority it gets. Default: its own.
    #[schemars(range(min = -100, max = 100))]
    pub set_priority: Option<i32>,
    /// The requirement it gets in place of its own. Default: its own.
    pub set_requirement: Option<At<String>>,
}

/// One overflow rule. It acts once per contact and stay in the queue; the first that is set off and possible does.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Overflow {
    /// What sets it off.
    pub when: When,
    /// For "queue_length": others that wait already, parked ones included. Default: as many as there are places (limit).
    #[schemars(range(min = 0, max = 4_000_000))]
    pub length: Option<At<u32>>,
    /// For "wait": how long the contact has waited here.
    #[schemars(extend("x-min" = "100ms", "x-max" = "90d"))]
    pub after: Option<At<Duration>>,
    /// What it does.
    pub then: Then,
    /// For "queue": where the contact goes. Not possible while that queue is full or closed.
    pub queue: Option<At<String>>,
    /// For "priority": the contact's priority from then on.
    #[schemars(range(min = -100, max = 100))]
    pub priority: Option<At<i32>>,
    /// For "external": where the gateway sends the contact, such as a number.
    pub destination: Option<At<Label>>,
}

/// What sets off an overflow rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum When {
    /// A contact comes in, nobody can take it at once, and the queue is as long as `length`.
    QueueLength,
    /// A contact comes in, and nobody of a team that serves the queue is signed in.
    NobodySignedIn,
    /// A contact has waited as long as `after`.
    Wait,
    /// A contact was declined as often as the tenant's max_declines.
    NoWillingAgent,
    /// The time of the queue's last step is over; needs steps_exhausted = { after, then = "overflow" }.
    StepsExhausted,
    /// A contact comes to a queue that a supervisor closed: judged before all else.
    QueueClosed,
}

/// What an overflow rule does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Then {
    /// Sends the contact to another queue; its place by arrival stays.
    Queue,
    /// Sets the contact's priority; the rules after it are looked at too.
    Priority,
    /// Moves the contact on in the queue's steps: the one in force ends now, later ones come earlier by as much. Not possible
    /// on the last. The rules after it are looked at too, once nobody has taken the contact.
    Relax,
    /// Ends the contact as OVERFLOWED(external).
    External,
    /// Ends the contact as REFUSED(rule).
    Refuse,
}

/// Since when an agent is idle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum IdleClock {
    /// Since his last conversation ended, an offer expired, or he became AVAILABLE.
    Any,
    /// The same, but for inbound contacts alone: outbound work costs him no place.
    Inbound,
    /// Since he became AVAILABLE: what he handled does not matter.
    Available,
}

/// Agents of a team kept back from a queue: its contacts take one only while more than `keep_idle` of the team's agents
/// eligible for them are idle, the candidate included.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Reserve {
    /// The team that lends.
    pub team: At<String>,
    /// The queue that borrows.
    pub queue: At<String>,
    /// How many of them stay idle.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub keep_idle: u32,
    /// A contact that has waited this long may take them too, whatever else is said here. Default: never.
    #[schemars(extend("x-min" = "100ms", "x-max" = "90d"))]
    pub release_after: Option<Duration>,
    /// Whether the team lends only while each of its own queues keeps its service-level target, over its last 100
    /// contacts. Its own are those it serves and has no reserve for. Default false.
    pub lender_within_target: Option<bool>,
    /// From how many waiting contacts on the team lends, and until how few. Default: always.
    pub hysteresis: Option<Hysteresis>,
}

/// From when until when a team lends. What counts are the contacts that wait in the queue, less `ratio` times those that
/// wait in the team's own queues.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Hysteresis {
    /// Lending begins when they are more than this.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub start: u32,
    /// Lending ends when they are no longer more than this; at most `start`. Default 0.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub stop: Option<At<u32>>,
    /// What one of the team's own counts. Default 1.
    #[schemars(range(min = 0.0, max = 1000.0))]
    pub ratio: Option<f64>,
}

/// What follows a conversation.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WrapUp {
    /// How wrap-up ends.
    pub mode: WrapUpMode,
    /// How long it lasts (timed) or may last (manual, at most and by default "1h").
    #[schemars(extend("x-min" = "100ms", "x-max" = "1d"))]
    pub duration: Option<At<Duration>>,
}

/// How wrap-up ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WrapUpMode {
    /// There is none.
    None,
    /// By itself after `duration`, or earlier when the agent says so.
    Timed,
    /// When the agent says so, at the latest after `duration`.
    Manual,
}

/// What is promised to those who wait.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServiceLevel {
    /// An answer within this wait counts. Default "20s".
    #[schemars(extend("x-min" = "100ms", "x-max" = "30d"))]
    pub threshold: Option<Duration>,
    /// The share of offered contacts that should be answered within it, 0 to 1. Default 0.8.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub target: Option<f64>,
}

/// A queue that is gone, and where its contacts go.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RemovedQueue {
    /// The queue that was.
    pub id: At<Id>,
    /// The queue that takes its contacts, in order of their arrival.
    pub target: At<String>,
}

/// A team: agents who serve the same queues.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Team {
    /// The id.
    pub id: At<Id>,
    /// The name people see. Default: the id.
    pub display_name: Option<Label>,
    /// The team this one belongs to, for reports.
    pub parent: Option<At<String>>,
    /// The agent who leads it.
    pub leader: Option<At<String>>,
    /// Where it works.
    pub site: Option<Label>,
    /// What an hour of one of its agents costs, in the tenant's currency, for reports: 0 to 1 000 000. Default: unset.
    #[schemars(range(min = 0.0, max = 1_000_000.0))]
    pub cost_per_hour: Option<f64>,
    /// Occupancy of late (over the tenant's `occupancy_window`), 0.01 to 1, above which an agent gets no new offers until,
    /// idle, he has come down to it. Default: no bound.
    #[schemars(range(min = 0.01, max = 1.0))]
    pub max_occupancy: Option<f64>,
    /// Offers an agent gets at most in a time. Default: no bound.
    pub offer_rate_limit: Option<OfferRate>,
    /// In which order an agent of this team takes contacts. Default "priority".
    pub contact_order: Option<At<ContactOrder>>,
    /// What contact_order "queue_ratio" goes by. Default { measure = "delay" }.
    pub queue_ratio: Option<At<QueueRatio>>,
    /// What it serves.
    #[serde(default)]
    pub queues: Vec<Membership>,
    /// When its agents are due to work, for adherence in reports. Default: no shifts.
    #[serde(default)]
    #[schemars(length(max = 1000))]
    pub shifts: Vec<At<TeamShift>>,
}

/// When agents of a team are due to work, by the clock of the tenant's time zone.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TeamShift {
    /// Whose it is. Default: everybody's of the team.
    #[serde(default)]
    pub agents: Vec<At<String>>,
    /// On which days of the week it begins. Default: all.
    #[serde(default)]
    pub days: Vec<Weekday>,
    /// From when.
    pub from: TimeOfDay,
    /// Until when: of the next day, if that is not later than `from`.
    pub to: TimeOfDay,
    /// Breaks.
    #[serde(default)]
    #[schemars(length(max = 100))]
    pub breaks: Vec<TeamBreak>,
}

/// A break in a team's shift.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TeamBreak {
    /// From when.
    pub from: TimeOfDay,
    /// Until when: of the next day, if that is not later than `from`.
    pub to: TimeOfDay,
    /// The NOT_READY reason it is taken with. Default: any.
    pub reason: Option<At<String>>,
}

/// A time of day.
#[derive(Clone, Debug, Deserialize)]
#[serde(transparent)]
pub struct TimeOfDay(pub At<String>);

/// A day of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Weekday {
    /// Monday.
    Mon,
    /// Tuesday.
    Tue,
    /// Wednesday.
    Wed,
    /// Thursday.
    Thu,
    /// Friday.
    Fri,
    /// Saturday.
    Sat,
    /// Sunday.
    Sun,
}

/// Offers an agent gets at most in a time.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OfferRate {
    /// How many.
    #[schemars(range(min = 1, max = 1000))]
    pub offers: u32,
    /// In how long a time.
    #[schemars(extend("x-min" = "1s", "x-max" = "1d"))]
    pub per: Duration,
}

/// In which order an agent takes contacts of his team's queues; among queues of one priority in the team.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ContactOrder {
    /// By the contact's priority with what its age adds, then who came first.
    Priority,
    /// By how soon its service-level threshold passes, or how long ago it did.
    ServiceLevelUrgency,
    /// By the queue's waiting_cost x expected_patience / expected_handle.
    CmuTheta,
    /// By the queue that is furthest above its share, or nearest to or past its threshold.
    QueueRatio,
}

/// What contact_order "queue_ratio" goes by.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct QueueRatio {
    /// The measure.
    pub measure: Measure,
}

/// What is measured of a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// How many wait in it, against its `ratio` of all that wait in the team's queues of the same priority.
    Count,
    /// How long its first contact waits, against its service-level threshold.
    Delay,
}

/// A queue in a team's list.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Membership {
    /// The queue's id, or "*" for every queue.
    pub id: At<String>,
    /// 1-99, lower first: a contact of a lower number is taken before any of a higher one. Default 1.
    #[schemars(range(min = 1, max = 99))]
    pub priority: Option<u8>,
    /// A contact counts for the team only once it has waited this long. Default "0s".
    #[schemars(extend("x-max" = "90d"))]
    pub delay: Option<Duration>,
    /// 1-99, lower first: where the team's agents stand under the queue's selection "ranked". Default 1.
    #[schemars(range(min = 1, max = 99))]
    pub rank: Option<u8>,
    /// The share of all that wait which may wait here, 0 to 1; for queue_ratio by count.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub ratio: Option<At<f64>>,
}

/// An agent managed by this file.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Agent {
    /// The id.
    pub id: At<Id>,
    /// The name people see. Default: the id.
    pub display_name: Option<Label>,
    /// The team whose queues he serves; without one he serves nothing.
    pub team: Option<At<String>>,
    /// Where he works. Default: unset.
    pub site: Option<Label>,
    /// Person or program. Default "human".
    #[serde(rename = "type")]
    pub kind: Option<AgentKind>,
    /// His skills with their levels, such as { french = 5, billing = 2 }.
    #[serde(default)]
    pub skills: BTreeMap<At<String>, Level>,
    /// Further facts that requirements may test as attr.NAME: text, whole number, decimal, true or false, or a list
    /// of texts.
    #[serde(default)]
    pub attributes: BTreeMap<At<String>, Attribute>,
    /// Capacity units he has; each contact takes its channel's cost. Default 100.
    #[schemars(range(min = 1, max = 10_000))]
    pub capacity: Option<u32>,
}

/// Person or program.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AgentKind {
    /// A person.
    Human,
    /// A program.
    Ai,
}

/// A skill level.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(transparent)]
pub struct Level(pub u8);

/// A configuration id.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(transparent)]
pub struct Id(pub String);

/// A short text people see.
#[derive(Clone, Debug, Deserialize)]
#[serde(transparent)]
pub struct Label(pub String);

/// An address to listen on.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(transparent)]
pub struct Listen(pub std::net::SocketAddr);

/// An attribute's value.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum Attribute {
    /// True or false.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A decimal with at most six places.
    Decimal(f64),
    /// A text.
    Text(String),
    /// A list of texts.
    List(Vec<String>),
}

/// Gives a type the JSON schema written beside it.
macro_rules! schema {
    ($name:ident, $($json:tt)+) => {
        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!($($json)+)
            }
        }
    };
}
pub(crate) use schema;

schema!(Level, {
    "description": "A skill level, higher is better.", "type": "integer", "minimum": 1, "maximum": 10,
});
schema!(TimeOfDay, {
    "description": "A time of day such as \"08:00\"; \"24:00\" is the end of the day.",
    "type": "string", "x-usher": "time-of-day",
});
schema!(Id, {
    "description": "1-64 letters, digits, dots, underscores or hyphens.",
    "type": "string", "pattern": "^[A-Za-z0-9._-]{1,64}$", "x-usher": "id",
});
schema!(Label, {
    "description": "A short text without control characters.",
    "type": "string", "minLength": 1, "maxLength": 128, "x-usher": "label",
});
schema!(Listen, {
    "description": "IP address and port; port 0 takes a free one.",
    "type": "string", "x-usher": "listen",
});
schema!(Attribute, {
    "description": "A text, a whole number, a decimal with at most six places, true or false, or a list of texts.",
    "type": ["string", "integer", "number", "boolean", "array"], "items": { "type": "string" }, "x-usher": "attribute",
});

/// The JSON schema of configuration files, draft 2020-12.
pub static SCHEMA: LazyLock<Value> = LazyLock::new(|| schema_of::<Document>("usher configuration"));

/// The JSON schema of a kind of file by its top table, draft 2020-12.
#[must_use]
pub fn schema_of<T: JsonSchema>(title: &str) -> Value {
    let settings = SchemaSettings::draft2020_12().with_transform(NoNull);
    let mut value = settings.into_generator().into_root_schema_for::<T>().to_value();
    if let Some(root) = value.as_object_mut() {
        root.insert("title".into(), title.into());
    }
    value
}

/// The JSON schema as the text of `config/usher.schema.json`.
#[must_use]
pub fn schema_text() -> String {
    format!("{:#}\n", *SCHEMA)
}

/// TOML has no null: a key that may be left out is simply not required.
#[derive(Clone, Debug)]
struct NoNull;

impl Transform for NoNull {
    fn transform(&mut self, schema: &mut Schema) {
        transform_subschemas(self, schema);
        let Some(object) = schema.as_object_mut() else { return };
        if object.get("default").is_some_and(Value::is_null) {
            object.remove("default");
        }
        if let Some(Value::Array(types)) = object.get_mut("type") {
            types.retain(|kind| kind != "null");
            if let [one] = types.as_slice() {
                let one = one.clone();
                object.insert("type".into(), one);
            }
        }
        let is_null = |part: &Value| part.get("type").is_some_and(|kind| kind == "null");
        let Some(Value::Array(parts)) = object.get_mut("anyOf") else { return };
        parts.retain(|part| !is_null(part));
        if let [Value::Object(one)] = parts.as_slice() {
            let one = one.clone();
            object.remove("anyOf");
            for (key, value) in one {
                object.entry(key).or_insert(value);
            }
        }
    }
}
