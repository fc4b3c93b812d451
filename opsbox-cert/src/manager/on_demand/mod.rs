//! Certificates at the first handshake: whether a name may have one is asked, within limits.

mod memory;
mod options;
mod work;

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use tokio::sync::{Notify, Semaphore, watch};

use self::memory::{Memory, Window};
pub use self::options::{Denial, OnDemandOptions};
use super::claim::Book;
use super::reserved::Reserved;
use super::worker::{Managed, Worker};
use crate::error::{Error, ErrorKind, Result};
use crate::identifier::Identifier;
use crate::observe::Event;
use crate::store::Owner;

/// Gets certificates for names that are asked for in a handshake and have none: what
/// [`Manager::on_demand`](super::Manager::on_demand) makes. Clones share all of it.
///
/// Give it to an [`Acceptor`](crate::serve::Acceptor::on_demand), or call [`ensure`](Self::ensure) with
/// the server name of a client hello before the handshake goes on.
///
/// ```text
///  handshake ─▶ in service? ──yes──▶ go on                                  nothing waits, nothing is asked
///                  │ no
///                  ▼
///            a name? refused or failed lately? ──▶ alert
///                  │ one at a time for each name, however many handshakes wait
///                  ▼
///            ask ──no──▶ alert, remembered
///                  │ yes
///                  ▼
///            in the store? ──yes──▶ in service
///                  │ no: a place, one of the window, the lock of the name
///                  ▼
///            Issuer ─▶ Store ─▶ Certificates, and the manager renews it while it is asked for
/// ```
///
/// ```
/// # #[cfg(feature = "local-ca")]
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> opsbox_cert::Result<()> {
/// use std::{convert::Infallible, sync::Arc};
/// use opsbox_cert::install::Certificates;
/// use opsbox_cert::issuer::LocalCa;
/// use opsbox_cert::manager::{Denial, Manager, OnDemandOptions};
/// use opsbox_cert::store::MemoryStore;
///
/// # let provider = Arc::new(rustls::crypto::ring::default_provider());
/// let store = Arc::new(MemoryStore::new());
/// let ca = LocalCa::open("internal", store.clone(), provider.clone()).await?;
/// let certificates = Certificates::new();
///
/// // Of a program that has customers: look the name up in the database.
/// let options = OnDemandOptions::new(|name| async move {
///     Ok::<_, Infallible>(name.to_string().ends_with(".shop.example"))
/// });
/// let (manager, on_demand) = Manager::new(store, certificates.clone(), provider)
///     .issuer("internal", ca)
///     .on_demand(options)?;
/// // In a service: tokio::spawn(manager.run(shutdown)), and Acceptor::on_demand(on_demand).
///
/// on_demand.ensure("tea.shop.example").await.unwrap();
/// assert!(certificates.in_service("tea.shop.example").is_some());
/// let denied = on_demand.ensure("tea.example").await.unwrap_err();
/// assert!(matches!(denied, Denial::Refused));
/// # drop(manager);
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "local-ca"))]
/// # fn main() {}
/// ```
///
/// # What a flood of handshakes makes
///
/// For one name: one ask and one order, since all wait for the same, and what was refused or failed is not
/// asked again for a while. For names without number: as many asks at once as are allowed, each for a
/// name that is well made, and orders only for those that the ask function lets through, within the
/// window. Meanwhile a new name that is good may have to come again; names in service notice nothing. So
/// the ask function is what protects the CA's limits: it has to know the names, and must not say yes to all.
///
/// # Several instances
///
/// The lock of the name in the store is held for an issuance. Other instances wait for it, and take what
/// is in the store then.
///
/// # Limits
///
/// All in [`limits`](crate::limits), each to be changed on the [`OnDemandOptions`]. Renewals do not count
/// in the window. The limits of the CA are counted in the store, together with what the manager orders; a name for
/// which they have no room is [denied](Denial::Limited), and nothing is ordered. Records of certificates that ended and are not asked for stay in the store.
#[derive(Clone)]
pub struct OnDemand {
    inner: Arc<Inner>,
}

pub(super) struct Inner {
    worker: Worker,
    /// The ledgers of the issuers.
    books: Vec<Book>,
    options: OnDemandOptions,
    owner: Owner,
    /// Names and ids of the certificates that the manager has without being asked.
    reserved: Reserved,
    asks: Semaphore,
    turns: Semaphore,
    waiting: Semaphore,
    state: Mutex<State>,
    entries: RwLock<HashMap<Arc<str>, Arc<Entry>>>,
    /// That the manager has to look before the time it said.
    changed: Notify,
    manager_looks_at: Mutex<Option<SystemTime>>,
}

type Outcome = Result<(), Denial>;

