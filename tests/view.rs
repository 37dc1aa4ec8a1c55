//! The view: a scripted day has exactly the figures worked out beforehand, intervals sum to the day, time cards to the
//! time signed in, and the same events folded again give the same books.

mod center;

use std::collections::{BTreeMap, BTreeSet};

use center::{Center, agent, day, policy, queue, team};
use usher::engine::agent::Presence;
use usher::engine::contact::Direction;
use usher::engine::policy::{Policy, Shift, ShiftBreak, Team};
use usher::engine::time::{Span, Time};
use usher::view::Views;
use usher::view::calendar::Interval;
use usher::view::counts::{Count, Counts, Sum};
use usher::view::fold::Books;
use usher::view::report::{AgentQuery, AgentRow, Dimension, IntervalQuery, IntervalReport, IntervalRow, RecordQuery};

use usher::journal::codec::VERSION;
use usher::wire::{Reader, Wire, Writer};

/// 2026-03-02 05:00 UTC.
const START: Time = Time(1_772_427_600_000_000);

fn query(dimensions: &[Dimension], interval: Interval) -> IntervalQuery {
    IntervalQuery {
        start: None,
        end: None,
        date: None,
        interval,
        dimensions: dimensions.iter().copied().collect(),
        queues: Vec::new(),
        channels: Vec::new(),
        directions: Vec::new(),
        teams: Vec::new(),
        skills: Vec::new(),
        sites: Vec::new(),
        include_empty: false,
    }
}

fn agents() -> AgentQuery {
    AgentQuery {
        start: None,
        end: None,
        date: None,
        agents: Vec::new(),
        teams: Vec::new(),
        sites: Vec::new(),
        direction: Direction::Inbound,
        deviations: 2.0,
        least: 20,
    }
}

fn report(center: &Center, query: &IntervalQuery) -> IntervalReport {
    center.view.read(center.now, |books| books.interval_report(query)).expect("there is no date")
}

fn row<'a>(report: &'a IntervalReport, queue: &str) -> &'a IntervalRow {
    report.rows.iter().find(|row| *row.key.queue == *queue).expect(queue)
}

#[track_caller]
fn counts(counts: &Counts, wanted: &[(Count, i64)]) {
    for (count, number) in wanted {
        assert_eq!(counts.count(*count), *number, "{count:?}");
    }
}

fn tenths(share: Option<f64>) -> f64 {
    (share.expect("there is one") * 1e3).round() / 10.0
}

