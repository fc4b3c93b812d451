//! Certificates in service: which one each client gets, and how one takes the place of another.
//!
//! ```text
//!   PEM, Triple ──▶ Candidate ──▶ may_replace? ──yes──▶ Certificates ◀── rustls asks at each handshake
//!                                      │                  name, IP, default
//!                                      no: Refusal, and the old one stays
//! ```
//!
//! ```
//! use std::sync::Arc;
//! use opsbox_cert::install::{Candidate, Certificates, Installed, Policy};
//!
//! # let provider = Arc::new(rustls::crypto::ring::default_provider());
//! # let key = rcgen::KeyPair::generate()?;
//! # let chain = rcgen::CertificateParams::new(vec!["example.com".into()])?.self_signed(&key)?.pem();
//! # let key = key.serialize_pem();
//! let certificates = Certificates::new();
//! let candidate = Candidate::from_pem(chain.as_bytes(), key.as_bytes(), &provider)?;
//! let done = certificates.install("example.com", candidate, &Policy::new())?;
//! assert_eq!(done, Installed::New);
//!
//! let config = rustls::ServerConfig::builder_with_provider(provider)
//!     .with_safe_default_protocol_versions()?
//!     .with_no_client_auth()
//!     .with_cert_resolver(Arc::new(certificates.clone()));
//! # drop(config);
//! // Later, while the server runs: `certificates.install("example.com", renewed, ..)`.
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What a handshake sees
//!
//! No handshake waits: a swap is one store of a pointer, and a handshake that has begun ends with the
//! chain and the key that it began with, which belong together. A certificate of many names is swapped for
//! all of them at once. Writers wait for each other.
//!
//! # Both kinds of keys
//!
//! Install an ECDSA and an RSA certificate under two ids, `example.com` and `example.com-rsa` for instance:
//! clients that offer no ECDSA scheme get the second.

mod candidate;
mod decide;
mod index;
mod issuers;
mod names;
mod resolve;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use arc_swap::ArcSwapOption;
use rustls::server::ResolvesServerCert;

pub use self::candidate::Candidate;
pub use self::decide::{Policy, Refusal, may_replace};
use self::index::{Index, Slot};
use self::issuers::Interner;
use crate::clock::{Clock, SystemClock};
use crate::observe::{Event, Events};

/// What an installation changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Installed {
    /// Nothing was in service under this id.
    New,
    /// It took the place of another.
    Replaced,
    /// It is the one in service already.
    Unchanged,
}

impl Installed {
    /// The outcome as one word of a metric.
    pub fn label(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Replaced => "replaced",
            Self::Unchanged => "unchanged",
        }
    }
}

/// The certificates that a server has, each under an id. Clones share them.
///
/// It is the [`ResolvesServerCert`] of any number of rustls configurations.
#[derive(Clone)]
pub struct Certificates {
    shared: Arc<Shared>,
}

struct Shared {
    index: Index,
    default: ArcSwapOption<Slot>,
    challenges: OnceLock<Arc<dyn ResolvesServerCert>>,
    issuers: Interner,
    clock: Arc<dyn Clock>,
    events: Events,
    /// Held by writers.
    written: Mutex<Written>,
}

#[derive(Default)]
struct Written {
    slots: BTreeMap<Arc<str>, Arc<Slot>>,
    default: Option<Arc<str>>,
}

impl Certificates {
    /// None yet.
    pub fn new() -> Self {
        Self::with_clock(Arc::new(SystemClock))
    }

    /// None yet, and a clock that says what is expired.
    pub fn with_clock(clock: Arc<dyn Clock>) -> Self {
        Self {
            shared: Arc::new(Shared {
                index: Index::new(),
                default: ArcSwapOption::empty(),
                challenges: OnceLock::new(),
                issuers: Interner::default(),
                clock,
                events: Events::new(),
                written: Mutex::default(),
            }),
        }
    }

    /// Puts a certificate in service under an id, in place of the former one of that id, if
    /// [`may_replace`] says so. What is refused changes nothing. Both are [events](Self::events).
    ///
    /// # Errors
    ///
    /// The [`Refusal`] of [`may_replace`].
    pub fn install(
        &self,
        id: &str,
        candidate: Candidate,
        policy: &Policy,
    ) -> Result<Installed, Refusal> {
        let done = self.put(id, candidate, policy);
        self.tell(id, done.as_ref());
        done
    }

    /// What happens to them: a stream, and hooks.
    pub fn events(&self) -> &Events {
        &self.shared.events
    }

    /// The time by the clock of these certificates.
    #[cfg(feature = "metrics")]
    pub(crate) fn now(&self) -> std::time::SystemTime {
        self.shared.clock.now()
    }

