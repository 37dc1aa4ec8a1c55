//! Properties over whole tapes, read from the events and the views alone.

#[allow(dead_code, unused_imports, reason = "each test uses its part of the tapes")]
mod tape;

use std::collections::{BTreeMap, BTreeSet};

use tape::{Batch, Run, Witness, hunt};
use usher::engine::agent::Routing;
use usher::engine::contact::{ContactState, LegState};
use usher::engine::event::Event;
use usher::engine::id::{AgentId, ContactId, LegId};
use usher::engine::read::LegView;
use usher::engine::state::State;
use usher::engine::time::{Span, Time};

const TAPES: (u64, u64) = (5_000, 400);

fn must(holds: bool, words: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(words()) }
}

/// How often each contact ended and closed, each offer ended, each leg was accepted and ended.
#[derive(Default)]
struct Ends {
    contacts: BTreeMap<ContactId, (u32, u32)>,
    offers: BTreeMap<LegId, (u32, u32)>,
}

impl Ends {
    fn count(&mut self, event: &Event) -> Result<(), String> {
        match event {
            Event::ContactCreated { contact, .. } => drop(self.contacts.insert(*contact, (0, 0))),
            Event::ContactEnded { contact, .. } => self.contacts.entry(*contact).or_default().0 += 1,
            Event::ContactClosed { contact, .. } => self.contacts.entry(*contact).or_default().1 += 1,
            Event::ContactForgotten { contact } => {
                let ends = self.contacts.remove(contact);
                return must(ends == Some((1, 1)), || format!("{contact:?} is forgotten after {ends:?} ends"));
            }
            Event::OfferIssued { leg, .. } => drop(self.offers.insert(*leg, (0, 0))),
            Event::OfferAccepted { leg, .. } => {
                let ends = self.offers.entry(*leg).or_default();
                (ends.0, ends.1) = (ends.0 + 1, ends.1 + 1);
            }
            Event::OfferDeclined { leg, .. }
            | Event::OfferExpired { leg, .. }
            | Event::OfferRescinded { leg, .. }
            | Event::OfferCancelled { leg, .. }
            | Event::OfferRevoked { leg, .. }
            | Event::OfferFailed { leg, .. } => self.offers.entry(*leg).or_default().0 += 1,
            _ => {}
        }
        Ok(())
    }
}

impl Witness for Ends {
    fn see(&mut self, state: &State, batch: &Batch<'_>) -> Result<(), String> {
        batch.events.iter().try_for_each(|recorded| self.count(&recorded.event))?;
        for (&contact, &(ended, closed)) in &self.contacts {
            must(ended <= 1 && closed <= ended, || format!("{contact:?} ended {ended} times, closed {closed}"))?;
            let over = state.contact_state(contact) == ContactState::Closed;
            must(over == (closed == 1), || format!("{contact:?} is closed without saying so"))?;
        }
        let twice = self.offers.iter().find(|(_, ends)| ends.0 > 1 || ends.1 > 1);
        must(twice.is_none(), || format!("an offer ended more than once: {twice:?}"))
    }
}

#[test]
fn contacts_and_offers_end_exactly_once() {
    hunt(75, TAPES, |tape| Run::tape(tape, &mut Ends::default()).map(drop));
}

/// Units and contacts in hand per agent, from the events; checked as each offer is issued.
#[derive(Default)]
struct Room {
    legs: BTreeMap<LegId, (AgentId, u32)>,
    /// Interrupted legs: they have left their units.
    out: BTreeSet<LegId>,
}

impl Witness for Room {
    fn see(&mut self, state: &State, batch: &Batch<'_>) -> Result<(), String> {
        for recorded in batch.events {
            match recorded.event {
                Event::OfferIssued { leg, agent, cost, .. } => {
                    let own = self.legs.iter().filter(|(leg, held)| held.0 == agent && !self.out.contains(leg));
                    // What may be interrupted counts once the offer is accepted.
                    let channel = recorded.facts.channel.expect("an offer is of a channel");
                    let ways = &state.channel(channel).interrupts;
                    let stays = |leg: &LegId| !ways.contains(&state.channel(state.leg(*leg).channel).id);
                    let used: u32 = own.filter(|(leg, _)| stays(leg)).map(|(_, held)| held.1).sum();
                    let capacity = state.agent(agent).profile.capacity;
                    must(used + cost <= capacity, || format!("{agent:?} has {used} of {capacity} and gets {cost}"))?;
                    self.legs.insert(leg, (agent, cost));
                }
                Event::LegAssigned { leg, agent, cost, .. } => drop(self.legs.insert(leg, (agent, cost))),
                Event::LegHeld { leg, by: Some(_), .. } => drop(self.out.insert(leg)),
                Event::LegResumed { leg, .. } | Event::LegWrapUpStarted { leg, .. } => drop(self.out.remove(&leg)),
                Event::LegEnded { leg, .. }
                | Event::OfferDeclined { leg, .. }
                | Event::OfferExpired { leg, .. }
                | Event::OfferRescinded { leg, .. }
                | Event::OfferCancelled { leg, .. }
                | Event::OfferRevoked { leg, .. }
                | Event::OfferFailed { leg, .. } => {
                    self.legs.remove(&leg);
                    self.out.remove(&leg);
                }
                _ => {}
            }
        }
        Ok(())
    }
}

