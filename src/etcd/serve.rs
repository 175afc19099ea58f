//! The door itself: listeners, connections, and the runtime under them.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::{Router, middleware};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use socket2::SockRef;
use tokio::net::TcpStream;
use tokio::runtime::{self, Runtime};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{sleep, timeout};
use tracing::{debug, warn};

use super::service::{Service, shut};
use super::{grpc, http, json};
use crate::server::Handle;

/// The threads that serve clients. The work behind a request is done by the member's own threads.
const WORKERS: usize = 2;

/// How long a connection may stay silent before its first request, or between two of HTTP/1.1.
const IDLE_PATIENCE: Duration = Duration::from_secs(300);

/// How often an HTTP/2 client that is silent is asked whether it is still there, and how long it may take to say so.
const PING_INTERVAL: Duration = Duration::from_secs(30);
const PING_PATIENCE: Duration = Duration::from_secs(20);

/// How much of one request, and of all requests of a connection, may be on its way before it is read.
const STREAM_WINDOW_BYTES: u32 = 1 << 20;
const CONNECTION_WINDOW_BYTES: u32 = 4 << 20;

/// How long clients may take to read their last answers when the door shuts.
const CLOSING_PATIENCE: Duration = Duration::from_secs(3);

/// How long to wait when the operating system gives no connection, before asking again.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How the door behaves. The defaults are etcd's, where etcd has them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DoorOptions {
    /// How often a watch with `progress_notify` and without news is told how far it has come.
    pub watch_progress_interval: Duration,
    /// How often a stream that requires a leader looks whether there is one; after three times without, it ends. The
    /// election timeout is a good choice.
    pub leader_check_interval: Duration,
    /// How many connections may be open. More wait until one ends.
    pub max_connections: usize,
    /// How many requests may be under way on one HTTP/2 connection, watches included.
    pub max_concurrent_streams: u32,
}

impl Default for DoorOptions {
    fn default() -> DoorOptions {
        DoorOptions {
            watch_progress_interval: Duration::from_secs(600),
            leader_check_interval: Duration::from_secs(1),
            max_connections: 10_000,
            max_concurrent_streams: 100_000,
        }
    }
}

/// Why the door did not open.
#[derive(Debug)]
pub enum DoorError {
    /// The threads for it could not be started.
    Runtime(io::Error),
    /// A listener cannot be used.
    Listener(io::Error),
    /// A setting is out of range.
    Option(&'static str),
}

impl fmt::Display for DoorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DoorError::Runtime(error) => {
                write!(f, "the threads that serve clients cannot be started: {error}")
            }
            DoorError::Listener(error) => {
                write!(f, "the listener for clients cannot be used: {error}")
            }
            DoorError::Option(sentence) => f.write_str(sentence),
        }
    }
}

impl std::error::Error for DoorError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            DoorError::Runtime(error) | DoorError::Listener(error) => Some(error),
            DoorError::Option(_) => None,
        }
    }
}

/// An open door. Dropping it shuts it without waiting for anybody; [`Door::shutdown`] is kinder.
#[derive(Debug)]
pub struct Door {
    /// Taken only when the door shuts.
    runtime: Option<Runtime>,
    closing: watch::Sender<bool>,
    connections: Arc<Semaphore>,
    max_connections: u32,
    addresses: Vec<SocketAddr>,
}

