//! What each event may do, and what it does.

use std::collections::{BTreeMap, BTreeSet};

use usher::engine::agent::{AgentProfile, Fault, Presence, SkillOverride, UpsertCause};
use usher::engine::command::{ContactChange, NewContact};
use usher::engine::contact::{
    AssignCause, ContactState, Direction, EndCause, FailCause, LegState, OfferState, Outcome, Reason,
};
use usher::engine::event::{Answer, Earlier, EntryCause, EntryExit, Event, Recorded};
use usher::engine::id::{AgentId, BarId, ContactId, LegId, QueueId, Text};
use usher::engine::policy::{Action, Channel, Policy, Queue};
use usher::engine::time::{Span, Time};

use super::steps::Stand;
use super::{Agent, Contact, Entry, Gateway, Leg, Model, Promise, must};

type Check = Result<(), String>;

/// The steps a contact may take, beside staying where it is. What ends an offer stands before what ends its contact.
fn allowed(before: ContactState, after: ContactState) -> bool {
    use ContactState::*;
    let next: &[ContactState] = match before {
        Scheduled => &[Queued, Assigned, Closed],
        Parked => &[Queued, WrapUp, Closed],
        Queued => &[Parked, Offered, Assigned, WrapUp, Closed],
        Offered => &[Queued, Assigned],
        Assigned => &[Queued, Connected, WrapUp, Closed],
        Connected => &[OnHold, Queued, Assigned, WrapUp, Closed],
        OnHold => &[Connected, Queued, Assigned, WrapUp, Closed],
        WrapUp => &[Closed],
        Closed => &[],
    };
    before == after || next.contains(&after)
}

impl Model {
    /// Takes in one event, or says what is wrong with it.
    pub fn take(&mut self, recorded: &Recorded) -> Check {
        let Recorded { sequence, time, event, .. } = recorded;
        must(*sequence == self.sequence + 1, || "a gap in the sequence".into())?;
        self.sequence = *sequence;
        let contact = event.contact();
        let state = |model: &Model| {
            contact.filter(|contact| model.contacts.contains_key(contact)).map(|contact| model.state(contact))
        };
        let before = state(self);
        self.check_earlier(recorded)?;
        self.now = *time;
        self.evolve(*time, event).map_err(|fault| format!("event {sequence}: {fault}"))?;
        self.note_doing(*time);
        self.watch_lenders();
        if let (Some(before), Some(after)) = (before, state(self)) {
            must(allowed(before, after), || format!("event {sequence}: {before:?} -> {after:?} is no step"))?;
            must(recorded.contact_states == Some((before, after)), || {
                format!("event {sequence}: {before:?} -> {after:?}, said {:?}", recorded.contact_states)
            })?;
        }
        Ok(())
    }

    /// What a change says of what was before it.
    fn check_earlier(&self, recorded: &Recorded) -> Check {
        let earlier = recorded.earlier.as_deref();
        match &recorded.event {
            Event::ContactUpdated { contact, change } => {
                let held = self.contacts.get(contact).ok_or("an unknown contact")?;
                let Some(Earlier::Contact(said)) = earlier else { return Err("nothing is said of before".into()) };
                let priority = change.priority.map(|_| held.priority);
                let requirement = change.requirement.as_ref().map(|_| held.requirement.clone());
                let attributes = change.attributes.as_ref().map(|_| held.attributes.clone());
                must((said.priority, &said.requirement) == (priority, &requirement), || "it was not so before".into())?;
                must(said.attributes == attributes || change.customer.is_some(), || "it had other attributes".into())
            }
            Event::AgentUpserted { agent, .. } => {
                let held = self.agents.get(agent).filter(|held| !held.deleted);
                let said = match earlier {
                    Some(Earlier::Agent(profile, overrides)) => Some((profile, overrides)),
                    _ => None,
                };
                must(said == held.map(|held| (&held.profile, &held.overrides)), || "he was not so before".into())
            }
            _ => must(earlier.is_none(), || "something is said of before".into()),
        }
    }

