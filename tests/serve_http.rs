//! HTTP by itself: readiness, bounds on connections, and what a page that breaks is answered with.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use usher::engine::time::Time;
use usher::http::listener::Bounded;
use usher::http::live::Live;
use usher::http::ready::Readiness;
use usher::http::{Site, router};

/// Serves on a free port; the address.
async fn open(ready: Arc<Readiness>, connections: usize, idle: Duration) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound").to_string();
    let live = Live::new(Arc::default(), Arc::new(|| Time(0)));
    let site = Site { metrics: Arc::new(|| panic!("the page breaks")), ready, live };
    let bounded = Bounded::with(listener, connections, idle);
    tokio::spawn(async move { axum::serve(bounded, router(site)).await });
    address
}

async fn get(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).await.expect("it listens");
    let request = format!("GET {path} HTTP/1.1\r\nHost: usher\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("room");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("an answer");
    answer
}

const LONG: Duration = Duration::from_secs(60);

#[tokio::test]
async fn it_is_ready_when_nothing_is_missing() {
    let ready = Arc::new(Readiness::missing_all(&["engines", "grpc"]));
    let address = open(ready.clone(), 8, LONG).await;
    let page = get(&address, "/readyz").await;
    assert!(page.starts_with("HTTP/1.1 503 ") && page.ends_with("not ready: engines, grpc\n"), "{page}");
    ready.done("engines");
    ready.done("grpc");
    let page = get(&address, "/readyz").await;
    assert!(page.starts_with("HTTP/1.1 200 ") && page.ends_with("\r\n\r\nready\n"), "{page}");
    ready.lacks("draining");
    ready.lacks("draining");
    assert_eq!(ready.missing(), ["draining"]);
    assert!(get(&address, "/healthz").await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn a_page_that_breaks_is_an_error_and_the_next_one_is_served() {
    let address = open(Arc::new(Readiness::missing_all(&[])), 8, LONG).await;
    for _ in 0..2 {
        let page = get(&address, "/metrics").await;
        assert!(page.starts_with("HTTP/1.1 500 "), "{page}");
    }
    assert!(get(&address, "/readyz").await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn a_connection_that_stalls_makes_room_for_the_next() {
    let address = open(Arc::new(Readiness::missing_all(&[])), 1, Duration::from_millis(50)).await;
    let mut stalled = TcpStream::connect(&address).await.expect("it listens");
    stalled.write_all(b"GET /healthz HTTP/1.1\r\n").await.expect("room");
    // Nothing answers before the first one is cut: there is room for one.
    let page = get(&address, "/healthz").await;
    assert!(page.starts_with("HTTP/1.1 200 "), "{page}");
    let mut rest = Vec::new();
    // Cut with or without a goodbye.
    let _ = stalled.read_to_end(&mut rest).await;
}
