//! Processor time of the server and of this program, by the second.

use std::time::{Duration, Instant};

use crate::machine::cpu_time;

/// Processor times as they were when last looked at.
pub struct Processors {
    server: Option<u32>,
    at: Instant,
    server_time: Option<Duration>,
    client_time: Option<Duration>,
}

impl Processors {
    /// As they are now; `server` is the server's process where it is ours.
    pub fn new(server: Option<u32>) -> Processors {
        let server_time = server.and_then(|pid| cpu_time(Some(pid)));
        Processors { server, at: Instant::now(), server_time, client_time: cpu_time(None) }
    }

    /// Shares of one core used by the server and by this program since the last look.
    pub fn since(&mut self) -> (Option<f64>, Option<f64>) {
        let now = Processors::new(self.server);
        let elapsed = now.at.duration_since(self.at).as_secs_f64().max(f64::MIN_POSITIVE);
        let share = |before: Option<Duration>, after: Option<Duration>| {
            Some(after?.saturating_sub(before?).as_secs_f64() / elapsed)
        };
        let shares = (share(self.server_time, now.server_time), share(self.client_time, now.client_time));
        *self = now;
        shares
    }
}
