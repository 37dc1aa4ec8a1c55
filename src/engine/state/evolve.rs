//! What each event does to the state. Total: an event never fails, and nothing is decided here.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::registry::Reach;
use super::{Due, Gate, Gateway, Passed, State};
use crate::engine::Reply;
use crate::engine::agent::{Agent, AgentProfile, Fault, Presence, SkillOverride};
use crate::engine::command::{ContactChange, NewContact};
use crate::engine::contact::{
    Bar, Contact, Direction, EndCause, Entry, EntryRules, FailCause, Leg, LegState, NONE, OfferState, Outcome, Reason,
};
use crate::engine::event::{Answer, EntryCause, EntryExit, Event};
use crate::engine::id::{AgentId, BarId, ContactId, GatewayId, LegId, QueueId, Text};
use crate::engine::limits;
use crate::engine::occupancy::Occupancy;
use crate::engine::order::Links;
use crate::engine::policy::{Policy, PolicyChange, Queue, Trigger, WrapUp};
use crate::engine::table::hash_bytes;
use crate::engine::time::{MaybeTime, Span, Time};

/// Pools that nobody asks for any more, kept before all are made anew.
const SPARE_POOLS: u32 = 64;

impl State {
    /// Takes in one event.
    pub(in crate::engine) fn evolve(&mut self, now: Time, sequence: u64, event: &Event) {
        assert!(now >= self.now, "engine time went backwards");
        self.now = now;
        self.sequence = sequence;
        self.fill_pool();
        match event {
            Event::RequestRemembered { stamp, contact, agent, created, moved, skipped, rule } => {
                let (contact, agent, created, moved, skipped, rule) =
                    (*contact, *agent, *created, *moved, *skipped, *rule);
                let first = Reply { sequence, contact, agent, created, moved, skipped, rule, repeated: true };
                self.receipts.remember(now, stamp, first);
                let contacts = &self.contacts;
                let open = |contact: ContactId| contacts.get(contact.0).is_some_and(|contact| !contact.closed);
                self.receipts.trim(now, self.registry.policy.rules.remembered_requests, open);
            }
            Event::PolicyApplied { policy, change, .. } => self.apply_policy(policy, change),
            Event::PolicySourced { file } => self.registry.file = Some(*file),
            Event::Resumed { outage, .. } => self.resume(*outage),
            Event::CustomerForgotten { customer, .. } => self.forget_customer(&customer.customer_id),
            Event::QueueOpenChanged { queue, set, until, .. } => {
                self.set_gate(*queue, Gate { set: *set, until: *until });
            }
            Event::GatewaySessionOpened { gateway, gateway_id, lease } => {
                self.intern_gateway(gateway_id);
                let held = &mut self.gateways[gateway.index()];
                (held.session, held.lease, held.grace) = (true, *lease, None);
                self.arm(Due::Gateway, gateway.0, None);
            }
            Event::GatewaySessionLost { gateway, until } => {
                let held = &mut self.gateways[gateway.index()];
                (held.session, held.grace) = (false, Some(*until));
                self.arm(Due::Gateway, gateway.0, Some(*until));
            }
            Event::PoolReset { pool } => self.reset_pool(pool),
            Event::GatewaySwept { gateway } => {
                self.gateways[gateway.index()].grace = None;
                self.arm(Due::Gateway, gateway.0, None);
            }
            _ => match (event.contact(), event.leg(), event.agent()) {
                (Some(contact), Some(leg), _) => self.evolve_leg(contact, leg, event),
                (Some(contact), None, _) => self.evolve_contact(contact, event),
                (None, _, Some(agent)) => self.evolve_agent(agent, event),
                (None, _, None) => unreachable!("{event:?} is about nothing"),
            },
        }
        self.judge_turned();
        self.watch_lenders();
    }

    fn apply_policy(&mut self, policy: &Arc<Policy>, change: &Arc<PolicyChange>) {
        let before = (self.registry.occupancy_window, self.registry.pace);
        let asks_otherwise = |id: &QueueId| {
            let known = &self.registry.queues[id.index()].rules;
            policy.queues.iter().any(|queue| queue.id == known.id && !queue.asks_alike(known))
        };
        let relaxed_before = self.registry.relaxes();
        let restepped: Vec<QueueId> = match relaxed_before || policy.queues.iter().any(Queue::relaxes) {
            true => (0..self.queue_count() as u32).map(QueueId).filter(asks_otherwise).collect(),
            false => Vec::new(),
        };
        let pooled = !self.registry.policy.pools.is_empty() || !policy.pools.is_empty();
        let reach = self.registry.apply(policy);
        if pooled {
            self.renew_pools();
        }
        self.registry.hand_over(&change.removed_queues);
        self.registry.remember(policy, change, self.now);
        self.forget_gates();
        if !change.removed_queues.is_empty() {
            self.look_at_left_behind();
        }
        self.skilled.resize(self.registry.skills.all.len(), 0);
        self.receipts.set_window(policy.rules.request_window);
        self.arm_retention();
        self.measure_agents(before);
        self.renew_lending();
        self.step_duty.clear();
        let classes = self.index.len() as u32;
        if relaxed_before || self.registry.relaxes() {
            self.restep(&restepped);
        }
        match reach.whole || self.index.pools.forsaken() > SPARE_POOLS {
            true => self.enrol_all(),
            false => self.enrol_reached(&reach, classes),
        }
        self.recount_steps();
        if !reach.overflow.is_empty() {
            self.renew_overflow(&reach.overflow);
        }
        self.look_again(&reach);
    }

    /// Puts those on the agenda who wait in queues that a policy reached. Others wait as they did: nobody else may take
    /// them, and no rule acts at another time.
    fn look_again(&mut self, reach: &Reach) {
        let classes = self.index.iter().filter(|(_, class)| reach.has_queue(class.queue));
        let mut again: Vec<u32> = classes.flat_map(|(_, class)| class.waiting.iter(&self.contacts)).collect();
        if reach.whole || reach.queues.contains(&true) {
            for agent in 0..self.agents.len() {
                again.extend(self.agents[agent].only.iter(&self.contacts));
            }
        }
        for contact in again.into_iter().map(|slot| self.contact_at(slot)).collect::<Vec<_>>() {
            // Waits at which more agents may take it, or a rule may act, may have changed.
            self.arm_contact(contact);
            self.check_if_due(contact);
            self.agenda.contacts.push(contact);
        }
        self.agenda.sorted = false;
        self.renew_short();
    }