    fn evolve(&mut self, now: Time, event: &Event) -> Check {
        match event {
            Event::RequestRemembered { .. } => Ok(()),
            Event::PolicyApplied { policy, .. } => self.policy_applied(policy),
            Event::QueueOpenChanged { queue, before, after, set, until, by_clock } => {
                let held = self.gates.remove(queue);
                must(*before == held.is_none_or(|gate| gate.0), || "a queue was not so".into())?;
                must(*after == set.unwrap_or(true), || "a queue is not so".into())?;
                let over = held.and_then(|gate| gate.1).is_some_and(|at| at <= now);
                must(*by_clock == over, || "a queue is opened by another's hand".into())?;
                must(set.is_some() || until.is_none(), || "nothing is set until an instant".into())?;
                self.gates.extend(set.map(|set| (*queue, (set, *until))));
                Ok(())
            }
            Event::PoolReset { pool } => self.pool_reset(now, pool),
            Event::GatewaySessionOpened { gateway, gateway_id, lease } => {
                let held = self.gateways.entry(*gateway).or_default();
                let (id, streams) = (gateway_id.clone(), held.streams);
                *held = Gateway { id, session: true, lease: *lease, streams, lease_until: None, grace: None };
                Ok(())
            }
            Event::GatewaySessionLost { gateway, until } => {
                let grace = self.policy.rules.gateway_grace;
                let held = self.gateways.get_mut(gateway).ok_or("an unknown gateway is lost")?;
                must(held.lease_until.is_some_and(|at| at <= now), || "a gateway is lost before its time".into())?;
                must(*until == now + grace, || "a gateway has another grace".into())?;
                (held.session, held.lease_until, held.grace) = (false, None, Some(*until));
                Ok(())
            }
            Event::GatewaySwept { gateway } => {
                let id = self.gateways[gateway].id.clone();
                self.gateways.get_mut(gateway).expect("it was lost").grace = None;
                let left = self.contacts.values().any(|held| held.gateway == id && held.outcome.is_none());
                must(!left, || "a lost gateway keeps a contact".into())
            }
            _ => match (event.contact(), event.leg(), event.agent()) {
                (Some(contact), Some(leg), _) => self.leg_event(now, contact, leg, event),
                (Some(contact), None, _) => self.contact_event(now, contact, event),
                (None, _, Some(agent)) => self.agent_event(now, agent, event),
                (None, _, None) => Err("an event about nothing".into()),
            },
        }
    }

    fn policy_applied(&mut self, policy: &std::sync::Arc<Policy>) -> Check {
        must(policy.version == self.policy.version + 1, || "a policy version is skipped".into())?;
        let before = std::mem::replace(&mut self.policy, policy.clone());
        for channel in &policy.channels {
            self.channels.insert(channel.id.clone(), channel.clone());
        }
        for queue in &policy.queues {
            let at = self.queues.iter().position(|known| known.id == queue.id).unwrap_or(self.queues.len());
            match self.queues.get_mut(at) {
                Some(known) => {
                    if known.overflow != queue.overflow {
                        let here = |entry: &Entry| entry.queue == QueueId(at as u32);
                        let waiting = self.contacts.values_mut().filter_map(|held| held.entry.as_mut());
                        waiting.filter(|entry| here(entry)).for_each(|entry| entry.acted.clear());
                    }
                    let same = (&known.require, &known.steps, known.exhausted)
                        == (&queue.require, &queue.steps, queue.exhausted);
                    *known = queue.clone();
                    if !same {
                        self.restep(QueueId(at as u32));
                    }
                }
                None => self.queues.push(queue.clone()),
            }
        }
        let live = |queue: &Queue| policy.queues.iter().any(|known| known.id == queue.id);
        self.gates.retain(|queue, _| live(&self.queues[queue.index()]));
        self.measure_anew(&before);
        self.renew_pools();
        self.renew_lending();
        Ok(())
    }

    // ---- contacts

    fn contact_event(&mut self, now: Time, id: ContactId, event: &Event) -> Check {
        if let Event::ContactCreated { new, .. } = event {
            return self.created(now, id, new);
        }
        let state = self.state(id);
        let held = self.contacts.get_mut(&id).ok_or("an unknown contact")?;
        match event {
            Event::ContactQueued { queue, only, cause, .. } => {
                self.leave_for(id)?;
                self.passed.retain(|(passed, _)| *passed != id);
                self.exhausted.retain(|over| *over != id);
                if matches!(cause, EntryCause::Arrived | EntryCause::Scheduled | EntryCause::Overflowed) {
                    self.arrivals.push(id);
                }
                return self.queued(now, id, *queue, *only);
            }
            Event::ContactEnded { outcome, reason, exit, .. } => {
                return self.ended(now, id, (*outcome, *reason), *exit);
            }
            Event::ContactMoved { exit, to, .. } => {
                let entry = held.entry.as_mut().ok_or("a contact without an entry is moved")?;
                must(entry.queue == exit.queue && entry.queue != *to, || "a contact is moved from elsewhere".into())?;
                entry.leaving = true;
                held.parked_on = entry.parked_at.map(|_| entry.park_until);
                let books = self.books.entry((exit.queue, held.direction)).or_default();
                (books.waiting, books.moved) = (books.waiting - 1, books.moved + 1);
            }
            Event::SurveySubmitted { kind, score, result, .. } => {
                must(kind.result(i32::from(*score)) == Some(*result), || "a survey counts otherwise".into())?;
            }
            Event::ContactUpdated { change, .. } => {
                updated(held, change);
                if change.requirement.is_some() || change.preferred_agent_id.is_some() {
                    self.judge_at_once(id);
                }
            }
            Event::ContactTransferred { .. } => {
                must(matches!(state, ContactState::Connected | ContactState::OnHold), || {
                    "a transfer of nobody".into()
                })?;
                self.contacts.get_mut(&id).expect("it was found").preferred = Text::default();
            }
            Event::ContactClosed { outcome, .. } => {
                must(!held.closed && held.outcome == Some(*outcome), || "a contact closes otherwise".into())?;
                held.closed = true;
                must(self.live_legs(id).next().is_none(), || "a contact closes over a live leg".into())?;
            }
            Event::ContactForgotten { .. } => {
                must(held.closed, || "a contact is forgotten before it is closed".into())?;
                let legs = self.contacts.remove(&id).map(|held| held.legs).unwrap_or_default();
                legs.iter().for_each(|leg| drop(self.legs.remove(leg)));
            }
            _ => return self.entry_event(now, id, event),
        }
        Ok(())
    }

