//! Commands on their way into a session. Whatever has gathered by the time the connection asks goes in one frame.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use tokio_stream::Stream;

struct Gathered<C> {
    commands: Vec<C>,
    reader: Option<Waker>,
}

/// Where commands are put.
pub struct Outbox<C>(Arc<Mutex<Gathered<C>>>);

/// What the connection reads: frames made of commands.
pub struct Frames<C, F> {
    gathered: Arc<Mutex<Gathered<C>>>,
    most: usize,
    frame: fn(Vec<C>) -> F,
}

/// An outbox, and its frames of at most `most` commands.
pub fn outbox<C, F>(most: usize, frame: fn(Vec<C>) -> F) -> (Outbox<C>, Frames<C, F>) {
    let gathered = Arc::new(Mutex::new(Gathered { commands: Vec::new(), reader: None }));
    (Outbox(gathered.clone()), Frames { gathered, most, frame })
}

fn lock<C>(gathered: &Mutex<Gathered<C>>) -> MutexGuard<'_, Gathered<C>> {
    gathered.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<C> Outbox<C> {
    /// Puts a command in.
    pub fn push(&self, command: C) {
        let mut gathered = lock(&self.0);
        gathered.commands.push(command);
        if let Some(reader) = gathered.reader.take() {
            reader.wake();
        }
    }
}

impl<C, F> Stream for Frames<C, F> {
    type Item = F;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<F>> {
        let mut gathered = lock(&self.gathered);
        if gathered.commands.is_empty() {
            gathered.reader = Some(context.waker().clone());
            return Poll::Pending;
        }
        let commands = if gathered.commands.len() > self.most {
            let rest = gathered.commands.split_off(self.most);
            std::mem::replace(&mut gathered.commands, rest)
        } else {
            std::mem::take(&mut gathered.commands)
        };
        Poll::Ready(Some((self.frame)(commands)))
    }
}
