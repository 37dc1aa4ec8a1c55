//! Events, refusals and states as a script writes them: short, and the same whatever the engine's handles are.

use std::collections::HashMap;

use usher::engine::agent::{Presence, UpsertCause};
use usher::engine::contact::{AssignCause, Outcome, Reason};
use usher::engine::event::{Event, Recorded};
use usher::engine::id::{AgentId, BarId, ContactId, LegId, QueueId};
use usher::engine::reject::Reject;
use usher::engine::state::State;
use usher::engine::time::Time;

use super::words::ago;

/// Names by handle, kept by the reader since a handle outlives what it names.
#[derive(Default)]
pub struct Names {
    contacts: HashMap<ContactId, String>,
    legs: HashMap<LegId, AgentId>,
}

/// `OnHold` as `on_hold`.
pub fn snake(value: &impl std::fmt::Debug) -> String {
    let text = format!("{value:?}");
    let mut out = String::new();
    for (at, letter) in text.char_indices() {
        if letter.is_uppercase() && at > 0 {
            out.push('_');
        }
        out.extend(letter.to_lowercase());
    }
    out
}

/// An outcome with its reason.
pub fn outcome(outcome: Outcome, reason: Reason) -> String {
    match reason {
        Reason::None => snake(&outcome),
        reason => format!("{}({})", snake(&outcome), snake(&reason)),
    }
}

/// A presence with its reason.
pub fn presence(presence: &Presence) -> String {
    match presence {
        Presence::NotReady(reason) if !reason.is_empty() => format!("not_ready:{reason}"),
        Presence::NotReady(_) => "not_ready".into(),
        Presence::Available => "ready".into(),
        Presence::Offline => "offline".into(),
    }
}

/// A refusal.
pub fn refusal(reject: &Reject) -> String {
    match reject {
        Reject::Invalid { field, must } => format!("refused invalid {field} must {must}"),
        Reject::QueueNotFound { queue } => format!("refused queue_not_found {queue}"),
        Reject::ChannelNotFound { channel } => format!("refused channel_not_found {channel}"),
        Reject::TeamNotFound { team } => format!("refused team_not_found {team}"),
        Reject::SkillNotFound { skill } => format!("refused skill_not_found {skill}"),
        Reject::QueueClosed { queue } => format!("refused queue_closed {queue}"),
        Reject::QueueFull { queue } => format!("refused queue_full {queue}"),
        Reject::VersionMismatch { version } => format!("refused version_mismatch {version}"),
        Reject::QueueHoldsContacts { queue } => format!("refused queue_holds_contacts {queue}"),
        Reject::ContactState { state } => format!("refused contact_state {}", snake(state)),
        Reject::OfferOver { state } => format!("refused offer_over {}", snake(state)),
        Reject::LimitReached { limit, max } => format!("refused limit_reached {limit} {max}"),
        other => format!("refused {}", snake(other)),
    }
}

fn barred(barred: Option<(BarId, Time)>) -> String {
    barred.map_or_else(String::new, |(_, until)| format!(" barred until {}", ago(until)))
}

impl Names {
    /// Learns what an event names.
    pub fn learn(&mut self, state: &State, recorded: &Recorded) {
        match &recorded.event {
            Event::ContactCreated { contact, new } => {
                self.contacts.insert(*contact, new.profile.contact_id.to_string());
            }
            Event::OfferIssued { leg, agent, .. } | Event::LegAssigned { leg, agent, .. } => {
                self.legs.insert(*leg, *agent);
            }
            _ => {}
        }
        let _ = state;
    }

    fn pair(&self, state: &State, contact: ContactId, leg: LegId) -> String {
        format!("{} {}", self.contacts[&contact], agent(state, self.legs[&leg]))
    }

    /// One event, with the contact's state where it changed.
    pub fn event(&self, state: &State, recorded: &Recorded) -> String {
        let event = &recorded.event;
        let mut text = self.contact_event(state, event).or_else(|| self.leg_event(state, recorded));
        text = text.or_else(|| agent_event(state, event)).or_else(|| tenant_event(state, event));
        let mut text = text.unwrap_or_else(|| panic!("{event:?} has no words"));
        if let Some((before, after)) = recorded.contact_states
            && before != after
        {
            text.push_str(&format!(" ({} -> {})", snake(&before), snake(&after)));
        }
        text
    }