#[test]
fn the_scripted_day_has_its_figures() {
    let center = day::play(START, "UTC");
    let by_queue = report(&center, &query(&[Dimension::Queue], Interval::Whole));
    let sales = row(&by_queue, "sales");
    counts(
        &sales.figures.counts,
        &[
            (Count::Received, 100),
            (Count::Offered, 100),
            (Count::Answered, 80),
            (Count::AnsweredWithin, 72),
            (Count::Abandoned, 14),
            (Count::AbandonedWithin, 6),
            (Count::AbandonedShort, 4),
            (Count::Overflowed, 6),
            (Count::Handled, 80),
            (Count::ContactsTransferred, 8),
            (Count::Transfers, 8),
            (Count::Resolved, 60),
            (Count::ResolvedUnset, 20),
            (Count::CsatPositive, 27),
            (Count::CsatNegative, 3),
            (Count::OffersAccepted, 80),
        ],
    );
    let sums = [Sum::Talk, Sum::Hold, Sum::WrapUp].map(|sum| sales.figures.counts[sum] / 1_000_000);
    assert_eq!(sums, [14_400, 1_600, 3_200]);
    assert_eq!(sales.figures.counts[Sum::Cost], 560_000_000);
    let kpis = sales.figures.kpis();
    assert_eq!(kpis.average_handle_time, Some(240_000_000));
    assert_eq!(kpis.average_speed_of_answer, Some(12_000_000));
    assert_eq!(kpis.cost_per_contact, Some(7_000_000));
    assert_eq!(tenths(kpis.abandonment), 14.0);
    assert_eq!(tenths(kpis.transfer_rate), 10.0);
    assert_eq!(tenths(kpis.fcr_of_contacts), 60.0);
    assert_eq!(tenths(kpis.fcr_of_handled), 75.0);
    assert_eq!(tenths(kpis.fcr_strict), 65.0);
    assert_eq!(tenths(kpis.csat), 90.0);
    assert_eq!(kpis.service_level.all().map(tenths), [72.0, 90.0, 76.6, 80.0, 83.0, 81.8, 76.6]);
    // The other queues have their own legs and no others.
    let billing = row(&by_queue, "billing");
    let legs = [(Count::Received, 0), (Count::Offered, 8), (Count::Answered, 8), (Count::Handled, 8)];
    counts(&billing.figures.counts, &legs);
    counts(&billing.figures.counts, &[(Count::Transfers, 1), (Count::ContactsTransferred, 0), (Count::Resolved, 0)]);
    assert_eq!(billing.figures.counts[Sum::Talk], 480_000_000);
    counts(&row(&by_queue, "support").figures.counts, &[(Count::Offered, 1), (Count::Handled, 1)]);
    // Callbacks are counted under CALLBACK only.
    let directions = report(&center, &query(&[Dimension::Queue, Dimension::Direction], Interval::Whole));
    let callback = directions.rows.iter().find(|row| row.key.direction == Direction::Callback).expect("there are some");
    counts(&callback.figures.counts, &[(Count::Received, 6), (Count::Offered, 0)]);
    counts(&callback.figures.counts, &[(Count::CallbacksRequested, 6), (Count::CallbacksScheduled, 6)]);
    let snapshot = center.view.snapshot(center.now);
    assert_eq!((snapshot.scheduled_contacts, snapshot.direct_contacts), (6, 0));
    let shown = snapshot.queues.iter().find(|queue| &*queue.queue == "sales").expect("a queue");
    assert_eq!(shown.directions[0].day.counts, sales.figures.counts, "the snapshot and the report differ");
    assert_eq!((shown.connected, shown.wrap_up), (0, 0));
}

#[test]
fn a_second_fold_of_the_same_events_gives_the_same_books() {
    let center = day::play(START, "Europe/Lisbon");
    let again = Views::default().open(&center::TENANT.into());
    center.log.iter().for_each(|recorded| again.take(recorded));
    let question = query(&[Dimension::Queue, Dimension::Team], Interval::Fixed(Span::from_secs(900)));
    let first = report(&center, &question);
    assert_eq!(again.read(center.now, |books| books.interval_report(&question)), Ok(first.clone()));
    assert_eq!(*again.fresh_snapshot(center.now), *center.view.fresh_snapshot(center.now));
    // What was seen already changes nothing.
    center.log.iter().for_each(|recorded| again.take(recorded));
    assert_eq!(again.read(center.now, |books| books.interval_report(&question)), Ok(first.clone()));
}

/// Written and read again at any event, the books go on as if nothing had been.
#[test]
fn books_that_were_written_go_on_alike() {
    for center in [day::play(START, "Europe/Lisbon"), busy_day()] {
        let question = query(&[Dimension::Queue, Dimension::Team], Interval::Fixed(Span::from_secs(900)));
        let first = report(&center, &question);
        let cards = format!("{:?}", center.view.read(center.now, |books| books.agent_report(&agents())));
        for tenth in 1..10 {
            let (before, after) = center.log.split_at(center.log.len() * tenth / 10);
            let mut books = Books::new(center::TENANT.into());
            before.iter().for_each(|recorded| books.take(recorded));
            let bytes = written(&books);
            let again = Views::default().open(&center::TENANT.into());
            again.restore(&mut Reader::new(&bytes, VERSION)).expect("it is what was written");
            assert_eq!(again.read(Time(0), |books| written(books)), bytes, "after {tenth} tenths");
            after.iter().for_each(|recorded| again.take(recorded));
            assert_eq!(again.read(center.now, |books| books.interval_report(&question)), Ok(first.clone()));
            let again_cards = again.read(center.now, |books| books.agent_report(&agents()));
            assert_eq!(format!("{again_cards:?}"), cards);
            assert_eq!(*again.fresh_snapshot(center.now), *center.view.fresh_snapshot(center.now));
            // Those that have come further keep what they have.
            again.restore(&mut Reader::new(&bytes, VERSION)).expect("it is what was written");
            assert_eq!(*again.fresh_snapshot(center.now), *center.view.fresh_snapshot(center.now));
        }
    }
}

