//! A listener that bounds what strangers may hold: so many connections at once, and none that stalls.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::serve::Listener;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Sleep, sleep};

/// Connections at once; the next waits in the kernel until one ends.
pub const CONNECTIONS: usize = 256;
/// How long a connection may neither take nor give a byte. Longer than a scrape interval, so that a scraper keeps its
/// connection.
pub const IDLE: Duration = Duration::from_secs(90);

/// A bounded listener.
pub struct Bounded {
    listener: TcpListener,
    room: Arc<Semaphore>,
    idle: Duration,
}

impl Bounded {
    /// With [`CONNECTIONS`] and [`IDLE`].
    #[must_use]
    pub fn new(listener: TcpListener) -> Bounded {
        Bounded::with(listener, CONNECTIONS, IDLE)
    }

    /// With other bounds.
    #[must_use]
    pub fn with(listener: TcpListener, connections: usize, idle: Duration) -> Bounded {
        Bounded { listener, room: Arc::new(Semaphore::new(connections)), idle }
    }
}

impl Listener for Bounded {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        let room = self.room.clone().acquire_owned().await.expect("the semaphore is never closed");
        // axum's own `accept` for a `TcpListener` sits out the errors of a process short of files.
        let (stream, address) = Listener::accept(&mut self.listener).await;
        // A connection without it still works.
        let _ = stream.set_nodelay(true);
        let connection = Connection { stream, idle: self.idle, stalled: Box::pin(sleep(self.idle)), _room: room };
        (connection, address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// A connection that ends when it stalls.
pub struct Connection {
    stream: TcpStream,
    idle: Duration,
    stalled: Pin<Box<Sleep>>,
    _room: OwnedSemaphorePermit,
}

impl Connection {
    /// Starts the idle time anew after progress; ends a wait that has lasted for all of it.
    fn watch<T>(&mut self, context: &mut Context<'_>, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.stalled.set(sleep(self.idle));
            return polled;
        }
        self.stalled.as_mut().poll(context).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_read(context, into);
        self.watch(context, polled)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.watch(context, polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(context, parts);
        self.watch(context, polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
