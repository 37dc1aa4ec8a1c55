//! HTTP for machines that watch: `/metrics`, `/healthz`, `/readyz`, and `/api/snapshot.json` and `/api/events` for pages.
//!
//! Nothing here decides or changes anything: what a page says comes from a closure, and whether the server is ready from
//! [`Readiness`]. Bodies are refused, connections bounded and those that stall are cut ([`listener`]).

pub mod listener;
pub mod live;
pub mod ready;

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, TRANSFER_ENCODING};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Router, serve as serve_on};
use tokio::sync::Semaphore;

use listener::Bounded;
use live::Live;
use ready::Readiness;

/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(10);
/// The media type of the text format.
const TEXT_FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What is served.
#[derive(Clone)]
pub struct Site {
    /// Writes the page of metrics; called on a thread that may block.
    pub metrics: Arc<dyn Fn() -> String + Send + Sync>,
    /// Whether the server is ready.
    pub ready: Arc<Readiness>,
    /// What pages show live.
    pub live: Live,
}

#[derive(Clone)]
struct Pages {
    site: Site,
    /// One page of metrics is written at a time: a second scraper waits instead of doubling the work.
    turn: Arc<Semaphore>,
}

/// The routes.
pub fn router(site: Site) -> Router {
    let pages = Router::new()
        .route("/api/snapshot.json", get(live::snapshot))
        .route("/api/events", get(live::events))
        .with_state(site.live.clone());
    Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(health))
        .route("/readyz", get(ready_page))
        .merge(pages)
        .layer(middleware::from_fn(bounded))
        .with_state(Pages { site, turn: Arc::new(Semaphore::new(1)) })
}

/// Serves until `shutdown` resolves, then lets what is under way end.
///
/// # Errors
/// When the listener fails for good.
pub async fn serve(
    listener: Bounded,
    site: Site,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    serve_on(listener, router(site)).with_graceful_shutdown(shutdown).await
}

/// Refuses bodies, which no route has a use for, and answers late when an answer takes too long.
async fn bounded(request: Request, next: Next) -> Response {
    if has_body(request.headers()) {
        return (StatusCode::PAYLOAD_TOO_LARGE, "no body is taken here\n").into_response();
    }
    match tokio::time::timeout(ANSWER, next.run(request)).await {
        Ok(response) => response,
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "the answer took too long\n").into_response(),
    }
}

fn has_body(headers: &HeaderMap) -> bool {
    headers.contains_key(TRANSFER_ENCODING) || headers.get(CONTENT_LENGTH).is_some_and(|length| length != "0")
}

async fn metrics(State(pages): State<Pages>) -> Response {
    let Ok(turn) = pages.turn.acquire_owned().await else { return StatusCode::SERVICE_UNAVAILABLE.into_response() };
    let page = tokio::task::spawn_blocking(move || {
        let page = (pages.site.metrics)();
        drop(turn);
        page
    });
    match page.await {
        Ok(page) => ([(CONTENT_TYPE, TEXT_FORMAT), (CACHE_CONTROL, "no-store")], page).into_response(),
        Err(_) => (StatusCode::INTERNAL_SERVER_ERROR, "the page could not be written\n").into_response(),
    }
}

/// The process is alive: it answers.
async fn health() -> &'static str {
    "alive\n"
}

async fn ready_page(State(pages): State<Pages>) -> Response {
    let missing = pages.site.ready.missing();
    let (status, body) = match missing.is_empty() {
        true => (StatusCode::OK, "ready\n".to_owned()),
        false => (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {}\n", missing.join(", "))),
    };
    (status, [(CACHE_CONTROL, "no-store")], body).into_response()
}
