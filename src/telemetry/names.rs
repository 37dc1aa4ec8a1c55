//! Every metric once: name, kind, unit, labels, help. No other file holds a metric's name.
//!
//! Labels come from configuration or are closed enumerations; an agent, a contact or a customer is never one. A figure
//! of a queue counts queue entries, so work given to an agent directly, which has no entry, is in none of them.

use crate::engine::contact::ContactState;

/// What a metric is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts by bucket, with sum and count.
    Histogram,
}

impl Kind {
    /// As the text format says it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        }
    }
}

/// What a metric is measured in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Things.
    Count,
    /// Seconds.
    Seconds,
    /// Bytes.
    Bytes,
    /// Capacity units.
    Units,
    /// A share of 0 to 1.
    Ratio,
}

/// A metric.
#[derive(Debug)]
pub struct Metric {
    /// Its full name, as it is scraped.
    pub name: &'static str,
    /// What it is.
    pub kind: Kind,
    /// What it is measured in.
    pub unit: Unit,
    /// The names of its labels, in the order in which their values are given.
    pub labels: &'static [&'static str],
    /// What it says, with the formula where there is one.
    pub help: &'static str,
}

macro_rules! metrics {
    ($($name:ident = $text:literal $kind:ident $unit:ident [$($label:literal)*] $help:literal;)*) => {
        $(
            #[doc = $help]
            pub const $name: Metric = Metric {
                name: $text,
                kind: Kind::$kind,
                unit: Unit::$unit,
                labels: &[$($label),*],
                help: $help,
            };
        )*

        /// All of them, in the order of this file.
        pub const ALL: &[&Metric] = &[$(&$name),*];
    };
}

