//! A store that lives as long as the process: for tests, and for certificates that need not outlive it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;

use super::fault::{conflict, fenced};
use super::lease::{Acquired, Lease, LockState, Owner, Watch, check_ttl, next_token};
use super::name::{Folder, Name};
use super::record::{Condition, Record, Stored, Version};
use super::{Store, random};
use crate::clock::{Clock, SystemClock};
use crate::error::Result;

/// Keeps records in memory. Clones share them.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> opsbox_cert::Result<()> {
/// use opsbox_cert::store::{Folder, MemoryStore, Store as _};
///
/// let store = MemoryStore::new();
/// assert!(store.list(&Folder::CERTIFICATES).await?.is_empty());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct MemoryStore {
    state: Arc<Mutex<State>>,
    clock: Arc<dyn Clock>,
    watch: Arc<Watch>,
}

#[derive(Default)]
struct State {
    records: BTreeMap<Name, Stored>,
    locks: BTreeMap<Name, LockState>,
    /// The last token of any lock, so that a lock which was released can be forgotten.
    token: u64,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::with_clock(Arc::new(SystemClock))
    }

    /// An empty store whose locks expire by this clock.
    pub fn with_clock(clock: Arc<dyn Clock>) -> Self {
        Self {
            state: Arc::default(),
            clock,
            watch: Arc::default(),
        }
    }

    /// The same records for another instance, with a clock of its own.
    #[must_use]
    pub fn seen_by(&self, clock: Arc<dyn Clock>) -> Self {
        Self {
            state: self.state.clone(),
            clock,
            watch: Arc::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let records = self.state().records.len();
        f.debug_struct("MemoryStore")
            .field("records", &records)
            .finish_non_exhaustive()
    }
}

impl State {
    /// The step before each write.
    fn check(
        &self,
        attempt: &'static str,
        name: &Name,
        condition: &Condition,
        lease: Option<&Lease>,
    ) -> Result<()> {
        if let Some(lease) = lease
            && !self
                .locks
                .get(lease.lock())
                .is_some_and(|lock| lock.is(lease))
        {
            return Err(fenced(attempt, name, lease.lock()));
        }
        if !condition.holds(self.records.get(name).map(|stored| &stored.version)) {
            return Err(conflict(attempt, name));
        }
        Ok(())
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn load(&self, name: &Name) -> Result<Option<Stored>> {
        let state = self.state();
        let stored = state.records.get(name);
        Ok(stored.map(|stored| Stored::new(stored.record.copy(), stored.version.clone())))
    }

    async fn save(
        &self,
        name: &Name,
        record: &Record,
        condition: &Condition,
        lease: Option<&Lease>,
    ) -> Result<Version> {
        let version = Version::new(random::id()?);
        let mut state = self.state();
        state.check("save", name, condition, lease)?;
        state
            .records
            .insert(name.clone(), Stored::new(record.copy(), version.clone()));
        Ok(version)
    }

    async fn delete(
        &self,
        name: &Name,
        condition: &Condition,
        lease: Option<&Lease>,
    ) -> Result<bool> {
        let mut state = self.state();
        state.check("delete", name, condition, lease)?;
        Ok(state.records.remove(name).is_some())
    }

    async fn list(&self, folder: &Folder) -> Result<Vec<Name>> {
        let state = self.state();
        let names = state
            .records
            .keys()
            .filter(|name| name.folder() == folder.as_str());
        Ok(names.cloned().collect())
    }

    async fn acquire(&self, lock: &Name, owner: &Owner, ttl: Duration) -> Result<Acquired> {
        check_ttl(ttl)?;
        let mut state = self.state();
        if let Some(holder) = self.watch.holder(lock, state.locks.get(lock), &*self.clock) {
            return Ok(Acquired::Held(holder));
        }
        let now = self.clock.now();
        state.token = next_token(state.token, now);
        let granted = LockState::granted(lock, owner, state.token, ttl, now);
        let lease = granted.lease(lock, owner);
        state.locks.insert(lock.clone(), granted);
        Ok(Acquired::Granted(lease))
    }

    async fn renew(&self, lease: &Lease) -> Result<Lease> {
        let mut state = self.state();
        match state.locks.get_mut(lease.lock()) {
            Some(lock) if lock.is(lease) => {
                *lock = lock.renewed(self.clock.now());
                Ok(lock.lease(lease.lock(), lease.owner()))
            }
            _ => Err(fenced(
                "renew",
                format_args!("the lock {}", lease.lock()),
                lease.lock(),
            )),
        }
    }

    async fn release(&self, lease: &Lease) -> Result<()> {
        let mut state = self.state();
        if state
            .locks
            .get(lease.lock())
            .is_some_and(|lock| lock.is(lease))
        {
            state.locks.remove(lease.lock());
        }
        Ok(())
    }
}
