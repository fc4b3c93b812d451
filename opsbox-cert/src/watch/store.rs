//! The certificates of a store, as they are renewed there by whoever does.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::CryptoProvider;

use super::records::Records;
use crate::install::{Certificates, Policy};
use crate::limits::STORE_POLL;
use crate::store::{Folder, Store};

/// Follows the folder [`certificates`](Folder::CERTIFICATES) of a store. The id of each record is that of
/// the certificate.
///
/// Each look reads all records, some hundred at a time.
///
/// ```
/// use std::sync::Arc;
/// use opsbox_cert::{install::Certificates, store::MemoryStore, watch::StoreWatcher};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let provider = Arc::new(rustls::crypto::ring::default_provider());
/// let certificates = Certificates::new();
/// let mut watcher = StoreWatcher::new(Arc::new(MemoryStore::new()), certificates.clone(), provider);
/// watcher.look().await;
/// assert!(certificates.is_empty());
/// tokio::spawn(watcher.run());
/// # }
/// ```
pub struct StoreWatcher {
    store: Arc<dyn Store>,
    records: Records,
    poll: Duration,
}

impl StoreWatcher {
    /// Follows this store.
    pub fn new(
        store: Arc<dyn Store>,
        certificates: Certificates,
        provider: Arc<CryptoProvider>,
    ) -> Self {
        Self {
            store,
            records: Records::new(certificates, provider),
            poll: STORE_POLL,
        }
    }

    /// What each certificate has to be to be put in service.
    #[must_use]
    pub fn policy(mut self, policy: Policy) -> Self {
        self.records.policy = policy;
        self
    }

    /// Another time than [`STORE_POLL`].
    #[must_use]
    pub fn poll(mut self, time: Duration) -> Self {
        self.poll = time;
        self
    }

    /// Follows until the future is dropped.
    pub async fn run(mut self) {
        loop {
            self.look().await;
            tokio::time::sleep(self.poll).await;
        }
    }

    /// Puts in service what is new. What goes wrong is an [event](crate::observe::Event).
    pub async fn look(&mut self) {
        #[cfg(feature = "tracing")]
        {
            let certificates = self.records.len();
            let span = tracing::debug_span!(target: "opsbox_cert", "watch_store", certificates);
            return tracing::Instrument::instrument(self.look_once(), span).await;
        }
        #[cfg(not(feature = "tracing"))]
        self.look_once().await;
    }

    async fn look_once(&mut self) {
        const AT_ONCE: usize = 256;
        let names = match self.store.list(&Folder::CERTIFICATES).await {
            Ok(names) => names,
            Err(error) => return self.records.source(Err(error)),
        };
        let mut done = Ok(());
        for names in names.chunks(AT_ONCE) {
            for (name, stored) in names.iter().zip(self.store.load_many(names).await) {
                if let Err(error) = self.records.read(name, stored) {
                    done = Err(error);
                }
            }
        }
        self.records.only(&names);
        self.records.source(done);
    }
}

impl fmt::Debug for StoreWatcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreWatcher")
            .field("store", &self.store)
            .field("known", &self.records.len())
            .finish_non_exhaustive()
    }
}
