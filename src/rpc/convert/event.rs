//! Events as `usher.v1` has them. What the engine keeps for itself (remembered requests, bars lifted, records dropped)
//! is not an event for clients.

#![expect(clippy::needless_update, reason = "one macro fills payloads that have more fields and those that have none")]

use std::sync::OnceLock;

use prost::Message as _;
use prost_types::FileDescriptorSet;
use sha2::{Digest, Sha256};
use usher_proto::v1;
use usher_proto::v1::event::Payload;

use super::{attributes, hex, offer_id, output, span, time};
use crate::config::requirement::{canonical, normal};
use crate::engine::agent::{AgentProfile, Presence, SkillOverride};
use crate::engine::command::ContactChange;
use crate::engine::contact::{ContactState, FailCause, OfferState, Outcome};
use crate::engine::event::{Earlier, Event, Facts, Recorded};
use crate::engine::id::{LegId, Text};
use crate::engine::publish::{ContactNames, Published};
use crate::engine::requirement::Expr;
use crate::rpc::names;

/// An event for clients; none when it is the engine's own.
pub fn event(tenant: &str, published: &Published) -> Option<v1::Event> {
    let Recorded { sequence, time: at, policy_version, .. } = published.recorded;
    let payload = match (&published.recorded.event, &published.contact) {
        (Event::CustomerForgotten { customer, contacts }, _) => {
            let customer_digest = customer_digest(tenant, &customer.customer_id);
            Payload::CustomerForgotten(v1::CustomerForgotten { customer_digest, contacts: *contacts as i32 })
        }
        (_, Some(contact)) => contact_payload(published, contact)?,
        (_, None) => other_payload(published)?,
    };
    Some(v1::Event {
        sequence,
        event_time: Some(time(at)),
        tenant: tenant.to_owned(),
        policy_version,
        payload: Some(payload),
    })
}

/// The name of an event in the oneof of Event; none when it is the engine's own.
#[must_use]
// tidy: table
pub fn name(event: &Event) -> Option<&'static str> {
    Some(match event {
        Event::RequestRemembered { .. }
        | Event::PolicySourced { .. }
        | Event::WaitReached { .. }
        | Event::StepsExhausted { .. }
        | Event::BarLifted { .. }
        | Event::ContactForgotten { .. }
        | Event::GatewaySwept { .. } => return None,
        Event::PolicyApplied { .. } => "policy_applied",
        Event::Resumed { .. } => "resumed",
        Event::ContactCreated { .. } => "contact_created",
        Event::ContactQueued { .. } => "contact_queued",
        Event::ContactUnrestricted { .. } => "contact_unrestricted",
        Event::ContactUpdated { .. } => "contact_updated",
        Event::ContactMoved { .. } => "contact_moved",
        Event::ContactRelaxed { .. } => "contact_relaxed",
        Event::ContactOverflowed { .. } => "contact_overflowed",
        Event::SurveySubmitted { .. } => "survey_submitted",
        Event::CustomerForgotten { .. } => "customer_forgotten",
        Event::QueueOpenChanged { .. } => "queue_open_changed",
        Event::ContactParked { .. } => "contact_parked",
        Event::ContactUnparked { .. } => "contact_unparked",
        Event::ContactTransferred { .. } => "contact_transferred",
        Event::NoWillingAgent { .. } => "no_willing_agent",
        Event::ContactUnservableChanged { .. } => "contact_unservable_changed",
        Event::ContactEnded { .. } => "contact_ended",
        Event::ContactClosed { .. } => "contact_closed",
        Event::OfferIssued { .. } => "offer_issued",
        Event::OfferAccepted { .. } => "offer_accepted",
        Event::OfferDeclined { .. } => "offer_declined",
        Event::OfferExpired { .. } => "offer_expired",
        Event::OfferRescinded { .. } => "offer_rescinded",
        Event::OfferCancelled { .. } => "offer_cancelled",
        Event::OfferRevoked { .. } => "offer_revoked",
        Event::OfferFailed { .. } => "offer_failed",
        Event::LegAssigned { .. } => "leg_assigned",
        Event::LegConnected { .. } => "leg_connected",
        Event::LegHeld { .. } => "leg_held",
        Event::LegResumed { .. } => "leg_resumed",
        Event::LegWrapUpStarted { .. } => "leg_wrap_up_started",
        Event::LegEnded { .. } => "leg_ended",
        Event::MaxHandlePassed { .. } => "max_handle_passed",
        Event::AgentUpserted { .. } => "agent_upserted",
        Event::AgentRemoved { .. } => "agent_removal_started",
        Event::AgentDeleted { .. } => "agent_deleted",
        Event::AgentSignedIn { .. } => "agent_signed_in",
        Event::AgentSignedOut { .. } => "agent_signed_out",
        Event::AgentPresenceChanged { .. } => "agent_presence_changed",
        Event::AgentRoutingChanged { .. } => "agent_routing_changed",
        Event::AgentNotResponding { .. } => "agent_not_responding",
        Event::AgentResponding { .. } => "agent_responding",
        Event::AgentRestStarted { .. } => "agent_rest_started",
        Event::AgentRestEnded { .. } => "agent_rest_ended",
        Event::PoolReset { .. } => "pool_reset",
        Event::AgentSessionOpened { .. } => "agent_session_opened",
        Event::AgentSessionLost { .. } => "agent_session_lost",
        Event::GatewaySessionOpened { .. } => "gateway_session_opened",
        Event::GatewaySessionLost { .. } => "gateway_session_lost",
    })
}

