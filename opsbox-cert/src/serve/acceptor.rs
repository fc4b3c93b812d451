//! TLS on connections that were accepted, within limits.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::server::ClientHello;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
#[cfg(feature = "manager")]
use {tokio::io::AsyncWriteExt as _, tokio::time::Instant, tokio_rustls::StartHandshake};

use crate::error::{Error, ErrorKind, Result};
use crate::install::Certificates;
use crate::inventory::ACME_TLS_ALPN;
use crate::limits::{HANDSHAKE_TIME_LIMIT, MAX_ADDRESSES, MAX_HANDSHAKES};
#[cfg(feature = "manager")]
use crate::manager::{Denial, OnDemand};

/// Does TLS handshakes with the certificates in service: for hyper, axum and raw streams. Clones share the
/// limit.
///
/// ```no_run
/// use std::sync::Arc;
/// use opsbox_cert::install::Certificates;
/// use opsbox_cert::serve::Acceptor;
/// use tokio::io::AsyncWriteExt as _;
///
/// # async fn run(certificates: Certificates) -> Result<(), Box<dyn std::error::Error>> {
/// let provider = Arc::new(rustls::crypto::ring::default_provider());
/// let acceptor = Acceptor::new(certificates, provider)?;
/// let listener = tokio::net::TcpListener::bind("[::]:4433").await?;
/// loop {
///     let (stream, peer) = listener.accept().await?;
///     let acceptor = acceptor.clone();
///     tokio::spawn(async move {
///         match acceptor.accept(stream).await {
///             Ok(mut tls) => drop(tls.write_all(b"hello\n").await),
///             Err(error) => eprintln!("{peer}: {error}"),
///         }
///     });
/// }
/// # }
/// ```
#[derive(Clone)]
pub struct Acceptor {
    shared: Arc<Shared>,
    turns: Arc<Semaphore>,
    time_limit: Duration,
    challenges: Option<Arc<Find>>,
    #[cfg(feature = "manager")]
    on_demand: Option<OnDemand>,
}

/// Finds the configuration that answers a challenge for a server name.
type Find = dyn Fn(String) -> Found + Send + Sync;
type Found = Pin<Box<dyn Future<Output = Option<Arc<ServerConfig>>> + Send>>;

struct Shared {
    certificates: Certificates,
    config: Arc<ServerConfig>,
    by_address: Mutex<HashMap<IpAddr, Arc<ServerConfig>>>,
}

