//! What must hold after a batch: nothing left to do, nothing stuck, and the engine's own figures.

use usher::engine::agent::Presence;
use usher::engine::command::Command;
use usher::engine::contact::{Direction, LegState};
use usher::engine::id::{QueueId, Text};
use usher::engine::policy::{Team, Trigger};
use usher::engine::state::State;
use usher::engine::time::{Span, Time};

use super::{Gateway, Model, must};

type Check = Result<(), String>;

impl Model {
    /// Signs of life: the one thing that is not in the events.
    pub fn sign_of_life(&mut self, now: Time, command: &Command) {
        match command {
            Command::SignIn { agent_id, .. } | Command::Heartbeat { agent_id } => self.renew(now, agent_id, 0),
            Command::OpenAgentSession { agent_id } => self.renew(now, agent_id, 1),
            Command::CloseAgentSession { agent_id } => self.renew(now, agent_id, -1),
            Command::OpenGatewaySession { gateway_id, .. } => self.renew_gateway(now, gateway_id, 1),
            Command::RenewGatewaySession { gateway_id } => self.renew_gateway(now, gateway_id, 0),
            Command::CloseGatewaySession { gateway_id } => self.renew_gateway(now, gateway_id, -1),
            _ => {}
        }
    }

    fn renew(&mut self, now: Time, agent_id: &Text, streams: i32) {
        let agent = self.agents.values_mut().find(|held| held.profile.agent_id == *agent_id && !held.deleted);
        let Some(held) = agent else { return };
        held.streams = held.streams.saturating_add_signed(streams);
        let runs = held.presence != Presence::Offline && held.session && held.streams == 0 && !held.lease.is_zero();
        held.lease_until = runs.then_some(now + held.lease);
    }

    fn renew_gateway(&mut self, now: Time, id: &Text, streams: i32) {
        let Some(held) = self.gateways.values_mut().find(|held| held.id == *id) else { return };
        held.streams = held.streams.saturating_add_signed(streams);
        if held.session {
            let runs = held.streams == 0 && !held.lease.is_zero();
            held.lease_until = runs.then_some(now + held.lease);
        }
    }

    /// A gateway that was named by a contact before it opened a session is known by the engine from then on.
    pub fn know_gateways(&mut self, state: &State) {
        let named: Vec<Text> = self.contacts.values().map(|held| held.gateway.clone()).collect();
        for id in named {
            if let Some(gateway) = state.find_gateway(&id) {
                self.gateways.entry(gateway).or_insert_with(|| Gateway { id, ..Gateway::default() });
            }
        }
    }

    /// Once nothing is due: every state that ends by itself has time left.
    pub fn check_nothing_stuck(&self, now: Time) -> Check {
        let ahead = |what: &str, at: Option<Time>| {
            must(at.is_none_or(|at| at > now), || format!("{what} is past its time {at:?} at {now:?}"))
        };
        for (id, contact) in self.contacts.iter().filter(|(_, held)| held.outcome.is_none()) {
            let what = format!("{id:?}");
            let Some(entry) = &contact.entry else {
                ahead(&what, contact.schedule.filter(|_| contact.legs.is_empty() && !contact.queued_once))?;
                continue;
            };
            for bar in &entry.bars {
                ahead("a bar", Some(bar.2))?;
            }
            if entry.leg.is_some() {
                continue;
            }
            // Whoever has been answered once does not expire for not being answered.
            let answered = contact.legs.iter().any(|leg| self.legs[leg].connected_once);
            ahead(&what, contact.expire.filter(|_| !answered))?;
            match entry.parked_at {
                Some(_) => ahead(&what, Some(entry.park_until))?,
                None => {
                    must(entry.wait(now) < entry.max_wait, || format!("{id:?} waits past max_wait"))?;
                    ahead(&what, entry.only.map(|only| only.1))?;
                    let next = self.points(entry.queue).into_iter().find(|point| *point > entry.reached);
                    must(next.is_none_or(|point| entry.wait(now) < point), || format!("{id:?} waits past {next:?}"))?;
                }
            }
        }
        for (id, leg) in &self.legs {
            ahead(&format!("{id:?}"), leg.until)?;
        }
        for (id, agent) in &self.agents {
            ahead(&format!("{id:?}"), agent.away)?;
            ahead("a skill", agent.overrides.iter().map(|held| held.until).min())?;
            ahead(&format!("the lease of {id:?}"), agent.lease_until)?;
        }
        self.check_pools(now)?;
        self.gates.values().try_for_each(|gate| ahead("a queue", gate.1))?;
        self.gateways.values().try_for_each(|held| ahead("a gateway", held.lease_until.or(held.grace)))
    }

