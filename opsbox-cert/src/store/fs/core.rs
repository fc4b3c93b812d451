//! What is done in which order, on any [`Fs`]: the real one, and one that crashes.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use zeroize::Zeroizing;

use super::super::codec::{self, Decoded};
use super::super::fault::{conflict, fenced, io as io_fault, lock as lock_object};
use super::super::lease::{Acquired, Fence, Lease, LockState, Owner, Watch, next_token};
use super::super::name::{Folder, Name, Stem};
use super::super::random;
use super::super::record::{Condition, Record, Stored, Version};
use crate::clock::Clock;
use crate::error::{Error, ErrorKind, Result};

/// The seam to the operating system. Every method is one step that a crash may follow or cut.
pub(super) trait Fs: Send + Sync {
    /// Frees the lock when it is dropped.
    type Guard;

    /// A file and its permissions; `None` if there is none.
    fn read(&self, path: &Path, limit: usize) -> io::Result<Option<File>>;
    /// Makes a folder that only the owner can enter; no error if it is there.
    fn make_dir(&self, path: &Path) -> io::Result<()>;
    /// Makes a new file that only the owner can read, and syncs it.
    fn write_synced(&self, path: &Path, bytes: &[u8]) -> io::Result<()>;
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    fn remove(&self, path: &Path) -> io::Result<()>;
    fn sync_dir(&self, path: &Path) -> io::Result<()>;
    /// Names in a folder; empty if there is no such folder.
    fn list(&self, path: &Path) -> io::Result<Vec<String>>;
    /// Permission bits of a folder; `None` if there is none.
    fn mode(&self, path: &Path) -> io::Result<Option<u32>>;
    /// Waits for the exclusive lock of all processes, at most `limit`.
    fn lock(&self, path: &Path, limit: Duration) -> io::Result<Self::Guard>;
}

pub(super) struct File {
    pub(super) bytes: Zeroizing<Vec<u8>>,
    pub(super) mode: u32,
}

pub(super) struct Core<F> {
    fs: F,
    root: PathBuf,
    clock: Arc<dyn Clock>,
    watch: Watch,
    any_mode: bool,
}

/// A write and what has to hold for it.
pub(super) struct Write {
    attempt: &'static str,
    name: Name,
    condition: Condition,
    lease: Option<Lease>,
}

impl Write {
    pub(super) fn new(
        attempt: &'static str,
        name: &Name,
        condition: &Condition,
        lease: Option<&Lease>,
    ) -> Self {
        Self {
            attempt,
            name: name.clone(),
            condition: condition.clone(),
            lease: lease.cloned(),
        }
    }

    pub(super) fn encode(&self, record: &Record) -> Result<(Zeroizing<Vec<u8>>, Version)> {
        let version = Version::new(random::id()?);
        let fence = self.lease.as_ref().map(Fence::of);
        Ok((
            codec::encode(&self.name, record, &version, fence.as_ref())?,
            version,
        ))
    }
}

const EXTENSION: &str = ".pem";
const TEMPORARY: &str = ".tmp-";
const LOCKS: &str = ".locks";
const TOKEN: &str = "token";
const LOCK: &str = ".lock";
/// Bits that let the group or others in, and those that let them write.
const OTHERS: u32 = 0o077;
const OTHERS_WRITE: u32 = 0o022;
/// Most bytes of a file about a lock.
const LOCK_BYTES: usize = 4096;

impl<F: Fs> Core<F> {
    pub(super) fn new(fs: F, root: PathBuf, clock: Arc<dyn Clock>, any_mode: bool) -> Self {
        Self {
            fs,
            root,
            clock,
            watch: Watch::default(),
            any_mode,
        }
    }