/// All names in the oneof of Event, from the contract itself.
#[must_use]
pub fn payload_names() -> &'static [String] {
    static NAMES: OnceLock<Vec<String>> = OnceLock::new();
    NAMES.get_or_init(|| {
        let files = FileDescriptorSet::decode(usher_proto::FILE_DESCRIPTOR_SET)
            .expect("the descriptor set was encoded by the build");
        let messages = files.file.into_iter().filter(|file| file.package() == "usher.v1");
        let mut events = messages.flat_map(|file| file.message_type).filter(|message| message.name() == "Event");
        let fields = events.next().map(|message| message.field).unwrap_or_default();
        let payloads = fields.iter().filter(|field| field.oneof_index.is_some());
        payloads.map(|field| field.name().to_owned()).collect()
    })
}

fn named(name: &Option<Text>) -> String {
    name.as_deref().unwrap_or_default().to_owned()
}

/// SHA-256 of a customer's id, with the tenant before it.
fn customer_digest(tenant: &str, customer_id: &str) -> String {
    let hash = Sha256::new().chain_update(tenant).chain_update([0]).chain_update(customer_id).finalize();
    hex(&hash)
}

/// What every payload about a contact has.
struct About<'a> {
    published: &'a Published,
    contact: &'a ContactNames,
    facts: &'a Facts,
    before: i32,
    after: i32,
}

impl About<'_> {
    fn contact_id(&self) -> String {
        self.contact.profile.contact_id.to_string()
    }

    fn gateway_id(&self) -> String {
        self.contact.profile.gateway_id.to_string()
    }

    fn agent_id(&self) -> String {
        self.published.agent.as_ref().map(|agent| agent.agent_id.to_string()).unwrap_or_default()
    }

    fn queue(&self) -> String {
        self.published.queue.to_string()
    }

    fn channel(&self) -> String {
        self.contact.profile.channel.to_string()
    }

    fn direction(&self) -> i32 {
        names::direction_to(self.contact.profile.direction) as i32
    }

    /// What of the contact was changed, as it was before.
    fn earlier_contact(&self) -> Option<&ContactChange> {
        match self.published.recorded.earlier.as_deref() {
            Some(Earlier::Contact(change)) => Some(change),
            _ => None,
        }
    }

    /// The contact with what an agent's desktop shows of it.
    fn whole(&self) -> v1::Contact {
        let contact = self.contact;
        v1::Contact {
            queue: self.queue(),
            priority: contact.priority,
            requirements: contact.requirement.as_ref().map_or_else(String::new, |asked| asked.text.to_string()),
            arrival_time: Some(time(contact.arrival)),
            state: self.after,
            policy_version: self.published.recorded.policy_version,
            wait: Some(span(self.facts.wait)),
            step: i32::from(self.facts.step),
            entry_number: self.facts.entry as i32,
            ..output::profile(&contact.profile)
        }
    }
}