fn written(books: &Books) -> Vec<u8> {
    let mut out = Writer::default();
    books.put(&mut out);
    out.bytes
}

#[test]
fn records_tell_the_whole_contact() {
    let center = day::play(START, "UTC");
    let all = RecordQuery::default();
    let (first, more) = center.view.read(center.now, |books| books.list_records(&all, None, 60));
    assert!(more && first.len() == 60);
    let last = first.last().and_then(|record| Some((record.ended?.2, record.profile.contact_id.clone())));
    let (rest, more) = center.view.read(center.now, |books| books.list_records(&all, last.as_ref(), 60));
    let ids: BTreeSet<&str> = first.iter().chain(&rest).map(|record| &*record.profile.contact_id).collect();
    assert!(!more && ids.len() == 100, "pages repeat or lose contacts");
    let wanted = RecordQuery { queues: vec!["support".into()], ..RecordQuery::default() };
    let (found, _) = center.view.read(center.now, |books| books.list_records(&wanted, None, 10));
    let [record] = &found[..] else { panic!("one contact came to support, not {}", found.len()) };
    assert_eq!(&*record.profile.contact_id, "c0");
    let stays: Vec<&str> = record.entries.iter().map(|entry| &*entry.queue_id).collect();
    assert_eq!(stays, ["sales", "billing", "support"]);
    assert_eq!((record.transfers, record.legs.len()), (2, 3));
    let cost = center.view.read(center.now, |books| books.cost_of(record));
    // 240 s at the first desk, 60 s at each of the others, at 105 an hour.
    assert_eq!(cost, 7_000_000 + 2 * 1_750_000);
    for (filter, count) in [
        (RecordQuery { agents: vec!["ben".into()], ..RecordQuery::default() }, 8),
        (RecordQuery { teams: vec!["technics".into()], ..RecordQuery::default() }, 1),
        // Eight left after 40 s, eight waited for 50 s in the second queue.
        (RecordQuery { min_wait: Some(Span::from_secs(31)), ..RecordQuery::default() }, 16),
        (RecordQuery { end: Some(START), ..RecordQuery::default() }, 0),
    ] {
        let (found, _) = center.view.read(center.now, |books| books.list_records(&filter, None, 1_000));
        assert_eq!(found.len(), count, "{filter:?}");
    }
}

/// A day in 12 queues by 5 channels, 200 contacts or so in each queue.
fn busy_day() -> Center {
    let ids: Vec<String> = (0..12).map(|number| format!("q{number:02}")).collect();
    let names: Vec<&str> = ids.iter().map(String::as_str).collect();
    let crew = |number: usize| (format!("a{number}"), if number.is_multiple_of(2) { "north" } else { "south" });
    let agents = (0..24).map(crew).map(|(id, team)| agent(&id, team)).collect();
    let teams = vec![
        Team { site: Some("oslo".into()), parent: Some("all".into()), ..team("north", &names) },
        Team { site: Some("rome".into()), parent: Some("all".into()), ..team("south", &names) },
        team("all", &[]),
    ];
    let mut center = Center::open(START, policy(names.iter().map(|id| queue(id)).collect(), teams, agents));
    (0..24).map(crew).for_each(|(id, _)| center.sign_in(&id, true));
    let mut random = 7_u64;
    let mut next = move |most: u64| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) % most
    };
    let channels = ["voice", "chat", "email", "sms", "task"];
    let mut waiting: Vec<String> = Vec::new();
    for number in 0..2_400 {
        center.wait(1 + next(25));
        let id = format!("c{number}");
        center.contact(&id, names[next(12) as usize], channels[next(5) as usize]);
        waiting.push(id);
        serve(&mut center, &mut waiting, &mut next);
    }
    center.wait(7_200);
    center
}

