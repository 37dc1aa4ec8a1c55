//! Every invariant in one function: run after each command in tests and every so often in simulation.
//!
//! It recounts by scanning and compares with the indexes and counters; O(everything), so never on the live path.

use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::agent::Rest;
use super::contact::{Contact, ContactState, Direction, Leg, LegState, OfferState};
use super::id::{AgentId, ContactId, QueueId, Text};
use super::state::State;
use super::time::Time;

impl State {
    /// Checks every invariant.
    ///
    /// # Errors
    /// What does not hold, in words, all of it.
    pub fn audit(&self, now: Time) -> Result<(), Vec<String>> {
        let mut faults = Vec::new();
        self.audit_books(&mut faults);
        self.audit_places(&mut faults);
        self.audit_contacts(now, &mut faults);
        self.audit_agents(now, &mut faults);
        self.audit_lines(&mut faults);
        self.audit_work_conservation(&mut faults);
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }

    /// Invariant 1: the books of every queue close, and the open entries are there.
    fn audit_books(&self, faults: &mut Vec<String>) {
        let mut open = alloc::vec![[0u64; Direction::COUNT]; self.queue_count()];
        for (_, contact) in self.contacts_from(0) {
            if let Some(entry) = &contact.entry {
                open[entry.queue.index()][contact.direction as usize] += 1;
            }
        }
        for (queue, open) in open.iter().enumerate() {
            for direction in Direction::ALL {
                let books = self.tally().books(QueueId(queue as u32), direction);
                check(faults, books.close(), || {
                    format!("books of queue {queue} {direction:?} do not close: {books:?}")
                });
                let found = open[direction as usize];
                check(faults, books.waiting == found, || {
                    format!("queue {queue} {direction:?} has {found} open entries, its books say {}", books.waiting)
                });
            }
        }
    }

    /// Invariant 5 on the live path: looks at up to `most` contacts from a slot on, and gives the states of those, and of
    /// their legs, that are past their deadline though nothing is due; none unless there is a bug. And the slot to go on
    /// at; none after the last.
    #[must_use]
    pub fn sweep(&self, now: Time, from: u32, most: usize) -> (Vec<ContactState>, Option<u32>) {
        let mut stuck = Vec::new();
        for (looked, (id, contact)) in self.contacts_from(from).enumerate() {
            if looked >= most {
                return (stuck, Some(id.slot()));
            }
            let state = self.contact_state(id);
            if state == ContactState::Closed {
                continue;
            }
            if !self.is_bounded(now, contact, state) {
                stuck.push(state);
            }
            let legs = self.contact_legs(id).filter(|(_, leg)| leg.state != LegState::Ended);
            stuck.extend(legs.filter(|(_, leg)| !leg_is_bounded(now, leg)).filter_map(|(_, leg)| of_leg(leg.state)));
        }
        (stuck, None)
    }

    /// Whether a contact that no leg holds has a way out ahead of it.
    fn is_bounded(&self, now: Time, contact: &Contact, state: ContactState) -> bool {
        match state {
            ContactState::Scheduled | ContactState::Parked | ContactState::Queued => {
                self.contact_deadline(contact).is_some_and(|at| at > now)
            }
            _ => true,
        }
    }

    /// Waiting places: one per QUEUED or PARKED entry.
    fn audit_places(&self, faults: &mut Vec<String>) {
        for queue in (0..self.queue_count() as u32).map(QueueId) {
            let waits = |&(id, contact): &(ContactId, &Contact)| {
                self.has_place(id) && contact.entry.is_some_and(|entry| entry.queue == queue)
            };
            let (found, said) = (self.contacts_from(0).filter(waits).count() as u32, self.places_taken(queue));
            check(faults, found == said, || format!("{queue:?} has {found} waiting entries, said {said}"));
            let open = |&(_, contact): &(ContactId, &Contact)| contact.entry.is_some_and(|entry| entry.queue == queue);
            let found: BTreeSet<ContactId> = self.contacts_from(0).filter(open).map(|(id, _)| id).collect();
            let mut told = Vec::new();
            self.each_open(queue, |contact| told.push(contact));
            let each = told.len() == found.len() && told.iter().all(|id| found.contains(id));
            check(faults, each, || {
                format!("{queue:?} has {} open entries, its lists tell of {}", found.len(), told.len())
            });
        }
    }

