//! A manager with certificates on demand, all that can be seen of it, and a server with real clients.

#![allow(clippy::unwrap_used, reason = "a helper that fails must fail the test")]

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use async_trait::async_trait;
use opsbox_cert::install::{Candidate, Certificates};
use opsbox_cert::issuer::{CertRequest, Issuer, LocalCa, LocalCaOptions};
use opsbox_cert::manager::{Manager, OnDemand, OnDemandOptions};
use opsbox_cert::observe::Event;
use opsbox_cert::serve::Acceptor;
use opsbox_cert::store::{MemoryStore, Triple};
use opsbox_cert::{Clock as _, Error, ErrorKind, ManualClock, Result};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::time_provider::TimeProvider;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsConnector;

pub(crate) const MINUTE: Duration = Duration::from_secs(60);
pub(crate) const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// For what has to happen, on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(60);

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// A CA that counts, holds on and refuses while it is told to.
#[derive(Debug, Clone)]
pub(crate) struct Ca {
    ca: Arc<LocalCa>,
    calls: watch::Sender<usize>,
    held: watch::Sender<bool>,
    refuses: Arc<AtomicBool>,
    at_work: Arc<AtomicUsize>,
    most_at_once: Arc<AtomicUsize>,
}

impl Ca {
    async fn new(store: &Arc<MemoryStore>, clock: &Arc<ManualClock>, days: u32) -> Self {
        let options = LocalCaOptions::new()
            .leaf_validity(DAY * days)
            .clock(clock.clone());
        let ca = LocalCa::open_with("test", store.clone(), provider(), options).await;
        Self {
            ca: Arc::new(ca.unwrap()),
            calls: watch::Sender::new(0),
            held: watch::Sender::new(false),
            refuses: Arc::default(),
            at_work: Arc::default(),
            most_at_once: Arc::default(),
        }
    }

    pub(crate) fn calls(&self) -> usize {
        *self.calls.borrow()
    }

    pub(crate) fn most_at_once(&self) -> usize {
        self.most_at_once.load(Ordering::SeqCst)
    }

    pub(crate) fn refuse(&self, yes: bool) {
        self.refuses.store(yes, Ordering::SeqCst);
    }

    pub(crate) fn hold(&self) {
        self.held.send_replace(true);
    }

    pub(crate) fn go_on(&self) {
        self.held.send_replace(false);
    }

    /// Waits until it was called so often.
    pub(crate) async fn reached(&self, calls: usize) {
        let mut seen = self.calls.subscribe();
        let reached = seen.wait_for(|seen| *seen >= calls);
        tokio::time::timeout(PATIENCE, reached)
            .await
            .unwrap()
            .unwrap();
    }
}

#[async_trait]
impl Issuer for Ca {
    fn name(&self) -> &str {
        self.ca.name()
    }

    async fn issue(&self, request: &CertRequest) -> Result<Triple> {
        self.calls.send_modify(|calls| *calls += 1);
        let at_work = self.at_work.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_at_once.fetch_max(at_work, Ordering::SeqCst);
        let mut held = self.held.subscribe();
        held.wait_for(|held| !held).await.unwrap();
        self.at_work.fetch_sub(1, Ordering::SeqCst);
        if self.refuses.load(Ordering::SeqCst) {
            let reason = "the CA does not answer; try again";
            return Err(Error::store(ErrorKind::Unavailable, "order", "it", reason));
        }
        self.ca.issue(request).await
    }
}

/// What an ask function was asked, and what it is to say.
#[derive(Clone, Default)]
pub(crate) struct Asked {
    count: Arc<AtomicUsize>,
    all: Arc<AtomicBool>,
    none: Arc<AtomicBool>,
}

impl Asked {
    /// Allows what ends in `.test`, unless it was told otherwise.
    pub(crate) fn options(&self) -> OnDemandOptions {
        let asked = self.clone();
        OnDemandOptions::new(move |name| {
            let asked = asked.clone();
            async move {
                asked.count.fetch_add(1, Ordering::SeqCst);
                let name = name.to_string();
                let allowed = name.ends_with(".test") && !asked.none.load(Ordering::SeqCst);
                Ok::<_, Infallible>(allowed || asked.all.load(Ordering::SeqCst))
            }
        })
    }
}

pub(crate) struct World {
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) ca: Ca,
    pub(crate) certificates: Certificates,
    pub(crate) manager: Manager,
    pub(crate) on_demand: OnDemand,
    asked: Asked,
    events: Arc<Mutex<Vec<Event>>>,
}

impl World {
    pub(crate) async fn new(adjust: impl FnOnce(OnDemandOptions) -> OnDemandOptions) -> Self {
        let clock = Arc::new(ManualClock::new(UNIX_EPOCH + 20_000 * DAY));
        let store = Arc::new(MemoryStore::new());
        let ca = Ca::new(&store, &clock, 90).await;
        Self::with(store, clock, ca, adjust, |manager| manager)
    }

    /// Another instance on the same store and CA, or the same one after a restart.
    pub(crate) fn beside(&self, adjust: impl FnOnce(OnDemandOptions) -> OnDemandOptions) -> Self {
        let (store, clock) = (self.store.clone(), self.clock.clone());
        Self::with(store, clock, self.ca.clone(), adjust, |manager| manager)
    }

