//! What is done in which order, on any [`Fs`]: the real one, and one that crashes.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use zeroize::Zeroizing;

use super::super::codec::{self, Decoded};
use super::super::fault::{conflict, fenced, io as io_fault};
use super::super::lease::{Fence, Lease, Watch};
use super::super::name::{Folder, Name, Stem};
use super::super::random;
use super::super::record::{Condition, Record, Stored, Version};
use super::locks::LOCKS;
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
    /// Makes a file of this name and keeps its lock for as long as the process lives. If the process has such
    /// a file in this folder already, nothing is done. The name of the file that it has.
    fn hold(&self, folder: &Path, file: &str) -> io::Result<String>;
    /// Whether a process has the lock of this file; `None` if there is no file.
    fn is_held(&self, path: &Path) -> io::Result<Option<bool>>;
    /// Which start of which machine this is; `None` if the system does not say.
    fn boot(&self) -> Option<String>;
}

pub(super) struct File {
    pub(super) bytes: Zeroizing<Vec<u8>>,
    pub(super) mode: u32,
}

pub(super) struct Core<F> {
    pub(super) fs: F,
    pub(super) root: PathBuf,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) watch: Watch,
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
const LOCK: &str = ".lock";
/// Bits that let the group or others in, and those that let them write.
const OTHERS: u32 = 0o077;
const OTHERS_WRITE: u32 = 0o022;

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

    /// An error of the system, with the path.
    pub(super) fn fault(
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
            if folder != LOCKS && Folder::new(&*folder).is_err() {
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
            if folder == LOCKS {
                self.free_locks_of_the_dead(&names).map_err(fault(&path))?;
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

    pub(super) fn guard(
        &self,
        attempt: &'static str,
        object: &str,
        limit: Duration,
    ) -> Result<F::Guard> {
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
    pub(super) fn replace(&self, path: &Path, folder: &Path, bytes: &[u8]) -> io::Result<()> {
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

fn allow_denied(error: io::Error) -> io::Result<()> {
    match error.kind() {
        io::ErrorKind::PermissionDenied => Ok(()),
        _ => Err(error),
    }
}
