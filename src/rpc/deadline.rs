//! Deadlines of calls, answered as gRPC says: DEADLINE_EXCEEDED.
//!
//! tonic's own timer answers CANCELLED, which tells a client that somebody gave the call up. This one stands inside it
//! and ends a call a moment earlier. Streams are under it until they have begun.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tonic::Status;
use tonic::body::Body;
use tonic::codegen::http::{HeaderMap, Request, Response};
use tower::{Layer, Service};

/// How much earlier than tonic's timer: both go by ticks of a millisecond.
const EARLIER: Duration = Duration::from_millis(1);

/// Gives every call the deadline its client asked for, and `longest` at most.
#[derive(Clone, Copy, Debug)]
pub struct Deadlines {
    /// The longest a call may take.
    pub longest: Duration,
}

impl<S> Layer<S> for Deadlines {
    type Service = Timed<S>;

    fn layer(&self, inner: S) -> Timed<S> {
        Timed { inner, longest: self.longest }
    }
}

/// A service whose calls end in time.
#[derive(Clone, Debug)]
pub struct Timed<S> {
    inner: S,
    longest: Duration,
}

impl<S> Service<Request<Body>> for Timed<S>
where
    S: Service<Request<Body>, Response = Response<Body>>,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let asked = asked(request.headers());
        let within = asked.unwrap_or(self.longest).min(self.longest).saturating_sub(EARLIER);
        let answer = self.inner.call(request);
        Box::pin(async move {
            match tokio::time::timeout(within, answer).await {
                Ok(answer) => answer,
                Err(_) => Ok(Status::deadline_exceeded("the call took longer than its deadline").into_http()),
            }
        })
    }
}

/// The time a client gives its call, as the header `grpc-timeout` has it: at most eight digits and a unit.
fn asked(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get("grpc-timeout")?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let number = digits.parse::<u64>().ok().filter(|_| digits.len() <= 8)?;
    Some(match unit {
        "H" => Duration::from_secs(number * 3_600),
        "M" => Duration::from_secs(number * 60),
        "S" => Duration::from_secs(number),
        "m" => Duration::from_millis(number),
        "u" => Duration::from_micros(number),
        "n" => Duration::from_nanos(number),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deadlines_are_read() {
        let read =
            |text: &str| asked(&HeaderMap::from_iter([("grpc-timeout".parse().unwrap(), text.parse().unwrap())]));
        assert_eq!(read("5S"), Some(Duration::from_secs(5)));
        assert_eq!(read("250m"), Some(Duration::from_millis(250)));
        assert_eq!(read("99999999u"), Some(Duration::from_micros(99_999_999)));
        assert_eq!(read("2H"), Some(Duration::from_secs(7_200)));
        for wrong in ["", "5", "S", "-5S", "123456789S", "5s", "5é"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
        assert_eq!(asked(&HeaderMap::new()), None);
    }
}