    /// Invariants 2 and 5: legs, owners, outcomes, and a way out of every state.
    fn audit_contacts(&self, now: Time, faults: &mut Vec<String>) {
        for (id, contact) in self.contacts_from(0) {
            let state = self.contact_state(id);
            let live = self.contact_legs(id).filter(|(_, leg)| leg.state != LegState::Ended).count();
            check(faults, live == contact.live_legs as usize, || {
                format!("{id:?} has {live} live legs, not as counted")
            });
            let of = |is: fn(LegState) -> bool| self.contact_legs(id).filter(|(_, leg)| is(leg.state)).count();
            let offers = of(|state| state == LegState::Offered);
            // Offers of a broadcast contact stand side by side.
            let fronts = of(LegState::is_busy) + offers.min(1);
            self.audit_offers(id, offers, faults);
            check(faults, fronts <= 1, || format!("{id:?} has {fronts} legs that decide its state"));
            check(faults, contact.closed == (contact.outcome.is_some() && live == 0), || {
                format!("{id:?} is {state:?} with outcome {:?} and {live} live legs", contact.outcome)
            });
            let said = contact.entry.is_some_and(|entry| entry.unservable);
            check(faults, said == self.could_never_be_served(id), || {
                format!("{id:?} is said to be unservable: {said}")
            });
            check(faults, contact.entry.is_none() || contact.outcome.is_none(), || {
                format!("{id:?} waits and has ended")
            });
            let in_line = contact.links.is_in();
            check(faults, in_line == (state == ContactState::Queued), || {
                format!("{id:?} is {state:?}, in line: {in_line}")
            });
            let bounded = match state {
                ContactState::Closed | ContactState::WrapUp => true,
                ContactState::Offered | ContactState::Assigned | ContactState::Connected | ContactState::OnHold => {
                    fronts == 1
                }
                _ => self.is_bounded(now, contact, state),
            };
            check(faults, bounded, || format!("{id:?} is stuck in {state:?}"));
            for (leg, held) in self.contact_legs(id).filter(|(_, leg)| leg.state != LegState::Ended) {
                check(faults, leg_is_bounded(now, held), || format!("{leg:?} is stuck in {:?}", held.state));
                let offered = held.state == LegState::Offered;
                check(faults, offered == (held.offer == OfferState::Issued), || {
                    format!("{leg:?} is {:?} with its offer {:?}", held.state, held.offer)
                });
            }
        }
    }

    /// The offers of a contact as they are counted, and whether it is noted that it wants more of them.
    fn audit_offers(&self, id: ContactId, offers: usize, faults: &mut Vec<String>) {
        let said = self.contact(id).entry.map_or(0, |entry| usize::from(entry.offers));
        check(faults, offers == said, || format!("{id:?} has {offers} open offers, said {said}"));
        let (short, state) = (self.is_short(id), self.contact_state(id));
        check(faults, short == (state == ContactState::Offered && self.wants(id)), || {
            format!("{id:?} is {state:?}, wants more agents: {short}")
        });
    }