    #[cfg(test)]
    pub(super) fn fs(&self) -> &F {
        &self.fs
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// The store as the object of a message.
    pub(super) fn object(&self) -> String {
        format!("the folder {}", self.root.display())
    }

    pub(super) fn path(&self, name: &Name) -> PathBuf {
        self.root
            .join(name.folder())
            .join(name.file_stem() + EXTENSION)
    }

    fn lock_path(&self, lock: &Name) -> PathBuf {
        self.root
            .join(LOCKS)
            .join(format!("{}+{}", lock.folder(), lock.file_stem()))
    }

    /// An error of the system, with the path.
    fn fault(
        &self,
        attempt: &'static str,
        object: &dyn std::fmt::Display,
        path: &Path,
    ) -> impl FnOnce(io::Error) -> Error + use<F> {
        let object = format!("{object} ({})", path.display());
        move |error| io_fault(attempt, object, error)
    }

    pub(super) fn open(&self, limit: Duration) -> Result<()> {
        let object = self.object();
        let fault = |path: &Path| self.fault("open", &"the store", path);
        let mode = self.fs.mode(&self.root).map_err(fault(&self.root))?;
        match mode {
            None => {
                self.fs.make_dir(&self.root).map_err(fault(&self.root))?;
                if let Some(parent) = self
                    .root
                    .parent()
                    .filter(|parent| !parent.as_os_str().is_empty())
                {
                    // The parent may belong to another user who lets us make folders but not read it.
                    self.fs
                        .sync_dir(parent)
                        .or_else(allow_denied)
                        .map_err(fault(parent))?;
                }
            }
            Some(mode) => self.check_mode("open", &object, mode, OTHERS_WRITE, "0700")?,
        }
        let _guard = self.guard("open", &object, limit)?;
        self.fs
            .make_dir(&self.root.join(LOCKS))
            .map_err(fault(&self.root))?;
        self.fs.sync_dir(&self.root).map_err(fault(&self.root))?;
        for folder in self.fs.list(&self.root).map_err(fault(&self.root))? {
            let path = self.root.join(&folder);
            if folder != LOCKS && Folder::new(folder).is_err() {
                continue;
            }
            let Some(mode) = self.fs.mode(&path).map_err(fault(&path))? else {
                continue;
            };
            self.check_mode(
                "open",
                &format!("the folder {}", path.display()),
                mode,
                OTHERS,
                "0700",
            )?;
            let names = self.fs.list(&path).map_err(fault(&path))?;
            for name in names.iter().filter(|name| name.starts_with(TEMPORARY)) {
                // Nobody is writing, since we hold the lock: the writer of this one is dead.
                self.fs.remove(&path.join(name)).map_err(fault(&path))?;
            }
        }
        Ok(())
    }

    fn check_mode(
        &self,
        attempt: &'static str,
        object: &str,
        mode: u32,
        forbidden: u32,
        right: &str,
    ) -> Result<()> {
        if self.any_mode || mode & forbidden == 0 {
            return Ok(());
        }
        let can = if mode & OTHERS_WRITE != 0 {
            "written"
        } else {
            "read"
        };
        let reason = format!(
            "it can be {can} by others than its owner (mode {:04o}), and private keys are kept there; run `chmod {right}` on it, and replace the keys if that was so for long",
            mode & 0o7777
        );
        Err(Error::store(ErrorKind::Denied, attempt, object, reason))
    }

    fn guard(&self, attempt: &'static str, object: &str, limit: Duration) -> Result<F::Guard> {
        let path = self.root.join(LOCK);
        self.fs.lock(&path, limit).map_err(|error| {
            if error.kind() != io::ErrorKind::WouldBlock {
                return self.fault(attempt, &object, &path)(error);
            }
            let reason = format!(
                "another process has been writing to {} for {} s; try again, and see who holds {LOCK} in it if it stays so",
                self.object(),
                limit.as_secs_f32()
            );
            Error::store(ErrorKind::Unavailable, attempt, object, reason)
        })
    }

    fn read(&self, attempt: &'static str, name: &Name) -> Result<Option<Decoded>> {
        let path = self.path(name);
        let file = self
            .fs
            .read(&path, codec::MAX_BYTES)
            .map_err(self.fault(attempt, name, &path))?;
        let Some(file) = file else { return Ok(None) };
        let object = || format!("{name} ({})", path.display());
        self.check_mode(attempt, &object(), file.mode, OTHERS, "0600")?;
        match codec::decode_as(name, &file.bytes) {
            Ok(decoded) => Ok(Some(decoded)),
            Err(error) => Err(error.about(attempt, object())),
        }
    }

    pub(super) fn load(&self, name: &Name) -> Result<Option<Stored>> {
        let decoded = self.read("load", name)?;
        Ok(decoded.map(|decoded| Stored::new(decoded.record, decoded.version)))
    }

    /// The lease and the condition, while the lock of the store is held. Whether there is a record.
    fn check(&self, write: &Write) -> Result<bool> {
        let Write {
            attempt,
            name,
            condition,
            lease,
        } = write;
        if let Some(lease) = lease
            && !self
                .lock_state(attempt, lease.lock())?
                .is_some_and(|state| state.is(lease))
        {
            return Err(fenced(attempt, name, lease.lock()));
        }
        let holds = match self.read(attempt, name) {
            Ok(current) => {
                let version = current.as_ref().map(|current| &current.version);
                condition.holds(version).then_some(version.is_some())
            }
            // What is damaged or has been open to others may be replaced, but it is no known version.
            Err(error) if matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Denied) => {
                (*condition == Condition::Any).then_some(true)
            }
            Err(error) => return Err(error),
        };
        holds.ok_or_else(|| conflict(attempt, name))
    }

