//! The loop that accepts, and its end.

use std::error::Error as StdError;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hyper::body::{Body, Incoming};
use hyper::service::{Service, service_fn};
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::io::AsyncBufReadExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio_rustls::server::TlsStream;

use super::Acceptor;
use super::plain::{self, Answers};
use crate::inventory::ACME_TLS_ALPN;
use crate::limits::{DRAIN_TIME, HEAD_TIME_LIMIT, MAX_CONNECTIONS, MAX_REDIRECT_HEAD_BYTES};

/// Who sent a request: among its extensions.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Peer {
    /// Address of the other end of the connection.
    pub address: SocketAddr,
    /// The host name that the client asked for in the handshake.
    pub server_name: Option<String>,
}

/// What a server did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Served {
    /// Connections with a handshake that was done.
    pub connections: u64,
    /// Connections whose handshake failed or took too long.
    pub failed_handshakes: u64,
    /// Connections that were cut at the end of the drain time.
    pub cut: u64,
}

/// HTTPS with the certificates in service; redirect and challenge answers on another port.
///
/// See the [module](super) for an example.
#[derive(Debug)]
pub struct Server {
    acceptor: Acceptor,
    plain: Option<TcpListener>,
    answers: Option<Answers>,
    https_port: Option<u16>,
    max_connections: usize,
    drain_time: Duration,
    head_time: Duration,
}

impl Server {
    /// A server without the other port.
    pub fn new(acceptor: Acceptor) -> Self {
        Self {
            acceptor,
            plain: None,
            answers: None,
            https_port: None,
            max_connections: MAX_CONNECTIONS,
            drain_time: DRAIN_TIME,
            head_time: HEAD_TIME_LIMIT,
        }
    }

    /// Answers on this listener too, mostly of port 80: 308 to HTTPS.
    #[must_use]
    pub fn redirect(mut self, listener: TcpListener) -> Self {
        self.plain = Some(listener);
        self
    }

    /// The port of HTTPS as clients see it, where that is not the one of the listener.
    #[must_use]
    pub fn https_port(mut self, port: u16) -> Self {
        self.https_port = Some(port);
        self
    }

    /// Finds answers to challenges of HTTP-01 by host name and path
    /// (`/.well-known/acme-challenge/TOKEN`), on the listener of [`redirect`](Self::redirect). `None` is
    /// answered with 404.
    #[must_use]
    pub fn answers<F, A>(mut self, find: F) -> Self
    where
        F: Fn(String, String) -> A + Send + Sync + 'static,
        A: Future<Output = Option<String>> + Send + 'static,
    {
        self.answers = Some(Answers::new(find));
        self
    }

    /// Another limit than [`MAX_CONNECTIONS`], 1 at least; each of the two ports has it.
    #[must_use]
    pub fn max_connections(mut self, most: usize) -> Self {
        self.max_connections = most.clamp(1, Semaphore::MAX_PERMITS);
        self
    }

    /// Another limit than [`HEAD_TIME_LIMIT`].
    #[must_use]
    pub fn head_time(mut self, time: Duration) -> Self {
        self.head_time = time;
        self
    }

    /// Another limit than [`DRAIN_TIME`].
    #[must_use]
    pub fn drain_time(mut self, time: Duration) -> Self {
        self.drain_time = time;
        self
    }

    /// Serves until `shutdown` is done; then no connection is accepted, requests in progress are
    /// answered within the drain time, and what remains is cut.
    ///
    /// An error of a connection ends that connection alone. Dropping the future cuts all of them.
    ///
    /// # Errors
    ///
    /// If the listener has no address, which is before anything is served.
    pub async fn run<S, B>(
        self,
        listener: TcpListener,
        service: S,
        shutdown: impl Future<Output = ()>,
    ) -> io::Result<Served>
    where
        S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
        S::Future: Send + 'static,
        S::Error: Into<Box<dyn StdError + Send + Sync>>,
        B: Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<Box<dyn StdError + Send + Sync>>,
    {
        let https_port = match self.https_port {
            Some(port) => port,
            None => listener.local_addr()?.port(),
        };
        let mut shutdown = pin!(shutdown);
        let graceful = GracefulShutdown::new();
        let mut tasks = JoinSet::new();
        let (running, ending) = watch::channel(());
        let counts = Arc::new(Counts::default());
        let tls_places = Arc::new(Semaphore::new(self.max_connections));
        let plain_places = Arc::new(Semaphore::new(self.max_connections));
        loop {
            tokio::select! {
                () = &mut shutdown => break,
                (stream, peer, place) = next(&listener, &tls_places) => {
                    let (acceptor, service) = (self.acceptor.clone(), service.clone());
                    let (watcher, counts) = (graceful.watcher(), counts.clone());
                    let (head_time, ending) = (self.head_time, ending.clone());
                    tasks.spawn(async move {
                        let accepted = accept(&acceptor, stream, &counts).await;
                        if let Some(stream) = accepted {
                            secure(stream, peer, service, watcher, ending, head_time).await;
                        }
                        drop(place);
                    });
                }
                (stream, _, place) = next_plain(self.plain.as_ref(), &plain_places) => {
                    let (answers, watcher) = (self.answers.clone(), graceful.watcher());
                    let head_time = self.head_time;
                    tasks.spawn(async move {
                        insecure(stream, answers, https_port, watcher, head_time).await;
                        drop(place);
                    });
                }
                Some(_) = tasks.join_next() => {}
            }
        }
        drop((listener, self.plain, running));
        let drained = async {
            tokio::join!(graceful.shutdown(), async {
                while tasks.join_next().await.is_some() {}
            });
        };
        // What is in the middle of a handshake is no request, and ends by the limit of the acceptor.
        let ended = tokio::time::timeout(self.drain_time, drained).await;
        let cut = if ended.is_ok() { 0 } else { tasks.len() };
        tasks.shutdown().await;
        Ok(Served {
            connections: counts.connections.load(Ordering::Relaxed),
            failed_handshakes: counts.failed_handshakes.load(Ordering::Relaxed),
            cut: u64::try_from(cut).unwrap_or(u64::MAX),
        })
    }
}