    /// What is counted per agent. Invariant 3 is asserted as an offer is issued: capacity may shrink under one.
    fn audit_agents(&self, now: Time, faults: &mut Vec<String>) {
        for agent in self.agents_from(0) {
            let held = self.agent(agent);
            let legs: Vec<_> = self.agent_legs(agent).map(|leg| self.leg(leg)).collect();
            let units =
                |out: bool| legs.iter().filter(|leg| leg.interrupted.is_some() == out).map(|leg| leg.cost).sum();
            let units: (u32, u32) = (units(false), units(true));
            check(faults, units == (held.used, held.claimed), || {
                format!("{agent:?} uses and claims {units:?} units, not {:?}", (held.used, held.claimed))
            });
            let out = legs.iter().filter(|leg| leg.interrupted.is_some()).all(|leg| leg.state == LegState::OnHold);
            check(faults, out && self.to_return(agent).is_empty(), || format!("{agent:?} is interrupted by nothing"));
            let count = |of: fn(LegState) -> bool| legs.iter().filter(|leg| of(leg.state)).count() as u32;
            let counted = (
                count(|state| state == LegState::Offered),
                count(LegState::is_busy),
                count(|state| state == LegState::WrapUp),
            );
            check(faults, counted == (held.offering, held.busy, held.wrapping), || {
                format!("{agent:?} has {counted:?} offered, busy and wrapping legs, not as counted")
            });
            for (at, said) in held.in_hand.iter().enumerate() {
                let hand = legs.iter().filter(|leg| leg.channel.index() == at).count();
                check(faults, hand == usize::from(*said), || {
                    format!("{agent:?} holds {hand} of channel {at}, said {said}")
                });
            }
            let by_day = |id: &Text| self.policy().pools.iter().any(|pool| pool.id == *id && pool.per_day.is_some());
            check(faults, held.taken.iter().all(|(id, count)| *count > 0 && by_day(id)), || {
                format!("{agent:?} took {:?} from pools that are not counted", held.taken)
            });
            let (said, derived) = (held.routing, held.derive_routing());
            for cause in Rest::ALL.into_iter().filter(|cause| held.resting & cause.bit() != 0) {
                let until = self.rests_until(agent, cause);
                check(faults, until.is_none_or(|at| at > now), || format!("{agent:?} rests past {until:?}: {cause:?}"));
            }
            check(faults, said == derived, || format!("{agent:?} is said {said:?}, but is {derived:?}"));
        }
    }

    /// The lines: whoever should stand in one does, and nobody else, in order.
    fn audit_lines(&self, faults: &mut Vec<String>) {
        for (id, class) in self.index().iter() {
            let should = self.agents_from(0).filter(|&agent| {
                let held = self.agent(agent);
                self.meets(agent, id) && held.may_be_offered() && self.has_room(held, class.channel)
            });
            let mut should: Vec<_> = should.map(|agent| self.line_rank(agent)).collect();
            should.sort_unstable();
            let stand = self.idle_agents(id);
            check(faults, should == stand, || format!("in line for {id:?} stand {stand:?}, but should {should:?}"));
        }
    }

    /// Invariant 4: no agent with room stays idle while a contact he may take waits.
    fn audit_work_conservation(&self, faults: &mut Vec<String>) {
        for (id, _) in self.contacts_from(0) {
            if !self.wants(id) {
                continue;
            }
            let free = self.agents_from(0).find(|&agent| self.refused(id, agent).is_none());
            check(faults, free.is_none(), || {
                format!("{id:?} waits while {:?} could take it", free.unwrap_or(AgentId(0)))
            });
            let found = self.best_agent(id, None);
            check(faults, found.is_none(), || format!("{id:?} waits while the matcher finds {found:?}"));
        }
    }
}

fn check(faults: &mut Vec<String>, holds: bool, words: impl FnOnce() -> String) {
    if !holds {
        faults.push(words());
    }
}

/// Whether a leg has a way out ahead of it. Past `max_handle` that is the gateway's or anybody's Complete.
fn leg_is_bounded(now: Time, leg: &Leg) -> bool {
    leg.over_max_handle || leg.deadline.get().is_some_and(|at| at > now)
}

/// The contact's state a leg's is named by; none once it has ended.
fn of_leg(state: LegState) -> Option<ContactState> {
    match state {
        LegState::Offered => Some(ContactState::Offered),
        LegState::Assigned => Some(ContactState::Assigned),
        LegState::Connected => Some(ContactState::Connected),
        LegState::OnHold => Some(ContactState::OnHold),
        LegState::WrapUp => Some(ContactState::WrapUp),
        LegState::Ended => None,
    }
}