struct State {
    flights: HashMap<Arc<str>, watch::Receiver<Option<Outcome>>>,
    refused: Memory<()>,
    /// And how often in a row.
    failed: Memory<(Denial, u32)>,
    window: Window,
}

/// A certificate that is in service because it was asked for.
pub(super) struct Entry {
    name: Identifier,
    key: Arc<str>,
    /// Seconds of the monotonic clock.
    asked_at: AtomicU64,
    /// Held while there is work on it.
    managed: tokio::sync::Mutex<Managed>,
}

impl OnDemand {
    pub(super) fn new(
        worker: Worker,
        options: OnDemandOptions,
        reserved: Reserved,
        books: Vec<Book>,
    ) -> Result<Self> {
        let (most, span) = options.window;
        let state = State {
            flights: HashMap::new(),
            refused: Memory::new(options.remembered),
            failed: Memory::new(options.remembered),
            window: Window::new(most, span),
        };
        Ok(Self {
            inner: Arc::new(Inner {
                worker,
                books,
                owner: Owner::random("on-demand")?,
                reserved,
                asks: Semaphore::new(options.asks_at_once),
                turns: Semaphore::new(options.at_once),
                waiting: Semaphore::new(options.waiting),
                state: Mutex::new(state),
                entries: RwLock::default(),
                changed: Notify::new(),
                manager_looks_at: Mutex::default(),
                options,
            }),
        })
    }

    pub(super) fn inner(&self) -> Arc<Inner> {
        self.inner.clone()
    }

    /// Sees to it that there is a certificate for a server name, or for an IP address that a client
    /// connected to. With `Ok` the handshake goes on, also for the names of certificates that the
    /// manager has anyway.
    ///
    /// A future that is dropped, and one that waited too long, leaves the work going on.
    ///
    /// # Errors
    ///
    /// Why there is none: end the handshake with an alert.
    pub async fn ensure(&self, name: &str) -> Result<(), Denial> {
        self.inner.ensure(name).await
    }

    /// Whether handshakes without a server name ask for the address that the client connected to.
    pub fn has_addresses(&self) -> bool {
        self.inner.options.addresses
    }

    /// How many certificates are in service because they were asked for.
    pub fn len(&self) -> usize {
        self.inner.entries().len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl fmt::Debug for OnDemand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OnDemand")
            .field("store", &self.inner.worker.store)
            .field("certificates", &self.len())
            .field("options", &self.inner.options)
            .finish_non_exhaustive()
    }
}

impl Inner {
    async fn ensure(self: &Arc<Self>, name: &str) -> Outcome {
        if self.serves(name) {
            self.touch(name);
            return Ok(());
        }
        let Some(name) = self.checked(name)? else {
            return Ok(());
        };
        let Ok(_waiting) = self.waiting.try_acquire() else {
            return Err(Denial::TooMany);
        };
        let Some(mut landed) = self.board(name)? else {
            return Ok(());
        };
        let told = landed.wait_for(Option::is_some);
        match tokio::time::timeout(self.options.wait, told).await {
            Ok(Ok(outcome)) => outcome.clone().unwrap_or(Ok(())),
            Ok(Err(_)) => {
                let reason = "the ask function or an issuer panicked; see its message";
                let error = Error::store(ErrorKind::Unavailable, "order", "a certificate", reason);
                Err(Denial::Failed { error })
            }
            Err(_) => Err(Denial::TooSlow {
                limit: self.options.wait,
            }),
        }
    }

    /// The name, if it may be asked about; `None` if that is not for this to decide.
    fn checked(&self, name: &str) -> Result<Option<Identifier>, Denial> {
        let refuse = |why: &'static str| Err(Denial::NotAName { why });
        let Ok(identifier) = name.parse::<Identifier>() else {
            return refuse("it is neither a DNS name nor an IP address");
        };
        match &identifier {
            Identifier::Ip(_) if !self.options.addresses => {
                return refuse("it is an IP address, which the options do not allow");
            }
            Identifier::Dns(_) if identifier.is_wildcard() => return refuse("it is a wildcard"),
            Identifier::Dns(name) if name.is_internal() && !self.options.single_labels => {
                return refuse("it is one label alone, which the options do not allow");
            }
            _ => {}
        }
        let name = identifier.to_string();
        let wildcard = name.split_once('.').map(|(_, rest)| format!("*.{rest}"));
        let names = [Some(&*name), wildcard.as_deref()];
        let is_reserved = self.reserved.has_any(names.into_iter().flatten());
        Ok((!is_reserved).then_some(identifier))
    }