impl Acceptor {
    /// TLS 1.2 and 1.3 as rustls has them by default, with HTTP/2 and HTTP/1.1 by ALPN, and validations
    /// by TLS-ALPN-01 if the certificates [can answer them](Certificates::set_challenges).
    ///
    /// # Errors
    ///
    /// [`Invalid`](ErrorKind::Invalid) if the provider has nothing for these versions.
    pub fn new(certificates: Certificates, provider: Arc<CryptoProvider>) -> Result<Self> {
        let builder = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| {
                let reason = "it has no cipher suites for TLS 1.2 and 1.3; use another, such as that of ring";
                Error::store(ErrorKind::Invalid, "use", "the crypto provider", reason)
                    .caused_by(error)
            })?;
        let mut config = builder
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(certificates.clone()));
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec(), ACME_TLS_ALPN.to_vec()];
        Ok(Self::with_config(certificates, config))
    }

    /// A configuration of your own, with client certificates for instance. Its resolver is replaced.
    pub fn with_config(certificates: Certificates, mut config: ServerConfig) -> Self {
        config.cert_resolver = Arc::new(certificates.clone());
        Self {
            shared: Arc::new(Shared {
                certificates,
                config: Arc::new(config),
                by_address: Mutex::default(),
            }),
            turns: Arc::new(Semaphore::new(MAX_HANDSHAKES)),
            time_limit: HANDSHAKE_TIME_LIMIT,
            challenges: None,
            #[cfg(feature = "manager")]
            on_demand: None,
        }
    }

    /// Finds, by server name, what answers a validation by TLS-ALPN-01 (RFC 8737), where that is known to
    /// the store and not to [this process](Certificates::set_challenges). It is asked for handshakes of
    /// [`ACME_TLS_ALPN`] only, within the time of the handshake.
    #[must_use]
    pub fn challenges<F, A>(mut self, find: F) -> Self
    where
        F: Fn(String) -> A + Send + Sync + 'static,
        A: Future<Output = Option<Arc<ServerConfig>>> + Send + 'static,
    {
        self.challenges = Some(Arc::new(move |name| Box::pin(find(name))));
        self
    }

    /// Gets certificates for names that have none when they are asked for. The wait for one counts neither
    /// in the time of the handshake nor in the number of handshakes at once, so that a slow CA holds up no
    /// others; the limits of [`OnDemandOptions`](crate::manager::OnDemandOptions) hold for it. Clients
    /// whose name gets none are told by an alert, and not given the default certificate. Validations by
    /// TLS-ALPN-01 go on as they do without.
    #[cfg(feature = "manager")]
    #[must_use]
    pub fn on_demand(mut self, on_demand: OnDemand) -> Self {
        self.on_demand = Some(on_demand);
        self
    }

    /// At most so many handshakes at once, 1 at least, instead of [`MAX_HANDSHAKES`].
    #[must_use]
    pub fn max_handshakes(mut self, most: usize) -> Self {
        self.turns = Arc::new(Semaphore::new(most.clamp(1, Semaphore::MAX_PERMITS)));
        self
    }

    /// Another limit than [`HANDSHAKE_TIME_LIMIT`].
    #[must_use]
    pub fn time_limit(mut self, limit: Duration) -> Self {
        self.time_limit = limit;
        self
    }

    /// Does the handshake, of a client that connected to an IP address too.
    ///
    /// # Errors
    ///
    /// [`HandshakeError`]; the connection is closed.
    pub async fn accept(&self, stream: TcpStream) -> Result<TlsStream<TcpStream>, HandshakeError> {
        let address = stream.local_addr().map_err(HandshakeError::Failed)?.ip();
        // A record of TLS is one write: there is nothing to wait for.
        stream.set_nodelay(true).map_err(HandshakeError::Failed)?;
        self.accept_at(stream, Some(address)).await
    }

    /// Does the handshake on any stream. `address` is the one that the client connected to.
    ///
    /// # Errors
    ///
    /// As [`accept`](Self::accept).
    pub async fn accept_at<IO: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: IO,
        address: Option<IpAddr>,
    ) -> Result<TlsStream<IO>, HandshakeError> {
        let handshake = self.handshake(stream, address);
        #[cfg(feature = "tracing")]
        let span = tracing::debug_span!(
            target: "opsbox_cert",
            "tls_handshake",
            address = address.map(tracing::field::display),
            server_name = tracing::field::Empty,
            protocol = tracing::field::Empty,
            outcome = tracing::field::Empty,
        );
        #[cfg(feature = "tracing")]
        let handshake = tracing::Instrument::instrument(handshake, span.clone());
        let done = handshake.await;
        #[cfg(feature = "tracing")]
        trace(&span, &done);
        done
    }

    async fn handshake<IO: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: IO,
        address: Option<IpAddr>,
    ) -> Result<TlsStream<IO>, HandshakeError> {
        #[cfg(feature = "manager")]
        if let Some(on_demand) = &self.on_demand {
            return self.on_demand_handshake(on_demand, stream, address).await;
        }
        let whole = async {
            // Never closed.
            let _turn = self.turns.acquire().await.map_err(io::Error::other)?;
            let Some(find) = &self.challenges else {
                return TlsAcceptor::from(self.config(address)).accept(stream).await;
            };
            let hello = rustls::server::Acceptor::default();
            let started = LazyConfigAcceptor::new(hello, stream).await?;
            let found = match challenged(&started.client_hello()) {
                Some(name) => find(name).await,
                None => None,
            };
            let config = found.unwrap_or_else(|| self.config(address));
            started.into_stream(config).await
        };
        match tokio::time::timeout(self.time_limit, whole).await {
            Ok(done) => done.map_err(HandshakeError::Failed),
            Err(_) => Err(self.timed_out()),
        }
    }

    /// In three parts, of which the second may take as long as a CA does, and holds no turn: it may be the
    /// CA that has to come through meanwhile.
    #[cfg(feature = "manager")]
    async fn on_demand_handshake<IO: AsyncRead + AsyncWrite + Unpin>(
        &self,
        on_demand: &OnDemand,
        stream: IO,
        address: Option<IpAddr>,
    ) -> Result<TlsStream<IO>, HandshakeError> {
        let begun = Instant::now();
        let first = async {
            let _turn = self.turns.acquire().await.map_err(io::Error::other)?;
            let hello = rustls::server::Acceptor::default();
            let started = LazyConfigAcceptor::new(hello, stream).await?;
            let found = match (&self.challenges, challenged(&started.client_hello())) {
                (Some(find), Some(name)) => find(name).await,
                _ => None,
            };
            Ok((started, found))
        };
        let (started, found) = match tokio::time::timeout(self.time_limit, first).await {
            Ok(done) => done.map_err(HandshakeError::Failed)?,
            Err(_) => return Err(self.timed_out()),
        };
        let left = self.time_limit.saturating_sub(begun.elapsed());
        let name = wanted(on_demand, &started.client_hello(), address);
        if let Some(name) = name
            && let Err(denial) = on_demand.ensure(&name).await
        {
            // Who does not take the alert is gone.
            drop(tokio::time::timeout(left, alert(started, &denial)).await);
            return Err(HandshakeError::NotIssued { name, denial });
        }
        let rest = async {
            let _turn = self.turns.acquire().await.map_err(io::Error::other)?;
            let config = found.unwrap_or_else(|| self.config(address));
            started.into_stream(config).await
        };
        match tokio::time::timeout(left, rest).await {
            Ok(done) => done.map_err(HandshakeError::Failed),
            Err(_) => Err(self.timed_out()),
        }
    }

    fn timed_out(&self) -> HandshakeError {
        HandshakeError::TimedOut {
            limit: self.time_limit,
        }
    }

    fn config(&self, address: Option<IpAddr>) -> Arc<ServerConfig> {
        let shared = &*self.shared;
        let Some(address) = address.map(|address| address.to_canonical()) else {
            return shared.config.clone();
        };
        let mut configs = shared
            .by_address
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(config) = configs.get(&address) {
            return config.clone();
        }
        // Tickets and sessions are shared with the original.
        let mut config = ServerConfig::clone(&shared.config);
        config.cert_resolver = shared.certificates.for_address(address);
        let config = Arc::new(config);
        if configs.len() < MAX_ADDRESSES {
            configs.insert(address, config.clone());
        }
        config
    }
}