    // tidy: table
    fn contact_event(&self, state: &State, event: &Event) -> Option<String> {
        let name = |contact: &ContactId| &self.contacts[contact];
        Some(match event {
            Event::ContactCreated { contact, .. } => format!("created {}", name(contact)),
            Event::ContactQueued { contact, queue: to, cause, only } => {
                let only = only.map_or_else(String::new, |(only, until)| {
                    format!(" only {} until {}", agent(state, only), ago(until))
                });
                format!("queued {} {} {}{only}", name(contact), queue(state, *to), snake(cause))
            }
            Event::ContactMoved { contact, exit, to, .. } => {
                format!(
                    "moved {} {} -> {} after {}",
                    name(contact),
                    queue(state, exit.queue),
                    queue(state, *to),
                    exit.wait
                )
            }
            Event::SurveySubmitted { contact, queue: of, agent: by, kind, score, result } => {
                let of = of.map_or("-", |of| queue(state, of));
                let by = agent(state, *by);
                format!("surveyed {} {of} {by} {} {score} {}", name(contact), snake(kind), snake(result))
            }
            Event::ContactUnrestricted { contact } => format!("unrestricted {}", name(contact)),
            Event::ContactUpdated { contact, .. } => format!("updated {}", name(contact)),
            Event::ContactParked { contact, until } => format!("parked {} until {}", name(contact), ago(*until)),
            Event::ContactUnparked { contact } => format!("unparked {}", name(contact)),
            Event::ContactTransferred { contact, from, to, to_agent, again, reason } => {
                let queue = |at: &Option<QueueId>| at.map_or("-", |at| queue(state, at));
                let mut text = format!("transferred {} {} -> {}", name(contact), queue(from), queue(to));
                if let Some(to) = to_agent {
                    text.push_str(&format!(" for {}", agent(state, *to)));
                }
                if *again {
                    text.push_str(" again");
                }
                if !reason.is_empty() {
                    text.push_str(&format!(" because {reason}"));
                }
                text
            }
            Event::NoWillingAgent { contact } => format!("no_willing_agent {}", name(contact)),
            Event::BarLifted { contact, agent: of, .. } => {
                format!("bar_lifted {} {}", name(contact), agent(state, *of))
            }
            Event::ContactOverflowed { contact, rule, trigger, action } => {
                format!("overflowed {} by rule {rule}: {trigger:?} -> {action:?}", name(contact))
            }
            Event::ContactRelaxed { contact, before, after, skipped, advanced } => {
                let mut text = format!("relaxed {} {before} -> {after}", name(contact));
                let skipped: Vec<String> =
                    (0..32).filter(|step| skipped & (1 << step) != 0).map(|step| step.to_string()).collect();
                if !skipped.is_empty() {
                    text.push_str(&format!(" skipped {}", skipped.join(",")));
                }
                if !advanced.is_zero() {
                    text.push_str(&format!(" earlier {advanced}"));
                }
                text
            }
            Event::ContactUnservableChanged { contact, unservable: true } => format!("unservable {}", name(contact)),
            Event::ContactUnservableChanged { contact, unservable: false } => format!("servable {}", name(contact)),
            Event::StepsExhausted { contact } => format!("steps_exhausted {}", name(contact)),
            Event::WaitReached { contact, wait } => format!("wait_reached {} {wait}", name(contact)),
            Event::ContactEnded { contact, outcome: how, reason, exit, disposition } => {
                let mut text = format!("ended {} {}", name(contact), outcome(*how, *reason));
                if let Some(exit) = exit {
                    text.push_str(&format!(" left {} after {}", queue(state, exit.queue), exit.wait));
                    text.push_str(if exit.within_threshold { " within" } else { "" });
                    text.push_str(if exit.short { " short" } else { "" });
                }
                if !disposition.is_empty() {
                    text.push_str(&format!(" as {disposition}"));
                }
                text
            }
            Event::ContactClosed { contact, outcome: how, reason, .. } => {
                format!("closed {} {}", name(contact), outcome(*how, *reason))
            }
            Event::ContactForgotten { contact } => format!("forgotten {}", name(contact)),
            _ => return None,
        })
    }

    // tidy: table
    fn leg_event(&self, state: &State, recorded: &Recorded) -> Option<String> {
        let event = &recorded.event;
        let (contact, leg) = (event.contact()?, event.leg()?);
        let pair = self.pair(state, contact, leg);
        Some(match event {
            Event::OfferIssued { expires, wait, .. } => {
                let wait = if wait.is_zero() { String::new() } else { format!(" wait {wait}") };
                format!("offered {pair} expires {}{wait}", ago(*expires))
            }
            Event::OfferAccepted { connect_by, .. } => format!("accepted {pair} connect by {}", ago(*connect_by)),
            Event::OfferDeclined { reason, barred: until, .. } => {
                format!("declined {pair} {}{}", snake(reason), barred(*until))
            }
            Event::OfferExpired { barred: until, .. } => format!("offer_expired {pair}{}", barred(*until)),
            Event::OfferRescinded { winner, .. } => format!("offer_rescinded {pair} by {}", agent(state, *winner)),
            Event::OfferCancelled { .. } => format!("offer_cancelled {pair}"),
            Event::OfferRevoked { .. } => format!("offer_revoked {pair}"),
            Event::OfferFailed { cause, barred: until, .. } => {
                format!("offer_failed {pair} {}{}", snake(cause), barred(*until))
            }
            Event::LegAssigned { connect_by, cause, .. } => {
                let cause = match cause {
                    AssignCause::Direct => String::new(),
                    cause => format!(" {}", snake(cause)),
                };
                let over = if recorded.facts.over_capacity { " over capacity" } else { "" };
                format!("assigned {pair}{cause} connect by {}{over}", ago(*connect_by))
            }
            Event::LegConnected { answer, .. } => match answer {
                None => format!("connected {pair}"),
                Some(answer) => {
                    let within = if answer.within_threshold { " within" } else { "" };
                    format!("connected {pair} answered {} after {}{within}", queue(state, answer.queue), answer.wait)
                }
            },
            Event::LegHeld { by, .. } => format!("held {pair}{}", if by.is_some() { " interrupted" } else { "" }),
            Event::LegResumed { interrupted, .. } => {
                format!("resumed {pair}{}", if *interrupted { " interrupted" } else { "" })
            }
            Event::LegWrapUpStarted { until, cause, .. } => {
                format!("wrap_up {pair} {} until {}", snake(cause), ago(*until))
            }
            Event::LegEnded { cause, barred: until, disposition, resolved, .. } => {
                let mut text = format!("leg_ended {pair} {}{}", snake(cause), barred(*until));
                if !disposition.is_empty() {
                    text.push_str(&format!(" as {disposition}"));
                }
                if let Some(resolved) = resolved {
                    text.push_str(if *resolved { " resolved" } else { " unresolved" });
                }
                text
            }
            Event::MaxHandlePassed { .. } => format!("max_handle_passed {pair}"),
            _ => return None,
        })
    }
}