/// Fills the fields every payload of an offer has.
macro_rules! offer {
    ($about:ident, $leg:expr, $payload:ident { $($field:ident: $value:expr),* $(,)? }) => {
        Payload::$payload(v1::$payload {
            contact_id: $about.contact_id(),
            gateway_id: $about.gateway_id(),
            offer_id: offer_id($leg),
            agent_id: $about.agent_id(),
            leg_number: $about.facts.leg as i32,
            entry_number: $about.facts.entry as i32,
            queue: $about.queue(),
            channel: $about.channel(),
            wait: Some(span($about.facts.wait)),
            before: $about.before,
            after: $about.after,
            $($field: $value,)*
            ..v1::$payload::default()
        })
    };
}

/// Fills the fields every payload of a leg has.
macro_rules! leg {
    ($about:ident, $payload:ident { $($field:ident: $value:expr),* $(,)? }) => {
        Payload::$payload(v1::$payload {
            contact_id: $about.contact_id(),
            gateway_id: $about.gateway_id(),
            agent_id: $about.agent_id(),
            leg_number: $about.facts.leg as i32,
            queue: $about.queue(),
            $($field: $value,)*
            ..v1::$payload::default()
        })
    };
}

fn contact_payload(published: &Published, contact: &ContactNames) -> Option<Payload> {
    let recorded = &published.recorded;
    let state = |state: ContactState| names::state_to(state) as i32;
    let (before, after) = recorded.contact_states.map_or((0, 0), |(before, after)| (state(before), state(after)));
    let about = About { published, contact, facts: &recorded.facts, before, after };
    match &recorded.event {
        Event::OfferIssued { .. }
        | Event::OfferAccepted { .. }
        | Event::OfferDeclined { .. }
        | Event::OfferExpired { .. }
        | Event::OfferRescinded { .. }
        | Event::OfferCancelled { .. }
        | Event::OfferRevoked { .. }
        | Event::OfferFailed { .. } => Some(offer_payload(&about, &recorded.event)),
        Event::LegAssigned { .. }
        | Event::LegConnected { .. }
        | Event::LegHeld { .. }
        | Event::LegResumed { .. }
        | Event::LegWrapUpStarted { .. }
        | Event::LegEnded { .. }
        | Event::MaxHandlePassed { .. } => Some(leg_payload(&about, &recorded.event)),
        other => stay_payload(&about, other),
    }
}

/// The contact's own requirement.
fn asked(about: &About<'_>) -> String {
    about.contact.requirement.as_ref().map_or_else(String::new, |asked| asked.text.to_string())
}