impl Door {
    /// Opens the door on `listeners`, for clients of the member behind `handle`.
    ///
    /// # Errors
    /// If a thread or a listener is refused by the operating system, or an option is out of range.
    pub fn start(
        listeners: Vec<TcpListener>,
        handle: Handle,
        options: DoorOptions,
    ) -> Result<Door, DoorError> {
        if options.watch_progress_interval.is_zero() || options.leader_check_interval.is_zero() {
            return Err(DoorError::Option(
                "the interval of a watch's progress or leader checks must not be zero",
            ));
        }
        let max_connections = u32::try_from(options.max_connections)
            .ok()
            .filter(|max| *max > 0 && options.max_connections <= Semaphore::MAX_PERMITS)
            .ok_or(DoorError::Option("the number of connections must be from 1 to 4294967295"))?;
        let runtime = runtime::Builder::new_multi_thread()
            .worker_threads(WORKERS)
            .thread_name("door")
            .enable_all()
            .build()
            .map_err(DoorError::Runtime)?;

        let (closing, closes) = watch::channel(false);
        let connections = Arc::new(Semaphore::new(options.max_connections));
        let service = Service { handle, options: Arc::new(options), closing: closes };
        let router = router(&service);
        let mut addresses = Vec::new();
        for listener in listeners {
            let _entered = runtime.enter();
            let listener = listener
                .set_nonblocking(true)
                .and_then(|()| tokio::net::TcpListener::from_std(listener))
                .map_err(DoorError::Listener)?;
            addresses.push(listener.local_addr().map_err(DoorError::Listener)?);
            runtime.spawn(accept(listener, router.clone(), service.clone(), connections.clone()));
        }
        Ok(Door { runtime: Some(runtime), closing, connections, max_connections, addresses })
    }

    /// Where it listens, in the order of the listeners.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Shuts the door: takes no more connections and requests, ends watches with a word to their clients, waits a few
    /// seconds for answers under way, and ends its threads. Must not be called from within an async runtime.
    pub fn shutdown(mut self) {
        let Some(runtime) = self.runtime.take() else { return };
        self.closing.send_replace(true);
        let all = self.connections.clone();
        let ended = runtime.block_on(async {
            timeout(CLOSING_PATIENCE, all.acquire_many(self.max_connections)).await.is_ok()
        });
        if !ended {
            let open = self.max_connections as usize - self.connections.available_permits();
            warn!(open, "some clients did not hang up in time; their connections are cut");
        }
        runtime.shutdown_timeout(CLOSING_PATIENCE);
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.closing.send_replace(true);
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Both dialects and the plain paths, on one router.
fn router(service: &Service) -> Router {
    Router::new()
        .merge(grpc::routes(service))
        .merge(json::routes(service))
        .merge(http::routes(service))
        .fallback(http::unknown_path)
        .layer(middleware::from_fn(http::allow_origins))
}

/// Takes connections until the door shuts.
async fn accept(
    listener: tokio::net::TcpListener,
    router: Router,
    service: Service,
    connections: Arc<Semaphore>,
) {
    let mut closing = service.closing.clone();
    loop {
        let next = async {
            // Never closed, so that this cannot fail.
            let permit = connections.clone().acquire_owned().await.ok()?;
            Some((listener.accept().await, permit))
        };
        let (accepted, permit) = tokio::select! {
            Some(next) = next => next,
            () = shut(&mut closing) => return,
            else => return,
        };
        match accepted {
            Ok((stream, client)) => {
                tokio::spawn(serve(stream, client, router.clone(), service.clone(), permit));
            }
            Err(error) => {
                // Mostly too many open files: connections that end will mend it.
                warn!(%error, "a client's connection could not be accepted");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Serves one connection, whichever version of HTTP it speaks, until it ends or the door shuts.
async fn serve(
    stream: TcpStream,
    client: SocketAddr,
    router: Router,
    service: Service,
    permit: OwnedSemaphorePermit,
) {
    // Without it, an answer that is written in two parts waits 40 ms for an acknowledgement (Nagle's algorithm).
    // Keep-alive finds clients whose machine is gone. Neither is worth refusing a connection for.
    let tuned = stream.set_nodelay(true).and_then(|()| SockRef::from(&stream).set_keepalive(true));
    if let Err(error) = tuned {
        debug!(%client, %error, "a client's socket takes no options");
    }

    let mut closing = service.closing.clone();
    let spoken = tokio::select! {
        spoken = timeout(IDLE_PATIENCE, stream.readable()) => spoken,
        () = shut(&mut closing) => return,
    };
    if !matches!(spoken, Ok(Ok(()))) {
        return;
    }

    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(IDLE_PATIENCE);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_PATIENCE)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_concurrent_streams(service.options.max_concurrent_streams);
    let mut connection =
        pin!(builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router)));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = shut(&mut closing) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        // Garbage, a client that has gone: its own affair, and nobody else's.
        debug!(%client, %error, "a client's connection has ended with an error");
    }
    drop(permit);
}
