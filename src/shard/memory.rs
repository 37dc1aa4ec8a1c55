//! The bound on memory: from there on nothing new is taken in, and what is held goes on.
//!
//! What is measured is the process's resident memory, because that is what it is killed for. An allocator keeps much of
//! what is freed, and the engine keeps the places of contacts that went; so memory that does not fall is not waited for.
//! How many contacts were held when the bound was reached is: what they took is there, and as soon as a part of them has
//! gone their room is given to new ones. Whoever measures calls [`Memory::note`]; the shard asks at each new contact.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Memory that falls below the bound by this part of it is enough for everything again.
const EASED: u64 = 20;
/// Memory that grows by this part of the bound although it was reached takes another look at what fits in.
const GROWN: u64 = 64;
/// The part of the contacts held that must go before others come in.
const SPARED: u64 = 16;

/// What a process uses and may use, in bytes. Read and set from any thread.
#[derive(Debug)]
pub struct Memory {
    known: u64,
    resident: AtomicU64,
    most: AtomicU64,
    short: AtomicBool,
    refused: AtomicU64,
}

impl Default for Memory {
    fn default() -> Memory {
        Memory::new(u64::MAX)
    }
}

impl Memory {
    /// Nothing measured yet; `known` is the bound as long as no other is set.
    #[must_use]
    pub fn new(known: u64) -> Memory {
        let (resident, short, refused) = (AtomicU64::new(0), AtomicBool::new(false), AtomicU64::new(0));
        Memory { known, resident, most: AtomicU64::new(known), short, refused }
    }

    /// Sets the bound; 0 is the one it began with.
    pub fn set_most(&self, most: u64) {
        self.most.store(if most == 0 { self.known } else { most }, Ordering::Relaxed);
    }

    /// The bound.
    #[must_use]
    pub fn most(&self) -> u64 {
        self.most.load(Ordering::Relaxed)
    }

    /// Notes what was measured.
    pub fn note(&self, resident: u64) {
        self.resident.store(resident, Ordering::Relaxed);
    }

    /// Whether the bound was reached when something new was last asked for.
    #[must_use]
    pub fn is_short(&self) -> bool {
        self.short.load(Ordering::Relaxed)
    }

    /// How much was refused.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }
}

/// The shard's look at it.
#[derive(Default)]
pub(super) struct Gate {
    memory: Arc<Memory>,
    reached: Option<Reached>,
}

/// The bound was reached.
#[derive(Clone, Copy)]
struct Reached {
    /// With this much in memory.
    resident: u64,
    /// Fewer contacts than this leave room for one more.
    room: u64,
}

impl Gate {
    pub(super) fn new(memory: Arc<Memory>) -> Gate {
        Gate { memory, reached: None }
    }

    pub(super) fn memory(&self) -> &Arc<Memory> {
        &self.memory
    }

    /// Whether something new may come in beside the contacts held; counted when not.
    pub(super) fn admits(&mut self, held: impl FnOnce() -> u64) -> bool {
        let (resident, most) = (self.memory.resident.load(Ordering::Relaxed), self.memory.most());
        let held = match self.reached {
            None if resident < most => return true,
            Some(_) if resident < most - most / EASED => {
                self.reached = None;
                self.memory.short.store(false, Ordering::Relaxed);
                return true;
            }
            Some(reached) if resident < reached.resident + most / GROWN => held(),
            _ => {
                let held = held();
                self.reached = Some(Reached { resident, room: held - held / SPARED });
                self.memory.short.store(true, Ordering::Relaxed);
                held
            }
        };
        let admitted = self.reached.is_some_and(|reached| held < reached.room);
        if !admitted {
            self.memory.refused.fetch_add(1, Ordering::Relaxed);
        }
        admitted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate(most: u64) -> (Arc<Memory>, Gate) {
        let memory = Arc::new(Memory::new(most));
        (memory.clone(), Gate::new(memory))
    }

    #[test]
    fn what_left_makes_room_though_memory_does_not_fall() {
        let (memory, mut gate) = gate(6_400);
        memory.note(6_399);
        assert!(gate.admits(|| 160) && !memory.is_short());
        memory.note(6_400);
        assert!(!gate.admits(|| 160) && memory.is_short());
        assert!(!gate.admits(|| 150), "not with every one that leaves: a sixteenth must go");
        assert!(gate.admits(|| 149) && memory.is_short());
        assert!(!gate.admits(|| 150), "and no more come in than there was room for");
        assert_eq!(memory.refused(), 3);
    }

    #[test]
    fn larger_contacts_than_before_find_less_room() {
        let (memory, mut gate) = gate(6_400);
        memory.note(6_400);
        assert!(!gate.admits(|| 160));
        assert!(gate.admits(|| 100));
        memory.note(6_500);
        assert!(!gate.admits(|| 120), "they took a 64th more");
        assert!(!gate.admits(|| 113) && gate.admits(|| 112));
    }

    #[test]
    fn memory_that_falls_or_may_be_more_opens_it() {
        let (memory, mut gate) = gate(1_000);
        memory.note(1_000);
        assert!(!gate.admits(|| 10));
        memory.note(950);
        assert!(!gate.admits(|| 10), "it would be full again at once");
        memory.note(949);
        assert!(gate.admits(|| 10) && !memory.is_short());
        memory.note(2_000);
        assert!(!gate.admits(|| 10));
        memory.set_most(3_000);
        assert!(gate.admits(|| 10));
        memory.set_most(0);
        assert!(!gate.admits(|| 10));
    }
}