// tidy: table
fn stay_payload(about: &About<'_>, event: &Event) -> Option<Payload> {
    let (contact_id, gateway_id, facts) = (about.contact_id(), about.gateway_id(), about.facts);
    let entry_number = facts.entry as i32;
    let wait = Some(span(facts.wait));
    Some(match event {
        Event::ContactCreated { .. } => {
            let contact = Some(about.whole());
            Payload::ContactCreated(v1::ContactCreated { contact_id, contact, after: about.after })
        }
        Event::ContactQueued { cause, only, .. } => Payload::ContactQueued(v1::ContactQueued {
            contact_id,
            gateway_id,
            entry_number,
            queue: about.queue(),
            channel: about.channel(),
            direction: about.direction(),
            cause: names::cause_to(*cause) as i32,
            priority: about.contact.priority,
            wait,
            arrival_time: Some(time(about.contact.arrival)),
            adjusted_arrival_time: Some(time(about.contact.adjusted_arrival)),
            enter_time: Some(time(about.published.recorded.time)),
            requirements: asked(about),
            only_agent_id: named(&about.published.other_agent),
            only_until_time: only.map(|(_, until)| time(until)),
            unservable: facts.unservable,
            before: about.before,
            after: about.after,
            ..v1::ContactQueued::default()
        }),
        Event::ContactMoved { exit, cause, .. } => Payload::ContactMoved(v1::ContactMoved {
            contact_id,
            gateway_id,
            entry_number,
            queue: about.queue(),
            to_queue: named(&about.published.other_queue),
            channel: about.channel(),
            direction: about.direction(),
            cause: names::cause_to(*cause) as i32,
            exit: v1::QueueExit::Moved as i32,
            wait,
            parked: Some(span(facts.parked)),
            within_threshold: exit.within_threshold,
            before: about.before,
            after: about.after,
            ..v1::ContactMoved::default()
        }),
        Event::ContactOverflowed { rule, trigger, action, .. } => Payload::ContactOverflowed(v1::ContactOverflowed {
            contact_id,
            gateway_id,
            entry_number,
            queue: about.queue(),
            channel: about.channel(),
            direction: about.direction(),
            rule: *rule as i32,
            trigger: names::trigger_to(*trigger) as i32,
            action: names::action_to(action).0 as i32,
            target: names::action_to(action).1.to_owned(),
            wait,
            parked: Some(span(facts.parked)),
            before: about.before,
            after: about.after,
            ..v1::ContactOverflowed::default()
        }),
        Event::ContactRelaxed { before, after, skipped, .. } => {
            let relaxed = about.published.relaxed.as_deref();
            let text = |expr: Option<&Expr>| expr.map(|expr| canonical(&normal(expr.clone()))).unwrap_or_default();
            Payload::ContactRelaxed(v1::ContactRelaxed {
                contact_id,
                gateway_id,
                entry_number,
                queue: about.queue(),
                step_before: i32::from(*before),
                step_after: i32::from(*after),
                steps_skipped: (*before..*after).filter(|step| skipped & (1 << step) != 0).map(i32::from).collect(),
                requirements_before: text(relaxed.map(|it| &it.before)),
                requirements_after: text(relaxed.map(|it| &it.after)),
                wait,
                next_step_time: relaxed.and_then(|it| it.next_step).map(time),
                ..v1::ContactRelaxed::default()
            })
        }
        Event::SurveySubmitted { kind, score, result, .. } => Payload::SurveySubmitted(v1::SurveySubmitted {
            contact_id,
            queue: about.queue(),
            agent_id: about.agent_id(),
            kind: names::survey_to(*kind) as i32,
            score: i32::from(*score),
            result: names::survey_result_to(*result) as i32,
            direction: about.direction(),
            channel: about.channel(),
        }),
        Event::ContactUnrestricted { .. } => Payload::ContactUnrestricted(v1::ContactUnrestricted {
            contact_id,
            gateway_id,
            entry_number,
            queue: about.queue(),
            agent_id: about.agent_id(),
            wait,
        }),
        Event::ContactUpdated { change, .. } => Payload::ContactUpdated(v1::ContactUpdated {
            contact_id,
            gateway_id,
            cause: names::change_to(change.cause) as i32,
            changed_fields: changed_fields(change),
            old_values: about.earlier_contact().map(changed),
            new_values: Some(changed(change)),
            unservable: facts.unservable,
            ..v1::ContactUpdated::default()
        }),
        Event::ContactParked { until, .. } => Payload::ContactParked(v1::ContactParked {
            contact_id,
            gateway_id,
            entry_number,
            queue: about.queue(),
            wait,
            park_until_time: Some(time(*until)),
            before: about.before,
            after: about.after,
            ..v1::ContactParked::default()
        }),
        Event::ContactUnparked { .. } => Payload::ContactUnparked(v1::ContactUnparked {
            contact_id,
            gateway_id,
            entry_number,
            queue: about.queue(),
            wait,
            parked: Some(span(facts.parked)),
            before: about.before,
            after: about.after,
            ..v1::ContactUnparked::default()
        }),
        Event::ContactTransferred { again, reason, .. } => Payload::ContactTransferred(v1::ContactTransferred {
            contact_id,
            gateway_id,
            from_queue: about.queue(),
            to_queue: named(&about.published.other_queue),
            to_agent_id: named(&about.published.other_agent),
            first: !again,
            reason: reason.to_string(),
            direction: about.direction(),
            before: about.before,
            after: about.after,
            ..v1::ContactTransferred::default()
        }),
        Event::NoWillingAgent { .. } => Payload::NoWillingAgent(v1::NoWillingAgent {
            contact_id,
            gateway_id,
            entry_number,
            queue: about.queue(),
            wait,
            ..v1::NoWillingAgent::default()
        }),
        Event::ContactUnservableChanged { unservable, .. } => {
            Payload::ContactUnservableChanged(v1::ContactUnservableChanged {
                contact_id,
                gateway_id,
                entry_number,
                queue: about.queue(),
                channel: about.channel(),
                direction: about.direction(),
                unservable: *unservable,
                requirements: asked(about),
                wait,
            })
        }
        Event::ContactEnded { outcome, reason, exit, disposition, .. } => Payload::ContactEnded(v1::ContactEnded {
            contact_id,
            gateway_id,
            entry_number,
            queue: about.queue(),
            channel: about.channel(),
            direction: about.direction(),
            outcome: names::outcome_to(*outcome) as i32,
            reason: names::reason_to(*reason).to_owned(),
            exit: exit.map_or(0, |_| names::exit_to(*outcome) as i32),
            wait,
            parked: Some(span(facts.parked)),
            within_threshold: exit.is_some_and(|exit| exit.within_threshold),
            short_abandon: exit.is_some_and(|exit| exit.short && *outcome == Outcome::Abandoned),
            since_arrival: Some(span(facts.since_arrival)),
            disposition: disposition.to_string(),
            before: about.before,
            after: about.after,
            ..v1::ContactEnded::default()
        }),
        Event::ContactClosed { outcome, reason, .. } => Payload::ContactClosed(v1::ContactClosed {
            contact_id,
            gateway_id,
            queue: about.queue(),
            channel: about.channel(),
            direction: about.direction(),
            kind: v1::ContactKind::Standard as i32,
            outcome: names::outcome_to(*outcome) as i32,
            reason: names::reason_to(*reason).to_owned(),
            legs: about.contact.legs as i32,
            end_time: Some(time(about.published.recorded.time)),
            since_arrival: Some(span(facts.since_arrival)),
            before: about.before,
            after: about.after,
            ..totals(about)
        }),
        _ => return None,
    })
}

