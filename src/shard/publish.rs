//! The writer's side of subscriptions: who gets what, and the events kept so that a reader can go on where it was.
//!
//! Nothing here waits. A reader that has no room is ended, never waited for, and an event nobody wants costs its place
//! in the ring of recent ones.

use std::collections::{HashMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use crate::engine::event::Event;
use crate::engine::id::{LegId, Text};
use crate::engine::publish::Published;

use super::call::Refused;
use super::stream::{Ended, Filter, Lags, Link, Order, Start, Subscription, Topic};

/// Who reads one tenant's events.
pub(super) struct Publisher {
    recent: VecDeque<Arc<Published>>,
    keep: usize,
    /// Sequence of the last event published.
    last: u64,
    agents: HashMap<Text, Vec<Reader>>,
    gateways: HashMap<Text, Vec<Reader>>,
    others: Vec<Reader>,
    lags: Lags,
}

struct Reader {
    events: mpsc::Sender<Arc<Published>>,
    link: Arc<Link>,
    /// Events up to this sequence are in its snapshot or were handed over with it.
    after: u64,
    only: Option<Filter>,
    session: bool,
}

/// What became of one event for one reader.
#[derive(PartialEq, Eq)]
enum Fate {
    Taken,
    NotWanted,
    Lost,
}

impl Reader {
    fn give(&mut self, event: &Arc<Published>) -> Fate {
        if self.events.is_closed() {
            return Fate::Lost;
        }
        if event.sequence() <= self.after {
            return Fate::Taken;
        }
        if let Some(only) = &mut self.only {
            // A filter is the reader's code: its bug ends the reader, not the writer.
            match catch_unwind(AssertUnwindSafe(|| only(event))) {
                Ok(true) => {}
                Ok(false) => return Fate::NotWanted,
                Err(_) => return Fate::Lost,
            }
        }
        match self.events.try_send(event.clone()) {
            Ok(()) => Fate::Taken,
            Err(TrySendError::Full(_)) => {
                self.link.end(Ended::SlowReader);
                Fate::Lost
            }
            Err(TrySendError::Closed(_)) => Fate::Lost,
        }
    }
}

impl Publisher {
    pub(super) fn new(keep: usize, lags: Lags) -> Publisher {
        Publisher {
            recent: VecDeque::new(),
            keep,
            last: 0,
            agents: HashMap::new(),
            gateways: HashMap::new(),
            others: Vec::new(),
            lags,
        }
    }

    /// Whether anybody reads or may come to read what happens now.
    pub(super) fn is_wanted(&self) -> bool {
        self.keep > 0 || !(self.others.is_empty() && self.agents.is_empty() && self.gateways.is_empty())
    }

    /// Streams registered. Linear in their topics.
    pub(super) fn readers(&self) -> usize {
        let count = |map: &HashMap<Text, Vec<Reader>>| map.values().map(Vec::len).sum::<usize>();
        self.others.len() + count(&self.agents) + count(&self.gateways)
    }

    /// Where the stream of events stands when the tenant was brought back from its journal.
    pub(super) fn begin_after(&mut self, sequence: u64) {
        if self.last != sequence {
            self.recent.clear();
            self.last = sequence;
        }
    }

    /// Registers a stream. `sequence` is the state's own, which the snapshot that goes with it shows.
    pub(super) fn subscribe(&mut self, order: Order, sequence: u64) -> Result<Subscription, Refused> {
        let (after, mut backlog) = match order.start {
            Start::Now => (sequence, VecDeque::new()),
            Start::After(token) => (token, self.after(token, sequence)?),
        };
        let mut only = order.only;
        if let Some(only) = &mut only {
            let chosen = catch_unwind(AssertUnwindSafe(|| backlog.retain(|event| only(event))));
            chosen.map_err(|_| Refused::QueryFailed)?;
        }
        let (sender, events) = mpsc::channel(order.capacity.max(1));
        self.lags.watch(&sender);
        let link = Arc::new(Link::default());
        let mut reader = Reader { events: sender, link: link.clone(), after, only, session: false };
        match order.topic {
            Topic::Agent { agent_id, session } => {
                backlog.retain(|event| is_agents(event, &agent_id));
                let readers = self.agents.entry(agent_id).or_default();
                readers.retain(|earlier| {
                    let replaced = session && earlier.session;
                    if replaced {
                        earlier.link.end(Ended::Replaced);
                    }
                    !replaced && !earlier.events.is_closed()
                });
                reader.session = session;
                readers.push(reader);
            }
            Topic::Gateway(gateway_id) => {
                backlog.retain(|event| gateway_of(event) == Some(&gateway_id));
                let readers = self.gateways.entry(gateway_id).or_default();
                readers.retain(|earlier| !earlier.events.is_closed());
                readers.push(reader);
            }
            Topic::Everything => self.others.push(reader),
        }
        Ok(Subscription::new(backlog, events, link, after))
    }

    /// The events published after a token. Those decided but not yet published will come by the stream itself.
    fn after(&self, token: u64, sequence: u64) -> Result<VecDeque<Arc<Published>>, Refused> {
        let oldest = self.recent.front().map_or(self.last, |event| event.sequence() - 1);
        if token < oldest || token > sequence {
            return Err(Refused::OutOfRange { oldest });
        }
        let from = self.recent.partition_point(|event| event.sequence() <= token);
        Ok(self.recent.range(from..).cloned().collect())
    }

    /// Hands events to their readers; pushes to `undelivered` the offers that no stream of their agent took.
    pub(super) fn publish(&mut self, events: &[Arc<Published>], undelivered: &mut Vec<(Text, LegId)>) {
        for event in events {
            self.last = event.sequence();
            if let Event::CustomerForgotten { .. } = event.recorded.event {
                // What was kept may show him: readers begin anew with a snapshot, which does not.
                self.recent.clear();
            }
            self.keep(event);
            self.others.retain_mut(|reader| reader.give(event) != Fate::Lost);
            if !self.gateways.is_empty()
                && let Some(gateway_id) = gateway_of(event)
            {
                give_all(&mut self.gateways, gateway_id, event);
            }
            if !self.agents.is_empty()
                && let Some(agent) = &event.agent
            {
                let delivered = give_all(&mut self.agents, &agent.agent_id, event);
                if let (Event::OfferIssued { leg, .. }, Some(false)) = (&event.recorded.event, delivered) {
                    undelivered.push((agent.agent_id.clone(), *leg));
                }
            }
        }
    }

    fn keep(&mut self, event: &Arc<Published>) {
        if self.keep == 0 {
            return;
        }
        if self.recent.len() >= self.keep {
            self.recent.pop_front();
        }
        self.recent.push_back(event.clone());
    }

    /// Ends every stream.
    pub(super) fn end_all(&mut self, why: Ended) {
        let agents = self.agents.drain().flat_map(|(_, readers)| readers);
        let gateways = self.gateways.drain().flat_map(|(_, readers)| readers);
        for reader in self.others.drain(..).chain(agents).chain(gateways) {
            reader.link.end(why);
        }
    }
}

/// Gives an event to all readers under a name. None when nobody is registered there, else whether anybody took it.
fn give_all(map: &mut HashMap<Text, Vec<Reader>>, name: &Text, event: &Arc<Published>) -> Option<bool> {
    let readers = map.get_mut(name)?;
    readers.retain(|reader| !reader.link.has_left());
    let registered = !readers.is_empty();
    let mut taken = false;
    readers.retain_mut(|reader| {
        let fate = reader.give(event);
        // A reader that does not want to hear of it is there all the same.
        taken |= fate != Fate::Lost;
        fate != Fate::Lost
    });
    if readers.is_empty() {
        map.remove(name);
    }
    registered.then_some(taken)
}

fn is_agents(event: &Published, agent_id: &Text) -> bool {
    event.agent.as_ref().is_some_and(|agent| agent.agent_id == *agent_id)
}

fn gateway_of(event: &Published) -> Option<&Text> {
    event.gateway.as_ref().or_else(|| event.contact.as_ref().map(|contact| &contact.profile.gateway_id))
}
