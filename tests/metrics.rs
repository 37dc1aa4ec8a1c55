//! Metrics: a scripted day gives exact figures, every metric says what it is, and a server nobody scrapes does not grow.

use std::collections::BTreeMap;
use std::sync::Arc;

use usher::engine::Engine;
use usher::engine::agent::{AgentProfile, Presence, Routing, UpsertCause};
use usher::engine::command::{Command, NewContact, TransferTarget};
use usher::engine::contact::{CancelCause, ContactProfile, ContactState, DeclineReason, Direction, Outcome, Reason};
use usher::engine::event::{EntryCause, EntryExit, Event, Facts, Recorded};
use usher::engine::id::{AgentId, ChannelId, ContactId, LegId, QueueId, Text};
use usher::engine::policy::{Channel, Membership, Policy, Queue, Step, Team, WrapUp};
use usher::engine::time::{Span, Time};
use usher::telemetry::names::{self, Kind};
use usher::telemetry::{Fold, Shell, Telemetry};

const START: Time = Time(1_700_000_000_000_000);

/// A page taken apart: samples by name and labels as written, help and type by name.
struct Page {
    samples: BTreeMap<String, f64>,
    help: BTreeMap<String, String>,
    kinds: BTreeMap<String, String>,
}

impl Page {
    fn read(text: &str) -> Page {
        let mut page = Page { samples: BTreeMap::new(), help: BTreeMap::new(), kinds: BTreeMap::new() };
        for line in text.lines().filter(|line| !line.is_empty()) {
            if let Some((name, help)) = line.strip_prefix("# HELP ").and_then(|rest| rest.split_once(' ')) {
                assert!(page.help.insert(name.into(), help.into()).is_none(), "{name} begins twice");
            } else if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
                assert!(page.kinds.insert(name.into(), kind.into()).is_none(), "{name} begins twice");
            } else {
                let (series, number) = line.rsplit_once(' ').expect(line);
                let number = number.parse().expect(line);
                assert!(page.samples.insert(series.into(), number).is_none(), "{series} stands there twice");
            }
        }
        page
    }

    /// The value of a series, by the name without its prefix; none when it is not there.
    fn get(&self, series: &str) -> Option<f64> {
        self.samples.get(&format!("usher_{series}")).copied()
    }

    #[track_caller]
    fn check(&self, wanted: &[(&str, f64)]) {
        for (series, value) in wanted {
            assert_eq!(self.get(series), Some(*value), "{series}");
        }
    }
}

fn team(id: &str) -> Team {
    let queues = vec![Membership::new("*".into(), 1)];
    Team { queues, ..Team::named(id.into()) }
}

fn agent(id: &str) -> Arc<AgentProfile> {
    let profile =
        AgentProfile { agent_id: id.into(), display_name: id.into(), team: Some("desk".into()), ..Default::default() };
    Arc::new(AgentProfile { capacity: 100, managed_by_config: true, ..profile })
}

fn policy(queues: &[&str]) -> Policy {
    let queue = |id: &&str| Queue { wrap_up: WrapUp::Timed(Span::from_secs(30)), ..Queue::named((*id).into()) };
    Policy {
        tenant: "acme".into(),
        not_ready_reasons: vec!["lunch".into()],
        channels: vec![Channel::named("voice".into()), Channel::named("chat".into())],
        queues: queues.iter().map(queue).collect(),
        teams: vec![team("desk")],
        agents: vec![agent("ana"), agent("ben")],
        ..Policy::default()
    }
}

/// A tenant with its metrics, run by hand.
struct Desk {
    engine: Engine,
    telemetry: Telemetry,
    fold: Fold,
    now: Time,
    events: Vec<Recorded>,
}

impl Desk {
    fn open(queues: &[&str]) -> Desk {
        let telemetry = Telemetry::new([Span::from_secs(20), Span::from_millis(2_500)]);
        let fold = telemetry.fold(&"acme".into());
        let mut desk = Desk { engine: Engine::new(1), telemetry, fold, now: START, events: Vec::new() };
        desk.ask(Command::apply(policy(queues)));
        desk
    }

    fn ask(&mut self, command: Command) {
        let text = format!("{command:?}");
        self.engine.apply(self.now, &command.into(), &mut self.events).expect(&text);
        self.fold.take(&self.events);
        self.events.clear();
    }

