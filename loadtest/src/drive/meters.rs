//! What is measured while a run goes on: latencies, counts, and both by the second.

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

/// The longest latency told apart, in nanoseconds: ten minutes.
const LONGEST: u64 = 600_000_000_000;

/// Latencies that are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Latency {
    /// From the planned arrival until the agent heard of the offer, of contacts that found an agent free.
    Offer,
    /// The same from the actual send.
    OfferFromSend,
    /// From the planned arrival to the answer of CreateContact.
    Create,
    /// The same from the actual send.
    CreateFromSend,
    /// From the end of a contact until its agent heard of the next, of contacts that had waited.
    HandOver,
    /// AcceptOffer to its answer.
    Accept,
    /// ConnectContact to its answer.
    Connect,
    /// CompleteContact to its answer.
    Complete,
    /// CancelContact to its answer.
    Cancel,
}

impl Latency {
    /// All of them, in the order of reports.
    pub const ALL: [Latency; 9] = [
        Latency::Offer,
        Latency::OfferFromSend,
        Latency::Create,
        Latency::CreateFromSend,
        Latency::HandOver,
        Latency::Accept,
        Latency::Connect,
        Latency::Complete,
        Latency::Cancel,
    ];

    /// Its name in reports and logs.
    pub fn name(self) -> &'static str {
        match self {
            Latency::Offer => "offer",
            Latency::OfferFromSend => "offer_from_send",
            Latency::Create => "create",
            Latency::CreateFromSend => "create_from_send",
            Latency::HandOver => "hand_over",
            Latency::Accept => "accept",
            Latency::Connect => "connect",
            Latency::Complete => "complete",
            Latency::Cancel => "cancel",
        }
    }

    /// What it is, for people.
    pub fn what(self) -> &'static str {
        match self {
            Latency::Offer => "planned arrival to the agent hearing of the offer (agent free)",
            Latency::OfferFromSend => "the same from the actual send",
            Latency::Create => "planned arrival to the answer of CreateContact",
            Latency::CreateFromSend => "the same from the actual send",
            Latency::HandOver => "end of a contact to its agent hearing of the next (contact waited)",
            Latency::Accept => "AcceptOffer to its answer",
            Latency::Connect => "ConnectContact to its answer",
            Latency::Complete => "CompleteContact to its answer",
            Latency::Cancel => "CancelContact to its answer",
        }
    }
}

/// A histogram of latencies in nanoseconds, three digits good.
pub fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LONGEST, 3).expect("three digits are allowed")
}

/// One second of a run.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Second {
    /// When it ends, in seconds of real time since the beginning.
    pub at_s: f64,
    /// Contacts sent.
    pub arrivals: u64,
    /// Offers agents heard of.
    pub offers: u64,
    /// Contacts closed.
    pub closed: u64,
    /// Contacts that wait, at its end.
    pub waiting: u64,
    /// Contacts in conversation, at its end.
    pub talking: u64,
    /// Offer latency, median, in microseconds; none when nobody was offered.
    pub offer_p50_us: Option<f64>,
    /// Offer latency, 99th percentile.
    pub offer_p99_us: Option<f64>,
    /// Offer latency, the longest.
    pub offer_max_us: Option<f64>,
    /// Share of one core the server used.
    pub server_cpu: Option<f64>,
    /// Share of one core this program used.
    pub client_cpu: Option<f64>,
}

/// Everything measured.
pub struct Meters {
    /// When it began.
    pub start: Instant,
    /// When latencies begin to count.
    pub warm: Instant,
    /// Latencies in nanoseconds, in the order of [`Latency::ALL`].
    pub latencies: Vec<Histogram<u64>>,
    /// Offer latencies by the second, with when each second ends.
    pub offers: Vec<(Duration, Histogram<u64>)>,
    /// The seconds.
    pub seconds: Vec<Second>,
    /// How long after its planned instant each planned thing was sent, in nanoseconds.
    pub delays: Histogram<u64>,
    /// Planned things that were sent late.
    pub late: u64,
    /// Contacts that wait.
    pub waiting: u64,
    /// Contacts in conversation.
    pub talking: u64,
    /// Refusals, by reason, that a race between two parties explains.
    pub races: std::collections::BTreeMap<String, u64>,
    /// Other refusals and failures, by verb and reason.
    pub refusals: std::collections::BTreeMap<String, u64>,
    second: Second,
    offered: Histogram<u64>,
}

impl Meters {
    /// Nothing measured yet.
    pub fn new(start: Instant, warm: Instant) -> Meters {
        Meters {
            start,
            warm,
            latencies: Latency::ALL.iter().map(|_| histogram()).collect(),
            offers: Vec::new(),
            seconds: Vec::new(),
            delays: histogram(),
            late: 0,
            waiting: 0,
            talking: 0,
            races: Default::default(),
            refusals: Default::default(),
            second: Second::default(),
            offered: histogram(),
        }
    }

    /// Notes a latency from `since` until now.
    pub fn took(&mut self, latency: Latency, since: Instant) {
        if since < self.warm {
            return;
        }
        let nanos = u64::try_from(since.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.latencies[latency as usize].saturating_record(nanos);
        if latency == Latency::Offer {
            self.offered.saturating_record(nanos);
        }
    }

    /// Notes that something planned for `planned` was sent now.
    pub fn sent(&mut self, planned: Instant, late_after: Duration) {
        let delay = planned.elapsed();
        self.delays.saturating_record(u64::try_from(delay.as_nanos()).unwrap_or(u64::MAX));
        self.late += u64::from(delay > late_after);
    }

    /// A contact was sent.
    pub fn arrived(&mut self) {
        self.second.arrivals += 1;
    }

    /// An agent heard of an offer.
    pub fn heard(&mut self) {
        self.second.offers += 1;
    }

    /// A contact was closed.
    pub fn closed(&mut self) {
        self.second.closed += 1;
    }

    /// A second is over.
    pub fn tick(&mut self, server_cpu: Option<f64>, client_cpu: Option<f64>) {
        let at = self.start.elapsed();
        let offered = std::mem::replace(&mut self.offered, histogram());
        let micros = |nanos: u64| (!offered.is_empty()).then_some(nanos as f64 / 1e3);
        let second = Second {
            at_s: at.as_secs_f64(),
            waiting: self.waiting,
            talking: self.talking,
            offer_p50_us: micros(offered.value_at_quantile(0.5)),
            offer_p99_us: micros(offered.value_at_quantile(0.99)),
            offer_max_us: micros(offered.max()),
            server_cpu,
            client_cpu,
            ..std::mem::take(&mut self.second)
        };
        self.seconds.push(second);
        if !offered.is_empty() {
            self.offers.push((at, offered));
        }
    }
}