/// Some who are offered something take it, some who talk finish, some who wait leave.
fn serve(center: &mut Center, waiting: &mut Vec<String>, next: &mut impl FnMut(u64) -> u64) {
    use usher::engine::command::Command;
    use usher::engine::contact::LegState;
    let now = center.now;
    for number in 0..24 {
        let agent_id = format!("a{number}");
        let view = center.engine.state().agent_view(now, &agent_id).expect("an agent");
        let Some(leg) = view.legs.first() else { continue };
        let contact_id = leg.contact_id.to_string();
        match leg.state {
            LegState::Offered if next(3) > 0 => {
                center.ask(Command::AcceptOffer { agent_id: agent_id.as_str().into(), offer: leg.leg });
            }
            LegState::Assigned => center.ask(Command::ConnectContact { contact_id: contact_id.as_str().into() }),
            LegState::Connected if next(8) == 0 => center.transfer(&contact_id, "q00"),
            LegState::Connected if next(4) == 0 => center.complete(&contact_id),
            LegState::WrapUp if next(2) == 0 => center.wrapped(&agent_id, &contact_id, Some(next(2) == 0)),
            _ => {}
        }
    }
    if next(10) == 0 && !waiting.is_empty() {
        let id = waiting.swap_remove(next(waiting.len() as u64) as usize);
        let state = center.engine.state();
        if state.find_contact(&id).is_some_and(|contact| state.contact(contact).entry.is_some()) {
            center.leave(&id);
        }
    }
}

#[test]
fn intervals_of_twelve_queues_by_five_channels_sum_to_the_day() {
    let center = busy_day();
    let kept = [Dimension::Queue, Dimension::Channel];
    let halves = report(&center, &query(&kept, Interval::Fixed(Span::from_secs(1_800))));
    let days = report(&center, &query(&kept, Interval::Day));
    assert_eq!(days.rows.len(), 60, "12 queues by 5 channels");
    assert!(halves.rows.len() > 1_000, "{} half hours", halves.rows.len());
    let mut sums: BTreeMap<_, Counts> = BTreeMap::new();
    for half in &halves.rows {
        *sums.entry(half.key.clone()).or_default() += &half.figures.counts;
    }
    let mut whole = Counts::default();
    for day in &days.rows {
        let (mut sum, mut of_day) = (sums.remove(&day.key).expect("its half hours"), day.figures.counts.clone());
        sum.exits.sort_unstable();
        of_day.exits.sort_unstable();
        assert_eq!(sum, of_day, "{:?}", day.key);
        whole += &of_day;
    }
    let [total] = &days.totals[..] else { panic!("one direction") };
    let mut of_total = total.figures.counts.clone();
    of_total.exits.sort_unstable();
    whole.exits.sort_unstable();
    assert_eq!(whole, of_total);
    // And what the engine's own books say is what the rows say.
    let state = center.engine.state();
    let by_queue = report(&center, &query(&[Dimension::Queue], Interval::Day));
    for row in &by_queue.rows {
        let handle = (0..state.queue_count() as u32).map(usher::engine::id::QueueId);
        let found = handle.clone().find(|queue| *state.queue_id(*queue) == row.key.queue).expect("a queue");
        let books = state.tally().books(found, Direction::Inbound);
        assert_eq!(row.figures.counts.count(Count::Offered), books.offered as i64);
        assert_eq!(row.figures.counts.count(Count::Answered), books.answered as i64);
        assert_eq!(row.figures.counts.count(Count::AnsweredWithin), books.answered_within_threshold as i64);
        assert_eq!(row.figures.counts.count(Count::Abandoned), books.abandoned as i64);
        assert_eq!(row.figures.counts.waiting(), books.waiting as i64);
    }
    // Teams: the two below sum to the one above, and to what was answered.
    let teams = report(&center, &query(&[Dimension::Team], Interval::Day));
    let of = |team: &str| {
        let row = teams.rows.iter().find(|row| *row.key.team == *team).expect(team);
        row.figures.counts.count(Count::Answered)
    };
    assert_eq!(of("north") + of("south"), of("all"));
    assert_eq!(of("all"), total.figures.counts.count(Count::Answered));
    let sites = report(&center, &query(&[Dimension::Site], Interval::Day));
    let answered: Vec<i64> = sites.rows.iter().map(|row| row.figures.counts.count(Count::Answered)).collect();
    assert_eq!(answered, [of("north"), of("south")]);
}

