//! Secrets of Kubernetes, as the API server tells that they change.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::CryptoProvider;
use tokio::time::Instant;

use super::records::Records;
use crate::error::Result;
use crate::install::{Certificates, Policy};
use crate::limits::STORE_POLL;
use crate::store::{KubeChange, KubeWatch, Name, Store};

/// How long to wait for an API server that tells of a change and does not let it be read.
const READ_AGAIN: Duration = Duration::from_secs(2);

/// Follows Secrets without polling: those of a [`KubeStore`](crate::store::KubeStore), or those that others
/// write, such as cert-manager ([`KubeSecrets`](crate::store::KubeSecrets)).
///
/// What is worse than what is in service is refused as everywhere, and looked at again every so often, as time
/// may make it good; a Secret that is deleted leaves its certificate in service. While the API server is
/// away all stays as it is, and what changed meanwhile is told when it is back.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use std::sync::Arc;
/// use opsbox_cert::install::Certificates;
/// use opsbox_cert::store::KubeSecrets;
/// use opsbox_cert::watch::SecretWatcher;
///
/// let provider = Arc::new(rustls::crypto::ring::default_provider());
/// let certificates = Certificates::new();
/// certificates.events().hook(|event| eprintln!("{event}"));
/// let client = kube::Client::try_default().await?;
/// let secret = KubeSecrets::named(client, "shop", "shop-tls")?;
/// let mut watcher = SecretWatcher::new(secret.watch(), certificates, provider);
/// watcher.first().await; // what is there already is in service now
/// tokio::spawn(watcher.run());
/// # Ok(())
/// # }
/// ```
pub struct SecretWatcher {
    watch: KubeWatch,
    store: Option<Arc<dyn Store>>,
    records: Records,
    poll: Duration,
    /// What was told and could not be read.
    unread: BTreeSet<Name>,
    /// When something was looked at again.
    looked: Instant,
}

impl SecretWatcher {
    /// Follows what this watch tells. The id of each certificate is that of its record, or the name of the
    /// Secret.
    pub fn new(
        watch: KubeWatch,
        certificates: Certificates,
        provider: Arc<CryptoProvider>,
    ) -> Self {
        Self {
            watch,
            store: None,
            records: Records::new(certificates, provider),
            poll: STORE_POLL,
            unread: BTreeSet::new(),
            looked: Instant::now(),
        }
    }

    /// Reads the records by this store: for one over the [`KubeStore`](crate::store::KubeStore) that is
    /// watched, such as `Encrypted`.
    #[must_use]
    pub fn read_by(mut self, store: Arc<dyn Store>) -> Self {
        self.store = Some(store);
        self
    }

    /// What each certificate has to be to be put in service.
    #[must_use]
    pub fn policy(mut self, policy: Policy) -> Self {
        self.records.policy = policy;
        self
    }

    /// How often those that were refused are looked at again, in place of [`STORE_POLL`].
    #[must_use]
    pub fn poll(mut self, time: Duration) -> Self {
        self.poll = time;
        self
    }

    /// Puts in service what is there now. What goes wrong is an [event](crate::observe::Event), and
    /// [`run`](Self::run) tries it again.
    pub async fn first(&mut self) {
        const AT_ONCE: usize = 256;
        match self.watch.now().await {
            Ok(changes) => {
                self.records.source(Ok(()));
                let (mut saved, mut deleted) = (Vec::new(), Vec::new());
                for change in changes {
                    match change {
                        KubeChange::Saved { name, .. } => saved.push(name),
                        KubeChange::Deleted { name } => deleted.push(name),
                    }
                }
                for name in deleted {
                    self.records.gone(&name);
                }
                for names in saved.chunks(AT_ONCE) {
                    self.read(names).await;
                }
            }
            Err(error) => self.records.source(Err(error)),
        }
    }

    /// Follows until the future is dropped.
    pub async fn run(mut self) {
        loop {
            self.step().await;
        }
    }

    /// Waits for the next change, or for the time to look at something again.
    async fn step(&mut self) {
        let refused = self.records.refused_ones();
        let patience = match (self.unread.is_empty(), refused.is_empty()) {
            (false, _) => Some(READ_AGAIN),
            (true, false) => Some(self.poll),
            (true, true) => None,
        };
        // A wait that is given up loses no change.
        let change = match patience {
            Some(time) => {
                match tokio::time::timeout_at(self.looked + time, self.watch.next()).await {
                    Ok(change) => change,
                    Err(_) => {
                        self.looked = Instant::now();
                        let again: Vec<Name> = match self.unread.is_empty() {
                            true => refused,
                            false => self.unread.iter().cloned().collect(),
                        };
                        return self.read(&again).await;
                    }
                }
            }
            None => self.watch.next().await,
        };
        match change {
            Ok(KubeChange::Saved { name, .. }) => self.read(&[name]).await,
            Ok(KubeChange::Deleted { name }) => {
                self.records.source(Ok(()));
                self.unread.remove(&name);
                self.records.gone(&name);
            }
            Err(error) => self.records.source(Err(error)),
        }
    }

    async fn read(&mut self, names: &[Name]) {
        #[cfg(feature = "tracing")]
        {
            let certificates = names.len();
            let span = tracing::debug_span!(target: "opsbox_cert", "watch_secrets", certificates);
            return tracing::Instrument::instrument(self.read_all(names), span).await;
        }
        #[cfg(not(feature = "tracing"))]
        self.read_all(names).await;
    }

    async fn read_all(&mut self, names: &[Name]) {
        let loaded = match &self.store {
            Some(store) => store.load_many(names).await,
            None => self.watch.load_many(names).await,
        };
        let mut done: Result<()> = Ok(());
        for (name, stored) in names.iter().zip(loaded) {
            match self.records.read(name, stored) {
                Ok(()) => drop(self.unread.remove(name)),
                Err(error) => {
                    self.unread.insert(name.clone());
                    done = Err(error);
                }
            }
        }
        self.records.source(done);
    }
}

impl fmt::Debug for SecretWatcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretWatcher")
            .field("watch", &self.watch)
            .field("known", &self.records.len())
            .finish_non_exhaustive()
    }
}