    /// What happens to an open entry.
    fn entry_event(&mut self, now: Time, id: ContactId, event: &Event) -> Check {
        let state = self.state(id);
        if let Event::ContactOverflowed { rule, trigger, action, .. } = event {
            self.check_overflow(id, *rule, (*trigger, action))?;
            self.entry(id)?.acted.push(*rule);
            self.moment_over(id);
            if *action == Action::Relax {
                self.hurries = Some(id);
                self.relaxed_now.push(id);
            }
            return Ok(());
        }
        match event {
            Event::ContactRelaxed { before, after, skipped, advanced, .. } => {
                let skipped = (0..32).filter(|step| skipped & (1 << step) != 0).collect();
                return self.relaxed(id, (*before, &Stand { step: *after, skipped, advanced: *advanced }));
            }
            Event::StepsExhausted { .. } => return self.steps_over(id),
            Event::ContactUnservableChanged { unservable, .. } => return self.unservable_changed(id, *unservable),
            _ => {}
        }
        let held = self.contacts.get_mut(&id).ok_or("an unknown contact")?;
        let park = held.parked_on.take().unwrap_or(now + self.policy.rules.park_timeout);
        let entry = held.entry.as_mut().ok_or("no entry is open")?;
        match event {
            Event::ContactUnrestricted { .. } => must(entry.only.take().is_some(), || "nothing to unrestrict".into()),
            Event::ContactParked { until, .. } => {
                must(state == ContactState::Queued, || format!("parked while {state:?}"))?;
                must(*until == park, || "parked for another time".into())?;
                (entry.parked_at, entry.park_until, entry.skips_first) = (Some(now), *until, false);
                Ok(())
            }
            Event::ContactUnparked { .. } => {
                let since = entry.parked_at.take().ok_or("unparked while not parked")?;
                entry.parked += now.since(since);
                Ok(())
            }
            Event::NoWillingAgent { .. } => {
                entry.bars.clear();
                entry.declines = 0;
                self.came_to(id, None);
                self.kept(&Promise::NoWillingAgent(id))
            }
            Event::BarLifted { bar, agent, .. } => {
                let at = entry.bars.iter().position(|held| held.0 == *bar).ok_or("no such bar")?;
                let lifted = entry.bars.remove(at);
                must(lifted.1 == *agent && lifted.2 <= now, || "a bar is lifted too soon".into())
            }
            Event::WaitReached { wait, .. } => {
                must(state == ContactState::Queued, || format!("a wait is reached while {state:?}"))?;
                must(*wait > entry.reached && *wait <= entry.wait(now), || "a wait is reached too soon".into())?;
                let before = std::mem::replace(&mut entry.reached, *wait);
                self.came_to(id, Some(before));
                Ok(())
            }
            _ => Err(format!("{event:?} is not a contact's")),
        }
    }

    fn created(&mut self, now: Time, id: ContactId, new: &NewContact) -> Check {
        let arrival = new.arrival.unwrap_or(now) - new.age_credit;
        let contact = Contact {
            serial: self.sequence,
            channel: new.profile.channel.clone(),
            direction: new.profile.direction as usize,
            callback: new.profile.direction == Direction::Callback && !new.profile.callback_of.is_empty(),
            gateway: new.profile.gateway_id.clone(),
            priority: new.priority,
            arrival,
            requirement: new.requirement.clone(),
            preferred: new.profile.preferred_agent_id.clone(),
            attributes: new.profile.attributes.clone(),
            schedule: new.schedule,
            expire: new.expire,
            entry: None,
            owner: None,
            legs: Vec::new(),
            queued_once: false,
            parked_on: None,
            outcome: None,
            closed: false,
        };
        must(self.contacts.insert(id, contact).is_none(), || "a contact is created twice".into())
    }

