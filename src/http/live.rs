//! What pages show live: the snapshot as JSON, and as server-sent events a whole one first and then what changed.
//!
//! Each tenant's changes are worked out and written once per tick, whoever looks, and only while somebody does; a whole
//! snapshot is written once for all who come while it is the latest. Viewers share the bytes. A viewer who falls behind gets a whole one again, never a backlog.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast, mpsc};
use tokio_stream::wrappers::ReceiverStream;

use crate::engine::time::Time;
use crate::view::json;
use crate::view::snapshot::Snapshot;
use crate::view::{View, Views};

/// Time between two events.
const TICK: Duration = Duration::from_secs(1);
/// Viewers at once.
const VIEWERS: usize = 100;
/// Changes a viewer may lag behind before he gets a whole snapshot.
const BACKLOG: usize = 8;
/// What stands before a whole snapshot; a browser that was cut off comes back after so many milliseconds.
const WHOLE: &[u8] = b"event: snapshot\nretry: 2000\ndata: ";
/// What stands before changes.
const CHANGE: &[u8] = b"event: diff\ndata: ";
/// The end of an event.
const END: &[u8] = b"\n\n";
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
    changes: broadcast::Sender<Bytes>,
    /// The snapshot last written whole, as an event.
    whole: Mutex<Option<(Arc<Snapshot>, Bytes)>>,
}

impl Feed {
    /// A whole snapshot as an event.
    fn written(&self, now: &Arc<Snapshot>) -> Bytes {
        let mut whole = self.whole.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, event)) = whole.as_ref().filter(|(taken, _)| Arc::ptr_eq(taken, now)) {
            return event.clone();
        }
        let mut event = WHOLE.to_vec();
        json::snapshot(now, &mut event);
        event.extend_from_slice(END);
        let event = Bytes::from(event);
        *whole = Some((now.clone(), event.clone()));
        event
    }
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
    fn follow(&self, view: &Arc<View>) -> (Arc<Feed>, broadcast::Receiver<Bytes>) {
        let mut feeds = self.feeds.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(feed) = feeds.iter().find(|feed| Arc::ptr_eq(&feed.view, view)) {
            return (feed.clone(), feed.changes.subscribe());
        }
        let (changes, receiver) = broadcast::channel(BACKLOG);
        let feed = Arc::new(Feed { view: view.clone(), changes, whole: Mutex::default() });
        feeds.push(feed.clone());
        tokio::spawn(self.clone().tick(feed.clone()));
        (feed, receiver)
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
            let look = move |now: Arc<Snapshot>| {
                let mut event = CHANGE.to_vec();
                let changed = json::diff(&before, &now, &mut event);
                event.extend_from_slice(END);
                (changed.then(|| Bytes::from(event)), now)
            };
            let Some((change, now)) = self.take(&feed.view, look).await else { continue };
            if let Some(change) = change {
                // Nobody listening any more is seen at the next tick.
                let _ = feed.changes.send(change);
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
    let write = |taken: Arc<Snapshot>| {
        let mut page = Vec::new();
        json::snapshot(&taken, &mut page);
        page.push(b'\n');
        page
    };
    match live.take(&view, write).await {
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
    let stream = Body::from_stream(ReceiverStream::new(inbox));
    ([(CONTENT_TYPE, "text/event-stream"), (CACHE_CONTROL, "no-store")], stream).into_response()
}

/// Tells one viewer: a whole snapshot, then changes; a whole one again when he has fallen behind.
async fn tell(
    live: Live,
    view: Arc<View>,
    outbox: mpsc::Sender<Result<Bytes, Infallible>>,
    _room: OwnedSemaphorePermit,
) {
    loop {
        let (feed, mut changes) = live.follow(&view);
        let Some(whole) = live.take(&view, move |taken| feed.written(&taken)).await else { return };
        if outbox.send(Ok(whole)).await.is_err() {
            return;
        }
        loop {
            let event = tokio::select! {
                change = changes.recv() => match change {
                    Ok(change) => change,
                    Err(broadcast::error::RecvError::Lagged(_)) => break,
                    Err(broadcast::error::RecvError::Closed) => return,
                },
                () = tokio::time::sleep(KEEP_ALIVE) => Bytes::from_static(b":\n\n"),
                () = outbox.closed() => return,
            };
            if outbox.send(Ok(event)).await.is_err() {
                return;
            }
        }
    }
}