metrics! {
    CONTACTS_RECEIVED = "usher_contacts_received_total" Counter Count ["tenant" "channel" "direction"]
        "Contacts created, each counted once at the door.";
    CONTACTS_CLOSED = "usher_contacts_closed_total" Counter Count ["tenant" "channel" "direction" "outcome"]
        "Contacts closed, each counted once at its end, by outcome.";
    CONTACTS_OFFERED = "usher_contacts_offered_total" Counter Count ["tenant" "queue" "channel" "direction"]
        "Queue entries begun. Offered = answered + abandoned + exits + waiting.";
    CONTACTS_ANSWERED = "usher_contacts_answered_total" Counter Count ["tenant" "queue" "channel" "direction"]
        "Queue entries answered: customer and agent connected.";
    CONTACTS_ANSWERED_WITHIN_THRESHOLD = "usher_contacts_answered_within_threshold_total" Counter Count
        ["tenant" "queue" "channel" "direction"]
        "Queue entries answered at or under the threshold in force when they began. Service level = this / offered.";
    CONTACTS_ABANDONED = "usher_contacts_abandoned_total" Counter Count
        ["tenant" "queue" "channel" "direction" "kind" "within_threshold"]
        "Queue entries whose customer left unanswered; short = before the queue's short_abandon. Abandonment = this / offered.";
    CONTACTS_EXITS = "usher_contacts_exits_total" Counter Count ["tenant" "queue" "channel" "direction" "reason"]
        "Queue entries that ended neither answered nor abandoned, by reason.";
    CONTACTS_HANDLED = "usher_contacts_handled_total" Counter Count ["tenant" "queue" "channel" "direction"]
        "Answered queue entries whose legs have all ended. Average handle time = (talk + hold + wrap-up) / this.";
    CONTACTS_TRANSFERRED = "usher_contacts_transferred_total" Counter Count ["tenant" "queue" "channel" "direction"]
        "Distinct contacts transferred, in the queue the first transfer left. Transfer rate = this / handled.";
    CONTACTS_RESOLVED = "usher_contacts_resolved_total" Counter Count ["tenant" "queue" "channel" "direction"]
        "Closed contacts whose newest resolved is yes, in the queue of their first answered entry. FCR of contacts = this / offered, of handled = this / handled.";
    SURVEY_ANSWERS = "usher_survey_answers_total" Counter Count
        ["tenant" "queue" "channel" "direction" "kind" "result"]
        "Survey answers. CSAT = positive / all (4 and 5 of 5 are positive); NPS = 100 x (positive - negative) / all (9-10 and 0-6).";
    HANDLING_COST = "usher_handling_cost_total" Counter Count ["tenant" "queue" "channel" "direction"]
        "Cost of handled queue entries: handle time of each leg x cost_per_hour of its team. Cost per contact = this / answered.";
    CALLBACKS = "usher_callbacks_total" Counter Count ["tenant" "queue" "channel" "result"]
        "Callbacks: requested, of those scheduled for a time, and how they went: connected, no_answer, expired, cancelled.";
    SERVICE_LEVEL = "usher_service_level_ratio" Gauge Ratio ["tenant" "queue" "direction" "window" "definition"]
        "Service level of queue entries offered in the window: answered within threshold / a denominator named by the definition; of_offered is the headline; absent while that is zero. Never average it over queues.";
    SERVICE_LEVEL_TARGET = "usher_service_level_target_ratio" Gauge Ratio ["tenant" "queue"]
        "Share of offered queue entries that should be answered within the threshold.";
    SERVICE_LEVEL_THRESHOLD = "usher_service_level_threshold_seconds" Gauge Seconds ["tenant" "queue"]
        "Service-level threshold in force.";
    QUEUE_AGENTS = "usher_queue_agents" Gauge Count ["tenant" "queue" "state"]
        "Signed-in agents whose team lists the queue, by what their state means for routing; an agent counts in each of his queues.";
    STEPS_BEGUN = "usher_steps_begun_total" Counter Count ["tenant" "queue" "step"]
        "Queue entries that came to a relaxation step, in queues that have steps. Step 0 is where every entry begins.";
    STEPS_ANSWERED = "usher_steps_answered_total" Counter Count ["tenant" "queue" "step"]
        "Queue entries answered in a relaxation step. Share answered in it = this / begun.";
    STEPS_SKIPPED = "usher_steps_skipped_total" Counter Count ["tenant" "queue" "step"]
        "Queue entries for which a relaxation step was passed over: its skip_if held, or nobody it names was signed in.";
    TRANSFERS = "usher_transfers_total" Counter Count ["tenant" "queue" "channel" "direction"]
        "Transfers to a queue or an agent, in the queue they left.";
    CAPACITY_EXCEEDED = "usher_capacity_exceeded_total" Counter Count ["tenant" "cause"]
        "Times an agent was carried past his capacity: by work given to him (given), or by a capacity lowered below what was in use (lowered). No offer ever does.";
    OFFERS = "usher_offers_total" Counter Count ["tenant" "queue" "channel" "direction" "result"]
        "Offers to agents that have ended, by result.";
    WAIT = "usher_wait_seconds" Histogram Seconds ["tenant" "queue" "channel" "direction" "outcome"]
        "Measured wait of queue entries that ended, time parked left out. Average speed of answer = sum / count of answered.";
    ESTIMATED_WAIT_ERROR = "usher_estimated_wait_error_seconds" Histogram Seconds ["tenant" "queue" "channel" "direction"]
        "How far the mean estimated when a queue entry began was from the wait it then measured, of entries answered after a wait.";
    TALK = "usher_talk_seconds" Histogram Seconds ["tenant" "queue" "channel" "direction"]
        "Time in conversation of handled queue entries, hold left out.";
    HOLD = "usher_hold_seconds" Histogram Seconds ["tenant" "queue" "channel" "direction"]
        "Time on hold of handled queue entries, those never held included.";
    WRAP_UP = "usher_wrap_up_seconds" Histogram Seconds ["tenant" "queue" "channel" "direction"]
        "Wrap-up time of handled queue entries, those without included.";
    HANDLE = "usher_handle_seconds" Histogram Seconds ["tenant" "queue" "channel" "direction"]
        "Handle time of handled queue entries: talk + hold + wrap-up.";
    CONTACTS_WAITING = "usher_contacts_waiting" Gauge Count ["tenant" "queue" "channel" "direction" "state"]
        "Queue entries open now, by state of their contact.";
    CONTACTS_UNSERVABLE = "usher_contacts_unservable" Gauge Count ["tenant" "queue" "channel" "direction"]
        "Contacts queued or parked now that no agent there is could ever serve: they wait for agents or the policy to change.";
    LONGEST_WAIT = "usher_longest_wait_seconds" Gauge Seconds ["tenant" "queue" "channel" "direction"]
        "Longest measured wait among queue entries open now and not parked; 0 when there is none.";
    CONTACTS_OVER_MAX_HANDLE = "usher_contacts_over_max_handle" Gauge Count ["tenant" "queue" "channel" "direction"]
        "Contacts in conversation for longer than max_handle now; direct work has an empty queue.";
    AGENTS = "usher_agents" Gauge Count ["tenant" "team" "state"]
        "Agents now, by what their state means for routing; off_queue includes those not signed in.";
    AGENT_STATE_SECONDS = "usher_agent_state_seconds_total" Counter Seconds ["tenant" "team" "state" "reason"]
        "Time signed-in agents spent in each state, up to now; not_ready by reason, other where reasons are free text.";
    OCCUPANCY = "usher_agent_occupancy_ratio" Gauge Ratio ["tenant" "team"]
        "Occupancy of the team's agents over the last hour: (busy + wrap-up) / (busy + wrap-up + idle available); ring time in neither; absent while nobody was available.";
    CAPACITY_USED = "usher_capacity_used_units" Gauge Units ["tenant" "team"]
        "Capacity units in use or reserved by offers now.";
    CAPACITY = "usher_capacity_units" Gauge Units ["tenant" "team"]
        "Capacity units of the agents signed in now.";
    CONFIG_VERSION = "usher_config_version_info" Gauge Count ["tenant" "version"]
        "1 for the version of the policy in force.";
    CONFIG_RELOADS = "usher_config_reloads_total" Counter Count ["result" "trigger"]
        "Attempts to change the configuration while running: applied, unchanged (nothing in it was new), refused.";
    CONFIG_LAST_RELOAD = "usher_config_last_reload_successful" Gauge Count []
        "0 when the last attempt to change the configuration was refused and the old stayed in force, else 1.";
    DECISION = "usher_decision_seconds" Histogram Seconds []
        "Time a command took in its shard: decided, evolved, matched until quiet, journalled and told. A step's time is shared equally among its commands.";
    OFFER_LATENCY = "usher_offer_latency_seconds" Histogram Seconds []
        "Time from the instant of the command or deadline that made an offer possible to the offer being published.";
    JOURNAL_COMMIT = "usher_journal_commit_seconds" Histogram Seconds []
        "Time from the first batch of a commit being handed to the journal until all of it was durable.";
    JOURNAL_BYTES = "usher_journal_bytes" Gauge Bytes []
        "Bytes of the journal: its segments and snapshots.";
    JOURNAL_FREE = "usher_journal_free_bytes" Gauge Bytes []
        "Bytes free on the journal's disk. When they run out new work is refused JOURNAL_FULL.";
    INGRESS_DEPTH = "usher_ingress_depth" Gauge Count []
        "Commands taken in and not yet looked at.";
    INGRESS_REFUSED = "usher_ingress_refused_total" Counter Count []
        "Commands refused because the ingress was full.";
    MEMORY_LIMIT = "usher_memory_limit_bytes" Gauge Bytes []
        "Resident memory of the process from which on new contacts and agents are refused MEMORY_FULL.";
    MEMORY_REFUSED = "usher_memory_refused_total" Counter Count []
        "Contacts and agents refused MEMORY_FULL.";
    STREAM_LAG = "usher_stream_lag_events" Gauge Count []
        "Events that wait for the reader of a stream who is furthest behind now; one that reaches stream_buffer is cut off.";
    SERIES_OVERFLOW = "usher_queue_series_overflow" Gauge Count []
        "Combinations of queue, channel and direction past the cap on series: their figures are under queue __other__.";
    STUCK = "usher_stuck_total" Counter Count ["tenant" "kind"]
        "Contacts and legs the audit sweep found past their deadline, by state; must stay 0.";
    BUILD = "usher_build_info" Gauge Count ["version"]
        "1 for the running version.";
    PROCESS_CPU = "process_cpu_seconds_total" Counter Seconds []
        "User and system CPU time of the process.";
    PROCESS_RESIDENT = "process_resident_memory_bytes" Gauge Bytes []
        "Resident memory of the process.";
    PROCESS_VIRTUAL = "process_virtual_memory_bytes" Gauge Bytes []
        "Virtual memory of the process.";
    PROCESS_OPEN_FDS = "process_open_fds" Gauge Count []
        "Open file descriptors of the process.";
    PROCESS_MAX_FDS = "process_max_fds" Gauge Count []
        "File descriptors the process may open.";
    PROCESS_THREADS = "process_threads" Gauge Count []
        "Threads of the process.";
    PROCESS_START = "process_start_time_seconds" Gauge Seconds []
        "When the process started, in seconds since 1970.";
}

