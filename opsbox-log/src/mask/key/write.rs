//! Key files: read only if no one else can, and written so that a crash leaves the old or the new one.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
};

use zeroize::Zeroizing;

use crate::{error::Error, limits::MAX_KEY_FILE_BYTES};

fn failed(attempt: &str, path: &Path, error: &io::Error) -> Error {
    let retryable = matches!(
        error.kind(),
        io::ErrorKind::Interrupted | io::ErrorKind::TimedOut
    );
    let message = format!("{error}; check the path and its permissions");
    Error::key(&format!("{attempt} {}", path.display()), retryable, message)
}

fn refused(path: &Path, message: String) -> Error {
    Error::key(&format!("use {}", path.display()), false, message)
}

/// The whole file, if it is a regular one that only its owner can read or write.
pub(super) fn read(path: &Path) -> Result<Zeroizing<String>, Error> {
    let file = File::open(path).map_err(|error| failed("open", path, &error))?;
    let about = file
        .metadata()
        .map_err(|error| failed("open", path, &error))?;
    if !about.is_file() {
        return Err(refused(
            path,
            "it is no regular file; name a key file".into(),
        ));
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = about.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            let message = format!(
                "its mode is {mode:04o}, so that others than its owner can get at it; run `chmod 600` on it, and \
                 replace the keys if others could read them"
            );
            return Err(refused(path, message));
        }
    }
    if about.len() > MAX_KEY_FILE_BYTES {
        return Err(refused(
            path,
            format!("it is larger than the limit of {MAX_KEY_FILE_BYTES} bytes; name a key file"),
        ));
    }
    // At its size at once: growing would leave copies behind.
    let room = usize::try_from(about.len()).unwrap_or(0) + 1;
    let mut text = Zeroizing::new(String::with_capacity(room));
    let read = file.take(about.len()).read_to_string(&mut text);
    read.map_err(|error| failed("read", path, &error))?;
    Ok(text)
}

/// Makes a file of mode 0600 that was not there.
pub(super) fn create(path: &Path, text: &str) -> Result<(), Error> {
    let temporary = temporary(path)?;
    let made = write(&temporary, text).and_then(|()| fs::hard_link(&temporary, path));
    fs::remove_file(&temporary).ok();
    made.and_then(|()| sync_folder(path))
        .map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => refused(
                path,
                "it exists already; open it, or choose another name".into(),
            ),
            _ => failed("create", path, &error),
        })
}

/// Puts a file of mode 0600 in the place of one.
pub(super) fn replace(path: &Path, text: &str) -> Result<(), Error> {
    let temporary = temporary(path)?;
    let made = write(&temporary, text).and_then(|()| fs::rename(&temporary, path));
    if made.is_err() {
        fs::remove_file(&temporary).ok();
    }
    made.and_then(|()| sync_folder(path))
        .map_err(|error| failed("write", path, &error))
}

/// Keeps others from changing the file until it is dropped: a file beside it is locked.
pub(super) fn lock(path: &Path) -> Result<File, Error> {
    let beside = beside(path, "lock");
    let mut options = OpenOptions::new();
    options.create(true).append(true);
    private(&mut options);
    let file = options.open(&beside);
    let locked = file.and_then(|file| file.lock().map(|()| file));
    locked.map_err(|error| failed("lock", &beside, &error))
}

/// A name of its own, in the same folder.
fn temporary(path: &Path) -> Result<PathBuf, Error> {
    let mut random = [0; 8];
    super::provider::fill(&mut random)?;
    Ok(beside(path, &data_encoding::HEXLOWER.encode(&random)))
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.{ending}"))
}

fn private(options: &mut OpenOptions) {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    #[cfg(not(unix))]
    let _ = options;
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    private(&mut options);
    let mut file = options.open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

fn sync_folder(path: &Path) -> io::Result<()> {
    #[cfg(unix)]
    {
        let folder = path.parent().filter(|it| !it.as_os_str().is_empty());
        File::open(folder.unwrap_or_else(|| Path::new(".")))?.sync_all()?;
    }
    #[cfg(not(unix))]
    let _ = path;
    Ok(())
}