    fn queued(&mut self, now: Time, id: ContactId, queue: QueueId, only: Option<(AgentId, Time)>) -> Check {
        let rules = &self.queues[queue.index()];
        let held = self.contacts.get_mut(&id).expect("it was found");
        must(held.entry.is_none() && held.outcome.is_none(), || "an entry begins over another".into())?;
        let max_wait = rules.max_wait.unwrap_or(self.channels[&held.channel].max_wait);
        held.entry = Some(Entry {
            queue,
            since: now,
            parked: Span::ZERO,
            parked_at: None,
            park_until: Time(0),
            only,
            bars: Vec::new(),
            declines: 0,
            reached: Span::ZERO,
            acted: Vec::new(),
            step: 0,
            skipped: Vec::new(),
            advanced: Span::ZERO,
            exhausted: false,
            skips_first: false,
            unservable: false,
            leaving: false,
            leg: None,
            open: Vec::new(),
            filling: false,
            threshold: rules.service_level.threshold,
            short: rules.short_abandon,
            max_wait,
        });
        (held.owner, held.queued_once) = (None, true);
        let books = self.books.entry((queue, held.direction)).or_default();
        (books.offered, books.waiting) = (books.offered + 1, books.waiting + 1);
        self.enters_steps(id);
        self.judge_at_once(id);
        Ok(())
    }

    fn ended(
        &mut self,
        now: Time,
        id: ContactId,
        (outcome, reason): (Outcome, Reason),
        exit: Option<EntryExit>,
    ) -> Check {
        if reason == Reason::QueueClosed {
            self.check_turned_away(id)?;
        }
        if reason == Reason::QueueFull {
            self.check_refusal(id)?;
        }
        let held = self.contacts.get_mut(&id).expect("it was found");
        must(held.outcome.is_none(), || "a contact ends twice".into())?;
        held.outcome = Some(outcome);
        let entry = held.entry.take();
        let expected = entry.as_ref().map(|entry| {
            let wait = entry.wait(now);
            EntryExit { queue: entry.queue, wait, within_threshold: wait <= entry.threshold, short: wait < entry.short }
        });
        must(exit == expected, || format!("the entry ends as {exit:?}, not {expected:?}"))?;
        let Some(entry) = entry else { return Ok(()) };
        must(entry.leg.is_none(), || "an entry ends over its leg".into())?;
        let books = self.books.entry((entry.queue, held.direction)).or_default();
        books.waiting -= 1;
        let count = match outcome {
            Outcome::Abandoned => &mut books.abandoned,
            Outcome::Cancelled => &mut books.cancelled,
            Outcome::Expired => &mut books.expired,
            Outcome::Refused => &mut books.refused,
            Outcome::Overflowed => &mut books.overflowed,
            other => return Err(format!("a waiting contact ends {other:?}")),
        };
        *count += 1;
        if outcome == Outcome::Expired || outcome == Outcome::Abandoned && entry.wait(now) >= entry.short {
            self.note_promise(entry.queue, false);
        }
        Ok(())
    }

    // ---- legs