#[derive(Default)]
struct Counts {
    connections: AtomicU64,
    failed_handshakes: AtomicU64,
}

type Connection = (TcpStream, SocketAddr, Option<OwnedSemaphorePermit>);

/// The next connection, once there is a place for it.
async fn next(listener: &TcpListener, places: &Arc<Semaphore>) -> Connection {
    /// After an error such as too many open files, which is there at each try until others close some.
    const PAUSE: Duration = Duration::from_millis(50);
    // Never closed.
    let place = places.clone().acquire_owned().await.ok();
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => return (stream, peer, place),
            Err(error) if is_of_connection(&error) => {}
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}

async fn next_plain(listener: Option<&TcpListener>, places: &Arc<Semaphore>) -> Connection {
    match listener {
        Some(listener) => next(listener, places).await,
        None => std::future::pending().await,
    }
}

fn is_of_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
    )
}

async fn accept(
    acceptor: &Acceptor,
    stream: TcpStream,
    counts: &Counts,
) -> Option<TlsStream<TcpStream>> {
    let accepted = acceptor.accept(stream).await.ok();
    let counter = match accepted {
        Some(_) => &counts.connections,
        None => &counts.failed_handshakes,
    };
    counter.fetch_add(1, Ordering::Relaxed);
    // The handshake was all that a CA wants to see (RFC 8737, section 3).
    accepted.filter(|stream| stream.get_ref().1.alpn_protocol() != Some(ACME_TLS_ALPN))
}

async fn secure<S, B>(
    mut stream: TlsStream<TcpStream>,
    address: SocketAddr,
    service: S,
    watcher: Watcher,
    mut ending: watch::Receiver<()>,
    head_time: Duration,
) where
    S: Service<Request<Incoming>, Response = Response<B>> + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<Box<dyn StdError + Send + Sync>>,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    // hyper does not limit the wait for the first bytes of HTTP/2.
    let begun = tokio::select! {
        begun = tokio::time::timeout(head_time, stream.fill_buf()) => begun,
        // Nothing was asked, so nothing is owed.
        _ = ending.changed() => return,
    };
    if !matches!(begun, Ok(Ok(bytes)) if !bytes.is_empty()) {
        return;
    }
    let session = stream.get_ref().1;
    let is_http2 = session.alpn_protocol() == Some(b"h2");
    let peer = Peer {
        address,
        server_name: session.server_name().map(ToOwned::to_owned),
    };
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(peer.clone());
        service.call(request)
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(head_time);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(head_time)
        .keep_alive_timeout(head_time);
    let builder = if is_http2 {
        builder.http2_only()
    } else {
        builder.http1_only()
    };
    let connection = builder
        .serve_connection_with_upgrades(TokioIo::new(stream), service)
        .into_owned();
    // Its errors are those of the client or of the service, which knows them.
    drop(watcher.watch(connection).await);
}

async fn insecure(
    stream: TcpStream,
    answers: Option<Answers>,
    https_port: u16,
    watcher: Watcher,
    head_time: Duration,
) {
    let service = service_fn(move |request| {
        let answers = answers.clone();
        async move {
            Ok::<_, std::convert::Infallible>(plain::respond(request, answers, https_port).await)
        }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(head_time)
        .max_buf_size(MAX_REDIRECT_HEAD_BYTES)
        .serve_connection(TokioIo::new(stream), service);
    drop(watcher.watch(connection).await);
}
