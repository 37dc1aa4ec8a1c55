//! A policy in which everything lasts a fraction of its time, so that a day can be seen in minutes.

use crate::engine::policy::{Channel, Exhausted, Policy, Queue, Rules, ServiceLevel, Trigger, WrapUp};
use crate::engine::time::Span;

/// Divides every duration of a policy by `by`, at least 1: what was in a ratio before is so after. A time that was not
/// zero stays above it, for zero means "never" or "for ever" here and there.
pub fn faster(policy: &mut Policy, by: u32) {
    // Taken apart whole: a field that is added must say here whether it is a time.
    let Policy {
        version: _,
        tenant: _,
        time_zone: _,
        not_ready_reasons: _,
        dispositions: _,
        skills: _,
        channels,
        pools,
        zone_offsets: _,
        queues,
        queue_groups: _,
        reserves,
        classification,
        teams,
        agents: _,
        rules,
    } = policy;
    rules_faster(rules, by);
    channels.iter_mut().for_each(|channel| channel_faster(channel, by));
    queues.iter_mut().for_each(|queue| queue_faster(queue, by));
    let released = reserves.iter_mut().filter_map(|reserve| reserve.release_after.as_mut());
    for rate in teams.iter_mut().filter_map(|team| team.offer_rate_limit.as_mut()) {
        shorten(&mut rate.per, by);
    }
    // Days last as long as they did, and what is done in one is more.
    for most in pools.iter_mut().filter_map(|pool| pool.per_day.as_mut()) {
        *most = most.saturating_mul(by.max(1));
    }
    let ages = classification.rules.iter_mut().filter_map(|rule| rule.age_at_least.as_mut());
    ages.for_each(|age| shorten(age, by));
    let memberships = teams.iter_mut().flat_map(|team| team.queues.iter_mut());
    released.chain(memberships.map(|membership| &mut membership.delay)).for_each(|time| shorten(time, by));
}

fn rules_faster(rules: &mut Rules, by: u32) {
    let Rules {
        session_lease,
        gateway_grace,
        retry_time,
        max_declines: _,
        transfer_timeout,
        park_timeout,
        retention,
        retained_contacts: _,
        request_window,
        remembered_requests: _,
        // Of days, as reports are.
        recontact_window: _,
        occupancy_window,
    } = rules;
    let times = [session_lease, gateway_grace, retry_time, transfer_timeout, park_timeout, retention, request_window];
    shorten(occupancy_window, by);
    times.into_iter().for_each(|time| shorten(time, by));
}

fn channel_faster(channel: &mut Channel, by: u32) {
    let Channel {
        id: _,
        cost: _,
        max: _,
        excludes: _,
        interrupts: _,
        pools: _,
        connect: _,
        auto_accept: _,
        offer_timeout,
        connect_timeout,
        max_wait,
        max_handle,
        rona: _,
        rona_reset,
        rona_reset_max,
    } = channel;
    let times = [offer_timeout, connect_timeout, max_wait, max_handle, rona_reset, rona_reset_max];
    times.into_iter().for_each(|time| shorten(time, by));
}

fn queue_faster(queue: &mut Queue, by: u32) {
    let Queue {
        id: _,
        display_name: _,
        require: _,
        limit: _,
        selection: _,
        idle_clock: _,
        score: _,
        broadcast: _,
        aging,
        aging_cap: _,
        max_wait_first,
        waiting_cost: _,
        expected_handle,
        expected_patience,
        overflow,
        steps,
        exhausted,
        max_wait,
        short_abandon,
        wrap_up,
        service_level,
    } = queue;
    // A rate, not a time: a minute is over sooner.
    *aging = aging.saturating_mul(i64::from(by.max(1)));
    let ServiceLevel { threshold, target_ppm: _ } = service_level;
    let waits = overflow.iter_mut().filter_map(|rule| match &mut rule.trigger {
        Trigger::Wait(wait) => Some(wait),
        Trigger::QueueLength(_)
        | Trigger::NobodySignedIn
        | Trigger::NoWillingAgent
        | Trigger::QueueClosed
        | Trigger::StepsExhausted => None,
    });
    waits.for_each(|wait| shorten(wait, by));
    steps.iter_mut().for_each(|step| shorten(&mut step.after, by));
    match exhausted {
        Exhausted::StayOnLast => {}
        Exhausted::AnyInQueue(after) | Exhausted::Overflow(after) => shorten(after, by),
    }
    let maybe = max_wait.iter_mut().chain(max_wait_first).chain(expected_patience);
    maybe.chain([short_abandon, threshold, expected_handle]).for_each(|time| shorten(time, by));
    match wrap_up {
        WrapUp::None => {}
        WrapUp::Timed(time) | WrapUp::Manual(time) => shorten(time, by),
    }
}

fn shorten(time: &mut Span, by: u32) {
    if !time.is_zero() {
        *time = Span((time.0 / u64::from(by.max(1))).max(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    #[test]
    fn every_time_is_divided_and_nothing_else() {
        let whole = config::parse(config::EXAMPLE, "usher.toml").expect("the example").tenants.remove(0);
        let mut fast = whole.clone();
        faster(&mut fast, 60);
        assert_eq!(fast.rules.session_lease, Span::from_millis(500));
        assert_eq!(fast.rules.retention, Span::from_secs(60));
        assert_eq!((fast.rules.max_declines, fast.rules.retained_contacts), (3, 100_000));
        let (before, after) = (&whole.channels[0], &fast.channels[0]);
        assert_eq!(after.offer_timeout.0 * 60, before.offer_timeout.0 / 60 * 60);
        assert_eq!(after.max_handle, Span::from_secs(4 * 60));
        assert_eq!((after.cost, after.rona), (before.cost, before.rona));
        let sales = &fast.queues[0];
        assert_eq!((sales.max_wait, sales.wrap_up), (Some(Span::from_secs(30)), WrapUp::Timed(Span::from_millis(500))));
        assert_eq!(sales.service_level, ServiceLevel { threshold: Span(333_333), target_ppm: 800_000 });
        assert_eq!(fast.agents, whole.agents);
        assert_eq!(sales.aging, whole.queues[0].aging * 60);
        assert_eq!(fast.pools[0].per_day.zip(whole.pools[0].per_day).map(|(fast, whole)| fast / whole), Some(60));
        assert_eq!((fast.pools[0].max, fast.pools[0].reset), (whole.pools[0].max, whole.pools[0].reset));
        assert_eq!(fast.reserves[0].release_after, Some(Span::from_secs(30)));
        assert_eq!(fast.teams[0].queues[1].delay.0 * 60, whole.teams[0].queues[1].delay.0 / 60 * 60);
    }

    #[test]
    fn never_stays_never_and_a_little_stays_more_than_nothing() {
        let mut policy = Policy::default();
        policy.rules.session_lease = Span::ZERO;
        policy.rules.retry_time = Span(5);
        faster(&mut policy, 1_000);
        assert_eq!((policy.rules.session_lease, policy.rules.retry_time), (Span::ZERO, Span(1)));
    }
}