    /// Queues have other overflow rules: what has acted is forgotten. Waits passed before stay passed. A pass over the
    /// contacts.
    fn renew_overflow(&mut self, queues: &[QueueId]) {
        for slot in 0..self.contacts.slots() {
            let entry = self.contacts.peek(slot).and_then(|held| held.entry);
            if entry.is_some_and(|entry| entry.acted != 0 && queues.contains(&entry.queue)) {
                self.contacts.at_mut(slot).entry.as_mut().expect("it is there").acted = 0;
            }
        }
    }

    /// Puts whoever waits in a queue that is gone on the agenda, in order of arrival. A pass over all contacts.
    fn look_at_left_behind(&mut self) {
        let gone = |held: &Contact| held.entry.is_some_and(|entry| !self.registry.queues[entry.queue.index()].live);
        let left: Vec<ContactId> =
            self.contacts_from(0).filter(|(_, held)| gone(held)).map(|(contact, _)| contact).collect();
        self.agenda.checks.extend(left.into_iter().rev());
    }

    /// After an outage: what people were given time for goes on from where it stood, and every lease starts anew. A pass
    /// over legs, bars, agents and gateways.
    fn resume(&mut self, outage: Span) {
        // Nobody could turn to anybody meanwhile: what passed says nothing of how queues are emptied.
        let now = self.now;
        self.drains.iter_mut().for_each(|drain| drain.skip(now));
        let moves = |leg: &Leg| matches!(leg.state, LegState::Offered | LegState::Assigned | LegState::WrapUp);
        for slot in 0..self.legs.slots() {
            let Some(leg) = self.legs.peek(slot).filter(|leg| moves(leg)) else { continue };
            let moved = leg.deadline.get().map(|at| at + outage);
            self.legs.at_mut(slot).deadline = moved.into();
            self.arm(Due::Leg, slot, moved);
        }
        for slot in 0..self.bars.slots() {
            let Some(until) = self.bars.peek(slot).map(|bar| bar.until + outage) else { continue };
            self.bars.at_mut(slot).until = until;
            self.arm(Due::Bar, slot, Some(until));
        }
        for slot in 0..self.agents.len() {
            let held = &mut self.agents[slot];
            held.not_responding = held.not_responding.map(|until| until + outage);
            let until = held.not_responding;
            self.arm(Due::Agent, slot, until);
            self.arm_lease(self.now, AgentId(slot));
        }
        for slot in 0..self.gateways.len() {
            let held = &mut self.gateways[slot];
            held.grace = held.grace.map(|until| until + outage);
            let leased = held.session && held.streams == 0 && !held.lease.is_zero();
            let until = held.grace.or(leased.then(|| self.now + held.lease));
            self.arm(Due::Gateway, slot as u32, until);
        }
    }

    /// Empties the customer's part of every contact of his, as the journal has it from then on.
    fn forget_customer(&mut self, customer_id: &Text) {
        if customer_id.is_empty() {
            return;
        }
        for slot in 0..self.contacts.slots() {
            let customer = self.contacts.peek(slot).and_then(|held| held.profile.customer.as_ref());
            if customer.is_some_and(|customer| customer.customer_id == *customer_id) {
                let held = self.contacts.at_mut(slot);
                let mut profile = (*held.profile).clone();
                profile.customer = Some(Arc::default());
                held.profile = Arc::new(profile);
            }
        }
    }

    fn intern_gateway(&mut self, gateway_id: &Text) -> GatewayId {
        if let Some(&known) = self.gateway_ids.get(gateway_id) {
            return known;
        }
        let gateway = GatewayId(self.gateways.len() as u32);
        self.gateway_ids.insert(gateway_id.clone(), gateway);
        self.gateways.push(Gateway {
            gateway_id: gateway_id.clone(),
            session: false,
            lease: Span::ZERO,
            grace: None,
            streams: 0,
            first: NONE,
        });
        gateway
    }

    pub(super) fn arm(&mut self, due: Due, slot: u32, at: Option<Time>) {
        match at {
            Some(at) => self.timers.set(due as u8, slot, at.0),
            None => {
                self.timers.cancel(due as u8, slot);
            }
        }
    }

    // ---- contacts

