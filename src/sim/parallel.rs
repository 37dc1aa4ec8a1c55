//! Work for several threads whose results come in order, so that what is made of them does not depend on who was first.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

/// Does `work` for each of `order` on at most `jobs` threads, begun in this order, and gives each result to `each` in
/// the order 0, 1, 2, …; `order` holds each of these once.
pub(super) fn in_order<T: Send>(
    jobs: usize,
    order: &[usize],
    work: impl Fn(usize) -> T + Sync,
    mut each: impl FnMut(usize, T),
) {
    let next = AtomicUsize::new(0);
    let (send, receive) = mpsc::channel();
    std::thread::scope(|scope| {
        for _ in 0..jobs.clamp(1, order.len().max(1)) {
            let (send, next, work) = (send.clone(), &next, &work);
            scope.spawn(move || {
                while let Some(&at) = order.get(next.fetch_add(1, Ordering::Relaxed)) {
                    // The receiver stays until every sender is gone.
                    let _ = send.send((at, work(at)));
                }
            });
        }
        drop(send);
        let mut early = BTreeMap::new();
        let mut due = 0;
        for (at, result) in receive {
            early.insert(at, result);
            while let Some(result) = early.remove(&due) {
                each(due, result);
                due += 1;
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_order_whoever_was_first() {
        for jobs in [1, 2, 7] {
            let mut seen = Vec::new();
            in_order(jobs, &[3, 1, 0, 2], |at| at * 10, |at, result| seen.push((at, result)));
            assert_eq!(seen, [(0, 0), (1, 10), (2, 20), (3, 30)]);
        }
        in_order(2, &[], |at| at, |_, _| panic!("nothing to do"));
    }
}