    fn leg_event(&mut self, now: Time, id: ContactId, leg: LegId, event: &Event) -> Check {
        match event {
            Event::OfferIssued { agent, cost, expires, wait, broadcast, .. } => {
                self.check_passed()?;
                self.check_none_returns(*agent)?;
                self.check_offer(now, id, *agent)?;
                let queue = self.entry(id)?.queue;
                self.turns.insert(queue, *agent);
                self.note_offer(now, *agent);
                let rules = self.rules(id);
                must(*wait == self.entry(id)?.wait(now), || "an offer says another wait".into())?;
                must(*cost == rules.cost && *expires == now + rules.offer_timeout, || "an offer's terms".into())?;
                self.begin(id, leg, (*agent, *cost), (LegState::Offered, OfferState::Issued), *expires)?;
                let several = self.several(&self.contacts[&id]).is_some();
                must(*broadcast == several, || "an offer to one, or to several".into())?;
                self.legs.get_mut(&leg).expect("it has begun").broadcast = several;
                let entry = self.entry(id)?;
                (entry.leg, entry.filling, entry.unservable) = (Some(leg), several, false);
                entry.open.push((leg, *agent));
                Ok(())
            }
            Event::LegAssigned { agent, cost, connect_by, cause, .. } => {
                self.check_given(id, *agent, *cause)?;
                let until = now + self.rules(id).connect_timeout;
                must(*connect_by == until, || "another connect timeout".into())?;
                self.begin(id, leg, (*agent, *cost), (LegState::Assigned, OfferState::None), until)?;
                self.note_taken(leg);
                let held = self.contacts.get_mut(&id).expect("it was found");
                match &mut held.entry {
                    Some(entry) => (entry.leg, entry.unservable) = (Some(leg), false),
                    None => (held.owner, held.schedule) = (Some(leg), None),
                }
                if matches!(cause, AssignCause::Picked | AssignCause::Forced) {
                    self.promise_interruptions(leg);
                }
                Ok(())
            }
            Event::LegConnected { answer, .. } => self.connected(now, id, leg, *answer),
            Event::LegHeld { by, .. } => {
                if let Some(by) = by {
                    self.kept(&Promise::Interrupted(leg, *by))?;
                }
                self.legs.get_mut(&leg).ok_or("no such leg")?.interrupted = *by;
                self.pass(leg, LegState::Connected, (LegState::OnHold, None))
            }
            Event::LegResumed { interrupted, .. } => {
                self.check_return(leg, *interrupted)?;
                self.legs.get_mut(&leg).expect("it was found").interrupted = None;
                self.pass(leg, LegState::OnHold, (LegState::Connected, None))
            }
            Event::LegWrapUpStarted { until, .. } => {
                must(self.legs[&leg].state != LegState::Assigned, || "wrap-up of nothing".into())?;
                let held = self.legs.get_mut(&leg).ok_or("no such leg")?;
                (held.state, held.interrupted) = (LegState::WrapUp, None);
                self.pass(leg, LegState::WrapUp, (LegState::WrapUp, Some(*until)))
            }
            Event::LegEnded { cause, barred, .. } => self.leg_ended(now, leg, *cause, *barred),
            Event::MaxHandlePassed { .. } => must(self.legs[&leg].connected_once, || "an alarm over nothing".into()),
            _ => self.offer_over(now, id, leg, event),
        }
    }

    pub fn entry(&mut self, id: ContactId) -> Result<&mut Entry, String> {
        self.contacts.get_mut(&id).and_then(|held| held.entry.as_mut()).ok_or_else(|| "no entry is open".into())
    }

    /// The rules of a contact's channel.
    fn rules(&self, id: ContactId) -> Channel {
        self.channels[&self.contacts[&id].channel].clone()
    }

    fn begin(
        &mut self,
        contact: ContactId,
        leg: LegId,
        (agent, cost): (AgentId, u32),
        (state, offer): (LegState, OfferState),
        until: Time,
    ) -> Check {
        let held = self.contacts.get_mut(&contact).ok_or("an unknown contact")?;
        held.legs.push(leg);
        let channel = held.channel.clone();
        let until = Some(until);
        let number = self.sequence;
        let new = Leg {
            number,
            contact,
            agent,
            channel,
            cost,
            state,
            offer,
            broadcast: false,
            connected_once: false,
            connected: None,
            interrupted: None,
            until,
        };
        must(self.legs.insert(leg, new).is_none(), || "a leg's id is used twice".into())
    }

    /// Moves a leg from the state it must be in to the next.
    fn pass(&mut self, leg: LegId, from: LegState, (to, until): (LegState, Option<Time>)) -> Check {
        let held = self.legs.get_mut(&leg).ok_or("no such leg")?;
        must(held.state == from, || format!("a leg goes from {:?} to {to:?}", held.state))?;
        (held.state, held.until) = (to, until);
        Ok(())
    }

    fn connected(&mut self, now: Time, id: ContactId, leg: LegId, answer: Option<Answer>) -> Check {
        self.pass(leg, LegState::Assigned, (LegState::Connected, None))?;
        let held = self.legs.get_mut(&leg).expect("it was found");
        (held.connected_once, held.connected) = (true, Some(now));
        let agent = held.agent;
        let held = self.agent(agent);
        (held.faults[Fault::Connect as usize], held.lapses[Fault::Connect as usize]) = (0, 0);
        self.agent(agent).connected += 1;
        let contact = self.contacts.get_mut(&id).expect("it was found");
        contact.owner = Some(leg);
        let entry = contact.entry.take();
        let alone = |entry: &Entry| entry.leg == Some(leg) && entry.open.is_empty();
        must(entry.as_ref().is_none_or(alone), || "another leg answers, or others are still offered it".into())?;
        let expected = entry.map(|entry| {
            let wait = entry.wait(now);
            Answer { queue: entry.queue, wait, within_threshold: wait <= entry.threshold }
        });
        must(answer == expected, || format!("answered as {answer:?}, not {expected:?}"))?;
        if let Some(answer) = answer {
            let books = self.books.entry((answer.queue, contact.direction)).or_default();
            books.waiting -= 1;
            books.answered += 1;
            books.answered_within_threshold += u64::from(answer.within_threshold);
            self.note_promise(answer.queue, answer.within_threshold);
        }
        Ok(())
    }