#[test]
fn six_hundred_time_cards_equal_the_time_signed_in() {
    let crew: Vec<_> = (0..600).map(|number| agent(&format!("a{number}"), "desk")).collect();
    let policy = Policy {
        not_ready_reasons: ["lunch", "break", "training"].map(Into::into).into(),
        ..policy(vec![queue("sales")], vec![team("desk", &["sales"])], crew)
    };
    let mut center = Center::open(START, policy);
    let mut signed_in: BTreeMap<String, u64> = BTreeMap::new();
    let mut since: BTreeMap<String, Time> = BTreeMap::new();
    for step in 0..40_u64 {
        center.until(START + Span(step * 611_000_123));
        for number in 0..600_u64 {
            let id = format!("a{number}");
            let presence = |center: &mut Center, presence| center.presence(&id, presence);
            match (since.contains_key(&id), (number * 31 + step * 17) % 7) {
                (false, 0..5) => {
                    center.sign_in(&id, true);
                    since.insert(id.clone(), center.now);
                }
                (true, 0) => {
                    let command =
                        usher::engine::command::Command::SignOut { agent_id: id.as_str().into(), force: true };
                    center.ask(command);
                    let from = since.remove(&id).expect("signed in");
                    *signed_in.entry(id.clone()).or_default() += center.now.since(from).0;
                }
                (true, 1) => presence(&mut center, Presence::NotReady("lunch".into())),
                (true, 2) => presence(&mut center, Presence::NotReady("break".into())),
                (true, 3..5) => presence(&mut center, Presence::Available),
                _ => {}
            }
        }
        center.call(&format!("c{step}"), "sales");
    }
    for (id, from) in &since {
        *signed_in.entry(id.clone()).or_default() += center.now.since(*from).0;
    }
    // From the begin of the script on, which went past midnight.
    let whole = AgentQuery { start: Some(START), ..agents() };
    let rows: Vec<AgentRow> = center.view.read(center.now, |books| books.agent_report(&whole)).expect("no date");
    assert_eq!(rows.len(), 600);
    let mut reasons = BTreeSet::new();
    for row in &rows {
        let id = row.clock.profile.agent_id.to_string();
        let card: u64 = row.card.iter().map(|(.., micros)| micros).sum();
        assert_eq!(card, signed_in.get(&id).copied().unwrap_or(0), "{id}");
        assert_eq!(card, row.times.signed_in());
        reasons.extend(row.card.iter().map(|(state, reason, _)| (*state, reason.to_string())));
    }
    for (state, reason) in [("idle", ""), ("offering", ""), ("not_ready", "lunch"), ("not_ready", "break")] {
        assert!(reasons.contains(&(state, reason.to_owned())), "nobody was {state} {reason}");
    }
}