    fn wait(&mut self, millis: u64) {
        let until = self.now + Span::from_millis(millis);
        while let Some(next) = self.engine.next_deadline().filter(|next| *next <= until) {
            self.now = self.now.max(next);
            while self.engine.fire_due(self.now, 64, &mut self.events) {}
        }
        self.now = until;
        self.fold.take(&self.events);
        self.events.clear();
    }

    fn contact(&mut self, id: &str, queue: &str, agent_id: &str, direction: Direction) {
        let profile =
            ContactProfile { contact_id: id.into(), channel: "voice".into(), direction, ..Default::default() };
        let new = NewContact {
            profile: Arc::new(profile),
            queue: queue.into(),
            agent_id: agent_id.into(),
            ..Default::default()
        };
        self.ask(Command::CreateContact(Arc::new(new)));
    }

    fn call(&mut self, id: &str) {
        self.contact(id, "sales", "", Direction::Inbound);
    }

    fn sign_in(&mut self, agent_id: &str) {
        let presence = Presence::Available;
        self.ask(Command::SignIn { agent_id: agent_id.into(), presence, lease: Some(Span::ZERO) });
    }

    fn presence(&mut self, agent_id: &str, presence: Presence) {
        self.ask(Command::SetPresence { agent_id: agent_id.into(), presence });
    }

    fn offer(&self, agent_id: &str) -> LegId {
        let view = self.engine.state().agent_view(self.now, agent_id).expect(agent_id);
        view.legs.last().expect("an offer is open").leg
    }

    fn answer(&mut self, agent_id: &str, contact_id: &str) {
        let offer = self.offer(agent_id);
        self.ask(Command::AcceptOffer { agent_id: agent_id.into(), offer });
        self.ask(Command::ConnectContact { contact_id: contact_id.into() });
    }

    fn complete(&mut self, contact_id: &str) {
        self.ask(Command::CompleteContact { contact_id: contact_id.into(), disposition: Text::default() });
    }

    fn page(&self) -> Page {
        let (journal_bytes, journal_free) = (Some(6), Some(7));
        let (ingress_depth, ingress_refused, stream_lag, memory_limit, memory_refused) = (3, 4, 5, 8, 9);
        let shell = Shell {
            ingress_depth,
            ingress_refused,
            stream_lag,
            journal_bytes,
            journal_free,
            memory_limit,
            memory_refused,
        };
        Page::read(&self.telemetry.render(self.now, shell, &[]))
    }
}

const SALES: &str = r#"tenant="acme",queue="sales",channel="voice",direction="inbound""#;

fn sales(name: &str, more: &str) -> String {
    format!("{name}{{{SALES}{more}}}")
}

