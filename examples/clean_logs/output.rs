use std::{
    fs::File,
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
        // What is no file, as /dev/null or a pipe, is not to be replaced by one.
        if path.metadata().is_ok_and(|it| !it.is_file()) {
            return Ok(Self::Stream(Box::new(
                File::options().write(true).open(path)?,
            )));
        }
        let mut builder = tempfile::Builder::new();
        // As any new file has it; the umask is applied.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let file = builder.tempfile_in(folder(path))?;
        Ok(Self::File(file, path.to_owned()))
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

fn folder(path: &Path) -> &Path {
    let parent = path.parent();
    parent
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or_else(|| Path::new("."))
}