#[test]
fn an_agent_is_told_from_his_peers() {
    let crew: Vec<String> = (0..10).map(|number| format!("a{number}")).collect();
    let agents_of = crew.iter().map(|id| agent(id, "desk")).collect();
    let mut center = Center::open(START, policy(vec![queue("sales")], vec![team("desk", &["sales"])], agents_of));
    crew.iter().for_each(|id| center.sign_in(id, false));
    for round in 0..20 {
        for (number, agent_id) in crew.iter().enumerate() {
            let id = format!("c{round}.{number}");
            center.call(&id, "sales");
            center.ready(agent_id);
            center.answer(agent_id, &id);
            center.wait(if number == 9 { 600 } else { 100 + number as u64 });
            center.complete(&id);
            center.rest(agent_id);
            center.wrapped(agent_id, &id, Some(true));
        }
    }
    let ask = |center: &Center, query: AgentQuery| {
        center.view.read(center.now, |books| books.agent_report(&query)).expect("no date")
    };
    let rows = ask(&center, agents());
    let standing: Vec<&str> = rows
        .iter()
        .filter(|row| row.outliers.iter().any(|outlier| outlier.figure == "average_handle_time"))
        .map(|row| &*row.clock.profile.agent_id)
        .collect();
    assert_eq!(standing, ["a9"]);
    let slow = rows.iter().find(|row| &*row.clock.profile.agent_id == "a9").expect("a9");
    let found = slow.outliers.iter().find(|outlier| outlier.figure == "average_handle_time").expect("an outlier");
    assert_eq!((found.value, found.peer_mean), (600.0, 104.0));
    assert!(found.deviations > 100.0, "{}", found.deviations);
    assert_eq!(AgentRow::per_hour(20, slow.times.signed_in()).map(|rate| rate > 0.0), Some(true));
    // Too few to judge: nobody stands out.
    let strict = ask(&center, AgentQuery { least: 21, ..agents() });
    assert!(strict.iter().all(|row| row.outliers.is_empty()));
}

#[test]
fn windows_forget_and_live_counts_who_passes_his_threshold() {
    let mut center = Center::open(START, policy(vec![queue("sales")], vec![team("desk", &["sales"])], Vec::new()));
    center.call("c1", "sales");
    center.wait(15);
    let view = |center: &Center| center.view.fresh_snapshot(center.now);
    let of = |snapshot: &usher::view::snapshot::Snapshot| snapshot.queues[0].directions[0].clone();
    let early = of(&view(&center));
    assert_eq!(early.waiting.states, [1, 0, 0, 0]);
    assert_eq!((early.waiting.past_threshold, early.waiting.longest), (0, Span::from_secs(15)));
    assert_eq!(early.windows[0].kpis().service_level.live, None, "nobody has passed yet");
    center.wait(6);
    let late = of(&view(&center));
    assert_eq!((late.waiting.past_threshold, &*late.waiting.longest_contact_id), (1, "c1"));
    assert_eq!(late.windows[0].kpis().service_level.live, Some(0.0));
    assert_eq!(late.windows[0].kpis().service_level.of_offered, Some(0.0));
    center.ask(usher::engine::command::Command::ParkContact { contact_id: "c1".into() });
    center.wait(600);
    let parked = of(&view(&center));
    assert_eq!((parked.waiting.states, parked.waiting.longest), ([0, 0, 0, 1], Span::ZERO));
    let offered = parked.windows.clone().map(|window| window.counts.count(Count::Offered));
    assert_eq!(offered, [0, 1, 1, 1], "5 minutes have passed, 15 have not");
    center.ask(usher::engine::command::Command::UnparkContact { contact_id: "c1".into() });
    center.wait(4);
    let back = of(&view(&center));
    assert_eq!((back.waiting.states, back.waiting.longest), ([1, 0, 0, 0], Span::from_secs(25)));
    center.leave("c1");
    let gone = of(&view(&center));
    assert_eq!((gone.waiting.states, gone.waiting.longest), ([0; 4], Span::ZERO));
    assert_eq!(gone.day.counts.count(Count::Abandoned), 1);
    // Its entry was offered eleven minutes ago: the longest wait of the windows that have it.
    let longest = |view: &usher::view::snapshot::DirectionView| view.windows.clone().map(|it| it.counts.longest_wait);
    assert_eq!(longest(&gone), [0, 25_000_000, 25_000_000, 25_000_000]);
    center.call("c2", "sales");
    center.wait(10);
    center.leave("c2");
    center.wait(600);
    assert_eq!(longest(&of(&view(&center))), [0, 10_000_000, 25_000_000, 25_000_000], "only what is in the window");
    center.wait(3_600);
    let windows = of(&view(&center)).windows.map(|window| window.counts.is_empty());
    assert_eq!(windows, [true; 4]);
}

