//! The format of a state as plain data: one table a type, as in `codec.rs`, whose rules hold here too.
//!
//! To add a field to a type here: append it as `; VERSION: field`.

use crate::engine::Reply;
use crate::engine::contact::{Bar, Contact, ContactState, Direction, Entry, EntryRules, Leg, LegState, OfferState};
use crate::engine::estimate::Drain;
use crate::engine::occupancy::{Doing, Occupancy};
use crate::engine::order::Links;
use crate::engine::policy::PolicyVersion;
use crate::engine::slab::SlabImage;
use crate::engine::state::image::{AgentImage, Asked, Gate, GatewayImage, Image, Lending, Promise, RegistryImage};
use crate::engine::tally::Books;
use crate::engine::time::MaybeTime;
use crate::wire::{Malformed, Reader, Wire, Writer, names, record};

record!(Image {
    now,
    sequence,
    registry,
    contacts,
    legs,
    bars,
    agents,
    gateways,
    classes,
    tally,
    turns,
    gates,
    lending,
    promises,
    drains,
    receipts,
    ended,
    retention,
    timers,
});
record!(RegistryImage { policy, file, versions, skills, channels, queues, teams, measured });
record!(Asked { requirement, whole });
record!(PolicyVersion { policy, change, applied });
record!(EntryRules { threshold, short, max_wait });
record!(AgentImage {
    profile,
    overrides,
    presence,
    next_presence,
    routing,
    session,
    lease,
    not_responding,
    faults,
    lapses,
    declines,
    contacts,
    signed_in_since,
    routing_since,
    clocks,
    occupancy,
    offered,
    resting,
    taken,
    legs,
    removed,
    deleted,
});
record!(Occupancy { part, newest, doing, since, worked, idle });
record!(Gate { set, until });
record!(Lending { helps, lends });
record!(Promise { kept, count });
record!(Drain { since, turns, duty, left, waited, rung, ring });
record!(GatewayImage { gateway_id, session, lease, grace, first });
record!(Contact {
    profile,
    requirement,
    serial,
    channel,
    direction,
    priority,
    gateway,
    gateway_links,
    links,
    created,
    arrival,
    adjusted_arrival,
    begin,
    expire,
    queue,
    answered,
    entry,
    owner,
    entry_leg,
    last_leg,
    entries,
    legs,
    live_legs,
    bars,
    direct,
    digest,
    outcome,
    ended,
    closed,
    surveys,
    policy_version,
    disposition,
});
record!(Entry {
    queue,
    class,
    last,
    unservable,
    enter,
    parked,
    parked_since,
    park_until,
    only,
    only_until,
    declines,
    reached,
    acted,
    rules,
    step,
    skipped,
    advanced,
    exhausted,
    offers,
});
record!(Leg {
    contact,
    agent,
    number,
    state,
    offer,
    end_cause,
    entry,
    queue,
    wrap_up_rule,
    max_handle,
    cost,
    channel,
    broadcast,
    interrupted,
    connected_once,
    over_max_handle,
    older,
    agent_links,
    begun,
    deadline,
    accepted,
    connected,
    since,
    ended,
    talk,
    hold,
    wrap_up,
    disposition,
    resolved,
});
record!(Bar { contact, agent, until, next });
record!(Reply { sequence, contact, agent, created, moved, skipped, rule, repeated });
record!(Books {
    offered,
    answered,
    answered_within_threshold,
    abandoned,
    overflowed,
    cancelled,
    refused,
    expired,
    moved,
    waiting,
});

names!(Doing { 0 = Neither, 1 = Idle, 2 = Working });
names!(LegState { 0 = Offered, 1 = Assigned, 2 = Connected, 3 = OnHold, 4 = WrapUp, 5 = Ended });
names!(OfferState {
    0 = None, 1 = Issued, 2 = Accepted, 3 = Declined, 4 = Expired, 5 = Rescinded, 6 = Cancelled, 7 = Revoked, 8 = Failed,
});
names!(ContactState {
    0 = Scheduled, 1 = Parked, 2 = Queued, 3 = Offered, 4 = Assigned, 5 = Connected, 6 = OnHold, 7 = WrapUp, 8 = Closed,
});

impl<T: Wire> Wire for SlabImage<T> {
    fn put(&self, out: &mut Writer) {
        let SlabImage { slots, free } = self;
        slots.put(out);
        free.put(out);
    }

    fn get(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(SlabImage { slots: Wire::get(from)?, free: Wire::get(from)? })
    }
}

/// Where a contact stands in line follows from the rest.
impl Wire for Links {
    fn put(&self, _: &mut Writer) {}

    fn get(_: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Links::OUT)
    }
}

impl Wire for MaybeTime {
    fn put(&self, out: &mut Writer) {
        self.get().put(out);
    }

    fn get(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        Option::get(from).map(MaybeTime::from)
    }
}

/// Those directions in which anything was counted.
impl Wire for [Books; Direction::COUNT] {
    fn put(&self, out: &mut Writer) {
        let counted = Direction::ALL.iter().copied().filter(|&at| self[at as usize] != Books::default());
        counted.map(|at| (at, self[at as usize])).collect::<Vec<_>>().put(out);
    }

    fn get(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        let mut all = [Books::default(); Direction::COUNT];
        for (at, books) in Vec::<(Direction, Books)>::get(from)? {
            all[at as usize] = books;
        }
        Ok(all)
    }
}
