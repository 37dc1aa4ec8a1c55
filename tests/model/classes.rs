//! Classification: which queue a contact goes to that names none.

use usher::engine::Reply;
use usher::engine::command::{ChangeCause, Command};
use usher::engine::event::{EntryCause, Event, Recorded};
use usher::engine::id::{ContactId, QueueId, Text};
use usher::engine::policy::ClassRule;
use usher::engine::requirement::{Attributes, Requirement, Subject, Value};
use usher::engine::state::State;
use usher::engine::time::{Span, Time};

use super::{Model, must};

/// What rules look at in a contact.
struct Facts<'a> {
    channel: &'a Text,
    attributes: &'a Attributes,
    priority: i32,
    requirement: Option<&'a Requirement>,
    age: Span,
}

impl Subject for Facts<'_> {
    fn agent_id(&self) -> &str {
        ""
    }

    fn level(&self, _: &str) -> u8 {
        0
    }

    fn attribute(&self, name: &str) -> Option<&Value> {
        self.attributes.iter().find(|(id, _)| **id == *name).map(|(_, value)| value)
    }
}

impl Facts<'_> {
    fn meet(&self, rule: &ClassRule) -> bool {
        let mut named = Vec::new();
        self.requirement.iter().for_each(|asked| asked.expr.each_skill(&mut |skill| named.push(skill.clone())));
        let channel = rule.channels.is_empty() || rule.channels.contains(self.channel);
        let when = rule.when.as_ref().is_none_or(|when| when.expr.met_by(self));
        let priority = rule.priority_at_least.is_none_or(|least| self.priority >= least);
        let age = rule.age_at_least.is_none_or(|least| self.age >= least);
        channel && when && priority && age && rule.asks.iter().all(|skill| named.contains(skill))
    }
}

/// What a command that leaves the queue to the rules must come to.
pub struct Expected {
    contact_id: Text,
    /// The contact and where it waited, if it was there before.
    contact: Option<(ContactId, QueueId)>,
    /// The queue and the rule that says so; none when nothing does.
    queue: Option<(Text, Option<usize>)>,
}

impl Model {
    fn classify(&self, facts: &Facts<'_>) -> Option<(Text, Option<usize>)> {
        let rules = &self.policy.classification;
        match rules.rules.iter().position(|rule| facts.meet(rule)) {
            Some(at) => Some((rules.rules[at].queue.clone(), Some(at))),
            None => rules.fallback.clone().map(|queue| (queue, None)),
        }
    }

    /// What the rules say of a command's contact, asked before its events are taken in.
    pub fn expect_class(&self, now: Time, command: &Command, state: &State) -> Option<Expected> {
        match command {
            Command::CreateContact(new) if new.queue.is_empty() && new.agent_id.is_empty() => {
                let facts = Facts {
                    channel: &new.profile.channel,
                    attributes: &new.profile.attributes,
                    priority: new.priority,
                    requirement: new.requirement.as_deref(),
                    age: now.since(new.arrival.unwrap_or(now) - new.age_credit),
                };
                let contact_id = new.profile.contact_id.clone();
                Some(Expected { contact_id, contact: None, queue: self.classify(&facts) })
            }
            Command::ReclassifyContact { contact_id, queue } => {
                let contact = state.find_contact(contact_id)?;
                let held = self.contacts.get(&contact)?;
                let facts = Facts {
                    channel: &held.channel,
                    attributes: &held.attributes,
                    priority: held.priority,
                    requirement: held.requirement.as_deref(),
                    age: now.since(held.arrival),
                };
                let said = (!queue.is_empty()).then(|| (queue.clone(), None));
                let queue = said.or_else(|| self.classify(&facts));
                let contact = held.entry.as_ref().map(|entry| (contact, entry.queue));
                Some(Expected { contact_id: contact_id.clone(), contact, queue })
            }
            _ => None,
        }
    }

    /// A command that left the queue to the rules was carried out: it came to what they say, and changed what they change.
    pub fn check_class(&self, expected: &Expected, reply: &Reply, events: &[Recorded]) -> Result<(), String> {
        let Expected { contact_id, contact, queue } = expected;
        let (queue, rule) = queue.as_ref().ok_or_else(|| format!("no rule takes {contact_id}"))?;
        let created = events.iter().find_map(|recorded| match &recorded.event {
            Event::ContactCreated { contact, new } => Some((*contact, new)),
            _ => None,
        });
        if contact.is_none() && created.is_none() {
            // It was there already, and only asked for again.
            return must(!reply.created, || format!("{contact_id} is created without an event"));
        }
        if let Some((_, new)) = created {
            must(new.queue == *queue, || format!("{contact_id} goes to {}, not to {queue}", new.queue))?;
        }
        if let Some(contact) = contact {
            let sent = events.iter().find_map(|recorded| match recorded.event {
                Event::ContactMoved { contact: moved, to, cause: EntryCause::Reclassified, .. }
                    if moved == contact.0 =>
                {
                    Some(to)
                }
                _ => None,
            });
            let here = &self.queues[sent.unwrap_or(contact.1).index()].id;
            must(here == queue, || format!("{contact_id} is sent to {here}, not to {queue}"))?;
            let said = reply.rule.map(|rule| rule as usize);
            must(said == *rule, || format!("{contact_id} was sent by rule {said:?}, not {rule:?}"))?;
        }
        let changes = events.iter().filter_map(|recorded| match &recorded.event {
            Event::ContactUpdated { change, .. } if change.cause == ChangeCause::Classified => Some(change),
            _ => None,
        });
        let changes: Vec<_> = changes.collect();
        let rule = rule.map(|at| &self.policy.classification.rules[at]);
        let wanted = rule.filter(|rule| rule.set_priority.is_some() || rule.set_requirement.is_some());
        let wanted = wanted.map(|rule| (rule.set_priority, rule.set_requirement.clone().map(Some)));
        let made: Vec<_> = changes.iter().map(|change| (change.priority, change.requirement.clone())).collect();
        must(made == Vec::from_iter(wanted.clone()), || format!("{contact_id} is changed by {made:?}, not {wanted:?}"))
    }
}
