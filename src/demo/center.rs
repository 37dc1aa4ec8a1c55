//! What the simulated center is like: who calls where and how often, how long things take, how the day goes. All from
//! the configuration alone, so that any file gives a center whose agents have just enough to do.
//!
//! Times are seconds of the center's own time, before they are divided by the demo's speed.

use std::sync::Arc;

use crate::engine::agent::{AgentProfile, AgentType};
use crate::engine::id::Text;
use crate::engine::policy::{Channel, Connect, Policy, Queue, Team};
use crate::engine::time::Span;

use super::chance::Chance;

/// Erlangs offered per agent in the busiest half hour. Breaks and offers that come to nothing take the rest.
const LOAD: f64 = 0.92;
/// Half-hour rates of a working day from 08:00 to 20:00, as shares of the busiest: a steep morning, a dip at noon, a
/// second and lower top, a long evening.
const DAY: [f64; 24] = [
    0.35, 0.50, 0.70, 0.85, 0.96, 1.00, 0.98, 0.92, 0.80, 0.72, 0.74, 0.82, //
    0.90, 0.93, 0.90, 0.86, 0.80, 0.72, 0.62, 0.52, 0.44, 0.36, 0.28, 0.20,
];
const HALF_HOUR: f64 = 1_800.0;
/// When the day begins, and when the demo looks in: as it gets busy.
const OPENS: f64 = 8.0 * 3_600.0;
const BEGIN: f64 = 9.5 * 3_600.0;

/// Seconds into the day of the center's clock, `elapsed` seconds after the demo began. A night takes no time.
pub fn clock(elapsed: f64) -> f64 {
    OPENS + (BEGIN - OPENS + elapsed) % (HALF_HOUR * DAY.len() as f64)
}

fn share_of_peak(elapsed: f64) -> f64 {
    DAY[((clock(elapsed) - OPENS) / HALF_HOUR) as usize % DAY.len()]
}

/// How people behave on a channel.
#[derive(Clone, Copy, Debug)]
pub struct Habits {
    /// Mean patience of those who wait; none where nobody waits at a telephone or a screen.
    pub patience: Option<f64>,
    /// Mean and standard deviation of a conversation.
    pub talk: (f64, f64),
    /// Mean and standard deviation of the time an agent takes to accept.
    pub accept: (f64, f64),
    /// Chance that a customer is put on hold once, and that he is passed on to another queue.
    pub hold: f64,
    /// See `hold`.
    pub transfer: f64,
}

/// What a channel is like is told by how long it lets an offer ring: those that ring for long have no one waiting.
fn habits(channel: &Channel) -> Habits {
    let urgent = channel.offer_timeout <= Span::from_secs(60);
    match (channel.connect, urgent) {
        (Connect::Explicit, _) => {
            Habits { patience: Some(200.0), talk: (240.0, 180.0), accept: (4.0, 2.5), hold: 0.2, transfer: 0.06 }
        }
        (Connect::OnAccept, true) => {
            Habits { patience: Some(240.0), talk: (360.0, 240.0), accept: (6.0, 4.0), hold: 0.0, transfer: 0.04 }
        }
        (Connect::OnAccept, false) => {
            Habits { patience: None, talk: (270.0, 200.0), accept: (15.0, 10.0), hold: 0.0, transfer: 0.0 }
        }
    }
}

/// Customers of one channel who want one queue.
#[derive(Clone, Debug)]
pub struct Flow {
    /// The queue they want.
    pub queue: Text,
    /// How they come.
    pub channel: Text,
    /// Where they may be passed on to: other queues with the channel.
    pub elsewhere: Vec<Text>,
    /// How they behave.
    pub habits: Habits,
    /// Customers a second in the busiest half hour.
    peak_rate: f64,
}

impl Flow {
    /// When the next one comes after `from`, both in seconds since the demo began: a Poisson process whose rate changes
    /// by the half hour, by thinning (Lewis and Shedler 1979).
    pub fn next(&self, from: f64, chance: &mut Chance) -> f64 {
        let mut at = from;
        loop {
            at += chance.exponential(1.0 / self.peak_rate);
            if chance.happens(share_of_peak(at)) {
                return at;
            }
        }
    }
}