#[test]
fn no_new_offer_exceeds_capacity() {
    hunt(75, TAPES, |tape| Run::tape(tape, &mut Room::default()).map(drop));
}

/// The time since a leg was connected is time in conversation, on hold or wrapping up, and nothing else.
fn leg_adds_up(now: Time, leg: &LegView) -> Result<(), String> {
    let until = leg.ended.unwrap_or(now);
    let present = leg.connected.map_or(Span::ZERO, |at| until.since(at));
    let sum = leg.talk + leg.hold + leg.wrap_up;
    must(sum == present, || format!("{leg:?} was there {present}, its states sum to {sum}"))?;
    let over = (leg.state == LegState::Ended) == leg.ended.is_some();
    must(over, || format!("{leg:?} ended without saying when"))
}

/// A contact's entry, its legs and its life are one inside the other.
struct Times;

impl Witness for Times {
    fn see(&mut self, state: &State, batch: &Batch<'_>) -> Result<(), String> {
        let (contacts, _) = state.contacts_page(batch.now, None, usize::MAX, &|_, _, _| true);
        for contact in &contacts {
            contact.legs.iter().try_for_each(|leg| leg_adds_up(batch.now, leg))?;
            let begun = contact.legs.iter().map(|leg| leg.begun).chain(contact.queued).chain(contact.answered);
            let early = begun.filter(|&at| at < contact.created || at > batch.now).count();
            must(early == 0, || format!("{contact:?} did something before it was created, or later than now"))?;
            let waited = contact.queued.map_or(Span::ZERO, |at| batch.now.since(at));
            must(contact.wait <= waited, || format!("{contact:?} waits longer than it was queued"))?;
        }
        Ok(())
    }
}

#[test]
fn time_in_states_sums_to_time_present() {
    hunt(75, TAPES, |tape| Run::tape(tape, &mut Times).map(drop));
}

/// Time under each routing word, as the events say it.
#[derive(Default)]
struct Shifts {
    agents: BTreeMap<AgentId, Shift>,
}

struct Shift {
    began: Time,
    word: Routing,
    since: Time,
    total: BTreeMap<Routing, Span>,
}

impl Witness for Shifts {
    fn see(&mut self, state: &State, batch: &Batch<'_>) -> Result<(), String> {
        for recorded in batch.events {
            let now = recorded.time;
            match recorded.event {
                Event::AgentUpserted { agent, .. } => {
                    let new = || Shift { began: now, word: Routing::OffQueue, since: now, total: BTreeMap::new() };
                    self.agents.entry(agent).or_insert_with(new);
                }
                Event::AgentRoutingChanged { agent, before, after } => {
                    let shift = self.agents.get_mut(&agent).ok_or("a word about nobody")?;
                    must(shift.word == before && before != after, || format!("{agent:?} was {:?}", shift.word))?;
                    *shift.total.entry(before).or_default() += now.since(shift.since);
                    (shift.word, shift.since) = (after, now);
                }
                _ => {}
            }
        }
        for (&agent, shift) in &self.agents {
            let running = batch.now.since(shift.since);
            let sum = shift.total.values().fold(running, |sum, &span| sum + span);
            let present = batch.now.since(shift.began);
            must(sum == present, || format!("{agent:?} was there {present}, his words sum to {sum}"))?;
            must(state.agent(agent).routing == shift.word, || format!("{agent:?} is not {:?}", shift.word))?;
        }
        Ok(())
    }
}

#[test]
fn routing_words_sum_to_time_present() {
    hunt(75, TAPES, |tape| Run::tape(tape, &mut Shifts::default()).map(drop));
}