    fn evolve_contact(&mut self, contact: ContactId, event: &Event) {
        match event {
            Event::ContactCreated { new, .. } => self.create_contact(contact, new),
            Event::ContactQueued { queue, cause, only, .. } => {
                self.enter_queue(contact, *queue, *only);
                if matches!(cause, EntryCause::Arrived | EntryCause::Scheduled | EntryCause::Overflowed) {
                    self.agenda.arrivals.push(contact);
                    if !self.is_open(*queue) {
                        self.agenda.doors.push(contact);
                    }
                }
            }
            Event::ContactUnrestricted { .. } => {
                let waits = self.contacts.at(contact.slot()).links.is_in();
                self.step_out(contact);
                if let Some(entry) = &mut self.contacts.at_mut(contact.slot()).entry {
                    entry.only = None;
                }
                if waits {
                    self.line_up(contact);
                }
                self.arm_contact(contact);
            }
            Event::ContactUpdated { change, .. } => self.change_contact(contact, change),
            Event::ContactParked { until, .. } => {
                self.step_out(contact);
                let now = self.now;
                let entry = self.contacts.at_mut(contact.slot()).entry.as_mut().expect("only an entry is parked");
                (entry.parked_since, entry.park_until) = (now.into(), *until);
                self.parked.insert((entry.queue, contact.slot()));
                self.arm_contact(contact);
            }
            Event::ContactUnparked { .. } => {
                let now = self.now;
                let entry = self.contacts.at_mut(contact.slot()).entry.as_mut().expect("only an entry is parked");
                let since = core::mem::take(&mut entry.parked_since).get().expect("a parked entry knows since when");
                entry.parked += now.since(since);
                self.parked.remove(&(entry.queue, contact.slot()));
                self.line_up(contact);
                self.agenda.checks.push(contact);
                self.arm_contact(contact);
            }
            Event::ContactTransferred { .. } => self.forget_preferred(contact),
            // The entry goes with the event that begins the next one: until then the contact waits on.
            Event::ContactMoved { exit, .. } => {
                let direction = self.contacts.at(contact.slot()).direction;
                self.tally.go_on(exit.queue, direction);
            }
            Event::SurveySubmitted { kind, .. } => self.contacts.at_mut(contact.slot()).surveys |= kind.bit(),
            Event::NoWillingAgent { .. } => {
                self.lift_bars(contact);
                let held = self.contacts.at_mut(contact.slot());
                held.entry.as_mut().expect("only an entry is declined").declines = 0;
                self.agenda.passed.push((contact, Passed::Declined));
            }
            Event::BarLifted { bar, .. } => self.lift_bar(contact, *bar),
            Event::WaitReached { wait, .. } => self.reach(contact, *wait),
            Event::ContactRelaxed { after, skipped, advanced, .. } => self.relax(contact, *after, *skipped, *advanced),
            Event::ContactUnservableChanged { unservable, .. } => self.flag_unservable(contact, *unservable),
            Event::StepsExhausted { .. } => self.exhaust(contact),
            Event::ContactOverflowed { rule, .. } => self.note_acted(contact, *rule),
            Event::ContactEnded { outcome, reason, exit, disposition, .. } => {
                self.end_contact(contact, (*outcome, *reason), *exit, disposition);
            }
            Event::ContactClosed { .. } => self.close_contact(contact),
            Event::ContactForgotten { .. } => self.forget_contact(contact),
            _ => unreachable!("{event:?} is not a contact's alone"),
        }
    }

    /// An overflow rule has acted in a contact's entry.
    fn note_acted(&mut self, contact: ContactId, rule: u32) {
        let held = self.contacts.at_mut(contact.slot());
        held.entry.as_mut().expect("only an entry overflows").acted |= 1 << rule;
    }

    /// A contact has passed a wait: rules are looked at, and whoever may take it from now on.
    fn reach(&mut self, contact: ContactId, wait: Span) {
        let entry = self.contacts.at_mut(contact.slot()).entry.as_mut().expect("only an entry waits");
        let before = core::mem::replace(&mut entry.reached, wait);
        self.agenda.passed.push((contact, Passed::Wait(before)));
        self.agenda.contacts.push(contact);
        self.agenda.sorted = false;
        self.arm_contact(contact);
        self.check_if_due(contact);
    }

    fn create_contact(&mut self, contact: ContactId, new: &NewContact) {
        let NewContact { profile, digest, queue, agent_id, priority, requirement, schedule, expire, .. } = new;
        let arrival = new.arrival.unwrap_or(self.now);
        let gateway = (!profile.gateway_id.is_empty()).then(|| self.intern_gateway(&profile.gateway_id));
        let channel = self.registry.channel(&profile.channel).expect("decide has looked the channel up");
        let key = self.contacts.insert(Contact {
            profile: profile.clone(),
            requirement: requirement.clone(),
            serial: self.sequence,
            channel,
            direction: profile.direction,
            priority: *priority as i8,
            gateway: gateway.map_or(NONE, |gateway| gateway.0),
            gateway_links: (NONE, NONE),
            links: Links::default(),
            created: self.now,
            arrival,
            adjusted_arrival: arrival - new.age_credit,
            begin: (*schedule).into(),
            expire: (*expire).into(),
            queue: self.registry.queue(queue).map_or(NONE, |queue| queue.0),
            answered: MaybeTime::NONE,
            entry: None,
            owner: None,
            entry_leg: None,
            last_leg: None,
            entries: 0,
            legs: 0,
            live_legs: 0,
            bars: NONE,
            direct: self.find_agent(agent_id).filter(|_| !agent_id.is_empty()).map_or(NONE, |agent| agent.0),
            digest: *digest,
            outcome: None,
            ended: MaybeTime::NONE,
            closed: false,
            surveys: 0,
            policy_version: self.registry.policy.version as u32,
            disposition: Text::default(),
        });
        assert_eq!(key, contact.0, "an event names the slot its contact gets");
        self.contact_ids.insert(hash_bytes(self.seed, profile.contact_id.as_bytes()), contact.slot());
        if let Some(gateway) = gateway {
            let first = core::mem::replace(&mut self.gateways[gateway.index()].first, contact.slot());
            self.contacts.at_mut(contact.slot()).gateway_links.1 = first;
            if first != NONE {
                self.contacts.at_mut(first).gateway_links.0 = contact.slot();
            }
        }
        self.arm_contact(contact);
    }

    fn enter_queue(&mut self, contact: ContactId, queue: QueueId, only: Option<(AgentId, Time)>) {
        self.leave_entry(contact);
        let held = self.contacts.at(contact.slot());
        let (channel, direction) = (held.channel, held.direction);
        let asked = self.asked_in(held, queue, 0, 0);
        let (class, last) = self.intern_classes(queue, channel, &asked);
        let unservable = only.is_none() && !self.index.class(last).is_staffed();
        let rules = &self.registry.queues[queue.index()].rules;
        let measured = EntryRules {
            threshold: rules.service_level.threshold,
            short: rules.short_abandon,
            max_wait: rules.max_wait.unwrap_or(self.registry.channels[channel.index()].max_wait),
        };
        let entry = Entry {
            queue,
            class,
            last,
            unservable,
            enter: self.now,
            parked: Span::ZERO,
            parked_since: MaybeTime::NONE,
            park_until: Time(0),
            only: only.map(|(agent, _)| agent),
            only_until: only.map_or(Time(0), |(_, until)| until),
            offers: 0,
            declines: 0,
            reached: Span::ZERO,
            acted: 0,
            step: 0,
            skipped: 0,
            advanced: Span::ZERO,
            exhausted: false,
            rules: self.registry.share(measured),
        };
        let now = self.now;
        let held = self.contacts.at_mut(contact.slot());
        held.entry = Some(entry);
        held.entry_leg = None;
        held.owner = None;
        if held.entries == 0 {
            held.begin = now.into();
        }
        held.entries += 1;
        held.queue = queue.0;
        self.tally.enter(queue, direction);
        self.take_place(queue);
        self.line_up(contact);
        self.arm_contact(contact);
    }

