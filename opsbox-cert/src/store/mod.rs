//! Where certificates, keys, accounts and orders are kept, and the locks for those who write them.
//!
//! ```text
//!   Triple ──▶ Record ──▶ Encrypted ──▶ Store: memory, a folder, Redis, S3, Kubernetes
//!   key + chain  named     of private      load   save   delete   list
//!   + metadata   parts     parts, if so    acquire   renew   release
//! ```
//!
//! A [`Record`] is the unit: it is read as it was written, all of its parts together, or the former one
//! is. A write can name the [`Version`] that it is to replace, and the [`Lease`] that it is done under;
//! both are checked with the write, so two instances at once cannot undo each other's work.
//!
//! ```
//! use std::time::Duration;
//! use opsbox_cert::store::{Acquired, Condition, FsStore, Name, Owner, Record, Store as _};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let dir = tempfile::tempdir()?;
//! # let folder = dir.path().join("certificates");
//! let store = FsStore::open(folder).await?;
//! let name = Name::order("example.com")?;
//! let owner = Owner::random("web-1")?;
//!
//! let Acquired::Granted(lease) = store.acquire(&name, &owner, Duration::from_secs(60)).await? else {
//!     return Ok(()); // another instance is at it
//! };
//! let record = Record::new().with("order.json", r#"{"url": "https://ca.example/order/1"}"#)?;
//! let version = store.save(&name, &record, &Condition::Absent, Some(&lease)).await?;
//!
//! let stored = store.load(&name).await?.ok_or("it was saved")?;
//! assert_eq!(stored.version, version);
//! store.release(&lease).await?;
//!
//! // The lock is gone, so nothing can be written under it.
//! let late = store.save(&name, &record, &Condition::Any, Some(&lease)).await;
//! assert_eq!(late.unwrap_err().kind(), opsbox_cert::ErrorKind::Fenced);
//! # Ok(())
//! # }
//! ```
//!
//! # What each store promises
//!
//! | Store | Whole record | Condition | Fence | Time of locks |
//! |---|---|---|---|---|
//! | [`MemoryStore`] | mutex | in one step | in one step | clock of the process |
//! | [`FsStore`] | write, fsync, rename, fsync of the folder | in one step, under `flock` | in one step, under `flock` | clock of each instance |
//! | `RedisStore` | script | in one step, by script | in one step, by script | clock of the server |
//! | `ObjectRecords` | object | in one step, `If-Match` | token in the record | clock of each instance |
//! | `KubeStore` | Secret | in one step, `resourceVersion` | lock looked at after the record | clock of each instance |
//!
//! *In one step*: once another instance has the lock, no write of the former owner is done.
//! *Token in the record*: no write of the former owner is done over one of the new owner, or after the
//! new owner has the lock and the former owner looks at it; a write that was under way in that very moment
//! can land before the new owner's first, which then fails as a conflict if it was decided on the record
//! before. *Lock looked at after the record*: the same, but a record that the new owner has made and deleted
//! in that very moment can be made again.
//!
//! # Dead owners
//!
//! The lock of an instance that died is free once it expires. Instances that share a folder on one machine need
//! not wait: there the kernel tells that a process is gone, and its locks go with it.
//!
//! # Clocks
//!
//! Where locks expire by the clock of each instance, an instance whose clock is ahead by more than the
//! time of a lock takes it from a living owner: work is done twice, and the fence keeps the results apart.
//! One whose clock is behind takes a dead owner's lock once it has seen it unchanged for its
//! whole time. No clock can make a lock last for ever, and none can mix two results.
//!
//! # Errors
//!
//! Besides what each method says, every one of them can fail with
//! [`Unavailable`](crate::ErrorKind::Unavailable) (try again; a write may have been done or not),
//! [`Full`](crate::ErrorKind::Full), [`ReadOnly`](crate::ErrorKind::ReadOnly),
//! [`Denied`](crate::ErrorKind::Denied) and [`Io`](crate::ErrorKind::Io). No message has bytes of a record
//! in it.

mod codec;
#[cfg(feature = "test-util")]
pub mod conformance;
#[cfg(feature = "store-encrypted")]
mod encrypted;
mod fault;
mod fs;
#[cfg(feature = "store-kube")]
mod kube;
mod lease;
mod many;
mod memory;
mod name;
#[cfg(feature = "store-object")]
mod object;
#[cfg(any(feature = "store-kube", feature = "store-object"))]
mod objects;
mod random;
mod record;
#[cfg(feature = "store-redis")]
mod redis;
mod triple;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