/// The fields an update names, as they stand in a field mask.
fn changed_fields(change: &ContactChange) -> Vec<String> {
    let ContactChange {
        customer,
        attributes,
        conversation_id,
        priority,
        requirement,
        expire,
        cause: _,
        preferred_agent_id,
    } = change;
    let personal = customer.is_some();
    let fields = [
        ("attributes", attributes.is_some()),
        ("personal_attributes", personal),
        ("customer_id", personal),
        ("customer_address", personal),
        ("conversation_id", conversation_id.is_some()),
        ("preferred_agent_id", preferred_agent_id.is_some()),
        ("priority", priority.is_some()),
        ("requirements", requirement.is_some()),
        ("expire_time", expire.is_some()),
    ];
    fields.into_iter().filter(|(_, changed)| *changed).map(|(field, _)| field.to_owned()).collect()
}

/// The fields of a contact that a change names, with its values; all others are empty.
fn changed(change: &ContactChange) -> v1::Contact {
    let customer = change.customer.as_ref().and_then(Option::as_deref);
    let mut contact = v1::Contact {
        attributes: change.attributes.as_ref().map(attributes).unwrap_or_default(),
        conversation_id: change.conversation_id.as_deref().unwrap_or_default().to_owned(),
        preferred_agent_id: change.preferred_agent_id.as_deref().unwrap_or_default().to_owned(),
        priority: change.priority.unwrap_or_default(),
        requirements: change.requirement.iter().flatten().map(|asked| asked.text.to_string()).collect(),
        expire_time: change.expire.flatten().map(time),
        ..v1::Contact::default()
    };
    if let Some(customer) = customer {
        output::put_customer(&mut contact, customer);
    }
    contact
}