    pub(crate) fn with(
        store: Arc<MemoryStore>,
        clock: Arc<ManualClock>,
        ca: Ca,
        adjust: impl FnOnce(OnDemandOptions) -> OnDemandOptions,
        managed: impl FnOnce(Manager) -> Manager,
    ) -> Self {
        let certificates = Certificates::with_clock(clock.clone());
        let events = Arc::new(Mutex::new(Vec::new()));
        let seen = events.clone();
        certificates
            .events()
            .hook(move |event| seen.lock().unwrap().push(event.clone()));
        let manager = Manager::new(store.clone(), certificates.clone(), provider())
            .clock(clock.clone())
            .issuer("test", ca.clone());
        let asked = Asked::default();
        let (manager, on_demand) = managed(manager).on_demand(adjust(asked.options())).unwrap();
        Self {
            store,
            clock,
            ca,
            certificates,
            manager,
            on_demand,
            asked,
            events,
        }
    }

    pub(crate) fn asked(&self) -> usize {
        self.asked.count.load(Ordering::SeqCst)
    }

    /// From now on every name is allowed, whatever it ends in.
    pub(crate) fn allow_all(&self) {
        self.asked.all.store(true, Ordering::SeqCst);
    }

    /// From now on no name is allowed.
    pub(crate) fn allow_none(&self) {
        self.asked.none.store(true, Ordering::SeqCst);
    }

    pub(crate) fn in_service(&self, name: &str) -> Option<Candidate> {
        self.certificates.in_service(name)
    }

    /// The labels of the events since the last call.
    pub(crate) fn events(&self) -> Vec<&'static str> {
        let events = std::mem::take(&mut *self.events.lock().unwrap());
        events.iter().map(Event::label).collect()
    }

    /// One pass, and how far away the next one is.
    pub(crate) async fn pass(&mut self) -> Duration {
        let next = self.manager.pass().await;
        next.duration_since(self.clock.now()).unwrap_or_default()
    }

    /// A server of these certificates, whose clients trust the CA.
    pub(crate) async fn serve(&self, adjust: impl FnOnce(Acceptor) -> Acceptor) -> Server {
        let acceptor = Acceptor::new(self.certificates.clone(), provider()).unwrap();
        let acceptor = adjust(acceptor.on_demand(self.on_demand.clone()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let errors = Arc::new(Mutex::new(Vec::new()));
        let told = errors.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (acceptor, told) = (acceptor.clone(), told.clone());
                tokio::spawn(async move {
                    if let Err(error) = acceptor.accept(stream).await {
                        told.lock().unwrap().push(error.to_string());
                    }
                });
            }
        });
        let mut roots = RootCertStore::empty();
        let root = CertificateDer::from_pem_slice(self.ca.ca.root_pem().as_bytes());
        roots.add(root.unwrap()).unwrap();
        let clients = Arc::new(Clients(self.clock.clone()));
        let client = ClientConfig::builder_with_details(provider(), clients)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        Server {
            address,
            errors,
            client,
        }
    }
}

/// Clients go by the same clock.
#[derive(Debug)]
struct Clients(Arc<ManualClock>);

impl TimeProvider for Clients {
    fn current_time(&self) -> Option<UnixTime> {
        let now = self.0.now().duration_since(UNIX_EPOCH).ok()?;
        Some(UnixTime::since_unix_epoch(now))
    }
}

pub(crate) struct Server {
    address: SocketAddr,
    errors: Arc<Mutex<Vec<String>>>,
    client: ClientConfig,
}

impl Server {
    /// A handshake: the certificate of the server, or what the client says is wrong.
    pub(crate) fn connect(
        &self,
        name: &str,
    ) -> impl Future<Output = Result<Vec<u8>, String>> + Send + 'static {
        self.connect_with(name, &[])
    }

    pub(crate) fn connect_with(
        &self,
        name: &str,
        alpn: &[&[u8]],
    ) -> impl Future<Output = Result<Vec<u8>, String>> + Send + 'static {
        let mut client = self.client.clone();
        client.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
        let (address, name) = (self.address, name.to_owned().try_into().unwrap());
        async move {
            let stream = TcpStream::connect(address).await.unwrap();
            let connector = TlsConnector::from(Arc::new(client));
            let connected = tokio::time::timeout(PATIENCE, connector.connect(name, stream));
            let mut stream = match connected.await.unwrap() {
                Ok(stream) => stream,
                Err(error) => return Err(error.to_string()),
            };
            // In TLS 1.3 the client is done before the server has judged.
            let mut rest = Vec::new();
            stream.read_to_end(&mut rest).await.ok();
            Ok(stream.get_ref().1.peer_certificates().unwrap()[0].to_vec())
        }
    }

    /// A client that says nothing, until it is cut.
    pub(crate) async fn silence(&self) {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let mut rest = Vec::new();
        let cut = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut rest));
        cut.await.unwrap().ok();
    }

    /// What the server said of failed handshakes since the last call.
    pub(crate) fn errors(&self) -> Vec<String> {
        std::mem::take(&mut *self.errors.lock().unwrap())
    }
}