    /// Ends the open entry, whatever its books say.
    fn leave_entry(&mut self, contact: ContactId) {
        self.step_out(contact);
        self.lift_bars(contact);
        self.leave_place(contact);
        let held = self.contacts.at_mut(contact.slot());
        if let Some(entry) = held.entry.take().filter(|entry| entry.parked_since.is_some()) {
            self.parked.remove(&(entry.queue, contact.slot()));
        }
        held.entry_leg = None;
        self.short.remove(&contact);
        self.filling.remove(&contact);
    }

    fn change_contact(&mut self, contact: ContactId, change: &ContactChange) {
        let waits = self.contacts.at(contact.slot()).links.is_in();
        self.step_out(contact);
        let held = self.contacts.at_mut(contact.slot());
        let mut profile = (*held.profile).clone();
        if let Some(customer) = &change.customer {
            profile.customer.clone_from(customer);
        }
        if let Some(attributes) = &change.attributes {
            profile.attributes.clone_from(attributes);
        }
        if let Some(conversation) = &change.conversation_id {
            profile.conversation_id.clone_from(conversation);
        }
        if let Some(preferred) = &change.preferred_agent_id {
            profile.preferred_agent_id.clone_from(preferred);
        }
        held.profile = Arc::new(profile);
        if let Some(priority) = change.priority {
            held.priority = priority as i8;
        }
        if let Some(expire) = change.expire {
            held.expire = expire.into();
        }
        if let Some(requirement) = &change.requirement {
            held.requirement.clone_from(requirement);
        }
        if held.entry.is_some() && (change.requirement.is_some() || change.preferred_agent_id.is_some()) {
            self.reclass(contact);
            self.note_short(contact);
            self.agenda.checks.push(contact);
            self.flag_unservable(contact, self.is_unservable(self.contacts.at(contact.slot())));
        }
        if waits {
            self.line_up(contact);
        }
        self.arm_contact(contact);
    }

    fn end_contact(
        &mut self,
        contact: ContactId,
        outcome: (Outcome, Reason),
        exit: Option<EntryExit>,
        disposition: &Text,
    ) {
        let queue = self.waits_in_line(contact).filter(|_| outcome.0 == Outcome::Abandoned);
        self.leave_entry(contact);
        if let Some(queue) = queue {
            self.drains[queue.index()].leave();
        }
        let now = self.now;
        let held = self.contacts.at_mut(contact.slot());
        held.outcome = Some(outcome);
        held.ended = now.into();
        held.disposition = disposition.clone();
        held.owner = held.owner.filter(|_| held.live_legs > 0);
        let direction = held.direction;
        if let Some(exit) = exit {
            self.tally.exit(exit.queue, direction, outcome.0);
            self.note_exit(exit, outcome.0);
        }
        self.leave_gateway(contact);
        self.arm_contact(contact);
        self.agenda.checks.push(contact);
    }

    fn leave_gateway(&mut self, contact: ContactId) {
        let held = self.contacts.at_mut(contact.slot());
        let gateway = core::mem::replace(&mut held.gateway, NONE);
        if gateway == NONE {
            return;
        }
        let (newer, older) = core::mem::replace(&mut held.gateway_links, (NONE, NONE));
        match newer {
            NONE => self.gateways[gateway as usize].first = older,
            newer => self.contacts.at_mut(newer).gateway_links.1 = older,
        }
        if older != NONE {
            self.contacts.at_mut(older).gateway_links.0 = newer;
        }
    }

    fn close_contact(&mut self, contact: ContactId) {
        let slot = contact.slot();
        self.contacts.at_mut(slot).closed = true;
        // The gateway's links are free now; they hold the order of retention.
        match self.ended.1 {
            NONE => self.ended.0 = slot,
            newest => self.contacts.at_mut(newest).gateway_links.1 = slot,
        }
        self.ended.1 = slot;
        self.ended_count += 1;
        self.arm_retention();
    }

    fn forget_contact(&mut self, contact: ContactId) {
        let slot = contact.slot();
        assert_eq!(self.ended.0, slot, "ended contacts are forgotten oldest first");
        let held = self.contacts.remove(contact.0).expect("a contact is forgotten once");
        self.ended.0 = held.gateway_links.1;
        if self.ended.0 == NONE {
            self.ended.1 = NONE;
        }
        self.ended_count -= 1;
        self.contact_ids.remove(hash_bytes(self.seed, held.profile.contact_id.as_bytes()), |other| other == slot);
        let mut next = held.last_leg;
        while let Some(leg) = next {
            next = self.legs.remove(leg.0).expect("a leg is kept with its contact").older;
        }
        self.arm_retention();
    }

    fn arm_retention(&mut self) {
        let rules = &self.registry.policy.rules;
        self.retention = match self.ended.0 {
            NONE => None,
            _ if self.ended_count > rules.retained_contacts => Some(self.now),
            oldest => Some(self.closed_at(self.contact_at(oldest)) + rules.retention),
        };
    }

    /// Sets the contact's one timer to the next deadline of its state.
    pub(super) fn arm_contact(&mut self, contact: ContactId) {
        let at = self.contact_deadline(self.contacts.at(contact.slot()));
        self.arm(Due::Contact, contact.slot(), at);
    }