    /// The waits at which more agents may take the contacts of a queue: delays of teams, ends of reservation.
    fn points(&self, queue: QueueId) -> Vec<Span> {
        let name = &self.queues[queue.index()].id;
        let own = |team: &Team| team.queues.iter().find(|line| line.queue == *name).cloned();
        let any = |team: &Team| team.queues.iter().find(|line| &*line.queue == "*").cloned();
        let lines = self.policy.teams.iter().filter_map(|team| own(team).or(any(team)));
        let live = |id: &Text| self.policy.teams.iter().any(|team| team.id == *id);
        let reserves = self.policy.reserves.iter().filter(|reserve| reserve.queue == *name && live(&reserve.team));
        let mut points: Vec<Span> = lines.map(|line| line.delay).collect();
        points.extend(reserves.filter_map(|reserve| reserve.release_after));
        points.extend(self.queues[queue.index()].overflow.iter().filter_map(|rule| match rule.trigger {
            Trigger::Wait(wait) => Some(wait),
            _ => None,
        }));
        points.sort();
        points
    }

    /// After any batch: presence and restrictions are what they should be, and every promise is kept.
    pub fn check_people(&self) -> Check {
        must(self.promises.is_empty(), || format!("promised and not done: {:?}", self.promises))?;
        for (&id, agent) in &self.agents {
            let work = self.agent_legs(id).any(|leg| leg.state != LegState::Offered);
            let offers = self.agent_legs(id).any(|leg| leg.state == LegState::Offered);
            must(agent.next.is_none() || work, || format!("{id:?} drains without work"))?;
            must(!agent.removed || agent.deleted || work, || format!("{id:?} should be gone"))?;
            must(agent.routing == self.routing(id), || format!("{id:?} is said to be {:?}", agent.routing))?;
            let stays = agent.presence == Presence::Available && agent.next.is_none() && agent.session;
            must(!offers || stays && !agent.removed, || format!("{id:?} keeps an offer he should not"))?;
        }
        for (id, contact) in &self.contacts {
            let Some(entry) = &contact.entry else { continue };
            if let Some((only, _)) = entry.only.filter(|_| entry.leg.is_none() && entry.parked_at.is_none()) {
                let agent = &self.agents[&only];
                let here = agent.presence != Presence::Offline && agent.next != Some(Presence::Offline);
                must(here && !agent.removed, || format!("{id:?} is kept for {only:?}, who has signed out"))?;
            }
            must(entry.open.iter().all(|open| self.eligible(open.1, contact)), || {
                format!("the offer of {id:?} is no longer allowed")
            })?;
        }
        Ok(())
    }

    /// The engine's own figures are these.
    pub fn compare(&self, state: &State) -> Check {
        for (&(queue, direction), books) in &self.books {
            let said = state.tally().books(queue, Direction::ALL[direction]);
            must(said == *books && books.close(), || format!("books of {queue:?}: {said:?}, should be {books:?}"))?;
        }
        for queue in (0..self.queues.len() as u32).map(QueueId) {
            must(state.is_open(queue) == self.is_open(queue), || format!("{queue:?} is open or not"))?;
            let (taken, said) = (self.places(queue), state.places_taken(queue));
            must(said as usize == taken, || format!("{queue:?} has {taken} waiting, said {said}"))?;
        }
        self.compare_pools(state)?;
        must(state.contact_count() as usize == self.contacts.len(), || "another number of contacts".into())?;
        for (&id, agent) in &self.agents {
            let held = state.agent(id);
            let used = self.used(id);
            must(held.used == used, || format!("{id:?} uses {used}, said {}", held.used))?;
            must(held.idle_since == agent.idle_since, || {
                format!("{id:?} is idle since {:?}, said {:?}", agent.idle_since, held.idle_since)
            })?;
            must(held.lapses == agent.lapses, || format!("{id:?} lapsed {:?}, said {:?}", agent.lapses, held.lapses))?;
            must((held.faults, held.declines) == (agent.faults, agent.declines), || {
                format!("{id:?} has faults {:?} {}, said {:?}", agent.faults, agent.declines, held.faults)
            })?;
            must((&held.presence, &held.next_presence) == (&agent.presence, &agent.next), || {
                format!("{id:?} is {:?}, said {:?}", agent.presence, held.presence)
            })?;
            must((held.session, held.not_responding) == (agent.session, agent.away), || {
                format!("the session of {id:?} is {}", held.session)
            })?;
        }
        Ok(())
    }
}
