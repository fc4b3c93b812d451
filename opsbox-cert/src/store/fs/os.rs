//! The file system of the operating system.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use zeroize::Zeroizing;

use super::core::{File, Fs};
use crate::file;

#[derive(Debug)]
pub(super) struct Os;

/// What shows others that this process lives, by folder: closed by its end alone.
static HELD: Mutex<BTreeMap<PathBuf, (String, fs::File)>> = Mutex::new(BTreeMap::new());

impl Fs for Os {
    type Guard = fs::File;

    fn read(&self, path: &Path, limit: usize) -> io::Result<Option<File>> {
        let opened = match file::open_nonblocking(path) {
            Ok(opened) => opened,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let metadata = opened.metadata()?;
        if !metadata.is_file() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "it is no regular file",
            ));
        }
        let size = usize::try_from(metadata.len()).unwrap_or(usize::MAX);
        if size > limit {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("it is longer than the limit of {limit} bytes"),
            ));
        }
        // Room for the whole, and for the read that finds the end: a buffer that grows leaves copies.
        let mut bytes = Zeroizing::new(Vec::with_capacity(size + 1));
        opened.take(size as u64).read_to_end(&mut bytes)?;
        Ok(Some(File {
            bytes,
            mode: mode_of(&metadata),
        }))
    }

    fn make_dir(&self, path: &Path) -> io::Result<()> {
        let mut builder = DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        match builder.create(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
            made => made,
        }
    }

    fn write_synced(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut file = private().create_new(true).open(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    #[cfg(unix)]
    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        fs::File::open(path)?.sync_all()
    }

    #[cfg(not(unix))]
    fn sync_dir(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        let entries = match fs::read_dir(path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let names = entries.map(|entry| entry.map(|entry| entry.file_name().into_string().ok()));
        // A name that is no UTF-8 is none of ours.
        names.filter_map(Result::transpose).collect()
    }

    fn mode(&self, path: &Path) -> io::Result<Option<u32>> {
        match fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => Ok(Some(mode_of(&metadata))),
            Ok(_) => Err(io::ErrorKind::NotADirectory.into()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn lock(&self, path: &Path, limit: Duration) -> io::Result<fs::File> {
        const FIRST: Duration = Duration::from_micros(200);
        const LONGEST: Duration = Duration::from_millis(20);
        let file = private().create(true).truncate(false).open(path)?;
        let (started, mut pause) = (Instant::now(), FIRST);
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::WouldBlock) if started.elapsed() < limit => {
                    thread::sleep(pause);
                    pause = (pause * 2).min(LONGEST);
                }
                Err(TryLockError::WouldBlock) => return Err(io::ErrorKind::WouldBlock.into()),
                Err(TryLockError::Error(error)) => return Err(error),
            }
        }
    }

    fn hold(&self, folder: &Path, file: &str) -> io::Result<String> {
        let folder = folder.canonicalize()?;
        let mut held = HELD.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((file, _)) = held.get(&folder)
            && folder.join(file).exists()
        {
            return Ok(file.clone());
        }
        private().create_new(true).open(folder.join(file))?;
        // Open for reading alone, so that the file system can be made read-only meanwhile.
        let opened = fs::File::open(folder.join(file))?;
        opened.try_lock()?;
        held.insert(folder, (file.to_owned(), opened));
        Ok(file.to_owned())
    }

    fn is_held(&self, path: &Path) -> io::Result<Option<bool>> {
        let file = match file::open_nonblocking(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        match file.try_lock() {
            Ok(()) => Ok(Some(false)),
            Err(TryLockError::WouldBlock) => Ok(Some(true)),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    fn boot(&self) -> Option<String> {
        let id = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
        Some(id.trim().to_owned()).filter(|id| !id.is_empty())
    }
}

/// Opens for writing; a file that is made can be read by its owner alone.
fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

#[cfg(unix)]
fn mode_of(metadata: &fs::Metadata) -> u32 {
    std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o7777
}

#[cfg(not(unix))]
fn mode_of(_: &fs::Metadata) -> u32 {
    0o600
}