#[test]
fn who_comes_again_was_not_resolved_at_first_contact() {
    let policy = policy(vec![queue("sales")], vec![team("desk", &["sales"])], vec![agent("ana", "desk")]);
    let mut center = Center::open(START, policy);
    center.sign_in("ana", false);
    let serve = |center: &mut Center, id: &str, customer: &str| {
        center.contact_of(id, "sales", Direction::Inbound, customer);
        center.ready("ana");
        center.answer("ana", id);
        center.wait(60);
        center.complete(id);
        center.rest("ana");
        center.wrapped("ana", id, Some(true));
        center.wait(60);
    };
    let today = |center: &Center| {
        let report = report(center, &query(&[Dimension::Queue], Interval::Day));
        let row = row(&report, "sales").clone();
        let count = |of| row.figures.counts.count(of);
        (count(Count::Resolved), count(Count::Recontacted), row.figures.provisional)
    };
    for (id, customer) in [("c1", "kim"), ("c2", "lou"), ("c3", ""), ("c4", "")] {
        serve(&mut center, id, customer);
    }
    assert_eq!(today(&center), (4, 0, 4), "everything may still prove not to be");
    let agent_before = center.view.read(center.now, |books| books.agent_report(&agents())).expect("no date");
    assert_eq!((agent_before[0].figures.provisional, agent_before[0].kpis().fcr_no_recontact), (4, Some(1.0)));
    // Three days later Kim comes again: in her first contact's day it is known that it was not settled.
    let first_day = IntervalQuery { date: Some("2026-03-02".into()), ..query(&[Dimension::Queue], Interval::Day) };
    center.wait(3 * 86_400);
    serve(&mut center, "c5", "kim");
    let past = report(&center, &first_day);
    let past = row(&past, "sales");
    assert_eq!((past.figures.counts.count(Count::Recontacted), past.figures.provisional), (1, 3));
    let kpis = past.figures.kpis();
    assert_eq!((kpis.fcr_of_handled, kpis.fcr_no_recontact), (Some(1.0), Some(0.75)));
    assert_eq!(today(&center), (1, 0, 1));
    // Eight days after it the first day is settled, and who comes now comes with something new.
    center.until(START + Span::from_secs(7 * 86_400 + 3_600));
    serve(&mut center, "c6", "lou");
    let past = report(&center, &first_day);
    let past = row(&past, "sales");
    assert_eq!((past.figures.counts.count(Count::Recontacted), past.figures.provisional), (1, 0));
}

#[test]
fn teams_tell_their_other_directions_apart() {
    let policy = policy(vec![queue("sales")], vec![team("desk", &["sales"])], vec![agent("ana", "desk")]);
    let mut center = Center::open(START, policy);
    center.sign_in("ana", false);
    for (id, direction) in [("c1", Direction::Inbound), ("c2", Direction::Callback), ("c3", Direction::Callback)] {
        center.contact_of(id, "sales", direction, "");
        center.ready("ana");
        center.answer("ana", id);
        center.wait(60);
        center.complete(id);
        center.rest("ana");
        center.wrapped("ana", id, None);
    }
    let snapshot = center.view.fresh_snapshot(center.now);
    let [desk] = &snapshot.teams[..] else { panic!("one team") };
    let [(direction, others)] = &desk.others[..] else { panic!("one other direction") };
    let handled = |figures: &usher::view::snapshot::Figures| figures.counts.count(Count::Handled);
    assert_eq!((handled(&desk.day), *direction, handled(others)), (1, Direction::Callback, 2));
    let mut page = Vec::new();
    usher::view::json::snapshot(&snapshot, &mut page);
    let json: serde_json::Value = serde_json::from_slice(&page).expect("it is JSON");
    assert_eq!(json["teams"][0]["other_directions"][0]["figures"]["handled"], 2);
}