/// A tenant's center.
pub struct Center {
    /// Its rules, in the center's own time.
    pub policy: Policy,
    /// Who works there.
    pub agents: Vec<Arc<AgentProfile>>,
    /// Who comes.
    pub flows: Vec<Flow>,
}

impl Center {
    /// The center of a policy. Where it has no agents there are [`HIRED`] of them, to be made by gRPC.
    pub fn new(policy: Policy) -> Center {
        let agents = if policy.agents.is_empty() { hire(&policy) } else { policy.agents.clone() };
        let flows = flows(&policy, &agents);
        Center { policy, agents, flows }
    }

    /// The agents that gRPC has to make first.
    pub fn hired(&self) -> impl Iterator<Item = &Arc<AgentProfile>> {
        self.agents.iter().filter(|agent| !agent.managed_by_config)
    }
}

/// Agents for a file that has none.
const HIRED: usize = 12;

fn hire(policy: &Policy) -> Vec<Arc<AgentProfile>> {
    let mut skills: Vec<(Text, u8)> = policy.skills.iter().map(|skill| (skill.id.clone(), 7)).collect();
    skills.sort();
    let agent = |number: usize| {
        let id = format!("demo-{:02}", number + 1);
        Arc::new(AgentProfile {
            agent_id: id.as_str().into(),
            display_name: id.as_str().into(),
            team: policy.teams.get(number % policy.teams.len().max(1)).map(|team| team.id.clone()),
            skills: skills.clone(),
            capacity: 100,
            ..AgentProfile::default()
        })
    };
    (0..HIRED).map(agent).collect()
}

/// Whether a queue promises an answer while the customer waits for it.
fn is_live(queue: &Queue) -> bool {
    queue.service_level.threshold <= Span::from_secs(600)
}

/// Whether the two go together: no one writes a letter to be answered within seconds.
fn takes(queue: &Queue, channel: &Channel) -> bool {
    is_live(queue) == habits(channel).patience.is_some()
}

/// Who comes: as many as the agents of each queue can serve. A channel or queue that goes with no other goes with all.
fn flows(policy: &Policy, agents: &[Arc<AgentProfile>]) -> Vec<Flow> {
    let mut pairs = Vec::new();
    for queue in &policy.queues {
        for channel in &policy.channels {
            let alone = !policy.queues.iter().any(|queue| takes(queue, channel))
                || !policy.channels.iter().any(|channel| takes(queue, channel));
            if takes(queue, channel) || alone {
                pairs.push((queue, channel));
            }
        }
    }
    let staff = |queue: &Queue| -> f64 {
        let serving =
            agents.iter().filter(|agent| agent.agent_type == AgentType::Human && serves(policy, agent, queue));
        serving
            .map(|agent| 1.0 / policy.queues.iter().filter(|queue| serves(policy, agent, queue)).count() as f64)
            .sum()
    };
    let flow = |&(queue, channel): &(&Queue, &Channel)| {
        let habits = habits(channel);
        let same: f64 =
            pairs.iter().filter(|(other, _)| other.id == queue.id).map(|(_, channel)| weight(channel)).sum();
        let erlangs = LOAD * staff(queue) * weight(channel) / same * if is_live(queue) { 1.0 } else { 0.3 };
        // An agent with one chat still has half of himself to give.
        let attention = (f64::from(channel.cost) / 100.0).max(0.5);
        let elsewhere = pairs.iter().filter(|(other, by)| by.id == channel.id && other.id != queue.id);
        Flow {
            queue: queue.id.clone(),
            channel: channel.id.clone(),
            elsewhere: elsewhere.map(|(queue, _)| queue.id.clone()).collect(),
            habits,
            peak_rate: erlangs / (attention * (habits.talk.0 + habits.accept.0 + wrap_up(queue))),
        }
    };
    pairs.iter().map(flow).filter(|flow| flow.peak_rate > 0.0).collect()
}