#[cfg(feature = "store-encrypted")]
pub use self::encrypted::{Encrypted, SealingKey};
pub(crate) use self::fault::Fault;
pub use self::fs::{FsOptions, FsStore};
#[cfg(feature = "store-kube")]
pub use self::kube::{KubeChange, KubeSecrets, KubeStore, KubeWatch};
pub use self::lease::{Acquired, Holder, Lease, Owner};
pub use self::memory::MemoryStore;
pub use self::name::{Folder, Name};
#[cfg(feature = "store-object")]
pub use self::object::ObjectRecords;
pub use self::record::{Condition, Record, Stored, Version};
#[cfg(feature = "store-redis")]
pub use self::redis::RedisStore;
pub use self::triple::{Metadata, Triple};
use crate::error::Result;

/// Keeps records and grants locks.
///
/// With the feature `test-util` the module `conformance` tests that an implementation does what is said
/// here. Every operation has to end in bounded time, with
/// [`Unavailable`](crate::ErrorKind::Unavailable) if need be, and must leave either the old or the new
/// record when its future is dropped or the process dies.
#[async_trait]
pub trait Store: fmt::Debug + Send + Sync {
    /// Reads a record; `None` if there is none.
    ///
    /// # Errors
    ///
    /// [`Corrupt`](crate::ErrorKind::Corrupt) if it is damaged. Saving over it is possible.
    async fn load(&self, name: &Name) -> Result<Option<Stored>>;

    /// Reads many records, in the order of the names. One that cannot be read does not hide the others.
    ///
    /// Give some hundred names at a time, since all of the records are in memory at once. A store that has no
    /// way of its own to do so reads [`STORE_READS`](crate::limits::STORE_READS) of them at once.
    async fn load_many(&self, names: &[Name]) -> Vec<Result<Option<Stored>>> {
        many::load(self, names).await
    }

    /// Writes a whole record. When it returns, the record outlives the process and, where the
    /// store can do so, the machine.
    ///
    /// # Errors
    ///
    /// [`Conflict`](crate::ErrorKind::Conflict) if the condition does not hold,
    /// [`Fenced`](crate::ErrorKind::Fenced) if the lease is no longer good. Both leave what was there.
    async fn save(
        &self,
        name: &Name,
        record: &Record,
        condition: &Condition,
        lease: Option<&Lease>,
    ) -> Result<Version>;

    /// Deletes a record; `false` if there was none and the condition allows that.
    ///
    /// # Errors
    ///
    /// As [`save`](Self::save).
    async fn delete(
        &self,
        name: &Name,
        condition: &Condition,
        lease: Option<&Lease>,
    ) -> Result<bool>;

    /// The names of all records of a folder, sorted.
    ///
    /// # Errors
    ///
    /// None of its own.
    async fn list(&self, folder: &Folder) -> Result<Vec<Name>>;

    /// Takes a lock that is free or expired, for `ttl`. It does not wait for one that is held, and it
    /// does not matter whether the same owner holds it.
    ///
    /// # Errors
    ///
    /// [`Invalid`](crate::ErrorKind::Invalid) if `ttl` is not within
    /// [`MIN_LEASE`](crate::limits::MIN_LEASE) and [`MAX_LEASE`](crate::limits::MAX_LEASE).
    async fn acquire(&self, lock: &Name, owner: &Owner, ttl: Duration) -> Result<Acquired>;

    /// Holds a lock for its time from now on. The token stays the same.
    ///
    /// # Errors
    ///
    /// [`Fenced`](crate::ErrorKind::Fenced) if the lease is no longer good.
    async fn renew(&self, lease: &Lease) -> Result<Lease>;

    /// Gives a lock back. If it is no longer held under this lease, nothing is changed.
    ///
    /// # Errors
    ///
    /// None of its own.
    async fn release(&self, lease: &Lease) -> Result<()>;
}

#[async_trait]
impl<S: Store + ?Sized> Store for Arc<S> {
    async fn load(&self, name: &Name) -> Result<Option<Stored>> {
        (**self).load(name).await
    }

    async fn load_many(&self, names: &[Name]) -> Vec<Result<Option<Stored>>> {
        (**self).load_many(names).await
    }

    async fn save(
        &self,
        name: &Name,
        record: &Record,
        condition: &Condition,
        lease: Option<&Lease>,
    ) -> Result<Version> {
        (**self).save(name, record, condition, lease).await
    }

    async fn delete(
        &self,
        name: &Name,
        condition: &Condition,
        lease: Option<&Lease>,
    ) -> Result<bool> {
        (**self).delete(name, condition, lease).await
    }

    async fn list(&self, folder: &Folder) -> Result<Vec<Name>> {
        (**self).list(folder).await
    }

    async fn acquire(&self, lock: &Name, owner: &Owner, ttl: Duration) -> Result<Acquired> {
        (**self).acquire(lock, owner, ttl).await
    }

    async fn renew(&self, lease: &Lease) -> Result<Lease> {
        (**self).renew(lease).await
    }

    async fn release(&self, lease: &Lease) -> Result<()> {
        (**self).release(lease).await
    }
}