/// Bounds of the wait histogram, in seconds; thresholds of the configuration come in between.
pub const WAIT_BOUNDS: &[f64] =
    &[1.0, 2.0, 5.0, 10.0, 15.0, 20.0, 30.0, 45.0, 60.0, 90.0, 120.0, 180.0, 300.0, 600.0, 1200.0, 1800.0];
/// Bounds of talk, hold, wrap-up and handle, in seconds; thresholds of the configuration come in between.
pub const HANDLE_BOUNDS: &[f64] = &[15.0, 30.0, 60.0, 120.0, 180.0, 240.0, 300.0, 420.0, 600.0, 900.0, 1800.0, 3600.0];
/// Bounds of the error of estimated waits, in seconds.
pub const ERROR_BOUNDS: &[f64] = &[1.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 900.0];
/// Bounds of the decision time, in seconds.
pub const DECISION_BOUNDS: &[f64] = &[1e-6, 2.5e-6, 5e-6, 1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 1e-2, 1e-1];
/// Bounds of the offer latency, in seconds.
pub const OFFER_BOUNDS: &[f64] = &[1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 1e-2, 2.5e-2, 5e-2, 1e-1, 2.5e-1, 1.0, 10.0];

/// Bounds of the journal's commit time, in seconds.
pub const JOURNAL_COMMIT_BOUNDS: &[f64] =
    &[1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 1e-2, 2.5e-2, 5e-2, 1e-1, 2.5e-1, 1.0, 2.5];

