//! A store in a folder: one file a record, which openssl and HAProxy can read too.
//!
//! ```text
//! ROOT/                     made 0700; not writable by others
//!   .lock                   flock: one writer at a time, of all processes; free when its holder dies
//!   .locks/                 0700
//!     token                 the last fencing token
//!     orders+example.com    who holds a lock: gone when it is released
//!     process-5c1e...       held by flock while the process that takes locks is there
//!   certificates/           0700
//!     %2a.example.com.pem   0600: key, chain and metadata as one unit
//!     .tmp-5c1e...          a write that was cut off: removed by the next `open`
//! ```
//!
//! A write goes to a new file, which is synced, renamed over the old one, and the folder is
//! synced: after a crash at any moment the old or the new file is there, whole. The rename, the check of
//! the condition and the check of the lease are done under one `flock`, which the kernel frees when
//! its holder is killed. The locks of a process that was killed are free at once for others on the same
//! machine, and on other machines when they expire.

mod core;
#[cfg(test)]
mod crash;
mod locks;
mod os;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Mutex;

use self::core::Core;
use self::os::Os;
use super::fault::timed_out;
use super::lease::{Acquired, Lease, Owner};
use super::name::{Folder, Name};
use super::record::{Condition, Record, Stored, Version};
use super::{Store, fault};
use crate::clock::{Clock, SystemClock};
use crate::error::{Error, ErrorKind, Result};
use crate::limits::STORE_TIME_LIMIT;

/// How a folder is opened as a store.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> opsbox_cert::Result<()> {
/// # let dir = tempfile::tempdir().expect("a folder");
/// # let folder = dir.path().join("store");
/// use std::time::Duration;
/// use opsbox_cert::store::FsOptions;
///
/// let store = FsOptions::new().time_limit(Duration::from_secs(5)).open(folder).await?;
/// # drop(store);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct FsOptions {
    clock: Arc<dyn Clock>,
    time_limit: Duration,
    any_mode: bool,
}

impl Default for FsOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl FsOptions {
    /// The clock of the system, [`STORE_TIME_LIMIT`], and no file that others can read.
    pub fn new() -> Self {
        Self {
            clock: Arc::new(SystemClock),
            time_limit: STORE_TIME_LIMIT,
            any_mode: false,
        }
    }

    /// The clock by which locks expire.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// How long an operation may take, the wait for other writers included.
    pub fn time_limit(mut self, limit: Duration) -> Self {
        self.time_limit = limit;
        self
    }

    /// Reads records that others than the owner can read or write, as a file system without
    /// permissions has them. Whoever else has an account on the machine then has the keys.
    pub fn dangerous_accept_any_mode(mut self) -> Self {
        self.any_mode = true;
        self
    }

    /// Opens the folder, makes it if it is not there, and removes what a killed writer left.
    ///
    /// # Errors
    ///
    /// [`Denied`](ErrorKind::Denied) if others can write to the folder, or read a folder of records in it;
    /// and as every operation of a store.
    pub async fn open(self, root: impl Into<PathBuf>) -> Result<FsStore> {
        let core = Core::new(Os, root.into(), self.clock, self.any_mode);
        let store = FsStore {
            core: Arc::new(core),
            writer: Arc::new(Mutex::new(())),
            time_limit: self.time_limit,
        };
        let object = store.core.object();
        store
            .write("open", object, |core, deadline| core.open(deadline))
            .await?;
        Ok(store)
    }
}

/// Keeps records in a folder. Clones share it, and so do other processes.
///
/// The locks of a process end with it: others on the same machine get them at once. (On Linux; on other
/// systems, on other machines, and after a restart of the machine they have to expire.) For that a process
/// that takes locks keeps one file in the folder open until its end.
///
/// The folder may be on a network file system whose `flock` holds between machines, as that of NFS 4
/// does. On Windows the permissions are those of the folder, and folders are not synced.
#[derive(Clone)]
pub struct FsStore {
    core: Arc<Core<Os>>,
    /// One thread at a time waits for the `flock`; the others wait here, in order.
    writer: Arc<Mutex<()>>,
    time_limit: Duration,
}

impl FsStore {
    /// Opens a folder with the default [`FsOptions`].
    ///
    /// # Errors
    ///
    /// As [`FsOptions::open`].
    pub async fn open(root: impl Into<PathBuf>) -> Result<Self> {
        FsOptions::new().open(root).await
    }

