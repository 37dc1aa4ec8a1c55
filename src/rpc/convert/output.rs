//! Views of the engine as `usher.v1` resources.

use usher_proto::v1;

use super::{attributes, offer_id, span, time};
use crate::engine::agent::{AgentProfile, SkillOverride};
use crate::engine::contact::{ContactProfile, Customer, LegState, OfferState, Outcome, Reason};
use crate::engine::estimate::Estimate;
use crate::engine::read::{AgentView, ContactBrief, ContactView, LegView, PoolUse};
use crate::rpc::names;
use crate::view::estimate::quantiles;

/// What a contact is: the fields that came with it.
pub fn profile(profile: &ContactProfile) -> v1::Contact {
    let mut contact = v1::Contact {
        contact_id: profile.contact_id.to_string(),
        gateway_id: profile.gateway_id.to_string(),
        direction: names::direction_to(profile.direction) as i32,
        kind: v1::ContactKind::Standard as i32,
        callback_of: profile.callback_of.to_string(),
        conversation_id: profile.conversation_id.to_string(),
        channel: profile.channel.to_string(),
        preferred_agent_id: profile.preferred_agent_id.to_string(),
        attributes: attributes(&profile.attributes),
        ..v1::Contact::default()
    };
    if let Some(customer) = &profile.customer {
        put_customer(&mut contact, customer);
    }
    contact
}

/// Fills in the customer's part of a contact.
pub fn put_customer(contact: &mut v1::Contact, customer: &Customer) {
    contact.customer_id = customer.customer_id.to_string();
    contact.customer_address = customer.address.to_string();
    contact.personal_attributes = customer.attributes.iter().map(|(name, _)| name.to_string()).collect();
    contact.attributes.extend(attributes(&customer.attributes));
}

fn outcome(ended: Option<(Outcome, Reason)>) -> (i32, String) {
    ended.map_or((0, String::new()), |(outcome, reason)| {
        (names::outcome_to(outcome) as i32, names::reason_to(reason).to_owned())
    })
}

/// What of a contact a client needs that hears its events.
pub fn brief(view: &ContactBrief) -> v1::Contact {
    let (outcome, reason) = outcome(view.outcome);
    v1::Contact {
        contact_id: view.profile.contact_id.to_string(),
        state: names::state_to(view.state) as i32,
        outcome,
        reason,
        queue: view.queue.to_string(),
        ..v1::Contact::default()
    }
}

/// A contact.
pub fn contact(view: &ContactView) -> v1::Contact {
    let (outcome, reason) = outcome(view.outcome);
    let resolved = view.legs.iter().rev().find_map(|leg| leg.resolved);
    let offers = view.legs.iter().filter(|leg| leg.offer == OfferState::Issued);
    v1::Contact {
        queue: view.queue.to_string(),
        priority: view.priority,
        requirements: view.requirement.as_ref().map_or_else(String::new, |asked| asked.text.to_string()),
        agent_id: view.agent_id.to_string(),
        age_credit: (!view.age_credit.is_zero()).then(|| span(view.age_credit)),
        arrival_time: Some(time(view.arrival)),
        schedule_time: view.schedule.map(time),
        expire_time: view.expire.map(time),
        state: names::state_to(view.state) as i32,
        outcome,
        reason,
        position: view.position as i32,
        estimated_wait: view.estimate.as_ref().map(estimated_wait),
        legs: view.legs.iter().map(|leg_view| leg(leg_view, leg_view.number == view.owner)).collect(),
        offers: offers.map(|leg| offer(leg, Some(&view.profile))).collect(),
        create_time: Some(time(view.created)),
        queue_time: view.queued.map(time),
        answer_time: view.answered.map(time),
        end_time: view.ended.map(time),
        policy_version: view.policy_version,
        disposition: view.disposition.to_string(),
        wait: Some(span(view.wait)),
        parked: Some(span(view.parked)),
        entry_number: view.entries as i32,
        step: i32::from(view.step),
        unservable: view.unservable,
        owner_leg_number: view.owner as i32,
        resolved,
        ..profile(&view.profile)
    }
}

/// An estimate, as it is shown.
pub fn estimated_wait(estimate: &Estimate) -> v1::EstimatedWait {
    let (half, most) = quantiles(estimate);
    v1::EstimatedWait { p50: Some(span(half)), p90: Some(span(most)) }
}