    fn leg_ended(&mut self, now: Time, leg: LegId, cause: EndCause, barred: Option<(BarId, Time)>) -> Check {
        let (held, retry) = (&self.legs[&leg], self.policy.rules.retry_time);
        let failed = held.state == LegState::Assigned;
        let by_agent = failed && matches!(cause, EndCause::ConnectTimeout | EndCause::AgentUnreachable);
        let bars = by_agent || failed && cause == EndCause::MediaFailed;
        let waits = self.contacts[&held.contact].entry.is_some();
        let until = (bars && waits && !retry.is_zero()).then_some(now + retry);
        must(barred.map(|bar| bar.1) == until, || format!("barred {barred:?}, not until {until:?}"))?;
        must(cause != EndCause::ConnectTimeout || held.until.is_some_and(|at| at <= now), || "too soon".into())?;
        if by_agent {
            self.fault(leg, Fault::Connect);
        }
        if self.legs[&leg].connected_once {
            self.move_clocks(now, leg);
        }
        self.end(leg, barred)
    }

    /// How offers end: each once, and only two of the ways are held against the agent.
    fn offer_over(&mut self, now: Time, id: ContactId, leg: LegId, event: &Event) -> Check {
        let held = self.legs.get_mut(&leg).ok_or("no such offer")?;
        must(held.offer == OfferState::Issued, || format!("an offer that was {:?} ends again", held.offer))?;
        let (agent, rang_out) = (held.agent, held.until.is_some_and(|at| at <= now));
        let retry = self.policy.rules.retry_time;
        let default_bar = (!retry.is_zero()).then_some(now + retry);
        let (offer, barred) = match event {
            Event::OfferAccepted { connect_by, .. } => return self.accepted(now, id, leg, *connect_by),
            Event::OfferDeclined { barred, .. } => (OfferState::Declined, *barred),
            Event::OfferExpired { barred, .. } => (OfferState::Expired, *barred),
            Event::OfferFailed { barred, .. } => (OfferState::Failed, *barred),
            Event::OfferRescinded { winner, .. } => {
                self.check_rescinded(id, *winner)?;
                (OfferState::Rescinded, None)
            }
            Event::OfferCancelled { .. } => (OfferState::Cancelled, None),
            Event::OfferRevoked { .. } => (OfferState::Revoked, None),
            _ => return Err(format!("{event:?} is not an offer's")),
        };
        let broadcast = self.legs[&leg].broadcast;
        self.legs.get_mut(&leg).expect("it was found").offer = offer;
        match event {
            Event::OfferDeclined { .. } => {
                self.agent(agent).declines += 1;
                let most = self.policy.rules.max_declines;
                let entry = self.entry(id)?;
                entry.declines += 1;
                if most > 0 && entry.declines >= most && entry.open.len() <= 1 {
                    self.promises.push(Promise::NoWillingAgent(id));
                }
            }
            // One of several blames nobody, and may be offered again; after enough declines nobody is willing.
            Event::OfferExpired { .. } if broadcast => {
                must(rang_out && barred.is_none(), || "one of several offers expires otherwise".into())?;
                let most = self.policy.rules.max_declines;
                let entry = self.entry(id)?;
                if most > 0 && entry.declines >= most && entry.open.len() <= 1 {
                    self.promises.push(Promise::NoWillingAgent(id));
                }
            }
            Event::OfferExpired { .. } => {
                must(rang_out, || "an offer expires too soon".into())?;
                must(barred.map(|bar| bar.1) == default_bar, || format!("an expired pair is barred {barred:?}"))?;
                self.move_clocks(now, leg);
                self.fault(leg, Fault::Expired);
            }
            Event::OfferFailed { cause: FailCause::Delivery, .. } => {
                must(barred.map(|bar| bar.1) == default_bar, || format!("a failed pair is barred {barred:?}"))?;
                self.fault(leg, Fault::Delivery);
            }
            Event::OfferFailed { .. } => must(barred.is_none(), || "a lost session bars a pair".into())?,
            _ => {}
        }
        self.end(leg, barred)
    }

    /// The others lose when one has won, and he is the one.
    fn check_rescinded(&self, id: ContactId, winner: AgentId) -> Check {
        let entry = self.contacts[&id].entry.as_ref().ok_or("an offer of nothing")?;
        let won = entry.leg.map(|leg| &self.legs[&leg]).filter(|leg| leg.state == LegState::Assigned);
        must(won.is_some_and(|leg| leg.agent == winner), || format!("{winner:?} has not won {id:?}"))
    }