    /// The folder.
    pub fn root(&self) -> &Path {
        self.core.root()
    }

    /// The file of a record, for programs that read it themselves. It is replaced, never changed.
    pub fn path(&self, name: &Name) -> PathBuf {
        self.core.path(name)
    }

    async fn read<T: Send + 'static>(
        &self,
        attempt: &'static str,
        object: String,
        work: impl FnOnce(&Core<Os>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let core = self.core.clone();
        let done = tokio::task::spawn_blocking(move || work(&core));
        match tokio::time::timeout(self.time_limit, done).await {
            Ok(Ok(done)) => done,
            Ok(Err(error)) => Err(stopped(attempt, object, error)),
            Err(_) => Err(timed_out(attempt, object, self.time_limit)),
        }
    }

    /// A step that goes on to its end in its thread, even if nobody waits for it any more.
    async fn write<T: Send + 'static>(
        &self,
        attempt: &'static str,
        object: String,
        work: impl FnOnce(&Core<Os>, Duration) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (core, writer, limit) = (self.core.clone(), self.writer.clone(), self.time_limit);
        let done = async move {
            let turn = writer.lock_owned().await;
            tokio::task::spawn_blocking(move || {
                let done = work(&core, limit);
                drop(turn);
                done
            })
            .await
        };
        match tokio::time::timeout(limit, done).await {
            Ok(Ok(done)) => done,
            Ok(Err(error)) => Err(stopped(attempt, object, error)),
            Err(_) => Err(timed_out(attempt, object, limit)),
        }
    }
}

/// The runtime is shutting down.
fn stopped(attempt: &'static str, object: String, error: tokio::task::JoinError) -> Error {
    let reason = "the runtime ended before it was done; start the program again";
    Error::store(ErrorKind::Unavailable, attempt, object, reason).caused_by(error)
}

impl fmt::Debug for FsStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FsStore")
            .field("root", &self.root())
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Store for FsStore {
    async fn load(&self, name: &Name) -> Result<Option<Stored>> {
        let wanted = name.clone();
        self.read("load", name.to_string(), move |core| core.load(&wanted))
            .await
    }

    async fn load_many(&self, names: &[Name]) -> Vec<Result<Option<Stored>>> {
        let wanted = names.to_vec();
        let done = self.read("load", format!("{} records", names.len()), move |core| {
            Ok(wanted
                .iter()
                .map(|name| core.load(name))
                .collect::<Vec<_>>())
        });
        done.await.unwrap_or_else(|error| {
            names
                .iter()
                .map(|name| Err(error.clone().about("load", name)))
                .collect()
        })
    }

    async fn save(
        &self,
        name: &Name,
        record: &Record,
        condition: &Condition,
        lease: Option<&Lease>,
    ) -> Result<Version> {
        let write = core::Write::new("save", name, condition, lease);
        let (bytes, version) = write.encode(record)?;
        self.write("save", name.to_string(), move |core, limit| {
            core.save(&write, &bytes, limit).map(|()| version)
        })
        .await
    }

    async fn delete(
        &self,
        name: &Name,
        condition: &Condition,
        lease: Option<&Lease>,
    ) -> Result<bool> {
        let write = core::Write::new("delete", name, condition, lease);
        self.write("delete", name.to_string(), move |core, limit| {
            core.delete(&write, limit)
        })
        .await
    }

    async fn list(&self, folder: &Folder) -> Result<Vec<Name>> {
        let wanted = folder.clone();
        self.read("list", folder.to_string(), move |core| core.list(&wanted))
            .await
    }

    async fn acquire(&self, lock: &Name, owner: &Owner, ttl: Duration) -> Result<Acquired> {
        super::lease::check_ttl(ttl)?;
        let (wanted, owner) = (lock.clone(), owner.clone());
        let object = fault::lock(lock);
        self.write("acquire", object, move |core, limit| {
            core.acquire(&wanted, &owner, ttl, limit)
        })
        .await
    }

    async fn renew(&self, lease: &Lease) -> Result<Lease> {
        let (object, lease) = (fault::lock(lease.lock()), lease.clone());
        self.write("renew", object, move |core, limit| {
            core.renew(&lease, limit)
        })
        .await
    }

    async fn release(&self, lease: &Lease) -> Result<()> {
        let (object, lease) = (fault::lock(lease.lock()), lease.clone());
        self.write("release", object, move |core, limit| {
            core.release(&lease, limit)
        })
        .await
    }
}