/// A leg.
pub fn leg(view: &LegView, owner: bool) -> v1::Leg {
    let offered = view.offer != OfferState::None;
    v1::Leg {
        leg_number: view.number as i32,
        agent_id: view.agent_id.to_string(),
        state: names::leg_state_to(view.state) as i32,
        offer_id: if offered { offer_id(view.leg) } else { String::new() },
        offer_time: offered.then(|| time(view.begun)),
        accept_time: view.accepted.map(time),
        connect_time: view.connected.map(time),
        end_time: view.ended.map(time),
        talk: Some(span(view.talk)),
        hold: Some(span(view.hold)),
        wrap_up: Some(span(view.wrap_up)),
        disposition: view.disposition.to_string(),
        resolved: view.resolved,
        end_cause: view.end_cause.map_or(0, |cause| names::end_cause_to(cause, view.offer) as i32),
        queue: view.queue.to_string(),
        entry_number: view.entry as i32,
        capacity_cost: view.cost as i32,
        deadline_time: view.deadline.map(time),
        owner,
        offer_state: names::offer_state_to(view.offer) as i32,
    }
}

/// The offer a leg began with; with the contact's attributes, for the agent's desktop, when its profile is given.
pub fn offer(view: &LegView, contact: Option<&ContactProfile>) -> v1::Offer {
    let open = view.state == LegState::Offered;
    v1::Offer {
        offer_id: offer_id(view.leg),
        contact_id: view.contact_id.to_string(),
        agent_id: view.agent_id.to_string(),
        channel: view.channel.to_string(),
        queue: view.queue.to_string(),
        capacity_cost: view.cost as i32,
        state: names::offer_state_to(view.offer) as i32,
        issue_time: Some(time(view.begun)),
        expire_time: view.deadline.filter(|_| open).map(time),
        attributes: contact.map(|contact| attributes(&contact.attributes)).unwrap_or_default(),
        leg_number: view.number as i32,
        broadcast: view.broadcast,
        ..v1::Offer::default()
    }
}

/// Who an agent is.
pub fn agent_profile(profile: &AgentProfile) -> v1::Agent {
    v1::Agent {
        agent_id: profile.agent_id.to_string(),
        display_name: profile.display_name.to_string(),
        team: profile.team.as_ref().map(ToString::to_string).unwrap_or_default(),
        site: profile.site.as_ref().map(ToString::to_string).unwrap_or_default(),
        r#type: names::agent_type_to(profile.agent_type) as i32,
        skills: profile.skills.iter().map(|(skill, level)| (skill.to_string(), i32::from(*level))).collect(),
        attributes: attributes(&profile.attributes),
        capacity: profile.capacity as i32,
        managed_by_config: profile.managed_by_config,
        ..v1::Agent::default()
    }
}

/// What a supervisor set over an agent's skills for a time.
pub fn overrides(overrides: &[SkillOverride]) -> Vec<v1::SkillOverride> {
    let one = |held: &SkillOverride| v1::SkillOverride {
        skill: held.skill.to_string(),
        level: i32::from(held.level),
        configured_level: i32::from(held.configured),
        expire_time: Some(time(held.until)),
    };
    overrides.iter().map(one).collect()
}

/// What an agent has of a pool.
fn pool_load(used: &PoolUse) -> v1::PoolLoad {
    v1::PoolLoad {
        pool: used.pool.to_string(),
        legs: used.in_hand as i32,
        max_legs: used.max.unwrap_or(0) as i32,
        taken_today: used.taken as i32,
        per_day: used.per_day.unwrap_or(0) as i32,
        reset_time: used.resets.map(time),
    }
}

/// An agent.
pub fn agent(view: &AgentView) -> v1::Agent {
    let next = view.next_presence.as_ref();
    let channels = view.channels.iter().map(|(channel, legs)| {
        let units = view.legs.iter().filter(|leg| leg.channel == *channel).map(|leg| leg.cost).sum::<u32>();
        v1::ChannelLoad { channel: channel.to_string(), legs: *legs as i32, units: units as i32, max_legs: 0 }
    });
    v1::Agent {
        presence: names::presence_to(&view.presence) as i32,
        not_ready_reason: names::presence_reason(&view.presence),
        next_presence: next.map_or(0, |next| names::presence_to(next) as i32),
        next_not_ready_reason: next.map(names::presence_reason).unwrap_or_default(),
        routing: names::routing_to(view.routing) as i32,
        load: Some(v1::AgentLoad {
            used_units: view.used as i32,
            capacity_units: view.profile.capacity as i32,
            channels: channels.collect(),
            pools: view.pools.iter().map(pool_load).collect(),
        }),
        idle_since_time: view.idle_since.map(time),
        session_alive: view.session,
        not_responding_until_time: view.not_responding.map(time),
        lease_expire_time: view.lease_expires.map(time),
        skill_overrides: overrides(&view.overrides),
        deleting: view.removed,
        contacts_handled: view.contacts as i32,
        sign_in_time: view.signed_in_since.map(time),
        routing_time: view.routing_since.map(time),
        ..agent_profile(&view.profile)
    }
}