/// How much of a queue's work comes by a channel: by those that hold an agent alone, mostly.
fn weight(channel: &Channel) -> f64 {
    if channel.connect == Connect::Explicit { 0.7 } else { 0.3 }
}

/// Seconds of wrap-up after a conversation, on average.
pub fn wrap_up(queue: &Queue) -> f64 {
    use crate::engine::policy::WrapUp::{Manual, None, Timed};
    match queue.wrap_up {
        None => 0.0,
        Timed(span) => span.0 as f64 / 1e6,
        Manual(span) => (span.0 as f64 / 1e6).min(MANUAL_WRAP_UP),
    }
}

/// Mean wrap-up where the agent ends it.
pub const MANUAL_WRAP_UP: f64 = 40.0;

fn serves(policy: &Policy, agent: &AgentProfile, queue: &Queue) -> bool {
    let listed = |team: &Team| team.queues.iter().any(|listed| *listed.queue == *queue.id || *listed.queue == *"*");
    let team = agent.team.as_ref().and_then(|team| policy.teams.iter().find(|known| known.id == *team));
    team.is_some_and(listed) && queue.require.as_ref().is_none_or(|require| require.expr.met_by(agent))
}

/// The customers of a flow, one after the other: when each comes, in seconds since the demo began.
pub struct Arrivals {
    flow: Flow,
    chance: Chance,
    last: f64,
}

impl Arrivals {
    /// Those of the flow with this number.
    pub fn new(flow: Flow, seed: u64, number: usize) -> Arrivals {
        Arrivals { flow, chance: Chance::of_flow(seed, number), last: 0.0 }
    }
}

impl Iterator for Arrivals {
    type Item = f64;

    fn next(&mut self) -> Option<f64> {
        self.last = self.flow.next(self.last, &mut self.chance);
        Some(self.last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    fn center(text: &str) -> Center {
        Center::new(config::parse(text, "usher.toml").expect("in order").tenants.remove(0))
    }

    #[test]
    fn every_channel_and_every_queue_of_the_example_has_customers() {
        let center = center(config::EXAMPLE);
        let pairs: Vec<(&str, &str)> = center.flows.iter().map(|flow| (&*flow.queue, &*flow.channel)).collect();
        assert_eq!(
            pairs,
            [
                ("sales", "voice"),
                ("sales", "chat"),
                ("billing", "voice"),
                ("billing", "chat"),
                ("support", "voice"),
                ("support", "chat"),
                ("mail", "email")
            ]
        );
        let voice = &center.flows[0];
        assert_eq!(voice.elsewhere.iter().map(|queue| &**queue).collect::<Vec<_>>(), ["billing", "support"]);
        assert_eq!(center.hired().count(), 0);
    }

    #[test]
    fn a_file_without_agents_gets_some() {
        let center = center(include_str!("../../config/minimal.toml"));
        assert_eq!(center.hired().count(), HIRED);
        // One queue: all seven channels of the defaults go to it.
        assert_eq!(center.flows.len(), 7);
    }

    #[test]
    fn a_busy_half_hour_brings_its_share() {
        let center = center(config::EXAMPLE);
        let flow = center.flows[0].clone();
        let rate = flow.peak_rate;
        // Two hundred days' worth, to see through chance.
        let mut by_half_hour = [0.0; 24];
        let days = 200.0;
        for at in Arrivals::new(flow, 1, 0).take_while(|at| *at < days * 24.0 * HALF_HOUR) {
            by_half_hour[((clock(at) - OPENS) / HALF_HOUR) as usize] += 1.0 / days;
        }
        for (found, share) in by_half_hour.iter().zip(DAY) {
            let expected = rate * HALF_HOUR * share;
            assert!((found - expected).abs() < 0.12 * expected, "{found} customers, expected {expected}");
        }
    }

    #[test]
    fn the_clock_begins_in_the_morning_and_skips_the_night() {
        assert_eq!(clock(0.0), BEGIN);
        assert_eq!(clock(10.5 * 3_600.0), OPENS);
        assert_eq!(clock(12.0 * 3_600.0), BEGIN);
    }
}
