//! Whether the server serves, and what is missing when it does not.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// What is still missing before the server is ready. Ready when nothing is.
#[derive(Debug)]
pub struct Readiness {
    missing: Mutex<Vec<&'static str>>,
}

impl Readiness {
    /// Not ready: all of these are missing.
    #[must_use]
    pub fn missing_all(missing: &[&'static str]) -> Readiness {
        Readiness { missing: Mutex::new(missing.to_vec()) }
    }

    /// One of them is there now.
    pub fn done(&self, what: &str) {
        self.held().retain(|missing| *missing != what);
    }

    /// One more stands against it.
    pub fn lacks(&self, what: &'static str) {
        let mut held = self.held();
        if !held.contains(&what) {
            held.push(what);
        }
    }

    /// What is missing.
    #[must_use]
    pub fn missing(&self) -> Vec<&'static str> {
        self.held().clone()
    }

    fn held(&self) -> MutexGuard<'_, Vec<&'static str>> {
        self.missing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