    /// Joins the work on this name, or begins it; `None` if it is done.
    fn board(
        self: &Arc<Self>,
        name: Identifier,
    ) -> Result<Option<watch::Receiver<Option<Outcome>>>, Denial> {
        let key: Arc<str> = name.to_string().into();
        let now = self.worker.clock.monotonic();
        let mut state = self.state();
        // What landed since the first look has done so under this lock.
        if self.serves(&key) {
            self.touch(&key);
            return Ok(None);
        }
        if state.refused.get(&key, now).is_some() {
            return Err(Denial::Refused);
        }
        if let Some((denial, _)) = state.failed.get(&key, now) {
            return Err(denial.clone());
        }
        if let Some(flight) = state.flights.get(&key) {
            return Ok(Some(flight.clone()));
        }
        if state.flights.len() >= self.options.waiting {
            return Err(Denial::TooMany);
        }
        let (tell, told) = watch::channel(None);
        state.flights.insert(key.clone(), told.clone());
        drop(state);
        let flight = Flight {
            inner: self.clone(),
            key,
        };
        // A task of its own: no client that goes away breaks it off.
        tokio::spawn(async move {
            let outcome = flight.inner.fly(&name, &flight.key).await;
            drop(flight);
            tell.send_replace(Some(outcome));
        });
        Ok(Some(told))
    }

    /// Whether a certificate that has not ended is in service for this name.
    fn serves(&self, name: &str) -> bool {
        let now = self.worker.clock.now();
        self.worker.certificates.covers_at(name, now)
    }

    fn touch(&self, name: &str) {
        let entries = self.entries();
        if let Some(entry) = entries.get(name) {
            entry.touch(self.worker.clock.monotonic());
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn entries(&self) -> std::sync::RwLockReadGuard<'_, HashMap<Arc<str>, Arc<Entry>>> {
        self.entries.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// All that the manager has to look at.
    pub(super) fn all(&self) -> Vec<Arc<Entry>> {
        self.entries().values().cloned().collect()
    }

    /// Hands a certificate to the manager. Of too many, the one that was not asked for the longest is
    /// taken out of service.
    fn keep(&self, entry: &Arc<Entry>, due: Option<SystemTime>) {
        entry.touch(self.worker.clock.monotonic());
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        entries.insert(entry.key.clone(), entry.clone());
        let mut oldest = None;
        if entries.len() > self.options.kept {
            let others = entries.values().filter(|it| it.key != entry.key);
            oldest = others.min_by_key(|it| it.asked_at.load(Ordering::Relaxed));
        }
        let oldest = oldest.map(|oldest| oldest.key.clone());
        if let Some(oldest) = &oldest {
            entries.remove(oldest);
        }
        // One that the manager was given meanwhile is not for this to keep, or to take out of service.
        if self.is_taken_over(&entry.key) {
            entries.remove(&entry.key);
        }
        drop(entries);
        if let Some(oldest) = oldest.filter(|oldest| !self.is_taken_over(oldest)) {
            self.worker.certificates.remove(&oldest);
        }
        let looks_at = self.looks_at();
        if looks_at.is_some_and(|at| due.is_none_or(|due| due < at)) {
            self.changed.notify_one();
        }
    }

    /// Takes a certificate out of service; it stays in the store.
    fn forget(&self, key: &str) {
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        let known = entries.remove(key).is_some();
        drop(entries);
        if known && !self.is_taken_over(key) {
            self.worker.certificates.remove(key);
        }
    }

    /// Whether the manager has a certificate of this id, or for this name.
    fn is_taken_over(&self, key: &str) -> bool {
        self.reserved.has_any([key].into_iter())
    }

    fn looks_at(&self) -> MutexGuard<'_, Option<SystemTime>> {
        self.manager_looks_at
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Sleeps as the manager does, until a certificate is due before.
    pub(super) async fn sleep(&self, wait: Duration) {
        const LEAST: Duration = Duration::from_secs(1);
        *self.looks_at() = self.worker.clock.now().checked_add(wait);
        tokio::time::sleep(LEAST.min(wait)).await;
        let changed = self.changed.notified();
        // Whether it was called or its time has come, it looks.
        drop(tokio::time::timeout(wait.saturating_sub(LEAST), changed).await);
    }

    fn tell(&self, key: &Arc<str>, denial: &Denial) {
        self.worker.tell(Event::Denied {
            id: key.clone(),
            denial: denial.clone(),
        });
    }
}

impl Entry {
    fn touch(&self, now: Duration) {
        self.asked_at.store(now.as_secs(), Ordering::Relaxed);
    }
}

/// The work on one name, which others join until it ends, by a panic too.
struct Flight {
    inner: Arc<Inner>,
    key: Arc<str>,
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.inner.state().flights.remove(&self.key);
    }
}