    pub(super) fn save(&self, write: &Write, bytes: &[u8], limit: Duration) -> Result<()> {
        let name = &write.name;
        let _guard = self.guard("save", name.as_str(), limit)?;
        self.check(write)?;
        let path = self.path(name);
        let folder = self.root.join(name.folder());
        let fault = || self.fault("save", name, &path);
        if self.fs.mode(&folder).map_err(fault())?.is_none() {
            self.fs.make_dir(&folder).map_err(fault())?;
            self.fs.sync_dir(&self.root).map_err(fault())?;
        }
        self.replace(&path, &folder, bytes).map_err(fault())
    }

    /// Write, sync, rename, sync the folder.
    fn replace(&self, path: &Path, folder: &Path, bytes: &[u8]) -> io::Result<()> {
        let id = random::id().map_err(io::Error::other)?;
        let temporary = folder.join(format!("{TEMPORARY}{id}"));
        let renamed = self
            .fs
            .write_synced(&temporary, bytes)
            .and_then(|()| self.fs.rename(&temporary, path));
        if let Err(error) = renamed {
            // If this fails too, the next `open` removes it.
            drop(self.fs.remove(&temporary));
            return Err(error);
        }
        self.fs.sync_dir(folder)
    }

    pub(super) fn delete(&self, write: &Write, limit: Duration) -> Result<bool> {
        let name = &write.name;
        let _guard = self.guard("delete", name.as_str(), limit)?;
        let found = self.check(write)?;
        if found {
            let path = self.path(name);
            let folder = self.root.join(name.folder());
            let removed = self
                .fs
                .remove(&path)
                .and_then(|()| self.fs.sync_dir(&folder));
            removed.map_err(self.fault("delete", name, &path))?;
        }
        Ok(found)
    }

    pub(super) fn list(&self, folder: &Folder) -> Result<Vec<Name>> {
        let path = self.root.join(folder.as_str());
        let files = self
            .fs
            .list(&path)
            .map_err(self.fault("list", &folder, &path))?;
        let mut names = Vec::with_capacity(files.len());
        for file in files {
            let Some(stem) = file
                .strip_suffix(EXTENSION)
                .filter(|stem| !stem.starts_with('.'))
            else {
                continue;
            };
            match Name::from_file_stem(folder, stem) {
                Stem::Name(name) => names.push(name),
                Stem::Hashed => {
                    let path = path.join(&file);
                    let found = self.fs.read(&path, codec::MAX_BYTES);
                    let found = found.map_err(self.fault("list", &folder, &path))?;
                    let name = found.map(|found| codec::decode(path.display(), &found.bytes));
                    names.extend(name.transpose()?.map(|decoded| decoded.name));
                }
                Stem::Foreign => {}
            }
        }
        names.sort_unstable();
        Ok(names)
    }
}

