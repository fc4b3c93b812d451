//! The certificates of a store, as they are renewed there by whoever does.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::CryptoProvider;

use crate::error::Error;
use crate::install::{Candidate, Certificates, Policy, Refusal};
use crate::limits::STORE_POLL;
use crate::observe::Event;
use crate::store::{Folder, Name, Store, Stored, Triple, Version};

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
    certificates: Certificates,
    provider: Arc<CryptoProvider>,
    policy: Policy,
    poll: Duration,
    failed: bool,
    known: BTreeMap<Name, Known>,
}

/// What became of a record.
#[derive(Default)]
struct Known {
    version: Option<Version>,
    refused: Option<&'static str>,
    gone: bool,
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
            certificates,
            provider,
            policy: Policy::new(),
            poll: STORE_POLL,
            failed: false,
            known: BTreeMap::new(),
        }
    }

    /// What each certificate has to be to be put in service.
    #[must_use]
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
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
            let certificates = self.known.len();
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
            Err(error) => return self.source_failed(error),
        };
        let mut failed = None;
        for names in names.chunks(AT_ONCE) {
            for (name, stored) in names.iter().zip(self.store.load_many(names).await) {
                match stored {
                    Ok(Some(stored)) => self.stored(name, &stored),
                    // Deleted since it was listed.
                    Ok(None) => self.gone(name),
                    Err(error) if error.is_retryable() => failed = Some(error),
                    Err(error) => self.refused(name, None, error.into()),
                }
            }
        }
        let listed = |name: &Name| names.binary_search(name).is_ok();
        let gone: Vec<Name> = self
            .known
            .keys()
            .filter(|name| !listed(name))
            .cloned()
            .collect();
        for name in gone {
            self.gone(&name);
        }
        match failed {
            Some(error) => self.source_failed(error),
            None => self.failed = false,
        }
    }

    fn stored(&mut self, name: &Name, stored: &Stored) {
        let known = self.known.get(name);
        let is_known = known.is_some_and(|known| {
            known.version.as_ref() == Some(&stored.version)
                && known.refused.is_none()
                && !known.gone
        });
        if is_known {
            return;
        }
        let put = Triple::from_record(name, &stored.record, &self.provider)
            .and_then(|triple| Candidate::from_triple(&triple))
            .map_err(Refusal::from)
            .and_then(|candidate| self.certificates.put(name.id(), candidate, &self.policy));
        match put {
            Err(refusal) => self.refused(name, Some(&stored.version), refusal),
            put => {
                self.certificates.tell(name.id(), put.as_ref());
                let known = self.known.entry(name.clone()).or_default();
                *known = Known {
                    version: Some(stored.version.clone()),
                    ..Known::default()
                };
            }
        }
    }

    /// Told once for each version and reason.
    fn refused(&mut self, name: &Name, version: Option<&Version>, refusal: Refusal) {
        let known = self.known.entry(name.clone()).or_default();
        let now = Known {
            version: version.cloned(),
            refused: Some(refusal.label()),
            gone: false,
        };
        if known.version != now.version || known.refused != now.refused {
            self.certificates.tell(name.id(), Err(&refusal));
        }
        *known = now;
    }

    fn gone(&mut self, name: &Name) {
        if let Some(known) = self.known.get_mut(name)
            && !std::mem::replace(&mut known.gone, true)
        {
            let id = name.id().into();
            self.certificates.events().tell(Event::Gone { id });
        }
    }

    fn source_failed(&mut self, error: Error) {
        if !std::mem::replace(&mut self.failed, true) {
            self.certificates
                .events()
                .tell(Event::SourceFailed { error });
        }
    }
}

impl fmt::Debug for StoreWatcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreWatcher")
            .field("store", &self.store)
            .field("known", &self.known.len())
            .finish_non_exhaustive()
    }
}