/// The figures of a contact's whole life.
fn totals(about: &About<'_>) -> v1::ContactClosed {
    let Some(totals) = about.published.totals.as_deref() else { return v1::ContactClosed::default() };
    v1::ContactClosed {
        answered: totals.answered,
        talk: Some(span(totals.talk)),
        hold: Some(span(totals.hold)),
        wrap_up: Some(span(totals.wrap_up)),
        entries: totals.entries as i32,
        entry_number: totals.entries as i32,
        transfers: totals.transfers as i32,
        disposition: totals.disposition.to_string(),
        resolved: totals.resolved,
        ..v1::ContactClosed::default()
    }
}

fn offer_payload(about: &About<'_>, event: &Event) -> Payload {
    let leg = event.leg().unwrap_or(LegId::from_u64(0));
    let ring = Some(span(about.facts.leg_age));
    match event {
        Event::OfferIssued { cost, expires, broadcast, .. } => offer!(
            about,
            leg,
            OfferIssued {
                direction: about.direction(),
                offer: Some(v1::Offer { broadcast: *broadcast, ..issued(about, leg, *cost, time(*expires)) }),
                step: i32::from(about.facts.step),
                contact: Some(about.whole()),
            }
        ),
        Event::OfferAccepted { connect_by, .. } => offer!(
            about,
            leg,
            OfferAccepted { direction: about.direction(), ring: ring, connect_by_time: Some(time(*connect_by)) }
        ),
        Event::OfferDeclined { reason, barred, .. } => offer!(
            about,
            leg,
            OfferDeclined {
                reason: names::decline_to(*reason) as i32,
                ring: ring,
                retry_time: barred.map(|(_, until)| time(until)),
            }
        ),
        Event::OfferExpired { barred, .. } => {
            offer!(about, leg, OfferExpired { ring: ring, retry_time: barred.map(|(_, until)| time(until)) })
        }
        Event::OfferRescinded { .. } => {
            let winner = named(&about.published.other_agent);
            offer!(about, leg, OfferRescinded { ring: ring, winner_agent_id: winner })
        }
        Event::OfferCancelled { .. } => offer!(about, leg, OfferCancelled { ring: ring }),
        Event::OfferRevoked { .. } => offer!(about, leg, OfferRevoked { ring: ring }),
        Event::OfferFailed { cause, barred, .. } => offer!(
            about,
            leg,
            OfferFailed {
                ring: ring,
                reason: match cause {
                    FailCause::Delivery => "delivery".to_owned(),
                    FailCause::SessionLost => "session_lost".to_owned(),
                },
                retry_time: barred.map(|(_, until)| time(until)),
            }
        ),
        other => unreachable!("{other:?} is not an offer's"),
    }
}

fn issued(about: &About<'_>, leg: LegId, cost: u32, expires: prost_types::Timestamp) -> v1::Offer {
    v1::Offer {
        offer_id: offer_id(leg),
        contact_id: about.contact_id(),
        agent_id: about.agent_id(),
        channel: about.channel(),
        queue: about.queue(),
        capacity_cost: cost as i32,
        state: v1::OfferState::Issued as i32,
        issue_time: Some(time(about.published.recorded.time)),
        expire_time: Some(expires),
        attributes: super::attributes(&about.contact.profile.attributes),
        leg_number: about.facts.leg as i32,
        ..v1::Offer::default()
    }
}