    /// The next deadline of a contact in its state: `schedule_time`; `park_timeout`; `max_wait`, measured; the end of
    /// its restriction to one agent; `expire_time`. None while an offer or assignment is open: then they wait.
    pub(in crate::engine) fn contact_deadline(&self, held: &Contact) -> Option<Time> {
        if held.outcome.is_some() {
            return None;
        }
        let Some(entry) = &held.entry else {
            let scheduled = held.schedule().filter(|_| held.live_legs == 0 && held.answered.is_none());
            return scheduled.map(|at| held.expires().map_or(at, |expire| expire.min(at)));
        };
        if held.entry_leg.is_some() {
            return None;
        }
        let at = match entry.parked_since.get() {
            Some(_) => entry.park_until,
            None => {
                let most = entry.enter + self.entry_rules(entry).max_wait + entry.parked;
                let most = entry.only.map_or(most, |_| entry.only_until.min(most));
                let rules = &self.registry.queues[entry.queue.index()];
                let point = rules.points.iter().copied().find(|&point| point > entry.reached);
                let next = point.into_iter().chain(rules.steps().next(entry)).min();
                next.map_or(most, |point| most.min(entry.enter + point + entry.parked))
            }
        };
        Some(held.expires().map_or(at, |expire| expire.min(at)))
    }

    /// Whether an overflow rule may act at a wait just reached.
    pub(in crate::engine) fn overflow_due(&self, entry: &Entry, wait: Span) -> bool {
        let rules = &self.registry.queues[entry.queue.index()].rules.overflow;
        rules.iter().any(|rule| matches!(rule.trigger, Trigger::Wait(at) if entry.reached < at && at <= wait))
    }

    /// The latest wait a contact has passed at which more agents may take it, if it is past one not yet said.
    pub(in crate::engine) fn reached(&self, entry: &Entry, now: Time) -> Option<Span> {
        let wait = entry.wait(now);
        let points = &self.registry.queues[entry.queue.index()].points;
        points.iter().rev().find(|&&point| point <= wait).copied().filter(|&point| point > entry.reached)
    }

    // ---- bars

    fn bar(&mut self, contact: ContactId, agent: AgentId, barred: Option<(BarId, Time)>) {
        let Some((bar, until)) = barred else { return };
        let next = self.first_bar(self.contacts.at(contact.slot()));
        let held = self.contacts.at_mut(contact.slot());
        let key = self.bars.insert(Bar { contact, agent, until, next });
        assert_eq!(key, bar.0, "an event names the slot its bar gets");
        held.bars = bar.slot();
        self.arm(Due::Bar, bar.slot(), Some(until));
    }

    fn lift_bar(&mut self, contact: ContactId, bar: BarId) {
        let lifted = self.bars.remove(bar.0).expect("a bar is lifted once");
        self.arm(Due::Bar, bar.slot(), None);
        let held = self.contacts.at_mut(contact.slot());
        if held.bars == bar.slot() {
            held.bars = lifted.next.map_or(NONE, BarId::slot);
        } else {
            let mut at = BarId(self.bars.key_of(held.bars));
            while let Some(next) = self.bars.get(at.0).expect("a chain has no holes").next {
                if next == bar {
                    self.bars.get_mut(at.0).expect("it was there").next = lifted.next;
                    break;
                }
                at = next;
            }
        }
        if self.contacts.at(contact.slot()).entry.is_some_and(|entry| entry.parked_since.is_none()) {
            self.agenda.contacts.push(contact);
            self.agenda.sorted = false;
        }
    }

    fn lift_bars(&mut self, contact: ContactId) {
        while let Some(bar) = self.first_bar(self.contacts.at(contact.slot())) {
            let lifted = self.bars.remove(bar.0).expect("a bar is lifted once");
            self.arm(Due::Bar, bar.slot(), None);
            self.contacts.at_mut(contact.slot()).bars = lifted.next.map_or(NONE, BarId::slot);
        }
    }

    // ---- legs

    fn evolve_leg(&mut self, contact: ContactId, leg: LegId, event: &Event) {
        match event {
            Event::OfferIssued { agent, cost, expires, broadcast, .. } => {
                self.issue(contact, leg, *agent, *cost, (*expires, *broadcast));
            }
            Event::LegAssigned { agent, cost, connect_by, .. } => self.assign(contact, leg, *agent, *cost, *connect_by),
            Event::OfferAccepted { connect_by, .. } => {
                let now = self.now;
                let held = self.legs.at_mut(leg.slot());
                (held.offer, held.accepted) = (OfferState::Accepted, now.into());
                let agent = held.agent;
                let held = &mut self.agents[agent.0];
                held.make_good(&[Fault::Expired, Fault::Delivery]);
                held.declines = 0;
                self.move_leg(leg, LegState::Assigned, Some(*connect_by));
                let held = self.contacts.at_mut(contact.slot());
                held.entry_leg = Some(leg);
                held.entry.as_mut().expect("only an entry is offered").offers -= 1;
                self.note_short(contact);
                self.take_from_pools(leg);
            }
            Event::OfferDeclined { barred, .. } => {
                self.agents[self.legs.at(leg.slot()).agent.0].declines += 1;
                if let Some(entry) = &mut self.contacts.at_mut(contact.slot()).entry {
                    entry.declines += 1;
                }
                self.end_offer(leg, OfferState::Declined, *barred);
            }
            Event::OfferExpired { barred, .. } => {
                let Leg { agent, broadcast, .. } = *self.legs.at(leg.slot());
                if !broadcast {
                    self.agents[agent.0].faults[Fault::Expired as usize] += 1;
                    self.move_clocks(agent, contact);
                }
                self.end_offer(leg, OfferState::Expired, *barred);
            }
            Event::OfferFailed { cause, barred, .. } => {
                if *cause == FailCause::Delivery {
                    let agent = self.legs.at(leg.slot()).agent;
                    self.agents[agent.0].faults[Fault::Delivery as usize] += 1;
                }
                self.end_offer(leg, OfferState::Failed, *barred);
            }
            Event::OfferRescinded { .. } => self.end_offer(leg, OfferState::Rescinded, None),
            Event::OfferCancelled { .. } => self.end_offer(leg, OfferState::Cancelled, None),
            Event::OfferRevoked { .. } => self.end_offer(leg, OfferState::Revoked, None),
            Event::LegConnected { answer, .. } => self.connect(contact, leg, *answer),
            Event::LegHeld { by, .. } => self.hold(leg, *by),
            Event::LegResumed { .. } => {
                self.take_back(leg);
                self.move_leg(leg, LegState::Connected, None);
                self.interruptible_changed(self.legs.at(leg.slot()).agent);
            }
            Event::LegWrapUpStarted { until, cause, .. } => {
                self.take_back(leg);
                self.legs.at_mut(leg.slot()).end_cause = Some(*cause);
                self.move_leg(leg, LegState::WrapUp, Some(*until));
                self.interruptible_changed(self.legs.at(leg.slot()).agent);
            }
            Event::LegEnded { cause, barred, disposition, resolved, .. } => {
                self.end_leg(leg, *cause, *barred, disposition, *resolved);
            }
            Event::MaxHandlePassed { .. } => {
                let held = self.legs.at_mut(leg.slot());
                (held.over_max_handle, held.deadline) = (true, MaybeTime::NONE);
            }
            _ => unreachable!("{event:?} is not a leg's"),
        }
        self.arm_leg(leg);
    }