impl fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acceptor")
            .field("certificates", &self.shared.certificates)
            .field("time_limit", &self.time_limit)
            .finish_non_exhaustive()
    }
}

/// The name that a CA validates with this handshake, if that is what it is for.
fn challenged(hello: &ClientHello<'_>) -> Option<String> {
    let mut protocols = hello.alpn()?;
    let only = protocols.next() == Some(ACME_TLS_ALPN) && protocols.next().is_none();
    hello.server_name().filter(|_| only).map(str::to_owned)
}

/// What a certificate has to be there for, unless the handshake is a validation, which is answered without
/// one even where its answer is not found: its own issuance may be what waits for it.
#[cfg(feature = "manager")]
fn wanted(
    on_demand: &OnDemand,
    hello: &ClientHello<'_>,
    address: Option<IpAddr>,
) -> Option<String> {
    if hello
        .alpn()
        .is_some_and(|mut all| all.any(|it| it == ACME_TLS_ALPN))
    {
        return None;
    }
    match hello.server_name() {
        Some(name) => Some(name.to_owned()),
        None => {
            let address = address.filter(|_| on_demand.has_addresses())?;
            Some(address.to_canonical().to_string())
        }
    }
}

/// Ends a handshake of which only the client hello was read. rustls would say `access_denied`.
#[cfg(feature = "manager")]
async fn alert<IO: AsyncRead + AsyncWrite + Unpin>(
    started: StartHandshake<IO>,
    denial: &Denial,
) -> io::Result<()> {
    const INTERNAL_ERROR: u8 = 80;
    const UNRECOGNIZED_NAME: u8 = 112;
    let description = match denial.is_about_name() {
        true => UNRECOGNIZED_NAME,
        false => INTERNAL_ERROR,
    };
    // A record of an alert in the version of TLS 1.2, two bytes long, fatal (RFC 8446, sections 5.1 and 6).
    let record = [21, 3, 3, 0, 2, 2, description];
    let mut stream = started.io;
    stream.write_all(&record).await?;
    stream.shutdown().await
}

/// Why there is no TLS on a connection.
#[derive(Debug)]
#[non_exhaustive]
pub enum HandshakeError {
    /// The client took too long, or there were too many at once.
    TimedOut {
        /// The limit.
        limit: Duration,
    },
    /// The client asked for a name that has no certificate, and gets none on demand.
    #[cfg(feature = "manager")]
    NotIssued {
        /// The name, or the address that the client connected to.
        name: String,
        /// Why not.
        denial: Denial,
    },
    /// The connection broke, or the two sides did not agree. The cause is in it.
    Failed(io::Error),
}

impl fmt::Display for HandshakeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimedOut { limit } => write!(
                f,
                "the tls handshake was not done within {} s; if many are not, allow more handshakes at once or more time",
                limit.as_secs_f32()
            ),
            #[cfg(feature = "manager")]
            Self::NotIssued { name, denial } => write!(
                f,
                "no certificate is issued on demand for {}: {denial}",
                crate::text::Escaped(name)
            ),
            Self::Failed(error) => write!(f, "the tls handshake failed: {error}"),
        }
    }
}

impl std::error::Error for HandshakeError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::TimedOut { .. } => None,
            #[cfg(feature = "manager")]
            Self::NotIssued { denial, .. } => std::error::Error::source(denial),
            Self::Failed(error) => Some(error),
        }
    }
}

#[cfg(feature = "tracing")]
fn trace<IO>(span: &tracing::Span, done: &Result<TlsStream<IO>, HandshakeError>) {
    let outcome = match done {
        Ok(stream) => {
            let session = stream.get_ref().1;
            span.record("server_name", session.server_name());
            let protocol = session.alpn_protocol().map(String::from_utf8_lossy);
            span.record("protocol", protocol.as_deref());
            "done"
        }
        Err(HandshakeError::TimedOut { .. }) => "timed_out",
        #[cfg(feature = "manager")]
        Err(HandshakeError::NotIssued { .. }) => "not_issued",
        Err(HandshakeError::Failed(_)) => "failed",
    };
    span.record("outcome", outcome);
}
