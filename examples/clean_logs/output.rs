use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use tempfile::NamedTempFile;

/// Where the lines go.
pub(crate) enum Output {
    Stream(Box<dyn Write>),
    /// A file that is there when it is whole.
    File(NamedTempFile, PathBuf),
}

impl Output {
    pub(crate) fn open(path: Option<&Path>) -> io::Result<Self> {
        let Some(path) = path else {
            return Ok(Self::Stream(Box::new(io::stdout().lock())));
        };
        let permissions = match fs::metadata(path) {
            // What is no file, as /dev/null or a pipe, is not to be replaced by one.
            Ok(there) if !there.is_file() => {
                let stream = File::options().write(true).open(path)?;
                return Ok(Self::Stream(Box::new(stream)));
            }
            Ok(there) => Some(there.permissions()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        // A link stays, and what it points to is replaced, or made.
        let path = match permissions {
            Some(_) => fs::canonicalize(path)?,
            None => end_of_links(path),
        };
        let mut builder = tempfile::Builder::new();
        if permissions.is_none() {
            // As any new file has it; the umask is applied.
            #[cfg(unix)]
            builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        } else {
            // One that may not be written may not be replaced, either.
            File::options().write(true).open(&path)?;
        }
        let file = builder.tempfile_in(folder(&path))?;
        if let Some(permissions) = permissions {
            file.as_file().set_permissions(permissions)?;
        }
        Ok(Self::File(file, path))
    }

    /// Makes the file appear under its name, so that it is whole after a crash, too.
    pub(crate) fn finish(self) -> io::Result<()> {
        if let Self::File(file, path) = self {
            file.as_file().sync_all()?;
            file.persist(&path)?;
            if cfg!(unix) {
                File::open(folder(&path))?.sync_all()?;
            }
        }
        Ok(())
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Stream(stream) => stream.write(bytes),
            Self::File(file, _) => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Stream(stream) => stream.flush(),
            Self::File(file, _) => file.flush(),
        }
    }
}

/// Where links lead whose end is not there.
fn end_of_links(path: &Path) -> PathBuf {
    let mut end = path.to_owned();
    // As many as Linux follows.
    for _ in 0..40 {
        match fs::read_link(&end) {
            Ok(target) => end = folder(&end).join(target),
            Err(_) => break,
        }
    }
    end
}

fn folder(path: &Path) -> &Path {
    let parent = path.parent();
    parent
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or_else(|| Path::new("."))
}