/// Locks.
impl<F: Fs> Core<F> {
    /// A file that is no state is taken for a free lock: writes under it are refused.
    fn lock_state(&self, attempt: &'static str, lock: &Name) -> Result<Option<LockState>> {
        let path = self.lock_path(lock);
        let file = self.fs.read(&path, LOCK_BYTES).map_err(self.fault(
            attempt,
            &lock_object(lock),
            &path,
        ))?;
        let state: Option<LockState> =
            file.and_then(|file| serde_json::from_slice(&file.bytes).ok());
        Ok(state.filter(|state| state.lock == lock.as_str()))
    }

    fn put_lock(&self, attempt: &'static str, lock: &Name, state: &LockState) -> Result<()> {
        let path = self.lock_path(lock);
        let bytes = serde_json::to_vec(state).map_err(io::Error::other);
        bytes
            .and_then(|bytes| self.replace(&path, &self.root.join(LOCKS), &bytes))
            .map_err(self.fault(attempt, &lock_object(lock), &path))
    }

    pub(super) fn acquire(
        &self,
        lock: &Name,
        owner: &Owner,
        ttl: Duration,
        limit: Duration,
    ) -> Result<Acquired> {
        let object = lock_object(lock);
        let _guard = self.guard("acquire", &object, limit)?;
        let state = self.lock_state("acquire", lock)?;
        if let Some(holder) = self.watch.holder(lock, state.as_ref(), &*self.clock) {
            return Ok(Acquired::Held(holder));
        }
        let (folder, now) = (self.root.join(LOCKS), self.clock.now());
        let path = folder.join(TOKEN);
        let last = self
            .fs
            .read(&path, LOCK_BYTES)
            .map_err(self.fault("acquire", &object, &path))?;
        let last = last.and_then(|file| std::str::from_utf8(&file.bytes).ok()?.trim().parse().ok());
        let last = last.max(state.map(|state| state.token)).unwrap_or(0);
        let token = next_token(last, now);
        // The token first: a crash between the two leaves a gap in the numbers, never a repetition.
        self.replace(&path, &folder, token.to_string().as_bytes())
            .map_err(self.fault("acquire", &object, &path))?;
        let granted = LockState::granted(lock, owner, token, ttl, now);
        self.put_lock("acquire", lock, &granted)?;
        Ok(Acquired::Granted(granted.lease(lock, owner)))
    }

    pub(super) fn renew(&self, lease: &Lease, limit: Duration) -> Result<Lease> {
        let object = lock_object(lease.lock());
        let _guard = self.guard("renew", &object, limit)?;
        let state = self
            .lock_state("renew", lease.lock())?
            .filter(|state| state.is(lease));
        let Some(state) = state else {
            return Err(fenced("renew", object, lease.lock()));
        };
        let renewed = state.renewed(self.clock.now());
        self.put_lock("renew", lease.lock(), &renewed)?;
        Ok(renewed.lease(lease.lock(), lease.owner()))
    }

    pub(super) fn release(&self, lease: &Lease, limit: Duration) -> Result<()> {
        let object = lock_object(lease.lock());
        let _guard = self.guard("release", &object, limit)?;
        if self
            .lock_state("release", lease.lock())?
            .is_some_and(|state| state.is(lease))
        {
            let path = self.lock_path(lease.lock());
            // Not synced: after a crash the lock may be back until it expires, which is safe.
            self.fs
                .remove(&path)
                .map_err(self.fault("release", &object, &path))?;
        }
        Ok(())
    }
}

fn allow_denied(error: io::Error) -> io::Result<()> {
    match error.kind() {
        io::ErrorKind::PermissionDenied => Ok(()),
        _ => Err(error),
    }
}
