//! What is due later, in one heap with one task: a task per timer would cost more than what it waits for.

use std::cell::RefCell;
use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::time::Instant;

use tokio::sync::Notify;

struct Timer<T> {
    at: Instant,
    number: u64,
    what: T,
}

impl<T> Timer<T> {
    fn key(&self) -> (Instant, u64) {
        (self.at, self.number)
    }
}

impl<T> PartialEq for Timer<T> {
    fn eq(&self, other: &Timer<T>) -> bool {
        self.key() == other.key()
    }
}

impl<T> Eq for Timer<T> {}

impl<T> PartialOrd for Timer<T> {
    fn partial_cmp(&self, other: &Timer<T>) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Timer<T> {
    fn cmp(&self, other: &Timer<T>) -> Ordering {
        self.key().cmp(&other.key())
    }
}

/// Timers of one thread.
pub struct Timers<T> {
    heap: RefCell<BinaryHeap<Reverse<Timer<T>>>>,
    count: std::cell::Cell<u64>,
    earlier: Notify,
}

impl<T> Timers<T> {
    /// None yet.
    pub fn new() -> Timers<T> {
        Timers { heap: RefCell::new(BinaryHeap::new()), count: std::cell::Cell::new(0), earlier: Notify::new() }
    }

    /// Sets one.
    pub fn set(&self, at: Instant, what: T) {
        let number = self.count.replace(self.count.get() + 1);
        let mut heap = self.heap.borrow_mut();
        let first = heap.peek().is_none_or(|Reverse(next)| at < next.at);
        heap.push(Reverse(Timer { at, number, what }));
        if first {
            self.earlier.notify_one();
        }
    }

    /// Waits until something is due and takes all that is.
    pub async fn due(&self) -> Vec<T> {
        loop {
            let (due, next) = self.take(Instant::now());
            if !due.is_empty() {
                return due;
            }
            match next {
                Some(at) => tokio::select! {
                    () = tokio::time::sleep_until(at.into()) => {}
                    () = self.earlier.notified() => {}
                },
                None => self.earlier.notified().await,
            }
        }
    }

    fn take(&self, now: Instant) -> (Vec<T>, Option<Instant>) {
        let (mut due, mut heap) = (Vec::new(), self.heap.borrow_mut());
        while let Some(Reverse(next)) = heap.peek() {
            if next.at > now {
                return (due, Some(next.at));
            }
            due.extend(heap.pop().map(|Reverse(timer)| timer.what));
        }
        (due, None)
    }
}