fn agent(state: &State, agent: AgentId) -> &str {
    &state.agent(agent).profile.agent_id
}

fn queue(state: &State, queue: QueueId) -> &str {
    state.queue_id(queue)
}

fn agent_event(state: &State, event: &Event) -> Option<String> {
    let name = agent(state, event.agent()?);
    Some(match event {
        Event::AgentUpserted { cause: UpsertCause::Request | UpsertCause::Config, .. } => {
            format!("agent_upserted {name}")
        }
        Event::AgentUpserted { profile, cause, overrides, .. } => {
            let skills: Vec<String> = profile.skills.iter().map(|(skill, level)| format!("{skill}:{level}")).collect();
            let skills = if skills.is_empty() { "nothing".into() } else { skills.join(" ") };
            let mut text = format!("agent_{} {name} {skills}", snake(cause));
            for held in overrides {
                text.push_str(&format!(" ({}:{} until {})", held.skill, held.configured, ago(held.until)));
            }
            text
        }
        Event::AgentRemoved { .. } => format!("agent_removed {name}"),
        Event::AgentDeleted { .. } => format!("agent_deleted {name}"),
        Event::AgentSignedIn { presence: at, lease, .. } => {
            let lease = if lease.is_zero() { String::new() } else { format!(" lease {lease}") };
            format!("signed_in {name} {}{lease}", presence(at))
        }
        Event::AgentSignedOut { .. } => format!("signed_out {name}"),
        Event::AgentPresenceChanged { before, after, next, by_supervisor, .. } => {
            let mut next = next.as_ref().map_or_else(String::new, |next| format!(" next {}", presence(next)));
            next.push_str(if *by_supervisor { " by supervisor" } else { "" });
            match before == after {
                true => format!("agent_presence {name} {}{next}", presence(after)),
                false => format!("agent_presence {name} {} -> {}{next}", presence(before), presence(after)),
            }
        }
        Event::AgentRoutingChanged { before, after, .. } => {
            format!("agent_routing {name} {} -> {}", snake(before), snake(after))
        }
        Event::AgentNotResponding { fault, until, .. } => {
            format!("not_responding {name} {} until {}", snake(fault), ago(*until))
        }
        Event::AgentResponding { .. } => format!("responding {name}"),
        Event::AgentRestStarted { cause, until, .. } => {
            let until = until.map_or_else(String::new, |at| format!(" until {}", ago(at)));
            format!("rest_started {name} {}{until}", snake(cause))
        }
        Event::AgentRestEnded { cause, .. } => format!("rest_ended {name} {}", snake(cause)),
        Event::AgentSessionOpened { .. } => format!("session_opened {name}"),
        Event::AgentSessionLost { .. } => format!("session_lost {name}"),
        _ => return None,
    })
}

fn tenant_event(state: &State, event: &Event) -> Option<String> {
    Some(match event {
        Event::RequestRemembered { stamp, .. } => format!("remembered {}", stamp.request_id),
        Event::PolicyApplied { policy, .. } => format!("policy_applied {}", policy.version),
        Event::QueueOpenChanged { queue: of, before, after, set, until, by_clock } => {
            let word = |open: bool| if open { "open" } else { "closed" };
            let set = if set.is_some() { "" } else { " again" };
            let until = until.map_or_else(String::new, |at| format!(" until {}", ago(at)));
            let by_clock = if *by_clock { " by clock" } else { "" };
            format!("queue {} {} -> {}{set}{until}{by_clock}", queue(state, *of), word(*before), word(*after))
        }
        Event::PoolReset { pool } => format!("pool_reset {pool}"),
        Event::GatewaySessionOpened { gateway_id, lease, .. } => format!("gateway_opened {gateway_id} lease {lease}"),
        Event::GatewaySessionLost { gateway, until } => {
            format!("gateway_lost {} until {}", state.gateway(*gateway).gateway_id, ago(*until))
        }
        Event::GatewaySwept { gateway } => format!("gateway_swept {}", state.gateway(*gateway).gateway_id),
        _ => return None,
    })
}
