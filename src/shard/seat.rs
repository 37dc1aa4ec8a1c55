//! One tenant in its shard: the engine, what it recorded in this step, and who reads it.
//!
//! A panic in the engine is caught here. What the failed command had begun is cut off before anyone sees it, the engine
//! is dropped, and the tenant waits to be brought back from the journal.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crate::engine::command::{Command, Request};
use crate::engine::event::Recorded;
use crate::engine::id::{LegId, Text};
use crate::engine::publish::Published;
use crate::engine::state::State;
use crate::engine::state::image::Image;
use crate::engine::time::Time;
use crate::engine::{Engine, Reply, reject::Reject};
use crate::journal::{Fault, Journal, Position};

use super::call::{Detail, Done, Refused, Show};
use super::publish::Publisher;
use super::run::Sink;
use super::stream::{Ended, Lags};

/// Panics without an accepted command between them before a tenant is stopped for good.
const PANICS: u32 = 3;

/// What a shard needs of an engine. Tests put one in its place that breaks on demand.
pub trait Machine: Send {
    /// As [`Engine::apply`].
    ///
    /// # Errors
    /// As [`Engine::apply`].
    fn apply(&mut self, now: Time, request: &Request, out: &mut Vec<Recorded>) -> Result<Reply, Reject>;
    /// As [`Engine::fire_due`].
    fn fire_due(&mut self, now: Time, max: usize, out: &mut Vec<Recorded>) -> bool;
    /// As [`Engine::next_deadline`].
    fn next_deadline(&self) -> Option<Time>;
    /// As [`Engine::state`].
    fn state(&self) -> &State;
    /// As [`Engine::recover`].
    fn recover(&mut self, recorded: &mut Recorded);
    /// As [`Engine::resume`].
    fn resume(&mut self, now: Time, last: Time, out: &mut Vec<Recorded>);
    /// As [`Engine::restore`]; an engine that cannot says false.
    fn restore(&mut self, image: Image) -> bool {
        let _ = image;
        false
    }
}

impl Machine for Engine {
    fn apply(&mut self, now: Time, request: &Request, out: &mut Vec<Recorded>) -> Result<Reply, Reject> {
        Engine::apply(self, now, request, out)
    }

    fn fire_due(&mut self, now: Time, max: usize, out: &mut Vec<Recorded>) -> bool {
        Engine::fire_due(self, now, max, out)
    }

    fn next_deadline(&self) -> Option<Time> {
        Engine::next_deadline(self)
    }

    fn state(&self) -> &State {
        Engine::state(self)
    }

    fn recover(&mut self, recorded: &mut Recorded) {
        Engine::recover(self, recorded);
    }

    fn resume(&mut self, now: Time, last: Time, out: &mut Vec<Recorded>) {
        Engine::resume(self, now, last, out);
    }

    fn restore(&mut self, image: Image) -> bool {
        Engine::restore(self, image)
    }
}

/// Whether a tenant is served.
pub(super) enum Status {
    /// It is.
    Running(Box<dyn Machine>),
    /// Its state is dropped, to be folded again from the journal.
    Waiting,
    /// It is not, until the process is started again.
    Stopped,
}

/// One tenant.
pub(super) struct Seat {
    pub(super) name: Text,
    pub(super) status: Status,
    /// Recorded in this step, not yet appended.
    pub(super) events: Vec<Recorded>,
    /// The same with their names, for readers; nothing while nobody could want to know.
    named: Vec<Published>,
    pub(super) publisher: Publisher,
    /// Where its last batch is in the journal.
    pub(super) position: Position,
    /// Its deadline as the shard has it in its order.
    pub(super) deadline: Option<Time>,
    /// Whether it is among the seats touched in this step.
    pub(super) touched: bool,
    /// Whether anybody outside this seat needs what stands beside events.
    pub(super) observed: bool,
    /// Whether it was folded and its clocks still stand.
    pub(super) stands: bool,
    /// Whether it runs deadlines that an outage would move.
    pub(super) ticks: bool,
    /// How often its engine was dropped, to be folded again.
    pub(super) restarts: u64,
    in_a_row: u32,
}