    fn accepted(&mut self, now: Time, id: ContactId, leg: LegId, connect_by: Time) -> Check {
        let until = now + self.rules(id).connect_timeout;
        must(connect_by == until, || "another connect timeout".into())?;
        let held = self.legs.get_mut(&leg).ok_or("no such offer")?;
        held.offer = OfferState::Accepted;
        let agent = held.agent;
        let held = self.agent(agent);
        (held.faults[Fault::Expired as usize], held.faults[Fault::Delivery as usize], held.declines) = (0, 0, 0);
        (held.lapses[Fault::Expired as usize], held.lapses[Fault::Delivery as usize]) = (0, 0);
        self.promise_interruptions(leg);
        self.note_taken(leg);
        let entry = self.entry(id)?;
        entry.leg = Some(leg);
        entry.open.retain(|open| open.0 != leg);
        self.pass(leg, LegState::Offered, (LegState::Assigned, Some(until)))
    }

    fn end(&mut self, leg: LegId, barred: Option<(BarId, Time)>) -> Check {
        let held = self.legs.get_mut(&leg).ok_or("no such leg")?;
        must(held.state != LegState::Ended, || "a leg ends twice".into())?;
        (held.state, held.until, held.interrupted) = (LegState::Ended, None, None);
        let (contact, agent) = (held.contact, held.agent);
        self.hand_on(agent, leg);
        let contact = self.contacts.get_mut(&contact).ok_or("an unknown contact")?;
        contact.owner = contact.owner.filter(|&owner| owner != leg);
        if let Some(entry) = &mut contact.entry {
            entry.open.retain(|open| open.0 != leg);
            if entry.leg == Some(leg) {
                entry.leg = entry.open.last().map(|open| open.0);
            }
            entry.bars.extend(barred.map(|(bar, until)| (bar, agent, until)));
        }
        Ok(())
    }

    /// What moves an agent's idle clocks: any contact the one, an inbound contact both.
    fn move_clocks(&mut self, now: Time, leg: LegId) {
        let Leg { agent, contact, .. } = self.legs[&leg];
        let inbound = self.contacts[&contact].direction == Direction::Inbound as usize;
        let held = self.agent(agent);
        held.idle_since = Some(now);
        held.inbound_since = if inbound { Some(now) } else { held.inbound_since };
    }

    /// One more held against the agent of a leg; N in a row make him NOT_RESPONDING.
    fn fault(&mut self, leg: LegId, fault: Fault) {
        let (agent, now) = (self.legs[&leg].agent, self.now);
        let channel = self.channels[&self.legs[&leg].channel].clone();
        let (most, held) = (channel.rona, self.agent(agent));
        held.faults[fault as usize] += 1;
        if most > 0 && held.faults[fault as usize] >= most && held.away.is_none() {
            let mut lasts = channel.rona_reset;
            for _ in 0..held.lapses[fault as usize] {
                lasts = Span(lasts.0 * 2).min(channel.rona_reset_max).max(channel.rona_reset);
            }
            self.promises.push(Promise::NotResponding(agent, fault, now + lasts));
        }
    }

    fn kept(&mut self, promise: &Promise) -> Check {
        let at = self.promises.iter().position(|held| held == promise);
        self.promises.remove(at.ok_or_else(|| format!("{promise:?} comes from nowhere"))?);
        Ok(())
    }

    // ---- agents

    fn agent(&mut self, agent: AgentId) -> &mut Agent {
        self.agents.get_mut(&agent).expect("an event names an agent that is there")
    }

    /// What is set over an agent's skills shows in them, and goes at its time alone.
    fn check_overrides(
        &self,
        now: Time,
        id: AgentId,
        profile: &AgentProfile,
        (cause, overrides): (UpsertCause, &[SkillOverride]),
    ) -> Check {
        let level = |skill: &Text| profile.skills.iter().find(|held| held.0 == *skill).map_or(0, |held| held.1);
        let shown = overrides.iter().all(|held| level(&held.skill) == held.level && held.until > now);
        must(shown, || format!("{overrides:?} does not show in {profile:?}"))?;
        let before = self.agents.get(&id).map(|agent| &agent.overrides[..]).unwrap_or_default();
        let kept = |held: &SkillOverride| overrides.iter().any(|now| now.skill == held.skill);
        let gone: Vec<_> = before.iter().filter(|held| !kept(held)).collect();
        match cause {
            UpsertCause::Skills => Ok(()),
            UpsertCause::SkillsExpired => must(
                !gone.is_empty() && gone.iter().all(|held| held.until <= now && level(&held.skill) == held.configured),
                || format!("{gone:?} does not return in {profile:?}"),
            ),
            UpsertCause::Request | UpsertCause::Config => must(gone.is_empty(), || format!("{gone:?} is lost")),
        }
    }

