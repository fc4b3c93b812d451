//! The CA on a socket.

mod account;
mod answer;
mod certificate;
mod core;
mod jws;
mod order;
mod sign;
mod validate;
mod wire;

use std::fmt;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::SystemTime;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::net::TcpListener;
use tokio::task::AbortHandle;

use self::core::Core;
use self::sign::Authority;
pub use self::validate::{Attempt, Failed, FailedKind, NetworkValidator, Validator};
use self::wire::Shared;
use super::faults::Faults;
use super::model::{CaModel, CertificateId};
use super::options::CaOptions;
use super::report::{CaReport, SetReport};
use crate::clock::{Clock, SystemClock};

/// The registered domain by the public suffix list, or the name itself if it is a suffix.
pub fn public_suffix_domain(name: &str) -> String {
    psl::domain_str(name).unwrap_or(name).to_owned()
}

/// How a [`TestCa`] is made.
#[must_use]
pub struct TestCaBuilder {
    provider: Arc<CryptoProvider>,
    options: CaOptions,
    clock: Arc<dyn Clock>,
    validator: Option<Arc<dyn Validator>>,
    roots: usize,
}

impl TestCaBuilder {
    /// What the CA is like. Options that say nothing of the registered domain go by the last two labels of a name,
    /// see [`public_suffix_domain`].
    pub fn options(mut self, options: CaOptions) -> Self {
        self.options = options;
        self
    }

    /// What the CA goes by in all but network waits: limits, lifetimes, windows and outages. Without it, the
    /// clock of the system.
    ///
    /// Under a clock that stands still no bucket fills, so take
    /// [`without_request_limits`](super::CaLimits::without_request_limits) too.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Who looks whether names are controlled. Without it every challenge that is answered is valid, at once.
    pub fn validator(mut self, validator: impl Validator + 'static) -> Self {
        self.validator = Some(Arc::new(validator));
        self
    }

    /// How many roots there are, each with a chain of its own; one unless it is said here.
    pub fn roots(mut self, count: usize) -> Self {
        self.roots = count;
        self
    }

    /// Starts the CA on a free port of 127.0.0.1, on the runtime of the caller.
    ///
    /// # Errors
    ///
    /// If no port is free or no key can be made.
    pub async fn start(self) -> std::io::Result<TestCa> {
        let failed =
            |what: String| std::io::Error::other(format!("cannot start a test CA: {what}"));
        let authority = Authority::new(self.roots).map_err(failed)?;
        let (certificate, key, tls_root_pem) = sign::server_identity().map_err(failed)?;
        let chain = vec![CertificateDer::from(certificate)];
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key));
        let tls = rustls::ServerConfig::builder_with_provider(self.provider)
            .with_safe_default_protocol_versions()
            .and_then(|config| config.with_no_client_auth().with_single_cert(chain, key))
            .map_err(|error| failed(error.to_string()))?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let base = format!("https://localhost:{}", listener.local_addr()?.port());
        let model = CaModel::new(self.options);
        let core = Core::new(model, authority, base.clone(), self.validator);
        let shared = Arc::new(Shared::new(core, self.clock));
        let tls = tokio_rustls::TlsAcceptor::from(Arc::new(tls));
        let serving = tokio::spawn(wire::serve(listener, tls, shared.clone()));
        Ok(TestCa {
            directory_url: format!("{base}/directory"),
            tls_root_pem,
            shared,
            serving: serving.abort_handle(),
        })
    }
}

impl fmt::Debug for TestCaBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestCaBuilder")
            .field("options", &self.options)
            .field("validator", &self.validator)
            .finish_non_exhaustive()
    }
}

/// An ACME CA (RFC 8555, with ARI of RFC 9773 and profiles) on a port of this machine, for as long as it is
/// kept. See the [module](super) for an example.
///
/// What it signs is trusted by nobody but who takes its [root](Self::root_pem).
pub struct TestCa {
    directory_url: String,
    tls_root_pem: String,
    shared: Arc<Shared>,
    serving: AbortHandle,
}

impl TestCa {
    /// A CA with [`CaOptions::new`] and the public suffix list, for which every challenge that is answered is
    /// valid.
    pub fn builder(provider: Arc<CryptoProvider>) -> TestCaBuilder {
        TestCaBuilder {
            provider,
            options: CaOptions::new().registered_domain(public_suffix_domain),
            clock: Arc::new(SystemClock),
            validator: None,
            roots: 1,
        }
    }

    /// The URL of its directory, `https://localhost:PORT/directory`.
    pub fn directory_url(&self) -> &str {
        &self.directory_url
    }

    /// What to trust for the connection to it, in PEM: for `AcmeBuilder::root_pem`. It is none of the roots
    /// that certificates are issued under.
    pub fn tls_root_pem(&self) -> &str {
        &self.tls_root_pem
    }

    /// A root of what it issues, in PEM; the first has the number 0.
    pub fn root_pem(&self, index: usize) -> Option<String> {
        let core = self.shared.core();
        core.authority.root(index).map(str::to_owned)
    }

    /// Its time: that of its clock, and what it is ahead.
    pub fn now(&self) -> SystemTime {
        self.shared.now()
    }

    /// Sets its clock ahead of the one that it was given, by so many seconds, or behind if they are negative:
    /// the CA and its clients do not have the same time any more.
    pub fn set_skew(&self, seconds: i64) {
        self.shared.set_skew(seconds);
    }

    /// Other faults from now on.
    pub fn set_faults(&self, faults: Faults) {
        self.model(|model| model.set_faults(faults));
    }

    /// The counts so far.
    pub fn report(&self) -> CaReport {
        self.model(|model| model.report().clone())
    }

    /// The counts of each exact set of names.
    pub fn sets(&self) -> Vec<SetReport> {
        self.model(|model| model.sets().collect())
    }

    /// The certificate with this id of ARI, as `CertFacts` and the metadata of a store have it.
    pub fn certificate(&self, ari_id: &str) -> Option<CertificateId> {
        self.shared.core().certificate_of(ari_id).ok()
    }

    /// Does something with the model behind the wire: revoke a batch, move windows, end a pause. No request is
    /// answered meanwhile.
    pub fn model<T>(&self, work: impl FnOnce(&mut CaModel) -> T) -> T {
        work(&mut self.shared.core().model)
    }
}

impl Drop for TestCa {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl fmt::Debug for TestCa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestCa")
            .field("directory_url", &self.directory_url)
            .finish_non_exhaustive()
    }
}