// tidy: table
fn leg_payload(about: &About<'_>, event: &Event) -> Payload {
    let facts = about.facts;
    let (before, after, wait) = (about.before, about.after, Some(span(facts.wait)));
    let (talk, hold) = (Some(span(facts.talk)), Some(span(facts.hold)));
    let (entry_number, channel, direction) = (facts.entry as i32, about.channel(), about.direction());
    match event {
        Event::LegAssigned { cost, connect_by, cause, .. } => leg!(
            about,
            LegAssigned {
                entry_number: entry_number,
                channel: channel,
                direction: direction,
                cause: names::assign_cause_to(*cause) as i32,
                capacity_cost: *cost as i32,
                connect_by_time: Some(time(*connect_by)),
                wait: wait,
                before: before,
                after: after,
                contact: Some(about.whole()),
            }
        ),
        Event::LegConnected { answer, .. } => leg!(
            about,
            LegConnected {
                entry_number: entry_number,
                channel: channel,
                direction: direction,
                exit: answer.map_or(0, |_| v1::QueueExit::Answered as i32),
                wait: answer.map(|answer| span(answer.wait)),
                parked: Some(span(facts.parked)),
                within_threshold: answer.is_some_and(|answer| answer.within_threshold),
                since_arrival: Some(span(facts.since_arrival)),
                before: before,
                after: after,
            }
        ),
        Event::LegHeld { by, .. } => {
            let interrupted = by.is_some();
            leg!(about, LegHeld { talk: talk, hold: hold, before: before, after: after, interrupted: interrupted })
        }
        Event::LegResumed { interrupted, .. } => {
            leg!(about, LegResumed { talk: talk, hold: hold, before: before, after: after, interrupted: *interrupted })
        }
        Event::LegWrapUpStarted { until, cause, .. } => leg!(
            about,
            LegWrapUpStarted {
                channel: channel,
                direction: direction,
                cause: names::end_cause_to(*cause, OfferState::Accepted) as i32,
                talk: talk,
                hold: hold,
                until_time: Some(time(*until)),
                before: before,
                after: after,
            }
        ),
        Event::LegEnded { cause, barred, disposition, resolved, .. } => leg!(
            about,
            LegEnded {
                entry_number: entry_number,
                channel: channel,
                direction: direction,
                cause: names::end_cause_to(*cause, about.contact.offer) as i32,
                talk: talk,
                hold: hold,
                wrap_up: Some(span(facts.wrap_up)),
                disposition: disposition.to_string(),
                resolved: *resolved,
                retry_time: barred.map(|(_, until)| time(until)),
                entry_handled: facts.handled,
                before: before,
                after: after,
            }
        ),
        Event::MaxHandlePassed { .. } => leg!(about, MaxHandlePassed { handle: Some(span(facts.talk + facts.hold)) }),
        other => unreachable!("{other:?} is not a leg's"),
    }
}

