//! What pages show live: the snapshot as JSON, and as server-sent events a whole one first and then what changed.
//!
//! Each tenant's changes are worked out once per tick, whoever looks, and only while somebody does. A viewer who falls
//! behind gets a whole snapshot again, never a backlog.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast, mpsc};
use tokio_stream::wrappers::ReceiverStream;

use crate::engine::time::Time;
use crate::view::json;
use crate::view::snapshot::Snapshot;
use crate::view::{View, Views};

/// Time between two events.
const TICK: Duration = Duration::from_millis(500);
/// Viewers at once.
const VIEWERS: usize = 100;
/// Changes a viewer may lag behind before he gets a whole snapshot.
const BACKLOG: usize = 8;
/// How soon a browser comes back.
const RETRY: Duration = Duration::from_secs(2);
/// Comments that keep a quiet connection open.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Where live figures come from.
#[derive(Clone)]
pub struct Live {
    views: Arc<Views>,
    now: Arc<dyn Fn() -> Time + Send + Sync>,
    feeds: Arc<Mutex<Vec<Arc<Feed>>>>,
    room: Arc<Semaphore>,
}

/// One tenant's changes on their way to who looks.
struct Feed {
    view: Arc<View>,
    changes: broadcast::Sender<Arc<str>>,
}

#[derive(Deserialize)]
pub(super) struct Asked {
    /// The tenant; `default` when left out.
    tenant: Option<String>,
}

impl Live {
    /// From these views; `now` tells the time.
    #[must_use]
    pub fn new(views: Arc<Views>, now: Arc<dyn Fn() -> Time + Send + Sync>) -> Live {
        Live { views, now, feeds: Arc::default(), room: Arc::new(Semaphore::new(VIEWERS)) }
    }

    fn find(&self, asked: &Asked) -> Option<Arc<View>> {
        self.views.find(asked.tenant.as_deref().unwrap_or("default"))
    }

    /// The snapshot, and what is made of it, made where it holds nobody up.
    async fn take<T: Send + 'static>(
        &self,
        view: &Arc<View>,
        make: impl FnOnce(Arc<Snapshot>) -> T + Send + 'static,
    ) -> Option<T> {
        let (view, now) = (view.clone(), (self.now)());
        tokio::task::spawn_blocking(move || make(view.snapshot(now))).await.ok()
    }

    /// The changes of a tenant from now on; its ticks begin with the first viewer.
    fn follow(&self, view: &Arc<View>) -> broadcast::Receiver<Arc<str>> {
        let mut feeds = self.feeds.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(feed) = feeds.iter().find(|feed| Arc::ptr_eq(&feed.view, view)) {
            return feed.changes.subscribe();
        }
        let (changes, receiver) = broadcast::channel(BACKLOG);
        let feed = Arc::new(Feed { view: view.clone(), changes });
        feeds.push(feed.clone());
        tokio::spawn(self.clone().tick(feed));
        receiver
    }

    async fn tick(self, feed: Arc<Feed>) {
        let mut last: Arc<Snapshot> = self.take(&feed.view, |taken| taken).await.unwrap_or_default();
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            {
                let mut feeds = self.feeds.lock().unwrap_or_else(PoisonError::into_inner);
                if feed.changes.receiver_count() == 0 {
                    return feeds.retain(|held| !Arc::ptr_eq(held, &feed));
                }
            }
            let before = last.clone();
            let look = move |now: Arc<Snapshot>| (json::diff(&before, &now).map(|diff| diff.to_string()), now);
            let Some((diff, now)) = self.take(&feed.view, look).await else { continue };
            if let Some(diff) = diff {
                // Nobody listening any more is seen at the next tick.
                let _ = feed.changes.send(diff.into());
            }
            last = now;
        }
    }
}

fn unknown() -> Response {
    (StatusCode::NOT_FOUND, "no such tenant\n").into_response()
}

pub(super) async fn snapshot(State(live): State<Live>, Query(asked): Query<Asked>) -> Response {
    let Some(view) = live.find(&asked) else { return unknown() };
    match live.take(&view, |taken| format!("{}\n", json::snapshot(&taken))).await {
        Some(page) => ([(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-store")], page).into_response(),
        None => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

pub(super) async fn events(State(live): State<Live>, Query(asked): Query<Asked>) -> Response {
    let Some(view) = live.find(&asked) else { return unknown() };
    let Ok(room) = live.room.clone().try_acquire_owned() else {
        return (StatusCode::SERVICE_UNAVAILABLE, "too many viewers\n").into_response();
    };
    let (outbox, inbox) = mpsc::channel(1);
    tokio::spawn(tell(live, view, outbox, room));
    let stream = Sse::new(ReceiverStream::new(inbox)).keep_alive(KeepAlive::new().interval(KEEP_ALIVE));
    ([(CACHE_CONTROL, "no-store")], stream).into_response()
}

/// Tells one viewer: a whole snapshot, then changes; a whole one again when he has fallen behind.
async fn tell(
    live: Live,
    view: Arc<View>,
    outbox: mpsc::Sender<Result<Event, Infallible>>,
    _room: OwnedSemaphorePermit,
) {
    loop {
        let mut changes = live.follow(&view);
        let Some(whole) = live.take(&view, |taken| json::snapshot(&taken).to_string()).await else { return };
        let first = Event::default().event("snapshot").retry(RETRY).data(whole);
        if outbox.send(Ok(first)).await.is_err() {
            return;
        }
        loop {
            let change = tokio::select! {
                change = changes.recv() => change,
                () = outbox.closed() => return,
            };
            match change {
                Ok(change) => {
                    if outbox.send(Ok(Event::default().event("diff").data(&*change))).await.is_err() {
                        return;
                    }
                }
                Err(broadcast::error::RecvError::Lagged(_)) => break,
                Err(broadcast::error::RecvError::Closed) => return,
            }
        }
    }
}
