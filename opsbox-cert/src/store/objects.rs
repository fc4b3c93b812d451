//! What stores share that write an object only if it is still as it was read: locks that are objects.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;

use super::fault::{self, fenced, timed_out};
use super::lease::{Acquired, Lease, LockState, Owner, Watch, check_ttl, next_token};
use super::name::Name;
use crate::clock::Clock;
use crate::error::Result;

/// What can be the object of a message while others wait.
pub(super) trait Show: fmt::Display + Send + Sync {}

impl<T: fmt::Display + Send + Sync> Show for T {}

/// Gives up when the time is over.
pub(super) async fn limited<T>(
    limit: Duration,
    attempt: &'static str,
    object: &dyn Show,
    work: impl Future<Output = Result<T>> + Send,
) -> Result<T> {
    match tokio::time::timeout(limit, work).await {
        Ok(done) => done,
        Err(_) => Err(timed_out(attempt, object, limit)),
    }
}

type Change<'a> = dyn Fn(&LockState) -> LockState + Send + Sync + 'a;

/// Locks that are objects of their own. One that is released stays, for its token.
#[async_trait]
pub(super) trait LockObjects: Sync {
    /// An object as it was read.
    type Found: Send + Sync;

    /// The clock, what was seen of the locks before, and how long an operation may take.
    fn watch(&self) -> (&dyn Clock, &Watch, Duration);

    /// The object of a lock, and what it says if it is one of ours.
    async fn lock_state(
        &self,
        attempt: &'static str,
        lock: &Name,
    ) -> Result<(Option<Self::Found>, Option<LockState>)>;

    /// Writes over what was found; `false` if another was faster.
    async fn put_lock(
        &self,
        attempt: &'static str,
        lock: &Name,
        found: Option<Self::Found>,
        state: &LockState,
    ) -> Result<bool>;

    /// Whether a lock is still held under this lease.
    async fn is_held(&self, attempt: &'static str, lease: &Lease) -> Result<bool> {
        let (_, state) = self.lock_state(attempt, lease.lock()).await?;
        Ok(state.is_some_and(|state| state.is(lease)))
    }

    /// [`Store::acquire`](super::Store::acquire).
    async fn acquire_object(&self, lock: &Name, owner: &Owner, ttl: Duration) -> Result<Acquired> {
        check_ttl(ttl)?;
        let (clock, watch, limit) = self.watch();
        limited(limit, "acquire", &fault::lock(lock), async {
            loop {
                let (found, state) = self.lock_state("acquire", lock).await?;
                if let Some(holder) = watch.holder(lock, state.as_ref(), clock) {
                    return Ok(Acquired::Held(holder));
                }
                let now = clock.now();
                let token = next_token(state.map_or(0, |state| state.token), now);
                let granted = LockState::granted(lock, owner, token, ttl, now);
                if self.put_lock("acquire", lock, found, &granted).await? {
                    return Ok(Acquired::Granted(granted.lease(lock, owner)));
                }
            }
        })
        .await
    }

    /// [`Store::renew`](super::Store::renew).
    async fn renew_object(&self, lease: &Lease) -> Result<Lease> {
        let (clock, ..) = self.watch();
        let renewed = |state: &LockState| state.renewed(clock.now());
        match self.change("renew", lease, &renewed).await? {
            Some(state) => Ok(state.lease(lease.lock(), lease.owner())),
            None => Err(fenced("renew", fault::lock(lease.lock()), lease.lock())),
        }
    }

    /// [`Store::release`](super::Store::release).
    async fn release_object(&self, lease: &Lease) -> Result<()> {
        let freed = |state: &LockState| LockState {
            owner: String::new(),
            ..state.clone()
        };
        self.change("release", lease, &freed).await.map(drop)
    }

    /// Changes a lock if it is still held under the lease; `None` if it is not.
    async fn change(
        &self,
        attempt: &'static str,
        lease: &Lease,
        change: &Change<'_>,
    ) -> Result<Option<LockState>> {
        let (.., limit) = self.watch();
        let lock = lease.lock();
        limited(limit, attempt, &fault::lock(lock), async {
            loop {
                let (found, state) = self.lock_state(attempt, lock).await?;
                let Some(state) = state.filter(|state| state.is(lease)) else {
                    return Ok(None);
                };
                let changed = change(&state);
                if self.put_lock(attempt, lock, found, &changed).await? {
                    return Ok(Some(changed));
                }
            }
        })
        .await
    }
}