    fn issue(&mut self, contact: ContactId, leg: LegId, agent: AgentId, cost: u32, (expires, broadcast): (Time, bool)) {
        let channel = self.contacts.at(contact.slot()).channel;
        assert!(self.has_room(&self.agents[agent.0], channel), "an offer exceeds the capacity of {agent:?}");
        self.note_offer(agent);
        self.step_out(contact);
        self.turn_drain(contact);
        self.leave_place(contact);
        self.begin_leg(contact, leg, agent, cost, (LegState::Offered, OfferState::Issued), expires);
        let held = self.contacts.at_mut(contact.slot());
        held.entry_leg = Some(leg);
        let entry = held.entry.as_mut().expect("only an entry is offered");
        entry.offers += 1;
        entry.unservable = false;
        let queue = entry.queue;
        self.take_turn(queue, agent);
        self.arm_contact(contact);
        if broadcast {
            self.legs.at_mut(leg.slot()).broadcast = true;
            self.filling.insert(contact);
            self.note_short(contact);
        }
    }

    /// A leg begins without an offer: the entry's, when one is open, or a direct one.
    fn assign(&mut self, contact: ContactId, leg: LegId, agent: AgentId, cost: u32, connect_by: Time) {
        self.step_out(contact);
        self.turn_drain(contact);
        self.leave_place(contact);
        self.begin_leg(contact, leg, agent, cost, (LegState::Assigned, OfferState::None), connect_by);
        self.take_from_pools(leg);
        let held = self.contacts.at_mut(contact.slot());
        if let Some(entry) = &mut held.entry {
            entry.unservable = false;
            held.entry_leg = Some(leg);
        } else {
            held.owner = Some(leg);
            if held.entries == 0 {
                held.begin = MaybeTime::NONE;
            }
        }
        self.arm_contact(contact);
    }

    fn begin_leg(
        &mut self,
        contact: ContactId,
        leg: LegId,
        agent: AgentId,
        cost: u32,
        (state, offer): (LegState, OfferState),
        deadline: Time,
    ) {
        let held = self.contacts.at_mut(contact.slot());
        held.legs += 1;
        held.live_legs += 1;
        let queue = held.entry.map(|entry| entry.queue);
        let channel = held.channel;
        let rule = queue.map_or(WrapUp::None, |queue| self.registry.queues[queue.index()].rules.wrap_up);
        let key = self.legs.insert(Leg {
            contact,
            agent,
            number: held.legs,
            state,
            offer,
            end_cause: None,
            entry: held.entry.map_or(0, |_| held.entries),
            queue,
            wrap_up_rule: rule,
            max_handle: self.registry.channels[channel.index()].max_handle,
            cost,
            channel,
            interrupted: None,
            broadcast: false,
            connected_once: false,
            over_max_handle: false,
            older: held.last_leg,
            agent_links: (NONE, self.agents[agent.0].legs),
            begun: self.now,
            deadline: deadline.into(),
            accepted: MaybeTime::NONE,
            connected: MaybeTime::NONE,
            since: self.now,
            ended: MaybeTime::NONE,
            talk: Span::ZERO,
            hold: Span::ZERO,
            wrap_up: Span::ZERO,
            disposition: Text::default(),
            resolved: None,
        });
        assert_eq!(key, leg.0, "an event names the slot its leg gets");
        held.last_leg = Some(leg);
        self.trim_legs(contact);
        let held = &mut self.agents[agent.0];
        if held.legs != NONE {
            self.legs.at_mut(held.legs).agent_links.0 = leg.slot();
        }
        held.legs = leg.slot();
        held.used += cost;
        held.in_hand[channel.index()] += 1;
        self.count_leg(agent, state, 1);
        self.refresh_agent(agent);
    }

    /// Drops a contact's oldest ended leg past the bound, so that a contact nobody takes stays small. Looks only at the
    /// legs just past the bound.
    fn trim_legs(&mut self, contact: ContactId) {
        if self.contacts.at(contact.slot()).legs <= limits::LEGS_PER_CONTACT {
            return;
        }
        let mut at = self.contacts.at(contact.slot()).last_leg;
        for _ in 1..limits::LEGS_PER_CONTACT {
            at = at.and_then(|leg| self.legs.at(leg.slot()).older);
        }
        let Some(keep) = at else { return };
        if let Some(oldest) = self.legs.at(keep.slot()).older
            && self.legs.at(oldest.slot()).state == LegState::Ended
        {
            let older = self.legs.remove(oldest.0).expect("a leg is kept with its contact").older;
            self.legs.at_mut(keep.slot()).older = older;
        }
    }

    fn count_leg(&mut self, agent: AgentId, state: LegState, by: i32) {
        let held = &mut self.agents[agent.0];
        let count = match state {
            LegState::Offered => &mut held.offering,
            LegState::Assigned | LegState::Connected | LegState::OnHold => &mut held.busy,
            LegState::WrapUp => &mut held.wrapping,
            LegState::Ended => return,
        };
        *count = count.checked_add_signed(by).expect("an agent's legs are counted once");
        self.touch(agent);
    }