impl Seat {
    pub(super) fn new(name: Text, (keep, lags): (usize, Lags), observed: bool) -> Seat {
        Seat {
            name,
            status: Status::Waiting,
            events: Vec::new(),
            named: Vec::new(),
            publisher: Publisher::new(keep, lags),
            position: Position::default(),
            deadline: None,
            touched: false,
            observed,
            stands: false,
            ticks: false,
            restarts: 0,
            in_a_row: 0,
        }
    }

    pub(super) fn state(&self) -> Option<&State> {
        match &self.status {
            Status::Running(machine) => Some(machine.state()),
            Status::Waiting | Status::Stopped => None,
        }
    }

    pub(super) fn is_stopped(&self) -> bool {
        matches!(self.status, Status::Stopped)
    }

    /// Carries out one command.
    pub(super) fn apply(&mut self, now: Time, request: &Request, show: Show) -> Result<Box<Done>, Refused> {
        let wanted = self.observed || self.publisher.is_wanted();
        let applied = self.guarded(|machine, events, named| {
            let from = events.len();
            let reply = machine.apply(now, request, events)?;
            let state = machine.state();
            if wanted {
                name(state, &events[from..], named);
            }
            Ok(Box::new(answer(state, now, reply, show)))
        });
        match applied {
            None => Err(Refused::TenantStopped),
            Some(answer) => {
                if answer.is_ok() {
                    self.in_a_row = 0;
                }
                answer.map_err(Refused::Reject)
            }
        }
    }

    /// Tells the engine that an offer reached nobody. It may have ended meanwhile, which is as good.
    pub(super) fn fail_offer(&mut self, now: Time, agent_id: Text, offer: LegId) {
        let _ = self.apply(now, &Request::from(Command::FailOffer { agent_id, offer }), Show::NOTHING);
    }

    /// Fires deadlines; whether more are due.
    pub(super) fn fire_due(&mut self, now: Time, max: usize) -> bool {
        let wanted = self.observed || self.publisher.is_wanted();
        let fired = self.guarded(|machine, events, named| {
            let from = events.len();
            let more = machine.fire_due(now, max, events);
            if wanted {
                name(machine.state(), &events[from..], named);
            }
            more
        });
        fired.unwrap_or(false)
    }

    /// Sets its clocks going again after a fold: deadlines moved by the time nobody served, leases anew.
    pub(super) fn resume(&mut self, now: Time, last: Time) {
        self.stands = false;
        let wanted = self.observed || self.publisher.is_wanted();
        self.guarded(|machine, events, named| {
            let from = events.len();
            machine.resume(now, last, events);
            if wanted {
                name(machine.state(), &events[from..], named);
            }
        });
    }

    /// Whether it runs deadlines that an outage would move.
    pub(super) fn is_ticking(&self) -> bool {
        self.state().is_some_and(State::is_ticking)
    }

    /// When its engine wants to be called; now when that cannot even be asked.
    pub(super) fn next_deadline(&self) -> Option<Time> {
        match &self.status {
            Status::Running(machine) => machine.next_deadline(),
            Status::Waiting | Status::Stopped => None,
        }
    }

    /// Runs the engine and catches its panic: then nothing of this run remains and the tenant waits.
    fn guarded<R>(
        &mut self,
        run: impl FnOnce(&mut dyn Machine, &mut Vec<Recorded>, &mut Vec<Published>) -> R,
    ) -> Option<R> {
        let Status::Running(machine) = &mut self.status else { return None };
        let (events, named) = (&mut self.events, &mut self.named);
        let before = (events.len(), named.len());
        // The engine is dropped after a panic and the vectors are cut back: nothing half-done is looked at again.
        if let Ok(result) = catch_unwind(AssertUnwindSafe(|| run(machine.as_mut(), events, named))) {
            return Some(result);
        }
        self.events.truncate(before.0);
        self.named.truncate(before.1);
        self.drop_machine();
        self.in_a_row += 1;
        if self.in_a_row >= PANICS {
            self.stop();
        }
        None
    }

    fn drop_machine(&mut self) {
        self.restarts += 1;
        let status = std::mem::replace(&mut self.status, Status::Waiting);
        // A broken engine may panic once more while it is taken apart.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(status)));
    }

