//! What people do in virtual time: customers call, give up and call again; agents come, answer, finish and go. Each plan
//! becomes a command to the engine, the same a gateway or a desktop would send.

use std::sync::Arc;

use anyhow::Result;

use crate::engine::agent::Presence;
use crate::engine::command::{Command, NewContact};
use crate::engine::contact::{CancelCause, ContactState, DeclineReason, LegState};
use crate::engine::id::{AgentId, ContactId, LegId, Text};
use crate::engine::time::Span;

use super::agenda::{Plan, Who};
use super::host::{Customer, Host, Visit, Watch, draw};
use super::random::{Cause, Stream};
use super::scene::{To, profile};

impl<W: Watch> Host<'_, W> {
    pub(super) fn carry_out(&mut self, plan: Plan) -> Result<()> {
        match plan {
            Plan::Arrive { flow } => self.arrive(flow as usize),
            Plan::GiveUp(who) => self.give_up(who),
            Plan::Finish(leg) => self.finish(leg),
            Plan::Answer { leg, declines } => self.answer(leg, declines),
            Plan::Connect(leg) => match self.contact_of(leg, |state| state == LegState::Assigned) {
                Some(contact) => self.apply(Command::ConnectContact { contact_id: self.contact_id(contact) }),
                None => Ok(()),
            },
            Plan::WrapUp(leg) => self.end_wrap_up(leg),
            Plan::Retry(who) => self.retry(who),
            Plan::Duty { change } => self.change_duty(change as usize),
            Plan::Close { closing } => self.close(closing as usize),
            Plan::Interval { index } => {
                self.watch.interval(self.now, index as usize);
                if let Some(&next) = self.scene.intervals.get(index as usize + 1) {
                    self.agenda.add(next, Plan::Interval { index: index + 1 });
                }
                Ok(())
            }
        }
    }

    // ---- customers

    pub(super) fn plan_arrival(&mut self, flow: usize) {
        if let Some(at) = self.arrivals[flow].next(&mut self.streams[flow]) {
            self.agenda.add(at, Plan::Arrive { flow: flow as u32 });
        }
    }

    fn arrive(&mut self, flow: usize) -> Result<()> {
        self.plan_arrival(flow);
        let slot = self.free[flow].pop().unwrap_or_else(|| self.new_slot(flow));
        let serial = self.serials[flow];
        self.serials[flow] += 1;
        let customer = &mut self.customers[slot as usize];
        customer.offers = 0;
        customer.visit = Visit { slot, flow, serial, ..Visit::default() };
        self.call(slot)
    }

    fn new_slot(&mut self, flow: usize) -> u32 {
        let of = &self.scene.flows[flow];
        let new = NewContact {
            profile: Arc::new(profile(of, self.customers.len())),
            queue: of.queue.clone(),
            priority: of.priority,
            requirement: of.requirement.clone(),
            ..NewContact::default()
        };
        self.customers.push(Customer {
            visit: Visit::default(),
            new: Arc::new(new),
            contact: None,
            spell: 0,
            waiting: false,
            offered: false,
            offers: 0,
            retrying: false,
        });
        (self.customers.len() - 1) as u32
    }

    /// A customer calls, for the first time or again.
    fn call(&mut self, slot: u32) -> Result<()> {
        let customer = &mut self.customers[slot as usize];
        customer.visit.number = self.number;
        customer.visit.attempt += 1;
        customer.visit.arrived = self.now;
        customer.spell = customer.spell.wrapping_add(1);
        (customer.waiting, customer.offered, customer.retrying) = (false, false, false);
        self.number += 1;
        self.watch.arrived(self.now, &customer.visit);
        if self.scene.lines.is_some_and(|lines| self.in_center >= lines) {
            self.watch.blocked(self.now, &customer.visit);
            self.free[customer.visit.flow].push(slot);
            return Ok(());
        }
        self.in_center += 1;
        self.calling = slot;
        let new = customer.new.clone();
        self.apply(Command::CreateContact(new))?;
        let customer = &mut self.customers[slot as usize];
        if !customer.waiting {
            return Ok(());
        }
        if !customer.offered {
            let state = self.engine.state();
            let told = customer.contact.filter(|_| self.watch.wants_estimates());
            let estimate = told.and_then(|contact| state.estimate(self.now, contact)).map(|estimate| estimate.mean());
            self.watch.waits(self.now, &customer.visit, estimate);
        }
        let Visit { flow, serial, .. } = customer.visit;
        let who = Who { slot, spell: customer.spell };
        let flow = &self.scene.flows[flow];
        let given = flow.given.get(serial as usize).and_then(|given| given.patience);
        let drawn = || flow.patience.as_ref().map(|law| draw(law, self.seed, Cause::Patience, flow.key, serial));
        if let Some(patience) = given.or_else(drawn) {
            self.agenda.add(self.now + patience, Plan::GiveUp(who));
        }
        Ok(())
    }

    /// Learns which contact the customer who calls just now was given.
    pub(super) fn meet(&mut self, contact: ContactId) {
        let at = contact.slot() as usize;
        if self.of_contact.len() <= at {
            self.of_contact.resize(at + 1, u32::MAX);
        }
        self.of_contact[at] = self.calling;
        self.customers[self.calling as usize].contact = Some(contact);
    }

    fn give_up(&mut self, who: Who) -> Result<()> {
        let customer = &self.customers[who.slot as usize];
        if customer.spell != who.spell || !customer.waiting {
            return Ok(());
        }
        let contact_id = customer.new.profile.contact_id.clone();
        self.apply(Command::CancelContact { contact_id, cause: CancelCause::CustomerLeft })
    }

    /// Whether and when a customer who gave up after `wait` calls again.
    pub(super) fn plan_retry(&mut self, slot: u32, wait: Span) {
        let customer = &mut self.customers[slot as usize];
        let Visit { flow, serial, attempt, .. } = customer.visit;
        let flow = &self.scene.flows[flow];
        let Some(retry) = flow.retry.as_ref().filter(|retry| attempt < retry.attempts) else { return };
        let mut stream = Stream::new(self.seed, Cause::Retry, flow.key, (serial << 8) | u64::from(attempt & 0xff));
        if stream.unit() < retry.probability {
            customer.visit.waited += wait;
            customer.retrying = true;
            let who = Who { slot, spell: customer.spell };
            self.agenda.add(self.now + retry.delay.draw(&mut stream), Plan::Retry(who));
        }
    }

    fn retry(&mut self, who: Who) -> Result<()> {
        self.call(who.slot)
    }

    fn finish(&mut self, leg: LegId) -> Result<()> {
        let Some(contact) = self.contact_of(leg, LegState::is_talking) else { return Ok(()) };
        let contact_id = self.contact_id(contact);
        if self.engine.state().contact_state(contact) == ContactState::OnHold {
            self.apply(Command::ResumeContact { contact_id: contact_id.clone() })?;
        }
        self.apply(Command::CompleteContact { contact_id, disposition: self.empty.clone() })
    }

    // ---- agents

    pub(super) fn on_offer(&mut self, contact: ContactId, leg: LegId, agent: AgentId) {
        let slot = self.of_contact[contact.slot() as usize];
        let customer = &mut self.customers[slot as usize];
        customer.offered = true;
        customer.offers += 1;
        if self.auto_accept[customer.visit.flow] {
            return;
        }
        let team = self.agents[usize::from(agent)].0;
        let conduct = &self.scene.conduct[team];
        let key = self.scene.flows[customer.visit.flow].key;
        let which = (customer.visit.serial << 8) | (customer.offers & 0xff);
        let mut stream = Stream::new(self.seed, Cause::Offer, key, which);
        let chance = stream.unit();
        if chance < conduct.no_answer {
            return;
        }
        let declines = chance < conduct.no_answer + conduct.decline;
        let delay = conduct.accept_delay.as_ref().map_or(Span::ZERO, |law| law.draw(&mut stream));
        self.agenda.add(self.now + delay, Plan::Answer { leg, declines });
    }

    fn answer(&mut self, leg: LegId, declines: bool) -> Result<()> {
        if self.contact_of(leg, |state| state == LegState::Offered).is_none() {
            return Ok(());
        }
        let agent = self.engine.state().leg(leg).agent;
        let agent_id = self.engine.state().agent(agent).profile.agent_id.clone();
        self.apply(match declines {
            true => Command::DeclineOffer { agent_id, offer: leg, reason: DeclineReason::Rejected, retry_time: None },
            false => Command::AcceptOffer { agent_id, offer: leg },
        })
    }

    pub(super) fn on_assigned(&mut self, contact: ContactId, leg: LegId) {
        let visit = self.customers[self.of_contact[contact.slot() as usize] as usize].visit;
        if !self.explicit[visit.flow] {
            return;
        }
        let team = self.agents[usize::from(self.engine.state().leg(leg).agent)].0;
        let delay = self.scene.conduct[team].connect_delay.as_ref();
        let flow = &self.scene.flows[visit.flow];
        let which = visit.serial ^ (1 << 63);
        let delay = delay.map_or(Span::ZERO, |law| draw(law, self.seed, Cause::Offer, flow.key, which));
        self.agenda.add(self.now + delay, Plan::Connect(leg));
    }

    pub(super) fn on_wrap_up(&mut self, contact: ContactId, leg: LegId) {
        let visit = self.customers[self.of_contact[contact.slot() as usize] as usize].visit;
        let team = self.agents[usize::from(self.engine.state().leg(leg).agent)].0;
        let flow = &self.scene.flows[visit.flow];
        if let Some(Some(law)) = flow.wrap_up.get(team) {
            let lasts = draw(law, self.seed, Cause::WrapUp, flow.key, visit.serial);
            self.agenda.add(self.now + lasts, Plan::WrapUp(leg));
        }
    }

    fn end_wrap_up(&mut self, leg: LegId) -> Result<()> {
        let Some(contact) = self.contact_of(leg, |state| state == LegState::WrapUp) else { return Ok(()) };
        let state = self.engine.state();
        let agent_id = state.agent(state.leg(leg).agent).profile.agent_id.clone();
        let (contact_id, disposition) = (self.contact_id(contact), self.empty.clone());
        self.apply(Command::CompleteWrapUp { agent_id, contact_id, disposition, resolved: None })
    }

    fn change_duty(&mut self, change: usize) -> Result<()> {
        let scene = self.scene;
        let planned = &scene.roster[change];
        let agent_id = planned.agent_id.clone();
        match &planned.to {
            To::In => {
                self.leavers.retain(|(leaver, _)| *leaver != agent_id);
                self.apply(Command::SignIn { agent_id, presence: Presence::Available, lease: Some(Span::ZERO) })
            }
            To::Break(reason) => {
                self.apply(Command::SetPresence { agent_id, presence: Presence::NotReady(reason.clone()) })
            }
            To::Back => self.apply(Command::SetPresence { agent_id, presence: Presence::Available }),
            To::Out { when_served: false } => self.apply(Command::SignOut { agent_id, force: false }),
            To::Out { when_served: true } => {
                let agent = self.engine.state().find_agent(&agent_id);
                let team = agent.map_or(usize::MAX, |agent| self.agents[usize::from(agent)].0);
                self.leavers.push((agent_id, team));
                self.let_go()
            }
        }
    }

    /// Those who stayed for the ones that wait go once nobody does.
    pub(super) fn let_go(&mut self) -> Result<()> {
        let none_wait = |team: usize| {
            self.served.get(team).is_none_or(|queues| queues.iter().all(|queue| self.waiting[*queue] == 0))
        };
        let (go, stay): (Vec<_>, Vec<_>) = self.leavers.drain(..).partition(|(_, team)| none_wait(*team));
        self.leavers = stay;
        for (agent_id, _) in go {
            self.apply(Command::SignOut { agent_id, force: false })?;
        }
        Ok(())
    }

    /// Those who wait in the closing's queues are disconnected.
    fn close(&mut self, closing: usize) -> Result<()> {
        let queues = &self.scene.closings[closing].queues;
        let told = |customer: &&Customer| customer.waiting && queues.contains(&customer.visit.queue);
        let told: Vec<Text> =
            self.customers.iter().filter(told).map(|customer| customer.new.profile.contact_id.clone()).collect();
        for contact_id in told {
            self.apply(Command::CancelContact { contact_id, cause: CancelCause::System })?;
        }
        Ok(())
    }

    // ---- names

    /// The contact of a leg that is still there and in such a state.
    fn contact_of(&self, leg: LegId, state: impl Fn(LegState) -> bool) -> Option<ContactId> {
        self.engine.state().try_leg(leg).filter(|held| state(held.state)).map(|held| held.contact)
    }

    fn contact_id(&self, contact: ContactId) -> Text {
        self.engine.state().contact(contact).profile.contact_id.clone()
    }
}