    /// Moves a leg to its next state and books the time spent in the last.
    fn move_leg(&mut self, leg: LegId, state: LegState, deadline: Option<Time>) {
        let now = self.now;
        let held = self.legs.at_mut(leg.slot());
        let spent = now.since(held.since);
        match held.state {
            LegState::Connected => held.talk += spent,
            LegState::OnHold => held.hold += spent,
            LegState::WrapUp => held.wrap_up += spent,
            LegState::Offered | LegState::Assigned | LegState::Ended => {}
        }
        let before = held.state;
        held.since = now;
        held.state = state;
        held.deadline = match deadline {
            // The alarm counts from the connect, on hold or not.
            None if state.is_talking() && !held.over_max_handle => {
                held.connected.get().map(|at| at + held.max_handle).into()
            }
            deadline => deadline.into(),
        };
        let agent = held.agent;
        self.count_leg(agent, before, -1);
        self.count_leg(agent, state, 1);
    }

    fn hold(&mut self, leg: LegId, by: Option<LegId>) {
        if let Some(by) = by {
            self.interrupt(leg, by);
        }
        self.move_leg(leg, LegState::OnHold, None);
        self.interruptible_changed(self.legs.at(leg.slot()).agent);
    }

    fn connect(&mut self, contact: ContactId, leg: LegId, answer: Option<Answer>) {
        let now = self.now;
        let held = self.legs.at_mut(leg.slot());
        held.connected_once = true;
        held.connected = now.into();
        let agent = held.agent;
        let held = &mut self.agents[agent.0];
        held.make_good(&[Fault::Connect]);
        held.contacts += 1;
        self.move_leg(leg, LegState::Connected, None);
        self.interruptible_changed(agent);
        if let Some(answer) = answer {
            let direction = self.contacts.at(contact.slot()).direction;
            self.tally.answer(answer.queue, direction, answer.within_threshold);
            self.note_answer(answer);
            let rung = now.since(self.legs.at(leg.slot()).begun);
            self.drains[answer.queue.index()].connect(rung);
            self.leave_entry(contact);
        }
        let held = self.contacts.at_mut(contact.slot());
        held.owner = Some(leg);
        held.answered.first(now);
        self.arm_contact(contact);
    }

    fn end_offer(&mut self, leg: LegId, offer: OfferState, barred: Option<(BarId, Time)>) {
        let held = self.legs.at_mut(leg.slot());
        held.offer = offer;
        let contact = held.contact;
        if let Some(entry) = &mut self.contacts.at_mut(contact.slot()).entry {
            entry.offers -= 1;
        }
        self.end_leg(leg, EndCause::Offer, barred, &Text::default(), None);
    }

    fn end_leg(
        &mut self,
        leg: LegId,
        cause: EndCause,
        barred: Option<(BarId, Time)>,
        disposition: &Text,
        resolved: Option<bool>,
    ) {
        self.take_back(leg);
        self.move_leg(leg, LegState::Ended, None);
        let now = self.now;
        let held = self.legs.at_mut(leg.slot());
        held.ended = now.into();
        // What it wrapped up was said when wrap-up began.
        held.end_cause.get_or_insert(cause);
        held.disposition = disposition.clone();
        held.resolved = resolved;
        let Leg { contact, agent, cost, channel, connected_once, agent_links, .. } = *held;
        self.leave_agent(agent, agent_links);
        let held = &mut self.agents[agent.0];
        held.used -= cost;
        held.in_hand[channel.index()] -= 1;
        // A leg put back after it was connected is no connect failure, whatever its cause.
        if !connected_once && matches!(cause, EndCause::ConnectTimeout | EndCause::AgentUnreachable) {
            held.faults[Fault::Connect as usize] += 1;
        }
        self.hand_on(agent, leg);
        if connected_once {
            self.move_clocks(agent, contact);
        }
        self.refresh_agent(agent);
        self.bar(contact, agent, barred);
        let held = self.contacts.at_mut(contact.slot());
        held.live_legs -= 1;
        if held.owner == Some(leg) {
            held.owner = None;
        }
        if held.entry_leg == Some(leg) {
            // Of several offers the next newest; with the last the contact waits again.
            let next = self.open_legs(self.contacts.at(contact.slot())).next();
            let held = self.contacts.at_mut(contact.slot());
            held.entry_leg = next;
            if let Some(entry) = held.entry.filter(|_| next.is_none()) {
                self.take_place(entry.queue);
                self.line_up(contact);
            }
        }
        self.note_short(contact);
        self.arm_contact(contact);
        self.agenda.checks.push(contact);
    }

    /// A contact moves its agent's idle clocks: the one of inbound contacts only if it is one.
    fn move_clocks(&mut self, agent: AgentId, contact: ContactId) {
        self.set_idle(agent);
        if self.contacts.at(contact.slot()).direction == Direction::Inbound {
            self.agents[agent.0].inbound_since = Some(self.now);
        }
    }

    fn leave_agent(&mut self, agent: AgentId, (newer, older): (u32, u32)) {
        match newer {
            NONE => self.agents[agent.0].legs = older,
            newer => self.legs.at_mut(newer).agent_links.1 = older,
        }
        if older != NONE {
            self.legs.at_mut(older).agent_links.0 = newer;
        }
    }

    fn arm_leg(&mut self, leg: LegId) {
        let held = self.legs.at(leg.slot());
        let at = held.deadline.get().filter(|_| held.state != LegState::Ended);
        self.arm(Due::Leg, leg.slot(), at);
    }

    // ---- agents

