//! Says when planned things are due. It is a thread of its own because the runtime's timers are good to a millisecond
//! and a thread's sleep to a few dozen microseconds.

use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

/// How often a stopped run is noticed at the latest.
const LOOK: Duration = Duration::from_millis(200);

/// Begins to say how many of the offsets from `start`, which rise, are due.
pub fn pace(start: Instant, offsets: Vec<Duration>) -> mpsc::UnboundedReceiver<usize> {
    let (due, told) = mpsc::unbounded_channel();
    thread::spawn(move || {
        let mut next = 0;
        while next < offsets.len() {
            let now = Instant::now();
            let wait = (start + offsets[next]).saturating_duration_since(now);
            if !wait.is_zero() {
                thread::sleep(wait.min(LOOK));
                if due.is_closed() {
                    return;
                }
                continue;
            }
            next += offsets[next..].iter().take_while(|offset| start + **offset <= now).count();
            if due.send(next).is_err() {
                return;
            }
        }
    });
    told
}