    /// Gives the tenant up.
    pub(super) fn stop(&mut self) {
        self.drop_machine();
        self.status = Status::Stopped;
        self.publisher.end_all(Ended::TenantStopped);
    }

    /// Drops what the journal lost: the state goes back to what is durable and readers begin anew.
    pub(super) fn rewind(&mut self) {
        if self.is_stopped() {
            return;
        }
        self.drop_machine();
        self.events.clear();
        self.named.clear();
        self.publisher.end_all(Ended::TenantStopped);
    }

    /// Brings the tenant to what the journal has of it: from its newest snapshot, which is shown to `sink` with what was
    /// kept beside it, and every event since, each shown too.
    ///
    /// # Errors
    /// [`Fault::Unavailable`] when the journal cannot be read now; any other stops the tenant.
    pub(super) fn refold(
        &mut self,
        mut machine: Box<dyn Machine>,
        journal: &mut dyn Journal,
        sink: &mut Option<Box<dyn Sink>>,
    ) -> Result<(), Fault> {
        let folded = catch_unwind(AssertUnwindSafe(|| {
            if let Some(mut start) = journal.begin(&self.name)? {
                if !machine.restore(std::mem::take(&mut start.image)) {
                    return Err(Fault::Corrupt);
                }
                if let Some(sink) = sink {
                    sink.restored(&self.name, &mut start.beside()).map_err(|_| Fault::Corrupt)?;
                }
            }
            journal.replay(&self.name, &mut |recorded| {
                machine.recover(recorded);
                if let Some(sink) = sink {
                    sink.recovered(&self.name, recorded);
                }
            })?;
            Ok(machine.state().audit(machine.state().now()).is_ok())
        }));
        let fault = match folded {
            Ok(Ok(true)) => None,
            // Nothing was ever appended for it, so nothing is missing.
            Ok(Err(Fault::NotKept)) if self.position == Position::default() => None,
            Ok(Err(fault)) => Some(fault),
            // The history does not add up, or cannot be folded: a bug that would only come back.
            Ok(Ok(false)) | Err(_) => Some(Fault::NotKept),
        };
        match fault {
            None => {
                self.publisher.begin_after(machine.state().sequence());
                self.stands = machine.state().sequence() > 0;
                self.status = Status::Running(machine);
                Ok(())
            }
            Some(Fault::Unavailable) => Err(Fault::Unavailable),
            Some(fault) => {
                self.stop();
                Err(fault)
            }
        }
    }

    /// Takes what this step recorded, to be published once it is durable.
    pub(super) fn take_published(&mut self) -> Arc<Vec<Published>> {
        self.events.clear();
        // The next step will be about as long as this one.
        let next = Vec::with_capacity(self.named.len());
        Arc::new(std::mem::replace(&mut self.named, next))
    }
}

/// The answer to a command just carried out.
fn answer(state: &State, now: Time, reply: Reply, show: Show) -> Done {
    // A repeated request may be about a contact whose record has been dropped since.
    let contact = reply.contact.filter(|contact| state.try_contact(*contact).is_some());
    let (whole, brief) = match show.contact {
        Detail::Nothing => (None, None),
        Detail::Brief => (None, contact.map(|contact| Box::new(state.brief_contact(contact)))),
        Detail::Whole => (contact.map(|contact| Box::new(state.view_contact(now, contact))), None),
    };
    let agent = reply.agent.filter(|_| show.agent).map(|agent| Box::new(state.view_agent(now, agent)));
    let newest = || state.contact_legs(contact?).find(|(_, leg)| Some(leg.agent) == reply.agent).map(|(leg, _)| leg);
    let leg = if show.newest_leg { newest() } else { show.leg.filter(|leg| state.try_leg(*leg).is_some()) };
    let leg = leg.map(|leg| Box::new(state.view_leg(now, leg)));
    Done { reply, contact: whole, brief, agent, leg }
}

/// Names events just recorded. Those recorded while nobody wanted to know get no name: whoever came since begins after
/// them.
fn name(state: &State, events: &[Recorded], named: &mut Vec<Published>) {
    named.extend(events.iter().map(|recorded| state.publish(recorded)));
}