    /// Tells what became of a certificate, unless nothing did.
    pub(crate) fn tell(&self, id: &str, done: Result<&Installed, &Refusal>) {
        let events = &self.shared.events;
        match done {
            Ok(Installed::Unchanged) => {}
            Ok(outcome) => {
                if let Some(candidate) = self.in_service(id) {
                    events.tell(Event::Installed {
                        id: id.into(),
                        outcome: *outcome,
                        not_after: candidate.not_after(),
                    });
                }
            }
            Err(refusal) => events.tell(Event::Refused {
                id: id.into(),
                refusal: refusal.clone(),
            }),
        }
    }

    /// [`install`](Self::install), and nobody is told.
    pub(crate) fn put(
        &self,
        id: &str,
        candidate: Candidate,
        policy: &Policy,
    ) -> Result<Installed, Refusal> {
        let mut written = self.written();
        let now = self.shared.clock.now();
        let Some(slot) = written.slots.get(id).cloned() else {
            may_replace(&candidate, None, policy, now)?;
            self.add(&mut written, id.into(), candidate);
            return Ok(Installed::New);
        };
        let old = slot.current();
        if old == candidate {
            return Ok(Installed::Unchanged);
        }
        may_replace(&candidate, Some(&old), policy, now)?;
        let candidate = self.share(candidate, &slot.id);
        slot.set(candidate.clone());
        let (new_names, old_names) = (candidate.name_keys(), old.name_keys());
        if new_names != old_names {
            // In this order no name is without a certificate that covers it.
            for name in new_names
                .iter()
                .filter(|name| old_names.binary_search(name).is_err())
            {
                self.shared.index.add(name, &slot);
            }
            for name in old_names
                .iter()
                .filter(|name| new_names.binary_search(name).is_err())
            {
                self.shared.index.remove(name, &slot);
            }
        }
        Ok(Installed::Replaced)
    }

    /// Takes a certificate out of service; `None` if there is none under this id.
    pub fn remove(&self, id: &str) -> Option<Candidate> {
        let mut written = self.written();
        let slot = written.slots.remove(id)?;
        let candidate = slot.current();
        for name in candidate.name_keys() {
            self.shared.index.remove(name, &slot);
        }
        if written.default.as_deref() == Some(id) {
            self.shared.default.store(None);
        }
        drop(written);
        self.shared.events.tell(Event::Removed { id: id.into() });
        Some(candidate)
    }

    /// Serves the certificate of this id to clients that ask for no name or an unknown one, as soon as
    /// there is one. Without a default their handshake fails.
    pub fn set_default(&self, id: Option<&str>) {
        let mut written = self.written();
        written.default = id.map(Into::into);
        let slot = id.and_then(|id| written.slots.get(id).cloned());
        self.shared.default.store(slot);
    }

    /// Lets another resolver answer validations by TLS-ALPN-01, which are told by
    /// [`ACME_TLS_ALPN`](crate::ACME_TLS_ALPN). That protocol has to be among those of the rustls configuration. The
    /// first call counts; `false` for any other.
    pub fn set_challenges(&self, resolver: Arc<dyn ResolvesServerCert>) -> bool {
        self.shared.challenges.set(resolver).is_ok()
    }

    /// The certificate in service under an id.
    pub fn in_service(&self, id: &str) -> Option<Candidate> {
        let written = self.written();
        written.slots.get(id).map(|slot| slot.current())
    }

    /// All of them, ordered by id.
    pub fn all(&self) -> Vec<(Arc<str>, Candidate)> {
        let written = self.written();
        let all = written.slots.values();
        all.map(|slot| (slot.id.clone(), slot.current())).collect()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.written().slots.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.written().slots.is_empty()
    }

    fn add(&self, written: &mut Written, id: Arc<str>, candidate: Candidate) {
        let candidate = self.share(candidate, &id);
        let slot = Arc::new(Slot::new(id.clone(), candidate.clone()));
        for name in candidate.name_keys() {
            self.shared.index.add(name, &slot);
        }
        if written.default.as_ref() == Some(&id) {
            self.shared.default.store(Some(slot.clone()));
        }
        written.slots.insert(id, slot);
    }

    /// A certificate's id is mostly its first name: both are one string then.
    fn share(&self, candidate: Candidate, id: &Arc<str>) -> Candidate {
        candidate.shared(&self.shared.issuers, |name| {
            if name == id {
                id.clone()
            } else {
                self.shared.index.known(name)
            }
        })
    }

    fn written(&self) -> MutexGuard<'_, Written> {
        self.shared
            .written
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Certificates {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificates")
            .field("certificates", &self.len())
            .finish_non_exhaustive()
    }
}
