//! Classification: which queue a contact goes to that names none, by ordered rules; and doing it again.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::arrival::admit;
use super::contact::class_bound;
use super::leg::cancel_offers;
use super::supervise::{can_be_sent, move_one};
use super::{Subject, Verdict, find_contact};
use crate::engine::command::{ChangeCause, ContactChange, NewContact};
use crate::engine::contact::{Contact, ContactProfile, ContactState};
use crate::engine::event::{EntryCause, Event};
use crate::engine::id::Text;
use crate::engine::policy::{ClassRule, Classification};
use crate::engine::reject::Reject;
use crate::engine::requirement::{self, Requirement, Value};
use crate::engine::state::{Own, State};
use crate::engine::time::{Span, Time};

/// What rules look at in a contact.
#[derive(Clone, Copy)]
pub(super) struct Facts<'a> {
    profile: &'a ContactProfile,
    priority: i32,
    requirement: Option<&'a Requirement>,
    /// Since its adjusted arrival.
    age: Span,
}

impl Facts<'_> {
    /// Of a contact that comes in.
    pub(super) fn arriving(now: Time, new: &NewContact) -> Facts<'_> {
        let arrived = new.arrival.map_or(Span::ZERO, |at| now.since(at));
        Facts {
            profile: &new.profile,
            priority: new.priority,
            requirement: new.requirement.as_deref(),
            age: arrived + new.age_credit,
        }
    }

    fn waiting(now: Time, held: &Contact) -> Facts<'_> {
        Facts {
            profile: &held.profile,
            priority: i32::from(held.priority),
            requirement: held.requirement.as_deref(),
            age: now.since(held.adjusted_arrival),
        }
    }
}

/// A condition looks at a contact's attributes, the customer's after its own; a contact is no agent and has no skill.
impl requirement::Subject for ContactProfile {
    fn agent_id(&self) -> &str {
        ""
    }

    fn level(&self, _: &str) -> u8 {
        0
    }

    fn attribute(&self, name: &str) -> Option<&Value> {
        let personal = self.customer.iter().flat_map(|customer| &customer.attributes);
        self.attributes.iter().chain(personal).find(|held| *held.0 == *name).map(|held| &held.1)
    }
}

impl ClassRule {
    fn matches(&self, facts: Facts<'_>) -> bool {
        let names = |skill: &Text| {
            let mut found = false;
            if let Some(asked) = facts.requirement {
                asked.expr.each_skill(&mut |named| found |= named == skill);
            }
            found
        };
        (self.channels.is_empty() || self.channels.contains(&facts.profile.channel))
            && self.when.as_ref().is_none_or(|when| when.expr.met_by(facts.profile))
            && self.priority_at_least.is_none_or(|least| facts.priority >= least)
            && self.age_at_least.is_none_or(|least| facts.age >= least)
            && self.asks.iter().all(names)
    }

    /// What it changes of a contact beside its queue.
    fn change(&self) -> Option<ContactChange> {
        (self.set_priority.is_some() || self.set_requirement.is_some()).then(|| ContactChange {
            priority: self.set_priority,
            requirement: self.set_requirement.clone().map(Some),
            cause: ChangeCause::Classified,
            ..ContactChange::default()
        })
    }
}

/// Where a contact goes, by which rule, and what of it changes.
pub(super) struct Class<'a> {
    /// The queue.
    pub(super) queue: &'a Text,
    /// The rule's place in the policy; none when the fallback took it, or its queue was named.
    rule: Option<u32>,
    /// What the rule changes.
    pub(super) change: Option<ContactChange>,
}

/// Where a contact goes: the first rule that matches says it, or the fallback; or nowhere. O(rules).
pub(super) fn classify<'a>(rules: &'a Classification, facts: Facts<'_>) -> Option<Class<'a>> {
    let matched = (0..).zip(&rules.rules).find(|(_, rule)| rule.matches(facts));
    let by_rule = matched.map(|(number, rule)| Class { queue: &rule.queue, rule: Some(number), change: rule.change() });
    by_rule.or(rules.fallback.as_ref().map(|queue| Class { queue, rule: None, change: None }))
}

/// Classifies a contact that waits again, or sends it to a queue by name. In the queue it waits in its entry goes on.
pub(super) fn reclassify(
    state: &State,
    now: Time,
    (contact_id, queue): (&Text, &Text),
    out: &mut Vec<Event>,
) -> Verdict {
    let contact = find_contact(state, contact_id)?;
    let unknown = |name: &Text| Reject::QueueNotFound { queue: name.clone() };
    if !queue.is_empty() {
        state.registry().queue(queue).ok_or_else(|| unknown(queue))?;
    }
    let held = state.contact(contact);
    match state.contact_state(contact) {
        ContactState::Closed => return Err(Reject::ContactClosed),
        at if !can_be_sent(at) => return Err(Reject::ContactState { state: at }),
        _ => {}
    }
    let class = match queue.is_empty() {
        false => Class { queue, rule: None, change: None },
        true => classify(&state.policy().classification, Facts::waiting(now, held)).ok_or(Reject::Invalid {
            field: "queue",
            must: "be set: no classification rule matches, and there is no fallback",
        })?,
    };
    let to = state.registry().queue(class.queue).ok_or_else(|| unknown(class.queue))?;
    let asked = class.change.as_ref().and_then(|change| change.requirement.as_ref()).unwrap_or(&held.requirement);
    let stays = held.queue() == Some(to);
    if !stays {
        let own = Own { requirement: asked.as_ref(), preferred: &held.profile.preferred_agent_id };
        admit(state, to, held.channel, own)?;
    }
    class_bound(state, Some(to), held.channel, asked.as_deref())?;
    if stays {
        cancel_offers(state, contact, out);
    }
    if let Some(change) = class.change {
        out.push(Event::ContactUpdated { contact, change: Arc::new(change) });
    }
    if !stays {
        move_one(state, now, contact, (to, EntryCause::Reclassified), out);
    }
    Ok(Subject { rule: class.rule, ..contact.into() })
}