    fn agent_event(&mut self, now: Time, id: AgentId, event: &Event) -> Check {
        if let Event::AgentUpserted { profile, cause, overrides, .. } = event {
            self.check_overrides(now, id, profile, (*cause, overrides))?;
            let held = self.agents.entry(id).or_insert_with(|| Agent::new(profile.clone()));
            (held.profile, held.removed, held.deleted) = (profile.clone(), false, false);
            held.overrides.clone_from(overrides);
            return Ok(());
        }
        if let Event::AgentNotResponding { until, fault, in_a_row, .. } = event {
            self.kept(&Promise::NotResponding(id, *fault, *until))?;
            let held = self.agent(id);
            must(*in_a_row == held.faults[*fault as usize], || "another count of faults".into())?;
            held.away = Some(*until);
            held.lapses[*fault as usize] += 1;
            return Ok(());
        }
        match event {
            Event::AgentRestStarted { cause, .. } => return self.rested(now, id, *cause, true),
            Event::AgentRestEnded { cause, .. } => return self.rested(now, id, *cause, false),
            _ => {}
        }
        let works = self.agent_legs(id).any(|leg| leg.state != LegState::Offered);
        let held = self.agent(id);
        match event {
            Event::AgentRemoved { .. } => held.removed = true,
            Event::AgentDeleted { .. } => {
                must(held.removed && !works, || "an agent at work is deleted".into())?;
                (held.deleted, held.presence, held.session) = (true, Presence::Offline, false);
                (held.streams, held.lease_until) = (0, None);
                held.rests.clear();
                held.overrides.clear();
            }
            Event::AgentSignedIn { presence, lease, .. } => {
                must(held.presence == Presence::Offline, || "a shift begins twice".into())?;
                (held.session, held.lease) = (true, *lease);
                (held.faults, held.lapses, held.declines, held.away) = ([0; 3], [0; 3], 0, None);
                held.connected = 0;
                held.turn(now, presence, None);
            }
            Event::AgentSignedOut { .. } => {
                (held.session, held.lease_until) = (false, None);
                held.turn(now, &Presence::Offline, None);
            }
            Event::AgentPresenceChanged { before, after, next, .. } => {
                must(held.presence == *before, || "a presence that was not".into())?;
                must(next.is_none() || works, || "a presence waits for nothing".into())?;
                held.turn(now, after, next.clone());
            }
            Event::AgentRoutingChanged { before, after, .. } => {
                must(held.routing == *before, || "a routing word that was not said".into())?;
                held.routing = *after;
            }
            Event::AgentResponding { .. } => {
                let until = held.away.take().ok_or("back from nowhere")?;
                if now < until {
                    held.lapses = [0; 3];
                }
                held.faults = [0; 3];
            }
            Event::AgentSessionOpened { .. } => held.session = true,
            Event::AgentSessionLost { .. } => {
                must(held.lease_until.is_some_and(|at| at <= now), || "a session is lost before its time".into())?;
                (held.session, held.lease_until) = (false, None);
            }
            _ => return Err(format!("{event:?} is not an agent's")),
        }
        Ok(())
    }
}

impl Agent {
    fn new(profile: std::sync::Arc<usher::engine::agent::AgentProfile>) -> Agent {
        Agent {
            profile,
            overrides: Vec::new(),
            presence: Presence::Offline,
            next: None,
            session: false,
            away: None,
            idle_since: None,
            inbound_since: None,
            available_since: None,
            connected: 0,
            did: Vec::new(),
            offered: Vec::new(),
            taken: BTreeMap::new(),
            rests: BTreeSet::new(),
            faults: [0; 3],
            lapses: [0; 3],
            declines: 0,
            removed: false,
            deleted: false,
            routing: usher::engine::agent::Routing::OffQueue,
            lease: Span::ZERO,
            streams: 0,
            lease_until: None,
        }
    }

    /// A new presence; the idle clock starts at becoming AVAILABLE.
    fn turn(&mut self, now: Time, presence: &Presence, next: Option<Presence>) {
        if *presence == Presence::Available && self.presence != Presence::Available {
            (self.idle_since, self.inbound_since, self.available_since) = (Some(now), Some(now), Some(now));
        }
        (self.presence, self.next) = (presence.clone(), next);
    }
}

fn updated(held: &mut Contact, change: &ContactChange) {
    held.priority = change.priority.unwrap_or(held.priority);
    if let Some(requirement) = &change.requirement {
        held.requirement.clone_from(requirement);
    }
    if let Some(preferred) = &change.preferred_agent_id {
        held.preferred.clone_from(preferred);
    }
    if let Some(expire) = change.expire {
        held.expire = expire;
    }
    if let Some(attributes) = &change.attributes {
        held.attributes.clone_from(attributes);
    }
}
