//! Who came again: a contact that was resolved and whose customer comes again within `recontact_window` was not resolved
//! at first contact after all.
//!
//! Customers are told apart by `customer_id`; a contact without one can only wait for the window to pass.

use std::collections::{HashMap, VecDeque};

use super::fold::{Books, Slice};
use crate::engine::contact::{ContactProfile, Customer, Direction};
use crate::engine::id::{AgentId, Text};
use crate::engine::time::{Span, Time};
use crate::wire::{Malformed, Reader, Wire, Writer, record};

/// Customers remembered; the one resolved longest ago goes first.
const CUSTOMERS: usize = 500_000;

/// Where a contact was counted as resolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// When.
    pub at: Time,
    /// In which slice.
    pub slice: Slice,
    /// The agent who said so.
    pub agent: AgentId,
}

/// The customers whose last resolved contact is still inside the window.
#[derive(Clone, Debug, Default)]
pub struct Recontacts {
    last: HashMap<Text, Resolved>,
    /// In order of time; an entry whose time is not that of `last` is out of date.
    order: VecDeque<(Time, Text)>,
}

record!(Resolved { at, slice, agent });

/// Each customer under his key; who was forgotten meanwhile is left out.
impl Wire for Recontacts {
    fn put(&self, out: &mut Writer) {
        let current = |(at, customer): &(Time, Text)| {
            let resolved = self.last.get(customer).filter(|resolved| resolved.at == *at)?;
            Some((Customer { customer_id: customer.clone(), ..Customer::default() }, *resolved))
        };
        self.order.iter().filter_map(current).collect::<Vec<_>>().put(out);
    }

    fn get(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        let mut read = Recontacts::default();
        for (customer, resolved) in Vec::<(Customer, Resolved)>::get(from)? {
            if !customer.customer_id.is_empty() {
                read.resolved(&customer.customer_id, resolved);
            }
        }
        Ok(read)
    }
}

impl Recontacts {
    /// Remembers that a customer's contact was resolved.
    pub fn resolved(&mut self, customer: &Text, resolved: Resolved) {
        self.order.push_back((resolved.at, customer.clone()));
        self.last.insert(customer.clone(), resolved);
        while self.order.len() > CUSTOMERS {
            self.drop_first();
        }
    }

    /// A customer comes at `now`: where his last contact was counted as resolved, once, if that is inside the window.
    pub fn comes(&mut self, customer: &str, now: Time, window: Span) -> Option<Resolved> {
        while self.order.front().is_some_and(|(at, _)| now.since(*at) > window) {
            self.drop_first();
        }
        self.last.remove(customer)
    }

    /// A customer is forgotten.
    pub fn forget(&mut self, customer: &str) {
        self.last.remove(customer);
        self.order.retain(|(_, held)| **held != *customer);
    }

    fn drop_first(&mut self) {
        if let Some((at, customer)) = self.order.pop_front()
            && self.last.get(&customer).is_some_and(|last| last.at == at)
        {
            self.last.remove(&customer);
        }
    }
}

/// The customer who comes with a contact, where coming says that something was not settled.
#[must_use]
pub fn customer_of(profile: &ContactProfile) -> Option<&Text> {
    let customer = &profile.customer.as_ref()?.customer_id;
    (profile.direction == Direction::Inbound && !customer.is_empty()).then_some(customer)
}

impl Books {
    /// Whether what was resolved in a quarter may still prove not to be.
    #[must_use]
    pub fn is_provisional(&self, quarter: u64) -> bool {
        super::calendar::quarter_start(quarter + 1) + self.policy.rules.recontact_window > self.now
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::id::ChannelId;

    #[test]
    fn who_comes_again_counts_once_and_only_inside_the_window() {
        let mut recontacts = Recontacts::default();
        let day = Span::from_secs(86_400);
        let (channel, direction) = (ChannelId(0), Direction::Inbound);
        let slice = Slice { queue: None, channel, direction, skills: 0, team: 0, site: 0 };
        let at = |days: u64| Resolved { at: Time(days * day.0), slice, agent: AgentId(0) };
        let (ana, bo): (Text, Text) = ("ana".into(), "bo".into());
        recontacts.resolved(&ana, at(1));
        recontacts.resolved(&bo, at(1));
        assert_eq!(recontacts.comes("ana", Time(2 * day.0), day), Some(at(1)), "the last instant of the window");
        assert_eq!(recontacts.comes("ana", Time(2 * day.0), day), None, "once");
        assert_eq!(recontacts.comes("bo", Time(2 * day.0 + 1), day), None, "too late");
        recontacts.resolved(&bo, at(3));
        recontacts.resolved(&bo, at(4));
        recontacts.forget("bo");
        assert_eq!((recontacts.comes("bo", Time(4 * day.0), day), recontacts.order.len()), (None, 0));
    }
}