#[test]
fn a_scripted_call_gives_exact_counters() {
    let mut desk = Desk::open(&["sales"]);
    desk.call("c1");
    desk.wait(2_500);
    desk.sign_in("ana");
    desk.wait(1_500);
    desk.answer("ana", "c1");
    desk.wait(60_000);
    desk.ask(Command::HoldContact { contact_id: "c1".into() });
    desk.wait(10_000);
    desk.ask(Command::ResumeContact { contact_id: "c1".into() });
    desk.complete("c1");
    let page = desk.page();
    page.check(&[
        (r#"contacts_received_total{tenant="acme",channel="voice",direction="inbound"}"#, 1.0),
        (&sales("contacts_offered_total", ""), 1.0),
        (&sales("contacts_answered_total", ""), 1.0),
        (&sales("contacts_answered_within_threshold_total", ""), 1.0),
        (&sales("contacts_handled_total", ""), 0.0),
        (&sales("offers_total", r#",result="accepted""#), 1.0),
        (r#"agents{tenant="acme",team="desk",state="wrap_up"}"#, 1.0),
        (r#"capacity_used_units{tenant="acme",team="desk"}"#, 100.0),
    ]);
    assert!(!page.samples.keys().any(|series| series.starts_with("usher_contacts_closed_total")), "not closed yet");
    desk.wait(31_000);
    let page = desk.page();
    page.check(&[
        (r#"contacts_closed_total{tenant="acme",channel="voice",direction="inbound",outcome="completed"}"#, 1.0),
        (&sales("contacts_handled_total", ""), 1.0),
        (&sales("wait_seconds_sum", r#",outcome="answered""#), 4.0),
        (&sales("wait_seconds_bucket", r#",outcome="answered",le="2.5""#), 0.0),
        (&sales("wait_seconds_bucket", r#",outcome="answered",le="5""#), 1.0),
        (&sales("wait_seconds_bucket", r#",outcome="answered",le="+Inf""#), 1.0),
        (&sales("talk_seconds_sum", ""), 60.0),
        (&sales("hold_seconds_sum", ""), 10.0),
        (&sales("wrap_up_seconds_sum", ""), 30.0),
        (&sales("handle_seconds_sum", ""), 100.0),
        (&sales("handle_seconds_count", ""), 1.0),
        (&sales("handle_seconds_bucket", r#",le="20""#), 0.0),
        (&sales("contacts_waiting", r#",state="queued""#), 0.0),
        (r#"agents{tenant="acme",team="desk",state="idle"}"#, 1.0),
        (r#"agents{tenant="acme",team="desk",state="off_queue"}"#, 1.0),
        (r#"capacity_used_units{tenant="acme",team="desk"}"#, 0.0),
        (r#"capacity_units{tenant="acme",team="desk"}"#, 100.0),
        (r#"agent_state_seconds_total{tenant="acme",team="desk",state="busy",reason=""}"#, 70.0),
        (r#"agent_state_seconds_total{tenant="acme",team="desk",state="wrap_up",reason=""}"#, 30.0),
        (r#"agent_state_seconds_total{tenant="acme",team="desk",state="offering",reason=""}"#, 1.5),
        (r#"agent_state_seconds_total{tenant="acme",team="desk",state="idle",reason=""}"#, 1.0),
        (r#"config_version_info{tenant="acme",version="1"}"#, 1.0),
        ("ingress_depth", 3.0),
        ("journal_bytes", 6.0),
        ("journal_free_bytes", 7.0),
        ("memory_limit_bytes", 8.0),
        ("memory_refused_total", 9.0),
        ("stream_lag_events", 5.0),
        ("ingress_refused_total", 4.0),
    ]);
}

#[test]
fn those_who_leave_are_told_apart() {
    let mut desk = Desk::open(&["sales"]);
    for (id, wait) in [("short", 4_999), ("soon", 20_000), ("late", 20_001)] {
        desk.call(id);
        desk.wait(wait);
        desk.ask(Command::CancelContact { contact_id: id.into(), cause: CancelCause::CustomerLeft });
    }
    desk.call("back");
    desk.ask(Command::CancelContact { contact_id: "back".into(), cause: CancelCause::System });
    let page = desk.page();
    let abandoned = |kind, within| {
        page.get(&sales("contacts_abandoned_total", &format!(r#",kind="{kind}",within_threshold="{within}""#)))
    };
    assert_eq!(abandoned("short", "true"), Some(1.0));
    assert_eq!(abandoned("short", "false"), Some(0.0));
    assert_eq!(abandoned("normal", "true"), Some(1.0));
    assert_eq!(abandoned("normal", "false"), Some(1.0));
    page.check(&[
        (&sales("contacts_exits_total", r#",reason="cancelled""#), 1.0),
        (&sales("contacts_offered_total", ""), 4.0),
        (&sales("wait_seconds_count", r#",outcome="abandoned""#), 3.0),
        (&sales("wait_seconds_count", r#",outcome="cancelled""#), 1.0),
        (r#"contacts_closed_total{tenant="acme",channel="voice",direction="inbound",outcome="abandoned"}"#, 3.0),
        (r#"contacts_closed_total{tenant="acme",channel="voice",direction="inbound",outcome="cancelled"}"#, 1.0),
    ]);
}

#[test]
fn waiting_is_as_it_stands_when_it_is_read() {
    let mut desk = Desk::open(&["sales"]);
    desk.call("c1");
    desk.wait(10_000);
    desk.call("c2");
    desk.ask(Command::ParkContact { contact_id: "c1".into() });
    desk.wait(5_000);
    desk.page().check(&[
        (&sales("contacts_waiting", r#",state="queued""#), 1.0),
        (&sales("contacts_waiting", r#",state="parked""#), 1.0),
        (&sales("longest_wait_seconds", ""), 5.0),
    ]);
    desk.ask(Command::UnparkContact { contact_id: "c1".into() });
    desk.wait(1_000);
    desk.page().check(&[(&sales("longest_wait_seconds", ""), 11.0)]);
    desk.sign_in("ana");
    desk.page().check(&[
        (&sales("contacts_waiting", r#",state="offered""#), 1.0),
        (&sales("contacts_waiting", r#",state="queued""#), 1.0),
        (&sales("longest_wait_seconds", ""), 11.0),
    ]);
    let offer = desk.offer("ana");
    let (reason, retry_time) = (DeclineReason::Busy, None);
    desk.ask(Command::DeclineOffer { agent_id: "ana".into(), offer, reason, retry_time });
    desk.ask(Command::CancelContact { contact_id: "c1".into(), cause: CancelCause::CustomerLeft });
    let page = desk.page();
    page.check(&[
        (&sales("offers_total", r#",result="declined""#), 1.0),
        (&sales("contacts_waiting", r#",state="parked""#), 0.0),
        (&sales("longest_wait_seconds", ""), 6.0),
    ]);
}

#[test]
fn transfers_are_counted_where_they_leave() {
    let mut desk = Desk::open(&["sales", "care"]);
    desk.sign_in("ana");
    desk.call("c1");
    desk.answer("ana", "c1");
    let transfer = |queue: &str| Command::TransferContact {
        contact_id: "c1".into(),
        target: TransferTarget::Queue(queue.into()),
        requirement: None,
        reason: Text::default(),
    };
    desk.ask(transfer("care"));
    desk.sign_in("ben");
    desk.answer("ben", "c1");
    desk.ask(transfer("sales"));
    desk.wait(60_000);
    let page = desk.page();
    let care = |name: &str| page.get(&sales(name, "").replace("sales", "care"));
    page.check(&[
        (&sales("contacts_transferred_total", ""), 1.0),
        (&sales("transfers_total", ""), 1.0),
        (&sales("contacts_offered_total", ""), 2.0),
        (&sales("contacts_handled_total", ""), 1.0),
        (r#"contacts_received_total{tenant="acme",channel="voice",direction="inbound"}"#, 1.0),
    ]);
    assert_eq!(care("contacts_transferred_total"), Some(0.0));
    assert_eq!(care("transfers_total"), Some(1.0));
    assert_eq!(care("contacts_handled_total"), Some(1.0));
}

#[test]
fn direct_work_touches_no_queue() {
    let mut desk = Desk::open(&["sales"]);
    desk.sign_in("ana");
    desk.contact("c1", "", "ana", Direction::Outbound);
    desk.ask(Command::ConnectContact { contact_id: "c1".into() });
    desk.page().check(&[(r#"capacity_used_units{tenant="acme",team="desk"}"#, 100.0)]);
    desk.wait(5 * 3_600_000);
    let series = r#"contacts_over_max_handle{tenant="acme",queue="",channel="voice",direction="outbound"}"#;
    desk.page().check(&[(series, 1.0)]);
    desk.complete("c1");
    let page = desk.page();
    page.check(&[
        (series, 0.0),
        (r#"contacts_received_total{tenant="acme",channel="voice",direction="outbound"}"#, 1.0),
        (r#"contacts_closed_total{tenant="acme",channel="voice",direction="outbound",outcome="completed"}"#, 1.0),
        (r#"capacity_used_units{tenant="acme",team="desk"}"#, 0.0),
    ]);
    assert!(!page.samples.keys().any(|series| series.contains("offered_total") || series.contains("handled_total")));
}

#[test]
fn reasons_that_nobody_listed_are_one() {
    let mut desk = Desk::open(&["sales"]);
    desk.sign_in("ana");
    desk.presence("ana", Presence::NotReady("lunch".into()));
    desk.wait(7_000);
    let state = r#"agents{tenant="acme",team="desk",state="not_ready"}"#;
    desk.page().check(&[(state, 1.0)]);
    desk.ask(Command::SignOut { agent_id: "ana".into(), force: false });
    desk.wait(3_000);
    let page = desk.page();
    let lunch = r#"agent_state_seconds_total{tenant="acme",team="desk",state="not_ready",reason="lunch"}"#;
    page.check(&[(state, 0.0), (lunch, 7.0), (r#"capacity_units{tenant="acme",team="desk"}"#, 0.0)]);

    // The engine takes any text where configuration lists none; a label does not.
    let mut free = policy(&["sales"]);
    free.not_ready_reasons.clear();
    desk.ask(Command::apply(free));
    let presence = Presence::NotReady("my cat is ill".into());
    desk.ask(Command::SignIn { agent_id: "ana".into(), presence, lease: Some(Span::ZERO) });
    desk.wait(2_000);
    let text = desk.telemetry.render(desk.now, Shell::default(), &[]);
    assert!(text.contains(r#"state="not_ready",reason="other"} 2"#), "{text}");
    assert!(!text.contains("cat"));
}

#[test]
fn a_removed_queue_leaves_no_gauge_behind() {
    let mut desk = Desk::open(&["sales", "care"]);
    desk.call("c1");
    assert_eq!(desk.page().get(&sales("contacts_waiting", r#",state="queued""#)), Some(1.0));
    desk.ask(Command::CancelContact { contact_id: "c1".into(), cause: CancelCause::CustomerLeft });
    desk.ask(Command::apply(policy(&["care"])));
    let page = desk.page();
    assert_eq!(page.get(&sales("contacts_waiting", r#",state="queued""#)), None);
    assert_eq!(page.get(&sales("longest_wait_seconds", "")), None);
    assert_eq!(page.get(&sales("contacts_offered_total", "")), Some(1.0), "what was counted stays");
    assert_eq!(page.get(r#"config_version_info{tenant="acme",version="1"}"#), None);
    assert_eq!(page.get(r#"config_version_info{tenant="acme",version="2"}"#), Some(1.0));
}

/// "sales" with steps: for a preferred agent alone, then for everyone from the tenth second on.
fn relaxed() -> Policy {
    let mut policy = policy(&["sales"]);
    let step = |secs, prefer| {
        let after = Span::from_secs(secs);
        Step { after, require: None, drop: Vec::new(), prefer, skip_if: None }
    };
    policy.queues[0].steps = vec![step(0, true), step(10, false)];
    policy
}

#[test]
fn steps_count_who_comes_to_them_and_who_is_answered() {
    let mut desk = Desk::open(&["sales"]);
    desk.ask(Command::apply(relaxed()));
    desk.call("c1");
    desk.sign_in("ana");
    desk.answer("ana", "c1");
    desk.page().check(&[
        (r#"steps_begun_total{tenant="acme",queue="sales",step="0"}"#, 1.0),
        (r#"steps_begun_total{tenant="acme",queue="sales",step="1"}"#, 1.0),
        (r#"steps_skipped_total{tenant="acme",queue="sales",step="0"}"#, 1.0),
        (r#"steps_answered_total{tenant="acme",queue="sales",step="1"}"#, 1.0),
    ]);
}

#[test]
fn every_metric_says_what_it_is() {
    let mut desk = Desk::open(&["sales"]);
    desk.ask(Command::apply(relaxed()));
    desk.call("c0");
    desk.sign_in("ben");
    desk.answer("ben", "c0");
    desk.call("c1");
    desk.ask(Command::CancelContact { contact_id: "c1".into(), cause: CancelCause::System });
    desk.sign_in("ana");
    let page = desk.page();
    for metric in names::ALL {
        let help = page.help.get(metric.name).unwrap_or_else(|| panic!("{} has no HELP", metric.name));
        assert_eq!(help, metric.help);
        assert_eq!(page.kinds.get(metric.name).map(String::as_str), Some(metric.kind.word()), "{}", metric.name);
        assert!(metric.help.ends_with('.'), "{}: a sentence ends with a full stop", metric.name);
        assert_eq!(metric.name.ends_with("_total"), metric.kind == Kind::Counter, "{}", metric.name);
    }
    for series in page.samples.keys() {
        let name = series.split('{').next().expect(series);
        let stem = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
        let metric = names::ALL.iter().find(|metric| metric.name == name || metric.name == stem);
        let metric = metric.unwrap_or_else(|| panic!("{series} is not in the table"));
        let labels = series.matches("=\"").count() - usize::from(name.ends_with("_bucket"));
        assert_eq!(labels, metric.labels.len(), "{series}");
        for never in ["agent", "agent_id", "contact", "contact_id", "customer", "customer_id"] {
            assert!(!metric.labels.contains(&never), "{series}");
        }
    }
}

/// The engine has come to this event, with nothing beside it.
fn recorded(sequence: u64, time: Time, states: Option<(ContactState, ContactState)>, event: Event) -> Recorded {
    let facts = Facts { channel: Some(ChannelId(0)), ..Facts::default() };
    Recorded { sequence, time, policy_version: 1, contact_states: states, facts, earlier: None, event }
}

#[test]
fn events_seen_twice_count_once() {
    let telemetry = Telemetry::new([]);
    let fold = telemetry.fold(&"acme".into());
    let contact = ContactId::from_u64(1 << 32);
    let exit = EntryExit { queue: QueueId(0), wait: Span::from_secs(1), within_threshold: true, short: true };
    let queued = Event::ContactQueued { contact, queue: QueueId(0), cause: EntryCause::Arrived, only: None };
    let (outcome, reason) = (Outcome::Abandoned, Reason::CustomerLeft);
    let ended = Event::ContactEnded { contact, outcome, reason, exit: Some(exit), disposition: Text::default() };
    let agent = AgentId(0);
    let states = |before, after| Some((before, after));
    let events = [
        recorded(
            1,
            START,
            None,
            Event::PolicyApplied {
                policy: Arc::new(Policy { version: 1, ..policy(&["sales"]) }),
                change: Arc::default(),
                reevaluated: 0,
            },
        ),
        recorded(
            2,
            START,
            None,
            Event::AgentUpserted {
                agent,
                profile: self::agent("ana"),
                cause: UpsertCause::Request,
                overrides: Vec::new(),
            },
        ),
        recorded(3, START, None, Event::AgentSignedIn { agent, presence: Presence::Available, lease: Span::ZERO }),
        recorded(4, START, None, Event::AgentRoutingChanged { agent, before: Routing::OffQueue, after: Routing::Idle }),
        recorded(5, START, states(ContactState::Scheduled, ContactState::Queued), queued),
        recorded(6, START, states(ContactState::Queued, ContactState::Closed), ended),
    ];
    fold.take(&events);
    fold.take(&events);
    let page = Page::read(&telemetry.render(START + Span::from_secs(5), Shell::default(), &[]));
    page.check(&[
        (&sales("contacts_offered_total", ""), 1.0),
        (&sales("contacts_abandoned_total", r#",kind="short",within_threshold="true""#), 1.0),
        (&sales("contacts_waiting", r#",state="queued""#), 0.0),
        (r#"agents{tenant="acme",team="desk",state="idle"}"#, 1.0),
        (r#"agent_state_seconds_total{tenant="acme",team="desk",state="idle",reason=""}"#, 5.0),
    ]);
}

fn resident_bytes() -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").expect("Linux tells");
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect(line) * 1024
}

#[test]
fn nothing_grows_when_nobody_scrapes() {
    let mut desk = Desk::open(&["sales"]);
    desk.sign_in("ana");
    let day = |desk: &mut Desk, from: u32| {
        for contact in from..from + 2_000 {
            let id = format!("c{contact}");
            desk.call(&id);
            desk.answer("ana", &id);
            desk.wait(1_000);
            desk.complete(&id);
            desk.wait(31_000);
            for _ in 0..100 {
                desk.telemetry.decisions.record(std::time::Duration::from_micros(2));
            }
        }
    };
    // The engine keeps what has ended for an hour; after that it holds as much as it ever will.
    day(&mut desk, 0);
    let before = resident_bytes();
    for round in 1..6 {
        day(&mut desk, round * 2_000);
    }
    let grown = resident_bytes().saturating_sub(before);
    assert!(grown < 8 << 20, "{grown} bytes more after 10,000 contacts");
    desk.page().check(&[(&sales("talk_seconds_count", ""), 12_000.0), (&sales("talk_seconds_sum", ""), 12_000.0)]);
}