#[test]
fn adherence_is_what_agents_did_of_what_was_due() {
    let hour = 3_600;
    // START is 05:00 on a Monday in UTC: the shift begins two hours later.
    let shift = Shift {
        days: 0b0000001,
        from: 7 * hour,
        to: 11 * hour,
        breaks: vec![ShiftBreak { from: 9 * hour, to: 9 * hour + 1_800, reason: "lunch".into() }],
        ..Shift::default()
    };
    let only_ben = Shift { agents: vec!["ben".into()], days: 0b0000010, from: 0, to: 86_400, breaks: Vec::new() };
    let desk = Team { shifts: vec![shift, only_ben], ..team("desk", &["sales"]) };
    let crew = ["ana", "ben", "cleo"].map(|id| agent(id, "desk")).into();
    let mut center = Center::open(START, policy(vec![queue("sales")], vec![desk, team("free", &[])], crew));
    let clock = |center: &mut Center, hours: u64, minutes: u64| {
        center.until(START + Span::from_secs((hours - 5) * 3_600 + minutes * 60));
    };
    // Ana comes too early, goes to lunch ten minutes late and leaves an hour early; Ben never comes.
    clock(&mut center, 6, 30);
    center.sign_in("ana", true);
    center.call("c1", "sales");
    clock(&mut center, 8, 0);
    center.answer("ana", "c1");
    clock(&mut center, 8, 50);
    center.complete("c1");
    center.wrapped("ana", "c1", None);
    clock(&mut center, 9, 10);
    center.presence("ana", Presence::NotReady("lunch".into()));
    clock(&mut center, 9, 40);
    center.presence("ana", Presence::NotReady("training".into()));
    clock(&mut center, 9, 50);
    center.ready("ana");
    clock(&mut center, 10, 0);
    center.ask(usher::engine::command::Command::SignOut { agent_id: "ana".into(), force: false });
    clock(&mut center, 15, 0);
    let rows = center.view.read(center.now, |books| books.agent_report(&agents())).expect("no date");
    let of = |id: &str| rows.iter().find(|row| &*row.clock.profile.agent_id == id).expect(id);
    let minutes = |id: &str| (of(id).times.adherent / 60_000_000, of(id).times.scheduled / 60_000_000);
    // Work 7:00-9:00 and 9:50-10:00, lunch 9:10-9:30.
    assert_eq!(minutes("ana"), (150, 240));
    assert_eq!(of("ana").adherence(), Some(0.625));
    assert_eq!(minutes("ben"), (30, 240), "not to be there is a break too");
    let teams = report(&center, &query(&[Dimension::Team], Interval::Day));
    let [desk] = &teams.rows[..] else { panic!("one team answered") };
    assert_eq!(desk.adherence, Some(210.0 / 720.0), "Cleo was not there either");
    // A policy without the shift: what passed stays as it was judged, and nothing more is due.
    let desk = Team { shifts: Vec::new(), ..team("desk", &["sales"]) };
    let crew = ["ana", "ben", "cleo"].map(|id| agent(id, "desk")).into();
    center.ask(usher::engine::command::Command::apply(policy(vec![queue("sales")], vec![desk], crew)));
    center.until(START + Span::from_secs(7 * 86_400 + 7 * 3_600));
    let past = AgentQuery { start: Some(START), ..agents() };
    let rows = center.view.read(center.now, |books| books.agent_report(&past)).expect("no date");
    let ben = rows.iter().find(|row| &*row.clock.profile.agent_id == "ben").expect("ben");
    // Monday's shift as before; on Tuesday, when the new policy was in force, nothing.
    assert_eq!((ben.times.adherent / 60_000_000, ben.times.scheduled / 60_000_000), (30, 240));
}