    fn evolve_agent(&mut self, agent: AgentId, event: &Event) {
        match event {
            Event::AgentUpserted { profile, overrides, .. } => self.upsert_agent(agent, profile, overrides),
            Event::AgentRemoved { .. } => self.agents[agent.0].removed = true,
            Event::AgentDeleted { .. } => {
                self.count_duty(agent, false);
                self.count_steps(agent, false);
                self.check_awaiting(agent);
                let held = &mut self.agents[agent.0];
                (held.deleted, held.presence, held.session) = (true, Presence::Offline, false);
                (held.streams, held.resting) = (0, 0);
                // What was set for a time goes with him.
                (held.profile, held.overrides) = (held.base(), Vec::new());
                self.arm(Due::Rest, agent.0, None);
                self.arm(Due::Skills, agent.0, None);
                self.enrol_agent(agent);
            }
            Event::AgentSignedIn { presence, lease, .. } => {
                let held = &mut self.agents[agent.0];
                (held.session, held.lease) = (true, *lease);
                (held.faults, held.lapses, held.declines, held.not_responding) = ([0; 3], [0; 3], 0, None);
                (held.contacts, held.signed_in_since) = (0, self.now);
                self.arm(Due::Agent, agent.0, None);
                self.take_presence(agent, presence);
            }
            Event::AgentSignedOut { .. } => {
                self.agents[agent.0].session = false;
                self.arm(Due::Lease, agent.0, None);
                self.take_presence(agent, &Presence::Offline);
            }
            Event::AgentPresenceChanged { after, next, .. } => {
                self.take_presence(agent, after);
                self.agents[agent.0].next_presence.clone_from(next);
            }
            Event::AgentRoutingChanged { after, .. } => {
                let held = &mut self.agents[agent.0];
                (held.routing, held.routing_since) = (*after, self.now);
                return;
            }
            Event::AgentNotResponding { fault, until, .. } => {
                let held = &mut self.agents[agent.0];
                held.not_responding = Some(*until);
                held.lapses[*fault as usize] += 1;
                self.arm(Due::Agent, agent.0, Some(*until));
            }
            Event::AgentResponding { .. } => {
                let now = self.now;
                let held = &mut self.agents[agent.0];
                if held.not_responding.is_some_and(|until| now < until) {
                    // He said himself that he is there.
                    held.lapses = [0; 3];
                }
                (held.not_responding, held.faults) = (None, [0; 3]);
                self.arm(Due::Agent, agent.0, None);
            }
            Event::AgentRestStarted { cause, .. } => self.rest(agent, *cause, true),
            Event::AgentRestEnded { cause, .. } => self.rest(agent, *cause, false),
            Event::AgentSessionOpened { .. } => self.agents[agent.0].session = true,
            Event::AgentSessionLost { .. } => self.agents[agent.0].session = false,
            _ => unreachable!("{event:?} is not an agent's"),
        }
        self.refresh_agent(agent);
        self.touch(agent);
    }

    fn take_presence(&mut self, agent: AgentId, presence: &Presence) {
        self.count_duty(agent, false);
        self.count_steps(agent, false);
        let held = &mut self.agents[agent.0];
        let became_available = *presence == Presence::Available && held.presence != Presence::Available;
        held.presence = presence.clone();
        held.next_presence = None;
        if became_available {
            (held.inbound_since, held.available_since) = (Some(self.now), Some(self.now));
            self.set_idle(agent);
        }
        self.count_duty(agent, true);
        self.count_steps(agent, true);
        if *presence == Presence::Offline {
            self.check_awaiting(agent);
        }
    }

    fn upsert_agent(&mut self, agent: AgentId, profile: &Arc<AgentProfile>, overrides: &[SkillOverride]) {
        if agent.0 == self.agents.len() {
            let window = self.registry.occupancy_window;
            let occupancy = window.map(|window| Box::new(Occupancy::new(window, self.now)));
            self.agents.push(Agent { occupancy, ..Agent::new(profile.clone()) });
            self.agent_ids.insert(hash_bytes(self.seed, profile.agent_id.as_bytes()), agent.0);
            self.index.pools.add_agent();
        }
        self.count_steps(agent, false);
        let held = &mut self.agents[agent.0];
        (held.profile, held.capacity) = (profile.clone(), profile.capacity);
        held.overrides = overrides.to_vec();
        (held.removed, held.deleted) = (false, false);
        let ends = held.override_ends();
        self.arm(Due::Skills, agent.0, ends);
        self.compile_agent(agent, profile);
        self.count_steps(agent, true);
        self.check_awaiting(agent);
        self.enrol_agent(agent);
        // Classes gained may hold contacts for an agent who kept his room.
        if self.agents[agent.0].room != 0 {
            self.hunger(agent);
        }
    }

    pub(super) fn compile_agent(&mut self, agent: AgentId, profile: &AgentProfile) {
        let levels = self.registry.levels(profile);
        self.count_duty(agent, false);
        let held = &mut self.agents[agent.0];
        held.listed = self.registry.listed(&profile.agent_id);
        held.team = profile.team.as_ref().and_then(|team| self.registry.team(team));
        let before = core::mem::replace(&mut held.levels, levels);
        before.iter().for_each(|held| self.skilled[held.skill().index()] -= 1);
        self.agents[agent.0].levels.iter().for_each(|held| self.skilled[held.skill().index()] += 1);
        self.count_duty(agent, true);
    }
}

impl State {
    // ---- leases: signs of life, not folded from events

    /// A sign of life of an agent: `streams` opened (or closed, below zero). His lease runs while none is open.
    pub(in crate::engine) fn renew_lease(&mut self, now: Time, agent_id: &str, streams: i32) {
        let Some(agent) = self.find_agent(agent_id) else { return };
        let held = &mut self.agents[agent.0];
        held.streams = held.streams.saturating_add_signed(streams);
        self.arm_lease(now, agent);
    }

    pub(super) fn arm_lease(&mut self, now: Time, agent: AgentId) {
        let held = &self.agents[agent.0];
        let runs = held.signed_in() && held.session && held.streams == 0 && !held.lease.is_zero();
        let until = now + held.lease;
        self.arm(Due::Lease, agent.0, runs.then_some(until));
    }

    /// A sign of life of a gateway.
    pub(in crate::engine) fn renew_gateway(&mut self, now: Time, gateway_id: &str, streams: i32) {
        let Some(gateway) = self.find_gateway(gateway_id) else { return };
        let held = &mut self.gateways[gateway.index()];
        held.streams = held.streams.saturating_add_signed(streams);
        if !held.session {
            return;
        }
        let runs = held.streams == 0 && !held.lease.is_zero();
        let until = now + held.lease;
        self.arm(Due::Gateway, gateway.0, runs.then_some(until));
    }

    /// Sets again the deadline a fired one leaves behind: the rest of a lost gateway's contacts, in the next step.
    pub(in crate::engine) fn rearm(&mut self, (due, slot): (Due, u32)) {
        if due == Due::Gateway
            && let Some(grace) = self.gateways[slot as usize].grace
        {
            self.arm(Due::Gateway, slot, Some(grace.max(self.now)));
        }
    }
}