pub use crate::view::names::{AGENT_STATES, ANSWERED, MOVED, NOT_READY, WAITING, agent_state, direction, outcome};

/// The queue under which those past the cap on series are shown together.
pub const OTHER: &str = "__other__";

/// What is counted by step, in the order in which it is saved.
pub const STEPS: [&Metric; 3] = [&STEPS_BEGUN, &STEPS_ANSWERED, &STEPS_SKIPPED];

/// The reasons of exits, as label values.
pub fn exit_reasons() -> impl Iterator<Item = &'static str> {
    crate::view::names::OUTCOMES.iter().map(|(_, outcome)| *outcome).chain([MOVED])
}

/// The states a contact or a leg leaves by a deadline, as label values.
pub const STUCK_KINDS: [(ContactState, &str); 8] = [
    (ContactState::Scheduled, "scheduled"),
    (ContactState::Queued, "queued"),
    (ContactState::Offered, "offered"),
    (ContactState::Assigned, "assigned"),
    (ContactState::Connected, "connected"),
    (ContactState::OnHold, "on_hold"),
    (ContactState::WrapUp, "wrap_up"),
    (ContactState::Parked, "parked"),
];

/// How an offer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OfferResult {
    /// The agent took it.
    Accepted,
    /// The agent refused it.
    Declined,
    /// Nobody answered it in time.
    Expired,
    /// The contact left.
    Cancelled,
    /// The agent or the policy changed.
    Revoked,
    /// It could not be delivered, or the agent's session was lost.
    Failed,
    /// Another agent won.
    Rescinded,
}

/// The results of offers as label values, in order.
pub const OFFER_RESULTS: [&str; 7] = ["accepted", "declined", "expired", "cancelled", "revoked", "failed", "rescinded"];
