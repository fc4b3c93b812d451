//! Locks in a folder: who holds one, until when, and whether its process is still there.
//!
//! A lock ends when it is released or expires. That of a process which was killed ends at once for others on
//! the same machine: each process that takes locks keeps a file of its own under `flock`, which the kernel
//! frees when the process dies, and the lock says which file that is. It counts only within one start of one
//! machine, so a network file system whose `flock` does not reach other machines lets nobody take a
//! living owner's lock.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use super::super::fault::{fenced, lock as lock_object};
use super::super::lease::{Acquired, Lease, LockState, Owner, next_token};
use super::super::name::Name;
use super::super::random;
use super::core::{Core, Fs};
use crate::error::Result;

/// The folder of the locks.
pub(super) const LOCKS: &str = ".locks";
const TOKEN: &str = "token";
/// Before the id of a process that takes locks.
const PROCESS: &str = "process-";
/// Most bytes of a file about a lock.
const LOCK_BYTES: usize = 4096;

/// All of it is done while the lock of the store is held.
impl<F: Fs> Core<F> {
    fn lock_path(&self, lock: &Name) -> PathBuf {
        self.root
            .join(LOCKS)
            .join(format!("{}+{}", lock.folder(), lock.file_stem()))
    }

    /// A file that is no state is taken for a free lock: writes under it are refused.
    pub(super) fn lock_state(
        &self,
        attempt: &'static str,
        lock: &Name,
    ) -> Result<Option<LockState>> {
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
        let holder = self.watch.holder(lock, state.as_ref(), &*self.clock);
        if let Some(holder) = holder
            && !state.as_ref().is_some_and(|state| self.is_dead(state))
        {
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
        let granted = LockState {
            process: self.own_process(),
            ..LockState::granted(lock, owner, token, ttl, now)
        };
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
        let renewed = LockState {
            process: self.own_process(),
            ..state.renewed(self.clock.now())
        };
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

    /// What locks say of this process; `None` if its file cannot be had: then they end by their time alone.
    fn own_process(&self) -> Option<String> {
        let (boot, id) = (self.fs.boot()?, random::id().ok()?);
        let file = format!("{PROCESS}{id}");
        let file = self.fs.hold(&self.root.join(LOCKS), &file).ok()?;
        Some(format!("{boot} {}", file.strip_prefix(PROCESS)?))
    }

    /// Whether the process that holds a lock ran on this machine, since it was started, and is gone.
    fn is_dead(&self, state: &LockState) -> bool {
        let process = state.process.as_deref().and_then(|it| it.split_once(' '));
        let Some((boot, id)) = process else {
            return false;
        };
        if self.fs.boot().as_deref() != Some(boot) || !id.bytes().all(|b| b.is_ascii_alphanumeric())
        {
            return false;
        }
        let path = self.root.join(LOCKS).join(format!("{PROCESS}{id}"));
        // Without its file it cannot be told.
        matches!(self.fs.is_held(&path), Ok(Some(false)))
    }

    /// Removes the locks of processes that are gone, and then the files of these, from among the files of the
    /// folder of locks.
    pub(super) fn free_locks_of_the_dead(&self, files: &[String]) -> io::Result<()> {
        let folder = self.root.join(LOCKS);
        let processes = files.iter().filter(|file| file.starts_with(PROCESS));
        let mut dead = Vec::new();
        for path in processes.map(|file| folder.join(file)) {
            // What cannot be told is left.
            if matches!(self.fs.is_held(&path), Ok(Some(false))) {
                dead.push(path);
            }
        }
        if dead.is_empty() {
            return Ok(());
        }
        for path in files.iter().filter(|file| file.contains('+')) {
            let path = folder.join(path);
            let file = self.fs.read(&path, LOCK_BYTES).ok().flatten();
            let state = file.and_then(|file| serde_json::from_slice(&file.bytes).ok());
            if state.is_some_and(|state| self.is_dead(&state)) {
                self.fs.remove(&path)?;
            }
        }
        dead.iter().try_for_each(|path| self.fs.remove(path))
    }
}