// tidy: table
fn other_payload(published: &Published) -> Option<Payload> {
    let profile = published.agent.as_ref();
    let agent_id = profile.map(|agent| agent.agent_id.to_string()).unwrap_or_default();
    let team = profile.and_then(|agent| agent.team.as_ref()).map(ToString::to_string).unwrap_or_default();
    let presence = |presence: &Presence| names::presence_to(presence) as i32;
    Some(match &published.recorded.event {
        Event::PolicyApplied { policy, change, reevaluated } => Payload::PolicyApplied(v1::PolicyApplied {
            version_before: policy.version - 1,
            version_after: policy.version,
            trigger: names::policy_trigger(change.trigger) as i32,
            digest: hex(&change.digest),
            contacts_reevaluated: i32::try_from(*reevaluated).unwrap_or(i32::MAX),
            ..v1::PolicyApplied::default()
        }),
        Event::Resumed { outage, contacts, offers } => Payload::Resumed(v1::Resumed {
            stop_time: Some(time(published.recorded.time - *outage)),
            outage: Some(span(*outage)),
            contacts: *contacts as i32,
            offers: *offers as i32,
        }),
        Event::QueueOpenChanged { before, after, until, by_clock, .. } => {
            let (queue, expire_time) = (published.queue.to_string(), until.map(time));
            let (before, after, by_clock) = (*before, *after, *by_clock);
            Payload::QueueOpenChanged(v1::QueueOpenChanged { queue, before, after, expire_time, by_clock })
        }
        Event::PoolReset { pool } => Payload::PoolReset(v1::PoolReset { pool: pool.to_string() }),
        Event::AgentUpserted { profile, cause, overrides, .. } => {
            let shown = |profile: &AgentProfile, overrides: &[SkillOverride]| v1::Agent {
                skill_overrides: output::overrides(overrides),
                ..output::agent_profile(profile)
            };
            let after = Some(shown(profile, overrides));
            let cause = names::upsert_cause_to(*cause) as i32;
            let before = match published.recorded.earlier.as_deref() {
                Some(Earlier::Agent(profile, overrides)) => Some(shown(profile, overrides)),
                _ => None,
            };
            Payload::AgentUpserted(v1::AgentUpserted { agent_id, before, after, cause })
        }
        Event::AgentRemoved { .. } => {
            Payload::AgentRemovalStarted(v1::AgentRemovalStarted { agent_id, ..v1::AgentRemovalStarted::default() })
        }
        Event::AgentDeleted { .. } => Payload::AgentDeleted(v1::AgentDeleted { agent_id, team }),
        Event::AgentSignedIn { presence: now, lease, .. } => Payload::AgentSignedIn(v1::AgentSignedIn {
            agent_id,
            team,
            before: v1::Presence::Offline as i32,
            after: presence(now),
            session_lease: Some(span(*lease)),
            not_ready_reason: names::presence_reason(now),
        }),
        Event::AgentSignedOut { .. } => Payload::AgentSignedOut(v1::AgentSignedOut {
            agent_id,
            team,
            after: v1::Presence::Offline as i32,
            ..v1::AgentSignedOut::default()
        }),
        Event::AgentPresenceChanged { before, after, next, by_supervisor, .. } => {
            Payload::AgentPresenceChanged(v1::AgentPresenceChanged {
                agent_id,
                team,
                before: presence(before),
                after: presence(after),
                not_ready_reason_before: names::presence_reason(before),
                not_ready_reason_after: names::presence_reason(after),
                next_presence: next.as_ref().map_or(0, presence),
                next_not_ready_reason: next.as_ref().map(names::presence_reason).unwrap_or_default(),
                by_supervisor: *by_supervisor,
            })
        }
        Event::AgentRoutingChanged { before, after, .. } => Payload::AgentRoutingChanged(v1::AgentRoutingChanged {
            agent_id,
            team,
            before: names::routing_to(*before) as i32,
            after: names::routing_to(*after) as i32,
            ..v1::AgentRoutingChanged::default()
        }),
        Event::AgentNotResponding { fault, in_a_row, until, .. } => {
            Payload::AgentNotResponding(v1::AgentNotResponding {
                agent_id,
                team,
                fault: names::fault_to(*fault) as i32,
                in_a_row: *in_a_row as i32,
                until_time: Some(time(*until)),
            })
        }
        Event::AgentResponding { .. } => {
            Payload::AgentResponding(v1::AgentResponding { agent_id, team, ..v1::AgentResponding::default() })
        }
        Event::AgentRestStarted { cause, until, .. } => Payload::AgentRestStarted(v1::AgentRestStarted {
            agent_id,
            team,
            cause: names::rest_to(*cause) as i32,
            until_time: until.map(time),
        }),
        Event::AgentRestEnded { cause, .. } => {
            let cause = names::rest_to(*cause) as i32;
            Payload::AgentRestEnded(v1::AgentRestEnded { agent_id, team, cause })
        }
        Event::AgentSessionOpened { .. } => Payload::AgentSessionOpened(v1::AgentSessionOpened {
            agent_id,
            recovered: true,
            ..v1::AgentSessionOpened::default()
        }),
        Event::AgentSessionLost { .. } => {
            Payload::AgentSessionLost(v1::AgentSessionLost { agent_id, ..v1::AgentSessionLost::default() })
        }
        Event::GatewaySessionOpened { gateway_id, lease, .. } => {
            let (gateway_id, lease) = (gateway_id.to_string(), Some(span(*lease)));
            Payload::GatewaySessionOpened(v1::GatewaySessionOpened { gateway_id, lease, recovered: false })
        }
        Event::GatewaySessionLost { until, .. } => Payload::GatewaySessionLost(v1::GatewaySessionLost {
            gateway_id: named(&published.gateway),
            until_time: Some(time(*until)),
            ..v1::GatewaySessionLost::default()
        }),
        _ => return None,
    })
}
